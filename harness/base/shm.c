/* shm.c: sealed memfds, shared by descriptor. See shm.h for the contract. */
#include "harness/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char shm_space_hint[] =
    "free memory, use smaller frames or fewer slots, or raise the container's memory limit";

/* Memory that can be had without swapping, as the kernel estimates it; 0 when it does not say. */
static size_t shm_available_bytes(void)
{
    char line[128];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
            break;
    fclose(file);
    return (size_t)kilobytes * 1024;
}

/* Makes every page present and writable in this process's own page table, so that no fault happens
 * while the clock runs. Adding zero atomically changes nothing, even while the peer writes. */
static void shm_touch(void *bytes, size_t size_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < size_bytes; at += page_bytes)
        atomic_fetch_add_explicit((_Atomic uint8_t *)bytes + at, 0, memory_order_relaxed);
}

static enum status shm_map_fd(int fd, size_t size_bytes, struct shm_map *map, struct err *err)
{
    void *bytes = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_set_errno(err, errno, shm_space_hint, "cannot map %zu bytes of shared memory",
                             size_bytes);
    shm_touch(bytes, size_bytes);
    *map = (struct shm_map){.bytes = bytes, .size_bytes = size_bytes, .fd = fd};
    return ST_OK;
}

enum status shm_create(const char *label, size_t size_bytes, struct shm_map *map, struct err *err)
{
    enum status status;
    /* A memfd has no size limit of its own: asking for too much wakes the out-of-memory killer. */
    size_t available_bytes = shm_available_bytes();
    if (available_bytes > 0 && size_bytes > available_bytes)
        return err_set(err, ST_NO_MEMORY, shm_space_hint,
                       "segment %s needs %zu bytes, but only %zu are available", label, size_bytes,
                       available_bytes);
    int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_set_errno(err, errno, NULL, "cannot create a memory segment (%s)", label);
    if (ftruncate(fd, (off_t)size_bytes) != 0) {
        status = err_set_errno(err, errno, shm_space_hint, "cannot size segment %s to %zu bytes",
                               label, size_bytes);
        goto undo_fd;
    }
    /* ftruncate beyond free space succeeds and the touch is a SIGBUS; this fails up front. */
    int failure = posix_fallocate(fd, 0, (off_t)size_bytes);
    if (failure != 0) {
        status = err_set_errno(err, failure, shm_space_hint,
                               "no room for the %zu bytes of segment %s", size_bytes, label);
        goto undo_fd;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        status = err_set_errno(err, errno, NULL, "cannot seal segment %s", label);
        goto undo_fd;
    }
    status = shm_map_fd(fd, size_bytes, map, err);
    if (status != ST_OK)
        goto undo_fd;
    return ST_OK;
undo_fd:
    close(fd);
    return status;
}

enum status shm_attach(int fd, size_t min_bytes, struct shm_map *map, struct err *err)
{
    enum status status;
    struct stat stat;
    if (fstat(fd, &stat) != 0) {
        status =
            err_set_errno(err, errno, NULL, "the descriptor of a shared segment is not usable");
        goto undo_fd;
    }
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
        status = err_set(err, ST_CORRUPT, "segments are passed by handoff's own roles only",
                         "a shared segment is not sealed against shrinking");
        goto undo_fd;
    }
    if (stat.st_size <= 0 || (uintmax_t)stat.st_size < min_bytes) {
        status = err_set(err, ST_CORRUPT, "do both roles run the same version of handoff?",
                         "a shared segment has %jd bytes, at least %zu are needed",
                         (intmax_t)stat.st_size, min_bytes);
        goto undo_fd;
    }
    status = shm_map_fd(fd, (size_t)stat.st_size, map, err);
    if (status != ST_OK)
        goto undo_fd;
    return ST_OK;
undo_fd:
    close(fd);
    return status;
}

void shm_unmap(struct shm_map *map)
{
    if (map->bytes)
        munmap(map->bytes, map->size_bytes);
    if (map->bytes && map->fd >= 0)
        close(map->fd);
    *map = SHM_MAP_NONE;
}
