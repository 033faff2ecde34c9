/* consumer_gpu_ahead.c: what the two waits of the GPU have in common: the work stands ready before
 * its frame is there, the GPU looks at the transport's word by itself, and the CPU only hears of
 * what is done.
 *
 * So there is no waiting, seen or acquired: when the CPU acquires a frame, the kernel has been over
 * it. Needs policy block, where frame n lies in slot n % slots and none is missing.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/consumer_gpu.h"

/* ---- What both need -------------------------------------------------------------------------- */

/* Where the GPU finds the doorbell's word. An access that registers the transport's memory knows;
 * for the others the page with the word is registered here, and nothing else: what else lies there
 * is to be reached as the access says. */
static enum status ahead_find_bell(struct consumer_gpu *consumer, struct ahead *ahead,
                                   struct err *err)
{
    struct wait_source source;
    consumer->transport->wait_source(consumer->endpoint, DIRECTION_READ, &source);
    if (source.kind != SOURCE_WORD)
        return err_set(err, ST_NOT_APPLICABLE, "use a transport in shared or device memory",
                       "wait %s needs a word, which transport %s does not have",
                       consumer->cell->wait->name, consumer->transport->name);
    ahead->bell = source.bell;
    ahead->first_word = wait_source_value(&source) & ~DOORBELL_CLOSED;
    if (consumer->access->address)
        ahead->bell_device = consumer->access->address(consumer->access_state, &ahead->bell->word);
    if (ahead->bell_device)
        return ST_OK;
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t offset = (uintptr_t)&ahead->bell->word % page_bytes;
    uint8_t *page = (uint8_t *)&ahead->bell->word - offset;
    void *device;
    const uint64_t begin_ns = clock_now_ns();
    enum status status = gpu_register(consumer->gpu.gpu, page, page_bytes, &device, err);
    if (status != ST_OK)
        return err_context(err, "the page of the doorbell");
    consumer->gpu.report.registration_ns += clock_now_ns() - begin_ns;
    ahead->registered = page;
    ahead->bell_device = (uint32_t *)(void *)((uint8_t *)device + offset);
    return ST_OK;
}

static enum status ahead_alloc(struct consumer_gpu *consumer, struct ahead *ahead, struct err *err)
{
    struct gpu *gpu = consumer->gpu.gpu;
    void *host, *device;
    enum status status =
        gpu_pinned_alloc(gpu, AHEAD_WORDS * (size_t)SHARED_LINE_BYTES, &host, &device, err);
    if (status != ST_OK)
        return status;
    ahead->words = host;
    ahead->words_device = device;
    *ahead_word(ahead, AHEAD_ONE) = 1;
    status = gpu_pinned_alloc(gpu, consumer->cell->slots * sizeof(uint8_t *), &host, &device, err);
    if (status != ST_OK)
        return status;
    ahead->payloads = host;
    ahead->payloads_device = device;
    status = gpu_device_alloc(gpu, SHARED_LINE_BYTES, &device, err);
    if (status != ST_OK)
        return status;
    ahead->abandon = device;
    /* AHEAD_STOP is 0 at this time. */
    status = gpu_stream_copy(consumer->gpu.stream, ahead->abandon, ahead_word(ahead, AHEAD_STOP),
                             sizeof(uint32_t), err);
    return status == ST_OK ? gpu_stream_synchronize(consumer->gpu.stream, err) : status;
}

enum status consumer_ahead_open(struct consumer_gpu *consumer, struct err *err)
{
    struct ahead *ahead = calloc(1, sizeof *ahead);
    if (!ahead)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the wait on the GPU");
    consumer->ahead = ahead;
    enum status status = ahead_find_bell(consumer, ahead, err);
    if (status == ST_OK)
        status = ahead_alloc(consumer, ahead, err);
    for (uint32_t i = 0; i < consumer->cell->slots && status == ST_OK; i++) {
        struct flight *flight = &consumer->flights[i];
        consumer->transport->slot(consumer->endpoint, i, &flight->frame);
        if (consumer->access->enqueue)
            continue; /* copied anew for each frame */
        status = consumer_gpu_access(consumer, flight, err);
        ahead->payloads[i] = flight->accessed.device_payload;
    }
    return status == ST_OK ? ST_OK : err_context(err, "wait %s", consumer->cell->wait->name);
}

void consumer_ahead_close(struct consumer_gpu *consumer)
{
    struct ahead *ahead = consumer->ahead;
    if (!ahead)
        return;
    if (ahead->registered)
        gpu_unregister(consumer->gpu.gpu, ahead->registered);
    gpu_device_free(consumer->gpu.gpu, ahead->abandon);
    gpu_pinned_free(consumer->gpu.gpu, ahead->payloads);
    gpu_pinned_free(consumer->gpu.gpu, ahead->words);
    free(ahead);
    consumer->ahead = NULL;
}

/* ---- The CPU's part of a frame --------------------------------------------------------------- */

/* The resident kernel ended before its time. */
static enum status ahead_kernel_ended(uint32_t ended, struct err *err)
{
    switch (ended) {
    case LAUNCH_DEADLINE:
        return err_set(err, ST_TIMEOUT, "is the machine overloaded, or the other role stuck?",
                       "no frame came before the deadline of the launch");
    case LAUNCH_PEER_HUNG_UP:
        return err_set(err, ST_PEER_GONE, NULL, "the producer hung up before its last frame");
    default:
        return err_set(err, ST_CORRUPT, "this is a bug of the kernel or of the driver",
                       "the resident kernel ended (%u) before its last frame", ended);
    }
}

static bool ahead_hung_up(const struct ahead *ahead, uint32_t frame)
{
    const uint32_t word = atomic_load_explicit(&ahead->bell->word, memory_order_acquire);
    const uint32_t there = (word & ~DOORBELL_CLOSED) - ahead->first_word;
    return (word & DOORBELL_CLOSED) != 0 && (int32_t)(there - frame * DOORBELL_STEP) <= 0;
}

static inline bool ahead_has_come(const uint32_t *word, uint32_t value)
{
    return (int32_t)(__atomic_load_n(word, __ATOMIC_ACQUIRE) - value) >= 0;
}

enum status consumer_ahead_await(struct consumer_gpu *consumer, const struct role *role,
                                 const uint32_t *word, uint32_t value, uint32_t frame,
                                 const uint32_t *ended, struct err *err)
{
    struct role_gpu_watch *watch = &consumer->ahead->watch;
    enum status status = ST_OK;
    while (status == ST_OK) {
        for (int i = 0; i < ROLE_GPU_LOOKS; i++)
            if (ahead_has_come(word, value))
                return ST_OK;
        /* The producer writes the bell's line and the GPU reads it: not to be looked at for
         * nothing. */
        if (clock_now_ns() < watch->next_ns)
            continue;
        const uint32_t end = ended ? __atomic_load_n(ended, __ATOMIC_ACQUIRE) : LAUNCH_RUNNING;
        if (ahead_has_come(word, value))
            return ST_OK;
        if (end != LAUNCH_RUNNING)
            return ahead_kernel_ended(end, err);
        if (ahead_hung_up(consumer->ahead, frame))
            return ahead_kernel_ended(LAUNCH_PEER_HUNG_UP, err);
        status = role_gpu_look(watch, "a frame, or the end of its kernel,", err);
    }
    return status;
}

/* The frame that the kernel has worked on, as the transport has it: it must be that one. */
static enum status ahead_acquire(struct consumer_gpu *consumer, uint32_t frame,
                                 struct flight *flight, struct err *err)
{
    struct frame got = {0};
    enum status status = consumer->transport->acquire(consumer->endpoint, &got, err);
    if (status == ST_AGAIN)
        return err_set(err, ST_CORRUPT, "this is a bug of the wait or of the transport",
                       "the GPU has worked on frame %u, which the transport does not have", frame);
    if (status != ST_OK)
        return status;
    if (got.slot != frame % consumer->cell->slots)
        return err_set(err, ST_CORRUPT, "this is a bug of the transport",
                       "frame %u lies in slot %u instead of %u", frame, got.slot,
                       frame % consumer->cell->slots);
    flight->frame = got;
    return ST_OK;
}

enum status consumer_ahead_take(struct consumer_gpu *consumer, struct role *role, uint32_t frame,
                                const uint32_t *passed, struct err *err)
{
    const uint64_t done_ns = stamp_now_ns();
    struct flight *flight = &consumer->flights[frame % consumer->cell->slots];
    struct trace_record *record;
    enum status status = consumer_gpu_record(consumer, role, &record, err);
    if (status == ST_OK)
        status = consumer_gpu_reported(flight->report, frame + 1, err);
    if (status == ST_OK)
        status = ahead_acquire(consumer, frame, flight, err);
    if (status != ST_OK)
        return status;
    const int32_t id = frame_header_id(flight->frame.header);
    record->frame_id = id;
    record->stamps_ns[STAMP_DONE] = done_ns;
    CONSUMER_FAULT("done", id);
    flight->value = frame + 1;
    if (passed)
        status = consumer_ahead_await(consumer, role, passed, frame + 1, frame, NULL, err);
    if (status == ST_OK)
        status = consumer_gpu_check(consumer, role, flight, id, &record->flags, err);
    CONSUMER_FAULT("checked", id);
    /* Once it is released, the slot's next frame may come and be reported. */
    consumer_gpu_stamps(role, flight->report);
    if (status == ST_OK)
        status = wait_loop_release(&consumer->loop, &flight->frame, err);
    if (status != ST_OK)
        return status;
    record->stamps_ns[STAMP_RELEASED] = stamp_now_ns();
    CONSUMER_FAULT("released", id);
    wait_loop_notify(&consumer->loop);
    role_record_publish(role->trace);
    return ST_OK;
}
