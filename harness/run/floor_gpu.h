/* floor_gpu.h: what the GPU can do at best: the limits that a frame on the GPU is held against.
 *
 * The runner never touches CUDA, so a child does the measuring (`handoff --role gpu-floor`),
 * watched and with a deadline, and a second one (`gpu-floor-peer`) is there for the figure that
 * needs two processes. What a child has measured before it fails or hangs is kept. Called by
 * run_floor.c and the `floor` command, beside measure/floor.h; floor_gpu*.c is all of it.
 *
 *   runner → role   setup    CPU, frame sizes, budget; descriptor: struct floor_gpu_turns
 *   role → runner   figures  all there are so far, after each part
 *   role → runner   alone    what needs one process is done
 *   peer → runner   ready
 *   runner → role   go       the peer is there: take turns
 *   role → runner   finished, or at any time error
 */
#ifndef HANDOFF_RUN_FLOOR_GPU_H
#define HANDOFF_RUN_FLOOR_GPU_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/measure/floor.h"
#include "harness/run/role.h"

/* A median, and of how many; NAN and 0 where it could not be had. */
struct floor_gpu_figure {
    double p50_ns;
    uint32_t count;
};

/* Frames of one size, one behind the other, over more memory than the GPU's L2 cache holds: the
 * time of one frame in a long batch, so that starting and waiting are in it only once per batch. */
struct floor_gpu_size {
    size_t bytes;
    struct floor_gpu_figure device_copy; /* from device memory to device memory */
    struct floor_gpu_figure mapped_read; /* kernel `checksum` over registered host memory */
    struct floor_gpu_figure host_copy;   /* from registered host memory to device memory */
    struct floor_gpu_figure fill_invert; /* the kernels `fill` and `invert`, in device memory */
};

#define FLOOR_GPU_WARNINGS_MAX 8

struct floor_gpu {
    char device[256];
    /* an empty kernel, from the launch until it is known to be done */
    struct floor_gpu_figure launch;
    /* and until a word in host memory says so, which it writes: sync flag; older floors lack it */
    struct floor_gpu_figure launch_word;
    struct floor_gpu_figure flag;          /* a resident kernel sees a host flag and answers */
    struct floor_gpu_figure stream_values; /* a stream waits for a host word and writes another */
    /* A turn of two processes that take turns on the GPU, each with an empty kernel. */
    struct floor_gpu_figure turn;
    struct floor_gpu_size sizes[FLOOR_SIZES_MAX];
    size_t size_count;
    char warnings[FLOOR_GPU_WARNINGS_MAX][FLOOR_WARNING_BYTES]; /* what could not be had, and why */
    size_t warning_count;
};

/* What the GPU's change from one process to the other adds to a turn: `turn` less `launch`, 0 at
 * least; NAN without both. */
double floor_gpu_switch_ns(const struct floor_gpu *floor);

struct floor_gpu_config {
    struct floor_cpus cpus; /* of the role and its peer; -1: not pinned */
    size_t sizes_bytes[FLOOR_SIZES_MAX];
    size_t size_count;
    uint64_t budget_ns;  /* without starting the driver; 0: FLOOR_GPU_BUDGET_NS */
    uint64_t silence_ns; /* for tests; 0: FLOOR_GPU_START_NS, then FLOOR_GPU_SILENCE_NS */
};
#define FLOOR_GPU_BUDGET_NS 2500000000u

/* Starts the children and reads what they say. ST_OK: *out holds what could be had, with warnings
 * for the rest. Otherwise there is nothing, and *out is as it was: ST_UNAVAILABLE with the exact
 * reason where there is no GPU to use, ST_ROLE_DIED or ST_TIMEOUT for a child that came to nothing.
 * Blocks for the budget and as long as CUDA takes to start, twice; a child that says nothing for
 * FLOOR_GPU_START_NS, and once it has begun for FLOOR_GPU_SILENCE_NS, is killed. */
enum status floor_gpu_measure(const struct floor_gpu_config *config, struct floor_gpu *out,
                              struct err *err);
#define FLOOR_GPU_START_NS 30000000000u
#define FLOOR_GPU_SILENCE_NS 8000000000u

/* Member `gpu` of a result's floor (results/README.md), without the warnings; NULL when out of
 * memory. And its inverse, which trusts nothing: ST_CORRUPT. */
cJSON *floor_gpu_to_json(const struct floor_gpu *floor);
enum status floor_gpu_from_json(const cJSON *json, struct floor_gpu *out, struct err *err);

/* The lives of the two children. */
enum status floor_gpu_main(struct role *role, struct err *err);
enum status floor_gpu_peer_main(struct role *role, struct err *err);

#endif
