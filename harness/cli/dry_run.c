/* dry_run.c: see dry_run.h. */
#include "harness/cli/dry_run.h"

#include <string.h>

#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/search.h"

static void dry_run_count_text(uint32_t given, uint32_t automatic, char *text, size_t size)
{
    if (given == automatic)
        snprintf(text, size, "pilot");
    else
        snprintf(text, size, "%u", given);
}

static void dry_run_print_cell(FILE *out, const struct plan_cell *cell, uint64_t launch_ns,
                               int id_columns)
{
    char frames[64], warmup[16], duration[32];
    if (cell->cell.runnable != ST_OK) {
        fprintf(out, "  %-*s  %s: %s\n", id_columns, cell->cell.id,
                cell->cell.runnable == ST_UNAVAILABLE ? "unavailable" : "not applicable",
                cell->cell.reason);
        if (cell->cell.hint[0])
            fprintf(out, "  %-*s  hint: %s\n", id_columns, "", cell->cell.hint);
        return;
    }
    dry_run_count_text(cell->cell.frames, 0, frames, sizeof frames);
    dry_run_count_text(cell->cell.warmup, UINT32_MAX, warmup, sizeof warmup);
    if (cell->cell.pacing == PACING_SEARCH) {
        snprintf(frames, sizeof frames, "up to %u rates of %u or more",
                 search_steps_max(&cell->cell),
                 search_step_frames(&cell->cell, 0, cell->cell.search.low_hz));
        snprintf(warmup, sizeof warmup, "%u", cell->result.warmup);
    }
    fprintf(
        out, "  %-*s  %s%u launches x %s frames, warm-up %s, about %s\n", id_columns, cell->cell.id,
        cell->cell.is_baseline ? "baseline: " : "", cell->result.launches_planned, frames, warmup,
        progress_duration(launch_ns * cell->result.launches_planned, duration, sizeof duration));
}

enum status dry_run_print(FILE *out, const struct scenario *scenario, struct err *err)
{
    struct plan plan;
    enum status status = plan_make(scenario, 0, &plan, err);
    if (status != ST_OK)
        return status;
    int id_columns = 0;
    for (size_t i = 0; i < plan.cell_count; i++) {
        int columns = (int)strlen(plan.cells[i].cell.id);
        id_columns = columns > id_columns ? columns : id_columns;
    }
    uint64_t total_ns = 0;
    size_t runnable = 0, launches = 0;
    bool pilots = false;
    uint32_t block = UINT32_MAX;
    for (size_t i = 0; i < plan.cell_count; i++) {
        const struct plan_cell *cell = &plan.cells[i];
        if (cell->cell.block_index != block) {
            block = cell->cell.block_index;
            fprintf(out, "%s%s: %s\n", i ? "\n" : "", scenario->blocks[block].name,
                    scenario->blocks[block].description);
        }
        uint64_t launch_ns = plan_launch_expected_ns(cell, scenario);
        dry_run_print_cell(out, cell, launch_ns, id_columns);
        if (cell->cell.runnable != ST_OK)
            continue;
        runnable++;
        pilots |= cell->cell.pacing != PACING_SEARCH &&
                  (cell->cell.frames == 0 || cell->cell.warmup == UINT32_MAX);
        launches += cell->result.launches_planned;
        total_ns += launch_ns * cell->result.launches_planned;
    }
    char duration[32];
    fprintf(out, "\n%zu of %zu cells can run here: %zu launches, about %s%s\n", runnable,
            plan.cell_count, launches, progress_duration(total_ns, duration, sizeof duration),
            pilots ? ", and the pilots before" : "");
    plan_free(&plan);
    return ST_OK;
}
