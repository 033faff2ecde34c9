/* error.c: failures of the harness in the words and numbers of handoff_frames.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transports/frames/frames.h"

static enum handoff_status frames_status(enum status status, int system_errno)
{
    switch (status) {
    case ST_OK:
        return HANDOFF_OK;
    case ST_AGAIN:
    case ST_TIMEOUT:
        return HANDOFF_TIMEOUT;
    case ST_PEER_GONE:
    case ST_ROLE_DIED:
        return HANDOFF_PEER_GONE;
    case ST_INVALID:
    case ST_NOT_APPLICABLE:
        return HANDOFF_INVALID;
    case ST_UNAVAILABLE:
        return HANDOFF_UNAVAILABLE;
    case ST_NO_MEMORY:
        return HANDOFF_NO_MEMORY;
    case ST_CORRUPT:
        return HANDOFF_CORRUPT;
    case ST_SYSTEM:
        break;
    case ST_INTERRUPTED:
        break;
    }
    /* A full /dev/shm is a lack of memory. */
    return system_errno == ENOSPC ? HANDOFF_NO_MEMORY : HANDOFF_SYSTEM;
}

int frames_fail(enum status status, const struct err *err, struct handoff_error *error)
{
    _Static_assert(sizeof err->what == sizeof error->what && sizeof err->hint == sizeof error->hint,
                   "a text that fits the one fits the other");
    const enum handoff_status told = frames_status(status, err->sys_errno);
    if (status == ST_OK || !error)
        return (int)told;
    error->status = (int32_t)told;
    error->system_errno = err->sys_errno;
    memcpy(error->what, err->what, sizeof error->what);
    memcpy(error->hint, err->hint, sizeof error->hint);
    return (int)told;
}

int frames_fail_as(enum handoff_status status, struct handoff_error *error, const char *hint,
                   const char *format, ...)
{
    if (!error)
        return (int)status;
    va_list args;
    va_start(args, format);
    error->status = (int32_t)status;
    error->system_errno = 0;
    vsnprintf(error->what, sizeof error->what, format, args);
    va_end(args);
    snprintf(error->hint, sizeof error->hint, "%s", hint ? hint : "");
    return (int)status;
}
