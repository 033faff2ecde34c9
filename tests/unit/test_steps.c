/* test_steps.c: a run whose launches somebody else orders: the lines that are said, and the counts
 * that the second side of a comparison takes from the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/run/plan.h"
#include "harness/run/steps.h"
#include "tests/support/random_input.h"

/* ---- Orders ---------------------------------------------------------------------------------- */

static void test_orders(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "launch",
                                       "launch 1",
                                       "launch 1 ",
                                       "launch  1 2",
                                       "launch 1 2 ",
                                       "launch -1 2",
                                       "launch +1 2",
                                       "launch 1 2 3",
                                       "launch 4294967296 0",
                                       "launch 0 99999999999999999999",
                                       "Launch 1 2",
                                       "launch 0x1 2",
                                       "lunch 1 2"};
    uint32_t cell = 77, launch = 77;
    struct err err;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (steps_parse(none[i], &cell, &launch, &err) != ST_INVALID)
            fail_msg("\"%s\" is an order", none[i]);
        assert_non_null(strstr(err.what, none[i]));
    }
    assert_int_equal(cell, 77);
    const uint32_t want_cell = random_below(1u << 31), want_launch = random_below(1u << 31);
    char line[64];
    snprintf(line, sizeof line, "launch %u %u", want_cell, want_launch);
    assert_int_equal(steps_parse(line, &cell, &launch, &err), ST_OK);
    assert_int_equal(cell, want_cell);
    assert_int_equal(launch, want_launch);
}

/* What a process that takes orders makes of `orders`: what it answers, and its exit code. */
static int talk(const char *orders, size_t at_a_time, char *answers, size_t size)
{
    int in[2], out[2], status;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        uint32_t cell, launch;
        struct err err;
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        close(in[0]);
        close(out[1]);
        if (steps_open(&err) != ST_OK)
            _exit(99);
        printf("this goes to standard error\n");
        fflush(stdout);
        for (;;) {
            enum status next = steps_next(-1, &cell, &launch, &err);
            if (next != ST_OK)
                _exit((int)next);
            steps_say("got %u %u", cell, launch);
            steps_answer(launch == 3 ? "a\nb\tc" : NULL);
        }
    }
    close(in[0]);
    close(out[1]);
    for (size_t i = 0; i < strlen(orders); i += at_a_time) {
        size_t bytes = strlen(orders) - i < at_a_time ? strlen(orders) - i : at_a_time;
        assert_int_equal(write(in[1], orders + i, bytes), bytes);
    }
    close(in[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(out[0], answers + used, size - 1 - used)) > 0;)
        used += (size_t)got;
    answers[used] = '\0';
    close(out[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_talk(void **state)
{
    (void)state;
    char answers[256];
    for (size_t at_a_time = 1; at_a_time < 40; at_a_time += 6) {
        assert_int_equal(talk("launch 0 1\nlaunch 2 3\n", at_a_time, answers, sizeof answers),
                         ST_INTERRUPTED);
        assert_string_equal(answers, "got 0 1\nok\ngot 2 3\nfailed a b c\n");
    }
    assert_int_equal(talk("launch 0 1\nhello\nlaunch 2 3\n", 100, answers, sizeof answers),
                     ST_INVALID);
    assert_string_equal(answers, "got 0 1\nok\n");
    assert_int_equal(talk("launch 0 1", 100, answers, sizeof answers), ST_INTERRUPTED);
    assert_string_equal(answers, "");
    char endless[4096];
    memset(endless, '7', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(talk(endless, sizeof endless, answers, sizeof answers), ST_INVALID);
}

/* Whoever ordered is gone: the answer is lost, and the run goes on to its result. */
static void test_nobody_listens(void **state)
{
    (void)state;
    int in[2], out[2], status;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        uint32_t cell, launch;
        struct err err;
        signal(SIGPIPE, SIG_DFL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        if (steps_open(&err) != ST_OK)
            _exit(99);
        steps_answer(NULL);
        _exit(steps_next(-1, &cell, &launch, &err) == ST_INTERRUPTED ? 42 : 43);
    }
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

/* ---- Counts from another run ----------------------------------------------------------------- */

static struct scenario *scenario_of(const char *members)
{
    char text[1024];
    struct scenario *scenario = NULL;
    struct err err;
    snprintf(
        text, sizeof text,
        "{\"name\": \"t\", \"blocks\": [{\"name\": \"one\", \"base\": {\"transport\": "
        "\"shm\", \"frame\": \"16x16x3\", \"pacing\": \"pingpong\", \"placement\": \"none\"%s}, "
        "\"axes\": {\"wait\": [\"spin\", \"futex\", \"yield\"]}}]}",
        members);
    assert_int_equal(scenario_parse("t.json", text, strlen(text), &scenario, &err), ST_OK);
    return scenario;
}

static void test_counts_from_another_run(void **state)
{
    (void)state;
    char folder[] = "/tmp/handoff-steps-XXXXXX", path[64];
    struct err err;
    struct plan base, taken;
    struct scenario *scenario = scenario_of("");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(plan_make(scenario, 5, &base, &err), ST_OK);
    base.clock = "TSC";
    const uint32_t frames = 100 + random_below(900), warmup = random_below(50);
    for (size_t i = 0; i < base.cell_count; i++) {
        base.cells[i].result.frames = frames + (uint32_t)i;
        base.cells[i].result.warmup = warmup;
        base.cells[i].frame_ns = 77;
    }
    base.cells[1].result.launches_planned = 0; /* its pilot failed there */
    snprintf(base.cells[1].result.failure, sizeof base.cells[1].result.failure, "it fell over");
    assert_int_equal(plan_write(&base, scenario, folder, &err), ST_OK);

    /* Other launches, another order of cells: what is taken goes by the id. */
    struct scenario *other = scenario_of(", \"launches\": 3");
    struct cell kept = other->cells[0];
    other->cells[0] = other->cells[2];
    other->cells[2] = kept;
    assert_int_equal(plan_make(other, 6, &taken, &err), ST_OK);
    taken.clock = "TSC";
    assert_int_equal(plan_take(&taken, other, folder, &err), ST_OK);
    assert_int_equal(taken.seed, 5);
    assert_int_equal(taken.cells[0].result.frames, frames + 2);
    assert_int_equal(taken.cells[2].result.frames, frames);
    assert_int_equal(taken.cells[2].result.warmup, warmup);
    assert_int_equal(taken.cells[2].result.launches_planned, 3);
    assert_int_equal(taken.cells[2].frame_ns, 77);
    assert_int_equal(taken.cells[1].result.launches_planned, 0);
    assert_non_null(strstr(taken.cells[1].result.failure, "it fell over"));
    plan_free(&taken);

    /* Another clock; counts that the scenario itself gives otherwise; a cell the other has not. */
    assert_int_equal(plan_make(other, 6, &taken, &err), ST_OK);
    taken.clock = "CLOCK_MONOTONIC";
    assert_int_equal(plan_take(&taken, other, folder, &err), ST_INVALID);
    assert_non_null(strstr(err.what, "clock"));
    taken.clock = "TSC";
    snprintf(taken.cells[0].cell.id, sizeof taken.cells[0].cell.id, "shm+new");
    assert_int_equal(plan_take(&taken, other, folder, &err), ST_OK);
    assert_int_equal(taken.cells[0].result.launches_planned, 0);
    assert_non_null(strstr(taken.cells[0].result.failure, "no such cell"));
    plan_free(&taken);
    scenario_free(other);
    other = scenario_of(", \"frames\": 7");
    assert_int_equal(plan_make(other, 6, &taken, &err), ST_OK);
    assert_int_equal(plan_take(&taken, other, folder, &err), ST_INVALID);
    plan_free(&taken);
    scenario_free(other);
    plan_free(&base);
    scenario_free(scenario);
    snprintf(path, sizeof path, "%s/plan.json", folder);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_counts_from_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
