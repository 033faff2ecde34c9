/* yield.c: gives the CPU to whoever else can run, and looks at the word each time it comes back.
 *
 * Alone on its CPU it is a slow spin (a look per system call); beside a busy process it waits as
 * long as the scheduler lets that one run, which may be milliseconds. It never sleeps: the CPU
 * looks fully used and does not go idle, so there is nothing to wake it from.
 *
 * The order of the loads is relaxed, and a descriptor's deadline is the caller's, as in spin.c.
 */
#include <sched.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* Yields between two looks at the clock: a few microseconds of a CPU of one's own. On a shared one
 * each may take the other process's whole slice, so no more than this. */
#define YIELDS_PER_LOOK 8

static enum status yield_probe(struct err *err)
{
    return ST_OK;
}

static enum status yield_open(const struct wait_config *config, struct wait_state *state,
                              struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status yield_idle(struct wait_state *state, const struct wait_source *source,
                              uint32_t seen, uint64_t deadline_ns)
{
    if (source->kind != SOURCE_WORD) {
        sched_yield();
        return ST_OK;
    }
    const _Atomic uint32_t *word = &source->bell->word;
    do {
        for (int i = 0; i < YIELDS_PER_LOOK; i++) {
            if (atomic_load_explicit(word, memory_order_relaxed) != seen)
                return ST_OK;
            sched_yield();
        }
    } while (clock_now_ns() < deadline_ns);
    return ST_TIMEOUT;
}

static void yield_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The waiter looks by itself. */
}

static void yield_close(struct wait_state *state)
{
}

const struct wait_strategy wait_yield = {
    .name = "yield",
    .summary = "looks, and lets others run in between",
    .cost = "a whole CPU, given to whoever wants it",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD | SOURCE_FD | SOURCE_NATIVE,
    .sleeps = false,
    .probe = yield_probe,
    .open = yield_open,
    .idle = yield_idle,
    .notify = yield_notify,
    .close = yield_close,
};
