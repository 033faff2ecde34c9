/* text.h: text that grows, and the ways a stranger's string may enter it.
 *
 * A result file is input: its names and reasons may hold markup, escape sequences or broken UTF-8.
 * Every string taken from one passes through one of the escaping functions below. Called by the
 * pages, the tables and the conclusions of a report.
 */
#ifndef HANDOFF_REPORT_TEXT_H
#define HANDOFF_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* Start from all zeros. `data` is NUL-terminated, or NULL while nothing was added. Running out of
 * memory sets `failed` and makes later additions do nothing, so that callers check once. */
struct text {
    char *data;
    size_t used_bytes;
    size_t capacity_bytes;
    bool failed;
};

void text_free(struct text *text);
/* "" while nothing was added. Valid until the next addition. */
const char *text_get(const struct text *text);

/* Append as it stands: for our own words. A string of a result goes through one of those below. */
void text_add(struct text *text, const char *added);
void text_add_bytes(struct text *text, const char *added, size_t bytes);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Escapes & < > " ' for HTML text and quoted attributes; control characters and broken UTF-8 become
 * U+FFFD. */
void text_add_html(struct text *text, const char *added);
/* The same for sentences: a number and its unit do not part at the end of a line. */
void text_add_prose(struct text *text, const char *added);
/* For a Markdown paragraph or table cell: HTML's characters, and everything that Markdown would
 * read as markup or a code host as a link, are escaped; line breaks become spaces. */
void text_add_markdown(struct text *text, const char *added);
/* For a terminal: control characters and broken UTF-8 become '?'. */
void text_add_plain(struct text *text, const char *added);
/* For JSON that was printed: control characters that it would let stand become \uXXXX, which is the
 * same string to whoever parses it; broken UTF-8 becomes '?'. */
void text_add_json(struct text *text, const char *printed);
/* For gnuplot's data files: as text_add_plain, and quotes, tabs, backslashes and markup become '?',
 * cut to `characters_max` characters. */
void text_add_label(struct text *text, const char *added, size_t characters_max);

/* Columns a terminal needs for valid UTF-8. */
size_t text_width(const char *text);
/* Bytes of the UTF-8 character at `at`, 1 to 4; 0 when it is not one, or the end. */
size_t text_character_bytes(const char *at);

/* Writes the whole text to `path`, replacing it: whoever is killed meanwhile leaves the old file or
 * none. ST_SYSTEM, ST_INVALID or ST_NO_MEMORY. */
enum status text_write_file(const struct text *text, const char *path, struct err *err);

#endif
