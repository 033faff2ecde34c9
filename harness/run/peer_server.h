/* peer_server.h: what serve.c hands to the process that has a connection.
 */
#ifndef HANDOFF_RUN_PEER_SERVER_H
#define HANDOFF_RUN_PEER_SERVER_H

#include "harness/run/peer_link.h"

/* The message to role `serving`; the connection's socket goes with it. NULL when out of memory. */
cJSON *peer_server_setup_json(const struct peer_session *session, enum peer_purpose purpose,
                              const char *from, uint64_t timeout_ns);

#endif
