/* zmq_link.h: frames and credits over libzmq, for zmq_ipc.c and zmq_tcp.c, which differ only in the
 * address: create and attach. See zmq_link_parts.h.
 */
#ifndef HANDOFF_TRANSPORTS_ZMQ_LINK_H
#define HANDOFF_TRANSPORTS_ZMQ_LINK_H

#include "transports/messages.h"

enum zmq_link_kind {
    ZMQ_LINK_IPC,
    ZMQ_LINK_TCP,
};

/* What both transports declare. A peer that was killed is seen by a producer that sends, but not by
 * one that waits for credits, nor by a consumer: libzmq hides lost connections on purpose, and its
 * monitors would be one more queue to look into while waiting. */
#define ZMQ_LINK_FLAGS                                                          \
    (TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS | TRANSPORT_SENDS_SOURCE |        \
     TRANSPORT_BORROWS_SOURCE | TRANSPORT_NATIVE_WAIT | TRANSPORT_OWN_THREADS | \
     TRANSPORT_DEATH_UNSEEN)

/* The verbs of transport.h that are not messages.h's. attach waits until both connections stand,
 * ten seconds at most. */
enum status zmq_link_probe(const struct transport *transport, enum zmq_link_kind kind,
                           struct err *err);
enum status zmq_link_create(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config, struct endpoint **endpoint,
                            struct transport_address *address, struct err *err);
enum status zmq_link_attach(const struct transport *transport, enum zmq_link_kind kind,
                            const struct transport_config *config,
                            struct transport_address *address, struct endpoint **endpoint,
                            struct err *err);

#endif
