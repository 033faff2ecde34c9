/* pages.h: mappings made of normal, transparent huge or reserved huge pages. For base/shm.c alone,
 * which makes the memory behind them.
 */
#ifndef HANDOFF_BASE_PAGES_H
#define HANDOFF_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/shm.h"

/* size_bytes in whole pages of this kind on this machine. */
size_t pages_round_up(enum shm_pages pages, size_t size_bytes);

/* Do the kernel's settings let size_bytes (whole pages) be made of such pages, in shared memory or
 * in that of one process? ST_OK, or ST_UNAVAILABLE with the setting that forbids it, or the pool
 * that is too small, and what to do. Tries nothing. */
enum status pages_allowed(enum shm_pages pages, bool shared, size_t size_bytes, struct err *err);

/* Is this descriptor one of reserved huge pages? */
bool pages_are_hugetlb(int fd);

/* Maps size_bytes (whole pages) of `fd`, shared, or, with fd -1, zeroed memory of this process, for
 * reading and writing; makes every page present, and makes sure that they are of the kind: ST_OK,
 * or ST_UNAVAILABLE, ST_NO_MEMORY, ST_SYSTEM with nothing mapped. */
enum status pages_map(enum shm_pages pages, int fd, size_t size_bytes, void **bytes,
                      struct err *err);

#endif
