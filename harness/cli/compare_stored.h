/* compare_stored.h: what the files of the comparison of stored results share: compare_stored.c
 * reads and counts, compare_stored_words.c makes sentences, the others print.
 */
#ifndef HANDOFF_CLI_COMPARE_STORED_H
#define HANDOFF_CLI_COMPARE_STORED_H

#include "harness/cli/compare.h"
#include "harness/report/beside.h"

struct stored {
    const struct beside *beside;
    const char *const *paths; /* as they were typed, one per result */
    /* Verdicts of every figure of every result against the first; trends of more than two. */
    size_t verdicts[COMPARE_FASTER + 1];
    size_t trends[COMPARE_FASTER + 1];
    size_t matched; /* cells that at least two results have */
};

/* Whether anything is slower: a figure against the first result's, or a trend. */
bool stored_is_slower(const struct stored *stored);

/* compare_stored_words.c, all as plain text of which a stranger's part is not escaped yet: it goes
 * through text_add_plain or text_add_markdown. */

/* "base", "new"; with more than two "1", "2" … `text` of at least FIGURE_BYTES. */
const char *stored_name(const struct stored *stored, size_t column, char *text);
/* "runs/a: quick, 2026-11-20T10:00:00Z, handoff 0.1.0 (abc1234)". */
void stored_add_result(const struct stored *stored, size_t column, struct text *text);
/* "governor: performance (base), schedutil (new)". */
void stored_add_difference(const struct stored *stored, const struct beside_difference *difference,
                           struct text *text);
/* What differences of this weight make of the comparison: stands above them. */
const char *stored_weight_words(enum beside_weight weight);
/* How many results have the cell; those that one has alone are listed apart. */
size_t stored_row_results(const struct stored *stored, const struct beside_row *row);
/* "Only in base: ID, ID"; "" where there are none. */
void stored_add_lone(const struct stored *stored, size_t column, struct text *text);
/* "" where all results have the cell and all is well; else which lack it, or why it did not run. */
void stored_add_gaps(const struct stored *stored, const struct beside_row *row, struct text *text);
/* "12.1 µs → 12.9 µs → 14.0 µs", in the order in which the results were measured. */
void stored_add_course(const struct stored *stored, const struct beside_line *line,
                       struct text *text);
/* Of more than two results: the trend, and which results are slower or faster than the first. */
void stored_add_line_words(const struct stored *stored, const struct beside_line *line,
                           struct text *text);
/* What was found in all, and what that is worth. */
void stored_add_summary(const struct stored *stored, struct text *text);

/* compare_stored_table.c */
void stored_print_table(const struct stored *stored);
/* compare_stored_markdown.c */
void stored_print_markdown(const struct stored *stored);
/* compare_stored_json.c */
enum status stored_print_json(const struct stored *stored, struct err *err);

#endif
