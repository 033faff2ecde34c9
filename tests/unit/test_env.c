/* test_env.c: the environment and its warnings, read from trees of machines we do not have.
 *
 * Each tree holds the files that such a machine shows: a Jetson Orin, containers with limits, a
 * virtual machine with a GPU, one with nonsense in every file, one with nothing at all.
 */
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

/* Collects the tree and sends it through text, as results do. */
static cJSON *collect(const char *root)
{
    cJSON *env = NULL, *again;
    struct err err;
    assert_int_equal(env_collect(root, &env, &err), ST_OK);
    char *text = cJSON_PrintUnformatted(env);
    assert_non_null(text);
    again = cJSON_Parse(text);
    assert_non_null(again);
    cJSON_free(text);
    cJSON_Delete(env);
    return again;
}

/* "section.member.0.member" */
static const cJSON *find(const cJSON *env, const char *path)
{
    char copy[256], *rest;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *name = strtok_r(copy, ".", &rest); name && env; name = strtok_r(NULL, ".", &rest))
        env = name[0] >= '0' && name[0] <= '9' ? cJSON_GetArrayItem(env, atoi(name))
                                               : json_get(env, name);
    return env;
}

static void assert_text(const cJSON *env, const char *path, const char *text)
{
    const cJSON *item = find(env, path);
    if (!cJSON_IsString(item))
        fail_msg("%s is not a string", path);
    assert_string_equal(item->valuestring, text);
}

static void assert_number(const cJSON *env, const char *path, double number)
{
    const cJSON *item = find(env, path);
    if (!cJSON_IsNumber(item) || item->valuedouble != number)
        fail_msg("%s is not %.17g", path, number);
}

static void assert_absent(const cJSON *env, const char *path)
{
    if (find(env, path))
        fail_msg("%s is there", path);
}

/* How many warnings hold `part`. */
static unsigned count_warnings(const cJSON *warnings, const char *part)
{
    const cJSON *warning;
    unsigned count = 0;
    cJSON_ArrayForEach (warning, warnings) {
        count += strstr(warning->valuestring, part) != NULL;
    }
    return count;
}

/* Appends what a run of this environment is warned of. */
static bool env_warnings(const cJSON *env, cJSON *warnings)
{
    cJSON *findings = cJSON_CreateArray();
    bool ok = fitness_find(env, findings, NULL) == ST_OK && fitness_add_warnings(findings, warnings);
    cJSON_Delete(findings);
    return ok;
}

static bool env_difference_warnings(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    cJSON *findings = cJSON_CreateArray();
    bool ok = fitness_find_changes(before, after, findings, NULL) == ST_OK &&
              fitness_add_warnings(findings, warnings);
    cJSON_Delete(findings);
    return ok;
}

static void put_orin(void)
{
    put_orin_cpus();
    put("processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nBogoMIPS\t: 62.50\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd42\n",
        "/proc/cpuinfo");
    put("# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64\n",
        "/etc/nv_tegra_release");
    put("NVIDIA Jetson AGX Orin Developer Kit", "/proc/device-tree/model");
    put("root=/dev/mmcblk0p1 secret=x isolcpus=4-7 nohz_full=4-7 console=ttyTCU0 -- idle=poll\n",
        "/proc/cmdline");
    put("PRETTY_NAME=\"Ubuntu 20.04.6 LTS\"\nNAME=\"Ubuntu\"\n", "/etc/os-release");
    put("arch_sys_counter\n", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    put("schedutil\n", CPU_FOLDER "/cpufreq/policy0/scaling_governor");
    put("0 1 2 3\n", CPU_FOLDER "/cpufreq/policy0/affected_cpus");
    put("2201600\n", CPU_FOLDER "/cpufreq/policy0/scaling_max_freq");
    put("115200 7\n2201600 1234567\n", CPU_FOLDER "/cpufreq/policy0/stats/time_in_state");
    put("WFI\n", CPU_FOLDER "/cpu0/cpuidle/state0/name");
    put("1\n", CPU_FOLDER "/cpu0/cpuidle/state0/latency");
    for (unsigned cpu = 0; cpu < 12; cpu++) {
        put("5\n", CPU_FOLDER "/cpu%u/cpuidle/state0/usage", cpu);
        put(cpu < 3 ? "1\n" : "0\n", CPU_FOLDER "/cpu%u/cpuidle/state0/disable", cpu);
    }
    put("always [madvise] never\n", "/sys/kernel/mm/transparent_hugepage/enabled");
    put("ina3221\n", "/sys/bus/i2c/devices/1-0040/name");
    put("VDD_GPU_SOC\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/in1_label");
    put("19960\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/in1_input");
    put("100\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/curr1_input");
    put("NC\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/in2_label");
    put("5\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/in2_input");
    put("5\n", "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/curr2_input");
    put("CPU-therm\n", "/sys/class/thermal/thermal_zone0/type");
    put("45250\n", "/sys/class/thermal/thermal_zone0/temp");
    put("-274000\n", "/sys/class/thermal/thermal_zone1/temp");
    put("0\n", "/sys/class/hwmon/hwmon1/oc1_event_cnt");
    put("3\n", "/sys/class/hwmon/hwmon1/oc3_event_cnt");
    put("0.10 0.20 0.30 1/300 4000\n", "/proc/loadavg");
}

static void test_orin_environment(void **state)
{
    (void)state;
    put_orin();
    cJSON *env = collect(tree);
    assert_text(env, "cpu.model", "ARM Cortex-A78AE");
    assert_number(env, "cpu.cpu_count", 12);
    assert_text(env, "cpu.clusters.2.cpus", "8-11");
    assert_text(env, "cpu.frequency.0.governor", "schedutil");
    assert_number(env, "cpu.frequency.0.max_khz", 2201600);
    assert_number(env, "cpu.frequency.0.time_in_state.1.ms", 12345670);
    assert_number(env, "cpu.idle.states.0.entered", 60);
    assert_number(env, "cpu.idle.states.0.disabled_cpus", 3);
    assert_text(env, "kernel.boot_parameters", "isolcpus=4-7 nohz_full=4-7");
    assert_text(env, "kernel.distribution", "Ubuntu 20.04.6 LTS");
    assert_text(env, "memory.transparent_huge_pages", "madvise");
    assert_text(env, "board.model", "NVIDIA Jetson AGX Orin Developer Kit");
    assert_text(env, "board.l4t", "35.4.1");
    assert_text(env, "board.rails.0.name", "VDD_GPU_SOC");
    assert_number(env, "board.rails.0.microwatts", 1996000);
    assert_int_equal(cJSON_GetArraySize(find(env, "board.rails")), 1);
    assert_number(env, "board.overcurrent_events", 3);
    assert_number(env, "thermal.zones.0.millidegrees_c", 45250);
    assert_int_equal(cJSON_GetArraySize(find(env, "thermal.zones")), 1);
    assert_absent(env, "virtualisation");
    assert_absent(env, "gpu");
    assert_absent(env, "limits");

    cJSON *warnings = cJSON_CreateArray();
    assert_true(env_warnings(env, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 1);
    assert_int_equal(count_warnings(warnings, "jetson_clocks"), 1);
    assert_int_equal(count_warnings(warnings, "0,1,2,3"), 1);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

/* Nothing is there: nothing is said, and nothing is invented. */
static void test_empty_environment(void **state)
{
    (void)state;
    cJSON *env = collect(tree), *warnings = cJSON_CreateArray();
    assert_null(env->child);
    assert_true(env_warnings(env, warnings));
    assert_true(env_difference_warnings(env, env, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 0);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

/* Files with nonsense in them are treated as absent, and nothing overruns. */
static void test_broken_files(void **state)
{
    (void)state;
    char *large = malloc(200001);
    assert_non_null(large);
    memset(large, '7', 200000);
    large[200000] = '\0';
    static const char *const files[] = {
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/loadavg",
        "/proc/cmdline",
        "/proc/self/cgroup",
        "/etc/nv_tegra_release",
        "/etc/os-release",
        "/proc/pressure/cpu",
        CPU_FOLDER "/online",
        CPU_FOLDER "/smt/active",
        CPU_FOLDER "/cpufreq/policy0/scaling_max_freq",
        CPU_FOLDER "/cpufreq/policy0/stats/time_in_state",
        "/sys/class/thermal/thermal_zone0/temp",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    };
    static const char *const texts[] = {"",        "\n",  "garbage", "-1",  "99999999999999999999",
                                        "[",       "0:",  "::",      "0::", "model name",
                                        "cpu 1 2", "#  R"};
    for (unsigned text = 0; text <= ENV_COUNT(texts); text++) {
        for (unsigned i = 0; i < ENV_COUNT(files); i++)
            put(text < ENV_COUNT(texts) ? texts[text] : large, "%s", files[i]);
        cJSON *env = collect(tree), *warnings = cJSON_CreateArray();
        assert_true(env_warnings(env, warnings));
        assert_absent(env, "cpu.smt_active");
        assert_absent(env, "memory.total_bytes");
        cJSON_Delete(warnings);
        cJSON_Delete(env);
    }
    free(large);
}

static void test_cgroup_v2(void **state)
{
    (void)state;
    put("0::/user.slice/run.scope\n", "/proc/self/cgroup");
    put("300000 100000\n", "/sys/fs/cgroup/user.slice/run.scope/cpu.max");
    put("max 100000\n", "/sys/fs/cgroup/cpu.max");
    put("150000 100000\n", "/sys/fs/cgroup/user.slice/cpu.max");
    put("max\n", "/sys/fs/cgroup/user.slice/memory.max");
    put("268435456\n", "/sys/fs/cgroup/user.slice/run.scope/memory.max");
    put("usage_usec 5\nnr_periods 10\nnr_throttled 4\nthrottled_usec 9\n",
        "/sys/fs/cgroup/user.slice/run.scope/cpu.stat");
    cJSON *env = collect(tree), *warnings = cJSON_CreateArray();
    assert_number(env, "limits.cgroup_version", 2);
    assert_number(env, "limits.cgroup_cpus", 1.5);
    assert_number(env, "limits.cgroup_memory_bytes", 268435456);
    assert_number(env, "limits.cgroup_throttled_periods", 4);
    assert_true(env_warnings(env, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 2);
    assert_int_equal(count_warnings(warnings, "1.50 CPUs"), 1);
    assert_int_equal(count_warnings(warnings, "268 MB"), 1);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

/* In a container of version 1, the group's path is the host's and only the root of it is here. */
static void test_cgroup_v1_container(void **state)
{
    (void)state;
    put("5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n", "/proc/self/cgroup");
    put("50000\n", "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us");
    put("100000\n", "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us");
    put("9223372036854771712\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    put("", "/.dockerenv");
    cJSON *env = collect(tree);
    assert_number(env, "limits.cgroup_version", 1);
    assert_number(env, "limits.cgroup_cpus", 0.5);
    assert_absent(env, "limits.cgroup_memory_bytes");
    assert_text(env, "virtualisation.container", "docker");
    cJSON_Delete(env);
}

static void test_virtual_machine_and_gpu(void **state)
{
    (void)state;
    put("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t\t: fpu tsc hypervisor lahf_lm\n",
        "/proc/cpuinfo");
    put("MemTotal:        8000 kB\nMemAvailable:    4000 kB\nSwapTotal:     300000 kB\n"
        "SwapFree:      100000 kB\nHugePages_Total:       3\n",
        "/proc/meminfo");
    put("hpet\n", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    put("0x10de\n", "/sys/bus/pci/devices/0000:01:00.0/vendor");
    put("0x030200\n", "/sys/bus/pci/devices/0000:01:00.0/class");
    put("0x2335\n", "/sys/bus/pci/devices/0000:01:00.0/device");
    put("0x10de\n", "/sys/bus/pci/devices/0000:01:00.1/vendor");
    put("0x040300\n", "/sys/bus/pci/devices/0000:01:00.1/class");
    put("0x2336\n", "/sys/bus/pci/devices/0000:01:00.1/device");
    put("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 2024\n",
        "/proc/driver/nvidia/version");
    put("Mains\n", "/sys/class/power_supply/AC/type");
    put("0\n", "/sys/class/power_supply/AC/online");
    put("9.00 1.00 1.00 1/1 1\n", "/proc/loadavg");
    put("0-3\n", CPU_FOLDER "/online");
    cJSON *env = collect(tree), *warnings = cJSON_CreateArray();
    assert_true(cJSON_IsTrue(find(env, "virtualisation.virtual")));
    assert_number(env, "memory.total_bytes", 8192000);
    assert_number(env, "memory.swap_used_bytes", 204800000);
    assert_number(env, "memory.huge_pages_total", 3);
    assert_int_equal(cJSON_GetArraySize(find(env, "gpu.nvidia_pci_devices")), 1);
    assert_text(env, "gpu.nvidia_pci_devices.0", "0x2335");
    assert_text(env, "gpu.nvidia_driver", "550.54.15");
    assert_true(env_warnings(env, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 6);
    assert_int_equal(count_warnings(warnings, "virtual machine"), 1);
    assert_int_equal(count_warnings(warnings, "4 MB of memory are available"), 1);
    assert_int_equal(count_warnings(warnings, "\"hpet\""), 1);
    assert_int_equal(count_warnings(warnings, "205 MB of swap"), 1);
    assert_int_equal(count_warnings(warnings, "battery"), 1);
    assert_int_equal(count_warnings(warnings, "load average 9.00 on 4 CPUs"), 1);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

static void test_warnings_on_cpus(void **state)
{
    (void)state;
    static const struct {
        const char *env, *part;
        int count;
    } cases[] = {
        {"{\"cpu\":{\"allowed_count\":1,\"cpu_count\":8}}", "one CPU only", 1},
        {"{\"cpu\":{\"allowed_count\":2}}", "2 CPUs", 1},
        {"{\"cpu\":{\"allowed_count\":3}}", "", 0},
        {"{\"cpu\":{\"cpu_count\":8,\"core_count\":4,\"smt_active\":true}}", "SMT is on", 1},
        {"{\"cpu\":{\"cpu_count\":4,\"core_count\":4,\"smt_active\":true}}", "", 0},
        {"{\"cpu\":{\"cpu_count\":4},\"load\":{\"average_1min\":8,\"busy_percent\":1}}", "", 0},
        {"{\"cpu\":{\"cpu_count\":4},\"load\":{\"average_1min\":0,\"busy_percent\":60}}", "60 %",
         1},
        {"{\"cpu\":{\"frequency\":[{\"cpus\":\"0\",\"governor\":\"performance\"}]}}", "", 0},
        {"{\"kernel\":{\"clocksource\":\"kvm-clock\"}}", "", 0},
        {"[]", "", 0},
        {"{\"cpu\":7,\"load\":[],\"limits\":\"x\",\"memory\":null}", "", 0},
    };
    for (unsigned i = 0; i < ENV_COUNT(cases); i++) {
        cJSON *env = cJSON_Parse(cases[i].env), *warnings = cJSON_CreateArray();
        assert_non_null(env);
        assert_true(env_warnings(env, warnings));
        if (cJSON_GetArraySize(warnings) != cases[i].count ||
            count_warnings(warnings, cases[i].part) != (unsigned)cases[i].count)
            fail_msg("case %u: %s", i, cases[i].env);
        cJSON_Delete(warnings);
        cJSON_Delete(env);
    }
}

static void test_difference_warnings(void **state)
{
    (void)state;
    cJSON *before = cJSON_Parse(
        "{\"cpu\":{\"core_throttle_count\":5,\"package_throttle_count\":1,\"frequency\":["
        "{\"cpus\":\"0 1\",\"governor\":\"performance\",\"max_khz\":3000000},"
        "{\"cpus\":\"2 3\",\"governor\":\"performance\",\"max_khz\":3000000}]},"
        "\"kernel\":{\"clocksource\":\"tsc\"},\"board\":{\"overcurrent_events\":0},"
        "\"limits\":{\"cgroup_throttled_periods\":0},\"memory\":{\"swap_used_bytes\":0},"
        "\"load\":{\"steal_ms\":100,\"cpu_time_ms\":1000000}}");
    cJSON *after = cJSON_Parse(
        "{\"cpu\":{\"core_throttle_count\":8,\"package_throttle_count\":1,\"frequency\":["
        "{\"cpus\":\"2 3\",\"governor\":\"powersave\",\"max_khz\":3000000},"
        "{\"cpus\":\"0 1\",\"governor\":\"performance\",\"max_khz\":1500000}]},"
        "\"kernel\":{\"clocksource\":\"hpet\"},\"board\":{\"overcurrent_events\":2},"
        "\"limits\":{\"cgroup_throttled_periods\":7},\"memory\":{\"swap_used_bytes\":100000000},"
        "\"load\":{\"steal_ms\":5100,\"cpu_time_ms\":1100000}}");
    cJSON *warnings = cJSON_CreateArray(), *none = cJSON_CreateArray();
    assert_non_null(before);
    assert_non_null(after);
    assert_true(env_difference_warnings(before, before, none));
    assert_true(env_difference_warnings(after, before, none)); /* counters that shrank: a reboot */
    assert_int_equal(count_warnings(none, "throttled"), 0);
    assert_int_equal(count_warnings(none, "took"), 0);
    assert_true(env_difference_warnings(before, after, warnings));
    static const char *const parts[] = {
        "throttled 3 times", "down 2 times",  "in 7 periods", "took 5.0 %",
        "1500 MHz",          "\"powersave\"", "\"hpet\"",     "100 MB went to swap",
    };
    assert_int_equal(cJSON_GetArraySize(warnings), ENV_COUNT(parts));
    for (unsigned i = 0; i < ENV_COUNT(parts); i++)
        assert_int_equal(count_warnings(warnings, parts[i]), 1);
    cJSON_Delete(none);
    cJSON_Delete(warnings);
    cJSON_Delete(after);
    cJSON_Delete(before);
}

/* A GPU that is held back is told, by the worst cause and when; one that idles or was set is
 * not. */
static void test_gpu_held_back(void **state)
{
    (void)state;
    cJSON *idle =
        cJSON_Parse("{\"gpu\":{\"clock_limits\":[\"idle\",\"applications_clocks_setting\",7]}}");
    cJSON *hot =
        cJSON_Parse("{\"gpu\":{\"clock_limits\":[\"sw_power_cap\",\"hw_thermal_slowdown\"]}}");
    cJSON *warnings = cJSON_CreateArray();
    assert_true(env_difference_warnings(idle, idle, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 0);
    assert_true(env_difference_warnings(idle, hot, warnings));
    assert_int_equal(count_warnings(warnings, "at the end of the run (hw_thermal_slowdown)"), 1);
    assert_true(env_difference_warnings(hot, idle, warnings)); /* said of what was before */
    assert_int_equal(cJSON_GetArraySize(warnings), 1);
    assert_true(env_warnings(idle, warnings));
    assert_int_equal(cJSON_GetArraySize(warnings), 1);
    assert_true(env_warnings(hot, warnings));
    assert_int_equal(count_warnings(warnings, "are held back (hw_thermal_slowdown)"), 1);
    assert_true(env_difference_warnings(hot, hot, warnings));
    assert_int_equal(count_warnings(warnings, "before and after the run"), 1);
    assert_int_equal(cJSON_GetArraySize(warnings), 3);
    cJSON_Delete(warnings);
    cJSON_Delete(hot);
    cJSON_Delete(idle);
}

/* Numbers as collected are raw digits until they went through text; warnings read both. */
static void test_warnings_on_raw_numbers(void **state)
{
    (void)state;
    cJSON *env = cJSON_CreateObject(), *cpu = cJSON_CreateObject(), *warnings = cJSON_CreateArray();
    assert_true(json_add(env, "cpu", cpu));
    assert_true(json_add_u64(cpu, "allowed_count", 1));
    assert_true(env_warnings(env, warnings));
    assert_int_equal(count_warnings(warnings, "one CPU only"), 1);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

/* Only ever shorter, and only by a whole number. */
static void test_watch(void **state)
{
    (void)state;
    const struct {
        const char *given;
        uint32_t expected_ms;
    } cases[] = {{"", 200},    {"20", 20},   {"0", 0},
                 {"200", 200}, {"201", 200}, {"-1", 200},
                 {"20s", 200}, {"x", 200},   {"99999999999999999999", 200}};
    unsetenv("HANDOFF_ENV_WATCH_MS");
    assert_int_equal(env_watch_ms(200), 200);
    for (size_t i = 0; i < ENV_COUNT(cases); i++) {
        setenv("HANDOFF_ENV_WATCH_MS", cases[i].given, 1);
        assert_int_equal(env_watch_ms(200), cases[i].expected_ms);
    }
    unsetenv("HANDOFF_ENV_WATCH_MS");
}

/* This machine: what every Linux shows is there, and the name of the host is not. */
static void test_this_environment(void **state)
{
    (void)state;
    char host[256] = "", quoted[300];
    cJSON *env = NULL, *warnings = cJSON_CreateArray();
    assert_int_equal(env_collect(NULL, &env, NULL), ST_OK);
    assert_true(cJSON_IsString(find(env, "kernel.release")));
    assert_non_null(find(env, "memory.total_bytes"));
    assert_non_null(find(env, "memory.page_bytes"));
    assert_non_null(find(env, "limits.open_files"));
    assert_non_null(find(env, "limits.timer_slack_ns"));
    assert_non_null(find(env, "load.busy_percent"));
    assert_true(cJSON_IsString(find(env, "cpu.allowed")));
    assert_true(env_warnings(env, warnings));
    char *text = cJSON_PrintUnformatted(env);
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    snprintf(quoted, sizeof quoted, "\"%s\"", host);
    assert_null(strstr(text, quoted));
    cJSON_free(text);
    cJSON_Delete(warnings);
    cJSON_Delete(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(test_orin_environment),
        IN_TREE(test_empty_environment),
        IN_TREE(test_broken_files),
        IN_TREE(test_cgroup_v2),
        IN_TREE(test_cgroup_v1_container),
        IN_TREE(test_virtual_machine_and_gpu),
        cmocka_unit_test(test_warnings_on_cpus),
        cmocka_unit_test(test_difference_warnings),
        cmocka_unit_test(test_gpu_held_back),
        cmocka_unit_test(test_warnings_on_raw_numbers),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_this_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
