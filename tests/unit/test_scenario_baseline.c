/* test_scenario_baseline.c: the cells that "cpu_baseline" adds, which filters and probes keep, the
 * claim of a block, and what needs privileges. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/scenario/privileges.h"
#include "harness/scenario/scenario.h"
#include "tests/support/random_input.h"

#define BASELINE "null+poll:50000/kernel=none/fill=header"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    if (scenario_parse("test.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s (hint: %s)\nin %s", err.what, err.hint, text);
    return scenario;
}

static size_t count_baselines(const struct scenario *scenario)
{
    size_t count = 0;
    for (size_t i = 0; i < scenario->cell_count; i++)
        count += scenario->cells[i].is_baseline;
    return count;
}

/* The baseline that serves a cell, of which there must be one. */
static const struct cell *baseline_of(const struct scenario *scenario, const struct cell *cell)
{
    const struct cell *found = NULL;
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (cell_baseline_serves(&scenario->cells[i], cell)) {
            assert_null(found);
            found = &scenario->cells[i];
        }
    return found;
}

static const char one_block[] =
    "{\"blocks\": [{\"name\": \"w\", \"cpu_baseline\": true, \"base\": {\"launches\": 7, "
    "\"frames\": 50, \"frame\": \"64x64x1\", \"producer_wait\": \"spin\"}, \"axes\": "
    "{\"transport\": [\"shm\", \"unix\"], \"wait\": [\"spin\", \"futex\"], \"pacing\": "
    "[\"rate:60\", \"poisson:60\", \"max\"]}}]}";

static void test_one_per_schedule(void **state)
{
    (void)state;
    struct scenario *scenario = parse(one_block);
    assert_int_equal(scenario->cell_count, 2 * 2 * 3 + 2);
    const struct cell *baseline = &scenario->cells[12];
    assert_string_equal(baseline->id, BASELINE "/pacing=rate:60/slots=1024/baseline=w");
    assert_string_equal(baseline[1].id, BASELINE "/pacing=poisson:60/slots=1024/baseline=w");
    assert_true(baseline->is_baseline && baseline->runnable == ST_OK);
    assert_int_equal(baseline->block_index, 0);
    assert_int_equal(baseline->launches, 7);
    assert_int_equal(baseline->frames, 50);
    assert_null(baseline->producer_wait);
    for (size_t i = 0; i < 12; i++) {
        const struct cell *cell = &scenario->cells[i];
        const struct cell *serves = cell->pacing == PACING_MAX    ? NULL
                                    : cell->pacing == PACING_RATE ? baseline
                                                                  : baseline + 1;
        assert_false(cell->is_baseline);
        assert_ptr_equal(baseline_of(scenario, cell), serves);
    }
    scenario_free(scenario);
}

/* One value of each axis that a baseline shares with its cells, besides its default. */
static const char *const shared_axes[] = {
    "\"pacing\": \"rate:31\"",
    "\"pacing\": \"poisson:30\"",
    "\"phase\": \"random\"",
    "\"placement\": \"none\"",
    "\"placement\": \"cpus:0,1\"",
    "\"placement\": \"cpus:1,0\"",
    "\"scheduling\": \"fifo:1\"",
    "\"timer_slack_ns\": 1",
    "\"idle_latency\": \"held\"",
    "\"clocks\": \"locked\"",
    "\"load\": \"cpu\"",
    "\"load\": \"membw\"",
    "\"launches\": 3",
    "\"frames\": 400",
    "\"warmup\": 0",
};
#define SHARED_AXES (sizeof shared_axes / sizeof shared_axes[0])

/* Its 1,024 slots last for 50 ms at up to some 20,000 frames a second. */
static void test_rates_too_high(void **state)
{
    (void)state;
    struct scenario *scenario =
        parse("{\"blocks\": [{\"name\": \"w\", \"cpu_baseline\": true, \"base\": {\"transport\": "
              "\"shm\", \"wait\": \"futex\"}, \"axes\": {\"pacing\": [\"rate:15000\", "
              "\"rate:15001\", \"poisson:20000\"]}}]}");
    assert_int_equal(scenario->cell_count, 3 + 1);
    assert_true(scenario->cells[3].is_baseline && scenario->cells[3].rate_hz == 15000.0);
    assert_ptr_equal(baseline_of(scenario, &scenario->cells[0]), &scenario->cells[3]);
    assert_null(baseline_of(scenario, &scenario->cells[1]));
    assert_null(baseline_of(scenario, &scenario->cells[2]));
    scenario_free(scenario);
}

/* A baseline never serves a cell that differs from its own in one of them. */
static void test_every_shared_axis_counts(void **state)
{
    (void)state;
    struct scenario *with[SHARED_AXES + 1];
    for (size_t i = 0; i <= SHARED_AXES; i++) {
        char text[400];
        snprintf(
            text, sizeof text,
            "{\"blocks\": [{\"name\": \"a\", \"cpu_baseline\": true, \"base\": {\"transport\": "
            "\"shm\", \"wait\": \"futex\"%s%s}}]}",
            i ? ", " : "", i ? shared_axes[i - 1] : "");
        with[i] = parse(text);
        assert_int_equal(with[i]->cell_count, 2);
    }
    for (size_t i = 0; i <= SHARED_AXES; i++)
        for (size_t j = 0; j <= SHARED_AXES; j++)
            assert_int_equal(cell_baseline_serves(&with[i]->cells[1], &with[j]->cells[0]), i == j);
    for (size_t i = 0; i <= SHARED_AXES; i++)
        scenario_free(with[i]);
}

/* Blocks share a baseline, also one that comes before; a cell of the user's own that looks the same
 * stays his, and both have an id. */
static void test_blocks_share(void **state)
{
    (void)state;
    struct scenario *scenario =
        parse("{\"base\": {\"transport\": \"shm\", \"wait\": \"futex\"}, \"blocks\": ["
              "{\"name\": \"a\", \"cpu_baseline\": true},"
              "{\"name\": \"b\", \"cpu_baseline\": true, \"axes\": {\"slots\": [2, 4]}},"
              "{\"name\": \"c\", \"cpu_baseline\": true, \"base\": {\"slots\": 3, \"frames\": 9}},"
              "{\"name\": \"d\", \"base\": {\"transport\": \"null\", \"wait\": \"poll:50000\","
              " \"kernel\": \"none\", \"fill\": \"header\", \"slots\": 1024}}]}");
    static const char *const ids[] = {
        "shm+futex",         BASELINE "/slots=1024/baseline=a", "shm+futex/slots=2",
        "shm+futex/slots=3", BASELINE "/slots=1024/baseline=c", BASELINE "/slots=1024"};
    assert_int_equal(scenario->cell_count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(scenario->cells[i].id, ids[i]);
    assert_ptr_equal(baseline_of(scenario, &scenario->cells[2]), &scenario->cells[1]);
    assert_ptr_equal(baseline_of(scenario, &scenario->cells[3]), &scenario->cells[4]);
    scenario_free(scenario);
}

/* What a filter leaves: the cells it names, and the baselines of those. */
static void test_filters(void **state)
{
    (void)state;
    static const struct {
        const char *axis, *values;
        size_t cells, baselines;
    } cases[] = {
        {"transport", "shm", 6, 2},  {"pacing", "rate", 4, 1}, {"pacing", "max,rate", 8, 1},
        {"pacing", "max", 4, 0},     {"wait", "futex", 6, 2},  {"transport", "unix", 6, 2},
        {"pacing", "poisson", 4, 1}, {"block", "w", 12, 2},    {"transport", "null", 0, 0},
        {"wait", "poll", 0, 0},      {"slots", "1024", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scenario *scenario = parse(one_block);
        struct scenario_filter filter = {cases[i].axis, cases[i].values};
        struct err err = {.what = ""};
        enum status status = scenario_filter(scenario, &filter, 1, &err);
        assert_int_equal(status, cases[i].cells ? ST_OK : ST_INVALID);
        if (status == ST_OK) {
            assert_int_equal(scenario->cell_count, cases[i].cells + cases[i].baselines);
            assert_int_equal(count_baselines(scenario), cases[i].baselines);
        } else {
            assert_non_null(strstr(err.what, "no cell of test has"));
            assert_null(strstr(err.hint, "null"));
            assert_null(strstr(err.hint, "1024"));
        }
        scenario_free(scenario);
    }
}

static enum status probe_refuses(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, "buy another", "not on this machine");
}

/* Baselines of cells that cannot run here go; those of the others stay. */
static void test_probe_drops(void **state)
{
    (void)state;
    struct err err;
    struct scenario *scenario = parse(one_block);
    struct wait_strategy missing = *wait_find("spin");
    missing.probe = probe_refuses;
    for (size_t i = 0; i < 12; i++) /* all at a fixed rate, and some at the others */
        if (scenario->cells[i].pacing == PACING_RATE)
            scenario->cells[i].wait = &missing;
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(scenario->cell_count, 13);
    assert_int_equal(scenario->cells[12].pacing, PACING_POISSON);
    assert_true(scenario->cells[12].is_baseline);
    scenario_free(scenario);
}

/* In random blocks: each cell that can run at a rate has one baseline, each baseline a cell. */
static void test_random_blocks(void **state)
{
    (void)state;
    size_t baselines = 0;
    for (int round = 0; round < 200; round++) {
        char text[2000];
        size_t used = (size_t)snprintf(text, sizeof text, "{\"blocks\": [");
        size_t blocks = 1 + random_below(3);
        for (size_t b = 0; b < blocks; b++) {
            used += (size_t)snprintf(
                text + used, sizeof text - used,
                "%s{\"name\": \"b%zu\", \"cpu_baseline\": true, \"base\": {\"transport\": \"shm\", "
                "\"slots\": %zu, \"launches\": %u, %s}, \"axes\": {\"wait\": [\"spin\", \"futex\", "
                "\"block\"], \"load\": [\"none\", \"%s\"], \"timer_slack_ns\": [1, %u]%s}}",
                b ? ", " : "", b, 10 + b, 1 + (unsigned)random_below(2),
                random_below(2) ? "\"scheduling\": \"other\"" : "\"idle_latency\": \"held\"",
                random_below(2) ? "cpu" : "membw", 2 + (unsigned)random_below(2),
                random_below(2) ? ", \"pacing\": [\"rate:60\", \"max\"]" : "");
        }
        snprintf(text + used, sizeof text - used, "]}");
        struct scenario *scenario = parse(text);
        for (size_t i = 0; i < scenario->cell_count; i++) {
            const struct cell *cell = &scenario->cells[i];
            bool wants = cell->pacing == PACING_RATE && !cell->is_baseline;
            bool served = false;
            if (wants && cell->runnable == ST_OK)
                assert_non_null(baseline_of(scenario, cell));
            for (size_t j = 0; j < scenario->cell_count && cell->is_baseline; j++)
                served = served || (scenario->cells[j].runnable == ST_OK &&
                                    cell_baseline_serves(cell, &scenario->cells[j]));
            assert_int_equal(served, cell->is_baseline);
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(cell->id, scenario->cells[j].id);
            baselines += cell->is_baseline;
        }
        scenario_free(scenario);
    }
    assert_true(baselines > 400);
}

/* ---- Claims ---------------------------------------------------------------------------------- */

static void test_claim(void **state)
{
    (void)state;
    struct scenario *scenario = parse(
        "{\"base\": {\"transport\": \"shm\", \"wait\": \"futex\"}, \"blocks\": [{\"name\": "
        "\"a\", \"claim\": {\"id\": \"c-1\", \"says\": \"fast \\u00b5\", \"where\": \"here\", "
        "\"figure\": \"response.p99\", \"low_us\": 0.001, \"high_ns\": 2000, \"known\": "
        "\"x\", \"machine\": \"Jetson\", \"moved_bytes\": 2880000}}, {\"name\": \"b\", \"base\": "
        "{\"slots\": 2}, \"claim\": {\"id\": \"c-2\", "
        "\"says\": \"y\", \"where\": \"z\", \"figure\": \"latency.mean\", \"low_us\": 1.3, "
        "\"high_us\": 1.3}}]}");
    const struct claim *claim = scenario->blocks[0].claim;
    assert_string_equal(claim->id, "c-1");
    assert_string_equal(claim->says, "fast \xc2\xb5");
    assert_string_equal(claim->where, "here");
    assert_string_equal(claim->figure, "response.p99");
    assert_string_equal(claim->known, "x");
    assert_string_equal(claim->machine, "Jetson");
    assert_int_equal(claim->moved_bytes, 2880000);
    assert_int_equal(claim->low_ns, 1);
    assert_int_equal(claim->high_ns, 2000);
    claim = scenario->blocks[1].claim;
    assert_string_equal(claim->known, "");
    assert_string_equal(claim->machine, "");
    assert_int_equal(claim->moved_bytes, 0);
    assert_int_equal(claim->low_ns, 1300);
    assert_int_equal(claim->high_ns, 1300);
    scenario_free(scenario);
}

/* ---- Privileges ------------------------------------------------------------------------------ */

static void test_device(void **state)
{
    (void)state;
    char path[] = "/tmp/handoff-test-XXXXXX";
    struct err err;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "kept", 4), 4);
    assert_int_equal(privileges_try_device(path, &err), ST_OK);
    assert_int_equal(lseek(fd, 0, SEEK_END), 4); /* nothing was written or cut */
    assert_int_equal(fchmod(fd, 0400), 0);
    close(fd);
    if (geteuid() != 0) {
        assert_int_equal(privileges_try_device(path, &err), ST_UNAVAILABLE);
        assert_non_null(strstr(err.what, "may not be written to by this user"));
        assert_non_null(strstr(err.hint, "sudo chmod o+rw /tmp/handoff-test-"));
    }
    unlink(path);
    assert_int_equal(privileges_try_device(path, &err), ST_UNAVAILABLE);
    assert_non_null(strstr(err.what, "there is no /tmp/handoff-test-"));
    assert_non_null(strstr(err.hint, "--device"));
}

static void test_fifo_remedies(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit, limit_max;
        bool sys_nice;
        const char *hint;
    } cases[] = {
        {0, 0, false, "prlimit --rtprio=99"}, {0, 49, false, "prlimit --rtprio=99"},
        {0, 50, false, "`ulimit -r 99`"},     {49, 99, false, "`ulimit -r 99`"},
        {50, 99, false, "cpu.rt_runtime_us"}, /* allowed, and refused all the same */
        {0, 0, true, "cpu.rt_runtime_us"},    {0, UINT64_MAX, false, "`ulimit -r 99`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {.hint = ""};
        assert_int_equal(privileges_explain_fifo(50, cases[i].limit, cases[i].limit_max,
                                                 cases[i].sys_nice, &err),
                         ST_UNAVAILABLE);
        if (!strstr(err.hint, cases[i].hint))
            fail_msg("case %zu: %s (hint: %s)", i, err.what, err.hint);
    }
}

static void test_throttling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } files[] = {{"950000\n", ST_OK}, {"0\n", ST_OK}, {"", ST_OK}, {"-1\n", ST_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[] = "/tmp/handoff-test-XXXXXX";
        struct err err = {.hint = ""};
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, files[i].text, strlen(files[i].text)), strlen(files[i].text));
        close(fd);
        assert_int_equal(privileges_check_throttling(path, &err), files[i].status);
        assert_int_equal(strstr(err.hint, "sysctl") != NULL, files[i].status != ST_OK);
        unlink(path);
        assert_int_equal(privileges_check_throttling(path, &err), ST_OK); /* no such limit */
    }
}

/* The exit code of a child that gave up what allows real-time priorities and tried: 0 as promised.
 * `hard` is what the user may raise his limit to. */
static int try_fifo_unprivileged(rlim_t hard)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {.what = "", .hint = ""};
        struct rlimit limit = {.rlim_cur = 0, .rlim_max = hard};
        if (setrlimit(RLIMIT_RTPRIO, &limit) != 0 || (geteuid() == 0 && setuid(65534) != 0))
            _exit(77);
        if (privileges_check_throttling("/proc/sys/kernel/sched_rt_runtime_us", &err) != ST_OK)
            _exit(77);
        if (privileges_try_fifo(50, &err) != ST_UNAVAILABLE)
            _exit(1);
        const char *expected = hard >= 50 ? "ulimit -r 99" : "prlimit --rtprio=99";
        _exit(err.what[0] && strstr(err.hint, expected) ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_fifo(void **state)
{
    (void)state;
    struct err err = {.what = "", .hint = ""};
    int before = sched_getscheduler(0);
    enum status status = privileges_try_fifo(50, &err);
    assert_int_equal(sched_getscheduler(0), before);
    if (status != ST_OK) {
        assert_int_equal(status, ST_UNAVAILABLE);
        assert_true(err.what[0] != '\0' && err.hint[0] != '\0');
    }
    const rlim_t hard[] = {0, 99};
    for (size_t i = 0; i < 2; i++) {
        int code = try_fifo_unprivileged(hard[i]);
        assert_true(code == 0 || code == 77); /* 77: not allowed to give up what it has */
    }
}

/* Under fifo a spinning role keeps its CPU: on a machine with one, both have to have it. */
static void test_one_cpu(void **state)
{
    (void)state;
    struct err err;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    struct scenario *scenario =
        parse("{\"blocks\": [{\"name\": \"a\", \"base\": {\"transport\": \"shm\"}, \"axes\": "
              "{\"wait\": [\"spin\", \"yield\"], \"scheduling\": [\"other\", \"fifo:1\"]}}]}");
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    bool allowed = privileges_try_fifo(1, &err) == ST_OK;
    assert_int_equal(scenario->cells[0].runnable, ST_OK);
    assert_int_equal(scenario->cells[1].runnable, ST_UNAVAILABLE);
    assert_int_equal(strstr(scenario->cells[1].reason, "has one CPU") != NULL, allowed);
    assert_int_equal(scenario->cells[2].runnable, ST_OK);
    assert_int_equal(scenario->cells[3].runnable, allowed ? ST_OK : ST_UNAVAILABLE);
    scenario_free(scenario);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_per_schedule),
        cmocka_unit_test(test_rates_too_high),
        cmocka_unit_test(test_every_shared_axis_counts),
        cmocka_unit_test(test_blocks_share),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_probe_drops),
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_claim),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_fifo_remedies),
        cmocka_unit_test(test_throttling),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_one_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
