/* env.c: puts the sections of the environment together. See env.h. */
#include "harness/env/env.h"

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

static const struct {
    const char *name;
    bool (*collect)(const char *root, cJSON *section);
} sections[] = {
    {"cpu", env_cpu_collect},
    {"cpu", env_frequency_collect},
    {"kernel", env_kernel_collect},
    {"memory", env_memory_collect},
    {"limits", env_limits_collect},
    {"limits", env_cgroup_collect},
    {"load", env_load_collect},
    {"virtualisation", env_virtualisation_collect},
    {"thermal", env_thermal_collect},
    {"gpu", env_gpu_collect},
    {"gpu", env_gpu_clients_collect},
    {"board", env_jetson_collect},
    {"board", env_board_clocks_collect},
};

static bool section_collect(const char *root, cJSON *env, unsigned index)
{
    cJSON *section = json_get(env, sections[index].name);
    if (!section) {
        section = cJSON_CreateObject();
        if (!json_add(env, sections[index].name, section))
            return false;
    }
    if (!sections[index].collect(root, section))
        return false;
    if (!section->child)
        cJSON_DeleteItemFromObjectCaseSensitive(env, sections[index].name);
    return true;
}

enum status env_collect(const char *root, cJSON **env, struct err *err)
{
    cJSON *collected = cJSON_CreateObject();
    if (!collected)
        goto no_memory;
    for (unsigned i = 0; i < ENV_COUNT(sections); i++)
        if (!section_collect(root ? root : "", collected, i))
            goto no_memory;
    *env = collected;
    return ST_OK;

no_memory:
    cJSON_Delete(collected);
    return err_set(err, ST_NO_MEMORY, NULL, "environment: out of memory");
}
