/* test_mps.c: the guard's MPS daemon: started once and lazily, asked before it is trusted, replaced
 * when it died, ended with whatever it left, also under a runner that was killed.
 *
 * The daemon is false: a script by the name of the real one stands first on PATH. It forks a server
 * into a session of its own, as the worst one would, and behaves as FAKE_MPS says. process.c starts
 * /proc/self/exe as the roles, which is this program.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
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

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/guard.h"
#include "harness/run/mps_daemon.h"
#include "harness/run/role.h"
#include "harness/run/session.h"
#include "tests/support/launch_fixture.h"
#include "tests/support/random_input.h"

/* Everything of a test lies here: the script, what it noted, and TMPDIR. */
static char folder[] = "/tmp/handoff-test-mps-XXXXXX";

static const char script[] =
    "#!/bin/sh\n"
    "pipe=$CUDA_MPS_PIPE_DIRECTORY\n"
    "if [ \"$1\" = -f ]; then\n"
    "  echo \"$$ $pipe ${CUDA_VISIBLE_DEVICES-unset} ${CUDA_MPS_ACTIVE_THREAD_PERCENTAGE-unset}\" "
    ">> \"$FAKE_FOLDER/starts\"\n"
    "  case $FAKE_MPS in\n"
    "  refuses) echo 'first line' >> \"$CUDA_MPS_LOG_DIRECTORY/control.log\"\n"
    "    echo 'no such device' >> \"$CUDA_MPS_LOG_DIRECTORY/control.log\"; exit 3;;\n"
    "  mute) echo 'waiting for nothing' >&2; exec sleep 100;;\n"
    "  deaf) trap '' TERM INT;;\n"
    "  esac\n"
    "  setsid sleep 100 &\n"
    "  echo $! > \"$FAKE_FOLDER/server\"\n"
    "  sleep 0.05\n"
    "  echo $$ > \"$pipe/control\"\n"
    "  while [ $FAKE_MPS = deaf ] || ! [ -e \"$pipe/quit\" ]; do sleep 0.02; done\n"
    "  [ $FAKE_MPS = careless ] || kill $(cat \"$FAKE_FOLDER/server\")\n"
    "  exit 0\n"
    "fi\n"
    "if ! [ -e \"$pipe/control\" ]; then echo 'Cannot find MPS control daemon'; exit 1; fi\n"
    "read command rest\n"
    "case $command in\n"
    "get_default_active_thread_percentage) echo 100.0;;\n"
    "quit) : > \"$pipe/quit\";;\n"
    "*) exit 1;;\n"
    "esac\n";

/* ---- What is there --------------------------------------------------------------------------- */

static pid_t noted_pid(const char *name)
{
    char path[96];
    int pid = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    while (file && fscanf(file, "%d%*[^\n]", &pid) == 1) /* the last line's */
        continue;
    if (file)
        fclose(file);
    return pid;
}

static unsigned starts(void)
{
    char path[96];
    unsigned lines = 0;
    snprintf(path, sizeof path, "%s/starts", folder);
    FILE *file = fopen(path, "r");
    for (int c = file ? fgetc(file) : EOF; c != EOF; c = fgetc(file))
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

/* A zombie whose parent does not care is gone, too. */
static bool is_alive(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    if (file)
        fclose(file);
    return state != 'X' && state != 'Z';
}

static unsigned directories_left(void)
{
    char path[96];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/tmp", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void expect_nothing_left(uint64_t within_ns)
{
    const uint64_t until_ns = clock_now_ns() + within_ns;
    const pid_t daemon = noted_pid("starts"), server = noted_pid("server");
    assert_true(daemon > 0);
    while ((is_alive(daemon) || (server && is_alive(server)) || directories_left()) &&
           clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 5000000u);
    if (is_alive(daemon) || (server && is_alive(server)))
        fail_msg("daemon %d or server %d outlived it", (int)daemon, (int)server);
    assert_int_equal(directories_left(), 0);
}

static struct guard start_guard(const char *behaviour)
{
    struct guard guard = {.running = false};
    struct err err;
    setenv("FAKE_MPS", behaviour, 1);
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    return guard;
}

static void start_well(struct guard *guard)
{
    struct err err = {.what = ""};
    if (mps_start(guard, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(guard->mps.running);
}

/* ---- The daemon ------------------------------------------------------------------------------ */

static void it_starts_once_and_leaves_nothing(void **state)
{
    (void)state;
    struct stat info;
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    setenv(MPS_SHARE_VARIABLE, "10", 1);
    struct guard guard = start_guard("good");
    assert_int_equal(starts(), 0); /* not before it is needed */
    mps_stop(&guard);
    start_well(&guard);
    start_well(&guard);
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv(MPS_SHARE_VARIABLE);
    assert_int_equal(starts(), 1);
    assert_true(is_alive(noted_pid("starts")) && is_alive(noted_pid("server")));
    assert_int_equal(stat(guard.mps.pipe_directory, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    /* The server sees all devices, and its clients choose. */
    char path[96], line[256] = "";
    snprintf(path, sizeof path, "%s/starts", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_non_null(strstr(line, " unset unset\n"));
    assert_non_null(strstr(line, guard.mps.pipe_directory));
    mps_stop(&guard);
    assert_false(guard.mps.running);
    expect_nothing_left(0);
    start_well(&guard); /* and again */
    assert_int_equal(starts(), 2);
    guard_stop(&guard);
    expect_nothing_left(0);
}

static void a_dead_one_is_replaced_with_its_server(void **state)
{
    (void)state;
    struct guard guard = start_guard("good");
    start_well(&guard);
    const pid_t daemon = noted_pid("starts"), server = noted_pid("server");
    char segment[64];
    /* As CUDA names them (leftovers.h). */
    snprintf(segment, sizeof segment, "/dev/shm/cuda.shm.%x.%x.1", getuid(), (unsigned)server);
    FILE *file = fopen(segment, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    while (is_alive(daemon))
        clock_sleep_until_ns(clock_now_ns() + 1000000u);
    assert_true(is_alive(server)); /* in a session of its own */
    start_well(&guard);
    assert_int_equal(starts(), 2);
    assert_false(is_alive(server));
    const bool segment_left = unlink(segment) == 0;
    assert_false(segment_left);
    assert_int_equal(directories_left(), 1);
    guard_stop(&guard);
    expect_nothing_left(0);
}

static void one_that_does_not_quit_is_killed(void **state)
{
    (void)state;
    static const char *const behaviours[] = {"deaf", "careless"};
    for (size_t i = 0; i < 2; i++) {
        struct guard guard = start_guard(behaviours[i]);
        start_well(&guard);
        const uint64_t began_ns = clock_now_ns();
        mps_stop(&guard);
        assert_true(clock_now_ns() - began_ns < MPS_DAEMON_STOP_NS + 1000000000u);
        expect_nothing_left(0);
        guard_stop(&guard);
    }
}

static void one_that_does_not_come_up_is_explained(void **state)
{
    (void)state;
    struct err err = {.what = ""};
    struct guard guard = start_guard("refuses");
    assert_int_equal(mps_start(&guard, &err), ST_UNAVAILABLE);
    assert_false(guard.mps.running);
    assert_non_null(strstr(err.what, "gpu_sharing mps: the MPS control daemon exited with status "
                                     "3; its log ends with \"no such device\""));
    assert_non_null(strstr(err.hint, "time_sliced"));
    assert_int_equal(directories_left(), 0);
    guard_stop(&guard);

    setenv("FAKE_MPS", "mute", 1);
    struct mps_daemon daemon = {.pid = 0};
    const uint64_t began_ns = clock_now_ns();
    assert_int_equal(mps_daemon_start(&daemon, 300000000u, &err), ST_UNAVAILABLE);
    assert_true(clock_now_ns() - began_ns >= 300000000u);
    assert_non_null(strstr(err.what, "does not answer after 0.3 s; its log ends with \"waiting for "
                                     "nothing\""));
    assert_int_equal(daemon.pid, 0);
    expect_nothing_left(0);
    mps_daemon_stop(&daemon); /* safe again */

    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    guard = start_guard("good");
    assert_int_equal(mps_start(&guard, &err), ST_UNAVAILABLE);
    setenv("PATH", path, 1);
    free(path);
    assert_non_null(strstr(err.what, "nvidia-cuda-mps-control is not on PATH"));
    assert_non_null(strstr(err.hint, "NVIDIA's driver"));
    assert_int_equal(directories_left(), 0);
    guard_stop(&guard);

    struct guard none = {.running = false};
    assert_int_equal(mps_start(&none, &err), ST_UNAVAILABLE);
    mps_stop(&none);
}

static void nothing_outlives_a_killed_runner(void **state)
{
    (void)state;
    static const char *const behaviours[] = {"good", "deaf"};
    for (size_t i = 0; i < 2; i++) {
        int word[2];
        char told;
        assert_int_equal(pipe(word), 0);
        pid_t runner = fork();
        if (runner == 0) {
            struct guard guard = {.running = false};
            struct err err;
            close(word[0]);
            setenv("FAKE_MPS", behaviours[i], 1);
            if (guard_start(&guard, &err) != ST_OK || mps_start(&guard, &err) != ST_OK ||
                write(word[1], "!", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        close(word[1]);
        assert_int_equal(read(word[0], &told, 1), 1);
        close(word[0]);
        assert_true(is_alive(noted_pid("starts")) && is_alive(noted_pid("server")));
        kill(runner, SIGKILL);
        assert_int_equal(waitpid(runner, NULL, 0), runner);
        expect_nothing_left(8000000000u);
    }
}

/* Nor a killed guard, whose runner stands in. */
static void nothing_outlives_a_killed_guard(void **state)
{
    (void)state;
    static const char *const behaviours[] = {"good", "deaf"};
    for (size_t i = 0; i < 2; i++) {
        struct guard guard = start_guard(behaviours[i]);
        struct err err;
        start_well(&guard);
        assert_int_equal(kill(guard.process.pid, SIGKILL), 0);
        if (i == 0) { /* in the middle of a launch, else between two */
            mps_stop(&guard);
            assert_false(guard.mps.running);
            expect_nothing_left(0);
        } else {
            while (!process_has_ended(&guard.process))
                clock_sleep_until_ns(clock_now_ns() + 1000000u);
        }
        setenv("FAKE_MPS", "good", 1);
        assert_int_equal(guard_renew(&guard, &err), ST_OK);
        expect_nothing_left(0);
        start_well(&guard);
        guard_stop(&guard);
        expect_nothing_left(0);
    }
}

/* ---- Roles ----------------------------------------------------------------------------------- */

/* The role `tell-mps` of this program says what it finds. */
static int tell_mps(void)
{
    struct err err;
    const char *pipe = getenv(MPS_PIPE_VARIABLE);
    const char *same = getenv("FAKE_FOLDER"), *gone = getenv("FAKE_MPS");
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "pipe", pipe ? pipe : "none");
    json_add_string(json, "same", same ? same : "none");
    json_add_string(json, "gone", gone ? gone : "none");
    enum status status = channel_send(3, json, NULL, 0, &err);
    cJSON_Delete(json);
    return status == ST_OK ? 0 : 1;
}

static void roles_find_the_daemon_they_shall(void **state)
{
    (void)state;
    struct err err;
    char variable[MPS_PATH_BYTES + 32];
    setenv(MPS_PIPE_VARIABLE, "/somebody/elses", 1);
    struct guard guard = start_guard("good");
    start_well(&guard);
    for (int shared = 0; shared < 2; shared++) {
        const char *const changes[] = {mps_environment(&guard, shared, variable, sizeof variable),
                                       "FAKE_MPS", NULL};
        struct process process = PROCESS_NONE;
        struct channel_message said = {0};
        assert_int_equal(
            process_start_with("tell-mps", PROCESS_DIES_WITH_US, changes, &process, &err), ST_OK);
        assert_int_equal(
            channel_receive(process.control_fd, clock_now_ns() + 10000000000u, &said, &err), ST_OK);
        assert_string_equal(json_get_string(said.json, "pipe", ""),
                            shared ? guard.mps.pipe_directory : MPS_NO_PIPE_DIRECTORY);
        assert_string_equal(json_get_string(said.json, "same", ""), folder);
        assert_string_equal(json_get_string(said.json, "gone", ""), "none");
        channel_message_clear(&said);
        process_end(&process, PROCESS_GRACE_NS);
    }
    assert_int_equal(access(MPS_NO_PIPE_DIRECTORY, F_OK), -1);
    assert_int_equal(errno, ENOENT); /* as where no daemon ever ran */
    unsetenv(MPS_PIPE_VARIABLE);
    guard_stop(&guard);
}

static struct launch_outcome launch(struct guard *guard, enum gpu_sharing sharing,
                                    uint64_t limit_ns)
{
    struct cell cell = launch_cell();
    cell.gpu_sharing = sharing;
    struct session_request request = launch_request(&cell, 20, guard);
    request.limit_ns = limit_ns;
    return launch_run(&request, NULL);
}

/* Kept while launches follow each other, away for others, new after one that went wrong. */
static void launches_have_it_while_they_need_it(void **state)
{
    (void)state;
    struct guard guard = start_guard("good");
    assert_int_equal(launch(&guard, GPU_SHARING_TIME_SLICED, 0).status, ST_OK);
    assert_int_equal(starts(), 0);
    assert_int_equal(launch(&guard, GPU_SHARING_MPS, 0).status, ST_OK);
    assert_int_equal(launch(&guard, GPU_SHARING_MPS, 0).status, ST_OK);
    assert_int_equal(starts(), 1);
    assert_true(is_alive(noted_pid("starts")));
    assert_int_equal(launch(&guard, GPU_SHARING_TIME_SLICED, 0).status, ST_OK);
    expect_nothing_left(0);
    assert_int_equal(launch(&guard, GPU_SHARING_MPS, 0).status, ST_OK);
    assert_int_equal(starts(), 2);
    assert_int_not_equal(launch(&guard, GPU_SHARING_MPS, 1).status, ST_OK); /* no time at all */
    expect_nothing_left(0);
    assert_int_equal(launch(&guard, GPU_SHARING_MPS, 0).status, ST_OK);
    assert_int_equal(starts(), 3);
    guard_stop(&guard);
    expect_nothing_left(0);

    guard = start_guard("refuses");
    struct launch_outcome refused = launch(&guard, GPU_SHARING_MPS, 0);
    assert_int_equal(refused.status, ST_UNAVAILABLE);
    assert_non_null(strstr(refused.reason, "exited with status 3"));
    guard_stop(&guard);
}

/* ---- The folder ------------------------------------------------------------------------------ */

static int make_folder(void **state)
{
    (void)state;
    char path[96], search[4096];
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/nvidia-cuda-mps-control", folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs(script, file) < 0 || fclose(file) != 0 || chmod(path, 0755) != 0)
        return -1;
    snprintf(search, sizeof search, "%s:%s", folder, getenv("PATH"));
    setenv("PATH", search, 1);
    setenv("FAKE_FOLDER", folder, 1);
    snprintf(path, sizeof path, "%s/tmp", folder);
    setenv("TMPDIR", path, 1);
    return mkdir(path, 0700);
}

static int forget(void **state)
{
    (void)state;
    static const char *const names[] = {"starts", "server"};
    for (size_t i = 0; i < 2; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return strcmp(argv[2], "tell-mps") == 0       ? tell_mps()
               : role_main(argc, argv, &err) == ST_OK ? 0
                                                      : 1;
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_starts_once_and_leaves_nothing, forget),
        cmocka_unit_test_setup(a_dead_one_is_replaced_with_its_server, forget),
        cmocka_unit_test_setup(one_that_does_not_quit_is_killed, forget),
        cmocka_unit_test_setup(one_that_does_not_come_up_is_explained, forget),
        cmocka_unit_test_setup(nothing_outlives_a_killed_runner, forget),
        cmocka_unit_test_setup(nothing_outlives_a_killed_guard, forget),
        cmocka_unit_test_setup(roles_find_the_daemon_they_shall, forget),
        cmocka_unit_test_setup(launches_have_it_while_they_need_it, forget),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
