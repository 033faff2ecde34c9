/* mailbox.h: the slot exchange in shared memory behind policy latest, without the slots.
 *
 * Used by shm.c. A newer frame replaces one not yet taken, the producer never waits, and a frame
 * the consumer holds is never overwritten, because every slot has exactly one owner: the producer
 * owns slots - max_held - 1 of them, the mailbox one, the consumer max_held. Publishing exchanges
 * one of the producer's slots for the one in the mailbox; taking exchanges a free one of the
 * consumer's for it. Releasing is private to the consumer.
 *
 * The mailbox is the 64 bits {word, detail} of the `head` doorbell. `word` counts frames committed,
 * as in ring.h, and only the producer changes it, so that a consumer can wait on it; `detail` is a
 * slot, with MAILBOX_FRESH while nobody has taken it. Both change in one atomic exchange (the
 * producer) or compare-and-exchange that keeps the word (the consumer). The consumer's is repeated
 * only if the producer published in between.
 *
 * The `tail` doorbell holds the number of the last frame released, plus one, but is rung only when
 * max_in_flight asks for it (ping-pong); otherwise it only tells that the consumer hung up.
 *
 * Memory order: both exchanges release (the slot given away has been written, or read, completely)
 * and acquire (so has the slot taken). They are casal, or swpal, on aarch64 with LSE.
 */
#ifndef HANDOFF_TRANSPORTS_MAILBOX_H
#define HANDOFF_TRANSPORTS_MAILBOX_H

#include "transports/ring.h"

#define MAILBOX_FRESH 0x80000000u /* in detail: the slot holds a frame that nobody has taken */

struct mailbox_producer {
    struct ring_control *control;
    uint64_t committed;
    uint64_t released; /* number of the last frame known to be released, plus one */
    uint64_t skipped;  /* frames replaced before they were taken */
    uint32_t slots;
    uint32_t limit; /* max_in_flight, or 0: never waits */
    uint32_t next;  /* index into own: the slot to fill */
    uint32_t own_count;
    bool reserved;
    bool hung_up;
    uint32_t own[TRANSPORT_SLOTS_MAX]; /* used in turn */
};

struct mailbox_consumer {
    struct ring_control *control;
    uint64_t committed; /* frames published when the last one was taken */
    uint32_t slots;
    uint32_t max_held;
    uint32_t first; /* index into own: the oldest frame held */
    uint32_t held;  /* own[first] … own[first + held - 1] are held, the others free */
    bool acknowledges;
    bool hung_up;
    uint32_t own[TRANSPORT_SLOTS_MAX];
    uint64_t sequences[TRANSPORT_SLOTS_MAX]; /* of the frames held */
};

/* As ring_control_init; each side then takes its slots, from the same config. */
void mailbox_control_init(struct ring_control *control, const struct transport_config *config);
void mailbox_producer_init(struct mailbox_producer *box, struct ring_control *control,
                           const struct transport_config *config);
void mailbox_consumer_init(struct mailbox_consumer *box, struct ring_control *control,
                           const struct transport_config *config);

/* As ring_reserve and so on; ST_AGAIN only with max_in_flight. *slot is the slot to fill. */
enum status mailbox_reserve(struct mailbox_producer *box, uint32_t *slot, struct err *err);
enum status mailbox_commit(struct mailbox_producer *box, struct err *err);
/* *sequence is the producer's number of the frame: gaps are frames skipped. */
enum status mailbox_acquire(struct mailbox_consumer *box, uint32_t *slot, uint64_t *sequence,
                            struct err *err);
enum status mailbox_release(struct mailbox_consumer *box, uint32_t slot, uint64_t sequence,
                            struct err *err);

/* Close this side's bell. Idempotent. */
void mailbox_producer_hang_up(struct mailbox_producer *box);
void mailbox_consumer_hang_up(struct mailbox_consumer *box);

#endif
