/* frames_fixture.h: what the tests of libhandoff_frames share: names of their own, frames whose
 * every byte is known, and a writer and a reader that have met. Include after cmocka.h.
 */
#ifndef HANDOFF_TESTS_FRAMES_FIXTURE_H
#define HANDOFF_TESTS_FRAMES_FIXTURE_H

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/frame.h"
#include "harness/measure/clock.h"
#include "tests/support/random_input.h"
#include "transports/frames/handoff_frames.h"

#define MS UINT64_C(1000000)
/* Longer than anything here takes on a machine that does much else. */
#define LONG_NS (20000 * MS)

static uint64_t content_seed; /* of all frames of a run */

/* The waits that all machines have. */
static const char *const every_wait[] = {"futex",    "spin",        "pause",     "yield",
                                         "poll:200", "adaptive:50", "semaphore", NULL};

static inline uint64_t in_ns(uint64_t ns)
{
    return clock_now_ns() + ns;
}

static inline const char *fresh_name(void)
{
    static char name[64];
    snprintf(name, sizeof name, "test-%d-%08x", (int)getpid(), (unsigned)random_u64());
    return name;
}

static inline struct handoff_writer_options some_options(int policy, const char *wait)
{
    /* No multiple of anything: rows of 3 x 43 bytes, four tags. */
    return (struct handoff_writer_options){.size = sizeof(struct handoff_writer_options),
                                           .width = 43,
                                           .height = 101,
                                           .channels = 3,
                                           .slots = 4,
                                           .policy = policy,
                                           .wait = wait};
}

static inline void frame_paint(const struct handoff_frame *frame)
{
    frame_source_fill(frame->pixels, frame->pixel_bytes, content_seed, (uint32_t)frame->id);
    frame_tags_write(frame->pixels, frame->pixel_bytes, frame->id);
}

static inline bool frame_is_whole(const struct handoff_frame *frame)
{
    uint8_t wanted[43 * 101 * 3];
    if (frame->pixel_bytes != sizeof wanted)
        return false;
    frame_source_fill(wanted, sizeof wanted, content_seed, (uint32_t)frame->id);
    frame_tags_write(wanted, sizeof wanted, frame->id);
    return memcmp(wanted, frame->pixels, sizeof wanted) == 0;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

/* `call` ends with `wanted`; a failure has words. */
#define expect_status(call, wanted, error)                                                   \
    do {                                                                                     \
        memset(&(error), 0, sizeof(error));                                                  \
        const int expect_got = (call);                                                       \
        if (expect_got != (wanted))                                                          \
            fail_msg("%s: %d (%s), not %d", #call, expect_got, (error).what, (int)(wanted)); \
        if (expect_got != HANDOFF_OK && (!(error).what[0] || (error).status != expect_got))  \
            fail_msg("%s: no words for status %d", #call, expect_got);                       \
    } while (0)
#define expect_ok(call, error) expect_status(call, HANDOFF_OK, error)

/* How many names of this process's tests there are in /dev/shm. */
static inline unsigned names_left(void)
{
    char prefix[64];
    unsigned count = 0;
    snprintf(prefix, sizeof prefix, "handoff.test-%d-", (int)getpid());
    DIR *folder = opendir("/dev/shm");
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(folder);
    return count;
}

static inline unsigned descriptors_open(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* ---- Two sides in one process ---------------------------------------------------------------- */

struct opening {
    const char *name;
    handoff_reader *reader;
    struct handoff_error error;
    int status;
    _Atomic int done;
};

static inline void *open_reader(void *data)
{
    struct opening *opening = data;
    opening->status =
        handoff_reader_open(opening->name, in_ns(LONG_NS), &opening->reader, &opening->error);
    opening->done = 1;
    return NULL;
}

/* Opens a reader of the writer's segment, which takes note meanwhile; leaves no frame behind. */
static inline handoff_reader *meet(handoff_writer *writer)
{
    struct opening opening = {.name = handoff_writer_name(writer)};
    struct handoff_frame frame;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_reader, &opening), 0);
    while (!opening.done) {
        int status = handoff_writer_reserve(writer, in_ns(MS), &frame, NULL);
        if (status == HANDOFF_OK && !opening.done)
            (void)handoff_writer_commit(writer, &frame, NULL);
    }
    pthread_join(thread, NULL);
    if (opening.status != HANDOFF_OK)
        fail_msg("open: %d (%s)", opening.status, opening.error.what);
    /* The last commits may be in the new session. */
    while (handoff_reader_acquire(opening.reader, 0, &frame, NULL) == HANDOFF_OK)
        (void)handoff_reader_release(opening.reader, &frame, NULL);
    return opening.reader;
}

static inline void send_one(handoff_writer *writer, struct handoff_frame *frame)
{
    struct handoff_error error;
    expect_ok(handoff_writer_reserve(writer, in_ns(LONG_NS), frame, &error), error);
    frame_paint(frame);
    expect_ok(handoff_writer_commit(writer, frame, &error), error);
}

static inline void take_one(handoff_reader *reader, struct handoff_frame *frame)
{
    struct handoff_error error;
    expect_ok(handoff_reader_acquire(reader, in_ns(LONG_NS), frame, &error), error);
    assert_true(frame_is_whole(frame));
}

/* ---- Processes ------------------------------------------------------------------------------- */

static inline pid_t start(void (*body)(void *), void *data)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body(data);
    _exit(0);
}

static inline void end_now(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* It ended by itself, well. */
static inline void expect_end(pid_t pid)
{
    int ended = -1;
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    if (ended != 0)
        fail_msg("a child ended with status 0x%x", (unsigned)ended);
}

/* A writer under a name of its own. */
static inline handoff_writer *writer_new(int policy, const char *wait)
{
    struct handoff_error error;
    handoff_writer *writer = NULL;
    const struct handoff_writer_options options = some_options(policy, wait);
    expect_ok(handoff_writer_create(fresh_name(), &options, &writer, &error), error);
    return writer;
}

/* Around each test: it leaves no descriptor and no name behind. */
static inline int nothing_stays(void **state)
{
    static unsigned descriptors;
    if (!descriptors)
        descriptors = descriptors_open();
    assert_int_equal(descriptors_open(), descriptors);
    assert_int_equal(names_left(), 0);
    return 0;
}
#define TEST(function) cmocka_unit_test_setup_teardown(function, nothing_stays, nothing_stays)

#endif
