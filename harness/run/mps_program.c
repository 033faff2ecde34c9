/* mps_program.c: see mps_program.h. */
#include "harness/run/mps_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/daemon.h"

int mps_program_start(const struct mps_daemon *daemon, const char *argument, int in, int out,
                      pid_t *pid)
{
    char pipe_variable[MPS_PATH_BYTES + 32], log_variable[MPS_PATH_BYTES + 32];
    const char *const argv[] = {MPS_PROGRAM, argument, NULL};
    /* The server must see all devices: its clients choose among those, by the same variable. */
    const char *const changes[] = {pipe_variable, log_variable, "CUDA_VISIBLE_DEVICES",
                                   MPS_SHARE_VARIABLE, NULL};
    snprintf(pipe_variable, sizeof pipe_variable, MPS_PIPE_VARIABLE "=%s", daemon->pipe_directory);
    snprintf(log_variable, sizeof log_variable, "CUDA_MPS_LOG_DIRECTORY=%s", daemon->log_directory);
    return in < 0 ? daemon_launch(argv, changes, daemon->log_directory, pid)
                  : daemon_spawn(argv, changes, in, out, pid);
}

bool mps_program_ask(const struct mps_daemon *daemon, const char *command, uint64_t until_ns,
                     char *answer, size_t size)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int wait_status = -1;
    size_t used = 0;
    pid_t pid;
    bool well = false;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        goto undo;
    if (write(in[1], command, strlen(command)) != (ssize_t)strlen(command) ||
        mps_program_start(daemon, NULL, in[0], out[1], &pid) != 0)
        goto undo;
    close(in[1]); /* the end of its input */
    close(out[1]);
    in[1] = out[1] = -1;
    for (;;) {
        char more[256];
        struct pollfd output = {.fd = out[0], .events = POLLIN};
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= until_ns || poll(&output, 1, (int)((until_ns - now_ns) / 1000000u) + 1) <= 0)
            break;
        ssize_t got = read(out[0], more, sizeof more);
        if (got <= 0)
            break;
        size_t kept = (size_t)got < size - 1 - used ? (size_t)got : size - 1 - used;
        memcpy(answer + used, more, kept);
        used += kept;
    }
    if (daemon_await_end(pid, until_ns, &wait_status)) {
        well = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    } else {
        kill(-pid, SIGKILL);
        (void)daemon_await_end(pid, clock_now_ns() + MPS_KILLED_NS, &wait_status);
    }
undo:
    answer[used] = '\0';
    for (int i = 0; i < 2; i++) {
        if (in[i] >= 0)
            close(in[i]);
        if (out[i] >= 0)
            close(out[i]);
    }
    return well;
}
