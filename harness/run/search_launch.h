/* search_launch.h: one launch of a cell with pacing search: a session for each step of search.h.
 * Called by the runner where other cells have session_run.
 */
#ifndef HANDOFF_RUN_SEARCH_LAUNCH_H
#define HANDOFF_RUN_SEARCH_LAUNCH_H

#include "harness/run/search.h"
#include "harness/run/session.h"

struct search_launch {
    const struct session_request *request; /* of the launch; `frames` is what the plan says */
    double launch_seconds;                 /* of the block */
    /* Told before each step; may be NULL. */
    void (*tell)(void *context, const struct search_step *step);
    void *context;
};

/* What a session that ended in order says about its rate: p99, dropped, verdict and reason. Without
 * frames enough for a p99 it misses. */
void search_judge(const struct fold *fold, uint64_t bound_ns, struct search_step *step);

/* Runs the launch: like session_run, and in *search what was tried. *outcome and `fold` are those
 * of the highest rate that passed, or of the step that says why there is none: then the outcome is
 * a failure with a reason that names the rate. A rate that cannot be kept (no end at its deadline)
 * is a step that missed; a role's death, torn frames or any other failure is the launch's. */
enum status search_launch_run(const struct search_launch *launch, struct search *search,
                              struct fold *fold, struct launch_outcome *outcome, struct err *err);

#endif
