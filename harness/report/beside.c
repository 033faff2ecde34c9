/* beside.c: matches the cells of several results and sets their figures beside one another. See
 * beside.h.
 */
#include "harness/report/beside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/beside_parts.h"
#include "harness/report/verdict.h"

/* ---- Rows ------------------------------------------------------------------------------------ */

/* The row of the cell: one of that id without a cell of this column yet, for an id may stand in
 * several blocks. Looks first where the last one was found: results tend to have one order. */
static struct beside_row *row_find(struct beside *beside, const char *id, size_t column,
                                   size_t *hint)
{
    for (size_t i = 0; i < beside->row_count; i++) {
        const size_t at = (*hint + i) % beside->row_count;
        struct beside_row *row = &beside->rows[at];
        if (!row->cells[column] && strcmp(row->id, id) == 0) {
            *hint = at + 1;
            return row;
        }
    }
    return NULL;
}

static bool rows_add_cell(struct beside *beside, const struct report_block *block,
                          const struct report_cell *cell, size_t column, size_t *hint)
{
    struct beside_row *row = row_find(beside, cell->id, column, hint);
    if (!row) {
        row = &beside->rows[beside->row_count];
        row->cells = calloc(beside->count, sizeof *row->cells);
        if (!row->cells)
            return false;
        beside->row_count++;
        row->id = cell->id;
        row->block = block->name;
        row->label = cell->label;
    }
    row->cells[column] = cell;
    return true;
}

static bool rows_make(struct beside *beside)
{
    size_t most = 0;
    for (size_t i = 0; i < beside->count; i++)
        for (size_t j = 0; j < beside->reports[i]->block_count; j++)
            most += beside->reports[i]->blocks[j].cell_count;
    beside->rows = calloc(most + 1, sizeof *beside->rows);
    if (!beside->rows)
        return false;
    for (size_t i = 0; i < beside->count; i++) {
        size_t hint = 0;
        for (size_t j = 0; j < beside->reports[i]->block_count; j++) {
            const struct report_block *block = &beside->reports[i]->blocks[j];
            for (size_t k = 0; k < block->cell_count; k++)
                if (!rows_add_cell(beside, block, &block->cells[k], i, &hint))
                    return false;
        }
    }
    return true;
}

/* ---- Figures --------------------------------------------------------------------------------- */

/* One launch each, in the unit of the gate times gate_scale(). */
struct launches {
    double *values;
    size_t count;
};

/* False when out of memory. The caller frees launches->values. */
static bool launches_read(const struct report_cell *cell, const struct gate *gate,
                          struct launches *launches)
{
    const cJSON *launch, *list = cell ? json_get(cell->json, "launches") : NULL;
    *launches = (struct launches){.count = 0};
    if (!cell || !cell->ok || !cJSON_IsArray(list))
        return true;
    launches->values = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *launches->values);
    if (!launches->values)
        return false;
    cJSON_ArrayForEach (launch, list) {
        double value = gate_launch_value(gate, launch);
        if (!isnan(value) && value >= 0 && (isinf(value) || value < 1e18))
            launches->values[launches->count++] = value * gate_scale(gate);
    }
    return true;
}

static struct figure launches_figure(const struct launches *launches, const struct gate *gate)
{
    struct figure figure = {FIGURE_ABSENT, NAN, NAN, NAN, SPREAD_NONE, 0};
    struct stats_estimate estimate = gate->kind == GATE_CPU_PERCENT
                                         ? stats_estimate_linear(launches->values, launches->count)
                                         : stats_estimate_log(launches->values, launches->count);
    if (launches->count == 0)
        return figure;
    figure.state = isinf(estimate.value) ? FIGURE_INFINITE : FIGURE_KNOWN;
    figure.value = estimate.value / gate_scale(gate);
    figure.low = estimate.low / gate_scale(gate);
    figure.high = estimate.high / gate_scale(gate);
    figure.spread = estimate.spread == STATS_SPREAD_CI95 ? SPREAD_CI95 : SPREAD_RANGE;
    figure.launches = (int)launches->count;
    return figure;
}

/* The clock that shows the least of the times that are compared. */
static double tick_ns(const struct beside *beside)
{
    double tick = 0;
    for (size_t i = 0; i < beside->count; i++)
        if (beside->reports[i]->tick_ns > tick && isfinite(beside->reports[i]->tick_ns))
            tick = beside->reports[i]->tick_ns;
    return tick;
}

/* The ratio that is no difference yet; any where the first column lacks the cell. */
static double line_margin(const struct beside *beside, const struct beside_row *row,
                          const struct beside_line *line)
{
    const double base = line->values[0].figure.value;
    return row->cells[0] && isfinite(base)
               ? verdict_margin(line->gate, row->cells[0], base, tick_ns(beside))
               : stats_margin(1, 0);
}

static struct compare_stored launches_compare(const struct beside_line *line,
                                              const struct launches *later,
                                              const struct launches *base, double margin)
{
    if (!line->more_is_better)
        return compare_stored(later->values, later->count, base->values, base->count, margin);
    struct compare_stored turned =
        compare_stored(base->values, base->count, later->values, later->count, margin);
    return (struct compare_stored){.base_count = turned.new_count,
                                   .new_count = turned.base_count,
                                   .ratio = 1.0 / turned.ratio,
                                   .low95 = 1.0 / turned.high95,
                                   .high95 = 1.0 / turned.low95,
                                   .verdict = turned.verdict};
}

/* Figures of all columns, and the ratios. False when out of memory. */
static bool line_fill(const struct beside *beside, const struct beside_row *row,
                      struct beside_line *line)
{
    struct launches launches[BESIDE_RESULTS_MAX] = {{NULL, 0}};
    bool ok = true;
    for (size_t i = 0; i < beside->count && ok; i++) {
        ok = launches_read(row->cells[i], line->gate, &launches[i]);
        line->values[i].figure = launches_figure(&launches[i], line->gate);
    }
    const double margin = line_margin(beside, row, line);
    for (size_t i = 0; i < beside->count && ok; i++) {
        const struct launches none = {NULL, 0};
        line->values[i].stored =
            launches_compare(line, i == 0 ? &none : &launches[i], &launches[0], margin);
    }
    for (size_t i = 0; i < beside->count; i++)
        free(launches[i].values);
    return ok;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static bool line_has_figure(const struct beside *beside, const struct beside_line *line)
{
    for (size_t i = 0; i < beside->count; i++)
        if (line->values[i].figure.state != FIGURE_ABSENT)
            return true;
    return false;
}

/* Whether all known figures are so short that the clock's ticks show in a median. */
static bool line_is_few_ticks(const struct beside *beside, const struct beside_line *line)
{
    for (size_t i = 0; i < beside->count; i++)
        if (line->values[i].figure.state == FIGURE_INFINITE ||
            (line->values[i].figure.state == FIGURE_KNOWN &&
             line->values[i].figure.value >= VERDICT_MEANS_BELOW_TICKS * tick_ns(beside)))
            return false;
    return true;
}

/* Adds a line for the gate, unless no column has a figure of it. False when out of memory. */
static bool row_add_line(const struct beside *beside, struct beside_row *row,
                         const struct gate *gate)
{
    struct beside_line *line = &row->lines[row->line_count];
    if (row->line_count == BESIDE_LINES_MAX)
        return true;
    *line = (struct beside_line){
        .gate = gate,
        .unit = gate->kind == GATE_TIME           ? UNIT_NS
                : gate->kind == GATE_FRAMES_PER_S ? UNIT_FRAMES_PER_S
                                                  : UNIT_PERCENT,
        .more_is_better = gate->kind == GATE_FRAMES_PER_S,
        .values = calloc(beside->count, sizeof *line->values),
    };
    if (!line->values || !line_fill(beside, row, line))
        return false;
    if (!line_has_figure(beside, line)) {
        free(line->values);
        line->values = NULL;
        return true;
    }
    row->line_count++;
    if (strcmp(gate->key, "p50_ns") == 0 && line_is_few_ticks(beside, line)) {
        line->gate = gate_mean(gate);
        return line_fill(beside, row, line);
    }
    return true;
}

/* Whether the cell's times say something: at `max` they are queue depth, and a search has each at a
 * rate of its own. */
static bool row_has_times(const struct beside *beside, const struct beside_row *row)
{
    double bound_ns;
    for (size_t i = 0; i < beside->count; i++)
        if (row->cells[i])
            return !report_axis_is(row->cells[i], "pacing", "max") &&
                   !report_cell_searches(row->cells[i], &bound_ns);
    return true;
}

/* The gates that the results' scenarios declare, each once; returns how many. */
static size_t gates_declared(const struct beside *beside, const struct gate **gates_found)
{
    size_t count = 0;
    for (size_t i = 0; i < beside->count; i++) {
        const cJSON *name;
        cJSON_ArrayForEach (name,
                            json_get(json_get(beside->reports[i]->json, "scenario"), "gates")) {
            const struct gate *gate = cJSON_IsString(name) ? gate_find(name->valuestring) : NULL;
            bool is_new = gate != NULL;
            for (size_t j = 0; j < count; j++)
                is_new = is_new && gates_found[j] != gate;
            if (is_new && count < BESIDE_LINES_MAX)
                gates_found[count++] = gate;
        }
    }
    return count;
}

static bool row_fill(const struct beside *beside, struct beside_row *row,
                     const struct gate *const *declared, size_t declared_count)
{
    const bool has_times = row_has_times(beside, row);
    for (size_t i = 0; i < declared_count; i++)
        if ((has_times || declared[i]->kind != GATE_TIME) &&
            !row_add_line(beside, row, declared[i]))
            return false;
    if (row->line_count > 0)
        return true;
    if (!has_times)
        return row_add_line(beside, row, gate_find("frames_per_s"));
    return row_add_line(beside, row, gate_find("latency.p50")) &&
           row_add_line(beside, row, gate_find("latency.p99"));
}

/* ---- All of it ------------------------------------------------------------------------------- */

enum status beside_make(const struct report *const *reports, size_t count, struct beside **beside,
                        struct err *err)
{
    const struct gate *declared[BESIDE_LINES_MAX];
    struct beside *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory comparing results");
    made->reports = reports;
    made->count = count;
    beside_order(made);
    const size_t declared_count = gates_declared(made, declared);
    bool ok = rows_make(made);
    for (size_t i = 0; i < made->row_count && ok; i++)
        ok = row_fill(made, &made->rows[i], declared, declared_count);
    enum status status = ok ? beside_differences_find(made, err)
                            : err_set(err, ST_NO_MEMORY, NULL, "out of memory comparing results");
    if (status != ST_OK) {
        beside_free(made);
        return status;
    }
    for (size_t i = 0; i < made->row_count; i++)
        for (size_t j = 0; j < made->rows[i].line_count; j++) {
            struct beside_line *line = &made->rows[i].lines[j];
            beside_trend_find(made, line, line_margin(made, &made->rows[i], line));
        }
    *beside = made;
    return ST_OK;
}

void beside_free(struct beside *beside)
{
    if (!beside)
        return;
    for (size_t i = 0; beside->rows && i < beside->row_count; i++) {
        for (size_t j = 0; j < BESIDE_LINES_MAX; j++)
            free(beside->rows[i].lines[j].values);
        free(beside->rows[i].cells);
    }
    free(beside->rows);
    beside_differences_free(beside);
    free(beside);
}
