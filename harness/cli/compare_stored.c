/* compare_stored.c: `handoff compare RESULT RESULT...`: results that did not run together. See
 * compare.h.
 */
#include "harness/cli/compare_stored.h"

#include <string.h>

#include "harness/run/result.h"

bool stored_is_slower(const struct stored *stored)
{
    return stored->verdicts[COMPARE_SLOWER] + stored->trends[COMPARE_SLOWER] > 0;
}

/* Counts what was found. */
static void stored_count(struct stored *stored)
{
    const struct beside *beside = stored->beside;
    for (size_t i = 0; i < beside->row_count; i++) {
        const struct beside_row *row = &beside->rows[i];
        stored->matched += stored_row_results(stored, row) > 1;
        for (size_t j = 0; j < row->line_count; j++) {
            const struct beside_line *line = &row->lines[j];
            for (size_t k = 1; k < beside->count; k++)
                if (row->cells[0] && row->cells[k])
                    stored->verdicts[line->values[k].stored.verdict]++;
            if (line->trend.points >= 3)
                stored->trends[line->trend.verdict]++;
        }
    }
}

/* What is read of one result. */
struct stored_file {
    cJSON *json;
    struct report *report;
};

static enum status file_read(const char *path, struct stored_file *file, struct err *err)
{
    enum status status = result_load(path, &file->json, err);
    /* A file that cannot be read is a wrong argument; 1 is for what is slower. */
    if (status == ST_SYSTEM)
        status = err->status = ST_INVALID;
    if (status != ST_OK)
        return status;
    status = report_open(file->json, &file->report, err);
    if (status != ST_OK)
        err_context(err, "%s", path);
    return status;
}

static enum status stored_print(const struct stored *stored, enum cli_format format,
                                struct err *err)
{
    if (format == CLI_FORMAT_JSON)
        return stored_print_json(stored, err);
    if (format == CLI_FORMAT_MARKDOWN)
        stored_print_markdown(stored);
    else
        stored_print_table(stored);
    return ST_OK;
}

enum status compare_results(const struct compare_arguments *arguments, int *exit_code,
                            struct err *err)
{
    struct stored_file files[BESIDE_RESULTS_MAX] = {{NULL, NULL}};
    const struct report *reports[BESIDE_RESULTS_MAX];
    struct beside *beside = NULL;
    enum status status = ST_OK;
    if (arguments->result_count > BESIDE_RESULTS_MAX)
        return err_set(err, ST_INVALID, "name the ones that matter",
                       "compare: at most %d results at once", BESIDE_RESULTS_MAX);
    for (size_t i = 0; i < arguments->result_count && status == ST_OK; i++) {
        status = file_read(arguments->results[i], &files[i], err);
        reports[i] = files[i].report;
    }
    if (status == ST_OK)
        status = beside_make(reports, arguments->result_count, &beside, err);
    if (status == ST_OK) {
        struct stored stored = {.beside = beside, .paths = (const char *const *)arguments->results};
        stored_count(&stored);
        status = stored_print(&stored, arguments->format, err);
        if (stored.matched == 0)
            *exit_code = EXIT_CODE_UNAVAILABLE;
        else if (arguments->fail_on_slower && stored_is_slower(&stored))
            *exit_code = EXIT_CODE_FAILED;
    }
    beside_free(beside);
    for (size_t i = 0; i < arguments->result_count; i++) {
        report_free(files[i].report);
        cJSON_Delete(files[i].json);
    }
    return status;
}
