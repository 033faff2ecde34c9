/* test_plan.c: placement of roles, the order of launches, what --resume accepts, and the messages
 * between runner and roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/run/placement.h"
#include "harness/run/plan.h"
#include "harness/run/role.h"
#include "tests/support/random_input.h"

/* ---- placement ---- */

/* CPUs as {cpu, cluster, core, capacity}. */
static struct topology *plan_topology(const uint32_t (*cpus)[4], uint32_t count)
{
    struct topology *topology = calloc(1, sizeof *topology);
    assert_non_null(topology);
    topology->count = count;
    for (uint32_t i = 0; i < count; i++) {
        topology->cpus[i] = (struct topology_cpu){cpus[i][0], cpus[i][1], cpus[i][2], cpus[i][3]};
        if (cpus[i][1] + 1 > topology->cluster_count)
            topology->cluster_count = cpus[i][1] + 1;
    }
    return topology;
}

static enum status plan_pick(const struct topology *topology, enum placement placement,
                             struct placement_cpus *cpus)
{
    struct err err;
    struct cell cell = {.placement = placement, .producer_cpu = 1, .consumer_cpu = 3};
    return placement_pick(topology, &cell, cpus, &err);
}

static void auto_takes_two_cores_of_the_fastest_cluster(void **state)
{
    static const uint32_t big_little[][4] = {
        {0, 0, 0, 400}, {1, 0, 1, 400}, {2, 1, 2, 1024}, {3, 1, 3, 1024}};
    static const uint32_t smt[][4] = {
        {0, 0, 0, 0}, {1, 0, 1, 0}, {2, 0, 2, 0}, {8, 0, 0, 0}, {9, 0, 1, 0}};
    static const uint32_t pair[][4] = {{0, 0, 0, 0}, {1, 0, 1, 0}};
    struct placement_cpus cpus;
    struct topology *topology = plan_topology(big_little, 4);
    assert_int_equal(plan_pick(topology, PLACEMENT_AUTO, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 2);
    assert_int_equal(cpus.consumer, 3);
    assert_int_equal(plan_pick(topology, PLACEMENT_CROSS_CLUSTER, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 0);
    assert_int_equal(cpus.consumer, 2);
    assert_int_equal(plan_pick(topology, PLACEMENT_CPUS, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 1);
    assert_int_equal(cpus.consumer, 3);
    free(topology);
    /* CPU 0 is spared where there are enough, and siblings of one core are not two cores. */
    topology = plan_topology(smt, 5);
    assert_int_equal(plan_pick(topology, PLACEMENT_AUTO, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 1);
    assert_int_equal(cpus.consumer, 2);
    free(topology);
    topology = plan_topology(pair, 2);
    assert_int_equal(plan_pick(topology, PLACEMENT_AUTO, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 0);
    assert_int_equal(cpus.consumer, 1);
    free(topology);
}

static void one_cpu_runs_and_the_rest_says_what_is_missing(void **state)
{
    static const uint32_t one[][4] = {{5, 0, 5, 0}};
    struct placement_cpus cpus = {7, 7};
    struct topology *topology = plan_topology(one, 1);
    assert_int_equal(plan_pick(topology, PLACEMENT_SAME_CLUSTER, &cpus), ST_UNAVAILABLE);
    assert_int_equal(plan_pick(topology, PLACEMENT_CROSS_CLUSTER, &cpus), ST_UNAVAILABLE);
    assert_int_equal(plan_pick(topology, PLACEMENT_CPUS, &cpus), ST_UNAVAILABLE);
    assert_int_equal(cpus.producer, 7);
    assert_int_equal(plan_pick(topology, PLACEMENT_AUTO, &cpus), ST_OK);
    assert_int_equal(cpus.producer, 5);
    assert_int_equal(cpus.consumer, 5);
    assert_int_equal(plan_pick(topology, PLACEMENT_NONE, &cpus), ST_OK);
    assert_int_equal(cpus.producer, -1);
    free(topology);
}

/* ---- plan ---- */

static const char plan_scenario_text[] =
    "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"compare\":\"wait\",\"base\":{\"transport\":"
    "\"shm\",\"launches\":7,\"frames\":20,\"warmup\":3},\"axes\":{\"wait\":[\"spin\",\"pause\","
    "\"futex\"],\"slots\":[2,4]}}]}";

static struct scenario *plan_scenario(const char *text)
{
    struct err err = {.what = ""};
    struct scenario *scenario = NULL;
    if (scenario_parse("p.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s", err.what);
    return scenario;
}

static void launches_are_interleaved_in_seeded_rounds(void **state)
{
    struct err err;
    struct plan plan, again, other;
    struct scenario *scenario = plan_scenario(plan_scenario_text);
    uint64_t seed = random_u64();
    assert_int_equal(plan_make(scenario, seed, &plan, &err), ST_OK);
    assert_int_equal(plan_make(scenario, seed, &again, &err), ST_OK);
    assert_int_equal(plan_make(scenario, seed + 1, &other, &err), ST_OK);
    assert_int_equal(plan_order(&plan, &err), ST_OK);
    assert_int_equal(plan_order(&again, &err), ST_OK);
    assert_int_equal(plan_order(&other, &err), ST_OK);
    assert_int_equal(plan.launch_count, 7 * 6);
    /* Each round has each cell once. */
    for (uint32_t round = 0; round < 7; round++) {
        unsigned seen = 0;
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(plan.launches[round * 6 + i].launch, round);
            seen |= 1u << plan.launches[round * 6 + i].cell;
        }
        assert_int_equal(seen, 0x3f);
    }
    /* Launch k is of one seed in all cells, and of another than launch k + 1. */
    for (uint32_t k = 0; k < 7; k++) {
        assert_true(plan_launch_seed(&plan, k) < (uint64_t)1 << 53);
        assert_true(plan_launch_seed(&plan, k) == plan_launch_seed(&again, k));
        assert_true(plan_launch_seed(&plan, k) != plan_launch_seed(&plan, k + 1));
    }
    size_t bytes = plan.launch_count * sizeof *plan.launches;
    assert_memory_equal(plan.launches, again.launches, bytes);
    assert_int_not_equal(memcmp(plan.launches, other.launches, bytes), 0);
    /* And the rounds are not all in one order. */
    int orders = 0;
    for (uint32_t i = 0; i < 6; i++)
        orders += plan.launches[i].cell != plan.launches[6 + i].cell ||
                  plan.launches[i].cell != plan.launches[12 + i].cell;
    assert_true(orders > 0);
    plan_free(&plan);
    plan_free(&again);
    plan_free(&other);
    scenario_free(scenario);
}

/* Seconds of a launch of the scenario's only cell: what is told, and what the deadline goes by. */
static void plan_seconds(const char *pacing, const char *frame, const char *frames, double *told,
                         double *most)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"launch_seconds\":4,\"base\":{"
             "\"transport\":\"unix\",\"wait\":\"block\",\"pacing\":\"%s\",\"frame\":\"%s\"%s}}]}",
             pacing, frame, frames);
    struct err err;
    struct plan plan;
    struct scenario *scenario = plan_scenario(text);
    assert_int_equal(plan_make(scenario, random_u64(), &plan, &err), ST_OK);
    *told = (double)plan_launch_expected_ns(&plan.cells[0], scenario) / 1e9;
    *most = (double)plan_launch_most_ns(&plan.cells[0], scenario) / 1e9;
    plan_free(&plan);
    scenario_free(scenario);
}

/* As long as its frames and no longer; without frames as long as the block says. The deadline goes
 * by no less, and lets given frames that take turns on a GPU (0.35 ms each) come through. */
static void a_launch_is_expected_to_last_as_long_as_its_frames(void **state)
{
    static const char few[] = ",\"frames\":60,\"warmup\":10";
    static const char many[] = ",\"frames\":500000,\"warmup\":10";
    double told, most;
    plan_seconds("rate:10", "64x1x1", few, &told, &most);
    assert_true(told >= 7.0 && told < 7.2 && most == told);
    plan_seconds("pingpong", "64x1x1", few, &told, &most);
    assert_true(told < 0.1 && most >= 4.0);
    plan_seconds("max", "1920x1080x3", few, &told, &most);
    assert_true(told > 0.3 && told < 1.0 && most >= 4.0);
    plan_seconds("max", "1920x1080x3", many, &told, &most);
    assert_true(told > 3000.0 && told < 3300.0 && most > told && most < 3600.0);
    plan_seconds("pingpong", "64x1x1", many, &told, &most);
    assert_true(told > 10.0 && told < 11.0 && most > 175.0 && most < 300.0);
    plan_seconds("pingpong", "1920x1080x3", "", &told, &most);
    assert_true(told == most && most >= 4.0 && most < 4.2);
}

/* Their daemon starts once: behind all others, and among themselves in seeded rounds. */
static void cells_that_share_by_mps_come_last(void **state)
{
    struct err err;
    struct plan plan;
    struct scenario *scenario = plan_scenario(plan_scenario_text);
    assert_int_equal(plan_make(scenario, random_u64(), &plan, &err), ST_OK);
    for (uint32_t i = 0; i < 6; i += 2)
        plan.cells[i].cell.gpu_sharing = GPU_SHARING_MPS;
    assert_int_equal(plan_order(&plan, &err), ST_OK);
    assert_int_equal(plan.launch_count, 7 * 6);
    unsigned orders[2][7] = {{0}};
    for (uint32_t i = 0; i < 7 * 6; i++) {
        const uint32_t last = i >= 7 * 3;
        assert_int_equal(plan.launches[i].cell % 2, last ? 0 : 1);
        assert_int_equal(plan.launches[i].launch, i % 21 / 3);
        orders[last][i % 21 / 3] = orders[last][i % 21 / 3] * 8 + plan.launches[i].cell;
    }
    int differ[2] = {0};
    for (int last = 0; last < 2; last++)
        for (int round = 1; round < 7; round++)
            differ[last] += orders[last][round] != orders[last][0];
    assert_true(differ[0] > 0 && differ[1] > 0); /* 6^-6 by chance, each */
    plan_free(&plan);
    scenario_free(scenario);
}

/* A baseline runs in every round, next to a cell that needs it, and as long as the longest. */
static void baselines_run_beside_their_cells(void **state)
{
    static const char text[] =
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"compare\":\"wait\",\"cpu_baseline\":true,"
        "\"base\":{\"transport\":\"shm\",\"launches\":6},\"axes\":{\"wait\":[\"spin\",\"pause\","
        "\"futex\"],\"pacing\":[\"rate:60\",\"rate:1000\",\"pingpong\"]}}]}";
    struct err err;
    struct plan plan;
    struct scenario *scenario = plan_scenario(text);
    assert_int_equal(plan_make(scenario, random_u64(), &plan, &err), ST_OK);
    uint32_t baselines = 0, needing = 0;
    for (uint32_t i = 0; i < plan.cell_count; i++) {
        struct plan_cell *cell = &plan.cells[i];
        baselines += cell->cell.is_baseline;
        if (cell->cell.is_baseline)
            continue;
        bool rated = cell->cell.pacing == PACING_RATE;
        assert_int_equal(cell->baseline != PLAN_NO_BASELINE, rated);
        assert_int_equal(cell->result.baseline != NULL, rated);
        cell->result.frames = 1 + (uint32_t)random_below(1000);
        cell->result.warmup = (uint32_t)random_below(100);
        if (!rated)
            continue;
        needing++;
        assert_ptr_equal(cell->result.baseline, &plan.cells[cell->baseline].cell);
        assert_true(cell->result.baseline->rate_hz == cell->cell.rate_hz);
    }
    assert_int_equal(baselines, 2);
    assert_int_equal(needing, 6);
    plan_baseline_counts(&plan);
    for (uint32_t i = 0; i < plan.cell_count; i++) {
        uint32_t frames = 0, warmup = 0;
        for (uint32_t j = 0; j < plan.cell_count; j++) {
            const struct result_cell *other = &plan.cells[j].result;
            if (plan.cells[j].baseline != i)
                continue;
            frames = other->frames > frames ? other->frames : frames;
            warmup = other->warmup > warmup ? other->warmup : warmup;
        }
        if (plan.cells[i].cell.is_baseline) {
            assert_int_equal(plan.cells[i].result.frames, frames);
            assert_int_equal(plan.cells[i].result.warmup, warmup);
        }
    }
    assert_int_equal(plan_order(&plan, &err), ST_OK);
    assert_int_equal(plan.launch_count, 6 * 11);
    for (uint32_t at = 0; at < plan.launch_count; at++) {
        uint32_t index = plan.launches[at].cell, from = at - at % 11;
        assert_int_equal(plan.launches[at].launch, at / 11);
        if (!plan.cells[index].cell.is_baseline)
            continue;
        bool beside = false;
        for (uint32_t near = at > from ? at - 1 : at; near <= at + 1 && near < from + 11; near++)
            beside |= plan.cells[plan.launches[near].cell].baseline == index;
        assert_true(beside);
    }
    /* One whose cells all failed has nothing to serve. */
    for (uint32_t i = 0; i < plan.cell_count; i++)
        if (!plan.cells[i].cell.is_baseline)
            plan.cells[i].result.launches_planned = 0;
    plan_baseline_counts(&plan);
    for (uint32_t i = 0; i < plan.cell_count; i++)
        if (plan.cells[i].cell.is_baseline) {
            assert_int_equal(plan.cells[i].result.launches_planned, 0);
            assert_non_null(strstr(plan.cells[i].result.failure, "every cell that needs it"));
        }
    plan_free(&plan);
    scenario_free(scenario);
}

static void resume_takes_only_its_own_plan(void **state)
{
    static const char *const others[] = {
        /* another name, another cell, another count of frames, of launches */
        "{\"name\":\"q\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"spin\",\"launches\":7,\"frames\":20,\"warmup\":3}}]}",
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"pause\",\"launches\":7,\"frames\":20,\"warmup\":3}}]}",
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"spin\",\"launches\":7,\"frames\":21,\"warmup\":3}}]}",
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"spin\",\"launches\":8,\"frames\":20,\"warmup\":3}}]}",
    };
    static const char own[] =
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"spin\",\"launches\":7,\"frames\":20,\"warmup\":3}}]}";
    char folder[] = "/tmp/handoff-test-XXXXXX", path[64];
    struct err err;
    struct plan plan, resumed;
    struct scenario *scenario = plan_scenario(own);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/plan.json", folder);
    assert_int_equal(plan_make(scenario, UINT64_MAX, &plan, &err), ST_OK);
    assert_int_equal(plan_make(scenario, 1, &resumed, &err), ST_OK);
    assert_int_equal(plan_resume(&resumed, scenario, folder, &err), ST_SYSTEM);
    assert_int_equal(plan_write(&plan, scenario, folder, &err), ST_OK);
    assert_int_equal(plan_resume(&resumed, scenario, folder, &err), ST_OK);
    assert_true(resumed.seed == UINT64_MAX);
    assert_int_equal(resumed.cells[0].result.frames, 20);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct scenario *different = plan_scenario(others[i]);
        struct plan made;
        assert_int_equal(plan_make(different, 1, &made, &err), ST_OK);
        assert_int_equal(plan_resume(&made, different, folder, &err), ST_INVALID);
        assert_true(err.hint[0] != 0);
        plan_free(&made);
        scenario_free(different);
    }
    FILE *file = fopen(path, "w");
    fputs("{\"schema\":\"something else\"}", file);
    fclose(file);
    assert_int_equal(plan_resume(&resumed, scenario, folder, &err), ST_CORRUPT);
    unlink(path);
    rmdir(folder);
    plan_free(&plan);
    plan_free(&resumed);
    scenario_free(scenario);
}

/* Replaces a member of plan.json, or of its only cell, by another text. */
static void plan_tamper(const char *path, bool in_cell, const char *name, const char *value)
{
    struct err err;
    cJSON *json = NULL, *other = cJSON_Parse(value);
    assert_non_null(other);
    assert_int_equal(json_read_file(path, 65536, &json, &err), ST_OK);
    cJSON *cells = cJSON_GetObjectItemCaseSensitive(json, "cells");
    cJSON *holder = in_cell ? cJSON_GetArrayItem(cells, 0) : json;
    assert_true(cJSON_HasObjectItem(holder, name));
    cJSON_ReplaceItemInObjectCaseSensitive(holder, name, other);
    assert_int_equal(json_write_file(path, json, true, &err), ST_OK);
    cJSON_Delete(json);
}

/* What a plan may say is bounded, and it is bound to the build and the machine that began it. */
static void resume_believes_no_strange_plan(void **state)
{
    static const struct {
        bool in_cell;
        const char *name;
        const char *value;
        enum status status;
        const char *cause;
    } cases[] = {
        {true, "frames", "4294967295", ST_CORRUPT, "not a plan"},
        {true, "frames", "1000001", ST_CORRUPT, "not a plan"},
        {true, "frames", "0", ST_CORRUPT, "not a plan"},
        {true, "frames", "-5", ST_CORRUPT, "not a plan"},
        {true, "frames", "2.5", ST_CORRUPT, "not a plan"},
        {true, "frames", "1e300", ST_CORRUPT, "not a plan"},
        {true, "frames", "\"20\"", ST_CORRUPT, "not a plan"},
        {true, "warmup_frames", "4294967295", ST_CORRUPT, "not a plan"},
        {true, "warmup_frames", "1000001", ST_CORRUPT, "not a plan"},
        {true, "warmup_frames", "-1", ST_CORRUPT, "not a plan"},
        {true, "launches", "1001", ST_CORRUPT, "not a plan"},
        {true, "launches", "-1", ST_CORRUPT, "not a plan"},
        {true, "frame_ns", "-1", ST_CORRUPT, "not a plan"},
        {true, "frame_ns", "1e18", ST_CORRUPT, "not a plan"},
        {false, "machine", "null", ST_CORRUPT, "not a plan"},
        {false, "machine", "\"12345\"", ST_INVALID, "another machine"},
        {false, "build", "\"0.0.0 0000000 cc 1.0 Release\"", ST_INVALID, "another build"},
        {false, "build", "null", ST_INVALID, "another build"},
        {false, "seed", "-1", ST_CORRUPT, "not a plan"},
    };
    /* Counts are a pilot's, so that nothing but the bounds can refuse them. */
    static const char own[] =
        "{\"name\":\"p\",\"blocks\":[{\"name\":\"b\",\"base\":{\"transport\":\"shm\",\"wait\":"
        "\"spin\",\"launches\":7}}]}";
    char folder[] = "/tmp/handoff-test-XXXXXX", path[64];
    struct err err;
    struct plan plan;
    struct scenario *scenario = plan_scenario(own);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/plan.json", folder);
    assert_int_equal(plan_make(scenario, random_u64(), &plan, &err), ST_OK);
    plan.cells[0].result.frames = 1000000;
    plan.cells[0].result.warmup = 1000000;
    assert_int_equal(plan_write(&plan, scenario, folder, &err), ST_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plan resumed;
        assert_int_equal(plan_make(scenario, 1, &resumed, &err), ST_OK);
        assert_int_equal(plan_write(&plan, scenario, folder, &err), ST_OK);
        assert_int_equal(plan_resume(&resumed, scenario, folder, &err), ST_OK);
        assert_int_equal(resumed.cells[0].result.frames, 1000000);
        plan_tamper(path, cases[i].in_cell, cases[i].name, cases[i].value);
        err = (struct err){.what = ""};
        enum status status = plan_resume(&resumed, scenario, folder, &err);
        if (status != cases[i].status || !strstr(err.what, cases[i].cause) || !err.hint[0])
            fail_msg("%s %s: %s, \"%s\", hint \"%s\"", cases[i].name, cases[i].value,
                     status_name(status), err.what, err.hint);
        plan_free(&resumed);
    }
    unlink(path);
    rmdir(folder);
    plan_free(&plan);
    scenario_free(scenario);
}

/* ---- messages ---- */

/* Any choice that can be sent. */
static struct role_setup random_setup(void)
{
    return (struct role_setup){
        .cell = {.transport = transport_registry[random_below(transport_registry_count)],
                 .access = access_registry[random_below(access_registry_count)],
                 .wait = wait_registry[random_below(wait_registry_count)],
                 .wait_us = (uint32_t)random_below(1000000),
                 .producer_wait = random_below(2) ? wait_find("poll") : NULL,
                 .producer_wait_us = (uint32_t)random_below(1000000),
                 .kernel = kernel_registry[random_below(kernel_registry_count)],
                 .fill = (enum fill)random_below(FILL_GPU + 1),
                 .geometry = {1 + (int32_t)random_below(8192), 1 + (int32_t)random_below(8192),
                              1 + (int32_t)random_below(4)},
                 .pacing = (enum pacing)random_below(4),
                 .rate_hz = (double)random_below(1000) + 0.5,
                 .slots = 1 + (uint32_t)random_below(1024),
                 .policy = random_below(2) ? POLICY_BLOCK : POLICY_LATEST,
                 .frame_state = (enum frame_state)random_below(3),
                 .phase = (enum phase)random_below(2),
                 .fifo_priority = (uint32_t)random_below(100),
                 .timer_slack_ns = (uint32_t)random_below(1000000001),
                 .sync = (enum gpu_sync)random_below(GPU_SYNC_FLAG + 1),
                 .order = (enum order)random_below(2),
                 .depth = 1 + (uint32_t)random_below(CELL_DEPTH_MAX),
                 .register_per_frame = random_below(2),
                 .gpu_sharing = (enum gpu_sharing)random_below(2),
                 .pages = (enum shm_pages)random_below(SHM_PAGES_HUGETLB + 1),
                 .library_threads = (enum library_threads)random_below(2),
                 .load = (enum load)random_below(3)},
        .frames = 1 + (uint32_t)random_below(1000000),
        .warmup = (uint32_t)random_below(1000),
        .seed = random_below((uint64_t)1 << 53),
        .cpu = (int)random_below(64) - 1,
        .clock = {.kind = clock_kind_name(CLOCK_KIND_COUNTER) && random_below(2)
                              ? CLOCK_KIND_COUNTER
                              : CLOCK_KIND_MONOTONIC,
                  .counter = random_u64(),
                  .ns = random_u64(),
                  .mult = random_u64()},
        .listens = random_below(2),
    };
}

static void assert_same_setup(const struct role_setup *got, const struct role_setup *sent)
{
    assert_memory_equal(&got->cell.geometry, &sent->cell.geometry, sizeof sent->cell.geometry);
    assert_ptr_equal(got->cell.transport, sent->cell.transport);
    assert_ptr_equal(got->cell.access, sent->cell.access);
    assert_ptr_equal(got->cell.wait, sent->cell.wait);
    assert_ptr_equal(got->cell.kernel, sent->cell.kernel);
    assert_int_equal(got->cell.wait_us, sent->cell.wait_us);
    uint32_t producer_us, back_us;
    assert_ptr_equal(cell_producer_wait(&got->cell, &back_us),
                     cell_producer_wait(&sent->cell, &producer_us));
    assert_int_equal(back_us, producer_us);
    assert_int_equal(got->cell.phase, sent->cell.phase);
    assert_int_equal(got->cell.fifo_priority, sent->cell.fifo_priority);
    assert_int_equal(got->cell.timer_slack_ns, sent->cell.timer_slack_ns);
    assert_int_equal(got->cell.library_threads, sent->cell.library_threads);
    assert_int_equal(got->cell.load, sent->cell.load);
    assert_int_equal(got->cell.sync, sent->cell.sync);
    assert_int_equal(got->cell.order, sent->cell.order);
    assert_int_equal(got->cell.depth, sent->cell.depth);
    assert_int_equal(got->cell.register_per_frame, sent->cell.register_per_frame);
    assert_int_equal(got->cell.gpu_sharing, sent->cell.gpu_sharing);
    assert_int_equal(got->cell.pages, sent->cell.pages);
    assert_int_equal(got->cell.fill, sent->cell.fill);
    assert_int_equal(got->cell.pacing, sent->cell.pacing);
    assert_true(got->cell.rate_hz == sent->cell.rate_hz);
    assert_int_equal(got->cell.slots, sent->cell.slots);
    assert_int_equal(got->cell.policy, sent->cell.policy);
    assert_int_equal(got->cell.frame_state, sent->cell.frame_state);
    assert_int_equal(got->frames, sent->frames);
    assert_int_equal(got->warmup, sent->warmup);
    assert_true(got->seed == sent->seed);
    assert_int_equal(got->cpu, sent->cpu);
    assert_int_equal(got->listens, sent->listens);
    assert_int_equal(got->clock.kind, sent->clock.kind);
    assert_true(got->clock.counter == sent->clock.counter);
    assert_true(got->clock.ns == sent->clock.ns && got->clock.mult == sent->clock.mult);
}

static void setup_survives_the_wire(void **state)
{
    struct err err = {.what = ""};
    struct role_setup back;
    for (int i = 0; i < 200; i++) {
        const struct role_setup setup = random_setup();
        cJSON *json = role_setup_to_json(&setup);
        char *text = cJSON_PrintUnformatted(json);
        cJSON *parsed = NULL;
        assert_int_equal(json_parse("wire", text, strlen(text), &parsed, &err), ST_OK);
        assert_int_equal(role_setup_from_json(parsed, &back, &err), ST_OK);
        assert_same_setup(&back, &setup);
        /* Without any one of its members it is refused; a rate is only needed by pacing rate, and
         * the axes in words only by roles in other languages. */
        cJSON *lost = cJSON_GetArrayItem(
            parsed, 1 + (int)random_below((uint64_t)cJSON_GetArraySize(parsed) - 1));
        bool unneeded = strcmp(lost->string, "rate_hz") == 0 || strcmp(lost->string, "axes") == 0;
        cJSON_Delete(cJSON_DetachItemViaPointer(parsed, lost));
        assert_int_equal(role_setup_from_json(parsed, &back, &err), unneeded ? ST_OK : ST_CORRUPT);
        cJSON_Delete(json);
        cJSON_free(text);
        cJSON_Delete(parsed);
    }
}

/* A role of another processor, or of a later version, must not stamp with what it does not know. */
static void a_clock_that_is_unknown_is_refused(void **state)
{
    struct err err = {.what = ""};
    struct role_setup back;
    const struct role_setup setup = {.cell = {.transport = transport_registry[0],
                                              .access = access_registry[0],
                                              .wait = wait_registry[0],
                                              .kernel = kernel_registry[0],
                                              .geometry = {64, 48, 3},
                                              .slots = 4,
                                              .depth = 1,
                                              .policy = POLICY_BLOCK},
                                     .frames = 1,
                                     .cpu = -1};
    static const char *const broken[][2] = {
        {"name", "HPET"}, {"name", ""}, {"counter", "-1"}, {"ns", "1e9"}, {"mult", "much"}};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        cJSON *sent = role_setup_to_json(&setup), *json = NULL;
        char *text = cJSON_PrintUnformatted(sent);
        assert_int_equal(json_parse("wire", text, strlen(text), &json, &err), ST_OK);
        cJSON *clock = json_get(json, "clock");
        assert_int_equal(role_setup_from_json(json, &back, &err), ST_OK);
        cJSON_DeleteItemFromObjectCaseSensitive(clock, broken[i][0]);
        assert_int_equal(role_setup_from_json(json, &back, &err), ST_CORRUPT);
        assert_true(json_add_string(clock, broken[i][0], broken[i][1]));
        assert_int_equal(role_setup_from_json(json, &back, &err), ST_CORRUPT);
        assert_non_null(strstr(err.what, "clock"));
        cJSON_Delete(json);
        cJSON_free(text);
        cJSON_Delete(sent);
    }
}

static void addresses_survive_the_wire(void **state)
{
    struct err err;
    struct transport_address address = {.byte_count = TRANSPORT_ADDRESS_BYTES}, back;
    random_bytes(address.bytes, sizeof address.bytes);
    struct wait_pair pair = {.directions = {{.fd = -1}, {.fd = dup(0)}}}, waits = {0};
    struct channel_message message = {0};
    address.fds[0] = dup(0);
    address.fd_count = 1;
    message.json = role_address_to_json(&address, &pair, message.fds, &message.fd_count);
    assert_int_equal(message.fd_count, 2);
    assert_int_equal(message.fds[1], pair.directions[DIRECTION_READ].fd);
    int fd = message.fds[0];
    waits.directions[DIRECTION_WRITE].fd = -1;
    assert_int_equal(role_address_from_message(&message, &back, &waits, &err), ST_OK);
    assert_int_equal(waits.directions[DIRECTION_WRITE].fd, -1);
    assert_int_equal(waits.directions[DIRECTION_READ].fd, pair.directions[DIRECTION_READ].fd);
    wait_pair_close(&waits);
    assert_int_equal(back.byte_count, TRANSPORT_ADDRESS_BYTES);
    assert_memory_equal(back.bytes, address.bytes, sizeof address.bytes);
    assert_int_equal(back.fds[0], fd);
    assert_int_equal(message.fds[0], -1);
    transport_address_close(&back);
    channel_message_clear(&message);
    static const char *const bad[] = {"{\"bytes\":\"0\"}", "{\"bytes\":\"zz\"}",
                                      "{\"bytes\":\"AB\"}",
                                      "{\"bytes\":\"ab\",\"wait_fds\":[true,false]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        message.json = cJSON_Parse(bad[i]);
        assert_int_equal(role_address_from_message(&message, &back, &waits, &err), ST_CORRUPT);
        channel_message_clear(&message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_two_cores_of_the_fastest_cluster),
        cmocka_unit_test(one_cpu_runs_and_the_rest_says_what_is_missing),
        cmocka_unit_test(launches_are_interleaved_in_seeded_rounds),
        cmocka_unit_test(a_launch_is_expected_to_last_as_long_as_its_frames),
        cmocka_unit_test(cells_that_share_by_mps_come_last),
        cmocka_unit_test(baselines_run_beside_their_cells),
        cmocka_unit_test(resume_takes_only_its_own_plan),
        cmocka_unit_test(resume_believes_no_strange_plan),
        cmocka_unit_test(setup_survives_the_wire),
        cmocka_unit_test(a_clock_that_is_unknown_is_refused),
        cmocka_unit_test(addresses_survive_the_wire),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
