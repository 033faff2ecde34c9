/* channel.c: whole JSON messages with descriptors over SOCK_SEQPACKET. See channel.h. */
#include "harness/base/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/json.h"

enum status channel_pair(int fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return err_set_errno(err, errno, NULL, "cannot make a control socket");
    /* A message is one packet and must fit; the default of some systems is smaller. */
    int bytes = 4 * CHANNEL_MESSAGE_BYTES_MAX;
    for (int i = 0; i < 2; i++) {
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        (void)setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return ST_OK;
}

enum status channel_send(int socket_fd, const cJSON *json, const int *fds, uint32_t fd_count,
                         struct err *err)
{
    if (fd_count > CHANNEL_FDS_MAX)
        return err_set(err, ST_INVALID, NULL, "%u descriptors in one message", fd_count);
    char *text = cJSON_PrintUnformatted(json);
    if (!text)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    struct iovec piece = {.iov_base = text, .iov_len = strlen(text)};
    enum status status = ST_OK;
    if (piece.iov_len > CHANNEL_MESSAGE_BYTES_MAX) {
        status = err_set(err, ST_INVALID, NULL, "a control message of %zu bytes is too long",
                         piece.iov_len);
        goto undo_text;
    }
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)] = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
        status = err_set(err, ST_PEER_GONE, NULL, "the other end of the control socket is closed");
    else if (sent < 0)
        status = err_set_errno(err, errno, NULL, "cannot send a control message");
undo_text:
    cJSON_free(text);
    return status;
}

/* Waits for the socket to be readable. */
static enum status channel_wait(int socket_fd, uint64_t deadline_ns, struct err *err)
{
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                                .tv_nsec = (long)(left_ns % 1000000000u)};
        struct pollfd waiting = {.fd = socket_fd, .events = POLLIN};
        int ready = ppoll(&waiting, 1, &left, NULL);
        if (ready > 0)
            return ST_OK;
        if (ready == 0)
            return err_set(err, ST_TIMEOUT, NULL, "no control message came in time");
        if (errno != EINTR)
            return err_set_errno(err, errno, NULL, "cannot wait for a control message");
    }
}

/* Takes the descriptors out of a received message; more than fit are closed by the kernel. */
static void channel_take_fds(struct msghdr *received, struct channel_message *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(received); part; part = CMSG_NXTHDR(received, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && message->fd_count < CHANNEL_FDS_MAX; i++)
            memcpy(&message->fds[message->fd_count++], CMSG_DATA(part) + i * sizeof(int),
                   sizeof(int));
    }
}

enum status channel_receive(int socket_fd, uint64_t deadline_ns, struct channel_message *message,
                            struct err *err)
{
    enum status status = channel_wait(socket_fd, deadline_ns, err);
    if (status != ST_OK)
        return status;
    struct channel_message got = {0};
    /* On the stack: to free this much of the heap may give it back to the kernel, and what follows
     * "go" must make no system call. */
    char text[CHANNEL_MESSAGE_BYTES_MAX + 1];
    struct iovec piece = {.iov_base = text, .iov_len = sizeof text - 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
    struct msghdr received = {.msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof control};
    ssize_t bytes;
    do
        bytes = recvmsg(socket_fd, &received, MSG_CMSG_CLOEXEC);
    while (bytes < 0 && errno == EINTR);
    if (bytes == 0 || (bytes < 0 && errno == ECONNRESET))
        return err_set(err, ST_PEER_GONE, NULL, "the other end of the control socket is closed");
    if (bytes < 0)
        return err_set_errno(err, errno, NULL, "cannot receive a control message");
    channel_take_fds(&received, &got);
    if (received.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        status = err_set(err, ST_CORRUPT, NULL, "a control message was cut short");
        goto undo_message;
    }
    text[bytes] = 0;
    status = json_parse("control message", text, (size_t)bytes, &got.json, err);
    if (status != ST_OK || !cJSON_IsObject(got.json)) {
        status = err_set(err, ST_CORRUPT, NULL, "a control message is not a JSON object");
        goto undo_message;
    }
    *message = got;
    return ST_OK;
undo_message:
    channel_message_clear(&got);
    return status;
}

void channel_message_clear(struct channel_message *message)
{
    cJSON_Delete(message->json);
    for (uint32_t i = 0; i < message->fd_count; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    *message = (struct channel_message){0};
}
