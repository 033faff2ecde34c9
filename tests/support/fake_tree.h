/* fake_tree.h: a folder that stands for "/" of another machine, for tests of env/.
 *
 * Used by unit/test_topology.c and unit/test_env.c: a fixture that makes and removes the folder,
 * and functions that write the files that a kind of machine shows. Header-only, after cmocka.h.
 */
#ifndef HANDOFF_TESTS_FAKE_TREE_H
#define HANDOFF_TESTS_FAKE_TREE_H

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_FOLDER "/sys/devices/system/cpu"

static char tree[64]; /* the folder that stands for "/" in this test */

static inline int tree_begin(void **state)
{
    (void)state;
    strcpy(tree, "/tmp/handoff-test-env-XXXXXX");
    return mkdtemp(tree) ? 0 : -1;
}

static inline int entry_remove(const char *path, const struct stat *status, int kind,
                               struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static inline int tree_end(void **state)
{
    (void)state;
    return nftw(tree, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the tree, with its folders. */
static inline void put(const char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void put(const char *text, const char *format, ...)
{
    char path[512];
    size_t used = strlen(strcpy(path, tree));
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, sizeof path - used, format, args);
    va_end(args);
    for (char *slash = strchr(path + used + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A cache of one CPU: its level and the CPUs it is shared with. */
static inline void put_cache(unsigned cpu, unsigned index, const char *level, const char *type,
                             const char *shared)
{
    put(level, CPU_FOLDER "/cpu%u/cache/index%u/level", cpu, index);
    put(type, CPU_FOLDER "/cpu%u/cache/index%u/type", cpu, index);
    put(shared, CPU_FOLDER "/cpu%u/cache/index%u/shared_cpu_list", cpu, index);
}

static inline void put_private_caches(unsigned cpu)
{
    char self[16];
    snprintf(self, sizeof self, "%u\n", cpu);
    put(self, CPU_FOLDER "/cpu%u/topology/core_cpus_list", cpu);
    put_cache(cpu, 0, "1\n", "Data\n", self);
    put_cache(cpu, 1, "1\n", "Instruction\n", self);
    put_cache(cpu, 2, "2\n", "Unified\n", self);
}

/* Three clusters of four Cortex-A78AE, each with an L3 of its own. */
static inline void put_orin_cpus(void)
{
    static const char *const shared[] = {"0-3\n", "4-7\n", "8-11\n"};
    for (unsigned cpu = 0; cpu < 12; cpu++) {
        put_private_caches(cpu);
        put_cache(cpu, 3, "3\n", "Unified\n", shared[cpu / 4]);
        put("1024\n", CPU_FOLDER "/cpu%u/cpu_capacity", cpu);
    }
    put("0-11\n", CPU_FOLDER "/online");
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_begin, tree_end)

#endif
