/* comparison.c: from results to a table of judged gates. See comparison.h. */
#include "harness/report/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/verdict.h"

#define LAUNCHES_MAX 1000

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

/* ---- Gates ----------------------------------------------------------------------------------- */

static bool cell_is_throughput(const struct report_cell *cell)
{
    double bound_ns;
    return report_axis_is(cell, "pacing", "max") || report_cell_searches(cell, &bound_ns);
}

size_t comparison_gates(const struct report *report, const struct report_cell *cell,
                        const struct gate *found[COMPARE_METRICS_MAX])
{
    size_t count = 0;
    const cJSON *name;
    cJSON_ArrayForEach (name, json_get(json_get(report->json, "scenario"), "gates")) {
        const struct gate *gate = cJSON_IsString(name) ? gate_find(name->valuestring) : NULL;
        if (gate && count < COMPARE_METRICS_MAX)
            found[count++] = gate;
    }
    if (count == 0)
        found[count++] = gate_find(cell_is_throughput(cell) ? "frames_per_s" : "latency.p50");
    return count;
}

/* Why the figure of this gate would be none in this cell; NULL where it may be one. */
static const char *gate_meaningless(const struct gate *gate, const struct report_cell *cell)
{
    double bound_ns;
    if (gate->kind != GATE_TIME)
        return NULL;
    if (report_cell_searches(cell, &bound_ns))
        return "each launch is at a rate of its own";
    if (report_axis_is(cell, "pacing", "max") && strcmp(gate->of, "latency") == 0)
        return "with pacing max latency is queue depth";
    return NULL;
}

/* ---- One row --------------------------------------------------------------------------------- */

/* INFINITY with an infinite value among them, NAN without values. */
static double geometric_mean(const double *values, size_t count)
{
    struct stats_estimate estimate = stats_estimate_log(values, count);
    return count ? estimate.value : NAN;
}

static bool row_take_values(struct comparison_row *row, const struct report_cell *base,
                            double tick_ns)
{
    const struct gate *gate = row->gate;
    double new_values[LAUNCHES_MAX], base_values[LAUNCHES_MAX];
    size_t count =
        gate_pair(gate, row->cell->json, base->json, new_values, base_values, LAUNCHES_MAX);
    double near_ns = VERDICT_MEANS_BELOW_TICKS * fmax(0, tick_ns);
    if (gate->kind == GATE_TIME && strcmp(gate->key, "p50_ns") == 0 && count &&
        geometric_mean(new_values, count) < near_ns &&
        geometric_mean(base_values, count) < near_ns) {
        row->means = true;
        gate = gate_mean(gate);
        count = gate_pair(gate, row->cell->json, base->json, new_values, base_values, LAUNCHES_MAX);
    }
    /* One side's launches may lack it for a reason that is a difference itself. */
    const size_t launches = gate_pair_count(row->cell->json, base->json);
    if (count > 0 && count < launches && count < LAUNCHES_MAX) {
        snprintf(row->reason, sizeof row->reason,
                 "in %zu of %zu pairs of launches one has no such figure", launches - count,
                 launches);
        count = 0;
    }
    if (count == 0)
        return true;
    row->new_values = calloc(count, sizeof *row->new_values);
    row->base_values = calloc(count, sizeof *row->base_values);
    if (!row->new_values || !row->base_values)
        return false;
    const double scale = gate_scale(gate);
    row->scale = scale;
    for (size_t i = 0; i < count; i++) {
        row->new_values[i] = scale * new_values[i];
        row->base_values[i] = scale * base_values[i];
    }
    row->new_value = geometric_mean(row->new_values, count) / scale;
    row->base = geometric_mean(row->base_values, count) / scale;
    row->judged = (struct compare_gate){.new_values = row->new_values,
                                        .base_values = row->base_values,
                                        .count = count,
                                        .more_is_better = gate->kind == GATE_FRAMES_PER_S,
                                        .margin = verdict_margin(gate, base, row->base, tick_ns)};
    return true;
}

/* Why there is no figure where one was wanted. */
static void row_explain(struct comparison_row *row)
{
    if (row->gate->kind == GATE_TIME && strcmp(row->gate->key, "p99_ns") == 0)
        snprintf(row->reason, sizeof row->reason,
                 "no launch has a p99: it needs %llu frames and the interval",
                 (unsigned long long)stats_quantiles[STATS_P99].frames_min);
    else
        snprintf(row->reason, sizeof row->reason, "no pair of launches has this figure");
}

/* All gates of one pair of cells. */
static enum status comparison_add_pair(struct comparison *comparison,
                                       const struct report_cell *cell,
                                       const struct report_cell *base, struct err *err)
{
    const struct gate *declared[COMPARE_METRICS_MAX];
    size_t count = comparison_gates(comparison->new_report, cell, declared);
    struct comparison_row *rows =
        realloc(comparison->rows, (comparison->row_count + count) * sizeof *rows);
    if (!rows)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    comparison->rows = rows;
    for (size_t i = 0; i < count; i++) {
        struct comparison_row *row = &rows[comparison->row_count++];
        *row = (struct comparison_row){
            .cell = cell, .gate = declared[i], .base = NAN, .new_value = NAN, .scale = 1};
        const char *meaningless = gate_meaningless(row->gate, cell);
        if (meaningless) {
            snprintf(row->reason, sizeof row->reason, "%s", meaningless);
            continue;
        }
        if (!row_take_values(row, base, comparison->new_report->tick_ns))
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
        if (row->judged.count == 0 && !row->reason[0])
            row_explain(row);
    }
    return ST_OK;
}

static enum status comparison_add_left(struct comparison *comparison, const char *id,
                                       bool is_regression, const char *reason, struct err *err)
{
    struct comparison_left *left =
        realloc(comparison->left, (comparison->left_count + 1) * sizeof *left);
    char *copy = left ? strdup(id) : NULL;
    if (left)
        comparison->left = left;
    if (!copy)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    struct comparison_left *added = &left[comparison->left_count++];
    *added = (struct comparison_left){.id = copy, .is_regression = is_regression};
    snprintf(added->reason, sizeof added->reason, "%s", reason);
    return ST_OK;
}

/* ---- Two builds ------------------------------------------------------------------------------ */

static const struct report_cell *cell_find(const struct report *report, const char *id)
{
    for (size_t i = 0; i < report->block_count; i++)
        for (size_t j = 0; j < report->blocks[i].cell_count; j++)
            if (strcmp(report->blocks[i].cells[j].id, id) == 0)
                return &report->blocks[i].cells[j];
    return NULL;
}

static bool cell_ran(const struct report_cell *cell)
{
    return json_get_number(cell->json, "launches_ok", 0) > 0 && strcmp(cell->status, "failed") != 0;
}

/* "failed on new (reason); on base it ran"; "" where both ran. */
static void pair_explain(const struct report_cell *base, const struct report_cell *cell,
                         char *reason, size_t size)
{
    const struct report_cell *sides[2] = {cell, base};
    static const char *const names[2] = {"new", "base"};
    size_t used = 0;
    reason[0] = '\0';
    const char *both = json_get_string(cell->json, "reason", "");
    if (strcmp(cell->status, base->status) == 0 && strcmp(cell->status, "incomplete") != 0 &&
        !cell_ran(cell) && both[0] &&
        strcmp(both, json_get_string(base->json, "reason", "")) == 0) {
        snprintf(reason, size, "%s on both: %.400s",
                 strcmp(cell->status, "failed") == 0 ? "failed" : "cannot run", both);
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (cell_ran(sides[i]) || used >= size)
            continue;
        const char *why = json_get_string(sides[i]->json, "reason", "");
        const bool failed = strcmp(sides[i]->status, "failed") == 0;
        const bool ended = strcmp(sides[i]->status, "incomplete") == 0;
        used += (size_t)snprintf(reason + used, size - used, "%s%s on %s%s%.240s", used ? "; " : "",
                                 failed  ? "failed"
                                 : ended ? "not one launch was run"
                                         : "cannot run",
                                 names[i], why[0] && !ended ? ": " : "", ended ? "" : why);
    }
}

enum status comparison_add_builds(struct comparison *comparison, struct err *err)
{
    const struct report *news = comparison->new_report, *bases = comparison->base_report;
    enum status status = ST_OK;
    char reason[COMPARISON_REASON_BYTES];
    for (size_t i = 0; i < news->block_count && status == ST_OK; i++) {
        for (size_t j = 0; j < news->blocks[i].cell_count && status == ST_OK; j++) {
            const struct report_cell *cell = &news->blocks[i].cells[j];
            const struct report_cell *base = cell_find(bases, cell->id);
            if (!base) {
                status =
                    comparison_add_left(comparison, cell->id, false, "base has no such cell", err);
                continue;
            }
            pair_explain(base, cell, reason, sizeof reason);
            status = reason[0]
                         ? comparison_add_left(
                               comparison, cell->id,
                               cell_ran(base) && strcmp(cell->status, "failed") == 0, reason, err)
                         : comparison_add_pair(comparison, cell, base, err);
        }
    }
    for (size_t i = 0; i < bases->block_count && status == ST_OK; i++)
        for (size_t j = 0; j < bases->blocks[i].cell_count && status == ST_OK; j++)
            if (!cell_find(news, bases->blocks[i].cells[j].id))
                status = comparison_add_left(comparison, bases->blocks[i].cells[j].id, false,
                                             "new has no such cell", err);
    return status;
}

/* ---- The values of an axis ------------------------------------------------------------------- */

/* Rounds of an interleaved run do not overlap: launch k of two of its cells is less than a round
 * apart. */
static bool cells_interleaved(const struct report *report, const struct report_cell *a,
                              const struct report_cell *b)
{
    const double round = cJSON_GetArraySize(json_get(report->json, "cells"));
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(a->json, "launches")) {
        const cJSON *other = gate_launch_find(b->json, json_get_number(launch, "launch", -2));
        if (other && !(fabs(json_get_number(launch, "order", NAN) -
                            json_get_number(other, "order", NAN)) < round))
            return false;
    }
    return true;
}

/* One cell of a group against the group's baseline, or why not. */
static enum status axis_add_cell(struct comparison *comparison, const struct report_cell *cell,
                                 const struct report_cell *base, struct err *err)
{
    char reason[COMPARISON_REASON_BYTES];
    const char *why = NULL;
    if (!cell_ran(cell)) {
        snprintf(reason, sizeof reason, "%s: %.400s", cell->status,
                 json_get_string(cell->json, "reason", ""));
        why = reason;
    } else if (!base) {
        why = "no cell with the baseline's value differs in nothing else";
    } else if (!cell_ran(base)) {
        why = "the cell with the baseline's value did not run";
    } else if (json_get_number(cell->json, "frames", 0) !=
                   json_get_number(base->json, "frames", -1) ||
               json_get_number(cell->json, "warmup_frames", 0) !=
                   json_get_number(base->json, "warmup_frames", -1)) {
        why = "its launches had other frame counts than the baseline's: run it by --scenario";
    } else if (!cells_interleaved(comparison->new_report, cell, base)) {
        why = "its launches were not interleaved with the baseline's";
    }
    return why ? comparison_add_left(comparison, cell->id, false, why, err)
               : comparison_add_pair(comparison, cell, base, err);
}

static enum status axis_add_group(struct comparison *comparison, const struct report_block *block,
                                  const struct report_group *group, const char *axis,
                                  const char *against, struct err *err)
{
    const struct report_cell *base = NULL;
    char value[REPORT_AXIS_BYTES];
    enum status status = ST_OK;
    for (size_t i = 0; i < group->cell_count && !base; i++)
        if (strcmp(report_axis(&block->cells[group->cells[i]], axis, value), against) == 0)
            base = &block->cells[group->cells[i]];
    for (size_t i = 0; i < group->cell_count && status == ST_OK; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (strcmp(report_axis(cell, axis, value), against) != 0)
            status = axis_add_cell(comparison, cell, base, err);
    }
    return status;
}

static bool block_varies_in(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (strcmp(block->varying[i], axis) == 0)
            return strcmp(block->compare, axis) == 0;
    return false;
}

static bool block_has_value(const struct report_block *block, const char *axis, const char *wanted)
{
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < block->cell_count; i++)
        if (strcmp(report_axis(&block->cells[i], axis, value), wanted) == 0)
            return true;
    return false;
}

enum status comparison_add_axis(struct comparison *comparison, const char *axis,
                                const char *against, struct err *err)
{
    const struct report *report = comparison->new_report;
    struct text base_name = {0};
    char value[REPORT_AXIS_BYTES], first[REPORT_AXIS_BYTES] = "";
    bool found = false, several = false;
    enum status status = ST_OK;
    comparison->axis = axis;
    for (size_t i = 0; i < report->block_count && status == ST_OK; i++) {
        const struct report_block *block = &report->blocks[i];
        if (!block_varies_in(block, axis) || (against && !block_has_value(block, axis, against)))
            continue;
        const char *base = against ? against : report_axis(&block->cells[0], axis, value);
        several = several || (found && strcmp(first, base) != 0);
        if (!found)
            snprintf(first, sizeof first, "%s", base);
        found = true;
        for (size_t j = 0; j < block->group_count && status == ST_OK; j++)
            status = axis_add_group(comparison, block, &block->groups[j], axis, base, err);
    }
    if (status == ST_OK && !found)
        return err_set(err, ST_INVALID, "`--dry-run` of `handoff run` lists the cells",
                       against ? "no block has the value %s=%s beside others"
                               : "no block has several values of %s%s",
                       axis, against ? against : "");
    text_add_plain(&base_name, axis);
    text_add(&base_name, several ? ": each block's first value" : " ");
    text_add_plain(&base_name, several ? "" : first);
    free(comparison->base_name);
    comparison->base_name = base_name.failed ? NULL : base_name.data;
    if (status == ST_OK && !comparison->base_name)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    return status;
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
        const double seen = row->judged.detectable;
        comparison->detectable = count == 1 ? seen : fmax(comparison->detectable, seen);
        if (isnan(seen))
            comparison->detectable = NAN;
    }
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
