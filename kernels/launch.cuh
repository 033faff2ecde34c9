/* launch.cuh: what the launch_*.cu share: the project's C headers, sizes, and the launcher. */
#ifndef HANDOFF_KERNELS_LAUNCH_CUH
#define HANDOFF_KERNELS_LAUNCH_CUH

extern "C" {
#include "harness/base/doorbell.h"
#include "harness/base/frame_mix.h"
#include "kernels/launch.h"
#include "kernels/launch_tuning.h"
#include "kernels/preprocess.h"
}

/* Threads of a block; PREPROCESS, NOTHING and CHECK have fewer. */
#define LAUNCH_THREADS 256
#define LAUNCH_THREADS_MAX 1024
#define LAUNCH_THREADS_PIXELS 256
#define LAUNCH_THREADS_FEW 32
#define PREPROCESS_PIXELS (PREPROCESS_SIZE * PREPROCESS_SIZE)

/* Blocks on each multiprocessor for whole frames. All are on the device at once, so that no
 * half-empty round comes last, and half of the threads' room stays for another process's kernel
 * beside. 1024 threads with LAUNCH_LOADS loads of 16 bytes each under way are 64 KB on a
 * multiprocessor, while 30 KB would cover the latency of an H200's memory. There, of 2 to 6 blocks of
 * 256, 1 to 3 of 512 and 1 of 1024 this is the fastest at 4K; 8 loads instead of 4 cost half a
 * microsecond a frame, and so does caching what nobody in this kernel reads again. */
#define LAUNCH_BLOCKS_EACH 4
#define LAUNCH_LOADS 4
/* The same of a resident kernel, which takes its room for as long as it lives. */
#define LAUNCH_RESIDENT_BLOCKS_EACH 2
#define LAUNCH_BLOCKS_MAX 4096
#define LAUNCH_SLOTS_MAX 1024

/* One launcher's device memory. Words that all blocks add to have lines of their own; the first three
 * are 0 between kernels. */
struct scratch {
    /* Finished blocks in the upper 16 bits; below, the sum of the shares' low 32 bits, or of their
     * torn tags. */
    alignas(128) uint64_t finished;
    alignas(128) uint64_t finished_high; /* the same with the shares' high 32 bits */
    alignas(128) uint64_t begin_ns;      /* from block 0 to the last one */
    /* Resident: frames announced by block 0, or RESIDENT_END; frames reported. */
    alignas(128) uint32_t announced;
    alignas(128) uint32_t completed;
    /* For the launches that load the kernels: not 0, and a frame. */
    alignas(128) uint32_t abandon;
    alignas(128) uint8_t payload[FRAME_TAG_STRIDE];
};

struct launcher {
    struct gpu *gpu;
    struct scratch *scratch; /* device memory */
    uint32_t multiprocessors;
    int compute_major;
    uint32_t threads; /* of the kinds that work on whole frames */
    uint32_t blocks_each;
    uint32_t variant;                       /* launch_tuning.h */
    bool cooperative;                       /* the device has cooperative launches */
    uint32_t resident_blocks[LAUNCH_KINDS]; /* as many as fit at once, or fewer */
};

/* What the work needs to know, as a kernel's parameter. */
struct job {
    uint8_t *payload;
    uint64_t payload_bytes;
    uint64_t tag; /* what the tags must be, or (FILL) become */
    uint64_t key; /* FILL: frame_mix_content_key */
    struct geometry geometry;
    float *output; /* PREPROCESS, and value * scale + offset of each plane */
    float scale[PREPROCESS_PLANES_MAX];
    float offset[PREPROCESS_PLANES_MAX];
};

/* ST_UNAVAILABLE where the binary has no kernel for the device, otherwise ST_SYSTEM. */
enum status launch_fail(struct err *err, cudaError_t error, const char *what);

/* Threads of a block, of `most` where the kind works on whole frames. */
static inline uint32_t launch_threads(enum launch_kind kind, uint32_t most)
{
    if (kind == LAUNCH_NOTHING || kind == LAUNCH_CHECK)
        return LAUNCH_THREADS_FEW;
    return kind == LAUNCH_PREPROCESS ? LAUNCH_THREADS_PIXELS : most;
}

/* Blocks of that many threads for a frame, `each` of them on a multiprocessor: no more than there are
 * pieces of work. */
uint32_t launch_blocks(const struct launcher *launcher, enum launch_kind kind, size_t payload_bytes,
                       uint32_t threads, uint32_t each);

/* ST_INVALID as launch.h has it; with `slots` the payload is left out, since it comes later. */
enum status launch_check(const struct launch_work *work, bool slots, struct err *err);

void launch_job_make(const struct launch_work *work, struct job *job);

/* Called by launcher_open: asks for the room and the loading of the resident kernels, and runs each
 * kernel once on `stream`. */
enum status launch_resident_load(struct launcher *launcher, cudaStream_t stream, struct err *err);
enum status launch_clock_load(struct err *err);

#endif
