/* test_report_gpu.c: the report on cells that use a GPU: what its axes are called, and that two
 * processes which take turns on one GPU are explained wherever they are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/report/conclusions.h"
#include "harness/report/gpu_costs.h"
#include "harness/report/model.h"
#include "harness/report/page.h"
#include "harness/report/plots.h"
#include "tests/support/result_fixture.h"

#define LAUNCHES 10

struct gpu_axes {
    const char *access, *fill, *gpu_sharing;
};

static cJSON *result_of(const struct gpu_axes *axes, const char *compare, double switch_ns)
{
    struct fixture_cell cells[2];
    for (size_t i = 0; i < 2; i++) {
        cells[i] = (struct fixture_cell){.transport = "cuda_vmm",
                                         .wait = "spin",
                                         .frame = "64x64x3",
                                         .pacing = "pingpong",
                                         .no_handoff = true,
                                         .cpu_percent = 50};
        fixture_spread(&cells[i], LAUNCHES, i ? 300000 : 34000, 0.01, 1);
    }
    cJSON *result = fixture_result(cells, 2, &compare, 1);
    for (size_t i = 0; i < 2; i++) {
        cJSON *of_cell = json_get(cJSON_GetArrayItem(json_get(result, "cells"), (int)i), "axes");
        json_add_string(of_cell, "access", axes[i].access);
        json_add_string(of_cell, "fill", axes[i].fill);
        json_add_string(of_cell, "gpu_sharing", axes[i].gpu_sharing);
        json_add_string(of_cell, "sync", "flag");
        json_add_string(of_cell, "order", "event");
        json_add_u64(of_cell, "depth", 8);
        json_add_string(of_cell, "register_per_frame", "off");
        json_add_string(of_cell, "pages", "normal");
    }
    cJSON *floor = cJSON_CreateObject(), *gpu = cJSON_CreateObject();
    if (switch_ns > 0)
        json_add_double(gpu, "switch_ns", switch_ns);
    json_add(floor, "gpu", gpu);
    json_add(result, "floor", floor);
    char *text = cJSON_PrintUnformatted(result); /* as it is read back from its file */
    cJSON_Delete(result);
    result = cJSON_Parse(text);
    cJSON_free(text);
    return result;
}

/* The lead, the notes and the block's heading of the first comparison, and what to use. The caller
 * frees. */
static char *said_of(const cJSON *result)
{
    struct report *report;
    struct conclusions *conclusions;
    struct text text = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    const struct conclusion *item = &conclusions->items[0];
    text_addf(&text, "%s\n%s\n", report->blocks[0].constants, text_get(&item->lead));
    for (size_t i = 0; i < item->note_count; i++)
        text_addf(&text, "%s\n", text_get(&item->notes[i]));
    for (size_t i = 0; i < conclusions->advice_count; i++)
        text_addf(&text, "%s\n", text_get(&conclusions->advice[i]));
    conclusions_free(conclusions);
    report_free(report);
    return text.data;
}

static void expect_of(const cJSON *result, const char *words, const char *not_words)
{
    char *said = said_of(result);
    if (words && !strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
    if (not_words && strstr(said, not_words))
        fail_msg("\"%s\" is in: %s", not_words, said);
    free(said);
}

static void expect(const struct gpu_axes *axes, const char *compare, double switch_ns,
                   const char *words, const char *not_words)
{
    cJSON *result = result_of(axes, compare, switch_ns);
    expect_of(result, words, not_words);
    cJSON_Delete(result);
}

static cJSON *cell_of(const cJSON *result, int index)
{
    return cJSON_GetArrayItem(json_get(result, "cells"), index);
}

static void set_axis(cJSON *cell, const char *axis, cJSON *value)
{
    cJSON *axes = json_get(cell, "axes");
    cJSON_DeleteItemFromObject(axes, axis);
    cJSON_AddItemToObject(axes, axis, value);
}

static void turns_are_explained_where_there_are_any(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    static const struct gpu_axes sliced[] = {{"mapped", "gpu", "time_sliced"},
                                             {"copy", "gpu", "time_sliced"}};
    static const struct gpu_axes one_role[] = {{"mapped", "copy", "time_sliced"},
                                               {"copy", "copy", "time_sliced"}};
    static const struct gpu_axes cpu[] = {{"host", "gpu", "time_sliced"},
                                          {"mapped", "in_place", "time_sliced"}};
    static const struct gpu_axes uploaded[] = {{"device", "copy", "time_sliced"},
                                               {"mapped", "copy", "time_sliced"}};
    static const struct gpu_axes together[] = {{"device", "gpu", "mps"}, {"device", "copy", "mps"}};
    expect(together, "fill", 112000, NULL, "take turns");
    expect(both, "gpu_sharing", 112000,
           "a change from one to the other costs 112 µs on this machine (floor)", NULL);
    expect(
        both, "gpu_sharing", 112000,
        "what people take for scheduling overhead, and no wait strategy makes it less; under MPS "
        "both run, as the figures show, at once. Launches under MPS came after all others",
        NULL);
    expect(both, "gpu_sharing", 0, "costs over 100 µs on a large GPU,", NULL);
    expect(sliced, "access", 112000, "under MPS both would run at once", NULL);
    expect(one_role, "access", 112000, NULL, "take turns");
    expect(cpu, "access", 112000, NULL, "take turns");
    expect(uploaded, "access", 112000, NULL, "take turns"); /* by a copy engine, not a kernel */
}

static void axes_of_the_gpu_have_names(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    expect(both, "gpu_sharing", 0, "time-sliced gets a frame", NULL);
    expect(both, "gpu_sharing", 0, "times MPS's 34.", NULL);
    expect(both, "gpu_sharing", 0, "access device", NULL);
    expect(both, "gpu_sharing", 0, "GPU sync flag · ordered by GPU events · depth 8",
           "registered"); /* what is as usual is not named */
}

/* An array is the consumer's in Python; one in C stands beside it by its own name. */
static void arrays_are_held_against_a_consumer_in_c(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"mapped", "copy", "time_sliced"},
                                           {"mapped", "copy", "time_sliced"}};
    cJSON *result = result_of(both, "array", 0);
    for (int i = 0; i < 2; i++) {
        set_axis(cell_of(result, i), "peer", cJSON_CreateString(i ? "c/python" : "c/c"));
        set_axis(cell_of(result, i), "array", cJSON_CreateString(i ? "cupy" : "numpy"));
    }
    expect_of(result, "CuPy gets a frame", "NumPy");
    expect_of(result, " times C's 34.", NULL);
    set_axis(cell_of(result, 0), "peer", cJSON_CreateString("c/python"));
    expect_of(result, " times NumPy's 34.", NULL);
    cJSON_Delete(result);
}

static void mps_is_advised_where_it_won(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    static const struct gpu_axes swapped[] = {{"device", "gpu", "time_sliced"},
                                              {"device", "gpu", "mps"}};
    expect(both, "gpu_sharing", 0,
           "run them under MPS: it was better in the one comparison made here, 8.8×", NULL);
    expect(swapped, "gpu_sharing", 0, NULL, "under MPS: it");
    cJSON *result = result_of(both, "gpu_sharing", 0);
    json_add_double(json_get(cell_of(result, 0), "integrity"), "lost", 1);
    expect_of(result, NULL, "under MPS: it");
    cJSON_Delete(result);
}

static void set_rate(cJSON *cell, double frames_per_s)
{
    cJSON *throughput = json_get(cell, "throughput");
    cJSON_DeleteItemFromObject(throughput, "frames_per_s");
    json_add(throughput, "frames_per_s",
             fixture_estimate("", stats_estimate_log(&frames_per_s, 1)));
}

/* A resident kernel that keeps the GPU for its whole turn has a fine latency, and few frames. */
static void a_rate_that_latency_does_not_show_is_told(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    cJSON *result = result_of(both, "gpu_sharing", 0);
    expect_of(result, NULL, "lies outside the latency"); /* rates follow from latencies */
    set_rate(cell_of(result, 1), 415);
    expect_of(result, ", but at 415 frames/s against 29,", NULL);
    expect_of(result, ": the rest of a frame's turn lies outside the latency.", NULL);
    cJSON_Delete(result);
}

/* Nor is the wait with that latency advised without it, wherever it was. */
static void a_rate_that_is_lost_stands_beside_the_advice(void **state)
{
    (void)state;
    static const char *const both[] = {"wait", "wait"};
    struct fixture_cell cells[4];
    for (size_t i = 0; i < 4; i++) {
        cells[i] = (struct fixture_cell){.transport = "cuda_vmm",
                                         .wait = i % 2 ? "gpu_kernel" : "spin",
                                         .frame = "64x64x3",
                                         .pacing = "pingpong",
                                         .block = (int)i / 2,
                                         .no_handoff = true,
                                         .cpu_percent = 100};
        fixture_spread(&cells[i], LAUNCHES, i == 1 ? 2500 : i == 0 ? 8500 : 144000, 0.01, 1);
    }
    cJSON *result = fixture_result(cells, 4, both, 2);
    set_rate(cell_of(result, 0), 2181); /* the producer's, with either wait: nothing is lost */
    set_rate(cell_of(result, 1), 2173);
    expect_of(result, "Wait with gpu_kernel", "far fewer");
    set_rate(cell_of(result, 2), 3318);
    set_rate(cell_of(result, 3), 415);
    expect_of(result,
              "In 1 of the 2 comparisons gpu_kernel moves far fewer frames/s than another, which "
              "latency does not show: 415 against 3,318.",
              "at worst");
    set_rate(cell_of(result, 1), 1000); /* of two the worse is told */
    expect_of(result, "In 2 of the 2 comparisons gpu_kernel moves", "1,000 against");
    expect_of(result, "show: 415 against 3,318 at worst.", NULL);
    json_add_double(json_get(cell_of(result, 2), "integrity"), "lost", 1); /* no rival */
    expect_of(result, "show: 1,000 against 2,181.", "at worst");
    cJSON_Delete(result);
}

static void a_multiple_below_one_is_explained(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"}, {"device", "copy", "mps"}};
    cJSON *result = result_of(both, "wait", 0);
    set_axis(cell_of(result, 1), "wait", cJSON_CreateString("gpu_kernel"));
    set_axis(cell_of(result, 1), "fill", cJSON_CreateString("gpu"));
    cJSON *floor = cJSON_CreateObject();
    json_add_double(floor, "latency_ns", 34000 / 0.97);
    json_add(cell_of(result, 0), "floor", floor);
    expect_of(result, "1.0×.", "Below 1×");
    expect_of(result, "; none costs less CPU.", "cheapest");
    cJSON_ReplaceItemInObject(floor, "latency_ns", cJSON_CreateNumber(34000 / 0.9));
    expect_of(result, "Below 1×: the floor waits for its kernel in a CUDA call", NULL);
    /* A floor that has such a word is not above it for that reason. */
    cJSON *gpu = json_get(json_get(result, "floor"), "gpu");
    json_add(gpu, "launch_word", cJSON_CreateObject());
    expect_of(result, "0.9×.", "Below 1×");
    cJSON_DeleteItemFromObject(gpu, "launch_word");
    set_axis(cell_of(result, 0), "sync", cJSON_CreateString("spin"));
    expect_of(result, "0.9×.", "Below 1×");
    for (int i = 0; i < 2; i++) /* in turns: the floor was measured without any */
        set_axis(cell_of(result, i), "gpu_sharing", cJSON_CreateString("time_sliced"));
    expect_of(result, "take turns", "As multiples");
    cJSON_Delete(result);
}

static void values_say_what_they_are_values_of(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    struct fixture_cell cells[4];
    static const char *const compare = "gpu_sharing";
    for (size_t i = 0; i < 4; i++) {
        cells[i] = (struct fixture_cell){
            .transport = "cuda_vmm", .wait = "spin", .frame = "64x64x3", .pacing = "pingpong"};
        fixture_spread(&cells[i], LAUNCHES, i % 2 ? 300000 : 34000, 0.01, 1);
    }
    cJSON *result = fixture_result(cells, 4, &compare, 1);
    for (int i = 0; i < 4; i++) {
        set_axis(cell_of(result, i), "gpu_sharing", cJSON_CreateString(both[i % 2].gpu_sharing));
        set_axis(cell_of(result, i), "slots", cJSON_CreateNumber(i < 2 ? 1 : 8));
        if (i < 2)
            set_axis(cell_of(result, i), "kernel", cJSON_CreateString("none"));
    }
    struct report *report;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    const struct report_block *block = &report->blocks[0];
    assert_non_null(strstr(block->groups[0].sentence, ", kernel none"));
    assert_non_null(strstr(block->groups[0].sentence, ", 1 slot"));
    assert_null(strstr(block->groups[0].sentence, "slots"));
    assert_non_null(strstr(block->groups[1].sentence, ", 8 slots"));
    assert_non_null(strstr(block->groups[0].context, "kernel none"));
    assert_null(strstr(block->groups[0].context, "kernel kernel"));
    assert_null(strstr(block->groups[1].context, "kernel checksum"));
    report_free(report);
    cJSON_Delete(result);
}

static void expect_page(const cJSON *result, const char *words, const char *not_words)
{
    struct report *report;
    struct conclusions *conclusions;
    struct text page = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    struct page_part part = {.report = report, .conclusions = conclusions};
    page_write(&page, &part, 1, NULL);
    assert_non_null(strstr(text_get(&page), words));
    assert_null(strstr(text_get(&page), not_words));
    conclusions_free(conclusions);
    report_free(report);
    text_free(&page);
}

static void why_nothing_is_recommended(void **state)
{
    (void)state;
    static const char few[] = "on so few launches: it takes 5", *nothing = "Nothing was measured";
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"}, {"device", "copy", "mps"}};
    cJSON *result = result_of(both, "fill", 0);
    expect_page(result, nothing, few);
    for (int i = 0; i < 2; i++)
        while (cJSON_GetArraySize(json_get(cell_of(result, i), "launches")) > (i ? 4 : 1))
            cJSON_DeleteItemFromArray(json_get(cell_of(result, i), "launches"), 1);
    expect_page(result, few, nothing);
    cJSON_Delete(result);
}

static void add_stage(cJSON *cell, const char *name, double p50_ns)
{
    cJSON *stage = cJSON_CreateObject(), *quantiles = cJSON_CreateObject();
    json_add_u64(stage, "count", 400);
    json_add(quantiles, "p50", fixture_estimate("_ns", stats_estimate_log(&p50_ns, 1)));
    json_add(stage, "quantiles", quantiles);
    json_add(json_get(cell, "intervals"), name, stage);
}

/* What the plot says that there is of reserve, fill, transfer, access, kernel and other. */
static void expect_stages(const cJSON *result, const char *present, bool told)
{
    struct report *report;
    struct plot_input input = {.series = 0};
    struct text caption = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_true(plot_stages_fill(&report->blocks[0], &input, &caption));
    assert_string_equal(strrchr(input.layout, ' ') + 1, present);
    assert_int_equal(strstr(text_get(&caption), "waiting for a turn") != NULL, told);
    plot_input_free(&input);
    text_free(&caption);
    report_free(report);
}

/* A frame made in its slot is filled before its latency begins; a turn is in no stage. */
static void stages_make_up_the_latency(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    static const char *const fills[] = {"gpu", "in_place", "copy"};
    cJSON *result = result_of(both, "gpu_sharing", 0);
    for (int i = 0; i < 2; i++) {
        add_stage(cell_of(result, i), "fill", 150000);
        add_stage(cell_of(result, i), "kernel", 33000);
    }
    for (size_t i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++)
            set_axis(cell_of(result, j), "fill", cJSON_CreateString(fills[i]));
        expect_stages(result, i == 2 ? "010011" : "000011", true);
    }
    add_stage(cell_of(result, 1), "transfer", 110000); /* of 300000: nothing is left */
    expect_stages(result, "011010", false);
    cJSON_Delete(result);
}

/* The machine with its GPU; a command that holds for the reader, without its writer's folders. */
static void a_reader_can_repeat_it_elsewhere(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"device", "gpu", "mps"},
                                           {"device", "gpu", "time_sliced"}};
    cJSON *result = result_of(both, "gpu_sharing", 0);
    cJSON_AddItemToObject(result, "environment",
                          cJSON_Parse("{\"before\": {\"cpu\": {\"model\": \"Xeon\", \"cpu_count\": "
                                      "16}, \"gpu\": {\"name\": \"NVIDIA H200\"}}}"));
    cJSON_AddItemToObject(
        result, "run",
        cJSON_Parse("{\"seed\": 7, \"command\": [\"run\", \"/home/somebody/scenarios/a.json\", "
                    "\"--out\", \"/home/somebody/out\", \"--out=/home/x\", \"--quiet\", "
                    "\"--launches\", \"5\", \"--only\", \"wait=spin\"]}"));
    struct report *report;
    struct text line = {0}, command = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    page_machine_line(report, &line);
    assert_string_equal(text_get(&line), "Xeon · 16 CPUs · NVIDIA H200");
    page_command(report, &command);
    assert_string_equal(text_get(&command), "handoff run scenarios/a.json --launches 5 --only "
                                            "wait=spin --seed 7");
    text_free(&line);
    text_free(&command);
    report_free(report);
    cJSON_Delete(result);
}

static void gpu_set(cJSON *cell, int launch, const char *json)
{
    cJSON *one = cJSON_GetArrayItem(json_get(cell, "launches"), launch);
    cJSON_DeleteItemFromObject(one, "gpu");
    cJSON_AddItemToObject(one, "gpu", cJSON_Parse(json));
}

static void expect_costs(const cJSON *result, const char *sentence)
{
    struct report *report;
    struct text text = {0};
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    gpu_costs_add_sentence(&text, &report->blocks[0]);
    assert_string_equal(text.used_bytes ? text_get(&text) : "", sentence);
    report_free(report);
    text_free(&text);
}

/* What comes once per launch is in no figure: it is told apart, with what stamps may be off. */
static void what_comes_before_the_first_frame_is_told_apart(void **state)
{
    (void)state;
    static const struct gpu_axes both[] = {{"mapped", "copy", "time_sliced"},
                                           {"copy", "copy", "time_sliced"}};
    cJSON *result = result_of(both, "access", 0);
    expect_costs(result, "");
    gpu_set(cell_of(result, 0), 0,
            "{\"producer\": null, \"consumer\": {\"context_ns\": 198200000, \"registration_ns\": "
            "874000, \"clock_error_ns\": 1116}}");
    gpu_set(cell_of(result, 1), 3,
            "{\"producer\": {\"context_ns\": 223900000, \"registration_ns\": 0}, \"consumer\": "
            "{\"context_ns\": -7, \"registration_ns\": 4300000, \"clock_error_ns\": 1270}}");
    gpu_set(cell_of(result, 1), 4, "{\"producer\": {\"context_ns\": 1e300}, \"consumer\": \"x\"}");
    expect_costs(result, "Before the first frame, and in no figure: a role's CUDA context took "
                         "198–224 ms, registering its host memory 874 µs–4.30 ms. Stamps of the "
                         "GPU may be off by up to 1.27 µs on the roles' clock, and so may what "
                         "lies between one of them and one of a role: access, age, and with order "
                         "event latency.");
    expect_page(result, "registering its host memory 874", "no such words");
    for (int i = 0; i < 2; i++) /* of a failed cell nothing is told */
        cJSON_ReplaceItemInObject(cell_of(result, i), "status", cJSON_CreateString("failed"));
    expect_costs(result, "");
    cJSON_Delete(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_explained_where_there_are_any),
        cmocka_unit_test(axes_of_the_gpu_have_names),
        cmocka_unit_test(arrays_are_held_against_a_consumer_in_c),
        cmocka_unit_test(mps_is_advised_where_it_won),
        cmocka_unit_test(a_rate_that_latency_does_not_show_is_told),
        cmocka_unit_test(a_rate_that_is_lost_stands_beside_the_advice),
        cmocka_unit_test(a_multiple_below_one_is_explained),
        cmocka_unit_test(values_say_what_they_are_values_of),
        cmocka_unit_test(why_nothing_is_recommended),
        cmocka_unit_test(stages_make_up_the_latency),
        cmocka_unit_test(a_reader_can_repeat_it_elsewhere),
        cmocka_unit_test(what_comes_before_the_first_frame_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
