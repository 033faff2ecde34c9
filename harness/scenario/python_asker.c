/* python_asker.c: see python_asker.h. */
#include "harness/scenario/python_asker.h"

#include <stddef.h>

static python_asker asker_now;

void python_set_asker(python_asker asker)
{
    asker_now = asker;
}

enum status python_check(enum python_part part, struct err *err)
{
    if (!asker_now)
        return err_set(err, ST_UNAVAILABLE, "ask through `handoff`",
                       "nobody looked whether there is a Python");
    return asker_now(part, err);
}
