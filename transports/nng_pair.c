/* nng_pair.c: how transport nng moves frames and credits, and waits for them. Called by messages.c,
 * on the hot path; the greeting and the end of a connection use the same pieces (nng.c,
 * nng_setup.c).
 */
#include <poll.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "transports/nng_pair.h"

/* ---- Messages -------------------------------------------------------------------------------- */

/* An nng_aio whose message has gone, after a wait for the thread that is about to say so. */
enum status pair_send_ready(nng_aio *aio, struct err *err)
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
enum status pair_send(struct pair *pair, nng_msg *message, struct err *err)
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
enum status pair_message_make(const struct pair *pair, size_t size_bytes, nng_msg **message,
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
enum status pair_receive_once(struct pair *pair, nng_duration timeout, nng_msg **message,
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

enum status pair_native_wait(void *self, int timeout_ms)
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

enum status pair_take_credit(void *self, uint32_t *credit, struct err *err)
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

const struct message_link pair_link = {
    .send_frame = pair_send_frame,
    .send_goodbye = pair_send_goodbye,
    .take_credit = pair_take_credit,
    .take_frame = pair_take_frame,
    .drop = pair_drop,
    .send_credit = pair_send_credit,
    .wait_source = pair_wait_source,
    .close = pair_close,
};
