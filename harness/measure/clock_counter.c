/* clock_counter.c: what is known of the counter, and its speed. See clock_counter.h. */
#include "harness/measure/clock_counter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CLOCK_WINDOW_NS 16000000

static void clock_read_source(char *source, size_t size)
{
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    source[0] = 0;
    if (!file)
        return;
    if (!fgets(source, (int)size, file))
        source[0] = 0;
    fclose(file);
    source[strcspn(source, "\n")] = 0;
}

void clock_trust_look(struct clock_trust *trust)
{
    *trust = (struct clock_trust){.permitted = true, .named = ""};
    clock_read_source(trust->source, sizeof trust->source);
#if defined(__x86_64__)
    unsigned a, b, c, d;
    int tsc_mode = PR_TSC_ENABLE;
    trust->known = true;
    trust->named = "tsc";
    if (prctl(PR_GET_TSC, &tsc_mode) == 0)
        trust->permitted = tsc_mode == PR_TSC_ENABLE;
    trust->ordered = __get_cpuid(0x80000001, &a, &b, &c, &d) && (d & 1u << 27);
    /* The bit behind the kernel's constant_tsc and nonstop_tsc. */
    trust->invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#elif defined(__aarch64__)
    /* The architecture promises one speed on all cores, in every sleep state. */
    trust->known = trust->ordered = trust->invariant = true;
    trust->named = "arch_sys_counter";
#endif
}

bool clock_trust_judge(const struct clock_trust *trust, char reason[CLOCK_REASON_BYTES])
{
    reason[0] = 0;
    if (!trust->known)
        snprintf(reason, CLOCK_REASON_BYTES, "this build knows no counter of this processor");
    else if (!trust->permitted)
        snprintf(reason, CLOCK_REASON_BYTES, "this process may not read it (PR_SET_TSC)");
    else if (!trust->ordered)
        snprintf(reason, CLOCK_REASON_BYTES, "the processor has no rdtscp");
    else if (!trust->invariant)
        snprintf(reason, CLOCK_REASON_BYTES,
                 "its speed may change or it may stop: the processor has no invariant TSC "
                 "(constant_tsc, nonstop_tsc)");
    else if (strcmp(trust->source, trust->named) != 0)
        snprintf(reason, CLOCK_REASON_BYTES,
                 "the kernel does not keep its own time by it: its clock source is %s, not %s",
                 trust->source[0] ? trust->source : "unknown", trust->named);
    return reason[0] == 0;
}

void clock_speed_look(struct clock_pair pairs[CLOCK_SPEED_PAIRS])
{
    const struct timespec window = {.tv_nsec = CLOCK_WINDOW_NS};
    for (int i = 0; i < CLOCK_SPEED_PAIRS; i++) {
        /* A signal makes a window shorter, and its pairs' error weighs more: no harm. */
        if (i > 0)
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &window, NULL);
        pairs[i] = clock_pair_take();
    }
}

bool clock_speed_judge(const struct clock_pair *pairs, size_t count, struct clock_speed *speed,
                       char reason[CLOCK_REASON_BYTES])
{
    const struct clock_pair *first = &pairs[0], *last = &pairs[count - 1];
    for (size_t i = 1; i < count; i++) {
        if (pairs[i].counter > pairs[i - 1].counter && pairs[i].ns > pairs[i - 1].ns)
            continue;
        snprintf(reason, CLOCK_REASON_BYTES, "it does not count up");
        return false;
    }
    const double span_ns = (double)(last->ns - first->ns);
    const double ns_per_tick = span_ns / (double)(last->counter - first->counter);
    double worst_ppm = (double)(first->error_ns + last->error_ns) / span_ns * 1e6;
    double apart_ppm = 0;
    for (size_t i = 1; i < count; i++) {
        double window_ns = (double)(pairs[i].ns - pairs[i - 1].ns);
        double counted_ns = (double)(pairs[i].counter - pairs[i - 1].counter) * ns_per_tick;
        apart_ppm = fmax(apart_ppm, fabs(counted_ns / window_ns - 1) * 1e6);
    }
    worst_ppm = fmax(worst_ppm, apart_ppm);
    if (worst_ppm > CLOCK_WINDOWS_DIFFER_PPM) {
        snprintf(reason, CLOCK_REASON_BYTES,
                 "its speed against CLOCK_MONOTONIC is uncertain by %.0f ppm, more than %d: the "
                 "clock is being adjusted, or the machine is very busy",
                 worst_ppm, CLOCK_WINDOWS_DIFFER_PPM);
        return false;
    }
    /* Beyond, mult would not fit or lose its digits; no counter in use is near. */
    if (!(ns_per_tick > 1e-2 && ns_per_tick < 1e6)) {
        snprintf(reason, CLOCK_REASON_BYTES, "a tick of %g ns is none that can be converted",
                 ns_per_tick);
        return false;
    }
    *speed = (struct clock_speed){.ns_per_tick = ns_per_tick, .error_ppm = worst_ppm};
    return true;
}
