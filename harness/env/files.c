/* files.c: see files.h. Plain reads with open and read: files in /proc and /sys have no size. */
#include "harness/env/files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"

static size_t file_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, text + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    return used;
}

static bool read_text(char *text, size_t size, const char *path)
{
    size_t used = file_read(path, text, size - 1);
    while (used > 0 && (text[used - 1] == '\0' || isspace((unsigned char)text[used - 1])))
        used--;
    for (size_t i = 0; i < used; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    text[used] = '\0';
    return used > 0;
}

static bool parse_i64(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return false;
    *value = parsed;
    return true;
}

/* root, then the formatted path; false when it does not fit. */
static bool path_format_v(char path[ENV_PATH_BYTES], const char *root, const char *format,
                          va_list args) __attribute__((format(printf, 3, 0)));
static bool path_format_v(char path[ENV_PATH_BYTES], const char *root, const char *format,
                          va_list args)
{
    int used = snprintf(path, ENV_PATH_BYTES, "%s", root);
    if (used < 0 || used >= ENV_PATH_BYTES)
        return false;
    size_t left = ENV_PATH_BYTES - (size_t)used;
    int more = vsnprintf(path + used, left, format, args);
    return more >= 0 && (size_t)more < left;
}

bool env_read_text(char *text, size_t size, const char *root, const char *path_format, ...)
{
    char path[ENV_PATH_BYTES];
    va_list args;
    va_start(args, path_format);
    bool fits = path_format_v(path, root, path_format, args);
    va_end(args);
    text[0] = '\0';
    return fits && read_text(text, size, path);
}

bool env_read_i64(int64_t *value, const char *root, const char *path_format, ...)
{
    char path[ENV_PATH_BYTES], text[64];
    va_list args;
    va_start(args, path_format);
    bool fits = path_format_v(path, root, path_format, args);
    va_end(args);
    return fits && read_text(text, sizeof text, path) && parse_i64(text, value);
}

bool env_exists(const char *root, const char *path)
{
    char full[ENV_PATH_BYTES];
    int used = snprintf(full, sizeof full, "%s%s", root, path);
    return used > 0 && (size_t)used < sizeof full && access(full, F_OK) == 0;
}

static int name_compare(const void *left, const void *right)
{
    const char *a = left, *b = right;
    const char *a_digits = a + strcspn(a, "0123456789"), *b_digits = b + strcspn(b, "0123456789");
    if (a_digits - a == b_digits - b && strncmp(a, b, (size_t)(a_digits - a)) == 0) {
        unsigned long a_number = strtoul(a_digits, NULL, 10);
        unsigned long b_number = strtoul(b_digits, NULL, 10);
        if (a_number != b_number)
            return a_number < b_number ? -1 : 1;
    }
    return strcmp(a, b);
}

void env_list_folder(const char *root, const char *path, const char *prefix,
                     struct env_names *names)
{
    char full[ENV_PATH_BYTES];
    names->count = 0;
    int used = snprintf(full, sizeof full, "%s%s", root, path);
    if (used < 0 || (size_t)used >= sizeof full)
        return;
    DIR *folder = opendir(full);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) && names->count < ENV_COUNT(names->names);)
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            strlen(entry->d_name) < ENV_NAME_BYTES)
            strcpy(names->names[names->count++], entry->d_name);
    closedir(folder);
    qsort(names->names, names->count, sizeof names->names[0], name_compare);
}

uint32_t env_watch_ms(uint32_t usual_ms)
{
    const char *text = getenv("HANDOFF_ENV_WATCH_MS");
    char *end = NULL;
    const unsigned long ms = text && text[0] ? strtoul(text, &end, 10) : usual_ms;
    return ms < usual_ms && (!end || !*end) ? (uint32_t)ms : usual_ms;
}

uint32_t env_cpu_list_parse(const char *text, uint32_t *cpus, uint32_t max)
{
    uint32_t count = 0;
    while (isdigit((unsigned char)*text)) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                return 0;
            last = strtoul(end + 1, &end, 10);
        }
        if (last < first || last > 1u << 20)
            return 0;
        for (unsigned long cpu = first; cpu <= last && count < max; cpu++)
            cpus[count++] = (uint32_t)cpu;
        if (*end == '\0' || *end == '\n')
            return count;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
    return 0;
}

char *env_cpu_list_format(const uint32_t *cpus, uint32_t count, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count;) {
        uint32_t last = i;
        while (last + 1 < count && cpus[last + 1] == cpus[last] + 1)
            last++;
        const char *comma = i > 0 ? "," : "";
        int more = last > i
                       ? snprintf(text + used, size - used, "%s%u-%u", comma, cpus[i], cpus[last])
                       : snprintf(text + used, size - used, "%s%u", comma, cpus[i]);
        if (more < 0 || (size_t)more >= size - used) {
            text[used] = '\0';
            break;
        }
        used += (size_t)more;
        i = last + 1;
    }
    return text;
}

/* Cuts `text` down to its bracketed word; false without one. */
static bool choice_cut(char *text)
{
    char *open = strchr(text, '[');
    char *close = open ? strchr(open, ']') : NULL;
    if (!close)
        return false;
    size_t length = (size_t)(close - open - 1);
    memmove(text, open + 1, length);
    text[length] = '\0';
    return true;
}

static bool fact_add(cJSON *object, const struct env_fact *fact, char *text)
{
    int64_t value;
    switch (fact->kind) {
    case ENV_FACT_TEXT:
        return json_add_string(object, fact->key, text);
    case ENV_FACT_WHOLE:
        if (!parse_i64(text, &value) || __builtin_mul_overflow(value, fact->scale, &value))
            return true;
        return json_add_i64(object, fact->key, value);
    case ENV_FACT_FLAG:
        if (!strchr("01NYny", text[0]) || text[1] != '\0')
            return true;
        return json_add_bool(object, fact->key, strchr("1Yy", text[0]) != NULL);
    case ENV_FACT_CHOICE:
        return !choice_cut(text) || json_add_string(object, fact->key, text);
    }
    return true;
}

bool env_add_facts(cJSON *object, const char *root, const char *folder,
                   const struct env_fact *facts, size_t fact_count)
{
    char text[1024];
    for (size_t i = 0; i < fact_count; i++)
        if (env_read_text(text, sizeof text, root, "%s/%s", folder, facts[i].path) &&
            !fact_add(object, &facts[i], text))
            return false;
    return true;
}
