/* page_deadlines.c: who missed the deadline how often. See page.h.
 *
 * k of n says little about the next run: frames of one launch are late together. So the share
 * stands with its interval across launches, beside how many launches had a miss at all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/stats.h"
#include "harness/report/page.h"

#define ROWS_MAX 40
#define LAUNCHES_MAX 1000

struct misses {
    const struct report_block *block;
    const struct report_cell *cell;
    double missed, frames;
    double deadline_ns;
    size_t launches, launches_with;
    double worst_missed, worst_frames; /* of the launch with the largest share */
    struct stats_estimate share;       /* of the frames, launch by launch */
};

static double count_get(const cJSON *json, const char *name)
{
    const double value = json_get_number(json, name, 0);
    return value >= 0 && value <= 1e15 ? value : 0;
}

/* False for a cell without a deadline, or that does not say. */
static bool misses_read(const struct report_block *block, const struct report_cell *cell,
                        struct misses *misses)
{
    const cJSON *deadline = json_get(cell->json, "deadline"), *launch;
    double shares[LAUNCHES_MAX], worst = -1;
    *misses = (struct misses){.block = block,
                              .cell = cell,
                              .missed = count_get(deadline, "missed"),
                              .frames = count_get(deadline, "frames"),
                              .deadline_ns = count_get(deadline, "deadline_ns")};
    if (!cell->ok || !cJSON_IsNumber(json_get(deadline, "missed")) || misses->frames < 1 ||
        misses->missed > misses->frames || misses->deadline_ns < 1)
        return false;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        const double missed = count_get(launch, "deadline_missed");
        const double frames = count_get(launch, "frames") + count_get(launch, "infinite");
        if (strcmp(json_get_string(launch, "status", ""), "ok") != 0 || frames < 1 ||
            missed > frames || misses->launches == LAUNCHES_MAX)
            continue;
        shares[misses->launches++] = missed / frames;
        misses->launches_with += missed > 0;
        if (missed / frames > worst) {
            worst = missed / frames;
            misses->worst_missed = missed;
            misses->worst_frames = frames;
        }
    }
    misses->share = stats_estimate_linear(shares, misses->launches);
    return true;
}

static int by_share(const void *a, const void *b)
{
    const struct misses *x = a, *y = b;
    const double xs = x->missed / x->frames, ys = y->missed / y->frames;
    return (xs < ys) - (xs > ys);
}

/* Per cent of a share, with two digits. */
static void share_add(struct text *out, double share)
{
    const double percent = share * 100;
    if (percent > 0 && percent < 0.001)
        text_add(out, "&lt;0.001");
    else
        text_addf(out, "%.*f",
                  percent <= 0     ? 0
                  : percent < 0.01 ? 4
                  : percent < 0.1  ? 3
                  : percent < 1    ? 2
                  : percent < 10   ? 1
                                   : 0,
                  percent);
}

static void count_add(struct text *out, double missed, double frames)
{
    char text[FIGURE_BYTES];
    text_add(out, format_count(missed, text));
    text_addf(out, " of %s", format_count(frames, text));
}

static void row_add(struct text *out, const struct misses *misses, bool named)
{
    char text[FIGURE_BYTES];
    text_add(out, "<tr><th scope=\"row\" title=\"");
    text_add_html(out, misses->cell->id);
    text_add(out, "\">");
    text_add_html(out, misses->cell->label);
    if (named) {
        text_add(out, "<small>");
        text_add_html(out, misses->block->name);
        text_add(out, "</small>");
    }
    text_addf(out, "</th><td>%s</td><td>", format_ns(misses->deadline_ns, text));
    count_add(out, misses->missed, misses->frames);
    text_add(out, "</td><td>");
    share_add(out, misses->missed / misses->frames);
    if (misses->share.spread != STATS_SPREAD_NONE && misses->launches > 1) {
        text_add(out, "<small>");
        share_add(out, misses->share.low);
        text_add(out, "–");
        share_add(out, fmin(1, misses->share.high));
        text_add(out, misses->share.spread == STATS_SPREAD_RANGE ? " (range)</small>" : "</small>");
    }
    text_addf(out, "</td><td>%zu of %zu</td><td>", misses->launches_with, misses->launches);
    if (misses->worst_frames > 0)
        count_add(out, misses->worst_missed, misses->worst_frames);
    else
        text_add(out, "—");
    text_add(out, "</td></tr>\n");
}

static void table_add(struct text *out, const struct misses *misses, size_t count, bool named)
{
    text_add(out,
             "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details\">\n<thead>\n"
             "<tr><th scope=\"col\" class=\"words\">cell</th><th scope=\"col\">deadline</th><th "
             "scope=\"col\">missed</th><th scope=\"col\">%</th><th scope=\"col\">launches "
             "with a miss</th><th scope=\"col\">worst launch</th></tr>\n</thead>\n<tbody>\n");
    for (size_t i = 0; i < count && i < ROWS_MAX; i++)
        row_add(out, &misses[i], named);
    text_add(out, "</tbody>\n</table>\n</div>\n");
    if (count > ROWS_MAX)
        text_addf(out,
                  "<p class=\"shared\">%zu more with misses are left out here: those above "
                  "missed the largest shares.</p>\n",
                  count - ROWS_MAX);
}

/* "The other 12 missed none, of 40,000 frames." */
static void none_add(struct text *out, size_t cells, double frames, bool others)
{
    char text[FIGURE_BYTES];
    if (cells == 0)
        return;
    text_addf(out, "<p class=\"shared\">%s%zu cell%s%s missed none of %s frames.</p>\n",
              others       ? "The other "
              : cells == 1 ? "The "
                           : "All ",
              cells, cells == 1 ? "" : "s", others ? "" : " with a schedule",
              format_count(frames, text));
}

void page_deadlines(struct text *out, const struct page_part *part)
{
    const struct report *report = part->report;
    size_t cells = 0, count = 0, without = 0, blocks = 0;
    double frames_without = 0;
    for (size_t i = 0; i < report->block_count; i++)
        cells += report->blocks[i].cell_count;
    struct misses *found = calloc(cells + 1, sizeof *found);
    for (size_t i = 0; found && i < report->block_count; i++) {
        const size_t before = count + without;
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            struct misses *misses = &found[count];
            if (!misses_read(&report->blocks[i], &report->blocks[i].cells[j], misses))
                continue;
            count += misses->missed > 0;
            without += misses->missed <= 0;
            frames_without += misses->missed <= 0 ? misses->frames : 0;
        }
        blocks += count + without > before;
    }
    if (count + without) {
        text_add(out, "<section");
        page_id(out, part, "deadlines");
        text_add(out, ">\n<h2>Deadlines missed</h2>\n<p "
                      "class=\"about\">A frame is late when its response, from when it was due to "
                      "when it is done, is longer than the time between two frames (of a search: "
                      "than its bound); one that never finished is late, too.");
        if (count)
            text_add(out, " Small under a share: its interval across launches.");
        text_add(out, "</p>\n");
        qsort(found, count, sizeof *found, by_share);
        if (count)
            table_add(out, found, count, blocks > 1);
        none_add(out, without, frames_without, count > 0);
        text_add(out, "</section>\n");
    }
    free(found);
}
