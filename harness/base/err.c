/* err.c: filling in `struct err`. See err.h for the contract. */
#include "harness/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [ST_OK] = "ok",
    [ST_AGAIN] = "again",
    [ST_TIMEOUT] = "timeout",
    [ST_PEER_GONE] = "peer_gone",
    [ST_INVALID] = "invalid",
    [ST_UNAVAILABLE] = "unavailable",
    [ST_NOT_APPLICABLE] = "not_applicable",
    [ST_SYSTEM] = "system",
    [ST_NO_MEMORY] = "no_memory",
    [ST_CORRUPT] = "corrupt",
    [ST_ROLE_DIED] = "role_died",
    [ST_INTERRUPTED] = "interrupted",
};

/* Appends a text to what[], cut where it ends. */
static void err_append_text(char *what, size_t size, const char *text)
{
    size_t used = strlen(what);
    size_t bytes = strlen(text);
    size_t room = size - used - 1;
    bytes = bytes < room ? bytes : room;
    memcpy(what + used, text, bytes);
    what[used + bytes] = 0;
}

static void err_append(char *what, size_t size, const char *separator, const char *text)
{
    err_append_text(what, size, separator);
    err_append_text(what, size, text);
}

static void err_write_hint(struct err *err, const char *hint)
{
    snprintf(err->hint, sizeof err->hint, "%s", hint ? hint : "");
}

enum status err_set(struct err *err, enum status status, const char *hint, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    err->sys_errno = 0;
    vsnprintf(err->what, sizeof err->what, format, args);
    va_end(args);
    err_write_hint(err, hint);
    return status;
}

enum status err_set_errno(struct err *err, int sys_errno, const char *hint, const char *format, ...)
{
    enum status status = sys_errno == ENOMEM ? ST_NO_MEMORY : ST_SYSTEM;
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    err->sys_errno = sys_errno;
    vsnprintf(err->what, sizeof err->what, format, args);
    va_end(args);
    err_append(err->what, sizeof err->what, ": ", strerror(sys_errno));
    err_write_hint(err, hint);
    return status;
}

enum status err_context(struct err *err, const char *format, ...)
{
    if (!err)
        return ST_SYSTEM;
    char text[sizeof err->what];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_append(text, sizeof text, ": ", err->what);
    memcpy(err->what, text, sizeof text);
    return err->status;
}

const char *status_name(enum status status)
{
    if ((unsigned)status >= sizeof status_names / sizeof status_names[0])
        return "unknown";
    return status_names[status];
}

enum status status_from_name(const char *name)
{
    for (unsigned i = 0; i < sizeof status_names / sizeof status_names[0]; i++)
        if (strcmp(name, status_names[i]) == 0)
            return (enum status)i;
    return ST_SYSTEM;
}
