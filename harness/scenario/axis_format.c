/* axis_format.c: writing a cell's values as scenarios and results do. See cell.h and axes.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/scenario/axes.h"

const char *fill_name(enum fill fill)
{
    static const char *const names[] = {
        [FILL_COPY] = "copy", [FILL_IN_PLACE] = "in_place", [FILL_HEADER] = "header"};
    return names[fill];
}

const char *policy_name(enum policy policy)
{
    return policy == POLICY_LATEST ? "latest" : "block";
}

const char *frame_state_name(enum frame_state state)
{
    static const char *const names[] = {[FRAME_STATE_AS_LEFT] = "as_left",
                                        [FRAME_STATE_CACHED] = "cached",
                                        [FRAME_STATE_EVICTED] = "evicted"};
    return names[state];
}

const char *cell_pacing_format(const struct cell *cell, char *text, size_t size)
{
    if (cell->pacing != PACING_RATE) {
        snprintf(text, size, "%s", cell->pacing == PACING_PINGPONG ? "pingpong" : "max");
        return text;
    }
    /* As few digits as give the same number back: 30, 29.97, never 29.969999999999999. */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "rate:%.*g", digits, cell->rate_hz);
        if (strtod(text + sizeof "rate:" - 1, NULL) == cell->rate_hz)
            break;
    }
    return text;
}

const char *cell_wait_format(const struct cell *cell, char *text, size_t size)
{
    if (cell->wait->parameter == WAIT_PARAMETER_US)
        snprintf(text, size, "%s:%" PRIu32, cell->wait->name, cell->wait_us);
    else
        snprintf(text, size, "%s", cell->wait->name);
    return text;
}

const char *cell_placement_format(const struct cell *cell, char *text, size_t size)
{
    static const char *const names[] = {
        [PLACEMENT_AUTO] = "auto",
        [PLACEMENT_NONE] = "none",
        [PLACEMENT_SAME_CPU] = "same_cpu",
        [PLACEMENT_SAME_CLUSTER] = "same_cluster",
        [PLACEMENT_CROSS_CLUSTER] = "cross_cluster",
    };
    if (cell->placement == PLACEMENT_CPUS)
        snprintf(text, size, "cpus:%" PRIu32 ",%" PRIu32, cell->producer_cpu, cell->consumer_cpu);
    else
        snprintf(text, size, "%s", names[cell->placement]);
    return text;
}

const char *geometry_format(struct geometry geometry, char *text, size_t size)
{
    snprintf(text, size, "%" PRId32 "x%" PRId32 "x%" PRId32, geometry.width, geometry.height,
             geometry.channels);
    return text;
}

static void format_count(uint32_t count, uint32_t automatic, char *text, size_t size)
{
    if (count == automatic)
        snprintf(text, size, "auto");
    else
        snprintf(text, size, "%" PRIu32, count);
}

void axis_format_transport(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->transport->name);
}

void axis_format_access(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->access->name);
}

void axis_format_wait(const struct cell *cell, char *text, size_t size)
{
    cell_wait_format(cell, text, size);
}

void axis_format_kernel(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->kernel->name);
}

void axis_format_fill(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", fill_name(cell->fill));
}

void axis_format_frame(const struct cell *cell, char *text, size_t size)
{
    geometry_format(cell->geometry, text, size);
}

void axis_format_pacing(const struct cell *cell, char *text, size_t size)
{
    cell_pacing_format(cell, text, size);
}

void axis_format_slots(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%" PRIu32, cell->slots);
}

void axis_format_policy(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", policy_name(cell->policy));
}

void axis_format_placement(const struct cell *cell, char *text, size_t size)
{
    cell_placement_format(cell, text, size);
}

void axis_format_frame_state(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", frame_state_name(cell->frame_state));
}

void axis_format_launches(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%" PRIu32, cell->launches);
}

void axis_format_frames(const struct cell *cell, char *text, size_t size)
{
    format_count(cell->frames, 0, text, size);
}

void axis_format_warmup(const struct cell *cell, char *text, size_t size)
{
    format_count(cell->warmup, UINT32_MAX, text, size);
}
