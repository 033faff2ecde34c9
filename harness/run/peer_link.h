/* peer_link.h: the control connection between the two hosts of a measurement: a socket, the
 * messages of peer_wire.h over it, and noticing when the other side is gone.
 *
 * Used by the client (peer_client.c, peer_role.c) and the server (peer_server.c). Not for the hot
 * path: frames have a connection of their own, which the transport makes.
 */
#ifndef HANDOFF_RUN_PEER_LINK_H
#define HANDOFF_RUN_PEER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/run/peer_wire.h"

#define PEER_PORT_DEFAULT 9763
#define PEER_HOST_BYTES 256
/* How long the other side may be silent before it counts as gone, unless the user says
 * otherwise. */
#define PEER_TIMEOUT_S_DEFAULT 5
#define PEER_TIMEOUT_S_MAX 3600

/* Where the other host is, as the user wrote it: "laptop", "192.0.2.7:9000",
 * "[2001:db8::7]:9000". */
struct peer_address {
    char host[PEER_HOST_BYTES]; /* a name or a number; without brackets */
    uint16_t port;
};

/* ST_INVALID for what is neither HOST nor HOST:PORT. Port 0 is only for `any_port`. */
enum status peer_address_parse(const char *text, bool any_port, struct peer_address *address,
                               struct err *err);

struct peer_link {
    int fd; /* owned, does not block; -1: none */
    bool is_server;
    char name[PEER_HOST_BYTES + 32]; /* of the other side, for messages */
    struct peer_session session;
    uint64_t timeout_ns;     /* of silence */
    uint64_t sent, received; /* messages so far */
    /* By CLOCK_MONOTONIC: when something came last, and was sent last. */
    uint64_t heard_ns, spoke_ns;
    uint8_t *in, *out; /* owned; room for the longest message each */
    uint32_t in_bytes; /* of the next message, so far */
};

/* A message as it came; `bytes` lies in the link until the next one is received. */
struct peer_message {
    enum peer_kind kind;
    const uint8_t *bytes;
    uint32_t size_bytes;
    cJSON *json;      /* of PEER_KIND_JSON, without control characters; owned: peer_message_clear */
    uint64_t came_ns; /* CLOCK_MONOTONIC, read when its last byte was there */
};

/* Takes over a connected socket, also on failure. `name` is what messages call the other side. */
enum status peer_link_open(struct peer_link *link, int fd, bool is_server, const char *name,
                           const struct peer_session *session, uint64_t timeout_ns,
                           struct err *err);
/* Safe on a zeroed link with fd -1, and twice. */
void peer_link_close(struct peer_link *link);

/* Sends a message whole, waiting for room as long as the other side takes some within the timeout.
 * ST_PEER_GONE. */
enum status peer_link_send(struct peer_link *link, enum peer_kind kind, const void *bytes,
                           uint32_t size_bytes, struct err *err);
/* The same for an object, which it deletes; NULL (it could not be made) is ST_NO_MEMORY. */
enum status peer_link_send_json(struct peer_link *link, cJSON *json, struct err *err);

/* Waits until deadline_ns (CLOCK_MONOTONIC; 0: not at all) for a message that is not only a sign of
 * life. A server answers pings on the way. ST_TIMEOUT; ST_PEER_GONE when the connection is closed,
 * or silent for longer than the timeout; ST_CORRUPT for what the other side did not send, or what
 * is too long: the link is then of no use. Says itself that it is alive while it waits. */
enum status peer_link_receive(struct peer_link *link, uint64_t deadline_ns,
                              struct peer_message *message, struct err *err);
void peer_message_clear(struct peer_message *message);

/* Waits for an object of type `type` and gives it to the caller. An object of type "error" is that
 * error, with the other side's name in front. */
enum status peer_link_receive_json(struct peer_link *link, const char *type, uint64_t deadline_ns,
                                   cJSON **json, struct err *err);

/* For whoever polls the socket beside others: says that it is alive if it is time, and whether the
 * other side has been silent for too long (ST_PEER_GONE). *next_ns: when to ask again. */
enum status peer_link_tend(struct peer_link *link, uint64_t *next_ns, struct err *err);

/* Our own address as the other side sees it, if nothing in between changes it: in numbers. */
enum status peer_link_own_host(const struct peer_link *link, char *host, size_t size,
                               struct err *err);

/* An "error" object, or NULL. */
cJSON *peer_error_json(const struct err *failure);

/* "0a1b…" and back; false when it is not exactly that. */
void peer_hex_write(const uint8_t *bytes, size_t count, char *text);
bool peer_hex_read(const char *text, uint8_t *bytes, size_t count);

#endif
