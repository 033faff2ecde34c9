/* copy.c: the frame is copied to device memory from registered memory, and the kernel reads it
 * there.
 *
 * The usual way on a discrete GPU: page-locked memory lets the GPU's copy engine fetch the bytes
 * while the CPU does something else. Called by the consumer role through access.h.
 */
#include <stdlib.h>

#include "harness/gpu/capability.h"
#include "harness/gpu/gpu.h"
#include "transports/access/access.h"
#include "transports/access/buffers.h"
#include "transports/access/region.h"

extern const struct access access_copy;

struct access_state {
    struct region region;
    struct buffers buffers;
};

static enum status copy_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_register_shm, err);
}

static void copy_close(struct access_state *state)
{
    if (!state)
        return;
    buffers_close(&state->buffers);
    region_close(&state->region);
    free(state);
}

static enum status copy_open(const struct access_config *config, struct access_state **state,
                             struct err *err)
{
    enum status status = access_config_check(&access_copy, config, err);
    if (status != ST_OK)
        return status;
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    status = region_open(&made->region, config, err);
    if (status == ST_OK)
        status = buffers_open(&made->buffers, config->gpu, BUFFERS_DEVICE, config->depth,
                              config->payload_bytes, err);
    if (status == ST_OK)
        *state = made;
    else
        copy_close(made);
    return status;
}

/* A buffer may be taken again while an earlier frame's kernel still reads it: the copy comes behind
 * that kernel on the same stream. The source is the host's own pointer, which is what was
 * registered. */
static enum status copy_enqueue(struct access_state *state, const struct frame *in,
                                struct frame *out, struct gpu_stream *stream, unsigned *copies,
                                struct err *err)
{
    uint8_t *registered;
    enum status status = region_bring(&state->region, in, &registered, err);
    if (status != ST_OK)
        return status;
    uint8_t *buffer = in->payload_bytes > 0 ? buffers_take(&state->buffers) : NULL;
    if (buffer)
        status = gpu_stream_copy(stream, buffer, in->payload, in->payload_bytes, err);
    if (status != ST_OK) {
        (void)region_dismiss(&state->region, in, NULL);
        return status;
    }
    *copies += buffer != NULL;
    *out = *in;
    out->device_payload = buffer;
    return ST_OK;
}

static enum status copy_finish(struct access_state *state, const struct frame *out, struct err *err)
{
    return region_dismiss(&state->region, out, err);
}

static void *copy_address(const struct access_state *state, const void *host)
{
    return region_address(&state->region, host);
}

static uint64_t copy_registration_ns(const struct access_state *state)
{
    return state->region.registration_ns;
}

const struct access access_copy = {
    .name = "copy",
    .summary = "copied to device memory from registered shared memory (cudaMemcpyAsync)",
    .needs_gpu = true,
    .flags = ACCESS_REGISTERS | ACCESS_AHEAD,
    .probe = copy_probe,
    .open = copy_open,
    .enqueue = copy_enqueue,
    .finish = copy_finish,
    .address = copy_address,
    .registration_ns = copy_registration_ns,
    .close = copy_close,
};
