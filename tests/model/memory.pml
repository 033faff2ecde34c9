/* memory.pml: the words, the slots' bytes and how stores reach them. Included by ring.pml and
 * mailbox.pml; stands for transports/ring.h: ring_control and harness/base/source.h: doorbell.
 *
 * A store is at first pending and known to its CPU alone; the process `memory` makes pending stores
 * visible, each at any later moment and in any order, except:
 *  - a release store waits for the stores before it in program order (the slot's bytes);
 *  - a read-modify-write with release order waits for all of them (drain).
 * That is more than x86 does (it keeps the order of stores) and what aarch64 does to stores. One
 * store per place can be pending; the next one to the same place waits. Loads happen in program
 * order, except where a comment says "early": those are the reorderings of loads that matter here.
 *
 * A word is (count modulo COUNTS) * 2 + closed, as ring_word and DOORBELL_CLOSED make it, with the
 * modulus 4 or 8 in place of 2^31, so that each run wraps around. */
#define READ 0  /* DIRECTION_READ: head, on which the consumer waits */
#define WRITE 1 /* DIRECTION_WRITE: tail, on which the producer waits */

#define OK 0
#define AGAIN 1
#define GONE 2

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef HELD
#define HELD 1 /* max_held */
#endif
#ifndef FRAMES
#define FRAMES 4
#endif
#ifndef COUNTS
#define COUNTS 4 /* must be more than SLOTS, as 2^31 is more than TRANSPORT_SLOTS_MAX */
#endif
#ifndef FIRST
#define FIRST (COUNTS - 1) /* first_sequence: the word wraps with the first frame */
#endif

/* ring.h: ring_word, ring_count */
#define WORD(count) (((count) % COUNTS) << 1)
#define COUNT(known, word) ((known) + (((word) >> 1) + COUNTS - ((known) % COUNTS)) % COUNTS)
#define CLOSED(word) ((word) & 1)

byte word[2] = WORD(FIRST); /* ring_control_init */
bool word_pending[2];
byte word_stored[2]; /* the pending value */

/* A frame's bytes are two halves, each holding the frame's number, written one after the other. */
byte bytes[SLOTS * 2];
bool half_pending[2];
byte half_stored[2];
byte half_slot[2];
bool half_first[2]; /* pending before the release store of head: that one waits for it */
bool held_slot[SLOTS]; /* ghost: the consumer holds it */

inline store_half(half, slot, number)
{
    atomic {
        !half_pending[half];
        assert(!held_slot[slot]); /* a slot the consumer holds is never written */
        half_stored[half] = number;
        half_slot[half] = slot;
        half_pending[half] = true
    }
}

/* atomic_store_explicit(word, release) */
inline store_word(d, value)
{
    atomic {
        !word_pending[d];
        word_stored[d] = value;
        word_pending[d] = true;
#ifndef BUG_COMMIT_RELAXED
        if
        :: d == READ ->
            half_first[0] = half_pending[0];
            half_first[1] = half_pending[1]
        :: else
        fi
#endif
    }
}

#define DRAINED(d) (!word_pending[d] && (d == WRITE || (!half_pending[0] && !half_pending[1])))

/* umwait, wfe: the line has not been written since the monitor was armed (waits.pml). */
bool monitored[2];
#define NEWS(d) monitored[d] = false

#define HALF_ARRIVES(half)                                                                         \
    bytes[half_slot[half] * 2 + half] = half_stored[half];                                         \
    half_pending[half] = false; half_first[half] = false;                                          \
    half_slot[half] = 0; half_stored[half] = 0
#define WORD_ARRIVES(d)                                                                            \
    word[d] = word_stored[d]; word_pending[d] = false; word_stored[d] = 0; NEWS(d)

active proctype memory()
{
end:
    do
    :: atomic { half_pending[0] -> HALF_ARRIVES(0) }
    :: atomic { half_pending[1] -> HALF_ARRIVES(1) }
    :: atomic { word_pending[READ] && !half_first[0] && !half_first[1] -> WORD_ARRIVES(READ) }
    :: atomic { word_pending[WRITE] -> WORD_ARRIVES(WRITE) }
    od
}
