/* fold_frame.c: the intervals of one frame, from its stamps. See fold.h.
 */
#include <inttypes.h>

#include "harness/measure/fold_parts.h"

/* Whether an interval exists in this cell. */
static bool fold_applies(const struct fold_config *config, enum interval interval)
{
    switch (interval) {
    case INTERVAL_handoff:
        return !config->commit_moves_bytes && !config->order_event;
    case INTERVAL_fill:
    case INTERVAL_transfer:
        return !config->order_event;
    case INTERVAL_enqueue_to_done:
        return config->kernel_on_gpu;
    case INTERVAL_reserve:
        return !config->fills_in_place;
    case INTERVAL_access:
        return !config->zero_copy;
    case INTERVAL_response:
    case INTERVAL_pacing:
        return config->rate;
    case INTERVAL_age:
        return config->latest || config->detector;
    case INTERVAL_round_trip:
        /* With order event the CPUs go on before the GPU has filled the frame. */
        return config->pingpong && !config->order_event;
    default:
        return true;
    }
}

/* What the two roles noted of one frame, by enum trace_side; NULL where there is nothing. */
struct fold_frame {
    const struct trace_record *records[2];
    const struct trace_gpu_record *gpu[2];
};

static struct fold_frame fold_frame_of(const struct fold_work *work, uint32_t id)
{
    const uint32_t arrival = work->arrival[id];
    struct fold_frame frame = {
        .records = {&work->sent[id], arrival ? &work->arrived[arrival - 1] : NULL},
        .gpu = {work->sent_gpu ? &work->sent_gpu[id] : NULL,
                arrival && work->arrived_gpu ? &work->arrived_gpu[arrival - 1] : NULL},
    };
    return frame;
}

/* The producer's next frame; none after the last. In ping-pong it begins when this one is back. */
static struct fold_frame fold_frame_next(const struct fold_work *work, uint32_t id)
{
    struct fold_frame next = {0};
    if (id + 1 < work->sent_count)
        next.records[TRACE_SIDE_producer] = &work->sent[id + 1];
    return next;
}

/* A stamp, or 0 where there is none. */
static uint64_t fold_stamp_ns(const struct fold_frame *frame, enum trace_side side, unsigned stamp)
{
    if (stamp >= TRACE_STAMPS)
        return frame->gpu[side] ? frame->gpu[side]->stamps_ns[stamp - TRACE_STAMPS] : 0;
    return frame->records[side] ? frame->records[side]->stamps_ns[stamp] : 0;
}

/* By how much a stamp may be off beyond the clock's own error, being the GPU's. */
static uint64_t fold_stamp_error_ns(const struct fold_work *work, enum trace_side side,
                                    unsigned stamp)
{
    const bool of_fill = work->config->order_event && side == TRACE_SIDE_producer &&
                         (stamp == STAMP_READY || stamp == STAMP_FILLED);
    return stamp >= TRACE_STAMPS || of_fill ? work->gpu_error_ns[side] : 0;
}

/* From one stamp of a frame to another, of the same frame or of `until`: an interval, or what must
 * not be negative. *exists is false when one of them is absent. */
static enum status fold_span(const struct fold_work *work, const char *name,
                             struct interval_span span, const struct fold_frame *frame,
                             const struct fold_frame *until, bool *exists, int64_t *value_ns,
                             bool *clamped, struct err *err)
{
    const uint64_t from_ns = fold_stamp_ns(frame, span.from_side, span.from_stamp);
    const uint64_t to_ns = fold_stamp_ns(until, span.to_side, span.to_stamp);
    *exists = false;
    *clamped = false;
    if (from_ns == 0 || to_ns == 0)
        return ST_OK;
    const bool is_negative = to_ns < from_ns;
    const uint64_t size_ns = is_negative ? from_ns - to_ns : to_ns - from_ns;
    const uint64_t tolerance_ns = (uint64_t)work->config->tolerance_ns +
                                  (span.from_side != span.to_side ? work->config->apart_ns : 0) +
                                  fold_stamp_error_ns(work, span.from_side, span.from_stamp) +
                                  fold_stamp_error_ns(work, span.to_side, span.to_stamp);
    if (size_ns > (is_negative ? tolerance_ns : (uint64_t)HDR_HIGHEST_NS))
        return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
                       "frame %d: %s is %s%" PRIu64 " ns: from %s at %" PRIu64 " to %s at %" PRIu64,
                       frame->records[TRACE_SIDE_producer]->frame_id, name, is_negative ? "-" : "",
                       size_ns, trace_stamp_name(span.from_side, span.from_stamp), from_ns,
                       trace_stamp_name(span.to_side, span.to_stamp), to_ns);
    *exists = true;
    *clamped = is_negative;
    *value_ns = is_negative ? 0 : (int64_t)size_ns;
    return ST_OK;
}

/* What cannot be otherwise however the GPU's clock runs: if it is, stamps were converted wrongly,
 * or a kernel did not wait for what it should have. */
static enum status fold_check_gpu(const struct fold_work *work, const struct fold_frame *frame,
                                  struct err *err)
{
    static const struct interval_span gpu_orders[] = {
        {TRACE_SIDE_producer, STAMP_RESERVED, TRACE_SIDE_producer,
         INTERVAL_GPU_STAMP(STAMP_GPU_FILLED)},
        {TRACE_SIDE_producer, INTERVAL_GPU_STAMP(STAMP_GPU_FILLED), TRACE_SIDE_producer,
         STAMP_FILLED},
        {TRACE_SIDE_producer, INTERVAL_GPU_STAMP(STAMP_GPU_FILLED), TRACE_SIDE_consumer,
         INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN)},
        {TRACE_SIDE_consumer, STAMP_ACQUIRED, TRACE_SIDE_consumer,
         INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN)},
        {TRACE_SIDE_consumer, INTERVAL_GPU_STAMP(STAMP_GPU_END), TRACE_SIDE_consumer, STAMP_DONE},
    };
    for (size_t i = 0; i < sizeof gpu_orders / sizeof gpu_orders[0]; i++) {
        bool exists, clamped;
        int64_t value_ns;
        enum status status = fold_span(work, "the GPU's part", gpu_orders[i], frame, frame, &exists,
                                       &value_ns, &clamped, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* `handoff` means something only if the consumer was waiting before the frame was filled, and if
 * the news it saw was of this frame: under policy latest a newer frame may take the place of the
 * one that woke it. */
static bool fold_was_waiting(const struct fold_config *config, const struct trace_record *sent,
                             const struct trace_record *arrived)
{
    uint64_t filled_ns = sent->stamps_ns[STAMP_FILLED];
    if (config->latest && arrived->stamps_ns[STAMP_SEEN] < filled_ns)
        return false;
    /* Equal when the first try brought the frame: it was filled after the consumer began to wait
     * and before it looked, so that it never waited at all. */
    if (arrived->stamps_ns[STAMP_SEEN] == arrived->stamps_ns[STAMP_WAITING])
        return false;
    return arrived->stamps_ns[STAMP_WAITING] < filled_ns;
}

bool fold_is_backlog(const struct fold_config *config, const struct trace_record *sent,
                     const struct trace_record *arrived)
{
    return fold_applies(config, INTERVAL_handoff) && arrived &&
           arrived->stamps_ns[STAMP_WAITING] != 0 && arrived->stamps_ns[STAMP_SEEN] != 0 &&
           sent->stamps_ns[STAMP_FILLED] != 0 && !fold_was_waiting(config, sent, arrived);
}

enum status fold_frame_intervals(struct fold_work *work, uint32_t id,
                                 const struct trace_record *arrived, struct err *err)
{
    struct fold *fold = work->fold;
    const struct trace_record *sent = &work->sent[id];
    const struct fold_frame frame = fold_frame_of(work, id);
    const struct fold_frame next = fold_frame_next(work, id);
    bool counted = id >= work->config->warmup;
    if (work->sent_gpu || work->arrived_gpu) {
        enum status status = fold_check_gpu(work, &frame, err);
        if (status != ST_OK)
            return status;
    }
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        enum interval interval = (enum interval)i;
        bool exists;
        bool clamped;
        int64_t value_ns;
        if (!fold_applies(work->config, interval))
            continue;
        if (interval == INTERVAL_handoff && arrived &&
            (arrived->stamps_ns[STAMP_WAITING] == 0 ||
             !fold_was_waiting(work->config, sent, arrived)))
            continue;
        enum status status = fold_span(work, interval_name(interval),
                                       interval_span(interval, work->config->kernel_on_gpu), &frame,
                                       interval == INTERVAL_round_trip ? &next : &frame, &exists,
                                       &value_ns, &clamped, err);
        if (status != ST_OK)
            return status;
        if (!exists)
            continue;
        if (interval == INTERVAL_latency) {
            fold->latencies_ns[id] = (uint64_t)value_ns;
            if (id == 0)
                fold->first_frame_ns = (uint64_t)value_ns;
        }
        if (interval == INTERVAL_response)
            work->responses_ns[id] = (uint64_t)value_ns;
        if (!counted)
            continue;
        fold->clamped += clamped;
        hdr_record(fold->intervals[i], value_ns);
        if (interval == INTERVAL_response && (uint64_t)value_ns > work->config->deadline_ns)
            fold->deadline_missed++;
    }
    return ST_OK;
}
