/* semaphore.c: sleeps on a process-shared POSIX semaphore in the doorbell's room.
 *
 *   notifier:  W1  change the word            waiter:  S1  sleepers += 1
 *              W2  read-modify-write sleepers          S2  load the word; if it is unchanged,
 *              W3  post if it was > 0                      take a token, sleeping until there is one
 * The gate (S1, S2, W1, W2) is futex.c's, and so is the proof. Between S2 and the sleep the token
 * itself keeps the news: a post before the wait is found by the wait.
 *
 * A token is never news, only a reason to look. One is left over when the waiter saw the change
 * before the post for it, and makes a later wait look once more than it needs: each look uses one
 * up, so they cannot keep it spinning. A used-up token loses nothing: its post came after an older
 * change than the one that S2 looks for next, and the next change has a post of its own.
 *
 * Order: sem_post releases and taking a token acquires, and the look after the sleep relies on it:
 * were it done ahead of the sleep's end, it would find the old value with the only token used up
 * (tests/model, relook_early). The frame's bytes do not: for them there is the transport's own load
 * of the word, with acquire order.
 *
 * glibc's semaphore is one 64-bit word, value and waiters, changed by compare-and-swap: there is no
 * lock that a killed process could leave behind. A killed waiter leaves both its counts raised, so
 * that each notify posts, with a call that wakes nobody, until the value is at its maximum; then
 * sem_post fails, which is ignored: there are tokens enough.
 */
#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "harness/wait/wait.h"

_Static_assert(sizeof(sem_t) <= DOORBELL_ROOM_BYTES && _Alignof(sem_t) <= 16,
               "the semaphore fits in the doorbell's room");

static sem_t *semaphore_of(struct doorbell *bell)
{
    return (sem_t *)(void *)bell->room;
}

static enum status semaphore_probe(struct err *err)
{
    return ST_OK;
}

static enum status semaphore_create(struct doorbell *bell, int *fd, struct err *err)
{
    if (sem_init(semaphore_of(bell), 1, 0) != 0)
        return err_set_errno(err, errno, NULL, "wait semaphore: sem_init");
    *fd = -1;
    return ST_OK;
}

static enum status semaphore_open(const struct wait_config *config, struct wait_state *state,
                                  struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

static enum status semaphore_idle(struct wait_state *state, const struct wait_source *source,
                                  uint32_t seen, uint64_t deadline_ns)
{
    struct doorbell *bell = source->bell;
    sem_t *semaphore = semaphore_of(bell);
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / 1000000000u),
        .tv_nsec = (long)(deadline_ns % 1000000000u),
    };
    enum status status = ST_OK;
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_acq_rel);      /* S1 */
    while (atomic_load_explicit(&bell->word, memory_order_relaxed) == seen) { /* S2 */
        if (sem_clockwait(semaphore, CLOCK_MONOTONIC, &deadline) == 0 || errno == EINTR)
            continue;
        status = errno == ETIMEDOUT ? ST_TIMEOUT : ST_SYSTEM;
        break;
    }
    /* Relaxed: a notifier that still reads the old count posts a token for nothing. */
    atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
    return status;
}

static void semaphore_notify(struct wait_state *state, const struct wait_source *source)
{
    struct doorbell *bell = source->bell;
    if (atomic_fetch_add_explicit(&bell->sleepers, 0, memory_order_acq_rel) > 0) /* W2 */
        sem_post(semaphore_of(bell));                                            /* W3 */
}

static void semaphore_close(struct wait_state *state)
{
}

const struct wait_strategy wait_semaphore = {
    .name = "semaphore",
    .summary = "sleeps on a process-shared semaphore; the notifier posts it",
    .cost = "a call to sleep, a call to wake a sleeper",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = true,
    .probe = semaphore_probe,
    .create = semaphore_create,
    .open = semaphore_open,
    .idle = semaphore_idle,
    .notify = semaphore_notify,
    .close = semaphore_close,
};
