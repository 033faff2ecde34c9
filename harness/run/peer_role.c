/* peer_role.c: role `peer`: stands in for the consumer of a launch, which runs on another host. See
 * peer.h.
 *
 * It connects, relays what the session and the consumer say to each other with times changed from
 * one clock to the other, and at the end brings the consumer's trace home. It is not on the path of
 * the frames, and sleeps while they move.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/peer.h"
#include "harness/run/peer_trace.h"
#include "harness/run/process.h"
#include "harness/run/role.h"

/* What "go" needs beyond a way to the other host, as the sender of the first frame should find the
 * consumer waiting: twice the usual round trip. */
#define PEER_LEAD_TRIPS 2

struct peer_role {
    struct role role;
    struct peer_options options;
    struct peer_link link;
    struct peer_clock clock;
    uint32_t questions; /* for the time, so far */
    bool trace_came;
    bool told; /* the session knows the clocks */
    bool link_failed;
};

/* A failure of the connection, not of the consumer behind it: the session counts those. */
static enum status peer_role_lost(struct peer_role *peer, enum status status)
{
    peer->link_failed |= status != ST_OK;
    return status;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static enum status peer_role_map_trace(struct peer_role *peer, struct channel_message *message,
                                       struct err *err)
{
    if (message->fd_count != 1)
        return err_set(err, ST_CORRUPT, NULL, "the setup came with %u descriptors instead of one",
                       message->fd_count);
    const int fd = message->fds[0];
    message->fds[0] = -1;
    enum status status = shm_attach(fd, trace_bytes(role_setup_total(&peer->role.setup)),
                                    &peer->role.trace_map, err);
    if (status != ST_OK)
        return status;
    peer->role.trace = peer->role.trace_map.bytes;
    return trace_check(peer->role.trace, peer->role.trace_map.size_bytes, err);
}

/* What the consumer there gets is what the session sent, less where it is and with its placement.
 * Written anew: of numbers that were read, cJSON prints 15 digits. */
static cJSON *peer_role_launch_json(const struct role_setup *setup, const char *placement)
{
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "launch") && json_add_string(json, "placement", placement) &&
        json_add(json, "setup", role_setup_to_json(setup)))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* Where the producer's side listens, and for whom. */
static enum status peer_role_tell_listen(struct peer_role *peer, struct err *err)
{
    struct transport_listen listen = {.host = ""};
    enum status status = peer_link_own_host(&peer->link, listen.host, sizeof listen.host, err);
    if (status != ST_OK)
        return status;
    _Static_assert(sizeof listen.token == sizeof peer->link.session.token, "one is the other");
    memcpy(listen.token, peer->link.session.token, sizeof listen.token);
    return role_send(&peer->role, role_listen_to_json(&listen), err);
}

static enum status peer_role_open(struct peer_role *peer, struct err *err)
{
    struct channel_message message = {0};
    cJSON *launch = NULL;
    enum status status = role_receive(&peer->role, "setup", &message, err);
    if (status != ST_OK)
        return status;
    status = role_setup_from_json(message.json, &peer->role.setup, err);
    if (status == ST_OK)
        status = peer_options_from_json(json_get(message.json, "peer"), &peer->options, err);
    if (status == ST_OK)
        status = peer_role_map_trace(peer, &message, err);
    if (status == ST_OK)
        launch =
            peer_role_launch_json(&peer->role.setup, json_get_string(json_get(message.json, "peer"),
                                                                     "placement", "auto"));
    channel_message_clear(&message);
    if (status == ST_OK)
        status = peer_role_lost(peer, peer_connect(&peer->options, PEER_LAUNCH, &peer->link, err));
    mac_forget(&peer->options.key, sizeof peer->options.key);
    if (status == ST_OK)
        status = peer_role_tell_listen(peer, err);
    if (status == ST_OK) {
        status = peer_role_lost(peer, peer_link_send_json(&peer->link, launch, err));
        launch = NULL;
    }
    cJSON_Delete(launch);
    return status;
}

/* ---- the clocks ------------------------------------------------------------------------------ */

/* One question; other messages have no place while it is under way. */
static enum status peer_role_ask(struct peer_role *peer, struct peer_clock_exchange *exchange,
                                 struct err *err)
{
    struct peer_message pong = {0};
    uint8_t ping[8];
    peer_put_u64(ping, ++peer->questions);
    exchange->sent_ns = clock_monotonic_ns();
    enum status status = peer_link_send(&peer->link, PEER_KIND_PING, ping, sizeof ping, err);
    if (status == ST_OK)
        status = peer_link_receive(&peer->link, exchange->sent_ns + 4 * peer->link.timeout_ns,
                                   &pong, err);
    if (status != ST_OK)
        return peer_role_lost(peer, status);
    if (pong.kind == PEER_KIND_JSON)
        status = err_set(err, status_from_name(json_get_string(pong.json, "status", "")),
                         json_get_string(pong.json, "hint", ""), "on %s: %s", peer->link.name,
                         json_get_string(pong.json, "what", "an unexpected message"));
    else if (pong.kind != PEER_KIND_PONG || pong.size_bytes != 24 ||
             peer_get_u64(pong.bytes) != peer->questions)
        status =
            err_set(err, ST_CORRUPT, NULL, "%s did not tell the time when asked", peer->link.name);
    if (status == ST_OK) {
        exchange->received_ns = pong.came_ns;
        exchange->seen_ns = peer_get_u64(pong.bytes + 8);
        exchange->answered_ns = peer_get_u64(pong.bytes + 16);
    }
    peer_message_clear(&pong);
    return status;
}

static enum status peer_role_compare_clocks(struct peer_role *peer,
                                            struct peer_clock_reading *reading, struct err *err)
{
    struct peer_clock_exchange exchanges[PEER_CLOCK_EXCHANGES_MAX];
    const uint64_t until_ns = clock_monotonic_ns() + PEER_CLOCK_EXCHANGES_NS;
    size_t count = 0;
    while (count < PEER_CLOCK_EXCHANGES_MAX &&
           (count < PEER_CLOCK_EXCHANGES_MIN || clock_monotonic_ns() < until_ns)) {
        enum status status = peer_role_ask(peer, &exchanges[count++], err);
        if (status != ST_OK)
            return status;
    }
    if (!peer_clock_read(exchanges, count, reading))
        return err_set(err, ST_CORRUPT, NULL, "the times that %s tells cannot be", peer->link.name);
    return ST_OK;
}

/* What is known of the clocks, once. */
static enum status peer_role_tell_clock(struct peer_role *peer, struct err *err)
{
    if (peer->told || peer->clock.before.count == 0)
        return ST_OK;
    peer->told = true;
    return role_send(&peer->role, peer_clock_to_json(&peer->clock), err);
}

/* ---- while it goes on ------------------------------------------------------------------------ */

static enum status peer_role_go(struct peer_role *peer, const cJSON *go, struct err *err)
{
    uint64_t start_ns = 0, deadline_ns = 0;
    cJSON *json = cJSON_CreateObject();
    if (!json_get_u64_text(go, "start_ns", &start_ns) ||
        !json_get_u64_text(go, "deadline_ns", &deadline_ns)) {
        cJSON_Delete(json);
        return err_set(err, ST_CORRUPT, NULL, "control message: go without its times");
    }
    json_add_string(json, "type", "go");
    json_add_u64_text(json, "start_ns", peer_clock_to_theirs_ns(&peer->clock, start_ns));
    json_add_u64_text(json, "deadline_ns", peer_clock_to_theirs_ns(&peer->clock, deadline_ns));
    return peer_role_lost(peer, peer_link_send_json(&peer->link, json, err));
}

/* From the session. *leaves: it said exit. */
static enum status peer_role_hear_session(struct peer_role *peer, bool *leaves, struct err *err)
{
    struct channel_message message = {0};
    enum status status = channel_receive(peer->role.control_fd, 0, &message, err);
    if (status != ST_OK)
        return status;
    const char *type = json_get_string(message.json, "type", "");
    if (strcmp(type, "exit") == 0) {
        *leaves = true;
    } else if (strcmp(type, "go") == 0) {
        status = peer_role_go(peer, message.json, err);
    } else if (strcmp(type, "address") == 0 && message.fd_count == 0) {
        status = peer_role_lost(peer, peer_link_send_json(&peer->link, message.json, err));
        message.json = NULL;
    } else {
        status =
            err_set(err, ST_CORRUPT, "this is a defect of the transport, or of the runner",
                    "\"%s\" with %u descriptors cannot go to another host", type, message.fd_count);
    }
    channel_message_clear(&message);
    return status;
}

static enum status peer_role_ready(struct peer_role *peer, struct err *err)
{
    enum status status = peer_role_compare_clocks(peer, &peer->clock.before, err);
    if (status != ST_OK)
        return status;
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "ready");
    json_add_u64(json, "lead_ns", PEER_LEAD_TRIPS * peer->clock.before.trip_median_ns);
    return role_send(&peer->role, json, err);
}

/* The consumer failed: what it had done came before, and the session gets the reason as ours. */
static enum status peer_role_failed(struct peer_role *peer, const cJSON *json, struct err *err)
{
    return err_set(err, status_from_name(json_get_string(json, "status", "")),
                   json_get_string(json, "hint", ""), "on %s: %s", peer->link.name,
                   json_get_string(json, "what", "failed without saying why"));
}

/* One message of the serving host. */
static enum status peer_role_handle(struct peer_role *peer, struct peer_message *message,
                                    struct err *err)
{
    const char *type = json_get_string(message->json, "type", "");
    if (message->kind == PEER_KIND_JSON && strcmp(type, "ready") == 0 &&
        peer->clock.before.count == 0)
        return peer_role_ready(peer, err);
    if (message->kind == PEER_KIND_JSON && strcmp(type, "error") == 0)
        return peer_role_failed(peer, message->json, err);
    if (message->kind == PEER_KIND_JSON && strcmp(type, "finished") == 0) {
        enum status status = role_send(&peer->role, message->json, err);
        message->json = NULL;
        return status;
    }
    if (message->kind == PEER_KIND_JSON && strcmp(type, "trace") == 0 && !peer->trace_came) {
        peer->trace_came = true;
        return peer_role_lost(
            peer, peer_trace_receive(&peer->link, message->json, peer->role.trace, err));
    }
    return err_set(err, ST_CORRUPT, "run the same version of handoff on both hosts",
                   "%s sent \"%s\" where that has no place", peer->link.name, type);
}

/* What came from the serving host, until there is nothing more. */
static enum status peer_role_hear_peer(struct peer_role *peer, struct err *err)
{
    for (;;) {
        struct peer_message message = {0};
        enum status status = peer_link_receive(&peer->link, 0, &message, err);
        if (status == ST_TIMEOUT)
            return ST_OK;
        if (status != ST_OK)
            return peer_role_lost(peer, status);
        status = peer_role_handle(peer, &message, err);
        peer_message_clear(&message);
        if (status != ST_OK)
            return status;
    }
}

/* Until the session says exit. ST_PEER_GONE without link_failed: the session is gone. */
static enum status peer_role_relay(struct peer_role *peer, struct err *err)
{
    bool leaves = false;
    while (!leaves) {
        uint64_t next_ns = 0;
        enum status status = peer_link_tend(&peer->link, &next_ns, err);
        if (status != ST_OK)
            return peer_role_lost(peer, status);
        const uint64_t now_ns = clock_monotonic_ns();
        struct pollfd fds[] = {{.fd = peer->role.control_fd, .events = POLLIN},
                               {.fd = peer->link.fd, .events = POLLIN}};
        const int wait_ms = next_ns > now_ns ? (int)((next_ns - now_ns) / 1000000u) + 1 : 0;
        if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
            return err_set_errno(err, errno, NULL, "cannot wait for two sides");
        if (fds[1].revents)
            status = peer_role_hear_peer(peer, err);
        if (status == ST_OK && fds[0].revents)
            status = peer_role_hear_session(peer, &leaves, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The frames have all arrived: compares the clocks once more and brings the trace home. */
static enum status peer_role_conclude(struct peer_role *peer, struct err *err)
{
    cJSON *json = cJSON_CreateObject(), *came = NULL;
    enum status status = peer_role_compare_clocks(peer, &peer->clock.after, err);
    if (status == ST_OK) {
        json_add_string(json, "type", "collect");
        status = peer_role_lost(peer, peer_link_send_json(&peer->link, json, err));
        json = NULL;
    }
    cJSON_Delete(json);
    const uint64_t until_ns = clock_monotonic_ns() + 4 * peer->link.timeout_ns;
    if (status == ST_OK)
        status = peer_role_lost(peer,
                                peer_link_receive_json(&peer->link, "trace", until_ns, &came, err));
    if (status == ST_OK)
        status = peer_role_lost(peer, peer_trace_receive(&peer->link, came, peer->role.trace, err));
    cJSON_Delete(came);
    peer->trace_came |= status == ST_OK;
    return status;
}

/* Lets the consumer go and waits for its end: what goes wrong there is told here. */
static enum status peer_role_take_leave(struct peer_role *peer, struct err *err)
{
    cJSON *json = cJSON_CreateObject(), *ended = NULL;
    json_add_string(json, "type", "exit");
    enum status status = peer_role_lost(peer, peer_link_send_json(&peer->link, json, err));
    if (status == ST_OK)
        status = peer_link_receive_json(&peer->link, "ended",
                                        clock_monotonic_ns() + 2 * PROCESS_GRACE_NS, &ended, err);
    cJSON_Delete(ended);
    return status;
}

/* Says what failed, and waits until the session has heard it. */
static void peer_role_complain(struct peer_role *peer, const struct err *failure)
{
    struct err ignored;
    struct channel_message message = {0};
    cJSON *json = peer_error_json(failure);
    if (json && peer->link_failed)
        json_add_bool(json, "link", true);
    (void)role_send(&peer->role, json, &ignored);
    if (role_receive(&peer->role, "exit", &message, &ignored) == ST_OK)
        channel_message_clear(&message);
}

enum status peer_role_main(int control_fd, struct err *err)
{
    struct err ignored;
    struct peer_role peer = {.role = {.control_fd = control_fd, .trace_map = SHM_MAP_NONE},
                             .link = {.fd = -1}};
    enum status status = peer_role_open(&peer, err);
    if (status == ST_OK)
        status = peer_role_relay(&peer, err);
    if (status == ST_OK)
        status = peer_role_conclude(&peer, err);
    if (peer.trace_came)
        peer_trace_map(peer.role.trace, &peer.clock);
    const enum status told = peer_role_tell_clock(&peer, &ignored);
    if (status == ST_OK)
        status = told;
    if (status == ST_OK)
        status = peer_role_take_leave(&peer, err);
    peer_link_close(&peer.link); /* the consumer there must not go on */
    if (status != ST_OK)
        peer_role_complain(&peer, err);
    shm_unmap(&peer.role.trace_map);
    close(control_fd);
    return status;
}
