/* test_result.c: launches written, read back and assembled: what counts as failed, incomplete or
 * unavailable, what --resume may skip, and that damaged files spoil one cell only.
 *
 * That whole results are valid and their figures right is tested in tests/python.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/run/result.h"
#include "tests/support/random_input.h"

enum { FRAMES = 40, WARMUP = 4 };

static char dir[64];

static int make_dir(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/handoff-test-result-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static struct cell make_cell(const char *id)
{
    struct cell cell = {
        .transport = transport_find("shm"),
        .access = access_find("host"),
        .wait = wait_find("futex"),
        .kernel = kernel_find("checksum"),
        .geometry = {64, 48, 3},
        .pacing = PACING_RATE,
        .rate_hz = 60,
        .slots = 4,
        .policy = POLICY_BLOCK,
        .launches = 10,
    };
    snprintf(cell.id, sizeof cell.id, "%s", id);
    return cell;
}

/* A fold in which every latency is `latency_ns` and every response twice that. */
static struct fold *make_fold(int64_t latency_ns, uint64_t infinite)
{
    struct fold *fold = fold_new();
    hdr_record_count(fold->intervals[INTERVAL_latency], latency_ns, FRAMES - infinite);
    hdr_record_count(fold->intervals[INTERVAL_response], 2 * latency_ns, FRAMES - infinite);
    fold->infinite[INTERVAL_response] = infinite;
    fold->integrity = (struct fold_integrity){
        .frames = FRAMES + WARMUP, .checked = FRAMES + WARMUP - infinite, .skipped = infinite};
    fold->sent_frames = FRAMES;
    fold->finished_frames = FRAMES - infinite;
    fold->deadline_missed = infinite;
    fold->first_frame_ns = 5 * (uint64_t)latency_ns;
    fold->window_ns = 700000000;
    fold->frames_per_s = 60.0;
    fold->steady = true;
    return fold;
}

/* Another number of frames, of which `finished` arrived. */
static void fold_reset_counts(struct fold *fold, uint64_t frames, uint64_t finished)
{
    hdr_reset(fold->intervals[INTERVAL_latency]);
    hdr_record_count(fold->intervals[INTERVAL_latency], 1000, finished);
    fold->integrity = (struct fold_integrity){
        .frames = frames + WARMUP, .checked = finished + WARMUP, .skipped = frames - finished};
    fold->sent_frames = frames;
    fold->finished_frames = finished;
}

static struct launch_outcome make_outcome(uint32_t launch, const struct fold *fold)
{
    struct launch_outcome outcome = {
        .launch = launch,
        .order = 3 * launch,
        .status = ST_OK,
        .frames = FRAMES,
        .warmup = WARMUP,
        .deadline_ns = 16666667,
        .fold = fold,
        .producer = {.user_ns = 3000000,
                     .system_ns = 1000000,
                     .wall_ns = 40000000,
                     .voluntary_switches = 2 * FRAMES},
        .consumer = {.user_ns = 8000000, .wall_ns = 40000000, .minor_faults = 1},
        .system = {.busy_ns = 50000000, .wall_ns = 40000000, .cpus = 2},
        .producer_cpu = 0,
        .consumer_cpu = -1,
        .copies_per_frame = 1.0,
    };
    result_utc_now(outcome.started_utc);
    return outcome;
}

static void write_launch(const struct cell *cell, const struct launch_outcome *outcome)
{
    struct err err = {0};
    if (result_launch_write(dir, cell, outcome, &err) != ST_OK)
        fail_msg("%s", err.what);
}

static void write_good(const struct cell *cell, uint32_t launch, int64_t latency_ns)
{
    struct fold *fold = make_fold(latency_ns, 0);
    struct launch_outcome outcome = make_outcome(launch, fold);
    write_launch(cell, &outcome);
    fold_free(fold);
}

static bool assembled_on_counter;

/* Assembles one planned cell and hands out the whole result. */
static cJSON *assemble(const struct result_cell *planned, struct result_summary *summary)
{
    struct block block = {.name = "waits", .description = "", .compare = "wait"};
    struct scenario scenario = {
        .name = "test", .description = "", .path = "test.json", .blocks = &block, .block_count = 1};
    const char *warnings[] = {"2 CPUs"};
    const char *command[] = {"handoff", "run"};
    const struct clock_choice clock = {
        .candidates = {{.kind = CLOCK_KIND_MONOTONIC,
                        .name = "CLOCK_MONOTONIC",
                        .usable = true,
                        .measured = true,
                        .quality = {21.5, 1}},
                       {.kind = CLOCK_KIND_COUNTER,
                        .name = "TSC",
                        .usable = assembled_on_counter,
                        .reason = "it runs backwards",
                        .measured = assembled_on_counter,
                        .quality = {17.5, 0.5}}},
        .candidate_count = 2,
        .chosen = assembled_on_counter,
        .conversion_error_ppm = 0.75,
        .cpus_agree_ns = 60.5,
    };
    struct result_context context = {
        .scenario = &scenario,
        .started_utc = "2026-11-20T10:00:00Z",
        .ended_utc = "2026-11-20T10:00:01Z",
        .seed = 7,
        .wall_ns = 9007199254740991,
        .command = command,
        .command_count = 2,
        .clock = &clock,
        .warnings = warnings,
        .warning_count = 1,
        .cells = planned,
        .cell_count = 1,
    };
    struct err err = {0};
    cJSON *json = NULL;
    if (result_assemble(&context, dir, summary, &json, &err) != ST_OK)
        fail_msg("%s", err.what);
    return json;
}

static const cJSON *first_cell(const cJSON *result)
{
    return json_get(result, "cells")->child;
}

static const cJSON *find(const cJSON *json, const char *path)
{
    char copy[128];
    char *rest;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok_r(copy, ".", &rest); part && json; part = strtok_r(NULL, ".", &rest))
        json = json_get(json, part);
    if (!json)
        fail_msg("there is no %s", path);
    return json;
}

static double number(const cJSON *json, const char *path)
{
    const cJSON *found = find(json, path);
    assert_true(cJSON_IsNumber(found));
    return found->valuedouble;
}

/* ---- Assembling ------------------------------------------------------------------------------ */

static void test_good_launches_add_up(void **state)
{
    struct cell cell = make_cell("shm+futex/frame=64x48x3");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 10, .frames = FRAMES, .warmup = WARMUP};
    for (uint32_t i = 0; i < 10; i++)
        write_good(&cell, i, i % 2 ? 1000 : 1600);
    struct result_summary summary;
    cJSON *result = assemble(&planned, &summary);
    const cJSON *json = first_cell(result);
    assert_int_equal(summary.cells_ok, 1);
    assert_true(json_get_bool(json_get(result, "run"), "complete", false));
    assert_true(number(result, "run.wall_ns") == 9007199254740991.0);
    assert_string_equal(json_get_string(json, "status", ""), "ok");
    assert_string_equal(json_get_string(json, "reason", "?"), "");
    assert_string_equal(json_get_string(json_get(json, "axes"), "wait", ""), "futex");
    assert_true(number(json, "payload_bytes") == 64 * 48 * 3);
    assert_true(number(json, "intervals.latency.count") == 10 * FRAMES);
    /* sqrt(1000 * 1600) = 1265; ln 1.6 / 2 * sqrt(10 / 9) / sqrt(10) * 2.262 = 0.1772. */
    assert_true(number(json, "intervals.latency.quantiles.p50.value_ns") == 1265);
    assert_true(fabs(number(json, "intervals.latency.quantiles.p50.low_ns") - 1059.5) < 1.0);
    assert_true(fabs(number(json, "intervals.latency.quantiles.p50.high_ns") - 1510.1) < 1.0);
    assert_string_equal(find(json, "intervals.latency.quantiles.p50.spread")->valuestring, "ci95");
    assert_true(cJSON_IsNull(find(json, "intervals.latency.quantiles.p99.value_ns")));
    assert_string_equal(find(json, "intervals.latency.quantiles.p99.spread")->valuestring, "none");
    assert_null(json_get(json_get(json, "intervals"), "handoff"));
    assert_true(fabs(number(json, "throughput.frames_per_s.value") - 60.0) < 1e-9);
    assert_true(fabs(number(json, "throughput.payload_bytes_per_s.low") - 60.0 * 9216) < 1e-6);
    assert_true(fabs(number(json, "cpu.producer.percent.value") - 10.0) < 1e-9);
    assert_true(fabs(number(json, "cpu.producer.ns_per_frame.value") - 100000.0) < 1e-6);
    assert_true(fabs(number(json, "cpu.consumer.percent.value") - 20.0) < 1e-9);
    assert_true(fabs(number(json, "cpu.system.percent.value") - 125.0) < 1e-9);
    assert_true(number(json, "switches.producer.voluntary_per_frame") == 2.0);
    assert_true(number(json, "page_faults.consumer") == 10);
    assert_true(number(json, "integrity.frames") == 10 * (FRAMES + WARMUP));
    assert_string_equal(json_get_string(json_get(json, "integrity"), "method", ""), "checksum");
    assert_true(number(json, "deadline.frames") == 10 * FRAMES);
    assert_int_equal(cJSON_GetArraySize(json_get(json, "launches")), 10);
    assert_int_equal(cJSON_GetArraySize(find(json, "first_frame.latency_ns")), 10);
    assert_string_equal(json_get(json, "flags")->child->valuestring, "page_faults");
    assert_true(number(json_get(json, "roles")->child, "cpu") == 0);
    assert_true(cJSON_IsNull(json_get(json_get(json, "roles")->child->next, "cpu")));
    cJSON_Delete(result);
}

/* Launch k less launch k: what the machine did beside them cancels, and may come out below 0. */
static void test_baselines_are_subtracted_launch_by_launch(void **state)
{
    struct cell cell = make_cell("shm+futex");
    struct cell baseline = make_cell("null+poll:50000/baseline=b");
    baseline.is_baseline = true;
    struct result_cell planned = {.cell = &cell,
                                  .launches_planned = 11,
                                  .frames = FRAMES,
                                  .warmup = WARMUP,
                                  .baseline = &baseline};
    for (uint32_t i = 0; i < 11; i++) {
        struct fold *fold = make_fold(1000, 0);
        struct launch_outcome outcome = make_outcome(i, fold);
        uint64_t noise_ns = random_below(30000000);
        /* 10 % less than the baseline in the even launches, 5 % less in the odd ones. */
        outcome.system.busy_ns = 1000000 + noise_ns;
        write_launch(&cell, &outcome);
        outcome.system.busy_ns += i % 2 ? 2000000 : 4000000;
        /* One baseline failed: its launch has no partner. */
        outcome.status = i == 10 ? ST_ROLE_DIED : ST_OK;
        write_launch(&baseline, &outcome);
        fold_free(fold);
    }
    cJSON *result = assemble(&planned, NULL);
    const cJSON *json = first_cell(result);
    assert_null(json_get(json, "baseline"));
    assert_true(fabs(number(json, "cpu.system_less_null.percent.value") + 7.5) < 1e-9);
    /* sqrt(10 / 9) * 2.5 / sqrt(10) * t(0.975, 9) = 1.885 */
    assert_true(fabs(number(json, "cpu.system_less_null.percent.low") + 9.385) < 0.001);
    assert_true(fabs(number(json, "cpu.system_less_null.percent.high") + 5.615) < 0.001);
    assert_true(number(json, "cpu.system_less_null.percent.launches") == 10);
    assert_string_equal(find(json, "cpu.system_less_null.baseline")->valuestring, baseline.id);
    cJSON_Delete(result);
    planned.cell = &baseline;
    planned.baseline = NULL;
    result = assemble(&planned, NULL);
    assert_true(cJSON_IsTrue(find(first_cell(result), "baseline")));
    assert_null(json_get(find(first_cell(result), "cpu"), "system_less_null"));
    cJSON_Delete(result);
}

/* ---- Searches -------------------------------------------------------------------------------- */

static struct search make_search(const struct cell *cell)
{
    struct search search = search_of_cell(cell);
    search.rate_hz = 1234.5678901234567;
    search.step_count = 3;
    search.steps[0] = (struct search_step){.rate_hz = 100, .p99_ns = 90000};
    search.steps[1] = (struct search_step){
        .rate_hz = 5000, .p99_ns = INFINITY, .dropped = 3, .verdict = SEARCH_MISSED};
    search.steps[2] = (struct search_step){.rate_hz = search.rate_hz, .p99_ns = 99999};
    return search;
}

static void test_a_search_is_whole_or_repeated(void **state)
{
    struct cell cell = make_cell("search");
    cell.pacing = PACING_SEARCH;
    cell.search.response_p99_ns = 100000;
    cell.search.low_hz = 100;
    cell.search.high_hz = 5000;
    struct fold *fold = make_fold(1000, 0);
    struct launch_outcome outcome = make_outcome(0, fold);
    for (int change = 0; change < 9; change++) {
        struct search search = make_search(&cell);
        outcome.search = change == 8 ? NULL : &search;
        if (change == 1)
            search.bound_ns++;
        if (change == 2)
            search.rate_hz = 100;
        if (change == 3)
            search.step_count = 0;
        if (change == 4)
            search.steps[1].rate_hz = 5001;
        if (change == 5)
            search.steps[2].p99_ns = 100001;
        if (change == 6)
            search.steps[2].dropped = 1;
        if (change == 7)
            search.steps[0].verdict = search.steps[2].verdict = SEARCH_MISSED;
        write_launch(&cell, &outcome);
        bool exists = result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, NULL);
        if (exists != (change == 0))
            fail_msg("change %d: %s", change, exists ? "accepted" : "refused");
        struct result_cell planned = {
            .cell = &cell, .launches_planned = 1, .frames = FRAMES, .warmup = WARMUP};
        cJSON *result = assemble(&planned, NULL);
        const cJSON *json = first_cell(result);
        assert_string_equal(json_get_string(json, "status", ""), change == 0 ? "ok" : "failed");
        if (change == 0) {
            const cJSON *row = json_get(json, "launches")->child;
            assert_true(number(row, "search.rate_hz") == 1234.5678901234567);
            assert_true(number(row, "search.bound_ns") == 100000);
            const cJSON *step = find(row, "search.steps")->child->next;
            assert_string_equal(json_get_string(step, "p99_ns", ""), "inf");
            assert_true(number(step, "dropped") == 3);
            assert_true(cJSON_IsFalse(json_get(step, "passed")));
        } else {
            assert_non_null(strstr(json_get_string(json, "reason", ""), "no whole search"));
        }
        cJSON_Delete(result);
    }
    /* A failed launch has none that passed, and that is whole too. */
    struct search none = search_of_cell(&cell);
    none.step_count = 1;
    none.steps[0] =
        (struct search_step){.rate_hz = 100, .p99_ns = 900000, .verdict = SEARCH_MISSED};
    outcome.search = &none;
    outcome.status = ST_UNAVAILABLE;
    enum status ended = ST_OK;
    write_launch(&cell, &outcome);
    assert_true(result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, &ended));
    assert_int_equal(ended, ST_UNAVAILABLE);
    fold_free(fold);
}

static void test_infinite_responses_show(void **state)
{
    struct cell cell = make_cell("latest");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 3, .frames = FRAMES, .warmup = WARMUP};
    for (uint32_t i = 0; i < 3; i++) {
        struct fold *fold = make_fold(1000, i == 1 ? FRAMES * 3 / 4 : 2);
        struct launch_outcome outcome = make_outcome(i, fold);
        write_launch(&cell, &outcome);
        fold_free(fold);
    }
    cJSON *result = assemble(&planned, NULL);
    const cJSON *json = first_cell(result);
    assert_string_equal(json_get_string(json, "status", ""), "ok");
    assert_string_equal(find(json, "intervals.response.quantiles.p50.value_ns")->valuestring,
                        "inf");
    assert_true(number(json, "intervals.response.quantiles.p50.low_ns") == 2000);
    assert_true(number(json, "intervals.response.infinite") == 34);
    assert_true(number(json, "deadline.missed") == 34);
    assert_true(number(json, "deadline.frames") == 3 * FRAMES);
    const cJSON *launch = json_get(json, "launches")->child->next;
    assert_string_equal(find(launch, "intervals.response.p50_ns")->valuestring, "inf");
    assert_true(number(launch, "frames") == FRAMES / 4);
    cJSON_Delete(result);
}

/* Three launches of `planned` frames; in the last one only `last` of them arrived. */
static cJSON *assemble_uneven(uint64_t planned_frames, uint64_t last)
{
    struct cell cell = make_cell("uneven");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 3, .frames = (uint32_t)planned_frames, .warmup = WARMUP};
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t count = i == 2 ? last : planned_frames;
        struct fold *fold = make_fold(1000, 0);
        fold_reset_counts(fold, planned_frames, count);
        struct launch_outcome outcome = make_outcome(i, fold);
        outcome.frames = (uint32_t)planned_frames;
        write_launch(&cell, &outcome);
        fold_free(fold);
    }
    return assemble(&planned, NULL);
}

/* The launches that happen to have frames enough for a quantile are a selection. */
static void test_a_quantile_is_of_every_launch_or_none(void **state)
{
    const int least = 368; /* p99's */
    cJSON *result = assemble_uneven(least, least);
    assert_true(number(first_cell(result), "intervals.latency.quantiles.p99.value_ns") > 0);
    cJSON_Delete(result);
    result = assemble_uneven(least, least - 1);
    const cJSON *json = first_cell(result);
    assert_string_equal(json_get_string(json, "status", ""), "ok");
    assert_true(cJSON_IsNull(find(json, "intervals.latency.quantiles.p99.value_ns")));
    assert_true(number(json, "intervals.latency.quantiles.p50.value_ns") > 0);
    /* What each launch saw is still there. */
    assert_true(number(json, "intervals.latency.count") == 3 * least - 1);
    cJSON_Delete(result);
}

/* Across two hosts: the launches whose clocks could tell a time are those in which it was long. */
static void test_a_time_that_one_launch_withholds_is_not_the_cells(void **state)
{
    struct cell cell = make_cell("tcp+block/peer");
    const struct result_cell planned = {
        .cell = &cell, .launches_planned = 3, .frames = FRAMES, .warmup = WARMUP};
    const struct peer_clock_reading reading = {
        .at_ns = 1000, .offset_ns = -7, .uncertainty_ns = 60, .count = 20};
    for (uint32_t i = 0; i < 3; i++) {
        struct fold *fold = make_fold(2000, 0);
        struct launch_outcome outcome = make_outcome(i, fold);
        outcome.peer =
            (struct peer_launch){.used = true, .clock = {.before = reading, .after = reading}};
        if (i == 1) {
            hdr_reset(fold->intervals[INTERVAL_latency]);
            outcome.peer.withheld[outcome.peer.withheld_count].interval = "latency";
            outcome.peer.withheld[outcome.peer.withheld_count++].p50_ns = 1000;
        }
        write_launch(&cell, &outcome);
        fold_free(fold);
    }
    struct result_summary summary;
    cJSON *result = assemble(&planned, &summary);
    const cJSON *json = first_cell(result);
    assert_string_equal(json_get_string(json, "status", ""), "ok");
    assert_null(json_get(json_get(json, "intervals"), "latency"));
    assert_true(number(json, "intervals.response.quantiles.p50.value_ns") > 0);
    const cJSON *launch = json_get(json, "launches")->child;
    assert_true(number(launch, "intervals.latency.p50_ns") > 0);
    assert_true(number(launch, "peer.uncertainty_ns") == 60);
    assert_string_equal(
        json_get_string(json_get(json_get(launch->next, "peer"), "withheld")->child, "reason", ""),
        "the clocks agree only to within 0.06 µs, latency is 1 µs");
    cJSON_Delete(result);
}

/* Which clock, what it costs, what was wrong with the other: null is what was not measured. */
static void test_the_clock_is_told(void **state)
{
    struct cell cell = make_cell("shm+futex/frame=64x48x3");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 1, .frames = FRAMES, .warmup = WARMUP};
    write_good(&cell, 0, 1000);
    for (int counter = 0; counter < 2; counter++) {
        assembled_on_counter = counter;
        cJSON *result = assemble(&planned, NULL);
        const cJSON *clock = find(result, "run.clock");
        const cJSON *candidates = json_get(clock, "candidates");
        assert_string_equal(json_get_string(clock, "name", ""),
                            counter ? "TSC" : "CLOCK_MONOTONIC");
        assert_true(number(clock, "read_ns") == (counter ? 17.5 : 21.5));
        assert_true(number(clock, "tick_ns") == (counter ? 0.5 : 1));
        if (counter) {
            assert_true(number(clock, "conversion_error_ppm") == 0.75);
            assert_true(number(clock, "cpus_agree_ns") == 60.5);
        } else {
            assert_true(cJSON_IsNull(find(clock, "conversion_error_ppm")));
            assert_true(cJSON_IsNull(find(clock, "cpus_agree_ns")));
        }
        assert_int_equal(cJSON_GetArraySize(candidates), 2);
        const cJSON *tsc = cJSON_GetArrayItem(candidates, 1);
        assert_string_equal(json_get_string(tsc, "reason", ""), "it runs backwards");
        assert_int_equal(json_get_bool(tsc, "usable", !counter), counter);
        assert_int_equal(cJSON_IsNull(find(tsc, "read_ns")), !counter);
        cJSON_Delete(result);
    }
    assembled_on_counter = false;
}

/* The few frames that were waited for do not speak for the many that were not. */
static void test_handoff_wants_half_of_the_frames(void **state)
{
    for (uint64_t more = 0; more < 2; more++) {
        struct cell cell = make_cell(more ? "backlog" : "waited");
        struct result_cell planned = {
            .cell = &cell, .launches_planned = 3, .frames = FRAMES, .warmup = WARMUP};
        for (uint32_t i = 0; i < 3; i++) {
            /* Half of all frames over the launches together; then one more. */
            uint64_t backlog = FRAMES / 2 + i - 1 + (i == 2 ? more : 0);
            struct fold *fold = make_fold(1000, 0);
            hdr_record_count(fold->intervals[INTERVAL_handoff], 300, FRAMES - backlog);
            fold->backlog_frames = backlog;
            struct launch_outcome outcome = make_outcome(i, fold);
            write_launch(&cell, &outcome);
            fold_free(fold);
        }
        cJSON *result = assemble(&planned, NULL);
        const cJSON *json = first_cell(result);
        assert_string_equal(json_get_string(json, "status", ""), "ok");
        assert_true(number(json, "intervals.handoff.count") == 3 * FRAMES / 2 - (int)more);
        const cJSON *p50 = find(json, "intervals.handoff.quantiles.p50.value_ns");
        assert_true(more ? cJSON_IsNull(p50) : p50->valuedouble > 0);
        assert_true(number(json, "intervals.latency.quantiles.p50.value_ns") > 0);
        cJSON_Delete(result);
    }
}

/* ---- What went wrong ------------------------------------------------------------------------- */

static void test_one_torn_frame_fails_the_cell(void **state)
{
    struct cell cell = make_cell("torn");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 3, .frames = FRAMES, .warmup = WARMUP};
    enum status status = ST_OK;
    struct fold *fold = make_fold(1000, 0);
    fold->integrity.torn = 1;
    struct launch_outcome outcome = make_outcome(1, fold);
    write_good(&cell, 0, 1000);
    write_launch(&cell, &outcome); /* its own status says ok */
    write_good(&cell, 2, 1000);
    fold_free(fold);
    assert_true(result_launch_exists(dir, &cell, 1, FRAMES, WARMUP, &status));
    assert_int_equal(status, ST_CORRUPT);
    struct result_summary summary;
    cJSON *result = assemble(&planned, &summary);
    const cJSON *json = first_cell(result);
    assert_int_equal(summary.cells_failed, 1);
    assert_string_equal(json_get_string(json, "status", ""), "failed");
    assert_non_null(
        strstr(json_get_string(json, "reason", ""), "launch 2: of 44 frames 1 were torn"));
    assert_true(number(json, "launches_ok") == 2 && number(json, "launches_failed") == 1);
    assert_true(number(json, "integrity.torn") == 1);
    assert_true(number(json, "intervals.latency.count") == 2 * FRAMES);
    cJSON_Delete(result);
}

static void test_the_first_failure_in_time_is_the_reason(void **state)
{
    struct cell cell = make_cell("died");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 3, .frames = FRAMES, .warmup = WARMUP};
    for (uint32_t i = 0; i < 3; i++) {
        struct launch_outcome outcome = make_outcome(i, NULL);
        outcome.order = (const uint32_t[]){5, 2, 9}[i];
        outcome.status = ST_ROLE_DIED;
        snprintf(outcome.reason, sizeof outcome.reason, "the consumer was killed, part %u", i);
        snprintf(outcome.hint, sizeof outcome.hint, "look at it %u", i);
        outcome.producer = (struct usage){0};
        write_launch(&cell, &outcome);
    }
    cJSON *result = assemble(&planned, NULL);
    const cJSON *json = first_cell(result);
    assert_string_equal(json_get_string(json, "reason", ""),
                        "launch 2: the consumer was killed, part 1");
    assert_string_equal(json_get_string(json, "hint", ""), "look at it 1");
    assert_int_equal(cJSON_GetArraySize(json_get(json, "intervals")), 0);
    assert_true(cJSON_IsNull(find(json, "throughput.frames_per_s.value")));
    assert_true(cJSON_IsNull(find(json, "switches.producer.voluntary_per_frame")));
    enum status status;
    assert_true(result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, &status));
    assert_int_equal(status, ST_ROLE_DIED);
    cJSON_Delete(result);
}

static void test_cells_that_did_not_run_say_why(void **state)
{
    struct cell cell = make_cell("not-here");
    struct result_cell planned = {.cell = &cell, .launches_planned = 4, .frames = FRAMES};
    struct result_summary summary;
    cell.runnable = ST_UNAVAILABLE;
    snprintf(cell.reason, sizeof cell.reason, "no such device");
    cJSON *result = assemble(&planned, &summary);
    assert_string_equal(json_get_string(first_cell(result), "status", ""), "unavailable");
    assert_string_equal(json_get_string(first_cell(result), "reason", ""), "no such device");
    assert_int_equal(summary.cells_not_run, 1);
    cJSON_Delete(result);
    cell.runnable = ST_NOT_APPLICABLE;
    result = assemble(&planned, &summary);
    assert_string_equal(json_get_string(first_cell(result), "status", ""), "not_applicable");
    cJSON_Delete(result);
    cell.runnable = ST_OK;
    write_good(&cell, 1, 1000);
    result = assemble(&planned, &summary);
    assert_string_equal(json_get_string(first_cell(result), "status", ""), "incomplete");
    assert_string_equal(json_get_string(first_cell(result), "reason", ""),
                        "1 of 4 launches were run");
    assert_false(json_get_bool(json_get(result, "run"), "complete", true));
    assert_int_equal(summary.cells_incomplete, 1);
    cJSON_Delete(result);
    snprintf(planned.failure, sizeof planned.failure, "the pilot died");
    result = assemble(&planned, &summary);
    assert_string_equal(json_get_string(first_cell(result), "status", ""), "failed");
    assert_string_equal(json_get_string(first_cell(result), "reason", ""), "the pilot died");
    cJSON_Delete(result);
}

/* The path of the only launch file there is. */
static void only_launch_file(char path[512])
{
    char folder[128];
    snprintf(folder, sizeof folder, "%s/launches", dir);
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(open_folder));)
        if (entry->d_name[0] != '.' && ++found)
            snprintf(path, 512, "%s/%s", folder, entry->d_name);
    closedir(open_folder);
    assert_int_equal(found, 1);
}

static void write_text(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
}

static void test_damaged_launch_files_fail_their_cell_only(void **state)
{
    struct cell cell = make_cell("damaged");
    struct result_cell planned = {
        .cell = &cell, .launches_planned = 1, .frames = FRAMES, .warmup = WARMUP};
    char path[512];
    static char text[1 << 16];
    write_good(&cell, 0, 1000);
    only_launch_file(path);
    FILE *file = fopen(path, "r");
    size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    for (int round = 0; round < 120; round++) {
        static char broken[1 << 16];
        memcpy(broken, text, bytes);
        size_t kept = round % 3 ? bytes : (size_t)random_below(bytes);
        for (uint64_t hits = 1 + random_below(8); round % 3 && hits > 0; hits--)
            broken[random_below(bytes)] = (char)(' ' + random_below(95));
        write_text(path, broken, kept);
        struct result_summary summary;
        cJSON *result = assemble(&planned, &summary);
        assert_int_equal(summary.cells_ok + summary.cells_failed, 1);
        if (summary.cells_failed)
            assert_true(json_get_string(first_cell(result), "reason", "")[0] != 0);
        if (round % 3 == 0 && kept + 1 < bytes)
            assert_false(result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, NULL));
        cJSON_Delete(result);
    }
    /* Of another cell: a name that happens to be the same is not enough. */
    char *id = strstr(text, "damaged");
    memcpy(id, "demaged", 7);
    write_text(path, text, bytes);
    assert_false(result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, NULL));
}

/* ---- Resuming and loading -------------------------------------------------------------------- */

static void test_resume_takes_only_the_same_launch(void **state)
{
    struct cell cell = make_cell("resume");
    struct cell other = make_cell("resume2");
    enum status status = ST_SYSTEM;
    assert_false(result_launch_exists(dir, &cell, 0, FRAMES, WARMUP, &status));
    write_good(&cell, 5, 1000);
    assert_true(result_launch_exists(dir, &cell, 5, FRAMES, WARMUP, &status));
    assert_int_equal(status, ST_OK);
    assert_false(result_launch_exists(dir, &cell, 4, FRAMES, WARMUP, NULL));
    assert_false(result_launch_exists(dir, &cell, 5, FRAMES + 1, WARMUP, NULL));
    assert_false(result_launch_exists(dir, &cell, 5, FRAMES, WARMUP + 1, NULL));
    assert_false(result_launch_exists(dir, &other, 5, FRAMES, WARMUP, NULL));
}

static void test_only_results_are_loaded(void **state)
{
    struct err err = {0};
    cJSON *json = NULL;
    char path[128];
    assert_int_equal(result_load(dir, &json, &err), ST_SYSTEM);
    assert_non_null(strstr(err.hint, "or the run's folder"));
    snprintf(path, sizeof path, "%s/plan.json", dir);
    write_text(path, "{}", 2);
    assert_int_equal(result_load(dir, &json, &err), ST_SYSTEM);
    assert_non_null(strstr(err.what, "/result.json: cannot be opened: No such file"));
    assert_non_null(strstr(err.hint, "--resume"));
    snprintf(path, sizeof path, "%s/result.json", dir);
    static const struct {
        const char *text;
        const char *cause;
    } bad[] = {
        {"{", "not valid JSON"},
        {"[]", "not a result of handoff"},
        {"{\"schema\": \"handoff-result\", \"schema_version\": 1}", "not a result of handoff"},
        {"{\"schema\": \"handoff-result\", \"schema_version\": 2, \"cells\": []}",
         "schema version 2"},
        {"{\"schema\": \"handoff-result\", \"cells\": []}", "schema version 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(path, bad[i].text, strlen(bad[i].text));
        assert_int_equal(result_load(dir, &json, &err), ST_INVALID);
        assert_null(json);
        assert_non_null(strstr(err.what, bad[i].cause));
    }
    const char *good = "{\"schema\": \"handoff-result\", \"schema_version\": 1, \"cells\": []}";
    write_text(path, good, strlen(good));
    assert_int_equal(result_load(path, &json, &err), ST_OK);
    cJSON_Delete(json);
}

#define RESULT_TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        RESULT_TEST(test_good_launches_add_up),
        RESULT_TEST(test_baselines_are_subtracted_launch_by_launch),
        RESULT_TEST(test_a_search_is_whole_or_repeated),
        RESULT_TEST(test_infinite_responses_show),
        RESULT_TEST(test_a_quantile_is_of_every_launch_or_none),
        RESULT_TEST(test_a_time_that_one_launch_withholds_is_not_the_cells),
        RESULT_TEST(test_the_clock_is_told),
        RESULT_TEST(test_handoff_wants_half_of_the_frames),
        RESULT_TEST(test_one_torn_frame_fails_the_cell),
        RESULT_TEST(test_the_first_failure_in_time_is_the_reason),
        RESULT_TEST(test_cells_that_did_not_run_say_why),
        RESULT_TEST(test_damaged_launch_files_fail_their_cell_only),
        RESULT_TEST(test_resume_takes_only_the_same_launch),
        RESULT_TEST(test_only_results_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
