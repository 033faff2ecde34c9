/* probe_print.c: what `handoff probe` prints for people. See probe.h. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/probe.h"
#include "harness/report/format.h"
#include "harness/report/wrap.h"

#define ROW_COLUMNS 19
#define HERE_COLUMNS 9
#define CLAIM_COLUMNS 12
#define VERDICT_COLUMNS 19
#define ATTRIBUTE_COLUMNS 36
#define VALUE_COLUMNS 9
/* Lines below an entry begin here. */
#define BELOW_COLUMNS 21

const char *probe_outcome_words(enum capability_outcome outcome)
{
    static const char *const words[] = {[CAPABILITY_UNASKED] = "not tried",
                                        [CAPABILITY_WORKS] = "works",
                                        [CAPABILITY_DOES_NOT] = "does not",
                                        [CAPABILITY_NOT_TRIED] = "not tried"};
    return words[outcome];
}

/* A line below an entry, or several: "why: …". */
static void print_below(FILE *out, size_t column, const char *key, const char *text)
{
    if (!text[0])
        return;
    const int printed = fprintf(out, "%*s%s: ", (int)column, "", key);
    wrap_print(out, text, (size_t)printed, column + 2);
}

/* ---- The GPU --------------------------------------------------------------------------------- */

static double number_get(const cJSON *object, const char *name)
{
    return json_get_number(object, name, 0);
}

static void print_gpu(FILE *out, const struct probe *probe)
{
    char memory[FIGURE_BYTES], text[640];
    const cJSON *gpu = probe->gpu;
    if (!gpu)
        return;
    const char *release = json_get_string(gpu, "driver_release", "");
    snprintf(
        text, sizeof text,
        "%s, compute capability %s, %s memory of %s, %.0f multiprocessors; driver %s%sfor CUDA "
        "%s, runtime %s, built with toolkit %s",
        json_get_string(gpu, "name", "?"), json_get_string(gpu, "compute_capability", "?"),
        json_get_bool(gpu, "integrated", false) ? "the CPU's own" : "its own",
        format_bytes(number_get(gpu, "memory_bytes"), memory), number_get(gpu, "multiprocessors"),
        release, release[0] ? " " : "", json_get_string(gpu, "cuda_driver", "?"),
        json_get_string(gpu, "cuda_runtime", "?"), json_get_string(gpu, "cuda_toolkit", "?"));
    wrap_print(out, text, 0, 0);
    const double count = number_get(gpu, "device_count");
    if (count > 1)
        fprintf(out, "The first of %.0f GPUs that this process sees; the others were not tried.\n",
                count);
    fputc('\n', out);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static void print_row(FILE *out, const struct probe *probe, enum gpu_capability row)
{
    const struct gpu_capability_row *about = &gpu_capability_rows[row];
    const struct capability_answer *answer = &probe->answers[row];
    const bool no_device = probe->answers[GPU_CAN_device].outcome != CAPABILITY_WORKS;
    char claims[96], hint[sizeof answer->why.hint];
    fprintf(out, "%-*s  %-*s  ", ROW_COLUMNS, about->key, HERE_COLUMNS,
            probe_outcome_words(answer->outcome));
    wrap_print(out, about->title, ROW_COLUMNS + 2 + HERE_COLUMNS + 2,
               ROW_COLUMNS + 2 + HERE_COLUMNS + 2);
    if (answer->outcome == CAPABILITY_WORKS) {
        print_below(out, BELOW_COLUMNS, "seen", answer->verified);
    } else if (!no_device) {
        /* Without a device the reason is the same for all, and stands above. */
        print_below(out, BELOW_COLUMNS, "why", answer->why.what);
        print_below(out, BELOW_COLUMNS, "hint", probe_hint(answer, hint, sizeof hint));
        print_below(out, BELOW_COLUMNS, "instead", about->instead);
    }
    if (probe_row_claims(row, claims, sizeof claims)[0] && !probe->all)
        print_below(out, BELOW_COLUMNS, "answers the claim", claims);
}

static void print_rows(FILE *out, const struct probe *probe)
{
    fprintf(out, "%-*s  %-*s  %s\n", ROW_COLUMNS, "ROW", HERE_COLUMNS, "HERE",
            "WHAT WAS TRIED, IN TWO PROCESSES");
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
        if (probe->wanted[i])
            print_row(out, probe, (enum gpu_capability)i);
}

/* ---- Claims ---------------------------------------------------------------------------------- */

static void print_claims(FILE *out, const struct probe *probe)
{
    const size_t column = CLAIM_COLUMNS + 2 + VERDICT_COLUMNS + 2;
    char text[400], quoted[200];
    fprintf(out, "\n%-*s  %-*s  %s\n", CLAIM_COLUMNS, "CLAIM", VERDICT_COLUMNS, "VERDICT",
            "WHAT PEOPLE SAY, AND WHAT WAS FOUND");
    for (size_t i = 0; i < probe_claim_count; i++) {
        const struct probe_claim *claim = &probe_claims[i];
        const enum probe_verdict verdict = probe_claim_judge(probe, claim, text, sizeof text);
        fprintf(out, "%-*s  %-*s  ", CLAIM_COLUMNS, claim->id, VERDICT_COLUMNS,
                probe_verdict_words(verdict));
        snprintf(quoted, sizeof quoted, "\"%s\"", claim->says);
        wrap_print(out, quoted, column, column);
        if (text[0]) {
            fprintf(out, "%*s", (int)column, "");
            wrap_print(out, text, column, column);
        }
    }
}

/* ---- Attributes ------------------------------------------------------------------------------ */

static void print_attributes(FILE *out, const struct probe *probe)
{
    const size_t column = ATTRIBUTE_COLUMNS + 2 + VALUE_COLUMNS + 2;
    if (!probe->gpu)
        return;
    fprintf(out, "\n%-*s  %*s  %s\n", ATTRIBUTE_COLUMNS, "ATTRIBUTE", VALUE_COLUMNS, "VALUE",
            "WHAT THE DRIVER MEANS BY IT");
    for (int i = 0; i < GPU_ATTRIBUTE_COUNT; i++) {
        const enum gpu_attribute attribute = (enum gpu_attribute)i;
        char text[240], number[16] = "unknown";
        int value;
        if (probe_attribute(probe, attribute, &value))
            snprintf(number, sizeof number, "%d", value);
        fprintf(out, "%-*s  %*s  ", ATTRIBUTE_COLUMNS, gpu_attribute_name(attribute), VALUE_COLUMNS,
                number);
        wrap_print(out, gpu_attribute_about(attribute), column, column);
        print_below(out, column, "misleads",
                    probe_attribute_misleads(probe, attribute, text, sizeof text));
    }
}

void probe_print(FILE *out, const struct probe *probe)
{
    const struct capability_answer *device = &probe->answers[GPU_CAN_device];
    if (device->outcome != CAPABILITY_WORKS) {
        fputs("Nothing could be tried: ", out);
        wrap_print(out, device->why.what, 24, 2);
        print_below(out, 0, "hint", device->why.hint);
        fputc('\n', out);
    }
    print_gpu(out, probe);
    print_rows(out, probe);
    if (!probe->all)
        return;
    print_claims(out, probe);
    print_attributes(out, probe);
    if (!probe->gpu && device->outcome == CAPABILITY_WORKS) {
        fputc('\n', out);
        print_below(out, 0, "no attributes", probe->why.what);
    }
}
