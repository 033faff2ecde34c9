/* gpu_cuda_error.c: CUDA's errors as ours: its words, its number, and what to do. */
#include "harness/gpu/gpu_cuda.h"

/* What to do about an error. */
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
               "nvidia runtime, and on a Jetson the user has to be in the group video";
    case cudaErrorSystemDriverMismatch:
        return "the driver was updated while in use: reboot, or reload its kernel modules";
    case cudaErrorSystemNotReady:
        return "start nvidia-fabricmanager, which GPUs behind an NVSwitch need";
    case cudaErrorDevicesUnavailable:
        return "another process has the GPU for itself: see `nvidia-smi -q -d COMPUTE`";
    case cudaErrorSetOnActiveProcess:
        return "something in this process used the GPU before: open it first, so that its schedule "
               "flag can be set";
    case cudaErrorMemoryAllocation:
        return "free memory on the GPU (`nvidia-smi` shows who has it), or use smaller frames or "
               "fewer slots; locked host memory is limited by `ulimit -l`";
    case cudaErrorNotSupported:
        return "this device or driver cannot do it; `handoff probe` shows what works here and what "
               "to use instead";
    case cudaErrorHostMemoryAlreadyRegistered:
        return "the range overlaps one that is registered already: register once per mapping";
    case cudaErrorHostMemoryNotRegistered:
        return "register the memory first, and unregister it before it is unmapped";
    case cudaErrorDeviceUninitialized:
        return "a legacy handle cannot be opened in the process that made it";
    case cudaErrorMapBufferObjectFailed:
        return "is the exporting process still there, and on the same GPU? `handoff probe` shows "
               "whether legacy handles work here";
    case cudaErrorInvalidResourceHandle:
        return "the handle is not one of this kind, or its maker has gone";
    case cudaErrorInvalidValue:
        return "an argument does not fit this device; `handoff probe` shows what works here";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorMisalignedAddress:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorAssert:
        return "a kernel failed before this call; the context is broken and only a new process "
               "helps. compute-sanitizer finds where";
    case cudaErrorLaunchTimeout:
        return "a kernel ran longer than a GPU with a display lets it; the context is broken";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
        return "build again with -DHANDOFF_CUDA_ARCHITECTURES set to this device's compute "
               "capability, with a toolkit that knows it";
    case cudaErrorMpsConnectionFailed:
    case cudaErrorMpsRpcFailure:
    case cudaErrorMpsServerNotReady:
    case cudaErrorMpsMaxClientsReached:
    case cudaErrorMpsMaxConnectionsReached:
        return "see the log of the MPS control daemon (CUDA_MPS_LOG_DIRECTORY)";
    case cudaErrorECCUncorrectable:
        return "the GPU's memory is failing: see `nvidia-smi -q -d ECC`";
    default:
        return "see `nvidia-smi`, `dmesg` and the permissions of /dev/nvidia* (on a Jetson "
               "/dev/nvhost-* and the group video)";
    }
}

static enum status gpu_error_status(cudaError_t error)
{
    switch (error) {
    case cudaErrorMemoryAllocation:
        return ST_NO_MEMORY;
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorSystemNotReady:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorNotSupported:
    case cudaErrorNotPermitted:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorMpsConnectionFailed:
    case cudaErrorMpsServerNotReady:
    case cudaErrorMpsMaxClientsReached:
    case cudaErrorMpsMaxConnectionsReached:
        return ST_UNAVAILABLE;
    default:
        return ST_SYSTEM;
    }
}

enum status gpu_cuda_fail(struct err *err, cudaError_t error, const char *call)
{
    (void)cudaGetLastError();
    return err_set(err, gpu_error_status(error), gpu_error_hint(error),
                   "%s: %s (CUDA error %d, %s)", call, cudaGetErrorString(error), (int)error,
                   cudaGetErrorName(error));
}

enum status gpu_cuda_query(struct err *err, cudaError_t error, const char *call)
{
    if (error == cudaSuccess)
        return ST_OK;
    if (error != cudaErrorNotReady)
        return gpu_cuda_fail(err, error, call);
    /* "Not yet" counts as an error to cudaGetLastError, which a launch elsewhere may ask. */
    (void)cudaGetLastError();
    return ST_AGAIN;
}
