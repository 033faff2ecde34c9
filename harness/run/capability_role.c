/* capability_role.c: the life of one side of a row: `handoff --role capability`. See
 * capability_trial.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/run/capability_trial.h"
#include "harness/run/fault.h"

#define WITH(function) \
    {                  \
        true, function \
    }
#define WITHOUT(function) \
    {                     \
        false, function   \
    }

static const struct capability_sides capability_sides[GPU_CAPABILITY_COUNT] = {
    [GPU_CAN_device] = {{WITH(row_device), WITH(row_device)}},
    [GPU_CAN_register_shm] = {{WITHOUT(row_shm_maker), WITH(row_register_shm)}},
    [GPU_CAN_unregistered_shm] = {{WITHOUT(row_shm_maker), WITH(row_unregistered_shm)}},
    [GPU_CAN_unregistered_malloc] = {{WITHOUT(row_malloc_maker), WITH(row_unregistered_malloc)}},
    [GPU_CAN_managed_copy] = {{WITHOUT(row_shm_maker), WITH(row_managed_copy)}},
    [GPU_CAN_managed_pointer] = {{WITH(row_managed_maker), WITH(row_managed_pointer)}},
    [GPU_CAN_ipc_memory] = {{WITH(row_ipc_maker), WITH(row_ipc_user)}},
    [GPU_CAN_ipc_event] = {{WITH(row_event_maker), WITH(row_event_user)}},
    [GPU_CAN_vmm] = {{WITH(row_vmm_maker), WITH(row_vmm_user)}},
    [GPU_CAN_vmm_no_access] = {{WITH(row_vmm_maker), WITH(row_vmm_no_access)}},
    [GPU_CAN_pool] = {{WITH(row_pool_maker), WITH(row_pool_user)}},
    [GPU_CAN_dmabuf_device] = {{WITH(row_dmabuf_device), WITHOUT(row_dmabuf_user)}},
    [GPU_CAN_dmabuf_host] = {{WITH(row_dmabuf_host), WITHOUT(row_dmabuf_user)}},
    [GPU_CAN_stream_values] = {{WITHOUT(row_values_maker), WITH(row_values_user)}},
    [GPU_CAN_resident_flag] = {{WITHOUT(row_flag_maker), WITH(row_flag_user)}},
    [GPU_CAN_mps] = {{WITH(row_mps_maker), WITH(row_mps_user)}},
};

const struct capability_sides *capability_row_sides(enum gpu_capability row)
{
    return &capability_sides[row];
}

static enum status role_tell(const struct capability_trial *trial, cJSON *json, struct err *err)
{
    enum status status =
        json ? channel_send(trial->control_fd, json, NULL, 0, err)
             : err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message to the runner");
    cJSON_Delete(json);
    return status;
}

static enum status role_tell_opened(const struct capability_trial *trial, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "opened");
    return role_tell(trial, json, err);
}

static enum status role_tell_finished(const struct capability_trial *trial, enum status outcome,
                                      const struct err *failure, cJSON *described, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "finished");
    json_add_string(json, "status", status_name(outcome));
    json_add_string(json, "what", outcome == ST_OK ? "" : failure->what);
    json_add_string(json, "hint", outcome == ST_OK ? "" : failure->hint);
    json_add_string(json, "verified", trial->verified);
    if (described)
        json_add(json, "described", described);
    return role_tell(trial, json, err);
}

/* One side of one row. With a GPU: gpu_probe first, whose reasons are the exact ones. */
static enum status role_try(struct capability_trial *trial, const char *row_key,
                            const char *side_name, struct err *err)
{
    struct gpu_info info;
    int row = 0;
    while (row < GPU_CAPABILITY_COUNT && strcmp(row_key, gpu_capability_rows[row].key) != 0)
        row++;
    if (row == GPU_CAPABILITY_COUNT)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "there is no row \"%s\"", row_key);
    const bool is_maker = strcmp(side_name, "maker") == 0;
    const int side = is_maker ? CAPABILITY_MAKER : CAPABILITY_USER;
    const bool needs_gpu = capability_sides[row].side[side].needs_gpu;
    enum status status = ST_OK;
    if (needs_gpu) {
        trial_step(trial, "starting the driver");
        status = gpu_probe(&info, err);
        if (status == ST_OK) {
            trial_step(trial, "making the context");
            status = trial_open_gpu(trial, err);
        }
    }
    if (status == ST_OK)
        status = role_tell_opened(trial, err);
    FAULT_POINT("capability", row_key, side);
    if (status == ST_OK)
        status = capability_sides[row].side[side].act(trial, err);
    return status;
}

/* An empty text takes the variable away. */
static void role_set_environment(const char *name, const char *value)
{
    if (value && value[0])
        (void)setenv(name, value, 1);
}

static enum status role_read(const struct channel_message *message, struct capability_trial *trial,
                             struct err *err)
{
    int64_t frame_id;
    if (!json_get_u64_text(message->json, "seed", &trial->seed) ||
        !json_whole(json_get(message->json, "frame_id"), 0, INT32_MAX - 16, &frame_id) ||
        strcmp(json_get_string(message->json, "type", ""), "try") != 0)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "the runner's message is not one to try a row");
    trial->frame_id = (int32_t)frame_id;
    role_set_environment("CUDA_MPS_PIPE_DIRECTORY",
                         json_get_string(message->json, "mps_pipe_dir", ""));
    return ST_OK;
}

enum status capability_main(int control_fd, struct err *err)
{
    struct capability_trial trial = {.control_fd = control_fd, .peer_fd = -1};
    struct channel_message message = {0};
    struct err failure = {.what = ""};
    cJSON *described = NULL;
    enum status status = channel_receive(control_fd, UINT64_MAX, &message, err);
    if (status != ST_OK)
        return status;
    status = role_read(&message, &trial, &failure);
    if (status == ST_OK && message.fd_count == 1) {
        trial.peer_fd = message.fds[0];
        message.fds[0] = -1;
    }
    const char *row = json_get_string(message.json, "row", "");
    if (status == ST_OK && strcmp(row, CAPABILITY_DESCRIBE) == 0)
        status = capability_describe_here(&described, &failure);
    else if (status == ST_OK)
        status = role_try(&trial, row, json_get_string(message.json, "side", ""), &failure);
    enum status told = role_tell_finished(&trial, status, &failure, described, err);
    /* After the outcome: a broken driver may not come back from here. */
    if (trial.peer_fd >= 0)
        close(trial.peer_fd);
    trial_close_gpu(&trial);
    channel_message_clear(&message);
    return told;
}
