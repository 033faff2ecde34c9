/* floor_gpu_latency.c: launches, words between host and GPU, and turns of two processes. See
 * floor_gpu_parts.h. */
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/run/floor_gpu_parts.h"

enum {
    FLOOR_GPU_WARMUP = 20,
    FLOOR_GPU_LAUNCHES = 1000,
    FLOOR_GPU_BUNCH = 128, /* exchanges that one kernel stays for, or that are enqueued ahead */
    FLOOR_GPU_BUNCHES = 7,
    FLOOR_GPU_FIRST = 8, /* of a bunch, which are not counted: the GPU is only starting */
    FLOOR_GPU_TURNS = 400,
    FLOOR_GPU_SAMPLES_MIN = 3,
    FLOOR_GPU_LOADS_PER_LOOK = 1000,
};

/* ---- samples --------------------------------------------------------------------------------- */

void floor_gpu_sample(struct floor_gpu_samples *samples, double value_ns)
{
    if (samples->count < FLOOR_GPU_SAMPLES_MAX)
        samples->each_ns[samples->count++] = value_ns;
}

static int floor_gpu_compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

enum status floor_gpu_take(struct floor_gpu_samples *samples, size_t each,
                           struct floor_gpu_figure *figure, struct err *err)
{
    if (samples->count < FLOOR_GPU_SAMPLES_MIN)
        return err_set(err, ST_TIMEOUT, "is something else using the GPU?",
                       "no time for more than %zu of them", samples->count);
    qsort(samples->each_ns, samples->count, sizeof samples->each_ns[0], floor_gpu_compare);
    *figure = (struct floor_gpu_figure){samples->each_ns[samples->count / 2],
                                        (uint32_t)(samples->count * each)};
    return ST_OK;
}

bool floor_gpu_await(const _Atomic uint32_t *word, uint32_t value, const _Atomic uint32_t *stop,
                     uint64_t until_ns)
{
    do {
        for (int i = 0; i < FLOOR_GPU_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return true;
        if (stop && atomic_load_explicit(stop, memory_order_acquire))
            return false;
        sched_yield(); /* both sides may have to share a CPU with the driver's threads */
    } while (clock_now_ns() < until_ns);
    return false;
}

/* ---- launches -------------------------------------------------------------------------------- */

enum status floor_gpu_launch_once(struct floor_gpu_bench *bench, struct err *err)
{
    const struct launch_work work = {.kind = LAUNCH_NOTHING};
    enum status status = launcher_enqueue(bench->launcher, bench->stream, &work, err);
    return status == ST_OK ? gpu_stream_synchronize(bench->stream, err) : status;
}

/* The same, but done when the host sees the word that the kernel writes. */
static enum status floor_gpu_launch_seen(struct floor_gpu_bench *bench, struct err *err)
{
    const _Atomic uint32_t *done =
        (const _Atomic uint32_t *)(const void *)&bench->words->report.done;
    const struct launch_work work = {
        .kind = LAUNCH_NOTHING,
        .report = &bench->device_words->report,
        .done_value = atomic_load_explicit(done, memory_order_relaxed) + 1,
    };
    enum status status = launcher_enqueue(bench->launcher, bench->stream, &work, err);
    if (status != ST_OK)
        return status;
    if (floor_gpu_await(done, work.done_value, NULL, clock_now_ns() + FLOOR_GPU_ANSWER_NS))
        return ST_OK;
    status = gpu_stream_poll(bench->stream, err); /* a kernel that failed says so here */
    return status > ST_AGAIN ? status
                             : err_set(err, ST_TIMEOUT, "is something else using the GPU?",
                                       "an empty kernel did not write its word");
}

static enum status floor_gpu_launches(struct floor_gpu_bench *bench,
                                      enum status (*once)(struct floor_gpu_bench *, struct err *),
                                      uint64_t deadline_ns, struct floor_gpu_figure *figure,
                                      struct err *err)
{
    enum status status = ST_OK;
    bench->samples.count = 0;
    for (int i = 0; status == ST_OK && i < FLOOR_GPU_WARMUP + FLOOR_GPU_LAUNCHES; i++) {
        uint64_t begin_ns = clock_now_ns();
        status = once(bench, err);
        uint64_t end_ns = clock_now_ns();
        if (i >= FLOOR_GPU_WARMUP)
            floor_gpu_sample(&bench->samples, (double)(end_ns - begin_ns));
        if (end_ns >= deadline_ns && bench->samples.count >= FLOOR_GPU_SAMPLES_MIN)
            break;
    }
    return status == ST_OK ? floor_gpu_take(&bench->samples, 1, figure, err) : status;
}

enum status floor_gpu_launch(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                             struct floor_gpu_figure *figure, struct err *err)
{
    return floor_gpu_launches(bench, floor_gpu_launch_once, deadline_ns, figure, err);
}

enum status floor_gpu_launch_word(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                                  struct floor_gpu_figure *figure, struct err *err)
{
    enum status status = floor_gpu_launches(bench, floor_gpu_launch_seen, deadline_ns, figure, err);
    return status == ST_OK ? gpu_stream_synchronize(bench->stream, err) : status;
}

/* ---- words between host and GPU -------------------------------------------------------------- */

/* Asks for a bunch of answers, numbered from first + 1, that the GPU is ready to give. */
static enum status floor_gpu_ask(struct floor_gpu_bench *bench, uint32_t first, struct err *err)
{
    struct floor_gpu_words *words = bench->words;
    for (uint32_t i = 1; i <= FLOOR_GPU_BUNCH; i++) {
        uint64_t begin_ns = clock_now_ns();
        atomic_store_explicit(&words->ask, first + i, memory_order_release);
        if (!floor_gpu_await(&words->answer, first + i, NULL, begin_ns + FLOOR_GPU_ANSWER_NS))
            return err_set(err, ST_TIMEOUT, "is something else using the GPU?",
                           "the GPU did not answer a word in host memory");
        uint64_t end_ns = clock_now_ns();
        if (i > FLOOR_GPU_FIRST)
            floor_gpu_sample(&bench->samples, (double)(end_ns - begin_ns));
    }
    return ST_OK;
}

/* The resident kernel ends by itself when it is asked nothing for a second. */
static enum status floor_gpu_flag_bunch(struct floor_gpu_bench *bench, struct err *err)
{
    struct floor_gpu_words *device = bench->device_words;
    atomic_store(&bench->words->ask, 0);
    atomic_store(&bench->words->answer, 0);
    enum status status = launcher_enqueue_clock(
        bench->launcher, bench->stream, (const uint32_t *)(void *)&device->ask,
        (uint32_t *)(void *)&device->answer, &device->now_ns, FLOOR_GPU_BUNCH, err);
    if (status != ST_OK)
        return status;
    status = floor_gpu_ask(bench, 0, err);
    struct err ignored;
    enum status ended = gpu_stream_synchronize(bench->stream, status == ST_OK ? err : &ignored);
    return status == ST_OK ? ended : status;
}

enum status floor_gpu_flag(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                           struct floor_gpu_figure *figure, struct err *err)
{
    enum status status = ST_OK;
    bench->samples.count = 0;
    for (int b = 0; status == ST_OK && b < FLOOR_GPU_BUNCHES; b++) {
        status = floor_gpu_flag_bunch(bench, err);
        if (clock_now_ns() >= deadline_ns)
            break;
    }
    return status == ST_OK ? floor_gpu_take(&bench->samples, 1, figure, err) : status;
}

/* Everything is enqueued before the first word is written. A stream wait has no deadline, so the
 * last value is written in the end, whatever happened. */
static enum status floor_gpu_values_bunch(struct floor_gpu_bench *bench, uint32_t first,
                                          struct err *err)
{
    struct floor_gpu_words *device = bench->device_words;
    enum status status = ST_OK;
    for (uint32_t i = 1; status == ST_OK && i <= FLOOR_GPU_BUNCH; i++) {
        status = gpu_stream_wait_value(bench->stream, &device->ask, first + i, err);
        if (status == ST_OK)
            status = gpu_stream_write_value(bench->stream, &device->answer, first + i, err);
    }
    if (status == ST_OK)
        status = floor_gpu_ask(bench, first, err);
    atomic_store(&bench->words->ask, first + FLOOR_GPU_BUNCH);
    struct err ignored;
    enum status ended = gpu_stream_synchronize(bench->stream, status == ST_OK ? err : &ignored);
    return status == ST_OK ? ended : status;
}

enum status floor_gpu_stream_values(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                                    struct floor_gpu_figure *figure, struct err *err)
{
    enum status status = ST_OK;
    bench->samples.count = 0;
    atomic_store(&bench->words->ask, 0);
    atomic_store(&bench->words->answer, 0);
    for (uint32_t b = 0; status == ST_OK && b < FLOOR_GPU_BUNCHES; b++) {
        status = floor_gpu_values_bunch(bench, b * FLOOR_GPU_BUNCH, err);
        if (clock_now_ns() >= deadline_ns)
            break;
    }
    return status == ST_OK ? floor_gpu_take(&bench->samples, 1, figure, err) : status;
}

/* ---- turns of two processes ------------------------------------------------------------------ */

enum status floor_gpu_turn(struct floor_gpu_bench *bench, struct floor_gpu_turns *turns,
                           uint64_t deadline_ns, struct floor_gpu_figure *figure, struct err *err)
{
    enum status status = ST_OK;
    bench->samples.count = 0;
    for (uint32_t n = 0; n < FLOOR_GPU_WARMUP + FLOOR_GPU_TURNS; n++) {
        uint64_t begin_ns = clock_now_ns();
        status = floor_gpu_launch_once(bench, err);
        if (status != ST_OK)
            break;
        atomic_store_explicit(&turns->there, 2 * n + 1, memory_order_release);
        if (!floor_gpu_await(&turns->back, 2 * n + 2, &turns->stop,
                             begin_ns + FLOOR_GPU_ANSWER_NS)) {
            status = err_set(err, ST_TIMEOUT, "is something else using the GPU?",
                             "the second process did not take its turn");
            break;
        }
        uint64_t end_ns = clock_now_ns();
        if (n >= FLOOR_GPU_WARMUP)
            floor_gpu_sample(&bench->samples, (double)(end_ns - begin_ns) / 2);
        if (end_ns >= deadline_ns && bench->samples.count >= FLOOR_GPU_SAMPLES_MIN)
            break;
    }
    atomic_store_explicit(&turns->stop, 1, memory_order_release);
    return status == ST_OK ? floor_gpu_take(&bench->samples, 2, figure, err) : status;
}

enum status floor_gpu_answer(struct floor_gpu_bench *bench, struct floor_gpu_turns *turns,
                             uint64_t deadline_ns, struct err *err)
{
    enum status status = ST_OK;
    for (uint32_t n = 0; floor_gpu_await(&turns->there, 2 * n + 1, &turns->stop, deadline_ns);
         n++) {
        status = floor_gpu_launch_once(bench, err);
        if (status != ST_OK)
            break;
        atomic_store_explicit(&turns->back, 2 * n + 2, memory_order_release);
    }
    atomic_store_explicit(&turns->stop, 1, memory_order_release);
    return status;
}
