/* direct.c: the GPU reads the transport's memory by the host's own pointer, without registering it.
 *
 * Works where the GPU can fault in or translate any address of the process (HMM, ATS): a capability
 * that is tried, since a kernel that follows such a pointer elsewhere breaks the process's context.
 * Zero-copy. Called by the consumer role through access.h.
 */
#include <stdlib.h>

#include "harness/gpu/capability.h"
#include "transports/access/access.h"
#include "transports/access/region.h"

extern const struct access access_direct;

struct access_state {
    struct region memory; /* only to check frames against: nothing is registered */
};

static enum status direct_probe(struct err *err)
{
    return gpu_capability_check(GPU_CAN_unregistered_shm, err);
}

static void direct_close(struct access_state *state)
{
    free(state);
}

static enum status direct_open(const struct access_config *config, struct access_state **state,
                               struct err *err)
{
    enum status status = access_config_check(&access_direct, config, err);
    if (status != ST_OK)
        return status;
    struct access_state *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    made->memory =
        (struct region){.memory = config->memory, .payload_bytes = config->payload_bytes};
    *state = made;
    return ST_OK;
}

static enum status direct_locate(struct access_state *state, const struct frame *in,
                                 struct frame *out, struct err *err)
{
    enum status status = region_check(&state->memory, in, err);
    if (status != ST_OK)
        return status;
    *out = *in;
    out->device_payload = in->payload_bytes > 0 ? in->payload : NULL;
    return ST_OK;
}

const struct access access_direct = {
    .name = "direct",
    .summary = "the GPU reads unregistered memory by the host's pointer (HMM, ATS)",
    .needs_gpu = true,
    .flags = ACCESS_AHEAD | ACCESS_IN_PLACE,
    .probe = direct_probe,
    .open = direct_open,
    .locate = direct_locate,
    .close = direct_close,
};
