/* fitness.c: puts the findings of all checks together, and into words. See fitness.h. */
#include "harness/env/fitness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

/* ---- findings -------------------------------------------------------------------------------- */

static const char *const level_names[FITNESS_LEVELS] = {"good", "unknown", "note", "warning",
                                                        "unfit"};

const char *fitness_level_name(enum fitness_level level)
{
    return level_names[level];
}

enum fitness_level fitness_level_of(const cJSON *finding)
{
    const char *name = json_get_string(finding, "level", "");
    for (int level = 0; level < FITNESS_LEVELS; level++)
        if (strcmp(name, level_names[level]) == 0)
            return (enum fitness_level)level;
    return FITNESS_UNKNOWN;
}

enum fitness_level fitness_worst(const cJSON *findings)
{
    enum fitness_level worst = FITNESS_GOOD;
    const cJSON *finding;
    cJSON_ArrayForEach (finding, findings) {
        enum fitness_level level = fitness_level_of(finding);
        worst = level > worst ? level : worst;
    }
    return worst;
}

static bool fitness_append(cJSON *findings, const struct finding *finding, const char *found)
{
    cJSON *object = cJSON_CreateObject();
    return json_append(findings, object) && json_add_string(object, "id", finding->id) &&
           json_add_string(object, "level", fitness_level_name(finding->level)) &&
           json_add_string(object, "found", found) &&
           json_add_string(object, "effect", finding->effect ? finding->effect : "") &&
           json_add_string(object, "fix", finding->fix ? finding->fix : "");
}

bool fitness_say(cJSON *findings, struct finding finding, const char *format, ...)
{
    char found[FITNESS_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    return fitness_append(findings, &finding, found);
}

bool fitness_good(cJSON *findings, const char *id, const char *format, ...)
{
    const struct finding finding = {.id = id, .level = FITNESS_GOOD};
    char found[FITNESS_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    return fitness_append(findings, &finding, found);
}

bool fitness_unknown(cJSON *findings, const char *id, const char *found)
{
    const struct finding finding = {.id = id, .level = FITNESS_UNKNOWN};
    return fitness_append(findings, &finding, found);
}

/* ---- what checks ask ------------------------------------------------------------------------- */

double fitness_number(const cJSON *section, const char *key, double otherwise)
{
    const cJSON *item = json_get(section, key);
    return cJSON_IsRaw(item) ? strtod(item->valuestring, NULL)
                             : json_get_number(section, key, otherwise);
}

double fitness_cpus_usable(const cJSON *env)
{
    const cJSON *cpu = json_get(env, "cpu");
    return fitness_number(cpu, "allowed_count", fitness_number(cpu, "cpu_count", 0.0));
}

bool fitness_is_jetson(const cJSON *env)
{
    const cJSON *board = json_get(env, "board");
    return json_get_string(board, "l4t", "")[0] != '\0' ||
           strstr(json_get_string(board, "compatible", ""), "nvidia,tegra") != NULL;
}

bool fitness_in_container(const cJSON *env)
{
    return json_get_string(json_get(env, "virtualisation"), "container", "")[0] != '\0';
}

enum status fitness_find(const cJSON *environment, cJSON *findings, struct err *err)
{
    static const fitness_check checks[] = {
        fitness_check_cpu,    fitness_check_clocks, fitness_check_system,
        fitness_check_limits, fitness_check_heat,   fitness_check_gpu,
    };
    for (size_t i = 0; i < ENV_COUNT(checks); i++)
        if (!checks[i](environment, findings))
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the machine's fitness");
    return ST_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

char *fitness_sentence(const cJSON *finding, char *text, size_t size)
{
    const char *found = json_get_string(finding, "found", "");
    const char *effect = json_get_string(finding, "effect", "");
    const char *fix = json_get_string(finding, "fix", "");
    snprintf(text, size, "%s%s%s%s%s", found, effect[0] ? ": " : "", effect,
             fix[0] ? "; fix: " : "", fix);
    return text;
}

bool fitness_add_warnings(const cJSON *findings, cJSON *warnings)
{
    char text[3 * FITNESS_TEXT_BYTES];
    const cJSON *finding;
    cJSON_ArrayForEach (finding, findings) {
        if (fitness_level_of(finding) >= FITNESS_WARNING &&
            !json_append(warnings,
                         cJSON_CreateString(fitness_sentence(finding, text, sizeof text))))
            return false;
    }
    return true;
}

/* "2 CPUs; virtual machine and 3 more": what was found by each finding of a level, whole ones as
 * far as `size` reaches. Returns how many there are. */
static size_t verdict_list(const cJSON *findings, enum fitness_level level, char *text, size_t size)
{
    const size_t more_bytes = sizeof " and 1000000 more";
    const cJSON *finding;
    size_t count = 0, named = 0;
    text[0] = '\0';
    cJSON_ArrayForEach (finding, findings) {
        if (fitness_level_of(finding) != level)
            continue;
        const char *found = json_get_string(finding, "found", json_get_string(finding, "id", "?"));
        const size_t used = strlen(text);
        if (named == count++ && used + strlen(found) + strlen("; ") + more_bytes < size) {
            snprintf(text + used, size - used, "%s%s", named > 0 ? "; " : "", found);
            named++;
        }
    }
    if (named < count)
        snprintf(text + strlen(text), size - strlen(text), "%s%zu more", named ? " and " : "",
                 count - named);
    return count;
}

char *fitness_verdict(const cJSON *findings, char *text, size_t size)
{
    char unfit[FITNESS_TEXT_BYTES], warnings[FITNESS_TEXT_BYTES];
    size_t count = verdict_list(findings, FITNESS_WARNING, warnings, sizeof warnings);
    if (verdict_list(findings, FITNESS_UNFIT, unfit, sizeof unfit) > 0)
        snprintf(text, size, "not fit: %s", unfit);
    else if (count > 0)
        snprintf(text, size, "fit, with %zu warning%s: %s", count, count == 1 ? "" : "s", warnings);
    else
        snprintf(text, size, "fit");
    return text;
}

/* ---- a result -------------------------------------------------------------------------------- */

static const cJSON *finding_of(const cJSON *findings, const char *id)
{
    const cJSON *finding;
    cJSON_ArrayForEach (finding, findings) {
        if (strcmp(json_get_string(finding, "id", ""), id) == 0)
            return finding;
    }
    return NULL;
}

/* Copies what is worse in `last` than it was in `first`, unless it is there as a change. */
static bool add_worse(const cJSON *first, const cJSON *last, cJSON *findings)
{
    const cJSON *finding;
    cJSON_ArrayForEach (finding, last) {
        const cJSON *was = finding_of(first, json_get_string(finding, "id", ""));
        enum fitness_level level = fitness_level_of(finding);
        if (level >= FITNESS_NOTE && (!was || fitness_level_of(was) < level) &&
            !finding_of(findings, json_get_string(finding, "id", "")) &&
            !json_append(findings, cJSON_Duplicate(finding, 1)))
            return false;
    }
    return true;
}

/* Each thing once: as it was after, where that is worse. */
static bool merge(const cJSON *before, const cJSON *after, cJSON *merged)
{
    const cJSON *finding;
    cJSON_ArrayForEach (finding, before) {
        if (!finding_of(after, json_get_string(finding, "id", "")) &&
            !json_append(merged, cJSON_Duplicate(finding, 1)))
            return false;
    }
    cJSON_ArrayForEach (finding, after) {
        if (!json_append(merged, cJSON_Duplicate(finding, 1)))
            return false;
    }
    return true;
}

static enum status find_after(const cJSON *before, const cJSON *after, const cJSON *first,
                              cJSON *worse, struct err *err)
{
    if (!after)
        return ST_OK;
    cJSON *last = cJSON_CreateArray();
    enum status status = fitness_find_changes(before, after, worse, err);
    if (status == ST_OK)
        status = fitness_find(after, last, err);
    if (status == ST_OK && !add_worse(first, last, worse))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the machine's fitness");
    cJSON_Delete(last);
    return status;
}

enum status fitness_make(const cJSON *before, const cJSON *after, cJSON **fitness, struct err *err)
{
    char verdict[2 * FITNESS_TEXT_BYTES];
    cJSON *made = cJSON_CreateObject(), *first = cJSON_CreateArray(), *worse = cJSON_CreateArray();
    cJSON *merged = cJSON_CreateArray();
    enum status status = ST_NO_MEMORY;
    if (made && first && worse && merged)
        status = fitness_find(before, first, err);
    if (status == ST_OK)
        status = find_after(before, after, first, worse, err);
    if (status == ST_OK &&
        (!merge(first, worse, merged) ||
         !json_add_string(made, "worst", fitness_level_name(fitness_worst(merged))) ||
         !json_add_string(made, "verdict", fitness_verdict(merged, verdict, sizeof verdict))))
        status = ST_NO_MEMORY;
    if (status == ST_OK) {
        bool ok = json_add(made, "before", first);
        first = NULL;
        ok = json_add(made, "after", worse) && ok;
        worse = NULL;
        status = ok ? ST_OK : ST_NO_MEMORY;
    }
    cJSON_Delete(merged);
    cJSON_Delete(worse);
    cJSON_Delete(first);
    if (status != ST_OK) {
        cJSON_Delete(made);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the machine's fitness");
    }
    *fitness = made;
    return ST_OK;
}

enum status fitness_of_result(const cJSON *result, cJSON **fitness, struct err *err)
{
    const cJSON *stored = json_get(result, "fitness");
    const cJSON *environment = json_get(result, "environment");
    if (!cJSON_IsObject(stored))
        return fitness_make(json_get(environment, "before"), json_get(environment, "after"),
                            fitness, err);
    cJSON *copy = cJSON_Duplicate(stored, 1);
    if (!copy)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the machine's fitness");
    *fitness = copy;
    return ST_OK;
}
