/* ring.pml: policy block: transports/ring.{h,c}, run/wait_loop.c, and the ends of both roles.
 *
 * Checked: every frame arrives once, whole and in order (the consumer finds the number it expects
 * in both halves of the slot, when it acquires and again before it releases); a held slot is never
 * written; nothing the peers find is ST_CORRUPT; after a hang-up the other side gets what is there
 * and then ST_PEER_GONE; and nobody waits for ever. Either side may
 * hang up between any two steps (-DCLOSING). */
#include "memory.pml"
#include "waits.pml"

#ifndef LIMIT
#ifdef BUG_SLOT_TOO_MANY
#define LIMIT (SLOTS + 1)
#else
#define LIMIT SLOTS /* transport_config_limit: 1 in ping-pong */
#endif
#endif

byte committed = FIRST; /* the producer's own count; the others read it in assertions only */
bool producer_done, consumer_done;

/* ring.h: ring_reserve */
inline reserve()
{
    atomic {
        if
        :: committed - released >= LIMIT ->
            w = word[WRITE]; /* acquire */
            found = COUNT(released, w);
            assert(found <= committed); /* ST_CORRUPT */
            if
            :: CLOSED(w) -> status = GONE
            :: else -> released = found; status = (committed - released >= LIMIT -> AGAIN : OK)
            fi;
            w = 0; found = 0
        :: else -> status = OK
        fi
    }
}

/* ring.h: ring_acquire; without the check of max_held, which the consumer below keeps. */
inline acquire()
{
#ifdef BUG_ACQUIRE_RELAXED
    half_early = bytes[(acquired % SLOTS) * 2 + 1]; /* a load that came before that of head */
#endif
    atomic {
        if
        :: acquired == known ->
            w = word[READ]; /* acquire */
            found = COUNT(known, w);
            if
#ifdef BUG_CLOSED_FIRST
            :: CLOSED(w) -> status = GONE
            :: !CLOSED(w) && found == acquired -> status = AGAIN
#else
            :: found == acquired -> status = (CLOSED(w) -> GONE : AGAIN)
#endif
            :: else -> assert(found - released <= SLOTS); /* ST_CORRUPT */
                known = found; status = OK
            fi;
            w = 0; found = 0
        :: else -> status = OK
        fi;
        if
        :: status == OK -> held_slot[acquired % SLOTS] = true; acquired++
        :: else
        fi
    }
}

/* run/wait_loop.c: wait_loop_call with reserve. */
inline wait_loop_reserve()
{
    reserve();
    do
    :: status == AGAIN ->
        seen = word[WRITE];
#ifndef BUG_CHECK_SWAPPED
        reserve();
        if :: status != AGAIN -> break :: else fi;
#endif
        idle(WRITE);
        reserve()
    :: else -> break
    od;
    seen = 0
}

/* run/wait_loop.c: wait_loop_acquire. */
inline wait_loop_acquire()
{
    acquire();
    do
    :: status == AGAIN ->
        seen = word[READ];
#ifndef BUG_CHECK_SWAPPED
        acquire();
        if :: status != AGAIN -> break :: else fi;
#endif
        do
        :: idle(READ); if :: word[READ] != seen -> break :: else fi
        od;
        acquire()
    :: else -> break
    od;
    seen = 0
}

/* ring.h: ring_commit, then wait_loop_notify. */
inline commit()
{
    atomic { !word_pending[READ]; committed++; store_word(READ, WORD(committed)) };
#ifdef BUG_NOTIFY_OTHER_DIRECTION
    notify(WRITE)
#else
    notify(READ)
#endif
}

inline read_frame(number)
{
    assert(bytes[(number % SLOTS) * 2] == number + 1);
#ifdef BUG_ACQUIRE_RELAXED
    assert(half_early == number + 1)
#else
    assert(bytes[(number % SLOTS) * 2 + 1] == number + 1)
#endif
}

/* ring.h: ring_release, then wait_loop_notify. */
inline release()
{
#ifndef BUG_RELEASE_BEFORE_READ
    assert(bytes[(released % SLOTS) * 2] == released + 1);
    assert(bytes[(released % SLOTS) * 2 + 1] == released + 1);
#endif
    atomic {
        !word_pending[WRITE];
        held_slot[released % SLOTS] = false;
        released++;
        store_word(WRITE, WORD(released))
    };
    notify(WRITE);
#ifdef BUG_RELEASE_BEFORE_READ
    assert(bytes[((released - 1) % SLOTS) * 2 + 1] == released)
#endif
}

/* run/producer.c: producer_run. */
active proctype producer()
{
    WAITER; NOTIFIER;
    byte released = FIRST, status = OK, w = 0, found = 0;
    do
    :: committed == FIRST + FRAMES -> break
    :: committed < FIRST + FRAMES ->
        wait_loop_reserve();
        if :: status == GONE -> break :: else fi;
        store_half(0, committed % SLOTS, committed + 1);
#ifdef BUG_COMMIT_BEFORE_FILL
        commit();
        store_half(1, (committed - 1) % SLOTS, committed)
#else
        store_half(1, committed % SLOTS, committed + 1);
#ifdef CLOSING
        if :: true :: true -> break fi; /* hangs up, a frame half made */
#endif
        commit()
#endif
    od;
    /* ring.c: ring_producer_hang_up; who hangs up notifies (transport.h: hang_up). */
    store_word(READ, WORD(committed) | 1);
#ifndef BUG_HANG_UP_SILENT
    notify(READ);
#endif
    producer_done = true
}

/* run/consumer.c: consumer_run, with up to HELD frames held. */
active proctype consumer()
{
    WAITER; NOTIFIER;
    byte known = FIRST, acquired = FIRST, released = FIRST, status = OK, w = 0, found = 0;
#ifdef BUG_ACQUIRE_RELAXED
    byte half_early = 0;
#endif
    do
    :: acquired - released < HELD ->
        wait_loop_acquire();
        if
        :: status == GONE -> assert(acquired == committed); break /* drained: nothing was lost */
        :: else
        fi;
#ifdef BUG_RELEASE_BEFORE_READ
        release()
#else
        read_frame((acquired - 1))
#endif
    :: released != acquired -> release()
#ifdef CLOSING
    :: true -> break /* hangs up, with or without frames held */
#endif
    od;
    /* ring.c: ring_consumer_hang_up */
    atomic {
        !word_pending[WRITE];
        store_word(WRITE, WORD(released) | 1)
    };
#ifndef BUG_HANG_UP_SILENT
    notify(WRITE);
#endif
    consumer_done = true
}

#ifdef PROGRESS
ltl both_end { <>(producer_done && consumer_done) }
#endif
