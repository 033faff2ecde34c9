/* tcp_door.h: the producer's door on a network: it listens, and lets in the one who shows the
 * token.
 *
 * Who waits for whom: the runner gives the other host the address only after `create` has returned,
 * and the producer first calls `reserve` after `attach` has returned there. So nobody answers:
 * attach connects (the kernel here takes the call), sends the token as its first bytes and returns;
 * the producer looks for it in reserve, and the first bytes that go back are the first frame. A
 * caller that is turned away gets not one byte, only the end of the connection.
 *
 * Anybody who reaches the port may call, before and beside the right one:
 *  - no more than TCP_TOKEN bytes of a caller are ever read, and they are compared only when all are
 *    there and in a time that does not depend on them, so that nobody learns how many were right;
 *  - of callers that have not said that much yet, the TCP_DOOR_CALLERS newest are kept. The kernel
 *    shows a caller when it has said something, and the right one says all at once, so it is let in
 *    by the same call that sees it first, whoever else is there;
 *  - when it is in, the door and all other callers are closed.
 * The token and the frames cross the network as they are: who can read or change what travels
 * between the hosts can also take the place of either. Encryption is the network's matter (a VPN).
 */
#ifndef HANDOFF_TRANSPORTS_TCP_DOOR_H
#define HANDOFF_TRANSPORTS_TCP_DOOR_H

#include "transports/stream.h"
#include "transports/tcp_socket.h"

#define TCP_DOOR_CALLERS 8

/* Listens at listen->host on a port that the system chooses; *place is where. The caller owns *door
 * (door->close). ST_INVALID for a host that cannot be listened on, ST_SYSTEM, ST_NO_MEMORY. */
enum status tcp_door_open(const struct transport_listen *listen, struct tcp_place *place,
                          struct stream_door **door, struct err *err);

#endif
