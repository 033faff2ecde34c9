/* role.c: the life of a role process around its hot path: setup, ready, go, finished, exit. */
#include "harness/run/role.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/capability_trial.h"
#include "harness/run/fault.h"
#include "harness/run/floor_gpu.h"
#include "harness/run/guard.h"
#include "harness/run/load.h"
#include "harness/run/peer.h"
#include "harness/run/placement.h"
#include "harness/run/process.h"

enum status role_receive(const struct role *role, const char *type, struct channel_message *message,
                         struct err *err)
{
    enum status status =
        channel_receive(role->control_fd, clock_now_ns() + ROLE_SILENCE_NS, message, err);
    if (status != ST_OK)
        return err_context(err, "waiting for \"%s\" from the runner", type);
    if (strcmp(json_get_string(message->json, "type", ""), type) == 0)
        return ST_OK;
    status = err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                     "the runner sent \"%s\" where \"%s\" was due",
                     json_get_string(message->json, "type", "?"), type);
    channel_message_clear(message);
    return status;
}

enum status role_send(const struct role *role, cJSON *json, struct err *err)
{
    if (!json)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    enum status status = channel_send(role->control_fd, json, NULL, 0, err);
    cJSON_Delete(json);
    return status;
}

enum status role_send_type(const struct role *role, const char *type, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", type);
    return role_send(role, json, err);
}

void role_send_error(const struct role *role, const struct err *failure)
{
    struct err ignored;
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "error");
    json_add_string(json, "status", status_name(failure->status));
    json_add_string(json, "what", failure->what);
    json_add_string(json, "hint", failure->hint);
    (void)role_send(role, json, &ignored);
}

/* Receives the setup and maps the trace. */
static enum status role_set_up(struct role *role, struct err *err)
{
    struct channel_message message = {0};
    enum status status = role_receive(role, "setup", &message, err);
    if (status != ST_OK)
        return status;
    status = role_setup_from_json(message.json, &role->setup, err);
    if (status == ST_OK)
        status = clock_apply(&role->setup.clock, err);
    if (status == ST_OK && message.fd_count != 1)
        status = err_set(err, ST_CORRUPT, NULL, "the setup came with %u descriptors instead of one",
                         message.fd_count);
    if (status == ST_OK) {
        int fd = message.fds[0];
        message.fds[0] = -1;
        status = shm_attach(fd, trace_bytes(role_setup_total(&role->setup)), &role->trace_map, err);
    }
    channel_message_clear(&message);
    if (status != ST_OK)
        return status;
    role->trace = role->trace_map.bytes;
    status = trace_check(role->trace, role->trace_map.size_bytes, err);
    if (status != ST_OK)
        return status;
    placement_remember(&role->allowed);
    status = placement_apply(role->setup.cpu, err);
    if (status == ST_OK)
        status = surroundings_apply(&role->setup.cell, err);
    return status;
}

static enum status role_await_go(struct role *role, struct err *err)
{
    struct channel_message message = {0};
    enum status status = role_receive(role, "go", &message, err);
    if (status != ST_OK)
        return status;
    if (!json_get_u64_text(message.json, "start_ns", &role->start_ns) ||
        !json_get_u64_text(message.json, "deadline_ns", &role->deadline_ns))
        status = err_set(err, ST_CORRUPT, NULL, "control message: go without its times");
    channel_message_clear(&message);
    return status;
}

static enum status role_verify_surroundings(const struct role *role, struct role_report *report,
                                            struct err *err)
{
    return surroundings_verify(&role->setup.cell, role->setup.cpu, &report->surroundings, err);
}

/* The form of the role that the cell needs. */
static const struct role_kind *role_kind_of(const struct role *role, const struct role_kind *kind)
{
    const struct cell *cell = &role->setup.cell;
    if (kind == &role_producer && cell_producer_uses_gpu(cell))
        return &role_producer_gpu;
    if (kind == &role_consumer && cell_consumer_uses_gpu(cell))
        return &role_consumer_gpu;
    return kind;
}

/* Everything between setup and exit. */
static enum status role_work(struct role *role, const struct role_kind *kind, struct err *err)
{
    void *state = NULL;
    struct role_report report = {0};
    struct channel_message message = {0};
    enum status status = role_set_up(role, err);
    if (status == ST_OK) {
        kind = role_kind_of(role, kind);
        status = kind->prepare(role, &state, err);
    }
    /* Now and after the last frame: what the launch is recorded with is what it had all along. */
    if (status == ST_OK)
        status = role_verify_surroundings(role, &report, err);
    FAULT_POINT(kind->name, "prepared", 0);
    if (status == ST_OK)
        status = role_send_type(role, "ready", err);
    if (status == ST_OK)
        status = role_await_go(role, err);
    if (status == ST_OK)
        status = kind->run(role, state, &report, err);
    if (status == ST_OK)
        status = role_verify_surroundings(role, &report, err);
    if (status == ST_OK)
        status = role_send(role, role_report_to_json(&report), err);
    if (status != ST_OK)
        role_send_error(role, err);
    /* Nothing is torn down before the runner has both reports: the other side may still drain. */
    struct err ignored;
    if (role_receive(role, "exit", &message, &ignored) == ST_OK) {
        channel_message_clear(&message);
        if (status == ST_OK && kind->conclude) {
            status = kind->conclude(role, state, err);
            if (status != ST_OK)
                role_send_error(role, err);
        }
    }
    FAULT_POINT(kind->name, "ending", 0);
    kind->clean_up(state);
    shm_unmap(&role->trace_map);
    /* Now, and not with the process, whose end takes a driver its time: the runner lets the other
     * role go (session.c). */
    close(role->control_fd);
    return status;
}

enum status role_main(int argc, char **argv, struct err *err)
{
    static const struct option options[] = {
        {"role", required_argument, NULL, 'r'},
        {"control-fd", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    const char *name = "";
    struct role role = {.control_fd = -1, .trace_map = SHM_MAP_NONE};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'r')
            name = optarg;
        else if (option == 'c')
            role.control_fd = atoi(optarg);
        else
            return err_set(err, ST_INVALID, "roles are started by `handoff run`",
                           "not an option of a role");
    }
    if (role.control_fd < 0)
        return err_set(err, ST_INVALID, "roles are started by `handoff run`",
                       "a role needs its --control-fd");
    /* Not for what a role executes, a daemon of the guard: the runner knows a death by this end. */
    (void)fcntl(role.control_fd, F_SETFD, FD_CLOEXEC);
    /* A peer that is gone is an error to report. (SIGINT and its like: process.c.) */
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(name, "guard") == 0)
        return guard_main(role.control_fd, err);
    process_die_with_runner();
    if (strcmp(name, "capability") == 0)
        return capability_main(role.control_fd, err);
    if (strcmp(name, "peer") == 0)
        return peer_role_main(role.control_fd, err);
    if (strcmp(name, "serving") == 0)
        return peer_server_main(role.control_fd, err);
    if (strcmp(name, "load") == 0)
        return load_main(&role, err);
    if (strcmp(name, "gpu-floor") == 0)
        return floor_gpu_main(&role, err);
    if (strcmp(name, "gpu-floor-peer") == 0)
        return floor_gpu_peer_main(&role, err);
    const struct role_kind *const kinds[] = {&role_producer, &role_consumer};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(name, kinds[i]->name) == 0)
            return role_work(&role, kinds[i], err);
    return err_set(err, ST_INVALID, "roles are started by `handoff run`", "unknown role \"%s\"",
                   name);
}
