/* run_choice.c: see run_choice.h. */
#include "harness/cli/run_choice.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/scenario/suggest.h"

#define SCENARIOS_OFFERED_MAX 128
#define SCENARIO_NAME_BYTES 64

enum status run_choice_add_filter(struct run_choice *choice, char *text, struct err *err)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || equals[1] == 0)
        return err_set(err, ST_INVALID, "write it as --only wait=spin,futex",
                       "--only takes AXIS=VALUE[,VALUE...], not \"%s\"", text);
    if (choice->filter_count == RUN_FILTERS_MAX)
        return err_set(err, ST_INVALID, "join values of one axis with commas",
                       "more than %d --only", RUN_FILTERS_MAX);
    *equals = 0;
    choice->filters[choice->filter_count++] =
        (struct scenario_filter){.axis = text, .values = equals + 1};
    return ST_OK;
}

uint64_t run_choice_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    }
    return seed & RUN_SEED_MAX;
}

/* "/usr/share/handoff/scenarios" for /usr/bin/handoff. */
static void installed_scenarios(char *folder, size_t size)
{
    char program[PATH_MAX] = "";
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = length > 0 ? strrchr(program, '/') : NULL;
    if (slash)
        *slash = '\0';
    snprintf(folder, size, "%s/../share/handoff/scenarios", program);
}

/* A folder is none: "transports" is one of the source's, and a scenario. */
static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

const char *run_choice_find_scenario(const char *given, char *path, size_t size)
{
    char installed[PATH_MAX + 64];
    const char *const folders[] = {"scenarios", installed};
    const size_t length = strlen(given);
    const bool has_ending = length > 5 && strcmp(given + length - 5, ".json") == 0;
    if (length == 0 || strchr(given, '/') || is_file(given))
        return given;
    installed_scenarios(installed, sizeof installed);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const int used =
            snprintf(path, size, "%s/%s%s", folders[i], given, has_ending ? "" : ".json");
        if (used > 0 && (size_t)used < size && access(path, F_OK) == 0)
            return path;
    }
    return given;
}

/* Offers the scenarios of a folder, "quick" for quick.json; they are kept in `names`. */
static void scenarios_offer(const char *folder, char (*names)[SCENARIO_NAME_BYTES], size_t *count,
                            struct suggest *suggest)
{
    DIR *opened = opendir(folder);
    const struct dirent *entry;
    while (opened && *count < SCENARIOS_OFFERED_MAX && (entry = readdir(opened))) {
        const size_t length = strlen(entry->d_name);
        if (length <= 5 || length - 5 >= SCENARIO_NAME_BYTES ||
            strcmp(entry->d_name + length - 5, ".json") != 0 ||
            strcmp(entry->d_name, "schema.json") == 0)
            continue;
        snprintf(names[*count], SCENARIO_NAME_BYTES, "%.*s", (int)(length - 5), entry->d_name);
        suggest_offer(suggest, names[(*count)++]);
    }
    if (opened)
        closedir(opened);
}

/* A name that was found nowhere. */
static enum status scenario_unknown(const char *given, struct err *err)
{
    char names[SCENARIOS_OFFERED_MAX][SCENARIO_NAME_BYTES], installed[PATH_MAX + 64], hint[256];
    char shown[SUGGEST_SHOWN_BYTES];
    struct suggest suggest = SUGGEST_START(given);
    size_t count = 0;
    installed_scenarios(installed, sizeof installed);
    scenarios_offer("scenarios", names, &count, &suggest);
    scenarios_offer(installed, names, &count, &suggest);
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest,
                                "give the file's path, or the name of a scenario that lies in "
                                "./scenarios or was installed with handoff, such as quick",
                                hint, sizeof hint),
                   "there is no scenario \"%s\", and no such file",
                   suggest_show(given, shown, sizeof shown));
}

enum status run_choice_load(const struct run_choice *choice, struct scenario **scenario,
                            struct err *err)
{
    struct scenario *loaded = NULL;
    char path[PATH_MAX];
    const char *found = run_choice_find_scenario(choice->scenario, path, sizeof path);
    if (found[0] && !strchr(found, '/') && access(found, F_OK) != 0)
        return scenario_unknown(found, err);
    enum status status = scenario_load(found, &loaded, err);
    /* A file that cannot be read is a wrong argument, not a failure of the run. */
    if (status == ST_SYSTEM)
        status = err->status = ST_INVALID;
    if (status != ST_OK)
        return status;
    status = scenario_set_detector(loaded, choice->detector, err);
    if (status == ST_OK)
        status = scenario_filter(loaded, choice->filters, choice->filter_count, err);
    if (status != ST_OK) {
        scenario_free(loaded);
        return status;
    }
    for (size_t i = 0; i < loaded->cell_count && choice->launches > 0; i++)
        loaded->cells[i].launches = (uint32_t)choice->launches;
    *scenario = loaded;
    return ST_OK;
}

void run_choice_default_out(const struct scenario *scenario, char *path, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32] = "";
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(path, size, "results/runs/%s-%s", stamp, scenario->name);
    for (char *at = path + strlen("results/runs/"); *at; at++)
        if (*at == '/' || *at == ' ')
            *at = '_';
}
