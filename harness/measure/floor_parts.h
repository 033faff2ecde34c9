/* floor_parts.h: the inside of floor*.c: pinned threads, and the parts that floor.c calls in turn.
 *
 * Every part returns by `deadline_ns` (clock_now_ns), leaves NAN where it has no figure, and says
 * in *err why it has none.
 */
#ifndef HANDOFF_MEASURE_FLOOR_PARTS_H
#define HANDOFF_MEASURE_FLOOR_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "harness/measure/clock.h"
#include "harness/measure/floor.h"

/* Loads between two looks at the clock while a side spins; see wait/spin.c. */
#define FLOOR_LOADS_PER_LOOK 1000

/* A thread that is on `cpu` from its first instruction; unpinned when `cpu` is -1. ST_UNAVAILABLE
 * when this process may not run there. The caller joins. */
enum status floor_thread_start(int cpu, void *(*body)(void *), void *argument, pthread_t *thread,
                               struct err *err);
/* The same, and waits for its end. */
enum status floor_thread_run(int cpu, void *(*body)(void *), void *argument, struct err *err);
/* Two sides, `back` first; *stop is raised when `there` cannot start, so that `back` ends. */
enum status floor_thread_run_both(struct floor_cpus cpus, void *(*there)(void *),
                                  void *(*back)(void *), void *argument, _Atomic bool *stop,
                                  struct err *err);

/* Spins until *word is `value`; false when *stop or the deadline came first. */
bool floor_await(const _Atomic uint32_t *word, uint32_t value, const _Atomic bool *stop,
                 uint64_t deadline_ns);

/* Sorts the values; NAN for fewer than `count_min`. */
double floor_median(double *values, size_t count, size_t count_min);

enum status floor_lines_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                struct floor_cache_line *out, struct err *err);

enum status floor_futex_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                struct floor_futex *out, struct err *err);
enum status floor_nanosleep_measure(int cpu, uint64_t deadline_ns,
                                    struct floor_nanosleep out[FLOOR_NANOSLEEPS],
                                    double *timer_slack_ns, struct err *err);
/* out->bytes says which size. With both CPUs the same, or -1, nothing is written elsewhere. */
enum status floor_memory_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                 struct floor_memory *out, struct err *err);

#endif
