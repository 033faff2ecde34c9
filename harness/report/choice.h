/* choice.h: which way of handing frames over suits a user's own function: `handoff choose`.
 *
 * All cells of the result had the same frames, at the same rate, and the same detector behind them;
 * what differs is how a frame got there. They are ranked by `latency`, from a whole frame in the
 * producer's hands to the detector's result, paired by launch: that is the age at use and whatever
 * the way makes the detector slower. Where the data does not tell them apart, CPU decides. A result
 * is input: what it lacks is a figure that is absent. Called by cli/cmd_choose.c.
 */
#ifndef HANDOFF_REPORT_CHOICE_H
#define HANDOFF_REPORT_CHOICE_H

#include "harness/measure/stats.h"
#include "harness/report/model.h"

#define CHOICE_KERNEL "detector"

/* What is asked. */
struct choice_question {
    double deadline_ns; /* of response; 0: the period of the rate */
    double cpu_percent; /* the most that both roles may take, of one CPU; 0: no bound */
};

enum choice_state {
    CHOICE_CHOSEN,
    CHOICE_TIED,     /* shown to be within 5 % of the chosen one */
    CHOICE_UNCLEAR,  /* not told apart from the chosen one */
    CHOICE_SLOWER,   /* than the chosen one, beyond the margin */
    CHOICE_OVER_CPU, /* takes more CPU than asked for */
    CHOICE_HABIT,    /* there for contrast only: nobody has to read so */
    CHOICE_FAILED,   /* frames were not whole, or a launch failed */
    CHOICE_NOT_RUN,
};
const char *choice_state_name(enum choice_state state); /* "chosen", "over_cpu" … */

/* One way to hand frames over. */
struct choice_way {
    const struct report_cell *cell;
    struct text name; /* "shm + futex, newest frame" */
    enum choice_state state;
    struct figure age_p50;
    /* of all launches' frames together, without an interval; absent below 368 */
    struct figure age_p99;
    struct figure age_worst;    /* of all frames */
    struct figure latency;      /* p50 */
    struct figure cpu;          /* both roles together, per cent of one CPU */
    struct stats_paired slowed; /* the detector in the run, p50, beside itself alone before it */
    struct stats_paired beside; /* latency beside the chosen one's */
    double misses, frames;      /* of the deadline, skipped frames among them; -1: not known */
    double skipped;             /* frames that a newer one replaced; -1: not known */
    double frames_per_s;        /* that reached the detector; NAN: not known */
    bool cpu_not_sure;          /* within --cpu, but its interval is not */
};

struct choice {
    struct choice_way *ways; /* in the result's order */
    size_t count;
    size_t chosen;        /* index; `count`: none */
    size_t quickest;      /* the lowest p50 of latency among those within --cpu; `count`: none */
    double alone_p50_ns;  /* the detector by itself, over all launches; NAN: not known */
    double period_ns;     /* 0: no rate */
    double deadline_ns;   /* what misses are counted against */
    struct figure leaked; /* bytes that the detector's process grew by, per frame it was given */
    struct text verdict;  /* sentences: the choice, why, and what is tied with it */
    struct text *notes;   /* sentences that stand below, each a paragraph */
    size_t note_count;
};

/* ST_INVALID when no cell of the result has the kernel `detector`; ST_NO_MEMORY. The caller frees;
 * the report must live longer. */
enum status choice_make(const struct report *report, const struct choice_question *question,
                        struct choice *choice, struct err *err);
/* Safe on all zeros. */
void choice_free(struct choice *choice);

/* The verdict and the notes of a choice whose figures are there; called by choice_make. False when
 * out of memory. */
bool choice_add_words(const struct report *report, const struct choice_question *question,
                      struct choice *choice);

/* A launch's p50 of the detector alone, in ns; NAN without one. */
double choice_launch_alone_ns(const cJSON *launch);

#endif
