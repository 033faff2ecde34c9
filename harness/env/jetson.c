/* jetson.c: which Jetson this is, which L4T it runs, what its rails draw.
 *
 * Any of these files may be missing in a container. The board's model is recorded on other device
 * tree machines, too: it is what a reader knows the machine by.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

#define I2C_ROOT "/sys/bus/i2c/devices"
#define INA3221_CHANNELS 3

/* "# R35 (release), REVISION: 4.1, GCID: …" becomes "35.4.1". */
static bool l4t_add(const char *root, cJSON *section)
{
    char text[512], revision[16], release[32];
    unsigned major;
    if (!env_read_text(text, sizeof text, root, "/etc/nv_tegra_release") ||
        sscanf(text, "# R%u (release), REVISION: %15[0-9.]", &major, revision) != 2)
        return true;
    snprintf(release, sizeof release, "%u.%s", major, revision);
    return json_add_string(section, "l4t", release);
}

/* One channel of a power monitor: millivolts and milliamperes make microwatts. */
static bool rail_add(const char *root, const char *folder, unsigned channel, cJSON *rails)
{
    char label[ENV_NAME_BYTES];
    int64_t millivolts, milliamperes;
    if (!env_read_text(label, sizeof label, root, "%s/in%u_label", folder, channel) ||
        strcmp(label, "NC") == 0 ||
        !env_read_i64(&millivolts, root, "%s/in%u_input", folder, channel) ||
        !env_read_i64(&milliamperes, root, "%s/curr%u_input", folder, channel))
        return true;
    cJSON *rail = cJSON_CreateObject();
    return json_append(rails, rail) && json_add_string(rail, "name", label) &&
           json_add_i64(rail, "microwatts", millivolts * milliamperes);
}

/* All monitors named ina3221, wherever the bus put them. */
static bool rails_add(const char *root, cJSON *section)
{
    struct env_names devices, monitors;
    char text[ENV_NAME_BYTES], folder[ENV_PATH_BYTES];
    cJSON *rails = NULL;
    env_list_folder(root, I2C_ROOT, "", &devices);
    for (size_t i = 0; i < devices.count; i++) {
        if (!env_read_text(text, sizeof text, root, I2C_ROOT "/%s/name", devices.names[i]) ||
            strcmp(text, "ina3221") != 0)
            continue;
        snprintf(folder, sizeof folder, I2C_ROOT "/%s/hwmon", devices.names[i]);
        env_list_folder(root, folder, "hwmon", &monitors);
        for (size_t j = 0; j < monitors.count; j++) {
            snprintf(folder, sizeof folder, I2C_ROOT "/%s/hwmon/%s", devices.names[i],
                     monitors.names[j]);
            if (!rails) {
                rails = cJSON_CreateArray();
                if (!json_add(section, "rails", rails))
                    return false;
            }
            for (unsigned channel = 1; channel <= INA3221_CHANNELS; channel++)
                if (!rail_add(root, folder, channel, rails))
                    return false;
        }
    }
    return true;
}

/* How often the over-current protection slowed the chip down since boot. */
static bool overcurrent_add(const char *root, cJSON *section)
{
    struct env_names monitors, files;
    char folder[ENV_PATH_BYTES];
    int64_t value, sum = 0;
    bool found = false;
    env_list_folder(root, "/sys/class/hwmon", "hwmon", &monitors);
    for (size_t i = 0; i < monitors.count; i++) {
        snprintf(folder, sizeof folder, "/sys/class/hwmon/%s", monitors.names[i]);
        env_list_folder(root, folder, "oc", &files);
        for (size_t j = 0; j < files.count; j++)
            if (strstr(files.names[j], "_event_cnt") &&
                env_read_i64(&value, root, "%s/%s", folder, files.names[j])) {
                sum += value;
                found = true;
            }
    }
    return !found || json_add_i64(section, "overcurrent_events", sum);
}

bool env_jetson_collect(const char *root, cJSON *section)
{
    static const struct env_fact facts[] = {
        {"model", "proc/device-tree/model", ENV_FACT_TEXT, 1},
        {"compatible", "proc/device-tree/compatible", ENV_FACT_TEXT, 1},
        {"power_mode", "var/lib/nvpmodel/status", ENV_FACT_TEXT, 1},
    };
    return env_add_facts(section, root, "", facts, ENV_COUNT(facts)) && l4t_add(root, section) &&
           rails_add(root, section) && overcurrent_add(root, section);
}
