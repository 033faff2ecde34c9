/* export_junit_gates.c: the compare.json of `handoff compare` as JUnit's XML: a test case per cell
 * and gate. Called by cmd_export.c.
 *
 * Slower is a failure. What could not be decided is skipped: it neither passed nor failed, and its
 * message says which slowdown would have been seen.
 */
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

/* Adds one case and counts it; `element` is NULL where it passed. */
static void case_add(struct export_junit_suite *suite, struct text *cases, const char *cell,
                     const char *name, const char *element, const char *type, const char *message)
{
    suite->tests++;
    text_add(cases, "    <testcase");
    export_junit_attribute(cases, "name", name[0] ? name : "gate");
    export_junit_attribute(cases, "classname", cell[0] ? cell : "cell");
    text_add(cases, " time=\"0\"");
    if (!element) {
        text_add(cases, "/>\n");
        return;
    }
    bool failed = strcmp(element, "failure") == 0;
    suite->failures += failed;
    suite->skipped += !failed;
    text_addf(cases, ">\n      <%s", element);
    export_junit_attribute(cases, "message", message);
    if (failed)
        export_junit_attribute(cases, "type", type);
    text_add(cases, "/>\n    </testcase>\n");
}

/* "slower: new/base 1.31 (90 % interval 1.21 to 1.42), 10 pairs; slower by 8 % or more would …". */
static void message_add(const cJSON *row, struct text *text)
{
    double ratio, low, high, detectable;
    text_add(text, json_get_string(row, "verdict", ""));
    if (json_get_string(row, "reason", "")[0])
        text_addf(text, ": %s", json_get_string(row, "reason", ""));
    if (export_number(row, "ratio", &ratio))
        text_addf(text, ": new/base %.3f", ratio);
    if (export_number(row, "ratio_low90", &low) && export_number(row, "ratio_high90", &high))
        text_addf(text, " (90 %% interval %.3f to %.3f)", low, high);
    const double pairs = json_get_number(row, "pairs", 0);
    text_addf(text, ", %.0f pair%s", pairs, pairs == 1 ? "" : "s");
    if (export_number(row, "detectable", &detectable))
        text_addf(text, "; slower by %.3g %% or more would have been seen", (detectable - 1) * 100);
}

static void gate_add(struct export_junit_suite *suite, struct text *cases, const cJSON *row)
{
    const char *verdict = json_get_string(row, "verdict", "");
    bool decided = strcmp(verdict, "faster") == 0 || strcmp(verdict, "same") == 0;
    struct text message = {0};
    message_add(row, &message);
    case_add(suite, cases, json_get_string(row, "cell", ""), json_get_string(row, "gate", ""),
             decided                          ? NULL
             : strcmp(verdict, "slower") == 0 ? "failure"
                                              : "skipped",
             "slower", text_get(&message));
    cases->failed = cases->failed || message.failed;
    text_free(&message);
}

static void side_add(const cJSON *comparison, const char *side, struct text *properties)
{
    const cJSON *json = json_get(comparison, side);
    struct text words = {0};
    text_addf(&words, "handoff %s %s", json_get_string(json, "version", ""),
              json_get_string(json, "commit", ""));
    export_junit_property(properties, side, text_get(&words));
    text_free(&words);
}

enum status export_junit_gates(const cJSON *comparison, struct text *out, struct err *err)
{
    (void)err;
    const char *scenario = json_get_string(comparison, "scenario", "");
    struct text name = {0}, cases = {0}, properties = {0};
    struct export_junit_suite suite = {.started_utc = ""};
    const cJSON *row;
    export_junit_property(&properties, "conclusion", json_get_string(comparison, "conclusion", ""));
    export_junit_property(&properties, "conditions", json_get_string(comparison, "conditions", ""));
    side_add(comparison, "base", &properties);
    side_add(comparison, "new", &properties);
    cJSON_ArrayForEach (row, json_get(comparison, "gates"))
        gate_add(&suite, &cases, row);
    cJSON_ArrayForEach (row, json_get(comparison, "not_compared")) {
        bool regression = json_get_bool(row, "regression", false);
        case_add(&suite, &cases, json_get_string(row, "cell", ""), "compared",
                 regression ? "failure" : "skipped", "failed", json_get_string(row, "reason", ""));
    }
    text_addf(&name, "%s.compare", scenario[0] ? scenario : "handoff");
    suite.name = text_get(&name);
    suite.package = scenario[0] ? scenario : "handoff";
    suite.properties = text_get(&properties);
    suite.cases = text_get(&cases);
    text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    export_junit_suite(out, &suite);
    text_add(out, "</testsuites>\n");
    out->failed = out->failed || name.failed || cases.failed || properties.failed;
    text_free(&name);
    text_free(&cases);
    text_free(&properties);
    return ST_OK;
}
