/* bounds.h: which cells of a result keep the bounds that a user has: `handoff advise`.
 *
 * What the user is given, the frames and how often they come, is told from what can be chosen, the
 * transport, the wait and the rest: cells with the same of the former form a case, and within a
 * case those that keep every bound are in order of the CPU they take. A figure whose interval
 * reaches beyond its bound has not shown that it keeps it. Called by cli/cmd_advise.c.
 */
#ifndef HANDOFF_REPORT_BOUNDS_H
#define HANDOFF_REPORT_BOUNDS_H

#include "harness/measure/stats.h"
#include "harness/report/model.h"

/* What is asked; a bound of 0 is none. */
struct bounds {
    double time_ns[STATS_QUANTILE_COUNT]; /* of response; of latency for one frame in flight */
    double cpu_percent;                   /* of one CPU, both roles together */
    double rate_hz;                       /* only cells of this rate; else every rate is a case */
    const char *frame;                    /* "1920x1080x3", or NULL: every size is a case */
};

enum bounds_state {
    BOUNDS_KEPT,    /* every figure with its interval lies within */
    BOUNDS_REACHED, /* every figure does, and an interval reaches beyond or there is none */
    BOUNDS_MISSED,
    BOUNDS_UNKNOWN, /* a figure that is asked about is absent, and none misses */
};
const char *bounds_state_name(enum bounds_state state); /* "kept", "reached" … */

/* One cell against the bounds. */
struct bounds_cell {
    const struct report_cell *cell;
    struct text label; /* what was chosen, "shm + futex · 8 slots" */
    struct figure time[STATS_QUANTILE_COUNT];
    struct figure cpu;
    enum bounds_state state;
    double excess;     /* the worst figure as a multiple of its bound; 0 without one */
    struct text lacks; /* what keeps it from BOUNDS_KEPT, a clause; "" for that */
};

/* Cells that were given the same work. */
struct bounds_case {
    struct text title;    /* "60 frames/s · 1920×1080×3 (6.22 MB) · kernel checksum" */
    const char *interval; /* "response" or "latency" */
    bool net;             /* CPU is the whole system's less a baseline's; else both roles' own */
    struct bounds_cell *cells; /* kept, then reached, then missed (nearest first), then unknown */
    size_t count;
};

struct bounds_answer {
    struct bounds_case *cases;
    size_t case_count;
    struct text left_out; /* sentences about cells that were not considered; may be "" */
};

/* ST_INVALID when no cell has the asked rate or frame, with those there are as the hint; otherwise
 * ST_NO_MEMORY. The caller frees; the report must live longer. */
enum status bounds_answer_make(const struct report *report, const struct bounds *bounds,
                               struct bounds_answer *answer, struct err *err);
/* Safe on all zeros. */
void bounds_answer_free(struct bounds_answer *answer);

/* "Of 12 ways, 3 keep p99 ≤ 200 µs and CPU ≤ 20 %; the cheapest is shm + futex." */
void bounds_add_verdict(struct text *text, const struct bounds *bounds,
                        const struct bounds_case *one);
/* "The nearest miss is shm + block: p99 is 240 µs, 20 % above 200 µs."; nothing without one. */
void bounds_add_nearest_miss(struct text *text, const struct bounds_case *one);

/* "200us", "1.5 ms", "2s" to nanoseconds; "20%" or "20"; "60", "60/s", "60fps" or "60Hz". False for
 * anything else, for nothing and for what is not above 0. */
bool bounds_parse_time(const char *text, double *time_ns);
bool bounds_parse_percent(const char *text, double *percent);
bool bounds_parse_rate(const char *text, double *rate_hz);

#endif
