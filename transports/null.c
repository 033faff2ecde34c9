/* null.c: no bytes move: what the tool itself costs.
 *
 * The ring of shm.c without slots: the two doorbells cross between the processes and nothing else
 * does. The producer's header goes into a buffer of its own; the consumer's is made up locally,
 * with the frame's number as its id. Whatever a cell with `null` costs is the cost of the harness,
 * the wait strategy and one cache line of news.
 */
#include <stdlib.h>
#include <string.h>

#include "transports/ring.h"
#include "transports/segment.h"

/* One line per header, so that two frames held do not share one. */
struct null_header {
    _Alignas(64) uint8_t bytes[FRAME_HEADER_BYTES];
};

struct endpoint {
    bool producing;
    union {
        struct ring_producer producer;
        struct ring_consumer consumer;
    };
    struct null_header *headers; /* one for the producer, max_held for the consumer */
    uint32_t header_count;
    uint32_t next_header;
    struct segment segment;
};

extern const struct transport transport_null;

static enum status null_probe(struct err *err)
{
    return segment_probe(&transport_null, err);
}

static enum status null_endpoint_new(bool producing, uint32_t header_count,
                                     struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = calloc(1, sizeof *made);
    struct null_header *headers =
        aligned_alloc(_Alignof(struct null_header), header_count * sizeof *headers);
    if (!made || !headers) {
        free(headers);
        free(made);
        return err_set(err, ST_NO_MEMORY, NULL, "transport null: no memory for an endpoint");
    }
    memset(headers, 0, header_count * sizeof *headers);
    made->segment = SEGMENT_NONE;
    made->producing = producing;
    made->headers = headers;
    made->header_count = header_count;
    *endpoint = made;
    return ST_OK;
}

static enum status null_create(const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err)
{
    struct endpoint *made = NULL;
    int fd = -1;
    enum status status = transport_config_check(&transport_null, config, err);
    if (status == ST_OK)
        status = null_endpoint_new(true, 1, &made, err);
    if (status == ST_OK)
        status = segment_create(&transport_null, config, 0, &made->segment, &fd, err);
    if (status != ST_OK) {
        transport_null.destroy(made);
        return status;
    }
    ring_control_init(made->segment.control, config);
    ring_producer_init(&made->producer, made->segment.control, config);
    memset(address, 0, sizeof *address);
    address->fds[0] = fd;
    address->fd_count = 1;
    *endpoint = made;
    return ST_OK;
}

static enum status null_attach(const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err)
{
    struct endpoint *made = NULL;
    enum status status = transport_config_check(&transport_null, config, err);
    if (status == ST_OK)
        status = transport_address_check(&transport_null, address, 0, 1, err);
    if (status == ST_OK)
        status = null_endpoint_new(false, config->max_held, &made, err);
    if (status == ST_OK)
        status = segment_attach(&transport_null, config, 0, transport_address_take(address, 0),
                                &made->segment, err);
    transport_address_close(address);
    if (status != ST_OK) {
        transport_null.destroy(made);
        return status;
    }
    ring_consumer_init(&made->consumer, made->segment.control, config);
    *endpoint = made;
    return ST_OK;
}

static enum status null_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = ring_reserve(&endpoint->producer, err);
    if (status == ST_OK)
        *frame = (struct frame){
            .header = endpoint->headers[0].bytes,
            .slot = endpoint->producer.slot,
            .sequence = endpoint->producer.committed,
        };
    return status;
}

static enum status null_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return ring_commit(&endpoint->producer, err);
}

/* The id alone: the rest of the header stays 0, since nothing came across to fill it from. */
static inline void null_header_set_id(uint8_t *bytes, uint64_t sequence)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header is little-endian");
    uint32_t id = (uint32_t)sequence;
    memcpy(bytes + FRAME_HEADER_BYTES - sizeof id, &id, sizeof id);
}

static enum status null_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = ring_acquire(&endpoint->consumer, &slot, &sequence, err);
    if (status != ST_OK)
        return status;
    uint8_t *header = endpoint->headers[endpoint->next_header].bytes;
    endpoint->next_header = ring_next_slot(endpoint->next_header, endpoint->header_count);
    null_header_set_id(header, sequence);
    *frame = (struct frame){.header = header, .slot = slot, .sequence = sequence};
    return ST_OK;
}

static enum status null_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return ring_release(&endpoint->consumer, frame->sequence, err);
}

static void null_wait_source(struct endpoint *endpoint, enum direction direction,
                             struct wait_source *source)
{
    segment_wait_source(&endpoint->segment, direction, source);
}

static void null_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){0};
}

static void null_hang_up(struct endpoint *endpoint)
{
    if (!endpoint->segment.control)
        return;
    if (endpoint->producing)
        ring_producer_hang_up(&endpoint->producer);
    else
        ring_consumer_hang_up(&endpoint->consumer);
}

static void null_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    null_hang_up(endpoint);
    segment_close(&endpoint->segment);
    free(endpoint->headers);
    free(endpoint);
}

const struct transport transport_null = {
    .name = "null",
    .summary = "no bytes move: the tool's own cost",
    .flags = TRANSPORT_NO_PAYLOAD | TRANSPORT_DEATH_UNSEEN,
    .sources = SOURCE_WORD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = TRANSPORT_SLOTS_MAX,
    .probe = null_probe,
    .create = null_create,
    .attach = null_attach,
    .reserve = null_reserve,
    .commit = null_commit,
    .acquire = null_acquire,
    .release = null_release,
    .wait_source = null_wait_source,
    .counters = null_counters,
    .hang_up = null_hang_up,
    .destroy = null_destroy,
};
