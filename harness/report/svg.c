/* svg.c: taking gnuplot's SVG into a page. See gnuplot.h.
 *
 * gnuplot writes plain colours; on the page they become CSS variables, so that one picture is
 * readable in light, in dark and on paper. The file beside the page keeps them.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/gnuplot.h"

#define SVG_BYTES_MAX (8u << 20)
#define NEAR 0.6 /* of a unit: points within it are one */

const unsigned palette[PALETTE_COUNT] = {0x0072b2, 0xe69f00, 0x009e73, 0xd55e00,
                                         0xcc79a7, 0x56b4e9, 0x7a7a7a};

/* The CSS variable of a colour that our scripts use, or NULL. */
static const char *colour_variable(unsigned rgb)
{
    static const char *const series[PALETTE_COUNT] = {
        "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)", "var(--c7)"};
    for (size_t i = 0; i < PALETTE_COUNT; i++)
        if (palette[i] == rgb)
            return series[i];
    return rgb == 0x1b2733 ? "var(--ink)" : rgb == 0xd8dee4 ? "var(--rule)" : NULL;
}

static enum status file_read(const char *path, struct text *text, struct err *err)
{
    char chunk[8192];
    size_t got;
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(err, errno, NULL, "cannot read %s", path);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0 && text->used_bytes < SVG_BYTES_MAX)
        text_add_bytes(text, chunk, got);
    fclose(file);
    if (text->failed || strlen(text_get(text)) != text->used_bytes)
        return err_set(err, ST_CORRUPT, NULL, "%s: not a text file, or too large", path);
    return ST_OK;
}

/* True, and *after set behind the closing tag, when `at` opens the element `name`. */
static bool element_skip(const char *at, const char *name, const char **after)
{
    char closing[32];
    size_t length = strlen(name);
    if (at[0] != '<' || strncmp(at + 1, name, length) != 0 ||
        (at[1 + length] != '>' && at[1 + length] != ' '))
        return false;
    snprintf(closing, sizeof closing, "</%s>", name);
    const char *end = strstr(at, closing);
    if (!end)
        return false;
    *after = end + strlen(closing);
    return true;
}

/* What says nothing, or what the page says better. */
static size_t svg_idle(const char *at)
{
    static const char *const idle[] = {" stroke-linecap=\"butt\"", " stroke-linejoin=\"miter\"",
                                       " font-family=\"Helvetica\"", " class=\"gridline\""};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        if (strncmp(at, idle[i], strlen(idle[i])) == 0)
            return strlen(idle[i]);
    return 0;
}

/* True, and *after set behind it, when `at` opens a group with nothing in it. */
static bool group_is_empty(const char *at, const char **after)
{
    const char *end = strncmp(at, "<g ", 3) == 0 ? strchr(at, '>') : NULL;
    if (!end)
        return false;
    end += 1 + strspn(end + 1, " \t\n");
    *after = end + strlen("</g>");
    return strncmp(end, "</g>", 4) == 0;
}

/* A coordinate: a tenth of a unit is less than a pixel shows. */
static void coordinate_add(struct text *out, double value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.1f", value);
    size_t length = strlen(digits);
    if (length > 2 && strcmp(digits + length - 2, ".0") == 0)
        digits[length - 2] = '\0';
    text_add(out, digits);
}

/* The points of a line or an area: the value of `d` or `points`, up to its closing quote. A circle
 * comes as hundreds of them: those nearer to the last one than a pixel shows are left out, but not
 * the ends. Returns where the quote is; NULL when it is not such a list. */
static const char *points_add(const char *at, char quote, struct text *out)
{
    double last_x = 0, last_y = 0, x, y;
    bool open = false;
    for (;;) {
        at += strspn(at, " \t\n");
        if (*at == quote)
            return at;
        if (*at == 'Z') {
            text_add(out, "Z");
            open = false;
            at++;
            continue;
        }
        const char command = *at == 'M' || *at == 'L' ? *at++ : ' ';
        int used = 0;
        if (sscanf(at, "%lf,%lf%n", &x, &y, &used) != 2 || used == 0)
            return NULL;
        at += used;
        const char next = at[strspn(at, " \t\n")];
        const bool is_end = next == quote || next == 'Z' || next == 'M';
        if (open && command != 'M' && !is_end && fabs(x - last_x) < NEAR && fabs(y - last_y) < NEAR)
            continue;
        text_add_bytes(out, &command, 1);
        coordinate_add(out, x);
        text_add(out, ",");
        coordinate_add(out, y);
        last_x = x;
        last_y = y;
        open = true;
    }
}

/* A list of points that `at` begins, taken over shortened; NULL when it is none. */
static const char *list_step(const char *at, struct text *out)
{
    static const char *const lists[] = {" d='", " points = '"};
    struct text made = {0};
    const char *end = NULL;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && !end; i++)
        if (strncmp(at, lists[i], strlen(lists[i])) == 0)
            end = points_add(at + strlen(lists[i]), '\'', &made);
    if (end) {
        text_add(out, at[1] == 'd' ? " d='" : " points='");
        text_add(out, text_get(&made));
        text_add(out, "'");
    }
    text_free(&made);
    return end ? end + 1 : NULL;
}

/* One step: copies, replaces or leaves out what stands at `at`; returns where to go on. */
static const char *svg_step(const char *at, struct text *out)
{
    static const char black[] = "color=\"black\"", white[] = "fill=\"#ffffff\"";
    const char *after;
    unsigned red, green, blue;
    int used = 0;
    if (element_skip(at, "title", &after) || element_skip(at, "desc", &after) ||
        element_skip(at, "defs", &after))
        return after;
    if (group_is_empty(at, &after))
        return after;
    if (svg_idle(at))
        return at + svg_idle(at);
    if ((after = list_step(at, out)))
        return after;
    if (*at == '\n' || *at == '\t') { /* no more of them than one */
        text_add(out, "\n");
        return at + strspn(at, " \t\n");
    }
    if (strncmp(at, " id=\"", 5) == 0 && (after = strchr(at + 5, '"')))
        return after + 1;
    if (strncmp(at, black, sizeof black - 1) == 0) {
        text_add(out, "color=\"var(--ink)\"");
        return at + sizeof black - 1;
    }
    if (strncmp(at, white, sizeof white - 1) == 0) {
        text_add(out, "fill=\"none\"");
        return at + sizeof white - 1;
    }
    if (strncmp(at, "rgb(", 4) == 0 &&
        sscanf(at, "rgb(%3u,%3u,%3u)%n", &red, &green, &blue, &used) == 3 && used > 0) {
        const char *variable = colour_variable(red << 16 | green << 8 | blue);
        if (variable)
            text_add(out, variable);
        else
            text_add_bytes(out, at, (size_t)used);
        return at + used;
    }
    text_add_bytes(out, at, 1);
    return at + 1;
}

enum status gnuplot_svg_inline(const char *path, const char *label, struct text *out,
                               struct err *err)
{
    struct text file = {0}, made = {0};
    enum status status = file_read(path, &file, err);
    if (status != ST_OK)
        goto undo_file;
    const char *at = strstr(text_get(&file), "<svg");
    if (!at || !strstr(at, "</svg>") || strstr(at, "<script") || strstr(at, "javascript:")) {
        status = err_set(err, ST_CORRUPT, NULL, "%s: gnuplot wrote no plain SVG picture", path);
        goto undo_file;
    }
    text_add(&made, "<svg role=\"img\" aria-label=\"");
    text_add_html(&made, label);
    text_add(&made, "\"");
    for (at += strlen("<svg"); *at;)
        at = svg_step(at, &made);
    if (strstr(text_get(&made), "href")) /* would need what was left out */
        status = err_set(err, ST_CORRUPT, NULL, "%s: the picture refers to other parts", path);
    else
        text_add_bytes(out, text_get(&made), made.used_bytes);
undo_file:
    text_free(&made);
    text_free(&file);
    return status;
}
