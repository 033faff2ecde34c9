/* plan_file.c: DIR/plan.json: what `--resume` goes on with, and what it refuses to. See plan.h. */
#include "harness/run/plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/run/build_info.h"

#define PLAN_SCHEMA_VERSION 1
#define PLAN_BYTES_MAX ((size_t)16 << 20)
/* What a scenario or a pilot may ask for at most. */
#define PLAN_FRAMES_MAX 1000000

/* Launches of two builds, or of two machines, are not launches of one cell. */
static void plan_build(char *text, size_t size)
{
    const struct build_info info = build_info();
    snprintf(text, size, "%s %s %s %s", info.version, info.commit, info.compiler, info.build_type);
}

/* A number that tells this machine from others and nothing else of it (FNV-1a of its id or
 * name). */
static uint64_t plan_machine(void)
{
    char id[256] = "";
    FILE *file = fopen("/etc/machine-id", "re");
    if ((!file || !fgets(id, sizeof id, file)) && gethostname(id, sizeof id - 1) != 0)
        id[0] = 0;
    if (file)
        fclose(file);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = id; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return hash;
}

static void plan_path(const char *dir, char *path, size_t size)
{
    snprintf(path, size, "%s/plan.json", dir);
}

enum status plan_write(const struct plan *plan, const struct scenario *scenario, const char *dir,
                       struct err *err)
{
    char path[4096], build[128];
    plan_path(dir, path, sizeof path);
    plan_build(build, sizeof build);
    cJSON *json = cJSON_CreateObject();
    cJSON *cells = cJSON_CreateArray();
    bool ok = json_add_string(json, "schema", "handoff-plan") &&
              json_add_u64(json, "schema_version", PLAN_SCHEMA_VERSION) &&
              json_add_string(json, "scenario", scenario->name) &&
              json_add_string(json, "build", build) &&
              json_add_u64_text(json, "machine", plan_machine()) &&
              json_add_u64_text(json, "seed", plan->seed) &&
              (!plan->clock || json_add_string(json, "clock", plan->clock)) &&
              (!plan->detector || json_add_string(json, "detector", plan->detector)) &&
              (!plan->peer || json_add_string(json, "peer", plan->peer)) &&
              json_add(json, "cells", cells);
    for (size_t i = 0; ok && i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        cJSON *item = cJSON_CreateObject();
        ok = json_add_string(item, "id", cell->cell.id) &&
             json_add_u64(item, "launches", cell->result.launches_planned) &&
             json_add_u64(item, "frames", cell->result.frames) &&
             json_add_u64(item, "warmup_frames", cell->result.warmup) &&
             json_add_u64(item, "frame_ns", cell->frame_ns) &&
             json_add_string(item, "failure", cell->result.failure) &&
             json_add_string(item, "failure_hint", cell->result.failure_hint);
        ok = json_append(cells, item) && ok;
    }
    enum status status = ok ? json_write_file(path, json, true, err)
                            : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the plan");
    cJSON_Delete(json);
    return status;
}

static enum status plan_differs(const char *path, const char *what, struct err *err)
{
    return err_set(err, ST_INVALID,
                   "resume with the scenario file and options the run was started with, or start a "
                   "new run in another --out",
                   "%s: the run in this folder differs: %s", path, what);
}

/* The counts of one cell of a plan file. */
struct plan_counts {
    int64_t launches, frames, warmup, frame_ns;
};

static enum status plan_read_counts(const cJSON *item, const char *path, struct plan_counts *counts,
                                    struct err *err)
{
    struct plan_counts read;
    if (!json_whole(json_get(item, "launches"), 0, 1000, &read.launches) ||
        !json_whole(json_get(item, "frames"), read.launches > 0, PLAN_FRAMES_MAX, &read.frames) ||
        !json_whole(json_get(item, "warmup_frames"), 0,
                    read.launches > 0 ? PLAN_FRAMES_MAX : UINT32_MAX, &read.warmup) ||
        !json_whole(json_get(item, "frame_ns"), 0, INT64_C(1) << 53, &read.frame_ns))
        return err_set(err, ST_CORRUPT, "start a new run", "%s: not a plan", path);
    *counts = read;
    return ST_OK;
}

/* Whether the scenario itself gives other counts. */
static bool plan_contradicts(const struct plan_cell *cell, const struct plan_counts *counts)
{
    return (cell->cell.frames != 0 && cell->cell.frames != counts->frames) ||
           (cell->cell.warmup != UINT32_MAX && cell->cell.warmup != counts->warmup);
}

static void plan_set_counts(struct plan_cell *cell, const struct plan_counts *counts)
{
    cell->result.frames = (uint32_t)counts->frames;
    cell->result.warmup = (uint32_t)counts->warmup;
    cell->frame_ns = (uint64_t)counts->frame_ns;
}

static enum status plan_resume_cell(struct plan_cell *cell, const cJSON *item, const char *path,
                                    struct err *err)
{
    struct plan_counts counts;
    if (strcmp(json_get_string(item, "id", ""), cell->cell.id) != 0)
        return plan_differs(path, "its cells are others", err);
    enum status status = plan_read_counts(item, path, &counts, err);
    if (status != ST_OK)
        return status;
    /* What has no launches has no counts either, whatever the scenario gives. */
    if (counts.launches > 0 && plan_contradicts(cell, &counts))
        return plan_differs(path, "its frame counts are others", err);
    if ((uint32_t)counts.launches != cell->result.launches_planned &&
        json_get_string(item, "failure", "")[0] == 0)
        return plan_differs(path, "its number of launches is another", err);
    cell->result.launches_planned = (uint32_t)counts.launches;
    plan_set_counts(cell, &counts);
    snprintf(cell->result.failure, sizeof cell->result.failure, "%s",
             json_get_string(item, "failure", ""));
    snprintf(cell->result.failure_hint, sizeof cell->result.failure_hint, "%s",
             json_get_string(item, "failure_hint", ""));
    return ST_OK;
}

void plan_read_clock(const char *dir, char *name, size_t size)
{
    char path[4096];
    cJSON *json = NULL;
    plan_path(dir, path, sizeof path);
    name[0] = 0;
    if (json_read_file(path, PLAN_BYTES_MAX, &json, NULL) == ST_OK)
        snprintf(name, size, "%s", json_get_string(json, "clock", ""));
    cJSON_Delete(json);
}

/* Figures of two clocks are some nanoseconds per stamp apart, and the result names one. */
static enum status plan_resume_clock(const struct plan *plan, const cJSON *json, const char *path,
                                     struct err *err)
{
    const char *clock = json_get_string(json, "clock", "");
    if (!plan->clock || !clock[0] || strcmp(clock, plan->clock) == 0)
        return ST_OK;
    return err_set(
        err, ST_INVALID,
        strcmp(clock, "CLOCK_MONOTONIC") == 0
            ? "resume it with --clock monotonic"
            : "resume it with --clock counter, or start a new run in another --out",
        "%s: the run in this folder was begun on the clock %s, and this would go on with "
        "%s",
        path, clock, plan->clock);
}

static bool plan_is_one(const cJSON *json, uint64_t *seed, uint64_t *machine)
{
    return strcmp(json_get_string(json, "schema", ""), "handoff-plan") == 0 &&
           json_get_number(json, "schema_version", 0) == PLAN_SCHEMA_VERSION &&
           json_get_u64_text(json, "seed", seed) && json_get_u64_text(json, "machine", machine) &&
           cJSON_IsArray(json_get(json, "cells"));
}

enum status plan_resume(struct plan *plan, const struct scenario *scenario, const char *dir,
                        struct err *err)
{
    char path[4096];
    cJSON *json = NULL;
    plan_path(dir, path, sizeof path);
    enum status status = json_read_file(path, PLAN_BYTES_MAX, &json, err);
    if (status != ST_OK)
        return err_context(err, "nothing to resume");
    const cJSON *cells = json_get(json, "cells");
    uint64_t seed, machine;
    char build[128];
    plan_build(build, sizeof build);
    if (!plan_is_one(json, &seed, &machine))
        status = err_set(err, ST_CORRUPT, "start a new run", "%s: not a plan", path);
    else if (strcmp(json_get_string(json, "scenario", ""), scenario->name) != 0 ||
             (size_t)cJSON_GetArraySize(cells) != plan->cell_count)
        status = plan_differs(path, "it is another scenario, or another choice of cells", err);
    else if (strcmp(json_get_string(json, "build", ""), build) != 0)
        status = plan_differs(path, "another build of handoff began it", err);
    else if (strcmp(json_get_string(json, "peer", ""), plan->peer ? plan->peer : "") != 0)
        status = plan_differs(path, "its consumers ran on another host (--peer)", err);
    else if (strcmp(json_get_string(json, "detector", ""), plan->detector ? plan->detector : "") !=
             0)
        status = plan_differs(path, "its detector is another (--detector)", err);
    else if (machine != plan_machine())
        status = plan_differs(path, "it was begun on another machine", err);
    else
        status = plan_resume_clock(plan, json, path, err);
    size_t index = 0;
    for (const cJSON *item = cells ? cells->child : NULL; item && status == ST_OK;
         item = item->next)
        status = plan_resume_cell(&plan->cells[index++], item, path, err);
    if (status == ST_OK)
        plan->seed = seed;
    cJSON_Delete(json);
    return status;
}

/* A cell that has nothing to be compared with: no launches, and the reason. */
static void plan_take_nothing(struct plan_cell *cell, const char *reason, const char *hint)
{
    cell->result.launches_planned = 0;
    snprintf(cell->result.failure, sizeof cell->result.failure, "%s", reason);
    snprintf(cell->result.failure_hint, sizeof cell->result.failure_hint, "%s", hint);
}

static enum status plan_take_cell(struct plan_cell *cell, const cJSON *cells, const char *path,
                                  struct err *err)
{
    const cJSON *item;
    struct plan_counts counts;
    char reason[512];
    if (cell->result.launches_planned == 0)
        return ST_OK;
    cJSON_ArrayForEach (item, cells) {
        if (strcmp(json_get_string(item, "id", ""), cell->cell.id) == 0)
            break;
    }
    if (!item) {
        plan_take_nothing(cell, "the other run has no such cell",
                          "both sides of a comparison need the same scenario");
        return ST_OK;
    }
    enum status status = plan_read_counts(item, path, &counts, err);
    if (status != ST_OK)
        return status;
    if (counts.launches == 0) {
        const char *failure = json_get_string(item, "failure", "");
        snprintf(reason, sizeof reason, "the other run cannot run it%s%.400s",
                 failure[0] ? ": " : "", failure);
        plan_take_nothing(cell, reason, json_get_string(item, "failure_hint", ""));
        return ST_OK;
    }
    if (plan_contradicts(cell, &counts))
        return plan_differs(path, "its frame counts are others", err);
    plan_set_counts(cell, &counts);
    return ST_OK;
}

enum status plan_take(struct plan *plan, const struct scenario *scenario, const char *dir,
                      struct err *err)
{
    char path[4096];
    cJSON *json = NULL;
    plan_path(dir, path, sizeof path);
    enum status status = json_read_file(path, PLAN_BYTES_MAX, &json, err);
    if (status != ST_OK)
        return err_context(err, "--frames-from");
    uint64_t seed, machine;
    if (!plan_is_one(json, &seed, &machine))
        status = err_set(err, ST_CORRUPT, "name the folder of a run", "%s: not a plan", path);
    else if (strcmp(json_get_string(json, "scenario", ""), scenario->name) != 0)
        status = plan_differs(path, "it is another scenario", err);
    else if (machine != plan_machine())
        status = plan_differs(path, "it was begun on another machine", err);
    else
        status = plan_resume_clock(plan, json, path, err);
    for (size_t i = 0; i < plan->cell_count && status == ST_OK; i++)
        status = plan_take_cell(&plan->cells[i], json_get(json, "cells"), path, err);
    if (status == ST_OK)
        plan->seed = seed;
    cJSON_Delete(json);
    return status;
}
