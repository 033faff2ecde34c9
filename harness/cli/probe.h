/* probe.h: what `handoff probe` found and what to say about it. Shared by cmd_probe.c, which asks,
 * and probe_*.c, which judge and print.
 */
#ifndef HANDOFF_CLI_PROBE_H
#define HANDOFF_CLI_PROBE_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "harness/cli/format_option.h"
#include "harness/gpu/gpu.h"
#include "harness/run/capability.h"

struct probe {
    const struct capability_answer *answers; /* of all rows */
    bool wanted[GPU_CAPABILITY_COUNT];
    bool all;       /* every row is wanted: claims and attributes are shown, too */
    bool is_jetson; /* what many claims are about */
    cJSON *gpu;     /* what it is, `attributes` among it; NULL when that could not be had */
    struct err why; /* then: the reason */
};

/* "works", "does not", "not tried"; and "works", "does_not", "not_tried". */
const char *probe_outcome_words(enum capability_outcome outcome);
const char *probe_outcome_key(enum capability_outcome outcome);
/* CUDA's hint, without the clause that sends the reader to `handoff probe`. Returns `text`. */
const char *probe_hint(const struct capability_answer *answer, char *text, size_t size);

/* ---- Claims (probe_claims.c) ----------------------------------------------------------------- */

enum probe_verdict {
    PROBE_HOLDS,
    PROBE_NOT_REPRODUCED,
    PROBE_OTHER_MACHINE, /* it is about a Jetson, and this is none: what was found decides nothing */
    PROBE_NOT_TRIED,
};
/* "holds here", "not reproduced here", "no Jetson here", "not tried". */
const char *probe_verdict_words(enum probe_verdict verdict);

#define PROBE_CLAIM_ROWS_MAX 3
struct probe_claim {
    const char *id;
    const char *says; /* as people say it */
    bool about_jetson;
    struct {
        enum gpu_capability row;
        enum { PROBE_ROW_WORKS, PROBE_ROW_FAILS, PROBE_ROW_SHOWN } said;
    } rows[PROBE_CLAIM_ROWS_MAX]; /* what it says of them; the first row_count */
    size_t row_count;
    const char *needs; /* what no row can answer it without; NULL: the rows do */
};
extern const struct probe_claim probe_claims[];
extern const size_t probe_claim_count;

/* What was measured, and how it compares; `text` gets one sentence of what the rows say. */
enum probe_verdict probe_claim_judge(const struct probe *probe, const struct probe_claim *claim,
                                     char *text, size_t size);
/* The ids of claims that a row answers, "vmm" or "legacy-ipc, vmm"; "" for none. */
const char *probe_row_claims(enum gpu_capability row, char *text, size_t size);

/* ---- Attributes (probe_attributes.c) --------------------------------------------------------- */

/* The value the driver states; false where it does not know the attribute or was not asked. */
bool probe_attribute(const struct probe *probe, enum gpu_attribute attribute, int *value);
/* One sentence where what was done contradicts it ("says no, and stream_values works here"); ""
 * where it does not mislead. */
const char *probe_attribute_misleads(const struct probe *probe, enum gpu_attribute attribute,
                                     char *text, size_t size);

/* ---- Output ---------------------------------------------------------------------------------- */

void probe_print(FILE *out, const struct probe *probe);
/* On standard output: one object, see results/README.md, or its tables as Markdown.
 * ST_NO_MEMORY. */
enum status probe_print_json(enum cli_format format, const struct probe *probe, struct err *err);

#endif
