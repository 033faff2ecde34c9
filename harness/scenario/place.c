/* place.c: see place.h. */
#include "harness/scenario/place.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/scenario/suggest.h"

#define PLACE_BYTES 400

static int key_is_plain(const char *key)
{
    for (const char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return 0;
    return *key != '\0';
}

/* Appends the chain from the file down to `place`. */
static void place_render(const struct place *place, char *text, size_t size)
{
    char shown[SUGGEST_SHOWN_BYTES];
    if (!place->parent) {
        suggest_show(place->key, text, size - PLACE_BYTES / 2);
        return;
    }
    place_render(place->parent, text, size);
    size_t used = strlen(text);
    char *end = text + used;
    size_t room = size - used;
    int first = !place->parent->parent;
    if (!place->key)
        snprintf(end, room, "[%zu]", place->index);
    else if (key_is_plain(place->key))
        snprintf(end, room, "%s%s", first ? ": " : ".",
                 suggest_show(place->key, shown, sizeof shown));
    else
        snprintf(end, room, "%s[\"%s\"]", first ? ": " : "",
                 suggest_show(place->key, shown, sizeof shown));
}

enum status place_context(const struct place *place, struct err *err)
{
    char text[PLACE_BYTES];
    place_render(place, text, sizeof text);
    return err_context(err, "%s", text);
}

enum status place_fail(const struct place *place, struct err *err, const char *hint,
                       const char *format, ...)
{
    if (!err)
        return ST_INVALID;
    char message[sizeof err->what];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err_set(err, ST_INVALID, hint, "%s", message);
    return place_context(place, err);
}
