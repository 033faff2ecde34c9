/* fake_gpu.c: the fake GPU itself: what it says of itself, opening and closing it, its clock.
 *
 * See fake_gpu.h. Memory, streams, events and sharing have files of their own.
 */
#include "tests/support/fake_gpu.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_BYTES ((uint64_t)1 << 30)

struct gpu fake_gpu = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- What there is --------------------------------------------------------------------------- */

static enum status device_there(struct err *err)
{
    if (fake_setting("device", 1) != 0)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, "set no device=0 in HANDOFF_FAKE_GPU_ATTRIBUTES",
                   "the fake GPU was told not to be there");
}

enum status gpu_probe(struct gpu_info *info, struct err *err)
{
    enum status status = fake_enter_without(__func__, err);
    if (status == ST_OK)
        status = device_there(err);
    if (status != ST_OK)
        return status;
    *info = (struct gpu_info){.device_count = 1,
                              .name = "fake GPU",
                              .compute_major = 9,
                              .integrated = fake_setting("integrated", 0) != 0,
                              .runtime_version = 13000,
                              .driver_version = 13000};
    return ST_OK;
}

const char *gpu_toolkit_version(void)
{
    return "fake";
}

/* MPS is on where its daemon's pipe is, as for CUDA. */
static int mps_there(void)
{
    const char *folder = getenv("CUDA_MPS_PIPE_DIRECTORY");
    char path[4096];
    snprintf(path, sizeof path, "%s/control", folder ? folder : "/tmp/nvidia-mps");
    return access(path, F_OK) == 0;
}

int gpu_attribute_read(const struct gpu *gpu, enum gpu_attribute attribute)
{
    static const int usual[GPU_ATTRIBUTE_COUNT] = {
        [GPU_ATTRIBUTE_can_map_host_memory] = 1,
        [GPU_ATTRIBUTE_unified_addressing] = 1,
        [GPU_ATTRIBUTE_multiprocessors] = 8,
        [GPU_ATTRIBUTE_l2_cache_bytes] = 4 << 20,
        [GPU_ATTRIBUTE_managed_memory] = 1,
        [GPU_ATTRIBUTE_concurrent_managed_access] = 1,
        [GPU_ATTRIBUTE_virtual_memory_management] = 1,
        [GPU_ATTRIBUTE_posix_descriptor_handles] = 1,
        [GPU_ATTRIBUTE_host_register] = 1,
        [GPU_ATTRIBUTE_memory_pools] = 1,
        [GPU_ATTRIBUTE_memory_pool_handle_types] = 1,
        [GPU_ATTRIBUTE_stream_memory_operations] = 1,
        [GPU_ATTRIBUTE_stream_wait_value_nor] = 1,
        [GPU_ATTRIBUTE_dma_buf] = 1,
        [GPU_ATTRIBUTE_ipc_event] = 1,
    };
    fake_note(gpu, __func__);
    int value = attribute == GPU_ATTRIBUTE_mps ? mps_there() : usual[attribute];
    return fake_setting(gpu_attribute_name(attribute), value);
}

uint64_t fake_globaltimer_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    /* 25 millionths fast, and years ahead. */
    return (ns + ns / 40000 + UINT64_C(1700000000123456789)) & ~UINT64_C(31);
}

/* ---- Opening, closing, breaking -------------------------------------------------------------- */

/* Memory for another context: a byte of the file, locked by this process until it ends. Its size is
 * how many there have been. */
static enum status context_there(struct err *err)
{
    char path[4096];
    long most, ever;
    const char *setting = getenv("HANDOFF_FAKE_GPU_CONTEXTS");
    if (!setting)
        return ST_OK;
    if (sscanf(setting, "%ld:%ld:%4095s", &most, &ever, path) != 3)
        fake_abort("HANDOFF_FAKE_GPU_CONTEXTS=%s", setting);
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (write(fd, "", 1) != 1 || lseek(fd, 0, SEEK_END) > ever)
        most = 0;
    for (long i = 0; i < most; i++) {
        struct flock place = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};
        if (fcntl(fd, F_SETLK, &place) == 0)
            return ST_OK;
    }
    close(fd);
    return err_set(err, ST_NO_MEMORY, "free memory on the GPU",
                   "the fake GPU has no memory for another context");
}

enum status gpu_open(enum gpu_sync sync, struct gpu **gpu, struct err *err)
{
    enum status status = fake_enter_without(__func__, err);
    if (status == ST_OK)
        status = device_there(err);
    if (status == ST_OK)
        status = context_there(err);
    if (status != ST_OK)
        return status;
    if (sync > GPU_SYNC_FLAG)
        fake_abort("gpu_open: no sync is %d", (int)sync);
    if (atomic_load(&fake_gpu.open))
        fake_abort("gpu_open: one is open in this process");
    atomic_store(&fake_gpu.broken, false);
    atomic_store(&fake_gpu.open, true);
    *gpu = &fake_gpu;
    return ST_OK;
}

static unsigned tell_left(unsigned count, const char *what)
{
    if (count > 0)
        fake_tell_left("gpu_close: left: %u %s", count, what);
    return count;
}

void gpu_close(struct gpu *gpu)
{
    static const char *const objects[FAKE_OBJECTS] = {"events", "launchers",
                                                      "ends of shared memory"};
    static const char *const kinds[FAKE_KINDS] = {"device allocations", "pinned allocations",
                                                  "registrations", "managed allocations",
                                                  "pieces of shared memory"};
    if (!gpu)
        return;
    fake_note(gpu, __func__);
    fake_settle(__func__);
    tell_left(fake_streams_end(), "streams");
    for (int i = 0; i < FAKE_OBJECTS; i++)
        tell_left(atomic_load(&gpu->live[i]), objects[i]);
    unsigned counts[FAKE_KINDS];
    fake_regions_count(counts);
    for (int i = 0; i < FAKE_KINDS; i++)
        if (i != FAKE_SHARED) /* told as ends */
            tell_left(counts[i], kinds[i]);
    atomic_store(&gpu->open, false);
}

unsigned fake_gpu_left(void)
{
    unsigned counts[FAKE_KINDS], left = 0;
    fake_regions_count(counts);
    for (int i = 0; i < FAKE_KINDS; i++)
        left += i != FAKE_SHARED ? counts[i] : 0;
    for (int i = 0; i < FAKE_OBJECTS; i++)
        left += atomic_load(&fake_gpu.live[i]);
    return left + fake_streams_open();
}

void fake_break(const char *format, ...)
{
    pthread_mutex_lock(&fake_gpu.lock);
    if (!atomic_load(&fake_gpu.broken)) {
        char what[200];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(what, sizeof what, format, arguments);
        va_end(arguments);
        snprintf(fake_gpu.why, sizeof fake_gpu.why,
                 "an illegal memory access was encountered (fake GPU: %s)", what);
        atomic_store(&fake_gpu.broken, true);
    }
    pthread_mutex_unlock(&fake_gpu.lock);
}

enum status gpu_memory_info(struct gpu *gpu, uint64_t *free_bytes, uint64_t *total_bytes,
                            struct err *err)
{
    FAKE_ENTER(gpu, err);
    *free_bytes = DEVICE_BYTES - fake_device_bytes();
    *total_bytes = DEVICE_BYTES;
    return ST_OK;
}
