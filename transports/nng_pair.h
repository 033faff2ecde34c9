/* nng_pair.h: one side of an edge over nng: what nng.c, nng_pair.c and nng_setup.c share, and
 * nobody else includes. What nng is, and what follows from it: nng.c.
 */
#ifndef HANDOFF_TRANSPORTS_NNG_PAIR_H
#define HANDOFF_TRANSPORTS_NNG_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

#include "transports/messages.h"

/* Before a frame in its message; the protocol's own count of 4 bytes comes before that on the wire
 * and shifts the body that comes, so that the payload lies at a multiple of 16. */
#define PAIR_PAD_BYTES 4
#define PAIR_FRAME_OFFSET (PAIR_PAD_BYTES + FRAME_HEADER_BYTES) /* of the payload */
#define PAIR_NAME_MAX 64

struct pair {
    bool open;
    nng_socket socket;
    bool producing;
    int receive_fd; /* nng's */
    size_t payload_bytes;
    char name[PAIR_NAME_MAX]; /* of the UNIX socket, without the leading zero */
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

/* What nng answered while `doing` something, as an error. */
static inline enum status pair_error(struct err *err, int error, const char *doing)
{
    const enum status status = error == NNG_ENOMEM ? ST_NO_MEMORY : ST_SYSTEM;
    return err_set(err, status, NULL, "transport nng: %s: %s", doing, nng_strerror(error));
}

/* ---- nng_pair.c: what messages.c calls, and what it is made of ------------------------------- */

extern const struct message_link pair_link;
/* An empty message of `size_bytes` for a peer who is still there; ST_PEER_GONE when he is not. The
 * caller owns it. */
enum status pair_message_make(const struct pair *pair, size_t size_bytes, nng_msg **message,
                              struct err *err);
/* Sends `message`, which it takes over, behind those that are under way. Waits for nng's answer to
 * the message `send_count` before it, which has come long ago unless that was a goodbye. */
enum status pair_send(struct pair *pair, nng_msg *message, struct err *err);
/* One attempt to receive, `timeout` long (NNG_DURATION_ZERO: not at all). ST_OK: *message is the
 * caller's; ST_AGAIN: nothing came. */
enum status pair_receive_once(struct pair *pair, nng_duration timeout, nng_msg **message,
                              struct err *err);
/* Waits until a message has come, which the next verb takes: ST_OK, also when the connection ended;
 * ST_TIMEOUT. */
enum status pair_native_wait(void *self, int timeout_ms);
/* As in messages.h. */
enum status pair_take_credit(void *self, uint32_t *credit, struct err *err);
/* Waits until nng is done with what was sent with `aio` last. ST_OK: it has gone. */
enum status pair_send_ready(nng_aio *aio, struct err *err);

/* ---- nng_setup.c: before the first message and after the last -------------------------------- */

/* A side with a socket that neither listens nor connects. The caller owns it (pair_close). */
enum status pair_new(const struct transport_config *config, bool producing, struct pair **pair,
                     struct err *err);
/* Waits until what was sent has reached the other side, a second at most, and frees everything; an
 * nng that does not end within another second is left to the end of the process. Safe on NULL and
 * on what was half-built. */
void pair_close(void *self);

#endif
