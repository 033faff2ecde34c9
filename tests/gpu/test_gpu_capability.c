/* test_gpu_capability.c: every row of the capability table, tried on this machine's GPU (or the
 * fake): what must work anywhere works, what cannot does not, all have their words, and answers are
 * kept.
 *
 * process.c starts /proc/self/exe as the roles, which is this program.
 */
#include "tests/support/gpu_fixture.h"

#include "harness/env/fitness.h"
#include "harness/measure/clock.h"
#include "harness/run/capability.h"
#include "harness/run/role.h"

/* The rows' own deadlines are shorter; a first use may compile kernels for the device. */
#define ALL_SECONDS 120

/* All rows; with HANDOFF_TEST_LEGAL in the environment those alone whose claim is that something
 * works: the others read what may not be read, which is an error to compute-sanitizer. */
static bool asked[GPU_CAPABILITY_COUNT];

static void test_every_row(void **state)
{
    const uint64_t begin_ns = clock_now_ns();
    const struct capability_answer *answers = capability_ask(asked);
    const uint64_t took_ns = clock_now_ns() - begin_ns;
    printf("all rows in %.1f s\n", (double)took_ns / 1e9);
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++) {
        const struct capability_answer *answer = &answers[i];
        if (!asked[i])
            continue;
        const bool works = answer->outcome == CAPABILITY_WORKS;
        printf("%-20s %-9s %4.1f s  %s\n", gpu_capability_rows[i].key,
               works                                    ? "works"
               : answer->outcome == CAPABILITY_DOES_NOT ? "does not"
                                                        : "not tried",
               (double)answer->took_ns / 1e9, works ? answer->verified : answer->why.what);
        assert_int_not_equal(answer->outcome, CAPABILITY_UNASKED);
        assert_int_not_equal(works ? answer->verified[0] : answer->why.what[0], '\0');
    }
    /* True of every machine that CUDA runs on. */
    static const enum gpu_capability must[] = {GPU_CAN_device, GPU_CAN_register_shm,
                                               GPU_CAN_managed_copy, GPU_CAN_resident_flag};
    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++)
        if (answers[must[i]].outcome != CAPABILITY_WORKS)
            fail_msg("%s: %s", gpu_capability_rows[must[i]].key, answers[must[i]].why.what);
    assert_int_not_equal(answers[GPU_CAN_managed_pointer].outcome, CAPABILITY_WORKS);
    assert_int_not_equal(answers[GPU_CAN_vmm_no_access].outcome, CAPABILITY_WORKS);
    assert_in_range(took_ns, 1, ALL_SECONDS * UINT64_C(1000000000));
}

/* Once found out, nobody is asked again; whoever checks gets the same answer. */
static void test_remembered(void **state)
{
    const struct capability_answer *answers = capability_ask(asked);
    struct err err;
    const uint64_t begin_ns = clock_now_ns();
    capability_install();
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++) {
        if (!asked[i])
            continue;
        const enum status status = gpu_capability_check((enum gpu_capability)i, &err);
        assert_int_equal(status == ST_OK, answers[i].outcome == CAPABILITY_WORKS);
        if (status != ST_OK) {
            assert_non_null(strstr(err.what, gpu_capability_rows[i].title));
            assert_non_null(strstr(err.hint, gpu_capability_rows[i].instead));
        }
    }
    assert_in_range(clock_now_ns() - begin_ns, 0, 500000000u);
}

static void test_described(void **state)
{
    struct gpu_info info;
    struct err err;
    cJSON *json, *environment = cJSON_CreateObject();
    gpu_assert_ok(&err, gpu_probe(&info, &err));
    gpu_assert_ok(&err, capability_describe(&json, &err));
    char *text = cJSON_Print(json);
    printf("%s\n", text);
    cJSON_free(text);
    assert_string_equal(json_get_string(json, "name", ""), info.name);
    assert_true(json_get_number(json, "memory_bytes", 0) > 0);
    assert_true(json_get_number(json, "multiprocessors", 0) > 0);
    const cJSON *attributes = json_get(json, "attributes");
    assert_int_equal(cJSON_GetArraySize(attributes), GPU_ATTRIBUTE_COUNT);
    cJSON_Delete(json);
    /* As a result has it: beside what Linux shows, without the attributes. */
    cJSON *section = cJSON_AddObjectToObject(environment, "gpu");
    assert_true(json_add_string(section, "nvidia_driver", "550.54.15"));
    assert_true(capability_describe_into(environment));
    assert_string_equal(json_get_string(section, "nvidia_driver", ""), "550.54.15");
    assert_string_equal(json_get_string(section, "name", ""), info.name);
    assert_null(json_get(section, "attributes"));
    cJSON_Delete(environment);
}

/* A GPU that shows and that CUDA cannot use: the reason stands in its place. */
static void test_unusable(void **state)
{
    struct err err;
    cJSON *environment = cJSON_CreateObject(), *findings = cJSON_CreateArray();
    char *visible = getenv("CUDA_VISIBLE_DEVICES"), *before = visible ? strdup(visible) : NULL;
    cJSON *section = cJSON_AddObjectToObject(environment, "gpu");
    assert_true(json_add_string(section, "nvidia_driver", "550.54.15"));
    setenv("CUDA_VISIBLE_DEVICES", "-1", 1);
    setenv("HANDOFF_FAKE_GPU_ATTRIBUTES", "device=0", 1);
    assert_true(capability_describe_into(environment));
    unsetenv("HANDOFF_FAKE_GPU_ATTRIBUTES");
    unsetenv("CUDA_VISIBLE_DEVICES");
    if (before)
        setenv("CUDA_VISIBLE_DEVICES", before, 1);
    free(before);
    const cJSON *unusable = json_get(section, "unusable");
    assert_true(json_get_string(unusable, "reason", "")[0] != '\0');
    assert_true(json_get_string(unusable, "hint", "")[0] != '\0');
    assert_null(json_get(section, "name"));
    assert_int_equal(fitness_find(environment, findings, &err), ST_OK);
    char *text = cJSON_PrintUnformatted(findings);
    assert_non_null(strstr(text, "the GPU cannot be used: "));
    assert_null(strstr(text, "gpu_persistence")); /* of which nothing can be known */
    cJSON_free(text);
    cJSON_Delete(findings);
    cJSON_Delete(environment);
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc > 1 && strcmp(argv[1], "--role") == 0)
        return role_main(argc, argv, &err) == ST_OK ? 0 : 1;
    gpu_fixture_begin(argc, argv);
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
        asked[i] = !getenv("HANDOFF_TEST_LEGAL") || !gpu_capability_rows[i].negative;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_remembered),
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_unusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
