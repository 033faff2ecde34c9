/* list_axes.c: see list_axes.h. */
#include "harness/cli/list_axes.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/shm.h"
#include "harness/gpu/capability.h"
#include "harness/report/wrap.h"
#include "harness/scenario/axes.h"
#include "harness/scenario/privileges.h"
#include "harness/scenario/python_asker.h"

#define NAME_COLUMNS 18
#define DEFAULT_COLUMNS 11
#define AVAILABLE_COLUMNS 9
/* The priority that is tried: the lowest, which every limit above 0 allows. */
#define FIFO_PRIORITY_TRIED 1

/* What of an axis this machine lacks. */
struct lack {
    char what[2 * sizeof((struct err *)0)->what]; /* "": nothing */
    char hint[sizeof((struct err *)0)->hint];
};

/* Adds a registry's entry if its probe refuses: "umwait, wfe". */
static void lack_entry(struct lack *lack, const char *name, enum status status)
{
    size_t used = strlen(lack->what);
    if (status != ST_OK)
        snprintf(lack->what + used, sizeof lack->what - used, "%s%s", used ? ", " : "", name);
}

static void lack_value(struct lack *lack, const char *value, enum status status,
                       const struct err *why)
{
    if (status == ST_OK)
        return;
    snprintf(lack->what, sizeof lack->what, "%s: %s", value, why->what);
    snprintf(lack->hint, sizeof lack->hint, "%s", why->hint);
}

static void lack_from_registry(struct lack *lack, size_t axis, const char **list)
{
    switch (axis) {
    case AXIS_INDEX_transport:
        *list = "transports";
        for (size_t i = 0; i < transport_registry_count; i++)
            lack_entry(lack, transport_registry[i]->name, transport_registry[i]->probe(NULL));
        break;
    case AXIS_INDEX_access:
        *list = "access";
        for (size_t i = 0; i < access_registry_count; i++)
            lack_entry(lack, access_registry[i]->name, access_registry[i]->probe(NULL));
        break;
    case AXIS_INDEX_wait:
    case AXIS_INDEX_producer_wait:
        *list = "waits";
        for (size_t i = 0; i < wait_registry_count; i++)
            lack_entry(lack, wait_registry[i]->name, wait_registry[i]->probe(NULL));
        break;
    case AXIS_INDEX_kernel:
        *list = "kernels";
        for (size_t i = 0; i < kernel_registry_count; i++)
            lack_entry(lack, kernel_registry[i]->name, kernel_registry[i]->probe(NULL));
        break;
    default:
        break;
    }
}

static void lack_pages(struct lack *lack)
{
    struct err thp = {.what = ""}, hugetlb = {.what = ""};
    bool has_thp = shm_pages_probe(SHM_PAGES_THP, &thp) == ST_OK;
    bool has_hugetlb = shm_pages_probe(SHM_PAGES_HUGETLB, &hugetlb) == ST_OK;
    if (!has_thp)
        snprintf(lack->what, sizeof lack->what, "thp: %s", thp.what);
    if (!has_hugetlb) {
        size_t used = strlen(lack->what);
        snprintf(lack->what + used, sizeof lack->what - used, "%shugetlb: %s", used ? "; " : "",
                 hugetlb.what);
    }
    snprintf(lack->hint, sizeof lack->hint, "%.*s", (int)sizeof lack->hint - 1,
             !has_thp ? thp.hint : hugetlb.hint);
}

static void lack_arrays(struct lack *lack)
{
    static const char *const names[] = {"cupy", "torch"};
    static const enum python_part parts[] = {PYTHON_CUPY, PYTHON_TORCH};
    struct err none = {.what = ""};
    if (python_check(PYTHON_ROLE, &none) != ST_OK) {
        lack_value(lack, "cupy, torch", ST_UNAVAILABLE, &none);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        struct err why = {.what = ""};
        const size_t used = strlen(lack->what);
        if (python_check(parts[i], &why) == ST_OK)
            continue;
        snprintf(lack->what + used, sizeof lack->what - used, "%s%s: %s", used ? "; " : "",
                 names[i], why.what);
        if (!lack->hint[0])
            snprintf(lack->hint, sizeof lack->hint, "%s", why.hint);
    }
}

/* *list: the list that says more about the values, or NULL. */
static void lack_of(size_t axis, struct lack *lack, const char **list)
{
    struct err why = {.what = ""};
    *list = NULL;
    lack_from_registry(lack, axis, list);
    if (*list && lack->what[0])
        snprintf(lack->hint, sizeof lack->hint, "`handoff list %s` says why", *list);
    if (axis == AXIS_INDEX_scheduling)
        lack_value(lack, "fifo", privileges_try_fifo(FIFO_PRIORITY_TRIED, &why), &why);
    if (axis == AXIS_INDEX_idle_latency)
        lack_value(lack, "held", privileges_try_idle_latency(&why), &why);
    if (axis == AXIS_INDEX_clocks)
        lack_value(lack, "locked", privileges_try_clocks(&why), &why);
    if (axis == AXIS_INDEX_order)
        lack_value(lack, "event", gpu_capability_check(GPU_CAN_ipc_event, &why), &why);
    if (axis == AXIS_INDEX_gpu_sharing)
        lack_value(lack, "mps", gpu_capability_check(GPU_CAN_mps, &why), &why);
    if (axis == AXIS_INDEX_peer)
        lack_value(lack, "python", python_check(PYTHON_ROLE, &why), &why);
    if (axis == AXIS_INDEX_array)
        lack_arrays(lack);
    if (axis == AXIS_INDEX_pages)
        lack_pages(lack);
}

/* A line below the axis', or several: "values: other, or fifo:P …". */
static void print_below(const char *key, const char *text)
{
    int column = printf("%*s  %s ", NAME_COLUMNS, "", key);
    wrap_print(stdout, text, (size_t)column, NAME_COLUMNS + 4);
}

static void print_axis(size_t index)
{
    const struct axis *axis = &axis_table[index];
    struct lack lack = {.what = "", .hint = ""};
    const char *list;
    char values[400];
    lack_of(index, &lack, &list);
    int column = printf("%-*s  %-*s  %-*s  ", NAME_COLUMNS, axis->name, DEFAULT_COLUMNS,
                        axis->otherwise ? axis->otherwise : "-", AVAILABLE_COLUMNS,
                        lack.what[0] ? "in part" : "yes");
    wrap_print(stdout, axis->about, (size_t)column, (size_t)column);
    snprintf(values, sizeof values, "%s%s%s%s", axis->expected, list ? "; see `handoff list " : "",
             list ? list : "", list ? "`" : "");
    print_below("values:", values);
    if (lack.what[0])
        print_below("no", lack.what);
    if (lack.hint[0])
        print_below("hint:", lack.hint);
}

void list_axes_print(void)
{
    printf("%-*s  %-*s  %-*s  %s\n", NAME_COLUMNS, "AXIS", DEFAULT_COLUMNS, "DEFAULT",
           AVAILABLE_COLUMNS, "AVAILABLE", "WHAT IT IS, AND ITS VALUES");
    for (size_t i = 0; i < AXIS_COUNT; i++)
        print_axis(i);
}

bool list_axes_json(cJSON *array)
{
    bool ok = true;
    for (size_t i = 0; ok && i < AXIS_COUNT; i++) {
        const struct axis *axis = &axis_table[i];
        struct lack lack = {.what = "", .hint = ""};
        const char *list;
        lack_of(i, &lack, &list);
        cJSON *entry = cJSON_CreateObject();
        ok = json_append(array, entry) && json_add_string(entry, "name", axis->name) &&
             (axis->otherwise ? json_add_string(entry, "default", axis->otherwise)
                              : json_add(entry, "default", cJSON_CreateNull())) &&
             json_add_string(entry, "values", axis->expected) &&
             json_add_string(entry, "summary", axis->about) &&
             json_add_string(entry, "lacks", lack.what) &&
             json_add_string(entry, "hint", lack.hint);
    }
    return ok;
}
