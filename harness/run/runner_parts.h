/* runner_parts.h: the inside of runner*.c: a run on its way, its launches, and what is written of
 * it.
 */
#ifndef HANDOFF_RUN_RUNNER_PARTS_H
#define HANDOFF_RUN_RUNNER_PARTS_H

#include <signal.h>

#include "harness/run/guard.h"
#include "harness/run/peer.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/runner.h"

struct runner {
    const struct runner_options *options;
    struct plan plan;
    struct guard guard;
    struct progress progress;
    struct clock_choice clock;
    int signal_fd;
    sigset_t signals_before;
    cJSON *floor; /* NULL: none */
    cJSON *environment_before;
    cJSON *environment_after;
    cJSON *warnings;
    struct fold *fold;
    struct peer *peer; /* NULL, or &peer_made */
    struct peer peer_made;
    char started_utc[RESULT_UTC_BYTES];
    uint64_t started_ns;
    bool interrupted;
    bool role_died;
};

/* What the progress line says of the launch that runs. */
struct runner_line {
    struct runner *runner;
    uint32_t index, count;
    uint64_t step_ns; /* of a search: what one step should take */
    char label[CELL_ID_BYTES + 64];
};

/* Whether a signal asks the run to stop. */
bool runner_stop_wanted(const struct runner *runner);

/* ---- runner_launch.c ------------------------------------------------------------------------- */

/* Runs one launch and writes its file. `order` is its number within the run. `verdict` gets ST_OK,
 * or why the launch failed. ST_INTERRUPTED, or an error of the runner's own. */
enum status runner_launch(struct runner *runner, struct plan_launch planned, uint32_t order,
                          struct runner_line *line, struct err *verdict, struct err *err);
/* All launches of the plan in its order, less those that --resume finds done. */
enum status runner_launch_all(struct runner *runner, struct err *err);

/* ---- runner_steps.c -------------------------------------------------------------------------- */

/* The launches that are ordered on standard input, until its end. */
enum status runner_step_all(struct runner *runner, struct err *err);

/* ---- runner_result.c ------------------------------------------------------------------------- */

/* Assembles DIR/result.json from what the run knows and its launches. */
enum status runner_write_result(struct runner *runner, struct runner_outcome *outcome,
                                struct err *err);

#endif
