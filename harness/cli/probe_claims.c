/* probe_claims.c: what people say works or does not between two processes and a GPU, and which rows
 * of the capability table answer it. See probe.h.
 */
#include <string.h>

#include "harness/cli/probe.h"

const struct probe_claim probe_claims[] = {
    {.id = "register",
     .says = "cudaHostRegister on a mapped /dev/shm file works on Jetson and is zero-copy",
     .about_jetson = true,
     .rows = {{GPU_CAN_register_shm, PROBE_ROW_WORKS}},
     .row_count = 1},
    {.id = "unregistered",
     .says = "mmap without cudaHostRegister cannot be read by the GPU",
     .rows = {{GPU_CAN_unregistered_shm, PROBE_ROW_FAILS}},
     .row_count = 1},
    {.id = "malloc",
     .says = "ordinary malloc or new memory cannot be read by the GPU",
     .rows = {{GPU_CAN_unregistered_malloc, PROBE_ROW_FAILS}},
     .row_count = 1},
    {.id = "managed",
     .says = "cudaMallocManaged needs a copy through shared memory to cross processes",
     .rows = {{GPU_CAN_managed_copy, PROBE_ROW_WORKS}, {GPU_CAN_managed_pointer, PROBE_ROW_FAILS}},
     .row_count = 2},
    {.id = "legacy-ipc",
     .says = "cudaIpcGetMemHandle is not usable on Jetson",
     .about_jetson = true,
     .rows = {{GPU_CAN_ipc_memory, PROBE_ROW_FAILS}, {GPU_CAN_ipc_event, PROBE_ROW_SHOWN}},
     .row_count = 2},
    {.id = "vmm",
     .says = "cuMemExportToShareableHandle does not work on Jetson",
     .about_jetson = true,
     .rows = {{GPU_CAN_vmm, PROBE_ROW_FAILS}, {GPU_CAN_vmm_no_access, PROBE_ROW_SHOWN}},
     .row_count = 2},
    {.id = "dmabuf-egl",
     .says = "DMA-BUF with EGL is for video frames only",
     .about_jetson = true,
     .rows = {{GPU_CAN_dmabuf_device, PROBE_ROW_SHOWN}, {GPU_CAN_dmabuf_host, PROBE_ROW_SHOWN}},
     .row_count = 2,
     .needs = "NvBufSurface and EGLImage"},
    {.id = "nvmm",
     .says = "NVMM buffers cannot be read by the CPU",
     .about_jetson = true,
     .needs = "NvBufSurface"},
};
const size_t probe_claim_count = sizeof probe_claims / sizeof probe_claims[0];

const char *probe_verdict_words(enum probe_verdict verdict)
{
    static const char *const words[] = {[PROBE_HOLDS] = "holds here",
                                        [PROBE_NOT_REPRODUCED] = "not reproduced here",
                                        [PROBE_OTHER_MACHINE] = "no Jetson here",
                                        [PROBE_NOT_TRIED] = "not tried"};
    return words[verdict];
}

static void add(char *text, size_t size, const char *separator, const char *added)
{
    const size_t used = strlen(text);
    if (used < size)
        snprintf(text + used, size - used, "%s%s", used ? separator : "", added);
}

static enum probe_verdict judge_rows(const struct probe *probe, const struct probe_claim *claim,
                                     char *text, size_t size)
{
    enum probe_verdict verdict = PROBE_HOLDS;
    for (size_t i = 0; i < claim->row_count; i++) {
        const enum gpu_capability row = claim->rows[i].row;
        const enum capability_outcome outcome = probe->answers[row].outcome;
        char said[96];
        if (outcome == CAPABILITY_WORKS || outcome == CAPABILITY_DOES_NOT) {
            snprintf(said, sizeof said, "%s %s", gpu_capability_rows[row].key,
                     probe_outcome_words(outcome));
            add(text, size, ", ", said);
        }
        if (claim->rows[i].said == PROBE_ROW_SHOWN || verdict == PROBE_NOT_TRIED)
            continue;
        if (outcome != CAPABILITY_WORKS && outcome != CAPABILITY_DOES_NOT)
            verdict = PROBE_NOT_TRIED;
        else if ((outcome == CAPABILITY_WORKS) != (claim->rows[i].said == PROBE_ROW_WORKS))
            verdict = PROBE_NOT_REPRODUCED;
    }
    return verdict;
}

enum probe_verdict probe_claim_judge(const struct probe *probe, const struct probe_claim *claim,
                                     char *text, size_t size)
{
    text[0] = '\0';
    enum probe_verdict verdict = judge_rows(probe, claim, text, size);
    if (claim->needs) {
        char said[160];
        snprintf(said, sizeof said, "needs %s%s", claim->needs,
                 probe->is_jetson ? ", which this program does not use yet" : " of a Jetson");
        add(text, size, "; ", said);
        return PROBE_NOT_TRIED;
    }
    if (verdict == PROBE_NOT_TRIED || !claim->about_jetson || probe->is_jetson)
        return verdict;
    add(text, size, "; ", "measured on another machine than the claim is about");
    return PROBE_OTHER_MACHINE;
}

const char *probe_row_claims(enum gpu_capability row, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < probe_claim_count; i++)
        for (size_t j = 0; j < probe_claims[i].row_count; j++)
            if (probe_claims[i].rows[j].row == row)
                add(text, size, ", ", probe_claims[i].id);
    return text;
}
