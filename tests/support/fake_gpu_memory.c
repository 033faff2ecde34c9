/* fake_gpu_memory.c: gpu.h's memory of one process on the fake GPU: device, pinned, registered,
 * managed. What the addresses mean is in fake_gpu_regions.c.
 */
#include <unistd.h>

#include "tests/support/fake_gpu.h"

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

enum status gpu_device_alloc(struct gpu *gpu, size_t size_bytes, void **device, struct err *err)
{
    FAKE_ENTER(gpu, err);
    int fd = fake_memory_make("fake-gpu-device", size_bytes, false, err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    return fake_region_make(FAKE_DEVICE, fd, size_bytes, true, device, NULL, err);
}

void gpu_device_free(struct gpu *gpu, void *device)
{
    if (!device)
        return;
    fake_note(gpu, __func__);
    fake_region_end(FAKE_DEVICE, device, __func__);
}

enum status gpu_pinned_alloc(struct gpu *gpu, size_t size_bytes, void **host, void **device,
                             struct err *err)
{
    FAKE_ENTER(gpu, err);
    int fd = fake_memory_make("fake-gpu-pinned", size_bytes, true, err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    return fake_region_make(FAKE_PINNED, fd, size_bytes, true, device, host, err);
}

void gpu_pinned_free(struct gpu *gpu, void *host)
{
    if (!host)
        return;
    fake_note(gpu, __func__);
    fake_region_end(FAKE_PINNED, host, __func__);
}

enum status gpu_register(struct gpu *gpu, void *host, size_t size_bytes, void **device,
                         struct err *err)
{
    FAKE_ENTER(gpu, err);
    if (fake_setting("host_register", 1) != 1)
        return err_set(err, ST_UNAVAILABLE, "use access copy", "gpu_register: not supported here");
    if ((uintptr_t)host % PAGE != 0 || size_bytes % PAGE != 0 || size_bytes == 0)
        return err_set(err, ST_INVALID, "register whole pages",
                       "gpu_register(%p, %zu): invalid argument: not whole pages", host,
                       size_bytes);
    const char *why = fake_region_register(host, size_bytes, device);
    return why ? err_set(err, ST_SYSTEM, NULL, "gpu_register(%p, %zu): %s", host, size_bytes, why)
               : ST_OK;
}

void gpu_unregister(struct gpu *gpu, void *host)
{
    if (!host)
        return;
    fake_note(gpu, __func__);
    fake_region_end(FAKE_REGISTERED, host, __func__);
}

enum status gpu_managed_alloc(struct gpu *gpu, size_t size_bytes, void **memory, struct err *err)
{
    FAKE_ENTER(gpu, err);
    if (fake_setting("managed_memory", 1) != 1)
        return err_set(err, ST_UNAVAILABLE, "use access copy", "gpu_managed_alloc: not supported");
    int fd = fake_memory_make("fake-gpu-managed", size_bytes, true, err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    enum status status = fake_region_make(FAKE_MANAGED, fd, size_bytes, true, memory, NULL, err);
    if (status == ST_OK && fake_setting("concurrent_managed_access", 1) != 1)
        fake_managed_take_turns(*memory);
    return status;
}

void gpu_managed_free(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    fake_note(gpu, __func__);
    fake_region_end(FAKE_MANAGED, memory, __func__);
}

enum status gpu_dmabuf_export(struct gpu *gpu, void *device, size_t size_bytes, bool host, int *fd,
                              struct err *err)
{
    FAKE_ENTER(gpu, err);
    if (fake_setting("dma_buf", 1) != 1)
        return err_set(err, ST_UNAVAILABLE, "use cuda_vmm", "gpu_dmabuf_export: not supported");
    int made = fake_region_export(host ? FAKE_PINNED : FAKE_DEVICE, device, size_bytes);
    if (made < 0)
        return err_set(err, ST_SYSTEM, "export whole pages of one allocation",
                       "gpu_dmabuf_export(%p, %zu): invalid argument", device, size_bytes);
    *fd = made;
    return ST_OK;
}
