/* waits.pml: idle and notify of one wait strategy, chosen by -DWAIT_<NAME>. Included by ring.pml
 * and mailbox.pml. Each of the two directions has one waiter and one notifier.
 *
 * idle(d) waits until word[d] differs from `seen`, or returns early: its caller may not count on
 * news. notify(d) is called after the word was stored. A sleep is a guard that only the notifier
 * can make true: a lost wake-up leaves the waiter there for good, which spin reports as an invalid
 * end state. No deadline rescues it. An early return (EINTR, a signal, a stale token) is
 * chosen when the sleep begins and comes at any moment after, so that it hides no lost wake-up.
 *
 * Variables of the caller: seen, value, early, has_early, raised, woken (see WAITER, NOTIFIER). */
byte sleepers[2];
/* The exclusive monitors of ldaxr and stlxr on `sleepers`: aarch64 without LSE. */
bool linked_waiter[2];
bool linked_notifier[2];
bool asleep[2];    /* futex: queued in the kernel; condvar: waits on the condition */
byte tokens[2];    /* semaphore: its value; eventfd: its counter */
bool locked[2];    /* condvar: the mutex */

#define WAITER \
    byte seen = 0; byte value = 0; byte early = 0; bool has_early = false; byte raised = 0
#define NOTIFIER byte count = 0

#if defined(WAIT_FUTEX) || defined(WAIT_SEMAPHORE) || defined(WAIT_CONDVAR) || defined(WAIT_EVENTFD)
#define GATED
#endif

#ifdef BUG_NEWS_IS_GREATER
#define IS_NEWS(value) ((value) > seen)
#else
#define IS_NEWS(value) ((value) != seen)
#endif

/* S1: atomic_fetch_add(&sleepers, 1, acq_rel), as ldaxr and stlxr. Its store half may come after
 * the load of S2 ("early"): nothing orders a store-release before a later load elsewhere. */
inline sleepers_raise(d)
{
    do
    :: atomic { raised = sleepers[d] + 1; linked_waiter[d] = true; has_early = false };
#ifndef ATOMIC_RMW
        if
        :: atomic { early = word[d]; has_early = true }
        :: skip
        fi;
#endif
        atomic {
            if
            :: linked_waiter[d] ->
                sleepers[d] = raised; raised = 0;
                linked_waiter[d] = false; linked_notifier[d] = false;
                break
            :: else
            fi
        }
    od
}

/* S2: atomic_load(&word, relaxed) */
inline look(d)
{
    atomic {
        value = (has_early -> early : word[d]);
        has_early = false; early = 0
    }
}

/* atomic_fetch_sub(&sleepers, 1, relaxed) */
inline sleepers_lower(d)
{
    atomic { sleepers[d] = sleepers[d] - 1; linked_notifier[d] = false; value = 0 }
}

/* W2: atomic_fetch_add(&sleepers, 0, acq_rel), as ldaxr and stlxr: the load half may come before
 * the word is visible, the store half may not (release), and fails if a waiter came in between. */
inline sleepers_read(d)
{
#if defined(BUG_GATE_RELAXED)
    count = sleepers[d]
#elif defined(BUG_GATE_FENCE)
    DRAINED(d); /* atomic_thread_fence(seq_cst), then a plain load */
    count = sleepers[d]
#elif defined(ATOMIC_RMW)
    atomic { DRAINED(d) -> count = sleepers[d] }
#else
    do
    :: atomic { count = sleepers[d]; linked_notifier[d] = true };
        atomic {
            DRAINED(d) ->
            if
            :: linked_notifier[d] -> linked_waiter[d] = false; linked_notifier[d] = false; break
            :: else
            fi
        }
    od
#endif
}

/* How a sleep that began ends: by the notifier alone, or early. */
#define SLEEP(d, news, cancel)                                                                     \
    if                                                                                             \
    :: true -> news                                                                                \
    :: true -> cancel                                                                              \
    fi

/* The look after a sleep done ahead of the sleep's end: what a token or a wake-up without acquire
 * order would allow. */
#ifdef BUG_RELOOK_EARLY
#define RELOOK_EARLY(d) atomic { early = word[d]; has_early = true };
#else
#define RELOOK_EARLY(d)
#endif

#if defined(WAIT_FUTEX) /* harness/wait/futex.c; adaptive is the same after a while of spin */
inline wait_news(d)
{
    sleepers_raise(d);
    do
#ifndef BUG_NO_COMPARE
    :: look(d); if :: IS_NEWS(value) -> break :: else fi;
#else
    :: has_early = false;
#endif
        /* FUTEX_WAIT_BITSET: the kernel compares under its lock, then queues. */
        atomic {
            if
#ifndef BUG_NO_COMPARE
            :: word[d] != seen -> skip /* EAGAIN */
#endif
            :: else -> asleep[d] = true
            fi
        };
        RELOOK_EARLY(d)
        if
        :: asleep[d] -> SLEEP(d, !asleep[d], asleep[d] = false)
        :: else
        fi
#ifdef BUG_NO_COMPARE
        ; break
#endif
    od;
    sleepers_lower(d)
}
inline wake(d)
{
    asleep[d] = false /* FUTEX_WAKE */
}

#elif defined(WAIT_SEMAPHORE) || defined(WAIT_EVENTFD)
/* harness/wait/semaphore.c, eventfd.c. The kernel compares nothing: the token does what the compare
 * does for a futex. A token can be stale: posted to a waiter that had left already. A semaphore
 * gives one token per wait, an eventfd all of them to one read. */
inline wait_news(d)
{
    sleepers_raise(d);
    do
#ifndef BUG_NO_COMPARE
    :: look(d); if :: IS_NEWS(value) -> break :: else fi;
#else
    :: has_early = false;
#endif
        RELOOK_EARLY(d)
        if
        :: true -> atomic {
            tokens[d] > 0 ->
#ifdef WAIT_SEMAPHORE
            tokens[d]-- /* sem_wait */
#else
            tokens[d] = 0 /* poll, then read */
#endif
        }
        :: true -> skip /* EINTR */
        fi
#ifdef BUG_NO_COMPARE
        ; break
#endif
    od;
    sleepers_lower(d)
}
inline wake(d)
{
    atomic { assert(tokens[d] < 255); tokens[d]++ } /* sem_post; write(eventfd, 1) */
}

#elif defined(WAIT_CONDVAR) /* harness/wait/condvar.c, less its naps and what it does for deaths */
inline lock(d)
{
    /* Acquire order: no later load of this side is early any more. */
    atomic { !locked[d] -> locked[d] = true; has_early = false; early = 0 }
}
inline wait_news(d)
{
    sleepers_raise(d);
    lock(d);
    do
#ifndef BUG_NO_COMPARE
    :: look(d); if :: IS_NEWS(value) -> break :: else fi;
#else
    :: has_early = false;
#endif
        atomic { asleep[d] = true; locked[d] = false }; /* pthread_cond_wait */
        SLEEP(d, !asleep[d], asleep[d] = false);
        lock(d)
#ifdef BUG_NO_COMPARE
        ; break
#endif
    od;
    locked[d] = false;
    sleepers_lower(d)
}
inline wake(d)
{
    /* The mutex is taken after the word was stored: a waiter is then either before its look at the
     * word or already on the condition. */
#ifdef BUG_SIGNAL_UNLOCKED
    asleep[d] = false
#else
    atomic { !locked[d] -> locked[d] = true };
    asleep[d] = false; /* pthread_cond_signal */
    locked[d] = false
#endif
}

#elif defined(WAIT_MONITOR)
/* harness/wait/umwait.c, wfe.c: nobody is told, the store itself ends the sleep. */
inline wait_news(d)
{
    do
#ifdef BUG_MONITOR_LATE
    :: look(d); if :: IS_NEWS(value) -> break :: else fi;
        monitored[d] = true; /* armed after the look */
#else
    :: monitored[d] = true; /* umonitor; ldaxr */
        look(d); if :: IS_NEWS(value) -> break :: else fi;
#endif
        SLEEP(d, !monitored[d], skip)
    od;
    atomic { monitored[d] = false; value = 0 }
}
inline wake(d)
{
    skip
}

#else /* WAIT_SPIN: harness/wait/{spin,pause,yield,poll}.c: looks in a loop, and nobody is told */
inline wait_news(d)
{
    IS_NEWS(word[d])
}
inline wake(d)
{
    skip
}
#endif

/* wait_strategy.idle. The contract allows it to return early at any time. */
inline idle(d)
{
    if
    :: true -> wait_news(d)
    :: true -> skip
    fi
}

/* wait_strategy.notify */
inline notify(d)
{
#ifdef GATED
    sleepers_read(d);
    if
    :: count > 0 -> count = 0; wake(d)
    :: else
    fi
#else
    skip
#endif
}
