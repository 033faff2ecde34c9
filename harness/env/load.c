/* load.c: what else the machine is doing: load average, busy and stolen time, pressure.
 *
 * A load average takes minutes to forget the build that preceded a run, so the share of time that
 * the CPUs are busy just now is measured beside it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

#define BUSY_WINDOW_MS 200

/* Ticks since boot, over all CPUs. */
struct cpu_ticks {
    unsigned long long total, idle, steal;
};

static bool ticks_read(const char *root, struct cpu_ticks *ticks)
{
    char text[512];
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal = 0;
    if (!env_read_text(text, sizeof text, root, "/proc/stat") ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &iowait, &irq, &softirq, &steal) < 7)
        return false;
    *ticks = (struct cpu_ticks){
        .total = user + nice + system + idle + iowait + irq + softirq + steal,
        .idle = idle + iowait,
        .steal = steal,
    };
    return true;
}

static bool busy_add(const char *root, cJSON *section)
{
    struct cpu_ticks first, second;
    if (!ticks_read(root, &first))
        return true;
    if (root[0] == '\0') {
        struct timespec window = {.tv_nsec = env_watch_ms(BUSY_WINDOW_MS) * 1000000L};
        nanosleep(&window, NULL);
    }
    if (!ticks_read(root, &second))
        return true;
    long per_second = sysconf(_SC_CLK_TCK);
    unsigned long long ms = 1000u / (unsigned long long)(per_second > 0 ? per_second : 100);
    if (second.total > first.total && second.idle >= first.idle) {
        double idle = (double)(second.idle - first.idle) / (double)(second.total - first.total);
        if (!json_add_double(section, "busy_percent", idle < 1.0 ? 100.0 * (1.0 - idle) : 0.0))
            return false;
    }
    return json_add_u64(section, "cpu_time_ms", second.total * ms) &&
           json_add_u64(section, "steal_ms", second.steal * ms);
}

static bool average_add(const char *root, cJSON *section)
{
    char text[128];
    double one, five;
    return !env_read_text(text, sizeof text, root, "/proc/loadavg") ||
           sscanf(text, "%lf %lf", &one, &five) != 2 ||
           (json_add_double(section, "average_1min", one) &&
            json_add_double(section, "average_5min", five));
}

/* The share of the last ten seconds in which something waited for the resource. */
static bool pressure_add(const char *root, cJSON *section)
{
    static const struct {
        const char *key, *file;
    } resources[] = {{"cpu_pressure_percent", "cpu"},
                     {"memory_pressure_percent", "memory"},
                     {"io_pressure_percent", "io"}};
    char text[256];
    double percent;
    for (unsigned i = 0; i < ENV_COUNT(resources); i++)
        if (env_read_text(text, sizeof text, root, "/proc/pressure/%s", resources[i].file) &&
            sscanf(text, "some avg10=%lf", &percent) == 1 &&
            !json_add_double(section, resources[i].key, percent))
            return false;
    return true;
}

bool env_load_collect(const char *root, cJSON *section)
{
    return average_add(root, section) && pressure_add(root, section) && busy_add(root, section);
}
