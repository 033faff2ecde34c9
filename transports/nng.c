/* nng.c: nng's PAIR protocol over a UNIX socket: frames one way, credits back, on one connection.
 *
 * PAIR and not PUSH and PULL, as PULL keeps one message outside of its queue and forgets it when
 * the connection ends; and its version 1, as sockets of version 0 leak the descriptors that they
 * are polled by (up to nng 1.5).
 *
 * What nng is: a message is an nng_msg; its own threads (a poller, two for each CPU, some more;
 * born in create and attach) read and write the socket. They stay, idle, until the process ends,
 * as nng_fini comes before what nng's reaper thread still does (seen with 1.5.2: a panic). Counting
 * and credits are in messages.c; here is what is nng's.
 *
 * Copies: nng sends nothing but messages that it has allocated, so a frame is copied into one
 * (from the source buffer), then by send() into the kernel and by recv() out of it; the
 * consumer's kernel works in the message that came. The message is new for each frame on both
 * sides, as a message that was sent belongs to nng and one that came is of its making; nng clears
 * it first, which is no copy, but goes through memory. nng_aio are made once and used again,
 * where nng_sendmsg and nng_recvmsg make one for each call.
 *
 * Sending never says "again": each message under way has an nng_aio of its own, and nng keeps
 * those that the socket does not take yet in order. Receiving goes into a queue that holds all
 * that can be under way, so that nng's threads read on whatever the role does.
 *
 * Wait `block` polls the descriptor that nng offers (NNG_OPT_RECVFD): nng raises and clears it
 * under the lock of its queue, so that it tells neither too little nor too much. Nothing raises
 * it when the peer is killed (TRANSPORT_DEATH_UNSEEN); the verbs and wait `native` see it.
 *
 * Closing: nng forgets what has not left, and when a connection ends, its reader forgets what it
 * has not read. So close waits until everything is in the kernel, until the kernel's queue of the
 * connection is empty, and a little longer for the last hand-over between the reader's threads.
 * (Of a producer that is killed, the last frames may be lost whole.)
 *
 * Who may come: the socket has an abstract name, of which a SIGKILL leaves nothing. It is random,
 * but /proc/net/unix shows it to all. So each side takes one peer in its life, and none but a
 * process of its own user, of which the kernel vouches (NNG_OPT_IPC_PEER_UID).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "transports/config.h"
#include "transports/messages.h"
#include "transports/unix_queue.h"

#define PAIR_MAGIC 0x676e6e6666666e68u /* "hnfffnng" */
#define PAIR_NAME_BYTES 16             /* random */
#define PAIR_PREFIX "handoff-"
/* On the wire the protocol puts a count of 4 bytes before each message, which shifts the body that
 * comes; so many more in front of a frame bring its payload to a multiple of 16. */
#define PAIR_HOPS_BYTES 4
#define PAIR_PAD_BYTES 4
#define PAIR_FRAME_OFFSET (PAIR_PAD_BYTES + FRAME_HEADER_BYTES) /* of the payload */
#define PAIR_URL_BYTES 64

#define PAIR_GREETING_BYTES 1
#define PAIR_GREETING_STEP_MS 20
#define PAIR_GREETING_STEPS 500

/* How long close waits, in all, for what was sent to leave; for the last hand-over on the other
 * side; and how long a producer whose frames are all there waits for the rest of the credits. */
#define PAIR_LEAVE_MS 1000
#define PAIR_HAND_OVER_MS 3
#define PAIR_CREDITS_MS 20
/* And how long nng may take to close, which it does at once or not at all. */
#define PAIR_CLOSE_S 1

static const char pair_version_hint[] = "install nng 1.5 or later (libnng-dev), and build again";

struct pair {
    bool open;
    nng_socket socket;
    bool producing;
    int receive_fd; /* nng's */
    size_t payload_bytes;
    char name[PAIR_URL_BYTES]; /* of the UNIX socket, without the leading zero */
    /* Written by nng's threads. */
    _Atomic int peer; /* the id of the one connection; 0: not yet */
    atomic_bool gone; /* it has ended */
    /* Messages being sent, in turn. */
    nng_aio **sends;
    uint32_t send_count;
    uint32_t next_send;
    uint64_t under_way; /* producer: frames sent and not credited */
    nng_aio *receive;
    nng_msg *stash; /* came while native_wait waited */
    nng_msg **held; /* consumer: by slot */
    uint32_t held_count;
};

/* The address's bytes. */
struct pair_address {
    struct messages_address edge;
    uint8_t name[PAIR_NAME_BYTES];
};

extern const struct transport transport_nng;
static void pair_close(void *self);

static enum status pair_error(struct err *err, int error, const char *doing)
{
    const enum status status = error == NNG_ENOMEM ? ST_NO_MEMORY : ST_SYSTEM;
    return err_set(err, status, NULL, "transport nng: %s: %s", doing, nng_strerror(error));
}

/* Asks nothing that would start its threads. */
static enum status pair_probe(struct err *err)
{
    int major = 0, minor = 0;
    if (sscanf(nng_version(), "%d.%d", &major, &minor) == 2 &&
        (major > 1 || (major == 1 && minor >= 5)))
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, pair_version_hint,
                   "transport nng: nng %s has no abstract sockets", nng_version());
}

/* ---- The connection -------------------------------------------------------------------------- */

/* nng calls these on a thread of its own. */
static void pair_peer_comes(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
    struct pair *pair = argument;
    uint64_t user = 0;
    int nobody = 0;
    const int error = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &user);
    const bool mine = error == 0 && user == geteuid();
    if (mine && atomic_compare_exchange_strong(&pair->peer, &nobody, nng_pipe_id(pipe)))
        return;
    /* A consumer closes its whole socket instead, in attach. */
    if (pair->producing)
        nng_pipe_close(pipe);
}

static void pair_peer_goes(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
    struct pair *pair = argument;
    if (nng_pipe_id(pipe) != atomic_load(&pair->peer))
        return;
    atomic_store(&pair->gone, true);
    nng_aio_cancel(pair->receive);
}

/* For the queue of what comes: a greeting, all frames or credits that can be under way, a
 * goodbye. */
static int pair_options(struct pair *pair, uint32_t slots)
{
    const size_t bytes =
        pair->producing ? MESSAGE_CREDIT_BYTES : PAIR_FRAME_OFFSET + pair->payload_bytes;
    const nng_duration never = 24 * 3600 * 1000;
    int error = nng_socket_set_int(pair->socket, NNG_OPT_RECVBUF, (int)slots + 3);
    if (error == 0)
        error = nng_socket_set_int(pair->socket, NNG_OPT_SENDBUF, 0);
    if (error == 0)
        error = nng_socket_set_size(pair->socket, NNG_OPT_RECVMAXSZ, PAIR_HOPS_BYTES + bytes);
    if (error == 0)
        error = nng_socket_set_ms(pair->socket, NNG_OPT_RECONNMINT, never);
    if (error == 0)
        error = nng_socket_set_ms(pair->socket, NNG_OPT_RECONNMAXT, never);
    if (error == 0)
        error = nng_pipe_notify(pair->socket, NNG_PIPE_EV_ADD_PRE, pair_peer_comes, pair);
    if (error == 0)
        error = nng_pipe_notify(pair->socket, NNG_PIPE_EV_REM_POST, pair_peer_goes, pair);
    return error;
}

static int pair_aios_make(struct pair *pair)
{
    int error = nng_aio_alloc(&pair->receive, NULL, NULL);
    for (uint32_t i = 0; error == 0 && i < pair->send_count; i++)
        error = nng_aio_alloc(&pair->sends[i], NULL, NULL);
    return error;
}

static enum status pair_new(const struct transport_config *config, bool producing,
                            struct pair **pair, struct err *err)
{
    struct pair *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport nng: no memory for an endpoint");
    made->producing = producing;
    made->receive_fd = -1;
    made->payload_bytes = config->payload_bytes;
    made->send_count = config->slots + 2; /* a greeting, frames or credits, a goodbye */
    made->held_count = producing ? 0 : config->max_held;
    made->sends = calloc(made->send_count, sizeof(nng_aio *));
    made->held = calloc(config->max_held, sizeof(nng_msg *));
    if (!made->sends || !made->held) {
        pair_close(made);
        return err_set(err, ST_NO_MEMORY, NULL, "transport nng: no memory for an endpoint");
    }
    int error = pair_aios_make(made);
    if (error == 0)
        error = nng_pair1_open(&made->socket);
    made->open = error == 0;
    if (error == 0)
        error = pair_options(made, config->slots);
    if (error == 0)
        error = nng_socket_get_int(made->socket, NNG_OPT_RECVFD, &made->receive_fd);
    if (error != 0) {
        pair_close(made);
        return pair_error(err, error, "opening a socket");
    }
    *pair = made;
    return ST_OK;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* An nng_aio whose message has gone, after a wait for the thread that is about to say so. */
static enum status pair_send_ready(nng_aio *aio, struct err *err)
{
    nng_aio_wait(aio);
    nng_msg *left = nng_aio_get_msg(aio);
    if (!left)
        return ST_OK;
    nng_msg_free(left);
    nng_aio_set_msg(aio, NULL);
    return pair_error(err, nng_aio_result(aio), "sending");
}

/* Takes its turn behind the messages that are under way. Takes over `message`. */
static enum status pair_send(struct pair *pair, nng_msg *message, struct err *err)
{
    /* Whoever used it last has been answered, but for goodbyes, so this hardly waits. */
    nng_aio *aio = pair->sends[pair->next_send];
    const enum status status = pair_send_ready(aio, err);
    if (status != ST_OK) {
        nng_msg_free(message);
        return status;
    }
    nng_aio_set_msg(aio, message);
#ifdef __SANITIZE_ADDRESS__
    /* From here on it is nng's, which leaks one that comes to a connection that is just closing
     * (ipc_pipe_send of 1.5). */
    __lsan_ignore_object(message);
#endif
    nng_send_aio(pair->socket, aio);
    pair->next_send = pair->next_send + 1 == pair->send_count ? 0 : pair->next_send + 1;
    return ST_OK;
}

/* An empty message for a peer who is still there. */
static enum status pair_message_make(const struct pair *pair, size_t size_bytes, nng_msg **message,
                                     struct err *err)
{
    if (atomic_load_explicit(&pair->gone, memory_order_relaxed))
        return err_set(err, ST_PEER_GONE, NULL, "transport nng: the connection has ended");
    const int error = nng_msg_alloc(message, size_bytes);
    return error == 0 ? ST_OK : pair_error(err, error, "making a message");
}

static enum status pair_send_bytes(struct pair *pair, const uint8_t bytes[4], struct err *err)
{
    nng_msg *message = NULL;
    const enum status status = pair_message_make(pair, 4, &message, err);
    if (status != ST_OK)
        return status;
    memcpy(nng_msg_body(message), bytes, 4);
    return pair_send(pair, message, err);
}

/* One attempt, `timeout` long (NNG_DURATION_ZERO: not at all). ST_AGAIN: nothing came. */
static enum status pair_receive_once(struct pair *pair, nng_duration timeout, nng_msg **message,
                                     struct err *err)
{
    nng_aio_set_timeout(pair->receive, timeout);
    nng_recv_aio(pair->socket, pair->receive);
    nng_aio_wait(pair->receive);
    const int error = nng_aio_result(pair->receive);
    if (error == NNG_ETIMEDOUT || error == NNG_ECANCELED)
        return ST_AGAIN;
    if (error != 0)
        return pair_error(err, error, "receiving");
    *message = nng_aio_get_msg(pair->receive);
    nng_aio_set_msg(pair->receive, NULL);
    return ST_OK;
}

static enum status pair_receive(struct pair *pair, nng_msg **message, struct err *err)
{
    if (pair->stash) {
        *message = pair->stash;
        pair->stash = NULL;
        return ST_OK;
    }
    /* Looked at first: what came before the end is there. */
    const bool gone = atomic_load(&pair->gone);
    const enum status status = pair_receive_once(pair, NNG_DURATION_ZERO, message, err);
    if (status == ST_AGAIN && gone)
        return err_set(err, ST_PEER_GONE, NULL, "transport nng: the connection has ended");
    return status;
}

static enum status pair_native_wait(void *self, int timeout_ms)
{
    struct pair *pair = self;
    if (pair->stash || atomic_load(&pair->gone))
        return ST_OK;
    const enum status status = pair_receive_once(pair, timeout_ms, &pair->stash, NULL);
    if (status != ST_AGAIN)
        return status;
    return atomic_load(&pair->gone) ? ST_OK : ST_TIMEOUT;
}

/* ---- The link of messages.h ------------------------------------------------------------------ */

static enum status pair_send_frame(void *self, const struct frame *frame, uint32_t slot,
                                   uint64_t *copied_bytes, struct err *err)
{
    struct pair *pair = self;
    nng_msg *message = NULL;
    enum status status =
        pair_message_make(pair, PAIR_FRAME_OFFSET + frame->payload_bytes, &message, err);
    if (status != ST_OK)
        return status;
    uint8_t *body = nng_msg_body(message); /* which is zero so far */
    memcpy(body + PAIR_PAD_BYTES, frame->header, FRAME_HEADER_BYTES);
    if (frame->payload_bytes > 0)
        memcpy(body + PAIR_FRAME_OFFSET, frame->payload, frame->payload_bytes);
    status = pair_send(pair, message, err);
    if (status != ST_OK)
        return status;
    pair->under_way++;
    *copied_bytes += 2 * frame->payload_bytes; /* into the message, and by send() */
    return ST_OK;
}

/* The producer's first message, which tells the consumer that its side of the connection stands.
 * nng leaks a connection that is neither new nor in use when its listener closes. */
static enum status pair_send_greeting(struct pair *pair, struct err *err)
{
    nng_msg *message = NULL;
    const enum status status = pair_message_make(pair, PAIR_GREETING_BYTES, &message, err);
    return status == ST_OK ? pair_send(pair, message, err) : status;
}

static enum status pair_take_greeting(struct pair *pair, struct err *err)
{
    nng_msg *message = NULL;
    enum status status = ST_AGAIN;
    /* In steps: the end of the connection may come just before a step, which it then does not
     * end. */
    for (int i = 0; i < PAIR_GREETING_STEPS && status == ST_AGAIN && !atomic_load(&pair->gone); i++)
        status = pair_receive_once(pair, PAIR_GREETING_STEP_MS, &message, err);
    if (status == ST_AGAIN && atomic_load(&pair->gone))
        return err_set(err, ST_SYSTEM, "run both roles as one user, and one consumer",
                       "transport nng: the producer ended the connection");
    if (status == ST_AGAIN)
        return err_set(err, ST_SYSTEM, NULL, "transport nng: the producer does not answer");
    if (status != ST_OK)
        return status;
    const size_t length = nng_msg_len(message);
    nng_msg_free(message);
    return length == PAIR_GREETING_BYTES
               ? ST_OK
               : err_set(err, ST_CORRUPT, NULL, "transport nng: %zu bytes are no greeting", length);
}

static enum status pair_send_goodbye(void *self, struct err *err)
{
    static const uint8_t goodbye[MESSAGE_GOODBYE_BYTES];
    return pair_send_bytes(self, goodbye, err);
}

static enum status pair_send_credit(void *self, uint32_t credit, struct err *err)
{
    const uint8_t bytes[MESSAGE_CREDIT_BYTES] = {(uint8_t)credit, (uint8_t)(credit >> 8),
                                                 (uint8_t)(credit >> 16), (uint8_t)(credit >> 24)};
    return pair_send_bytes(self, bytes, err);
}

static enum status pair_take_credit(void *self, uint32_t *credit, struct err *err)
{
    struct pair *pair = self;
    nng_msg *message = NULL;
    uint8_t bytes[MESSAGE_CREDIT_BYTES];
    const enum status status = pair_receive(pair, &message, err);
    if (status != ST_OK)
        return status;
    const size_t length = nng_msg_len(message);
    if (length == sizeof bytes)
        memcpy(bytes, nng_msg_body(message), sizeof bytes);
    nng_msg_free(message);
    if (length != sizeof bytes)
        return err_set(err, ST_CORRUPT, NULL, "transport nng: a message of %zu bytes is no credit",
                       length);
    *credit =
        bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    pair->under_way -= *credit < pair->under_way ? *credit : pair->under_way;
    return ST_OK;
}

/* nng's memory begins at a multiple of 16, and so do payloads, see PAIR_PAD_BYTES; should that ever
 * change, the message is moved to where its payload lies at one of 8. */
static enum status pair_align(nng_msg **message, size_t payload_bytes, uint64_t *copied_bytes,
                              struct err *err)
{
    const uint8_t *body = nng_msg_body(*message);
    nng_msg *moved = NULL;
    if ((uintptr_t)(body + PAIR_FRAME_OFFSET) % 8 == 0)
        return ST_OK;
    const int error = nng_msg_alloc(&moved, nng_msg_len(*message) + 8);
    if (error != 0)
        return pair_error(err, error, "making a message");
    const size_t over = (uintptr_t)((uint8_t *)nng_msg_body(moved) + PAIR_FRAME_OFFSET) % 8;
    nng_msg_trim(moved, (8 - over) % 8);
    memcpy(nng_msg_body(moved), body, nng_msg_len(*message));
    *copied_bytes += payload_bytes;
    nng_msg_free(*message);
    *message = moved;
    return ST_OK;
}

static enum status pair_take_frame(void *self, uint32_t slot, struct frame *frame, bool *goodbye,
                                   uint64_t *copied_bytes, struct err *err)
{
    static const uint8_t zeros[MESSAGE_GOODBYE_BYTES];
    struct pair *pair = self;
    nng_msg *message = NULL;
    enum status status = pair_receive(pair, &message, err);
    if (status != ST_OK)
        return status;
    const size_t length = nng_msg_len(message);
    if (length == sizeof zeros && memcmp(nng_msg_body(message), zeros, sizeof zeros) == 0) {
        nng_msg_free(message);
        *goodbye = true;
        return ST_OK;
    }
    if (length < PAIR_FRAME_OFFSET || length - PAIR_FRAME_OFFSET > pair->payload_bytes) {
        nng_msg_free(message);
        return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                       "transport nng: a message of %zu bytes on an edge of frames of %zu", length,
                       pair->payload_bytes);
    }
    status = pair_align(&message, length - PAIR_FRAME_OFFSET, copied_bytes, err);
    if (status != ST_OK) {
        nng_msg_free(message);
        return status;
    }
    uint8_t *body = nng_msg_body(message);
    frame->header = body + PAIR_PAD_BYTES;
    frame->payload = body + PAIR_FRAME_OFFSET;
    frame->payload_bytes = length - PAIR_FRAME_OFFSET;
    *copied_bytes += frame->payload_bytes; /* by recv() */
    pair->held[slot] = message;
    return ST_OK;
}

static void pair_drop(void *self, uint32_t slot)
{
    struct pair *pair = self;
    nng_msg_free(pair->held[slot]);
    pair->held[slot] = NULL;
}

static void pair_wait_source(void *self, enum direction direction, struct wait_source *source)
{
    struct pair *pair = self;
    /* Either side waits for messages only: those it sends are always taken. */
    *source = (struct wait_source){
        .kind = SOURCE_FD,
        .fd = pair->receive_fd,
        .events = POLLIN,
        .native_wait = pair_native_wait,
        .native_self = pair,
    };
}

/* ---- Closing --------------------------------------------------------------------------------- */

static uint64_t pair_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pair_sleep_us(long us)
{
    const struct timespec pause = {.tv_nsec = us * 1000};
    nanosleep(&pause, NULL);
}

/* Nobody has come whom the messages could reach, or he has gone. */
static bool pair_is_alone(const struct pair *pair)
{
    return atomic_load(&pair->gone) || atomic_load(&pair->peer) == 0;
}

/* Until nng has written all: with no room in its own queue, the socket takes one more message only
 * when the last one is written. */
static void pair_wait_written(const struct pair *pair, uint64_t until_ms)
{
    struct pollfd ready = {.events = POLLIN};
    if (nng_socket_get_int(pair->socket, NNG_OPT_SENDFD, &ready.fd) != 0)
        return;
    while (!pair_is_alone(pair) && pair_now_ms() < until_ms)
        if (poll(&ready, 1, 1) > 0)
            return;
}

/* Until the last bytes that the other side's reader took are a message in its queue. Who has all
 * frames credited knows that they were. */
static void pair_wait_handed_over(struct pair *pair, uint64_t until_ms)
{
    struct err ignored;
    uint32_t credit = 1;
    uint64_t now_ms;
    if (!pair->producing || pair->under_way == 0) {
        pair_sleep_us(PAIR_HAND_OVER_MS * 1000);
        return;
    }
    const uint64_t stop_ms = pair_now_ms() + PAIR_CREDITS_MS;
    while (pair->under_way > 0 && credit != MESSAGE_CREDIT_GOODBYE && !atomic_load(&pair->gone) &&
           (now_ms = pair_now_ms()) < (stop_ms < until_ms ? stop_ms : until_ms)) {
        if (pair_native_wait(pair, (int)(stop_ms - now_ms)) != ST_OK ||
            pair_take_credit(pair, &credit, &ignored) != ST_OK)
            return;
    }
}

static void pair_flush(struct pair *pair)
{
    const uint64_t until_ms = pair_now_ms() + PAIR_LEAVE_MS;
    if (pair_is_alone(pair))
        return;
    pair_wait_written(pair, until_ms);
    while (!pair_is_alone(pair) && !unix_queue_is_empty(pair->name) && pair_now_ms() < until_ms)
        pair_sleep_us(100);
    if (!pair_is_alone(pair))
        pair_wait_handed_over(pair, until_ms);
}

/* Closes and frees all; from a thread of its own where a socket is open. */
static void *pair_end(void *self)
{
    struct pair *pair = self;
    struct err ignored;
    if (pair->open)
        nng_close(pair->socket); /* ends what waits in an nng_aio */
    for (uint32_t i = 0; pair->sends && i < pair->send_count && pair->sends[i]; i++) {
        pair_send_ready(pair->sends[i], &ignored);
        nng_aio_free(pair->sends[i]);
    }
    if (pair->receive)
        nng_aio_free(pair->receive);
    if (pair->stash)
        nng_msg_free(pair->stash);
    for (uint32_t i = 0; pair->held && i < pair->held_count; i++)
        if (pair->held[i])
            nng_msg_free(pair->held[i]);
    free(pair->sends);
    free(pair->held);
    free(pair);
    return NULL;
}

/* nng_close may never return: seen with 1.5.2, twice in some 200 launches on a busy machine. By its
 * source: where the beginning of a message has come and the connection is closed before nng asks for
 * the rest, it asks in vain and then waits for the answer (ipc_pipe_recv_cb). So it gets its time, and
 * is then left to itself and to the end of the process. */
static void pair_close(void *self)
{
    struct pair *pair = self;
    sigset_t all, before;
    pthread_t thread;
    struct timespec until;
    if (!pair)
        return;
    if (!pair->open) {
        pair_end(pair);
        return;
    }
    pair_flush(pair);
    /* Signals are for the role's own thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, NULL, pair_end, pair);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        pair_end(pair);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PAIR_CLOSE_S;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        pthread_detach(thread);
}

static const struct message_link pair_link = {
    .send_frame = pair_send_frame,
    .send_goodbye = pair_send_goodbye,
    .take_credit = pair_take_credit,
    .take_frame = pair_take_frame,
    .drop = pair_drop,
    .send_credit = pair_send_credit,
    .wait_source = pair_wait_source,
    .close = pair_close,
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* "abstract://handoff-00112233…" */
static void pair_url(struct pair *pair, const uint8_t name[PAIR_NAME_BYTES],
                     char url[PAIR_URL_BYTES])
{
    size_t used = (size_t)snprintf(pair->name, sizeof pair->name, PAIR_PREFIX);
    for (size_t i = 0; i < PAIR_NAME_BYTES; i++)
        used += (size_t)snprintf(pair->name + used, sizeof pair->name - used, "%02x", name[i]);
    snprintf(url, PAIR_URL_BYTES, "abstract://%.*s", (int)used, pair->name);
}

static enum status pair_create(const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err)
{
    struct pair *pair = NULL;
    char url[PAIR_URL_BYTES];
    struct pair_address bytes = {.edge = messages_address_of(PAIR_MAGIC, config)};
    enum status status = transport_config_check(&transport_nng, config, err);
    if (status == ST_OK && getrandom(bytes.name, sizeof bytes.name, 0) != sizeof bytes.name)
        status = err_set_errno(err, errno, NULL, "transport nng: no random name for a socket");
    if (status == ST_OK)
        status = pair_probe(err);
    if (status == ST_OK)
        status = pair_new(config, true, &pair, err);
    if (status != ST_OK)
        return status;
    pair_url(pair, bytes.name, url);
    const int error = nng_listen(pair->socket, url, NULL, 0);
    status = error == 0 ? pair_send_greeting(pair, err) : pair_error(err, error, "listening");
    if (status != ST_OK) {
        pair_close(pair);
        return status;
    }
    struct endpoint *made = NULL;
    status = messages_open(&transport_nng, &pair_link, config, true, pair, &made, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    *endpoint = made;
    return ST_OK;
}

/* nng_dial returns when the connection stands here, and was let in or not. */
static enum status pair_dial(struct pair *pair, const char *url, struct err *err)
{
    const int error = nng_dial(pair->socket, url, NULL, 0);
    if (error != 0)
        return pair_error(err, error, "connecting to the producer");
    if (atomic_load(&pair->peer) == 0)
        return err_set(err, ST_SYSTEM, "run both roles as one user",
                       "transport nng: the producer is a process of another user");
    return pair_take_greeting(pair, err);
}

static enum status pair_attach(const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err)
{
    struct pair *pair = NULL;
    char url[PAIR_URL_BYTES];
    struct pair_address bytes;
    enum status status = transport_config_check(&transport_nng, config, err);
    if (status == ST_OK)
        status = pair_probe(err);
    if (status == ST_OK)
        status = messages_address_check(&transport_nng, PAIR_MAGIC, config, address, sizeof bytes,
                                        0, err);
    if (status == ST_OK)
        status = pair_new(config, false, &pair, err);
    if (status != ST_OK)
        goto undo_address;
    memcpy(&bytes, address->bytes, sizeof bytes);
    pair_url(pair, bytes.name, url);
    status = pair_dial(pair, url, err);
    if (status == ST_OK)
        status = messages_open(&transport_nng, &pair_link, config, false, pair, endpoint, err);
    else
        pair_close(pair);
undo_address:
    transport_address_close(address);
    return status;
}

const struct transport transport_nng = {
    .name = "nng",
    .summary = "nng (nanomsg) PAIR over a UNIX socket",
    .copies = "memcpy() into nng's message, send() into the kernel, recv() out of it",
    .flags = TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS | TRANSPORT_SENDS_SOURCE |
             TRANSPORT_NATIVE_WAIT | TRANSPORT_OWN_THREADS | TRANSPORT_DEATH_UNSEEN,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MESSAGES_SLOTS_MAX,
    .probe = pair_probe,
    .create = pair_create,
    .attach = pair_attach,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};
