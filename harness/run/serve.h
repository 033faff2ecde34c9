/* serve.h: the serving host of measurements across two: listens, lets in who knows the key, and has
 * one run at a time served. Called by cli/cmd_serve.c.
 */
#ifndef HANDOFF_RUN_SERVE_H
#define HANDOFF_RUN_SERVE_H

#include <stdbool.h>

#include "harness/run/peer_link.h"

struct serve_options {
    /* Where to listen; host "" is every address of this host. Port 0: any that is free. */
    struct peer_address address;
    struct peer_key key;
    uint64_t timeout_ns; /* of a client's silence */
    bool once;           /* end when the first run is over, or has gone away */
};

/* Serves until SIGINT, SIGTERM or SIGHUP, which are its orderly end, or, `once`, until the first
 * run is over. What happens is told on standard error, a line each. ST_UNAVAILABLE or ST_SYSTEM
 * when it cannot listen. */
enum status serve_run(const struct serve_options *options, struct err *err);

#endif
