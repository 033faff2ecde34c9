/* edge.c: opening, driving and closing both ends of an edge, one attempt at a time. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/suite.h"

struct transport_config edge_config(const struct transport *transport, size_t payload_bytes,
                                    uint32_t slots, uint32_t max_held, enum policy policy)
{
    bool marks = has_device_memory(transport) && policy == POLICY_BLOCK && suite_random_below(2);
    return (struct transport_config){
        .payload_bytes = payload_for(transport, payload_bytes),
        .slots = slots,
        .max_held = max_held,
        .policy = policy,
        .order = marks ? ORDER_EVENT : ORDER_HOST,
        .gpu = suite_gpu(transport),
    };
}

void address_pass(struct transport_address *from, struct transport_address *to)
{
    *to = *from;
    for (uint32_t i = 0; i < from->fd_count; i++) {
        to->fds[i] = fcntl(from->fds[i], F_DUPFD_CLOEXEC, 0);
        CHECK(to->fds[i] >= 0, "dup of a descriptor of the address");
    }
    transport_address_close(from);
}

void edge_open(struct edge *edge, const struct transport *transport,
               const struct transport_config *config)
{
    struct err err = {0};
    struct transport_address made, passed;
    memset(edge, 0, sizeof *edge);
    edge->transport = transport;
    edge->config = *config;
    CHECK_STATUS(transport->create(config, &edge->producer, &made, &err), ST_OK, err);
    address_pass(&made, &passed);
    CHECK_STATUS(transport->attach(config, &passed, &edge->consumer, &err), ST_OK, err);
    transport_address_close(&passed);
    edge->max_held = config->max_held;
    edge->held = calloc(config->max_held, sizeof *edge->held);
    CHECK(edge->held, "no memory");
    plan_init(&edge->plan, transport, config);
    edge_sources_open(edge);
}

/* What a source buffer is overwritten with. */
#define SOURCE_POISON 0xa5

void edge_sources_open(struct edge *edge)
{
    const struct transport_config *config = &edge->config;
    if (!(edge->transport->flags & TRANSPORT_SENDS_SOURCE) || suite_random_below(2))
        return;
    bool borrows = edge->transport->flags & TRANSPORT_BORROWS_SOURCE;
    if (borrows && config->policy == POLICY_LATEST) /* nobody tells when a frame was skipped */
        return;
    edge->source_count = borrows ? config->slots + 1 : 1;
    edge->source_stride_bytes = FRAME_PAYLOAD_OFFSET + (config->payload_bytes + 4095) / 4096 * 4096;
    edge->sources = aligned_alloc(4096, edge->source_count * edge->source_stride_bytes);
    CHECK(edge->sources, "no memory for %u source buffers", edge->source_count);
}

static uint8_t *edge_source(const struct edge *edge, uint64_t number)
{
    return edge->sources + number % edge->source_count * edge->source_stride_bytes;
}

/* Frame `number`, counted from 0, is not to be looked at any more. */
static void edge_source_overwrite(const struct edge *edge, uint64_t number)
{
    uint8_t *source = edge_source(edge, number);
    memset(source, SOURCE_POISON, FRAME_HEADER_BYTES);
    memset(source + FRAME_PAYLOAD_OFFSET, SOURCE_POISON, edge->config.payload_bytes);
}

void edge_destroy_producer(struct edge *edge)
{
    edge->transport->destroy(edge->producer);
    edge->producer = NULL;
    for (uint32_t i = 0; i < edge->source_count; i++)
        edge_source_overwrite(edge, i);
}

void edge_close(struct edge *edge)
{
    if (has_device_memory(edge->transport)) {
        /* The memory and the events are the producer's, and nothing may still use them. */
        struct err err = {0};
        for (int i = 0; i < 2; i++)
            CHECK_STATUS(gpu_stream_synchronize(suite_stream((enum direction)i), &err), ST_OK, err);
        edge->transport->destroy(edge->consumer);
        edge->consumer = NULL;
    }
    edge->transport->destroy(edge->producer);
    edge->transport->destroy(edge->consumer);
    plan_free(&edge->plan);
    free(edge->held);
    free(edge->sources);
    edge->sources = NULL;
    edge->source_count = 0;
    edge->producer = edge->consumer = NULL;
    edge->held = NULL;
}

static enum status edge_expected(enum status status, const char *verb, const struct err *err)
{
    CHECK(status == ST_OK || status == ST_AGAIN || status == ST_PEER_GONE, "%s: %s: %s", verb,
          status_name(status), err->what);
    return status;
}

/* The payload lies where the transport says, and marks are there exactly when they are needed. */
static void edge_check_payload(const struct edge *edge, const struct frame *frame)
{
    bool device = has_device_memory(edge->transport);
    /* A library that lends what it received puts it where it likes. */
    CHECK(((uintptr_t)frame->payload & 4095) == 0 || !edge->transport->memory,
          "the payload is not page-aligned");
    CHECK(((uintptr_t)frame->device_payload & 255) == 0, "the device's payload is not aligned");
    CHECK(!device || !frame->payload, "a payload in device memory for the CPU");
    CHECK(!frame->device_payload == !(device && frame->payload_bytes), "the device's payload");
    CHECK(!frame->mark.event == !(edge->config.order == ORDER_EVENT), "the mark");
    CHECK(!frame->fence.event || edge->config.order == ORDER_EVENT, "the fence");
}

/* Points the frame just reserved at a source buffer. Its turn is an old one, too: with this frame's
 * slot, the frame that was `limit` before it has been released. */
static void edge_source_use(struct edge *edge)
{
    if (!edge->source_count)
        return;
    const struct transport_config *config = &edge->config;
    uint32_t limit = config->max_in_flight && config->max_in_flight < config->slots
                         ? config->max_in_flight
                         : config->slots;
    if (edge->source_count > 1 && edge->sent >= limit)
        edge_source_overwrite(edge, edge->sent - limit);
    edge->out.header = edge_source(edge, edge->sent);
    if (edge->out.payload_bytes)
        edge->out.payload = edge->out.header + FRAME_PAYLOAD_OFFSET;
}

static bool edge_streams(const struct edge *edge)
{
    return edge->transport->flags & TRANSPORT_STREAMS;
}

enum status edge_send(struct edge *edge)
{
    struct err err = {0};
    if (!edge->filled) {
        enum status status = edge->transport->reserve(edge->producer, &edge->out, &err);
        if (edge_expected(status, "reserve", &err) != ST_OK)
            return status;
        uint64_t number = edge->config.first_sequence + edge->sent;
        CHECK(edge->out.sequence == number, "reserve: sequence %llu, not %llu",
              (unsigned long long)edge->out.sequence, (unsigned long long)number);
        CHECK(edge->out.progress_bytes == 0, "a fresh frame has begun");
        CHECK(edge->out.payload_bytes == edge->config.payload_bytes, "reserve: payload_bytes");
        edge_check_payload(edge, &edge->out);
        edge_source_use(edge);
        plan_fill(&edge->plan, &edge->out, number);
        edge->filled = true;
    }
    size_t before = edge->out.progress_bytes;
    enum status status = edge->transport->commit(edge->producer, &edge->out, &err);
    CHECK(edge->out.progress_bytes >= before, "progress went backwards");
    CHECK(status != ST_AGAIN || edge->out.progress_bytes == 0 || edge_streams(edge),
          "%zu bytes of a frame were sent, by a transport that sends whole ones",
          edge->out.progress_bytes);
    if (edge_expected(status, "commit", &err) == ST_OK) {
        if (edge->source_count == 1) /* it was not borrowed */
            edge_source_overwrite(edge, edge->sent);
        edge->sent++;
        edge->filled = false;
    }
    return status;
}

enum status edge_receive(struct edge *edge)
{
    struct err err = {0};
    if (edge->held_count == edge->max_held)
        return ST_AGAIN;
    size_t before = edge->in.progress_bytes;
    enum status status = edge->transport->acquire(edge->consumer, &edge->in, &err);
    if (edge_expected(status, "acquire", &err) != ST_OK) {
        CHECK(edge->in.progress_bytes >= before, "progress went backwards");
        CHECK(edge->in.progress_bytes == 0 || edge_streams(edge),
              "%zu bytes of a frame were received, by a transport that gives whole ones",
              edge->in.progress_bytes);
        return status;
    }
    edge_check_payload(edge, &edge->in);
    if (edge->config.policy == POLICY_BLOCK)
        CHECK(edge->in.sequence == edge->config.first_sequence + edge->checker.received,
              "acquire: sequence %llu", (unsigned long long)edge->in.sequence);
    checker_frame(&edge->checker, &edge->plan, &edge->in);
    edge->held[edge->held_count++] = edge->in;
    memset(&edge->in, 0, sizeof edge->in);
    return ST_OK;
}

bool edge_release(struct edge *edge)
{
    struct err err = {0};
    if (!edge->held_count)
        return false;
    checker_held(&edge->checker, &edge->plan, &edge->held[0]);
    plan_frame_done(&edge->plan, &edge->held[0]);
    enum status status = edge->transport->release(edge->consumer, &edge->held[0], &err);
    if (status == ST_AGAIN)
        return false;
    CHECK_STATUS(status, ST_OK, err);
    if (edge->source_count > 1 && edge->producer) /* nobody may look at it from now on */
        edge_source_overwrite(edge, edge->held[0].sequence - edge->config.first_sequence);
    edge->held_count--;
    memmove(edge->held, edge->held + 1, edge->held_count * sizeof *edge->held);
    return true;
}

void edge_told(struct edge *edge, enum direction direction, bool told)
{
    unsigned *untold = &edge->untold[direction];
    *untold = told ? 0 : *untold + 1;
    CHECK(*untold < 3, "news came three times in a row, and the wait source told nothing");
}

/* Attempts until one is not ST_AGAIN. */
static enum status edge_due(struct edge *edge, enum status (*attempt)(struct edge *),
                            enum direction direction)
{
    struct endpoint *own = direction == DIRECTION_WRITE ? edge->producer : edge->consumer;
    struct endpoint *other = direction == DIRECTION_WRITE ? edge->consumer : edge->producer;
    uint64_t until_ns = suite_now_ns() + SUITE_DUE_NS;
    enum status status = attempt(edge);
    bool waited = false, told = true;
    if (!has_delays(edge->transport))
        return status;
    while (status == ST_AGAIN && suite_now_ns() < until_ns) {
        /* The other role would be waiting now, which may move things on. */
        struct wait_source source;
        for (int i = 0; other && i < 2; i++)
            edge->transport->wait_source(other, (enum direction)i, &source);
        told = edge_wait(own, edge->transport, direction, 10);
        waited = true;
        status = attempt(edge);
    }
    if (waited && status != ST_AGAIN)
        edge_told(edge, direction, told);
    return status;
}

enum status edge_send_due(struct edge *edge)
{
    return edge_due(edge, edge_send, DIRECTION_WRITE);
}

enum status edge_receive_due(struct edge *edge)
{
    return edge_due(edge, edge_receive, DIRECTION_READ);
}

static enum status edge_release_attempt(struct edge *edge)
{
    return edge_release(edge) || !edge->held_count ? ST_OK : ST_AGAIN;
}

bool edge_release_due(struct edge *edge)
{
    return edge->held_count && edge_due(edge, edge_release_attempt, DIRECTION_READ) == ST_OK;
}

static enum status edge_none(struct edge *edge, enum status (*attempt)(struct edge *))
{
    enum status status = attempt(edge);
    if (status == ST_AGAIN && has_delays(edge->transport) && suite_random_below(16) == 0)
        for (int i = 0; i < 4 && status == ST_AGAIN; i++) {
            suite_sleep_ns(500000);
            status = attempt(edge);
        }
    return status;
}

enum status edge_receive_none(struct edge *edge)
{
    return edge_none(edge, edge_receive);
}

enum status edge_send_none(struct edge *edge)
{
    return edge_none(edge, edge_send);
}

/* All that was sent has come, or has been replaced by a newer frame. */
static bool edge_all_came(const struct edge *edge)
{
    struct transport_counters counters;
    edge->transport->counters(edge->producer, &counters);
    return edge->checker.received + counters.skipped_frames == edge->sent;
}

static void edge_drain_delayed(struct edge *edge, enum status until)
{
    for (;;) {
        while (edge->held_count)
            CHECK(edge_release_due(edge), "a frame could not be given back");
        if (until == ST_AGAIN && edge_all_came(edge))
            break;
        enum status status = edge_receive_due(edge);
        if (status == until && until != ST_AGAIN)
            return;
        CHECK(status == ST_OK, "draining: %s instead of %s", status_name(status),
              until == ST_AGAIN ? "the rest of the frames" : status_name(until));
    }
    CHECK(edge_receive_none(edge) == ST_AGAIN, "more arrived than was sent");
}

void edge_drain(struct edge *edge, enum status until)
{
    if (has_delays(edge->transport)) {
        edge_drain_delayed(edge, until);
        return;
    }
    for (int tries = 0; tries < 1000000; tries++) {
        while (edge_release(edge))
            continue;
        if (edge_receive(edge) == until)
            return;
    }
    CHECK(false, "draining never came to %s", status_name(until));
}

bool edge_wait(struct endpoint *endpoint, const struct transport *transport,
               enum direction direction, int timeout_ms)
{
    struct wait_source source = {0};
    transport->wait_source(endpoint, direction, &source);
    /* Where there are two ways to wait, each tells of all news. */
    bool native = source.kind == SOURCE_NATIVE || (source.native_wait && suite_random_below(2));
    if (native) {
        enum status status = source.native_wait(source.native_self, timeout_ms);
        CHECK(status == ST_OK || status == ST_TIMEOUT, "native_wait: %s", status_name(status));
        return status == ST_OK;
    }
    if (source.kind == SOURCE_FD) {
        struct pollfd ready = {.fd = source.fd, .events = source.events};
        return poll(&ready, 1, timeout_ms) != 0;
    }
    /* A word cannot be slept on from here; being polite is enough for a test. */
    sched_yield();
    return true;
}
