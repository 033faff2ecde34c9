/* producer.c: the sending role: due → woke → ready → reserved → filled → committed → notified.
 *
 * producer_run is the hot path: no allocation, no I/O, no system call but those of the pacer, the
 * transport and the wait strategy; everything else is stores of stamps. The order of a frame's
 * steps depends on its fill and pacing and is told at producer_frame.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/run/fault.h"
#include "harness/run/role.h"
#include "harness/run/schedule.h"
#include "harness/run/source_frames.h"

#define PRODUCER_FAULT(point, id) FAULT_POINT("producer", point, id)

/* Frames of a launch that the tool itself may make late: one in twenty, and one for bad luck. */
#define PRODUCER_LATE_MAX(total) (1 + (total) / 20)

struct producer {
    struct source_frames source;
    struct endpoint *endpoint;
    const struct transport *transport;
    struct wait_pair waits;
    struct wait_loop loop;
    struct schedule schedule;
    bool sends_source; /* commit takes the frame from the source buffer */
    bool counts_fill;  /* the fill is a copy, not the source's own writing */
    uint64_t filled_bytes;
    uint32_t late_frames; /* the tool itself made them late, bringing their cache state about */
};

static void producer_clean_up(void *state)
{
    struct producer *producer = state;
    if (!producer)
        return;
    wait_loop_hang_up(&producer->loop);
    wait_loop_close(&producer->loop);
    wait_pair_close(&producer->waits);
    if (producer->transport)
        producer->transport->destroy(producer->endpoint);
    source_frames_close(&producer->source);
    schedule_close(&producer->schedule);
    free(producer);
}

/* Makes the edge and sends its address to the runner, which relays it. */
static enum status producer_create_edge(struct role *role, struct producer *producer,
                                        struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    const struct transport_config config = {
        .payload_bytes = cell_payload_bytes(cell),
        .slots = cell->slots,
        .max_in_flight = cell->pacing == PACING_PINGPONG ? 1 : 0,
        .max_held = 1,
        .policy = cell->policy,
    };
    struct transport_address address = {0};
    enum status status = cell->transport->create(&config, &producer->endpoint, &address, err);
    if (status != ST_OK)
        return err_context(err, "creating the %s edge", cell->transport->name);
    producer->transport = cell->transport;
    status = wait_pair_create(&producer->waits, cell->transport, producer->endpoint, err);
    if (status != ST_OK)
        goto undo_address;
    int fds[CHANNEL_FDS_MAX];
    uint32_t fd_count;
    cJSON *json = role_address_to_json(&address, &producer->waits, fds, &fd_count);
    status = json ? channel_send(role->control_fd, json, fds, fd_count, err)
                  : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the edge's address");
    cJSON_Delete(json);
undo_address:
    transport_address_close(&address);
    return status;
}

static enum status producer_prepare(struct role *role, void **state, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    struct producer *producer = calloc(1, sizeof *producer);
    if (!producer)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the producer");
    producer->waits = role_wait_pair(cell);
    *state = producer; /* role_work cleans up, whatever happens from here on */
    producer->sends_source =
        cell->fill != FILL_IN_PLACE && (cell->transport->flags & TRANSPORT_SENDS_SOURCE) != 0;
    producer->counts_fill = cell->fill == FILL_COPY;
    enum status status = schedule_open(cell, role_setup_total(&role->setup), role->setup.seed,
                                       &producer->schedule, err);
    if (status != ST_OK)
        return status;
    status = source_frames_open(&producer->source, cell->geometry, cell_payload_bytes(cell),
                                role->setup.seed, err);
    if (status != ST_OK)
        return status;
    status = producer_create_edge(role, producer, err);
    if (status != ST_OK)
        return status;
    return wait_loop_open(&producer->loop, cell->transport, producer->endpoint, &producer->waits,
                          DIRECTION_WRITE, err);
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

/* When the schedule wants a frame (a cell with a schedule). */
static inline uint64_t producer_due_ns(const struct producer *producer, const struct role *role,
                                       int32_t id)
{
    return role->start_ns + producer->schedule.offsets_ns[id];
}

/* Waits until the frame may start: its time has come, or (ping-pong) the last one is back.
 *
 * The pacer sleeps to the end and does not finish by looking at the clock, although it is woken 20
 * to 180 us late: a producer that spins keeps its CPU awake and warm, which a camera's does not do,
 * and what it burned would be most of the cell's CPU cost. How late it was is an interval of its own
 * (`pacing`), and the axes timer_slack_ns and idle_latency make it sharper. */
static inline enum status producer_pace(struct producer *producer, const struct role *role,
                                        int32_t id, struct frame *frame, uint64_t *stamps,
                                        struct err *err)
{
    enum status status = ST_OK;
    if (cell_has_schedule(&role->setup.cell)) {
        uint64_t due_ns = producer_due_ns(producer, role, id);
        stamps[STAMP_DUE] = due_ns;
        clock_sleep_until_ns(due_ns);
    } else if (role->setup.cell.pacing == PACING_PINGPONG) {
        status = wait_loop_reserve(&producer->loop, frame, err);
    }
    stamps[STAMP_WOKE] = stamp_now_ns();
    return status;
}

/* Makes the source's frame whole. Where that is more than a few stores (a cache state was asked
 * for), it is seen to that it does not take longer than there is until the frame falls due. */
static inline void producer_prepare_source(struct producer *producer, const struct role *role,
                                           int32_t id)
{
    const enum frame_state state = role->setup.cell.frame_state;
    if (state == FRAME_STATE_AS_LEFT) {
        source_frames_prepare(&producer->source, id, state);
        return;
    }
    uint64_t due_ns = producer_due_ns(producer, role, id);
    uint64_t begin_ns = clock_now_ns();
    source_frames_prepare(&producer->source, id, state);
    uint64_t end_ns = clock_now_ns();
    /* Once late, every frame begins after its time, so what it took has to tell as well. */
    producer->late_frames += (begin_ns <= due_ns && end_ns > due_ns) ||
                             end_ns - begin_ns > schedule_gap_ns(&producer->schedule, (uint32_t)id);
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
    struct usage begin = {0}, end;
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
    usage_self(&end);
    if (producer->late_frames > PRODUCER_LATE_MAX(total))
        return err_set(err, ST_UNAVAILABLE, "lower the rate or the frame size",
                       "bringing about the frame_state took longer than the period for %u of %u "
                       "frames: the tool would measure itself",
                       producer->late_frames, total);
    report->usage = usage_difference(&begin, &end);
    producer->transport->counters(producer->endpoint, &report->counters);
    report->filled_bytes = producer->filled_bytes;
    report->frames = total;
    return ST_OK;
}

const struct role_kind role_producer = {
    .name = "producer",
    .prepare = producer_prepare,
    .run = producer_run,
    .clean_up = producer_clean_up,
};
