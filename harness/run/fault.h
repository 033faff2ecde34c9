/* fault.h: deaths at named points, for the tests.
 *
 * Only the program built for the tests (handoff-faults, with HANDOFF_FAULT_INJECTION) has them; in
 * the real one FAULT_POINT is nothing. HANDOFF_FAULT="<role>:<point>:<frame id>" makes that role
 * send itself SIGKILL there.
 */
#ifndef HANDOFF_RUN_FAULT_H
#define HANDOFF_RUN_FAULT_H

#ifdef HANDOFF_FAULT_INJECTION
#include <stdint.h>

/* Dies when the environment names this role, point and frame. */
void fault_point(const char *role, const char *point, int32_t frame_id);
#define FAULT_POINT(role, point, frame_id) fault_point(role, point, frame_id)
#else
#define FAULT_POINT(role, point, frame_id) ((void)0)
#endif

#endif
