/* transport.h: how bytes cross an edge between two roles.
 *
 * A transport is one file in this folder that defines `const struct transport transport_<key>`, and
 * one line in registry.def; `handoff list`, the scenarios, the conformance suite and ctest find it
 * from there. skeleton.c is a commented start. A transport never waits and never includes wait/: it
 * says what to wait on and returns ST_AGAIN; run/wait_loop.c joins it with a wait strategy.
 *
 * One process creates an endpoint and the other attaches to it, with the opaque address that the
 * runner relays. Each endpoint is used by one thread of one process.
 */
#ifndef HANDOFF_TRANSPORT_H
#define HANDOFF_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "harness/base/shm.h"
#include "harness/base/source.h"

struct gpu;

enum policy {
    POLICY_BLOCK = 1 << 0,  /* nothing is lost; the producer waits for a slot */
    POLICY_LATEST = 1 << 1, /* a newer frame replaces one not yet taken; the producer never waits */
};

enum direction {
    DIRECTION_WRITE, /* the producer's side: waits for room */
    DIRECTION_READ,  /* the consumer's side: waits for frames */
};

enum transport_flags {
    /* commit can send from the producer's own source buffer, so that fill `copy` needs no copy into
     * a slot first: the role points frame.header and frame.payload at its buffer before commit. */
    TRANSPORT_SENDS_SOURCE = 1 << 0,
    /* commit or acquire move the payload's bytes, so `handoff` (the wait's own cost) is
     * undefined. */
    TRANSPORT_MOVES_BYTES = 1 << 1,
    /* No payload reaches the consumer: only kernel `none` and fill `header` make sense. */
    TRANSPORT_NO_PAYLOAD = 1 << 2,
    /* Payloads lie in device memory: frames have a device_payload and no payload. Needs
     * config.gpu, access `device` and fill `gpu` (or `copy`, which uploads). Headers lie in host
     * control memory. */
    TRANSPORT_DEVICE_MEMORY = 1 << 3,
    /* Frames lie in host memory that the consumer may register: `memory` exists. */
    TRANSPORT_HOST_MEMORY = 1 << 4,
    /* A frame moves in parts: commit and acquire answer ST_AGAIN with progress_bytes in between.
     * Without it a frame is taken and given whole. */
    TRANSPORT_STREAMS = 1 << 5,
    /* What one side commits or releases reaches the other some time later, through another thread,
     * process or the network: ST_AGAIN right after it is no error. */
    TRANSPORT_DELAYS = 1 << 6,
    /* With TRANSPORT_SENDS_SOURCE: the source buffer stays lent after commit, until the frame has
     * been released. A role rotates at least one buffer more than there are slots. */
    TRANSPORT_BORROWS_SOURCE = 1 << 7,
    /* Every wait source, whatever its kind, also has a native_wait (wait `native`). */
    TRANSPORT_NATIVE_WAIT = 1 << 8,
    /* A library's own threads work for it, and end with destroy, or idle until the process ends;
     * where they run is the axis `library_threads`. Its library may keep descriptors and memory
     * after the last destroy, and is not used on both sides of a fork. */
    TRANSPORT_OWN_THREADS = 1 << 9,
    /* A peer that was killed is not noticed here, only one that hung up: the runner tells. */
    TRANSPORT_DEATH_UNSEEN = 1 << 10,
    /* The two sides may be on two hosts: config.listen is obeyed. */
    TRANSPORT_CROSSES_HOSTS = 1 << 11,
    /* RouDi, the daemon of iceoryx, must run before an endpoint is made, with a mempool for the
     * frames (transports/roudi.h): the session has the guard run one of its own. */
    TRANSPORT_NEEDS_ROUDI = 1 << 12,
};

/* How work on a frame is ordered between the two processes (axis `order`). */
enum order {
    ORDER_HOST,  /* a role waits for its own GPU work, then commits or releases */
    ORDER_EVENT, /* it records an interprocess event behind its work and commits or releases at once;
                  * the other's stream waits for the event. Device-memory transports, policy block. */
};

/* The host memory of an endpoint, as this process maps it: all slots and both doorbells, in whole
 * pages. Valid until destroy. */
struct transport_memory {
    void *bytes;
    size_t size_bytes;
};

/* Where an edge to another host is made, and who may come (TRANSPORT_CROSSES_HOSTS). */
#define TRANSPORT_TOKEN_BYTES 32
struct transport_listen {
    /* the numeric address of this host to listen on; the other side connects to it */
    char host[64];
    /* Only who shows this is let in; anybody else gets nothing. The address carries it to attach,
     * over a channel whose both ends have proved who they are. */
    uint8_t token[TRANSPORT_TOKEN_BYTES];
};

/* What an edge must carry. The same on both sides, but for `listen`. */
struct transport_config {
    size_t payload_bytes;   /* of every frame; 0 with fill `header`; up to FRAME_PAYLOAD_MAX */
    uint32_t slots;         /* frames that may be committed and not yet released, 1 to 1024 */
    uint32_t max_in_flight; /* 0: as many as slots; 1: ping-pong, reserve answers ST_AGAIN until the
                             * previous frame is released by the consumer */
    uint32_t max_held;      /* frames the consumer may hold at once, at least 1 */
    enum policy policy;
    enum order order;
    enum shm_pages pages; /* of the host memory it makes; for both sides */
    struct gpu *gpu;      /* the role's; NULL unless TRANSPORT_DEVICE_MEMORY */
    /* create: the other side is on another host; NULL: on this one. attach does not look at it. */
    const struct transport_listen *listen;
    /* Where the 64-bit count of frames starts: 0 in measurements; tests start it near 2^31 or 2^32
     * to see words wrap around. */
    uint64_t first_sequence;
};

#define TRANSPORT_ADDRESS_BYTES 4096
#define TRANSPORT_ADDRESS_FDS 4

/* What the attaching side needs: opaque bytes and open descriptors. The creator fills it and owns
 * the descriptors until transport_address_close; in the other process they are new descriptors,
 * which `attach` takes over (also when it fails). */
struct transport_address {
    uint8_t bytes[TRANSPORT_ADDRESS_BYTES];
    uint32_t byte_count;
    int fds[TRANSPORT_ADDRESS_FDS];
    uint32_t fd_count;
};

/* Closes the descriptors still owned by an address and empties it. Safe on a zeroed one. */
void transport_address_close(struct transport_address *address);

/* Counted by one endpoint from what really ran. */
struct transport_counters {
    /* Producer: frames that policy latest replaced before the consumer took them. */
    uint64_t skipped_frames;
    /* Payload bytes that were copied on this side: by the transport itself, by its library, or by
     * the kernel for them (send, recv); each copy counts once. 0 where a commit moves none. With
     * the fill's own, this gives copies_per_frame of a cell. */
    uint64_t copied_bytes;
};

/* One side of an edge; each transport has its own. */
struct endpoint;

struct transport {
    const char *name;    /* registry key, equal to the file's stem */
    const char *summary; /* one line for `handoff list` */
    /* What copies a frame's bytes on the way, for reports, as one clause each: "send() into the
     * kernel, recv() out of it". NULL: nothing does. */
    const char *copies;
    unsigned flags;     /* enum transport_flags */
    unsigned sources;   /* the enum source_kind values that wait_source may return */
    unsigned policies;  /* the enum policy values it has */
    uint32_t slots_min; /* smallest `slots` for policy block (latest needs max_held + 2) */
    uint32_t slots_max;
    /* Is it usable on this machine? ST_OK, or ST_UNAVAILABLE with the reason and what would help.
     * Must not leave anything behind. Called by the runner: never touches a GPU. */
    enum status (*probe)(struct err *err);

    /* Makes the producer's endpoint and the address of the other side. May block for as long as
     * allocating and touching every page of the mapping takes. The caller owns *endpoint (destroy)
     * and *address (transport_address_close). Errors: ST_INVALID for a config it cannot carry,
     * ST_UNAVAILABLE, ST_SYSTEM, ST_NO_MEMORY. */
    enum status (*create)(const struct transport_config *config, struct endpoint **endpoint,
                          struct transport_address *address, struct err *err);

    /* Makes the consumer's endpoint from an address; touches every page of its own mapping. Takes
     * over the address's descriptors, also when it fails. May block as create does and, where there
     * is a connection to make, until the other side has let it in (some seconds at most). The
     * caller owns *endpoint (destroy). Validates what it is given against the real size of the
     * segment: a wrong or truncated address is ST_CORRUPT, never a fault. Other errors as those of
     * create. */
    enum status (*attach)(const struct transport_config *config, struct transport_address *address,
                          struct endpoint **endpoint, struct err *err);

    /* Producer. A frame to fill: header and payload point to memory that the transport lends until
     * commit. ST_AGAIN while all slots are taken (or max_in_flight reached); ST_PEER_GONE once the
     * consumer has hung up, noticed at the latest when the slots are used up (looking earlier would
     * cost a cache line or a system call per frame). ST_INVALID after hang_up. Sets *frame wholly
     * on ST_OK and leaves it alone otherwise. Calling reserve twice without a commit returns the
     * same frame. Never blocks, never allocates. */
    enum status (*reserve)(struct endpoint *endpoint, struct frame *frame, struct err *err);

    /* Producer. Publishes the frame that reserve returned; its bytes are visible to the consumer
     * before the news of it is. ST_AGAIN: partly sent, call again with the same frame, unchanged,
     * when wait_source(WRITE) says so. ST_PEER_GONE: not published. Without a reserved frame:
     * ST_INVALID. Never blocks, never allocates. */
    enum status (*commit)(struct endpoint *endpoint, struct frame *frame, struct err *err);

    /* Consumer. The next frame (block: in order, none missing; latest: the newest, older ones are
     * skipped). ST_AGAIN: nothing yet, or partly received (frame->progress_bytes > 0): call again
     * with the same frame. ST_PEER_GONE: the producer hung up and nothing is left. ST_INVALID: more
     * than max_held are held. Start each new frame from a zeroed `struct frame`. Never blocks,
     * never allocates. */
    enum status (*acquire)(struct endpoint *endpoint, struct frame *frame, struct err *err);

    /* Consumer. Gives an acquired frame back; frames are released in the order they were acquired.
     * A frame that is not held (released twice): ST_INVALID, and nothing changes. ST_AGAIN: the
     * return path is full, call again when wait_source(READ) says so. Never blocks, never
     * allocates. */
    enum status (*release)(struct endpoint *endpoint, struct frame *frame, struct err *err);

    /* What to wait on after ST_AGAIN in `direction`, and, for WORD sources, whose bell this side
     * rings when it has made progress in the other direction. Never fails.
     * wait_source(READ) on the consumer: news of frames; on the producer the same object, to
     * notify. wait_source(WRITE) on the producer: news of room; on the consumer the same, to
     * notify. */
    void (*wait_source)(struct endpoint *endpoint, enum direction direction,
                        struct wait_source *source);

    /* The host memory to register for the GPU, once: whole pages, which hold every header and
     * payload that this side lends, and its doorbells where they are words. A device-memory
     * transport's is its control memory. NULL for a transport whose frames the GPU never sees.
     * Never fails. */
    void (*memory)(struct endpoint *endpoint, struct transport_memory *memory);

    /* Either side, policy block: the frame as it will lie in slot `slot`, whatever is in it now,
     * for work that is enqueued before the frame is there (waits gpu_stream and gpu_kernel). Frame
     * number n of the edge, counted from 0 whatever first_sequence is, lies in slot n % slots.
     * sequence and progress_bytes are 0. NULL where slots have no fixed place. Never fails. */
    void (*slot)(struct endpoint *endpoint, uint32_t slot, struct frame *frame);

    /* What this side has counted so far. */
    void (*counters)(const struct endpoint *endpoint, struct transport_counters *counters);

    /* Says that this side sends or takes no more: the other side drains what is there and then gets
     * ST_PEER_GONE. Does not wake sleepers: the role notifies. Idempotent; never blocks. */
    void (*hang_up)(struct endpoint *endpoint);

    /* Hangs up if that was not done and frees everything of this side. May block until what was
     * committed has left (TRANSPORT_DELAYS), a few seconds at most. Safe on NULL and on an endpoint
     * of which only half was built. */
    void (*destroy)(struct endpoint *endpoint);
};

/* The registry, in the order of registry.def. transport_find returns NULL for an unknown name. */
extern const struct transport *const transport_registry[];
extern const size_t transport_registry_count;
const struct transport *transport_find(const char *name);

#endif
