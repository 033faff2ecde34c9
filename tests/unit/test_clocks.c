/* test_clocks.c: the CPUs' frequency, fixed for launches that want it and as found afterwards,
 * however the runner or the guard ends, and whoever else fixes it; on a tree that looks like
 * cpufreq.
 *
 * process.c starts /proc/self/exe as the roles and the guard, which is this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/topology.h"
#include "harness/measure/clock.h"
#include "harness/run/clocks.h"
#include "harness/run/guard.h"
#include "harness/run/role.h"
#include "harness/run/session.h"
#include "harness/scenario/privileges.h"
#include "tests/support/fake_tree.h"
#include "tests/support/launch_fixture.h"
#include "tests/support/random_input.h"

#define POLICY0 CPU_FOLDER "/cpufreq/policy0"
#define POLICY2 CPU_FOLDER "/cpufreq/policy2"
#define NO_TURBO CPU_FOLDER "/intel_pstate/no_turbo"

static int allowed_cpu; /* one that a role may be pinned to: of policy0 */

static void put_policy(const char *folder, const char *cpus)
{
    put(cpus, "%s/affected_cpus", folder);
    put("schedutil\n", "%s/scaling_governor", folder);
    put("ondemand schedutil performance\n", "%s/scaling_available_governors", folder);
    put("800000\n", "%s/scaling_min_freq", folder);
    put("3600000\n", "%s/scaling_max_freq", folder);
    put("1200000\n", "%s/scaling_cur_freq", folder);
}

static void put_frequencies(void)
{
    char cpus[64];
    snprintf(cpus, sizeof cpus, "%d 60001\n", allowed_cpu);
    put_policy(POLICY0, cpus);
    put_policy(POLICY2, "60002 60003\n");
    put("0\n", NO_TURBO);
    clocks_set_root(tree);
    clocks_set_patience(10000000000u);
}

/* Without the end of the line. */
static const char *get(const char *path)
{
    static char text[64];
    char full[512];
    snprintf(full, sizeof full, "%s%s", tree, path);
    FILE *file = fopen(full, "r");
    text[0] = '\0';
    if (file && fgets(text, sizeof text, file))
        text[strcspn(text, "\n")] = '\0';
    if (file)
        fclose(file);
    return text;
}

static bool is_as_found(void)
{
    return strcmp(get(POLICY0 "/scaling_governor"), "schedutil") == 0 &&
           strcmp(get(POLICY0 "/scaling_min_freq"), "800000") == 0 &&
           strcmp(get(POLICY0 "/scaling_max_freq"), "3600000") == 0 &&
           strcmp(get(POLICY2 "/scaling_governor"), "schedutil") == 0 &&
           strcmp(get(POLICY2 "/scaling_min_freq"), "800000") == 0 &&
           strcmp(get(NO_TURBO), "0") == 0;
}

static bool is_locked(const char *policy)
{
    char path[256], governor[64];
    snprintf(path, sizeof path, "%s/scaling_governor", policy);
    strcpy(governor, get(path));
    snprintf(path, sizeof path, "%s/scaling_min_freq", policy);
    return strcmp(governor, "performance") == 0 && strcmp(get(path), "3600000") == 0 &&
           strcmp(get(NO_TURBO), "1") == 0;
}

static bool comes_true(bool (*what)(void))
{
    for (int i = 0; i < 500; i++) {
        if (what())
            return true;
        clock_sleep_until_ns(clock_now_ns() + 10000000);
    }
    return what();
}

static struct placement_cpus on_cpu(int producer, int consumer)
{
    return (struct placement_cpus){.producer = producer, .consumer = consumer};
}

/* ---- set and restored ------------------------------------------------------------------------ */

static void the_policies_of_the_cpus_are_locked_and_restored(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err = {.what = ""};
    struct clocks_held held = CLOCKS_NOT_HELD;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    if (clocks_lock(&guard, on_cpu(allowed_cpu, 60001), -1, &held, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(is_locked(POLICY0));
    assert_string_equal(get(POLICY2 "/scaling_governor"), "schedutil"); /* nobody runs there */
    clocks_restore(&guard, &held);
    assert_null(held.settings);
    assert_true(is_as_found());
    clocks_restore(&guard, &held); /* once more is nothing */

    /* Roles that are not pinned may run anywhere. */
    assert_int_equal(clocks_lock(&guard, on_cpu(-1, allowed_cpu), -1, &held, &err), ST_OK);
    assert_true(is_locked(POLICY0) && is_locked(POLICY2));
    /* The guard's end is the end of it, too. */
    guard_stop(&guard);
    assert_true(is_as_found());
    clocks_restore(&guard, &held);
    assert_true(is_as_found());
}

static void a_frequency_somebody_chose_comes_back(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err;
    struct clocks_held held = CLOCKS_NOT_HELD;
    put_frequencies();
    put("userspace\n", POLICY0 "/scaling_governor");
    put("1700000\n", POLICY0 "/scaling_setspeed");
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    assert_int_equal(clocks_lock(&guard, on_cpu(allowed_cpu, allowed_cpu), -1, &held, &err), ST_OK);
    put("<unsupported>\n", POLICY0 "/scaling_setspeed");
    clocks_restore(&guard, &held);
    guard_stop(&guard);
    assert_string_equal(get(POLICY0 "/scaling_governor"), "userspace");
    assert_string_equal(get(POLICY0 "/scaling_setspeed"), "1700000");
}

static void a_runner_that_is_killed_leaves_nothing(void **state)
{
    (void)state;
    int told[2];
    char word = 0;
    put_frequencies();
    assert_int_equal(pipe(told), 0);
    pid_t runner = fork();
    if (runner == 0) {
        struct guard guard = {.running = false};
        struct err err;
        struct clocks_held held = CLOCKS_NOT_HELD;
        if (guard_start(&guard, &err) != ST_OK ||
            clocks_lock(&guard, on_cpu(allowed_cpu, -1), -1, &held, &err) != ST_OK)
            _exit(1);
        (void)!write(told[1], "x", 1);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &word, 1), 1);
    close(told[0]);
    assert_true(is_locked(POLICY0) && is_locked(POLICY2));
    assert_int_equal(kill(runner, SIGKILL), 0);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    assert_true(comes_true(is_as_found));
}

static void a_guard_that_is_killed_is_stood_in_for(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err;
    struct clocks_held held = CLOCKS_NOT_HELD;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    assert_int_equal(clocks_lock(&guard, on_cpu(allowed_cpu, 60001), -1, &held, &err), ST_OK);
    assert_int_equal(kill(guard.process.pid, SIGKILL), 0);
    clocks_restore(&guard, &held);
    assert_true(is_as_found());
    guard_stop(&guard);
}

/* ---- two runs -------------------------------------------------------------------------------- */

/* Lets go of what it holds after a while, as a launch's end does. */
struct other_run {
    struct guard guard;
    struct clocks_held held;
};

static void *end_launch(void *run)
{
    struct other_run *other = run;
    clock_sleep_until_ns(clock_now_ns() + 200000000u);
    clocks_restore(&other->guard, &other->held);
    return NULL;
}

/* The later one takes its turn when the other's launch is over: what it finds is the user's. */
static void two_runs_take_turns(void **state)
{
    (void)state;
    pthread_t thread;
    struct err err = {.what = ""};
    struct other_run first = {.held = CLOCKS_NOT_HELD}, second = {.held = CLOCKS_NOT_HELD};
    put_frequencies();
    assert_int_equal(guard_start(&first.guard, &err), ST_OK);
    assert_int_equal(guard_start(&second.guard, &err), ST_OK);
    assert_int_equal(clocks_lock(&first.guard, on_cpu(-1, -1), -1, &first.held, &err), ST_OK);
    assert_int_equal(pthread_create(&thread, NULL, end_launch, &first), 0);
    if (clocks_lock(&second.guard, on_cpu(-1, -1), -1, &second.held, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(is_locked(POLICY0) && is_locked(POLICY2));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_locked(POLICY0) && is_locked(POLICY2));
    /* The first one's next launch: not now, and whoever waits can be interrupted. */
    int stop[2];
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(write(stop[1], "x", 1), 1);
    assert_int_equal(clocks_lock(&first.guard, on_cpu(-1, -1), stop[0], &first.held, &err),
                     ST_INTERRUPTED);
    clocks_set_patience(100000000u);
    assert_int_equal(clocks_lock(&first.guard, on_cpu(-1, -1), -1, &first.held, &err),
                     ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "another run of handoff has the CPUs' clocks locked"));
    assert_true(err.hint[0] && first.held.turn_fd == -1);
    assert_true(is_locked(POLICY0) && is_locked(POLICY2));
    clocks_restore(&second.guard, &second.held);
    assert_true(is_as_found());
    close(stop[0]);
    close(stop[1]);
    guard_stop(&first.guard);
    guard_stop(&second.guard);
}

/* What a dead runner's guard has not yet written back, nobody takes for what was there. */
static void a_turn_lasts_until_all_is_written_back(void **state)
{
    (void)state;
    struct guard guard = {.running = false}, other = {.running = false};
    struct err err = {.what = ""};
    struct clocks_held held = CLOCKS_NOT_HELD, others = CLOCKS_NOT_HELD;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    assert_int_equal(guard_start(&other, &err), ST_OK);
    assert_int_equal(clocks_lock(&guard, on_cpu(allowed_cpu, 60001), -1, &held, &err), ST_OK);
    /* The runner's own is gone, as if it had died; the guard has not heard of it. */
    close(held.turn_fd);
    held.turn_fd = -1;
    clocks_set_patience(50000000u);
    assert_int_equal(clocks_lock(&other, on_cpu(-1, -1), -1, &others, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "another run of handoff"));
    clocks_restore(&guard, &held);
    assert_int_equal(clocks_lock(&other, on_cpu(-1, -1), -1, &others, &err), ST_OK);
    clocks_restore(&other, &others);
    assert_true(is_as_found());
    guard_stop(&guard);
    guard_stop(&other);
}

/* ---- refused --------------------------------------------------------------------------------- */

static void link_to(const char *target, const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", tree, path);
    assert_int_equal(unlink(full), 0);
    assert_int_equal(symlink(target, full), 0);
}

static void what_cannot_be_set_changes_nothing(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err;
    struct clocks_held held = CLOCKS_NOT_HELD;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    /* Can be read, and not be written, not even by root. */
    link_to("/proc/version", POLICY0 "/scaling_min_freq");
    assert_int_equal(clocks_lock(&guard, on_cpu(allowed_cpu, 60001), -1, &held, &err),
                     ST_UNAVAILABLE);
    assert_null(held.settings);
    assert_non_null(strstr(err.what, "scaling_min_freq cannot be set to 3600000"));
    assert_string_equal(get(POLICY0 "/scaling_governor"), "schedutil");
    assert_string_equal(get(NO_TURBO), "0");
    /* Written, but it is not had: a policy whose governor is not to be seen. */
    char path[256];
    snprintf(path, sizeof path, "%s" POLICY0 "/scaling_min_freq", tree);
    assert_int_equal(unlink(path), 0);
    put_frequencies();
    snprintf(path, sizeof path, "%s" POLICY2 "/scaling_governor", tree);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(clocks_lock(&guard, on_cpu(-1, -1), -1, &held, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "instead of one frequency"));
    put("schedutil\n", POLICY2 "/scaling_governor");
    assert_true(is_as_found());
    /* CPUs that have no policy, and no guard. */
    assert_int_equal(clocks_lock(&guard, on_cpu(60009, 60009), -1, &held, &err), ST_UNAVAILABLE);
    guard_stop(&guard);
    assert_int_equal(clocks_lock(&guard, on_cpu(-1, -1), -1, &held, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "no guard"));
    assert_true(is_as_found());
}

static void whether_it_may_be_set_is_known_before(void **state)
{
    (void)state;
    struct err err = {.what = ""};
    char path[256];
    assert_int_equal(privileges_try_clocks_at(tree, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "virtual machines have none"));
    put_frequencies();
    assert_int_equal(privileges_try_clocks_at(tree, &err), ST_OK);
    assert_true(is_as_found());
    put("ondemand schedutil\n", POLICY2 "/scaling_available_governors");
    assert_int_equal(privileges_try_clocks_at(tree, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "no frequency governor"));
    put_frequencies();
    static const char *const needed[] = {POLICY0 "/scaling_min_freq", POLICY2 "/scaling_governor",
                                         NO_TURBO};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        snprintf(path, sizeof path, "%s%s", tree, needed[i]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0); /* not for writing, for root either */
        assert_int_equal(privileges_try_clocks_at(tree, &err), ST_UNAVAILABLE);
        assert_non_null(strstr(err.what, needed[i]));
        assert_non_null(strstr(err.hint, "sudo"));
        assert_int_equal(rmdir(path), 0);
        put_frequencies();
    }
}

/* ---- in a launch ----------------------------------------------------------------------------- */

static struct launch_outcome run_launch(struct guard *guard, bool locked, double rate_hz)
{
    struct cell cell = launch_cell();
    cell.rate_hz = rate_hz;
    cell.clocks_locked = locked;
    struct session_request request = launch_request(&cell, 40, guard);
    request.cpus = on_cpu(allowed_cpu, allowed_cpu);
    return launch_run(&request, NULL);
}

static void a_launch_has_its_clocks_and_says_so(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    struct launch_outcome outcome = run_launch(&guard, true, 1000);
    if (outcome.status != ST_OK)
        fail_msg("%s", outcome.reason);
    assert_true(outcome.clocks.locked);
    assert_int_equal(outcome.clocks.count, 1);
    const struct clocks_policy *policy = &outcome.clocks.policies[0];
    assert_string_equal(policy->governor, "performance");
    assert_int_equal(policy->min_khz, 3600000);
    assert_int_equal(policy->max_khz, 3600000);
    assert_int_equal(policy->before_khz, 1200000); /* as the tree says */
    assert_int_equal(policy->after_khz, 1200000);
    assert_true(is_as_found());
    outcome = run_launch(&guard, false, 1000);
    assert_int_equal(outcome.status, ST_OK);
    assert_false(outcome.clocks.locked);
    assert_string_equal(outcome.clocks.policies[0].governor, "schedutil");
    assert_int_equal(outcome.clocks.policies[0].min_khz, 800000);
    guard_stop(&guard);
}

static bool policy0_is_locked(void)
{
    return is_locked(POLICY0);
}

static void *meddle(void *unused)
{
    (void)unused;
    if (comes_true(policy0_is_locked)) {
        clock_sleep_until_ns(clock_now_ns() + 150000000);
        put("1000000\n", POLICY0 "/scaling_max_freq");
    }
    return NULL;
}

static void clocks_that_somebody_changes_fail_the_launch(void **state)
{
    (void)state;
    struct guard guard = {.running = false};
    struct err err;
    pthread_t thread;
    put_frequencies();
    assert_int_equal(guard_start(&guard, &err), ST_OK);
    assert_int_equal(pthread_create(&thread, NULL, meddle, NULL), 0);
    struct launch_outcome outcome = run_launch(&guard, true, 80);
    pthread_join(thread, NULL);
    guard_stop(&guard);
    assert_int_equal(outcome.status, ST_UNAVAILABLE);
    assert_non_null(strstr(outcome.reason, "were changed during the launch"));
    assert_string_equal(get(POLICY0 "/scaling_governor"), "schedutil");
}

static int find_cpu(void **state)
{
    (void)state;
    struct topology *topology = malloc(sizeof *topology);
    struct err err;
    if (!topology || topology_read(topology, &err) != ST_OK)
        return -1;
    allowed_cpu = (int)topology->cpus[0].cpu;
    free(topology);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return role_main(argc, argv, &err) == ST_OK ? 0 : 1;
    random_seed();
    const struct CMUnitTest tests[] = {
        IN_TREE(the_policies_of_the_cpus_are_locked_and_restored),
        IN_TREE(a_frequency_somebody_chose_comes_back),
        IN_TREE(a_runner_that_is_killed_leaves_nothing),
        IN_TREE(a_guard_that_is_killed_is_stood_in_for),
        IN_TREE(two_runs_take_turns),
        IN_TREE(a_turn_lasts_until_all_is_written_back),
        IN_TREE(what_cannot_be_set_changes_nothing),
        IN_TREE(whether_it_may_be_set_is_known_before),
        IN_TREE(a_launch_has_its_clocks_and_says_so),
        IN_TREE(clocks_that_somebody_changes_fail_the_launch),
    };
    return cmocka_run_group_tests(tests, find_cpu, NULL);
}
