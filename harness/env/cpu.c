/* cpu.c: which processor this is: model, clusters, SMT, isolation, throttling counters. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"
#include "harness/env/topology.h"

#define CPU_ROOT "/sys/devices/system/cpu"

/* The cores of machines that handoff is for; /proc/cpuinfo on aarch64 gives only numbers. */
static const struct {
    unsigned implementer, part;
    const char *name;
} arm_parts[] = {
    {0x41, 0xd03, "ARM Cortex-A53"},   {0x41, 0xd07, "ARM Cortex-A57"},
    {0x41, 0xd08, "ARM Cortex-A72"},   {0x41, 0xd0b, "ARM Cortex-A76"},
    {0x41, 0xd0c, "ARM Neoverse-N1"},  {0x41, 0xd40, "ARM Neoverse-V1"},
    {0x41, 0xd42, "ARM Cortex-A78AE"}, {0x41, 0xd49, "ARM Neoverse-N2"},
    {0x41, 0xd4f, "ARM Neoverse-V2"},  {0x41, 0xd83, "ARM Neoverse-V3AE"},
    {0x41, 0xd85, "ARM Cortex-X925"},  {0x41, 0xd87, "ARM Cortex-A725"},
    {0x4e, 0x003, "NVIDIA Denver 2"},  {0x4e, 0x004, "NVIDIA Carmel"},
    {0x61, 0x022, "Apple Icestorm"},   {0x61, 0x023, "Apple Firestorm"},
};

/* The value of the first "key : value" line; false without one. */
static bool cpuinfo_value(const char *cpuinfo, const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key);
    for (const char *line = cpuinfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_length) != 0)
            continue;
        const char *rest = line + key_length + strspn(line + key_length, " \t");
        if (*rest++ != ':')
            continue;
        rest += strspn(rest, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(rest, "\n"), rest);
        return value[0] != '\0';
    }
    return false;
}

static bool model_add(const char *cpuinfo, cJSON *section)
{
    char text[256], part_text[32];
    if (cpuinfo_value(cpuinfo, "CPU implementer", text, sizeof text) &&
        cpuinfo_value(cpuinfo, "CPU part", part_text, sizeof part_text)) {
        unsigned long implementer = strtoul(text, NULL, 16), part = strtoul(part_text, NULL, 16);
        for (unsigned i = 0; i < ENV_COUNT(arm_parts); i++)
            if (arm_parts[i].implementer == implementer && arm_parts[i].part == part)
                return json_add_string(section, "model", arm_parts[i].name);
        snprintf(text, sizeof text, "ARM implementer 0x%02lx part 0x%03lx", implementer, part);
        return json_add_string(section, "model", text);
    }
    return !cpuinfo_value(cpuinfo, "model name", text, sizeof text) ||
           json_add_string(section, "model", text);
}

static cJSON *cluster_make(const struct topology *topology, uint32_t cluster)
{
    uint32_t cpus[TOPOLOGY_CPUS_MAX], count = 0, capacity = 0;
    char list[1024];
    for (uint32_t i = 0; i < topology->count; i++)
        if (topology->cpus[i].cluster == cluster) {
            cpus[count++] = topology->cpus[i].cpu;
            capacity = topology->cpus[i].capacity;
        }
    cJSON *object = cJSON_CreateObject();
    if (!object ||
        !json_add_string(object, "cpus", env_cpu_list_format(cpus, count, list, sizeof list)) ||
        (capacity > 0 && !json_add_u64(object, "capacity", capacity))) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static bool topology_add(const char *root, cJSON *section)
{
    struct topology topology;
    uint32_t cpus[TOPOLOGY_CPUS_MAX], cores = 0;
    char text[2048];
    if (!env_read_text(text, sizeof text, root, CPU_ROOT "/online"))
        return true;
    uint32_t count = env_cpu_list_parse(text, cpus, TOPOLOGY_CPUS_MAX);
    if (count == 0 || topology_read_from(root, cpus, count, &topology, NULL) != ST_OK)
        return true;
    for (uint32_t i = 0; i < count; i++)
        cores += topology.cpus[i].core == topology.cpus[i].cpu;
    if (!json_add_u64(section, "cpu_count", count) || !json_add_u64(section, "core_count", cores) ||
        !json_add_string(section, "online", text) ||
        !json_add_string(section, "clusters_from", topology_origin_name(topology.origin)))
        return false;
    cJSON *clusters = cJSON_CreateArray();
    if (!json_add(section, "clusters", clusters))
        return false;
    for (uint32_t i = 0; i < topology.cluster_count; i++)
        if (!json_append(clusters, cluster_make(&topology, i)))
            return false;
    return true;
}

/* How often heat or power made the processor slow down since boot. Each CPU of a package counts the
 * package's events anew, so the package count is the largest seen. */
static bool throttling_add(const char *root, cJSON *section)
{
    struct env_names names;
    int64_t value, core_sum = 0, package_max = 0;
    bool found = false;
    env_list_folder(root, CPU_ROOT, "cpu", &names);
    for (size_t i = 0; i < names.count; i++) {
        if (!isdigit((unsigned char)names.names[i][3]))
            continue;
        if (env_read_i64(&value, root, CPU_ROOT "/%s/thermal_throttle/core_throttle_count",
                         names.names[i])) {
            core_sum += value;
            found = true;
        }
        if (env_read_i64(&value, root, CPU_ROOT "/%s/thermal_throttle/package_throttle_count",
                         names.names[i]) &&
            value > package_max)
            package_max = value;
    }
    return !found || (json_add_i64(section, "core_throttle_count", core_sum) &&
                      json_add_i64(section, "package_throttle_count", package_max));
}

/* CPUs that this process may use; a fact of the process, so only of this machine. */
static bool allowed_add(const char *root, cJSON *section)
{
    struct topology topology;
    uint32_t cpus[TOPOLOGY_CPUS_MAX];
    char list[2048];
    if (root[0] != '\0' || topology_read(&topology, NULL) != ST_OK)
        return true;
    for (uint32_t i = 0; i < topology.count; i++)
        cpus[i] = topology.cpus[i].cpu;
    env_cpu_list_format(cpus, topology.count, list, sizeof list);
    return json_add_string(section, "allowed", list) &&
           json_add_u64(section, "allowed_count", topology.count);
}

bool env_cpu_collect(const char *root, cJSON *section)
{
    static const struct env_fact facts[] = {
        {"smt_active", "smt/active", ENV_FACT_FLAG, 1},
        {"isolated", "isolated", ENV_FACT_TEXT, 1},
        {"nohz_full", "nohz_full", ENV_FACT_TEXT, 1},
        {"intel_pstate_status", "intel_pstate/status", ENV_FACT_TEXT, 1},
        {"intel_pstate_no_turbo", "intel_pstate/no_turbo", ENV_FACT_FLAG, 1},
        {"boost", "cpufreq/boost", ENV_FACT_FLAG, 1},
    };
    char cpuinfo[8192];
    struct utsname name;
    env_read_text(cpuinfo, sizeof cpuinfo, root, "/proc/cpuinfo");
    if (root[0] == '\0' && uname(&name) == 0 &&
        !json_add_string(section, "architecture", name.machine))
        return false;
    return model_add(cpuinfo, section) && topology_add(root, section) &&
           allowed_add(root, section) &&
           env_add_facts(section, root, CPU_ROOT, facts, ENV_COUNT(facts)) &&
           throttling_add(root, section);
}
