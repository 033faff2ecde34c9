/* steps.c: see steps.h. */
#include "harness/run/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "launch 4294967295 4294967295" and its end. */
#define STEPS_ORDER_BYTES 64
#define STEPS_LINE_BYTES 1024

/* Orders come in and answers go out here, where no process that is started has them. */
static int steps_in = -1, steps_out = -1;
static char steps_read[STEPS_ORDER_BYTES];
static size_t steps_read_bytes;

enum status steps_open(struct err *err)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    steps_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    steps_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    bool ok = nothing >= 0 && steps_in >= 0 && steps_out >= 0 && fflush(stdout) == 0 &&
              dup2(nothing, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
    int saved = errno;
    if (nothing >= 0)
        close(nothing);
    return ok ? ST_OK
              : err_set_errno(err, saved,
                              "standard input and output must be open: orders come in "
                              "there, and answers go out",
                              "cannot take orders");
}

/* Whoever orders may have died: then a write must fail and not kill, because the result is still to
 * be written. SIGPIPE is held back for the one call only, since ignoring it would be inherited. */
static void steps_write(const char *text, size_t bytes)
{
    sigset_t pipe, before;
    const struct timespec at_once = {0, 0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, &before);
    for (ssize_t wrote; bytes > 0; text += wrote, bytes -= (size_t)wrote) {
        wrote = write(steps_out, text, bytes);
        if (wrote < 0 && errno == EINTR)
            wrote = 0;
        if (wrote < 0)
            break;
    }
    while (sigtimedwait(&pipe, NULL, &at_once) > 0)
        continue;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void steps_say(const char *format, ...)
{
    char line[STEPS_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t bytes = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[bytes] = '\n';
    steps_write(line, bytes + 1);
}

void steps_answer(const char *reason)
{
    if (reason)
        steps_say("failed %s", reason);
    else
        steps_say("ok");
}

/* A whole number of digits alone, followed by `end`; NULL when it is not. */
static const char *steps_number(const char *text, char end, uint32_t *number)
{
    char *after;
    if (*text < '0' || *text > '9')
        return NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &after, 10);
    if (errno != 0 || value > UINT32_MAX || *after != end)
        return NULL;
    *number = (uint32_t)value;
    return after + 1;
}

enum status steps_parse(const char *line, uint32_t *cell, uint32_t *launch, struct err *err)
{
    static const char word[] = "launch ";
    uint32_t index, number;
    const char *at = strncmp(line, word, sizeof word - 1) == 0 ? line + sizeof word - 1 : NULL;
    at = at ? steps_number(at, ' ', &index) : NULL;
    if (!at || !steps_number(at, '\0', &number))
        return err_set(err, ST_INVALID, "an order is \"launch CELL NUMBER\", both from 0",
                       "--steps: not an order: \"%.40s\"", line);
    *cell = index;
    *launch = number;
    return ST_OK;
}

/* Takes the first whole line out of what was read; false when there is none yet. */
static bool steps_take_line(char line[STEPS_ORDER_BYTES])
{
    char *end = memchr(steps_read, '\n', steps_read_bytes);
    if (!end)
        return false;
    size_t bytes = (size_t)(end - steps_read);
    memcpy(line, steps_read, bytes);
    line[bytes] = '\0';
    steps_read_bytes -= bytes + 1;
    memmove(steps_read, end + 1, steps_read_bytes);
    return true;
}

enum status steps_next(int signal_fd, uint32_t *cell, uint32_t *launch, struct err *err)
{
    char line[STEPS_ORDER_BYTES];
    while (!steps_take_line(line)) {
        struct pollfd fds[2] = {{.fd = steps_in, .events = POLLIN},
                                {.fd = signal_fd, .events = POLLIN}};
        if (steps_read_bytes == sizeof steps_read)
            return err_set(err, ST_INVALID, "an order is \"launch CELL NUMBER\", both from 0",
                           "--steps: a line is too long to be an order");
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return err_set_errno(err, errno, NULL, "--steps: cannot wait for orders");
        if (fds[1].revents & POLLIN)
            return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
        if (!fds[0].revents)
            continue;
        ssize_t got =
            read(steps_in, steps_read + steps_read_bytes, sizeof steps_read - steps_read_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* their end, or whoever gave them has gone */
            return err_set(err, ST_INTERRUPTED, NULL, "no more orders");
        steps_read_bytes += (size_t)got;
    }
    return steps_parse(line, cell, launch, err);
}
