/* tcp_door.c: see tcp_door.h. */
#include "transports/tcp_door.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who has called and not yet shown a whole token. */
struct tcp_caller {
    int fd;
    uint32_t shown_bytes;
    uint8_t shown[TRANSPORT_TOKEN_BYTES];
};

struct tcp_door {
    struct stream_door door; /* first; wait_fd is an epoll of the listener and the callers */
    int listen_fd;
    uint8_t token[TRANSPORT_TOKEN_BYTES];
    struct tcp_caller callers[TCP_DOOR_CALLERS]; /* the oldest first */
    uint32_t caller_count;
};

enum tcp_verdict { TCP_RIGHT, TCP_WRONG, TCP_UNDECIDED };

/* The time it takes does not depend on the bytes. */
static bool tcp_token_equal(const uint8_t *a, const uint8_t *b)
{
    volatile uint8_t different = 0;
    for (size_t i = 0; i < TRANSPORT_TOKEN_BYTES; i++)
        different |= a[i] ^ b[i];
    return different == 0;
}

static enum status tcp_door_watch(struct tcp_door *door, int fd, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(door->door.wait_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return ST_OK;
    return err_set_errno(err, errno, NULL, "transport tcp: watching for who comes in");
}

static void tcp_door_turn_away(struct tcp_door *door, uint32_t index)
{
    close(door->callers[index].fd);
    door->caller_count--;
    memmove(&door->callers[index], &door->callers[index + 1],
            (door->caller_count - index) * sizeof door->callers[0]);
}

/* Reads what the caller has said, up to the length of a token. */
static enum tcp_verdict tcp_door_hear(const struct tcp_door *door, struct tcp_caller *caller)
{
    const ssize_t count = recv(caller->fd, caller->shown + caller->shown_bytes,
                               sizeof caller->shown - caller->shown_bytes, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return TCP_UNDECIDED;
    if (count <= 0)
        return TCP_WRONG;
    caller->shown_bytes += (uint32_t)count;
    if (caller->shown_bytes < sizeof caller->shown)
        return TCP_UNDECIDED;
    return tcp_token_equal(caller->shown, door->token) ? TCP_RIGHT : TCP_WRONG;
}

/* The next caller, as the newest of the list. ST_AGAIN: nobody calls. */
static enum status tcp_door_answer(struct tcp_door *door, struct err *err)
{
    const int fd = accept4(door->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        return err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                             "transport tcp: letting the other host in");
    if (fd < 0) /* also a caller that has gone again */
        return ST_AGAIN;
    enum status status = tcp_door_watch(door, fd, err);
    if (status != ST_OK) {
        close(fd);
        return status;
    }
    if (door->caller_count == TCP_DOOR_CALLERS)
        tcp_door_turn_away(door, 0);
    door->callers[door->caller_count++] = (struct tcp_caller){.fd = fd};
    return ST_OK;
}

/* Caller `index` has said more, or something, or nothing. */
static enum status tcp_door_decide(struct tcp_door *door, uint32_t index, int *fd, struct err *err)
{
    struct tcp_caller *caller = &door->callers[index];
    const enum tcp_verdict verdict = tcp_door_hear(door, caller);
    if (verdict == TCP_UNDECIDED)
        return ST_AGAIN;
    enum status status = verdict == TCP_RIGHT ? tcp_tune(caller->fd, true, err) : ST_AGAIN;
    if (status == ST_OK) {
        *fd = caller->fd;
        caller->fd = -1;
    }
    tcp_door_turn_away(door, index);
    return status;
}

static enum status tcp_door_admit(struct stream_door *base, int *fd, struct err *err)
{
    struct tcp_door *door = (struct tcp_door *)base;
    enum status status = ST_AGAIN;
    for (uint32_t i = door->caller_count; i > 0 && status == ST_AGAIN; i--)
        status = tcp_door_decide(door, i - 1, fd, err);
    /* No more callers per call than can be kept: reserve never blocks, however many there are. */
    for (uint32_t i = 0; i < TCP_DOOR_CALLERS && status == ST_AGAIN; i++) {
        status = tcp_door_answer(door, err);
        if (status != ST_OK)
            return status;
        status = tcp_door_decide(door, door->caller_count - 1, fd, err);
    }
    return status;
}

static void tcp_door_close(struct stream_door *base)
{
    struct tcp_door *door = (struct tcp_door *)base;
    while (door->caller_count > 0)
        tcp_door_turn_away(door, door->caller_count - 1);
    if (door->listen_fd >= 0)
        close(door->listen_fd);
    if (door->door.wait_fd >= 0)
        close(door->door.wait_fd);
    free(door);
}

enum status tcp_door_open(const struct transport_listen *listen, struct tcp_place *place,
                          struct stream_door **door, struct err *err)
{
    struct tcp_place at;
    char host[sizeof listen->host + 1] = {0};
    memcpy(host, listen->host, sizeof listen->host);
    enum status status = tcp_place_parse(host, &at, err);
    if (status != ST_OK)
        return status;
    struct tcp_door *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport tcp: no memory for a listener");
    made->door = (struct stream_door){tcp_door_admit, tcp_door_close, -1};
    made->listen_fd = -1;
    memcpy(made->token, listen->token, sizeof made->token);
    status = tcp_listen(&at, &made->listen_fd, err);
    if (status != ST_OK)
        goto undo_door;
    /* It is a help and not needed: where the kernel does not do it, silent callers are kept and
     * turned away in turn. */
    const int silent_s = TCP_CONNECT_MS / 1000;
    setsockopt(made->listen_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent_s, sizeof silent_s);
    made->door.wait_fd = epoll_create1(EPOLL_CLOEXEC);
    if (made->door.wait_fd < 0) {
        status = err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                               "transport tcp: watching for who comes in");
        goto undo_door;
    }
    status = tcp_door_watch(made, made->listen_fd, err);
    if (status != ST_OK)
        goto undo_door;
    *place = at;
    *door = &made->door;
    return ST_OK;
undo_door:
    tcp_door_close(&made->door);
    return status;
}
