/* conditions.c: under which conditions a result's conclusions hold. See conditions.h. */
#include "harness/report/conditions.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/stats.h"

#define VALUES_SAID_MAX 5

/* The values of an axis over all cells that ran. */
struct values {
    char seen[64][REPORT_AXIS_BYTES]; /* as the result has them; further ones are not told apart */
    size_t count;
};

static bool values_take(struct values *values, const char *value)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->seen[i], value) == 0)
            return false;
    if (values->count == sizeof values->seen / sizeof values->seen[0])
        return false;
    memcpy(values->seen[values->count++], value, REPORT_AXIS_BYTES);
    return true;
}

/* " Frames: 320×240×3, 640×480×3 and 2 more." */
static void axis_add(struct text *text, const struct report *report, const char *axis,
                     const char *heading)
{
    struct values values = {.count = 0};
    char raw[REPORT_AXIS_BYTES], pretty[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            const struct report_cell *cell = &report->blocks[i].cells[j];
            memset(raw, 0, sizeof raw);
            if (!cell->ok || !report_axis(cell, axis, raw)[0] || !values_take(&values, raw) ||
                values.count > VALUES_SAID_MAX)
                continue;
            text_add(text, values.count == 1 ? heading : ", ");
            text_add_plain(text, report_axis_pretty(cell, axis, pretty));
        }
    }
    if (values.count > VALUES_SAID_MAX)
        text_addf(text, " and %zu more", values.count - VALUES_SAID_MAX);
    if (values.count)
        text_add(text, ".");
}

void conditions_add_launches(struct text *text, const struct report *report)
{
    double least = INFINITY, most = 0;
    char low[FIGURE_BYTES], high[FIGURE_BYTES];
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            const struct report_cell *cell = &report->blocks[i].cells[j];
            const double launches = json_get_number(cell->json, "launches_ok", 0);
            if (!cell->ok || launches < 1)
                continue;
            least = fmin(least, launches);
            most = fmax(most, launches);
        }
    }
    if (most < 1)
        return;
    format_count(least, low);
    format_count(most, high);
    if (least < most)
        text_addf(text, "%s to %s launches of each cell", low, high);
    else
        text_addf(text, "%s launch%s of each cell", low, least > 1 ? "es" : "");
    text_add(text, least >= STATS_LAUNCHES_MIN ? ", 95 % intervals."
                   : most >= STATS_LAUNCHES_MIN
                       ? ": 95 % intervals from 10 on, below that the range over them."
                   : most > 1 ? ": too few for intervals, so the range over them is shown."
                              : ": a figure of one launch has neither an interval nor a range.");
}

void conditions_add(struct text *text, const struct report *report)
{
    conditions_add_launches(text, report);
    axis_add(text, report, "pacing", " Rates: ");
    axis_add(text, report, "frame", " Frames: ");
    if (!text->used_bytes)
        text_add(text, "no cell has a figure.");
}
