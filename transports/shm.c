/* shm.c: frames in shared memory, zero-copy: the producer fills a slot and the consumer reads it.
 *
 * One sealed memfd, mapped by both roles: a page that describes it, a page with the two doorbells
 * (ring.h for policy block, mailbox.h for policy latest), then the slots. A slot is a page that
 * begins with the frame's header, then the payload in whole pages, so that a GPU can register it.
 * The sequence word is the doorbell: one cache line carries the news.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/shm.h"
#include "transports/mailbox.h"
#include "transports/ring.h"

#define SHM_LAYOUT_MAGIC 0x6d68736666646e68u /* "hndffshm" */
#define SHM_LAYOUT_VERSION 1u
#define SHM_CONTROL_OFFSET TRANSPORT_PAGE_BYTES
#define SHM_SLOTS_OFFSET (2 * TRANSPORT_PAGE_BYTES)

/* The first page. Written once by the creator; believed by nobody. */
struct shm_layout {
    uint64_t magic;
    uint32_t version;
    uint32_t policy;
    uint32_t slots;
    uint32_t max_held;
    uint64_t slot_bytes;
    uint64_t payload_bytes;
    uint64_t first_sequence;
};

struct endpoint {
    uint8_t *slots;
    size_t slot_bytes;
    size_t payload_bytes;
    struct ring_control *control; /* NULL until the segment is mapped */
    enum policy policy;
    bool producing;
    union {
        struct ring_producer ring_producer;
        struct ring_consumer ring_consumer;
        struct mailbox_producer mailbox_producer;
        struct mailbox_consumer mailbox_consumer;
    };
    struct shm_map map;
};

extern const struct transport transport_shm;

static size_t shm_segment_bytes(const struct transport_config *config)
{
    return SHM_SLOTS_OFFSET + config->slots * transport_slot_bytes(config->payload_bytes);
}

static struct shm_layout shm_layout_of(const struct transport_config *config)
{
    return (struct shm_layout){
        .magic = SHM_LAYOUT_MAGIC,
        .version = SHM_LAYOUT_VERSION,
        .policy = (uint32_t)config->policy,
        .slots = config->slots,
        .max_held = config->max_held,
        .slot_bytes = transport_slot_bytes(config->payload_bytes),
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
    };
}

static enum status shm_probe(struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    enum status status = shm_create("handoff-probe", TRANSPORT_PAGE_BYTES, &map, err);
    shm_unmap(&map);
    if (status != ST_OK && err)
        err->status = ST_UNAVAILABLE;
    return status == ST_OK ? ST_OK : ST_UNAVAILABLE;
}

/* The parts of an endpoint that both sides have alike. */
static struct endpoint *shm_endpoint_new(const struct transport_config *config, bool producing)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (!endpoint)
        return NULL;
    endpoint->map = SHM_MAP_NONE;
    endpoint->slot_bytes = transport_slot_bytes(config->payload_bytes);
    endpoint->payload_bytes = config->payload_bytes;
    endpoint->policy = config->policy;
    endpoint->producing = producing;
    return endpoint;
}

static void shm_endpoint_bind(struct endpoint *endpoint)
{
    uint8_t *bytes = endpoint->map.bytes;
    endpoint->control = (struct ring_control *)(void *)(bytes + SHM_CONTROL_OFFSET);
    endpoint->slots = bytes + SHM_SLOTS_OFFSET;
}

static enum status shm_transport_create(const struct transport_config *config,
                                        struct endpoint **endpoint,
                                        struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(&transport_shm, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = shm_endpoint_new(config, true);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport shm: no memory for an endpoint");
    status =
        shm_create_pages("handoff-shm", shm_segment_bytes(config), config->pages, &made->map, err);
    if (status != ST_OK)
        goto undo_endpoint;
    int fd = fcntl(made->map.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        status = err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                               "transport shm: duplicating the segment's descriptor");
        goto undo_endpoint;
    }
    struct shm_layout layout = shm_layout_of(config);
    memcpy(made->map.bytes, &layout, sizeof layout);
    shm_endpoint_bind(made);
    if (config->policy == POLICY_LATEST) {
        mailbox_control_init(made->control, config);
        mailbox_producer_init(&made->mailbox_producer, made->control, config);
    } else {
        ring_control_init(made->control, config);
        ring_producer_init(&made->ring_producer, made->control, config);
    }
    memset(address, 0, sizeof *address);
    address->fds[0] = fd;
    address->fd_count = 1;
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    transport_shm.destroy(made);
    return status;
}

static enum status shm_layout_check(const struct shm_map *map,
                                    const struct transport_config *config, struct err *err)
{
    /* A copy: the other side could change the page while it is looked at. */
    struct shm_layout found, wanted = shm_layout_of(config);
    memcpy(&found, map->bytes, sizeof found);
    if (found.magic != wanted.magic)
        return err_set(err, ST_CORRUPT, "give it an address that transport shm made",
                       "transport shm: the segment does not begin with the layout's magic number");
    if (found.version != wanted.version)
        return err_set(err, ST_CORRUPT, "run both roles from the same version of handoff",
                       "transport shm: layout version %u, not %u", found.version, wanted.version);
    if (memcmp(&found, &wanted, sizeof found) != 0)
        return err_set(
            err, ST_CORRUPT, "give both sides the same configuration",
            "transport shm: the segment has %u slots of %llu bytes for payloads of %llu, "
            "policy %u and %u held; asked for were %u of %llu for %llu, %u and %u",
            found.slots, (unsigned long long)found.slot_bytes,
            (unsigned long long)found.payload_bytes, found.policy, found.max_held, wanted.slots,
            (unsigned long long)wanted.slot_bytes, (unsigned long long)wanted.payload_bytes,
            wanted.policy, wanted.max_held);
    return ST_OK;
}

static enum status shm_transport_attach(const struct transport_config *config,
                                        struct transport_address *address,
                                        struct endpoint **endpoint, struct err *err)
{
    enum status status = transport_config_check(&transport_shm, config, err);
    if (status != ST_OK)
        goto undo_address;
    if (address->fd_count != 1 || address->byte_count != 0 || address->fds[0] < 0) {
        status = err_set(err, ST_CORRUPT, "give it an address that transport shm made",
                         "transport shm: an address of %u bytes and %u descriptors, not 0 and 1",
                         address->byte_count, address->fd_count);
        goto undo_address;
    }
    struct endpoint *made = shm_endpoint_new(config, false);
    if (!made) {
        status = err_set(err, ST_NO_MEMORY, NULL, "transport shm: no memory for an endpoint");
        goto undo_address;
    }
    int fd = address->fds[0];
    address->fds[0] = -1;
    status = shm_attach_pages(fd, shm_segment_bytes(config), config->pages, &made->map, err);
    if (status == ST_OK)
        status = shm_layout_check(&made->map, config, err);
    if (status != ST_OK)
        goto undo_endpoint;
    shm_endpoint_bind(made);
    if (config->policy == POLICY_LATEST)
        mailbox_consumer_init(&made->mailbox_consumer, made->control, config);
    else
        ring_consumer_init(&made->ring_consumer, made->control, config);
    transport_address_close(address);
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    transport_shm.destroy(made);
undo_address:
    transport_address_close(address);
    return status;
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
    enum status status;
    if (endpoint->policy == POLICY_BLOCK) {
        struct ring_producer *ring = &endpoint->ring_producer;
        status = ring_reserve(ring, err);
        if (status == ST_OK)
            shm_frame_lend(endpoint, ring->slot, ring->committed, frame);
    } else {
        uint32_t slot = 0;
        status = mailbox_reserve(&endpoint->mailbox_producer, &slot, err);
        if (status == ST_OK)
            shm_frame_lend(endpoint, slot, endpoint->mailbox_producer.committed, frame);
    }
    return status;
}

static enum status shm_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return endpoint->policy == POLICY_BLOCK ? ring_commit(&endpoint->ring_producer, err)
                                            : mailbox_commit(&endpoint->mailbox_producer, err);
}

static enum status shm_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = endpoint->policy == POLICY_BLOCK
                             ? ring_acquire(&endpoint->ring_consumer, &slot, &sequence, err)
                             : mailbox_acquire(&endpoint->mailbox_consumer, &slot, &sequence, err);
    if (status == ST_OK)
        shm_frame_lend(endpoint, slot, sequence, frame);
    return status;
}

static enum status shm_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return endpoint->policy == POLICY_BLOCK
               ? ring_release(&endpoint->ring_consumer, frame->sequence, err)
               : mailbox_release(&endpoint->mailbox_consumer, frame->slot, frame->sequence, err);
}

static void shm_wait_source(struct endpoint *endpoint, enum direction direction,
                            struct wait_source *source)
{
    *source = (struct wait_source){
        .kind = SOURCE_WORD,
        .bell = direction == DIRECTION_READ ? &endpoint->control->head : &endpoint->control->tail,
        .fd = -1,
    };
}

static void shm_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    *memory = (struct transport_memory){endpoint->map.bytes, endpoint->map.size_bytes};
}

static void shm_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame)
{
    shm_frame_lend(endpoint, slot, 0, frame);
}

static void shm_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    bool skips = endpoint->producing && endpoint->policy == POLICY_LATEST;
    *counters = (struct transport_counters){
        .skipped_frames = skips ? endpoint->mailbox_producer.skipped : 0,
        .copied_bytes = 0,
    };
}

static void shm_hang_up(struct endpoint *endpoint)
{
    if (!endpoint->control)
        return;
    if (endpoint->policy == POLICY_BLOCK && endpoint->producing)
        ring_producer_hang_up(&endpoint->ring_producer);
    else if (endpoint->policy == POLICY_BLOCK)
        ring_consumer_hang_up(&endpoint->ring_consumer);
    else if (endpoint->producing)
        mailbox_producer_hang_up(&endpoint->mailbox_producer);
    else
        mailbox_consumer_hang_up(&endpoint->mailbox_consumer);
}

static void shm_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    shm_hang_up(endpoint);
    shm_unmap(&endpoint->map);
    free(endpoint);
}

const struct transport transport_shm = {
    .name = "shm",
    .summary = "ring of slots in shared memory, zero-copy",
    .flags = TRANSPORT_HOST_MEMORY,
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
