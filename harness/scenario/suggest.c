/* suggest.c: see suggest.h. */
#include "harness/scenario/suggest.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Longer words are not compared: no name of ours comes near. */
#define WORD_MAX 32

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits (insert, delete, replace, swap neighbours) that turn a into b, whatever the case: optimal
 * string alignment. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            row[j] = min_of(replaced, min_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = min_of(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void suggest_offer(struct suggest *suggest, const char *name)
{
    size_t word_length = strlen(suggest->word);
    size_t name_length = strlen(name);
    if (word_length == 0 || word_length > WORD_MAX || name_length > WORD_MAX)
        return;
    size_t distance = edit_distance(suggest->word, word_length, name, name_length);
    size_t longer = word_length > name_length ? word_length : name_length;
    if (distance > (longer + 2) / 3)
        return;
    if (!suggest->nearest || distance < suggest->distance) {
        suggest->nearest = name;
        suggest->distance = distance;
    }
}

const char *suggest_hint(const struct suggest *suggest, const char *otherwise, char *hint,
                         size_t size)
{
    if (suggest->nearest)
        snprintf(hint, size, "did you mean \"%s\"? %s", suggest->nearest, otherwise);
    else
        snprintf(hint, size, "%s", otherwise);
    return hint;
}

/* Bytes of the well-formed character at `text`, by its lead byte and continuations; 0 if broken. */
static size_t character_bytes(const char *text)
{
    unsigned char lead = (unsigned char)text[0];
    size_t bytes = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < bytes; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            return 0;
    return lead < 0xF5 ? bytes : 0;
}

const char *suggest_show(const char *text, char *shown, size_t size)
{
    assert(size > sizeof "...");
    size_t used = 0;
    while (*text) {
        size_t bytes = character_bytes(text);
        if (used + (bytes ? bytes : 1) >= size - strlen("...")) {
            memcpy(shown + used, "...", strlen("..."));
            used += strlen("...");
            break;
        }
        unsigned char byte = (unsigned char)*text;
        if (bytes == 0 || byte < 0x20 || byte == 0x7f)
            shown[used++] = '?';
        else
            for (size_t i = 0; i < bytes; i++)
                shown[used++] = text[i];
        text += bytes ? bytes : 1;
    }
    shown[used] = '\0';
    return shown;
}
