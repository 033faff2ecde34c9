/* options.c: walks over a command line by the command's table. See options.h.
 *
 * getopt_long does the walking: it lets options and operands mix, and takes a long option's
 * beginning as far as it fits one option only.
 */
#include "harness/cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

#include "harness/scenario/suggest.h"

#define OPTIONS_MAX 48
/* What getopt_long returns for a long option: this and its index, so that it is no short one's. */
#define LONG_BASE 256

static const struct cli_option help_option = {
    .key = CLI_HELP, .name = "help", .help = "show this text", .short_key = 'h'};

/* The table's, and --help behind them. */
static const struct cli_option *option_at(const struct cli_command *command, size_t index)
{
    return index < command->option_count ? &command->options[index] : &help_option;
}

static const struct cli_option *option_of_code(const struct cli_command *command, int code)
{
    if (code >= LONG_BASE)
        return option_at(command, (size_t)(code - LONG_BASE));
    for (size_t i = 0; i <= command->option_count; i++)
        if (code != 0 && option_at(command, i)->short_key == code)
            return option_at(command, i);
    return NULL;
}

static int next_code(const struct cli_parse *parse)
{
    const struct cli_command *command = parse->command;
    struct option long_options[OPTIONS_MAX + 2] = {{0}};
    char short_options[2 + 2 * (OPTIONS_MAX + 1)] = ":";
    size_t used = 1;
    assert(command->option_count <= OPTIONS_MAX);
    for (size_t i = 0; i <= command->option_count; i++) {
        const struct cli_option *option = option_at(command, i);
        long_options[i] =
            (struct option){option->name, option->argument ? required_argument : no_argument, NULL,
                            LONG_BASE + (int)i};
        if (option->short_key) {
            short_options[used++] = option->short_key;
            if (option->argument)
                short_options[used++] = ':';
        }
    }
    return getopt_long(parse->argc, parse->argv, short_options, long_options, NULL);
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void join(char *text, size_t size, const char *between, const char *before, const char *word)
{
    const size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s%s", used ? between : "", before, word);
}

/* "--peee" or "--pe": none begins so, or several do. */
static enum status unknown_long(const struct cli_parse *parse, const char *word, struct err *err)
{
    const struct cli_command *command = parse->command;
    char shown[SUGGEST_SHOWN_BYTES], typed[SUGGEST_SHOWN_BYTES], fitting[160] = "", hint[256];
    const size_t length = strcspn(word, "=") - 2;
    size_t count = 0;
    snprintf(typed, sizeof typed, "%.*s", (int)(length < 60 ? length : 60), word + 2);
    struct suggest suggest = SUGGEST_START(typed);
    for (size_t i = 0; i <= command->option_count; i++) {
        const char *name = option_at(command, i)->name;
        suggest_offer(&suggest, name);
        if (strncmp(name, word + 2, length) != 0)
            continue;
        count++;
        join(fitting, sizeof fitting, ", ", "--", name);
    }
    suggest_show(word, shown, sizeof shown);
    if (count > 1)
        return err_set(err, ST_INVALID, "write it out", "%s: \"%s\" may be any of %s",
                       command->name, shown, fitting);
    snprintf(hint, sizeof hint, "%s%s%s`handoff %s --help` shows all options",
             suggest.nearest ? "did you mean \"--" : "", suggest.nearest ? suggest.nearest : "",
             suggest.nearest ? "\"? " : "", command->name);
    return err_set(err, ST_INVALID, hint, "%s: unknown option \"%s\"", command->name, shown);
}

static enum status bad_option(const struct cli_parse *parse, int code, struct err *err)
{
    const struct cli_command *command = parse->command;
    const struct cli_option *option = option_of_code(command, optopt);
    char hint[96], spelling[64];
    snprintf(hint, sizeof hint, "`handoff %s --help` shows what it takes", command->name);
    if (optopt == 0)
        return unknown_long(parse, parse->argv[optind - 1], err);
    if (!option) {
        snprintf(spelling, sizeof spelling, "-%c", optopt);
        char shown[SUGGEST_SHOWN_BYTES];
        return err_set(err, ST_INVALID, hint, "%s: unknown option \"%s\"", command->name,
                       suggest_show(spelling, shown, sizeof shown));
    }
    if (optopt >= LONG_BASE)
        snprintf(spelling, sizeof spelling, "--%s", option->name);
    else
        snprintf(spelling, sizeof spelling, "-%c", option->short_key);
    if (code == ':')
        return err_set(err, ST_INVALID, hint, "%s: %s needs a value", command->name, spelling);
    return err_set(err, ST_INVALID, hint, "%s: %s takes no value", command->name, spelling);
}

/* "auto, monotonic or counter" */
static void join_choices(const char *const *choices, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; choices[i]; i++)
        join(text, size, choices[i + 1] ? ", " : " or ", "", choices[i]);
}

static enum status check_choice(const struct cli_parse *parse, const struct cli_option *option,
                                struct err *err)
{
    if (option->kind != CLI_CHOICE)
        return ST_OK;
    struct suggest suggest = SUGGEST_START(parse->value);
    for (size_t i = 0; option->choices[i]; i++) {
        if (strcmp(parse->value, option->choices[i]) == 0)
            return ST_OK;
        suggest_offer(&suggest, option->choices[i]);
    }
    char all[256], shown[SUGGEST_SHOWN_BYTES], help[96], hint[256];
    join_choices(option->choices, all, sizeof all);
    snprintf(help, sizeof help, "`handoff %s --help` says more", parse->command->name);
    return err_set(err, ST_INVALID, suggest_hint(&suggest, help, hint, sizeof hint),
                   "%s: --%s takes %s, not \"%s\"", parse->command->name, option->name, all,
                   suggest_show(parse->value, shown, sizeof shown));
}

int cli_next(struct cli_parse *parse, struct err *err)
{
    if (!parse->started) {
        optind = 0; /* glibc: forget the last parse wholly */
        opterr = 0;
        parse->started = true;
    }
    const int code = next_code(parse);
    parse->value = NULL;
    if (code == -1) {
        parse->operand_index = optind;
        return CLI_END;
    }
    if (code == '?' || code == ':') {
        bad_option(parse, code, err);
        return CLI_BAD;
    }
    const struct cli_option *option = option_of_code(parse->command, code);
    parse->value = optarg;
    if (optarg && check_choice(parse, option, err) != ST_OK)
        return CLI_BAD;
    return option->key;
}
