/* file.h: files that appear whole or not at all.
 *
 * Written to a temporary name beside the place and renamed: whoever is killed half-way leaves what
 * was there before. Called by json.c and by everything that writes a report.
 */
#ifndef HANDOFF_BASE_FILE_H
#define HANDOFF_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* Puts `bytes` of `data`, then the string `ending`, at `path`, replacing what is there. `durable`
 * syncs before the rename, so that a power cut leaves one or the other as well; it may take as long
 * as the disk does. ST_SYSTEM, or ST_INVALID for a path that is too long; nothing stays then. */
enum status file_write(const char *path, const char *data, size_t bytes, const char *ending,
                       bool durable, struct err *err);

#endif
