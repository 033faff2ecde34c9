/* spin.c: waits in a tight loop on the word, the quickest way to see news, at a whole CPU's cost.
 *
 * On a descriptor there is nothing to look at but the transport itself, so idle returns at once,
 * the caller's next try is the spin, and the caller keeps the deadline between its tries.
 *
 * The loop loads with relaxed order: it only decides when to try again, and the transport's own
 * load, with acquire order, is what makes the frame's bytes visible.
 */
#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* Loads between two looks at the clock: about a microsecond, far inside the 1 ms of the contract,
 * while reading the clock (some 20 ns) each time would delay the sight of news by half of that. */
#define SPIN_LOADS_PER_LOOK 1000

static enum status spin_probe(struct err *err)
{
    return ST_OK;
}

static enum status spin_open(const struct wait_config *config, struct wait_state *state,
                             struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status spin_idle(struct wait_state *state, const struct wait_source *source,
                             uint32_t seen, uint64_t deadline_ns)
{
    if (source->kind != SOURCE_WORD)
        return ST_OK;
    const _Atomic uint32_t *word = &source->bell->word;
    do {
        for (int i = 0; i < SPIN_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_relaxed) != seen)
                return ST_OK;
    } while (clock_now_ns() < deadline_ns);
    return ST_TIMEOUT;
}

static void spin_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The waiter looks by itself. */
}

static void spin_close(struct wait_state *state)
{
}

const struct wait_strategy wait_spin = {
    .name = "spin",
    .summary = "tight loop; the quickest",
    .cost = "a whole CPU",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD | SOURCE_FD | SOURCE_NATIVE,
    .sleeps = false,
    .probe = spin_probe,
    .open = spin_open,
    .idle = spin_idle,
    .notify = spin_notify,
    .close = spin_close,
};
