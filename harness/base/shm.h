/* shm.h: memory shared between processes, by descriptor; no name in /dev/shm outlives anything.
 */
#ifndef HANDOFF_BASE_SHM_H
#define HANDOFF_BASE_SHM_H

#include <stddef.h>

#include "harness/base/err.h"

/* What pages a segment is made of (axis `pages`). */
enum shm_pages {
    SHM_PAGES_NORMAL,
    SHM_PAGES_THP,     /* normal ones, which the kernel is asked to make huge (madvise) */
    SHM_PAGES_HUGETLB, /* from the reserved pool of huge pages */
};

struct shm_map {
    void *bytes;
    size_t size_bytes;
    int fd; /* owned; -1 when none */
};

/* A memfd of size_bytes, backed by real memory at once (fails up front with ENOSPC or ENOMEM
 * instead of a SIGBUS later), sealed against shrinking and growing, mapped shared and touched page
 * by page. `label` appears in /proc. The caller unmaps. */
enum status shm_create(const char *label, size_t size_bytes, struct shm_map *map, struct err *err);

/* Maps a descriptor from another process. Takes over fd, also on failure. The segment must be at
 * least min_bytes long (all of it is mapped) and sealed against shrinking: ST_CORRUPT otherwise.
 * Touches every page for reading and, without changing it, for writing. */
enum status shm_attach(int fd, size_t min_bytes, struct shm_map *map, struct err *err);

/* Unmaps and closes; safe on {0}-with-fd -1 and on one already unmapped. */
void shm_unmap(struct shm_map *map);

#define SHM_MAP_NONE ((struct shm_map){.bytes = NULL, .size_bytes = 0, .fd = -1})

#endif
