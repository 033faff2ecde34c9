/* spread.h: how much the same cell differs from launch to launch. Called by notes.c. */
#ifndef HANDOFF_REPORT_SPREAD_H
#define HANDOFF_REPORT_SPREAD_H

#include "harness/report/model.h"

/* Launches from which a spread is stated. */
#define SPREAD_LAUNCHES_MIN 3

/* One standard deviation of the values' logarithms, as a factor from 1: 1.08 is ±8 %. NAN with
 * fewer than SPREAD_LAUNCHES_MIN values above 0, or when one is not finite. */
double spread_factor(const double *values, size_t count);

struct spread {
    size_t cells;                    /* that have one */
    double median;                   /* of their factors; NAN without any */
    double worst;                    /* the largest factor, */
    const struct report_cell *where; /* and whose it is */
};
/* Of a quantile ("p50") of an interval over the launches of each of a block's cells. */
struct spread spread_of_block(const struct report_block *block, const char *interval,
                              const char *quantile);

/* "Between launches of one cell, p50 of response varied by ±8 % and p99 by a factor of 2.1 …";
 * nothing when no cell has launches enough. */
void spread_add_sentence(struct text *text, const struct report_block *block);

#endif
