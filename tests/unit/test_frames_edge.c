/* test_frames_edge.c: handoff_edge.h, by which roles in other languages use the transport and the
 * waits of the C roles: an edge in every wait, what is refused, who closes descriptors, and that
 * source frames, tags, checksums and schedules are those of C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/run/schedule.h"
#include "tests/support/frames_fixture.h"
#include "transports/frames/handoff_edge.h"

enum { PAYLOAD_BYTES = 20011 };

static struct handoff_edge_config some_config(const char *wait)
{
    return (struct handoff_edge_config){.payload_bytes = PAYLOAD_BYTES,
                                        .slots = 4,
                                        .max_held = 1,
                                        .policy = HANDOFF_EVERY,
                                        .transport = "shm",
                                        .wait = wait,
                                        .producer_wait = wait};
}

/* As it comes out of a message: descriptors of its own. */
static struct handoff_edge_address relayed(const struct handoff_edge_address *address)
{
    struct handoff_edge_address other = *address;
    for (int i = 0; i < HANDOFF_EDGE_FDS; i++)
        other.fds[i] = address->fds[i] >= 0 ? dup(address->fds[i]) : -1;
    for (int i = 0; i < 2; i++)
        other.wait_fds[i] = address->wait_fds[i] >= 0 ? dup(address->wait_fds[i]) : -1;
    return other;
}

/* False for condvar under emulation, which keeps no list of robust mutexes. */
static bool edge_pair(const struct handoff_edge_config *config, handoff_edge **producer,
                      handoff_edge **consumer)
{
    struct handoff_error error;
    struct handoff_edge_address address, other;
    int status = handoff_edge_create(config, producer, &address, &error);
    if (status == HANDOFF_UNAVAILABLE && strcmp(config->wait, "condvar") == 0 &&
        getenv("HANDOFF_EMULATOR")) {
        printf("not tried: %s\n", error.what);
        return false;
    }
    expect_ok(status, error);
    other = relayed(&address);
    expect_ok(handoff_edge_attach(config, &other, consumer, &error), error);
    return true;
}

static void *produce(void *data)
{
    handoff_edge *edge = data;
    struct handoff_edge_frame frame;
    for (int32_t i = 0; i < 200; i++) {
        if (handoff_edge_reserve(edge, in_ns(LONG_NS), &frame, NULL) != HANDOFF_OK)
            return data;
        handoff_source_fill(frame.pixels, frame.pixel_bytes, content_seed, (uint32_t)i % 4);
        handoff_frame_tags_write(frame.pixels, frame.pixel_bytes, i);
        if (handoff_edge_commit(edge, in_ns(LONG_NS), NULL) != HANDOFF_OK)
            return data;
        handoff_edge_notify(edge);
    }
    handoff_edge_hang_up(edge);
    return NULL;
}

static void every_wait_hands_over(void **state)
{
    static const char *const waits[] = {"futex",    "eventfd",     "condvar", "semaphore",
                                        "poll:100", "adaptive:20", "spin",    "yield"};
    uint64_t untagged[4];
    uint8_t source[PAYLOAD_BYTES];
    for (uint32_t i = 0; i < 4; i++) {
        handoff_source_fill(source, sizeof source, content_seed, i);
        untagged[i] = handoff_frame_checksum(source, sizeof source);
    }
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct handoff_edge_config config = some_config(waits[i]);
        struct handoff_error error;
        struct handoff_edge_frame frame, slot;
        handoff_edge *producer = NULL, *consumer = NULL;
        uint64_t stamps_ns[2], skipped = 1, copied = 1, size_bytes = 0;
        pthread_t thread;
        if (!edge_pair(&config, &producer, &consumer))
            continue;
        const uint8_t *memory = handoff_edge_memory(consumer, &size_bytes);
        assert_int_equal(pthread_create(&thread, NULL, produce, producer), 0);
        for (int32_t id = 0; id < 200; id++) {
            const uint64_t before_ns = clock_now_ns();
            expect_ok(handoff_edge_acquire(consumer, in_ns(LONG_NS), &frame, stamps_ns, &error),
                      error);
            assert_true(before_ns <= stamps_ns[0] && stamps_ns[0] <= stamps_ns[1] &&
                        stamps_ns[1] <= clock_now_ns());
            assert_int_equal(frame.sequence, id);
            assert_int_equal(frame.pixel_bytes, PAYLOAD_BYTES);
            assert_in_range((uintptr_t)frame.header, (uintptr_t)memory,
                            (uintptr_t)memory + size_bytes - PAYLOAD_BYTES);
            assert_int_equal(handoff_edge_slot(consumer, frame.slot, &slot), HANDOFF_OK);
            assert_ptr_equal(slot.pixels, frame.pixels);
            assert_int_equal(handoff_frame_tags_check(frame.pixels, PAYLOAD_BYTES, id, 8), 1);
            assert_int_equal(handoff_frame_tags_check(frame.pixels, PAYLOAD_BYTES, id + 1, 8), 0);
            assert_int_equal(handoff_frame_checksum(frame.pixels, PAYLOAD_BYTES),
                             handoff_frame_checksum_tagged(untagged[id % 4], PAYLOAD_BYTES, id));
            expect_ok(handoff_edge_release(consumer, in_ns(LONG_NS), &error), error);
            handoff_edge_notify(consumer);
        }
        expect_status(handoff_edge_acquire(consumer, in_ns(LONG_NS), &frame, stamps_ns, &error),
                      HANDOFF_PEER_GONE, error);
        void *failed = NULL;
        pthread_join(thread, &failed);
        assert_null(failed);
        handoff_edge_counters(producer, &skipped, &copied);
        assert_true(skipped == 0 && copied == 0);
        const int fd = handoff_edge_segment_fd(consumer);
        assert_true(fd >= 0);
        close(fd);
        handoff_edge_free(consumer);
        handoff_edge_free(producer);
    }
}

/* Several frames held at once go back in their order; deadlines and misuse are told. */
static void frames_are_held_and_refused(void **state)
{
    struct handoff_edge_config config = some_config("futex");
    struct handoff_error error;
    struct handoff_edge_frame sent, got[3];
    handoff_edge *producer = NULL, *consumer = NULL;
    uint64_t stamps_ns[2];
    config.max_held = 3;
    edge_pair(&config, &producer, &consumer);
    expect_status(handoff_edge_commit(producer, 0, &error), HANDOFF_INVALID, error);
    expect_status(handoff_edge_release(consumer, 0, &error), HANDOFF_INVALID, error);
    for (uint64_t round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++) {
            expect_ok(handoff_edge_reserve(producer, 0, &sent, &error), error);
            expect_ok(handoff_edge_commit(producer, 0, &error), error);
        }
        expect_status(handoff_edge_reserve(producer, in_ns(MS), &sent, &error), HANDOFF_TIMEOUT,
                      error);
        for (int i = 0; i < 3; i++) {
            expect_ok(handoff_edge_acquire(consumer, 0, &got[i], stamps_ns, &error), error);
            assert_int_equal(got[i].sequence, 4 * round + (uint64_t)i);
        }
        expect_status(handoff_edge_acquire(consumer, 0, &sent, stamps_ns, &error), HANDOFF_INVALID,
                      error);
        for (int i = 0; i < 3; i++)
            expect_ok(handoff_edge_release(consumer, 0, &error), error);
        expect_ok(handoff_edge_acquire(consumer, 0, &got[0], stamps_ns, &error), error);
        expect_ok(handoff_edge_release(consumer, 0, &error), error);
        expect_status(handoff_edge_acquire(consumer, in_ns(MS), &sent, stamps_ns, &error),
                      HANDOFF_TIMEOUT, error);
    }
    assert_int_equal(handoff_edge_slot(consumer, 4, &sent), HANDOFF_INVALID);
    handoff_edge_free(consumer);
    /* Noticed at the latest when the slots are used up. */
    int status = HANDOFF_OK;
    for (int i = 0; i < 5 && status == HANDOFF_OK; i++) {
        status = handoff_edge_reserve(producer, in_ns(LONG_NS), &sent, &error);
        if (status == HANDOFF_OK)
            expect_ok(handoff_edge_commit(producer, 0, &error), error);
    }
    assert_int_equal(status, HANDOFF_PEER_GONE);
    handoff_edge_free(producer);
}

/* Whatever is wrong, no descriptor of the address stays open. */
static void bad_edges_are_refused(void **state)
{
    struct handoff_error error;
    struct handoff_edge_address address, other;
    handoff_edge *edge = NULL, *made = NULL;
    struct handoff_edge_config good = some_config("eventfd"), bad;
    expect_ok(handoff_edge_create(&good, &edge, &address, &error), error);
    assert_true(address.wait_fds[0] >= 0 && address.wait_fds[1] >= 0);
#define REFUSED(wanted, change)                                                         \
    do {                                                                                \
        const unsigned before = descriptors_open();                                     \
        bad = good;                                                                     \
        other = relayed(&address);                                                      \
        change;                                                                         \
        expect_status(handoff_edge_attach(&bad, &other, &made, &error), wanted, error); \
        assert_null(made);                                                              \
        assert_int_equal(descriptors_open(), before);                                   \
    } while (0)
    REFUSED(HANDOFF_UNAVAILABLE, bad.transport = "cuda_of_another_build");
    REFUSED(HANDOFF_UNAVAILABLE, bad.transport = NULL);
    REFUSED(HANDOFF_INVALID, bad.wait = "block");
    REFUSED(HANDOFF_INVALID, bad.producer_wait = NULL);
    REFUSED(HANDOFF_INVALID, bad.max_held = 5000);
    REFUSED(HANDOFF_INVALID, bad.policy = 7);
    REFUSED(HANDOFF_CORRUPT, bad.slots = 5);
    REFUSED(HANDOFF_CORRUPT, bad.payload_bytes++);
    REFUSED(HANDOFF_CORRUPT, other.byte_count = 3);
    REFUSED(HANDOFF_CORRUPT, (close(other.fds[0]), other.fds[0] = dup(0)));
    bad = good;
    bad.slots = 0;
    expect_status(handoff_edge_create(&bad, &made, &other, &error), HANDOFF_INVALID, error);
    handoff_edge_free(edge);
    handoff_edge_hang_up(NULL);
    handoff_edge_free(NULL);
}

static void schedules_are_those_of_c(void **state)
{
    static const struct {
        const char *pacing, *phase;
        enum pacing kind;
        enum phase when;
        double rate_hz;
    } cases[] = {{"rate:30", "fixed", PACING_RATE, PHASE_FIXED, 30},
                 {"rate:59.94", "random", PACING_RATE, PHASE_RANDOM, 59.94},
                 {"poisson:1e3", "fixed", PACING_POISSON, PHASE_FIXED, 1000}};
    uint64_t offsets_ns[500];
    struct handoff_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint64_t seed = random_u64();
        const struct cell cell = {
            .pacing = cases[i].kind, .phase = cases[i].when, .rate_hz = cases[i].rate_hz};
        struct schedule schedule;
        struct err err;
        assert_int_equal(schedule_open(&cell, 500, seed, &schedule, &err), ST_OK);
        expect_ok(handoff_schedule(cases[i].pacing, cases[i].phase, 500, seed, offsets_ns, &error),
                  error);
        assert_memory_equal(offsets_ns, schedule.offsets_ns, sizeof offsets_ns);
        schedule_close(&schedule);
    }
    static const char *const none[] = {"max",      "pingpong",   "rate:",    "rate:0",  "rate:nan",
                                       "rate:inf", "rate:0x1e3", "rate:1e9", "rate:30x"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect_status(handoff_schedule(none[i], "fixed", 1, 0, offsets_ns, &error), HANDOFF_INVALID,
                      error);
    expect_status(handoff_schedule("rate:30", "odd", 1, 0, offsets_ns, &error), HANDOFF_INVALID,
                  error);
    assert_int_equal(handoff_frame_tag(7), frame_tag(7));
    assert_int_equal(handoff_edge_version(), HANDOFF_EDGE_VERSION);
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wait_hands_over),
        cmocka_unit_test(frames_are_held_and_refused),
        cmocka_unit_test(bad_edges_are_refused),
        cmocka_unit_test(schedules_are_those_of_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
