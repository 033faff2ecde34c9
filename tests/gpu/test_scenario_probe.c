/* test_scenario_probe.c: what of the GPU a scenario asks this machine: each capability once for all
 * cells that need it, none for cells that are refused already, none where there is no device. Who
 * answers is false, so no GPU is needed; without a toolkit nobody is asked, and there is nothing to
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/gpu/capability.h"
#include "harness/scenario/scenario.h"

static unsigned asked[GPU_CAPABILITY_COUNT];
static enum gpu_capability missing; /* GPU_CAPABILITY_COUNT: none */

static enum status answer(enum gpu_capability capability, struct err *err)
{
    asked[capability]++;
    if (capability != missing)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, "take another", "%s does not work",
                   gpu_capability_rows[capability].key);
}

static enum status yes(struct err *err)
{
    (void)err;
    return ST_OK;
}

static struct transport device_ring;
static struct access in_device, mapped;

/* Cells of shm, with false accesses and a false transport of device memory in their place: those
 * that other files register ask more. */
static struct scenario *probe(const char *axes, bool on_device)
{
    static char text[2000];
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    snprintf(text, sizeof text,
             "{\"blocks\": [{\"name\": \"a\", \"base\": {\"transport\": \"shm\", \"wait\": "
             "\"spin\"}, \"axes\": {%s}}]}",
             axes);
    if (scenario_parse("test.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s", err.what);
    device_ring = *transport_find("shm");
    device_ring.name = "device_ring";
    device_ring.flags = TRANSPORT_DEVICE_MEMORY;
    in_device = *access_find("host");
    in_device.name = "device";
    in_device.needs_gpu = true;
    in_device.flags = ACCESS_DEVICE;
    in_device.probe = yes;
    mapped = in_device;
    mapped.name = "mapped";
    mapped.flags = ACCESS_REGISTERS | ACCESS_AHEAD;
    for (size_t i = 0; i < scenario->cell_count; i++) {
        struct cell *cell = &scenario->cells[i];
        cell->transport = on_device ? &device_ring : cell->transport;
        cell->access = on_device ? &in_device : cell->access->needs_gpu ? &mapped : cell->access;
        if (on_device) /* its parsing knew nothing of the false ones */
            cell->runnable = ST_OK;
    }
    memset(asked, 0, sizeof asked);
    if (scenario_probe(scenario, &err) != ST_OK)
        fail_msg("%s", err.what);
    return scenario;
}

static unsigned asked_in_all(void)
{
    unsigned sum = 0;
    for (size_t i = 0; i < GPU_CAPABILITY_COUNT; i++)
        sum += asked[i];
    return sum;
}

static void each_is_asked_once(void **state)
{
    (void)state;
    missing = GPU_CAPABILITY_COUNT;
    struct scenario *scenario =
        probe("\"fill\": \"gpu\", \"order\": [\"host\", \"event\"], \"gpu_sharing\": "
              "[\"time_sliced\", \"mps\"], \"slots\": [2, 3, 4]",
              true);
    for (size_t i = 0; i < scenario->cell_count; i++)
        assert_int_equal(scenario->cells[i].runnable, ST_OK);
    assert_int_equal(asked[GPU_CAN_device], 1);
    assert_int_equal(asked[GPU_CAN_ipc_event], 1);
    assert_int_equal(asked[GPU_CAN_mps], 1);
    assert_int_equal(asked_in_all(), 3);
    scenario_free(scenario);
}

static void what_is_missing_says_so(void **state)
{
    (void)state;
    static const struct {
        enum gpu_capability missing;
        const char *reason;
    } cases[] = {{GPU_CAN_ipc_event, "order event: ipc_event does not work"},
                 {GPU_CAN_mps, "gpu_sharing mps: mps does not work"}};
    for (size_t i = 0; i < 2; i++) {
        missing = cases[i].missing;
        struct scenario *scenario =
            probe("\"fill\": \"gpu\", \"order\": [\"host\", \"event\"], \"gpu_sharing\": "
                  "[\"time_sliced\", \"mps\"]",
                  true);
        for (size_t j = 0; j < 4; j++) {
            const struct cell *cell = &scenario->cells[j];
            bool needs = missing == GPU_CAN_mps ? cell->gpu_sharing == GPU_SHARING_MPS
                                                : cell->order == ORDER_EVENT;
            assert_int_equal(cell->runnable, needs ? ST_UNAVAILABLE : ST_OK);
            if (!needs)
                continue;
            assert_string_equal(cell->reason, cases[i].reason);
            assert_string_equal(cell->hint, "take another");
        }
        scenario_free(scenario);
    }
}

static void without_a_device_nothing_else_is_asked(void **state)
{
    (void)state;
    missing = GPU_CAN_device;
    struct scenario *scenario =
        probe("\"fill\": \"gpu\", \"order\": [\"host\", \"event\"], \"gpu_sharing\": "
              "[\"time_sliced\", \"mps\"]",
              true);
    for (size_t i = 0; i < scenario->cell_count; i++) {
        assert_int_equal(scenario->cells[i].runnable, ST_UNAVAILABLE);
        assert_string_equal(scenario->cells[i].reason, "access device: device does not work");
    }
    assert_int_equal(asked[GPU_CAN_device], 1);
    assert_int_equal(asked_in_all(), 1);
    scenario_free(scenario);
}

static void a_gpu_that_fills_host_memory_must_reach_it(void **state)
{
    (void)state;
    missing = GPU_CAN_register_shm;
    struct scenario *scenario = probe("\"fill\": [\"copy\", \"gpu\"]", false);
    assert_int_equal(scenario->cells[0].runnable, ST_OK);
    assert_int_equal(scenario->cells[1].runnable, ST_UNAVAILABLE);
    assert_string_equal(scenario->cells[1].reason, "fill gpu: register_shm does not work");
    assert_int_equal(asked_in_all(), 2);
    scenario_free(scenario);
}

/* A refused cell starts no processes; nor does one that never comes near a GPU. */
static void nobody_is_asked_for_nothing(void **state)
{
    (void)state;
    missing = GPU_CAPABILITY_COUNT;
    struct scenario *scenario =
        probe("\"access\": [\"host\", \"device\"], \"sync\": [\"spin\", \"flag\"]", false);
    for (size_t i = 0; i < scenario->cell_count; i++)
        assert_int_equal(scenario->cells[i].runnable, i == 0 ? ST_OK : ST_NOT_APPLICABLE);
    assert_int_equal(asked_in_all(), 0);
    scenario_free(scenario);
}

int main(void)
{
    if (!gpu_toolkit_version()) {
        printf("not tried: built without the CUDA Toolkit, so no capability is asked for\n");
        return 77;
    }
    gpu_capability_set_asker(answer);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_asked_once),
        cmocka_unit_test(what_is_missing_says_so),
        cmocka_unit_test(without_a_device_nothing_else_is_asked),
        cmocka_unit_test(a_gpu_that_fills_host_memory_must_reach_it),
        cmocka_unit_test(nobody_is_asked_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
