/* beside.h: several results beside one another: a row for each cell, found again by its id, a
 * column for each result, and what may be said of a column's figures against those of the first.
 *
 * An id leaves out axes at their default, so that cells are found again in results of older
 * versions. The results did not run together: nothing here is more than a trend, and what differs
 * between the machines they were made on stands before any figure (struct beside_difference).
 * Called by `handoff compare RESULT RESULT...` and by reports of several results.
 */
#ifndef HANDOFF_REPORT_BESIDE_H
#define HANDOFF_REPORT_BESIDE_H

#include "harness/measure/compare.h"
#include "harness/measure/gate.h"
#include "harness/report/model.h"

#define BESIDE_RESULTS_MAX 64
#define BESIDE_LINES_MAX COMPARE_METRICS_MAX

/* One figure of one cell in one column. */
struct beside_value {
    struct figure figure; /* over the launches; FIGURE_ABSENT where the result has none */
    /* Against the first column: `ratio` and its interval are this figure / the first's, whichever
     * is better; the verdict is slower where it is worse. In the first column, and where either
     * lacks the figure, the ratio is NAN and the verdict COMPARE_UNCLEAR. */
    struct compare_stored stored;
};

/* How a figure goes over the results in the order in which they were measured. A result is one
 * point, whatever its launches: what differs from day to day is in the interval. */
struct beside_trend {
    size_t points;        /* results with a finite figure */
    double per_result;    /* ratio from one result to the next (of a line through the logarithms) */
    double low95, high95; /* NAN with fewer than 3 points */
    bool rises, falls;    /* every one above, or below, the one before; at least 3 points */
    /* slower: worse with every result, beyond what the interval leaves open, and by more than the
     * margin from first to last; same: no such trend; unclear: fewer than 4 points. */
    enum compare_verdict verdict;
};

struct beside_line {
    const struct gate *gate; /* gate->name: "latency.p50"; what is compared of each launch */
    enum figure_unit unit;
    bool more_is_better;
    struct beside_value *values; /* one per column */
    struct beside_trend trend;   /* with more than two columns */
};

struct beside_row {
    /* Of the first result that has the cell. */
    const char *id;
    const char *block;
    const char *label;
    const struct report_cell **cells; /* one per column; NULL: that result lacks it */
    /* The gates that the scenarios declare; else p50 and p99 of the latency, or frames/s where that
     * is what the cell is about. Only those of which some column has a figure: 0 where no column
     * has any, as when the cell cannot run there. */
    struct beside_line lines[BESIDE_LINES_MAX];
    size_t line_count;
};

/* How much a difference between results says about their figures. */
enum beside_weight {
    BESIDE_NOTED,   /* belongs beside the figures: another commit, which may be what is looked at */
    BESIDE_MATTERS, /* moves figures as much as what one looks for */
    BESIDE_MACHINE, /* another machine: their ratio is that of the machines */
};

/* What is not alike in the columns. */
struct beside_difference {
    const char *what;          /* "governor", "CPU model" */
    char **values;             /* one per column, a stranger's text; "not known" */
    const char *means;         /* what it makes of the comparison: a sentence */
    enum beside_weight weight; /* they are in order of it, the heaviest first */
};

struct beside {
    const struct report *const *reports; /* the columns, in the order given */
    size_t count;
    struct beside_row *rows; /* in the order of the first result, then what later ones add */
    size_t row_count;
    struct beside_difference *differences;
    size_t difference_count;
    size_t by_time[BESIDE_RESULTS_MAX]; /* columns in order of run.started_utc; unknown ones last */
};

/* 2 to BESIDE_RESULTS_MAX reports, which must outlive *beside, as must the array. ST_NO_MEMORY. The
 * caller frees. */
enum status beside_make(const struct report *const *reports, size_t count, struct beside **beside,
                        struct err *err);
/* Safe on NULL. */
void beside_free(struct beside *beside);

/* "slower in stored results", "no difference seen" …: a trend, in words that promise no more. */
const char *beside_verdict_words(const struct beside_line *line, enum compare_verdict verdict);
/* "latency p50", "frames/s", "CPU %, consumer". `text` of at least FIGURE_BYTES. */
const char *beside_line_title(const struct beside_line *line, char *text);
/* "1.052× (1.031–1.074)", with the 95 % interval; "1.052×" without one, "—" without a ratio. `text`
 * of at least 2 * FIGURE_BYTES. */
char *beside_ratio_format(const struct beside_value *value, char *text);
/* Of a line with more than two columns: "rises from each to the next of 5 results, by +3.6 % per
 * result (95 % interval +2.1 % to +5.2 %): slower in stored results". */
void beside_trend_add(struct text *text, const struct beside_line *line);

#endif
