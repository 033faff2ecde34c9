/* runner_launch.c: the launches of a run, one after the other. See runner_parts.h. */
#include <stdio.h>

#include "harness/base/json.h"
#include "harness/run/runner_parts.h"
#include "harness/run/search_launch.h"
#include "harness/run/session.h"

/* Numbers the cells that run, so that progress can say "cell n of m". */
static uint32_t runner_runnable_rank(const struct plan *plan, size_t index, uint32_t *count)
{
    uint32_t rank = 0;
    *count = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (plan->cells[i].result.launches_planned == 0)
            continue;
        (*count)++;
        if (i <= index)
            rank = *count;
    }
    return rank;
}

/* A launch of a search goes on for as long as ten others: each rate is shown. */
static void runner_tell_step(void *context, const struct search_step *step)
{
    const struct runner_line *line = context;
    char label[sizeof line->label + 48];
    snprintf(label, sizeof label, "%s  trying %.6g frames/s", line->label, step->rate_hz);
    progress_step(&line->runner->progress, "launch", line->index, line->count, label,
                  line->step_ns);
}

enum status runner_launch(struct runner *runner, struct plan_launch planned, uint32_t order,
                          struct runner_line *line, struct err *verdict, struct err *err)
{
    const struct plan_cell *cell = &runner->plan.cells[planned.cell];
    const struct runner_options *options = runner->options;
    uint64_t expected_ns = plan_launch_most_ns(cell, options->scenario);
    const struct session_request request = {
        .cell = &cell->cell,
        .launch = planned.launch,
        .order = order,
        .frames = cell->result.frames,
        .warmup = cell->result.warmup,
        .seed = plan_launch_seed(&runner->plan, planned.launch),
        .cpus = cell->cpus,
        .expected_ns = expected_ns,
        .clock = &runner->clock,
        .guard = &runner->guard,
        .signal_fd = runner->signal_fd,
        .peer = runner->peer,
    };
    const struct search_launch search_launch = {
        .request = &request,
        .launch_seconds = options->scenario->blocks[cell->cell.block_index].launch_seconds,
        .tell = runner_tell_step,
        .context = line,
    };
    struct search search;
    struct launch_outcome outcome;
    enum status status =
        cell->cell.pacing == PACING_SEARCH
            ? search_launch_run(&search_launch, &search, runner->fold, &outcome, err)
            : session_run(&request, runner->fold, &outcome, err);
    if (status != ST_OK)
        return status;
    runner->role_died |= outcome.status == ST_ROLE_DIED;
    *verdict = (struct err){.status = ST_OK};
    (void)result_launch_verdict(&outcome, verdict);
    if (outcome.status != ST_OK && !options->silent) {
        progress_clear(&runner->progress);
        fprintf(stderr, "failed: %s, launch %u: %s\n", cell->cell.id, planned.launch + 1,
                outcome.reason);
    }
    return result_launch_write(options->out_dir, &cell->cell, &outcome, err);
}

static bool runner_launch_done(const struct runner *runner, size_t order)
{
    const struct plan_launch *planned = &runner->plan.launches[order];
    const struct plan_cell *cell = &runner->plan.cells[planned->cell];
    enum status ended;
    return runner->options->resume &&
           result_launch_exists(runner->options->out_dir, &cell->cell, planned->launch,
                                cell->result.frames, cell->result.warmup, &ended) &&
           ended == ST_OK;
}

/* What was measured stays; the rest is left for --resume. */
static enum status runner_give_peer_up(struct runner *runner, struct err *err)
{
    char text[PEER_HOST_BYTES + 160];
    snprintf(
        text, sizeof text,
        "%s was lost in %u launches in a row: the rest was not tried. When `handoff serve` runs "
        "there again, go on with --resume.",
        runner->peer->options.address.host, runner->peer->lost_in_a_row);
    progress_clear(&runner->progress);
    fprintf(stderr, "%s\n", text);
    return json_append(runner->warnings, cJSON_CreateString(text))
               ? ST_OK
               : err_set(err, ST_NO_MEMORY, NULL, "out of memory for a warning");
}

enum status runner_launch_all(struct runner *runner, struct err *err)
{
    const struct plan *plan = &runner->plan;
    uint64_t total_ns = 0;
    uint32_t missing = 0, index = 0;
    for (size_t i = 0; i < plan->launch_count; i++) {
        if (runner_launch_done(runner, i))
            continue;
        total_ns += plan_launch_expected_ns(&plan->cells[plan->launches[i].cell],
                                            runner->options->scenario);
        missing++;
    }
    progress_begin(&runner->progress, runner->options->quiet, total_ns);
    for (size_t i = 0; i < plan->launch_count; i++) {
        if (runner_stop_wanted(runner))
            return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
        if (runner_launch_done(runner, i))
            continue;
        if (runner->peer && runner->peer->lost_in_a_row >= PEER_LOST_MAX)
            return runner_give_peer_up(runner, err);
        const struct plan_cell *cell = &plan->cells[plan->launches[i].cell];
        struct runner_line line = {.runner = runner, .index = ++index, .count = missing};
        uint32_t cells;
        uint32_t rank = runner_runnable_rank(plan, plan->launches[i].cell, &cells);
        snprintf(line.label, sizeof line.label, "cell %u of %u  %s", rank, cells, cell->cell.id);
        uint64_t expected_ns = plan_launch_expected_ns(cell, runner->options->scenario);
        uint64_t done_ns = runner->progress.done_ns + expected_ns;
        if (cell->cell.pacing == PACING_SEARCH)
            line.step_ns = expected_ns / search_steps_max(&cell->cell);
        else
            progress_step(&runner->progress, "launch", index, missing, line.label, expected_ns);
        struct err verdict;
        enum status status =
            runner_launch(runner, plan->launches[i], (uint32_t)i, &line, &verdict, err);
        runner->progress.done_ns = done_ns;
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}
