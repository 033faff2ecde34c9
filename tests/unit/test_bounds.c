/* test_bounds.c: which cells keep what a user asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/bounds.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

static const char *const no_compare[] = {""};

/* A cell of pacing `pingpong`: its latency is what is asked about. */
static struct fixture_cell cell_of(const char *wait, double p50_ns, double wobble, double cpu,
                                   int launches)
{
    struct fixture_cell cell = {.transport = "shm",
                                .wait = wait,
                                .frame = "64x48x3",
                                .pacing = "pingpong",
                                .cpu_percent = cpu - 3};
    fixture_spread(&cell, launches, p50_ns, wobble, 1);
    return cell;
}

struct asked {
    cJSON *json;
    struct report *report;
    struct bounds_answer answer;
    struct err err;
    enum status status;
};

/* What each role took in each launch, from the cell's figures. */
static void usage_add(cJSON *cell)
{
    static const char *const roles[] = {"producer", "consumer"};
    cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        cJSON *usage = cJSON_CreateObject();
        for (int i = 0; i < 2; i++) {
            const cJSON *cpu = json_get(json_get(json_get(cell, "cpu"), roles[i]), "percent");
            cJSON *role = cJSON_CreateObject();
            json_add_double(role, "wall_ns", 1e9);
            json_add_double(role, "user_ns", json_get_number(cpu, "value", 0) * 1e7);
            json_add_double(role, "system_ns", 0);
            json_add(usage, roles[i], role);
        }
        json_add(launch, "usage", usage);
    }
}

static void ask(struct asked *asked, const struct fixture_cell *cells, size_t count,
                const struct bounds *bounds)
{
    memset(asked, 0, sizeof *asked);
    asked->json = fixture_result(cells, count, no_compare, 1);
    cJSON *cell;
    cJSON_ArrayForEach (cell, json_get(asked->json, "cells"))
        usage_add(cell);
    assert_int_equal(report_open(asked->json, &asked->report, &asked->err), ST_OK);
    asked->status = bounds_answer_make(asked->report, bounds, &asked->answer, &asked->err);
}

static void asked_free(struct asked *asked)
{
    bounds_answer_free(&asked->answer);
    report_free(asked->report);
    cJSON_Delete(asked->json);
}

static const struct bounds_cell *found(const struct asked *asked, const char *wait)
{
    for (size_t i = 0; i < asked->answer.case_count; i++)
        for (size_t j = 0; j < asked->answer.cases[i].count; j++)
            if (strstr(asked->answer.cases[i].cells[j].cell->id, wait))
                return &asked->answer.cases[i].cells[j];
    fail_msg("no cell with wait %s", wait);
    return NULL;
}

static void each_state_is_told_from_the_others(void **unused)
{
    const double bound_ns = 1e5 * (1 + (double)random_below(1000) / 1000);
    const struct fixture_cell cells[] = {
        cell_of("spin", 0.5 * bound_ns, 0.02, 90, 10),  /* too dear */
        cell_of("yield", 0.6 * bound_ns, 0.02, 45, 10), /* kept, dearer */
        cell_of("futex", 0.8 * bound_ns, 0.02, 10, 10), /* kept, cheaper */
        cell_of("pause", 0.98 * bound_ns, 0.3, 20, 10), /* reaches beyond */
        cell_of("eventfd", 0.7 * bound_ns, 0.02, 5, 3), /* too few launches to be sure */
        cell_of("block", 1.3 * bound_ns, 0.02, 8, 10),  /* the nearest miss */
        cell_of("native", 5 * bound_ns, 0.02, 4, 10),
    };
    static const char *const order[] = {"futex", "yield", "eventfd", "pause",
                                        "block", "spin",  "native"};
    const struct bounds bounds = {.time_ns = {[STATS_P50] = bound_ns}, .cpu_percent = 50};
    struct asked asked;
    struct text words = {0};
    ask(&asked, cells, sizeof cells / sizeof cells[0], &bounds);
    assert_int_equal(asked.status, ST_OK);
    assert_int_equal(asked.answer.case_count, 1);
    assert_string_equal(asked.answer.cases[0].interval, "latency");
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        assert_non_null(strstr(asked.answer.cases[0].cells[i].cell->id, order[i]));
    assert_int_equal(found(&asked, "futex")->state, BOUNDS_KEPT);
    assert_int_equal(found(&asked, "yield")->state, BOUNDS_KEPT);
    assert_int_equal(found(&asked, "pause")->state, BOUNDS_REACHED);
    assert_int_equal(found(&asked, "eventfd")->state, BOUNDS_REACHED);
    assert_int_equal(found(&asked, "block")->state, BOUNDS_MISSED);
    assert_int_equal(found(&asked, "spin")->state, BOUNDS_MISSED);
    assert_string_equal(text_get(&found(&asked, "futex")->lacks), "");
    assert_non_null(strstr(text_get(&found(&asked, "pause")->lacks), "interval of p50 reaches"));
    assert_non_null(strstr(text_get(&found(&asked, "eventfd")->lacks), "of 3 launches"));
    assert_non_null(strstr(text_get(&found(&asked, "spin")->lacks), "CPU is"));
    assert_null(strstr(text_get(&found(&asked, "spin")->lacks), "p50"));
    bounds_add_verdict(&words, &bounds, &asked.answer.cases[0]);
    assert_non_null(strstr(text_get(&words), "Of 7 measured, 2 keep p50 of latency"));
    text_free(&words);
    bounds_add_nearest_miss(&words, &asked.answer.cases[0]);
    assert_non_null(strstr(text_get(&words), "The nearest miss is shm + block: p50 is"));
    text_free(&words);
    asked_free(&asked);
}

static void one_launch_has_no_range(void **unused)
{
    const struct fixture_cell cells[] = {cell_of("spin", 1000, 0.02, 10, 1)};
    const struct bounds bounds = {.time_ns = {[STATS_P50] = 2000}};
    struct asked asked;
    ask(&asked, cells, 1, &bounds);
    assert_int_equal(found(&asked, "spin")->state, BOUNDS_REACHED);
    assert_null(strstr(text_get(&found(&asked, "spin")->lacks), "range"));
    assert_non_null(strstr(text_get(&found(&asked, "spin")->lacks), "one launch"));
    asked_free(&asked);
}

/* p99 takes 368 frames; a launch of the fixture has 40, and no p99. */
static void what_was_not_measured_is_not_kept(void **unused)
{
    const struct fixture_cell cells[] = {cell_of("spin", 1000, 0.02, 10, 10)};
    const struct bounds bounds = {.time_ns = {[STATS_P99] = 1e9}};
    struct asked asked;
    ask(&asked, cells, 1, &bounds);
    assert_int_equal(found(&asked, "spin")->state, BOUNDS_UNKNOWN);
    assert_non_null(strstr(text_get(&found(&asked, "spin")->lacks), "p99 is not known"));
    asked_free(&asked);
}

/* Frames of two sizes are two questions; torn ones answer none; null moves nothing. */
static void cells_of_other_work_are_other_cases(void **unused)
{
    struct fixture_cell cells[] = {
        cell_of("spin", 1000, 0.02, 10, 10), cell_of("futex", 2000, 0.02, 5, 10),
        cell_of("pause", 3000, 0.02, 5, 10), cell_of("yield", 500, 0.02, 1, 10),
        cell_of("block", 400, 0.02, 1, 10),  cell_of("eventfd", 300, 0.02, 1, 10)};
    const struct bounds bounds = {.time_ns = {[STATS_P50] = 1e6}};
    struct asked asked;
    cells[2].frame = "640x480x3";
    cells[3].torn = 1;
    cells[4].transport = "null";
    cells[5].pacing = "max";
    ask(&asked, cells, 6, &bounds);
    assert_int_equal(asked.answer.case_count, 2);
    assert_int_equal(asked.answer.cases[0].count, 2);
    assert_int_equal(asked.answer.cases[1].count, 1);
    assert_non_null(strstr(text_get(&asked.answer.cases[1].title), "640×480×3"));
    assert_non_null(strstr(text_get(&asked.answer.left_out), "1 cell failed"));
    assert_non_null(strstr(text_get(&asked.answer.left_out), "1 cell ran at the highest rate it could"));
    asked_free(&asked);
}

static void only_the_asked_rate_answers(void **unused)
{
    struct fixture_cell cells[] = {cell_of("spin", 1000, 0.02, 10, 10),
                                   cell_of("futex", 2000, 0.02, 5, 10)};
    struct bounds bounds = {.time_ns = {[STATS_P50] = 1e6}, .rate_hz = 60};
    struct asked asked;
    cells[0].pacing = "rate:60";
    cells[1].pacing = "rate:30";
    cells[0].response_ns = cells[1].response_ns = 5000;
    ask(&asked, cells, 2, &bounds);
    assert_int_equal(asked.answer.case_count, 1);
    assert_string_equal(asked.answer.cases[0].interval, "response");
    assert_non_null(strstr(text_get(&asked.answer.left_out), "30 frames/s"));
    asked_free(&asked);
    bounds.rate_hz = 120;
    ask(&asked, cells, 2, &bounds);
    assert_int_equal(asked.status, ST_INVALID);
    assert_non_null(strstr(asked.err.hint, "60 frames/s, 30 frames/s"));
    asked_free(&asked);
    bounds.rate_hz = 0;
    bounds.frame = "1x1x1";
    ask(&asked, cells, 2, &bounds);
    assert_int_equal(asked.status, ST_INVALID);
    assert_non_null(strstr(asked.err.hint, "64x48x3"));
    asked_free(&asked);
}

static void bounds_are_read_as_people_write_them(void **unused)
{
    double value = -1;
    assert_true(bounds_parse_time("200us", &value) && value == 200e3);
    assert_true(bounds_parse_time("1.5 ms", &value) && value == 1.5e6);
    assert_true(bounds_parse_time("2s", &value) && value == 2e9);
    assert_true(bounds_parse_time("35µs", &value) && value == 35e3);
    assert_true(bounds_parse_percent("20%", &value) && value == 20);
    assert_true(bounds_parse_percent("150", &value) && value == 150);
    assert_true(bounds_parse_rate("60fps", &value) && value == 60);
    assert_true(bounds_parse_rate("29.97", &value) && value == 29.97);
    static const char *const bad[] = {"",      "us",  "-1us", "0us",  "200",     "1e400s",
                                      "nanus", "1 h", "inf",  "1usx", "0x10us ", " 1us"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value = 42;
        assert_false(bounds_parse_time(bad[i], &value));
        assert_true(value == 42);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_told_from_the_others),
        cmocka_unit_test(one_launch_has_no_range),
        cmocka_unit_test(what_was_not_measured_is_not_kept),
        cmocka_unit_test(cells_of_other_work_are_other_cases),
        cmocka_unit_test(only_the_asked_rate_answers),
        cmocka_unit_test(bounds_are_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
