/* session.c: see session.h. The phases of a launch; between them session_events.c waits for what
 * the roles say. */
#include "harness/run/session_parts.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/fault.h"
#include "harness/run/python_role.h"

/* Allocating and touching a ring of large frames takes seconds on a slow board. */
#define SESSION_SETUP_NS 60000000000u
/* From "go" or "stop" to what a load has to say, on a slow machine under a sanitizer. */
#define SESSION_LOAD_NS 5000000000u
/* From go to the first frame: time for both roles to wake up and wait. */
#define SESSION_START_NS 3000000u
/* What a launch may take beyond five times the expected. */
#define SESSION_SLACK_NS 10000000000u
/* Without any expectation (a pilot). */
#define SESSION_UNKNOWN_NS 60000000000u
/* For all roles together to clean up after one of them failed. */
#define SESSION_CLEAN_UP_NS 1000000000u
/* Across two hosts: for the consumer's trace to come here, and for its end there. */
#define SESSION_PEER_LEAVE_NS 60000000000u

static enum status session_send(struct session_role *role, cJSON *json, const int *fds,
                                uint32_t fd_count, struct err *err)
{
    if (!json)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    enum status status = channel_send(role->process.control_fd, json, fds, fd_count, err);
    cJSON_Delete(json);
    /* A role that is gone is found by its pidfd or its socket's end, with the reason. */
    return status == ST_PEER_GONE ? ST_OK : status;
}

/* Starts the process, watched by the guard from its first moment. */
static enum status session_start_process(struct session *session, struct session_role *role,
                                         struct err *err)
{
    const struct session_request *request = session->request;
    char variable[MPS_PATH_BYTES + 32];
    /* Which MPS daemon a role joins is in its environment: ours, or none, whatever the user
     * runs. */
    const char *const changes[] = {mps_environment(request->guard,
                                                   request->cell->gpu_sharing == GPU_SHARING_MPS,
                                                   variable, sizeof variable),
                                   MPS_SHARE_VARIABLE, NULL};
    const char *const *used = cell_uses_gpu(request->cell) ? changes : NULL;
    enum status status =
        role->language == LANGUAGE_PYTHON
            ? python_start(role->name, used, &role->process, err)
            : process_start_with(role->name, PROCESS_DIES_WITH_US, used, &role->process, err);
    return status == ST_OK ? guard_watch(session->request->guard, &role->process, err) : status;
}

/* What the process in the consumer's place needs beside the consumer's setup, which it takes
 * over. */
static cJSON *session_add_peer(const struct session_request *request, cJSON *setup)
{
    char placement[CELL_AXIS_BYTES];
    cJSON *peer = peer_options_to_json(&request->peer->options);
    cell_placement_format(request->cell, placement, sizeof placement);
    bool ok = json_add_string(peer, "placement", placement);
    if (json_add(setup, "peer", peer) && ok)
        return setup;
    cJSON_Delete(setup);
    return NULL;
}

/* The run's clock; where a role is in Python, the one that Python can read. */
static struct clock_conversion session_clock(const struct cell *cell)
{
    return cell_has_python(cell) ? (struct clock_conversion){.kind = CLOCK_KIND_MONOTONIC}
                                 : clock_current;
}

static enum status session_start_role(struct session *session, int index, struct err *err)
{
    const struct session_request *request = session->request;
    struct session_role *role = &session->roles[index];
    const struct role_setup setup = {
        .cell = *request->cell,
        .frames = request->frames,
        .warmup = request->warmup,
        .seed = request->seed,
        .cpu = role->cpu,
        .clock = session_clock(request->cell),
        .listens = request->peer && index == PRODUCER,
    };
    const uint32_t capacity = role_trace_capacity(&setup);
    enum status status = shm_create("handoff-trace", trace_bytes(capacity), &role->trace, err);
    if (status != ST_OK)
        return status;
    trace_init(role->trace.bytes, capacity);
    status = session_start_process(session, role, err);
    if (status != ST_OK)
        return status;
    cJSON *json = role_setup_to_json(&setup);
    if (request->peer && index == CONSUMER)
        json = session_add_peer(request, json);
    return session_send(role, json, &role->trace.fd, 1, err);
}

/* Starts the loads: they prepare, and wait for their go. */
static enum status session_start_loads(struct session *session, struct err *err)
{
    enum status status = ST_OK;
    session->loads_due = SESSION_READY;
    for (int i = ROLES; i < session->role_count && status == ST_OK; i++) {
        struct session_role *role = &session->roles[i];
        status = session_start_process(session, role, err);
        if (status == ST_OK)
            status = session_send(role, load_setup_to_json(session->request->cell->load, role->cpu),
                                  NULL, 0, err);
    }
    return status;
}

/* Tells all loads one word and waits until they are where it gets them. */
static enum status session_bring_loads(struct session *session, const char *word,
                                       enum session_phase phase, struct err *err)
{
    session->loads_due = phase;
    for (int i = ROLES; i < session->role_count; i++) {
        cJSON *json = cJSON_CreateObject();
        json_add_string(json, "type", word);
        enum status status = session_send(&session->roles[i], json, NULL, 0, err);
        if (status != ST_OK)
            return status;
    }
    return session_await(session, true, phase, clock_now_ns() + SESSION_LOAD_NS);
}

static enum status session_go(struct session *session, uint64_t *deadline_ns, struct err *err)
{
    const struct session_request *request = session->request;
    uint64_t start_ns = clock_now_ns() + SESSION_START_NS + session->lead_ns;
    uint64_t limit_ns = SESSION_UNKNOWN_NS;
    if (request->limit_ns)
        limit_ns = request->limit_ns;
    else if (request->expected_ns)
        limit_ns = 5 * request->expected_ns + FAULT_SLACK_NS(SESSION_SLACK_NS);
    *deadline_ns = start_ns + limit_ns;
    for (int i = 0; i < ROLES; i++) {
        cJSON *json = cJSON_CreateObject();
        json_add_string(json, "type", "go");
        json_add_u64_text(json, "start_ns", start_ns);
        json_add_u64_text(json, "deadline_ns", *deadline_ns);
        enum status status = session_send(&session->roles[i], json, NULL, 0, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* Everybody lives, and somebody said what failed. */
static bool session_only_complaints(const struct session *session)
{
    for (int i = 0; i < session->role_count; i++)
        if (session->roles[i].ended && !session->roles[i].complained)
            return false;
    /* Who waits for a host that is gone would do so until the grace is over. */
    return session->complained_ns != 0 && !session->interrupted && !session->peer_lost;
}

static cJSON *session_exit_json(void)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "exit");
    return json;
}

/* The orderly end: what goes wrong behind the last frame is told here. Device memory and events
 * live in the producer, and nobody may have them open when it frees them: the consumer is gone
 * before the producer is told. */
static void session_take_leave(struct session *session)
{
    const bool in_turn = (session->request->cell->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
    struct err ignored;
    for (int i = 0; i < session->role_count && !in_turn; i++)
        (void)session_send(&session->roles[i], session_exit_json(), NULL, 0, &ignored);
    for (int i = session->role_count; i-- > 0;) {
        struct session_role *role = &session->roles[i];
        const bool is_peer = role == &session->roles[CONSUMER] && session->request->peer;
        const uint64_t until_ns =
            clock_now_ns() + (is_peer ? SESSION_PEER_LEAVE_NS : PROCESS_GRACE_NS);
        if (in_turn)
            (void)session_send(role, session_exit_json(), NULL, 0, &ignored);
        session_hear_out(session, role, until_ns);
        const uint64_t now_ns = clock_now_ns();
        if (!role->ended)
            process_end(&role->process, until_ns > now_ns ? until_ns - now_ns : 0);
    }
}

/* At once, so that nobody waits for a CPU on which another one spins that has to end as well. */
static void session_kill(const struct session *session)
{
    for (int i = 0; i < session->role_count; i++)
        if (session->roles[i].process.pid > 0)
            kill(session->roles[i].process.pid, SIGKILL);
}

/* When somebody has died: the others, while it becomes a process that can be reaped. How it ended
 * by itself is still told. */
static void session_kill_rest(const struct session *session)
{
    bool died = false;
    for (int i = 0; i < session->role_count; i++)
        died = died || (session->roles[i].ended && !session->roles[i].complained);
    for (int i = 0; i < session->role_count && died; i++)
        if (!session->roles[i].ended && session->roles[i].process.pid > 0)
            kill(session->roles[i].process.pid, SIGKILL);
}

/* Ends all processes: in order when they finished, at once when one of them died or hangs. Where
 * one gave up and said so, they have a moment to clean up, told by the end of their socket: a
 * client of MPS that is killed while it has the GPU can take the daemon and other clients with
 * it. */
static void session_end_roles(struct session *session, bool orderly)
{
    struct err ignored;
    uint64_t grace_ns = 0;
    if (orderly) {
        grace_ns = PROCESS_GRACE_NS;
        session_take_leave(session);
    } else if (session_only_complaints(session)) {
        grace_ns = SESSION_CLEAN_UP_NS;
        for (int i = 0; i < session->role_count; i++)
            process_hang_up(&session->roles[i].process);
    } else {
        session_kill(session);
    }
    const uint64_t until_ns = clock_now_ns() + grace_ns;
    for (int i = 0; i < session->role_count; i++) {
        const uint64_t now_ns = clock_now_ns();
        process_end(&session->roles[i].process, until_ns > now_ns ? until_ns - now_ns : 0);
    }
    (void)guard_forget(session->request->guard, &ignored);
}

/* RouDi runs for launches that need it, and only for those: it is a process with threads of its
 * own. */
static enum status session_start_roudi(struct session *session, struct err *err)
{
    const struct cell *cell = session->request->cell;
    if (cell->transport->flags & TRANSPORT_NEEDS_ROUDI)
        return roudi_start(session->request->guard, cell_payload_bytes(cell), cell->slots, err);
    roudi_stop(session->request->guard);
    return ST_OK;
}

/* Everything that must be there before the roles may go. */
static enum status session_start(struct session *session, struct launch_outcome *outcome,
                                 struct err *err)
{
    enum status status = guard_renew(session->request->guard, err);
    clock_rebase(); /* both roles get this one; loads stamp nothing */
    if (status == ST_OK && session->request->cell->idle_latency_held)
        status = surroundings_hold_idle_latency(SURROUNDINGS_IDLE_LATENCY_PATH,
                                                &session->idle_latency_fd, err);
    outcome->idle_latency_held = session->idle_latency_fd >= 0;
    if (status == ST_OK && session->request->cell->clocks_locked)
        status = clocks_lock(session->request->guard, session->request->cpus,
                             session->request->signal_fd, &session->clocks, err);
    outcome->clocks.locked = session->clocks.settings != NULL;
    if (!session->request->peer)
        clocks_read(session->request->cpus, &outcome->clocks);
    if (status == ST_OK && session->request->cell->gpu_sharing == GPU_SHARING_MPS)
        status = mps_start(session->request->guard, err);
    else
        mps_stop(session->request->guard); /* it would stand between others and the GPU */
    if (status == ST_OK)
        status = session_start_roudi(session, err);
    if (status == ST_OK)
        status = session_start_loads(session, err);
    for (int i = 0; i < ROLES && status == ST_OK; i++)
        status = session_start_role(session, i, err);
    return status;
}

/* Right after the last frame, while they are still as they were for it. */
static void session_check_clocks(const struct session *session, enum status status,
                                 struct launch_outcome *outcome)
{
    struct err failure;
    if (clocks_read_again(session->request->cpus, &outcome->clocks, &failure) != ST_OK &&
        status == ST_OK)
        session_fail(outcome, &failure, failure.status);
}

/* From go to the last report: the loads begin before the system's time is read and end after it, so
 * that they count in all of it. */
static enum status session_watch(struct session *session, struct launch_outcome *outcome,
                                 struct err *err)
{
    struct usage_system begin, end;
    struct err no_usage;
    uint64_t deadline_ns = 0;
    enum status status = session_bring_loads(session, "go", SESSION_WORKING, err);
    if (status != ST_OK)
        return status;
    bool counted = usage_system_read(&begin, &no_usage) == ST_OK;
    status = session_go(session, &deadline_ns, err);
    if (status != ST_OK)
        return status;
    /* The roles give up at their deadline and say what they waited for; we a little later. */
    status = session_await(session, false, SESSION_FINISHED, deadline_ns + SESSION_SLACK_NS / 10);
    if (counted && usage_system_read(&end, &no_usage) == ST_OK)
        outcome->system = usage_system_difference(&begin, &end);
    session_check_clocks(session, status, outcome);
    return status == ST_OK ? session_bring_loads(session, "stop", SESSION_FINISHED, err) : status;
}

/* From the first exec to the last frame. */
static enum status session_measure(struct session *session, struct launch_outcome *outcome,
                                   struct err *err)
{
    enum status status = session_start(session, outcome, err);
    if (status == ST_NO_MEMORY || status == ST_SYSTEM || status == ST_UNAVAILABLE) {
        /* This launch needs more than there is; the next, of a smaller cell, may not. */
        session_fail(outcome, err, status);
        return ST_OK;
    }
    if (status != ST_OK)
        return status;
    const uint64_t ready_ns = clock_now_ns() + 10 * FAULT_SLACK_NS(SESSION_SETUP_NS / 10);
    status = session_await(session, true, SESSION_READY, ready_ns);
    if (status == ST_OK)
        status = session_await(session, false, SESSION_READY, ready_ns);
    if (status == ST_OK)
        status = session_watch(session, outcome, err);
    if (status == ST_INTERRUPTED)
        return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
    if (status != ST_ROLE_DIED && status != ST_TIMEOUT)
        return status;
    session_kill_rest(session);
    session_reap_ended(session);
    session_explain(session, status, outcome);
    return ST_OK;
}

/* Who runs: the roles, and for a cell with a load one process on each CPU that they use. Where they
 * are not pinned the loads are not either, and as many as the roles: pinned ones would be avoided
 * by the scheduler on any machine with more CPUs. */
static void session_cast(struct session *session)
{
    const struct session_request *request = session->request;
    const int cpus[ROLES] = {request->cpus.producer, request->cpus.consumer};
    static const char *const names[ROLES] = {"producer", "consumer"};
    for (int i = 0; i < ROLES; i++) {
        struct session_role *role = &session->roles[session->role_count++];
        *role = (struct session_role){.name = names[i],
                                      .cpu = cpus[i],
                                      .language = i == PRODUCER ? request->cell->producer_language
                                                                : request->cell->consumer_language};
        snprintf(role->label, sizeof role->label, "%s", names[i]);
    }
    if (request->peer) {
        session->roles[CONSUMER].name = "peer";
        snprintf(session->roles[CONSUMER].label, sizeof session->roles[CONSUMER].label,
                 "link to the consumer's host");
    }
    for (int i = 0; i < ROLES && request->cell->load != LOAD_NONE; i++) {
        if (i > 0 && cpus[i] >= 0 && cpus[i] == cpus[i - 1])
            continue;
        struct session_role *load = &session->roles[session->role_count++];
        *load = (struct session_role){.name = "load", .is_load = true, .cpu = cpus[i]};
        if (cpus[i] >= 0)
            snprintf(load->label, sizeof load->label, "load on CPU %d", cpus[i]);
        else
            snprintf(load->label, sizeof load->label, "load number %d", i + 1);
    }
    for (int i = 0; i < session->role_count; i++) {
        session->roles[i].process = PROCESS_NONE;
        session->roles[i].trace = SHM_MAP_NONE;
    }
}

/* By when a frame's response should be over: a search says; else one period, of a Poisson schedule
 * the mean one. */
static uint64_t session_frame_deadline_ns(const struct cell *cell)
{
    if (!cell_has_schedule(cell))
        return 0;
    return cell->search.response_p99_ns ? cell->search.response_p99_ns
                                        : (uint64_t)(1e9 / cell->rate_hz);
}

/* The serving host is gone for good, as far as this run goes. */
static void session_give_up(const struct session_request *request, struct launch_outcome *outcome)
{
    struct err failure;
    err_set(&failure, ST_PEER_GONE, "start `handoff serve` there and go on with --resume",
            "not tried: %s was lost in %u launches in a row", request->peer->options.address.host,
            request->peer->lost_in_a_row);
    session_fail(outcome, &failure, failure.status);
}

enum status session_run(const struct session_request *request, struct fold *fold,
                        struct launch_outcome *outcome, struct err *err)
{
    struct session session = {.request = request, .idle_latency_fd = -1, .clocks = CLOCKS_NOT_HELD};
    struct launch_outcome result = {
        .launch = request->launch,
        .order = request->order,
        .status = ST_OK,
        .frames = request->frames,
        .warmup = request->warmup,
        .deadline_ns = session_frame_deadline_ns(request->cell),
        .peer = {.used = request->peer != NULL},
        .producer_cpu = request->cpus.producer,
        .consumer_cpu = request->cpus.consumer,
    };
    result_utc_now(result.started_utc);
    if (request->peer && request->peer->lost_in_a_row >= PEER_LOST_MAX) {
        session_give_up(request, &result);
        *outcome = result;
        return ST_OK;
    }
    session_cast(&session);
    enum status status = session_measure(&session, &result, err);
    const bool orderly = status == ST_OK && result.status == ST_OK;
    session_end_roles(&session, orderly);
    if (!orderly) { /* a client that was killed may have broken the server for the next */
        mps_stop(request->guard);
        roudi_stop(request->guard);
    }
    if (session.idle_latency_fd >= 0)
        close(session.idle_latency_fd);
    clocks_restore(request->guard, &session.clocks);
    if (status != ST_OK)
        goto undo_traces;
    if (orderly)
        session_check_ends(&session, &result);
    session_fill_outcome(&session, &result);
    if (cell_has_python(request->cell) && request->clock &&
        clock_chosen(request->clock)->kind != CLOCK_KIND_MONOTONIC)
        result.clock = clock_monotonic(request->clock)->name;
    session_fold(&session, fold, &result);
    if (request->peer)
        request->peer->lost_in_a_row = session.peer_lost ? request->peer->lost_in_a_row + 1 : 0;
    *outcome = result;
undo_traces:
    for (int i = 0; i < session.role_count; i++)
        shm_unmap(&session.roles[i].trace);
    return status;
}
