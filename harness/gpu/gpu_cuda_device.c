/* gpu_cuda_device.c: device 0 in this process: its context, its attributes. */
#include <stdlib.h>

#include "harness/gpu/gpu_cuda.h"

static bool gpu_is_open;

static unsigned gpu_schedule_flag(enum gpu_sync sync)
{
    switch (sync) {
    case GPU_SYNC_YIELD:
        return cudaDeviceScheduleYield;
    case GPU_SYNC_BLOCK:
        return cudaDeviceScheduleBlockingSync;
    default:
        return cudaDeviceScheduleSpin;
    }
}

/* Sets the flag before the context is there, makes the context, and looks whether it has the flag:
 * left alone, CUDA would choose by itself. */
static enum status gpu_start(unsigned schedule, struct err *err)
{
    cudaError_t error = cudaSetDeviceFlags(schedule | cudaDeviceMapHost);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaSetDeviceFlags");
    error = cudaSetDevice(0);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaSetDevice");
    error = cudaFree(NULL);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaFree(NULL), which makes the context");
    unsigned flags = 0;
    error = cudaGetDeviceFlags(&flags);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaGetDeviceFlags");
    if ((flags & cudaDeviceScheduleMask) != schedule)
        return err_set(err, ST_UNAVAILABLE, "start a new process for another way of waiting",
                       "CUDA did not take the schedule flag 0x%x: the device has 0x%x", schedule,
                       flags & cudaDeviceScheduleMask);
    return ST_OK;
}

enum status gpu_open(enum gpu_sync sync, struct gpu **gpu, struct err *err)
{
    struct gpu_info info = {0};
    if (gpu_is_open)
        return err_set(err, ST_INVALID, "close it first",
                       "the GPU is open in this process already");
    enum status status = gpu_cuda_count_devices(&info, err);
    if (status == ST_OK)
        status = gpu_start(gpu_schedule_flag(sync), err);
    if (status != ST_OK)
        return status;
    struct gpu *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to open the GPU");
    gpu_cuda_driver_load(&made->driver);
    int concurrent = 0;
    cudaError_t error = cudaDeviceGetAttribute(&concurrent, cudaDevAttrConcurrentManagedAccess, 0);
    if (error != cudaSuccess) {
        free(made);
        return gpu_cuda_fail(err, error, "cudaDeviceGetAttribute");
    }
    made->managed_in_turns = concurrent == 0;
    gpu_is_open = true;
    *gpu = made;
    return ST_OK;
}

/* The context stays: it goes with the process, and to end it here would wait for a kernel that may
 * never end. */
void gpu_close(struct gpu *gpu)
{
    if (!gpu)
        return;
    free(gpu);
    gpu_is_open = false;
}

int gpu_attribute_read(const struct gpu *gpu, enum gpu_attribute attribute)
{
    static const int numbers[GPU_ATTRIBUTE_COUNT] = {
#define GPU_ATTRIBUTE(key, number, about) number,
#include "harness/gpu/gpu_attributes.def"
#undef GPU_ATTRIBUTE
    };
    int value = 0;
    if (!gpu->driver.device_get_attribute ||
        gpu->driver.device_get_attribute(&value, (CUdevice_attribute)numbers[attribute], 0) !=
            CUDA_SUCCESS)
        return INT32_MIN;
    return value;
}

enum status gpu_memory_info(struct gpu *gpu, uint64_t *free_bytes, uint64_t *total_bytes,
                            struct err *err)
{
    size_t unused = 0, total = 0;
    cudaError_t error = cudaMemGetInfo(&unused, &total);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaMemGetInfo");
    *free_bytes = unused;
    *total_bytes = total;
    return ST_OK;
}
