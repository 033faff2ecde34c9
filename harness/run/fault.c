/* fault.c: see fault.h. Empty in the real program. */
#include "harness/run/fault.h"

#ifdef HANDOFF_FAULT_INJECTION
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t fault_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Notes in a file that this process is about to die; false when it cannot be opened that way. */
static bool fault_note(const char *path, int how)
{
    char note[96];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
    if (fd < 0)
        return false;
    int length =
        snprintf(note, sizeof note, "%" PRIu64 " %" PRIu64 " %d\n", fault_clock_ns(CLOCK_MONOTONIC),
                 fault_clock_ns(CLOCK_REALTIME), (int)getpid());
    bool written = write(fd, note, (size_t)length) == length;
    close(fd);
    return written;
}

void fault_point(const char *role, const char *point, int32_t frame_id)
{
    const char *wanted = getenv("HANDOFF_FAULT");
    const char *once = getenv("HANDOFF_FAULT_ONCE");
    const char *log = getenv("HANDOFF_FAULT_LOG");
    const char *action = getenv("HANDOFF_FAULT_ACTION");
    char here[96];
    if (!wanted)
        return;
    snprintf(here, sizeof here, "%s:%s:%d", role, point, frame_id);
    /* Only the first gets to make the file. */
    if (strcmp(here, wanted) != 0 || (once && !fault_note(once, O_EXCL)))
        return;
    if (log)
        (void)fault_note(log, O_APPEND);
    kill(getpid(), action && strcmp(action, "stop") == 0 ? SIGSTOP : SIGKILL);
}

uint64_t fault_slack_ns(uint64_t slack_ns)
{
    const char *wanted = getenv("HANDOFF_FAULT_SLACK_MS");
    return wanted ? strtoull(wanted, NULL, 10) * 1000000u : slack_ns;
}
#else
/* ISO C wants something in a translation unit. */
typedef int fault_nothing;
#endif
