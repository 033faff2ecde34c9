/* test_floor_of_cell.c: which CPUs and sizes a run's floor is measured for, what it means for a
 * cell, and that it is written once and taken up again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/json.h"
#include "harness/run/result_floor.h"
#include "harness/run/run_floor.h"
#include "tests/support/random_input.h"

static struct cell make_cell(struct geometry geometry)
{
    return (struct cell){
        .transport = transport_find("shm"),
        .access = access_find("host"),
        .wait = wait_find("spin"),
        .kernel = kernel_find("checksum"),
        .geometry = geometry,
        .slots = 4,
    };
}

/* ---- which CPUs and sizes ---- */

static void pairs_and_sizes_of_a_plan(void **state)
{
    /* Width of the frame, how many cells, whether they run; 6 wide is the most frequent. */
    static const struct {
        int32_t width;
        int cells;
        int runs;
    } sizes[] = {{6, 5, 1}, {5, 2, 1}, {9, 1, 1}, {4, 3, 1}, {3, 4, 1}, {50, 9, 0}, {2, 2, 1}};
    struct plan plan = {.cells = calloc(64, sizeof *plan.cells)};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int j = 0; j < sizes[i].cells; j++)
            plan.cells[plan.cell_count++] = (struct plan_cell){
                .result.launches_planned = sizes[i].runs ? 3 : 0,
                .cell = make_cell((struct geometry){sizes[i].width, 10, 1}),
                /* CPUs 4 and 1 for the frequent sizes, 0 and 2 for others, one CPU, or none. */
                .cpus = sizes[i].width == 6   ? (struct placement_cpus){4, 1}
                        : sizes[i].width == 3 ? (struct placement_cpus){2, 2}
                        : sizes[i].width == 4 ? (struct placement_cpus){-1, -1}
                                              : (struct placement_cpus){0, 2},
            };
    plan.cells[plan.cell_count] = (struct plan_cell){
        .result.launches_planned = 3, .cell = make_cell((struct geometry){900, 900, 3})};
    plan.cells[plan.cell_count++].cell.fill = FILL_HEADER;
    plan.cells[plan.cell_count] = (struct plan_cell){
        .result.launches_planned = 3, .cell = make_cell((struct geometry){901, 900, 3})};
    plan.cells[plan.cell_count++].cell.transport = transport_find("null");
    struct floor_config config;
    run_floor_config(&plan, &config);
    /* Six times 0 and 2 (widths 5, 9, 2 and nothing of 50), five times 4 and 1. */
    assert_int_equal(config.pair_count, 2);
    assert_int_equal(config.pairs[0].producer, 4);
    assert_int_equal(config.pairs[0].consumer, 1);
    assert_int_equal(config.pairs[1].producer, 0);
    assert_int_equal(config.pairs[1].consumer, 2);
    /* 60, 30 and 40 bytes as the most frequent, 90 as the largest. */
    assert_int_equal(config.size_count, 4);
    assert_int_equal(config.sizes_bytes[0], 30);
    assert_int_equal(config.sizes_bytes[1], 40);
    assert_int_equal(config.sizes_bytes[2], 60);
    assert_int_equal(config.sizes_bytes[3], 90);
    free(plan.cells);
}

/* ---- what it means for a cell ---- */

/* Figures in tenths of nanoseconds, all different, so that a wrong one shows. */
struct known {
    double two_lines_ns, copy_cached_ns, copy_evicted_ns, read_cached_ns, read_evicted_ns,
        elsewhere_ns;
    cJSON *json;
};

static struct known make_floor(size_t bytes)
{
    struct known known = {
        .two_lines_ns = 100 + (double)random_below(1000),
        .copy_cached_ns = 10000 + (double)random_below(1000),
        .copy_evicted_ns = 30000 + (double)random_below(1000),
        .read_cached_ns = 3000 + (double)random_below(1000),
        .read_evicted_ns = 20000 + (double)random_below(1000),
        .elsewhere_ns = 5000 + (double)random_below(1000),
    };
    const struct floor floor = {
        .pairs = {{.cpus = {5, 6}, .lines.two_lines = {7, 7}},
                  {.cpus = {0, 3}, .lines = {{1, 1}, {known.two_lines_ns, 2}, 1}}},
        .pair_count = 2,
        .memory = {{bytes + 1, 1, 1, 1, 1, 1},
                   {bytes, known.copy_cached_ns, known.copy_evicted_ns, known.read_cached_ns,
                    known.read_evicted_ns, known.elsewhere_ns}},
        .memory_count = 2,
    };
    known.json = floor_to_json(&floor);
    assert_non_null(known.json);
    return known;
}

static void assert_floor(const struct known *known, const struct cell *cell,
                         uint64_t last_level_bytes, double latency_ns)
{
    struct result_floor floor = result_floor_of_cell(known->json, cell, 0, 3, last_level_bytes);
    assert_true(fabs(floor.handoff_ns - known->two_lines_ns / 2) < 1e-6);
    if (isnan(latency_ns))
        assert_true(isnan(floor.latency_ns));
    else if (fabs(floor.latency_ns - latency_ns) > 1e-6)
        fail_msg("%f instead of %f", floor.latency_ns, latency_ns);
}

static void least_work_of_a_cell(void **state)
{
    struct cell cell = make_cell((struct geometry){1 + (int32_t)random_below(99), 50, 3});
    uint64_t bytes = cell_payload_bytes(&cell);
    uint64_t fits = 8 * bytes, too_small = 8 * bytes - 1;
    struct known known = make_floor(bytes);
    double handoff_ns = known.two_lines_ns / 2, read_ns = known.elsewhere_ns;
    assert_floor(&known, &cell, fits, handoff_ns + known.copy_cached_ns + read_ns);
    assert_floor(&known, &cell, 0, handoff_ns + known.copy_cached_ns + read_ns);
    assert_floor(&known, &cell, too_small, handoff_ns + known.copy_evicted_ns + read_ns);
    cell.frame_state = FRAME_STATE_CACHED;
    assert_floor(&known, &cell, too_small, handoff_ns + known.copy_cached_ns + read_ns);
    cell.frame_state = FRAME_STATE_EVICTED;
    assert_floor(&known, &cell, too_small, handoff_ns + known.copy_evicted_ns + read_ns);
    assert_floor(&known, &cell, fits, handoff_ns + known.read_evicted_ns + read_ns);
    cell.kernel = kernel_find("none");
    assert_floor(&known, &cell, fits, handoff_ns + known.read_evicted_ns);
    cell.fill = FILL_IN_PLACE;
    assert_floor(&known, &cell, fits, handoff_ns);
    cell.kernel = kernel_find("invert");
    assert_floor(&known, &cell, fits, handoff_ns + read_ns);
    cell.fill = FILL_GPU; /* no other CPU has written it */
    assert_floor(&known, &cell, fits, handoff_ns + known.read_cached_ns);
    cell.fill = FILL_IN_PLACE;
    cell.kernel = kernel_find("preprocess"); /* looks only at the pixels that it blends */
    assert_floor(&known, &cell, fits, handoff_ns);
    cell.fill = FILL_HEADER;
    cell.kernel = kernel_find("none");
    assert_floor(&known, &cell, fits, handoff_ns);
    cell.fill = FILL_COPY;
    cell.transport = transport_find("null");
    assert_floor(&known, &cell, fits, handoff_ns);
    cell.transport = transport_find("unix");
    cell.geometry.width++; /* a size that was not measured */
    cell.geometry.height = 977;
    assert_floor(&known, &cell, fits, NAN);
    cJSON_Delete(known.json);
}

static void assert_latency(const cJSON *json, const struct cell *cell, double handoff_ns,
                           double latency_ns)
{
    struct result_floor floor = result_floor_of_cell(json, cell, 0, 3, 0);
    assert_true(isnan(handoff_ns) ? isnan(floor.handoff_ns)
                                  : fabs(floor.handoff_ns - handoff_ns) < 1e-6);
    if (isnan(latency_ns) != isnan(floor.latency_ns) || fabs(floor.latency_ns - latency_ns) > 1e-6)
        fail_msg("%s, %s: %f instead of %f", cell->access->name, cell->wait->name, floor.latency_ns,
                 latency_ns);
}

static void least_work_on_a_gpu(void **state)
{
    struct cell cell = make_cell((struct geometry){70, 50, 3});
    size_t bytes = cell_payload_bytes(&cell);
    struct known known = make_floor(bytes);
    double handoff_ns = known.two_lines_ns / 2;
    const struct floor_gpu gpu = {
        .launch = {8000, 1},
        .launch_word = {6600, 1},
        .flag = {1700, 1},
        .stream_values = {6200, 1},
        .turn = {NAN, 0},
        .sizes = {{bytes + 1, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
                  {bytes, {500, 1}, {9500, 1}, {7500, 1}, {900, 1}}},
        .size_count = 2,
    };
    cell.fill = FILL_IN_PLACE;
    cell.access = access_find("mapped");
    /* Without a floor of the GPU there is none. */
    assert_latency(known.json, &cell, handoff_ns, NAN);
    assert_true(json_add(known.json, "gpu", floor_gpu_to_json(&gpu)));
    const struct {
        const char *access, *wait, *kernel;
        double least_ns;
    } cases[] = {
        {"mapped", "spin", "checksum", 9500}, /* reading takes longer than starting */
        {"direct", "spin", "checksum", 9500},
        {"mapped", "spin", "none", 8000}, /* which reads nothing */
        {"mapped", "spin", "invert", 9500},
        {"direct", "spin", "preprocess", 8000}, /* which reads a part of it */
        {"copy", "spin", "checksum", 8000},     /* starting takes longer than copying */
        {"pageable", "spin", "none", 8000},
        {"managed", "spin", "checksum", 8000 + known.copy_cached_ns},
        {"mapped", "gpu_kernel", "none", 1700},
        {"mapped", "gpu_stream", "none", 6200},
        {"copy", "gpu_stream", "none", 7500},
        {"mapped", "gpu_kernel", "checksum", 9500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cell.access = access_find(cases[i].access);
        cell.wait = wait_find(cases[i].wait);
        cell.kernel = kernel_find(cases[i].kernel);
        bool on_gpu = cell.wait->on_gpu;
        assert_latency(known.json, &cell, on_gpu ? NAN : handoff_ns,
                       (on_gpu ? 0 : handoff_ns) + cases[i].least_ns);
    }
    /* A kernel that says itself that it is done is known to be sooner; old floors do not say when. */
    cell.sync = GPU_SYNC_FLAG;
    cell.wait = wait_find("spin");
    cell.kernel = kernel_find("none");
    cell.access = access_find("mapped");
    assert_latency(known.json, &cell, handoff_ns, handoff_ns + 6600);
    cJSON *word = cJSON_DetachItemFromObject(json_get(known.json, "gpu"), "launch_word");
    assert_latency(known.json, &cell, handoff_ns, handoff_ns + 8000);
    cJSON_Delete(word);
    /* A copy out of the source's buffer comes on top. */
    cell.fill = FILL_COPY;
    cell.wait = wait_find("gpu_kernel");
    cell.kernel = kernel_find("none");
    assert_latency(known.json, &cell, NAN, known.copy_cached_ns + 1700);
    /* Work of both sides that overlaps has no least. */
    cell.order = ORDER_EVENT;
    assert_latency(known.json, &cell, NAN, NAN);
    cell.order = ORDER_HOST;
    cell.geometry.width++; /* a size that was not measured */
    cell.geometry.height = 977;
    cell.fill = FILL_IN_PLACE;
    cell.kernel = kernel_find("checksum");
    assert_latency(known.json, &cell, NAN, NAN);
    cJSON_Delete(known.json);
}

/* ---- the GPU's floor as JSON ---- */

static void gpu_figures_there_and_back(void **state)
{
    const struct floor_gpu gpu = {
        .device = "NVIDIA H200",
        .launch = {7500.26, 1000},
        .launch_word = {6600.5, 900},
        .flag = {1700, 800},
        .stream_values = {NAN, 0},
        .turn = {120000.5, 400},
        .sizes = {{24883200, {12000, 9}, {NAN, 0}, {450000, 7}, {16000, 6}}},
        .size_count = 1,
        .warning_count = 1,
    };
    cJSON *json = floor_gpu_to_json(&gpu);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"device\":\"NVIDIA H200\","
                              "\"launch\":{\"p50_ns\":7500.3,\"count\":1000},"
                              "\"launch_word\":{\"p50_ns\":6600.5,\"count\":900},"
                              "\"flag\":{\"p50_ns\":1700,\"count\":800},"
                              "\"stream_values\":{\"p50_ns\":null,\"count\":0},"
                              "\"turn\":{\"p50_ns\":120000.5,\"count\":400},"
                              "\"switch_ns\":112500.2,"
                              "\"memory\":[{\"bytes\":24883200,"
                              "\"device_copy\":{\"p50_ns\":12000,\"count\":9},"
                              "\"mapped_read\":{\"p50_ns\":null,\"count\":0},"
                              "\"host_copy\":{\"p50_ns\":450000,\"count\":7},"
                              "\"fill_invert\":{\"p50_ns\":16000,\"count\":6}}]}");
    struct floor_gpu back;
    struct err err = {0};
    assert_int_equal(floor_gpu_from_json(json, &back, &err), ST_OK);
    assert_string_equal(back.device, gpu.device);
    assert_true(fabs(back.launch.p50_ns - 7500.3) < 1e-9 && back.launch.count == 1000);
    assert_true(isnan(back.stream_values.p50_ns) && back.turn.count == 400);
    assert_true(fabs(back.launch_word.p50_ns - 6600.5) < 1e-9 && back.launch_word.count == 900);
    assert_int_equal(back.size_count, 1);
    assert_int_equal(back.sizes[0].bytes, 24883200);
    assert_true(isnan(back.sizes[0].mapped_read.p50_ns) && back.sizes[0].fill_invert.count == 6);
    assert_int_equal(back.warning_count, 0);
    cJSON_DeleteItemFromObject(json, "launch_word"); /* a floor of an earlier version */
    assert_int_equal(floor_gpu_from_json(json, &back, &err), ST_OK);
    assert_true(isnan(back.launch_word.p50_ns) && back.launch_word.count == 0);
    cJSON_free(text);
    cJSON_Delete(json);
}

/* A child may send anything: one member at a time is removed, or is something else. */
static void gpu_figures_that_are_none(void **state)
{
    static const char *const values[] = {"-1", "\"1\"", "1.5e400", "{}", "[1]", "true"};
    const struct floor_gpu gpu = {.sizes = {{.bytes = 5}}, .size_count = 1};
    const char *const paths[][3] = {{"launch"},
                                    {"flag"},
                                    {"stream_values"},
                                    {"turn"},
                                    {"memory"},
                                    {"launch", "p50_ns"},
                                    {"launch", "count"},
                                    {"turn", "p50_ns"},
                                    {"launch_word", "count"}};
    struct floor_gpu back = {.warning_count = 77};
    struct err err = {0};
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
        for (size_t v = 0; v <= sizeof values / sizeof values[0]; v++) {
            cJSON *json = floor_gpu_to_json(&gpu), *in = json;
            const char *name = paths[p][0];
            if (paths[p][1]) {
                in = json_get(json, name);
                name = paths[p][1];
            }
            cJSON_DeleteItemFromObjectCaseSensitive(in, name);
            if (v > 0)
                assert_true(json_add(in, name, cJSON_Parse(values[v - 1])));
            assert_int_equal(floor_gpu_from_json(json, &back, &err), ST_CORRUPT);
            cJSON_Delete(json);
        }
    cJSON *json = floor_gpu_to_json(&gpu);
    for (int i = 0; i < FLOOR_SIZES_MAX; i++)
        assert_true(json_append(json_get(json, "memory"),
                                cJSON_Duplicate(json_get(json, "memory")->child, 1)));
    assert_int_equal(floor_gpu_from_json(json, &back, &err), ST_CORRUPT);
    assert_int_equal(floor_gpu_from_json(NULL, &back, &err), ST_CORRUPT);
    assert_int_equal(back.warning_count, 77);
    cJSON_Delete(json);
}

static void roles_without_a_pair_have_none(void **state)
{
    struct cell cell = make_cell((struct geometry){20, 20, 3});
    struct known known = make_floor(cell_payload_bytes(&cell));
    static const int cpus[][2] = {{3, 3}, {-1, -1}, {0, -1}, {3, 0}, {0, 6}};
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        struct result_floor floor =
            result_floor_of_cell(known.json, &cell, cpus[i][0], cpus[i][1], 0);
        assert_true(isnan(floor.handoff_ns) && isnan(floor.latency_ns));
    }
    cJSON_Delete(known.json);
}

static void added_where_there_are_launches(void **state)
{
    struct cell cell = make_cell((struct geometry){20, 20, 3});
    struct known known = make_floor(cell_payload_bytes(&cell));
    struct result_cell planned = {.cell = &cell, .producer_cpu = 0, .consumer_cpu = 3};
    cJSON *without = cJSON_Parse("{\"launches\": []}");
    cJSON *with = cJSON_Parse("{\"launches\": [{}]}");
    assert_true(result_floor_add(known.json, &planned, without));
    assert_null(json_get(without, "floor"));
    assert_true(result_floor_add(NULL, &planned, with));
    cell.is_baseline = true;
    assert_true(result_floor_add(known.json, &planned, with));
    assert_null(json_get(with, "floor"));
    cell.is_baseline = false;
    assert_true(result_floor_add(known.json, &planned, with));
    assert_true(json_get_number(json_get(with, "floor"), "handoff_ns", 0) ==
                known.two_lines_ns / 2);
    cJSON_Delete(without);
    cJSON_Delete(with);
    cJSON_Delete(known.json);
}

/* ---- written once ---- */

static void resume_takes_what_is_there(void **state)
{
    char dir[] = "/tmp/handoff-test-floor-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/floor.json", dir);
    struct plan_cell cells[1] = {{.result.launches_planned = 0,
                                  .cell = make_cell((struct geometry){8, 8, 1}),
                                  .cpus = {-1, -1}}};
    struct plan plan = {.cells = cells, .cell_count = 1};
    cJSON *warnings = cJSON_CreateArray(), *floor = NULL;
    struct err err = {0};
    struct stat info;
    /* Nothing will run: nothing to hold against anything. */
    assert_int_equal(run_floor_measure(&plan, NULL, dir, false, warnings, &floor, &err), ST_OK);
    assert_null(floor);
    assert_int_not_equal(stat(path, &info), 0);
    cells[0].result.launches_planned = 1;
    assert_int_equal(run_floor_measure(&plan, NULL, dir, true, warnings, &floor, &err), ST_OK);
    assert_non_null(json_get(floor, "system_call_ns"));
    assert_int_equal(cJSON_GetArraySize(json_get(floor, "memory")), 1);
    cJSON_Delete(floor);
    assert_int_equal(stat(path, &info), 0);
    /* What is there is taken, and its warnings; but only to resume, and only if it is one. */
    static const char marked[] = "{\"schema\": \"handoff-floor\", \"schema_version\": 1,"
                                 " \"floor\": {\"marked\": 1}, \"warnings\": [\"half\"]}";
    FILE *file = fopen(path, "w");
    assert_true(file && fputs(marked, file) >= 0 && fclose(file) == 0);
    int warned = cJSON_GetArraySize(warnings);
    assert_int_equal(run_floor_measure(&plan, NULL, dir, true, warnings, &floor, &err), ST_OK);
    assert_non_null(json_get(floor, "marked"));
    cJSON_Delete(floor);
    assert_int_equal(cJSON_GetArraySize(warnings), warned + 1);
    assert_int_equal(run_floor_measure(&plan, NULL, dir, false, warnings, &floor, &err), ST_OK);
    assert_null(json_get(floor, "marked"));
    cJSON_Delete(floor);
    static const char newer[] = "{\"schema\": \"handoff-floor\", \"schema_version\": 2,"
                                " \"floor\": {\"marked\": 1}, \"warnings\": []}";
    file = fopen(path, "w");
    assert_true(file && fputs(newer, file) >= 0 && fclose(file) == 0);
    assert_int_equal(run_floor_measure(&plan, NULL, dir, true, warnings, &floor, &err), ST_OK);
    assert_null(json_get(floor, "marked"));
    cJSON_Delete(floor);
    file = fopen(path, "w");
    assert_true(file && fputs("{\"schema\": \"handoff-floor\"", file) >= 0 && fclose(file) == 0);
    assert_int_equal(run_floor_measure(&plan, NULL, dir, true, warnings, &floor, &err), ST_OK);
    assert_non_null(json_get(floor, "system_call_ns"));
    cJSON_Delete(floor);
    cJSON_Delete(warnings);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(dir), 0);
    assert_int_not_equal(run_floor_measure(&plan, NULL, dir, false, NULL, &floor, &err), ST_OK);
    assert_null(floor);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_and_sizes_of_a_plan),
        cmocka_unit_test(least_work_of_a_cell),
        cmocka_unit_test(least_work_on_a_gpu),
        cmocka_unit_test(gpu_figures_there_and_back),
        cmocka_unit_test(gpu_figures_that_are_none),
        cmocka_unit_test(roles_without_a_pair_have_none),
        cmocka_unit_test(added_where_there_are_launches),
        cmocka_unit_test(resume_takes_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
