/* compare.h: what the parts of `handoff compare` share. cmd_compare.c reads the command line and
 * hands over to one of the three forms; each sets *exit_code and prints its answer in the format
 * that was asked for.
 */
#ifndef HANDOFF_CLI_COMPARE_H
#define HANDOFF_CLI_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/cli/format_option.h"
#include "harness/cli/run_choice.h"

struct comparison;
struct report;

struct compare_arguments {
    enum cli_format format;
    const char *base;         /* --base: a program or a build folder; NULL: not the paired form */
    const char *new_program;  /* --new, the same; NULL: this program */
    const char *by;           /* --by: an axis; NULL: not within one run */
    const char *against;      /* --against: the value that is the baseline; NULL: the first */
    struct run_choice choice; /* choice.scenario is NULL where none is given */
    const char *out;          /* --out; NULL: a folder of its own under results/runs */
    bool resume;
    bool quiet;
    bool fail_on_slower; /* stored results fail a build only when told to */
    bool help;
    uint64_t seed;
    char *const *results; /* the operands */
    size_t result_count;
    const char *const *command; /* argv as it was typed, for the results */
    size_t command_count;
};

/* compare_paired.c: --base: two builds, launch by launch next to each other. */
enum status compare_paired(const struct compare_arguments *arguments, int *exit_code,
                           struct err *err);
/* compare_by.c: --by: the values of one axis within one run, made now or stored. */
enum status compare_by(const struct compare_arguments *arguments, int *exit_code, struct err *err);
/* compare_stored.c: results that did not run together. */
enum status compare_results(const struct compare_arguments *arguments, int *exit_code,
                            struct err *err);

/* ---- compare_finish.c: the end of the two forms that gate ------------------------------------ */

/* One side of a comparison. */
struct compare_side {
    const char *program; /* "" for a side of one run */
    const char *result;  /* its path */
    const struct report *report;
};

/* Prints the comparison as was asked for, writes DIR/compare.json (out_dir NULL: nowhere) and sets
 * the exit code. */
enum status compare_finish(const struct compare_arguments *arguments,
                           const struct comparison *comparison, const struct compare_side *base,
                           const struct compare_side *new_side, const char *out_dir, int *exit_code,
                           struct err *err);

#endif
