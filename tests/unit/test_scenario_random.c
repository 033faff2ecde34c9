/* test_scenario_random.c: random scenarios: the number of cells is the product less what is
 * excluded, counted another way; damaged files are read or refused, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/scenario/scenario.h"
#include "tests/support/random_input.h"

struct random_axis {
    const char *name;
    const char *values[6]; /* as JSON */
    size_t known;
};

static const struct random_axis random_axes[] = {
    {"transport", {"\"shm\"", "\"unix\"", "\"null\""}, 3},
    {"wait", {"\"spin\"", "\"pause\"", "\"poll:100\"", "\"futex\"", "\"block\"", "\"poll:7\""}, 6},
    {"kernel", {"\"none\"", "\"checksum\"", "\"invert\"", "\"preprocess\""}, 4},
    {"fill", {"\"copy\"", "\"in_place\"", "\"header\"", "\"gpu\""}, 4},
    {"frame", {"\"64x64x3\"", "{\"channels\":1,\"width\":7,\"height\":9}", "\"1920x1080x3\""}, 3},
    {"pacing",
     {"\"rate:30\"", "\"pingpong\"", "\"max\"", "{\"rate\":0.5}", "{\"poisson\":30}",
      "{\"search\":{\"response_p99_us\":9}}"},
     6},
    {"slots", {"1", "4", "1024"}, 3},
    {"policy", {"\"block\"", "\"latest\""}, 2},
    {"placement", {"\"auto\"", "\"none\"", "\"cpus:0,1\""}, 3},
    {"producer_wait", {"\"same\"", "\"poll:9\"", "\"spin\""}, 3},
    {"phase", {"\"fixed\"", "\"random\""}, 2},
    {"scheduling", {"\"other\"", "\"fifo:7\""}, 2},
    {"timer_slack_ns", {"\"as_found\"", "50000"}, 2},
    {"idle_latency", {"\"as_found\"", "\"held\""}, 2},
    {"clocks", {"\"as_found\"", "\"locked\""}, 2},
    {"load", {"\"none\"", "\"cpu\"", "\"membw\""}, 3},
    {"sync", {"\"spin\"", "\"yield\"", "\"block\"", "\"event\"", "\"flag\""}, 5},
    {"order", {"\"host\"", "\"event\""}, 2},
    {"depth", {"1", "64"}, 2},
    {"register_per_frame", {"\"off\"", "\"on\""}, 2},
    {"gpu_sharing", {"\"time_sliced\"", "\"mps\""}, 2},
    {"pages", {"\"normal\"", "\"thp\"", "\"hugetlb\""}, 3},
};
#define RANDOM_AXES (sizeof random_axes / sizeof random_axes[0])

/* A random subset of each axis' values, always at least one; bit i is value i. Drawn, rather than
 * thrown away until the product is small enough: no number of axes makes that take long. */
static void random_masks(unsigned *masks, size_t cells_max)
{
    const size_t limit = random_size(cells_max);
    size_t cells = 1;
    for (size_t a = 0; a < RANDOM_AXES; a++)
        masks[a] = 1u << random_below(random_axes[a].known);
    for (size_t i = 0; i < 3 * RANDOM_AXES; i++) {
        const size_t a = (size_t)random_below(RANDOM_AXES);
        const size_t others = cells / (size_t)__builtin_popcount(masks[a]);
        const unsigned more = masks[a] | 1u << random_below(random_axes[a].known);
        const size_t grown = others * (size_t)__builtin_popcount(more);
        if (grown > limit)
            continue;
        masks[a] = more;
        cells = grown;
    }
}

static size_t write_axes(char *text, size_t size, const unsigned *masks)
{
    size_t used = 0;
    const char *comma = "";
    for (size_t a = 0; a < RANDOM_AXES; a++) {
        if (masks[a] == 0)
            continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s\"%s\":[", comma, random_axes[a].name);
        const char *between = "";
        for (size_t v = 0; v < random_axes[a].known; v++) {
            if (!(masks[a] >> v & 1))
                continue;
            used += (size_t)snprintf(text + used, size - used, "%s%s", between,
                                     random_axes[a].values[v]);
            between = ",";
        }
        used += (size_t)snprintf(text + used, size - used, "]");
        comma = ",";
    }
    return used;
}

/* Rules within the product, each of one to three axes, so that each excludes something. */
static size_t random_rules(unsigned (*rules)[RANDOM_AXES], const unsigned *masks)
{
    size_t count = (size_t)random_below(4);
    for (size_t r = 0; r < count; r++) {
        memset(rules[r], 0, sizeof rules[r]);
        for (size_t i = 0; i < 1 + random_below(3); i++) {
            size_t a = (size_t)random_below(RANDOM_AXES);
            while (rules[r][a] == 0)
                rules[r][a] = masks[a] & (unsigned)random_below(1u << random_axes[a].known);
        }
    }
    return count;
}

static unsigned nth_bit(unsigned mask, size_t n)
{
    for (; n > 0; n--)
        mask &= mask - 1;
    return mask & -mask;
}

/* Counts what is left by walking the product another way than matrix.c: as one number. */
static size_t count_left(const unsigned *masks, unsigned (*rules)[RANDOM_AXES], size_t rule_count)
{
    size_t product = 1;
    size_t left = 0;
    for (size_t a = 0; a < RANDOM_AXES; a++)
        product *= (size_t)__builtin_popcount(masks[a]);
    for (size_t number = 0; number < product; number++) {
        size_t rest = number;
        unsigned chosen[RANDOM_AXES];
        bool in = true;
        for (size_t a = 0; a < RANDOM_AXES; a++) {
            chosen[a] = nth_bit(masks[a], rest % (size_t)__builtin_popcount(masks[a]));
            rest /= (size_t)__builtin_popcount(masks[a]);
        }
        for (size_t r = 0; r < rule_count && in; r++) {
            bool matches = true;
            for (size_t a = 0; a < RANDOM_AXES; a++)
                matches = matches && (rules[r][a] == 0 || (rules[r][a] & chosen[a]));
            in = !matches;
        }
        left += in;
    }
    return left;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_unique_ids(const struct scenario *scenario)
{
    const char **ids = calloc(scenario->cell_count, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < scenario->cell_count; i++) {
        ids[i] = scenario->cells[i].id;
        assert_null(strpbrk(ids[i], " ,\t\n"));
    }
    qsort(ids, scenario->cell_count, sizeof *ids, compare_text);
    for (size_t i = 1; i < scenario->cell_count; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
    free(ids);
}

static void test_random_products(void **state)
{
    (void)state;
    static char text[16384];
    size_t expanded = 0;
    for (int round = 0; round < 120; round++) {
        unsigned masks[RANDOM_AXES];
        unsigned rules[4][RANDOM_AXES];
        random_masks(masks, SCENARIO_CELLS_MAX);
        size_t rule_count = random_rules(rules, masks);
        size_t left = count_left(masks, rules, rule_count);
        size_t used =
            (size_t)snprintf(text, sizeof text, "{\"blocks\":[{\"name\":\"r\",\"axes\":{");
        used += write_axes(text + used, sizeof text - used, masks);
        used += (size_t)snprintf(text + used, sizeof text - used, "}");
        for (size_t r = 0; r < rule_count; r++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s{",
                                     r ? "," : ",\"exclude\":[");
            used += write_axes(text + used, sizeof text - used, rules[r]);
            used += (size_t)snprintf(text + used, sizeof text - used, "}");
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s}]}", rule_count ? "]" : "");
        struct scenario *scenario = NULL;
        struct err err;
        enum status status = scenario_parse("random.json", text, used, &scenario, &err);
        if (left == 0) {
            assert_int_equal(status, ST_INVALID);
            assert_non_null(strstr(err.what, "exclude every cell"));
            continue;
        }
        if (status != ST_OK)
            fail_msg("%s in %s", err.what, text);
        assert_int_equal(scenario->cell_count, left);
        check_unique_ids(scenario);
        expanded += left;
        scenario_free(scenario);
    }
    assert_true(expanded > 1000);
}

/* Appends "name":[…] of `count` values made from `format` and 1, 2, … */
static size_t write_list(char *text, const char *name, const char *format, int count)
{
    size_t used = (size_t)sprintf(text, "\"%s\":[", name);
    for (int i = 1; i <= count; i++) {
        used += (size_t)sprintf(text + used, "%s", i > 1 ? "," : "");
        used += (size_t)sprintf(text + used, format, i);
    }
    return used + (size_t)sprintf(text + used, "],");
}

/* A product of exactly 2^64 cells: 0, to who multiplies without looking. */
static void test_product_that_wraps(void **state)
{
    (void)state;
    char *text = malloc(1 << 20);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "{\"blocks\":[{\"name\":\"a\",\"axes\":{");
    used += write_list(text + used, "wait", "\"poll:%d\"", 4096);
    used += write_list(text + used, "pacing", "\"rate:%d\"", 4096);
    used += write_list(text + used, "frame", "\"%dx1x1\"", 4096);
    used += write_list(text + used, "placement", "\"cpus:%d,0\"", 4096);
    used += write_list(text + used, "slots", "%d", 1024);
    used += (size_t)sprintf(text + used,
                            "\"kernel\":[\"none\",\"checksum\",\"invert\",\"preprocess\"],"
                            "\"transport\":[\"shm\",\"unix\"],"
                            "\"fill\":[\"copy\",\"header\"],\"policy\":[\"block\",\"latest\"],"
                            "\"frame_state\":[\"as_left\",\"cached\"]}}]}");
    struct scenario *scenario = NULL;
    struct err err;
    assert_int_equal(scenario_parse("wraps.json", text, used, &scenario, &err), ST_INVALID);
    assert_non_null(strstr(err.what, "wraps.json: blocks[0]: the axes multiply to more than"));
    free(text);
}

/* Any prefix of a file, and any file with one byte changed, is read or refused; nothing else. */
static void test_damaged_files(void **state)
{
    (void)state;
    static const char good[] =
        "{\"name\": \"x\", \"blocks\": [{\"name\": \"b\", \"cpu_baseline\": true, \"claim\": "
        "{\"id\": \"c\", \"says\": \"s\", \"where\": \"w\", \"figure\": \"age.p50\", \"low_us\": "
        "1.5, \"high_ns\": 2000}, \"base\": {\"transport\": \"null\", \"wait\": \"poll:9\", "
        "\"producer_wait\": \"yield\", \"phase\": \"fixed\", \"scheduling\": \"fifo:9\", "
        "\"timer_slack_ns\": \"as_found\", \"idle_latency\": \"held\", \"load\": \"cpu\", "
        "\"fill\": "
        "\"header\", \"kernel\": \"none\"}, \"axes\": {\"pacing\": [\"poisson:9\", {\"search\": "
        "{\"response_p99_us\": 500, \"from\": 1}}]}}, {\"name\": \"a\", \"compare\": \"wait\", "
        "\"axes\": "
        "{\"transport\": \"shm\", \"wait\": [\"spin\", \"poll:100\"], \"frame\": {\"width\": 8, "
        "\"height\": 8, \"channels\": 1}, \"pacing\": {\"rate\": 60}}, \"exclude\": "
        "[{\"wait\": [\"spin\"], \"pacing\": \"rate:60\"}]}]}";
    size_t read = 0;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        size_t bytes = sizeof good - 1;
        if (i < (int)bytes)
            text[bytes = (size_t)i] = '\0';
        else
            for (uint64_t edits = 1 + random_below(3); edits > 0; edits--)
                text[random_below(bytes)] = (char)random_u64();
        struct scenario *scenario = NULL;
        struct err err = {.what = "", .hint = ""};
        enum status status = scenario_parse("damaged.json", text, bytes, &scenario, &err);
        if (status == ST_OK) {
            read++;
            assert_true(scenario->cell_count > 0);
            scenario_free(scenario);
            continue;
        }
        assert_int_equal(status, ST_INVALID);
        assert_null(scenario);
        assert_true(strncmp(err.what, "damaged.json:", 13) == 0);
        assert_true(err.hint[0] != '\0');
    }
    assert_true(read > 0); /* edits in a name do no harm: the test sees both ways */
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_products),
        cmocka_unit_test(test_product_that_wraps),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
