/* cmd_compare.c: `handoff compare`: which of three comparisons is asked for, and by what
 * options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/compare.h"

static const struct cli_operand compare_operands[] = {
    {"RESULT...", CLI_FILE, NULL, "a result.json, or the folder it is in"}};

static const char *const axis_names[] = {
#define AXIS(key, otherwise, in_id, about, expected) #key,
#include "harness/scenario/axes.def"
#undef AXIS
    NULL};

static const struct cli_option compare_options[] = {
    {'b', "base", "PROGRAM", CLI_FILE, NULL,
     "compare two builds: the handoff program to compare with, or the build folder it is in", 0},
    {'N', "new", "PROGRAM", CLI_FILE, NULL,
     "the program that is compared with it (default: this one)", 0},
    {'y', "by", "AXIS", CLI_LIST, axis_names,
     "compare the values of an axis, such as wait or transport, within one run: that of "
     "--scenario, "
     "or a RESULT whose launches were interleaved",
     0},
    {'a', "against", "VALUE", CLI_TEXT, NULL,
     "the value that the others are compared with (default: the first in the scenario)", 0},
    {'S', "scenario", "FILE", CLI_SCENARIO, NULL, "what to run; its \"gates\" say what is compared",
     0},
    {'o', "out", "DIR", CLI_FOLDER, NULL,
     "where results and compare.json go (default: results/runs/<time>-<scenario>)", 0},
    {'n', "only", "AXIS=VALUE[,VALUE...]", CLI_FILTER, NULL,
     "only the cells with one of these values; may be repeated", 0},
    {'l', "launches", "N", CLI_NUMBER, NULL,
     "launches per cell and side, instead of the scenario's number; a verdict needs 5, and small "
     "differences more than 10",
     0},
    {'D', "detector", "FILE:FUNCTION", CLI_FILE, NULL,
     "the Python function that kernel detector calls: `handoff run --help`", 0},
    {'s', "seed", "N", CLI_NUMBER, NULL,
     "order of launches and content of frames (default: random)", 0},
    {'r', "resume", NULL, CLI_FLAG, NULL, "go on with the interrupted comparison in --out DIR", 0},
    {'f', "fail-on-slower", NULL, CLI_FLAG, NULL,
     "stored results: exit 1 when one is slower than the first, or the trend is. They did not run "
     "next to each other, so this may be the day's difference and not the build's",
     0},
    CLI_FORMAT_OPTION('F'),
    {'q', "quiet", NULL, CLI_FLAG, NULL, "no progress", 0},
};

static const struct cli_exit_code compare_exit_codes[] = {
    {EXIT_CODE_OK, "no gate is shown to be slower, which those without enough data cannot be; of "
                   "stored results always, without --fail-on-slower"},
    {EXIT_CODE_FAILED,
     "a regression: slower in a gate, or a cell that ran on base does not on new"},
    {EXIT_CODE_USAGE, "bad usage, scenario or program"},
    {EXIT_CODE_ROLE_DIED, "one of the two programs ended before it was told to"},
    {EXIT_CODE_ERROR, "there is no verdict: a file cannot be written, or memory is short"},
    {EXIT_CODE_UNAVAILABLE, "nothing could be compared"},
    {EXIT_CODE_INTERRUPTED, "interrupted (--resume goes on)"},
};

static enum status cmd_compare(int argc, char **argv, int *exit_code, struct err *err);

const struct cli_command command_compare = {
    .name = "compare",
    .synopsis = "--base PROGRAM --scenario FILE [OPTION]...\n"
                "--by AXIS (--scenario FILE | RESULT) [OPTION]...\n"
                "RESULT RESULT... [OPTION]...",
    .summary = "is it slower? Two builds, the values of an axis, or stored results",
    .description =
        "With --base, runs both builds launch by launch next to each other, in random order, and "
        "says of every gate of the scenario in every cell whether the new one is slower, faster or "
        "the same, or that there is not enough data, with the smallest slowdown that would have "
        "been seen. The chance that any gate of the table says slower of two builds that are the "
        "same is at most 5 %. Writes DIR/base, DIR/new (results as of `handoff run`) and "
        "DIR/compare.json.\n\n"
        "With --by, does the same for the values of one axis within one run.\n\n"
        "Of stored results it shows ratios with their intervals, and what differs between the "
        "machines they were made on.",
    .operands = compare_operands,
    .operand_count = sizeof compare_operands / sizeof compare_operands[0],
    .options = compare_options,
    .option_count = sizeof compare_options / sizeof compare_options[0],
    .exit_codes = compare_exit_codes,
    .exit_code_count = sizeof compare_exit_codes / sizeof compare_exit_codes[0],
    .run = cmd_compare,
};

/* One option, into *arguments. */
static enum status compare_take(struct compare_arguments *arguments, int key, char *value,
                                struct err *err)
{
    const char **const texts[] = {
        ['b'] = &arguments->base,
        ['N'] = &arguments->new_program,
        ['y'] = &arguments->by,
        ['a'] = &arguments->against,
        ['o'] = &arguments->out,
        ['S'] = &arguments->choice.scenario,
        ['D'] = &arguments->choice.detector,
    };
    bool *const flags[] = {['r'] = &arguments->resume,
                           ['f'] = &arguments->fail_on_slower,
                           ['q'] = &arguments->quiet,
                           [CLI_HELP] = &arguments->help};
    const size_t index = (size_t)key;
    if (index < sizeof texts / sizeof texts[0] && texts[index])
        *texts[index] = value;
    else if (index < sizeof flags / sizeof flags[0] && flags[index])
        *flags[index] = true;
    else if (key == 'F')
        arguments->format = cli_format_from_name(value);
    else if (key == 'n')
        return run_choice_add_filter(&arguments->choice, value, err);
    else if (key == 'l')
        return cli_parse_u64("--launches", value, 1, RUN_LAUNCHES_MAX, &arguments->choice.launches,
                             err);
    else
        return cli_parse_u64("--seed", value, 0, RUN_SEED_MAX, &arguments->seed, err);
    return ST_OK;
}

/* Options of one form that were given to another. */
static enum status compare_check(const struct compare_arguments *arguments, struct err *err)
{
    const bool runs = arguments->base || (arguments->by && arguments->choice.scenario);
    if (arguments->base && arguments->by)
        return err_set(err, ST_INVALID,
                       "compare builds with --base, or values of an axis with --by",
                       "compare: --base and --by are two comparisons");
    if (arguments->base && !arguments->choice.scenario)
        return err_set(err, ST_INVALID, "for a first look: --scenario scenarios/smoke.json",
                       "compare: --base needs a scenario to run");
    if (arguments->base && arguments->result_count)
        return err_set(err, ST_INVALID, "name what to run with --scenario",
                       "compare: --base runs both builds and takes no results");
    if (arguments->by && (arguments->choice.scenario != NULL) + arguments->result_count != 1)
        return err_set(err, ST_INVALID, "`handoff compare --by wait RESULT`, or --scenario FILE",
                       "compare: --by takes one scenario or one result");
    if (arguments->new_program && !arguments->base)
        return err_set(err, ST_INVALID, "name the one it is compared with by --base",
                       "compare: --new is for the comparison of two builds");
    if (arguments->against && !arguments->by)
        return err_set(err, ST_INVALID, "name the axis by --by",
                       "compare: --against is a value of an axis");
    if (!runs && !arguments->by && arguments->choice.scenario)
        return err_set(err, ST_INVALID, "name the other build by --base, or an axis by --by",
                       "compare: what is the scenario to be compared by?");
    if (!runs && (arguments->choice.launches || arguments->choice.filter_count ||
                  arguments->choice.detector || arguments->resume))
        return err_set(err, ST_INVALID, "`handoff compare --help` shows the three forms",
                       "compare: --only, --launches, --detector and --resume are for what is run, "
                       "and stored results are not");
    if (!runs && !arguments->by && arguments->out)
        return err_set(err, ST_INVALID, "--format json prints it for programs",
                       "compare: of stored results it prints, and writes nothing: --out is for "
                       "the other forms");
    if (arguments->resume && !arguments->out)
        return err_set(err, ST_INVALID, "name the folder of the interrupted comparison with --out",
                       "compare: --resume needs --out DIR");
    if (!runs && !arguments->by && arguments->result_count < 2)
        return err_set(err, ST_INVALID,
                       "two builds: --base PROGRAM --scenario FILE; within one run: --by AXIS; "
                       "stored: RESULT RESULT...",
                       "compare: what with what?");
    return ST_OK;
}

static enum status compare_parse(int argc, char **argv, struct compare_arguments *arguments,
                                 struct err *err)
{
    struct cli_parse parse = {.command = &command_compare, .argc = argc, .argv = argv};
    arguments->seed = run_choice_random_seed();
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        enum status status = compare_take(arguments, key, parse.value, err);
        if (status != ST_OK || arguments->help)
            return status;
    }
    arguments->results = argv + parse.operand_index;
    arguments->result_count = (size_t)(argc - parse.operand_index);
    return compare_check(arguments, err);
}

static enum status cmd_compare(int argc, char **argv, int *exit_code, struct err *err)
{
    struct compare_arguments arguments = {.command_count = (size_t)argc};
    char **command = calloc((size_t)argc + 1, sizeof *command);
    if (!command)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    for (int i = 0; i < argc; i++)
        command[i] = strdup(argv[i]);
    arguments.command = (const char *const *)command;
    enum status status = compare_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_compare, stdout);
    else if (status == ST_OK)
        status = arguments.base ? compare_paired(&arguments, exit_code, err)
                 : arguments.by ? compare_by(&arguments, exit_code, err)
                                : compare_results(&arguments, exit_code, err);
    for (int i = 0; i < argc; i++)
        free(command[i]);
    free(command);
    return status;
}
