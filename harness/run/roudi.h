/* roudi.h: RouDi, the daemon of iceoryx, for launches of transports that need it.
 *
 * A user's own RouDi is never touched nor joined: its memory would have to fit the cell's frames,
 * and what else goes on in it would be in the figures. The guard process (guard.h), which outlives
 * a killed runner, runs one with a mempool for the cell's frames and little else, and takes it away
 * again. The session starts it before a launch that needs it, keeps it while launches with the same
 * frames and slots follow each other, and stops it before others and after a launch that went
 * wrong: chunks and locks of a role that was killed are lost to it. Starting it takes some 50 ms
 * and the time to write to its memory once.
 */
#ifndef HANDOFF_RUN_ROUDI_H
#define HANDOFF_RUN_ROUDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

struct guard;

/* The guard's RouDi as the runner knows it; part of struct guard. */
struct roudi {
    bool running;
};

/* Makes sure that the guard's RouDi runs, with memory for one edge of `slots` frames of
 * payload_bytes. Blocks until it is ready, 20 seconds at most. ST_UNAVAILABLE, with what happened,
 * where there is none, another one runs or it does not come up; ST_SYSTEM where the guard is
 * gone. */
enum status roudi_start(struct guard *guard, size_t payload_bytes, uint32_t slots, struct err *err);

/* Ends it and removes everything of it. Does nothing when none runs. All roles must have ended. */
void roudi_stop(struct guard *guard);

#endif
