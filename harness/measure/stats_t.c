/* stats_t.c: Student's t distribution, with degrees of freedom that need not be whole (Welch's),
 * and the effect that a t test would have found. See stats.h.
 */
#include "harness/measure/stats.h"

#include <assert.h>
#include <math.h>

/* With more degrees than these the figures are those of so many: nobody reads the difference. */
#define STATS_T_DEGREES_MAX 1e7

/* a continued fraction 1 + k1 / (1 + k2 / (1 + …)), evaluated forwards (Lentz). */
struct stats_fraction {
    double c, d, value;
};

static void stats_fraction_step(struct stats_fraction *fraction, double k)
{
    const double tiny = 1e-300; /* instead of a division by 0 */
    fraction->d = 1.0 + k * fraction->d;
    fraction->d = 1.0 / (fabs(fraction->d) < tiny ? tiny : fraction->d);
    fraction->c = 1.0 + k / fraction->c;
    fraction->c = fabs(fraction->c) < tiny ? tiny : fraction->c;
    fraction->value *= fraction->c * fraction->d;
}

/* The incomplete beta function I_x(a, b), but for its factor x^a (1 - x)^b / (a B(a, b)): NIST
 * 8.17.22, quick for x < (a + 1) / (a + b + 2). */
static double stats_beta_fraction(double x, double a, double b)
{
    struct stats_fraction fraction = {.c = 1.0, .d = 0.0, .value = 1.0};
    for (double m = 1.0; m < 1e5; m += 1.0) {
        double before = fraction.value;
        double two = a + 2.0 * m;
        stats_fraction_step(&fraction,
                            -(a + m - 1.0) * (a + b + m - 1.0) * x / (two - 2.0) / (two - 1.0));
        stats_fraction_step(&fraction, m * (b - m) * x / (two - 1.0) / two);
        if (fabs(fraction.value - before) <= 1e-15 * fabs(before))
            break;
    }
    return 1.0 / fraction.value;
}

/* ln B(1/2, degrees / 2). */
static double stats_t_log_beta(double degrees)
{
    return lgamma(0.5) + lgamma(0.5 * degrees) - lgamma(0.5 * degrees + 0.5);
}

/* P(T > t) for t >= 0, by sin² and cos² of the angle atan(t / sqrt(degrees)): both are given, so
 * that neither loses digits where it is small. */
static double stats_t_tail(double sine2, double cosine2, double degrees)
{
    double a = 0.5 * degrees;
    if (sine2 <= 0.0)
        return 0.5;
    if (cosine2 <= 0.0)
        return 0.0;
    double factor = exp(a * log(cosine2) + 0.5 * log(sine2) - stats_t_log_beta(degrees));
    if (cosine2 < (a + 1.0) / (a + 2.5))
        return 0.5 * factor * stats_beta_fraction(cosine2, a, 0.5) / a;
    return 0.5 - factor * stats_beta_fraction(sine2, 0.5, a);
}

double stats_t_upper(double t, double degrees)
{
    assert(degrees >= 1.0);
    if (isnan(t))
        return NAN;
    if (isinf(t))
        return t > 0.0 ? 0.0 : 1.0;
    degrees = fmin(degrees, STATS_T_DEGREES_MAX);
    double slope = t / sqrt(degrees);
    double tail = isinf(slope * slope) ? 0.0
                                       : stats_t_tail(slope * slope / (1.0 + slope * slope),
                                                      1.0 / (1.0 + slope * slope), degrees);
    return t < 0.0 ? 1.0 - tail : tail;
}

/* Newton's method over the angle. There the density is cos^(degrees - 1), which only falls: from 0
 * every step stops short of the answer, and the steps converge without any guard. */
double stats_t_quantile(double p, double degrees)
{
    assert(p >= 0.5 && p < 1.0 && degrees >= 1.0);
    degrees = fmin(degrees, STATS_T_DEGREES_MAX);
    double log_beta = stats_t_log_beta(degrees);
    double angle = 0.0;
    for (int i = 0; i < 200; i++) {
        double sine2 = sin(angle) * sin(angle);
        double above = stats_t_tail(sine2, cos(angle) * cos(angle), degrees) - (1.0 - p);
        double density = exp(0.5 * (degrees - 1.0) * log1p(-sine2) - log_beta);
        double step = above / density;
        angle += step;
        if (!(step > 1e-14 * angle))
            break;
    }
    return sqrt(degrees) * tan(angle);
}

/* The power of a t test at the effect `shift` standard errors is P(Z + shift > t S), Z normal and S
 * the ratio of the standard deviation found to the true one. S is near normal, with the mean and
 * the variance below, so shift = t mean + z sqrt(1 + t² variance), z being the normal quantile of
 * the power (Johnson and Welch 1940). */
double stats_detectable(double margin, double error, double degrees, double alpha)
{
    const double z_power = 0.8416212335729143; /* 0.8 */
    double mean =
        exp(0.5 * log(2.0 / degrees) + lgamma(0.5 * degrees + 0.5) - lgamma(0.5 * degrees));
    double t = stats_t_quantile(1.0 - alpha, degrees);
    double shift = t * mean + z_power * sqrt(1.0 + t * t * (1.0 - mean * mean));
    return margin * exp(shift * error);
}
