/* compare_paired.c: `handoff compare --base`: two builds, launch by launch next to each other. See
 * compare.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/compare.h"
#include "harness/report/comparison.h"
#include "harness/run/paired.h"
#include "harness/run/result.h"

/* The results of both, and what they say. */
struct paired_results {
    cJSON *json[PAIRED_SIDES];
    struct report *reports[PAIRED_SIDES];
    char paths[PAIRED_SIDES][PATH_MAX];
};

static void results_close(struct paired_results *results)
{
    for (int i = 0; i < PAIRED_SIDES; i++) {
        report_free(results->reports[i]);
        cJSON_Delete(results->json[i]);
    }
}

static enum status results_open(const char *out_dir, struct paired_results *results,
                                struct err *err)
{
    enum status status = ST_OK;
    for (int i = 0; i < PAIRED_SIDES && status == ST_OK; i++) {
        char *path = results->paths[i];
        snprintf(path, PATH_MAX, "%s/%s/result.json", out_dir, paired_name((enum paired_which)i));
        status = result_load(path, &results->json[i], err);
        if (status == ST_OK)
            status = report_open(results->json[i], &results->reports[i], err);
    }
    return status;
}

static enum status paired_answer(const struct compare_arguments *arguments,
                                 const struct paired_options *options, bool interrupted,
                                 int *exit_code, struct err *err)
{
    struct paired_results results = {.json = {NULL}};
    struct comparison *comparison = NULL;
    enum status status = results_open(options->out_dir, &results, err);
    if (status == ST_OK)
        status = comparison_new(results.reports[PAIRED_BASE], results.reports[PAIRED_NEW],
                                &comparison, err);
    if (status == ST_OK)
        status = comparison_add_builds(comparison, err);
    if (status == ST_OK)
        status = comparison_judge(comparison, err);
    if (status == ST_OK) {
        comparison->interrupted = interrupted;
        const struct compare_side sides[PAIRED_SIDES] = {
            {options->programs[0], results.paths[0], results.reports[0]},
            {options->programs[1], results.paths[1], results.reports[1]}};
        status = compare_finish(arguments, comparison, &sides[PAIRED_BASE], &sides[PAIRED_NEW],
                                options->out_dir, exit_code, err);
    }
    comparison_free(comparison);
    results_close(&results);
    return status;
}

/* The scenario and its choice of cells as arguments of `run`; NULL-terminated. Texts made for it
 * are in `made`, for the caller to free. `path`: the scenario's, since the other program may not
 * know it by name. */
static bool run_arguments_make(const struct run_choice *choice, const char *path,
                               const char *list[2 * RUN_FILTERS_MAX + 6],
                               char *made[RUN_FILTERS_MAX + 1])
{
    size_t count = 0, used = 0;
    list[count++] = path;
    for (size_t i = 0; i < choice->filter_count; i++) {
        const struct scenario_filter *filter = &choice->filters[i];
        size_t size = strlen(filter->axis) + strlen(filter->values) + 2;
        char *text = malloc(size);
        if (!text)
            return false;
        snprintf(text, size, "%s=%s", filter->axis, filter->values);
        made[used++] = text;
        list[count++] = "--only";
        list[count++] = text;
    }
    if (choice->launches) {
        char *text = malloc(24);
        if (!text)
            return false;
        snprintf(text, 24, "%llu", (unsigned long long)choice->launches);
        made[used++] = text;
        list[count++] = "--launches";
        list[count++] = text;
    }
    if (choice->detector) {
        list[count++] = "--detector";
        list[count++] = choice->detector;
    }
    list[count] = NULL;
    return true;
}

enum status compare_paired(const struct compare_arguments *arguments, int *exit_code,
                           struct err *err)
{
    char programs[PAIRED_SIDES][PATH_MAX], default_out[512], found[PATH_MAX];
    const char *list[2 * RUN_FILTERS_MAX + 6];
    char *made[RUN_FILTERS_MAX + 1] = {NULL};
    struct scenario *scenario = NULL;
    enum status status = paired_find_program(arguments->base, programs[PAIRED_BASE], err);
    if (status == ST_OK)
        status = paired_find_program(arguments->new_program, programs[PAIRED_NEW], err);
    /* What is wrong with the scenario is better said before anything starts. */
    if (status == ST_OK)
        status = run_choice_load(&arguments->choice, &scenario, err);
    if (status != ST_OK)
        return status;
    run_choice_default_out(scenario, default_out, sizeof default_out);
    scenario_free(scenario);
    const struct paired_options options = {
        .programs = {programs[PAIRED_BASE], programs[PAIRED_NEW]},
        .arguments = list,
        .out_dir = arguments->out ? arguments->out : default_out,
        .seed = arguments->seed,
        .resume = arguments->resume,
        .quiet = arguments->quiet,
    };
    struct paired_outcome outcome;
    const char *path = run_choice_find_scenario(arguments->choice.scenario, found, sizeof found);
    status = run_arguments_make(&arguments->choice, path, list, made)
                 ? paired_run(&options, &outcome, err)
                 : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < RUN_FILTERS_MAX + 1; i++)
        free(made[i]);
    return status == ST_OK ? paired_answer(arguments, &options, outcome.interrupted, exit_code, err)
                           : status;
}
