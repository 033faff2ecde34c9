/* place.h: where in a scenario file the reader is, so that every error names its place.
 *
 * A place is a chain on the stack, from an element back to the file; it costs nothing until an
 * error is written. Used by scenario.c and matrix.c.
 */
#ifndef HANDOFF_SCENARIO_PLACE_H
#define HANDOFF_SCENARIO_PLACE_H

#include <stddef.h>

#include "harness/base/err.h"

struct place {
    const struct place *parent; /* NULL: the file; then `key` is its path */
    const char *key;            /* member of the parent; NULL: element `index` of it */
    size_t index;
};
#define PLACE_FILE(path) ((struct place){.parent = NULL, .key = (path), .index = 0})
#define PLACE_KEY(above, name) ((struct place){.parent = (above), .key = (name), .index = 0})
#define PLACE_ITEM(above, i) ((struct place){.parent = (above), .key = NULL, .index = (i)})

/* Writes "path: blocks[0].axes.wait[2]: <message>" into *err; returns ST_INVALID. */
enum status place_fail(const struct place *place, struct err *err, const char *hint,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts the place in front of an error that was written without one; returns its status. */
enum status place_context(const struct place *place, struct err *err);

#endif
