/* bench_self.c: what handoff's own tools cost, and what a cache line costs, measured now.
 *
 *   build/tests/support/bench_self costs          a stamp on each clock, a recorded value, a system call
 *   build/tests/support/bench_self floor CPU CPU  a cache line there and back
 *
 * Prints one JSON object. Called by scripts/bench-self, which puts it beside launches of handoff; a
 * plain program, not a test, since machines differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock_choice.h"
#include "harness/measure/floor.h"
#include "harness/measure/hdr.h"

enum { VALUES = 1 << 16, RECORD_BATCHES = 20 };

/* xorshift64*: random enough to spread values over the histogram, and the same in every run. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Mean cost of recording one value, best of several batches. The values are latencies as they come,
 * log-uniform from 64 ns to 67 ms, so that neither the branch predictor nor one cache line of
 * counts flatters the figure. Negative when out of memory. */
static double record_cost_ns(void)
{
    struct hdr *hdr = hdr_new();
    int64_t *values = malloc(VALUES * sizeof *values);
    double best_ns = -1;
    if (hdr && values) {
        uint64_t state = 42;
        for (int i = 0; i < VALUES; i++) {
            uint64_t random = random_next(&state);
            unsigned magnitude = 6 + (unsigned)(random >> 32) % 20;
            values[i] =
                (int64_t)((UINT64_C(1) << magnitude) + (random & ((UINT64_C(1) << magnitude) - 1)));
        }
        for (int batch = 0; batch < RECORD_BATCHES; batch++) {
            uint64_t begin_ns = clock_now_ns();
            for (int i = 0; i < VALUES; i++)
                hdr_record(hdr, values[i]);
            double mean_ns = (double)(clock_now_ns() - begin_ns) / VALUES;
            if (batch == 0 || mean_ns < best_ns)
                best_ns = mean_ns;
        }
        if (hdr_count(hdr) != (uint64_t)VALUES * RECORD_BATCHES)
            best_ns = -1;
    }
    free(values);
    hdr_free(hdr);
    return best_ns;
}

/* A stamp on each clock that is right here, as {"name": ns}; which one a run would take. The text
 * is in one static buffer. */
static const char *clock_costs(const char **chosen)
{
    static char text[256];
    static struct clock_choice choice;
    struct err err;
    size_t used = 0;
    if (clock_choose(CLOCK_REQUEST_AUTO, &choice, &err) != ST_OK)
        return NULL;
    for (size_t i = 0; i < choice.candidate_count; i++) {
        const struct clock_candidate *candidate = &choice.candidates[i];
        if (candidate->usable)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%s\": %.2f",
                                     used ? ", " : "", candidate->name, candidate->quality.read_ns);
        else
            fprintf(stderr, "not on %s: %s\n", candidate->name, candidate->reason);
    }
    *chosen = clock_chosen(&choice)->name;
    /* What follows is on the clock that it was always on. */
    clock_current = (struct clock_conversion){.kind = CLOCK_KIND_MONOTONIC};
    return text;
}

static int print_costs(void)
{
    const char *chosen = "";
    const char *stamps = clock_costs(&chosen);
    double record_ns = record_cost_ns();
    if (record_ns < 0 || !stamps) {
        fprintf(stderr, "error: out of memory, or values were lost\n");
        return 1;
    }
    struct floor_calls calls = floor_calls_measure();
    printf("{\"stamp_ns\": {%s}, \"clock\": \"%s\", \"clock_tick_ns\": %.2f, \"record_ns\": %.2f, "
           "\"system_call_ns\": %.2f}\n",
           stamps, chosen, calls.clock_tick_ns, record_ns, calls.system_call_ns);
    return 0;
}

static int print_floor(int cpu_a, int cpu_b)
{
    struct floor_cache_line lines;
    struct err err;
    if (floor_cache_line(cpu_a, cpu_b, &lines, &err) != ST_OK) {
        fprintf(stderr, "error: %s\nhint:  %s\n", err.what, err.hint);
        return 1;
    }
    printf("{\"one_line_p50_ns\": %.0f, \"one_line_mean_ns\": %.1f, \"two_lines_p50_ns\": %.0f, "
           "\"two_lines_mean_ns\": %.1f, \"round_trips\": %u}\n",
           lines.one_line.p50_ns, lines.one_line.mean_ns, lines.two_lines.p50_ns,
           lines.two_lines.mean_ns, lines.round_trips);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "costs") == 0)
        return print_costs();
    if (argc == 4 && strcmp(argv[1], "floor") == 0)
        return print_floor(atoi(argv[2]), atoi(argv[3]));
    fprintf(stderr, "usage: bench_self costs | bench_self floor CPU CPU\n");
    return 2;
}
