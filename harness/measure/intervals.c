/* intervals.c: the table of intervals. See intervals.h. */
#include "harness/measure/intervals.h"

#include <assert.h>
#include <string.h>

const struct interval_definition interval_definitions[] = {
#define INTERVAL(name, from_side, from, to_side, to, definition) \
    {#name, TRACE_SIDE_##from_side, STAMP_##from, TRACE_SIDE_##to_side, STAMP_##to, definition},
#include "harness/measure/intervals.def"
#undef INTERVAL
};

const char interval_stamps_text[] =
    "In the producer: due, the schedule wants the frame; woke, its timer returned; ready, the "
    "frame "
    "is whole in its hands; reserved, it has a slot; filled, the frame lies where the transport "
    "takes it from; committed, the commit is done; notified, the call that wakes the consumer "
    "returned. In the consumer: waiting, it began to wait; seen, its wait returned; acquired, "
    "every "
    "byte can be read; accessed, the bytes lie where the kernel reads them; done, the consumer "
    "knows "
    "that the kernel has finished; released, it gave the slot back. On the GPU, by its clock and "
    "put "
    "on the roles': gpu_filled, the producer's kernel has written the frame; gpu_begin and "
    "gpu_end, "
    "the consumer's kernel began and ended.";

static const char *const trace_stamp_names[2][TRACE_STAMPS + TRACE_GPU_STAMPS] = {
    [TRACE_SIDE_producer] = {"due", "woke", "ready", "reserved", "filled", "committed", "notified",
                             [INTERVAL_GPU_STAMP(STAMP_GPU_FILLED)] = "gpu_filled"},
    [TRACE_SIDE_consumer] = {"waiting", "seen", "acquired", "accessed", "done", "released",
                             [INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN)] = "gpu_begin",
                             [INTERVAL_GPU_STAMP(STAMP_GPU_END)] = "gpu_end"},
};

struct interval_span interval_span(enum interval interval, bool kernel_on_gpu)
{
    const struct interval_definition *definition = &interval_definitions[interval];
    struct interval_span span = {definition->from_side, definition->from_stamp, definition->to_side,
                                 definition->to_stamp};
    if (!kernel_on_gpu)
        return span;
    if (interval == INTERVAL_kernel) {
        span.from_stamp = INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN);
        span.to_stamp = INTERVAL_GPU_STAMP(STAMP_GPU_END);
    } else if (interval == INTERVAL_access || interval == INTERVAL_age) {
        span.to_stamp = INTERVAL_GPU_STAMP(STAMP_GPU_BEGIN);
    }
    return span;
}

const char *trace_stamp_name(enum trace_side side, unsigned stamp)
{
    const char *name =
        stamp < TRACE_STAMPS + TRACE_GPU_STAMPS ? trace_stamp_names[side][stamp] : NULL;
    return name ? name : "?";
}

const char *interval_name(enum interval interval)
{
    assert((unsigned)interval < INTERVAL_COUNT);
    return interval_definitions[interval].name;
}

enum interval interval_find(const char *name)
{
    for (unsigned i = 0; i < INTERVAL_COUNT; i++)
        if (strcmp(name, interval_definitions[i].name) == 0)
            return (enum interval)i;
    return INTERVAL_COUNT;
}
