/* test_report_sections.c: what the page and the summary say beside each comparison: what each axis
 * changes, fitness, conditions, what could not run, several results. See test_report_page.c for the
 * page as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/axis_changes.h"
#include "harness/report/conditions.h"
#include "harness/report/page.h"
#include "tests/support/result_fixture.h"

/* Transports times frames, in one block that compares transports; unix twice as slow, the larger
 * frame three times. */
static cJSON *result_make(double large_ratio, int launches)
{
    static const char *const compares[] = {"transport"};
    struct fixture_cell cells[4];
    for (size_t i = 0; i < 4; i++) {
        cells[i] = (struct fixture_cell){.transport = i % 2 ? "unix" : "shm",
                                         .wait = i % 2 ? "block" : "futex",
                                         .frame = i / 2 ? "128x96x3" : "64x48x3",
                                         .pacing = "rate:500",
                                         .response_ns = 1e6,
                                         .cpu_percent = 5};
        fixture_spread(&cells[i], launches, 1e5 * (i % 2 ? 2 : 1) * (i / 2 ? large_ratio : 1), 0.01,
                       i % 2 ? 1 : -1);
    }
    return fixture_result(cells, 4, compares, 1);
}

/* What the only change of the result is, as its sentence; the caller frees. */
static void sentence_of(const cJSON *result, struct text *sentence)
{
    struct report *report;
    struct axis_changes changes;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_true(axis_changes_make(report, &report->blocks[0], &changes));
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.items[0].comparisons, 2);
    axis_change_add_sentence(sentence, &changes.items[0]);
    axis_changes_free(&changes);
    report_free(report);
}

static void an_axis_changes_what_it_changes_all_else_equal(void **state)
{
    static const struct {
        double ratio;
        int launches;
        const char *says;
    } cases[] = {
        {3, 10,
         "With 128×96×3 instead of 64×48×3, p50 of latency is 3.0 times as long (3.00–3.00× "
         "over 2 comparisons): longer in both."},
        {0.5, 10,
         "p50 of latency is 50 % shorter (0.50–0.50× over 2 comparisons): shorter in both."},
        {1.001, 10, "0.1 % longer (1.00–1.00× over 2 comparisons): tied in both."},
        {3, 3, "too few launches for a verdict in both."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text sentence = {0};
        cJSON *result = result_make(cases[i].ratio, cases[i].launches);
        sentence_of(result, &sentence);
        if (!strstr(text_get(&sentence), cases[i].says))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].says, text_get(&sentence));
        text_free(&sentence);
        cJSON_Delete(result);
    }
}

static void a_torn_cell_is_no_comparison(void **state)
{
    struct report *report;
    struct axis_changes changes;
    cJSON *result = result_make(3, 10);
    cJSON *integrity = json_get(cJSON_GetArrayItem(json_get(result, "cells"), 3), "integrity");
    cJSON_SetNumberValue(json_get(integrity, "torn"), 1);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_true(axis_changes_make(report, &report->blocks[0], &changes));
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.items[0].comparisons, 1);
    axis_changes_free(&changes);
    report_free(report);
    cJSON_Delete(result);
}

static void conditions_of(uint64_t launches, struct text *text)
{
    struct report *report;
    cJSON *result = result_make(3, 10), *cell;
    cJSON_ArrayForEach (cell, json_get(result, "cells"))
        json_add_u64(cell, "launches_ok", launches);
    char *printed = cJSON_PrintUnformatted(result); /* whole numbers are raw text until parsed */
    cJSON_Delete(result);
    result = cJSON_Parse(printed);
    cJSON_free(printed);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    text_free(text);
    conditions_add(text, report);
    report_free(report);
    cJSON_Delete(result);
}

static void conditions_name_launches_rates_and_frames(void **state)
{
    struct text text = {0};
    conditions_of(10, &text);
    assert_string_equal(text_get(&text), "10 launches of each cell, 95 % intervals. Rates: 500 "
                                         "frames/s. Frames: 64×48×3, 128×96×3.");
    conditions_of(9, &text);
    assert_non_null(strstr(text_get(&text), "too few for intervals, so the range"));
    conditions_of(1, &text);
    assert_non_null(strstr(text_get(&text), "1 launch of each cell: a figure of one launch has "
                                            "neither an interval nor a range. Rates"));
    text_free(&text);
    cJSON *result = result_make(3, 10), *cell;
    cJSON_ArrayForEach (cell, json_get(result, "cells"))
        cJSON_ReplaceItemInObject(cell, "status", cJSON_CreateString("failed"));
    struct report *report;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    conditions_add(&text, report);
    assert_string_equal(text_get(&text), "no cell has a figure.");
    report_free(report);
    cJSON_Delete(result);
    text_free(&text);
}

/* The page and the summary of one result; the caller frees both. */
static void render(const cJSON *result, const cJSON *fitness, struct text *page,
                   struct text *summary)
{
    struct report *report;
    struct conclusions *conclusions;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    struct page_part part = {.report = report, .conclusions = conclusions, .fitness = fitness};
    page_write(page, &part, 1, NULL);
    markdown_write(summary, &part, 1, NULL);
    conclusions_free(conclusions);
    report_free(report);
}

static void figures_of_an_unfit_machine_stand_below_the_warning(void **state)
{
    static const char *const levels[] = {"unfit", "warning"};
    for (size_t i = 0; i < 2; i++) {
        struct text page = {0}, summary = {0};
        char json[400];
        cJSON *result = result_make(3, 10);
        snprintf(
            json, sizeof json,
            "{\"worst\": \"%s\", \"verdict\": \"so <and> so\", \"before\": [{\"id\": \"load\", "
            "\"level\": \"%s\", \"found\": \"<b>busy</b>\", \"effect\": \"tails\", \"fix\": "
            "\"stop it (`top` helps)\"}, 7, null], \"after\": \"x\"}",
            levels[i], levels[i]);
        cJSON *fitness = cJSON_Parse(json);
        assert_non_null(fitness);
        render(result, fitness, &page, &summary);
        const char *banner = strstr(text_get(&page), "This machine was not fit to measure on");
        const char *answer = strstr(text_get(&page), "What to use here");
        assert_non_null(answer);
        assert_true(i == 0 ? banner && banner < answer : !banner);
        assert_int_equal(strstr(text_get(&summary), "not fit to measure on") != NULL, i == 0);
        assert_non_null(strstr(text_get(&page), "&lt;b&gt;busy&lt;/b&gt;"));
        assert_non_null(strstr(text_get(&page), "stop it (<code>top</code> helps)"));
        assert_non_null(strstr(text_get(&page), "so &lt;and&gt; so"));
        assert_null(strstr(text_get(&page), "<b>"));
        text_free(&page);
        text_free(&summary);
        cJSON_Delete(fitness);
        cJSON_Delete(result);
    }
}

static void a_reason_is_given_once_with_all_it_holds_for(void **state)
{
    struct text page = {0}, summary = {0};
    cJSON *result = result_make(3, 10);
    for (int i = 1; i < 4; i++) {
        cJSON *cell = cJSON_GetArrayItem(json_get(result, "cells"), i);
        cJSON_ReplaceItemInObject(cell, "status", cJSON_CreateString("unavailable"));
        cJSON_AddStringToObject(cell, "reason", i < 3 ? "no such device" : "another reason");
    }
    render(result, NULL, &page, &summary);
    const char *section = strstr(text_get(&page), "What could not run");
    assert_non_null(section);
    const char *first = strstr(section, "no such device");
    assert_non_null(first);
    assert_null(strstr(first + 1, "no such device"));
    assert_non_null(strstr(first, "another reason"));
    assert_non_null(strstr(text_get(&summary), " and 1 more: not available here: no such device"));
    text_free(&page);
    text_free(&summary);
    cJSON_Delete(result);
}

/* Three results, of which the second is twice as slow and the third lacks a cell. */
static void results_stand_beside_the_first(void **state)
{
    cJSON *results[3];
    struct report *reports[3];
    struct conclusions *conclusions[3];
    struct page_part parts[3];
    struct beside *beside;
    struct text page = {0}, summary = {0};
    for (size_t i = 0; i < 3; i++) {
        results[i] = result_make(i == 1 ? 6 : 3, 10);
        if (i == 2)
            cJSON_DeleteItemFromArray(json_get(results[i], "cells"), 3);
        assert_int_equal(report_open(results[i], &reports[i], NULL), ST_OK);
        assert_int_equal(conclusions_make(reports[i], &conclusions[i], NULL), ST_OK);
        parts[i] = (struct page_part){.report = reports[i], .conclusions = conclusions[i]};
    }
    parts[0].label = "be<fore";
    parts[1].label = "a|fter";
    parts[1].anchor = "r2-";
    assert_int_equal(beside_make((const struct report *const *)reports, 3, &beside, NULL), ST_OK);
    page_write(&page, parts, 3, beside);
    markdown_write(&summary, parts, 3, beside);
    assert_non_null(strstr(text_get(&page), "3 results side by side"));
    assert_non_null(strstr(text_get(&page),
                           "a|fter beside be&lt;fore, latency p50: worse in 2 of 4 "
                           "cells"));
    assert_non_null(strstr(text_get(&page),
                           "result 3 beside be&lt;fore, latency p50: no difference "
                           "seen in all 3 cells"));
    assert_non_null(strstr(text_get(&page), "worse</small>"));
    assert_non_null(strstr(text_get(&summary), "| | be&lt;fore | a\\|fter | result 3 |"));
    assert_non_null(strstr(text_get(&summary), "**worse** |"));
    assert_null(strstr(text_get(&page), "be<fore"));
    text_free(&page);
    text_free(&summary);
    beside_free(beside);
    for (size_t i = 0; i < 3; i++) {
        conclusions_free(conclusions[i]);
        report_free(reports[i]);
        cJSON_Delete(results[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_axis_changes_what_it_changes_all_else_equal),
        cmocka_unit_test(a_torn_cell_is_no_comparison),
        cmocka_unit_test(conditions_name_launches_rates_and_frames),
        cmocka_unit_test(figures_of_an_unfit_machine_stand_below_the_warning),
        cmocka_unit_test(a_reason_is_given_once_with_all_it_holds_for),
        cmocka_unit_test(results_stand_beside_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
