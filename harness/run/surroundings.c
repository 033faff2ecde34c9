/* surroundings.c: scheduling class, timer slack and idle latency. See surroundings.h; roles call it
 * at set-up and after their last frame, the session around a launch. */
#include "harness/run/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "harness/scenario/privileges.h"

/* The kernel's CPU mask may be larger than a cpu_set_t. */
#define SURROUNDINGS_CPUS_MAX 65536

const char *surroundings_scheduling_format(uint32_t fifo_priority, char *text, size_t size)
{
    if (fifo_priority > 0)
        snprintf(text, size, "fifo:%" PRIu32, fifo_priority);
    else
        snprintf(text, size, "other");
    return text;
}

/* An error of a system call as "cannot be had", with the command that would help. */
static enum status surroundings_refuse(struct err *err, int sys_errno, const char *hint,
                                       const char *what)
{
    enum status status = err_set(err, ST_UNAVAILABLE, hint, "%s: %s", what, strerror(sys_errno));
    if (err)
        err->sys_errno = sys_errno;
    return status;
}

/* ---- scheduling and timer slack -------------------------------------------------------------- */

static enum status surroundings_apply_class(uint32_t fifo_priority, struct err *err)
{
    const struct sched_param param = {.sched_priority = (int)fifo_priority};
    if (fifo_priority == 0) {
        if (sched_getscheduler(0) == SCHED_OTHER || sched_setscheduler(0, SCHED_OTHER, &param) == 0)
            return ST_OK;
        return surroundings_refuse(err, errno, "start handoff with `chrt --other 0 handoff …`",
                                   "scheduling class other cannot be set");
    }
    enum status status = privileges_check_throttling(SURROUNDINGS_THROTTLING_PATH, err);
    if (status != ST_OK || sched_setscheduler(0, SCHED_FIFO, &param) == 0)
        return status;
    int failure = errno;
    /* The same answer as in a dry run, if it is a question of being allowed to. */
    if (privileges_try_fifo(fifo_priority, err) != ST_OK)
        return err_context(err, "scheduling fifo:%" PRIu32, fifo_priority);
    return surroundings_refuse(err, failure, "use scheduling other", "SCHED_FIFO cannot be set");
}

enum status surroundings_apply(const struct cell *cell, struct err *err)
{
    if (cell->timer_slack_ns > 0 && cell->fifo_priority > 0)
        return err_set(err, ST_UNAVAILABLE, "leave timer_slack_ns out with scheduling fifo",
                       "a real-time process has no timer slack: the kernel takes it for 0");
    if (cell->timer_slack_ns > 0 &&
        prctl(PR_SET_TIMERSLACK, (unsigned long)cell->timer_slack_ns, 0, 0, 0) != 0)
        return surroundings_refuse(err, errno, "use timer_slack_ns as_found",
                                   "the timer slack cannot be set");
    return surroundings_apply_class(cell->fifo_priority, err);
}

/* The only CPU the calling thread may run on, or -1. */
static enum status surroundings_read_cpu(int *cpu, struct err *err)
{
    for (size_t capacity = CPU_SETSIZE; capacity <= SURROUNDINGS_CPUS_MAX; capacity *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(capacity);
        cpu_set_t *set = CPU_ALLOC(capacity);
        if (!set)
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a CPU set");
        CPU_ZERO_S(bytes, set);
        int failure = sched_getaffinity(0, bytes, set) == 0 ? 0 : errno;
        int found = -1;
        for (size_t i = 0; failure == 0 && CPU_COUNT_S(bytes, set) == 1 && i < capacity; i++)
            if (CPU_ISSET_S(i, bytes, set))
                found = (int)i;
        CPU_FREE(set);
        if (failure == 0)
            *cpu = found;
        if (failure != EINVAL) /* EINVAL: the kernel's mask is larger */
            return failure == 0 ? ST_OK : err_set_errno(err, failure, NULL, "sched_getaffinity");
    }
    return err_set(err, ST_UNAVAILABLE, NULL, "the kernel's CPU mask has over %d CPUs",
                   SURROUNDINGS_CPUS_MAX);
}

static enum status surroundings_read(struct surroundings *had, struct err *err)
{
    struct sched_param param = {.sched_priority = 0};
    struct surroundings found = {.known = true, .cpu = -1};
    const int class = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (class < 0 || sched_getparam(0, &param) != 0)
        return err_set_errno(err, errno, NULL, "cannot read the scheduling class");
    if (class != SCHED_OTHER && class != SCHED_FIFO)
        return err_set(err, ST_UNAVAILABLE, "start handoff with `chrt --other 0 handoff …`",
                       "this process has scheduling class %d, neither other nor fifo", class);
    found.fifo_priority = class == SCHED_FIFO ? (uint32_t)param.sched_priority : 0;
    /* Kernels before 6.12 go on naming the slack that a real-time process would have. */
    found.timer_slack_ns = class == SCHED_FIFO ? 0 : prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    enum status status = surroundings_read_cpu(&found.cpu, err);
    if (status == ST_OK)
        *had = found;
    return status;
}

enum status surroundings_verify(const struct cell *cell, int cpu, struct surroundings *had,
                                struct err *err)
{
    static const char hint[] = "does something else on this machine change processes?";
    char wanted[32], got[32];
    struct surroundings found;
    enum status status = surroundings_read(&found, err);
    if (status != ST_OK)
        return status;
    if (found.fifo_priority != cell->fifo_priority)
        return err_set(err, ST_UNAVAILABLE, hint, "scheduling is %s instead of %s",
                       surroundings_scheduling_format(found.fifo_priority, got, sizeof got),
                       surroundings_scheduling_format(cell->fifo_priority, wanted, sizeof wanted));
    if (cell->timer_slack_ns > 0 && found.timer_slack_ns != cell->timer_slack_ns)
        return err_set(err, ST_UNAVAILABLE, hint,
                       "the timer slack is %" PRId64 " ns instead of %" PRIu32,
                       found.timer_slack_ns, cell->timer_slack_ns);
    if (cpu >= 0 && found.cpu != cpu)
        return err_set(err, ST_UNAVAILABLE, hint, "this process is not pinned to CPU %d", cpu);
    *had = found;
    return ST_OK;
}

/* ---- idle latency ---------------------------------------------------------------------------- */

enum status surroundings_hold_idle_latency(const char *path, int *fd, struct err *err)
{
    const int32_t wanted_us = 0;
    int32_t held_us = -1;
    int opened = open(path, O_RDWR | O_CLOEXEC);
    if (opened < 0) {
        int failure = errno;
        if (privileges_try_device(path, err) != ST_OK)
            return err_context(err, "the idle latency cannot be held");
        return surroundings_refuse(err, failure, "use idle_latency as_found",
                                   "the idle latency cannot be held");
    }
    if (write(opened, &wanted_us, sizeof wanted_us) != (ssize_t)sizeof wanted_us) {
        int failure = errno;
        close(opened);
        return surroundings_refuse(err, failure, "use idle_latency as_found",
                                   "the idle latency cannot be held");
    }
    /* What holds for the machine: the lowest of all wishes. */
    if (pread(opened, &held_us, sizeof held_us, 0) != (ssize_t)sizeof held_us || held_us != 0) {
        close(opened);
        return err_set(err, ST_UNAVAILABLE, "use idle_latency as_found",
                       "the idle latency cannot be held: the kernel says %" PRId32 " us", held_us);
    }
    *fd = opened;
    return ST_OK;
}
