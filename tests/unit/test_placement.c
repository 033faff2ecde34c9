/* test_placement.c: every placement is what it is called, on machines of any shape, and a process
 * that was pinned runs where it was pinned.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/run/placement.h"
#include "harness/run/surroundings.h"
#include "tests/support/random_input.h"

enum { MACHINES = 3000, CPUS_MAX = 12 };

/* A machine of any shape: clusters, cores of one or two CPUs, speeds by cluster, holes in the
 * numbers where CPUs are not ours. */
static void random_machine(struct topology *topology)
{
    const uint32_t clusters = 1 + (uint32_t)random_below(3);
    const bool siblings = random_below(2) == 1, speeds = random_below(2) == 1;
    uint32_t cpu = (uint32_t)random_below(3), speed = 300 + (uint32_t)random_below(700);
    memset(topology, 0, sizeof *topology);
    topology->cluster_count = 0;
    for (uint32_t cluster = 0; cluster < clusters; cluster++) {
        const uint32_t count = 1 + (uint32_t)random_below(CPUS_MAX / 3);
        for (uint32_t i = 0; i < count; i++, cpu += 1 + (uint32_t)random_below(2)) {
            struct topology_cpu *made = &topology->cpus[topology->count++];
            *made = (struct topology_cpu){cpu, cluster, cpu, speeds ? speed : 0};
            if (siblings && i % 2 == 1)
                made->core = made[-1].core;
        }
        topology->cluster_count++;
        if (random_below(3) > 0)
            speed = 300 + (uint32_t)random_below(700);
    }
}

static const struct topology_cpu *find(const struct topology *topology, int cpu)
{
    for (uint32_t i = 0; i < topology->count; i++)
        if ((int)topology->cpus[i].cpu == cpu)
            return &topology->cpus[i];
    return NULL;
}

static enum status pick(const struct topology *topology, struct cell cell,
                        struct placement_cpus *cpus)
{
    struct err err = {.what = ""};
    enum status status = placement_pick(topology, &cell, cpus, &err);
    if (status != ST_OK) {
        assert_int_equal(status, ST_UNAVAILABLE);
        assert_true(err.what[0] && err.hint[0]);
    }
    return status;
}

/* Whether the machine has two cores in one cluster with at least this speed; of a speed of 0 where
 * none is described. */
static bool has_pair(const struct topology *topology, uint32_t speed)
{
    for (uint32_t i = 0; i < topology->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (topology->cpus[i].cluster == topology->cpus[j].cluster &&
                topology->cpus[i].core != topology->cpus[j].core &&
                topology->cpus[i].capacity >= speed)
                return true;
    return false;
}

static void check_same_cluster(const struct topology *topology, const struct placement_cpus *cpus)
{
    const struct topology_cpu *producer = find(topology, cpus->producer);
    const struct topology_cpu *consumer = find(topology, cpus->consumer);
    assert_non_null(producer);
    assert_non_null(consumer);
    assert_int_equal(producer->cluster, consumer->cluster);
    assert_int_not_equal(producer->core, consumer->core);
    assert_false(has_pair(topology, producer->capacity + 1));
    if (producer->cpu != 0 && consumer->cpu != 0)
        return;
    /* CPU 0 only where no equally fast cluster has two other cores. */
    struct topology rest = *topology;
    rest.count = 0;
    for (uint32_t i = 0; i < topology->count; i++)
        if (topology->cpus[i].cpu != 0)
            rest.cpus[rest.count++] = topology->cpus[i];
    assert_false(has_pair(&rest, producer->capacity));
}

static void check_machine(const struct topology *topology)
{
    const uint32_t clusters = topology->cluster_count;
    struct placement_cpus cpus;
    enum status status = pick(topology, (struct cell){.placement = PLACEMENT_SAME_CLUSTER}, &cpus);
    assert_int_equal(status == ST_OK, has_pair(topology, 0));
    if (status == ST_OK)
        check_same_cluster(topology, &cpus);

    struct placement_cpus automatic;
    assert_int_equal(pick(topology, (struct cell){.placement = PLACEMENT_AUTO}, &automatic), ST_OK);
    if (status == ST_OK)
        assert_memory_equal(&automatic, &cpus, sizeof cpus);
    assert_non_null(find(topology, automatic.producer));
    assert_non_null(find(topology, automatic.consumer));
    assert_int_equal(automatic.producer == automatic.consumer, topology->count == 1);

    status = pick(topology, (struct cell){.placement = PLACEMENT_CROSS_CLUSTER}, &cpus);
    assert_int_equal(status == ST_OK, clusters > 1);
    if (status == ST_OK)
        assert_int_not_equal(find(topology, cpus.producer)->cluster,
                             find(topology, cpus.consumer)->cluster);

    assert_int_equal(pick(topology, (struct cell){.placement = PLACEMENT_SAME_CPU}, &cpus), ST_OK);
    assert_int_equal(cpus.producer, cpus.consumer);
    assert_non_null(find(topology, cpus.producer));

    assert_int_equal(pick(topology, (struct cell){.placement = PLACEMENT_NONE}, &cpus), ST_OK);
    assert_true(cpus.producer == -1 && cpus.consumer == -1);

    const struct cell explicit = {.placement = PLACEMENT_CPUS,
                                  .producer_cpu = (uint32_t)random_below(CPUS_MAX),
                                  .consumer_cpu = (uint32_t)random_below(CPUS_MAX)};
    status = pick(topology, explicit, &cpus);
    assert_int_equal(status == ST_OK, find(topology, (int)explicit.producer_cpu) &&
                                          find(topology, (int)explicit.consumer_cpu));
    if (status == ST_OK)
        assert_true(cpus.producer == (int)explicit.producer_cpu &&
                    cpus.consumer == (int)explicit.consumer_cpu);
}

static void every_placement_is_what_it_is_called(void **state)
{
    struct topology *topology = malloc(sizeof *topology);
    assert_non_null(topology);
    for (int i = 0; i < MACHINES; i++) {
        random_machine(topology);
        check_machine(topology);
    }
    free(topology);
}

/* In a process of its own, which is pinned for good. 0: all is as it should be. */
static int pinned_process(uint32_t cpu)
{
    const struct cell cell = {.fifo_priority = 0};
    struct surroundings had;
    struct err err = {.what = ""};
    cpu_set_t others;
    if (placement_apply((int)cpu, &err) != ST_OK || surroundings_apply(&cell, &err) != ST_OK ||
        surroundings_verify(&cell, (int)cpu, &had, &err) != ST_OK)
        return 1;
    if (had.cpu != (int)cpu || sched_getcpu() != (int)cpu)
        return 2;
    /* It notices that it was moved. */
    CPU_ZERO(&others);
    CPU_SET(cpu == 0, &others);
    if (sched_setaffinity(0, sizeof others, &others) == 0 &&
        (surroundings_verify(&cell, (int)cpu, &had, &err) != ST_UNAVAILABLE ||
         !strstr(err.what, "not pinned")))
        return 3;
    return placement_apply(65000, &err) == ST_OK ? 4 : 0;
}

static void a_pinned_process_stays_there(void **state)
{
    struct topology *topology = malloc(sizeof *topology);
    struct err err = {.what = ""};
    assert_non_null(topology);
    if (topology_read(topology, &err) != ST_OK)
        fail_msg("%s", err.what);
    for (uint32_t i = 0; i < topology->count && i < 4; i++) {
        int ended;
        pid_t pid = fork();
        if (pid == 0)
            _exit(pinned_process(topology->cpus[i].cpu));
        assert_int_equal(waitpid(pid, &ended, 0), pid);
        assert_true(WIFEXITED(ended));
        assert_int_equal(WEXITSTATUS(ended), 0);
    }
    free(topology);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_placement_is_what_it_is_called),
        cmocka_unit_test(a_pinned_process_stays_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
