/* mps_program.h: nvidia-cuda-mps-control as a child process: the daemon itself, and the clients that
 * ask it. Used by mps_daemon.c alone.
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

/* Starts the program, as found on PATH and in a process group of its own, with one argument or none
 * and the daemon's directories. in and out: descriptors it shall have as standard input, and as
 * output and error. 0, or an errno. */
int mps_program_start(const struct mps_daemon *daemon, const char *argument, int in, int out,
                      pid_t *pid);
/* True once the child has ended; *wait_status is set then. */
bool mps_program_has_ended(pid_t pid, int *wait_status);
/* Blocks until it has, or until until_ns: false. */
bool mps_program_await_end(pid_t pid, uint64_t until_ns, int *wait_status);
/* What a client of the daemon says to one command: true when it ended well. `answer` gets its first
 * bytes. Blocks until until_ns at most, and as long as killing the client takes. */
bool mps_program_ask(const struct mps_daemon *daemon, const char *command, uint64_t until_ns,
                     char *answer, size_t size);

#endif
