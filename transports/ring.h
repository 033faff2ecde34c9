/* ring.h: the lossless ring of slots in shared memory (policy block), without the slots.
 *
 * Used by shm.c and null.c. This file only counts: which slot may be filled, which may be read. The
 * bytes of the slots are the transport's business.
 *
 * Two doorbells, each on a line of its own. `head` counts frames committed and is written by the
 * producer only; `tail` counts frames released and is written by the consumer only. Each side keeps
 * both counts in 64 bits for itself and takes the other's from the 31 bits in the word by modular
 * difference: the two never lie more than TRANSPORT_SLOTS_MAX apart. A side reads the other's line
 * only when the count it remembers says full or empty, so that a ring that is neither costs each
 * frame one line of news.
 *
 * Memory order, all of it (x86 forgives an error here, aarch64 does not):
 *  - commit stores head with release: the bytes written into the slot come before the news of them.
 *  - acquire loads head with acquire: the bytes are read after the news of them.
 *  - release stores tail with release: the consumer's last reads of a slot come before it is free.
 *  - reserve loads tail with acquire: the slot is overwritten only after those reads.
 * Each is a plain store or load on x86 and stlr or ldar on aarch64. A frame taken on the strength
 * of a remembered count is covered by the acquire load that fetched this count.
 *
 * Nothing here trusts the other side: a count that runs backwards, or ahead by more than there are
 * slots, is ST_CORRUPT.
 */
#ifndef HANDOFF_TRANSPORTS_RING_H
#define HANDOFF_TRANSPORTS_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/source.h"
#include "transports/config.h"

#define RING_LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Shared by both processes. */
struct ring_control {
    struct doorbell head; /* frames committed: news for direction READ */
    struct doorbell tail; /* frames released: news for direction WRITE */
};

/* Private to the producer. */
struct ring_producer {
    struct ring_control *control;
    uint64_t committed; /* frames published */
    uint64_t released;  /* frames the consumer had given back when tail was last read */
    uint32_t slots;
    uint32_t limit; /* frames that may be committed and not released; 0 after hang_up */
    uint32_t slot;  /* frames committed through this edge modulo slots, whatever first_sequence is;
                     * kept by counting: no division per frame */
    bool reserved;
    bool hung_up;
};

/* Private to the consumer. */
struct ring_consumer {
    struct ring_control *control;
    uint64_t committed; /* frames the producer had published when head was last read */
    uint64_t acquired;
    uint64_t released;
    uint32_t slots;
    uint32_t max_held;
    uint32_t slot; /* frames acquired from this edge modulo slots */
    bool hung_up;
};

/* The word for a count, and the count that a word stands for: the nearest one not below `known`. */
static inline uint32_t ring_word(uint64_t count)
{
    return (uint32_t)count << 1;
}
static inline uint64_t ring_count(uint64_t known, uint32_t word)
{
    return known + (((word >> 1) - (uint32_t)known) & 0x7fffffffu);
}

static inline uint32_t ring_next_slot(uint32_t slot, uint32_t slots)
{
    return slot + 1 == slots ? 0 : slot + 1;
}

/* Empties the shared part; by the creating side, before the other attaches. */
void ring_control_init(struct ring_control *control, const struct transport_config *config);
void ring_producer_init(struct ring_producer *ring, struct ring_control *control,
                        const struct transport_config *config);
void ring_consumer_init(struct ring_consumer *ring, struct ring_control *control,
                        const struct transport_config *config);

/* Out of the way of the hot path: the slow or failing ends of the functions below. */
__attribute__((cold)) enum status ring_reserve_failed(const struct ring_producer *ring,
                                                      uint32_t word, struct err *err);
__attribute__((cold)) enum status ring_commit_failed(struct err *err);
__attribute__((cold)) enum status ring_acquire_failed(const struct ring_consumer *ring,
                                                      uint32_t word, struct err *err);
__attribute__((cold)) enum status ring_release_failed(uint64_t sequence, struct err *err);

/* ST_OK: slot `ring->slot` may be filled as frame number `ring->committed`. ST_AGAIN, ST_PEER_GONE,
 * ST_CORRUPT, ST_INVALID after hang_up. */
static inline enum status ring_reserve(struct ring_producer *ring, struct err *err)
{
    if (ring->reserved)
        return ST_OK;
    if (ring->committed - ring->released >= ring->limit) {
        uint32_t word = atomic_load_explicit(&ring->control->tail.word, memory_order_acquire);
        uint64_t released = ring_count(ring->released, word);
        if (!RING_LIKELY(!ring->hung_up && released <= ring->committed &&
                         !(word & DOORBELL_CLOSED)))
            return ring_reserve_failed(ring, word, err);
        ring->released = released;
        if (ring->committed - released >= ring->limit)
            return ST_AGAIN;
    }
    ring->reserved = true;
    return ST_OK;
}

/* Publishes the reserved frame: one store. */
static inline enum status ring_commit(struct ring_producer *ring, struct err *err)
{
    if (!RING_LIKELY(ring->reserved))
        return ring_commit_failed(err);
    ring->reserved = false;
    ring->committed++;
    ring->slot = ring_next_slot(ring->slot, ring->slots);
    atomic_store_explicit(&ring->control->head.word, ring_word(ring->committed),
                          memory_order_release);
    return ST_OK;
}

/* ST_OK: *slot may be read as frame number *sequence. */
static inline enum status ring_acquire(struct ring_consumer *ring, uint32_t *slot,
                                       uint64_t *sequence, struct err *err)
{
    if (!RING_LIKELY(ring->acquired - ring->released < ring->max_held))
        return ring_acquire_failed(ring, 0, err);
    if (ring->acquired == ring->committed) {
        uint32_t word = atomic_load_explicit(&ring->control->head.word, memory_order_acquire);
        uint64_t committed = ring_count(ring->committed, word);
        if (committed == ring->acquired)
            return word & DOORBELL_CLOSED ? ring_acquire_failed(ring, word, err) : ST_AGAIN;
        if (!RING_LIKELY(committed - ring->released <= ring->slots))
            return ring_acquire_failed(ring, word, err);
        ring->committed = committed;
    }
    *slot = ring->slot;
    *sequence = ring->acquired;
    ring->acquired++;
    ring->slot = ring_next_slot(ring->slot, ring->slots);
    return ST_OK;
}

/* Gives back the oldest frame held, which must be number `sequence`: one store. */
static inline enum status ring_release(struct ring_consumer *ring, uint64_t sequence,
                                       struct err *err)
{
    if (!RING_LIKELY(ring->released != ring->acquired && sequence == ring->released))
        return ring_release_failed(sequence, err);
    ring->released++;
    if (RING_LIKELY(!ring->hung_up))
        atomic_store_explicit(&ring->control->tail.word, ring_word(ring->released),
                              memory_order_release);
    return ST_OK;
}

/* Close this side's bell. Idempotent. */
void ring_producer_hang_up(struct ring_producer *ring);
void ring_consumer_hang_up(struct ring_consumer *ring);

#endif
