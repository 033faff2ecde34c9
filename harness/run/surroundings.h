/* surroundings.h: what a role's process is given besides its CPU: a scheduling class, a timer
 * slack; and the idle latency, which the session holds for the whole machine.
 *
 * Each moves a wait up to tenfold, so each is set by request, read back, and recorded as it was
 * really had. Nothing falls back: what cannot be set is an error that names the command that would
 * make it possible. Not for the hot path.
 */
#ifndef HANDOFF_RUN_SURROUNDINGS_H
#define HANDOFF_RUN_SURROUNDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/scenario/cell.h"

/* What a process had, as the kernel says. */
struct surroundings {
    bool known;             /* false: nobody looked, and the rest means nothing */
    uint32_t fifo_priority; /* 1 to 99: SCHED_FIFO; 0: SCHED_OTHER */
    int64_t timer_slack_ns; /* what timers of this process may be late; real-time ones: 0;
                             * -1: the kernel does not say */
    int cpu;                /* the only CPU it may run on; -1: it may run on several */
};

/* Gives the calling thread the cell's scheduling class and timer slack. SCHED_OTHER is set, too,
 * where the runner was started with another class. ST_UNAVAILABLE where the kernel does not let us,
 * or would let a real-time process that spins take the machine away. */
enum status surroundings_apply(const struct cell *cell, struct err *err);

/* Reads what the calling thread has and compares it with what it should: the cell's, and pinned to
 * `cpu` (-1: anywhere). ST_UNAVAILABLE when it has something else; then *had is not set. */
enum status surroundings_verify(const struct cell *cell, int cpu, struct surroundings *had,
                                struct err *err);

/* "other" or "fifo:50"; returns text. */
const char *surroundings_scheduling_format(uint32_t fifo_priority, char *text, size_t size);

#define SURROUNDINGS_THROTTLING_PATH "/proc/sys/kernel/sched_rt_runtime_us"

/* Keeps processors from idle states that take time to leave, as long as *fd is open: closing it, or
 * the death of this process, ends it. The caller closes. ST_UNAVAILABLE with the reason. */
#define SURROUNDINGS_IDLE_LATENCY_PATH "/dev/cpu_dma_latency"
enum status surroundings_hold_idle_latency(const char *path, int *fd, struct err *err);

#endif
