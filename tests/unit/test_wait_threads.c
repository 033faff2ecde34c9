/* test_wait_threads.c: no wait strategy loses a wake-up.
 *
 * Two threads hand a word to and fro, a little late at random moments so that each is met in every
 * phase of its wait: one lost wake-up, and they stand still until the deadline. Each strategy does
 * it alone and then beside all others, where threads are taken off the CPU in the middle of
 * anything. The thread sanitizer runs this, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

/* In place of the library's: a nap that ends by itself would hide a lost wake-up. */
#define CONDVAR_NAP_NS 3600000000000u
#include "harness/wait/condvar.c"

#include "tests/support/random_input.h"
#include "tests/support/wait_fixture.h"

/* A pair stops after so many hand-offs or so much time, whichever is first: where the CPUs go idle
 * a single wake-up can take 50 us. */
#define HANDOFFS 200000u
#define ALONE_NS (600ull * MILLISECOND_NS)
#define TOGETHER_NS (3000ull * MILLISECOND_NS)

/* Longer than any scheduler keeps a thread from running. */
#define STUCK_NS (20ull * 1000 * MILLISECOND_NS)

/* The word wraps around on the way. */
#define FIRST ((uint32_t)-1000 * DOORBELL_STEP)

struct stress {
    struct wait_edge edge;
    uint64_t until_ns;
    uint64_t seed;
    pthread_t threads[2];
    struct stress_side {
        struct stress *stress;
        unsigned side;
        enum status status;
        uint32_t done;
    } sides[2];
};

static void stress_linger(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    for (volatile unsigned spin = *random >> 58 == 0 ? 2000 : *random >> 60; spin; spin--)
        continue;
}

/* Rings bell `side` and waits for the other one. */
static void *stress_run(void *argument)
{
    struct stress_side *me = argument;
    struct stress *stress = me->stress;
    const struct wait_strategy *wait = stress->edge.wait;
    struct wait_source mine = word_source(&stress->edge.bells[1 - me->side]);
    struct wait_source theirs = word_source(&stress->edge.bells[me->side]);
    struct wait_state idle = wait_edge_open(&stress->edge, 1 - me->side);
    struct wait_state notify = wait_edge_open(&stress->edge, me->side);
    uint64_t random = stress->seed + me->side;
    bool over = false;
    for (me->done = 0; !over && me->status == ST_OK; me->done++)
        for (unsigned turn = 0; turn < 2 && !over && me->status == ST_OK; turn++) {
            uint32_t seen = FIRST + me->done * DOORBELL_STEP;
            if (turn == me->side) {
                stress_linger(&random);
                /* Side 0 decides that it is over, and tells by the word's lowest bit. */
                over = turn == 0 && (me->done == HANDOFFS || clock_now_ns() > stress->until_ns);
                /* A plain store, as the ring's: no hidden barrier helps the strategy. */
                atomic_store_explicit(&theirs.bell->word,
                                      seen + (over ? DOORBELL_CLOSED : DOORBELL_STEP),
                                      memory_order_release);
                wait->notify(&notify, &theirs);
            } else {
                uint64_t stuck_ns = clock_now_ns() + STUCK_NS;
                me->status = wait->idle(&idle, &mine, seen, stuck_ns);
                uint32_t now = atomic_load_explicit(&mine.bell->word, memory_order_acquire);
                if (me->status == ST_OK && now == seen)
                    me->status = ST_CORRUPT; /* an early return */
                if (me->status == ST_OK && clock_now_ns() > stuck_ns)
                    me->status = ST_TIMEOUT; /* it looked once more at its deadline */
                over = now & DOORBELL_CLOSED;
            }
        }
    wait->close(&idle);
    wait->close(&notify);
    return NULL;
}

static struct stress *stress_start(const struct wait_strategy *wait, uint64_t duration_ns)
{
    struct stress *stress = calloc(1, sizeof *stress);
    assert_non_null(stress);
    stress->edge = wait_edge_make(wait);
    stress->until_ns = clock_now_ns() + duration_ns;
    stress->seed = random_u64();
    for (int bell = 0; bell < 2; bell++)
        atomic_store(&stress->edge.bells[bell].word, FIRST);
    for (unsigned side = 0; side < 2; side++) {
        stress->sides[side] = (struct stress_side){stress, side, ST_OK, 0};
        assert_int_equal(
            pthread_create(&stress->threads[side], NULL, stress_run, &stress->sides[side]), 0);
    }
    return stress;
}

static void stress_end(struct stress *stress)
{
    for (int side = 0; side < 2; side++)
        pthread_join(stress->threads[side], NULL);
    for (int side = 0; side < 2; side++) {
        const struct stress_side *ended = &stress->sides[side];
        if (ended->status != ST_OK)
            fail_msg("%s: %s after %u hand-offs on side %d", stress->edge.wait->name,
                     status_name(ended->status), ended->done, side);
        assert_int_equal(atomic_load(&stress->edge.bells[side].sleepers), 0);
    }
    printf("%s: %u hand-offs there and back\n", stress->edge.wait->name, stress->sides[0].done);
    wait_edge_close(&stress->edge);
    free(stress);
}

static void none_is_lost_alone(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    stress_end(stress_start(wait, wait->sleeps ? ALONE_NS : ALONE_NS / 10));
}

/* Without those that do not sleep: they would only hold the others up. */
static void none_is_lost_together(void **unused)
{
    struct stress *running[32];
    size_t count = 0;
    WAIT_EACH_ON_WORDS(wait)
    if (wait->sleeps)
        running[count++] = stress_start(wait, TOGETHER_NS);
    for (size_t i = 0; i < count; i++)
        stress_end(running[i]);
}

/* ---- The gate -------------------------------------------------------------------------------- */

/* Both threads leave a barrier at once, one to wait and one to ring, a few instructions apart: the
 * moment at which a gate that does not order the word and the count of sleepers loses the
 * wake-up. */
struct race {
    struct wait_edge edge;
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t arrived;
    _Atomic bool over;
    uint32_t rounds;
    uint64_t seed;
};

static bool race_meet(struct race *race, uint32_t round)
{
    atomic_fetch_add(&race->arrived, 1);
    for (unsigned looks = 1; atomic_load(&race->arrived) < 2 * (round + 1); looks++)
        if (looks % 1000 == 0)
            sched_yield();
    return !atomic_load(&race->over);
}

/* Up to some 100 ns. */
static void race_dally(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    for (volatile unsigned spin = (unsigned)(*random >> 58); spin; spin--)
        continue;
}

static void *race_ring(void *argument)
{
    struct race *race = argument;
    struct wait_state notify = wait_edge_open(&race->edge, 0);
    struct wait_source source = word_source(&race->edge.bells[0]);
    uint64_t random = race->seed;
    for (uint32_t round = 0; race_meet(race, round); round++) {
        race_dally(&random);
        atomic_store_explicit(&source.bell->word, (round + 1) * DOORBELL_STEP,
                              memory_order_release);
        race->edge.wait->notify(&notify, &source);
    }
    race->edge.wait->close(&notify);
    return NULL;
}

static void check_gate(const struct wait_strategy *wait)
{
    static struct race race;
    race = (struct race){.edge = wait_edge_make(wait), .seed = random_u64()};
    struct wait_state idle = wait_edge_open(&race.edge, 0);
    struct wait_source source = word_source(&race.edge.bells[0]);
    uint64_t random = ~race.seed, until_ns = clock_now_ns() + ALONE_NS / 2;
    pthread_t ringer;
    assert_int_equal(pthread_create(&ringer, NULL, race_ring, &race), 0);
    while (race_meet(&race, race.rounds)) {
        race_dally(&random);
        uint64_t stuck_ns = clock_now_ns() + STUCK_NS / 4;
        enum status status = wait->idle(&idle, &source, race.rounds * DOORBELL_STEP, stuck_ns);
        if (status != ST_OK || clock_now_ns() > stuck_ns)
            fail_msg("%s: no wake-up in round %u", wait->name, race.rounds);
        race.rounds++;
        if (race.rounds == HANDOFFS || clock_now_ns() > until_ns)
            atomic_store(&race.over, true);
    }
    pthread_join(ringer, NULL);
    printf("%s: %u races between going to sleep and waking\n", wait->name, race.rounds);
    wait->close(&idle);
    wait_edge_close(&race.edge);
}

static void none_is_lost_at_the_gate(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    if (wait->sleeps)
        check_gate(wait);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_lost_alone),
        cmocka_unit_test(none_is_lost_together),
        cmocka_unit_test(none_is_lost_at_the_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
