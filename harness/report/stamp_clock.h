/* stamp_clock.h: which clock stamped what of a result: the run's, and for launches with a role in
 * Python maybe another (results/README.md).
 *
 * Called by the page, comparisons and exports.
 */
#ifndef HANDOFF_REPORT_STAMP_CLOCK_H
#define HANDOFF_REPORT_STAMP_CLOCK_H

#include <cjson/cJSON.h>

/* The name of a cell's clock; "" where none is recorded. Belongs to the JSON. */
const char *stamp_clock_of_cell(const cJSON *result, const cJSON *cell);
/* The name of a clock that is not the run's, of the first launch that has one; NULL: there is
 * none. */
const char *stamp_clock_other(const cJSON *result);

#endif
