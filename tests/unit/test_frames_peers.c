/* test_frames_peers.c: libhandoff_frames and who is on the other side: who comes and goes, how long a
 * side waits for the other, how it is woken, and what the child of a fork has of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/frames_fixture.h"

/* ---- Who is there ---------------------------------------------------------------------------- */

static void one_writer_and_one_reader(void **state)
{
    struct handoff_error error;
    handoff_reader *second = NULL;
    handoff_writer *other = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    const char *name = handoff_writer_name(writer);
    expect_status(handoff_writer_create(name, &options, &other, &error), HANDOFF_BUSY, error);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d ", (int)getpid());
    assert_non_null(strstr(error.what, pid));
    assert_int_equal(handoff_writer_has_reader(writer), 0);
    handoff_reader *reader = meet(writer);
    assert_int_equal(handoff_writer_has_reader(writer), 1);
    expect_status(handoff_reader_open(name, in_ns(LONG_NS), &second, &error), HANDOFF_BUSY, error);
    handoff_reader_close(reader);
    assert_int_equal(handoff_writer_has_reader(writer), 0);
    handoff_reader_free(reader);
    reader = meet(writer); /* the place is free again */
    handoff_reader_free(reader);
    handoff_writer_free(writer);
    assert_int_equal(names_left(), 0);
    /* Random names differ. */
    expect_ok(handoff_writer_create(NULL, &options, &writer, &error), error);
    expect_ok(handoff_writer_create(NULL, &options, &other, &error), error);
    assert_string_not_equal(handoff_writer_name(writer), handoff_writer_name(other));
    handoff_writer_free(writer);
    handoff_writer_free(other);
}

static void a_closed_writer_is_drained(void **state)
{
    for (int policy = HANDOFF_EVERY; policy <= HANDOFF_LATEST; policy++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_writer *writer = writer_new(policy, NULL);
        handoff_reader *reader = meet(writer);
        const uint32_t count = policy == HANDOFF_EVERY ? 3 : 1;
        for (uint32_t i = 0; i < count; i++)
            send_one(writer, &frame);
        handoff_writer_free(writer);
        assert_int_equal(names_left(), 0);
        for (uint32_t i = 0; i < count; i++) {
            take_one(reader, &frame);
            expect_ok(handoff_reader_release(reader, &frame, &error), error);
        }
        for (int i = 0; i < 2; i++)
            expect_status(handoff_reader_acquire(reader, HANDOFF_FOREVER, &frame, &error),
                          HANDOFF_PEER_GONE, error);
        handoff_reader_free(reader);
    }
}

/* HANDOFF_EVERY: once for each reader, whether the ring is full or not, and whether or not the next
 * one has asked already. */
static void a_gone_reader_is_told_once(void **state)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    for (int full = 0; full < 2; full++) {
        handoff_reader *reader = meet(writer);
        for (int i = 0; i < (full ? 4 : 1); i++)
            send_one(writer, &frame);
        handoff_reader_free(reader);
        uint64_t since = clock_now_ns();
        int status;
        while ((status = handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error)) ==
                   HANDOFF_OK &&
               clock_now_ns() - since < LONG_NS) {
            /* A camera at 100 frames/s: the ring fills, or the look between commits finds it. */
            expect_ok(handoff_writer_commit(writer, &frame, &error), error);
            clock_sleep_until_ns(in_ns(10 * MS));
        }
        assert_int_equal(status, HANDOFF_PEER_GONE);
        expect_status(handoff_writer_reserve(writer, 0, &frame, &error), HANDOFF_TIMEOUT, error);
    }
    /* With slots for a long time: they do not run out before it is told. */
    handoff_writer *roomy = NULL;
    struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    options.slots = 1024;
    expect_ok(handoff_writer_create(fresh_name(), &options, &roomy, &error), error);
    handoff_reader_free(meet(roomy));
    int told = HANDOFF_OK;
    for (int i = 0; i < 900 && told == HANDOFF_OK; i++) {
        told = handoff_writer_reserve(roomy, in_ns(LONG_NS), &frame, &error);
        if (told == HANDOFF_OK)
            expect_ok(handoff_writer_commit(roomy, &frame, &error), error);
        clock_sleep_until_ns(in_ns(MS));
    }
    assert_int_equal(told, HANDOFF_PEER_GONE);
    handoff_writer_free(roomy);
    /* The next one comes before the writer looks. */
    handoff_reader *reader = meet(writer);
    handoff_reader_free(reader);
    struct opening opening = {.name = handoff_writer_name(writer)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_reader, &opening), 0);
    told = HANDOFF_OK;
    for (int i = 0; i < 5000 && told == HANDOFF_OK; i++) {
        told = handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error);
        if (told == HANDOFF_OK)
            expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        clock_sleep_until_ns(in_ns(MS));
    }
    assert_int_equal(told, HANDOFF_PEER_GONE);
    expect_ok(handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error), error);
    pthread_join(thread, NULL);
    assert_int_equal(opening.status, HANDOFF_OK);
    /* What was committed before it came is not given to it. */
    expect_status(handoff_reader_acquire(opening.reader, 0, &frame, &error), HANDOFF_TIMEOUT,
                  error);
    handoff_reader_free(opening.reader);
    handoff_writer_free(writer);
}

struct impatient {
    const char *name;
    _Atomic int entered;
    _Atomic int done;
};

static void *open_impatiently(void *data)
{
    struct impatient *impatient = data;
    for (int i = 0; i < 100; i++) {
        handoff_reader *reader = NULL;
        /* From far too short a time to one that is long enough for this machine. */
        uint64_t patience_ns = 20000;
        while (handoff_reader_open(impatient->name, in_ns(patience_ns), &reader, NULL) !=
               HANDOFF_OK)
            patience_ns += 2000;
        impatient->entered++;
        handoff_reader_free(reader);
    }
    impatient->done = 1;
    return NULL;
}

/* HANDOFF_EVERY: a reader that gave up before it had a frame to expect was none. */
static void who_gave_up_is_not_told(void **state)
{
    struct handoff_frame frame;
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    struct impatient impatient = {.name = handoff_writer_name(writer)};
    pthread_t thread;
    int told = 0;
    assert_int_equal(pthread_create(&thread, NULL, open_impatiently, &impatient), 0);
    while (!impatient.done) {
        int status = handoff_writer_reserve(writer, in_ns(MS), &frame, NULL);
        if (status == HANDOFF_OK)
            (void)handoff_writer_commit(writer, &frame, NULL);
        told += status == HANDOFF_PEER_GONE;
    }
    pthread_join(thread, NULL);
    assert_in_range(told, 1, impatient.entered);
    handoff_writer_free(writer);
}

/* HANDOFF_LATEST: not at all, and the count of frames that nobody took goes on. */
static void with_latest_nobody_is_told(void **state)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = writer_new(HANDOFF_LATEST, NULL);
    uint64_t sent = 0, skipped = 0;
    for (int life = 0; life < 4; life++) {
        handoff_reader *reader = meet(writer);
        assert_true(handoff_writer_skipped(writer) >= skipped);
        skipped = handoff_writer_skipped(writer);
        for (sent = 0; sent < 1 + random_below(9); sent++) {
            expect_ok(handoff_writer_reserve(writer, 0, &frame, &error), error);
            expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        }
        assert_int_equal(handoff_writer_skipped(writer), skipped + sent - 1);
        skipped += sent - 1;
        handoff_reader_free(reader);
        for (int i = 0; i < 5; i++) {
            expect_ok(handoff_writer_reserve(writer, 0, &frame, &error), error);
            expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        }
    }
    handoff_writer_free(writer);
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

static void deadlines_are_kept(void **state)
{
    for (const char *const *wait = every_wait; *wait; wait++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_writer *writer = writer_new(HANDOFF_EVERY, *wait);
        handoff_reader *reader = meet(writer);
        static const uint64_t lengths_ns[] = {0, 3 * MS, 120 * MS};
        for (size_t i = 0; i < (wait == every_wait ? 3u : 2u); i++) {
            uint64_t deadline_ns = lengths_ns[i] ? in_ns(lengths_ns[i]) : 0;
            expect_status(handoff_reader_acquire(reader, deadline_ns, &frame, &error),
                          HANDOFF_TIMEOUT, error);
            assert_true(clock_now_ns() >= deadline_ns);
        }
        for (int i = 0; i < 4; i++)
            send_one(writer, &frame);
        for (size_t i = 0; i < (wait == every_wait ? 3u : 2u); i++) {
            uint64_t deadline_ns = lengths_ns[i] ? in_ns(lengths_ns[i]) : 0;
            expect_status(handoff_writer_reserve(writer, deadline_ns, &frame, &error),
                          HANDOFF_TIMEOUT, error);
            assert_true(clock_now_ns() >= deadline_ns);
        }
        handoff_reader_free(reader);
        handoff_writer_free(writer);
    }
    struct handoff_error error;
    handoff_reader *reader = NULL;
    const uint64_t deadline_ns = in_ns(20 * MS);
    expect_status(handoff_reader_open(fresh_name(), deadline_ns, &reader, &error), HANDOFF_ABSENT,
                  error);
    assert_true(clock_now_ns() >= deadline_ns);
}

/* ---- Waking ---------------------------------------------------------------------------------- */

struct sleeper {
    handoff_writer *writer;
    handoff_reader *reader;
    const char *name;
    uint64_t woken_ns;
    _Atomic int begun;
    int status;
};

static void *sleep_for_a_frame(void *data)
{
    struct sleeper *sleeper = data;
    struct handoff_frame frame;
    sleeper->begun = 1;
    sleeper->status = handoff_reader_acquire(sleeper->reader, HANDOFF_FOREVER, &frame, NULL);
    sleeper->woken_ns = clock_now_ns();
    (void)handoff_reader_release(sleeper->reader, &frame, NULL);
    return NULL;
}

static void *sleep_for_a_slot(void *data)
{
    struct sleeper *sleeper = data;
    struct handoff_frame frame;
    sleeper->begun = 1;
    sleeper->status = handoff_writer_reserve(sleeper->writer, HANDOFF_FOREVER, &frame, NULL);
    sleeper->woken_ns = clock_now_ns();
    return NULL;
}

static void *sleep_for_a_grant(void *data)
{
    struct sleeper *sleeper = data;
    sleeper->begun = 1;
    sleeper->status = handoff_reader_open(sleeper->name, HANDOFF_FOREVER, &sleeper->reader, NULL);
    sleeper->woken_ns = clock_now_ns();
    return NULL;
}

static pthread_t asleep(void *(*body)(void *), struct sleeper *sleeper)
{
    pthread_t thread;
    sleeper->begun = 0;
    assert_int_equal(pthread_create(&thread, NULL, body, sleeper), 0);
    while (!sleeper->begun)
        clock_sleep_until_ns(in_ns(MS / 10));
    clock_sleep_until_ns(in_ns(10 * MS)); /* it is asleep, or will find the news without sleeping */
    return thread;
}

/* Woken, and not by the end of its slice of waiting: the best of a few, since the machine may be
 * busy. All four sleeps: for a frame, for a slot, for a reader, for the writer's answer. */
static void sleepers_are_woken(void **state)
{
    uint64_t best_ns[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (int i = 0; i < 6; i++) {
        struct handoff_error error;
        struct handoff_frame frame;
        struct sleeper sleeper = {.writer = writer_new(HANDOFF_EVERY, i % 2 ? "semaphore" : NULL)};
        uint64_t since_ns[4];
        uint64_t woken_ns[4];
        pthread_t thread = asleep(sleep_for_a_slot, &sleeper);
        since_ns[2] = clock_now_ns();
        expect_ok(handoff_reader_open(handoff_writer_name(sleeper.writer), in_ns(LONG_NS),
                                      &sleeper.reader, &error),
                  error);
        pthread_join(thread, NULL);
        woken_ns[2] = sleeper.woken_ns;
        thread = asleep(sleep_for_a_frame, &sleeper);
        since_ns[0] = clock_now_ns();
        send_one(sleeper.writer, &frame);
        pthread_join(thread, NULL);
        woken_ns[0] = sleeper.woken_ns;
        for (int j = 0; j < 4; j++)
            send_one(sleeper.writer, &frame);
        thread = asleep(sleep_for_a_slot, &sleeper);
        since_ns[1] = clock_now_ns();
        take_one(sleeper.reader, &frame);
        expect_ok(handoff_reader_release(sleeper.reader, &frame, &error), error);
        pthread_join(thread, NULL);
        woken_ns[1] = sleeper.woken_ns;
        handoff_reader_free(sleeper.reader);
        handoff_writer_free(sleeper.writer);
        sleeper.writer = writer_new(HANDOFF_EVERY, NULL);
        sleeper.name = handoff_writer_name(sleeper.writer);
        thread = asleep(sleep_for_a_grant, &sleeper);
        since_ns[3] = clock_now_ns();
        expect_ok(handoff_writer_reserve(sleeper.writer, in_ns(LONG_NS), &frame, &error), error);
        pthread_join(thread, NULL);
        woken_ns[3] = sleeper.woken_ns;
        assert_int_equal(sleeper.status, HANDOFF_OK);
        handoff_reader_free(sleeper.reader);
        handoff_writer_free(sleeper.writer);
        for (int j = 0; j < 4; j++)
            if (woken_ns[j] - since_ns[j] < best_ns[j])
                best_ns[j] = woken_ns[j] - since_ns[j];
    }
    for (int j = 0; j < 4; j++)
        assert_true(best_ns[j] < 50 * MS);
}

/* ---- Fork ------------------------------------------------------------------------------------ */

struct both {
    handoff_writer *writer;
    handoff_reader *reader;
};

static void use_as_child(void *data)
{
    struct both *both = data;
    struct handoff_frame frame = {0};
    struct handoff_error error = {0};
    if (handoff_writer_reserve(both->writer, 0, &frame, &error) != HANDOFF_INVALID ||
        !strstr(error.what, "parent") ||
        handoff_writer_commit(both->writer, &frame, &error) != HANDOFF_INVALID ||
        handoff_reader_acquire(both->reader, 0, &frame, &error) != HANDOFF_INVALID ||
        handoff_reader_release(both->reader, &frame, &error) != HANDOFF_INVALID ||
        handoff_writer_has_reader(both->writer) != 0)
        _exit(1);
    /* Neither of these may close what the parent has. */
    handoff_reader_close(both->reader);
    handoff_reader_free(both->reader);
    handoff_writer_close(both->writer);
    handoff_writer_free(both->writer);
}

static void a_child_has_nothing_of_it(void **state)
{
    struct handoff_frame frame;
    struct both both = {.writer = writer_new(HANDOFF_EVERY, NULL)};
    both.reader = meet(both.writer);
    expect_end(start(use_as_child, &both));
    assert_int_equal(handoff_writer_has_reader(both.writer), 1);
    assert_int_equal(names_left(), 1);
    send_one(both.writer, &frame);
    take_one(both.reader, &frame);
    handoff_reader_free(both.reader);
    handoff_writer_free(both.writer);
    assert_int_equal(names_left(), 0);
}

static void stay(void *data)
{
    for (;;)
        pause();
}

/* The lock of a dead parent does not live on in its child. */
static void a_child_keeps_no_lock(void **state)
{
    struct handoff_error error;
    handoff_writer *writer = writer_new(HANDOFF_EVERY, NULL);
    handoff_reader *reader = meet(writer);
    pid_t child = start(stay, NULL);
    /* Closing is what a death does to descriptors. The child may not have run yet. */
    handoff_reader_close(reader);
    const uint64_t since_ns = clock_now_ns();
    while (handoff_writer_has_reader(writer) && clock_now_ns() - since_ns < LONG_NS / 4)
        clock_sleep_until_ns(in_ns(MS));
    assert_int_equal(handoff_writer_has_reader(writer), 0);
    handoff_writer *next = NULL;
    char name[128];
    snprintf(name, sizeof name, "%s", handoff_writer_name(writer));
    handoff_writer_close(writer);
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    expect_ok(handoff_writer_create(name, &options, &next, &error), error);
    end_now(child);
    handoff_reader_free(reader);
    handoff_writer_free(writer);
    handoff_writer_free(next);
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        TEST(one_writer_and_one_reader),  TEST(a_closed_writer_is_drained),
        TEST(a_gone_reader_is_told_once), TEST(who_gave_up_is_not_told),
        TEST(with_latest_nobody_is_told), TEST(deadlines_are_kept),
        TEST(sleepers_are_woken),         TEST(a_child_has_nothing_of_it),
        TEST(a_child_keeps_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
