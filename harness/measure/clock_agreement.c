/* clock_agreement.c: whether all CPUs show the same counter. See clock_counter.h. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock_counter.h"

/* Time for all pairs together, and for one; round trips that make a comparison, and that end it. */
#define AGREEMENT_NS 100000000
#define AGREEMENT_PAIR_NS 10000000
#define AGREEMENT_TRIPS_MIN 100
#define AGREEMENT_TRIPS_MAX 5000
/* For all, when threads do not get their CPUs. */
#define AGREEMENT_GIVE_UP_NS 2000000000u
#define AGREEMENT_LOADS_PER_LOOK 1000

/* One direction: a reading, and the number of the round trip that says it is there. */
struct clock_word {
    _Alignas(128) _Atomic uint32_t trip;
    uint64_t reading;
};

struct clock_pairing {
    struct clock_word there;
    struct clock_word back;
    _Alignas(128) _Atomic bool over;
    uint64_t (*read)(void);
    uint64_t give_up_ns;
    struct clock_exchange *exchange;
};

struct clock_comparison {
    uint64_t (*read)(void);
    struct clock_agreement *agreement;
    int sys_errno; /* of a thread that could not be made */
};

/* Spins until the word carries `trip`; false when it is over. On a CPU that others use as well, it
 * lets them. */
static bool clock_word_await(struct clock_pairing *pairing, struct clock_word *word, uint32_t trip)
{
    for (;;) {
        for (int i = 0; i < AGREEMENT_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(&word->trip, memory_order_acquire) == trip)
                return true;
        if (atomic_load_explicit(&pairing->over, memory_order_relaxed) ||
            clock_monotonic_ns() > pairing->give_up_ns)
            return false;
        sched_yield();
    }
}

static void clock_word_send(struct clock_word *word, uint64_t reading, uint32_t trip)
{
    word->reading = reading;
    atomic_store_explicit(&word->trip, trip, memory_order_release);
}

/* The other CPU: answers each reading with its own. */
static void *clock_pairing_answer(void *argument)
{
    struct clock_pairing *pairing = argument;
    struct clock_exchange *exchange = pairing->exchange;
    for (uint32_t trip = 1; clock_word_await(pairing, &pairing->there, trip); trip++) {
        uint64_t reading = pairing->read();
        int64_t later = (int64_t)(reading - pairing->there.reading);
        if (trip == 1 || later < exchange->there_ticks)
            exchange->there_ticks = later;
        clock_word_send(&pairing->back, reading, trip);
    }
    return NULL;
}

/* The first CPU: sends readings until `until_ns`, or longer until there are enough. Returns their
 * number, 0 when it came to nothing. */
static uint32_t clock_pairing_ask(struct clock_pairing *pairing, uint64_t until_ns)
{
    int64_t least = INT64_MAX;
    uint32_t trip = 0;
    while (trip < AGREEMENT_TRIPS_MAX &&
           (trip < AGREEMENT_TRIPS_MIN || trip % 64 != 0 || clock_monotonic_ns() < until_ns)) {
        clock_word_send(&pairing->there, pairing->read(), ++trip);
        if (!clock_word_await(pairing, &pairing->back, trip)) {
            trip = 0;
            break;
        }
        int64_t later = (int64_t)(pairing->read() - pairing->back.reading);
        least = later < least ? later : least;
    }
    atomic_store_explicit(&pairing->over, true, memory_order_relaxed);
    pairing->exchange->back_ticks = least;
    return trip;
}

/* A thread that runs on this CPU from its first instruction. */
static int clock_thread_start(pthread_t *thread, int cpu, void *(*body)(void *), void *argument)
{
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    const size_t set_bytes = CPU_ALLOC_SIZE(cpu + 1);
    pthread_attr_t attributes;
    if (!set)
        return ENOMEM;
    CPU_ZERO_S(set_bytes, set);
    CPU_SET_S(cpu, set_bytes, set);
    int failed = pthread_attr_init(&attributes);
    if (failed == 0) {
        failed = pthread_attr_setaffinity_np(&attributes, set_bytes, set);
        if (failed == 0)
            failed = pthread_create(thread, &attributes, body, argument);
        pthread_attr_destroy(&attributes);
    }
    CPU_FREE(set);
    return failed;
}

/* On the first CPU: compares it with each of the others. */
static void *clock_comparison_run(void *argument)
{
    struct clock_comparison *comparison = argument;
    struct clock_agreement *agreement = comparison->agreement;
    const uint64_t give_up_ns = clock_monotonic_ns() + AGREEMENT_GIVE_UP_NS;
    uint64_t budget_ns = AGREEMENT_NS / agreement->count;
    if (budget_ns > AGREEMENT_PAIR_NS)
        budget_ns = AGREEMENT_PAIR_NS;
    for (size_t i = 0; i < agreement->count; i++) {
        struct clock_pairing pairing = {.read = comparison->read,
                                        .give_up_ns = give_up_ns,
                                        .exchange = &agreement->exchanges[i]};
        pthread_t other;
        comparison->sys_errno =
            clock_thread_start(&other, pairing.exchange->cpu, clock_pairing_answer, &pairing);
        if (comparison->sys_errno != 0)
            break;
        uint32_t trips = clock_pairing_ask(&pairing, clock_monotonic_ns() + budget_ns);
        pthread_join(other, NULL);
        pairing.exchange->round_trips = trips;
    }
    return NULL;
}

/* The CPUs the calling thread may use, as *agreement; exchanges still empty. */
static enum status clock_agreement_cpus(struct clock_agreement *agreement, struct err *err)
{
    /* A set smaller than the kernel's is refused, so it grows until it fits. */
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        const size_t set_bytes = CPU_ALLOC_SIZE(cpus);
        struct clock_exchange *exchanges = NULL;
        if (!set)
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a set of CPUs");
        if (sched_getaffinity(0, set_bytes, set) != 0) {
            int saved = errno;
            CPU_FREE(set);
            if (saved == EINVAL)
                continue;
            return err_set_errno(err, saved, NULL, "cannot read which CPUs may be used");
        }
        size_t count = (size_t)CPU_COUNT_S(set_bytes, set);
        exchanges = calloc(count, sizeof *exchanges);
        size_t found = 0;
        for (int cpu = 0; exchanges && cpu < cpus && found < count; cpu++)
            if (CPU_ISSET_S(cpu, set_bytes, set))
                exchanges[found++].cpu = cpu;
        CPU_FREE(set);
        if (!exchanges)
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a set of CPUs");
        /* The first one is compared with, not compared. */
        agreement->first_cpu = exchanges[0].cpu;
        agreement->count = count - 1;
        memmove(exchanges, exchanges + 1, agreement->count * sizeof *exchanges);
        agreement->exchanges = exchanges;
        return ST_OK;
    }
    return err_set(err, ST_SYSTEM, NULL, "cannot read which CPUs may be used: there are too many");
}

enum status clock_agreement_look(uint64_t (*read)(void), struct clock_agreement *agreement,
                                 struct err *err)
{
    struct clock_agreement seen = {.count = 0};
    struct clock_comparison comparison = {.read = read, .agreement = &seen};
    pthread_t first;
    enum status status = clock_agreement_cpus(&seen, err);
    if (status != ST_OK)
        return status;
    if (seen.count > 0) {
        int failed = clock_thread_start(&first, seen.first_cpu, clock_comparison_run, &comparison);
        if (failed == 0) {
            pthread_join(first, NULL);
            failed = comparison.sys_errno;
        }
        if (failed != 0) {
            free(seen.exchanges);
            return err_set_errno(err, failed, "allow it more threads (ulimit -u)",
                                 "cannot compare the CPUs' counters: no thread");
        }
    }
    *agreement = seen;
    return ST_OK;
}

bool clock_agreement_judge(const struct clock_agreement *agreement, double ns_per_tick,
                           double *bound_ns, char reason[CLOCK_REASON_BYTES])
{
    double largest_ns = 0, second_ns = 0;
    for (size_t i = 0; i < agreement->count; i++) {
        const struct clock_exchange *exchange = &agreement->exchanges[i];
        const bool behind = exchange->there_ticks < 0;
        const int64_t more = exchange->there_ticks > exchange->back_ticks ? exchange->there_ticks
                                                                          : exchange->back_ticks;
        if (exchange->round_trips == 0) {
            snprintf(reason, CLOCK_REASON_BYTES,
                     "CPUs %d and %d were too busy to be compared within %u s",
                     agreement->first_cpu, exchange->cpu, AGREEMENT_GIVE_UP_NS / 1000000000u);
            return false;
        }
        if (behind || exchange->back_ticks < 0) {
            snprintf(reason, CLOCK_REASON_BYTES,
                     "it runs backwards between CPUs: a reading on CPU %d was %.0f ns behind an "
                     "earlier one on CPU %d",
                     behind ? exchange->cpu : agreement->first_cpu,
                     -(double)(behind ? exchange->there_ticks : exchange->back_ticks) * ns_per_tick,
                     behind ? agreement->first_cpu : exchange->cpu);
            return false;
        }
        double apart_ns = (double)more * ns_per_tick;
        if (apart_ns > CLOCK_APART_MAX_NS) {
            snprintf(reason, CLOCK_REASON_BYTES,
                     "CPUs %d and %d may show it %.0f ns apart, and no comparison came closer",
                     agreement->first_cpu, exchange->cpu, apart_ns);
            return false;
        }
        if (apart_ns > largest_ns) {
            second_ns = largest_ns;
            largest_ns = apart_ns;
        } else if (apart_ns > second_ns) {
            second_ns = apart_ns;
        }
    }
    /* Two CPUs that were not compared with each other may be off to different sides. */
    *bound_ns = largest_ns + second_ns;
    return true;
}
