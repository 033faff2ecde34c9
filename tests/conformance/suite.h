/* suite.h: what the conformance tests share: checks, random numbers, two ends of an edge to drive,
 * and the checker that knows every byte of every frame.
 *
 * A test is a function `conformance_<name>(transport)` and a line in tests.def. It must hold for
 * every transport; where a transport lacks something (policy latest, a payload) the test says what
 * it leaves out instead of passing silently.
 */
#ifndef HANDOFF_TESTS_CONFORMANCE_SUITE_H
#define HANDOFF_TESTS_CONFORMANCE_SUITE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/gpu/gpu.h"
#include "transports/transport.h"

/* Ends the program with the place, the seed and the message unless `condition` holds. */
#define CHECK(condition, ...)                                                                    \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: (%s) is false, seed %llu: ", __FILE__, __LINE__, #condition, \
                    (unsigned long long)suite_seed);                                             \
            fprintf(stderr, __VA_ARGS__);                                                        \
            fputc('\n', stderr);                                                                 \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)
#define CHECK_STATUS(got, wanted, err)                                            \
    do {                                                                          \
        enum status got_status = (got);                                           \
        CHECK(got_status == (wanted), "%s, not %s (%s)", status_name(got_status), \
              status_name(wanted), (err).what);                                   \
    } while (0)

/* Printed by every failure; `conformance TRANSPORT TEST SEED` repeats it. */
extern uint64_t suite_seed;
uint64_t suite_random(void);
uint32_t suite_random_below(uint32_t bound);
/* Open descriptors of this process. */
unsigned suite_descriptors(void);
/* CLOCK_MONOTONIC. */
uint64_t suite_now_ns(void);
void suite_sleep_ns(uint64_t ns);

/* Where a transport delays, what must come is waited for, so long. */
#define SUITE_DUE_NS 10000000000u

/* The GPU of this process, opened when it is first asked for; NULL for transports that need none.
 * In the suite it is the tests' fake. It does not survive a fork, so suite_fork closes it before:
 * no endpoint may be open then. */
struct gpu *suite_gpu(const struct transport *transport);
/* Two streams on it: one for each end of an edge in one process. */
struct gpu_stream *suite_stream(enum direction direction);
/* Ends all of that; everything made with it must be gone. */
void suite_gpu_end(void);
int suite_fork(void);
/* Runs one round of a test that forks a peer. A library is not used on both sides of a fork
 * (TRANSPORT_OWN_THREADS): there the round gets a process of its own, which forks the peer before
 * it uses the library. */
void suite_round(const struct transport *transport,
                 void (*round)(const struct transport *transport, int number), int number);
/* Called first by suite_round where rounds have processes of their own; NULL: nothing. */
extern void (*suite_before_round)(void);

#define PLAN_SOURCES 3
#define PLAN_FRAMES_MAX 65536

/* What the frames of one edge contain: three random pictures in turn, with the id's tags in
 * them. */
struct plan {
    size_t payload_bytes;
    bool no_payload; /* TRANSPORT_NO_PAYLOAD: only the frame's id arrives */
    uint64_t seed;
    uint64_t first_sequence; /* frame ids are the low 32 bits of the frame's number */
    uint8_t *sources[PLAN_SOURCES];
    uint8_t *scratch;  /* what a frame should be */
    uint8_t *upload;   /* a frame on its way to device memory */
    uint8_t *download; /* and one that came back */
    bool marks;        /* order event: marks order the two sides, nobody waits on the CPU */
};
void plan_init(struct plan *plan, const struct transport *transport,
               const struct transport_config *config);
void plan_free(struct plan *plan);
void plan_fill(const struct plan *plan, const struct frame *frame, uint64_t number);
/* Is the frame whole, and which one is it? */
bool plan_frame_whole(struct plan *plan, const struct frame *frame);
/* The consumer has done with it and is about to release it. */
void plan_frame_done(const struct plan *plan, const struct frame *frame);

/* What arrived, and what is wrong with it. */
struct checker {
    uint64_t received;
    uint64_t torn;
    uint64_t lost; /* by checker_end */
    uint64_t repeated;
    uint64_t reordered;
    uint64_t next; /* the lowest number that would be in order */
    uint8_t seen[PLAN_FRAMES_MAX];
};
void checker_frame(struct checker *checker, struct plan *plan, const struct frame *frame);
/* The same frame again, just before it is released. */
void checker_held(struct checker *checker, struct plan *plan, const struct frame *frame);
void checker_end(struct checker *checker, uint64_t sent);
uint64_t checker_faults(const struct checker *checker);

/* Two ends of an edge in one process (or one of them, after a fork). */
struct edge {
    const struct transport *transport;
    struct transport_config config;
    struct endpoint *producer;
    struct endpoint *consumer;
    struct plan plan;
    struct checker checker;
    /* Producer's state. */
    uint64_t sent;
    bool filled; /* `out` is filled and waits for its commit to complete */
    struct frame out;
    /* TRANSPORT_SENDS_SOURCE, on half of the edges: frames are sent from these instead of the lent
     * slots, and overwritten as soon as that is allowed. One, or one more than there are slots
     * where the transport borrows them; frame number n is in n % source_count. 0: not on this
     * edge. */
    uint8_t *sources;
    size_t source_stride_bytes;
    uint32_t source_count;
    /* Consumer's state: frames held, oldest first, and the one being received. */
    struct frame *held;
    uint32_t held_count;
    uint32_t max_held;
    struct frame in;
    int peer_fd;        /* device memory between two processes: until the other side is done */
    unsigned untold[2]; /* waits in a row in a direction that did not tell of the news there were */
};

struct transport_config edge_config(const struct transport *transport, size_t payload_bytes,
                                    uint32_t slots, uint32_t max_held, enum policy policy);
/* Both ends must open. */
void edge_open(struct edge *edge, const struct transport *transport,
               const struct transport_config *config);
void edge_close(struct edge *edge);
/* The producer's source buffers, after open; freed by edge_close. */
void edge_sources_open(struct edge *edge);
/* Ends the producer alone. Its source buffers are its own again. */
void edge_destroy_producer(struct edge *edge);
/* One attempt each. send: reserve, fill and commit the next frame, or go on with it. receive:
 * acquire, check, keep. release: check the oldest once more, give it back; false when none is held.
 * Statuses other than ST_OK, ST_AGAIN and ST_PEER_GONE end the test. */
enum status edge_send(struct edge *edge);
enum status edge_receive(struct edge *edge);
bool edge_release(struct edge *edge);
/* The same where it must not be ST_AGAIN, as the other side has done what it waits for: one
 * attempt, and where the transport delays as many as it takes, SUITE_DUE_NS at most. */
enum status edge_send_due(struct edge *edge);
enum status edge_receive_due(struct edge *edge);
bool edge_release_due(struct edge *edge);
/* Nothing more may come: an attempt gives ST_AGAIN; where the transport delays, also some time
 * later, now and then. */
enum status edge_receive_none(struct edge *edge);
enum status edge_send_none(struct edge *edge);
/* Releases everything held, and receives and releases what is left until `until`. Until ST_AGAIN:
 * where the transport delays, until all that was sent has come. */
void edge_drain(struct edge *edge, enum status until);
/* Gives the CPU away until there may be news in `direction`, timeout_ms at most. False when the
 * time passed and the source told nothing. */
bool edge_wait(struct endpoint *endpoint, const struct transport *transport,
               enum direction direction, int timeout_ms);
/* After a wait, and an attempt that succeeded then: had the wait told of the news? A source may be
 * late by a hair now and then, but not three times in a row. */
void edge_told(struct edge *edge, enum direction direction, bool told);
/* A dup of an address, as another process would get it; the original is closed. */
void address_pass(struct transport_address *from, struct transport_address *to);

static inline bool has_latest(const struct transport *transport)
{
    return transport->policies & POLICY_LATEST;
}
static inline bool has_device_memory(const struct transport *transport)
{
    return transport->flags & TRANSPORT_DEVICE_MEMORY;
}
/* What one side does reaches the other some time later. */
static inline bool has_delays(const struct transport *transport)
{
    return transport->flags & TRANSPORT_DELAYS;
}
/* So many frames, or fewer where each one costs copies to a device and back, or other threads. */
static inline uint64_t frames_for(const struct transport *transport, uint64_t frames)
{
    bool slow = has_device_memory(transport) || has_delays(transport);
    return slow && frames > 160 ? frames / 8 : frames;
}
/* So many rounds with an edge each, or fewer where a library takes its time to make one. */
static inline int rounds_for(const struct transport *transport, int rounds)
{
    bool slow = has_device_memory(transport) || has_delays(transport);
    return slow ? (rounds + 3) / 4 : rounds;
}
static inline size_t payload_for(const struct transport *transport, size_t payload_bytes)
{
    return transport->flags & TRANSPORT_NO_PAYLOAD ? 0 : payload_bytes;
}

#define CONFORMANCE(name) void conformance_##name(const struct transport *transport);
#include "tests/conformance/tests.def"
#undef CONFORMANCE

#endif
