/* gnuplot.c: running gnuplot. See gnuplot.h. */
#include "harness/report/gnuplot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"

#define TIMEOUT_NS 60000000000u
#define TIMEOUT_PER_PICTURE_NS 5000000000u
#define RUNS_MAX 3 /* at a time: one for the svg terminal, up to two for png, which takes longer */
#define SPLIT_FROM 8
#define SAYS_BYTES 400

/* The child's part: becomes gnuplot, or tells on `failure_fd` why not. It dies with its parent, so
 * that nobody draws on for a report that was killed. */
static void gnuplot_become(const char *dir, char *const argv[], int error_fd, int failure_fd,
                           pid_t parent)
{
    const int nothing = open("/dev/null", O_RDWR);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nothing >= 0 && chdir(dir) == 0 && dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 &&
        dup2(error_fd, 2) == 2 && getppid() == parent)
        execvp("gnuplot", argv);
    const int failure = errno;
    if (write(failure_fd, &failure, sizeof failure) < 0)
        _exit(126);
    _exit(127);
}

/* Starts gnuplot in `dir` with its standard error on `error_fd`; 0, or the errno of what failed. */
static int gnuplot_spawn(const char *dir, char *const argv[], int error_fd, pid_t *pid)
{
    int pipe_fds[2], failure = 0;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return errno;
    const pid_t parent = getpid(), child = fork();
    if (child == 0)
        gnuplot_become(dir, argv, error_fd, pipe_fds[1], parent);
    if (child < 0)
        failure = errno;
    close(pipe_fds[1]);
    /* The other end is closed by the exec. */
    if (child > 0 && read(pipe_fds[0], &failure, sizeof failure) == sizeof failure)
        (void)waitpid(child, NULL, 0);
    else if (child > 0)
        *pid = child;
    close(pipe_fds[0]);
    return failure;
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

/* Pictures are drawn as NAME.tmp, so that a report that is killed leaves no half of one under its
 * name: put them in place, or (`keep` false) remove what is left of them. */
static enum status pictures_settle(const char *dir, bool keep, struct err *err)
{
    enum status status = ST_OK;
    DIR *folder = opendir(dir);
    if (!folder)
        return err_set_errno(err, errno, NULL, "%s: cannot be read", dir);
    const int fd = dirfd(folder);
    for (const struct dirent *entry; status == ST_OK && (entry = readdir(folder));) {
        char name[256];
        const size_t length = strlen(entry->d_name);
        if (length <= strlen(".tmp") || length >= sizeof name ||
            strcmp(entry->d_name + length - strlen(".tmp"), ".tmp") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(length - strlen(".tmp")), entry->d_name);
        if (keep ? renameat(fd, entry->d_name, fd, name) : unlinkat(fd, entry->d_name, 0))
            status = err_set_errno(err, errno, NULL, "%s/%s: cannot be put in place", dir, name);
    }
    closedir(folder);
    return status;
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
    enum status status = pictures_settle(dir, false, err); /* of one that was killed */
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
    struct err problem;
    enum status settled = pictures_settle(dir, status == ST_OK, &problem);
    if (status == ST_OK && settled != ST_OK) {
        status = settled;
        *err = problem;
    }
    return status;
}
