/* peer_server.c: role `serving`: the serving host's side of one connection that has proved the key.
 * Started by serve.c with the connection's socket; see peer.h.
 *
 * It tells what this machine is, or has one launch: starts the consumer, relays what it and the
 * client say to each other, sends its trace, and ends it whatever happens. Nothing of it outlives
 * the connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/env.h"
#include "harness/measure/clock.h"
#include "harness/run/build_info.h"
#include "harness/run/guard.h"
#include "harness/run/peer.h"
#include "harness/run/peer_server.h"
#include "harness/run/peer_trace.h"
#include "harness/run/process.h"
#include "harness/run/role.h"

struct peer_server {
    int control_fd; /* to serve.c, which closes it to end us */
    struct peer_link link;
    enum peer_purpose purpose;
    struct guard guard;
    struct process consumer;
    struct shm_map trace;
    bool leaving;      /* the consumer was told to exit */
    uint64_t leave_ns; /* by when it has to have ended */
};

/* ---- what serve.c sends ---------------------------------------------------------------------- */

cJSON *peer_server_setup_json(const struct peer_session *session, enum peer_purpose purpose,
                              const char *from, uint64_t timeout_ns)
{
    char keys[2 * sizeof *session + 1];
    cJSON *json = cJSON_CreateObject();
    peer_hex_write((const uint8_t *)session, sizeof *session, keys);
    bool ok = json_add_string(json, "type", "setup") && json_add_string(json, "from", from) &&
              json_add_string(json, "keys", keys) && json_add_u64(json, "purpose", purpose) &&
              json_add_u64_text(json, "timeout_ns", timeout_ns);
    mac_forget(keys, sizeof keys);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

static enum status peer_server_open(struct peer_server *server, struct err *err)
{
    struct channel_message message = {0};
    struct peer_session session;
    const struct role role = {.control_fd = server->control_fd};
    uint64_t timeout_ns;
    int64_t purpose;
    enum status status = role_receive(&role, "setup", &message, err);
    if (status != ST_OK)
        return status;
    if (!peer_hex_read(json_get_string(message.json, "keys", ""), (uint8_t *)&session,
                       sizeof session) ||
        !json_whole(json_get(message.json, "purpose"), PEER_DESCRIBE, PEER_LAUNCH, &purpose) ||
        !json_get_u64_text(message.json, "timeout_ns", &timeout_ns) || message.fd_count != 1) {
        status = err_set(err, ST_CORRUPT, "this is a bug", "control message: no connection");
    } else {
        server->purpose = (enum peer_purpose)purpose;
        status =
            peer_link_open(&server->link, message.fds[0], true,
                           json_get_string(message.json, "from", "?"), &session, timeout_ns, err);
        message.fds[0] = -1;
    }
    mac_forget(&session, sizeof session);
    channel_message_clear(&message);
    return status;
}

/* ---- what this machine is -------------------------------------------------------------------- */

static enum status peer_server_describe(struct peer_server *server, struct err *err)
{
    const struct build_info info = build_info();
    struct peer_message message = {0};
    cJSON *environment = NULL;
    enum status status = env_collect("", &environment, err);
    if (status != ST_OK)
        return status;
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "description");
    json_add_string(json, "version", info.version);
    json_add_string(json, "commit", info.commit);
    json_add(json, "environment", environment);
    status = peer_link_send_json(&server->link, json, err);
    /* It hangs up when it has read it. */
    if (status == ST_OK)
        (void)peer_link_receive(&server->link, clock_monotonic_ns() + server->link.timeout_ns,
                                &message, err);
    peer_message_clear(&message);
    return status;
}

/* ---- starting the consumer ------------------------------------------------------------------- */

/* The client is one who knows the key, but its cell may not be one for here. */
static enum status peer_server_check(const struct cell *cell, struct err *err)
{
    if (!(cell->transport->flags & TRANSPORT_CROSSES_HOSTS) || cell_uses_gpu(cell) ||
        cell->load != LOAD_NONE)
        return err_set(err, ST_NOT_APPLICABLE, NULL,
                       "this cell cannot be measured across two hosts");
    return cell->transport->probe(err);
}

/* The consumer's CPU here, by this machine's topology. */
static enum status peer_server_place(const char *placement, struct role_setup *setup,
                                     struct err *err)
{
    struct placement_cpus cpus;
    struct topology *topology = calloc(1, sizeof *topology);
    setup->cell.placement = strcmp(placement, "none") == 0 ? PLACEMENT_NONE : PLACEMENT_AUTO;
    if (!topology)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    enum status status = topology_read(topology, err);
    if (status == ST_OK)
        status = placement_pick(topology, &setup->cell, &cpus, err);
    if (status == ST_OK)
        setup->cpu = cpus.consumer;
    free(topology);
    return status;
}

static enum status peer_server_start(struct peer_server *server, const struct role_setup *setup,
                                     struct err *err)
{
    const uint32_t capacity = role_trace_capacity(setup);
    enum status status = shm_create("handoff-trace", trace_bytes(capacity), &server->trace, err);
    if (status != ST_OK)
        return status;
    trace_init(server->trace.bytes, capacity);
    status = guard_start(&server->guard, err);
    if (status == ST_OK)
        status = process_start("consumer", PROCESS_DIES_WITH_US, &server->consumer, err);
    if (status == ST_OK)
        status = guard_watch(&server->guard, &server->consumer, err);
    cJSON *json = status == ST_OK ? role_setup_to_json(setup) : NULL;
    if (json)
        status = channel_send(server->consumer.control_fd, json, &server->trace.fd, 1, err);
    else if (status == ST_OK)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    cJSON_Delete(json);
    return status;
}

static enum status peer_server_launch(struct peer_server *server, struct err *err)
{
    cJSON *launch = NULL;
    struct role_setup setup;
    enum status status = peer_link_receive_json(
        &server->link, "launch", clock_monotonic_ns() + server->link.timeout_ns, &launch, err);
    if (status != ST_OK)
        return status;
    status = role_setup_from_json(json_get(launch, "setup"), &setup, err);
    if (status == ST_OK)
        status = peer_server_check(&setup.cell, err);
    if (status == ST_OK)
        status = peer_server_place(json_get_string(launch, "placement", ""), &setup, err);
    if (status == ST_OK) {
        setup.clock = (struct clock_conversion){.kind = CLOCK_KIND_MONOTONIC};
        setup.listens = false;
        status = peer_server_start(server, &setup, err);
    }
    cJSON_Delete(launch);
    return status;
}

/* ---- while it goes on ------------------------------------------------------------------------ */

/* To the consumer; one that is gone is found by its socket. Takes the object over. */
static enum status peer_server_tell(struct peer_server *server, const cJSON *json, struct err *err)
{
    enum status status = channel_send(server->consumer.control_fd, json, NULL, 0, err);
    return status == ST_PEER_GONE ? ST_OK : status;
}

static enum status peer_server_hear_client(struct peer_server *server, struct err *err)
{
    for (;;) {
        struct peer_message message = {0};
        enum status status = peer_link_receive(&server->link, 0, &message, err);
        if (status == ST_TIMEOUT)
            return ST_OK;
        if (status != ST_OK)
            return status;
        const char *type = json_get_string(message.json, "type", "");
        if (strcmp(type, "address") == 0 || strcmp(type, "go") == 0 || strcmp(type, "exit") == 0)
            status = peer_server_tell(server, message.json, err);
        else if (strcmp(type, "collect") == 0)
            status = peer_trace_send(&server->link, server->trace.bytes, err);
        else
            status = err_set(err, ST_CORRUPT, "run the same version of handoff on both hosts",
                             "%s sent \"%s\" where that has no place", server->link.name, type);
        if (strcmp(type, "exit") == 0) {
            server->leaving = true;
            server->leave_ns = clock_monotonic_ns() + PROCESS_GRACE_NS;
        }
        peer_message_clear(&message);
        if (status != ST_OK)
            return status;
    }
}

/* What the consumer stamped, and then why it cannot go on. */
static enum status peer_server_give_up(struct peer_server *server, cJSON *error, struct err *err)
{
    enum status status = peer_trace_send(&server->link, server->trace.bytes, err);
    if (status == ST_OK)
        return peer_link_send_json(&server->link, error, err);
    cJSON_Delete(error);
    return status;
}

/* The consumer has ended. *over: there is nothing more to do. */
static enum status peer_server_ended(struct peer_server *server, bool *over, struct err *err)
{
    char end[96];
    struct err failure;
    *over = true;
    const bool overdue = server->leaving && clock_monotonic_ns() > server->leave_ns;
    process_end(&server->consumer, overdue ? 0 : PROCESS_GRACE_NS);
    if (server->leaving && server->consumer.wait_status == 0) {
        cJSON *json = cJSON_CreateObject();
        json_add_string(json, "type", "ended");
        return peer_link_send_json(&server->link, json, err);
    }
    err_set(&failure, ST_ROLE_DIED, "the kernel's log (dmesg) there tells of crashes and of memory",
            "the consumer %s", process_end_format(&server->consumer, end, sizeof end));
    return server->leaving ? peer_link_send_json(&server->link, peer_error_json(&failure), err)
                           : peer_server_give_up(server, peer_error_json(&failure), err);
}

/* One message of the consumer. */
static enum status peer_server_hear_consumer(struct peer_server *server, bool *over,
                                             struct err *err)
{
    struct channel_message message = {0};
    enum status status = channel_receive(server->consumer.control_fd, 0, &message, err);
    if (status == ST_PEER_GONE)
        return peer_server_ended(server, over, err);
    if (status != ST_OK)
        return status;
    const bool failed = strcmp(json_get_string(message.json, "type", ""), "error") == 0;
    status = failed && !server->leaving ? peer_server_give_up(server, message.json, err)
                                        : peer_link_send_json(&server->link, message.json, err);
    message.json = NULL;
    *over = failed;
    channel_message_clear(&message);
    return status;
}

/* Until the launch is over, one side is gone, or serve.c wants us to end. */
static enum status peer_server_relay(struct peer_server *server, struct err *err)
{
    enum status status = ST_OK;
    for (bool over = false; !over && status == ST_OK;) {
        uint64_t next_ns = 0;
        status = peer_link_tend(&server->link, &next_ns, err);
        if (status != ST_OK)
            return status;
        const uint64_t now_ns = clock_monotonic_ns();
        if (server->leaving && now_ns > server->leave_ns)
            return peer_server_ended(server, &over, err);
        struct pollfd fds[] = {{.fd = server->control_fd, .events = POLLIN},
                               {.fd = server->link.fd, .events = POLLIN},
                               {.fd = server->consumer.control_fd, .events = POLLIN}};
        const int wait_ms = next_ns > now_ns ? (int)((next_ns - now_ns) / 1000000u) + 1 : 0;
        if (poll(fds, 3, wait_ms) < 0 && errno != EINTR)
            return err_set_errno(err, errno, NULL, "cannot wait for two sides");
        if (fds[0].revents)
            return err_set(err, ST_INTERRUPTED, "start it again there",
                           "`handoff serve` was ended");
        if (fds[2].revents)
            status = peer_server_hear_consumer(server, &over, err);
        if (fds[1].revents && status == ST_OK && !over)
            status = peer_server_hear_client(server, err);
    }
    return status;
}

enum status peer_server_main(int control_fd, struct err *err)
{
    struct err ignored;
    struct peer_server server = {.control_fd = control_fd,
                                 .link = {.fd = -1},
                                 .consumer = PROCESS_NONE,
                                 .trace = SHM_MAP_NONE};
    enum status status = peer_server_open(&server, err);
    if (status == ST_OK && server.purpose == PEER_DESCRIBE)
        status = peer_server_describe(&server, err);
    else if (status == ST_OK)
        status = peer_server_launch(&server, err);
    if (status == ST_OK && server.purpose == PEER_LAUNCH)
        status = peer_server_relay(&server, err);
    /* The client is told what it cannot know: not that it is gone. */
    if (status != ST_OK && status != ST_PEER_GONE && server.link.fd >= 0)
        (void)peer_link_send_json(&server.link, peer_error_json(err), &ignored);
    if (status != ST_OK)
        fprintf(stderr, "%s: %s%s\n", server.link.name, err->what,
                server.consumer.pid > 0 ? "; its consumer was ended" : "");
    process_end(&server.consumer, 0);
    guard_stop(&server.guard);
    shm_unmap(&server.trace);
    peer_link_close(&server.link);
    close(control_fd);
    return status;
}
