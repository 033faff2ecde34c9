/* tcp.c: a TCP connection, with TCP_NODELAY; over the loopback, or to another host.
 *
 * On one host create connects to itself: it listens on the loopback for a moment, makes sure that
 * who has come in is its own socket, and closes the listener, so that nothing listens while frames
 * flow. The other end travels in the address, as with unix.
 *
 * Between hosts (config->listen) create listens, and the address says where and carries the token;
 * attach connects and shows it; reserve lets it in (tcp_door.h).
 *
 * A cut is noticed between hosts only (TCP_CUT_MS): on one host there is none, and the kernel ends
 * the connections of a process that dies.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/tcp_door.h"

#define TCP_MAGIC 0x20706374666e68u /* "hnftcp " */

/* What the address says beside the configuration. */
struct tcp_detail {
    struct tcp_place place; /* the producer's end: where to connect, or where it is connected */
    uint32_t crosses_hosts; /* 1: connect to place; 0: the descriptor is connected to it */
    uint32_t port;          /* of the descriptor's own end; 0 between hosts */
    uint8_t token[TRANSPORT_TOKEN_BYTES]; /* zero on one host */
};

extern const struct transport transport_tcp;

static void tcp_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* A listener on the loopback of this host, by IPv4 where there is one. */
static enum status tcp_listen_loopback(struct tcp_place *place, int *fd, struct err *err)
{
    struct err of_four = {0};
    *place = tcp_place_loopback(4);
    if (tcp_listen(place, fd, &of_four) == ST_OK)
        return ST_OK;
    *place = tcp_place_loopback(6);
    if (tcp_listen(place, fd, NULL) == ST_OK)
        return ST_OK;
    return err_set(err, of_four.status == ST_NO_MEMORY ? ST_NO_MEMORY : ST_UNAVAILABLE,
                   of_four.sys_errno == EMFILE || of_four.sys_errno == ENFILE
                       ? "raise the limit of open files (ulimit -n)"
                       : "bring the loopback up: ip link set lo up",
                   "%s; nor is there one by IPv6", of_four.what);
}

static enum status tcp_probe(struct err *err)
{
    struct tcp_place place;
    int fd = -1;
    if (tcp_listen_loopback(&place, &fd, err) != ST_OK) {
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    close(fd);
    return ST_OK;
}

/* The end of `calling` that came in at the listener. Others on this host may have called, too. */
static enum status tcp_accept_own(int listen_fd, int calling, int *fd, struct err *err)
{
    struct tcp_place calling_here, calling_there, here, there;
    const int64_t until_ms = tcp_now_ms() + TCP_CONNECT_MS;
    if (!tcp_place_of_socket(calling, &calling_here) || !tcp_place_of_peer(calling, &calling_there))
        return err_set_errno(err, errno, NULL, "transport tcp: the connection to itself");
    while (tcp_ready(listen_fd, POLLIN, until_ms)) {
        const int made = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (made < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            return err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                                 "transport tcp: accepting the connection to itself");
        if (made < 0)
            continue;
        if (tcp_place_of_socket(made, &here) && tcp_place_of_peer(made, &there) &&
            memcmp(&there, &calling_here, sizeof there) == 0 &&
            memcmp(&here, &calling_there, sizeof here) == 0) {
            *fd = made;
            return ST_OK;
        }
        close(made);
    }
    return err_set(err, ST_TIMEOUT, "a firewall may be in the way",
                   "transport tcp: the connection to itself did not arrive within %d s",
                   TCP_CONNECT_MS / 1000);
}

/* Both ends of a connection on this host, as long as `listen_fd` listens. */
static enum status tcp_connect_itself(int listen_fd, const struct tcp_place *place, int *accepted,
                                      int *calling, struct err *err)
{
    int caller = -1, own = -1;
    enum status status = tcp_connect(place, &caller, err);
    if (status != ST_OK)
        return status;
    status = tcp_accept_own(listen_fd, caller, &own, err);
    if (status == ST_OK)
        status = tcp_tune(caller, false, err);
    if (status == ST_OK)
        status = tcp_tune(own, false, err);
    if (status != ST_OK) {
        close(caller);
        tcp_close(own);
        return status;
    }
    *accepted = own;
    *calling = caller;
    return ST_OK;
}

static enum status tcp_make_here(struct stream_ends *ends, struct transport_address *address,
                                 struct tcp_detail *detail, struct err *err)
{
    struct tcp_place caller;
    int listen_fd = -1, accepted = -1, calling = -1;
    enum status status = tcp_listen_loopback(&detail->place, &listen_fd, err);
    if (status != ST_OK)
        return status;
    status = tcp_connect_itself(listen_fd, &detail->place, &accepted, &calling, err);
    close(listen_fd);
    if (status != ST_OK)
        return status;
    if (!tcp_place_of_socket(calling, &caller)) {
        status = err_set_errno(err, errno, NULL, "transport tcp: the connection to itself");
        close(accepted);
        close(calling);
        return status;
    }
    detail->port = caller.port;
    *ends = (struct stream_ends){accepted, accepted, NULL};
    address->fds[0] = calling;
    address->fd_count = 1;
    return ST_OK;
}

static enum status tcp_make(const struct transport_config *config, struct stream_ends *ends,
                            struct transport_address *address, void *detail_bytes, struct err *err)
{
    struct tcp_detail detail = {0};
    enum status status;
    if (config->listen) {
        detail.crosses_hosts = 1;
        memcpy(detail.token, config->listen->token, sizeof detail.token);
        status = tcp_door_open(config->listen, &detail.place, &ends->door, err);
    } else {
        status = tcp_make_here(ends, address, &detail, err);
    }
    if (status == ST_OK)
        memcpy(detail_bytes, &detail, sizeof detail);
    return status;
}

static uint32_t tcp_descriptors(const void *detail_bytes)
{
    struct tcp_detail detail;
    memcpy(&detail, detail_bytes, sizeof detail);
    return detail.crosses_hosts ? 0 : 1;
}

/* Calls the producer and shows the token. Does not wait for an answer: there is none. */
static enum status tcp_call(const struct tcp_detail *detail, int *fd, struct err *err)
{
    int calling = -1;
    enum status status = tcp_connect(&detail->place, &calling, err);
    if (status != ST_OK)
        return status;
    status = tcp_tune(calling, true, err);
    /* A new connection has room for these few bytes. */
    if (status == ST_OK && send(calling, detail->token, sizeof detail->token, MSG_NOSIGNAL) !=
                               (ssize_t)sizeof detail->token)
        status = err_set_errno(err, errno, NULL, "transport tcp: showing the token");
    if (status != ST_OK) {
        close(calling);
        return status;
    }
    *fd = calling;
    return ST_OK;
}

/* The descriptor is the other end of the producer's connection, and nothing else? */
static bool tcp_is_connection(int fd, const struct tcp_detail *detail)
{
    struct tcp_place here, there;
    return stream_socket_usable(fd, detail->place.family == 4 ? AF_INET : AF_INET6) &&
           tcp_place_of_socket(fd, &here) && here.port == detail->port &&
           tcp_place_of_peer(fd, &there) && memcmp(&there, &detail->place, sizeof there) == 0;
}

static enum status tcp_take(struct transport_address *address, const void *detail_bytes,
                            struct stream_ends *ends, struct err *err)
{
    struct tcp_detail detail;
    memcpy(&detail, detail_bytes, sizeof detail);
    const struct tcp_place *place = &detail.place;
    if (detail.crosses_hosts > 1 || (place->family != 4 && place->family != 6) || place->port < 1 ||
        place->port > 65535)
        return err_set(err, ST_CORRUPT, "give it an address that transport tcp made",
                       "transport tcp: the address says no place to connect to");
    int fd = -1;
    if (detail.crosses_hosts) {
        enum status status = tcp_call(&detail, &fd, err);
        if (status != ST_OK)
            return status;
    } else {
        if (!tcp_is_connection(address->fds[0], &detail))
            return err_set(err, ST_CORRUPT, "give it an address that transport tcp made",
                           "transport tcp: the address's descriptor is not the connection that it "
                           "says");
        fd = transport_address_take(address, 0);
    }
    *ends = (struct stream_ends){fd, fd, NULL};
    return ST_OK;
}

static const struct stream_kind tcp_kind = {
    .transport = &transport_tcp,
    .magic = TCP_MAGIC,
    .detail_bytes = sizeof(struct tcp_detail),
    .lingers = true,
    .broken_hint = "between two hosts: is the network up, and the other role alive?",
    .make = tcp_make,
    .descriptors = tcp_descriptors,
    .take = tcp_take,
};

/* News of a frame or a credit is there when the kernel's network code has run: mostly within the
 * call that sent it, on a loopback, and some time later everywhere else. */
STREAM_TRANSPORT(tcp, "TCP with TCP_NODELAY: over the loopback, or between two hosts",
                 "send() into the kernel, recv() out of it",
                 STREAM_FLAGS | TRANSPORT_DELAYS | TRANSPORT_CROSSES_HOSTS);
