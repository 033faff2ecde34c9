/* none.c: no work at all: what is left of a measurement is the hand-off alone.
 *
 * Called by the consumer role through kernel.h. The payload is never looked at.
 */
#include <stdlib.h>

#include "kernels/kernel.h"

struct kernel_state {
    uint64_t pending_count; /* frames enqueued and not yet reported */
};

static enum status none_probe(struct err *err)
{
    return ST_OK;
}

static enum status none_open(const struct kernel_config *config, struct kernel_state **state,
                             struct err *err)
{
    struct kernel_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "kernel none: no memory for its state");
    *state = made;
    return ST_OK;
}

static enum status none_enqueue(struct kernel_state *state, const struct frame *frame,
                                struct gpu_stream *stream)
{
    state->pending_count++;
    return ST_OK;
}

static enum status none_poll_done(struct kernel_state *state, struct kernel_result *result)
{
    if (state->pending_count == 0)
        return ST_AGAIN;
    state->pending_count--;
    *result = (struct kernel_result){.value = 0};
    return ST_OK;
}

static void none_close(struct kernel_state *state)
{
    free(state);
}

const struct kernel kernel_none = {
    .name = "none",
    .summary = "no work: the hand-off alone",
    .flags = 0,
    .gpu_kind = LAUNCH_NOTHING,
    .probe = none_probe,
    .open = none_open,
    .enqueue = none_enqueue,
    .poll_done = none_poll_done,
    .close = none_close,
};
