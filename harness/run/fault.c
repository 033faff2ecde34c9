/* fault.c: see fault.h. Empty in the real program. */
#include "harness/run/fault.h"

#ifdef HANDOFF_FAULT_INJECTION
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fault_point(const char *role, const char *point, int32_t frame_id)
{
    const char *wanted = getenv("HANDOFF_FAULT");
    if (!wanted)
        return;
    char here[96];
    snprintf(here, sizeof here, "%s:%s:%d", role, point, frame_id);
    if (strcmp(here, wanted) != 0)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}
#else
/* ISO C wants something in a translation unit. */
typedef int fault_nothing;
#endif
