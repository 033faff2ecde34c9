/* peer_key.h: the key that both hosts of a measurement share, as the user gives it. Used by
 * `handoff serve` and `handoff run --peer`.
 */
#ifndef HANDOFF_RUN_PEER_KEY_H
#define HANDOFF_RUN_PEER_KEY_H

#include "harness/run/peer_wire.h"

#define PEER_KEY_VARIABLE "HANDOFF_KEY"
#define PEER_KEY_BYTES_MIN 16
#define PEER_KEY_BYTES_MAX 4096

/* Reads the key from a file (less the newlines at its end) or, where `path` is NULL, from the
 * environment variable HANDOFF_KEY. The variable is taken out of the environment in any case: no
 * child needs it. ST_INVALID: there is none, it is too short, or others may read the file;
 * ST_UNAVAILABLE: this build cannot use one. */
enum status peer_key_read(const char *path, struct peer_key *key, struct err *err);

#endif
