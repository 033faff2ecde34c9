/* err.h: how every function of handoff reports a failure.
 *
 * A function that can fail returns `enum status` and takes a caller-owned `struct err` as its last
 * argument. Whoever first knows writes what happened and what to do about it; callers only add
 * context in front. Nothing but main.c prints an error or exits the process. Output arguments are
 * set only after success.
 */
#ifndef HANDOFF_BASE_ERR_H
#define HANDOFF_BASE_ERR_H

enum status {
    ST_OK = 0,
    ST_AGAIN,       /* nothing yet: wait on the wait source, then call again for the same frame */
    ST_TIMEOUT,     /* the deadline passed */
    ST_PEER_GONE,   /* the other side closed or died; no more frames will come or be taken */
    ST_INVALID,     /* bad input: a scenario, an argument, a file */
    ST_UNAVAILABLE, /* this machine cannot do it (now); the hint says what would make it able */
    ST_NOT_APPLICABLE, /* the combination has no meaning, on any machine */
    ST_SYSTEM,         /* a system call failed; sys_errno says how */
    ST_NO_MEMORY,
    ST_CORRUPT,   /* bytes are not what they must be: a torn frame, a broken file, a bad message */
    ST_ROLE_DIED, /* a role process ended before it was told to */
    ST_INTERRUPTED, /* the user asked to stop */
};

/* One failure. `what` is the exact cause and names the place; `hint` is the remedy, or empty.
 * Both are NUL-terminated UTF-8 and cut, never overrun, when they do not fit. */
struct err {
    enum status status;
    int sys_errno; /* errno of the failed call, or 0 */
    char what[640];
    char hint[384];
};

/* Writes a failure into *err (which may be NULL: then only the status is returned) and returns
 * `status`. `hint` may be NULL. */
enum status err_set(struct err *err, enum status status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for a failed system call: appends ": " and the text of `sys_errno`; the status is
 * ST_SYSTEM, or ST_NO_MEMORY for ENOMEM. */
enum status err_set_errno(struct err *err, int sys_errno, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts context in front: "context: what". Returns err->status (or ST_SYSTEM if err is NULL). */
enum status err_context(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A short name for a status, for messages between processes and for logs ("timeout"). */
const char *status_name(enum status status);

/* The inverse of status_name; ST_SYSTEM for an unknown name. */
enum status status_from_name(const char *name);

#endif
