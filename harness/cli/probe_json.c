/* probe_json.c: `handoff probe --format json`, and Markdown, which is made from it. The object is
 * described in results/README.md. See probe.h. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/probe.h"

#define PROBE_SCHEMA "handoff-probe"
#define PROBE_SCHEMA_VERSION 1

const char *probe_outcome_key(enum capability_outcome outcome)
{
    static const char *const keys[] = {[CAPABILITY_UNASKED] = "not_tried",
                                       [CAPABILITY_WORKS] = "works",
                                       [CAPABILITY_DOES_NOT] = "does_not",
                                       [CAPABILITY_NOT_TRIED] = "not_tried"};
    return keys[outcome];
}

/* The clause is the last one, behind "; " or a question. */
const char *probe_hint(const struct capability_answer *answer, char *text, size_t size)
{
    const char *hint = answer->why.hint, *clause = strstr(hint, "`handoff probe`");
    size_t length = clause ? (size_t)(clause - hint) : strlen(hint);
    while (clause && length > 0 && strchr(" ;", hint[length - 1]))
        length--;
    snprintf(text, size, "%.*s", (int)length, hint);
    return text;
}

static bool add_row(cJSON *array, const struct probe *probe, enum gpu_capability row)
{
    const struct gpu_capability_row *about = &gpu_capability_rows[row];
    const struct capability_answer *answer = &probe->answers[row];
    const bool works = answer->outcome == CAPABILITY_WORKS;
    cJSON *entry = cJSON_CreateObject();
    cJSON *claims = cJSON_CreateArray();
    char hint[sizeof answer->why.hint];
    bool ok = json_append(array, entry) && json_add_string(entry, "row", about->key) &&
              json_add_string(entry, "outcome", probe_outcome_key(answer->outcome)) &&
              json_add_string(entry, "title", about->title) &&
              json_add_bool(entry, "negative", about->negative) &&
              json_add_string(entry, "seen", works ? answer->verified : "") &&
              json_add_string(entry, "reason", works ? "" : answer->why.what) &&
              json_add_string(entry, "hint", works ? "" : probe_hint(answer, hint, sizeof hint)) &&
              json_add_string(entry, "instead", about->instead) &&
              json_add_u64(entry, "took_ns", answer->took_ns) && json_add(entry, "claims", claims);
    for (size_t i = 0; i < probe_claim_count && ok; i++)
        for (size_t j = 0; j < probe_claims[i].row_count && ok; j++)
            if (probe_claims[i].rows[j].row == row)
                ok = json_append(claims, cJSON_CreateString(probe_claims[i].id));
    return ok;
}

static bool add_rows(cJSON *json, const struct probe *probe)
{
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "rows", array);
    for (int i = 0; i < GPU_CAPABILITY_COUNT && ok; i++)
        if (probe->wanted[i])
            ok = add_row(array, probe, (enum gpu_capability)i);
    return ok;
}

static bool add_claims(cJSON *json, const struct probe *probe)
{
    static const char *const keys[] = {[PROBE_HOLDS] = "holds",
                                       [PROBE_NOT_REPRODUCED] = "not_reproduced",
                                       [PROBE_OTHER_MACHINE] = "another_machine",
                                       [PROBE_NOT_TRIED] = "not_tried"};
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "claims", array);
    for (size_t i = 0; i < probe_claim_count && ok; i++) {
        const struct probe_claim *claim = &probe_claims[i];
        char found[400];
        const enum probe_verdict verdict = probe_claim_judge(probe, claim, found, sizeof found);
        cJSON *entry = cJSON_CreateObject();
        ok = json_append(array, entry) && json_add_string(entry, "id", claim->id) &&
             json_add_string(entry, "says", claim->says) &&
             json_add_bool(entry, "about_jetson", claim->about_jetson) &&
             json_add_string(entry, "verdict", keys[verdict]) &&
             json_add_string(entry, "found", found);
    }
    return ok;
}

static bool add_attributes(cJSON *json, const struct probe *probe)
{
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "attributes", array);
    for (int i = 0; i < GPU_ATTRIBUTE_COUNT && ok && probe->gpu; i++) {
        const enum gpu_attribute attribute = (enum gpu_attribute)i;
        char misleads[240];
        int value;
        cJSON *entry = cJSON_CreateObject();
        ok = json_append(array, entry) &&
             json_add_string(entry, "name", gpu_attribute_name(attribute)) &&
             (probe_attribute(probe, attribute, &value)
                  ? json_add_i64(entry, "value", value)
                  : json_add(entry, "value", cJSON_CreateNull())) &&
             json_add_string(entry, "about", gpu_attribute_about(attribute)) &&
             json_add_string(entry, "misleads",
                             probe_attribute_misleads(probe, attribute, misleads, sizeof misleads));
    }
    return ok;
}

/* What the GPU is, less the attributes, which are listed apart. */
static bool add_gpu(cJSON *json, const struct probe *probe)
{
    if (!probe->gpu)
        return json_add(json, "gpu", cJSON_CreateNull());
    cJSON *copy = cJSON_Duplicate(probe->gpu, true);
    if (copy)
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "attributes");
    return json_add(json, "gpu", copy);
}

/* The three tables, and what was tried on. */
static void print_markdown(const cJSON *json)
{
    static const struct cli_markdown_column rows[] = {{"row", "row"},
                                                      {"here", "outcome"},
                                                      {"what was tried, in two processes", "title"},
                                                      {"seen", "seen"},
                                                      {"why not", "reason"}};
    static const struct cli_markdown_column claims[] = {
        {"claim", "id"}, {"verdict", "verdict"}, {"what people say", "says"}, {"found", "found"}};
    static const struct cli_markdown_column attributes[] = {{"attribute", "name"},
                                                            {"value", "value"},
                                                            {"what the driver means", "about"},
                                                            {"misleads", "misleads"}};
    const cJSON *gpu = json_get(json, "gpu");
    if (cJSON_IsObject(gpu)) {
        cli_print_markdown(stdout, json_get_string(gpu, "name", "?"));
        fputs("\n\n", stdout);
    }
    cli_print_markdown_table(stdout, json_get(json, "rows"), rows, sizeof rows / sizeof rows[0]);
    if (json_get(json, "claims")) {
        putchar('\n');
        cli_print_markdown_table(stdout, json_get(json, "claims"), claims,
                                 sizeof claims / sizeof claims[0]);
    }
    if (cJSON_GetArraySize(json_get(json, "attributes")) > 0) {
        putchar('\n');
        cli_print_markdown_table(stdout, json_get(json, "attributes"), attributes,
                                 sizeof attributes / sizeof attributes[0]);
    }
}

enum status probe_print_json(enum cli_format format, const struct probe *probe, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    const char *toolkit = gpu_toolkit_version();
    bool ok = json && json_add_string(json, "schema", PROBE_SCHEMA) &&
              json_add_u64(json, "schema_version", PROBE_SCHEMA_VERSION) &&
              json_add(json, "cuda_toolkit",
                       toolkit ? cJSON_CreateString(toolkit) : cJSON_CreateNull()) &&
              json_add_bool(json, "jetson", probe->is_jetson) && add_rows(json, probe) &&
              (!probe->all ||
               (add_gpu(json, probe) && add_claims(json, probe) && add_attributes(json, probe)));
    enum status status = ST_OK;
    if (format == CLI_FORMAT_MARKDOWN && ok)
        print_markdown(json);
    else
        status = cli_print_json(stdout, ok ? json : NULL, err);
    cJSON_Delete(json);
    return status;
}
