/* detector.c: which function cells of kernel `detector` call: scenario_set_detector of scenario.h. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/scenario/applicable.h"
#include "harness/scenario/scenario.h"

static bool detector_wanted(const struct cell *cell)
{
    return strcmp(cell->kernel->name, "detector") == 0;
}

/* A name of Python's, ASCII ones only. */
static bool detector_is_name(const char *text)
{
    if (!isalpha((unsigned char)text[0]) && text[0] != '_')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_')
            return false;
    return true;
}

enum status scenario_resolve_detector(const char *text, char **resolved, struct err *err)
{
    static const char hint[] = "name a file and a function in it: my.py:detect";
    char path[PATH_MAX], file[PATH_MAX];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !detector_is_name(colon + 1) ||
        (size_t)(colon - text) >= sizeof path)
        return err_set(err, ST_INVALID, hint, "the detector \"%.200s\" is not FILE:FUNCTION", text);
    snprintf(path, sizeof path, "%.*s", (int)(colon - text), text);
    if (!realpath(path, file) || access(file, R_OK) != 0)
        return err_set(err, ST_INVALID, hint, "the detector's file %.300s cannot be read", path);
    const size_t size = strlen(file) + strlen(colon) + 1;
    char *made = malloc(size);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    snprintf(made, size, "%s%s", file, colon);
    *resolved = made;
    return ST_OK;
}

enum status scenario_set_detector(struct scenario *scenario, const char *detector, struct err *err)
{
    char *resolved = NULL;
    enum status status = detector ? scenario_resolve_detector(detector, &resolved, err) : ST_OK;
    if (status != ST_OK)
        return status;
    bool called = false;
    for (size_t i = 0; i < scenario->cell_count && !called; i++)
        called = detector_wanted(&scenario->cells[i]);
    if (detector && !called) {
        free(resolved);
        return err_set(err, ST_INVALID,
                       "give its cells \"kernel\": \"detector\" and \"peer\": \"c/python\", or use "
                       "`handoff choose`",
                       "no cell of scenario %s would call the detector %.200s", scenario->name,
                       detector);
    }
    for (size_t i = 0; i < scenario->cell_count; i++) {
        struct cell *cell = &scenario->cells[i];
        if (!detector_wanted(cell))
            continue;
        cell->detector = resolved;
        if (!resolved && cell->runnable == ST_OK)
            applicable_refuse(cell, ST_UNAVAILABLE, "kernel detector: no function was named",
                              "name it with --detector my.py:detect");
    }
    free(scenario->detector);
    scenario->detector = resolved;
    return ST_OK;
}
