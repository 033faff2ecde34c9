/* hdr_hgrm.c: a histogram as the text that HdrHistogram's plotters read (".hgrm").
 *
 * Called by `handoff export`. Steps and formats are those of the original in Java: five rows for
 * each halving of the distance to 100 %.
 */
#include <math.h>
#include <stdio.h>

#include "harness/measure/hdr.h"
#include "harness/measure/hdr_layout.h"

#define HGRM_TICKS_PER_HALVING 5

/* The next level, in per cent, after `level` below 100. */
static double hgrm_next_level(double level)
{
    double halvings = floor(log2(100.0 / (100.0 - level)));
    return level + 100.0 / (HGRM_TICKS_PER_HALVING * exp2(halvings + 1.0));
}

static void hgrm_footer(const struct hdr *hdr, uint64_t infinite, FILE *file)
{
    fprintf(file, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hdr_mean_ns(hdr),
            hdr_stddev_ns(hdr));
    fprintf(file, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)hdr_max_ns(hdr),
            (unsigned long long)hdr_count(hdr));
    fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n", HDR_BUCKETS, HDR_SUB_BUCKETS);
    if (infinite > 0)
        fprintf(file, "#[Infinite = %11llu frames never finished and are not in the table]\n",
                (unsigned long long)infinite);
}

void hdr_write_hgrm(const struct hdr *hdr, uint64_t infinite, FILE *file)
{
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    size_t index = 0;
    struct hdr_bin bin;
    uint64_t passed = 0;
    double level = 0.0;
    while (hdr_next_bin(hdr, &index, &bin)) {
        passed += bin.count;
        double reached = 100.0 * (double)passed / (double)hdr_count(hdr);
        while (level <= reached && level < 100.0) {
            fprintf(file, "%12.3f %2.12f %10llu %14.2f\n", (double)bin.high_ns, level / 100.0,
                    (unsigned long long)passed, 1.0 / (1.0 - level / 100.0));
            level = hgrm_next_level(level);
            if (passed == hdr_count(hdr))
                break;
        }
    }
    if (passed > 0)
        fprintf(file, "%12.3f %2.12f %10llu\n", (double)hdr_max_ns(hdr), 1.0,
                (unsigned long long)passed);
    hgrm_footer(hdr, infinite, file);
}
