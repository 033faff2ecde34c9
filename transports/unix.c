/* unix.c: a stream socket between two processes, sent from wherever the frame lies.
 *
 * A connected pair made by create; the other end travels in the address. On the wire, producer to
 * consumer: the 24 bytes of the frame header, then the payload. Back come credits: each byte is a
 * count of frames released. A frame is sent only while fewer than `slots` (or max_in_flight) are
 * not yet released, so the contract of slots holds although the kernel's buffers would take a
 * different number; the credit costs one small system call per frame, after the kernel's work is
 * done.
 *
 * The buffer sizes are the system's defaults (net.core.wmem_default), on purpose: it is what people
 * get. A frame larger than that moves in pieces while the consumer receives, and commit answers
 * ST_AGAIN in between. Both sides remember where they are; nothing but one frame is ever in motion.
 *
 * The producer lends a staging slot, but a role whose frame lies elsewhere points header and
 * payload there before commit, and saves the copy (TRANSPORT_SENDS_SOURCE).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/shm.h"
#include "transports/config.h"

#define UNIX_MAGIC 0x78696e7566666e68u /* "hnffunix" */

/* Look for credits at the latest after so many frames, also where there is room: unread ones pile
 * up in the consumer's send buffer, and a byte costs as much of it as a small packet. */
#define UNIX_FRAMES_PER_LOOK 64

/* The address's bytes. */
struct unix_address {
    uint64_t magic;
    uint64_t payload_bytes;
    uint64_t first_sequence;
    uint32_t slots;
    uint32_t max_in_flight;
};

struct endpoint {
    int fd; /* -1 until made */
    bool producing;
    bool hung_up;
    bool peer_gone;
    size_t payload_bytes;
    size_t wire_bytes;      /* of one frame */
    struct shm_map buffers; /* private: one staging slot, or a receive slot for each frame held */
    size_t slot_bytes;
    uint32_t slot_count;
    size_t moved_bytes;    /* wire bytes of the current frame sent or received so far */
    uint64_t copied_bytes; /* payload bytes sent or received */
    uint64_t begun;        /* frames committed, or acquired */
    uint64_t ended;        /* frames known to be released, or released */
    /* Producer. */
    uint32_t limit;
    uint32_t frames_since_look;
    bool reserved;
    bool sending; /* a commit answered ST_AGAIN */
    /* Consumer. */
    uint32_t max_held;
    uint32_t slot;        /* the one the next frame goes to */
    uint32_t owed_frames; /* released, but the credit could not be sent yet */
};

extern const struct transport transport_unix;

static enum status unix_probe(struct err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                      "transport unix: no socket pair");
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    close(fds[0]);
    close(fds[1]);
    return ST_OK;
}

static struct unix_address unix_address_of(const struct transport_config *config)
{
    return (struct unix_address){
        .magic = UNIX_MAGIC,
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
        .slots = config->slots,
        .max_in_flight = config->max_in_flight,
    };
}

static enum status unix_endpoint_new(const struct transport_config *config, bool producing,
                                     struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport unix: no memory for an endpoint");
    made->fd = -1;
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->wire_bytes = FRAME_HEADER_BYTES + config->payload_bytes;
    made->begun = config->first_sequence;
    made->ended = config->first_sequence;
    made->limit = transport_config_limit(config);
    made->max_held = config->max_held;
    made->slot_bytes = transport_slot_bytes(config->payload_bytes);
    made->slot_count = producing ? 1 : config->max_held;
    enum status status = shm_create_private("handoff-unix", made->slot_count * made->slot_bytes,
                                            config->pages, &made->buffers, err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    *endpoint = made;
    return ST_OK;
}

static enum status unix_create(const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(&transport_unix, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = NULL;
    status = unix_endpoint_new(config, true, &made, err);
    if (status != ST_OK)
        return status;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        status = err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                               "transport unix: no socket pair");
        transport_unix.destroy(made);
        return status;
    }
    made->fd = fds[0];
    struct unix_address bytes = unix_address_of(config);
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    address->fds[0] = fds[1];
    address->fd_count = 1;
    *endpoint = made;
    return ST_OK;
}

/* A stream socket of this machine that has a peer? */
static bool unix_socket_usable(int fd)
{
    int domain = 0, type = 0;
    socklen_t bytes = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != AF_UNIX)
        return false;
    bytes = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 || type != SOCK_STREAM)
        return false;
    /* A peer that has gone already is no reason to refuse: what it sent can still be read. */
    struct sockaddr_storage peer;
    bytes = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 || errno != ENOTCONN;
}

static enum status unix_attach(const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err)
{
    struct unix_address wanted = unix_address_of(config);
    struct endpoint *made = NULL;
    enum status status = transport_config_check(&transport_unix, config, err);
    if (status != ST_OK)
        goto done;
    if (address->fd_count != 1 || address->byte_count != sizeof wanted ||
        memcmp(address->bytes, &wanted, sizeof wanted) != 0) {
        status =
            err_set(err, ST_CORRUPT, "give both sides the same configuration",
                    "transport unix: the address is not one of a stream of frames of %zu bytes "
                    "with %u slots",
                    config->payload_bytes, config->slots);
        goto done;
    }
    if (!unix_socket_usable(address->fds[0])) {
        status =
            err_set(err, ST_CORRUPT, "give it an address that transport unix made",
                    "transport unix: the address's descriptor is not a connected stream socket");
        goto done;
    }
    status = unix_endpoint_new(config, false, &made, err);
    if (status != ST_OK)
        goto done;
    made->fd = address->fds[0];
    address->fds[0] = -1;
    *endpoint = made;
done:
    transport_address_close(address);
    return status;
}

/* The kernel's word for "nothing now" and for "the other side is closed". */
static inline bool unix_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}
static inline bool unix_is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

__attribute__((cold)) static enum status unix_peer_gone(struct endpoint *endpoint, struct err *err)
{
    endpoint->peer_gone = true;
    return err_set(err, ST_PEER_GONE, NULL, "the %s hung up after %zu of %zu bytes of a frame",
                   endpoint->producing ? "consumer" : "producer", endpoint->moved_bytes,
                   endpoint->wire_bytes);
}

/* Takes the credits that have arrived. ST_OK also when there were none. */
static enum status unix_credits_take(struct endpoint *endpoint, struct err *err)
{
    uint8_t credits[256];
    endpoint->frames_since_look = 0;
    ssize_t count = recv(endpoint->fd, credits, sizeof credits, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && unix_is_gone(errno)))
        return unix_peer_gone(endpoint, err);
    if (count < 0)
        return unix_would_block(errno)
                   ? ST_OK
                   : err_set_errno(err, errno, NULL, "transport unix: receiving credits");
    uint64_t ended = endpoint->ended;
    for (ssize_t i = 0; i < count; i++)
        ended += credits[i];
    if (ended > endpoint->begun)
        return err_set(err, ST_CORRUPT, NULL,
                       "transport unix: credits for more frames than were sent");
    endpoint->ended = ended;
    return ST_OK;
}

static enum status unix_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (endpoint->peer_gone)
        return unix_peer_gone(endpoint, err);
    if (!endpoint->reserved) {
        if (endpoint->begun - endpoint->ended >= endpoint->limit ||
            endpoint->frames_since_look >= UNIX_FRAMES_PER_LOOK) {
            enum status status = unix_credits_take(endpoint, err);
            if (status != ST_OK)
                return status;
            if (endpoint->begun - endpoint->ended >= endpoint->limit)
                return ST_AGAIN;
        }
        endpoint->reserved = true;
        endpoint->moved_bytes = 0;
    }
    uint8_t *slot = endpoint->buffers.bytes;
    *frame = (struct frame){
        .header = slot,
        .payload = endpoint->payload_bytes ? slot + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .sequence = endpoint->begun,
        .progress_bytes = endpoint->moved_bytes,
    };
    return ST_OK;
}

/* What is left of header and payload after `moved` wire bytes, as one message. */
static struct msghdr unix_message(uint8_t *header, uint8_t *payload, size_t payload_bytes,
                                  size_t moved, struct iovec parts[2])
{
    size_t count = 0;
    size_t payload_moved = 0;
    if (moved < FRAME_HEADER_BYTES)
        parts[count++] = (struct iovec){header + moved, FRAME_HEADER_BYTES - moved};
    else
        payload_moved = moved - FRAME_HEADER_BYTES;
    if (payload_bytes > payload_moved)
        parts[count++] = (struct iovec){payload + payload_moved, payload_bytes - payload_moved};
    return (struct msghdr){.msg_iov = parts, .msg_iovlen = count};
}

/* Counts `bytes` more of the current frame: the wire bytes, and how many of them are payload. */
static void unix_count_moved(struct endpoint *endpoint, struct frame *frame, size_t bytes)
{
    size_t before = endpoint->moved_bytes;
    size_t header_left = before < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES - before : 0;
    endpoint->copied_bytes += bytes > header_left ? bytes - header_left : 0;
    endpoint->moved_bytes = before + bytes;
    frame->progress_bytes = endpoint->moved_bytes;
}

static enum status unix_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (!endpoint->reserved)
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    if (frame->payload_bytes != endpoint->payload_bytes)
        return err_set(err, ST_INVALID, NULL, "a frame of %zu payload bytes on an edge of %zu",
                       frame->payload_bytes, endpoint->payload_bytes);
    if (endpoint->peer_gone)
        return unix_peer_gone(endpoint, err);
    struct iovec parts[2];
    struct msghdr message = unix_message(frame->header, frame->payload, frame->payload_bytes,
                                         endpoint->moved_bytes, parts);
    ssize_t sent = sendmsg(endpoint->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && !unix_would_block(errno))
        return unix_is_gone(errno)
                   ? unix_peer_gone(endpoint, err)
                   : err_set_errno(err, errno, NULL, "transport unix: sending a frame");
    if (sent > 0)
        unix_count_moved(endpoint, frame, (size_t)sent);
    /* Sent short means that the buffer is full: trying again at once would be a wasted call. */
    endpoint->sending = endpoint->moved_bytes < endpoint->wire_bytes;
    if (endpoint->sending)
        return ST_AGAIN;
    endpoint->reserved = false;
    endpoint->begun++;
    endpoint->frames_since_look++;
    return ST_OK;
}

/* Sends the credits owed. ST_AGAIN when the way back is full: the producer has so many unread ones
 * then that it cannot be waiting for more, and they are sent with a later call. */
static enum status unix_credits_send(struct endpoint *endpoint)
{
    while (endpoint->owed_frames > 0) {
        uint8_t credit = endpoint->owed_frames < 255 ? (uint8_t)endpoint->owed_frames : 255;
        ssize_t sent = send(endpoint->fd, &credit, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent != 1 && unix_would_block(errno))
            return ST_AGAIN;
        /* Nobody is left to credit when the producer has gone; acquire will say so. */
        endpoint->owed_frames -= sent == 1 ? credit : endpoint->owed_frames;
    }
    return ST_OK;
}

static enum status unix_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->begun - endpoint->ended >= endpoint->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %u frames, the most it may", endpoint->max_held);
    if (endpoint->peer_gone)
        return unix_peer_gone(endpoint, err);
    if (endpoint->owed_frames > 0)
        unix_credits_send(endpoint);
    uint8_t *header = (uint8_t *)endpoint->buffers.bytes + endpoint->slot * endpoint->slot_bytes;
    uint8_t *payload = endpoint->payload_bytes ? header + FRAME_PAYLOAD_OFFSET : NULL;
    struct iovec parts[2];
    struct msghdr message =
        unix_message(header, payload, endpoint->payload_bytes, endpoint->moved_bytes, parts);
    ssize_t received = recvmsg(endpoint->fd, &message, MSG_DONTWAIT);
    /* A frame cut off in the middle is no frame: nobody ever sees the half. */
    if (received == 0 || (received < 0 && unix_is_gone(errno)))
        return unix_peer_gone(endpoint, err);
    if (received < 0 && !unix_would_block(errno))
        return err_set_errno(err, errno, NULL, "transport unix: receiving a frame");
    if (received > 0)
        unix_count_moved(endpoint, frame, (size_t)received);
    if (endpoint->moved_bytes < endpoint->wire_bytes)
        return ST_AGAIN;
    *frame = (struct frame){
        .header = header,
        .payload = payload,
        .payload_bytes = endpoint->payload_bytes,
        .slot = endpoint->slot,
        .sequence = endpoint->begun,
        .progress_bytes = endpoint->moved_bytes,
    };
    endpoint->begun++;
    endpoint->moved_bytes = 0;
    endpoint->slot = endpoint->slot + 1 == endpoint->slot_count ? 0 : endpoint->slot + 1;
    return ST_OK;
}

static enum status unix_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->ended == endpoint->begun || frame->sequence != endpoint->ended)
        return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                       "frame number %llu is not the oldest one held",
                       (unsigned long long)frame->sequence);
    endpoint->ended++;
    endpoint->owed_frames++;
    unix_credits_send(endpoint);
    return ST_OK;
}

static void unix_wait_source(struct endpoint *endpoint, enum direction direction,
                             struct wait_source *source)
{
    /* A producer in the middle of a frame waits for room in the socket, one without credit for
     * credits. A consumer always waits for bytes. */
    bool wants_room = endpoint->producing && endpoint->sending && direction == DIRECTION_WRITE;
    *source = (struct wait_source){
        .kind = SOURCE_FD,
        .fd = endpoint->fd,
        .events = wants_room ? POLLOUT : POLLIN,
    };
}

/* All buffers of this side; the doorbell is a descriptor. Frames have no slots that both sides know,
 * so there is no `slot`. */
static void unix_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    *memory = (struct transport_memory){endpoint->buffers.bytes, endpoint->buffers.size_bytes};
}

static void unix_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){.copied_bytes = endpoint->copied_bytes};
}

static void unix_hang_up(struct endpoint *endpoint)
{
    if (endpoint->hung_up || endpoint->fd < 0)
        return;
    endpoint->hung_up = true;
    endpoint->reserved = false;
    /* The producer only stops sending: credits still arrive, so that what was sent counts as
     * drained. Either way the other side's poll() becomes ready. */
    shutdown(endpoint->fd, endpoint->producing ? SHUT_WR : SHUT_RDWR);
}

static void unix_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    unix_hang_up(endpoint);
    if (endpoint->fd >= 0)
        close(endpoint->fd);
    shm_unmap(&endpoint->buffers);
    free(endpoint);
}

const struct transport transport_unix = {
    .name = "unix",
    .summary = "UNIX stream socket, sent from the source buffer",
    .copies = "send() into the kernel, recv() out of it",
    .flags =
        TRANSPORT_SENDS_SOURCE | TRANSPORT_MOVES_BYTES | TRANSPORT_HOST_MEMORY | TRANSPORT_STREAMS,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = TRANSPORT_SLOTS_MAX,
    .probe = unix_probe,
    .create = unix_create,
    .attach = unix_attach,
    .reserve = unix_reserve,
    .commit = unix_commit,
    .acquire = unix_acquire,
    .release = unix_release,
    .wait_source = unix_wait_source,
    .memory = unix_memory,
    .counters = unix_counters,
    .hang_up = unix_hang_up,
    .destroy = unix_destroy,
};
