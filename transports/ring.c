/* ring.c: the parts of the lossless ring that are not on the hot path. See ring.h. */
#include "transports/ring.h"

#include <inttypes.h>
#include <string.h>

/* Word by word: a segment with a name is emptied again between two readers
 * (transports/frames/session.h), while the next one may be knocking at `tail`. */
static void ring_bell_init(struct doorbell *bell, uint32_t word)
{
    atomic_store_explicit(&bell->word_and_detail, word, memory_order_relaxed);
    atomic_store_explicit(&bell->sleepers, 0, memory_order_relaxed);
    memset(bell->room, 0, sizeof bell->room);
}

void ring_control_init(struct ring_control *control, const struct transport_config *config)
{
    ring_bell_init(&control->head, ring_word(config->first_sequence));
    ring_bell_init(&control->tail, ring_word(config->first_sequence));
}

void ring_producer_init(struct ring_producer *ring, struct ring_control *control,
                        const struct transport_config *config)
{
    *ring = (struct ring_producer){
        .control = control,
        .committed = config->first_sequence,
        .released = config->first_sequence,
        .slots = config->slots,
        .limit = transport_config_limit(config),
    };
}

void ring_consumer_init(struct ring_consumer *ring, struct ring_control *control,
                        const struct transport_config *config)
{
    *ring = (struct ring_consumer){
        .control = control,
        .committed = config->first_sequence,
        .acquired = config->first_sequence,
        .released = config->first_sequence,
        .slots = config->slots,
        .max_held = config->max_held,
    };
}

enum status ring_reserve_failed(const struct ring_producer *ring, uint32_t word, struct err *err)
{
    if (ring->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (ring_count(ring->released, word) > ring->committed)
        return err_set(err, ST_CORRUPT,
                       "look for what overwrote the control page: the consumer, or something else",
                       "the word of released frames is 0x%08" PRIx32
                       ", which is more than the %" PRIu64 " committed",
                       word, ring->committed);
    return err_set(err, ST_PEER_GONE, NULL, "the consumer hung up after %" PRIu64 " frames",
                   ring->released);
}

enum status ring_commit_failed(struct err *err)
{
    return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
}

enum status ring_acquire_failed(const struct ring_consumer *ring, uint32_t word, struct err *err)
{
    if (ring->acquired - ring->released >= ring->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %" PRIu32 " frames, the most it may",
                       ring->max_held);
    if (ring_count(ring->committed, word) != ring->acquired)
        return err_set(err, ST_CORRUPT,
                       "look for what overwrote the control page: the producer, or something else",
                       "the word of committed frames is 0x%08" PRIx32 ", but after %" PRIu64
                       " released at most %" PRIu32 " more can be",
                       word, ring->released, ring->slots);
    return err_set(err, ST_PEER_GONE, NULL, "the producer hung up after %" PRIu64 " frames",
                   ring->acquired);
}

enum status ring_release_failed(uint64_t sequence, struct err *err)
{
    return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                   "frame number %" PRIu64 " is not the oldest one held", sequence);
}

void ring_producer_hang_up(struct ring_producer *ring)
{
    if (ring->hung_up)
        return;
    ring->hung_up = true;
    ring->limit = 0; /* no slot is ever free again, so that reserve need not look at hung_up */
    ring->reserved = false;
    /* Release, as every news: whoever sees the closed bell sees all frames before it. */
    atomic_store_explicit(&ring->control->head.word, ring_word(ring->committed) | DOORBELL_CLOSED,
                          memory_order_release);
}

void ring_consumer_hang_up(struct ring_consumer *ring)
{
    if (ring->hung_up)
        return;
    ring->hung_up = true;
    atomic_store_explicit(&ring->control->tail.word, ring_word(ring->released) | DOORBELL_CLOSED,
                          memory_order_release);
}
