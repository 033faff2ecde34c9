/* cmd_advise.c: `handoff advise`: the cells of a result that keep a user's bounds, cheapest first.
 *
 * Called by main.c. What is found is in harness/report/bounds.h; here it is asked and printed.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/advise.h"
#include "harness/cli/format_option.h"
#include "harness/cli/options.h"
#include "harness/run/result.h"

static const struct cli_operand advise_operands[] = {
    {"RESULT", CLI_FILE, NULL, "a result.json, or the folder it is in"},
};

static const struct cli_option advise_options[] = {
    {'5', "p50", "TIME", CLI_TEXT, NULL,
     "the highest median that will do: of response, from when a frame was due until its kernel has "
     "finished; of latency where one frame is in flight. \"200us\", \"1.5ms\"",
     0},
    {'0', "p90", "TIME", CLI_TEXT, NULL, "the same for 90 in 100 frames", 0},
    {'9', "p99", "TIME", CLI_TEXT, NULL, "the same for 99 in 100 frames", 0},
    {'n', "p999", "TIME", CLI_TEXT, NULL, "the same for 999 in 1,000 frames", 0},
    {'c', "cpu", "PERCENT", CLI_TEXT, NULL,
     "the most processor that handing over may take, both roles together, in per cent of one CPU: "
     "\"20%\"",
     0},
    {'r', "rate", "RATE", CLI_TEXT, NULL,
     "only what was measured at so many frames per second; without it each rate has its answer", 0},
    {'f', "frame", "FRAME", CLI_TEXT, NULL,
     "only frames of this size, \"1920x1080x3\"; without it each size has its answer", 0},
    CLI_FORMAT_OPTION('F'),
};

static const struct cli_exit_code advise_exit_codes[] = {
    {EXIT_CODE_OK, "in every case something keeps the bounds"},
    {EXIT_CODE_FAILED, "in some case nothing is shown to"},
    {EXIT_CODE_USAGE, "bad usage, not a result, or nothing in it was measured so"},
    {EXIT_CODE_ERROR, "a file cannot be read"},
};

struct advise_arguments {
    struct bounds bounds;
    enum cli_format format;
    const char *result;
    bool help;
};

static enum status advise_take(struct advise_arguments *arguments, int key, const char *value,
                               struct err *err)
{
    static const char keys[] = "509n";
    static const char *const names[] = {"--p50", "--p90", "--p99", "--p999"};
    const char *at = strchr(keys, key);
    if (at && !bounds_parse_time(value, &arguments->bounds.time_ns[at - keys]))
        return err_set(err, ST_INVALID, "write it as 200us, 1.5ms or 2s",
                       "advise: %s takes a time, not \"%.40s\"", names[at - keys], value);
    if (key == 'c' && !bounds_parse_percent(value, &arguments->bounds.cpu_percent))
        return err_set(err, ST_INVALID, "write it as 20 or 20%; 100% is one CPU",
                       "advise: --cpu takes per cent of one CPU, not \"%.40s\"", value);
    if (key == 'r' && !bounds_parse_rate(value, &arguments->bounds.rate_hz))
        return err_set(err, ST_INVALID, "write it as 60 or 60fps",
                       "advise: --rate takes frames per second, not \"%.40s\"", value);
    if (key == 'f')
        arguments->bounds.frame = value;
    if (key == 'F')
        arguments->format = cli_format_from_name(value);
    return ST_OK;
}

static enum status advise_parse(int argc, char **argv, struct advise_arguments *arguments,
                                struct err *err)
{
    struct cli_parse parse = {.command = &command_advise, .argc = argc, .argv = argv};
    bool bounded = false;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            arguments->help = true;
            return ST_OK;
        }
        bounded = bounded || strchr("509nc", key);
        enum status status = advise_take(arguments, key, parse.value, err);
        if (status != ST_OK)
            return status;
    }
    if (argc - parse.operand_index != 1)
        return err_set(err, ST_INVALID, "`handoff advise RESULT --p99 200us --cpu 20% --rate 60`",
                       argc == parse.operand_index ? "advise: which result?"
                                                   : "advise: takes one result at a time");
    if (!bounded)
        return err_set(err, ST_INVALID, "`handoff advise RESULT --p99 200us --cpu 20% --rate 60`",
                       "advise: no bound is given: say --p99, --cpu or another");
    arguments->result = argv[parse.operand_index];
    return ST_OK;
}

static enum status advise_print(const struct report *report, const struct bounds *bounds,
                                const struct bounds_answer *answer, enum cli_format format,
                                struct err *err)
{
    if (format == CLI_FORMAT_JSON)
        return advise_print_json(report, bounds, answer, err);
    if (format == CLI_FORMAT_MARKDOWN)
        advise_print_markdown(bounds, answer);
    else
        advise_print_table(bounds, answer);
    return ST_OK;
}

/* Whether every case has something that keeps the bounds. */
static bool advise_is_met(const struct bounds_answer *answer)
{
    for (size_t i = 0; i < answer->case_count; i++)
        if (answer->cases[i].cells[0].state != BOUNDS_KEPT)
            return false;
    return true;
}

static enum status cmd_advise(int argc, char **argv, int *exit_code, struct err *err)
{
    struct advise_arguments arguments = {.help = false};
    enum status status = advise_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_advise, stdout);
    if (status != ST_OK || arguments.help)
        return status;
    cJSON *json = NULL;
    struct report *report = NULL;
    struct bounds_answer answer = {.cases = NULL};
    status = result_load(arguments.result, &json, err);
    if (status == ST_OK)
        status = report_open(json, &report, err);
    if (status == ST_OK)
        status = bounds_answer_make(report, &arguments.bounds, &answer, err);
    if (status == ST_OK)
        status = advise_print(report, &arguments.bounds, &answer, arguments.format, err);
    if (status == ST_OK)
        *exit_code = advise_is_met(&answer) ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    bounds_answer_free(&answer);
    report_free(report);
    cJSON_Delete(json);
    return status;
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
const struct cli_command command_advise = {
    .name = "advise",
    .synopsis = "RESULT [OPTION]...",
    .summary = "which cells of a result keep your bounds, cheapest first",
    .description =
        "Says which transport, wait and other choices of a result keep all the bounds that are "
        "given, cheapest in CPU first, and what the nearest miss lacks. Cells with the same "
        "frames, rate, kernel, load and peers form a case; each case has its answer.\n\n"
        "A cell keeps a bound when the whole 95 % interval of its figure does, which takes 10 "
        "launches. Where only the figure does, it is listed as not sure to.",
    .operands = advise_operands,
    .operand_count = COUNT(advise_operands),
    .options = advise_options,
    .option_count = COUNT(advise_options),
    .exit_codes = advise_exit_codes,
    .exit_code_count = COUNT(advise_exit_codes),
    .run = cmd_advise,
};
