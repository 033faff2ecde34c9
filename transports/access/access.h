/* access.h: how a kernel reaches the bytes of an acquired frame.
 *
 * An access is one file in this folder that defines `const struct access access_<key>` and one line
 * in registry.def. It stands between acquire and the kernel. `host` hands the frame on as it is, to
 * kernels on the CPU; all others bring it under kernels on the GPU, whose address they put into the
 * frame's device_payload. An access without an enqueue step is zero-copy.
 *
 * Every access works with every host-memory transport: it knows nothing of them but the memory to
 * register (`struct transport_memory`).
 */
#ifndef HANDOFF_ACCESS_H
#define HANDOFF_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "transports/transport.h"

struct gpu;
struct gpu_stream;
struct access_state;

struct access_config {
    struct geometry geometry;
    size_t payload_bytes;
    uint32_t slots;
    uint32_t depth;          /* frames in flight at once, at least 1: as many device buffers */
    bool register_per_frame; /* register and unregister around each frame instead of once */
    struct gpu *gpu;         /* NULL for `host` */
    struct transport_memory memory; /* of the endpoint; {NULL, 0} for `host` and device memory */
};

enum access_flags {
    ACCESS_DEVICE = 1 << 0, /* for frames that a TRANSPORT_DEVICE_MEMORY brings, and only those */
    ACCESS_REGISTERS = 1 << 1, /* so that register_per_frame means something */
    /* enqueue does nothing on the CPU but put work on the stream, so it may be called for a slot
     * before its frame is there (wait gpu_stream). */
    ACCESS_AHEAD = 1 << 2,
    /* The GPU writes to the very bytes of the slot; else a writing kernel changes a copy. */
    ACCESS_IN_PLACE = 1 << 3,
    /* The frame is in managed memory: where that changes hands (gpu.h), nothing but work on the
     * stream that was given to enqueue may touch it. */
    ACCESS_MANAGED = 1 << 4,
};

struct access {
    const char *name;
    const char *summary;
    bool needs_gpu;
    unsigned flags; /* enum access_flags */

    /* ST_OK, or ST_UNAVAILABLE with the reason. Never touches a GPU in the runner's process
     * (gpu/capability.h asks others). */
    enum status (*probe)(struct err *err);
    /* Registers, allocates, touches. May block. The caller closes. */
    enum status (*open)(const struct access_config *config, struct access_state **state,
                        struct err *err);

    /* Zero-copy: sets out->device_payload for `in` (the rest is `in`'s). Pointer arithmetic, and
     * with register_per_frame the registration (until `finish`). ST_INVALID for a frame that lies
     * outside of config.memory. NULL where there is an enqueue step, and for `host`, whose frames
     * need nothing. */
    enum status (*locate)(struct access_state *state, const struct frame *in, struct frame *out,
                          struct err *err);
    /* NULL for zero-copy. Otherwise starts making `in` readable for the kernel that is enqueued on
     * `stream` next, and sets *out to the frame the kernel shall use; adds the payload copies it
     * made to *copies. Never allocates. */
    enum status (*enqueue)(struct access_state *state, const struct frame *in, struct frame *out,
                           struct gpu_stream *stream, unsigned *copies, struct err *err);
    /* The kernel on frame `out` is done, and `out` is not needed any more: undoes what belongs to
     * one frame (register_per_frame; managed memory goes back to the CPU). NULL where there is
     * nothing of the kind. Frames finish in the order in which they were enqueued. */
    enum status (*finish)(struct access_state *state, const struct frame *out, struct err *err);

    /* The GPU's address of any host byte of config.memory, for doorbells (waits gpu_stream and
     * gpu_kernel). NULL where the access does not register it: then the role does so itself. With
     * register_per_frame it answers NULL, since nothing is registered for good. */
    void *(*address)(const struct access_state *state, const void *host);

    /* Nanoseconds that open took for registering: reported apart from any frame. NULL: none. */
    uint64_t (*registration_ns)(const struct access_state *state);

    /* Safe on NULL. */
    void (*close)(struct access_state *state);
};

/* The registry, in the order of registry.def. access_find returns NULL for an unknown name. */
extern const struct access *const access_registry[];
extern const size_t access_registry_count;
const struct access *access_find(const char *name);

#endif
