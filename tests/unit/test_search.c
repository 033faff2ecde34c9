/* test_search.c: the bisection of pacing search, with made-up sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/run/search_launch.h"
#include "tests/support/random_input.h"

/* A machine that keeps rates up to a limit. */
struct machine {
    double limit_hz;
    double noise;         /* the limit varies by up to this factor from step to step */
    double breaks_at_hz;  /* a role dies from this rate to twice it; 0: never */
    uint32_t fails_after; /* the runner itself fails after so many steps; 0: never */
    uint32_t tried;
};

static double random_unit(void)
{
    return (double)(random_u64() >> 11) * 0x1p-53;
}

static enum status try_machine(void *context, struct search_step *step, struct err *err)
{
    struct machine *machine = context;
    machine->tried++;
    if (machine->fails_after && machine->tried > machine->fails_after)
        return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
    double limit_hz = machine->limit_hz * pow(machine->noise, 2.0 * random_unit() - 1.0);
    step->verdict = step->rate_hz <= limit_hz ? SEARCH_PASSED : SEARCH_MISSED;
    if (machine->breaks_at_hz > 0.0 && step->rate_hz >= machine->breaks_at_hz &&
        step->rate_hz < 2 * machine->breaks_at_hz)
        step->verdict = SEARCH_BROKEN;
    step->p99_ns = 1e9 / step->rate_hz;
    return ST_OK;
}

static struct search range_of(double low_hz, double high_hz)
{
    struct cell cell = {.pacing = PACING_SEARCH,
                        .search = {.response_p99_ns = 1000, .low_hz = low_hz, .high_hz = high_hz}};
    struct search search = search_of_cell(&cell);
    assert_true(search.low_hz == low_hz && search.high_hz == high_hz && search.bound_ns == 1000);
    return search;
}

static uint32_t steps_max(const struct search *search)
{
    struct cell cell = {.pacing = PACING_SEARCH,
                        .search = {.low_hz = search->low_hz, .high_hz = search->high_hz}};
    return search_steps_max(&cell);
}

static struct search run(struct machine *machine, double low_hz, double high_hz)
{
    struct err err = {.what = ""};
    struct search search = range_of(low_hz, high_hz);
    machine->noise = machine->noise > 0.0 ? machine->noise : 1.0;
    if (search_run(&search, try_machine, machine, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_true(search.step_count <= SEARCH_STEPS_MAX && search.step_count <= steps_max(&search));
    assert_true(search.steps[0].rate_hz == low_hz);
    return search;
}

/* The highest of the steps that passed, for which every answer must stand. */
static double highest_passed(const struct search *search)
{
    double highest_hz = 0.0;
    for (uint32_t i = 0; i < search->step_count; i++)
        if (search->steps[i].verdict == SEARCH_PASSED)
            highest_hz = fmax(highest_hz, search->steps[i].rate_hz);
    return highest_hz;
}

static void the_limit_is_found_within_five_percent(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        double low_hz = 0.1 * pow(10.0, 5.0 * random_unit());
        double high_hz = low_hz * pow(1e7, 0.001 + 0.999 * random_unit());
        struct machine machine = {.limit_hz = low_hz * pow(high_hz / low_hz, random_unit())};
        struct search search = run(&machine, low_hz, high_hz);
        assert_true(search.rate_hz <= machine.limit_hz);
        assert_true(search.rate_hz * SEARCH_RATIO > machine.limit_hz);
        assert_true(search.rate_hz == highest_passed(&search));
        assert_false(search_is_at_least(&search));
        assert_int_equal(search.step_count, machine.tried);
    }
}

static void a_noisy_limit_is_found_within_its_noise(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct machine machine = {.limit_hz = 100.0 * pow(10.0, 2.0 * random_unit()), .noise = 1.2};
        struct search search = run(&machine, 10, 1e5);
        assert_true(search.rate_hz <= machine.limit_hz * 1.2);
        assert_true(search.rate_hz * SEARCH_RATIO > machine.limit_hz / 1.2);
        assert_true(search.rate_hz == highest_passed(&search));
    }
}

static void all_that_pass_say_at_least(void **state)
{
    (void)state;
    struct machine machine = {.limit_hz = 1e9};
    struct search search = run(&machine, 30, 5000);
    assert_int_equal(search.step_count, 2);
    assert_true(search.rate_hz == 5000 && search_is_at_least(&search));
}

static void none_that_passes_is_told_at_once(void **state)
{
    (void)state;
    struct machine machine = {.limit_hz = 29.9};
    struct search search = run(&machine, 30, 5000);
    assert_int_equal(search.step_count, 1);
    assert_true(search.rate_hz == 0.0);
}

static void what_breaks_ends_the_search(void **state)
{
    (void)state;
    static const double breaks_hz[] = {25, 3000, 300};
    static const uint32_t steps[] = {1, 2, 3};
    for (int i = 0; i < 3; i++) {
        struct machine machine = {.limit_hz = 100, .breaks_at_hz = breaks_hz[i]};
        struct search search = run(&machine, 30, 5000);
        assert_int_equal(search.step_count, steps[i]);
        assert_int_equal(search.steps[search.step_count - 1].verdict, SEARCH_BROKEN);
    }
    for (uint32_t after = 1; after < 5; after++) {
        struct err err = {.what = ""};
        struct machine machine = {.limit_hz = 100, .noise = 1, .fails_after = after};
        struct search search = range_of(30, 5000);
        assert_int_equal(search_run(&search, try_machine, &machine, &err), ST_INTERRUPTED);
        assert_string_equal(err.what, "interrupted");
        assert_int_equal(search.step_count, after);
    }
}

static void a_step_has_frames_for_its_p99(void **state)
{
    (void)state;
    struct cell cell = {.pacing = PACING_SEARCH, .search = {.low_hz = 10, .high_hz = 1e6}};
    assert_int_equal(search_step_frames(&cell, 1.5, 10), SEARCH_FRAMES_MIN);
    assert_int_equal(search_step_frames(&cell, 1.5, 1000), 1500);
    assert_int_equal(search_step_frames(&cell, 1.5, 1e6), SEARCH_FRAMES_MAX);
    cell.frames = 700;
    assert_int_equal(search_step_frames(&cell, 1.5, 1e6), 700);
    cell.frames = 7;
    assert_int_equal(search_step_frames(&cell, 1.5, 1e6), SEARCH_FRAMES_MIN);
    /* 420 frames at 10 Hz, at 1 MHz, and the steps between at 3162 Hz. */
    double seconds = 42 + 420e-6 + (search_steps_max(&cell) - 2) * 420 / sqrt(1e7);
    assert_true(fabs((double)search_expected_ns(&cell, 1, 20) * 1e-9 - seconds) < 1e-3);
    cell.pacing = PACING_RATE;
    assert_int_equal(search_steps_max(&cell), 1);
}

/* 1000 frames, of which the slowest `slow` took 2 ms and the others 1 us. */
static struct search_step judge(uint64_t slow, uint64_t lost, uint64_t skipped_in_warmup)
{
    struct search_step step = {.rate_hz = 60, .p99_ns = NAN, .verdict = SEARCH_BROKEN};
    struct fold *fold = fold_new();
    hdr_record_count(fold->intervals[INTERVAL_response], 1000, 1000 - slow - lost);
    hdr_record_count(fold->intervals[INTERVAL_response], 2000000, slow);
    fold->infinite[INTERVAL_response] = lost;
    fold->sent_frames = 1000;
    fold->finished_frames = 1000 - lost;
    fold->integrity.skipped = lost + skipped_in_warmup;
    search_judge(fold, 1500000, &step);
    fold_free(fold);
    return step;
}

static void a_step_passes_under_its_bound_without_a_drop(void **state)
{
    (void)state;
    struct search_step step = judge(5, 0, 0);
    assert_int_equal(step.verdict, SEARCH_PASSED);
    assert_true(step.p99_ns == 1000 && step.dropped == 0 && !step.reason[0]);
    step = judge(50, 0, 0);
    assert_int_equal(step.verdict, SEARCH_MISSED);
    assert_true(fabs(step.p99_ns - 2e6) < 2e3);
    assert_non_null(strstr(step.reason, "above the bound of 1500 us"));
    /* One frame in a thousand does not move the p99, and was dropped all the same. */
    step = judge(0, 1, 0);
    assert_int_equal(step.verdict, SEARCH_MISSED);
    assert_true(step.p99_ns == 1000 && step.dropped == 1);
    assert_string_equal(step.reason, "1 of 1000 frames were dropped");
    assert_int_equal(judge(0, 0, 2).verdict, SEARCH_MISSED);
    assert_true(isinf(judge(0, 50, 0).p99_ns));
    /* Too few for a p99: nothing that could be under the bound. */
    struct fold *few = fold_new();
    hdr_record_count(few->intervals[INTERVAL_response], 1000, 300);
    few->sent_frames = few->finished_frames = 300;
    step.p99_ns = NAN;
    search_judge(few, 1500000, &step);
    assert_int_equal(step.verdict, SEARCH_MISSED);
    fold_free(few);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_found_within_five_percent),
        cmocka_unit_test(a_noisy_limit_is_found_within_its_noise),
        cmocka_unit_test(all_that_pass_say_at_least),
        cmocka_unit_test(none_that_passes_is_told_at_once),
        cmocka_unit_test(what_breaks_ends_the_search),
        cmocka_unit_test(a_step_has_frames_for_its_p99),
        cmocka_unit_test(a_step_passes_under_its_bound_without_a_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
