/* runner.c: see runner.h. */
#include "harness/run/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/env.h"
#include "harness/env/fitness.h"
#include "harness/measure/clock_choice.h"
#include "harness/run/build_info.h"
#include "harness/run/capability.h"
#include "harness/run/guard.h"
#include "harness/run/peer.h"
#include "harness/run/pilot.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/run_floor.h"
#include "harness/run/search_launch.h"
#include "harness/run/session.h"

struct runner {
    const struct runner_options *options;
    struct plan plan;
    struct guard guard;
    struct progress progress;
    struct clock_choice clock;
    int signal_fd;
    sigset_t signals_before;
    cJSON *floor; /* NULL: none */
    cJSON *environment_before;
    cJSON *environment_after;
    cJSON *warnings;
    struct fold *fold;
    struct peer *peer; /* NULL, or &peer_made */
    struct peer peer_made;
    char started_utc[RESULT_UTC_BYTES];
    uint64_t started_ns;
    bool interrupted;
    bool role_died;
};

/* mkdir -p. */
static enum status runner_make_dir(const char *dir, struct err *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s", dir) >= sizeof path || path[0] == 0)
        return err_set(err, ST_INVALID, "choose another --out", "not a folder: \"%s\"", dir);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return err_set_errno(err, errno, "choose another --out", "cannot make the folder %s",
                                 path);
        *at = kept;
        if (kept == 0)
            return ST_OK;
    }
}

/* A folder with a run in it is only touched by --resume. */
static enum status runner_check_dir(const struct runner_options *options, struct err *err)
{
    char path[4096];
    enum status status = runner_make_dir(options->out_dir, err);
    if (status != ST_OK)
        return status;
    snprintf(path, sizeof path, "%s/plan.json", options->out_dir);
    if (!options->resume && access(path, F_OK) == 0)
        return err_set(err, ST_INVALID, "go on with it by --resume, or choose another --out",
                       "%s already holds a run", options->out_dir);
    return ST_OK;
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

static bool runner_stop_wanted(const struct runner *runner)
{
    struct pollfd signals = {.fd = runner->signal_fd, .events = POLLIN};
    return poll(&signals, 1, 0) > 0;
}

static int64_t runner_tolerance_ns(const struct runner *runner)
{
    /* Two readings of one clock in order can differ by a tick the wrong way on another CPU, and a
     * stamp is taken up to one reading before or after what it stamps. A counter's CPUs may be
     * apart; its conversion adds a nanosecond of rounding and nothing else: both stamps of an
     * interval have the same one, so what it is off by (conversion_error_ppm) stretches an interval
     * and turns none negative. */
    const struct clock_quality *quality = &clock_chosen(&runner->clock)->quality;
    return (int64_t)(2.0 * quality->read_ns + quality->tick_ns + runner->clock.cpus_agree_ns) + 1;
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
    runner->plan.clock = clock_chosen(&runner->clock)->name;
    if (runner->peer)
        runner_leave_consumers(&runner->plan, runner->peer);
    if (options->resume)
        return plan_resume(&runner->plan, options->scenario, options->out_dir, err);
    const struct pilot_context context = {
        .scenario = options->scenario,
        .guard = &runner->guard,
        .signal_fd = runner->signal_fd,
        .tolerance_ns = runner_tolerance_ns(runner),
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

/* Numbers the cells that run, so that progress can say "cell n of m". */
static uint32_t runner_runnable_rank(const struct plan *plan, size_t index, uint32_t *count)
{
    uint32_t rank = 0;
    *count = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (plan->cells[i].result.launches_planned == 0)
            continue;
        (*count)++;
        if (i <= index)
            rank = *count;
    }
    return rank;
}

/* What the progress line says of the launch that runs. */
struct runner_line {
    struct runner *runner;
    uint32_t index, count;
    uint64_t step_ns; /* of a search: what one step should take */
    char label[CELL_ID_BYTES + 64];
};

/* A launch of a search goes on for as long as ten others: each rate is shown. */
static void runner_tell_step(void *context, const struct search_step *step)
{
    const struct runner_line *line = context;
    char label[sizeof line->label + 48];
    snprintf(label, sizeof label, "%s  trying %.6g frames/s", line->label, step->rate_hz);
    progress_step(&line->runner->progress, "launch", line->index, line->count, label,
                  line->step_ns);
}

static enum status runner_launch(struct runner *runner, size_t order, struct runner_line *line,
                                 struct err *err)
{
    const struct plan_launch *planned = &runner->plan.launches[order];
    const struct plan_cell *cell = &runner->plan.cells[planned->cell];
    const struct runner_options *options = runner->options;
    uint64_t expected_ns = plan_launch_expected_ns(cell, options->scenario);
    const struct session_request request = {
        .cell = &cell->cell,
        .launch = planned->launch,
        .order = (uint32_t)order,
        .frames = cell->result.frames,
        .warmup = cell->result.warmup,
        .seed = plan_launch_seed(&runner->plan, planned->launch),
        .cpus = cell->cpus,
        .expected_ns = expected_ns,
        .tolerance_ns = runner_tolerance_ns(runner),
        .guard = &runner->guard,
        .signal_fd = runner->signal_fd,
        .peer = runner->peer,
    };
    const struct search_launch search_launch = {
        .request = &request,
        .launch_seconds = options->scenario->blocks[cell->cell.block_index].launch_seconds,
        .tell = runner_tell_step,
        .context = line,
    };
    struct search search;
    struct launch_outcome outcome;
    enum status status =
        cell->cell.pacing == PACING_SEARCH
            ? search_launch_run(&search_launch, &search, runner->fold, &outcome, err)
            : session_run(&request, runner->fold, &outcome, err);
    if (status != ST_OK)
        return status;
    runner->role_died |= outcome.status == ST_ROLE_DIED;
    if (outcome.status != ST_OK) {
        progress_clear(&runner->progress);
        fprintf(stderr, "failed: %s, launch %u: %s\n", cell->cell.id, planned->launch + 1,
                outcome.reason);
    }
    return result_launch_write(options->out_dir, &cell->cell, &outcome, err);
}

static bool runner_launch_done(const struct runner *runner, size_t order)
{
    const struct plan_launch *planned = &runner->plan.launches[order];
    const struct plan_cell *cell = &runner->plan.cells[planned->cell];
    enum status ended;
    return runner->options->resume &&
           result_launch_exists(runner->options->out_dir, &cell->cell, planned->launch,
                                cell->result.frames, cell->result.warmup, &ended) &&
           ended == ST_OK;
}

/* What was measured stays; the rest is left for --resume. */
static enum status runner_give_peer_up(struct runner *runner, struct err *err)
{
    char text[PEER_HOST_BYTES + 160];
    snprintf(
        text, sizeof text,
        "%s was lost in %u launches in a row: the rest was not tried. When `handoff serve` runs "
        "there again, go on with --resume.",
        runner->peer->options.address.host, runner->peer->lost_in_a_row);
    progress_clear(&runner->progress);
    fprintf(stderr, "%s\n", text);
    return json_append(runner->warnings, cJSON_CreateString(text))
               ? ST_OK
               : err_set(err, ST_NO_MEMORY, NULL, "out of memory for a warning");
}

static enum status runner_launch_all(struct runner *runner, struct err *err)
{
    const struct plan *plan = &runner->plan;
    uint64_t total_ns = 0;
    uint32_t missing = 0, index = 0;
    for (size_t i = 0; i < plan->launch_count; i++) {
        if (runner_launch_done(runner, i))
            continue;
        total_ns += plan_launch_expected_ns(&plan->cells[plan->launches[i].cell],
                                            runner->options->scenario);
        missing++;
    }
    progress_begin(&runner->progress, runner->options->quiet, total_ns);
    for (size_t i = 0; i < plan->launch_count; i++) {
        if (runner_stop_wanted(runner))
            return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
        if (runner_launch_done(runner, i))
            continue;
        if (runner->peer && runner->peer->lost_in_a_row >= PEER_LOST_MAX)
            return runner_give_peer_up(runner, err);
        const struct plan_cell *cell = &plan->cells[plan->launches[i].cell];
        struct runner_line line = {.runner = runner, .index = ++index, .count = missing};
        uint32_t cells;
        uint32_t rank = runner_runnable_rank(plan, plan->launches[i].cell, &cells);
        snprintf(line.label, sizeof line.label, "cell %u of %u  %s", rank, cells, cell->cell.id);
        uint64_t expected_ns = plan_launch_expected_ns(cell, runner->options->scenario);
        uint64_t done_ns = runner->progress.done_ns + expected_ns;
        if (cell->cell.pacing == PACING_SEARCH)
            line.step_ns = expected_ns / search_steps_max(&cell->cell);
        else
            progress_step(&runner->progress, "launch", index, missing, line.label, expected_ns);
        enum status status = runner_launch(runner, i, &line, err);
        runner->progress.done_ns = done_ns;
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* A run that goes on does so on the clock it was begun on, unless another is asked for; where that
 * one is not to be had now, plan_resume says so. */
static enum status runner_choose_clock(struct runner *runner, struct err *err)
{
    const struct runner_options *options = runner->options;
    char name[32] = "";
    struct err ignored;
    /* A counter of one processor says nothing on another; CLOCK_MONOTONIC is compared with its like. */
    if (options->peer)
        return clock_choose(CLOCK_REQUEST_MONOTONIC, &runner->clock, err);
    if (options->resume && options->clock == CLOCK_REQUEST_AUTO)
        plan_read_clock(options->out_dir, name, sizeof name);
    const enum clock_request request = strcmp(name, clock_kind_name(CLOCK_KIND_MONOTONIC)) == 0
                                           ? CLOCK_REQUEST_MONOTONIC
                                           : CLOCK_REQUEST_COUNTER;
    if (name[0] && clock_choose(request, &runner->clock, &ignored) == ST_OK)
        return ST_OK;
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

/* All warnings of the result: of the machine as it was found, of this run, of what became of the
 * machine. Strings of `fitness` and of the runner, in an array that the caller deletes. */
static cJSON *runner_gather_warnings(const struct runner *runner, const cJSON *fitness)
{
    cJSON *warnings = cJSON_CreateArray();
    const cJSON *warning;
    bool ok = warnings && fitness_add_warnings(json_get(fitness, "before"), warnings);
    cJSON_ArrayForEach (warning, runner->warnings) {
        ok = ok && json_append(warnings, cJSON_CreateString(warning->valuestring));
    }
    if (ok && fitness_add_warnings(json_get(fitness, "after"), warnings))
        return warnings;
    cJSON_Delete(warnings);
    return NULL;
}

static enum status runner_write_result(struct runner *runner, struct runner_outcome *outcome,
                                       struct err *err)
{
    const struct plan *plan = &runner->plan;
    const struct build_info info = build_info();
    char ended_utc[RESULT_UTC_BYTES];
    result_utc_now(ended_utc);
    cJSON *fitness = NULL;
    enum status status =
        fitness_make(runner->environment_before, runner->environment_after, &fitness, err);
    if (status != ST_OK)
        return status;
    cJSON *sentences = runner_gather_warnings(runner, fitness);
    int warning_count = cJSON_GetArraySize(sentences);
    const char **warnings = calloc((size_t)warning_count + 1, sizeof *warnings);
    struct result_cell *cells = calloc(plan->cell_count + 1, sizeof *cells);
    cJSON *peer = runner->peer ? peer_result_json(runner->peer) : NULL;
    if (!sentences || !warnings || !cells || (runner->peer && !peer)) {
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the result");
        goto undo;
    }
    for (int i = 0; i < warning_count; i++)
        warnings[i] = cJSON_GetArrayItem(sentences, i)->valuestring;
    for (size_t i = 0; i < plan->cell_count; i++) {
        cells[i] = plan->cells[i].result;
        cells[i].producer_cpu = plan->cells[i].cpus.producer;
        cells[i].consumer_cpu = plan->cells[i].cpus.consumer;
    }
    const struct result_context context = {
        .tool_version = info.version,
        .tool_commit = info.commit,
        .tool_compiler = info.compiler,
        .tool_build_type = info.build_type,
        .scenario = runner->options->scenario,
        .started_utc = runner->started_utc,
        .ended_utc = ended_utc,
        .seed = plan->seed,
        .wall_ns = clock_now_ns() - runner->started_ns,
        .interrupted = runner->interrupted,
        .command = runner->options->command,
        .command_count = runner->options->command_count,
        .clock = &runner->clock,
        .floor = runner->floor,
        .peer = peer,
        .environment_before = runner->environment_before,
        .environment_after = runner->environment_after,
        .fitness = fitness,
        .warnings = warnings,
        .warning_count = (size_t)warning_count,
        .cells = cells,
        .cell_count = plan->cell_count,
    };
    status = result_assemble(&context, runner->options->out_dir, &outcome->summary,
                             &outcome->result, err);
undo:
    cJSON_Delete(peer);
    free(warnings);
    free(cells);
    cJSON_Delete(sentences);
    cJSON_Delete(fitness);
    return status;
}

/* On the CPUs of the launches that follow, when nothing else of the run is running. */
static enum status runner_measure_floor(struct runner *runner, struct err *err)
{
    const struct runner_options *options = runner->options;
    if (options->no_floor || options->peer || runner_stop_wanted(runner))
        return ST_OK;
    return run_floor_measure(&runner->plan, &runner->clock, options->out_dir, options->resume,
                             runner->warnings, &runner->floor, err);
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
        status = runner_measure_floor(runner, err);
    if (status == ST_OK)
        status = runner_launch_all(runner, err);
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
    if (status != ST_OK)
        return status;
    return runner_write_result(runner, outcome, err);
}

enum status runner_run(const struct runner_options *options, struct runner_outcome *outcome,
                       struct err *err)
{
    struct runner runner = {.options = options, .signal_fd = -1};
    struct runner_outcome made = {.result = NULL};
    enum status status = runner_check_dir(options, err);
    if (status != ST_OK)
        return status;
    status = runner_open_signals(&runner, err);
    if (status != ST_OK)
        return status;
    /* First the guard: it inherits nothing yet. */
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
    if (status != ST_OK) {
        cJSON_Delete(made.result);
        return status;
    }
    made.interrupted = runner.interrupted;
    made.role_died = runner.role_died;
    *outcome = made;
    return ST_OK;
}
