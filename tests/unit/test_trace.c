/* test_trace.c: a trace is only believed when its mapping bears out what its header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/measure/intervals.h"
#include "harness/measure/trace.h"
#include "tests/support/random_input.h"

static void test_a_fresh_trace_is_accepted(void **state)
{
    for (int round = 0; round < 50; round++) {
        uint32_t capacity = (uint32_t)random_below(300);
        struct guarded memory = guarded_make(trace_bytes(capacity));
        struct trace *trace = (struct trace *)memory.bytes;
        random_bytes(memory.bytes, sizeof *trace);
        trace_init(trace, capacity);
        struct err err = {0};
        assert_int_equal(trace_check(trace, trace_bytes(capacity), &err), ST_OK);
        assert_int_equal(trace->overflowed, 0);
        atomic_store(&trace->count, capacity);
        assert_int_equal(trace_check(trace, trace_bytes(capacity), &err), ST_OK);
        guarded_free(&memory);
    }
}

static void assert_refused(const struct trace *trace, size_t bytes, const char *cause)
{
    struct err err = {0};
    assert_int_equal(trace_check(trace, bytes, &err), ST_CORRUPT);
    assert_non_null(strstr(err.what, cause));
    assert_true(err.hint[0] != 0);
}

static void test_lies_in_the_header_are_refused(void **state)
{
    enum { CAPACITY = 10 };
    struct guarded memory = guarded_make(trace_bytes(CAPACITY));
    struct trace *trace = (struct trace *)memory.bytes;
    size_t bytes = trace_bytes(CAPACITY);
    trace_init(trace, CAPACITY);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_refused(trace, cut, "no room");
    trace->capacity = CAPACITY + 1;
    assert_refused(trace, bytes, "no room");
    trace->capacity = UINT32_MAX;
    assert_refused(trace, bytes, "no room");
    trace->capacity = CAPACITY;
    atomic_store(&trace->count, CAPACITY + 1);
    assert_refused(trace, bytes, "11 records in room for 10");
    trace_init(trace, CAPACITY);
    trace->magic ^= 1u << random_below(32);
    assert_refused(trace, bytes, "mark");
    guarded_free(&memory);
}

/* The GPU's part lies behind all records, inside the mapping and on no record. */
static void test_gpu_records_have_their_own_room(void **state)
{
    for (int round = 0; round < 20; round++) {
        uint32_t capacity = 1 + (uint32_t)random_below(100);
        struct guarded memory = guarded_make(trace_bytes(capacity));
        struct trace *trace = (struct trace *)memory.bytes;
        trace_init(trace, capacity);
        random_bytes((uint8_t *)trace->records, capacity * sizeof trace->records[0]);
        for (uint32_t i = 0; i < capacity; i++)
            for (int j = 0; j < TRACE_GPU_STAMPS; j++)
                trace_gpu_record(trace, i)->stamps_ns[j] = random_u64();
        assert_ptr_equal(trace_gpu_record(trace, 0), &trace->records[capacity]);
        assert_ptr_equal(trace_gpu_record_of(trace, 0), trace_gpu_record(trace, 0));
        assert_ptr_equal(trace_gpu_record(trace, capacity), memory.bytes + trace_bytes(capacity));
        struct err err = {0};
        assert_int_equal(trace_check(trace, trace_bytes(capacity), &err), ST_OK);
        guarded_free(&memory);
    }
}

static void test_intervals_have_names_and_stamps(void **state)
{
    for (unsigned i = 0; i < INTERVAL_COUNT; i++) {
        const struct interval_definition *definition = &interval_definitions[i];
        assert_int_equal(interval_find(definition->name), i);
        assert_string_equal(interval_name((enum interval)i), definition->name);
        assert_true(strlen(definition->definition) > 20);
        /* "latency" is done - ready: the definition's words are those of its stamps. */
        const char *to = trace_stamp_name(definition->to_side, definition->to_stamp);
        const char *from = trace_stamp_name(definition->from_side, definition->from_stamp);
        char formula[64];
        snprintf(formula, sizeof formula, "%s - %s", to, from);
        assert_memory_equal(definition->definition, formula, strlen(formula));
    }
    assert_int_equal(interval_find("latenzy"), INTERVAL_COUNT);
    assert_int_equal(interval_find(""), INTERVAL_COUNT);
    assert_string_equal(trace_stamp_name(TRACE_SIDE_producer, STAMP_NOTIFIED), "notified");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_consumer, STAMP_RELEASED), "released");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_consumer, TRACE_STAMPS - 1), "?");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_consumer, INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN)),
                        "gpu_begin");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_producer, INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN)),
                        "?");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_producer, INTERVAL_GPU_STAMP(STAMP_GPU_FILLED)),
                        "gpu_filled");
    assert_string_equal(trace_stamp_name(TRACE_SIDE_producer, 1000), "?");
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fresh_trace_is_accepted),
        cmocka_unit_test(test_lies_in_the_header_are_refused),
        cmocka_unit_test(test_gpu_records_have_their_own_room),
        cmocka_unit_test(test_intervals_have_names_and_stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
