/* verdict.c: paired comparison of two cells of a result. See verdict.h. */
#include "harness/report/verdict.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"

#define LAUNCHES_MAX 1000
#define MEANS_BELOW_TICKS 50

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

/* One launch's figure; NAN when it has none. `means` compares means instead of medians. */
static double launch_value(const cJSON *launch, enum metric metric, bool means)
{
    if (strcmp(json_get_string(launch, "status", ""), "ok") != 0)
        return NAN;
    if (metric == METRIC_FRAMES_PER_S) {
        double given = json_get_number(launch, "frames_per_s", 0);
        double window_ns = json_get_number(launch, "window_ns", 0);
        double frames = json_get_number(launch, "frames", 0);
        if (given > 0)
            return 1e12 / given; /* the time of a thousand frames: larger is worse */
        return window_ns > 0 && frames > 0 ? window_ns * 1000 / frames : NAN;
    }
    const cJSON *interval =
        json_get(json_get(launch, "intervals"), verdict_metric_interval(metric));
    return json_get_number(interval, means ? "mean_ns" : "p50_ns", NAN);
}

const cJSON *verdict_launch_find(const struct report_cell *cell, double number)
{
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        if (json_get_number(launch, "launch", -1) == number)
            return launch;
    }
    return NULL;
}

/* Searches look at the same few rates and stop at a twentieth (run/search.h, SEARCH_RATIO): limits a
 * hair apart, to both sides of such a rate, come back a whole step apart from every launch. */
#define SEARCH_MARGIN_RATIO 1.05

struct stats_paired verdict_compare(const struct report *report, const struct report_cell *cell,
                                    const struct report_cell *base, enum metric metric)
{
    double new_values[LAUNCHES_MAX], base_values[LAUNCHES_MAX];
    double new_ns = verdict_figure(cell, metric).value,
           base_ns = verdict_figure(base, metric).value;
    double margin = 1.02, bound_ns;
    bool means = false;
    if (report_cell_searches(cell, &bound_ns) && report_cell_searches(base, &bound_ns))
        margin = SEARCH_MARGIN_RATIO;
    if (metric != METRIC_FRAMES_PER_S) {
        double near = MEANS_BELOW_TICKS * report->tick_ns;
        means = new_ns < near && base_ns < near;
        if (base_ns >= 1)
            margin = stats_margin(base_ns, fmax(0, report->tick_ns));
    }
    size_t count = 0;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(base->json, "launches")) {
        const cJSON *other = verdict_launch_find(cell, json_get_number(launch, "launch", -2));
        if (!other || count == LAUNCHES_MAX)
            continue;
        double base_value = launch_value(launch, metric, means);
        double new_value = launch_value(other, metric, means);
        if (isnan(base_value) || isnan(new_value))
            continue;
        base_values[count] = base_value;
        new_values[count++] = new_value;
    }
    return stats_paired(new_values, base_values, count, margin);
}
