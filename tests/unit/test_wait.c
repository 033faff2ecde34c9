/* test_wait.c: the wait strategies: deadlines kept, news never missed, no CPU burned by those that
 * sleep, and no early return that the caller could take for news.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"
#include "tests/support/random_input.h"

#define MILLISECOND_NS 1000000u
#define POLL_US 200

static struct wait_state wait_open(const struct wait_strategy *wait)
{
    struct wait_state state;
    struct err err = {0};
    assert_int_equal(wait->probe(&err), ST_OK);
    const struct wait_config config = {wait->parameter == WAIT_PARAMETER_US ? POLL_US : 0, -1};
    assert_int_equal(wait->open(&config, &state, &err), ST_OK);
    return state;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static struct wait_source word_source(struct doorbell *bell)
{
    return (struct wait_source){.kind = SOURCE_WORD, .bell = bell, .fd = -1};
}

static struct wait_source fd_source(int fd)
{
    return (struct wait_source){.kind = SOURCE_FD, .fd = fd, .events = POLLIN};
}

/* How the caller waits for a descriptor: try, idle, try again, and mind the deadline itself. */
static enum status wait_for_byte(const struct wait_strategy *wait, struct wait_state *state,
                                 const struct wait_source *source, uint64_t deadline_ns)
{
    for (;;) {
        uint8_t byte;
        if (recv(source->fd, &byte, 1, MSG_DONTWAIT) == 1)
            return ST_OK;
        enum status status = wait->idle(state, source, 0, deadline_ns);
        if (status != ST_OK)
            return status;
        if (clock_now_ns() >= deadline_ns)
            return ST_TIMEOUT;
    }
}

static void registry_is_whole(void **unused)
{
    assert_int_equal(wait_registry_count, 5);
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        assert_ptr_equal(wait_find(wait->name), wait);
        assert_true(wait->sources != 0);
        wait->close(&(struct wait_state){0});
    }
    assert_null(wait_find("spinn"));
    struct err err;
    struct wait_state state;
    assert_int_equal(wait_find("poll")->open(&(struct wait_config){0, -1}, &state, &err),
                     ST_INVALID);
    assert_int_equal(wait_find("poll")->open(&(struct wait_config){1000001, -1}, &state, &err),
                     ST_INVALID);
    assert_non_null(strstr(err.what, "1000001"));
}

/* Without news: ST_TIMEOUT, not before the deadline, not long after, and cheap where it sleeps. */
static void deadline_is_kept(void **unused)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (size_t i = 0; i < wait_registry_count; i++)
        for (unsigned kind = SOURCE_WORD; kind <= SOURCE_FD; kind <<= 1) {
            const struct wait_strategy *wait = wait_registry[i];
            if (!(wait->sources & kind))
                continue;
            struct doorbell bell = {0};
            uint32_t seen = (uint32_t)random_u64();
            atomic_store(&bell.word, seen);
            struct wait_source source =
                kind == SOURCE_WORD ? word_source(&bell) : fd_source(fds[0]);
            struct wait_state state = wait_open(wait);
            /* The best of three: other processes may hold the CPU. */
            uint64_t late_min_ns = UINT64_MAX, cpu_min_ns = UINT64_MAX;
            for (int k = 0; k < 3; k++) {
                uint64_t cpu_ns = thread_cpu_ns();
                uint64_t deadline_ns = clock_now_ns() + 30 * MILLISECOND_NS;
                enum status status = kind == SOURCE_WORD
                                         ? wait->idle(&state, &source, seen, deadline_ns)
                                         : wait_for_byte(wait, &state, &source, deadline_ns);
                uint64_t now_ns = clock_now_ns();
                cpu_ns = thread_cpu_ns() - cpu_ns;
                assert_int_equal(status, ST_TIMEOUT);
                assert_true(now_ns >= deadline_ns);
                if (now_ns - deadline_ns < late_min_ns)
                    late_min_ns = now_ns - deadline_ns;
                if (cpu_ns < cpu_min_ns)
                    cpu_min_ns = cpu_ns;
            }
            if (late_min_ns > 5 * MILLISECOND_NS ||
                (wait->sleeps && cpu_min_ns > 10 * MILLISECOND_NS))
                fail_msg("%s: %llu ns late, %llu ns of CPU in 30 ms", wait->name,
                         (unsigned long long)late_min_ns, (unsigned long long)cpu_min_ns);
            assert_int_equal(atomic_load(&bell.sleepers), 0);
            /* A deadline in the past is no wait at all. */
            if (kind == SOURCE_WORD)
                assert_int_equal(wait->idle(&state, &source, seen, 1), ST_TIMEOUT);
            wait->close(&state);
        }
    close(fds[0]);
    close(fds[1]);
}

/* News from before the wait: at once, whatever the deadline. */
static void old_news_return_at_once(void **unused)
{
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        if (!(wait->sources & SOURCE_WORD))
            continue;
        struct doorbell bell = {0};
        struct wait_source source = word_source(&bell);
        struct wait_state state = wait_open(wait);
        for (int k = 0; k < 100; k++) {
            uint32_t seen = (uint32_t)random_u64();
            /* Any difference is news: a step, the closed bit, a wrap-around. */
            atomic_store(&bell.word,
                         seen + (k == 0 ? DOORBELL_CLOSED : DOORBELL_STEP * (uint32_t)k));
            assert_int_equal(wait->idle(&state, &source, seen, UINT64_MAX), ST_OK);
        }
        assert_int_equal(atomic_load(&bell.sleepers), 0);
        wait->close(&state);
    }
}

struct ringer {
    const struct wait_strategy *wait;
    struct wait_source source;
    uint64_t delay_ns;
};

static void *ring_once(void *argument)
{
    struct ringer *ringer = argument;
    struct wait_state state = wait_open(ringer->wait);
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    /* Notifying without news must wake nobody for good: the word has not changed. */
    ringer->wait->notify(&state, &ringer->source);
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    atomic_fetch_add_explicit(&ringer->source.bell->word, DOORBELL_STEP, memory_order_release);
    ringer->wait->notify(&state, &ringer->source);
    ringer->wait->close(&state);
    return NULL;
}

/* idle on a word does not return before the word has changed, and does soon after. */
static void news_from_a_thread(void **unused)
{
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        if (!(wait->sources & SOURCE_WORD))
            continue;
        struct wait_state state = wait_open(wait);
        for (int k = 0; k < 20; k++) {
            struct doorbell bell = {0};
            struct ringer ringer = {wait, word_source(&bell), random_below(2 * MILLISECOND_NS)};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, ring_once, &ringer), 0);
            uint64_t deadline_ns = clock_now_ns() + 10000ull * MILLISECOND_NS;
            assert_int_equal(wait->idle(&state, &ringer.source, 0, deadline_ns), ST_OK);
            assert_int_equal(atomic_load(&bell.word), DOORBELL_STEP);
            pthread_join(thread, NULL);
            assert_int_equal(atomic_load(&bell.sleepers), 0);
        }
        wait->close(&state);
    }
}

/* Between processes: a futex that were private would never wake here. */
static void news_from_a_process(void **unused)
{
    struct doorbell *bells =
        mmap(NULL, 2 * sizeof *bells, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(bells != MAP_FAILED);
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        if (!(wait->sources & SOURCE_WORD))
            continue;
        memset(bells, 0, 2 * sizeof *bells);
        enum { ROUNDS = 200 };
        struct wait_state state = wait_open(wait);
        uint64_t deadline_ns = clock_now_ns() + 60000ull * MILLISECOND_NS;
        pid_t child = fork();
        assert_true(child >= 0);
        /* The parent rings bell 0 and waits for bell 1, the child the other way round. */
        struct wait_source mine = word_source(&bells[child == 0 ? 0 : 1]);
        struct wait_source theirs = word_source(&bells[child == 0 ? 1 : 0]);
        for (uint32_t k = 0; k < ROUNDS; k++) {
            for (int turn = 0; turn < 2; turn++)
                if ((turn == 0) == (child > 0)) {
                    atomic_fetch_add(&theirs.bell->word, DOORBELL_STEP);
                    wait->notify(&state, &theirs);
                } else if (wait->idle(&state, &mine, k * DOORBELL_STEP, deadline_ns) != ST_OK) {
                    if (child == 0)
                        _exit(1);
                    fail_msg("%s: no news from the child in round %u", wait->name, k);
                }
        }
        if (child == 0)
            _exit(0);
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, 0);
        wait->close(&state);
    }
    munmap(bells, 2 * sizeof *bells);
}

static void *send_once(void *argument)
{
    struct ringer *ringer = argument;
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    assert_int_equal(send(ringer->source.fd, "x", 1, 0), 1);
    return NULL;
}

static void news_on_a_descriptor(void **unused)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct wait_source source = fd_source(fds[0]);
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        if (!(wait->sources & SOURCE_FD))
            continue;
        struct wait_state state = wait_open(wait);
        for (int k = 0; k < 20; k++) {
            struct ringer ringer = {wait, fd_source(fds[1]), random_below(2 * MILLISECOND_NS)};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, send_once, &ringer), 0);
            uint64_t deadline_ns = k ? clock_now_ns() + 10000ull * MILLISECOND_NS : UINT64_MAX;
            assert_int_equal(wait_for_byte(wait, &state, &source, deadline_ns), ST_OK);
            pthread_join(thread, NULL);
        }
        wait->close(&state);
    }
    /* A peer that hung up is news, too; a descriptor that is none is an error. */
    const struct wait_strategy *block = wait_find("block");
    struct wait_state state = wait_open(block);
    close(fds[1]);
    assert_int_equal(block->idle(&state, &source, 0, UINT64_MAX), ST_OK);
    close(fds[0]);
    assert_int_equal(block->idle(&state, &source, 0, UINT64_MAX), ST_SYSTEM);
    block->close(&state);
}

/* 200,000 hand-offs there and back between two threads that sleep at random moments: one lost
 * wake-up and it stands still until the deadline. */
#define HANDOFFS 200000

struct stress {
    struct doorbell bells[2];
    const struct wait_strategy *wait;
    uint64_t deadline_ns;
    uint64_t seed;
};

static enum status stress_side(struct stress *stress, unsigned side)
{
    struct wait_state state = wait_open(stress->wait);
    struct wait_source mine = word_source(&stress->bells[side]);
    struct wait_source theirs = word_source(&stress->bells[1 - side]);
    uint64_t random = stress->seed + side;
    for (uint32_t k = 0; k < HANDOFFS; k++) {
        for (unsigned turn = 0; turn < 2; turn++)
            if (turn == side) {
                /* Sometimes a little late, so that the other side is in every phase of its wait. */
                random = random * 6364136223846793005u + 1442695040888963407u;
                for (volatile unsigned spin = random >> 58 == 0 ? 2000 : random >> 60; spin; spin--)
                    continue;
                /* A plain store, as the ring's: no hidden barrier helps the strategy. */
                atomic_store_explicit(&theirs.bell->word, (k + 1) * DOORBELL_STEP,
                                      memory_order_release);
                stress->wait->notify(&state, &theirs);
            } else {
                enum status status =
                    stress->wait->idle(&state, &mine, k * DOORBELL_STEP, stress->deadline_ns);
                if (status != ST_OK)
                    return status;
            }
    }
    return ST_OK;
}

static void *stress_thread(void *argument)
{
    return (void *)(uintptr_t)stress_side(argument, 1);
}

static void futex_loses_no_wake_up(void **unused)
{
    static struct stress stress;
    stress = (struct stress){.wait = wait_find("futex"), .seed = random_u64()};
    stress.deadline_ns = clock_now_ns() + 120000ull * MILLISECOND_NS;
    pthread_t thread;
    void *other;
    assert_int_equal(pthread_create(&thread, NULL, stress_thread, &stress), 0);
    assert_int_equal(stress_side(&stress, 0), ST_OK);
    pthread_join(thread, &other);
    assert_int_equal((uintptr_t)other, ST_OK);
    assert_int_equal(atomic_load(&stress.bells[0].sleepers), 0);
    assert_int_equal(atomic_load(&stress.bells[1].sleepers), 0);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_is_whole),       cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(old_news_return_at_once), cmocka_unit_test(news_from_a_thread),
        cmocka_unit_test(news_from_a_process),     cmocka_unit_test(news_on_a_descriptor),
        cmocka_unit_test(futex_loses_no_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
