/* wait.h: how a role waits for another.
 *
 * A wait strategy is one file in this folder that defines `const struct wait_strategy wait_<key>`
 * and one line in registry.def. It knows wait sources (base/source.h) and nothing of transports.
 *
 * The protocol, in run/wait_loop.c: take the word's value, try the transport, and only if it says
 * ST_AGAIN call idle *with the value taken*. News that arrive between the try and the sleep have
 * changed the word, so idle returns at once: no wake-up is lost.
 */
#ifndef HANDOFF_WAIT_H
#define HANDOFF_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/source.h"

enum wait_parameter {
    WAIT_PARAMETER_NONE,
    WAIT_PARAMETER_US, /* written `poll:100`, `adaptive:20`; required, 1 to 1,000,000 */
};

/* One role's use of a strategy for one direction, to idle or to notify. Filled by open; owned by
 * the role; one thread. */
struct wait_state {
    uint32_t parameter_us;
    int fd;     /* borrowed from the config, or -1 */
    void *data; /* the strategy's own, or NULL */
};

/* What a role opens a strategy with. */
struct wait_config {
    uint32_t parameter_us;
    int fd; /* what create made, as it is numbered in this process; -1 without. The caller keeps it
             * open until after close and closes it. */
};

struct wait_strategy {
    const char *name;    /* registry key, equal to the file's stem */
    const char *summary; /* a few words for `handoff list`: what it does */
    const char *cost;    /* and what it costs: the waiter while it waits, the notifier to wake it */
    enum wait_parameter parameter;
    unsigned sources; /* the enum source_kind values it can wait on */
    bool sleeps;      /* it gives the CPU away while it waits */
    /* The GPU waits, not a CPU: the consumer's GPU loop (run/consumer_gpu*.c) does it, for
     * DIRECTION_READ only; probe is asked, close does nothing, create, open, idle and notify are
     * NULL. */
    bool on_gpu;

    /* ST_OK, or ST_UNAVAILABLE with the reason and what would help. */
    enum status (*probe)(struct err *err);

    /* Makes what both roles share beyond the word, in bell->room or as a descriptor. NULL where
     * there is no such thing. Called once per direction, by the role that made the edge, before the
     * other one knows of it. *fd is the caller's to close; -1 where there is none. Nothing undoes
     * what is in the room: its memory goes with the edge, also under a role that was killed while
     * waiting. */
    enum status (*create)(struct doorbell *bell, int *fd, struct err *err);

    /* May allocate and block; called before the clock starts, by the role that idles and by the one
     * that notifies. The caller closes. */
    enum status (*open)(const struct wait_config *config, struct wait_state *state,
                        struct err *err);

    /* Waits until there may be news on `source`, or until deadline_ns (the cell's clock). For a
     * word: until it differs from `seen`. ST_OK means "try again": the caller re-checks, so an
     * early return costs a try and is never a frame. ST_TIMEOUT: the deadline passed; kept within
     * 1 ms by strategies that never sleep, and within their own period by the others. Where the
     * kernel keeps the deadline it is one of CLOCK_MONOTONIC: when a counter is the cell's clock it
     * ends some millionths of the launch's time early or late, which is nothing beside deadlines of
     * seconds, and the clock is not read for it. Errors otherwise. */
    enum status (*idle)(struct wait_state *state, const struct wait_source *source, uint32_t seen,
                        uint64_t deadline_ns);

    /* Wakes whoever idles on `source` in the same strategy, after the word was changed. Makes a
     * system call only if the strategy needs one, for a sleeper. Does not wait for the waiter,
     * except that condvar takes the mutex that the waiter holds around its looks at the word. */
    void (*notify)(struct wait_state *state, const struct wait_source *source);

    /* Frees what open made. Safe on a zeroed state. */
    void (*close)(struct wait_state *state);
};

/* `create`, or nothing to make: *fd is -1 then. */
static inline enum status wait_create(const struct wait_strategy *strategy, struct doorbell *bell,
                                      int *fd, struct err *err)
{
    *fd = -1;
    return strategy->create && bell ? strategy->create(bell, fd, err) : ST_OK;
}

/* The registry, in the order of registry.def. wait_find returns NULL for an unknown name. */
extern const struct wait_strategy *const wait_registry[];
extern const size_t wait_registry_count;
const struct wait_strategy *wait_find(const char *name);

#endif
