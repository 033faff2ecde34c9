/* gnuplot.h: running gnuplot, and taking its pictures into a page. Called by plots.c. */
#ifndef HANDOFF_REPORT_GNUPLOT_H
#define HANDOFF_REPORT_GNUPLOT_H

#include "harness/base/err.h"
#include "harness/report/text.h"

#define GNUPLOT_ARGS_MAX 9

/* Runs `gnuplot -d -c script args…` in the folder `dir`, without a shell. Arguments are strings to
 * the script, never code. ST_UNAVAILABLE when gnuplot is not installed, ST_TIMEOUT after a minute,
 * ST_SYSTEM with its first words on standard error when it fails. Blocks until it has ended. */
enum status gnuplot_run(const char *dir, const char *script, const char *const args[], size_t count,
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
