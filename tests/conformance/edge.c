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
    CHECK(((uintptr_t)frame->payload & 4095) == 0, "the payload is not page-aligned");
    CHECK(((uintptr_t)frame->device_payload & 255) == 0, "the device's payload is not aligned");
    CHECK(!device || !frame->payload, "a payload in device memory for the CPU");
    CHECK(!frame->device_payload == !(device && frame->payload_bytes), "the device's payload");
    CHECK(!frame->mark.event == !(edge->config.order == ORDER_EVENT), "the mark");
    CHECK(!frame->fence.event || edge->config.order == ORDER_EVENT, "the fence");
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
        plan_fill(&edge->plan, &edge->out, number);
        edge->filled = true;
    }
    size_t before = edge->out.progress_bytes;
    enum status status = edge->transport->commit(edge->producer, &edge->out, &err);
    CHECK(edge->out.progress_bytes >= before, "progress went backwards");
    if (edge_expected(status, "commit", &err) == ST_OK) {
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
    edge->held_count--;
    memmove(edge->held, edge->held + 1, edge->held_count * sizeof *edge->held);
    return true;
}

void edge_drain(struct edge *edge, enum status until)
{
    for (int tries = 0; tries < 1000000; tries++) {
        while (edge_release(edge))
            continue;
        if (edge_receive(edge) == until)
            return;
    }
    CHECK(false, "draining never came to %s", status_name(until));
}

void edge_wait(struct endpoint *endpoint, const struct transport *transport,
               enum direction direction)
{
    struct wait_source source;
    transport->wait_source(endpoint, direction, &source);
    if (source.kind == SOURCE_FD) {
        struct pollfd ready = {.fd = source.fd, .events = source.events};
        poll(&ready, 1, 50);
    } else {
        /* A word cannot be slept on from here; being polite is enough for a test. */
        sched_yield();
    }
}
