/* pageable.c: the frame is copied to device memory straight from memory that was not registered.
 *
 * What a program does that never heard of cudaHostRegister: CUDA copies the bytes to page-locked
 * memory of its own first, so the call blocks and the bytes move twice. Called by the consumer role
 * through access.h.
 */
#include <stdlib.h>

#include "harness/gpu/capability.h"
#include "harness/gpu/gpu.h"
#include "transports/access/access.h"
#include "transports/access/buffers.h"
#include "transports/access/region.h"

extern const struct access access_pageable;

struct access_state {
    struct region memory; /* only to check frames against: nothing is registered */
    struct buffers buffers;
};

static enum status pageable_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_device, err);
}

static void pageable_close(struct access_state *state)
{
    if (!state)
        return;
    buffers_close(&state->buffers);
    free(state);
}

static enum status pageable_open(const struct access_config *config, struct access_state **state,
                                 struct err *err)
{
    enum status status = access_config_check(&access_pageable, config, err);
    if (status != ST_OK)
        return status;
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    made->memory =
        (struct region){.memory = config->memory, .payload_bytes = config->payload_bytes};
    status = buffers_open(&made->buffers, config->gpu, BUFFERS_DEVICE, config->depth,
                          config->payload_bytes, err);
    if (status == ST_OK)
        *state = made;
    else
        pageable_close(made);
    return status;
}

static enum status pageable_enqueue(struct access_state *state, const struct frame *in,
                                    struct frame *out, struct gpu_stream *stream, unsigned *copies,
                                    struct err *err)
{
    enum status status = region_check(&state->memory, in, err);
    if (status != ST_OK)
        return status;
    uint8_t *buffer = in->payload_bytes > 0 ? buffers_take(&state->buffers) : NULL;
    if (buffer)
        status = gpu_stream_copy(stream, buffer, in->payload, in->payload_bytes, err);
    if (status != ST_OK)
        return status;
    *copies += buffer != NULL;
    *out = *in;
    out->device_payload = buffer;
    return ST_OK;
}

const struct access access_pageable = {
    .name = "pageable",
    .summary = "copied to device memory from memory that was not registered",
    .needs_gpu = true,
    .flags = 0,
    .probe = pageable_probe,
    .open = pageable_open,
    .enqueue = pageable_enqueue,
    .close = pageable_close,
};
