/* compare_rates.c: how often the comparison is wrong, and what it finds, where the truth is known.
 *
 *   build/tests/support/compare_rates [--quick] [--tables N] [--seed N] [RESULT.json...]
 *
 * Draws tables of gates from launches whose spread and shape are chosen, or resampled from those of
 * real results, judges them with compare_judge and counts. The two sides of a pair share a drift that
 * is larger than most spreads: pairing must cancel it. Of every kind of table:
 *   false       tables of builds that are the same in which any gate is called slower: at most 5 %
 *   at margin   the same where every gate is slower by exactly the margin, which is not a difference
 *               yet: the hardest case, 5 % but for the error of counting
 *   no Holm     that if each gate were judged as if it were alone: above 5 %, or this shows nothing
 *   found       how often a gate that is 5 % slower is called so, among others that are the same
 *   unpaired    the same by Welch's test, which sees two heaps of launches and not the pairs
 * Exit code 1 when one of the first two is above what it may be, or the third is not. Run by
 * scripts/compare-rates, and shortened by ctest.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/compare.h"
#include "harness/measure/gate.h"
#include "tests/support/random_input.h"

enum { GATES_MAX = 24, PAIRS_MAX = 20, POOLS_MAX = 4096, LAUNCHES_MAX = 200 };
#define MARGIN 1.02
#define SLOWER 1.05
/* Of what both sides of a pair share, from one round to the next, and the part of it that passes
 * between the two launches of a pair. */
#define DRIFT 0.05
#define DRIFT_IN_PAIR 0.1

/* ---- Launches -------------------------------------------------------------------------------- */

/* Deviations of ln(value) with the standard deviation 1. */
static double draw_normal(void)
{
    return random_normal();
}

/* One in twelve launches met something that took long. */
static double draw_outliers(void)
{
    return (random_normal() + (random_uniform() < 1.0 / 12 ? 5.0 : 0.0)) / sqrt(1.0 + 275.0 / 144);
}

/* Two levels, as where memory lies well or badly. */
static double draw_two_levels(void)
{
    return 0.2 * random_normal() + (random_uniform() < 0.4 ? 2.0 : 0.0);
}

/* Student's t with 3 degrees. */
static double draw_heavy(void)
{
    double square = 0.0;
    for (int i = 0; i < 3; i++) {
        double normal = random_normal();
        square += normal * normal;
    }
    return random_normal() / sqrt(square);
}

/* Never much below the best. */
static double draw_skewed(void)
{
    return -log(random_uniform());
}

static const struct shape {
    const char *name;
    double (*draw)(void);
} shapes[] = {
    {"normal", draw_normal},     {"outliers", draw_outliers}, {"two levels", draw_two_levels},
    {"heavy tails", draw_heavy}, {"skewed", draw_skewed},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Real launches: ln(value) less the mean of one figure of one cell. */
static struct pool {
    double values[LAUNCHES_MAX];
    size_t count;
} pools[POOLS_MAX];
static size_t pool_count;

/* Where the launches of a table come from: a shape with a spread, or the pools. */
struct source {
    const struct shape *shape; /* NULL: the pools */
    double spread;
};

static double launch_draw(const struct source *source, const struct pool *pool)
{
    return source->shape ? source->spread * source->shape->draw()
                         : pool->values[random_below(pool->count)];
}

/* ---- Tables ---------------------------------------------------------------------------------- */

struct table {
    struct compare_gate gates[GATES_MAX];
    double base[GATES_MAX][PAIRS_MAX];
    double new_values[GATES_MAX][PAIRS_MAX];
};

/* `size` gates with `pairs` pairs each, whose true ratio is `ratio`, but `first` for the first
 * one. */
static void table_draw(struct table *table, const struct source *source, size_t size, size_t pairs,
                       double ratio, double first)
{
    for (size_t i = 0; i < size; i++) {
        const struct pool *pool = source->shape ? NULL : &pools[random_below(pool_count)];
        double drift = 0.0;
        for (size_t k = 0; k < pairs; k++) {
            const double step = DRIFT * random_normal();
            const double later = random_below(2) ? DRIFT_IN_PAIR * step : -DRIFT_IN_PAIR * step;
            drift += step;
            table->base[i][k] = 1e5 * exp(drift + launch_draw(source, pool));
            table->new_values[i][k] =
                1e5 * (i == 0 ? first : ratio) * exp(drift + later + launch_draw(source, pool));
        }
        table->gates[i] = (struct compare_gate){.new_values = table->new_values[i],
                                                .base_values = table->base[i],
                                                .count = pairs,
                                                .margin = MARGIN};
    }
}

/* Shares of tables. */
struct rates {
    double false_alarm, at_margin, no_holm, found, unpaired;
};

static bool any_slower(const struct compare_gate *judged, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (judged[i].verdict == COMPARE_SLOWER)
            return true;
    return false;
}

static bool any_p(const struct compare_gate *judged, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (judged[i].p_slower <= COMPARE_ALPHA)
            return true;
    return false;
}

static struct rates rates_count(const struct source *source, size_t size, size_t pairs, int tables)
{
    static struct table table;
    struct rates rates = {0};
    const double one = 1.0 / tables;
    for (int i = 0; i < tables; i++) {
        table_draw(&table, source, size, pairs, 1.0, 1.0);
        compare_judge(table.gates, size);
        rates.false_alarm += one * any_slower(table.gates, size);
        table_draw(&table, source, size, pairs, MARGIN, MARGIN);
        compare_judge(table.gates, size);
        rates.at_margin += one * any_slower(table.gates, size);
        rates.no_holm += one * any_p(table.gates, size);
        table_draw(&table, source, size, pairs, 1.0, SLOWER);
        compare_judge(table.gates, size);
        rates.found += one * (table.gates[0].verdict == COMPARE_SLOWER);
        rates.unpaired +=
            one *
            (compare_stored(table.new_values[0], pairs, table.base[0], pairs, MARGIN).verdict ==
             COMPARE_SLOWER);
    }
    return rates;
}

/* ---- Judgement ------------------------------------------------------------------------------- */

struct totals {
    double worst_false, worst_at_margin, least_no_holm;
    size_t rows;
    bool failed;
};

static void totals_add(struct totals *totals, const struct rates *rates, size_t size, int tables)
{
    /* Four standard deviations of a count whose expectation is 5 %. */
    const double most = COMPARE_ALPHA + 4.0 * sqrt(COMPARE_ALPHA * (1.0 - COMPARE_ALPHA) / tables);
    totals->rows++;
    totals->worst_false = fmax(totals->worst_false, rates->false_alarm);
    totals->worst_at_margin = fmax(totals->worst_at_margin, rates->at_margin);
    totals->failed =
        totals->failed || rates->false_alarm > COMPARE_ALPHA || rates->at_margin > most;
    if (size >= 8) {
        totals->least_no_holm = fmin(totals->least_no_holm, rates->no_holm);
        totals->failed = totals->failed || rates->no_holm <= most;
    }
}

static void row_print(const struct source *source, size_t size, size_t pairs,
                      const struct rates *rates)
{
    char spread[16];
    snprintf(spread, sizeof spread, source->shape ? "%.0f %%" : "as is", 100.0 * source->spread);
    printf("%-12s %6s %5zu %5zu %8.2f %% %8.2f %% %8.1f %% %6.1f %% %8.1f %%\n",
           source->shape ? source->shape->name : "real", spread, pairs, size,
           100.0 * rates->false_alarm, 100.0 * rates->at_margin, 100.0 * rates->no_holm,
           100.0 * rates->found, 100.0 * rates->unpaired);
}

static void source_run(const struct source *source, const size_t *sizes, size_t sizes_count,
                       const size_t *pairs, size_t pairs_count, int tables, struct totals *totals)
{
    for (size_t i = 0; i < pairs_count; i++)
        for (size_t j = 0; j < sizes_count; j++) {
            struct rates rates = rates_count(source, sizes[j], pairs[i], tables);
            row_print(source, sizes[j], pairs[i], &rates);
            totals_add(totals, &rates, sizes[j], tables);
        }
    fflush(stdout);
}

/* ---- Real launches --------------------------------------------------------------------------- */

static void pool_add(const cJSON *cell, const struct gate *gate)
{
    const cJSON *launch;
    struct pool *pool = &pools[pool_count];
    double sum = 0.0;
    pool->count = 0;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        double value = gate_launch_value(gate, launch);
        if (value > 0 && isfinite(value) && pool->count < LAUNCHES_MAX) {
            pool->values[pool->count++] = log(value);
            sum += log(value);
        }
    }
    if (pool->count < 5 || pool_count + 1 == POOLS_MAX)
        return;
    for (size_t i = 0; i < pool->count; i++)
        pool->values[i] -= sum / (double)pool->count;
    pool_count++;
}

static bool pools_read(const char *path)
{
    static const char *const names[] = {"latency.p50", "latency.p99", "handoff.p50", "frames_per_s",
                                        "cpu_percent.consumer"};
    struct err err = {0};
    cJSON *json = NULL;
    const cJSON *cell;
    if (json_read_file(path, (size_t)1 << 30, &json, &err) != ST_OK) {
        fprintf(stderr, "error: %s\n", err.what);
        return false;
    }
    cJSON_ArrayForEach (cell, json_get(json, "cells"))
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            pool_add(cell, gate_find(names[i]));
    cJSON_Delete(json);
    return true;
}

/* The standard deviation of ln(value) that half of the pools are below. */
static double pools_spread(void)
{
    static double spreads[POOLS_MAX];
    for (size_t i = 0; i < pool_count; i++) {
        double square = 0.0;
        for (size_t k = 0; k < pools[i].count; k++)
            square += pools[i].values[k] * pools[i].values[k];
        double spread = sqrt(square / (double)(pools[i].count - 1));
        size_t at = i;
        for (; at > 0 && spreads[at - 1] > spread; at--)
            spreads[at] = spreads[at - 1];
        spreads[at] = spread;
    }
    return spreads[pool_count / 2];
}

/* ---- Command line ---------------------------------------------------------------------------- */

static void tables_run(bool quick, int tables, struct totals *totals)
{
    static const double spreads[] = {0.01, 0.02, 0.05, 0.10};
    static const size_t sizes[] = {1, 3, 8, 24}, pairs[] = {10, 20};
    for (size_t i = 0; i < SHAPES; i++)
        for (size_t j = quick ? 1 : 0; j < 4; j += quick ? 2 : 1) {
            const struct source source = {&shapes[i], spreads[j]};
            source_run(&source, quick ? sizes + 2 : sizes, quick ? 1 : 4, pairs, quick ? 1 : 2,
                       tables, totals);
        }
    if (pool_count > 0) {
        const struct source source = {NULL, 0.0};
        source_run(&source, sizes, 4, pairs, 2, tables, totals);
    }
}

int main(int argc, char **argv)
{
    struct totals totals = {.least_no_holm = 1.0};
    bool quick = false;
    long tables = 2000;
    random_state = 20261121;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--tables") == 0 && i + 1 < argc)
            tables = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            random_state = strtoull(argv[++i], NULL, 0);
        else if (argv[i][0] == '-' || !pools_read(argv[i])) {
            fprintf(stderr,
                    "usage: compare_rates [--quick] [--tables N] [--seed N] [RESULT.json...]\n");
            return 2;
        }
    }
    if (tables < 100 || tables > 1000000) {
        fprintf(stderr, "error: --tables is from 100 to 1000000\n");
        return 2;
    }
    printf("%ld tables of each kind, --seed %llu; margin %.0f %%, drift %.0f %% a round\n", tables,
           (unsigned long long)random_state, 100 * (MARGIN - 1), 100 * DRIFT);
    if (pool_count > 0)
        printf("real launches: %zu figures of cells, half of them with a spread below %.1f %%\n",
               pool_count, 100.0 * pools_spread());
    printf("%-12s %6s %5s %5s %10s %10s %10s %8s %10s\n", "launches", "spread", "pairs", "gates",
           "false", "at margin", "no Holm", "found", "unpaired");
    tables_run(quick, (int)tables, &totals);
    printf("%zu kinds of tables: false in at most %.2f %% (may be 5 %%), at the margin in at most "
           "%.2f %%; without Holm in at least %.1f %% with 8 gates or more: %s\n",
           totals.rows, 100 * totals.worst_false, 100 * totals.worst_at_margin,
           100 * totals.least_no_holm, totals.failed ? "NOT as it must be" : "as it must be");
    return totals.failed ? 1 : 0;
}
