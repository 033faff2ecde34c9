/* memfd.c: a pool of segments whose descriptors are passed one per frame, as camera stacks pass
 * DMA-BUFs.
 *
 * Each slot is a sealed memfd of its own, laid out like a slot of transport shm: a page that
 * begins with the header, then the payload, so that anybody who gets the descriptor can map it. A
 * frame travels as a message on a UNIX socket: the 24 bytes of its header, and the segment's
 * descriptor (SCM_RIGHTS). The payload never moves. The way back is the same socket: a message of
 * one byte, the count of frames released.
 *
 * The consumer gets a new descriptor with each frame, though the pool goes round: that is what
 * this transport is there to measure. It knows a segment again by device and inode, maps it the
 * first time (every page present at once: the first `slots` frames pay, and belong to the
 * warm-up), and closes the descriptor. It believes nothing: what is no sealed segment of the
 * right size, one more than there are slots, or one that it still holds, is ST_CORRUPT. The
 * descriptors in a wrong message are closed.
 *
 * Decided:
 * - The seals are those against shrinking, growing and other seals, which keep the reader from
 *   SIGBUS. No seal against writing: the producer writes again, and consumers may too, since
 *   kernels such as `invert` work in place, here as in shm. So F_SEAL_FUTURE_WRITE has no place.
 * - There is no `memory` for a GPU to register: at the time roles register, no segment has arrived
 *   yet, and a range of addresses reserved for them has no pages to register. Announcing the pool
 *   beforehand would be another protocol, whose cost per frame is shm's plus a socket's.
 * - The messages are of SOCK_SEQPACKET: whole or not at all.
 *
 * Here is what happens to frames; what comes before the first one is in memfd_setup.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/memfd_parts.h"

/* Each slot costs both sides a mapping and the producer a descriptor. Video drivers' pools have 32
 * or 64 buffers at most. */
#define MEMFD_SLOTS_MAX 64

/* Room for more descriptors than are right, so that one too many is not mistaken for a limit. */
#define MEMFD_FDS_MAX 4

static const char memfd_peer_hint[] = "segments are passed by handoff's own roles only";

/* ---- What both sides need on the way --------------------------------------------------------- */

/* The kernel's word for "nothing now" and for "the other side is closed". */
static inline bool memfd_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}
static inline bool memfd_is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

__attribute__((cold)) static enum status memfd_peer_gone(struct endpoint *endpoint, struct err *err)
{
    endpoint->peer_gone = true;
    return err_set(err, ST_PEER_GONE, NULL, "the %s hung up",
                   endpoint->producing ? "consumer" : "producer");
}

__attribute__((cold)) static enum status memfd_still_broken(struct err *err)
{
    return err_set(err, ST_CORRUPT, NULL,
                   "transport memfd: a message was wrong before, so that a frame is missing");
}

/* ---- Producer -------------------------------------------------------------------------------- */

/* Takes a message of credits, if there is one. */
static enum status memfd_credit_take(struct endpoint *endpoint, struct err *err)
{
    uint8_t credits[2];
    const ssize_t count = recv(endpoint->fd, credits, sizeof credits, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && memfd_is_gone(errno)))
        return memfd_peer_gone(endpoint, err);
    if (count < 0)
        return memfd_would_block(errno)
                   ? ST_OK
                   : err_set_errno(err, errno, NULL, "transport memfd: receiving a credit");
    if (count != 1 || credits[0] > endpoint->begun - endpoint->ended)
        return err_set(err, ST_CORRUPT, NULL,
                       "transport memfd: a credit for more frames than were sent");
    endpoint->ended += credits[0];
    return ST_OK;
}

static enum status memfd_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->hung_up)
        return err_set(err, ST_INVALID, NULL, "reserve after hang_up");
    if (endpoint->peer_gone)
        return memfd_peer_gone(endpoint, err);
    if (!endpoint->reserved) {
        /* Unread credits never pile up: there are at most `slots` of them. */
        if (endpoint->begun - endpoint->ended >= endpoint->limit) {
            const enum status status = memfd_credit_take(endpoint, err);
            if (status != ST_OK)
                return status;
            if (endpoint->begun - endpoint->ended >= endpoint->limit)
                return ST_AGAIN;
        }
        endpoint->reserved = true;
    }
    uint8_t *bytes = endpoint->pool[endpoint->next].map.bytes;
    *frame = (struct frame){
        .header = bytes,
        .payload = endpoint->payload_bytes ? bytes + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = endpoint->next,
        .sequence = endpoint->begun,
    };
    return ST_OK;
}

/* One descriptor, as control data. */
union memfd_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MEMFD_FDS_MAX * sizeof(int))];
};

static ssize_t memfd_message_send(int socket, void *header, int fd)
{
    union memfd_control control = {.bytes = {0}};
    struct iovec part = {header, FRAME_HEADER_BYTES};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(sizeof fd),
    };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static enum status memfd_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (!endpoint->reserved)
        return err_set(err, ST_INVALID, NULL, "commit without a reserved frame");
    if (endpoint->peer_gone)
        return memfd_peer_gone(endpoint, err);
    const struct memfd_slot *slot = &endpoint->pool[endpoint->next];
    const ssize_t sent = memfd_message_send(endpoint->fd, frame->header, slot->map.fd);
    endpoint->sending = sent < 0 && memfd_would_block(errno);
    if (endpoint->sending)
        return ST_AGAIN;
    if (sent < 0 && memfd_is_gone(errno))
        return memfd_peer_gone(endpoint, err);
    if (sent < 0)
        return err_set_errno(err, errno, errno == ETOOMANYREFS ? MEMFD_LIMIT_HINT : NULL,
                             "transport memfd: sending a frame's descriptor");
    endpoint->reserved = false;
    endpoint->begun++;
    endpoint->next = endpoint->next + 1 == endpoint->slots ? 0 : endpoint->next + 1;
    return ST_OK;
}

/* ---- Consumer -------------------------------------------------------------------------------- */

/* Sends the credits owed. ST_AGAIN when the way back is full: the producer has so many unread ones
 * then that it cannot be waiting for more, and they are sent with a later call. */
static enum status memfd_credits_send(struct endpoint *endpoint)
{
    const uint8_t credit = (uint8_t)endpoint->owed_frames; /* slots at most */
    if (credit == 0)
        return ST_OK;
    const ssize_t sent = send(endpoint->fd, &credit, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != 1 && memfd_would_block(errno))
        return ST_AGAIN;
    /* Nobody is left to credit when the producer has gone; acquire will say so. */
    endpoint->owed_frames = 0;
    return ST_OK;
}

/* What came with a message: its descriptors are the caller's. */
struct memfd_message {
    uint8_t header[FRAME_HEADER_BYTES];
    ssize_t bytes; /* or -1, with errno */
    int flags;
    int fds[MEMFD_FDS_MAX];
    uint32_t fd_count;
};

static void memfd_message_receive(int socket, struct memfd_message *message)
{
    union memfd_control control;
    struct iovec part = {message->header, sizeof message->header};
    struct msghdr received = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    message->fd_count = 0;
    message->bytes = recvmsg(socket, &received, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    message->flags = received.msg_flags;
    if (message->bytes < 0)
        return;
    struct cmsghdr *part_of_control = CMSG_FIRSTHDR(&received);
    for (; part_of_control; part_of_control = CMSG_NXTHDR(&received, part_of_control)) {
        if (part_of_control->cmsg_level != SOL_SOCKET || part_of_control->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (part_of_control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && message->fd_count < MEMFD_FDS_MAX; i++)
            memcpy(&message->fds[message->fd_count++], CMSG_DATA(part_of_control) + i * sizeof(int),
                   sizeof(int));
    }
}

/* Is it a whole header with one descriptor? Otherwise every descriptor is closed. */
__attribute__((cold)) static enum status memfd_message_refuse(const struct memfd_message *message,
                                                              struct err *err)
{
    for (uint32_t i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
    /* The kernel gives those that it can; there was room for more. */
    if ((message->flags & MSG_CTRUNC) && message->fd_count < MEMFD_FDS_MAX)
        return err_set_errno(err, EMFILE, MEMFD_LIMIT_HINT,
                             "transport memfd: receiving a frame's descriptor");
    return err_set(err, ST_CORRUPT, memfd_peer_hint,
                   "transport memfd: a message of %zd bytes%s with %" PRIu32
                   " descriptors%s is no frame",
                   message->bytes, message->flags & MSG_TRUNC ? " or more" : "", message->fd_count,
                   message->flags & MSG_CTRUNC ? " or more" : "");
}

/* Maps a segment that has not come before, all its pages present. Takes over fd. */
static enum status memfd_segment_map(struct endpoint *endpoint, int fd, const struct stat *stat,
                                     struct memfd_slot **slot, struct err *err)
{
    if (endpoint->slot_count == endpoint->slots) {
        close(fd);
        return err_set(err, ST_CORRUPT, memfd_peer_hint,
                       "transport memfd: one segment more than the pool's %" PRIu32,
                       endpoint->slots);
    }
    if ((uintmax_t)stat->st_size != endpoint->segment_bytes) {
        close(fd);
        return err_set(err, ST_CORRUPT, memfd_peer_hint,
                       "transport memfd: a descriptor of %jd bytes came, not a segment of %zu",
                       (intmax_t)stat->st_size, endpoint->segment_bytes);
    }
    struct memfd_slot *mapped = &endpoint->pool[endpoint->slot_count];
    const enum status status = shm_attach(fd, endpoint->segment_bytes, &mapped->map, err);
    if (status != ST_OK)
        return err_context(err, "transport memfd");
    close(fd);
    mapped->map.fd = -1;
    mapped->device = stat->st_dev;
    mapped->inode = stat->st_ino;
    endpoint->slot_count++;
    *slot = mapped;
    return ST_OK;
}

/* The slot of a descriptor that came, which is closed. The pool goes round, so the first guess is
 * nearly always right. */
static enum status memfd_segment_find(struct endpoint *endpoint, int fd, struct memfd_slot **slot,
                                      struct err *err)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0) {
        const int error = errno;
        close(fd);
        return err_set_errno(err, error, NULL, "transport memfd: looking at a frame's descriptor");
    }
    for (uint32_t tries = 0, at = endpoint->next; tries < endpoint->slot_count; tries++, at++) {
        at = at < endpoint->slot_count ? at : 0;
        struct memfd_slot *known = &endpoint->pool[at];
        if (known->inode != stat.st_ino || known->device != stat.st_dev)
            continue;
        close(fd);
        if (known->held)
            return err_set(err, ST_CORRUPT, memfd_peer_hint,
                           "transport memfd: a segment came again before it was released");
        *slot = known;
        return ST_OK;
    }
    return memfd_segment_map(endpoint, fd, &stat, slot, err);
}

static enum status memfd_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->begun - endpoint->ended >= endpoint->max_held)
        return err_set(err, ST_INVALID, "release a frame first",
                       "the consumer already holds %u frames, the most it may", endpoint->max_held);
    if (endpoint->peer_gone)
        return memfd_peer_gone(endpoint, err);
    if (endpoint->broken)
        return memfd_still_broken(err);
    if (endpoint->owed_frames > 0)
        memfd_credits_send(endpoint);
    struct memfd_message message;
    memfd_message_receive(endpoint->fd, &message);
    /* A producer that closed with credits unread: the kernel tells that first, and once, and then
     * gives what was sent before. */
    if (message.bytes < 0 && errno == ECONNRESET)
        memfd_message_receive(endpoint->fd, &message);
    if (message.bytes < 0 && memfd_would_block(errno))
        return ST_AGAIN;
    if (message.bytes == 0 || (message.bytes < 0 && memfd_is_gone(errno)))
        return memfd_peer_gone(endpoint, err);
    if (message.bytes < 0)
        return err_set_errno(err, errno, NULL, "transport memfd: receiving a frame");
    struct memfd_slot *slot = NULL;
    enum status status = ST_OK;
    if (message.bytes != FRAME_HEADER_BYTES || message.fd_count != 1 ||
        (message.flags & (MSG_TRUNC | MSG_CTRUNC)))
        status = memfd_message_refuse(&message, err);
    else
        status = memfd_segment_find(endpoint, message.fds[0], &slot, err);
    endpoint->broken = status != ST_OK;
    if (status != ST_OK)
        return status;
    slot->held = true;
    memcpy(slot->header, message.header, sizeof slot->header);
    const uint32_t index = (uint32_t)(slot - endpoint->pool);
    endpoint->next = index + 1;
    *frame = (struct frame){
        .header = slot->header,
        .payload =
            endpoint->payload_bytes ? (uint8_t *)slot->map.bytes + FRAME_PAYLOAD_OFFSET : NULL,
        .payload_bytes = endpoint->payload_bytes,
        .slot = index,
        .sequence = endpoint->begun,
    };
    endpoint->begun++;
    return ST_OK;
}

static enum status memfd_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    if (endpoint->ended == endpoint->begun || frame->sequence != endpoint->ended)
        return err_set(err, ST_INVALID, "release each frame once, in the order of acquiring",
                       "frame number %llu is not the oldest one held",
                       (unsigned long long)frame->sequence);
    endpoint->pool[frame->slot].held = false;
    endpoint->ended++;
    endpoint->owed_frames++;
    memfd_credits_send(endpoint);
    return ST_OK;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static void memfd_wait_source(struct endpoint *endpoint, enum direction direction,
                              struct wait_source *source)
{
    /* A producer with a frame to send waits for room in the socket, one without credit for
     * credits. A consumer always waits for messages. */
    const bool wants_room =
        endpoint->producing && endpoint->sending && direction == DIRECTION_WRITE;
    *source = (struct wait_source){
        .kind = SOURCE_FD,
        .fd = endpoint->fd,
        .events = wants_room ? POLLOUT : POLLIN,
    };
}

static void memfd_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){.skipped_frames = 0};
}

static void memfd_hang_up(struct endpoint *endpoint)
{
    if (endpoint->hung_up || endpoint->fd < 0)
        return;
    endpoint->hung_up = true;
    endpoint->reserved = false;
    /* The producer only stops sending: credits still arrive, so that what was sent counts as
     * drained. Either way the other side's poll() becomes ready. */
    shutdown(endpoint->fd, endpoint->producing ? SHUT_WR : SHUT_RDWR);
}

static void memfd_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    memfd_hang_up(endpoint);
    if (endpoint->fd >= 0)
        close(endpoint->fd);
    for (uint32_t i = 0; i < endpoint->slot_count; i++)
        shm_unmap(&endpoint->pool[i].map);
    free(endpoint->pool);
    free(endpoint);
}

const struct transport transport_memfd = {
    .name = "memfd",
    .summary = "pool of segments, a descriptor passed per frame, zero-copy",
    .flags = 0,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MEMFD_SLOTS_MAX,
    .probe = memfd_probe,
    .create = memfd_transport_create,
    .attach = memfd_transport_attach,
    .reserve = memfd_reserve,
    .commit = memfd_commit,
    .acquire = memfd_acquire,
    .release = memfd_release,
    .wait_source = memfd_wait_source,
    .counters = memfd_counters,
    .hang_up = memfd_hang_up,
    .destroy = memfd_destroy,
};
