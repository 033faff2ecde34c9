/* cmd_help.c: `handoff help`, `handoff help intervals`, `handoff --help`. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/measure/intervals.h"
#include "harness/report/wrap.h"

static const char help_text[] =
    "handoff measures what it costs to hand a video frame from one process to another, and to a "
    "kernel\non the CPU or a GPU.\n"
    "\n"
    "Usage: handoff COMMAND [ARGUMENT]...\n"
    "\n"
    "  run SCENARIO      run a scenario and write DIR/result.json\n"
    "  list [WHAT]       transports, waits, access, kernels or axes, and which can run here\n"
    "  floor             what this machine can do at best: what a hand-off is held against\n"
    "  probe             what this machine's GPU can do between two processes, by doing it\n"
    "  report RESULT...  write index.html and report.md from results\n"
    "  export RESULT     histograms and quantiles for other tools (hgrm, csv)\n"
    "  serve             the other host of `run --peer`: consumers run here\n"
    "  help intervals    what each interval means\n"
    "\n"
    "`handoff COMMAND --help` explains a command; `handoff --version` says which build this is.\n"
    "For a first look: handoff run scenarios/quick.json\n";

static void help_print_intervals(void)
{
    printf("Stamps, in the order of a frame's journey:\n"
           "  producer  due -> woke -> ready -> reserved -> filled -> committed -> notified\n"
           "  consumer  waiting -> seen -> acquired -> accessed -> done -> released\n\n"
           "Intervals between them, in nanoseconds:\n");
    for (int i = 0; i < INTERVAL_COUNT; i++)
        wrap_print(stdout, interval_definitions[i].definition,
                   (size_t)printf("  %-10s ", interval_definitions[i].name), 13);
}

enum status cmd_help(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(help_text, stdout);
        return ST_OK;
    }
    if (argc == 2 && strcmp(argv[1], "intervals") == 0) {
        help_print_intervals();
        return ST_OK;
    }
    return err_set(err, ST_INVALID,
                   "there is `handoff help` and `handoff help intervals`; `handoff COMMAND --help` "
                   "explains a command, `handoff list` waits and all else that a scenario names",
                   "help: nothing is known about \"%s\"", argv[1]);
}
