/* run_arguments.h: what `handoff run` was told on its command line. Called by cmd_run.c, which does
 * it.
 */
#ifndef HANDOFF_CLI_RUN_ARGUMENTS_H
#define HANDOFF_CLI_RUN_ARGUMENTS_H

#include "harness/cli/format_option.h"
#include "harness/cli/run_choice.h"
#include "harness/measure/clock_choice.h"
#include "harness/run/peer.h"

struct run_arguments {
    struct run_choice choice;
    const char *out; /* NULL: a folder named after the time and the scenario */
    uint64_t seed;
    enum clock_request clock;
    enum cli_format format;
    bool dry_run;
    bool resume;
    bool no_floor;
    bool steps;
    const char *frames_from; /* NULL: not given */
    bool quiet;
    bool help;
    const char *key_file;
    uint64_t peer_timeout_s; /* 0: not given */
    bool has_peer;
    struct peer_options peer; /* its key and its run's number are not filled in here */
};

/* ST_INVALID with what is wrong. With --help nothing behind it is looked at. Filters and texts
 * point into argv, which --only cuts and getopt reorders. */
enum status run_arguments_parse(int argc, char **argv, struct run_arguments *arguments,
                                struct err *err);

#endif
