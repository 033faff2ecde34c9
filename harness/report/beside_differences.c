/* beside_differences.c: in what the results that stand beside one another were not made alike, and
 * what that makes of their comparison. See beside.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/beside_parts.h"

/* A value is cut to these: it stands in a table. */
#define VALUE_BYTES_MAX 160
static const char value_unknown[] = "not known";

/* What is looked at: members from the result's top, with a dot between two. One that is a list of
 * objects gives the distinct values of the member that follows. */
static const struct watched {
    const char *what;
    const char *path;
    const char *means;
    enum beside_weight weight;
} watched[] = {
    {"board", "environment.before.board.model", "ratios are those of the boards", BESIDE_MACHINE},
    {"CPU model", "environment.before.cpu.model", "ratios are those of the processors",
     BESIDE_MACHINE},
    {"CPUs", "environment.before.cpu.cpu_count", "ratios are those of the machines",
     BESIDE_MACHINE},
    {"architecture", "environment.before.cpu.architecture", "ratios are those of the processors",
     BESIDE_MACHINE},
    {"GPU", "environment.before.gpu.name", "where a GPU is used, ratios are those of the GPUs",
     BESIDE_MACHINE},
    {"virtual machine", "environment.before.virtualisation.virtual",
     "a hypervisor takes time of its own, and delays interrupts and wake-ups", BESIDE_MACHINE},
    {"hypervisor", "environment.before.virtualisation.hypervisor",
     "a hypervisor takes time of its own, and delays interrupts and wake-ups", BESIDE_MACHINE},
    {"CPUs allowed", "environment.before.cpu.allowed_count",
     "with fewer CPUs, roles and the rest of the system share more of them", BESIDE_MATTERS},
    {"governor", "environment.before.cpu.frequency.governor",
     "the governor sets the clocks: it alone may make any figure better or worse", BESIDE_MATTERS},
    {"highest clock", "environment.before.cpu.frequency.max_khz",
     "times of what the processor does go with its clock", BESIDE_MATTERS},
    {"lowest clock", "environment.before.cpu.frequency.min_khz",
     "a processor that may slow down does so in the waits between frames", BESIDE_MATTERS},
    {"SMT", "environment.before.cpu.smt_active",
     "threads of one core share its units: busy neighbours slow a role down", BESIDE_MATTERS},
    {"CPU limit", "environment.before.limits.cgroup_cpus",
     "who uses up a control group's time stands still for the rest of its period", BESIDE_MATTERS},
    {"kernel", "environment.before.kernel.release",
     "waking, sockets and page handling are the kernel's: their figures may be its difference",
     BESIDE_MATTERS},
    {"boot parameters", "environment.before.kernel.boot_parameters",
     "isolation, idle states and mitigations are set there, and move wake-ups and system calls",
     BESIDE_MATTERS},
    {"clocksource", "environment.before.kernel.clocksource",
     "what a reading of the clock costs is in every figure", BESIDE_MATTERS},
    {"clock", "run.clock.name", "what a reading of the clock costs is in every figure",
     BESIDE_MATTERS},
    {"transparent huge pages", "environment.before.memory.transparent_huge_pages",
     "copies of large frames are quicker in huge pages", BESIDE_MATTERS},
    {"huge pages of shared memory", "environment.before.memory.transparent_huge_pages_shmem",
     "copies of large frames are quicker in huge pages", BESIDE_MATTERS},
    {"timer slack", "environment.before.limits.timer_slack_ns",
     "sleeps end later by up to the slack", BESIDE_MATTERS},
    {"mains", "environment.before.thermal.mains", "on battery, clocks are held back",
     BESIDE_MATTERS},
    {"L4T", "environment.before.board.l4t", "kernel, driver and clocks come with it",
     BESIDE_MATTERS},
    {"NVIDIA driver", "environment.before.gpu.nvidia_driver",
     "launching kernels and copying are the driver's: their figures may be its difference",
     BESIDE_MATTERS},
    {"CUDA driver", "environment.before.gpu.cuda_driver",
     "launching kernels and copying are the driver's: their figures may be its difference",
     BESIDE_MATTERS},
    {"CUDA runtime", "environment.before.gpu.cuda_runtime",
     "launching kernels and copying go through it", BESIDE_MATTERS},
    {"highest GPU clock", "environment.before.gpu.sm_clock_max_hz",
     "times of what the GPU does go with its clock", BESIDE_MATTERS},
    {"build type", "tool.build_type", "a build that is not optimised is slower by itself",
     BESIDE_MATTERS},
    {"compiler", "tool.compiler",
     "copies and kernels on the CPU are what the compiler made of them", BESIDE_MATTERS},
    {"container", "environment.before.virtualisation.container",
     "a container may limit CPUs, memory and what may be locked", BESIDE_NOTED},
    {"version", "tool.version", "this may be what is being compared", BESIDE_NOTED},
    {"commit", "tool.commit", "this may be what is being compared", BESIDE_NOTED},
    {"scenario", "scenario.name",
     "cells of one id are alike, but what ran between their launches is not", BESIDE_NOTED},
};
#define WATCHED_COUNT (sizeof watched / sizeof watched[0])
#define COUNTED_MAX 2 /* frames and launches, which are the cells' */
#define LOAD_MAX 1
/* What others used of the CPUs is never twice the same: so many per cent apart it is named. */
#define LOAD_APART_PERCENT 10.0

/* ---- Values ---------------------------------------------------------------------------------- */

/* Adds `value` to a list of distinct ones, "a, b". */
static void value_add(char *list, const char *value)
{
    char found[VALUE_BYTES_MAX + 8], in[VALUE_BYTES_MAX + 8];
    const size_t used = strlen(list);
    snprintf(found, sizeof found, ", %s,", value);
    snprintf(in, sizeof in, ", %s,", list);
    if (!value[0] || strstr(in, found) || used + strlen(value) + 3 > VALUE_BYTES_MAX)
        return;
    snprintf(list + used, VALUE_BYTES_MAX - used, "%s%s", used ? ", " : "", value);
}

/* The whole characters of `text` that fit, and "…" where some did not. */
static void text_cut(const char *text, char *cut, size_t size)
{
    const size_t room = size - sizeof "…";
    size_t used = 0;
    for (size_t bytes; text[used] && used < room; used += bytes) {
        bytes = text_character_bytes(text + used);
        bytes = bytes ? bytes : 1;
        if (used + bytes > room)
            break;
        memcpy(cut + used, text + used, bytes);
    }
    strcpy(cut + used, text[used] ? "…" : "");
}

static void json_value_add(const cJSON *json, char *list)
{
    char value[VALUE_BYTES_MAX / 2] = "";
    if (cJSON_IsString(json))
        text_cut(json->valuestring, value, sizeof value);
    else if (cJSON_IsBool(json))
        strcpy(value, cJSON_IsTrue(json) ? "yes" : "no");
    else if (cJSON_IsNumber(json) && isfinite(json->valuedouble))
        snprintf(value, sizeof value, "%.10g", json->valuedouble);
    value_add(list, value);
}

/* Follows a path of members; through a list, with each of its items. */
static void path_value_add(const cJSON *json, const char *path, char *list)
{
    char name[64];
    const cJSON *item;
    if (cJSON_IsArray(json)) {
        cJSON_ArrayForEach (item, json)
            if (cJSON_IsObject(item))
                path_value_add(item, path, list);
        return;
    }
    const size_t bytes = strcspn(path, ".");
    snprintf(name, sizeof name, "%.*s", (int)bytes, path);
    item = json_get(json, name);
    if (path[bytes] == '.')
        path_value_add(item, path + bytes + 1, list);
    else
        json_value_add(item, list);
}

/* "400", or "400 to 4,000" where the cells that both have are not alike. */
static void cells_value(const struct beside *beside, size_t column, const char *member, char *value)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < beside->row_count; i++) {
        const struct beside_row *row = &beside->rows[i];
        bool everywhere = true;
        for (size_t j = 0; j < beside->count; j++)
            everywhere = everywhere && row->cells[j] && row->cells[j]->ok;
        double number =
            everywhere ? json_get_number(row->cells[column]->json, member, NAN) : (double)NAN;
        if (!(number >= 0 && number < 1e15))
            continue;
        low = fmin(low, number);
        high = fmax(high, number);
    }
    if (low == high)
        snprintf(value, VALUE_BYTES_MAX, "%.0f", low);
    else if (low < high)
        snprintf(value, VALUE_BYTES_MAX, "%.0f to %.0f", low, high);
}

/* ---- Differences ----------------------------------------------------------------------------- */

static bool values_differ(char (*values)[VALUE_BYTES_MAX], size_t count)
{
    const char *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!values[i][0])
            continue;
        if (first && strcmp(first, values[i]) != 0)
            return true;
        first = first ? first : values[i];
    }
    return false;
}

/* Adds a difference if the values, "" where not known, are not alike. False when out of memory. */
static bool difference_add(struct beside *beside, const struct watched *what,
                           char (*values)[VALUE_BYTES_MAX])
{
    if (!values_differ(values, beside->count))
        return true;
    struct beside_difference *difference = &beside->differences[beside->difference_count];
    difference->what = what->what;
    difference->means = what->means;
    difference->weight = what->weight;
    difference->values = calloc(beside->count, sizeof *difference->values);
    if (!difference->values)
        return false;
    beside->difference_count++;
    for (size_t i = 0; i < beside->count; i++) {
        difference->values[i] = strdup(values[i][0] ? values[i] : value_unknown);
        if (!difference->values[i])
            return false;
    }
    return true;
}

static bool differences_of_results(struct beside *beside, enum beside_weight weight)
{
    char values[BESIDE_RESULTS_MAX][VALUE_BYTES_MAX];
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        if (watched[i].weight != weight)
            continue;
        for (size_t j = 0; j < beside->count; j++) {
            values[j][0] = '\0';
            path_value_add(beside->reports[j]->json, watched[i].path, values[j]);
        }
        if (!difference_add(beside, &watched[i], values))
            return false;
    }
    return true;
}

/* What cells have of their own, over those that all results have. */
static bool differences_of_cells(struct beside *beside)
{
    static const struct {
        const char *member;
        struct watched watched;
    } counted[COUNTED_MAX] = {
        {"frames",
         {"frames per launch", "", "tails and warm-up are not those of as many frames",
          BESIDE_MATTERS}},
        {"launches_ok",
         {"launches", "", "intervals are as wide as the fewer launches make them", BESIDE_NOTED}},
    };
    char values[BESIDE_RESULTS_MAX][VALUE_BYTES_MAX];
    for (size_t i = 0; i < COUNTED_MAX; i++) {
        for (size_t j = 0; j < beside->count; j++) {
            values[j][0] = '\0';
            cells_value(beside, j, counted[i].member, values[j]);
        }
        if (!difference_add(beside, &counted[i].watched, values))
            return false;
    }
    return true;
}

/* What others used of the CPUs before the run and after it. */
static bool differences_of_load(struct beside *beside)
{
    static const struct watched load = {"load by others", "",
                                        "other work takes CPUs from the roles and stretches tails",
                                        BESIDE_MATTERS};
    static const char *const moments[] = {"before", "after"};
    char values[BESIDE_RESULTS_MAX][VALUE_BYTES_MAX] = {{0}};
    bool far_apart = false;
    for (size_t k = 0; k < 2; k++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < beside->count; i++) {
            const cJSON *moment =
                json_get(json_get(beside->reports[i]->json, "environment"), moments[k]);
            double percent = json_get_number(json_get(moment, "load"), "busy_percent", NAN);
            if (!(percent >= 0 && percent <= 100))
                continue;
            low = fmin(low, percent);
            high = fmax(high, percent);
            const size_t used = strlen(values[i]);
            snprintf(values[i] + used, VALUE_BYTES_MAX - used, "%s%.0f %% %s", used ? ", " : "",
                     percent, moments[k]);
        }
        far_apart = far_apart || high - low >= LOAD_APART_PERCENT;
    }
    return !far_apart || difference_add(beside, &load, values);
}

enum status beside_differences_find(struct beside *beside, struct err *err)
{
    beside->differences =
        calloc(WATCHED_COUNT + COUNTED_MAX + LOAD_MAX, sizeof *beside->differences);
    if (!beside->differences || !differences_of_results(beside, BESIDE_MACHINE) ||
        !differences_of_results(beside, BESIDE_MATTERS) || !differences_of_load(beside) ||
        !differences_of_cells(beside) || !differences_of_results(beside, BESIDE_NOTED))
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory comparing results");
    return ST_OK;
}

void beside_differences_free(struct beside *beside)
{
    for (size_t i = 0; beside->differences && i < beside->difference_count; i++) {
        for (size_t j = 0; beside->differences[i].values && j < beside->count; j++)
            free(beside->differences[i].values[j]);
        free(beside->differences[i].values);
    }
    free(beside->differences);
}

bool beside_machines_differ(const struct beside *beside)
{
    for (size_t i = 0; i < beside->difference_count; i++)
        if (beside->differences[i].weight == BESIDE_MACHINE)
            return true;
    return false;
}
