/* dry_run.c: see dry_run.h. */
#include "harness/cli/dry_run.h"

#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/floor.h"
#include "harness/measure/gaps.h"
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
    const char *plural = launches == 1 ? "" : "es";
    if (cell->cell.pacing == PACING_SEARCH)
        snprintf(text, size, "%u launch%s x up to %u rates of %u or more frames", launches, plural,
                 search_steps_max(&cell->cell),
                 search_step_frames(&cell->cell, 0, cell->cell.search.low_hz));
    else if (cell->cell.frames == 0)
        snprintf(text, size, "%u launch%s, after a pilot", launches, plural);
    else
        snprintf(text, size, "%u launch%s x %u frames", launches, plural, cell->cell.frames);
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

/* ---- what it comes to ------------------------------------------------------------------------ */

struct dry_run_total {
    size_t runnable;
    size_t launches;
    uint64_t ns;
    bool floor;  /* is in `ns` */
    bool pilots; /* come before, and are not */
};

static struct dry_run_total dry_run_sum(const struct plan *plan, const struct scenario *scenario,
                                        bool floor)
{
    struct dry_run_total total = {0};
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        if (cell->cell.runnable != ST_OK)
            continue;
        total.runnable++;
        total.pilots |= cell->cell.pacing != PACING_SEARCH &&
                        (cell->cell.frames == 0 || cell->cell.warmup == UINT32_MAX);
        total.launches += cell->result.launches_planned;
        total.ns += plan_launch_expected_ns(cell, scenario) * cell->result.launches_planned;
    }
    total.floor = floor && total.runnable > 0;
    total.ns += total.floor ? FLOOR_BUDGET_NS + GAPS_WINDOW_NS : 0;
    return total;
}

/* "3 of 4 cells can run here: 30 launches, about 20 s with the floor". */
static void dry_run_print_total(const struct dry_run_total *total, size_t cells)
{
    char duration[32];
    printf("\n%zu of %zu cells can run here: %zu launch%s, about %s%s%s%s\n", total->runnable,
           cells, total->launches, total->launches == 1 ? "" : "es",
           progress_duration(total->ns, duration, sizeof duration),
           total->floor ? " with the floor" : "", total->floor && total->pilots ? "," : "",
           total->pilots ? " and the pilots before" : "");
}

/* ---- as a table, for programs, and for a summary --------------------------------------------- */

static void dry_run_print_table(const struct plan *plan, const struct scenario *scenario)
{
    size_t id_columns = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        size_t columns = strlen(plan->cells[i].cell.id);
        if (columns > id_columns && columns <= ID_COLUMNS_MAX)
            id_columns = columns;
    }
    uint32_t block = UINT32_MAX;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        if (cell->cell.block_index != block) {
            block = cell->cell.block_index;
            fputs(i ? "\n" : "", stdout);
            dry_run_print_block(stdout, &scenario->blocks[block]);
        }
        dry_run_print_cell(stdout, cell, plan_launch_expected_ns(cell, scenario), id_columns);
    }
}

static const char *dry_run_status(const struct cell *cell)
{
    if (cell->runnable == ST_OK)
        return "ok";
    return cell->runnable == ST_UNAVAILABLE ? "unavailable" : "not_applicable";
}

static bool dry_run_add_cell(cJSON *array, const struct plan_cell *cell,
                             const struct scenario *scenario)
{
    const bool runs = cell->cell.runnable == ST_OK;
    const uint64_t launches = runs ? cell->result.launches_planned : 0;
    cJSON *entry = cJSON_CreateObject();
    return json_append(array, entry) && json_add_string(entry, "id", cell->cell.id) &&
           json_add_string(entry, "block", scenario->blocks[cell->cell.block_index].name) &&
           json_add_string(entry, "status", dry_run_status(&cell->cell)) &&
           json_add_string(entry, "reason", cell->cell.reason) &&
           json_add_string(entry, "hint", cell->cell.hint) &&
           json_add_bool(entry, "baseline", cell->cell.is_baseline) &&
           json_add_u64(entry, "launches", launches) &&
           (cell->cell.frames ? json_add_u64(entry, "frames", cell->cell.frames)
                              : json_add(entry, "frames", cJSON_CreateNull())) &&
           json_add_u64(entry, "expected_ns",
                        launches * (runs ? plan_launch_expected_ns(cell, scenario) : 0));
}

static cJSON *dry_run_json(const struct plan *plan, const struct scenario *scenario,
                           const struct dry_run_total *total)
{
    cJSON *json = cJSON_CreateObject(), *cells = cJSON_CreateArray();
    bool ok = json_add_string(json, "scenario", scenario->name) && json_add(json, "cells", cells) &&
              json_add_u64(json, "cells_runnable", total->runnable) &&
              json_add_u64(json, "launches", total->launches) &&
              json_add_u64(json, "expected_ns", total->ns) &&
              json_add_bool(json, "pilots_before", total->pilots);
    for (size_t i = 0; ok && i < plan->cell_count; i++)
        ok = dry_run_add_cell(cells, &plan->cells[i], scenario);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

static void dry_run_print_markdown(const cJSON *json)
{
    static const struct cli_markdown_column columns[] = {
        {"cell", "id"},           {"block", "block"},   {"here", "status"},
        {"launches", "launches"}, {"reason", "reason"},
    };
    cli_print_markdown_table(stdout, json_get(json, "cells"), columns,
                             sizeof columns / sizeof columns[0]);
}

enum status dry_run_print(const struct scenario *scenario, bool floor, enum cli_format format,
                          struct err *err)
{
    struct plan plan;
    enum status status = plan_make(scenario, 0, &plan, err);
    if (status != ST_OK)
        return status;
    const struct dry_run_total total = dry_run_sum(&plan, scenario, floor);
    cJSON *json = format == CLI_FORMAT_TABLE ? NULL : dry_run_json(&plan, scenario, &total);
    if (format == CLI_FORMAT_TABLE)
        dry_run_print_table(&plan, scenario);
    else if (!json)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the cells");
    else if (format == CLI_FORMAT_JSON)
        status = cli_print_json(stdout, json, err);
    else
        dry_run_print_markdown(json);
    if (status == ST_OK && format != CLI_FORMAT_JSON)
        dry_run_print_total(&total, plan.cell_count);
    cJSON_Delete(json);
    plan_free(&plan);
    return status;
}
