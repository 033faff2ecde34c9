/* test_gaps.c: what is taken from a thread that watches the clock, by a clock that is made up and
 * by a thread that is really stopped; and which CPUs of a plan are watched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/fitness.h"
#include "harness/env/topology.h"
#include "harness/measure/clock.h"
#include "harness/measure/gaps.h"
#include "harness/run/run_gaps.h"

/* ---- a clock that jumps ---------------------------------------------------------------------- */

struct jumps {
    uint64_t now_ns, readings;
    uint64_t every;   /* readings from one jump to the next */
    uint64_t jump_ns; /* and one of ten times that at the thousandth reading */
};

static uint64_t jumping(void *context)
{
    struct jumps *jumps = context;
    jumps->readings++;
    jumps->now_ns += 20;
    if (jumps->readings == 1000)
        jumps->now_ns += 10 * jumps->jump_ns;
    else if (jumps->readings > 1 && jumps->readings % jumps->every == 0)
        jumps->now_ns += jumps->jump_ns;
    return jumps->now_ns;
}

static void gaps_are_counted_with_their_length(void **state)
{
    (void)state;
    struct jumps jumps = {.now_ns = 77, .every = 500, .jump_ns = 3000};
    struct gaps_cpu found = {.cpu = 5};
    assert_int_equal(gaps_watch(jumping, &jumps, 10000000, &found), ST_OK);
    /* 20 ns and, every 500 readings, 3 us: one gap in 13 us. */
    assert_int_equal(found.cpu, 5);
    assert_true(found.window_ns >= 10000000 && found.window_ns < 10004000);
    assert_true(found.count >= 765 && found.count <= 770);
    assert_int_equal(found.largest_ns, 30020);
    assert_int_equal(found.total_ns, (found.count - 1) * 3020 + 30020);
    assert_true(found.p50_ns >= 3018 && found.p50_ns <= 3022);
    assert_true(found.p99_ns >= 3018 && found.p99_ns <= 3022);
}

/* Below the threshold nothing was taken, and of few gaps no quantile is told. */
static void what_is_no_gap_is_not_counted(void **state)
{
    (void)state;
    struct jumps jumps = {.every = 500, .jump_ns = GAPS_THRESHOLD_NS - 21};
    struct gaps_cpu found = {.cpu = 0};
    assert_int_equal(gaps_watch(jumping, &jumps, 1000000, &found), ST_OK);
    assert_int_equal(found.count, 1); /* that of ten times the length */
    assert_int_equal(found.p50_ns, -1);
    assert_int_equal(found.p99_ns, -1);
    jumps = (struct jumps){.every = 500, .jump_ns = GAPS_THRESHOLD_NS - 20};
    assert_int_equal(gaps_watch(jumping, &jumps, 1000000, &found), ST_OK);
    assert_true(found.count > 50);
}

/* ---- a thread that is stopped ---------------------------------------------------------------- */

#define STOP_NS 20000000
static pid_t self_tid, stopper_tid;
static _Atomic bool stopped, measured;

static void stop_a_while(int number)
{
    (void)number;
    const struct timespec pause = {.tv_nsec = STOP_NS};
    nanosleep(&pause, NULL);
    stopped = true;
}

/* Stops whatever thread of this process is neither the test nor itself, again and again: the first
 * time it may not be watching yet. */
static void *stopper(void *argument)
{
    (void)argument;
    stopper_tid = (pid_t)syscall(SYS_gettid);
    while (!measured) {
        clock_sleep_until_ns(clock_now_ns() + 2 * STOP_NS);
        DIR *folder = opendir("/proc/self/task");
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            pid_t tid = atoi(entry->d_name);
            if (tid > 0 && tid != self_tid && tid != stopper_tid)
                syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
        }
        if (folder)
            closedir(folder);
    }
    return NULL;
}

static int first_allowed_cpu(void)
{
    struct topology *topology = malloc(sizeof *topology);
    struct err err;
    assert_non_null(topology);
    assert_int_equal(topology_read(topology, &err), ST_OK);
    int cpu = (int)topology->cpus[0].cpu;
    free(topology);
    return cpu;
}

static void a_thread_that_is_stopped_shows_how_long(void **state)
{
    (void)state;
    const struct sigaction action = {.sa_handler = stop_a_while};
    struct gaps gaps;
    struct err err;
    pthread_t thread;
    const int cpu = first_allowed_cpu();
    self_tid = (pid_t)syscall(SYS_gettid);
    stopped = measured = false;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, stopper, NULL), 0);
    assert_int_equal(gaps_measure(&cpu, 1, 150000000, &gaps, &err), ST_OK);
    measured = true;
    pthread_join(thread, NULL);
    assert_true(stopped);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.cpus[0].cpu, cpu);
    assert_true(gaps.cpus[0].window_ns >= 150000000);
    assert_true(gaps.cpus[0].largest_ns >= STOP_NS);
    assert_true(gaps.cpus[0].total_ns >= gaps.cpus[0].largest_ns);
    assert_true(gaps.cpus[0].total_ns <= gaps.cpus[0].window_ns);

    cJSON *environment = cJSON_CreateObject(), *findings = cJSON_CreateArray();
    assert_true(json_add(environment, "gaps", gaps_to_json(&gaps)));
    assert_int_equal(fitness_find(environment, findings, &err), ST_OK);
    assert_int_equal(fitness_worst(findings), FITNESS_UNFIT); /* over a tenth of its time */
    cJSON_Delete(findings);
    cJSON_Delete(environment);
}

static void a_cpu_that_is_not_ours_is_an_error(void **state)
{
    (void)state;
    const int cpus[] = {first_allowed_cpu(), 100000};
    struct gaps gaps;
    struct err err = {.status = ST_OK};
    assert_int_not_equal(gaps_measure(cpus, 2, 1000000, &gaps, &err), ST_OK);
    cJSON *environment = cJSON_CreateObject();
    assert_int_equal(run_gaps_measure_cpus(cpus, 2, 1000000, environment, &err), ST_OK);
    assert_null(json_get(environment, "gaps"));
    cJSON_Delete(environment);
}

/* ---- which CPUs ------------------------------------------------------------------------------ */

static void the_cpus_of_a_plan_are_watched_once_each(void **state)
{
    (void)state;
    struct plan_cell cells[4] = {0};
    struct plan plan = {.cells = cells, .cell_count = 4};
    int cpus[GAPS_CPUS_MAX];
    for (size_t i = 0; i < 4; i++)
        cells[i].result.launches_planned = i != 3;
    cells[0].cpus = (struct placement_cpus){7, 2};
    cells[1].cpus = (struct placement_cpus){2, -1};
    cells[2].cpus = (struct placement_cpus){-1, 0};
    cells[3].cpus = (struct placement_cpus){9, 9}; /* does not run */
    assert_int_equal(run_gaps_pick(&plan, cpus), 3);
    assert_true(cpus[0] == 0 && cpus[1] == 2 && cpus[2] == 7);
    for (size_t i = 0; i < 3; i++)
        cells[i].cpus = (struct placement_cpus){-1, -1};
    assert_true(run_gaps_pick(&plan, cpus) >= 1);
    assert_int_equal(cpus[0], first_allowed_cpu());
    for (size_t i = 0; i < 3; i++)
        cells[i].result.launches_planned = 0;
    assert_int_equal(run_gaps_pick(&plan, cpus), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_counted_with_their_length),
        cmocka_unit_test(what_is_no_gap_is_not_counted),
        cmocka_unit_test(a_thread_that_is_stopped_shows_how_long),
        cmocka_unit_test(a_cpu_that_is_not_ours_is_an_error),
        cmocka_unit_test(the_cpus_of_a_plan_are_watched_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
