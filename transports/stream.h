/* stream.h: frames through a pair of byte streams: unix.c, tcp.c and pipe.c, which differ only in
 * how the two streams come about.
 *
 * On the wire, producer to consumer: the 24 bytes of the frame header, then the payload. Back come
 * credits: each byte is a count of frames released. A frame is sent only while fewer than `slots`
 * (or max_in_flight) are not yet released, so the contract of slots holds although the kernel's
 * buffers would take a different number; the credit costs one small system call per frame, after
 * the kernel's work is done.
 *
 * The kernel's buffers have the system's default sizes, on purpose: it is what people get. A frame
 * larger than that moves in pieces while the consumer receives, and commit answers ST_AGAIN in
 * between. Both sides remember where they are; nothing but one frame is ever in motion.
 *
 * The producer lends a staging slot, but a role whose frame lies elsewhere points header and
 * payload there before commit, and saves the copy (TRANSPORT_SENDS_SOURCE).
 */
#ifndef HANDOFF_TRANSPORTS_STREAM_H
#define HANDOFF_TRANSPORTS_STREAM_H

#include "transports/messages.h"
#include "transports/transport.h"

/* Where a producer's peer has yet to come in: between hosts. Owned by the endpoint that has it. */
struct stream_door {
    /* ST_OK: the peer is in; *fd is the caller's, and the door is closed next. ST_AGAIN: nobody
     * yet, call again when wait_fd is readable. Never waits. */
    enum status (*admit)(struct stream_door *door, int *fd, struct err *err);
    void (*close)(struct stream_door *door);
    int wait_fd;
};

/* One side's ends of the two streams: the same descriptor twice where it is a socket. */
struct stream_ends {
    int in_fd;                /* frames to a consumer, credits to a producer */
    int out_fd;               /* the other way */
    struct stream_door *door; /* producer: the ends are -1 and come through it; else NULL */
};
#define STREAM_ENDS_NONE ((struct stream_ends){-1, -1, NULL})

/* One way to make the streams. */
struct stream_kind {
    const struct transport *transport;
    /* The address: struct messages_address with this magic, then detail_bytes of the kind's own. */
    uint64_t magic;
    uint32_t detail_bytes;
    /* Two pipes, whose ends the kind makes non-blocking; writing needs SIGPIPE out of the way. */
    bool pipes;
    /* The socket loses what it has not delivered when it is closed with credits unread or still to
     * come (TCP's reset), so destroy waits until all is delivered: STREAM_LINGER_MS at most, and
     * STREAM_STILL_MS in which nothing moves. */
    bool lingers;
    const char *broken_hint; /* what to look at when the kernel reports an error of the stream */
    /* Makes both sides: the producer's ends, and for the consumer the address's descriptors and
     * detail, which is zeroed. On failure nothing is left open. */
    enum status (*make)(const struct transport_config *config, struct stream_ends *ends,
                        struct transport_address *address, void *detail, struct err *err);
    /* How many descriptors an address with this detail has. */
    uint32_t (*descriptors)(const void *detail);
    /* The consumer's ends, from an address of this magic and configuration with so many descriptors
     * that are open; which ones they are is for `take` to check: ST_CORRUPT. Sets those that it
     * takes over to -1 in the address. */
    enum status (*take)(struct transport_address *address, const void *detail,
                        struct stream_ends *ends, struct err *err);
};

#define STREAM_LINGER_MS 1000
#define STREAM_STILL_MS 200

/* create and attach of transport.h, for the streams of `kind`. */
enum status stream_create(const struct stream_kind *kind, const struct transport_config *config,
                          struct endpoint **endpoint, struct transport_address *address,
                          struct err *err);
enum status stream_attach(const struct stream_kind *kind, const struct transport_config *config,
                          struct transport_address *address, struct endpoint **endpoint,
                          struct err *err);

/* For `take`: a stream socket of this family that has, or had, a peer? */
bool stream_socket_usable(int fd, int family);

/* The other verbs of transport.h. */
enum status stream_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status stream_commit(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status stream_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status stream_release(struct endpoint *endpoint, struct frame *frame, struct err *err);
void stream_wait_source(struct endpoint *endpoint, enum direction direction,
                        struct wait_source *source);
void stream_memory(struct endpoint *endpoint, struct transport_memory *memory);
void stream_counters(const struct endpoint *endpoint, struct transport_counters *counters);
void stream_hang_up(struct endpoint *endpoint);
void stream_destroy(struct endpoint *endpoint);

/* What every kind can do; some add to it. */
#define STREAM_FLAGS \
    (TRANSPORT_SENDS_SOURCE | TRANSPORT_MOVES_BYTES | TRANSPORT_HOST_MEMORY | TRANSPORT_STREAMS)

/* The struct transport of one kind, `<key>_kind`, and its create and attach; the file has its
 * `<key>_probe`. */
#define STREAM_TRANSPORT(key, text, copied_by, its_flags)                                          \
    static enum status key##_create(const struct transport_config *config,                         \
                                    struct endpoint **endpoint, struct transport_address *address, \
                                    struct err *err)                                               \
    {                                                                                              \
        return stream_create(&key##_kind, config, endpoint, address, err);                         \
    }                                                                                              \
    static enum status key##_attach(const struct transport_config *config,                         \
                                    struct transport_address *address, struct endpoint **endpoint, \
                                    struct err *err)                                               \
    {                                                                                              \
        return stream_attach(&key##_kind, config, address, endpoint, err);                         \
    }                                                                                              \
    const struct transport transport_##key = {                                                     \
        .name = #key,                                                                              \
        .summary = text,                                                                           \
        .copies = copied_by,                                                                       \
        .flags = its_flags,                                                                        \
        .sources = SOURCE_FD,                                                                      \
        .policies = POLICY_BLOCK,                                                                  \
        .slots_min = 1,                                                                            \
        .slots_max = TRANSPORT_SLOTS_MAX,                                                          \
        .probe = key##_probe,                                                                      \
        .create = key##_create,                                                                    \
        .attach = key##_attach,                                                                    \
        .reserve = stream_reserve,                                                                 \
        .commit = stream_commit,                                                                   \
        .acquire = stream_acquire,                                                                 \
        .release = stream_release,                                                                 \
        .wait_source = stream_wait_source,                                                         \
        .memory = stream_memory,                                                                   \
        .counters = stream_counters,                                                               \
        .hang_up = stream_hang_up,                                                                 \
        .destroy = stream_destroy,                                                                 \
    }

#endif
