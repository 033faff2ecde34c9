/* test_tradeoff.c: the trade-off of waits: frontier, costs compared, sentences, spread, and the
 * names in its picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/conclusions.h"
#include "harness/report/plots.h"
#include "harness/report/spread.h"
#include "harness/report/tradeoff.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define LAUNCHES 10
#define WAITS_MAX 8

static double random_between(double low, double high)
{
    return low + (high - low) * (double)random_below(1000001) / 1e6;
}

/* What one wait does, launch by launch. */
struct wait_data {
    const char *wait;
    double p99_ns[LAUNCHES]; /* of response; 0: absent */
    double cpu[LAUNCHES];    /* per cent of one CPU, both roles together */
    const char *pacing;      /* NULL: rate:60 */
};

static void wait_fill(struct wait_data *data, const char *wait, double p99_ns, double p99_wobble,
                      double cpu, double cpu_wobble)
{
    data->wait = wait;
    data->pacing = NULL;
    for (int i = 0; i < LAUNCHES; i++) {
        data->p99_ns[i] = p99_ns * exp(p99_wobble * ((i + 1) % 3 - 1));
        data->cpu[i] = cpu + cpu_wobble * (i % 2 ? 1 : -1);
    }
}

static void usage_add(cJSON *launch, double cpu)
{
    static const char *const roles[] = {"producer", "consumer"};
    cJSON *usage = cJSON_CreateObject();
    for (int i = 0; i < 2; i++) {
        cJSON *role = cJSON_CreateObject();
        json_add_double(role, "wall_ns", 1e9);
        json_add_double(role, "user_ns", cpu / 2 * 1e7);
        json_add_double(role, "system_ns", 0);
        json_add(usage, roles[i], role);
    }
    cJSON *system = cJSON_CreateObject();
    json_add_double(system, "wall_ns", 1e9);
    json_add_double(system, "busy_ns", (cpu + 7) * 1e7);
    json_add(usage, "system", system);
    json_add(launch, "usage", usage);
}

static void cell_dress(cJSON *cell, const struct wait_data *data)
{
    cJSON *quantiles = json_get(json_get(json_get(cell, "intervals"), "response"), "quantiles");
    if (data->p99_ns[0] > 0)
        json_add(quantiles, "p99",
                 fixture_estimate("_ns", stats_estimate_log(data->p99_ns, LAUNCHES)));
    int number = 0;
    cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        cJSON *response = json_get(json_get(launch, "intervals"), "response");
        cJSON_DeleteItemFromObject(response, "p50_ns");
        json_add_double(response, "p50_ns", data->p99_ns[number] / 3);
        json_add_double(response, "p99_ns", data->p99_ns[number]);
        usage_add(launch, data->cpu[number++]);
    }
}

/* A block that compares these waits at 60 frames/s. */
static cJSON *result_of(const struct wait_data *data, size_t count)
{
    struct fixture_cell cells[WAITS_MAX];
    const char *compare = "wait";
    memset(cells, 0, sizeof cells);
    for (size_t i = 0; i < count; i++) {
        cells[i] = (struct fixture_cell){.transport = "shm",
                                         .wait = data[i].wait,
                                         .frame = "64x64x3",
                                         .pacing = data[i].pacing ? data[i].pacing : "rate:60",
                                         .response_ns = 50000,
                                         .cpu_percent = 50};
        fixture_spread(&cells[i], LAUNCHES, 1000 * (double)(i + 1), 0.01, 1);
    }
    cJSON *result = fixture_result(cells, count, &compare, 1);
    for (size_t i = 0; i < count; i++)
        cell_dress(cJSON_GetArrayItem(json_get(result, "cells"), (int)i), &data[i]);
    char *text = cJSON_PrintUnformatted(result);
    cJSON_Delete(result);
    result = cJSON_Parse(text);
    cJSON_free(text);
    return result;
}

/* The notes of the first comparison. The caller frees. */
static char *notes_of(const cJSON *result)
{
    struct report *report;
    struct conclusions *conclusions;
    struct text text = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    for (size_t i = 0; i < conclusions->items[0].note_count; i++)
        text_addf(&text, "%s\n", text_get(&conclusions->items[0].notes[i]));
    conclusions_free(conclusions);
    report_free(report);
    return text.data ? text.data : strdup("");
}

static char *notes_of_data(const struct wait_data *data, size_t count)
{
    cJSON *result = result_of(data, count);
    char *text = notes_of(result);
    cJSON_Delete(result);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void expect_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" must not be in:\n%s", part, text);
}

static bool beats(const struct tradeoff_point *a, const struct tradeoff_point *b)
{
    return a->cpu.value <= b->cpu.value && a->time.value <= b->time.value &&
           (a->cpu.value < b->cpu.value || a->time.value < b->time.value);
}

static void the_frontier_is_what_nothing_beats(void **state)
{
    for (int round = 0; round < 3000; round++) {
        struct tradeoff_point points[12] = {{.frontier = false}};
        size_t count = 1 + random_below(12), on = 0;
        for (size_t i = 0; i < count; i++) { /* few values, so that some are equal */
            points[i].cpu.value = (double)random_below(8) - 2;
            points[i].time.value = 1 + (double)random_below(8);
            points[i].frontier = random_below(2);
        }
        tradeoff_mark_frontier(points, count);
        for (size_t i = 0; i < count; i++) {
            bool beaten = false;
            on += points[i].frontier;
            for (size_t j = 0; j < count; j++)
                beaten = beaten || beats(&points[j], &points[i]);
            assert_int_equal(points[i].frontier, !beaten);
        }
        assert_true(on > 0);
        for (size_t i = 0; i < count; i++) /* along it, dearer is sooner */
            for (size_t j = 0; j < count; j++)
                if (points[i].frontier && points[j].frontier &&
                    points[i].cpu.value < points[j].cpu.value)
                    assert_true(points[i].time.value > points[j].time.value);
    }
}

static void bounds_are_round_and_above(void **state)
{
    for (int round = 0; round < 20000; round++) {
        double value = exp(random_between(0, 25));
        double bound = tradeoff_bound_above(value);
        assert_true(bound > value);
        assert_true(bound <= value * 2.5 * (1 + 1e-12));
        double digit = bound / pow(10, floor(log10(bound) + 1e-9));
        assert_true(fabs(digit - 1) < 1e-9 || fabs(digit - 2) < 1e-9 || fabs(digit - 5) < 1e-9);
    }
    assert_true(tradeoff_bound_above(200000) == 500000); /* "below 200 µs" is not true of it */
    assert_true(tradeoff_bound_above(1000000) == 2000000);
}

/* Costs around `center` with differences around `apart`. */
static struct tradeoff_cost cost_of(double center, double apart, double noise, size_t count)
{
    double a[64], b[64];
    for (size_t i = 0; i < count; i++) {
        b[i] = center + random_between(-20, 20); /* what both share cancels */
        a[i] = b[i] + apart + random_between(-noise, noise);
    }
    return tradeoff_cost_compare(a, b, count);
}

static void costs_are_compared_pair_by_pair(void **state)
{
    for (int round = 0; round < 300; round++) {
        double center = random_between(-1, 8);
        assert_int_equal(cost_of(center, 30, 2, 10).verdict, STATS_SLOWER);
        assert_int_equal(cost_of(center, -30, 2, 10).verdict, STATS_FASTER);
        assert_int_equal(cost_of(center, 0, 0.05, 10).verdict, STATS_TIED);
        assert_int_equal(cost_of(center, 0.3, 50, 10).verdict == STATS_TIED, 0);
        assert_int_equal(cost_of(center, 30, 2, 4).verdict, STATS_UNCLEAR); /* too few */
        struct tradeoff_cost cost = cost_of(center, 3, 1, 12);
        assert_true(cost.low90 < cost.mean && cost.mean < cost.high90);
        assert_true(fabs(cost.mean - 3) < 1);
    }
    assert_int_equal(tradeoff_cost_compare(NULL, NULL, 0).verdict, STATS_UNCLEAR);
}

static void the_cheapest_below_a_bound_is_named(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "spin", 3000, 0.05, 200, 0.1);
    wait_fill(&data[1], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[2], "poll:100", 240000, 0.05, 6, 0.01);
    char *text = notes_of_data(data, 3);
    expect(text, "At 60 frames/s of 64×64×3 (12.3 kB), below 5 µs at p99, there is only spin "
                 "(3.00 µs, 200 % of a CPU).");
    expect(text, "Below 100 µs at p99, the cheapest is futex (85.0 µs, 2.1 % of a CPU).");
    expect_not(text, "poll"); /* not on the frontier, and never the cheapest */
    expect(text, "CPU of both roles together");
    free(text);
}

static void equal_costs_are_tied_and_noisy_ones_not_told_apart(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[1], "adaptive:50", 80000, 0.05, 2.12, 0.02);
    wait_fill(&data[2], "spin", 3000, 0.05, 200, 0.1);
    char *text = notes_of_data(data, 3);
    expect(text, "futex (85.0 µs, 2.1 % of a CPU) and adaptive 50 µs (80.0 µs, 2.1 % of a CPU) are "
                 "tied as the cheapest.");
    free(text);
    wait_fill(&data[1], "adaptive:50", 80000, 0.05, 3, 2.5);
    text = notes_of_data(data, 3);
    expect(text, "the cheapest figure is that of futex");
    expect(text, "the data does not tell its CPU apart from that of adaptive 50 µs");
    expect_not(text, "tied as the cheapest");
    free(text);
}

static void a_looser_bound_is_told_only_if_it_buys_something(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "spin", 3000, 0.05, 200, 0.1);
    wait_fill(&data[1], "condvar", 85000, 0.05, 2.2, 0.01);
    wait_fill(&data[2], "futex", 400000, 0.05, 2.15, 0.3); /* not told apart from condvar */
    char *text = notes_of_data(data, 3);
    expect(text, "Below 100 µs at p99, the cheapest is condvar");
    expect_not(text, "500 µs");
    free(text);
    wait_fill(&data[2], "futex", 400000, 0.05, 1.1, 0.3);
    text = notes_of_data(data, 3);
    expect(text, "Below 500 µs at p99, the cheapest is futex");
    free(text);
}

static void below_needs_the_upper_end_of_the_interval(void **state)
{
    struct wait_data data[2];
    wait_fill(&data[0], "spin", 140000, 0.02, 200, 0.1);
    wait_fill(&data[1], "futex", 150000, 1.2, 2, 0.01); /* its interval passes 200 µs */
    char *text = notes_of_data(data, 2);
    expect(text,
           "below 200 µs at p99, only spin (140 µs, 200 % of a CPU) is shown to be; the data");
    expect(text, "the data does not decide whether futex (150 µs, 2.0 % of a CPU) would stay");
    free(text);
}

/* One that costs more, and may be below the bound all the same: "there is only" would deny it. */
static void only_is_said_of_what_nothing_else_may_be(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "futex", 31000000, 0.2, 11, 0.1);
    wait_fill(&data[1], "poll:100", 44600000, 1.0, 24, 0.1); /* its interval passes 50 ms */
    wait_fill(&data[2], "spin", 300000000, 0.05, 58, 0.1);
    char *text = notes_of_data(data, 3);
    expect(text, "below 50 ms at p99, only futex (31.0 ms, 11 % of a CPU) is shown to be.");
    expect_not(text, "there is only");
    free(text);
}

static void without_p99_a_lower_quantile_is_used_and_named(void **state)
{
    struct wait_data data[2];
    wait_fill(&data[0], "spin", 3000, 0.05, 200, 0.1);
    wait_fill(&data[1], "futex", 85000, 0.05, 2.1, 0.01);
    cJSON *result = result_of(data, 2);
    cJSON *quantiles =
        json_get(json_get(json_get(cJSON_GetArrayItem(json_get(result, "cells"), 1), "intervals"),
                          "response"),
                 "quantiles");
    cJSON_DeleteItemFromObject(quantiles, "p99");
    char *text = notes_of(result);
    expect(text, "at p50");
    expect(text, "too few frames for p99");
    free(text);
    cJSON_Delete(result);
}

static void a_baseline_makes_net_figures_and_stands_in_no_comparison(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "spin", 3000, 0.05, 200, 0.1);
    wait_fill(&data[1], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[2], "poll:50000", 90000, 0.05, 1, 0.01);
    cJSON *result = result_of(data, 3);
    cJSON *cells = json_get(result, "cells");
    cJSON_AddTrueToObject(cJSON_GetArrayItem(cells, 2), "baseline");
    for (int i = 0; i < 2; i++) {
        double net[LAUNCHES];
        cJSON *made = cJSON_CreateObject(), *cell = cJSON_GetArrayItem(cells, i);
        for (int j = 0; j < LAUNCHES; j++)
            net[j] = data[i].cpu[j] - data[2].cpu[j];
        json_add(made, "percent", fixture_estimate("", stats_estimate_linear(net, LAUNCHES)));
        json_add_string(made, "baseline", json_get_string(cJSON_GetArrayItem(cells, 2), "id", ""));
        json_add(json_get(cell, "cpu"), "system_less_null", made);
    }
    struct report *report;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(report->blocks[0].cell_count, 2);
    assert_int_equal(report->blocks[0].baseline_count, 1);
    assert_ptr_equal(report->blocks[0].cells[1].baseline, &report->blocks[0].baselines[0]);
    report_free(report);
    char *text = notes_of(result);
    expect(text, "the cheapest is futex (85.0 µs, 1.1 % of a CPU)");
    expect(text, "CPU of the whole machine, less that of a run with nothing but the pacer");
    expect_not(text, "poll");
    free(text);
    /* A machine that was busy throughout has nothing left to show. */
    for (int i = 0; i < 2; i++) {
        const double none[LAUNCHES] = {0.1, 0, 0.1, 0, 0.1, 0, 0.1, 0, 0.1, 0};
        cJSON *net = json_get(json_get(cJSON_GetArrayItem(cells, i), "cpu"), "system_less_null");
        cJSON_ReplaceItemInObjectCaseSensitive(
            net, "percent", fixture_estimate("", stats_estimate_linear(none, LAUNCHES)));
        cJSON *consumer = json_get(json_get(cJSON_GetArrayItem(cells, i), "cpu"), "consumer");
        cJSON_ReplaceItemInObjectCaseSensitive(json_get(consumer, "percent"), "value",
                                               cJSON_CreateNumber(i ? 60 : 190));
    }
    char *whole = cJSON_PrintUnformatted(result);
    cJSON_Delete(result);
    result = cJSON_Parse(whole);
    cJSON_free(whole);
    text = notes_of(result);
    expect(text, "the cheapest is futex (85.0 µs, 2.1 % of a CPU)");
    expect(text, "because other work on the machine hides");
    free(text);
    cJSON_Delete(result);
}

static void net_costs_are_the_systems_less_the_baselines(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "spin", 3000, 0.05, 9, 0.1);
    wait_fill(&data[1], "futex", 85000, 0.05, 2, 0.01);
    wait_fill(&data[2], "poll:50000", 90000, 0.05, 1, 0.01);
    cJSON *result = result_of(data, 3), *launch;
    cJSON_AddTrueToObject(cJSON_GetArrayItem(json_get(result, "cells"), 2), "baseline");
    cJSON *futex = cJSON_GetArrayItem(json_get(result, "cells"), 1);
    cJSON_ArrayForEach (launch, json_get(futex, "launches")) /* the kernel's work for it */
        cJSON_ReplaceItemInObjectCaseSensitive(json_get(json_get(launch, "usage"), "system"),
                                               "busy_ns", cJSON_CreateNumber(50 * 1e7));
    struct report *report;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    struct report_cell *cells = report->blocks[0].cells;
    cells[0].baseline = cells[1].baseline = &report->blocks[0].baselines[0];
    struct tradeoff net = {.net = true}, roles = {.net = false};
    /* 50 against 9 + 7, less 1 + 7 of the baseline on both sides. */
    assert_true(fabs(tradeoff_compare(&net, &cells[1], &cells[0]).mean - 34) < 0.01);
    assert_true(fabs(tradeoff_compare(&roles, &cells[1], &cells[0]).mean + 7) < 0.01);
    cells[0].baseline = NULL;
    assert_int_equal(tradeoff_compare(&net, &cells[1], &cells[0]).pairs, 0);
    report_free(report);
    cJSON_Delete(result);
}

static void what_most_cells_have_is_said_once(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "64x64x3", .pacing = "rate:60"},
        {.transport = "shm", .wait = "spin", .frame = "64x64x3", .pacing = "rate:60"},
        {.transport = "unix", .wait = "block", .frame = "64x64x3", .pacing = "rate:60"}};
    const char *compare = "wait";
    struct report *report;
    for (size_t i = 0; i < 3; i++)
        fixture_spread(&cells[i], 5, 1000, 0.01, 1);
    cJSON *result = fixture_result(cells, 3, &compare, 1);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_string_equal(report->blocks[0].cells[0].short_label, "futex");
    assert_string_equal(report->blocks[0].cells[2].short_label, "block + unix");
    assert_int_equal(report->blocks[0].group_count, 1);
    assert_int_equal(strncmp(report->blocks[0].constants, "shm unless named · 64×64×3", 20), 0);
    report_free(report);
    cJSON_Delete(result);
}

static void the_spread_is_that_of_logarithms(void **state)
{
    for (int round = 0; round < 500; round++) {
        double values[40], scaled[40], factor = random_between(0.001, 1000);
        size_t count = 3 + random_below(38);
        double sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) {
            values[i] = exp(random_between(0, 3));
            scaled[i] = values[i] * factor;
            sum += log(values[i]);
            squares += log(values[i]) * log(values[i]);
        }
        double n = (double)count, sd = sqrt(fmax(0, (squares - sum * sum / n) / (n - 1)));
        assert_true(fabs(log(spread_factor(values, count)) - sd) < 1e-6);
        assert_true(fabs(spread_factor(scaled, count) / spread_factor(values, count) - 1) < 1e-6);
    }
    assert_true(isnan(spread_factor((double[]){1, 2}, 2)));
    assert_true(isnan(spread_factor((double[]){1, 2, 0}, 3)));
    assert_true(isnan(spread_factor((double[]){1, INFINITY, 3}, 3)));
}

static void the_spread_is_told_with_the_worst_cell(void **state)
{
    struct wait_data data[3];
    wait_fill(&data[0], "spin", 3000, 0.05, 200, 0.1);
    wait_fill(&data[1], "futex", 85000, 0.1, 2.1, 0.01);
    wait_fill(&data[2], "poll:100", 240000, 1.5, 6, 0.01);
    char *text = notes_of_data(data, 3);
    expect(text, "Between launches of one cell, p50 of response varied by ±8.5 % and p99 by ±8.5 % "
                 "(one standard deviation; the median of 3 cells, and at most a factor of 3.4 "
                 "with poll 100 µs");
    free(text);
}

static void searches_are_compared_by_their_rate_alone(void **state)
{
    struct wait_data data[2];
    wait_fill(&data[0], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[1], "spin", 3000, 0.05, 200, 0.1);
    data[0].pacing = data[1].pacing = "search:500us:30-5000";
    cJSON *result = result_of(data, 2);
    struct report *report;
    struct conclusions *conclusions;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    /* The fixture's rates: 1 / 1 µs and 1 / 2 µs. */
    expect(text_get(&conclusions->items[0].lead),
           "With futex at most 1,000,554 frames/s keep p99 of response under 500 µs, with spin "
           "500,277");
    for (size_t i = 0; i < conclusions->items[0].note_count; i++) {
        expect_not(text_get(&conclusions->items[0].notes[i]), "cheapest");
        expect_not(text_get(&conclusions->items[0].notes[i]), "Between launches");
    }
    assert_string_equal(report->blocks[0].constants,
                        "shm · 64×64×3 · highest rate with p99 ≤ 500 µs · kernel checksum · 4 "
                        "slots");
    conclusions_free(conclusions);
    report_free(report);
    cJSON_Delete(result);
}

/* The verdict on two cells whose launches all came to these rates. */
static enum stats_verdict verdict_of_rates(const char *pacing, double rate, double base_rate)
{
    struct wait_data data[2];
    const double rates[2] = {base_rate, rate};
    wait_fill(&data[0], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[1], "spin", 85000, 0.05, 2.1, 0.01);
    data[0].pacing = data[1].pacing = pacing;
    cJSON *result = result_of(data, 2);
    for (int i = 0; i < 2; i++) {
        cJSON *launch;
        cJSON_ArrayForEach (
            launch, json_get(cJSON_GetArrayItem(json_get(result, "cells"), i), "launches")) {
            cJSON_DeleteItemFromObject(launch, "frames_per_s");
            json_add_double(launch, "frames_per_s", rates[i]);
        }
    }
    struct report *report;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    const struct report_cell *cells = report->blocks[0].cells;
    enum stats_verdict verdict =
        verdict_compare(report, &cells[1], &cells[0], METRIC_FRAMES_PER_S).verdict;
    report_free(report);
    cJSON_Delete(result);
    return verdict;
}

static void a_step_of_a_search_is_no_difference(void **state)
{
    assert_int_equal(verdict_of_rates("max", 1000, 1040), STATS_SLOWER);
    assert_int_not_equal(verdict_of_rates("search:500us:30-5000", 1000, 1040), STATS_SLOWER);
    assert_int_equal(verdict_of_rates("search:500us:30-5000", 1000, 1080), STATS_SLOWER);
}

static void a_search_is_no_equal_load(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "64x64x3", .pacing = "rate:60"},
        {.transport = "shm", .wait = "futex", .frame = "64x64x3", .pacing = "search:500us:1-9"}};
    const char *compare = "pacing";
    struct report *report;
    struct conclusions *conclusions;
    for (size_t i = 0; i < 2; i++)
        fixture_spread(&cells[i], LAUNCHES, 1000, 0.01, 1);
    cJSON *result = fixture_result(cells, 2, &compare, 1);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    assert_string_equal(text_get(&conclusions->items[0].lead), "");
    conclusions_free(conclusions);
    report_free(report);
    cJSON_Delete(result);
}

static void a_search_that_ended_at_its_end_says_so(void **state)
{
    struct wait_data data[2];
    wait_fill(&data[0], "futex", 85000, 0.05, 2.1, 0.01);
    wait_fill(&data[1], "spin", 3000, 0.05, 200, 0.1);
    data[0].pacing = data[1].pacing = "search:500us:30-5000";
    cJSON *result = result_of(data, 2);
    for (int i = 0; i < 2; i++) {
        cJSON *launches = json_get(cJSON_GetArrayItem(json_get(result, "cells"), i), "launches");
        cJSON *search = cJSON_CreateObject();
        cJSON_AddNumberToObject(search, "rate_hz", i ? 4990 : 5000);
        cJSON_AddItemToObject(cJSON_GetArrayItem(launches, 3), "search", search);
    }
    struct report *report;
    struct conclusions *conclusions;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    const char *lead = text_get(&conclusions->items[0].lead);
    expect(lead, "under 500 µs (it may be more: the highest rate tried passed), with spin");
    assert_null(strstr(strstr(lead, "with spin"), "it may be more"));
    conclusions_free(conclusions);
    report_free(report);
    cJSON_Delete(result);
}

static void names_of_values_are_what_people_say(void **state)
{
    static const struct {
        const char *axis, *value, *pretty;
    } cases[] = {
        {"scheduling", "fifo:50", "real-time priority 50"},
        {"scheduling", "fifo:x", "fifo:x"},
        {"timer_slack_ns", "1", "timer slack 1 ns"},
        {"timer_slack_ns", "50000", "timer slack 50 µs"},
        {"idle_latency", "held", "idle states held off"},
        {"load", "cpu", "CPU load beside"},
        {"phase", "random", "random phase"},
        {"pacing", "poisson:60", "60 frames/s at random (Poisson)"},
        {"pacing", "poisson:10000", "10,000 frames/s at random (Poisson)"},
        {"pacing", "search:500us:30-5000", "highest rate with p99 ≤ 500 µs"},
        {"pacing", "search:1500us:1-100000", "highest rate with p99 ≤ 1.5 ms"},
        {"wait", "adaptive:50", "adaptive 50 µs"},
        {"producer_wait", "poll:50", "producer waits with poll 50 µs"},
        {"colour_of_the_cable", "blue", "blue"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char value[REPORT_AXIS_BYTES];
        cJSON *json = cJSON_CreateObject(), *axes = cJSON_AddObjectToObject(json, "axes");
        cJSON_AddStringToObject(axes, cases[i].axis, cases[i].value);
        struct report_cell cell = {.json = json};
        assert_string_equal(report_axis_pretty(&cell, cases[i].axis, value), cases[i].pretty);
        cJSON_Delete(json);
    }
}

static double cover(const struct plot_label *a, const struct plot_label *b)
{
    double x = fmin(a->left + a->width, b->left + b->width) - fmax(a->left, b->left);
    double y = 13 - fabs(a->middle - b->middle);
    return x > 0 && y > 0 ? x * y : 0;
}

static void names_do_not_cover_each_other(void **state)
{
    enum { ROUNDS = 60 };
    double all = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct plot_label labels[12];
        memset(labels, 0, sizeof labels);
        double x = random_between(60, 400), y = random_between(60, 270);
        for (size_t i = 0; i < 12; i++) { /* all within a few points' widths */
            labels[i].x = fmin(fmax(x + random_between(-60, 60), 0), 474);
            labels[i].y = fmin(fmax(y + random_between(-60, 60), 0), 330);
            labels[i].width = random_between(25, 110);
        }
        plot_labels_place(labels, 12, NULL, 0, 474, 330);
        double covered = 0;
        for (size_t i = 0; i < 12; i++) {
            assert_true(labels[i].left >= -1e-9 && labels[i].left + labels[i].width <= 474);
            assert_true(labels[i].middle >= 0 && labels[i].middle <= 330);
            for (size_t j = 0; j < i; j++)
                covered += cover(&labels[i], &labels[j]);
        }
        assert_true(covered < 400); /* of some 10,000 square pixels of names, once in a while */
        all += covered;
    }
    assert_true(all / ROUNDS < 10);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frontier_is_what_nothing_beats),
        cmocka_unit_test(bounds_are_round_and_above),
        cmocka_unit_test(costs_are_compared_pair_by_pair),
        cmocka_unit_test(the_cheapest_below_a_bound_is_named),
        cmocka_unit_test(equal_costs_are_tied_and_noisy_ones_not_told_apart),
        cmocka_unit_test(a_looser_bound_is_told_only_if_it_buys_something),
        cmocka_unit_test(below_needs_the_upper_end_of_the_interval),
        cmocka_unit_test(only_is_said_of_what_nothing_else_may_be),
        cmocka_unit_test(without_p99_a_lower_quantile_is_used_and_named),
        cmocka_unit_test(a_baseline_makes_net_figures_and_stands_in_no_comparison),
        cmocka_unit_test(net_costs_are_the_systems_less_the_baselines),
        cmocka_unit_test(what_most_cells_have_is_said_once),
        cmocka_unit_test(the_spread_is_that_of_logarithms),
        cmocka_unit_test(the_spread_is_told_with_the_worst_cell),
        cmocka_unit_test(searches_are_compared_by_their_rate_alone),
        cmocka_unit_test(a_step_of_a_search_is_no_difference),
        cmocka_unit_test(a_search_is_no_equal_load),
        cmocka_unit_test(a_search_that_ended_at_its_end_says_so),
        cmocka_unit_test(names_of_values_are_what_people_say),
        cmocka_unit_test(names_do_not_cover_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
