/* edge_device.c: edges in device memory: the transports that only a library built with CUDA has,
 * and this process's one door to the GPU. Without CUDA edge_device_none.c stands here.
 */
#include <string.h>

#include "harness/gpu/gpu.h"
#include "transports/frames/frames.h"
#include "transports/frames/handoff_edge.h"

extern const struct transport transport_cuda_ipc;
extern const struct transport transport_cuda_pool;
extern const struct transport transport_cuda_vmm;
static const struct transport *const device_transports[] = {
    &transport_cuda_ipc,
    &transport_cuda_pool,
    &transport_cuda_vmm,
};

/* Until the process ends: whatever else uses the GPU in it shares the context. */
static struct gpu *device_gpu;

const struct transport *edge_device_transport(const char *name)
{
    for (size_t i = 0; i < sizeof device_transports / sizeof device_transports[0]; i++)
        if (strcmp(device_transports[i]->name, name) == 0)
            return device_transports[i];
    return NULL;
}

struct gpu *edge_device_gpu(void)
{
    return device_gpu;
}

int handoff_edge_gpu_open(int32_t sync, struct handoff_error *error)
{
    struct err err = {0};
    if (device_gpu)
        return HANDOFF_OK;
    if (sync < GPU_SYNC_SPIN || sync > GPU_SYNC_FLAG)
        return frames_fail_as(HANDOFF_INVALID, error, NULL, "there is no sync %d", (int)sync);
    enum status status = gpu_open((enum gpu_sync)sync, &device_gpu, &err);
    return status == ST_OK ? HANDOFF_OK : frames_fail(status, &err, error);
}
