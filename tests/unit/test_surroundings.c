/* test_surroundings.c: scheduling class, timer slack, idle latency and loads in real launches: had
 * as the cell wants, recorded as had, refused with a remedy, and gone when the launch is.
 *
 * process.c starts /proc/self/exe as the roles, which is this program; HANDOFF_FAKE_LOAD makes its
 * load a false one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/env/topology.h"
#include "harness/measure/clock.h"
#include "harness/run/load.h"
#include "harness/run/session.h"
#include "harness/scenario/privileges.h"
#include "tests/support/launch_fixture.h"
#include "tests/support/random_input.h"

enum { FRAMES = 40, CONTROL_FD = 3, NOBODY = 65534 };

static int first_cpu, second_cpu;

/* ---- Launches -------------------------------------------------------------------------------- */

/* Runs one launch; nothing of it is left. */
static struct launch_outcome run_launch(const struct cell *cell, int producer_cpu, int consumer_cpu,
                                        struct fold *fold)
{
    struct guard no_guard = {.running = false};
    struct session_request request = launch_request(cell, FRAMES, &no_guard);
    request.cpus = (struct placement_cpus){producer_cpu, consumer_cpu};
    const struct launch_outcome outcome = launch_run(&request, fold);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return outcome;
}

static struct launch_outcome run_good(const struct cell *cell, int producer_cpu, int consumer_cpu)
{
    struct fold *fold = fold_new();
    struct launch_outcome outcome = run_launch(cell, producer_cpu, consumer_cpu, fold);
    if (outcome.status != ST_OK)
        fail_msg("%s", outcome.reason);
    assert_true(outcome.producer_had.known && outcome.consumer_had.known);
    fold_free(fold);
    return outcome;
}

static bool may_be_real_time(void)
{
    const struct sched_param param = {.sched_priority = 7}, other = {.sched_priority = 0};
    struct err err;
    if (privileges_check_throttling(SURROUNDINGS_THROTTLING_PATH, &err) != ST_OK ||
        sched_setscheduler(0, SCHED_FIFO, &param) != 0) {
        print_message("not tried: real-time scheduling is not allowed here\n");
        return false;
    }
    assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &other), 0);
    return true;
}

/* What holds for the whole machine, or -1 where it cannot be asked. */
static int32_t idle_latency_us(void)
{
    int32_t us = -1;
    int fd = open(SURROUNDINGS_IDLE_LATENCY_PATH, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, &us, sizeof us, 0) != (ssize_t)sizeof us)
        us = -1;
    if (fd >= 0)
        close(fd);
    return us;
}

/* Whether this process holds it; others of the machine may do so at any time. */
static bool holds_idle_latency(void)
{
    bool found = false;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char link[64] = "";
        if (readlinkat(dirfd(folder), entry->d_name, link, sizeof link - 1) > 0)
            found |= strcmp(link, SURROUNDINGS_IDLE_LATENCY_PATH) == 0;
    }
    closedir(folder);
    return found;
}

/* ---- What roles have ------------------------------------------------------------------------- */

static void roles_have_what_the_cell_says_and_say_so(void **state)
{
    struct cell cell = launch_cell();
    struct launch_outcome plain = run_good(&cell, first_cpu, second_cpu);
    const int64_t as_found_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    assert_int_equal(plain.producer_had.cpu, first_cpu);
    assert_int_equal(plain.consumer_had.cpu, second_cpu);
    assert_int_equal(plain.producer_had.fifo_priority, 0);
    assert_int_equal(plain.consumer_had.timer_slack_ns, as_found_ns);
    assert_false(plain.idle_latency_held);
    assert_int_equal(plain.load_count, 0);

    struct launch_outcome loose = run_good(&cell, -1, -1);
    if (first_cpu != second_cpu)
        assert_true(loose.producer_had.cpu == -1 && loose.consumer_had.cpu == -1);
    if (as_found_ns < 0) {
        print_message("not tried: timer slack, of which this kernel does not tell\n");
        return;
    }
    cell.timer_slack_ns = 1 + (uint32_t)random_below(1000000);
    struct launch_outcome slack = run_good(&cell, first_cpu, first_cpu);
    assert_int_equal(slack.producer_had.timer_slack_ns, cell.timer_slack_ns);
    assert_int_equal(slack.consumer_had.timer_slack_ns, cell.timer_slack_ns);
    assert_int_equal(slack.consumer_had.cpu, first_cpu);
}

/* This process is ordinary, with the slack it was started with, and should not be. */
static void what_is_not_had_is_noticed(void **state)
{
    struct cell cell = launch_cell();
    struct surroundings had = {.known = false};
    struct err err = {.what = ""};
    if (surroundings_verify(&cell, -1, &had, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(had.known && had.fifo_priority == 0);
    had.known = false;
    cell.fifo_priority = 1 + (uint32_t)random_below(99);
    assert_int_equal(surroundings_verify(&cell, -1, &had, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "other instead of fifo:"));
    cell.fifo_priority = 0;
    cell.timer_slack_ns = 51234567;
    assert_int_equal(surroundings_verify(&cell, -1, &had, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "instead of 51234567"));
    cell.timer_slack_ns = 0;
    assert_int_equal(surroundings_verify(&cell, 65000, &had, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "not pinned to CPU 65000"));
    assert_false(had.known);
}

static void real_time_roles_are_and_the_runner_is_not(void **state)
{
    struct cell cell = launch_cell();
    struct fold *fold = fold_new();
    if (!may_be_real_time())
        skip();
    cell.fifo_priority = 1 + (uint32_t)random_below(99);
    struct launch_outcome outcome = run_good(&cell, first_cpu, second_cpu);
    assert_int_equal(outcome.producer_had.fifo_priority, cell.fifo_priority);
    assert_int_equal(outcome.consumer_had.fifo_priority, cell.fifo_priority);
    assert_int_equal(outcome.producer_had.timer_slack_ns, 0);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    /* It has no slack to set. */
    cell.timer_slack_ns = 1000;
    outcome = run_launch(&cell, first_cpu, second_cpu, fold);
    assert_int_equal(outcome.status, ST_UNAVAILABLE);
    assert_non_null(strstr(outcome.reason, "no timer slack"));
    fold_free(fold);
    /* A runner that somebody started as a real-time process has ordinary roles and loads. */
    const struct sched_param param = {.sched_priority = 3}, other = {.sched_priority = 0};
    cell = launch_cell();
    cell.load = LOAD_CPU;
    assert_int_equal(sched_setscheduler(0, SCHED_FIFO, &param), 0);
    outcome = run_good(&cell, first_cpu, second_cpu);
    assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &other), 0);
    assert_int_equal(outcome.producer_had.fifo_priority, 0);
    assert_int_equal(outcome.consumer_had.fifo_priority, 0);
}

/* ---- What is held for them ------------------------------------------------------------------- */

static void the_idle_latency_is_held_for_the_launch_and_no_longer(void **state)
{
    struct cell cell = launch_cell();
    int fd;
    struct err err;
    if (surroundings_hold_idle_latency(SURROUNDINGS_IDLE_LATENCY_PATH, &fd, &err) != ST_OK) {
        print_message("not tried: %s\n", err.what);
        skip();
    }
    assert_int_equal(idle_latency_us(), 0);
    assert_true(holds_idle_latency());
    assert_int_equal(close(fd), 0);
    cell.idle_latency_held = true;
    setenv("HANDOFF_FAKE_LOAD", "asks for the idle latency", 1);
    cell.load = LOAD_CPU;
    struct fold *fold = fold_new();
    struct launch_outcome outcome = run_launch(&cell, first_cpu, second_cpu, fold);
    unsetenv("HANDOFF_FAKE_LOAD");
    assert_true(outcome.idle_latency_held);
    assert_non_null(strstr(outcome.reason, "it is 0 us"));
    assert_false(holds_idle_latency());
    fold_free(fold);
}

/* In a process that may do nothing: each refusal names what would help. 0: all as it should be. */
static int refused_process(void)
{
    struct cell cell = launch_cell();
    struct err err = {.what = ""};
    int fd = -1;
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 77;
    cell.fifo_priority = 50;
    if (surroundings_apply(&cell, &err) != ST_UNAVAILABLE || !strstr(err.what, "fifo:50") ||
        !err.hint[0] || sched_getscheduler(0) != SCHED_OTHER)
        return 1;
    err.hint[0] = 0;
    if (surroundings_hold_idle_latency("/proc/1/mem", &fd, &err) != ST_UNAVAILABLE || fd != -1 ||
        !strstr(err.what, "idle latency") || !strstr(err.hint, "chmod"))
        return 2;
    if (surroundings_hold_idle_latency("/dev/no/such/device", &fd, &err) != ST_UNAVAILABLE ||
        !strstr(err.hint, "container"))
        return 3;
    if (surroundings_hold_idle_latency("/dev/full", &fd, &err) != ST_UNAVAILABLE)
        return 4;
    /* Writable, but the machine does not do as it was told. */
    if (surroundings_hold_idle_latency("/dev/zero", &fd, &err) != ST_OK ||
        surroundings_hold_idle_latency("/dev/null", &fd, &err) != ST_UNAVAILABLE)
        return 5;
    return 0;
}

static void what_is_not_allowed_is_refused_with_its_remedy(void **state)
{
    int ended;
    pid_t pid = fork();
    if (pid == 0)
        _exit(refused_process());
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_true(WIFEXITED(ended));
    if (WEXITSTATUS(ended) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(ended), 0);
}

/* ---- Loads ----------------------------------------------------------------------------------- */

static void a_load_runs_on_each_cpu_of_the_roles(void **state)
{
    static const enum load kinds[] = {LOAD_CPU, LOAD_MEMBW};
    for (size_t i = 0; i < 2; i++) {
        struct cell cell = launch_cell();
        cell.load = kinds[i];
        struct launch_outcome apart = run_good(&cell, first_cpu, second_cpu);
        assert_int_equal(apart.load_count, first_cpu == second_cpu ? 1 : 2);
        assert_int_equal(apart.loads[0].cpu, first_cpu);
        assert_int_equal(apart.loads[apart.load_count - 1].cpu, second_cpu);
        struct launch_outcome together = run_good(&cell, second_cpu, second_cpu);
        assert_int_equal(together.load_count, 1);
        assert_int_equal(together.loads[0].cpu, second_cpu);
        struct launch_outcome loose = run_good(&cell, -1, -1);
        assert_int_equal(loose.load_count, 2);
        assert_int_equal(loose.loads[0].cpu, -1);
        for (uint32_t at = 0; at < 2; at++) {
            const struct launch_load *load = &loose.loads[at];
            assert_int_equal(load->kind, kinds[i]);
            assert_int_equal(load->rounds > 0, kinds[i] == LOAD_CPU);
            assert_int_equal(load->bytes > 0, kinds[i] == LOAD_MEMBW);
            assert_int_equal(load->buffer_bytes > 0, kinds[i] == LOAD_MEMBW);
            assert_true(load->buffer_bytes <= (uint64_t)64 << 20);
            /* The frames' time at least. */
            assert_true(load->wall_ns >= FRAMES * 1000000u);
            assert_true(load->cpu_ns > 0 && load->cpu_ns <= load->wall_ns + 20000000u);
        }
    }
}

static void fake_send(const char *text)
{
    (void)send(CONTROL_FD, text, strlen(text), MSG_NOSIGNAL);
}

static void fake_await(const char *type)
{
    struct err ignored;
    struct channel_message message = {0};
    bool found = false;
    while (!found && channel_receive(CONTROL_FD, UINT64_MAX, &message, &ignored) == ST_OK) {
        found = strcmp(json_get_string(message.json, "type", ""), type) == 0;
        channel_message_clear(&message);
    }
    if (!found)
        _exit(0);
}

static void fake_works(void)
{
    fake_send("{\"type\":\"ready\"}");
    fake_await("go");
    fake_send("{\"type\":\"working\"}");
}

static void fake_dies_at_once(void)
{
    raise(SIGKILL);
}

static void fake_dies_working(void)
{
    fake_works();
    clock_sleep_until_ns(clock_now_ns() + 10000000u);
    raise(SIGKILL);
}

static void fake_has_no_memory(void)
{
    fake_send("{\"type\":\"error\",\"status\":\"out of memory\",\"what\":\"the load: no memory\"}");
}

static void fake_works_at_once(void)
{
    fake_send("{\"type\":\"working\"}");
}

static void fake_finishes_early(void)
{
    const struct load_report report = {.kind = LOAD_CPU};
    struct err ignored;
    fake_works();
    (void)channel_send(CONTROL_FD, load_report_to_json(&report), NULL, 0, &ignored);
}

static void fake_reports_nothing(void)
{
    fake_works();
    fake_await("stop");
    fake_send("{\"type\":\"finished\"}");
}

static void fake_crashes_ending(void)
{
    const struct load_report report = {.kind = LOAD_CPU};
    struct err ignored;
    fake_works();
    fake_await("stop");
    (void)channel_send(CONTROL_FD, load_report_to_json(&report), NULL, 0, &ignored);
    fake_await("exit");
    raise(SIGKILL);
}

static void fake_asks(void)
{
    char text[128];
    fake_works();
    snprintf(text, sizeof text,
             "{\"type\":\"error\",\"status\":\"system\",\"what\":\"it is %d us\"}",
             (int)idle_latency_us());
    fake_send(text);
}

static const struct fake {
    const char *name;
    void (*play)(void);
    enum status status;
    const char *reason;
} fakes[] = {
    {"dies at once", fake_dies_at_once, ST_ROLE_DIED, "killed by signal 9"},
    {"dies working", fake_dies_working, ST_ROLE_DIED, "killed by signal 9"},
    {"has no memory", fake_has_no_memory, ST_SYSTEM, "no memory"},
    {"works at once", fake_works_at_once, ST_CORRUPT, "sent \"working\" where"},
    {"finishes early", fake_finishes_early, ST_CORRUPT, "sent \"finished\" where"},
    {"reports nothing", fake_reports_nothing, ST_CORRUPT, "\"load\" is missing"},
    {"crashes ending", fake_crashes_ending, ST_ROLE_DIED, "after its last frame"},
    {"asks for the idle latency", fake_asks, ST_SYSTEM, "it is "},
};

static void a_load_that_fails_fails_its_launch(void **state)
{
    struct cell cell = launch_cell();
    struct fold *fold = fold_new();
    char label[64];
    cell.load = LOAD_CPU;
    snprintf(label, sizeof label, "the load on CPU %d", first_cpu);
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++) {
        setenv("HANDOFF_FAKE_LOAD", fakes[i].name, 1);
        struct launch_outcome outcome = run_launch(&cell, first_cpu, first_cpu, fold);
        if (outcome.status != fakes[i].status || !strstr(outcome.reason, fakes[i].reason) ||
            (outcome.status == ST_ROLE_DIED && !strstr(outcome.reason, label)))
            fail_msg("%s: %s: \"%s\"", fakes[i].name, status_name(outcome.status), outcome.reason);
    }
    unsetenv("HANDOFF_FAKE_LOAD");
    fold_free(fold);
}

static void a_report_of_a_load_is_not_trusted(void **state)
{
    static const char *const names[] = {"load",         "cpu",     "rounds", "bytes",
                                        "buffer_bytes", "wall_ns", "cpu_ns"};
    const struct load_report report = {LOAD_MEMBW, 3, 5, 7, 9, 11, 13};
    struct load_report got;
    struct err err;
    cJSON *sent = load_report_to_json(&report);
    char *text = cJSON_PrintUnformatted(sent);
    cJSON *json = cJSON_Parse(text);
    cJSON_free(text);
    cJSON_Delete(sent);
    assert_int_equal(load_report_from_json(json, &got, &err), ST_OK);
    assert_true(got.kind == report.kind && got.cpu == 3 && got.rounds == 5 && got.bytes == 7 &&
                got.buffer_bytes == 9 && got.wall_ns == 11 && got.cpu_ns == 13);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cJSON *broken = cJSON_Duplicate(json, 1);
        cJSON_ReplaceItemInObjectCaseSensitive(broken, names[i], cJSON_CreateNumber(-2));
        assert_int_equal(load_report_from_json(broken, &got, &err), ST_CORRUPT);
        cJSON_DeleteItemFromObjectCaseSensitive(broken, names[i]);
        assert_int_equal(load_report_from_json(broken, &got, &err), ST_CORRUPT);
        assert_non_null(strstr(err.what, names[i]));
        cJSON_Delete(broken);
    }
    cJSON_Delete(json);
}

/* A role of this program; does not return into the tests. */
static int role_of_this_program(int argc, char **argv)
{
    const char *wanted = getenv("HANDOFF_FAKE_LOAD");
    struct err err;
    if (!wanted || strcmp(argv[2], "load") != 0)
        return role_main(argc, argv, &err) == ST_OK ? 0 : 1;
    fake_await("setup");
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++)
        if (strcmp(fakes[i].name, wanted) == 0)
            fakes[i].play();
    for (;;) /* until it is killed */
        pause();
}

static int find_cpus(void **state)
{
    struct topology *topology = malloc(sizeof *topology);
    struct err err;
    if (!topology || topology_read(topology, &err) != ST_OK)
        return -1;
    first_cpu = (int)topology->cpus[0].cpu;
    second_cpu = (int)topology->cpus[topology->count - 1].cpu;
    free(topology);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return role_of_this_program(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_have_what_the_cell_says_and_say_so),
        cmocka_unit_test(what_is_not_had_is_noticed),
        cmocka_unit_test(real_time_roles_are_and_the_runner_is_not),
        cmocka_unit_test(the_idle_latency_is_held_for_the_launch_and_no_longer),
        cmocka_unit_test(what_is_not_allowed_is_refused_with_its_remedy),
        cmocka_unit_test(a_load_runs_on_each_cpu_of_the_roles),
        cmocka_unit_test(a_load_that_fails_fails_its_launch),
        cmocka_unit_test(a_report_of_a_load_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, find_cpus, NULL);
}
