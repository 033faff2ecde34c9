/* capability_rows_device.c: rows about device memory in two processes: legacy handles, descriptors,
 * pools, DMA-BUF. See capability_trial.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/run/capability_trial.h"

/* ---- The device itself ----------------------------------------------------------------------- */

/* Content to device memory and back, through the stream, waited for. */
static enum status device_put(struct capability_trial *trial, void *device, uint32_t index,
                              struct err *err)
{
    trial_content(trial, index, trial->bytes);
    enum status status = gpu_stream_copy(trial->stream, device, trial->bytes, TRIAL_BYTES, err);
    return status == ST_OK ? gpu_stream_synchronize(trial->stream, err) : status;
}

static enum status device_check(struct capability_trial *trial, const void *device, uint32_t index,
                                bool inverted, const char *where, struct err *err)
{
    memset(trial->bytes, 0, TRIAL_BYTES);
    enum status status = gpu_stream_copy(trial->stream, trial->bytes, device, TRIAL_BYTES, err);
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    if (status == ST_OK)
        status = trial_content_check(trial, index, inverted, trial->bytes, where, err);
    return status;
}

/* On both sides at once: a context, memory, a copy, a kernel that reads and one that writes. */
enum status row_device(struct capability_trial *trial, struct err *err)
{
    void *device;
    enum status status = gpu_device_alloc(trial->gpu, TRIAL_ROOM, &device, err);
    if (status != ST_OK)
        return status;
    status = device_put(trial, device, 0, err);
    if (status == ST_OK)
        status = trial_read(trial, device, 0, err);
    if (status == ST_OK)
        status = trial_invert(trial, device, 0, err);
    if (status == ST_OK)
        status = device_check(trial, device, 0, true, "what a kernel wrote to device memory", err);
    if (status == ST_OK)
        trial_verified(trial,
                       "two processes at once, each with a context, copied %zu bytes there "
                       "and back and had kernels read and write them",
                       TRIAL_BYTES);
    gpu_device_free(trial->gpu, device);
    return status;
}

/* ---- Shared device memory -------------------------------------------------------------------- */

static cJSON *address_to_json(const struct gpu_shared_address *address)
{
    char text[2 * GPU_SHARED_ADDRESS_BYTES + 1] = "";
    for (uint32_t i = 0; i < address->byte_count; i++)
        snprintf(text + 2 * i, 3, "%02x", address->bytes[i]);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "bytes", text);
    return json;
}

/* Takes the descriptor out of the message. */
static enum status address_from_message(struct channel_message *message,
                                        struct gpu_shared_address *address, struct err *err)
{
    const char *text = json_get_string(message->json, "bytes", "");
    const size_t length = strlen(text);
    *address = (struct gpu_shared_address){.byte_count = (uint32_t)(length / 2), .fd = -1};
    if (length % 2 != 0 || length / 2 > GPU_SHARED_ADDRESS_BYTES)
        return err_set(err, ST_CORRUPT, NULL, "an address of %zu digits", length);
    for (size_t i = 0; i < length / 2; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return err_set(err, ST_CORRUPT, NULL, "an address with the digits \"%.2s\"",
                           text + 2 * i);
        address->bytes[i] = (uint8_t)byte;
    }
    if (message->fd_count > 0) {
        address->fd = message->fds[0];
        message->fds[0] = -1;
    }
    return ST_OK;
}

/* Fills it, hands it over and looks at what the other process's kernel made of it. */
static enum status share_made(struct capability_trial *trial, struct gpu_shared *memory,
                              const struct gpu_shared_address *address, struct err *err)
{
    enum status status = device_put(trial, gpu_shared_pointer(memory), 0, err);
    if (status == ST_OK)
        status = trial_tell(trial, "address", address_to_json(address), address->fd, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    if (status == ST_OK)
        status = device_check(trial, gpu_shared_pointer(memory), 0, true,
                              "what the other process's kernel wrote", err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a kernel of the other process read %zu bytes that this one had "
                       "copied there, and this one saw what that kernel wrote",
                       TRIAL_BYTES);
    return status;
}

static enum status share_make(struct capability_trial *trial, enum gpu_share share, struct err *err)
{
    struct gpu_shared *memory;
    struct gpu_shared_address address;
    trial_step(trial, "making and exporting it");
    enum status status = gpu_shared_create(trial->gpu, share, TRIAL_ROOM, &memory, &address, err);
    if (status != ST_OK)
        return status;
    status = share_made(trial, memory, &address, err);
    if (address.fd >= 0)
        close(address.fd);
    gpu_shared_destroy(memory);
    return status;
}

static enum status share_use(struct capability_trial *trial, enum gpu_share share, bool set_access,
                             struct err *err)
{
    struct channel_message message = {0};
    struct gpu_shared_address address;
    struct gpu_shared *memory;
    enum status status = trial_hear(trial, "address", &message, err);
    if (status != ST_OK)
        return status;
    status = address_from_message(&message, &address, err);
    channel_message_clear(&message);
    if (status != ST_OK)
        return status;
    trial_step(trial, "importing it");
    status = gpu_shared_attach(trial->gpu, share, TRIAL_ROOM, &address, set_access, &memory, err);
    if (status != ST_OK)
        return status;
    status = trial_read(trial, gpu_shared_pointer(memory), 0, err);
    if (status == ST_OK)
        status = trial_invert(trial, gpu_shared_pointer(memory), 0, err);
    gpu_shared_destroy(memory);
    /* Only now: the maker frees it. */
    return status == ST_OK ? trial_tell(trial, "done", NULL, -1, err) : status;
}

enum status row_ipc_maker(struct capability_trial *trial, struct err *err)
{
    return share_make(trial, GPU_SHARE_IPC, err);
}

enum status row_ipc_user(struct capability_trial *trial, struct err *err)
{
    return share_use(trial, GPU_SHARE_IPC, true, err);
}

enum status row_vmm_maker(struct capability_trial *trial, struct err *err)
{
    return share_make(trial, GPU_SHARE_VMM, err);
}

enum status row_vmm_user(struct capability_trial *trial, struct err *err)
{
    return share_use(trial, GPU_SHARE_VMM, true, err);
}

enum status row_vmm_no_access(struct capability_trial *trial, struct err *err)
{
    return share_use(trial, GPU_SHARE_VMM, false, err);
}

enum status row_pool_maker(struct capability_trial *trial, struct err *err)
{
    return share_make(trial, GPU_SHARE_POOL, err);
}

enum status row_pool_user(struct capability_trial *trial, struct err *err)
{
    return share_use(trial, GPU_SHARE_POOL, true, err);
}

/* ---- DMA-BUF --------------------------------------------------------------------------------- */

/* Exports memory that has content number `index`, and looks at what another process finds. */
static enum status dmabuf_offer(struct capability_trial *trial, void *device, bool host,
                                struct err *err)
{
    int fd;
    trial_step(trial, "exporting it");
    enum status status = gpu_dmabuf_export(trial->gpu, device, TRIAL_ROOM, host, &fd, err);
    if (status != ST_OK)
        return status;
    status = trial_tell(trial, "dmabuf", NULL, fd, err);
    close(fd);
    return status == ST_OK ? trial_hear_only(trial, "done", err) : status;
}

enum status row_dmabuf_device(struct capability_trial *trial, struct err *err)
{
    void *device;
    enum status status = gpu_device_alloc(trial->gpu, TRIAL_ROOM, &device, err);
    if (status != ST_OK)
        return status;
    status = device_put(trial, device, 0, err);
    if (status == ST_OK)
        status = dmabuf_offer(trial, device, false, err);
    gpu_device_free(trial->gpu, device);
    return status;
}

enum status row_dmabuf_host(struct capability_trial *trial, struct err *err)
{
    void *host, *device;
    enum status status = gpu_pinned_alloc(trial->gpu, TRIAL_ROOM, &host, &device, err);
    if (status != ST_OK)
        return status;
    trial_content(trial, 0, host);
    status = dmabuf_offer(trial, device, true, err);
    gpu_pinned_free(trial->gpu, host);
    return status;
}

/* Who made a DMA-BUF, by the kernel's word; "" for any other descriptor. */
static void dmabuf_exporter(int fd, char *name, size_t size)
{
    char path[64], line[256];
    name[0] = '\0';
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(path, line, sizeof line);
    if (length >= 8 && memcmp(line, "/dmabuf:", 8) == 0)
        snprintf(name, size, "?");
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "exp_name:", 9) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(name, size, "%s", line + 9 + strspn(line + 9, " \t"));
        }
    if (file)
        fclose(file);
}

/* What Linux drivers say for "not supported" and no C library has a word for. */
#define DMABUF_ENOTSUPP 524

/* Its bytes, where the CPU may look at them; that it may not is no failure of the row. */
static enum status dmabuf_read(struct capability_trial *trial, int fd, struct err *err)
{
    const uint8_t *bytes = mmap(NULL, TRIAL_ROOM, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        trial_verified(trial, "content not verified: it cannot be mapped for the CPU (%s)",
                       errno == DMABUF_ENOTSUPP ? "its driver does not let it" : strerror(errno));
        return ST_OK;
    }
    trial_step(trial, "the CPU reads it");
    enum status status =
        trial_content_check(trial, 0, false, bytes, "what the CPU finds in it", err);
    if (status == ST_OK)
        trial_verified(trial, "mapped there, the CPU read all %zu bytes of content", TRIAL_BYTES);
    (void)munmap((void *)(uintptr_t)bytes, TRIAL_ROOM);
    return status;
}

/* Without a GPU: another process finds a DMA-BUF of the right size, and its bytes where it may. */
enum status row_dmabuf_user(struct capability_trial *trial, struct err *err)
{
    struct channel_message message = {0};
    char exporter[64];
    enum status status = trial_hear(trial, "dmabuf", &message, err);
    if (status != ST_OK)
        return status;
    const int fd = message.fd_count == 1 ? message.fds[0] : -1;
    const off_t size = lseek(fd, 0, SEEK_END);
    dmabuf_exporter(fd, exporter, sizeof exporter);
    if (fd < 0)
        status = err_set(err, ST_CORRUPT, NULL, "no descriptor came with it");
    else if (size != (off_t)TRIAL_ROOM)
        status =
            err_set(err, ST_CORRUPT, NULL, "the descriptor that came has %lld bytes instead of %zu",
                    (long long)size, TRIAL_ROOM);
    if (status == ST_OK && exporter[0])
        trial_verified(trial, "another process was handed a DMA-BUF of \"%s\" with %zu bytes",
                       exporter, TRIAL_ROOM);
    else if (status == ST_OK)
        trial_verified(trial,
                       "another process was handed a descriptor with %zu bytes, of which the "
                       "kernel does not say that it is a DMA-BUF",
                       TRIAL_ROOM);
    if (status == ST_OK)
        status = dmabuf_read(trial, fd, err);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    channel_message_clear(&message);
    return status;
}
