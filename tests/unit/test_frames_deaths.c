/* test_frames_deaths.c: either side of a segment is killed at random moments, or starts again,
 * while the other works or waits: the other one notices in time, no frame is ever torn, and nothing
 * stays.
 *
 * HANDOFF_TEST_TRIALS: how often each kind of death is tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/support/frames_fixture.h"

#define TRIALS 6
/* 200 ms are promised; the rest is for a machine that does much else. */
#define NOTICED_NS (200 * MS)
#define SLOW_NS (3000 * MS)

static unsigned trials(void)
{
    const char *given = getenv("HANDOFF_TEST_TRIALS");
    return given ? (unsigned)strtoul(given, NULL, 0) : TRIALS;
}

static const char *some_wait(void)
{
    static const char *const waits[] = {"futex",     "futex",       "spin", "poll:300",
                                        "semaphore", "adaptive:50", "yield"};
    return waits[random_below(7)];
}

struct part {
    char name[64];
    int policy;
    const char *wait;
    uint32_t frames; /* to move before ending by itself; 0: until the other side is gone */
    uint64_t pause_ns;
};

static struct part some_part(void)
{
    struct part part = {.policy = (int)random_below(2), .wait = some_wait()};
    part.pause_ns = random_below(2) ? 0 : random_below(300000);
    snprintf(part.name, sizeof part.name, "%s", fresh_name());
    return part;
}

/* The children: they end with 0, or say what was wrong. */
static void wrong(const char *what, const struct handoff_error *error)
{
    fprintf(stderr, "%d: %s: %s\n", (int)getpid(), what, error->what);
    _exit(1);
}

static void rest(uint64_t ns)
{
    if (ns)
        clock_sleep_until_ns(in_ns(ns));
}

/* Reads, and believes nothing. */
static void read_frames(void *data)
{
    const struct part *part = data;
    struct handoff_error error = {0};
    struct handoff_frame frame;
    handoff_reader *reader = NULL;
    uint64_t last = UINT64_MAX;
    if (handoff_reader_open(part->name, in_ns(LONG_NS), &reader, &error) != HANDOFF_OK)
        wrong("reader: open", &error);
    for (uint32_t i = 0; part->frames == 0 || i < part->frames; i++) {
        int status = handoff_reader_acquire(reader, in_ns(LONG_NS), &frame, &error);
        if (status == HANDOFF_PEER_GONE && part->frames == 0)
            break;
        if (status != HANDOFF_OK)
            wrong("reader: acquire", &error);
        if (!frame_is_whole(&frame))
            wrong("reader: a torn frame", &error);
        if (last != UINT64_MAX &&
            (part->policy == HANDOFF_EVERY ? frame.sequence != last + 1 : frame.sequence <= last))
            wrong("reader: frames out of order", &error);
        last = frame.sequence;
        rest(part->pause_ns);
        if (!frame_is_whole(&frame))
            wrong("reader: a frame that changed while held", &error);
        if (handoff_reader_release(reader, &frame, &error) != HANDOFF_OK)
            wrong("reader: release", &error);
    }
    handoff_reader_free(reader);
}

static void write_frames(void *data)
{
    const struct part *part = data;
    struct handoff_error error = {0};
    struct handoff_frame frame;
    handoff_writer *writer = NULL;
    const struct handoff_writer_options options = some_options(part->policy, part->wait);
    if (handoff_writer_create(part->name, &options, &writer, &error) != HANDOFF_OK)
        wrong("writer: create", &error);
    for (uint32_t i = 0; part->frames == 0 || i < part->frames; i++) {
        int status;
        while ((status = handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error)) ==
               HANDOFF_PEER_GONE)
            continue;
        if (status != HANDOFF_OK)
            wrong("writer: reserve", &error);
        frame_paint(&frame);
        rest(part->pause_ns);
        if (handoff_writer_commit(writer, &frame, &error) != HANDOFF_OK)
            wrong("writer: commit", &error);
    }
    handoff_writer_free(writer);
}

/* ---- The reader dies ------------------------------------------------------------------------- */

/* Writes until a moment that the reader, in any part of its life, does not survive. Returns 1 when
 * it was killed in the middle of an open segment, as far as the writer was told. */
static void kill_while_writing(handoff_writer *writer, const struct part *part, pid_t pid)
{
    struct handoff_error error;
    struct handoff_frame frame;
    const uint64_t at_ns = in_ns(random_below(2) ? random_below(2 * MS) : random_below(15 * MS));
    while (clock_now_ns() < at_ns) {
        int status = handoff_writer_reserve(writer, at_ns, &frame, &error);
        if (status == HANDOFF_OK) {
            frame_paint(&frame);
            rest(part->pause_ns);
            expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        } else {
            assert_int_equal(status, HANDOFF_TIMEOUT);
        }
    }
    end_now(pid);
    assert_int_equal(handoff_writer_has_reader(writer), 0); /* at once: it has been reaped */
}

/* HANDOFF_EVERY: the writer is told within the time, if the reader came so far that there is
 * anything to tell. *told, also with HANDOFF_LATEST, says that it may go on. */
static void expect_told(handoff_writer *writer, const struct part *part)
{
    struct handoff_error error;
    struct handoff_frame frame;
    const uint64_t since_ns = clock_now_ns();
    while (part->policy == HANDOFF_EVERY) {
        int status = handoff_writer_reserve(writer, since_ns + SLOW_NS, &frame, &error);
        if (status == HANDOFF_PEER_GONE) {
            const uint64_t took_ns = clock_now_ns() - since_ns;
            if (took_ns > NOTICED_NS)
                print_message("the death was noticed after %u ms\n", (unsigned)(took_ns / MS));
            assert_true(took_ns < SLOW_NS);
            break;
        }
        if (status == HANDOFF_TIMEOUT)
            break; /* it never came so far: nobody reads */
        assert_int_equal(status, HANDOFF_OK);
        frame_paint(&frame);
        expect_ok(handoff_writer_commit(writer, &frame, &error), error);
        assert_true(clock_now_ns() - since_ns < LONG_NS);
    }
}

static void a_killed_reader_harms_nobody(void **state)
{
    for (unsigned i = 0; i < trials(); i++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_writer *writer = NULL;
        struct part part = some_part();
        const struct handoff_writer_options options = some_options(part.policy, part.wait);
        expect_ok(handoff_writer_create(part.name, &options, &writer, &error), error);
        for (int deaths = 1 + (int)random_below(2); deaths > 0; deaths--) {
            kill_while_writing(writer, &part, start(read_frames, &part));
            expect_told(writer, &part);
        }
        part.frames = 20;
        pid_t next = start(read_frames, &part);
        int ended = -1;
        const uint64_t since_ns = clock_now_ns();
        while (waitpid(next, &ended, WNOHANG) == 0) {
            if (handoff_writer_reserve(writer, in_ns(MS), &frame, &error) == HANDOFF_OK) {
                frame_paint(&frame);
                expect_ok(handoff_writer_commit(writer, &frame, &error), error);
            }
            if (clock_now_ns() - since_ns > LONG_NS)
                fail_msg("the next reader got nothing: policy %d, wait %s", part.policy, part.wait);
        }
        assert_int_equal(ended, 0);
        handoff_writer_free(writer);
        assert_int_equal(names_left(), 0);
    }
}

/* ---- The writer dies ------------------------------------------------------------------------- */

static void a_killed_writer_harms_nobody(void **state)
{
    for (unsigned i = 0; i < trials(); i++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_reader *reader = NULL;
        struct part part = some_part();
        pid_t pid = start(write_frames, &part);
        expect_ok(handoff_reader_open(part.name, in_ns(LONG_NS), &reader, &error), error);
        const uint64_t kill_ns = in_ns(random_below(10 * MS));
        uint64_t killed_ns = 0;
        int status = HANDOFF_OK;
        while (status != HANDOFF_PEER_GONE) {
            status = handoff_reader_acquire(reader, killed_ns ? killed_ns + SLOW_NS : kill_ns,
                                            &frame, &error);
            if (status == HANDOFF_OK) {
                assert_true(frame_is_whole(&frame));
                expect_ok(handoff_reader_release(reader, &frame, &error), error);
            } else if (status != HANDOFF_PEER_GONE && (status != HANDOFF_TIMEOUT || killed_ns)) {
                fail_msg("acquire: %d (%s)", status, error.what);
            }
            if (!killed_ns && clock_now_ns() >= kill_ns) {
                end_now(pid);
                killed_ns = clock_now_ns();
            }
        }
        assert_true(clock_now_ns() - killed_ns < SLOW_NS);
        assert_int_equal(names_left(), 0); /* the reader took the dead one's name away */
        handoff_reader_free(reader);
        /* And one whose reader went first. */
        pid = start(write_frames, &part);
        expect_ok(handoff_reader_open(part.name, in_ns(LONG_NS), &reader, &error), error);
        handoff_reader_free(reader);
        end_now(pid);
        assert_int_equal(names_left(), 1);
        part.frames = 30;
        part.policy = HANDOFF_EVERY; /* with the latest it could end before the reader has come */
        pid = start(write_frames, &part);
        expect_ok(handoff_reader_open(part.name, in_ns(LONG_NS), &reader, &error), error);
        while ((status = handoff_reader_acquire(reader, in_ns(LONG_NS), &frame, &error)) ==
               HANDOFF_OK) {
            assert_true(frame_is_whole(&frame));
            expect_ok(handoff_reader_release(reader, &frame, &error), error);
        }
        assert_int_equal(status, HANDOFF_PEER_GONE);
        expect_end(pid);
        handoff_reader_free(reader);
        assert_int_equal(names_left(), 0);
    }
}

/* ---- Starting again while the other waits ---------------------------------------------------- */

/* Each wait in turn: a reader that waits in open sees the writer come; one that waits for a frame
 * is told that the writer has gone, and opens the next one's. */
static void a_writer_starts_again(void **state)
{
    static const char *const waits[] = {"futex", "spin", "poll:300", "semaphore", "adaptive:50"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct handoff_error error;
        struct handoff_frame frame;
        struct part part = some_part();
        part.wait = waits[i];
        part.policy = HANDOFF_EVERY;
        part.frames = 5;
        for (int life = 0; life < 2; life++) {
            handoff_reader *reader = NULL;
            struct opening opening = {.name = part.name};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, open_reader, &opening), 0);
            rest(10 * MS);
            pid_t pid = start(write_frames, &part);
            pthread_join(thread, NULL);
            assert_int_equal(opening.status, HANDOFF_OK);
            reader = opening.reader;
            int status;
            while ((status = handoff_reader_acquire(reader, HANDOFF_FOREVER, &frame, &error)) ==
                   HANDOFF_OK) {
                assert_true(frame_is_whole(&frame));
                expect_ok(handoff_reader_release(reader, &frame, &error), error);
            }
            assert_int_equal(status, HANDOFF_PEER_GONE);
            handoff_reader_free(reader);
            expect_end(pid);
        }
    }
}

/* A writer that waits, for a slot or for anybody, is told that its reader has gone and serves the
 * next. */
static void a_reader_starts_again(void **state)
{
    static const char *const waits[] = {"futex", "spin", "poll:300", "semaphore", "adaptive:50"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_writer *writer = NULL;
        struct part part = some_part();
        part.policy = HANDOFF_EVERY;
        part.wait = waits[i];
        part.frames = 6;
        const struct handoff_writer_options options = some_options(part.policy, part.wait);
        expect_ok(handoff_writer_create(part.name, &options, &writer, &error), error);
        for (int life = 0; life < 3; life++) {
            pid_t pid = start(read_frames, &part);
            int status;
            while ((status = handoff_writer_reserve(writer, in_ns(LONG_NS), &frame, &error)) ==
                   HANDOFF_OK) {
                frame_paint(&frame);
                expect_ok(handoff_writer_commit(writer, &frame, &error), error);
            }
            if (status != HANDOFF_PEER_GONE)
                fail_msg("wait %s: %d (%s)", part.wait, status, error.what);
            expect_end(pid);
        }
        handoff_writer_free(writer);
    }
}

/* ---- Everything at once ---------------------------------------------------------------------- */

/* Lives of random length on both sides, killed or ended, for a while: the readers check every
 * byte. */
static void write_lives(void *data)
{
    struct part *part = data;
    random_state ^= (uint64_t)getpid() << 32;
    for (;;) {
        part->frames = 1 + (uint32_t)random_below(60);
        part->pause_ns = random_below(2) ? 0 : random_below(200000);
        write_frames(part);
    }
}

static void read_lives(void *data)
{
    struct part *part = data;
    random_state ^= (uint64_t)getpid() << 32;
    for (;;) {
        struct handoff_error error = {0};
        struct handoff_frame frame;
        handoff_reader *reader = NULL;
        if (handoff_reader_open(part->name, in_ns(LONG_NS), &reader, &error) != HANDOFF_OK)
            wrong("soak: open", &error);
        uint32_t left = 1 + (uint32_t)random_below(60);
        int status = HANDOFF_OK;
        while (left-- > 0 && status == HANDOFF_OK) {
            status = handoff_reader_acquire(reader, in_ns(LONG_NS), &frame, &error);
            if (status == HANDOFF_OK && !frame_is_whole(&frame))
                wrong("soak: a torn frame", &error);
            if (status == HANDOFF_OK && random_below(10) > 0)
                (void)handoff_reader_release(reader, &frame, &error);
            else if (status == HANDOFF_OK)
                break; /* closes with the frame in its hands */
        }
        if (status != HANDOFF_OK && status != HANDOFF_PEER_GONE)
            wrong("soak: acquire", &error);
        handoff_reader_free(reader);
    }
}

static void both_come_and_go(void **state)
{
    for (int policy = HANDOFF_EVERY; policy <= HANDOFF_LATEST; policy++) {
        struct part part = some_part();
        part.policy = policy;
        part.wait = "futex";
        pid_t writer = start(write_lives, &part), reader = start(read_lives, &part);
        for (unsigned i = 0; i < 3 * trials(); i++) {
            rest(random_below(30 * MS));
            pid_t *victim = random_below(2) ? &writer : &reader;
            assert_int_equal(kill(*victim, SIGKILL), 0);
            int ended;
            assert_int_equal(waitpid(*victim, &ended, 0), *victim);
            assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL); /* nothing was wrong */
            (void)random_u64(); /* another life than the last one's */
            *victim = start(victim == &writer ? write_lives : read_lives, &part);
        }
        end_now(reader);
        end_now(writer);
        /* The next owner of the name finds what they left. */
        struct handoff_error error;
        handoff_writer *last = NULL;
        const struct handoff_writer_options options = some_options(policy, NULL);
        expect_ok(handoff_writer_create(part.name, &options, &last, &error), error);
        handoff_writer_free(last);
        assert_int_equal(names_left(), 0);
    }
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_reader_harms_nobody),
        cmocka_unit_test(a_killed_writer_harms_nobody),
        cmocka_unit_test(a_writer_starts_again),
        cmocka_unit_test(a_reader_starts_again),
        cmocka_unit_test(both_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
