/* cmd_run.c: `handoff run`: a scenario in, a result folder and a table out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "harness/cli/dry_run.h"
#include "harness/cli/run_arguments.h"
#include "harness/cli/run_summary.h"
#include "harness/run/peer_key.h"
#include "harness/run/runner.h"
#include "harness/scenario/scenario.h"

/* The key, and a number that tells this run from others. */
static enum status run_prepare_peer(struct run_arguments *arguments, struct err *err)
{
    enum status status = peer_key_read(arguments->key_file, &arguments->peer.key, err);
    if (status == ST_OK && getrandom(arguments->peer.run, sizeof arguments->peer.run, 0) !=
                               (ssize_t)sizeof arguments->peer.run)
        status = err_set_errno(err, errno, NULL, "no random numbers");
    return status;
}

enum status cmd_run(int argc, char **argv, int *exit_code, struct err *err)
{
    struct run_arguments arguments = {0};
    struct scenario *scenario = NULL;
    const char **command = calloc((size_t)argc + 1, sizeof *command);
    if (!command)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    /* getopt reorders argv, and --only cuts into it: keep the command as it was typed. */
    for (int i = 0; i < argc; i++)
        command[i] = strdup(argv[i]);
    enum status status = run_arguments_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_run, stdout);
    if (status != ST_OK || arguments.help)
        goto undo_command;
    status = run_choice_load(&arguments.choice, &scenario, err);
    if (status != ST_OK)
        goto undo_command;
    if (arguments.has_peer)
        peer_judge_cells(scenario);
    if (arguments.dry_run) {
        status = dry_run_print(scenario, !arguments.no_floor && !arguments.has_peer,
                               arguments.format, err);
        goto undo_scenario;
    }
    if (arguments.has_peer)
        status = run_prepare_peer(&arguments, err);
    if (status != ST_OK)
        goto undo_scenario;
    char default_out[512];
    run_choice_default_out(scenario, default_out, sizeof default_out);
    const struct runner_options options = {
        .scenario = scenario,
        .out_dir = arguments.out ? arguments.out : default_out,
        .seed = arguments.seed,
        .clock = arguments.clock,
        .resume = arguments.resume,
        .no_floor = arguments.no_floor,
        .steps = arguments.steps,
        .frames_from = arguments.frames_from,
        .quiet = arguments.quiet,
        .peer = arguments.has_peer ? &arguments.peer : NULL,
        .command = command,
        .command_count = (size_t)argc,
    };
    struct runner_outcome outcome;
    status = runner_run(&options, &outcome, err);
    if (status == ST_OK) {
        *exit_code = run_summary_exit_code(&outcome);
        status = run_summary_print(&outcome, options.out_dir, arguments.format, err);
        cJSON_Delete(outcome.result);
    }
undo_scenario:
    mac_forget(&arguments.peer.key, sizeof arguments.peer.key);
    scenario_free(scenario);
undo_command:
    for (int i = 0; i < argc; i++)
        free((void *)(uintptr_t)command[i]);
    free(command);
    return status;
}
