/* gpu_none.c: gpu.h without the CUDA Toolkit: says what is missing, and does nothing else.
 *
 * CMake takes it instead of gpu_cuda.c where there is no toolkit or HANDOFF_CUDA=OFF.
 */
#include "harness/gpu/gpu.h"

enum status gpu_probe(struct gpu_info *info, struct err *err)
{
    char what[200];
    if (gpu_hardware_present(what, sizeof what))
        return err_set(err, ST_UNAVAILABLE,
                       "install the CUDA Toolkit (11.4 or newer; on a Jetson: apt-get install "
                       "nvidia-jetpack), or set CUDACXX to its nvcc, and build again",
                       "built without the CUDA Toolkit, although this machine has a GPU: %s", what);
    return err_set(err, ST_UNAVAILABLE,
                   "for GPU figures, build on a machine with an NVIDIA GPU and the CUDA Toolkit",
                   "built without the CUDA Toolkit, and no NVIDIA GPU shows on this machine");
}

const char *gpu_toolkit_version(void)
{
    return NULL;
}

/* ---- Everything that would need a device ------------------------------------------------------ */

static enum status gpu_missing(struct err *err)
{
    struct gpu_info info;
    return gpu_probe(&info, err);
}

enum status gpu_open(enum gpu_sync sync, struct gpu **gpu, struct err *err)
{
    return gpu_missing(err);
}

void gpu_close(struct gpu *gpu)
{
}

int gpu_attribute_read(const struct gpu *gpu, enum gpu_attribute attribute)
{
    return INT32_MIN;
}

enum status gpu_memory_info(struct gpu *gpu, uint64_t *free_bytes, uint64_t *total_bytes,
                            struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_device_alloc(struct gpu *gpu, size_t size_bytes, void **device, struct err *err)
{
    return gpu_missing(err);
}

void gpu_device_free(struct gpu *gpu, void *device)
{
}

enum status gpu_pinned_alloc(struct gpu *gpu, size_t size_bytes, void **host, void **device,
                             struct err *err)
{
    return gpu_missing(err);
}

void gpu_pinned_free(struct gpu *gpu, void *host)
{
}

enum status gpu_register(struct gpu *gpu, void *host, size_t size_bytes, void **device,
                         struct err *err)
{
    return gpu_missing(err);
}

void gpu_unregister(struct gpu *gpu, void *host)
{
}

enum status gpu_managed_alloc(struct gpu *gpu, size_t size_bytes, void **memory, struct err *err)
{
    return gpu_missing(err);
}

void gpu_managed_free(struct gpu *gpu, void *memory)
{
}

enum status gpu_shared_create(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared **memory, struct gpu_shared_address *address,
                              struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_shared_attach(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared_address *address, bool set_access,
                              struct gpu_shared **memory, struct err *err)
{
    return gpu_missing(err);
}

void *gpu_shared_pointer(const struct gpu_shared *memory)
{
    return NULL;
}

void gpu_shared_destroy(struct gpu_shared *memory)
{
}

enum status gpu_dmabuf_export(struct gpu *gpu, void *device, size_t size_bytes, bool host, int *fd,
                              struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_open(struct gpu *gpu, struct gpu_stream **stream, struct err *err)
{
    return gpu_missing(err);
}

void gpu_stream_close(struct gpu_stream *stream)
{
}

void *gpu_stream_native(const struct gpu_stream *stream)
{
    return NULL;
}

enum status gpu_stream_copy(struct gpu_stream *stream, void *to, const void *from,
                            size_t size_bytes, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_managed_to_gpu(struct gpu_stream *stream, void *memory, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_managed_to_host(struct gpu_stream *stream, void *memory, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_wait_value(struct gpu_stream *stream, void *word, uint32_t value,
                                  struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_write_value(struct gpu_stream *stream, void *word, uint32_t value,
                                   struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_synchronize(struct gpu_stream *stream, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_poll(struct gpu_stream *stream, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_event_open(struct gpu *gpu, unsigned flags, struct gpu_event **event,
                           struct err *err)
{
    return gpu_missing(err);
}

void gpu_event_close(struct gpu_event *event)
{
}

enum status gpu_event_record(struct gpu_event *event, struct gpu_stream *stream, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_stream_wait_event(struct gpu_stream *stream, struct gpu_event *event,
                                  struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_event_synchronize(struct gpu_event *event, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_event_poll(struct gpu_event *event, struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_event_export(struct gpu_event *event, uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct err *err)
{
    return gpu_missing(err);
}

enum status gpu_event_import(struct gpu *gpu, const uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct gpu_event **event, struct err *err)
{
    return gpu_missing(err);
}
