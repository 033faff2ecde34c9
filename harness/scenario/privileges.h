/* privileges.h: whether this process may do what some axes ask for: real-time priorities, and
 * holding the idle latency, and setting the CPUs' frequency. Used by probe.c and by `handoff list
 * axes`.
 *
 * Each is tried, not derived, and leaves nothing behind: the answer holds for the roles too, which
 * are this program started again.
 */
#ifndef HANDOFF_SCENARIO_PRIVILEGES_H
#define HANDOFF_SCENARIO_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

/* Tries SCHED_FIFO with a priority from 1 to 99 in a thread that ends at once. ST_UNAVAILABLE with
 * the cause and the command that would allow it. */
enum status privileges_try_fifo(uint32_t priority, struct err *err);

/* Opens /dev/cpu_dma_latency and closes it without having asked for anything. ST_UNAVAILABLE as
 * above. */
enum status privileges_try_idle_latency(struct err *err);

/* Whether the CPUs' frequency may be set: opens the files of cpufreq that it takes, and closes them
 * without having written. ST_UNAVAILABLE as above. */
enum status privileges_try_clocks(struct err *err);

/* Why SCHED_FIFO was refused to a process with these limits on its priority (RLIMIT_RTPRIO), with
 * or without CAP_SYS_NICE: ST_UNAVAILABLE. Each of the three causes has a remedy of its own. */
enum status privileges_explain_fifo(uint32_t priority, uint64_t limit, uint64_t limit_max,
                                    bool sys_nice, struct err *err);

/* The parts of these that look at a file, for tests: a device that must be writable, and the
 * kernel's limit on real-time time, which must be one (roles refuse to run without). */
enum status privileges_try_device(const char *path, struct err *err);
enum status privileges_check_throttling(const char *path, struct err *err);
/* The same as privileges_try_clocks in a folder that stands for "/". */
enum status privileges_try_clocks_at(const char *root, struct err *err);

#endif
