/* run_summary.c: see run_summary.h. */
#include "harness/cli/run_summary.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/report/page.h"
#include "harness/report/table.h"
#include "harness/report/wrap.h"

int run_summary_exit_code(const struct runner_outcome *outcome)
{
    const struct result_summary *summary = &outcome->summary;
    if (outcome->interrupted)
        return EXIT_CODE_INTERRUPTED;
    if (outcome->role_died)
        return EXIT_CODE_ROLE_DIED;
    if (summary->cells_ok + summary->cells_failed + summary->cells_incomplete == 0)
        return EXIT_CODE_UNAVAILABLE;
    return summary->cells_failed || summary->cells_incomplete ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* A result as a report sees it. */
struct summary_view {
    struct report *report;
    struct conclusions *conclusions;
    struct claims *claims;
};

static enum status view_open(const cJSON *result, struct summary_view *view, struct err *err)
{
    enum status status = report_open(result, &view->report, err);
    if (status == ST_OK)
        status = conclusions_make(view->report, &view->conclusions, err);
    if (status == ST_OK)
        status = claims_make(view->report, &view->claims, err);
    return status;
}

static void view_close(struct summary_view *view)
{
    claims_free(view->claims);
    conclusions_free(view->conclusions);
    report_free(view->report);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool add_sentence(cJSON *array, const struct text *sentence)
{
    return !sentence->used_bytes || json_append(array, cJSON_CreateString(text_get(sentence)));
}

static bool add_conclusions(cJSON *json, const struct conclusions *conclusions)
{
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "conclusions", array);
    for (size_t i = 0; ok && i < conclusions->count; i++) {
        ok = add_sentence(array, &conclusions->items[i].lead);
        for (size_t j = 0; ok && j < conclusions->items[i].point_count; j++)
            ok = add_sentence(array, &conclusions->items[i].points[j]);
    }
    for (size_t i = 0; ok && i < conclusions->headline_count; i++)
        ok = add_sentence(array, &conclusions->headlines[i]);
    for (size_t i = 0; ok && i < conclusions->advice_count; i++)
        ok = add_sentence(array, &conclusions->advice[i]);
    return ok;
}

/* "fit, with 1 warning: 2 CPUs" */
const char *run_summary_fitness(const cJSON *result)
{
    return json_get_string(json_get(result, "fitness"), "verdict", "");
}

static bool add_counts(cJSON *json, const struct result_summary *summary)
{
    cJSON *counts = cJSON_CreateObject();
    return json_add(json, "cells", counts) && json_add_u64(counts, "ok", summary->cells_ok) &&
           json_add_u64(counts, "failed", summary->cells_failed) &&
           json_add_u64(counts, "incomplete", summary->cells_incomplete) &&
           json_add_u64(counts, "not_run", summary->cells_not_run);
}

static bool add_cells_not_ok(cJSON *json, const cJSON *result)
{
    cJSON *array = cJSON_CreateArray();
    const cJSON *cell;
    bool ok = json_add(json, "not_ok", array);
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        const char *status = json_get_string(cell, "status", "");
        if (!ok || strcmp(status, "ok") == 0)
            continue;
        cJSON *entry = cJSON_CreateObject();
        ok = json_append(array, entry) &&
             json_add_string(entry, "id", json_get_string(cell, "id", "")) &&
             json_add_string(entry, "status", status) &&
             json_add_string(entry, "reason", json_get_string(cell, "reason", "")) &&
             json_add_string(entry, "hint", json_get_string(cell, "hint", ""));
    }
    return ok;
}

static enum status print_json(const struct runner_outcome *outcome, const char *out_dir,
                              const struct summary_view *view, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    char path[4096];
    snprintf(path, sizeof path, "%s/result.json", out_dir);
    const bool ok = json && json_add_string(json, "result", path) &&
                    json_add_string(json, "scenario", view->report->scenario) &&
                    json_add_bool(json, "interrupted", outcome->interrupted) &&
                    json_add_i64(json, "exit_status", run_summary_exit_code(outcome)) &&
                    json_add_string(json, "fitness", run_summary_fitness(outcome->result)) &&
                    add_counts(json, &outcome->summary) &&
                    add_cells_not_ok(json, outcome->result) &&
                    add_conclusions(json, view->conclusions);
    const enum status status = cli_print_json(stdout, ok ? json : NULL, err);
    cJSON_Delete(json);
    return status;
}

/* ---- Markdown, and either -------------------------------------------------------------------- */

static enum status print_markdown(const cJSON *result, const struct summary_view *view,
                                  struct err *err)
{
    struct text text = {0};
    const struct page_part part = {.report = view->report,
                                   .fitness = json_get(result, "fitness"),
                                   .conclusions = view->conclusions,
                                   .claims = view->claims};
    markdown_write(&text, &part, 1, NULL);
    const bool failed = text.failed;
    fputs(text_get(&text), stdout);
    text_free(&text);
    return failed ? err_set(err, ST_NO_MEMORY, NULL, "out of memory for the summary") : ST_OK;
}

static enum status print_for_programs(const struct runner_outcome *outcome, const char *out_dir,
                                      enum cli_format format, struct err *err)
{
    struct summary_view view = {0};
    enum status status = view_open(outcome->result, &view, err);
    if (status == ST_OK)
        status = format == CLI_FORMAT_JSON ? print_json(outcome, out_dir, &view, err)
                                           : print_markdown(outcome->result, &view, err);
    view_close(&view);
    return status;
}

static bool colour_wanted(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

/* `whose` is what the fitness is of, "this machine". */
static void print_unfit(const char *whose, const cJSON *fitness)
{
    struct text text = {0};
    if (strcmp(json_get_string(fitness, "worst", ""), "unfit") != 0)
        return;
    text_addf(&text, "%s was %s: the figures mislead; `handoff doctor`%s says what helps", whose,
              json_get_string(fitness, "verdict", ""),
              strcmp(whose, "this machine") == 0 ? "" : " there");
    wrap_print(stderr, text_get(&text), 0, 2);
    text_free(&text);
}

void run_summary_print_fitness(const cJSON *result)
{
    const cJSON *peer = json_get(result, "peer");
    print_unfit("this machine", json_get(result, "fitness"));
    print_unfit(json_get_string(peer, "host", "the other host"), json_get(peer, "fitness"));
}

static void print_counts(const struct runner_outcome *outcome, const char *out_dir)
{
    const struct result_summary *summary = &outcome->summary;
    fprintf(stderr, "%s%zu cell%s measured", outcome->interrupted ? "interrupted: " : "",
            summary->cells_ok, summary->cells_ok == 1 ? "" : "s");
    if (summary->cells_failed)
        fprintf(stderr, ", %zu failed", summary->cells_failed);
    if (summary->cells_incomplete)
        fprintf(stderr, ", %zu incomplete", summary->cells_incomplete);
    if (summary->cells_not_run)
        fprintf(stderr, ", %zu cannot run here or do not apply", summary->cells_not_run);
    fprintf(stderr, "\nresult: %s/result.json\n", out_dir);
}

enum status run_summary_print(const struct runner_outcome *outcome, const char *out_dir,
                              enum cli_format format, struct err *err)
{
    enum status status = ST_OK;
    if (format == CLI_FORMAT_TABLE) {
        report_table(stdout, outcome->result, colour_wanted());
        report_conclusions(stdout, outcome->result, colour_wanted());
    } else {
        status = print_for_programs(outcome, out_dir, format, err);
    }
    fflush(stdout);
    run_summary_print_fitness(outcome->result);
    print_counts(outcome, out_dir);
    return status;
}
