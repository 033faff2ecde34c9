/* peer_trace.h: a consumer's trace on its way from one host to the other.
 */
#ifndef HANDOFF_RUN_PEER_TRACE_H
#define HANDOFF_RUN_PEER_TRACE_H

#include "harness/measure/trace.h"
#include "harness/run/peer_clock.h"
#include "harness/run/peer_link.h"

/* Sends "trace" with how many records there are, and the records behind it. */
enum status peer_trace_send(struct peer_link *link, const struct trace *trace, struct err *err);

/* Takes the records that belong to a "trace" message into a trace that is empty and has room for
 * them. Stamps are as they came: peer_trace_map. ST_CORRUPT for more than fit. */
enum status peer_trace_receive(struct peer_link *link, const cJSON *head, struct trace *trace,
                               struct err *err);

/* Puts all stamps on the clock of this side. */
void peer_trace_map(struct trace *trace, const struct peer_clock *clock);

#endif
