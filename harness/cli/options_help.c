/* options_help.c: a command's table as the text of --help. See options.h. */
#include <stdlib.h>
#include <string.h>

#include "harness/cli/options.h"
#include "harness/report/wrap.h"

/* Longer spellings have a line of their own. */
#define SPELLING_COLUMNS_MAX 22

static void print_usage(const struct cli_command *command, FILE *file)
{
    const char *lead = "Usage:";
    for (const char *line = command->synopsis; line; lead = "      ") {
        const size_t length = strcspn(line, "\n");
        fprintf(file, "%s handoff %s%s%.*s\n", lead, command->name, length ? " " : "", (int)length,
                line);
        line = line[length] ? line + length + 1 : NULL;
    }
}

static void print_paragraphs(const char *text, FILE *file)
{
    while (text && *text) {
        const char *end = strstr(text, "\n\n");
        const size_t length = end ? (size_t)(end - text) : strlen(text);
        char *paragraph = strndup(text, length);
        fputc('\n', file);
        if (paragraph)
            wrap_print(file, paragraph, 0, 0);
        free(paragraph);
        text = end ? end + 2 : NULL;
    }
}

/* "--out DIR", "-o, --out DIR". */
static size_t spell(const struct cli_option *option, char *text, size_t size)
{
    const char short_name[] = {'-', option->short_key, ',', ' ', '\0'};
    return (size_t)snprintf(text, size, "%s--%s%s%s", option->short_key ? short_name : "",
                            option->name, option->argument ? " " : "",
                            option->argument ? option->argument : "");
}

static void print_row(const char *spelling, const char *help, size_t indent, FILE *file)
{
    size_t column = (size_t)fprintf(file, "  %s", spelling);
    if (!help || !*help) {
        fputc('\n', file);
        return;
    }
    if (column + 1 > indent) {
        fputc('\n', file);
        column = 0;
    }
    fprintf(file, "%*s", (int)(indent - column), "");
    wrap_print(file, help, indent, indent);
}

/* Where the explanations begin: behind the longest spelling that is not too long. */
static size_t help_indent(const struct cli_command *command)
{
    char spelling[128];
    size_t longest = strlen("-h, --help");
    for (size_t i = 0; i < command->operand_count; i++) {
        const size_t length = strlen(command->operands[i].name);
        if (command->operands[i].help && length <= SPELLING_COLUMNS_MAX && length > longest)
            longest = length;
    }
    for (size_t i = 0; i < command->option_count; i++) {
        const size_t length = spell(&command->options[i], spelling, sizeof spelling);
        if (length <= SPELLING_COLUMNS_MAX && length > longest)
            longest = length;
    }
    return 2 + longest + 2;
}

static void print_exit_codes(const struct cli_command *command, FILE *file)
{
    char text[1024] = "";
    const char *between = ",";
    for (size_t i = 0; i < command->exit_code_count; i++)
        if (strchr(command->exit_codes[i].meaning, ','))
            between = ";";
    for (size_t i = 0; i < command->exit_code_count; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d %s%s", i ? " " : "",
                 command->exit_codes[i].code, command->exit_codes[i].meaning,
                 i + 1 < command->exit_code_count ? between : ".");
    }
    if (text[0])
        wrap_print(file, text, (size_t)fprintf(file, "\nExit status: ") - 1, 0);
}

void cli_print_help(const struct cli_command *command, FILE *file)
{
    char spelling[128];
    const size_t indent = help_indent(command);
    print_usage(command, file);
    print_paragraphs(command->description, file);
    fputc('\n', file);
    for (size_t i = 0; i < command->operand_count; i++)
        if (command->operands[i].help)
            print_row(command->operands[i].name, command->operands[i].help, indent, file);
    for (size_t i = 0; i < command->option_count; i++) {
        spell(&command->options[i], spelling, sizeof spelling);
        print_row(spelling, command->options[i].help, indent, file);
    }
    print_row("-h, --help", "show this text", indent, file);
    if (command->notes)
        fprintf(file, "\n%s%s", command->notes,
                command->notes[strlen(command->notes) - 1] == '\n' ? "" : "\n");
    print_exit_codes(command, file);
}
