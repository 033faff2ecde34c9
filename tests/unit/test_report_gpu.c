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
#include "harness/report/model.h"
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

/* The lead, the notes and the block's heading of the first comparison. The caller frees. */
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
    conclusions_free(conclusions);
    report_free(report);
    return text.data;
}

static void expect(const struct gpu_axes *axes, const char *compare, double switch_ns,
                   const char *words, const char *not_words)
{
    cJSON *result = result_of(axes, compare, switch_ns);
    char *said = said_of(result);
    if (words && !strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
    if (not_words && strstr(said, not_words))
        fail_msg("\"%s\" is in: %s", not_words, said);
    free(said);
    cJSON_Delete(result);
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
    static const struct gpu_axes together[] = {{"device", "gpu", "mps"}, {"device", "copy", "mps"}};
    expect(together, "fill", 112000, NULL, "take turns");
    expect(both, "gpu_sharing", 112000,
           "a change from one to the other costs 112 µs on this machine (floor)", NULL);
    expect(both, "gpu_sharing", 112000,
           "what people take for scheduling overhead, and no wait strategy changes it; under MPS "
           "both run, as the figures show, at once",
           NULL);
    expect(both, "gpu_sharing", 0, "costs over 100 µs on a large GPU,", NULL);
    expect(sliced, "access", 112000, "under MPS both would run at once", NULL);
    expect(one_role, "access", 112000, NULL, "take turns");
    expect(cpu, "access", 112000, NULL, "take turns");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_explained_where_there_are_any),
        cmocka_unit_test(axes_of_the_gpu_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
