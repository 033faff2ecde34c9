/* python_report.c: see python_report.h. */
#include "harness/run/python_report.h"

#include <stdio.h>

#include "harness/base/json.h"

struct python_text {
    const char *name;
    char *text;
    size_t size;
};

static uint64_t python_read_count(const cJSON *json, const char *name)
{
    int64_t value;
    return json_whole(json_get(json, name), 0, INT64_C(1) << 53, &value) ? (uint64_t)value : 0;
}

void python_report_read(const cJSON *finished, struct role_python_report *report)
{
    struct role_python_report got = {.used = true};
    const cJSON *python = json_get(finished, "python"), *detector = json_get(finished, "detector");
    const struct python_text texts[] = {{"version", got.version, sizeof got.version},
                                        {"numpy", got.numpy, sizeof got.numpy},
                                        {"pyzmq", got.pyzmq, sizeof got.pyzmq},
                                        {"cupy", got.cupy, sizeof got.cupy},
                                        {"torch", got.torch, sizeof got.torch}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        snprintf(texts[i].text, texts[i].size, "%s", json_get_string(python, texts[i].name, ""));
    got.clock_cost_ns = python_read_count(finished, "clock_cost_ns");
    got.rss_begin_bytes = python_read_count(finished, "rss_begin_bytes");
    got.rss_end_bytes = python_read_count(finished, "rss_end_bytes");
    got.alone_p50_ns = python_read_count(detector, "alone_p50_ns");
    got.alone_min_ns = python_read_count(detector, "alone_min_ns");
    got.alone_max_ns = python_read_count(detector, "alone_max_ns");
    got.alone_count = python_read_count(detector, "alone_count");
    *report = got;
}

static bool python_add_text(cJSON *json, const char *name, const char *text)
{
    return !text[0] || json_add_string(json, name, text);
}

static bool python_add_count(cJSON *json, const char *name, uint64_t count)
{
    return count == 0 || json_add_u64(json, name, count);
}

bool python_report_add(cJSON *python, const char *role, const struct role_python_report *report)
{
    cJSON *json;
    if (!report->used)
        return true;
    json = cJSON_AddObjectToObject(python, role);
    if (!json || !python_add_text(json, "version", report->version) ||
        !python_add_text(json, "numpy", report->numpy) ||
        !python_add_text(json, "pyzmq", report->pyzmq) ||
        !python_add_text(json, "cupy", report->cupy) ||
        !python_add_text(json, "torch", report->torch) ||
        !python_add_count(json, "clock_cost_ns", report->clock_cost_ns) ||
        !python_add_count(json, "rss_begin_bytes", report->rss_begin_bytes) ||
        !python_add_count(json, "rss_end_bytes", report->rss_end_bytes))
        return false;
    cJSON *detector = report->alone_count ? cJSON_AddObjectToObject(json, "detector") : NULL;
    return report->alone_count == 0 ||
           (detector && json_add_u64(detector, "alone_p50_ns", report->alone_p50_ns) &&
            python_add_count(detector, "alone_min_ns", report->alone_min_ns) &&
            python_add_count(detector, "alone_max_ns", report->alone_max_ns) &&
            json_add_u64(detector, "alone_count", report->alone_count));
}
