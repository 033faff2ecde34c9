/* dry_run.c: see dry_run.h. */
#include "harness/cli/dry_run.h"

#include <string.h>

#include "harness/measure/floor.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/search.h"

/* Ids that are longer have what is said of them on the next line, as has a cell that cannot run. */
#define ID_COLUMNS_MAX 56
#define INDENT 2

/* "10 launches x 380 frames", or what is to be found first. */
static void dry_run_counts(const struct plan_cell *cell, char *text, size_t size)
{
    unsigned launches = cell->result.launches_planned;
    if (cell->cell.pacing == PACING_SEARCH)
        snprintf(text, size, "%u launches x up to %u rates of %u or more frames", launches,
                 search_steps_max(&cell->cell),
                 search_step_frames(&cell->cell, 0, cell->cell.search.low_hz));
    else if (cell->cell.frames == 0)
        snprintf(text, size, "%u launches, after a pilot", launches);
    else
        snprintf(text, size, "%u launches x %u frames", launches, cell->cell.frames);
}

static void dry_run_print_cell(FILE *out, const struct plan_cell *cell, uint64_t launch_ns,
                               size_t id_columns)
{
    char text[sizeof cell->cell.reason + 64], counts[128], duration[32];
    size_t used = INDENT + strlen(cell->cell.id), column = INDENT + id_columns + 2;
    fprintf(out, "  %s", cell->cell.id);
    if (used + 2 > column || cell->cell.runnable != ST_OK) {
        column = 3 * INDENT;
        fputc('\n', out);
        used = 0;
    }
    fprintf(out, "%*s", (int)(column - used), "");
    if (cell->cell.runnable != ST_OK) {
        snprintf(text, sizeof text, "%s: %s",
                 cell->cell.runnable == ST_UNAVAILABLE ? "unavailable" : "not applicable",
                 cell->cell.reason);
        wrap_print(out, text, column, column + 2);
        if (!cell->cell.hint[0])
            return;
        fprintf(out, "%*shint: ", (int)column, "");
        wrap_print(out, cell->cell.hint, column + strlen("hint: "), column + 2);
        return;
    }
    dry_run_counts(cell, counts, sizeof counts);
    snprintf(
        text, sizeof text, "%s%s, about %s", cell->cell.is_baseline ? "baseline: " : "", counts,
        progress_duration(launch_ns * cell->result.launches_planned, duration, sizeof duration));
    wrap_print(out, text, column, column + 2);
}

static void dry_run_print_block(FILE *out, const struct block *block)
{
    fputs(block->name, out);
    if (!block->description[0]) {
        fputc('\n', out);
        return;
    }
    fputs(": ", out);
    wrap_print(out, block->description, text_width(block->name) + 2, INDENT);
}

enum status dry_run_print(FILE *out, const struct scenario *scenario, bool floor, struct err *err)
{
    struct plan plan;
    enum status status = plan_make(scenario, 0, &plan, err);
    if (status != ST_OK)
        return status;
    size_t id_columns = 0;
    for (size_t i = 0; i < plan.cell_count; i++) {
        size_t columns = strlen(plan.cells[i].cell.id);
        if (columns > id_columns && columns <= ID_COLUMNS_MAX)
            id_columns = columns;
    }
    uint64_t total_ns = 0;
    size_t runnable = 0, launches = 0;
    bool pilots = false;
    uint32_t block = UINT32_MAX;
    for (size_t i = 0; i < plan.cell_count; i++) {
        const struct plan_cell *cell = &plan.cells[i];
        if (cell->cell.block_index != block) {
            block = cell->cell.block_index;
            fputs(i ? "\n" : "", out);
            dry_run_print_block(out, &scenario->blocks[block]);
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
    bool with_floor = floor && runnable > 0;
    total_ns += with_floor ? FLOOR_BUDGET_NS : 0;
    fprintf(out, "\n%zu of %zu cells can run here: %zu launches, about %s%s%s%s\n", runnable,
            plan.cell_count, launches, progress_duration(total_ns, duration, sizeof duration),
            with_floor ? " with the floor" : "", with_floor && pilots ? "," : "",
            pilots ? " and the pilots before" : "");
    plan_free(&plan);
    return ST_OK;
}
