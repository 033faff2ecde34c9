/* process.c: fork and exec of roles. See process.h. */
#include "harness/run/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/channel.h"
#include "harness/measure/clock.h"
#include "harness/run/leftovers.h"

size_t process_emulator_words(char *emulator, const char *argv[PROCESS_EMULATOR_WORDS_MAX])
{
    size_t count = 0;
    for (char *word = strtok(emulator, " "); word && count < PROCESS_EMULATOR_WORDS_MAX;
         word = strtok(NULL, " "))
        argv[count++] = word;
    return count;
}

/* The command line of a role; `emulator` is cut into words in place. */
static void process_arguments(char *emulator, const char *program, const char *role,
                              const char *argv[PROCESS_EMULATOR_WORDS_MAX + 6])
{
    size_t count = process_emulator_words(emulator, argv);
    argv[count++] = program;
    argv[count++] = "--role";
    argv[count++] = role;
    argv[count++] = "--control-fd";
    argv[count++] = "3";
    argv[count] = NULL;
}

/* In the child, between fork and exec: only async-signal-safe calls. */
static void process_become(const char *const argv[], char *const environment[], int control_fd,
                           enum process_lifetime lifetime, pid_t parent)
{
    /* Ctrl-C, a closed terminal and `timeout` reach the runner's whole process group; the runner
     * alone decides what they mean. Ignored before they are unblocked, which exec keeps. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (lifetime != PROCESS_OUTLIVES_US)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (lifetime != PROCESS_DIES_WITH_US)
        setpgid(0, 0);
    /* In the background of the terminal it may still print there, `stty tostop` or not. */
    if (lifetime == PROCESS_DIES_WITH_ITS_OWN)
        signal(SIGTTOU, SIG_IGN);
    /* The runner may have died before the kernel knew our wish. */
    if (lifetime != PROCESS_OUTLIVES_US && getppid() != parent)
        _exit(EXIT_FAILURE);
    /* dup2 clears close-on-exec; onto itself it does nothing, so that case does it by hand. */
    if (control_fd == PROCESS_CONTROL_FD ? fcntl(control_fd, F_SETFD, 0) < 0
                                         : dup2(control_fd, PROCESS_CONTROL_FD) < 0)
        _exit(EXIT_FAILURE);
    execve(argv[0], (char *const *)argv, environment);
    _exit(PROCESS_NOT_EXECUTED);
}

void process_die_with_runner(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Whether "NAME" or "NAME=value" is of the same name as "NAME=…" of the environment. */
static bool process_same_name(const char *change, const char *variable)
{
    size_t length = strcspn(change, "=");
    return strncmp(change, variable, length) == 0 && variable[length] == '=';
}

char **process_environment(const char *const *changes)
{
    size_t count = 0, change_count = 0, used = 0;
    while (environ && environ[count])
        count++;
    while (changes && changes[change_count])
        change_count++;
    char **list = calloc(count + change_count + 1, sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        bool changed = false;
        for (size_t j = 0; j < change_count; j++)
            changed |= process_same_name(changes[j], environ[i]);
        if (!changed)
            list[used++] = environ[i];
    }
    for (size_t j = 0; j < change_count; j++)
        if (strchr(changes[j], '='))
            list[used++] = (char *)(uintptr_t)changes[j];
    return list;
}

enum status process_start(const char *role, enum process_lifetime lifetime, struct process *process,
                          struct err *err)
{
    return process_start_with(role, lifetime, NULL, process, err);
}

enum status process_start_with(const char *role, enum process_lifetime lifetime,
                               const char *const *changes, struct process *process, struct err *err)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0)
        return err_set_errno(err, errno, "is /proc mounted?", "cannot find my own program");
    program[length] = 0;
    const char *emulator_text = getenv("HANDOFF_EMULATOR");
    char *emulator = strdup(emulator_text ? emulator_text : "");
    if (!emulator)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to start a role");
    const char *argv[PROCESS_EMULATOR_WORDS_MAX + 6];
    process_arguments(emulator, program, role, argv);
    enum status status = process_start_program(argv, role, lifetime, changes, process, err);
    free(emulator);
    return status;
}

enum status process_start_program(const char *const *argv, const char *name,
                                  enum process_lifetime lifetime, const char *const *changes,
                                  struct process *process, struct err *err)
{
    int pair[2];
    char **environment = process_environment(changes);
    if (!environment)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to start a role");
    enum status status = channel_pair(pair, err);
    if (status != ST_OK)
        goto undo_environment;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        status = err_set_errno(err, errno, "end other processes, or raise `ulimit -u`",
                               "cannot start a %s process", name);
        goto undo_pair;
    }
    if (pid == 0)
        process_become(argv, environment, pair[1], lifetime, parent);
    close(pair[1]);
    free(environment);
    *process = (struct process){.pid = pid,
                                .pidfd = -1,
                                .control_fd = pair[0],
                                .leads_group = lifetime == PROCESS_DIES_WITH_ITS_OWN};
    if (process->leads_group)
        setpgid(pid, pid); /* the child does so, too: whoever comes first, it is one from now on */
#ifdef SYS_pidfd_open
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    return ST_OK;
undo_pair:
    close(pair[0]);
    close(pair[1]);
undo_environment:
    free(environment);
    return status;
}

void process_hang_up(struct process *process)
{
    if (process->control_fd >= 0)
        close(process->control_fd);
    process->control_fd = -1;
}

/* Kills what the process has started and left, once it has ended itself: before it is reaped, while
 * nobody else can have its number. */
static void process_end_group(const struct process *process)
{
    siginfo_t ended = {.si_pid = 0};
    if (process->leads_group &&
        waitid(P_PID, (id_t)process->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == process->pid)
        (void)kill(-process->pid, SIGKILL);
}

bool process_has_ended(struct process *process)
{
    if (process->pid == 0)
        return true;
    int wait_status;
    process_end_group(process);
    pid_t got = waitpid(process->pid, &wait_status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    process->wait_status = got > 0 ? wait_status : 0;
    if (got > 0)
        leftovers_remove(process->pid);
    process->pid = 0;
    return true;
}

/* For poll: at least 1 ms, at most a second, after which the caller looks again. */
static int process_poll_ms(uint64_t left_ns)
{
    return left_ns >= 1000000000u ? 1000 : (int)(left_ns / 1000000u) + 1;
}

/* Waits for the end and reaps; on old kernels by looking every millisecond. */
static void process_wait(struct process *process, uint64_t until_ns)
{
    while (!process_has_ended(process)) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= until_ns)
            return;
        if (process->pidfd < 0) {
            clock_sleep_until_ns(now_ns + 1000000u);
            continue;
        }
        struct pollfd ending = {.fd = process->pidfd, .events = POLLIN};
        (void)poll(&ending, 1, process_poll_ms(until_ns - now_ns));
    }
}

void process_end(struct process *process, uint64_t grace_ns)
{
    if (process->pid > 0 && grace_ns > 0)
        process_wait(process, clock_now_ns() + grace_ns);
    if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        process_wait(process, UINT64_MAX);
    }
    process_hang_up(process);
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pidfd = -1;
}

const char *process_end_format(const struct process *process, char *text, size_t size)
{
    int status = process->wait_status;
    if (process->pid > 0)
        snprintf(text, size, "closed its control socket");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exited with status %d%s", WEXITSTATUS(status),
                 WEXITSTATUS(status) == PROCESS_NOT_EXECUTED
                     ? " (its program could not be executed: was it replaced?)"
                     : "");
    return text;
}
