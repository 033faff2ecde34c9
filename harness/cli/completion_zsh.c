/* completion_zsh.c: zsh completes handoff's command line, with what each option is for. See
 * completion_bash.c; called by `handoff help completion-zsh`.
 */
#include "harness/cli/completion.h"

#include <string.h>

static const char head[] =
    "#compdef handoff\n"
    "# zsh completion for handoff, made by `handoff help completion-zsh` from its options.\n"
    "# To use it: put it as _handoff into a folder of $fpath, such as\n"
    "# /usr/share/zsh/vendor-completions.\n"
    "\n"
    "# AXIS=VALUE[,VALUE...]\n"
    "_handoff_filter() {\n"
    "  if compset -P 1 '*='; then\n"
    "    local axis=${${IPREFIX%=}##*=}\n"
    "    compset -P '*,'\n"
    "    compadd -S '' -- ${=_handoff_values[$axis]}\n"
    "  else\n"
    "    compadd -S '=' -- ${(k)_handoff_values}\n"
    "  fi\n"
    "}\n"
    "\n"
    "# Files, and the scenarios that `handoff run` knows by name\n"
    "_handoff_scenarios() {\n"
    "  local -a found\n"
    "  found=(scenarios/*.json(N:t:r) "
    "${commands[handoff]:h}/../share/handoff/scenarios/*.json(N:t:r))\n"
    "  compadd -- ${(u)found:#schema}\n"
    "  _files -g '*.json(-.)'\n"
    "}\n"
    "\n"
    "# Several of the arguments, joined by commas\n"
    "_handoff_list() {\n"
    "  compset -P '*,'\n"
    "  compadd -S '' -- $@\n"
    "}\n"
    "\n";

static const char tail[] = "  esac\n"
                           "}\n"
                           "\n"
                           "_handoff \"$@\"\n";

/* Text within single quotes and [brackets] of a spec. */
static void print_escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", file);
        else if (strchr("[]:\\", *text))
            fprintf(file, "\\%c", *text);
        else
            fputc(*text, file);
    }
}

/* The first clause of a help text: what fits a line of a menu. */
static void print_brief(FILE *file, const char *help)
{
    char brief[72];
    size_t length = strcspn(help, ".;(");
    while (length > 0 && help[length - 1] == ' ')
        length--;
    if (length >= sizeof brief) {
        length = sizeof brief - 4;
        while (length > 0 && help[length] != ' ')
            length--;
        snprintf(brief, sizeof brief, "%.*s...", (int)length, help);
    } else {
        snprintf(brief, sizeof brief, "%.*s", (int)length, help);
    }
    print_escaped(file, brief);
}

/* What completes an argument: ":DIR:_directories". */
static void print_action(FILE *file, const char *name, enum cli_argument kind,
                         const char *const *choices)
{
    fputc(':', file);
    print_escaped(file, name);
    fputc(':', file);
    switch (kind) {
    case CLI_FILE:
        fputs("_files", file);
        break;
    case CLI_FOLDER:
        fputs("_directories", file);
        break;
    case CLI_SCENARIO:
        fputs("_handoff_scenarios", file);
        break;
    case CLI_FILTER:
        fputs("_handoff_filter", file);
        break;
    case CLI_CHOICE:
    case CLI_LIST:
        fputs(kind == CLI_LIST ? "_handoff_list " : "(", file);
        completion_print_words(file, choices);
        fputs(kind == CLI_LIST ? "" : ")", file);
        break;
    default:
        fputc(' ', file); /* known to whoever types it */
        break;
    }
}

static void print_spec(FILE *file, const char *spelling, const struct cli_option *option)
{
    fprintf(file, "        '*%s[", spelling);
    print_brief(file, option->help);
    fputc(']', file);
    if (option->argument)
        print_action(file, option->argument, option->kind, option->choices);
    fputs("' \\\n", file);
}

static void print_option(FILE *file, const struct cli_command *command,
                         const struct cli_option *option)
{
    char spelling[64];
    snprintf(spelling, sizeof spelling, "--%s%s", option->name, option->argument ? "=" : "");
    print_spec(file, spelling, option);
    if (!option->short_key)
        return;
    snprintf(spelling, sizeof spelling, "-%c%s", option->short_key, option->argument ? "+" : "");
    print_spec(file, spelling, option);
}

static void print_values(FILE *file)
{
    fputs("typeset -gA _handoff_values\n_handoff_values=(\n", file);
    for (int i = 0; i < AXIS_COUNT; i++) {
        fprintf(file, "  %s '", axis_table[i].name);
        completion_print_values(file, (enum axis_index)i);
        fputs("'\n", file);
    }
    fputs(")\n\n", file);
}

static void print_command_names(FILE *file)
{
    fputs("_handoff() {\n"
          "  local curcontext=\"$curcontext\" state line\n"
          "  local -a names\n"
          "  names=(\n",
          file);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(file, "    '%s:", cli_commands[i]->name);
        print_escaped(file, cli_commands[i]->summary);
        fputs("'\n", file);
    }
    fputs("  )\n"
          "  _arguments -C '(- *)--help[show the commands]' '(- *)--version[show the version]' \\\n"
          "    '1: :->command' '*:: :->arguments' && return\n"
          "  if [[ $state == command ]]; then\n"
          "    _describe -t commands command names\n"
          "    return\n"
          "  fi\n"
          "  case $words[1] in\n",
          file);
}

void cli_print_completion_zsh(FILE *file)
{
    fputs(head, file);
    print_values(file);
    print_command_names(file);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = cli_commands[i];
        fprintf(file, "    %s)\n      _arguments -s -S \\\n", command->name);
        completion_each_option(command, print_option, file);
        fputs("        '*", file);
        if (command->operand_count)
            print_action(file, command->operands[0].name, command->operands[0].kind,
                         command->operands[0].choices);
        else
            fputs(":: :_message \"no more arguments\"", file);
        fputs("'\n      ;;\n", file);
    }
    fputs(tail, file);
}
