/* usage.c: processor time, switches and faults from getrusage and /proc/stat. See usage.h. */
#include "harness/measure/usage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"

static uint64_t usage_timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

/* getrusage gives the split, in microseconds and on some kernels in ticks; the process clock gives
 * the sum to the nanosecond. The sum is kept and divided as the split says. */
void usage_self(struct usage *usage)
{
    struct rusage raw;
    struct timespec cpu;
    getrusage(RUSAGE_SELF, &raw);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    uint64_t total_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    uint64_t system_ns = usage_timeval_ns(raw.ru_stime);
    if (system_ns > total_ns)
        system_ns = total_ns;
    *usage = (struct usage){
        .user_ns = total_ns - system_ns,
        .system_ns = system_ns,
        .wall_ns = clock_now_ns(),
        .voluntary_switches = (uint64_t)raw.ru_nvcsw,
        .involuntary_switches = (uint64_t)raw.ru_nivcsw,
        .minor_faults = (uint64_t)raw.ru_minflt,
        .major_faults = (uint64_t)raw.ru_majflt,
    };
}

static uint64_t usage_step(uint64_t begin, uint64_t end)
{
    return end > begin ? end - begin : 0;
}

struct usage usage_difference(const struct usage *begin, const struct usage *end)
{
    uint64_t total_ns =
        usage_step(begin->user_ns + begin->system_ns, end->user_ns + end->system_ns);
    uint64_t system_ns = usage_step(begin->system_ns, end->system_ns);
    if (system_ns > total_ns)
        system_ns = total_ns;
    return (struct usage){
        .user_ns = total_ns - system_ns,
        .system_ns = system_ns,
        .wall_ns = usage_step(begin->wall_ns, end->wall_ns),
        .voluntary_switches = usage_step(begin->voluntary_switches, end->voluntary_switches),
        .involuntary_switches = usage_step(begin->involuntary_switches, end->involuntary_switches),
        .minor_faults = usage_step(begin->minor_faults, end->minor_faults),
        .major_faults = usage_step(begin->major_faults, end->major_faults),
    };
}

/* Columns of the "cpu" line: user nice system idle iowait irq softirq steal (guest is in user). */
static enum status usage_parse_total(const char *line, struct usage_system *usage, struct err *err)
{
    uint64_t ticks[8] = {0};
    int got = sscanf(line,
                     "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                     " %" SCNu64 " %" SCNu64,
                     &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                     &ticks[7]);
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (got < 4 || ticks_per_s <= 0)
        return err_set(err, ST_UNAVAILABLE, NULL, "/proc/stat: its first line is not understood");
    uint64_t tick_ns = 1000000000u / (uint64_t)ticks_per_s;
    usage->busy_ns = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) * tick_ns;
    usage->idle_ns = (ticks[3] + ticks[4]) * tick_ns;
    usage->steal_ns = ticks[7] * tick_ns;
    return ST_OK;
}

enum status usage_system_read(struct usage_system *usage, struct err *err)
{
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return err_set(err, ST_UNAVAILABLE, "is /proc mounted?", "/proc/stat: %s", strerror(errno));
    struct usage_system read = {.wall_ns = clock_now_ns()};
    char line[1024];
    enum status status = ST_UNAVAILABLE;
    if (fgets(line, sizeof line, file))
        status = usage_parse_total(line, &read, err);
    else
        err_set(err, status, NULL, "/proc/stat: is empty");
    /* The lines of the CPUs follow at once; the interrupts' after them are long and of no use. */
    while (status == ST_OK && fgets(line, sizeof line, file) && strncmp(line, "cpu", 3) == 0)
        read.cpus++;
    fclose(file);
    if (status == ST_OK)
        *usage = read;
    return status;
}

struct usage_system usage_system_difference(const struct usage_system *begin,
                                            const struct usage_system *end)
{
    struct usage_system used = {
        .busy_ns = usage_step(begin->busy_ns, end->busy_ns),
        .idle_ns = usage_step(begin->idle_ns, end->idle_ns),
        .steal_ns = usage_step(begin->steal_ns, end->steal_ns),
        .wall_ns = usage_step(begin->wall_ns, end->wall_ns),
        .cpus = end->cpus,
    };
    if (begin->cpus == end->cpus)
        used.busy_ns = usage_step(used.idle_ns + used.steal_ns, used.wall_ns * used.cpus);
    return used;
}
