/* axis_names.c: reading the axes whose values are names, from a registry or of our own: see `parse`
 * in axes.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/scenario/axes.h"
#include "harness/scenario/suggest.h"

/* ---- Names from a registry ------------------------------------------------------------------- */

typedef const char *(*name_at)(size_t index);

static const char *transport_name_at(size_t i)
{
    return i < transport_registry_count ? transport_registry[i]->name : NULL;
}

static const char *access_name_at(size_t i)
{
    return i < access_registry_count ? access_registry[i]->name : NULL;
}

static const char *wait_name_at(size_t i)
{
    return i < wait_registry_count ? wait_registry[i]->name : NULL;
}

static const char *kernel_name_at(size_t i)
{
    return i < kernel_registry_count ? kernel_registry[i]->name : NULL;
}

static enum status fail_unknown(const struct axis *axis, const char *name, name_at names,
                                const char *list, struct err *err)
{
    struct suggest suggest = SUGGEST_START(name);
    char known[200] = "";
    size_t used = 0;
    for (size_t i = 0; names(i); i++) {
        suggest_offer(&suggest, names(i));
        int more = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names(i));
        used += more > 0 && (size_t)more < sizeof known - used ? (size_t)more : 0;
    }
    char hint[300];
    if (suggest.nearest)
        snprintf(hint, sizeof hint, "did you mean \"%s\"? `handoff list %s` shows all",
                 suggest.nearest, list);
    else
        snprintf(hint, sizeof hint, "known are %s; `handoff list %s` says more", known, list);
    char shown[SUGGEST_SHOWN_BYTES];
    return err_set(err, ST_INVALID, hint, "unknown %s \"%s\"", axis->name,
                   suggest_show(name, shown, sizeof shown));
}

enum status axis_parse_transport(const struct axis *axis, const cJSON *value, struct cell *cell,
                                 struct err *err)
{
    if (!cJSON_IsString(value))
        return axis_fail_expected(axis, value, err);
    const struct transport *found = transport_find(value->valuestring);
    if (!found)
        return fail_unknown(axis, value->valuestring, transport_name_at, "transports", err);
    cell->transport = found;
    return ST_OK;
}

enum status axis_parse_access(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    if (!cJSON_IsString(value))
        return axis_fail_expected(axis, value, err);
    const struct access *found = access_find(value->valuestring);
    if (!found)
        return fail_unknown(axis, value->valuestring, access_name_at, "access", err);
    cell->access = found;
    return ST_OK;
}

enum status axis_parse_kernel(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    if (!cJSON_IsString(value))
        return axis_fail_expected(axis, value, err);
    const struct kernel *found = kernel_find(value->valuestring);
    if (!found)
        return fail_unknown(axis, value->valuestring, kernel_name_at, "kernels", err);
    cell->kernel = found;
    return ST_OK;
}

/* "poll:100": the name up to the colon, the time behind it. */
static enum status parse_wait(const struct axis *axis, const cJSON *value,
                              const struct wait_strategy **wait, uint32_t *wait_us, struct err *err)
{
    if (!cJSON_IsString(value))
        return axis_fail_expected(axis, value, err);
    char name[SUGGEST_SHOWN_BYTES];
    size_t length = strcspn(value->valuestring, ":");
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             value->valuestring);
    const struct wait_strategy *found = wait_find(name);
    if (!found)
        return fail_unknown(axis, name, wait_name_at, "waits", err);
    const char *parameter = value->valuestring + length;
    uint32_t us = 0;
    if (found->parameter == WAIT_PARAMETER_NONE && *parameter)
        return err_set(err, ST_INVALID, "write it without the colon and what follows",
                       "wait \"%s\" takes no time", name);
    if (found->parameter == WAIT_PARAMETER_US) {
        char hint[100];
        snprintf(hint, sizeof hint, "write for example \"%s:100\"", name);
        if (!*parameter)
            return err_set(err, ST_INVALID, hint, "wait \"%s\" needs a time in microseconds", name);
        parameter++;
        if (!axis_take_u32(&parameter, AXIS_WAIT_US_MAX, &us) || us == 0 || *parameter)
            return err_set(err, ST_INVALID, hint,
                           "the time of wait \"%s\" is not a whole number of microseconds from 1 "
                           "to %d",
                           name, AXIS_WAIT_US_MAX);
    }
    *wait = found;
    *wait_us = us;
    return ST_OK;
}

enum status axis_parse_wait(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    return parse_wait(axis, value, &cell->wait, &cell->wait_us, err);
}

enum status axis_parse_producer_wait(const struct axis *axis, const cJSON *value, struct cell *cell,
                                     struct err *err)
{
    if (!cJSON_IsString(value) || strcmp(value->valuestring, "same") != 0)
        return parse_wait(axis, value, &cell->producer_wait, &cell->producer_wait_us, err);
    cell->producer_wait = NULL;
    cell->producer_wait_us = 0;
    return ST_OK;
}

/* ---- Names of our own ------------------------------------------------------------------------ */

/* One of `count` names: its index, or an error with "did you mean". */
static enum status parse_choice(const struct axis *axis, const cJSON *value,
                                const char *const *names, size_t count, size_t *index,
                                struct err *err)
{
    if (!cJSON_IsString(value))
        return axis_fail_expected(axis, value, err);
    struct suggest suggest = SUGGEST_START(value->valuestring);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], value->valuestring) == 0) {
            *index = i;
            return ST_OK;
        }
        suggest_offer(&suggest, names[i]);
    }
    char shown[SUGGEST_SHOWN_BYTES];
    char hint[240];
    if (suggest.nearest)
        snprintf(hint, sizeof hint, "did you mean \"%s\"? %s is %s", suggest.nearest, axis->name,
                 axis->expected);
    else
        snprintf(hint, sizeof hint, "%s is %s", axis->name, axis->expected);
    return err_set(err, ST_INVALID, hint, "unknown %s \"%s\"", axis->name,
                   suggest_show(value->valuestring, shown, sizeof shown));
}

enum status axis_parse_fill(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    static const enum fill fills[] = {FILL_COPY, FILL_IN_PLACE, FILL_HEADER, FILL_GPU};
    const char *names[] = {fill_name(fills[0]), fill_name(fills[1]), fill_name(fills[2]),
                           fill_name(fills[3])};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 4, &index, err);
    if (status == ST_OK)
        cell->fill = fills[index];
    return status;
}

enum status axis_parse_policy(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    static const enum policy policies[] = {POLICY_BLOCK, POLICY_LATEST};
    const char *names[] = {policy_name(policies[0]), policy_name(policies[1])};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->policy = policies[index];
    return status;
}

enum status axis_parse_frame_state(const struct axis *axis, const cJSON *value, struct cell *cell,
                                   struct err *err)
{
    static const enum frame_state states[] = {FRAME_STATE_AS_LEFT, FRAME_STATE_CACHED,
                                              FRAME_STATE_EVICTED};
    const char *names[] = {frame_state_name(states[0]), frame_state_name(states[1]),
                           frame_state_name(states[2])};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 3, &index, err);
    if (status == ST_OK)
        cell->frame_state = states[index];
    return status;
}

/* "cpus:0,1", or "cpus:0:1" as ids and --only write it. */
static bool parse_cpus(const char *text, uint32_t *producer, uint32_t *consumer)
{
    if (strncmp(text, "cpus:", 5) != 0)
        return false;
    text += 5;
    if (!axis_take_u32(&text, AXIS_CPU_MAX, producer) || (*text != ',' && *text != ':'))
        return false;
    text++;
    return axis_take_u32(&text, AXIS_CPU_MAX, consumer) && *text == '\0';
}

enum status axis_parse_placement(const struct axis *axis, const cJSON *value, struct cell *cell,
                                 struct err *err)
{
    static const char *const names[] = {"auto", "none", "same_cpu", "same_cluster",
                                        "cross_cluster"};
    static const enum placement placements[] = {PLACEMENT_AUTO, PLACEMENT_NONE, PLACEMENT_SAME_CPU,
                                                PLACEMENT_SAME_CLUSTER, PLACEMENT_CROSS_CLUSTER};
    uint32_t producer = 0;
    uint32_t consumer = 0;
    if (cJSON_IsString(value) && strncmp(value->valuestring, "cpus", 4) == 0) {
        if (!parse_cpus(value->valuestring, &producer, &consumer))
            return axis_fail_expected(axis, value, err);
        cell->placement = PLACEMENT_CPUS;
    } else {
        size_t index = 0;
        enum status status = parse_choice(axis, value, names, 5, &index, err);
        if (status != ST_OK)
            return status;
        cell->placement = placements[index];
    }
    cell->producer_cpu = producer;
    cell->consumer_cpu = consumer;
    return ST_OK;
}

enum status axis_parse_phase(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    static const char *const names[] = {"fixed", "random"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->phase = index == 1 ? PHASE_RANDOM : PHASE_FIXED;
    return status;
}

enum status axis_parse_idle_latency(const struct axis *axis, const cJSON *value, struct cell *cell,
                                    struct err *err)
{
    static const char *const names[] = {"as_found", "held"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->idle_latency_held = index == 1;
    return status;
}

enum status axis_parse_clocks(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    static const char *const names[] = {"as_found", "locked"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->clocks_locked = index == 1;
    return status;
}

enum status axis_parse_load(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    static const enum load loads[] = {LOAD_NONE, LOAD_CPU, LOAD_MEMBW};
    const char *names[] = {load_name(loads[0]), load_name(loads[1]), load_name(loads[2])};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 3, &index, err);
    if (status == ST_OK)
        cell->load = loads[index];
    return status;
}

/* "other", or "fifo:50". */
enum status axis_parse_scheduling(const struct axis *axis, const cJSON *value, struct cell *cell,
                                  struct err *err)
{
    static const char *const names[] = {"other"};
    uint32_t priority = 0;
    if (cJSON_IsString(value) && strncmp(value->valuestring, "fifo", 4) == 0) {
        const char *text = value->valuestring + 4;
        if (*text++ != ':' || !axis_take_u32(&text, AXIS_FIFO_PRIORITY_MAX, &priority) ||
            priority == 0 || *text)
            return axis_fail_expected(axis, value, err);
    } else {
        size_t index = 0;
        enum status status = parse_choice(axis, value, names, 1, &index, err);
        if (status != ST_OK)
            return status;
    }
    cell->fifo_priority = priority;
    return ST_OK;
}

enum status axis_parse_sync(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    const char *names[GPU_SYNC_FLAG + 1];
    for (int i = 0; i <= GPU_SYNC_FLAG; i++)
        names[i] = gpu_sync_name((enum gpu_sync)i);
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, GPU_SYNC_FLAG + 1, &index, err);
    if (status == ST_OK)
        cell->sync = (enum gpu_sync)index;
    return status;
}

enum status axis_parse_order(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    const char *names[] = {order_name(ORDER_HOST), order_name(ORDER_EVENT)};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->order = index == 1 ? ORDER_EVENT : ORDER_HOST;
    return status;
}

enum status axis_parse_register_per_frame(const struct axis *axis, const cJSON *value,
                                          struct cell *cell, struct err *err)
{
    static const char *const names[] = {"off", "on"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->register_per_frame = index == 1;
    return status;
}

enum status axis_parse_library_threads(const struct axis *axis, const cJSON *value,
                                       struct cell *cell, struct err *err)
{
    const char *names[] = {library_threads_name(LIBRARY_THREADS_ANYWHERE),
                           library_threads_name(LIBRARY_THREADS_WITH_ROLE)};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->library_threads = (enum library_threads)index;
    return status;
}

enum status axis_parse_gpu_sharing(const struct axis *axis, const cJSON *value, struct cell *cell,
                                   struct err *err)
{
    const char *names[] = {gpu_sharing_name(GPU_SHARING_TIME_SLICED),
                           gpu_sharing_name(GPU_SHARING_MPS)};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->gpu_sharing = index == 1 ? GPU_SHARING_MPS : GPU_SHARING_TIME_SLICED;
    return status;
}

enum status axis_parse_pages(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    const char *names[] = {shm_pages_name(SHM_PAGES_NORMAL), shm_pages_name(SHM_PAGES_THP),
                           shm_pages_name(SHM_PAGES_HUGETLB)};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 3, &index, err);
    if (status == ST_OK)
        cell->pages = (enum shm_pages)index;
    return status;
}

/* ---- What a role is written in --------------------------------------------------------------- */

enum status axis_parse_peer(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    static const char *const names[] = {"c/c", "c/python", "python/c", "python/python"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 4, &index, err);
    if (status == ST_OK) {
        cell->producer_language = index >= 2 ? LANGUAGE_PYTHON : LANGUAGE_C;
        cell->consumer_language = index % 2 == 1 ? LANGUAGE_PYTHON : LANGUAGE_C;
    }
    return status;
}

enum status axis_parse_read(const struct axis *axis, const cJSON *value, struct cell *cell,
                            struct err *err)
{
    const char *names[READ_TOBYTES + 1];
    for (int i = 0; i <= READ_TOBYTES; i++)
        names[i] = read_habit_name((enum read_habit)i);
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, READ_TOBYTES + 1, &index, err);
    if (status == ST_OK)
        cell->read = (enum read_habit)index;
    return status;
}

enum status axis_parse_gc(const struct axis *axis, const cJSON *value, struct cell *cell,
                          struct err *err)
{
    static const char *const names[] = {"on", "off"};
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, 2, &index, err);
    if (status == ST_OK)
        cell->gc_off = index == 1;
    return status;
}

enum status axis_parse_array(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    const char *names[ARRAY_TORCH + 1];
    for (int i = 0; i <= ARRAY_TORCH; i++)
        names[i] = array_kind_name((enum array_kind)i);
    size_t index = 0;
    enum status status = parse_choice(axis, value, names, ARRAY_TORCH + 1, &index, err);
    if (status == ST_OK)
        cell->array = (enum array_kind)index;
    return status;
}
