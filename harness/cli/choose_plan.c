/* choose_plan.c: what `handoff choose` tries, and how much of it fits its time. See choose.h. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/choose.h"
#include "harness/measure/stats.h"

#define FRAMES_MIN 12  /* of a launch: some to spare above the 6 of a median */
#define FRAMES_MAX 400 /* more than p99 of a launch needs */
#define WARMUP 3
#define LAUNCHES_FEW 5 /* a verdict needs as many */
#define TRIAL_SECONDS 1.0
#define TRIAL_FRAMES_MAX 60
/* A detector that needs more of the period than this may be caught by the next frame, so that it
 * matters whether that one waits in line or replaces others. */
#define PERIOD_SHARE 0.7

/* The ways, the simplest first: of what is level, the first is chosen. `drop`: 0 is never dropped,
 * the highest goes first when time is short. */
static const struct {
    const char *transport, *wait, *policy, *read;
    unsigned drop;
    enum { ALWAYS, WITH_SPARE_CPU, WHERE_FRAMES_MEET } when;
} ways[] = {
    {"shm", "futex", "latest", "view", 0, ALWAYS},
    {"shm", "spin", "latest", "view", 4, WITH_SPARE_CPU},
    {"shm", "poll:1000", "latest", "view", 6, ALWAYS},
    {"shm", "futex", "block", "view", 1, WHERE_FRAMES_MEET},
    {"unix", "block", "block", "view", 2, ALWAYS},
    {"zmq_ipc", "block", "block", "view", 5, ALWAYS},
    {"zmq_tcp", "block", "block", "view", 3, ALWAYS},
    {"shm", "futex", "latest", "slice", 7, ALWAYS},
};
#define WAY_COUNT (sizeof ways / sizeof ways[0])

/* ---- The scenario ---------------------------------------------------------------------------- */

static bool add_base(cJSON *base, const struct choose_arguments *arguments, uint32_t launches,
                     uint32_t frames, uint32_t warmup)
{
    char pacing[48];
    snprintf(pacing, sizeof pacing, "rate:%.6g", arguments->rate_hz);
    return json_add_string(base, "frame", arguments->size) &&
           json_add_string(base, "pacing", pacing) &&
           json_add_string(base, "peer",
                           arguments->python_producer ? "python/python" : "c/python") &&
           json_add_string(base, "kernel", CHOICE_KERNEL) &&
           json_add_string(base, "placement", "none") && json_add_u64(base, "launches", launches) &&
           json_add_u64(base, "frames", frames) && json_add_u64(base, "warmup", warmup);
}

static bool add_ways(cJSON *cells, unsigned chosen)
{
    bool ok = true;
    for (size_t i = 0; ok && i < WAY_COUNT; i++) {
        cJSON *cell = chosen & (1u << i) ? cJSON_CreateObject() : NULL;
        if (!(chosen & (1u << i)))
            continue;
        ok = json_append(cells, cell) && json_add_string(cell, "transport", ways[i].transport) &&
             json_add_string(cell, "wait", ways[i].wait) &&
             json_add_string(cell, "policy", ways[i].policy) &&
             json_add_string(cell, "read", ways[i].read);
    }
    return ok;
}

/* The scenario as text; NULL when out of memory. The caller frees with cJSON_free. */
static char *scenario_text(const struct choose_arguments *arguments, unsigned chosen,
                           uint32_t launches, uint32_t frames, uint32_t warmup)
{
    cJSON *json = cJSON_CreateObject(), *blocks = cJSON_CreateArray();
    cJSON *block = cJSON_CreateObject(), *base = cJSON_CreateObject(), *cells = cJSON_CreateArray();
    bool ok = json_add_string(json, "name", "choose");
    ok = json_add_string(json, "description",
                         "How frames should reach a Python function of the user's.") &&
         ok;
    ok = json_add(json, "blocks", blocks) && ok;
    ok = json_append(blocks, block) && ok;
    ok = ok && json_add_string(block, "name", "ways");
    ok = json_add(block, "base", base) && ok;
    ok = json_add(block, "cells", cells) && ok;
    ok = ok && add_base(base, arguments, launches, frames, warmup) && add_ways(cells, chosen);
    char *text = ok ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return text;
}

static enum status scenario_of(const struct choose_arguments *arguments, unsigned chosen,
                               uint32_t launches, uint32_t frames, uint32_t warmup,
                               struct scenario **scenario, struct err *err)
{
    char *text = scenario_text(arguments, chosen, launches, frames, warmup);
    struct scenario *made = NULL;
    if (!text)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    enum status status = scenario_parse("choose", text, strlen(text), &made, err);
    cJSON_free(text);
    if (status == ST_OK)
        status = scenario_set_detector(made, arguments->detector, err);
    if (status == ST_OK)
        status = scenario_probe(made, err);
    if (status == ST_OK)
        *scenario = made;
    else
        scenario_free(made);
    return status;
}

/* ---- How much of it -------------------------------------------------------------------------- */

static uint32_t trial_frames(const struct choose_arguments *arguments)
{
    const double frames = arguments->rate_hz * TRIAL_SECONDS;
    return frames < FRAMES_MIN         ? FRAMES_MIN
           : frames > TRIAL_FRAMES_MAX ? TRIAL_FRAMES_MAX
                                       : (uint32_t)frames;
}

double choose_trial_seconds(const struct choose_arguments *arguments)
{
    return (trial_frames(arguments) + WARMUP) / arguments->rate_hz;
}

/* How long a launch of a way lasts: at the frames' rate, or where each waits for the one before it,
 * at the detector's. */
static double launch_seconds(const struct choose_arguments *arguments,
                             const struct choose_trial *trial, size_t way, uint32_t frames)
{
    const double period_ns = 1e9 / arguments->rate_hz;
    const bool waits = strcmp(ways[way].policy, "block") == 0;
    const double frame_ns = waits ? fmax(period_ns, trial->alone_ns) : period_ns;
    return 1e-9 * (trial->overhead_ns + frame_ns * (frames + WARMUP));
}

static double plan_seconds(const struct choose_arguments *arguments,
                           const struct choose_trial *trial, const struct choose_plan *plan)
{
    double seconds = 0;
    for (size_t i = 0; i < WAY_COUNT; i++)
        if (plan->ways & (1u << i))
            seconds += plan->launches * launch_seconds(arguments, trial, i, plan->frames);
    return seconds;
}

/* The most frames of a launch with which the plan fits; 0 when it does not fit with the fewest. A
 * detector that is slower than the frames needs more of them, so that some reach it. */
static uint32_t plan_frames(const struct choose_arguments *arguments,
                            const struct choose_trial *trial, struct choose_plan *plan,
                            double seconds)
{
    const double slow = trial->alone_ns * arguments->rate_hz / 1e9;
    const double least = ceil(FRAMES_MIN * fmax(1, slow));
    uint32_t low = least > 20000 ? 20000 : (uint32_t)least,
             high = low > FRAMES_MAX ? low : FRAMES_MAX;
    plan->frames = low;
    if (plan_seconds(arguments, trial, plan) > seconds)
        return 0;
    while (low < high) {
        plan->frames = low + (high - low + 1) / 2;
        if (plan_seconds(arguments, trial, plan) <= seconds)
            low = plan->frames;
        else
            high = plan->frames - 1;
    }
    return low;
}

static int spare_cpus(void)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

/* Ways that are worth trying here. */
static unsigned ways_sensible(const struct choose_arguments *arguments,
                              const struct choose_trial *trial)
{
    unsigned chosen = 0;
    const double cpu = arguments->question.cpu_percent;
    for (size_t i = 0; i < WAY_COUNT; i++) {
        if (ways[i].when == WITH_SPARE_CPU && (spare_cpus() < 2 || (cpu > 0 && cpu < 100)))
            continue;
        if (ways[i].when == WHERE_FRAMES_MEET &&
            trial->alone_ns * arguments->rate_hz / 1e9 < PERIOD_SHARE)
            continue;
        chosen |= 1u << i;
    }
    return chosen;
}

/* Those of `chosen` that can run here. */
static enum status ways_runnable(const struct choose_arguments *arguments, unsigned chosen,
                                 unsigned *runnable, struct err *err)
{
    struct scenario *scenario = NULL;
    enum status status = scenario_of(arguments, chosen, 1, FRAMES_MIN, WARMUP, &scenario, err);
    size_t cell = 0;
    *runnable = 0;
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < WAY_COUNT; i++) {
        if (!(chosen & (1u << i)) || cell == scenario->cell_count)
            continue;
        *runnable |= scenario->cells[cell++].runnable == ST_OK ? 1u << i : 0;
    }
    if (*runnable == 0)
        status = err_set(err, ST_UNAVAILABLE, scenario->cells[0].hint, "choose: %s",
                         scenario->cells[0].reason);
    scenario_free(scenario);
    return status;
}

/* Without the ways whose `drop` is above the given one; those that cannot run cost nothing. */
static unsigned ways_kept(unsigned chosen, unsigned drop_above)
{
    unsigned kept = 0;
    for (size_t i = 0; i < WAY_COUNT; i++)
        if (chosen & (1u << i) && ways[i].drop <= drop_above)
            kept |= 1u << i;
    return kept;
}

/* In this order: all with ten launches; without the least likely ones; with five. */
static bool plan_fit(const struct choose_arguments *arguments, const struct choose_trial *trial,
                     unsigned runnable, double seconds, struct choose_plan *plan)
{
    static const struct {
        uint32_t launches;
        unsigned drop_above;
    } tries[] = {{STATS_LAUNCHES_MIN, 7},
                 {STATS_LAUNCHES_MIN, 6},
                 {STATS_LAUNCHES_MIN, 5},
                 {LAUNCHES_FEW, 7},
                 {LAUNCHES_FEW, 6},
                 {LAUNCHES_FEW, 5},
                 {LAUNCHES_FEW, 4},
                 {LAUNCHES_FEW, 3},
                 {LAUNCHES_FEW, 2},
                 {LAUNCHES_FEW, 1},
                 {1, 2}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        plan->launches = arguments->launches ? (uint32_t)arguments->launches : tries[i].launches;
        plan->ways = ways_kept(runnable, tries[i].drop_above);
        plan->frames = plan_frames(arguments, trial, plan, seconds);
        if (plan->frames > 0)
            return true;
    }
    return false;
}

enum status choose_plan_make(const struct choose_arguments *arguments,
                             const struct choose_trial *trial, double seconds,
                             struct choose_plan *plan, struct err *err)
{
    unsigned runnable;
    const unsigned sensible = ways_sensible(arguments, trial);
    struct choose_plan made = {.warmup = WARMUP};
    enum status status = ways_runnable(arguments, sensible, &runnable, err);
    if (status != ST_OK)
        return status;
    if (!plan_fit(arguments, trial, runnable, seconds, &made)) {
        /* Too slow for any of it: the least there is, however long it takes. */
        made.frames = FRAMES_MIN;
        const double slow = trial->alone_ns * arguments->rate_hz / 1e9;
        if (slow > 1)
            made.frames = (uint32_t)fmin(20000, ceil(FRAMES_MIN * slow));
    }
    made.seconds = plan_seconds(arguments, trial, &made);
    for (size_t i = 0; i < WAY_COUNT; i++)
        made.count += (made.ways >> i) & 1;
    for (size_t i = 0; i < WAY_COUNT; i++)
        made.left_out += ((runnable & ~made.ways) >> i) & 1;
    /* What cannot run costs nothing, and the reader wants to know why. */
    made.ways |= sensible & ~runnable;
    *plan = made;
    return ST_OK;
}

enum status choose_scenario_make(const struct choose_arguments *arguments,
                                 const struct choose_plan *plan, struct scenario **scenario,
                                 struct err *err)
{
    struct scenario *made = NULL;
    enum status status =
        plan ? scenario_of(arguments, plan->ways, plan->launches, plan->frames, plan->warmup, &made,
                           err)
             : scenario_of(arguments, 1, 1, trial_frames(arguments), WARMUP, &made, err);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < made->cell_count; i++) {
        if (made->cells[i].runnable != ST_OK)
            continue;
        *scenario = made;
        return ST_OK;
    }
    status = err_set(err, ST_UNAVAILABLE, made->cells[0].hint, "choose: %s", made->cells[0].reason);
    scenario_free(made);
    return status;
}
