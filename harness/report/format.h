/* format.h: numbers as people read them. Three significant digits, the unit that fits; "—" where
 * there is no number and "∞" where it is infinite. Called by every table and sentence. */
#ifndef HANDOFF_REPORT_FORMAT_H
#define HANDOFF_REPORT_FORMAT_H

#include <stddef.h>

/* A number of the result with its uncertainty. */
struct figure {
    enum figure_state { FIGURE_ABSENT, FIGURE_KNOWN, FIGURE_INFINITE } state;
    double value;
    double low; /* NAN without an interval; INFINITY is possible */
    double high;
    enum figure_spread { SPREAD_NONE, SPREAD_CI95, SPREAD_RANGE } spread;
    int launches;
};

/* How a figure is written. */
enum figure_unit {
    UNIT_NS,           /* 12.3 µs */
    UNIT_FRAMES_PER_S, /* 1,234 */
    UNIT_GB_PER_S,     /* bytes per second in, "1.23" out, in 10^9 bytes */
    UNIT_PERCENT,      /* 98.7 */
};

#define FIGURE_BYTES 48

/* All write into `text` of at least FIGURE_BYTES and return it. */
char *format_ns(double value_ns, char *text);
char *format_figure(const struct figure *figure, enum figure_unit unit, char *text);
/* A time that was chosen, not measured: as few digits as it has, "200 µs", "1 ms", "1.5 ms". */
char *format_bound(double value_ns, char *text);
/* "1.2×", "110×": a multiple of something. */
char *format_multiple(double multiple, char *text);
/* "6.22 MB": decimal units. */
char *format_bytes(double bytes, char *text);
/* Whole number with thousands separators: "24,883,200". */
char *format_count(double value, char *text);
/* "3.1 times", "110 times"; `ratio` at least 1. Below 1.5 as "12 %", to be followed by "more". */
char *format_ratio(double ratio, char *text);

/* "95 % interval 35–41 µs over 10 launches", "range 35–41 µs over 3 launches", "one launch",
 * or "" without a number. `text` holds at least 4 * FIGURE_BYTES. */
char *format_spread(const struct figure *figure, enum figure_unit unit, char *text, size_t size);

/* The interval alone, "37.5–38.9 µs"; "" without one. */
char *format_range(const struct figure *figure, enum figure_unit unit, char *text, size_t size);

#endif
