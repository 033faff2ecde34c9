/* gpu_stream.c: the GPU's stream waits for the transport's word; no CPU looks at it.
 *
 * The consumer enqueues each frame's work ahead, behind a stream wait for the word's next value
 * (cuStreamWaitValue), and learns from words that kernel and stream write when they are done. That
 * is the work of run/consumer_gpu_stream.c: a strategy of the GPU has nothing to idle with, and the
 * producer nothing to notify. Where the machine cannot do it, nothing takes its place.
 */
#include "harness/gpu/capability.h"
#include "harness/wait/wait.h"

static enum status gpu_stream_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_stream_values, err);
}

static void gpu_stream_close_nothing(struct wait_state *state)
{
}

const struct wait_strategy wait_gpu_stream = {
    .name = "gpu_stream",
    .summary = "the GPU's stream waits for the word, with the work enqueued behind",
    .cost = "a whole CPU, which looks for the word that says the work is done",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = false,
    .on_gpu = true,
    .probe = gpu_stream_probe,
    .close = gpu_stream_close_nothing,
};
