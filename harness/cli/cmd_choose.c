/* cmd_choose.c: `handoff choose`: how frames should reach a Python function of the user's.
 *
 * A trial of one way finds out whether the function works and what it takes; then every way that
 * makes sense runs, launch by launch next to the others (run/runner.h), and report/choice.h says
 * what it shows.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/folder.h"
#include "harness/base/json.h"
#include "harness/cli/choose.h"
#include "harness/cli/run_choice.h"
#include "harness/cli/run_summary.h"
#include "harness/measure/clock.h"
#include "harness/report/wrap.h"
#include "harness/run/daemon.h"
#include "harness/run/progress.h"
#include "harness/run/result.h"
#include "harness/run/runner.h"

/* What a run takes besides its launches: it watches the machine before and after. */
#define RUN_SECONDS 0.4

/* Where results go while it runs, and after it. */
struct choose_place {
    char temporary[DAEMON_PATH_BYTES]; /* to be removed; "" when it is kept */
    char folder[PATH_MAX];
};

static enum status place_make(const struct choose_arguments *arguments, struct choose_place *place,
                              struct err *err)
{
    const struct scenario named = {.name = (char *)(uintptr_t) "choose"};
    char plan[PATH_MAX + 32];
    place->temporary[0] = '\0';
    if (!arguments->out && !arguments->keep) {
        enum status status = daemon_folder_make("choose", place->temporary, err);
        snprintf(place->folder, sizeof place->folder, "%s", place->temporary);
        return status;
    }
    if (arguments->out)
        snprintf(place->folder, sizeof place->folder, "%s", arguments->out);
    else
        run_choice_default_out(&named, place->folder, sizeof place->folder);
    snprintf(plan, sizeof plan, "%s/trial/plan.json", place->folder);
    if (access(plan, F_OK) == 0)
        return err_set(err, ST_INVALID, "choose another --out, or remove it",
                       "choose: %s already holds a run", place->folder);
    return folder_make(place->folder, err);
}

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + 1e-9 * (double)(now.tv_nsec - begin->tv_nsec);
}

/* Runs a scenario into DIR/NAME and reads the result back. */
static enum status choose_run(const struct choose_arguments *arguments,
                              const struct scenario *scenario, const char *folder, bool is_trial,
                              cJSON **result, struct err *err)
{
    static const char *const command[] = {"choose"};
    const struct runner_options options = {
        .scenario = scenario,
        .out_dir = folder,
        .seed = arguments->seed,
        .clock = CLOCK_REQUEST_MONOTONIC,
        .no_floor = true,
        .quiet = is_trial || arguments->quiet,
        .silent = is_trial,
        .command = command,
        .command_count = 1,
    };
    struct runner_outcome outcome;
    enum status status = runner_run(&options, &outcome, err);
    if (status != ST_OK)
        return status;
    cJSON_Delete(outcome.result);
    if (outcome.interrupted)
        return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
    return result_load(folder, result, err);
}

/* ---- The trial ------------------------------------------------------------------------------- */

static const cJSON *first_cell(const cJSON *result)
{
    return cJSON_GetArrayItem(json_get(result, "cells"), 0);
}

/* The role that ran the function says what went wrong with it. */
static enum status trial_judge(const cJSON *result, struct err *err)
{
    const cJSON *cell = first_cell(result);
    static const char launch[] = "launch 1: "; /* there is no other */
    const char *reason = json_get_string(cell, "reason", "");
    if (strcmp(json_get_string(cell, "status", ""), "ok") == 0)
        return ST_OK;
    if (strncmp(reason, launch, sizeof launch - 1) == 0)
        reason += sizeof launch - 1;
    return err_set(err, ST_CORRUPT, json_get_string(cell, "hint", ""), "choose: %s",
                   reason[0] ? reason : "the trial of the consumer failed");
}

static enum status choose_try(const struct choose_arguments *arguments, const char *folder,
                              struct choose_trial *trial, struct err *err)
{
    char dir[PATH_MAX + 16];
    struct scenario *scenario = NULL;
    cJSON *result = NULL;
    struct timespec begin;
    snprintf(dir, sizeof dir, "%s/trial", folder);
    enum status status = choose_scenario_make(arguments, NULL, &scenario, err);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (status == ST_OK)
        status = choose_run(arguments, scenario, dir, true, &result, err);
    const double seconds = seconds_since(&begin);
    if (status == ST_OK)
        status = trial_judge(result, err);
    if (status == ST_OK) {
        const cJSON *launch = cJSON_GetArrayItem(json_get(first_cell(result), "launches"), 0);
        const double alone_ns = choice_launch_alone_ns(launch);
        const double overhead = seconds - RUN_SECONDS - choose_trial_seconds(arguments);
        trial->alone_ns = alone_ns > 0 ? alone_ns : 0;
        trial->overhead_ns = overhead > 0.05 ? 1e9 * overhead : 5e7;
    }
    cJSON_Delete(result);
    scenario_free(scenario);
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void plan_tell(const struct choose_arguments *arguments, const struct choose_plan *plan,
                      const struct choose_trial *trial)
{
    struct text text = {0};
    char alone[FIGURE_BYTES], time[32];
    if (arguments->quiet)
        return;
    text_add_plain(&text, arguments->consumer);
    if (trial->alone_ns > 0)
        text_addf(&text, " takes %s by itself", format_ns(trial->alone_ns, alone));
    else
        text_add(&text, " works");
    text_addf(&text, ". %zu way%s to hand it frames, %u launch%s of %u frames each: about %s.",
              plan->count, plan->count == 1 ? "" : "s", plan->launches,
              plan->launches == 1 ? "" : "es", plan->frames,
              progress_duration((uint64_t)(1e9 * plan->seconds), time, sizeof time));
    if (plan->launches < STATS_LAUNCHES_MIN && arguments->launches == 0)
        text_addf(
            &text,
            " Starting it takes %s, so there is no time for the ten launches that an interval "
            "needs (--seconds allows more).",
            format_ns(trial->overhead_ns, alone));
    wrap_print(stderr, text_get(&text), 0, 0);
    text_free(&text);
}

static enum status choose_print(const struct choose_arguments *arguments,
                                const struct choose_plan *plan, const struct choice *choice,
                                const cJSON *result, const char *kept, struct err *err)
{
    if (arguments->format == CLI_FORMAT_JSON)
        return choose_print_json(arguments, plan, choice, result, kept, err);
    if (arguments->format == CLI_FORMAT_MARKDOWN)
        choose_print_markdown(arguments, plan, choice);
    else
        choose_print_table(arguments, plan, choice);
    fflush(stdout);
    if (!arguments->quiet)
        run_summary_print_fitness(result);
    if (kept && !arguments->quiet)
        fprintf(stderr, "The result is in %s: `handoff report` makes a page of it.\n", kept);
    return ST_OK;
}

static enum status choose_measure(const struct choose_arguments *arguments,
                                  struct choose_place *place, const struct choose_plan *plan,
                                  int *exit_code, struct err *err)
{
    const char *kept = place->temporary[0] ? NULL : place->folder;
    struct scenario *scenario = NULL;
    cJSON *result = NULL;
    struct report *report = NULL;
    struct choice choice = {.ways = NULL};
    enum status status = choose_scenario_make(arguments, plan, &scenario, err);
    if (status == ST_OK)
        status = choose_run(arguments, scenario, place->folder, false, &result, err);
    /* Before anything is printed: nothing is left behind when nobody reads on (`| head`). */
    daemon_folder_remove(place->temporary);
    if (status == ST_OK)
        status = report_open(result, &report, err);
    if (status == ST_OK)
        status = choice_make(report, &arguments->question, &choice, err);
    if (status == ST_OK)
        status = choose_print(arguments, plan, &choice, result, kept, err);
    if (status == ST_OK)
        *exit_code = choice.chosen < choice.count ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    choice_free(&choice);
    report_free(report);
    cJSON_Delete(result);
    scenario_free(scenario);
    return status;
}

enum status cmd_choose(int argc, char **argv, int *exit_code, struct err *err)
{
    struct choose_arguments *arguments = calloc(1, sizeof *arguments);
    struct choose_place *place = calloc(1, sizeof *place);
    struct choose_trial trial = {.alone_ns = 0};
    struct choose_plan plan = {.ways = 0};
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    enum status status = arguments && place ? choose_arguments_parse(argc, argv, arguments, err)
                                            : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    if (status == ST_OK && arguments->help)
        cli_print_help(&command_choose, stdout);
    if (status != ST_OK || arguments->help)
        goto undo_arguments;
    status = place_make(arguments, place, err);
    if (status != ST_OK)
        goto undo_arguments;
    if (!arguments->quiet)
        fprintf(stderr, "trying %s on a few frames\n", arguments->consumer);
    status = choose_try(arguments, place->folder, &trial, err);
    if (status == ST_OK)
        status = choose_plan_make(arguments, &trial, arguments->seconds - seconds_since(&begin),
                                  &plan, err);
    if (status == ST_OK)
        plan_tell(arguments, &plan, &trial);
    if (status == ST_OK)
        status = choose_measure(arguments, place, &plan, exit_code, err);
    daemon_folder_remove(place->temporary);
undo_arguments:
    free(place);
    if (arguments)
        free(arguments->detector);
    free(arguments);
    return status;
}
