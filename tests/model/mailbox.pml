/* mailbox.pml: policy latest: transports/mailbox.{h,c}, run/wait_loop.c, the ends of both roles.
 *
 * Checked: a frame taken is whole, is the newest at that moment and newer than the one before; a
 * held slot is never written; the last frame arrives; frames received and skipped are all there
 * were; what the peers find is never ST_CORRUPT; and nobody waits for ever. Either side may hang up
 * between any two steps (-DCLOSING).
 *
 * The consumer waits on head; the producer never waits, unless -DLIMIT=<n> (max_in_flight). */
#include "memory.pml"
#include "waits.pml"

#ifndef LIMIT
#define LIMIT 0
#endif
#define OWN (SLOTS - HELD - 1)

/* head's word_and_detail: both halves change at once. The word is word[READ]. */
byte box_slot = OWN; /* mailbox_control_init */
bool box_fresh;

byte committed = FIRST; /* the producer's own counts; the others read them in assertions only */
byte skipped;
bool producer_done, consumer_done;

/* mailbox.c: mailbox_reserve */
inline reserve()
{
    atomic {
        w = word[WRITE]; /* acquire */
        if
        :: CLOSED(w) -> status = GONE
        :: else ->
            status = OK;
#if LIMIT
            found = COUNT(released, w);
            assert(found <= committed); /* ST_CORRUPT */
            released = found;
            if :: committed - released >= LIMIT -> status = AGAIN :: else fi;
            found = 0
#endif
        fi;
        w = 0
    }
}

/* mailbox.c: mailbox_commit: atomic_exchange(word_and_detail, acq_rel), then wait_loop_notify. */
inline commit()
{
    atomic {
#ifndef BUG_EXCHANGE_RELAXED
        !half_pending[0] && !half_pending[1];
#endif
        committed++;
        word[READ] = WORD(committed);
        NEWS(READ);
        found = box_slot;
        box_slot = own[next];
        if :: box_fresh -> skipped++ :: else fi;
        box_fresh = true;
        assert(found < SLOTS); /* ST_CORRUPT */
        own[next] = found;
        next = (next + 1) % OWN;
        found = 0
    };
    notify(READ)
}

/* mailbox.c: mailbox_acquire */
inline acquire()
{
    atomic { w = word[READ]; slot = box_slot; fresh = box_fresh }; /* acquire */
    do
    :: !fresh -> status = (CLOSED(w) -> GONE : AGAIN); break
    :: fresh ->
        atomic { /* atomic_compare_exchange(word_and_detail, acq_rel, acquire) */
            if
#ifndef BUG_TAKE_WITHOUT_COMPARE
            :: w != word[READ] || slot != box_slot || fresh != box_fresh ->
                w = word[READ]; slot = box_slot; fresh = box_fresh
            :: else ->
#else
            :: true ->
#endif
                number = COUNT(known, w);
                assert(number != known); /* ST_CORRUPT */
#ifndef BUG_HELD_SLOT_OFFERED
                assert(slot < SLOTS && slot != mine[(first + held) % HELD]); /* ST_CORRUPT */
#endif
                assert(number == committed); /* the newest */
                known = number;
#ifndef BUG_HELD_SLOT_OFFERED
                box_slot = mine[(first + held) % HELD];
#endif
                box_fresh = false;
                mine[(first + held) % HELD] = slot;
                numbers[(first + held) % HELD] = number;
                held_slot[slot] = true;
                held++;
                received++;
                status = OK;
                break
            fi
        }
    od;
    atomic { w = 0; slot = 0; fresh = false; number = 0 }
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

inline read_frame(at, number_read)
{
    assert(bytes[mine[at] * 2] == number_read);
    assert(bytes[mine[at] * 2 + 1] == number_read)
}

/* mailbox.c: mailbox_release. Its word is stored and announced with max_in_flight only
 * (run/consumer.c: consumer_prepare); the slot stays the consumer's. */
inline release()
{
    read_frame(first, numbers[first]);
    atomic {
#if LIMIT
        !word_pending[WRITE];
        store_word(WRITE, WORD(numbers[first]));
#endif
        held_slot[mine[first]] = false;
        numbers[first] = 0;
        first = (first + 1) % HELD;
        held--
    };
#if LIMIT
    notify(WRITE)
#endif
}

active proctype producer()
{
    WAITER; NOTIFIER;
    byte released = FIRST, status = OK, w = 0, found = 0, next = 0;
    byte own[OWN];
    byte i = 0;
    atomic {
        do
        :: i < OWN -> own[i] = i; i++
        :: else -> i = 0; break
        od
    };
    do
    :: committed == FIRST + FRAMES -> break
    :: committed < FIRST + FRAMES ->
        wait_loop_reserve();
        if :: status == GONE -> break :: else fi;
        store_half(0, own[next], committed + 1);
        store_half(1, own[next], committed + 1);
#ifdef CLOSING
        if :: true :: true -> break fi; /* hangs up, a frame half made */
#endif
        commit()
    od;
    /* mailbox.c: mailbox_producer_hang_up: atomic_fetch_or(word_and_detail, release) */
    atomic { word[READ] = word[READ] | 1; NEWS(READ) };
#ifndef BUG_HANG_UP_SILENT
    notify(READ);
#endif
    producer_done = true
}

active proctype consumer()
{
    WAITER; NOTIFIER;
    byte known = FIRST, status = OK, w = 0, slot = 0, number = 0, received = 0;
    bool fresh = false;
    byte first = 0, held = 0;
    byte mine[HELD], numbers[HELD];
    byte i = 0;
    atomic {
        do
        :: i < HELD -> mine[i] = SLOTS - HELD + i; i++
        :: else -> i = 0; break
        od
    };
    do
    :: held < HELD ->
        wait_loop_acquire();
        if
        :: status == GONE ->
            assert(known == committed); /* the last frame has arrived */
            assert(received + skipped == committed - FIRST);
            break
        :: else
        fi;
        read_frame((first + held - 1) % HELD, known)
    :: held > 0 -> release()
#ifdef CLOSING
    :: true -> break /* hangs up, with or without frames held */
#endif
    od;
    /* mailbox.c: mailbox_consumer_hang_up: atomic_fetch_or(word, release) */
    atomic { !word_pending[WRITE]; word[WRITE] = word[WRITE] | 1; NEWS(WRITE) };
#ifndef BUG_HANG_UP_SILENT
    notify(WRITE);
#endif
    consumer_done = true
}

#ifdef PROGRESS
ltl both_end { <>(producer_done && consumer_done) }
#endif
