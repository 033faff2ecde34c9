/* conditions.h: under which conditions a result's conclusions hold, in one sentence each. Called by
 * the page and the summary. */
#ifndef HANDOFF_REPORT_CONDITIONS_H
#define HANDOFF_REPORT_CONDITIONS_H

#include "harness/report/model.h"

/* "10 launches of each cell, 95 % intervals." alone. */
void conditions_add_launches(struct text *text, const struct report *report);
/* "10 launches of each cell, 95 % intervals. Rates: 60 frames/s, ping-pong. Frames: 320×240×3."
 * Plain UTF-8; into an empty text. That no cell has a figure, where none does. */
void conditions_add(struct text *text, const struct report *report);

#endif
