/* cmd_run.c: `handoff run`: a scenario in, a result folder and a table out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/cli/dry_run.h"
#include "harness/report/table.h"
#include "harness/run/peer.h"
#include "harness/run/peer_key.h"
#include "harness/run/runner.h"
#include "harness/scenario/scenario.h"

#define RUN_FILTERS_MAX 32

static const char run_help[] =
    "Usage: handoff run SCENARIO [OPTION]...\n"
    "\n"
    "Runs every cell of a scenario in fresh producer and consumer processes and writes\n"
    "DIR/result.json. Prints a table of the cells on standard output.\n"
    "\n"
    "  --out DIR              where the result goes (default: results/runs/<time>-<scenario>)\n"
    "  --only AXIS=VALUE[,VALUE...]\n"
    "                         only the cells with one of these values; may be repeated\n"
    "  --launches N           fresh processes per cell, instead of the scenario's number;\n"
    "                         intervals need 10\n"
    "  --seed N               order of launches and content of frames (default: random, kept in\n"
    "                         the result)\n"
    "  --clock WHICH          which clock stamps: auto (the cheapest that is right on all CPUs:\n"
    "                         the processor's counter or CLOCK_MONOTONIC), monotonic, counter\n"
    "  --dry-run              list the cells, what cannot run here and why, and the expected time\n"
    "  --resume               go on with the interrupted run in --out DIR\n"
    "  --no-floor             do not measure the machine's floor first (up to two seconds); the\n"
    "                         result then shows no figure as a multiple of it\n"
    "  --peer HOST[:PORT]     the consumers run on HOST, where `handoff serve` does (port 9763); "
    "it\n"
    "                         connects back to this host for the frames. Both need one key\n"
    "  --key-file FILE        that key; without it the environment variable HANDOFF_KEY. At least "
    "16\n"
    "                         bytes; others may not read the file. `handoff serve --help` says "
    "what\n"
    "                         it protects, and what it does not\n"
    "  --peer-timeout SECONDS how long HOST may be silent before the launch has failed (default: "
    "5)\n"
    "  --quiet                no progress\n"
    "  --help                 show this text\n"
    "\n"
    "Exit status: 0 fine, 1 a cell failed or a file cannot be written, 2 bad usage or scenario,\n"
    "3 a role process died, 77 no cell can run here, 130 interrupted (what is complete has been\n"
    "written; --resume goes on).\n";

struct run_arguments {
    const char *scenario;
    const char *out;
    struct scenario_filter filters[RUN_FILTERS_MAX];
    size_t filter_count;
    uint64_t launches; /* 0: as the scenario says */
    uint64_t seed;
    enum clock_request clock;
    bool dry_run;
    bool resume;
    bool no_floor;
    bool quiet;
    bool help;
    const char *key_file;
    uint64_t peer_timeout_s; /* 0: not given */
    bool has_peer;
    struct peer_options peer;
};

/* "AXIS=VALUES"; cuts the argument in place. */
static enum status run_add_filter(struct run_arguments *arguments, char *text, struct err *err)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || equals[1] == 0)
        return err_set(err, ST_INVALID, "write it as --only wait=spin,futex",
                       "--only takes AXIS=VALUE[,VALUE...], not \"%s\"", text);
    if (arguments->filter_count == RUN_FILTERS_MAX)
        return err_set(err, ST_INVALID, "join values of one axis with commas",
                       "more than %d --only", RUN_FILTERS_MAX);
    *equals = 0;
    arguments->filters[arguments->filter_count++] =
        (struct scenario_filter){.axis = text, .values = equals + 1};
    return ST_OK;
}

/* Below 2^53, so that it survives any JSON reader. */
static uint64_t run_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    }
    return seed & ((UINT64_C(1) << 53) - 1);
}

/* What goes with --peer, and without it does not. */
static enum status run_parse_peer(struct run_arguments *arguments, struct err *err)
{
    if (!arguments->has_peer && (arguments->key_file || arguments->peer_timeout_s))
        return err_set(err, ST_INVALID, "name the other host with --peer HOST",
                       "%s is for measurements across two hosts",
                       arguments->key_file ? "--key-file" : "--peer-timeout");
    if (arguments->has_peer && arguments->clock == CLOCK_REQUEST_COUNTER)
        return err_set(err, ST_INVALID, "leave --clock out",
                       "the counters of two hosts cannot be compared: --peer is measured by "
                       "CLOCK_MONOTONIC");
    const uint64_t timeout_s =
        arguments->peer_timeout_s ? arguments->peer_timeout_s : PEER_TIMEOUT_S_DEFAULT;
    arguments->peer.timeout_ns = timeout_s * 1000000000u;
    return ST_OK;
}

/* The key, and a number that tells this run from others. */
static enum status run_prepare_peer(struct run_arguments *arguments, struct err *err)
{
    enum status status = peer_key_read(arguments->key_file, &arguments->peer.key, err);
    if (status == ST_OK && getrandom(arguments->peer.run, sizeof arguments->peer.run, 0) !=
                               (ssize_t)sizeof arguments->peer.run)
        status = err_set_errno(err, errno, NULL, "no random numbers");
    return status;
}

static enum status run_parse(int argc, char **argv, struct run_arguments *arguments,
                             struct err *err)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},
        {"only", required_argument, NULL, 'n'},
        {"launches", required_argument, NULL, 'l'},
        {"seed", required_argument, NULL, 's'},
        {"clock", required_argument, NULL, 'c'},
        {"dry-run", no_argument, NULL, 'd'},
        {"resume", no_argument, NULL, 'r'},
        {"no-floor", no_argument, NULL, 'f'},
        {"peer", required_argument, NULL, 'p'},
        {"key-file", required_argument, NULL, 'k'},
        {"peer-timeout", required_argument, NULL, 't'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    enum status status = ST_OK;
    arguments->seed = run_random_seed();
    cli_options_begin();
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            arguments->out = optarg;
            break;
        case 'n':
            status = run_add_filter(arguments, optarg, err);
            break;
        case 'l':
            status = cli_parse_u64("--launches", optarg, 1, 1000, &arguments->launches, err);
            break;
        case 's':
            status =
                cli_parse_u64("--seed", optarg, 0, (UINT64_C(1) << 53) - 1, &arguments->seed, err);
            break;
        case 'c':
            if (!clock_request_from_name(optarg, &arguments->clock))
                status = err_set(err, ST_INVALID, "auto is the default",
                                 "--clock takes auto, monotonic or counter, not \"%s\"", optarg);
            break;
        case 'd':
            arguments->dry_run = true;
            break;
        case 'r':
            arguments->resume = true;
            break;
        case 'f':
            arguments->no_floor = true;
            break;
        case 'p':
            arguments->has_peer = true;
            snprintf(arguments->peer.text, sizeof arguments->peer.text, "%s", optarg);
            status = peer_address_parse(optarg, false, &arguments->peer.address, err);
            break;
        case 'k':
            arguments->key_file = optarg;
            break;
        case 't':
            status = cli_parse_u64("--peer-timeout", optarg, 1, PEER_TIMEOUT_S_MAX,
                                   &arguments->peer_timeout_s, err);
            break;
        case 'q':
            arguments->quiet = true;
            break;
        case 'h':
            arguments->help = true;
            return ST_OK;
        default:
            return cli_bad_option(option, argv, err);
        }
        if (status != ST_OK)
            return status;
    }
    if (optind != argc - 1)
        return err_set(err, ST_INVALID, "for a first look: handoff run scenarios/quick.json",
                       optind == argc ? "run: which scenario?"
                                      : "run: takes one scenario at a time");
    arguments->scenario = argv[optind];
    if (arguments->resume && !arguments->out)
        return err_set(err, ST_INVALID, "name the folder of the interrupted run with --out",
                       "--resume needs --out DIR");
    return run_parse_peer(arguments, err);
}

/* Reads, filters and overrides. */
static enum status run_load(const struct run_arguments *arguments, struct scenario **scenario,
                            struct err *err)
{
    struct scenario *loaded = NULL;
    enum status status = scenario_load(arguments->scenario, &loaded, err);
    /* A file that cannot be read is a wrong argument, not a failure of the run. */
    if (status == ST_SYSTEM)
        status = err->status = ST_INVALID;
    if (status != ST_OK)
        return status;
    status = scenario_filter(loaded, arguments->filters, arguments->filter_count, err);
    if (status != ST_OK) {
        scenario_free(loaded);
        return status;
    }
    for (size_t i = 0; i < loaded->cell_count && arguments->launches > 0; i++)
        loaded->cells[i].launches = (uint32_t)arguments->launches;
    *scenario = loaded;
    return ST_OK;
}

static void run_default_out(const struct scenario *scenario, char *path, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32] = "";
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(path, size, "results/runs/%s-%s", stamp, scenario->name);
    for (char *at = path + strlen("results/runs/"); *at; at++)
        if (*at == '/' || *at == ' ')
            *at = '_';
}

static bool run_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

/* What is left to say when the run is over, and the exit code. */
static int run_conclude(const struct runner_outcome *outcome, const char *out)
{
    const struct result_summary *summary = &outcome->summary;
    report_table(stdout, outcome->result, run_colour());
    report_conclusions(stdout, outcome->result, run_colour());
    fflush(stdout);
    fprintf(stderr, "%s%zu cell%s measured", outcome->interrupted ? "interrupted: " : "",
            summary->cells_ok, summary->cells_ok == 1 ? "" : "s");
    if (summary->cells_failed)
        fprintf(stderr, ", %zu failed", summary->cells_failed);
    if (summary->cells_incomplete)
        fprintf(stderr, ", %zu incomplete", summary->cells_incomplete);
    if (summary->cells_not_run)
        fprintf(stderr, ", %zu cannot run here or do not apply", summary->cells_not_run);
    fprintf(stderr, "\nresult: %s/result.json\n", out);
    if (outcome->interrupted)
        return EXIT_CODE_INTERRUPTED;
    if (outcome->role_died)
        return EXIT_CODE_ROLE_DIED;
    if (summary->cells_ok + summary->cells_failed + summary->cells_incomplete == 0)
        return EXIT_CODE_UNAVAILABLE;
    return summary->cells_failed || summary->cells_incomplete ? EXIT_CODE_FAILED : EXIT_CODE_OK;
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
    enum status status = run_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        fputs(run_help, stdout);
    if (status != ST_OK || arguments.help)
        goto undo_command;
    status = run_load(&arguments, &scenario, err);
    if (status != ST_OK)
        goto undo_command;
    if (arguments.has_peer)
        peer_judge_cells(scenario);
    if (arguments.dry_run) {
        status = dry_run_print(stdout, scenario, !arguments.no_floor && !arguments.has_peer, err);
        goto undo_scenario;
    }
    if (arguments.has_peer)
        status = run_prepare_peer(&arguments, err);
    if (status != ST_OK)
        goto undo_scenario;
    char default_out[512];
    run_default_out(scenario, default_out, sizeof default_out);
    const struct runner_options options = {
        .scenario = scenario,
        .out_dir = arguments.out ? arguments.out : default_out,
        .seed = arguments.seed,
        .clock = arguments.clock,
        .resume = arguments.resume,
        .no_floor = arguments.no_floor,
        .quiet = arguments.quiet,
        .peer = arguments.has_peer ? &arguments.peer : NULL,
        .command = command,
        .command_count = (size_t)argc,
    };
    struct runner_outcome outcome;
    status = runner_run(&options, &outcome, err);
    if (status == ST_OK) {
        *exit_code = run_conclude(&outcome, options.out_dir);
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
