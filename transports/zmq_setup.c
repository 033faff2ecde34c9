/* zmq_setup.c: libzmq's context and sockets of one side, for zmq_ipc and zmq_tcp: whether libzmq
 * can be used here, what its sockets are told, and their end. Called by zmq_open.c, and at the end
 * by messages.c.
 *
 * High-water marks: PUSH has none, since messages.c never sends more than `slots` frames that are
 * not released, and with a mark of slots + 1 libzmq would refuse sends although there is room: it
 * learns of what left only after half of the mark. PULL keeps the default of 1000, more than
 * MESSAGES_SLOTS_MAX, so a right peer never reaches it and a wrong one is bounded. PUSH never
 * drops.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transports/zmq_link_parts.h"

/* Messages of the handshake are not longer. */
#define ZMQ_LINK_HANDSHAKE_BYTES 1024
#define ZMQ_LINK_LINGER_MS 1000 /* how long closing waits for what was sent to leave */
/* A connection that was lost is never made anew: what was under way would be missing. (-1, for
 * never, makes libzmq throw away what has arrived.) */
#define ZMQ_LINK_RECONNECT_MS 3600000

/* libzmq ends the process when it gets no descriptor, thread or memory. What a context needs, both
 * ends of its connections included, is asked for first. */
#define ZMQ_LINK_DESCRIPTORS 32
#define ZMQ_LINK_ROOM_BYTES ((size_t)64 << 20)

enum status zmq_link_look_ahead(const struct transport *transport, size_t bytes, struct err *err)
{
    int fds[ZMQ_LINK_DESCRIPTORS];
    int count = 0, error = 0;
    while (count < ZMQ_LINK_DESCRIPTORS && error == 0) {
        fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[count] < 0)
            error = errno;
        else
            count++;
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    if (error != 0)
        return err_set_errno(err, error, "raise the limit of open files (ulimit -n)",
                             "transport %s: libzmq may need %d descriptors", transport->name,
                             ZMQ_LINK_DESCRIPTORS);
    bytes += ZMQ_LINK_ROOM_BYTES;
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return err_set(err, ST_NO_MEMORY, "raise the limit of address space (ulimit -v)",
                       "transport %s: no room for %zu bytes, which libzmq may need",
                       transport->name, bytes);
    munmap(room, bytes);
    return ST_OK;
}

enum status zmq_link_set(struct zmq_link *link, enum zmq_link_way way, int option,
                         const void *value, size_t bytes, struct err *err)
{
    return zmq_setsockopt(link->sockets[way], option, value, bytes) == 0
               ? ST_OK
               : zmq_link_failed(link, "setting an option of a socket", err);
}

enum status zmq_link_set_int(struct zmq_link *link, enum zmq_link_way way, int option, int value,
                             struct err *err)
{
    return zmq_link_set(link, way, option, &value, sizeof value, err);
}

/* A socket of one way, PUSH or PULL, with what both sides want of it. */
static enum status zmq_link_socket(struct zmq_link *link, enum zmq_link_way way, bool ipv6,
                                   struct err *err)
{
    const bool pushes = link->producing == (way == ZMQ_LINK_FRAMES);
    link->sockets[way] = zmq_socket(link->context, pushes ? ZMQ_PUSH : ZMQ_PULL);
    if (!link->sockets[way])
        return zmq_link_failed(link, "making a socket", err);
    /* Of a part; the handshake's own messages must pass too. */
    const size_t wanted =
        way == ZMQ_LINK_CREDITS ? MESSAGE_CREDIT_BYTES : link->payload_bytes + FRAME_HEADER_BYTES;
    const int64_t bytes_max =
        wanted > ZMQ_LINK_HANDSHAKE_BYTES ? (int64_t)wanted : ZMQ_LINK_HANDSHAKE_BYTES;
    enum status status = zmq_link_set(link, way, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max, err);
    if (status == ST_OK && pushes)
        status = zmq_link_set_int(link, way, ZMQ_SNDHWM, 0, err);
    if (status == ST_OK && pushes) /* to a peer that is there, not to one that may come */
        status = zmq_link_set_int(link, way, ZMQ_IMMEDIATE, 1, err);
    /* Before it is bound: a connection that was lost keeps what it could not send for as long as
     * this says, which is for ever unless told otherwise. What closing waits for is said then. */
    if (status == ST_OK)
        status = zmq_link_set_int(link, way, ZMQ_LINGER, 0, err);
    if (status == ST_OK)
        status = zmq_link_set_int(link, way, ZMQ_RECONNECT_IVL, ZMQ_LINK_RECONNECT_MS, err);
    if (status == ST_OK && ipv6)
        status = zmq_link_set_int(link, way, ZMQ_IPV6, 1, err);
    size_t size = sizeof link->fds[way];
    if (status == ST_OK && zmq_getsockopt(link->sockets[way], ZMQ_FD, &link->fds[way], &size) != 0)
        status = zmq_link_failed(link, "asking for a socket's descriptor", err);
    return status;
}

static enum status zmq_link_watch_both(struct zmq_link *link, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    link->either_fd = epoll_create1(EPOLL_CLOEXEC);
    if (link->either_fd >= 0 &&
        epoll_ctl(link->either_fd, EPOLL_CTL_ADD, link->fds[ZMQ_LINK_FRAMES], &event) == 0 &&
        epoll_ctl(link->either_fd, EPOLL_CTL_ADD, link->fds[ZMQ_LINK_CREDITS], &event) == 0)
        return ST_OK;
    return err_set_errno(err, errno, NULL, "transport %s: no epoll", link->transport->name);
}

enum status zmq_link_new(const struct transport *transport, const struct transport_config *config,
                         bool producing, bool ipv6, struct zmq_link **out, struct err *err)
{
    struct zmq_link *link = calloc(1, sizeof *link);
    if (!link)
        return err_set(err, ST_NO_MEMORY, NULL, "transport %s: no memory for a link",
                       transport->name);
    link->transport = transport;
    link->producing = producing;
    link->payload_bytes = config->payload_bytes;
    link->whole = FRAME_HEADER_BYTES + config->payload_bytes <= ZMQ_LINK_BATCH_BYTES;
    link->native_timeout_ms = -1;
    link->fds[0] = link->fds[1] = link->either_fd = -1;
    enum status status = ST_NO_MEMORY;
    if (producing && link->whole) {
        link->whole_bytes = (FRAME_HEADER_BYTES + config->payload_bytes + 63) / 64 * 64;
        link->wholes = aligned_alloc(64, config->slots * link->whole_bytes);
        if (!link->wholes)
            goto undo_link;
        memset(link->wholes, 0, config->slots * link->whole_bytes);
    }
    if (!producing) {
        link->held = calloc(config->max_held, sizeof *link->held);
        if (!link->held)
            goto undo_link;
        link->held_count = config->max_held;
    }
    link->context = zmq_ctx_new();
    if (!link->context)
        goto undo_link;
    status = zmq_link_socket(link, ZMQ_LINK_FRAMES, ipv6, err);
    if (status == ST_OK)
        status = zmq_link_socket(link, ZMQ_LINK_CREDITS, ipv6, err);
    if (status == ST_OK && producing)
        status = zmq_link_watch_both(link, err);
    if (status != ST_OK)
        goto undo_link;
    *out = link;
    return ST_OK;

undo_link:
    if (status == ST_NO_MEMORY)
        err_set(err, status, NULL, "transport %s: no memory for a link", transport->name);
    zmq_link_close(link);
    return status;
}

void zmq_link_close(void *self)
{
    struct zmq_link *link = self;
    if (!link)
        return;
    for (uint32_t i = 0; i < link->held_count; i++)
        zmq_link_drop(link, i);
    if (link->has_peeked)
        zmq_msg_close(&link->peeked);
    if (link->either_fd >= 0)
        close(link->either_fd);
    const int linger_ms = link->lingers ? ZMQ_LINK_LINGER_MS : 0;
    for (int way = 0; way < ZMQ_LINK_WAYS; way++) {
        if (!link->sockets[way])
            continue;
        zmq_setsockopt(link->sockets[way], ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(link->sockets[way]);
    }
    /* Wakes the gate; what lingers lingers on until the context ends. */
    if (link->context)
        zmq_ctx_shutdown(link->context);
    if (link->gate.running)
        pthread_join(link->gate.thread, NULL);
    else if (link->gate.socket)
        zmq_close(link->gate.socket);
    while (link->context && zmq_ctx_term(link->context) != 0 && errno == EINTR)
        continue;
    free(link->held);
    free(link->wholes);
    free(link);
}

enum status zmq_link_probe(const struct transport *transport, enum zmq_link_kind kind,
                           struct err *err)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (major < 4 || (major == 4 && minor < 3))
        return err_set(err, ST_UNAVAILABLE, "install libzmq 4.3 or later",
                       "transport %s: libzmq is %d.%d.%d", transport->name, major, minor, patch);
    if (kind == ZMQ_LINK_IPC && !zmq_has("ipc"))
        return err_set(err, ST_UNAVAILABLE, "install the distribution's libzmq",
                       "transport %s: this libzmq was built without ipc", transport->name);
    if (zmq_link_look_ahead(transport, 0, err) == ST_OK)
        return ST_OK;
    if (err)
        err->status = ST_UNAVAILABLE;
    return ST_UNAVAILABLE;
}
