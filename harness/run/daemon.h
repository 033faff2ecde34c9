/* daemon.h: programs that are not ours as children of the guard process: started, heard, ended, and
 * a private folder for what they write. For MPS (mps_daemon.c) and RouDi (roudi_daemon.c), which
 * needs no folder.
 */
#ifndef HANDOFF_RUN_DAEMON_H
#define HANDOFF_RUN_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/err.h"

/* Room for a folder's name; sockets in it have to fit into sockaddr_un with their names. */
#define DAEMON_PATH_BYTES 80
#define DAEMON_LINE_BYTES 160
/* The file in its folder that gets its standard output and error. */
#define DAEMON_OUTPUT "output"

/* Makes a folder of its own under TMPDIR, where that leaves room for the names in it:
 * "…/handoff-LABEL-" and six random characters. Writes its name into root, of DAEMON_PATH_BYTES; ""
 * when it fails with ST_UNAVAILABLE. */
enum status daemon_folder_make(const char *label, char *root, struct err *err);
/* Removes it with all that is in it, and empties root. Does nothing for "". */
void daemon_folder_remove(char *root);

/* Starts a program, as found on PATH, in a process group of its own, with an environment changed as
 * process_environment says, and with default signals; it gets SIGTERM when this process dies,
 * however it dies. in and out: descriptors it shall have as standard input, and as output and
 * error. 0, or an errno (ENOENT: not on PATH). */
int daemon_spawn(const char *const argv[], const char *const *changes, int in, int out, pid_t *pid);
/* The same for one that lasts: reads nothing, and writes to DAEMON_OUTPUT in `folder`. */
int daemon_launch(const char *const argv[], const char *const *changes, const char *folder,
                  pid_t *pid);

/* True once the child has ended; *wait_status is set then. */
bool daemon_has_ended(pid_t pid, int *wait_status);
/* Blocks until it has, or until until_ns: false. */
bool daemon_await_end(pid_t pid, uint64_t until_ns, int *wait_status);

/* Has any process ended, though its parent may not have looked yet? */
bool daemon_is_dead(pid_t pid);

/* The last line of a file that has something in it, and `word`, without colours; false when there
 * is none. A descriptor's is "/proc/self/fd" and its number. */
bool daemon_last_line(const char *folder, const char *name, const char *word, char *line,
                      size_t size);

#endif
