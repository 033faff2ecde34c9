/* gpu_fixture.h: what the tests of tests/gpu share: skipping without a GPU, and a second process.
 *
 *     GPU_PEER(reader)            // runs in a process of its own, which never saw CUDA before
 *     {
 *         uint64_t sent;
 *         gpu_peer_hear(fd, &sent, sizeof sent, NULL);     // `fd` is the socket to the test
 *         assert_int_equal(sent, 42);                      // cmocka's assertions work here too
 *     }
 *     static void test_two_processes(void **state)
 *     {
 *         uint64_t sent = 42;
 *         struct gpu_peer peer = gpu_peer_start("reader");
 *         gpu_peer_say(peer.fd, &sent, sizeof sent, -1);   // bytes, and a descriptor or -1
 *         gpu_peer_end(&peer);                             // waits for it; it must have been fine
 *     }
 *     int main(int argc, char **argv)
 *     {
 *         gpu_fixture_begin(argc, argv);                   // becomes the peer, or skips with 77
 *         ...
 *     }
 *
 * The peer is this program executed again (posix_spawn), so that CUDA may have been used before. It
 * is killed when the test's process ends; both are killed by an alarm when they hang.
 */
#ifndef HANDOFF_TESTS_GPU_FIXTURE_H
#define HANDOFF_TESTS_GPU_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/gpu/gpu.h"
#include "harness/run/leftovers.h"
#include "tests/support/gpu_skip.h"

#define GPU_FIXTURE_SKIPPED 77
/* Making a context takes seconds on some machines. HANDOFF_TEST_PATIENCE multiplies both, for
 * sanitizers of the GPU. */
#define GPU_FIXTURE_PEER_SECONDS (100 * gpu_fixture_patience())
#define GPU_FIXTURE_TEST_SECONDS (280 * gpu_fixture_patience())
#define GPU_FIXTURE_MESSAGE_BYTES_MAX 30000

extern char **environ;

static inline unsigned gpu_fixture_patience(void)
{
    const char *given = getenv("HANDOFF_TEST_PATIENCE");
    return given ? (unsigned)strtoul(given, NULL, 10) : 1;
}

/* Sanitizers of the GPU run beside each other: what the device has left then says nothing of this
 * process, and times say nothing at all. */
static inline bool gpu_fixture_alone(void)
{
    return gpu_fixture_patience() == 1;
}

/* ---- Statuses -------------------------------------------------------------------------------- */

/* gpu_assert_ok(&err, call): the call's own words when it fails. */
#define gpu_assert_ok(err, call)                                           \
    do {                                                                   \
        if ((call) != ST_OK)                                               \
            fail_msg("%s: %s\nhint: %s", #call, (err)->what, (err)->hint); \
    } while (0)

/* gpu_assert_fails(&err, call): it must fail, and say why. */
#define gpu_assert_fails(err, call)          \
    do {                                     \
        memset((err), 0, sizeof *(err));     \
        assert_int_not_equal((call), ST_OK); \
        assert_true((err)->what[0] != '\0'); \
    } while (0)

/* What a stream or event says in the end: looks until it is not ST_AGAIN, for ten seconds. */
#define gpu_poll_until_done(err, poll)                                           \
    do {                                                                         \
        uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(10000000000);        \
        enum status polled;                                                      \
        while ((polled = (poll)) == ST_AGAIN && gpu_fixture_now_ns() < until_ns) \
            ;                                                                    \
        gpu_assert_ok(err, polled);                                              \
    } while (0)

static inline uint64_t gpu_fixture_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Messages between the two ---------------------------------------------------------------- */

/* Sends up to GPU_FIXTURE_MESSAGE_BYTES_MAX bytes and, unless it is -1, a descriptor (which stays
 * the caller's). */
static inline void gpu_peer_say(int fd, const void *bytes, size_t count, int passed_fd)
{
    struct err err = {0};
    const uint8_t *from = bytes;
    char *text = malloc(2 * count + 1);
    assert_non_null(text);
    assert_true(count <= GPU_FIXTURE_MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)from[i]);
    text[2 * count] = '\0';
    cJSON *json = cJSON_CreateObject();
    assert_non_null(json);
    assert_true(json_add_string(json, "bytes", text));
    gpu_assert_ok(&err, channel_send(fd, json, &passed_fd, passed_fd >= 0, &err));
    cJSON_Delete(json);
    free(text);
}

/* Receives exactly `count` bytes. The descriptor becomes the caller's; -1 where none came. */
static inline void gpu_peer_hear(int fd, void *bytes, size_t count, int *passed_fd)
{
    struct err err = {0};
    struct channel_message message = {0};
    uint64_t deadline_ns = gpu_fixture_now_ns() + GPU_FIXTURE_PEER_SECONDS * UINT64_C(1000000000);
    gpu_assert_ok(&err, channel_receive(fd, deadline_ns, &message, &err));
    const char *text = json_get_string(message.json, "bytes", "");
    assert_int_equal(strlen(text), 2 * count);
    for (size_t i = 0; i < count; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        ((uint8_t *)bytes)[i] = (uint8_t)byte;
    }
    if (passed_fd) {
        *passed_fd = message.fd_count > 0 ? message.fds[0] : -1;
        message.fds[0] = -1;
    }
    channel_message_clear(&message);
}

/* "Your turn": gpu_peer_hear_turn returns when the other side has come to the same number. */
static inline void gpu_peer_say_turn(int fd, uint32_t turn)
{
    gpu_peer_say(fd, &turn, sizeof turn, -1);
}

static inline void gpu_peer_hear_turn(int fd, uint32_t turn)
{
    uint32_t heard = 0;
    gpu_peer_hear(fd, &heard, sizeof heard, NULL);
    assert_int_equal(heard, turn);
}

/* ---- The other process ----------------------------------------------------------------------- */

struct gpu_peer_entry {
    const char *name;
    void (*run)(int fd);
    struct gpu_peer_entry *next;
};
static struct gpu_peer_entry *gpu_peer_entries;

#define GPU_PEER(name)                                                           \
    static void gpu_peer_run_##name(int fd);                                     \
    __attribute__((constructor)) static void gpu_peer_enter_##name(void)         \
    {                                                                            \
        static struct gpu_peer_entry entry = {#name, gpu_peer_run_##name, NULL}; \
        entry.next = gpu_peer_entries;                                           \
        gpu_peer_entries = &entry;                                               \
    }                                                                            \
    static void gpu_peer_run_##name(int fd)

struct gpu_peer {
    const char *name;
    pid_t pid;
    int fd; /* the test's end of the socket */
};

#define GPU_PEER_FD 3
#define GPU_PEER_WORDS_MAX 16

/* Starts GPU_PEER(name), behind the words of HANDOFF_EMULATOR like a role. */
static inline struct gpu_peer gpu_peer_start(const char *name)
{
    struct err err = {0};
    struct gpu_peer peer = {.name = name};
    int pair[2];
    char program[4096], parent[32], emulator[1024];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    program[length] = '\0';
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    const char *given = getenv("HANDOFF_EMULATOR");
    snprintf(emulator, sizeof emulator, "%s", given ? given : "");
    char *argv[GPU_PEER_WORDS_MAX + 5];
    int count = 0;
    for (char *word = strtok(emulator, " "); word && count < GPU_PEER_WORDS_MAX;
         word = strtok(NULL, " "))
        argv[count++] = word;
    char option[] = "--gpu-peer", peer_name[128];
    snprintf(peer_name, sizeof peer_name, "%s", name);
    argv[count++] = program;
    argv[count++] = option;
    argv[count++] = peer_name;
    argv[count++] = parent;
    argv[count] = NULL;

    gpu_assert_ok(&err, channel_pair(pair, &err));
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pair[1], GPU_PEER_FD), 0);
    fflush(NULL);
    assert_int_equal(posix_spawn(&peer.pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    peer.fd = pair[0];
    return peer;
}

/* Hangs up and waits; returns the status of waitpid. A peer that does not end is killed, and the
 * test fails. */
static inline int gpu_peer_wait(struct gpu_peer *peer)
{
    int wait_status = 0;
    uint64_t deadline_ns = gpu_fixture_now_ns() + GPU_FIXTURE_PEER_SECONDS * UINT64_C(1000000000);
    pid_t ended = 0;
    while ((ended = waitpid(peer->pid, &wait_status, WNOHANG)) == 0 &&
           gpu_fixture_now_ns() < deadline_ns)
        usleep(1000);
    if (ended == 0) {
        kill(peer->pid, SIGKILL);
        waitpid(peer->pid, &wait_status, 0);
        fail_msg("the peer %s did not end", peer->name);
    }
    leftovers_remove(peer->pid);
    close(peer->fd);
    peer->pid = 0;
    peer->fd = -1;
    return wait_status;
}

/* Waits for the peer to come to its end; it must have been fine. */
static inline void gpu_peer_end(struct gpu_peer *peer)
{
    int wait_status = gpu_peer_wait(peer);
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0)
        fail_msg("the peer %s ended with wait status 0x%x; its own words stand above", peer->name,
                 (unsigned)wait_status);
}

/* Kills it at once, whatever it is doing. */
static inline void gpu_peer_kill(struct gpu_peer *peer)
{
    kill(peer->pid, SIGKILL);
    (void)gpu_peer_wait(peer);
}

static void (*gpu_peer_running)(int fd);

static inline void gpu_peer_run(void **state)
{
    gpu_peer_running(GPU_PEER_FD);
}

/* As a test of cmocka, which else keeps the words of a failed assertion to itself. */
static inline void gpu_fixture_become_peer(const char *name, long parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The test may have died before the kernel knew the wish. An emulator's process is its child
     * all the same. */
    if (getppid() != (pid_t)parent)
        _exit(EXIT_FAILURE);
    alarm(GPU_FIXTURE_PEER_SECONDS);
    for (const struct gpu_peer_entry *entry = gpu_peer_entries; entry; entry = entry->next)
        if (strcmp(entry->name, name) == 0) {
            const struct CMUnitTest tests[] = {{name, gpu_peer_run, NULL, NULL, NULL}};
            gpu_peer_running = entry->run;
            exit(cmocka_run_group_tests_name("peer", tests, NULL, NULL) ? EXIT_FAILURE
                                                                        : EXIT_SUCCESS);
        }
    fprintf(stderr, "no GPU_PEER(%s) in this program\n", name);
    exit(EXIT_FAILURE);
}

/* ---- The beginning --------------------------------------------------------------------------- */

/* First thing in main. Runs the peer and exits in the second process; exits with 77 and the reason
 * where there is no GPU. */
static inline void gpu_fixture_begin(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--gpu-peer") == 0)
        gpu_fixture_become_peer(argv[2], strtol(argv[3], NULL, 10));
    struct gpu_info info;
    struct err err = {0};
    alarm(GPU_FIXTURE_TEST_SECONDS);
    if (gpu_probe(&info, &err) != ST_OK) {
        printf("skipped: %s\n", err.what);
        exit(GPU_FIXTURE_SKIPPED);
    }
    printf("%s, compute capability %d.%d\n", info.name, info.compute_major, info.compute_minor);
}

/* The device for one test, with the schedule flag of `sync`. */
static inline struct gpu *gpu_fixture_open(enum gpu_sync sync)
{
    struct err err = {0};
    struct gpu *gpu = NULL;
    gpu_assert_ok(&err, gpu_open(sync, &gpu, &err));
    assert_non_null(gpu);
    return gpu;
}

#endif
