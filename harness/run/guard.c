/* guard.c: see guard.h. */
#include "harness/run/guard.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/clocks.h"
#include "harness/run/leftovers.h"
#include "harness/run/mps_daemon.h"
#include "harness/run/roudi_daemon.h"

#define GUARD_WATCHED_MAX 64
/* A killed process with a GPU takes a while to end. */
#define GUARD_END_MS 2000
#define GUARD_REAPED_LOOKS 100
/* From the end of the guard's socket to its being a process that can be reaped. */
#define GUARD_REAP_NS 500000000u

/* It has closed its socket, so it ends, and how can be told in a moment. */
static void guard_reap(struct guard *guard)
{
    const uint64_t until_ns = clock_now_ns() + GUARD_REAP_NS;
    while (!process_has_ended(&guard->process) && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 200000u);
}

enum status guard_gone(struct guard *guard, const char *daemon, struct err *err)
{
    char end[96];
    guard_reap(guard);
    return err_set(err, ST_SYSTEM,
                   "let it live: it is this program, with `--role guard`; the kernel's log (dmesg) "
                   "tells of memory running out",
                   "the guard process %s%s%s", process_end_format(&guard->process, end, sizeof end),
                   daemon[0] ? ", and " : "", daemon);
}

static enum status guard_failed(struct guard *guard, enum status status, struct err *err)
{
    if (status == ST_PEER_GONE)
        return guard_gone(guard, "", err);
    /* What it answers late would be taken for the answer to the next question. */
    if (status == ST_TIMEOUT && guard->process.pid > 0)
        kill(guard->process.pid, SIGKILL);
    err_context(err, "the guard process");
    err->status = ST_SYSTEM;
    return ST_SYSTEM;
}

static enum status guard_send(struct guard *guard, const char *type, const int *fds,
                              uint32_t fd_count, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    if (!json_add_string(json, "type", type)) {
        cJSON_Delete(json);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message to the guard");
    }
    enum status status = channel_send(guard->process.control_fd, json, fds, fd_count, err);
    cJSON_Delete(json);
    return status == ST_OK ? ST_OK : guard_failed(guard, status, err);
}

enum status guard_start(struct guard *guard, struct err *err)
{
    enum status status = process_start("guard", PROCESS_OUTLIVES_US, &guard->process, err);
    guard->running = status == ST_OK;
    return status;
}

enum status guard_renew(struct guard *guard, struct err *err)
{
    if (!guard->running || !process_has_ended(&guard->process))
        return ST_OK;
    mps_stop(guard);   /* they are ending, too: what they leave is ours to remove, */
    roudi_stop(guard); /* and the next RouDi has to wait for that */
    guard_stop(guard);
    return guard_start(guard, err);
}

struct pollfd guard_daemon_pollfd(const struct guard *guard)
{
    if (!guard->running || !(guard->mps.running || guard->roudi.running))
        return (struct pollfd){.fd = -1};
    if (guard->process.pidfd >= 0)
        return (struct pollfd){.fd = guard->process.pidfd, .events = POLLIN};
    /* Its end, but not an answer that comes late. */
    return (struct pollfd){.fd = guard->process.control_fd, .events = 0};
}

enum status guard_watch(struct guard *guard, const struct process *process, struct err *err)
{
    if (!guard->running || process->pidfd < 0)
        return ST_OK;
    return guard_send(guard, "watch", &process->pidfd, 1, err);
}

enum status guard_forget(struct guard *guard, struct err *err)
{
    return guard->running ? guard_send(guard, "forget", NULL, 0, err) : ST_OK;
}

enum status guard_ask(struct guard *guard, cJSON *question, uint64_t answer_ns,
                      struct channel_message *answer, struct err *err)
{
    return guard_ask_with(guard, question, -1, answer_ns, answer, err);
}

enum status guard_ask_with(struct guard *guard, cJSON *question, int with_fd, uint64_t answer_ns,
                           struct channel_message *answer, struct err *err)
{
    const int fd = guard->process.control_fd;
    if (!question)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message to the guard");
    enum status status = channel_send(fd, question, &with_fd, with_fd >= 0, err);
    cJSON_Delete(question);
    if (status == ST_OK)
        status = channel_receive(fd, clock_now_ns() + answer_ns, answer, err);
    if (status == ST_OK)
        return ST_OK;
    return guard_failed(guard, status, err);
}

void guard_stop(struct guard *guard)
{
    if (!guard->running)
        return;
    guard->mps.running = false;
    guard->roudi.running = false;
    process_hang_up(&guard->process);
    process_end(&guard->process, PROCESS_GRACE_NS);
    guard->running = false;
}

/* What the guard process watches. */
struct guard_watched {
    int pidfds[GUARD_WATCHED_MAX];
    pid_t groups[GUARD_WATCHED_MAX]; /* that of one that leads its own, or 0 */
    uint32_t count;
};

/* The number of the process behind a pidfd; 0 when it has gone. */
static pid_t guard_pid(int pidfd)
{
    char path[64], line[128];
    long pid = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pid: %ld", &pid) == 1)
            break;
    fclose(file);
    return pid > 0 ? (pid_t)pid : 0;
}

/* Waits until whoever was killed has gone, so that what it leaves behind can be removed. */
static void guard_remove_leftovers(int pidfd, pid_t pid)
{
    struct pollfd ending = {.fd = pidfd, .events = POLLIN};
    if (pid == 0 || poll(&ending, 1, GUARD_END_MS) <= 0)
        return;
    /* Its parent was the runner; whoever inherits it reaps it a moment later. */
    for (int i = 0; i < GUARD_REAPED_LOOKS && kill(pid, 0) == 0; i++)
        usleep(1000);
    leftovers_remove(pid);
}

static void guard_drop_all(struct guard_watched *watched, bool kill_them)
{
    pid_t pids[GUARD_WATCHED_MAX] = {0};
    for (uint32_t i = 0; i < watched->count && kill_them; i++) {
        pids[i] = guard_pid(watched->pidfds[i]);
#ifdef SYS_pidfd_send_signal
        (void)syscall(SYS_pidfd_send_signal, watched->pidfds[i], SIGKILL, NULL, 0);
#endif
        if (watched->groups[i] > 0)
            (void)kill(-watched->groups[i], SIGKILL);
    }
    for (uint32_t i = 0; i < watched->count; i++) {
        guard_remove_leftovers(watched->pidfds[i], pids[i]);
        close(watched->pidfds[i]);
    }
    watched->count = 0;
}

/* Tells the runner where the daemon is (pipe_directory, or NULL), or why there is none. A runner
 * that is gone is found by the next look at its socket. */
static void guard_answer(int control_fd, const char *type, enum status status,
                         const char *pipe_directory, const struct err *failure)
{
    struct err ignored;
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "type", type);
    if (ok && status != ST_OK)
        ok = json_add_string(json, "what", failure->what) &&
             json_add_string(json, "hint", failure->hint);
    else if (ok && pipe_directory)
        ok = json_add_string(json, "pipe_directory", pipe_directory);
    if (ok)
        (void)channel_send(control_fd, json, NULL, 0, &ignored);
    cJSON_Delete(json);
}

static void guard_mps(int control_fd, struct mps_daemon *daemon, bool start)
{
    struct err failure = {.what = ""};
    enum status status = ST_OK;
    if (start)
        status = mps_daemon_start(daemon, MPS_DAEMON_READY_NS, &failure);
    else
        mps_daemon_stop(daemon);
    guard_answer(control_fd, "mps", status, daemon->pid > 0 ? daemon->pipe_directory : NULL,
                 &failure);
}

static void guard_roudi(int control_fd, struct roudi_daemon *daemon, bool start, const cJSON *json)
{
    struct err failure = {.what = ""};
    enum status status = ST_OK;
    if (start) {
        const double payload_bytes = json_get_number(json, "payload_bytes", 0);
        const uint32_t slots = (uint32_t)json_get_number(json, "slots", 0);
        const struct roudi_pool pools[] = {
            {ROUDI_SMALL_BYTES, roudi_small_count(slots)},
            {roudi_frame_bytes((size_t)payload_bytes), roudi_frame_count(slots)},
        };
        status = roudi_daemon_start(daemon, pools, 2, ROUDI_DAEMON_READY_NS, &failure);
    } else {
        roudi_daemon_stop(daemon);
    }
    guard_answer(control_fd, "roudi", status, NULL, &failure);
}

static void guard_clocks_restore(struct clocks_held *held)
{
    clocks_write_back(held->settings);
    cJSON_Delete(held->settings);
    if (held->turn_fd >= 0)
        close(held->turn_fd);
    *held = CLOCKS_NOT_HELD;
}

/* Fixes the clocks, or writes back what was found. What is held is known before anything is
 * written: a guard that has it undoes it, and no other run has its turn before. */
static void guard_clocks(int control_fd, struct clocks_held *held, struct channel_message *message)
{
    struct err failure = {.what = ""};
    enum status status = ST_OK;
    guard_clocks_restore(held);
    held->settings = cJSON_DetachItemFromObjectCaseSensitive(message->json, "settings");
    if (held->settings && message->fd_count == 1) {
        held->turn_fd = message->fds[0];
        message->fds[0] = -1;
    }
    if (held->settings)
        status = clocks_write(held->settings, &failure);
    if (status != ST_OK) { /* nothing is changed */
        cJSON_Delete(held->settings);
        held->settings = NULL;
        guard_clocks_restore(held);
    }
    guard_answer(control_fd, "clocks", status, NULL, &failure);
}

/* Begins to watch the process whose pidfd came with a message. */
static void guard_take(struct guard_watched *watched, struct channel_message *message)
{
    if (message->fd_count != 1 || watched->count == GUARD_WATCHED_MAX)
        return;
    const pid_t pid = guard_pid(message->fds[0]);
    watched->groups[watched->count] = pid > 0 && getpgid(pid) == pid ? pid : 0;
    watched->pidfds[watched->count++] = message->fds[0];
    message->fds[0] = -1;
}

enum status guard_main(int control_fd, struct err *err)
{
    struct guard_watched watched = {.count = 0};
    struct mps_daemon mps = {.pid = 0};
    struct roudi_daemon roudi = {.pid = 0};
    struct clocks_held clocks = CLOCKS_NOT_HELD;
    enum status status;
    for (;;) {
        struct channel_message message = {0};
        status = channel_receive(control_fd, UINT64_MAX, &message, err);
        if (status != ST_OK)
            break;
        const char *type = json_get_string(message.json, "type", "");
        if (strcmp(type, "forget") == 0)
            guard_drop_all(&watched, false);
        else if (strcmp(type, "watch") == 0)
            guard_take(&watched, &message);
        else if (strcmp(type, "mps_start") == 0 || strcmp(type, "mps_stop") == 0)
            guard_mps(control_fd, &mps, strcmp(type, "mps_start") == 0);
        else if (strcmp(type, "roudi_start") == 0 || strcmp(type, "roudi_stop") == 0)
            guard_roudi(control_fd, &roudi, strcmp(type, "roudi_start") == 0, message.json);
        else if (strcmp(type, "clocks_lock") == 0 || strcmp(type, "clocks_restore") == 0)
            guard_clocks(control_fd, &clocks, &message);
        channel_message_clear(&message);
    }
    guard_clocks_restore(&clocks);
    guard_drop_all(&watched, true);
    mps_daemon_stop(&mps);
    roudi_daemon_stop(&roudi);
    return status == ST_PEER_GONE ? ST_OK : status;
}
