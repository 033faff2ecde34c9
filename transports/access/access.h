/* access.h: how a kernel reaches the bytes of an acquired frame.
 *
 * An access is one file in this folder that defines `const struct access access_<key>` and one line
 * in registry.def. It stands between acquire and the kernel: `host` hands the frame on as it is;
 * others register, copy or import. An access without an enqueue step is zero-copy.
 */
#ifndef HANDOFF_ACCESS_H
#define HANDOFF_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/frame.h"

struct gpu_stream;
struct access_state;

struct access_config {
    struct geometry geometry;
    size_t payload_bytes;
    uint32_t slots;
};

struct access {
    const char *name;
    const char *summary;
    bool needs_gpu;

    /* ST_OK, or ST_UNAVAILABLE with the reason. Never touches a GPU in the runner's process. */
    enum status (*probe)(struct err *err);
    enum status (*open)(const struct access_config *config, struct access_state **state,
                        struct err *err);

    /* NULL for zero-copy. Otherwise starts making `in` readable for the kernel and sets *out to the
     * frame the kernel shall use; adds the payload copies it made to *copies. Never blocks. */
    enum status (*enqueue)(struct access_state *state, const struct frame *in, struct frame *out,
                           struct gpu_stream *stream, unsigned *copies);
    /* NULL when enqueue finishes at once. ST_OK or ST_AGAIN. */
    enum status (*poll_done)(struct access_state *state);

    /* Safe on NULL. */
    void (*close)(struct access_state *state);
};

extern const struct access *const access_registry[];
extern const size_t access_registry_count;
const struct access *access_find(const char *name);

#endif
