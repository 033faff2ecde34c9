/* waits.c: the wait strategies of the library, by name. The strategies are those of harness/wait.
 *
 * An edge has all that wait on a word, since the runner relays descriptors. A segment that has a
 * name has those that need nothing but the segment, and that leave nothing behind in it when either
 * side is killed: not eventfd, whose descriptor cannot travel, and not condvar, whose condition has
 * a lock of its own inside that a killed process keeps. The semaphore is safe: it is one word, and
 * the writer makes it anew for each reader.
 */
#include <stdio.h>
#include <string.h>

#include "transports/frames/frames.h"

#define FRAMES_WAIT(key) extern const struct wait_strategy wait_##key;
#define FRAMES_WAITS       \
    FRAMES_WAIT(spin)      \
    FRAMES_WAIT(pause)     \
    FRAMES_WAIT(yield)     \
    FRAMES_WAIT(poll)      \
    FRAMES_WAIT(futex)     \
    FRAMES_WAIT(adaptive)  \
    FRAMES_WAIT(semaphore) \
    FRAMES_WAIT(umwait)    \
    FRAMES_WAIT(wfe)       \
    FRAMES_WAIT(condvar)   \
    FRAMES_WAIT(eventfd)
FRAMES_WAITS
#undef FRAMES_WAIT
#define FRAMES_WAIT(key) &wait_##key,
static const struct wait_strategy *const frames_waits[] = {FRAMES_WAITS};
#undef FRAMES_WAIT

enum { FRAMES_WAIT_COUNT = sizeof frames_waits / sizeof frames_waits[0] };
/* The last ones are for edges alone. */
#define FRAMES_NAMED_COUNT (FRAMES_WAIT_COUNT - 2)

const char *handoff_waits(void)
{
    return "spin pause yield poll:US futex adaptive:US semaphore umwait wfe";
}

static const struct wait_strategy *frames_wait_lookup(const char *name, size_t length, bool named)
{
    const size_t count = named ? FRAMES_NAMED_COUNT : FRAMES_WAIT_COUNT;
    for (size_t i = 0; i < count; i++)
        if (strlen(frames_waits[i]->name) == length &&
            strncmp(frames_waits[i]->name, name, length) == 0)
            return frames_waits[i];
    return NULL;
}

/* A whole number of microseconds and nothing else. */
static bool frames_wait_us(const char *text, uint32_t *us)
{
    uint32_t number = 0;
    if (!*text || strlen(text) > 7)
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    *us = number;
    return *text == '\0' && number >= 1 && number <= 1000000;
}

enum status frames_wait_find(const char *text, bool named, struct wait_choice *choice,
                             struct err *err)
{
    char hint[160];
    snprintf(hint, sizeof hint, "there are: %s%s", handoff_waits(),
             named ? "" : " condvar eventfd");
    const char *colon = strchr(text, ':');
    const size_t length = colon ? (size_t)(colon - text) : strlen(text);
    const struct wait_strategy *found = frames_wait_lookup(text, length, named);
    if (!found)
        return err_set(err, ST_INVALID, hint, "no wait \"%.40s\" for a segment %s", text,
                       named ? "that has a name" : "of an edge");
    uint32_t us = 0;
    if ((found->parameter == WAIT_PARAMETER_US) != (colon != NULL) ||
        (colon && !frames_wait_us(colon + 1, &us)))
        return err_set(err, ST_INVALID, hint,
                       found->parameter == WAIT_PARAMETER_US
                           ? "wait \"%.40s\" is not written with 1 to 1000000 microseconds"
                           : "wait \"%.40s\" takes no time",
                       text);
    enum status status = found->probe(err);
    if (status == ST_OK)
        *choice = (struct wait_choice){.strategy = found, .parameter_us = us, .fd = -1};
    return status;
}
