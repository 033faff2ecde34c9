/* compare_stored_words.c: sentences about stored results beside one another. See
 * compare_stored.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/compare_stored.h"
#include "harness/report/columns.h"

const char *stored_name(const struct stored *stored, size_t column, char *text)
{
    if (stored->beside->count == 2)
        return strcpy(text, column == 0 ? "base" : "new");
    snprintf(text, FIGURE_BYTES, "%zu", column + 1);
    return text;
}

void stored_add_result(const struct stored *stored, size_t column, struct text *text)
{
    const struct report *report = stored->beside->reports[column];
    const cJSON *tool = json_get(report->json, "tool");
    const char *commit = json_get_string(tool, "commit", "");
    text_addf(text, "%s: %s, %s, handoff %s", stored->paths[column], report->scenario,
              json_get_string(json_get(report->json, "run"), "started_utc", "at an unknown time"),
              json_get_string(tool, "version", "of unknown version"));
    if (commit[0])
        text_addf(text, " (%s)", commit);
}

void stored_add_difference(const struct stored *stored, const struct beside_difference *difference,
                           struct text *text)
{
    const size_t count = stored->beside->count;
    char name[FIGURE_BYTES];
    text_addf(text, "%s:", difference->what);
    for (size_t i = 0; i < count; i++) {
        bool is_first = true;
        for (size_t j = 0; j < i; j++)
            is_first = is_first && strcmp(difference->values[i], difference->values[j]) != 0;
        if (!is_first)
            continue;
        text_addf(text, "%s %s (%s", i ? "," : "", difference->values[i],
                  stored_name(stored, i, name));
        for (size_t j = i + 1; j < count; j++)
            if (strcmp(difference->values[i], difference->values[j]) == 0)
                text_addf(text, ", %s", stored_name(stored, j, name));
        text_add(text, ")");
    }
    text_addf(text, "; %s", difference->means);
}

const char *stored_weight_words(enum beside_weight weight)
{
    switch (weight) {
    case BESIDE_MACHINE:
        return "These results are of different machines. Their ratios are those of the machines, "
               "and no trend is drawn:";
    case BESIDE_MATTERS:
        return "What the results differ in moves figures by itself. A ratio may be that, and not "
               "the program's:";
    default:
        return "The results also differ in:";
    }
}

size_t stored_row_results(const struct stored *stored, const struct beside_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < stored->beside->count; i++)
        count += row->cells[i] != NULL;
    return count;
}

void stored_add_lone(const struct stored *stored, size_t column, struct text *text)
{
    char name[FIGURE_BYTES];
    size_t listed = 0;
    for (size_t i = 0; i < stored->beside->row_count; i++) {
        const struct beside_row *row = &stored->beside->rows[i];
        if (!row->cells[column] || stored_row_results(stored, row) > 1)
            continue;
        if (listed++ == 0)
            text_addf(text, "Only in %s: ", stored_name(stored, column, name));
        text_addf(text, "%s%s", listed > 1 ? ", " : "", row->id);
    }
}

void stored_add_gaps(const struct stored *stored, const struct beside_row *row, struct text *text)
{
    char name[FIGURE_BYTES];
    for (size_t i = 0; i < stored->beside->count; i++) {
        const struct report_cell *cell = row->cells[i];
        if (cell && cell->ok)
            continue;
        text_add(text, text->used_bytes ? "; " : "");
        if (!cell) {
            text_addf(text, "not in %s", stored_name(stored, i, name));
            continue;
        }
        const char *reason = json_get_string(cell->json, "reason", "");
        text_addf(text, "%s: %s", stored_name(stored, i, name), columns_status_words(cell));
        text_addf(text, "%s%s", reason[0] ? ": " : "", reason);
    }
}

void stored_add_course(const struct stored *stored, const struct beside_line *line,
                       struct text *text)
{
    char figure[FIGURE_BYTES];
    for (size_t i = 0; i < stored->beside->count; i++) {
        const struct beside_value *value = &line->values[stored->beside->by_time[i]];
        text_addf(text, "%s%s", i ? " → " : "", format_figure(&value->figure, line->unit, figure));
    }
}

void stored_add_line_words(const struct stored *stored, const struct beside_line *line,
                           struct text *text)
{
    char name[FIGURE_BYTES], ratio[2 * FIGURE_BYTES];
    const char *before = "against the first: ";
    if (line->trend.points >= 3)
        beside_trend_add(text, line);
    for (size_t i = 1; i < stored->beside->count; i++) {
        const struct beside_value *value = &line->values[i];
        if (value->stored.verdict != COMPARE_SLOWER && value->stored.verdict != COMPARE_FASTER)
            continue;
        text_addf(text, "%s%s%s is %s, %s", text->used_bytes ? "; " : "", before,
                  stored_name(stored, i, name), beside_ratio_format(value, ratio),
                  beside_verdict_words(line, value->stored.verdict));
        before = "";
    }
}

void stored_add_summary(const struct stored *stored, struct text *text)
{
    const size_t *verdicts = stored->verdicts;
    const size_t decided = verdicts[COMPARE_SLOWER] + verdicts[COMPARE_FASTER] +
                           verdicts[COMPARE_SAME] + verdicts[COMPARE_UNCLEAR];
    if (stored->matched == 0) {
        text_add(text,
                 "No cell is in more than one of these results: there is nothing to compare.");
        return;
    }
    text_addf(text,
              "Of %zu figures beside the first result's: %zu slower, %zu faster, %zu with no "
              "difference seen, %zu without data enough to say.",
              decided, verdicts[COMPARE_SLOWER], verdicts[COMPARE_FASTER], verdicts[COMPARE_SAME],
              verdicts[COMPARE_UNCLEAR]);
    if (verdicts[COMPARE_SLOWER] + verdicts[COMPARE_FASTER] > 0)
        text_add(text, " Of figures that are alike, up to one in forty comes out slower by chance, "
                       "and as many faster.");
    if (stored->trends[COMPARE_SLOWER] + stored->trends[COMPARE_FASTER] > 0)
        text_addf(text, " Of the trends, %zu get slower and %zu faster.",
                  stored->trends[COMPARE_SLOWER], stored->trends[COMPARE_FASTER]);
    text_add(text,
             " Intervals are 95 %, over the launches of each result. The results did not run "
             "together: what a machine differs from one hour to the next is in the ratios and not "
             "in their intervals, so this shows what to look at. `handoff compare --base PROGRAM "
             "--scenario FILE` runs two builds next to each other and can tell.");
}
