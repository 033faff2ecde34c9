/* fake_gpu_shared.c: the fake GPU's device memory shared between processes: legacy handles (ipc),
 * memory exported as a descriptor (vmm) and memory pools.
 *
 * All are memfds. A legacy handle is bytes alone; the fake's name a process and a descriptor in it,
 * which the importer opens through /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fake_gpu.h"

#define SHARED_MAGIC UINT64_C(0x7368617265642d67)

struct gpu_shared {
    struct gpu *gpu;
    void *device;
};

/* ---- Descriptors by name --------------------------------------------------------------------- */

uint64_t fake_token(void)
{
    uint64_t token = 0;
    while (token == 0)
        if (getrandom(&token, sizeof token, 0) != (ssize_t)sizeof token)
            fake_abort("getrandom: %s", strerror(errno));
    return token;
}

void fake_label(const char *label, uint64_t token, char *text, size_t size)
{
    snprintf(text, size, "fake-gpu-%s-%016llx", label, (unsigned long long)token);
}

/* Is it the memory of that label and token, and as large as is said? */
static bool fd_is(int fd, const char *label, uint64_t token, uint64_t bytes)
{
    char path[64], link[256], name[64], wanted[96];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, link, sizeof link - 1);
    if (length < 0)
        return false;
    link[length] = '\0';
    fake_label(label, token, name, sizeof name);
    snprintf(wanted, sizeof wanted, "/memfd:%s", name);
    struct stat status;
    return strncmp(link, wanted, strlen(wanted)) == 0 && fstat(fd, &status) == 0 &&
           (uint64_t)status.st_size == bytes;
}

int fake_handle_open(const struct fake_handle *handle, const char *label, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)handle->pid, (int)handle->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fd_is(fd, label, handle->token, handle->bytes))
        return fd;
    err_set(err, ST_SYSTEM, "the process that made it must live and keep it",
            "fake GPU: invalid resource handle (%s)",
            fd < 0 ? strerror(errno) : "it names nothing");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- gpu.h ----------------------------------------------------------------------------------- */

static enum status share_there(enum gpu_share share, struct err *err)
{
    bool there = share == GPU_SHARE_IPC   ? fake_setting("ipc_memory", 1) == 1
                 : share == GPU_SHARE_VMM ? fake_setting("virtual_memory_management", 1) == 1 &&
                                                fake_setting("posix_descriptor_handles", 1) == 1
                                          : fake_setting("memory_pools", 1) == 1 &&
                                                (fake_setting("memory_pool_handle_types", 1) & 1);
    if (there)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, "use another way of sharing memory",
                   "fake GPU: sharing by %s: operation not supported", gpu_share_name(share));
}

/* Takes over fd. */
static enum status shared_make(struct gpu *gpu, int fd, size_t size_bytes, bool accessible,
                               struct gpu_shared **memory, struct err *err)
{
    struct gpu_shared *made = calloc(1, sizeof *made);
    if (!made) {
        close(fd);
        return err_set(err, ST_NO_MEMORY, NULL, "fake GPU: no memory");
    }
    made->gpu = gpu;
    enum status status =
        fake_region_make(FAKE_SHARED, fd, size_bytes, accessible, &made->device, NULL, err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    atomic_fetch_add(&gpu->live[FAKE_SHARED_END], 1);
    *memory = made;
    return ST_OK;
}

enum status gpu_shared_create(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared **memory, struct gpu_shared_address *address,
                              struct err *err)
{
    FAKE_ENTER(gpu, err);
    enum status status = share_there(share, err);
    if (status != ST_OK)
        return status;
    struct fake_handle handle = {.magic = SHARED_MAGIC + share,
                                 .token = fake_token(),
                                 .bytes = size_bytes,
                                 .pid = (int32_t)getpid()};
    char label[64];
    fake_label(gpu_share_name(share), handle.token, label, sizeof label);
    int exported = -1;
    int fd = fake_memory_make(label, size_bytes, false, err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    handle.fd = fd;
    if (share != GPU_SHARE_IPC) {
        handle.fd = handle.pid = -1;
        exported = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (exported < 0) {
            status = err_set_errno(err, errno, NULL, "fake GPU: exporting a descriptor");
            close(fd);
            return status;
        }
    }
    status = shared_make(gpu, fd, size_bytes, true, memory, err);
    if (status != ST_OK) {
        if (exported >= 0)
            close(exported);
        return status;
    }
    *address = (struct gpu_shared_address){.byte_count = sizeof handle, .fd = exported};
    memcpy(address->bytes, &handle, sizeof handle);
    return ST_OK;
}

/* A descriptor of the memory that the address names, owned by the caller; -1 with err set. */
static int address_open(enum gpu_share share, size_t size_bytes, struct gpu_shared_address *address,
                        struct err *err)
{
    struct fake_handle handle;
    if (address->byte_count != sizeof handle) {
        err_set(err, ST_CORRUPT, NULL, "gpu_shared_attach: an address of %u bytes",
                (unsigned)address->byte_count);
        return -1;
    }
    memcpy(&handle, address->bytes, sizeof handle);
    if (handle.magic != SHARED_MAGIC + share || handle.bytes < size_bytes) {
        err_set(err, ST_CORRUPT, NULL, "gpu_shared_attach: no address of %zu bytes shared by %s",
                size_bytes, gpu_share_name(share));
        return -1;
    }
    if (share == GPU_SHARE_IPC) {
        /* A thread of this process is this process, too. */
        char thread[64];
        snprintf(thread, sizeof thread, "/proc/self/task/%d", (int)handle.pid);
        if (access(thread, F_OK) != 0 || fake_setting("same_process", 0) == 1)
            return fake_handle_open(&handle, gpu_share_name(share), err);
        err_set(err, ST_SYSTEM, "attach in another process than the one that made it",
                "gpu_shared_attach: invalid device context: this process made the memory");
        return -1;
    }
    int fd = address->fd;
    if (fd < 0 || handle.fd != -1 || handle.pid != -1 ||
        !fd_is(fd, gpu_share_name(share), handle.token, handle.bytes)) {
        err_set(err, ST_SYSTEM, NULL, "gpu_shared_attach: descriptor %d: invalid resource handle",
                fd);
        return -1;
    }
    address->fd = -1;
    return fd;
}

enum status gpu_shared_attach(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared_address *address, bool set_access,
                              struct gpu_shared **memory, struct err *err)
{
    enum status status = fake_enter(gpu, __func__, err);
    if (status == ST_OK)
        status = share_there(share, err);
    int fd = status == ST_OK ? address_open(share, size_bytes, address, err) : -1;
    if (address->fd >= 0)
        close(address->fd);
    address->fd = -1;
    if (fd < 0)
        return status != ST_OK ? status : err ? err->status : ST_SYSTEM;
    return shared_make(gpu, fd, size_bytes, share != GPU_SHARE_VMM || set_access, memory, err);
}

void *gpu_shared_pointer(const struct gpu_shared *memory)
{
    fake_note(memory->gpu, __func__);
    return memory->device;
}

void gpu_shared_destroy(struct gpu_shared *memory)
{
    if (!memory)
        return;
    fake_note(memory->gpu, __func__);
    fake_region_end(FAKE_SHARED, memory->device, __func__);
    atomic_fetch_sub(&memory->gpu->live[FAKE_SHARED_END], 1);
    free(memory);
}
