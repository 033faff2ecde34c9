/* ucx_link.h: one side of an edge over UCX: what ucx.c, ucx_setup.c and ucx_link.c share.
 *
 * Frames and credits are UCP's active messages. Beside them there is a socket pair, which carries
 * one message: the consumer's worker address, without which the producer could not send (it gets
 * the producer's in the edge's address). From then on only its end says something: that the other
 * side has hung up, or died. See ucx.c for what is decided and why.
 */
#ifndef HANDOFF_TRANSPORTS_UCX_LINK_H
#define HANDOFF_TRANSPORTS_UCX_LINK_H

#include <ucp/api/ucp.h>

#include "transports/messages.h"

/* A receive queue of UCX in shared memory has 64 elements, up to 31 of which the reader has read
 * but not yet given back. A frame needs one, so that so many always fit without anybody's help. */
#define UCX_SLOTS_MAX 16

/* Payloads up to this size UCX may hand out inside its queue, from where they must be copied at
 * once; larger ones it lends until they are given back, or has fetched for us. */
#define UCX_SMALL_BYTES 4096

/* The longest message that UCX moves in one piece, by default: of an eager message above that, the
 * receiver's UCX puts the pieces together, which is one more copy. */
#define UCX_PIECE_BYTES 8192

/* So many tries in vain, and the socket is looked at, which is a system call. */
#define UCX_TRIES_PER_LOOK 256

/* So often a consumer's try looks whether something has come: what is around a try costs more. */
#define UCX_LOOKS 8

/* The most calls of progress in one verb, each of which moves 512 KiB of a large frame. */
#define UCX_PROGRESS_MAX 128

enum ucx_message {
    UCX_MESSAGE_FRAME,  /* to the consumer: the header as UCX's header, the payload as its data */
    UCX_MESSAGE_CREDIT, /* to the producer: a struct ucx_credit as UCX's header */
};

/* How the payloads of this edge travel, as the consumer saw it. */
enum ucx_protocol {
    UCX_PROTOCOL_UNKNOWN,
    UCX_PROTOCOL_EAGER,  /* copied into shared memory by the sender's UCX */
    UCX_PROTOCOL_PUSHED, /* announced, then moved by both sides' UCX */
    UCX_PROTOCOL_PULLED, /* announced, then copied from the source by the receiver alone */
};

struct ucx_credit {
    uint32_t credit; /* as in messages.h */
    uint32_t protocol;
};

/* A worker's address on its way to the other side: a damaged one would crash UCX. */
#define UCX_ADDRESS_BYTES 3584
struct ucx_worker_address {
    uint64_t digest; /* of `bytes` */
    uint32_t byte_count;
    uint8_t bytes[UCX_ADDRESS_BYTES];
};
#define UCX_WORKER_ADDRESS_HEAD offsetof(struct ucx_worker_address, bytes)

/* A frame that has arrived at the consumer, or has been announced. */
struct ucx_arrival {
    uint8_t header[FRAME_HEADER_BYTES];
    void *data;        /* UCX's, while `lent` or `announced`; else in our buffers */
    size_t data_bytes; /* of the payload */
    unsigned copies;   /* of the payload, on this side */
    bool lent;         /* data is to be given back to UCX */
    bool announced;    /* data is not here yet: UCX's descriptor of what to fetch */
};

struct ucx_link {
    bool producing;
    size_t payload_bytes;
    uint32_t slots;
    ucp_context_h context;
    ucp_worker_h worker;
    ucp_ep_h endpoint;
    int event_fd;         /* UCX's own */
    int socket_fd;        /* the end of this side */
    uint32_t tries;       /* in vain, since the socket was looked at */
    bool corrupt;         /* a message came that is none of ours */
    bool peer_closed;     /* the socket has ended */
    bool peer_lost;       /* it has taken a frame with it that was announced */
    bool moved_since_try; /* by wait_source, behind the try in vain: no reason to sleep */
    /* The one credit message that UCX may still be sending, and its bytes. */
    void *credit_request;
    struct ucx_credit credit_sent;
    struct ucx_worker_address own; /* the address of this side's worker, as it is sent */
    /* Producer. */
    void *requests[UCX_SLOTS_MAX]; /* sends not yet complete, by slot */
    bool posted;                   /* the frame being committed has been given to UCX, */
    uint32_t posted_slot;          /* from this slot */
    bool greeted;                  /* `peer` is there */
    struct ucx_worker_address peer;
    uint32_t credit; /* arrived and not yet taken */
    /* Both. */
    enum ucx_protocol protocol;
    /* sent before the protocol was known: their copies are not counted yet */
    uint32_t unsure_frames;
    /* Consumer. Frames are counted; frame n is arrivals[n % slots]. */
    uint64_t arrived;
    uint64_t fetched; /* of them, whose bytes are here */
    uint64_t taken;
    uint64_t dropped; /* in the order of taking */
    struct ucx_arrival arrivals[UCX_SLOTS_MAX];
    void *fetch_request;
    bool pulls;             /* the way to fetch is one on which the sender need not help */
    struct shm_map buffers; /* private: for small payloads, and for those fetched */
    uint32_t buffer_count;
    size_t buffer_bytes;
};

extern const struct message_link ucx_message_link;
extern const struct transport transport_ucx;

/* A link with a context and a worker, but without an endpoint. */
enum status ucx_link_new(const struct transport_config *config, bool producing,
                         struct ucx_link **link, struct err *err);
/* The endpoint to the worker at `address`, which must have passed ucx_address_whole. */
enum status ucx_link_connect(struct ucx_link *link, const struct ucx_worker_address *address,
                             struct err *err);
/* Tells the producer the consumer's address. */
enum status ucx_link_greet(struct ucx_link *link, struct err *err);
/* Frees all but what is under way. Safe on NULL and on what is half-built. */
void ucx_link_free(struct ucx_link *link);
/* `byte_count` bytes of a struct ucx_worker_address are one, unharmed. */
bool ucx_address_whole(const void *bytes, size_t byte_count);
/* The handlers of messages that a side gets. */
enum status ucx_link_listen(struct ucx_link *link, struct err *err);
enum status ucx_failed(ucs_status_t status, const char *doing, struct err *err);

static inline bool ucx_link_pending(void *request)
{
    return request && ucp_request_check_status(request) == UCS_INPROGRESS;
}

#endif
