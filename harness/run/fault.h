/* fault.h: deaths at named points, for the tests.
 *
 * Only the program built for the tests (handoff-faults, with HANDOFF_FAULT_INJECTION) has them; in
 * the real one FAULT_POINT is nothing. It looks at these environment variables:
 *
 *   HANDOFF_FAULT="<role>:<point>:<frame id>"  that role ends itself there, by SIGKILL
 *   HANDOFF_FAULT_ONCE=<path>   only if this file does not exist yet; it gets the time of the
 *                               death, "<CLOCK_MONOTONIC ns> <CLOCK_REALTIME ns> <pid>"
 *   HANDOFF_FAULT_LOG=<path>    every time; each death is a line of that file, written as above
 *   HANDOFF_FAULT_ACTION=stop   SIGSTOP instead: the role hangs
 *   HANDOFF_FAULT_SLACK_MS=<n>  what a launch may take beyond its expected time
 */
#ifndef HANDOFF_RUN_FAULT_H
#define HANDOFF_RUN_FAULT_H

#include <stdint.h>

#ifdef HANDOFF_FAULT_INJECTION
/* Dies when the environment names this role, point and frame. */
void fault_point(const char *role, const char *point, int32_t frame_id);
/* The environment's slack, or slack_ns. */
uint64_t fault_slack_ns(uint64_t slack_ns);
#define FAULT_POINT(role, point, frame_id) fault_point(role, point, frame_id)
#define FAULT_SLACK_NS(slack_ns) fault_slack_ns(slack_ns)
#else
#define FAULT_POINT(role, point, frame_id) ((void)0)
#define FAULT_SLACK_NS(slack_ns) (slack_ns)
#endif

#endif
