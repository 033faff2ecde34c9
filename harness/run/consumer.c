/* consumer.c: the receiving role: waiting → seen → acquired → accessed → done → released.
 *
 * consumer_run is the hot path; see producer.c. The integrity of each frame is checked between done
 * and released, outside of every interval by which transports are compared.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/run/fault.h"
#include "harness/run/role_edge.h"
#include "harness/run/source_frames.h"

#define CONSUMER_FAULT(point, id) FAULT_POINT("consumer", point, id)

/* How long before the first frame may come the consumer begins to wait for it. */
#define CONSUMER_LEAD_NS 500000u

/* Tags looked at per frame where the kernel does not read every byte itself. */
#define CONSUMER_TAG_SAMPLES 8

struct consumer {
    struct endpoint *endpoint;
    const struct transport *transport;
    const struct kernel *kernel;
    struct kernel_state *kernel_state;
    const struct access *access;
    struct access_state *access_state;
    struct wait_pair waits;
    struct wait_loop loop;
    /* What the frames must contain. */
    uint64_t checksums[CELL_SOURCE_FRAMES];
    struct frame_tag_weights weights;
    size_t payload_bytes;
    unsigned access_copies;
};

static void consumer_clean_up(void *state)
{
    struct consumer *consumer = state;
    if (!consumer)
        return;
    wait_loop_hang_up(&consumer->loop);
    wait_loop_close(&consumer->loop);
    wait_pair_close(&consumer->waits);
    if (consumer->access)
        consumer->access->close(consumer->access_state);
    if (consumer->kernel)
        consumer->kernel->close(consumer->kernel_state);
    if (consumer->transport)
        consumer->transport->destroy(consumer->endpoint);
    free(consumer);
}

static enum status consumer_open_kernel(struct consumer *consumer, const struct cell *cell,
                                        struct err *err)
{
    const struct kernel_config kernel_config = {.geometry = cell->geometry,
                                                .payload_bytes = consumer->payload_bytes};
    enum status status = cell->kernel->open(&kernel_config, &consumer->kernel_state, err);
    if (status != ST_OK)
        return err_context(err, "kernel %s", cell->kernel->name);
    consumer->kernel = cell->kernel;
    const struct access_config access_config = {
        .geometry = cell->geometry, .payload_bytes = consumer->payload_bytes, .slots = cell->slots};
    status = cell->access->open(&access_config, &consumer->access_state, err);
    if (status != ST_OK)
        return err_context(err, "access %s", cell->access->name);
    consumer->access = cell->access;
    return ST_OK;
}

static enum status consumer_prepare(struct role *role, void **state, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    struct consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the consumer");
    consumer->waits = role_wait_pair(cell);
    *state = consumer; /* role_work cleans up, whatever happens from here on */
    consumer->transport = cell->transport;
    consumer->payload_bytes = cell_payload_bytes(cell);
    enum status status = consumer_open_kernel(consumer, cell, err);
    if (status == ST_OK && consumer->payload_bytes > 0 && cell->kernel->flags & KERNEL_CHECKSUM) {
        consumer->weights = frame_tag_weights_make(consumer->payload_bytes);
        status = source_frames_checksums(cell->geometry, consumer->payload_bytes, role->setup.seed,
                                         consumer->checksums, err);
    }
    if (status == ST_OK)
        status = role_edge_attach(role, NULL, &consumer->waits, &consumer->endpoint, err);
    if (status != ST_OK)
        return status;
    status = wait_loop_open(&consumer->loop, cell->transport, consumer->endpoint, &consumer->waits,
                            DIRECTION_READ, err);
    /* With policy latest the producer never waits for a slot: there is nobody to tell. */
    if (status == ST_OK && cell->policy == POLICY_LATEST)
        consumer->loop.notifies = false;
    return status;
}

/* What was found out about one frame's bytes. */
static inline uint32_t consumer_check(const struct consumer *consumer, const struct role *role,
                                      const struct frame *frame, int32_t id, uint64_t result)
{
    const struct geometry *geometry = &role->setup.cell.geometry;
    struct frame_header header;
    frame_header_decode(frame->header, &header);
    uint32_t flags = TRACE_FRAME_CHECKED;
    if (!(consumer->transport->flags & TRANSPORT_NO_PAYLOAD) &&
        (header.width != geometry->width || header.height != geometry->height ||
         header.channels != geometry->channels))
        flags |= TRACE_FRAME_BAD_SHAPE;
    if (consumer->payload_bytes == 0)
        return flags;
    bool whole;
    if (consumer->kernel->flags & KERNEL_CHECKSUM)
        whole = result ==
                frame_checksum_expected(consumer->checksums[(uint32_t)id % CELL_SOURCE_FRAMES],
                                        consumer->weights, frame_tag(id));
    else
        whole = frame_tags_check_sample(frame->payload, consumer->payload_bytes, id,
                                        (consumer->kernel->flags & KERNEL_INVERTS) != 0,
                                        CONSUMER_TAG_SAMPLES);
    return whole ? flags : flags | TRACE_FRAME_TORN;
}

/* Brings the frame under the kernel and runs it. */
static inline enum status consumer_process(struct consumer *consumer, const struct frame *frame,
                                           uint64_t *stamps, struct kernel_result *result)
{
    struct frame accessed = *frame;
    enum status status = ST_OK;
    if (consumer->access->enqueue) {
        struct err err;
        status = consumer->access->enqueue(consumer->access_state, frame, &accessed, NULL,
                                           &consumer->access_copies, &err);
        if (status != ST_OK)
            return status;
        stamps[STAMP_ACCESSED] = stamp_now_ns();
    } else {
        /* Zero-copy: the bytes are where the kernel reads them as soon as they are acquired. */
        stamps[STAMP_ACCESSED] = stamps[STAMP_ACQUIRED];
    }
    status = consumer->kernel->enqueue(consumer->kernel_state, &accessed, NULL);
    if (status != ST_OK)
        return status;
    while ((status = consumer->kernel->poll_done(consumer->kernel_state, result)) == ST_AGAIN)
        continue;
    stamps[STAMP_DONE] = stamp_now_ns();
    return status;
}

/* One frame, from the wait to its return. */
static inline enum status consumer_frame(struct consumer *consumer, const struct role *role,
                                         struct trace_record *record, struct err *err)
{
    struct frame frame = {0};
    struct wait_loop_stamps wait;
    struct kernel_result result = {0};
    uint64_t *stamps = record->stamps_ns;
    enum status status = wait_loop_acquire(&consumer->loop, &frame, &wait, err);
    if (status != ST_OK)
        return status;
    /* The header's line comes over from the producer here, before the stamp: it is part of getting
     * the frame, not of the kernel. */
    const int32_t id = frame_header_id(frame.header);
    stamps[STAMP_ACQUIRED] = stamp_now_ns();
    stamps[STAMP_WAITING] = wait.waiting_ns;
    stamps[STAMP_SEEN] = wait.seen_ns;
    record->frame_id = id;
    CONSUMER_FAULT("acquired", id);
    status = consumer_process(consumer, &frame, stamps, &result);
    if (status != ST_OK)
        return err_set(err, status, NULL, "the kernel %s failed (%s)", consumer->kernel->name,
                       status_name(status));
    CONSUMER_FAULT("done", id);
    record->flags = consumer_check(consumer, role, &frame, id, result.value);
    CONSUMER_FAULT("checked", id);
    status = wait_loop_release(&consumer->loop, &frame, err);
    if (status != ST_OK)
        return status;
    stamps[STAMP_RELEASED] = stamp_now_ns();
    CONSUMER_FAULT("released", id);
    wait_loop_notify(&consumer->loop);
    return ST_OK;
}

static enum status consumer_run(struct role *role, void *state, struct role_report *report,
                                struct err *err)
{
    struct consumer *consumer = state;
    const int32_t last_id = (int32_t)role_setup_total(&role->setup) - 1;
    struct usage begin = {0}, end;
    bool counting = false;
    consumer->loop.deadline_ns = role->deadline_ns;
    /* Both roles were told to go at slightly different times; what lies before is in no figure. */
    clock_sleep_until_ns(role->start_ns - CONSUMER_LEAD_NS);
    /* The last frame always arrives: nothing newer can replace it. */
    for (int32_t id = -1; id != last_id; report->frames++) {
        if (!counting && id + 1 >= (int32_t)role->setup.warmup) {
            usage_self(&begin);
            counting = true;
        }
        struct trace_record *record = role_record(role->trace);
        if (!record)
            return err_set(err, ST_CORRUPT, "the transport repeats frames",
                           "the consumer got more frames than were sent");
        CONSUMER_FAULT("waiting", id + 1);
        enum status status = consumer_frame(consumer, role, record, err);
        if (status != ST_OK)
            return err_context(err, "consumer, after frame %d", id);
        id = record->frame_id;
        role_record_publish(role->trace);
    }
    usage_self(&end);
    report->usage = usage_difference(&begin, &end);
    consumer->transport->counters(consumer->endpoint, &report->counters);
    report->filled_bytes = (uint64_t)consumer->access_copies * consumer->payload_bytes;
    return ST_OK;
}

const struct role_kind role_consumer = {
    .name = "consumer",
    .prepare = consumer_prepare,
    .run = consumer_run,
    .clean_up = consumer_clean_up,
};
