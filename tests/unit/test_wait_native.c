/* test_wait_native.c: wait `native` with a library that the test plays: the deadline is kept
 * whatever the library's call does, news and errors are passed on, and the role's loop ends as with
 * any wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/run/wait_loop.h"
#include "tests/support/wait_fixture.h"

#define ANSWERS_MAX 8

/* The library's blocking call: what it says each time, and the last answer from then on. */
struct endpoint {
    struct {
        enum status status;
        uint32_t sleep_us; /* 0: until the timeout */
    } answers[ANSWERS_MAX];
    size_t answer_count;
    uint64_t calls;
    int shortest_ms, longest_ms;
    /* The verbs: ST_AGAIN until so many calls have returned, then this. */
    uint64_t calls_before;
    enum status then;
    uint64_t tries;
    bool stamped;        /* each try takes a while */
    uint64_t parts_from; /* 0: never; from this try on, part of the frame has come */
    uint64_t began_ns[ANSWERS_MAX], ended_ns[ANSWERS_MAX]; /* of each try */
};

static enum status fake_wait(void *self, int timeout_ms)
{
    struct endpoint *fake = self;
    size_t i = fake->calls < fake->answer_count ? fake->calls : fake->answer_count - 1;
    uint64_t us =
        fake->answers[i].sleep_us ? fake->answers[i].sleep_us : (uint64_t)timeout_ms * 1000;
    assert_true(timeout_ms >= 1);
    fake->shortest_ms =
        fake->calls && fake->shortest_ms < timeout_ms ? fake->shortest_ms : timeout_ms;
    fake->longest_ms = fake->longest_ms > timeout_ms ? fake->longest_ms : timeout_ms;
    fake->calls++;
    clock_sleep_until_ns(clock_now_ns() + us * 1000);
    return fake->answers[i].status;
}

static struct wait_source native_source(struct endpoint *fake)
{
    return (struct wait_source){
        .kind = SOURCE_NATIVE, .fd = -1, .native_wait = fake_wait, .native_self = fake};
}

/* One wait with `fake`, and how long it took. */
static enum status idle(struct endpoint *fake, uint64_t for_ns, uint64_t *took_ns)
{
    const struct wait_strategy *native = wait_find("native");
    struct wait_state state = wait_open_with(native, -1);
    struct wait_source source = native_source(fake);
    uint64_t began_ns = clock_now_ns();
    enum status status = native->idle(&state, &source, 0, began_ns + for_ns);
    *took_ns = clock_now_ns() - began_ns;
    native->notify(&state, &source);
    native->close(&state);
    return status;
}

static void the_deadline_is_kept(void **unused)
{
    /* A call that sleeps its time, one that gives up early each time, and nearly at once. */
    static const uint32_t sleeps_us[] = {0, 3000, 100};
    for (size_t i = 0; i < sizeof sleeps_us / sizeof sleeps_us[0]; i++) {
        uint64_t took_ns = UINT64_MAX;
        /* Others may have the CPU: it need not be late once in many tries. */
        for (int k = 0; k < 30 && took_ns > 36 * MILLISECOND_NS; k++) {
            struct endpoint fake = {.answers = {{ST_TIMEOUT, sleeps_us[i]}}, .answer_count = 1};
            assert_int_equal(idle(&fake, 30 * MILLISECOND_NS, &took_ns), ST_TIMEOUT);
            assert_true(took_ns >= 30 * MILLISECOND_NS);
            assert_true(fake.calls >= 1 && fake.longest_ms <= 31);
        }
        assert_true(took_ns <= 36 * MILLISECOND_NS);
    }
}

static void a_deadline_in_the_past_is_no_wait(void **unused)
{
    uint64_t took_ns;
    struct endpoint fake = {.answers = {{ST_OK, 1}}, .answer_count = 1};
    assert_int_equal(idle(&fake, 0, &took_ns), ST_TIMEOUT);
    assert_int_equal(fake.calls, 0);
}

static void a_single_call_is_never_long(void **unused)
{
    uint64_t took_ns;
    struct endpoint fake = {.answers = {{ST_TIMEOUT, 10}, {ST_TIMEOUT, 10}, {ST_OK, 10}},
                            .answer_count = 3};
    assert_int_equal(idle(&fake, 1ull << 62, &took_ns), ST_OK);
    assert_int_equal(fake.calls, 3);
    assert_int_equal(fake.longest_ms, 1000);
    assert_int_equal(fake.shortest_ms, 1000);
}

static void news_and_errors_are_passed_on_at_once(void **unused)
{
    static const enum status statuses[] = {ST_OK, ST_SYSTEM, ST_PEER_GONE};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        uint64_t took_ns;
        struct endpoint fake = {.answers = {{statuses[i], 1}}, .answer_count = 1};
        assert_int_equal(idle(&fake, 10000ull * MILLISECOND_NS, &took_ns), statuses[i]);
        assert_int_equal(fake.calls, 1);
        assert_true(took_ns < 5000ull * MILLISECOND_NS);
    }
}

/* ---- In the role's loop ---------------------------------------------------------------------- */

static enum status fake_verb(struct endpoint *fake, struct frame *frame, struct err *err)
{
    const uint64_t try = fake->tries++;
    fake->began_ns[try % ANSWERS_MAX] = clock_now_ns();
    if (fake->parts_from != 0 && try >= fake->parts_from)
        frame->progress_bytes = try;
    while (fake->stamped && clock_now_ns() - fake->began_ns[try % ANSWERS_MAX] < 20000)
        continue;
    fake->ended_ns[try % ANSWERS_MAX] = clock_now_ns();
    return fake->calls < fake->calls_before ? ST_AGAIN : fake->then;
}

static void fake_wait_source(struct endpoint *fake, enum direction direction,
                             struct wait_source *source)
{
    *source = native_source(fake);
}

#define FAKE_TRANSPORT(its_flags)                                                           \
    {                                                                                       \
        .name = "fake", .flags = its_flags, .sources = SOURCE_NATIVE, .reserve = fake_verb, \
        .commit = fake_verb, .acquire = fake_verb, .release = fake_verb,                    \
        .wait_source = fake_wait_source,                                                    \
    }
static const struct transport fake_transport = FAKE_TRANSPORT(0);
static const struct transport fake_mover = FAKE_TRANSPORT(TRANSPORT_MOVES_BYTES);

/* Acquires in a loop with wait native: what it comes to, with the text of the failure. */
static enum status loop_acquire_from(const struct transport *transport, struct endpoint *fake,
                                     uint64_t for_ns, struct wait_loop_stamps *stamps,
                                     struct err *err)
{
    const struct wait_strategy *native = wait_find("native");
    const struct wait_pair pair = {.directions = {{native, 0, -1}, {native, 0, -1}}};
    struct wait_loop loop;
    struct frame frame = {0};
    assert_int_equal(wait_loop_open(&loop, transport, fake, &pair, DIRECTION_READ, err), ST_OK);
    assert_false(loop.notifies);
    loop.deadline_ns = clock_now_ns() + for_ns;
    enum status status = wait_loop_acquire(&loop, &frame, stamps, err);
    assert_true(stamps->seen_ns >= stamps->waiting_ns);
    wait_loop_close(&loop);
    return status;
}

static enum status loop_acquire(struct endpoint *fake, uint64_t for_ns, struct err *err)
{
    struct wait_loop_stamps stamps;
    return loop_acquire_from(&fake_transport, fake, for_ns, &stamps, err);
}

static void the_loop_tries_again_after_each_wait(void **unused)
{
    static const enum status ends[] = {ST_OK, ST_PEER_GONE, ST_CORRUPT};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct err err = {0};
        struct endpoint fake = {.answers = {{ST_OK, 10}},
                                .answer_count = 1,
                                .calls_before =
                                    3, /* the first returns of the wait are for nothing */
                                .then = ends[i]};
        assert_int_equal(loop_acquire(&fake, 10000ull * MILLISECOND_NS, &err), ends[i]);
        assert_int_equal(fake.calls, 3);
        assert_int_equal(fake.tries, 4);
    }
}

/* Without a word, an early return of the wait looks like news. Where a try moves no bytes, only the
 * one that brought the frame tells that it was news; where it does, the frame was seen before its
 * first byte came, however many tries it took from there on. */
static void the_stamps_are_of_the_news(void **unused)
{
    struct err err = {0};
    struct wait_loop_stamps stamps;
    struct endpoint fake = {.answers = {{ST_OK, 10}}, .answer_count = 1, .then = ST_OK};
    fake.stamped = true;
    struct endpoint whole = fake, moved = fake, parts = fake, there = fake;
    whole.calls_before = moved.calls_before = parts.calls_before = 4;
    parts.parts_from = 2;

    assert_int_equal(
        loop_acquire_from(&fake_transport, &whole, 10000 * MILLISECOND_NS, &stamps, &err), ST_OK);
    assert_true(stamps.waiting_ns <= whole.began_ns[0]);
    assert_true(stamps.seen_ns >= whole.ended_ns[4]);

    assert_int_equal(loop_acquire_from(&fake_mover, &moved, 10000 * MILLISECOND_NS, &stamps, &err),
                     ST_OK);
    assert_true(stamps.seen_ns >= moved.ended_ns[3] && stamps.seen_ns <= moved.began_ns[4]);

    assert_int_equal(loop_acquire_from(&fake_mover, &parts, 10000 * MILLISECOND_NS, &stamps, &err),
                     ST_OK);
    assert_int_equal(parts.tries, 5);
    assert_true(stamps.seen_ns >= parts.ended_ns[1] && stamps.seen_ns <= parts.began_ns[2]);

    /* Nothing to wait for. */
    assert_int_equal(
        loop_acquire_from(&fake_transport, &there, 10000 * MILLISECOND_NS, &stamps, &err), ST_OK);
    assert_int_equal(stamps.seen_ns, stamps.waiting_ns);
}

static void the_loop_ends_at_its_deadline(void **unused)
{
    struct err err = {0};
    struct endpoint fake = {
        .answers = {{ST_TIMEOUT, 0}}, .answer_count = 1, .calls_before = UINT64_MAX};
    assert_int_equal(loop_acquire(&fake, 20 * MILLISECOND_NS, &err), ST_TIMEOUT);
    assert_non_null(strstr(err.what, "no frame came before the deadline"));
    /* A library that always sees news, of other things. */
    fake.answers[0].status = ST_OK;
    fake.answers[0].sleep_us = 10;
    assert_int_equal(loop_acquire(&fake, 20 * MILLISECOND_NS, &err), ST_TIMEOUT);
}

static void the_loop_tells_of_a_wait_that_fails(void **unused)
{
    struct err err = {0};
    struct endpoint fake = {
        .answers = {{ST_SYSTEM, 10}}, .answer_count = 1, .calls_before = UINT64_MAX};
    assert_int_equal(loop_acquire(&fake, 10000ull * MILLISECOND_NS, &err), ST_SYSTEM);
    assert_non_null(strstr(err.what, "waiting for a frame failed"));
    assert_int_equal(fake.tries, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deadline_is_kept),
        cmocka_unit_test(a_deadline_in_the_past_is_no_wait),
        cmocka_unit_test(a_single_call_is_never_long),
        cmocka_unit_test(news_and_errors_are_passed_on_at_once),
        cmocka_unit_test(the_loop_tries_again_after_each_wait),
        cmocka_unit_test(the_stamps_are_of_the_news),
        cmocka_unit_test(the_loop_ends_at_its_deadline),
        cmocka_unit_test(the_loop_tells_of_a_wait_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
