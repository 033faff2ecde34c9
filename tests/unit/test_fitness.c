/* test_fitness.c: what makes a machine fit or unfit, on both sides of each threshold; and what the
 * collectors behind it read from trees of machines we do not have. test_env.c has whole
 * machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/env.h"
#include "harness/env/files.h"
#include "harness/env/fitness.h"
#include "tests/support/fake_tree.h"

static cJSON *findings_of(const cJSON *env)
{
    cJSON *findings = cJSON_CreateArray();
    struct err err;
    assert_int_equal(fitness_find(env, findings, &err), ST_OK);
    return findings;
}

static const cJSON *finding_of(const cJSON *findings, const char *id)
{
    const cJSON *finding, *found = NULL;
    cJSON_ArrayForEach (finding, findings) {
        if (strcmp(json_get_string(finding, "id", ""), id) != 0)
            continue;
        assert_null(found); /* each once */
        found = finding;
    }
    return found;
}

/* Of an environment in JSON: the level of one finding and a part of what it says. */
static const struct expectation {
    const char *env, *id;
    enum fitness_level level;
    const char *part;
} expectations[] = {
    {"{}", "cpus", FITNESS_UNKNOWN, "CPUs"},
    {"{\"cpu\":{\"allowed_count\":1}}", "cpus", FITNESS_UNFIT, "one CPU only"},
    {"{\"cpu\":{\"allowed_count\":2}}", "cpus", FITNESS_WARNING, "2 CPUs"},
    {"{\"cpu\":{\"allowed_count\":12}}", "cpus", FITNESS_GOOD, "12 CPUs"},
    {"{}", "virtual", FITNESS_UNKNOWN, ""},
    {"{\"virtualisation\":{\"virtual\":false}}", "virtual", FITNESS_GOOD, ""},
    {"{\"virtualisation\":{\"virtual\":true,\"hypervisor\":\"KVM\"}}", "virtual", FITNESS_WARNING,
     "(KVM)"},
    {"{}", "load", FITNESS_UNKNOWN, ""},
    {"{\"load\":{\"busy_percent\":10}}", "load", FITNESS_GOOD, "10 %"},
    {"{\"load\":{\"busy_percent\":11}}", "load", FITNESS_WARNING, "11 %"},
    {"{\"load\":{\"busy_percent\":51}}", "load", FITNESS_UNFIT, "51 %"},
    {"{\"cpu\":{\"cpu_count\":4},\"load\":{\"average_1min\":2}}", "load", FITNESS_GOOD, "2.00"},
    {"{\"cpu\":{\"cpu_count\":4},\"load\":{\"average_1min\":2.1}}", "load", FITNESS_WARNING,
     "2.10"},
    {"{}", "steal", FITNESS_UNKNOWN, ""},
    {"{\"load\":{\"steal_ms\":10,\"cpu_time_ms\":1000}}", "steal", FITNESS_GOOD, "1.00 %"},
    {"{\"load\":{\"steal_ms\":11,\"cpu_time_ms\":1000}}", "steal", FITNESS_WARNING, "1.1 %"},
    {"{}", "smt", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"cpu_count\":8,\"core_count\":4,\"smt_active\":true}}", "smt", FITNESS_WARNING,
     "8 CPUs on 4 cores"},
    {"{\"cpu\":{\"cpu_count\":8,\"core_count\":4,\"smt_active\":false}}", "smt", FITNESS_GOOD, ""},
    {"{}", "isolation", FITNESS_NOTE, ""},
    {"{\"cpu\":{\"nohz_full\":\"(null)\"}}", "isolation", FITNESS_NOTE, ""},
    {"{\"cpu\":{\"isolated\":\"2-3\"}}", "isolation", FITNESS_GOOD, "2-3"},
    {"{}", "idle_states", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"idle\":{\"states\":[{\"name\":\"C1\",\"latency_us\":10}]}}}", "idle_states",
     FITNESS_GOOD, "10 µs"},
    {"{\"cpu\":{\"idle\":{\"states\":[{\"name\":\"C1\",\"latency_us\":2},{\"name\":\"C6\","
     "\"latency_us\":133}]}}}",
     "idle_states", FITNESS_WARNING, "C6 takes 133 µs"},
    {"{\"cpu\":{\"cpu_count\":4,\"idle\":{\"states\":[{\"name\":\"C3\",\"latency_us\":80},{"
     "\"name\":"
     "\"C6\",\"latency_us\":133,\"disabled_cpus\":4}]}}}",
     "idle_states", FITNESS_NOTE, "C3 takes 80 µs"},
    {"{\"virtualisation\":{\"virtual\":true},\"cpu\":{\"idle\":{\"states\":[{\"name\":\"h\","
     "\"latency_us\":1}]}}}",
     "idle_states", FITNESS_UNKNOWN, "hypervisor"},
    {"{\"limits\":{\"cpu_dma_latency\":\"writable\"}}", "idle_control", FITNESS_GOOD, ""},
    {"{\"limits\":{\"cpu_dma_latency\":\"denied\"}}", "idle_control", FITNESS_NOTE, "not ours"},
    {"{}", "governor", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"frequency\":[{\"cpus\":\"0 1\",\"governor\":\"performance\"}]}}", "governor",
     FITNESS_GOOD, ""},
    {"{\"cpu\":{\"frequency\":[{\"cpus\":\"0 1\",\"governor\":\"performance\"},{\"cpus\":\"2 3\","
     "\"governor\":\"powersave\"}]}}",
     "governor", FITNESS_WARNING, "\"powersave\" on CPUs 2,3"},
    {"{}", "turbo", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"boost\":true}}", "turbo", FITNESS_WARNING, ""},
    {"{\"cpu\":{\"boost\":false}}", "turbo", FITNESS_GOOD, ""},
    {"{\"cpu\":{\"intel_pstate_no_turbo\":false}}", "turbo", FITNESS_WARNING, ""},
    {"{\"cpu\":{\"intel_pstate_no_turbo\":true}}", "turbo", FITNESS_GOOD, ""},
    {"{}", "frequency_limit", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"frequency\":[{\"cpus\":\"0\",\"max_khz\":1000000,\"hardware_max_khz\":2000000}]}"
     "}",
     "frequency_limit", FITNESS_NOTE, "1000 MHz of 2000"},
    {"{\"cpu\":{\"frequency\":[{\"cpus\":\"0\",\"max_khz\":2000000,\"hardware_max_khz\":2000000}]}"
     "}",
     "frequency_limit", FITNESS_GOOD, ""},
    {"{}", "clocksource", FITNESS_UNKNOWN, ""},
    {"{\"kernel\":{\"clocksource\":\"hpet\"}}", "clocksource", FITNESS_WARNING, "hpet"},
    {"{\"kernel\":{\"clocksource\":\"tsc\"}}", "clocksource", FITNESS_GOOD, "tsc"},
    {"{}", "gaps", FITNESS_UNKNOWN, ""},
    {"{\"gaps\":{\"cpus\":[{\"cpu\":3,\"share_percent\":0.05,\"largest_ns\":50000}]}}", "gaps",
     FITNESS_GOOD, "CPU 3"},
    {"{\"gaps\":{\"cpus\":[{\"cpu\":3,\"share_percent\":0.2,\"largest_ns\":50000}]}}", "gaps",
     FITNESS_NOTE, "0.20 %"},
    {"{\"gaps\":{\"cpus\":[{\"cpu\":3,\"share_percent\":0.05,\"largest_ns\":1000001}]}}", "gaps",
     FITNESS_WARNING, "1.0 ms"},
    {"{\"gaps\":{\"cpus\":[{\"cpu\":3,\"share_percent\":0.05,\"largest_ns\":50000},{\"cpu\":4,"
     "\"share_percent\":2,\"largest_ns\":70000,\"per_second\":250}]}}",
     "gaps", FITNESS_WARNING, "CPU 4 is taken away 250 times"},
    {"{\"gaps\":{\"cpus\":[{\"cpu\":3,\"share_percent\":11,\"largest_ns\":50000}]}}", "gaps",
     FITNESS_UNFIT, ""},
    {"{}", "timer_slack", FITNESS_UNKNOWN, ""},
    {"{\"limits\":{\"timer_slack_ns\":50000}}", "timer_slack", FITNESS_GOOD, "default"},
    {"{\"limits\":{\"timer_slack_ns\":50001}}", "timer_slack", FITNESS_WARNING, ""},
    {"{}", "swap", FITNESS_UNKNOWN, ""},
    {"{\"memory\":{\"swap_used_bytes\":67108864}}", "swap", FITNESS_GOOD, ""},
    {"{\"memory\":{\"swap_used_bytes\":67108865}}", "swap", FITNESS_WARNING, "67 MB"},
    {"{}", "memory", FITNESS_UNKNOWN, ""},
    {"{\"memory\":{\"available_bytes\":536870911}}", "memory", FITNESS_WARNING, "537 MB"},
    {"{\"memory\":{\"available_bytes\":536870912}}", "memory", FITNESS_GOOD, "537 MB"},
    {"{}", "huge_pages", FITNESS_UNKNOWN, ""},
    {"{\"memory\":{\"transparent_huge_pages\":\"always\"}}", "huge_pages", FITNESS_NOTE, "always"},
    {"{\"memory\":{\"transparent_huge_pages\":\"never\"}}", "huge_pages", FITNESS_GOOD, "never"},
    {"{}", "dev_shm", FITNESS_UNKNOWN, ""},
    {"{\"memory\":{\"dev_shm_free_bytes\":67108864},\"virtualisation\":{\"container\":\"docker\"}}",
     "dev_shm", FITNESS_WARNING, "67 MB"},
    {"{\"memory\":{\"dev_shm_free_bytes\":268435456}}", "dev_shm", FITNESS_GOOD, ""},
    {"{\"memory\":{\"dev_shm_free_bytes\":67108864,\"cells_bytes\":67108864}}", "dev_shm",
     FITNESS_GOOD, ""},
    {"{\"memory\":{\"dev_shm_free_bytes\":268435456,\"cells_bytes\":268435457}}", "dev_shm",
     FITNESS_WARNING, "may keep 268 MB"},
    {"{\"memory\":{\"available_bytes\":600000000,\"cells_bytes\":300000001}}", "memory",
     FITNESS_WARNING, "may need 600"},
    {"{\"memory\":{\"available_bytes\":600000000,\"cells_bytes\":300000000}}", "memory",
     FITNESS_GOOD, ""},
    {"{\"kernel\":{\"numa_balancing\":1}}", "numa_balancing", FITNESS_NOTE, ""},
    {"{\"kernel\":{\"numa_balancing\":0}}", "numa_balancing", FITNESS_GOOD, ""},
    {"{}", "cpu_quota", FITNESS_UNKNOWN, ""},
    {"{\"limits\":{\"cgroup_version\":2}}", "cpu_quota", FITNESS_GOOD, "no CPU quota"},
    {"{\"limits\":{\"cgroup_version\":2,\"cgroup_cpus\":2}}", "cpu_quota", FITNESS_GOOD, "2.00"},
    {"{\"limits\":{\"cgroup_version\":2,\"cgroup_cpus\":1.9}}", "cpu_quota", FITNESS_UNFIT, "1.90"},
    {"{\"limits\":{\"cgroup_version\":2,\"cgroup_memory_bytes\":536870911}}", "memory_limit",
     FITNESS_WARNING, "537 MB"},
    {"{\"limits\":{\"cgroup_version\":2}}", "memory_limit", FITNESS_GOOD, ""},
    {"{}", "locked_memory", FITNESS_UNKNOWN, ""},
    {"{\"limits\":{\"memlock_bytes\":null}}", "locked_memory", FITNESS_GOOD, "no limit"},
    {"{\"limits\":{\"memlock_bytes\":65536}}", "locked_memory", FITNESS_NOTE, "0.1 MB"},
    {"{}", "open_files", FITNESS_UNKNOWN, ""},
    {"{\"limits\":{\"open_files\":null}}", "open_files", FITNESS_GOOD, ""},
    {"{\"limits\":{\"open_files\":1024}}", "open_files", FITNESS_GOOD, "1024"},
    {"{\"limits\":{\"open_files\":1023}}", "open_files", FITNESS_WARNING, "1023"},
    {"{}", "temperature", FITNESS_UNKNOWN, ""},
    {"{\"thermal\":{\"zones\":[{\"millidegrees_c\":99000}]}}", "temperature", FITNESS_GOOD, "99"},
    {"{\"thermal\":{\"zones\":[{\"millidegrees_c\":40000,\"trip_millidegrees_c\":45001}]}}",
     "temperature", FITNESS_GOOD, "40"},
    {"{\"thermal\":{\"zones\":[{\"millidegrees_c\":99000},{\"type\":\"cpu\",\"millidegrees_c\":"
     "40000,"
     "\"trip_millidegrees_c\":45000}]}}",
     "temperature", FITNESS_WARNING, "cpu is at 40"},
    {"{}", "throttled", FITNESS_UNKNOWN, ""},
    {"{\"cpu\":{\"core_throttle_count\":0}}", "throttled", FITNESS_GOOD, ""},
    {"{\"cpu\":{\"core_throttle_count\":3,\"package_throttle_count\":4}}", "throttled",
     FITNESS_NOTE, "7 times"},
    {"{\"cpu\":{\"core_throttle_count\":1}}", "throttled", FITNESS_NOTE, "1 time since"},
    {"{\"thermal\":{\"mains\":false}}", "battery", FITNESS_WARNING, ""},
    {"{\"thermal\":{\"mains\":true}}", "battery", FITNESS_GOOD, ""},
    {"{\"board\":{\"l4t\":\"35.4.1\"}}", "power_mode", FITNESS_UNKNOWN, ""},
    {"{\"board\":{\"l4t\":\"35.4.1\",\"power_mode\":\"pmode:0002\"}}", "power_mode", FITNESS_NOTE,
     "mode 2"},
    {"{\"board\":{\"l4t\":\"35.4.1\",\"power_mode\":\"pmode:0000\"}}", "power_mode", FITNESS_GOOD,
     ""},
    {"{\"board\":{\"l4t\":\"35.4.1\"}}", "board_gpu_clock", FITNESS_UNKNOWN, ""},
    {"{\"board\":{\"l4t\":\"3\",\"gpu_clock\":{\"min_hz\":306000000,\"max_hz\":1300500000}}}",
     "board_gpu_clock", FITNESS_WARNING, "306 and 1300 MHz"},
    {"{\"board\":{\"l4t\":\"3\",\"gpu_clock\":{\"min_hz\":1300500000,\"max_hz\":1300500000}}}",
     "board_gpu_clock", FITNESS_GOOD, "fixed"},
    {"{\"board\":{\"l4t\":\"3\",\"memory_clock\":{\"min_hz\":1,\"max_hz\":9,\"locked\":true}}}",
     "board_memory_clock", FITNESS_GOOD, "fixed"},
    {"{\"gpu\":{}}", "gpu_clocks", FITNESS_UNKNOWN, ""},
    {"{\"gpu\":{\"clock_limits\":[\"idle\"]}}", "gpu_clocks", FITNESS_GOOD, ""},
    {"{\"gpu\":{\"clock_limits\":[\"sw_power_cap\"]}}", "gpu_clocks", FITNESS_WARNING,
     "sw_power_cap"},
    {"{\"gpu\":{\"persistence_mode\":false}}", "gpu_persistence", FITNESS_NOTE, ""},
    {"{\"gpu\":{\"persistence_mode\":true}}", "gpu_persistence", FITNESS_GOOD, ""},
    {"{\"gpu\":{}}", "gpu_clients", FITNESS_UNKNOWN, ""},
    {"{\"gpu\":{\"display_clients\":[],\"other_clients\":0,\"clients_visible\":false}}",
     "gpu_clients", FITNESS_UNKNOWN, "root"},
    {"{\"gpu\":{\"display_clients\":[],\"other_clients\":0,\"clients_visible\":true}}",
     "gpu_clients", FITNESS_GOOD, ""},
    {"{\"gpu\":{\"display_clients\":[\"Xorg\",\"sway\"],\"other_clients\":0}}", "gpu_clients",
     FITNESS_WARNING, "uses the GPU: Xorg, sway"},
    {"{\"gpu\":{\"display_clients\":[\"Xorg\"],\"other_clients\":2}}", "gpu_clients",
     FITNESS_WARNING, "(Xorg) and 2 other"},
    {"{\"gpu\":{\"display_clients\":[],\"other_clients\":2}}", "gpu_clients", FITNESS_WARNING,
     "2 other processes use the GPU"},
    {"{\"gpu\":{\"display_clients\":[],\"other_clients\":1}}", "gpu_clients", FITNESS_WARNING,
     "1 other process uses the GPU"},
    {"{\"gpu\":{\"unusable\":{\"reason\":\"the driver is old\",\"hint\":\"update it\"}}}",
     "gpu_unusable", FITNESS_NOTE, "cannot be used: the driver is old"},
    {"{\"gpu\":{\"unusable\":{\"reason\":7}}}", "gpu_unusable", FITNESS_NOTE, "cannot be used"},
};

static void each_check_says_good_unknown_or_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENV_COUNT(expectations); i++) {
        const struct expectation *expected = &expectations[i];
        cJSON *env = cJSON_Parse(expected->env);
        if (!env)
            fail_msg("no JSON: %s", expected->env);
        cJSON *findings = findings_of(env);
        const cJSON *finding = finding_of(findings, expected->id);
        const char *found = json_get_string(finding, "found", "");
        if (!finding || fitness_level_of(finding) != expected->level ||
            !strstr(found, expected->part))
            fail_msg("%s: %s is %s: \"%s\"", expected->env, expected->id,
                     json_get_string(finding, "level", "absent"), found);
        /* What is wrong says what it does; nothing else does. */
        const bool is_wrong = expected->level >= FITNESS_NOTE;
        assert_int_equal(json_get_string(finding, "effect", "")[0] != '\0', is_wrong);
        if (!is_wrong)
            assert_string_equal(json_get_string(finding, "fix", "?"), "");
        cJSON_Delete(findings);
        cJSON_Delete(env);
    }
}

/* The command is that of this kind of machine. */
static void remedies_fit_the_machine(void **state)
{
    (void)state;
    static const struct {
        const char *env, *id, *fix;
    } cases[] = {
        {"{\"cpu\":{\"frequency\":[{\"governor\":\"ondemand\"}]}}", "governor", "cpupower"},
        {"{\"board\":{\"l4t\":\"36.4.0\"},\"cpu\":{\"frequency\":[{\"governor\":\"ondemand\"}]}}",
         "governor", "jetson_clocks"},
        {"{\"board\":{\"compatible\":\"nvidia,p3737 nvidia,tegra234\"},\"cpu\":{\"frequency\":[{"
         "\"governor\":\"ondemand\"}]}}",
         "governor", "jetson_clocks"},
        {"{\"memory\":{\"dev_shm_free_bytes\":1}}", "dev_shm", "remount"},
        {"{\"memory\":{\"dev_shm_free_bytes\":1},\"virtualisation\":{\"container\":\"docker\"}}",
         "dev_shm", "docker run --shm-size"},
        {"{\"cpu\":{\"intel_pstate_no_turbo\":false,\"boost\":true}}", "turbo", "intel_pstate"},
        {"{\"cpu\":{\"boost\":true}}", "turbo", "cpufreq/boost"},
    };
    for (size_t i = 0; i < ENV_COUNT(cases); i++) {
        cJSON *env = cJSON_Parse(cases[i].env), *findings = findings_of(env);
        const char *fix = json_get_string(finding_of(findings, cases[i].id), "fix", "");
        if (!strstr(fix, cases[i].fix))
            fail_msg("%s: \"%s\"", cases[i].env, fix);
        cJSON_Delete(findings);
        cJSON_Delete(env);
    }
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static void the_verdict_is_that_of_the_worst(void **state)
{
    (void)state;
    static const struct {
        const char *findings, *verdict;
        enum fitness_level worst;
    } cases[] = {
        {"[]", "fit", FITNESS_GOOD},
        {"[{\"id\":\"a\",\"level\":\"good\"},{\"id\":\"b\",\"level\":\"note\"}]", "fit",
         FITNESS_NOTE},
        {"[{\"id\":\"a\",\"level\":\"warning\"}]", "fit, with 1 warning: a", FITNESS_WARNING},
        {"[{\"id\":\"cpus\",\"level\":\"warning\",\"found\":\"2 CPUs\"}]",
         "fit, with 1 warning: 2 CPUs", FITNESS_WARNING},
        {"[{\"id\":\"a\",\"level\":\"warning\"},{\"id\":\"c\",\"level\":\"warning\"}]",
         "fit, with 2 warnings: a; c", FITNESS_WARNING},
        {"[{\"id\":\"a\",\"level\":\"warning\"},{\"id\":\"c\",\"level\":\"unfit\",\"found\":\"one "
         "CPU\"}]",
         "not fit: one CPU", FITNESS_UNFIT},
        {"[7,{},{\"id\":5,\"level\":\"warning\"},{\"level\":\"best\"}]", "fit, with 1 warning: ?",
         FITNESS_WARNING},
    };
    for (size_t i = 0; i < ENV_COUNT(cases); i++) {
        char text[200];
        cJSON *findings = cJSON_Parse(cases[i].findings);
        assert_string_equal(fitness_verdict(findings, text, sizeof text), cases[i].verdict);
        assert_int_equal(fitness_worst(findings), cases[i].worst);
        cJSON_Delete(findings);
    }
}

/* What does not fit is counted and not cut in the middle, which would break a character. */
static void a_long_verdict_names_whole_findings(void **state)
{
    (void)state;
    cJSON *findings = cJSON_CreateArray();
    char text[2000], found[40];
    for (int i = 0; i < 60; i++) {
        cJSON *finding = cJSON_CreateObject();
        snprintf(found, sizeof found, "µµµµµµµµµ %d", i);
        assert_true(json_add_string(finding, "level", "unfit") &&
                    json_add_string(finding, "found", found) && json_append(findings, finding));
    }
    fitness_verdict(findings, text, sizeof text);
    int named = 0, more = 0;
    for (const char *at = text; (at = strstr(at, "µµµµµµµµµ ")) != NULL; at++)
        named++;
    assert_int_equal(sscanf(strstr(text, " and "), " and %d more", &more), 1);
    assert_true(named > 10);
    assert_int_equal(named + more, 60);
    cJSON_Delete(findings);
}

/* After the run only what got worse is told, and each thing once in the verdict. */
static void a_result_tells_what_got_worse(void **state)
{
    (void)state;
    cJSON *before = cJSON_Parse("{\"cpu\":{\"allowed_count\":2,\"core_throttle_count\":0},"
                                "\"load\":{\"busy_percent\":12},\"memory\":{\"swap_used_bytes\":0},"
                                "\"gpu\":{\"clock_limits\":[\"sw_power_cap\"]}}");
    cJSON *after = cJSON_Parse("{\"cpu\":{\"allowed_count\":2,\"core_throttle_count\":5},"
                               "\"load\":{\"busy_percent\":60},\"memory\":{\"swap_used_bytes\":0},"
                               "\"gpu\":{\"clock_limits\":[\"sw_power_cap\"]}}");
    cJSON *fitness = NULL, *again = NULL, *result = cJSON_CreateObject();
    struct err err;
    assert_int_equal(fitness_make(before, after, &fitness, &err), ST_OK);
    const cJSON *worse = json_get(fitness, "after");
    assert_int_equal(fitness_level_of(finding_of(worse, "load")), FITNESS_UNFIT);
    assert_int_equal(fitness_level_of(finding_of(worse, "throttled_meanwhile")), FITNESS_UNFIT);
    assert_int_equal(fitness_level_of(finding_of(worse, "throttled")), FITNESS_NOTE);
    assert_non_null(
        strstr(json_get_string(finding_of(worse, "gpu_clocks"), "found", ""), "before and after"));
    assert_int_equal(cJSON_GetArraySize(worse), 4);
    assert_string_equal(json_get_string(fitness, "worst", ""), "unfit");
    assert_non_null(strstr(json_get_string(fitness, "verdict", ""), "throttled 5 times"));
    /* That of an older result is made from its environment; a newer one's is taken as it is. */
    cJSON *environment = cJSON_CreateObject();
    assert_true(json_add(environment, "before", before) && json_add(environment, "after", after) &&
                json_add(result, "environment", environment));
    assert_int_equal(fitness_of_result(result, &again, &err), ST_OK);
    assert_true(cJSON_Compare(fitness, again, 1));
    cJSON_Delete(again);
    assert_true(json_add(result, "fitness", cJSON_Parse("{\"verdict\":\"as stored\"}")));
    assert_int_equal(fitness_of_result(result, &again, &err), ST_OK);
    assert_string_equal(json_get_string(again, "verdict", ""), "as stored");
    cJSON_Delete(again);
    cJSON_Delete(fitness);
    cJSON_Delete(result);
}

/* Held back only after: told as a change, and not once more as a check. */
static void a_change_is_told_once(void **state)
{
    (void)state;
    cJSON *before = cJSON_Parse("{\"gpu\":{\"clock_limits\":[\"idle\"]}}");
    cJSON *after = cJSON_Parse("{\"gpu\":{\"clock_limits\":[\"hw_slowdown\"]}}");
    cJSON *fitness = NULL;
    struct err err;
    assert_int_equal(fitness_make(before, after, &fitness, &err), ST_OK);
    assert_non_null(
        strstr(json_get_string(finding_of(json_get(fitness, "after"), "gpu_clocks"), "found", ""),
               "at the end of the run (hw_slowdown)"));
    assert_string_equal(json_get_string(fitness, "verdict", ""),
                        "fit, with 1 warning: the GPU's clocks were held back at the end of the "
                        "run (hw_slowdown)");
    cJSON_Delete(fitness);
    cJSON_Delete(after);
    cJSON_Delete(before);
}

static void nonsense_is_no_finding(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "[]",
        "{\"cpu\":7,\"load\":[],\"limits\":\"x\",\"memory\":null,\"gaps\":{\"cpus\":{\"cpu\":1}}}",
        "{\"gaps\":{\"cpus\":[7,\"x\",{\"share_percent\":\"y\"}]},\"thermal\":{\"zones\":[[],5]},"
        "\"gpu\":{\"display_clients\":[5,null],\"clock_limits\":{}},\"board\":{\"gpu_clock\":[]}}",
    };
    for (size_t i = 0; i < ENV_COUNT(texts); i++) {
        cJSON *env = cJSON_Parse(texts[i]), *findings = findings_of(env);
        assert_true(fitness_worst(findings) <= FITNESS_WARNING);
        cJSON_Delete(findings);
        cJSON_Delete(env);
    }
}

/* ---- collectors ------------------------------------------------------------------------------ */

static void put_link(const char *target, const char *path)
{
    char full[256];
    put("", "%s", path); /* its folders */
    snprintf(full, sizeof full, "%s%s", tree, path);
    assert_int_equal(unlink(full), 0);
    assert_int_equal(symlink(target, full), 0);
}

static cJSON *collect(void)
{
    cJSON *env = NULL;
    assert_int_equal(env_collect(tree, &env, NULL), ST_OK);
    return env;
}

static void who_uses_the_gpu_is_seen(void **state)
{
    (void)state;
    put("", "/dev/nvidia0");
    put("Xorg\n", "/proc/100/comm");
    put_link("/dev/nvidiactl", "/proc/100/fd/9");
    put("Xorg\n", "/proc/101/comm"); /* does not use it */
    put_link("/dev/null", "/proc/101/fd/0");
    put("somebodys-game\n", "/proc/102/comm");
    put_link("/dev/null", "/proc/102/fd/0");
    put_link("/dev/dri/card0", "/proc/102/fd/1");
    put("nvidia-persiste\n", "/proc/103/comm");
    put_link("/dev/nvidia0", "/proc/103/fd/1");
    put("not a process\n", "/proc/driver/comm");
    /* What came of this process is the run's own: its MPS server, say. */
    put("90 (handoff) S 1 90 90\n", "/proc/self/stat");
    put("91 (a) guard) S 90 90 90\n", "/proc/91/stat");
    put("105 (nvidia-cuda-mps) S 91 90 90\n", "/proc/105/stat");
    put("nvidia-cuda-mps\n", "/proc/105/comm");
    put_link("/dev/nvidia0", "/proc/105/fd/1");
    cJSON *env = collect();
    const cJSON *gpu = json_get(env, "gpu"), *names = json_get(gpu, "display_clients");
    assert_int_equal(cJSON_GetArraySize(names), 1);
    assert_string_equal(names->child->valuestring, "Xorg");
    assert_string_equal(json_get(gpu, "other_clients")->valuestring, "1");
    assert_true(cJSON_IsTrue(json_get(gpu, "clients_visible")));
    char *text = cJSON_PrintUnformatted(env);
    assert_null(strstr(text, "game"));
    cJSON_free(text);
    cJSON_Delete(env);
    /* Another user's: its descriptors are hidden, its name is not. */
    put("sway\n", "/proc/104/comm");
    env = collect();
    assert_int_equal(cJSON_GetArraySize(json_get(json_get(env, "gpu"), "display_clients")), 2);
    assert_true(cJSON_IsFalse(json_get(json_get(env, "gpu"), "clients_visible")));
    cJSON_Delete(env);
}

static void a_jetsons_clocks_and_trip_points_are_read(void **state)
{
    (void)state;
    put("# R36 (release), REVISION: 4.0, GCID: 1, BOARD: generic\n", "/etc/nv_tegra_release");
    put("pmode:0002\n", "/var/lib/nvpmodel/status");
    put("ga10b\n", "/sys/class/devfreq/17000000.gpu/device/of_node/name");
    put("306000000\n", "/sys/class/devfreq/17000000.gpu/min_freq");
    put("1300500000\n", "/sys/class/devfreq/17000000.gpu/max_freq");
    put("nvdla\n", "/sys/class/devfreq/15880000.nvdla0/device/of_node/name");
    put("1\n", "/sys/class/devfreq/15880000.nvdla0/max_freq");
    put("3199000000\n", "/sys/kernel/debug/bpmp/debug/clk/emc/rate");
    put("204000000\n", "/sys/kernel/debug/bpmp/debug/clk/emc/min_rate");
    put("3199000000\n", "/sys/kernel/debug/bpmp/debug/clk/emc/max_rate");
    put("1\n", "/sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked");
    put("cpu-thermal\n", "/sys/class/thermal/thermal_zone0/type");
    put("96000\n", "/sys/class/thermal/thermal_zone0/temp");
    static const char *const trips[][2] = {
        {"active", "50000"}, {"critical", "104500"}, {"passive", "99000"}, {"hot", "39999"}};
    for (unsigned i = 0; i < 4; i++) {
        put(trips[i][0], "/sys/class/thermal/thermal_zone0/trip_point_%u_type", i);
        put(trips[i][1], "/sys/class/thermal/thermal_zone0/trip_point_%u_temp", i);
    }
    cJSON *env = collect(), *findings = findings_of(env);
    static const struct {
        const char *id, *part;
        enum fitness_level level;
    } expected[] = {
        {"power_mode", "mode 2", FITNESS_NOTE},
        {"board_gpu_clock", "306 and 1300 MHz", FITNESS_WARNING},
        {"board_memory_clock", "3199 MHz", FITNESS_GOOD},
        {"temperature", "at 96 degrees C, and is throttled from 99", FITNESS_WARNING},
    };
    for (size_t i = 0; i < ENV_COUNT(expected); i++) {
        const cJSON *finding = finding_of(findings, expected[i].id);
        if (fitness_level_of(finding) != expected[i].level ||
            !strstr(json_get_string(finding, "found", ""), expected[i].part))
            fail_msg("%s: %s", expected[i].id, json_get_string(finding, "found", "absent"));
    }
    cJSON_Delete(findings);
    cJSON_Delete(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_says_good_unknown_or_what_is_wrong),
        cmocka_unit_test(remedies_fit_the_machine),
        cmocka_unit_test(the_verdict_is_that_of_the_worst),
        cmocka_unit_test(a_long_verdict_names_whole_findings),
        cmocka_unit_test(a_result_tells_what_got_worse),
        cmocka_unit_test(a_change_is_told_once),
        cmocka_unit_test(nonsense_is_no_finding),
        IN_TREE(who_uses_the_gpu_is_seen),
        IN_TREE(a_jetsons_clocks_and_trip_points_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
