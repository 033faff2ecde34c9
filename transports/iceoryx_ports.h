/* iceoryx_ports.h: one side of an edge as iceoryx sees it: a publisher towards the other side and a
 * subscriber to it, in a process that is known to RouDi. Used by iceoryx.c alone.
 */
#ifndef HANDOFF_TRANSPORTS_ICEORYX_PORTS_H
#define HANDOFF_TRANSPORTS_ICEORYX_PORTS_H

#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/wait_set.h>

#include "transports/transport.h"

struct iceoryx_ports {
    iox_pub_storage_t publisher_room;
    iox_sub_storage_t subscriber_room;
    iox_ws_storage_t wait_set_room;
    iox_pub_t publisher;  /* NULL until made */
    iox_sub_t subscriber; /* NULL until made */
    iox_ws_t wait_set;    /* NULL until the first iceoryx_ports_wait */
    bool connected;       /* both ports have met their counterparts */
};

/* A number for an edge that no other process or edge on this machine has. */
uint64_t iceoryx_edge_id(void);

/* Makes this process known to RouDi, once, and both ports. `queue` is how many messages can lie
 * unread on this side; the other side never sends more, so that neither policy for a full queue
 * ever counts. Blocks for some milliseconds. ST_UNAVAILABLE where no RouDi runs: iceoryx itself
 * would wait for one without end, and a failure inside it ends the process. */
enum status iceoryx_ports_open(struct iceoryx_ports *ports, uint64_t edge_id, bool producing,
                               uint32_t queue, struct err *err);

/* Have both ports met theirs? Looks only until they have. */
static inline bool iceoryx_ports_connected(struct iceoryx_ports *ports)
{
    if (__builtin_expect(!ports->connected, 0))
        ports->connected =
            iox_pub_has_subscribers(ports->publisher) &&
            iox_sub_get_subscription_state(ports->subscriber) == SubscribeState_SUBSCRIBED;
    return ports->connected;
}
/* Waits for that: half a second at most, then ST_CORRUPT, since nobody offers the other side. */
enum status iceoryx_ports_await_connected(struct iceoryx_ports *ports, struct err *err);

/* Loans a chunk of `bytes`, so aligned, once, and touches every page of the segment that it lies
 * in: that is where all frames of the edge lie. ST_UNAVAILABLE where RouDi has no such chunk. */
enum status iceoryx_ports_touch(struct iceoryx_ports *ports, uint32_t bytes, uint32_t alignment,
                                struct err *err);

/* source.h's native_wait: iceoryx's wait set, on this side's subscriber. It is made at the first
 * call, because a publisher pays for a subscriber that somebody waits on, also where nobody
 * does. */
enum status iceoryx_ports_wait(struct iceoryx_ports *ports, int timeout_ms);

/* Drops what lies unread and gives both ports back. Safe on zeroed ones and half-built ones. */
void iceoryx_ports_close(struct iceoryx_ports *ports);

#endif
