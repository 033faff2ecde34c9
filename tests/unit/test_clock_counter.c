/* test_clock_counter.c: the counter as a clock: its arithmetic, that it is one clock on all CPUs
 * and close to CLOCK_MONOTONIC, and that a counter that is none is refused with the reason.
 *
 * Parts that need a counter this machine lacks (or an emulator's, that nobody trusts) are skipped;
 * every judgement is tried on made-up observations anywhere.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/clock_choice.h"
#include "tests/support/random_input.h"

static char reason[CLOCK_REASON_BYTES];

/* ---- Arithmetic ---- */

/* a * b >> 32, by schoolbook on 32-bit digits, for products below 2^96. */
static uint64_t oracle_scale(uint64_t a, uint64_t b)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t low = a0 * b0, left = a1 * b0, right = a0 * b1, high = a1 * b1;
    const uint64_t middle = (low >> 32) + (uint32_t)left + (uint32_t)right;
    return (uint32_t)middle + (((middle >> 32) + (left >> 32) + (right >> 32) + high) << 32);
}

static void conversion_keeps_all_bits(void **state)
{
    for (int i = 0; i < 1000000; i++) {
        /* 1 MHz to 10 GHz, up to years of ticks, any base. */
        const double ns_per_tick = 0.1 * pow(10, (double)random_below(4000000) / 1e6);
        const struct clock_conversion conversion = {
            .kind = CLOCK_KIND_COUNTER,
            .counter = random_u64(),
            .ns = random_u64() >> 2,
            .mult = (uint64_t)(ns_per_tick * 4294967296.0),
        };
        const uint64_t ticks = random_u64() >> (8 + random_below(56));
        const uint64_t ns = clock_convert(&conversion, conversion.counter + ticks);
        assert_true(ns == conversion.ns + oracle_scale(ticks, conversion.mult));
        /* And backwards, as on a CPU that is somewhat behind: rounded down, not wrapped. */
        const uint64_t before_ns = clock_convert(&conversion, conversion.counter - ticks);
        const uint64_t less_ns = conversion.ns - before_ns;
        const uint64_t exact_ns = oracle_scale(ticks, conversion.mult);
        assert_true(less_ns == exact_ns || less_ns == exact_ns + 1);
    }
}

static void hours_of_ticks_keep_their_nanoseconds(void **state)
{
    const double frequencies_hz[] = {31.25e6, 24e6, 1e9, 2.5961e9, 5.7e9, 62.5e6, 19.2e6};
    for (size_t i = 0; i < sizeof frequencies_hz / sizeof frequencies_hz[0]; i++)
        for (int k = 0; k < 1000; k++) {
            const struct clock_conversion conversion = {
                .kind = CLOCK_KIND_COUNTER,
                .mult = (uint64_t)(1e9 / frequencies_hz[i] * 4294967296.0 + 0.5)};
            /* Within a launch of an hour and far beyond: what mult is rounded by, and 1 ns. */
            const double seconds = (double)random_below(86400u * 365) + 1;
            const double ticks = floor(seconds * frequencies_hz[i]);
            const long double exact_ns = (long double)ticks * 1e9L / frequencies_hz[i];
            const long double shown_ns = clock_convert(&conversion, (uint64_t)ticks);
            assert_true(fabsl(shown_ns - exact_ns) <= exact_ns * 2e-9L + 1);
        }
}

/* ---- Judgements, on what was never seen ---- */

static struct clock_trust good_trust(void)
{
    return (struct clock_trust){.known = true,
                                .permitted = true,
                                .ordered = true,
                                .invariant = true,
                                .named = "tsc",
                                .source = "tsc"};
}

static void who_trusts_it_decides(void **state)
{
    struct clock_trust trust = good_trust();
    assert_true(clock_trust_judge(&trust, reason));
    assert_string_equal(reason, "");
    strcpy(trust.source, "hpet");
    assert_false(clock_trust_judge(&trust, reason));
    assert_non_null(strstr(reason, "clock source is hpet, not tsc"));
    strcpy(trust.source, "");
    assert_false(clock_trust_judge(&trust, reason));
    assert_non_null(strstr(reason, "unknown"));
    bool *const needed[] = {&trust.known, &trust.permitted, &trust.ordered, &trust.invariant};
    static const char *const words[] = {"this build", "PR_SET_TSC", "rdtscp", "invariant"};
    for (size_t i = 0; i < 4; i++) {
        trust = good_trust();
        *needed[i] = false;
        assert_false(clock_trust_judge(&trust, reason));
        assert_non_null(strstr(reason, words[i]));
    }
}

/* Pairs of a counter with this tick, 16 ms apart, each pair a few ns off as real ones are. */
static void make_pairs(struct clock_pair *pairs, double ns_per_tick)
{
    const uint64_t start = random_u64() >> 8, start_ns = random_u64() >> 8;
    for (int i = 0; i < CLOCK_SPEED_PAIRS; i++) {
        const uint64_t ns = 16000000u * (uint64_t)i + random_below(50000);
        pairs[i] = (struct clock_pair){.counter = start + (uint64_t)((double)ns / ns_per_tick),
                                       .ns = start_ns + ns + random_below(20),
                                       .error_ns = 20};
    }
}

static void its_speed_is_found_with_its_error(void **state)
{
    for (int i = 0; i < 1000; i++) {
        const double ns_per_tick = 0.2 + (double)random_below(1000000) / 1e4;
        struct clock_pair pairs[CLOCK_SPEED_PAIRS];
        struct clock_speed speed = {0};
        make_pairs(pairs, ns_per_tick);
        assert_true(clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason));
        /* 20 ns of 80 ms, and a tick of up to 100 ns. */
        assert_true(fabs(speed.ns_per_tick / ns_per_tick - 1) * 1e6 <= 3);
        assert_true(speed.error_ppm >= fabs(speed.ns_per_tick / ns_per_tick - 1) * 1e6 - 1.5);
        assert_true(speed.error_ppm <= 10);
    }
}

static void a_changing_speed_is_refused(void **state)
{
    struct clock_speed speed;
    for (int i = 0; i < 1000; i++) {
        struct clock_pair pairs[CLOCK_SPEED_PAIRS];
        make_pairs(pairs, 0.385);
        /* From one of the windows on, CLOCK_MONOTONIC is slewed by 200 to 500 ppm, as by
         * adjtime. */
        const int from = 1 + (int)random_below(CLOCK_SPEED_PAIRS - 1);
        const double slew = (200 + (double)random_below(300)) * 1e-6 * (random_below(2) ? 1 : -1);
        for (int k = from; k < CLOCK_SPEED_PAIRS; k++)
            pairs[k].ns += (uint64_t)(int64_t)((double)(pairs[k].ns - pairs[from - 1].ns) * slew);
        bool whole = from == 1; /* all windows alike: a speed like any other */
        assert_int_equal(clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason), whole);
        if (!whole)
            assert_non_null(strstr(reason, "ppm"));
    }
}

static void a_speed_that_cannot_be_known_is_refused(void **state)
{
    struct clock_pair pairs[CLOCK_SPEED_PAIRS];
    struct clock_speed speed;
    make_pairs(pairs, 0.385);
    pairs[0].error_ns = 5000; /* a machine that is never left alone: 5 us of 80 ms */
    assert_false(clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason));
    assert_non_null(strstr(reason, "busy"));
    make_pairs(pairs, 0.385);
    pairs[3].counter = pairs[2].counter;
    assert_false(clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason));
    assert_non_null(strstr(reason, "count up"));
    make_pairs(pairs, 0.0001);
    assert_false(clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason));
    assert_non_null(strstr(reason, "tick"));
}

static void cpus_that_disagree_are_refused(void **state)
{
    struct clock_exchange exchanges[] = {{4, 2000, 130, 170}, {5, 2000, 600, 40}, {9, 150, 90, 80}};
    const struct clock_agreement agreement = {.first_cpu = 2, .count = 3, .exchanges = exchanges};
    double bound_ns = -1;
    assert_true(clock_agreement_judge(&agreement, 0.5, &bound_ns, reason));
    assert_true(fabs(bound_ns - (300 + 85)) < 1e-9); /* CPU 5 and CPU 4, to different sides */
    exchanges[1].back_ticks = -1;
    assert_false(clock_agreement_judge(&agreement, 0.5, &bound_ns, reason));
    assert_non_null(strstr(reason, "a reading on CPU 2 was"));
    assert_non_null(strstr(reason, "earlier one on CPU 5"));
    exchanges[1] = (struct clock_exchange){5, 2000, -2000, 2300};
    assert_false(clock_agreement_judge(&agreement, 0.5, &bound_ns, reason));
    assert_non_null(strstr(reason, "a reading on CPU 5 was 1000 ns"));
    exchanges[1] = (struct clock_exchange){5, 2000, 10, 30000};
    assert_false(clock_agreement_judge(&agreement, 0.5, &bound_ns, reason));
    assert_non_null(strstr(reason, "15000 ns apart"));
    exchanges[1] = (struct clock_exchange){5, 0, 0, 0};
    assert_false(clock_agreement_judge(&agreement, 0.5, &bound_ns, reason));
    assert_non_null(strstr(reason, "too busy"));
    /* One CPU agrees with itself. */
    const struct clock_agreement alone = {.first_cpu = 0};
    assert_true(clock_agreement_judge(&alone, 0.5, &bound_ns, reason));
    assert_true(bound_ns == 0);
}

static void the_cheapest_right_one_wins(void **state)
{
    const enum clock_request any = CLOCK_REQUEST_AUTO, counter = CLOCK_REQUEST_COUNTER;
    assert_int_equal(clock_winner(any, true, 17, 21), CLOCK_KIND_COUNTER);
    assert_int_equal(clock_winner(any, false, 17, 21), CLOCK_KIND_MONOTONIC);
    assert_int_equal(clock_winner(any, true, 20.5, 21), CLOCK_KIND_MONOTONIC);
    assert_int_equal(clock_winner(any, true, 30, 21), CLOCK_KIND_MONOTONIC);
    assert_int_equal(clock_winner(counter, true, 30, 21), CLOCK_KIND_COUNTER);
    assert_int_equal(clock_winner(CLOCK_REQUEST_MONOTONIC, true, 1, 21), CLOCK_KIND_MONOTONIC);
}

/* ---- This machine's ---- */

static uint64_t wrong_ticks; /* by which the second CPU and those after it are behind */

static uint64_t read_wrong(void)
{
    cpu_set_t allowed;
    int first = 0;
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0)
        while (!CPU_ISSET(first, &allowed))
            first++;
    return clock_monotonic_ns() - (sched_getcpu() == first ? 0 : wrong_ticks);
}

/* The exchange itself, on a clock that is right (CLOCK_MONOTONIC) and on one that is not. */
static void a_cpu_that_is_behind_is_found(void **state)
{
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        skip();
    for (int i = 0; i < 3; i++) {
        struct clock_agreement agreement;
        struct err err = {0};
        double bound_ns;
        wrong_ticks = i == 0 ? 0 : 1000000 + random_below(1000000);
        wrong_ticks = i == 2 ? -wrong_ticks : wrong_ticks;
        assert_int_equal(clock_agreement_look(read_wrong, &agreement, &err), ST_OK);
        if (agreement.count == 0) {
            free(agreement.exchanges);
            skip();
        }
        bool agree = clock_agreement_judge(&agreement, 1, &bound_ns, reason);
        if (i == 0)
            assert_null(strstr(reason, "backwards"));
        else
            assert_false(agree);
        for (size_t k = 0; k < agreement.count; k++) {
            const struct clock_exchange *exchange = &agreement.exchanges[k];
            if (exchange->round_trips == 0) /* too busy, which a test cannot help */
                continue;
            assert_int_equal(exchange->there_ticks < 0, i == 1);
            assert_int_equal(exchange->back_ticks < 0, i == 2);
        }
        free(agreement.exchanges);
        reason[0] = 0;
    }
}

/* Makes the counter this process's clock whoever trusts it, or skips. */
static void use_counter(void)
{
    struct clock_trust trust;
    struct clock_pair pairs[CLOCK_SPEED_PAIRS];
    struct clock_speed speed;
    clock_trust_look(&trust);
    if (!trust.known || !trust.permitted || !trust.ordered || !trust.invariant) {
        print_message("no counter: TSC and CNTVCT are not here\n");
        skip();
    }
    bool steady = false;
    for (int look = 0; look < 5 && !steady; look++) {
        clock_speed_look(pairs);
        steady = clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason);
    }
    if (!steady) {
        print_message("no counter: %s\n", reason);
        skip();
    }
    clock_current = (struct clock_conversion){
        .kind = CLOCK_KIND_COUNTER,
        .counter = pairs[CLOCK_SPEED_PAIRS - 1].counter,
        .ns = pairs[CLOCK_SPEED_PAIRS - 1].ns,
        .mult = (uint64_t)(speed.ns_per_tick * 4294967296.0),
    };
}

static int back_to_monotonic(void **state)
{
    clock_current = (struct clock_conversion){.kind = CLOCK_KIND_MONOTONIC};
    return 0;
}

static void the_counter_never_goes_back(void **state)
{
    use_counter();
    uint64_t before_ns = clock_now_ns();
    for (int i = 0; i < 2000000; i++) {
        if (i % 1000 == 0)
            clock_rebase();
        uint64_t now_ns = clock_now_ns();
        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
}

/* What has run apart is waited out, not stepped back. */
static void rebasing_never_steps_back(void **state)
{
    use_counter();
    for (int i = 0; i < 20; i++) {
        clock_current.ns += random_below(2000000);
        const uint64_t before_ns = clock_now_ns();
        clock_rebase();
        assert_true(clock_now_ns() >= before_ns);
    }
    /* A suspended machine is no drift: nobody waits for an hour. */
    clock_current.ns += 3600000000000u;
    clock_rebase();
    assert_true(clock_now_ns() < clock_monotonic_ns() + 1000000);
}

static void it_agrees_with_the_kernels_clock(void **state)
{
    use_counter();
    for (int i = 0; i < 100; i++) {
        clock_rebase();
        /* Stopped at any point in between for however long, it lies between the two. */
        const uint64_t before_ns = clock_monotonic_ns();
        const uint64_t now_ns = clock_now_ns();
        const uint64_t after_ns = clock_monotonic_ns();
        assert_true(now_ns + 100000 > before_ns && now_ns < after_ns + 100000);
    }
}

static void its_sleep_is_never_short(void **state)
{
    use_counter();
    for (int i = 0; i < 20; i++) {
        /* However far the two clocks have run apart. The kernel's is read first and last, so that the
         * test being stopped in between does not make the sleep short. */
        clock_current.ns += random_below(40000000) - 20000000;
        const uint64_t kernel_ns = clock_monotonic_ns(), begin_ns = clock_now_ns();
        const uint64_t when_ns = begin_ns + 1000000 + random_below(3000000);
        clock_sleep_until_ns(when_ns);
        assert_true(clock_now_ns() >= when_ns);
        assert_true(clock_monotonic_ns() - kernel_ns >= when_ns - begin_ns - 100000);
        clock_sleep_until_ns(begin_ns); /* the past */
    }
}

static void another_machines_counter_is_refused(void **state)
{
    use_counter();
    struct err err = {0};
    const struct clock_conversion mine = clock_current;
    back_to_monotonic(state);
    assert_int_equal(clock_apply(&mine, &err), ST_OK);
    assert_memory_equal(&clock_current, &mine, sizeof mine);
    back_to_monotonic(state);
    struct clock_conversion others[] = {mine, mine, mine, mine};
    others[0].ns += 2000000;
    others[1].ns -= 2000000;
    others[2].mult = 0;
    others[3].counter = 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(clock_apply(&others[i], &err), ST_CORRUPT);
        assert_non_null(strstr(err.what, "CLOCK_MONOTONIC"));
        assert_int_equal(clock_current.kind, CLOCK_KIND_MONOTONIC);
    }
}

static void a_choice_says_what_it_saw(void **state)
{
    for (enum clock_request request = CLOCK_REQUEST_AUTO; request <= CLOCK_REQUEST_COUNTER;
         request++) {
        struct clock_choice choice;
        struct err err = {0};
        enum status status = clock_choose(request, &choice, &err);
        if (status != ST_OK) {
            assert_int_equal(request, CLOCK_REQUEST_COUNTER);
            assert_int_equal(status, ST_UNAVAILABLE);
            assert_non_null(strstr(err.what, "--clock counter: "));
            continue;
        }
        const struct clock_candidate *chosen = clock_chosen(&choice);
        assert_int_equal(clock_current.kind, chosen->kind);
        assert_true(chosen->usable && chosen->measured && chosen->quality.read_ns > 0);
        assert_int_equal(choice.candidate_count, request == CLOCK_REQUEST_MONOTONIC ? 1 : 2);
        for (size_t i = 0; i < choice.candidate_count; i++)
            assert_int_equal(choice.candidates[i].usable, choice.candidates[i].reason[0] == 0);
        if (chosen->kind == CLOCK_KIND_COUNTER) {
            assert_true(choice.conversion_error_ppm > 0 && choice.conversion_error_ppm <= 50);
            assert_true(choice.cpus_agree_ns >= 0);
        } else {
            assert_true(choice.conversion_error_ppm == 0 && choice.cpus_agree_ns == 0);
            assert_int_not_equal(request, CLOCK_REQUEST_COUNTER);
        }
    }
}

#define COUNTER_TEST(name) cmocka_unit_test_teardown(name, back_to_monotonic)

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversion_keeps_all_bits),
        cmocka_unit_test(hours_of_ticks_keep_their_nanoseconds),
        cmocka_unit_test(who_trusts_it_decides),
        cmocka_unit_test(its_speed_is_found_with_its_error),
        cmocka_unit_test(a_changing_speed_is_refused),
        cmocka_unit_test(a_speed_that_cannot_be_known_is_refused),
        cmocka_unit_test(cpus_that_disagree_are_refused),
        cmocka_unit_test(the_cheapest_right_one_wins),
        cmocka_unit_test(a_cpu_that_is_behind_is_found),
        COUNTER_TEST(the_counter_never_goes_back),
        COUNTER_TEST(rebasing_never_steps_back),
        COUNTER_TEST(it_agrees_with_the_kernels_clock),
        COUNTER_TEST(its_sleep_is_never_short),
        COUNTER_TEST(another_machines_counter_is_refused),
        COUNTER_TEST(a_choice_says_what_it_saw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
