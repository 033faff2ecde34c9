/* floor_gpu_memory.c: frames streamed through the GPU: copied, read over the bus, filled and
 * inverted. See floor_gpu_parts.h. */
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/floor_gpu_parts.h"

#define FLOOR_GPU_ALIGN ((size_t)4096)
/* Of memory to stream through, however large the caches. */
#define FLOOR_GPU_DEVICE_BYTES_MAX ((size_t)1 << 30)
#define FLOOR_GPU_HOST_BYTES_MAX ((size_t)128 << 20)
/* So long is a batch, that the one wait at its end does not count. */
#define FLOOR_GPU_BATCH_NS 3000000.0

enum {
    FLOOR_GPU_BATCH_MAX = 400, /* two kernels each, fewer than a launch queue holds */
    FLOOR_GPU_BATCHES = 40,
    FLOOR_GPU_BATCHES_MIN = 3,
    FLOOR_GPU_CACHES = 4, /* times the L2 cache, in device memory */
    FLOOR_GPU_FRAMES = 4, /* and at least so many frames */
};

static size_t floor_gpu_stride(size_t bytes)
{
    return (bytes + FLOOR_GPU_ALIGN - 1) / FLOOR_GPU_ALIGN * FLOOR_GPU_ALIGN;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t floor_gpu_bytes(size_t cache_bytes, size_t stride, size_t most_bytes)
{
    size_t bytes =
        FLOOR_GPU_FRAMES * stride > cache_bytes ? FLOOR_GPU_FRAMES * stride : cache_bytes;
    return floor_gpu_stride(bytes < most_bytes ? bytes : most_bytes);
}

static enum status floor_gpu_device_make(struct floor_gpu_bench *bench, size_t cache_bytes,
                                         size_t stride, struct floor_gpu_memory *memory,
                                         struct err *err)
{
    uint64_t free_bytes, total_bytes;
    void *device;
    enum status status = gpu_memory_info(bench->gpu, &free_bytes, &total_bytes, err);
    if (status != ST_OK)
        return status;
    size_t most_bytes = free_bytes / 4 < FLOOR_GPU_DEVICE_BYTES_MAX ? (size_t)free_bytes / 4
                                                                    : FLOOR_GPU_DEVICE_BYTES_MAX;
    size_t bytes = floor_gpu_bytes(FLOOR_GPU_CACHES * cache_bytes, stride, most_bytes);
    bytes = bytes > 2 * stride ? bytes : 2 * stride;
    status = gpu_device_alloc(bench->gpu, bytes, &device, err);
    if (status != ST_OK)
        return status;
    memory->device = device;
    memory->device_bytes = bytes;
    return ST_OK;
}

/* Something that no memory compresses or finds twice. */
static void floor_gpu_fill_host(struct shm_map *host)
{
    uint64_t *words = host->bytes, value = clock_now_ns() | 1;
    for (size_t i = 0; i < host->size_bytes / sizeof *words; i++)
        words[i] = value = value * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
}

static enum status floor_gpu_host_make(struct floor_gpu_bench *bench, size_t cache_bytes,
                                       size_t stride, struct floor_gpu_memory *memory,
                                       struct err *err)
{
    size_t bytes = floor_gpu_bytes(2 * cache_bytes, stride, FLOOR_GPU_HOST_BYTES_MAX);
    size_t page = (size_t)sysconf(_SC_PAGESIZE); /* what can be registered is whole ones */
    bytes = ((bytes > stride ? bytes : stride) + page - 1) / page * page;
    void *mapped;
    enum status status = shm_create("handoff-gpu-floor", bytes, &memory->host, err);
    if (status != ST_OK)
        return status;
    floor_gpu_fill_host(&memory->host);
    status = gpu_register(bench->gpu, memory->host.bytes, memory->host.size_bytes, &mapped, err);
    if (status == ST_OK)
        memory->mapped = mapped;
    return status;
}

enum status floor_gpu_memory_make(struct floor_gpu_bench *bench, size_t largest_bytes,
                                  struct floor_gpu_memory *memory, struct err *err)
{
    int cache = gpu_attribute_read(bench->gpu, GPU_ATTRIBUTE_l2_cache_bytes);
    size_t cache_bytes = cache > 0 ? (size_t)cache : 0, stride = floor_gpu_stride(largest_bytes);
    *memory = (struct floor_gpu_memory){.host = SHM_MAP_NONE};
    enum status status = floor_gpu_device_make(bench, cache_bytes, stride, memory, err);
    if (status == ST_OK)
        status = floor_gpu_host_make(bench, cache_bytes, stride, memory, err);
    return status;
}

void floor_gpu_memory_end(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory)
{
    if (memory->mapped)
        gpu_unregister(bench->gpu, memory->host.bytes);
    shm_unmap(&memory->host);
    if (memory->device)
        gpu_device_free(bench->gpu, memory->device);
    *memory = (struct floor_gpu_memory){.host = SHM_MAP_NONE};
}

/* ---- one frame, enqueued --------------------------------------------------------------------- */

/* The slots rotate, so that each comes back only after all others. */
static uint8_t *floor_gpu_slot(uint8_t *begin, size_t size_bytes, size_t bytes, size_t n)
{
    size_t stride = floor_gpu_stride(bytes);
    return begin + n % (size_bytes / stride) * stride;
}

static enum status floor_gpu_kernel(struct floor_gpu_bench *bench, enum launch_kind kind,
                                    uint8_t *payload, size_t bytes, uint32_t n, struct err *err)
{
    const struct launch_work work = {
        .kind = kind,
        .payload = payload,
        .payload_bytes = bytes,
        .geometry = {(int32_t)bytes, 1, 1},
        .frame_id = (int32_t)(n & INT32_MAX),
        .seed = 1,
        .source_index = n % 4,
        .report = &bench->device_words->report,
        .done_value = n + 1,
    };
    return launcher_enqueue(bench->launcher, bench->stream, &work, err);
}

static enum status floor_gpu_frame(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory,
                                   enum floor_gpu_stream what, size_t bytes, struct err *err)
{
    uint32_t n = memory->next++;
    uint8_t *device = floor_gpu_slot(memory->device, memory->device_bytes, bytes, n);
    size_t slots = memory->device_bytes / floor_gpu_stride(bytes);
    size_t host_slots = memory->host.size_bytes / floor_gpu_stride(bytes);
    size_t host_offset = n % host_slots * floor_gpu_stride(bytes);
    enum status status;
    switch (what) {
    case FLOOR_GPU_DEVICE_COPY:
        return gpu_stream_copy(
            bench->stream, device,
            floor_gpu_slot(memory->device, memory->device_bytes, bytes, n + slots / 2), bytes, err);
    case FLOOR_GPU_MAPPED_READ:
        return floor_gpu_kernel(bench, LAUNCH_CHECKSUM, memory->mapped + host_offset, bytes, n,
                                err);
    case FLOOR_GPU_HOST_COPY:
        return gpu_stream_copy(bench->stream, device, (uint8_t *)memory->host.bytes + host_offset,
                               bytes, err);
    default:
        status = floor_gpu_kernel(bench, LAUNCH_FILL, device, bytes, n, err);
        return status == ST_OK ? floor_gpu_kernel(bench, LAUNCH_INVERT, device, bytes, n, err)
                               : status;
    }
}

/* ---- batches --------------------------------------------------------------------------------- */

/* `count` frames, one behind the other; *each_ns is the share of one. */
static enum status floor_gpu_batch(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory,
                                   enum floor_gpu_stream what, size_t bytes, uint32_t count,
                                   double *each_ns, struct err *err)
{
    enum status status = ST_OK;
    uint64_t begin_ns = clock_now_ns();
    for (uint32_t i = 0; status == ST_OK && i < count; i++)
        status = floor_gpu_frame(bench, memory, what, bytes, err);
    if (status == ST_OK)
        status = gpu_stream_synchronize(bench->stream, err);
    *each_ns = (double)(clock_now_ns() - begin_ns) / count;
    return status;
}

static uint32_t floor_gpu_batch_count(double each_ns)
{
    double count = FLOOR_GPU_BATCH_NS / (each_ns > 1 ? each_ns : 1);
    return count < 2 ? 2 : count > FLOOR_GPU_BATCH_MAX ? FLOOR_GPU_BATCH_MAX : (uint32_t)count;
}

enum status floor_gpu_stream_measure(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory,
                                     enum floor_gpu_stream what, size_t bytes, uint64_t deadline_ns,
                                     struct floor_gpu_figure *figure, struct err *err)
{
    const uint64_t most_ns = 400000000u; /* that a slow device may be late for a few batches */
    double each_ns;
    uint32_t count = 1; /* warms up, and says how many make a batch */
    enum status status = floor_gpu_batch(bench, memory, what, bytes, 1, &each_ns, err);
    bench->samples.count = 0;
    for (int b = 0; status == ST_OK && b < FLOOR_GPU_BATCHES; b++) {
        status = floor_gpu_batch(bench, memory, what, bytes, count, &each_ns, err);
        if (b > 0)
            floor_gpu_sample(&bench->samples, each_ns);
        else
            count = floor_gpu_batch_count(each_ns);
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns &&
            (bench->samples.count >= FLOOR_GPU_BATCHES_MIN || now_ns - deadline_ns >= most_ns))
            break;
    }
    return status == ST_OK ? floor_gpu_take(&bench->samples, count, figure, err) : status;
}
