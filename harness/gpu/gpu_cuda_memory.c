/* gpu_cuda_memory.c: memory of one process: device, pinned, registered, managed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/gpu/gpu_cuda.h"

enum status gpu_device_alloc(struct gpu *gpu, size_t size_bytes, void **device, struct err *err)
{
    void *made = NULL;
    cudaError_t error = cudaMalloc(&made, size_bytes);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaMalloc");
    *device = made;
    return ST_OK;
}

void gpu_device_free(struct gpu *gpu, void *device)
{
    if (device && cudaFree(device) != cudaSuccess)
        (void)cudaGetLastError();
}

/* ---- Pinned ------------------------------------------------------------------------------------ */

/* CUDA cuts small blocks out of larger ones, so that they need not begin on a page: what was
 * allocated is kept beside what was given out. */
struct gpu_pinned {
    void *allocated;
    uint8_t *host;
    struct gpu_pinned *next;
};

static cudaError_t gpu_pinned_make(size_t size_bytes, struct gpu_pinned *pinned, void **device)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t rounded = (size_bytes + page - 1) / page * page;
    cudaError_t error = cudaHostAlloc(&pinned->allocated, rounded, cudaHostAllocMapped);
    if (error == cudaSuccess && (uintptr_t)pinned->allocated % page != 0) {
        (void)cudaFreeHost(pinned->allocated);
        error = cudaHostAlloc(&pinned->allocated, rounded + page, cudaHostAllocMapped);
    }
    if (error != cudaSuccess)
        return error;
    uintptr_t first = ((uintptr_t)pinned->allocated + page - 1) / page * page;
    pinned->host = (uint8_t *)first;
    error = cudaHostGetDevicePointer(device, pinned->host, 0);
    if (error != cudaSuccess)
        (void)cudaFreeHost(pinned->allocated);
    else
        memset(pinned->host, 0, rounded);
    return error;
}

enum status gpu_pinned_alloc(struct gpu *gpu, size_t size_bytes, void **host, void **device,
                             struct err *err)
{
    struct gpu_pinned *pinned = calloc(1, sizeof *pinned);
    void *reached = NULL;
    if (!pinned)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for pinned memory");
    cudaError_t error = gpu_pinned_make(size_bytes, pinned, &reached);
    if (error != cudaSuccess) {
        free(pinned);
        return gpu_cuda_fail(err, error, "cudaHostAlloc, or cudaHostGetDevicePointer of it");
    }
    pinned->next = gpu->pinned;
    gpu->pinned = pinned;
    *host = pinned->host;
    *device = reached;
    return ST_OK;
}

void gpu_pinned_free(struct gpu *gpu, void *host)
{
    if (!host)
        return;
    for (struct gpu_pinned **at = &gpu->pinned; *at; at = &(*at)->next) {
        struct gpu_pinned *pinned = *at;
        if (pinned->host != host)
            continue;
        *at = pinned->next;
        if (cudaFreeHost(pinned->allocated) != cudaSuccess)
            (void)cudaGetLastError();
        free(pinned);
        return;
    }
}

/* ---- Registered -------------------------------------------------------------------------------- */

enum status gpu_register(struct gpu *gpu, void *host, size_t size_bytes, void **device,
                         struct err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size_bytes == 0 || size_bytes % page != 0 || (uintptr_t)host % page != 0)
        return err_set(err, ST_INVALID, "register whole pages",
                       "%zu bytes at %p cannot be registered: a page has %zu bytes", size_bytes,
                       host, page);
    cudaError_t error = cudaHostRegister(host, size_bytes, cudaHostRegisterMapped);
    if (error != cudaSuccess) {
        char call[64];
        snprintf(call, sizeof call, "cudaHostRegister of %zu bytes", size_bytes);
        return gpu_cuda_fail(err, error, call);
    }
    void *reached = NULL;
    error = cudaHostGetDevicePointer(&reached, host, 0);
    if (error != cudaSuccess) {
        enum status status = gpu_cuda_fail(err, error, "cudaHostGetDevicePointer");
        gpu_unregister(gpu, host);
        return status;
    }
    *device = reached;
    return ST_OK;
}

void gpu_unregister(struct gpu *gpu, void *host)
{
    if (host && cudaHostUnregister(host) != cudaSuccess)
        (void)cudaGetLastError();
}

/* ---- Managed ----------------------------------------------------------------------------------- */

enum status gpu_managed_alloc(struct gpu *gpu, size_t size_bytes, void **memory, struct err *err)
{
    void *made = NULL;
    /* Where CPU and GPU take turns, the CPU has the first. */
    cudaError_t error = cudaMallocManaged(
        &made, size_bytes, gpu->managed_in_turns ? cudaMemAttachHost : cudaMemAttachGlobal);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaMallocManaged");
    *memory = made;
    return ST_OK;
}

void gpu_managed_free(struct gpu *gpu, void *memory)
{
    gpu_device_free(gpu, memory);
}

/* ---- DMA-BUF ----------------------------------------------------------------------------------- */

enum status gpu_dmabuf_export(struct gpu *gpu, void *device, size_t size_bytes, bool host, int *fd,
                              struct err *err)
{
    enum status status = gpu_cuda_need(gpu->driver.mem_get_handle_for_address_range,
                                       "cuMemGetHandleForAddressRange", err);
    if (status != ST_OK)
        return status;
    int exported = -1;
    CUresult result = gpu->driver.mem_get_handle_for_address_range(
        &exported, (CUdeviceptr)(uintptr_t)device, size_bytes, GPU_CUDA_HANDLE_DMABUF, 0);
    if (result != CUDA_SUCCESS)
        return gpu_cuda_fail_driver(err, result,
                                    host ? "cuMemGetHandleForAddressRange of pinned host memory"
                                         : "cuMemGetHandleForAddressRange of device memory");
    *fd = exported;
    return ST_OK;
}
