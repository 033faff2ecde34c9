/* unix_queue.h: has the other side of a library's UNIX socket read all that was written to it?
 *
 * For nng_setup.c, whose library does not say, and forgets what has not been read when it closes.
 */
#ifndef HANDOFF_TRANSPORTS_UNIX_QUEUE_H
#define HANDOFF_TRANSPORTS_UNIX_QUEUE_H

#include <stdbool.h>

/* True when no connection of this process whose either end has the abstract name `name` (without
 * its leading zero) has bytes that the other side has not read; also when there is no such
 * connection. Looks through the process's descriptors: not for the hot path. Never blocks. */
bool unix_queue_is_empty(const char *name);

#endif
