/* floor_gpu.c: the runner's side of the GPU's floor: starting the children, and believing them as
 * far as they came. See floor_gpu.h. */
#include "harness/run/floor_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/shm.h"
#include "harness/gpu/gpu.h"
#include "harness/run/floor_gpu_parts.h"
#include "harness/run/mps.h"
#include "harness/run/process.h"

/* What is left to a child that has said its last word. */
#define FLOOR_GPU_END_NS 2000000000u

struct floor_gpu_asking {
    const struct floor_gpu_config *config;
    struct shm_map turns;
    struct process child;
    struct process peer;
    bool begun; /* the child has figures */
    struct floor_gpu floor;
};

static void floor_gpu_lack(struct floor_gpu *floor, const struct err *why)
{
    if (floor->warning_count < FLOOR_GPU_WARNINGS_MAX)
        snprintf(floor->warnings[floor->warning_count++], FLOOR_WARNING_BYTES, "%s%s%s", why->what,
                 why->hint[0] ? ": " : "", why->hint);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Why nothing more comes from a child, which is ended here. */
static enum status floor_gpu_silence(const char *role, struct process *process, enum status status,
                                     struct err *err)
{
    char end[128];
    if (status == ST_TIMEOUT) {
        process_end(process, 0);
        return err_set(err, ST_TIMEOUT, "is another program using the GPU? is the driver well?",
                       "floor of the GPU: the %s process did not answer in time and was ended",
                       role);
    }
    process_end(process, FLOOR_GPU_END_NS);
    if (status == ST_PEER_GONE)
        return err_set(err, ST_ROLE_DIED, "`dmesg` may say more",
                       "floor of the GPU: the %s process %s", role,
                       process_end_format(process, end, sizeof end));
    return err_context(err, "floor of the GPU");
}

/* Sends a message, with a descriptor unless it is -1, and deletes it; NULL is one that could not be
 * made. */
static enum status floor_gpu_say(const char *role, struct process *process, cJSON *json, int fd,
                                 struct err *err)
{
    if (!json)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    enum status status = channel_send(process->control_fd, json, &fd, fd >= 0, err);
    cJSON_Delete(json);
    return status == ST_OK ? ST_OK : floor_gpu_silence(role, process, status, err);
}

static enum status floor_gpu_start_child(struct floor_gpu_asking *asking, const char *role, int cpu,
                                         struct process *process, struct err *err)
{
    /* No daemon is joined: what is to be seen is two contexts that take turns on the GPU. */
    static const char *const changes[] = {MPS_PIPE_VARIABLE "=" MPS_NO_PIPE_DIRECTORY, NULL};
    const struct floor_gpu_config *config = asking->config;
    enum status status = process_start_with(role, PROCESS_DIES_WITH_US, changes, process, err);
    if (status != ST_OK)
        return status;
    cJSON *json = cJSON_CreateObject(), *sizes = cJSON_CreateArray();
    bool ok = json_add_string(json, "type", "setup") && json_add_i64(json, "cpu", cpu) &&
              json_add_u64(json, "budget_ns",
                           config->budget_ns ? config->budget_ns : FLOOR_GPU_BUDGET_NS);
    for (size_t i = 0; ok && i < config->size_count; i++)
        ok = json_append(sizes, cJSON_CreateNumber((double)config->sizes_bytes[i]));
    ok = json_add(json, "sizes", sizes) && ok;
    if (!ok) {
        cJSON_Delete(json);
        json = NULL;
    }
    return floor_gpu_say(role, process, json, asking->turns.fd, err);
}

/* The next message of a child; its "error" is an error, and so is silence. */
static enum status floor_gpu_hear(const char *role, struct process *process, uint64_t patience_ns,
                                  struct channel_message *message, struct err *err)
{
    enum status status =
        channel_receive(process->control_fd, clock_now_ns() + patience_ns, message, err);
    if (status != ST_OK)
        return floor_gpu_silence(role, process, status, err);
    if (strcmp(json_get_string(message->json, "type", ""), "error") != 0)
        return ST_OK;
    status = status_from_name(json_get_string(message->json, "status", ""));
    err_set(err, status, json_get_string(message->json, "hint", ""), "%s",
            json_get_string(message->json, "what", "no reason given"));
    channel_message_clear(message);
    process_end(process, FLOOR_GPU_END_NS);
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

static enum status floor_gpu_take_figures(struct floor_gpu_asking *asking, const cJSON *json,
                                          struct err *err)
{
    enum status status = floor_gpu_from_json(json_get(json, "gpu"), &asking->floor, err);
    const cJSON *warnings = json_get(json, "warnings");
    for (const cJSON *item = warnings && status == ST_OK ? warnings->child : NULL;
         item && asking->floor.warning_count < FLOOR_GPU_WARNINGS_MAX; item = item->next)
        snprintf(asking->floor.warnings[asking->floor.warning_count++], FLOOR_WARNING_BYTES, "%s",
                 cJSON_IsString(item) ? item->valuestring : "");
    asking->begun |= status == ST_OK;
    return status;
}

static uint64_t floor_gpu_patience_ns(const struct floor_gpu_asking *asking, bool begun)
{
    if (asking->config->silence_ns)
        return asking->config->silence_ns;
    return begun ? FLOOR_GPU_SILENCE_NS : FLOOR_GPU_START_NS;
}

/* All that the child says until it says `last`. */
static enum status floor_gpu_listen(struct floor_gpu_asking *asking, const char *last,
                                    struct err *err)
{
    for (;;) {
        struct channel_message message = {0};
        enum status status =
            floor_gpu_hear("gpu-floor", &asking->child,
                           floor_gpu_patience_ns(asking, asking->begun), &message, err);
        if (status != ST_OK)
            return status;
        const char *type = json_get_string(message.json, "type", "");
        bool ended = strcmp(type, last) == 0;
        if (strcmp(type, "figures") == 0)
            status = floor_gpu_take_figures(asking, message.json, err);
        else if (!ended)
            status = err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                             "floor of the GPU: an unknown message \"%s\"", type);
        channel_message_clear(&message);
        if (status != ST_OK || ended)
            return status;
    }
}

/* The second process comes, and both take turns. */
static enum status floor_gpu_take_turns(struct floor_gpu_asking *asking, struct err *err)
{
    struct channel_message message = {0};
    struct floor_cpus cpus = asking->config->cpus;
    if (cpus.producer >= 0 && cpus.producer == cpus.consumer)
        return err_set(err, ST_UNAVAILABLE, "give two CPUs",
                       "floor of the GPU: a context switch between two processes needs two CPUs");
    enum status status =
        floor_gpu_start_child(asking, "gpu-floor-peer", cpus.consumer, &asking->peer, err);
    if (status == ST_OK)
        status = floor_gpu_hear("gpu-floor-peer", &asking->peer,
                                floor_gpu_patience_ns(asking, false), &message, err);
    if (status != ST_OK)
        return status;
    channel_message_clear(&message);
    cJSON *json = cJSON_CreateObject();
    if (!json_add_string(json, "type", "go")) {
        cJSON_Delete(json);
        json = NULL;
    }
    status = floor_gpu_say("gpu-floor", &asking->child, json, -1, err);
    return status == ST_OK ? floor_gpu_listen(asking, "finished", err) : status;
}

static void floor_gpu_end(struct floor_gpu_asking *asking)
{
    /* An idle child goes when nobody is left to tell it anything. */
    if (asking->turns.bytes)
        atomic_store(&((struct floor_gpu_turns *)asking->turns.bytes)->stop, 1);
    process_hang_up(&asking->child);
    process_hang_up(&asking->peer);
    process_end(&asking->child, FLOOR_GPU_END_NS);
    process_end(&asking->peer, FLOOR_GPU_END_NS);
    shm_unmap(&asking->turns);
}

enum status floor_gpu_measure(const struct floor_gpu_config *config, struct floor_gpu *out,
                              struct err *err)
{
    struct gpu_info info;
    if (!gpu_toolkit_version()) /* then gpu_probe touches nothing, and says why */
        return gpu_probe(&info, err);
    struct floor_gpu_asking *asking = calloc(1, sizeof *asking);
    if (!asking)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor of the GPU");
    *asking = (struct floor_gpu_asking){
        .config = config, .turns = SHM_MAP_NONE, .child = PROCESS_NONE, .peer = PROCESS_NONE};
    enum status status =
        shm_create("handoff-gpu-turns", sizeof(struct floor_gpu_turns), &asking->turns, err);
    if (status == ST_OK)
        status =
            floor_gpu_start_child(asking, "gpu-floor", config->cpus.producer, &asking->child, err);
    if (status == ST_OK)
        status = floor_gpu_listen(asking, "alone", err);
    if (status == ST_OK)
        status = floor_gpu_take_turns(asking, err);
    floor_gpu_end(asking);
    if (status != ST_OK && asking->begun) { /* what was measured stands */
        floor_gpu_lack(&asking->floor, err);
        status = ST_OK;
    }
    if (status == ST_OK)
        *out = asking->floor;
    free(asking);
    return status;
}
