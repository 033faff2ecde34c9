/* test_report_python.c: what a report tells somebody who has Python on one side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/conclusions.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define CELLS_MAX 12

/* A cell of a block, with the axes that these sentences are about. */
struct row {
    const char *transport, *peer, *read, *gc, *kernel;
    const char *frame; /* NULL: 1920x1080x3 */
    double latency_ns, wobble, copies;
    int launches;
};

struct told {
    cJSON *json;
    struct report *report;
    struct text text;
};

static void row_finish(cJSON *cell, const struct row *row)
{
    cJSON *axes = json_get(cell, "axes");
    cJSON_ReplaceItemInObject(axes, "kernel",
                              cJSON_CreateString(row->kernel ? row->kernel : "none"));
    json_add_string(axes, "peer", row->peer ? row->peer : "c/python");
    json_add_string(axes, "read", row->read ? row->read : "view");
    json_add_string(axes, "gc", row->gc ? row->gc : "on");
    cJSON_AddNumberToObject(cell, "copies_per_frame", row->copies);
}

/* What one rule says of a block that compares `compare`. */
static void tell(struct told *told, const struct row *rows, size_t count, const char *compare,
                 void (*rule)(const struct report *, struct text *))
{
    struct fixture_cell cells[CELLS_MAX];
    struct err err;
    memset(told, 0, sizeof *told);
    for (size_t i = 0; i < count; i++) {
        cells[i] = (struct fixture_cell){.transport = rows[i].transport,
                                         .wait = "futex",
                                         .frame = rows[i].frame ? rows[i].frame : "1920x1080x3",
                                         .pacing = "pingpong"};
        fixture_spread(&cells[i], rows[i].launches, rows[i].latency_ns, rows[i].wobble, 1);
    }
    told->json = fixture_result(cells, count, &compare, 1);
    size_t i = 0;
    cJSON *cell;
    cJSON_ArrayForEach (cell, json_get(told->json, "cells"))
        row_finish(cell, &rows[i++]);
    assert_int_equal(report_open(told->json, &told->report, &err), ST_OK);
    rule(told->report, &told->text);
}

static void told_free(struct told *told)
{
    text_free(&told->text);
    report_free(told->report);
    cJSON_Delete(told->json);
}

static void assert_says(const struct told *told, const char *words)
{
    if (!strstr(text_get(&told->text), words))
        fail_msg("\"%s\" is not in: %s", words, text_get(&told->text));
}

static void assert_silent(const struct told *told, const char *words)
{
    if (strstr(text_get(&told->text), words))
        fail_msg("\"%s\" is in: %s", words, text_get(&told->text));
}

static void languages_are_set_beside_c(void **unused)
{
    const struct row rows[] = {
        {.transport = "shm", .peer = "c/c", .latency_ns = 1e6, .wobble = 0.01, .launches = 10},
        {.transport = "shm",
         .peer = "c/python",
         .latency_ns = 1.5e6,
         .wobble = 0.01,
         .launches = 10},
        {.transport = "shm",
         .peer = "python/c",
         .latency_ns = 1.01e6,
         .wobble = 0.01,
         .launches = 10},
        {.transport = "unix", .peer = "c/c", .latency_ns = 3e6, .wobble = 0.01, .launches = 10},
        {.transport = "unix",
         .peer = "c/python",
         .latency_ns = 3.3e6,
         .wobble = 0.3,
         .launches = 10},
        {.transport = "unix",
         .peer = "python/python",
         .latency_ns = 6e6,
         .wobble = 0.01,
         .launches = 4},
    };
    struct told told;
    tell(&told, rows, 6, "peer", advice_of_python_languages);
    assert_says(&told, "a consumer in Python takes 1.5 times as long through shm (90 % interval "
                       "1.5–1.5); not shown to differ through unix.");
    assert_says(&told, "A producer in Python is tied through shm.");
    assert_says(&told, "Python on both sides is not shown to differ through unix.");
    told_free(&told);
    tell(&told, rows, 6, "peer", advice_of_python_transport);
    assert_says(&told, "From C to Python, shm is the quickest (1.50 ms, waiting with futex).");
    assert_says(&told, "The same frame takes 2.");
    assert_says(&told, "times as long through unix");
    told_free(&told);
}

/* Frames of another size are no other transport, and the lowest median alone makes nothing the
 * quickest. */
static void a_transport_is_set_beside_those_that_had_the_same_frames(void **unused)
{
    struct row rows[] = {
        {.transport = "shm", .peer = "c/python", .latency_ns = 1e6, .wobble = 0.01, .launches = 10},
        {.transport = "shm",
         .peer = "c/python",
         .frame = "640x480x3",
         .latency_ns = 1e5,
         .wobble = 0.01,
         .launches = 10},
        {.transport = "unix",
         .peer = "c/python",
         .latency_ns = 1.02e6,
         .wobble = 0.01,
         .launches = 10},
    };
    struct told told;
    tell(&told, rows, 2, "peer", advice_of_python_transport);
    assert_string_equal(text_get(&told.text), "");
    told_free(&told);
    tell(&told, rows, 3, "peer", advice_of_python_transport);
    assert_says(&told, "From C to Python, shm had the lowest median (");
    assert_says(&told, "The same frame is tied through unix.");
    assert_silent(&told, "through shm");
    told_free(&told);
}

static void what_no_comparison_decides_is_said_once(void **unused)
{
    const struct row rows[] = {
        {.transport = "shm", .peer = "c/c", .latency_ns = 1e6, .wobble = 0.01, .launches = 4},
        {.transport = "shm", .peer = "c/python", .latency_ns = 2e6, .wobble = 0.01, .launches = 4},
        {.transport = "shm", .peer = "python/c", .latency_ns = 2e6, .wobble = 0.01, .launches = 4},
    };
    struct told told;
    tell(&told, rows, 3, "peer", advice_of_python_languages);
    assert_says(&told, "the data does not decide in any of 2 comparisons.");
    told_free(&told);
    tell(&told, rows, 2, "peer", advice_of_python_languages);
    assert_says(&told, "the data does not decide in the one comparison.");
    told_free(&told);
    tell(&told, rows, 3, "peer", advice_of_python_languages);
    assert_silent(&told, "A producer in Python");
    told_free(&told);
}

static void nothing_is_said_of_what_is_not_there(void **unused)
{
    static void (*const rules[])(const struct report *, struct text *) = {
        advice_of_python_languages, advice_of_python_transport, advice_of_python_reading,
        advice_of_python_collector, advice_of_python_kernels};
    const struct row rows[] = {
        {.transport = "shm", .latency_ns = 1e6, .wobble = 0.01, .launches = 10},
        {.transport = "unix", .latency_ns = 3e6, .wobble = 0.01, .launches = 10}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct told told;
        tell(&told, rows, 2, "transport", rules[i]);
        assert_string_equal(text_get(&told.text), "");
        told_free(&told);
    }
}

static void a_habit_is_told_with_what_it_copies(void **unused)
{
    struct row rows[] = {
        {.transport = "shm", .latency_ns = 1e6, .wobble = 0.01, .copies = 1, .launches = 10},
        {.transport = "shm",
         .read = "slice",
         .latency_ns = 2e6,
         .wobble = 0.01,
         .copies = 2,
         .launches = 10},
        {.transport = "shm",
         .read = "tobytes",
         .latency_ns = 1.01e6,
         .wobble = 0.01,
         .copies = 2,
         .launches = 10},
    };
    struct told told;
    tell(&told, rows, 3, "read", advice_of_python_reading);
    assert_says(&told, "In Python take frames as views (numpy.frombuffer, or handoff.Reader). At "
                       "1920×1080×3, slice copies 6.22 MB a frame more and takes 999 µs more (2 "
                       "times, 90 % interval 2–2), tobytes copies 6.22 MB a frame more and is tied "
                       "with a view in time.");
    told_free(&told);
    rows[1].latency_ns = 1e6;
    tell(&told, rows, 3, "read", advice_of_python_reading);
    assert_silent(&told, "take frames as views");
    told_free(&told);
}

static void the_collector_matters_only_where_it_is_shown_to(void **unused)
{
    struct row rows[] = {
        {.transport = "shm", .gc = "on", .latency_ns = 1e6, .wobble = 0.01, .launches = 10},
        {.transport = "shm", .gc = "off", .latency_ns = 1e6, .wobble = 0.01, .launches = 10},
    };
    struct told told;
    tell(&told, rows, 2, "gc", advice_of_python_collector);
    assert_says(&told, "Leave Python's garbage collector as it is");
    told_free(&told);
    rows[0].latency_ns = 1.2e6;
    tell(&told, rows, 2, "gc", advice_of_python_collector);
    assert_says(&told, "takes 1.2 times as long from C to Python");
    assert_silent(&told, "No reason to switch it off");
    told_free(&told);
    rows[0].launches = rows[1].launches = 4;
    tell(&told, rows, 2, "gc", advice_of_python_collector);
    assert_says(&told, "is not shown to differ");
    assert_says(&told, "No reason to switch it off was seen");
    told_free(&told);
}

/* The work of a kernel in NumPy is not what the hand-over costs. */
static void kernels_are_told_apart_from_handing_over(void **unused)
{
    const struct row rows[] = {
        {.transport = "shm",
         .peer = "c/c",
         .kernel = "preprocess",
         .latency_ns = 1e6,
         .wobble = 0.01,
         .launches = 10},
        {.transport = "shm",
         .peer = "c/python",
         .kernel = "preprocess",
         .latency_ns = 3e6,
         .wobble = 0.01,
         .launches = 10},
    };
    struct told told;
    tell(&told, rows, 2, "peer", advice_of_python_languages);
    assert_string_equal(text_get(&told.text), "");
    told_free(&told);
    tell(&told, rows, 2, "peer", advice_of_python_kernels);
    assert_says(&told, "takes 3 times as long with preprocess (90 % interval 3–3).");
    told_free(&told);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_are_set_beside_c),
        cmocka_unit_test(a_transport_is_set_beside_those_that_had_the_same_frames),
        cmocka_unit_test(what_no_comparison_decides_is_said_once),
        cmocka_unit_test(nothing_is_said_of_what_is_not_there),
        cmocka_unit_test(a_habit_is_told_with_what_it_copies),
        cmocka_unit_test(the_collector_matters_only_where_it_is_shown_to),
        cmocka_unit_test(kernels_are_told_apart_from_handing_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
