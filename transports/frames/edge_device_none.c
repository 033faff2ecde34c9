/* edge_device_none.c: in a library built without CUDA: no edges in device memory. See
 * edge_device.c. */
#include "transports/frames/frames.h"
#include "transports/frames/handoff_edge.h"

const struct transport *edge_device_transport(const char *name)
{
    (void)name;
    return NULL;
}

struct gpu *edge_device_gpu(void)
{
    return NULL;
}

int handoff_edge_gpu_open(int32_t sync, struct handoff_error *error)
{
    (void)sync;
    return frames_fail_as(HANDOFF_UNAVAILABLE, error,
                          "build handoff where the CUDA Toolkit is (-DHANDOFF_CUDA=ON)",
                          "this libhandoff_frames was built without CUDA");
}
