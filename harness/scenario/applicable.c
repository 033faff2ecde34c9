/* applicable.c: see applicable.h. Each rule says what does not fit, and in its hint what would. */
#include "harness/scenario/applicable.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Policy latest: the frame held, the newest one, and one to write the next into. */
#define LATEST_SLOTS_MIN 3
/* What run/search.h takes for each rate at least: a p99 needs 368 frames. */
#define SEARCH_FRAMES_MIN 400

void applicable_refuse(struct cell *cell, enum status status, const char *reason, const char *hint)
{
    cell->runnable = status;
    snprintf(cell->reason, sizeof cell->reason, "%s", reason);
    snprintf(cell->hint, sizeof cell->hint, "%s", hint ? hint : "");
}

void applicable_deny(struct cell *cell, const char *hint, const char *format, ...)
{
    char reason[sizeof cell->reason];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    applicable_refuse(cell, ST_NOT_APPLICABLE, reason, hint);
}

static const char *pacing_name(enum pacing pacing)
{
    static const char *const names[] = {[PACING_RATE] = "rate",
                                        [PACING_PINGPONG] = "pingpong",
                                        [PACING_MAX] = "max",
                                        [PACING_POISSON] = "poisson",
                                        [PACING_SEARCH] = "search"};
    return names[pacing];
}

static const char *sources_name(unsigned sources)
{
    if (sources == SOURCE_WORD)
        return "a word in shared memory";
    if (sources == SOURCE_FD)
        return "a descriptor";
    if (sources == SOURCE_NATIVE)
        return "its library's own call";
    return "more than one kind of source";
}

/* "waits that go with shm: spin, pause, …" */
static void list_fitting_waits(const struct transport *transport, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "waits that go with %s:", transport->name);
    const char *separator = " ";
    for (size_t i = 0; i < wait_registry_count && used < size; i++) {
        if (!cell_wait_fits(wait_registry[i], transport))
            continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", separator, wait_registry[i]->name);
        separator = ", ";
    }
}

bool cell_wait_fits(const struct wait_strategy *wait, const struct transport *transport)
{
    if (wait->sources == SOURCE_NATIVE && (transport->flags & TRANSPORT_NATIVE_WAIT))
        return true;
    return (transport->sources & wait->sources) == transport->sources;
}

/* The consumer's wait, or the producer's for a free slot. */
static bool wait_refuses(struct cell *cell, const char *axis, const struct wait_strategy *wait)
{
    const struct transport *transport = cell->transport;
    char hint[sizeof cell->hint];
    if (!wait || cell_wait_fits(wait, transport))
        return false;
    list_fitting_waits(transport, hint, sizeof hint);
    applicable_deny(cell, hint, "transport %s is waited for on %s, and %s %s cannot do that",
                    transport->name, sources_name(transport->sources), axis, wait->name);
    return true;
}

static bool transport_refuses(struct cell *cell)
{
    const struct transport *transport = cell->transport;
    if (wait_refuses(cell, "wait", cell->wait) ||
        wait_refuses(cell, "producer_wait", cell->producer_wait))
        return true;
    if (!(transport->policies & cell->policy)) {
        applicable_deny(cell, "`handoff list transports` shows which policies each has",
                        "transport %s has no policy %s", transport->name,
                        policy_name(cell->policy));
    } else if (cell->slots < transport->slots_min || cell->slots > transport->slots_max) {
        applicable_deny(cell, "choose another number of slots",
                        "transport %s has from %" PRIu32 " to %" PRIu32 " slots, not %" PRIu32,
                        transport->name, transport->slots_min, transport->slots_max, cell->slots);
    } else if ((transport->flags & TRANSPORT_NO_PAYLOAD) &&
               (cell->fill != FILL_HEADER || strcmp(cell->kernel->name, "none") != 0)) {
        applicable_deny(
            cell, "give it fill header and kernel none",
            "transport %s carries no payload, so fill %s with kernel %s has nothing to work on",
            transport->name, fill_name(cell->fill), cell->kernel->name);
    } else {
        return false;
    }
    return true;
}

static bool library_refuses(struct cell *cell)
{
    if (cell->library_threads == LIBRARY_THREADS_ANYWHERE ||
        (cell->transport->flags & TRANSPORT_OWN_THREADS))
        return false;
    applicable_deny(
        cell, "use library_threads anywhere, or a transport whose library has threads",
        "library_threads %s is about a library's own threads, and transport %s has none",
        library_threads_name(cell->library_threads), cell->transport->name);
    return true;
}

static bool values_refuse(struct cell *cell)
{
    unsigned needs = KERNEL_READS_PAYLOAD | KERNEL_WRITES_PAYLOAD;
    if (cell->fill == FILL_HEADER && (cell->kernel->flags & needs)) {
        applicable_deny(cell, "use kernel none, or a fill that makes a payload",
                        "kernel %s works on the payload, and fill header has none",
                        cell->kernel->name);
    } else if (cell->policy == POLICY_LATEST && cell->slots < LATEST_SLOTS_MIN) {
        applicable_deny(
            cell, "use 3 slots or more",
            "policy latest needs 3 slots: one held, one with the newest frame, one to write the "
            "next into");
    } else if (cell->policy == POLICY_LATEST && cell->pacing == PACING_PINGPONG) {
        applicable_deny(
            cell, "use pacing rate or max, or policy block",
            "policy latest replaces frames not yet taken, and pingpong has only one in flight");
    } else if (cell->frame_state != FRAME_STATE_AS_LEFT && cell->fill != FILL_COPY) {
        applicable_deny(cell, "use fill copy, or frame_state as_left",
                        "frame_state %s is about the source frame, and fill %s has none",
                        frame_state_name(cell->frame_state), fill_name(cell->fill));
    } else if (cell->frame_state != FRAME_STATE_AS_LEFT && !cell_has_schedule(cell)) {
        applicable_deny(
            cell, "use pacing rate, or frame_state as_left",
            "frame_state %s takes time before each frame, and without a rate that would be part "
            "of the pace",
            frame_state_name(cell->frame_state));
    } else {
        return false;
    }
    return true;
}

static bool pacing_refuses(struct cell *cell)
{
    if (cell->phase == PHASE_RANDOM && cell->pacing != PACING_RATE) {
        applicable_deny(
            cell, "use pacing rate, or phase fixed",
            "phase random moves a frame within the period of a fixed rate, and pacing %s has "
            "none",
            pacing_name(cell->pacing));
    } else if (cell->pacing == PACING_SEARCH && (cell->transport->flags & TRANSPORT_NO_PAYLOAD)) {
        applicable_deny(
            cell, "search with a transport that carries frames, or use pacing rate",
            "pacing search looks for the rate that a transport keeps up with, and transport %s "
            "hands nothing over",
            cell->transport->name);
    } else if (cell->pacing == PACING_SEARCH && cell->frame_state != FRAME_STATE_AS_LEFT) {
        applicable_deny(
            cell, "use frame_state as_left, or pacing rate",
            "frame_state %s takes time before each frame, and pacing search would find the rate "
            "of that",
            frame_state_name(cell->frame_state));
    } else if (cell->pacing == PACING_SEARCH && cell->frames != 0 &&
               cell->frames < SEARCH_FRAMES_MIN) {
        applicable_deny(cell, "use frames auto, or 400 and more",
                        "pacing search judges each rate by the p99 of response, for which %" PRIu32
                        " frames are too few",
                        cell->frames);
    } else {
        return false;
    }
    return true;
}

/* It keeps the CPU while it waits. yield gives it to others of the same priority without
 * sleeping. */
static bool wait_keeps_cpu(const struct wait_strategy *wait)
{
    return !wait->sleeps && strcmp(wait->name, "yield") != 0;
}

static bool shares_cpu(const struct cell *cell)
{
    return cell->placement == PLACEMENT_SAME_CPU ||
           (cell->placement == PLACEMENT_CPUS && cell->producer_cpu == cell->consumer_cpu);
}

const char *applicable_cpu_keeper(const struct cell *cell)
{
    if (wait_keeps_cpu(cell->wait))
        return cell->wait->name;
    if (cell->producer_wait && wait_keeps_cpu(cell->producer_wait))
        return cell->producer_wait->name;
    return NULL;
}

static bool scheduling_refuses(struct cell *cell)
{
    const char *keeper = applicable_cpu_keeper(cell);
    if (cell->fifo_priority == 0)
        return false;
    if (shares_cpu(cell) && keeper) {
        applicable_deny(
            cell,
            "use two CPUs, scheduling other, or a wait that gives the CPU away: yield, poll, "
            "futex, block",
            "two roles of one fifo priority on one CPU: the one that waits with %s never lets "
            "the other run",
            keeper);
        return true;
    }
    if (cell->timer_slack_ns > 0) {
        applicable_deny(
            cell, "use timer_slack_ns as_found, or scheduling other",
            "the kernel gives real-time tasks no timer slack, so timer_slack_ns changes nothing "
            "under scheduling fifo");
        return true;
    }
    return false;
}

void applicable_judge(struct cell *cell)
{
    cell->runnable = ST_OK;
    cell->reason[0] = '\0';
    cell->hint[0] = '\0';
    if (!transport_refuses(cell) && !values_refuse(cell) && !pacing_refuses(cell) &&
        !scheduling_refuses(cell) && !library_refuses(cell) && !applicable_python_refuses(cell))
        applicable_gpu_refuses(cell);
}
