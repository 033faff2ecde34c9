/* roudi.h: RouDi, the daemon that every program of iceoryx needs beside it, as seen from outside.
 *
 * RouDi owns the shared memory and introduces publishers to subscribers; no frame passes through
 * it. Its names are fixed (a socket and locks in /tmp, segments in /dev/shm), so that a machine has
 * one at most. Used by iceoryx.c, which must not be without one, and by harness/run/roudi_daemon.c,
 * which runs one and must never meet another. Needs no library of iceoryx.
 */
#ifndef HANDOFF_TRANSPORTS_ROUDI_H
#define HANDOFF_TRANSPORTS_ROUDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transports/config.h"

#define ROUDI_PROGRAM "iox-roudi"
#define ROUDI_SOCKET "/tmp/roudi"
#define ROUDI_SOCKET_LOCK "/tmp/roudi.lock"
/* Taken by flock before anything else is made, and held. */
#define ROUDI_LOCK "/tmp/iox-unique-roudi.lock"
#define ROUDI_SHM_FOLDER "/dev/shm"
#define ROUDI_MANAGEMENT "/dev/shm/iceoryx_mgmt"
/* A process of ours is known to RouDi as this and its number; iceoryx keeps a socket and a lock of
 * that name in /tmp for it, which stay behind when it is killed. */
#define ROUDI_CLIENT_PREFIX "handoff-iceoryx-"
/* Set in processes of the tests that run under a RouDi of their own: roudi_probe lets it pass. */
#define ROUDI_OURS_VARIABLE "HANDOFF_ROUDI_IS_OURS"

/* One of RouDi's mempools: a loan gets a chunk from the first one whose chunks are large enough. */
struct roudi_pool {
    uint32_t chunk_bytes;
    uint32_t chunk_count;
};

/* Credits and goodbyes. */
#define ROUDI_SMALL_BYTES 256

/* What a chunk must have room for to hold a slot whose header and payload begin on pages. */
static inline uint32_t roudi_frame_bytes(size_t payload_bytes)
{
    /* Chunks begin anywhere: up to a page is lost until the next page begins. */
    return (uint32_t)(transport_slot_bytes(payload_bytes) + TRANSPORT_PAGE_BYTES + 128);
}
/* The frames under way, the one that the publisher keeps for its next loan, and a goodbye. */
static inline uint32_t roudi_frame_count(uint32_t slots)
{
    return slots + 2;
}
/* Each side's small messages: at most one for each slot unread, and the few on their way. */
static inline uint32_t roudi_small_count(uint32_t slots)
{
    return 2 * slots + 16;
}

/* Does any RouDi take messages on this machine, also one of another user's? Does not disturb it. */
bool roudi_runs(void);

/* RouDi can be started here: its program is on PATH, none runs yet, and /dev/shm has room for what
 * it always takes. ST_UNAVAILABLE with the reason. Leaves nothing behind. */
enum status roudi_probe(struct err *err);

#endif
