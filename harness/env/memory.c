/* memory.c: how much memory there is, in which pages, and what may be kept of it. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

/* Lines "Name:   123 kB" (or no unit) of /proc/meminfo. */
static bool meminfo_value(const char *meminfo, const char *name, uint64_t *value)
{
    size_t length = strlen(name);
    for (const char *line = meminfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        unsigned long long number;
        char unit[8] = "";
        if (strncmp(line, name, length) != 0 || line[length] != ':' ||
            sscanf(line + length + 1, "%llu %7[^\n]", &number, unit) < 1)
            continue;
        *value = strcmp(unit, "kB") == 0 ? number * 1024 : number;
        return true;
    }
    return false;
}

static bool meminfo_add(const char *root, cJSON *section)
{
    static const struct {
        const char *key, *name;
    } members[] = {
        {"total_bytes", "MemTotal"},
        {"available_bytes", "MemAvailable"},
        {"swap_total_bytes", "SwapTotal"},
        {"huge_page_bytes", "Hugepagesize"},
        {"huge_pages_total", "HugePages_Total"},
        {"huge_pages_free", "HugePages_Free"},
        {"cma_total_bytes", "CmaTotal"},
    };
    char meminfo[8192];
    uint64_t value, swap_free;
    if (!env_read_text(meminfo, sizeof meminfo, root, "/proc/meminfo"))
        return true;
    for (unsigned i = 0; i < ENV_COUNT(members); i++)
        if (meminfo_value(meminfo, members[i].name, &value) &&
            !json_add_u64(section, members[i].key, value))
            return false;
    if (meminfo_value(meminfo, "SwapTotal", &value) &&
        meminfo_value(meminfo, "SwapFree", &swap_free) && swap_free <= value)
        return json_add_u64(section, "swap_used_bytes", value - swap_free);
    return true;
}

/* /dev/shm matters only to transports with names in it, but a container's 64 MB is worth seeing. */
static bool dev_shm_add(const char *root, cJSON *section)
{
    struct statvfs shm;
    if (root[0] != '\0' || statvfs("/dev/shm", &shm) != 0)
        return true;
    return json_add_u64(section, "dev_shm_bytes", (uint64_t)shm.f_blocks * shm.f_frsize) &&
           json_add_u64(section, "dev_shm_free_bytes", (uint64_t)shm.f_bavail * shm.f_frsize);
}

bool env_memory_collect(const char *root, cJSON *section)
{
    static const struct env_fact facts[] = {
        {"transparent_huge_pages", "enabled", ENV_FACT_CHOICE, 1},
        {"transparent_huge_pages_shmem", "shmem_enabled", ENV_FACT_CHOICE, 1},
    };
    return meminfo_add(root, section) && dev_shm_add(root, section) &&
           (root[0] != '\0' ||
            json_add_u64(section, "page_bytes", (uint64_t)sysconf(_SC_PAGESIZE))) &&
           env_add_facts(section, root, "/sys/kernel/mm/transparent_hugepage", facts,
                         ENV_COUNT(facts));
}
