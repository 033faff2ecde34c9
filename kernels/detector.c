/* detector.c: the user's own work on a frame: a Python function, which a Python consumer calls.
 *
 * Here it is only its name and what it needs, for scenarios, and does nothing:
 * applicable_python.c sees to it that no C consumer is asked for it. Called through kernel.h.
 */
#include <stdlib.h>

#include "kernels/kernel.h"

struct kernel_state {
    uint64_t pending_count; /* frames enqueued and not yet reported */
};

static enum status detector_probe(struct err *err)
{
    return ST_OK;
}

static enum status detector_open(const struct kernel_config *config, struct kernel_state **state,
                                 struct err *err)
{
    if (config->payload_bytes == 0)
        return err_set(err, ST_INVALID, "use kernel `none`, or a fill that moves a payload",
                       "kernel detector: frames without a payload leave nothing to look at");
    struct kernel_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "kernel detector: no memory for its state");
    *state = made;
    return ST_OK;
}

static enum status detector_enqueue(struct kernel_state *state, const struct frame *frame,
                                    struct gpu_stream *stream)
{
    state->pending_count++;
    return ST_OK;
}

static enum status detector_poll_done(struct kernel_state *state, struct kernel_result *result)
{
    if (state->pending_count == 0)
        return ST_AGAIN;
    state->pending_count--;
    *result = (struct kernel_result){.value = 0};
    return ST_OK;
}

static void detector_close(struct kernel_state *state)
{
    free(state);
}

const struct kernel kernel_detector = {
    .name = "detector",
    .summary = "a Python function of yours (--detector FILE:FUNCTION), in a Python consumer",
    .flags = KERNEL_READS_PAYLOAD,
    .gpu_kind = LAUNCH_NOTHING,
    .probe = detector_probe,
    .open = detector_open,
    .enqueue = detector_enqueue,
    .poll_done = detector_poll_done,
    .close = detector_close,
};
