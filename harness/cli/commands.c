/* commands.c: the commands there are, from commands.def. */
#include <string.h>

#include "harness/cli/options.h"
#include "harness/scenario/suggest.h"

const struct cli_command *const cli_commands[] = {
#define COMMAND(key) &command_##key,
#include "harness/cli/commands.def"
#undef COMMAND
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

enum status cli_dispatch(int argc, char **argv, int *exit_code, struct err *err)
{
    const bool is_help = strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0;
    const struct cli_command *command = cli_command_find(is_help ? "help" : argv[0]);
    if (command)
        return command->run(argc, argv, exit_code, err);
    char shown[SUGGEST_SHOWN_BYTES], hint[128];
    struct suggest suggest = SUGGEST_START(argv[0]);
    for (size_t i = 0; i < cli_command_count; i++)
        suggest_offer(&suggest, cli_commands[i]->name);
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest, "`handoff --help` shows the commands", hint, sizeof hint),
                   "unknown command \"%s\"", suggest_show(argv[0], shown, sizeof shown));
}
