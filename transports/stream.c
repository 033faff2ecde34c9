/* stream.c: see stream.h.
 *
 * Sockets are read and written with MSG_DONTWAIT and MSG_NOSIGNAL, pipes with O_NONBLOCK: there the
 * process must not die of SIGPIPE, so an endpoint of pipes makes the process ignore it if nobody
 * had said what is to happen (stream_sigpipe_disarm).
 */
#include "transports/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/shm.h"
#include "transports/config.h"

/* Look for credits at the latest after so many frames, also where there is room: unread ones pile
 * up in the consumer's send buffer, and a byte costs as much of it as a small packet. */
#define STREAM_FRAMES_PER_LOOK 64

struct endpoint {
    const struct stream_kind *kind;
    bool pipes; /* kind->pipes */
    struct stream_ends ends;
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

/* A pipe has no MSG_NOSIGNAL. A process that writes to one whose reader has gone, and has not said
 * what SIGPIPE is to do, is killed; the roles ignore it anyway. So does every process with an
 * endpoint of pipes from now on: a signal's disposition belongs to the whole process, and taking it
 * back could hit a write of another thread. Who has a handler keeps it. */
static enum status stream_sigpipe_disarm(struct err *err)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) != 0)
        return err_set_errno(err, errno, NULL, "reading what SIGPIPE does");
    if ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL)
        return ST_OK;
    action = (struct sigaction){.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &action, NULL) != 0)
        return err_set_errno(err, errno, NULL, "ignoring SIGPIPE");
    return ST_OK;
}

static enum status stream_endpoint_new(const struct stream_kind *kind,
                                       const struct transport_config *config, bool producing,
                                       struct endpoint **endpoint, struct err *err)
{
    const char *name = kind->transport->name;
    if (kind->pipes) {
        enum status status = stream_sigpipe_disarm(err);
        if (status != ST_OK)
            return status;
    }
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport %s: no memory for an endpoint", name);
    made->kind = kind;
    made->pipes = kind->pipes;
    made->ends = STREAM_ENDS_NONE;
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->wire_bytes = FRAME_HEADER_BYTES + config->payload_bytes;
    made->begun = config->first_sequence;
    made->ended = config->first_sequence;
    made->limit = transport_config_limit(config);
    made->max_held = config->max_held;
    made->slot_bytes = transport_slot_bytes(config->payload_bytes);
    made->slot_count = producing ? 1 : config->max_held;
    char label[32];
    snprintf(label, sizeof label, "handoff-%s", name);
    enum status status = shm_create_private(label, made->slot_count * made->slot_bytes,
                                            config->pages, &made->buffers, err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    *endpoint = made;
    return ST_OK;
}

enum status stream_create(const struct stream_kind *kind, const struct transport_config *config,
                          struct endpoint **endpoint, struct transport_address *address,
                          struct err *err)
{
    enum status status = transport_config_check(kind->transport, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = NULL;
    status = stream_endpoint_new(kind, config, true, &made, err);
    if (status != ST_OK)
        return status;
    struct transport_address filled = {0};
    const struct messages_address edge = messages_address_of(kind->magic, config);
    memcpy(filled.bytes, &edge, sizeof edge);
    filled.byte_count = (uint32_t)sizeof edge + kind->detail_bytes;
    status = kind->make(config, &made->ends, &filled, filled.bytes + sizeof edge, err);
    if (status != ST_OK) {
        stream_destroy(made);
        return status;
    }
    *address = filled;
    *endpoint = made;
    return ST_OK;
}

enum status stream_attach(const struct stream_kind *kind, const struct transport_config *config,
                          struct transport_address *address, struct endpoint **endpoint,
                          struct err *err)
{
    const uint8_t *detail = address->bytes + sizeof(struct messages_address);
    struct endpoint *made = NULL;
    enum status status = transport_config_check(kind->transport, config, err);
    if (status != ST_OK)
        goto done;
    status = messages_address_check(kind->transport, kind->magic, config, address,
                                    (uint32_t)sizeof(struct messages_address) + kind->detail_bytes,
                                    kind->descriptors(detail), err);
    if (status != ST_OK)
        goto done;
    status = stream_endpoint_new(kind, config, false, &made, err);
    if (status != ST_OK)
        goto done;
    status = kind->take(address, detail, &made->ends, err);
    if (status != ST_OK) {
        stream_destroy(made);
        goto done;
    }
    *endpoint = made;
done:
    transport_address_close(address);
    return status;
}

bool stream_socket_usable(int fd, int family)
{
    int domain = 0, type = 0;
    socklen_t bytes = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != family)
        return false;
    bytes = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 || type != SOCK_STREAM)
        return false;
    /* A peer that has gone already is no reason to refuse: what it sent can still be read. */
    struct sockaddr_storage peer;
    bytes = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 || errno != ENOTCONN;
}

/* One call each, never waiting: parts of a frame, and credits. */
static inline ssize_t stream_write_parts(const struct endpoint *endpoint, struct msghdr *message)
{
    if (endpoint->pipes)
        return writev(endpoint->ends.out_fd, message->msg_iov, (int)message->msg_iovlen);
    return sendmsg(endpoint->ends.out_fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
static inline ssize_t stream_read_parts(const struct endpoint *endpoint, struct msghdr *message)
{
    if (endpoint->pipes)
        return readv(endpoint->ends.in_fd, message->msg_iov, (int)message->msg_iovlen);
    return recvmsg(endpoint->ends.in_fd, message, MSG_DONTWAIT);
}
static inline ssize_t stream_write_credit(const struct endpoint *endpoint, uint8_t credit)
{
    if (endpoint->pipes)
        return write(endpoint->ends.out_fd, &credit, 1);
    return send(endpoint->ends.out_fd, &credit, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
static inline ssize_t stream_read_credits(const struct endpoint *endpoint, uint8_t *credits,
                                          size_t room)
{
    if (endpoint->pipes)
        return read(endpoint->ends.in_fd, credits, room);
    return recv(endpoint->ends.in_fd, credits, room, MSG_DONTWAIT);
}

/* The kernel's word for "nothing now" and for "the other side is closed". */
static inline bool stream_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}
static inline bool stream_is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

__attribute__((cold)) static enum status stream_peer_gone(struct endpoint *endpoint,
                                                          struct err *err)
{
    endpoint->peer_gone = true;
    return err_set(err, ST_PEER_GONE, NULL, "the %s hung up after %zu of %zu bytes of a frame",
                   endpoint->producing ? "consumer" : "producer", endpoint->moved_bytes,
                   endpoint->wire_bytes);
}

/* The kernel reports what is no hanging up. A socket says so once, so this side remembers. */
__attribute__((cold)) static enum status stream_broken(struct endpoint *endpoint, const char *doing,
                                                       struct err *err)
{
    const int error = errno;
    endpoint->peer_gone = true;
    return err_set_errno(err, error, endpoint->kind->broken_hint, "transport %s: %s",
                         endpoint->kind->transport->name, doing);
}

/* Takes the credits that have arrived. ST_OK also when there were none. */
static enum status stream_credits_take(struct endpoint *endpoint, struct err *err)
{
    uint8_t credits[256];
    endpoint->frames_since_look = 0;
    ssize_t count = stream_read_credits(endpoint, credits, sizeof credits);
    if (count == 0 || (count < 0 && stream_is_gone(errno)))
        return stream_peer_gone(endpoint, err);
    if (count < 0)
        return stream_would_block(errno) ? ST_OK
                                         : stream_broken(endpoint, "receiving credits", err);
    uint64_t ended = endpoint->ended;
    for (ssize_t i = 0; i < count; i++)
        ended += credits[i];
    if (ended > endpoint->begun)
        return err_set(err, ST_CORRUPT, NULL,
                       "transport %s: credits for more frames than were sent",
                       endpoint->kind->transport->name);
    endpoint->ended = ended;
    return ST_OK;
}

/* Between hosts: the consumer has yet to come in. */
__attribute__((cold)) static enum status stream_admit(struct endpoint *endpoint, struct err *err)
{
    struct stream_door *door = endpoint->ends.door;
    int fd = -1;
    enum status status = door->admit(door, &fd, err);
    if (status != ST_OK)
        return status;
    door->close(door);
    endpoint->ends = (struct stream_ends){fd, fd, NULL};
    return ST_OK;
}

enum status stream_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (endpoint->peer_gone)
        return stream_peer_gone(endpoint, err);
    if (endpoint->ends.door) {
        enum status status = stream_admit(endpoint, err);
        if (status != ST_OK)
            return status;
    }
    if (!endpoint->reserved) {
        if (endpoint->begun - endpoint->ended >= endpoint->limit ||
            endpoint->frames_since_look >= STREAM_FRAMES_PER_LOOK) {
            enum status status = stream_credits_take(endpoint, err);
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
static struct msghdr stream_message(uint8_t *header, uint8_t *payload, size_t payload_bytes,
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
static void stream_count_moved(struct endpoint *endpoint, struct frame *frame, size_t bytes)
{
    size_t before = endpoint->moved_bytes;
    size_t header_left = before < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES - before : 0;
    endpoint->copied_bytes += bytes > header_left ? bytes - header_left : 0;
    endpoint->moved_bytes = before + bytes;
    frame->progress_bytes = endpoint->moved_bytes;
}

enum status stream_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (!endpoint->reserved)
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    if (frame->payload_bytes != endpoint->payload_bytes)
        return err_set(err, ST_INVALID, NULL, "a frame of %zu payload bytes on an edge of %zu",
                       frame->payload_bytes, endpoint->payload_bytes);
    if (endpoint->peer_gone)
        return stream_peer_gone(endpoint, err);
    struct iovec parts[2];
    struct msghdr message = stream_message(frame->header, frame->payload, frame->payload_bytes,
                                           endpoint->moved_bytes, parts);
    ssize_t sent = stream_write_parts(endpoint, &message);
    if (sent < 0 && !stream_would_block(errno))
        return stream_is_gone(errno) ? stream_peer_gone(endpoint, err)
                                     : stream_broken(endpoint, "sending a frame", err);
    if (sent > 0)
        stream_count_moved(endpoint, frame, (size_t)sent);
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
static enum status stream_credits_send(struct endpoint *endpoint)
{
    while (endpoint->owed_frames > 0) {
        uint8_t credit = endpoint->owed_frames < 255 ? (uint8_t)endpoint->owed_frames : 255;
        ssize_t sent = stream_write_credit(endpoint, credit);
        if (sent != 1 && stream_would_block(errno))
            return ST_AGAIN;
        /* Nobody is left to credit when the producer has gone; acquire will say so. */
        endpoint->owed_frames -= sent == 1 ? credit : endpoint->owed_frames;
    }
    return ST_OK;
}

enum status stream_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->begun - endpoint->ended >= endpoint->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %u frames, the most it may", endpoint->max_held);
    if (endpoint->peer_gone)
        return stream_peer_gone(endpoint, err);
    if (endpoint->owed_frames > 0)
        stream_credits_send(endpoint);
    uint8_t *header = (uint8_t *)endpoint->buffers.bytes + endpoint->slot * endpoint->slot_bytes;
    uint8_t *payload = endpoint->payload_bytes ? header + FRAME_PAYLOAD_OFFSET : NULL;
    struct iovec parts[2];
    struct msghdr message =
        stream_message(header, payload, endpoint->payload_bytes, endpoint->moved_bytes, parts);
    ssize_t received = stream_read_parts(endpoint, &message);
    /* A frame cut off in the middle is no frame: nobody ever sees the half. */
    if (received == 0 || (received < 0 && stream_is_gone(errno)))
        return stream_peer_gone(endpoint, err);
    if (received < 0 && !stream_would_block(errno))
        return stream_broken(endpoint, "receiving a frame", err);
    if (received > 0)
        stream_count_moved(endpoint, frame, (size_t)received);
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

enum status stream_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->ended == endpoint->begun || frame->sequence != endpoint->ended)
        return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                       "frame number %llu is not the oldest one held",
                       (unsigned long long)frame->sequence);
    endpoint->ended++;
    endpoint->owed_frames++;
    stream_credits_send(endpoint);
    return ST_OK;
}

void stream_wait_source(struct endpoint *endpoint, enum direction direction,
                        struct wait_source *source)
{
    /* A producer in the middle of a frame waits for room in the stream, one without credit for
     * credits, and one whose consumer has yet to come for that. A consumer always waits for
     * bytes. */
    bool wants_room = endpoint->producing && endpoint->sending && direction == DIRECTION_WRITE;
    *source = (struct wait_source){
        .kind = SOURCE_FD,
        .fd = wants_room ? endpoint->ends.out_fd : endpoint->ends.in_fd,
        .events = wants_room ? POLLOUT : POLLIN,
    };
    if (endpoint->ends.door)
        source->fd = endpoint->ends.door->wait_fd;
}

/* All buffers of this side; the doorbell is a descriptor. Frames have no slots that both sides
 * know, so there is no `slot`. */
void stream_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    *memory = (struct transport_memory){endpoint->buffers.bytes, endpoint->buffers.size_bytes};
}

void stream_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){.copied_bytes = endpoint->copied_bytes};
}

/* Closes what is open of the ends. */
static void stream_ends_close(struct stream_ends *ends)
{
    if (ends->door)
        ends->door->close(ends->door);
    if (ends->in_fd >= 0)
        close(ends->in_fd);
    if (ends->out_fd >= 0 && ends->out_fd != ends->in_fd)
        close(ends->out_fd);
    *ends = STREAM_ENDS_NONE;
}

void stream_hang_up(struct endpoint *endpoint)
{
    if (endpoint->hung_up)
        return;
    endpoint->hung_up = true;
    endpoint->reserved = false;
    endpoint->sending = false;
    /* The producer only stops sending: credits still arrive, so that what was sent counts as
     * drained. Either way the other side's poll() becomes ready. */
    if (endpoint->pipes && endpoint->producing) {
        close(endpoint->ends.out_fd);
        endpoint->ends.out_fd = -1;
    } else if (endpoint->pipes || endpoint->ends.door) {
        stream_ends_close(&endpoint->ends);
        endpoint->peer_gone = true;
    } else {
        shutdown(endpoint->ends.out_fd, endpoint->producing ? SHUT_WR : SHUT_RDWR);
    }
}

static int64_t stream_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the other side's kernel has all frames, or their consumer has released them: a socket
 * closed before that is reset by the next credit, and what it had still to send is lost. */
static void stream_linger(struct endpoint *endpoint)
{
    const int fd = endpoint->ends.out_fd;
    const int64_t began_ms = stream_now_ms();
    int64_t moved_ms = began_ms, now_ms = began_ms;
    int unsent_bytes = 0, unsent_before = 0;
    while (endpoint->ended < endpoint->begun && now_ms - moved_ms < STREAM_STILL_MS &&
           now_ms - began_ms < STREAM_LINGER_MS) {
        /* The end of the stream counts as one more byte, which nobody needs to have seen. */
        if (ioctl(fd, SIOCOUTQ, &unsent_bytes) != 0 || unsent_bytes <= 1)
            return;
        struct pollfd credits = {.fd = fd, .events = POLLIN};
        poll(&credits, 1, 1);
        if (stream_credits_take(endpoint, NULL) != ST_OK)
            return;
        now_ms = stream_now_ms();
        if (unsent_bytes != unsent_before)
            moved_ms = now_ms;
        unsent_before = unsent_bytes;
    }
}

void stream_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    if (endpoint->ends.out_fd >= 0 || endpoint->ends.door)
        stream_hang_up(endpoint);
    if (endpoint->kind->lingers && endpoint->producing && endpoint->ends.out_fd >= 0 &&
        !endpoint->peer_gone)
        stream_linger(endpoint);
    stream_ends_close(&endpoint->ends);
    shm_unmap(&endpoint->buffers);
    free(endpoint);
}
