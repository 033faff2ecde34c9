/* host.c: the kernel reads the frame where the transport put it.
 *
 * Called by the consumer role through access.h. For CPU kernels, and zero-copy: there is no step
 * between acquire and the kernel, so there is no enqueue and nothing to wait for.
 */
#include <stddef.h>

#include "transports/access/access.h"

static enum status host_probe(struct err *err)
{
    return ST_OK;
}

static enum status host_open(const struct access_config *config, struct access_state **state,
                             struct err *err)
{
    *state = NULL;
    return ST_OK;
}

static void host_close(struct access_state *state)
{
}

const struct access access_host = {
    .name = "host",
    .summary = "the kernel reads the frame where the transport put it, on the CPU",
    .needs_gpu = false,
    .probe = host_probe,
    .open = host_open,
    .flags = ACCESS_IN_PLACE,
    .enqueue = NULL,
    .close = host_close,
};
