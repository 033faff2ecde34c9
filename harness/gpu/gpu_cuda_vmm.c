/* gpu_cuda_vmm.c: device memory made with cuMemCreate and exported as a descriptor.
 *
 * Every process reserves addresses, maps the memory there and gives itself access: access is a
 * property of the mapping, not of the memory, which is what those overlook who find that "it does not
 * work on Jetson".
 */
#include <unistd.h>

#include "harness/gpu/gpu_cuda.h"

static enum status gpu_vmm_need(const struct gpu *gpu, struct err *err)
{
    const struct gpu_cuda_driver *driver = &gpu->driver;
    return gpu_cuda_need(driver->mem_get_allocation_granularity && driver->mem_create &&
                             driver->mem_release && driver->mem_address_reserve &&
                             driver->mem_address_free && driver->mem_map && driver->mem_unmap &&
                             driver->mem_set_access && driver->mem_export_to_shareable_handle &&
                             driver->mem_import_from_shareable_handle,
                         "virtual memory management (cuMemCreate and its like)", err);
}

/* Maps memory->handle, mapped_bytes of it, at addresses of its own. */
static enum status gpu_vmm_map(struct gpu_shared *memory, bool set_access, struct err *err)
{
    const struct gpu_cuda_driver *driver = &memory->gpu->driver;
    CUdeviceptr address = 0;
    enum status status;
    CUresult result = driver->mem_address_reserve(&address, memory->mapped_bytes, 0, 0, 0);
    if (result != CUDA_SUCCESS)
        return gpu_cuda_fail_driver(err, result, "cuMemAddressReserve");
    result = driver->mem_map(address, memory->mapped_bytes, 0, memory->handle, 0);
    if (result != CUDA_SUCCESS) {
        status = gpu_cuda_fail_driver(err, result, "cuMemMap");
        goto undo_reserve;
    }
    if (set_access) {
        const CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0},
                                        .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
        result = driver->mem_set_access(address, memory->mapped_bytes, &access, 1);
        if (result != CUDA_SUCCESS) {
            status = gpu_cuda_fail_driver(err, result, "cuMemSetAccess");
            goto undo_map;
        }
    }
    memory->pointer = (void *)(uintptr_t)address;
    return ST_OK;
undo_map:
    (void)driver->mem_unmap(address, memory->mapped_bytes);
undo_reserve:
    (void)driver->mem_address_free(address, memory->mapped_bytes);
    return status;
}

static void gpu_vmm_unmap(struct gpu_shared *memory)
{
    const struct gpu_cuda_driver *driver = &memory->gpu->driver;
    CUdeviceptr address = (CUdeviceptr)(uintptr_t)memory->pointer;
    (void)driver->mem_unmap(address, memory->mapped_bytes);
    (void)driver->mem_address_free(address, memory->mapped_bytes);
}

enum status gpu_cuda_vmm_create(struct gpu_shared *memory, size_t size_bytes, int *fd,
                                struct err *err)
{
    const struct gpu_cuda_driver *driver = &memory->gpu->driver;
    const CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    enum status status = gpu_vmm_need(memory->gpu, err);
    if (status != ST_OK)
        return status;
    size_t step = 0;
    CUresult result = driver->mem_get_allocation_granularity(&step, &properties,
                                                             CU_MEM_ALLOC_GRANULARITY_RECOMMENDED);
    if (result != CUDA_SUCCESS)
        return gpu_cuda_fail_driver(err, result, "cuMemGetAllocationGranularity");
    memory->mapped_bytes = (size_bytes + step - 1) / step * step;
    result = driver->mem_create(&memory->handle, memory->mapped_bytes, &properties, 0);
    if (result != CUDA_SUCCESS)
        return gpu_cuda_fail_driver(err, result, "cuMemCreate");
    int exported = -1;
    result = driver->mem_export_to_shareable_handle(&exported, memory->handle,
                                                    CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    if (result != CUDA_SUCCESS) {
        status = gpu_cuda_fail_driver(err, result, "cuMemExportToShareableHandle");
        goto undo_create;
    }
    status = gpu_vmm_map(memory, true, err);
    if (status != ST_OK)
        goto undo_export;
    *fd = exported;
    return ST_OK;
undo_export:
    close(exported);
undo_create:
    (void)driver->mem_release(memory->handle);
    return status;
}

enum status gpu_cuda_vmm_attach(struct gpu_shared *memory, int fd, bool set_access, struct err *err)
{
    const struct gpu_cuda_driver *driver = &memory->gpu->driver;
    enum status status = gpu_vmm_need(memory->gpu, err);
    if (status != ST_OK)
        return status;
    /* The descriptor travels as a pointer's value. */
    CUresult result = driver->mem_import_from_shareable_handle(
        &memory->handle, (void *)(uintptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    if (result != CUDA_SUCCESS)
        return gpu_cuda_fail_driver(err, result, "cuMemImportFromShareableHandle");
    status = gpu_vmm_map(memory, set_access, err);
    if (status != ST_OK)
        (void)driver->mem_release(memory->handle);
    return status;
}

void gpu_cuda_vmm_destroy(struct gpu_shared *memory)
{
    gpu_vmm_unmap(memory);
    (void)memory->gpu->driver.mem_release(memory->handle);
}
