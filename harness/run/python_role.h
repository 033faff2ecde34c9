/* python_role.h: a Python process in the place of a role, or to ask what Python there is.
 *
 * Which interpreter: $HANDOFF_ROLE_PYTHON (a path, or a name on PATH), else python3. Where package
 * `handoff` lies: $HANDOFF_PYTHON_HOME, else where it was installed beside this program, else the
 * source tree that it was built from. The C library: $HANDOFF_FRAMES_LIBRARY, else beside this
 * program, or where it was installed or built. Called by session.c and python_probe.c.
 */
#ifndef HANDOFF_RUN_PYTHON_ROLE_H
#define HANDOFF_RUN_PYTHON_ROLE_H

#include <limits.h>

#include "harness/run/process.h"

struct python_place {
    char program[PATH_MAX];
    char home[PATH_MAX];    /* the folder that holds package `handoff` */
    char library[PATH_MAX]; /* of the C library's file */
};

/* Looks for the files, and starts nothing. ST_UNAVAILABLE with what is not there. */
enum status python_place_find(struct python_place *place, struct err *err);

/* Executes the package's `handoff.role` with `--role ROLE --control-fd 3`, or for a NULL role with
 * `--probe --control-fd 3`, which answers one "probe" message and ends. The current folder is not
 * searched for modules: what lies there may have the name of one. What it raises before it can
 * speak comes as an "error" message. Whatever it starts ends with it. `changes` as in
 * process_start_with. The caller ends it with process_end. */
enum status python_start(const char *role, const char *const *changes, struct process *process,
                         struct err *err);

/* Makes this process's python_check (scenario/python_asker.h) ask here. Starts nothing. */
void python_probe_install(void);

#endif
