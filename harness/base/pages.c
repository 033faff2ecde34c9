/* pages.c: mappings whose page size is known. See pages.h.
 *
 * Transparent huge pages come on request only: the mapping is aligned to them, madvise asks for
 * them, and /proc/self/smaps says afterwards whether they came. The kernel falls back to normal
 * pages without a word, and whoever measures must not.
 */
#include "harness/base/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGES_HUGETLBFS_MAGIC 0x958458f6
#define PAGES_POPULATE_WRITE 23 /* MADV_POPULATE_WRITE, Linux 5.14; older headers lack it */
#define PAGES_THP_FOLDER "/sys/kernel/mm/transparent_hugepage/"
#define PAGES_POOL_FOLDER "/sys/kernel/mm/hugepages/hugepages-"

static const char pages_space_hint[] =
    "free memory, use smaller frames or fewer slots, or raise the container's memory limit";

/* The first number in a file, or `otherwise`. */
static uint64_t pages_number(const char *path, uint64_t otherwise)
{
    unsigned long long number;
    FILE *file = fopen(path, "re");
    if (!file)
        return otherwise;
    bool read = fscanf(file, "%llu", &number) == 1;
    fclose(file);
    return read ? number : otherwise;
}

/* What /proc/meminfo says under `key`; 0 when it has no such line. */
static uint64_t pages_meminfo_bytes(const char *key)
{
    char line[128], format[64];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return 0;
    snprintf(format, sizeof format, "%s: %%llu kB", key);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, format, &kilobytes) == 1)
            break;
    fclose(file);
    return kilobytes * 1024;
}

static size_t pages_size_bytes(enum shm_pages pages)
{
    size_t bytes = 0;
    if (pages == SHM_PAGES_THP)
        bytes = (size_t)pages_number(PAGES_THP_FOLDER "hpage_pmd_size", 0);
    if (pages == SHM_PAGES_HUGETLB)
        bytes = (size_t)pages_meminfo_bytes("Hugepagesize");
    if (pages != SHM_PAGES_NORMAL && bytes == 0)
        bytes = (size_t)2 << 20; /* where the kernel has none, pages_allowed says so */
    return pages == SHM_PAGES_NORMAL ? (size_t)sysconf(_SC_PAGESIZE) : bytes;
}

size_t pages_round_up(enum shm_pages pages, size_t size_bytes)
{
    size_t page_bytes = pages_size_bytes(pages);
    return (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
}

bool pages_are_hugetlb(int fd)
{
    struct statfs stat;
    return fstatfs(fd, &stat) == 0 && (unsigned long)stat.f_type == PAGES_HUGETLBFS_MAGIC;
}

/* ---- What the settings allow ----------------------------------------------------------------- */

/* The word in brackets in a file like "always [madvise] never". False when there is none. */
static bool pages_setting(const char *path, char *word, size_t word_bytes)
{
    char line[128] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    char *begin = strchr(line, '['), *end = begin ? strchr(begin, ']') : NULL;
    if (!end)
        return false;
    *end = 0;
    snprintf(word, word_bytes, "%s", begin + 1);
    return true;
}

static enum status pages_thp_allowed(bool shared, struct err *err)
{
    const char *key = shared ? "shmem_enabled" : "enabled";
    const char *remedy = shared ? "advise" : "madvise";
    char path[160], word[32];
    /* Newer kernels have a switch per size as well; `inherit` points back to the common one. */
    snprintf(path, sizeof path, PAGES_THP_FOLDER "hugepages-%zukB/%s",
             pages_size_bytes(SHM_PAGES_THP) / 1024, key);
    if (!pages_setting(path, word, sizeof word) || strcmp(word, "inherit") == 0) {
        snprintf(path, sizeof path, PAGES_THP_FOLDER "%s", key);
        if (!pages_setting(path, word, sizeof word))
            return err_set(err, ST_UNAVAILABLE, "use pages normal or hugetlb",
                           "this kernel has no transparent huge pages for %s memory (no %s)",
                           shared ? "shared" : "private", path);
    }
    if (strcmp(word, "never") != 0 && strcmp(word, "deny") != 0)
        return ST_OK;
    char hint[256];
    snprintf(hint, sizeof hint, "as root: echo %s > %s", remedy, path);
    return err_set(err, ST_UNAVAILABLE, hint,
                   "transparent huge pages for %s memory are switched off (%s is %s)",
                   shared ? "shared" : "private", path, word);
}

static uint64_t pages_pool_number(size_t page_bytes, const char *key)
{
    char path[160];
    snprintf(path, sizeof path, PAGES_POOL_FOLDER "%zukB/%s", page_bytes / 1024, key);
    return pages_number(path, 0);
}

static enum status pages_hugetlb_allowed(size_t size_bytes, struct err *err)
{
    size_t page_bytes = pages_size_bytes(SHM_PAGES_HUGETLB);
    uint64_t needed = size_bytes / page_bytes;
    uint64_t total = pages_pool_number(page_bytes, "nr_hugepages");
    uint64_t free_pages = pages_pool_number(page_bytes, "free_hugepages");
    uint64_t reserved = pages_pool_number(page_bytes, "resv_hugepages");
    uint64_t overcommit = pages_pool_number(page_bytes, "nr_overcommit_hugepages");
    uint64_t surplus = pages_pool_number(page_bytes, "surplus_hugepages");
    uint64_t usable = free_pages > reserved ? free_pages - reserved : 0;
    usable += overcommit > surplus ? overcommit - surplus : 0;
    if (needed <= usable)
        return ST_OK;
    char hint[160];
    snprintf(hint, sizeof hint, "as root: sysctl vm.nr_hugepages=%llu, or use smaller frames",
             (unsigned long long)(total + needed - usable));
    return err_set(err, ST_UNAVAILABLE, hint,
                   "huge pages of %zu kB: %llu needed, and the pool has %llu free",
                   page_bytes / 1024, (unsigned long long)needed, (unsigned long long)usable);
}

enum status pages_allowed(enum shm_pages pages, bool shared, size_t size_bytes, struct err *err)
{
    switch (pages) {
    case SHM_PAGES_NORMAL:
        return ST_OK;
    case SHM_PAGES_THP:
        return pages_thp_allowed(shared, err);
    case SHM_PAGES_HUGETLB:
        return pages_hugetlb_allowed(size_bytes, err);
    }
    return err_set(err, ST_INVALID, NULL, "unknown kind of pages %d", (int)pages);
}

/* ---- Mapping --------------------------------------------------------------------------------- */

/* A mapping that begins where a page of page_bytes may: what is too much around it is given
 * back. */
static void *pages_map_aligned(size_t page_bytes, int fd, size_t size_bytes)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    size_t room_bytes = size_bytes + page_bytes;
    uint8_t *room = mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return MAP_FAILED;
    size_t before = (page_bytes - (uintptr_t)room % page_bytes) % page_bytes;
    void *bytes = mmap(room + before, size_bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
    if (bytes == MAP_FAILED) {
        int error = errno;
        munmap(room, room_bytes);
        errno = error;
        return MAP_FAILED;
    }
    if (before)
        munmap(room, before);
    munmap(room + before + size_bytes, page_bytes - before);
    return bytes;
}

/* Makes every page present and writable in this process's own page table, so that no fault happens
 * while the clock runs. Adding zero atomically changes nothing, even while the peer writes. */
static void pages_touch(void *bytes, size_t size_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < size_bytes; at += page_bytes)
        atomic_fetch_add_explicit((_Atomic uint8_t *)bytes + at, 0, memory_order_relaxed);
}

/* How many bytes of the mappings that hold [bytes, bytes + size_bytes) are not huge. A neighbour
 * that the kernel has joined to this mapping was made in the same way, so it must be huge as
 * well. */
static uint64_t pages_not_huge_bytes(const void *bytes, size_t size_bytes)
{
    char line[512];
    unsigned long long begin = 0, end = 0, kilobytes = 0;
    uint64_t missing = 0;
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    if (!file)
        return size_bytes;
    while (fgets(line, sizeof line, file)) {
        char rights[5];
        if (sscanf(line, "%llx-%llx %4s", &begin, &end, rights) == 3) {
            inside = begin < (uintptr_t)bytes + size_bytes && end > (uintptr_t)bytes;
            missing += inside ? end - begin : 0;
        } else if (inside && (sscanf(line, "AnonHugePages: %llu kB", &kilobytes) == 1 ||
                              sscanf(line, "ShmemPmdMapped: %llu kB", &kilobytes) == 1)) {
            missing -= kilobytes * 1024;
        }
    }
    fclose(file);
    return missing;
}

/* Asks for the pages wanted, before the first touch. */
static enum status pages_advise(enum shm_pages pages, void *bytes, size_t size_bytes,
                                struct err *err)
{
    if (pages == SHM_PAGES_HUGETLB)
        return ST_OK;
    if (pages == SHM_PAGES_NORMAL) {
        /* Where the system makes everything huge, normal pages are a choice too. A kernel that has
         * no others refuses, and need not be asked. */
        (void)madvise(bytes, size_bytes, MADV_NOHUGEPAGE);
        return ST_OK;
    }
    if (madvise(bytes, size_bytes, MADV_HUGEPAGE) != 0)
        return err_set(err, ST_UNAVAILABLE, "use pages normal or hugetlb",
                       "the kernel makes no transparent huge pages of this memory: %s",
                       strerror(errno));
    return ST_OK;
}

static enum status pages_make_present(void *bytes, size_t size_bytes, struct err *err)
{
    /* A refusal here instead of a SIGBUS in the touch; older kernels do not know the call. */
    if (madvise(bytes, size_bytes, PAGES_POPULATE_WRITE) != 0 && errno != EINVAL)
        return err_set_errno(err, errno, pages_space_hint, "no room for %zu bytes of memory",
                             size_bytes);
    pages_touch(bytes, size_bytes);
    return ST_OK;
}

static enum status pages_verify(enum shm_pages pages, const void *bytes, size_t size_bytes,
                                struct err *err)
{
    uint64_t missing = pages == SHM_PAGES_THP ? pages_not_huge_bytes(bytes, size_bytes) : 0;
    if (missing == 0)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE,
                   "free memory, or as root: echo 1 > /proc/sys/vm/compact_memory",
                   "%llu of %zu bytes did not become transparent huge pages",
                   (unsigned long long)missing, size_bytes);
}

enum status pages_map(enum shm_pages pages, int fd, size_t size_bytes, void **bytes,
                      struct err *err)
{
    bool shared = fd >= 0;
    int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    int private_huge = !shared && pages == SHM_PAGES_HUGETLB ? MAP_HUGETLB : 0;
    void *mapped =
        pages == SHM_PAGES_THP
            ? pages_map_aligned(pages_size_bytes(pages), fd, size_bytes)
            : mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, flags | private_huge, fd, 0);
    if (mapped == MAP_FAILED)
        return err_set_errno(err, errno, pages_space_hint, "cannot map %zu bytes of %s memory",
                             size_bytes, shared ? "shared" : "private");
    enum status status = pages_advise(pages, mapped, size_bytes, err);
    if (status == ST_OK)
        status = pages_make_present(mapped, size_bytes, err);
    if (status == ST_OK)
        status = pages_verify(pages, mapped, size_bytes, err);
    if (status != ST_OK) {
        munmap(mapped, size_bytes);
        return status;
    }
    *bytes = mapped;
    return ST_OK;
}
