/* cmd_help.c: `handoff help`, `handoff --help`: the commands there are, one of them, or a topic. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/format_option.h"
#include "harness/measure/intervals.h"
#include "harness/report/wrap.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/suggest.h"

static enum status print_intervals(struct err *err)
{
    (void)err;
    printf("Stamps, in the order of a frame's journey:\n"
           "  producer  due -> woke -> ready -> reserved -> filled -> committed -> notified\n"
           "  consumer  waiting -> seen -> acquired -> accessed -> done -> released\n"
           "  GPU       gpu_filled -> gpu_begin -> gpu_end\n\n");
    wrap_print(stdout, interval_stamps_text, 0, 0);
    printf("\nIntervals between them, in nanoseconds:\n");
    for (int i = 0; i < INTERVAL_COUNT; i++)
        wrap_print(stdout, interval_definitions[i].definition,
                   (size_t)printf("  %-10s ", interval_definitions[i].name), 13);
    return ST_OK;
}

static enum status print_bash(struct err *err)
{
    (void)err;
    cli_print_completion_bash(stdout);
    return ST_OK;
}

static enum status print_zsh(struct err *err)
{
    (void)err;
    cli_print_completion_zsh(stdout);
    return ST_OK;
}

static enum status print_man(struct err *err)
{
    (void)err;
    cli_print_man_page(cli_commands, cli_command_count, stdout);
    return ST_OK;
}

static enum status print_schema(struct err *err)
{
    cJSON *schema = scenario_schema();
    const enum status status = cli_print_json(stdout, schema, err);
    cJSON_Delete(schema);
    return status;
}

/* What `handoff help NAME` prints besides the commands: name, summary, function. */
#define TOPICS(TOPIC)                                                                      \
    TOPIC("intervals", "what each interval means", print_intervals)                        \
    TOPIC("completion-bash", "a script by which bash completes command lines", print_bash) \
    TOPIC("completion-zsh", "the same for zsh", print_zsh)                                 \
    TOPIC("man", "the manual page, handoff.1, in roff", print_man)                         \
    TOPIC("scenario-schema", "a JSON Schema of scenarios, for editors", print_schema)

static const struct {
    const char *name;
    const char *summary;
    enum status (*print)(struct err *err);
} topics[] = {
#define TOPIC(key, summary, print) {key, summary, print},
    TOPICS(TOPIC)
#undef TOPIC
};
#define TOPIC_COUNT (sizeof topics / sizeof topics[0])

static const char *const operand_choices[] = {
#define COMMAND(key) #key,
#include "harness/cli/commands.def"
#undef COMMAND
#define TOPIC(key, summary, print) key,
    TOPICS(TOPIC)
#undef TOPIC
        NULL};

/* ---- the overview ---------------------------------------------------------------------------- */

static int command_spelling(const struct cli_command *command, char *text, size_t size)
{
    const char *operand = command->operand_count ? command->operands[0].name : "";
    return snprintf(text, size, "%s%s%s", command->name, *operand ? " " : "", operand);
}

static void print_overview(void)
{
    char spelling[64];
    int width = 0;
    printf("handoff measures what it costs to hand a video frame from one process to another, and "
           "to a "
           "kernel\non the CPU or a GPU.\n"
           "\n"
           "Usage: handoff COMMAND [ARGUMENT]...\n\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const int columns = command_spelling(cli_commands[i], spelling, sizeof spelling);
        width = columns > width ? columns : width;
    }
    for (size_t i = 0; i < cli_command_count; i++) {
        command_spelling(cli_commands[i], spelling, sizeof spelling);
        const size_t column = (size_t)printf("  %-*s  ", width, spelling);
        wrap_print(stdout, cli_commands[i]->summary, column, column);
    }
    printf("\nTopics of `handoff help TOPIC`:\n\n");
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        const size_t column = (size_t)printf("  %-*s  ", width, topics[i].name);
        wrap_print(stdout, topics[i].summary, column, column);
    }
    printf(
        "\n`handoff COMMAND --help` explains a command; `handoff --version` says which build this "
        "is.\nFor a first look: handoff run scenarios/quick.json\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status print_topic(const char *name, struct err *err)
{
    struct suggest suggest = SUGGEST_START(name);
    const struct cli_command *command = cli_command_find(name);
    if (command) {
        cli_print_help(command, stdout);
        return ST_OK;
    }
    for (size_t i = 0; i < cli_command_count; i++)
        suggest_offer(&suggest, cli_commands[i]->name);
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(topics[i].name, name) == 0)
            return topics[i].print(err);
        suggest_offer(&suggest, topics[i].name);
    }
    char shown[SUGGEST_SHOWN_BYTES], hint[256];
    return err_set(
        err, ST_INVALID,
        suggest_hint(&suggest,
                     "`handoff help` shows the commands and topics, `handoff list` waits "
                     "and all else that a scenario names",
                     hint, sizeof hint),
        "help: nothing is known about \"%s\"", suggest_show(name, shown, sizeof shown));
}

static enum status cmd_help(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct cli_parse parse = {.command = &command_help, .argc = argc, .argv = argv};
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        cli_print_help(&command_help, stdout);
        return ST_OK;
    }
    if (argc - parse.operand_index > 1)
        return err_set(err, ST_INVALID, "one at a time", "help: too many arguments");
    if (argc > parse.operand_index)
        return print_topic(argv[parse.operand_index], err);
    print_overview();
    return ST_OK;
}

static const struct cli_operand help_operands[] = {{"[TOPIC]", CLI_CHOICE, operand_choices, NULL}};

static const struct cli_exit_code help_exit_codes[] = {
    {EXIT_CODE_OK, "fine"}, {EXIT_CODE_USAGE, "there is no such command or topic"}};

const struct cli_command command_help = {
    .name = "help",
    .synopsis = "[COMMAND|TOPIC]",
    .summary = "this overview, a command, or a topic",
    .description = "Explains a command as `handoff COMMAND --help` does, or a topic; without an "
                   "argument it shows which there are.",
    .operands = help_operands,
    .operand_count = sizeof help_operands / sizeof help_operands[0],
    .exit_codes = help_exit_codes,
    .exit_code_count = sizeof help_exit_codes / sizeof help_exit_codes[0],
    .run = cmd_help,
};
