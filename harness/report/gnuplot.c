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

#define TIMEOUT_NS 60000000000u
#define TIMEOUT_PER_PICTURE_NS 5000000000u
#define RUNS_MAX 3 /* at a time: one for the svg terminal, up to two for png, which takes longer */
#define SPLIT_FROM 8
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
static bool gnuplot_listen(int fd, pid_t pid, uint64_t deadline_ns, char says[SAYS_BYTES])
{
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

/* One gnuplot on its way. */
struct run {
    pid_t pid;
    int fd; /* its standard error */
    uint64_t deadline_ns;
};

static enum status run_missing(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE,
                   "apt-get install gnuplot-nox, then run `handoff report` again",
                   "gnuplot is not installed, so there are no pictures");
}

/* Starts one gnuplot on some rows of the list. */
static enum status run_start(const char *dir, const char *list, const char *terminal, size_t first,
                             size_t count, struct run *run, struct err *err)
{
    char chosen[64], rows[GNUPLOT_PICTURES_MAX][24];
    char *argv[4 + 3 * GNUPLOT_PICTURES_MAX + 1] = {"gnuplot", "-d", "-e", chosen};
    size_t used = 4;
    int pipe_fds[2];
    snprintf(chosen, sizeof chosen, "terminal='%s'; list='%.24s'", terminal, list);
    for (size_t i = 0; i < count && i < GNUPLOT_PICTURES_MAX; i++) {
        snprintf(rows[i], sizeof rows[i], "picture=%u", (unsigned)(first + i));
        argv[used++] = "-e";
        argv[used++] = rows[i];
        argv[used++] = "picture.gp";
    }
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return err_set_errno(err, errno, NULL, "pipe to gnuplot");
    int failed = gnuplot_spawn(dir, argv, pipe_fds[1], &run->pid);
    close(pipe_fds[1]);
    if (failed) {
        close(pipe_fds[0]);
        if (failed == ENOENT)
            return run_missing(err);
        return err_set_errno(err, failed, NULL, "cannot start gnuplot");
    }
    run->fd = pipe_fds[0];
    run->deadline_ns = clock_now_ns() + TIMEOUT_NS + count * TIMEOUT_PER_PICTURE_NS;
    return ST_OK;
}

static enum status run_wait(const struct run *run, struct err *err)
{
    char says[SAYS_BYTES];
    int state = 0;
    bool ended = gnuplot_listen(run->fd, run->pid, run->deadline_ns, says);
    close(run->fd);
    while (waitpid(run->pid, &state, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return err_set(err, ST_TIMEOUT, NULL, "gnuplot did not finish its pictures in time");
    if (WIFEXITED(state) && WEXITSTATUS(state) == 127 && !says[0])
        return run_missing(err);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
        struct text clean = {0};
        text_add_plain(&clean, says);
        err_set(err, ST_SYSTEM, "handoff needs gnuplot 5.2 or newer, with the svg terminal",
                "gnuplot failed: %s", text_get(&clean));
        text_free(&clean);
        return ST_SYSTEM;
    }
    return ST_OK;
}

enum status gnuplot_draw(const char *dir, const char *list, size_t first, size_t count,
                         struct err *err)
{
    const size_t half = count > SPLIT_FROM ? count / 2 : 0;
    const struct {
        const char *terminal;
        size_t first, count;
    } wanted[RUNS_MAX] = {
        {"svg", first, count}, {"png", first + half, count - half}, {"png", first, half}};
    struct run runs[RUNS_MAX];
    enum status status = ST_OK;
    size_t started = 0;
    while (status == ST_OK && started < RUNS_MAX && wanted[started].count) {
        status = run_start(dir, list, wanted[started].terminal, wanted[started].first,
                           wanted[started].count, &runs[started], err);
        started += status == ST_OK;
    }
    for (size_t i = 0; i < started; i++) {
        struct err problem;
        enum status one = run_wait(&runs[i], &problem);
        if (status == ST_OK && one != ST_OK) {
            status = one;
            *err = problem;
        }
    }
    return status;
}
