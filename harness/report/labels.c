/* labels.c: what cells, groups and blocks are called, made from their axes. See model.h. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/model.h"

/* Of a block that varies more axes than this at once, labels leave out what is as usual. */
#define LABEL_AXES_MAX 6

/* Steals a text's characters; NULL on failure. */
static char *text_take(struct text *text)
{
    if (!text->data)
        text_add(text, "");
    return text->failed ? NULL : text->data;
}

/* A value that says of itself what it is a value of: "1 slot", "kernel none". */
static void value_add(struct text *text, const char *axis, const char *pretty)
{
    const bool slots = strcmp(axis, "slots") == 0;
    if (strcmp(axis, "kernel") == 0 && strcmp(pretty, "none") == 0)
        text_add(text, "kernel ");
    text_add_plain(text, pretty);
    if (slots)
        text_add(text, strcmp(pretty, "1") == 0 ? " slot" : " slots");
}

/* Appends an axis' value to "a · b", with `between` in between. */
static void label_join(struct text *text, const struct report_cell *cell, const char *axis,
                       const char *between)
{
    char value[REPORT_AXIS_BYTES];
    const char *pretty = report_axis_pretty(cell, axis, value);
    if (!pretty[0])
        return;
    if (text->used_bytes)
        text_add(text, between);
    value_add(text, axis, pretty);
}

static void label_add(struct text *text, const struct report_cell *cell, const char *axis)
{
    label_join(text, cell, axis, " · ");
}

/* Whether most of the block's cells have this value: then a label need not repeat it. */
static bool value_is_most_common(const struct report_block *block, const struct report_cell *cell,
                                 const char *axis)
{
    char value[REPORT_AXIS_BYTES], other[REPORT_AXIS_BYTES];
    size_t same = 0;
    report_axis(cell, axis, value);
    for (size_t i = 0; i < block->cell_count; i++)
        same += strcmp(report_axis(&block->cells[i], axis, other), value) == 0;
    return 2 * same > block->cell_count;
}

/* What a Python consumer makes of a frame, where the consumer is in C. */
static bool axis_is_idle(const struct report_cell *cell, const char *axis)
{
    return (strcmp(axis, "array") == 0 || strcmp(axis, "read") == 0) &&
           !report_consumer_is_python(cell);
}

/* Axes stand in the block's order, but the compared one and what follows from it come first. */
char *label_make(const struct report_block *block, const struct report_cell *cell,
                 enum label_axes axes)
{
    struct text text = {0};
    for (size_t i = 0; axes != LABEL_OTHERS && i < block->varying_count; i++)
        if (strcmp(block->varying[i], block->compare) == 0)
            label_add(&text, cell, block->varying[i]);
    for (size_t i = 0; axes != LABEL_OTHERS && i < block->varying_count; i++)
        if (axes != LABEL_NAME && block->bound[i] &&
            strcmp(block->varying[i], block->compare) != 0 &&
            !value_is_most_common(block, cell, block->varying[i]))
            label_join(&text, cell, block->varying[i], " + ");
    for (size_t i = 0; axes != LABEL_COMPARED && axes != LABEL_NAME && i < block->varying_count;
         i++)
        if (!block->bound[i] && !axis_is_idle(cell, block->varying[i]) &&
            !(block->varying_count > LABEL_AXES_MAX &&
              report_axis_is_default(cell, block->varying[i])))
            label_add(&text, cell, block->varying[i]);
    return text_take(&text);
}

static bool block_varies(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (strcmp(block->varying[i], axis) == 0)
            return true;
    return false;
}

/* "shm unless named": an axis that follows from the compared one, where labels leave out its usual
 * value. */
static bool bound_common_add(struct text *text, const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++) {
        if (!block->bound[i] || strcmp(block->varying[i], axis) != 0 ||
            strcmp(block->compare, axis) == 0)
            continue;
        for (size_t j = 0; j < block->cell_count; j++) {
            const struct report_cell *cell = &block->cells[j];
            if (!value_is_most_common(block, cell, axis) || report_axis_is_default(cell, axis))
                continue;
            label_add(text, cell, axis);
            text_add(text, " unless named");
            return true;
        }
    }
    return false;
}

/* The axes that a heading names where all cells of the block share their value, in its order: the
 * first ones always, as they say what the cells are; the others, which move their figures, where
 * the value is not the usual one. */
#define AXES_ALWAYS_NAMED 8
static const char *const heading_axes[] = {"transport",
                                           "wait",
                                           "frame",
                                           "pacing",
                                           "kernel",
                                           "access",
                                           "fill",
                                           "slots",
                                           "policy",
                                           "placement",
                                           "frame_state",
                                           "producer_wait",
                                           "phase",
                                           "scheduling",
                                           "timer_slack_ns",
                                           "idle_latency",
                                           "clocks",
                                           "load",
                                           "sync",
                                           "order",
                                           "depth",
                                           "register_per_frame",
                                           "gpu_sharing",
                                           "pages",
                                           "library_threads",
                                           "peer",
                                           "read",
                                           "gc",
                                           "array"};

/* Whether the heading names axis number `index`. */
static bool heading_names(const struct report_block *block, size_t index)
{
    const struct report_cell *cell = &block->cells[0];
    const char *axis = heading_axes[index];
    char value[REPORT_AXIS_BYTES];
    if (block_varies(block, axis) || !report_axis(cell, axis, value)[0])
        return false;
    if (strcmp(axis, "frame") == 0 && report_axis_is(cell, "fill", "header"))
        return false; /* a header and nothing else: the size says nothing */
    return index < AXES_ALWAYS_NAMED || !report_axis_is_default(cell, axis);
}

char *label_of_block(const struct report_block *block)
{
    struct text text = {0};
    const size_t count = block->cell_count ? sizeof heading_axes / sizeof heading_axes[0] : 0;
    for (size_t i = 0; i < count; i++) {
        const struct report_cell *cell = &block->cells[0];
        const char *axis = heading_axes[i];
        char value[REPORT_AXIS_BYTES];
        if (bound_common_add(&text, block, axis) || !heading_names(block, i))
            continue;
        if (report_axis_speaks(axis) || strcmp(axis, "slots") == 0) {
            label_add(&text, cell, axis);
        } else {
            text_addf(&text, "%s%s ", text.used_bytes ? " · " : "", report_axis_title(axis));
            text_add_plain(&text, report_axis(cell, axis, value));
        }
    }
    return text_take(&text);
}

/* "At 60 frames/s", "With one frame in flight": how frames come, as the start of a sentence. */
static void sentence_add_pacing(struct text *text, const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES], bound[FIGURE_BYTES];
    double bound_ns;
    if (report_cell_is_scheduled(cell))
        text_addf(text, "At %s", report_axis_pretty(cell, "pacing", value));
    else if (report_cell_searches(cell, &bound_ns))
        text_addf(text, "With p99 of response kept under %s", format_bound(bound_ns, bound));
    else if (report_axis_is(cell, "pacing", "pingpong"))
        text_add(text, "With one frame in flight");
    else if (report_axis_is(cell, "pacing", "max"))
        text_add(text, "As fast as the slots allow");
    else
        text_add(text, "In this run");
}

/* "At 60 frames/s of 1920×1080×3 (6.22 MB), kernel checksum": the start of a sentence. */
char *label_sentence(const struct report_block *block, const struct report_cell *cell)
{
    struct text text = {0};
    char value[REPORT_AXIS_BYTES], size[FIGURE_BYTES];
    sentence_add_pacing(&text, cell);
    const char *frame = report_axis_pretty(cell, "frame", value);
    double bytes = json_get_number(cell->json, "payload_bytes", 0);
    if (frame[0] && bytes > 0) {
        text_add(&text, report_cell_is_scheduled(cell) ? " of " : " at ");
        text_add_plain(&text, frame);
        text_addf(&text, " (%s)", format_bytes(bytes, size));
    }
    for (size_t i = 0; i < block->varying_count; i++) {
        const char *axis = block->varying[i];
        if (block->bound[i] || strcmp(axis, "frame") == 0 || strcmp(axis, "pacing") == 0 ||
            strcmp(axis, block->compare) == 0)
            continue;
        const char *pretty = report_axis_pretty(cell, axis, value);
        text_add(&text, ", ");
        if (strcmp(axis, "slots") == 0) {
            value_add(&text, axis, pretty);
            continue;
        }
        if (!report_axis_speaks(axis)) {
            text_add_plain(&text, report_axis_title(axis));
            text_add(&text, " ");
        }
        text_add_plain(&text, pretty);
    }
    return text_take(&text);
}

/* What tells the block's baselines apart: "baseline · idle states held off". */
char *label_baseline(const struct report_block *block, const struct report_cell *cell)
{
    static const char *const of_the_served[] = {"transport", "wait",  "kernel", "fill",
                                                "frame",     "slots", "access", "producer_wait"};
    struct text text = {0};
    text_add(&text, "baseline");
    for (size_t i = 0; i < block->varying_count; i++) {
        bool served = false;
        for (size_t j = 0; j < sizeof of_the_served / sizeof of_the_served[0]; j++)
            served = served || strcmp(block->varying[i], of_the_served[j]) == 0;
        if (!served && !report_axis_is_default(cell, block->varying[i]))
            label_add(&text, cell, block->varying[i]);
    }
    return text_take(&text);
}

char *label_of_lone_cell(const struct report_cell *cell)
{
    struct text label = {0};
    label_add(&label, cell, "transport");
    label_join(&label, cell, "wait", " + ");
    return text_take(&label);
}
