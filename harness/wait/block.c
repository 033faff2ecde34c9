/* block.c: sleeps in poll() until the descriptor is ready, as most programs with sockets do.
 *
 * The kernel wakes the waiter when the other side's send or receive makes the descriptor ready, so
 * notify has nothing to do and its cost is part of the sender's system call.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

static enum status block_probe(struct err *err)
{
    return ST_OK;
}

static enum status block_open(const struct wait_config *config, struct wait_state *state,
                              struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status block_idle(struct wait_state *state, const struct wait_source *source,
                              uint32_t seen, uint64_t deadline_ns)
{
    struct pollfd ready = {.fd = source->fd, .events = source->events};
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns)
            return ST_TIMEOUT;
        uint64_t left_ns = deadline_ns - now_ns;
        struct timespec left = {
            .tv_sec = (time_t)(left_ns / 1000000000u),
            .tv_nsec = (long)(left_ns % 1000000000u),
        };
        int count = ppoll(&ready, 1, &left, NULL);
        /* POLLHUP and POLLERR are news too: the transport's next call says what happened. */
        if (count > 0)
            return ready.revents & POLLNVAL ? ST_SYSTEM : ST_OK;
        if (count < 0 && errno != EINTR)
            return ST_SYSTEM;
    }
}

static void block_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The kernel has woken the waiter already. */
}

static void block_close(struct wait_state *state)
{
}

const struct wait_strategy wait_block = {
    .name = "block",
    .summary = "sleeps in poll() on the descriptor",
    .cost = "a call to sleep; to wake it, nothing more",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_FD,
    .sleeps = true,
    .probe = block_probe,
    .open = block_open,
    .idle = block_idle,
    .notify = block_notify,
    .close = block_close,
};
