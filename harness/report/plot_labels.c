/* plot_labels.c: names beside points, without one covering another. See plots.h.
 *
 * The crowded points first, each name takes the free place nearest to its point; then each in turn
 * may move once more, now that all the others stand. Called by plot_tradeoff.c.
 */
#include <math.h>
#include <stdlib.h>

#include "harness/report/plots.h"

#define LABEL_HEIGHT 15.0
#define POINT_RADIUS 6.0
#define NEAR 9.0      /* between a point and its name */
#define LED_FROM 10.0 /* a name further off gets a line */
#define RINGS 9
#define DIRECTIONS 12
#define PASSES 5
#define COST_OF_COVER 40.0 /* of a covered square pixel against a pixel of distance */

static double overlap(const struct plot_box *a, const struct plot_box *b)
{
    double width = fmin(a->right, b->right) - fmax(a->left, b->left);
    double height = fmin(a->bottom, b->bottom) - fmax(a->top, b->top);
    return width > 0 && height > 0 ? width * height : 0;
}

static struct plot_box label_box(const struct plot_label *label)
{
    return (struct plot_box){label->left - 2, label->middle - LABEL_HEIGHT / 2,
                             label->left + label->width + 2, label->middle + LABEL_HEIGHT / 2};
}

static struct plot_box point_box(const struct plot_label *label)
{
    return (struct plot_box){label->x - POINT_RADIUS, label->y - POINT_RADIUS,
                             label->x + POINT_RADIUS, label->y + POINT_RADIUS};
}

/* From the point to the nearest spot of the name. */
static double label_distance(const struct plot_label *label)
{
    struct plot_box box = label_box(label);
    double dx = fmax(0, fmax(box.left - label->x, label->x - box.right));
    double dy = fmax(0, fmax(box.top - label->y, label->y - box.bottom));
    return hypot(dx, dy);
}

/* What the line to a name that stands off covers: sampled along it. */
static double leader_cover(const struct plot_label *label, const struct plot_box *box)
{
    struct plot_box own = label_box(label);
    double to_x = fmin(fmax(label->x, own.left), own.right), covered = 0;
    double to_y = fmin(fmax(label->y, own.top), own.bottom);
    for (int i = 1; i < 10; i++) {
        double x = label->x + (to_x - label->x) * i / 10;
        double y = label->y + (to_y - label->y) * i / 10;
        covered += x > box->left && x < box->right && y > box->top && y < box->bottom;
    }
    return covered;
}

/* On which side of the line from a to b the point lies. */
static double side(const double a[2], const double b[2], const double point[2])
{
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
}

/* Whether the lines from two points to their names cross. */
static bool leaders_cross(const struct plot_label *a, const struct plot_label *b)
{
    struct plot_box box_a = label_box(a), box_b = label_box(b);
    double from_a[2] = {a->x, a->y}, from_b[2] = {b->x, b->y};
    double to_a[2] = {fmin(fmax(a->x, box_a.left), box_a.right),
                      fmin(fmax(a->y, box_a.top), box_a.bottom)};
    double to_b[2] = {fmin(fmax(b->x, box_b.left), box_b.right),
                      fmin(fmax(b->y, box_b.top), box_b.bottom)};
    return side(from_a, to_a, from_b) * side(from_a, to_a, to_b) < 0 &&
           side(from_b, to_b, from_a) * side(from_b, to_b, to_a) < 0;
}

/* What it costs to put label `index` where it is, beside the first `placed` labels. */
static double place_cost(const struct plot_label *const *labels, size_t count, size_t index,
                         size_t placed, const struct plot_box *boxes, size_t box_count,
                         double width, double height)
{
    const struct plot_label *label = labels[index];
    struct plot_box box = label_box(label);
    double distance = label_distance(label), covered = 0;
    if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height)
        return INFINITY;
    for (size_t i = 0; i < count; i++) {
        struct plot_box point = point_box(labels[i]);
        covered += overlap(&box, &point);
        if (i != index && distance > LED_FROM)
            covered += 5 * leader_cover(label, &point);
        if (i < placed && i != index) {
            struct plot_box other = label_box(labels[i]);
            covered += 2 * overlap(&box, &other) + leaders_cross(label, labels[i]);
            if (distance > LED_FROM)
                covered += 20 * leader_cover(label, &other);
            if (label_distance(labels[i]) > LED_FROM)
                covered += 20 * leader_cover(labels[i], &box);
        }
    }
    for (size_t i = 0; i < box_count; i++)
        covered += 0.5 * overlap(&box, &boxes[i]);
    return distance + COST_OF_COVER * covered;
}

static void label_place(struct plot_label *const *labels, size_t count, size_t index, size_t placed,
                        const struct plot_box *boxes, size_t box_count, double width, double height)
{
    struct plot_label *label = labels[index], best = *label;
    double least = INFINITY;
    best.left = fmin(fmax(label->x + NEAR, 0), fmax(0, width - label->width));
    best.middle = label->y;
    for (int ring = 0; ring < RINGS; ring++) {
        for (int direction = 0; direction < DIRECTIONS; direction++) {
            double angle = 2 * 3.14159265358979 * direction / DIRECTIONS;
            double radius = NEAR + 9.0 * ring;
            double x = label->x + radius * cos(angle), y = label->y - radius * sin(angle);
            /* The name's near end, or its middle above and below, stands there. */
            label->left = cos(angle) > 0.3    ? x
                          : cos(angle) < -0.3 ? x - label->width
                                              : x - label->width / 2;
            label->middle = fabs(cos(angle)) > 0.3 ? y : y - LABEL_HEIGHT / 3 * sin(angle);
            /* Rather to the right than elsewhere, other things being equal. */
            double cost = place_cost((const struct plot_label *const *)labels, count, index, placed,
                                     boxes, box_count, width, height) +
                          0.3 * direction / DIRECTIONS;
            if (cost < least) {
                least = cost;
                best.left = label->left;
                best.middle = label->middle;
            }
        }
    }
    label->left = best.left;
    label->middle = best.middle;
    struct plot_box box = label_box(label);
    label->led = label_distance(label) > LED_FROM;
    label->end_x = fmin(fmax(label->x, box.left), box.right);
    label->end_y = fmin(fmax(label->y, box.top + 2), box.bottom - 2);
}

void plot_labels_place(struct plot_label *labels, size_t count, const struct plot_box *boxes,
                       size_t box_count, double width, double height)
{
    struct plot_label **order = calloc(count + 1, sizeof *order);
    double *crowd = calloc(count + 1, sizeof *crowd);
    for (size_t i = 0; order && crowd && i < count; i++) {
        double near = 0;
        for (size_t j = 0; j < count; j++)
            near += exp(-hypot(labels[i].x - labels[j].x, labels[i].y - labels[j].y) / 40);
        size_t at = i;
        for (; at > 0 && crowd[at - 1] < near; at--) {
            order[at] = order[at - 1];
            crowd[at] = crowd[at - 1];
        }
        order[at] = &labels[i];
        crowd[at] = near;
    }
    for (size_t i = 0; order && crowd && i < count; i++)
        label_place(order, count, i, i, boxes, box_count, width, height);
    for (size_t i = 0; order && crowd && i < count * PASSES; i++)
        label_place(order, count, i % count, count, boxes, box_count, width, height);
    free(order);
    free(crowd);
}
