/* test_choice.c: which way of handing frames to a user's function is chosen, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/choice.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define ALONE_NS 15e6
#define MB 1000000.0

static const char *const no_compare[] = {""};

/* One way, as a row of a result: its p50 of latency over `launches`, which differ by `wobble`. */
struct way {
    const char *transport, *wait, *policy, *read;
    double latency_ns, wobble, cpu;
    int launches;
    double skipped, grows_by_bytes, torn, deadline_missed;
    const char *status; /* NULL: ok */
    const char *reason;
};

struct chosen {
    cJSON *json;
    struct report *report;
    struct choice choice;
    struct err err;
    enum status status;
};

static void interval_set(cJSON *intervals, const char *name, double p50_ns)
{
    cJSON *interval = cJSON_CreateObject();
    json_add_u64(interval, "count", 40);
    json_add_double(interval, "mean_ns", p50_ns);
    json_add_double(interval, "p50_ns", p50_ns);
    cJSON_DeleteItemFromObject(intervals, name);
    json_add(intervals, name, interval);
}

static void launch_finish(cJSON *launch, const struct way *way)
{
    static const char *const roles[] = {"producer", "consumer"};
    cJSON *usage = cJSON_CreateObject(), *detector = cJSON_CreateObject();
    cJSON *python = cJSON_CreateObject(), *consumer = cJSON_CreateObject();
    for (int i = 0; i < 2; i++) {
        cJSON *role = cJSON_CreateObject();
        json_add_double(role, "wall_ns", 1e9);
        json_add_double(role, "user_ns", way->cpu / 2 * 1e7);
        json_add_double(role, "system_ns", 0);
        json_add(usage, roles[i], role);
    }
    json_add(launch, "usage", usage);
    json_add_double(detector, "alone_p50_ns", ALONE_NS);
    json_add(consumer, "detector", detector);
    json_add_double(consumer, "rss_begin_bytes", 100 * MB);
    json_add_double(consumer, "rss_end_bytes", 100 * MB + 40 * way->grows_by_bytes);
    json_add(python, "consumer", consumer);
    json_add(launch, "python", python);
    interval_set(json_get(launch, "intervals"), "kernel", ALONE_NS * 1.04);
}

static void cell_finish(cJSON *cell, const struct way *way)
{
    cJSON *axes = json_get(cell, "axes"), *launch, *deadline = cJSON_CreateObject();
    double age_ns[FIXTURE_LAUNCHES_MAX];
    cJSON *launch_intervals[FIXTURE_LAUNCHES_MAX];
    int count = 0;
    cJSON_ReplaceItemInObject(axes, "kernel", cJSON_CreateString("detector"));
    json_add_string(axes, "policy", way->policy ? way->policy : "latest");
    json_add_string(axes, "read", way->read ? way->read : "view");
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        age_ns[count] = fmax(
            1, json_get_number(json_get(json_get(launch, "intervals"), "latency"), "p50_ns", 0) -
                   ALONE_NS);
        launch_intervals[count++] = json_get(launch, "intervals");
        launch_finish(launch, way);
    }
    fixture_interval(json_get(cell, "intervals"), launch_intervals, "age", age_ns, count);
    cJSON_DeleteItemFromObject(json_get(cell, "integrity"), "skipped");
    json_add_double(json_get(cell, "integrity"), "skipped", way->skipped);
    json_add_double(deadline, "deadline_ns", 1e9 / 30);
    json_add_double(deadline, "missed", way->deadline_missed);
    json_add_double(deadline, "frames", 400);
    json_add(cell, "deadline", deadline);
    if (way->status)
        cJSON_ReplaceItemInObject(cell, "status", cJSON_CreateString(way->status));
    json_add_string(cell, "reason", way->reason ? way->reason : "");
}

/* Numbers are as they are in a file: those that were added are text until they have been parsed. */
static void reread(struct chosen *chosen)
{
    char *text = cJSON_PrintUnformatted(chosen->json);
    cJSON_Delete(chosen->json);
    chosen->json = cJSON_Parse(text);
    cJSON_free(text);
}

static void choose(struct chosen *chosen, const struct way *ways, size_t count,
                   const struct choice_question *question)
{
    static const struct choice_question nothing_asked = {.deadline_ns = 0};
    struct fixture_cell cells[8];
    size_t i = 0;
    memset(chosen, 0, sizeof *chosen);
    for (; i < count; i++) {
        cells[i] = (struct fixture_cell){.transport = ways[i].transport,
                                         .wait = ways[i].wait,
                                         .frame = "640x480x3",
                                         .pacing = "rate:30",
                                         .torn = ways[i].torn};
        fixture_spread(&cells[i], ways[i].launches, ways[i].latency_ns, ways[i].wobble, 1);
    }
    chosen->json = fixture_result(cells, count, no_compare, 1);
    cJSON *cell;
    i = 0;
    cJSON_ArrayForEach (cell, json_get(chosen->json, "cells"))
        cell_finish(cell, &ways[i++]);
    reread(chosen);
    assert_int_equal(report_open(chosen->json, &chosen->report, &chosen->err), ST_OK);
    chosen->status = choice_make(chosen->report, question ? question : &nothing_asked,
                                 &chosen->choice, &chosen->err);
}

static void chosen_free(struct chosen *chosen)
{
    choice_free(&chosen->choice);
    report_free(chosen->report);
    cJSON_Delete(chosen->json);
}

static void assert_says(const struct text *text, const char *words)
{
    if (!strstr(text_get(text), words))
        fail_msg("\"%s\" is not in: %s", words, text_get(text));
}

static void assert_silent(const struct text *text, const char *words)
{
    if (strstr(text_get(text), words))
        fail_msg("\"%s\" is in: %s", words, text_get(text));
}

/* In any of the notes. */
static bool noted(const struct choice *choice, const char *words)
{
    for (size_t i = 0; i < choice->note_count; i++)
        if (strstr(text_get(&choice->notes[i]), words))
            return true;
    return false;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void a_clear_winner_is_chosen(void **unused)
{
    const struct way ways[] = {
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 55,
         .launches = 10},
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10},
        {.transport = "zmq_tcp",
         .wait = "block",
         .policy = "block",
         .latency_ns = 31e6,
         .wobble = 0.01,
         .cpu = 50,
         .launches = 10},
    };
    struct chosen chosen;
    choose(&chosen, ways, 3, NULL);
    assert_int_equal(chosen.status, ST_OK);
    assert_int_equal(chosen.choice.chosen, 1);
    assert_int_equal(chosen.choice.ways[0].state, CHOICE_SLOWER);
    assert_int_equal(chosen.choice.ways[2].state, CHOICE_SLOWER);
    assert_true(chosen.choice.alone_p50_ns == ALONE_NS);
    assert_says(&chosen.choice.verdict, "Use shm + futex: a frame is 464 µs (p50, 95 % interval");
    assert_says(&chosen.choice.verdict, "the quickest of the 3 that were compared");
    assert_says(&chosen.choice.verdict, "unix + block takes 16 % more");
    assert_says(&chosen.choice.verdict, "zmq_tcp + block takes 2.0 times as long");
    assert_silent(&chosen.choice.verdict, "tied");
    assert_silent(&chosen.choice.verdict, "Tied");
    assert_true(noted(&chosen.choice, "by itself takes 15.0 ms"));
    assert_true(noted(&chosen.choice, "Fed by shm + futex it takes 4.0 % more"));
    assert_true(noted(&chosen.choice, "; by itself it is called at once again and again, without"));
    assert_false(noted(&chosen.choice, "grows"));
    chosen_free(&chosen);
}

/* Whichever of two level ones is the quicker by a hair, the cheaper one is chosen. */
static void of_tied_ways_the_cheapest_is_chosen(void **unused)
{
    const double hair = random_below(2) ? 1.002 : 0.998;
    struct way ways[] = {
        {.transport = "shm",
         .wait = "spin",
         .latency_ns = 15.5e6 * hair,
         .wobble = 0.01,
         .cpu = 130,
         .launches = 10},
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 20,
         .launches = 10},
    };
    struct chosen chosen;
    choose(&chosen, ways, 3, NULL);
    assert_int_equal(chosen.choice.chosen, 1);
    assert_int_equal(chosen.choice.ways[0].state, CHOICE_TIED);
    assert_says(&chosen.choice.verdict, "Tied with it in that time, within 5 %: shm + spin (130 %");
    assert_says(&chosen.choice.verdict, "it takes the least CPU");
    assert_silent(&chosen.choice.verdict, "the quickest of");
    chosen_free(&chosen);
    /* As dear as each other, the first is the simplest, and both are said to be level. */
    ways[0].cpu = ways[1].cpu;
    choose(&chosen, ways, 3, NULL);
    assert_int_equal(chosen.choice.chosen, 0);
    assert_says(&chosen.choice.verdict, "Tied with it in that time, within 5 %: shm + futex");
    assert_says(&chosen.choice.verdict,
                "none of them is shown to take less CPU, and it is the simplest");
    assert_silent(&chosen.choice.verdict, "lowest median");
    chosen_free(&chosen);
    /* A simpler one that takes more is not among them. */
    ways[0].cpu = 200;
    ways[2].latency_ns = ways[1].latency_ns;
    ways[2].cpu = ways[1].cpu;
    choose(&chosen, ways, 3, NULL);
    assert_int_equal(chosen.choice.chosen, 1);
    assert_says(&chosen.choice.verdict, "the simplest of those that may take as little");
    chosen_free(&chosen);
}

static void too_few_launches_decide_nothing(void **unused)
{
    const struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 3},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 20,
         .launches = 3},
    };
    struct chosen chosen;
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.choice.chosen, 0);
    assert_int_equal(chosen.choice.ways[1].state, CHOICE_UNCLEAR);
    assert_says(&chosen.choice.verdict, "The data does not tell it apart from unix + block");
    assert_says(&chosen.choice.verdict,
                "3 launches of each are too few for a verdict (5 are needed)");
    assert_says(&chosen.choice.verdict, "range");
    assert_silent(&chosen.choice.verdict, "95 % interval");
    assert_silent(&chosen.choice.verdict, "the quickest of");
    chosen_free(&chosen);
}

/* What is not told apart is not called tied. A cheaper one that may well be slower is no reason to leave
 * the quickest; where the two are level as far as measured, it is, and the quickest is named. */
static void what_is_not_told_apart_is_not_called_tied(void **unused)
{
    struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.02,
         .cpu = 60,
         .launches = 10},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 17.4e6,
         .wobble = 0.25,
         .cpu = 20,
         .launches = 10},
    };
    struct chosen chosen;
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.choice.chosen, 0);
    assert_int_equal(chosen.choice.ways[1].state, CHOICE_UNCLEAR);
    assert_says(&chosen.choice.verdict, "The data does not tell it apart from unix + block");
    assert_says(&chosen.choice.verdict, "more launches (--launches) may tell");
    assert_silent(&chosen.choice.verdict, "Tied");
    assert_silent(&chosen.choice.verdict, "lowest median");
    chosen_free(&chosen);
    ways[1].latency_ns = 16.8e6;
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.choice.chosen, 1);
    assert_int_equal(chosen.choice.ways[0].state, CHOICE_UNCLEAR);
    assert_says(&chosen.choice.verdict, "shm + futex had the lowest median here");
    assert_silent(&chosen.choice.verdict, "Tied");
    chosen_free(&chosen);
}

static void cpu_above_the_bound_is_not_considered(void **unused)
{
    const struct way ways[] = {
        {.transport = "shm",
         .wait = "spin",
         .latency_ns = 15.2e6,
         .wobble = 0.01,
         .cpu = 160,
         .launches = 10},
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 17e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10},
    };
    struct choice_question question = {.cpu_percent = 100};
    struct chosen chosen;
    choose(&chosen, ways, 2, &question);
    assert_int_equal(chosen.choice.chosen, 1);
    assert_int_equal(chosen.choice.ways[0].state, CHOICE_OVER_CPU);
    assert_true(noted(&chosen.choice, "not considered: shm + spin (160 % of a CPU)"));
    chosen_free(&chosen);
    question.cpu_percent = 30;
    choose(&chosen, ways, 2, &question);
    assert_int_equal(chosen.status, ST_OK);
    assert_int_equal(chosen.choice.chosen, chosen.choice.count);
    assert_says(&chosen.choice.verdict,
                "None keeps within 30 % of a CPU: the least that one took is "
                "60 %");
    chosen_free(&chosen);
}

static void what_failed_is_not_chosen_and_says_why(void **unused)
{
    const struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 10e6,
         .wobble = 0.01,
         .cpu = 10,
         .launches = 10,
         .torn = 1},
        {.transport = "zmq_tcp",
         .wait = "block",
         .policy = "block",
         .latency_ns = 9e6,
         .wobble = 0.01,
         .cpu = 10,
         .launches = 10,
         .status = "unavailable",
         .reason = "python3 has no pyzmq"},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 20,
         .launches = 10},
    };
    struct chosen chosen;
    choose(&chosen, ways, 3, NULL);
    assert_int_equal(chosen.choice.chosen, 2);
    assert_int_equal(chosen.choice.ways[0].state, CHOICE_FAILED);
    assert_int_equal(chosen.choice.ways[1].state, CHOICE_NOT_RUN);
    assert_true(noted(&chosen.choice, "shm + futex failed: frames arrived damaged: 1 torn"));
    assert_true(noted(&chosen.choice, "zmq_tcp + block could not be tried: python3 has no pyzmq."));
    assert_silent(&chosen.choice.verdict, "quickest of");
    chosen_free(&chosen);
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.status, ST_OK);
    assert_int_equal(chosen.choice.chosen, chosen.choice.count);
    assert_says(&chosen.choice.verdict, "None of the ways can be chosen");
    chosen_free(&chosen);
}

/* A habit that happens to be the quickest is there for contrast only. */
static void a_habit_is_not_chosen(void **unused)
{
    const struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10},
        {.transport = "shm",
         .wait = "futex",
         .read = "slice",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10},
    };
    struct way quick[] = {ways[0], ways[1]};
    struct chosen chosen;
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.choice.chosen, 0);
    assert_int_equal(chosen.choice.ways[1].state, CHOICE_HABIT);
    assert_says(&chosen.choice.verdict, "no other way here that it could be compared with");
    assert_true(
        noted(&chosen.choice, "Reading by slice instead of a view copies the frame's 922 kB"));
    assert_true(noted(&chosen.choice, "it takes 16 % more"));
    chosen_free(&chosen);
    quick[1].latency_ns = 10e6;
    choose(&chosen, quick, 2, NULL);
    assert_int_equal(chosen.choice.chosen, 0);
    assert_false(noted(&chosen.choice, "does not tell it apart"));
    assert_true(noted(&chosen.choice, "it takes less here: 0.645 of what shm + futex takes (90 %"));
    chosen_free(&chosen);
}

static void a_leak_is_told(void **unused)
{
    struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 15.5e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10,
         .grows_by_bytes = 2 * MB},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 18e6,
         .wobble = 0.01,
         .cpu = 60,
         .launches = 10,
         .grows_by_bytes = 2.1 * MB},
    };
    struct chosen chosen;
    choose(&chosen, ways, 2, NULL);
    assert_int_equal(chosen.choice.leaked.launches, 20);
    assert_true(noted(&chosen.choice, "grows by 2.05 MB with each frame"));
    assert_true(noted(&chosen.choice, "221 GB in an hour"));
    chosen_free(&chosen);
    ways[0].grows_by_bytes = 300;
    ways[1].grows_by_bytes = -200;
    choose(&chosen, ways, 2, NULL);
    assert_false(noted(&chosen.choice, "grows"));
    chosen_free(&chosen);
}

/* Deadlines: as the run counted them, or off the responses where another one is asked about. */
static void misses_are_counted_against_the_deadline(void **unused)
{
    const struct way ways[] = {{.transport = "shm",
                                .wait = "futex",
                                .latency_ns = 15.5e6,
                                .wobble = 0.01,
                                .cpu = 60,
                                .launches = 10,
                                .deadline_missed = 7}};
    const struct choice_question other = {.deadline_ns = 12e6};
    struct chosen chosen;
    choose(&chosen, ways, 1, NULL);
    assert_true(chosen.choice.ways[0].misses == 7 && chosen.choice.ways[0].frames == 400);
    assert_true(fabs(chosen.choice.deadline_ns - 1e9 / 30) < 1);
    chosen_free(&chosen);
    choose(&chosen, ways, 1, &other);
    assert_true(chosen.choice.ways[0].misses < 0); /* the fixture's cells have no response */
    chosen_free(&chosen);
}

static void a_slow_detector_skips_frames(void **unused)
{
    struct way ways[] = {
        {.transport = "shm",
         .wait = "futex",
         .latency_ns = 62e6,
         .wobble = 0.01,
         .cpu = 95,
         .launches = 10,
         .skipped = 200},
        {.transport = "unix",
         .wait = "block",
         .policy = "block",
         .latency_ns = 200e6,
         .wobble = 0.01,
         .cpu = 95,
         .launches = 10},
    };
    struct chosen chosen;
    choose(&chosen, ways, 2, NULL);
    assert_false(noted(&chosen.choice, "cannot see every frame"));
    cJSON *cell, *launch;
    cJSON_ArrayForEach (cell, json_get(chosen.json, "cells"))
        cJSON_ArrayForEach (launch, json_get(cell, "launches"))
            cJSON_ReplaceItemInObject(
                json_get(json_get(json_get(launch, "python"), "consumer"), "detector"),
                "alone_p50_ns", cJSON_CreateNumber(60e6));
    choice_free(&chosen.choice);
    const struct choice_question question = {.deadline_ns = 0};
    assert_int_equal(choice_make(chosen.report, &question, &chosen.choice, &chosen.err), ST_OK);
    assert_true(noted(&chosen.choice, "takes 60.0 ms and a frame comes every 33.3 ms"));
    assert_true(noted(&chosen.choice, "the others are skipped, and count as missed"));
    assert_true(
        noted(&chosen.choice, "as with unix + block, they wait in line, and are 185 ms old"));
    chosen_free(&chosen);
}

/* What a stranger's result lacks is absent, and nothing is made up. */
static void a_result_without_figures_is_survived(void **unused)
{
    static const char *const members[] = {"launches", "intervals", "integrity", "deadline", "axes"};
    const struct way ways[] = {{.transport = "shm",
                                .wait = "futex",
                                .latency_ns = 15.5e6,
                                .wobble = 0.01,
                                .cpu = 60,
                                .launches = 10},
                               {.transport = "unix",
                                .wait = "block",
                                .policy = "block",
                                .latency_ns = 18e6,
                                .wobble = 0.01,
                                .cpu = 60,
                                .launches = 10}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct chosen chosen;
        choose(&chosen, ways, 2, NULL);
        choice_free(&chosen.choice);
        report_free(chosen.report);
        cJSON *cell;
        cJSON_ArrayForEach (cell, json_get(chosen.json, "cells"))
            cJSON_DeleteItemFromObject(cell, members[i]);
        assert_int_equal(report_open(chosen.json, &chosen.report, &chosen.err), ST_OK);
        const struct choice_question question = {.deadline_ns = 0};
        chosen.status = choice_make(chosen.report, &question, &chosen.choice, &chosen.err);
        assert_int_equal(chosen.status, strcmp(members[i], "axes") == 0 ? ST_INVALID : ST_OK);
        chosen_free(&chosen);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clear_winner_is_chosen),
        cmocka_unit_test(of_tied_ways_the_cheapest_is_chosen),
        cmocka_unit_test(too_few_launches_decide_nothing),
        cmocka_unit_test(what_is_not_told_apart_is_not_called_tied),
        cmocka_unit_test(cpu_above_the_bound_is_not_considered),
        cmocka_unit_test(what_failed_is_not_chosen_and_says_why),
        cmocka_unit_test(a_habit_is_not_chosen),
        cmocka_unit_test(a_leak_is_told),
        cmocka_unit_test(misses_are_counted_against_the_deadline),
        cmocka_unit_test(a_slow_detector_skips_frames),
        cmocka_unit_test(a_result_without_figures_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
