/* consumer_gpu_stream.c: wait gpu_stream: each frame's work stands on the stream behind a wait for
 * the transport's word (cuStreamWaitValue), and a write-value behind the work tells the CPU that
 * the slot may go back. That the kernel is done it says itself, by its report, as with sync flag
 * everywhere: the stream's word comes later, by what it takes the GPU to put a kernel away.
 *
 * The stream's wait has no deadline, so this file is its watchdog: at the launch's deadline, when
 * the producer hangs up and after any error the work still enqueued is called off (it looks at a
 * word, `abandon`), and the word that it waits for is written until the stream has run dry.
 */
#include "harness/measure/clock.h"
#include "harness/run/consumer_gpu.h"

/* Frames enqueued ahead: one does, many fill the driver's queue, which must not block. */
#define STREAM_AHEAD_MAX 64u
#define STREAM_CALL_OFF_SLEEP_NS 20000u

/* All the work of frame number `frame`. */
static enum status stream_enqueue(struct consumer_gpu *consumer, uint32_t frame, struct err *err)
{
    struct ahead *ahead = consumer->ahead;
    struct gpu_stream *stream = consumer->gpu.stream;
    struct flight *flight = &consumer->flights[frame % consumer->cell->slots];
    const int32_t id = (int32_t)frame;
    flight->value = frame + 1;
    enum status status = gpu_stream_wait_value(
        stream, ahead->bell_device, ahead->first_word + (frame + 1) * DOORBELL_STEP, err);
    ahead->enqueued = frame + 1; /* also when what follows fails: the wait stands on the stream */
    if (status == ST_OK && consumer->access->enqueue)
        status = consumer_gpu_access(consumer, flight, err);
    if (status == ST_OK)
        status = consumer_gpu_launch(consumer, flight, id, ahead->abandon, err);
    if (status == ST_OK)
        status =
            gpu_stream_write_value(stream, ahead_word_device(ahead, AHEAD_PASSED), frame + 1, err);
    if (status == ST_OK && consumer->check_ahead)
        status = consumer_gpu_launch_check(consumer, flight, id, consumer->gpu.launcher, stream,
                                           ahead->abandon, err);
    CONSUMER_FAULT("enqueued", id);
    return status;
}

/* Ends what stands on the stream. The producer may still write the word, so one poison is not
 * enough. */
static void stream_call_off(struct consumer_gpu *consumer)
{
    struct ahead *ahead = consumer->ahead;
    struct err ignored;
    const uint64_t deadline_ns = clock_now_ns() + CONSUMER_GPU_END_NS;
    const uint32_t poison = ahead->first_word + ahead->enqueued * DOORBELL_STEP;
    /* First `abandon`: what the poison lets go must find it. Its stream has nothing else on it. */
    if (gpu_stream_copy(consumer->side_stream, ahead->abandon, ahead_word(ahead, AHEAD_ONE),
                        sizeof(uint32_t), &ignored) == ST_OK)
        while (gpu_stream_poll(consumer->side_stream, &ignored) == ST_AGAIN &&
               clock_now_ns() < deadline_ns)
            clock_sleep_until_ns(clock_now_ns() + STREAM_CALL_OFF_SLEEP_NS);
    enum status status;
    do {
        const uint32_t word = atomic_load_explicit(&ahead->bell->word, memory_order_relaxed);
        atomic_store_explicit(&ahead->bell->word, poison | (word & DOORBELL_CLOSED),
                              memory_order_release);
        clock_sleep_until_ns(clock_now_ns() + STREAM_CALL_OFF_SLEEP_NS);
        status = gpu_stream_poll(consumer->gpu.stream, &ignored);
    } while (status == ST_AGAIN && clock_now_ns() < deadline_ns);
    consumer->gpu.stuck = status == ST_AGAIN;
}

static enum status stream_run(struct consumer_gpu *consumer, struct role *role, struct err *err)
{
    const uint32_t total = role_setup_total(&role->setup);
    uint32_t ahead_count =
        consumer->cell->slots < STREAM_AHEAD_MAX ? consumer->cell->slots : STREAM_AHEAD_MAX;
    ahead_count = ahead_count < total ? ahead_count : total;
    enum status status = ST_OK;
    for (uint32_t frame = 0; frame < ahead_count && status == ST_OK; frame++)
        status = stream_enqueue(consumer, frame, err);
    if (status != ST_OK)
        return status;
    clock_sleep_until_ns(role->start_ns - CONSUMER_GPU_LEAD_NS);
    for (uint32_t frame = 0; frame < total; frame++) {
        consumer_gpu_count(consumer, role, (int32_t)frame);
        CONSUMER_FAULT("waiting", (int32_t)frame);
        const struct flight *flight = &consumer->flights[frame % consumer->cell->slots];
        status = consumer_ahead_await(consumer, role, &flight->report->done, frame + 1, frame, NULL,
                                      err);
        if (status == ST_OK)
            status = consumer_ahead_take(consumer, role, frame,
                                         ahead_word(consumer->ahead, AHEAD_PASSED), err);
        if (status == ST_OK && frame + ahead_count < total)
            status = stream_enqueue(consumer, frame + ahead_count, err);
        if (status != ST_OK)
            return err_context(err, "consumer, frame %u", frame);
    }
    return role_gpu_await_idle(&consumer->gpu, CONSUMER_GPU_END_NS, err);
}

enum status consumer_gpu_stream_loop(struct consumer_gpu *consumer, struct role *role,
                                     struct err *err)
{
    consumer->ahead->watch =
        (struct role_gpu_watch){.stream = consumer->gpu.stream, .deadline_ns = role->deadline_ns};
    const enum status status = stream_run(consumer, role, err);
    if (status != ST_OK)
        stream_call_off(consumer);
    return status;
}
