/* runner.c: see runner.h. */
#include "harness/run/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "harness/base/folder.h"
#include "harness/base/json.h"
#include "harness/env/env.h"
#include "harness/env/fitness.h"
#include "harness/measure/clock_choice.h"
#include "harness/run/build_info.h"
#include "harness/run/capability.h"
#include "harness/run/pilot.h"
#include "harness/run/run_floor.h"
#include "harness/run/run_gaps.h"
#include "harness/run/runner_parts.h"
#include "harness/run/steps.h"

/* A folder with a run in it is only touched by --resume, and by one run at a time. */
static enum status runner_take_dir(const struct runner_options *options, int *dir_fd,
                                   struct err *err)
{
    char path[4096];
    enum status status = folder_make(options->out_dir, err);
    if (status == ST_OK)
        status = folder_lock(options->out_dir, dir_fd, err);
    if (status != ST_OK)
        return status;
    snprintf(path, sizeof path, "%s/plan.json", options->out_dir);
    if (options->resume || access(path, F_OK) != 0)
        return ST_OK;
    close(*dir_fd);
    return err_set(err, ST_INVALID, "go on with it by --resume, or choose another --out",
                   "%s already holds a run", options->out_dir);
}

static enum status runner_open_signals(struct runner *runner, struct err *err)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &stop, &runner->signals_before) != 0)
        return err_set_errno(err, errno, NULL, "cannot block signals");
    runner->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    if (runner->signal_fd >= 0)
        return ST_OK;
    int saved = errno;
    sigprocmask(SIG_SETMASK, &runner->signals_before, NULL);
    return err_set_errno(err, saved, NULL, "cannot watch signals");
}

/* Gives the signals back to the process, less those that were meant for the run: otherwise they
 * would kill it as soon as they are unblocked, before it has said what it has. */
static void runner_close_signals(struct runner *runner)
{
    struct signalfd_siginfo taken;
    while (runner->signal_fd >= 0 && read(runner->signal_fd, &taken, sizeof taken) > 0)
        continue;
    if (runner->signal_fd >= 0)
        close(runner->signal_fd);
    sigprocmask(SIG_SETMASK, &runner->signals_before, NULL);
}

bool runner_stop_wanted(const struct runner *runner)
{
    struct pollfd signals = {.fd = runner->signal_fd, .events = POLLIN};
    return poll(&signals, 1, 0) > 0;
}

/* Where the consumers run is not for this host to say: their CPUs are chosen there. */
static void runner_leave_consumers(struct plan *plan, const struct peer *peer)
{
    plan->peer = peer->options.text;
    for (size_t i = 0; i < plan->cell_count; i++)
        plan->cells[i].cpus.consumer = -1;
}

static enum status runner_prepare_plan(struct runner *runner, struct err *err)
{
    const struct runner_options *options = runner->options;
    enum status status = plan_make(options->scenario, options->seed, &runner->plan, err);
    if (status != ST_OK)
        return status;
    runner->plan.detector = options->scenario->detector;
    runner->plan.clock = clock_chosen(&runner->clock)->name;
    if (runner->peer)
        runner_leave_consumers(&runner->plan, runner->peer);
    if (options->resume)
        return plan_resume(&runner->plan, options->scenario, options->out_dir, err);
    if (options->frames_from) {
        status = plan_take(&runner->plan, options->scenario, options->frames_from, err);
        return status == ST_OK ? plan_write(&runner->plan, options->scenario, options->out_dir, err)
                               : status;
    }
    const struct pilot_context context = {
        .scenario = options->scenario,
        .guard = &runner->guard,
        .signal_fd = runner->signal_fd,
        .clock = &runner->clock,
        .progress = &runner->progress,
        .role_died = &runner->role_died,
        .peer = runner->peer,
    };
    progress_begin(&runner->progress, options->quiet, 0);
    status = pilot_run(&context, &runner->plan, err);
    progress_clear(&runner->progress);
    if (status != ST_OK)
        return status;
    return plan_write(&runner->plan, options->scenario, options->out_dir, err);
}

/* On a busy machine a counter is sometimes not shown to be right, and is a moment later. */
#define RUNNER_CLOCK_TRIES 10
#define RUNNER_CLOCK_PAUSE_NS 100000000u

/* A run that goes on does so on the clock it was begun on, unless another is asked for; where that
 * one is not to be had within a second, plan_resume says so. */
static enum status runner_choose_clock(struct runner *runner, struct err *err)
{
    const struct runner_options *options = runner->options;
    char name[32] = "";
    struct err ignored;
    /* A counter of one processor says nothing on another; CLOCK_MONOTONIC is compared with its like. */
    if (options->peer)
        return clock_choose(CLOCK_REQUEST_MONOTONIC, &runner->clock, err);
    const char *plan_dir = options->resume ? options->out_dir : options->frames_from;
    if (plan_dir && options->clock == CLOCK_REQUEST_AUTO)
        plan_read_clock(plan_dir, name, sizeof name);
    const enum clock_request request = strcmp(name, clock_kind_name(CLOCK_KIND_MONOTONIC)) == 0
                                           ? CLOCK_REQUEST_MONOTONIC
                                           : CLOCK_REQUEST_COUNTER;
    for (int i = 0; name[0] && i < RUNNER_CLOCK_TRIES; i++) {
        if (clock_choose(request, &runner->clock, &ignored) == ST_OK)
            return ST_OK;
        clock_sleep_until_ns(clock_monotonic_ns() + RUNNER_CLOCK_PAUSE_NS);
    }
    return clock_choose(options->clock, &runner->clock, err);
}

/* The other host, if there is one, and whether it runs the same program. */
static enum status runner_meet_peer(struct runner *runner, struct err *err)
{
    const struct build_info info = build_info();
    char text[512];
    if (!runner->options->peer)
        return ST_OK;
    enum status status = peer_open(runner->options->peer, &runner->peer_made, err);
    if (status != ST_OK)
        return status;
    runner->peer = &runner->peer_made;
    const char *version = json_get_string(runner->peer->description, "version", "?");
    const char *commit = json_get_string(runner->peer->description, "commit", "");
    if (strcmp(version, info.version) == 0 && strcmp(commit, info.commit) == 0)
        return ST_OK;
    snprintf(
        text, sizeof text,
        "The two hosts run different builds of handoff: %s %s here, %.32s %.64s there. They "
        "understand each other, but figures may differ by it: build both from the same commit.",
        info.version, info.commit, version, commit);
    return json_append(runner->warnings, cJSON_CreateString(text))
               ? ST_OK
               : err_set(err, ST_NO_MEMORY, NULL, "out of memory for a warning");
}

/* The environment, before anything runs. */
static enum status runner_look_around(struct runner *runner, struct err *err)
{
    result_utc_now(runner->started_utc);
    runner->started_ns = clock_now_ns();
    runner->fold = fold_new();
    runner->warnings = cJSON_CreateArray();
    if (!runner->fold || !runner->warnings)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    enum status status = runner_choose_clock(runner, err);
    if (status == ST_OK)
        status = runner_meet_peer(runner, err);
    if (status == ST_OK)
        status = env_collect("", &runner->environment_before, err);
    return status;
}

/* And the gaps: on the CPUs of the launches that follow, when nothing else of the run is running. */
static enum status runner_measure_floor(struct runner *runner, struct err *err)
{
    const struct runner_options *options = runner->options;
    if (options->no_floor || options->peer || runner_stop_wanted(runner))
        return ST_OK;
    enum status status =
        run_gaps_measure_into(&runner->plan, options->scenario, runner->environment_before, err);
    if (status != ST_OK)
        return status;
    return run_floor_measure(&runner->plan, &runner->clock, options->out_dir, options->resume,
                             runner->warnings, &runner->floor, err);
}

/* What the largest cell keeps in frames, so that it shows whether there is room for them. */
static enum status runner_describe_need(const struct runner *runner, cJSON *environment,
                                        struct err *err)
{
    cJSON *memory = json_get(environment, "memory");
    uint64_t largest = 0;
    for (size_t i = 0; i < runner->plan.cell_count; i++) {
        const struct cell *cell = &runner->plan.cells[i].cell;
        const uint64_t bytes = cell->slots * cell_payload_bytes(cell);
        if (runner->plan.cells[i].result.launches_planned > 0 && bytes > largest)
            largest = bytes;
    }
    return !memory || json_add_u64(memory, "cells_bytes", largest)
               ? ST_OK
               : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the environment");
}

/* What the GPU is and how warm, where cells use one: asking takes a second. */
static enum status runner_describe_gpu(struct runner *runner, cJSON *environment, struct err *err)
{
    bool used = false;
    for (size_t i = 0; i < runner->plan.cell_count; i++)
        used |= runner->plan.cells[i].result.launches_planned > 0 &&
                cell_uses_gpu(&runner->plan.cells[i].cell);
    return !used || capability_describe_into(environment)
               ? ST_OK
               : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the environment");
}

/* Pilot, launches and result; an interrupt goes on to the result. */
static enum status runner_work(struct runner *runner, struct runner_outcome *outcome,
                               struct err *err)
{
    enum status status = runner_prepare_plan(runner, err);
    if (status == ST_OK)
        status = plan_order(&runner->plan, err);
    if (status == ST_OK)
        status = runner_describe_gpu(runner, runner->environment_before, err);
    if (status == ST_OK)
        status = runner_describe_need(runner, runner->environment_before, err);
    if (status == ST_OK)
        status = runner_measure_floor(runner, err);
    if (status == ST_OK)
        status =
            runner->options->steps ? runner_step_all(runner, err) : runner_launch_all(runner, err);
    progress_clear(&runner->progress);
    runner->interrupted = status == ST_INTERRUPTED;
    if (status != ST_OK && status != ST_INTERRUPTED) {
        /* What was measured before the failure is not lost, if it can be written at all. */
        struct err ignored;
        (void)runner_write_result(runner, outcome, &ignored);
        return status;
    }
    status = env_collect("", &runner->environment_after, err);
    if (status == ST_OK)
        status = runner_describe_gpu(runner, runner->environment_after, err);
    if (status == ST_OK)
        status = runner_describe_need(runner, runner->environment_after, err);
    if (status != ST_OK)
        return status;
    return runner_write_result(runner, outcome, err);
}

enum status runner_run(const struct runner_options *options, struct runner_outcome *outcome,
                       struct err *err)
{
    struct runner runner = {.options = options, .signal_fd = -1};
    struct runner_outcome made = {.result = NULL};
    int dir_fd = -1;
    enum status status = runner_take_dir(options, &dir_fd, err);
    if (status != ST_OK)
        return status;
    status = runner_open_signals(&runner, err);
    if (status != ST_OK)
        goto undo_dir;
    if (options->steps)
        status = steps_open(err);
    /* First the guard: it inherits nothing yet. */
    if (status == ST_OK)
        status = guard_start(&runner.guard, err);
    if (status == ST_OK)
        status = runner_look_around(&runner, err);
    if (status == ST_OK)
        status = runner_work(&runner, &made, err);
    guard_stop(&runner.guard);
    peer_close(runner.peer);
    runner_close_signals(&runner);
    plan_free(&runner.plan);
    fold_free(runner.fold);
    cJSON_Delete(runner.floor);
    cJSON_Delete(runner.environment_before);
    cJSON_Delete(runner.environment_after);
    cJSON_Delete(runner.warnings);
    made.interrupted = runner.interrupted;
    made.role_died = runner.role_died;
    if (status == ST_OK)
        *outcome = made;
    else
        cJSON_Delete(made.result);
undo_dir:
    close(dir_fd);
    return status;
}
