/* messages.h: an edge over a library that moves whole messages: frames one way, credits back.
 *
 * zmq_ipc.c, zmq_tcp.c, nng.c, ucx.c and dds.c differ in how a message is sent and received
 * (struct message_link); which frame is next, how many are under way, who may hold what, staging
 * slots, misuse and counting are the same for all of them and are here.
 *
 * On the way to the consumer a message is a frame (MESSAGE_FRAME: the header's FRAME_HEADER_BYTES
 * bytes and the payload) or the producer's goodbye; on the way back it is a number of frames
 * released, or the consumer's goodbye. A frame is sent only while fewer than `slots` (or
 * max_in_flight) are not yet released, so nothing ever queues beyond that, whatever the library's
 * own queues hold.
 */
#ifndef HANDOFF_TRANSPORTS_MESSAGES_H
#define HANDOFF_TRANSPORTS_MESSAGES_H

#include "harness/base/shm.h"
#include "transports/transport.h"

/* More would be memory for source buffers that nobody asked for: see cell_source_buffers. */
#define MESSAGES_SLOTS_MAX 64

/* A credit message: 4 bytes, little-endian, the number of frames released (1 or more), or
 * MESSAGE_CREDIT_GOODBYE. The producer's goodbye is a message of MESSAGE_GOODBYE_BYTES zero bytes,
 * which no frame is. */
#define MESSAGE_CREDIT_BYTES 4
#define MESSAGE_CREDIT_GOODBYE 0u
#define MESSAGE_GOODBYE_BYTES 4

/* How one side moves messages. `self` is the link's own; one thread calls. None of them waits, and
 * on the hot path none allocates, as far as the library lets it. */
struct message_link {
    /* Producer. Sends the frame in slot `slot` of `slots`: frame->header and frame->payload, which
     * stay as they are until the frame has been released (TRANSPORT_BORROWS_SOURCE) or, where the
     * link copies them, until this returns. ST_OK: sent; ST_AGAIN: call again with the same frame;
     * ST_PEER_GONE. Adds the payload copies of this side to *copied_bytes. */
    enum status (*send_frame)(void *self, const struct frame *frame, uint32_t slot,
                              uint64_t *copied_bytes, struct err *err);
    /* Producer. The producer's goodbye; ST_AGAIN as above (it is tried again in wait and
     * destroy). */
    enum status (*send_goodbye)(void *self, struct err *err);
    /* Producer. Takes one credit message: ST_OK and its number, ST_AGAIN, ST_PEER_GONE, ST_CORRUPT
     * for a message that is none. */
    enum status (*take_credit)(void *self, uint32_t *credit, struct err *err);

    /* Consumer. Takes one message and keeps it as number `slot` of `max_held`: sets header and
     * payload (at any address: nothing needs them aligned) to its bytes, *payload_bytes to what
     * came after the header, or *goodbye. The bytes stay until drop. ST_AGAIN, ST_PEER_GONE,
     * ST_CORRUPT for one that is shorter than a header and no goodbye, or longer than the edge
     * carries. */
    enum status (*take_frame)(void *self, uint32_t slot, struct frame *frame, bool *goodbye,
                              uint64_t *copied_bytes, struct err *err);
    /* Consumer. Nobody needs the bytes of message `slot` any more. */
    void (*drop)(void *self, uint32_t slot);
    /* Consumer. Sends one credit message. ST_AGAIN: not taken; the number is sent with a later one,
     * by the next release or acquire. So only while so many are unread that the producer cannot be
     * waiting for more; a link that may be full for other reasons keeps the credit itself. */
    enum status (*send_credit)(void *self, uint32_t credit, struct err *err);

    /* As in transport.h. */
    void (*wait_source)(void *self, enum direction direction, struct wait_source *source);
    /* Frees everything. Safe on NULL and on what was half-built. May wait for what was sent to
     * leave, a second at most. */
    void (*close)(void *self);
};

/* Makes an endpoint around `self`, which it owns from then on, also when it fails (link->close).
 * The producer's has `config->slots` staging slots, the consumer's none; but a single one where the
 * transport sends from the source without borrowing it (TRANSPORT_SENDS_SOURCE without
 * TRANSPORT_BORROWS_SOURCE), since then nothing is read after send_frame has returned. */
enum status messages_open(const struct transport *transport, const struct message_link *link,
                          const struct transport_config *config, bool producing, void *self,
                          struct endpoint **endpoint, struct err *err);

/* The verbs of transport.h. */
enum status messages_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status messages_commit(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status messages_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status messages_release(struct endpoint *endpoint, struct frame *frame, struct err *err);
void messages_wait_source(struct endpoint *endpoint, enum direction direction,
                          struct wait_source *source);
void messages_counters(const struct endpoint *endpoint, struct transport_counters *counters);
void messages_hang_up(struct endpoint *endpoint);
void messages_destroy(struct endpoint *endpoint);

/* What a link's address begins with: checked by attach against its own configuration. */
struct messages_address {
    uint64_t magic; /* the link's own */
    uint64_t payload_bytes;
    uint64_t first_sequence;
    uint32_t slots;
    uint32_t max_in_flight;
};
struct messages_address messages_address_of(uint64_t magic, const struct transport_config *config);
/* ST_CORRUPT unless `address` begins with exactly that, has `byte_count` bytes in all (0: any
 * number more) and `fd_count` descriptors. Takes nothing over. */
enum status messages_address_check(const struct transport *transport, uint64_t magic,
                                   const struct transport_config *config,
                                   const struct transport_address *address, uint32_t byte_count,
                                   uint32_t fd_count, struct err *err);

#endif
