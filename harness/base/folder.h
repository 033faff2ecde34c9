/* folder.h: folders for what is written. Called by the runner and by commands with an --out.
 */
#ifndef HANDOFF_BASE_FOLDER_H
#define HANDOFF_BASE_FOLDER_H

#include "harness/base/err.h"

/* Makes a folder and those above it that are missing, as `mkdir -p`. ST_INVALID for "" and for a
 * path that is too long, ST_SYSTEM; hints speak of --out. */
enum status folder_make(const char *path, struct err *err);

#endif
