/* comparison.h: pairs of cells that ran next to each other, and which gates got slower.
 *
 * Made by `handoff compare --base` of two results whose launches stood next to each other, and by
 * `--by` of the cells of one. The whole table is one family: measure/compare.h judges it. A result
 * is input: what it lacks is a gate without a figure. Printed by comparison_print.c, written by
 * comparison_json.c.
 */
#ifndef HANDOFF_REPORT_COMPARISON_H
#define HANDOFF_REPORT_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/compare.h"
#include "harness/measure/gate.h"
#include "harness/report/model.h"
#include "harness/report/text.h"

#define COMPARISON_REASON_BYTES 640

/* One gate in one pair of cells. */
struct comparison_row {
    const struct report_cell *cell; /* of the new side */
    const struct gate *gate;        /* as declared */
    bool means;                     /* its mean instead: the median is below 50 clock ticks */
    double base, new_value; /* geometric means over the pairs, INFINITY with one; NAN without */
    /* 1 - pairs of values, in ns, or scaled so that 1 is next to nothing: what was judged. */
    double *new_values, *base_values;
    double scale;               /* what those are more than the figure's own unit */
    struct compare_gate judged; /* `count` 0 where there is nothing to judge */
    char reason[160];           /* why there is not enough data, or "" */
};

/* A cell without a partner, or one that failed. */
struct comparison_left {
    char *id;
    char reason[COMPARISON_REASON_BYTES];
    bool is_regression; /* base ran, and new failed, cannot run or has no such cell */
};

struct comparison {
    /* "base" and "new"; or the value of the axis, "wait spin", and "the others". */
    char *base_name, *new_name;
    const char *axis; /* --by; NULL: two builds */
    bool interrupted;
    struct comparison_row *rows; /* of one cell in a row, in the scenario's order */
    size_t row_count;
    struct comparison_left *left;
    size_t left_count;
    /* After comparison_judge: */
    size_t judged_count; /* rows with figures */
    size_t verdicts[4];  /* of those, by enum compare_verdict */
    size_t regressions;  /* slower gates and lost cells */
    double detectable;   /* the worst of the judged gates; NAN where one does not say */
    unsigned alike;      /* the conditions that all cells share: comparison_words.c */
    /* What it was of, for the conditions. Borrowed. */
    const struct report *base_report, *new_report;
};

/* Starts one between two reports, which may be the same and must outlive it. The caller frees.
 * ST_NO_MEMORY. */
enum status comparison_new(const struct report *base, const struct report *new_report,
                           struct comparison **comparison, struct err *err);
/* Safe on NULL. */
void comparison_free(struct comparison *comparison);

/* The gates of a cell: those that are declared in the result, or by default latency.p50, or
 * frames_per_s where latency is queue depth. Returns how many. */
size_t comparison_gates(const struct report *report, const struct report_cell *cell,
                        const struct gate *found[COMPARE_METRICS_MAX]);

/* Every cell of two builds' results, by its id. ST_NO_MEMORY. */
enum status comparison_add_builds(struct comparison *comparison, struct err *err);
/* Every group of cells of one result that differ in `axis` only, which its blocks must compare:
 * each against the cell with the value `against`, NULL: the first of its block. ST_INVALID when no
 * cell has that value; ST_NO_MEMORY. */
enum status comparison_add_axis(struct comparison *comparison, const char *axis,
                                const char *against, struct err *err);

/* Judges all rows as one family, and counts. ST_NO_MEMORY. */
enum status comparison_judge(struct comparison *comparison, struct err *err);

/* One to three sentences, the conclusion first. */
void comparison_conclude(const struct comparison *comparison, struct text *text);
/* The machine, its clocks and its fitness; of rate, load and placement what is alike for all
 * cells. */
void comparison_conditions(const struct comparison *comparison, struct text *text);
/* What of rate, load and placement of one cell is not alike for all. */
void comparison_cell_conditions(const struct comparison *comparison, const struct report_cell *cell,
                                struct text *text);

void comparison_print_table(const struct comparison *comparison, FILE *file);
void comparison_print_markdown(const struct comparison *comparison, FILE *file);
/* The members of compare.json that are the comparison's: results/README.md. NULL when out of
 * memory; the caller deletes. */
cJSON *comparison_json(const struct comparison *comparison);

#endif
