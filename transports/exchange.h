/* exchange.h: which slot is next, whatever the policy: ring.h for block, mailbox.h for latest.
 *
 * Used by shm.c and device_ring.c, which add where a slot lies. All verbs answer as those of ring.h
 * and mailbox.h do; they are inline, and the policy costs one branch that never changes.
 */
#ifndef HANDOFF_TRANSPORTS_EXCHANGE_H
#define HANDOFF_TRANSPORTS_EXCHANGE_H

#include "transports/mailbox.h"
#include "transports/ring.h"

/* One side's part; private to it. Zeroed before it is initialized: hang_up does nothing then. */
struct exchange {
    struct ring_control *control;
    enum policy policy;
    bool producing;
    union {
        struct ring_producer ring_producer;
        struct ring_consumer ring_consumer;
        struct mailbox_producer mailbox_producer;
        struct mailbox_consumer mailbox_consumer;
    };
};

/* Empties the shared part too, so before the consumer attaches. */
static inline void exchange_producer_init(struct exchange *exchange, struct ring_control *control,
                                          const struct transport_config *config)
{
    exchange->control = control;
    exchange->policy = config->policy;
    exchange->producing = true;
    if (config->policy == POLICY_LATEST) {
        mailbox_control_init(control, config);
        mailbox_producer_init(&exchange->mailbox_producer, control, config);
    } else {
        ring_control_init(control, config);
        ring_producer_init(&exchange->ring_producer, control, config);
    }
}

static inline void exchange_consumer_init(struct exchange *exchange, struct ring_control *control,
                                          const struct transport_config *config)
{
    exchange->control = control;
    exchange->policy = config->policy;
    exchange->producing = false;
    if (config->policy == POLICY_LATEST)
        mailbox_consumer_init(&exchange->mailbox_consumer, control, config);
    else
        ring_consumer_init(&exchange->ring_consumer, control, config);
}

static inline enum status exchange_reserve(struct exchange *exchange, uint32_t *slot,
                                           uint64_t *sequence, struct err *err)
{
    enum status status;
    if (exchange->policy == POLICY_BLOCK) {
        status = ring_reserve(&exchange->ring_producer, err);
        *slot = exchange->ring_producer.slot;
        *sequence = exchange->ring_producer.committed;
    } else {
        status = mailbox_reserve(&exchange->mailbox_producer, slot, err);
        *sequence = exchange->mailbox_producer.committed;
    }
    return status;
}

static inline enum status exchange_commit(struct exchange *exchange, struct err *err)
{
    return exchange->policy == POLICY_BLOCK ? ring_commit(&exchange->ring_producer, err)
                                            : mailbox_commit(&exchange->mailbox_producer, err);
}

static inline enum status exchange_acquire(struct exchange *exchange, uint32_t *slot,
                                           uint64_t *sequence, struct err *err)
{
    return exchange->policy == POLICY_BLOCK
               ? ring_acquire(&exchange->ring_consumer, slot, sequence, err)
               : mailbox_acquire(&exchange->mailbox_consumer, slot, sequence, err);
}

static inline enum status exchange_release(struct exchange *exchange, const struct frame *frame,
                                           struct err *err)
{
    return exchange->policy == POLICY_BLOCK
               ? ring_release(&exchange->ring_consumer, frame->sequence, err)
               : mailbox_release(&exchange->mailbox_consumer, frame->slot, frame->sequence, err);
}

/* Frames that policy latest replaced before the consumer took them; the producer's side knows. */
static inline uint64_t exchange_skipped(const struct exchange *exchange)
{
    return exchange->producing && exchange->policy == POLICY_LATEST
               ? exchange->mailbox_producer.skipped
               : 0;
}

static inline void exchange_hang_up(struct exchange *exchange)
{
    if (!exchange->control)
        return;
    if (exchange->policy == POLICY_BLOCK && exchange->producing)
        ring_producer_hang_up(&exchange->ring_producer);
    else if (exchange->policy == POLICY_BLOCK)
        ring_consumer_hang_up(&exchange->ring_consumer);
    else if (exchange->producing)
        mailbox_producer_hang_up(&exchange->mailbox_producer);
    else
        mailbox_consumer_hang_up(&exchange->mailbox_consumer);
}

#endif
