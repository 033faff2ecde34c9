/* test_capability.c: what the runner makes of the two processes that try a row, whatever they do;
 * and what the claims and attributes say beside it.
 *
 * process.c starts /proc/self/exe as the roles, which is this program: main() is a side when told
 * to be one, and does what HANDOFF_FAKE_SIDES="<maker's deed>,<user's deed>" says. No GPU is
 * needed.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/cli/probe.h"
#include "harness/measure/clock.h"
#include "harness/run/capability_pair.h"
#include "tests/support/random_input.h"

enum { CONTROL_FD = 3 };

/* ---- The false sides ------------------------------------------------------------------------- */

static struct channel_message side_order;

static void side_send(const char *text)
{
    (void)send(CONTROL_FD, text, strlen(text), MSG_NOSIGNAL);
}

static void side_works(void)
{
    side_send("{\"type\":\"opened\"}");
    side_send("{\"type\":\"finished\",\"status\":\"ok\",\"verified\":\"every byte\"}");
}

/* Works only if the runner joined it with the other, told both the same, and who is who. */
static void side_meets(void)
{
    struct channel_message message = {0};
    struct err err;
    const char *seed = json_get_string(side_order.json, "seed", "");
    const char *side = json_get_string(side_order.json, "side", "");
    side_send("{\"type\":\"opened\"}");
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "seed", seed);
    json_add_string(json, "side", side);
    if (channel_send(side_order.fds[0], json, NULL, 0, &err) == ST_OK &&
        channel_receive(side_order.fds[0], UINT64_MAX, &message, &err) == ST_OK &&
        strcmp(json_get_string(message.json, "seed", "?"), seed) == 0 &&
        strcmp(json_get_string(message.json, "side", "?"), side) != 0 &&
        strcmp(json_get_string(side_order.json, "mps_pipe_dir", ""), "/nowhere") == 0 &&
        strcmp(json_get_string(side_order.json, "row", ""), "vmm") == 0)
        side_send("{\"type\":\"finished\",\"status\":\"ok\",\"verified\":\"\"}");
    cJSON_Delete(json);
    channel_message_clear(&message);
}

/* As a real one whose row failed: the reason, then its end. */
static void side_fails(void)
{
    side_send("{\"type\":\"opened\"}");
    side_send(
        "{\"type\":\"finished\",\"status\":\"system\",\"what\":\"CUDA said no\",\"hint\":\"ask "
        "nicely\"}");
}

/* As a real one that waits for the other: what its end does to it. */
static void side_waits(void)
{
    struct channel_message message = {0};
    struct err err;
    side_send("{\"type\":\"opened\"}");
    side_send("{\"type\":\"step\",\"what\":\"" CAPABILITY_WAITS "\"}");
    if (channel_receive(side_order.fds[0], UINT64_MAX, &message, &err) == ST_PEER_GONE)
        side_send(
            "{\"type\":\"finished\",\"status\":\"peer_gone\",\"what\":\"the other is gone\"}");
}

static void side_segfaults(void)
{
    side_send("{\"type\":\"opened\"}");
    side_send("{\"type\":\"step\",\"what\":\"the raw pointer\"}");
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void side_is_killed_at_once(void)
{
    raise(SIGKILL);
}

static void side_exits(void)
{
    _exit(7);
}

static void side_hangs(void)
{
    side_send("{\"type\":\"opened\"}");
    side_send("{\"type\":\"step\",\"what\":\"a kernel that never ends\"}");
    for (;;)
        pause();
}

static void side_never_opens(void)
{
    for (;;)
        pause();
}

/* Says how it went, and then does not end: a driver that does not come back. */
static void side_lingers(void)
{
    side_works();
    for (;;)
        pause();
}

static void side_hangs_up(void)
{
    close(CONTROL_FD);
    for (;;)
        pause();
}

static void side_garbage(void)
{
    uint8_t bytes[300];
    random_state = (uint64_t)getpid();
    random_bytes(bytes, sizeof bytes);
    bytes[0] |= 0x80;
    (void)send(CONTROL_FD, bytes, sizeof bytes, MSG_NOSIGNAL);
    for (;;)
        pause();
}

static void side_floods(void)
{
    for (;;)
        if (send(CONTROL_FD, "{\"type\":\"step\",\"what\":\"on and on\"}", 34, MSG_NOSIGNAL) < 0)
            _exit(0);
}

static void side_finishes_twice(void)
{
    side_works();
    side_fails();
}

static void side_without_words(void)
{
    side_send("{\"type\":\"finished\"}");
}

static const struct deed {
    const char *name;
    void (*act)(void);
} deeds[] = {
    {"works", side_works},
    {"meets", side_meets},
    {"fails", side_fails},
    {"waits", side_waits},
    {"segfaults", side_segfaults},
    {"is_killed_at_once", side_is_killed_at_once},
    {"exits", side_exits},
    {"hangs", side_hangs},
    {"never_opens", side_never_opens},
    {"lingers", side_lingers},
    {"hangs_up", side_hangs_up},
    {"garbage", side_garbage},
    {"floods", side_floods},
    {"finishes_twice", side_finishes_twice},
    {"without_words", side_without_words},
};
enum { DEEDS = sizeof deeds / sizeof deeds[0] };

static int side_main(void)
{
    struct err err;
    char wanted[64] = "";
    if (channel_receive(CONTROL_FD, UINT64_MAX, &side_order, &err) != ST_OK)
        return 0;
    const char *sides = getenv("HANDOFF_FAKE_SIDES");
    const bool user = strcmp(json_get_string(side_order.json, "side", ""), "user") == 0;
    const char *comma = strchr(sides, ',');
    snprintf(wanted, sizeof wanted, "%.*s", user ? 63 : (int)(comma - sides),
             user ? comma + 1 : sides);
    for (int i = 0; i < DEEDS; i++)
        if (strcmp(deeds[i].name, wanted) == 0)
            deeds[i].act();
    return 0;
}

/* ---- The runner's side ----------------------------------------------------------------------- */

#define STARTING_NS 400000000u
#define TRYING_NS 300000000u
#define NEGATIVE_NS 150000000u
#define ENDING_NS 200000000u
static struct capability_limits limits = {.starting_ns = STARTING_NS,
                                          .trying_ns = TRYING_NS,
                                          .negative_ns = NEGATIVE_NS,
                                          .ending_ns = ENDING_NS};
/* Over and above a limit, on a machine with much else to do. */
#define SLACK_NS UINT64_C(2000000000)

static int count_fds(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static uint64_t try(const char *maker, const char *user, bool negative,
                    struct capability_answer *answer)
{
    char sides[128];
    struct capability_pair pair;
    struct capability_pair *const pairs[1] = {&pair};
    const struct capability_place place = {.mps_pipe_dir = "/nowhere"};
    struct err err;
    const int fds = count_fds();
    snprintf(sides, sizeof sides, "%s,%s", maker, user);
    setenv("HANDOFF_FAKE_SIDES", sides, 1);
    const uint64_t begin_ns = clock_now_ns();
    assert_int_equal(capability_pair_start(&pair, "vmm", negative, &limits, &place, &err), ST_OK);
    while (!capability_pair_is_over(&pair))
        capability_pairs_poll(pairs, 1);
    capability_pair_judge(&pair, answer);
    capability_pair_end(&pair);
    const uint64_t took_ns = clock_now_ns() - begin_ns;
    /* Nothing is left: no descriptor and no child. */
    assert_int_equal(count_fds(), fds);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return took_ns;
}

static void expect_failure(const char *maker, const char *user, const char *reason)
{
    struct capability_answer answer;
    (void)try(maker, user, false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_DOES_NOT);
    if (!strstr(answer.why.what, reason))
        fail_msg("%s, %s: \"%s\" instead of \"%s\"", maker, user, answer.why.what, reason);
}

static void test_works(void **state)
{
    struct capability_answer answer;
    (void)try("works", "works", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_WORKS);
    assert_string_equal(answer.verified, "every byte");
    assert_true(answer.took_ns > 0);
    (void)try("meets", "meets", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_WORKS);
    (void)try("finishes_twice", "works", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_WORKS);
}

static void test_fails(void **state)
{
    struct capability_answer answer;
    expect_failure("works", "fails", "CUDA said no");
    expect_failure("fails", "works", "CUDA said no");
    /* The one that lost the other is not the cause. */
    expect_failure("waits", "fails", "CUDA said no");
    expect_failure("fails", "waits", "CUDA said no");
    expect_failure("works", "without_words", "failed without saying why");
    (void)try("waits", "fails", false, &answer);
    assert_string_equal(answer.why.hint, "ask nicely");
}

static void test_dies(void **state)
{
    expect_failure("waits", "segfaults",
                   "the process that was handed it was killed by signal 11 (Segmentation fault) "
                   "(at: the raw pointer)");
    expect_failure("segfaults", "waits", "the process that made it was killed by signal 11");
    /* Nearer to the cause than what the other side says. */
    expect_failure("fails", "segfaults", "killed by signal 11");
    expect_failure("waits", "is_killed_at_once", "killed by signal 9");
    expect_failure("waits", "exits", "exited with status 7");
    expect_failure("works", "exits", "exited with status 7");
}

/* Deadlines are kept, whoever hangs and however. */
static void test_hangs(void **state)
{
    struct capability_answer answer;
    uint64_t took_ns = try("waits", "hangs", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_DOES_NOT);
    assert_non_null(strstr(answer.why.what, "the process that was handed it did not come back"));
    assert_non_null(strstr(answer.why.what, "a kernel that never ends"));
    assert_in_range(took_ns, TRYING_NS, TRYING_NS + SLACK_NS);
    (void)try("hangs", "waits", false, &answer);
    assert_non_null(strstr(answer.why.what, "the process that made it did not come back"));
    limits.trying_ns = 10 * SLACK_NS; /* that of other rows */
    took_ns = try("works", "hangs", true, &answer);
    limits.trying_ns = TRYING_NS;
    assert_in_range(took_ns, NEGATIVE_NS, NEGATIVE_NS + SLACK_NS);
    took_ns = try("never_opens", "waits", true, &answer);
    assert_in_range(took_ns, STARTING_NS, STARTING_NS + SLACK_NS);
    assert_non_null(strstr(answer.why.what, "the process that made it did not come back"));
    took_ns = try("hangs_up", "waits", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_DOES_NOT);
    assert_in_range(took_ns, STARTING_NS, STARTING_NS + SLACK_NS);
}

static void test_does_not_keep_to_it(void **state)
{
    struct capability_answer answer;
    expect_failure("works", "garbage", "control message");
    uint64_t took_ns = try("works", "floods", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_DOES_NOT);
    assert_in_range(took_ns, STARTING_NS, STARTING_NS + SLACK_NS);
    /* The outcome counts, and its end is not waited for for ever. */
    took_ns = try("works", "lingers", false, &answer);
    assert_int_equal(answer.outcome, CAPABILITY_WORKS);
    assert_in_range(took_ns, 0, ENDING_NS + SLACK_NS);
}

/* ---- The asker ------------------------------------------------------------------------------- */

static enum status asker_says_no(enum gpu_capability row, struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, NULL, "asked for %s", gpu_capability_rows[row].key);
}

static void test_asker(void **state)
{
    struct err err;
    gpu_capability_set_asker(asker_says_no);
    assert_int_equal(gpu_capability_check(GPU_CAN_pool, &err), ST_UNAVAILABLE);
    /* Without the toolkit nobody is asked. */
    assert_string_equal(err.what, gpu_toolkit_version() ? "asked for pool"
                                                        : strstr(err.what, "built without"));
    gpu_capability_set_asker(NULL);
    assert_int_equal(gpu_capability_check(GPU_CAN_pool, &err), ST_UNAVAILABLE);
}

/* ---- Claims and attributes ------------------------------------------------------------------- */

static struct capability_answer answers[GPU_CAPABILITY_COUNT];

static struct probe probe_all(enum capability_outcome outcome)
{
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
        answers[i].outcome = outcome;
    return (struct probe){.answers = answers, .all = true};
}

static enum probe_verdict judge(const struct probe *probe, const char *id, char *text, size_t size)
{
    for (size_t i = 0; i < probe_claim_count; i++)
        if (strcmp(probe_claims[i].id, id) == 0)
            return probe_claim_judge(probe, &probe_claims[i], text, size);
    fail_msg("no claim %s", id);
    return PROBE_NOT_TRIED;
}

static void test_claims(void **state)
{
    char text[400];
    struct probe probe = probe_all(CAPABILITY_WORKS);
    assert_int_equal(judge(&probe, "managed", text, sizeof text), PROBE_NOT_REPRODUCED);
    assert_string_equal(text, "managed_copy works, managed_pointer works");
    answers[GPU_CAN_managed_pointer].outcome = CAPABILITY_DOES_NOT;
    assert_int_equal(judge(&probe, "managed", text, sizeof text), PROBE_HOLDS);
    answers[GPU_CAN_managed_copy].outcome = CAPABILITY_NOT_TRIED;
    assert_int_equal(judge(&probe, "managed", text, sizeof text), PROBE_NOT_TRIED);
    assert_int_equal(judge(&probe, "malloc", text, sizeof text), PROBE_NOT_REPRODUCED);
    /* What is said of a Jetson is decided on one. */
    assert_int_equal(judge(&probe, "legacy-ipc", text, sizeof text), PROBE_OTHER_MACHINE);
    assert_int_equal(judge(&probe, "register", text, sizeof text), PROBE_OTHER_MACHINE);
    probe.is_jetson = true;
    assert_int_equal(judge(&probe, "legacy-ipc", text, sizeof text), PROBE_NOT_REPRODUCED);
    answers[GPU_CAN_ipc_memory].outcome = CAPABILITY_DOES_NOT;
    assert_int_equal(judge(&probe, "legacy-ipc", text, sizeof text), PROBE_HOLDS);
    assert_int_equal(judge(&probe, "register", text, sizeof text), PROBE_HOLDS);
    assert_int_equal(judge(&probe, "nvmm", text, sizeof text), PROBE_NOT_TRIED);
    assert_int_equal(judge(&probe, "dmabuf-egl", text, sizeof text), PROBE_NOT_TRIED);
    assert_string_equal(probe_row_claims(GPU_CAN_ipc_event, text, sizeof text), "legacy-ipc");
    assert_string_equal(probe_row_claims(GPU_CAN_pool, text, sizeof text), "");
}

/* Whoever reads the table needs not be sent there. */
static void test_hints(void **state)
{
    static const char *const hints[][2] = {
        {"an argument does not fit this device; `handoff probe` shows what works here",
         "an argument does not fit this device"},
        {"is its maker there? `handoff probe` shows whether it works", "is its maker there?"},
        {"`handoff probe` says it", ""},
        {"free memory", "free memory"},
        {"", ""},
    };
    struct capability_answer answer = {.outcome = CAPABILITY_DOES_NOT};
    char text[sizeof answer.why.hint];
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        snprintf(answer.why.hint, sizeof answer.why.hint, "%s", hints[i][0]);
        assert_string_equal(probe_hint(&answer, text, sizeof text), hints[i][1]);
    }
}

static const char *misleads(const struct probe *probe, enum gpu_attribute attribute, int value)
{
    static char text[240];
    cJSON *attributes = json_get(probe->gpu, "attributes");
    cJSON_DeleteItemFromObjectCaseSensitive(attributes, gpu_attribute_name(attribute));
    assert_non_null(cJSON_AddNumberToObject(attributes, gpu_attribute_name(attribute), value));
    return probe_attribute_misleads(probe, attribute, text, sizeof text);
}

static void test_attributes(void **state)
{
    struct probe probe = probe_all(CAPABILITY_WORKS);
    char text[240];
    int value;
    assert_false(probe_attribute(&probe, GPU_ATTRIBUTE_ipc_event, &value));
    probe.gpu = cJSON_CreateObject();
    assert_non_null(cJSON_AddObjectToObject(probe.gpu, "attributes"));
    assert_string_equal(
        probe_attribute_misleads(&probe, GPU_ATTRIBUTE_ipc_event, text, sizeof text), "");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_ipc_event, 1), "");
    answers[GPU_CAN_ipc_memory].outcome = CAPABILITY_DOES_NOT;
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_ipc_event, 1),
                        "yes, but ipc_memory does not here");
    answers[GPU_CAN_ipc_memory].outcome = CAPABILITY_NOT_TRIED;
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_ipc_event, 1), "");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_stream_memory_operations_v1, 0),
                        "no, but stream_values works here");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_pageable_memory_access, 0),
                        "no, but unregistered_shm works here, and unregistered_malloc works here");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_memory_pool_handle_types, 9), "");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_memory_pool_handle_types, 8),
                        "no, but pool works here");
    assert_string_equal(misleads(&probe, GPU_ATTRIBUTE_multiprocessors, 0), "");
    assert_non_null(strstr(misleads(&probe, GPU_ATTRIBUTE_mps, 0), "not of the machine"));
    cJSON_Delete(probe.gpu);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--role") == 0)
        return side_main();
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_works),
        cmocka_unit_test(test_fails),
        cmocka_unit_test(test_dies),
        cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_does_not_keep_to_it),
        cmocka_unit_test(test_asker),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
