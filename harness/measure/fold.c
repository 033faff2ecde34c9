/* fold.c: joining two traces by frame id. See fold.h for the contract. */
#include "harness/measure/fold_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/stats.h"

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

/* ---- The traces, each for itself ------------------------------------------------------------- */

/* The producer sends ids 0, 1, 2, …: record i is frame i. */
static enum status fold_check_sent(struct fold_work *work, uint32_t total, struct err *err)
{
    if (work->sent_count > total)
        return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
                       "producer's trace: %u frames sent where %u were planned", work->sent_count,
                       total);
    if (work->sent_count < total && !work->config->partial)
        return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
                       "producer's trace: only %u of %u frames were sent", work->sent_count, total);
    for (uint32_t i = 0; i < work->sent_count; i++)
        if (work->sent[i].frame_id != (int32_t)i)
            return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
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

/* ---- Every frame ----------------------------------------------------------------------------- */

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
        if (work->responses_ns)
            work->responses_ns[id] = UINT64_MAX;
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
    /* Of two hosts' clocks: only what is more than they may be apart is known to be longer. */
    double taken_ns =
        work->last_done_ns > work->first_due_ns
            ? (double)(work->last_done_ns - work->first_due_ns) - (double)work->config->apart_ns
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
            return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
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
        return err_set(err, ST_CORRUPT, FOLD_BUG_HINT,
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
    if (config->rate)
        work.responses_ns = calloc((size_t)total + 1, sizeof *work.responses_ns);
    if (!work.arrival || !fold->latencies_ns || (config->rate && !work.responses_ns)) {
        status = err_set(err, ST_NO_MEMORY, NULL, "folding %u frames: out of memory", total);
        goto undo_arrival;
    }
    status = fold_check_sent(&work, total, err);
    if (status == ST_OK)
        status = fold_index_arrivals(&work, total, err);
    if (status == ST_OK)
        status = fold_frames(&work, err);
    if (status == ST_OK) {
        fold_finish(&work);
        status =
            fold_timeline_make(&work, config->rate ? work.responses_ns : fold->latencies_ns, err);
    }
undo_arrival:
    free(work.responses_ns);
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
