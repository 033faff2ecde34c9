/* thermal.c: how warm the machine is and what feeds it. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

#define TRIPS_MAX 16
/* Below it a trip point is switched off (0), or the firmware made it up. */
#define TRIP_MILLIDEGREES_MIN 40000

/* Where this zone's cooling begins to take clocks away: its lowest passive, hot or critical trip
 * point. Active ones only turn on a fan. */
static bool trip_add(const char *root, const char *name, cJSON *zone)
{
    char type[ENV_NAME_BYTES];
    int64_t here, lowest = INT64_MAX;
    for (unsigned i = 0; i < TRIPS_MAX; i++) {
        if (!env_read_text(type, sizeof type, root, "/sys/class/thermal/%s/trip_point_%u_type",
                           name, i))
            break;
        if (strcmp(type, "active") != 0 &&
            env_read_i64(&here, root, "/sys/class/thermal/%s/trip_point_%u_temp", name, i) &&
            here >= TRIP_MILLIDEGREES_MIN && here < lowest)
            lowest = here;
    }
    return lowest == INT64_MAX || json_add_i64(zone, "trip_millidegrees_c", lowest);
}

static bool zone_add(const char *root, const char *name, cJSON *zones)
{
    char type[ENV_NAME_BYTES];
    int64_t millidegrees;
    /* A zone that is switched off answers with an error, or below absolute zero. */
    if (!env_read_i64(&millidegrees, root, "/sys/class/thermal/%s/temp", name) ||
        millidegrees < -273150 || millidegrees > 1000000)
        return true;
    cJSON *zone = cJSON_CreateObject();
    if (!json_append(zones, zone) || !json_add_i64(zone, "millidegrees_c", millidegrees) ||
        !trip_add(root, name, zone))
        return false;
    return !env_read_text(type, sizeof type, root, "/sys/class/thermal/%s/type", name) ||
           json_add_string(zone, "type", type);
}

/* False only where a mains supply is described and none is online: a laptop on its battery. */
static bool mains_add(const char *root, cJSON *section)
{
    struct env_names names;
    char type[ENV_NAME_BYTES];
    int64_t online;
    bool found = false, any_online = false;
    env_list_folder(root, "/sys/class/power_supply", "", &names);
    for (size_t i = 0; i < names.count; i++)
        if (env_read_text(type, sizeof type, root, "/sys/class/power_supply/%s/type",
                          names.names[i]) &&
            strcmp(type, "Mains") == 0 &&
            env_read_i64(&online, root, "/sys/class/power_supply/%s/online", names.names[i])) {
            found = true;
            any_online |= online != 0;
        }
    return !found || json_add_bool(section, "mains", any_online);
}

bool env_thermal_collect(const char *root, cJSON *section)
{
    struct env_names names;
    if (!mains_add(root, section))
        return false;
    env_list_folder(root, "/sys/class/thermal", "thermal_zone", &names);
    if (names.count == 0)
        return true;
    cJSON *zones = cJSON_CreateArray();
    if (!json_add(section, "zones", zones))
        return false;
    for (size_t i = 0; i < names.count; i++)
        if (!zone_add(root, names.names[i], zones))
            return false;
    return true;
}
