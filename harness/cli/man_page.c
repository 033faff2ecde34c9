/* man_page.c: handoff(1) from the tables, in the man macros of roff. Called by `handoff help man`.
 *
 * One page for all commands: their words are defined once, and `man handoff` is all one has to
 * remember. roff reads some characters as commands: words go through roff_word, which knows them.
 */
#include <stdint.h>
#include <string.h>

#include "harness/cli/options.h"
#include "harness/measure/intervals.h"
#include "harness/report/text.h"
#include "harness/run/build_info.h"

#define LINE_COLUMNS 72

/* ---- characters ------------------------------------------------------------------------------ */

/* The code point of a valid character of `bytes` bytes. */
static uint32_t code_point(const char *at, size_t bytes)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)at[0] & lead_bits[bytes];
    for (size_t i = 1; i < bytes; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

/* One character as it is meant, wherever it stands. Returns the bytes taken. `literal`: of code. */
static size_t roff_character(FILE *file, const char *at, bool literal)
{
    const size_t bytes = text_character_bytes(at);
    if (bytes > 1)
        fprintf(file, "\\[u%04X]", (unsigned)code_point(at, bytes));
    else if (*at == '\\')
        fputs("\\e", file);
    else if (*at == '-')
        fputs(literal ? "\\-" : "-", file);
    else if (*at == '\'')
        fputs(literal ? "\\(aq" : "'", file);
    else if (*at == '`')
        fputs("\\(ga", file);
    else if (*at == '"')
        fputs("\\(dq", file);
    else if (*at == '^')
        fputs("\\(ha", file);
    else if (*at == '~')
        fputs("\\(ti", file);
    else
        fputc(*at, file);
    return bytes ? bytes : 1;
}

/* A word, or text that stands as it is. `code`: between `backticks`, which become bold. */
static void roff_word(FILE *file, const char *word, size_t length, bool *code)
{
    const bool option = word[0] == '-' || (word[0] == '`' && word[1] == '-');
    if (word[0] == '.' || word[0] == '\'')
        fputs("\\&", file); /* else a command, at the start of a line */
    for (size_t at = 0; at < length;) {
        if (word[at] == '`' && (*code || strchr(word + at + 1, '`'))) {
            *code = !*code;
            fputs(*code ? "\\fB" : "\\fR", file);
            at++;
        } else {
            at += roff_character(file, word + at, *code || option);
        }
    }
}

/* Words in lines; text ends in the end of a line. */
static void roff_prose(FILE *file, const char *text)
{
    size_t column = 0;
    bool code = false;
    text += strspn(text, " ");
    while (*text) {
        const size_t length = strcspn(text, " ");
        if (column > 0) {
            const bool full = column + 1 + length > LINE_COLUMNS;
            fputc(full ? '\n' : ' ', file);
            column = full ? 0 : column + 1;
        }
        roff_word(file, text, length, &code);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputs(code ? "\\fR\n" : "\n", file);
}

static void roff_literal(FILE *file, const char *text, size_t length)
{
    if (length > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", file);
    for (size_t at = 0; at < length;)
        at += roff_character(file, text + at, true);
}

/* Paragraphs parted by an empty line; nothing parts the first from what is above it. */
static void roff_paragraphs(FILE *file, const char *text)
{
    for (bool first = true; *text; first = false) {
        char paragraph[2048];
        const char *end = strstr(text, "\n\n");
        const size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, text);
        fputs(first ? "" : ".PP\n", file);
        roff_prose(file, paragraph);
        text = end ? end + 2 : text + length;
    }
}

/* ---- a command ------------------------------------------------------------------------------- */

static void man_synopsis(FILE *file, const struct cli_command *command)
{
    for (const char *line = command->synopsis; line;) {
        const size_t length = strcspn(line, "\n");
        fprintf(file, "\\fBhandoff %s\\fR ", command->name);
        roff_literal(file, line, length);
        fputs("\n.br\n", file);
        line = line[length] ? line + length + 1 : NULL;
    }
}

static void man_option(FILE *file, const struct cli_option *option)
{
    fputs(".TP\n", file);
    if (option->short_key)
        fprintf(file, "\\fB\\-%c\\fR, ", option->short_key);
    fputs("\\fB\\-\\-", file);
    roff_literal(file, option->name, strlen(option->name));
    fputs("\\fR", file);
    if (option->argument) {
        fputs(" \\fI", file);
        roff_literal(file, option->argument, strlen(option->argument));
        fputs("\\fR", file);
    }
    fputc('\n', file);
    roff_prose(file, option->help);
}

static void man_notes(FILE *file, const char *notes)
{
    fputs(".PP\n.nf\n", file);
    while (*notes) {
        const size_t length = strcspn(notes, "\n");
        roff_literal(file, notes, length);
        fputc('\n', file);
        notes += length + (notes[length] == '\n');
    }
    fputs(".fi\n", file);
}

static void man_exit_codes(FILE *file, const struct cli_command *command)
{
    char text[1024] = "Exit status:";
    for (size_t i = 0; i < command->exit_code_count; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, " `%d` %s%s", command->exit_codes[i].code,
                 command->exit_codes[i].meaning, i + 1 < command->exit_code_count ? ";" : ".");
    }
    fputs(".PP\n", file);
    roff_prose(file, text);
}

static void man_command(FILE *file, const struct cli_command *command)
{
    fprintf(file, ".SS handoff %s\n", command->name);
    if (command->description)
        roff_paragraphs(file, command->description);
    for (size_t i = 0; i < command->operand_count; i++) {
        if (!command->operands[i].help)
            continue;
        fputs(".TP\n\\fI", file);
        roff_literal(file, command->operands[i].name, strlen(command->operands[i].name));
        fputs("\\fR\n", file);
        roff_prose(file, command->operands[i].help);
    }
    for (size_t i = 0; i < command->option_count; i++)
        man_option(file, &command->options[i]);
    if (command->notes)
        man_notes(file, command->notes);
    if (command->exit_code_count)
        man_exit_codes(file, command);
}

/* ---- the page -------------------------------------------------------------------------------- */

static void man_intervals(FILE *file)
{
    fputs(".SH INTERVALS\n", file);
    roff_prose(file, interval_stamps_text);
    fputs(".PP\n", file);
    roff_prose(file,
               "What is measured between these moments of a frame's journey, in nanoseconds:");
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        fputs(".TP\n\\fB", file);
        roff_literal(file, interval_definitions[i].name, strlen(interval_definitions[i].name));
        fputs("\\fR\n", file);
        roff_prose(file, interval_definitions[i].definition);
    }
}

void cli_print_man_page(const struct cli_command *const *commands, size_t count, FILE *file)
{
    fprintf(file,
            ".\\\" Made by `handoff help man` from the tables of its options.\n"
            ".TH HANDOFF 1 \"\" \"handoff %s\" \"User Commands\"\n"
            ".SH NAME\n"
            "handoff \\- measures what handing video frames between processes costs\n"
            ".SH SYNOPSIS\n"
            ".nh\n.ad l\n",
            build_info().version);
    for (size_t i = 0; i < count; i++)
        man_synopsis(file, commands[i]);
    fputs("\\fBhandoff \\-\\-version\\fR\n.hy\n.ad b\n.SH DESCRIPTION\n", file);
    roff_prose(file,
               "Measures what it costs to hand a video frame from one process to another, and "
               "to a kernel on the CPU or a GPU: how long, how much processor, and whether "
               "the bytes arrived whole.");
    fputs(".SH COMMANDS\n", file);
    roff_prose(file,
               "Every command takes `--help` too. A long option may be cut short as far as it "
               "fits one option only; scripts should write it out.");
    for (size_t i = 0; i < count; i++)
        man_command(file, commands[i]);
    man_intervals(file);
    fputs(".SH ENVIRONMENT\n"
          ".TP\n\\fBHANDOFF_KEY\\fR\n",
          file);
    roff_prose(file, "The key of measurements across two hosts, where `--key-file` names none.");
    fputs(".TP\n\\fBNO_COLOR\\fR\n", file);
    roff_prose(file, "If it is set and not empty, no colours on a terminal.");
}
