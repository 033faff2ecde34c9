/* floor_lines.c: a cache line there and back between two CPUs. See floor.h. */
#include <stdlib.h>

#include "harness/base/source.h"
#include "harness/measure/floor_parts.h"
#include "harness/measure/hdr.h"

enum {
    FLOOR_WARMUP = 5000,
    FLOOR_BUNCH = 500, /* round trips that are stamped, and as many that are timed as a whole */
    FLOOR_BUNCHES = 40,
    FLOOR_BUNCHES_MIN = 3, /* that a figure needs, where there is no time for all */
};
/* For one run of tens of milliseconds, on a machine whose CPUs others want too. */
#define FLOOR_LINES_DEADLINE_NS 20000000000u

struct floor_line {
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t word;
    char padding[SHARED_LINE_BYTES - sizeof(uint32_t)];
};

/* One run: side `there` writes odd values, side `back` answers with the next even one. */
struct floor_run {
    struct floor_line lines[2];
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t *there; /* written by the asking side */
    _Atomic uint32_t *back;                              /* written by the answering side */
    uint64_t deadline_ns;
    _Atomic bool stop; /* nobody will answer any more */
    struct hdr *single;
    double bunch_mean_ns[FLOOR_BUNCHES];
    size_t bunches; /* that were answered whole */
};

/* One of the two spins in the same way as floor_await, but inlined: what is measured is a load. */
static inline bool floor_run_await(const struct floor_run *run, const _Atomic uint32_t *word,
                                   uint32_t value)
{
    do {
        for (int i = 0; i < FLOOR_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return true;
    } while (!atomic_load_explicit(&run->stop, memory_order_relaxed) &&
             clock_now_ns() < run->deadline_ns);
    return false;
}

/* One round trip, number n from 0. */
static inline bool floor_ask(struct floor_run *run, uint32_t n)
{
    atomic_store_explicit(run->there, 2 * n + 1, memory_order_release);
    return floor_run_await(run, run->back, 2 * n + 2);
}

/* Stamped ones and a bunch of unstamped ones in turn, so that there are some of both however early
 * the time is up. */
static void *floor_asking_side(void *argument)
{
    struct floor_run *run = argument;
    uint32_t n = 0;
    bool answered = true;
    for (int i = 0; answered && i < FLOOR_WARMUP; i++)
        answered = floor_ask(run, n++);
    for (int b = 0; answered && b < FLOOR_BUNCHES; b++) {
        uint64_t last_ns = clock_now_ns();
        for (int i = 0; answered && i < FLOOR_BUNCH; i++) {
            answered = floor_ask(run, n++);
            uint64_t now_ns = clock_now_ns();
            hdr_record(run->single, (int64_t)(now_ns - last_ns));
            last_ns = clock_now_ns(); /* anew: recording is not part of the next one */
        }
        uint64_t begin_ns = clock_now_ns();
        for (int i = 0; answered && i < FLOOR_BUNCH; i++)
            answered = floor_ask(run, n++);
        if (answered)
            run->bunch_mean_ns[run->bunches++] = (double)(clock_now_ns() - begin_ns) / FLOOR_BUNCH;
        answered = answered && clock_now_ns() < run->deadline_ns;
    }
    atomic_store(&run->stop, true);
    return NULL;
}

static void *floor_answering_side(void *argument)
{
    struct floor_run *run = argument;
    for (uint32_t n = 0; floor_run_await(run, run->there, 2 * n + 1); n++)
        atomic_store_explicit(run->back, 2 * n + 2, memory_order_release);
    return NULL;
}

/* Both sides of one run, on one line or on two. */
static enum status floor_bounce(struct floor_cpus cpus, struct floor_run *run, bool one_line,
                                struct floor_round_trip *out, struct err *err)
{
    atomic_store(&run->lines[0].word, 0);
    atomic_store(&run->lines[1].word, 0);
    atomic_store(&run->stop, false);
    run->there = &run->lines[0].word;
    run->back = &run->lines[one_line ? 0 : 1].word;
    run->bunches = 0;
    hdr_reset(run->single);
    enum status status =
        floor_thread_run_both(cpus, floor_asking_side, floor_answering_side, run, &run->stop, err);
    if (status != ST_OK)
        return status;
    if (run->bunches < FLOOR_BUNCHES_MIN)
        return err_set(err, ST_TIMEOUT, "is something else using these CPUs?",
                       "floor: too few answers between CPUs %d and %d in time", cpus.producer,
                       cpus.consumer);
    *out = (struct floor_round_trip){
        .p50_ns = (double)hdr_quantile_ns(run->single, 0.5),
        .mean_ns = floor_median(run->bunch_mean_ns, run->bunches, FLOOR_BUNCHES_MIN),
    };
    return ST_OK;
}

enum status floor_lines_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                struct floor_cache_line *out, struct err *err)
{
    if (cpus.producer == cpus.consumer)
        return err_set(err, ST_NOT_APPLICABLE, "give two CPUs",
                       "floor: CPU %d has nobody to exchange a cache line with", cpus.producer);
    if (cpus.producer < 0 || cpus.consumer < 0)
        return err_set(err, ST_INVALID, "choose CPUs this process may use",
                       "floor: there is no CPU %d",
                       cpus.producer < 0 ? cpus.producer : cpus.consumer);
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= deadline_ns)
        return err_set(err, ST_TIMEOUT, NULL, "floor: no time left for CPUs %d and %d",
                       cpus.producer, cpus.consumer);
    struct floor_cache_line made = {.round_trips = 0};
    struct floor_run *run = aligned_alloc(_Alignof(struct floor_run), sizeof *run);
    struct hdr *single = hdr_new();
    enum status status;
    if (!run || !single) {
        status = err_set(err, ST_NO_MEMORY, NULL, "floor: out of memory");
        goto undo;
    }
    run->single = single;
    run->deadline_ns = now_ns + (deadline_ns - now_ns) / 2;
    status = floor_bounce(cpus, run, true, &made.one_line, err);
    made.round_trips = (uint32_t)run->bunches * FLOOR_BUNCH;
    run->deadline_ns = deadline_ns;
    if (status == ST_OK)
        status = floor_bounce(cpus, run, false, &made.two_lines, err);
    if (made.round_trips > run->bunches * FLOOR_BUNCH)
        made.round_trips = (uint32_t)run->bunches * FLOOR_BUNCH;
    if (status == ST_OK)
        *out = made;
undo:
    hdr_free(single);
    free(run);
    return status;
}

enum status floor_cache_line(int cpu_a, int cpu_b, struct floor_cache_line *out, struct err *err)
{
    return floor_lines_measure((struct floor_cpus){cpu_a, cpu_b},
                               clock_now_ns() + FLOOR_LINES_DEADLINE_NS, out, err);
}
