/* test_roudi.c: the guard's RouDi: started lazily with memory for the cell's frames, kept for
 * launches of the same, replaced when it died or the frames are others, ended with all of its
 * files, also under a runner and a guard that are killed; another RouDi is refused and left alone.
 *
 * RouDi is the real one; where it is not installed only the tests with a false one run. process.c
 * starts /proc/self/exe as the roles, which is this program.
 */
#include <dirent.h>
#include <glob.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/clock.h"
#include "harness/run/guard.h"
#include "harness/run/role.h"
#include "harness/run/roudi_daemon.h"
#include "harness/run/session.h"
#include "tests/support/launch_fixture.h"
#include "tests/support/random_input.h"

/* TMPDIR, and the false RouDi. */
static char folder[] = "/tmp/handoff-test-roudi-XXXXXX";
static char path_without[4096];

/* ---- What is there --------------------------------------------------------------------------- */

/* The process that has the program of RouDi and is not a zombie; 0: none. */
static pid_t roudi_pid(void)
{
    pid_t found = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (const struct dirent *entry; !found && (entry = readdir(processes));) {
        char path[300], name[32] = "", state = 'Z';
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file && fscanf(file, "%*d (%31[^)]) %c", name, &state) == 2 && state != 'Z' &&
            strcmp(name, ROUDI_PROGRAM) == 0)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        if (file)
            fclose(file);
    }
    closedir(processes);
    return found;
}

/* Its first thread is a zombie before the last one is gone. */
static void kill_roudi(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (roudi_pid() == pid || roudi_runs())
        clock_sleep_until_ns(clock_now_ns() + 1000000u);
    clock_sleep_until_ns(clock_now_ns() + 50000000u);
}

static bool anything_left(void)
{
    return roudi_pid() != 0 || access(ROUDI_SOCKET, F_OK) == 0 || access(ROUDI_LOCK, F_OK) == 0 ||
           access(ROUDI_SOCKET_LOCK, F_OK) == 0 || access(ROUDI_MANAGEMENT, F_OK) == 0 ||
           system("{ ls -A $TMPDIR; ls -d /dev/shm/$(id -gn) /tmp/" ROUDI_CLIENT_PREFIX
                  "*; } 2> /dev/null | grep -q .") == 0;
}

static void expect_nothing_left(uint64_t within_ns)
{
    const uint64_t until_ns = clock_now_ns() + within_ns;
    while (anything_left() && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 5000000u);
    if (anything_left())
        fail_msg("process %d, or files of RouDi or its clients, were left", (int)roudi_pid());
}

/* The number of the socket behind a descriptor of a process; 0: none, or no socket. */
static unsigned long socket_of(pid_t pid, const char *fd)
{
    char path[300], target[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, fd);
    const ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    return strncmp(target, "socket:[", 8) == 0 ? strtoul(target + 8, NULL, 10) : 0;
}

/* Has `pid` the guard's end of the control socket? While it had, the guard's death would not be
 * told. */
static bool has_socket_of(pid_t pid, pid_t guard)
{
    bool found = false;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    const unsigned long theirs = socket_of(guard, "3");
    DIR *fds = opendir(path);
    assert_true(fds && theirs != 0);
    for (const struct dirent *fd; (fd = readdir(fds));)
        found |= socket_of(pid, fd->d_name) == theirs;
    closedir(fds);
    return found;
}

static struct guard start_guard(void)
{
    struct guard guard = {.running = false};
    struct err err;
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    return guard;
}

static void start_well(struct guard *guard, size_t payload_bytes, uint32_t slots)
{
    struct err err = {.what = ""};
    if (roudi_start(guard, payload_bytes, slots, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(guard->roudi.running);
}

static bool usable(void)
{
    struct err err;
    return transport_find("iceoryx")->probe(&err) == ST_OK;
}

/* ---- The daemon ------------------------------------------------------------------------------ */

static void it_starts_once_and_leaves_nothing(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct guard guard = start_guard();
    roudi_stop(&guard);
    assert_int_equal(roudi_pid(), 0); /* not before it is needed */
    start_well(&guard, 1000, 4);
    const pid_t first = roudi_pid();
    assert_true(first > 0 && roudi_runs());
    assert_false(has_socket_of(first, guard.process.pid));
    start_well(&guard, 1000, 4);
    assert_int_equal(roudi_pid(), first);
    start_well(&guard, 1000, 5); /* other frames, another one */
    const pid_t second = roudi_pid();
    assert_true(second > 0 && second != first);
    kill_roudi(second);
    start_well(&guard, 1000, 5); /* asked before it is trusted */
    assert_true(roudi_pid() > 0 && roudi_pid() != second);
    roudi_stop(&guard);
    assert_false(guard.roudi.running || roudi_runs());
    expect_nothing_left(0);
    start_well(&guard, 0, 1);
    guard_stop(&guard);
    expect_nothing_left(0);
}

static void another_is_left_alone(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct err err = {.what = ""};
    struct guard ours = start_guard(), other = start_guard();
    start_well(&other, 1000, 4);
    const pid_t pid = roudi_pid();
    assert_int_equal(transport_find("iceoryx")->probe(&err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "a RouDi runs here already"));
    assert_int_equal(roudi_start(&ours, 1000, 4, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "another RouDi runs"));
    assert_true(err.hint[0]);
    roudi_stop(&ours);
    guard_stop(&ours);
    assert_int_equal(roudi_pid(), pid);
    assert_true(roudi_runs() && access(ROUDI_LOCK, F_OK) == 0);
    /* It still serves. */
    start_well(&other, 1000, 4);
    assert_int_equal(roudi_pid(), pid);
    guard_stop(&other);
    expect_nothing_left(0);

    /* One that came when ours had been killed has made all of its files anew. */
    ours = start_guard(), other = start_guard();
    start_well(&ours, 1000, 4);
    kill_roudi(roudi_pid());
    start_well(&other, 1000, 4);
    guard_stop(&ours);
    assert_true(roudi_runs() && access(ROUDI_LOCK, F_OK) == 0 &&
                access(ROUDI_MANAGEMENT, F_OK) == 0);
    guard_stop(&other);
    unlink(ROUDI_SOCKET_LOCK), unlink(ROUDI_LOCK); /* ours made those, and could not tell */
    expect_nothing_left(0);
}

/* What iceoryx keeps in /tmp for a process. */
static void client_name(char *path, size_t size, pid_t pid)
{
    snprintf(path, size, "/tmp/" ROUDI_CLIENT_PREFIX "%d.lock", (int)pid);
}

static void only_dead_clients_are_removed(void **state)
{
    (void)state;
    if (!usable())
        skip();
    char dead[96], living[96];
    /* Nobody has looked after it yet: a killed runner's roles wait for another parent. */
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    client_name(dead, sizeof dead, child);
    client_name(living, sizeof living, getpid());
    struct guard guard = start_guard();
    start_well(&guard, 1000, 4);
    assert_true(fclose(fopen(dead, "wx")) == 0 && fclose(fopen(living, "wx")) == 0);
    guard_stop(&guard);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(unlink(living), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    expect_nothing_left(0);
}

static void files_of_others_stay(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct err err = {.what = ""};
    struct stat before, after;
    struct guard guard = start_guard();
    /* What a killed RouDi of the user's left is replaced by the next one; what can stay, stays. */
    FILE *file = fopen(ROUDI_LOCK, "wx");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(stat(ROUDI_LOCK, &before), 0);
    start_well(&guard, 1000, 4);
    roudi_stop(&guard);
    assert_int_equal(stat(ROUDI_LOCK, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    unlink(ROUDI_LOCK);
    /* A segment by the name of ours that no RouDi made. */
    assert_int_equal(system("echo mine > /dev/shm/$(id -gn)"), 0);
    assert_int_equal(roudi_start(&guard, 1000, 4, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "is in the way"));
    assert_int_equal(system("grep -q mine /dev/shm/$(id -gn) && rm /dev/shm/$(id -gn)"), 0);
    guard_stop(&guard);
    expect_nothing_left(0);
}

static void more_than_there_is_is_refused(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct err err = {.what = ""};
    struct guard guard = start_guard();
    assert_int_equal(roudi_start(&guard, FRAME_PAYLOAD_MAX, 1000000, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "MB free, and RouDi needs"));
    guard_stop(&guard);
    expect_nothing_left(0);
}

static void one_that_does_not_come_up_is_explained(void **state)
{
    (void)state;
    char fake[128], search[4200];
    struct err err = {.what = ""};
    const struct roudi_pool pool = {100, 1};
    struct roudi_daemon daemon = {.pid = 0};
    if (roudi_runs())
        skip();
    snprintf(fake, sizeof fake, "%s-fake/iox-roudi", folder);
    snprintf(search, sizeof search, "%s-fake:%s", folder, path_without);
    setenv("PATH", search, 1);
    FILE *file = fopen(fake, "w");
    assert_non_null(file);
    fputs("#!/bin/sh\ncat \"$2\" >&2\nprintf 'no \\033[0;1;93mmemory\\033[m\\n'\nexit 3\n", file);
    fclose(file);
    chmod(fake, 0755);
    assert_int_equal(roudi_daemon_start(&daemon, &pool, 1, 2000000000u, &err), ST_UNAVAILABLE);
    assert_non_null(
        strstr(err.what, "RouDi exited with status 3; its last words are \"no memory\""));
    assert_true(err.hint[0]);
    file = fopen(fake, "w");
    assert_non_null(file);
    fputs("#!/bin/sh\necho waiting\nexec sleep 100\n", file);
    fclose(file);
    const uint64_t began_ns = clock_now_ns();
    assert_int_equal(roudi_daemon_start(&daemon, &pool, 1, 300000000u, &err), ST_UNAVAILABLE);
    assert_true(clock_now_ns() - began_ns >= 300000000u);
    assert_non_null(strstr(err.what, "not ready after 0.3 s; its last words are \"waiting\""));
    unlink(fake);
    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(roudi_daemon_start(&daemon, &pool, 1, 300000000u, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "iox-roudi is not on PATH"));
    assert_int_equal(roudi_probe(&err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "is not on PATH"));
    setenv("PATH", path_without, 1);
    roudi_daemon_stop(&daemon); /* safe again */
    expect_nothing_left(0);
    struct guard none = {.running = false};
    assert_int_equal(roudi_start(&none, 1, 1, &err), ST_UNAVAILABLE);
    roudi_stop(&none);
}

/* victim 0: the runner; 1: the guard itself, which takes the runner's helper with it. */
static void nothing_outlives(int victim)
{
    int word[2];
    pid_t guard_pid;
    assert_int_equal(pipe(word), 0);
    pid_t runner = fork();
    if (runner == 0) {
        struct guard guard = {.running = false};
        struct err err;
        close(word[0]);
        if (guard_start(&guard, &err) != ST_OK || roudi_start(&guard, 1000, 4, &err) != ST_OK ||
            write(word[1], &guard.process.pid, sizeof guard.process.pid) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(word[1]);
    assert_int_equal(read(word[0], &guard_pid, sizeof guard_pid), sizeof guard_pid);
    close(word[0]);
    assert_true(roudi_pid() > 0);
    kill(victim ? guard_pid : runner, SIGKILL);
    if (victim) { /* the runner's end would not show who cleaned up */
        const uint64_t until_ns = clock_now_ns() + 8000000000u;
        while (roudi_pid() && clock_now_ns() < until_ns)
            clock_sleep_until_ns(clock_now_ns() + 5000000u);
        kill(runner, SIGKILL);
    }
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    expect_nothing_left(8000000000u);
}

static void nothing_outlives_a_killed_runner(void **state)
{
    (void)state;
    if (!usable())
        skip();
    nothing_outlives(0);
    nothing_outlives(1);
}

/* ---- Roles ----------------------------------------------------------------------------------- */

static double launch_rate_hz = 1000;

static struct launch_outcome launch(struct guard *guard, const char *transport, const char *wait,
                                    uint64_t limit_ns)
{
    struct cell cell = launch_cell();
    cell.transport = transport_find(transport);
    cell.wait = wait_find(wait);
    cell.rate_hz = launch_rate_hz;
    struct session_request request = launch_request(&cell, 20, guard);
    request.limit_ns = limit_ns;
    return launch_run(&request, NULL);
}

static void launch_well(struct guard *guard, const char *transport, const char *wait)
{
    const struct launch_outcome outcome = launch(guard, transport, wait, 0);
    if (outcome.status != ST_OK)
        fail_msg("%s: %s", transport, outcome.reason);
}

/* Kept while launches follow each other, away for others, new after one that went wrong. */
static void launches_have_it_while_they_need_it(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct guard guard = start_guard();
    launch_well(&guard, "unix", "block");
    assert_int_equal(roudi_pid(), 0);
    launch_well(&guard, "iceoryx", "native");
    const pid_t first = roudi_pid();
    assert_true(first > 0);
    launch_well(&guard, "iceoryx", "yield");
    assert_int_equal(roudi_pid(), first);
    launch_well(&guard, "unix", "block");
    expect_nothing_left(0);
    launch_well(&guard, "iceoryx", "native");
    assert_int_not_equal(launch(&guard, "iceoryx", "native", 1).status, ST_OK); /* no time at all */
    expect_nothing_left(0);
    launch_well(&guard, "iceoryx", "native");
    guard_stop(&guard);
    expect_nothing_left(0);
}

/* When both roles of the launch are clients of RouDi, which have a socket and a lock each. */
static void *kill_guard_of_a_launch(void *pid)
{
    size_t names = 0;
    const uint64_t until_ns = clock_now_ns() + 60000000000u; /* a launch that came to nothing */
    while (names < 4 && clock_now_ns() < until_ns) {
        glob_t found;
        clock_sleep_until_ns(clock_now_ns() + 20000000u);
        names = glob("/tmp/" ROUDI_CLIENT_PREFIX "*", 0, NULL, &found) == 0 ? found.gl_pathc : 0;
        globfree(&found);
    }
    clock_sleep_until_ns(clock_now_ns() + random_below(300000000u));
    kill(*(const pid_t *)pid, SIGKILL);
    return NULL;
}

/* RouDi goes with it, and roles that wait for what it would do: not until the end of the launch. */
static void a_killed_guard_ends_its_launch_at_once(void **state)
{
    (void)state;
    if (!usable())
        skip();
    pthread_t killer;
    struct guard guard = start_guard();
    assert_int_equal(
        pthread_create(&killer, NULL, kill_guard_of_a_launch, &(pid_t){guard.process.pid}), 0);
    launch_rate_hz = 0.5;
    const uint64_t began_ns = clock_now_ns();
    const struct launch_outcome outcome = launch(&guard, "iceoryx", "native", 0);
    launch_rate_hz = 1000;
    assert_int_equal(pthread_join(killer, NULL), 0);
    assert_true(clock_now_ns() - began_ns < 20000000000u); /* of its 44 s */
    assert_int_equal(outcome.status, ST_ROLE_DIED);
    assert_non_null(strstr(outcome.reason, "the guard process was killed by signal 9"));
    assert_non_null(strstr(outcome.reason, "RouDi with it"));
    expect_nothing_left(
        5000000000u); /* nobody's child by now, it goes when the kernel gets to it */
    launch_well(&guard, "iceoryx", "native");
    /* Between two launches it goes unnoticed: RouDi is there just now, and another one is
     * needed. */
    const pid_t first = roudi_pid();
    kill(guard.process.pid, SIGKILL);
    waitid(P_PID, (id_t)guard.process.pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
    launch_well(&guard, "iceoryx", "yield");
    for (int i = 0; i < 500 && roudi_pid() == first; i++)
        clock_sleep_until_ns(clock_now_ns() + 10000000u);
    assert_true(first > 0 && roudi_pid() > 0 && roudi_pid() != first);
    guard_stop(&guard);
    expect_nothing_left(0);
}

/* ---- The folder ------------------------------------------------------------------------------ */

static int make_folder(void **state)
{
    (void)state;
    char fake[128];
    snprintf(path_without, sizeof path_without, "%s", getenv("PATH"));
    if (!mkdtemp(folder))
        return -1;
    setenv("TMPDIR", folder, 1);
    snprintf(fake, sizeof fake, "%s-fake", folder);
    return mkdir(fake, 0700);
}

static int remove_folder(void **state)
{
    (void)state;
    char fake[128];
    snprintf(fake, sizeof fake, "%s-fake", folder);
    return rmdir(fake) == 0 ? rmdir(folder) : -1;
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return role_main(argc, argv, &err) == ST_OK ? 0 : 1;
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_once_and_leaves_nothing),
        cmocka_unit_test(another_is_left_alone),
        cmocka_unit_test(only_dead_clients_are_removed),
        cmocka_unit_test(files_of_others_stay),
        cmocka_unit_test(more_than_there_is_is_refused),
        cmocka_unit_test(one_that_does_not_come_up_is_explained),
        cmocka_unit_test(nothing_outlives_a_killed_runner),
        cmocka_unit_test(launches_have_it_while_they_need_it),
        cmocka_unit_test(a_killed_guard_ends_its_launch_at_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
