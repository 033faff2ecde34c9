/* conclusions.h: what a result lets one say, in sentences that say no more than it.
 *
 * Called by the page, the summary and, through table.h, by the end of `handoff run`. The sentences
 * are plain UTF-8 without control characters, not yet escaped for HTML or Markdown.
 */
#ifndef HANDOFF_REPORT_CONCLUSIONS_H
#define HANDOFF_REPORT_CONCLUSIONS_H

#include "harness/report/verdict.h"

/* One comparison: a group of cells that differ only in the compared axis. */
struct conclusion {
    size_t block;
    struct text lead;    /* one sentence */
    struct text *points; /* one for each further value, or none where the lead said it all */
    size_t point_count;
    struct text *notes; /* what stands below: each a paragraph */
    size_t note_count;
};

struct conclusions {
    struct conclusion *items;
    size_t count;
    struct text *headlines; /* how far transports are from shared memory; may be none */
    size_t headline_count;
    struct text *advice; /* what to use and why; may be none */
    size_t advice_count;
};

/* ST_NO_MEMORY. The caller frees. */
enum status conclusions_make(const struct report *report, struct conclusions **conclusions,
                             struct err *err);
/* Safe on NULL. */
void conclusions_free(struct conclusions *conclusions);
/* Whether the name of its block must stand above this item: it is the block's first that says
 * anything, and other blocks say something, too. */
bool conclusions_opens_block(const struct conclusions *conclusions, size_t index);

/* Stages of a cell whose median is under 1 % of its median response (or latency, without one), such
 * as "reserve, access"; empty when there are none. */
void conclusions_small_stages(const struct report_cell *cell, struct text *text);

/* Makes the notes of an item whose lead is made; called by conclusions_make. False when out of
 * memory. */
bool notes_make(const struct report *report, const struct report_block *block,
                const struct report_group *group, struct conclusion *item);
/* Makes the advice; called by conclusions_make. */
void advice_make(const struct report *report, struct conclusions *conclusions);
/* "Let both processes share the GPU through MPS: …", where that was better in every comparison. */
void advice_of_gpu_sharing(const struct report *report, struct text *text);
/* python_words.c: what a role in Python costs beside one in C, and through what; which way to read
 * a frame; the garbage collector; what the same kernel takes in NumPy. Nothing where no block
 * compares it. */
void advice_of_python_languages(const struct report *report, struct text *text);
void advice_of_python_transport(const struct report *report, struct text *text);
void advice_of_python_reading(const struct report *report, struct text *text);
void advice_of_python_collector(const struct report *report, struct text *text);
void advice_of_python_kernels(const struct report *report, struct text *text);
/* "With spin at most 4,200 frames/s keep p99 of response under 500 µs, with futex 1,900."; for a
 * group of searches. False when out of memory. */
bool conclusions_add_search(struct text *text, const struct report_block *block,
                            const struct report_group *group);
/* "350 ns (p50, 95 % interval 340 ns–360 ns over 10 launches)". */
void conclusions_add_figure(struct text *text, const struct report_cell *cell, enum metric metric);

#endif
