/* baseline.c: see baseline.h. */
#include "harness/scenario/baseline.h"

#include <stdio.h>

#include "harness/scenario/applicable.h"
#include "harness/scenario/axes.h"

/* What a baseline has whatever its cells have. The other axes that are not theirs are at their
 * defaults. */
static const struct {
    enum axis_index axis;
    const char *value;
} baseline_values[] = {
    {AXIS_INDEX_transport, "null"},
    {AXIS_INDEX_access, "host"},
    {AXIS_INDEX_wait, "poll:50000"},
    {AXIS_INDEX_kernel, "none"},
    {AXIS_INDEX_fill, "header"},
    {AXIS_INDEX_slots, "1024"},
    {AXIS_INDEX_policy, "block"},
    {AXIS_INDEX_frame, NULL},
    {AXIS_INDEX_frame_state, NULL},
    {AXIS_INDEX_producer_wait, NULL},
    {AXIS_INDEX_sync, NULL},
    {AXIS_INDEX_order, NULL},
    {AXIS_INDEX_depth, NULL},
    {AXIS_INDEX_register_per_frame, NULL},
    {AXIS_INDEX_gpu_sharing, NULL},
    {AXIS_INDEX_pages, NULL},
    {AXIS_INDEX_library_threads, NULL},
    {AXIS_INDEX_peer, NULL},
    {AXIS_INDEX_read, NULL},
    {AXIS_INDEX_gc, NULL},
    {AXIS_INDEX_array, NULL},
};

/* Above this the producer of a baseline may find its slots taken by a consumer that looks every 50
 * ms (20,480 frames a second fill them; the rest is for looks that come late, and for what Poisson
 * gaps scatter). It would wait, and its rate and its cost were no longer those of the cell. */
#define BASELINE_RATE_HZ_MAX 15000.0

/* Search has no rate of its own to compare at, and without a schedule there is none at all. */
static bool may_have_baseline(const struct cell *cell)
{
    return !cell->is_baseline && cell->rate_hz <= BASELINE_RATE_HZ_MAX &&
           (cell->pacing == PACING_RATE || cell->pacing == PACING_POISSON);
}

bool cell_baseline_serves(const struct cell *baseline, const struct cell *cell)
{
    return baseline->is_baseline && may_have_baseline(cell) && baseline->pacing == cell->pacing &&
           baseline->rate_hz == cell->rate_hz && baseline->phase == cell->phase &&
           baseline->placement == cell->placement && baseline->producer_cpu == cell->producer_cpu &&
           baseline->consumer_cpu == cell->consumer_cpu &&
           baseline->fifo_priority == cell->fifo_priority &&
           baseline->timer_slack_ns == cell->timer_slack_ns &&
           baseline->idle_latency_held == cell->idle_latency_held &&
           baseline->clocks_locked == cell->clocks_locked && baseline->load == cell->load &&
           baseline->launches == cell->launches && baseline->frames == cell->frames &&
           baseline->warmup == cell->warmup;
}

bool baseline_is_needed(const struct cell *baseline, const struct cell *cells, size_t count,
                        const bool *kept)
{
    for (size_t i = 0; i < count; i++)
        if ((!kept || kept[i]) && cells[i].runnable == ST_OK &&
            cell_baseline_serves(baseline, &cells[i]))
            return true;
    return false;
}

static bool is_served(const struct cell_list *list, const struct cell *cell)
{
    for (size_t i = 0; i < list->count; i++)
        if (cell_baseline_serves(&list->cells[i], cell))
            return true;
    return false;
}

static enum status baseline_make(const struct cell *cell, const char *block_name,
                                 struct cell *baseline, struct err *err)
{
    *baseline = *cell;
    baseline->is_baseline = true;
    for (size_t i = 0; i < sizeof baseline_values / sizeof baseline_values[0]; i++) {
        const struct axis *axis = &axis_table[baseline_values[i].axis];
        const char *value = baseline_values[i].value ? baseline_values[i].value : axis->otherwise;
        enum status status = axis_parse_text(axis, value, baseline, err);
        if (status != ST_OK)
            return status;
    }
    applicable_judge(baseline);
    return matrix_write_id(baseline, block_name, err);
}

enum status baseline_add(struct cell_list *list, size_t first, const char *block_name,
                         const struct place *place, struct err *err)
{
    struct place at = PLACE_KEY(place, "cpu_baseline");
    size_t end = list->count;
    size_t served = 0;
    for (size_t i = first; i < end; i++) {
        struct cell baseline;
        if (list->cells[i].runnable != ST_OK || !may_have_baseline(&list->cells[i]))
            continue;
        served++;
        if (is_served(list, &list->cells[i]))
            continue;
        enum status status = matrix_reserve(list, 1, place, err);
        if (status != ST_OK)
            return status;
        if (baseline_make(&list->cells[i], block_name, &baseline, err) != ST_OK)
            return place_context(&at, err);
        list->cells[list->count++] = baseline;
    }
    if (served == 0)
        return place_fail(&at, err,
                          "leave \"cpu_baseline\" out, or give the block a pacing of rate or "
                          "poisson",
                          "there is nothing to compare with: no cell of the block that makes sense "
                          "has pacing rate or poisson with at most %.0f frames per second",
                          BASELINE_RATE_HZ_MAX);
    return ST_OK;
}
