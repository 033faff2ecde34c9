/* floor_thread.c: pinned threads for the parts of a floor. See floor_parts.h. */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "harness/measure/floor_parts.h"

/* Restricts the thread to be made to one CPU; an errno. */
static int floor_thread_pin(pthread_attr_t *attributes, int cpu)
{
    cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
    if (!set)
        return ENOMEM;
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    int failed = pthread_attr_setaffinity_np(attributes, bytes, set);
    CPU_FREE(set);
    return failed;
}

enum status floor_thread_start(int cpu, void *(*body)(void *), void *argument, pthread_t *thread,
                               struct err *err)
{
    static const char hint[] = "choose CPUs this process may use";
    if (cpu < -1)
        return err_set(err, ST_INVALID, hint, "floor: there is no CPU %d", cpu);
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (!failed) {
        failed = cpu < 0 ? 0 : floor_thread_pin(&attributes, cpu);
        if (!failed)
            failed = pthread_create(thread, &attributes, body, argument);
        pthread_attr_destroy(&attributes);
    }
    if (failed == EINVAL)
        return err_set(err, ST_UNAVAILABLE, hint, "floor: this process may not run on CPU %d", cpu);
    if (failed)
        return err_set_errno(err, failed, NULL, "floor: no thread on CPU %d", cpu);
    return ST_OK;
}

enum status floor_thread_run(int cpu, void *(*body)(void *), void *argument, struct err *err)
{
    pthread_t thread;
    enum status status = floor_thread_start(cpu, body, argument, &thread, err);
    if (status == ST_OK)
        pthread_join(thread, NULL);
    return status;
}

enum status floor_thread_run_both(struct floor_cpus cpus, void *(*there)(void *),
                                  void *(*back)(void *), void *argument, _Atomic bool *stop,
                                  struct err *err)
{
    pthread_t back_thread;
    enum status status = floor_thread_start(cpus.consumer, back, argument, &back_thread, err);
    if (status != ST_OK)
        return status;
    status = floor_thread_run(cpus.producer, there, argument, err);
    if (status != ST_OK)
        atomic_store(stop, true);
    pthread_join(back_thread, NULL);
    return status;
}

bool floor_await(const _Atomic uint32_t *word, uint32_t value, const _Atomic bool *stop,
                 uint64_t deadline_ns)
{
    do {
        for (int i = 0; i < FLOOR_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return true;
    } while (!atomic_load_explicit(stop, memory_order_relaxed) && clock_now_ns() < deadline_ns);
    return false;
}

static int floor_compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double floor_median(double *values, size_t count, size_t count_min)
{
    if (count == 0 || count < count_min)
        return NAN;
    qsort(values, count, sizeof *values, floor_compare);
    return values[count / 2];
}
