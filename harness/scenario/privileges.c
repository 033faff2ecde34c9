/* privileges.c: see privileges.h. */
#include "harness/scenario/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define IDLE_LATENCY_PATH "/dev/cpu_dma_latency"
#define THROTTLING_PATH "/proc/sys/kernel/sched_rt_runtime_us"
/* A bit of CapEff in /proc/self/status; <linux/capability.h> has it as CAP_SYS_NICE. */
#define CAPABILITY_SYS_NICE 23

struct fifo_try {
    int priority;
    int sys_errno; /* 0: it worked */
};

/* On Linux, 0 is the calling thread: nobody else's class changes. */
static void *try_in_thread(void *data)
{
    struct fifo_try *attempt = data;
    const struct sched_param param = {.sched_priority = attempt->priority};
    attempt->sys_errno = sched_setscheduler(0, SCHED_FIFO, &param) == 0 ? 0 : errno;
    return NULL;
}

static bool has_sys_nice(void)
{
    char line[256];
    uint64_t effective = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "CapEff: %" SCNx64, &effective) == 1)
            break;
    fclose(file);
    return effective >> CAPABILITY_SYS_NICE & 1;
}

enum status privileges_explain_fifo(uint32_t priority, uint64_t limit, uint64_t limit_max,
                                    bool sys_nice, struct err *err)
{
    if (limit >= priority || sys_nice)
        return err_set(err, ST_UNAVAILABLE,
                       "give it some: `echo 950000 | sudo tee "
                       "/sys/fs/cgroup/cpu/GROUP/cpu.rt_runtime_us`, from the topmost group down",
                       "the control group of this process has no real-time time");
    if (limit_max >= priority)
        return err_set(err, ST_UNAVAILABLE, "`ulimit -r 99` in this shell, then again",
                       "the limit on real-time priorities is %" PRIu64 " (ulimit -r)", limit);
    return err_set(err, ST_UNAVAILABLE,
                   "`sudo prlimit --rtprio=99 --pid $$` in this shell, then again; or run as root; "
                   "or `sudo setcap cap_sys_nice+ep` on the handoff binary",
                   "this process may not use real-time priorities (ulimit -r is %" PRIu64 ")",
                   limit);
}

enum status privileges_check_throttling(const char *path, struct err *err)
{
    int64_t runtime_us = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return ST_OK;
    int got = fscanf(file, "%" SCNd64, &runtime_us);
    fclose(file);
    if (got != 1 || runtime_us >= 0)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, "`sudo sysctl kernel.sched_rt_runtime_us=950000`",
                   "real-time processes are not throttled here: one that spins would take the "
                   "machine away for good");
}

enum status privileges_try_fifo(uint32_t priority, struct err *err)
{
    struct fifo_try attempt = {.priority = (int)priority, .sys_errno = 0};
    pthread_t thread;
    enum status throttled = privileges_check_throttling(THROTTLING_PATH, err);
    if (throttled != ST_OK)
        return throttled;
    int failed = pthread_create(&thread, NULL, try_in_thread, &attempt);
    if (failed)
        return err_set(err, ST_UNAVAILABLE, "raise the limit on processes: `ulimit -u`",
                       "no thread could be started to try it: %s", strerror(failed));
    pthread_join(thread, NULL);
    if (attempt.sys_errno == 0)
        return ST_OK;
    struct rlimit limit = {0, 0};
    if (attempt.sys_errno == EPERM && getrlimit(RLIMIT_RTPRIO, &limit) == 0)
        return privileges_explain_fifo(priority, limit.rlim_cur, limit.rlim_max, has_sys_nice(),
                                       err);
    return err_set(err, ST_UNAVAILABLE, "use scheduling other", "sched_setscheduler: %s",
                   strerror(attempt.sys_errno));
}

enum status privileges_try_device(const char *path, struct err *err)
{
    char hint[256];
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return ST_OK;
    }
    if (errno == EACCES) {
        snprintf(hint, sizeof hint,
                 "`sudo chmod o+rw %s` (until the next start), or run as root; "
                 "scenarios/README.md has a udev rule that lasts",
                 path);
        return err_set(err, ST_UNAVAILABLE, hint, "%s may not be written to by this user", path);
    }
    snprintf(hint, sizeof hint, "in a container: `docker run --device %s ...`", path);
    if (errno == ENOENT)
        return err_set(err, ST_UNAVAILABLE, hint, "there is no %s here", path);
    return err_set(err, ST_UNAVAILABLE, hint, "%s cannot be opened: %s", path, strerror(errno));
}

enum status privileges_try_idle_latency(struct err *err)
{
    return privileges_try_device(IDLE_LATENCY_PATH, err);
}
