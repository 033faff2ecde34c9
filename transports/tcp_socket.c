/* tcp_socket.c: see tcp_socket.h. */
#include "transports/tcp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Callers that the kernel keeps until they are looked at; it may have a lower limit of its own. */
#define TCP_BACKLOG 1024

/* An idle side asks whether the other is there after so long, and again as often. */
#define TCP_ASK_S 1

union tcp_name {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct tcp_place tcp_place_loopback(uint32_t family)
{
    struct tcp_place place = {.family = family};
    if (family == 4)
        memcpy(place.host, (const uint8_t[]){127, 0, 0, 1}, 4);
    else
        place.host[15] = 1;
    return place;
}

enum status tcp_place_parse(const char *host, struct tcp_place *place, struct err *err)
{
    struct tcp_place parsed = {.family = 4};
    bool numeric = inet_pton(AF_INET, host, parsed.host) == 1;
    if (!numeric) {
        parsed.family = 6;
        numeric = inet_pton(AF_INET6, host, parsed.host) == 1;
    }
    if (!numeric)
        return err_set(err, ST_INVALID, "give a numeric address, such as 192.168.1.10",
                       "transport tcp: \"%s\" is no IPv4 or IPv6 address", host);
    static const uint8_t all[16];
    if (memcmp(parsed.host, all, sizeof all) == 0)
        return err_set(err, ST_INVALID, "`ip address` shows the addresses of this host",
                       "transport tcp: %s stands for all addresses of this host; the other host "
                       "needs one to connect to",
                       host);
    if (parsed.family == 6 && parsed.host[0] == 0xfe && (parsed.host[1] & 0xc0) == 0x80)
        return err_set(err, ST_INVALID, "use another address of this host (IPv4 will do)",
                       "transport tcp: %s is an address of one link only, and the other host has "
                       "its own name of the link",
                       host);
    *place = parsed;
    return ST_OK;
}

void tcp_place_text(const struct tcp_place *place, char text[TCP_PLACE_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    inet_ntop(place->family == 4 ? AF_INET : AF_INET6, place->host, host, sizeof host);
    snprintf(text, TCP_PLACE_TEXT_BYTES, "%s port %u", host, place->port);
}

static socklen_t tcp_place_name(const struct tcp_place *place, union tcp_name *name)
{
    memset(name, 0, sizeof *name);
    if (place->family == 4) {
        name->four.sin_family = AF_INET;
        name->four.sin_port = htons((uint16_t)place->port);
        memcpy(&name->four.sin_addr, place->host, 4);
        return sizeof name->four;
    }
    name->six.sin6_family = AF_INET6;
    name->six.sin6_port = htons((uint16_t)place->port);
    memcpy(&name->six.sin6_addr, place->host, 16);
    return sizeof name->six;
}

static bool tcp_place_of_name(const union tcp_name *name, struct tcp_place *place)
{
    struct tcp_place found = {0};
    if (name->any.sa_family == AF_INET) {
        found.family = 4;
        found.port = ntohs(name->four.sin_port);
        memcpy(found.host, &name->four.sin_addr, 4);
    } else if (name->any.sa_family == AF_INET6) {
        found.family = 6;
        found.port = ntohs(name->six.sin6_port);
        memcpy(found.host, &name->six.sin6_addr, 16);
    } else {
        return false;
    }
    *place = found;
    return true;
}

bool tcp_place_of_socket(int fd, struct tcp_place *place)
{
    union tcp_name name = {0};
    socklen_t bytes = sizeof name;
    return getsockname(fd, &name.any, &bytes) == 0 && tcp_place_of_name(&name, place);
}

bool tcp_place_of_peer(int fd, struct tcp_place *place)
{
    union tcp_name name = {0};
    socklen_t bytes = sizeof name;
    return getpeername(fd, &name.any, &bytes) == 0 && tcp_place_of_name(&name, place);
}

int64_t tcp_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool tcp_ready(int fd, short events, int64_t until_ms)
{
    struct pollfd ready = {.fd = fd, .events = events};
    for (;;) {
        const int64_t left_ms = until_ms - tcp_now_ms();
        const int count = poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count != 0 && !(count < 0 && errno == EINTR))
            return count > 0;
        if (left_ms <= 0)
            return false;
    }
}

static enum status tcp_socket(const struct tcp_place *place, int *fd, struct err *err)
{
    const int made = socket(place->family == 4 ? AF_INET : AF_INET6,
                            SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return err_set_errno(err, errno,
                             errno == EMFILE || errno == ENFILE
                                 ? "raise the limit of open files (ulimit -n)"
                                 : "is this version of the Internet protocol switched off here?",
                             "transport tcp: no IPv%u socket", place->family);
    *fd = made;
    return ST_OK;
}

enum status tcp_listen(struct tcp_place *place, int *fd, struct err *err)
{
    char text[TCP_PLACE_TEXT_BYTES];
    union tcp_name name;
    const socklen_t bytes = tcp_place_name(place, &name);
    int made = -1;
    enum status status = tcp_socket(place, &made, err);
    if (status != ST_OK)
        return status;
    if (bind(made, &name.any, bytes) != 0 || listen(made, TCP_BACKLOG) != 0 ||
        !tcp_place_of_socket(made, place)) {
        const int error = errno;
        tcp_place_text(place, text);
        close(made);
        return err_set_errno(err, error, "`ip address` shows the addresses of this host",
                             "transport tcp: cannot listen on %s", text);
    }
    *fd = made;
    return ST_OK;
}

/* What became of a connect that was under way. */
static enum status tcp_connected(int fd, int64_t until_ms, int *error)
{
    socklen_t bytes = sizeof *error;
    if (!tcp_ready(fd, POLLOUT, until_ms))
        return ST_TIMEOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &bytes) != 0)
        *error = errno;
    return *error == 0 ? ST_OK : ST_SYSTEM;
}

enum status tcp_connect(const struct tcp_place *place, int *fd, struct err *err)
{
    char text[TCP_PLACE_TEXT_BYTES];
    union tcp_name name;
    const socklen_t bytes = tcp_place_name(place, &name);
    struct tcp_place here, there;
    int made = -1;
    int error = 0;
    enum status status = tcp_socket(place, &made, err);
    if (status != ST_OK)
        return status;
    if (connect(made, &name.any, bytes) != 0) {
        error = errno;
        status = error == EINPROGRESS || error == EINTR
                     ? tcp_connected(made, tcp_now_ms() + TCP_CONNECT_MS, &error)
                     : ST_SYSTEM;
    }
    /* Nobody listens there, and by chance the kernel has connected the socket to itself. */
    if (status == ST_OK && tcp_place_of_socket(made, &here) && tcp_place_of_peer(made, &there) &&
        memcmp(&here, &there, sizeof here) == 0) {
        error = ECONNREFUSED;
        status = ST_SYSTEM;
    }
    if (status == ST_OK) {
        *fd = made;
        return ST_OK;
    }
    close(made);
    tcp_place_text(place, text);
    if (status == ST_TIMEOUT)
        return err_set(err, ST_TIMEOUT, "can this host reach it? A firewall may be in the way",
                       "transport tcp: connecting to %s took more than %d s", text,
                       TCP_CONNECT_MS / 1000);
    return err_set_errno(err, error, "can this host reach it? A firewall may be in the way",
                         "transport tcp: connecting to %s", text);
}

enum status tcp_tune(int fd, bool crosses_hosts, struct err *err)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        /* From here on only between hosts. */
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, TCP_ASK_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, TCP_ASK_S},
        {IPPROTO_TCP, TCP_KEEPCNT, TCP_CUT_MS / 1000 / TCP_ASK_S},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_CUT_MS},
    };
    const size_t count = crosses_hosts ? sizeof options / sizeof options[0] : 1;
    for (size_t i = 0; i < count; i++)
        if (setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                       sizeof options[i].value) != 0)
            return err_set_errno(err, errno, NULL, "transport tcp: socket option %d of level %d",
                                 options[i].option, options[i].level);
    return ST_OK;
}
