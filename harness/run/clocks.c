/* clocks.c: see clocks.h. What is written is a list of settings, {"path", "was", "set"}, made by
 * the runner before anything changes: then both it and the guard know how to undo it. */
#include "harness/run/clocks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/measure/clock.h"
#include "harness/run/guard.h"

#define CPU_FOLDER "/sys/devices/system/cpu"
#define FREQUENCY_FOLDER CPU_FOLDER "/cpufreq"
/* New operating points of CPUs take about a millisecond. */
#define CLOCKS_SETTLE_NS 10000000u
/* A write to cpufreq may wait for the hardware. */
#define CLOCKS_ANSWER_NS 10000000000u
/* For another run's launch to be over; between two looks. */
#define CLOCKS_PATIENCE_NS 60000000000u
#define CLOCKS_LOOK_MS 20

static const char *clocks_root = "";

static uint64_t clocks_patience_ns = CLOCKS_PATIENCE_NS;

void clocks_set_root(const char *root)
{
    clocks_root = root;
}

void clocks_set_patience(uint64_t patience_ns)
{
    clocks_patience_ns = patience_ns;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool policy_has_cpu(const char *cpus, int cpu)
{
    for (char *end; *cpus; cpus = end) {
        long here = strtol(cpus, &end, 10);
        if (end == cpus)
            return false;
        if (here == cpu)
            return true;
    }
    return false;
}

/* Is this a policy of the CPUs? Its CPUs go to `cpus`. */
static bool policy_concerns(const char *name, struct placement_cpus wanted, char *cpus, size_t size)
{
    if (!env_read_text(cpus, size, clocks_root, FREQUENCY_FOLDER "/%s/affected_cpus", name))
        return false;
    return wanted.producer < 0 || wanted.consumer < 0 || policy_has_cpu(cpus, wanted.producer) ||
           policy_has_cpu(cpus, wanted.consumer);
}

static int64_t policy_khz(const char *name, const char *file)
{
    int64_t khz;
    return env_read_i64(&khz, clocks_root, FREQUENCY_FOLDER "/%s/%s", name, file) ? khz : -1;
}

void clocks_read(struct placement_cpus cpus, struct launch_clocks *clocks)
{
    struct env_names names;
    clocks->count = 0;
    env_list_folder(clocks_root, FREQUENCY_FOLDER, "policy", &names);
    for (size_t i = 0; i < names.count && clocks->count < CLOCKS_POLICIES_MAX; i++) {
        struct clocks_policy policy = {.after_khz = -1};
        if (!policy_concerns(names.names[i], cpus, policy.cpus, sizeof policy.cpus))
            continue;
        env_read_text(policy.governor, sizeof policy.governor, clocks_root,
                      FREQUENCY_FOLDER "/%s/scaling_governor", names.names[i]);
        policy.min_khz = policy_khz(names.names[i], "scaling_min_freq");
        policy.max_khz = policy_khz(names.names[i], "scaling_max_freq");
        policy.before_khz = policy_khz(names.names[i], "scaling_cur_freq");
        if (policy.min_khz >= 0 && policy.max_khz >= 0)
            clocks->policies[clocks->count++] = policy;
    }
}

enum status clocks_read_again(struct placement_cpus cpus, struct launch_clocks *clocks,
                              struct err *err)
{
    struct launch_clocks now;
    clocks_read(cpus, &now);
    for (uint32_t i = 0; i < clocks->count; i++) {
        struct clocks_policy *was = &clocks->policies[i];
        const struct clocks_policy *is = &now.policies[i];
        const bool found = i < now.count && strcmp(was->cpus, is->cpus) == 0;
        was->after_khz = found ? is->before_khz : -1;
        if (clocks->locked && (!found || strcmp(was->governor, is->governor) != 0 ||
                               was->min_khz != is->min_khz || was->max_khz != is->max_khz))
            return err_set(err, ST_UNAVAILABLE,
                           "stop what sets them (a power daemon: tlp, power-profiles-daemon, "
                           "nvpmodel), or use clocks as_found",
                           "the locked clocks of CPUs %s were changed during the launch",
                           was->cpus);
    }
    return ST_OK;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* Adds a file with what it holds now, unless it holds what it should; "" for `set`: it is only
 * written back. A file that is not there is none of the settings. */
static bool setting_add(cJSON *settings, const char *set, const char *format, const char *name)
{
    char path[ENV_PATH_BYTES], file[ENV_PATH_BYTES], was[64];
    snprintf(file, sizeof file, format, name);
    if ((size_t)snprintf(path, sizeof path, "%s%s", clocks_root, file) >= sizeof path ||
        !env_read_text(was, sizeof was, "", "%s", path) || strcmp(was, set) == 0)
        return true;
    cJSON *setting = cJSON_CreateObject();
    return json_append(settings, setting) && json_add_string(setting, "path", path) &&
           json_add_string(setting, "was", was) && json_add_string(setting, "set", set);
}

static bool setting_add_policy(cJSON *settings, const char *name)
{
    char governor[32], highest[32];
    env_read_text(governor, sizeof governor, clocks_root, FREQUENCY_FOLDER "/%s/scaling_governor",
                  name);
    if (!env_read_text(highest, sizeof highest, clocks_root,
                       FREQUENCY_FOLDER "/%s/scaling_max_freq", name))
        return true;
    /* The governor userspace forgets its frequency. */
    if (strcmp(governor, "userspace") == 0 &&
        !setting_add(settings, "", FREQUENCY_FOLDER "/%s/scaling_setspeed", name))
        return false;
    return setting_add(settings, "performance", FREQUENCY_FOLDER "/%s/scaling_governor", name) &&
           setting_add(settings, highest, FREQUENCY_FOLDER "/%s/scaling_min_freq", name);
}

static cJSON *settings_make(struct placement_cpus cpus, struct err *err)
{
    struct env_names names;
    char affected[256];
    size_t policies = 0;
    cJSON *settings = cJSON_CreateArray();
    bool ok = settings && setting_add(settings, "1", "%s", CPU_FOLDER "/intel_pstate/no_turbo") &&
              setting_add(settings, "0", "%s", FREQUENCY_FOLDER "/boost");
    env_list_folder(clocks_root, FREQUENCY_FOLDER, "policy", &names);
    for (size_t i = 0; ok && i < names.count; i++)
        if (policy_concerns(names.names[i], cpus, affected, sizeof affected)) {
            ok = setting_add_policy(settings, names.names[i]);
            policies++;
        }
    if (ok && policies > 0)
        return settings;
    cJSON_Delete(settings);
    if (!ok)
        err_set(err, ST_NO_MEMORY, NULL, "out of memory for the clocks");
    else
        err_set(err, ST_UNAVAILABLE, "use clocks as_found",
                "this system does not let the CPUs' frequency be set");
    return NULL;
}

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    if (fd < 0)
        return errno;
    const size_t length = strlen(text);
    errno = 0;
    int failure = write(fd, text, length) == (ssize_t)length ? 0 : errno ? errno : EIO;
    close(fd);
    return failure;
}

/* The settings before `end` (NULL: all), last first. Best effort: there is nobody to tell. */
static void write_back_before(const cJSON *settings, const cJSON *end)
{
    const cJSON *setting;
    cJSON_ArrayForEach (setting, settings) {
        if (setting == end)
            return;
        if (setting->next && setting->next != end)
            continue;
        break;
    }
    for (; setting; setting = setting == settings->child ? NULL : setting->prev)
        (void)file_write(json_get_string(setting, "path", ""), json_get_string(setting, "was", ""));
}

void clocks_write_back(const cJSON *settings)
{
    write_back_before(settings, NULL);
}

enum status clocks_write(const cJSON *settings, struct err *err)
{
    const cJSON *setting;
    cJSON_ArrayForEach (setting, settings) {
        const char *path = json_get_string(setting, "path", "");
        const char *set = json_get_string(setting, "set", "");
        int failure = set[0] ? file_write(path, set) : 0;
        if (failure == 0)
            continue;
        write_back_before(settings, setting);
        return err_set(err, ST_UNAVAILABLE, "run as root: `sudo handoff run ...`",
                       "%s cannot be set to %s: %s", path, set, strerror(failure));
    }
    return ST_OK;
}

/* ---- a run at a time ------------------------------------------------------------------------- */

static enum status clocks_busy(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, "wait until it is over, or use clocks as_found",
                   "another run of handoff has the CPUs' clocks locked, and each would write back "
                   "what the other one set");
}

/* The lock of the folder that is written in: it leaves no file behind, and ends with its holders.
 * Where there is no such folder, or no lock to be had, there is nothing to wait for: *fd is -1. */
static enum status clocks_take_turn(int signal_fd, int *fd, struct err *err)
{
    char path[ENV_PATH_BYTES];
    const uint64_t until_ns = clock_monotonic_ns() + clocks_patience_ns;
    struct pollfd stop = {.fd = signal_fd, .events = POLLIN};
    snprintf(path, sizeof path, "%s" FREQUENCY_FOLDER, clocks_root);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        const bool taken = errno == EWOULDBLOCK;
        enum status status = ST_OK;
        if (taken && clock_monotonic_ns() >= until_ns)
            status = clocks_busy(err);
        else if (taken && poll(&stop, 1, CLOCKS_LOOK_MS) > 0)
            status = err_set(err, ST_INTERRUPTED, NULL, "interrupted");
        if (taken && status == ST_OK)
            continue;
        close(*fd);
        *fd = -1;
        return status;
    }
    return ST_OK;
}

/* ---- with the guard -------------------------------------------------------------------------- */

static enum status clocks_ask(struct guard *guard, const char *word, const struct clocks_held *held,
                              struct err *err)
{
    struct channel_message answer = {0};
    cJSON *question = cJSON_CreateObject();
    if (!json_add_string(question, "type", word) ||
        (held && !json_add(question, "settings", cJSON_Duplicate(held->settings, 1)))) {
        cJSON_Delete(question);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the clocks");
    }
    enum status status =
        guard_ask_with(guard, question, held ? held->turn_fd : -1, CLOCKS_ANSWER_NS, &answer, err);
    if (status != ST_OK)
        return status;
    const char *what = json_get_string(answer.json, "what", "");
    if (what[0])
        status = err_set(err, ST_UNAVAILABLE, json_get_string(answer.json, "hint", ""), "%s", what);
    channel_message_clear(&answer);
    return status;
}

/* Writing is not having: a driver may round, and a power daemon may write, too. */
static enum status clocks_verify(struct placement_cpus cpus, struct err *err)
{
    struct launch_clocks now;
    clocks_read(cpus, &now);
    for (uint32_t i = 0; i < now.count; i++) {
        const struct clocks_policy *policy = &now.policies[i];
        if (strcmp(policy->governor, "performance") != 0 || policy->min_khz != policy->max_khz)
            return err_set(err, ST_UNAVAILABLE, "use clocks as_found",
                           "CPUs %s have governor %s and %lld to %lld kHz instead of one frequency",
                           policy->cpus, policy->governor, (long long)policy->min_khz,
                           (long long)policy->max_khz);
    }
    return ST_OK;
}

enum status clocks_lock(struct guard *guard, struct placement_cpus cpus, int signal_fd,
                        struct clocks_held *held, struct err *err)
{
    struct clocks_held made = CLOCKS_NOT_HELD;
    if (!guard->running)
        return err_set(err, ST_UNAVAILABLE, "use clocks as_found",
                       "clocks locked: there is no guard process to restore them");
    enum status status = clocks_take_turn(signal_fd, &made.turn_fd, err);
    if (status == ST_OK) {
        /* What was there before is looked at when nobody else has changed it. */
        made.settings = settings_make(cpus, err);
        status = made.settings ? clocks_ask(guard, "clocks_lock", &made, err) : err->status;
    }
    if (status == ST_OK) {
        clock_sleep_until_ns(clock_now_ns() + CLOCKS_SETTLE_NS);
        status = clocks_verify(cpus, err);
    }
    if (status == ST_OK)
        *held = made;
    else
        clocks_restore(guard, &made);
    return status == ST_OK || status == ST_INTERRUPTED ? status : err_context(err, "clocks locked");
}

void clocks_restore(struct guard *guard, struct clocks_held *held)
{
    struct err ignored;
    if (held->settings && clocks_ask(guard, "clocks_restore", NULL, &ignored) != ST_OK)
        clocks_write_back(held->settings);
    cJSON_Delete(held->settings);
    if (held->turn_fd >= 0)
        close(held->turn_fd);
    *held = CLOCKS_NOT_HELD;
}
