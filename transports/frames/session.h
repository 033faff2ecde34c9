/* session.h: how a reader comes to a segment, and how its going is noticed. Used by writer.c (which
 * grants) and reader.c (which asks).
 *
 * A segment outlives its readers, one after the other. What a reader that was killed had taken or
 * not given back never matters, because every reader begins with a ring, or a mailbox, made anew.
 * Only the writer makes it, between two frames, so that nobody else ever writes where it counts.
 *
 *   reader                                      writer, at the start of each reserve, and in its waits
 *   R1  lock byte 1                             W1  load request                             acquire
 *   R2  set CLOSED in tail, notify      RMW     W2  if it is not the session's: make ring or mailbox
 *   R3  store request = ticket      release         anew from its own count, and the waits' rooms
 *   R4  wake who waits for requests             W3  store first_sequence, then grant = ticket  release
 *   R5  wait until grant = ticket   acquire     W4  wake who waits for grants
 *   R6  begin at first_sequence
 *   R7  store entered = ticket      release     W5  with HANDOFF_EVERY: wait until entered = ticket
 *   R8  wake who waits for entries
 *
 * Tickets. Only who has byte 1 changes `request`, and adds a step to what it finds: no two readers
 * have the same. A reader believes in nothing but its own ticket. One that died behind R3 leaves a
 * request behind; if the writer grants it, nobody uses that session, and the next reader's ticket
 * is another.
 *
 * Who touches the ring's words when. An earlier reader is dead, or has closed and let go of byte 1
 * as its last act; the kernel orders that before R1. R2 wakes a writer that waits for slots of an
 * earlier reader's session: it gets ST_PEER_GONE and looks for requests. It comes before R3 and the
 * writer makes the words behind W1, which acquires: so what R2 wrote is never in the new session.
 * R2 may meet a writer that is making the session of a request left behind (W2): the making ends
 * with stores to both words, which either overwrite the bit or get it, and then that session, which
 * nobody uses, is closed. Of the waits, R2's notify touches `sleepers` and, with `semaphore`, one
 * word: at worst a token too many. That is why `condvar`, whose room has a mutex, is not a wait of
 * segments with a name. Between R3 and R5 the reader touches no word but `sleepers` of `request`
 * and `grant`, which W2 leaves alone. Behind R5 the ring is its own and the writer's, as in
 * transport shm.
 *
 * Deaths. Whoever waits does so in slices of NAMED_SLICE_NS at most, and looks at the other's lock
 * between them, in every wait strategy. A writer that has free slots looks as often when it
 * commits. A reader that finds the writer dead tries once more: what was committed before the death
 * is there. The writer's death ends the segment: another writer makes another file. A reader that
 * dies in R1 to R5 is no more than a lock that is free again: a writer looks before it grants (not
 * to be safe, but to spare the user a reader that never was).
 *
 * A reader may give up in R5, at its deadline, and ask again at once, as one in Python does ten
 * times a second to look for Ctrl-C. A session granted just then never has a reader: the writer
 * puts no frame into it (W5), and its user is not told of a reader that went.
 *
 * The writer closes: CLOSED in head (readers drain and are told), CLOSED in `grant` (who waits in
 * R5 begins again with the name), unlinks, unlocks, in this order.
 */
#ifndef HANDOFF_FRAMES_SESSION_H
#define HANDOFF_FRAMES_SESSION_H

#include "transports/frames/named.h"

extern const struct wait_strategy wait_futex;

static inline uint32_t session_word(struct doorbell *bell)
{
    return atomic_load_explicit(&bell->word, memory_order_acquire);
}

/* The two bells of sessions are futexes whatever the segment's wait is: nobody waits there
 * often. */
static inline void session_notify(struct doorbell *bell)
{
    struct wait_state state = {.fd = -1};
    const struct wait_source source = {.kind = SOURCE_WORD, .bell = bell, .fd = -1};
    wait_futex.notify(&state, &source);
}

static inline enum status session_idle(struct doorbell *bell, uint32_t seen, uint64_t deadline_ns)
{
    struct wait_state state = {.fd = -1};
    const struct wait_source source = {.kind = SOURCE_WORD, .bell = bell, .fd = -1};
    return wait_futex.idle(&state, &source, seen, deadline_ns);
}

static inline int session_idle_failed(const struct named_side *side, struct handoff_error *error)
{
    return frames_fail_as(HANDOFF_SYSTEM, error,
                          "allow it: a system-call filter (seccomp, a container) may forbid it",
                          "segment %s: FUTEX_WAIT_BITSET failed", side->name);
}

#endif
