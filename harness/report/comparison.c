/* comparison.c: a table of gates, judged as one family. See comparison.h. */
#include "harness/report/comparison_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status comparison_new(const struct report *base, const struct report *new_report,
                           struct comparison **comparison, struct err *err)
{
    struct comparison *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    made->base_report = base;
    made->new_report = new_report;
    made->base_name = strdup("base");
    made->new_name = strdup("new");
    if (!made->base_name || !made->new_name) {
        comparison_free(made);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    }
    *comparison = made;
    return ST_OK;
}

void comparison_free(struct comparison *comparison)
{
    if (!comparison)
        return;
    for (size_t i = 0; i < comparison->row_count; i++) {
        free(comparison->rows[i].new_values);
        free(comparison->rows[i].base_values);
    }
    for (size_t i = 0; i < comparison->left_count; i++)
        free(comparison->left[i].id);
    free(comparison->rows);
    free(comparison->left);
    free(comparison->base_name);
    free(comparison->new_name);
    free(comparison);
}

/* ---- The family ------------------------------------------------------------------------------ */

/* What a gate's own data says about why it was not decided. */
static void row_explain_unclear(struct comparison_row *row)
{
    const struct compare_gate *judged = &row->judged;
    if (judged->count < COMPARE_PAIRS_MIN)
        snprintf(row->reason, sizeof row->reason, "%zu pair%s of launches: a verdict needs %d",
                 judged->count, judged->count == 1 ? "" : "s", COMPARE_PAIRS_MIN);
    else if (judged->paired.pairs < judged->count)
        snprintf(row->reason, sizeof row->reason,
                 "in %zu of %zu pairs it is among frames that never finished",
                 judged->count - judged->paired.pairs, judged->count);
}

enum status comparison_judge(struct comparison *comparison, struct err *err)
{
    struct compare_gate *family = calloc(comparison->row_count + 1, sizeof *family);
    size_t count = 0;
    double worst = 0;
    bool is_known = true;
    comparison->detectable = NAN;
    if (!family)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    for (size_t i = 0; i < comparison->row_count; i++)
        if (comparison->rows[i].judged.count)
            family[count++] = comparison->rows[i].judged;
    compare_judge(family, count);
    comparison->judged_count = count;
    count = 0;
    for (size_t i = 0; i < comparison->row_count; i++) {
        struct comparison_row *row = &comparison->rows[i];
        if (!row->judged.count)
            continue;
        row->judged = family[count++];
        comparison->verdicts[row->judged.verdict]++;
        if (row->judged.verdict == COMPARE_UNCLEAR)
            row_explain_unclear(row);
        /* One that does not say what it would have seen leaves the table without an answer: fmax
         * would pass over it. */
        const double seen = row->judged.detectable;
        is_known = is_known && !isnan(seen);
        worst = fmax(worst, seen);
    }
    comparison->detectable = is_known && count > 0 ? worst : NAN;
    comparison->alike = comparison_alike(comparison);
    comparison->regressions = comparison->verdicts[COMPARE_SLOWER];
    for (size_t i = 0; i < comparison->left_count; i++)
        comparison->regressions += comparison->left[i].is_regression;
    free(family);
    return ST_OK;
}

struct comparison_ratio comparison_ratio(const struct comparison_row *row)
{
    const struct stats_paired *paired = &row->judged.paired;
    if (row->judged.count == 0)
        return (struct comparison_ratio){NAN, NAN, NAN};
    if (row->judged.more_is_better)
        return (struct comparison_ratio){1 / paired->ratio, 1 / paired->high90, 1 / paired->low90};
    return (struct comparison_ratio){paired->ratio, paired->low90, paired->high90};
}

enum figure_unit comparison_unit(const struct gate *gate)
{
    return gate->kind == GATE_TIME           ? UNIT_NS
           : gate->kind == GATE_FRAMES_PER_S ? UNIT_FRAMES_PER_S
                                             : UNIT_PERCENT;
}

const char *comparison_gate_name(const struct comparison_row *row)
{
    return row->means ? gate_mean(row->gate)->name : row->gate->name;
}
