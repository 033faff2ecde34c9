/* json.c: cJSON with its traps fenced off. See json.h for the contract. */
#include "harness/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/file.h"

/* Bytes of the UTF-8 sequence that starts at `text`, or 0 when it is not one. */
static size_t json_utf8_sequence_bytes(const unsigned char *text)
{
    static const unsigned char low[5] = {0, 0, 0xC2, 0xE0, 0xF0};
    size_t bytes = text[0] < 0x80   ? 1
                   : text[0] < 0xC2 ? 0
                   : text[0] < 0xE0 ? 2
                   : text[0] < 0xF0 ? 3
                   : text[0] < 0xF5 ? 4
                                    : 0;
    if (bytes < 2)
        return bytes;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates and values past U+10FFFF show in the first two bytes. */
    if (bytes == 3 && text[0] == low[3] && text[1] < 0xA0)
        return 0;
    if (bytes == 3 && text[0] == 0xED && text[1] > 0x9F)
        return 0;
    if (bytes == 4 && text[0] == low[4] && text[1] < 0x90)
        return 0;
    if (bytes == 4 && text[0] == 0xF4 && text[1] > 0x8F)
        return 0;
    return bytes;
}

/* Line and column, from 1, of a byte in a text. */
static void json_locate(const char *text, size_t offset, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset; i++) {
        (*column)++;
        if (text[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

static enum status json_check_utf8(const char *path, const char *text, size_t bytes,
                                   struct err *err)
{
    for (size_t i = 0; i < bytes;) {
        size_t step = text[i] == 0 ? 0 : json_utf8_sequence_bytes((const unsigned char *)text + i);
        if (step == 0 || step > bytes - i) {
            unsigned line, column;
            json_locate(text, i, &line, &column);
            return err_set(err, ST_INVALID, "save the file as UTF-8 text",
                           "%s:%u:%u: byte 0x%02x is not UTF-8 text", path, line, column,
                           (unsigned char)text[i]);
        }
        i += step;
    }
    return ST_OK;
}

/* cJSON takes an escaped NUL and then ends the string there, in silence. */
static enum status json_check_escapes(const char *path, const char *text, size_t bytes,
                                      struct err *err)
{
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (text[i] != '\\')
            continue;
        if (bytes - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0) {
            unsigned line, column;
            json_locate(text, i, &line, &column);
            return err_set(err, ST_INVALID, "leave the NUL out", "%s:%u:%u: a NUL in a string",
                           path, line, column);
        }
        i++; /* the escaped character, which may be a backslash */
    }
    return ST_OK;
}

/* Does the text end within what does not parse, with a string or a bracket still open? Then it was
 * most likely cut off there. */
static bool json_is_cut(const char *text, size_t bytes, size_t offset)
{
    size_t depth = 0;
    bool quoted = false;
    if (offset < bytes && memchr(text + offset, '\n', bytes - offset) &&
        strspn(text + offset, " \t\r\n") < bytes - offset)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
            depth--;
    }
    return quoted || depth > 0;
}

enum status json_parse(const char *path, const char *text, size_t bytes, cJSON **json,
                       struct err *err)
{
    enum status status = json_check_utf8(path, text, bytes, err);
    if (status == ST_OK)
        status = json_check_escapes(path, text, bytes, err);
    if (status != ST_OK)
        return status;
    if (strspn(text, " \t\r\n") >= bytes)
        return err_set(err, ST_INVALID, "is it the right file, written to its end?",
                       "%s: the file is empty", path);
    const char *end = NULL;
    cJSON *parsed = cJSON_ParseWithOpts(text, &end, 1);
    if (!parsed) {
        unsigned line, column;
        size_t offset = end && end >= text ? (size_t)(end - text) : 0;
        json_locate(text, offset < bytes ? offset : bytes, &line, &column);
        return err_set(
            err, ST_INVALID,
            json_is_cut(text, bytes, offset < bytes ? offset : bytes)
                ? "it ends in that line, with a quote or bracket still open: was it written and "
                  "copied to its end?"
                : "look for a missing comma, quote or bracket just before that place; JSON has "
                  "no comments and no comma after a last element",
            "%s:%u:%u: not valid JSON from here on", path, line, column);
    }
    *json = parsed;
    return ST_OK;
}

/* Reads all of an open file into a NUL-terminated buffer that the caller frees. */
static enum status json_read_all(int fd, const char *path, size_t bytes_max, char **text,
                                 size_t *bytes, struct err *err)
{
    size_t capacity = 1 << 14;
    size_t used = 0;
    char *buffer = malloc(capacity);
    if (!buffer)
        return err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", path);
    for (;;) {
        if (used + 1 == capacity) {
            char *larger = realloc(buffer, capacity * 2);
            if (!larger) {
                free(buffer);
                return err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", path);
            }
            buffer = larger;
            capacity *= 2;
        }
        ssize_t got = read(fd, buffer + used, capacity - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int saved = errno;
            free(buffer);
            return err_set_errno(err, saved, saved == EISDIR ? "name a file in it" : NULL,
                                 "%s: cannot be read", path);
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > bytes_max) {
            free(buffer);
            return err_set(err, ST_INVALID, "is it the right file?", "%s: larger than %zu bytes",
                           path, bytes_max);
        }
    }
    buffer[used] = 0;
    *text = buffer;
    *bytes = used;
    return ST_OK;
}

enum status json_read_file(const char *path, size_t bytes_max, cJSON **json, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "check the path", "%s: cannot be opened", path);
    char *text = NULL;
    size_t bytes = 0;
    enum status status = json_read_all(fd, path, bytes_max, &text, &bytes, err);
    close(fd);
    if (status != ST_OK)
        return status;
    status = json_parse(path, text, bytes, json, err);
    free(text);
    return status;
}

enum status json_write_file(const char *path, const cJSON *json, bool pretty, struct err *err)
{
    char *text = pretty ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
    if (!text)
        return err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", path);
    enum status status = file_write(path, text, strlen(text), "\n", true, err);
    cJSON_free(text);
    return status;
}

static void json_defuse_text(char *text)
{
    for (unsigned char *at = (unsigned char *)text; at && *at; at++) {
        if (*at == '\n' || *at == '\t') {
            *at = ' ';
        } else if (*at < 0x20 || *at == 0x7f) {
            *at = '?';
        } else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) { /* U+0080 to U+009F */
            at[0] = at[1] = '?';
        }
    }
}

void json_defuse(cJSON *json)
{
    for (cJSON *at = json; at; at = at->next) {
        json_defuse_text(at->string);
        json_defuse_text(at->valuestring);
        json_defuse(at->child);
    }
}

cJSON *json_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_get_string(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = json_get(object, name);
    return cJSON_IsString(item) && item->valuestring ? item->valuestring : otherwise;
}

double json_get_number(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = json_get(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool json_get_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = json_get(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

bool json_whole(const cJSON *json, int64_t low, int64_t high, int64_t *value)
{
    if (!cJSON_IsNumber(json))
        return false;
    double number = json->valuedouble;
    if (!(number >= (double)low && number <= (double)high) || number != floor(number))
        return false;
    *value = (int64_t)number;
    return true;
}

bool json_add(cJSON *object, const char *name, cJSON *item)
{
    if (!item)
        return false;
    /* The return value of AddItemToObject does not exist in cJSON 1.7.10: look instead. */
    cJSON_AddItemToObject(object, name, item);
    const cJSON *last = object->child ? object->child->prev : NULL;
    if (last != item) {
        cJSON_Delete(item);
        return false;
    }
    return true;
}

bool json_append(cJSON *array, cJSON *item)
{
    if (!item)
        return false;
    cJSON_AddItemToArray(array, item);
    return true;
}

bool json_add_u64(cJSON *object, const char *name, uint64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return json_add(object, name, cJSON_CreateRaw(digits));
}

bool json_add_i64(cJSON *object, const char *name, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    return json_add(object, name, cJSON_CreateRaw(digits));
}

bool json_add_double(cJSON *object, const char *name, double value)
{
    return json_add(object, name, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

bool json_add_string(cJSON *object, const char *name, const char *text)
{
    size_t bytes = strlen(text);
    char *clean = malloc(bytes + 1);
    if (!clean)
        return false;
    for (size_t i = 0; i < bytes;) {
        size_t step = json_utf8_sequence_bytes((const unsigned char *)text + i);
        if (step == 0) {
            clean[i++] = '?';
            continue;
        }
        memcpy(clean + i, text + i, step);
        i += step;
    }
    clean[bytes] = 0;
    bool added = json_add(object, name, cJSON_CreateString(clean));
    free(clean);
    return added;
}

bool json_add_bool(cJSON *object, const char *name, bool value)
{
    return json_add(object, name, cJSON_CreateBool(value));
}

bool json_add_u64_text(cJSON *object, const char *name, uint64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return json_add(object, name, cJSON_CreateString(digits));
}

bool json_get_u64_text(const cJSON *object, const char *name, uint64_t *value)
{
    const char *digits = json_get_string(object, name, "");
    if (*digits == 0 || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    unsigned long long number = strtoull(digits, NULL, 10);
    if (errno != 0)
        return false;
    *value = number;
    return true;
}
