/* format.c: numbers as people read them. See format.h. */
#include "harness/report/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits of a value in [0, 1000), without exponent. */
static void digits_format(double value, char *text)
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, FIGURE_BYTES, "%.*f", decimals, value);
}

char *format_ns(double value_ns, char *text)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    if (isnan(value_ns))
        return strcpy(text, "—");
    if (isinf(value_ns))
        return strcpy(text, "∞");
    size_t unit = 0;
    double value = value_ns;
    while (fabs(value) >= 999.5 && unit < 3) {
        value /= 1000;
        unit++;
    }
    if (fabs(value) >= 999.5) { /* beyond a quarter of an hour: whole seconds */
        snprintf(text, FIGURE_BYTES, "%.0f s", fmin(value, 1e15));
        return text;
    }
    if (unit == 0)
        snprintf(text, FIGURE_BYTES, "%.0f", value);
    else
        digits_format(value, text);
    size_t used = strlen(text);
    snprintf(text + used, FIGURE_BYTES - used, " %s", units[unit]);
    return text;
}

char *format_bound(double value_ns, char *text)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    size_t unit = 0;
    double value = value_ns;
    while (fabs(value) >= 1000 && unit < 3) {
        value /= 1000;
        unit++;
    }
    snprintf(text, FIGURE_BYTES, "%.6g %s", value, units[unit]);
    return text;
}

char *format_multiple(double multiple, char *text)
{
    snprintf(text, FIGURE_BYTES, multiple < 9.95 ? "%.1f×" : "%.0f×", fmin(multiple, 1e15));
    return text;
}

char *format_count(double value, char *text)
{
    if (!isfinite(value) || fabs(value) >= 1e18) {
        snprintf(text, FIGURE_BYTES, "%g", value);
        return text;
    }
    char digits[FIGURE_BYTES];
    int count = snprintf(digits, sizeof digits, "%.0f", value);
    size_t used = 0;
    for (int i = 0; i < count && used < FIGURE_BYTES - 2; i++) {
        text[used++] = digits[i];
        int left = count - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-')
            text[used++] = ',';
    }
    text[used] = '\0';
    return text;
}

char *format_bytes(double bytes, char *text)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit < 3) {
        bytes /= 1000;
        unit++;
    }
    char digits[FIGURE_BYTES];
    if (unit == 0 || bytes >= 999.5)
        format_count(bytes, digits);
    else
        digits_format(bytes, digits);
    snprintf(text, FIGURE_BYTES, "%.30s %s", digits, units[unit]);
    return text;
}

char *format_ratio(double ratio, char *text)
{
    if (ratio < 1.5)
        snprintf(text, FIGURE_BYTES, "%.*f %%", ratio < 1.1 ? 1 : 0, (ratio - 1) * 100);
    else if (ratio < 9.95)
        snprintf(text, FIGURE_BYTES, "%.1f times", ratio);
    else
        snprintf(text, FIGURE_BYTES, "%.0f times", fmin(ratio, 1e15));
    return text;
}

/* One number of a figure, without looking at its state. */
static char *number_format(double value, enum figure_unit unit, char *text)
{
    if (unit == UNIT_NS)
        return format_ns(value, text);
    if (isnan(value))
        return strcpy(text, "—");
    if (isinf(value))
        return strcpy(text, "∞");
    if (unit == UNIT_GB_PER_S)
        value /= 1e9;
    if (value == 0)
        return strcpy(text, "0");
    if (unit == UNIT_PERCENT && fabs(value) < 0.05)
        return strcpy(text, "0.0"); /* never "-0.0" */
    if (fabs(value) >= 999.5)
        return format_count(value, text);
    if (unit == UNIT_GB_PER_S && value > 0 && value < 0.0005)
        strcpy(text, "<.001");
    else if (unit == UNIT_GB_PER_S && value < 0.00995)
        snprintf(text, FIGURE_BYTES, "%.3f", value);
    else if (unit == UNIT_PERCENT)
        snprintf(text, FIGURE_BYTES, "%.*f", fabs(value) < 9.95 ? 1 : 0, value);
    else
        digits_format(value, text);
    return text;
}

char *format_figure(const struct figure *figure, enum figure_unit unit, char *text)
{
    if (figure->state == FIGURE_ABSENT)
        return strcpy(text, "—");
    if (figure->state == FIGURE_INFINITE)
        return strcpy(text, "∞");
    return number_format(figure->value, unit, text);
}

char *format_range(const struct figure *figure, enum figure_unit unit, char *text, size_t size)
{
    char low[FIGURE_BYTES], high[FIGURE_BYTES];
    text[0] = '\0';
    if (figure->state == FIGURE_ABSENT || figure->spread == SPREAD_NONE || figure->launches < 2 ||
        isnan(figure->low) || isnan(figure->high))
        return text;
    number_format(figure->low, unit, low);
    number_format(figure->high, unit, high);
    char *low_unit = strchr(low, ' '), *high_unit = strchr(high, ' ');
    if (low_unit && high_unit && strcmp(low_unit, high_unit) == 0)
        *low_unit = '\0'; /* said once */
    snprintf(text, size, "%s–%s", low, high);
    return text;
}

char *format_spread(const struct figure *figure, enum figure_unit unit, char *text, size_t size)
{
    char range[3 * FIGURE_BYTES];
    text[0] = '\0';
    if (figure->state == FIGURE_ABSENT)
        return text;
    if (figure->launches == 1) {
        snprintf(text, size, "one launch");
        return text;
    }
    if (!format_range(figure, unit, range, sizeof range)[0])
        return text;
    snprintf(text, size, "%s %s over %d launches",
             figure->spread == SPREAD_CI95 ? "95 % interval" : "range", range, figure->launches);
    return text;
}
