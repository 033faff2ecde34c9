/* spread.c: the spread between launches of one cell. See spread.h. */
#include "harness/report/spread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/verdict.h"

#define LAUNCHES_MAX 1000
#define PERCENT_BELOW 1.5 /* factors from here on are called factors */

double spread_factor(const double *values, size_t count)
{
    double mean = 0, squares = 0;
    if (count < SPREAD_LAUNCHES_MIN)
        return NAN;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]) || values[i] <= 0)
            return NAN;
        mean += log(values[i]) / (double)count;
    }
    for (size_t i = 0; i < count; i++)
        squares += (log(values[i]) - mean) * (log(values[i]) - mean);
    return exp(sqrt(squares / (double)(count - 1)));
}

static double spread_of_cell(const struct report_cell *cell, const char *interval,
                             const char *quantile)
{
    double values[LAUNCHES_MAX];
    size_t count = 0;
    char name[16];
    const cJSON *launch;
    snprintf(name, sizeof name, "%.8s_ns", quantile);
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        const cJSON *value = json_get(json_get(json_get(launch, "intervals"), interval), name);
        if (cJSON_IsNumber(value) && value->valuedouble > 0 && count < LAUNCHES_MAX)
            values[count++] = value->valuedouble;
    }
    return spread_factor(values, count);
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of_block(const struct report_block *block, const char *interval,
                              const char *quantile)
{
    struct spread spread = {0, NAN, NAN, NULL};
    double *factors = calloc(block->cell_count + 1, sizeof *factors);
    for (size_t i = 0; factors && i < block->cell_count; i++) {
        const struct report_cell *cell = &block->cells[i];
        double factor = cell->ok && !verdict_cell_is_floor(cell)
                            ? spread_of_cell(cell, interval, quantile)
                            : NAN;
        if (isnan(factor))
            continue;
        factors[spread.cells++] = factor;
        if (!spread.where || factor > spread.worst) {
            spread.worst = factor;
            spread.where = cell;
        }
    }
    if (spread.cells) {
        qsort(factors, spread.cells, sizeof *factors, double_compare);
        spread.median = (factors[(spread.cells - 1) / 2] + factors[spread.cells / 2]) / 2;
    }
    free(factors);
    return spread;
}

/* "±8 %" or "a factor of 2.1". */
static void factor_add(struct text *text, double factor)
{
    double percent = (factor - 1) * 100;
    if (factor < PERCENT_BELOW)
        text_addf(text, percent < 9.95 ? "±%.1f %%" : "±%.0f %%", percent);
    else
        text_addf(text, "a factor of %.*f", factor < 9.95 ? 1 : 0, fmin(factor, 1e15));
}

static bool all_are_scheduled(const struct report_block *block)
{
    for (size_t i = 0; i < block->cell_count; i++)
        if (block->cells[i].ok && !report_cell_is_scheduled(&block->cells[i]))
            return false;
    return true;
}

static void worst_add(struct text *text, const struct spread *spread, const char *before)
{
    text_add(text, before);
    factor_add(text, spread->worst);
    text_addf(text, " with %s", spread->where->label);
}

void spread_add_sentence(struct text *text, const struct report_block *block)
{
    double bound_ns;
    for (size_t i = 0; i < block->cell_count; i++)
        if (report_cell_searches(&block->cells[i], &bound_ns))
            return; /* each launch at a rate of its own */
    const char *interval = all_are_scheduled(block) ? "response" : "latency";
    struct spread p50 = spread_of_block(block, interval, "p50");
    struct spread p99 = spread_of_block(block, interval, "p99");
    if (p50.cells == 0)
        return;
    text_addf(text, "Between launches of one cell, p50 of %s varied by ", interval);
    factor_add(text, p50.median);
    if (p99.cells) {
        text_add(text, " and p99 by ");
        factor_add(text, p99.median);
    }
    text_addf(text, " (one standard deviation%s", p50.cells > 1 ? "; the median of " : "");
    if (p50.cells > 1) {
        text_addf(text, "%zu cells, and at most ", p50.cells);
        worst_add(text, &p50, "");
        if (p99.cells)
            worst_add(text, &p99, " and ");
    }
    text_add(text, ").");
}
