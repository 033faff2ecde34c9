/* zmq_open.c: create and attach of zmq_ipc and zmq_tcp: the producer listens and writes the
 * address, the consumer checks the address, connects and waits until it was let in. Called by both
 * transports as verbs of transport.h, before the clock starts. What the connections are is in
 * zmq_link_parts.h.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/zmq_link_parts.h"

#define ZMQ_LINK_MAGIC_IPC 0x637069716d7a6668u /* "hfzmqipc" */
#define ZMQ_LINK_MAGIC_TCP 0x706374716d7a6668u /* "hfzmqtcp" */
#define ZMQ_LINK_ENDPOINT_BYTES 128
#define ZMQ_LINK_CONNECT_MS 10000 /* until a connection stands */

/* The address's bytes. */
struct zmq_link_address {
    struct messages_address head;
    char endpoints[ZMQ_LINK_WAYS][ZMQ_LINK_ENDPOINT_BYTES]; /* NUL-terminated */
    char token[ZMQ_LINK_TOKEN_TEXT];
    char zero[7];
};

static enum status zmq_link_random(void *bytes, size_t count, struct err *err)
{
    return getrandom(bytes, count, 0) == (ssize_t)count
               ? ST_OK
               : err_set_errno(err, errno, NULL, "no random numbers");
}

static void zmq_link_hex(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The address to bind one way to. A port of 0 and so the endpoint itself is the system's choice. */
static enum status zmq_link_bind_name(enum zmq_link_kind kind,
                                      const struct transport_config *config,
                                      char name[ZMQ_LINK_ENDPOINT_BYTES], struct err *err)
{
    if (kind == ZMQ_LINK_IPC) {
        uint8_t random[16];
        enum status status = zmq_link_random(random, sizeof random, err);
        strcpy(name, "ipc://@handoff-");
        zmq_link_hex(random, sizeof random, name + strlen(name));
        return status;
    }
    const char *host = config->listen ? config->listen->host : "127.0.0.1";
    const bool colons = strchr(host, ':') != NULL;
    snprintf(name, ZMQ_LINK_ENDPOINT_BYTES, colons ? "tcp://[%s]:*" : "tcp://%s:*", host);
    return ST_OK;
}

/* Listens on one way, for one peer that knows the token. */
static enum status zmq_link_bind(struct zmq_link *link, enum zmq_link_way way,
                                 enum zmq_link_kind kind, const struct transport_config *config,
                                 char endpoint[ZMQ_LINK_ENDPOINT_BYTES], struct err *err)
{
    char name[ZMQ_LINK_ENDPOINT_BYTES];
    const char *domain = zmq_link_domains[way];
    enum status status = zmq_link_set_int(link, way, ZMQ_PLAIN_SERVER, 1, err);
    if (status == ST_OK)
        status = zmq_link_set(link, way, ZMQ_ZAP_DOMAIN, domain, strlen(domain), err);
#ifdef ZMQ_IPC_FILTER_UID
    const uid_t user = geteuid();
    if (status == ST_OK && kind == ZMQ_LINK_IPC)
        status = zmq_link_set(link, way, ZMQ_IPC_FILTER_UID, &user, sizeof user, err);
#endif
    if (status == ST_OK)
        status = zmq_link_bind_name(kind, config, name, err);
    if (status != ST_OK)
        return status;
    if (zmq_bind(link->sockets[way], name) != 0)
        return err_set(err, ST_SYSTEM, "is that an address of this host?",
                       "transport %s: cannot listen on %s: %s", link->transport->name, name,
                       zmq_strerror(errno));
    size_t size = ZMQ_LINK_ENDPOINT_BYTES;
    if (kind == ZMQ_LINK_IPC)
        memcpy(endpoint, name, sizeof name);
    else if (zmq_getsockopt(link->sockets[way], ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        return zmq_link_failed(link, "asking for an endpoint", err);
    return ST_OK;
}

static uint64_t zmq_link_magic(enum zmq_link_kind kind)
{
    return kind == ZMQ_LINK_IPC ? ZMQ_LINK_MAGIC_IPC : ZMQ_LINK_MAGIC_TCP;
}

static enum status zmq_link_listen(struct zmq_link *link, enum zmq_link_kind kind,
                                   const struct transport_config *config,
                                   struct zmq_link_address *bytes, struct err *err)
{
    uint8_t token[TRANSPORT_TOKEN_BYTES];
    enum status status = ST_OK;
    if (config->listen)
        memcpy(token, config->listen->token, sizeof token);
    else
        status = zmq_link_random(token, sizeof token, err);
    if (status != ST_OK)
        return status;
    bytes->head = messages_address_of(zmq_link_magic(kind), config);
    zmq_link_hex(token, sizeof token, bytes->token);
    memcpy(link->gate.token, bytes->token, sizeof link->gate.token);
    status = zmq_gate_open(link, err);
    for (int way = 0; way < ZMQ_LINK_WAYS && status == ST_OK; way++)
        status =
            zmq_link_bind(link, (enum zmq_link_way)way, kind, config, bytes->endpoints[way], err);
    return status;
}

enum status zmq_link_create(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config, struct endpoint **endpoint,
                            struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(transport, config, err);
    if (status == ST_OK)
        status = zmq_link_look_ahead(
            transport, config->slots * transport_slot_bytes(config->payload_bytes), err);
    if (status != ST_OK)
        return status;
    const bool ipv6 = config->listen && strchr(config->listen->host, ':');
    struct zmq_link *link = NULL;
    struct zmq_link_address bytes = {0};
    status = zmq_link_new(transport, config, true, ipv6, &link, err);
    if (status != ST_OK)
        return status;
    status = zmq_link_listen(link, kind, config, &bytes, err);
    if (status != ST_OK) {
        zmq_link_close(link);
        return status;
    }
    link->lingers = true;
    struct endpoint *made = NULL;
    status = messages_open(transport, &zmq_message_link, config, true, link, &made, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    *endpoint = made;
    return ST_OK;
}

/* One event of a socket's monitor, in the time that is left; 0 when none came. */
static unsigned zmq_link_monitor_next(void *monitor, int timeout_ms)
{
    zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    uint8_t event[6], name[256];
    int bytes;
    do
        bytes = zmq_recv(monitor, event, sizeof event, 0);
    while (bytes < 0 && errno == EINTR);
    if (bytes != (int)sizeof event)
        return 0;
    zmq_recv(monitor, name, sizeof name, 0);
    uint16_t number;
    memcpy(&number, event, sizeof number);
    return number;
}

/* Connects one way and waits until the other side has let it in. */
static enum status zmq_link_await(struct zmq_link *link, enum zmq_link_way way, void *monitor,
                                  const char *endpoint, struct err *err)
{
    if (zmq_connect(link->sockets[way], endpoint) != 0)
        return err_set(err, ST_CORRUPT, "give it an address that the transport made",
                       "transport %s: cannot connect to %s: %s", link->transport->name, endpoint,
                       zmq_strerror(errno));
    switch (zmq_link_monitor_next(monitor, ZMQ_LINK_CONNECT_MS)) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return ST_OK;
    case ZMQ_EVENT_CONNECT_RETRIED:
        return err_set(err, ST_SYSTEM, "is the producer still there?",
                       "transport %s: nobody listens on %s", link->transport->name, endpoint);
    case 0:
        return err_set(err, ST_SYSTEM, "is the producer stopped, or a firewall in between?",
                       "transport %s: %s did not answer within %d s", link->transport->name,
                       endpoint, ZMQ_LINK_CONNECT_MS / 1000);
    default:
        return err_set(err, ST_CORRUPT, "each address lets one consumer in, once",
                       "transport %s: %s did not let this consumer in", link->transport->name,
                       endpoint);
    }
}

static enum status zmq_link_connect(struct zmq_link *link, enum zmq_link_way way,
                                    const struct zmq_link_address *bytes, struct err *err)
{
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED;
    const char *name = way == ZMQ_LINK_FRAMES ? "inproc://frames" : "inproc://credits";
    enum status status = zmq_link_set(link, way, ZMQ_PLAIN_USERNAME, "handoff", 7, err);
    if (status == ST_OK)
        status =
            zmq_link_set(link, way, ZMQ_PLAIN_PASSWORD, bytes->token, ZMQ_LINK_TOKEN_TEXT - 1, err);
    if (status != ST_OK)
        return status;
    void *monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (!monitor)
        return zmq_link_failed(link, "making a socket", err);
    if (zmq_socket_monitor(link->sockets[way], name, events) == 0 &&
        zmq_connect(monitor, name) == 0)
        status = zmq_link_await(link, way, monitor, bytes->endpoints[way], err);
    else
        status = zmq_link_failed(link, "watching a connection", err);
    zmq_socket_monitor(link->sockets[way], NULL, 0);
    const int linger_ms = 0;
    zmq_setsockopt(monitor, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_close(monitor);
    return status;
}

/* Of an address that may be anything: texts that end, and endpoints of this kind. */
static enum status zmq_link_address_check(const struct transport *transport,
                                          enum zmq_link_kind kind,
                                          const struct transport_config *config,
                                          const struct transport_address *address,
                                          struct zmq_link_address *bytes, struct err *err)
{
    enum status status = messages_address_check(transport, zmq_link_magic(kind), config, address,
                                                sizeof *bytes, 0, err);
    if (status != ST_OK)
        return status;
    memcpy(bytes, address->bytes, sizeof *bytes);
    const char *scheme = kind == ZMQ_LINK_IPC ? "ipc://@" : "tcp://";
    bool right = strnlen(bytes->token, sizeof bytes->token) == sizeof bytes->token - 1;
    for (int way = 0; way < ZMQ_LINK_WAYS; way++) {
        const char *text = bytes->endpoints[way];
        right &= strnlen(text, ZMQ_LINK_ENDPOINT_BYTES) < ZMQ_LINK_ENDPOINT_BYTES &&
                 strncmp(text, scheme, strlen(scheme)) == 0;
    }
    return right
               ? ST_OK
               : err_set(err, ST_CORRUPT, "give it an address that the transport made",
                         "transport %s: the address has no %s endpoints", transport->name, scheme);
}

enum status zmq_link_attach(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config,
                            struct transport_address *address, struct endpoint **endpoint,
                            struct err *err)
{
    struct zmq_link *link = NULL;
    struct zmq_link_address bytes;
    enum status status = transport_config_check(transport, config, err);
    if (status == ST_OK)
        status = zmq_link_address_check(transport, kind, config, address, &bytes, err);
    transport_address_close(address);
    if (status == ST_OK)
        status = zmq_link_look_ahead(
            transport, config->slots * transport_slot_bytes(config->payload_bytes), err);
    if (status == ST_OK)
        status = zmq_link_new(transport, config, false,
                              strchr(bytes.endpoints[ZMQ_LINK_FRAMES], '[') != NULL, &link, err);
    if (status != ST_OK)
        return status;
    for (int way = 0; way < ZMQ_LINK_WAYS && status == ST_OK; way++)
        status = zmq_link_connect(link, (enum zmq_link_way)way, &bytes, err);
    if (status != ST_OK) {
        zmq_link_close(link);
        return status;
    }
    link->lingers = true;
    return messages_open(transport, &zmq_message_link, config, false, link, endpoint, err);
}
