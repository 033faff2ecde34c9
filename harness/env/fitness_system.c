/* fitness_system.c: memory and the kernel's settings that move timings. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

#define SWAP_USED_BYTES_MAX (64.0 * 1024 * 1024)
#define AVAILABLE_BYTES_MIN (512.0 * 1024 * 1024)
#define SHM_FREE_BYTES_MIN (256.0 * 1024 * 1024)
#define TIMER_SLACK_NS_DEFAULT 50000.0

static bool check_timer_slack(const cJSON *env, cJSON *findings)
{
    double slack = fitness_number(json_get(env, "limits"), "timer_slack_ns", -1.0);
    if (slack < 0.0)
        return fitness_unknown(findings, "timer_slack", "how late timers may be");
    if (slack <= TIMER_SLACK_NS_DEFAULT)
        return fitness_good(findings, "timer_slack", "timers may be %.0f µs late%s", slack / 1e3,
                            slack == TIMER_SLACK_NS_DEFAULT ? ", Linux's default" : "");
    return fitness_say(findings,
                       (struct finding){"timer_slack", FITNESS_WARNING,
                                        "every wait that polls and every frame's pacing is later "
                                        "by it than on other machines",
                                        "start handoff from a shell, not from a service with "
                                        "TimerSlackNSec=, or measure timer_slack_ns 50000"},
                       "timers may be %.0f µs late", slack / 1e3);
}

static bool check_swap(const cJSON *env, cJSON *findings)
{
    double used = fitness_number(json_get(env, "memory"), "swap_used_bytes", -1.0);
    if (used < 0.0)
        return fitness_unknown(findings, "swap", "how much is swapped out");
    if (used <= SWAP_USED_BYTES_MAX)
        return fitness_good(findings, "swap", "%.0f MB of swap are in use", used / 1e6);
    return fitness_say(findings,
                       (struct finding){"swap", FITNESS_WARNING,
                                        "a page that must come back from disk stalls a frame for "
                                        "milliseconds",
                                        "close what fills the memory, then `sudo swapoff -a`"},
                       "%.0f MB of swap are in use", used / 1e6);
}

/* What the largest cell of the run keeps in frames, or 0: not told. */
static double frames_bytes(const cJSON *env)
{
    return fitness_number(json_get(env, "memory"), "cells_bytes", 0.0);
}

/* Beside the ring each role has its own buffers: twice the ring, and never less than the least. */
static bool check_memory(const cJSON *env, cJSON *findings)
{
    double available = fitness_number(json_get(env, "memory"), "available_bytes", -1.0);
    double wanted = 2.0 * frames_bytes(env);
    wanted = wanted > AVAILABLE_BYTES_MIN ? wanted : AVAILABLE_BYTES_MIN;
    if (available < 0.0)
        return fitness_unknown(findings, "memory", "how much memory is left");
    if (available >= wanted)
        return fitness_good(findings, "memory", "%.0f MB of memory are available", available / 1e6);
    return fitness_say(
        findings,
        (struct finding){"memory", FITNESS_WARNING, "what does not fit is swapped or killed",
                         "close what fills the memory, or use smaller frames and "
                         "fewer slots"},
        "%.0f MB of memory are available, and cells may need %.0f", available / 1e6, wanted / 1e6);
}

static bool check_huge_pages(const cJSON *env, cJSON *findings)
{
    const cJSON *memory = json_get(env, "memory");
    const char *mode = json_get_string(memory, "transparent_huge_pages", "");
    const char *shared = json_get_string(memory, "transparent_huge_pages_shmem", "never");
    if (!mode[0])
        return fitness_unknown(findings, "huge_pages", "how transparent huge pages are used");
    if (strcmp(mode, "always") != 0 && strcmp(shared, "always") != 0)
        return fitness_good(findings, "huge_pages", "transparent huge pages on request (%s)", mode);
    return fitness_say(
        findings,
        (struct finding){"huge_pages", FITNESS_NOTE,
                         "whether a buffer gets huge pages depends on how broken up the memory is, "
                         "so launches may differ by it",
                         "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"},
        "transparent huge pages for everybody (%s, shared memory %s)", mode, shared);
}

/* Our own transports keep frames in memory without a name, which /dev/shm does not limit. */
static bool check_dev_shm(const cJSON *env, cJSON *findings)
{
    double free_bytes = fitness_number(json_get(env, "memory"), "dev_shm_free_bytes", -1.0);
    double wanted = frames_bytes(env) > 0.0 ? frames_bytes(env) : SHM_FREE_BYTES_MIN;
    if (free_bytes < 0.0)
        return fitness_unknown(findings, "dev_shm", "the size of /dev/shm");
    if (free_bytes >= wanted)
        return fitness_good(findings, "dev_shm", "%.0f MB free in /dev/shm", free_bytes / 1e6);
    return fitness_say(findings,
                       (struct finding){"dev_shm", FITNESS_WARNING,
                                        "libraries that keep frames there (ucx, iceoryx) fail",
                                        fitness_in_container(env)
                                            ? "docker run --shm-size=1g"
                                            : "sudo mount -o remount,size=1g /dev/shm"},
                       "%.0f MB free in /dev/shm, and cells may keep %.0f MB of frames",
                       free_bytes / 1e6, wanted / 1e6);
}

static bool check_numa(const cJSON *env, cJSON *findings)
{
    double mode = fitness_number(json_get(env, "kernel"), "numa_balancing", -1.0);
    if (mode <= 0.0) /* below: the kernel was built without it */
        return fitness_good(findings, "numa_balancing", "memory is not moved between nodes");
    return fitness_say(findings,
                       (struct finding){"numa_balancing", FITNESS_NOTE,
                                        "the kernel unmaps pages to see who uses them: page faults "
                                        "amid a measurement",
                                        "sudo sysctl kernel.numa_balancing=0"},
                       "automatic NUMA balancing is on");
}

bool fitness_check_system(const cJSON *env, cJSON *findings)
{
    static const fitness_check checks[] = {
        check_timer_slack, check_memory, check_swap, check_huge_pages, check_dev_shm, check_numa,
    };
    for (size_t i = 0; i < ENV_COUNT(checks); i++)
        if (!checks[i](env, findings))
            return false;
    return true;
}
