/* test_claims.c: what is said beside what was measured: verdicts at their bounds, from launches
 * alone, and in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/claims.h"
#include "harness/report/table.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define LAUNCHES 10

static double random_between(double low, double high)
{
    return low + (high - low) * (double)random_below(1000001) / 1e6;
}

static struct stats_estimate estimate(double low, double high)
{
    return (struct stats_estimate){(low + high) / 2, low, high, STATS_SPREAD_CI95, LAUNCHES};
}

/* ---- The verdict ----------------------------------------------------------------------------- */

static void intervals_at_the_bounds_are_judged(void **state)
{
    for (int round = 0; round < 20000; round++) {
        struct claim_quote quote = {random_between(1, 1e9), 0, 0};
        quote.high_ns = quote.low_ns * random_between(1.01, 100);
        /* On either side of either bound, by next to nothing or by much. */
        double bounds[] = {quote.low_ns, quote.high_ns};
        double nudges[] = {1 - 1e-9, 1, 1 + 1e-9, random_between(0.1, 1), random_between(1, 10)};
        double low = bounds[random_below(2)] * nudges[random_below(5)];
        double high = bounds[random_below(2)] * nudges[random_below(5)];
        if (low > high) {
            double other = low;
            low = high;
            high = other;
        }
        struct stats_estimate measured = estimate(low, high);
        enum claim_verdict expected = high < quote.low_ns || low > quote.high_ns
                                          ? CLAIM_NOT_REPRODUCED
                                      : low < quote.low_ns || high > quote.high_ns ? CLAIM_UNDECIDED
                                                                                   : CLAIM_HOLDS;
        assert_int_equal(claim_judge(&quote, &measured, 0), expected);
        measured.spread =
            STATS_SPREAD_RANGE; /* too few launches decide nothing, wherever they lie */
        assert_int_equal(claim_judge(&quote, &measured, 0), CLAIM_UNDECIDED);
        measured.launches = 0;
        assert_int_equal(claim_judge(&quote, &measured, 0), CLAIM_UNTESTED);
    }
}

static void a_single_number_is_five_per_cent_wide(void **state)
{
    for (int round = 0; round < 1000; round++) {
        double said = random_between(10, 1e9);
        struct claim_quote quote = {said, said, 0};
        struct stats_estimate inside = estimate(said * 0.951, said * 1.049);
        struct stats_estimate across = estimate(said * 0.949, said * 1.0);
        struct stats_estimate below = estimate(said * 0.5, said * 0.949);
        assert_int_equal(claim_judge(&quote, &inside, 0), CLAIM_HOLDS);
        assert_int_equal(claim_judge(&quote, &across, 0), CLAIM_UNDECIDED);
        assert_int_equal(claim_judge(&quote, &below, 0), CLAIM_NOT_REPRODUCED);
    }
}

/* Only arithmetic with the claim's own number makes a claim impossible, and only far beyond what
 * the machine did. */
static void arithmetic_needs_the_claims_number_and_a_floor(void **state)
{
    for (int round = 0; round < 1000; round++) {
        double most = random_between(1e9, 1e12);
        double time_ns = random_between(100, 1e6);
        double bytes = most * CLAIM_IMPOSSIBLE_RATIO * time_ns / 1e9;
        struct claim_quote quote = {time_ns / 2, time_ns, bytes * 1.001};
        struct stats_estimate measured = estimate(time_ns * 0.6, time_ns * 0.7);
        assert_int_equal(claim_judge(&quote, &measured, most), CLAIM_IMPOSSIBLE);
        assert_int_equal(claim_judge(&quote, &measured, 0), CLAIM_HOLDS);
        quote.moved_bytes = bytes * 0.999;
        assert_int_equal(claim_judge(&quote, &measured, most), CLAIM_HOLDS);
        quote.moved_bytes = 0;
        assert_int_equal(claim_judge(&quote, &measured, most), CLAIM_HOLDS);
    }
}

static void cells_of_one_claim_are_judged_together(void **state)
{
    static const struct {
        enum claim_verdict cells[3], expected;
    } cases[] = {
        {{CLAIM_HOLDS, CLAIM_HOLDS, CLAIM_HOLDS}, CLAIM_HOLDS},
        {{CLAIM_HOLDS, CLAIM_UNTESTED, CLAIM_HOLDS}, CLAIM_HOLDS},
        {{CLAIM_HOLDS, CLAIM_UNDECIDED, CLAIM_HOLDS}, CLAIM_IN_PART},
        {{CLAIM_NOT_REPRODUCED, CLAIM_HOLDS, CLAIM_UNTESTED}, CLAIM_IN_PART},
        {{CLAIM_NOT_REPRODUCED, CLAIM_UNDECIDED, CLAIM_UNTESTED}, CLAIM_NOT_REPRODUCED},
        {{CLAIM_UNDECIDED, CLAIM_UNTESTED, CLAIM_UNTESTED}, CLAIM_UNDECIDED},
        {{CLAIM_UNTESTED, CLAIM_UNTESTED, CLAIM_UNTESTED}, CLAIM_UNTESTED},
        {{CLAIM_IMPOSSIBLE, CLAIM_NOT_REPRODUCED, CLAIM_UNDECIDED}, CLAIM_IMPOSSIBLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(claim_verdict_all(cases[i].cells, 3), cases[i].expected);
}

/* ---- From a result --------------------------------------------------------------------------- */

/* One block of cells at these medians per launch (which the fixture makes the means as well), with
 * a claim. */
static cJSON *result_of(const struct fixture_cell *cells, size_t count, const char *claim)
{
    const char *compare = "";
    cJSON *result = fixture_result(cells, count, &compare, 1), *json = cJSON_Parse(claim);
    assert_non_null(json);
    json_add(cJSON_GetArrayItem(json_get(result, "blocks"), 0), "claim", json);
    return result;
}

static struct fixture_cell cell_of(const char *wait, int launches, double center, double wobble)
{
    struct fixture_cell cell = {
        .transport = "shm", .wait = wait, .frame = "64x64x3", .pacing = "rate:60"};
    fixture_spread(&cell, launches, center, wobble, 1);
    return cell;
}

/* The claims of a result as terminal text; the caller frees. */
static char *lines_of(const cJSON *result)
{
    struct report *report;
    struct claims *claims;
    struct text text = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(claims_make(report, &claims, NULL), ST_OK);
    for (size_t i = 0; i < claims->count; i++) {
        claims_add_line(&text, &claims->rows[i]);
        for (size_t j = 0; j < claims->rows[i].case_count; j++)
            text_addf(&text, "\n%s", text_get(&claims->rows[i].cases[j].why));
        text_add(&text, "\n");
    }
    claims_add_summary(&text, claims);
    claims_free(claims);
    report_free(report);
    return text.data ? text.data : strdup("");
}

static void assert_says(const cJSON *result, const char *const *words)
{
    char *said = lines_of(result);
    for (size_t i = 0; words[i]; i++)
        if (!strstr(said, words[i]))
            fail_msg("\"%s\" is not in: %s", words[i], said);
    free(said);
}

#define CLAIM_JSON(figure, low, high, more)                                    \
    "{\"id\": \"c\", \"says\": \"s\", \"where\": \"w\", \"figure\": \"" figure \
    "\", \"low_ns\": " low ", \"high_ns\": " high ", \"known\": \"k\"" more "}"

static void launches_decide_not_frames(void **state)
{
    /* The quoted range is where the launches are; the cell's pooled figures are elsewhere. */
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.05);
    cJSON *result = result_of(&cell, 1, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    cJSON *pooled = json_get(
        json_get(cJSON_GetArrayItem(json_get(result, "cells"), 0), "intervals"), "handoff");
    json_add_double(pooled, "mean_ns", 5);
    assert_says(
        result,
        (const char *[]){"c holds here: said 500–900 µs (mean of handoff), measured 598 µs (95 % "
                         "interval ",
                         "over 10 launches).", "Of 1 claim, 1 holds here.", NULL});
    cJSON_Delete(result);
}

static void directions_are_named(void **state)
{
    struct fixture_cell slow = cell_of("spin", LAUNCHES, 3e6, 0.01);
    struct fixture_cell fast = cell_of("spin", LAUNCHES, 1e5, 0.01);
    cJSON *result = result_of(&slow, 1, CLAIM_JSON("handoff.mean", "500000", "1000000", ""));
    assert_says(result, (const char *[]){"not reproduced here",
                                         "Slower here: measured is 3.0 times "
                                         "the longest that is quoted.",
                                         NULL});
    cJSON_Delete(result);
    result = result_of(&fast, 1, CLAIM_JSON("handoff.p50", "500000", "1000000", ""));
    assert_says(result, (const char *[]){"not reproduced here",
                                         "Faster here: the shortest that is quoted is 5.0 times "
                                         "what was measured.",
                                         NULL});
    cJSON_Delete(result);
    result = result_of(&fast, 1, CLAIM_JSON("handoff.p50", "110000", "1000000", ""));
    assert_says(result, (const char *[]){"is 10 % more than what was measured", NULL});
    cJSON_Delete(result);
}

static void few_launches_decide_nothing(void **state)
{
    struct fixture_cell cell = cell_of("spin", 3, 600000, 0.01);
    cJSON *result = result_of(&cell, 1, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    assert_says(result,
                (const char *[]){"not decided here", "3 launches are too few for an interval: 10",
                                 "(range ", NULL});
    cJSON_Delete(result);
}

static void cells_that_could_not_run_say_why(void **state)
{
    struct fixture_cell cells[] = {cell_of("spin", LAUNCHES, 600000, 0.01),
                                   cell_of("umwait", LAUNCHES, 600000, 0.01)};
    cJSON *result = result_of(cells, 2, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    cJSON *cell = cJSON_GetArrayItem(json_get(result, "cells"), 1);
    cJSON_ReplaceItemInObject(cell, "status", cJSON_CreateString("unavailable"));
    json_add_string(cell, "reason", "this processor has no \033[31mumwait");
    assert_says(result, (const char *[]){"c holds here",
                                         "nothing measured (this processor has no "
                                         "?[31mumwait) with ",
                                         "umwait, cannot be tested here", NULL});
    /* A failed cell has launches, and they do not count. */
    cJSON_ReplaceItemInObject(cJSON_GetArrayItem(json_get(result, "cells"), 0), "status",
                              cJSON_CreateString("failed"));
    assert_says(result, (const char *[]){"c cannot be tested here", NULL});
    cJSON_Delete(result);
    result = result_of(cells, 0, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    assert_says(result, (const char *[]){"cannot be tested here", "No cell of it was run", NULL});
    cJSON_Delete(result);
    /* An interval that the cell does not have. */
    result = result_of(cells, 1, CLAIM_JSON("age.mean", "500000", "900000", ""));
    assert_says(result,
                (const char *[]){"cannot be tested here", "No launch has this figure", NULL});
    cJSON_Delete(result);
}

static void a_mean_of_frames_that_never_finished_is_none(void **state)
{
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.01);
    cJSON *result = result_of(&cell, 1, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    cJSON *launches = json_get(cJSON_GetArrayItem(json_get(result, "cells"), 0), "launches");
    cJSON *one = cJSON_GetArrayItem(launches, (int)random_below(LAUNCHES));
    json_add_double(json_get(json_get(one, "intervals"), "handoff"), "infinite", 1);
    assert_says(result, (const char *[]){"not decided here", "Frames never finished", NULL});
    cJSON_Delete(result);
}

static void late_frames_that_make_a_mean_are_told(void **state)
{
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.01);
    cJSON *result = result_of(&cell, 1, CLAIM_JSON("handoff.mean", "500000", "900000", ""));
    cJSON *quantiles =
        json_get(json_get(json_get(cJSON_GetArrayItem(json_get(result, "cells"), 0), "intervals"),
                          "handoff"),
                 "quantiles");
    char *said = lines_of(result);
    assert_null(strstr(said, "late frames"));
    free(said);
    cJSON_ReplaceItemInObject(json_get(quantiles, "p50"), "value_ns", cJSON_CreateNumber(290000));
    assert_says(result, (const char *[]){"A few late frames decide the mean: half took at most "
                                         "290 µs.",
                                         NULL});
    cJSON_Delete(result);
}

static void impossible_shows_its_arithmetic(void **state)
{
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 200000, 0.01);
    cJSON *result = result_of(
        &cell, 1, CLAIM_JSON("latency.mean", "1000", "1230", ", \"moved_bytes\": 2880000"));
    assert_says(result, (const char *[]){"not reproduced here", NULL}); /* without a floor */
    json_add(result, "floor",
             cJSON_Parse("{\"memory\": [{\"bytes\": 4000, \"read_cached_ns\": 1}, {\"bytes\": "
                         "6220800, \"copy_cached_ns\": 165000, \"read_cached_ns\": 61000, "
                         "\"copy_evicted_ns\": null, \"read_evicted_ns\": 0}]}"));
    assert_says(result,
                (const char *[]){"impossible by arithmetic",
                                 "2.88 MB read and written in 1.23 µs are 2,341 GB/s",
                                 "is 102 GB/s", "Measured is 163 times what is quoted", NULL});
    cJSON_Delete(result);
}

/* Frames per second are what a claim may speak of, too: as the time that one takes. */
static void throughput_is_a_time_per_frame(void **state)
{
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.01);
    cJSON *result = result_of(&cell, 1, CLAIM_JSON("period.mean", "0", "370370", ""));
    cJSON *launch;
    const double rates_hz[] = {3300, 2600};
    const char *const said[] = {
        "holds here: said at most 370.37 µs (time per frame), measured 303 µs",
        "Slower here: measured is 3.8 % more than"};
    for (size_t i = 0; i < 2; i++) {
        unsigned k = 0;
        cJSON_ArrayForEach (launch, json_get(json_get(result, "cells")->child, "launches")) {
            cJSON_DeleteItemFromObject(launch, "frames_per_s");
            json_add_double(launch, "frames_per_s", rates_hz[i] * (1 + 0.0001 * k++));
        }
        assert_says(result, (const char *[]){said[i], NULL});
    }
    cJSON_Delete(result);
    result = result_of(&cell, 1, CLAIM_JSON("period.p50", "0", "370370", ""));
    assert_says(result, (const char *[]){"No launch has this figure", NULL});
    cJSON_Delete(result);
}

static void another_machine_is_named(void **state)
{
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.01);
    cJSON *result = result_of(
        &cell, 1, CLAIM_JSON("handoff.mean", "500000", "900000", ", \"machine\": \"Jetson\""));
    assert_says(result, (const char *[]){"another machine than it speaks of: Jetson", NULL});
    static const char *const boards[] = {"{\"model\": \"NVIDIA jetson Xavier NX\"}",
                                         "{\"l4t\": \"35.4.1\"}"};
    for (size_t i = 0; i < 2; i++) {
        cJSON *before = cJSON_CreateObject(), *environment = cJSON_CreateObject();
        json_add(before, "board", cJSON_Parse(boards[i]));
        json_add(environment, "before", before);
        cJSON_DeleteItemFromObject(result, "environment");
        json_add(result, "environment", environment);
        char *said = lines_of(result);
        assert_null(strstr(said, "another machine"));
        free(said);
    }
    cJSON_Delete(result);
}

/* Claims are in no result's way: nothing false, nothing called false, no crash. */
static void hostile_claims_are_left_out_or_harmless(void **state)
{
    static const char *const bad[] = {
        "3",
        "{}",
        "[]",
        "null",
        CLAIM_JSON("handoff", "1", "2", ""),
        CLAIM_JSON("handoff.p98", "1", "2", ""),
        CLAIM_JSON("handoff.mean.x", "1", "2", ""),
        CLAIM_JSON("handoff.mean", "3", "2", ""),
        CLAIM_JSON("handoff.mean", "-1", "2", ""),
        CLAIM_JSON("handoff.mean", "1", "1e300", ""),
        CLAIM_JSON("handoff.mean", "\"1\"", "2", ""),
        CLAIM_JSON("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.mean", "1", "2", "")};
    struct fixture_cell cell = cell_of("spin", LAUNCHES, 600000, 0.01);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cJSON *result = result_of(&cell, 1, bad[i]);
        char *said = lines_of(result);
        assert_string_equal(said, "");
        free(said);
        cJSON_Delete(result);
    }
    cJSON *result = result_of(
        &cell, 1,
        CLAIM_JSON("handoff.mean", "0", "0", ", \"moved_bytes\": -1e300, \"machine\": 5"));
    assert_says(result, (const char *[]){"said 0 ns (mean of handoff)", "Slower here.", NULL});
    cJSON_Delete(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_at_the_bounds_are_judged),
        cmocka_unit_test(a_single_number_is_five_per_cent_wide),
        cmocka_unit_test(arithmetic_needs_the_claims_number_and_a_floor),
        cmocka_unit_test(cells_of_one_claim_are_judged_together),
        cmocka_unit_test(launches_decide_not_frames),
        cmocka_unit_test(directions_are_named),
        cmocka_unit_test(few_launches_decide_nothing),
        cmocka_unit_test(cells_that_could_not_run_say_why),
        cmocka_unit_test(a_mean_of_frames_that_never_finished_is_none),
        cmocka_unit_test(late_frames_that_make_a_mean_are_told),
        cmocka_unit_test(impossible_shows_its_arithmetic),
        cmocka_unit_test(throughput_is_a_time_per_frame),
        cmocka_unit_test(another_machine_is_named),
        cmocka_unit_test(hostile_claims_are_left_out_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
