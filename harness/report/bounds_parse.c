/* bounds_parse.c: bounds as people write them. See bounds.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bounds.h"

struct bounds_unit {
    const char *name;
    double factor;
};

/* A number above 0 and one of the units; a unit named "" makes it optional. */
static bool bounds_parse(const char *text, const struct bounds_unit *units, size_t count,
                         double *value)
{
    char *end;
    if (!strchr("0123456789.", text[0]) || !text[0])
        return false;
    double number = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        number *= units[i].factor;
        if (!isfinite(number) || number <= 0)
            return false;
        *value = number;
        return true;
    }
    return false;
}

bool bounds_parse_time(const char *text, double *time_ns)
{
    static const struct bounds_unit units[] = {
        {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"μs", 1e3}, {"ms", 1e6}, {"s", 1e9},
    };
    return bounds_parse(text, units, sizeof units / sizeof units[0], time_ns);
}

bool bounds_parse_percent(const char *text, double *percent)
{
    static const struct bounds_unit units[] = {{"", 1}, {"%", 1}};
    return bounds_parse(text, units, sizeof units / sizeof units[0], percent);
}

bool bounds_parse_rate(const char *text, double *rate_hz)
{
    static const struct bounds_unit units[] = {
        {"", 1}, {"/s", 1}, {"fps", 1}, {"Hz", 1}, {"hz", 1}, {"frames/s", 1},
    };
    return bounds_parse(text, units, sizeof units / sizeof units[0], rate_hz);
}
