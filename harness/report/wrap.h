/* wrap.h: words on a terminal, in lines of at most WRAP_COLUMNS. Called by whatever prints
 * sentences or lists: the table and the conclusions of a result, `handoff list`, `handoff help`,
 * dry runs.
 */
#ifndef HANDOFF_REPORT_WRAP_H
#define HANDOFF_REPORT_WRAP_H

#include <stddef.h>
#include <stdio.h>

#define WRAP_COLUMNS 100

/* Prints the words of `text`, one blank between two, and the end of the line; what a terminal would
 * obey, and what is not UTF-8, as text_add_plain leaves it. The first stands at column `column`,
 * where the caller has printed as much; later lines begin at `indent`. A figure and its unit, as in
 * "48 %", are one word. A word that is wider than a line goes beyond it. */
void wrap_print(FILE *out, const char *text, size_t column, size_t indent);

/* The bytes of `text`, from its start, whose words fit in `columns`: at least one word, without the
 * blank after the last. 0 for "". */
size_t wrap_fitting(const char *text, size_t columns);

#endif
