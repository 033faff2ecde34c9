/* text.c: text that grows, and escaping. See text.h for the contract. */
#include "harness/report/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/file.h"

void text_free(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

const char *text_get(const struct text *text)
{
    return text->data ? text->data : "";
}

/* Makes room for `bytes` more and a NUL. */
static bool text_reserve(struct text *text, size_t bytes)
{
    if (text->failed)
        return false;
    if (bytes > PTRDIFF_MAX / 4 || text->used_bytes > PTRDIFF_MAX / 4) {
        text->failed = true;
        return false;
    }
    size_t needed = text->used_bytes + bytes + 1;
    if (needed <= text->capacity_bytes)
        return true;
    size_t capacity = text->capacity_bytes ? text->capacity_bytes : 256;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity_bytes = capacity;
    return true;
}

void text_add_bytes(struct text *text, const char *added, size_t bytes)
{
    if (!text_reserve(text, bytes))
        return;
    memcpy(text->data + text->used_bytes, added, bytes);
    text->used_bytes += bytes;
    text->data[text->used_bytes] = '\0';
}

void text_add(struct text *text, const char *added)
{
    text_add_bytes(text, added, strlen(added));
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int needed = vsnprintf(NULL, 0, format, args);
    if (needed >= 0 && text_reserve(text, (size_t)needed)) {
        vsnprintf(text->data + text->used_bytes, (size_t)needed + 1, format, again);
        text->used_bytes += (size_t)needed;
    }
    va_end(again);
    va_end(args);
}

size_t text_character_bytes(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (byte[0] == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    size_t bytes = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f))
        return 0; /* too long for its value, or a surrogate */
    if ((byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f))
        return 0;
    return bytes;
}

/* C0 and C1 controls, what breaks lines (U+2028, U+2029), the marks that reorder text, and the two
 * that XML has no place for (U+FFFE, U+FFFF). */
static bool character_is_control(const char *at, size_t bytes)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (bytes == 1)
        return byte[0] < 0x20 || byte[0] == 0x7f;
    if (bytes == 2)
        return byte[0] == 0xc2 && byte[1] < 0xa0;
    if (bytes == 3 && byte[0] == 0xe2)
        return (byte[1] == 0x80 && byte[2] >= 0xa8 && byte[2] <= 0xae) ||
               (byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9);
    if (bytes == 3 && byte[0] == 0xef)
        return byte[1] == 0xbf && byte[2] >= 0xbe;
    return false;
}

/* One step over a stranger's string: the character at *at goes out as it is, or *replaced is true
 * for one that must not. Returns its bytes. */
static size_t character_next(const char *at, bool *replaced)
{
    size_t bytes = text_character_bytes(at);
    *replaced = bytes == 0 || character_is_control(at, bytes);
    return bytes ? bytes : 1;
}

void text_add_html(struct text *text, const char *added)
{
    while (*added) {
        bool replaced;
        size_t bytes = character_next(added, &replaced);
        if (*added == '\n' || *added == '\t')
            text_add(text, " ");
        else if (replaced)
            text_add(text, "\xef\xbf\xbd");
        else if (*added == '&')
            text_add(text, "&amp;");
        else if (*added == '<')
            text_add(text, "&lt;");
        else if (*added == '>')
            text_add(text, "&gt;");
        else if (*added == '"')
            text_add(text, "&quot;");
        else if (*added == '\'')
            text_add(text, "&#39;");
        else
            text_add_bytes(text, added, bytes);
        added += bytes;
    }
}

/* True for the space between a number and its unit. */
static bool space_binds(const char *start, const char *at)
{
    static const char *const units[] = {"%", "ns", "µs", "ms", "s", "kB", "MB", "GB", "bytes"};
    if (*at != ' ' || at == start || at[-1] < '0' || at[-1] > '9')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i]);
        if (strncmp(at + 1, units[i], length) == 0 && strchr(" ,.;:)–", at[1 + length]))
            return true;
    }
    return false;
}

void text_add_prose(struct text *text, const char *added)
{
    const char *start = added;
    for (const char *at = added; *at; at++) {
        if (!space_binds(start, at))
            continue;
        struct text part = {0};
        text_add_bytes(&part, added, (size_t)(at - added));
        text_add_html(text, text_get(&part));
        text_add(text, "&#160;");
        text->failed = text->failed || part.failed;
        text_free(&part);
        added = at + 1;
    }
    text_add_html(text, added);
}

/* Where code hosts make links of plain text: "://", and the point of "www.". */
static bool character_links(const char *start, const char *at)
{
    return (at[0] == ':' && at[1] == '/' && at[2] == '/') ||
           (at[0] == '.' && at - start >= 3 && strncasecmp(at - 3, "www", 3) == 0);
}

void text_add_markdown(struct text *text, const char *added)
{
    const char *start = added;
    while (*added) {
        bool replaced;
        size_t bytes = character_next(added, &replaced);
        if (*added == '\n' || *added == '\t')
            text_add(text, " ");
        else if (replaced)
            text_add(text, "?");
        else if (*added == '&')
            text_add(text, "&amp;");
        else if (*added == '<')
            text_add(text, "&lt;");
        else if (*added == '>')
            text_add(text, "&gt;");
        else if (*added == '@')
            text_add(text, "&#64;&#8203;"); /* would call someone, or be an address to write to */
        else if (strchr("\\`*_[]#|~!$", *added) || character_links(start, added))
            text_addf(text, "\\%c", *added);
        else
            text_add_bytes(text, added, bytes);
        added += bytes;
    }
}

void text_add_plain(struct text *text, const char *added)
{
    while (*added) {
        bool replaced;
        size_t bytes = character_next(added, &replaced);
        if (*added == '\n' || *added == '\t')
            text_add(text, " ");
        else if (replaced)
            text_add(text, "?");
        else
            text_add_bytes(text, added, bytes);
        added += bytes;
    }
}

/* The number of a character of one to three bytes. */
static unsigned character_number(const char *at, size_t bytes)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (bytes == 1)
        return byte[0];
    if (bytes == 2)
        return (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
    return (byte[0] & 0x0fu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
}

void text_add_json(struct text *text, const char *printed)
{
    while (*printed) {
        bool replaced;
        size_t bytes = character_next(printed, &replaced);
        if (!replaced || *printed == '\n' || *printed == '\t')
            text_add_bytes(text, printed, bytes);
        else if (text_character_bytes(printed))
            text_addf(text, "\\u%04x", character_number(printed, bytes));
        else
            text_add(text, "?");
        printed += bytes;
    }
}

void text_add_label(struct text *text, const char *added, size_t characters_max)
{
    for (size_t i = 0; *added; i++) {
        bool replaced;
        size_t bytes = character_next(added, &replaced);
        if (i == characters_max) {
            text_add(text, "…");
            return;
        }
        if (replaced || strchr("\"'`\\<>&@%{}$#", *added))
            text_add(text, "?");
        else
            text_add_bytes(text, added, bytes);
        added += bytes;
    }
}

size_t text_width(const char *text)
{
    size_t width = 0;
    while (*text) {
        size_t bytes = text_character_bytes(text);
        const unsigned char *byte = (const unsigned char *)text;
        bool combining = bytes == 2 && (byte[0] == 0xcc || (byte[0] == 0xcd && byte[1] < 0xb0));
        bool wide = (bytes == 3 && ((byte[0] >= 0xe3 && byte[0] <= 0xed) ||
                                    (byte[0] == 0xef && byte[1] == 0xbc))) ||
                    (bytes == 4 && byte[1] >= 0x9f);
        width += combining ? 0 : wide ? 2 : 1;
        text += bytes ? bytes : 1;
    }
    return width;
}

enum status text_write_file(const struct text *text, const char *path, struct err *err)
{
    if (text->failed)
        return err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", path);
    return file_write(path, text_get(text), text->used_bytes, "", false, err);
}
