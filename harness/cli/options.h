/* options.h: what a command takes on its command line, in one table per command.
 *
 * The table is the only place that names an option: parsing, `--help`, the shells' completion and
 * the manual page are all made from it. commands.c lists the commands; a command's file defines its
 * `struct cli_command` and parses with cli_next.
 */
#ifndef HANDOFF_CLI_OPTIONS_H
#define HANDOFF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "harness/cli/cli.h"

/* What an option's argument is, for completion; words are in `choices`. */
enum cli_argument {
    CLI_FLAG, /* takes none */
    CLI_TEXT,
    CLI_NUMBER,
    CLI_FILE,
    CLI_FOLDER,
    CLI_CHOICE, /* one of `choices` */
    /* What cli_next lets through and the command checks: */
    CLI_LIST,     /* several of `choices`, joined by commas */
    CLI_FILTER,   /* AXIS=VALUE[,VALUE...] of a scenario */
    CLI_SCENARIO, /* a scenario's file, or the name of one that handoff finds */
};

struct cli_option {
    char key;                   /* what cli_next returns; 'h' is --help in every command */
    const char *name;           /* long, without "--" */
    const char *argument;       /* its placeholder in help, "DIR"; NULL for a flag */
    enum cli_argument kind;     /* CLI_FLAG exactly where `argument` is NULL */
    const char *const *choices; /* NULL-terminated, or NULL */
    const char *help;           /* sentences without line breaks; printing wraps them */
    char short_key;             /* also "-o"; 0: none. "-h" is in every command */
};

/* A positional argument, for help and completion. */
struct cli_operand {
    const char *name;           /* "RESULT..." */
    enum cli_argument kind;     /* CLI_FILE, CLI_CHOICE … */
    const char *const *choices; /* NULL-terminated, or NULL */
    const char *help;           /* may be NULL */
};

struct cli_exit_code {
    int code;
    const char *meaning;
};

struct cli_command {
    const char *name;
    const char *synopsis;    /* what follows the name: "SCENARIO [OPTION]..."; more lines by '\n' */
    const char *summary;     /* half a sentence for `handoff help`, in lower case, no full stop */
    const char *description; /* paragraphs separated by "\n\n"; wrapped when printed */
    const struct cli_operand *operands;
    size_t operand_count;
    const struct cli_option *options; /* without --help, which all have */
    size_t option_count;
    const struct cli_exit_code *exit_codes;
    size_t exit_code_count;
    const char *notes; /* below the options, as it stands: examples, tables. NULL: none */
    cli_command run;
};

/* commands.def has a line for each; its file defines it. */
#define COMMAND(key) extern const struct cli_command command_##key;
#include "harness/cli/commands.def"
#undef COMMAND

/* Every command, in the order of `handoff help`. */
extern const struct cli_command *const cli_commands[];
extern const size_t cli_command_count;
/* NULL when there is none of that name. */
const struct cli_command *cli_command_find(const char *name);
/* Runs the command that argv[0] names; ST_INVALID when there is none. main.c calls it. */
enum status cli_dispatch(int argc, char **argv, int *exit_code, struct err *err);

/* Walks over the options as getopt_long does. Start from {command, argc, argv}. */
struct cli_parse {
    const struct cli_command *command;
    int argc;
    char **argv;
    /* After cli_next: */
    char *value;       /* the option's argument, within argv */
    int operand_index; /* after CLI_END: argv[operand_index] is the first operand */
    bool started;
};
#define CLI_END (-1)
#define CLI_BAD '?' /* *err says what is wrong */
#define CLI_HELP 'h'
/* The next option's key, CLI_END, or CLI_BAD. A value that is not among the option's choices is
 * bad, with the nearest one as the hint. */
int cli_next(struct cli_parse *parse, struct err *err);

/* What `--help` prints, in 100 columns. */
void cli_print_help(const struct cli_command *command, FILE *file);

/* Made from all tables: scripts that complete command lines, and the manual page in roff. */
void cli_print_completion_bash(FILE *file);
void cli_print_completion_zsh(FILE *file);
void cli_print_man_page(const struct cli_command *const *commands, size_t count, FILE *file);

#endif
