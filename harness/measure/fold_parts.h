/* fold_parts.h: the inside of fold*.c: fold.c joins two traces and counts, fold_frame.c makes one
 * frame's intervals, fold_timeline.c what the launch was like over its time.
 */
#ifndef HANDOFF_MEASURE_FOLD_PARTS_H
#define HANDOFF_MEASURE_FOLD_PARTS_H

#include "harness/measure/fold.h"

#define FOLD_BUG_HINT \
    "the role's trace cannot be trusted; this is a bug of the role or of its machine's clock"

/* What one call of fold_traces works with. */
struct fold_work {
    const struct fold_config *config;
    struct fold *fold;
    const struct trace_record *sent; /* by frame id */
    uint32_t sent_count;
    const struct trace_record *arrived; /* in order of arrival */
    uint32_t arrived_count;
    /* Beside them, the GPU's stamps, or NULL; and what each may be off, by enum trace_side. */
    const struct trace_gpu_record *sent_gpu;
    const struct trace_gpu_record *arrived_gpu;
    uint32_t gpu_error_ns[2];
    uint64_t *responses_ns; /* by frame id, with a schedule; UINT64_MAX where it never finished */
    uint32_t *arrival;      /* by frame id: 1 + index of its first arrival, 0 for none */
    uint32_t highest;       /* 1 + the highest id that arrived, 0 for none */
    uint64_t first_due_ns;  /* of counted frames; with a schedule */
    uint64_t last_due_ns;
    uint64_t first_ready_ns;
    uint64_t first_done_ns; /* of counted frames */
    uint64_t last_done_ns;
};

/* All intervals of one frame; `arrived` is NULL when it never did. ST_CORRUPT for stamps that
 * cannot be. */
enum status fold_frame_intervals(struct fold_work *work, uint32_t id,
                                 const struct trace_record *arrived, struct err *err);

/* Fills the fold's timeline, last of all. `values_ns`: of every frame sent, by id, of the
 * timeline's interval. ST_NO_MEMORY. */
enum status fold_timeline_make(struct fold_work *work, const uint64_t *values_ns, struct err *err);

/* The frame was there before the consumer waited for it. */
bool fold_is_backlog(const struct fold_config *config, const struct trace_record *sent,
                     const struct trace_record *arrived);

#endif
