/* list_json.c: `handoff list --format json`: what there is and what can be used, for programs.
 *
 * One object with an array for each kind that was asked for; entries have name, available, reason
 * and hint (empty when available), summary, and what is their kind's own; an axis, whose values may
 * be there in part, has what it lacks instead of available and reason. Called by cmd_list.c.
 */
#include "harness/cli/list_json.h"

#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/list_axes.h"
#include "harness/scenario/cell.h"

static cJSON *list_json_entry(cJSON *array, const char *name, const char *summary,
                              enum status (*probe)(struct err *err))
{
    struct err why = {.what = ""};
    const bool available = probe(&why) == ST_OK;
    cJSON *entry = cJSON_CreateObject();
    const bool ok = json_append(array, entry) && json_add_string(entry, "name", name) &&
                    json_add(entry, "available", cJSON_CreateBool(available)) &&
                    json_add_string(entry, "reason", available ? "" : why.what) &&
                    json_add_string(entry, "hint", available ? "" : why.hint) &&
                    json_add_string(entry, "summary", summary);
    return ok ? entry : NULL;
}

/* The names of the bits of `mask`. */
static bool list_json_bits(cJSON *entry, const char *key, unsigned mask, const char *const *names,
                           const unsigned *bits, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    if (!entry || !json_add(entry, key, array))
        return false;
    for (size_t i = 0; i < count; i++)
        if ((mask & bits[i]) && !json_append(array, cJSON_CreateString(names[i])))
            return false;
    return true;
}

static bool list_json_sources(cJSON *entry, unsigned sources)
{
    static const char *const names[] = {"word", "descriptor", "library"};
    static const unsigned bits[] = {SOURCE_WORD, SOURCE_FD, SOURCE_NATIVE};
    return list_json_bits(entry, "sources", sources, names, bits, 3);
}

static bool list_json_transports(cJSON *array)
{
    static const char *const names[] = {"block", "latest"};
    static const unsigned bits[] = {POLICY_BLOCK, POLICY_LATEST};
    bool ok = true;
    for (size_t i = 0; ok && i < transport_registry_count; i++) {
        const struct transport *transport = transport_registry[i];
        cJSON *entry =
            list_json_entry(array, transport->name, transport->summary, transport->probe);
        ok = list_json_sources(entry, transport->sources) &&
             list_json_bits(entry, "policies", transport->policies, names, bits, 2);
    }
    return ok;
}

static bool list_json_waits(cJSON *array)
{
    bool ok = true;
    for (size_t i = 0; ok && i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        cJSON *entry = list_json_entry(array, wait->name, wait->summary, wait->probe);
        ok = list_json_sources(entry, wait->sources) &&
             json_add(entry, "takes_us", cJSON_CreateBool(wait->parameter == WAIT_PARAMETER_US)) &&
             json_add(entry, "sleeps", cJSON_CreateBool(wait->sleeps));
    }
    return ok;
}

static bool list_json_access(cJSON *array)
{
    bool ok = true;
    for (size_t i = 0; ok && i < access_registry_count; i++)
        ok = list_json_entry(array, access_registry[i]->name, access_registry[i]->summary,
                             access_registry[i]->probe) != NULL;
    return ok;
}

static bool list_json_kernels(cJSON *array)
{
    bool ok = true;
    for (size_t i = 0; ok && i < kernel_registry_count; i++)
        ok = list_json_entry(array, kernel_registry[i]->name, kernel_registry[i]->summary,
                             kernel_registry[i]->probe) != NULL;
    return ok;
}

static const struct {
    const char *name;
    const char *title;
    bool (*fill)(cJSON *array);
} lists[] = {
    {"transports", "Transports", list_json_transports}, {"waits", "Waits", list_json_waits},
    {"access", "Ways of access", list_json_access},     {"kernels", "Kernels", list_json_kernels},
    {"axes", "Axes of a scenario", list_axes_json},
};
#define LIST_COUNT (sizeof lists / sizeof lists[0])

/* NULL when out of memory. */
static cJSON *list_json_make(const char *only)
{
    cJSON *json = cJSON_CreateObject();
    bool ok = json != NULL;
    for (size_t i = 0; ok && i < LIST_COUNT; i++) {
        if (only && strcmp(only, lists[i].name) != 0)
            continue;
        cJSON *array = cJSON_CreateArray();
        ok = json_add(json, lists[i].name, array) && lists[i].fill(array);
    }
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

static void list_markdown_print(const cJSON *json)
{
    static const struct cli_markdown_column entries[] = {
        {"name", "name"}, {"here", "available"}, {"what it is", "summary"}, {"why not", "reason"}};
    static const struct cli_markdown_column axes[] = {{"axis", "name"},
                                                      {"default", "default"},
                                                      {"values", "values"},
                                                      {"what it is", "summary"},
                                                      {"lacks here", "lacks"}};
    bool first = true;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        const cJSON *rows = json_get(json, lists[i].name);
        if (!rows)
            continue;
        printf("%s### %s\n\n", first ? "" : "\n", lists[i].title);
        first = false;
        if (strcmp(lists[i].name, "axes") == 0)
            cli_print_markdown_table(stdout, rows, axes, sizeof axes / sizeof axes[0]);
        else
            cli_print_markdown_table(stdout, rows, entries, sizeof entries / sizeof entries[0]);
    }
}

enum status list_json_print(enum cli_format format, const char *only, struct err *err)
{
    cJSON *json = list_json_make(only);
    enum status status = ST_OK;
    if (format == CLI_FORMAT_MARKDOWN && json)
        list_markdown_print(json);
    else
        status = cli_print_json(stdout, json, err);
    cJSON_Delete(json);
    return status;
}
