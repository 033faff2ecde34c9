/* gpu_cuda.h: what the files gpu_cuda*.c share with each other; nobody else includes it.
 *
 * The runtime is linked statically. Driver functions are looked up when the device is opened
 * (gpu_cuda_driver.c); those that this driver lacks are NULL, but for the two of the hot path, which
 * then are functions that refuse.
 */
#ifndef HANDOFF_GPU_CUDA_H
#define HANDOFF_GPU_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "harness/gpu/gpu.h"

#if CUDART_VERSION < 11040
#error "CUDA 11.4 or newer is needed: configure with -DHANDOFF_CUDA=OFF to build without it"
#endif

/* ---- Errors (gpu_cuda_error.c) ----------------------------------------------------------------- */

/* Writes CUDA's own words for `error` of `call`, with what to do about it, and forgets the error
 * where CUDA would report it again to the next caller of cudaGetLastError. ST_NO_MEMORY,
 * ST_UNAVAILABLE or ST_SYSTEM. */
enum status gpu_cuda_fail(struct err *err, cudaError_t error, const char *call);

/* The same for a driver function: its numbers are those of the runtime. */
static inline enum status gpu_cuda_fail_driver(struct err *err, CUresult result, const char *call)
{
    return gpu_cuda_fail(err, (cudaError_t)result, call);
}

/* What a query says: ST_OK, ST_AGAIN, or an error. */
enum status gpu_cuda_query(struct err *err, cudaError_t error, const char *call);

/* ---- The driver's functions (gpu_cuda_driver.c) ------------------------------------------------ */

/* GPU_CUDA_FUNCTION(member, type, name, version, exported): `name` as the runtime's entry-point call
 * knows it, the CUDA version (1000 * major + 10 * minor) since which it is as we call it, and its
 * symbol in libcuda.so.1. */
#define GPU_CUDA_FUNCTIONS(GPU_CUDA_FUNCTION)                                                     \
    GPU_CUDA_FUNCTION(device_get_attribute, __typeof__(&cuDeviceGetAttribute),                    \
                      "cuDeviceGetAttribute", 2000, "cuDeviceGetAttribute")                       \
    GPU_CUDA_FUNCTION(stream_wait_value, gpu_cuda_stream_value, "cuStreamWaitValue32", 11070,     \
                      "cuStreamWaitValue32_v2")                                                   \
    GPU_CUDA_FUNCTION(stream_write_value, gpu_cuda_stream_value, "cuStreamWriteValue32", 11070,   \
                      "cuStreamWriteValue32_v2")                                                  \
    GPU_CUDA_FUNCTION(mem_get_handle_for_address_range, gpu_cuda_handle_for_range,                \
                      "cuMemGetHandleForAddressRange", 11070, "cuMemGetHandleForAddressRange")    \
    GPU_CUDA_FUNCTION(mem_get_allocation_granularity, __typeof__(&cuMemGetAllocationGranularity), \
                      "cuMemGetAllocationGranularity", 10020, "cuMemGetAllocationGranularity")    \
    GPU_CUDA_FUNCTION(mem_create, __typeof__(&cuMemCreate), "cuMemCreate", 10020, "cuMemCreate")  \
    GPU_CUDA_FUNCTION(mem_release, __typeof__(&cuMemRelease), "cuMemRelease", 10020,              \
                      "cuMemRelease")                                                             \
    GPU_CUDA_FUNCTION(mem_address_reserve, __typeof__(&cuMemAddressReserve),                      \
                      "cuMemAddressReserve", 10020, "cuMemAddressReserve")                        \
    GPU_CUDA_FUNCTION(mem_address_free, __typeof__(&cuMemAddressFree), "cuMemAddressFree", 10020, \
                      "cuMemAddressFree")                                                         \
    GPU_CUDA_FUNCTION(mem_map, __typeof__(&cuMemMap), "cuMemMap", 10020, "cuMemMap")              \
    GPU_CUDA_FUNCTION(mem_unmap, __typeof__(&cuMemUnmap), "cuMemUnmap", 10020, "cuMemUnmap")      \
    GPU_CUDA_FUNCTION(mem_set_access, __typeof__(&cuMemSetAccess), "cuMemSetAccess", 10020,       \
                      "cuMemSetAccess")                                                           \
    GPU_CUDA_FUNCTION(mem_export_to_shareable_handle, __typeof__(&cuMemExportToShareableHandle),  \
                      "cuMemExportToShareableHandle", 10020, "cuMemExportToShareableHandle")      \
    GPU_CUDA_FUNCTION(mem_import_from_shareable_handle,                                           \
                      __typeof__(&cuMemImportFromShareableHandle),                                \
                      "cuMemImportFromShareableHandle", 10020, "cuMemImportFromShareableHandle")

/* cuStreamWaitValue32 and cuStreamWriteValue32 look alike, in version 1 and 2. */
typedef CUresult(CUDAAPI *gpu_cuda_stream_value)(CUstream stream, CUdeviceptr word,
                                                 cuuint32_t value, unsigned flags);
/* cuMemGetHandleForAddressRange, which headers before 11.7 lack; and its only kind of handle. */
typedef CUresult(CUDAAPI *gpu_cuda_handle_for_range)(void *handle, CUdeviceptr address, size_t size,
                                                     int handle_type, unsigned long long flags);
#define GPU_CUDA_HANDLE_DMABUF 1

struct gpu_cuda_driver {
#define GPU_CUDA_FUNCTION(member, type, name, version, exported) type member;
    GPU_CUDA_FUNCTIONS(GPU_CUDA_FUNCTION)
#undef GPU_CUDA_FUNCTION
};

/* Looks all of them up; needs the driver, no context. What it lacks is NULL (or refuses). */
void gpu_cuda_driver_load(struct gpu_cuda_driver *driver);

/* ST_UNAVAILABLE where the driver lacks `function`. */
enum status gpu_cuda_need(bool has, const char *function, struct err *err);

/* ---- Objects ----------------------------------------------------------------------------------- */

struct gpu_pinned; /* gpu_cuda_memory.c */

struct gpu {
    struct gpu_cuda_driver driver;
    bool managed_in_turns; /* concurrent_managed_access is 0: managed memory changes hands */
    struct gpu_pinned *pinned;
};

struct gpu_stream {
    cudaStream_t stream;
    gpu_cuda_stream_value wait_value;
    gpu_cuda_stream_value write_value;
    bool managed_in_turns;
};

struct gpu_event {
    cudaEvent_t event;
};

/* One process's end of shared memory. What a kind does not need is 0. */
struct gpu_shared {
    struct gpu *gpu;
    enum gpu_share share;
    bool imported;
    size_t mapped_bytes; /* rounded up */
    void *pointer;
    CUmemGenericAllocationHandle handle; /* vmm */
    cudaMemPool_t pool;                  /* pool */
};

/* ---- The kinds of shared memory ---------------------------------------------------------------- */

/* What stands in an address for CUDA: a cudaIpcMemHandle_t, a cudaMemPoolPtrExportData, or nothing. */
#define GPU_CUDA_HANDLE_BYTES 64

/* Each fills *memory (gpu, share and, for attach, mapped_bytes are set) or leaves nothing behind. A
 * descriptor given to attach stays the caller's. `size_bytes` before it is rounded up. */
enum status gpu_cuda_vmm_create(struct gpu_shared *memory, size_t size_bytes, int *fd,
                                struct err *err);
enum status gpu_cuda_vmm_attach(struct gpu_shared *memory, int fd, bool set_access,
                                struct err *err);
void gpu_cuda_vmm_destroy(struct gpu_shared *memory);

enum status gpu_cuda_pool_create(struct gpu_shared *memory, size_t size_bytes,
                                 uint8_t handle[GPU_CUDA_HANDLE_BYTES], int *fd, struct err *err);
enum status gpu_cuda_pool_attach(struct gpu_shared *memory,
                                 const uint8_t handle[GPU_CUDA_HANDLE_BYTES], int fd,
                                 struct err *err);
void gpu_cuda_pool_destroy(struct gpu_shared *memory);

/* In gpu_cuda.c: the driver, and at least one device; the reason where there is none. Versions and
 * count in *found. */
enum status gpu_cuda_count_devices(struct gpu_info *found, struct err *err);

#endif
