/* cmd_floor.c: `handoff floor`: what this machine can do at best, as a table or as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/cli.h"
#include "harness/measure/floor.h"
#include "harness/report/format.h"
#include "harness/report/wrap.h"
#include "harness/run/placement.h"
#include "harness/scenario/axes.h"

static const char floor_help[] =
    "Usage: handoff floor [OPTION]...\n"
    "\n"
    "Measures what this machine can do at best: the limits that a hand-off is held against. Takes\n"
    "about a second, two at most; wants an otherwise idle machine.\n"
    "\n"
    "  --cpus P,C       the producer's and the consumer's CPU (default: those that placement\n"
    "                   `auto` takes)\n"
    "  --frame WxHxC    a frame size to copy and read; may be given 4 times (default: 640x480x3,\n"
    "                   1920x1080x3 and 3840x2160x3)\n"
    "  --json           the `floor` object of a result, see results/README.md\n"
    "  -h, --help       show this text\n"
    "\n"
    "What could not be measured is \"-\" (null), with a warning on standard error.\n"
    "Exit status: 0 fine, 2 bad usage, 77 this process may not run on those CPUs.\n";

struct floor_arguments {
    struct cell cell; /* its placement and, one after the other, its frames */
    struct geometry frames[FLOOR_SIZES_MAX];
    size_t frame_count;
    bool json;
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

static enum status floor_parse(int argc, char **argv, struct floor_arguments *arguments,
                               struct err *err)
{
    static const struct option options[] = {{"cpus", required_argument, NULL, 'c'},
                                            {"frame", required_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static const char *const frames[] = {"640x480x3", "1920x1080x3", "3840x2160x3"};
    enum status status = ST_OK;
    cli_options_begin();
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            status = floor_parse_cpus(optarg, &arguments->cell, err);
            break;
        case 'f':
            status = floor_add_frame(optarg, arguments, err);
            break;
        case 'j':
            arguments->json = true;
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
    bool no_frames = arguments->frame_count == 0;
    if (optind < argc)
        return err_set(err, ST_INVALID, "`handoff floor --help` shows what it takes",
                       "floor: takes options only");
    for (size_t i = 0; no_frames && i < sizeof frames / sizeof frames[0] && status == ST_OK; i++)
        status = floor_add_frame(frames[i], arguments, err);
    return status;
}

#define FLOOR_WHAT_COLUMNS 45
#define FLOOR_TIME_COLUMNS 20

/* ---- the table ------------------------------------------------------------------------------- */

/* One line: what was done, how long it takes, and which figure of a result cannot be below it. The
 * time is padded by hand, since printf counts the bytes of a "µ". */
static void floor_print_line(const char *what, const char *time, const char *floor_of)
{
    int extra = 0;
    for (const char *at = time; *at; at++)
        extra += ((unsigned char)*at & 0xc0) == 0x80;
    int bytes = printf("  %-*s %*s  ", FLOOR_WHAT_COLUMNS, what, FLOOR_TIME_COLUMNS + extra, time);
    size_t column = (size_t)(bytes - extra);
    wrap_print(stdout, floor_of, column, column);
}

static void floor_line(const char *what, double value_ns, const char *floor_of)
{
    char text[FIGURE_BYTES];
    floor_print_line(what, isnan(value_ns) ? "-" : format_ns(value_ns, text), floor_of);
}

static void floor_print_cpus(const struct floor *floor)
{
    for (size_t i = 0; i < floor->pair_count; i++) {
        const struct floor_pair *pair = &floor->pairs[i];
        printf("Between CPU %d and CPU %d\n", pair->cpus.producer, pair->cpus.consumer);
        floor_line("a word there and back, each side its own line", pair->lines.two_lines.p50_ns,
                   "half of it: `handoff` of shm");
        floor_line("the same on one line", pair->lines.one_line.p50_ns, "one word that both write");
        floor_line("futex: from the wake call to the sleeper", floor->futex.one_way_ns,
                   "`handoff` of waits that sleep");
        floor_line("futex: waking a sleeper, as the waker pays it", floor->futex.wake_sleeper_ns,
                   "`notify` of such a wait");
    }
}

static void floor_print_calls(const struct floor *floor)
{
    char what[64];
    printf("%sOne call\n", floor->pair_count ? "\n" : "");
    floor_line("system call", floor->system_call_ns, "each send, receive or sleep");
    floor_line("futex: waking nobody", floor->futex.wake_nobody_ns, "a `notify` nobody waits for");
    for (size_t i = 0; i < floor->clock_count; i++) {
        snprintf(what, sizeof what, "reading %s", floor->clocks[i].name);
        floor_line(what, floor->clocks[i].read_ns, "a stamp");
        floor_line("  its tick", floor->clocks[i].tick_ns, "telling two stamps apart");
    }
    for (int i = 0; i < FLOOR_NANOSLEEPS; i++) {
        snprintf(what, sizeof what, "nanosleep of %" PRIu64 " us takes",
                 floor->nanosleep[i].requested_ns / 1000);
        floor_line(what, floor->nanosleep[i].p50_ns, "`poll`'s period; the pacer");
    }
    floor_line("timer slack", floor->timer_slack_ns, "how late a sleep may end");
}

/* "123 us (45.6 GB/s)" in one column. */
static const char *floor_memory_cell(double value_ns, size_t bytes, char *text, size_t size)
{
    char time[FIGURE_BYTES];
    if (isnan(value_ns))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%s (%.1f GB/s)", format_ns(value_ns, time),
                 (double)bytes / (value_ns > 0 ? value_ns : 1));
    return text;
}

static void floor_print_memory(const struct floor *floor, const struct floor_arguments *arguments)
{
    static const struct {
        const char *what;
        size_t offset;
        const char *floor_of;
    } rows[] = {
        {"copy, the same buffers again", offsetof(struct floor_memory, copy_cached_ns),
         "`fill` copy, frame in a cache"},
        {"copy, out of every cache", offsetof(struct floor_memory, copy_evicted_ns),
         "`fill` copy, frame in memory"},
        {"read, the same buffer again", offsetof(struct floor_memory, read_cached_ns),
         "a kernel, frame in its cache"},
        {"read, out of every cache", offsetof(struct floor_memory, read_evicted_ns),
         "a kernel, frame in memory"},
        {"read, just written by the other CPU",
         offsetof(struct floor_memory, read_written_elsewhere_ns), "a kernel, frame handed over"},
    };
    for (size_t i = 0; i < floor->memory_count; i++) {
        char geometry[CELL_AXIS_BYTES], size[FIGURE_BYTES], cell[2 * FIGURE_BYTES];
        const struct floor_memory *memory = &floor->memory[i];
        printf("\nA frame of %s, %s\n",
               geometry_format(arguments->frames[i], geometry, sizeof geometry),
               format_bytes((double)memory->bytes, size));
        for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
            double value_ns;
            memcpy(&value_ns, (const char *)memory + rows[row].offset, sizeof value_ns);
            floor_print_line(rows[row].what,
                             floor_memory_cell(value_ns, memory->bytes, cell, sizeof cell),
                             rows[row].floor_of);
        }
    }
}

static enum status floor_print_json(const struct floor *floor, struct err *err)
{
    cJSON *json = floor_to_json(floor);
    char *text = json ? cJSON_Print(json) : NULL;
    enum status status =
        text ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor");
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

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

enum status cmd_floor(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct floor_arguments arguments = {.cell = {.placement = PLACEMENT_AUTO}};
    struct floor_config config = {0};
    enum status status = floor_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        fputs(floor_help, stdout);
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
    for (size_t i = 0; i < floor.warning_count; i++)
        fprintf(stderr, "warning: %s\n", floor.warnings[i]);
    if (arguments.json)
        return floor_print_json(&floor, err);
    floor_print_line("WHAT", "TIME", "WHAT IT LIMITS");
    floor_print_cpus(&floor);
    floor_print_calls(&floor);
    floor_print_memory(&floor, &arguments);
    return ST_OK;
}
