/* pilot.c: see pilot.h. */
#include "harness/run/pilot.h"

#include <stdio.h>
#include <string.h>

#include "harness/measure/stats.h"

/* A pilot at a fixed rate lasts about this long, within the bounds below. */
#define PILOT_SECONDS 0.3
#define PILOT_RATE_FRAMES_MAX 400
#define PILOT_SLOW_HZ 10.0
#define PILOT_SLOW_FRAMES 3
/* The others try few frames first, then as many as fill this time. */
#define PILOT_FIRST_FRAMES 16
#define PILOT_TARGET_NS 60000000.0
#define PILOT_SECOND_FRAMES_MAX 20000

static bool pilot_wanted(const struct plan_cell *cell)
{
    return cell->cell.runnable == ST_OK && cell->cell.pacing != PACING_SEARCH &&
           !cell->cell.is_baseline && (cell->cell.frames == 0 || cell->cell.warmup == UINT32_MAX);
}

static uint32_t pilot_clamp(double frames, uint32_t low, uint32_t high)
{
    return frames <= low ? low : frames >= high ? high : (uint32_t)frames;
}

/* One short launch; fills cell->frame_ns and the warm-up it saw, or the failure. */
static enum status pilot_launch(const struct pilot_context *context, const struct plan *plan,
                                struct plan_cell *cell, uint32_t frames, struct fold *fold,
                                struct err *err)
{
    const struct session_request request = {
        .cell = &cell->cell,
        .frames = frames,
        .warmup = 1,
        .seed = plan_launch_seed(plan, 0),
        .cpus = cell->cpus,
        .clock = context->clock,
        .guard = context->guard,
        .signal_fd = context->signal_fd,
        .peer = context->peer,
        .expected_ns = (uint64_t)(frames + 1) * cell->frame_ns, /* 0 where there is no rate */
    };
    struct launch_outcome outcome;
    enum status status = session_run(&request, fold, &outcome, err);
    if (status != ST_OK)
        return status;
    if (outcome.status != ST_OK) {
        *context->role_died |= outcome.status == ST_ROLE_DIED;
        snprintf(cell->result.failure, sizeof cell->result.failure, "in the pilot: %.*s",
                 (int)sizeof cell->result.failure - 16, outcome.reason);
        snprintf(cell->result.failure_hint, sizeof cell->result.failure_hint, "%s", outcome.hint);
        cell->result.launches_planned = 0;
        return ST_OK;
    }
    if (!cell_has_schedule(&cell->cell) && fold->finished_frames > 0)
        cell->frame_ns = fold->window_ns / fold->finished_frames + 1;
    uint32_t warmup = stats_warmup(fold->latencies_ns, fold->latency_count);
    if (cell->cell.warmup == UINT32_MAX)
        cell->result.warmup = warmup;
    return ST_OK;
}

static enum status pilot_cell(const struct pilot_context *context, const struct plan *plan,
                              struct plan_cell *cell, struct fold *fold, struct err *err)
{
    if (cell_has_schedule(&cell->cell)) {
        double frames = PILOT_SECONDS * cell->cell.rate_hz;
        /* A pilot of a slow rate is short: twelve frames of one in ten seconds are two minutes. */
        uint32_t frames_min =
            cell->cell.rate_hz < PILOT_SLOW_HZ ? PILOT_SLOW_FRAMES : PILOT_FRAMES_MIN;
        return pilot_launch(context, plan, cell,
                            pilot_clamp(frames, frames_min, PILOT_RATE_FRAMES_MAX), fold, err);
    }
    enum status status = pilot_launch(context, plan, cell, PILOT_FIRST_FRAMES, fold, err);
    if (status != ST_OK || cell->result.failure[0])
        return status;
    double fitting = PILOT_TARGET_NS / (double)cell->frame_ns;
    if (fitting < 2 * PILOT_FIRST_FRAMES)
        return ST_OK;
    return pilot_launch(context, plan, cell,
                        pilot_clamp(fitting, PILOT_FIRST_FRAMES, PILOT_SECOND_FRAMES_MAX), fold,
                        err);
}

/* Whether two cells are sides of one comparison: of one block, and equal in every axis but the
 * compared one. Waits belong to transports, so comparing transports also compares their waits. */
static bool pilot_same_group(const struct scenario *scenario, const struct cell *a,
                             const struct cell *b)
{
    if (a->block_index != b->block_index)
        return false;
    const char *compare = scenario->blocks[a->block_index].compare;
    const bool transports = strcmp(compare, "transport") == 0;
    for (size_t i = 0; i < cell_axis_count(); i++) {
        const char *axis = cell_axis_name(i);
        char left[CELL_AXIS_BYTES], right[CELL_AXIS_BYTES];
        if (!cell_axis_in_id(i) || strcmp(axis, compare) == 0 ||
            (transports && strcmp(axis, "wait") == 0))
            continue;
        if (strcmp(cell_axis_format(a, i, left, sizeof left),
                   cell_axis_format(b, i, right, sizeof right)) != 0)
            return false;
    }
    return true;
}

/* The same counts for all sides: as many frames as the slowest fits into the block's
 * launch_seconds, and the longest warm-up any side needed. */
static void pilot_decide(const struct scenario *scenario, struct plan *plan, size_t index)
{
    struct plan_cell *cell = &plan->cells[index];
    uint64_t slowest_ns = cell->frame_ns;
    uint32_t warmup = cell->result.warmup;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *other = &plan->cells[i];
        if (!pilot_wanted(other) || other->result.failure[0] ||
            !pilot_same_group(scenario, &cell->cell, &other->cell))
            continue;
        slowest_ns = other->frame_ns > slowest_ns ? other->frame_ns : slowest_ns;
        warmup = other->result.warmup > warmup ? other->result.warmup : warmup;
    }
    const struct block *block = &scenario->blocks[cell->cell.block_index];
    if (cell->cell.frames == 0)
        cell->result.frames =
            pilot_clamp(block->launch_seconds * 1e9 / (double)(slowest_ns ? slowest_ns : 1),
                        PILOT_FRAMES_MIN, PILOT_FRAMES_MAX);
    /* Never more warm-up than counted frames: it is there to serve them. */
    if (cell->cell.warmup == UINT32_MAX)
        cell->result.warmup = warmup < cell->result.frames ? warmup : cell->result.frames;
}

enum status pilot_run(const struct pilot_context *context, struct plan *plan, struct err *err)
{
    struct fold *fold = fold_new();
    if (!fold)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for histograms");
    uint32_t wanted = 0, index = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        wanted += pilot_wanted(&plan->cells[i]);
    enum status status = ST_OK;
    for (size_t i = 0; i < 2 * plan->cell_count && status == ST_OK; i++) {
        struct plan_cell *cell = &plan->cells[i % plan->cell_count];
        /* First those without MPS, so that its daemon starts once. */
        if (!pilot_wanted(cell) || plan_cell_shares_by_mps(cell) != (i >= plan->cell_count))
            continue;
        progress_step(context->progress, "pilot", ++index, wanted, cell->cell.id, 0);
        status = pilot_cell(context, plan, cell, fold, err);
        if (status != ST_OK)
            err_context(err, "pilot of %s", cell->cell.id);
    }
    fold_free(fold);
    /* Deciding twice for the same group gives the same: frames come from frame_ns, which deciding
     * does not change, and the longest warm-up stays the longest, or all are cut to `frames`. */
    for (size_t i = 0; i < plan->cell_count && status == ST_OK; i++)
        if (pilot_wanted(&plan->cells[i]) && plan->cells[i].result.failure[0] == 0)
            pilot_decide(context->scenario, plan, i);
    if (status == ST_OK)
        plan_baseline_counts(plan);
    return status;
}
