/* test_gpu_floor.c: the floor of the GPU: every figure is there, and a child that fails, dies or
 * hangs costs no more than what it had not yet said. The children are this program again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/gpu/gpu.h"
#include "harness/measure/clock.h"
#include "harness/run/floor_gpu.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/gpu_skip.h"

static const struct floor_gpu_config usual = {
    .cpus = {-1, -1},
    .sizes_bytes = {1, 4097, 1920 * 1080 * 3},
    .size_count = 3,
};
static struct floor_gpu measured; /* by main, as usual */
static bool fake;

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Nothing is left of the children, whatever became of them. */
static struct floor_gpu measure(struct floor_gpu_config config)
{
    struct floor_gpu floor;
    struct err err = {0};
    unsigned before = open_descriptors();
    if (floor_gpu_measure(&config, &floor, &err) != ST_OK)
        fail_msg("%s (%s)", err.what, err.hint);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return floor;
}

static bool has_warning(const struct floor_gpu *floor, const char *text)
{
    for (size_t i = 0; i < floor->warning_count; i++)
        if (strstr(floor->warnings[i], text))
            return true;
    return false;
}

static void assert_figure(const struct floor_gpu_figure *figure, double most_ns)
{
    assert_true(figure->p50_ns > 0 && figure->p50_ns < most_ns);
    assert_true(figure->count >= 3);
}

static void assert_sizes(const struct floor_gpu *floor, const struct floor_gpu_config *config)
{
    assert_int_equal(floor->size_count, config->size_count);
    for (size_t i = 0; i < floor->size_count; i++) {
        const struct floor_gpu_size *size = &floor->sizes[i];
        assert_int_equal(size->bytes, config->sizes_bytes[i]);
        assert_figure(&size->device_copy, 1e9);
        assert_figure(&size->mapped_read, 1e9);
        assert_figure(&size->host_copy, 1e9);
        assert_figure(&size->fill_invert, 1e9);
    }
}

static void print_floor(const struct floor_gpu *floor)
{
    printf("%s: launch %.0f ns, to its word %.0f, flag %.0f, stream values %.0f, turn %.0f, change "
           "%.0f\n",
           floor->device, floor->launch.p50_ns, floor->launch_word.p50_ns, floor->flag.p50_ns,
           floor->stream_values.p50_ns, floor->turn.p50_ns, floor_gpu_switch_ns(floor));
    for (size_t i = 0; i < floor->size_count; i++) {
        const struct floor_gpu_size *size = &floor->sizes[i];
        printf("%zu bytes: device copy %.0f ns, mapped read %.0f, host copy %.0f, "
               "fill and invert %.0f\n",
               size->bytes, size->device_copy.p50_ns, size->mapped_read.p50_ns,
               size->host_copy.p50_ns, size->fill_invert.p50_ns);
    }
    for (size_t i = 0; i < floor->warning_count; i++)
        printf("warning: %s\n", floor->warnings[i]);
}

static void every_figure_is_there(void **state)
{
    print_floor(&measured);
    assert_true(measured.device[0] != 0);
    assert_figure(&measured.launch, 1e8);
    assert_figure(&measured.launch_word, 1e8);
    assert_figure(&measured.flag, 1e8);
    assert_figure(&measured.stream_values, 1e8);
    assert_figure(&measured.turn, 1e8);
    assert_true(floor_gpu_switch_ns(&measured) >= 0);
    assert_sizes(&measured, &usual);
    assert_int_equal(measured.warning_count, 0);
    /* Fifteen hundred times the bytes: on a GPU. What the fake takes is its host's affair, and under a
     * sanitizer times say nothing. */
    if (strcmp(gpu_toolkit_version(), "fake") == 0 || getenv("HANDOFF_TEST_PATIENCE"))
        return;
    assert_true(measured.sizes[2].mapped_read.p50_ns > measured.sizes[1].mapped_read.p50_ns);
    assert_true(measured.sizes[2].host_copy.p50_ns > measured.sizes[1].host_copy.p50_ns);
}

/* ---- children that do not do well ---- */

/* Sends a signal to `target` as soon as `sign`, a child of this process, is there. */
struct murder {
    const char *sign;
    const char *target;
    int signal;
    atomic_bool done;
    atomic_bool give_up;
};

/* The child of this process with this role; 0: there is none. */
static pid_t child_of_role(const char *role)
{
    char path[64], line[4096], parent[32], wanted[64];
    pid_t found = 0;
    snprintf(parent, sizeof parent, "\nPPid:\t%d\n", (int)getpid());
    size_t wanted_bytes = (size_t)snprintf(wanted, sizeof wanted, "--role%c%s%c", 0, role, 0);
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; !found && folder && (entry = readdir(folder));) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
        FILE *file = pid > 0 ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        size_t bytes = fread(line, 1, sizeof line - 1, file);
        line[bytes] = 0;
        fclose(file);
        if (!strstr(line, parent))
            continue;
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
        if (!(file = fopen(path, "re")))
            continue;
        bytes = fread(line, 1, sizeof line, file);
        fclose(file);
        if (memmem(line, bytes, wanted, wanted_bytes))
            found = pid;
    }
    if (folder)
        closedir(folder);
    return found;
}

static void *murderer(void *argument)
{
    struct murder *murder = argument;
    while (!murder->done && !murder->give_up) {
        pid_t victim;
        if (child_of_role(murder->sign) && (victim = child_of_role(murder->target)) != 0)
            murder->done = kill(victim, murder->signal) == 0;
        usleep(500);
    }
    return NULL;
}

/* On a busy machine both processes can be gone again before the murderer saw them: then it was an
 * ordinary measurement, or silent for too long by itself; a longer and more patient one is begun. */
static enum status measure_with_murder(struct floor_gpu_config config, struct murder *murder,
                                       struct floor_gpu *floor, struct err *err)
{
    enum status status = ST_OK;
    unsigned before = open_descriptors();
    for (unsigned attempt = 0; attempt < 5 && !murder->done; attempt++) {
        pthread_t thread;
        murder->give_up = false;
        assert_int_equal(pthread_create(&thread, NULL, murderer, murder), 0);
        status = floor_gpu_measure(&config, floor, err);
        murder->give_up = true;
        pthread_join(thread, NULL);
        assert_int_equal(open_descriptors(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        if (!murder->done && status != ST_OK)
            fail_msg("nobody was killed: %s", err->what);
        config.budget_ns *= 2;
        config.silence_ns *= 2;
    }
    assert_true(murder->done);
    return status;
}

static const struct floor_gpu_config small = {
    .cpus = {-1, -1},
    .sizes_bytes = {3000},
    .size_count = 1,
    .budget_ns = 200000000,
};

/* Once the peer is there, all but the turns has been measured. */
static void one_dies_or_hangs_in_the_end(void **state)
{
    const struct {
        const char *target;
        int signal;
        const char *warning;
    } deaths[] = {
        {"gpu-floor", SIGKILL, "the gpu-floor process was killed by signal 9"},
        {"gpu-floor-peer", SIGKILL, ""}, /* who notices first depends on how far it was */
        {"gpu-floor", SIGSTOP, "the gpu-floor process did not answer"},
        {"gpu-floor-peer", SIGSTOP, ""},
    };
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        struct murder murder = {
            .sign = "gpu-floor-peer", .target = deaths[i].target, .signal = deaths[i].signal};
        struct floor_gpu floor;
        struct err err = {0};
        struct floor_gpu_config config = small;
        /* Of a real GPU a peer needs seconds to start. */
        config.silence_ns = deaths[i].signal == SIGSTOP ? (fake ? 1000000000u : 6000000000u) : 0;
        uint64_t begin_ns = clock_now_ns();
        if (measure_with_murder(config, &murder, &floor, &err) != ST_OK)
            fail_msg("%s", err.what);
        printf("%s, signal %d: %.1f s, %s\n", deaths[i].target, deaths[i].signal,
               (double)(clock_now_ns() - begin_ns) / 1e9, floor.warnings[0]);
        assert_figure(&floor.launch, 1e8);
        assert_sizes(&floor, &small);
        assert_true(isnan(floor.turn.p50_ns) && isnan(floor_gpu_switch_ns(&floor)));
        assert_true(floor.warning_count > 0 && has_warning(&floor, deaths[i].warning));
    }
}

/* Before or after its first word: an error or a warning, and never more than that. */
static void one_dies_in_the_beginning(void **state)
{
    struct murder murder = {.sign = "gpu-floor", .target = "gpu-floor", .signal = SIGKILL};
    struct floor_gpu floor;
    struct err err = {0};
    enum status status = measure_with_murder(small, &murder, &floor, &err);
    if (status == ST_OK)
        assert_true(has_warning(&floor, "killed by signal 9"));
    else
        assert_true(status == ST_ROLE_DIED && strstr(err.what, "killed by signal 9"));
}

/* ---- calls that fail, on the fake ---- */

static struct floor_gpu measure_with(const char *name, const char *value)
{
    setenv(name, value, 1);
    struct floor_gpu floor = measure(small);
    unsetenv(name);
    return floor;
}

static void what_fails_is_left_out(void **state)
{
    if (!fake)
        gpu_skip("a real GPU does not fail when asked");
    static const char fail[] = "HANDOFF_FAKE_GPU_FAIL";
    struct floor_gpu floor = measure_with(fail, "gpu-floor:launcher_enqueue_clock:1");
    assert_true(isnan(floor.flag.p50_ns) && has_warning(&floor, "a flag there and back: "));
    assert_figure(&floor.launch, 1e8);
    assert_figure(&floor.turn, 1e8);
    assert_sizes(&floor, &small);
    /* In the middle of what is enqueued ahead: the stream is let go. */
    floor = measure_with(fail, "gpu-floor:gpu_stream_wait_value:50");
    assert_true(isnan(floor.stream_values.p50_ns) && has_warning(&floor, "stream wait-value"));
    assert_figure(&floor.flag, 1e8);
    assert_sizes(&floor, &small);
    floor = measure_with(fail, "gpu-floor:gpu_stream_write_value:1:unavailable");
    assert_true(isnan(floor.stream_values.p50_ns) && has_warning(&floor, "stream wait-value"));
    assert_sizes(&floor, &small);
    floor = measure_with(fail, "gpu-floor:gpu_register:1");
    assert_true(isnan(floor.sizes[0].mapped_read.p50_ns) && isnan(floor.sizes[0].host_copy.p50_ns));
    assert_figure(&floor.sizes[0].device_copy, 1e9);
    assert_figure(&floor.sizes[0].fill_invert, 1e9);
    assert_true(floor.warning_count == 1 && has_warning(&floor, "memory to stream through"));
    floor = measure_with(fail, "gpu-floor:gpu_device_alloc:1");
    assert_true(isnan(floor.sizes[0].fill_invert.p50_ns) && !isnan(floor.turn.p50_ns));
    floor = measure_with(fail, "gpu-floor-peer:gpu_open:1");
    assert_true(isnan(floor.turn.p50_ns) && floor.warning_count == 1);
    assert_sizes(&floor, &small);
    floor = measure_with("HANDOFF_FAKE_GPU_ATTRIBUTES", "mps=1"); /* nobody takes turns */
    assert_true(isnan(floor.turn.p50_ns) && isnan(floor_gpu_switch_ns(&floor)));
    assert_true(floor.warning_count == 1 && has_warning(&floor, "MPS is used"));
    /* The context breaks while something runs: all that follows is missing, and said so. */
    floor = measure_with(fail, "gpu-floor:launcher_enqueue:10:later");
    assert_true(isnan(floor.turn.p50_ns) && isnan(floor.launch.p50_ns) && floor.warning_count >= 3);
}

static void no_gpu_is_a_reason(void **state)
{
    if (!fake)
        gpu_skip("a real GPU is there");
    struct floor_gpu floor = {.warning_count = 77};
    struct err err = {0};
    setenv("HANDOFF_FAKE_GPU_ATTRIBUTES", "device=0", 1);
    assert_int_equal(floor_gpu_measure(&small, &floor, &err), ST_UNAVAILABLE);
    unsetenv("HANDOFF_FAKE_GPU_ATTRIBUTES");
    assert_true(err.what[0] != 0 && floor.warning_count == 77);
    setenv("HANDOFF_FAKE_GPU_FAIL", "gpu-floor:gpu_open:1", 1);
    assert_int_not_equal(floor_gpu_measure(&small, &floor, &err), ST_OK);
    unsetenv("HANDOFF_FAKE_GPU_FAIL");
    assert_int_equal(floor.warning_count, 77);
}

static void one_cpu_has_no_turns(void **state)
{
    struct floor_gpu_config config = small;
    config.cpus = (struct floor_cpus){0, 0};
    struct floor_gpu floor = measure(config);
    assert_true(isnan(floor.turn.p50_ns) && has_warning(&floor, "needs two CPUs"));
    assert_figure(&floor.launch, 1e9);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    if (argc > 1 && strcmp(argv[1], "--role") == 0)
        return role_main(argc, argv, &err) == ST_OK ? 0 : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_figure_is_there),     cmocka_unit_test(one_dies_or_hangs_in_the_end),
        cmocka_unit_test(one_dies_in_the_beginning), cmocka_unit_test(what_fails_is_left_out),
        cmocka_unit_test(no_gpu_is_a_reason),        cmocka_unit_test(one_cpu_has_no_turns),
    };
    fake = fake_gpu_fail != NULL;
    if (fake) /* so that a turn takes long enough to be disturbed */
        setenv("HANDOFF_FAKE_GPU_DELAY_US", "500", 1);
    enum status status = floor_gpu_measure(&usual, &measured, &err);
    /* The fake is as fast as its host lets it be, and on a busy one there is no time for a figure. */
    for (int i = 0; i < 5 && fake && status == ST_OK && has_warning(&measured, "no time for"); i++)
        status = floor_gpu_measure(&usual, &measured, &err);
    if (status == ST_UNAVAILABLE) {
        printf("skipped: %s (%s)\n", err.what, err.hint);
        return 77;
    }
    if (status != ST_OK)
        printf("error: %s (%s)\n", err.what, err.hint);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
