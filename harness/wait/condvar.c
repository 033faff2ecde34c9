/* condvar.c: sleeps on a POSIX condition in the doorbell's room, with a mutex; both process-shared,
 * the mutex robust, the deadline on CLOCK_MONOTONIC.
 *
 *   notifier:  W1  change the word            waiter:  S1  sleepers += 1
 *              W2  read-modify-write sleepers          L   lock the mutex
 *              W3  if it was > 0:                      S2  load the word; wait while it is unchanged
 *                  lock, signal, unlock                    (the mutex is free meanwhile), unlock
 * The gate (S1, S2, W1, W2) is futex.c's: a notifier that W2 tells of no sleeper has W1 before S2.
 * Otherwise W3 locks. If before L, the lock orders W1 before S2, and the waiter does not sleep; if
 * after, the waiter is on the condition, since it lets go of the mutex only there, and is woken. The
 * orders are those of the mutex and of the gate, so the load at S2 is relaxed; the transport's own
 * load, with acquire order, makes the frame's bytes visible.
 *
 * Deaths. A process killed with the mutex is told to the next one that locks it (EOWNERDEAD). It
 * may have died inside pthread_cond_signal, and glibc's condition has a lock of its own there,
 * which is *not* robust: whoever signals or times out afterwards waits for the dead for good. That
 * is why signals are sent with the mutex held, and why the one who learns of the death retires the
 * condition (condvar_retire): the word's futex does its work from then on. A waiter still asleep on
 * the old one must get out by itself, so nobody sleeps on it for longer than CONDVAR_NAP_NS; ten
 * looks a second are nothing beside a frame rate.
 *
 * A waiter killed on the condition leaves `sleepers` and the condition's own counts raised. Signals
 * to it go nowhere, and do not block: glibc (up to 2.40) makes a signaller wait for the waiters of
 * an older group only when there is a newer group, and a direction has one waiter, who is dead.
 * pthread_cond_destroy would wait for it, so neither object is ever destroyed.
 *
 * What is left, because only pthread_cond_t itself could mend it: a waiter whose nap ends after its
 * notifier died within that inner lock (some 20 ns of each signal) waits, past its deadline, until
 * anyone notifies; and a notifier whose waiter died within it (20 ns of each ended nap) waits for
 * good. In a session the runner hears of each death at once and ends the other role.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

/* Tests set it: to hours, where a nap's end would hide a lost wake-up, or to little, to see
 * more. */
#ifndef CONDVAR_NAP_NS
#define CONDVAR_NAP_NS 100000000u
#endif

struct condvar_room {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    _Atomic uint32_t retired; /* written with the mutex held */
};
_Static_assert(sizeof(struct condvar_room) <= DOORBELL_ROOM_BYTES &&
                   _Alignof(struct condvar_room) <= 16,
               "mutex and condition fit in the doorbell's room");

extern const struct wait_strategy wait_futex;

static struct condvar_room *condvar_room_of(struct doorbell *bell)
{
    return (struct condvar_room *)(void *)bell->room;
}

static int condvar_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error)
        return error;
    error = pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!error)
        error = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

static int condvar_init_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error)
        return error;
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error)
        error = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error;
}

/* After a death with the mutex held; called with the mutex. Making the condition anew frees the
 * lock inside it, so that whoever still sleeps on the old one gets out when its nap ends; the calls
 * wake those that sleep for that lock itself, on whichever of its words. Made anew under a sleeper
 * it counts wrongly, which is why nobody uses it again. */
static void condvar_retire(struct condvar_room *room)
{
    atomic_store_explicit(&room->retired, 1, memory_order_relaxed);
    condvar_init_condition(&room->condition);
    uint32_t *words = (uint32_t *)(void *)&room->condition;
    for (size_t i = 0; i < sizeof room->condition / sizeof *words; i++)
        syscall(SYS_futex, &words[i], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    pthread_mutex_consistent(&room->mutex);
}

/* False if the mutex cannot be had at all, which takes corrupted memory. */
static bool condvar_lock(struct condvar_room *room)
{
    int error = pthread_mutex_lock(&room->mutex);
    if (error == EOWNERDEAD)
        condvar_retire(room);
    return error == 0 || error == EOWNERDEAD;
}

static bool condvar_is_retired(struct condvar_room *room)
{
    return atomic_load_explicit(&room->retired, memory_order_relaxed) != 0;
}

/* Robust mutexes need the kernel to know where a thread keeps its locks: otherwise a role that died
 * with one leaves it locked for good, and glibc does not say so when the mutex is made. Emulators
 * of user programs do without. */
static enum status condvar_probe(struct err *err)
{
    void *head = NULL;
    size_t head_bytes = 0;
    if (syscall(SYS_get_robust_list, 0, &head, &head_bytes) == 0 && head)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE,
                   "wait with futex; an emulator of user programs has none, and a system-call "
                   "filter may forbid set_robust_list and get_robust_list",
                   "wait condvar: this system keeps no list of robust mutexes, so a role that dies "
                   "would leave its lock behind");
}

static enum status condvar_create(struct doorbell *bell, int *fd, struct err *err)
{
    struct condvar_room *room = condvar_room_of(bell);
    atomic_store_explicit(&room->retired, 0, memory_order_relaxed);
    int error = condvar_init_mutex(&room->mutex);
    if (!error)
        error = condvar_init_condition(&room->condition);
    if (error)
        return err_set_errno(err, error, NULL,
                             "wait condvar: a robust process-shared mutex and condition");
    *fd = -1;
    return ST_OK;
}

static enum status condvar_open(const struct wait_config *config, struct wait_state *state,
                                struct err *err)
{
    *state = (struct wait_state){.fd = -1};
    return ST_OK;
}

/* One nap on the condition, with the mutex, which is free meanwhile. ST_OK may be early. */
static enum status condvar_nap(struct condvar_room *room, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= deadline_ns)
        return ST_TIMEOUT;
    uint64_t until_ns =
        deadline_ns - now_ns < CONDVAR_NAP_NS ? deadline_ns : now_ns + CONDVAR_NAP_NS;
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / 1000000000u),
        .tv_nsec = (long)(until_ns % 1000000000u),
    };
    int error = pthread_cond_timedwait(&room->condition, &room->mutex, &until);
    if (error == EOWNERDEAD)
        condvar_retire(room);
    return error == 0 || error == ETIMEDOUT || error == EOWNERDEAD ? ST_OK : ST_SYSTEM;
}

static enum status condvar_idle(struct wait_state *state, const struct wait_source *source,
                                uint32_t seen, uint64_t deadline_ns)
{
    struct doorbell *bell = source->bell;
    struct condvar_room *room = condvar_room_of(bell);
    enum status status = ST_OK;
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_acq_rel); /* S1 */
    if (!condvar_lock(room)) {                                           /* L */
        atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
        return ST_SYSTEM;
    }
    bool retired = condvar_is_retired(room);
    while (status == ST_OK && !retired &&
           atomic_load_explicit(&bell->word, memory_order_relaxed) == seen) { /* S2 */
        status = condvar_nap(room, deadline_ns);
        retired = condvar_is_retired(room);
    }
    pthread_mutex_unlock(&room->mutex);
    /* Relaxed: a notifier that still reads the old count signals nobody. */
    atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
    return status == ST_OK && retired ? wait_futex.idle(state, source, seen, deadline_ns) : status;
}

static void condvar_notify(struct wait_state *state, const struct wait_source *source)
{
    struct doorbell *bell = source->bell;
    struct condvar_room *room = condvar_room_of(bell);
    if (atomic_fetch_add_explicit(&bell->sleepers, 0, memory_order_acq_rel) == 0) /* W2 */
        return;
    if (!condvar_lock(room)) /* W3 */
        return;
    bool retired = condvar_is_retired(room);
    if (!retired)
        pthread_cond_signal(&room->condition);
    pthread_mutex_unlock(&room->mutex);
    if (retired)
        wait_futex.notify(state, source);
}

static void condvar_close(struct wait_state *state)
{
    /* Not destroyed: that would wait for a waiter that was killed. The memory goes with the
     * edge. */
}

const struct wait_strategy wait_condvar = {
    .name = "condvar",
    .summary = "sleeps on a process-shared condition, with a robust mutex",
    .cost = "as futex, and a mutex taken on both sides",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = true,
    .probe = condvar_probe,
    .create = condvar_create,
    .open = condvar_open,
    .idle = condvar_idle,
    .notify = condvar_notify,
    .close = condvar_close,
};
