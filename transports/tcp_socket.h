/* tcp_socket.h: TCP sockets as tcp.c and tcp_door.c need them: places, listening, connecting.
 */
#ifndef HANDOFF_TRANSPORTS_TCP_SOCKET_H
#define HANDOFF_TRANSPORTS_TCP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

/* A host and a port, as an address of a transport carries them to another machine. Every byte is
 * defined, so two are the same if their bytes are. */
struct tcp_place {
    uint32_t family;  /* 4 or 6: of the Internet protocol */
    uint32_t port;    /* 1 to 65535; 0 before a listener has one */
    uint8_t host[16]; /* in network order; the first 4 for family 4, the rest zero */
};

/* Between hosts, a connection on which nothing came back for so long is broken: what was sent and
 * is not acknowledged, what an idle side asks, and what a receiver has had no room for all that
 * time. */
#define TCP_CUT_MS 5000
/* How long connecting may take. */
#define TCP_CONNECT_MS 5000

/* The loopback of family 4 or 6, port 0. */
struct tcp_place tcp_place_loopback(uint32_t family);

/* From a numeric address of this host that others can reach: ST_INVALID for a name, for "all
 * addresses", and for an IPv6 address that is good on one link only (the other host would need its
 * own name of the link). */
enum status tcp_place_parse(const char *host, struct tcp_place *place, struct err *err);

/* "192.0.2.1 port 5000", for messages. */
#define TCP_PLACE_TEXT_BYTES 64
void tcp_place_text(const struct tcp_place *place, char text[TCP_PLACE_TEXT_BYTES]);

/* The two ends of a connection; false where the socket has none (any more), or of another
 * family. */
bool tcp_place_of_socket(int fd, struct tcp_place *place);
bool tcp_place_of_peer(int fd, struct tcp_place *place);

/* A listening socket that never blocks, at `place`, which gets its port. The caller closes *fd. */
enum status tcp_listen(struct tcp_place *place, int *fd, struct err *err);

/* Connects, waiting TCP_CONNECT_MS at most (ST_TIMEOUT). The caller closes *fd. */
enum status tcp_connect(const struct tcp_place *place, int *fd, struct err *err);

/* Sends at once what is written (TCP_NODELAY); between hosts also notices a cut (TCP_CUT_MS). */
enum status tcp_tune(int fd, bool crosses_hosts, struct err *err);

/* Waits until poll() reports `events`, until a time of tcp_now_ms() at most. */
bool tcp_ready(int fd, short events, int64_t until_ms);
int64_t tcp_now_ms(void);

#endif
