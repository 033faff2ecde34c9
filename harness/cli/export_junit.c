/* export_junit.c: JUnit's XML, as CI systems show it: a suite per block, a test case per cell.
 * Called by cmd_export.c.
 *
 * A failed cell is a failure, one with launches missing an error, and one that cannot run here, or
 * has no meaning, is skipped; why is the message. Valid against the schema of Ant's JUnit task, the
 * strictest of those in use.
 */
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

static const char no_time[] = "1970-01-01T00:00:00";

/* What a cell's status is to JUnit. */
struct junit_outcome {
    const char *element; /* NULL: passed */
    bool has_type;
};

static struct junit_outcome junit_outcome_of(const cJSON *cell)
{
    const char *status = json_get_string(cell, "status", "");
    if (strcmp(status, "ok") == 0)
        return (struct junit_outcome){NULL, false};
    if (strcmp(status, "failed") == 0)
        return (struct junit_outcome){"failure", true};
    if (strcmp(status, "unavailable") == 0 || strcmp(status, "not_applicable") == 0)
        return (struct junit_outcome){"skipped", false};
    return (struct junit_outcome){"error", true}; /* incomplete, or nothing this version knows */
}

void export_junit_attribute(struct text *out, const char *name, const char *value)
{
    text_addf(out, " %s=\"", name);
    text_add_html(out, value);
    text_add(out, "\"");
}

void export_junit_property(struct text *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    text_add(out, "      <property");
    export_junit_attribute(out, "name", name);
    export_junit_attribute(out, "value", value);
    text_add(out, "/>\n");
}

/* Seconds that the cell's launches measured. */
static double junit_time_s(const cJSON *cell)
{
    const cJSON *launch;
    double total_s = 0;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        double window_s = json_get_number(launch, "window_ns", 0) / 1e9;
        total_s += window_s > 0 && window_s < 1e9 ? window_s : 0;
    }
    return total_s;
}

/* The reasons of the launches that failed, a line each. */
static void junit_add_launches(const cJSON *cell, struct text *out)
{
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        if (export_launch_is_ok(launch))
            continue;
        text_addf(out, "launch %.0f: ", json_get_number(launch, "launch", 0));
        text_add_html(out, json_get_string(launch, "reason", ""));
        text_add(out, "\n");
    }
}

static void junit_add_cell(const char *class_name, const cJSON *cell, struct text *out)
{
    const struct junit_outcome outcome = junit_outcome_of(cell);
    const char *id = export_cell_id(cell), *hint = json_get_string(cell, "hint", "");
    text_add(out, "    <testcase");
    export_junit_attribute(out, "name", id[0] ? id : "cell");
    export_junit_attribute(out, "classname", class_name);
    text_addf(out, " time=\"%.6f\"", junit_time_s(cell));
    if (!outcome.element) {
        text_add(out, "/>\n");
        return;
    }
    text_addf(out, ">\n      <%s", outcome.element);
    export_junit_attribute(out, "message", json_get_string(cell, "reason", ""));
    if (outcome.has_type)
        export_junit_attribute(out, "type", json_get_string(cell, "status", ""));
    text_add(out, ">");
    if (hint[0]) {
        text_add(out, "hint: ");
        text_add_html(out, hint);
        text_add(out, "\n");
    }
    junit_add_launches(cell, out);
    text_addf(out, "</%s>\n    </testcase>\n", outcome.element);
}

/* "2026-11-20T10:00:00": the schema takes no zone. */
static void junit_add_timestamp(const char *utc, struct text *out)
{
    if (export_time_s(utc, -1) < 0)
        utc = no_time;
    text_add(out, " timestamp=\"");
    text_add_bytes(out, utc, sizeof no_time - 1);
    text_add(out, "\"");
}

void export_junit_suite(struct text *out, const struct export_junit_suite *suite)
{
    text_add(out, "  <testsuite");
    export_junit_attribute(out, "name", suite->name);
    export_junit_attribute(out, "package", suite->package);
    junit_add_timestamp(suite->started_utc, out);
    text_addf(out,
              " id=\"%d\" hostname=\"localhost\" tests=\"%u\" failures=\"%u\" errors=\"%u\""
              " skipped=\"%u\" time=\"%.6f\">\n    <properties>\n",
              suite->id, suite->tests, suite->failures, suite->errors, suite->skipped,
              suite->time_s);
    text_add(out, suite->properties);
    text_add(out, "    </properties>\n");
    text_add(out, suite->cases);
    text_add(out, "    <system-out/>\n    <system-err/>\n  </testsuite>\n");
}

static void junit_add_properties(const cJSON *result, const cJSON *block, struct text *out)
{
    const cJSON *tool = json_get(result, "tool");
    const cJSON *before = json_get(json_get(result, "environment"), "before");
    export_junit_property(out, "block", json_get_string(block, "description", ""));
    export_junit_property(out, "handoff", json_get_string(tool, "version", ""));
    export_junit_property(out, "commit", json_get_string(tool, "commit", ""));
    export_junit_property(out, "processor", json_get_string(json_get(before, "cpu"), "model", ""));
    export_junit_property(out, "kernel",
                          json_get_string(json_get(before, "kernel"), "release", ""));
}

static bool junit_takes(const struct export_options *options, const cJSON *cell, int block,
                        int block_count)
{
    double of = json_get_number(cell, "block", 0);
    /* Of no block that is there: with the first. */
    int index = of >= 0 && of < block_count && of == floor(of) ? (int)of : 0;
    return export_takes_cell(options, cell) && index == block;
}

static void junit_add_suite(const struct export_options *options, const cJSON *result, int index,
                            int count, struct text *out)
{
    const cJSON *cells = json_get(result, "cells"), *cell;
    const cJSON *block = cJSON_GetArrayItem(json_get(result, "blocks"), index);
    const char *scenario = json_get_string(json_get(result, "scenario"), "name", "");
    struct text name = {0}, cases = {0}, properties = {0};
    struct export_junit_suite suite = {.id = index};
    text_add_plain(&name, scenario[0] ? scenario : "handoff");
    text_add(&name, ".");
    text_add_plain(&name, json_get_string(block, "name", ""));
    junit_add_properties(result, block, &properties);
    cJSON_ArrayForEach (cell, cells) {
        if (!junit_takes(options, cell, index, count))
            continue;
        const char *element = junit_outcome_of(cell).element;
        suite.tests++;
        suite.failures += element && strcmp(element, "failure") == 0;
        suite.errors += element && strcmp(element, "error") == 0;
        suite.skipped += element && strcmp(element, "skipped") == 0;
        suite.time_s += junit_time_s(cell);
        junit_add_cell(text_get(&name), cell, &cases);
    }
    suite.name = text_get(&name);
    suite.package = scenario[0] ? scenario : "handoff";
    suite.started_utc = json_get_string(json_get(result, "run"), "started_utc", "");
    suite.properties = text_get(&properties);
    suite.cases = text_get(&cases);
    if (suite.tests)
        export_junit_suite(out, &suite);
    out->failed = out->failed || name.failed || cases.failed || properties.failed;
    text_free(&name);
    text_free(&cases);
    text_free(&properties);
}

enum status export_junit(const struct export_options *options, const cJSON *result,
                         struct text *out, struct err *err)
{
    (void)err;
    int blocks = cJSON_GetArraySize(json_get(result, "blocks"));
    int count = blocks > 0 ? blocks : 1;
    text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (int i = 0; i < count; i++)
        junit_add_suite(options, result, i, count, out);
    text_add(out, "</testsuites>\n");
    return ST_OK;
}
