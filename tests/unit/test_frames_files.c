/* test_frames_files.c: the files behind the names of libhandoff_frames: whose they are, what is in
 * them, and what becomes of those whose owner is dead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/support/frames_fixture.h"
#include "transports/frames/named.h"

static const char *path_of(const char *name)
{
    static char path[NAMED_PATH_BYTES];
    assert_int_equal(named_path(name, path, NULL), HANDOFF_OK);
    return path;
}

static handoff_writer *writer_named(const char *name)
{
    struct handoff_error error;
    handoff_writer *writer = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    expect_ok(handoff_writer_create(name, &options, &writer, &error), error);
    return writer;
}

static uint64_t inode_of(const char *path)
{
    struct stat stat;
    assert_int_equal(lstat(path, &stat), 0);
    return stat.st_ino;
}

/* Neither side touches it, in either direction. */
static void expect_both(const char *name, int wanted)
{
    struct handoff_error error;
    handoff_writer *writer = NULL;
    handoff_reader *reader = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    const uint64_t inode = inode_of(path_of(name));
    expect_status(handoff_writer_create(name, &options, &writer, &error), wanted, error);
    expect_status(handoff_reader_open(name, in_ns(LONG_NS), &reader, &error), wanted, error);
    assert_non_null(strstr(error.what, name));
    assert_int_equal(inode_of(path_of(name)), inode);
}

/* ---- Whose a file is ------------------------------------------------------------------------- */

static void what_is_no_file_is_denied(void **state)
{
    const char *name = fresh_name();
    const char *path = path_of(name);
    char target[NAMED_PATH_BYTES + 8];
    assert_int_equal(mkdir(path, 0700), 0);
    expect_both(name, HANDOFF_DENIED);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_both(name, HANDOFF_DENIED);
    assert_int_equal(unlink(path), 0);
    /* A link to what would be a good segment; and one to nowhere, which must not be made. */
    handoff_writer *writer = writer_named(name);
    snprintf(target, sizeof target, "%s.moved", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    expect_both(name, HANDOFF_DENIED);
    assert_int_equal(unlink(target), 0);
    expect_both(name, HANDOFF_DENIED);
    handoff_writer_free(writer);
    assert_int_equal(inode_of(path) != 0, 1); /* nor taken away by who had the name before */
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(unlink(path), 0);
}

static void what_is_open_to_others_is_denied(void **state)
{
    static const mode_t modes[] = {0601, 0602, 0604, 0610, 0620, 0640, 0666, 0777};
    const char *name = fresh_name();
    const char *path = path_of(name);
    const mode_t before = umask(0);
    handoff_writer *writer = writer_named(name);
    umask(0777);
    handoff_writer *other = writer_named(fresh_name());
    struct stat stat;
    assert_int_equal(lstat(path_of(handoff_writer_name(other)), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600); /* whatever the umask is */
    umask(before);
    handoff_writer_free(other);
    path = path_of(handoff_writer_name(writer));
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        expect_both(handoff_writer_name(writer), HANDOFF_DENIED);
    }
    handoff_writer_free(writer);
}

static void what_another_user_has_is_denied(void **state)
{
    if (geteuid() != 0) {
        print_message("not tried: only root can be two users\n");
        skip();
    }
    /* Theirs, and this is root: it could, and must not. */
    handoff_writer *writer = writer_named(fresh_name());
    const char *name = handoff_writer_name(writer);
    assert_int_equal(chown(path_of(name), 65534, 65534), 0);
    expect_both(name, HANDOFF_DENIED);
    assert_int_equal(chown(path_of(name), 0, 0), 0);
    /* Root's, and this is somebody else. */
    assert_int_equal(seteuid(65534), 0);
    struct handoff_error error;
    handoff_writer *other = NULL;
    handoff_reader *reader = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    expect_status(handoff_writer_create(name, &options, &other, &error), HANDOFF_DENIED, error);
    expect_status(handoff_reader_open(name, in_ns(LONG_NS), &reader, &error), HANDOFF_DENIED,
                  error);
    assert_int_equal(seteuid(0), 0);
    handoff_writer_free(writer);
}

/* ---- Dead owners ----------------------------------------------------------------------------- */

static void write_until_killed(void *data)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_LATEST, NULL);
    if (handoff_writer_create(data, &options, &writer, &error) != HANDOFF_OK)
        _exit(1);
    for (;;) {
        handoff_writer_reserve(writer, 0, &frame, &error);
        handoff_writer_commit(writer, &frame, &error);
        clock_sleep_until_ns(in_ns(MS));
    }
}

static void await_name(const char *path)
{
    const uint64_t since_ns = clock_now_ns();
    while (access(path, F_OK) != 0 && clock_now_ns() - since_ns < LONG_NS)
        clock_sleep_until_ns(in_ns(MS));
}

static void a_dead_owner_is_replaced_and_a_living_one_kept(void **state)
{
    struct handoff_error error;
    struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    handoff_writer *writer = NULL;
    handoff_reader *reader = NULL;
    char name[64];
    snprintf(name, sizeof name, "%s", fresh_name());
    pid_t pid = start(write_until_killed, name);
    await_name(path_of(name));
    const uint64_t inode = inode_of(path_of(name));
    expect_status(handoff_writer_create(name, &options, &writer, &error), HANDOFF_BUSY, error);
    /* Stopped is not dead. */
    kill(pid, SIGSTOP);
    expect_status(handoff_writer_create(name, &options, &writer, &error), HANDOFF_BUSY, error);
    assert_int_equal(inode_of(path_of(name)), inode);
    end_now(pid);
    expect_status(handoff_reader_open(name, in_ns(20 * MS), &reader, &error), HANDOFF_ABSENT,
                  error);
    assert_int_equal(inode_of(path_of(name)), inode); /* a reader that has not come leaves it */
    expect_ok(handoff_writer_create(name, &options, &writer, &error), error);
    assert_int_not_equal(inode_of(path_of(name)), inode);
    handoff_writer_free(writer);
    assert_int_equal(names_left(), 0);
}

/* What somebody left under the name, of any length, is no segment and has no owner. */
static void litter_is_replaced(void **state)
{
    uint8_t bytes[300];
    for (int i = 0; i < 5; i++) {
        const char *name = fresh_name();
        int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)random_u64();
        const size_t size = random_below(sizeof bytes);
        assert_int_equal(write(fd, bytes, size), size);
        close(fd);
        struct handoff_error error;
        handoff_reader *reader = NULL;
        expect_status(handoff_reader_open(name, 0, &reader, &error), HANDOFF_ABSENT, error);
        handoff_writer_free(writer_named(name));
        assert_int_equal(names_left(), 0);
    }
}

struct contest {
    const char *name;
    pthread_barrier_t *barrier;
    handoff_writer *writer;
    int status;
};

static void *contend(void *data)
{
    struct contest *contest = data;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    pthread_barrier_wait(contest->barrier);
    contest->status = handoff_writer_create(contest->name, &options, &contest->writer, NULL);
    return NULL;
}

/* Several find the same dead owner at once: one gets the name, and keeps it. */
static void one_of_many_gets_the_name(void **state)
{
    enum { MANY = 4 };
    for (int trial = 0; trial < 10; trial++) {
        const char *name = fresh_name();
        pthread_barrier_t barrier;
        pthread_t threads[MANY];
        struct contest contests[MANY];
        int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        pthread_barrier_init(&barrier, NULL, MANY);
        for (int i = 0; i < MANY; i++) {
            contests[i] = (struct contest){.name = name, .barrier = &barrier};
            assert_int_equal(pthread_create(&threads[i], NULL, contend, &contests[i]), 0);
        }
        int winners = 0, winner = 0;
        for (int i = 0; i < MANY; i++) {
            pthread_join(threads[i], NULL);
            winners += contests[i].status == HANDOFF_OK;
            winner = contests[i].status == HANDOFF_OK ? i : winner;
            if (contests[i].status != HANDOFF_OK)
                assert_int_equal(contests[i].status, HANDOFF_BUSY);
        }
        pthread_barrier_destroy(&barrier);
        assert_int_equal(winners, 1);
        assert_int_equal(names_left(), 1);
        handoff_reader_free(meet(contests[winner].writer)); /* the name is that of its segment */
        handoff_writer_free(contests[winner].writer);
        assert_int_equal(names_left(), 0);
    }
}

/* A name that means another file by now is not the closing writer's to take away. */
static void only_its_own_name_is_taken_away(void **state)
{
    handoff_writer *writer = writer_named(fresh_name());
    char path[NAMED_PATH_BYTES];
    snprintf(path, sizeof path, "%s", path_of(handoff_writer_name(writer)));
    assert_int_equal(unlink(path), 0);
    handoff_writer *other = writer_named(handoff_writer_name(writer));
    const uint64_t inode = inode_of(path);
    handoff_writer_free(writer);
    assert_int_equal(inode_of(path), inode);
    handoff_writer_free(other);
}

/* ---- What is in a file ----------------------------------------------------------------------- */

static void expect_open(const char *name, int wanted)
{
    struct handoff_error error;
    handoff_reader *reader = NULL;
    expect_status(handoff_reader_open(name, in_ns(LONG_NS), &reader, &error), wanted, error);
}

static void a_file_of_another_size_is_corrupt(void **state)
{
    handoff_writer *writer = writer_named(fresh_name());
    const char *name = handoff_writer_name(writer);
    struct stat stat;
    assert_int_equal(lstat(path_of(name), &stat), 0);
    /* The writer has its words mapped, so the pages with them stay. */
    for (int i = 0; i < 30; i++) {
        const off_t size = i == 0   ? stat.st_size - 1
                           : i == 1 ? stat.st_size + 1
                                    : 8192 + (off_t)random_below((uint64_t)stat.st_size - 8192);
        assert_int_equal(truncate(path_of(name), size), 0);
        expect_open(name, HANDOFF_CORRUPT);
    }
    assert_int_equal(truncate(path_of(name), stat.st_size), 0);
    handoff_reader_free(meet(writer));
    handoff_writer_free(writer);
}

/* Its owner lives, but it is shorter than its own description. */
static void a_stub_is_corrupt(void **state)
{
    const char *name = fresh_name();
    int fd = open(path_of(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(named_lock_take(fd, NAMED_LOCK_WRITER), 0);
    for (off_t size = 0; size < 5000; size += 97) {
        assert_int_equal(ftruncate(fd, size), 0);
        expect_open(name, HANDOFF_CORRUPT);
    }
    struct handoff_error error;
    handoff_writer *writer = NULL;
    const struct handoff_writer_options options = some_options(HANDOFF_EVERY, NULL);
    expect_status(handoff_writer_create(name, &options, &writer, &error), HANDOFF_BUSY, error);
    close(fd);
    assert_int_equal(unlink(path_of(name)), 0);
}

static void every_damaged_bit_is_seen(void **state)
{
    handoff_writer *writer = writer_named(fresh_name());
    const char *name = handoff_writer_name(writer);
    int fd = open(path_of(name), O_RDWR | O_CLOEXEC);
    for (size_t bit = 0; bit < 8 * sizeof(struct named_layout); bit++) {
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
        byte ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
        expect_open(name, HANDOFF_CORRUPT);
        byte ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    handoff_reader_free(meet(writer));
    handoff_writer_free(writer);
}

/* Damage with the right checksum, as malice would make it: figures that overflow, or say more than
 * the file has. */
static void figures_that_cannot_be_are_corrupt(void **state)
{
    handoff_writer *writer = writer_named(fresh_name());
    const char *name = handoff_writer_name(writer);
    int fd = open(path_of(name), O_RDWR | O_CLOEXEC);
    struct named_layout good, bad;
    assert_int_equal(pread(fd, &good, sizeof good, 0), sizeof good);
    for (int i = 0; i < 500; i++) {
        static const uint32_t values[] = {0,          1,          2,          3,          1024,
                                          1025,       0x7fffffff, 0x80000000, 0xffffffff, 0x10000,
                                          0x40000000, 43,         8192};
        bad = good;
        const uint64_t value = values[random_below(13)] + random_below(2);
        const uint64_t wide = random_below(2) ? value << 32 : UINT64_MAX - value * 4096;
        switch (i < 12 ? i : (int)random_below(12)) {
        case 0:
            bad.width = (int32_t)value;
            break;
        case 1:
            bad.height = (int32_t)value;
            break;
        case 2:
            bad.channels = (int32_t)value;
            break;
        case 3:
            bad.slots = (uint32_t)value;
            break;
        case 4:
            bad.policy = (int32_t)value;
            break;
        case 5:
            bad.total_bytes = wide;
            break;
        case 6:
            bad.slot_bytes = wide;
            break;
        case 7:
            bad.pixel_bytes = wide;
            break;
        case 8:
            bad.version += (uint32_t)value;
            break;
        case 9:
            bad.layout_bytes += (uint32_t)value;
            break;
        case 10:
            memset(bad.wait, 'x', sizeof bad.wait);
            break;
        default: /* all in proportion, so that only the file's size gives it away */
            bad.slots = 5 + (uint32_t)random_below(1000);
            bad.total_bytes = NAMED_SLOTS_OFFSET + bad.slots * bad.slot_bytes;
            break;
        }
        bad.checksum = named_layout_checksum(&bad);
        if (memcmp(&bad, &good, sizeof bad) == 0 || bad.policy == HANDOFF_LATEST)
            continue; /* the policy may be either */
        assert_int_equal(pwrite(fd, &bad, sizeof bad, 0), sizeof bad);
        expect_open(name, HANDOFF_CORRUPT);
    }
    assert_int_equal(pwrite(fd, &good, sizeof good, 0), sizeof good);
    close(fd);
    handoff_reader_free(meet(writer));
    handoff_writer_free(writer);
}

/* Words that something else has written over: an error, or frames that are none of the writer's,
 * but nothing outside the segment is touched and nobody hangs. The next reader finds all in
 * order. */
static void damaged_words_harm_nobody(void **state)
{
    for (int policy = HANDOFF_EVERY; policy <= HANDOFF_LATEST; policy++) {
        struct handoff_error error;
        struct handoff_frame frame;
        handoff_writer *writer = NULL;
        const struct handoff_writer_options options = some_options(policy, NULL);
        expect_ok(handoff_writer_create(fresh_name(), &options, &writer, &error), error);
        int fd = open(path_of(handoff_writer_name(writer)), O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 100; i++) {
            handoff_reader *reader = meet(writer);
            const bool ring = random_below(4) != 0;
            const size_t from = ring ? offsetof(struct named_control, ring) : 0;
            const size_t size = (ring ? sizeof(struct ring_control) : from + 256) - 16;
            for (uint64_t j = 1 + random_below(4); j > 0; j--) {
                const uint64_t word = random_u64();
                const off_t at =
                    (off_t)(NAMED_CONTROL_OFFSET + from +
                            (random_below(2) ? random_below(size)
                                             : random_below(2) * sizeof(struct doorbell)));
                assert_int_equal(pwrite(fd, &word, 1 + random_below(8), at) > 0, 1);
            }
            for (int j = 0; j < 6; j++) {
                if (handoff_writer_reserve(writer, in_ns(MS), &frame, &error) == HANDOFF_OK) {
                    frame_paint(&frame);
                    (void)handoff_writer_commit(writer, &frame, &error);
                }
                if (handoff_reader_acquire(reader, in_ns(MS), &frame, &error) == HANDOFF_OK) {
                    assert_true(frame.slot < 4);
                    (void)handoff_reader_release(reader, &frame, &error);
                }
            }
            handoff_reader_free(reader);
        }
        handoff_reader *reader = meet(writer);
        send_one(writer, &frame);
        take_one(reader, &frame);
        expect_ok(handoff_reader_release(reader, &frame, &error), error);
        handoff_reader_free(reader);
        close(fd);
        handoff_writer_free(writer);
    }
}

/* A header that is not of its frame is told, once for the frame. */
static void a_damaged_header_is_corrupt(void **state)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_writer *writer = writer_named(fresh_name());
    handoff_reader *reader = meet(writer);
    send_one(writer, &frame);
    frame.header[20 + random_below(4)] ^= (uint8_t)(1u << random_below(7));
    expect_status(handoff_reader_acquire(reader, 0, &frame, &error), HANDOFF_CORRUPT, error);
    send_one(writer, &frame);
    take_one(reader, &frame);
    handoff_reader_free(reader);
    handoff_writer_free(writer);
}

int main(void)
{
    random_seed();
    content_seed = random_u64();
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_file_is_denied),
        TEST(what_is_open_to_others_is_denied),
        TEST(what_another_user_has_is_denied),
        TEST(a_dead_owner_is_replaced_and_a_living_one_kept),
        TEST(litter_is_replaced),
        TEST(one_of_many_gets_the_name),
        TEST(only_its_own_name_is_taken_away),
        TEST(a_file_of_another_size_is_corrupt),
        TEST(a_stub_is_corrupt),
        TEST(every_damaged_bit_is_seen),
        TEST(figures_that_cannot_be_are_corrupt),
        TEST(damaged_words_harm_nobody),
        TEST(a_damaged_header_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
