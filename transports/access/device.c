/* device.c: the frame lies in device memory already: the transport brought it there.
 *
 * For transports whose slots are device memory that both processes have mapped, and only for them.
 * Zero-copy. Called by the consumer role through access.h.
 */
#include <stdlib.h>

#include "harness/gpu/capability.h"
#include "transports/access/access.h"
#include "transports/access/region.h"

extern const struct access access_device;

struct access_state {
    size_t payload_bytes;
};

static enum status device_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_device, err);
}

static void device_close(struct access_state *state)
{
    free(state);
}

static enum status device_open(const struct access_config *config, struct access_state **state,
                               struct err *err)
{
    enum status status = access_config_check(&access_device, config, err);
    if (status != ST_OK)
        return status;
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    made->payload_bytes = config->payload_bytes;
    *state = made;
    return ST_OK;
}

static enum status device_locate(struct access_state *state, const struct frame *in,
                                 struct frame *out, struct err *err)
{
    if (in->payload_bytes > 0 && !in->device_payload)
        return err_set(err, ST_INVALID, "use access mapped or copy for frames in host memory",
                       "access device: a frame that does not lie in device memory");
    if (in->payload_bytes > state->payload_bytes)
        return err_set(err, ST_INVALID, NULL,
                       "access device: a frame of %zu bytes where up to %zu were to come",
                       in->payload_bytes, state->payload_bytes);
    *out = *in;
    return ST_OK;
}

const struct access access_device = {
    .name = "device",
    .summary = "the frame lies in device memory that the transport shares, zero-copy",
    .needs_gpu = true,
    .flags = ACCESS_DEVICE | ACCESS_AHEAD | ACCESS_IN_PLACE,
    .probe = device_probe,
    .open = device_open,
    .locate = device_locate,
    .close = device_close,
};
