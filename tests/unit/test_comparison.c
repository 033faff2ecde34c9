/* test_comparison.c: from two results to a table of judged gates: which launches are paired, what
 * is compared of them, what is named and not compared, and that a stranger's names come out as
 * text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "harness/report/comparison_parts.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define LAUNCHES 10

static struct fixture_cell cell_of(const char *transport, const char *wait, const char *pacing,
                                   double p50_ns, double wobble)
{
    struct fixture_cell cell = {
        .transport = transport, .wait = wait, .frame = "64x48x3", .pacing = pacing};
    fixture_spread(&cell, LAUNCHES, p50_ns, wobble, random_below(2) ? 1 : -1);
    return cell;
}

/* A result of these cells, with what comparisons look at beside the fixture's members. */
static cJSON *result_of(const struct fixture_cell *cells, size_t count, const char *compare,
                        double tick_ns)
{
    const char *const compares[] = {compare};
    cJSON *result = fixture_result(cells, count, compares, 1), *cell, *launch;
    cJSON *run = cJSON_CreateObject(), *clock = cJSON_CreateObject();
    int index = 0;
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        json_add_double(cell, "launches_ok", LAUNCHES);
        json_add_double(cell, "frames", 40);
        json_add_double(cell, "warmup_frames", 4);
        cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
            json_add_double(launch, "order",
                            json_get_number(launch, "launch", 0) * (double)count + index);
        }
        index++;
    }
    json_add_double(clock, "tick_ns", tick_ns);
    json_add_string(clock, "name", "TSC");
    json_add(run, "clock", clock);
    json_add(result, "run", run);
    return result;
}

static void declare(cJSON *result, const char *const *names, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        json_append(list, cJSON_CreateString(names[i]));
    json_add(json_get(result, "scenario"), "gates", list);
}

struct table {
    cJSON *base, *new_json;
    struct report *base_report, *new_report;
    struct comparison *comparison;
};

static void judge_builds(struct table *table)
{
    struct err err;
    assert_int_equal(report_open(table->base, &table->base_report, &err), ST_OK);
    assert_int_equal(report_open(table->new_json, &table->new_report, &err), ST_OK);
    assert_int_equal(
        comparison_new(table->base_report, table->new_report, &table->comparison, &err), ST_OK);
    assert_int_equal(comparison_add_builds(table->comparison, &err), ST_OK);
    assert_int_equal(comparison_judge(table->comparison, &err), ST_OK);
}

static void table_free(struct table *table)
{
    comparison_free(table->comparison);
    report_free(table->base_report);
    report_free(table->new_report);
    cJSON_Delete(table->base);
    cJSON_Delete(table->new_json);
}

static void assert_concludes(const struct comparison *comparison, const char *wanted)
{
    struct text text = {0};
    comparison_conclude(comparison, &text);
    if (!strstr(text_get(&text), wanted))
        fail_msg("expected \"%s\" in: %s", wanted, text_get(&text));
    text_free(&text);
}

static void test_two_builds(void **state)
{
    (void)state;
    const double p50_ns = 20000 + random_below(20000);
    struct fixture_cell bases[] = {cell_of("shm", "futex", "pingpong", p50_ns, 0.01),
                                   cell_of("shm", "spin", "pingpong", p50_ns, 0.01),
                                   cell_of("unix", "block", "max", p50_ns, 0.01)};
    struct fixture_cell news[] = {cell_of("shm", "futex", "pingpong", 1.3 * p50_ns, 0.01),
                                  cell_of("shm", "spin", "pingpong", p50_ns, 0.01),
                                  cell_of("unix", "block", "max", p50_ns / 2, 0.01)};
    struct table table = {.base = result_of(bases, 3, "", 1),
                          .new_json = result_of(news, 3, "", 1)};
    judge_builds(&table);
    const struct comparison *made = table.comparison;
    assert_int_equal(made->row_count, 3);
    assert_string_equal(made->rows[0].gate->name, "latency.p50");
    assert_string_equal(made->rows[2].gate->name, "frames_per_s"); /* pacing max */
    assert_int_equal(made->rows[0].judged.verdict, COMPARE_SLOWER);
    assert_int_equal(made->rows[1].judged.verdict, COMPARE_SAME);
    assert_int_equal(made->rows[2].judged.verdict, COMPARE_FASTER);
    assert_float_equal(comparison_ratio(&made->rows[0]).ratio, 1.3, 0.03);
    /* Of a rate the ratio is above 1 where it is better. */
    assert_float_equal(comparison_ratio(&made->rows[2]).ratio, 2, 0.05);
    assert_true(comparison_ratio(&made->rows[2]).low90 < comparison_ratio(&made->rows[2]).high90);
    assert_float_equal(made->rows[2].new_value, 2e9 / p50_ns, 0.05 * 2e9 / p50_ns);
    assert_int_equal(made->regressions, 1);
    assert_int_equal(made->judged_count, 3);
    assert_concludes(made, "New is slower in 1 of 3 gates: latency.p50 of shm+futex");
    assert_concludes(made, "1 gate is the same, 1 gate is faster.");
    /* What is alike for all cells is said once, and the rest with each. */
    struct text all = {0}, one = {0};
    comparison_conditions(made, &all);
    comparison_cell_conditions(made, made->rows[2].cell, &one);
    assert_non_null(strstr(text_get(&all), "All cells: load none, placement"));
    assert_non_null(strstr(text_get(&all), "clock TSC"));
    assert_string_equal(text_get(&one), "maximum rate");
    text_free(&all);
    text_free(&one);
    table_free(&table);
}

static void set_text(cJSON *cell, const char *name, const char *text)
{
    cJSON_DeleteItemFromObjectCaseSensitive(cell, name);
    json_add_string(cell, name, text);
}

static void test_what_is_not_compared(void **state)
{
    (void)state;
    static const char *const waits[] = {"spin", "futex", "yield", "pause", "eventfd", "condvar"};
    struct fixture_cell cells[6];
    for (int i = 0; i < 6; i++)
        cells[i] = cell_of("shm", waits[i], "pingpong", 30000, 0.01);
    struct table table = {.base = result_of(cells, 5, "", 1),
                          .new_json = result_of(cells, 6, "", 1)};
    cJSON *bases = json_get(table.base, "cells"), *news = json_get(table.new_json, "cells");
    /* spin failed on new alone, futex on base alone, yield on both, pause is unavailable on new;
     * eventfd ran on both, condvar is not known to base. */
    set_text(cJSON_GetArrayItem(news, 0), "status", "failed");
    set_text(cJSON_GetArrayItem(news, 0), "reason", "it <b>fell</b> over");
    set_text(cJSON_GetArrayItem(bases, 1), "status", "failed");
    set_text(cJSON_GetArrayItem(bases, 2), "status", "failed");
    set_text(cJSON_GetArrayItem(news, 2), "status", "failed");
    set_text(cJSON_GetArrayItem(news, 3), "status", "unavailable");
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetArrayItem(news, 3), "launches_ok");
    judge_builds(&table);
    const struct comparison *made = table.comparison;
    assert_int_equal(made->row_count, 1);
    assert_int_equal(made->left_count, 5);
    for (size_t i = 0; i < made->left_count; i++)
        assert_int_equal(made->left[i].is_regression, i == 0 || i == 3);
    assert_non_null(strstr(made->left[0].reason, "failed on new: it <b>fell</b> over"));
    assert_non_null(strstr(made->left[1].reason, "failed on base"));
    assert_non_null(strstr(made->left[2].reason, "failed on new; failed on base"));
    assert_non_null(strstr(made->left[3].reason, "cannot run on new"));
    assert_non_null(strstr(made->left[4].reason, "base has no such cell"));
    assert_int_equal(made->regressions, 2);
    assert_concludes(made, "Cells ran on base and not on new: shm+spin");
    table_free(&table);
}

/* A cell that new no longer has; and that a run which was cut short has not come to it, is no
 * loss. */
static void test_what_new_does_not_have(void **state)
{
    (void)state;
    static const char *const waits[] = {"spin", "futex", "yield"};
    struct fixture_cell cells[3];
    for (int i = 0; i < 3; i++)
        cells[i] = cell_of("shm", waits[i], "pingpong", 30000, 0.01);
    struct table table = {.base = result_of(cells, 3, "", 1),
                          .new_json = result_of(cells, 2, "", 1)};
    cJSON *late = cJSON_GetArrayItem(json_get(table.new_json, "cells"), 1);
    set_text(late, "status", "incomplete");
    cJSON_DeleteItemFromObjectCaseSensitive(late, "launches_ok");
    judge_builds(&table);
    const struct comparison *made = table.comparison;
    assert_int_equal(made->left_count, 2);
    assert_false(made->left[0].is_regression);
    assert_true(made->left[1].is_regression);
    assert_concludes(made, "A cell ran on base and not on new: shm+yield");
    table_free(&table);
}

/* What would have been seen is said of all gates or of none: one that had too few pairs saw
 * nothing, wherever in the table it stands. */
static void test_what_would_have_been_seen(void **state)
{
    (void)state;
    for (int lacking = -1; lacking < 3; lacking++) {
        const struct fixture_cell cells[] = {cell_of("shm", "futex", "pingpong", 30000, 0.001),
                                             cell_of("shm", "spin", "pingpong", 30000, 0.001),
                                             cell_of("unix", "block", "pingpong", 30000, 0.001)};
        struct table table = {.base = result_of(cells, 3, "", 1),
                              .new_json = result_of(cells, 3, "", 1)};
        cJSON *launches =
            lacking < 0 ? NULL
                        : json_get(cJSON_GetArrayItem(json_get(table.new_json, "cells"), lacking),
                                   "launches");
        while (cJSON_GetArraySize(launches) > COMPARE_PAIRS_MIN - 1)
            cJSON_DeleteItemFromArray(launches, 0);
        judge_builds(&table);
        assert_int_equal(table.comparison->judged_count, 3);
        struct text text = {0};
        comparison_conclude(table.comparison, &text);
        const bool is_said = strstr(text_get(&text), "would have been seen in any gate") != NULL;
        assert_int_equal(is_said, lacking < 0);
        assert_int_equal(isnan(table.comparison->detectable), lacking >= 0);
        text_free(&text);
        table_free(&table);
    }
}

static void test_figures_that_are_not_there(void **state)
{
    (void)state;
    static const char *const names[] = {"latency.p50", "latency.p99", "response.p50",
                                        "cpu_percent.system", "no.such"};
    struct fixture_cell cells[] = {cell_of("shm", "futex", "max", 30000, 0.01),
                                   cell_of("shm", "spin", "pingpong", 300, 0.001)};
    struct table table = {.base = result_of(cells, 2, "", 10),
                          .new_json = result_of(cells, 2, "", 10)};
    declare(table.new_json, names, 5);
    /* One launch of one side lacks its handoff: that may be the difference. */
    judge_builds(&table);
    const struct comparison *made = table.comparison;
    assert_int_equal(made->row_count, 8); /* a name that this version does not know is left out */
    assert_non_null(strstr(made->rows[0].reason, "queue depth"));
    assert_non_null(strstr(made->rows[1].reason, "queue depth"));
    assert_non_null(strstr(made->rows[2].reason, "no pair of launches"));
    assert_non_null(strstr(made->rows[3].reason, "no pair of launches"));
    assert_non_null(strstr(made->rows[5].reason, "368 frames"));
    /* 300 ns are 30 ticks: means; and two ticks are no difference. */
    assert_true(made->rows[4].means);
    assert_string_equal(comparison_gate_name(&made->rows[4]), "latency.mean");
    assert_float_equal(made->rows[4].judged.margin, 320.0 / 300, 0.001);
    assert_int_equal(made->judged_count, 1);
    table_free(&table);

    struct table lacking = {.base = result_of(cells, 2, "", 1),
                            .new_json = result_of(cells, 2, "", 1)};
    cJSON *launch = cJSON_GetArrayItem(
        json_get(cJSON_GetArrayItem(json_get(lacking.new_json, "cells"), 1), "launches"), 4);
    cJSON_DeleteItemFromObjectCaseSensitive(json_get(launch, "intervals"), "latency");
    judge_builds(&lacking);
    assert_int_equal(lacking.comparison->rows[1].judged.count, 0);
    assert_non_null(strstr(lacking.comparison->rows[1].reason, "in 1 of 10 pairs"));
    table_free(&lacking);
}

static void test_values_of_an_axis(void **state)
{
    (void)state;
    struct fixture_cell cells[] = {cell_of("shm", "spin", "pingpong", 1000, 0.01),
                                   cell_of("shm", "futex", "pingpong", 3000, 0.01),
                                   cell_of("shm", "spin", "rate:60", 2000, 0.01),
                                   cell_of("shm", "futex", "rate:60", 2000, 0.01)};
    cJSON *json = result_of(cells, 4, "wait", 1);
    struct report *report;
    struct comparison *made;
    struct err err;
    assert_int_equal(report_open(json, &report, &err), ST_OK);
    assert_int_equal(comparison_new(report, report, &made, &err), ST_OK);
    assert_int_equal(comparison_add_axis(made, "wait", NULL, &err), ST_OK);
    assert_int_equal(comparison_judge(made, &err), ST_OK);
    assert_string_equal(made->base_name, "wait spin");
    assert_int_equal(made->row_count, 2);
    assert_int_equal(made->rows[0].judged.verdict, COMPARE_SLOWER);
    assert_int_equal(made->rows[1].judged.verdict, COMPARE_SAME);
    comparison_free(made);
    assert_int_equal(comparison_new(report, report, &made, &err), ST_OK);
    assert_int_equal(comparison_add_axis(made, "wait", "futex", &err), ST_OK);
    assert_int_equal(comparison_judge(made, &err), ST_OK);
    assert_int_equal(made->rows[0].judged.verdict, COMPARE_FASTER);
    comparison_free(made);
    assert_int_equal(comparison_new(report, report, &made, &err), ST_OK);
    assert_int_equal(comparison_add_axis(made, "wait", "yield", &err), ST_INVALID);
    comparison_free(made);
    assert_int_equal(comparison_new(report, report, &made, &err), ST_OK);
    assert_int_equal(comparison_add_axis(made, "slots", NULL, &err), ST_INVALID);
    comparison_free(made);
    report_free(report);

    /* Not interleaved, and other counts: named, and not compared. */
    cJSON *launch, *list = json_get(json, "cells");
    cJSON_ArrayForEach (launch, json_get(cJSON_GetArrayItem(list, 1), "launches")) {
        cJSON_DeleteItemFromObjectCaseSensitive(launch, "order");
        json_add_double(launch, "order", 1000 + json_get_number(launch, "launch", 0));
    }
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetArrayItem(list, 3), "frames");
    json_add_double(cJSON_GetArrayItem(list, 3), "frames", 41);
    assert_int_equal(report_open(json, &report, &err), ST_OK);
    assert_int_equal(comparison_new(report, report, &made, &err), ST_OK);
    assert_int_equal(comparison_add_axis(made, "wait", NULL, &err), ST_OK);
    assert_int_equal(comparison_judge(made, &err), ST_OK);
    assert_int_equal(made->row_count, 0);
    assert_int_equal(made->left_count, 2);
    assert_non_null(strstr(made->left[0].reason, "not interleaved"));
    assert_non_null(strstr(made->left[1].reason, "other frame counts"));
    assert_concludes(made, "Nothing could be compared.");
    comparison_free(made);
    report_free(report);
    cJSON_Delete(json);
}

/* What a stranger's names become in each format. */
static void test_hostile_names(void **state)
{
    (void)state;
    static const char hostile[] = "a|`$(x)`<script>\x1b[2J\n# b";
    struct fixture_cell cells[] = {cell_of("shm", "futex", "pingpong", 30000, 0.01)};
    struct table table = {.base = result_of(cells, 1, "", 1),
                          .new_json = result_of(cells, 1, "", 1)};
    set_text(cJSON_GetArrayItem(json_get(table.base, "cells"), 0), "id", hostile);
    set_text(cJSON_GetArrayItem(json_get(table.new_json, "cells"), 0), "id", hostile);
    set_text(json_get(table.new_json, "scenario"), "name", hostile);
    set_text(json_get(json_get(table.new_json, "run"), "clock"), "name", hostile);
    judge_builds(&table);
    char *shown = NULL;
    size_t bytes;
    for (int markdown = 0; markdown < 2; markdown++) {
        FILE *file = open_memstream(&shown, &bytes);
        if (markdown)
            comparison_print_markdown(table.comparison, file);
        else
            comparison_print_table(table.comparison, file);
        fclose(file);
        assert_null(strchr(shown, '\x1b'));
        assert_null(strstr(shown, "\n# b"));
        if (markdown) {
            assert_null(strstr(shown, "<script>"));
            assert_null(strstr(shown, "a|`"));
        }
        free(shown);
    }
    cJSON *json = comparison_json(table.comparison);
    assert_string_equal(json_get_string(cJSON_GetArrayItem(json_get(json, "gates"), 0), "cell", ""),
                        hostile);
    cJSON_Delete(json);
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_builds),
        cmocka_unit_test(test_what_is_not_compared),
        cmocka_unit_test(test_what_new_does_not_have),
        cmocka_unit_test(test_what_would_have_been_seen),
        cmocka_unit_test(test_figures_that_are_not_there),
        cmocka_unit_test(test_values_of_an_axis),
        cmocka_unit_test(test_hostile_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
