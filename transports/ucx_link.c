/* ucx_link.c: frames, credits and goodbyes as UCP's active messages: what messages.c drives. See
 * ucx_link.h and ucx.c.
 *
 * Whatever arrives, arrives in a callback inside ucp_worker_progress, which every verb calls when
 * it has nothing to give; callbacks only note.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "transports/ucx_link.h"

/* How long close waits for the other side to fetch or take what was sent. */
#define UCX_FLUSH_TRIES 1000
#define UCX_FLUSH_SLEEP_NS 1000000

/* --- What arrives ---------------------------------------------------------------------------- */

static ucs_status_t ucx_on_credit(void *self, const void *header, size_t header_bytes, void *data,
                                  size_t data_bytes, const ucp_am_recv_param_t *param)
{
    struct ucx_link *link = self;
    struct ucx_credit credit;
    if (header_bytes != sizeof credit || data_bytes != 0) {
        link->corrupt = true;
        return UCS_OK;
    }
    memcpy(&credit, header, sizeof credit);
    if (credit.credit == 0 || credit.credit > link->slots ||
        link->credit + credit.credit > link->slots || credit.protocol < UCX_PROTOCOL_EAGER ||
        credit.protocol > UCX_PROTOCOL_PULLED)
        link->corrupt = true;
    else {
        link->credit += credit.credit;
        link->protocol = (enum ucx_protocol)credit.protocol;
    }
    return UCS_OK;
}

static uint8_t *ucx_buffer(const struct ucx_link *link, uint64_t number)
{
    return (uint8_t *)link->buffers.bytes + number % link->buffer_count * link->buffer_bytes;
}

/* A frame, or the announcement of one. UCS_INPROGRESS keeps `data` for us until it is given
 * back. */
static ucs_status_t ucx_on_frame(void *self, const void *header, size_t header_bytes, void *data,
                                 size_t data_bytes, const ucp_am_recv_param_t *param)
{
    struct ucx_link *link = self;
    const bool announced = param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV;
    const bool lendable = param->recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA;
    if (header_bytes != FRAME_HEADER_BYTES || data_bytes != link->payload_bytes ||
        link->arrived - link->dropped >= link->slots ||
        (!announced && !lendable && data_bytes > UCX_SMALL_BYTES)) {
        link->corrupt = true;
        return UCS_OK;
    }
    struct ucx_arrival *arrival = &link->arrivals[link->arrived % link->slots];
    *arrival = (struct ucx_arrival){.data = data, .data_bytes = data_bytes};
    memcpy(arrival->header, header, FRAME_HEADER_BYTES);
    if (announced) {
        arrival->announced = true;
        arrival->copies = 1;
    } else if (data_bytes == 0) {
        arrival->data = NULL;
    } else if (lendable) {
        arrival->lent = true;
        arrival->copies = data_bytes > UCX_PIECE_BYTES;
    } else {
        arrival->data = ucx_buffer(link, link->arrived);
        arrival->copies = 1;
        memcpy(arrival->data, data, data_bytes);
    }
    link->arrived++;
    return arrival->announced || arrival->lent ? UCS_INPROGRESS : UCS_OK;
}

enum status ucx_link_listen(struct ucx_link *link, struct err *err)
{
    static const struct {
        enum ucx_message message;
        bool producing;
        ucp_am_recv_callback_t callback;
    } handlers[] = {
        {UCX_MESSAGE_CREDIT, true, ucx_on_credit},
        {UCX_MESSAGE_FRAME, false, ucx_on_frame},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].producing != link->producing)
            continue;
        const bool large =
            handlers[i].message == UCX_MESSAGE_FRAME && link->payload_bytes > UCX_SMALL_BYTES;
        const ucp_am_handler_param_t params = {
            .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                          UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG,
            .id = handlers[i].message,
            .flags = UCP_AM_FLAG_WHOLE_MSG | (large ? UCP_AM_FLAG_PERSISTENT_DATA : 0),
            .cb = handlers[i].callback,
            .arg = link,
        };
        const ucs_status_t status = ucp_worker_set_am_recv_handler(link->worker, &params);
        if (status != UCS_OK)
            return ucx_failed(status, "naming a handler of messages", err);
    }
    return ST_OK;
}

/* --- Progress -------------------------------------------------------------------------------- */

/* Finishes fetching: false while UCX is at it. */
static bool ucx_fetch_end(struct ucx_link *link)
{
    const ucs_status_t status = ucp_request_check_status(link->fetch_request);
    if (status == UCS_INPROGRESS)
        return false;
    ucp_request_free(link->fetch_request);
    link->fetch_request = NULL;
    link->peer_lost = link->peer_lost || status != UCS_OK;
    if (!link->peer_lost)
        link->fetched++;
    return true;
}

static void ucx_fetch_begin(struct ucx_link *link, struct ucx_arrival *arrival)
{
    const ucp_request_param_t params = {0};
    void *descriptor = arrival->data;
    arrival->data = ucx_buffer(link, link->fetched);
    arrival->announced = false;
    link->protocol = link->pulls ? UCX_PROTOCOL_PULLED : UCX_PROTOCOL_PUSHED;
    link->fetch_request =
        ucp_am_recv_data_nbx(link->worker, descriptor, arrival->data, arrival->data_bytes, &params);
    if (UCS_PTR_IS_ERR(link->fetch_request)) {
        link->fetch_request = NULL;
        link->peer_lost = true;
    } else if (!link->fetch_request) {
        link->fetched++;
    }
}

/* Starts or finishes fetching: one frame at a time, so that the oldest is here soonest, and as many
 * as may be held. False when there was nothing to start or finish. */
static bool ucx_fetch(struct ucx_link *link)
{
    bool moved = false;
    for (;;) {
        if (link->fetch_request) {
            if (!ucx_fetch_end(link))
                return moved;
            moved = true;
        }
        if (link->fetched == link->arrived || link->corrupt || link->peer_lost)
            return moved;
        struct ucx_arrival *arrival = &link->arrivals[link->fetched % link->slots];
        if (arrival->announced && link->fetched - link->dropped >= link->buffer_count)
            return moved;
        if (arrival->announced)
            ucx_fetch_begin(link, arrival);
        else
            link->fetched++;
        moved = true;
    }
}

/* One call; false when neither UCX nor we found anything to do. */
static inline bool ucx_progress(struct ucx_link *link)
{
    const bool moved = ucp_worker_progress(link->worker) != 0;
    return (!link->producing && ucx_fetch(link)) || moved;
}

/* True when the request, if there is one, has been completed; frees it then. */
static bool ucx_complete(void **request)
{
    if (ucx_link_pending(*request))
        return false;
    if (*request)
        ucp_request_free(*request);
    *request = NULL;
    return true;
}

__attribute__((cold)) static enum status ucx_peer_gone(struct err *err)
{
    return err_set(err, ST_PEER_GONE, NULL, "transport ucx: the other side is gone");
}
__attribute__((cold)) static enum status ucx_corrupt(struct err *err)
{
    return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                   "transport ucx: a message came that is none of this edge");
}

/* Looks at the socket: for the other side's address, or its end. */
static void ucx_look(struct ucx_link *link)
{
    struct ucx_worker_address address;
    link->tries = 0;
    if (link->peer_closed)
        return;
    const ssize_t count = recv(link->socket_fd, &address, sizeof address, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        link->peer_closed = true;
    } else if (link->producing && !link->greeted && ucx_address_whole(&address, (size_t)count)) {
        memcpy(&link->peer, &address, (size_t)count);
        link->greeted = true;
    } else {
        link->corrupt = true;
    }
}

/* After a try in vain. */
static inline void ucx_tried(struct ucx_link *link)
{
    if (++link->tries >= UCX_TRIES_PER_LOOK)
        ucx_look(link);
}

/* --- The producer's link --------------------------------------------------------------------- */

/* The endpoint, once the consumer has told its address. */
static enum status ucx_producer_connect(struct ucx_link *link, struct err *err)
{
    if (!link->greeted)
        ucx_look(link);
    if (link->corrupt)
        return ucx_corrupt(err);
    /* Nobody connects to one that has left since: there UCX only fails, and loses memory. */
    ucx_look(link);
    if (link->peer_closed)
        return ucx_peer_gone(err);
    if (!link->greeted)
        return ST_AGAIN;
    const enum status status = ucx_link_connect(link, &link->peer, err);
    if (status == ST_OK)
        return ST_OK;
    ucx_look(link);
    return link->peer_closed ? ucx_peer_gone(err) : status;
}

/* What the producer's side copied of frames that UCX did not complete at once, when that is
 * known. */
static void ucx_count_unsure(struct ucx_link *link, uint64_t *copied_bytes)
{
    if (link->protocol == UCX_PROTOCOL_UNKNOWN)
        return;
    if (link->protocol != UCX_PROTOCOL_PULLED)
        *copied_bytes += link->unsure_frames * (uint64_t)link->payload_bytes;
    link->unsure_frames = 0;
}

static enum status ucx_post_frame(struct ucx_link *link, const struct frame *frame, uint32_t slot,
                                  struct err *err)
{
    const ucp_request_param_t params = {0};
    /* What was in this slot has been released, so its send is over; UCX may only not know yet. */
    if (!ucx_complete(&link->requests[slot])) {
        ucx_progress(link);
        if (!ucx_complete(&link->requests[slot]))
            return ST_AGAIN;
    }
    void *request =
        ucp_am_send_nbx(link->endpoint, UCX_MESSAGE_FRAME, frame->header, FRAME_HEADER_BYTES,
                        frame->payload, frame->payload_bytes, &params);
    if (UCS_PTR_IS_ERR(request))
        return ucx_failed(UCS_PTR_STATUS(request), "sending a frame", err);
    link->requests[slot] = request;
    link->posted = true;
    link->posted_slot = slot;
    return ST_OK;
}

static enum status ucx_send_frame(void *self, const struct frame *frame, uint32_t slot,
                                  uint64_t *copied_bytes, struct err *err)
{
    struct ucx_link *link = self;
    enum status status = link->endpoint ? ST_OK : ucx_producer_connect(link, err);
    if (status != ST_OK)
        return status;
    if (!link->posted) {
        if (__builtin_expect(link->unsure_frames > 0, 0))
            ucx_count_unsure(link, copied_bytes);
        status = ucx_post_frame(link, frame, slot, err);
        if (status != ST_OK)
            return status;
        if (!link->requests[slot]) { /* gone at once: into the other side's queue */
            *copied_bytes += frame->payload_bytes;
            link->posted = false;
            return ST_OK;
        }
    }
    /* The announcement is out, and the consumer can do the rest alone. */
    const bool handed_over = link->protocol == UCX_PROTOCOL_PULLED;
    if (!handed_over) {
        ucx_progress(link);
        if (!ucx_complete(&link->requests[slot])) {
            ucx_tried(link);
            return link->peer_closed ? ucx_peer_gone(err) : ST_AGAIN;
        }
        link->unsure_frames++;
        ucx_count_unsure(link, copied_bytes);
    }
    link->posted = false;
    return ST_OK;
}

/* The end of the socket says it, and it says it also for one that was killed. */
static enum status ucx_send_goodbye(void *self, struct err *err)
{
    const struct ucx_link *link = self;
    shutdown(link->socket_fd, SHUT_WR);
    return ST_OK;
}

static enum status ucx_take_credit(void *self, uint32_t *credit, struct err *err)
{
    struct ucx_link *link = self;
    if (link->credit == 0)
        ucx_progress(link);
    if (__builtin_expect(link->corrupt, 0))
        return ucx_corrupt(err);
    if (link->credit == 0) {
        ucx_tried(link);
        if (!link->peer_closed)
            return ST_AGAIN;
        ucx_progress(link); /* what it sent before its end */
    }
    *credit = link->credit ? link->credit : MESSAGE_CREDIT_GOODBYE;
    link->credit = 0;
    return ST_OK;
}

/* --- The consumer's link --------------------------------------------------------------------- */

/* Goes on as long as UCX moves something (a large frame comes in pieces, one for each call) and no
 * frame is whole. */
static bool ucx_receive(struct ucx_link *link)
{
    for (int i = 0, idle = 0; i < UCX_PROGRESS_MAX && link->taken == link->fetched; i++)
        if (!ucx_progress(link) && ++idle == UCX_LOOKS)
            break;
    return link->taken != link->fetched;
}

static enum status ucx_take_frame(void *self, uint32_t slot, struct frame *frame, bool *goodbye,
                                  uint64_t *copied_bytes, struct err *err)
{
    struct ucx_link *link = self;
    if (link->taken == link->fetched && !ucx_receive(link)) {
        ucx_tried(link);
        /* What it sent before its end, which may take more than one try. */
        *goodbye = link->peer_closed && !ucx_receive(link) && !(link->pulls && link->fetch_request);
    }
    if (__builtin_expect(link->corrupt, 0))
        return ucx_corrupt(err);
    if (link->taken == link->fetched)
        return *goodbye ? ST_OK : ST_AGAIN;
    struct ucx_arrival *arrival = &link->arrivals[link->taken % link->slots];
    if (link->protocol == UCX_PROTOCOL_UNKNOWN)
        link->protocol = UCX_PROTOCOL_EAGER;
    frame->header = arrival->header;
    frame->payload = arrival->data;
    frame->payload_bytes = arrival->data_bytes;
    *copied_bytes += arrival->copies * (uint64_t)arrival->data_bytes;
    link->taken++;
    return ST_OK;
}

/* Frames are dropped in the order in which they were taken: `slot` says nothing new. */
static void ucx_drop(void *self, uint32_t slot)
{
    struct ucx_link *link = self;
    struct ucx_arrival *arrival = &link->arrivals[link->dropped % link->slots];
    if (arrival->lent)
        ucp_am_data_release(link->worker, arrival->data);
    arrival->lent = false;
    link->dropped++;
}

static enum status ucx_send_credit(void *self, uint32_t credit, struct err *err)
{
    struct ucx_link *link = self;
    const ucp_request_param_t params = {0};
    if (credit == MESSAGE_CREDIT_GOODBYE)
        return ucx_send_goodbye(self, err);
    if (!ucx_complete(&link->credit_request)) {
        ucx_progress(link);
        if (!ucx_complete(&link->credit_request))
            return ST_AGAIN;
    }
    link->credit_sent = (struct ucx_credit){.credit = credit, .protocol = link->protocol};
    void *request = ucp_am_send_nbx(link->endpoint, UCX_MESSAGE_CREDIT, &link->credit_sent,
                                    sizeof link->credit_sent, NULL, 0, &params);
    if (UCS_PTR_IS_ERR(request))
        return ucx_failed(UCS_PTR_STATUS(request), "sending a credit", err);
    link->credit_request = request;
    return ST_OK;
}

/* --- Waiting and ending ---------------------------------------------------------------------- */

/* UCX's own way to sleep: its descriptor tells of news only after the worker was armed, and arming
 * finds what is there already; but not what was taken up since the last try. */
static enum status ucx_native_wait(void *self, int timeout_ms)
{
    struct ucx_link *link = self;
    if (link->moved_since_try) {
        link->moved_since_try = false;
        return ST_OK;
    }
    const ucs_status_t armed = ucp_worker_arm(link->worker);
    if (armed == UCS_ERR_BUSY)
        return ST_OK;
    if (armed != UCS_OK)
        return ST_SYSTEM;
    struct pollfd ready[] = {{.fd = link->event_fd, .events = POLLIN},
                             {.fd = link->socket_fd, .events = POLLIN}};
    const int count = poll(ready, 2, timeout_ms);
    if (count == 0)
        return ST_TIMEOUT;
    if (count > 0 && ready[1].revents)
        ucx_look(link);
    return count > 0 || errno == EINTR ? ST_OK : ST_SYSTEM;
}

static void ucx_wait_source(void *self, enum direction direction, struct wait_source *source)
{
    struct ucx_link *link = self;
    link->moved_since_try = ucx_progress(link) || link->moved_since_try;
    *source = (struct wait_source){
        .kind = SOURCE_NATIVE,
        .fd = -1,
        .native_wait = ucx_native_wait,
        .native_self = self,
    };
}

/* Has the consumer still to fetch a frame that was committed? */
static bool ucx_lends(struct ucx_link *link)
{
    bool lends = false;
    for (uint32_t i = 0; i < link->slots; i++)
        lends = (!ucx_complete(&link->requests[i]) && !(link->posted && i == link->posted_slot)) ||
                lends;
    return lends;
}

static void ucx_close(void *self)
{
    struct ucx_link *link = self;
    if (!link)
        return;
    for (int i = 0; i < UCX_FLUSH_TRIES && ucx_lends(link); i++) {
        const struct timespec pause = {.tv_nsec = UCX_FLUSH_SLEEP_NS};
        ucx_look(link);
        if (link->peer_closed)
            break;
        if (!ucx_progress(link))
            nanosleep(&pause, NULL);
    }
    /* What came and nobody took. */
    for (; link->dropped != link->arrived; link->dropped++) {
        struct ucx_arrival *arrival = &link->arrivals[link->dropped % link->slots];
        if (arrival->lent || arrival->announced)
            ucp_am_data_release(link->worker, arrival->data);
    }
    ucx_link_free(link);
}

const struct message_link ucx_message_link = {
    .send_frame = ucx_send_frame,
    .send_goodbye = ucx_send_goodbye,
    .take_credit = ucx_take_credit,
    .take_frame = ucx_take_frame,
    .drop = ucx_drop,
    .send_credit = ucx_send_credit,
    .wait_source = ucx_wait_source,
    .close = ucx_close,
};
