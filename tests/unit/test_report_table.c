/* test_report_table.c: a result on a terminal: 100 columns, and nothing that is told is cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/table.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static cJSON *cell_of(cJSON *result, int index)
{
    return cJSON_GetArrayItem(json_get(result, "cells"), index);
}

static void give_quantile(cJSON *result, int cell, const char *interval, const char *name,
                          const char *json)
{
    cJSON *intervals = json_get(cell_of(result, cell), "intervals");
    cJSON *quantiles = json_get(json_get(intervals, interval), "quantiles");
    cJSON_AddItemToObject(quantiles, name, cJSON_Parse(json));
}

/* The table without colours, each line checked for its width. The caller frees. */
static char *table_of(const cJSON *result)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    report_table(out, result, false);
    fclose(out);
    char *lines = strdup(text);
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"))
        if (text_width(line) > WRAP_COLUMNS)
            fail_msg("%zu columns: %s", text_width(line), line);
    free(lines);
    return text;
}

/* Rows that end in "ok" do so in one column; how many there are. */
static int rows_aligned(char *text)
{
    int rows = 0;
    size_t end = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t width = text_width(line);
        if (width < 4 || strcmp(line + strlen(line) - 4, "  ok") != 0)
            continue;
        assert_true(end == 0 || width == end);
        end = width;
        rows++;
    }
    return rows;
}

static void rows_are_aligned(void **state)
{
    struct fixture_cell cells[] = {{.transport = "a-transport-with-a-very-long-name-indeed",
                                    .wait = "µµµ",
                                    .frame = "640x480x3",
                                    .pacing = "pingpong",
                                    .no_handoff = true},
                                   {.transport = "shm",
                                    .wait = "futex",
                                    .frame = "640x480x3",
                                    .pacing = "rate:30",
                                    .response_ns = 1e6}};
    const char *compare = "";
    for (size_t i = 0; i < 2; i++)
        fixture_spread(&cells[i], 5, 1000 + 3e7 * (double)i, 0.01, 1);
    cJSON *result = fixture_result(cells, 2, &compare, 1);
    give_quantile(result, 1, "response", "p99", "{\"value_ns\": \"inf\"}");
    char *text = table_of(result);
    expect(text, "—");
    expect(text, "∞");
    assert_int_equal(rows_aligned(text), 2);
    free(text);
    cJSON_Delete(result);
}

/* All figures there are, at their widest: the label's words are all there, in the label's
 * column. */
static void wide_figures_leave_the_label_whole(void **state)
{
    static const char *const intervals[] = {"latency", "handoff", "response"};
    struct fixture_cell cells[] = {
        {.wait = "adaptive:500000"}, {.wait = "futex"}, {.wait = "poll:100"}};
    const char *compare = "wait";
    for (size_t i = 0; i < 3; i++) {
        cells[i].transport = "shm";
        cells[i].frame = "640x480x3";
        cells[i].pacing = "rate:60";
        cells[i].response_ns = 123.4e6;
        fixture_spread(&cells[i], 5, 12.3e6, 0.01, 1);
    }
    cJSON *result = fixture_result(cells, 3, &compare, 1);
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            give_quantile(result, i, intervals[j], "p99", "{\"value_ns\": 45600000}");
    char *text = table_of(result);
    expect(text, "\n  adaptive ");
    expect(text, "\n    500000 µs\n");
    expect(text, "\n  poll 100 µs   12.");
    expect(text, "45.6 ms");
    assert_null(strstr(text, "…"));
    assert_int_equal(rows_aligned(text), 3);
    free(text);
    cJSON_Delete(result);
}

/* Why a cell has no figures is told to the last word, also what to do about it. */
static void reasons_are_whole(void **state)
{
    struct fixture_cell cells[] = {
        {.transport = "shm", .wait = "spin", .frame = "640x480x3", .pacing = "rate:60"},
        {.transport = "shm", .wait = "futex", .frame = "640x480x3", .pacing = "rate:60"}};
    const char *compare = "wait";
    for (size_t i = 0; i < 2; i++)
        fixture_spread(&cells[i], 5, 1000, 0.01, 1);
    cJSON *result = fixture_result(cells, 2, &compare, 1);
    char reason[300] = "";
    for (int i = 0; i < 20; i++)
        snprintf(reason + strlen(reason), sizeof reason - strlen(reason), "%s%.*s", i ? " " : "",
                 (int)random_below(12) + 1, "abcdefghijklm");
    cJSON *failed = cell_of(result, 1);
    cJSON_ReplaceItemInObject(failed, "status", cJSON_CreateString("failed"));
    json_add_string(failed, "reason", reason);
    json_add_string(failed, "hint", "do the last-of-all");
    char *text = table_of(result);
    char *unwrapped = strstr(text, "failed: ");
    assert_non_null(unwrapped);
    size_t used = 0;
    for (char *at = unwrapped; *at; at++)
        if (*at != '\n' && !(*at == ' ' && used && unwrapped[used - 1] == ' '))
            unwrapped[used++] = *at;
        else if (*at == '\n' && used && unwrapped[used - 1] != ' ')
            unwrapped[used++] = ' ';
    unwrapped[used] = '\0';
    expect(unwrapped, reason);
    expect(unwrapped, "(do the last-of-all)");
    free(text);
    cJSON_Delete(result);
}

static char *conclusions_of(const cJSON *result)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    report_conclusions(out, result, false);
    fclose(out);
    return text;
}

/* Two blocks may ask the same of frames that are made in another way: the sentences begin alike. */
static void sentences_stand_below_their_blocks_name(void **state)
{
    struct fixture_cell cells[] = {{.wait = "spin"},
                                   {.wait = "futex"},
                                   {.wait = "spin", .block = 1},
                                   {.wait = "futex", .block = 1}};
    static const char *const both[] = {"wait", "wait"};
    for (size_t i = 0; i < 4; i++) {
        cells[i].transport = "shm";
        cells[i].frame = "640x480x3";
        cells[i].pacing = "rate:60";
        fixture_spread(&cells[i], 5, 1000 * (double)(i + 1), 0.01, 1);
    }
    cJSON *result = fixture_result(cells, 4, both, 2);
    char *text = conclusions_of(result);
    expect(text, "\nblock 0\nAt 60 frames/s");
    expect(text, "\n\nblock 1\nAt 60 frames/s");
    free(text);
    cJSON_Delete(result);
    result = fixture_result(cells, 2, both, 1);
    text = conclusions_of(result);
    expect(text, "At 60 frames/s");
    assert_null(strstr(text, "block 0"));
    free(text);
    cJSON_Delete(result);
}

/* Wherever the end of a line falls: "48 %" is never torn in two, and "in 2 launches" may be. */
static void a_figure_and_its_unit_stay_on_a_line(void **state)
{
    static const char sentence[] =
        "over 2 launches it is 41.5 µs (38.9–44.1 µs), of a CPU 0.4 %; at "
        "4.97 GB/s 334 ns, in all 12 s, 6.2 MB.";
    unsigned torn_elsewhere = 0;
    for (size_t column = 0; column < WRAP_COLUMNS; column++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);
        wrap_print(out, sentence, column, 4);
        fclose(out);
        for (char *end = strchr(text, '\n'); end && end[1]; end = strchr(end + 1, '\n')) {
            bool is_count = !strncmp(end + 1, "    launches", 12);
            torn_elsewhere += is_count;
            if (end > text && end[-1] >= '0' && end[-1] <= '9' && !is_count)
                fail_msg("from column %zu:\n%s", column, text);
        }
        free(text);
    }
    assert_true(torn_elsewhere > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_aligned),
        cmocka_unit_test(wide_figures_leave_the_label_whole),
        cmocka_unit_test(reasons_are_whole),
        cmocka_unit_test(sentences_stand_below_their_blocks_name),
        cmocka_unit_test(a_figure_and_its_unit_stay_on_a_line),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
