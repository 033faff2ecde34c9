/* launch_tuning.h: other choices of how the GPU kernels are launched, for bench_gpu_kernels alone,
 * which shows what the constants of launch.cuh are worth. */
#ifndef HANDOFF_KERNELS_LAUNCH_TUNING_H
#define HANDOFF_KERNELS_LAUNCH_TUNING_H

#include "kernels/launch.h"

/* A variant is what the caches are told of a frame's bytes, and perhaps LAUNCH_EARLY. */
#define LAUNCH_CACHE_DEFAULT 0u /* as each kind has it */
#define LAUNCH_CACHE_PLAIN 1u   /* nothing */
#define LAUNCH_CACHE_L2 2u      /* to keep them in the L2 cache alone */
#define LAUNCH_CACHE_STREAM 3u  /* that they are not wanted again */
#define LAUNCH_CACHES 4u
/* The next kernel of the stream takes its place while this one ends (compute capability 9.0). */
#define LAUNCH_EARLY 4u
#define LAUNCH_VARIANTS 8u

/* What launcher_enqueue does from here on with whole frames: blocks of so many threads (a multiple
 * of 256, up to 1024), so many of them on each multiprocessor; 0: the default. */
void launcher_tune(struct launcher *launcher, uint32_t threads, uint32_t blocks_each,
                   uint32_t variant);

#endif
