/* side_by_side.c: the words for several results beside one another. See side_by_side.h. */
#include "harness/report/side_by_side.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/conditions.h"

#define COLUMNS_SAID_MAX 8 /* in sentences; the table has all */
#define TALLIES_SAID_MAX 12
#define TRENDS_SAID_MAX 4
#define DIFFERENCES_SAID_MAX 6

/* Whether another result has the same label. */
static bool label_is_shared(const struct page_part *parts, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (i != index && parts[i].label && strcmp(parts[i].label, parts[index].label) == 0)
            return true;
    return false;
}

void side_label_add(struct text *text, const struct page_part *parts, size_t count, size_t index)
{
    if (!parts[index].label || !parts[index].label[0]) {
        text_addf(text, "result %zu", index + 1);
        return;
    }
    text_add_plain(text, parts[index].label);
    if (label_is_shared(parts, count, index))
        text_addf(text, " (%zu)", index + 1);
}

void side_title_add(struct text *text, const struct page_part *parts, size_t count,
                    void (*escape)(struct text *, const char *))
{
    bool alike = true;
    for (size_t i = 1; i < count; i++)
        alike = alike && strcmp(parts[i].report->scenario, parts[0].report->scenario) == 0;
    if (alike) {
        escape(text, parts[0].report->scenario);
        text_add(text, ": ");
    }
    text_addf(text, "%zu results side by side", count);
}

const char *side_fact_title(enum side_fact fact)
{
    static const char *const titles[SIDE_FACTS] = {"machine", "measured", "version", "launches",
                                                   "fitness"};
    return titles[fact];
}

void side_fact_add(struct text *text, const struct page_part *part, enum side_fact fact)
{
    const cJSON *run = json_get(part->report->json, "run");
    const cJSON *tool = json_get(part->report->json, "tool");
    switch (fact) {
    case SIDE_MACHINE:
        page_machine_line(part->report, text);
        break;
    case SIDE_MEASURED:
        page_date(json_get_string(run, "started_utc", ""), text);
        break;
    case SIDE_VERSION:
        text_add_plain(text, json_get_string(tool, "version", ""));
        if (json_get_string(tool, "commit", "")[0]) {
            text_add(text, " (");
            text_add_plain(text, json_get_string(tool, "commit", ""));
            text_add(text, ")");
        }
        break;
    case SIDE_LAUNCHES:
        conditions_add_launches(text, part->report);
        break;
    case SIDE_FITNESS:
        text_add_plain(text, page_fitness_verdict(part));
        break;
    case SIDE_FACTS:
        break;
    }
}

const char *side_verdict_word(enum compare_verdict verdict)
{
    switch (verdict) {
    case COMPARE_SLOWER:
        return "worse";
    case COMPARE_FASTER:
        return "better";
    case COMPARE_SAME:
        return "no difference seen";
    case COMPARE_UNCLEAR:
        break;
    }
    return "not enough data";
}

/* How one figure of all cells goes in one column. */
struct tally {
    char title[FIGURE_BYTES];
    size_t cells, verdicts[4]; /* by enum compare_verdict */
    double log_sum;
    const struct beside_row *most; /* of those that got worse */
    const struct beside_value *most_value;
};

/* How much worse: above 1 where it is, whichever way the figure counts. */
static double worsening(const struct beside_line *line, const struct beside_value *value)
{
    return line->more_is_better ? 1 / value->stored.ratio : value->stored.ratio;
}

static void tally_take(struct tally *tally, const struct beside_row *row,
                       const struct beside_line *line, size_t column)
{
    const struct beside_value *value = &line->values[column];
    if (!isfinite(value->stored.ratio) || value->stored.ratio <= 0)
        return;
    tally->cells++;
    tally->log_sum += log(value->stored.ratio);
    tally->verdicts[value->stored.verdict]++;
    if (value->stored.verdict == COMPARE_SLOWER &&
        (!tally->most || worsening(line, value) > worsening(line, tally->most_value))) {
        tally->most = row;
        tally->most_value = value;
    }
}

/* "latency p50 is worse in 2 of 21 cells (most in …), better in 3, …" */
static void tally_add(struct text *text, const struct tally *tally)
{
    static const enum compare_verdict order[] = {COMPARE_SLOWER, COMPARE_FASTER, COMPARE_SAME,
                                                 COMPARE_UNCLEAR};
    char ratio[2 * FIGURE_BYTES];
    bool first = true;
    text_addf(text, "%s: ", tally->title);
    for (size_t i = 0; i < 4; i++) {
        const size_t count = tally->verdicts[order[i]];
        if (!count)
            continue;
        text_addf(text, "%s%s in ", first ? "" : ", ", side_verdict_word(order[i]));
        text_addf(text, count == tally->cells && count > 1 ? "all %zu cells" : "%zu", count);
        if (first && count < tally->cells)
            text_addf(text, " of %zu cells", tally->cells);
        else if (first && count == 1)
            text_add(text, " cell");
        if (order[i] == COMPARE_SLOWER && tally->most) {
            text_add(text, " (most in ");
            text_add_plain(text, tally->most->block);
            text_add(text, ": ");
            text_add_plain(text, tally->most->label);
            text_addf(text, ", %s)", beside_ratio_format(tally->most_value, ratio));
        }
        first = false;
    }
    text_addf(text, "; %.2f× over all", exp(tally->log_sum / (double)tally->cells));
}

/* Whether the data says something of a cell: worse, better or the same. */
static bool tally_is_decided(const struct tally *tally)
{
    return tally->verdicts[COMPARE_UNCLEAR] < tally->cells;
}

/* "after beside before" */
static void heading_add(struct text *text, const struct page_part *parts, size_t count,
                        size_t column)
{
    side_label_add(text, parts, count, column);
    text_add(text, " beside ");
    side_label_add(text, parts, count, 0);
}

/* A sentence for each figure of a column of which something can be said. Returns how many sentences there are now. */
static size_t column_add(struct text *sentences, size_t used, const struct page_part *parts,
                         const struct beside *beside, size_t column)
{
    struct tally tallies[BESIDE_LINES_MAX];
    size_t count = 0, figures = 0;
    bool decided = false;
    for (size_t i = 0; i < beside->row_count; i++) {
        const struct beside_row *row = &beside->rows[i];
        for (size_t j = 0; j < row->line_count; j++) {
            char title[FIGURE_BYTES];
            size_t known = 0;
            beside_line_title(&row->lines[j], title);
            while (known < count && strcmp(tallies[known].title, title) != 0)
                known++;
            if (known == BESIDE_LINES_MAX)
                continue;
            if (known == count) {
                tallies[count] = (struct tally){.cells = 0};
                memcpy(tallies[count++].title, title, sizeof title);
            }
            tally_take(&tallies[known], row, &row->lines[j], column);
        }
    }
    for (size_t i = 0; i < count && used < TALLIES_SAID_MAX; i++) {
        figures += tallies[i].cells;
        decided = decided || tally_is_decided(&tallies[i]);
        if (!tally_is_decided(&tallies[i]))
            continue;
        heading_add(&sentences[used], parts, beside->count, column);
        text_add(&sentences[used], ", ");
        tally_add(&sentences[used], &tallies[i]);
        text_add(&sentences[used++], ".");
    }
    if (!decided && used < TALLIES_SAID_MAX) {
        heading_add(&sentences[used], parts, beside->count, column);
        if (figures)
            text_addf(&sentences[used],
                      figures == 1 ? ": %zu figure, which is not told apart."
                                   : ": %zu figures, of which not one is told apart.",
                      figures);
        else
            text_add(&sentences[used], ": no cell of both has figures.");
        used++;
    }
    return used;
}

/* What the comparison is worth: the weightiest difference, and that nothing is paired here, whether
 * the results ran together or not. */
static void worth_add(struct text *text, const struct beside *beside)
{
    for (size_t i = 0; i < beside->difference_count && i < DIFFERENCES_SAID_MAX; i++) {
        text_add(text, i ? ", " : "Not alike: ");
        text_add_plain(text, beside->differences[i].what);
        if (i == 0) { /* the heaviest */
            text_add(text, " (");
            text_add_plain(text, beside->differences[i].means);
            text_add(text, ")");
        }
    }
    if (beside->difference_count > DIFFERENCES_SAID_MAX)
        text_addf(text, " and %zu more", beside->difference_count - DIFFERENCES_SAID_MAX);
    text_add(text, beside->difference_count ? ". " : "");
    text_add(text,
             "The ratios are of results as they are stored, not launch by launch: what differs "
             "from day to day may be in them, so they show trends. `handoff compare --base` "
             "runs two builds next to each other and decides; its verdict is in its "
             "compare.json.");
}

size_t side_sentences(const struct page_part *parts, const struct beside *beside,
                      struct text sentences[SIDE_SENTENCES_MAX])
{
    size_t count = 0, trends = 0;
    memset(sentences, 0, SIDE_SENTENCES_MAX * sizeof *sentences);
    for (size_t i = 1; i < beside->count && i <= COLUMNS_SAID_MAX; i++)
        count = column_add(sentences, count, parts, beside, i);
    if (beside->count > COLUMNS_SAID_MAX + 1)
        text_add(&sentences[count++], "The table below has the other results.");
    const bool one_machine = beside->difference_count == 0 ||
                             beside->differences[0].weight != BESIDE_MACHINE; /* the heaviest */
    for (size_t i = 0; one_machine && i < beside->row_count && trends < TRENDS_SAID_MAX; i++) {
        const struct beside_row *row = &beside->rows[i];
        for (size_t j = 0; j < row->line_count && trends < TRENDS_SAID_MAX; j++) {
            const enum compare_verdict verdict = row->lines[j].trend.verdict;
            if (beside->count < 3 || (verdict != COMPARE_SLOWER && verdict != COMPARE_FASTER))
                continue;
            struct text *sentence = &sentences[count++];
            text_add_plain(sentence, row->block);
            text_add(sentence, ": ");
            text_add_plain(sentence, row->label);
            text_add(sentence, ", ");
            beside_trend_add(sentence, &row->lines[j]);
            text_add(sentence, ".");
            trends++;
        }
    }
    worth_add(&sentences[count++], beside);
    return count;
}
