/* floor_table.c: see floor_table.h. */
#include "harness/cli/floor_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/format.h"
#include "harness/report/wrap.h"
#include "harness/scenario/axes.h"

#define FLOOR_WHAT_COLUMNS 45
#define FLOOR_TIME_COLUMNS 20

/* A heading; what it is about stands below it. In Markdown each has a table of its own. */
static void floor_print_heading(enum cli_format format, bool first, const char *heading)
{
    static const char *const titles[] = {"what", "time", "what it limits"};
    if (format == CLI_FORMAT_TABLE) {
        printf("%s%s\n", first ? "" : "\n", heading);
        return;
    }
    printf("%s### ", first ? "" : "\n");
    cli_print_markdown(stdout, heading);
    fputs("\n\n", stdout);
    cli_print_markdown_head(stdout, titles, 3);
}

/* One line: what was done, how long it takes, and which figure of a result cannot be below it. The
 * time is padded by hand, since printf counts the bytes of a "µ". */
static void floor_print_line(enum cli_format format, const char *what, const char *time,
                             const char *floor_of)
{
    int extra = 0;
    if (format == CLI_FORMAT_MARKDOWN) {
        cli_print_markdown_row(stdout, (const char *const[]){what, time, floor_of}, 3);
        return;
    }
    for (const char *at = time; *at; at++)
        extra += ((unsigned char)*at & 0xc0) == 0x80;
    int bytes = printf("  %-*s %*s  ", FLOOR_WHAT_COLUMNS, what, FLOOR_TIME_COLUMNS + extra, time);
    size_t column = (size_t)(bytes - extra);
    wrap_print(stdout, floor_of, column, column);
}

static void floor_line(enum cli_format format, const char *what, double value_ns,
                       const char *floor_of)
{
    char text[FIGURE_BYTES];
    floor_print_line(format, what, isnan(value_ns) ? "-" : format_ns(value_ns, text), floor_of);
}

static void floor_print_cpus(enum cli_format format, const struct floor *floor)
{
    for (size_t i = 0; i < floor->pair_count; i++) {
        const struct floor_pair *pair = &floor->pairs[i];
        char heading[64];
        snprintf(heading, sizeof heading, "Between CPU %d and CPU %d", pair->cpus.producer,
                 pair->cpus.consumer);
        floor_print_heading(format, true, heading);
        floor_line(format, "a word there and back, each side its own line",
                   pair->lines.two_lines.p50_ns, "half of it: `handoff` of shm");
        floor_line(format, "the same on one line", pair->lines.one_line.p50_ns,
                   "one word that both write");
        floor_line(format, "futex: from the wake call to the sleeper", floor->futex.one_way_ns,
                   "`handoff` of waits that sleep");
        floor_line(format, "futex: waking a sleeper, as the waker pays it",
                   floor->futex.wake_sleeper_ns, "`notify` of such a wait");
    }
}

static void floor_print_calls(enum cli_format format, const struct floor *floor)
{
    char what[64];
    floor_print_heading(format, floor->pair_count == 0, "One call");
    floor_line(format, "system call", floor->system_call_ns, "each send, receive or sleep");
    floor_line(format, "futex: waking nobody", floor->futex.wake_nobody_ns,
               "a `notify` nobody waits for");
    for (size_t i = 0; i < floor->clock_count; i++) {
        snprintf(what, sizeof what, "reading %s", floor->clocks[i].name);
        floor_line(format, what, floor->clocks[i].read_ns, "a stamp");
        floor_line(format, "  its tick", floor->clocks[i].tick_ns, "telling two stamps apart");
    }
    for (int i = 0; i < FLOOR_NANOSLEEPS; i++) {
        snprintf(what, sizeof what, "nanosleep of %" PRIu64 " us takes",
                 floor->nanosleep[i].requested_ns / 1000);
        floor_line(format, what, floor->nanosleep[i].p50_ns, "`poll`'s period; the pacer");
    }
    floor_line(format, "timer slack", floor->timer_slack_ns, "how late a sleep may end");
}

/* "123 us (45.6 GB/s)" in one column. */
static const char *floor_memory_cell(double value_ns, size_t bytes, char *text, size_t size)
{
    char time[FIGURE_BYTES], rate[FIGURE_BYTES];
    const double gb_per_s = (double)bytes / (value_ns > 0 ? value_ns : 1);
    if (gb_per_s < 1000)
        snprintf(rate, sizeof rate, "%.1f", gb_per_s);
    else
        format_count(gb_per_s, rate);
    if (isnan(value_ns))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%s (%s GB/s)", format_ns(value_ns, time), rate);
    return text;
}

static void floor_print_memory(enum cli_format format, const struct floor *floor,
                               const struct geometry *frames)
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
        char heading[CELL_AXIS_BYTES + 64];
        const struct floor_memory *memory = &floor->memory[i];
        snprintf(heading, sizeof heading, "A frame of %s, %s",
                 geometry_format(frames[i], geometry, sizeof geometry),
                 format_bytes((double)memory->bytes, size));
        floor_print_heading(format, false, heading);
        for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
            double value_ns;
            memcpy(&value_ns, (const char *)memory + rows[row].offset, sizeof value_ns);
            floor_print_line(format, rows[row].what,
                             floor_memory_cell(value_ns, memory->bytes, cell, sizeof cell),
                             rows[row].floor_of);
        }
    }
}

void floor_table_print(enum cli_format format, const struct floor *floor,
                       const struct geometry *frames)
{
    if (format == CLI_FORMAT_TABLE)
        floor_print_line(format, "WHAT", "TIME", "WHAT IT LIMITS");
    floor_print_cpus(format, floor);
    floor_print_calls(format, floor);
    floor_print_memory(format, floor, frames);
}

/* ---- the GPU --------------------------------------------------------------------------------- */

static void floor_print_gpu_size(enum cli_format format, const struct floor_gpu_size *size,
                                 struct geometry frame)
{
    /* How often a frame's bytes cross a memory or a bus: what the GB/s count. */
    const struct {
        const char *what;
        struct floor_gpu_figure figure;
        int times;
        const char *floor_of;
    } rows[] = {
        {"copy within device memory", size->device_copy, 2, "CUDA's copies; not a kernel's"},
        {"checksum of registered memory, in place", size->mapped_read, 1, "`access` mapped"},
        {"copy from registered memory to the device", size->host_copy, 1, "`access` copy"},
    };
    char geometry[CELL_AXIS_BYTES], bytes[FIGURE_BYTES], cell[2 * FIGURE_BYTES];
    char heading[CELL_AXIS_BYTES + 64];
    snprintf(heading, sizeof heading, "A frame of %s, %s, on the GPU",
             geometry_format(frame, geometry, sizeof geometry),
             format_bytes((double)size->bytes, bytes));
    floor_print_heading(format, false, heading);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        floor_print_line(format, rows[i].what,
                         floor_memory_cell(rows[i].figure.p50_ns,
                                           size->bytes * (size_t)rows[i].times, cell, sizeof cell),
                         rows[i].floor_of);
    double fill_invert_ns = size->fill_invert.p50_ns;
    char time[FIGURE_BYTES], rate[FIGURE_BYTES];
    if (isnan(fill_invert_ns))
        snprintf(cell, sizeof cell, "-");
    else
        snprintf(cell, sizeof cell, "%s (%s/s)", format_ns(fill_invert_ns, time),
                 format_count(round(1e9 / fmax(fill_invert_ns, 1)), rate));
    floor_print_line(format, "fill, then invert, in one process", cell,
                     "device memory, kernels in turn");
}

void floor_table_print_gpu(enum cli_format format, const struct floor_gpu *gpu,
                           const struct geometry *frames, const struct err *why_not)
{
    if (!gpu && format == CLI_FORMAT_MARKDOWN) {
        fputs("\nGPU: ", stdout);
        cli_print_markdown(stdout, why_not->what);
        putchar('\n');
        return;
    }
    if (!gpu) {
        int bytes = printf("\nGPU: ") - 1;
        wrap_print(stdout, why_not->what, (size_t)bytes, (size_t)bytes);
        return;
    }
    char heading[sizeof gpu->device + 8];
    snprintf(heading, sizeof heading, "GPU: %s", gpu->device);
    floor_print_heading(format, false, heading);
    floor_line(format, "an empty kernel, launch to synchronized", gpu->launch.p50_ns,
               "`latency`, launched by the CPU");
    floor_line(format, "  to a word that it writes in host memory", gpu->launch_word.p50_ns,
               "the same with sync flag");
    floor_line(format, "a host flag there and back, resident kernel", gpu->flag.p50_ns,
               "`latency` of wait gpu_kernel");
    floor_line(format, "a host word there and back, waiting stream", gpu->stream_values.p50_ns,
               "`latency` of wait gpu_stream");
    floor_line(format, "a turn of two processes, an empty kernel each", gpu->turn.p50_ns,
               "a frame, where they alternate");
    floor_line(format, "  of it, the change between them", floor_gpu_switch_ns(gpu),
               "what gpu_sharing mps spares");
    for (size_t i = 0; i < gpu->size_count; i++)
        floor_print_gpu_size(format, &gpu->sizes[i], frames[i]);
}
