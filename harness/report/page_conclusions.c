/* page_conclusions.c: what to use, and what each comparison says; the first that a reader sees. See
 * page.h. */
#include "harness/base/json.h"
#include "harness/report/conditions.h"
#include "harness/report/page.h"

/* With more comparisons than this in a result, only the first of each block stand open. */
#define CONCLUSIONS_SHOWN_MAX 24
#define OF_MANY_SHOWN 2

/* Lists longer than this are folded away: the lead and the notes say what matters. */
#define POINTS_SHOWN_MAX 5

static void points_add(struct text *out, const struct conclusion *item)
{
    bool folded = item->point_count > POINTS_SHOWN_MAX;
    if (item->point_count == 0)
        return;
    if (folded)
        text_addf(out, "<details>\n<summary>Each of the other %zu beside it</summary>\n",
                  item->point_count);
    text_add(out, "<ul>\n");
    for (size_t j = 0; j < item->point_count; j++) {
        text_add(out, "<li>");
        text_add_prose(out, text_get(&item->points[j]));
        text_add(out, "</li>\n");
    }
    text_add(out, folded ? "</ul>\n</details>\n" : "</ul>\n");
}

/* Whether something is compared, and nothing ran often enough for a verdict. */
static bool launches_are_too_few(const struct report *report)
{
    bool compares = false;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; block->compare[0] && j < block->cell_count; j++) {
            if (!block->cells[j].ok)
                continue;
            compares = true;
            if (cJSON_GetArraySize(json_get(block->cells[j].json, "launches")) >= VERDICT_PAIRS_MIN)
                return false;
        }
    }
    return compares;
}

/* Where and how it was measured: what the sentences above are true of. */
static void scope_add(struct text *out, const struct page_part *part)
{
    struct text words = {0};
    const char *verdict = page_fitness_verdict(part);
    page_machine_line(part->report, &words);
    text_add(out, "<p class=\"scope\">This holds for ");
    text_add_prose(out, words.used_bytes ? text_get(&words) : "the machine it was measured on");
    if (verdict[0]) {
        text_add(out, " (<a href=\"");
        page_anchor(out, part, "fitness");
        text_add(out, "\">");
        text_add_prose(out, verdict);
        text_add(out, "</a>)");
    }
    text_add(out, ", and for these conditions: ");
    text_free(&words);
    conditions_add(&words, part->report);
    text_add_prose(out, text_get(&words));
    text_add(out, "</p>\n");
    text_free(&words);
}

static void item_add(struct text *out, const struct conclusion *item)
{
    text_add(out, "<p>");
    text_add_prose(out, text_get(&item->lead));
    text_add(out, "</p>\n");
    points_add(out, item);
    for (size_t i = 0; i < item->note_count; i++) {
        text_add(out, "<p class=\"note\">");
        text_add_prose(out, text_get(&item->notes[i]));
        text_add(out, "</p>\n");
    }
}

/* Those of one block; `shown` of them stand open, the others are folded away. */
static void topic_add(struct text *out, const struct page_part *part, size_t block, size_t shown)
{
    const struct conclusions *conclusions = part->conclusions;
    size_t count = 0, added = 0;
    for (size_t i = 0; i < conclusions->count; i++)
        count += conclusions->items[i].block == block && conclusions->items[i].lead.used_bytes;
    if (count == 0)
        return;
    text_add(out, "<div class=\"topic\">\n<h3>");
    text_add_html(out, part->report->blocks[block].name);
    text_add(out, "</h3>\n");
    for (size_t i = 0; i < conclusions->count; i++) {
        const struct conclusion *item = &conclusions->items[i];
        if (item->block != block || !item->lead.used_bytes)
            continue;
        if (added++ == shown)
            text_addf(out, "<details>\n<summary>%zu more comparison%s</summary>\n", count - shown,
                      count - shown == 1 ? "" : "s");
        item_add(out, item);
    }
    text_add(out, count > shown ? "</details>\n</div>\n" : "</div>\n");
}

static void topics_add(struct text *out, const struct page_part *part)
{
    size_t said = 0;
    for (size_t i = 0; i < part->conclusions->count; i++)
        said += part->conclusions->items[i].lead.used_bytes > 0;
    if (said == 0)
        return;
    text_add(out, "<section class=\"conclusions\">\n<h2>Conclusions</h2>\n");
    for (size_t i = 0; i < part->report->block_count; i++)
        topic_add(out, part, i, said > CONCLUSIONS_SHOWN_MAX ? OF_MANY_SHOWN : said);
    text_add(out, "</section>\n");
}

void page_conclusions(struct text *out, const struct page_part *part)
{
    const struct conclusions *conclusions = part->conclusions;
    text_add(out, "<section class=\"answer\">\n<h2>What to use here</h2>\n");
    for (size_t i = 0; i < conclusions->headline_count; i++) {
        text_add(out, "<p>");
        text_add_prose(out, text_get(&conclusions->headlines[i]));
        text_add(out, "</p>\n");
    }
    for (size_t i = 0; i < conclusions->advice_count; i++) {
        text_add(out, "<p>");
        text_add_prose(out, text_get(&conclusions->advice[i]));
        text_add(out, "</p>\n");
    }
    if (conclusions->advice_count == 0 && part->claims && part->claims->count) {
        text_add(out, "<p>This result checks <a href=\"");
        page_anchor(out, part, "claims");
        text_add(out, "\">what is said</a>; nothing in it supports a recommendation.</p>\n");
    } else if (conclusions->advice_count == 0 && launches_are_too_few(part->report)) {
        text_addf(out,
                  "<p>Nothing is recommended on so few launches: it takes %d of each "
                  "(<code>--launches</code>).</p>\n",
                  VERDICT_PAIRS_MIN);
    } else if (conclusions->advice_count == 0) {
        text_add(out, "<p>Nothing was measured here that supports a recommendation.</p>\n");
    }
    scope_add(out, part);
    text_add(out, "</section>\n");
    topics_add(out, part);
}
