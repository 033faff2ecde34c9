/* role_edge.h: how the two roles come to an edge: one makes it, the runner relays its address, the
 * other attaches. Used by the roles' prepare, on the CPU and on the GPU alike.
 */
#ifndef HANDOFF_RUN_ROLE_EDGE_H
#define HANDOFF_RUN_ROLE_EDGE_H

#include "harness/run/role.h"

/* Makes the producer's endpoint and what its wait strategies share, and sends the address to the
 * runner. `gpu` is the role's, or NULL. *endpoint is set as soon as there is one, also when what
 * follows fails: the caller destroys it, and closes the pair. */
enum status role_edge_create(const struct role *role, struct gpu *gpu, struct wait_pair *waits,
                             struct endpoint **endpoint, struct err *err);

/* Waits for the address and attaches the consumer's endpoint. The same ownership. */
enum status role_edge_attach(const struct role *role, struct gpu *gpu, struct wait_pair *waits,
                             struct endpoint **endpoint, struct err *err);

#endif
