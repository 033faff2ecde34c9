/* umwait.c: x86-64's wait for a change of a cache line, without the kernel (WAITPKG: umonitor and
 * umwait, in Intel's processors since Tremont and Alder Lake).
 *
 * The core rests in the light state C0.1 until the line is written, an interrupt comes, or time is
 * up; to the kernel it is busy all the while. Looking at the word *after* umonitor armed the watch
 * is what loses no news: a write before the look is seen by the look, one after it ends the rest.
 * umonitor counts as a load and x86 keeps loads in order, so a relaxed load does, as in spin.c;
 * only the compiler has to be held.
 *
 * Where the processor has no such instructions it is unavailable, and idle is a plain look.
 */
#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

/* The longest rest between two looks at the clock, in ticks of the time-stamp counter: 20 to 100
 * us. The kernel's limit (IA32_UMWAIT_CONTROL, 100,000 ticks unless changed under
 * /sys/devices/system/cpu/umwait_control) may end it earlier, which costs another round. */
#define UMWAIT_REST_TICKS 100000u
/* Bit 0 set: C0.1, which is left sooner than C0.2. */
#define UMWAIT_STATE 1u

static bool umwait_is_there(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & 1u << 5);
}

__attribute__((target("waitpkg"))) static enum status umwait_rest(const _Atomic uint32_t *word,
                                                                  uint32_t seen,
                                                                  uint64_t deadline_ns)
{
    do {
        _umonitor((void *)(uintptr_t)word);
        atomic_signal_fence(memory_order_seq_cst);
        if (atomic_load_explicit(word, memory_order_relaxed) != seen)
            return ST_OK;
        _umwait(UMWAIT_STATE, __rdtsc() + UMWAIT_REST_TICKS);
        atomic_signal_fence(memory_order_seq_cst);
        if (atomic_load_explicit(word, memory_order_relaxed) != seen)
            return ST_OK;
    } while (clock_now_ns() < deadline_ns);
    return ST_TIMEOUT;
}

static enum status umwait_probe(struct err *err)
{
    if (umwait_is_there())
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE,
                   "wait with pause; Intel's processors since 2021 have it, and a virtual machine "
                   "only where its host passes it on (`grep waitpkg /proc/cpuinfo`)",
                   "this processor has no WAITPKG (umwait)");
}
#else
static enum status umwait_rest(const _Atomic uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
    return atomic_load_explicit(word, memory_order_relaxed) != seen ? ST_OK : ST_TIMEOUT;
}

static enum status umwait_probe(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, "wait with pause, or on aarch64 with wfe",
                   "only on x86-64 with WAITPKG (umwait)");
}
#endif

static enum status umwait_open(const struct wait_config *config, struct wait_state *state,
                               struct err *err)
{
    enum status status = umwait_probe(err);
    if (status != ST_OK)
        return status;
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status umwait_idle(struct wait_state *state, const struct wait_source *source,
                               uint32_t seen, uint64_t deadline_ns)
{
    return umwait_rest(&source->bell->word, seen, deadline_ns);
}

static void umwait_notify(struct wait_state *state, const struct wait_source *source)
{
    /* The write to the word has woken the waiter's core. */
}

static void umwait_close(struct wait_state *state)
{
}

const struct wait_strategy wait_umwait = {
    .name = "umwait",
    .summary = "the core rests until the line is written (x86-64 with WAITPKG)",
    .cost = "a whole CPU, at rest",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = false,
    .probe = umwait_probe,
    .open = umwait_open,
    .idle = umwait_idle,
    .notify = umwait_notify,
    .close = umwait_close,
};
