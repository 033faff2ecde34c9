/* mapped.c: the GPU reads the frame where the transport put it, over registered memory.
 *
 * Zero-copy: cudaHostRegister makes the endpoint's memory reachable once, and every frame of it has
 * an address for kernels from then on. On a Jetson, where CPU and GPU share one memory, that is all
 * there is to do; on a discrete GPU every byte crosses the bus while the kernel runs. Called by the
 * consumer role through access.h.
 */
#include <stdlib.h>

#include "harness/gpu/capability.h"
#include "transports/access/access.h"
#include "transports/access/region.h"

extern const struct access access_mapped;

struct access_state {
    struct region region;
};

static enum status mapped_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_register_shm, err);
}

static void mapped_close(struct access_state *state)
{
    if (!state)
        return;
    region_close(&state->region);
    free(state);
}

static enum status mapped_open(const struct access_config *config, struct access_state **state,
                               struct err *err)
{
    enum status status = access_config_check(&access_mapped, config, err);
    if (status != ST_OK)
        return status;
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    status = region_open(&made->region, config, err);
    if (status == ST_OK)
        *state = made;
    else
        mapped_close(made);
    return status;
}

static enum status mapped_locate(struct access_state *state, const struct frame *in,
                                 struct frame *out, struct err *err)
{
    uint8_t *device;
    enum status status = region_bring(&state->region, in, &device, err);
    if (status != ST_OK)
        return status;
    *out = *in;
    out->device_payload = device;
    return ST_OK;
}

static enum status mapped_finish(struct access_state *state, const struct frame *out,
                                 struct err *err)
{
    return region_dismiss(&state->region, out, err);
}

static void *mapped_address(const struct access_state *state, const void *host)
{
    return region_address(&state->region, host);
}

static uint64_t mapped_registration_ns(const struct access_state *state)
{
    return state->region.registration_ns;
}

const struct access access_mapped = {
    .name = "mapped",
    .summary = "the GPU reads registered shared memory in place, zero-copy",
    .needs_gpu = true,
    .flags = ACCESS_REGISTERS | ACCESS_AHEAD | ACCESS_IN_PLACE,
    .probe = mapped_probe,
    .open = mapped_open,
    .locate = mapped_locate,
    .finish = mapped_finish,
    .address = mapped_address,
    .registration_ns = mapped_registration_ns,
    .close = mapped_close,
};
