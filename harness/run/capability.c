/* capability.c: see capability.h. */
#include "harness/run/capability.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/gpu/gpu.h"
#include "harness/run/capability_pair.h"
#include "harness/run/guard.h"
#include "harness/run/mps.h"

/* Pairs at the same time: each process makes a context, which takes a CPU for up to a second. */
#define CAPABILITY_AT_ONCE 4
/* CUDA finds no daemon there: a user's own is not joined by accident. */
#define CAPABILITY_NO_MPS MPS_NO_PIPE_DIRECTORY
#define CAPABILITY_MPS_PROGRAM "nvidia-cuda-mps-control"

static const struct capability_limits capability_default_limits = {.starting_ns = 40000000000u,
                                                                   .trying_ns = 10000000000u,
                                                                   .negative_ns = 5000000000u,
                                                                   .ending_ns = 3000000000u};

static struct capability_answer capability_known[GPU_CAPABILITY_COUNT];
static struct capability_limits capability_limits_now;

void capability_set_limits(const struct capability_limits *limits)
{
    capability_limits_now = *limits;
}

static const struct capability_limits *capability_limits(void)
{
    return capability_limits_now.starting_ns ? &capability_limits_now : &capability_default_limits;
}

void capability_forget(void)
{
    memset(capability_known, 0, sizeof capability_known);
    capability_limits_now = (struct capability_limits){0};
    capability_attributes_forget();
}

static void capability_set_not_tried(int row, const struct err *why)
{
    capability_known[row] =
        (struct capability_answer){.outcome = CAPABILITY_NOT_TRIED, .why = *why};
}

/* ---- MPS ------------------------------------------------------------------------------------- */

/* Is there a program of this name on PATH? */
static bool capability_has_program(const char *name)
{
    const char *path = getenv("PATH");
    char full[PATH_MAX];
    for (const char *folder = path ? path : ""; *folder;) {
        const size_t length = strcspn(folder, ":");
        const int bytes = snprintf(full, sizeof full, "%.*s/%s", (int)length, folder, name);
        if (length > 0 && bytes < (int)sizeof full && access(full, X_OK) == 0)
            return true;
        folder += length + (folder[length] == ':');
    }
    return false;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Runs one pair to its end. */
static void capability_run_pair(struct capability_pair *pair)
{
    struct capability_pair *const pairs[1] = {pair};
    while (!capability_pair_is_over(pair))
        capability_pairs_poll(pairs, 1);
}

/* Who got no context says nothing of the row, unless getting one is what the row is about. */
static bool capability_lacked_context(int row)
{
    const struct capability_answer *answer = &capability_known[row];
    return answer->outcome == CAPABILITY_DOES_NOT && !answer->had_context &&
           row != GPU_CAN_device && row != GPU_CAN_mps;
}

/* The end of a pair: what is believed of its row. Where a row does not work as was to be expected,
 * nothing is wrong, and the row's `instead` says what to do. */
static void capability_conclude(struct capability_pair *pair, int row)
{
    struct capability_answer *answer = &capability_known[row];
    capability_pair_judge(pair, answer);
    if (gpu_capability_rows[row].negative && !capability_lacked_context(row))
        answer->why.hint[0] = '\0';
    capability_pair_end(pair);
}

static void capability_try_alone(int row, const struct capability_place *place)
{
    struct capability_pair pair;
    struct err err;
    const struct gpu_capability_row *about = &gpu_capability_rows[row];
    if (capability_pair_start(&pair, about->key, about->negative, capability_limits(), place,
                              &err) != ST_OK) {
        capability_set_not_tried(row, &err);
        return;
    }
    capability_run_pair(&pair);
    capability_conclude(&pair, row);
}

/* Several at a time; a row that is done makes room for the next. */
static void capability_try_together(const int *rows, size_t row_count)
{
    const struct capability_place place = {.mps_pipe_dir = CAPABILITY_NO_MPS};
    struct capability_pair room[CAPABILITY_AT_ONCE];
    struct capability_pair *running[CAPABILITY_AT_ONCE];
    int running_rows[CAPABILITY_AT_ONCE];
    bool taken[CAPABILITY_AT_ONCE] = {false};
    size_t running_count = 0, next = 0;
    while (next < row_count || running_count > 0) {
        while (next < row_count && running_count < CAPABILITY_AT_ONCE) {
            const int row = rows[next++];
            const struct gpu_capability_row *about = &gpu_capability_rows[row];
            struct err err;
            size_t at = 0;
            while (taken[at])
                at++;
            if (capability_pair_start(&room[at], about->key, about->negative, capability_limits(),
                                      &place, &err) != ST_OK) {
                capability_set_not_tried(row, &err);
                continue;
            }
            taken[at] = true;
            running[running_count] = &room[at];
            running_rows[running_count++] = row;
        }
        if (running_count == 0)
            continue;
        capability_pairs_poll(running, running_count);
        for (size_t i = running_count; i-- > 0;) {
            if (!capability_pair_is_over(running[i]))
                continue;
            capability_conclude(running[i], running_rows[i]);
            taken[running[i] - room] = false;
            running[i] = running[--running_count];
            running_rows[i] = running_rows[running_count];
        }
    }
}

/* What got no contexts beside others may get them alone. If not, the row was not tried. */
static void capability_try_again(const int *rows, size_t row_count)
{
    const struct capability_place place = {.mps_pipe_dir = CAPABILITY_NO_MPS};
    for (size_t i = 0; i < row_count; i++) {
        struct capability_answer *answer = &capability_known[rows[i]];
        if (!capability_lacked_context(rows[i]))
            continue;
        if (answer->why.status != ST_TIMEOUT) /* there, it would take as long again */
            capability_try_alone(rows[i], &place);
        if (!capability_lacked_context(rows[i]))
            continue;
        (void)err_context(&answer->why, "no context for it");
        answer->outcome = CAPABILITY_NOT_TRIED;
    }
}

/* Alone, and last: under a daemon of its own, which a guard runs and takes away again. */
static void capability_try_mps(void)
{
    struct guard guard = {.running = false};
    struct err err;
    if (!capability_has_program(CAPABILITY_MPS_PROGRAM)) {
        err_set(&err, ST_UNAVAILABLE,
                "it comes with the driver (package nvidia-compute-utils or cuda-compat), on a "
                "Jetson with CUDA 12.5 or newer",
                "there is no %s on PATH", CAPABILITY_MPS_PROGRAM);
        capability_set_not_tried(GPU_CAN_mps, &err);
        return;
    }
    if (guard_start(&guard, &err) != ST_OK) {
        capability_set_not_tried(GPU_CAN_mps, &err);
        return;
    }
    if (mps_start(&guard, &err) == ST_OK) {
        const struct capability_place place = {.mps_pipe_dir = guard.mps.pipe_directory};
        capability_try_alone(GPU_CAN_mps, &place);
        mps_stop(&guard);
    } else {
        /* The program is there and does not come up: that is an answer. */
        capability_known[GPU_CAN_mps] =
            (struct capability_answer){.outcome = CAPABILITY_DOES_NOT, .why = err};
    }
    guard_stop(&guard);
}

/* That the first does not work means nothing where the second, of which it leaves something out,
 * does not work, either. */
static const struct {
    enum gpu_capability without, with;
} capability_negatives[] = {{GPU_CAN_vmm_no_access, GPU_CAN_vmm},
                            {GPU_CAN_managed_pointer, GPU_CAN_managed_copy}};
enum { CAPABILITY_NEGATIVES = sizeof capability_negatives / sizeof capability_negatives[0] };

static bool capability_is_needed(const bool wanted[GPU_CAPABILITY_COUNT], int row)
{
    bool needed = wanted[row];
    for (int i = 0; i < CAPABILITY_NEGATIVES; i++)
        needed |=
            row == (int)capability_negatives[i].with && wanted[capability_negatives[i].without];
    return needed;
}

static void capability_check_negatives(void)
{
    for (int i = 0; i < CAPABILITY_NEGATIVES; i++) {
        const int without = capability_negatives[i].without, with = capability_negatives[i].with;
        struct err err;
        if (capability_known[without].outcome != CAPABILITY_DOES_NOT ||
            capability_known[with].outcome == CAPABILITY_WORKS)
            continue;
        err_set(&err, ST_UNAVAILABLE, NULL, "%s, of which it leaves something out, %s",
                gpu_capability_rows[with].key,
                capability_known[with].outcome == CAPABILITY_DOES_NOT ? "does not work here"
                                                                      : "was not tried");
        capability_set_not_tried(without, &err);
    }
}

/* All others follow from it where it fails, without a process. */
static bool capability_has_device(void)
{
    struct capability_answer *device = &capability_known[GPU_CAN_device];
    const struct capability_place place = {.mps_pipe_dir = CAPABILITY_NO_MPS};
    struct gpu_info info;
    struct err err;
    if (device->outcome == CAPABILITY_UNASKED) {
        /* Without a toolkit gpu_probe touches nothing and knows why. */
        if (!gpu_toolkit_version() && gpu_probe(&info, &err) != ST_OK)
            capability_set_not_tried(GPU_CAN_device, &err);
        else
            capability_try_alone(GPU_CAN_device, &place);
    }
    return device->outcome == CAPABILITY_WORKS;
}

const struct capability_answer *capability_ask(const bool wanted[GPU_CAPABILITY_COUNT])
{
    int rows[GPU_CAPABILITY_COUNT];
    size_t row_count = 0;
    bool mps = false;
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++) {
        if (!capability_is_needed(wanted, i) || capability_known[i].outcome != CAPABILITY_UNASKED ||
            i == GPU_CAN_device)
            continue;
        if (i == GPU_CAN_mps)
            mps = true;
        else
            rows[row_count++] = i;
    }
    if (!capability_has_device()) {
        for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
            if (i != GPU_CAN_device)
                capability_set_not_tried(i, &capability_known[GPU_CAN_device].why);
        return capability_known;
    }
    capability_try_together(rows, row_count);
    capability_try_again(rows, row_count);
    capability_check_negatives();
    if (mps)
        capability_try_mps();
    return capability_known;
}

/* ---- For gpu_capability_check ---------------------------------------------------------------- */

/* The device's reason is everybody's; any other names its row and says what to use instead. */
static enum status capability_asker(enum gpu_capability row, struct err *err)
{
    bool wanted[GPU_CAPABILITY_COUNT] = {false};
    wanted[row] = true;
    const struct capability_answer *answers = capability_ask(wanted);
    const struct capability_answer *answer = &answers[row];
    const struct err *why = &answer->why;
    if (answer->outcome == CAPABILITY_WORKS)
        return ST_OK;
    if (row == GPU_CAN_device || answers[GPU_CAN_device].outcome != CAPABILITY_WORKS)
        return err_set(err, ST_UNAVAILABLE, why->hint, "%s", why->what);
    char hint[sizeof err->hint];
    snprintf(hint, sizeof hint, "use %s%s%s", gpu_capability_rows[row].instead,
             why->hint[0] ? "; " : "", why->hint);
    return err_set(err, ST_UNAVAILABLE, hint, "%s: %s: %s", gpu_capability_rows[row].title,
                   answer->outcome == CAPABILITY_NOT_TRIED ? "not tried" : "does not work here",
                   why->what);
}

void capability_install(void)
{
    gpu_capability_set_asker(capability_asker);
    gpu_capability_set_attribute_asker(capability_attribute);
}

/* ---- What the GPU is ------------------------------------------------------------------------- */

enum status capability_describe(cJSON **json, struct err *err)
{
    const struct capability_place place = {.mps_pipe_dir = CAPABILITY_NO_MPS};
    struct capability_pair pair;
    struct capability_answer answer;
    struct gpu_info info;
    enum status status = ST_OK;
    if (!gpu_toolkit_version())
        status = gpu_probe(&info, err);
    if (status == ST_OK)
        status = capability_pair_start(&pair, CAPABILITY_DESCRIBE, false, capability_limits(),
                                       &place, err);
    if (status != ST_OK)
        return status;
    capability_run_pair(&pair);
    capability_pair_judge(&pair, &answer);
    cJSON *described = pair.sides[CAPABILITY_MAKER].described;
    pair.sides[CAPABILITY_MAKER].described = NULL;
    capability_pair_end(&pair);
    if (answer.outcome == CAPABILITY_WORKS && cJSON_IsObject(described)) {
        *json = described;
        return ST_OK;
    }
    cJSON_Delete(described);
    return err_set(err, ST_UNAVAILABLE, answer.why.hint, "%s",
                   answer.outcome == CAPABILITY_WORKS
                       ? "the process that asked the GPU said nothing"
                       : answer.why.what);
}

/* Why a GPU that is there cannot be used. */
static bool describe_unusable(cJSON *section, const struct err *why)
{
    cJSON *unusable = cJSON_CreateObject();
    return json_add(section, "unusable", unusable) &&
           json_add_string(unusable, "reason", why->what) &&
           json_add_string(unusable, "hint", why->hint);
}

bool capability_describe_into(cJSON *environment)
{
    cJSON *described = NULL;
    struct err why;
    char what[200];
    cJSON *section = json_get(environment, "gpu");
    const enum status status = capability_describe(&described, &why);
    if (status != ST_OK && !section && !gpu_hardware_present(what, sizeof what))
        return true;
    bool ok = true;
    if (!section) {
        section = cJSON_CreateObject();
        ok = json_add(environment, "gpu", section);
    }
    if (status != ST_OK)
        return ok && describe_unusable(section, &why);
    cJSON_DeleteItemFromObjectCaseSensitive(described, "attributes");
    while (ok && described->child) {
        cJSON *item = cJSON_DetachItemViaPointer(described, described->child);
        char name[64];
        snprintf(name, sizeof name, "%s", item->string);
        ok = json_add(section, name, item);
    }
    cJSON_Delete(described);
    return ok;
}
