/* json.h: reading and writing JSON with cJSON, its traps fenced off.
 *
 * Whole numbers travel exactly (cJSON holds doubles and prints large ones rounded), trailing
 * garbage is an error, names match by case, and files appear whole or not at all.
 */
#ifndef HANDOFF_BASE_JSON_H
#define HANDOFF_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"

/* Parses text that must be one JSON value and nothing else; needs text[bytes] == 0. ST_INVALID with
 * "path:line:column: …". The caller deletes *json with cJSON_Delete. */
enum status json_parse(const char *path, const char *text, size_t bytes, cJSON **json,
                       struct err *err);
/* Reads and parses a file of at most `bytes_max`. ST_SYSTEM when it cannot be read. */
enum status json_read_file(const char *path, size_t bytes_max, cJSON **json, struct err *err);

/* Writes `json` to a temporary name beside `path`, syncs it and renames it: the file is whole or
 * absent. `pretty` indents. */
enum status json_write_file(const char *path, const cJSON *json, bool pretty, struct err *err);

/* Makes what another machine said fit to be shown: control characters in all strings and names of
 * `json`, those of 8 bits as well, which a terminal would obey, become '?', newlines and tabs
 * spaces. */
void json_defuse(cJSON *json);

/* Member by exact name, or NULL. */
cJSON *json_get(const cJSON *object, const char *name);
/* "" or the default when absent or of another type. */
const char *json_get_string(const cJSON *object, const char *name, const char *otherwise);
double json_get_number(const cJSON *object, const char *name, double otherwise);
bool json_get_bool(const cJSON *object, const char *name, bool otherwise);

/* True for a number that is a whole one in [low, high], both at most 2^53; *value only then. */
bool json_whole(const cJSON *json, int64_t low, int64_t high, int64_t *value);

/* Add a member; they return false when out of memory, and then nothing was added. u64 and i64 are
 * written with all their digits; a double that is not finite becomes null. `text` that is not valid
 * UTF-8 has the offending bytes replaced by '?'. */
bool json_add_u64(cJSON *object, const char *name, uint64_t value);
bool json_add_i64(cJSON *object, const char *name, int64_t value);
bool json_add_double(cJSON *object, const char *name, double value);
bool json_add_string(cJSON *object, const char *name, const char *text);
bool json_add_bool(cJSON *object, const char *name, bool value);
/* A 64-bit number as a string of digits, exact at any size, and back; false when it is not one.
 * For times on the clock: a machine that is up for 104 days counts past 2^53 ns. */
bool json_add_u64_text(cJSON *object, const char *name, uint64_t value);
bool json_get_u64_text(const cJSON *object, const char *name, uint64_t *value);
/* Takes over `item` in every case; false (and item deleted) when out of memory or item is NULL. */
bool json_add(cJSON *object, const char *name, cJSON *item);
bool json_append(cJSON *array, cJSON *item);

#endif
