/* validity.h: what the validity experiments found, read from the file that they wrote.
 *
 * tests/validity/experiments.py writes validity.json; it comes to a report by name or by standing
 * beside the result. It is a stranger's file: its shape and its sizes are checked here, once, so
 * that the pages may walk it, and every string of it is still escaped by them. Called by cmd_report
 * and the pages.
 */
#ifndef HANDOFF_REPORT_VALIDITY_H
#define HANDOFF_REPORT_VALIDITY_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/report/text.h"

#define VALIDITY_SCHEMA_VERSION 1
#define VALIDITY_FILE_BYTES_MAX ((size_t)1 << 20)
#define VALIDITY_EXPERIMENTS_MAX 64
#define VALIDITY_COLUMNS_MAX 16
#define VALIDITY_ROWS_MAX 256

struct validity {
    cJSON *json;   /* as checked; NULL when `problem` says why there is none */
    char *problem; /* "" without one */
    char *name;    /* of the file, as a reader may see it */
    const char *tool, *utc;
    size_t passed, failed, telling; /* experiments: that judge and passed, or not; that only tell */
};

/* Takes over `json` in every case. ST_INVALID with the place when it is not what experiments.py
 * writes; ST_NO_MEMORY. The caller frees. */
enum status validity_open(cJSON *json, const char *name, struct validity **validity,
                          struct err *err);
/* Reads a file that somebody named. ST_SYSTEM when it cannot be read, else as validity_open. */
enum status validity_read(const char *path, struct validity **validity, struct err *err);
/* Looks for FOLDER/validity.json. NULL without one; with one that cannot be used, `problem` says
 * so, because a result is worth its report also then. ST_NO_MEMORY. */
enum status validity_find(const char *folder, struct validity **validity, struct err *err);
/* Safe on NULL. */
void validity_free(struct validity *validity);

/* One line: "All 4 experiments came out as arithmetic says." Plain text. */
void validity_add_verdict(struct text *text, const struct validity *validity);
/* "The experiments ran with handoff 0.1.0 …" and, when the result's build is another, a sentence
 * that warns; *differs says whether. `tool` is the result's member. Plain text. */
void validity_add_origin(struct text *text, const struct validity *validity, const cJSON *tool,
                         bool *differs);

#endif
