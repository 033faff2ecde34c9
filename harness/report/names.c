/* names.c: axes and their values as people say them. See model.h.
 *
 * An axis that a later version adds keeps the name and the values that the result has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/model.h"
#include "harness/report/names_gpu.h"

/* An axis whose values say by themselves which axis they are of. */
struct axis_name {
    const char *axis;
    const char *title;     /* of a column, where the axis' own name will not do */
    const char *otherwise; /* the value where a scenario names none; NULL: must be named */
    bool speaks;
};

static const struct axis_name axis_names[] = {
    {"transport", "transport", NULL, true},
    {"access", "access", "host", false},
    {"wait", "wait", NULL, true},
    {"kernel", "kernel", "checksum", false},
    {"fill", "fill", "copy", false},
    {"frame", "frame", NULL, true},
    {"pacing", "pacing", NULL, true},
    {"slots", "slots", "4", false},
    {"policy", "policy", "block", false},
    {"placement", "placement", "auto", false},
    {"frame_state", "frame state", "as_left", true},
    {"producer_wait", "producer's wait", "same", true},
    {"phase", "phase", "fixed", true},
    {"scheduling", "scheduling", "other", true},
    {"timer_slack_ns", "timer slack", "as_found", true},
    {"idle_latency", "idle states", "as_found", true},
    {"clocks", "clocks", "as_found", true},
    {"load", "load", "none", true},
    {"sync", "GPU sync", "spin", true},
    {"order", "order", "host", true},
    {"depth", "depth", "1", true},
    {"register_per_frame", "registration", "off", true},
    {"gpu_sharing", "GPU sharing", "time_sliced", true},
    {"pages", "pages", "normal", true},
    {"library_threads", "library's threads", "anywhere", true},
    {"peer", "peers", "c/c", true},
    {"read", "read", "view", false},
    {"gc", "garbage collector", "on", true},
    {"array", "array", "numpy", true},
};

static const struct axis_name *axis_name_find(const char *axis)
{
    for (size_t i = 0; i < sizeof axis_names / sizeof axis_names[0]; i++)
        if (strcmp(axis_names[i].axis, axis) == 0)
            return &axis_names[i];
    return NULL;
}

bool report_axis_speaks(const char *axis)
{
    const struct axis_name *name = axis_name_find(axis);
    return name && name->speaks;
}

const char *report_axis_title(const char *axis)
{
    const struct axis_name *name = axis_name_find(axis);
    return name ? name->title : axis;
}

bool report_axis_is_default(const struct report_cell *cell, const char *axis)
{
    char value[REPORT_AXIS_BYTES];
    const struct axis_name *name = axis_name_find(axis);
    report_axis(cell, axis, value);
    /* A result older than the axis has no value for it: it did what the default does. */
    return name && name->otherwise && (!value[0] || strcmp(value, name->otherwise) == 0);
}

bool report_cell_is_scheduled(const struct report_cell *cell)
{
    return report_axis_is(cell, "pacing", "rate:") || report_axis_is(cell, "pacing", "poisson:");
}

/* "search:500us:30-5000": the bound, in microseconds. */
static bool search_read(const char *raw, double *bound_us)
{
    int used = 0;
    return sscanf(raw, "search:%lfus:%n", bound_us, &used) == 1 && used > 0 && *bound_us > 0 &&
           *bound_us < 1e12;
}

double report_search_high_hz(const struct report_cell *cell)
{
    char raw[REPORT_AXIS_BYTES];
    double high_hz;
    if (sscanf(report_axis(cell, "pacing", raw), "search:%*[^:]:%*[^-]-%lf", &high_hz) != 1)
        return 0;
    return high_hz;
}

bool report_cell_searches(const struct report_cell *cell, double *bound_ns)
{
    char raw[REPORT_AXIS_BYTES];
    double bound_us;
    if (!search_read(report_axis(cell, "pacing", raw), &bound_us))
        return false;
    *bound_ns = bound_us * 1000;
    return true;
}

static void rate_format(double hz, const char *after, char *value)
{
    char count[FIGURE_BYTES];
    if (hz >= 1000 && hz < 1e15)
        snprintf(value, REPORT_AXIS_BYTES, "%.24s frames/s%s", format_count(hz, count), after);
    else
        snprintf(value, REPORT_AXIS_BYTES, "%.6g frames/s%s", hz, after);
}

/* False when the value is none that this version knows. */
static bool pacing_pretty(const char *raw, char *value)
{
    double number;
    int used = 0;
    char bound[FIGURE_BYTES];
    if (sscanf(raw, "rate:%lf%n", &number, &used) == 1 && raw[used] == '\0')
        rate_format(number, "", value);
    else if (sscanf(raw, "poisson:%lf%n", &number, &used) == 1 && raw[used] == '\0')
        rate_format(number, " at random (Poisson)", value);
    else if (search_read(raw, &number))
        snprintf(value, REPORT_AXIS_BYTES, "highest rate with p99 ≤ %.20s",
                 format_bound(number * 1000, bound));
    else if (strcmp(raw, "pingpong") == 0)
        strcpy(value, "ping-pong");
    else if (strcmp(raw, "max") == 0)
        strcpy(value, "maximum rate");
    else
        return false;
    return true;
}

static bool frame_pretty(const char *raw, char *value)
{
    unsigned width, height, channels;
    int used = 0;
    if (sscanf(raw, "%9ux%9ux%9u%n", &width, &height, &channels, &used) != 3 || raw[used])
        return false;
    snprintf(value, REPORT_AXIS_BYTES, "%u×%u×%u", width, height, channels);
    return true;
}

/* "poll:100" and its like: the time belongs to the name. */
static bool wait_pretty(const char *raw, char *value)
{
    char name[24];
    unsigned us;
    int used = 0;
    if (sscanf(raw, "%23[a-z_]:%9u%n", name, &us, &used) != 2 || raw[used])
        return false;
    snprintf(value, REPORT_AXIS_BYTES, "%s %u µs", name, us);
    return true;
}

static bool producer_wait_pretty(const char *raw, char *value)
{
    char wait[REPORT_AXIS_BYTES];
    if (strcmp(raw, "same") == 0)
        strcpy(value, "both wait alike");
    else
        snprintf(value, REPORT_AXIS_BYTES, "producer waits with %.30s",
                 wait_pretty(raw, wait) ? wait : raw);
    return true;
}

static bool phase_pretty(const char *raw, char *value)
{
    snprintf(value, REPORT_AXIS_BYTES, "%.30s phase", raw);
    return true;
}

static bool scheduling_pretty(const char *raw, char *value)
{
    unsigned priority;
    int used = 0;
    if (strcmp(raw, "other") == 0)
        strcpy(value, "normal scheduling");
    else if (sscanf(raw, "fifo:%9u%n", &priority, &used) == 1 && raw[used] == '\0')
        snprintf(value, REPORT_AXIS_BYTES, "real-time priority %u", priority);
    else
        return false;
    return true;
}

static bool frame_state_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "as_left") == 0)
        strcpy(value, "frame as left in the caches");
    else if (strcmp(raw, "cached") == 0)
        strcpy(value, "frame in the caches");
    else if (strcmp(raw, "evicted") == 0)
        strcpy(value, "frame flushed from the caches");
    else
        return false;
    return true;
}

static bool timer_slack_pretty(const char *raw, char *value)
{
    char *end, time[FIGURE_BYTES];
    double ns = strtod(raw, &end);
    if (strcmp(raw, "as_found") == 0)
        strcpy(value, "timer slack as found");
    else if (end != raw && *end == '\0' && ns >= 0 && ns < 1e12)
        snprintf(value, REPORT_AXIS_BYTES, "timer slack %.20s", format_bound(ns, time));
    else
        return false;
    return true;
}

static bool idle_latency_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "held") == 0)
        strcpy(value, "idle states held off");
    else if (strcmp(raw, "as_found") == 0)
        strcpy(value, "idle states as found");
    else
        return false;
    return true;
}

static bool clocks_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "locked") == 0)
        strcpy(value, "CPU clocks locked");
    else if (strcmp(raw, "as_found") == 0)
        strcpy(value, "CPU clocks as found");
    else
        return false;
    return true;
}

static bool load_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "cpu") == 0)
        strcpy(value, "CPU load beside");
    else if (strcmp(raw, "membw") == 0)
        strcpy(value, "memory load beside");
    else if (strcmp(raw, "none") == 0)
        strcpy(value, "no load beside");
    else
        return false;
    return true;
}

static bool peer_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "c/c") == 0)
        strcpy(value, "C to C");
    else if (strcmp(raw, "c/python") == 0)
        strcpy(value, "C to Python");
    else if (strcmp(raw, "python/c") == 0)
        strcpy(value, "Python to C");
    else if (strcmp(raw, "python/python") == 0)
        strcpy(value, "Python to Python");
    else
        return false;
    return true;
}

static bool gc_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "on") == 0)
        strcpy(value, "garbage collector on");
    else if (strcmp(raw, "off") == 0)
        strcpy(value, "garbage collector off");
    else
        return false;
    return true;
}

/* The names under which their users know them. */
static bool array_pretty(const char *raw, char *value)
{
    if (strcmp(raw, "cupy") == 0)
        strcpy(value, "CuPy");
    else if (strcmp(raw, "torch") == 0)
        strcpy(value, "PyTorch");
    else if (strcmp(raw, "numpy") == 0)
        strcpy(value, "NumPy");
    else
        return false;
    return true;
}

bool report_consumer_is_python(const struct report_cell *cell)
{
    return report_axis_is(cell, "peer", "c/python") ||
           report_axis_is(cell, "peer", "python/python");
}

const char *report_axis_pretty(const struct report_cell *cell, const char *axis, char *value)
{
    static const struct {
        const char *axis;
        bool (*pretty)(const char *raw, char *value);
    } rules[] = {
        {"pacing", pacing_pretty},
        {"frame", frame_pretty},
        {"wait", wait_pretty},
        {"producer_wait", producer_wait_pretty},
        {"phase", phase_pretty},
        {"scheduling", scheduling_pretty},
        {"idle_latency", idle_latency_pretty},
        {"clocks", clocks_pretty},
        {"timer_slack_ns", timer_slack_pretty},
        {"frame_state", frame_state_pretty},
        {"load", load_pretty},
        {"peer", peer_pretty},
        {"gc", gc_pretty},
        {"array", array_pretty},
    };
    char raw[REPORT_AXIS_BYTES];
    report_axis(cell, axis, raw);
    if (strcmp(axis, "array") == 0 && raw[0] && !report_consumer_is_python(cell))
        return strcpy(value, "C"); /* it has no array: beside those that do */
    for (size_t i = 0; raw[0] && i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].axis, axis) == 0 && rules[i].pretty(raw, value))
            return value;
    if (raw[0] && names_gpu_pretty(axis, raw, value))
        return value;
    snprintf(value, REPORT_AXIS_BYTES, "%s", raw);
    return value;
}
