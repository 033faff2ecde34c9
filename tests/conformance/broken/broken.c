/* broken.c: transport shm with one fault each. See broken.def; main.c demands that each is caught.
 *
 * The consumer's side is that of shm. The producer lends a buffer of its own and decides at commit
 * what to do to the slots of shm.
 */
#include "tests/conformance/broken/broken.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transports/config.h"

enum fault {
#define BROKEN(key, count, text) FAULT_##key,
#include "tests/conformance/broken/broken.def"
#undef BROKEN
};

extern const struct transport transport_shm;

/* As many as there are pictures: a frame differs from the one so long before by header and tags. */
#define SOURCES_KEPT 3

struct endpoint {
    enum fault fault;
    struct endpoint *inner; /* of transport shm */
    uint8_t *lent;          /* the buffer reserve lends: header page, then payload */
    uint8_t *kept;          /* a frame held back */
    size_t payload_bytes;
    struct frame late; /* published, but its bytes are (or will be) wrong */
    bool has_late;
    bool has_kept;
    uint64_t committed;
    /* The source buffers of the last frames: one that is still to be sent, or ones to look at
     * again. */
    struct frame sources[SOURCES_KEPT];
    bool has_source;
};

static enum status broken_create(enum fault fault, const struct transport_config *config,
                                 struct endpoint **endpoint, struct transport_address *address,
                                 struct err *err)
{
    struct transport_config inner = *config;
    inner.slots = 4 * config->slots + 4; /* room for repeats and for what is late */
    inner.max_in_flight = 0;
    struct endpoint *made = calloc(1, sizeof *made);
    size_t bytes = transport_slot_bytes(config->payload_bytes);
    made->fault = fault;
    made->payload_bytes = config->payload_bytes;
    made->lent = aligned_alloc(TRANSPORT_PAGE_BYTES, bytes);
    made->kept = aligned_alloc(TRANSPORT_PAGE_BYTES, bytes);
    enum status status = transport_shm.create(&inner, &made->inner, address, err);
    if (status == ST_OK) {
        *endpoint = made;
        return ST_OK;
    }
    free(made->lent);
    free(made->kept);
    free(made);
    return status;
}

static enum status broken_attach(const struct transport_config *config,
                                 struct transport_address *address, struct endpoint **endpoint,
                                 struct err *err)
{
    struct transport_config inner = *config;
    inner.slots = 4 * config->slots + 4;
    inner.max_in_flight = 0;
    struct endpoint *made = calloc(1, sizeof *made);
    enum status status = transport_shm.attach(&inner, address, &made->inner, err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    *endpoint = made;
    return ST_OK;
}

static void broken_copy(const struct endpoint *endpoint, const struct frame *to,
                        const uint8_t *from)
{
    memcpy(to->header, from, FRAME_HEADER_BYTES);
    memcpy(to->payload, from + FRAME_PAYLOAD_OFFSET, endpoint->payload_bytes);
}

/* What is overdue from the last commit. */
static void broken_catch_up(struct endpoint *endpoint)
{
    if (!endpoint->has_late)
        return;
    endpoint->has_late = false;
    if (endpoint->fault == FAULT_tears) /* the frame that was lent last has other bytes */
        memcpy(endpoint->late.payload + endpoint->payload_bytes / 2,
               endpoint->lent + FRAME_PAYLOAD_OFFSET, endpoint->payload_bytes / 2);
    else
        broken_copy(endpoint, &endpoint->late, endpoint->kept);
}

/* Looks_later: sends what was committed, from wherever it lies. */
static void broken_send_late(struct endpoint *endpoint)
{
    struct frame inner;
    struct err err;
    if (!endpoint->has_source || transport_shm.reserve(endpoint->inner, &inner, &err) != ST_OK)
        return;
    endpoint->has_source = false;
    memcpy(inner.header, endpoint->sources[0].header, FRAME_HEADER_BYTES);
    memcpy(inner.payload, endpoint->sources[0].payload, endpoint->payload_bytes);
    transport_shm.commit(endpoint->inner, &inner, &err);
}

/* Looks_back: sends header and tags of this frame, and what did not change from the source buffer
 * of the one before with the same picture. */
static enum status broken_send_changes(struct endpoint *endpoint, const struct frame *frame,
                                       struct err *err)
{
    struct frame inner;
    struct frame *old = &endpoint->sources[endpoint->committed % SOURCES_KEPT];
    enum status status = transport_shm.reserve(endpoint->inner, &inner, err);
    if (status != ST_OK)
        return status;
    memcpy(inner.header, frame->header, FRAME_HEADER_BYTES);
    const uint8_t *from =
        frame->header != endpoint->lent && old->payload ? old->payload : frame->payload;
    memcpy(inner.payload, from, endpoint->payload_bytes);
    for (size_t i = 0; i + 8 <= endpoint->payload_bytes; i += FRAME_TAG_STRIDE)
        memcpy(inner.payload + i, frame->payload + i, 8);
    *old = *frame;
    return transport_shm.commit(endpoint->inner, &inner, err);
}

static enum status broken_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    struct frame inner;
    broken_send_late(endpoint);
    enum status status = transport_shm.reserve(endpoint->inner, &inner, err);
    if (status != ST_OK)
        return status;
    *frame = inner;
    frame->header = endpoint->lent;
    frame->payload = endpoint->lent + FRAME_PAYLOAD_OFFSET;
    frame->sequence = endpoint->committed;
    if (endpoint->fault == FAULT_early)
        broken_catch_up(endpoint);
    return ST_OK;
}

/* Publishes the bytes of `from` as a frame of shm, if there is room. */
static enum status broken_publish(struct endpoint *endpoint, const uint8_t *from, struct err *err)
{
    struct frame inner;
    enum status status = transport_shm.reserve(endpoint->inner, &inner, err);
    if (status != ST_OK)
        return status;
    broken_copy(endpoint, &inner, from);
    return transport_shm.commit(endpoint->inner, &inner, err);
}

static enum status broken_publish_early(struct endpoint *endpoint, struct err *err)
{
    enum status status = transport_shm.reserve(endpoint->inner, &endpoint->late, err);
    if (status != ST_OK)
        return status;
    memcpy(endpoint->kept, endpoint->lent, transport_slot_bytes(endpoint->payload_bytes));
    memcpy(endpoint->late.header, endpoint->lent, FRAME_HEADER_BYTES);
    status = transport_shm.commit(endpoint->inner, &endpoint->late, err);
    endpoint->has_late = true;
    if (endpoint->fault == FAULT_early_race) {
        /* Long enough that the other thread runs in between also where CPUs are scarce. */
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        broken_catch_up(endpoint);
    }
    return status;
}

static enum status broken_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    bool now = endpoint->committed % 7 == 3;
    bool after = endpoint->committed % 7 == 4;
    enum status status = ST_OK;
    size_t bytes = transport_slot_bytes(endpoint->payload_bytes);
    if (endpoint->fault == FAULT_looks_later) {
        endpoint->sources[0] = *frame;
        endpoint->has_source = true;
    } else if (endpoint->fault == FAULT_looks_back) {
        status = broken_send_changes(endpoint, frame, err);
    } else if (endpoint->fault == FAULT_tears) {
        broken_catch_up(endpoint);
        status = transport_shm.reserve(endpoint->inner, &endpoint->late, err);
        broken_copy(endpoint, &endpoint->late, endpoint->lent);
        transport_shm.commit(endpoint->inner, &endpoint->late, err);
        endpoint->has_late = now;
    } else if (endpoint->fault == FAULT_early || endpoint->fault == FAULT_early_race) {
        status = broken_publish_early(endpoint, err);
    } else if (endpoint->fault == FAULT_repeats) {
        status = broken_publish(endpoint, endpoint->lent, err);
        if (now)
            broken_publish(endpoint, endpoint->lent, err);
    } else if (endpoint->fault == FAULT_reorders && now) {
        memcpy(endpoint->kept, endpoint->lent, bytes);
        endpoint->has_kept = true;
    } else if (!(endpoint->fault == FAULT_loses && now)) {
        status = broken_publish(endpoint, endpoint->lent, err);
        if (after && endpoint->has_kept)
            broken_publish(endpoint, endpoint->kept, err);
    }
    endpoint->committed += status == ST_OK;
    return status;
}

static enum status broken_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return transport_shm.acquire(endpoint->inner, frame, err);
}

static enum status broken_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return transport_shm.release(endpoint->inner, frame, err);
}

static void broken_wait_source(struct endpoint *endpoint, enum direction direction,
                               struct wait_source *source)
{
    broken_send_late(endpoint);
    transport_shm.wait_source(endpoint->inner, direction, source);
}

static void broken_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    transport_shm.counters(endpoint->inner, counters);
}

static void broken_hang_up(struct endpoint *endpoint)
{
    broken_send_late(endpoint);
    transport_shm.hang_up(endpoint->inner);
}

static void broken_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    transport_shm.destroy(endpoint->inner);
    free(endpoint->lent);
    free(endpoint->kept);
    free(endpoint);
}

static enum status broken_probe(struct err *err)
{
    return ST_OK;
}

/* What a fault is about must be declared first. */
#define FLAGS_OF(fault)                                                                 \
    (TRANSPORT_DEATH_UNSEEN |                                                           \
     ((fault) == FAULT_looks_later  ? TRANSPORT_SENDS_SOURCE | TRANSPORT_DELAYS         \
      : (fault) == FAULT_looks_back ? TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE \
                                    : 0))

#define BROKEN(key, count, text)                                                                   \
    static enum status create_##key(const struct transport_config *config,                         \
                                    struct endpoint **endpoint, struct transport_address *address, \
                                    struct err *err)                                               \
    {                                                                                              \
        return broken_create(FAULT_##key, config, endpoint, address, err);                         \
    }                                                                                              \
    const struct transport broken_##key = {                                                        \
        .name = #key,                                                                              \
        .summary = text,                                                                           \
        .flags = FLAGS_OF(FAULT_##key),                                                            \
        .sources = SOURCE_WORD,                                                                    \
        .policies = POLICY_BLOCK,                                                                  \
        .slots_min = 1,                                                                            \
        .slots_max = 64,                                                                           \
        .probe = broken_probe,                                                                     \
        .create = create_##key,                                                                    \
        .attach = broken_attach,                                                                   \
        .reserve = broken_reserve,                                                                 \
        .commit = broken_commit,                                                                   \
        .acquire = broken_acquire,                                                                 \
        .release = broken_release,                                                                 \
        .wait_source = broken_wait_source,                                                         \
        .counters = broken_counters,                                                               \
        .hang_up = broken_hang_up,                                                                 \
        .destroy = broken_destroy,                                                                 \
    };
#include "tests/conformance/broken/broken.def"
#undef BROKEN
