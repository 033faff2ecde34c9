/* zmq_link.c: how zmq_ipc and zmq_tcp move frames and credits through libzmq.
 *
 * Two one-way connections in a context of their own on each side: PUSH to PULL for frames, PUSH to
 * PULL back for credits. The producer binds both, the consumer connects and waits until both stand,
 * so that create need not wait for anybody. libzmq starts its two threads (I/O and reaper) with the
 * context's first socket, inside create and attach.
 *
 * A frame whose message fits in libzmq's batch buffer (ZMQ_LINK_BATCH_BYTES) is copied into one
 * message: the library copies it into that buffer anyway, and one copy more costs less than a second
 * part. A larger one goes as two parts, the header and a reference to the payload where it lies,
 * which stays lent until the frame is released. A message over memory that libzmq need not free
 * (zmq_msg_init_data without a function) is not allocated either. What arrives is lent out of
 * libzmq's own message, small ones out of the decoder's buffer that they share, at any address.
 *
 * High-water marks: PUSH has none, since messages.c never sends more than `slots` frames that are
 * not released, and with a mark of slots + 1 libzmq would refuse sends although there is room: it
 * learns of what left only after half of the mark. PULL keeps the default of 1000, more than
 * MESSAGES_SLOTS_MAX, so a right peer never reaches it and a wrong one is bounded. PUSH never drops.
 *
 * Who may connect: both listening sockets ask for a user's password (PLAIN), the 32 random bytes of
 * the address in hexadecimal; a thread of ours answers libzmq's question (ZAP), admits one peer for
 * frames and one for credits, and ends. That is the handshake's affair: a frame costs nothing more.
 * zmq_ipc's abstract names are visible to other users of the host, so that its listeners also turn
 * away processes of other users.
 *
 * ZMQ_FD is edge-triggered: it tells of commands for the socket, and stays silent about those that
 * were read already. A receive that was refused has read them all and looked once more, so whatever
 * comes later makes the descriptor readable: `block` may sleep on it. A send looks at commands only
 * now and then, so a refused one asks for ZMQ_EVENTS, which reads them all, before it is believed.
 */
#include "transports/zmq_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "transports/config.h"

#if ZMQ_VERSION < ZMQ_MAKE_VERSION(4, 3, 0)
#error "libzmq 4.3 or later is needed; configure with -DHANDOFF_WITHOUT=ZMQ to do without"
#endif

#define ZMQ_LINK_MAGIC_IPC 0x637069716d7a6668u /* "hfzmqipc" */
#define ZMQ_LINK_MAGIC_TCP 0x706374716d7a6668u /* "hfzmqtcp" */

/* libzmq's in_batch_size and out_batch_size: it encodes into and decodes out of buffers of so many
 * bytes; only larger messages are sent from, and received into, where they lie. */
#define ZMQ_LINK_BATCH_BYTES 8192
/* Of the first batch of a large frame, what is not payload: two parts' flags and sizes, the header. */
#define ZMQ_LINK_BATCH_OVERHEAD_BYTES (2 + FRAME_HEADER_BYTES + 9)

/* Messages of the handshake are not longer. */
#define ZMQ_LINK_HANDSHAKE_BYTES 1024
#define ZMQ_LINK_LINGER_MS 1000
#define ZMQ_LINK_CONNECT_MS 10000
/* A connection that was lost is never made anew: what was under way would be missing. (-1, for
 * never, makes libzmq throw away what has arrived.) */
#define ZMQ_LINK_RECONNECT_MS 3600000

/* libzmq ends the process when it gets no descriptor, thread or memory. What a context needs, both
 * ends of its connections included, is asked for first. */
#define ZMQ_LINK_DESCRIPTORS 32
#define ZMQ_LINK_ROOM_BYTES ((size_t)64 << 20)

#define ZMQ_LINK_TOKEN_TEXT (2 * TRANSPORT_TOKEN_BYTES + 1)
#define ZMQ_LINK_ENDPOINT_BYTES 128
/* The two connections, by their ZAP domains. */
enum zmq_link_way { ZMQ_LINK_FRAMES, ZMQ_LINK_CREDITS, ZMQ_LINK_WAYS };
static const char *const zmq_link_domains[ZMQ_LINK_WAYS] = {"frames", "credits"};

/* The address's bytes. */
struct zmq_link_address {
    struct messages_address head;
    char endpoints[ZMQ_LINK_WAYS][ZMQ_LINK_ENDPOINT_BYTES]; /* NUL-terminated */
    char token[ZMQ_LINK_TOKEN_TEXT];
    char zero[7];
};

/* Lets in who knows the token; a thread of the producer until both connections stand. */
struct zmq_gate {
    void *socket; /* REP; the thread's own while it runs */
    pthread_t thread;
    bool running;
    char token[ZMQ_LINK_TOKEN_TEXT];
    _Atomic uint32_t admitted; /* a bit for each way */
};

/* A frame that the consumer holds. */
struct zmq_held {
    zmq_msg_t message; /* its payload, and its header too where there is one part */
    bool open;
    uint8_t header[FRAME_HEADER_BYTES];
};

struct zmq_link {
    const struct transport *transport;
    bool producing;
    bool lingers;   /* closing waits for what was sent, as somebody may still take it */
    bool connected; /* producer: a frame has been sent */
    bool sending;   /* producer: the last frame was refused, for want of a peer */
    size_t payload_bytes;
    bool whole; /* frames go as one copied part */
    void *context;
    void *sockets[ZMQ_LINK_WAYS];
    int fds[ZMQ_LINK_WAYS];
    int either_fd; /* producer: an epoll of both */
    /* The first part that a native wait has taken already. */
    zmq_msg_t peeked;
    bool has_peeked;
    int native_timeout_ms; /* as set last */
    struct zmq_gate gate;  /* producer */
    uint8_t *wholes;       /* producer: a place for each slot's message, where frames go whole */
    size_t whole_bytes;
    struct zmq_held *held; /* consumer: max_held of them */
    uint32_t held_count;
};

static enum status zmq_link_failed(const struct zmq_link *link, const char *what, struct err *err)
{
    return err_set(err, errno == ENOMEM ? ST_NO_MEMORY : ST_SYSTEM, NULL, "transport %s: %s: %s",
                   link->transport->name, what, zmq_strerror(errno));
}

/* --- Sending and receiving --------------------------------------------------------------------- */

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

/* Takes a part, without waiting: what a native wait has kept, or the next. */
static enum status zmq_link_pull(struct zmq_link *link, enum zmq_link_way way, zmq_msg_t *message,
                                 struct err *err)
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
 * between one may have come and gone: then its goodbye lies among the credits, the only message that
 * can be there before a frame was sent. */
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

/* Of a large frame, what passes through libzmq's batch: as much as fits beside header and sizes, and
 * the rest, too, where it is less than a batch. (A frame that waits behind another, or comes in
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

static void zmq_link_drop(void *self, uint32_t slot)
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

/* --- Waiting ------------------------------------------------------------------------------------ */

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

/* --- The gate ----------------------------------------------------------------------------------- */

/* The parts of a question, as RFC 27 (ZAP) numbers them; credentials of PLAIN are two. */
enum zmq_gate_part {
    ZMQ_GATE_VERSION,
    ZMQ_GATE_REQUEST,
    ZMQ_GATE_DOMAIN,
    ZMQ_GATE_ADDRESS,
    ZMQ_GATE_IDENTITY,
    ZMQ_GATE_MECHANISM,
    ZMQ_GATE_USER,
    ZMQ_GATE_PASSWORD,
    ZMQ_GATE_PARTS,
};

struct zmq_gate_question {
    char parts[ZMQ_GATE_PARTS][256]; /* NUL-terminated, or empty where too long */
    size_t bytes[ZMQ_GATE_PARTS];
    unsigned count;
};

/* The next question. false when the context ends. */
static bool zmq_gate_hear(void *socket, struct zmq_gate_question *question)
{
    memset(question, 0, sizeof *question);
    int more = 1;
    while (more) {
        char part[256];
        const int bytes = zmq_recv(socket, part, sizeof part, 0);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return false;
        if (question->count < ZMQ_GATE_PARTS && (size_t)bytes < sizeof part) {
            memcpy(question->parts[question->count], part, (size_t)bytes);
            question->bytes[question->count] = (size_t)bytes;
        }
        question->count++;
        size_t size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
    }
    return true;
}

/* Takes the same time however much is right. */
static bool zmq_gate_token_right(const struct zmq_gate *gate,
                                 const struct zmq_gate_question *question)
{
    unsigned difference = question->bytes[ZMQ_GATE_PASSWORD] ^ (ZMQ_LINK_TOKEN_TEXT - 1);
    for (size_t i = 0; i < ZMQ_LINK_TOKEN_TEXT - 1; i++)
        difference |= (unsigned)(gate->token[i] ^ question->parts[ZMQ_GATE_PASSWORD][i]);
    return difference == 0;
}

/* One peer for each way. */
static bool zmq_gate_admits(struct zmq_gate *gate, const struct zmq_gate_question *question)
{
    if (question->count != ZMQ_GATE_PARTS ||
        strcmp(question->parts[ZMQ_GATE_MECHANISM], "PLAIN") != 0 ||
        !zmq_gate_token_right(gate, question))
        return false;
    for (unsigned way = 0; way < ZMQ_LINK_WAYS; way++) {
        if (strcmp(question->parts[ZMQ_GATE_DOMAIN], zmq_link_domains[way]) != 0)
            continue;
        const uint32_t bit = 1u << way;
        return !(atomic_fetch_or_explicit(&gate->admitted, bit, memory_order_acq_rel) & bit);
    }
    return false;
}

static void *zmq_gate_run(void *self)
{
    struct zmq_gate *gate = self;
    struct zmq_gate_question question;
    const uint32_t all = (1u << ZMQ_LINK_WAYS) - 1;
    while (atomic_load_explicit(&gate->admitted, memory_order_relaxed) != all &&
           zmq_gate_hear(gate->socket, &question)) {
        const bool admitted = zmq_gate_admits(gate, &question);
        const char *request = question.parts[ZMQ_GATE_REQUEST];
        zmq_send(gate->socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(gate->socket, request, question.bytes[ZMQ_GATE_REQUEST], ZMQ_SNDMORE);
        zmq_send(gate->socket, admitted ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, 0);
    }
    /* The last answer is still on its way to the I/O thread: lingers as long as it needs. */
    zmq_close(gate->socket);
    return NULL;
}

/* Signals are for the role's own thread. */
static enum status zmq_gate_open(struct zmq_link *link, struct err *err)
{
    struct zmq_gate *gate = &link->gate;
    gate->socket = zmq_socket(link->context, ZMQ_REP);
    if (!gate->socket)
        return zmq_link_failed(link, "making a socket", err);
    if (zmq_bind(gate->socket, "inproc://zeromq.zap.01") != 0)
        return zmq_link_failed(link, "binding the authenticator", err);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&gate->thread, NULL, zmq_gate_run, gate);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    gate->running = error == 0;
    return error == 0
               ? ST_OK
               : err_set_errno(err, error, NULL, "transport %s: no thread", link->transport->name);
}

/* --- Making and closing ------------------------------------------------------------------------- */

static void zmq_link_close(void *self)
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

static const struct message_link zmq_message_link = {
    .send_frame = zmq_link_send_frame,
    .send_goodbye = zmq_link_send_goodbye,
    .take_credit = zmq_link_take_credit,
    .take_frame = zmq_link_take_frame,
    .drop = zmq_link_drop,
    .send_credit = zmq_link_send_credit,
    .wait_source = zmq_link_wait_source,
    .close = zmq_link_close,
};

/* Are there the descriptors and the address space that libzmq would end the process for? */
static enum status zmq_link_look_ahead(const struct transport *transport, size_t bytes,
                                       struct err *err)
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

static enum status zmq_link_set(struct zmq_link *link, enum zmq_link_way way, int option,
                                const void *value, size_t bytes, struct err *err)
{
    return zmq_setsockopt(link->sockets[way], option, value, bytes) == 0
               ? ST_OK
               : zmq_link_failed(link, "setting an option of a socket", err);
}

static enum status zmq_link_set_int(struct zmq_link *link, enum zmq_link_way way, int option,
                                    int value, struct err *err)
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

/* A link with its context, its sockets and the places of its frames. */
static enum status zmq_link_new(const struct transport *transport,
                                const struct transport_config *config, bool producing, bool ipv6,
                                struct zmq_link **out, struct err *err)
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

static enum status zmq_link_random(void *bytes, size_t count, struct err *err)
{
    return getrandom(bytes, count, 0) == (ssize_t)count
               ? ST_OK
               : err_set_errno(err, errno, NULL, "no random numbers");
}

static void zmq_link_hex(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The address to bind one way to. A port of 0 and so the endpoint itself is the system's choice. */
static enum status zmq_link_bind_name(enum zmq_link_kind kind,
                                      const struct transport_config *config,
                                      char name[ZMQ_LINK_ENDPOINT_BYTES], struct err *err)
{
    if (kind == ZMQ_LINK_IPC) {
        uint8_t random[16];
        enum status status = zmq_link_random(random, sizeof random, err);
        strcpy(name, "ipc://@handoff-");
        zmq_link_hex(random, sizeof random, name + strlen(name));
        return status;
    }
    const char *host = config->listen ? config->listen->host : "127.0.0.1";
    const bool colons = strchr(host, ':') != NULL;
    snprintf(name, ZMQ_LINK_ENDPOINT_BYTES, colons ? "tcp://[%s]:*" : "tcp://%s:*", host);
    return ST_OK;
}

/* Listens on one way, for one peer that knows the token. */
static enum status zmq_link_bind(struct zmq_link *link, enum zmq_link_way way,
                                 enum zmq_link_kind kind, const struct transport_config *config,
                                 char endpoint[ZMQ_LINK_ENDPOINT_BYTES], struct err *err)
{
    char name[ZMQ_LINK_ENDPOINT_BYTES];
    const char *domain = zmq_link_domains[way];
    enum status status = zmq_link_set_int(link, way, ZMQ_PLAIN_SERVER, 1, err);
    if (status == ST_OK)
        status = zmq_link_set(link, way, ZMQ_ZAP_DOMAIN, domain, strlen(domain), err);
#ifdef ZMQ_IPC_FILTER_UID
    const uid_t user = geteuid();
    if (status == ST_OK && kind == ZMQ_LINK_IPC)
        status = zmq_link_set(link, way, ZMQ_IPC_FILTER_UID, &user, sizeof user, err);
#endif
    if (status == ST_OK)
        status = zmq_link_bind_name(kind, config, name, err);
    if (status != ST_OK)
        return status;
    if (zmq_bind(link->sockets[way], name) != 0)
        return err_set(err, ST_SYSTEM, "is that an address of this host?",
                       "transport %s: cannot listen on %s: %s", link->transport->name, name,
                       zmq_strerror(errno));
    size_t size = ZMQ_LINK_ENDPOINT_BYTES;
    if (kind == ZMQ_LINK_IPC)
        memcpy(endpoint, name, sizeof name);
    else if (zmq_getsockopt(link->sockets[way], ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        return zmq_link_failed(link, "asking for an endpoint", err);
    return ST_OK;
}

static uint64_t zmq_link_magic(enum zmq_link_kind kind)
{
    return kind == ZMQ_LINK_IPC ? ZMQ_LINK_MAGIC_IPC : ZMQ_LINK_MAGIC_TCP;
}

static enum status zmq_link_listen(struct zmq_link *link, enum zmq_link_kind kind,
                                   const struct transport_config *config,
                                   struct zmq_link_address *bytes, struct err *err)
{
    uint8_t token[TRANSPORT_TOKEN_BYTES];
    enum status status = ST_OK;
    if (config->listen)
        memcpy(token, config->listen->token, sizeof token);
    else
        status = zmq_link_random(token, sizeof token, err);
    if (status != ST_OK)
        return status;
    bytes->head = messages_address_of(zmq_link_magic(kind), config);
    zmq_link_hex(token, sizeof token, bytes->token);
    memcpy(link->gate.token, bytes->token, sizeof link->gate.token);
    status = zmq_gate_open(link, err);
    for (int way = 0; way < ZMQ_LINK_WAYS && status == ST_OK; way++)
        status =
            zmq_link_bind(link, (enum zmq_link_way)way, kind, config, bytes->endpoints[way], err);
    return status;
}

enum status zmq_link_create(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config, struct endpoint **endpoint,
                            struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(transport, config, err);
    if (status == ST_OK)
        status = zmq_link_look_ahead(
            transport, config->slots * transport_slot_bytes(config->payload_bytes), err);
    if (status != ST_OK)
        return status;
    const bool ipv6 = config->listen && strchr(config->listen->host, ':');
    struct zmq_link *link = NULL;
    struct zmq_link_address bytes = {0};
    status = zmq_link_new(transport, config, true, ipv6, &link, err);
    if (status != ST_OK)
        return status;
    status = zmq_link_listen(link, kind, config, &bytes, err);
    if (status != ST_OK) {
        zmq_link_close(link);
        return status;
    }
    link->lingers = true;
    struct endpoint *made = NULL;
    status = messages_open(transport, &zmq_message_link, config, true, link, &made, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    *endpoint = made;
    return ST_OK;
}

/* One event of a socket's monitor, in the time that is left; 0 when none came. */
static unsigned zmq_link_monitor_next(void *monitor, int timeout_ms)
{
    zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    uint8_t event[6], name[256];
    int bytes;
    do
        bytes = zmq_recv(monitor, event, sizeof event, 0);
    while (bytes < 0 && errno == EINTR);
    if (bytes != (int)sizeof event)
        return 0;
    zmq_recv(monitor, name, sizeof name, 0);
    uint16_t number;
    memcpy(&number, event, sizeof number);
    return number;
}

/* Connects one way and waits until the other side has let it in. */
static enum status zmq_link_await(struct zmq_link *link, enum zmq_link_way way, void *monitor,
                                  const char *endpoint, struct err *err)
{
    if (zmq_connect(link->sockets[way], endpoint) != 0)
        return err_set(err, ST_CORRUPT, "give it an address that the transport made",
                       "transport %s: cannot connect to %s: %s", link->transport->name, endpoint,
                       zmq_strerror(errno));
    switch (zmq_link_monitor_next(monitor, ZMQ_LINK_CONNECT_MS)) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return ST_OK;
    case ZMQ_EVENT_CONNECT_RETRIED:
        return err_set(err, ST_SYSTEM, "is the producer still there?",
                       "transport %s: nobody listens on %s", link->transport->name, endpoint);
    case 0:
        return err_set(err, ST_SYSTEM, "is the producer stopped, or a firewall in between?",
                       "transport %s: %s did not answer within %d s", link->transport->name,
                       endpoint, ZMQ_LINK_CONNECT_MS / 1000);
    default:
        return err_set(err, ST_CORRUPT, "each address lets one consumer in, once",
                       "transport %s: %s did not let this consumer in", link->transport->name,
                       endpoint);
    }
}

static enum status zmq_link_connect(struct zmq_link *link, enum zmq_link_way way,
                                    const struct zmq_link_address *bytes, struct err *err)
{
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED;
    const char *name = way == ZMQ_LINK_FRAMES ? "inproc://frames" : "inproc://credits";
    enum status status = zmq_link_set(link, way, ZMQ_PLAIN_USERNAME, "handoff", 7, err);
    if (status == ST_OK)
        status =
            zmq_link_set(link, way, ZMQ_PLAIN_PASSWORD, bytes->token, ZMQ_LINK_TOKEN_TEXT - 1, err);
    if (status != ST_OK)
        return status;
    void *monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (!monitor)
        return zmq_link_failed(link, "making a socket", err);
    if (zmq_socket_monitor(link->sockets[way], name, events) == 0 &&
        zmq_connect(monitor, name) == 0)
        status = zmq_link_await(link, way, monitor, bytes->endpoints[way], err);
    else
        status = zmq_link_failed(link, "watching a connection", err);
    zmq_socket_monitor(link->sockets[way], NULL, 0);
    const int linger_ms = 0;
    zmq_setsockopt(monitor, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_close(monitor);
    return status;
}

/* Of an address that may be anything: texts that end, and endpoints of this kind. */
static enum status zmq_link_address_check(const struct transport *transport,
                                          enum zmq_link_kind kind,
                                          const struct transport_config *config,
                                          const struct transport_address *address,
                                          struct zmq_link_address *bytes, struct err *err)
{
    enum status status = messages_address_check(transport, zmq_link_magic(kind), config, address,
                                                sizeof *bytes, 0, err);
    if (status != ST_OK)
        return status;
    memcpy(bytes, address->bytes, sizeof *bytes);
    const char *scheme = kind == ZMQ_LINK_IPC ? "ipc://@" : "tcp://";
    bool right = strnlen(bytes->token, sizeof bytes->token) == sizeof bytes->token - 1;
    for (int way = 0; way < ZMQ_LINK_WAYS; way++) {
        const char *text = bytes->endpoints[way];
        right &= strnlen(text, ZMQ_LINK_ENDPOINT_BYTES) < ZMQ_LINK_ENDPOINT_BYTES &&
                 strncmp(text, scheme, strlen(scheme)) == 0;
    }
    return right
               ? ST_OK
               : err_set(err, ST_CORRUPT, "give it an address that the transport made",
                         "transport %s: the address has no %s endpoints", transport->name, scheme);
}

enum status zmq_link_attach(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config,
                            struct transport_address *address, struct endpoint **endpoint,
                            struct err *err)
{
    struct zmq_link *link = NULL;
    struct zmq_link_address bytes;
    enum status status = transport_config_check(transport, config, err);
    if (status == ST_OK)
        status = zmq_link_address_check(transport, kind, config, address, &bytes, err);
    transport_address_close(address);
    if (status == ST_OK)
        status = zmq_link_look_ahead(
            transport, config->slots * transport_slot_bytes(config->payload_bytes), err);
    if (status == ST_OK)
        status = zmq_link_new(transport, config, false,
                              strchr(bytes.endpoints[ZMQ_LINK_FRAMES], '[') != NULL, &link, err);
    if (status != ST_OK)
        return status;
    for (int way = 0; way < ZMQ_LINK_WAYS && status == ST_OK; way++)
        status = zmq_link_connect(link, (enum zmq_link_way)way, &bytes, err);
    if (status != ST_OK) {
        zmq_link_close(link);
        return status;
    }
    link->lingers = true;
    return messages_open(transport, &zmq_message_link, config, false, link, endpoint, err);
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
