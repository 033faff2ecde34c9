/* role_gpu.c: see role_gpu.h. */
#include "harness/run/role_gpu.h"

#include <inttypes.h>

#include "harness/measure/clock.h"

#define ROLE_GPU_STREAM_ASKED_NS 1000000u
#define ROLE_GPU_IDLE_SLEEP_NS 50000u

/* The driver's word on whether contexts share the GPU through MPS. Drivers that do not know the
 * attribute leave it open, and the result says so. */
static enum status role_gpu_check_sharing(const struct cell *cell, struct role_gpu *gpu,
                                          struct err *err)
{
    const int mps = gpu_attribute_read(gpu->gpu, GPU_ATTRIBUTE_mps);
    gpu->report.mps = mps == 0 || mps == 1 ? mps : -1;
    if (gpu->report.mps == 1 && cell->gpu_sharing != GPU_SHARING_MPS)
        return err_set(
            err, ST_UNAVAILABLE,
            "end the MPS daemon (echo quit | nvidia-cuda-mps-control), or ask for "
            "gpu_sharing mps",
            "the cell is time-sliced, and this process came to share the GPU through MPS");
    if (gpu->report.mps == 0 && cell->gpu_sharing == GPU_SHARING_MPS)
        return err_set(err, ST_UNAVAILABLE, "`handoff probe` says whether MPS works here",
                       "the cell shares the GPU through MPS, and this process does not");
    return ST_OK;
}

static enum status role_gpu_open_lanes(const struct cell *cell, struct role_gpu *gpu,
                                       struct err *err)
{
    enum status status = ST_OK;
    const bool several = cell->order == ORDER_EVENT && cell->depth >= ROLE_GPU_LANES_DEPTH;
    gpu->lane_count = several ? ROLE_GPU_LANES_MAX : 1;
    for (uint32_t i = 0; i < gpu->lane_count && status == ST_OK; i++) {
        status = gpu_stream_open(gpu->gpu, &gpu->lanes[i].stream, err);
        if (status == ST_OK)
            status = launcher_open(gpu->gpu, &gpu->lanes[i].launcher, err);
    }
    gpu->stream = gpu->lanes[0].stream;
    gpu->launcher = gpu->lanes[0].launcher;
    return status;
}

enum status role_gpu_open(const struct cell *cell, struct role_gpu *gpu, struct err *err)
{
    *gpu = (struct role_gpu){.sync = cell->sync};
    const uint64_t begin_ns = clock_now_ns();
    enum status status = gpu_open(cell->sync, &gpu->gpu, err);
    if (status != ST_OK)
        return err_context(err, "opening the GPU");
    gpu->report.used = true;
    gpu->report.context_ns = clock_now_ns() - begin_ns;
    gpu->report.schedule = cell->sync <= GPU_SYNC_BLOCK ? cell->sync : GPU_SYNC_SPIN;
    status = role_gpu_check_sharing(cell, gpu, err);
    return status == ST_OK ? role_gpu_open_lanes(cell, gpu, err) : status;
}

void role_gpu_close(struct role_gpu *gpu)
{
    if (gpu->stuck)
        return; /* freeing would wait for what does not end */
    gpu_clock_close(&gpu->clock);
    for (uint32_t i = 0; i < ROLE_GPU_LANES_MAX; i++) {
        launcher_close(gpu->lanes[i].launcher);
        gpu_stream_close(gpu->lanes[i].stream);
    }
    gpu_close(gpu->gpu);
    *gpu = (struct role_gpu){0};
}

enum status role_gpu_clock_begin(struct role_gpu *gpu, struct err *err)
{
    enum status status = gpu_clock_open(&gpu->clock, gpu->gpu, gpu->stream, gpu->launcher, err);
    return status == ST_OK ? gpu_clock_exchange(&gpu->clock, &gpu->before, err) : status;
}

enum status role_gpu_clock_end(struct role_gpu *gpu, struct gpu_clock_map *map, struct err *err)
{
    struct gpu_clock_pair after;
    enum status status = gpu_clock_exchange(&gpu->clock, &after, err);
    return status == ST_OK ? gpu_clock_map_make(&gpu->before, &after, map, err) : status;
}

enum status role_gpu_look(struct role_gpu_watch *watch, const char *awaited, struct err *err)
{
    const uint64_t now_ns = clock_now_ns();
    if (now_ns > watch->deadline_ns)
        return err_set(err, ST_TIMEOUT, "is the GPU shared with something that keeps it busy?",
                       "%s did not come before the deadline of the launch", awaited);
    if (!watch->stream || now_ns < watch->next_ns)
        return ST_OK;
    watch->next_ns = now_ns + ROLE_GPU_STREAM_ASKED_NS;
    const enum status status = gpu_stream_poll(watch->stream, err);
    return status == ST_OK || status == ST_AGAIN ? ST_OK
                                                 : err_context(err, "waiting for %s", awaited);
}

enum status role_gpu_await_event(struct role_gpu_watch *watch, struct gpu_event *event,
                                 const char *awaited, struct err *err)
{
    for (;;) {
        for (int i = 0; i < ROLE_GPU_LOOKS; i++) {
            const enum status status = gpu_event_poll(event, err);
            if (status != ST_AGAIN)
                return status;
        }
        const enum status status = role_gpu_look(watch, awaited, err);
        if (status != ST_OK)
            return status;
    }
}

enum status role_gpu_poll(const struct role_gpu *gpu, struct err *err)
{
    enum status all = ST_OK;
    for (uint32_t i = 0; i < gpu->lane_count; i++) {
        const enum status status = gpu_stream_poll(gpu->lanes[i].stream, err);
        if (status != ST_OK && status != ST_AGAIN)
            return status;
        all = status == ST_AGAIN ? status : all;
    }
    return all;
}

enum status role_gpu_await_idle(struct role_gpu *gpu, uint64_t limit_ns, struct err *err)
{
    const uint64_t deadline_ns = clock_now_ns() + limit_ns;
    enum status status;
    while ((status = role_gpu_poll(gpu, err)) == ST_AGAIN && clock_now_ns() < deadline_ns)
        clock_sleep_until_ns(clock_now_ns() + ROLE_GPU_IDLE_SLEEP_NS);
    gpu->stuck = status == ST_AGAIN;
    return gpu->stuck
               ? err_set(err, ST_TIMEOUT, NULL, "the GPU's work did not end within %" PRIu64 " ms",
                         limit_ns / 1000000u)
               : status;
}
