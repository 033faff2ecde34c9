/* flow.c: conformance tests of frames that flow as they should: order, full and empty, partial
 * transfers, wrap-around, sizes. memory.c has those of where they lie.
 */
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/conformance/suite.h"

/* The library's own blocking call is there where it was promised, and keeps its deadline. */
static void declared_native(const struct transport *transport, const struct wait_source *source)
{
    bool wanted = source->kind == SOURCE_NATIVE || transport->flags & TRANSPORT_NATIVE_WAIT;
    CHECK(!wanted == !source->native_wait, "native_wait is there, or is not, against the flags");
    for (int timeout_ms = 1; source->native_wait && timeout_ms <= 30; timeout_ms += 29) {
        uint64_t began_ns = suite_now_ns();
        enum status status = source->native_wait(source->native_self, timeout_ms);
        uint64_t took_ns = suite_now_ns() - began_ns;
        CHECK(status == ST_OK || status == ST_TIMEOUT, "%s", status_name(status));
        CHECK(took_ns < SUITE_DUE_NS, "native_wait of %d ms took %llu ns", timeout_ms,
              (unsigned long long)took_ns);
        CHECK(status == ST_OK || took_ns + 1000000 >= (uint64_t)timeout_ms * 1000000,
              "native_wait of %d ms gave up after %llu ns", timeout_ms,
              (unsigned long long)took_ns);
    }
}

void conformance_declared(const struct transport *transport)
{
    CHECK(transport_find(transport->name) == transport, "found under another name");
    CHECK(transport->summary && transport->summary[0], "no summary");
    CHECK(transport->sources, "no wait source declared");
    CHECK(transport->policies & (POLICY_BLOCK | POLICY_LATEST), "no policy declared");
    CHECK(transport->slots_min >= 1 && transport->slots_min <= transport->slots_max, "slots");
    CHECK(transport->probe && transport->create && transport->attach && transport->reserve &&
              transport->commit && transport->acquire && transport->release &&
              transport->wait_source && transport->counters && transport->hang_up &&
              transport->destroy,
          "a verb is missing");
    struct err err = {0};
    for (int i = 0; i < 20; i++)
        CHECK_STATUS(transport->probe(&err), ST_OK, err);
    /* What wait_source returns was declared, on both sides and in both directions. */
    struct transport_config config =
        edge_config(transport, 100, transport->slots_max, 1, POLICY_BLOCK);
    struct edge edge;
    edge_open(&edge, transport, &config);
    struct endpoint *ends[] = {edge.producer, edge.consumer};
    for (int i = 0; i < 4; i++) {
        struct wait_source source = {0};
        transport->wait_source(ends[i / 2], i % 2 ? DIRECTION_READ : DIRECTION_WRITE, &source);
        CHECK(source.kind & transport->sources, "wait source %d was not declared", source.kind);
        CHECK(source.kind != SOURCE_WORD || source.bell, "a word without a bell");
        CHECK(source.kind != SOURCE_FD || (source.fd >= 0 && source.events), "a bad descriptor");
        declared_native(transport, &source);
    }
    edge_close(&edge);
}

/* Where `wanted` bytes were to be moved. Who moves them himself copies each byte once on each side;
 * a library copies them some times or never on either side, some of them once more than others. */
static void flow_copied(const struct transport *transport, uint64_t wanted, uint64_t sent,
                        uint64_t received)
{
    bool moves = transport->flags & TRANSPORT_MOVES_BYTES;
    bool right = sent == wanted && received == wanted;
    if (!moves)
        right = sent == 0 && received == 0;
    else if (!(transport->flags & TRANSPORT_STREAMS) && wanted > 0)
        right = sent + received >= wanted && sent <= 8 * wanted && received <= 8 * wanted;
    CHECK(right, "%llu and %llu bytes copied of %llu", (unsigned long long)sent,
          (unsigned long long)received, (unsigned long long)wanted);
}

/* Where other threads have work to do, this one does not spin, nor for ever. */
static void flow_pause(const struct transport *transport, bool moved, uint64_t *stalled_ns)
{
    if (moved || !has_delays(transport)) {
        *stalled_ns = 0;
        return;
    }
    uint64_t now_ns = suite_now_ns();
    if (!*stalled_ns)
        *stalled_ns = now_ns;
    CHECK(now_ns - *stalled_ns < SUITE_DUE_NS, "frames no longer flow");
    sched_yield();
}

/* Moves `frames` frames with both sides taking turns at random, and checks what arrived. */
static void flow_random(const struct transport *transport, const struct transport_config *config,
                        uint64_t frames)
{
    static struct edge edge;
    edge_open(&edge, transport, config);
    uint64_t stalled_ns = 0;
    while (edge.checker.received < frames) {
        uint32_t choice = suite_random_below(8);
        size_t before = edge.out.progress_bytes + edge.in.progress_bytes;
        bool moved = false;
        if (choice < 3 && (edge.sent < frames || edge.filled))
            moved = edge_send(&edge) == ST_OK;
        else if (choice < 6)
            moved = edge_receive(&edge) == ST_OK;
        else
            moved = edge_release(&edge);
        moved |= edge.out.progress_bytes + edge.in.progress_bytes != before;
        flow_pause(transport, moved, &stalled_ns);
        CHECK(edge.sent + edge.filled >= edge.checker.received, "more arrived than was sent");
        uint32_t limit = config->max_in_flight ? config->max_in_flight : config->slots;
        /* A commit may end after its frame was released. */
        CHECK(edge.sent <= edge.checker.received - edge.held_count + limit,
              "more frames are in flight than there are slots");
    }
    edge_drain(&edge, ST_AGAIN);
    checker_end(&edge.checker, frames);
    CHECK(checker_faults(&edge.checker) == 0, "torn %llu lost %llu repeated %llu reordered %llu",
          (unsigned long long)edge.checker.torn, (unsigned long long)edge.checker.lost,
          (unsigned long long)edge.checker.repeated, (unsigned long long)edge.checker.reordered);
    struct transport_counters sent, received;
    transport->counters(edge.producer, &sent);
    transport->counters(edge.consumer, &received);
    flow_copied(transport, frames * config->payload_bytes, sent.copied_bytes,
                received.copied_bytes);
    CHECK(sent.skipped_frames == 0, "policy block skipped frames");
    edge_close(&edge);
}

void conformance_order(const struct transport *transport)
{
    static const uint32_t slots[] = {1, 2, 3, 4, 7, 64, 1000, 1024};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if (slots[i] < transport->slots_min || slots[i] > transport->slots_max)
            continue;
        uint32_t held = 1 + suite_random_below(slots[i] < 8 ? slots[i] : 8);
        size_t payload = 1 + suite_random_below(20000);
        struct transport_config config =
            edge_config(transport, payload, slots[i], held, POLICY_BLOCK);
        flow_random(transport, &config, frames_for(transport, 3000));
        config.max_in_flight = 1 + suite_random_below(slots[i]);
        flow_random(transport, &config, frames_for(transport, 500));
    }
}

/* Exactly `limit` frames fit, the next does not, and each release makes room for exactly one. */
static void full_empty_at(const struct transport *transport, uint32_t slots, uint32_t max_in_flight)
{
    /* Small frames, so that a socket's buffer is not what runs full. */
    struct transport_config config = edge_config(transport, 40, slots, slots, POLICY_BLOCK);
    config.max_in_flight = max_in_flight;
    uint32_t limit = max_in_flight ? max_in_flight : slots;
    static struct edge edge;
    edge_open(&edge, transport, &config);
    CHECK(edge_receive(&edge) == ST_AGAIN, "an edge that is empty gave a frame");
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < limit; i++)
            CHECK(edge_send_due(&edge) == ST_OK, "frame %u of %u does not fit", i, limit);
        for (int i = 0; i < 3; i++)
            CHECK(edge_send_none(&edge) == ST_AGAIN, "more than %u frames fit", limit);
        for (uint32_t i = 0; i < limit; i++) {
            CHECK(edge_receive_due(&edge) == ST_OK, "frame %u of %u did not arrive", i, limit);
            CHECK(edge_send_none(&edge) == ST_AGAIN, "acquiring made room before releasing did");
        }
        CHECK(edge_receive_none(&edge) == ST_AGAIN, "more arrived than was sent");
        CHECK(edge_release_due(&edge), "release");
        CHECK(edge_send_due(&edge) == ST_OK, "a release made no room");
        CHECK(edge_send_none(&edge) == ST_AGAIN, "a release made room for two");
        edge_drain(&edge, ST_AGAIN);
    }
    checker_end(&edge.checker, edge.sent);
    CHECK(checker_faults(&edge.checker) == 0, "frames were damaged");
    edge_close(&edge);
}

/* As many frames as there can be, all held at once and then all given back at once: a return path
 * of limited room (a socket's buffer) must not lose one of the slots. */
static void full_held_at(const struct transport *transport, uint32_t slots)
{
    struct transport_config config = edge_config(transport, 40, slots, slots, POLICY_BLOCK);
    static struct edge edge;
    edge_open(&edge, transport, &config);
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < slots; i++) {
            CHECK(edge_send_due(&edge) == ST_OK, "frame %u of %u does not fit", i, slots);
            CHECK(edge_receive_due(&edge) == ST_OK, "frame %u did not arrive", i);
        }
        CHECK(edge_send_none(&edge) == ST_AGAIN, "more than %u frames fit", slots);
        while (edge_release_due(&edge))
            continue;
        CHECK(edge.held_count == 0 && edge_receive_none(&edge) == ST_AGAIN,
              "not all was given back");
    }
    checker_end(&edge.checker, edge.sent);
    CHECK(checker_faults(&edge.checker) == 0, "frames were damaged");
    edge_close(&edge);
}

void conformance_full_empty(const struct transport *transport)
{
    for (uint32_t slots = transport->slots_min; slots <= 12 && slots <= transport->slots_max;
         slots++) {
        if (has_delays(transport) && slots > 2 && suite_random_below(3))
            continue; /* edges of libraries take their time */
        full_empty_at(transport, slots, 0);
        full_empty_at(transport, slots, 1);
        full_empty_at(transport, slots, 1 + suite_random_below(slots));
    }
    full_held_at(transport, transport->slots_max);
}

void conformance_partial(const struct transport *transport)
{
    bool streams = transport->flags & TRANSPORT_STREAMS;
    struct transport_config config = edge_config(transport, 3000000, 2, 2, POLICY_BLOCK);
    static struct edge edge;
    edge_open(&edge, transport, &config);
    struct endpoint *ends[] = {edge.producer, edge.consumer};
    for (int i = 0; i < 2; i++) {
        /* The smallest buffers there are, so that everything moves in small pieces. */
        struct wait_source source;
        int bytes = 1;
        transport->wait_source(ends[i], i ? DIRECTION_READ : DIRECTION_WRITE, &source);
        if (source.kind != SOURCE_FD)
            continue;
        /* TCP through buffers smaller than a segment moves by its timers, some kilobytes a
         * second. */
        int domain = 0;
        socklen_t domain_bytes = sizeof domain;
        getsockopt(source.fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_bytes);
        if (domain == AF_INET || domain == AF_INET6)
            bytes = 1 << 17;
        setsockopt(source.fd, SOL_SOCKET, i ? SO_RCVBUF : SO_SNDBUF, &bytes, sizeof bytes);
    }
    unsigned partial_commits = 0, partial_acquires = 0;
    uint64_t until_ns = suite_now_ns() + 3 * (uint64_t)SUITE_DUE_NS;
    while (edge.checker.received < 6) {
        size_t began = edge.out.progress_bytes;
        CHECK(suite_now_ns() < until_ns, "frames no longer flow");
        if (edge_send(&edge) == ST_AGAIN && edge.filled) {
            struct wait_source source;
            partial_commits++;
            transport->wait_source(edge.producer, DIRECTION_WRITE, &source);
            CHECK(!streams || source.kind != SOURCE_FD || source.events == POLLOUT,
                  "the rest of a frame waits for %d", source.events);
            CHECK(edge.out.progress_bytes >= began || began > config.payload_bytes, "progress");
        }
        if (edge_receive(&edge) == ST_AGAIN && edge.in.progress_bytes > 0)
            partial_acquires++;
        if (suite_random_below(2))
            edge_release(&edge);
    }
    CHECK(!streams || (partial_commits > 6 && partial_acquires > 6),
          "nothing was transferred in parts (%u, %u)", partial_commits, partial_acquires);
    /* One that delays may ask to be called again, but not in the middle of a frame: edge_send. */
    CHECK(streams || partial_acquires == 0, "a transport of whole frames gave parts");
    CHECK(streams || has_delays(transport) || partial_commits == 0,
          "a transport of whole frames took parts");
    while (edge.filled) {
        edge_send(&edge);
        edge_drain(&edge, ST_AGAIN);
    }
    edge_drain(&edge, ST_AGAIN);
    checker_end(&edge.checker, edge.sent);
    CHECK(checker_faults(&edge.checker) == 0, "frames were damaged");
    edge_close(&edge);
}

void conformance_wrap(const struct transport *transport)
{
    static const uint64_t around[] = {1ull << 30, 1ull << 31, 1ull << 32, 1ull << 33,
                                      3ull << 31, 1ull << 62, 0};
    static const uint32_t slots[] = {1, 2, 3, 5, 8, 11, 1000};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++)
        for (size_t k = 0; k < sizeof slots / sizeof slots[0]; k++) {
            if (slots[k] < transport->slots_min || slots[k] > transport->slots_max)
                continue;
            if (has_delays(transport) && suite_random_below(3))
                continue;
            struct transport_config config = edge_config(
                transport, 33, slots[k], 1 + suite_random_below(slots[k]), POLICY_BLOCK);
            config.first_sequence = around[i] - suite_random_below(2 * slots[k] + 3);
            if (!around[i])
                config.first_sequence = suite_random();
            flow_random(transport, &config, 5 * (uint64_t)slots[k] + 20);
        }
}

void conformance_sizes(const struct transport *transport)
{
    static const size_t sizes[] = {0,     1,      7,       8,        9,       24,
                                   4072,  4095,   4096,    4097,     8191,    65536,
                                   99999, 921600, 6220800, 24883200, 33177600};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] + 12; i++) {
        size_t payload =
            i < sizeof sizes / sizeof sizes[0] ? sizes[i] : (size_t)1 << suite_random_below(22);
        if (i >= sizeof sizes / sizeof sizes[0])
            payload += suite_random_below((uint32_t)payload);
        if (transport->flags & TRANSPORT_NO_PAYLOAD && payload)
            continue;
        struct transport_config config = edge_config(transport, payload, 3, 2, POLICY_BLOCK);
        flow_random(transport, &config, payload > 1000000 ? 5 : 40);
    }
}
