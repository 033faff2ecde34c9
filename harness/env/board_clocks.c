/* board_clocks.c: the clocks of a Jetson beside its CPUs': the GPU's and the memory's.
 *
 * Where they may move they follow the load, and medians with them. The memory's clock is told to
 * root only.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

#define DEVFREQ_ROOT "/sys/class/devfreq"
#define EMC_ROOT "sys/kernel/debug/bpmp/debug/clk/emc"

/* By the device tree's name: addresses differ from board to board. */
static bool is_gpu(const char *root, const char *name)
{
    static const char *const names[] = {"gv11b", "ga10b", "gb10b", "gpu", "gpu-gpc-0"};
    char text[ENV_NAME_BYTES];
    if (!env_read_text(text, sizeof text, root, DEVFREQ_ROOT "/%s/device/of_node/name", name))
        snprintf(text, sizeof text, "%.60s", name);
    for (size_t i = 0; i < ENV_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

static bool clock_add(const char *root, const char *folder, const struct env_fact *facts,
                      size_t count, const char *member, cJSON *section)
{
    cJSON *clock = cJSON_CreateObject();
    if (!clock || !env_add_facts(clock, root, folder, facts, count)) {
        cJSON_Delete(clock);
        return false;
    }
    if (clock->child)
        return json_add(section, member, clock);
    cJSON_Delete(clock);
    return true;
}

bool env_board_clocks_collect(const char *root, cJSON *section)
{
    static const struct env_fact gpu_facts[] = {
        {"governor", "governor", ENV_FACT_TEXT, 1},
        {"current_hz", "cur_freq", ENV_FACT_WHOLE, 1},
        {"min_hz", "min_freq", ENV_FACT_WHOLE, 1},
        {"max_hz", "max_freq", ENV_FACT_WHOLE, 1},
    };
    static const struct env_fact memory_facts[] = {
        {"current_hz", "rate", ENV_FACT_WHOLE, 1},
        {"min_hz", "min_rate", ENV_FACT_WHOLE, 1},
        {"max_hz", "max_rate", ENV_FACT_WHOLE, 1},
        {"locked", "mrq_rate_locked", ENV_FACT_FLAG, 1},
    };
    struct env_names names;
    char folder[ENV_PATH_BYTES];
    env_list_folder(root, DEVFREQ_ROOT, "", &names);
    for (size_t i = 0; i < names.count; i++) {
        if (!is_gpu(root, names.names[i]) || json_get(section, "gpu_clock"))
            continue;
        snprintf(folder, sizeof folder, DEVFREQ_ROOT "/%s", names.names[i]);
        if (!clock_add(root, folder, gpu_facts, ENV_COUNT(gpu_facts), "gpu_clock", section))
            return false;
    }
    return clock_add(root, "/" EMC_ROOT, memory_facts, ENV_COUNT(memory_facts), "memory_clock",
                     section);
}
