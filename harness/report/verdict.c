/* verdict.c: paired comparison of two cells of a result. See verdict.h. */
#include "harness/report/verdict.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"

#define LAUNCHES_MAX 1000
/* System time is counted in steps of 10 ms; a role's own in microseconds, of which a tenth of a per
 * cent of a CPU is never a difference. */
#define SYSTEM_STEP_NS 1e7
#define ROLE_POINTS 0.1

bool verdict_cell_is_sound(const struct report_cell *cell)
{
    return cell->ok && report_integrity_errors(cell) <= 0;
}

bool verdict_cell_is_floor(const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    return strcmp(report_axis(cell, "transport", value), "null") == 0;
}

const char *verdict_metric_interval(enum metric metric)
{
    return metric == METRIC_HANDOFF ? "handoff" : metric == METRIC_LATENCY ? "latency" : "";
}

enum figure_unit verdict_metric_unit(enum metric metric)
{
    return metric == METRIC_FRAMES_PER_S ? UNIT_FRAMES_PER_S : UNIT_NS;
}

/* What of a launch is compared; NULL for METRIC_NONE. */
static const struct gate *verdict_gate(enum metric metric)
{
    return metric == METRIC_FRAMES_PER_S ? gate_find("frames_per_s")
           : metric == METRIC_HANDOFF    ? gate_find("handoff.p50")
           : metric == METRIC_LATENCY    ? gate_find("latency.p50")
                                         : NULL;
}

struct figure verdict_figure(const struct report_cell *cell, enum metric metric)
{
    double bound_ns;
    if (metric == METRIC_FRAMES_PER_S)
        return report_throughput(cell, "frames_per_s");
    if (report_cell_searches(cell, &bound_ns)) /* each at a rate of its own: not one load */
        return (struct figure){FIGURE_ABSENT, NAN, NAN, NAN, SPREAD_NONE, 0};
    return report_quantile(cell, verdict_metric_interval(metric), "p50");
}

/* Sound cells of the group that have a finite figure. */
static size_t group_count_with(const struct report_block *block, const struct report_group *group,
                               enum metric metric)
{
    size_t count = 0;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell->ok && verdict_figure(cell, metric).state == FIGURE_KNOWN)
            count++;
    }
    return count;
}

static size_t group_count_ok(const struct report_block *block, const struct report_group *group)
{
    size_t count = 0;
    for (size_t i = 0; i < group->cell_count; i++)
        count += block->cells[group->cells[i]].ok;
    return count;
}

bool verdict_group_searches(const struct report_block *block, const struct report_group *group)
{
    double bound_ns;
    for (size_t i = 0; i < group->cell_count; i++)
        if (!report_cell_searches(&block->cells[group->cells[i]], &bound_ns))
            return false;
    return group->cell_count > 0;
}

enum metric verdict_metric(const struct report_block *block, const struct report_group *group)
{
    bool max = true;
    for (size_t i = 0; i < group->cell_count; i++)
        max = max && report_axis_is(&block->cells[group->cells[i]], "pacing", "max");
    if (max || verdict_group_searches(block, group))
        return group_count_with(block, group, METRIC_FRAMES_PER_S) ? METRIC_FRAMES_PER_S
                                                                   : METRIC_NONE;
    size_t with_handoff = group_count_with(block, group, METRIC_HANDOFF);
    if (strcmp(block->compare, "wait") == 0 && with_handoff > 0 &&
        with_handoff == group_count_ok(block, group))
        return METRIC_HANDOFF;
    return group_count_with(block, group, METRIC_LATENCY) ? METRIC_LATENCY : METRIC_NONE;
}

double verdict_rate_ratio(const struct report_cell *cell, const struct report_cell *other,
                          enum metric metric)
{
    const struct figure rate = verdict_figure(cell, METRIC_FRAMES_PER_S);
    const struct figure other_rate = verdict_figure(other, METRIC_FRAMES_PER_S);
    if (metric != METRIC_LATENCY || !report_axis_is(cell, "pacing", "pingpong") ||
        rate.state != FIGURE_KNOWN || other_rate.state != FIGURE_KNOWN || rate.value <= 0)
        return NAN;
    return other_rate.value / rate.value;
}

bool verdict_loses_rate(const struct report_cell *cell, const struct report_cell *other,
                        enum metric metric)
{
    const double explained =
        verdict_figure(cell, metric).value / verdict_figure(other, metric).value;
    return verdict_rate_ratio(cell, other, metric) >= VERDICT_RATE_APART_RATIO * fmax(explained, 1);
}

const struct report_cell *verdict_best(const struct report_block *block,
                                       const struct report_group *group, enum metric metric)
{
    const struct report_cell *best = NULL;
    double best_value = 0;
    for (size_t i = 0; metric != METRIC_NONE && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure figure = verdict_figure(cell, metric);
        if (!verdict_cell_is_sound(cell) || verdict_cell_is_floor(cell) ||
            figure.state != FIGURE_KNOWN)
            continue;
        bool better =
            metric == METRIC_FRAMES_PER_S ? figure.value > best_value : figure.value < best_value;
        if (!best || better) {
            best = cell;
            best_value = figure.value;
        }
    }
    return best;
}

double verdict_margin(const struct gate *gate, const struct report_cell *base, double value,
                      double tick_ns)
{
    double bound_ns;
    if (gate->kind == GATE_TIME)
        return stats_margin(fmax(1, value), fmax(0, tick_ns));
    if (gate->kind == GATE_FRAMES_PER_S)
        return report_cell_searches(base, &bound_ns) ? VERDICT_SEARCH_MARGIN_RATIO
                                                     : stats_margin(1, 0);
    double points = ROLE_POINTS;
    if (strcmp(gate->of, "system") == 0) {
        const cJSON *usage = json_get(gate_launch_find(base->json, 0), "usage");
        double wall_ns = json_get_number(json_get(usage, "system"), "wall_ns", 0);
        points = wall_ns > 0 ? 100 * 2 * SYSTEM_STEP_NS / wall_ns : 100;
    }
    /* Of next to nothing it is the points above what logarithms take it for: 1, as scaled. */
    return stats_margin(gate_scale(gate) * value, gate_scale(gate) * points / 2);
}

bool verdict_compares_means(const struct report *report, const struct report_cell *cell,
                            const struct report_cell *base, enum metric metric)
{
    const double near = VERDICT_MEANS_BELOW_TICKS * report->tick_ns;
    return metric != METRIC_FRAMES_PER_S && verdict_figure(cell, metric).value < near &&
           verdict_figure(base, metric).value < near;
}

struct stats_paired verdict_compare(const struct report *report, const struct report_cell *cell,
                                    const struct report_cell *base, enum metric metric)
{
    double new_values[LAUNCHES_MAX], base_values[LAUNCHES_MAX];
    double base_ns = verdict_figure(base, metric).value;
    double margin = 1.02, bound_ns;
    if (report_cell_searches(cell, &bound_ns) && report_cell_searches(base, &bound_ns))
        margin = VERDICT_SEARCH_MARGIN_RATIO;
    if (metric != METRIC_FRAMES_PER_S && base_ns >= 1)
        margin = stats_margin(base_ns, fmax(0, report->tick_ns));
    const struct gate *gate = verdict_gate(metric);
    if (gate && verdict_compares_means(report, cell, base, metric))
        gate = gate_mean(gate);
    size_t count =
        gate ? gate_pair(gate, cell->json, base->json, new_values, base_values, LAUNCHES_MAX) : 0;
    for (size_t i = 0; i < count && metric == METRIC_FRAMES_PER_S; i++) {
        /* The time of a thousand frames: larger is worse. */
        new_values[i] = 1e12 / new_values[i];
        base_values[i] = 1e12 / base_values[i];
    }
    return stats_paired(new_values, base_values, count, margin);
}
