/* zmq_link.c: how zmq_ipc and zmq_tcp move frames and credits through libzmq, and wait for them.
 * Called by messages.c, on the hot path. The connections themselves: zmq_link_parts.h.
 *
 * A frame whose message fits in libzmq's batch buffer (ZMQ_LINK_BATCH_BYTES) is copied into one
 * message: the library copies it into that buffer anyway, and one copy more costs less than a
 * second part. A larger one goes as two parts, the header and a reference to the payload where it
 * lies, which stays lent until the frame is released. A message over memory that libzmq need not
 * free (zmq_msg_init_data without a function) is not allocated either. What arrives is lent out of
 * libzmq's own message, small ones out of the decoder's buffer that they share, at any address.
 *
 * ZMQ_FD is edge-triggered: it tells of commands for the socket, and stays silent about those that
 * were read already. A receive that was refused has read them all and looked once more, so whatever
 * comes later makes the descriptor readable: `block` may sleep on it. A send looks at commands only
 * now and then, so a refused one asks for ZMQ_EVENTS, which reads them all, before it is believed.
 */
#include <poll.h>
#include <string.h>

#include "transports/zmq_link_parts.h"

/* Of the first batch of a large frame, what is not payload: two parts' flags and sizes, the
 * header. */
#define ZMQ_LINK_BATCH_OVERHEAD_BYTES (2 + FRAME_HEADER_BYTES + 9)

/* --- Sending and receiving -------------------------------------------------------------------- */

/* What the socket could do now; reads all commands for it, so that its descriptor tells of later
 * ones. */
static int zmq_link_events(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

/* Sends a part, without waiting. The message is libzmq's afterwards, also when it fails. */
static enum status zmq_link_push(struct zmq_link *link, enum zmq_link_way way, zmq_msg_t *message,
                                 int flags, struct err *err)
{
    void *socket = link->sockets[way];
    while (zmq_msg_send(message, socket, flags | ZMQ_DONTWAIT) < 0) {
        if (errno == EINTR || (errno == EAGAIN && (zmq_link_events(socket) & ZMQ_POLLOUT)))
            continue;
        const int error = errno;
        zmq_msg_close(message);
        errno = error;
        return error == EAGAIN ? ST_AGAIN : zmq_link_failed(link, "sending", err);
    }
    return ST_OK;
}

/* Takes a part, without waiting: what a native wait has kept, or the next. (`inline`: no call of it
 * stands in the way of a frame.) */
static inline enum status zmq_link_pull(struct zmq_link *link, enum zmq_link_way way,
                                        zmq_msg_t *message, struct err *err)
{
    zmq_msg_init(message);
    if (link->has_peeked) {
        link->has_peeked = false;
        zmq_msg_move(message, &link->peeked);
        return ST_OK;
    }
    while (zmq_msg_recv(message, link->sockets[way], ZMQ_DONTWAIT) < 0) {
        if (errno == EINTR)
            continue;
        return errno == EAGAIN ? ST_AGAIN : zmq_link_failed(link, "receiving", err);
    }
    return ST_OK;
}

/* A PUSH without a high-water mark refuses only when it has no peer: none any more, or none yet. In
 * between one may have come and gone: then its goodbye lies among the credits, the only message
 * that can be there before a frame was sent. */
static enum status zmq_link_no_peer(struct zmq_link *link, struct err *err)
{
    link->sending = true;
    if (!link->connected && !link->has_peeked) {
        const enum status status = zmq_link_pull(link, ZMQ_LINK_CREDITS, &link->peeked, err);
        if (status != ST_OK)
            return status;
        link->has_peeked = true;
    }
    link->lingers = false;
    return err_set(err, ST_PEER_GONE, NULL, "transport %s: the consumer's connection is gone",
                   link->transport->name);
}

/* Of a large frame, what passes through libzmq's batch: as much as fits beside header and sizes,
 * and the rest, too, where it is less than a batch. (A frame that waits behind another, or comes in
 * pieces, may differ by one batch.) */
static size_t zmq_link_batched_bytes(const struct zmq_link *link)
{
    const size_t first = ZMQ_LINK_BATCH_BYTES - ZMQ_LINK_BATCH_OVERHEAD_BYTES;
    return link->payload_bytes < first + ZMQ_LINK_BATCH_BYTES ? link->payload_bytes : first;
}

/* Puts header and payload one behind the other into the slot's place. */
static void zmq_link_gather(struct zmq_link *link, const struct frame *frame, uint32_t slot,
                            zmq_msg_t *message)
{
    uint8_t *bytes = link->wholes + slot * link->whole_bytes;
    memcpy(bytes, frame->header, FRAME_HEADER_BYTES);
    if (link->payload_bytes > 0)
        memcpy(bytes + FRAME_HEADER_BYTES, frame->payload, link->payload_bytes);
    zmq_msg_init_data(message, bytes, FRAME_HEADER_BYTES + link->payload_bytes, NULL, NULL);
}

static enum status zmq_link_send_frame(void *self, const struct frame *frame, uint32_t slot,
                                       uint64_t *copied_bytes, struct err *err)
{
    struct zmq_link *link = self;
    zmq_msg_t message;
    enum status status;
    if (link->whole) {
        zmq_link_gather(link, frame, slot, &message);
        status = zmq_link_push(link, ZMQ_LINK_FRAMES, &message, 0, err);
    } else {
        zmq_msg_init_data(&message, frame->header, FRAME_HEADER_BYTES, NULL, NULL);
        status = zmq_link_push(link, ZMQ_LINK_FRAMES, &message, ZMQ_SNDMORE, err);
    }
    if (status == ST_AGAIN)
        return zmq_link_no_peer(link, err);
    if (status != ST_OK)
        return status;
    link->sending = false;
    link->connected = true;
    if (!link->whole) {
        zmq_msg_init_data(&message, frame->payload, link->payload_bytes, NULL, NULL);
        status = zmq_link_push(link, ZMQ_LINK_FRAMES, &message, 0, err);
        /* The rest of a begun message is refused only when the connection went in between. */
        if (status == ST_AGAIN)
            return zmq_link_no_peer(link, err);
        if (status != ST_OK)
            return status;
    }
    /* Into the kernel, and what libzmq copies to its batch first; and our own copy. */
    *copied_bytes +=
        link->whole ? 3 * link->payload_bytes : link->payload_bytes + zmq_link_batched_bytes(link);
    return ST_OK;
}

static enum status zmq_link_send_goodbye(void *self, struct err *err)
{
    struct zmq_link *link = self;
    static uint8_t zeros[MESSAGE_GOODBYE_BYTES];
    zmq_msg_t message;
    zmq_msg_init_data(&message, zeros, sizeof zeros, NULL, NULL);
    const enum status status = zmq_link_push(link, ZMQ_LINK_FRAMES, &message, 0, err);
    if (status != ST_AGAIN)
        return status;
    /* Nobody to tell, unless a peer was let in a moment ago. */
    const uint32_t admitted = atomic_load_explicit(&link->gate.admitted, memory_order_acquire);
    return admitted & (1u << ZMQ_LINK_FRAMES) ? zmq_link_no_peer(link, err) : ST_PEER_GONE;
}

static enum status zmq_link_take_credit(void *self, uint32_t *credit, struct err *err)
{
    struct zmq_link *link = self;
    zmq_msg_t message;
    enum status status = zmq_link_pull(link, ZMQ_LINK_CREDITS, &message, err);
    if (status != ST_OK)
        return status;
    uint8_t bytes[MESSAGE_CREDIT_BYTES];
    if (zmq_msg_size(&message) == sizeof bytes && !zmq_msg_more(&message)) {
        memcpy(bytes, zmq_msg_data(&message), sizeof bytes);
        *credit = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                  (uint32_t)bytes[3] << 24;
        link->lingers &= *credit != MESSAGE_CREDIT_GOODBYE;
    } else {
        status = err_set(err, ST_CORRUPT, NULL, "transport %s: a credit message of %zu bytes",
                         link->transport->name, zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
    return status;
}

static enum status zmq_link_send_credit(void *self, uint32_t credit, struct err *err)
{
    struct zmq_link *link = self;
    zmq_msg_t message;
    zmq_msg_init_size(&message, MESSAGE_CREDIT_BYTES); /* small enough to lie in the message */
    const uint8_t bytes[MESSAGE_CREDIT_BYTES] = {(uint8_t)credit, (uint8_t)(credit >> 8),
                                                 (uint8_t)(credit >> 16), (uint8_t)(credit >> 24)};
    memcpy(zmq_msg_data(&message), bytes, sizeof bytes);
    const enum status status = zmq_link_push(link, ZMQ_LINK_CREDITS, &message, 0, err);
    /* attach has seen the connection: it was lost since. */
    return status == ST_AGAIN ? ST_PEER_GONE : status;
}

/* Lends the payload that begins `offset` bytes into the message kept in `held`. */
static void zmq_link_lend(struct zmq_link *link, struct zmq_held *held, size_t offset,
                          struct frame *frame, uint64_t *copied_bytes)
{
    frame->header = held->header;
    frame->payload = (uint8_t *)zmq_msg_data(&held->message) + offset;
    frame->payload_bytes = zmq_msg_size(&held->message) - offset;
    if (frame->payload_bytes != link->payload_bytes)
        return; /* messages.c refuses it */
    *copied_bytes += link->payload_bytes + (link->whole ? 0 : zmq_link_batched_bytes(link));
}

/* Not a frame: takes what is left of the message away. */
__attribute__((cold)) static enum status zmq_link_garbage(struct zmq_link *link, zmq_msg_t *message,
                                                          struct err *err)
{
    const size_t bytes = zmq_msg_size(message);
    while (zmq_msg_more(message)) {
        zmq_msg_close(message);
        struct err ignored;
        if (zmq_link_pull(link, ZMQ_LINK_FRAMES, message, &ignored) != ST_OK)
            break;
    }
    zmq_msg_close(message);
    return err_set(err, ST_CORRUPT, NULL,
                   "transport %s: a message that is no frame, its last part of %zu bytes",
                   link->transport->name, bytes);
}

static bool zmq_link_is_goodbye(zmq_msg_t *message)
{
    static const uint8_t zeros[MESSAGE_GOODBYE_BYTES];
    return zmq_msg_size(message) == sizeof zeros && !zmq_msg_more(message) &&
           memcmp(zmq_msg_data(message), zeros, sizeof zeros) == 0;
}

void zmq_link_drop(void *self, uint32_t slot)
{
    struct zmq_link *link = self;
    if (link->held[slot].open)
        zmq_msg_close(&link->held[slot].message);
    link->held[slot].open = false;
}

static enum status zmq_link_take_frame(void *self, uint32_t slot, struct frame *frame,
                                       bool *goodbye, uint64_t *copied_bytes, struct err *err)
{
    struct zmq_link *link = self;
    struct zmq_held *held = &link->held[slot];
    enum status status = zmq_link_pull(link, ZMQ_LINK_FRAMES, &held->message, err);
    if (status != ST_OK)
        return status;
    if (zmq_link_is_goodbye(&held->message)) {
        zmq_msg_close(&held->message);
        *goodbye = true;
        return ST_OK;
    }
    size_t offset = FRAME_HEADER_BYTES;
    if (zmq_msg_size(&held->message) < FRAME_HEADER_BYTES)
        return zmq_link_garbage(link, &held->message, err);
    memcpy(held->header, zmq_msg_data(&held->message), FRAME_HEADER_BYTES);
    if (zmq_msg_more(&held->message)) {
        if (zmq_msg_size(&held->message) != FRAME_HEADER_BYTES)
            return zmq_link_garbage(link, &held->message, err);
        zmq_msg_close(&held->message);
        /* All parts of a message arrive at once. */
        status = zmq_link_pull(link, ZMQ_LINK_FRAMES, &held->message, err);
        if (status != ST_OK)
            return status;
        if (zmq_msg_more(&held->message))
            return zmq_link_garbage(link, &held->message, err);
        offset = 0;
    }
    held->open = true;
    zmq_link_lend(link, held, offset, frame, copied_bytes);
    return ST_OK;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

/* The blocking receive of libzmq; what it brings is kept for the verb that asks next. */
static enum status zmq_link_native_receive(struct zmq_link *link, enum zmq_link_way way,
                                           int timeout_ms)
{
    void *socket = link->sockets[way];
    if (link->has_peeked)
        return ST_OK;
    if (link->native_timeout_ms != timeout_ms &&
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms) != 0)
        return ST_SYSTEM;
    link->native_timeout_ms = timeout_ms;
    zmq_msg_init(&link->peeked);
    link->has_peeked = zmq_msg_recv(&link->peeked, socket, 0) >= 0;
    if (link->has_peeked || errno == EINTR)
        return ST_OK;
    return errno == EAGAIN ? ST_TIMEOUT : ST_SYSTEM;
}

static enum status zmq_link_native_wait(void *self, int timeout_ms)
{
    struct zmq_link *link = self;
    if (!link->sending)
        return zmq_link_native_receive(link, link->producing ? ZMQ_LINK_CREDITS : ZMQ_LINK_FRAMES,
                                       timeout_ms);
    zmq_pollitem_t items[] = {
        {.socket = link->sockets[ZMQ_LINK_FRAMES], .events = ZMQ_POLLOUT},
        {.socket = link->sockets[ZMQ_LINK_CREDITS], .events = ZMQ_POLLIN},
    };
    const int count = zmq_poll(items, 2, timeout_ms);
    if (count < 0)
        return errno == EINTR ? ST_OK : ST_SYSTEM;
    return count > 0 ? ST_OK : ST_TIMEOUT;
}

/* A consumer waits for frames, a producer for credits, or for its peer to come (or say goodbye). */
static void zmq_link_wait_source(void *self, enum direction direction, struct wait_source *source)
{
    struct zmq_link *link = self;
    *source = (struct wait_source){
        .kind = SOURCE_FD,
        .fd = link->sending     ? link->either_fd
              : link->producing ? link->fds[ZMQ_LINK_CREDITS]
                                : link->fds[ZMQ_LINK_FRAMES],
        .events = POLLIN, /* for every kind of news */
        .native_wait = zmq_link_native_wait,
        .native_self = link,
    };
}

const struct message_link zmq_message_link = {
    .send_frame = zmq_link_send_frame,
    .send_goodbye = zmq_link_send_goodbye,
    .take_credit = zmq_link_take_credit,
    .take_frame = zmq_link_take_frame,
    .drop = zmq_link_drop,
    .send_credit = zmq_link_send_credit,
    .wait_source = zmq_link_wait_source,
    .close = zmq_link_close,
};
