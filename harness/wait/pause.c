/* pause.c: the loop of spin.c with the processor's hint that this is a waiting loop.
 *
 * The hint leaves more of the core to a hyper-thread beside it, saves power, and avoids the flush
 * of speculated loads when the word changes; each costs a delay of a few to a hundred nanoseconds.
 * The order of the loads is relaxed, and a descriptor's deadline is the caller's, as in spin.c.
 */
#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* Hints between two looks at the clock: one takes up to 0.1 us, and far more in some virtual
 * machines, so look more often than spin does. */
#define PAUSE_LOADS_PER_LOOK 100

/* x86 has `pause`. On aarch64 `yield` does nothing on the cores in use here (it is for
 * hyper-threads, which they lack), while `isb` stalls the pipeline for about as long as a pause
 * does. */
static inline void pause_hint(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

static enum status pause_probe(struct err *err)
{
    return ST_OK;
}

static enum status pause_open(const struct wait_config *config, struct wait_state *state,
                              struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status pause_idle(struct wait_state *state, const struct wait_source *source,
                              uint32_t seen, uint64_t deadline_ns)
{
    if (source->kind != SOURCE_WORD) {
        pause_hint();
        return ST_OK;
    }
    const _Atomic uint32_t *word = &source->bell->word;
    do {
        for (int i = 0; i < PAUSE_LOADS_PER_LOOK; i++) {
            if (atomic_load_explicit(word, memory_order_relaxed) != seen)
                return ST_OK;
            pause_hint();
        }
    } while (clock_now_ns() < deadline_ns);
    return ST_TIMEOUT;
}

static void pause_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The waiter looks by itself. */
}

static void pause_close(struct wait_state *state)
{
}

const struct wait_strategy wait_pause = {
    .name = "pause",
    .summary = "loop with the processor's pause hint",
    .cost = "a whole CPU, more gently",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD | SOURCE_FD | SOURCE_NATIVE,
    .sleeps = false,
    .probe = pause_probe,
    .open = pause_open,
    .idle = pause_idle,
    .notify = pause_notify,
    .close = pause_close,
};
