/* leftovers.h: what a killed process leaves behind without wanting to.
 *
 * CUDA's driver keeps segments of its own in /dev/shm for what processes share (interprocess memory
 * and events): "cuda.shm.UID.PID.N", the numbers in hexadecimal. A process that ends in order
 * mostly removes them; one that was killed cannot, and each killed role would leave some for good.
 * UCX's library makes System V segments (some as soon as it is loaded) and marks each for removal a
 * moment later; a process that is killed in that moment leaves one. Called by whoever reaps or
 * kills: process.c, guard.c and, for MPS's server, mps_daemon.c.
 */
#ifndef HANDOFF_RUN_LEFTOVERS_H
#define HANDOFF_RUN_LEFTOVERS_H

#include <sys/types.h>

/* Removes CUDA's segments of a process of this user that has ended. Leaves everything alone while a
 * process of that number lives. `folder` is "/dev/shm"; tests pass another. */
void leftovers_remove_in(const char *folder, pid_t pid);
/* Removes the private System V segments that it made, if nobody has one attached. */
void leftovers_remove_segments(pid_t pid);
static inline void leftovers_remove(pid_t pid)
{
    leftovers_remove_segments(pid);
    leftovers_remove_in("/dev/shm", pid);
}

#endif
