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
#include "harness/run/leftovers.h"
#include "harness/run/mps_daemon.h"

#define GUARD_WATCHED_MAX 64
/* A killed process with a GPU takes a while to end. */
#define GUARD_END_MS 2000
#define GUARD_REAPED_LOOKS 100

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
    return status == ST_OK ? ST_OK : err_context(err, "the guard process");
}

enum status guard_start(struct guard *guard, struct err *err)
{
    enum status status = process_start("guard", PROCESS_OUTLIVES_US, &guard->process, err);
    guard->running = status == ST_OK;
    return status;
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

void guard_stop(struct guard *guard)
{
    if (!guard->running)
        return;
    guard->mps.running = false;
    process_hang_up(&guard->process);
    process_end(&guard->process, PROCESS_GRACE_NS);
    guard->running = false;
}

/* What the guard process watches. */
struct guard_watched {
    int pidfds[GUARD_WATCHED_MAX];
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
    }
    for (uint32_t i = 0; i < watched->count; i++) {
        guard_remove_leftovers(watched->pidfds[i], pids[i]);
        close(watched->pidfds[i]);
    }
    watched->count = 0;
}

/* Tells the runner where the daemon is, or why there is none. A runner that is gone is found by the
 * next look at its socket. */
static void guard_answer(int control_fd, const struct mps_daemon *daemon, enum status status,
                         const struct err *failure)
{
    struct err ignored;
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "type", "mps");
    if (ok && status != ST_OK)
        ok = json_add_string(json, "what", failure->what) &&
             json_add_string(json, "hint", failure->hint);
    else if (ok && daemon->pid > 0)
        ok = json_add_string(json, "pipe_directory", daemon->pipe_directory);
    if (ok)
        (void)channel_send(control_fd, json, NULL, 0, &ignored);
    cJSON_Delete(json);
}

enum status guard_main(int control_fd, struct err *err)
{
    struct guard_watched watched = {.count = 0};
    struct mps_daemon daemon = {.pid = 0};
    enum status status;
    for (;;) {
        struct channel_message message = {0};
        status = channel_receive(control_fd, UINT64_MAX, &message, err);
        if (status != ST_OK)
            break;
        const char *type = json_get_string(message.json, "type", "");
        if (strcmp(type, "forget") == 0)
            guard_drop_all(&watched, false);
        if (strcmp(type, "watch") == 0 && message.fd_count == 1 &&
            watched.count < GUARD_WATCHED_MAX) {
            watched.pidfds[watched.count++] = message.fds[0];
            message.fds[0] = -1;
        }
        if (strcmp(type, "mps_start") == 0) {
            struct err failure = {.what = ""};
            enum status started = mps_daemon_start(&daemon, MPS_DAEMON_READY_NS, &failure);
            guard_answer(control_fd, &daemon, started, &failure);
        } else if (strcmp(type, "mps_stop") == 0) {
            mps_daemon_stop(&daemon);
            guard_answer(control_fd, &daemon, ST_OK, NULL);
        }
        channel_message_clear(&message);
    }
    guard_drop_all(&watched, true);
    mps_daemon_stop(&daemon);
    return status == ST_PEER_GONE ? ST_OK : status;
}
