/* run_floor.c: see run_floor.h. */
#include "harness/run/run_floor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/floor_gpu.h"
#include "harness/run/result_parts.h"

#define RUN_FLOOR_SCHEMA "handoff-floor"
#define RUN_FLOOR_SCHEMA_VERSION 1
#define RUN_FLOOR_BYTES_MAX ((size_t)1 << 20)

/* Something that cells use, and how many of them. */
struct run_floor_use {
    uint64_t key;
    size_t cells;
};

static int run_floor_compare_uses(const void *a, const void *b)
{
    const struct run_floor_use *left = a, *right = b;
    if (left->cells != right->cells)
        return left->cells < right->cells ? 1 : -1;
    return (left->key < right->key) - (left->key > right->key);
}

static int run_floor_compare_sizes(const void *a, const void *b)
{
    const size_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void run_floor_count(struct run_floor_use *uses, size_t *count, uint64_t key)
{
    size_t i = 0;
    while (i < *count && uses[i].key != key)
        i++;
    if (i == *count)
        uses[(*count)++] = (struct run_floor_use){.key = key};
    uses[i].cells++;
}

static uint64_t run_floor_pair_key(struct placement_cpus cpus)
{
    return (uint64_t)(uint32_t)cpus.producer << 32 | (uint32_t)cpus.consumer;
}

static size_t run_floor_take_pairs(const struct plan *plan, struct run_floor_use *uses,
                                   struct floor_cpus pairs[FLOOR_PAIRS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        struct placement_cpus cpus = plan->cells[i].cpus;
        if (plan->cells[i].result.launches_planned > 0 && cpus.producer >= 0 &&
            cpus.consumer >= 0 && cpus.producer != cpus.consumer)
            run_floor_count(uses, &count, run_floor_pair_key(cpus));
    }
    qsort(uses, count, sizeof *uses, run_floor_compare_uses);
    count = count < FLOOR_PAIRS_MAX ? count : FLOOR_PAIRS_MAX;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct floor_cpus){(int)(uses[i].key >> 32), (int)(uint32_t)uses[i].key};
    return count;
}

static size_t run_floor_take_sizes(const struct plan *plan, struct run_floor_use *uses,
                                   size_t sizes_bytes[FLOOR_SIZES_MAX])
{
    size_t count = 0;
    uint64_t largest = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        uint64_t bytes = cell_payload_bytes(&plan->cells[i].cell);
        if (plan->cells[i].result.launches_planned == 0 || bytes == 0 ||
            plan->cells[i].cell.transport->flags & TRANSPORT_NO_PAYLOAD)
            continue;
        run_floor_count(uses, &count, bytes);
        largest = bytes > largest ? bytes : largest;
    }
    qsort(uses, count, sizeof *uses, run_floor_compare_uses);
    bool has_largest = false;
    count = count < FLOOR_SIZES_MAX ? count : FLOOR_SIZES_MAX;
    for (size_t i = 0; i < count; i++) {
        sizes_bytes[i] = uses[i].key;
        has_largest |= uses[i].key == largest;
    }
    if (count > 0 && !has_largest)
        sizes_bytes[count - 1] = largest;
    qsort(sizes_bytes, count, sizeof *sizes_bytes, run_floor_compare_sizes);
    return count;
}

void run_floor_config(const struct plan *plan, struct floor_config *config)
{
    *config = (struct floor_config){0};
    struct run_floor_use *uses = calloc(plan->cell_count + 1, sizeof *uses);
    if (!uses)
        return; /* then the floor is that of no CPU and no frame in particular */
    config->pair_count = run_floor_take_pairs(plan, uses, config->pairs);
    memset(uses, 0, (plan->cell_count + 1) * sizeof *uses);
    config->size_count = run_floor_take_sizes(plan, uses, config->sizes_bytes);
    free(uses);
}

static bool run_floor_has_work(const struct plan *plan)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].result.launches_planned > 0)
            return true;
    return false;
}

struct floor_gpu_config run_floor_gpu_config(const struct floor_config *config)
{
    struct floor_gpu_config made = {.cpus = {-1, -1}, .size_count = config->size_count};
    if (config->pair_count > 0)
        made.cpus = config->pairs[0];
    memcpy(made.sizes_bytes, config->sizes_bytes, sizeof made.sizes_bytes);
    return made;
}

/* What an earlier part of the run measured, as a whole file; NULL when there is none to use. */
static cJSON *run_floor_read(const char *path)
{
    cJSON *file = NULL;
    struct err ignored;
    if (json_read_file(path, RUN_FLOOR_BYTES_MAX, &file, &ignored) != ST_OK)
        return NULL;
    if (strcmp(json_get_string(file, "schema", ""), RUN_FLOOR_SCHEMA) == 0 &&
        json_get_number(file, "schema_version", 0) == RUN_FLOOR_SCHEMA_VERSION &&
        cJSON_IsObject(json_get(file, "floor")) && cJSON_IsArray(json_get(file, "warnings")))
        return file;
    cJSON_Delete(file);
    return NULL;
}

cJSON *run_floor_json(const struct floor *floor, const struct floor_gpu *gpu)
{
    cJSON *json = floor_to_json(floor);
    if (!json || !gpu || json_add(json, "gpu", floor_gpu_to_json(gpu)))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* `gpu` may be NULL, and then `why_not` too, where no cell asks for it. */
static cJSON *run_floor_file(const struct floor *floor, const struct floor_gpu *gpu,
                             const char *why_not)
{
    cJSON *file = cJSON_CreateObject();
    cJSON *warnings = NULL;
    bool ok = file && json_add_string(file, "schema", RUN_FLOOR_SCHEMA) &&
              json_add_u64(file, "schema_version", RUN_FLOOR_SCHEMA_VERSION) &&
              json_add(file, "floor", run_floor_json(floor, gpu)) &&
              (warnings = result_add_array(file, "warnings")) != NULL;
    for (size_t i = 0; ok && i < floor->warning_count; i++)
        ok = json_append(warnings, cJSON_CreateString(floor->warnings[i]));
    for (size_t i = 0; ok && gpu && i < gpu->warning_count; i++)
        ok = json_append(warnings, cJSON_CreateString(gpu->warnings[i]));
    if (ok && why_not)
        ok = json_append(warnings, cJSON_CreateString(why_not));
    if (ok)
        return file;
    cJSON_Delete(file);
    return NULL;
}

static bool run_floor_wants_gpu(const struct plan *plan)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].result.launches_planned > 0 && cell_uses_gpu(&plan->cells[i].cell))
            return true;
    return false;
}

/* The floor of the GPU where cells use one, and the file with both. */
static cJSON *run_floor_with_gpu(const struct plan *plan, const struct floor_config *config,
                                 const struct floor *floor)
{
    char why_not[FLOOR_WARNING_BYTES];
    struct err why = {0};
    if (!run_floor_wants_gpu(plan))
        return run_floor_file(floor, NULL, NULL);
    struct floor_gpu *gpu = malloc(sizeof *gpu);
    if (!gpu)
        return NULL;
    struct floor_gpu_config gpu_config = run_floor_gpu_config(config);
    bool has_figures = floor_gpu_measure(&gpu_config, gpu, &why) == ST_OK;
    snprintf(why_not, sizeof why_not, "no floor of the GPU: %s", why.what);
    cJSON *file = run_floor_file(floor, has_figures ? gpu : NULL, has_figures ? NULL : why_not);
    free(gpu);
    return file;
}

/* The floor of a plan, measured and written. */
static enum status run_floor_make(const struct plan *plan, const struct clock_choice *clock,
                                  const char *path, cJSON **file, struct err *err)
{
    struct floor_config config;
    run_floor_config(plan, &config);
    config.clock = clock;
    struct floor *measured = malloc(sizeof *measured);
    if (!measured)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor");
    cJSON *made = NULL;
    enum status status = floor_measure(&config, measured, err);
    if (status == ST_OK && !(made = run_floor_with_gpu(plan, &config, measured)))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor");
    if (status == ST_OK)
        status = json_write_file(path, made, true, err);
    if (status == ST_OK)
        *file = made;
    else
        cJSON_Delete(made);
    free(measured);
    return status;
}

enum status run_floor_measure(const struct plan *plan, const struct clock_choice *clock,
                              const char *dir, bool resume, cJSON *warnings, cJSON **floor,
                              struct err *err)
{
    char path[PATH_MAX];
    *floor = NULL;
    if (!run_floor_has_work(plan))
        return ST_OK;
    if (snprintf(path, sizeof path, "%s/floor.json", dir) >= (int)sizeof path)
        return err_set(err, ST_INVALID, "use a shorter path with --out", "%s: the path is too long",
                       dir);
    cJSON *file = resume ? run_floor_read(path) : NULL;
    enum status status = file ? ST_OK : run_floor_make(plan, clock, path, &file, err);
    if (status != ST_OK)
        return status;
    bool ok = true;
    for (const cJSON *item = json_get(file, "warnings")->child; item && ok; item = item->next)
        ok = !cJSON_IsString(item) || json_append(warnings, cJSON_CreateString(item->valuestring));
    if (ok)
        *floor = cJSON_DetachItemFromObjectCaseSensitive(file, "floor");
    cJSON_Delete(file);
    return ok ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor");
}
