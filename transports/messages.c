/* messages.c: the verbs of transport.h over a library that moves whole messages. See messages.h.
 *
 * Nothing here waits or knows the library: each verb is some counting and at most one call of the
 * link (reserve: one for each credit message that is there, until there is room). Credits are taken
 * only when the limit is reached, as unix.c does; with at most MESSAGES_SLOTS_MAX frames under way
 * that also bounds how many can lie unread.
 */
#include "transports/messages.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transports/config.h"

/* How long destroy tries to get a goodbye off, and how long it sleeps in between. */
#define MESSAGES_GOODBYE_TRIES 500
#define MESSAGES_GOODBYE_SLEEP_NS 2000000

struct endpoint {
    const struct transport *transport;
    const struct message_link *link;
    void *self; /* the link's */
    bool producing;
    bool hung_up;
    bool goodbye_due; /* hung up, but the goodbye could not be sent yet */
    bool peer_gone;
    size_t payload_bytes;
    uint64_t copied_bytes;
    uint64_t begun; /* frames committed, or acquired */
    uint64_t ended; /* frames known to be released, or released */
    /* Producer. */
    struct shm_map staging; /* private */
    size_t slot_bytes;
    uint32_t slot_count; /* of the staging */
    uint32_t slots;
    uint32_t limit;
    bool reserved;
    /* Consumer. */
    uint32_t max_held;
    uint32_t owed_frames; /* released, but the credit could not be sent yet */
};

/* What a link that copies takes from (or sends at once) need not stay: then one staging slot is
 * enough. */
static uint32_t messages_staging_slots(const struct transport *transport,
                                       const struct transport_config *config)
{
    const unsigned both = TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE;
    return (transport->flags & both) == TRANSPORT_SENDS_SOURCE ? 1 : config->slots;
}

enum status messages_open(const struct transport *transport, const struct message_link *link,
                          const struct transport_config *config, bool producing, void *self,
                          struct endpoint **endpoint, struct err *err)
{
    enum status status = ST_OK;
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made) {
        status = err_set(err, ST_NO_MEMORY, NULL, "transport %s: no memory for an endpoint",
                         transport->name);
        goto undo_self;
    }
    made->transport = transport;
    made->link = link;
    made->self = self;
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->begun = config->first_sequence;
    made->ended = config->first_sequence;
    made->slots = config->slots;
    made->limit = transport_config_limit(config);
    made->max_held = config->max_held;
    made->staging = SHM_MAP_NONE;
    if (producing) {
        made->slot_bytes = transport_slot_bytes(config->payload_bytes);
        made->slot_count = messages_staging_slots(transport, config);
        status = shm_create_private("handoff-messages", made->slot_count * made->slot_bytes,
                                    config->pages, &made->staging, err);
        if (status != ST_OK)
            goto undo_endpoint;
    }
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    free(made);
undo_self:
    link->close(self);
    return status;
}

__attribute__((cold)) static enum status messages_peer_gone(struct endpoint *endpoint,
                                                            struct err *err)
{
    endpoint->peer_gone = true;
    return err_set(err, ST_PEER_GONE, NULL, "the %s hung up after %llu frames",
                   endpoint->producing ? "consumer" : "producer",
                   (unsigned long long)(endpoint->producing ? endpoint->ended : endpoint->begun));
}

/* Notes what the link said of its peer; the link wrote the reason. */
static inline enum status messages_note(struct endpoint *endpoint, enum status status)
{
    if (__builtin_expect(status == ST_PEER_GONE, 0))
        endpoint->peer_gone = true;
    return status;
}

/* Takes credits until there is room. ST_AGAIN while there is none. */
static enum status messages_credits_take(struct endpoint *endpoint, struct err *err)
{
    while (endpoint->begun - endpoint->ended >= endpoint->limit) {
        uint32_t credit = 0;
        const enum status status = endpoint->link->take_credit(endpoint->self, &credit, err);
        if (status != ST_OK)
            return messages_note(endpoint, status);
        if (credit == MESSAGE_CREDIT_GOODBYE)
            return messages_peer_gone(endpoint, err);
        if (credit > endpoint->begun - endpoint->ended)
            return err_set(err, ST_CORRUPT, NULL,
                           "transport %s: a credit for %u frames, but only %llu are under way",
                           endpoint->transport->name, credit,
                           (unsigned long long)(endpoint->begun - endpoint->ended));
        endpoint->ended += credit;
    }
    return ST_OK;
}

enum status messages_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (endpoint->peer_gone)
        return messages_peer_gone(endpoint, err);
    if (!endpoint->reserved) {
        const enum status status = messages_credits_take(endpoint, err);
        if (status != ST_OK)
            return status;
        endpoint->reserved = true;
    }
    const uint32_t index = (uint32_t)(endpoint->begun % endpoint->slot_count);
    uint8_t *slot = (uint8_t *)endpoint->staging.bytes + index * endpoint->slot_bytes;
    *frame = (struct frame){
        .header = slot,
        .payload = endpoint->payload_bytes ? slot + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = index,
        .sequence = endpoint->begun,
    };
    return ST_OK;
}

enum status messages_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (!endpoint->reserved)
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    if (frame->payload_bytes != endpoint->payload_bytes)
        return err_set(err, ST_INVALID, NULL, "a frame of %zu payload bytes on an edge of %zu",
                       frame->payload_bytes, endpoint->payload_bytes);
    if (endpoint->peer_gone)
        return messages_peer_gone(endpoint, err);
    const enum status status = endpoint->link->send_frame(
        endpoint->self, frame, (uint32_t)(endpoint->begun % endpoint->slots),
        &endpoint->copied_bytes, err);
    if (status != ST_OK)
        return messages_note(endpoint, status);
    endpoint->reserved = false;
    endpoint->begun++;
    return ST_OK;
}

/* Sends all credits owed as one message, now or, where the way back is full, with a later call: the
 * producer has so many unread ones then that it cannot be waiting for more. Nobody is left to
 * credit when the producer has gone: acquire will say so. */
static enum status messages_credits_send(struct endpoint *endpoint, struct err *err)
{
    if (endpoint->hung_up || endpoint->peer_gone)
        return ST_OK;
    const enum status status =
        endpoint->link->send_credit(endpoint->self, endpoint->owed_frames, err);
    if (status == ST_AGAIN)
        return ST_OK;
    endpoint->owed_frames = 0;
    return status == ST_PEER_GONE ? ST_OK : status;
}

/* A message that is no frame of this edge: nobody ever sees it. */
__attribute__((cold)) static enum status messages_wrong_size(struct endpoint *endpoint,
                                                             uint32_t slot, size_t payload_bytes,
                                                             struct err *err)
{
    endpoint->link->drop(endpoint->self, slot);
    return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                   "transport %s: a frame of %zu payload bytes on an edge of %zu",
                   endpoint->transport->name, payload_bytes, endpoint->payload_bytes);
}

enum status messages_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->begun - endpoint->ended >= endpoint->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %u frames, the most it may", endpoint->max_held);
    if (endpoint->peer_gone)
        return messages_peer_gone(endpoint, err);
    enum status status = ST_OK;
    if (endpoint->owed_frames > 0)
        status = messages_credits_send(endpoint, err);
    if (status != ST_OK)
        return status;
    const uint32_t slot = (uint32_t)(endpoint->begun % endpoint->max_held);
    struct frame taken = {0};
    bool goodbye = false;
    status = endpoint->link->take_frame(endpoint->self, slot, &taken, &goodbye,
                                        &endpoint->copied_bytes, err);
    if (status != ST_OK)
        return messages_note(endpoint, status);
    if (goodbye)
        return messages_peer_gone(endpoint, err);
    if (taken.payload_bytes != endpoint->payload_bytes)
        return messages_wrong_size(endpoint, slot, taken.payload_bytes, err);
    *frame = (struct frame){
        .header = taken.header,
        .payload = endpoint->payload_bytes ? taken.payload : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = slot,
        .sequence = endpoint->begun,
        .progress_bytes = FRAME_HEADER_BYTES + endpoint->payload_bytes,
    };
    endpoint->begun++;
    return ST_OK;
}

enum status messages_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->ended == endpoint->begun || frame->sequence != endpoint->ended)
        return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                       "frame number %llu is not the oldest one held",
                       (unsigned long long)frame->sequence);
    endpoint->link->drop(endpoint->self, (uint32_t)(endpoint->ended % endpoint->max_held));
    endpoint->ended++;
    endpoint->owed_frames++;
    return messages_credits_send(endpoint, err);
}

/* Tries to say goodbye: once, without waiting. Whatever fails otherwise, the peer cannot be
 * told. */
static void messages_goodbye(struct endpoint *endpoint)
{
    struct err ignored;
    enum status status;
    if (endpoint->producing)
        status = endpoint->link->send_goodbye(endpoint->self, &ignored);
    else
        status = endpoint->link->send_credit(endpoint->self, MESSAGE_CREDIT_GOODBYE, &ignored);
    endpoint->goodbye_due = status == ST_AGAIN;
}

void messages_wait_source(struct endpoint *endpoint, enum direction direction,
                          struct wait_source *source)
{
    if (__builtin_expect(endpoint->goodbye_due, 0))
        messages_goodbye(endpoint);
    endpoint->link->wait_source(endpoint->self, direction, source);
}

void messages_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){.copied_bytes = endpoint->copied_bytes};
}

void messages_hang_up(struct endpoint *endpoint)
{
    if (endpoint->hung_up)
        return;
    /* What was released still counts. */
    struct err ignored;
    if (!endpoint->producing && endpoint->owed_frames > 0)
        messages_credits_send(endpoint, &ignored);
    endpoint->hung_up = true;
    endpoint->reserved = false;
    if (!endpoint->peer_gone)
        messages_goodbye(endpoint);
}

void messages_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    messages_hang_up(endpoint);
    for (int i = 0; endpoint->goodbye_due && i < MESSAGES_GOODBYE_TRIES; i++) {
        const struct timespec pause = {.tv_nsec = MESSAGES_GOODBYE_SLEEP_NS};
        nanosleep(&pause, NULL);
        messages_goodbye(endpoint);
    }
    if (!endpoint->producing)
        for (; endpoint->ended != endpoint->begun; endpoint->ended++)
            endpoint->link->drop(endpoint->self, (uint32_t)(endpoint->ended % endpoint->max_held));
    /* Last, as the link may still send from the staging. */
    endpoint->link->close(endpoint->self);
    shm_unmap(&endpoint->staging);
    free(endpoint);
}

struct messages_address messages_address_of(uint64_t magic, const struct transport_config *config)
{
    return (struct messages_address){
        .magic = magic,
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
        .slots = config->slots,
        .max_in_flight = config->max_in_flight,
    };
}

enum status messages_address_check(const struct transport *transport, uint64_t magic,
                                   const struct transport_config *config,
                                   const struct transport_address *address, uint32_t byte_count,
                                   uint32_t fd_count, struct err *err)
{
    const struct messages_address wanted = messages_address_of(magic, config);
    const bool sized = address->byte_count >= sizeof wanted &&
                       address->byte_count <= TRANSPORT_ADDRESS_BYTES &&
                       (byte_count == 0 || address->byte_count == byte_count);
    if (!sized || address->fd_count != fd_count ||
        memcmp(address->bytes, &wanted, sizeof wanted) != 0)
        return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                       "transport %s: the address is not one of an edge of frames of %zu bytes "
                       "with %u slots",
                       transport->name, config->payload_bytes, config->slots);
    for (uint32_t i = 0; i < fd_count; i++)
        if (address->fds[i] < 0)
            return err_set(err, ST_CORRUPT, "give it an address that the transport made",
                           "transport %s: a descriptor of the address is not open",
                           transport->name);
    return ST_OK;
}
