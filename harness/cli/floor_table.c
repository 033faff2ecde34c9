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

static void floor_print_memory(const struct floor *floor, const struct geometry *frames)
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
        printf("\nA frame of %s, %s\n", geometry_format(frames[i], geometry, sizeof geometry),
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

void floor_table_print(const struct floor *floor, const struct geometry *frames)
{
    floor_print_line("WHAT", "TIME", "WHAT IT LIMITS");
    floor_print_cpus(floor);
    floor_print_calls(floor);
    floor_print_memory(floor, frames);
}

/* ---- the GPU ----------------------------------------------------------------------------------- */

static void floor_print_gpu_size(const struct floor_gpu_size *size, struct geometry frame)
{
    /* How often a frame's bytes cross a memory or a bus: what the GB/s count. */
    const struct {
        const char *what;
        struct floor_gpu_figure figure;
        int times;
        const char *floor_of;
    } rows[] = {
        {"copy within device memory", size->device_copy, 2, "a kernel (read and written)"},
        {"checksum of registered memory, in place", size->mapped_read, 1, "`access` mapped"},
        {"copy from registered memory to the device", size->host_copy, 1, "`access` copy"},
    };
    char geometry[CELL_AXIS_BYTES], bytes[FIGURE_BYTES], cell[2 * FIGURE_BYTES];
    printf("\nA frame of %s, %s, on the GPU\n", geometry_format(frame, geometry, sizeof geometry),
           format_bytes((double)size->bytes, bytes));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        floor_print_line(rows[i].what,
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
    floor_print_line("fill, then invert, in one process", cell, "every device transport");
}

void floor_table_print_gpu(const struct floor_gpu *gpu, const struct geometry *frames,
                           const struct err *why_not)
{
    int bytes = printf("\nGPU: ") - 1;
    if (!gpu) {
        wrap_print(stdout, why_not->what, (size_t)bytes, (size_t)bytes);
        return;
    }
    printf("%s\n", gpu->device);
    floor_line("an empty kernel, launch to synchronized", gpu->launch.p50_ns,
               "`latency`, launched by the CPU");
    floor_line("a host flag there and back, resident kernel", gpu->flag.p50_ns,
               "`latency` of wait gpu_kernel");
    floor_line("a host word there and back, waiting stream", gpu->stream_values.p50_ns,
               "`latency` of wait gpu_stream");
    floor_line("a turn of two processes, an empty kernel each", gpu->turn.p50_ns,
               "a frame, where they alternate");
    floor_line("  of it, the change between them", floor_gpu_switch_ns(gpu),
               "what gpu_sharing mps spares");
    for (size_t i = 0; i < gpu->size_count; i++)
        floor_print_gpu_size(&gpu->sizes[i], frames[i]);
}
