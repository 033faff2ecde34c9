/* test_scenario.c: scenario files: what is refused and how, what the product is, what ids say, what
 * does not apply. The corpus of bad files is in tests/support/corpus/scenarios. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/scenario/matrix.h"
#include "harness/scenario/scenario.h"
#include "tests/support/random_input.h"

#define CORPUS HANDOFF_SOURCE_DIR "/tests/support/corpus/scenarios"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    if (scenario_parse("test.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s (hint: %s)\nin %s", err.what, err.hint, text);
    return scenario;
}

/* A scenario of one block with these members, beside its name. */
static struct scenario *parse_block(const char *members)
{
    char text[4096];
    snprintf(text, sizeof text, "{\"blocks\": [{\"name\": \"one\", %s}]}", members);
    return parse(text);
}

static const struct cell *find_cell(const struct scenario *scenario, const char *id)
{
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (strcmp(scenario->cells[i].id, id) == 0)
            return &scenario->cells[i];
    return NULL;
}

/* ---- The corpus ------------------------------------------------------------------------------ */

/* Cuts " | " separated fields in place. */
static void split(char *line, char *fields[4])
{
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 4; i++) {
        fields[i] = line;
        char *bar = strstr(line, " | ");
        if (!bar && i < 3) {
            /* An empty last field may have lost its blank to an editor. */
            bar = strstr(line, " |");
            assert_non_null(bar);
            fields[i + 1] = bar + 2;
        }
        if (!bar)
            return;
        *bar = '\0';
        line = bar + 3;
    }
}

static void check_bad(const char *name, const char *place, const char *message, const char *hint)
{
    char path[512];
    struct err err = {.what = "", .hint = ""};
    struct scenario *scenario = (struct scenario *)(uintptr_t)0x5a5a;
    snprintf(path, sizeof path, CORPUS "/bad/%s", name);
    enum status status = scenario_load(path, &scenario, &err);
    if (status != ST_INVALID || err.status != ST_INVALID)
        fail_msg("%s: status %s, not invalid: %s", name, status_name(status), err.what);
    assert_ptr_equal(scenario, (void *)(uintptr_t)0x5a5a); /* untouched */
    if (!strstr(err.what, name) || !strstr(err.what, place) || !strstr(err.what, message))
        fail_msg("%s: expected \"%s\" and \"%s\" in: %s", name, place, message, err.what);
    if (!err.hint[0] || !strstr(err.hint, hint))
        fail_msg("%s: expected \"%s\" in the hint: %s", name, hint, err.hint);
    for (const char *c = err.what; *c; c++)
        assert_false((unsigned char)*c < 0x20 || *c == 0x7f);
}

static size_t count_json_files(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strstr(entry->d_name, ".json") != NULL;
    closedir(dir);
    return count;
}

static void test_bad_files(void **state)
{
    (void)state;
    char line[1024];
    size_t checked = 0;
    FILE *expected = fopen(CORPUS "/expected.txt", "r");
    assert_non_null(expected);
    while (fgets(line, sizeof line, expected)) {
        char *fields[4] = {NULL};
        if (line[0] == '#')
            continue;
        split(line, fields);
        check_bad(fields[0], fields[1], fields[2], fields[3]);
        checked++;
    }
    fclose(expected);
    assert_true(checked >= 45);
    assert_int_equal(checked, count_json_files(CORPUS "/bad")); /* none without an expectation */
}

static void test_good_files(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t cells;
    } files[] = {
        {CORPUS "/good/smallest.json", 1},
        {CORPUS "/good/byte_order_mark.json", 1},
        /* 2 waits x 2 kernels x 2 fills x 2 frames x 4 pacings x 2 slots x 6 placements = 768, less
         * slots 1 with max or pingpong (192), less invert with two placements (128, 32 of them
         * gone already); one cell of block b; and 3 producer waits x 7 (6 pacings, one of them with
         * two phases) x 4 (3 schedulings, one of them with two slacks) x 2 idle latencies x 2
         * clocks x 3 loads; and 3 pairs of fill and order x 3 of depth and register_per_frame x 5 syncs x 2
         * sharings x 3 kinds of pages x 2 homes of library threads; and a list of 2 + 2 + 2. */
        {CORPUS "/good/every_axis.json",
         768 - 192 - 128 + 32 + 1 + 3 * 7 * 4 * 2 * 2 * 3 + 3 * 3 * 5 * 2 * 3 * 2 + 6},
        {HANDOFF_SOURCE_DIR "/scenarios/smoke.json", 5},
        {HANDOFF_SOURCE_DIR "/scenarios/quick.json", 21},
        {HANDOFF_SOURCE_DIR "/scenarios/claims.json", 21},
        {HANDOFF_SOURCE_DIR "/scenarios/baselines.json", 176},
        {HANDOFF_SOURCE_DIR "/scenarios/transports.json", 179},
        {HANDOFF_SOURCE_DIR "/scenarios/accesses.json", 20},
        {HANDOFF_SOURCE_DIR "/scenarios/gpu_sharing.json", 32},
        {HANDOFF_SOURCE_DIR "/scenarios/resolutions.json", 32},
        {HANDOFF_SOURCE_DIR "/scenarios/gpu_waits.json", 30},
        {HANDOFF_SOURCE_DIR "/scenarios/python.json", 61},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct scenario *scenario = NULL;
        struct err err = {.what = ""};
        if (scenario_load(files[i].path, &scenario, &err) != ST_OK)
            fail_msg("%s", err.what);
        size_t cells = 0; /* which baselines are left depends on what may run here */
        for (size_t j = 0; j < scenario->cell_count; j++)
            cells += !scenario->cells[j].is_baseline;
        assert_int_equal(cells, files[i].cells);
        scenario_free(scenario);
    }
}

static void test_unreadable_file(void **state)
{
    (void)state;
    struct scenario *scenario = NULL;
    struct err err;
    assert_int_equal(scenario_load(CORPUS "/no-such-file.json", &scenario, &err), ST_SYSTEM);
    assert_non_null(strstr(err.what, "no-such-file.json"));
    assert_int_not_equal(scenario_load(CORPUS, &scenario, &err), ST_OK); /* a folder */
    assert_null(scenario);
}

/* ---- Defaults, ids, base --------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    (void)state;
    struct scenario *scenario =
        parse_block("\"base\": {\"transport\": \"shm\", \"wait\": \"spin\"}");
    const struct cell *cell = &scenario->cells[0];
    assert_string_equal(scenario->name, "test");
    assert_string_equal(scenario->description, "");
    assert_string_equal(scenario->blocks[0].compare, "");
    assert_true(scenario->blocks[0].launch_seconds == 1.0);
    assert_string_equal(cell->id, "shm+spin");
    assert_string_equal(cell->access->name, "host");
    assert_string_equal(cell->kernel->name, "checksum");
    assert_int_equal(cell->fill, FILL_COPY);
    assert_int_equal(cell_payload_bytes(cell), 1920 * 1080 * 3);
    assert_int_equal(cell->pacing, PACING_RATE);
    assert_true(cell->rate_hz == 30.0);
    assert_int_equal(cell->slots, 4);
    assert_int_equal(cell->policy, POLICY_BLOCK);
    assert_int_equal(cell->placement, PLACEMENT_AUTO);
    assert_int_equal(cell->frame_state, FRAME_STATE_AS_LEFT);
    uint32_t producer_us;
    assert_ptr_equal(cell_producer_wait(cell, &producer_us), wait_find("spin"));
    assert_int_equal(cell->phase, PHASE_FIXED);
    assert_int_equal(cell->fifo_priority, 0);
    assert_int_equal(cell->timer_slack_ns, 0);
    assert_false(cell->idle_latency_held);
    assert_false(cell->clocks_locked);
    assert_int_equal(cell->load, LOAD_NONE);
    assert_int_equal(cell->sync, GPU_SYNC_SPIN);
    assert_int_equal(cell->order, ORDER_HOST);
    assert_int_equal(cell->depth, 1);
    assert_false(cell->register_per_frame);
    assert_int_equal(cell->gpu_sharing, GPU_SHARING_TIME_SLICED);
    assert_int_equal(cell->pages, SHM_PAGES_NORMAL);
    assert_false(cell->is_baseline);
    assert_null(scenario->blocks[0].claim);
    assert_int_equal(cell->launches, 10);
    assert_int_equal(cell->frames, 0);
    assert_true(cell->warmup == UINT32_MAX);
    assert_int_equal(cell->runnable, ST_OK);
    scenario_free(scenario);
}

static void test_base_is_overridden(void **state)
{
    (void)state;
    struct scenario *scenario = parse(
        "{\"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"slots\": 8, \"launches\": 3},"
        " \"blocks\": [{\"name\": \"a\"}, {\"name\": \"b\", \"base\": {\"slots\": 9}},"
        " {\"name\": \"c\", \"axes\": {\"slots\": [10, 11]}}]}");
    static const char *const ids[] = {"shm+spin/slots=8", "shm+spin/slots=9", "shm+spin/slots=10",
                                      "shm+spin/slots=11"};
    static const uint32_t blocks[] = {0, 1, 2, 2};
    assert_int_equal(scenario->cell_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(scenario->cells[i].id, ids[i]);
        assert_int_equal(scenario->cells[i].block_index, blocks[i]);
        assert_int_equal(scenario->cells[i].launches, 3);
    }
    scenario_free(scenario);
}

static void test_ids_and_values(void **state)
{
    (void)state;
    struct scenario *scenario = parse_block(
        "\"base\": {\"transport\": \"shm\", \"wait\": \"poll:250\", \"kernel\": \"none\","
        " \"fill\": \"in_place\", \"frame\": {\"width\": 64, \"height\": 48, \"channels\": 1},"
        " \"pacing\": {\"rate\": 29.97}, \"slots\": 5, \"policy\": \"latest\","
        " \"placement\": \"cpus:3,12\", \"launches\": 7, \"frames\": 99, \"warmup\": 0}");
    const struct cell *cell = &scenario->cells[0];
    char text[CELL_AXIS_BYTES];
    assert_string_equal(cell->id,
                        "shm+poll:250/kernel=none/fill=in_place/frame=64x48x1/pacing=rate:29.97"
                        "/slots=5/policy=latest/placement=cpus:3:12");
    assert_string_equal(cell_placement_format(cell, text, sizeof text), "cpus:3,12");
    assert_string_equal(cell_pacing_format(cell, text, sizeof text), "rate:29.97");
    assert_string_equal(cell_wait_format(cell, text, sizeof text), "poll:250");
    assert_string_equal(geometry_format(cell->geometry, text, sizeof text), "64x48x1");
    assert_int_equal(cell->wait_us, 250);
    assert_int_equal(cell->producer_cpu, 3);
    assert_int_equal(cell->consumer_cpu, 12);
    assert_int_equal(cell->frames, 99);
    assert_int_equal(cell->warmup, 0);
    size_t numbers = 0;
    for (size_t i = 0; i < cell_axis_count(); i++) {
        cJSON *json = cell_axis_json(cell, i);
        numbers += cJSON_IsNumber(json);
        if (strcmp(cell_axis_name(i), "slots") == 0)
            assert_true(cJSON_IsNumber(json) && json->valuedouble == 5.0);
        if (strcmp(cell_axis_name(i), "frame") == 0)
            assert_string_equal(json->valuestring, "64x48x1");
        cJSON_Delete(json);
    }
    assert_int_equal(numbers, 5); /* slots, depth, launches, frames, warmup */
    scenario_free(scenario);
}

/* The axes that move a wait tenfold, in the id and back. */
static void test_ids_of_surroundings(void **state)
{
    (void)state;
    struct scenario *scenario = parse_block(
        "\"base\": {\"transport\": \"shm\", \"wait\": \"futex\", \"producer_wait\": \"poll:20\","
        " \"pacing\": {\"rate\": 120}, \"phase\": \"random\", \"scheduling\": \"fifo:50\","
        " \"idle_latency\": \"held\", \"clocks\": \"locked\", \"load\": \"membw\"},"
        " \"axes\": {\"timer_slack_ns\": [\"as_found\", 1]}");
    const struct cell *cell = &scenario->cells[0];
    uint32_t us;
    assert_string_equal(cell->id, "shm+futex/pacing=rate:120/producer_wait=poll:20/phase=random"
                                  "/scheduling=fifo:50/idle_latency=held/clocks=locked/load=membw");
    assert_ptr_equal(cell_producer_wait(cell, &us), wait_find("poll"));
    assert_int_equal(us, 20);
    assert_int_equal(cell->phase, PHASE_RANDOM);
    assert_int_equal(cell->fifo_priority, 50);
    assert_true(cell->idle_latency_held);
    assert_true(cell->clocks_locked);
    assert_int_equal(cell->load, LOAD_MEMBW);
    assert_int_equal(scenario->cells[1].timer_slack_ns, 1);
    assert_non_null(strstr(scenario->cells[1].id, "/timer_slack_ns=1/"));
    scenario_free(scenario);
}

static void test_search(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "{\"search\": {\"response_p99_us\": 500, \"from\": 29.97, \"to\": 5e3}}",
        "{\"search\": {\"to\": 5000, \"from\": 29.97, \"response_p99_us\": 500}}",
        "\"search:500us:29.97-5000\""};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        char members[300];
        snprintf(members, sizeof members,
                 "\"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"pacing\": %s}",
                 spellings[i]);
        struct scenario *scenario = parse_block(members);
        const struct cell *cell = &scenario->cells[0];
        assert_string_equal(cell->id, "shm+spin/pacing=search:500us:29.97-5000");
        assert_int_equal(cell->pacing, PACING_SEARCH);
        assert_int_equal(cell->search.response_p99_ns, 500000);
        assert_true(cell->search.low_hz == 29.97 && cell->search.high_hz == 5000.0);
        assert_true(cell_has_schedule(cell));
        scenario_free(scenario);
    }
}

/* An id that is cut might be another cell's: the exact length from which on it is refused. */
static void test_id_too_long(void **state)
{
    (void)state;
    struct err err = {.what = ""};
    struct scenario *scenario = parse_block(
        "\"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"producer_wait\": \"pause\","
        "\"kernel\": \"preprocess\", \"fill\": \"in_place\", \"frame\": \"65536x1024x4\","
        "\"pacing\": \"search:60000000us:123456.78901234567-234567.89012345678\", \"slots\": 1024,"
        "\"policy\": \"latest\", \"placement\": \"cpus:65535,65534\", \"frame_state\": "
        "\"evicted\", \"phase\": \"random\", \"scheduling\": \"fifo:99\", \"timer_slack_ns\": "
        "1000000000, \"idle_latency\": \"held\", \"clocks\": \"locked\", \"load\": \"membw\","
        "\"sync\": \"yield\", \"order\": \"event\", \"depth\": 64, \"register_per_frame\": \"on\","
        "\"gpu_sharing\": \"mps\", \"pages\": \"hugetlb\", \"library_threads\": \"with_role\","
        "\"peer\": \"python/python\", \"read\": \"tobytes\", \"gc\": \"off\"}");
    struct cell *cell = &scenario->cells[0];
    size_t short_id = strlen(cell->id) - strlen("spin") - strlen("pause");
    for (size_t length = 2; length < 2 * (CELL_AXIS_BYTES - 1); length++) {
        char names[2][CELL_AXIS_BYTES] = {"", ""};
        memset(names[0], 'w', length / 2);
        memset(names[1], 'p', length - length / 2);
        struct wait_strategy fakes[2] = {*wait_find("spin"), *wait_find("spin")};
        fakes[0].name = names[0];
        fakes[1].name = names[1];
        cell->wait = &fakes[0];
        cell->producer_wait = &fakes[1];
        enum status status = matrix_write_id(cell, "", &err);
        if (short_id + length < CELL_ID_BYTES) {
            assert_int_equal(status, ST_OK);
            assert_int_equal(strlen(cell->id), short_id + length);
        } else {
            assert_int_equal(status, ST_INVALID);
            assert_non_null(strstr(err.what, "the id of a cell is longer than 495 characters: "));
        }
    }
    assert_int_equal(err.status, ST_INVALID);
    scenario_free(scenario);
}

/* What "rate:X" and {"rate": X} give must come back from the text exactly. */
static void test_rates_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        double rate = 0.1 + (double)random_below(1u << 30) / (double)(1 + random_below(1u << 20));
        if (rate > 1e6)
            continue;
        char members[200];
        char text[CELL_AXIS_BYTES];
        snprintf(members, sizeof members,
                 "\"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"pacing\": "
                 "{\"rate\": %.17g}}",
                 rate);
        struct scenario *scenario = parse_block(members);
        assert_true(scenario->cells[0].rate_hz == rate);
        cell_pacing_format(&scenario->cells[0], text, sizeof text);
        assert_true(strtod(text + 5, NULL) == rate);
        scenario_free(scenario);
    }
}

static void test_equal_cells_are_kept_once(void **state)
{
    (void)state;
    struct scenario *scenario = parse(
        "{\"base\": {\"transport\": \"shm\"},"
        " \"blocks\": [{\"name\": \"a\", \"axes\": {\"wait\": [\"spin\", \"futex\"]}},"
        " {\"name\": \"b\", \"base\": {\"wait\": \"futex\"}, \"axes\": {\"slots\": [2, 4]}}]}");
    assert_int_equal(scenario->cell_count, 3);
    assert_int_equal(find_cell(scenario, "shm+futex")->block_index, 0);
    assert_int_equal(find_cell(scenario, "shm+futex/slots=2")->block_index, 1);
    scenario_free(scenario);
}

/* ---- What applies ---------------------------------------------------------------------------- */

/* Base values, and why a cell of them does not apply; NULL: it does. */
struct applicability {
    const char *values;
    const char *reason;
};

static void assert_applicable(const struct applicability *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char members[400];
        snprintf(members, sizeof members, "\"base\": {%s}", cases[i].values);
        struct scenario *scenario = parse_block(members);
        const struct cell *cell = &scenario->cells[0];
        if (!cases[i].reason && cell->runnable != ST_OK)
            fail_msg("%s: %s", cases[i].values, cell->reason);
        if (cases[i].reason &&
            (cell->runnable != ST_NOT_APPLICABLE || !strstr(cell->reason, cases[i].reason)))
            fail_msg("%s: expected \"%s\" in: %s", cases[i].values, cases[i].reason, cell->reason);
        assert_int_equal(cell->hint[0] != '\0', cases[i].reason != NULL);
        scenario_free(scenario);
    }
}

static void test_ways_that_do_not_apply(void **state)
{
    (void)state;
    static const struct applicability cases[] = {
        {"\"transport\":\"shm\",\"wait\":\"futex\"", NULL},
        {"\"transport\":\"unix\",\"wait\":\"block\"", NULL},
        {"\"transport\":\"unix\",\"wait\":\"spin\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"block\"", "waited for on a word"},
        {"\"transport\":\"unix\",\"wait\":\"futex\"", "waited for on a descriptor"},
        {"\"transport\":\"unix\",\"wait\":\"block\",\"policy\":\"latest\"", "no policy latest"},
        {"\"transport\":\"null\",\"wait\":\"spin\"", "carries no payload"},
        {"\"transport\":\"null\",\"wait\":\"spin\",\"fill\":\"header\"", "carries no payload"},
        {"\"transport\":\"null\",\"wait\":\"spin\",\"fill\":\"header\",\"kernel\":\"none\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"fill\":\"header\"", "fill header has none"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"fill\":\"header\",\"kernel\":\"invert\"",
         "fill header has none"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"policy\":\"latest\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"policy\":\"latest\",\"slots\":3", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"policy\":\"latest\",\"slots\":2",
         "needs 3 slots"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"policy\":\"latest\",\"pacing\":\"pingpong\"",
         "only one in flight"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"frame_state\":\"cached\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"frame_state\":\"cached\",\"fill\":\"in_place\"",
         "about the source frame"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"frame_state\":\"evicted\",\"pacing\":\"max\"",
         "without a rate that would be part"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"producer_wait\":\"futex\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"producer_wait\":\"block\"",
         "producer_wait block cannot do that"},
        {"\"transport\":\"unix\",\"wait\":\"block\",\"producer_wait\":\"futex\"",
         "producer_wait futex cannot do that"},
    };
    assert_applicable(cases, sizeof cases / sizeof cases[0]);
}

static void test_pacings_that_do_not_apply(void **state)
{
    (void)state;
    static const struct applicability cases[] = {
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"phase\":\"random\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"phase\":\"random\",\"pacing\":\"poisson:60\"",
         "pacing poisson has none"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"phase\":\"random\",\"pacing\":\"max\"",
         "pacing max has none"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"poisson:60\","
         "\"frame_state\":\"evicted\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"search:9us:1-9\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"search:9us:1-9\",\"policy\":"
         "\"latest\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"search:9us:1-9\",\"frame_state\":"
         "\"cached\"",
         "would find the rate of that"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"search:9us:1-9\",\"frames\":399",
         "399 frames are too few"},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"pacing\":\"search:9us:1-9\",\"frames\":400",
         NULL},
        {"\"transport\":\"null\",\"wait\":\"spin\",\"fill\":\"header\",\"kernel\":\"none\","
         "\"pacing\":\"search:9us:1-9\"",
         "hands nothing over"},
    };
    assert_applicable(cases, sizeof cases / sizeof cases[0]);
}

static void test_schedulings_that_do_not_apply(void **state)
{
    (void)state;
    static const struct applicability cases[] = {
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"scheduling\":\"fifo:1\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"placement\":\"same_cpu\"", NULL},
        {"\"transport\":\"shm\",\"wait\":\"spin\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"same_cpu\"",
         "waits with spin never lets the other run"},
        {"\"transport\":\"shm\",\"wait\":\"futex\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"same_cpu\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"yield\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"same_cpu\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"wfe\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"same_cpu\"",
         "waits with wfe never lets the other run"},
        {"\"transport\":\"shm\",\"wait\":\"poll:9\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"cpus:3,3\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"futex\",\"producer_wait\":\"pause\","
         "\"scheduling\":\"fifo:1\",\"placement\":\"cpus:3,3\"",
         "waits with pause never lets the other run"},
        {"\"transport\":\"shm\",\"wait\":\"pause\",\"scheduling\":\"fifo:1\","
         "\"placement\":\"cpus:3,4\"",
         NULL},
        {"\"transport\":\"shm\",\"wait\":\"futex\",\"timer_slack_ns\":1", NULL},
        {"\"transport\":\"shm\",\"wait\":\"futex\",\"timer_slack_ns\":1,\"scheduling\":\"fifo:9\"",
         "no timer slack"},
    };
    assert_applicable(cases, sizeof cases / sizeof cases[0]);
}

/* A kernel that does not take a frame's shape makes the cell not applicable, on probing. */
static void test_kernel_geometry(void **state)
{
    (void)state;
    struct err err;
    struct scenario *scenario =
        parse_block("\"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"kernel\": "
                    "\"preprocess\"}, \"axes\": {\"frame\": [\"64x64x2\", \"64x64x3\"]}");
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(scenario->cells[0].runnable, ST_NOT_APPLICABLE);
    assert_non_null(strstr(scenario->cells[0].reason, "2 channels"));
    assert_true(scenario->cells[0].hint[0] != '\0');
    assert_int_equal(scenario->cells[1].runnable, ST_OK);
    scenario_free(scenario);
}

static unsigned probes_made;

static enum status probe_refuses(struct err *err)
{
    probes_made++;
    return err_set(err, ST_UNAVAILABLE, "load the module", "the kernel has no such thing");
}

/* A wait that this machine lacks: its cells say so, and it was asked once for all of them. */
static void test_probes_once(void **state)
{
    (void)state;
    struct err err;
    struct scenario *scenario =
        parse_block("\"base\": {\"transport\": \"shm\"}, \"axes\": {\"slots\": [2, 3, 4, 5, 6],"
                    " \"wait\": [\"spin\", \"futex\"]}");
    struct wait_strategy missing = *wait_find("futex");
    missing.probe = probe_refuses;
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (scenario->cells[i].wait == wait_find("futex"))
            scenario->cells[i].wait = &missing;
    probes_made = 0;
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(probes_made, 1);
    for (size_t i = 0; i < scenario->cell_count; i++) {
        bool is_missing = scenario->cells[i].wait == &missing;
        assert_int_equal(scenario->cells[i].runnable, is_missing ? ST_UNAVAILABLE : ST_OK);
        if (is_missing) {
            assert_string_equal(scenario->cells[i].reason,
                                "wait futex: the kernel has no such thing");
            assert_string_equal(scenario->cells[i].hint, "load the module");
        }
    }
    scenario_free(scenario);
}

/* producer_wait is probed as wait is, and with it. */
static void test_producer_wait_is_probed(void **state)
{
    (void)state;
    struct err err;
    struct scenario *scenario = parse_block(
        "\"base\": {\"transport\": \"shm\", \"wait\": \"spin\"}, \"axes\": {\"slots\": [2, 3],"
        " \"producer_wait\": [\"same\", \"futex\"]}");
    struct wait_strategy missing = *wait_find("futex");
    missing.probe = probe_refuses;
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (scenario->cells[i].producer_wait)
            scenario->cells[i].producer_wait = &missing;
    scenario->cells[1].wait = &missing; /* one answer for both axes */
    probes_made = 0;
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(probes_made, 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(scenario->cells[i].runnable, i % 2 ? ST_UNAVAILABLE : ST_OK);
    assert_string_equal(scenario->cells[1].reason, "wait futex: the kernel has no such thing");
    assert_string_equal(scenario->cells[3].reason,
                        "producer_wait futex: the kernel has no such thing");
    scenario_free(scenario);
}

/* ---- --only ---------------------------------------------------------------------------------- */

static const char filter_text[] =
    "{\"blocks\": [{\"name\": \"a\", \"base\": {\"transport\": \"shm\"}, \"axes\": {\"wait\": "
    "[\"spin\", \"poll:50\", \"poll:100\"], \"slots\": [2, 4], \"placement\": [\"auto\", "
    "\"cpus:0,1\"]}}, {\"name\": \"b\", \"base\": {\"transport\": \"unix\", \"wait\": \"block\", "
    "\"pacing\": \"rate:60\"}}]}";

static void test_filters(void **state)
{
    (void)state;
    static const struct {
        struct scenario_filter filters[2];
        size_t count;
        size_t left; /* 0: an error whose text holds `what` and whose hint holds `hint` */
        const char *what;
        const char *hint;
    } cases[] = {
        {{{"wait", "spin"}}, 1, 4, "", ""},
        {{{"wait", "spin,block"}}, 1, 5, "", ""},
        {{{"wait", "poll"}}, 1, 8, "", ""},
        {{{"wait", "poll:100"}}, 1, 4, "", ""},
        {{{"wait", "poll:0100"}}, 1, 4, "", ""},
        {{{"wait", "poll"}, {"slots", "2"}}, 2, 4, "", ""},
        {{{"placement", "cpus:0:1"}}, 1, 6, "", ""},
        {{{"placement", "cpus"}}, 1, 6, "", ""},
        {{{"pacing", "rate:60.0"}}, 1, 1, "", ""},
        {{{"pacing", "rate"}}, 1, 13, "", ""},
        {{{"block", "b"}}, 1, 1, "", ""},
        {{{"transport", "shm"}, {"block", "b"}}, 2, 0, "no cell of only passes", "--dry-run"},
        {{{"wiat", "spin"}},
         1,
         0,
         "--only: unknown axis \"wiat\"",
         "did you mean \"wait\"? `handoff list axes` shows all"},
        {{{"wait", "futex"}},
         1,
         0,
         "no cell of only has \"futex\"",
         "its cells have: spin, poll:50, poll:100, block"},
        {{{"wait", "spin,"}}, 1, 0, "no cell of only has \"\"", "its cells have"},
        {{{"wait", "spi"}}, 1, 0, "no cell of only has \"spi\"", "its cells have"},
        {{{"wait", "poll:10"}}, 1, 0, "no cell of only has \"poll:10\"", "its cells have"},
        {{{"slots", ""}}, 1, 0, "no cell of only has \"\"", "its cells have: 2, 4"},
        {{{"block", "c"}}, 1, 0, "no cell of only has \"c\"", "its cells have: a, b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scenario *scenario = NULL;
        struct err err = {.what = "", .hint = ""};
        assert_int_equal(
            scenario_parse("only.json", filter_text, strlen(filter_text), &scenario, &err), ST_OK);
        assert_int_equal(scenario->cell_count, 13);
        enum status status = scenario_filter(scenario, cases[i].filters, cases[i].count, &err);
        assert_int_equal(status, cases[i].left ? ST_OK : ST_INVALID);
        assert_int_equal(scenario->cell_count, cases[i].left ? cases[i].left : 13);
        if (!strstr(err.what, cases[i].what) || !strstr(err.hint, cases[i].hint))
            fail_msg("case %zu: %s (hint: %s)", i, err.what, err.hint);
        scenario_free(scenario);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_unreadable_file),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_base_is_overridden),
        cmocka_unit_test(test_ids_and_values),
        cmocka_unit_test(test_ids_of_surroundings),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_id_too_long),
        cmocka_unit_test(test_rates_come_back),
        cmocka_unit_test(test_equal_cells_are_kept_once),
        cmocka_unit_test(test_ways_that_do_not_apply),
        cmocka_unit_test(test_pacings_that_do_not_apply),
        cmocka_unit_test(test_schedulings_that_do_not_apply),
        cmocka_unit_test(test_kernel_geometry),
        cmocka_unit_test(test_probes_once),
        cmocka_unit_test(test_producer_wait_is_probed),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
