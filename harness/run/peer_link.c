/* peer_link.c: see peer_link.h. */
#include "harness/run/peer_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"

#define PEER_BUFFER_BYTES (PEER_NUMBER_BYTES + PEER_MESSAGE_BYTES(PEER_BYTES_MAX))
/* Between two signs of life: a quarter of the shortest silence that the other side may have been
 * told to take for an end, whatever this one was told. */
#define PEER_SIGN_NS 250000000u
/* Id of the question and two times. */
#define PEER_PONG_BYTES 24
#define PEER_PING_BYTES 8

enum status peer_address_parse(const char *text, bool any_port, struct peer_address *address,
                               struct err *err)
{
    struct peer_address made = {.port = PEER_PORT_DEFAULT};
    const bool bracketed = text[0] == '[';
    const char *host = text + bracketed;
    const char *host_end = bracketed ? strchr(host, ']') : strchr(host, ':');
    const char *colon = bracketed && host_end ? host_end + 1 : host_end;
    /* A number of IPv6 without brackets has more than one colon, and no port. */
    if (!bracketed && host_end && strchr(host_end + 1, ':'))
        host_end = colon = NULL;
    const size_t host_bytes = host_end ? (size_t)(host_end - host) : strlen(host);
    bool ok = (!bracketed || host_end) && host_bytes > 0 && host_bytes < sizeof made.host;
    if (ok)
        memcpy(made.host, host, host_bytes);
    if (ok && colon && *colon) {
        char *end = NULL;
        const unsigned long port = strtoul(colon + 1, &end, 10);
        ok = *colon == ':' && colon[1] >= '0' && colon[1] <= '9' && *end == 0 && port <= 65535 &&
             (any_port || port > 0);
        made.port = (uint16_t)port;
    }
    if (!ok)
        return err_set(err, ST_INVALID, "write it as laptop, 192.0.2.7:9000 or [2001:db8::7]:9000",
                       "\"%s\" is not a host with or without a port", text);
    *address = made;
    return ST_OK;
}

void peer_hex_write(const uint8_t *bytes, size_t count, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * count] = 0;
}

bool peer_hex_read(const char *text, uint8_t *bytes, size_t count)
{
    if (strlen(text) != 2 * count || strspn(text, "0123456789abcdef") != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

/* ---- the connection -------------------------------------------------------------------------- */

enum status peer_link_open(struct peer_link *link, int fd, bool is_server, const char *name,
                           const struct peer_session *session, uint64_t timeout_ns, struct err *err)
{
    const int on = 1;
    *link = (struct peer_link){.fd = fd,
                               .is_server = is_server,
                               .session = *session,
                               .timeout_ns = timeout_ns,
                               .heard_ns = clock_monotonic_ns(),
                               .spoke_ns = clock_monotonic_ns()};
    snprintf(link->name, sizeof link->name, "%s", name);
    link->in = malloc(PEER_BUFFER_BYTES);
    link->out = malloc(PEER_BUFFER_BYTES);
    enum status status = ST_OK;
    if (!link->in || !link->out)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for a connection");
    else if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        status = err_set_errno(err, errno, NULL, "cannot use the connection to %s", name);
    /* Otherwise a short message waits for the answer to the one before, and questions for the time
     * with it. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (status != ST_OK)
        peer_link_close(link);
    return status;
}

void peer_link_close(struct peer_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    free(link->in);
    free(link->out);
    link->in = link->out = NULL;
    mac_forget(&link->session, sizeof link->session);
}

static enum status peer_link_gone(const struct peer_link *link, int error, struct err *err)
{
    return err_set(err, ST_PEER_GONE, "did it end, or is the network down?",
                   "the connection to %s was lost%s%s", link->name, error ? ": " : "",
                   error ? strerror(error) : "");
}

static enum status peer_link_silent(const struct peer_link *link, struct err *err)
{
    return err_set(err, ST_PEER_GONE,
                   "is the network down? --peer-timeout says how long it may be silent",
                   "nothing came from %s for %.3g s", link->name, (double)link->timeout_ns / 1e9);
}

/* Waits for the socket; false at the deadline. */
static bool peer_link_poll(const struct peer_link *link, short events, uint64_t deadline_ns)
{
    for (;;) {
        const uint64_t now_ns = clock_monotonic_ns();
        const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        const struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                                      .tv_nsec = (long)(left_ns % 1000000000u)};
        struct pollfd waiting = {.fd = link->fd, .events = events};
        const int ready = ppoll(&waiting, 1, &left, NULL);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static enum status peer_link_write(struct peer_link *link, const uint8_t *bytes, size_t size_bytes,
                                   struct err *err)
{
    uint64_t until_ns = clock_monotonic_ns() + link->timeout_ns;
    while (size_bytes > 0) {
        const ssize_t sent = send(link->fd, bytes, size_bytes, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size_bytes -= (size_t)sent;
            until_ns = clock_monotonic_ns() + link->timeout_ns;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!peer_link_poll(link, POLLOUT, until_ns))
                return peer_link_silent(link, err);
        } else if (errno != EINTR) {
            return peer_link_gone(link, errno, err);
        }
    }
    link->spoke_ns = clock_monotonic_ns();
    return ST_OK;
}

enum status peer_link_send(struct peer_link *link, enum peer_kind kind, const void *bytes,
                           uint32_t size_bytes, struct err *err)
{
    const uint8_t *key = link->is_server ? link->session.to_client : link->session.to_server;
    if (size_bytes > 0 && size_bytes <= PEER_BYTES_MAX)
        memcpy(link->out + PEER_NUMBER_BYTES + PEER_HEAD_BYTES, bytes, size_bytes);
    enum status status = peer_message_frame(key, link->sent, kind, link->out, size_bytes, err);
    if (status != ST_OK)
        return status;
    link->sent++;
    return peer_link_write(link, link->out + PEER_NUMBER_BYTES, PEER_MESSAGE_BYTES(size_bytes),
                           err);
}

enum status peer_link_send_json(struct peer_link *link, cJSON *json, struct err *err)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    enum status status;
    if (!text)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message");
    else if (strlen(text) > PEER_BYTES_MAX)
        status = err_set(err, ST_INVALID, NULL, "a message of %zu bytes is too long", strlen(text));
    else
        status = peer_link_send(link, PEER_KIND_JSON, text, (uint32_t)strlen(text), err);
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

/* ---- receiving ------------------------------------------------------------------------------- */

void peer_message_clear(struct peer_message *message)
{
    cJSON_Delete(message->json);
    *message = (struct peer_message){0};
}

/* Reads what there is of the next message. ST_OK when it is whole, ST_AGAIN when more must come. */
static enum status peer_link_read(struct peer_link *link, uint32_t *message_bytes, struct err *err)
{
    for (;;) {
        uint8_t *bytes = link->in + PEER_NUMBER_BYTES;
        uint32_t wanted = PEER_HEAD_BYTES;
        if (link->in_bytes >= PEER_HEAD_BYTES) {
            wanted = peer_message_size(bytes);
            if (wanted == 0)
                return err_set(err, ST_CORRUPT, "something on the way changes what is sent",
                               "%s sent a message of %u bytes, which none has", link->name,
                               peer_get_u32(bytes));
            if (link->in_bytes == wanted) {
                *message_bytes = wanted;
                return ST_OK;
            }
        }
        const ssize_t got = recv(link->fd, bytes + link->in_bytes, wanted - link->in_bytes, 0);
        if (got > 0) {
            link->in_bytes += (uint32_t)got;
            link->heard_ns = clock_monotonic_ns();
        } else if (got == 0) {
            return peer_link_gone(link, 0, err);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return ST_AGAIN;
        } else if (errno != EINTR) {
            return peer_link_gone(link, errno, err);
        }
    }
}

/* Takes the whole message that was read. */
static enum status peer_link_take(struct peer_link *link, uint32_t message_bytes,
                                  struct peer_message *message, struct err *err)
{
    const uint8_t *key = link->is_server ? link->session.to_server : link->session.to_client;
    enum status status = peer_message_check(key, link->received, link->in, message_bytes, err);
    if (status != ST_OK)
        return err_context(err, "from %s", link->name);
    struct peer_message got = {
        .kind = (enum peer_kind)link->in[PEER_NUMBER_BYTES + 4],
        .bytes = link->in + PEER_NUMBER_BYTES + PEER_HEAD_BYTES,
        .size_bytes = message_bytes - PEER_HEAD_BYTES - MAC_BYTES,
        .came_ns = link->heard_ns,
    };
    link->received++;
    link->in_bytes = 0;
    if (got.kind == PEER_KIND_JSON) {
        /* The code behind it has been checked and gives room for the end of the text. */
        link->in[PEER_NUMBER_BYTES + PEER_HEAD_BYTES + got.size_bytes] = 0;
        status = json_parse(link->name, (const char *)got.bytes, got.size_bytes, &got.json, err);
        if (status != ST_OK || !cJSON_IsObject(got.json)) {
            cJSON_Delete(got.json);
            return err_set(err, ST_CORRUPT, NULL, "a message from %s is not a JSON object",
                           link->name);
        }
        json_defuse(got.json); /* it comes into messages, results and reports */
    }
    *message = got;
    return ST_OK;
}

/* A question for the time: answered at once, with when it came and when the answer leaves. */
static enum status peer_link_pong(struct peer_link *link, const struct peer_message *ping,
                                  struct err *err)
{
    uint8_t pong[PEER_PONG_BYTES];
    if (ping->size_bytes != PEER_PING_BYTES)
        return err_set(err, ST_CORRUPT, NULL, "%s asks for the time in a way unknown here",
                       link->name);
    memcpy(pong, ping->bytes, PEER_PING_BYTES);
    peer_put_u64(pong + 8, ping->came_ns);
    peer_put_u64(pong + 16, clock_monotonic_ns());
    return peer_link_send(link, PEER_KIND_PONG, pong, sizeof pong, err);
}

enum status peer_link_tend(struct peer_link *link, uint64_t *next_ns, struct err *err)
{
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t sign_ns =
        link->timeout_ns / 4 < PEER_SIGN_NS ? link->timeout_ns / 4 : PEER_SIGN_NS;
    if (now_ns >= link->heard_ns + link->timeout_ns)
        return peer_link_silent(link, err);
    if (now_ns >= link->spoke_ns + sign_ns) {
        enum status status = peer_link_send(link, PEER_KIND_ALIVE, NULL, 0, err);
        if (status != ST_OK)
            return status;
    }
    const uint64_t silent_ns = link->heard_ns + link->timeout_ns;
    const uint64_t speak_ns = link->spoke_ns + sign_ns;
    *next_ns = silent_ns < speak_ns ? silent_ns : speak_ns;
    return ST_OK;
}

enum status peer_link_receive(struct peer_link *link, uint64_t deadline_ns,
                              struct peer_message *message, struct err *err)
{
    for (;;) {
        uint32_t message_bytes = 0;
        uint64_t next_ns = 0;
        enum status status = peer_link_read(link, &message_bytes, err);
        if (status == ST_OK) {
            status = peer_link_take(link, message_bytes, message, err);
            if (status != ST_OK)
                return status;
            if (message->kind == PEER_KIND_PING && link->is_server)
                status = peer_link_pong(link, message, err);
            else if (message->kind != PEER_KIND_ALIVE)
                return ST_OK;
            if (status != ST_OK)
                return status;
            continue;
        }
        if (status == ST_AGAIN)
            status = peer_link_tend(link, &next_ns, err);
        if (status != ST_OK)
            return status;
        if (clock_monotonic_ns() >= deadline_ns)
            return err_set(err, ST_TIMEOUT, NULL, "no message came from %s in time", link->name);
        (void)peer_link_poll(link, POLLIN, next_ns < deadline_ns ? next_ns : deadline_ns);
    }
}

static enum status peer_link_told_error(const struct peer_link *link, const cJSON *json,
                                        struct err *err)
{
    return err_set(err, status_from_name(json_get_string(json, "status", "")),
                   json_get_string(json, "hint", ""), "on %s: %s", link->name,
                   json_get_string(json, "what", "failed without saying why"));
}

enum status peer_link_receive_json(struct peer_link *link, const char *type, uint64_t deadline_ns,
                                   cJSON **json, struct err *err)
{
    struct peer_message message = {0};
    enum status status = peer_link_receive(link, deadline_ns, &message, err);
    if (status != ST_OK)
        return status;
    const char *got = json_get_string(message.json, "type", "?");
    if (message.kind == PEER_KIND_JSON && strcmp(got, type) == 0) {
        *json = message.json;
        message.json = NULL;
    } else if (message.kind == PEER_KIND_JSON && strcmp(got, "error") == 0) {
        status = peer_link_told_error(link, message.json, err);
    } else {
        status = err_set(err, ST_CORRUPT, "run the same version of handoff on both hosts",
                         "%s sent \"%s\" where \"%s\" was due", link->name, got, type);
    }
    peer_message_clear(&message);
    return status;
}

enum status peer_link_own_host(const struct peer_link *link, char *host, size_t size,
                               struct err *err)
{
    struct sockaddr_storage own = {0};
    socklen_t own_bytes = sizeof own;
    char text[NI_MAXHOST];
    if (getsockname(link->fd, (struct sockaddr *)&own, &own_bytes) != 0 ||
        getnameinfo((struct sockaddr *)&own, own_bytes, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return err_set(err, ST_SYSTEM, NULL, "cannot tell under which address %s sees this host",
                       link->name);
    if (strchr(text, '%') || strlen(text) >= size)
        return err_set(err, ST_UNAVAILABLE, "name the host by another address",
                       "%s is an address that means something on one link only", text);
    snprintf(host, size, "%s", text);
    return ST_OK;
}

cJSON *peer_error_json(const struct err *failure)
{
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "error") &&
        json_add_string(json, "status", status_name(failure->status)) &&
        json_add_string(json, "what", failure->what) &&
        json_add_string(json, "hint", failure->hint))
        return json;
    cJSON_Delete(json);
    return NULL;
}
