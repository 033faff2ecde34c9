/* list_json.c: `handoff list --json`: what there is and what can be used, for programs.
 *
 * One object with an array for each kind that was asked for; entries have name, available, reason and
 * hint (empty when available), summary, and what is their kind's own; an axis, whose values may be there
 * in part, has what it lacks instead of available and reason. Called by cmd_list.c.
 */
#include "harness/cli/list_json.h"

#include <stdlib.h>
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

enum status list_json_print(FILE *out, const char *only, struct err *err)
{
    static const struct {
        const char *name;
        bool (*fill)(cJSON *array);
    } lists[] = {
        {"transports", list_json_transports},
        {"waits", list_json_waits},
        {"access", list_json_access},
        {"kernels", list_json_kernels},
        {"axes", list_axes_json},
    };
    cJSON *json = cJSON_CreateObject();
    bool ok = json != NULL;
    bool found = false;
    for (size_t i = 0; ok && i < sizeof lists / sizeof lists[0]; i++) {
        if (only && strcmp(only, lists[i].name) != 0)
            continue;
        cJSON *array = cJSON_CreateArray();
        found = true;
        ok = json_add(json, lists[i].name, array) && lists[i].fill(array);
    }
    char *text = ok ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    if (!found && ok) {
        free(text);
        return err_set(err, ST_INVALID, "there are transports, waits, access, kernels and axes",
                       "list: there is no list of \"%s\" as JSON", only);
    }
    if (!text)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the list");
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    return ST_OK;
}
