/* mps_daemon.c: see mps_daemon.h. */
#include "harness/run/mps_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/daemon.h"
#include "harness/run/leftovers.h"
#include "harness/run/mps_program.h"
#include "harness/run/process.h"

/* Between two looks at whether the daemon answers, or has ended. */
#define MPS_LOOK_NS 10000000u
/* What one question to the daemon may take. */
#define MPS_ASK_NS 1000000000u
/* A daemon has one server for each user; ours has one user. */
#define MPS_SERVERS_MAX 8

/* ---- Directories and logs -------------------------------------------------------------------- */

static enum status mps_make_directories(struct mps_daemon *daemon, struct err *err)
{
    const enum status status = daemon_folder_make("mps", daemon->root, err);
    if (status != ST_OK)
        return status;
    snprintf(daemon->pipe_directory, sizeof daemon->pipe_directory, "%.60s/pipe", daemon->root);
    snprintf(daemon->log_directory, sizeof daemon->log_directory, "%.60s/log", daemon->root);
    if (mkdir(daemon->pipe_directory, 0700) == 0 && mkdir(daemon->log_directory, 0700) == 0)
        return ST_OK;
    err_set_errno(err, errno, NULL, "cannot make folders in %s", daemon->root);
    err->status = ST_UNAVAILABLE;
    return ST_UNAVAILABLE;
}

/* ": its log ends with \"…\"", or nothing. */
static const char *mps_log_words(const struct mps_daemon *daemon, char *words, size_t size)
{
    char line[DAEMON_LINE_BYTES];
    words[0] = '\0';
    if (daemon_last_line(daemon->log_directory, "server.log", "", line, sizeof line) ||
        daemon_last_line(daemon->log_directory, "control.log", "", line, sizeof line) ||
        daemon_last_line(daemon->log_directory, DAEMON_OUTPUT, "", line, sizeof line))
        snprintf(words, size, "; its log ends with \"%s\"", line);
    return words;
}

/* ---- The daemon's life ----------------------------------------------------------------------- */

static enum status mps_launch(struct mps_daemon *daemon, struct err *err)
{
    const int error = mps_program_start(daemon, "-f", -1, -1, &daemon->pid);
    if (error == 0)
        return ST_OK;
    daemon->pid = 0;
    if (error == ENOENT)
        return err_set(err, ST_UNAVAILABLE,
                       "it comes with NVIDIA's driver (nvidia-compute-utils); put its folder on "
                       "PATH, or use gpu_sharing time_sliced",
                       MPS_PROGRAM " is not on PATH");
    return err_set(err, ST_UNAVAILABLE, "use gpu_sharing time_sliced",
                   MPS_PROGRAM " cannot be started: %s", strerror(error));
}

static enum status mps_await_ready(struct mps_daemon *daemon, uint64_t ready_ns, struct err *err)
{
    static const char hint[] = "try `" MPS_PROGRAM " -f` by hand, or use gpu_sharing time_sliced";
    const uint64_t until_ns = clock_now_ns() + ready_ns;
    char answer[64], words[DAEMON_LINE_BYTES + 32];
    int wait_status;
    for (;;) {
        if (daemon_has_ended(daemon->pid, &wait_status)) {
            struct process ended = {.wait_status = wait_status};
            char end[96];
            daemon->pid = 0;
            return err_set(err, ST_UNAVAILABLE, hint, "the MPS control daemon %s%s",
                           process_end_format(&ended, end, sizeof end),
                           mps_log_words(daemon, words, sizeof words));
        }
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= until_ns)
            return err_set(err, ST_UNAVAILABLE, hint,
                           "the MPS control daemon does not answer after %.1f s%s",
                           (double)ready_ns / 1e9, mps_log_words(daemon, words, sizeof words));
        uint64_t ask_ns = now_ns + MPS_ASK_NS < until_ns ? now_ns + MPS_ASK_NS : until_ns;
        /* It says a percentage. */
        if (mps_program_ask(daemon, "get_default_active_thread_percentage\n", ask_ns, answer,
                            sizeof answer) &&
            answer[strspn(answer, " \t\r\n")] >= '0' && answer[strspn(answer, " \t\r\n")] <= '9')
            return ST_OK;
        clock_sleep_until_ns(clock_now_ns() + MPS_LOOK_NS);
    }
}

enum status mps_daemon_start(struct mps_daemon *daemon, uint64_t ready_ns, struct err *err)
{
    int wait_status;
    if (daemon->pid > 0 && !daemon_has_ended(daemon->pid, &wait_status))
        return ST_OK;
    daemon->pid = 0;
    mps_daemon_stop(daemon); /* what a dead one left */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    enum status status = mps_make_directories(daemon, err);
    if (status == ST_OK)
        status = mps_launch(daemon, err);
    if (status == ST_OK)
        status = mps_await_ready(daemon, ready_ns, err);
    if (status != ST_OK)
        mps_daemon_stop(daemon);
    return status;
}

/* The parent of a process, from /proc; 0 when it is gone. */
static pid_t mps_parent_of(const char *pid)
{
    char path[64], line[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    /* "pid (name) state ppid …", and a name may hold anything. */
    if (fgets(line, sizeof line, file)) {
        const char *behind = strrchr(line, ')');
        if (!behind || sscanf(behind + 1, " %*c %d", &parent) != 1)
            parent = 0;
    }
    fclose(file);
    return (pid_t)parent;
}

/* Kills every child of this process: what the daemon left has become one. */
static void mps_kill_children(void)
{
    DIR *processes = opendir("/proc");
    if (!processes)
        return;
    for (const struct dirent *entry = readdir(processes); entry; entry = readdir(processes))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            mps_parent_of(entry->d_name) == getpid())
            kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    closedir(processes);
}

/* The servers that the daemon started, before it ends them. */
static int mps_find_servers(const struct mps_daemon *daemon, pid_t pids[MPS_SERVERS_MAX])
{
    int count = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (const struct dirent *entry = readdir(processes); entry && count < MPS_SERVERS_MAX;
         entry = readdir(processes))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            mps_parent_of(entry->d_name) == daemon->pid)
            pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(processes);
    return count;
}

void mps_daemon_stop(struct mps_daemon *daemon)
{
    int wait_status, servers = 0;
    pid_t server_pids[MPS_SERVERS_MAX];
    char answer[64];
    if (daemon->pid > 0) {
        const uint64_t until_ns = clock_now_ns() + MPS_DAEMON_STOP_NS;
        servers = mps_find_servers(daemon, server_pids);
        (void)mps_program_ask(daemon, "quit -t 1\n", clock_now_ns() + MPS_ASK_NS, answer,
                              sizeof answer);
        if (!daemon_await_end(daemon->pid, until_ns, &wait_status))
            kill(-daemon->pid, SIGKILL);
        (void)daemon_await_end(daemon->pid, clock_now_ns() + MPS_KILLED_NS, &wait_status);
        daemon->pid = 0;
    }
    if (daemon->root[0]) {
        const uint64_t until_ns = clock_now_ns() + MPS_KILLED_NS;
        /* Killing one may leave its own children to us, as a daemon that died left its server. */
        for (pid_t ended; (ended = waitpid(-1, &wait_status, WNOHANG)) >= 0;) {
            if (ended > 0) {
                leftovers_remove(ended);
                continue;
            }
            if (clock_now_ns() >= until_ns)
                break;
            mps_kill_children();
            clock_sleep_until_ns(clock_now_ns() + 2000000u);
        }
    }
    for (int i = 0; i < servers; i++)
        leftovers_remove(server_pids[i]);
    daemon_folder_remove(daemon->root);
}

/* ---- Without its parent ---------------------------------------------------------------------- */

/* Was the process started with this "NAME=value"? Not known of a process of another user, and not of
 * one that has ended. */
static bool mps_process_has(const char *pid, const char *variable)
{
    char path[64], *entry = NULL;
    size_t room = 0;
    bool has = false;
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    FILE *file = fopen(path, "re");
    while (file && !has && getdelim(&entry, &room, '\0', file) > 0)
        has = strcmp(entry, variable) == 0;
    free(entry);
    if (file)
        fclose(file);
    return has;
}

/* Sends a signal (0: none) to all that have the variable; how many there are, and the first of
 * them. */
static int mps_signal_all(const char *variable, int signal_number, pid_t pids[MPS_SERVERS_MAX])
{
    int count = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (const struct dirent *entry = readdir(processes); entry && count < MPS_SERVERS_MAX;
         entry = readdir(processes)) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            !mps_process_has(entry->d_name, variable))
            continue;
        pids[count] = (pid_t)strtol(entry->d_name, NULL, 10);
        if (signal_number)
            (void)kill(pids[count], signal_number);
        count++;
    }
    closedir(processes);
    return count;
}

void mps_daemon_stand_in(const char *pipe_directory)
{
    char variable[MPS_PATH_BYTES + 32], root[MPS_PATH_BYTES];
    pid_t pids[MPS_SERVERS_MAX], ignored[MPS_SERVERS_MAX];
    const uint64_t until_ns = clock_now_ns() + MPS_DAEMON_STOP_NS;
    snprintf(variable, sizeof variable, MPS_PIPE_VARIABLE "=%s", pipe_directory);
    const int count = mps_signal_all(variable, SIGTERM, pids);
    while (mps_signal_all(variable, clock_now_ns() < until_ns ? 0 : SIGKILL, ignored) > 0 &&
           clock_now_ns() < until_ns + MPS_KILLED_NS)
        clock_sleep_until_ns(clock_now_ns() + MPS_LOOK_NS);
    for (int i = 0; i < count; i++)
        leftovers_remove(pids[i]);
    const size_t length = strlen(pipe_directory);
    const size_t name = sizeof "/pipe" - 1;
    snprintf(root, sizeof root, "%.*s", length > name ? (int)(length - name) : 0, pipe_directory);
    daemon_folder_remove(root);
}
