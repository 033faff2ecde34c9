/* names_gpu.c: see names_gpu.h. */
#include "harness/report/names_gpu.h"

#include <stdio.h>
#include <string.h>

#include "harness/report/model.h"

/* How a role waits for its own GPU work: words of their own, since waits have the same names. */
static bool sync_pretty(const char *raw, char *value)
{
    snprintf(value, REPORT_AXIS_BYTES, "GPU sync %.30s", raw);
    return true;
}

static bool fill_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "gpu") != 0)
        return false;
    strcpy(value, "filled by the GPU");
    return true;
}

static bool order_pretty(const char *raw, char *value)
{
    snprintf(value, REPORT_AXIS_BYTES, "ordered by %.30s",
             strcmp(raw, "host") == 0    ? "the CPU"
             : strcmp(raw, "event") == 0 ? "GPU events"
                                         : raw);
    return true;
}

static bool depth_pretty(const char *raw, char *value)
{
    snprintf(value, REPORT_AXIS_BYTES, "depth %.20s", raw);
    return true;
}

static bool register_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "on") == 0)
        strcpy(value, "registered per frame");
    else if (strcmp(raw, "off") == 0)
        strcpy(value, "registered once");
    else
        return false;
    return true;
}

static bool gpu_sharing_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "mps") == 0)
        strcpy(value, "MPS");
    else if (strcmp(raw, "time_sliced") == 0)
        strcpy(value, "time-sliced");
    else
        return false;
    return true;
}

static bool pages_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "thp") == 0)
        strcpy(value, "transparent huge pages");
    else if (strcmp(raw, "hugetlb") == 0)
        strcpy(value, "reserved huge pages");
    else if (strcmp(raw, "normal") == 0)
        strcpy(value, "normal pages");
    else
        return false;
    return true;
}

bool names_gpu_pretty(const char *axis, const char *raw, char *value)
{
    static const struct {
        const char *axis;
        bool (*pretty)(const char *raw, char *value);
    } rules[] = {
        {"fill", fill_pretty},
        {"sync", sync_pretty},
        {"order", order_pretty},
        {"depth", depth_pretty},
        {"register_per_frame", register_pretty},
        {"gpu_sharing", gpu_sharing_pretty},
        {"pages", pages_pretty},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].axis, axis) == 0)
            return rules[i].pretty(raw, value);
    return false;
}
