/* capability_trial.c: what the rows have in common: content, kernels that are believed only when
 * the content is right, and words to the other side. See capability_trial.h.
 */
#include "harness/run/capability_trial.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

/* ---- Words ----------------------------------------------------------------------------------- */

void trial_step(struct capability_trial *trial, const char *step)
{
    struct err ignored;
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "step") && json_add_string(json, "what", step))
        (void)channel_send(trial->control_fd, json, NULL, 0, &ignored);
    cJSON_Delete(json);
}

void trial_verified(struct capability_trial *trial, const char *format, ...)
{
    size_t used = strlen(trial->verified);
    int separator =
        snprintf(trial->verified + used, sizeof trial->verified - used, "%s", used ? "; " : "");
    used += (size_t)separator;
    if (used >= sizeof trial->verified)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(trial->verified + used, sizeof trial->verified - used, format, args);
    va_end(args);
}

enum status trial_tell(struct capability_trial *trial, const char *type, cJSON *json, int fd,
                       struct err *err)
{
    if (!json)
        json = cJSON_CreateObject();
    enum status status = ST_NO_MEMORY;
    if (!json_add_string(json, "type", type))
        err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message");
    else
        status = channel_send(trial->peer_fd, json, &fd, fd >= 0 ? 1 : 0, err);
    cJSON_Delete(json);
    return status;
}

enum status trial_hear(struct capability_trial *trial, const char *type,
                       struct channel_message *message, struct err *err)
{
    trial_step(trial, CAPABILITY_WAITS);
    enum status status = channel_receive(trial->peer_fd, UINT64_MAX, message, err);
    trial_step(trial, "");
    if (status != ST_OK)
        return status;
    if (strcmp(json_get_string(message->json, "type", ""), type) == 0)
        return ST_OK;
    status = err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                     "the other side sent \"%s\" where \"%s\" was due",
                     json_get_string(message->json, "type", "?"), type);
    channel_message_clear(message);
    return status;
}

enum status trial_hear_only(struct capability_trial *trial, const char *type, struct err *err)
{
    struct channel_message message = {0};
    enum status status = trial_hear(trial, type, &message, err);
    if (status == ST_OK)
        channel_message_clear(&message);
    return status;
}

enum status trial_hear_memory(struct capability_trial *trial, size_t size_bytes,
                              struct shm_map *map, struct err *err)
{
    struct channel_message message = {0};
    enum status status = trial_hear(trial, "memory", &message, err);
    if (status != ST_OK)
        return status;
    if (message.fd_count != 1) {
        status = err_set(err, ST_CORRUPT, NULL, "memory came without its descriptor");
    } else {
        status = shm_attach(message.fds[0], size_bytes, map, err);
        message.fds[0] = -1;
    }
    channel_message_clear(&message);
    return status;
}

/* ---- Content --------------------------------------------------------------------------------- */

static int32_t trial_frame_id(const struct capability_trial *trial, uint32_t index)
{
    return trial->frame_id + (int32_t)index;
}

void trial_content(const struct capability_trial *trial, uint32_t index, uint8_t *bytes)
{
    frame_source_fill(bytes, TRIAL_BYTES, trial->seed, index);
    frame_tags_write(bytes, TRIAL_BYTES, trial_frame_id(trial, index));
}

enum status trial_content_check(const struct capability_trial *trial, uint32_t index, bool inverted,
                                const uint8_t *bytes, const char *where, struct err *err)
{
    const uint8_t mask = inverted ? 0xff : 0;
    uint8_t *expected = malloc(TRIAL_BYTES);
    if (!expected)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu bytes", TRIAL_BYTES);
    trial_content(trial, index, expected);
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < TRIAL_BYTES; i++)
        if (bytes[i] != (uint8_t)(expected[i] ^ mask) && wrong++ == 0)
            first = i;
    free(expected);
    return wrong == 0
               ? ST_OK
               : err_set(err, ST_CORRUPT, NULL, "%s: %zu of %zu bytes are wrong, the first at %zu",
                         where, wrong, TRIAL_BYTES, first);
}

/* ---- Kernels --------------------------------------------------------------------------------- */

enum status trial_open_gpu(struct capability_trial *trial, struct err *err)
{
    void *host, *device;
    trial->bytes = malloc(TRIAL_BYTES);
    if (!trial->bytes)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu bytes", TRIAL_BYTES);
    enum status status = gpu_open(GPU_SYNC_SPIN, &trial->gpu, err);
    if (status == ST_OK)
        status = gpu_stream_open(trial->gpu, &trial->stream, err);
    if (status == ST_OK)
        status = launcher_open(trial->gpu, &trial->launcher, err);
    if (status == ST_OK)
        status = gpu_pinned_alloc(trial->gpu, 4096, &host, &device, err);
    if (status != ST_OK)
        return status;
    trial->report = host;
    trial->report_device = device;
    return ST_OK;
}

void trial_close_gpu(struct capability_trial *trial)
{
    if (trial->gpu) {
        gpu_pinned_free(trial->gpu, trial->report);
        launcher_close(trial->launcher);
        gpu_stream_close(trial->stream);
        gpu_close(trial->gpu);
        trial->gpu = NULL;
    }
    free(trial->bytes);
    trial->bytes = NULL;
}

enum status trial_enqueue(struct capability_trial *trial, enum launch_kind kind, void *device,
                          uint32_t index, struct err *err)
{
    const struct launch_work work = {
        .kind = kind,
        .payload = device,
        .payload_bytes = TRIAL_BYTES,
        .geometry = TRIAL_GEOMETRY,
        .frame_id = trial_frame_id(trial, index),
        .seed = trial->seed,
        .source_index = index,
        .report = trial->report_device,
        .done_value = ++trial->done_value,
    };
    return launcher_enqueue(trial->launcher, trial->stream, &work, err);
}

enum status trial_synchronize(struct capability_trial *trial, struct err *err)
{
    enum status status = gpu_stream_synchronize(trial->stream, err);
    if (status != ST_OK)
        return status;
    uint32_t done = __atomic_load_n(&trial->report->done, __ATOMIC_ACQUIRE);
    return done == trial->done_value ? ST_OK
                                     : err_set(err, ST_CORRUPT, NULL,
                                               "the kernel ended without an error, and wrote no "
                                               "report");
}

enum status trial_checksum_check(const struct capability_trial *trial, uint32_t index,
                                 struct err *err)
{
    uint8_t *expected = malloc(TRIAL_BYTES);
    if (!expected)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu bytes", TRIAL_BYTES);
    trial_content(trial, index, expected);
    const uint64_t checksum = frame_checksum_reference(expected, TRIAL_BYTES);
    free(expected);
    return trial->report->value == checksum
               ? ST_OK
               : err_set(err, ST_CORRUPT, NULL,
                         "the kernel ended without an error, and read other bytes than were "
                         "written (checksum %016" PRIx64 " instead of %016" PRIx64 ")",
                         trial->report->value, checksum);
}

enum status trial_read(struct capability_trial *trial, void *device, uint32_t index,
                       struct err *err)
{
    trial_step(trial, "a kernel that reads it");
    enum status status = trial_enqueue(trial, LAUNCH_CHECKSUM, device, index, err);
    if (status == ST_OK)
        status = trial_synchronize(trial, err);
    if (status == ST_OK)
        status = trial_checksum_check(trial, index, err);
    return status;
}

enum status trial_invert(struct capability_trial *trial, void *device, uint32_t index,
                         struct err *err)
{
    trial_step(trial, "a kernel that writes to it");
    enum status status = trial_enqueue(trial, LAUNCH_INVERT, device, index, err);
    if (status == ST_OK)
        status = trial_synchronize(trial, err);
    if (status == ST_OK && trial->report->torn_tags)
        status = err_set(err, ST_CORRUPT, NULL, "the writing kernel found %u wrong tags",
                         trial->report->torn_tags);
    return status;
}
