/* wrap.c: see wrap.h. */
#include "harness/report/wrap.h"

#include <stdbool.h>
#include <string.h>

#include "harness/report/text.h"

/* Columns of the first `bytes` of `text`. */
static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t at = 0; at < bytes; columns++) {
        size_t character = text_character_bytes(text + at);
        at += character ? character : 1;
    }
    return columns;
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The bytes of the first word: up to a blank, but for that between a figure and its unit. */
static size_t word_bytes(const char *text)
{
    static const char *const units[] = {"%", "ns", "µs", "ms", "s", "kB", "MB", "GB", "GB/s", "Hz"};
    size_t bytes = strcspn(text, " ");
    if (!bytes || !is_digit(text[bytes - 1]) || !text[bytes])
        return bytes;
    const char *next = text + bytes + 1;
    size_t unit_bytes = strcspn(next, " .,;:)");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i]) == unit_bytes && !strncmp(next, units[i], unit_bytes))
            return bytes + 1 + strcspn(next, " ");
    return bytes;
}

size_t wrap_fitting(const char *text, size_t columns)
{
    size_t fitting = word_bytes(text);
    while (text[fitting]) {
        size_t next = fitting + strspn(text + fitting, " ");
        next += word_bytes(text + next);
        if (columns_of(text, next) > columns)
            break;
        fitting = next;
    }
    return fitting;
}

static void words_print(FILE *out, const char *text, size_t column, size_t indent)
{
    size_t start = column;
    text += strspn(text, " ");
    while (*text) {
        size_t bytes = word_bytes(text);
        size_t width = columns_of(text, bytes);
        if (column > start && column + 1 + width > WRAP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = start = indent;
        } else if (column > start) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, bytes, out);
        column += width;
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void wrap_print(FILE *out, const char *text, size_t column, size_t indent)
{
    struct text plain = {0};
    text_add_plain(&plain, text);
    words_print(out, text_get(&plain), column, indent);
    text_free(&plain);
}
