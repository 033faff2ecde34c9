/* session.c: see session.h. A small event loop over two control sockets, two pidfds and a
 * signalfd. */
#include "harness/run/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/base/shm.h"
#include "harness/measure/clock.h"
#include "harness/run/fault.h"
#include "harness/run/role.h"

/* Allocating and touching a ring of large frames takes seconds on a slow board. */
#define SESSION_SETUP_NS 60000000000u
/* From go to the first frame: time for both roles to wake up and wait. */
#define SESSION_START_NS 3000000u
/* What a launch may take beyond five times the expected. */
#define SESSION_SLACK_NS 10000000000u
/* Without any expectation (a pilot). */
#define SESSION_UNKNOWN_NS 60000000000u
/* How long after one role's complaint about its peer the peer's death is waited for, so that the
 * cause is reported and not the consequence. */
#define SESSION_BLAME_NS 100000000u
/* From a role's closed socket to its being a process that can be reaped, on a loaded machine. */
#define SESSION_REAP_NS 500000000u
/* Frames a broken transport may repeat before the consumer gives up. */
#define SESSION_REPEATS 64

enum session_phase { SESSION_STARTED, SESSION_READY, SESSION_FINISHED };

struct session_role {
    const char *name;
    struct process process;
    struct shm_map trace;
    enum session_phase phase;
    struct role_report report;
    bool ended;         /* the process is gone */
    bool complained;    /* it sent an error */
    struct err failure; /* what it sent */
};

enum { PRODUCER, CONSUMER, ROLES };

struct session {
    const struct session_request *request;
    struct session_role roles[ROLES];
    bool interrupted;
    uint64_t complained_ns; /* when the first complaint came, or 0 */
};

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

static enum status session_start_role(struct session *session, int index, struct err *err)
{
    const struct session_request *request = session->request;
    struct session_role *role = &session->roles[index];
    const uint32_t capacity = request->warmup + request->frames + SESSION_REPEATS;
    enum status status = shm_create("handoff-trace", trace_bytes(capacity), &role->trace, err);
    if (status != ST_OK)
        return status;
    trace_init(role->trace.bytes, capacity);
    status = process_start(role->name, PROCESS_DIES_WITH_US, &role->process, err);
    if (status != ST_OK)
        return status;
    status = guard_watch(request->guard, &role->process, err);
    if (status != ST_OK)
        return status;
    const struct role_setup setup = {
        .cell = *request->cell,
        .frames = request->frames,
        .warmup = request->warmup,
        .seed = request->seed,
        .cpu = index == PRODUCER ? request->cpus.producer : request->cpus.consumer,
    };
    return session_send(role, role_setup_to_json(&setup), &role->trace.fd, 1, err);
}

/* The producer's address, on to the consumer with its descriptors. */
static enum status session_relay_address(struct session *session, struct channel_message *message,
                                         struct err *err)
{
    enum status status = channel_send(session->roles[CONSUMER].process.control_fd, message->json,
                                      message->fds, message->fd_count, err);
    return status == ST_PEER_GONE ? ST_OK : status;
}

static void session_note_complaint(struct session *session, struct session_role *role,
                                   const cJSON *json)
{
    role->complained = true;
    role->failure.status = status_from_name(json_get_string(json, "status", ""));
    snprintf(role->failure.what, sizeof role->failure.what, "%s",
             json_get_string(json, "what", "failed without saying why"));
    snprintf(role->failure.hint, sizeof role->failure.hint, "%s",
             json_get_string(json, "hint", ""));
    if (session->complained_ns == 0)
        session->complained_ns = clock_now_ns();
}

/* One message from a role. */
static enum status session_handle(struct session *session, struct session_role *role,
                                  struct channel_message *message, struct err *err)
{
    const char *type = json_get_string(message->json, "type", "");
    if (strcmp(type, "address") == 0 && role == &session->roles[PRODUCER])
        return session_relay_address(session, message, err);
    if (strcmp(type, "ready") == 0 && role->phase == SESSION_STARTED) {
        role->phase = SESSION_READY;
        return ST_OK;
    }
    if (strcmp(type, "error") == 0) {
        session_note_complaint(session, role, message->json);
        return ST_OK;
    }
    if (strcmp(type, "finished") == 0 && role->phase == SESSION_READY) {
        enum status status = role_report_from_json(message->json, &role->report, err);
        role->phase = status == ST_OK ? SESSION_FINISHED : role->phase;
        return status;
    }
    return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                   "the %s sent \"%s\" where that has no place", role->name, type);
}

/* Reads one message, or finds that the role is gone. A broken message counts as a complaint. */
static void session_read(struct session *session, struct session_role *role)
{
    struct channel_message message = {0};
    struct err failure;
    enum status status = channel_receive(role->process.control_fd, 0, &message, &failure);
    if (status == ST_TIMEOUT)
        return;
    if (status == ST_PEER_GONE) {
        role->ended = true;
        return;
    }
    if (status == ST_OK)
        status = session_handle(session, role, &message, &failure);
    channel_message_clear(&message);
    /* The first one counts: a role that goes on and on must not put off the end. */
    if (status != ST_OK && !role->complained) {
        role->complained = true;
        role->failure = failure;
        if (session->complained_ns == 0)
            session->complained_ns = clock_now_ns();
    }
}

/* Waits once for anything to happen, at most until `deadline_ns`. */
static void session_poll(struct session *session, uint64_t deadline_ns)
{
    struct pollfd fds[2 * ROLES + 1];
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                            .tv_nsec = (long)(left_ns % 1000000000u)};
    for (int i = 0; i < ROLES; i++) {
        const struct session_role *role = &session->roles[i];
        fds[2 * i] =
            (struct pollfd){.fd = role->ended ? -1 : role->process.control_fd, .events = POLLIN};
        fds[2 * i + 1] =
            (struct pollfd){.fd = role->ended ? -1 : role->process.pidfd, .events = POLLIN};
    }
    fds[2 * ROLES] = (struct pollfd){.fd = session->request->signal_fd, .events = POLLIN};
    if (ppoll(fds, 2 * ROLES + 1, &left, NULL) <= 0)
        return;
    if (fds[2 * ROLES].revents)
        session->interrupted = true;
    for (int i = 0; i < ROLES; i++) {
        /* Last words first: a role that failed says so before it ends. */
        if (fds[2 * i].revents)
            session_read(session, &session->roles[i]);
        else if (fds[2 * i + 1].revents)
            session->roles[i].ended = true;
    }
}

/* True when nothing more is to be waited for: somebody ended or complained, and the other side has
 * had its time to show whether it was the cause. */
static bool session_broken(const struct session *session, uint64_t now_ns)
{
    for (int i = 0; i < ROLES; i++)
        if (session->roles[i].ended && !session->roles[i].complained)
            return true;
    return session->complained_ns != 0 && now_ns > session->complained_ns + SESSION_BLAME_NS;
}

/* Runs the event loop until both roles have reached `phase`. ST_ROLE_DIED: one of them cannot any
 * more; ST_TIMEOUT; ST_INTERRUPTED. */
static enum status session_await(struct session *session, enum session_phase phase,
                                 uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (session->interrupted)
            return ST_INTERRUPTED;
        if (session_broken(session, now_ns))
            return ST_ROLE_DIED;
        if (session->complained_ns == 0 && session->roles[PRODUCER].phase >= phase &&
            session->roles[CONSUMER].phase >= phase)
            return ST_OK;
        if (now_ns >= deadline_ns)
            return ST_TIMEOUT;
        uint64_t blame_ns = session->complained_ns + SESSION_BLAME_NS + 1;
        session_poll(session,
                     session->complained_ns && blame_ns < deadline_ns ? blame_ns : deadline_ns);
    }
}

static enum status session_go(struct session *session, uint64_t *deadline_ns, struct err *err)
{
    const struct session_request *request = session->request;
    uint64_t start_ns = clock_now_ns() + SESSION_START_NS;
    *deadline_ns = start_ns + (request->expected_ns
                                   ? 5 * request->expected_ns + FAULT_SLACK_NS(SESSION_SLACK_NS)
                                   : SESSION_UNKNOWN_NS);
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

/* Ends both processes, in order when they finished and at once when they did not. */
static void session_end_roles(struct session *session, bool orderly)
{
    struct err ignored;
    for (int i = 0; i < ROLES && orderly; i++) {
        cJSON *json = cJSON_CreateObject();
        json_add_string(json, "type", "exit");
        (void)session_send(&session->roles[i], json, NULL, 0, &ignored);
    }
    for (int i = 0; i < ROLES; i++)
        process_end(&session->roles[i].process, orderly ? PROCESS_GRACE_NS : 0);
    (void)guard_forget(session->request->guard, &ignored);
}

/* Who failed first: a death that nobody announced, then a complaint that is not about the peer. */
static const struct session_role *session_culprit(const struct session *session)
{
    const struct session_role *culprit = NULL;
    for (int i = 0; i < ROLES; i++)
        if (session->roles[i].ended && !session->roles[i].complained)
            return &session->roles[i];
    for (int i = 0; i < ROLES; i++) {
        const struct session_role *role = &session->roles[i];
        if (role->complained && (!culprit || culprit->failure.status == ST_PEER_GONE))
            culprit = role;
    }
    return culprit;
}

/* Lets a role that just died be reaped, so that the reason says how, not that we killed it. */
static void session_reap_ended(struct session *session)
{
    uint64_t until_ns = clock_now_ns() + SESSION_REAP_NS;
    for (int i = 0; i < ROLES; i++)
        while (session->roles[i].ended && !process_has_ended(&session->roles[i].process) &&
               clock_now_ns() < until_ns)
            clock_sleep_until_ns(clock_now_ns() + 200000u);
}

static uint32_t session_trace_count(const struct session_role *role)
{
    const struct trace *trace = role->trace.bytes;
    return trace ? atomic_load_explicit(&trace->count, memory_order_acquire) : 0;
}

/* Makes the outcome a failure with what an error says. */
static void session_fail(struct launch_outcome *outcome, const struct err *failure,
                         enum status status)
{
    outcome->status = status;
    snprintf(outcome->reason, sizeof outcome->reason, "%.*s", (int)sizeof outcome->reason - 1,
             failure->what);
    snprintf(outcome->hint, sizeof outcome->hint, "%s", failure->hint);
}

/* Puts the reason of a failed launch into the outcome. */
static void session_explain(struct session *session, enum status status,
                            struct launch_outcome *outcome)
{
    char end[96];
    const struct session_role *culprit = session_culprit(session);
    outcome->status = status;
    if (status == ST_TIMEOUT) {
        snprintf(outcome->reason, sizeof outcome->reason,
                 "no end in sight at the deadline: %u of %u frames sent, %u received",
                 session_trace_count(&session->roles[PRODUCER]),
                 session->request->warmup + session->request->frames,
                 session_trace_count(&session->roles[CONSUMER]));
        snprintf(outcome->hint, sizeof outcome->hint, "lower the rate or the frame size");
    } else if (culprit && culprit->complained) {
        session_fail(outcome, &culprit->failure, culprit->failure.status);
    } else if (culprit) {
        snprintf(outcome->reason, sizeof outcome->reason, "the %s %s after %u of its %u frames",
                 culprit->name, process_end_format(&culprit->process, end, sizeof end),
                 session_trace_count(culprit), session->request->warmup + session->request->frames);
        snprintf(outcome->hint, sizeof outcome->hint,
                 "the kernel's log (dmesg) tells of crashes and of memory running out");
    }
}

/* A role that crashes while it cleans up, or does not get to an end, has something wrong with it,
 * so the launch failed however good its figures look. */
static void session_check_ends(const struct session *session, struct launch_outcome *outcome)
{
    char end[96];
    for (int i = 0; i < ROLES && outcome->status == ST_OK; i++) {
        const struct session_role *role = &session->roles[i];
        if (role->process.wait_status == 0)
            continue;
        outcome->status = ST_ROLE_DIED;
        snprintf(outcome->reason, sizeof outcome->reason, "the %s %s after its last frame",
                 role->name, process_end_format(&role->process, end, sizeof end));
        snprintf(outcome->hint, sizeof outcome->hint,
                 "it had %u s to clean up; what it said is on standard error",
                 (unsigned)(PROCESS_GRACE_NS / 1000000000u));
    }
}

/* Joins what the roles report with what the runner knows. */
static void session_fill_outcome(const struct session *session, struct launch_outcome *outcome)
{
    const struct session_request *request = session->request;
    const struct role_report *sent = &session->roles[PRODUCER].report;
    const struct role_report *received = &session->roles[CONSUMER].report;
    const double payload_bytes = (double)cell_payload_bytes(request->cell);
    outcome->producer = sent->usage;
    outcome->consumer = received->usage;
    /* Each side by its own frames: with policy latest the consumer takes fewer. */
    if (payload_bytes > 0 && sent->frames > 0 && received->frames > 0)
        outcome->copies_per_frame =
            (double)(sent->counters.copied_bytes + sent->filled_bytes) /
                (payload_bytes * (double)sent->frames) +
            (double)(received->counters.copied_bytes + received->filled_bytes) /
                (payload_bytes * (double)received->frames);
}

static enum status session_fold(const struct session *session, bool partial, struct fold *fold,
                                struct launch_outcome *outcome, struct err *err)
{
    const struct session_request *request = session->request;
    const struct cell *cell = request->cell;
    const struct shm_map *producer = &session->roles[PRODUCER].trace;
    const struct shm_map *consumer = &session->roles[CONSUMER].trace;
    const struct fold_config config = {
        .warmup = request->warmup,
        .frames = request->frames,
        .partial = partial,
        .latest = cell->policy == POLICY_LATEST,
        .rate = cell_has_schedule(cell),
        .commit_moves_bytes = (cell->transport->flags & TRANSPORT_MOVES_BYTES) != 0,
        .fills_in_place = cell->fill == FILL_IN_PLACE,
        .zero_copy = cell->access->enqueue == NULL,
        .deadline_ns = outcome->deadline_ns,
        .tolerance_ns = request->tolerance_ns,
    };
    enum status status = fold_traces(&config, producer->bytes, producer->size_bytes,
                                     consumer->bytes, consumer->size_bytes, fold, err);
    if (status != ST_OK || partial)
        return status;
    status = fold_integrity_verdict(&fold->integrity, err);
    uint64_t skipped = session->roles[PRODUCER].report.counters.skipped_frames;
    if (status == ST_OK && config.latest && skipped != fold->integrity.skipped)
        status = err_set(err, ST_CORRUPT, "this is a defect of the transport",
                         "%llu frames never arrived, but the transport replaced %llu",
                         (unsigned long long)fold->integrity.skipped, (unsigned long long)skipped);
    return status;
}

/* From the first exec to the last frame. */
static enum status session_measure(struct session *session, struct launch_outcome *outcome,
                                   struct err *err)
{
    struct usage_system begin, end;
    struct err no_usage;
    uint64_t deadline_ns = 0;
    enum status status = ST_OK;
    for (int i = 0; i < ROLES && status == ST_OK; i++)
        status = session_start_role(session, i, err);
    if (status == ST_NO_MEMORY || status == ST_SYSTEM) {
        /* This launch needs more than there is; the next, of a smaller cell, may not. */
        session_fail(outcome, err, status);
        return ST_OK;
    }
    if (status != ST_OK)
        return status;
    status = session_await(session, SESSION_READY, clock_now_ns() + SESSION_SETUP_NS);
    if (status == ST_OK) {
        bool counted = usage_system_read(&begin, &no_usage) == ST_OK;
        status = session_go(session, &deadline_ns, err);
        if (status != ST_OK)
            return status;
        /* The roles give up at their deadline and say what they waited for; we a little later. */
        status = session_await(session, SESSION_FINISHED, deadline_ns + SESSION_SLACK_NS / 10);
        if (counted && usage_system_read(&end, &no_usage) == ST_OK)
            outcome->system = usage_system_difference(&begin, &end);
    }
    if (status == ST_INTERRUPTED)
        return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
    if (status != ST_OK) {
        session_reap_ended(session);
        session_explain(session, status, outcome);
    }
    return ST_OK;
}

enum status session_run(const struct session_request *request, struct fold *fold,
                        struct launch_outcome *outcome, struct err *err)
{
    struct session session = {
        .request = request,
        .roles = {{.name = "producer", .process = PROCESS_NONE, .trace = SHM_MAP_NONE},
                  {.name = "consumer", .process = PROCESS_NONE, .trace = SHM_MAP_NONE}},
    };
    struct launch_outcome result = {
        .launch = request->launch,
        .order = request->order,
        .status = ST_OK,
        .frames = request->frames,
        .warmup = request->warmup,
        .deadline_ns =
            cell_has_schedule(request->cell) ? (uint64_t)(1e9 / request->cell->rate_hz) : 0,
        .producer_cpu = request->cpus.producer,
        .consumer_cpu = request->cpus.consumer,
    };
    result_utc_now(result.started_utc);
    enum status status = session_measure(&session, &result, err);
    const bool orderly = status == ST_OK && result.status == ST_OK;
    session_end_roles(&session, orderly);
    if (status != ST_OK)
        goto undo_traces;
    if (orderly)
        session_check_ends(&session, &result);
    session_fill_outcome(&session, &result);
    if (session.roles[PRODUCER].trace.bytes && session.roles[CONSUMER].trace.bytes) {
        struct err failure;
        status = session_fold(&session, result.status != ST_OK, fold, &result, &failure);
        if (result.status == ST_OK && status != ST_OK)
            session_fail(&result, &failure, status);
        result.fold = fold;
        status = ST_OK;
    }
    *outcome = result;
undo_traces:
    for (int i = 0; i < ROLES; i++)
        shm_unmap(&session.roles[i].trace);
    return status;
}
