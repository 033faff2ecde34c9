/* gnuplot.h: running gnuplot, and taking its pictures into a page. Called by plots.c. */
#ifndef HANDOFF_REPORT_GNUPLOT_H
#define HANDOFF_REPORT_GNUPLOT_H

#include "harness/base/err.h"
#include "harness/report/text.h"

#define GNUPLOT_PICTURES_MAX 100

/* Draws the pictures of rows `first` to `first + count - 1` (count at most GNUPLOT_PICTURES_MAX) of
 * the file `list` (a plain name) in the folder `dir` for each of the terminals "svg" and "png",
 * without a shell: plots/picture.gp says what a row holds. Its fields are strings to the scripts,
 * never code. One gnuplot draws many, because it takes longer to start than to draw, and a few run
 * at a time. ST_UNAVAILABLE when gnuplot is not installed, ST_TIMEOUT after a minute and a few
 * seconds for each picture, ST_SYSTEM with its first words on standard error when it fails: then
 * none of these pictures is there. Half a picture never is: not even when this process is killed,
 * and gnuplot dies with it. Blocks until all have ended. */
enum status gnuplot_draw(const char *dir, const char *list, size_t first, size_t count,
                         struct err *err);

/* Reads the SVG file gnuplot wrote and appends it to `out`, fit to stand inside a page: no prolog,
 * no ids, no background, known colours as CSS variables, `label` as its name. ST_CORRUPT for
 * anything that is no plain picture. */
enum status gnuplot_svg_inline(const char *path, const char *label, struct text *out,
                               struct err *err);

/* The palette (Okabe and Ito, readable with any colour vision), as 0xRRGGBB. */
#define PALETTE_COUNT 7
extern const unsigned palette[PALETTE_COUNT];

#endif
