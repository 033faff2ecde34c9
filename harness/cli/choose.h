/* choose.h: what `handoff choose` was told, what it runs, and how it prints what it found. Within
 * cmd_choose.c and choose_*.c only.
 */
#ifndef HANDOFF_CLI_CHOOSE_H
#define HANDOFF_CLI_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/frame.h"
#include "harness/cli/format_option.h"
#include "harness/report/choice.h"
#include "harness/scenario/scenario.h"

struct choose_arguments {
    const char *size; /* "1920x1080x3" */
    struct geometry geometry;
    double rate_hz;
    const char *consumer; /* "my.py:detect", as given */
    char *detector;       /* the same with the file's absolute path; cmd_choose frees */
    const char *function; /* of it */
    bool python_producer;
    struct choice_question question; /* its deadline is set */
    uint64_t launches;               /* 0: as many as the time has room for */
    double seconds;                  /* what all of it should take */
    uint64_t seed;
    const char *out; /* NULL: a folder for the time of the run, or the usual one with `keep` */
    bool keep;
    bool quiet;
    enum cli_format format;
    bool help;
};

/* cmd_choose.c; its table is in choose_arguments.c. */
enum status cmd_choose(int argc, char **argv, int *exit_code, struct err *err);

/* choose_arguments.c. ST_INVALID with what is wrong and what would be right. */
enum status choose_arguments_parse(int argc, char **argv, struct choose_arguments *arguments,
                                   struct err *err);

/* What the trial of one way has shown. */
struct choose_trial {
    double alone_ns;    /* the detector alone, p50; 0: not known */
    double overhead_ns; /* of a launch: everything but its frames */
};

/* What is run. */
struct choose_plan {
    unsigned ways;   /* bit i: row i of the table in choose_plan.c */
    size_t count;    /* of those that can run */
    size_t left_out; /* can run and make sense, but there is no time for them */
    uint32_t launches, frames, warmup;
    double seconds; /* expected */
};

/* choose_plan.c: the scenario of some ways, parsed, probed, and with the user's function as its
 * detector; the caller frees. `plan` NULL: a trial, one launch of about a second of the simplest
 * way. ST_UNAVAILABLE when none of them can run here, with the reason. */
enum status choose_scenario_make(const struct choose_arguments *arguments,
                                 const struct choose_plan *plan, struct scenario **scenario,
                                 struct err *err);
/* The frames of a trial, and how long they take by the schedule. */
double choose_trial_seconds(const struct choose_arguments *arguments);
/* Which ways, and how many launches of how many frames, fit into `seconds`: ten launches of each
 * way if need be with fewer ways, then five, which is the fewest that a verdict needs.
 * ST_UNAVAILABLE when none of the ways can run here. */
enum status choose_plan_make(const struct choose_arguments *arguments,
                             const struct choose_trial *trial, double seconds,
                             struct choose_plan *plan, struct err *err);

/* choose_code.c: the few lines of Python that do it that way: the side of the detector, and, of a
 * producer in Python, its side. Empty for a way that has none. */
void choose_code_add_reader(struct text *text, const struct choose_arguments *arguments,
                            const struct choice_way *way);
void choose_code_add_writer(struct text *text, const struct choose_arguments *arguments,
                            const struct choice_way *way);
/* A sentence on what the other side has to do. */
void choose_code_add_other_side(struct text *text, const struct choose_arguments *arguments,
                                const struct choice_way *way);

/* choose_print.c. All print to standard output; `dir`: where the result is kept, NULL: it is
 * not. */
void choose_print_table(const struct choose_arguments *arguments, const struct choose_plan *plan,
                        const struct choice *choice);
void choose_print_markdown(const struct choose_arguments *arguments, const struct choose_plan *plan,
                           const struct choice *choice);
enum status choose_print_json(const struct choose_arguments *arguments,
                              const struct choose_plan *plan, const struct choice *choice,
                              const cJSON *result, const char *dir, struct err *err);

#endif
