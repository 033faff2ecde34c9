/* probe.c: which cells of a scenario this machine can run: scenario_probe of scenario.h.
 *
 * Each transport, wait, access and kernel that a cell uses is asked once, however many cells use
 * it; so is each kernel about each frame size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario/applicable.h"
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

static bool ask_probe(struct answers *answers, struct cell *cell, const void *asked,
                      const char *axis, const char *name, probe_function probe)
{
    struct geometry any = {0, 0, 0};
    struct answer *answer = answers_find(answers, asked, any);
    if (!answer) {
        answer = answers_add(answers, asked, any);
        if (!answer)
            return false;
        answer->status = probe(&answer->err);
    }
    if (answer->status != ST_OK && cell->runnable == ST_OK) {
        char reason[sizeof cell->reason];
        snprintf(reason, sizeof reason, "%s %s: %.200s", axis, name, answer->err.what);
        applicable_refuse(cell, ST_UNAVAILABLE, reason, answer->err.hint);
    }
    return true;
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

static bool probe_cell(struct answers *answers, struct cell *cell)
{
    bool asked =
        ask_probe(answers, cell, cell->transport, "transport", cell->transport->name,
                  cell->transport->probe) &&
        ask_probe(answers, cell, cell->wait, "wait", cell->wait->name, cell->wait->probe) &&
        ask_probe(answers, cell, cell->access, "access", cell->access->name, cell->access->probe) &&
        ask_probe(answers, cell, cell->kernel, "kernel", cell->kernel->name, cell->kernel->probe);
    if (!asked)
        return false;
    ask_frame_state(cell);
    return cell->runnable == ST_OK && cell->fill != FILL_HEADER ? ask_geometry(answers, cell)
                                                                : true;
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
    free(answers.items);
    return status;
}
