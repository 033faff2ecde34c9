/* cmd_floor.c: `handoff floor`: what this machine can do at best, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/floor_table.h"
#include "harness/run/placement.h"
#include "harness/run/run_floor.h"
#include "harness/scenario/axes.h"

struct floor_arguments {
    struct cell cell; /* its placement and, one after the other, its frames */
    struct geometry frames[FLOOR_SIZES_MAX];
    size_t frame_count;
    enum cli_format format;
    bool help;
};

static enum status floor_parse_cpus(const char *text, struct cell *cell, struct err *err)
{
    char placement[64];
    snprintf(placement, sizeof placement, "cpus:%s", text);
    if (strlen(text) < sizeof placement - sizeof "cpus:" &&
        axis_parse_text(&axis_table[AXIS_INDEX_placement], placement, cell, err) == ST_OK)
        return ST_OK;
    return err_set(err, ST_INVALID, "write it as --cpus 0,1",
                   "--cpus takes the numbers of two CPUs, not \"%s\"", text);
}

static enum status floor_add_frame(const char *text, struct floor_arguments *arguments,
                                   struct err *err)
{
    if (arguments->frame_count == FLOOR_SIZES_MAX)
        return err_set(err, ST_INVALID, "run it again for the others", "more than %d --frame",
                       FLOOR_SIZES_MAX);
    enum status status =
        axis_parse_text(&axis_table[AXIS_INDEX_frame], text, &arguments->cell, err);
    if (status != ST_OK)
        return err_context(err, "--frame %s", text);
    arguments->frames[arguments->frame_count++] = arguments->cell.geometry;
    return ST_OK;
}

static enum status floor_take(struct floor_arguments *arguments, int key, const char *value,
                              struct err *err)
{
    switch (key) {
    case 'c':
        return floor_parse_cpus(value, &arguments->cell, err);
    case 'f':
        return floor_add_frame(value, arguments, err);
    case 'F':
        arguments->format = cli_format_from_name(value);
        return ST_OK;
    default:
        arguments->format = CLI_FORMAT_JSON;
        return ST_OK;
    }
}

static enum status floor_parse(int argc, char **argv, struct floor_arguments *arguments,
                               struct err *err)
{
    static const char *const frames[] = {"640x480x3", "1920x1080x3", "3840x2160x3"};
    struct cli_parse parse = {.command = &command_floor, .argc = argc, .argv = argv};
    enum status status = ST_OK;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            arguments->help = true;
            return ST_OK;
        }
        status = floor_take(arguments, key, parse.value, err);
        if (status != ST_OK)
            return status;
    }
    bool no_frames = arguments->frame_count == 0;
    if (parse.operand_index < argc)
        return err_set(err, ST_INVALID, "`handoff floor --help` shows what it takes",
                       "floor: takes options only");
    for (size_t i = 0; no_frames && i < sizeof frames / sizeof frames[0] && status == ST_OK; i++)
        status = floor_add_frame(frames[i], arguments, err);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status floor_print_json(const struct floor *floor, const struct floor_gpu *gpu,
                                    struct err *err)
{
    cJSON *json = run_floor_json(floor, gpu);
    const enum status status = cli_print_json(stdout, json, err);
    cJSON_Delete(json);
    return status;
}

static enum status floor_pick_cpus(const struct cell *cell, struct floor_config *config,
                                   struct err *err)
{
    struct topology *topology = calloc(1, sizeof *topology);
    if (!topology)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    struct placement_cpus cpus;
    enum status status = topology_read(topology, err);
    if (status == ST_OK)
        status = placement_pick(topology, cell, &cpus, err);
    free(topology);
    if (status != ST_OK)
        return status;
    config->pairs[0] = (struct floor_cpus){cpus.producer, cpus.consumer};
    config->pair_count = 1;
    return ST_OK;
}

/* That there is no GPU is no warning: the table says so. */
static void floor_print_warnings(const struct floor *floor, const struct floor_gpu *gpu,
                                 const struct err *no_gpu)
{
    for (size_t i = 0; i < floor->warning_count; i++)
        fprintf(stderr, "warning: %s\n", floor->warnings[i]);
    for (size_t i = 0; gpu && i < gpu->warning_count; i++)
        fprintf(stderr, "warning: %s\n", gpu->warnings[i]);
    if (!gpu && no_gpu->status != ST_UNAVAILABLE)
        fprintf(stderr, "warning: %s\n", no_gpu->what);
}

static enum status cmd_floor(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct floor_arguments arguments = {.cell = {.placement = PLACEMENT_AUTO}};
    struct floor_config config = {0};
    enum status status = floor_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_floor, stdout);
    if (status == ST_OK && !arguments.help)
        status = floor_pick_cpus(&arguments.cell, &config, err);
    if (status != ST_OK || arguments.help)
        return status;
    for (size_t i = 0; i < arguments.frame_count; i++)
        config.sizes_bytes[config.size_count++] = geometry_payload_bytes(arguments.frames[i]);
    struct clock_choice clock;
    struct floor floor;
    status = clock_choose(CLOCK_REQUEST_AUTO, &clock, err);
    if (status != ST_OK)
        return status;
    config.clock = &clock;
    status = floor_measure(&config, &floor, err);
    if (status != ST_OK)
        return status;
    struct floor_gpu_config gpu_config = run_floor_gpu_config(&config);
    struct floor_gpu gpu;
    struct err no_gpu = {0};
    bool has_gpu = floor_gpu_measure(&gpu_config, &gpu, &no_gpu) == ST_OK;
    floor_print_warnings(&floor, has_gpu ? &gpu : NULL, &no_gpu);
    if (arguments.format == CLI_FORMAT_JSON)
        return floor_print_json(&floor, has_gpu ? &gpu : NULL, err);
    floor_table_print(arguments.format, &floor, arguments.frames);
    floor_table_print_gpu(arguments.format, has_gpu ? &gpu : NULL, arguments.frames, &no_gpu);
    return ST_OK;
}

static const struct cli_option floor_options[] = {
    {'c', "cpus", "P,C", CLI_TEXT, NULL,
     "the producer's and the consumer's CPU (default: those that placement `auto` takes)", 0},
    {'f', "frame", "WxHxC", CLI_TEXT, NULL,
     "a frame size to copy and read; may be given 4 times (default: 640x480x3, 1920x1080x3 and "
     "3840x2160x3)",
     0},
    CLI_FORMAT_OPTION('F'),
    CLI_JSON_OPTION('j'),
};

static const struct cli_exit_code floor_exit_codes[] = {
    {EXIT_CODE_OK, "fine"},
    {EXIT_CODE_USAGE, "bad usage"},
    {EXIT_CODE_ERROR, "it could not be measured"},
    {EXIT_CODE_UNAVAILABLE, "this process may not run on those CPUs"},
};

const struct cli_command command_floor = {
    .name = "floor",
    .synopsis = "[OPTION]...",
    .summary = "what this machine can do at best: what a hand-off is held against",
    .description =
        "Measures what this machine can do at best: the limits that a hand-off is held against. "
        "Takes about a second, two at most, and some five more for a GPU; wants an otherwise idle "
        "machine. As JSON it is the `floor` object of a result, see results/README.md.\n\n"
        "What could not be measured is \"-\" (null), with a warning on standard error.",
    .options = floor_options,
    .option_count = sizeof floor_options / sizeof floor_options[0],
    .exit_codes = floor_exit_codes,
    .exit_code_count = sizeof floor_exit_codes / sizeof floor_exit_codes[0],
    .run = cmd_floor,
};
