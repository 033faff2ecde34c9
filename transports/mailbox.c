/* mailbox.c: policy latest in shared memory. See mailbox.h for the protocol. */
#include "transports/mailbox.h"

#include <inttypes.h>
#include <string.h>

static inline uint64_t mailbox_pack(uint32_t word, uint32_t detail)
{
    return (uint64_t)detail << 32 | word;
}

static inline uint32_t mailbox_wrap(uint32_t index, uint32_t count)
{
    return index >= count ? index - count : index;
}

void mailbox_control_init(struct ring_control *control, const struct transport_config *config)
{
    ring_control_init(control, config);
    /* The producer starts with the slots below this one, the consumer with those above. */
    uint32_t middle = config->slots - config->max_held - 1;
    atomic_store_explicit(&control->head.word_and_detail,
                          mailbox_pack(ring_word(config->first_sequence), middle),
                          memory_order_relaxed);
}

void mailbox_producer_init(struct mailbox_producer *box, struct ring_control *control,
                           const struct transport_config *config)
{
    memset(box, 0, sizeof *box);
    box->control = control;
    box->committed = config->first_sequence;
    box->released = config->first_sequence;
    box->slots = config->slots;
    box->limit = config->max_in_flight;
    box->own_count = config->slots - config->max_held - 1;
    for (uint32_t i = 0; i < box->own_count; i++)
        box->own[i] = i;
}

void mailbox_consumer_init(struct mailbox_consumer *box, struct ring_control *control,
                           const struct transport_config *config)
{
    memset(box, 0, sizeof *box);
    box->control = control;
    box->committed = config->first_sequence;
    box->slots = config->slots;
    box->max_held = config->max_held;
    box->acknowledges = config->max_in_flight != 0;
    for (uint32_t i = 0; i < box->max_held; i++)
        box->own[i] = config->slots - config->max_held + i;
}

__attribute__((cold)) static enum status mailbox_corrupt(const char *who, uint32_t detail,
                                                         struct err *err)
{
    return err_set(err, ST_CORRUPT,
                   "look for what overwrote the control page: the other side, or something else",
                   "the mailbox offers the %s slot %" PRIu32 ", which cannot be in it", who,
                   detail & ~MAILBOX_FRESH);
}

enum status mailbox_reserve(struct mailbox_producer *box, uint32_t *slot, struct err *err)
{
    if (!RING_LIKELY(!box->hung_up))
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (!box->reserved) {
        /* Without max_in_flight this line changes once, at the end: reading it costs no
         * transfer. */
        uint32_t word = atomic_load_explicit(&box->control->tail.word, memory_order_acquire);
        if (!RING_LIKELY(!(word & DOORBELL_CLOSED)))
            return err_set(err, ST_PEER_GONE, NULL, "the consumer hung up");
        if (box->limit) {
            uint64_t released = ring_count(box->released, word);
            if (released > box->committed)
                return err_set(err, ST_CORRUPT, NULL,
                               "the word of released frames is 0x%08" PRIx32
                               ", which is more than the %" PRIu64 " committed",
                               word, box->committed);
            box->released = released;
            if (box->committed - released >= box->limit)
                return ST_AGAIN;
        }
        box->reserved = true;
    }
    *slot = box->own[box->next];
    return ST_OK;
}

enum status mailbox_commit(struct mailbox_producer *box, struct err *err)
{
    if (!RING_LIKELY(box->reserved))
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    box->reserved = false;
    box->committed++;
    uint64_t news = mailbox_pack(ring_word(box->committed), box->own[box->next] | MAILBOX_FRESH);
    uint64_t old =
        atomic_exchange_explicit(&box->control->head.word_and_detail, news, memory_order_acq_rel);
    uint32_t detail = (uint32_t)(old >> 32);
    uint32_t slot = detail & ~MAILBOX_FRESH;
    if (!RING_LIKELY(slot < box->slots))
        return mailbox_corrupt("producer", detail, err);
    box->skipped += detail & MAILBOX_FRESH ? 1 : 0;
    box->own[box->next] = slot;
    box->next = ring_next_slot(box->next, box->own_count);
    return ST_OK;
}

/* May the consumer take this slot? Not one out of range, and not one it has already. */
static bool mailbox_slot_possible(const struct mailbox_consumer *box, uint32_t slot)
{
    if (slot >= box->slots)
        return false;
    for (uint32_t i = 0; i < box->max_held; i++)
        if (box->own[i] == slot)
            return false;
    return true;
}

enum status mailbox_acquire(struct mailbox_consumer *box, uint32_t *slot, uint64_t *sequence,
                            struct err *err)
{
    if (!RING_LIKELY(box->held < box->max_held))
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %" PRIu32 " frames, the most it may", box->held);
    _Atomic uint64_t *both = &box->control->head.word_and_detail;
    uint32_t mine = mailbox_wrap(box->first + box->held, box->max_held);
    uint64_t found = atomic_load_explicit(both, memory_order_acquire);
    uint64_t left;
    do {
        if (!(found >> 32 & MAILBOX_FRESH))
            return found & DOORBELL_CLOSED
                       ? err_set(err, ST_PEER_GONE, NULL, "the producer hung up")
                       : ST_AGAIN;
        left = mailbox_pack((uint32_t)found, box->own[mine]);
    } while (!atomic_compare_exchange_strong_explicit(both, &found, left, memory_order_acq_rel,
                                                      memory_order_acquire));
    uint32_t taken = (uint32_t)(found >> 32) & ~MAILBOX_FRESH;
    uint64_t committed = ring_count(box->committed, (uint32_t)found);
    if (!RING_LIKELY(mailbox_slot_possible(box, taken) && committed != box->committed))
        return mailbox_corrupt("consumer", taken, err);
    box->committed = committed;
    box->own[mine] = taken;
    box->sequences[mine] = committed - 1;
    box->held++;
    *slot = taken;
    *sequence = committed - 1;
    return ST_OK;
}

enum status mailbox_release(struct mailbox_consumer *box, uint32_t slot, uint64_t sequence,
                            struct err *err)
{
    if (!RING_LIKELY(box->held && box->own[box->first] == slot &&
                     box->sequences[box->first] == sequence))
        return ring_release_failed(sequence, err);
    box->first = ring_next_slot(box->first, box->max_held);
    box->held--;
    if (box->acknowledges && !box->hung_up)
        atomic_store_explicit(&box->control->tail.word, ring_word(sequence + 1),
                              memory_order_release);
    return ST_OK;
}

void mailbox_producer_hang_up(struct mailbox_producer *box)
{
    if (box->hung_up)
        return;
    box->hung_up = true;
    box->reserved = false;
    /* The consumer may be taking a frame just now, so the bit is set without touching the rest. */
    atomic_fetch_or_explicit(&box->control->head.word_and_detail, (uint64_t)DOORBELL_CLOSED,
                             memory_order_release);
}

void mailbox_consumer_hang_up(struct mailbox_consumer *box)
{
    if (box->hung_up)
        return;
    box->hung_up = true;
    atomic_fetch_or_explicit(&box->control->tail.word, DOORBELL_CLOSED, memory_order_release);
}
