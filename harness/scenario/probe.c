/* probe.c: which cells of a scenario this machine can run: scenario_probe of scenario.h.
 *
 * Each transport, wait, access, kernel, privilege and capability of the GPU that a cell uses is
 * asked once, however many cells use it; so is each kernel about each frame size.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/capability.h"
#include "harness/scenario/applicable.h"
#include "harness/scenario/axes.h"
#include "harness/scenario/baseline.h"
#include "harness/scenario/privileges.h"
#include "harness/scenario/python_asker.h"
#include "harness/scenario/scenario.h"

typedef enum status (*probe_function)(struct err *err);

/* An answer already had. */
struct answer {
    const void *asked;        /* the registry entry */
    struct geometry geometry; /* of a kernel's frames; zeros where that does not matter */
    enum status status;
    struct err err;
};

struct answers {
    struct answer *items;
    size_t count;
    size_t capacity;
};

/* What `asked` points to for what is in no registry. */
static const char asked_idle_latency[] = "idle_latency";
static const char asked_clocks[] = "clocks";
static const char asked_scheduling[AXIS_FIFO_PRIORITY_MAX + 1];
static const char asked_pages[2][SHM_PAGES_HUGETLB + 1]; /* shared, private */

static struct answer *answers_find(struct answers *answers, const void *asked,
                                   struct geometry geometry)
{
    for (size_t i = 0; i < answers->count; i++)
        if (answers->items[i].asked == asked &&
            memcmp(&answers->items[i].geometry, &geometry, sizeof geometry) == 0)
            return &answers->items[i];
    return NULL;
}

/* A new answer to fill in; NULL when out of memory. */
static struct answer *answers_add(struct answers *answers, const void *asked,
                                  struct geometry geometry)
{
    if (answers->count == answers->capacity) {
        size_t capacity = answers->capacity ? answers->capacity * 2 : 16;
        struct answer *items = realloc(answers->items, capacity * sizeof *items);
        if (!items)
            return NULL;
        answers->items = items;
        answers->capacity = capacity;
    }
    struct answer *answer = &answers->items[answers->count++];
    memset(answer, 0, sizeof *answer);
    answer->asked = asked;
    answer->geometry = geometry;
    return answer;
}

static void mark(struct cell *cell, const struct answer *answer, const char *axis, const char *name)
{
    if (answer->status != ST_OK && cell->runnable == ST_OK) {
        char reason[sizeof cell->reason];
        snprintf(reason, sizeof reason, "%s %s: %.200s", axis, name, answer->err.what);
        applicable_refuse(cell, ST_UNAVAILABLE, reason, answer->err.hint);
    }
}

static bool ask_probe(struct answers *answers, struct cell *cell, const void *asked,
                      const char *axis, const char *name, probe_function probe)
{
    struct geometry any = {0, 0, 0};
    if (cell->runnable != ST_OK)
        return true; /* some probes start processes: not for a cell that is refused already */
    struct answer *answer = answers_find(answers, asked, any);
    if (!answer) {
        answer = answers_add(answers, asked, any);
        if (!answer)
            return false;
        answer->status = probe(&answer->err);
    }
    mark(cell, answer, axis, name);
    return true;
}

/* What the GPU of this machine can do: found out in processes of its own (gpu/capability.h). */
static bool ask_capability(struct answers *answers, struct cell *cell,
                           enum gpu_capability capability, const char *axis, const char *name)
{
    struct geometry any = {0, 0, 0};
    const void *asked = &gpu_capability_rows[capability];
    if (cell->runnable != ST_OK)
        return true;
    struct answer *answer = answers_find(answers, asked, any);
    if (!answer) {
        answer = answers_add(answers, asked, any);
        if (!answer)
            return false;
        answer->status = gpu_capability_check(capability, &answer->err);
    }
    mark(cell, answer, axis, name);
    return true;
}

/* The producer learns of the end of an upload by a word that the stream writes (sync flag). */
static bool ask_upload_flag(struct answers *answers, struct cell *cell)
{
    const bool wanted = cell->sync == GPU_SYNC_FLAG && cell->fill == FILL_COPY &&
                        (cell->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
    if (!wanted || cell->runnable != ST_OK)
        return true;
    if (!ask_capability(answers, cell, GPU_CAN_stream_values, "sync", "flag"))
        return false;
    if (cell->runnable != ST_OK)
        snprintf(cell->hint, sizeof cell->hint,
                 "use another sync, or fill gpu, whose kernel writes such a word itself");
    return true;
}

/* First whether there is a device at all: without one nothing else need be tried. */
static bool ask_gpu(struct answers *answers, struct cell *cell)
{
    const bool on_gpu = cell_kernel_on_gpu(cell);
    const bool in_host_memory = !(cell->transport->flags & TRANSPORT_DEVICE_MEMORY);
    if (!cell_uses_gpu(cell))
        return true;
    if (!ask_capability(answers, cell, GPU_CAN_device, on_gpu ? "access" : "fill",
                        on_gpu ? cell->access->name : fill_name(cell->fill)))
        return false;
    if (cell->fill == FILL_GPU && in_host_memory &&
        !ask_capability(answers, cell, GPU_CAN_register_shm, "fill", "gpu"))
        return false;
    if (cell->order == ORDER_EVENT &&
        !ask_capability(answers, cell, GPU_CAN_ipc_event, "order", "event"))
        return false;
    return ask_upload_flag(answers, cell) &&
           (cell->gpu_sharing != GPU_SHARING_MPS ||
            ask_capability(answers, cell, GPU_CAN_mps, "gpu_sharing", "mps"));
}

/* What access managed would say of it in every launch (transports/access/managed.c). */
static void ask_managed_depth(struct cell *cell)
{
    int concurrent = 1;
    if (cell->runnable == ST_OK && (cell->access->flags & ACCESS_MANAGED) && cell->depth > 1 &&
        gpu_capability_attribute(GPU_ATTRIBUTE_concurrent_managed_access, &concurrent) &&
        concurrent != 1)
        applicable_refuse(cell, ST_UNAVAILABLE,
                          "access managed with several frames in flight: on this GPU the CPU must "
                          "not touch managed memory while a kernel runs "
                          "(concurrent_managed_access is 0)",
                          "use depth 1, or access mapped");
}

/* On a machine with one CPU every placement shares it; applicable.c cannot know that. */
static void refuse_one_cpu(struct cell *cell)
{
    cpu_set_t cpus;
    const char *keeper = applicable_cpu_keeper(cell);
    char reason[sizeof cell->reason];
    if (!keeper || cell->runnable != ST_OK || sched_getaffinity(0, sizeof cpus, &cpus) != 0 ||
        CPU_COUNT(&cpus) != 1)
        return;
    snprintf(
        reason, sizeof reason,
        "this process has one CPU, and under scheduling fifo the role that waits with %s would "
        "never let the other run",
        keeper);
    applicable_refuse(cell, ST_UNAVAILABLE, reason, "use a wait that gives the CPU away");
}

/* Each priority is a question of its own: the limit may lie between two. */
static bool ask_scheduling(struct answers *answers, struct cell *cell)
{
    struct geometry any = {0, 0, 0};
    const void *asked = &asked_scheduling[cell->fifo_priority];
    char name[16];
    if (cell->fifo_priority == 0)
        return true;
    struct answer *answer = answers_find(answers, asked, any);
    if (!answer) {
        answer = answers_add(answers, asked, any);
        if (!answer)
            return false;
        answer->status = privileges_try_fifo(cell->fifo_priority, &answer->err);
    }
    snprintf(name, sizeof name, "fifo:%u", (unsigned)cell->fifo_priority);
    mark(cell, answer, "scheduling", name);
    refuse_one_cpu(cell);
    return true;
}

/* The kernel has switches of their own for pages that two processes share and for those of one,
 * which a transport that moves bytes receives into. */
static bool ask_pages(struct answers *answers, struct cell *cell)
{
    struct geometry any = {0, 0, 0};
    const bool private = (cell->transport->flags & TRANSPORT_MOVES_BYTES) != 0;
    const void *asked = &asked_pages[private][cell->pages];
    if (cell->pages == SHM_PAGES_NORMAL || cell->runnable != ST_OK)
        return true;
    struct answer *answer = answers_find(answers, asked, any);
    if (!answer) {
        answer = answers_add(answers, asked, any);
        if (!answer)
            return false;
        answer->status = private ? shm_pages_probe_private(cell->pages, &answer->err)
                                 : shm_pages_probe(cell->pages, &answer->err);
    }
    mark(cell, answer, "pages", shm_pages_name(cell->pages));
    return true;
}

static bool ask_privileges(struct answers *answers, struct cell *cell)
{
    return ask_scheduling(answers, cell) &&
           (!cell->clocks_locked ||
            ask_probe(answers, cell, asked_clocks, "clocks", "locked", privileges_try_clocks)) &&
           (!cell->idle_latency_held || ask_probe(answers, cell, asked_idle_latency, "idle_latency",
                                                  "held", privileges_try_idle_latency));
}

/* Whether a kernel takes frames of the cell's size shows only when it is opened for them. */
static bool ask_geometry(struct answers *answers, struct cell *cell)
{
    struct answer *answer = answers_find(answers, cell->kernel, cell->geometry);
    if (!answer) {
        answer = answers_add(answers, cell->kernel, cell->geometry);
        if (!answer)
            return false;
        struct kernel_config config = {.geometry = cell->geometry,
                                       .payload_bytes = cell_payload_bytes(cell)};
        struct kernel_state *state = NULL;
        answer->status = cell->kernel->open(&config, &state, &answer->err);
        if (answer->status == ST_OK)
            cell->kernel->close(state);
    }
    if (answer->status == ST_OK)
        return true;
    bool meaningless = answer->status == ST_INVALID || answer->status == ST_NOT_APPLICABLE;
    applicable_refuse(cell, meaningless ? ST_NOT_APPLICABLE : ST_UNAVAILABLE, answer->err.what,
                      answer->err.hint);
    return true;
}

/* Bytes can be flushed from every cache by an instruction here; elsewhere not. */
static void ask_frame_state(struct cell *cell)
{
#if !defined(__x86_64__) && !defined(__aarch64__)
    if (cell->frame_state == FRAME_STATE_EVICTED && cell->runnable == ST_OK)
        applicable_refuse(cell, ST_UNAVAILABLE,
                          "frame_state evicted needs a processor whose caches a program may flush",
                          "use frame_state as_left or cached");
#else
    (void)cell;
#endif
}

/* The asker remembers what it was told. */
static void ask_python(struct cell *cell)
{
    struct answer answer = {.status = ST_OK};
    char peer[CELL_AXIS_BYTES];
    if (!cell_has_python(cell) || cell->runnable != ST_OK)
        return;
    enum python_part part = PYTHON_ROLE;
    if (strncmp(cell->transport->name, "zmq", 3) == 0)
        part = PYTHON_ZMQ;
    else if (cell->array != ARRAY_NUMPY)
        part = cell->array == ARRAY_CUPY ? PYTHON_CUPY : PYTHON_TORCH;
    answer.status = python_check(part, &answer.err);
    axis_table[AXIS_INDEX_peer].format(cell, peer, sizeof peer);
    mark(cell, &answer, "peer", peer);
}

static bool probe_cell(struct answers *answers, struct cell *cell)
{
    bool asked =
        ask_gpu(answers, cell) &&
        ask_probe(answers, cell, cell->transport, "transport", cell->transport->name,
                  cell->transport->probe) &&
        ask_probe(answers, cell, cell->wait, "wait", cell->wait->name, cell->wait->probe) &&
        (!cell->producer_wait ||
         ask_probe(answers, cell, cell->producer_wait, "producer_wait", cell->producer_wait->name,
                   cell->producer_wait->probe)) &&
        ask_probe(answers, cell, cell->access, "access", cell->access->name, cell->access->probe) &&
        ask_probe(answers, cell, cell->kernel, "kernel", cell->kernel->name, cell->kernel->probe) &&
        ask_pages(answers, cell) && ask_privileges(answers, cell);
    if (!asked)
        return false;
    ask_managed_depth(cell);
    ask_python(cell);
    ask_frame_state(cell);
    return cell->runnable == ST_OK && cell->fill != FILL_HEADER ? ask_geometry(answers, cell)
                                                                : true;
}

/* A baseline of cells none of which can run here would be measured for nothing. */
static void drop_idle_baselines(struct scenario *scenario)
{
    size_t kept = 0;
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (!scenario->cells[i].is_baseline ||
            baseline_is_needed(&scenario->cells[i], scenario->cells, scenario->cell_count, NULL))
            scenario->cells[kept++] = scenario->cells[i];
    scenario->cell_count = kept;
}

enum status scenario_probe(struct scenario *scenario, struct err *err)
{
    struct answers answers = {NULL, 0, 0};
    enum status status = ST_OK;
    for (size_t i = 0; i < scenario->cell_count && status == ST_OK; i++) {
        struct cell *cell = &scenario->cells[i];
        if (cell->runnable == ST_OK && !probe_cell(&answers, cell))
            status = err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    }
    if (status == ST_OK)
        drop_idle_baselines(scenario);
    free(answers.items);
    return status;
}
