/* test_frames.c: the verbs of libhandoff_frames: what they hand over, and what they refuse. Who is on
 * the other side is in test_frames_peers.c, deaths in test_frames_deaths.c, files in
 * test_frames_files.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/wait/wait.h"
#include "tests/support/frames_fixture.h"
#include "transports/frames/writer.h"

/* ---- Handing over ---------------------------------------------------------------------------- */

static void every_frame_arrives_in_order(void **state)
{
    for (const char *const *wait = every_wait; *wait; wait++) {
        struct handoff_error error;
        struct handoff_frame sent, got;
        handoff_writer *writer = writer_new(HANDOFF_EVERY, *wait);
        handoff_reader *reader = meet(writer);
        for (uint32_t i = 0; i < 50; i++) {
            const uint32_t ahead = 1 + (uint32_t)random_below(4);
            for (uint32_t j = 0; j < ahead; j++)
                send_one(writer, &sent);
            for (uint32_t j = 0; j < ahead; j++) {
                take_one(reader, &got);
                assert_int_equal(got.sequence + ahead - 1 - j, sent.sequence);
                assert_ptr_equal(got.pixels, handoff_reader_pixels(reader, got.slot));
                expect_ok(handoff_reader_release(reader, &got, &error), error);
            }
        }
        assert_int_equal(handoff_writer_skipped(writer), 0);
        handoff_reader_free(reader);
        handoff_writer_free(writer);
    }
}

/* A frame that is held stays as it is, however many newer ones come; what is not taken is
 * counted. */
static void latest_keeps_what_is_held(void **state)
{
    struct handoff_error error;
    struct handoff_frame sent, held;
    struct handoff_writer_options options = some_options(HANDOFF_LATEST, NULL);
    for (options.slots = 3; options.slots < 7; options.slots++) {
        handoff_writer *writer = NULL;
        expect_ok(handoff_writer_create(fresh_name(), &options, &writer, &error), error);
        handoff_reader *reader = meet(writer);
        const uint64_t skipped = handoff_writer_skipped(writer);
        uint64_t expected = 0;
        for (int i = 0; i < 20; i++) {
            send_one(writer, &sent);
            take_one(reader, &held);
            assert_int_equal(held.sequence, sent.sequence);
            const uint64_t more = random_below(20);
            for (uint64_t j = 0; j < more; j++) {
                send_one(writer, &sent);
                assert_int_not_equal(sent.slot, held.slot);
                assert_true(frame_is_whole(&held));
            }
            expect_ok(handoff_reader_release(reader, &held, &error), error);
            expected += more ? more - 1 : 0;
            if (more) {
                take_one(reader, &held);
                assert_int_equal(held.sequence, sent.sequence);
                expect_ok(handoff_reader_release(reader, &held, &error), error);
            }
        }
        assert_int_equal(handoff_writer_skipped(writer) - skipped, expected);
        handoff_reader_free(reader);
        handoff_writer_free(writer);
    }
}

static void header_is_what_python_reads(void **state)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    handoff_reader *reader = meet(writer);
    for (int i = 0; i < 3; i++) {
        const int64_t given = i == 1 ? (int64_t)(random_u64() >> 2) + 1 : 0;
        expect_ok(handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error), error);
        assert_int_equal(frame.timestamp_ns, 0);
        frame.timestamp_ns = given;
        const int64_t before = (int64_t)clock_now_ns();
        expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        const int64_t after = (int64_t)clock_now_ns();
        expect_ok(handoff_reader_acquire(reader, 0, &frame, &error), error);
        int64_t timestamp;
        int32_t figures[4];
        memcpy(&timestamp, frame.header, 8);
        memcpy(figures, frame.header + 8, 16);
        assert_true(given ? timestamp == given : timestamp >= before && timestamp <= after);
        assert_int_equal(frame.timestamp_ns, timestamp);
        assert_int_equal(figures[0], 43);
        assert_int_equal(figures[1], 101);
        assert_int_equal(figures[2], 3);
        assert_int_equal(figures[3], frame.id);
        assert_ptr_equal(frame.pixels, frame.header + 4096);
        assert_int_equal((uintptr_t)frame.pixels % 4096, 0);
        expect_ok(handoff_reader_release(reader, &frame, &error), error);
    }
    struct handoff_shape shape;
    handoff_reader_shape(reader, &shape);
    assert_true(shape.width == 43 && shape.height == 101 && shape.channels == 3 &&
                shape.slots == 4 && shape.policy == HANDOFF_EVERY && shape.pixel_bytes == 13029);
    assert_null(handoff_reader_pixels(reader, 4));
    assert_null(handoff_writer_pixels(writer, 4));
    handoff_reader_free(reader);
    handoff_writer_free(writer);
}

/* The words count in 31 bits, ids in 31, sequences in 64. */
static void counts_wrap_around(void **state)
{
    static const uint64_t edges[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 33};
    for (int policy = HANDOFF_EVERY; policy <= HANDOFF_LATEST; policy++) {
        for (size_t i = 0; i < 3; i++) {
            struct handoff_error error;
            struct handoff_frame sent, got;
            handoff_writer *writer = NULL;
            const struct handoff_writer_options options = some_options(policy, NULL);
            expect_ok(writer_create(fresh_name(), &options, edges[i] - 20 - random_below(9),
                                    &writer, &error),
                      error);
            handoff_reader *reader = meet(writer);
            do {
                send_one(writer, &sent);
                take_one(reader, &got);
                assert_int_equal(got.sequence, sent.sequence);
                assert_int_equal(got.id, got.sequence & 0x7fffffff);
                expect_ok(handoff_reader_release(reader, &got, &error), error);
                if (random_below(7) == 0) { /* another reader, on this side of the edge or beyond */
                    handoff_reader_free(reader);
                    reader = meet(writer);
                }
            } while (policy == HANDOFF_EVERY ? sent.sequence < edges[i] + 30
                                             : sent.sequence < edges[i] + 10);
            handoff_reader_free(reader);
            handoff_writer_free(writer);
        }
    }
}

/* ---- Refusing -------------------------------------------------------------------------------- */

static void options_are_checked(void **state)
{
    struct handoff_error error;
    handoff_writer *writer = NULL;
    char long_name[HANDOFF_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    long_name[HANDOFF_NAME_MAX + 1] = '\0';
    const char *const names[] = {"", "a/b", "../x", "a b", "\xc3\xa4", "%s%n", long_name};
    struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        handoff_reader *reader = NULL;
        expect_status(handoff_writer_create(names[i], &options, &writer, &error), HANDOFF_INVALID,
                      error);
        expect_status(handoff_reader_open(names[i], 0, &reader, &error), HANDOFF_INVALID, error);
    }
    expect_status(handoff_reader_open(NULL, 0, &(handoff_reader *){NULL}, &error), HANDOFF_INVALID,
                  error);
    expect_status(handoff_writer_create("x", NULL, &writer, &error), HANDOFF_INVALID, error);
#define REFUSED(change)                                                               \
    do {                                                                              \
        options = some_options(HANDOFF_EVERY, NULL);                                  \
        change;                                                                       \
        expect_status(handoff_writer_create(fresh_name(), &options, &writer, &error), \
                      HANDOFF_INVALID, error);                                        \
    } while (0)
    REFUSED(options.size = 0);
    REFUSED(options.size--);
    REFUSED(options.width = 0);
    REFUSED(options.height = -1);
    REFUSED(options.channels = 0);
    REFUSED(options.width = options.height = INT32_MAX);
    REFUSED(options.width = options.height = options.channels = INT32_MAX);
    REFUSED((options.width = options.height = 1 << 30, options.channels = 16)); /* 2^64 bytes */
    REFUSED((options.width = 8192, options.height = 8193, options.channels = 4));
    REFUSED(options.slots = 1025);
    REFUSED(options.slots = UINT32_MAX);
    REFUSED((options.slots = 2, options.policy = HANDOFF_LATEST));
    REFUSED(options.policy = 2);
    REFUSED(options.policy = -1);
    static const char *const no_waits[] = {
        "",        "futext",   "fute",   "poll",    "poll:",   "poll:0", "poll:-1",
        "poll:1x", "poll:1e3", "spin:1", "condvar", "eventfd", "block",  "poll:1000001"};
    for (size_t i = 0; i < sizeof no_waits / sizeof no_waits[0]; i++)
        REFUSED(options.wait = no_waits[i]);
    /* More than this library knows of options: fine as long as it is zero. */
    struct {
        struct handoff_writer_options known;
        char more[16];
    } newer = {.known = some_options(HANDOFF_EVERY, NULL)};
    newer.known.size = sizeof newer;
    expect_ok(handoff_writer_create(fresh_name(), &newer.known, &writer, &error), error);
    handoff_writer_free(writer);
    newer.more[15] = 1;
    expect_status(handoff_writer_create(fresh_name(), &newer.known, &writer, &error),
                  HANDOFF_INVALID, error);
    assert_int_equal(names_left(), 0);
}

/* Memory that there is not: said before anything is touched, and nothing stays. */
static void too_much_memory_is_refused(void **state)
{
    struct handoff_error error;
    handoff_writer *writer = NULL;
    struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    options.width = options.height = 8192;
    options.channels = 4;
    options.slots = 1024; /* 275 GB */
    expect_status(handoff_writer_create(fresh_name(), &options, &writer, &error), HANDOFF_NO_MEMORY,
                  error);
    assert_null(writer);
    assert_int_equal(names_left(), 0);
}

static void calls_out_of_order_are_refused(void **state)
{
    struct handoff_error error;
    struct handoff_frame frame, again, other = {0};
    for (int policy = HANDOFF_EVERY; policy <= HANDOFF_LATEST; policy++) {
        handoff_writer *writer = writer_new(policy, NULL);
        expect_status(handoff_writer_commit(writer, &other, &error), HANDOFF_INVALID, error);
        handoff_reader *reader = meet(writer);
        expect_status(handoff_reader_release(reader, &other, &error), HANDOFF_INVALID, error);
        expect_ok(handoff_writer_reserve(writer, 0, &frame, &error), error);
        expect_ok(handoff_writer_reserve(writer, 0, &again, &error), error);
        assert_memory_equal(&frame, &again, sizeof frame);
        again.sequence++;
        expect_status(handoff_writer_commit(writer, &again, &error), HANDOFF_INVALID, error);
        frame_paint(&frame);
        expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        expect_status(handoff_writer_commit(writer, &frame, &error), HANDOFF_INVALID, error);
        expect_ok(handoff_reader_acquire(reader, 0, &frame, &error), error);
        expect_status(handoff_reader_acquire(reader, 0, &again, &error), HANDOFF_INVALID, error);
        again = frame;
        again.sequence++;
        expect_status(handoff_reader_release(reader, &again, &error), HANDOFF_INVALID, error);
        expect_ok(handoff_reader_release(reader, &frame, &error), error);
        expect_status(handoff_reader_release(reader, &frame, &error), HANDOFF_INVALID, error);
        handoff_reader_close(reader);
        handoff_reader_close(reader);
        expect_status(handoff_reader_acquire(reader, 0, &frame, &error), HANDOFF_INVALID, error);
        expect_status(handoff_reader_release(reader, &frame, &error), HANDOFF_INVALID, error);
        handoff_writer_close(writer);
        handoff_writer_close(writer);
        expect_status(handoff_writer_reserve(writer, 0, &frame, &error), HANDOFF_INVALID, error);
        expect_status(handoff_writer_commit(writer, &frame, &error), HANDOFF_INVALID, error);
        assert_int_equal(handoff_writer_has_reader(writer), 0);
        /* Pointers of closed sides are still good. */
        assert_true(frame_is_whole(&frame));
        handoff_reader_free(reader);
        handoff_writer_free(writer);
    }
    handoff_writer_close(NULL);
    handoff_writer_free(NULL);
    handoff_reader_close(NULL);
    handoff_reader_free(NULL);
}

/* Every call takes NULL for the error. */
static void errors_may_be_ignored(void **state)
{
    struct handoff_frame frame;
    handoff_reader *reader = NULL;
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    assert_int_equal(handoff_writer_reserve(writer, 0, &frame, NULL), HANDOFF_TIMEOUT);
    assert_int_equal(handoff_writer_commit(writer, &frame, NULL), HANDOFF_INVALID);
    assert_int_equal(handoff_writer_create("", NULL, &writer, NULL), HANDOFF_INVALID);
    assert_int_equal(handoff_reader_open("absent", 0, &reader, NULL), HANDOFF_ABSENT);
    assert_int_equal(handoff_reader_open(handoff_writer_name(writer), 0, &reader, NULL),
                     HANDOFF_TIMEOUT);
    handoff_writer_free(writer);
}

/* ---- The list of waits ----------------------------------------------------------------------- */

static void waits_are_what_is_said(void **state)
{
    char names[256];
    unsigned count = 0;
    snprintf(names, sizeof names, "%s", handoff_waits());
    for (char *left = names, *name; (name = strtok_r(left, " ", &left));) {
        char wait[32];
        char *parameter = strstr(name, ":US");
        snprintf(wait, sizeof wait, "%.*s%s", (int)(parameter ? parameter - name : 30), name,
                 parameter ? ":100" : "");
        struct handoff_error error;
        handoff_writer *writer = NULL;
        const struct handoff_writer_options options = some_options(HANDOFF_EVERY, wait);
        int status = handoff_writer_create(fresh_name(), &options, &writer, &error);
        if (status != HANDOFF_UNAVAILABLE) /* a processor's own, which it has or not */
            assert_int_equal(status, HANDOFF_OK);
        handoff_writer_free(writer);
        count++;
    }
    assert_int_equal(count, 9);
    assert_int_equal(handoff_abi(), HANDOFF_ABI);
}

/* What programs were built with: a change here is a new HANDOFF_ABI. */
static void the_abi_stays(void **state)
{
    assert_int_equal(HANDOFF_ABI, 1);
    assert_int_equal(sizeof(struct handoff_error), 1032);
    assert_int_equal(offsetof(struct handoff_error, hint), 648);
    assert_int_equal(offsetof(struct handoff_writer_options, policy), 20);
    assert_int_equal(offsetof(struct handoff_writer_options, wait), 24);
    assert_int_equal(sizeof(struct handoff_writer_options), 32);
    assert_int_equal(sizeof(struct handoff_frame), 64);
    assert_int_equal(offsetof(struct handoff_frame, pixel_bytes), 16);
    assert_int_equal(offsetof(struct handoff_frame, width), 32);
    assert_int_equal(offsetof(struct handoff_frame, slot), 48);
    assert_int_equal(offsetof(struct handoff_frame, sequence), 56);
    assert_int_equal(sizeof(struct handoff_shape), 32);
    assert_int_equal(HANDOFF_ABSENT, 10);
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        TEST(every_frame_arrives_in_order),
        TEST(latest_keeps_what_is_held),
        TEST(header_is_what_python_reads),
        TEST(counts_wrap_around),
        TEST(options_are_checked),
        TEST(too_much_memory_is_refused),
        TEST(calls_out_of_order_are_refused),
        TEST(errors_may_be_ignored),
        TEST(waits_are_what_is_said),
        TEST(the_abi_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
