/* zmq_link_parts.h: one side of an edge over libzmq: what zmq_link.c, zmq_gate.c, zmq_setup.c and
 * zmq_open.c share, and nobody else includes.
 *
 * Two one-way connections in a context of their own on each side: PUSH to PULL for frames, PUSH to
 * PULL back for credits. The producer binds both, the consumer connects and waits until both stand,
 * so that create need not wait for anybody. libzmq starts its two threads (I/O and reaper) with the
 * context's first socket, inside create and attach.
 *
 * zmq_link.c moves frames and credits and says what to wait for; zmq_setup.c makes a side's context
 * and sockets, and closes them; zmq_gate.c lets the peer in; zmq_open.c puts the two sides
 * together.
 */
#ifndef HANDOFF_TRANSPORTS_ZMQ_LINK_PARTS_H
#define HANDOFF_TRANSPORTS_ZMQ_LINK_PARTS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "transports/zmq_link.h"

#if ZMQ_VERSION < ZMQ_MAKE_VERSION(4, 3, 0)
#error "libzmq 4.3 or later is needed; configure with -DHANDOFF_WITHOUT=ZMQ to do without"
#endif

/* libzmq's in_batch_size and out_batch_size: it encodes into and decodes out of buffers of so many
 * bytes; only larger messages are sent from, and received into, where they lie. */
#define ZMQ_LINK_BATCH_BYTES 8192

#define ZMQ_LINK_TOKEN_TEXT (2 * TRANSPORT_TOKEN_BYTES + 1)

/* The two connections. */
enum zmq_link_way { ZMQ_LINK_FRAMES, ZMQ_LINK_CREDITS, ZMQ_LINK_WAYS };
/* The ZAP domain of each. */
extern const char *const zmq_link_domains[ZMQ_LINK_WAYS];

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

/* What libzmq has just refused, with its reason (errno), as an error. */
static inline enum status zmq_link_failed(const struct zmq_link *link, const char *what,
                                          struct err *err)
{
    return err_set(err, errno == ENOMEM ? ST_NO_MEMORY : ST_SYSTEM, NULL, "transport %s: %s: %s",
                   link->transport->name, what, zmq_strerror(errno));
}

/* --- zmq_link.c: what messages.c calls; none of it waits -------------------------------------- */

extern const struct message_link zmq_message_link;
/* Gives the message that the consumer holds as number `slot` back to libzmq; harmless where there
 * is none. */
void zmq_link_drop(void *self, uint32_t slot);

/* --- zmq_setup.c: before the first frame and after the last ----------------------------------- */

/* Are there the descriptors, and beside the `bytes` of the edge's frames the address space, that
 * libzmq would end the process for? ST_SYSTEM or ST_NO_MEMORY says which limit to raise. */
enum status zmq_link_look_ahead(const struct transport *transport, size_t bytes, struct err *err);
/* A link with its context, its sockets, neither bound nor connected, and the places of its frames.
 * The caller owns it (zmq_link_close). Does not wait. */
enum status zmq_link_new(const struct transport *transport, const struct transport_config *config,
                         bool producing, bool ipv6, struct zmq_link **out, struct err *err);
/* Sets an option of the socket of one way. */
enum status zmq_link_set(struct zmq_link *link, enum zmq_link_way way, int option,
                         const void *value, size_t bytes, struct err *err);
enum status zmq_link_set_int(struct zmq_link *link, enum zmq_link_way way, int option, int value,
                             struct err *err);
/* Frees everything. Safe on NULL and on what was half-built. Waits for what was sent to leave,
 * where somebody may still take it (link->lingers), a second at most. */
void zmq_link_close(void *self);

/* --- zmq_gate.c ------------------------------------------------------------------------------- */

/* Starts the thread that lets in who shows link->gate.token; before the producer's sockets are
 * bound. It ends when both ways have their peer, or with the context; zmq_link_close joins it. */
enum status zmq_gate_open(struct zmq_link *link, struct err *err);

#endif
