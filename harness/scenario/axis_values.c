/* axis_values.c: see axis_values.h. */
#include "harness/scenario/axis_values.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool takes(const struct axis *axis, const char *text)
{
    struct cell cell;
    memset(&cell, 0, sizeof cell);
    return axis_parse_text(axis, text, &cell, NULL) == ST_OK;
}

/* Adds a word once. */
static void add(struct axis_value *values, size_t *count, const char *text, bool is_prefix)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(values[i].text, text) == 0)
            return;
    if (*count == AXIS_VALUES_MAX || strlen(text) >= AXIS_VALUE_BYTES)
        return;
    values[*count].is_prefix = is_prefix;
    snprintf(values[(*count)++].text, AXIS_VALUE_BYTES, "%s", text);
}

/* ---- names from a registry ------------------------------------------------------------------- */

static void add_waits(struct axis_value *values, size_t *count)
{
    for (size_t i = 0; i < wait_registry_count; i++) {
        const bool takes_us = wait_registry[i]->parameter == WAIT_PARAMETER_US;
        char text[AXIS_VALUE_BYTES];
        snprintf(text, sizeof text, "%s%s", wait_registry[i]->name, takes_us ? ":" : "");
        add(values, count, text, takes_us);
    }
}

static void add_registry(enum axis_index axis, struct axis_value *values, size_t *count)
{
    if (axis == AXIS_INDEX_transport)
        for (size_t i = 0; i < transport_registry_count; i++)
            add(values, count, transport_registry[i]->name, false);
    if (axis == AXIS_INDEX_access)
        for (size_t i = 0; i < access_registry_count; i++)
            add(values, count, access_registry[i]->name, false);
    if (axis == AXIS_INDEX_kernel)
        for (size_t i = 0; i < kernel_registry_count; i++)
            add(values, count, kernel_registry[i]->name, false);
    if (axis == AXIS_INDEX_wait || axis == AXIS_INDEX_producer_wait)
        add_waits(values, count);
}

/* ---- words that axes.def names --------------------------------------------------------------- */

/* "spin" as it is; "cpus:P", or "poisson" of {"poisson": 30}, as what stands before their
 * number. */
static void add_word(const struct axis *axis, const char *word, struct axis_value *values,
                     size_t *count)
{
    static const char *const numbers[] = {"1", "0,1"};
    char text[AXIS_VALUE_BYTES + 8];
    const size_t length = strcspn(word, ":");
    if (!isalpha((unsigned char)word[0]))
        return;
    if (word[length] == '\0' && takes(axis, word))
        add(values, count, word, false);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(text, sizeof text, "%.*s:%s", (int)length, word, numbers[i]);
        if (!takes(axis, text))
            continue;
        text[length + 1] = '\0';
        add(values, count, text, true);
    }
}

size_t axis_values_list(enum axis_index axis, struct axis_value values[AXIS_VALUES_MAX])
{
    static const char between[] = " ,()\"{};";
    size_t count = 0;
    add_registry(axis, values, &count);
    for (const char *at = axis_table[axis].expected; *at;) {
        char word[AXIS_VALUE_BYTES];
        const size_t length = strcspn(at, between);
        snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : 0), at);
        if (word[0])
            add_word(&axis_table[axis], word, values, &count);
        at += length;
        at += strspn(at, between);
    }
    return count;
}

/* "a whole number from 1 to 1024" */
bool axis_values_range(enum axis_index axis, int64_t *low, int64_t *high)
{
    const char *from = strstr(axis_table[axis].expected, "from ");
    int64_t first, last;
    char text[24];
    if (!from || sscanf(from, "from %" SCNd64 " to %" SCNd64, &first, &last) != 2)
        return false;
    snprintf(text, sizeof text, "%" PRId64, first);
    if (!takes(&axis_table[axis], text))
        return false; /* a number within a word: fifo:P */
    *low = first;
    *high = last;
    return true;
}
