/* pilot.h: how many frames a launch of each cell has, and how many of them warm up.
 *
 * Called once by the runner, before the first counted launch. Counts are fixed for the whole run
 * and the same for all cells of a block that differ only in what the block compares.
 */
#ifndef HANDOFF_RUN_PILOT_H
#define HANDOFF_RUN_PILOT_H

#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/session.h"

/* Bounds on the frames a pilot may choose. */
#define PILOT_FRAMES_MIN 12
#define PILOT_FRAMES_MAX 200000

/* What every session of a run has in common. */
struct pilot_context {
    const struct scenario *scenario;
    struct guard *guard;
    int signal_fd;
    const struct clock_choice *clock;
    struct progress *progress;
    struct peer *peer; /* NULL: all on this host */
    bool *role_died;   /* set when a role process died in a pilot */
};

/* Runs a short launch of every cell whose counts are not given and sets them in the plan. A cell
 * whose pilot fails is marked failed with the reason and has no launches. ST_INTERRUPTED, or an
 * error of the runner's own. */
enum status pilot_run(const struct pilot_context *context, struct plan *plan, struct err *err);

#endif
