/* export_gbench.c: Google Benchmark's JSON, so that its compare.py, with its U test over launches,
 * and whatever else reads that format can be used. Called by cmd_export.c.
 *
 * A launch is a repetition: real_time is its median of the interval, cpu_time what both roles' CPUs
 * spent per frame. Launches without one (failed, too few frames, a median among frames that never
 * finished) have no row: compare.py would take any number in it for a time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

struct gbench_row {
    const cJSON *launch;
    const cJSON *interval;
    double real_ns;
    double cpu_ns;
};

/* One cell and interval: a family of repetitions. */
struct gbench_family {
    const char *name;
    unsigned index;
    struct gbench_row *rows;
    size_t count;
};

static double role_cpu_ns(const cJSON *launch, const char *role)
{
    const cJSON *usage = json_get(json_get(launch, "usage"), role);
    return json_get_number(usage, "user_ns", 0) + json_get_number(usage, "system_ns", 0);
}

static bool gbench_row_read(const cJSON *launch, enum interval interval, struct gbench_row *row)
{
    row->launch = launch;
    row->interval = export_launch_interval(launch, interval);
    double frames = json_get_number(launch, "frames", 0);
    if (!export_launch_is_ok(launch) || !export_number(row->interval, "p50_ns", &row->real_ns))
        return false;
    row->cpu_ns = frames > 0
                      ? (role_cpu_ns(launch, "producer") + role_cpu_ns(launch, "consumer")) / frames
                      : 0;
    return isfinite(row->cpu_ns);
}

/* The members that every row has. */
static cJSON *gbench_row_new(const struct gbench_family *family, const char *suffix,
                             const char *type)
{
    cJSON *row = cJSON_CreateObject();
    struct text name = {0};
    text_add(&name, family->name);
    text_add(&name, suffix);
    bool ok = row && !name.failed && json_add_string(row, "name", text_get(&name)) &&
              json_add_u64(row, "family_index", family->index) &&
              json_add_u64(row, "per_family_instance_index", 0) &&
              json_add_string(row, "run_name", family->name) &&
              json_add_string(row, "run_type", type) &&
              json_add_u64(row, "repetitions", family->count) && json_add_u64(row, "threads", 1);
    text_free(&name);
    if (ok)
        return row;
    cJSON_Delete(row);
    return NULL;
}

static bool gbench_add_times(cJSON *row, double iterations, double real_ns, double cpu_ns)
{
    return json_add_double(row, "iterations", iterations) &&
           json_add_double(row, "real_time", real_ns) && json_add_double(row, "cpu_time", cpu_ns) &&
           json_add_string(row, "time_unit", "ns");
}

/* More figures of a launch: user counters, which readers show beside the times. */
static bool gbench_add_counters(cJSON *json, const struct gbench_row *row)
{
    static const char *const counters[] = {"mean_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"};
    double value;
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof counters / sizeof counters[0]; i++)
        if (export_number(row->interval, counters[i], &value))
            ok = json_add_double(json, counters[i], value);
    if (ok && export_number(row->launch, "frames_per_s", &value))
        ok = json_add_double(json, "frames_per_s", value);
    return ok;
}

static bool gbench_add_launches(const struct gbench_family *family, cJSON *benchmarks)
{
    for (size_t i = 0; i < family->count; i++) {
        const struct gbench_row *row = &family->rows[i];
        cJSON *json = gbench_row_new(family, "", "iteration");
        if (!json)
            return false;
        double frames = json_get_number(row->launch, "frames", 0);
        bool ok = json_add_u64(json, "repetition_index", i) &&
                  gbench_add_times(json, frames, row->real_ns, row->cpu_ns) &&
                  gbench_add_counters(json, row);
        if (!json_append(benchmarks, json) || !ok)
            return false;
    }
    return true;
}

static int number_compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* As Google Benchmark computes them: the sample's mean, median, and standard deviation. */
static bool number_statistics(const struct gbench_family *family, bool cpu, double found[3])
{
    size_t count = family->count;
    double *sorted = calloc(count, sizeof *sorted), sum = 0, squares = 0;
    if (!sorted)
        return false;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = cpu ? family->rows[i].cpu_ns : family->rows[i].real_ns;
        sum += sorted[i];
    }
    double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (sorted[i] - mean) * (sorted[i] - mean);
    qsort(sorted, count, sizeof *sorted, number_compare);
    found[0] = mean;
    found[1] = count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    found[2] = sqrt(squares / (double)(count - 1));
    free(sorted);
    return true;
}

static bool gbench_add_aggregates(const struct gbench_family *family, cJSON *benchmarks)
{
    static const char *const names[] = {"mean", "median", "stddev"};
    double real[3], cpu[3];
    if (family->count < 2)
        return true;
    if (!number_statistics(family, false, real) || !number_statistics(family, true, cpu))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char suffix[16];
        snprintf(suffix, sizeof suffix, "_%s", names[i]);
        cJSON *json = gbench_row_new(family, suffix, "aggregate");
        if (!json)
            return false;
        bool ok = json_add_string(json, "aggregate_name", names[i]) &&
                  json_add_string(json, "aggregate_unit", "time") &&
                  gbench_add_times(json, (double)family->count, real[i], cpu[i]);
        if (!json_append(benchmarks, json) || !ok)
            return false;
    }
    return true;
}

static bool gbench_add_part(const struct export_part *part, unsigned *index, cJSON *benchmarks)
{
    const cJSON *launches = json_get(part->cell, "launches"), *launch;
    int most = cJSON_GetArraySize(launches);
    struct text name = {0};
    struct gbench_family family = {.index = *index};
    bool ok = true;
    if (most <= 0)
        return true;
    family.rows = calloc((size_t)most, sizeof *family.rows);
    export_part_name(part, &name);
    family.name = text_get(&name);
    cJSON_ArrayForEach (launch, launches) {
        if (family.rows && gbench_row_read(launch, part->interval, &family.rows[family.count]))
            family.count++;
    }
    if (!family.rows || name.failed)
        ok = false;
    else if (family.count > 0)
        ok = gbench_add_launches(&family, benchmarks) && gbench_add_aggregates(&family, benchmarks);
    *index += family.count > 0;
    free(family.rows);
    text_free(&name);
    return ok;
}

/* As Google Benchmark means it: a governor other than performance. Where none is known it says
 * nothing. */
static bool gbench_add_scaling(const cJSON *cpu, cJSON *context)
{
    const cJSON *policy;
    bool known = false, scales = false;
    cJSON_ArrayForEach (policy, json_get(cpu, "frequency")) {
        const char *governor = json_get_string(policy, "governor", "");
        known = known || governor[0];
        scales = scales || (governor[0] && strcmp(governor, "performance") != 0);
    }
    return !known || json_add_bool(context, "cpu_scaling_enabled", scales);
}

static bool gbench_add_context(const cJSON *result, cJSON *context)
{
    const cJSON *before = json_get(json_get(result, "environment"), "before");
    const cJSON *cpu = json_get(before, "cpu"), *run = json_get(result, "run");
    const cJSON *scenario = json_get(result, "scenario"), *tool = json_get(result, "tool");
    struct text version = {0};
    text_add(&version, "handoff ");
    text_add_plain(&version, json_get_string(tool, "version", ""));
    bool ok =
        !version.failed &&
        export_add_text(context, "date", json_get_string(run, "started_utc", "")) &&
        json_add_string(context, "host_name", "localhost") &&
        json_add_string(context, "executable", "handoff") &&
        json_add_double(context, "num_cpus", json_get_number(cpu, "cpu_count", 0)) &&
        json_add_u64(context, "mhz_per_cpu", 0) && gbench_add_scaling(cpu, context) &&
        json_add(context, "caches", cJSON_CreateArray()) &&
        json_add(context, "load_avg", cJSON_CreateArray()) &&
        json_add_string(context, "library_version", text_get(&version)) &&
        export_add_text(context, "library_build_type", json_get_string(tool, "build_type", "")) &&
        json_add_u64(context, "json_schema_version", 1) &&
        export_add_text(context, "scenario", json_get_string(scenario, "name", "")) &&
        export_add_text(context, "cpu_model", json_get_string(cpu, "model", "")) &&
        export_add_text(context, "commit", json_get_string(tool, "commit", ""));
    text_free(&version);
    return ok;
}

enum status export_gbench(const struct export_options *options, const cJSON *result,
                          struct text *out, struct err *err)
{
    cJSON *root = cJSON_CreateObject(), *context = NULL, *benchmarks = NULL;
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    unsigned index = 0;
    bool ok = root && json_add(root, "context", context = cJSON_CreateObject()) &&
              gbench_add_context(result, context) &&
              json_add(root, "benchmarks", benchmarks = cJSON_CreateArray());
    while (ok && export_next_part(options, &walk, &part))
        ok = gbench_add_part(&part, &index, benchmarks);
    if (!ok) {
        cJSON_Delete(root);
        return err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    }
    return export_print(root, out, err);
}
