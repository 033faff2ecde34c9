/* search_launch.c: see search_launch.h. */
#include "harness/run/search_launch.h"

#include <math.h>
#include <stdio.h>

#include "harness/measure/stats.h"
#include "harness/run/fault.h"

/* What a step may take beyond twice its schedule: a rate whose frames are later than that is too
 * high, and the next step is waiting. */
#define SEARCH_SLACK_NS 2000000000u

struct search_work {
    const struct search_launch *launch;
    uint64_t bound_ns;
    uint32_t step_count;
    struct fold *fold;  /* of the outcome below */
    struct fold *trial; /* of the step that runs */
    struct launch_outcome outcome;
};

/* The outcome goes on to be this step's. */
static void search_keep(struct search_work *work, const struct launch_outcome *outcome)
{
    work->outcome = *outcome;
    if (!outcome->fold)
        return;
    struct fold kept = *work->fold;
    *work->fold = *work->trial;
    *work->trial = kept;
    work->outcome.fold = work->fold;
}

void search_judge(const struct fold *fold, uint64_t bound_ns, struct search_step *step)
{
    const uint64_t unfinished = fold->sent_frames - fold->finished_frames;
    const uint64_t skipped = fold->integrity.skipped;
    stats_launch_quantile(fold->intervals[INTERVAL_response], fold->infinite[INTERVAL_response],
                          STATS_P99, &step->p99_ns);
    step->dropped = skipped > unfinished ? skipped : unfinished;
    step->verdict = SEARCH_MISSED;
    if (step->dropped > 0) {
        snprintf(step->reason, sizeof step->reason, "%llu of %llu frames were dropped",
                 (unsigned long long)step->dropped, (unsigned long long)fold->sent_frames);
    } else if (!(step->p99_ns <= (double)bound_ns)) {
        double pacing_ns = NAN;
        stats_launch_quantile(fold->intervals[INTERVAL_pacing], 0, STATS_P99, &pacing_ns);
        snprintf(step->reason, sizeof step->reason,
                 "the p99 of response is %.1f us, above the bound of %.0f us (that of pacing: "
                 "%.1f us)",
                 step->p99_ns / 1e3, (double)bound_ns / 1e3, pacing_ns / 1e3);
    } else {
        step->verdict = SEARCH_PASSED;
    }
}

static enum status search_session(void *context, struct search_step *step, struct err *err)
{
    struct search_work *work = context;
    const struct search_launch *launch = work->launch;
    struct cell cell = *launch->request->cell;
    cell.pacing = PACING_RATE;
    cell.rate_hz = step->rate_hz;
    struct session_request request = *launch->request;
    request.cell = &cell;
    request.frames =
        search_step_frames(launch->request->cell, launch->launch_seconds, step->rate_hz);
    /* Steps differ in their schedules and frames, as launches do. */
    request.seed = (request.seed + (++work->step_count) * UINT64_C(0x9e3779b97f4a7)) &
                   ((UINT64_C(1) << 53) - 1);
    request.expected_ns = (uint64_t)((request.frames + request.warmup) * 1e9 / step->rate_hz);
    request.limit_ns = 2 * request.expected_ns + work->bound_ns + FAULT_SLACK_NS(SEARCH_SLACK_NS);
    if (launch->tell)
        launch->tell(launch->context, step);
    struct launch_outcome outcome;
    enum status status = session_run(&request, work->trial, &outcome, err);
    if (status != ST_OK)
        return status;
    if (outcome.status == ST_OK) {
        search_judge(work->trial, work->bound_ns, step);
    } else {
        step->verdict = outcome.status == ST_TIMEOUT ? SEARCH_MISSED : SEARCH_BROKEN;
        snprintf(step->reason, sizeof step->reason, "%.*s", (int)sizeof step->reason - 1,
                 outcome.reason);
    }
    /* The lowest rate's is kept whatever it says: there is nothing else to show if it missed. */
    if (step->verdict != SEARCH_MISSED || work->step_count == 1)
        search_keep(work, &outcome);
    return ST_OK;
}

/* Makes the outcome a failure that says at which rate, and why. */
static void search_explain(const struct search *search, struct launch_outcome *outcome)
{
    const struct search_step *last = &search->steps[search->step_count - 1];
    if (last->verdict == SEARCH_BROKEN) {
        char reason[sizeof outcome->reason];
        snprintf(reason, sizeof reason, "%s", outcome->reason);
        snprintf(outcome->reason, sizeof outcome->reason, "at %.6g frames/s: %.*s", last->rate_hz,
                 (int)sizeof outcome->reason - 40, reason);
        return;
    }
    if (search->rate_hz > 0.0)
        return;
    snprintf(outcome->reason, sizeof outcome->reason, "at the lowest rate, %.6g frames/s: %s",
             last->rate_hz, last->reason);
    if (outcome->status != ST_OK)
        return; /* with its own hint */
    outcome->status = ST_UNAVAILABLE;
    snprintf(outcome->hint, sizeof outcome->hint,
             "look from a lower rate, or raise response_p99_us; timer_slack_ns 1 and idle_latency "
             "held make the pacer sharper");
}

enum status search_launch_run(const struct search_launch *launch, struct search *search,
                              struct fold *fold, struct launch_outcome *outcome, struct err *err)
{
    struct search made = search_of_cell(launch->request->cell);
    struct search_work work = {
        .launch = launch, .bound_ns = made.bound_ns, .fold = fold, .trial = fold_new()};
    if (!work.trial)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for histograms");
    enum status status = search_run(&made, search_session, &work, err);
    if (status == ST_OK) {
        search_explain(&made, &work.outcome);
        work.outcome.frames = launch->request->frames;
        *search = made;
        *outcome = work.outcome;
        outcome->search = search;
    }
    fold_free(work.trial);
    return status;
}
