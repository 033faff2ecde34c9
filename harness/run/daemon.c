/* daemon.c: see daemon.h. */
#include "harness/run/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/process.h"

/* Between two looks at whether a child has ended. */
#define DAEMON_LOOK_NS 2000000u

/* ---- Its folder ------------------------------------------------------------------------------ */

enum status daemon_folder_make(const char *label, char *root, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || folder[0] != '/' || strlen(folder) > DAEMON_PATH_BYTES / 2)
        folder = P_tmpdir;
    snprintf(root, DAEMON_PATH_BYTES, "%s/handoff-%s-XXXXXX", folder, label);
    if (mkdtemp(root))
        return ST_OK;
    const int saved = errno;
    err_set_errno(err, saved, "set TMPDIR to a folder with a short name", "cannot make %s", root);
    if (err)
        err->status = ST_UNAVAILABLE;
    root[0] = '\0';
    return ST_UNAVAILABLE;
}

static int daemon_remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    (void)remove(path);
    return 0;
}

void daemon_folder_remove(char *root)
{
    if (root[0])
        (void)nftw(root, daemon_remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    root[0] = '\0';
}

/* Takes "\033[…m" out of a line, in place. */
static void daemon_strip_colours(char *line)
{
    char *to = line;
    for (const char *from = line; *from;) {
        if (from[0] == '\033' && from[1] == '[') {
            from += 2 + strcspn(from + 2, "m");
            from += *from == 'm';
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

bool daemon_last_line(const char *folder, const char *name, const char *word, char *line,
                      size_t size)
{
    char path[DAEMON_PATH_BYTES + 32], read[512];
    bool found = false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (fseek(file, -65536, SEEK_END) != 0)
        rewind(file);
    while (fgets(read, sizeof read, file)) {
        read[strcspn(read, "\r\n")] = '\0';
        daemon_strip_colours(read);
        if (read[strspn(read, " \t")] == '\0' || !strstr(read, word))
            continue;
        snprintf(line, size, "%s", read);
        found = true;
    }
    fclose(file);
    return found;
}

/* ---- Its life -------------------------------------------------------------------------------- */

/* In the child, between fork and exec: only async-signal-safe calls, and what execvpe does. What
 * went wrong goes into `told`, which an exec closes. */
static void daemon_become(const char *const argv[], char *const environment[], int in, int out,
                          int told, pid_t parent)
{
    static const int ours[] = {SIGINT, SIGHUP, SIGTERM, SIGPIPE};
    sigset_t none;
    int error = 0;
    /* What the guard ignores (Ctrl-C is the runner's) must end the daemon. */
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        signal(ours[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the kernel knew our wish */
        _exit(EXIT_FAILURE);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0)
        execvpe(argv[0], (char *const *)(uintptr_t)argv, environment);
    error = errno;
    (void)!write(told, &error, sizeof error);
    _exit(EXIT_FAILURE);
}

int daemon_spawn(const char *const argv[], const char *const *changes, int in, int out, pid_t *pid)
{
    int told[2], error = 0, failure = 0, wait_status;
    char **environment = process_environment(changes);
    if (!environment)
        return ENOMEM;
    if (pipe2(told, O_CLOEXEC) != 0) {
        error = errno;
        goto undo_environment;
    }
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0)
        daemon_become(argv, environment, in, out, told[1], parent);
    if (child < 0)
        error = errno;
    close(told[1]);
    if (child > 0 && read(told[0], &failure, sizeof failure) == (ssize_t)sizeof failure) {
        error = failure;
        (void)waitpid(child, &wait_status, 0);
    }
    close(told[0]);
    if (error == 0)
        *pid = child;
undo_environment:
    free(environment);
    return error;
}

int daemon_launch(const char *const argv[], const char *const *changes, const char *folder,
                  pid_t *pid)
{
    char path[DAEMON_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/" DAEMON_OUTPUT, folder);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int error = in < 0 || out < 0 ? errno : daemon_spawn(argv, changes, in, out, pid);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return error;
}

bool daemon_has_ended(pid_t pid, int *wait_status)
{
    pid_t got = waitpid(pid, wait_status, WNOHANG);
    return got == pid || (got < 0 && errno == ECHILD);
}

bool daemon_await_end(pid_t pid, uint64_t until_ns, int *wait_status)
{
    while (!daemon_has_ended(pid, wait_status)) {
        if (clock_now_ns() >= until_ns)
            return false;
        clock_sleep_until_ns(clock_now_ns() + DAEMON_LOOK_NS);
    }
    return true;
}

bool daemon_is_dead(pid_t pid)
{
    char path[64], line[512];
    char state = 'X';
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    /* "pid (name) state …", and a name may hold anything. */
    const char *behind = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    const bool told = behind && sscanf(behind + 1, " %c", &state) == 1;
    fclose(file);
    return told && (state == 'Z' || state == 'X');
}
