/* test_python_report.c: what a Python role says of itself, as a stranger would say it, and what of
 * it goes into a launch's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/run/python_report.h"

static cJSON *parsed(const char *text)
{
    cJSON *json = NULL;
    struct err err;
    assert_int_equal(json_parse("test", text, strlen(text), &json, &err), ST_OK);
    return json;
}

/* What of a "finished" goes into the file, as text. */
static void expect(const char *finished, const char *written)
{
    struct role_python_report report;
    cJSON *json = parsed(finished), *python = cJSON_CreateObject();
    python_report_read(json, &report);
    assert_true(report.used);
    assert_true(python_report_add(python, "consumer", &report));
    char *text = cJSON_PrintUnformatted(python);
    assert_string_equal(text, written);
    cJSON_free(text);
    cJSON_Delete(python);
    cJSON_Delete(json);
}

static void all_of_it(void **state)
{
    (void)state;
    expect("{\"clock_cost_ns\": 50, \"rss_begin_bytes\": 1000, \"rss_end_bytes\": 2000,"
           "\"python\": {\"version\": \"3.11.2\", \"numpy\": \"1.24\", \"pyzmq\": null, \"x\": 1},"
           "\"detector\": {\"alone_p50_ns\": 7, \"alone_min_ns\": 5, \"alone_max_ns\": 9, "
           "\"alone_count\": 30}}",
           "{\"consumer\":{\"version\":\"3.11.2\",\"numpy\":\"1.24\",\"clock_cost_ns\":50,"
           "\"rss_begin_bytes\":1000,\"rss_end_bytes\":2000,"
           "\"detector\":{\"alone_p50_ns\":7,\"alone_min_ns\":5,\"alone_max_ns\":9,\"alone_count\":"
           "30}}}");
}

static void nothing_or_nonsense(void **state)
{
    (void)state;
    expect("{}", "{\"consumer\":{}}");
    expect("{\"clock_cost_ns\": -1, \"rss_begin_bytes\": 1.5, \"rss_end_bytes\": \"many\","
           "\"python\": [1], \"detector\": 5}",
           "{\"consumer\":{}}");
    expect("{\"clock_cost_ns\": 1e300, \"python\": {\"version\": 3, \"numpy\": {}},"
           "\"detector\": {\"alone_p50_ns\": 7, \"alone_count\": 0}}",
           "{\"consumer\":{}}");
    expect("{\"python\": {\"version\": \"0123456789012345678901234567890123456789\"}}",
           "{\"consumer\":{\"version\":\"01234567890123456789012\"}}");
}

static void a_role_in_c_says_nothing(void **state)
{
    (void)state;
    const struct role_python_report none = {.used = false, .clock_cost_ns = 5};
    cJSON *python = cJSON_CreateObject();
    assert_true(python_report_add(python, "producer", &none));
    assert_null(python->child);
    cJSON_Delete(python);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it),
        cmocka_unit_test(nothing_or_nonsense),
        cmocka_unit_test(a_role_in_c_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
