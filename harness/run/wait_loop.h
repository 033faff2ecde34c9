/* wait_loop.h: the only place where a transport meets a wait strategy.
 *
 * Each call tries the transport and, while it answers ST_AGAIN, idles in the wait strategy with the
 * word's value taken before the try, so that no wake-up is lost. Called by the roles, on the hot
 * path; nothing here allocates or makes a system call of its own.
 */
#ifndef HANDOFF_RUN_WAIT_LOOP_H
#define HANDOFF_RUN_WAIT_LOOP_H

#include "harness/wait/wait.h"
#include "transports/transport.h"

/* One role's end of an edge. */
struct wait_loop {
    const struct transport *transport;
    struct endpoint *endpoint; /* borrowed */
    const struct wait_strategy *strategy;
    struct wait_state state;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; waits end with ST_TIMEOUT after it */
    /* What this role's progress is announced on; only words need announcing. */
    bool notifies;
    struct wait_source notify_source;
};

/* Opens the strategy for one role. `announces` is the direction whose news this role makes:
 * DIRECTION_READ for a producer, DIRECTION_WRITE for a consumer. */
enum status wait_loop_open(struct wait_loop *loop, const struct transport *transport,
                           struct endpoint *endpoint, const struct wait_strategy *strategy,
                           uint32_t wait_us, enum direction announces, struct err *err);
/* Safe on a zeroed loop. */
void wait_loop_close(struct wait_loop *loop);

/* Blocking forms of the transport's verbs. ST_OK, ST_TIMEOUT at the loop's deadline, or the
 * transport's own error. */
enum status wait_loop_reserve(struct wait_loop *loop, struct frame *frame, struct err *err);
enum status wait_loop_commit(struct wait_loop *loop, struct frame *frame, struct err *err);
enum status wait_loop_release(struct wait_loop *loop, struct frame *frame, struct err *err);

/* The consumer's, with its stamps: when it began to wait, and when the wait returned that was
 * followed by the first byte of the frame (equal when there was nothing to wait for). */
struct wait_loop_stamps {
    uint64_t waiting_ns;
    uint64_t seen_ns;
};
enum status wait_loop_acquire(struct wait_loop *loop, struct frame *frame,
                              struct wait_loop_stamps *stamps, struct err *err);

/* Wakes the other role after a commit (producer) or a release (consumer). */
static inline void wait_loop_notify(struct wait_loop *loop)
{
    if (loop->notifies)
        loop->strategy->notify(&loop->state, &loop->notify_source);
}

#endif
