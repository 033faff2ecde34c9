/* members.h: reading the members of a scenario's objects: no unknown keys, none twice, right types.
 * Used by scenario.c.
 */
#ifndef HANDOFF_SCENARIO_MEMBERS_H
#define HANDOFF_SCENARIO_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/scenario/axes.h"
#include "harness/scenario/place.h"

#define MEMBERS_NAME_BYTES_MAX 64
#define MEMBERS_TEXT_BYTES_MAX 2000

/* Sorts an object's members by the `count` known keys (at most 16): members[i] is the one named
 * keys[i], or NULL. */
enum status members_sort(const cJSON *object, const struct place *place, const char *const *keys,
                         size_t count, const cJSON **members, struct err *err);

/* Copies text of one line; the caller frees *text. A name is made of letters, digits and "_.-" and
 * starts with a letter or digit, since files are named after it. */
enum status members_name(const cJSON *json, const struct place *place, char **text,
                         struct err *err);
enum status members_text(const cJSON *json, const struct place *place, char **text,
                         struct err *err);

/* Reads an object of axes into given[]: with `lists`, values may be lists; without, a list is an
 * error. Sets only the axes that the object names. */
enum status members_axes(const cJSON *object, const struct place *place, bool lists,
                         const cJSON **given, struct err *err);

#endif
