/* test_topology.c: CPU clusters, read from trees of machines we do not have.
 *
 * A Jetson Orin, a big.LITTLE processor, a server with SMT, machines that describe only private
 * caches, a container without sysfs; and lists of CPUs as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>
#include <unistd.h>

#include "harness/env/files.h"
#include "harness/env/topology.h"
#include "tests/support/fake_tree.h"
#include "tests/support/random_input.h"

static struct topology topology;

static void read_topology(const char *cpu_list)
{
    uint32_t cpus[TOPOLOGY_CPUS_MAX];
    struct err err;
    uint32_t count = env_cpu_list_parse(cpu_list, cpus, TOPOLOGY_CPUS_MAX);
    memset(&topology, 0xa5, sizeof topology);
    assert_int_equal(topology_read_from(tree, cpus, count, &topology, &err), ST_OK);
    assert_int_equal(topology.count, count);
}

static void test_orin_clusters(void **state)
{
    (void)state;
    put_orin_cpus();
    read_topology("0-11");
    assert_int_equal(topology.origin, TOPOLOGY_FROM_CACHE);
    assert_int_equal(topology.cluster_count, 3);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(topology.cpus[i].cpu, i);
        assert_int_equal(topology.cpus[i].cluster, i / 4);
        assert_int_equal(topology.cpus[i].core, i);
        assert_int_equal(topology.cpus[i].capacity, 1024);
    }
}

/* An affinity that leaves out whole clusters still numbers them from 0 without gaps. */
static void test_affinity_in_part(void **state)
{
    (void)state;
    put_orin_cpus();
    read_topology("5-6,9");
    assert_int_equal(topology.cluster_count, 2);
    assert_int_equal(topology.cpus[0].cpu, 5);
    assert_int_equal(topology.cpus[0].cluster, 0);
    assert_int_equal(topology.cpus[1].cluster, 0);
    assert_int_equal(topology.cpus[2].cpu, 9);
    assert_int_equal(topology.cpus[2].cluster, 1);
}

/* Four small CPUs and four large ones, two L2 caches and no L3, one "package". */
static void test_big_little(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        put_private_caches(cpu);
        put_cache(cpu, 2, "2\n", "Unified\n", cpu < 4 ? "0-3\n" : "4-7\n");
        put("0-7\n", CPU_FOLDER "/cpu%u/topology/package_cpus_list", cpu);
        put(cpu < 4 ? "459\n" : "1024\n", CPU_FOLDER "/cpu%u/cpu_capacity", cpu);
    }
    read_topology("0-7");
    assert_int_equal(topology.origin, TOPOLOGY_FROM_CACHE);
    assert_int_equal(topology.cluster_count, 2);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(topology.cpus[i].cluster, i / 4);
        assert_int_equal(topology.cpus[i].capacity, i < 4 ? 459 : 1024);
    }
}

/* Two sockets, two threads a core, siblings numbered far apart, as on most servers. */
static void test_smt_server(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        char siblings[16];
        snprintf(siblings, sizeof siblings, "%u,%u\n", cpu % 4, cpu % 4 + 4);
        put_private_caches(cpu);
        put(siblings, CPU_FOLDER "/cpu%u/topology/core_cpus_list", cpu);
        put_cache(cpu, 2, "2\n", "Unified\n", siblings);
        put_cache(cpu, 3, "3\n", "Unified\n", cpu % 4 < 2 ? "0-1,4-5\n" : "2-3,6-7\n");
    }
    read_topology("0-7");
    assert_int_equal(topology.origin, TOPOLOGY_FROM_CACHE);
    assert_int_equal(topology.cluster_count, 2);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(topology.cpus[i].cluster, i % 4 < 2 ? 0 : 1);
        assert_int_equal(topology.cpus[i].core, i % 4);
    }
}

/* An Arm server or a virtual machine: only private caches are described. */
static void test_private_caches_only(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        put_private_caches(cpu);
        put("0-3\n", CPU_FOLDER "/cpu%u/topology/core_siblings_list", cpu);
    }
    read_topology("0-3");
    assert_int_equal(topology.origin, TOPOLOGY_FROM_PACKAGE);
    assert_int_equal(topology.cluster_count, 1);

    for (unsigned cpu = 0; cpu < 4; cpu++)
        put(cpu < 2 ? "0-1\n" : "2-3\n", CPU_FOLDER "/cpu%u/topology/cluster_cpus_list", cpu);
    read_topology("0-3");
    assert_int_equal(topology.origin, TOPOLOGY_FROM_CLUSTER);
    assert_int_equal(topology.cluster_count, 2);
    assert_int_equal(topology.cpus[1].cluster, 0);
    assert_int_equal(topology.cpus[2].cluster, 1);
}

static void test_no_sysfs(void **state)
{
    (void)state;
    read_topology("2,5");
    assert_int_equal(topology.origin, TOPOLOGY_UNKNOWN);
    assert_int_equal(topology.cluster_count, 1);
    assert_int_equal(topology.cpus[0].core, 2);
    assert_int_equal(topology.cpus[1].core, 5);
    assert_int_equal(topology.cpus[1].cluster, 0);
    assert_int_equal(topology.cpus[1].capacity, 0);
}

static void test_too_many_cpus(void **state)
{
    (void)state;
    uint32_t cpus[1] = {0};
    struct err err = {0};
    assert_int_equal(topology_read_from(tree, cpus, 0, &topology, &err), ST_UNAVAILABLE);
    assert_true(err.what[0] != '\0' && err.hint[0] != '\0');
    assert_int_equal(topology_read_from(tree, cpus, TOPOLOGY_CPUS_MAX + 1, &topology, &err),
                     ST_UNAVAILABLE);
}

static void test_this_machine(void **state)
{
    (void)state;
    struct err err;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(topology_read(&topology, &err), ST_OK);
    assert_int_equal(topology.count, (uint32_t)CPU_COUNT(&before));
    assert_true(topology.cluster_count >= 1 && topology.cluster_count <= topology.count);
    uint32_t last = topology.cpus[topology.count - 1].cpu;
    assert_true(CPU_ISSET(last, &before));

    CPU_ZERO(&one);
    CPU_SET(last, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(topology_read(&topology, &err), ST_OK);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(topology.count, 1);
    assert_int_equal(topology.cpus[0].cpu, last);
    assert_int_equal(topology.cpus[0].cluster, 0);
}

/* Random sets of CPUs survive the way through text and back. */
static void test_cpu_lists(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        uint32_t cpus[300], again[300], count = 0;
        char text[4096];
        for (uint32_t cpu = 0; cpu < 300; cpu++)
            if (random_below(100) < round % 101)
                cpus[count++] = cpu;
        env_cpu_list_format(cpus, count, text, sizeof text);
        assert_int_equal(env_cpu_list_parse(text, again, 300), count);
        assert_memory_equal(cpus, again, count * sizeof cpus[0]);
    }
    uint32_t cpus[4];
    static const char *const bad[] = {"",    "a",  "3-", "5-3",       "1,,2",
                                      "1;2", "1,", "-4", "0-99999999"};
    for (unsigned i = 0; i < ENV_COUNT(bad); i++)
        assert_int_equal(env_cpu_list_parse(bad[i], cpus, 4), 0);
    assert_int_equal(env_cpu_list_parse("0-9", cpus, 4), 4);

    char small[6];
    assert_string_equal(env_cpu_list_format((uint32_t[]){1, 3, 5, 7}, 4, small, sizeof small),
                        "1,3,5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(test_orin_clusters),       IN_TREE(test_affinity_in_part),
        IN_TREE(test_big_little),          IN_TREE(test_smt_server),
        IN_TREE(test_private_caches_only), IN_TREE(test_no_sysfs),
        IN_TREE(test_too_many_cpus),       cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_cpu_lists),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
