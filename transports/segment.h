/* segment.h: the shared segment of a transport whose control lies in host memory.
 *
 * Used by shm.c, null.c and device_ring.c. One sealed memfd, mapped by both roles: a page that
 * describes it, a page with the two doorbells, then the transport's own part (the body). The
 * attaching side believes nothing of it: the description must be, to the last byte, the one that
 * its own configuration makes.
 */
#ifndef HANDOFF_TRANSPORTS_SEGMENT_H
#define HANDOFF_TRANSPORTS_SEGMENT_H

#include "harness/base/shm.h"
#include "transports/ring.h"

#define SEGMENT_CONTROL_OFFSET TRANSPORT_PAGE_BYTES
#define SEGMENT_BODY_OFFSET (2 * TRANSPORT_PAGE_BYTES)

struct segment {
    struct shm_map map;           /* map.fd is this side's own descriptor */
    struct ring_control *control; /* NULL until the segment is mapped */
    uint8_t *body;                /* page-aligned */
};
#define SEGMENT_NONE ((struct segment){.map = SHM_MAP_NONE, .control = NULL, .body = NULL})

/* ST_OK, or ST_UNAVAILABLE with the reason: can such a segment be made here? For `probe`. */
enum status segment_probe(const struct transport *transport, struct err *err);

/* Makes a segment with body_bytes of body, of config's pages, described but otherwise zero. *fd is
 * a descriptor for the other side, which the caller owns. segment_close takes back the rest. */
enum status segment_create(const struct transport *transport, const struct transport_config *config,
                           size_t body_bytes, struct segment *segment, int *fd, struct err *err);

/* The other side. Takes over fd, also when it fails. ST_CORRUPT for anything but a segment that
 * segment_create made for the same transport and configuration. */
enum status segment_attach(const struct transport *transport, const struct transport_config *config,
                           size_t body_bytes, int fd, struct segment *segment, struct err *err);

/* Safe on SEGMENT_NONE and on one that is closed. */
void segment_close(struct segment *segment);

/* Wait source of either direction: the doorbells. */
static inline void segment_wait_source(const struct segment *segment, enum direction direction,
                                       struct wait_source *source)
{
    *source = (struct wait_source){
        .kind = SOURCE_WORD,
        .bell = direction == DIRECTION_READ ? &segment->control->head : &segment->control->tail,
        .fd = -1,
    };
}

static inline void segment_memory(const struct segment *segment, struct transport_memory *memory)
{
    *memory = (struct transport_memory){segment->map.bytes, segment->map.size_bytes};
}

#endif
