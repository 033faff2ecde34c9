/* cmd_doctor.c: `handoff doctor`: is this machine fit to measure on, and what would make it so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/doctor_print.h"
#include "harness/cli/options.h"
#include "harness/env/env.h"
#include "harness/env/files.h"
#include "harness/env/fitness.h"
#include "harness/measure/gaps.h"
#include "harness/run/capability.h"
#include "harness/run/placement.h"
#include "harness/run/run_gaps.h"

static const struct cli_option doctor_options[] = {
    CLI_FORMAT_OPTION('f'),
    {'c', "cpus", "LIST", CLI_TEXT, NULL,
     "the CPUs to watch for gaps, as 2,3 or 0-7 (default: the two that placement auto takes)", 0},
    {'n', "no-gaps", NULL, CLI_FLAG, NULL,
     "do not watch the CPUs for gaps, which takes a second in which they do nothing else", 0},
};

static const struct cli_exit_code doctor_exit_codes[] = {
    {EXIT_CODE_OK, "fit to measure on, if with warnings"},
    {EXIT_CODE_FAILED, "not fit: figures would mislead"},
    {EXIT_CODE_USAGE, "bad usage"},
    {EXIT_CODE_ERROR, "it could not be found out"},
    {EXIT_CODE_UNAVAILABLE, "this process may not run on those CPUs"},
};

struct doctor_arguments {
    int cpus[GAPS_CPUS_MAX];
    size_t cpu_count; /* 0: as placement auto */
    enum cli_format format;
    bool no_gaps;
    bool help;
};

static enum status doctor_parse_cpus(const char *text, struct doctor_arguments *arguments,
                                     struct err *err)
{
    uint32_t cpus[GAPS_CPUS_MAX + 1];
    uint32_t count = env_cpu_list_parse(text, cpus, GAPS_CPUS_MAX + 1);
    if (count == 0)
        return err_set(err, ST_INVALID, "write it as --cpus 2,3 or --cpus 0-7",
                       "--cpus takes numbers of CPUs, not \"%s\"", text);
    if (count > GAPS_CPUS_MAX)
        return err_set(err, ST_INVALID, "watch those that a measurement uses",
                       "--cpus: more than %d CPUs", GAPS_CPUS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && cpus[i] <= cpus[i - 1])
            return err_set(err, ST_INVALID, "name each CPU once, in rising order",
                           "--cpus: CPU %u comes after CPU %u", cpus[i], cpus[i - 1]);
        arguments->cpus[i] = (int)cpus[i];
    }
    arguments->cpu_count = count;
    return ST_OK;
}

static enum status doctor_parse(int argc, char **argv, struct doctor_arguments *arguments,
                                struct err *err)
{
    struct cli_parse parse = {.command = &command_doctor, .argc = argc, .argv = argv};
    enum status status = ST_OK;
    for (int key; status == ST_OK && (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == 'f')
            arguments->format = cli_format_from_name(parse.value);
        else if (key == 'c')
            status = doctor_parse_cpus(parse.value, arguments, err);
        else if (key == 'n')
            arguments->no_gaps = true;
        else if (key == CLI_HELP)
            arguments->help = true;
        if (arguments->help)
            return ST_OK;
    }
    if (status == ST_OK && parse.operand_index < argc)
        return err_set(err, ST_INVALID, "`handoff doctor --help` shows what it takes",
                       "doctor: takes options only");
    return status;
}

/* Those of placement auto, which a run takes unless its scenario says otherwise. */
static enum status doctor_pick_cpus(struct doctor_arguments *arguments, struct err *err)
{
    const struct cell cell = {.placement = PLACEMENT_AUTO};
    struct placement_cpus cpus;
    if (arguments->cpu_count > 0)
        return ST_OK;
    struct topology *topology = calloc(1, sizeof *topology);
    if (!topology)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    enum status status = topology_read(topology, err);
    if (status == ST_OK)
        status = placement_pick(topology, &cell, &cpus, err);
    free(topology);
    if (status != ST_OK)
        return status;
    arguments->cpus[arguments->cpu_count++] = cpus.producer;
    if (cpus.consumer != cpus.producer)
        arguments->cpus[arguments->cpu_count++] = cpus.consumer;
    return ST_OK;
}

/* The machine as a run would find it. How busy it is comes first: asking a GPU is work. */
static enum status doctor_examine(struct doctor_arguments *arguments, cJSON **environment,
                                  struct err *err)
{
    cJSON *made = NULL;
    struct gaps gaps;
    enum status status = env_collect("", &made, err);
    if (status == ST_OK && !capability_describe_into(made))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the environment");
    if (status == ST_OK && !arguments->no_gaps)
        status = doctor_pick_cpus(arguments, err);
    if (status == ST_OK && !arguments->no_gaps)
        status = gaps_measure(arguments->cpus, arguments->cpu_count, GAPS_WINDOW_NS, &gaps, err);
    if (status == ST_OK && !arguments->no_gaps && !json_add(made, "gaps", gaps_to_json(&gaps)))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the gaps");
    if (status == ST_OK)
        *environment = made;
    else
        cJSON_Delete(made);
    return status;
}

static enum status cmd_doctor(int argc, char **argv, int *exit_code, struct err *err)
{
    struct doctor_arguments arguments = {.format = CLI_FORMAT_TABLE};
    cJSON *environment = NULL, *fitness = NULL;
    enum status status = doctor_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_doctor, stdout);
    if (status != ST_OK || arguments.help)
        return status;
    status = doctor_examine(&arguments, &environment, err);
    if (status == ST_OK)
        status = fitness_make(environment, NULL, &fitness, err);
    if (status == ST_OK)
        status = doctor_print(stdout, arguments.format, fitness, environment, err);
    if (status == ST_OK && fitness_worst(json_get(fitness, "before")) == FITNESS_UNFIT)
        *exit_code = EXIT_CODE_FAILED;
    cJSON_Delete(fitness);
    cJSON_Delete(environment);
    return status;
}

const struct cli_command command_doctor = {
    .name = "doctor",
    .synopsis = "[OPTION]...",
    .summary = "is this machine fit to measure on, and what would make it so",
    .description =
        "Looks at what moves figures on this machine - clocks, other work, idle states, limits, "
        "heat, who else uses the GPU - and says of each finding what it does to a measurement and "
        "what changes it. Changes nothing itself. Takes a second or two.\n\n"
        "`handoff run` looks at the same before its first launch and after its last, and keeps "
        "what it finds in the result.",
    .options = doctor_options,
    .option_count = sizeof doctor_options / sizeof doctor_options[0],
    .exit_codes = doctor_exit_codes,
    .exit_code_count = sizeof doctor_exit_codes / sizeof doctor_exit_codes[0],
    .run = cmd_doctor,
};
