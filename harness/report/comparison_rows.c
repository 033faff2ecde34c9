/* comparison_rows.c: which gates a pair of cells has, and their values, launch by launch. See
 * comparison_parts.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/comparison_parts.h"
#include "harness/report/verdict.h"

#define LAUNCHES_MAX 1000
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
enum status comparison_add_pair(struct comparison *comparison, const struct report_cell *cell,
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

enum status comparison_add_left(struct comparison *comparison, const char *id, bool is_regression,
                                const char *reason, struct err *err)
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
