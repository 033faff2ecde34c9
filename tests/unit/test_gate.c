/* test_gate.c: the figures by which launches are compared: their names, their values of a launch,
 * and which launches make a pair. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/measure/gate.h"
#include "harness/measure/intervals.h"
#include "harness/scenario/scenario.h"
#include "tests/support/random_input.h"

static double value_of(const char *gate, const char *launch)
{
    cJSON *json = cJSON_Parse(launch);
    assert_non_null(json);
    double value = gate_launch_value(gate_find(gate), json);
    cJSON_Delete(json);
    return value;
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(gate_count, 4 * INTERVAL_COUNT + 4);
    for (size_t i = 0; i < gate_count; i++)
        assert_ptr_equal(gate_find(gates[i].name), &gates[i]);
    assert_null(gate_find("latency"));
    assert_null(gate_find("latency.p999"));
    assert_null(gate_find(""));
    assert_string_equal(gate_mean(gate_find("handoff.p50"))->name, "handoff.mean");
    assert_null(gate_mean(gate_find("frames_per_s")));
}

static void test_values(void **state)
{
    (void)state;
    static const char launch[] =
        "{\"status\": \"ok\", \"frames_per_s\": 59.5,"
        "\"usage\": {\"producer\": {\"user_ns\": 100, \"system_ns\": 150, \"wall_ns\": 1000},"
        "\"consumer\": {\"user_ns\": 1, \"system_ns\": 1, \"wall_ns\": 0},"
        "\"system\": {\"busy_ns\": 700, \"wall_ns\": 1000}},"
        "\"intervals\": {\"latency\": {\"mean_ns\": 12.5, \"p50_ns\": 11, \"p90_ns\": \"inf\","
        "\"p99_ns\": null, \"infinite\": 0},"
        "\"response\": {\"mean_ns\": 12.5, \"p50_ns\": -4, \"p90_ns\": \"fast\", \"infinite\": "
        "2}}}";
    assert_float_equal(value_of("latency.p50", launch), 11, 0);
    assert_float_equal(value_of("latency.mean", launch), 12.5, 0);
    assert_true(isinf(value_of("latency.p90", launch)));
    assert_true(isnan(value_of("latency.p99", launch)));
    assert_true(isinf(value_of("response.mean", launch))); /* two never finished */
    assert_true(isnan(value_of("response.p50", launch)));
    assert_true(isnan(value_of("response.p90", launch)));
    assert_true(isnan(value_of("handoff.p50", launch)));
    assert_float_equal(value_of("frames_per_s", launch), 59.5, 0);
    assert_float_equal(value_of("cpu_percent.producer", launch), 25, 1e-12);
    assert_true(isnan(value_of("cpu_percent.consumer", launch)));
    assert_float_equal(value_of("cpu_percent.system", launch), 70, 1e-12);
    for (size_t i = 0; i < gate_count; i++) {
        assert_true(
            isnan(value_of(gates[i].name, "{\"status\": \"failed\", \"frames_per_s\": 5}")));
        assert_true(isnan(value_of(gates[i].name, "[1, 2]")));
        assert_true(isnan(value_of(gates[i].name, "{\"status\": \"ok\", \"intervals\": 7}")));
    }
}

/* A cell whose launches have these numbers and latencies, a failed one where it is negative. */
static cJSON *cell_of(const int *numbers, const double *values, int count)
{
    cJSON *cell = cJSON_CreateObject(), *launches = cJSON_CreateArray();
    for (int i = 0; i < count; i++) {
        cJSON *launch = cJSON_CreateObject(), *intervals = cJSON_CreateObject(),
              *latency = cJSON_CreateObject();
        json_add_double(launch, "launch", numbers[i]);
        json_add_string(launch, "status", values[i] < 0 ? "failed" : "ok");
        json_add_double(latency, "p50_ns", fabs(values[i]));
        json_add(intervals, "latency", latency);
        json_add(launch, "intervals", intervals);
        json_append(launches, launch);
    }
    json_add(cell, "launches", launches);
    return cell;
}

static void test_pairs_are_launches_of_one_number(void **state)
{
    (void)state;
    double a = 100 + (double)random_below(900), b = 100 + (double)random_below(900);
    cJSON *base = cell_of((int[]){3, 0, 1, 5, 7}, (double[]){a, b, 30, -40, 50}, 5);
    cJSON *new = cell_of((int[]){0, 1, 2, 3, 5}, (double[]){2 * b, -1, 7, 3 * a, 9}, 5);
    double news[8], bases[8];
    const struct gate *gate = gate_find("latency.p50");
    /* 1 failed in new, 5 in base; 2 and 7 have nobody. */
    assert_int_equal(gate_pair(gate, new, base, news, bases, 8), 2);
    assert_float_equal(bases[0], a, 0);
    assert_float_equal(news[0], 3 * a, 0);
    assert_float_equal(bases[1], b, 0);
    assert_float_equal(news[1], 2 * b, 0);
    assert_int_equal(gate_pair(gate, new, base, news, bases, 1), 1);
    assert_int_equal(gate_pair(gate, NULL, base, news, bases, 8), 0);
    assert_int_equal(gate_pair(gate_find("frames_per_s"), new, base, news, bases, 8), 0);
    cJSON_Delete(base);
    cJSON_Delete(new);
}

static void test_a_scenario_declares_them(void **state)
{
    (void)state;
    static const char text[] =
        "{\"gates\": [\"response.p99\", \"cpu_percent.consumer\"], \"blocks\": [{\"name\": \"a\", "
        "\"base\": {\"transport\": \"shm\", \"wait\": \"spin\"}}]}";
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    assert_int_equal(scenario_parse("t.json", text, strlen(text), &scenario, &err), ST_OK);
    assert_int_equal(scenario->gate_count, 2);
    assert_string_equal(scenario->gates[0]->name, "response.p99");
    assert_string_equal(scenario->gates[1]->name, "cpu_percent.consumer");
    scenario_free(scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_pairs_are_launches_of_one_number),
        cmocka_unit_test(test_a_scenario_declares_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
