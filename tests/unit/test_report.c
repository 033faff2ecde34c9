/* test_report.c: what a report says: numbers and sentences. See test_report_table.c for the
 * terminal's table, test_report_page.c for the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/conclusions.h"
#include "tests/support/result_fixture.h"

/* All conclusions and advice of a result as one text. The caller frees. */
static char *say(const cJSON *result)
{
    char *text = NULL;
    size_t bytes = 0;
    struct report *report;
    struct conclusions *conclusions;
    FILE *out = open_memstream(&text, &bytes);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    for (size_t i = 0; i < conclusions->count; i++) {
        fprintf(out, "%s\n", text_get(&conclusions->items[i].lead));
        for (size_t j = 0; j < conclusions->items[i].point_count; j++)
            fprintf(out, "- %s\n", text_get(&conclusions->items[i].points[j]));
    }
    for (size_t i = 0; i < conclusions->advice_count; i++)
        fprintf(out, "=> %s\n", text_get(&conclusions->advice[i]));
    conclusions_free(conclusions);
    report_free(report);
    fclose(out);
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

/* What the fixture says, with the result deleted. */
static char *say_cells(const struct fixture_cell *cells, size_t count, const char *compare)
{
    cJSON *result = fixture_result(cells, count, &compare, 1);
    char *text = say(result);
    cJSON_Delete(result);
    return text;
}

static void times_have_three_digits_and_their_unit(void **state)
{
    static const struct {
        double ns;
        const char *text;
    } cases[] = {{0, "0 ns"},       {1, "1 ns"},        {999.4, "999 ns"}, {999.6, "1.00 µs"},
                 {1234, "1.23 µs"}, {38000, "38.0 µs"}, {99960, "100 µs"}, {999600, "1.00 ms"},
                 {1.5e9, "1.50 s"}, {3.6e12, "3600 s"}, {INFINITY, "∞"},   {NAN, "—"}};
    char text[FIGURE_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(format_ns(cases[i].ns, text), cases[i].text);
    assert_string_equal(format_count(24883200, text), "24,883,200");
    assert_string_equal(format_count(-1234, text), "-1,234");
    assert_string_equal(format_count(999, text), "999");
    assert_string_equal(format_bytes(6220800, text), "6.22 MB");
    assert_string_equal(format_ratio(1.12, text), "12 %");
    assert_string_equal(format_ratio(3.14, text), "3.1 times");
    assert_string_equal(format_ratio(110.3, text), "110 times");
}

static void a_clear_difference_is_told_with_its_cpu_cost(void **state)
{
    struct fixture_cell cells[] = {{.transport = "shm",
                                    .wait = "spin",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .cpu_percent = 100},
                                   {.transport = "shm",
                                    .wait = "futex",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .cpu_percent = 4}};
    fixture_spread(&cells[0], 10, 350, 0.01, 1);
    fixture_spread(&cells[1], 10, 38500, 0.01, -1);
    char *text = say_cells(cells, 2, "wait");
    expect(text, "At 500 frames/s of 64×64×3 (12.3 kB), futex hands a frame over in 38.");
    expect(text, "95 % interval");
    expect(text,
           "over 10 launches), 110 times spin's 350 ns, for 4.0 % of a CPU instead of 100 %.");
    expect(text, "=> Wait with spin (350 ns, 100 % of a CPU) where the consumer can have a CPU to "
                 "itself, and otherwise with futex");
    free(text);
}

/* What is said first is of one comparison: where the rest of the result says otherwise, so does it. */
static void a_wait_that_is_slower_elsewhere_is_not_advised_alone(void **state)
{
    static const char *const both[] = {"wait", "wait"};
    struct fixture_cell cells[4];
    for (size_t i = 0; i < 4; i++) {
        cells[i] = (struct fixture_cell){.transport = "shm",
                                         .wait = i % 2 ? "futex" : "spin",
                                         .frame = "64x64x3",
                                         .pacing = "rate:500",
                                         .block = (int)i / 2,
                                         .cpu_percent = 100};
        fixture_spread(&cells[i], 10, i == 0 ? 350 : i == 2 ? 90000 : 38500, 0.01, 1);
    }
    for (int slower = 1; slower >= 0; slower--) {
        if (!slower)
            fixture_spread(&cells[2], 10, 350, 0.01, 1);
        cJSON *result = fixture_result(cells, 4, both, 2);
        char *text = say(result);
        expect(text, "the fastest measured here (block block 0); none costs");
        if (slower)
            expect(text, "less CPU. In the one other comparison made here spin is slower.");
        else
            expect_not(text, "other comparison");
        free(text);
        cJSON_Delete(result);
    }
}

/* Means of handoff, launch by launch, other than the fixture's medians. */
static void set_means(cJSON *cell, double mean_ns)
{
    cJSON *launch;
    int number = 0;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        cJSON *handoff = json_get(json_get(launch, "intervals"), "handoff");
        cJSON_DeleteItemFromObject(handoff, "mean_ns");
        json_add_double(handoff, "mean_ns", mean_ns * (1 + 0.002 * (number++ % 3)));
    }
}

/* A ratio of means must not stand beside medians as if it were theirs. */
static void under_fifty_ticks_the_ratio_is_said_to_be_of_means(void **state)
{
    static const char *const waits[] = {"spin", "pause", "yield", "poll:1"};
    static const double p50_ns[] = {200, 210, 220, 230}, mean_ns[] = {300, 900, 150, 303};
    const char *compare = "wait";
    struct fixture_cell cells[4];
    for (int i = 0; i < 4; i++) {
        cells[i] = (struct fixture_cell){
            .transport = "shm", .wait = waits[i], .frame = "64x64x3", .pacing = "rate:500"};
        fixture_spread(&cells[i], 10, p50_ns[i], 0.001, 1);
    }
    cJSON *result = fixture_result(cells, 4, &compare, 1);
    json_add(result, "run", cJSON_Parse("{\"clock\": {\"tick_ns\": 32}}"));
    for (int i = 0; i < 4; i++)
        set_means(cJSON_GetArrayItem(json_get(result, "cells"), i), mean_ns[i]);
    char *text = say(result);
    cJSON_Delete(result);
    expect(text, "), its mean 3.0 times spin's (under 50 clock ticks means are compared)");
    expect(text, "), its mean 50 % shorter than spin's (under 50 clock ticks means are compared)");
    expect(text,
           "), its mean tied with spin's (within 5 %; a difference of 32 % or more would have "
           "been seen; under 50 clock ticks means are compared)");
    expect_not(text, "spin's 200 ns");
    free(text);
}

static void few_launches_are_a_range_and_very_few_no_verdict(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "spin", .frame = "64x64x3", .pacing = "rate:500"},
        {.transport = "shm", .wait = "futex", .frame = "64x64x3", .pacing = "rate:500"}};
    fixture_spread(&cells[0], 9, 350, 0.01, 1);
    fixture_spread(&cells[1], 9, 38500, 0.01, -1);
    char *text = say_cells(cells, 2, "wait");
    expect(text, "range ");
    expect(text, "over 9 launches");
    expect_not(text, "interval");
    expect(text, "110 times");
    free(text);
    cells[0].launches = cells[1].launches = 4;
    text = say_cells(cells, 2, "wait");
    expect(text, "4 launches of each are too few for a verdict");
    expect_not(text, "times");
    free(text);
}

static void equal_cells_are_tied_and_noisy_ones_are_not_decided(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "unix", .wait = "block", .frame = "640x480x3", .pacing = "pingpong"}};
    fixture_spread(&cells[0], 10, 1000000, 0.005, 1);
    fixture_spread(&cells[1], 10, 1002000, 0.005, 1);
    char *text = say_cells(cells, 2, "transport");
    expect(text, "tied with shm's 1.00 ms (within 5 %");
    expect(text, "would have been seen");
    expect(text, "The transports are tied in the one comparison made here");
    free(text);
    fixture_spread(&cells[0], 10, 1000000, 0.3, 1);
    fixture_spread(&cells[1], 10, 1150000, 0.3, -1);
    text = say_cells(cells, 2, "transport");
    expect(text, "not enough data to tell them apart");
    expect(text, "Not enough data to recommend a transport");
    expect_not(text, "tied");
    free(text);
}

/* Two that are tied, and a third that is not: it must not be called tied, too. */
static void who_is_tied_is_named_where_another_is_slower(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "memfd", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "unix", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"}};
    fixture_spread(&cells[0], 10, 1000000, 0.005, 1);
    fixture_spread(&cells[1], 10, 1002000, 0.005, 1);
    fixture_spread(&cells[2], 10, 3000000, 0.005, -1);
    char *text = say_cells(cells, 3, "transport");
    expect_not(text, "The transports are tied");
    expect(text,
           "=> Move image-sized frames with shm or memfd: their latency is tied as the lowest "
           "in the one comparison made here, and no frame arrived damaged. Choose by what is "
           "easier to deploy.");
    free(text);
}

static void damaged_frames_are_never_recommended(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "fast",
         .wait = "futex",
         .frame = "640x480x3",
         .pacing = "pingpong",
         .torn = 3},
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "unix", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"}};
    fixture_spread(&cells[0], 10, 100000, 0.01, 1);
    fixture_spread(&cells[1], 10, 200000, 0.01, 1);
    fixture_spread(&cells[2], 10, 900000, 0.01, -1);
    char *text = say_cells(cells, 3, "transport");
    expect(text, "=> Move image-sized frames with shm: its latency was the lowest");
    expect(text, "but frames arrived damaged: 3 torn");
    expect_not(text, "with fast");
    free(text);
}

static void at_maximum_rate_only_throughput_counts(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "max"},
        {.transport = "unix", .wait = "block", .frame = "640x480x3", .pacing = "max"}};
    fixture_spread(&cells[0], 10, 500000, 0.01, 1);
    fixture_spread(&cells[1], 10, 1500000, 0.01, -1);
    char *text = say_cells(cells, 2, "transport");
    expect(text, "As fast as the slots allow at 640×480×3 (922 kB), unix moves 666 frames/s");
    expect(text, "where shm's 2,001 is 3.0 times as many");
    expect_not(text, "p50");
    expect_not(text, "=>"); /* depth of the queue recommends nothing */
    free(text);
}

static void a_stage_under_one_percent_does_not_matter(void **state)
{
    struct fixture_cell cells[] = {{.transport = "shm",
                                    .wait = "spin",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .response_ns = 5e6},
                                   {.transport = "shm",
                                    .wait = "futex",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .response_ns = 5e6}};
    fixture_spread(&cells[0], 10, 350, 0.01, 1);
    fixture_spread(&cells[1], 10, 38500, 0.01, -1);
    char *text = say_cells(cells, 2, "wait");
    expect(text, "does not matter here");
    free(text);
    cells[1].response_ns = 2e6; /* 38.5 µs is 1.9 % of it */
    text = say_cells(cells, 2, "wait");
    expect_not(text, "does not matter here");
    free(text);
}

static void an_axis_that_follows_from_the_compared_one_parts_no_group(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "unix", .wait = "block", .frame = "640x480x3", .pacing = "pingpong"},
        {.transport = "shm", .wait = "futex", .frame = "64x64x3", .pacing = "pingpong"},
        {.transport = "unix", .wait = "block", .frame = "64x64x3", .pacing = "pingpong"}};
    const char *compare = "transport";
    struct report *report;
    for (size_t i = 0; i < 4; i++)
        fixture_spread(&cells[i], 5, 1000, 0.01, 1);
    cJSON *result = fixture_result(cells, 4, &compare, 1);
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(report->blocks[0].group_count, 2);
    assert_string_equal(report->blocks[0].groups[1].context, "64×64×3");
    assert_string_equal(report->blocks[0].cells[1].short_label, "unix + block");
    assert_string_equal(report->blocks[0].cells[1].name, "unix");
    report_free(report);
    cJSON_Delete(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_three_digits_and_their_unit),
        cmocka_unit_test(a_clear_difference_is_told_with_its_cpu_cost),
        cmocka_unit_test(a_wait_that_is_slower_elsewhere_is_not_advised_alone),
        cmocka_unit_test(under_fifty_ticks_the_ratio_is_said_to_be_of_means),
        cmocka_unit_test(few_launches_are_a_range_and_very_few_no_verdict),
        cmocka_unit_test(equal_cells_are_tied_and_noisy_ones_are_not_decided),
        cmocka_unit_test(who_is_tied_is_named_where_another_is_slower),
        cmocka_unit_test(damaged_frames_are_never_recommended),
        cmocka_unit_test(at_maximum_rate_only_throughput_counts),
        cmocka_unit_test(a_stage_under_one_percent_does_not_matter),
        cmocka_unit_test(an_axis_that_follows_from_the_compared_one_parts_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
