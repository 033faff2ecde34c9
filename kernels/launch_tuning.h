/* launch_tuning.h: other choices of how the GPU kernels are launched, for bench_gpu_kernels alone,
 * which shows what the constants of launch.cuh are worth. */
#ifndef HANDOFF_KERNELS_LAUNCH_TUNING_H
#define HANDOFF_KERNELS_LAUNCH_TUNING_H

#include "kernels/launch.h"

#define LAUNCH_VARIANT_STREAM 1u /* loads and stores say that the bytes are not wanted again */
#define LAUNCH_VARIANT_FEW 2u    /* 4 loads under way for each thread instead of 8 */
#define LAUNCH_VARIANTS 4u

/* What launcher_enqueue does from here on with whole frames: blocks of so many threads (a multiple of
 * 256, up to 1024), so many of them on each multiprocessor; 0: the default. */
void launcher_tune(struct launcher *launcher, uint32_t threads, uint32_t blocks_each,
                   uint32_t variant);

#endif
