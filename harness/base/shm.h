/* shm.h: memory shared between processes, by descriptor; no name in /dev/shm outlives anything. And
 * what pages it is made of (axis `pages`), for transports and the scenario rules that ask whether
 * it can be.
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

/* Can segments be made of these pages here, now? Tried with one page: shared ones (a memfd), or,
 * with `private`, memory of one process alone, for which the kernel has a switch of its own. ST_OK,
 * or ST_UNAVAILABLE with the reason and the remedy. Leaves nothing behind. */
enum status shm_pages_probe(enum shm_pages pages, struct err *err);
enum status shm_pages_probe_private(enum shm_pages pages, struct err *err);

/* A memfd of at least size_bytes (map->size_bytes says how many: whole pages), backed by real
 * memory at once (fails up front with ENOSPC or ENOMEM instead of a SIGBUS later), sealed against
 * shrinking and growing, mapped shared and touched page by page. `label` appears in /proc. The
 * caller unmaps. */
enum status shm_create(const char *label, size_t size_bytes, struct shm_map *map, struct err *err);

/* The same of the pages wanted. What did not become huge is ST_UNAVAILABLE, never normal pages. */
enum status shm_create_pages(const char *label, size_t size_bytes, enum shm_pages pages,
                             struct shm_map *map, struct err *err);

/* Memory of this process alone, zeroed and touched; map->fd is -1. */
enum status shm_create_private(const char *label, size_t size_bytes, enum shm_pages pages,
                               struct shm_map *map, struct err *err);

/* Maps a descriptor from another process. Takes over fd, also on failure. The segment must be at
 * least min_bytes long (all of it is mapped) and sealed against shrinking: ST_CORRUPT otherwise.
 * Touches every page for reading and, without changing it, for writing. */
enum status shm_attach(int fd, size_t min_bytes, struct shm_map *map, struct err *err);

/* The same for a segment of shm_create_pages: this process's own mapping is huge too, or it is
 * ST_UNAVAILABLE. ST_CORRUPT for a descriptor whose segment is of other pages. */
enum status shm_attach_pages(int fd, size_t min_bytes, enum shm_pages pages, struct shm_map *map,
                             struct err *err);

/* For a segment that has a name (transports/frames): gives the empty file `fd` size_bytes (whole
 * pages) of memory as shm_create does, and maps and touches it. The caller unmaps, and keeps fd. */
enum status shm_back_file(int fd, const char *label, size_t size_bytes, void **bytes,
                          struct err *err);
/* Maps and touches it on the other side. The caller has looked at the size, unmaps, and keeps
 * fd. */
enum status shm_map_file(int fd, size_t size_bytes, void **bytes, struct err *err);

/* Unmaps and closes; safe on {0}-with-fd -1 and on one already unmapped. */
void shm_unmap(struct shm_map *map);

#define SHM_MAP_NONE ((struct shm_map){.bytes = NULL, .size_bytes = 0, .fd = -1})

#endif
