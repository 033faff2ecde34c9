/* session_events.c: the event loop of a launch: each process's control socket and
 * pidfd, a signalfd, and the guard where a daemon of its own is needed. See session_parts.h. */
#include "harness/run/session_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"

/* How long after one role's complaint about its peer the peer's death is waited for, so that the
 * cause is reported and not the consequence. */
#define SESSION_BLAME_NS 100000000u
/* From a role's closed socket to its being a process that can be reaped, on a loaded machine. */
#define SESSION_REAP_NS 500000000u

/* The producer's address, on to the consumer with its descriptors. */
static enum status session_relay_address(struct session *session, struct channel_message *message,
                                         struct err *err)
{
    enum status status = channel_send(session->roles[CONSUMER].process.control_fd, message->json,
                                      message->fds, message->fd_count, err);
    return status == ST_PEER_GONE ? ST_OK : status;
}

/* Where the producer is to listen, from the process that stands in for the consumer. */
static enum status session_relay_listen(struct session *session, const cJSON *json, struct err *err)
{
    enum status status =
        channel_send(session->roles[PRODUCER].process.control_fd, json, NULL, 0, err);
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
    session->peer_lost |= json_get_bool(json, "link", false);
    if (session->complained_ns == 0)
        session->complained_ns = clock_now_ns();
}

/* What only the process says that stands in for a consumer on another host. *known: it was that. */
static enum status session_handle_peer(struct session *session, const struct session_role *role,
                                       const cJSON *json, bool *known, struct err *err)
{
    const char *type = json_get_string(json, "type", "");
    *known = session->request->peer && role == &session->roles[CONSUMER] &&
             (strcmp(type, "listen") == 0 || strcmp(type, "peer") == 0);
    if (!*known)
        return ST_OK;
    return strcmp(type, "listen") == 0 ? session_relay_listen(session, json, err)
                                       : peer_clock_from_json(json, &session->clock, err);
}

/* One message from a role. */
static enum status session_handle(struct session *session, struct session_role *role,
                                  struct channel_message *message, struct err *err)
{
    const char *type = json_get_string(message->json, "type", "");
    bool known;
    enum status of_peer = session_handle_peer(session, role, message->json, &known, err);
    if (known)
        return of_peer;
    if (strcmp(type, "address") == 0 && role == &session->roles[PRODUCER])
        return session_relay_address(session, message, err);
    if (strcmp(type, "ready") == 0 && role->phase == SESSION_STARTED) {
        role->phase = SESSION_READY;
        if (session->request->peer)
            session->lead_ns += (uint64_t)json_get_number(message->json, "lead_ns", 0);
        return ST_OK;
    }
    if (strcmp(type, "error") == 0) {
        session_note_complaint(session, role, message->json);
        return ST_OK;
    }
    if (strcmp(type, "working") == 0 && role->phase == SESSION_READY && role->is_load) {
        role->phase = SESSION_WORKING;
        return ST_OK;
    }
    if (strcmp(type, "finished") == 0 && role->phase == SESSION_WORKING &&
        session->loads_due == SESSION_FINISHED) {
        enum status status = load_report_from_json(message->json, &role->load_report, err);
        role->phase = status == ST_OK ? SESSION_FINISHED : role->phase;
        return status;
    }
    if (strcmp(type, "finished") == 0 && role->phase == SESSION_READY && !role->is_load) {
        enum status status = role_report_from_json(message->json, &role->report, err);
        if (status == ST_OK && role->language == LANGUAGE_PYTHON)
            python_report_read(message->json, &role->report.python);
        role->phase = status == ST_OK ? SESSION_FINISHED : role->phase;
        return status;
    }
    return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                   "the %s sent \"%s\" where that has no place", role->label, type);
}

/* Reads one message until `deadline_ns`, or finds that the role is gone. A broken message counts as
 * a complaint. True when there may be more. */
static bool session_read(struct session *session, struct session_role *role, uint64_t deadline_ns)
{
    struct channel_message message = {0};
    struct err failure;
    enum status status = channel_receive(role->process.control_fd, deadline_ns, &message, &failure);
    if (status == ST_TIMEOUT)
        return false;
    if (status == ST_PEER_GONE) {
        role->ended = true;
        return false;
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
    return status == ST_OK;
}

static struct timespec session_left(uint64_t deadline_ns)
{
    const uint64_t now_ns = clock_now_ns();
    const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    return (struct timespec){.tv_sec = (time_t)(left_ns / 1000000000u),
                             .tv_nsec = (long)(left_ns % 1000000000u)};
}

/* Its socket alone does not tell the end: a process that the user's function forked has it, too. */
void session_hear_out(struct session *session, struct session_role *role, uint64_t deadline_ns)
{
    for (bool more = true; more;) {
        struct pollfd fds[] = {{.fd = role->process.control_fd, .events = POLLIN},
                               {.fd = role->process.pidfd, .events = POLLIN}};
        const struct timespec left = session_left(deadline_ns);
        const int ready = ppoll(fds, 2, &left, NULL);
        more = ready > 0 || (ready < 0 && errno == EINTR);
        if (ready > 0 && fds[0].revents) {
            more = session_read(session, role, 0);
        } else if (ready > 0) {
            role->ended = true;
            more = false;
        }
    }
}

/* Waits once for anything to happen, at most until `deadline_ns`. */
static void session_poll(struct session *session, uint64_t deadline_ns)
{
    struct pollfd fds[2 * SESSION_PROCESSES_MAX + 2];
    const nfds_t signals = 2 * (nfds_t)session->role_count;
    const struct timespec left = session_left(deadline_ns);
    for (int i = 0; i < session->role_count; i++) {
        const struct session_role *role = &session->roles[i];
        fds[2 * i] =
            (struct pollfd){.fd = role->ended ? -1 : role->process.control_fd, .events = POLLIN};
        fds[2 * i + 1] =
            (struct pollfd){.fd = role->ended ? -1 : role->process.pidfd, .events = POLLIN};
    }
    fds[signals] = (struct pollfd){.fd = session->request->signal_fd, .events = POLLIN};
    fds[signals + 1] = guard_daemon_pollfd(session->request->guard);
    if (ppoll(fds, signals + 2, &left, NULL) <= 0)
        return;
    if (fds[signals].revents)
        session->interrupted = true;
    if (fds[signals + 1].revents)
        session->guard_lost = true;
    for (int i = 0; i < session->role_count; i++) {
        /* Last words first: a role that failed says so before it ends. */
        if (fds[2 * i].revents)
            (void)session_read(session, &session->roles[i], 0);
        else if (fds[2 * i + 1].revents)
            session->roles[i].ended = true;
    }
}

/* True when nothing more is to be waited for: somebody ended or complained, and the other side has
 * had its time to show whether it was the cause. */
static bool session_broken(const struct session *session, uint64_t now_ns)
{
    for (int i = 0; i < session->role_count; i++)
        if (session->roles[i].ended && !session->roles[i].complained)
            return true;
    return session->peer_lost || session->guard_lost ||
           (session->complained_ns != 0 && now_ns > session->complained_ns + SESSION_BLAME_NS);
}

static bool session_reached(const struct session *session, bool loads, enum session_phase phase)
{
    for (int i = 0; i < session->role_count; i++)
        if (session->roles[i].is_load == loads && session->roles[i].phase < phase)
            return false;
    return true;
}

enum status session_await(struct session *session, bool loads, enum session_phase phase,
                          uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (session->interrupted)
            return ST_INTERRUPTED;
        if (session_broken(session, now_ns))
            return ST_ROLE_DIED;
        if (session->complained_ns == 0 && session_reached(session, loads, phase))
            return ST_OK;
        if (now_ns >= deadline_ns)
            return ST_TIMEOUT;
        uint64_t blame_ns = session->complained_ns + SESSION_BLAME_NS + 1;
        session_poll(session,
                     session->complained_ns && blame_ns < deadline_ns ? blame_ns : deadline_ns);
    }
}

void session_reap_ended(struct session *session)
{
    uint64_t until_ns = clock_now_ns() + SESSION_REAP_NS;
    for (int i = 0; i < session->role_count; i++)
        while (session->roles[i].ended && !process_has_ended(&session->roles[i].process) &&
               clock_now_ns() < until_ns)
            clock_sleep_until_ns(clock_now_ns() + 200000u);
}
