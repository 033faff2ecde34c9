/* plot_tradeoff.c: the data of the trade-off: response against CPU. See plots.h, tradeoff.h and
 * plots/tradeoff.gp.
 *
 * The CPU axis is stretched near zero (an inverse hyperbolic sine), because waits that sleep lie
 * between 0 and 10 % of a CPU and those that spin near 200 %. The places of names are chosen here,
 * so the drawing's size stands here and in the script.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/plots.h"
#include "harness/report/tradeoff.h"

/* The drawing's inside, in pixels of the SVG: tradeoff.gp has the margins that leave it. */
#define INSIDE_WIDTH 474.0
#define INSIDE_HEIGHT 330.0
#define CHARACTER_WIDTH 6.9
#define NAME_CHARACTERS_MAX 26
#define POINTS_MAX 40
#define TICKS_APART 26.0

#define CORNERS_MAX (2 * POINTS_MAX + 1)

struct corner {
    double x, y;
};

struct range {
    double x[2]; /* stretched */
    double y[2]; /* logarithms of nanoseconds */
};

static double stretch(double percent)
{
    return asinh(percent / 2);
}

static double low_of(const struct figure *figure)
{
    return isfinite(figure->low) ? fmin(figure->low, figure->value) : figure->value;
}

static double high_of(const struct figure *figure)
{
    return isfinite(figure->high) ? fmax(figure->high, figure->value) : figure->value;
}

static struct range range_of(const struct tradeoff *tradeoff)
{
    struct range range = {{0, stretch(1)}, {INFINITY, -INFINITY}};
    for (size_t i = 0; i < tradeoff->count; i++) {
        const struct tradeoff_point *point = &tradeoff->points[i];
        range.x[0] = fmin(range.x[0], stretch(low_of(&point->cpu)));
        range.x[1] = fmax(range.x[1], stretch(high_of(&point->cpu)));
        range.y[0] = fmin(range.y[0], log(fmax(1, low_of(&point->time))));
        range.y[1] = fmax(range.y[1], log(fmax(1, high_of(&point->time))));
    }
    double x_room = (range.x[1] - range.x[0]) * 0.05, y_room = (range.y[1] - range.y[0]) * 0.07;
    range.x[0] -= range.x[0] < 0 ? x_room : 0.02 * (range.x[1] - range.x[0]);
    range.x[1] += x_room;
    range.y[0] -= fmax(y_room, 0.2);
    range.y[1] += fmax(y_room, 0.2);
    return range;
}

static double pixel_x(const struct range *range, double percent)
{
    return (stretch(percent) - range->x[0]) / (range->x[1] - range->x[0]) * INSIDE_WIDTH;
}

static double pixel_y(const struct range *range, double ns)
{
    return (range->y[1] - log(fmax(1, ns))) / (range->y[1] - range->y[0]) * INSIDE_HEIGHT;
}

/* Back from pixels to what the axes count. */
static double axis_x(const struct range *range, double pixel)
{
    return range->x[0] + pixel / INSIDE_WIDTH * (range->x[1] - range->x[0]);
}

static double axis_y(const struct range *range, double pixel)
{
    return exp(range->y[1] - pixel / INSIDE_HEIGHT * (range->y[1] - range->y[0]));
}

/* "0.0000 0 0.4812 1 …": where there is room, from the larger steps to the smaller. */
static void ticks_add(struct text *ticks, const struct range *range)
{
    static const double wanted[] = {0, 10, 100, 1000, 1,  -1, -10, 50,   200,
                                    5, 20, 2,   500,  -5, -2, -20, -100, 2000};
    double taken[sizeof wanted / sizeof wanted[0]];
    size_t count = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        double at = pixel_x(range, wanted[i]);
        bool room = at >= -0.5 && at <= INSIDE_WIDTH + 0.5;
        for (size_t j = 0; j < count && room; j++)
            room = fabs(taken[j] - at) >= TICKS_APART;
        if (!room)
            continue;
        taken[count++] = at;
        text_addf(ticks, "%s%.4f %g", count > 1 ? " " : "", stretch(wanted[i]), wanted[i]);
    }
}

static int by_cpu(const void *a, const void *b)
{
    const struct tradeoff_point *x = *(const struct tradeoff_point *const *)a;
    const struct tradeoff_point *y = *(const struct tradeoff_point *const *)b;
    if (x->cpu.value != y->cpu.value)
        return x->cpu.value < y->cpu.value ? -1 : 1;
    return (x->time.value > y->time.value) - (x->time.value < y->time.value);
}

/* The corners of the step line, in pixels: for what CPU one gets what response, from the top edge
 * to the right one. Returns how many. */
static size_t corners_make(const struct tradeoff *tradeoff, const struct range *range,
                           struct corner corners[CORNERS_MAX])
{
    const struct tradeoff_point *line[POINTS_MAX];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < tradeoff->count && count < POINTS_MAX; i++)
        if (tradeoff->points[i].frontier)
            line[count++] = &tradeoff->points[i];
    qsort(line, count, sizeof *line, by_cpu);
    double y = 0;
    for (size_t i = 0; i < count; i++) {
        double x = pixel_x(range, line[i]->cpu.value);
        corners[used++] = (struct corner){x, y};
        y = pixel_y(range, line[i]->time.value);
        corners[used++] = (struct corner){x, y};
    }
    corners[used++] = (struct corner){INSIDE_WIDTH, y};
    return used;
}

/* The lines of intervals and frontier as what no name should cover, and the names placed. */
static void labels_place(const struct tradeoff *tradeoff, const struct range *range,
                         const struct corner *corners, size_t corner_count,
                         struct plot_label *labels)
{
    struct plot_box boxes[2 * POINTS_MAX + CORNERS_MAX];
    size_t count = tradeoff->count < POINTS_MAX ? tradeoff->count : POINTS_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct tradeoff_point *point = &tradeoff->points[i];
        struct text name = {0};
        text_add_label(&name, point->cell->short_label, NAME_CHARACTERS_MAX);
        labels[i] =
            (struct plot_label){.x = pixel_x(range, point->cpu.value),
                                .y = pixel_y(range, point->time.value),
                                .width = CHARACTER_WIDTH * (double)text_width(text_get(&name))};
        text_free(&name);
        boxes[2 * i] = (struct plot_box){pixel_x(range, low_of(&point->cpu)), labels[i].y - 1.5,
                                         pixel_x(range, high_of(&point->cpu)), labels[i].y + 1.5};
        boxes[2 * i + 1] =
            (struct plot_box){labels[i].x - 1.5, pixel_y(range, high_of(&point->time)),
                              labels[i].x + 1.5, pixel_y(range, low_of(&point->time))};
    }
    size_t box_count = 2 * count;
    for (size_t i = 0; i + 1 < corner_count; i++)
        boxes[box_count++] = (struct plot_box){
            fmin(corners[i].x, corners[i + 1].x) - 1, fmin(corners[i].y, corners[i + 1].y) - 1,
            fmax(corners[i].x, corners[i + 1].x) + 1, fmax(corners[i].y, corners[i + 1].y) + 1};
    plot_labels_place(labels, count, boxes, box_count, INSIDE_WIDTH, INSIDE_HEIGHT);
}

static void point_add(struct text *data, const struct report_block *block,
                      const struct tradeoff_point *point, const struct plot_label *label,
                      const struct range *range)
{
    bool to_the_left = label->left + label->width < label->x;
    double end = to_the_left ? label->left + label->width : label->left;
    double x = stretch(point->cpu.value);
    text_addf(data, "%.5g\t%.6g\t%.5g\t%.5g\t%.6g\t%.6g\t%u\t%d\t%.5g\t%.6g\t%s\t%.5g\t%.6g\t", x,
              point->time.value, stretch(low_of(&point->cpu)), stretch(high_of(&point->cpu)),
              low_of(&point->time), high_of(&point->time), plot_colour(block, point->cell),
              point->frontier ? 1 : 0, axis_x(range, end), axis_y(range, label->middle),
              to_the_left ? "right" : "left", label->led ? axis_x(range, label->end_x) : x,
              label->led ? axis_y(range, label->end_y) : point->time.value);
    text_add_label(data, point->cell->short_label, NAME_CHARACTERS_MAX);
    text_add(data, "\n");
}

bool plot_tradeoff_fill(const struct report_block *block, const struct report_group *group,
                        struct plot_input *input, struct text *caption)
{
    struct tradeoff tradeoff;
    struct plot_label labels[POINTS_MAX];
    struct corner corners[CORNERS_MAX];
    if (!tradeoff_make(block, group, &tradeoff))
        return false;
    if (tradeoff.count > POINTS_MAX)
        tradeoff.count = POINTS_MAX;
    struct range range = range_of(&tradeoff);
    size_t corner_count = corners_make(&tradeoff, &range, corners);
    labels_place(&tradeoff, &range, corners, corner_count, labels);
    for (size_t i = 0; i < tradeoff.count; i++)
        point_add(&input->data, block, &tradeoff.points[i], &labels[i], &range);
    text_add(&input->data, "\n\n");
    for (size_t i = 0; i < corner_count; i++)
        text_addf(&input->data, "%.5g\t%.6g\n", axis_x(&range, corners[i].x),
                  axis_y(&range, corners[i].y));
    ticks_add(&input->ticks, &range);
    snprintf(input->layout, sizeof input->layout, "%.4e %.4e %.5e %.5e", range.x[0], range.x[1],
             exp(range.y[0]), exp(range.y[1]));
    text_addf(&input->label, "response %s", tradeoff.quantile);
    text_add(&input->headings, tradeoff.net ? "CPU, % of one: whole machine less the pacer's"
                                            : "CPU, % of one: both roles");
    text_addf(caption,
              "How soon against what CPU%s%s. Lower left is better; none of the others beats those "
              "on the line (filled) in both. Lines are intervals across launches; the "
              "CPU axis is stretched near zero.",
              group->context[0] ? " · " : "", group->context);
    if (strcmp(tradeoff.quantile, "p99") != 0)
        text_addf(caption, " Too few frames for p99: this is %s.", tradeoff.quantile);
    if (tradeoff.left_out.used_bytes)
        text_addf(caption, " Not drawn, because frames never finished: %s.",
                  text_get(&tradeoff.left_out));
    tradeoff_free(&tradeoff);
    return true;
}
