/* fake_gpu_regions.c: the fake GPU's memory: every address that its kernels may touch. gpu.h's
 * functions are in fake_gpu_memory.c.
 *
 * Device memory is a memfd mapped twice: where the fake finds it, and as an inaccessible mapping
 * whose address the program gets, so that a CPU that touches it faults. Registered and pinned host
 * memory has a device address of the same kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/fake_gpu.h"

#define REGIONS_MAX 4096
#define DEVICE_BYTES_MAX ((uint64_t)1 << 30)
#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static struct {
    pthread_mutex_t lock;
    size_t count; /* those at and behind it are unused */
    struct fake_region regions[REGIONS_MAX];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool lies_within(const uint8_t *begin, size_t size_bytes, const void *address, size_t bytes)
{
    uintptr_t first = (uintptr_t)begin, wanted = (uintptr_t)address;
    return begin && wanted >= first && wanted - first <= size_bytes &&
           bytes <= size_bytes - (wanted - first);
}

static bool meets(const uint8_t *begin, size_t size_bytes, const void *address, size_t bytes)
{
    uintptr_t first = (uintptr_t)begin, wanted = (uintptr_t)address;
    return begin && wanted < first + size_bytes && first < wanted + bytes;
}

/* Is all of it mapped? */
static bool mapped(const void *address, size_t bytes)
{
    unsigned char states[256];
    uintptr_t page = (uintptr_t)address & ~(PAGE - 1);
    uintptr_t end = (uintptr_t)address + bytes;
    while (page < end) {
        size_t chunk = end - page < sizeof states * PAGE ? end - page : sizeof states * PAGE;
        if (mincore((void *)page, chunk, states) != 0)
            return false;
        page += chunk;
    }
    return true;
}

/* ---- Regions --------------------------------------------------------------------------------- */

static struct fake_region *region_new(void)
{
    for (size_t i = 0; i < REGIONS_MAX; i++)
        if (!table.regions[i].used) {
            if (i >= table.count)
                table.count = i + 1;
            return &table.regions[i];
        }
    fake_abort("more than %d pieces of memory", REGIONS_MAX);
}

static void region_unmap(struct fake_region *region)
{
    if (region->device && region->device != region->host)
        munmap(region->device, region->bytes);
    if (region->real && region->real != region->host)
        munmap(region->real, region->bytes);
    if (region->host && region->kind != FAKE_REGISTERED)
        munmap(region->host, region->bytes);
    if (region->fd >= 0)
        close(region->fd);
    memset(region, 0, sizeof *region);
}

static uint8_t *map(size_t bytes, int protection, int fd)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *bytes_at = mmap(NULL, bytes, protection, flags, fd, 0);
    return bytes_at == MAP_FAILED ? NULL : bytes_at;
}

int fake_memory_make(const char *label, size_t bytes, bool zeroed, struct err *err)
{
    if (bytes == 0 || fake_device_bytes() + bytes > DEVICE_BYTES_MAX) {
        err_set(err, bytes == 0 ? ST_INVALID : ST_NO_MEMORY, "use smaller frames or fewer slots",
                "fake GPU: no memory of %zu bytes", bytes);
        return -1;
    }
    int fd = memfd_create(label, MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) {
        err_set_errno(err, errno, NULL, "fake GPU: memfd of %zu bytes", bytes);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    uint8_t *content = zeroed ? NULL : map(bytes, PROT_READ | PROT_WRITE, fd);
    if (content) { /* whoever reads what nobody wrote shall notice */
        memset(content, 0xa5, bytes);
        munmap(content, bytes);
    }
    return fd;
}

enum status fake_region_make(enum fake_kind kind, int fd, size_t bytes, bool accessible,
                             void **device, void **host, struct err *err)
{
    struct fake_region made = {
        .used = true, .kind = kind, .bytes = bytes, .fd = fd, .accessible = accessible};
    made.real = map(made.bytes, PROT_READ | PROT_WRITE, fd);
    if (kind == FAKE_PINNED)
        made.host = made.real;
    if (kind == FAKE_MANAGED)
        made.host = map(made.bytes, PROT_READ | PROT_WRITE, fd);
    made.device = kind == FAKE_MANAGED ? made.host : map(made.bytes, PROT_NONE, -1);
    if (!made.real || !made.device) {
        enum status status = err_set_errno(err, errno, NULL, "fake GPU: mapping %zu bytes", bytes);
        region_unmap(&made);
        return status;
    }
    made.turn_of_host = true;
    pthread_mutex_lock(&table.lock);
    *region_new() = made;
    pthread_mutex_unlock(&table.lock);
    *device = made.device;
    if (host)
        *host = made.host;
    return ST_OK;
}

void fake_region_end(enum fake_kind kind, void *address, const char *function)
{
    fake_settle(function);
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        struct fake_region *region = &table.regions[i];
        if (!region->used || region->kind != kind ||
            address != (region->host ? region->host : region->device))
            continue;
        if (kind == FAKE_REGISTERED && !mapped(region->host, region->bytes))
            fake_abort("%s(%p): the memory was unmapped before", function, address);
        region_unmap(region);
        while (table.count > 0 && !table.regions[table.count - 1].used)
            table.count--;
        pthread_mutex_unlock(&table.lock);
        return;
    }
    fake_abort("%s(%p): there is nothing of that kind (freed twice?)", function, address);
}

void fake_regions_count(unsigned counts[FAKE_KINDS])
{
    memset(counts, 0, FAKE_KINDS * sizeof counts[0]);
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++)
        counts[table.regions[i].kind] += table.regions[i].used;
    pthread_mutex_unlock(&table.lock);
}

uint64_t fake_device_bytes(void)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++)
        if (table.regions[i].used && !table.regions[i].host)
            bytes += table.regions[i].bytes;
    pthread_mutex_unlock(&table.lock);
    return bytes;
}

/* ---- What may be touched --------------------------------------------------------------------- */

/* In this region, by its device address or, where the machine allows it, by the host's. */
static void *region_reach(const struct fake_region *region, const void *address, size_t bytes,
                          enum fake_use use, const char **why)
{
    size_t offset = (size_t)((const uint8_t *)address - region->device);
    if (!region->accessible)
        *why = "no access was set (cuMemSetAccess)";
    else if (region->kind == FAKE_MANAGED && use == FAKE_USE_WORD)
        *why = "stream waits and writes cannot use managed memory";
    else if (region->turns && region->turn_of_host)
        *why = "it is the host's turn to touch this managed memory";
    else if (region->turns && region->turn_of != fake_stream_running())
        *why = "this managed memory is attached to another stream";
    else
        return region->real + offset;
    return NULL;
}

static void *host_reach(const void *address, size_t bytes, enum fake_use use, const char **why)
{
    for (size_t i = 0; i < table.count; i++) {
        const struct fake_region *region = &table.regions[i];
        if (region->used && lies_within(region->host, region->bytes, address, bytes) &&
            fake_setting("host_pointer_of_registered_memory", 0) == 1)
            return (void *)(uintptr_t)address;
    }
    bool any = use == FAKE_USE_COPY ||
               (use == FAKE_USE_KERNEL && fake_setting("pageable_memory_access", 0) == 1);
    if (any && mapped(address, bytes))
        return (void *)(uintptr_t)address;
    *why = any ? "nothing is there" : "no device address: it is not registered, or the host's";
    return NULL;
}

void *fake_translate(const void *address, size_t bytes, enum fake_use use, const char **why)
{
    void *real = NULL;
    bool found = false;
    const char *reason = "nothing is there";
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count && !found; i++) {
        const struct fake_region *region = &table.regions[i];
        if (!region->used || !meets(region->device, region->bytes, address, bytes ? bytes : 1))
            continue;
        found = true;
        if (lies_within(region->device, region->bytes, address, bytes))
            real = region_reach(region, address, bytes, use, &reason);
        else
            reason = "it runs over the end of its memory";
    }
    if (!found)
        real = host_reach(address, bytes, use, &reason);
    pthread_mutex_unlock(&table.lock);
    if (!real)
        *why = reason;
    return real;
}

void *fake_reach(const char *what, const void *address, size_t bytes)
{
    const char *why;
    void *real = fake_translate(address, bytes, FAKE_USE_KERNEL, &why);
    if (!real)
        fake_break("%s at %p, %zu bytes: %s", what, address, bytes, why);
    return real;
}

/* ---- For gpu.h's functions ------------------------------------------------------------------- */

/* With the table's lock held; why not, or NULL. */
static const char *register_locked(void *host, size_t size_bytes, uint8_t *device)
{
    for (size_t i = 0; i < table.count; i++) {
        const struct fake_region *region = &table.regions[i];
        if (!region->used)
            continue;
        if (meets(region->host, region->bytes, host, size_bytes))
            return "part or all of the requested memory range is already mapped (712)";
        if (meets(region->device, region->bytes, host, size_bytes))
            return "this is device memory";
    }
    *region_new() = (struct fake_region){.used = true,
                                         .kind = FAKE_REGISTERED,
                                         .device = device,
                                         .host = host,
                                         .real = host,
                                         .bytes = size_bytes,
                                         .fd = -1,
                                         .accessible = true};
    return NULL;
}

const char *fake_region_register(void *host, size_t size_bytes, void **device)
{
    if (!mapped(host, size_bytes))
        return "nothing is mapped there";
    uint8_t *made = map(size_bytes, PROT_NONE, -1);
    if (!made)
        return "there is no address space left";
    pthread_mutex_lock(&table.lock);
    const char *why = register_locked(host, size_bytes, made);
    pthread_mutex_unlock(&table.lock);
    if (why)
        munmap(made, size_bytes);
    else
        *device = made;
    return why;
}

int fake_region_export(enum fake_kind kind, const void *device, size_t size_bytes)
{
    int fd = -1;
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++)
        if (table.regions[i].used && table.regions[i].kind == kind &&
            table.regions[i].device == device && size_bytes % PAGE == 0 &&
            size_bytes < table.regions[i].bytes + PAGE)
            fd = fcntl(table.regions[i].fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&table.lock);
    return fd;
}

void fake_managed_take_turns(const void *memory)
{
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++)
        if (table.regions[i].used && table.regions[i].device == memory)
            table.regions[i].turns = true;
    pthread_mutex_unlock(&table.lock);
}

bool fake_managed_begins(const void *memory)
{
    bool begins = false;
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++)
        begins |= table.regions[i].used && table.regions[i].kind == FAKE_MANAGED &&
                  table.regions[i].device == memory;
    pthread_mutex_unlock(&table.lock);
    return begins;
}

void fake_managed_turn(void *memory, const struct gpu_stream *stream)
{
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        struct fake_region *region = &table.regions[i];
        if (!region->used || region->kind != FAKE_MANAGED || region->device != memory ||
            !region->turns)
            continue;
        region->turn_of_host = stream == NULL;
        region->turn_of = stream;
        mprotect(region->host, region->bytes, stream ? PROT_NONE : PROT_READ | PROT_WRITE);
    }
    pthread_mutex_unlock(&table.lock);
}
