/* peer_client.c: how `handoff run` comes to the serving host. See peer.h.
 */
#include "harness/run/peer.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/build_info.h"

#define PEER_GOODBYE_NS 1000000000u

static const char peer_serve_hint[] =
    "is `handoff serve` running there, and may its port be reached from here?";

/* Waits until a socket is ready; 0, or what is wrong. */
static int peer_socket_wait(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        const uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return ETIMEDOUT;
        struct pollfd waiting = {.fd = fd, .events = events};
        const int ready = poll(&waiting, 1, (int)((deadline_ns - now_ns) / 1000000u) + 1);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return errno;
    }
}

/* Connects to one address; -1 with errno. */
static int peer_socket_connect(const struct addrinfo *info, uint64_t deadline_ns)
{
    int error = 0;
    socklen_t error_bytes = sizeof error;
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, info->ai_addr, info->ai_addrlen) != 0) {
        error = errno == EINPROGRESS ? peer_socket_wait(fd, POLLOUT, deadline_ns) : errno;
        if (error == 0)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static enum status peer_socket_open(const struct peer_options *options, uint64_t deadline_ns,
                                    int *fd, struct err *err)
{
    char port[8];
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    snprintf(port, sizeof port, "%u", options->address.port);
    const int failed = getaddrinfo(options->address.host, port, &wanted, &found);
    if (failed)
        return err_set(err, ST_PEER_GONE, "write it as a number, or look at /etc/hosts",
                       "the host %s is not known: %s", options->address.host,
                       failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
    int opened = -1, error = 0;
    for (const struct addrinfo *info = found; info && opened < 0; info = info->ai_next) {
        opened = peer_socket_connect(info, deadline_ns);
        error = errno;
    }
    freeaddrinfo(found);
    if (opened < 0)
        return err_set(err, ST_PEER_GONE, peer_serve_hint, "cannot connect to %s, port %s: %s",
                       options->address.host, port, strerror(error));
    *fd = opened;
    return ST_OK;
}

/* Sends all of it, or receives all of it. `wrong` is what it means when the other side hangs up. */
static enum status peer_socket_move(int fd, bool sends, uint8_t *bytes, size_t count,
                                    uint64_t deadline_ns, const char *name, const char *wrong,
                                    struct err *err)
{
    while (count > 0) {
        const ssize_t moved =
            sends ? send(fd, bytes, count, MSG_NOSIGNAL) : recv(fd, bytes, count, 0);
        if (moved > 0) {
            bytes += moved;
            count -= (size_t)moved;
            continue;
        }
        const int error = moved == 0 ? ECONNRESET : errno;
        if (error == EAGAIN || error == EWOULDBLOCK) {
            if (peer_socket_wait(fd, sends ? POLLOUT : POLLIN, deadline_ns) == 0)
                continue;
            return err_set(err, ST_PEER_GONE, peer_serve_hint, "%s did not answer in time", name);
        }
        if (error != EINTR)
            return err_set(err, ST_PEER_GONE, wrong, "%s closed the connection", name);
    }
    return ST_OK;
}

static enum status peer_shake_hands(const struct peer_options *options, enum peer_purpose purpose,
                                    int fd, uint64_t deadline_ns, struct peer_handshake *handshake,
                                    struct err *err)
{
    static const char other_key[] = "both hosts need the same key: what `handoff serve` printed "
                                    "there says why";
    const char *name = options->address.host;
    uint8_t hello[PEER_HELLO_BYTES], proof[PEER_PROOF_BYTES], bytes[PEER_ANSWER_BYTES];
    enum peer_answer answer = PEER_BUSY;
    enum status status = peer_nonce_make(handshake->client_nonce, err);
    if (status != ST_OK)
        return status;
    peer_hello_write(handshake->client_nonce, hello);
    status =
        peer_socket_move(fd, true, hello, sizeof hello, deadline_ns, name, peer_serve_hint, err);
    if (status == ST_OK)
        status = peer_socket_move(fd, false, hello, sizeof hello, deadline_ns, name,
                                  peer_serve_hint, err);
    if (status == ST_OK)
        status = peer_hello_read(hello, handshake->server_nonce, err);
    if (status == ST_OK)
        status = peer_proof_write(handshake, purpose, options->run, proof, err);
    if (status == ST_OK)
        status = peer_socket_move(fd, true, proof, sizeof proof, deadline_ns, name, other_key, err);
    if (status == ST_OK)
        status =
            peer_socket_move(fd, false, bytes, sizeof bytes, deadline_ns, name, other_key, err);
    if (status == ST_OK)
        status = peer_answer_read(handshake, bytes, &answer, err);
    if (status == ST_OK && answer == PEER_BUSY)
        status = err_set(err, ST_UNAVAILABLE, "wait until that is over",
                         "%s is busy with another run", name);
    return status;
}

enum status peer_connect(const struct peer_options *options, enum peer_purpose purpose,
                         struct peer_link *link, struct err *err)
{
    const uint64_t deadline_ns = clock_monotonic_ns() + options->timeout_ns;
    struct peer_handshake handshake = {.key = options->key};
    struct peer_session session;
    memset(&session, 0, sizeof session);
    int fd = -1;
    enum status status = peer_socket_open(options, deadline_ns, &fd, err);
    if (status == ST_OK)
        status = peer_shake_hands(options, purpose, fd, deadline_ns, &handshake, err);
    if (status == ST_OK)
        status = peer_session_make(&handshake, &session, err);
    if (status != ST_OK && fd >= 0)
        close(fd);
    if (status == ST_OK)
        status = peer_link_open(link, fd, false, options->address.host, &session,
                                options->timeout_ns, err);
    mac_forget(&handshake, sizeof handshake);
    mac_forget(&session, sizeof session);
    return status;
}

enum status peer_open(const struct peer_options *options, struct peer *peer, struct err *err)
{
    struct peer_link link;
    struct peer made = {.options = *options};
    enum status status = peer_connect(options, PEER_DESCRIBE, &link, err);
    if (status != ST_OK)
        return status;
    status =
        peer_link_receive_json(&link, "description", clock_monotonic_ns() + 4 * options->timeout_ns,
                               &made.description, err);
    peer_link_close(&link);
    if (status == ST_OK)
        *peer = made;
    return status;
}

void peer_close(struct peer *peer)
{
    struct peer_link link;
    struct err ignored;
    if (!peer)
        return;
    /* Where it was lost, little is spent on a goodbye: its turn there ends by itself. */
    if (peer->lost_in_a_row > 0 && peer->options.timeout_ns > PEER_GOODBYE_NS)
        peer->options.timeout_ns = PEER_GOODBYE_NS;
    if (peer->description && peer_connect(&peer->options, PEER_GOODBYE, &link, &ignored) == ST_OK)
        peer_link_close(&link);
    cJSON_Delete(peer->description);
    peer->description = NULL;
    mac_forget(&peer->options.key, sizeof peer->options.key);
}
