/* roudi_daemon.h: RouDi, the daemon of iceoryx, as a child of the guard process: started with
 * memory for one kind of frame, ended, and nothing of it left. Called by guard.c, and by tests that
 * drive the transport themselves; roudi.h is what the runner sees, transports/roudi.h what RouDi
 * is.
 */
#ifndef HANDOFF_RUN_ROUDI_DAEMON_H
#define HANDOFF_RUN_ROUDI_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "harness/base/err.h"
#include "harness/run/daemon.h"
#include "transports/roudi.h"

/* How long it may take until it is ready: it writes zeros to all of its memory first. */
#define ROUDI_DAEMON_READY_NS 20000000000u
#define ROUDI_POOLS_MAX 8

/* The files that it makes, in the order in which they are removed. */
enum roudi_name {
    ROUDI_NAME_SOCKET,
    ROUDI_NAME_SOCKET_LOCK,
    ROUDI_NAME_CHUNKS, /* before the next: alone it would look like a stranger's */
    ROUDI_NAME_MANAGEMENT,
    ROUDI_NAME_LOCK,
    ROUDI_NAMES
};

struct roudi_daemon {
    pid_t pid; /* 0: none */
    /* Its configuration and what it says, in memory, so that no file of them stays behind a guard
     * that is killed; 0: none. */
    int config_fd, output_fd;
    struct roudi_pool pools[ROUDI_POOLS_MAX];
    uint32_t pool_count;
    /* Where those are, and what lay there before it was started. */
    struct {
        char path[96];
        bool was_there;
        struct stat before;
    } names[ROUDI_NAMES]; /* by enum roudi_name */
};

/* Nothing when one runs with exactly these pools, ascending by chunk_bytes. Else ends what runs,
 * and starts `iox-roudi` with them; blocks until it is ready, ready_ns at most. ST_UNAVAILABLE with
 * what happened, also where another RouDi runs, which is not touched; nothing is left then. */
enum status roudi_daemon_start(struct roudi_daemon *daemon, const struct roudi_pool *pools,
                               uint32_t pool_count, uint64_t ready_ns, struct err *err);

/* Kills it and removes what it and killed clients of ours left: its own way to end would first send
 * signals to the process numbers of its clients, which have gone and may be others' by now. Call it
 * when all clients have ended. Blocks for some milliseconds. Safe on a zeroed one. */
void roudi_daemon_stop(struct roudi_daemon *daemon);

/* Removes what one of ours left that was not ended by roudi_daemon_stop: RouDi aborts at its
 * SIGTERM when a client has gone. Nothing of RouDi's own while any RouDi runs. */
void roudi_leftovers_remove(void);
/* True when no RouDi runs, nor one that takes no messages any more and has not quite ended. */
bool roudi_has_gone(void);

#endif
