/* fake_launch.h: what fake_launch.c and fake_launch_stay.c share: one kernel's work on one
 * frame. */
#ifndef HANDOFF_TESTS_FAKE_LAUNCH_H
#define HANDOFF_TESTS_FAKE_LAUNCH_H

#include "kernels/launch.h"
#include "tests/support/fake_gpu.h"

/* Aborts when there is no such launcher open; its GPU. */
struct gpu *fake_launcher_check(const struct launcher *launcher, const char *function);
/* ST_INVALID for work that no kernel can do; with `slots` the payload is left out, since it comes
 * later. */
enum status fake_launch_check(const struct launch_work *work, bool slots, struct err *err);
/* On the stream's thread: does the work; false when the context broke. `report`, where it really
 * is, may be NULL. */
bool fake_launch_frame(struct launcher *launcher, const struct launch_work *work,
                       struct launch_report *report);

#endif
