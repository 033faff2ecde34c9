/* test_report_beside.c: several results beside one another: cells are found again, ratios and
 * trends are those that were put in, differences of the machines are named, and strangers' results
 * do no harm.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/beside.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define assert_near(value, expected, tolerance)                                    \
    do {                                                                           \
        double near_value = (value);                                               \
        double near_expected = (expected);                                         \
        if (!(fabs(near_value - near_expected) <= (tolerance)))                    \
            fail_msg("%s is %.10g, not %.10g", #value, near_value, near_expected); \
    } while (0)

enum { RESULTS_MAX = 8 };

/* Results, as reports, as a comparison. */
struct several {
    cJSON *json[RESULTS_MAX];
    struct report *opened[RESULTS_MAX];
    const struct report *reports[RESULTS_MAX];
    size_t count;
    struct beside *beside;
};

static void several_add(struct several *several, cJSON *json)
{
    struct err err = {0};
    if (report_open(json, &several->opened[several->count], &err) != ST_OK)
        fail_msg("%s", err.what);
    several->json[several->count] = json;
    several->reports[several->count] = several->opened[several->count];
    several->count++;
}

static const struct beside *several_make(struct several *several)
{
    struct err err = {0};
    beside_free(several->beside);
    several->beside = NULL;
    assert_int_equal(beside_make(several->reports, several->count, &several->beside, &err), ST_OK);
    return several->beside;
}

static void several_free(struct several *several)
{
    beside_free(several->beside);
    for (size_t i = 0; i < several->count; i++) {
        report_free(several->opened[i]);
        cJSON_Delete(several->json[i]);
    }
}

/* A result of these transports at pingpong, whose latencies lie around `center_ns`. */
static cJSON *result_of(const char *const *transports, size_t count, double center_ns)
{
    static const char *const compares[] = {"transport"};
    struct fixture_cell cells[4];
    for (size_t i = 0; i < count; i++) {
        cells[i] = (struct fixture_cell){.transport = transports[i],
                                         .wait = "futex",
                                         .frame = "640x480x3",
                                         .pacing = "pingpong"};
        fixture_spread(&cells[i], 10, center_ns * (double)(i + 1), 0.01, random_below(2) ? 1 : -1);
    }
    return fixture_result(cells, count, compares, 1);
}

/* Sets a member of the result by its path, making the objects on the way. */
static void result_set(cJSON *json, const char *path, cJSON *value)
{
    char name[64];
    for (; strchr(path, '.'); path = strchr(path, '.') + 1) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "."), path);
        if (!json_get(json, name))
            cJSON_AddItemToObject(json, name, cJSON_CreateObject());
        json = json_get(json, name);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(json, path);
    cJSON_AddItemToObject(json, path, value);
}

static void result_start(cJSON *json, const char *started_utc)
{
    result_set(json, "run.started_utc", cJSON_CreateString(started_utc));
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static void test_cells_are_found_by_their_id(void **state)
{
    static const char *const first[] = {"shm", "unix", "tcp"};
    static const char *const second[] = {"tcp", "pipe", "shm"};
    struct several several = {.count = 0};
    several_add(&several, result_of(first, 3, 20000));
    several_add(&several, result_of(second, 3, 20000));
    const struct beside *beside = several_make(&several);
    assert_int_equal(beside->row_count, 4);
    static const char *const ids[] = {
        "shm+futex/frame=640x480x3/pacing=pingpong", "unix+futex/frame=640x480x3/pacing=pingpong",
        "tcp+futex/frame=640x480x3/pacing=pingpong", "pipe+futex/frame=640x480x3/pacing=pingpong"};
    static const int having[][2] = {{1, 1}, {1, 0}, {1, 1}, {0, 1}};
    for (size_t i = 0; i < 4; i++) {
        const struct beside_row *row = &beside->rows[i];
        assert_string_equal(row->id, ids[i]);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(row->cells[k] != NULL, having[i][k]);
            if (row->cells[k])
                assert_string_equal(row->cells[k]->id, ids[i]);
        }
    }
    /* shm: first of one, third of the other: three times as long. */
    const struct beside_line *line = &beside->rows[0].lines[0];
    assert_string_equal(line->gate->name, "latency.p50");
    assert_near(line->values[1].stored.ratio, 3.0, 0.03);
    assert_int_equal(line->values[1].stored.verdict, COMPARE_SLOWER);
    assert_int_equal(beside->rows[2].lines[0].values[1].stored.verdict, COMPARE_FASTER);
    /* Without one side there is a figure and no ratio. */
    line = &beside->rows[1].lines[0];
    assert_int_equal(line->values[1].figure.state, FIGURE_ABSENT);
    assert_true(isnan(line->values[1].stored.ratio));
    assert_int_equal(line->values[1].stored.verdict, COMPARE_UNCLEAR);
    several_free(&several);
}

/* An id that stands in two blocks stays two rows. */
static void test_an_id_of_two_blocks_is_two_rows(void **state)
{
    static const char *const twice[] = {"shm", "shm"};
    static const char *const once[] = {"shm"};
    struct several several = {.count = 0};
    several_add(&several, result_of(twice, 2, 20000));
    several_add(&several, result_of(twice, 2, 20000));
    several_add(&several, result_of(once, 1, 20000));
    const struct beside *beside = several_make(&several);
    assert_int_equal(beside->row_count, 2);
    assert_near(beside->rows[0].lines[0].values[1].stored.ratio, 1.0, 0.03);
    assert_near(beside->rows[1].lines[0].values[1].stored.ratio, 1.0, 0.03);
    assert_non_null(beside->rows[0].cells[2]);
    assert_null(beside->rows[1].cells[2]);
    several_free(&several);
}

static cJSON *result_at_max(double frame_ns)
{
    static const char *const compares[] = {""};
    struct fixture_cell cell = {
        .transport = "shm", .wait = "spin", .frame = "64x64x3", .pacing = "max"};
    fixture_spread(&cell, 10, frame_ns, 0.005, 1);
    return fixture_result(&cell, 1, compares, 1);
}

static void test_rates_are_worse_when_they_fall(void **state)
{
    struct several several = {.count = 0};
    several_add(&several, result_at_max(100000));
    several_add(&several, result_at_max(125000));
    const struct beside *beside = several_make(&several);
    const struct beside_line *line = &beside->rows[0].lines[0];
    assert_int_equal(beside->rows[0].line_count, 1);
    assert_string_equal(line->gate->name, "frames_per_s");
    assert_true(line->more_is_better);
    assert_near(line->values[0].figure.value, 10000, 60);
    const struct compare_stored *stored = &line->values[1].stored;
    assert_near(stored->ratio, 0.8, 0.001);
    assert_true(stored->low95 < 0.8 && stored->high95 > 0.8 && stored->high95 < 0.82);
    assert_int_equal(stored->verdict, COMPARE_SLOWER);
    assert_string_equal(beside_verdict_words(line, stored->verdict), "slower in stored results");
    char text[2 * FIGURE_BYTES];
    assert_true(strncmp(beside_ratio_format(&line->values[1], text), "0.800×", 7) == 0);
    several_free(&several);
}

static void test_declared_gates_are_the_lines(void **state)
{
    static const char *const transports[] = {"shm"};
    static const char *const names[] = {"handoff.p50", "handoff.p50", "no.such", "latency.p90",
                                        "latency.mean"};
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 1, 20000));
    several_add(&several, result_of(transports, 1, 20000));
    result_set(several.json[1], "scenario.gates", cJSON_CreateStringArray(names, 5));
    const struct beside *beside = several_make(&several);
    /* p90 is no launch's here. */
    assert_int_equal(beside->rows[0].line_count, 2);
    assert_string_equal(beside->rows[0].lines[0].gate->name, "handoff.p50");
    assert_string_equal(beside->rows[0].lines[1].gate->name, "latency.mean");
    char title[FIGURE_BYTES];
    assert_string_equal(beside_line_title(&beside->rows[0].lines[0], title), "handoff p50");
    several_free(&several);
}

/* At `max` a latency is queue depth, whatever the scenario declares. */
static void test_times_at_max_are_no_lines(void **state)
{
    static const char *const names[] = {"latency.p50", "frames_per_s"};
    struct several several = {.count = 0};
    for (int i = 0; i < 2; i++) {
        several_add(&several, result_at_max(100000));
        result_set(several.json[i], "scenario.gates", cJSON_CreateStringArray(names, 2));
    }
    const struct beside *beside = several_make(&several);
    assert_int_equal(beside->rows[0].line_count, 1);
    assert_string_equal(beside->rows[0].lines[0].gate->name, "frames_per_s");
    several_free(&several);
}

/* A launch that failed has no value; the others have. A cell that failed has none at all. */
static void test_failed_launches_are_left_out(void **state)
{
    static const char *const transports[] = {"shm"};
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 1, 20000));
    several_add(&several, result_of(transports, 1, 20000));
    cJSON *cell = cJSON_GetArrayItem(json_get(several.json[1], "cells"), 0);
    result_set(cJSON_GetArrayItem(json_get(cell, "launches"), 3), "status",
               cJSON_CreateString("failed"));
    const struct beside_value *value = &several_make(&several)->rows[0].lines[0].values[1];
    assert_int_equal(value->figure.launches, 9);
    assert_int_equal(value->stored.new_count, 9);
    assert_int_equal(value->stored.verdict, COMPARE_SAME);
    several_free(&several);
    struct several failed = {.count = 0};
    several_add(&failed, result_of(transports, 1, 20000));
    cJSON *json = result_of(transports, 1, 20000);
    result_set(cJSON_GetArrayItem(json_get(json, "cells"), 0), "status",
               cJSON_CreateString("failed"));
    several_add(&failed, json);
    value = &several_make(&failed)->rows[0].lines[0].values[1];
    assert_int_equal(value->figure.state, FIGURE_ABSENT);
    assert_true(isnan(value->stored.ratio));
    several_free(&failed);
}

/* The consumer's CPU of every launch, in per cent, more or less. */
static void result_set_cpu(cJSON *json, double percent)
{
    cJSON *launch, *cell = cJSON_GetArrayItem(json_get(json, "cells"), 0);
    int number = 0;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        result_set(launch, "usage.consumer.wall_ns", cJSON_CreateNumber(1e9));
        result_set(launch, "usage.consumer.system_ns", cJSON_CreateNumber(0));
        result_set(launch, "usage.consumer.user_ns",
                   cJSON_CreateNumber(1e7 * percent * (++number % 2 ? 1.001 : 0.999)));
    }
}

/* A per cent is not the least there is, and a tenth of one is no difference. */
static void test_cpu_below_a_percent_is_compared(void **state)
{
    static const char *const transports[] = {"shm"}, *const names[] = {"cpu_percent.consumer"};
    struct several several = {.count = 0};
    for (int i = 0; i < 3; i++) {
        several_add(&several, result_of(transports, 1, 20000));
        result_set(several.json[i], "scenario.gates", cJSON_CreateStringArray(names, 1));
    }
    result_set_cpu(several.json[0], 0.3);
    result_set_cpu(several.json[1], 0.6);
    result_set_cpu(several.json[2], 0.38);
    const struct beside_line *line = &several_make(&several)->rows[0].lines[0];
    assert_near(line->values[0].figure.value, 0.3, 1e-3);
    assert_near(line->values[1].stored.ratio, 2.0, 1e-3);
    assert_int_equal(line->values[1].stored.verdict, COMPARE_SLOWER);
    assert_string_equal(beside_verdict_words(line, COMPARE_SLOWER), "more CPU in stored results");
    assert_int_equal(line->values[2].stored.verdict, COMPARE_UNCLEAR);
    several_free(&several);

    /* Nor is it one above nothing at all. */
    struct several nothing = {.count = 0};
    static const double percents[] = {0, 0.05, 0.2};
    for (int i = 0; i < 3; i++) {
        several_add(&nothing, result_of(transports, 1, 20000));
        result_set(nothing.json[i], "scenario.gates", cJSON_CreateStringArray(names, 1));
        result_set_cpu(nothing.json[i], percents[i]);
    }
    line = &several_make(&nothing)->rows[0].lines[0];
    assert_int_equal(line->values[1].stored.verdict, COMPARE_UNCLEAR);
    assert_int_equal(line->values[2].stored.verdict, COMPARE_SLOWER);
    several_free(&nothing);
}

/* A difference of two ticks is none, and where a median is a few ticks, means are compared. */
static void test_ticks_of_either_clock_count(void **state)
{
    static const char *const transports[] = {"shm"};
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 1, 1000));
    several_add(&several, result_of(transports, 1, 1050));
    assert_int_equal(several_make(&several)->rows[0].lines[0].values[1].stored.verdict,
                     COMPARE_SLOWER);
    assert_string_equal(several.beside->rows[0].lines[0].gate->name, "latency.p50");
    several.opened[1]->tick_ns = 32;
    assert_int_equal(several_make(&several)->rows[0].lines[0].values[1].stored.verdict,
                     COMPARE_UNCLEAR);
    assert_string_equal(several.beside->rows[0].lines[0].gate->name, "latency.mean");
    several_free(&several);
}

/* ---- Differences --------------------------------------------------------------------------- */

static const struct beside_difference *difference_find(const struct beside *beside,
                                                       const char *what)
{
    for (size_t i = 0; i < beside->difference_count; i++)
        if (strcmp(beside->differences[i].what, what) == 0)
            return &beside->differences[i];
    return NULL;
}

static cJSON *governors(const char *a, const char *b, const char *c)
{
    const char *const names[] = {a, b, c};
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < 3; i++) {
        cJSON *policy = cJSON_CreateObject();
        cJSON_AddItemToObject(policy, "governor", cJSON_CreateString(names[i]));
        cJSON_AddItemToArray(list, policy);
    }
    return list;
}

static void test_differences_are_named_by_weight(void **state)
{
    static const char *const transports[] = {"shm"};
    static const char governor[] = "environment.before.cpu.frequency";
    struct several several = {.count = 0};
    for (int i = 0; i < 3; i++)
        several_add(&several, result_of(transports, 1, 20000));
    assert_int_equal(several_make(&several)->difference_count, 0);
    for (size_t i = 0; i < 3; i++) {
        cJSON *json = several.json[i];
        result_set(json, "tool.commit", cJSON_CreateString(i ? "bbbbbbb" : "aaaaaaa"));
        result_set(json, governor, governors("powersave", "schedutil", "powersave"));
        result_set(json, "environment.before.kernel.release", cJSON_CreateString("6.1"));
        result_set(json, "environment.before.cpu.cpu_count", cJSON_CreateNumber(4));
    }
    result_set(several.json[1], governor, governors("performance", "performance", "performance"));
    result_set(several.json[2], "environment.before.cpu.cpu_count", cJSON_CreateNumber(6));
    /* What one does not know is no difference. */
    result_set(several.json[0], "environment.before.kernel.clocksource", cJSON_CreateString("tsc"));
    const struct beside *beside = several_make(&several);
    assert_int_equal(beside->difference_count, 3);
    assert_string_equal(beside->differences[0].what, "CPUs");
    assert_int_equal(beside->differences[0].weight, BESIDE_MACHINE);
    assert_string_equal(beside->differences[0].values[2], "6");
    assert_string_equal(beside->differences[1].what, "governor");
    assert_string_equal(beside->differences[1].values[0], "powersave, schedutil");
    assert_string_equal(beside->differences[1].values[1], "performance");
    assert_string_equal(beside->differences[2].what, "commit");
    /* Known by two: then the third is not known. */
    result_set(several.json[1], "environment.before.kernel.clocksource",
               cJSON_CreateString("kvm-clock"));
    const struct beside_difference *clock = difference_find(several_make(&several), "clocksource");
    assert_non_null(clock);
    assert_string_equal(clock->values[2], "not known");
    several_free(&several);
}

/* What others use of the CPUs is never the same: only much of it is worth a word. */
static void test_load_is_named_where_it_is_far_apart(void **state)
{
    static const char *const transports[] = {"shm"};
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 1, 20000));
    several_add(&several, result_of(transports, 1, 20000));
    for (size_t i = 0; i < 2; i++) {
        result_set(several.json[i], "environment.before.load.busy_percent",
                   cJSON_CreateNumber(i ? 9.0 : 2.0));
        result_set(several.json[i], "environment.after.load.busy_percent", cJSON_CreateNumber(3));
    }
    assert_null(difference_find(several_make(&several), "load by others"));
    result_set(several.json[1], "environment.after.load.busy_percent", cJSON_CreateNumber(97));
    const struct beside_difference *load =
        difference_find(several_make(&several), "load by others");
    assert_non_null(load);
    assert_string_equal(load->values[0], "2 % before, 3 % after");
    assert_string_equal(load->values[1], "9 % before, 97 % after");
    several_free(&several);
}

static void test_frames_of_shared_cells_are_compared(void **state)
{
    static const char *const transports[] = {"shm", "unix"};
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 2, 20000));
    several_add(&several, result_of(transports, 2, 20000));
    for (size_t i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            result_set(cJSON_GetArrayItem(json_get(several.json[i], "cells"), k), "frames",
                       cJSON_CreateNumber(i ? 1000 * (k + 1) : 400));
    const struct beside_difference *frames =
        difference_find(several_make(&several), "frames per launch");
    assert_non_null(frames);
    assert_string_equal(frames->values[0], "400");
    assert_string_equal(frames->values[1], "1000 to 2000");
    several_free(&several);
}

/* ---- Trends -------------------------------------------------------------------------------- */

/* Results at these latencies, one a day, given in any order. */
static void several_daily(struct several *several, const double *center_ns, size_t count,
                          const size_t *order)
{
    static const char *const transports[] = {"shm"};
    for (size_t i = 0; i < count; i++) {
        char started[40];
        snprintf(started, sizeof started, "2026-11-%02zuT10:00:00Z", 1 + order[i]);
        several_add(several, result_of(transports, 1, center_ns[order[i]]));
        result_start(several->json[i], started);
    }
}

static void test_a_rise_is_told_in_order_of_time(void **state)
{
    static const double rising[] = {20000, 21100, 21900, 23200, 24100};
    static const size_t order[] = {3, 0, 4, 1, 2};
    struct several several = {.count = 0};
    several_daily(&several, rising, 5, order);
    const struct beside *beside = several_make(&several);
    static const size_t by_time[] = {1, 3, 4, 0, 2};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(beside->by_time[i], by_time[i]);
    const struct beside_line *line = &beside->rows[0].lines[0];
    assert_int_equal(line->trend.points, 5);
    assert_true(line->trend.rises && !line->trend.falls);
    /* The slope by hand: Σ (i - 2) y / 10. */
    double slope = 0.0;
    for (int i = 0; i < 5; i++)
        slope += (i - 2) * log(line->values[beside->by_time[i]].figure.value) / 10.0;
    assert_near(log(line->trend.per_result), slope, 1e-9);
    assert_int_equal(line->trend.verdict, COMPARE_SLOWER);
    struct text text = {0};
    beside_trend_add(&text, line);
    assert_true(strncmp(text_get(&text), "rises from each to the next of 5 results, by +4.", 48) ==
                0);
    assert_non_null(strstr(text_get(&text), ": slower in stored results"));
    text_free(&text);
    /* One whose time nobody knows is not in it; another machine leaves none. */
    result_start(several.json[4], "2026-11-03 10:00");
    beside = several_make(&several);
    assert_int_equal(beside->rows[0].lines[0].trend.points, 4);
    assert_int_equal(beside->by_time[4], 4);
    result_set(several.json[0], "environment.before.cpu.model", cJSON_CreateString("one"));
    result_set(several.json[1], "environment.before.cpu.model", cJSON_CreateString("another"));
    assert_int_equal(several_make(&several)->rows[0].lines[0].trend.points, 0);
    several_free(&several);
}

static void test_ups_and_downs_are_no_trend(void **state)
{
    static const double values[] = {20000, 22000, 19500, 21800, 20300};
    static const size_t order[] = {0, 1, 2, 3, 4};
    struct several several = {.count = 0};
    several_daily(&several, values, 5, order);
    const struct beside_line *line = &several_make(&several)->rows[0].lines[0];
    assert_false(line->trend.rises || line->trend.falls);
    assert_int_equal(line->trend.verdict, COMPARE_SAME);
    several_free(&several);
    /* Three that rise are told, and no trend is claimed. */
    struct several three = {.count = 0};
    static const double rising[] = {20000, 21000, 22000};
    several_daily(&three, rising, 3, order);
    line = &several_make(&three)->rows[0].lines[0];
    assert_true(line->trend.rises);
    assert_int_equal(line->trend.verdict, COMPARE_UNCLEAR);
    several_free(&three);
}

/* Results that are alike but for their days show a trend in at most 1 of 20. */
static void test_trends_of_days_are_rare(void **state)
{
    enum { ROUNDS = 400, DAYS = 6 };
    static const size_t order[] = {0, 1, 2, 3, 4, 5};
    static const double alike[] = {20000, 20000, 20000, 20000, 20000, 20000};
    struct several several = {.count = 0};
    int found = 0;
    several_daily(&several, alike, DAYS, order);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < DAYS; i++) {
            const double day = 20000 * exp(0.05 * random_normal());
            cJSON *launch, *cell = cJSON_GetArrayItem(json_get(several.json[i], "cells"), 0);
            cJSON_ArrayForEach (launch, json_get(cell, "launches"))
                cJSON_SetNumberValue(
                    json_get(json_get(json_get(launch, "intervals"), "latency"), "p50_ns"), day);
        }
        enum compare_verdict verdict = several_make(&several)->rows[0].lines[0].trend.verdict;
        found += verdict == COMPARE_SLOWER || verdict == COMPARE_FASTER;
    }
    several_free(&several);
    /* 5 % of 400 is 20, with a standard deviation of 4.4. */
    assert_true(found > 0 && found <= 20 + 6 * 4);
}

/* ---- Strangers ----------------------------------------------------------------------------- */

static cJSON *odd_value(void)
{
    static const double numbers[] = {-1, 0, 1e308, -1e308, 0.5, 1e18};
    switch (random_below(8)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateString("inf");
    case 2:
        return cJSON_CreateString("<script>\n\x1b[31m`$(reboot)`\xff");
    case 3:
        return cJSON_CreateArray();
    case 4:
        return cJSON_CreateObject();
    case 5:
        return cJSON_CreateBool(random_below(2));
    default:
        return cJSON_CreateNumber(numbers[random_below(6)]);
    }
}

/* Puts odd values where a result has others, but for its frame. */
static void result_spoil(cJSON *json, double chance)
{
    static const char *const kept[] = {"schema", "schema_version", "blocks", "cells",
                                       "id",     "block"};
    cJSON *next;
    for (cJSON *child = json->child; child; child = next) {
        next = child->next;
        bool is_kept = child->string == NULL;
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
            is_kept = is_kept || strcmp(child->string, kept[i]) == 0;
        if (is_kept || random_uniform() > chance) {
            result_spoil(child, chance);
            continue;
        }
        cJSON *odd = odd_value();
        char *name = strdup(child->string);
        cJSON_ReplaceItemInObjectCaseSensitive(json, name, odd);
        free(name);
    }
}

static void test_spoilt_results_do_no_harm(void **state)
{
    static const char *const transports[] = {"shm", "unix", "tcp"};
    cJSON *whole[3];
    for (size_t i = 0; i < 3; i++)
        whole[i] = result_of(transports, i + 1, 20000);
    for (int round = 0; round < 300; round++) {
        struct several several = {.count = 0};
        const size_t count = 2 + random_below(3);
        for (size_t i = 0; i < count; i++) {
            cJSON *json = cJSON_Duplicate(whole[random_below(3)], true);
            result_start(json, "2026-11-20T10:00:00Z");
            result_set(json, "environment.before.cpu.frequency", governors("a", "b", "c"));
            result_set(json, "tool.commit", cJSON_CreateString("abc"));
            result_spoil(json, 0.03);
            several_add(&several, json);
        }
        const struct beside *beside = several_make(&several);
        for (size_t i = 0; i < beside->row_count; i++)
            for (size_t j = 0; j < beside->rows[i].line_count; j++) {
                const struct beside_line *line = &beside->rows[i].lines[j];
                char text[2 * FIGURE_BYTES];
                struct text words = {0};
                for (size_t k = 0; k < count; k++) {
                    assert_true(strlen(beside_ratio_format(&line->values[k], text)) < sizeof text);
                    format_figure(&line->values[k].figure, line->unit, text);
                }
                beside_trend_add(&words, line);
                text_free(&words);
            }
        several_free(&several);
    }
    for (size_t i = 0; i < 3; i++)
        cJSON_Delete(whole[i]);
}

/* A value of 10 kB is cut between characters. */
static void test_long_values_are_cut(void **state)
{
    static const char *const transports[] = {"shm"};
    static char text[10001];
    struct several several = {.count = 0};
    several_add(&several, result_of(transports, 1, 20000));
    several_add(&several, result_of(transports, 1, 20000));
    text[0] = 'x'; /* so that a cut at an even number of bytes is amid a character */
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "é", 2);
    result_set(several.json[0], "environment.before.cpu.model", cJSON_CreateString(text));
    result_set(several.json[1], "environment.before.cpu.model", cJSON_CreateString(text + 1));
    const struct beside *beside = several_make(&several);
    assert_int_equal(beside->difference_count, 1);
    for (size_t i = 0; i < 2; i++)
        assert_true(strlen(beside->differences[0].values[i]) < 170);
    for (size_t i = 0; i < 2; i++) {
        const char *value = beside->differences[0].values[i];
        for (size_t bytes; *value; value += bytes) {
            bytes = text_character_bytes(value);
            assert_true(bytes > 0);
        }
    }
    several_free(&several);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_are_found_by_their_id),
        cmocka_unit_test(test_an_id_of_two_blocks_is_two_rows),
        cmocka_unit_test(test_rates_are_worse_when_they_fall),
        cmocka_unit_test(test_declared_gates_are_the_lines),
        cmocka_unit_test(test_times_at_max_are_no_lines),
        cmocka_unit_test(test_failed_launches_are_left_out),
        cmocka_unit_test(test_cpu_below_a_percent_is_compared),
        cmocka_unit_test(test_ticks_of_either_clock_count),
        cmocka_unit_test(test_differences_are_named_by_weight),
        cmocka_unit_test(test_load_is_named_where_it_is_far_apart),
        cmocka_unit_test(test_frames_of_shared_cells_are_compared),
        cmocka_unit_test(test_a_rise_is_told_in_order_of_time),
        cmocka_unit_test(test_ups_and_downs_are_no_trend),
        cmocka_unit_test(test_trends_of_days_are_rare),
        cmocka_unit_test(test_spoilt_results_do_no_harm),
        cmocka_unit_test(test_long_values_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
