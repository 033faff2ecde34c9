/* handoff_edge.h: what a role in another language needs of handoff, beside handoff_frames.h: one
 * side of an edge whose segment and descriptors the runner relays, and the figures that both roles
 * must have alike (source frames, tags, schedule). Used by transports/python/handoff/role. Not
 * installed: it changes with the program, and a role checks handoff_edge_version.
 *
 * The transport is the C one, called through its own verbs and run/wait_loop.c: what is measured in
 * Python is Python's own cost on top.
 */
#ifndef HANDOFF_EDGE_H
#define HANDOFF_EDGE_H

#include "transports/frames/handoff_frames.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HANDOFF_EDGE_VERSION 1
HANDOFF_API uint32_t handoff_edge_version(void);

struct handoff_edge_config {
    uint64_t payload_bytes;
    uint32_t slots;
    uint32_t max_in_flight; /* 1 in ping-pong, else 0 */
    uint32_t max_held;
    int32_t policy;            /* enum handoff_policy */
    int32_t order;             /* 0 host, 1 event */
    int32_t pages;             /* 0 normal, 1 thp, 2 hugetlb */
    const char *transport;     /* shm; cuda_ipc, cuda_vmm, cuda_pool in a library built with CUDA */
    const char *wait;          /* the consumer's, as in a scenario: "poll:100" */
    const char *producer_wait; /* the producer's for free slots */
};

#define HANDOFF_EDGE_ADDRESS_BYTES 4096
#define HANDOFF_EDGE_FDS 4
/* The edge's address as the runner relays it: opaque bytes, the transport's descriptors, and the
 * wait's descriptor, or -1, of each direction in the order of the message's "wait_fds" (enum
 * direction): 0 the producer's wait for free slots, 1 the consumer's for frames. */
struct handoff_edge_address {
    uint32_t byte_count;
    uint32_t fd_count;
    int32_t fds[HANDOFF_EDGE_FDS];
    int32_t wait_fds[2];
    uint8_t bytes[HANDOFF_EDGE_ADDRESS_BYTES];
};

typedef struct handoff_edge handoff_edge;

/* The producer's side. *address: its descriptors are the edge's own, valid until it is closed; the
 * caller sends them. */
HANDOFF_API int handoff_edge_create(const struct handoff_edge_config *config, handoff_edge **edge,
                                    struct handoff_edge_address *address,
                                    struct handoff_error *error);
/* The consumer's. Takes over all descriptors of the address, also when it fails. */
HANDOFF_API int handoff_edge_attach(const struct handoff_edge_config *config,
                                    const struct handoff_edge_address *address, handoff_edge **edge,
                                    struct handoff_error *error);
/* The whole mapping that holds the slots, for registering and for mmap-like habits. */
HANDOFF_API uint8_t *handoff_edge_memory(handoff_edge *edge, uint64_t *size_bytes);
/* A new descriptor of the segment, the caller's to close; -1 where there is none. */
HANDOFF_API int handoff_edge_segment_fd(handoff_edge *edge);

/* Opens the GPU in this process, once and until it ends: before an edge of a transport of device
 * memory is created or attached. `sync`: how its calls wait, by enum gpu_sync of gpu.h; the context
 * is the device's primary one, which CuPy and PyTorch use as well. Takes up to seconds.
 * HANDOFF_UNAVAILABLE without a GPU, or in a library built without CUDA. */
HANDOFF_API int handoff_edge_gpu_open(int32_t sync, struct handoff_error *error);

/* A frame as the edge lends it. device_pixels: where the GPU reaches them, or NULL. */
struct handoff_edge_frame {
    uint8_t *header;
    uint8_t *pixels;
    uint8_t *device_pixels;
    uint64_t pixel_bytes;
    uint64_t sequence;
    uint32_t slot;
    uint32_t reserved;
};

/* The frame as it lies in slot `slot`, whatever is in it now: for views made once per slot.
 * HANDOFF_UNAVAILABLE for a transport whose slots have no fixed place. */
HANDOFF_API int handoff_edge_slot(handoff_edge *edge, uint32_t slot,
                                  struct handoff_edge_frame *frame);

/* The transport's verbs with the edge's waits; they wait until deadline_ns (CLOCK_MONOTONIC),
 * without slices: the runner ends a role whose peer died. stamps_ns[0]: when the wait began, [1]:
 * when it returned with news (run/wait_loop.h), both stamped in here, on CLOCK_MONOTONIC. */
HANDOFF_API int handoff_edge_reserve(handoff_edge *edge, uint64_t deadline_ns,
                                     struct handoff_edge_frame *frame, struct handoff_error *error);
HANDOFF_API int handoff_edge_commit(handoff_edge *edge, uint64_t deadline_ns,
                                    struct handoff_error *error);
HANDOFF_API int handoff_edge_acquire(handoff_edge *edge, uint64_t deadline_ns,
                                     struct handoff_edge_frame *frame, uint64_t stamps_ns[2],
                                     struct handoff_error *error);
HANDOFF_API int handoff_edge_release(handoff_edge *edge, uint64_t deadline_ns,
                                     struct handoff_error *error);
/* Wakes the other role after a commit or a release; does nothing where nobody needs it. */
HANDOFF_API void handoff_edge_notify(handoff_edge *edge);
HANDOFF_API void handoff_edge_counters(const handoff_edge *edge, uint64_t *skipped_frames,
                                       uint64_t *copied_bytes);
/* Says that this side is done and wakes the other; then frees. Both safe on NULL. */
HANDOFF_API void handoff_edge_hang_up(handoff_edge *edge);
HANDOFF_API void handoff_edge_free(handoff_edge *edge);

/* ---- What both roles must have alike (harness/base/frame.h, harness/run/schedule.h) ---------- */
HANDOFF_API void handoff_source_fill(uint8_t *pixels, uint64_t pixel_bytes, uint64_t seed,
                                     uint32_t index);
HANDOFF_API uint64_t handoff_frame_tag(int32_t frame_id);
HANDOFF_API void handoff_frame_tags_write(uint8_t *pixels, uint64_t pixel_bytes, int32_t frame_id);
/* 1 when `samples` of the tags are those of frame_id. */
HANDOFF_API int handoff_frame_tags_check(const uint8_t *pixels, uint64_t pixel_bytes,
                                         int32_t frame_id, uint32_t samples);
/* The checksum that a tagged frame must have, from that of its source content. */
HANDOFF_API uint64_t handoff_frame_checksum_tagged(uint64_t untagged, uint64_t pixel_bytes,
                                                   int32_t frame_id);
HANDOFF_API uint64_t handoff_frame_checksum(const uint8_t *pixels, uint64_t pixel_bytes);
/* When each of `frames` frames falls due, in ns from the start; pacing and phase as in a scenario
 * ("rate:30", "poisson:30"; "fixed", "random"). HANDOFF_INVALID for a pacing without a schedule. */
HANDOFF_API int handoff_schedule(const char *pacing, const char *phase, uint32_t frames,
                                 uint64_t seed, uint64_t *offsets_ns, struct handoff_error *error);

#ifdef __cplusplus
}
#endif

#endif
