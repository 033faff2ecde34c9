/* producer_parts.h: what the producers on the CPU (producer.c) and on the GPU (producer_gpu.c) have
 * in common: the edge, the schedule and the pacing. Inline, since it is on the hot path of both.
 */
#ifndef HANDOFF_RUN_PRODUCER_PARTS_H
#define HANDOFF_RUN_PRODUCER_PARTS_H

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

/* Opens the schedule, the source frames where there are any, the edge and the wait loop. `gpu` is
 * the role's, or NULL. Whatever happens, producer_close undoes it. */
enum status producer_open(struct role *role, struct producer *producer, struct gpu *gpu,
                          struct err *err);
/* Safe on a zeroed producer. */
void producer_close(struct producer *producer);

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
 * and what it burned would be most of the cell's CPU cost. How late it was is an interval of its
 * own (`pacing`), and the axes timer_slack_ns and idle_latency make it sharper. */
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

/* The end of a run: what is reported, and whether the tool measured itself. */
static inline enum status producer_report(const struct producer *producer, uint32_t total,
                                          const struct usage *begin, struct role_report *report,
                                          struct err *err)
{
    struct usage end;
    usage_self(&end);
    if (producer->late_frames > PRODUCER_LATE_MAX(total))
        return err_set(err, ST_UNAVAILABLE, "lower the rate or the frame size",
                       "bringing about the frame_state took longer than the period for %u of %u "
                       "frames: the tool would measure itself",
                       producer->late_frames, total);
    report->usage = usage_difference(begin, &end);
    producer->transport->counters(producer->endpoint, &report->counters);
    report->filled_bytes = producer->filled_bytes;
    report->frames = total;
    return ST_OK;
}

#endif
