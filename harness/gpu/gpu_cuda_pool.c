/* gpu_cuda_pool.c: device memory from a pool whose descriptor another process imports.
 *
 * A pool of its own for each piece of memory. Allocating and freeing are stream operations: they go
 * to the legacy default stream, which is waited for, so that neither is ever on a hot path.
 */
#include <string.h>
#include <unistd.h>

#include "harness/gpu/gpu_cuda.h"

_Static_assert(sizeof(struct cudaMemPoolPtrExportData) == GPU_CUDA_HANDLE_BYTES,
               "an exported pointer");

static void gpu_pool_free(struct gpu_shared *memory)
{
    if (cudaFreeAsync(memory->pointer, NULL) != cudaSuccess ||
        cudaStreamSynchronize(NULL) != cudaSuccess)
        (void)cudaGetLastError();
}

static void gpu_pool_end(struct gpu_shared *memory)
{
    if (cudaMemPoolDestroy(memory->pool) != cudaSuccess)
        (void)cudaGetLastError();
}

/* The memory, once the pool is there; *what names the call that failed. */
static cudaError_t gpu_pool_allocate(struct gpu_shared *memory, const char **what)
{
    *what = "cudaMallocFromPoolAsync";
    cudaError_t error =
        cudaMallocFromPoolAsync(&memory->pointer, memory->mapped_bytes, memory->pool, NULL);
    if (error != cudaSuccess)
        return error;
    *what = "cudaStreamSynchronize after cudaMallocFromPoolAsync";
    return cudaStreamSynchronize(NULL);
}

enum status gpu_cuda_pool_create(struct gpu_shared *memory, size_t size_bytes,
                                 uint8_t handle[GPU_CUDA_HANDLE_BYTES], int *fd, struct err *err)
{
    const struct cudaMemPoolProps properties = {
        .allocType = cudaMemAllocationTypePinned,
        .handleTypes = cudaMemHandleTypePosixFileDescriptor,
        .location = {.type = cudaMemLocationTypeDevice, .id = 0}};
    struct cudaMemPoolPtrExportData exported;
    const char *what = "";
    int exported_fd = -1;
    enum status status;
    memory->mapped_bytes = size_bytes;
    cudaError_t error = cudaMemPoolCreate(&memory->pool, &properties);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaMemPoolCreate");
    error = gpu_pool_allocate(memory, &what);
    if (error != cudaSuccess) {
        status = gpu_cuda_fail(err, error, what);
        goto undo_pool;
    }
    error = cudaMemPoolExportToShareableHandle(&exported_fd, memory->pool,
                                               cudaMemHandleTypePosixFileDescriptor, 0);
    if (error != cudaSuccess) {
        status = gpu_cuda_fail(err, error, "cudaMemPoolExportToShareableHandle");
        goto undo_allocate;
    }
    error = cudaMemPoolExportPointer(&exported, memory->pointer);
    if (error != cudaSuccess) {
        status = gpu_cuda_fail(err, error, "cudaMemPoolExportPointer");
        goto undo_export;
    }
    memcpy(handle, &exported, sizeof exported);
    *fd = exported_fd;
    return ST_OK;
undo_export:
    close(exported_fd);
undo_allocate:
    gpu_pool_free(memory);
undo_pool:
    gpu_pool_end(memory);
    return status;
}

/* On the pool's own device an importer has access without asking. */
enum status gpu_cuda_pool_attach(struct gpu_shared *memory,
                                 const uint8_t handle[GPU_CUDA_HANDLE_BYTES], int fd,
                                 struct err *err)
{
    struct cudaMemPoolPtrExportData exported;
    memcpy(&exported, handle, sizeof exported);
    cudaError_t error = cudaMemPoolImportFromShareableHandle(
        &memory->pool, (void *)(uintptr_t)fd, cudaMemHandleTypePosixFileDescriptor, 0);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaMemPoolImportFromShareableHandle");
    error = cudaMemPoolImportPointer(&memory->pointer, memory->pool, &exported);
    if (error != cudaSuccess) {
        enum status status = gpu_cuda_fail(err, error, "cudaMemPoolImportPointer");
        gpu_pool_end(memory);
        return status;
    }
    return ST_OK;
}

void gpu_cuda_pool_destroy(struct gpu_shared *memory)
{
    gpu_pool_free(memory);
    gpu_pool_end(memory);
}
