/* plots.h: the pictures of a report. Called by cmd_report; used by the page.
 *
 * Each picture is a data file, a gnuplot script with nothing pasted into it, and what gnuplot makes
 * of them: an SVG for the page and a PNG beside it.
 */
#ifndef HANDOFF_REPORT_PLOTS_H
#define HANDOFF_REPORT_PLOTS_H

#include "harness/report/verdict.h"

enum plot_kind {
    PLOT_HANDOFF, /* bars of the compared figure, with CPU beside */
    PLOT_LATENCY,
    PLOT_RATES,    /* the same of frames per second, at pacing max */
    PLOT_CURVES,   /* percentile curves of one group */
    PLOT_STAGES,   /* the stages, stacked */
    PLOT_TRADEOFF, /* response against CPU, one point per wait of one group */
};

struct plot {
    enum plot_kind kind;
    size_t block;
    char stem[48];       /* of its files: data, SVG, PNG */
    struct text caption; /* plain text */
    struct text svg;     /* to stand in the page; empty when it could not be made */
};

struct plots {
    struct plot *items;
    size_t count;
    struct err problem; /* why pictures are missing; status ST_OK when none is */
};

/* Writes DIR/plots/ and fills *plots. A missing or failing gnuplot is no error: see `problem`.
 * `prefix` keeps the files of several results apart. ST_SYSTEM when nothing can be written there.
 * The caller frees. */
enum status plots_make(const struct report *report, const char *dir, const char *prefix,
                       struct plots **plots, struct err *err);
/* Safe on NULL. */
void plots_free(struct plots *plots);

/* ---- Within plots*.c ------------------------------------------------------------------------ */

/* What a script needs beside its data; the strings are arguments to it. */
struct plot_input {
    struct text data;
    struct text headings;
    char layout[160];
    struct text label;   /* of the axis */
    struct text colours; /* curves only */
    struct text ticks;   /* trade-off only: "0.0000 0 0.4812 1 …", places and names */
    size_t series;
};
void plot_input_free(struct plot_input *input);

/* Each fills an input, a caption and an `alt` text; false when there is nothing to draw. */
bool plot_bars_fill(const struct report_block *block, enum metric metric, struct plot_input *input,
                    struct text *caption);
bool plot_stages_fill(const struct report_block *block, struct plot_input *input,
                      struct text *caption);
bool plot_curves_fill(const struct report_block *block, const struct report_group *group,
                      struct plot_input *input, struct text *caption);
bool plot_tradeoff_fill(const struct report_block *block, const struct report_group *group,
                        struct plot_input *input, struct text *caption);
/* The colour of a cell: the same for the same compared value everywhere in its block. */
unsigned plot_colour(const struct report_block *block, const struct report_cell *cell);
/* ---- plot_labels.c: where names stand beside their points ---------------------------------- */

struct plot_label {
    double x, y;         /* of the point, in pixels of the drawing, y downwards */
    double width;        /* of the name */
    double left, middle; /* where the name goes: its left end, and its middle line */
    bool led;            /* too far from its point to be its own: draw a line to it, ending at */
    double end_x, end_y;
};
/* Things that no name may cover: a rectangle each, such as an interval's line. */
struct plot_box {
    double left, top, right, bottom;
};
/* Places the labels, as near to their points as leaves all of them, the points and the boxes free,
 * inside 0..width and 0..height; where that cannot be, where least is covered. The same input gives
 * the same places. */
void plot_labels_place(struct plot_label *labels, size_t count, const struct plot_box *boxes,
                       size_t box_count, double width, double height);

/* The unit that fits a largest value: its name, and what to divide by. */
const char *plot_unit(double largest_ns, double *divisor);

#endif
