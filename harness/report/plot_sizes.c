/* plot_sizes.c: the data of throughput by the size of a frame: one line per compared value. See
 * plots.h and plots/sizes.gp.
 *
 * A line joins cells that differ in nothing but the frame. Only cells that go as fast as they can
 * are drawn: at maximum rate where the block has such, else in ping-pong. At a rate there is
 * nothing to see, it is what was asked for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/gnuplot.h"
#include "harness/report/plots.h"

#define LINES_MAX 8
#define POINTS_MAX 64 /* of one line */
#define NAME_CHARACTERS_MAX 30
#define NAME_BYTES 256
/* The drawing's inside, in pixels: sizes.gp has the margins that leave it. */
#define INSIDE_WIDTH 474.0
#define TICKS_APART 58.0

struct point {
    double bytes;
    struct figure frames_per_s;
    struct figure bytes_per_s;
};

struct line {
    char name[NAME_BYTES];
    unsigned colour;
    struct point points[POINTS_MAX];
    size_t count;
};

struct sizes {
    struct line lines[LINES_MAX];
    size_t count;
    size_t left_out;
    const char *pacing;
};

/* "shm · checksum": what tells the cell from those of other lines. */
static void name_make(const struct report_block *block, const struct report_cell *cell, char *name)
{
    char value[REPORT_AXIS_BYTES];
    size_t used = 0;
    name[0] = '\0';
    for (int compared = 1; compared >= 0; compared--)
        for (size_t i = 0; i < block->varying_count && used < NAME_BYTES; i++) {
            const char *axis = block->varying[i];
            if ((strcmp(axis, block->compare) == 0) != compared || strcmp(axis, "frame") == 0 ||
                strcmp(axis, "pacing") == 0 || (block->bound[i] && !compared))
                continue;
            report_axis_pretty(cell, axis, value);
            used += (size_t)snprintf(name + used, NAME_BYTES - used, "%s%s%s%s", used ? " · " : "",
                                     report_axis_speaks(axis) ? "" : report_axis_title(axis),
                                     report_axis_speaks(axis) ? "" : " ", value);
        }
    if (!name[0])
        snprintf(name, NAME_BYTES, "all");
}

static void point_put(struct sizes *sizes, const struct report_block *block,
                      const struct report_cell *cell, const struct point *point)
{
    char name[NAME_BYTES];
    struct line *line = NULL;
    name_make(block, cell, name);
    for (size_t i = 0; i < sizes->count && !line; i++)
        if (strcmp(sizes->lines[i].name, name) == 0)
            line = &sizes->lines[i];
    if (!line && sizes->count == LINES_MAX) {
        sizes->left_out++;
        return;
    }
    if (!line) {
        line = &sizes->lines[sizes->count];
        snprintf(line->name, sizeof line->name, "%s", name);
        line->colour = palette[sizes->count++ % PALETTE_COUNT];
    }
    for (size_t i = 0; i < line->count; i++)
        if (line->points[i].bytes == point->bytes)
            return; /* two that this picture cannot tell apart: the first */
    if (line->count < POINTS_MAX)
        line->points[line->count++] = *point;
}

static int by_bytes(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Gathers the lines; false when none has two sizes. */
static bool sizes_gather(const struct report_block *block, const char *pacing, struct sizes *sizes)
{
    memset(sizes, 0, sizeof *sizes);
    sizes->pacing = pacing;
    for (size_t i = 0; i < block->cell_count; i++) {
        const struct report_cell *cell = &block->cells[i];
        const struct point point = {json_get_number(cell->json, "payload_bytes", 0),
                                    report_throughput(cell, "frames_per_s"),
                                    report_throughput(cell, "payload_bytes_per_s")};
        if (cell->ok && report_axis_is(cell, "pacing", pacing) && point.bytes >= 1 &&
            point.bytes < 1e15 && point.frames_per_s.state == FIGURE_KNOWN &&
            point.frames_per_s.value > 0 && point.bytes_per_s.state == FIGURE_KNOWN &&
            isfinite(point.frames_per_s.value) && isfinite(point.bytes_per_s.value))
            point_put(sizes, block, cell, &point);
    }
    bool any = false;
    for (size_t i = 0; i < sizes->count; i++) {
        qsort(sizes->lines[i].points, sizes->lines[i].count, sizeof(struct point), by_bytes);
        any = any || sizes->lines[i].count > 1;
    }
    return any;
}

static double end_of(double end, double value)
{
    return isfinite(end) && end > 0 ? end : value;
}

/* Places and names of the sizes, where there is room. *range is of bytes. */
static void ticks_add(struct text *ticks, const struct sizes *sizes, const double range[2])
{
    double taken[LINES_MAX * POINTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizes->count; i++)
        for (size_t j = 0; j < sizes->lines[i].count; j++) {
            const double bytes = sizes->lines[i].points[j].bytes;
            const double at = log(bytes / range[0]) / log(range[1] / range[0]) * INSIDE_WIDTH;
            char name[FIGURE_BYTES];
            bool room = true;
            for (size_t k = 0; k < count && room; k++)
                room = fabs(taken[k] - at) >= TICKS_APART;
            if (!room)
                continue;
            taken[count++] = at;
            text_addf(ticks, "%s%.0f ", count > 1 ? " " : "", bytes);
            for (const char *c = format_bytes(bytes, name); *c; c++)
                text_add_bytes(ticks, *c == ' ' ? "_" : c, 1); /* a word; sizes.gp undoes it */
        }
}

/* What the axes must hold. */
struct ends {
    double bytes[2];
    double rates[2];
    double bytes_per_s;
};

/* One index of the data. */
static void line_add(struct plot_input *input, const struct line *line, struct ends *ends)
{
    text_addf(&input->colours, "%s%u", input->series ? " " : "", line->colour);
    text_add(&input->data, input->series++ ? "\n\nx\t" : "x\t");
    text_add_label(&input->data, line->name, NAME_CHARACTERS_MAX);
    text_add(&input->data, "\n");
    for (size_t i = 0; i < line->count; i++) {
        const struct point *point = &line->points[i];
        const struct figure *rate = &point->frames_per_s, *bytes = &point->bytes_per_s;
        const double low = end_of(rate->low, rate->value), high = end_of(rate->high, rate->value);
        const double most = end_of(bytes->high, bytes->value);
        text_addf(&input->data, "%.0f\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\n", point->bytes,
                  rate->value, low, high, bytes->value / 1e9,
                  end_of(bytes->low, bytes->value) / 1e9, most / 1e9);
        ends->bytes[0] = fmin(ends->bytes[0], point->bytes);
        ends->bytes[1] = fmax(ends->bytes[1], point->bytes);
        ends->rates[0] = fmin(ends->rates[0], low);
        ends->rates[1] = fmax(ends->rates[1], high);
        ends->bytes_per_s = fmax(ends->bytes_per_s, most);
    }
}

static void caption_write(struct text *caption, const struct sizes *sizes)
{
    text_addf(caption,
              "Frames and payload bytes per second by the size of a frame, %s. Lines up and down "
              "are intervals across launches; both axes above and the one of sizes are "
              "logarithmic.",
              strcmp(sizes->pacing, "max") == 0 ? "at maximum rate"
                                                : "one frame in flight (ping-pong)");
    if (sizes->left_out)
        text_addf(caption, " The first %d lines are drawn; the table has the others.", LINES_MAX);
}

bool plot_sizes_fill(const struct report_block *block, struct plot_input *input,
                     struct text *caption)
{
    static const char *const pacings[] = {"max", "pingpong"};
    struct ends ends = {{INFINITY, 0}, {INFINITY, 0}, 0};
    struct sizes *sizes = malloc(sizeof *sizes);
    bool any = false;
    for (size_t i = 0; sizes && !any && i < sizeof pacings / sizeof pacings[0]; i++)
        any = sizes_gather(block, pacings[i], sizes);
    for (size_t i = 0; any && i < sizes->count; i++)
        line_add(input, &sizes->lines[i], &ends);
    if (any) {
        const double room = pow(ends.bytes[1] / ends.bytes[0], 0.06);
        ends.bytes[0] /= room;
        ends.bytes[1] *= room;
        ticks_add(&input->ticks, sizes, ends.bytes);
        snprintf(input->layout, sizeof input->layout, "%.5e %.5e %.5e %.5e %.5e", ends.bytes[0],
                 ends.bytes[1], ends.rates[0] / 1.4, ends.rates[1] * 1.4,
                 ends.bytes_per_s / 1e9 * 1.08);
        text_add(&input->label, "payload of a frame");
        caption_write(caption, sizes);
    }
    free(sizes);
    return any;
}
