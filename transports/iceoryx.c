/* iceoryx.c: frames in chunks of shared memory that iceoryx loans, passed on without a copy.
 *
 * One edge is two topics of a service instance of its own: frames to the consumer, credits back. A
 * reserved frame is a chunk on loan, laid out as a slot (the header's page, then the payload from a
 * page boundary); commit publishes it, acquire takes it, release gives it back and publishes how
 * many frames have been released in all.
 *
 * iceoryx's own lossless policy blocks inside publish, and its other one discards; neither is ever
 * met here, because a frame is only sent while fewer than `slots` (or max_in_flight) are not yet
 * released, and the subscriber's queue has room for one more than that (the goodbye). The credit
 * costs one small chunk for each frame, on the way back: what a program of iceoryx would pay too,
 * if it wanted to lose nothing and never to block.
 *
 * iceoryx has no descriptor to wait on: a role polls, or waits in iceoryx's wait set (native).
 *
 * RouDi, the daemon, must run, with a mempool for the frames: roudi.h.
 */
#include <stdlib.h>
#include <string.h>

#include "transports/config.h"
#include "transports/iceoryx_ports.h"
#include "transports/roudi.h"

#define ICEORYX_MAGIC 0x78796f6566666e68u /* "hnffeoyx" */
/* iceoryx's own limit is 256 unread chunks; the memory of 64 frames is a lot already. */
#define ICEORYX_SLOTS_MAX 64

struct iceoryx_address {
    uint64_t magic;
    uint64_t payload_bytes;
    uint64_t first_sequence;
    uint32_t slots;
    uint32_t max_in_flight;
    uint64_t edge_id;
};

/* Behind the frame's header, on the same cache line. The goodbye is a note alone. */
struct iceoryx_note {
    uint8_t header[FRAME_HEADER_BYTES];
    uint32_t goodbye;
    uint64_t sequence;
    uint64_t payload_bytes;
};

struct iceoryx_credit {
    uint64_t ended; /* how many frames have been released since first_sequence's 0 */
    uint32_t goodbye;
};

struct endpoint {
    struct iceoryx_ports ports;
    bool producing;
    bool hung_up;
    bool goodbye_due; /* hung up, but iceoryx had no chunk to say it with */
    bool peer_gone;
    size_t payload_bytes;
    uint64_t begun; /* frames committed, or acquired */
    uint64_t ended; /* frames known to be released, or released */
    /* Producer. */
    uint32_t limit;
    uint32_t chunk_bytes; /* of a frame, to loan */
    uint8_t *loaned;      /* the reserved frame, or NULL */
    /* Consumer. */
    uint32_t max_held;
    bool credit_due;   /* released, but not told yet */
    const void **held; /* chunks, by sequence % max_held */
};

extern const struct transport transport_iceoryx;

static struct iceoryx_address iceoryx_address_of(const struct transport_config *config,
                                                 uint64_t edge_id)
{
    return (struct iceoryx_address){
        .magic = ICEORYX_MAGIC,
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
        .slots = config->slots,
        .max_in_flight = config->max_in_flight,
        .edge_id = edge_id,
    };
}

static enum status iceoryx_endpoint_new(const struct transport_config *config, bool producing,
                                        uint64_t edge_id, struct endpoint **endpoint,
                                        struct err *err)
{
    enum status status;
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport iceoryx: no memory for an endpoint");
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->begun = config->first_sequence;
    made->ended = config->first_sequence;
    made->limit = transport_config_limit(config);
    made->chunk_bytes = (uint32_t)(FRAME_PAYLOAD_OFFSET + config->payload_bytes);
    made->max_held = config->max_held;
    made->held = calloc(config->max_held, sizeof *made->held);
    if (!made->held) {
        status = err_set(err, ST_NO_MEMORY, NULL, "transport iceoryx: no memory for an endpoint");
        goto undo_endpoint;
    }
    status = iceoryx_ports_open(&made->ports, edge_id, producing, config->slots + 1, err);
    /* All chunks lie in one segment, so that the consumer's small one is as good as a frame. */
    if (status == ST_OK && producing)
        status = iceoryx_ports_touch(&made->ports, made->chunk_bytes, TRANSPORT_PAGE_BYTES, err);
    else if (status == ST_OK)
        status = iceoryx_ports_touch(&made->ports, sizeof(struct iceoryx_credit), 8, err);
    if (status != ST_OK)
        goto undo_endpoint;
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    transport_iceoryx.destroy(made);
    return status;
}

static enum status iceoryx_create(const struct transport_config *config, struct endpoint **endpoint,
                                  struct transport_address *address, struct err *err)
{
    const struct iceoryx_address bytes = iceoryx_address_of(config, iceoryx_edge_id());
    enum status status = transport_config_check(&transport_iceoryx, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = NULL;
    status = iceoryx_endpoint_new(config, true, bytes.edge_id, &made, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    *endpoint = made;
    return ST_OK;
}

static enum status iceoryx_attach(const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    struct iceoryx_address got, wanted;
    struct endpoint *made = NULL;
    memcpy(&got, address->bytes, sizeof got);
    wanted = iceoryx_address_of(config, got.edge_id);
    enum status status = transport_config_check(&transport_iceoryx, config, err);
    if (status == ST_OK)
        status = transport_address_check(&transport_iceoryx, address, sizeof wanted, 0, err);
    transport_address_close(address);
    if (status != ST_OK)
        return status;
    if (memcmp(&got, &wanted, sizeof wanted) != 0)
        return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                       "transport iceoryx: the address is of another edge");
    status = iceoryx_endpoint_new(config, false, got.edge_id, &made, err);
    if (status != ST_OK)
        return status;
    status = iceoryx_ports_await_connected(&made->ports, err);
    if (status != ST_OK) {
        transport_iceoryx.destroy(made);
        return status;
    }
    *endpoint = made;
    return ST_OK;
}

__attribute__((cold)) static enum status iceoryx_peer_gone(struct endpoint *endpoint,
                                                           struct err *err)
{
    endpoint->peer_gone = true;
    return err_set(err, ST_PEER_GONE, NULL, "the %s hung up",
                   endpoint->producing ? "consumer" : "producer");
}

__attribute__((cold)) static enum status iceoryx_take_failed(enum iox_ChunkReceiveResult result,
                                                             struct err *err)
{
    return err_set(err, ST_SYSTEM, NULL,
                   "transport iceoryx: taking a chunk failed (iceoryx says %d)", (int)result);
}

/* Takes the credits that have arrived. ST_OK also when there were none. */
static enum status iceoryx_credits_take(struct endpoint *endpoint, struct err *err)
{
    for (;;) {
        const void *chunk;
        const enum iox_ChunkReceiveResult result =
            iox_sub_take_chunk(endpoint->ports.subscriber, &chunk);
        if (result == ChunkReceiveResult_NO_CHUNK_AVAILABLE)
            return ST_OK;
        if (result != ChunkReceiveResult_SUCCESS)
            return iceoryx_take_failed(result, err);
        const struct iceoryx_credit credit = *(const struct iceoryx_credit *)chunk;
        iox_sub_release_chunk(endpoint->ports.subscriber, chunk);
        if (credit.ended - endpoint->ended > endpoint->begun - endpoint->ended)
            return err_set(err, ST_CORRUPT, NULL,
                           "transport iceoryx: credits for more frames than were sent");
        endpoint->ended = credit.ended;
        if (credit.goodbye)
            return iceoryx_peer_gone(endpoint, err);
    }
}

/* Makes sure that a frame is on loan. ST_AGAIN while there is no room. */
static enum status iceoryx_loan(struct endpoint *endpoint, struct err *err)
{
    void *chunk;
    if (endpoint->begun - endpoint->ended >= endpoint->limit) {
        const enum status status = iceoryx_credits_take(endpoint, err);
        if (status != ST_OK)
            return status;
        if (endpoint->begun - endpoint->ended >= endpoint->limit)
            return ST_AGAIN;
    }
    /* A frame published to nobody would be lost. */
    if (!iceoryx_ports_connected(&endpoint->ports))
        return ST_AGAIN;
    const enum iox_AllocationResult result = iox_pub_loan_aligned_chunk(
        endpoint->ports.publisher, &chunk, endpoint->chunk_bytes, TRANSPORT_PAGE_BYTES);
    if (result == AllocationResult_RUNNING_OUT_OF_CHUNKS)
        return ST_AGAIN; /* RouDi takes back what other edges held a while after they were closed */
    if (result != AllocationResult_SUCCESS)
        return err_set(err, ST_NO_MEMORY, "give the RouDi that runs more chunks of that size",
                       "transport iceoryx: no chunk of %u bytes is left (iceoryx says %d)",
                       endpoint->chunk_bytes, (int)result);
    endpoint->loaned = chunk;
    return ST_OK;
}

static enum status iceoryx_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (endpoint->peer_gone)
        return iceoryx_peer_gone(endpoint, err);
    if (!endpoint->loaned) {
        const enum status status = iceoryx_loan(endpoint, err);
        if (status != ST_OK)
            return status;
    }
    *frame = (struct frame){
        .header = endpoint->loaned,
        .payload = endpoint->payload_bytes ? endpoint->loaned + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .sequence = endpoint->begun,
    };
    return ST_OK;
}

static enum status iceoryx_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (!endpoint->loaned)
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    if (frame->payload_bytes != endpoint->payload_bytes || frame->header != endpoint->loaned)
        return err_set(err, ST_INVALID, NULL, "commit of a frame that was not reserved");
    if (endpoint->peer_gone)
        return iceoryx_peer_gone(endpoint, err);
    struct iceoryx_note *note = (struct iceoryx_note *)(void *)endpoint->loaned;
    note->goodbye = 0;
    note->sequence = endpoint->begun;
    note->payload_bytes = endpoint->payload_bytes;
    iox_pub_publish_chunk(endpoint->ports.publisher, endpoint->loaned);
    endpoint->loaned = NULL;
    endpoint->begun++;
    return ST_OK;
}

/* Tells how many frames have been released, and whether this side goes. Where iceoryx has no chunk
 * for it, a later call tells more. */
static void iceoryx_credit_send(struct endpoint *endpoint)
{
    void *chunk;
    endpoint->credit_due =
        iox_pub_loan_chunk(endpoint->ports.publisher, &chunk, sizeof(struct iceoryx_credit)) !=
        AllocationResult_SUCCESS;
    if (endpoint->credit_due)
        return;
    *(struct iceoryx_credit *)chunk =
        (struct iceoryx_credit){.ended = endpoint->ended, .goodbye = endpoint->hung_up};
    iox_pub_publish_chunk(endpoint->ports.publisher, chunk);
}

static enum status iceoryx_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    const void *chunk;
    if (endpoint->begun - endpoint->ended >= endpoint->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %u frames, the most it may", endpoint->max_held);
    if (endpoint->peer_gone)
        return iceoryx_peer_gone(endpoint, err);
    if (__builtin_expect(endpoint->credit_due, 0))
        iceoryx_credit_send(endpoint);
    const enum iox_ChunkReceiveResult result =
        iox_sub_take_chunk(endpoint->ports.subscriber, &chunk);
    if (result == ChunkReceiveResult_NO_CHUNK_AVAILABLE)
        return ST_AGAIN;
    if (result != ChunkReceiveResult_SUCCESS)
        return iceoryx_take_failed(result, err);
    const struct iceoryx_note *note = chunk;
    if (note->goodbye) {
        iox_sub_release_chunk(endpoint->ports.subscriber, chunk);
        return iceoryx_peer_gone(endpoint, err);
    }
    if (note->sequence != endpoint->begun || note->payload_bytes != endpoint->payload_bytes) {
        iox_sub_release_chunk(endpoint->ports.subscriber, chunk);
        return err_set(err, ST_CORRUPT, NULL,
                       "transport iceoryx: a chunk that is not the next frame");
    }
    const uint32_t index = (uint32_t)(endpoint->begun % endpoint->max_held);
    /* The mapping is writable, for kernels that work in place; the type is iceoryx's. */
    uint8_t *slot = (uint8_t *)(uintptr_t)chunk;
    *frame = (struct frame){
        .header = slot,
        .payload = endpoint->payload_bytes ? slot + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = index,
        .sequence = endpoint->begun,
    };
    endpoint->held[index] = chunk;
    endpoint->begun++;
    return ST_OK;
}

static enum status iceoryx_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->ended == endpoint->begun || frame->sequence != endpoint->ended)
        return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                       "frame number %llu is not the oldest one held",
                       (unsigned long long)frame->sequence);
    const uint32_t index = (uint32_t)(endpoint->ended % endpoint->max_held);
    iox_sub_release_chunk(endpoint->ports.subscriber, endpoint->held[index]);
    endpoint->ended++;
    iceoryx_credit_send(endpoint);
    return ST_OK;
}

static enum status iceoryx_native_wait(void *self, int timeout_ms)
{
    return iceoryx_ports_wait(&((struct endpoint *)self)->ports, timeout_ms);
}

static void iceoryx_wait_source(struct endpoint *endpoint, enum direction direction,
                                struct wait_source *source)
{
    /* Each side has one thing to wait for: its subscriber. */
    *source = (struct wait_source){
        .kind = SOURCE_NATIVE,
        .fd = -1,
        .native_wait = iceoryx_native_wait,
        .native_self = endpoint,
    };
}

static void iceoryx_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){.skipped_frames = 0};
}

/* The producer's goodbye, behind its last frame. */
static void iceoryx_goodbye_send(struct endpoint *endpoint)
{
    void *chunk;
    endpoint->goodbye_due =
        iox_pub_loan_chunk(endpoint->ports.publisher, &chunk, sizeof(struct iceoryx_note)) !=
        AllocationResult_SUCCESS;
    if (endpoint->goodbye_due)
        return;
    *(struct iceoryx_note *)chunk = (struct iceoryx_note){.goodbye = 1};
    iox_pub_publish_chunk(endpoint->ports.publisher, chunk);
}

static void iceoryx_hang_up(struct endpoint *endpoint)
{
    if (endpoint->hung_up)
        return;
    endpoint->hung_up = true;
    if (endpoint->loaned)
        iox_pub_release_chunk(endpoint->ports.publisher, endpoint->loaned);
    endpoint->loaned = NULL;
    if (endpoint->producing)
        iceoryx_goodbye_send(endpoint);
    else
        iceoryx_credit_send(endpoint);
}

static void iceoryx_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    if (endpoint->ports.publisher && endpoint->ports.subscriber) {
        iceoryx_hang_up(endpoint);
        if (endpoint->goodbye_due)
            iceoryx_goodbye_send(endpoint);
        for (; !endpoint->producing && endpoint->ended != endpoint->begun; endpoint->ended++)
            iox_sub_release_chunk(endpoint->ports.subscriber,
                                  endpoint->held[endpoint->ended % endpoint->max_held]);
    }
    iceoryx_ports_close(&endpoint->ports);
    free(endpoint->held);
    free(endpoint);
}

const struct transport transport_iceoryx = {
    .name = "iceoryx",
    .summary = "iceoryx: loaned chunks in shared memory, a daemon beside",
    .flags =
        TRANSPORT_DELAYS | TRANSPORT_OWN_THREADS | TRANSPORT_DEATH_UNSEEN | TRANSPORT_NEEDS_ROUDI,
    .sources = SOURCE_NATIVE,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = ICEORYX_SLOTS_MAX,
    .probe = roudi_probe,
    .create = iceoryx_create,
    .attach = iceoryx_attach,
    .reserve = iceoryx_reserve,
    .commit = iceoryx_commit,
    .acquire = iceoryx_acquire,
    .release = iceoryx_release,
    .wait_source = iceoryx_wait_source,
    .counters = iceoryx_counters,
    .hang_up = iceoryx_hang_up,
    .destroy = iceoryx_destroy,
};
