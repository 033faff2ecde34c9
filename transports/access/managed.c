/* managed.c: the CPU copies the frame into managed memory, and the driver moves its pages.
 *
 * Managed memory cannot be shared between processes, so the frame must be copied into it. Where the
 * GPU shares the CPU's memory nothing moves after that; a discrete GPU faults the pages in one by
 * one while the kernel runs. Called by the consumer role through access.h.
 *
 * Where concurrent_managed_access is 0, the CPU must not touch managed memory while any kernel of
 * this process runs: a SIGSEGV without a CUDA error. There can then be one frame in flight only.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/capability.h"
#include "harness/gpu/gpu.h"
#include "transports/access/access.h"
#include "transports/access/buffers.h"
#include "transports/access/region.h"

extern const struct access access_managed;

struct access_state {
    struct region memory; /* only to check frames against: nothing is registered */
    struct buffers buffers;
    bool concurrent;
    uint32_t in_flight;
};

static enum status managed_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_managed_copy, err);
}

static void managed_close(struct access_state *state)
{
    if (!state)
        return;
    buffers_close(&state->buffers);
    free(state);
}

/* So that the first frames do not pay for pages that nothing has touched. Elsewhere only a stream
 * can say whose turn it is. */
static void managed_touch(struct access_state *state, size_t payload_bytes)
{
    for (uint32_t i = 0; state->concurrent && i < state->buffers.count; i++)
        memset(state->buffers.each[i], 0, payload_bytes);
}

static enum status managed_open(const struct access_config *config, struct access_state **state,
                                struct err *err)
{
    enum status status = access_config_check(&access_managed, config, err);
    if (status != ST_OK)
        return status;
    bool concurrent = gpu_attribute_read(config->gpu, GPU_ATTRIBUTE_concurrent_managed_access) == 1;
    if (!concurrent && config->depth > 1)
        return err_set(err, ST_UNAVAILABLE, "use depth 1, or access mapped",
                       "access managed with depth %u: on this GPU the CPU must not touch managed "
                       "memory while a kernel runs (concurrent_managed_access is 0)",
                       config->depth);
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    made->memory =
        (struct region){.memory = config->memory, .payload_bytes = config->payload_bytes};
    made->concurrent = concurrent;
    status = buffers_open(&made->buffers, config->gpu, BUFFERS_MANAGED, config->depth,
                          config->payload_bytes, err);
    if (status != ST_OK) {
        managed_close(made);
        return status;
    }
    managed_touch(made, config->payload_bytes);
    *state = made;
    return ST_OK;
}

/* The buffer is idle: its last frame has finished. */
static enum status managed_copy(struct access_state *state, const struct frame *in, void *buffer,
                                struct gpu_stream *stream, struct err *err)
{
    enum status status = gpu_stream_managed_to_host(stream, buffer, err);
    if (status == ST_OK && !state->concurrent)
        status = gpu_stream_synchronize(stream, err);
    if (status != ST_OK)
        return status;
    memcpy(buffer, in->payload, in->payload_bytes);
    return gpu_stream_managed_to_gpu(stream, buffer, err);
}

static enum status managed_enqueue(struct access_state *state, const struct frame *in,
                                   struct frame *out, struct gpu_stream *stream, unsigned *copies,
                                   struct err *err)
{
    enum status status = region_check(&state->memory, in, err);
    if (status != ST_OK)
        return status;
    void *buffer = NULL;
    if (in->payload_bytes > 0) {
        if (state->in_flight == state->buffers.count)
            return err_set(err, ST_INVALID, NULL, "more than %u frames in flight",
                           state->buffers.count);
        buffer = buffers_take(&state->buffers);
        status = managed_copy(state, in, buffer, stream, err);
        if (status != ST_OK)
            return status;
        state->in_flight++;
        (*copies)++;
    }
    *out = *in;
    out->device_payload = buffer;
    return ST_OK;
}

static enum status managed_finish(struct access_state *state, const struct frame *out,
                                  struct err *err)
{
    if (out->payload_bytes == 0)
        return ST_OK;
    if (state->in_flight == 0)
        return err_set(err, ST_INVALID, NULL, "a frame was finished that was not in flight");
    state->in_flight--;
    return ST_OK;
}

const struct access access_managed = {
    .name = "managed",
    .summary = "copied by the CPU into managed memory, which the driver moves to the GPU",
    .needs_gpu = true,
    .flags = ACCESS_MANAGED,
    .probe = managed_probe,
    .open = managed_open,
    .enqueue = managed_enqueue,
    .finish = managed_finish,
    .close = managed_close,
};
