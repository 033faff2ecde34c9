/* producer.c: the sending role: due → woke → ready → reserved → filled → committed → notified.
 *
 * producer_run is the hot path: no allocation, no I/O, no system call but those of the pacer, the
 * transport and the wait strategy; everything else is stores of stamps. The order of a frame's
 * steps depends on its fill and pacing and is told at producer_frame.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/run/producer_parts.h"
#include "harness/run/role_edge.h"

void producer_close(struct producer *producer)
{
    if (!producer->transport)
        return; /* never opened */
    wait_loop_hang_up(&producer->loop);
    wait_loop_close(&producer->loop);
    wait_pair_close(&producer->waits);
    producer->transport->destroy(producer->endpoint);
    source_frames_close(&producer->source);
    schedule_close(&producer->schedule);
}

enum status producer_open(struct role *role, struct producer *producer, struct gpu *gpu,
                          struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    producer->transport = cell->transport;
    producer->waits = role_wait_pair(cell);
    producer->sends_source =
        cell->fill != FILL_IN_PLACE && (cell->transport->flags & TRANSPORT_SENDS_SOURCE) != 0;
    producer->counts_fill = cell->fill == FILL_COPY;
    enum status status = schedule_open(cell, role_setup_total(&role->setup), role->setup.seed,
                                       &producer->schedule, err);
    if (status != ST_OK)
        return status;
    /* A frame that the GPU makes has no source but the GPU. */
    if (cell->fill != FILL_GPU)
        status = source_frames_open(&producer->source, cell->geometry, cell_payload_bytes(cell),
                                    cell_source_buffers(cell), role->setup.seed, err);
    if (status != ST_OK)
        return status;
    status = role_edge_create(role, gpu, &producer->waits, &producer->endpoint, err);
    if (status != ST_OK)
        return status;
    return wait_loop_open(&producer->loop, cell->transport, producer->endpoint, &producer->waits,
                          DIRECTION_WRITE, err);
}

static void producer_clean_up(void *state)
{
    struct producer *producer = state;
    if (!producer)
        return;
    producer_close(producer);
    free(producer);
}

static enum status producer_prepare(struct role *role, void **state, struct err *err)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (!producer)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the producer");
    *state = producer; /* role_work cleans up, whatever happens from here on */
    return producer_open(role, producer, NULL, err);
}

/* Brings the source's frame to where the transport takes it from. */
static inline void producer_fill(struct producer *producer, int32_t id, struct frame *frame)
{
    uint8_t *header = source_frames_header(&producer->source, id);
    if (producer->sends_source) {
        frame->header = header;
        frame->payload = source_frames_payload(&producer->source, id);
        return;
    }
    memcpy(frame->header, header, FRAME_HEADER_BYTES);
    if (frame->payload_bytes > 0 && frame->payload) {
        memcpy(frame->payload, source_frames_payload(&producer->source, id), frame->payload_bytes);
        producer->filled_bytes += producer->counts_fill ? frame->payload_bytes : 0;
    }
}

/* One frame. `copy` and `header`: the frame is whole in the source buffer (ready), a slot is waited
 * for (reserved), the frame is brought to it (filled). `in_place`: the slot comes first, the source
 * writes into it, and ready = filled. In ping-pong the wait for the last frame's return is the
 * pacing and lies before ready. */
static inline enum status producer_frame(struct producer *producer, const struct role *role,
                                         int32_t id, uint64_t *stamps, struct err *err)
{
    const bool in_place = role->setup.cell.fill == FILL_IN_PLACE;
    struct frame frame = {0};
    producer_prepare_source(producer, role, id);
    enum status status = producer_pace(producer, role, id, &frame, stamps, err);
    if (status != ST_OK)
        return status;
    PRODUCER_FAULT("woke", id);
    if (!in_place) {
        stamps[STAMP_READY] = stamp_now_ns();
        frame_header_set_timestamp(source_frames_header(&producer->source, id),
                                   (int64_t)stamps[STAMP_READY]);
        PRODUCER_FAULT("ready", id);
    }
    status = wait_loop_reserve(&producer->loop, &frame, err);
    if (status != ST_OK)
        return status;
    stamps[STAMP_RESERVED] = stamp_now_ns();
    PRODUCER_FAULT("reserved", id);
    producer_fill(producer, id, &frame);
    if (in_place) {
        uint64_t ready_ns = stamp_now_ns();
        frame_header_set_timestamp(frame.header, (int64_t)ready_ns);
        stamps[STAMP_READY] = ready_ns;
        stamps[STAMP_FILLED] = ready_ns;
    } else {
        stamps[STAMP_FILLED] = stamp_now_ns();
    }
    PRODUCER_FAULT("filled", id);
    status = wait_loop_commit(&producer->loop, &frame, err);
    if (status != ST_OK)
        return status;
    stamps[STAMP_COMMITTED] = stamp_now_ns();
    PRODUCER_FAULT("committed", id);
    /* A descriptor's reader was woken by the commit itself: then there is no such stamp. */
    if (producer->loop.notifies) {
        wait_loop_notify(&producer->loop);
        stamps[STAMP_NOTIFIED] = stamp_now_ns();
    }
    return ST_OK;
}

static enum status producer_run(struct role *role, void *state, struct role_report *report,
                                struct err *err)
{
    struct producer *producer = state;
    const uint32_t total = role_setup_total(&role->setup);
    struct usage begin = {0};
    producer->loop.deadline_ns = role->deadline_ns;
    /* Whatever the pacing, nothing is sent before the start, when the consumer waits already. At a
     * rate the pacer sees to that, so that the first frame is prepared before it falls due. */
    if (!cell_has_schedule(&role->setup.cell))
        clock_sleep_until_ns(role->start_ns);
    for (uint32_t id = 0; id < total; id++) {
        if (id == role->setup.warmup)
            usage_self(&begin);
        struct trace_record *record = role_record(role->trace);
        if (!record)
            return err_set(err, ST_CORRUPT, NULL, "the producer's trace is full at frame %u", id);
        record->frame_id = (int32_t)id;
        enum status status = producer_frame(producer, role, (int32_t)id, record->stamps_ns, err);
        if (status != ST_OK)
            return err_context(err, "producer, frame %u", id);
        role_record_publish(role->trace);
    }
    return producer_report(producer, total, &begin, report, err);
}

const struct role_kind role_producer = {
    .name = "producer",
    .prepare = producer_prepare,
    .run = producer_run,
    .clean_up = producer_clean_up,
};
