/* files.h: reading the small text files in which Linux describes a machine.
 *
 * Used inside env/, by commands that take a list of CPUs, and by run/clocks.c. Every function takes
 * the folder that stands for "/" ("" on this machine), so that tests can show the trees of other
 * machines. What is absent is reported as absent.
 */
#ifndef HANDOFF_ENV_FILES_H
#define HANDOFF_ENV_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define ENV_PATH_BYTES 512
#define ENV_NAME_BYTES 64

/* Reads at most size-1 bytes of root/path without trailing white space; NUL bytes inside (device
 * tree lists) become spaces. False when the file is absent, unreadable or empty: *text is "". */
bool env_read_text(char *text, size_t size, const char *root, const char *path_format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for a file that holds one whole number, in decimal. */
bool env_read_i64(int64_t *value, const char *root, const char *path_format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether there is a file or folder. */
bool env_exists(const char *root, const char *path);

struct env_names {
    size_t count;
    char names[256][ENV_NAME_BYTES];
};

/* The entries of a folder that begin with `prefix`, in order of the number that follows it; none
 * when the folder is absent. */
void env_list_folder(const char *root, const char *path, const char *prefix,
                     struct env_names *names);

/* "0-3,8" into ascending numbers; stops at `max`. Returns how many; 0 for text that is no list. */
uint32_t env_cpu_list_parse(const char *text, uint32_t *cpus, uint32_t max);
/* The inverse; cut when `size` does not suffice. Returns text. */
char *env_cpu_list_format(const uint32_t *cpus, uint32_t count, char *text, size_t size);

/* For how long to watch the machine: `usual_ms`, or less where the environment variable
 * HANDOFF_ENV_WATCH_MS says so: tests run handoff hundreds of times and believe no figure of it. */
uint32_t env_watch_ms(uint32_t usual_ms);

/* One file that becomes one member of a JSON object. */
enum env_fact_kind {
    ENV_FACT_TEXT,
    ENV_FACT_WHOLE,  /* a whole number, times `scale` */
    ENV_FACT_FLAG,   /* 0 or 1, N or Y */
    ENV_FACT_CHOICE, /* the bracketed word of "always [madvise] never" */
};
struct env_fact {
    const char *key;
    const char *path; /* below the folder given to env_add_facts */
    enum env_fact_kind kind;
    int64_t scale; /* ENV_FACT_WHOLE */
};

/* Adds those facts whose files are there and well formed. False only when out of memory. */
bool env_add_facts(cJSON *object, const char *root, const char *folder,
                   const struct env_fact *facts, size_t fact_count);

#define ENV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
