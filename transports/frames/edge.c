/* edge.c: one side of an edge for a role in another language: a transport, and the waits of both
 * directions, joined by run/wait_loop.c as in the C roles. See handoff_edge.h.
 */
#include "transports/frames/handoff_edge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/frames/frames.h"

_Static_assert(HANDOFF_EDGE_ADDRESS_BYTES == TRANSPORT_ADDRESS_BYTES &&
                   HANDOFF_EDGE_FDS == TRANSPORT_ADDRESS_FDS,
               "an address of the one is an address of the other");

/* In every build of the library; those of device memory come with CUDA (edge_device.c). */
extern const struct transport transport_shm;

struct handoff_edge {
    const struct transport *transport;
    struct endpoint *endpoint;
    struct transport_address address; /* the creator's, with its descriptors; else empty */
    struct wait_pair waits;
    struct wait_loop loop;
    uint32_t slots;
    uint32_t max_held;
    int segment_fd; /* -1 where there is none */
    /* The frame reserved; or a queue of those acquired, the oldest of which is released next. */
    uint32_t first;
    uint32_t held;
    struct frame frames[];
};

uint32_t handoff_edge_version(void)
{
    return HANDOFF_EDGE_VERSION;
}

static enum status edge_transport_find(const char *name, const struct transport **transport,
                                       struct err *err)
{
    const struct transport *found = NULL;
    if (name)
        found =
            strcmp(name, transport_shm.name) == 0 ? &transport_shm : edge_device_transport(name);
    if (found) {
        *transport = found;
        return ST_OK;
    }
    return err_set(err, ST_UNAVAILABLE,
                   "use transport shm; those of device memory need a library built with CUDA",
                   "this build of libhandoff_frames has no transport \"%.40s\"", name ? name : "");
}

/* An edge of which nothing is made yet but what it will be made of. */
static enum status edge_new(const struct handoff_edge_config *config, struct handoff_edge **edge,
                            struct err *err)
{
    const uint32_t max_held = config->max_held ? config->max_held : 1;
    if (max_held > TRANSPORT_SLOTS_MAX)
        return err_set(err, ST_INVALID, NULL, "an edge cannot hold %u frames", max_held);
    struct handoff_edge *made = calloc(1, sizeof *made + max_held * sizeof made->frames[0]);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "no memory for an edge");
    made->slots = config->slots;
    made->max_held = max_held;
    struct wait_choice *directions = made->waits.directions;
    directions[DIRECTION_READ].fd = directions[DIRECTION_WRITE].fd = made->segment_fd = -1;
    enum status status = edge_transport_find(config->transport, &made->transport, err);
    if (status == ST_OK)
        status = frames_wait_find(config->wait ? config->wait : "", false,
                                  &directions[DIRECTION_READ], err);
    if (status == ST_OK)
        status = frames_wait_find(config->producer_wait ? config->producer_wait : "", false,
                                  &directions[DIRECTION_WRITE], err);
    if (status != ST_OK) {
        free(made);
        return status;
    }
    *edge = made;
    return ST_OK;
}

static struct transport_config edge_config(const struct handoff_edge_config *config)
{
    return (struct transport_config){
        .payload_bytes = (size_t)config->payload_bytes,
        .slots = config->slots,
        .max_in_flight = config->max_in_flight,
        .max_held = config->max_held,
        .policy = config->policy == HANDOFF_EVERY    ? POLICY_BLOCK
                  : config->policy == HANDOFF_LATEST ? POLICY_LATEST
                                                     : (enum policy)0,
        .order = config->order == 1 ? ORDER_EVENT : ORDER_HOST,
        .pages = (enum shm_pages)config->pages,
        .gpu = edge_device_gpu(),
    };
}

/* A descriptor of the segment for mmap; not every transport's address begins with one. */
static enum status edge_keep_segment(struct handoff_edge *edge, int fd, struct err *err)
{
    if (!(edge->transport->flags & TRANSPORT_HOST_MEMORY) || fd < 0)
        return ST_OK;
    edge->segment_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return edge->segment_fd >= 0
               ? ST_OK
               : err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                               "duplicating the segment's descriptor");
}

int handoff_edge_create(const struct handoff_edge_config *config, handoff_edge **edge,
                        struct handoff_edge_address *address, struct handoff_error *error)
{
    struct err err = {0};
    struct handoff_edge *made = NULL;
    const struct transport_config wanted = edge_config(config);
    enum status status = edge_new(config, &made, &err);
    if (status != ST_OK)
        return frames_fail(status, &err, error);
    status = made->transport->create(&wanted, &made->endpoint, &made->address, &err);
    if (status == ST_OK)
        status = wait_pair_create(&made->waits, made->transport, made->endpoint, &err);
    if (status == ST_OK)
        status = wait_loop_open(&made->loop, made->transport, made->endpoint, &made->waits,
                                DIRECTION_WRITE, &err);
    if (status == ST_OK)
        status = edge_keep_segment(made, made->address.fd_count ? made->address.fds[0] : -1, &err);
    if (status != ST_OK) {
        handoff_edge_free(made);
        return frames_fail(status, &err, error);
    }
    *address = (struct handoff_edge_address){.byte_count = made->address.byte_count,
                                             .fd_count = made->address.fd_count};
    memcpy(address->bytes, made->address.bytes, sizeof address->bytes);
    for (int i = 0; i < HANDOFF_EDGE_FDS; i++)
        address->fds[i] = i < (int)made->address.fd_count ? made->address.fds[i] : -1;
    for (int direction = 0; direction < 2; direction++)
        address->wait_fds[direction] = made->waits.directions[direction].fd;
    *edge = made;
    return HANDOFF_OK;
}

/* The address as the transport knows it; *waits_fds takes the waits' descriptors. */
static struct transport_address edge_address(const struct handoff_edge_address *address)
{
    struct transport_address made = {.byte_count = address->byte_count,
                                     .fd_count = address->fd_count};
    memcpy(made.bytes, address->bytes, sizeof made.bytes);
    for (int i = 0; i < TRANSPORT_ADDRESS_FDS; i++)
        made.fds[i] = i < (int)address->fd_count ? address->fds[i] : -1;
    return made;
}

static void edge_wait_fds_close(const struct handoff_edge_address *address)
{
    for (int direction = 0; direction < 2; direction++)
        if (address->wait_fds[direction] >= 0)
            close(address->wait_fds[direction]);
}

int handoff_edge_attach(const struct handoff_edge_config *config,
                        const struct handoff_edge_address *address, handoff_edge **edge,
                        struct handoff_error *error)
{
    struct err err = {0};
    struct handoff_edge *made = NULL;
    const struct transport_config wanted = edge_config(config);
    struct transport_address taken = edge_address(address);
    enum status status = edge_new(config, &made, &err);
    if (status != ST_OK) {
        transport_address_close(&taken);
        edge_wait_fds_close(address);
        return frames_fail(status, &err, error);
    }
    for (int direction = 0; direction < 2; direction++)
        made->waits.directions[direction].fd = address->wait_fds[direction];
    status = edge_keep_segment(made, taken.fd_count ? taken.fds[0] : -1, &err);
    if (status == ST_OK)
        status = made->transport->attach(&wanted, &taken, &made->endpoint, &err);
    transport_address_close(&taken);
    if (status == ST_OK)
        status = wait_loop_open(&made->loop, made->transport, made->endpoint, &made->waits,
                                DIRECTION_READ, &err);
    if (status != ST_OK) {
        handoff_edge_free(made);
        return frames_fail(status, &err, error);
    }
    *edge = made;
    return HANDOFF_OK;
}

uint8_t *handoff_edge_memory(handoff_edge *edge, uint64_t *size_bytes)
{
    struct transport_memory memory = {0};
    if (edge->transport->memory)
        edge->transport->memory(edge->endpoint, &memory);
    *size_bytes = memory.size_bytes;
    return memory.bytes;
}

int handoff_edge_segment_fd(handoff_edge *edge)
{
    return edge->segment_fd < 0 ? -1 : fcntl(edge->segment_fd, F_DUPFD_CLOEXEC, 0);
}

/* ---- The verbs ------------------------------------------------------------------------------- */

static void edge_lend(const struct frame *frame, struct handoff_edge_frame *lent)
{
    *lent = (struct handoff_edge_frame){
        .header = frame->header,
        .pixels = frame->payload,
        .device_pixels = frame->device_payload,
        .pixel_bytes = frame->payload_bytes,
        .sequence = frame->sequence,
        .slot = frame->slot,
    };
}

int handoff_edge_slot(handoff_edge *edge, uint32_t slot, struct handoff_edge_frame *frame)
{
    if (!edge->transport->slot)
        return HANDOFF_UNAVAILABLE;
    if (slot >= edge->slots)
        return HANDOFF_INVALID;
    struct frame found = {0};
    edge->transport->slot(edge->endpoint, slot, &found);
    edge_lend(&found, frame);
    return HANDOFF_OK;
}

int handoff_edge_reserve(handoff_edge *edge, uint64_t deadline_ns, struct handoff_edge_frame *frame,
                         struct handoff_error *error)
{
    struct err err;
    edge->loop.deadline_ns = deadline_ns;
    enum status status = wait_loop_reserve(&edge->loop, edge->frames, &err);
    if (status != ST_OK)
        return frames_fail(status, &err, error);
    edge_lend(edge->frames, frame);
    return HANDOFF_OK;
}

int handoff_edge_commit(handoff_edge *edge, uint64_t deadline_ns, struct handoff_error *error)
{
    struct err err;
    edge->loop.deadline_ns = deadline_ns;
    enum status status = wait_loop_commit(&edge->loop, edge->frames, &err);
    return status == ST_OK ? HANDOFF_OK : frames_fail(status, &err, error);
}

int handoff_edge_acquire(handoff_edge *edge, uint64_t deadline_ns, struct handoff_edge_frame *frame,
                         uint64_t stamps_ns[2], struct handoff_error *error)
{
    struct err err;
    struct wait_loop_stamps stamps;
    struct frame next = {0};
    edge->loop.deadline_ns = deadline_ns;
    enum status status = wait_loop_acquire(&edge->loop, &next, &stamps, &err);
    if (status != ST_OK)
        return frames_fail(status, &err, error);
    /* No more than max_held were acquired, or the transport would have refused. */
    const uint32_t last = edge->first + edge->held;
    edge->frames[last < edge->max_held ? last : last - edge->max_held] = next;
    edge->held++;
    stamps_ns[0] = stamps.waiting_ns;
    stamps_ns[1] = stamps.seen_ns;
    edge_lend(&next, frame);
    return HANDOFF_OK;
}

int handoff_edge_release(handoff_edge *edge, uint64_t deadline_ns, struct handoff_error *error)
{
    struct err err;
    edge->loop.deadline_ns = deadline_ns;
    if (edge->held == 0)
        return frames_fail_as(HANDOFF_INVALID, error, "acquire a frame first",
                              "release without an acquired frame");
    enum status status = wait_loop_release(&edge->loop, &edge->frames[edge->first], &err);
    if (status != ST_OK)
        return frames_fail(status, &err, error);
    edge->first = edge->first + 1 == edge->max_held ? 0 : edge->first + 1;
    edge->held--;
    return HANDOFF_OK;
}

void handoff_edge_notify(handoff_edge *edge)
{
    wait_loop_notify(&edge->loop);
}

void handoff_edge_counters(const handoff_edge *edge, uint64_t *skipped_frames,
                           uint64_t *copied_bytes)
{
    struct transport_counters counters = {0};
    edge->transport->counters(edge->endpoint, &counters);
    *skipped_frames = counters.skipped_frames;
    *copied_bytes = counters.copied_bytes;
}

void handoff_edge_hang_up(handoff_edge *edge)
{
    if (edge)
        wait_loop_hang_up(&edge->loop);
}

void handoff_edge_free(handoff_edge *edge)
{
    if (!edge)
        return;
    wait_loop_hang_up(&edge->loop);
    wait_loop_close(&edge->loop);
    edge->transport->destroy(edge->endpoint);
    wait_pair_close(&edge->waits);
    transport_address_close(&edge->address);
    if (edge->segment_fd >= 0)
        close(edge->segment_fd);
    free(edge);
}
