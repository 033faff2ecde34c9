/* figures.c: what a cell of a result says, as figures and as text. See model.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/model.h"

static const struct figure figure_absent = {FIGURE_ABSENT, NAN, NAN, NAN, SPREAD_NONE, 0};

/* A number, "inf" or nothing. */
static enum figure_state value_read(const cJSON *object, const char *name, double *value)
{
    const cJSON *json = json_get(object, name);
    if (cJSON_IsNumber(json) && isfinite(json->valuedouble)) {
        *value = json->valuedouble;
        return FIGURE_KNOWN;
    }
    if (cJSON_IsString(json) && strcmp(json->valuestring, "inf") == 0) {
        *value = INFINITY;
        return FIGURE_INFINITE;
    }
    *value = NAN;
    return FIGURE_ABSENT;
}

/* {"value": …, "low": …, "high": …, "spread": …, "launches": …}, with "_ns" after the first three
 * where `suffix` says so. */
static struct figure figure_read(const cJSON *json, const char *suffix)
{
    struct figure figure = figure_absent;
    char name[16];
    snprintf(name, sizeof name, "value%s", suffix);
    figure.state = value_read(json, name, &figure.value);
    snprintf(name, sizeof name, "low%s", suffix);
    value_read(json, name, &figure.low);
    snprintf(name, sizeof name, "high%s", suffix);
    value_read(json, name, &figure.high);
    const char *spread = json_get_string(json, "spread", "");
    figure.spread = strcmp(spread, "ci95") == 0    ? SPREAD_CI95
                    : strcmp(spread, "range") == 0 ? SPREAD_RANGE
                                                   : SPREAD_NONE;
    int64_t launches;
    if (json_whole(json_get(json, "launches"), 0, 1000000, &launches))
        figure.launches = (int)launches;
    return figure;
}

static const cJSON *interval_get(const struct report_cell *cell, const char *interval)
{
    return json_get(json_get(cell->json, "intervals"), interval);
}

struct figure report_quantile(const struct report_cell *cell, const char *interval,
                              const char *quantile)
{
    return figure_read(json_get(json_get(interval_get(cell, interval), "quantiles"), quantile),
                       "_ns");
}

struct figure report_max(const struct report_cell *cell, const char *interval)
{
    struct figure figure = figure_absent;
    const cJSON *json = interval_get(cell, interval);
    if (json_get_number(json, "count", 0) + json_get_number(json, "infinite", 0) <= 0)
        return figure;
    if (json_get_number(json, "infinite", 0) > 0)
        figure.state = FIGURE_INFINITE;
    else
        figure.state = value_read(json, "max_ns", &figure.value);
    return figure;
}

struct figure report_throughput(const struct report_cell *cell, const char *name)
{
    return figure_read(json_get(json_get(cell->json, "throughput"), name), "");
}

struct figure report_cpu_percent(const struct report_cell *cell, const char *role)
{
    return figure_read(json_get(json_get(json_get(cell->json, "cpu"), role), "percent"), "");
}

struct figure report_cpu_net(const struct report_cell *cell)
{
    return figure_read(
        json_get(json_get(json_get(cell->json, "cpu"), "system_less_null"), "percent"), "");
}

struct figure report_cpu_both(const struct report_cell *cell)
{
    struct figure producer = report_cpu_percent(cell, "producer");
    struct figure consumer = report_cpu_percent(cell, "consumer");
    struct figure both = figure_absent;
    if (producer.state == FIGURE_KNOWN && consumer.state == FIGURE_KNOWN) {
        both.state = FIGURE_KNOWN;
        both.value = producer.value + consumer.value;
        both.launches = producer.launches;
    }
    return both;
}

double report_floor_ns(const struct report_cell *cell, const char *interval)
{
    char name[32];
    snprintf(name, sizeof name, "%.24s_ns", interval);
    double ns = json_get_number(json_get(cell->json, "floor"), name, 0);
    return isfinite(ns) && ns > 0 ? ns : 0;
}

/* A copy into device memory, or out of registered memory, needs no turn: the copy engines work beside
 * the other process's kernels. */
bool report_cell_takes_turns(const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    const bool kernel_on_gpu =
        report_axis(cell, "access", value)[0] && !report_axis_is_default(cell, "access");
    return cell->ok && kernel_on_gpu && report_axis_is(cell, "fill", "gpu") &&
           !report_axis_is(cell, "gpu_sharing", "mps");
}

double report_floor_multiple(const struct report_cell *cell, const char *interval)
{
    if (strcmp(interval, "latency") == 0 && report_cell_takes_turns(cell))
        return 0;
    double floor_ns = report_floor_ns(cell, interval);
    struct figure median = report_quantile(cell, interval, "p50");
    if (floor_ns <= 0 || median.state != FIGURE_KNOWN || median.value <= 0)
        return 0;
    double multiple = median.value / floor_ns;
    return isfinite(multiple) ? multiple : 0;
}

const char *report_histogram(const cJSON *cell_or_launch, const char *interval, double *infinite)
{
    const cJSON *json = json_get(json_get(cell_or_launch, "intervals"), interval);
    const char *text = json_get_string(json, "histogram", "");
    *infinite = fmax(0, json_get_number(json, "infinite", 0));
    return text[0] ? text : NULL;
}

const char *report_axis(const struct report_cell *cell, const char *axis, char *value)
{
    const cJSON *json = json_get(json_get(cell->json, "axes"), axis);
    if (cJSON_IsString(json))
        snprintf(value, REPORT_AXIS_BYTES, "%s", json->valuestring);
    else if (cJSON_IsNumber(json))
        snprintf(value, REPORT_AXIS_BYTES, "%.12g", json->valuedouble);
    else if (cJSON_IsBool(json))
        snprintf(value, REPORT_AXIS_BYTES, "%s", cJSON_IsTrue(json) ? "yes" : "no");
    else
        value[0] = '\0';
    return value;
}

bool report_axis_is(const struct report_cell *cell, const char *axis, const char *prefix)
{
    char value[REPORT_AXIS_BYTES];
    return strncmp(report_axis(cell, axis, value), prefix, strlen(prefix)) == 0;
}

static const char *const integrity_errors[] = {"torn", "lost", "repeated", "reordered"};
#define INTEGRITY_ERRORS (sizeof integrity_errors / sizeof integrity_errors[0])

double report_integrity_errors(const struct report_cell *cell)
{
    const cJSON *json = json_get(cell->json, "integrity");
    if (!cJSON_IsObject(json))
        return -1;
    double errors = 0;
    for (size_t i = 0; i < INTEGRITY_ERRORS; i++)
        errors += fmax(0, json_get_number(json, integrity_errors[i], 0));
    return errors;
}

void report_integrity_text(const struct report_cell *cell, struct text *text)
{
    const cJSON *json = json_get(cell->json, "integrity");
    char count[FIGURE_BYTES];
    double errors = report_integrity_errors(cell);
    double checked = json_get_number(json, "checked", 0);
    bool none = strcmp(json_get_string(json, "method", ""), "none") == 0;
    if (errors < 0 || (none && errors <= 0)) {
        text_add(text, "—");
    } else if (errors > 0) {
        const char *comma = "";
        for (size_t i = 0; i < INTEGRITY_ERRORS; i++) {
            double value = json_get_number(json, integrity_errors[i], 0);
            if (value > 0) {
                text_addf(text, "%s%s %s", comma, format_count(value, count), integrity_errors[i]);
                comma = ", ";
            }
        }
    } else if (checked > 0) {
        text_add(text, "ok");
    } else {
        text_add(text, "not checked");
    }
}
