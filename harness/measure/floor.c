/* floor.c: all floors of a machine, one after the other, within a budget. See floor.h. */
#include "harness/measure/floor.h"

#include <math.h>
#include <stdio.h>

#include "harness/measure/floor_parts.h"

static void floor_warn(struct floor *floor, const struct err *err)
{
    if (floor->warning_count < FLOOR_WARNINGS_MAX)
        snprintf(floor->warnings[floor->warning_count++], FLOOR_WARNING_BYTES, "%s%s%s", err->what,
                 err->hint[0] ? ": " : "", err->hint);
}

/* When a part that may take up to one `parts_left`-th of what is left of the budget must be
 * done. */
static uint64_t floor_share_end_ns(uint64_t deadline_ns, size_t parts_left)
{
    uint64_t now_ns = clock_now_ns();
    return now_ns < deadline_ns ? now_ns + (deadline_ns - now_ns) / parts_left : deadline_ns;
}

static void *floor_calls_body(void *argument)
{
    *(struct floor_calls *)argument = floor_calls_measure();
    return NULL;
}

static void floor_add_clocks(const struct clock_choice *choice, const struct floor_calls *calls,
                             struct floor *floor)
{
    if (!choice)
        floor->clocks[floor->clock_count++] = (struct floor_clock){
            clock_kind_name(clock_current.kind), calls->clock_read_ns, calls->clock_tick_ns};
    for (size_t i = 0; choice && i < choice->candidate_count; i++) {
        const struct clock_candidate *clock = &choice->candidates[i];
        if (clock->measured && floor->clock_count < FLOOR_CLOCKS_MAX)
            floor->clocks[floor->clock_count++] =
                (struct floor_clock){clock->name, clock->quality.read_ns, clock->quality.tick_ns};
    }
}

static void floor_measure_calls(const struct floor_config *config, int cpu, struct floor *floor)
{
    struct err why = {0};
    struct floor_calls calls = {NAN, NAN, NAN};
    if (floor_thread_run(cpu, floor_calls_body, &calls, &why) != ST_OK)
        floor_warn(floor, &why);
    floor->system_call_ns = calls.system_call_ns;
    floor_add_clocks(config->clock, &calls, floor);
}

static void floor_measure_pairs(const struct floor_config *config, uint64_t deadline_ns,
                                struct floor *floor)
{
    for (size_t i = 0; i < config->pair_count; i++) {
        struct err why = {0};
        struct floor_pair *pair = &floor->pairs[floor->pair_count];
        *pair = (struct floor_pair){.cpus = config->pairs[i],
                                    .lines = {.one_line = {NAN, NAN}, .two_lines = {NAN, NAN}}};
        enum status status = floor_lines_measure(
            pair->cpus, floor_share_end_ns(deadline_ns, config->pair_count - i + 2), &pair->lines,
            &why);
        if (status != ST_OK)
            floor_warn(floor, &why);
        if (status != ST_NOT_APPLICABLE)
            floor->pair_count++;
    }
}

static void floor_measure_memory(const struct floor_config *config, struct floor_cpus cpus,
                                 uint64_t deadline_ns, struct floor *floor)
{
    for (size_t i = 0; i < config->size_count; i++) {
        struct err why = {0};
        struct floor_memory *memory = &floor->memory[floor->memory_count++];
        memory->bytes = config->sizes_bytes[i];
        if (floor_memory_measure(cpus, floor_share_end_ns(deadline_ns, config->size_count - i),
                                 memory, &why) != ST_OK)
            floor_warn(floor, &why);
    }
}

static enum status floor_check(const struct floor_config *config, struct err *err)
{
    if (config->pair_count > FLOOR_PAIRS_MAX || config->size_count > FLOOR_SIZES_MAX)
        return err_set(err, ST_INVALID, NULL, "floor: at most %d pairs of CPUs and %d frame sizes",
                       FLOOR_PAIRS_MAX, FLOOR_SIZES_MAX);
    for (size_t i = 0; i < config->pair_count; i++)
        if (config->pairs[i].producer < 0 || config->pairs[i].consumer < 0)
            return err_set(err, ST_INVALID, NULL, "floor: a pair of CPUs with a negative number");
    for (size_t i = 0; i < config->size_count; i++)
        if (config->sizes_bytes[i] == 0)
            return err_set(err, ST_INVALID, NULL, "floor: a frame of no bytes");
    return ST_OK;
}

enum status floor_measure(const struct floor_config *config, struct floor *out, struct err *err)
{
    enum status status = floor_check(config, err);
    if (status != ST_OK)
        return status;
    uint64_t deadline_ns =
        clock_now_ns() + (config->budget_ns ? config->budget_ns : FLOOR_BUDGET_NS);
    struct floor_cpus cpus =
        config->pair_count > 0 ? config->pairs[0] : (struct floor_cpus){-1, -1};
    struct err why = {0};
    *out = (struct floor){.system_call_ns = NAN};
    floor_measure_calls(config, cpus.producer, out);
    floor_measure_pairs(config, deadline_ns, out);
    if (floor_futex_measure(cpus, floor_share_end_ns(deadline_ns, 4), &out->futex, &why) != ST_OK)
        floor_warn(out, &why);
    if (floor_nanosleep_measure(cpus.producer, floor_share_end_ns(deadline_ns, 4), out->nanosleep,
                                &out->timer_slack_ns, &why) != ST_OK)
        floor_warn(out, &why);
    floor_measure_memory(config, cpus, deadline_ns, out);
    return ST_OK;
}
