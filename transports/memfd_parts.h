/* memfd_parts.h: one side of an edge of transport memfd: what memfd.c and memfd_setup.c share, and
 * nobody else includes. See memfd.c.
 */
#ifndef HANDOFF_TRANSPORTS_MEMFD_PARTS_H
#define HANDOFF_TRANSPORTS_MEMFD_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/shm.h"
#include "transports/transport.h"

/* What to do where there is no descriptor left. */
#define MEMFD_LIMIT_HINT "raise the limit of open files (ulimit -n)"

/* One segment of the pool, as this side maps it. */
struct memfd_slot {
    struct shm_map map; /* the consumer's has no descriptor */
    /* Consumer. */
    dev_t device;
    ino_t inode;
    bool held;
    uint8_t header[FRAME_HEADER_BYTES]; /* as it came in the message */
};

struct endpoint {
    int fd; /* -1 until made */
    bool producing;
    bool hung_up;
    bool peer_gone;
    bool broken; /* a message was wrong, so that a frame is missing: nothing works from then on */
    size_t payload_bytes;
    size_t segment_bytes;
    uint32_t slot_count; /* segments made, or mapped so far */
    uint32_t slots;
    uint64_t begun; /* frames committed, or acquired */
    uint64_t ended; /* frames known to be released, or released */
    uint32_t next;  /* the slot of the next frame; the consumer's guess of it */
    /* Producer. */
    uint32_t limit;
    bool reserved;
    bool sending; /* a commit answered ST_AGAIN */
    /* Consumer. */
    uint32_t max_held;
    uint32_t owed_frames;    /* released, but the credit could not be sent yet */
    struct memfd_slot *pool; /* `slots` of them */
};

extern const struct transport transport_memfd;

/* memfd_setup.c: probe, create and attach of transport.h. */
enum status memfd_probe(struct err *err);
enum status memfd_transport_create(const struct transport_config *config,
                                   struct endpoint **endpoint, struct transport_address *address,
                                   struct err *err);
enum status memfd_transport_attach(const struct transport_config *config,
                                   struct transport_address *address, struct endpoint **endpoint,
                                   struct err *err);

#endif
