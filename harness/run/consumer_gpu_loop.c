/* consumer_gpu_loop.c: the hot path of a consumer whose CPU waits for frames and whose GPU works on
 * them: waiting → seen → acquired → (enqueued) → done → released, up to `depth` frames at a time.
 *
 * While none is in flight the role waits for one as on the CPU. While some are, it looks for a next
 * one without waiting, and in turn whether the oldest is done. Frames are done, checked and
 * released in the order in which they came.
 *
 * With order event a frame is released as soon as its work is enqueued, behind an event that the
 * producer's stream waits for before it writes to the slot again.
 */
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/run/consumer_gpu.h"

struct gpu_loop {
    struct consumer_gpu *consumer;
    struct role *role;
    struct role_gpu_watch watch;
    struct frame next;   /* partly received, or zeroed */
    int32_t acquired_id; /* the last one's; -1: none yet */
    int32_t last_id;     /* the launch's */
    uint32_t head;       /* index of the oldest in flight */
    uint32_t in_flight;
    uint32_t polls; /* since the clock was looked at */
    uint32_t enqueued;
};

enum status consumer_gpu_access(struct consumer_gpu *consumer, struct flight *flight,
                                struct err *err)
{
    const struct access *access = consumer->access;
    enum status status = ST_OK;
    if (access->enqueue)
        status = access->enqueue(consumer->access_state, &flight->frame, &flight->accessed,
                                 role_gpu_lane(&consumer->gpu, flight->lane)->stream,
                                 &consumer->access_copies, err);
    else if (access->locate)
        status = access->locate(consumer->access_state, &flight->frame, &flight->accessed, err);
    else
        flight->accessed = flight->frame;
    return status == ST_OK ? ST_OK : err_context(err, "access %s", access->name);
}

enum status consumer_gpu_launch(const struct consumer_gpu *consumer, const struct flight *flight,
                                int32_t id, const uint32_t *abandon, struct err *err)
{
    struct launch_work work = consumer->work;
    work.payload = flight->accessed.device_payload;
    work.frame_id = id;
    work.report = consumer_gpu_on_device(consumer, flight->report);
    work.done_value = flight->value;
    work.abandon = abandon;
    const struct role_gpu_lane *lane = role_gpu_lane(&consumer->gpu, flight->lane);
    if (work.output)
        work.output += (size_t)(lane - consumer->gpu.lanes) * CONSUMER_OUTPUT_FLOATS;
    const enum status status = launcher_enqueue(lane->launcher, lane->stream, &work, err);
    return status == ST_OK ? ST_OK
                           : err_context(err, "the kernel %s", consumer->cell->kernel->name);
}

/* Order event: the slot may be written again when the stream has come this far. */
static enum status loop_release_at_once(struct gpu_loop *loop, struct flight *flight,
                                        struct err *err)
{
    struct consumer_gpu *consumer = loop->consumer;
    enum status status = ST_OK;
    flight->record->flags = consumer_gpu_shape(consumer, &flight->frame);
    if (flight->frame.mark.event)
        status = gpu_event_record(flight->frame.mark.event,
                                  role_gpu_lane(&consumer->gpu, flight->lane)->stream, err);
    if (status == ST_OK)
        status = wait_loop_release(&consumer->loop, &flight->frame, err);
    if (status != ST_OK)
        return status;
    flight->record->stamps_ns[STAMP_RELEASED] = stamp_now_ns();
    wait_loop_notify(&consumer->loop);
    return ST_OK;
}

/* All the work on one frame, up to where the CPU need not look at it any more. */
static enum status loop_enqueue(struct gpu_loop *loop, struct flight *flight, struct err *err)
{
    struct consumer_gpu *consumer = loop->consumer;
    const int32_t id = flight->record->frame_id;
    enum status status = ST_OK;
    flight->lane = loop->enqueued;
    flight->value = ++loop->enqueued;
    const struct role_gpu_lane *lane = role_gpu_lane(&consumer->gpu, flight->lane);
    if (flight->frame.fence.event)
        status = gpu_stream_wait_event(lane->stream, flight->frame.fence.event, err);
    if (status == ST_OK)
        status = consumer_gpu_access(consumer, flight, err);
    if (status == ST_OK)
        status = consumer_gpu_launch(consumer, flight, id, NULL, err);
    if (status == ST_OK && flight->event)
        status = gpu_event_record(flight->event, lane->stream, err);
    if (status == ST_OK && consumer->check_ahead)
        status = consumer_gpu_launch_check(consumer, flight, id, lane->launcher, lane->stream, NULL,
                                           err);
    if (status == ST_OK && consumer->cell->order == ORDER_EVENT)
        status = loop_release_at_once(loop, flight, err);
    CONSUMER_FAULT("enqueued", id);
    return status;
}

/* Takes the next frame, if there is one or (none in flight) when there is one, and enqueues it.
 * ST_AGAIN: there is none yet. */
static enum status loop_acquire(struct gpu_loop *loop, struct err *err)
{
    struct consumer_gpu *consumer = loop->consumer;
    struct wait_loop_stamps wait;
    enum status status;
    if (loop->in_flight == 0) {
        consumer_gpu_count(consumer, loop->role, loop->acquired_id + 1);
        CONSUMER_FAULT("waiting", loop->acquired_id + 1);
        status = wait_loop_acquire(&consumer->loop, &loop->next, &wait, err);
    } else {
        /* A frame that this finds was there: it was not waited for. */
        wait.waiting_ns = wait.seen_ns = stamp_now_ns();
        status = consumer->transport->acquire(consumer->endpoint, &loop->next, err);
    }
    if (status != ST_OK)
        return status;
    const int32_t id = frame_header_id(loop->next.header);
    const uint64_t acquired_ns = stamp_now_ns();
    consumer_gpu_count(consumer, loop->role, id);
    struct trace_record *record;
    status = consumer_gpu_record(consumer, loop->role, &record, err);
    if (status != ST_OK)
        return status;
    record->frame_id = id;
    record->stamps_ns[STAMP_WAITING] = wait.waiting_ns;
    record->stamps_ns[STAMP_SEEN] = wait.seen_ns;
    record->stamps_ns[STAMP_ACQUIRED] = acquired_ns;
    CONSUMER_FAULT("acquired", id);
    uint32_t index = loop->head + loop->in_flight;
    if (index >= consumer->flight_count)
        index -= consumer->flight_count;
    struct flight *flight = &consumer->flights[index];
    flight->record = record;
    flight->frame = loop->next;
    loop->next = (struct frame){0};
    loop->acquired_id = id;
    loop->in_flight++;
    return loop_enqueue(loop, flight, err);
}

enum status consumer_gpu_reported(const struct launch_report *report, uint32_t value,
                                  struct err *err)
{
    const uint32_t done = __atomic_load_n(&report->done, __ATOMIC_ACQUIRE);
    if (done == value)
        return ST_OK;
    return err_set(err, ST_CORRUPT, "this is a bug of the kernel or of the driver",
                   "the kernel's work is over, and its report says %u instead of %u", done, value);
}

/* ST_AGAIN now and then becomes a look at the clock and at the stream. */
static enum status loop_not_yet(struct gpu_loop *loop, struct err *err)
{
    if (++loop->polls < ROLE_GPU_LOOKS)
        return ST_AGAIN;
    loop->polls = 0;
    const enum status status = role_gpu_look(&loop->watch, "the end of the kernel", err);
    return status == ST_OK ? ST_AGAIN : status;
}

/* ST_OK once the oldest frame's kernel is done: waits in CUDA, or looks once (ST_AGAIN). */
static enum status loop_is_done(struct gpu_loop *loop, const struct flight *flight, struct err *err)
{
    struct consumer_gpu *consumer = loop->consumer;
    enum status status;
    switch (consumer->completion) {
    case COMPLETION_FLAG:
        return __atomic_load_n(&flight->report->done, __ATOMIC_ACQUIRE) == flight->value
                   ? ST_OK
                   : loop_not_yet(loop, err);
    case COMPLETION_POLL:
        status = gpu_event_poll(flight->event, err);
        return status == ST_AGAIN ? loop_not_yet(loop, err) : status;
    case COMPLETION_EVENT:
        return gpu_event_synchronize(flight->event, err);
    default:
        return gpu_stream_synchronize(consumer->gpu.stream, err);
    }
}

/* Completes the oldest frame in flight, or says ST_AGAIN. */
static enum status loop_complete(struct gpu_loop *loop, struct err *err)
{
    struct consumer_gpu *consumer = loop->consumer;
    struct flight *flight = &consumer->flights[loop->head];
    struct trace_record *record = flight->record;
    const int32_t id = record->frame_id;
    enum status status = loop_is_done(loop, flight, err);
    if (status == ST_AGAIN)
        return status;
    if (status != ST_OK)
        return err_context(err, "the kernel %s", consumer->cell->kernel->name);
    record->stamps_ns[STAMP_DONE] = stamp_now_ns();
    CONSUMER_FAULT("done", id);
    status = consumer_gpu_reported(flight->report, flight->value, err);
    if (status == ST_OK)
        status = consumer_gpu_check(consumer, loop->role, flight, id, &record->flags, err);
    if (status == ST_OK && consumer->access->finish)
        status = consumer->access->finish(consumer->access_state, &flight->accessed, err);
    CONSUMER_FAULT("checked", id);
    if (status == ST_OK && consumer->cell->order == ORDER_HOST) {
        status = wait_loop_release(&consumer->loop, &flight->frame, err);
        record->stamps_ns[STAMP_RELEASED] = stamp_now_ns();
    }
    if (status != ST_OK)
        return status;
    CONSUMER_FAULT("released", id);
    if (consumer->cell->order == ORDER_HOST)
        wait_loop_notify(&consumer->loop);
    consumer_gpu_stamps(loop->role, flight->report);
    role_record_publish(loop->role->trace);
    loop->head = loop->head + 1 == consumer->flight_count ? 0 : loop->head + 1;
    loop->in_flight--;
    return ST_OK;
}

/* Until the last frame is done. The last one always arrives: nothing newer can replace it. */
static enum status loop_run(struct gpu_loop *loop, struct err *err)
{
    const bool blocks = loop->consumer->completion == COMPLETION_STREAM ||
                        loop->consumer->completion == COMPLETION_EVENT;
    const uint32_t depth = loop->consumer->cell->depth;
    while (loop->acquired_id != loop->last_id || loop->in_flight > 0) {
        enum status status = ST_AGAIN;
        if (loop->acquired_id != loop->last_id && loop->in_flight < depth)
            status = loop_acquire(loop, err);
        if (status != ST_OK && status != ST_AGAIN)
            return status;
        /* Never wait for one frame while the next could be enqueued. */
        if (loop->in_flight == 0 || (blocks && status == ST_OK && loop->in_flight < depth &&
                                     loop->acquired_id != loop->last_id))
            continue;
        status = loop_complete(loop, err);
        if (status != ST_OK && status != ST_AGAIN)
            return status;
    }
    return ST_OK;
}

enum status consumer_gpu_loop(struct consumer_gpu *consumer, struct role *role, struct err *err)
{
    struct gpu_loop loop = {
        .consumer = consumer,
        .role = role,
        .watch = {.stream = consumer->gpu.stream, .deadline_ns = role->deadline_ns},
        .acquired_id = -1,
        .last_id = (int32_t)role_setup_total(&role->setup) - 1,
    };
    /* Both roles were told to go at slightly different times; what lies before is in no figure. */
    clock_sleep_until_ns(role->start_ns - CONSUMER_GPU_LEAD_NS);
    enum status status = loop_run(&loop, err);
    /* With order event the last frame's mark lies behind its kernel. */
    if (status == ST_OK)
        return role_gpu_await_idle(&consumer->gpu, CONSUMER_GPU_END_NS, err);
    struct err ignored;
    (void)role_gpu_await_idle(&consumer->gpu, ROLE_GPU_FAILED_NS, &ignored);
    return err_context(err, "consumer, after frame %d", loop.acquired_id);
}
