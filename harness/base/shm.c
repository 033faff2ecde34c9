/* shm.c: sealed memfds, shared by descriptor. See shm.h for the contract; pages.c maps them. */
#include "harness/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/pages.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004u
#endif

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

/* Asking for too much wakes the out-of-memory killer: a memfd has no size limit of its own. */
static enum status shm_room_check(const char *label, size_t size_bytes, enum shm_pages pages,
                                  bool shared, struct err *err)
{
    size_t available_bytes = pages == SHM_PAGES_HUGETLB ? 0 : shm_available_bytes();
    if (available_bytes > 0 && size_bytes > available_bytes)
        return err_set(err, ST_NO_MEMORY, shm_space_hint,
                       "segment %s needs %zu bytes, but only %zu are available", label, size_bytes,
                       available_bytes);
    enum status status = pages_allowed(pages, shared, size_bytes, err);
    if (status != ST_OK)
        err_context(err, "segment %s", label);
    return status;
}

/* Gives an empty file its size and the memory behind it. */
static enum status shm_back(int fd, const char *label, size_t size_bytes, enum shm_pages pages,
                            struct err *err)
{
    if (ftruncate(fd, (off_t)size_bytes) != 0)
        return err_set_errno(err, errno, shm_space_hint, "cannot size segment %s to %zu bytes",
                             label, size_bytes);
    /* ftruncate beyond free space succeeds and the touch is a SIGBUS; this fails up front. But it
     * takes normal pages where huge ones come by the mapping's advice. A signal ends it early. */
    int failure;
    do
        failure = pages == SHM_PAGES_THP ? 0 : posix_fallocate(fd, 0, (off_t)size_bytes);
    while (failure == EINTR);
    return failure == 0
               ? ST_OK
               : err_set_errno(err, failure, shm_space_hint,
                               "no room for the %zu bytes of segment %s", size_bytes, label);
}

enum status shm_create_pages(const char *label, size_t size_bytes, enum shm_pages pages,
                             struct shm_map *map, struct err *err)
{
    if (size_bytes > SIZE_MAX / 2)
        return err_set(err, ST_NO_MEMORY, shm_space_hint, "segment %s of %zu bytes", label,
                       size_bytes);
    size_bytes = pages_round_up(pages, size_bytes);
    enum status status = shm_room_check(label, size_bytes, pages, true, err);
    if (status != ST_OK)
        return status;
    unsigned huge = pages == SHM_PAGES_HUGETLB ? MFD_HUGETLB : 0;
    int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
    if (fd < 0)
        return err_set_errno(err, errno, NULL, "cannot create a memory segment (%s)", label);
    status = shm_back(fd, label, size_bytes, pages, err);
    if (status != ST_OK)
        goto undo_fd;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        status = err_set_errno(err, errno, NULL, "cannot seal segment %s", label);
        goto undo_fd;
    }
    void *bytes;
    status = pages_map(pages, fd, size_bytes, &bytes, err);
    if (status != ST_OK)
        goto undo_fd;
    *map = (struct shm_map){.bytes = bytes, .size_bytes = size_bytes, .fd = fd};
    return ST_OK;
undo_fd:
    close(fd);
    return status;
}

enum status shm_back_file(int fd, const char *label, size_t size_bytes, void **bytes,
                          struct err *err)
{
    if (size_bytes > SIZE_MAX / 2)
        return err_set(err, ST_NO_MEMORY, shm_space_hint, "segment %s of %zu bytes", label,
                       size_bytes);
    enum status status = shm_room_check(label, size_bytes, SHM_PAGES_NORMAL, true, err);
    if (status == ST_OK)
        status = shm_back(fd, label, size_bytes, SHM_PAGES_NORMAL, err);
    if (status == ST_OK)
        status = pages_map(SHM_PAGES_NORMAL, fd, size_bytes, bytes, err);
    return status;
}

enum status shm_map_file(int fd, size_t size_bytes, void **bytes, struct err *err)
{
    return pages_map(SHM_PAGES_NORMAL, fd, size_bytes, bytes, err);
}

enum status shm_create(const char *label, size_t size_bytes, struct shm_map *map, struct err *err)
{
    return shm_create_pages(label, size_bytes, SHM_PAGES_NORMAL, map, err);
}

enum status shm_create_private(const char *label, size_t size_bytes, enum shm_pages pages,
                               struct shm_map *map, struct err *err)
{
    if (size_bytes > SIZE_MAX / 2)
        return err_set(err, ST_NO_MEMORY, shm_space_hint, "memory %s of %zu bytes", label,
                       size_bytes);
    size_bytes = pages_round_up(pages, size_bytes);
    enum status status = shm_room_check(label, size_bytes, pages, false, err);
    if (status != ST_OK)
        return status;
    void *bytes;
    status = pages_map(pages, -1, size_bytes, &bytes, err);
    if (status == ST_OK)
        *map = (struct shm_map){.bytes = bytes, .size_bytes = size_bytes, .fd = -1};
    return status;
}

enum status shm_attach_pages(int fd, size_t min_bytes, enum shm_pages pages, struct shm_map *map,
                             struct err *err)
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
    size_t size_bytes = (size_t)stat.st_size;
    bool huge = pages == SHM_PAGES_HUGETLB;
    if (pages_are_hugetlb(fd) != huge || pages_round_up(pages, size_bytes) != size_bytes) {
        status = err_set(err, ST_CORRUPT, "give both sides the same configuration",
                         "a shared segment of %zu bytes is not made of the pages it should be",
                         size_bytes);
        goto undo_fd;
    }
    void *bytes;
    status = pages_map(pages, fd, size_bytes, &bytes, err);
    if (status != ST_OK)
        goto undo_fd;
    *map = (struct shm_map){.bytes = bytes, .size_bytes = size_bytes, .fd = fd};
    return ST_OK;
undo_fd:
    close(fd);
    return status;
}

enum status shm_attach(int fd, size_t min_bytes, struct shm_map *map, struct err *err)
{
    return shm_attach_pages(fd, min_bytes, SHM_PAGES_NORMAL, map, err);
}

/* One page of the kind, made and given back. */
static enum status shm_pages_try(enum shm_pages pages, bool shared, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    enum status status = shared ? shm_create_pages("handoff-probe", 1, pages, &map, err)
                                : shm_create_private("handoff-probe", 1, pages, &map, err);
    shm_unmap(&map);
    if (status == ST_OK)
        return ST_OK;
    if (err) {
        /* The reason is the machine's, not this segment's. */
        static const char mine[] = "segment handoff-probe: ";
        if (strncmp(err->what, mine, sizeof mine - 1) == 0)
            memmove(err->what, err->what + sizeof mine - 1, strlen(err->what) - sizeof mine + 2);
        err->status = ST_UNAVAILABLE;
    }
    return ST_UNAVAILABLE;
}

enum status shm_pages_probe(enum shm_pages pages, struct err *err)
{
    return shm_pages_try(pages, true, err);
}

enum status shm_pages_probe_private(enum shm_pages pages, struct err *err)
{
    return shm_pages_try(pages, false, err);
}

void shm_unmap(struct shm_map *map)
{
    if (map->bytes)
        munmap(map->bytes, map->size_bytes);
    if (map->bytes && map->fd >= 0)
        close(map->fd);
    *map = SHM_MAP_NONE;
}
