/* gpu.c: what shows of an NVIDIA GPU without CUDA: the devices on the bus and the driver.
 *
 * Enough to tell "no GPU" from "a GPU nobody used". What the GPU is and can do is asked of
 * CUDA in a process of its own (run/capability.h), whose answer joins this section.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

/* Display controllers (class 0x03…) of vendor 0x10de; other NVIDIA devices are bridges and
 * audio. */
static bool pci_add(const char *root, cJSON *section)
{
    struct env_names names;
    char text[64];
    cJSON *devices = NULL;
    env_list_folder(root, "/sys/bus/pci/devices", "", &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.names[i];
        if (!env_read_text(text, sizeof text, root, "/sys/bus/pci/devices/%s/vendor", name) ||
            strcmp(text, "0x10de") != 0 ||
            !env_read_text(text, sizeof text, root, "/sys/bus/pci/devices/%s/class", name) ||
            strncmp(text, "0x03", 4) != 0 ||
            !env_read_text(text, sizeof text, root, "/sys/bus/pci/devices/%s/device", name))
            continue;
        if (!devices) {
            devices = cJSON_CreateArray();
            if (!json_add(section, "nvidia_pci_devices", devices))
                return false;
        }
        if (!json_append(devices, cJSON_CreateString(text)))
            return false;
    }
    return true;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …": the first word that begins
 * with a digit and holds a dot. */
static bool driver_add(const char *root, cJSON *section)
{
    char text[1024], *rest;
    if (!env_read_text(text, sizeof text, root, "/proc/driver/nvidia/version"))
        return true;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        if (word[0] >= '0' && word[0] <= '9' && strchr(word, '.'))
            return json_add_string(section, "nvidia_driver", word);
    return true;
}

bool env_gpu_collect(const char *root, cJSON *section)
{
    return pci_add(root, section) && driver_add(root, section) &&
           (!(env_exists(root, "/dev/nvidia0") || env_exists(root, "/dev/nvhost-gpu")) ||
            json_add_bool(section, "device_nodes", true));
}
