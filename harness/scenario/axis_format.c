/* axis_format.c: writing a cell's values as scenarios and results do. See cell.h and axes.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/scenario/axes.h"

const char *fill_name(enum fill fill)
{
    static const char *const names[] = {[FILL_COPY] = "copy",
                                        [FILL_IN_PLACE] = "in_place",
                                        [FILL_HEADER] = "header",
                                        [FILL_GPU] = "gpu"};
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

const char *phase_name(enum phase phase)
{
    return phase == PHASE_RANDOM ? "random" : "fixed";
}

const char *load_name(enum load load)
{
    static const char *const names[] = {
        [LOAD_NONE] = "none", [LOAD_CPU] = "cpu", [LOAD_MEMBW] = "membw"};
    return names[load];
}

const char *gpu_sync_name(enum gpu_sync sync)
{
    static const char *const names[] = {[GPU_SYNC_SPIN] = "spin",
                                        [GPU_SYNC_YIELD] = "yield",
                                        [GPU_SYNC_BLOCK] = "block",
                                        [GPU_SYNC_EVENT] = "event",
                                        [GPU_SYNC_FLAG] = "flag"};
    return names[sync];
}

const char *order_name(enum order order)
{
    return order == ORDER_EVENT ? "event" : "host";
}

const char *gpu_sharing_name(enum gpu_sharing sharing)
{
    return sharing == GPU_SHARING_MPS ? "mps" : "time_sliced";
}

const char *library_threads_name(enum library_threads threads)
{
    return threads == LIBRARY_THREADS_WITH_ROLE ? "with_role" : "anywhere";
}

const char *language_name(enum language language)
{
    return language == LANGUAGE_PYTHON ? "python" : "c";
}

const char *read_habit_name(enum read_habit read)
{
    static const char *const names[] = {[READ_VIEW] = "view",
                                        [READ_SLICE] = "slice",
                                        [READ_STRUCT] = "struct",
                                        [READ_TOBYTES] = "tobytes"};
    return names[read];
}

const char *array_kind_name(enum array_kind array)
{
    static const char *const names[] = {
        [ARRAY_NUMPY] = "numpy", [ARRAY_CUPY] = "cupy", [ARRAY_TORCH] = "torch"};
    return names[array];
}

const char *shm_pages_name(enum shm_pages pages)
{
    static const char *const names[] = {
        [SHM_PAGES_NORMAL] = "normal", [SHM_PAGES_THP] = "thp", [SHM_PAGES_HUGETLB] = "hugetlb"};
    return names[pages];
}

/* As few digits as give the same number back: 30, 29.97, never 29.969999999999999. */
static void format_number(double number, char text[32])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
}

const char *cell_pacing_format(const struct cell *cell, char *text, size_t size)
{
    char rate[32], high[32];
    switch (cell->pacing) {
    case PACING_PINGPONG:
        snprintf(text, size, "pingpong");
        break;
    case PACING_MAX:
        snprintf(text, size, "max");
        break;
    case PACING_SEARCH:
        format_number(cell->search.low_hz, rate);
        format_number(cell->search.high_hz, high);
        snprintf(text, size, "search:%" PRIu64 "us:%s-%s", cell->search.response_p99_ns / 1000,
                 rate, high);
        break;
    default:
        format_number(cell->rate_hz, rate);
        snprintf(text, size, "%s:%s", cell->pacing == PACING_POISSON ? "poisson" : "rate", rate);
    }
    return text;
}

static void format_wait(const struct wait_strategy *wait, uint32_t us, char *text, size_t size)
{
    if (wait->parameter == WAIT_PARAMETER_US)
        snprintf(text, size, "%s:%" PRIu32, wait->name, us);
    else
        snprintf(text, size, "%s", wait->name);
}

const char *cell_wait_format(const struct cell *cell, char *text, size_t size)
{
    format_wait(cell->wait, cell->wait_us, text, size);
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

void axis_format_producer_wait(const struct cell *cell, char *text, size_t size)
{
    if (cell->producer_wait)
        format_wait(cell->producer_wait, cell->producer_wait_us, text, size);
    else
        snprintf(text, size, "same");
}

void axis_format_phase(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", phase_name(cell->phase));
}

void axis_format_scheduling(const struct cell *cell, char *text, size_t size)
{
    if (cell->fifo_priority > 0)
        snprintf(text, size, "fifo:%" PRIu32, cell->fifo_priority);
    else
        snprintf(text, size, "other");
}

void axis_format_timer_slack_ns(const struct cell *cell, char *text, size_t size)
{
    if (cell->timer_slack_ns > 0)
        snprintf(text, size, "%" PRIu32, cell->timer_slack_ns);
    else
        snprintf(text, size, "as_found");
}

void axis_format_idle_latency(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->idle_latency_held ? "held" : "as_found");
}

void axis_format_clocks(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->clocks_locked ? "locked" : "as_found");
}

void axis_format_load(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", load_name(cell->load));
}

void axis_format_sync(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", gpu_sync_name(cell->sync));
}

void axis_format_order(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", order_name(cell->order));
}

void axis_format_depth(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%" PRIu32, cell->depth);
}

void axis_format_register_per_frame(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->register_per_frame ? "on" : "off");
}

void axis_format_gpu_sharing(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", gpu_sharing_name(cell->gpu_sharing));
}

void axis_format_library_threads(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", library_threads_name(cell->library_threads));
}

void axis_format_pages(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", shm_pages_name(cell->pages));
}

void axis_format_peer(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s/%s", language_name(cell->producer_language),
             language_name(cell->consumer_language));
}

void axis_format_read(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", read_habit_name(cell->read));
}

void axis_format_gc(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", cell->gc_off ? "off" : "on");
}

void axis_format_array(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s", array_kind_name(cell->array));
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
