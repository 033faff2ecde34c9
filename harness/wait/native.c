/* native.c: waits in the library's own blocking call, as a program written for that library would.
 *
 * The transport lends the call (base/source.h); here only the deadline is kept. What the call does
 * (sleep, spin for a while, serve the library's other work) is the library's affair, and what it
 * costs is what the cell measures.
 */
#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* The longest single call: a deadline of the cell's clock and a library's timer may drift apart. */
#define NATIVE_CALL_MS 1000

static enum status native_probe(struct err *err)
{
    return ST_OK;
}

static enum status native_open(const struct wait_config *config, struct wait_state *state,
                               struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status native_idle(struct wait_state *state, const struct wait_source *source,
                               uint32_t seen, uint64_t deadline_ns)
{
    for (;;) {
        const uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns)
            return ST_TIMEOUT;
        const uint64_t left_ms = (deadline_ns - now_ns) / 1000000u + 1;
        const enum status status = source->native_wait(
            source->native_self, left_ms < NATIVE_CALL_MS ? (int)left_ms : NATIVE_CALL_MS);
        if (status != ST_TIMEOUT)
            return status;
    }
}

static void native_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The library has woken the waiter. */
}

static void native_close(struct wait_state *state)
{
}

const struct wait_strategy wait_native = {
    .name = "native",
    .summary = "the library's own blocking call",
    .cost = "whatever the library does",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_NATIVE,
    .sleeps = true,
    .probe = native_probe,
    .open = native_open,
    .idle = native_idle,
    .notify = native_notify,
    .close = native_close,
};
