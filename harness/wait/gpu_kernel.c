/* gpu_kernel.c: a kernel that stays on the GPU looks at the transport's word itself.
 *
 * One launch serves all frames: it spins on the word across the bus, works, and writes a word that
 * the CPU looks at. It has a deadline on the GPU's own clock. That is done in
 * run/consumer_gpu_kernel.c: a strategy of the GPU has nothing to idle with, and the producer
 * nothing to notify. Where the machine cannot do it, nothing takes its place.
 */
#include "harness/gpu/capability.h"
#include "harness/wait/wait.h"

static enum status gpu_kernel_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_resident_flag, err);
}

static void gpu_kernel_close_nothing(struct wait_state *state)
{
}

const struct wait_strategy wait_gpu_kernel = {
    .name = "gpu_kernel",
    .summary = "a resident kernel spins on the word and works at once",
    .cost = "part of the GPU all the time, and a whole CPU, which looks for its reports",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = false,
    .on_gpu = true,
    .probe = gpu_kernel_probe,
    .close = gpu_kernel_close_nothing,
};
