/* channel.h: the control socket between runner and role: whole JSON messages, with descriptors.
 *
 * A SOCK_SEQPACKET socket: one send is one message. Not for the hot path.
 */
#ifndef HANDOFF_BASE_CHANNEL_H
#define HANDOFF_BASE_CHANNEL_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"

#define CHANNEL_MESSAGE_BYTES_MAX 65536
#define CHANNEL_FDS_MAX 8

struct channel_message {
    cJSON *json; /* owned: channel_message_clear */
    int fds[CHANNEL_FDS_MAX];
    uint32_t fd_count; /* descriptors received; owned, those taken are set to -1 */
};

/* A connected pair, both close-on-exec. */
enum status channel_pair(int fds[2], struct err *err);

/* Sends one message; `fds` stay the caller's. ST_PEER_GONE when the other end is closed. */
enum status channel_send(int socket_fd, const cJSON *json, const int *fds, uint32_t fd_count,
                         struct err *err);

/* Waits until deadline_ns (CLOCK_MONOTONIC) for one message. ST_TIMEOUT, ST_PEER_GONE, ST_CORRUPT
 * for something that is not a JSON object, or one of the channel's limits exceeded. */
enum status channel_receive(int socket_fd, uint64_t deadline_ns, struct channel_message *message,
                            struct err *err);

/* Deletes the JSON and closes descriptors nobody took. Safe on a zeroed message. */
void channel_message_clear(struct channel_message *message);

#endif
