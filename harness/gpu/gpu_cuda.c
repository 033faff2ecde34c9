/* gpu_cuda.c: what GPU there is, by way of the CUDA runtime, versions 11.4 to 13.
 *
 * The gpu_cuda*.c are gpu.h in C. The runtime is linked statically and opens the driver
 * (libcuda.so.1) when first used, so that this binary starts on machines without one. Facts about a
 * device are asked for as attributes: fields of cudaDeviceProp come and go between versions.
 */
#include <stdio.h>

#include "harness/gpu/gpu_cuda.h"

enum status gpu_cuda_count_devices(struct gpu_info *found, struct err *err)
{
    cudaError_t error = cudaRuntimeGetVersion(&found->runtime_version);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaRuntimeGetVersion");
    error = cudaDriverGetVersion(&found->driver_version);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaDriverGetVersion");
    if (found->driver_version == 0) {
        char what[200];
        /* The toolkit's stub has no version either; where it was loaded, there may be a driver. */
        if (cudaGetDeviceCount(&found->device_count) == cudaErrorStubLibrary)
            return gpu_cuda_fail(err, cudaErrorStubLibrary, "cudaGetDeviceCount");
        if (gpu_hardware_present(what, sizeof what))
            return err_set(err, ST_UNAVAILABLE,
                           "install the NVIDIA driver; a container needs --gpus all or the nvidia "
                           "runtime",
                           "no NVIDIA driver: libcuda.so.1 could not be loaded, although this "
                           "machine has a GPU: %s",
                           what);
        return err_set(
            err, ST_UNAVAILABLE, "for GPU figures, run on a machine with an NVIDIA GPU",
            "no NVIDIA driver: libcuda.so.1 could not be loaded, and no NVIDIA GPU shows "
            "on this machine");
    }
    error = cudaGetDeviceCount(&found->device_count);
    if (error == cudaSuccess && found->device_count < 1)
        error = cudaErrorNoDevice;
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaGetDeviceCount");
}

/* The name is the one thing that the runtime has only as a field; it is in every version. */
static cudaError_t gpu_name(char *name, size_t size)
{
    struct cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceProperties(&properties, 0);
    if (error == cudaSuccess)
        snprintf(name, size, "%s", properties.name);
    return error;
}

static enum status gpu_describe(struct gpu_info *found, struct err *err)
{
    cudaError_t error = gpu_name(found->name, sizeof found->name);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaGetDeviceProperties");
    int integrated = 0;
    const struct {
        enum cudaDeviceAttr attribute;
        int *value;
    } wanted[] = {
        {cudaDevAttrComputeCapabilityMajor, &found->compute_major},
        {cudaDevAttrComputeCapabilityMinor, &found->compute_minor},
        {cudaDevAttrIntegrated, &integrated},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        error = cudaDeviceGetAttribute(wanted[i].value, wanted[i].attribute, 0);
        if (error != cudaSuccess)
            return gpu_cuda_fail(err, error, "cudaDeviceGetAttribute");
    }
    found->integrated = integrated != 0;
    return ST_OK;
}

enum status gpu_probe(struct gpu_info *info, struct err *err)
{
    struct gpu_info found = {0};
    struct err reason = {0};
    enum status status = gpu_cuda_count_devices(&found, &reason);
    if (status == ST_OK)
        status = gpu_describe(&found, &reason);
    /* Whatever it was: there is no GPU to be used. */
    if (status != ST_OK)
        return err_set(err, ST_UNAVAILABLE, reason.hint, "%s", reason.what);
    *info = found;
    return ST_OK;
}

const char *gpu_toolkit_version(void)
{
    static char text[16];
    if (text[0] == '\0')
        snprintf(text, sizeof text, "%d.%d", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    return text;
}
