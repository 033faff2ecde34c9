/* axis_changes.h: what changing one axis does, all else equal, besides the axis a block compares.
 *
 * Two cells of a block that differ in that axis alone are one comparison; a change, "3840×2160×3
 * instead of 1920×1080×3", is all of them together. Called by the conclusions, the page and the
 * summary. Sentences are plain UTF-8, as all conclusions.
 */
#ifndef HANDOFF_REPORT_AXIS_CHANGES_H
#define HANDOFF_REPORT_AXIS_CHANGES_H

#include "harness/report/verdict.h"

/* Of several comparisons: new / base of each. */
struct axis_ratio {
    size_t count;
    double mean; /* geometric; NAN without any */
    double low, high;
};

struct axis_change {
    const char *axis;
    const struct report_cell *from, *to; /* two that differ so, for the names of their values */
    enum metric metric;                  /* latency, or frames per second at maximum rate */
    size_t comparisons;
    size_t slower, faster, tied; /* as verdict_compare has it; the others are not decided */
    size_t few;                  /* of those not decided: with too few launches for a verdict */
    struct axis_ratio ratio;     /* of the metric's median */
    struct axis_ratio p99;       /* of latency */
    struct axis_ratio cpu;       /* of both roles together */
    struct stats_paired paired;  /* of the last comparison: all there is where it is the only one */
};

struct axis_changes {
    struct axis_change *items; /* of one axis behind each other */
    size_t count;
};

/* False when out of memory. The caller frees. A block that varies nothing else has none. */
bool axis_changes_make(const struct report *report, const struct report_block *block,
                       struct axis_changes *changes);
void axis_changes_free(struct axis_changes *changes);

/* The ratio of the metric's median with its range over the comparisons; of a single one with the 95
 * % interval over its launches, and `count` 2 where there is one. */
struct axis_ratio axis_change_extent(const struct axis_change *change);
/* "3840×2160×3 instead of 1920×1080×3", "slots 8 instead of 4". */
void axis_change_add_name(struct text *text, const struct axis_change *change);
/* "longer in 3 of 4, not decided in 1", "tied in both". */
void axis_change_add_verdicts(struct text *text, const struct axis_change *change);
/* The change, what it does to the figure, over how many comparisons, in one sentence. */
void axis_change_add_sentence(struct text *text, const struct axis_change *change);
/* "3.05×"; `text` holds FIGURE_BYTES. */
char *axis_ratio_format(double ratio, char *text);
/* "2.90–3.40×", or "" of fewer than two; `text` holds FIGURE_BYTES. */
char *axis_ratio_format_range(const struct axis_ratio *ratio, char *text);

#endif
