/* run_arguments.c: see run_arguments.h. The table of options is here, too. */
#include "harness/cli/run_arguments.h"

#include <stdio.h>
#include <string.h>

static const char *const clock_choices[] = {"auto", "monotonic", "counter", NULL};

static const struct cli_operand run_operands[] = {
    {"SCENARIO", CLI_SCENARIO, NULL,
     "a scenario's file; or its name, such as quick, where it lies in ./scenarios or was installed "
     "with handoff"}};

static const struct cli_option run_options[] = {
    {'o', "out", "DIR", CLI_FOLDER, NULL,
     "where the result goes (default: results/runs/<time>-<scenario>)", 0},
    {'n', "only", "AXIS=VALUE[,VALUE...]", CLI_FILTER, NULL,
     "only the cells with one of these values; may be repeated", 0},
    {'l', "launches", "N", CLI_NUMBER, NULL,
     "fresh processes per cell, instead of the scenario's number; intervals need 10", 0},
    {'s', "seed", "N", CLI_NUMBER, NULL,
     "order of launches and content of frames (default: random, kept in the result)", 0},
    {'D', "detector", "FILE:FUNCTION", CLI_FILE, NULL,
     "the Python function that kernel detector calls with each frame, a read-only array (height, "
     "width, channels) of bytes",
     0},
    {'c', "clock", "WHICH", CLI_CHOICE, clock_choices,
     "which clock stamps: auto (the cheapest that is right on all CPUs: the processor's counter or "
     "CLOCK_MONOTONIC), monotonic, counter",
     0},
    {'d', "dry-run", NULL, CLI_FLAG, NULL,
     "list the cells, what cannot run here and why, and the expected time", 0},
    {'r', "resume", NULL, CLI_FLAG, NULL, "go on with the interrupted run in --out DIR", 0},
    {'f', "no-floor", NULL, CLI_FLAG, NULL,
     "do not measure the machine's floor first (up to two seconds), nor what others take of the "
     "CPUs "
     "(up to one); the result then shows no figure as a multiple of the floor",
     0},
    {'p', "peer", "HOST[:PORT]", CLI_TEXT, NULL,
     "the consumers run on HOST, where `handoff serve` does (port 9763); it connects back to this "
     "host for the frames. Both need one key",
     0},
    {'k', "key-file", "FILE", CLI_FILE, NULL,
     "that key; without it the environment variable HANDOFF_KEY. At least 16 bytes; others may not "
     "read the file. `handoff serve --help` says what it protects, and what it does not",
     0},
    {'t', "peer-timeout", "SECONDS", CLI_NUMBER, NULL,
     "how long HOST may be silent before the launch has failed (default: 5)", 0},
    CLI_FORMAT_OPTION('F'),
    {'q', "quiet", NULL, CLI_FLAG, NULL, "no progress", 0},
    {'S', "steps", NULL, CLI_FLAG, NULL,
     "for `handoff compare`, which starts two runs and orders their launches in turn: launches are "
     "ordered on standard input, one \"launch CELL NUMBER\" per line, and answered on standard "
     "output; its end is the end of the run",
     0},
    {'R', "frames-from", "DIR", CLI_FOLDER, NULL,
     "for it, too: frame counts, seed and clock of the run in DIR, instead of a pilot", 0},
};

static const struct cli_exit_code run_exit_codes[] = {
    {EXIT_CODE_OK, "fine"},
    {EXIT_CODE_FAILED, "a cell failed"},
    {EXIT_CODE_USAGE, "bad usage or scenario"},
    {EXIT_CODE_ROLE_DIED, "a role process died"},
    {EXIT_CODE_ERROR, "a file cannot be written, memory is short, or --peer does not answer"},
    {EXIT_CODE_UNAVAILABLE, "no cell can run here"},
    {EXIT_CODE_INTERRUPTED, "interrupted (what is complete has been written; --resume goes on)"},
};

const struct cli_command command_run = {
    .name = "run",
    .synopsis = "SCENARIO [OPTION]...",
    .summary = "run a scenario and write DIR/result.json",
    .description =
        "Runs every cell of a scenario in fresh producer and consumer processes and writes "
        "DIR/result.json. Prints a table of the cells on standard output, or what --format asks "
        "for.",
    .operands = run_operands,
    .operand_count = sizeof run_operands / sizeof run_operands[0],
    .options = run_options,
    .option_count = sizeof run_options / sizeof run_options[0],
    .exit_codes = run_exit_codes,
    .exit_code_count = sizeof run_exit_codes / sizeof run_exit_codes[0],
    .run = cmd_run,
};

/* What goes with --peer, and without it does not. */
static enum status run_parse_peer(struct run_arguments *arguments, struct err *err)
{
    if (!arguments->has_peer && (arguments->key_file || arguments->peer_timeout_s))
        return err_set(err, ST_INVALID, "name the other host with --peer HOST",
                       "%s is for measurements across two hosts",
                       arguments->key_file ? "--key-file" : "--peer-timeout");
    if (arguments->has_peer && arguments->clock == CLOCK_REQUEST_COUNTER)
        return err_set(err, ST_INVALID, "leave --clock out",
                       "the counters of two hosts cannot be compared: --peer is measured by "
                       "CLOCK_MONOTONIC");
    const uint64_t timeout_s =
        arguments->peer_timeout_s ? arguments->peer_timeout_s : PEER_TIMEOUT_S_DEFAULT;
    arguments->peer.timeout_ns = timeout_s * 1000000000u;
    return ST_OK;
}

/* One option, into *arguments. */
static enum status run_take(struct run_arguments *arguments, int key, char *value, struct err *err)
{
    switch (key) {
    case 'o':
        arguments->out = value;
        return ST_OK;
    case 'n':
        return run_choice_add_filter(&arguments->choice, value, err);
    case 'l':
        return cli_parse_u64("--launches", value, 1, RUN_LAUNCHES_MAX, &arguments->choice.launches,
                             err);
    case 's':
        return cli_parse_u64("--seed", value, 0, RUN_SEED_MAX, &arguments->seed, err);
    case 'D':
        arguments->choice.detector = value;
        return ST_OK;
    case 'c':
        (void)clock_request_from_name(value, &arguments->clock);
        return ST_OK;
    case 'F':
        arguments->format = cli_format_from_name(value);
        return ST_OK;
    case 'd':
        arguments->dry_run = true;
        return ST_OK;
    case 'r':
        arguments->resume = true;
        return ST_OK;
    case 'f':
        arguments->no_floor = true;
        return ST_OK;
    case 'S':
        arguments->steps = true;
        return ST_OK;
    case 'R':
        arguments->frames_from = value;
        return ST_OK;
    case 'p':
        arguments->has_peer = true;
        snprintf(arguments->peer.text, sizeof arguments->peer.text, "%s", value);
        return peer_address_parse(value, false, &arguments->peer.address, err);
    case 'k':
        arguments->key_file = value;
        return ST_OK;
    case 't':
        return cli_parse_u64("--peer-timeout", value, 1, PEER_TIMEOUT_S_MAX,
                             &arguments->peer_timeout_s, err);
    default:
        arguments->quiet = true;
        return ST_OK;
    }
}

enum status run_arguments_parse(int argc, char **argv, struct run_arguments *arguments,
                                struct err *err)
{
    struct cli_parse parse = {.command = &command_run, .argc = argc, .argv = argv};
    arguments->seed = run_choice_random_seed();
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            arguments->help = true;
            return ST_OK;
        }
        enum status status = run_take(arguments, key, parse.value, err);
        if (status != ST_OK)
            return status;
    }
    if (parse.operand_index != argc - 1)
        return err_set(err, ST_INVALID, "for a first look: handoff run scenarios/quick.json",
                       parse.operand_index == argc ? "run: which scenario?"
                                                   : "run: takes one scenario at a time");
    arguments->choice.scenario = argv[parse.operand_index];
    if (arguments->resume && !arguments->out)
        return err_set(err, ST_INVALID, "name the folder of the interrupted run with --out",
                       "--resume needs --out DIR");
    if ((arguments->steps || arguments->frames_from) && arguments->has_peer)
        return err_set(err, ST_INVALID, "compare builds on one host",
                       "--steps and --frames-from are not for measurements across two hosts");
    return run_parse_peer(arguments, err);
}
