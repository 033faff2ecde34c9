/* format_option.h: --format table|json|markdown, for every command that prints figures or lists.
 *
 * `table` is for a terminal, `json` for programs, `markdown` for the summary of a CI job. What a
 * command prints beside its data goes to standard error, so that standard output is one JSON object
 * or one Markdown text.
 */
#ifndef HANDOFF_CLI_FORMAT_OPTION_H
#define HANDOFF_CLI_FORMAT_OPTION_H

#include <cjson/cJSON.h>

#include "harness/cli/options.h"

enum cli_format { CLI_FORMAT_TABLE, CLI_FORMAT_JSON, CLI_FORMAT_MARKDOWN };

/* "table", "json", "markdown"; NULL-terminated. */
extern const char *const cli_format_choices[];

/* Rows for a table of options; `key_` is what cli_next returns. --json is the older spelling. */
#define CLI_FORMAT_OPTION(key_)                                                              \
    {                                                                                        \
        key_, "format", "FORMAT", CLI_CHOICE, cli_format_choices,                            \
            "table (default), json for programs, or markdown for the summary of a CI job", 0 \
    }
#define CLI_JSON_OPTION(key_)                                              \
    {                                                                      \
        key_, "json", NULL, CLI_FLAG, NULL, "the same as --format json", 0 \
    }

/* Of the value that cli_next has let through. */
enum cli_format cli_format_from_name(const char *name);

/* Prints the whole of `json`, indented, with the end of the line. NULL: ST_NO_MEMORY. */
enum status cli_print_json(FILE *file, const cJSON *json, struct err *err);

/* A Markdown table: its head, then its rows, each of `count` cells of plain text, which is escaped.
 * A cell may be NULL: empty. */
void cli_print_markdown_head(FILE *file, const char *const *titles, size_t count);
void cli_print_markdown_row(FILE *file, const char *const *cells, size_t count);
/* A whole table off an array of objects: a column per member. Text as it is, numbers, "yes" or "no"
 * for booleans; what is absent or null is empty. */
struct cli_markdown_column {
    const char *title;
    const char *member;
};
void cli_print_markdown_table(FILE *file, const cJSON *rows,
                              const struct cli_markdown_column *columns, size_t count);
/* Plain text, escaped, without the end of the line. */
void cli_print_markdown(FILE *file, const char *text);

#endif
