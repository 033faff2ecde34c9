/* mps_program.h: nvidia-cuda-mps-control as a child process: the daemon itself, and the clients
 * that ask it. Used by mps_daemon.c alone.
 */
#ifndef HANDOFF_RUN_MPS_PROGRAM_H
#define HANDOFF_RUN_MPS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/run/mps_daemon.h"

#define MPS_PROGRAM "nvidia-cuda-mps-control"
/* After SIGKILL: a process that uses a GPU takes its time to go. */
#define MPS_KILLED_NS 5000000000u

/* Starts the program (daemon.h) with one argument or none and the daemon's directories. in and out:
 * descriptors it shall have as standard input, and as output and error; or both -1 for the daemon
 * itself, which reads nothing and writes to DAEMON_OUTPUT in its log directory. 0, or an errno. */
int mps_program_start(const struct mps_daemon *daemon, const char *argument, int in, int out,
                      pid_t *pid);
/* What a client of the daemon says to one command: true when it ended well. `answer` gets its first
 * bytes. Blocks until until_ns at most, and as long as killing the client takes. */
bool mps_program_ask(const struct mps_daemon *daemon, const char *command, uint64_t until_ns,
                     char *answer, size_t size);

#endif
