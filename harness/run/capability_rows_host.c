/* capability_rows_host.c: rows about host memory under a kernel: registered or not, managed, and a
 * managed pointer in another process. See capability_trial.h.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/capability_trial.h"

/* ---- Shared memory --------------------------------------------------------------------------- */

/* Without a GPU: makes the memory and its content, and looks at what came of it. */
enum status row_shm_maker(struct capability_trial *trial, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    enum status status = shm_create("handoff-probe", TRIAL_ROOM, &map, err);
    if (status != ST_OK)
        return status;
    trial_content(trial, 0, map.bytes);
    status = trial_tell(trial, "memory", NULL, map.fd, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "inverted", err);
    if (status == ST_OK)
        status = trial_content_check(trial, 0, true, map.bytes,
                                     "what the GPU wrote, seen by the other process", err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a kernel read %zu bytes that another process wrote, and that process "
                       "saw what a kernel wrote",
                       TRIAL_BYTES);
    shm_unmap(&map);
    return status;
}

/* A kernel reads what the other process wrote, and writes what that one then looks at. */
static enum status shm_use(struct capability_trial *trial, void *device, struct err *err)
{
    enum status status = trial_read(trial, device, 0, err);
    if (status != ST_OK)
        return status;
    status = trial_invert(trial, device, 0, err);
    if (status != ST_OK)
        return err_context(err, "a kernel can read it but not write to it");
    return trial_tell(trial, "inverted", NULL, -1, err);
}

enum status row_register_shm(struct capability_trial *trial, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    void *device;
    enum status status = trial_hear_memory(trial, TRIAL_ROOM, &map, err);
    if (status != ST_OK)
        return status;
    trial_step(trial, "registering it");
    status = gpu_register(trial->gpu, map.bytes, map.size_bytes, &device, err);
    if (status == ST_OK) {
        status = shm_use(trial, device, err);
        gpu_unregister(trial->gpu, map.bytes);
    }
    shm_unmap(&map);
    return status;
}

enum status row_unregistered_shm(struct capability_trial *trial, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    enum status status = trial_hear_memory(trial, TRIAL_ROOM, &map, err);
    if (status != ST_OK)
        return status;
    status = shm_use(trial, map.bytes, err);
    shm_unmap(&map);
    return status;
}

/* ---- Memory of one process ------------------------------------------------------------------- */

/* The content, as a stranger knows it: its checksum alone. */
enum status row_malloc_maker(struct capability_trial *trial, struct err *err)
{
    uint8_t *bytes = malloc(TRIAL_BYTES);
    if (!bytes)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu bytes", TRIAL_BYTES);
    trial_content(trial, 0, bytes);
    cJSON *json = cJSON_CreateObject();
    json_add_u64_text(json, "checksum", frame_checksum_reference(bytes, TRIAL_BYTES));
    free(bytes);
    enum status status = trial_tell(trial, "content", json, -1, err);
    return status == ST_OK ? trial_hear_only(trial, "done", err) : status;
}

enum status row_unregistered_malloc(struct capability_trial *trial, struct err *err)
{
    struct channel_message message = {0};
    uint64_t checksum = 0;
    trial_content(trial, 0, trial->bytes); /* malloc's */
    enum status status = trial_hear(trial, "content", &message, err);
    if (status == ST_OK && !json_get_u64_text(message.json, "checksum", &checksum))
        status = err_set(err, ST_CORRUPT, NULL, "content without its checksum");
    if (status == ST_OK)
        status = trial_read(trial, trial->bytes, 0, err);
    if (status == ST_OK && trial->report->value != checksum)
        status = err_set(err, ST_CORRUPT, NULL, "the kernel's checksum is not the other process's");
    if (status == ST_OK)
        trial_verified(trial, "a kernel read %zu bytes at malloc's own address", TRIAL_BYTES);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    channel_message_clear(&message);
    return status;
}

/* ---- Managed memory -------------------------------------------------------------------------- */

/* Whose turn it is on managed memory, for machines where CPU and GPU may not touch it at once. */
static enum status managed_to_host(struct capability_trial *trial, void *memory, struct err *err)
{
    enum status status = gpu_stream_managed_to_host(trial->stream, memory, err);
    return status == ST_OK ? gpu_stream_synchronize(trial->stream, err) : status;
}

/* From shared memory into managed memory by the CPU, under kernels, and back. */
static enum status managed_round(struct capability_trial *trial, uint8_t *memory, uint8_t *shared,
                                 struct err *err)
{
    enum status status = managed_to_host(trial, memory, err);
    if (status != ST_OK)
        return status;
    trial_step(trial, "copying into managed memory");
    memcpy(memory, shared, TRIAL_BYTES);
    status = gpu_stream_managed_to_gpu(trial->stream, memory, err);
    if (status == ST_OK)
        status = trial_read(trial, memory, 0, err);
    if (status == ST_OK)
        status = trial_invert(trial, memory, 0, err);
    if (status == ST_OK)
        status = managed_to_host(trial, memory, err);
    if (status != ST_OK)
        return status;
    trial_step(trial, "copying out of managed memory");
    memcpy(shared, memory, TRIAL_BYTES);
    return trial_tell(trial, "inverted", NULL, -1, err);
}

enum status row_managed_copy(struct capability_trial *trial, struct err *err)
{
    struct shm_map map = SHM_MAP_NONE;
    void *memory;
    enum status status = trial_hear_memory(trial, TRIAL_ROOM, &map, err);
    if (status != ST_OK)
        return status;
    status = gpu_managed_alloc(trial->gpu, TRIAL_ROOM, &memory, err);
    if (status == ST_OK) {
        status = managed_round(trial, memory, map.bytes, err);
        gpu_managed_free(trial->gpu, memory);
    }
    shm_unmap(&map);
    return status;
}

/* A pointer that is good in this process, handed over as it is. */
enum status row_managed_maker(struct capability_trial *trial, struct err *err)
{
    void *memory;
    enum status status = gpu_managed_alloc(trial->gpu, TRIAL_ROOM, &memory, err);
    if (status != ST_OK)
        return status;
    status = managed_to_host(trial, memory, err);
    if (status == ST_OK) {
        trial_step(trial, "filling managed memory");
        trial_content(trial, 0, memory);
        status = gpu_stream_managed_to_gpu(trial->stream, memory, err);
    }
    if (status == ST_OK)
        status = trial_read(trial, memory, 0, err);
    if (status == ST_OK) {
        cJSON *json = cJSON_CreateObject();
        json_add_u64_text(json, "pointer", (uint64_t)(uintptr_t)memory);
        status = trial_tell(trial, "pointer", json, -1, err);
    }
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    gpu_managed_free(trial->gpu, memory);
    return status;
}

static sigjmp_buf touch_return;
static void touch_failed(int signal_number)
{
    siglongjmp(touch_return, signal_number);
}

/* Copies from an address that may be anything; the signal that it raised, or 0. A sanitizer knows
 * nothing of such an address. */
__attribute__((no_sanitize_address, noinline)) static int touch(const uint8_t *from, uint8_t *to,
                                                                size_t bytes)
{
    const struct sigaction action = {.sa_handler = touch_failed, .sa_flags = SA_NODEFER};
    struct sigaction before[2];
    sigaction(SIGSEGV, &action, &before[0]);
    sigaction(SIGBUS, &action, &before[1]);
    const int raised = sigsetjmp(touch_return, 1);
    for (size_t i = 0; raised == 0 && i < bytes; i++)
        to[i] = ((const volatile uint8_t *)from)[i];
    sigaction(SIGSEGV, &before[0], NULL);
    sigaction(SIGBUS, &before[1], NULL);
    return raised;
}

/* What the CPU finds at that address, in words. ST_OK only for the content. */
static enum status managed_touch(struct capability_trial *trial, const uint8_t *pointer,
                                 struct err *err)
{
    uint8_t *copy = malloc(TRIAL_BYTES);
    if (!copy)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu bytes", TRIAL_BYTES);
    trial_step(trial, "the CPU reads at the other process's pointer");
    const int raised = touch(pointer, copy, TRIAL_BYTES);
    enum status status = ST_OK;
    if (raised)
        status = err_set(err, ST_SYSTEM, NULL, "signal %d (%s)", raised, strsignal(raised));
    else
        status = trial_content_check(trial, 0, false, copy, "what the CPU finds there", err);
    free(copy);
    return status;
}

enum status row_managed_pointer(struct capability_trial *trial, struct err *err)
{
    struct channel_message message = {0};
    uint64_t pointer = 0;
    enum status status = trial_hear(trial, "pointer", &message, err);
    if (status != ST_OK)
        return status;
    if (!json_get_u64_text(message.json, "pointer", &pointer) || pointer == 0)
        status = err_set(err, ST_CORRUPT, NULL, "the pointer came without its value");
    channel_message_clear(&message);
    if (status != ST_OK)
        return status;
    void *address = (void *)(uintptr_t)pointer;
    struct err cpu = {.what = "it finds the content"}, gpu = {.what = "it finds the content"};
    enum status cpu_status = managed_touch(trial, address, &cpu);
    enum status gpu_status = trial_read(trial, address, 0, &gpu);
    if (cpu_status != ST_OK || gpu_status != ST_OK)
        return err_set(err, ST_SYSTEM, NULL, "the CPU at that address: %.180s; a kernel: %.400s",
                       cpu.what, gpu.what);
    trial_verified(trial, "CPU and kernel of the other process read %zu bytes there", TRIAL_BYTES);
    return trial_tell(trial, "done", NULL, -1, err);
}
