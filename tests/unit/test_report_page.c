/* test_report_page.c: the page, its pictures, and what hostile results do to them (nothing). See
 * test_report.c for the sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "harness/cli/options.h"
#include "harness/report/gnuplot.h"
#include "harness/report/page.h"
#include "harness/report/table.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

static const char *const compares[] = {"wait", "transport"};

static void member_add(cJSON *object, const char *name, const char *json)
{
    cJSON *made = cJSON_Parse(json);
    assert_non_null(made);
    cJSON_AddItemToObject(object, name, made);
}

/* What newer results have: a floor, a baseline, net CPU, switches, a search. */
static void result_enrich(cJSON *result)
{
    cJSON *cells = json_get(result, "cells");
    cJSON *spin = cJSON_GetArrayItem(cells, 0), *futex = cJSON_GetArrayItem(cells, 1);
    cJSON *baseline = cJSON_Duplicate(futex, 1);
    cJSON_ReplaceItemInObjectCaseSensitive(baseline, "id",
                                           cJSON_CreateString("null+poll/baseline"));
    cJSON_AddTrueToObject(baseline, "baseline");
    cJSON_AddItemToArray(cells, baseline);
    member_add(
        result, "floor",
        "{\"system_call_ns\": 99.4, \"clocks\": [{\"name\": \"TSC\", \"read_ns\": 9.8, "
        "\"tick_ns\": 0.4}], \"pairs\": [{\"producer_cpu\": 0, \"consumer_cpu\": 1, "
        "\"one_line\": {\"p50_ns\": 221, \"mean_ns\": 133.2}, \"two_lines\": {\"p50_ns\": 283, "
        "\"mean_ns\": 276}}, {\"producer_cpu\": 1, \"consumer_cpu\": 1, \"one_line\": null}], "
        "\"futex\": {\"wake_nobody_ns\": 88, \"wake_sleeper_ns\": 12100, \"one_way_ns\": "
        "31500}, \"nanosleep\": [{\"requested_ns\": 100000, \"p50_ns\": 182000}], "
        "\"timer_slack_ns\": 50000, \"memory\": [{\"bytes\": 6220800, \"copy_cached_ns\": "
        "388000, \"copy_evicted_ns\": null}], \"gpu\": {\"device\": \"a <fine> GPU\", "
        "\"launch\": {\"p50_ns\": 7500, \"count\": 9}, \"flag\": {\"p50_ns\": null, "
        "\"count\": 0}, \"turn\": {\"p50_ns\": 120000, \"count\": 9}, \"switch_ns\": 112500, "
        "\"memory\": [{\"bytes\": 25000000, \"device_copy\": {\"p50_ns\": 12500, \"count\": 9}, "
        "\"host_copy\": {\"p50_ns\": 500000, \"count\": 9}, \"fill_invert\": {\"p50_ns\": "
        "16000, \"count\": 9}}]}}");
    member_add(spin, "floor", "{\"handoff_ns\": 175, \"latency_ns\": null}");
    member_add(spin, "switches",
               "{\"producer\": {\"voluntary_per_frame\": 1.5, \"involuntary_per_frame\": 0.001}, "
               "\"consumer\": {\"voluntary_per_frame\": 46, \"involuntary_per_frame\": 0}}");
    member_add(spin, "deadline", "{\"deadline_ns\": 2000000, \"missed\": 3, \"frames\": 400}");
    for (cJSON *launch = json_get(spin, "launches")->child; launch; launch = launch->next)
        member_add(launch, "timeline",
                   "{\"interval\": \"response\", \"bucket_ns\": 1000, \"frames\": [9, 0, 9], "
                   "\"p50_ns\": [100, null, 200], \"max_ns\": [300, null, 9000], "
                   "\"hiccup_above_ns\": 8000, \"hiccup_count\": 1, \"hiccup_frames\": 2, "
                   "\"hiccups\": [[2100, 9000, 2]]}");
    member_add(
        json_get(spin, "cpu"), "system_less_null",
        "{\"percent\": {\"value\": -0.3, \"low\": -0.8, \"high\": 0.2, \"spread\": \"ci95\", "
        "\"launches\": 10}, \"baseline\": \"null+poll/baseline\"}");
}

/* Two blocks of two cells each, and a baseline. */
static cJSON *result_make(void)
{
    struct fixture_cell cells[] = {{.transport = "shm",
                                    .wait = "spin",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .response_ns = 1e5,
                                    .cpu_percent = 99},
                                   {.transport = "shm",
                                    .wait = "futex",
                                    .frame = "64x64x3",
                                    .pacing = "rate:500",
                                    .response_ns = 2e5,
                                    .cpu_percent = 4},
                                   {.transport = "shm",
                                    .wait = "futex",
                                    .frame = "640x480x3",
                                    .pacing = "pingpong",
                                    .block = 1},
                                   {.transport = "unix",
                                    .wait = "block",
                                    .frame = "640x480x3",
                                    .pacing = "pingpong",
                                    .block = 1,
                                    .no_handoff = true}};
    for (size_t i = 0; i < 4; i++)
        fixture_spread(&cells[i], 10, 350 * pow(9, (double)i), 0.02, i % 2 ? 1 : -1);
    cJSON *result = fixture_result(cells, 4, compares, 2);
    result_enrich(result);
    return result;
}

/* The data of every picture. */
static void draw(const struct report *report)
{
    static const enum metric metrics[] = {METRIC_HANDOFF, METRIC_LATENCY, METRIC_FRAMES_PER_S};
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        struct plot_input input = {.series = 0};
        struct text caption = {0};
        for (size_t j = 0; j < 3; j++) {
            plot_bars_fill(block, metrics[j], &input, &caption);
            plot_input_free(&input);
        }
        plot_stages_fill(block, &input, &caption);
        plot_input_free(&input);
        for (size_t j = 0; j < block->group_count; j++) {
            plot_curves_fill(block, &block->groups[j], &input, &caption);
            plot_input_free(&input);
            plot_tradeoff_fill(block, &block->groups[j], &input, &caption);
            plot_input_free(&input);
            plot_timeline_fill(block, &block->groups[j], &input, &caption);
            plot_input_free(&input);
        }
        plot_sizes_fill(block, &input, &caption);
        plot_input_free(&input);
        text_free(&caption);
    }
}

/* Everything a report makes of a result; *page is set when it can be made. */
static enum status render(const cJSON *result, struct text *page, struct text *summary)
{
    struct report *report;
    struct conclusions *conclusions;
    enum status status = report_open(result, &report, NULL);
    if (status != ST_OK)
        return status;
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    struct page_part part = {.report = report, .conclusions = conclusions};
    page_write(page, &part, 1, NULL);
    markdown_write(summary, &part, 1, NULL);
    draw(report);
    conclusions_free(conclusions);
    report_free(report);
    return ST_OK;
}

static void assert_is_utf8(const char *text)
{
    while (*text) {
        size_t bytes = text_character_bytes(text);
        assert_true(bytes > 0);
        text += bytes;
    }
}

static void random_bytes_come_out_escaped(void **state)
{
    for (int round = 0; round < 3000; round++) {
        char input[64];
        size_t length = random_below(sizeof input - 1);
        static const char nasty[] = "<>&\"'`|\n\033\\@{}$\xc3\xe2\x80\xae\xff";
        for (size_t i = 0; i < length; i++)
            input[i] = random_below(2) ? nasty[random_below(sizeof nasty - 1)]
                                       : (char)(1 + random_below(255));
        input[length] = '\0';
        struct text html = {0}, plain = {0}, label = {0}, markdown = {0};
        text_add_html(&html, input);
        text_add_plain(&plain, input);
        text_add_label(&label, input, 20);
        text_add_markdown(&markdown, input);
        assert_is_utf8(text_get(&html));
        assert_is_utf8(text_get(&plain));
        assert_is_utf8(text_get(&label));
        assert_is_utf8(text_get(&markdown));
        assert_null(strpbrk(text_get(&html), "<>\"'\n\033"));
        assert_null(strpbrk(text_get(&plain), "\n\t\033\x7f"));
        assert_null(strpbrk(text_get(&label), "<>&\"'`\\$@{}\t\n\033"));
        assert_true(text_width(text_get(&label)) <= 41); /* 20 wide characters and an ellipsis */
        assert_null(strpbrk(text_get(&markdown), "<>@\n\033"));
        text_free(&html);
        text_free(&plain);
        text_free(&label);
        text_free(&markdown);
    }
}

/* Another value in place of `node`: a wrong type, a hostile string, an absurd number. */
static cJSON *hostile_value(void)
{
    static const char *const texts[] = {"<script>alert(1)</script>",
                                        "\"><img src=x onerror=alert(1)>",
                                        "inf",
                                        "",
                                        "\033[2J\033]0;x\007",
                                        "rate:1e400",
                                        "99999999999x1x1",
                                        "HISTFAAAAA==",
                                        "`; system(\"touch /tmp/owned\") #",
                                        "\xff\xfe",
                                        "%n%s%s%s",
                                        "{{body}}"};
    static const double numbers[] = {-1, 0, 1e308, -1e308, 1e-300, 4503599627370497.0, 0.5};
    switch (random_below(6)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateArray();
    case 2:
        return cJSON_CreateObject();
    case 3:
        return cJSON_CreateNumber(numbers[random_below(sizeof numbers / sizeof numbers[0])]);
    case 4:
        return cJSON_CreateBool(random_below(2));
    default:
        return cJSON_CreateString(texts[random_below(sizeof texts / sizeof texts[0])]);
    }
}

/* Replaces one random member somewhere below `node`. */
static void mutate(cJSON *node)
{
    for (;;) {
        int size = cJSON_GetArraySize(node);
        if (size == 0)
            return;
        int index = (int)random_below((uint64_t)size);
        cJSON *child = cJSON_GetArrayItem(node, index);
        if (cJSON_GetArraySize(child) > 0 && random_below(12) != 0) {
            node = child;
        } else if (cJSON_IsArray(node)) {
            cJSON_ReplaceItemInArray(node, index, hostile_value());
            return;
        } else {
            char name[80];
            snprintf(name, sizeof name, "%s", child->string);
            cJSON_ReplaceItemInObjectCaseSensitive(node, name, hostile_value());
            return;
        }
    }
}

/* Others in each run; under a sanitizer one takes ten times as long. */
#if defined __SANITIZE_ADDRESS__
#define HOSTILE_ROUNDS 200
#else
#define HOSTILE_ROUNDS 800
#endif

static void hostile_results_give_an_error_or_escaped_text(void **state)
{
    cJSON *whole = result_make();
    FILE *nowhere = fopen("/dev/null", "w");
    size_t rendered = 0;
    for (int round = 0; round < HOSTILE_ROUNDS; round++) {
        cJSON *result = cJSON_Duplicate(whole, 1);
        struct text page = {0}, summary = {0};
        for (uint64_t i = random_below(6); i < 6; i++)
            mutate(result);
        report_table(nowhere, result, true);
        report_conclusions(nowhere, result, false);
        if (render(result, &page, &summary) == ST_OK) {
            rendered++;
            assert_false(page.failed);
            assert_is_utf8(text_get(&page));
            assert_null(strstr(text_get(&page), "<script"));
            assert_null(strstr(text_get(&page), "<img"));
            assert_null(strchr(text_get(&page), '\033'));
            assert_null(strstr(text_get(&summary), "<script"));
            assert_null(strchr(text_get(&summary), '\033'));
        }
        text_free(&page);
        text_free(&summary);
        cJSON_Delete(result);
    }
    assert_true(rendered > HOSTILE_ROUNDS / 8);
    fclose(nowhere);
    cJSON_Delete(whole);
}

static void expect(const struct text *text, const char *part)
{
    if (!strstr(text_get(text), part))
        fail_msg("\"%s\" is not in:\n%s", part, text_get(text));
}

static void the_floor_and_what_waiting_costs_are_on_the_page(void **state)
{
    struct text page = {0}, summary = {0};
    cJSON *result = result_make();
    assert_int_equal(render(result, &page, &summary), ST_OK);
    expect(&page, "What this machine can do at best");
    expect(&page, "gpu_filled, the producer&#39;s kernel has written the frame; gpu_begin and");
    assert_string_equal(page_label_class("MPS"), "");
    /* A long name takes several lines, and no dots at its end. */
    assert_string_equal(page_label_class("unix · mapped · block · 1920×1080×3 · ping-pong"),
                        " class=\"long\"");
    expect(&summary, "**block 0**\n\n- "); /* which sentence is of which block */
    expect(&summary, "\n\n**block 1**\n\n- ");
    expect(&page, "two cache lines there and back, CPU 0 and 1</th><td>283 ns</td>");
    expect(&page, "nanosleep of 100 µs, timer slack 50 µs</th><td>182 µs</td>");
    expect(&page, "<td>388 µs<small>16 GB/s</small></td><td>—</td>");
    expect(&page, "The GPU: a &lt;fine&gt; GPU");
    expect(&page, "launch to synchronized</th><td>7.50 µs</td>");
    expect(&page, "change between them</th><td>112 µs</td>");
    assert_null(strstr(text_get(&page), "resident kernel")); /* not measured */
    expect(&page, "<td>12.5 µs<small>4000 GB/s</small></td><td>—</td>"
                  "<td>500 µs<small>50 GB/s</small></td>"
                  "<td>16.0 µs<small>62,500 frames/s</small></td>");
    expect(&page, ">2.0× floor</small>"); /* 350 ns */
    expect(&page, "<td>-0.3<small>-0.8–0.2</small></td>");
    expect(&page, "<td class=\"first\">1.50</td><td>46</td><td class=\"first\">&lt;0.01</td>"
                  "<td>0</td>");
    expect(&page, "Other work on the machine decides"); /* 99 % of a CPU, and net less than none */
    expect(&page, "nothing but the pacer, for the same schedule");
    expect(&page, "5 cells");
    assert_null(strstr(text_get(&summary), "baseline")); /* of what is compared */
    text_free(&page);
    text_free(&summary);
    cJSON_Delete(result);
}

static void what_is_no_result_is_told_so(void **state)
{
    static const char *const texts[] = {
        "null",
        "[]",
        "{}",
        "{\"schema\": \"handoff-result\"}",
        "{\"schema\": \"handoff-result\", \"schema_version\": 99, \"blocks\": [], \"cells\": []}",
        "{\"schema\": \"handoff-result\", \"schema_version\": 1, \"blocks\": {}, \"cells\": []}",
        "{\"schema\": \"handoff-result\", \"schema_version\": 1, \"blocks\": [], \"cells\": [{}]}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct report *report;
        struct err err = {.what = ""};
        cJSON *json = cJSON_Parse(texts[i]);
        assert_int_equal(report_open(json, &report, &err), ST_INVALID);
        assert_true(err.what[0] && err.hint[0]);
        cJSON_Delete(json);
    }
}

static void a_curve_ends_where_its_samples_do(void **state)
{
    cJSON *result = result_make();
    struct report *report;
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_true(
        plot_curves_fill(&report->blocks[0], &report->blocks[0].groups[0], &input, &caption));
    assert_int_equal(input.series, 2);
    double x = 0, last_x = 0, last_banded = 0, y, low, high;
    char *rest = input.data.data;
    for (char *line = strtok_r(rest, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == 'x') /* the heading of the next curve */
            continue;
        assert_true(sscanf(line, "%lf\t%lf", &x, &y) == 2);
        if (sscanf(line, "%*f\t%*f\t%lf\t%lf", &low, &high) == 2) {
            last_banded = fmax(last_banded, x);
            assert_true(low <= y && y <= high);
        }
        last_x = fmax(last_x, x);
    }
    assert_true(fabs(last_x - 400) < 0.01); /* ten launches of 40 frames together */
    /* One launch alone: 40 frames are enough for 90 % (36, as stats.h has it), and just above. */
    assert_true(last_banded > 10.5 && last_banded < 11.4);
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
}

/* A new folder with result.json in it. */
static void folder_make(char *folder, size_t size)
{
    char path[200];
    cJSON *result = result_make();
    snprintf(folder, size, "/tmp/handoff-report-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/result.json", folder);
    assert_int_equal(json_write_file(path, result, false, NULL), ST_OK);
    cJSON_Delete(result);
}

static void folder_remove(const char *folder)
{
    char command[200];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* Runs the command; the page's text, to be freed. */
static char *page_of(const char *folder)
{
    char *argv[] = {"report", (char *)folder, NULL}, path[200];
    int code = 0;
    struct err err = {.what = ""};
    if (command_report.run(2, argv, &code, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_int_equal(code, 0);
    snprintf(path, sizeof path, "%s/index.html", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct text page = {0};
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        text_add_bytes(&page, chunk, got);
    fclose(file);
    return page.data;
}

static void without_gnuplot_the_page_is_still_written(void **state)
{
    char folder[64], *path = strdup(getenv("PATH"));
    folder_make(folder, sizeof folder);
    setenv("PATH", folder, 1);
    char *page = page_of(folder);
    setenv("PATH", path, 1);
    assert_non_null(strstr(page, "gnuplot is not installed"));
    assert_non_null(strstr(page, "hands a frame over in"));
    assert_null(strstr(page, "<svg"));
    free(page);
    free(path);
    folder_remove(folder);
}

static void with_gnuplot_the_pictures_stand_in_the_page(void **state)
{
    char folder[64], *page, name[200];
    struct stat info;
    if (system("gnuplot --version >/dev/null 2>&1") != 0)
        skip();
    folder_make(folder, sizeof folder);
    page = page_of(folder);
    size_t pictures = 0;
    for (const char *at = page; (at = strstr(at, "<svg role")); at++)
        pictures++;
    assert_int_equal(pictures, 6); /* bars, curves of both blocks, a trade-off and a timeline */
    assert_null(strstr(page, "Pictures are missing"));
    assert_null(strstr(page, " src="));
    assert_null(strstr(page, "<link"));
    assert_null(strstr(page, "fill=\"#ffffff\"")); /* or it would be white in the dark */
    snprintf(name, sizeof name, "%s/plots/1-percentiles-1.png", folder);
    assert_true(stat(name, &info) == 0 && info.st_size > 1000);
    free(page);
    folder_remove(folder);
}

static void a_picture_with_a_script_is_not_taken(void **state)
{
    char path[] = "/tmp/handoff-svg-XXXXXX";
    int fd = mkstemp(path);
    struct text out = {0};
    static const char bad[] = "<svg viewBox=\"0 0 1 1\"><script>alert(1)</script></svg>";
    static const char good[] = "<?xml?><svg viewBox=\"0 0 1 1\"><g id=\"a\" stroke='rgb(  0, 114, "
                               "178)'/></svg>";
    assert_int_equal(write(fd, bad, sizeof bad - 1), sizeof bad - 1);
    assert_int_equal(gnuplot_svg_inline(path, "x", &out, NULL), ST_CORRUPT);
    assert_int_equal(out.used_bytes, 0);
    assert_int_equal(pwrite(fd, good, sizeof good - 1, 0), sizeof good - 1);
    assert_int_equal(ftruncate(fd, sizeof good - 1), 0);
    assert_int_equal(gnuplot_svg_inline(path, "a \"b\"", &out, NULL), ST_OK);
    assert_string_equal(text_get(&out), "<svg role=\"img\" aria-label=\"a &quot;b&quot;\" viewBox="
                                        "\"0 0 1 1\"><g stroke='var(--c1)'/></svg>");
    text_free(&out);
    close(fd);
    unlink(path);
}

/* The machine's part of a page for this run.clock. */
static void machine_page(struct text *out, const char *clock)
{
    cJSON *result = result_make();
    struct report *report;
    cJSON_DeleteItemFromObjectCaseSensitive(result, "run");
    cJSON *run = cJSON_AddObjectToObject(result, "run");
    if (clock)
        cJSON_AddItemToObject(run, "clock", cJSON_Parse(clock));
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    page_machine(out, &(struct page_part){.report = report, .conclusions = NULL});
    report_free(report);
    cJSON_Delete(result);
}

/* On which clock, what speaks for it, and what was against the other; older results say less. */
static void the_clock_is_told(void **state)
{
    static const char *const pages[][2] = {
        {NULL, "<p>"},
        {"{\"name\": \"CLOCK_MONOTONIC\", \"read_ns\": 21.5, \"tick_ns\": 1}",
         "All stamps are on CLOCK_MONOTONIC, which costs 21.5 ns to read here and steps by 1 "
         "ns.</p>"},
        {"{\"name\": \"TSC\", \"read_ns\": 17.25, \"tick_ns\": 1, \"conversion_error_ppm\": 0.62, "
         "\"cpus_agree_ns\": 60.4, \"candidates\": [{\"name\": \"CLOCK_MONOTONIC\", \"usable\": "
         "true, "
         "\"reason\": \"\", \"read_ns\": 21, \"tick_ns\": 1}, {\"name\": \"TSC\", \"usable\": "
         "true, "
         "\"reason\": \"\", \"read_ns\": 17.25, \"tick_ns\": 1}]}",
         "Two CPUs show it at most 60.4 ns apart; its speed against CLOCK_MONOTONIC is known to "
         "0.62 ppm. CLOCK_MONOTONIC costs 21.0 ns.</p>"},
        {"{\"name\": \"CLOCK_MONOTONIC\", \"read_ns\": 21, \"tick_ns\": 1, "
         "\"conversion_error_ppm\": "
         "null, \"cpus_agree_ns\": null, \"candidates\": [7, {\"name\": \"TSC\", \"usable\": "
         "false, "
         "\"reason\": \"its <clock> source is hpet\", \"read_ns\": null, \"tick_ns\": null}]}",
         "steps by 1 ns. Not on TSC: its &lt;clock&gt; source is hpet.</p>"},
    };
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        struct text out = {0};
        machine_page(&out, pages[i][0]);
        if (!strstr(text_get(&out), pages[i][1]))
            fail_msg("\"%s\" is not in %s", pages[i][1], text_get(&out));
        assert_int_equal(strstr(text_get(&out), "All stamps") != NULL, i > 0);
        text_free(&out);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_come_out_escaped),
        cmocka_unit_test(hostile_results_give_an_error_or_escaped_text),
        cmocka_unit_test(the_floor_and_what_waiting_costs_are_on_the_page),
        cmocka_unit_test(what_is_no_result_is_told_so),
        cmocka_unit_test(the_clock_is_told),
        cmocka_unit_test(a_curve_ends_where_its_samples_do),
        cmocka_unit_test(without_gnuplot_the_page_is_still_written),
        cmocka_unit_test(with_gnuplot_the_pictures_stand_in_the_page),
        cmocka_unit_test(a_picture_with_a_script_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
