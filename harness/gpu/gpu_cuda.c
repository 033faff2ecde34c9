/* gpu_cuda.c: gpu.h by way of the CUDA runtime, versions 11.4 to 13.
 *
 * C, with the runtime's API header alone. The runtime is linked statically and opens the driver
 * (libcuda.so.1) when first used, so that this binary starts on machines without one. Facts about a
 * device are asked for as attributes: fields of cudaDeviceProp come and go between versions.
 */
#include "harness/gpu/gpu.h"

#include <stdio.h>

#include <cuda_runtime_api.h>

#if CUDART_VERSION < 11040
#error "CUDA 11.4 or newer is needed: configure with -DHANDOFF_CUDA=OFF to build without it"
#endif

/* What to do about the errors that a machine without a usable GPU gives. */
static const char *gpu_error_hint(cudaError_t error)
{
    switch (error) {
    case cudaErrorInsufficientDriver:
        return "update the NVIDIA driver, or build with an older CUDA Toolkit";
    case cudaErrorStubLibrary:
        return "the loader found the toolkit's stub of libcuda.so.1: take its folder out of "
               "LD_LIBRARY_PATH";
    case cudaErrorNoDevice:
        return "see CUDA_VISIBLE_DEVICES and `nvidia-smi`; a container needs --gpus all or the "
               "nvidia runtime";
    case cudaErrorSystemDriverMismatch:
        return "the driver was updated while in use: reboot, or reload its kernel modules";
    case cudaErrorSystemNotReady:
        return "start nvidia-fabricmanager, which GPUs behind an NVSwitch need";
    default:
        return "see `nvidia-smi`, `dmesg` and the permissions of /dev/nvidia* (on a Jetson "
               "/dev/nvhost-* and the group video)";
    }
}

static enum status gpu_fail(struct err *err, cudaError_t error, const char *call)
{
    return err_set(err, ST_UNAVAILABLE, gpu_error_hint(error), "%s: %s (CUDA error %d, %s)", call,
                   cudaGetErrorString(error), (int)error, cudaGetErrorName(error));
}

static enum status gpu_count_devices(struct gpu_info *found, struct err *err)
{
    cudaError_t error = cudaRuntimeGetVersion(&found->runtime_version);
    if (error != cudaSuccess)
        return gpu_fail(err, error, "cudaRuntimeGetVersion");
    error = cudaDriverGetVersion(&found->driver_version);
    if (error != cudaSuccess)
        return gpu_fail(err, error, "cudaDriverGetVersion");
    if (found->driver_version == 0) {
        char what[200];
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
    if (error != cudaSuccess)
        return gpu_fail(err, error, "cudaGetDeviceCount");
    if (found->device_count < 1)
        return gpu_fail(err, cudaErrorNoDevice, "cudaGetDeviceCount");
    return ST_OK;
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

enum status gpu_probe(struct gpu_info *info, struct err *err)
{
    struct gpu_info found = {0};
    enum status status = gpu_count_devices(&found, err);
    if (status != ST_OK)
        return status;
    cudaError_t error = gpu_name(found.name, sizeof found.name);
    if (error != cudaSuccess)
        return gpu_fail(err, error, "cudaGetDeviceProperties");
    int integrated = 0;
    const struct {
        enum cudaDeviceAttr attribute;
        int *value;
    } wanted[] = {
        {cudaDevAttrComputeCapabilityMajor, &found.compute_major},
        {cudaDevAttrComputeCapabilityMinor, &found.compute_minor},
        {cudaDevAttrIntegrated, &integrated},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        error = cudaDeviceGetAttribute(wanted[i].value, wanted[i].attribute, 0);
        if (error != cudaSuccess)
            return gpu_fail(err, error, "cudaDeviceGetAttribute");
    }
    found.integrated = integrated != 0;
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
