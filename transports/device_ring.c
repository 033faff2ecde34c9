/* device_ring.c: slots in shared device memory, with their control in a shared segment. See
 * device_ring.h. Used by cuda_ipc.c, cuda_vmm.c and cuda_pool.c.
 */
#include "transports/device_ring.h"

#include <stdlib.h>
#include <string.h>

#include "transports/exchange.h"
#include "transports/segment.h"

/* Payloads begin at multiples of this: what cudaMalloc itself aligns to, so that every kernel reads
 * whole sectors. */
#define DEVICE_RING_STRIDE 512

/* A header per slot, each on lines of its own. */
struct device_ring_header {
    _Alignas(SHARED_LINE_BYTES) uint8_t bytes[FRAME_HEADER_BYTES];
};

/* The body of the segment. Handles are only there with order event. */
struct device_ring_body {
    struct device_ring_header headers[DEVICE_RING_SLOTS_MAX];
    uint8_t filled[DEVICE_RING_SLOTS_MAX][GPU_EVENT_HANDLE_BYTES];
    uint8_t consumed[DEVICE_RING_SLOTS_MAX][GPU_EVENT_HANDLE_BYTES];
};

/* The address's bytes. Its descriptors: the segment's, then, if there is one, the memory's. */
struct device_ring_address {
    uint32_t byte_count; /* 0: frames have no payload, and there is no memory */
    uint32_t has_descriptor;
    uint8_t bytes[GPU_SHARED_ADDRESS_BYTES];
};
_Static_assert(sizeof(struct device_ring_address) <= TRANSPORT_ADDRESS_BYTES, "it fits");

struct endpoint {
    struct device_ring_body *body;
    uint8_t *payloads; /* device memory; NULL when frames have none */
    size_t stride_bytes;
    size_t payload_bytes;
    uint64_t first_sequence;
    uint32_t slots;
    uint32_t limit; /* frames in flight */
    bool producing;
    bool has_events;
    struct exchange exchange;
    struct segment segment;
    struct gpu_shared *memory;
    struct gpu_event *filled[DEVICE_RING_SLOTS_MAX]; /* NULL without order event */
    struct gpu_event *consumed[DEVICE_RING_SLOTS_MAX];
};

static size_t device_ring_stride_bytes(const struct transport_config *config)
{
    return (config->payload_bytes + DEVICE_RING_STRIDE - 1) / DEVICE_RING_STRIDE *
           DEVICE_RING_STRIDE;
}

/* The parts that both sides have alike. */
static enum status device_ring_new(const struct transport *transport,
                                   const struct transport_config *config, bool producing,
                                   struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport %s: no memory for an endpoint",
                       transport->name);
    made->segment = SEGMENT_NONE;
    made->stride_bytes = device_ring_stride_bytes(config);
    made->payload_bytes = config->payload_bytes;
    made->first_sequence = config->first_sequence;
    made->slots = config->slots;
    made->limit = transport_config_limit(config);
    made->producing = producing;
    made->has_events = config->order == ORDER_EVENT;
    *endpoint = made;
    return ST_OK;
}

/* ---- The producer's side --------------------------------------------------------------------- */

static enum status device_ring_event_make(struct gpu *gpu, struct gpu_event **event,
                                          uint8_t handle[GPU_EVENT_HANDLE_BYTES], struct err *err)
{
    enum status status = gpu_event_open(gpu, GPU_EVENT_INTERPROCESS, event, err);
    return status == ST_OK ? gpu_event_export(*event, handle, err) : status;
}

static enum status device_ring_events_make(struct endpoint *endpoint, struct gpu *gpu,
                                           struct err *err)
{
    struct device_ring_body *body = endpoint->body;
    enum status status = ST_OK;
    for (uint32_t i = 0; i < endpoint->slots && status == ST_OK; i++) {
        status = device_ring_event_make(gpu, &endpoint->filled[i], body->filled[i], err);
        if (status == ST_OK)
            status = device_ring_event_make(gpu, &endpoint->consumed[i], body->consumed[i], err);
    }
    return status;
}

/* Allocates the payloads. What the other side needs goes into *address, whose descriptor (or -1)
 * goes into *fd. */
static enum status device_ring_memory_make(struct endpoint *endpoint, enum gpu_share share,
                                           struct gpu *gpu, struct device_ring_address *address,
                                           int *fd, struct err *err)
{
    struct gpu_shared_address shared = {.fd = -1};
    if (endpoint->payload_bytes == 0)
        return ST_OK;
    enum status status = gpu_shared_create(gpu, share, endpoint->slots * endpoint->stride_bytes,
                                           &endpoint->memory, &shared, err);
    if (status != ST_OK)
        return status;
    endpoint->payloads = gpu_shared_pointer(endpoint->memory);
    address->byte_count = shared.byte_count;
    address->has_descriptor = shared.fd >= 0;
    memcpy(address->bytes, shared.bytes, sizeof shared.bytes);
    *fd = shared.fd;
    return ST_OK;
}

enum status device_ring_create(const struct transport *transport, enum gpu_share share,
                               const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err)
{
    struct endpoint *made = NULL;
    struct device_ring_address bytes = {0};
    struct transport_address filled = {.byte_count = sizeof bytes, .fds = {-1, -1}, .fd_count = 2};
    enum status status = transport_config_check(transport, config, err);
    if (status != ST_OK)
        return status;
    status = device_ring_new(transport, config, true, &made, err);
    if (status == ST_OK)
        status = segment_create(transport, config, sizeof *made->body, &made->segment,
                                &filled.fds[0], err);
    if (status != ST_OK)
        goto undo_endpoint;
    made->body = (struct device_ring_body *)(void *)made->segment.body;
    status = device_ring_memory_make(made, share, config->gpu, &bytes, &filled.fds[1], err);
    if (status == ST_OK && made->has_events)
        status = device_ring_events_make(made, config->gpu, err);
    if (status != ST_OK)
        goto undo_endpoint;
    exchange_producer_init(&made->exchange, made->segment.control, config);
    memcpy(filled.bytes, &bytes, sizeof bytes);
    filled.fd_count = 1 + bytes.has_descriptor;
    *address = filled;
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    err_context(err, "transport %s", transport->name);
    transport_address_close(&filled);
    device_ring_destroy(made);
    return status;
}

/* ---- The consumer's side --------------------------------------------------------------------- */

static enum status device_ring_events_import(struct endpoint *endpoint, struct gpu *gpu,
                                             struct err *err)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES]; /* a copy, which the other side cannot change */
    enum status status = ST_OK;
    for (uint32_t i = 0; i < endpoint->slots && status == ST_OK; i++) {
        memcpy(handle, endpoint->body->filled[i], sizeof handle);
        status = gpu_event_import(gpu, handle, &endpoint->filled[i], err);
        if (status != ST_OK)
            break;
        memcpy(handle, endpoint->body->consumed[i], sizeof handle);
        status = gpu_event_import(gpu, handle, &endpoint->consumed[i], err);
    }
    return status;
}

/* Takes over `fd`, also when it fails. */
static enum status device_ring_memory_import(struct endpoint *endpoint, enum gpu_share share,
                                             struct gpu *gpu,
                                             const struct device_ring_address *address, int fd,
                                             struct err *err)
{
    struct gpu_shared_address shared = {.byte_count = address->byte_count, .fd = fd};
    memcpy(shared.bytes, address->bytes, sizeof shared.bytes);
    enum status status = gpu_shared_attach(gpu, share, endpoint->slots * endpoint->stride_bytes,
                                           &shared, true, &endpoint->memory, err);
    if (status == ST_OK)
        endpoint->payloads = gpu_shared_pointer(endpoint->memory);
    return status;
}

/* Is the address one that device_ring_create makes for this configuration? */
static enum status device_ring_address_check(const struct transport *transport,
                                             const struct transport_config *config,
                                             const struct transport_address *address,
                                             struct device_ring_address *bytes, struct err *err)
{
    memcpy(bytes, address->bytes, sizeof *bytes);
    if (bytes->has_descriptor > 1 || bytes->byte_count > GPU_SHARED_ADDRESS_BYTES ||
        (bytes->byte_count == 0) != (config->payload_bytes == 0))
        return err_set(err, ST_CORRUPT, "give it an address that this transport made",
                       "transport %s: the address does not describe memory for payloads of %zu "
                       "bytes",
                       transport->name, config->payload_bytes);
    return transport_address_check(transport, address, sizeof *bytes, 1 + bytes->has_descriptor,
                                   err);
}

enum status device_ring_attach(const struct transport *transport, enum gpu_share share,
                               const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err)
{
    struct endpoint *made = NULL;
    struct device_ring_address bytes;
    enum status status = transport_config_check(transport, config, err);
    if (status == ST_OK)
        status = device_ring_address_check(transport, config, address, &bytes, err);
    if (status == ST_OK)
        status = device_ring_new(transport, config, false, &made, err);
    if (status == ST_OK)
        status = segment_attach(transport, config, sizeof *made->body,
                                transport_address_take(address, 0), &made->segment, err);
    if (status != ST_OK)
        goto done;
    made->body = (struct device_ring_body *)(void *)made->segment.body;
    if (bytes.byte_count)
        status = device_ring_memory_import(
            made, share, config->gpu, &bytes,
            bytes.has_descriptor ? transport_address_take(address, 1) : -1, err);
    if (status == ST_OK && made->has_events)
        status = device_ring_events_import(made, config->gpu, err);
    if (status == ST_OK) {
        exchange_consumer_init(&made->exchange, made->segment.control, config);
        *endpoint = made;
    }
done:
    transport_address_close(address);
    if (status != ST_OK) {
        err_context(err, "transport %s", transport->name);
        device_ring_destroy(made);
    }
    return status;
}

/* ---- The verbs ------------------------------------------------------------------------------- */

static inline void device_ring_lend(const struct endpoint *endpoint, uint32_t slot,
                                    uint64_t sequence, struct frame *frame)
{
    *frame = (struct frame){
        .header = endpoint->body->headers[slot].bytes,
        .device_payload =
            endpoint->payloads ? endpoint->payloads + slot * endpoint->stride_bytes : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = slot,
        .sequence = sequence,
    };
}

/* What the producer's stream waits for before it fills slot `slot`: the consumer's work on the
 * frame whose release made room for this one. With fewer frames in flight than slots that is a
 * later frame than the one that lay in the slot before, and its work is behind that one's, so that
 * `max_in_flight` holds for the GPU's work as well as for the CPU's calls: a consumer must then
 * have all its work on one stream. (Roles with several have as many frames in flight as slots.) */
static inline struct fence device_ring_room(const struct endpoint *endpoint, uint32_t slot,
                                            uint64_t sequence)
{
    if (!endpoint->has_events || sequence - endpoint->first_sequence < endpoint->limit)
        return (struct fence){NULL};
    uint32_t released =
        slot >= endpoint->limit ? slot - endpoint->limit : slot + endpoint->slots - endpoint->limit;
    return (struct fence){endpoint->consumed[released]};
}

enum status device_ring_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = exchange_reserve(&endpoint->exchange, &slot, &sequence, err);
    if (status != ST_OK)
        return status;
    device_ring_lend(endpoint, slot, sequence, frame);
    frame->fence = device_ring_room(endpoint, slot, sequence);
    frame->mark = (struct fence){endpoint->filled[slot]};
    return ST_OK;
}

enum status device_ring_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_commit(&endpoint->exchange, err);
}

enum status device_ring_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    uint32_t slot = 0;
    uint64_t sequence = 0;
    enum status status = exchange_acquire(&endpoint->exchange, &slot, &sequence, err);
    if (status != ST_OK)
        return status;
    device_ring_lend(endpoint, slot, sequence, frame);
    frame->fence = (struct fence){endpoint->filled[slot]};
    frame->mark = (struct fence){endpoint->consumed[slot]};
    return ST_OK;
}

enum status device_ring_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_release(&endpoint->exchange, frame, err);
}

void device_ring_wait_source(struct endpoint *endpoint, enum direction direction,
                             struct wait_source *source)
{
    segment_wait_source(&endpoint->segment, direction, source);
}

void device_ring_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    segment_memory(&endpoint->segment, memory);
}

void device_ring_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame)
{
    device_ring_lend(endpoint, slot, 0, frame);
}

void device_ring_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters =
        (struct transport_counters){.skipped_frames = exchange_skipped(&endpoint->exchange)};
}

void device_ring_hang_up(struct endpoint *endpoint)
{
    exchange_hang_up(&endpoint->exchange);
}

void device_ring_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    device_ring_hang_up(endpoint);
    for (uint32_t i = 0; i < DEVICE_RING_SLOTS_MAX; i++) {
        gpu_event_close(endpoint->filled[i]);
        gpu_event_close(endpoint->consumed[i]);
    }
    gpu_shared_destroy(endpoint->memory);
    segment_close(&endpoint->segment);
    free(endpoint);
}
