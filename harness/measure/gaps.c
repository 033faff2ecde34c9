/* gaps.c: see gaps.h. */
#include "harness/measure/gaps.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/measure/floor_parts.h"
#include "harness/measure/hdr.h"
#include "harness/measure/stats.h"

/* What one thread is told and found; a line of its own, for nothing of another's is to stop it. */
struct gaps_side {
    _Alignas(128) struct gaps_cpu found;
    enum status status;
    uint64_t window_ns;
    const _Atomic uint32_t *go; /* 0: wait; 1: watch; 2: never mind */
};

static uint64_t gaps_clock(void *context)
{
    (void)context;
    return clock_now_ns();
}

static int64_t gaps_quantile(const struct hdr *hdr, enum stats_quantile quantile)
{
    double value_ns;
    return stats_launch_quantile(hdr, 0, quantile, &value_ns) ? (int64_t)value_ns : -1;
}

enum status gaps_watch(uint64_t (*now_ns)(void *context), void *context, uint64_t window_ns,
                       struct gaps_cpu *found)
{
    struct hdr *hdr = hdr_new();
    if (!hdr)
        return ST_NO_MEMORY;
    const uint64_t begin_ns = now_ns(context);
    uint64_t last_ns = begin_ns;
    struct gaps_cpu seen = {.cpu = found->cpu};
    while (last_ns - begin_ns < window_ns) {
        const uint64_t at_ns = now_ns(context), gap_ns = at_ns - last_ns;
        last_ns = at_ns;
        if (gap_ns < GAPS_THRESHOLD_NS)
            continue;
        seen.count++;
        seen.total_ns += gap_ns;
        seen.largest_ns = gap_ns > seen.largest_ns ? gap_ns : seen.largest_ns;
        hdr_record(hdr, (int64_t)gap_ns);
    }
    seen.window_ns = last_ns - begin_ns;
    seen.p50_ns = gaps_quantile(hdr, STATS_P50);
    seen.p99_ns = gaps_quantile(hdr, STATS_P99);
    hdr_free(hdr);
    *found = seen;
    return ST_OK;
}

static void *gaps_side_run(void *argument)
{
    struct gaps_side *side = argument;
    uint32_t go;
    while ((go = atomic_load(side->go)) == 0)
        clock_sleep_until_ns(clock_now_ns() + 100000);
    side->status =
        go == 1 ? gaps_watch(gaps_clock, NULL, side->window_ns, &side->found) : ST_UNAVAILABLE;
    return NULL;
}

enum status gaps_measure(const int *cpus, size_t count, uint64_t window_ns, struct gaps *gaps,
                         struct err *err)
{
    pthread_t threads[GAPS_CPUS_MAX];
    _Atomic uint32_t go = 0;
    enum status status = ST_OK;
    size_t started = 0;
    struct gaps_side *sides = NULL;
    if (count > GAPS_CPUS_MAX)
        count = GAPS_CPUS_MAX;
    if (posix_memalign((void **)&sides, 128, (count + 1) * sizeof *sides) != 0)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the gaps");
    for (; started < count && status == ST_OK; started += status == ST_OK) {
        sides[started] =
            (struct gaps_side){.found = {.cpu = cpus[started]}, .window_ns = window_ns, .go = &go};
        status = floor_thread_start(cpus[started], gaps_side_run, &sides[started],
                                    &threads[started], err);
    }
    if (status == ST_UNAVAILABLE) /* told of a CPU, not of the floor */
        err_set(err, ST_UNAVAILABLE, "choose CPUs this process may use",
                "this process may not run on CPU %d", cpus[started]);
    atomic_store(&go, status == ST_OK ? 1 : 2);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < started && status == ST_OK; i++)
        if (sides[i].status != ST_OK)
            status = err_set(err, sides[i].status, NULL, "out of memory for the gaps");
    if (status == ST_OK) {
        gaps->count = count;
        for (size_t i = 0; i < count; i++)
            gaps->cpus[i] = sides[i].found;
    }
    free(sides);
    return status;
}

static bool gaps_add_quantile(cJSON *row, const char *key, int64_t value_ns)
{
    return value_ns < 0 ? json_add(row, key, cJSON_CreateNull()) : json_add_i64(row, key, value_ns);
}

static bool gaps_add_cpu(cJSON *rows, const struct gaps_cpu *found)
{
    const double window_ns = found->window_ns > 0 ? (double)found->window_ns : 1.0;
    cJSON *row = cJSON_CreateObject();
    return json_append(rows, row) && json_add_i64(row, "cpu", found->cpu) &&
           json_add_u64(row, "window_ns", found->window_ns) &&
           json_add_u64(row, "count", found->count) &&
           json_add_double(row, "per_second", 1e9 * (double)found->count / window_ns) &&
           json_add_double(row, "share_percent", 100.0 * (double)found->total_ns / window_ns) &&
           json_add_u64(row, "largest_ns", found->largest_ns) &&
           gaps_add_quantile(row, "p50_ns", found->p50_ns) &&
           gaps_add_quantile(row, "p99_ns", found->p99_ns);
}

cJSON *gaps_to_json(const struct gaps *gaps)
{
    cJSON *json = cJSON_CreateObject(), *rows = cJSON_CreateArray();
    bool ok = json_add(json, "cpus", rows) && json_add_u64(json, "threshold_ns", GAPS_THRESHOLD_NS);
    for (size_t i = 0; ok && i < gaps->count; i++)
        ok = gaps_add_cpu(rows, &gaps->cpus[i]);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}
