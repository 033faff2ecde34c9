/* dds_party.h: one side of a DDS edge: a domain of its own, discovery, a writer and a reader.
 *
 * dds.c moves frames over it. Every edge is a world of its own: a random tag that strangers do not
 * have, a port that the system chose, no multicast, and no word from the user's CYCLONEDDS_URI.
 */
#ifndef HANDOFF_TRANSPORTS_DDS_PARTY_H
#define HANDOFF_TRANSPORTS_DDS_PARTY_H

#include <dds/dds.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

#define DDS_PARTY_TAG_BYTES 32

/* Where the producer's side is, and what only its consumer knows. */
struct dds_party_place {
    char host[64]; /* numeric */
    uint32_t port; /* UDP, for everything */
    uint8_t tag[DDS_PARTY_TAG_BYTES];
};

/* What a side writes and reads, and how many messages of each may lie there unread. */
struct dds_party_topics {
    const char *written;
    const dds_topic_descriptor_t *written_type;
    int32_t written_depth;
    size_t written_bytes; /* of all of them, serialized */
    const void *hello;    /* a message to write first of all, once the other side is found */
    const char *read;
    const dds_topic_descriptor_t *read_type;
    int32_t read_depth;
    void *heard; /* room for the other side's hello */
};

struct dds_party {
    dds_entity_t domain; /* 0 until made; everything else goes with it */
    dds_entity_t participant;
    dds_entity_t writer;
    dds_entity_t reader;
    dds_entity_t waitset;        /* a message can be taken */
    dds_listener_t *listener;    /* of the library's threads: who has found whom */
    const void *hello;           /* of the producer's side: said by the listener */
    _Atomic uint32_t found;      /* enum dds_party_found, of writer and reader */
    _Atomic uint32_t is_greeted; /* hello is said */
};
enum dds_party_found {
    DDS_PARTY_FOUND_READER = 1 << 0, /* the other side's, by our writer */
    DDS_PARTY_FOUND_WRITER = 1 << 1, /* and by our reader */
    DDS_PARTY_FOUND_BOTH = DDS_PARTY_FOUND_READER | DDS_PARTY_FOUND_WRITER,
};

/* The producer's side. Fills in place->port, of a free port; host and tag are given. A domain's
 * threads start here and run until dds_party_close; one of them says hello to the consumer's side
 * when that is found: topics->hello stays valid until then. Does not wait for it. Errors:
 * ST_SYSTEM, ST_NO_MEMORY. The party must not move in memory. */
enum status dds_party_listen(struct dds_party *party, const struct dds_party_topics *topics,
                             struct dds_party_place *place, struct err *err);
/* The consumer's. Waits until it has heard the producer's hello and said its own, so that nothing
 * that either side writes from now on goes unheard: ST_TIMEOUT after timeout_ms. */
enum status dds_party_join(struct dds_party *party, const struct dds_party_topics *topics,
                           const struct dds_party_place *place, int timeout_ms, struct err *err);
/* The producer's side: has it found the consumer's, and said hello? What is written before is lost.
 * Waits, for microseconds, while a thread of the library is about to say it. */
bool dds_party_is_matched(struct dds_party *party);
/* Waits until the other side has acknowledged what was written, timeout_ms at most; has it? */
bool dds_party_linger(struct dds_party *party, int timeout_ms);
/* Ends the domain, its threads and its sockets. Safe on a zeroed party, and on a half-made one. */
void dds_party_close(struct dds_party *party);

/* A failed call of the library, as ST_SYSTEM. */
enum status dds_party_failed(dds_return_t result, const char *what, struct err *err);

#endif
