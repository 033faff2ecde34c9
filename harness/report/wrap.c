/* wrap.c: see wrap.h. */
#include "harness/report/wrap.h"

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

size_t wrap_fitting(const char *text, size_t columns)
{
    size_t fitting = strcspn(text, " ");
    while (text[fitting]) {
        size_t next = fitting + strspn(text + fitting, " ");
        next += strcspn(text + next, " ");
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
        size_t bytes = strcspn(text, " ");
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
