/* schema.c: see schema.h. */
#include "harness/scenario/schema.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/gate.h"
#include "harness/measure/intervals.h"
#include "harness/scenario/axis_values.h"
#include "harness/scenario/gates.h"
#include "harness/scenario/members.h"

/* What stands in no table, by key. */
struct fragment {
    const char *key;
    const char *json;
};

static const struct fragment file_fragments[] = {
    {"$schema", "{\"type\": \"string\", \"description\": \"For editors: this schema.\"}"},
    {"name", "{\"$ref\": \"#/definitions/name\"}"},
    {"description", "{\"$ref\": \"#/definitions/text\"}"},
    {"gates", "{\"$ref\": \"#/definitions/gates\"}"},
    {"base", "{\"$ref\": \"#/definitions/base\"}"},
    {"blocks",
     "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/definitions/block\"}}"},
};

static const struct fragment block_fragments[] = {
    {"name", "{\"$ref\": \"#/definitions/name\"}"},
    {"description", "{\"$ref\": \"#/definitions/text\"}"},
    {"compare", "{\"$ref\": \"#/definitions/axis\"}"},
    {"launch_seconds", "{\"type\": \"number\", \"minimum\": 0.01, \"maximum\": 3600, \"default\": "
                       "1, \"description\": "
                       "\"How long a launch should last where frames is auto, in seconds.\"}"},
    {"base", "{\"$ref\": \"#/definitions/base\"}"},
    {"axes", "{\"$ref\": \"#/definitions/axes\"}"},
    {"cells",
     "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/definitions/axes\"}, "
     "\"description\": \"The cells one by one, instead of a product.\"}"},
    {"exclude",
     "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/definitions/rule\"}, "
     "\"description\": \"Rules: each takes out the cells that have one of its values on every axis "
     "it names.\"}"},
    {"cpu_baseline",
     "{\"type\": \"boolean\", \"default\": false, \"description\": \"Adds cells that "
     "say what the schedule alone costs.\"}"},
    {"claim", "{\"$ref\": \"#/definitions/claim\"}"},
};

static const struct fragment claim_fragments[] = {
    {"id", "{\"$ref\": \"#/definitions/name\"}"},
    {"says", "{\"$ref\": \"#/definitions/sentence\"}"},
    {"where", "{\"$ref\": \"#/definitions/sentence\"}"},
    {"figure", "{\"$ref\": \"#/definitions/figure\"}"},
    {"low_us", "{\"type\": \"number\", \"minimum\": 0}"},
    {"low_ns", "{\"type\": \"number\", \"minimum\": 0}"},
    {"high_us", "{\"type\": \"number\", \"minimum\": 0}"},
    {"high_ns", "{\"type\": \"number\", \"minimum\": 0}"},
    {"known", "{\"$ref\": \"#/definitions/sentence\"}"},
    {"machine", "{\"$ref\": \"#/definitions/sentence\"}"},
    {"moved_bytes", "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000000000000000}"},
};

/* Values beyond words, a word with a whole number, and whole numbers. */
static const struct fragment axis_fragments[] = {
    {"frame", "{\"type\": \"string\", \"pattern\": \"^0*[1-9][0-9]*x0*[1-9][0-9]*x0*[1-4]$\"}"},
    {"frame",
     "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"width\", "
     "\"height\", "
     "\"channels\"], \"properties\": {\"width\": {\"type\": \"integer\", \"minimum\": 1}, "
     "\"height\": {\"type\": \"integer\", \"minimum\": 1}, \"channels\": {\"type\": \"integer\", "
     "\"minimum\": 1, \"maximum\": 4}}}"},
    {"pacing", "{\"type\": \"string\", \"pattern\": \"^(rate|poisson):[0-9.+][0-9.eE+-]*$\"}"},
    {"pacing", "{\"type\": \"string\", \"pattern\": "
               "\"^search:[0-9.eE+-]+us:[0-9.eE+-]+-[0-9.eE+-]+$\"}"},
    {"pacing",
     "{\"type\": \"object\", \"additionalProperties\": false, \"minProperties\": 1, "
     "\"maxProperties\": 1, \"properties\": {\"rate\": {\"$ref\": \"#/definitions/rate\"}, "
     "\"poisson\": {\"$ref\": \"#/definitions/rate\"}, \"search\": {\"type\": \"object\", "
     "\"additionalProperties\": false, \"required\": [\"response_p99_us\"], \"properties\": "
     "{\"response_p99_us\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 60000000}, "
     "\"from\": {\"$ref\": \"#/definitions/rate\"}, \"to\": {\"$ref\": "
     "\"#/definitions/rate\"}}}}}"},
    {"placement", "{\"type\": \"string\", \"pattern\": \"^cpus:[0-9]+[,:][0-9]+$\"}"},
};

#define COUNT(array) (sizeof array / sizeof array[0])

static cJSON *parse(const char *json)
{
    cJSON *parsed = cJSON_Parse(json);
    assert(parsed || !"a fragment is no JSON");
    return parsed;
}

static cJSON *reference(const char *prefix, const char *name)
{
    char text[96];
    cJSON *json = cJSON_CreateObject();
    snprintf(text, sizeof text, "#/definitions/%s%s", prefix, name);
    (void)json_add_string(json, "$ref", text);
    return json;
}

/* {"type": "object", "additionalProperties": false, "properties": {…}} */
static cJSON *object_schema(cJSON *properties)
{
    cJSON *json = parse("{\"type\": \"object\", \"additionalProperties\": false}");
    (void)json_add(json, "properties", properties);
    return json;
}

/* The keys of one object: a key without a fragment takes anything, and a test finds it. */
static cJSON *keys_schema(const char *const *keys, const struct fragment *fragments, size_t count)
{
    cJSON *properties = cJSON_CreateObject();
    for (size_t i = 0; keys[i]; i++) {
        cJSON *found = NULL;
        for (size_t j = 0; j < count && !found; j++)
            if (strcmp(fragments[j].key, keys[i]) == 0)
                found = parse(fragments[j].json);
        (void)json_add(properties, keys[i], found ? found : cJSON_CreateTrue());
    }
    return object_schema(properties);
}

/* ---- axes ------------------------------------------------------------------------------------ */

/* "poll:" and "adaptive:" as ^(poll|adaptive):0*[1-9][0-9]*$; NULL where no word takes a number. */
static cJSON *prefix_schema(const struct axis_value *values, size_t count)
{
    char pattern[256] = "^(";
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(pattern);
        if (!values[i].is_prefix)
            continue;
        snprintf(pattern + used, sizeof pattern - used, "%s%.*s", any ? "|" : "",
                 (int)strcspn(values[i].text, ":"), values[i].text);
        any = true;
    }
    if (!any)
        return NULL;
    const size_t used = strlen(pattern);
    snprintf(pattern + used, sizeof pattern - used, "):0*[1-9][0-9]*$");
    cJSON *json = parse("{\"type\": \"string\"}");
    (void)json_add_string(json, "pattern", pattern);
    return json;
}

static cJSON *words_schema(const struct axis_value *values, size_t count)
{
    cJSON *words = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        if (!values[i].is_prefix)
            (void)json_append(words, cJSON_CreateString(values[i].text));
    if (cJSON_GetArraySize(words) == 0) {
        cJSON_Delete(words);
        return NULL;
    }
    cJSON *json = cJSON_CreateObject();
    (void)json_add(json, "enum", words);
    return json;
}

/* All that one value of an axis may be. */
static cJSON *alternatives_schema(enum axis_index axis)
{
    struct axis_value values[AXIS_VALUES_MAX];
    const size_t count = axis_values_list(axis, values);
    cJSON *any = cJSON_CreateArray(), *words = words_schema(values, count);
    int64_t low, high;
    bool special = false;
    if (words)
        (void)json_append(any, words);
    if (axis_values_range(axis, &low, &high)) {
        cJSON *range = parse("{\"type\": \"integer\"}");
        (void)(json_add_i64(range, "minimum", low) && json_add_i64(range, "maximum", high));
        (void)json_append(any, range);
    }
    for (size_t i = 0; i < COUNT(axis_fragments); i++)
        if (strcmp(axis_fragments[i].key, axis_table[axis].name) == 0) {
            special = true;
            (void)json_append(any, parse(axis_fragments[i].json));
        }
    cJSON *prefix = special ? NULL : prefix_schema(values, count);
    if (prefix)
        (void)json_append(any, prefix);
    return any;
}

static cJSON *axis_schema(enum axis_index index)
{
    const struct axis *axis = &axis_table[index];
    char about[512];
    cJSON *json = cJSON_CreateObject(), *any = alternatives_schema(index);
    snprintf(about, sizeof about, "%s: %s", axis->about, axis->expected);
    (void)json_add_string(json, "description", about);
    if (axis->otherwise && axis->otherwise[strspn(axis->otherwise, "0123456789")] == '\0')
        (void)json_add_i64(json, "default", atoi(axis->otherwise));
    else if (axis->otherwise)
        (void)json_add_string(json, "default", axis->otherwise);
    (void)json_add(json, "anyOf", any);
    return json;
}

enum axes_lists { AXES_NO_LISTS, AXES_LISTS_OF_VARIED, AXES_ALL_LISTS };

/* An object of axes, with one value each, or also lists of values. */
static cJSON *axes_schema(enum axes_lists lists)
{
    cJSON *properties = cJSON_CreateObject();
    for (int i = 0; i < AXIS_COUNT; i++) {
        const struct axis *axis = &axis_table[i];
        cJSON *one = reference("axis_", axis->name);
        if (lists == AXES_NO_LISTS || (lists == AXES_LISTS_OF_VARIED && !axis->in_id)) {
            (void)json_add(properties, axis->name, one);
            continue;
        }
        cJSON *any = cJSON_CreateArray(), *either = cJSON_CreateObject();
        cJSON *list = parse("{\"type\": \"array\", \"minItems\": 1, \"uniqueItems\": true}");
        (void)json_add(list, "items", reference("axis_", axis->name));
        (void)json_append(any, one);
        (void)json_append(any, list);
        (void)json_add(either, "anyOf", any);
        (void)json_add(properties, axis->name, either);
    }
    return object_schema(properties);
}

/* ---- names from tables ----------------------------------------------------------------------- */

static cJSON *axis_names_schema(void)
{
    cJSON *names = cJSON_CreateArray(), *json = cJSON_CreateObject();
    for (int i = 0; i < AXIS_COUNT; i++)
        (void)json_append(names, cJSON_CreateString(axis_table[i].name));
    (void)json_add_string(json, "description",
                          "The axis whose values the report sets side by side.");
    (void)json_add(json, "enum", names);
    return json;
}

static cJSON *gates_schema(void)
{
    cJSON *names = cJSON_CreateArray(), *items = cJSON_CreateObject();
    cJSON *json = parse("{\"type\": \"array\", \"minItems\": 1, \"uniqueItems\": true, "
                        "\"description\": \"The figures by which `handoff compare` may call a "
                        "build slower.\"}");
    for (size_t i = 0; i < gate_count; i++)
        (void)json_append(names, cJSON_CreateString(gates[i].name));
    (void)json_add_i64(json, "maxItems", COMPARE_METRICS_MAX);
    (void)json_add(items, "enum", names);
    (void)json_add(json, "items", items);
    return json;
}

static cJSON *figures_schema(void)
{
    static const char *const quantiles[] = {"mean", "p50", "p90", "p99"};
    cJSON *names = cJSON_CreateArray(), *json = cJSON_CreateObject();
    for (int i = 0; i < INTERVAL_COUNT; i++)
        for (size_t j = 0; j < COUNT(quantiles); j++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", interval_definitions[i].name, quantiles[j]);
            (void)json_append(names, cJSON_CreateString(name));
        }
    (void)json_append(names, cJSON_CreateString("period.mean"));
    (void)json_add(json, "enum", names);
    return json;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static cJSON *block_schema(void)
{
    cJSON *json = keys_schema(scenario_block_keys, block_fragments, COUNT(block_fragments));
    (void)json_add(json, "required", parse("[\"name\"]"));
    (void)json_add(json, "not", parse("{\"required\": [\"cells\", \"exclude\"]}"));
    return json;
}

static cJSON *claim_schema(void)
{
    cJSON *json = keys_schema(claim_keys, claim_fragments, COUNT(claim_fragments));
    (void)json_add(json, "required", parse("[\"id\", \"says\", \"where\", \"figure\"]"));
    (void)json_add(
        json, "allOf",
        parse("[{\"oneOf\": [{\"required\": [\"low_us\"]}, {\"required\": [\"low_ns\"]}]}, "
              "{\"oneOf\": [{\"required\": [\"high_us\"]}, {\"required\": "
              "[\"high_ns\"]}]}]"));
    return json;
}

static cJSON *text_schema(int min_length, size_t bytes_max)
{
    cJSON *json =
        parse("{\"type\": \"string\", \"pattern\": \"^[^\\\\u0000-\\\\u001f\\\\u007f]*$\"}");
    if (min_length)
        (void)json_add_i64(json, "minLength", min_length);
    (void)json_add_i64(json, "maxLength", (int64_t)bytes_max);
    return json;
}

static cJSON *definitions(void)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *rule = axes_schema(AXES_ALL_LISTS);
    (void)json_add_i64(rule, "minProperties", 1);
    cJSON *name = parse("{\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9][A-Za-z0-9_.-]*$\"}");
    (void)json_add_i64(name, "maxLength", MEMBERS_NAME_BYTES_MAX);
    cJSON *rate = parse("{\"type\": \"number\"}");
    (void)(json_add_double(rate, "minimum", AXIS_RATE_HZ_MIN) &&
           json_add_double(rate, "maximum", AXIS_RATE_HZ_MAX) &&
           json_add_string(rate, "description", "Frames per second."));
    (void)json_add(json, "name", name);
    (void)json_add(json, "text", text_schema(0, MEMBERS_TEXT_BYTES_MAX));
    (void)json_add(json, "sentence", text_schema(1, MEMBERS_TEXT_BYTES_MAX));
    (void)json_add(json, "rate", rate);
    (void)json_add(json, "axis", axis_names_schema());
    (void)json_add(json, "gates", gates_schema());
    (void)json_add(json, "figure", figures_schema());
    (void)json_add(json, "base", axes_schema(AXES_NO_LISTS));
    (void)json_add(json, "axes", axes_schema(AXES_LISTS_OF_VARIED));
    (void)json_add(json, "rule", rule);
    (void)json_add(json, "block", block_schema());
    (void)json_add(json, "claim", claim_schema());
    for (int i = 0; i < AXIS_COUNT; i++) {
        char key[64];
        snprintf(key, sizeof key, "axis_%s", axis_table[i].name);
        (void)json_add(json, key, axis_schema((enum axis_index)i));
    }
    return json;
}

cJSON *scenario_schema(void)
{
    cJSON *json = parse("{\"$schema\": \"http://json-schema.org/draft-07/schema#\", "
                        "\"title\": \"A scenario of handoff\", \"description\": \"Made by `handoff "
                        "help scenario-schema`; scenarios/README.md says more.\"}");
    cJSON *keys = keys_schema(scenario_file_keys, file_fragments, COUNT(file_fragments));
    while (json && keys->child) {
        cJSON *member = cJSON_DetachItemViaPointer(keys, keys->child);
        char key[32];
        snprintf(key, sizeof key, "%s", member->string); /* AddItem frees the old one first */
        cJSON_AddItemToObject(json, key, member);
    }
    cJSON_Delete(keys);
    (void)json_add(json, "required", parse("[\"blocks\"]"));
    (void)json_add(json, "definitions", definitions());
    return json;
}
