/* python_asker.h: whether this machine has the Python that a cell needs.
 *
 * probe.c and `handoff list` ask; who finds out, in a process of its own, is run/python_probe.c,
 * which main.c names: reading a scenario starts nothing.
 */
#ifndef HANDOFF_SCENARIO_PYTHON_ASKER_H
#define HANDOFF_SCENARIO_PYTHON_ASKER_H

#include "harness/base/err.h"

enum python_part {
    PYTHON_ROLE, /* an interpreter, the package with its library, and numpy */
    PYTHON_ZMQ,  /* beside these: pyzmq, and so on */
    PYTHON_CUPY,
    PYTHON_TORCH,
    PYTHON_PARTS
};

/* ST_OK: it is there. ST_UNAVAILABLE with what is missing and the command that installs it. Blocks
 * for as long as a Python takes to start, the first time; without an asker: ST_UNAVAILABLE. */
enum status python_check(enum python_part part, struct err *err);

/* Who finds out. It remembers its answers. */
typedef enum status (*python_asker)(enum python_part part, struct err *err);
void python_set_asker(python_asker asker);

#endif
