/* claims.h: what somebody says a workload costs, beside what was measured here.
 *
 * A block of a scenario may carry a claim. Every launch gives one figure, the interval over the
 * launches is compared with what is quoted, and the verdict says no more than that: nothing is
 * called false, it was only not reproduced on this machine. Called by the page, the summary and the
 * terminal's conclusions.
 */
#ifndef HANDOFF_REPORT_CLAIMS_H
#define HANDOFF_REPORT_CLAIMS_H

#include "harness/measure/stats.h"
#include "harness/report/model.h"

/* A single number is a range of this much to either side: what the suite calls tied. */
#define CLAIM_NUMBER_MARGIN 0.05
/* A claim is impossible when it moves bytes so many times faster than one CPU did at its best. */
#define CLAIM_IMPOSSIBLE_RATIO 4.0

enum claim_verdict {
    CLAIM_UNTESTED,  /* nothing was measured */
    CLAIM_UNDECIDED, /* the interval reaches across an end of what is quoted, or there is none */
    CLAIM_NOT_REPRODUCED, /* the interval lies outside of what is quoted */
    CLAIM_HOLDS,          /* the interval lies within what is quoted */
    CLAIM_IMPOSSIBLE,     /* by the claim's own arithmetic */
    CLAIM_IN_PART,        /* of a claim with several cells: in some of them */
};
/* "holds here", "not reproduced here" … */
const char *claim_verdict_words(enum claim_verdict verdict);

struct claim_quote {
    double low_ns, high_ns;
    double moved_bytes; /* within that time; 0 where the claim does not say */
};

/* What a quote and an estimate over launches give. `bytes_per_s_max` is the most that one CPU of
 * the machine moved; 0 when it is not known. Reads and changes nothing else. */
enum claim_verdict claim_judge(const struct claim_quote *quote,
                               const struct stats_estimate *measured, double bytes_per_s_max);
/* The quoted range as it is compared: a single number widened by CLAIM_NUMBER_MARGIN. */
void claim_bounds(const struct claim_quote *quote, double *low_ns, double *high_ns);
/* Of the cells of one claim together. Cells that could not be tested say nothing about the rest. */
enum claim_verdict claim_verdict_all(const enum claim_verdict *verdicts, size_t count);

/* One cell that a claim was tried in. */
struct claim_case {
    const struct report_cell *cell; /* NULL: the block has none */
    struct figure measured;         /* FIGURE_ABSENT when untested */
    double median_ns;               /* beside a mean; NAN without */
    enum claim_verdict verdict;
    struct text why; /* one sentence or two */
};

struct claim_row {
    const char *id, *says, *where, *known;
    char figure[32]; /* "mean of handoff" */
    struct claim_quote quote;
    char quoted[64];     /* "500–900 µs" */
    const char *machine; /* that it speaks of and this is not; else "" */
    enum claim_verdict verdict;
    struct claim_case *cases;
    size_t case_count;
};

struct claims {
    struct claim_row *rows;
    size_t count;
};

/* Claims of the result, in its order; none is fine. A claim that is not as the schema says is left
 * out. ST_NO_MEMORY. The caller frees; the report must live longer. */
enum status claims_make(const struct report *report, struct claims **claims, struct err *err);
/* Safe on NULL. */
void claims_free(struct claims *claims);

/* "Of 5 claims, 3 hold here, 1 is not reproduced and 1 is impossible by arithmetic."; nothing
 * without claims. */
void claims_add_summary(struct text *text, const struct claims *claims);
/* One claim as one paragraph: "poll-1ms: holds here. Said: 500–900 µs; measured: …". */
void claims_add_line(struct text *text, const struct claim_row *row);
/* What a case is called: the axes in which the claim's cells differ; "" for an only one. */
const char *claim_case_name(const struct claim_row *row, size_t index);

#endif
