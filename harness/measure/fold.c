/* fold.c: joining two traces by frame id. See fold.h for the contract. */
#include "harness/measure/fold.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/stats.h"

static const char fold_bug_hint[] =
    "the role's trace cannot be trusted; this is a bug of the role or of its machine's clock";

struct fold *fold_new(void)
{
    struct fold *fold = calloc(1, sizeof *fold);
    if (!fold)
        return NULL;
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        fold->intervals[i] = hdr_new();
        if (!fold->intervals[i]) {
            fold_free(fold);
            return NULL;
        }
    }
    return fold;
}

void fold_free(struct fold *fold)
{
    if (!fold)
        return;
    for (int i = 0; i < INTERVAL_COUNT; i++)
        hdr_free(fold->intervals[i]);
    free(fold->latencies_ns);
    free(fold);
}

static void fold_reset(struct fold *fold)
{
    free(fold->latencies_ns);
    struct hdr *kept[INTERVAL_COUNT];
    memcpy(kept, fold->intervals, sizeof kept);
    memset(fold, 0, sizeof *fold);
    memcpy(fold->intervals, kept, sizeof kept);
    for (int i = 0; i < INTERVAL_COUNT; i++)
        hdr_reset(fold->intervals[i]);
}

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
    uint32_t *arrival;     /* by frame id: 1 + index of its first arrival, 0 for none */
    uint32_t highest;      /* 1 + the highest id that arrived, 0 for none */
    uint64_t first_due_ns; /* of counted frames; with a schedule */
    uint64_t last_due_ns;
    uint64_t first_ready_ns;
    uint64_t first_done_ns; /* of counted frames */
    uint64_t last_done_ns;
};

/* ---- The traces, each for itself ------------------------------------------------------------- */

/* The producer sends ids 0, 1, 2, …: record i is frame i. */
static enum status fold_check_sent(struct fold_work *work, uint32_t total, struct err *err)
{
    if (work->sent_count > total)
        return err_set(err, ST_CORRUPT, fold_bug_hint,
                       "producer's trace: %u frames sent where %u were planned", work->sent_count,
                       total);
    if (work->sent_count < total && !work->config->partial)
        return err_set(err, ST_CORRUPT, fold_bug_hint,
                       "producer's trace: only %u of %u frames were sent", work->sent_count, total);
    for (uint32_t i = 0; i < work->sent_count; i++)
        if (work->sent[i].frame_id != (int32_t)i)
            return err_set(err, ST_CORRUPT, fold_bug_hint,
                           "producer's trace: record %u has frame id %d", i,
                           work->sent[i].frame_id);
    return ST_OK;
}

/* Counts what arrived and remembers each frame's first arrival. */
static enum status fold_index_arrivals(struct fold_work *work, uint32_t total, struct err *err)
{
    struct fold_integrity *integrity = &work->fold->integrity;
    for (uint32_t i = 0; i < work->arrived_count; i++) {
        const struct trace_record *record = &work->arrived[i];
        if (record->frame_id < 0 || (uint32_t)record->frame_id >= total)
            return err_set(err, ST_CORRUPT,
                           "the transport delivered a frame that nobody sent, or the consumer's "
                           "trace is damaged",
                           "consumer's trace: record %u has frame id %d, outside 0 to %u", i,
                           record->frame_id, total - 1);
        uint32_t id = (uint32_t)record->frame_id;
        integrity->checked += (record->flags & TRACE_FRAME_CHECKED) != 0;
        integrity->torn += (record->flags & (TRACE_FRAME_TORN | TRACE_FRAME_BAD_SHAPE)) != 0;
        if (work->arrival[id] != 0) {
            integrity->repeated++;
            continue;
        }
        work->arrival[id] = i + 1;
        if (id + 1 > work->highest)
            work->highest = id + 1;
        else
            integrity->reordered++;
    }
    return ST_OK;
}

/* ---- One frame ------------------------------------------------------------------------------- */

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
        return config->latest;
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

/* From one stamp of a frame to another: an interval, or what must not be negative. *exists is false
 * when one of them is absent. */
static enum status fold_span(const struct fold_work *work, const char *name,
                             struct interval_span span, const struct fold_frame *frame,
                             bool *exists, int64_t *value_ns, bool *clamped, struct err *err)
{
    const uint64_t from_ns = fold_stamp_ns(frame, span.from_side, span.from_stamp);
    const uint64_t to_ns = fold_stamp_ns(frame, span.to_side, span.to_stamp);
    *exists = false;
    *clamped = false;
    if (from_ns == 0 || to_ns == 0)
        return ST_OK;
    const bool is_negative = to_ns < from_ns;
    const uint64_t size_ns = is_negative ? from_ns - to_ns : to_ns - from_ns;
    const uint64_t tolerance_ns = (uint64_t)work->config->tolerance_ns +
                                  fold_stamp_error_ns(work, span.from_side, span.from_stamp) +
                                  fold_stamp_error_ns(work, span.to_side, span.to_stamp);
    if (size_ns > (is_negative ? tolerance_ns : (uint64_t)HDR_HIGHEST_NS))
        return err_set(err, ST_CORRUPT, fold_bug_hint,
                       "frame %d: %s is %s%" PRIu64 " ns: from %s at %" PRIu64 " to %s at %" PRIu64,
                       frame->records[TRACE_SIDE_producer]->frame_id, name, is_negative ? "-" : "",
                       size_ns, trace_stamp_name(span.from_side, span.from_stamp), from_ns,
                       trace_stamp_name(span.to_side, span.to_stamp), to_ns);
    *exists = true;
    *clamped = is_negative;
    *value_ns = is_negative ? 0 : (int64_t)size_ns;
    return ST_OK;
}

/* What cannot be otherwise however the GPU's clock runs: if it is, stamps were converted wrongly, or
 * a kernel did not wait for what it should have. */
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
        enum status status = fold_span(work, "the GPU's part", gpu_orders[i], frame, &exists,
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

static bool fold_is_backlog(const struct fold_config *config, const struct trace_record *sent,
                            const struct trace_record *arrived)
{
    return fold_applies(config, INTERVAL_handoff) && arrived &&
           arrived->stamps_ns[STAMP_WAITING] != 0 && arrived->stamps_ns[STAMP_SEEN] != 0 &&
           sent->stamps_ns[STAMP_FILLED] != 0 && !fold_was_waiting(config, sent, arrived);
}

/* All intervals of one frame; `arrived` is NULL when it never did. */
static enum status fold_frame_intervals(struct fold_work *work, uint32_t id,
                                        const struct trace_record *arrived, struct err *err)
{
    struct fold *fold = work->fold;
    const struct trace_record *sent = &work->sent[id];
    const struct fold_frame frame = fold_frame_of(work, id);
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
                                       &exists, &value_ns, &clamped, err);
        if (status != ST_OK)
            return status;
        if (!exists)
            continue;
        if (interval == INTERVAL_latency) {
            fold->latencies_ns[id] = (uint64_t)value_ns;
            if (id == 0)
                fold->first_frame_ns = (uint64_t)value_ns;
        }
        if (!counted)
            continue;
        fold->clamped += clamped;
        hdr_record(fold->intervals[i], value_ns);
        if (interval == INTERVAL_response && (uint64_t)value_ns > work->config->deadline_ns)
            fold->deadline_missed++;
    }
    return ST_OK;
}

/* A frame that was sent and is not done. */
static void fold_frame_unfinished(struct fold_work *work, uint32_t id, bool arrived)
{
    struct fold *fold = work->fold;
    /* When a launch broke off, what came after the last arrival was simply on its way. */
    bool is_cut_off = work->config->partial && id >= work->highest;
    if (is_cut_off)
        return;
    if (!arrived && work->config->latest)
        fold->integrity.skipped++;
    else if (!arrived)
        fold->integrity.lost++;
    if (id >= work->config->warmup && work->config->rate) {
        fold->infinite[INTERVAL_response]++;
        fold->deadline_missed++;
    }
}

static void fold_frame_finished(struct fold_work *work, uint64_t done_ns)
{
    work->fold->finished_frames++;
    if (work->first_done_ns == 0 || done_ns < work->first_done_ns)
        work->first_done_ns = done_ns;
    if (done_ns > work->last_done_ns)
        work->last_done_ns = done_ns;
}

static enum status fold_frames(struct fold_work *work, struct err *err)
{
    for (uint32_t id = 0; id < work->sent_count; id++) {
        const struct trace_record *arrived =
            work->arrival[id] ? &work->arrived[work->arrival[id] - 1] : NULL;
        bool counted = id >= work->config->warmup;
        uint64_t done_ns = arrived ? arrived->stamps_ns[STAMP_DONE] : 0;
        work->fold->latencies_ns[id] = UINT64_MAX;
        enum status status = fold_frame_intervals(work, id, arrived, err);
        if (status != ST_OK)
            return status;
        if (done_ns == 0)
            fold_frame_unfinished(work, id, arrived != NULL);
        if (!counted)
            continue;
        work->fold->sent_frames++;
        work->fold->backlog_frames += fold_is_backlog(work->config, &work->sent[id], arrived);
        if (id == work->config->warmup) {
            work->first_ready_ns = work->sent[id].stamps_ns[STAMP_READY];
            work->first_due_ns = work->sent[id].stamps_ns[STAMP_DUE];
        }
        work->last_due_ns = work->sent[id].stamps_ns[STAMP_DUE];
        if (done_ns != 0)
            fold_frame_finished(work, done_ns);
    }
    return ST_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Without a schedule: from the first done to the last, so that filling the pipeline is not in
 * it. */
static double fold_rate_free(const struct fold_work *work)
{
    if (work->last_done_ns <= work->first_done_ns)
        return 0.0;
    return (double)(work->fold->finished_frames - 1) * 1e9 /
           (double)(work->last_done_ns - work->first_done_ns);
}

/* At a rate: the finished frames over the time the schedule gave them, or over what they took if
 * that is longer. Never above the rate, however late the first frame was. */
static double fold_rate_paced(const struct fold_work *work)
{
    if (work->fold->sent_frames < 2 || work->last_due_ns <= work->first_due_ns)
        return 0.0;
    double scheduled_ns = (double)(work->last_due_ns - work->first_due_ns) *
                          (double)work->fold->sent_frames / (double)(work->fold->sent_frames - 1);
    double taken_ns = work->last_done_ns > work->first_due_ns
                          ? (double)(work->last_done_ns - work->first_due_ns)
                          : 0.0;
    return (double)work->fold->finished_frames * 1e9 / fmax(scheduled_ns, taken_ns);
}

static void fold_finish(struct fold_work *work)
{
    struct fold *fold = work->fold;
    uint32_t warmup = work->config->warmup;
    fold->integrity.frames = work->sent_count;
    fold->latency_count = work->sent_count;
    if (work->first_ready_ns != 0 && work->last_done_ns > work->first_ready_ns)
        fold->window_ns = work->last_done_ns - work->first_ready_ns;
    fold->frames_per_s = work->config->rate ? fold_rate_paced(work) : fold_rate_free(work);
    fold->steady = work->sent_count <= warmup ||
                   stats_steady(fold->latencies_ns + warmup, work->sent_count - warmup);
}

/* Finds the GPU's stamps, where a role has written some. */
static enum status fold_open_gpu(struct fold_work *work, const struct trace *producer,
                                 const struct trace *consumer, struct err *err)
{
    const struct trace *const traces[2] = {producer, consumer};
    for (int side = 0; side < 2; side++) {
        if (!traces[side]->has_gpu)
            continue;
        work->gpu_error_ns[side] = traces[side]->gpu_error_ns;
        if (work->gpu_error_ns[side] > TRACE_GPU_ERROR_MAX_NS)
            return err_set(err, ST_CORRUPT, fold_bug_hint,
                           "the %s's GPU stamps may be off by %u ns, more than %u",
                           side == TRACE_SIDE_producer ? "producer" : "consumer",
                           work->gpu_error_ns[side], TRACE_GPU_ERROR_MAX_NS);
    }
    work->sent_gpu = producer->has_gpu ? trace_gpu_record_of(producer, 0) : NULL;
    work->arrived_gpu = consumer->has_gpu ? trace_gpu_record_of(consumer, 0) : NULL;
    return ST_OK;
}

/* Checks both mappings and sets the record arrays up. */
static enum status fold_open(struct fold_work *work, const struct trace *producer,
                             size_t producer_bytes, const struct trace *consumer,
                             size_t consumer_bytes, struct err *err)
{
    if (trace_check(producer, producer_bytes, err) != ST_OK)
        return err_context(err, "producer");
    if (trace_check(consumer, consumer_bytes, err) != ST_OK)
        return err_context(err, "consumer");
    if (producer->overflowed != 0)
        return err_set(err, ST_CORRUPT, fold_bug_hint,
                       "producer's trace: %u frames found no room in it", producer->overflowed);
    work->sent = producer->records;
    work->sent_count = atomic_load_explicit(&producer->count, memory_order_acquire);
    work->arrived = consumer->records;
    work->arrived_count = atomic_load_explicit(&consumer->count, memory_order_acquire);
    /* Every frame has room once: what found none was a repeat. */
    work->fold->integrity.repeated = consumer->overflowed;
    return fold_open_gpu(work, producer, consumer, err);
}

enum status fold_traces(const struct fold_config *config, const struct trace *producer,
                        size_t producer_bytes, const struct trace *consumer, size_t consumer_bytes,
                        struct fold *fold, struct err *err)
{
    assert(config->frames <= INT32_MAX && config->warmup <= INT32_MAX - config->frames);
    assert(config->tolerance_ns >= 0);
    uint32_t total = config->warmup + config->frames;
    struct fold_work work = {.config = config, .fold = fold};
    fold_reset(fold);
    enum status status = fold_open(&work, producer, producer_bytes, consumer, consumer_bytes, err);
    if (status != ST_OK)
        return status;
    work.arrival = calloc((size_t)total + 1, sizeof *work.arrival);
    fold->latencies_ns = calloc((size_t)total + 1, sizeof *fold->latencies_ns);
    if (!work.arrival || !fold->latencies_ns) {
        status = err_set(err, ST_NO_MEMORY, NULL, "folding %u frames: out of memory", total);
        goto undo_arrival;
    }
    status = fold_check_sent(&work, total, err);
    if (status == ST_OK)
        status = fold_index_arrivals(&work, total, err);
    if (status == ST_OK)
        status = fold_frames(&work, err);
    if (status == ST_OK)
        fold_finish(&work);
undo_arrival:
    free(work.arrival);
    return status;
}

enum status fold_integrity_verdict(const struct fold_integrity *integrity, struct err *err)
{
    if (integrity->torn + integrity->lost + integrity->repeated + integrity->reordered == 0)
        return ST_OK;
    return err_set(err, ST_CORRUPT,
                   "the transport breaks frames: its figures are void; run the conformance suite",
                   "of %" PRIu64 " frames %" PRIu64 " were torn, %" PRIu64 " lost, %" PRIu64
                   " repeated, %" PRIu64 " reordered",
                   integrity->frames, integrity->torn, integrity->lost, integrity->repeated,
                   integrity->reordered);
}
