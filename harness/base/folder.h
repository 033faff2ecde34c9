/* folder.h: folders for what is written. Called by the runner and by commands with an --out.
 */
#ifndef HANDOFF_BASE_FOLDER_H
#define HANDOFF_BASE_FOLDER_H

#include "harness/base/err.h"

/* Makes a folder and those above it that are missing, as `mkdir -p`. ST_INVALID for "" and for a
 * path that is too long, ST_SYSTEM; hints speak of --out. */
enum status folder_make(const char *path, struct err *err);

/* Takes the folder for this process alone, until *fd is closed or the process ends. Waits up to
 * three seconds for whoever has it: a run that was killed may have a process left that is about to
 * end. *fd is -1 where the filesystem knows no locks (some over the network): then nobody is kept
 * out. ST_INVALID: another process has it. */
enum status folder_lock(const char *path, int *fd, struct err *err);

#endif
