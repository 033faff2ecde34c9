/* page.h: the page and the summary. Called by cmd_report. */
#ifndef HANDOFF_REPORT_PAGE_H
#define HANDOFF_REPORT_PAGE_H

#include "harness/env/fitness.h"
#include "harness/report/beside.h"
#include "harness/report/claims.h"
#include "harness/report/conclusions.h"
#include "harness/report/plots.h"
#include "harness/report/validity.h"

/* One result on a page. */
struct page_part {
    const struct report *report;
    const struct conclusions *conclusions;
    const struct plots *plots;
    const struct claims *claims;     /* may be NULL */
    const struct validity *validity; /* may be NULL */
    const char *label;               /* what it is called beside others; NULL: not said */
    const cJSON *fitness;            /* fitness_of_result; may be NULL */
    const char *anchor;              /* before the ids of its sections; NULL: it is the only part */
};

/* The whole of index.html: needs no other file, no script and no network. `beside` may be NULL: the
 * parts stand below each other. */
void page_write(struct text *out, const struct page_part *parts, size_t count,
                const struct beside *beside);
/* Code hosts refuse a summary of more than 1 MiB, and nobody reads so much in one: beyond this only
 * what is left out is said. */
#define MARKDOWN_BYTES_MAX 52000
/* report.md: what fits the summary of a CI job. */
void markdown_write(struct text *out, const struct page_part *parts, size_t count,
                    const struct beside *beside);

/* ---- Within page*.c and markdown.c ---------------------------------------------------------- */

/* Several results beside one another, before their parts. */
void page_beside(struct text *out, const struct page_part *parts, const struct beside *beside);
void markdown_beside(struct text *out, const struct page_part *parts, const struct beside *beside);
/* "20 Nov 2026, 10:00 UTC" from "2026-11-20T10:00:00Z"; what is there if it is not like that. */
void page_date(const char *utc, struct text *text);

/* Sections, in HTML. */
void page_conclusions(struct text *out, const struct page_part *part);
/* What is said beside what was measured; nothing without claims. */
void page_claims(struct text *out, const struct page_part *part);
/* The same two for the summary. */
void markdown_claims(struct text *out, const struct page_part *part);
void markdown_validity(struct text *out, const struct page_part *part);
void page_block(struct text *out, const struct page_part *part, size_t block_index);
void page_block_details(struct text *out, const struct report_block *block);
/* What the axes change that the block does not compare by; nothing where none varies. */
void page_block_axes(struct text *out, const struct report *report,
                     const struct report_block *block);
/* CPU, wake calls and switches of a comparison of waits, and of the block's baselines. */
void page_block_waits(struct text *out, const struct report_block *block);
/* "no steady state, shared cpu"; nothing without flags. */
void page_flags(struct text *out, const struct report_cell *cell);
/* The class of a row's heading that takes several lines, or "". */
const char *page_label_class(const char *label);
void page_method(struct text *out);
/* After the blocks; page.c has their order. Each writes nothing where it has nothing to say. */
void page_deadlines(struct text *out, const struct page_part *part);
void page_floor(struct text *out, const struct page_part *part);
/* Its end; nothing without a floor of a GPU. */
void page_floor_gpu(struct text *out, const cJSON *floor);
void page_validity(struct text *out, const struct page_part *part);
/* Every check of the machine; and, where figures mislead, what stands above everything. */
void page_fitness(struct text *out, const struct page_part *part);
void page_fitness_banner(struct text *out, const struct page_part *part);
enum fitness_level page_fitness_worst(const struct page_part *part);
/* "fit, with 1 warning: 2 CPUs"; "" where the result does not say. */
const char *page_fitness_verdict(const struct page_part *part);
void page_integrity(struct text *out, const struct page_part *part);
void page_not_run(struct text *out, const struct page_part *part);
void page_machine(struct text *out, const struct page_part *part);
void page_reproduce(struct text *out, const struct page_part *part);

/* ` id="r2-claims"`, and "#r2-claims" for what leads there. */
void page_id(struct text *out, const struct page_part *part, const char *name);
void page_anchor(struct text *out, const struct page_part *part, const char *name);
/* A sentence in which what stands between two backticks is a command or a name. */
void page_words(struct text *out, const char *words);
/* One sentence about all frames of a result, plain text: "All 48,000 frames …". Returns the number
 * of errors. */
double page_integrity_sentence(const struct report *report, struct text *text);
/* The command that made the result, quoted for a shell; plain text. */
void page_command(const struct report *report, struct text *text);
/* CPU model, kernel and the like from the environment, joined by " · "; plain text. */
void page_machine_line(const struct report *report, struct text *text);
/* Items of "Before you rely on it" about the validity experiments. Returns how many. */
size_t page_validity_notices(struct text *out, const struct page_part *part);
/* Whether two cells that are not ok have one reason. And how many are not ok; `meaningful` leaves
 * out those that apply nowhere. */
bool page_reasons_equal(const struct report_cell *a, const struct report_cell *b);
size_t page_not_run_count(const struct report *report, bool meaningful);

#endif
