/* segment.c: making, describing and checking the shared segment of a transport. See segment.h. */
#include "transports/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_MAGIC 0x676573666666646eu /* "ndfffseg" */
#define SEGMENT_VERSION 2u

/* The first page. Written once by the creator; believed by nobody. No padding: compared as
 * bytes. */
struct segment_layout {
    uint64_t magic;
    char transport[16];
    uint32_t version;
    uint32_t policy;
    uint32_t order;
    uint32_t pages;
    uint32_t slots;
    uint32_t max_held;
    uint32_t max_in_flight;
    uint32_t unused;
    uint64_t body_bytes;
    uint64_t payload_bytes;
    uint64_t first_sequence;
};
_Static_assert(sizeof(struct segment_layout) == 80, "no padding");

static struct segment_layout segment_layout_of(const struct transport *transport,
                                               const struct transport_config *config,
                                               size_t body_bytes)
{
    struct segment_layout layout = {
        .magic = SEGMENT_MAGIC,
        .version = SEGMENT_VERSION,
        .policy = (uint32_t)config->policy,
        .order = (uint32_t)config->order,
        .pages = (uint32_t)config->pages,
        .slots = config->slots,
        .max_held = config->max_held,
        .max_in_flight = config->max_in_flight,
        .body_bytes = body_bytes,
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
    };
    snprintf(layout.transport, sizeof layout.transport, "%s", transport->name);
    return layout;
}

static void segment_bind(struct segment *segment)
{
    uint8_t *bytes = segment->map.bytes;
    segment->control = (struct ring_control *)(void *)(bytes + SEGMENT_CONTROL_OFFSET);
    segment->body = bytes + SEGMENT_BODY_OFFSET;
}

enum status segment_probe(const struct transport *transport, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    enum status status = shm_create("handoff-probe", TRANSPORT_PAGE_BYTES, &map, err);
    shm_unmap(&map);
    if (status == ST_OK)
        return ST_OK;
    err_context(err, "transport %s", transport->name);
    if (err)
        err->status = ST_UNAVAILABLE;
    return ST_UNAVAILABLE;
}

enum status segment_create(const struct transport *transport, const struct transport_config *config,
                           size_t body_bytes, struct segment *segment, int *fd, struct err *err)
{
    char label[64];
    struct segment made = SEGMENT_NONE;
    snprintf(label, sizeof label, "handoff-%s", transport->name);
    enum status status =
        shm_create_pages(label, SEGMENT_BODY_OFFSET + body_bytes, config->pages, &made.map, err);
    if (status != ST_OK)
        return status;
    int other = fcntl(made.map.fd, F_DUPFD_CLOEXEC, 0);
    if (other < 0) {
        status =
            err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                          "transport %s: duplicating the segment's descriptor", transport->name);
        shm_unmap(&made.map);
        return status;
    }
    struct segment_layout layout = segment_layout_of(transport, config, body_bytes);
    memcpy(made.map.bytes, &layout, sizeof layout);
    segment_bind(&made);
    *segment = made;
    *fd = other;
    return ST_OK;
}

static enum status segment_check(const struct transport *transport, const struct shm_map *map,
                                 const struct segment_layout *wanted, struct err *err)
{
    /* A copy: the other side could change the page while it is looked at. */
    struct segment_layout found;
    memcpy(&found, map->bytes, sizeof found);
    if (found.magic != wanted->magic || found.version != wanted->version ||
        memcmp(found.transport, wanted->transport, sizeof found.transport) != 0)
        return err_set(err, ST_CORRUPT,
                       "run both roles from the same version of handoff, with one transport",
                       "transport %s: the segment is not one that it made, in layout version %u",
                       transport->name, SEGMENT_VERSION);
    if (memcmp(&found, wanted, sizeof found) != 0)
        return err_set(
            err, ST_CORRUPT, "give both sides the same configuration",
            "transport %s: the segment has %u slots for payloads of %" PRIu64
            ", policy %u, order %u, %u held, %u in flight; asked for were %u for %" PRIu64
            ", %u, %u, %u and %u",
            transport->name, found.slots, found.payload_bytes, found.policy, found.order,
            found.max_held, found.max_in_flight, wanted->slots, wanted->payload_bytes,
            wanted->policy, wanted->order, wanted->max_held, wanted->max_in_flight);
    return ST_OK;
}

enum status segment_attach(const struct transport *transport, const struct transport_config *config,
                           size_t body_bytes, int fd, struct segment *segment, struct err *err)
{
    struct segment_layout wanted = segment_layout_of(transport, config, body_bytes);
    struct segment made = SEGMENT_NONE;
    enum status status =
        shm_attach_pages(fd, SEGMENT_BODY_OFFSET + body_bytes, config->pages, &made.map, err);
    if (status != ST_OK)
        return status;
    status = segment_check(transport, &made.map, &wanted, err);
    if (status != ST_OK) {
        shm_unmap(&made.map);
        return status;
    }
    segment_bind(&made);
    *segment = made;
    return ST_OK;
}

void segment_close(struct segment *segment)
{
    shm_unmap(&segment->map);
    *segment = SEGMENT_NONE;
}
