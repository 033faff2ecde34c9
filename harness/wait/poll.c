/* poll.c: looks, sleeps a fixed time, looks again. What programs do that have nothing to wait on.
 *
 * The notifier pays nothing; the waiter pays half a period on average, and the kernel's timer slack
 * (50 us unless changed) on top. Written `poll:<us>`.
 */
#include <errno.h>
#include <time.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

static enum status poll_probe(struct err *err)
{
    return ST_OK;
}

static enum status poll_open(const struct wait_config *config, struct wait_state *state,
                             struct err *err)
{
    if (config->parameter_us < 1 || config->parameter_us > 1000000)
        return err_set(err, ST_INVALID, "write, for example, \"poll:100\"",
                       "wait poll: a period of %u us, not 1 to 1000000", config->parameter_us);
    *state = (struct wait_state){.parameter_us = config->parameter_us, .fd = -1};
    return ST_OK;
}

/* Sleeps one period, less where the deadline comes first. Early on a signal: that costs a look. */
static void poll_sleep(uint64_t period_ns, uint64_t left_ns)
{
    uint64_t sleep_ns = period_ns < left_ns ? period_ns : left_ns;
    struct timespec duration = {
        .tv_sec = (time_t)(sleep_ns / 1000000000u),
        .tv_nsec = (long)(sleep_ns % 1000000000u),
    };
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

static enum status poll_idle(struct wait_state *state, const struct wait_source *source,
                             uint32_t seen, uint64_t deadline_ns)
{
    uint64_t period_ns = (uint64_t)state->parameter_us * 1000u;
    for (;;) {
        /* Relaxed, as in spin.c: the transport's own load is the one with acquire order. */
        if (source->kind == SOURCE_WORD &&
            atomic_load_explicit(&source->bell->word, memory_order_relaxed) != seen)
            return ST_OK;
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns)
            return ST_TIMEOUT;
        poll_sleep(period_ns, deadline_ns - now_ns);
        /* A descriptor has no word to look at: the caller's next try is the look. */
        if (source->kind != SOURCE_WORD)
            return ST_OK;
    }
}

static void poll_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The waiter wakes by its own timer. */
}

static void poll_close(struct wait_state *state)
{
}

const struct wait_strategy wait_poll = {
    .name = "poll",
    .summary = "looks every <us> microseconds and sleeps in between",
    .cost = "a timer and a look each period, nothing to wake",
    .parameter = WAIT_PARAMETER_US,
    .sources = SOURCE_WORD | SOURCE_FD | SOURCE_NATIVE,
    .sleeps = true,
    .probe = poll_probe,
    .open = poll_open,
    .idle = poll_idle,
    .notify = poll_notify,
    .close = poll_close,
};
