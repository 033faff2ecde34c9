/* test_plots.c: what pictures of a report show, which of them it has, and what of an SVG goes into
 * the page. See test_report_page.c for hostile results and a missing gnuplot, tests/python for
 * bands computed by somebody else.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/report/gnuplot.h"
#include "harness/report/page.h"
#include "harness/report/timeline.h"
#include "harness/report/tradeoff.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

static void member_add(cJSON *object, const char *name, const char *json)
{
    cJSON *made = cJSON_Parse(json);
    assert_non_null(made);
    cJSON_AddItemToObject(object, name, made);
}

static void expect(const struct text *text, const char *wanted)
{
    if (!strstr(text_get(text), wanted))
        fail_msg("no \"%s\" in: %s", wanted, text_get(text));
}

static struct report *report_of(const cJSON *result)
{
    struct report *report;
    struct err err = {.what = ""};
    if (report_open(result, &report, &err) != ST_OK)
        fail_msg("%s", err.what);
    return report;
}

/* One block of waits at a rate. */
static cJSON *waits_make(size_t count, int launches)
{
    static const char *const names[] = {"spin", "yield", "futex", "eventfd", "poll:50", "condvar"};
    static const char *const compares[] = {"wait"};
    struct fixture_cell cells[6];
    for (size_t i = 0; i < count; i++) {
        cells[i] = (struct fixture_cell){.transport = "shm",
                                         .wait = names[i],
                                         .frame = "64x64x3",
                                         .pacing = "rate:500",
                                         .response_ns = 1e5,
                                         .cpu_percent = 9};
        fixture_spread(&cells[i], launches, 1000 * (double)(count - i), 0.02, 1);
    }
    return fixture_result(cells, count, compares, 1);
}

static cJSON *launch_of(cJSON *result, int cell, int launch)
{
    cJSON *json = cJSON_GetArrayItem(json_get(result, "cells"), cell);
    return cJSON_GetArrayItem(json_get(json, "launches"), launch);
}

/* gnuplot 5.4 takes the word "6e+06" for no number, and "6.0e+06" for one. */
static void expect_numbers(const struct plot_input *input)
{
    char words[sizeof input->layout];
    snprintf(words, sizeof words, "%s", input->layout);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        if (strchr(word, 'e') && !strchr(word, '.'))
            fail_msg("\"%s\" in \"%s\"", word, input->layout);
}

/* ---- Launches over their time ---------------------------------------------------------------- */

static const char first_timeline[] =
    "{\"interval\": \"response\", \"bucket_ns\": 1000, \"frames\": [9, 0, 9, 8, 0], "
    "\"p50_ns\": [100, null, 200, 300, 9], \"max_ns\": [310, null, 9000, 400, 8], "
    "\"hiccup_above_ns\": "
    "8000, \"hiccup_count\": 1, \"hiccup_frames\": 2, \"hiccups\": [[2000, 9000, 2]]}";
static const char second_timeline[] =
    "{\"interval\": \"response\", \"bucket_ns\": 500, \"frames\": [7], \"p50_ns\": [0], "
    "\"max_ns\": [50], \"hiccup_above_ns\": 100, \"hiccup_count\": 0, \"hiccup_frames\": 0, "
    "\"hiccups\": []}";

static void launches_stand_side_by_side(void **state)
{
    cJSON *result = waits_make(2, 3);
    member_add(launch_of(result, 0, 0), "timeline", first_timeline);
    member_add(launch_of(result, 0, 1), "timeline", "{\"p50_ns\": [1], \"max_ns\": 7}"); /* none */
    member_add(launch_of(result, 0, 2), "timeline", second_timeline);
    struct report *report = report_of(result);
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_true(
        plot_timeline_fill(&report->blocks[0], &report->blocks[0].groups[0], &input, &caption));
    assert_int_equal(input.series, 1);
    /* A gap where no frame finished or where figures cannot be, and between launches; a time of 0
     * is the least there is. */
    assert_string_equal(text_get(&input.data),
                        "spin\t1 hiccup in 1 of 2 launches, 6.1 % of frames\n\n\n"
                        "0.1160\t100\t310\n\n0.5000\t200\t9000\n0.6920\t300\t400\n\n"
                        "1.5000\t1\t50\n\n\n0.4040\t9000\n");
    assert_string_equal(input.layout, "7.692e-01 1.350e+04 2");
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
    (void)state;
}

static void few_cells_and_few_marks_are_drawn(void **state)
{
    cJSON *result = waits_make(6, 10);
    for (int cell = 0; cell < 6; cell++)
        for (int launch = 0; launch < 10; launch++) {
            struct text text = {0};
            text_addf(&text, "{\"interval\": \"response\", \"bucket_ns\": 10, \"frames\": [9],"
                             "\"p50_ns\": [");
            for (int i = 0; i < 60; i++)
                text_addf(&text, "%s%d", i ? ", " : "", 100 + i % 7);
            text_add(&text, "], \"max_ns\": [");
            for (int i = 0; i < 60; i++)
                text_addf(&text, "%s%d", i ? ", " : "", cell == 3 ? 200 : 400 + 100 * cell + i);
            text_addf(&text, "], \"hiccup_count\": 8, \"hiccup_frames\": 8, \"hiccups\": [");
            for (int i = 0; i < 8; i++)
                text_addf(&text, "%s[%d, %d, 1]", i ? ", " : "", 50 * i, 150 + launch / 2);
            text_add(&text, "]}");
            member_add(launch_of(result, cell, launch), "timeline", text_get(&text));
            text_free(&text);
        }
    struct report *report = report_of(result);
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_true(
        plot_timeline_fill(&report->blocks[0], &report->blocks[0].groups[0], &input, &caption));
    assert_int_equal(input.series, 4);
    expect(&caption, "Of 6, these are the fastest and those that reach farthest.");
    /* The best, condvar, and of the others those with the largest maxima: in the block's order. */
    assert_int_equal(strncmp(text_get(&input.data), "yield\t", 6), 0) /* not spin */;
    expect(&input.data, "\nfutex\t");
    expect(&input.data, "\npoll 50 µs\t");
    expect(&input.data, "\ncondvar\t80 hiccups in 10 of 10 launches");
    expect(&input.data, "\n0.0440\t101\t502\n"); /* of yield's first three, the middle one */
    assert_null(strstr(text_get(&input.data), "\t150\n")); /* not among the largest */
    size_t rows = 0, marks = 0;
    for (const char *at = text_get(&input.data); *at; at += *at == '\n') {
        size_t tabs = 0;
        for (; *at && *at != '\n'; at++)
            tabs += *at == '\t';
        rows += tabs == 2;
        marks += tabs == 1;
    }
    assert_int_equal(rows, 4 * 10 * 20); /* three stretches as one */
    assert_int_equal(marks, 4 + 4 * 24);
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
    (void)state;
}

/* ---- Throughput by the size of a frame ------------------------------------------------------- */

static cJSON *sizes_make(const char *pacing, double fastest_ns)
{
    static const char *const frames[] = {"640x480x3", "64x64x3", "320x240x3"};
    static const char *const transports[] = {"shm", "unix"};
    static const char *const compares[] = {"transport"};
    struct fixture_cell cells[6];
    for (size_t i = 0; i < 6; i++) {
        cells[i] = (struct fixture_cell){.transport = transports[i % 2],
                                         .wait = "futex",
                                         .frame = frames[i / 2],
                                         .pacing = pacing};
        fixture_spread(&cells[i], 5, fastest_ns * (double)(1 + i), 0, 1);
    }
    cJSON *result = fixture_result(cells, 6, compares, 1);
    for (int i = 0; i < 6; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "{\"value\": %d000000000, \"low\": %d00000000, \"high\": 1500000000, \"spread\": "
                 "\"range\", "
                 "\"launches\": 5}",
                 i + 1, 5 * (i + 1));
        member_add(json_get(cJSON_GetArrayItem(json_get(result, "cells"), i), "throughput"),
                   "payload_bytes_per_s", text);
    }
    return result;
}

static void sizes_are_lines_of_rising_size(void **state)
{
    cJSON *result = sizes_make("max", 1000);
    struct report *report = report_of(result);
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_true(plot_sizes_fill(&report->blocks[0], &input, &caption));
    assert_string_equal(text_get(&input.data),
                        "x\tshm\n12288\t333333\t333333\t333333\t3\t1.5\t1.5\n"
                        "230400\t200000\t200000\t200000\t5\t2.5\t1.5\n"
                        "921600\t1e+06\t1e+06\t1e+06\t1\t0.5\t1.5\n\n\n"
                        "x\tunix\n12288\t250000\t250000\t250000\t4\t2\t1.5\n"
                        "230400\t166667\t166667\t166667\t6\t3\t1.5\n"
                        "921600\t500000\t500000\t500000\t2\t1\t1.5\n");
    assert_string_equal(text_get(&input.ticks), "12288 12.3_kB 230400 230_kB 921600 922_kB");
    expect(&caption, "at maximum rate");
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
    /* At a rate there is nothing to see. */
    result = sizes_make("rate:60", 1000);
    report = report_of(result);
    assert_false(plot_sizes_fill(&report->blocks[0], &input, &caption));
    report_free(report);
    cJSON_Delete(result);
    (void)state;
}

/* A picture has room for 60 rows: that it is not all of the block is said. */
static void rows_without_room_are_told(void **state)
{
    enum { MANY = 70 };
    static struct fixture_cell cells[MANY];
    static char frames[MANY][16];
    static const char *const compares[] = {""};
    for (size_t i = 0; i < MANY; i++) {
        snprintf(frames[i], sizeof frames[i], "%zux48x3", 64 + i);
        cells[i] = (struct fixture_cell){
            .transport = "shm", .wait = "spin", .frame = frames[i], .pacing = "pingpong"};
        fixture_spread(&cells[i], 3, 1000, 0.01, 1);
    }
    for (size_t count = 60; count <= MANY; count += MANY - 60) {
        struct plot_input input = {.series = 0};
        struct text caption = {0};
        cJSON *result = fixture_result(cells, count, compares, 1);
        struct report *report = report_of(result);
        assert_true(plot_bars_fill(&report->blocks[0], METRIC_LATENCY, &input, &caption));
        assert_int_equal(strstr(text_get(&caption), " The first 60 of 70 cells.") != NULL,
                         count > 60);
        assert_null(strstr(text_get(&caption), "cut short"));
        plot_input_free(&input);
        text_free(&caption);
        report_free(report);
        cJSON_Delete(result);
    }
    (void)state;
}

static void numbers_are_as_gnuplot_reads_them(void **state)
{
    static const char timeline[] = "{\"interval\": \"response\", \"bucket_ns\": 1000, \"frames\": "
                                   "[9, 9], \"p50_ns\": [1300000, "
                                   "1300000], \"max_ns\": [4000000, 4000000], \"hiccup_above_ns\": "
                                   "8000000, \"hiccup_count\": 0, "
                                   "\"hiccup_frames\": 0, \"hiccups\": []}";
    cJSON *result = waits_make(2, 3);
    member_add(launch_of(result, 0, 0), "timeline", timeline);
    struct report *report = report_of(result);
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_true(
        plot_timeline_fill(&report->blocks[0], &report->blocks[0].groups[0], &input, &caption));
    expect_numbers(&input); /* 1e6 and 6e6 */
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
    result = sizes_make("max", 200);
    report = report_of(result);
    assert_true(plot_sizes_fill(&report->blocks[0], &input, &caption));
    expect_numbers(&input); /* 7e6: 1.4 times 5,000,000 frames/s */
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
    cJSON_Delete(result);
    (void)state;
}

/* ---- Which pictures there are ---------------------------------------------------------------- */

static void a_choice_is_between_how_not_what(void **state)
{
    assert_true(tradeoff_is_of("wait") && tradeoff_is_of("transport") && tradeoff_is_of("access"));
    assert_false(tradeoff_is_of("frame") || tradeoff_is_of("pacing") || tradeoff_is_of(""));
    static const char *const transports[] = {"shm", "unix"};
    for (int of_transport = 0; of_transport < 2; of_transport++) {
        const char *compares[] = {of_transport ? "transport" : "kernel"};
        struct fixture_cell cells[2];
        for (size_t i = 0; i < 2; i++) {
            cells[i] = (struct fixture_cell){.transport = transports[i],
                                             .wait = "futex",
                                             .frame = "64x64x3",
                                             .pacing = "rate:500",
                                             .response_ns = 1e5 * (double)(i + 1),
                                             .cpu_percent = 9};
            fixture_spread(&cells[i], 10, 1000, 0.02, 1);
        }
        cJSON *result = fixture_result(cells, 2, compares, 1);
        struct report *report = report_of(result);
        struct plot_input input = {.series = 0};
        struct text caption = {0};
        assert_int_equal(
            plot_tradeoff_fill(&report->blocks[0], &report->blocks[0].groups[0], &input, &caption),
            of_transport);
        plot_input_free(&input);
        text_free(&caption);
        report_free(report);
        cJSON_Delete(result);
    }
    (void)state;
}

/* Blocks with many comparisons of two transports each. */
static cJSON *many_make(size_t blocks, size_t groups)
{
    static const char *const transports[] = {"shm", "unix"};
    const char *compares[40];
    struct fixture_cell *cells = calloc(blocks * groups * 2, sizeof *cells);
    char(*rates)[24] = calloc(groups, sizeof *rates);
    for (size_t i = 0; i < groups; i++)
        snprintf(rates[i], sizeof rates[i], "rate:%zu", 10 + i);
    for (size_t i = 0; i < blocks * groups * 2; i++) {
        cells[i] = (struct fixture_cell){.transport = transports[i % 2],
                                         .wait = "futex",
                                         .frame = "64x64x3",
                                         .pacing = rates[i / 2 % groups],
                                         .block = (int)(i / 2 / groups),
                                         .response_ns = 1e5,
                                         .cpu_percent = 9};
        fixture_spread(&cells[i], 2, 1000, 0.02, 1);
    }
    for (size_t i = 0; i < blocks; i++)
        compares[i] = "transport";
    cJSON *result = fixture_result(cells, blocks * groups * 2, compares, blocks);
    free(cells);
    free(rates);
    return result;
}

/* Without gnuplot: what is chosen is the same. */
static struct plots *plots_of(const struct report *report, const char *folder, size_t results)
{
    char *path = strdup(getenv("PATH"));
    struct plots *plots;
    struct err err = {.what = ""};
    setenv("PATH", folder, 1);
    enum status status = plots_make(report, folder, "", results, &plots, &err);
    setenv("PATH", path, 1);
    free(path);
    if (status != ST_OK)
        fail_msg("%s", err.what);
    assert_int_equal(plots->problem.status, ST_UNAVAILABLE);
    return plots;
}

static void folder_make(char *folder, size_t size)
{
    snprintf(folder, size, "/tmp/handoff-plots-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void folder_remove(const char *folder)
{
    char command[200];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void pictures_are_bounded_and_shared_among_blocks(void **state)
{
    static const size_t shapes[][2] = {{1, 30}, {3, 12}, {36, 3}};
    char folder[64];
    folder_make(folder, sizeof folder);
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        const size_t blocks = shapes[shape][0];
        cJSON *result = many_make(blocks, shapes[shape][1]);
        struct report *report = report_of(result);
        for (size_t results = 1; results <= 4; results += 3) {
            struct plots *plots = plots_of(report, folder, results);
            assert_true(plots->count <= 72 / results);
            assert_true(plots->count >= (blocks < 72 / results ? blocks : 72 / results));
            size_t least = SIZE_MAX, most = 0;
            for (size_t i = 0; i < blocks; i++) {
                size_t own = 0;
                for (size_t j = 0; j < plots->count; j++)
                    own += plots->items[j].block == i;
                least = own < least ? own : least;
                most = own > most ? own : most;
            }
            assert_true(most - least <= 1);
            for (size_t i = 1; i < plots->count; i++)
                assert_true(plots->items[i - 1].block <= plots->items[i].block);
            plots_free(plots);
        }
        report_free(report);
        cJSON_Delete(result);
    }
    folder_remove(folder);
    (void)state;
}

static void what_was_left_out_is_said(void **state)
{
    char folder[64];
    struct text said = {0};
    folder_make(folder, sizeof folder);
    cJSON *result = many_make(1, 9);
    struct report *report = report_of(result);
    struct plots *plots = plots_of(report, folder, 1);
    plots_add_left_out(&said, plots, 0);
    assert_string_equal(
        text_get(&said),
        "Only the first comparisons have pictures of their own (response against "
        "CPU: 6, percentile curves: 6), so that the page stays small; the table has "
        "the figures of all.");
    text_free(&said);
    plots->items[0].left_out = true;
    plots_add_left_out(&said, plots, 0);
    expect(&said, "1 more picture is in plots/ beside this page.");
    text_free(&said);
    plots_free(plots);
    report_free(report);
    cJSON_Delete(result);
    result = many_make(1, 2);
    report = report_of(result);
    plots = plots_of(report, folder, 1);
    plots_add_left_out(&said, plots, 0);
    assert_int_equal(said.used_bytes, 0);
    plots_free(plots);
    report_free(report);
    cJSON_Delete(result);
    folder_remove(folder);
    (void)state;
}

static void a_page_has_room_for_so_much(void **state)
{
    static const size_t sizes[] = {300, 500, 400, 200};
    struct plot items[4] = {{.block = 0}, {.block = 1}, {.block = 2}, {.block = 3}};
    struct plots plots = {.items = items, .count = 4};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            text_add(&items[i].svg, "x");
    plots_room_share(&plots, 1000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(items[i].left_out, i == 2);
        assert_int_equal(items[i].svg.used_bytes, i == 2 ? 0 : sizes[i]);
        text_free(&items[i].svg);
    }
    (void)state;
}

/* One picture that gnuplot cannot draw takes no other with it. */
static void a_bad_picture_is_alone(void **state)
{
    char folder[64];
    struct text list = {0};
    struct plot items[3] = {{.kind = PLOT_HANDOFF, .stem = "a"},
                            {.kind = PLOT_HANDOFF, .stem = "b"},
                            {.kind = PLOT_HANDOFF, .stem = "c"}};
    struct plots plots = {.items = items, .count = 3};
    if (system("gnuplot --version >/dev/null 2>&1") != 0)
        skip();
    folder_make(folder, sizeof folder);
    assert_int_equal(plot_scripts_write(folder, NULL), ST_OK);
    for (size_t i = 0; i < 3; i++) {
        struct plot_input input = {.layout = "120 0.2 -3 10 10"};
        text_add(&input.data, "-1\t2\t1\t3\t5\t255\tname\t`touch owned`\t5\n"
                              "-2\t3\t2\t4\t6\t255\tname\t$(touch owned)\t6\n");
        text_add(&input.headings, "100\t.\n");
        text_add(&input.label, "p50 \"; system \"touch owned\" # `touch owned`, $(touch owned)");
        if (i == 1)
            input.layout[0] = '\0';
        assert_int_equal(plot_input_write(folder, &items[i], &input, &list, NULL), ST_OK);
        plot_input_free(&input);
    }
    assert_int_equal(plot_all_draw(folder, "", &plots, &list, NULL), ST_OK);
    assert_int_equal(plots.problem.status, ST_SYSTEM);
    assert_non_null(strstr(plots.problem.what, "b: gnuplot failed"));
    assert_true(items[0].svg.used_bytes > 1000 && items[2].svg.used_bytes > 1000);
    assert_int_equal(items[1].svg.used_bytes, 0);
    expect(&items[0].svg, "$(touch owned)");
    char path[128];
    snprintf(path, sizeof path, "%s/owned", folder);
    assert_int_not_equal(access(path, F_OK), 0); /* strings stay strings */
    for (size_t i = 0; i < 3; i++)
        text_free(&items[i].svg);
    text_free(&list);
    folder_remove(folder);
    (void)state;
}

/* ---- What of an SVG goes into the page ------------------------------------------------------- */

static void svg_of(const char *inside, struct text *out)
{
    char path[] = "/tmp/handoff-svg-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fprintf(file, "<svg viewBox=\"0 0 1 1\">%s</svg>", inside);
    fclose(file);
    struct err err = {.what = ""};
    if (gnuplot_svg_inline(path, "x", out, &err) != ST_OK)
        fail_msg("%s", err.what);
    unlink(path);
}

static void an_svg_is_shortened_to_what_shows(void **state)
{
    struct text out = {0};
    svg_of("<g fill=\"none\" color=\"black\">\n</g><path d='M10.04,20.00 L10.30,20.20 L10.55,20.40 "
           "L15.26,20.00\n\t\tL15.30,20.04 M1.00,2.00 L3.14,4.15 Z '/><text>at 10.04,20.00\n\t"
           "</text><polygon points = '1.26,2.00 1.27,2.01 9.00,9.00 '/>"
           "<path d='nonsense'/>",
           &out);
    expect(&out, "<path d='M10,20L15.3,20L15.3,20M1,2L3.1,4.2Z'/>");
    expect(&out, "<text>at 10.04,20.00\n</text>");
    expect(&out, "<polygon points=' 1.3,2 9,9'/>");
    expect(&out, "<path d='nonsense'/>");
    assert_null(strstr(text_get(&out), "<g"));
    text_free(&out);
    /* A circle stays one: no point of it is farther off than what does not show. */
    struct text circle = {0};
    text_add(&circle, "<path d='M");
    for (int i = 0; i < 360; i++)
        text_addf(&circle, "%s%.2f,%.2f ", i ? "L" : "", 50 + 5 * cos(i * M_PI / 180),
                  50 + 5 * sin(i * M_PI / 180));
    text_add(&circle, "Z'/>");
    svg_of(text_get(&circle), &out);
    size_t points = 0;
    double x, y;
    for (const char *at = strstr(text_get(&out), "d='") + 3; sscanf(at + 1, "%lf,%lf", &x, &y) == 2;
         at += 1 + strcspn(at + 1, "LMZ'"), points++)
        assert_true(fabs(hypot(x - 50, y - 50) - 5) < 0.15);
    assert_true(points > 30 && points < 80);
    text_free(&circle);
    text_free(&out);
    (void)state;
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

static void misses_stand_with_their_launches(void **state)
{
    cJSON *result = waits_make(3, 10), *cells = json_get(result, "cells");
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"deadline_ns\": 2000000, \"missed\": %d, \"frames\": 400}",
                 i == 1   ? 0
                 : i == 0 ? 4
                          : 30);
        member_add(cJSON_GetArrayItem(cells, i), "deadline", text);
        for (int j = 0; j < 10; j++)
            cJSON_AddNumberToObject(launch_of(result, i, j), "deadline_missed",
                                    i == 0   ? (j == 4 ? 4 : 0)
                                    : i == 1 ? 0
                                             : 2 + j % 3);
    }
    struct report *report = report_of(result);
    struct page_part part = {.report = report};
    struct text page = {0};
    page_deadlines(&page, &part);
    const char *futex = strstr(text_get(&page), ">futex"), *spin = strstr(text_get(&page), ">spin");
    assert_true(futex && spin && futex < spin); /* the largest share first */
    /* Shares of 1/10, once, among ten launches: 1 % and t = 2.262 times 1 % around it, not below
     * 0. */
    expect(&page, "<td>4 of 400</td><td>1.0<small>0–3.3</small></td><td>1 of 10</td>"
                  "<td>4 of 40</td>");
    expect(&page, "<td>30 of 400</td><td>7.5<small>");
    expect(&page, "<td>10 of 10</td><td>4 of 40</td>");
    expect(&page, "The other 1 cell missed none of 400 frames.");
    assert_null(strstr(text_get(&page), ">yield"));
    text_free(&page);
    report_free(report);
    cJSON_Delete(result);
    result = waits_make(2, 2); /* no schedule is known of: nothing to say */
    report = report_of(result);
    part.report = report;
    page_deadlines(&page, &part);
    assert_int_equal(page.used_bytes, 0);
    report_free(report);
    cJSON_Delete(result);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launches_stand_side_by_side),
        cmocka_unit_test(few_cells_and_few_marks_are_drawn),
        cmocka_unit_test(numbers_are_as_gnuplot_reads_them),
        cmocka_unit_test(rows_without_room_are_told),
        cmocka_unit_test(sizes_are_lines_of_rising_size),
        cmocka_unit_test(a_choice_is_between_how_not_what),
        cmocka_unit_test(pictures_are_bounded_and_shared_among_blocks),
        cmocka_unit_test(what_was_left_out_is_said),
        cmocka_unit_test(a_page_has_room_for_so_much),
        cmocka_unit_test(a_bad_picture_is_alone),
        cmocka_unit_test(an_svg_is_shortened_to_what_shows),
        cmocka_unit_test(misses_stand_with_their_launches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
