/* conclusions_search.c: the sentence about cells that searched for their highest rate. See
 * conclusions.h. */
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/report/conclusions.h"

/* The group's cells with the metric, best first. The caller frees; NULL when out of memory. */
static const struct report_cell **cells_ranked(const struct report_block *block,
                                               const struct report_group *group, enum metric metric,
                                               size_t *count)
{
    const struct report_cell **ranked = calloc(group->cell_count + 1, sizeof(void *));
    *count = 0;
    for (size_t i = 0; ranked && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure figure = verdict_figure(cell, metric);
        size_t at = *count;
        if (!verdict_cell_is_sound(cell) || verdict_cell_is_floor(cell) ||
            figure.state != FIGURE_KNOWN)
            continue;
        for (; at > 0 && verdict_figure(ranked[at - 1], metric).value < figure.value; at--)
            ranked[at] = ranked[at - 1];
        ranked[at] = cell;
        (*count)++;
    }
    return ranked;
}

/* Whether a launch's search ended at the highest rate that it might try: there may be more. */
static bool search_hit_its_end(const struct report_cell *cell)
{
    const cJSON *launch;
    double high_hz = report_search_high_hz(cell);
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches"))
        if (high_hz > 0 &&
            json_get_number(json_get(launch, "search"), "rate_hz", 0) >= 0.999 * high_hz)
            return true;
    return false;
}

/* "With spin at most 4,200 frames/s keep p99 of response under 500 µs, with futex 1,900." */
bool conclusions_add_search(struct text *text, const struct report_block *block,
                            const struct report_group *group)
{
    size_t count;
    double bound_ns = 0;
    const struct report_cell **ranked = cells_ranked(block, group, METRIC_FRAMES_PER_S, &count);
    if (!ranked)
        return false;
    for (size_t i = 0; i < count; i++) {
        char value[FIGURE_BYTES];
        struct figure rate = verdict_figure(ranked[i], METRIC_FRAMES_PER_S);
        report_cell_searches(ranked[i], &bound_ns);
        text_add(text, i ? ", with " : "With ");
        text_add(text, ranked[i]->name[0] ? ranked[i]->name : ranked[i]->label);
        text_addf(text, i ? " %s" : " at most %s frames/s keep p99 of response under ",
                  format_figure(&rate, UNIT_FRAMES_PER_S, value));
        if (i == 0)
            text_add(text, format_bound(bound_ns, value));
        if (search_hit_its_end(ranked[i]))
            text_add(text, " (it may be more: the highest rate tried passed)");
    }
    if (group->context[0])
        text_addf(text, " (%s)", group->context);
    text_add(text, ".");
    free(ranked);
    return true;
}
