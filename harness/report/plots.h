/* plots.h: the pictures of a report. Called by cmd_report; used by the page.
 *
 * Each picture is a data file, a gnuplot script with nothing pasted into it, and what gnuplot makes
 * of them: an SVG for the page and a PNG beside it. A result may have hundreds of cells, so there
 * is a bound on how many pictures are drawn and on what they take of the page; every block gets its
 * first before any gets its second, and what was left out is said.
 */
#ifndef HANDOFF_REPORT_PLOTS_H
#define HANDOFF_REPORT_PLOTS_H

#include "harness/report/verdict.h"

/* In the order in which a block shows them. */
enum plot_kind {
    PLOT_TRADEOFF, /* response against CPU, one point per compared value of one group */
    PLOT_HANDOFF,  /* bars of the compared figure, with CPU beside */
    PLOT_LATENCY,
    PLOT_RATES,    /* the same of frames per second, at pacing max */
    PLOT_SIZES,    /* frames per second, and bytes, by the size of a frame */
    PLOT_STAGES,   /* the stages, stacked */
    PLOT_TIMELINE, /* how each launch went over its time, of one group */
    PLOT_CURVES,   /* percentile curves of one group */
    PLOT_KIND_COUNT,
};

struct plot {
    enum plot_kind kind;
    size_t block;
    size_t group;
    char stem[48];       /* of its files: data, SVG, PNG */
    struct text caption; /* plain text */
    struct text svg;     /* to stand in the page; empty when it could not be made, or left out */
    bool left_out;       /* the page has no room for it: it is only beside it */
};

/* What one kind of picture shows of a block's groups. */
struct plot_extent {
    size_t block;
    enum plot_kind kind;
    size_t drawn;
    size_t left_out; /* groups that were not looked at, because enough were drawn */
};

struct plots {
    struct plot *items; /* by block, then by kind */
    size_t count;
    struct plot_extent *extents; /* PLOT_KIND_COUNT for each block */
    size_t block_count;
    struct err problem; /* why pictures are missing; status ST_OK when none is */
};

/* Writes DIR/plots/ and fills *plots. A missing or failing gnuplot is no error: see `problem`.
 * `prefix` keeps the files of several results apart; `results` is how many share the page, and its
 * room for pictures. ST_SYSTEM when nothing can be written there. The caller frees. */
enum status plots_make(const struct report *report, const char *dir, const char *prefix,
                       size_t results, struct plots **plots, struct err *err);
/* Which pictures of a block there was no room for, as a sentence; nothing when all are there. */
void plots_add_left_out(struct text *out, const struct plots *plots, size_t block);
/* Safe on NULL. */
void plots_free(struct plots *plots);

/* ---- Within plots*.c ------------------------------------------------------------------------ */

/* What a script needs beside its data; the strings are arguments to it. */
struct plot_input {
    struct text data;
    struct text headings;
    char layout[160];  /* numbers with a decimal point or no exponent: gnuplot 5.4 refuses 6e+06 */
    struct text label; /* of the axis */
    struct text colours; /* curves, sizes and timelines only */
    struct text ticks;   /* trade-off and sizes only: "0.0000 0 0.4812 1 …", places and names */
    size_t series;
};
void plot_input_free(struct plot_input *input);

/* Each fills an input and a caption; false when there is nothing to draw. */
bool plot_bars_fill(const struct report_block *block, enum metric metric, struct plot_input *input,
                    struct text *caption);
bool plot_stages_fill(const struct report_block *block, struct plot_input *input,
                      struct text *caption);
bool plot_curves_fill(const struct report_block *block, const struct report_group *group,
                      struct plot_input *input, struct text *caption);
bool plot_tradeoff_fill(const struct report_block *block, const struct report_group *group,
                        struct plot_input *input, struct text *caption);
bool plot_sizes_fill(const struct report_block *block, struct plot_input *input,
                     struct text *caption);
bool plot_timeline_fill(const struct report_block *block, const struct report_group *group,
                        struct plot_input *input, struct text *caption);
/* Leaves pictures out of the page until the others take at most `bytes_max`: those that were chosen
 * first, and stand first, have their room first. */
void plots_room_share(struct plots *plots, size_t bytes_max);
/* The colour of a cell: the same for the same compared value everywhere in its block. */
unsigned plot_colour(const struct report_block *block, const struct report_cell *cell);

/* ---- plot_draw.c: files and gnuplot ---------------------------------------------------------- */

/* Makes the folder and writes the scripts into it. */
enum status plot_scripts_write(const char *folder, struct err *err);
/* Writes a plot's data and adds its row to the list of pictures; takes older pictures away. */
enum status plot_input_write(const char *folder, const struct plot *plot,
                             const struct plot_input *input, struct text *list, struct err *err);
/* Draws all plots, which the list has in their order, and takes the SVGs in. What fails is in
 * plots->problem. */
enum status plot_all_draw(const char *folder, const char *prefix, struct plots *plots,
                          const struct text *list, struct err *err);

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
