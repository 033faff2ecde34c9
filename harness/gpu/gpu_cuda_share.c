/* gpu_cuda_share.c: device memory shared between processes: the address, and legacy handles.
 *
 * An address is checked before CUDA sees it (length, kind, size, a sum over its bytes): what CUDA does
 * with bytes that never were a handle is nowhere said.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/gpu/gpu_cuda.h"

_Static_assert(sizeof(cudaIpcMemHandle_t) == GPU_CUDA_HANDLE_BYTES, "a legacy handle");

#define GPU_WIRE_MAGIC 0x55504731u

/* What stands in gpu_shared_address.bytes. Both ends are on one machine. */
struct gpu_wire {
    uint32_t magic;
    uint32_t share;
    uint64_t size_bytes;   /* as the maker was asked */
    uint64_t mapped_bytes; /* as it is */
    uint8_t handle[GPU_CUDA_HANDLE_BYTES];
    uint32_t sum; /* of all bytes before it */
    uint32_t zero;
};
_Static_assert(sizeof(struct gpu_wire) <= GPU_SHARED_ADDRESS_BYTES, "fits an address");

/* FNV-1a. */
static uint32_t gpu_wire_sum(const struct gpu_wire *wire)
{
    const uint8_t *bytes = (const uint8_t *)wire;
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < offsetof(struct gpu_wire, sum); i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static void gpu_wire_write(const struct gpu_shared *memory, size_t size_bytes,
                           const uint8_t handle[GPU_CUDA_HANDLE_BYTES],
                           struct gpu_shared_address *address)
{
    struct gpu_wire wire = {.magic = GPU_WIRE_MAGIC,
                            .share = (uint32_t)memory->share,
                            .size_bytes = size_bytes,
                            .mapped_bytes = memory->mapped_bytes};
    memcpy(wire.handle, handle, sizeof wire.handle);
    wire.sum = gpu_wire_sum(&wire);
    memset(address->bytes, 0, sizeof address->bytes);
    memcpy(address->bytes, &wire, sizeof wire);
    address->byte_count = sizeof wire;
}

static enum status gpu_wire_read(const struct gpu_shared_address *address, enum gpu_share share,
                                 size_t size_bytes, struct gpu_wire *wire, struct err *err)
{
    static const char hint[] = "both roles must be of the same build of handoff";
    if (address->byte_count != sizeof *wire)
        return err_set(err, ST_CORRUPT, hint,
                       "the address of shared device memory has %u bytes instead of %zu",
                       (unsigned)address->byte_count, sizeof *wire);
    memcpy(wire, address->bytes, sizeof *wire);
    if (wire->magic != GPU_WIRE_MAGIC || wire->sum != gpu_wire_sum(wire) || wire->zero != 0)
        return err_set(err, ST_CORRUPT, hint, "this is no address of shared device memory");
    if (wire->share != (uint32_t)share)
        return err_set(err, ST_CORRUPT, hint,
                       "the address is of kind %u, not of kind %s (%u) of shared device memory",
                       (unsigned)wire->share, gpu_share_name(share), (unsigned)share);
    if (wire->size_bytes != size_bytes || wire->mapped_bytes < size_bytes)
        return err_set(err, ST_CORRUPT, hint,
                       "the address is of %llu bytes of device memory, but %zu are expected",
                       (unsigned long long)wire->size_bytes, size_bytes);
    if ((share == GPU_SHARE_IPC) != (address->fd < 0))
        return err_set(err, ST_CORRUPT, hint, "an address of kind %s came %s descriptor",
                       gpu_share_name(share), address->fd < 0 ? "without a" : "with a");
    return ST_OK;
}

/* ---- Legacy handles ---------------------------------------------------------------------------- */

/* CUDA cuts small allocations out of larger blocks and shares whole blocks: of this size and aligned
 * so, an allocation is a block of its own. */
#define GPU_IPC_BLOCK_BYTES ((size_t)2 << 20)

static enum status gpu_ipc_create(struct gpu_shared *memory, size_t size_bytes,
                                  uint8_t handle[GPU_CUDA_HANDLE_BYTES], struct err *err)
{
    size_t mapped = (size_bytes + GPU_IPC_BLOCK_BYTES - 1) / GPU_IPC_BLOCK_BYTES;
    cudaIpcMemHandle_t exported;
    memory->mapped_bytes = mapped * GPU_IPC_BLOCK_BYTES;
    enum status status = gpu_device_alloc(memory->gpu, memory->mapped_bytes, &memory->pointer, err);
    if (status != ST_OK)
        return status;
    cudaError_t error = cudaIpcGetMemHandle(&exported, memory->pointer);
    if (error != cudaSuccess) {
        gpu_device_free(memory->gpu, memory->pointer);
        return gpu_cuda_fail(err, error, "cudaIpcGetMemHandle");
    }
    memcpy(handle, &exported, sizeof exported);
    return ST_OK;
}

static enum status gpu_ipc_attach(struct gpu_shared *memory,
                                  const uint8_t handle[GPU_CUDA_HANDLE_BYTES], struct err *err)
{
    cudaIpcMemHandle_t exported;
    memcpy(&exported, handle, sizeof exported);
    cudaError_t error =
        cudaIpcOpenMemHandle(&memory->pointer, exported, cudaIpcMemLazyEnablePeerAccess);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaIpcOpenMemHandle");
}

static void gpu_ipc_destroy(struct gpu_shared *memory)
{
    if (!memory->imported)
        gpu_device_free(memory->gpu, memory->pointer);
    else if (cudaIpcCloseMemHandle(memory->pointer) != cudaSuccess)
        (void)cudaGetLastError();
}

/* ---- Whatever the kind ------------------------------------------------------------------------- */

static enum status gpu_shared_make(struct gpu_shared *memory, size_t size_bytes,
                                   uint8_t handle[GPU_CUDA_HANDLE_BYTES], int *fd, struct err *err)
{
    switch (memory->share) {
    case GPU_SHARE_IPC:
        return gpu_ipc_create(memory, size_bytes, handle, err);
    case GPU_SHARE_VMM:
        return gpu_cuda_vmm_create(memory, size_bytes, fd, err);
    case GPU_SHARE_POOL:
        return gpu_cuda_pool_create(memory, size_bytes, handle, fd, err);
    }
    return err_set(err, ST_INVALID, NULL, "no such kind of shared device memory: %d",
                   (int)memory->share);
}

enum status gpu_shared_create(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared **memory, struct gpu_shared_address *address,
                              struct err *err)
{
    uint8_t handle[GPU_CUDA_HANDLE_BYTES] = {0};
    int fd = -1;
    if (size_bytes == 0)
        return err_set(err, ST_INVALID, NULL, "no bytes of device memory to share");
    struct gpu_shared *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to share device memory");
    made->gpu = gpu;
    made->share = share;
    enum status status = gpu_shared_make(made, size_bytes, handle, &fd, err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    gpu_wire_write(made, size_bytes, handle, address);
    address->fd = fd;
    *memory = made;
    return ST_OK;
}

static enum status gpu_shared_open(struct gpu_shared *memory, const struct gpu_wire *wire, int fd,
                                   bool set_access, struct err *err)
{
    switch (memory->share) {
    case GPU_SHARE_IPC:
        return gpu_ipc_attach(memory, wire->handle, err);
    case GPU_SHARE_VMM:
        return gpu_cuda_vmm_attach(memory, fd, set_access, err);
    case GPU_SHARE_POOL:
        return gpu_cuda_pool_attach(memory, wire->handle, fd, err);
    }
    return err_set(err, ST_INVALID, NULL, "no such kind of shared device memory: %d",
                   (int)memory->share);
}

enum status gpu_shared_attach(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared_address *address, bool set_access,
                              struct gpu_shared **memory, struct err *err)
{
    struct gpu_wire wire;
    struct gpu_shared *made = NULL;
    enum status status = gpu_wire_read(address, share, size_bytes, &wire, err);
    if (status == ST_OK) {
        made = calloc(1, sizeof *made);
        if (!made)
            status = err_set(err, ST_NO_MEMORY, NULL, "out of memory to open shared device memory");
    }
    if (status == ST_OK) {
        *made = (struct gpu_shared){
            .gpu = gpu, .share = share, .imported = true, .mapped_bytes = wire.mapped_bytes};
        status = gpu_shared_open(made, &wire, address->fd, set_access, err);
    }
    /* What CUDA made of the descriptor lives without it. */
    if (address->fd >= 0)
        close(address->fd);
    address->fd = -1;
    if (status != ST_OK) {
        free(made);
        return status;
    }
    *memory = made;
    return ST_OK;
}

void *gpu_shared_pointer(const struct gpu_shared *memory)
{
    return memory->pointer;
}

void gpu_shared_destroy(struct gpu_shared *memory)
{
    if (!memory)
        return;
    if (memory->share == GPU_SHARE_IPC)
        gpu_ipc_destroy(memory);
    else if (memory->share == GPU_SHARE_VMM)
        gpu_cuda_vmm_destroy(memory);
    else
        gpu_cuda_pool_destroy(memory);
    free(memory);
}
