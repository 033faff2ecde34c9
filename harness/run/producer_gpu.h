/* producer_gpu.h: the inside of producer_gpu*.c: producer_gpu.c prepares, runs and ends the sending
 * role on the GPU, producer_gpu_frame.c is its hot path.
 */
#ifndef HANDOFF_RUN_PRODUCER_GPU_H
#define HANDOFF_RUN_PRODUCER_GPU_H

#include "harness/run/producer_parts.h"
#include "harness/run/role_gpu.h"

struct producer_gpu {
    struct producer common;
    struct role_gpu gpu;
    const struct cell *cell;
    struct gpu_event *event; /* order host, sync event */
    /* Uploads with sync flag: the word that the stream writes behind them, pinned; or NULL. */
    uint32_t *uploaded;
    uint32_t *uploaded_device;
    void *registered;        /* host memory registered here, or NULL */
    const uint8_t *memory;   /* fill gpu of host memory: where the endpoint's begins */
    uint8_t *memory_device;  /* and for kernels */
    struct launch_work work; /* fill gpu: what is the same for all frames */
    /* Reports of the fills, pinned: of frame id in reports[id & report_mask]; more than there can
     * be fills under way. */
    struct launch_report *reports;
    struct launch_report *reports_device;
    uint32_t report_mask;
    uint32_t collected; /* frames whose stamp is in the trace */
    struct role_gpu_watch watch;
};

/* With order event: how long a slot is waited for until this role looks whether its own work is
 * still sound. */
#define PRODUCER_GPU_LOOK_NS 1000000000u
/* When to look, waiting from now_ns on: the loop's deadline. */
uint64_t producer_gpu_look_ns(const struct producer_gpu *producer, const struct role *role,
                              uint64_t now_ns);

/* One frame, as producer_frame of producer.c. */
enum status producer_gpu_frame(struct producer_gpu *producer, const struct role *role, int32_t id,
                               uint64_t *stamps, struct err *err);

/* Waits for the fill of frame `id` by its report, and keeps its raw stamp; in order of the ids. */
enum status producer_gpu_collect(struct producer_gpu *producer, const struct role *role,
                                 uint32_t id, struct err *err);

#endif
