/* adaptive.c: looks in a tight loop for a while, then sleeps as futex does. Written
 * `adaptive:<us>`.
 *
 * For news that mostly come soon: those are seen as quickly as by spin and their notifier pays
 * nothing, since nobody sleeps; late ones cost the loop's time and a futex's wake-up. The loop's
 * loads are relaxed, as in spin.c; sleeping and waking, with the proof that no wake-up is lost, are
 * futex.c's own.
 */
#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* Loads between two looks at the clock: about 0.1 us, since the time may be as short as 1 us. */
#define ADAPTIVE_LOADS_PER_LOOK 100

extern const struct wait_strategy wait_futex;

static enum status adaptive_probe(struct err *err)
{
    return wait_futex.probe(err);
}

static enum status adaptive_open(const struct wait_config *config, struct wait_state *state,
                                 struct err *err)
{
    if (config->parameter_us < 1 || config->parameter_us > 1000000)
        return err_set(err, ST_INVALID, "write, for example, \"adaptive:20\"",
                       "wait adaptive: a time of %u us, not 1 to 1000000", config->parameter_us);
    *state = (struct wait_state){.parameter_us = config->parameter_us, .fd = -1};
    return ST_OK;
}

static enum status adaptive_idle(struct wait_state *state, const struct wait_source *source,
                                 uint32_t seen, uint64_t deadline_ns)
{
    const _Atomic uint32_t *word = &source->bell->word;
    uint64_t until_ns = clock_now_ns() + (uint64_t)state->parameter_us * 1000u;
    if (until_ns > deadline_ns)
        until_ns = deadline_ns;
    do {
        for (int i = 0; i < ADAPTIVE_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_relaxed) != seen)
                return ST_OK;
    } while (clock_now_ns() < until_ns);
    return wait_futex.idle(state, source, seen, deadline_ns);
}

static void adaptive_notify(struct wait_state *state, const struct wait_source *source)
{
    wait_futex.notify(state, source);
}

static void adaptive_close(struct wait_state *state)
{
}

const struct wait_strategy wait_adaptive = {
    .name = "adaptive",
    .summary = "tight loop for <us> microseconds, then as futex",
    .cost = "a whole CPU for <us>, then as futex",
    .parameter = WAIT_PARAMETER_US,
    .sources = SOURCE_WORD,
    .sleeps = true,
    .probe = adaptive_probe,
    .open = adaptive_open,
    .idle = adaptive_idle,
    .notify = adaptive_notify,
    .close = adaptive_close,
};
