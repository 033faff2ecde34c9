/* stats_steady.c: does a launch hold still, and how long does it take to warm up? See stats.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/stats.h"

#define STEADY_FRAMES_MIN 60
#define STEADY_RUNS_MAX 6
#define STEADY_RUN_FRAMES_MIN 5
#define STEADY_ERRORS 4.0
#define WARMUP_WINDOW 9
#define WARMUP_FRAMES_MIN 5
#define WARMUP_DEVIATIONS 3.0
/* Where both see a real difference. */
#define STEADY_DIFFERENCE 0.10
/* Median absolute deviation to standard deviation, for a normal distribution. */
#define MAD_TO_SIGMA 1.4826

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median; reorders `values`. count > 0. */
static double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

/* The median of a copy; `scratch` has room for `count`. */
static double median_copy(const double *values, size_t count, double *scratch)
{
    memcpy(scratch, values, count * sizeof *values);
    return median_of(scratch, count);
}

/* 1.4826 times the median distance from `center`; reorders and overwrites `values`. */
static double robust_sigma(double *values, size_t count, double center)
{
    for (size_t i = 0; i < count; i++)
        values[i] = fabs(values[i] - center);
    return MAD_TO_SIGMA * median_of(values, count);
}

/* The finite latencies as doubles, in order, and as much scratch behind them; NULL without memory
 * or without values. The caller frees. */
static double *finite_copy(const uint64_t *latencies_ns, size_t count, size_t *finite)
{
    *finite = 0;
    double *values = count ? malloc(2 * count * sizeof *values) : NULL;
    if (!values)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (latencies_ns[i] != UINT64_MAX)
            values[(*finite)++] = (double)latencies_ns[i];
    return values;
}

/* The median of a stretch and its squared standard error, from runs of neighbours: the runs'
 * medians scatter by what neighbours share, too. The mean of squares, not a median, is taken of so
 * few. */
static double stretch_median(const double *values, size_t count, double *scratch, double *variance)
{
    size_t runs = count / STEADY_RUN_FRAMES_MIN;
    if (runs > STEADY_RUNS_MAX)
        runs = STEADY_RUNS_MAX;
    double medians[STEADY_RUNS_MAX];
    double mean = 0.0;
    for (size_t i = 0; i < runs; i++) {
        size_t begin = count * i / runs;
        size_t end = count * (i + 1) / runs;
        medians[i] = median_copy(values + begin, end - begin, scratch);
        mean += medians[i] / (double)runs;
    }
    double squares = 0.0;
    for (size_t i = 0; i < runs; i++)
        squares += (medians[i] - mean) * (medians[i] - mean);
    *variance = squares / (double)(runs - 1) / (double)runs;
    return median_copy(values, count, scratch);
}

bool stats_steady(const uint64_t *latencies_ns, size_t count)
{
    if (count < STEADY_FRAMES_MIN)
        return true;
    size_t finite;
    double *values = finite_copy(latencies_ns, count, &finite);
    if (!values)
        return false;
    bool steady = true;
    if (finite >= STEADY_FRAMES_MIN) {
        size_t third = finite / 3;
        double *scratch = values + finite;
        double first_variance;
        double last_variance;
        double first = stretch_median(values, third, scratch, &first_variance);
        double last = stretch_median(values + finite - third, third, scratch, &last_variance);
        double difference = fabs(last - first);
        steady = difference <= STEADY_DIFFERENCE * fmin(first, last) ||
                 difference <= STEADY_ERRORS * sqrt(first_variance + last_variance);
    }
    free(values);
    return steady;
}

/* Overwrites values[i] by the median of values[i .. i+8]; returns how many windows there are. */
static size_t rolling_medians(double *values, size_t count)
{
    size_t windows = count - WARMUP_WINDOW + 1;
    for (size_t i = 0; i < windows; i++) {
        double window[WARMUP_WINDOW];
        memcpy(window, values + i, sizeof window);
        values[i] = median_of(window, WARMUP_WINDOW);
    }
    return windows;
}

/* The first window that is at home with the 8 after it and with 9 in 10 of all that follow; or
 * `windows`. */
static size_t first_at_home(const double *medians, size_t windows, double home, double tolerance)
{
    size_t found = windows;
    size_t outside = 0; /* among the windows from i on */
    size_t streak = 0;  /* windows from i on that are inside without a gap */
    for (size_t i = windows; i-- > 0;) {
        bool is_outside = fabs(medians[i] - home) > tolerance;
        outside += is_outside;
        streak = is_outside ? 0 : streak + 1;
        bool stays = streak >= WARMUP_WINDOW || i + streak == windows;
        if (!is_outside && stays && outside * 10 <= windows - i)
            found = i;
    }
    return found;
}

uint32_t stats_warmup(const uint64_t *latencies_ns, size_t count)
{
    size_t half = count / 2;
    size_t finite;
    double *values = finite_copy(latencies_ns, count, &finite);
    size_t warmup = half;
    if (values && finite >= 2 * WARMUP_WINDOW) {
        double *scratch = values + finite;
        size_t second = finite / 2;
        double home = median_copy(values + second, finite - second, scratch);
        size_t windows = rolling_medians(values, finite);
        memcpy(scratch, values + second, (windows - second) * sizeof *values);
        double sigma = robust_sigma(scratch, windows - second, home);
        double tolerance = fmax(STEADY_DIFFERENCE * home, WARMUP_DEVIATIONS * sigma);
        size_t found = first_at_home(values, windows, home, tolerance);
        if (found < windows)
            warmup = 2 * (found + WARMUP_WINDOW / 2);
    }
    free(values);
    if (warmup < WARMUP_FRAMES_MIN)
        warmup = WARMUP_FRAMES_MIN;
    return (uint32_t)(warmup > half ? half : warmup);
}
