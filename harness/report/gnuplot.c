/* gnuplot.c: running gnuplot. See gnuplot.h. */
#include "harness/report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"

#define GNUPLOT_TIMEOUT_NS 60000000000u
#define SAYS_BYTES 400

extern char **environ;

/* Starts gnuplot in `dir` with its standard error on `error_fd`. */
static int gnuplot_spawn(const char *dir, char *const argv[], int error_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawn_file_actions_addchdir_np(&actions, dir);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, error_fd, 2);
    if (!failed)
        failed = posix_spawnp(pid, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Collects what gnuplot says until it closes its end or time is up: then it is killed. */
static bool gnuplot_listen(int fd, pid_t pid, char says[SAYS_BYTES])
{
    uint64_t deadline_ns = clock_now_ns() + GNUPLOT_TIMEOUT_NS;
    size_t used = 0;
    says[0] = '\0';
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns) {
            kill(pid, SIGKILL);
            return false;
        }
        struct pollfd waited = {.fd = fd, .events = POLLIN};
        int ready = poll(&waited, 1, (int)((deadline_ns - now_ns) / 1000000u) + 1);
        if (ready < 0 && errno != EINTR)
            return true;
        if (ready <= 0)
            continue;
        char chunk[512];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        size_t room = SAYS_BYTES - 1 - used, kept = (size_t)got < room ? (size_t)got : room;
        memcpy(says + used, chunk, kept);
        used += kept;
        says[used] = '\0';
    }
}

enum status gnuplot_run(const char *dir, const char *script, const char *const args[], size_t count,
                        struct err *err)
{
    char *argv[GNUPLOT_ARGS_MAX + 5] = {"gnuplot", "-d", "-c", (char *)script};
    char says[SAYS_BYTES];
    int pipe_fds[2], state = 0;
    pid_t pid;
    for (size_t i = 0; i < count && i < GNUPLOT_ARGS_MAX; i++)
        argv[4 + i] = (char *)args[i];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return err_set_errno(err, errno, NULL, "pipe to gnuplot");
    int failed = gnuplot_spawn(dir, argv, pipe_fds[1], &pid);
    close(pipe_fds[1]);
    if (failed) {
        close(pipe_fds[0]);
        if (failed == ENOENT)
            return err_set(err, ST_UNAVAILABLE,
                           "apt-get install gnuplot-nox, then run `handoff "
                           "report` again",
                           "gnuplot is not installed, so there are no pictures");
        return err_set_errno(err, failed, NULL, "cannot start gnuplot");
    }
    bool ended = gnuplot_listen(pipe_fds[0], pid, says);
    close(pipe_fds[0]);
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return err_set(err, ST_TIMEOUT, NULL, "gnuplot did not finish %s within a minute", script);
    if (WIFEXITED(state) && WEXITSTATUS(state) == 127 && !says[0])
        return err_set(err, ST_UNAVAILABLE,
                       "apt-get install gnuplot-nox, then run `handoff report` "
                       "again",
                       "gnuplot is not installed, so there are no pictures");
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
        struct text clean = {0};
        text_add_plain(&clean, says);
        err_set(err, ST_SYSTEM, "handoff needs gnuplot 5.2 or newer, with the svg terminal",
                "gnuplot failed on %s: %s", script, text_get(&clean));
        text_free(&clean);
        return ST_SYSTEM;
    }
    return ST_OK;
}
