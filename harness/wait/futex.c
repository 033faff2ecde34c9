/* futex.c: sleeps in the kernel on the word itself; the notifier wakes it with a system call.
 *
 * Shared futexes (no FUTEX_PRIVATE_FLAG): the word lies in memory of two processes.
 *
 * No wake-up is lost, and no wake-up is paid for when nobody sleeps:
 *   notifier:  W1  change the word            waiter:  S1  sleepers += 1
 *              W2  read-modify-write sleepers          S2  load the word; sleep if it is unchanged
 *              W3  FUTEX_WAKE if it was > 0
 * W2 and S1 are read-modify-writes of one object, so one comes first. If S1 does, W2 reads the
 * sleeper and wakes. If W2 does, S1 reads what W2 wrote (or later), and with W2 releasing and S1
 * acquiring, W1 is visible to S2, which then does not sleep. The kernel compares the word once
 * more, under its lock, for a change between S2 and the sleep.
 *
 * A plain load at W2, however strong its acquire, would lose wake-ups: a load may be done before an
 * earlier store to another address is visible. x86 does that too (W1 still sits in the store buffer
 * when W2 reads 0), and so S2 reads the old word and W2 the old count, and nobody wakes the
 * sleeper. The proof needs no order between S1's store and S2's load, which aarch64 would not give:
 * S2 comes after S1's *load* (that is what acquire means), and either S1 loaded what W2 wrote, or
 * W2 comes later and loads what S1 wrote. Adding 0 instead of a full fence and a load costs the
 * same (the notifier has just written this very line) and is understood by the thread sanitizer,
 * which does not know fences. semaphore, condvar, eventfd and adaptive have the same gate.
 *
 * A waiter that is killed leaves `sleepers` raised: then each notify makes a call that wakes
 * nobody, and nothing worse. A notifier that is killed between W1 and W3 leaves a waiter asleep
 * until its deadline, or until somebody else changes the word and notifies: whoever learns of the
 * death.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* glibc has no wrapper for futex. */
static long futex_call(_Atomic uint32_t *word, int operation, uint32_t value,
                       const struct timespec *deadline)
{
    return syscall(SYS_futex, word, operation, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static enum status futex_probe(struct err *err)
{
    /* Returns at once with EAGAIN, since the word is not the value compared with. */
    _Atomic uint32_t word = 1;
    if (futex_call(&word, FUTEX_WAIT_BITSET, 0, NULL) != 0 && errno != EAGAIN) {
        err_set_errno(err, errno,
                      "allow it: a system-call filter (seccomp, a container) may forbid it",
                      "wait futex: FUTEX_WAIT_BITSET");
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    return ST_OK;
}

static enum status futex_open(const struct wait_config *config, struct wait_state *state,
                              struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status futex_idle(struct wait_state *state, const struct wait_source *source,
                              uint32_t seen, uint64_t deadline_ns)
{
    struct doorbell *bell = source->bell;
    /* The timeout of FUTEX_WAIT_BITSET is an absolute time of CLOCK_MONOTONIC: no clock is read. */
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / 1000000000u),
        .tv_nsec = (long)(deadline_ns % 1000000000u),
    };
    enum status status = ST_OK;
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_acq_rel);      /* S1 */
    while (atomic_load_explicit(&bell->word, memory_order_relaxed) == seen) { /* S2 */
        if (futex_call(&bell->word, FUTEX_WAIT_BITSET, seen, &deadline) == 0)
            continue;
        if (errno == ETIMEDOUT) {
            status = ST_TIMEOUT;
            break;
        }
        if (errno != EAGAIN && errno != EINTR) {
            status = ST_SYSTEM;
            break;
        }
    }
    /* Relaxed: a notifier that still reads the old count makes one call for nothing. */
    atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
    return status;
}

static void futex_notify(struct wait_state *state, const struct wait_source *source)
{
    struct doorbell *bell = source->bell;
    if (atomic_fetch_add_explicit(&bell->sleepers, 0, memory_order_acq_rel) > 0) /* W2 */
        futex_call(&bell->word, FUTEX_WAKE, INT_MAX, NULL);                      /* W3 */
}

static void futex_close(struct wait_state *state)
{
}

const struct wait_strategy wait_futex = {
    .name = "futex",
    .summary = "sleeps in the kernel on the word; the notifier wakes it",
    .cost = "a call to sleep, a call to wake a sleeper",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = true,
    .probe = futex_probe,
    .open = futex_open,
    .idle = futex_idle,
    .notify = futex_notify,
    .close = futex_close,
};
