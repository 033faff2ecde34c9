/* shm.c: frames in shared memory, zero-copy: the producer fills a slot and the consumer reads it.
 *
 * The slots are the body of a shared segment (segment.h). A slot is a page that begins with the
 * frame's header, then the payload in whole pages, so that a GPU can register it. The sequence word
 * is the doorbell: one cache line carries the news (exchange.h).
 */
#include <stdlib.h>
#include <string.h>

#include "transports/exchange.h"
#include "transports/segment.h"

struct endpoint {
    uint8_t *slots;
    size_t slot_bytes;
    size_t payload_bytes;
    struct exchange exchange;
    struct segment segment;
};

extern const struct transport transport_shm;

static enum status shm_probe(struct err *err)
{
    return segment_probe(&transport_shm, err);
}

static size_t shm_body_bytes(const struct transport_config *config)
{
    return config->slots * transport_slot_bytes(config->payload_bytes);
}

/* The parts of an endpoint that both sides have alike. */
static enum status shm_endpoint_new(const struct transport_config *config,
                                    struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport shm: no memory for an endpoint");
    made->segment = SEGMENT_NONE;
    made->slot_bytes = transport_slot_bytes(config->payload_bytes);
    made->payload_bytes = config->payload_bytes;
    *endpoint = made;
    return ST_OK;
}

static enum status shm_transport_create(const struct transport_config *config,
                                        struct endpoint **endpoint,
                                        struct transport_address *address, struct err *err)
{
    struct endpoint *made = NULL;
    int fd = -1;
    enum status status = transport_config_check(&transport_shm, config, err);
    if (status == ST_OK)
        status = shm_endpoint_new(config, &made, err);
    if (status == ST_OK)
        status = segment_create(&transport_shm, config, shm_body_bytes(config), &made->segment, &fd,
                                err);
    if (status != ST_OK) {
        transport_shm.destroy(made);
        return status;
    }
    made->slots = made->segment.body;
    exchange_producer_init(&made->exchange, made->segment.control, config);
    memset(address, 0, sizeof *address);
    address->fds[0] = fd;
    address->fd_count = 1;
    *endpoint = made;
    return ST_OK;
}

static enum status shm_transport_attach(const struct transport_config *config,
                                        struct transport_address *address,
                                        struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = NULL;
    enum status status = transport_config_check(&transport_shm, config, err);
    if (status == ST_OK)
        status = transport_address_check(&transport_shm, address, 0, 1, err);
    if (status == ST_OK)
        status = shm_endpoint_new(config, &made, err);
    if (status == ST_OK)
        status = segment_attach(&transport_shm, config, shm_body_bytes(config),
                                transport_address_take(address, 0), &made->segment, err);
    transport_address_close(address);
    if (status != ST_OK) {
        transport_shm.destroy(made);
        return status;
    }
    made->slots = made->segment.body;
    exchange_consumer_init(&made->exchange, made->segment.control, config);
    *endpoint = made;
    return ST_OK;
}

static inline void shm_frame_lend(const struct endpoint *endpoint, uint32_t slot, uint64_t sequence,
                                  struct frame *frame)
{
    uint8_t *header = endpoint->slots + slot * endpoint->slot_bytes;
    *frame = (struct frame){
        .header = header,
        .payload = endpoint->payload_bytes ? header + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = slot,
        .sequence = sequence,
    };
}

static enum status shm_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = exchange_reserve(&endpoint->exchange, &slot, &sequence, err);
    if (status == ST_OK)
        shm_frame_lend(endpoint, slot, sequence, frame);
    return status;
}

static enum status shm_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_commit(&endpoint->exchange, err);
}

static enum status shm_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = exchange_acquire(&endpoint->exchange, &slot, &sequence, err);
    if (status == ST_OK)
        shm_frame_lend(endpoint, slot, sequence, frame);
    return status;
}

static enum status shm_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_release(&endpoint->exchange, frame, err);
}

static void shm_wait_source(struct endpoint *endpoint, enum direction direction,
                            struct wait_source *source)
{
    segment_wait_source(&endpoint->segment, direction, source);
}

static void shm_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    segment_memory(&endpoint->segment, memory);
}

static void shm_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame)
{
    shm_frame_lend(endpoint, slot, 0, frame);
}

static void shm_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters =
        (struct transport_counters){.skipped_frames = exchange_skipped(&endpoint->exchange)};
}

static void shm_hang_up(struct endpoint *endpoint)
{
    exchange_hang_up(&endpoint->exchange);
}

static void shm_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    shm_hang_up(endpoint);
    segment_close(&endpoint->segment);
    free(endpoint);
}

const struct transport transport_shm = {
    .name = "shm",
    .summary = "ring of slots in shared memory, zero-copy",
    .flags = TRANSPORT_HOST_MEMORY | TRANSPORT_DEATH_UNSEEN,
    .sources = SOURCE_WORD,
    .policies = POLICY_BLOCK | POLICY_LATEST,
    .slots_min = 1,
    .slots_max = TRANSPORT_SLOTS_MAX,
    .probe = shm_probe,
    .create = shm_transport_create,
    .attach = shm_transport_attach,
    .reserve = shm_reserve,
    .commit = shm_commit,
    .acquire = shm_acquire,
    .release = shm_release,
    .wait_source = shm_wait_source,
    .memory = shm_memory,
    .slot = shm_slot,
    .counters = shm_counters,
    .hang_up = shm_hang_up,
    .destroy = shm_destroy,
};
