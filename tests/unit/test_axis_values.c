/* test_axis_values.c: the words and ranges of the axes, as completion and the schema offer them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/scenario/axis_values.h"

static bool takes(enum axis_index axis, const char *text)
{
    struct cell cell;
    memset(&cell, 0, sizeof cell);
    return axis_parse_text(&axis_table[axis], text, &cell, NULL) == ST_OK;
}

static void expect(enum axis_index axis, const char *words)
{
    struct axis_value values[AXIS_VALUES_MAX];
    const size_t count = axis_values_list(axis, values);
    char text[512] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 values[i].text);
    assert_string_equal(text, words);
}

static void test_words(void **state)
{
    expect(AXIS_INDEX_fill, "copy in_place header gpu");
    expect(AXIS_INDEX_placement, "auto none same_cpu same_cluster cross_cluster cpus:");
    expect(AXIS_INDEX_scheduling, "other fifo:");
    expect(AXIS_INDEX_pacing, "rate: poisson: pingpong max");
    expect(AXIS_INDEX_sync, "spin yield block event flag");
    expect(AXIS_INDEX_library_threads, "anywhere with_role");
    expect(AXIS_INDEX_peer, "c/c c/python python/c python/python");
    expect(AXIS_INDEX_read, "view slice struct tobytes");
    expect(AXIS_INDEX_gc, "on off");
    expect(AXIS_INDEX_array, "numpy cupy torch");
    expect(AXIS_INDEX_timer_slack_ns, "as_found");
    expect(AXIS_INDEX_frames, "auto");
    expect(AXIS_INDEX_slots, "");
    (void)state;
}

/* Whatever axis comes: it offers something, all it offers is taken, and its default is among it. */
static void test_every_axis(void **state)
{
    for (int i = 0; i < AXIS_COUNT; i++) {
        const enum axis_index axis = (enum axis_index)i;
        const char *otherwise = axis_table[i].otherwise;
        struct axis_value values[AXIS_VALUES_MAX];
        const size_t count = axis_values_list(axis, values);
        int64_t low = 0, high = -1;
        const bool range = axis_values_range(axis, &low, &high);
        bool found = !otherwise || axis == AXIS_INDEX_frame;
        assert_true(count > 0 || range || axis == AXIS_INDEX_frame);
        assert_true(count < AXIS_VALUES_MAX);
        for (size_t j = 0; j < count; j++) {
            char text[AXIS_VALUE_BYTES + 8];
            snprintf(text, sizeof text, "%s%s", values[j].text, values[j].is_prefix ? "1" : "");
            if (!takes(axis, text) && values[j].is_prefix)
                snprintf(text, sizeof text, "%s0,1", values[j].text);
            if (!takes(axis, text))
                fail_msg("%s does not take %s", axis_table[i].name, text);
            found |= otherwise && strncmp(otherwise, values[j].text, strlen(values[j].text)) == 0;
        }
        found |= range && otherwise && strspn(otherwise, "0123456789") == strlen(otherwise);
        if (!found)
            fail_msg("%s does not offer its default, %s", axis_table[i].name, otherwise);
    }
    (void)state;
}

static void test_ranges(void **state)
{
    int64_t low, high;
    assert_true(axis_values_range(AXIS_INDEX_slots, &low, &high));
    assert_true(low == 1 && high == AXIS_SLOTS_MAX);
    assert_false(axis_values_range(AXIS_INDEX_scheduling, &low, &high)); /* of fifo:P */
    for (int i = 0; i < AXIS_COUNT; i++) {
        const int64_t offsets[] = {-1, 0, 0, 1};
        if (!axis_values_range((enum axis_index)i, &low, &high))
            continue;
        for (int j = 0; j < 4; j++) { /* one too low, the ends, one too high */
            struct cell cell;
            cJSON *value = cJSON_CreateNumber((double)((j < 2 ? low : high) + offsets[j]));
            memset(&cell, 0, sizeof cell);
            if ((axis_table[i].parse(&axis_table[i], value, &cell, NULL) == ST_OK) !=
                (offsets[j] == 0))
                fail_msg("%s and %.0f", axis_table[i].name, value->valuedouble);
            cJSON_Delete(value);
        }
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_every_axis),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
