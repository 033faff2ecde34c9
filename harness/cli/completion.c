/* completion.c: see completion.h. */
#include "harness/cli/completion.h"

void completion_each_option(const struct cli_command *command,
                            void (*take)(FILE *file, const struct cli_command *command,
                                         const struct cli_option *option),
                            FILE *file)
{
    static const struct cli_option help = {
        .name = "help", .help = "show this text", .short_key = 'h'};
    for (size_t i = 0; i < command->option_count; i++)
        take(file, command, &command->options[i]);
    take(file, command, &help);
}

void completion_print_words(FILE *file, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        fprintf(file, "%s%s", i ? " " : "", words[i]);
}

void completion_print_values(FILE *file, enum axis_index axis)
{
    struct axis_value values[AXIS_VALUES_MAX];
    const size_t count = axis_values_list(axis, values);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s%s", i ? " " : "", values[i].text);
}
