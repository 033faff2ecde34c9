/* tradeoff.c: points, frontier, and CPU costs compared. See tradeoff.h. */
#include "harness/report/tradeoff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/gate.h"

#define LAUNCHES_MAX 1000
#define COST_TIED_POINTS 0.5
#define COST_TIED_SHARE 0.05
#define COST_MARGIN_POINTS 0.1
#define COST_MARGIN_SHARE 0.02
/* Half an interval of a net CPU figure wider than both: what else ran decides it. */
#define NET_HALF_POINTS 3.0
#define NET_HALF_SHARE 0.25

void tradeoff_mark_frontier(struct tradeoff_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct tradeoff_point *a = &points[i];
        points[i].frontier = true;
        for (size_t j = 0; j < count; j++) {
            const struct tradeoff_point *b = &points[j];
            if (b->cpu.value <= a->cpu.value && b->time.value <= a->time.value &&
                (b->cpu.value < a->cpu.value || b->time.value < a->time.value))
                points[i].frontier = false;
        }
    }
}

double tradeoff_bound_above(double value)
{
    static const double steps[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(fmax(value, 1))));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i] * power > value)
            return steps[i] * power;
    return 20 * power; /* where the logarithm was rounded down */
}

struct tradeoff_cost tradeoff_cost_compare(const double *a, const double *b, size_t count)
{
    struct tradeoff_cost cost = {count, NAN, NAN, NAN, STATS_UNCLEAR};
    double sum = 0, squares = 0, base = 0;
    for (size_t i = 0; i < count; i++) {
        sum += a[i] - b[i];
        base += b[i];
    }
    if (count == 0 || !isfinite(sum) || !isfinite(base))
        return cost;
    cost.mean = sum / (double)count;
    base = fabs(base / (double)count);
    for (size_t i = 0; i < count; i++)
        squares += (a[i] - b[i] - cost.mean) * (a[i] - b[i] - cost.mean);
    if (count < VERDICT_PAIRS_MIN)
        return cost;
    double error = sqrt(squares / (double)(count - 1) / (double)count);
    double half = stats_t_quantile(0.95, (uint32_t)count - 1) * error;
    double tied = fmax(COST_TIED_POINTS, COST_TIED_SHARE * base);
    double margin = fmax(COST_MARGIN_POINTS, COST_MARGIN_SHARE * base);
    cost.low90 = cost.mean - half;
    cost.high90 = cost.mean + half;
    if (cost.low90 > margin)
        cost.verdict = STATS_SLOWER;
    else if (cost.high90 < -margin)
        cost.verdict = STATS_FASTER;
    else if (cost.low90 >= -tied && cost.high90 <= tied)
        cost.verdict = STATS_TIED;
    return cost;
}

/* A role's share of one CPU in a launch, or the system's; NAN without. */
static double usage_percent(const cJSON *launch, const char *gate)
{
    return gate_launch_value(gate_find(gate), launch);
}

/* What a launch cost, in per cent of one CPU; NAN when it does not say. */
static double launch_cost(const struct report_cell *cell, const cJSON *launch, bool net)
{
    if (!net)
        return usage_percent(launch, "cpu_percent.producer") +
               usage_percent(launch, "cpu_percent.consumer");
    const cJSON *beside = cell->baseline ? gate_launch_find(cell->baseline->json,
                                                            json_get_number(launch, "launch", -2))
                                         : NULL;
    return usage_percent(launch, "cpu_percent.system") -
           usage_percent(beside, "cpu_percent.system");
}

struct tradeoff_cost tradeoff_compare(const struct tradeoff *tradeoff, const struct report_cell *a,
                                      const struct report_cell *b)
{
    double costs_a[LAUNCHES_MAX], costs_b[LAUNCHES_MAX];
    size_t count = 0;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(b->json, "launches")) {
        const cJSON *other = gate_launch_find(a->json, json_get_number(launch, "launch", -2));
        if (!other || count == LAUNCHES_MAX)
            continue;
        costs_b[count] = launch_cost(b, launch, tradeoff->net);
        costs_a[count] = launch_cost(a, other, tradeoff->net);
        count += isfinite(costs_a[count]) && isfinite(costs_b[count]);
    }
    return tradeoff_cost_compare(costs_a, costs_b, count);
}

struct figure tradeoff_cost_of_roles(const struct report_cell *cell)
{
    double costs[LAUNCHES_MAX];
    size_t count = 0;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        double cost = launch_cost(cell, launch, false);
        if (isfinite(cost) && cost >= 0 && count < LAUNCHES_MAX)
            costs[count++] = cost;
    }
    if (count == 0)
        return report_cpu_both(cell);
    struct stats_estimate estimate = stats_estimate_linear(costs, count);
    return (struct figure){isfinite(estimate.value) ? FIGURE_KNOWN : FIGURE_ABSENT,
                           estimate.value,
                           estimate.low,
                           estimate.high,
                           estimate.spread == STATS_SPREAD_CI95    ? SPREAD_CI95
                           : estimate.spread == STATS_SPREAD_RANGE ? SPREAD_RANGE
                                                                   : SPREAD_NONE,
                           (int)estimate.launches};
}

/* Whether a cell could be a point: sound, no floor, and with a response. */
static bool cell_takes_part(const struct report_cell *cell)
{
    return verdict_cell_is_sound(cell) && !verdict_cell_is_floor(cell) &&
           report_cell_is_scheduled(cell) &&
           report_quantile(cell, "response", "p50").state != FIGURE_ABSENT;
}

/* The highest quantile that every cell has. */
static const char *quantile_choose(const struct report_block *block,
                                   const struct report_group *group)
{
    static const char *const quantiles[] = {"p99", "p90", "p50"};
    for (size_t i = 0; i + 1 < sizeof quantiles / sizeof quantiles[0]; i++) {
        bool all = true;
        for (size_t j = 0; j < group->cell_count; j++) {
            const struct report_cell *cell = &block->cells[group->cells[j]];
            if (cell_takes_part(cell))
                all = all && report_quantile(cell, "response", quantiles[i]).state != FIGURE_ABSENT;
        }
        if (all)
            return quantiles[i];
    }
    return "p50";
}

/* What the cell's own processes used beyond those of its baseline: the least that a net figure can
 * be. */
static double net_least(const struct report_cell *cell)
{
    return report_cpu_both(cell).value - report_cpu_both(cell->baseline).value;
}

bool tradeoff_net_is_drowned(const struct report_cell *cell)
{
    struct figure net = report_cpu_net(cell);
    if (net.state != FIGURE_KNOWN || !cell->baseline)
        return false;
    double half = (net.high - net.low) / 2, least = net_least(cell);
    return half > fmax(NET_HALF_POINTS, NET_HALF_SHARE * fabs(net.value)) || net.high < 0 ||
           net.high + fmax(COST_TIED_POINTS, COST_TIED_SHARE * fabs(least)) < least;
}

/* Net figures where every cell has one that other work does not drown. */
static void net_choose(const struct report_block *block, const struct report_group *group,
                       struct tradeoff *tradeoff)
{
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (!cell_takes_part(cell))
            continue;
        if (report_cpu_net(cell).state != FIGURE_KNOWN || !cell->baseline)
            tradeoff->net = false;
        else
            tradeoff->busy = tradeoff->busy || tradeoff_net_is_drowned(cell);
    }
    tradeoff->busy = tradeoff->busy && tradeoff->net;
    tradeoff->net = tradeoff->net && !tradeoff->busy;
}

bool tradeoff_is_of(const char *axis)
{
    /* What the work is, not how it is done: of these nobody has the choice. */
    static const char *const given[] = {"", "frame", "pacing", "kernel", "load", "phase"};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        if (strcmp(axis, given[i]) == 0)
            return false;
    return true;
}

bool tradeoff_make(const struct report_block *block, const struct report_group *group,
                   struct tradeoff *made)
{
    struct tradeoff tradeoff = {.net = true};
    if (!tradeoff_is_of(block->compare))
        return false;
    tradeoff.points = calloc(group->cell_count + 1, sizeof *tradeoff.points);
    if (!tradeoff.points)
        return false;
    tradeoff.quantile = quantile_choose(block, group);
    net_choose(block, group, &tradeoff);
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (!cell_takes_part(cell))
            continue;
        struct tradeoff_point point = {.cell = cell};
        point.time = report_quantile(cell, "response", tradeoff.quantile);
        point.cpu = tradeoff.net ? report_cpu_net(cell) : tradeoff_cost_of_roles(cell);
        if (point.time.state == FIGURE_KNOWN && point.time.value > 0 &&
            point.cpu.state == FIGURE_KNOWN && isfinite(point.cpu.value))
            tradeoff.points[tradeoff.count++] = point;
        else if (point.time.state == FIGURE_INFINITE)
            text_addf(&tradeoff.left_out, "%s%s", tradeoff.left_out.used_bytes ? ", " : "",
                      cell->short_label);
    }
    if (tradeoff.count < 2) {
        tradeoff_free(&tradeoff);
        return false;
    }
    tradeoff_mark_frontier(tradeoff.points, tradeoff.count);
    *made = tradeoff;
    return true;
}

void tradeoff_free(struct tradeoff *tradeoff)
{
    free(tradeoff->points);
    text_free(&tradeoff->left_out);
    memset(tradeoff, 0, sizeof *tradeoff);
}
