/* kernel.h: the work a consumer does on a frame.
 *
 * A kernel is one file in this folder that defines `const struct kernel kernel_<key>` (its CPU
 * form, which is also the reference its GPU form is tested against) and one line in registry.def.
 * Kernels are asynchronous: enqueue starts the work on a stream and poll_done says whether it has
 * ended; on the CPU the work is over when enqueue returns.
 */
#ifndef HANDOFF_KERNEL_H
#define HANDOFF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "kernels/launch.h"

enum kernel_flags {
    KERNEL_READS_PAYLOAD = 1 << 0,  /* needs a payload: not applicable to fill `header` */
    KERNEL_WRITES_PAYLOAD = 1 << 1, /* changes the frame in place */
    KERNEL_INVERTS = 1 << 2,        /* afterwards every payload byte is its complement */
    KERNEL_CHECKSUM = 1 << 3,       /* its result value is the checksum of every payload byte */
    KERNEL_READS_ALL = 1 << 4,      /* no byte is left out: it takes a read of the whole payload */
};

struct kernel_config {
    struct geometry geometry;
    size_t payload_bytes;
};

struct kernel_result {
    uint64_t value; /* the checksum with KERNEL_CHECKSUM; otherwise 0 */
};

/* One consumer's use of a kernel: its output buffers and tables. */
struct kernel_state;

struct kernel {
    const char *name;
    const char *summary;
    unsigned flags; /* enum kernel_flags */
    /* Its GPU form, which the consumer enqueues itself (launch.h) where the access is the GPU's;
     * open, enqueue, poll_done and close are the CPU's. */
    enum launch_kind gpu_kind;

    /* ST_OK, or ST_UNAVAILABLE with the reason: the CPU form on this machine. Never touches a
     * GPU. */
    enum status (*probe)(struct err *err);

    /* Allocates and touches whatever the kernel needs for frames of this config. ST_INVALID when
     * the geometry does not suit it (`preprocess` wants 1, 3 or 4 channels). The caller closes. */
    enum status (*open)(const struct kernel_config *config, struct kernel_state **state,
                        struct err *err);

    /* Starts the work on a frame; the frame stays untouched by others until done. On the CPU
     * `stream` is NULL and the work is over on return. ST_AGAIN, and the frame untouched: as many
     * results as KERNEL_PENDING_MAX wait to be asked for. Never allocates. */
    enum status (*enqueue)(struct kernel_state *state, const struct frame *frame,
                           struct gpu_stream *stream);

    /* ST_OK with *result once the oldest enqueued frame is finished, else ST_AGAIN. */
    enum status (*poll_done)(struct kernel_state *state, struct kernel_result *result);

    /* Safe on NULL. */
    void (*close)(struct kernel_state *state);
};

/* The registry, in the order of registry.def. kernel_find returns NULL for an unknown name. */
extern const struct kernel *const kernel_registry[];
extern const size_t kernel_registry_count;
const struct kernel *kernel_find(const char *name);

#endif
