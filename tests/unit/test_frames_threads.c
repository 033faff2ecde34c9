/* test_frames_threads.c: the protocol of transports/frames/session.h under the thread sanitizer,
 * which sees one process only, and an address only under one name: here the reader, in a thread of
 * its own, uses the writer's mapping. So every byte that one side writes and the other reads,
 * pixels too, must be ordered by the words alone. Beside it, sides made and freed in many threads
 * while others fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "harness/base/shm.h"

static void *writers_bytes;

/* In place of a mapping of the reader's own. */
static enum status map_writers(int fd, size_t size_bytes, void **bytes, struct err *err)
{
    *bytes = writers_bytes;
    return writers_bytes ? ST_OK : shm_map_file(fd, size_bytes, bytes, err);
}
#define shm_map_file map_writers
#include "transports/frames/reader.c"
#include "transports/frames/writer.c"
#undef shm_map_file

#include "tests/support/frames_fixture.h"

#define FRAMES 200

static _Atomic int reading;

static void reader_forget(handoff_reader *reader)
{
    handoff_reader_close(reader);
    reader->side.bytes = NULL; /* it is the writer's */
    handoff_reader_free(reader);
}

/* Readers one after the other, which take a few frames each, and keep the last one now and then. */
static void *read_in_turns(void *data)
{
    const char *name = data;
    struct handoff_frame frame;
    uint32_t taken = 0;
    while (taken < FRAMES) {
        handoff_reader *reader = NULL;
        if (handoff_reader_open(name, in_ns(LONG_NS), &reader, NULL) != HANDOFF_OK)
            break;
        for (uint32_t turn = 1 + taken % 7; turn > 0; turn--) {
            if (handoff_reader_acquire(reader, in_ns(LONG_NS), &frame, NULL) != HANDOFF_OK)
                break;
            if (!frame_is_whole(&frame))
                taken = UINT32_MAX - 1000; /* told below */
            taken++;
            if (turn > 1 || taken % 3)
                (void)handoff_reader_release(reader, &frame, NULL);
        }
        reader_forget(reader);
    }
    reading = 0;
    return (void *)(uintptr_t)taken;
}

static void pass_in_threads(int policy, const char *wait)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = NULL;
    struct handoff_writer_options options = some_options(policy, wait);
    expect_ok(handoff_writer_create(fresh_name(), &options, &writer, &error), error);
    writers_bytes = writer->side.bytes;
    char name[64];
    snprintf(name, sizeof name, "%s", handoff_writer_name(writer));
    pthread_t thread;
    void *taken;
    reading = 1;
    assert_int_equal(pthread_create(&thread, NULL, read_in_turns, name), 0);
    while (reading) {
        if (handoff_writer_reserve(writer, in_ns(MS), &frame, &error) != HANDOFF_OK)
            continue;
        frame_paint(&frame);
        expect_ok(handoff_writer_commit(writer, &frame, &error), error);
    }
    pthread_join(thread, &taken);
    assert_in_range((uintptr_t)taken, FRAMES, FRAMES + 10);
    handoff_writer_free(writer);
    writers_bytes = NULL;
}

static void every_frame_is_ordered_by_the_words(void **state)
{
    static const char *const waits[] = {"futex", "poll:50", "adaptive:20"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        pass_in_threads(HANDOFF_EVERY, waits[i]);
}

static void so_is_the_latest(void **state)
{
    static const char *const waits[] = {"futex", "poll:50", "adaptive:20"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        pass_in_threads(HANDOFF_LATEST, waits[i]);
}

static _Atomic bool forked_all;

static void *make_and_free(void *data)
{
    while (!atomic_load(&forked_all)) {
        const struct handoff_writer_options options = some_options(HANDOFF_LATEST, NULL);
        handoff_writer *writer = NULL;
        if (handoff_writer_create(NULL, &options, &writer, NULL) != HANDOFF_OK)
            return data;
        handoff_writer_free(writer);
    }
    return NULL;
}

/* In a child: no descriptor that it has got has a lock, which would outlive the parent. A lock is
 * no conflict for the description that has it; it is for others before and after. */
static void has_no_lock(void *data)
{
    char link[64], file[64];
    for (int fd = 3; fd < 64; fd++) {
        int other = -1;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t length = readlink(link, file, sizeof file - 1);
        if (length < 9 || memcmp(file, "/dev/shm/", 9) != 0 ||
            named_file_reopen(fd, &other, NULL) != HANDOFF_OK)
            continue;
        if (named_lock_held(other, NAMED_LOCK_WRITER) && !named_lock_held(fd, NAMED_LOCK_WRITER) &&
            named_lock_held(other, NAMED_LOCK_WRITER))
            _exit(1);
        close(other);
    }
}

static void sides_are_made_while_others_fork(void **state)
{
    pthread_t threads[3];
    int token;
    if (getenv("HANDOFF_EMULATOR")) {
        puts("not tried: the emulator's own threads and locks do not stand a fork");
        return;
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_free, &token), 0);
    for (int i = 0; i < 60; i++)
        expect_end(start(has_no_lock, NULL));
    atomic_store(&forked_all, true);
    for (int i = 0; i < 3; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_ordered_by_the_words),
        cmocka_unit_test(so_is_the_latest),
        cmocka_unit_test(sides_are_made_while_others_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
