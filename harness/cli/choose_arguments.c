/* choose_arguments.c: the options of `handoff choose`, read and checked. See choose.h. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/choose.h"
#include "harness/cli/run_choice.h"
#include "harness/report/bounds.h"
#include "harness/scenario/axes.h"

#define SECONDS_DEFAULT 105
#define LAUNCHES_MAX 100

static const char *const producers[] = {"c", "python", NULL};

static const struct cli_option choose_options[] = {
    {'s', "size", "WIDTHxHEIGHTxCHANNELS", CLI_TEXT, NULL,
     "your frames, a byte per channel: \"1920x1080x3\"", 0},
    {'r', "rate", "RATE", CLI_TEXT, NULL, "how many of them come in a second: \"30\"", 0},
    {'c', "consumer", "FILE:FUNCTION", CLI_TEXT, NULL,
     "your detector: \"my.py:detect\" is called with each frame as a read-only NumPy array of "
     "(height, width, channels) bytes",
     0},
    {'p', "producer", "LANGUAGE", CLI_CHOICE, producers,
     "what the camera's process is written in: c (default) or python", 0},
    {'d', "deadline", "TIME", CLI_TEXT, NULL,
     "how long after a frame was due its result is of use: \"33ms\"; period (default): until the "
     "next one is due",
     0},
    {'u', "cpu", "PERCENT", CLI_TEXT, NULL,
     "the most processor that both processes may take together, your detector included: \"150%\"",
     0},
    {'l', "launches", "N", CLI_NUMBER, NULL,
     "fresh processes for each way, instead of as many as fit the time; intervals need 10, a "
     "verdict "
     "5",
     0},
    {'t', "seconds", "N", CLI_NUMBER, NULL, "about how long it may take (default: 105)", 0},
    {'S', "seed", "N", CLI_NUMBER, NULL,
     "order of launches and content of frames (default: random)", 0},
    {'o', "out", "DIR", CLI_FOLDER, NULL,
     "keep the result there; `handoff report DIR` shows more of it", 0},
    {'k', "keep", NULL, CLI_FLAG, NULL,
     "keep it in results/runs/<time>-choose; otherwise it is removed", 0},
    CLI_FORMAT_OPTION('F'),
    {'q', "quiet", NULL, CLI_FLAG, NULL, "no plan and no progress", 0},
};

static const struct cli_exit_code choose_exit_codes[] = {
    {EXIT_CODE_OK, "there is a choice"},
    {EXIT_CODE_FAILED, "no way is fit to be chosen"},
    {EXIT_CODE_USAGE, "bad usage, or no such file"},
    {EXIT_CODE_ROLE_DIED, "a role process died"},
    {EXIT_CODE_ERROR, "the detector failed, a file cannot be written, or memory is short"},
    {EXIT_CODE_UNAVAILABLE, "Python or NumPy is missing"},
    {EXIT_CODE_INTERRUPTED, "interrupted"},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EXAMPLE "`handoff choose --size 1920x1080x3 --rate 30 --consumer my.py:detect`"
const struct cli_command command_choose = {
    .name = "choose",
    .synopsis = "--size SIZE --rate RATE --consumer FILE:FUNCTION [OPTION]...",
    .summary = "how frames should reach a Python function of yours: tries it, and says",
    .description =
        "Runs your own function on frames of your size at your rate, handed over in every way that "
        "makes sense here: through shared memory, a UNIX socket and ZeroMQ, with several ways to "
        "wait. Prints for each how old a frame is when the function begins, how many results were "
        "late, what it costs in CPU, and how much the function is slower than by itself; then one "
        "choice, with what is tied with it, and the lines of code for it. Takes under two "
        "minutes.\n\n"
        "Ways are compared by the time from a whole frame in the camera's process to your "
        "function's result, launch by launch next to each other; where that is tied, by CPU. "
        "Processes are not pinned to CPUs, as yours will not be.",
    .operands = NULL,
    .operand_count = 0,
    .options = choose_options,
    .option_count = COUNT(choose_options),
    .exit_codes = choose_exit_codes,
    .exit_code_count = COUNT(choose_exit_codes),
    .run = cmd_choose,
};

static enum status take_size(struct choose_arguments *arguments, const char *text, struct err *err)
{
    struct cell cell = {.slots = 0};
    if (axis_parse_text(&axis_table[AXIS_INDEX_frame], text, &cell, err) != ST_OK) {
        const struct err inner = *err;
        const bool is_form =
            strstr(inner.what, "cannot be text") || strstr(inner.hint, "\"width\"");
        return err_set(err, ST_INVALID,
                       is_form
                           ? "write it as 1920x1080x3: width, height, and a byte for each channel"
                           : inner.hint,
                       "choose: --size takes WIDTHxHEIGHTxCHANNELS, not \"%.40s\"", text);
    }
    arguments->size = text;
    arguments->geometry = cell.geometry;
    return ST_OK;
}

static enum status choose_take(struct choose_arguments *arguments, int key, const char *value,
                               struct err *err)
{
    uint64_t whole;
    enum status status = ST_OK;
    switch (key) {
    case 's':
        return take_size(arguments, value, err);
    case 'r':
        if (!bounds_parse_rate(value, &arguments->rate_hz) || arguments->rate_hz < 1 ||
            arguments->rate_hz > 10000)
            return err_set(err, ST_INVALID, "write it as 30 or 30fps; from 1 to 10000",
                           "choose: --rate takes frames per second, not \"%.40s\"", value);
        break;
    case 'c':
        arguments->consumer = value;
        break;
    case 'p':
        arguments->python_producer = strcmp(value, "python") == 0;
        break;
    case 'd':
        arguments->question.deadline_ns = 0;
        if (strcmp(value, "period") != 0 &&
            !bounds_parse_time(value, &arguments->question.deadline_ns))
            return err_set(err, ST_INVALID, "write it as 33ms, 500us or 1s, or period",
                           "choose: --deadline takes a time, not \"%.40s\"", value);
        break;
    case 'u':
        if (!bounds_parse_percent(value, &arguments->question.cpu_percent))
            return err_set(err, ST_INVALID, "write it as 150 or 150%; 100% is one CPU",
                           "choose: --cpu takes per cent of one CPU, not \"%.40s\"", value);
        break;
    case 'l':
        return cli_parse_u64("--launches", value, 1, LAUNCHES_MAX, &arguments->launches, err);
    case 't':
        status = cli_parse_u64("--seconds", value, 1, 3600, &whole, err);
        arguments->seconds = status == ST_OK ? (double)whole : arguments->seconds;
        return status;
    case 'S':
        return cli_parse_u64("--seed", value, 0, RUN_SEED_MAX, &arguments->seed, err);
    case 'o':
        arguments->out = value;
        break;
    case 'k':
        arguments->keep = true;
        break;
    case 'q':
        arguments->quiet = true;
        break;
    default:
        arguments->format = cli_format_from_name(value);
        break;
    }
    return ST_OK;
}

enum status choose_arguments_parse(int argc, char **argv, struct choose_arguments *arguments,
                                   struct err *err)
{
    struct cli_parse parse = {.command = &command_choose, .argc = argc, .argv = argv};
    *arguments =
        (struct choose_arguments){.seconds = SECONDS_DEFAULT, .seed = run_choice_random_seed()};
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            arguments->help = true;
            return ST_OK;
        }
        enum status status = choose_take(arguments, key, parse.value, err);
        if (status != ST_OK)
            return status;
    }
    if (parse.operand_index != argc)
        return err_set(err, ST_INVALID, EXAMPLE, "choose: takes no \"%.60s\"",
                       argv[parse.operand_index]);
    if (!arguments->size || arguments->rate_hz <= 0 || !arguments->consumer)
        return err_set(err, ST_INVALID, EXAMPLE, "choose: --%s is missing",
                       !arguments->size          ? "size"
                       : arguments->rate_hz <= 0 ? "rate"
                                                 : "consumer");
    if (arguments->question.deadline_ns <= 0)
        arguments->question.deadline_ns = 1e9 / arguments->rate_hz;
    enum status status = scenario_resolve_detector(arguments->consumer, &arguments->detector, err);
    if (status != ST_OK)
        return err_context(err, "choose");
    arguments->function = strrchr(arguments->detector, ':') + 1;
    return ST_OK;
}
