/* runner_steps.c: launches one by one, as somebody else orders them. See runner_parts.h, and
 * steps.h for what is said. */
#include <stdio.h>

#include "harness/run/mps.h"
#include "harness/run/roudi.h"
#include "harness/run/runner_parts.h"
#include "harness/run/steps.h"

static void runner_tell_plan(const struct plan *plan)
{
    uint32_t launches = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].result.launches_planned > launches)
            launches = plan->cells[i].result.launches_planned;
    steps_say("ready %zu %u", plan->cell_count, launches);
    for (size_t i = 0; i < plan->cell_count; i++)
        steps_say("cell %zu %u %s", i, plan->cells[i].result.launches_planned,
                  plan->cells[i].cell.id);
}

static enum status runner_step(struct runner *runner, struct plan_launch ordered, uint32_t order,
                               struct err *err)
{
    const struct plan *plan = &runner->plan;
    if (ordered.cell >= plan->cell_count ||
        ordered.launch >= plan->cells[ordered.cell].result.launches_planned)
        return err_set(err, ST_INVALID, "\"cell INDEX LAUNCHES ID\" says what there is",
                       "--steps: there is no launch %u of cell %u", ordered.launch, ordered.cell);
    const struct plan_cell *cell = &plan->cells[ordered.cell];
    struct runner_line line = {.runner = runner, .index = order + 1, .count = order + 1};
    struct err verdict;
    snprintf(line.label, sizeof line.label, "%s", cell->cell.id);
    progress_step(&runner->progress, "launch", line.index, line.count, line.label,
                  plan_launch_expected_ns(cell, runner->options->scenario));
    enum status status = runner_launch(runner, ordered, order, &line, &verdict, err);
    if (status != ST_OK)
        return status;
    /* Until the next order the machine belongs to others: no daemon of ours stays on it. */
    mps_stop(&runner->guard);
    roudi_stop(&runner->guard);
    steps_answer(verdict.status == ST_OK ? NULL : verdict.what);
    return ST_OK;
}

enum status runner_step_all(struct runner *runner, struct err *err)
{
    progress_begin(&runner->progress, runner->options->quiet, 0);
    runner_tell_plan(&runner->plan);
    for (uint32_t order = 0;; order++) {
        struct plan_launch ordered;
        enum status status = steps_next(runner->signal_fd, &ordered.cell, &ordered.launch, err);
        if (status == ST_OK)
            status = runner_step(runner, ordered, order, err);
        if (status == ST_INTERRUPTED && !runner_stop_wanted(runner))
            return ST_OK; /* the end of the orders is the end of the run */
        if (status != ST_OK)
            return status;
    }
}
