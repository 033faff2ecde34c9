/* wait_loop.h: the only place where a transport meets a wait strategy.
 *
 * Each call tries the transport and, while it answers ST_AGAIN, idles in the wait strategy with the
 * word's value taken before the try, so that no wake-up is lost. Called by the roles, on the hot
 * path; nothing here allocates or makes a system call of its own.
 */
#ifndef HANDOFF_RUN_WAIT_LOOP_H
#define HANDOFF_RUN_WAIT_LOOP_H

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"
#include "transports/transport.h"

/* A stamp of a role. handoff-unstamped, which tells what stamps cost, has none (tests/validity). */
static inline uint64_t stamp_now_ns(void)
{
#ifdef HANDOFF_UNSTAMPED
    return 0;
#else
    return clock_now_ns();
#endif
}

/* The strategies of an edge and what their two sides share. Each direction has one: on
 * DIRECTION_READ the consumer idles and the producer notifies, on DIRECTION_WRITE (free slots) the
 * producer idles and the consumer notifies. Both sides of a direction use the same. */
struct wait_pair {
    struct wait_choice {
        const struct wait_strategy *strategy;
        uint32_t parameter_us;
        int fd;      /* what create made, in this process; owned by the pair; -1 */
    } directions[2]; /* by enum direction */
};

/* Makes what the strategies share, in the edge's doorbells or as descriptors: by the producer,
 * before the consumer has the edge's address. Sets the fds; wait_pair_close closes them. */
enum status wait_pair_create(struct wait_pair *pair, const struct transport *transport,
                             struct endpoint *endpoint, struct err *err);
/* Safe after a failed create, and when fds are -1. */
void wait_pair_close(struct wait_pair *pair);

/* One role's end of an edge. */
struct wait_loop {
    const struct transport *transport;
    struct endpoint *endpoint; /* borrowed */
    const struct wait_strategy *strategy;
    struct wait_state state;
    uint64_t deadline_ns; /* on the cell's clock; waits end with ST_TIMEOUT after it */
    /* What this role's progress is announced on, by the strategy that the other role waits with;
     * only words need announcing, and not to a GPU, which looks at the word itself. */
    bool notifies;
    const struct wait_strategy *notifier;
    struct wait_state notify_state;
    struct wait_source notify_source;
};

/* Opens the strategies for one role (those of the GPU have nothing to open: a role that waits with
 * one must not call wait_loop_acquire): `waits` is the direction it idles on, DIRECTION_WRITE for a
 * producer, DIRECTION_READ for a consumer; it notifies on the other. The pair must outlive the
 * loop. */
enum status wait_loop_open(struct wait_loop *loop, const struct transport *transport,
                           struct endpoint *endpoint, const struct wait_pair *pair,
                           enum direction waits, struct err *err);
/* Safe on a zeroed loop. */
void wait_loop_close(struct wait_loop *loop);

/* Says that this role sends or takes no more, and wakes the other one if it waits: it drains what
 * is there and then gets ST_PEER_GONE. Before wait_loop_close; safe on a zeroed loop. */
void wait_loop_hang_up(struct wait_loop *loop);

/* Blocking forms of the transport's verbs. ST_OK, ST_TIMEOUT at the loop's deadline, or the
 * transport's own error. */
enum status wait_loop_reserve(struct wait_loop *loop, struct frame *frame, struct err *err);
enum status wait_loop_commit(struct wait_loop *loop, struct frame *frame, struct err *err);
enum status wait_loop_release(struct wait_loop *loop, struct frame *frame, struct err *err);

/* The consumer's, with its stamps: when it began to wait, and when the wait returned that was
 * followed by the first byte of the frame (equal when there was nothing to wait for). Where the
 * transport has no word and moves no bytes, `seen` is taken behind the try that brought the frame,
 * since the wait's return alone tells nothing: it includes that try. */
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
        loop->notifier->notify(&loop->notify_state, &loop->notify_source);
}

#endif
