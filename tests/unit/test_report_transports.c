/* test_report_transports.c: many transports beside shared memory, said in one sentence: who is how
 * far behind, who is tied, what may not be compared; and the headlines for a message and an
 * image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/transports.h"
#include "tests/support/result_fixture.h"

#define MANY 7

static const char *const names[MANY] = {"shm", "memfd", "pipe", "unix", "tcp", "zmq_ipc", "dds"};
/* Of shm's latency. */
static const double ratios[MANY] = {1, 1.001, 2.5, 3.25, 12.4, 140, 1.8};

static void cells_make(struct fixture_cell *cells, const char *frame, const char *pacing, int block,
                       int launches, double shm_ns)
{
    for (int i = 0; i < MANY; i++) {
        cells[i] = (struct fixture_cell){.transport = names[i],
                                         .wait = "spin",
                                         .frame = frame,
                                         .pacing = pacing,
                                         .block = block,
                                         .cpu_percent = 50};
        fixture_spread(&cells[i], launches, shm_ns * ratios[i], 0.002, 1);
    }
}

/* The conclusions of a result, as one text: headlines first. The caller frees. */
static char *told(cJSON *result)
{
    struct report *report;
    struct conclusions *conclusions;
    struct err err = {0};
    struct text text = {0};
    if (report_open(result, &report, &err) != ST_OK ||
        conclusions_make(report, &conclusions, &err) != ST_OK)
        fail_msg("%s", err.what);
    for (size_t i = 0; i < conclusions->headline_count; i++)
        text_addf(&text, "HEADLINE %s\n", text_get(&conclusions->headlines[i]));
    for (size_t i = 0; i < conclusions->count; i++) {
        const struct conclusion *item = &conclusions->items[i];
        text_addf(&text, "LEAD %s\n", text_get(&item->lead));
        for (size_t j = 0; j < item->point_count; j++)
            text_addf(&text, "POINT %s\n", text_get(&item->points[j]));
        for (size_t j = 0; j < item->note_count; j++)
            text_addf(&text, "NOTE %s\n", text_get(&item->notes[j]));
    }
    conclusions_free(conclusions);
    report_free(report);
    cJSON_Delete(result);
    char *copy = strdup(text_get(&text));
    text_free(&text);
    return copy;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}
static void expect_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

static const char *const by_transport[] = {"transport", "transport", "transport"};

static void many_transports_are_one_sentence(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "pingpong", 0, 10, 400);
    char *text = told(fixture_result(cells, MANY, by_transport, 1));
    expect(text,
           "HEADLINE A message (88 bytes), from the producer's hands to a finished kernel, as a "
           "multiple of shm's 400 ns");
    expect(text, ": dds 1.8, pipe 2.5, unix 3.2, tcp 12, zmq_ipc 140; tied with it memfd 1.00.");
    expect(text, "POINT The others, as a multiple of shm's 400 ns");
    expect_not(text, "A whole image");
    expect_not(text, "too few");
    free(text);
}

static void few_launches_give_no_verdict(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "pingpong", 0, 3, 400);
    char *text = told(fixture_result(cells, MANY, by_transport, 1));
    expect(text, "3 launches of each: too few for verdicts, 5 are needed");
    expect_not(text, "tied");
    free(text);
}

static void few_transports_are_told_one_by_one(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "pingpong", 0, 10, 400);
    char *text = told(fixture_result(cells, 3, by_transport, 1));
    expect_not(text, "HEADLINE");
    expect_not(text, "The others");
    expect(text, "POINT pipe: ");
    free(text);
}

static void without_shm_there_is_nothing_to_be_a_multiple_of(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "pingpong", 0, 10, 400);
    char *text = told(fixture_result(cells + 1, MANY - 1, by_transport, 1));
    expect_not(text, "HEADLINE");
    free(text);
    cells[0].torn = 1; /* nor where its frames arrive damaged */
    text = told(fixture_result(cells, MANY, by_transport, 1));
    expect_not(text, "multiple of shm");
    free(text);
}

static void damaged_frames_are_not_compared(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "pingpong", 0, 10, 400);
    cells[4].torn = 2;
    char *text = told(fixture_result(cells, MANY, by_transport, 1));
    expect(text, "; not compared, since frames arrived damaged: tcp.");
    expect_not(text, "tcp 12");
    free(text);
}

static void the_image_of_a_headline_is_1080p_where_there_is_one(void **state)
{
    struct fixture_cell cells[3 * MANY];
    cells_make(cells, "3840x2160x3", "pingpong", 0, 10, 9e6);
    cells_make(cells + MANY, "1920x1080x3", "pingpong", 1, 10, 2e6);
    cells_make(cells + 2 * MANY, "800x600x3", "pingpong", 2, 10, 4e5);
    char *text = told(fixture_result(cells, 3 * MANY, by_transport, 3));
    expect(text, "HEADLINE A whole image (6.22 MB), from");
    expect(text, "multiple of shm's 2.00 ms");
    expect_not(text, "A message");
    free(text);
    for (int i = 0; i < MANY; i++)
        cells[MANY + i].frame = "640x480x3";
    text = told(fixture_result(cells, 3 * MANY, by_transport, 3));
    expect(text, "HEADLINE A whole image (24.9 MB), from");
    free(text);
}

static void a_headline_is_of_one_frame_in_flight(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "22x1x4", "max", 0, 10, 400);
    char *text = told(fixture_result(cells, MANY, by_transport, 1));
    expect_not(text, "HEADLINE");
    expect(text, "by the time that a frame takes: dds 1.8");
    free(text);
}

/* Who is level with shm, and why: by the copies that were counted. */
static void level_transports_are_explained_by_their_copies(void **state)
{
    struct fixture_cell cells[MANY];
    cells_make(cells, "1920x1080x3", "pingpong", 0, 10, 2e6);
    fixture_spread(&cells[3], 10, 2e6 * 0.8, 0.002, 1); /* unix, quicker than shm */
    cJSON *result = fixture_result(cells, MANY, by_transport, 1);
    for (int i = 0; i < MANY; i++) {
        cJSON *cell = cJSON_GetArrayItem(cJSON_GetObjectItem(result, "cells"), i);
        cJSON_AddNumberToObject(cell, "copies_per_frame", i < 2 ? 1 : 2);
        if (i >= 2)
            cJSON_AddStringToObject(cell, "copies", "send() and recv()");
    }
    char *text = told(result);
    expect(text, "NOTE Not behind shared memory: memfd. It hands a frame over memory too");
    expect(text, "Not behind either: unix (2 copies per frame), although it copies more");
    expect(text, "NOTE How often a frame's bytes are copied: shm 1; memfd 1; pipe 2 (send() and "
                 "recv()); ");
    expect(text, "; quicker than it unix 0.80.");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_transports_are_one_sentence),
        cmocka_unit_test(few_launches_give_no_verdict),
        cmocka_unit_test(few_transports_are_told_one_by_one),
        cmocka_unit_test(without_shm_there_is_nothing_to_be_a_multiple_of),
        cmocka_unit_test(damaged_frames_are_not_compared),
        cmocka_unit_test(the_image_of_a_headline_is_1080p_where_there_is_one),
        cmocka_unit_test(a_headline_is_of_one_frame_in_flight),
        cmocka_unit_test(level_transports_are_explained_by_their_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
