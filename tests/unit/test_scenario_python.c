/* test_scenario_python.c: which choices go with roles in Python, what is asked of the machine for them,
 * and the user's function of kernel `detector`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/scenario/python_asker.h"
#include "harness/scenario/scenario.h"

/* A scenario of one cell or more: shm, waited for with futex, but for what `axes` says. */
static struct scenario *scenario_of(const char *axes)
{
    char text[1024];
    struct err err = {.what = ""};
    struct scenario *scenario = NULL;
    snprintf(text, sizeof text,
             "{\"blocks\": [{\"name\": \"a\", \"axes\": {%s%s\"frame\": \"64x48x3\"%s%s}}]}",
             strstr(axes, "transport") ? "" : "\"transport\": \"shm\", ",
             strstr(axes, "\"wait\"") ? "" : "\"wait\": \"futex\", ", axes[0] ? ", " : "", axes);
    if (scenario_parse("test", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s: %s", text, err.what);
    return scenario;
}

/* Why it makes no sense; "" when it does. */
static void expect(const char *axes, const char *reason)
{
    struct scenario *scenario = scenario_of(axes);
    for (size_t i = 0; i < scenario->cell_count; i++) {
        const struct cell *cell = &scenario->cells[i];
        if (cell->runnable != (reason[0] ? ST_NOT_APPLICABLE : ST_OK) ||
            !strstr(cell->reason, reason) || (reason[0] && !cell->hint[0]))
            fail_msg("%s: %s: \"%s\", not \"%s\"", axes, cell->id, cell->reason, reason);
    }
    scenario_free(scenario);
}

#define ANY_PYTHON "\"peer\": [\"c/python\", \"python/c\", \"python/python\"]"
#define TO_PYTHON "\"peer\": [\"c/python\", \"python/python\"]"
#define FROM_PYTHON "\"peer\": [\"python/c\", \"python/python\"]"

static void what_goes_with_python(void **state)
{
    (void)state;
    expect(ANY_PYTHON, "");
    expect(ANY_PYTHON ", \"wait\": [\"spin\", \"poll:100\", \"futex\", \"eventfd\"]", "");
    expect(ANY_PYTHON ", \"transport\": \"unix\", \"wait\": [\"spin\", \"poll:50\", \"block\"]",
           "");
    expect(ANY_PYTHON ", \"kernel\": [\"none\", \"checksum\", \"invert\", \"preprocess\"]", "");
    expect(ANY_PYTHON ", \"fill\": \"in_place\", \"policy\": [\"block\", \"latest\"]", "");
    expect(ANY_PYTHON ", \"gc\": \"off\", \"scheduling\": \"fifo:10\"", "");
    expect(ANY_PYTHON ", \"pages\": \"thp\"", "");
    expect(TO_PYTHON ", \"read\": [\"slice\", \"struct\", \"tobytes\"]", "");
    expect(TO_PYTHON ", \"kernel\": \"detector\"", "");
    expect("\"peer\": \"c/python\", \"frame_state\": \"evicted\"", "");
}

static void what_does_not(void **state)
{
    (void)state;
    expect(ANY_PYTHON ", \"transport\": [\"tcp\", \"memfd\"], \"wait\": \"poll:100\"",
           "has no Python side");
    expect(ANY_PYTHON ", \"wait\": [\"yield\", \"condvar\", \"adaptive:50\"]",
           "is not one that Python roles have");
    expect(ANY_PYTHON ", \"producer_wait\": \"pause\"", "wait pause is not one");
    expect(ANY_PYTHON ", \"transport\": \"unix\", \"wait\": \"block\", \"pages\": \"thp\"",
           "memory of its own");
    expect(FROM_PYTHON ", \"frame_state\": \"cached\"", "instructions about caches");
    expect(FROM_PYTHON ", \"fill\": \"gpu\"", "a Python producer has none");
    expect(TO_PYTHON ", \"fill\": \"header\", \"kernel\": \"none\", \"read\": \"struct\"",
           "fill header has none");
    expect(TO_PYTHON ", \"kernel\": \"invert\", \"read\": \"tobytes\"", "works on a copy");
    expect(TO_PYTHON ", \"array\": \"cupy\"", "leaves frames to the CPU");
    expect(TO_PYTHON ", \"access\": \"mapped\"", "where array numpy does not reach");
}

#define ON_GPU TO_PYTHON ", \"array\": [\"cupy\", \"torch\"], \"access\": "
static void consumers_on_the_gpu(void **state)
{
    (void)state;
    expect(ON_GPU "[\"mapped\", \"copy\", \"pageable\"]", "");
    expect(ON_GPU "\"mapped\", \"kernel\": [\"none\", \"preprocess\"]", "");
    expect(ON_GPU "\"mapped\", \"sync\": [\"yield\", \"block\", \"event\"]", "");
    expect("\"peer\": \"c/python\", \"array\": \"torch\", \"access\": \"device\", \"fill\": "
           "\"gpu\", \"transport\": [\"cuda_ipc\", \"cuda_vmm\", \"cuda_pool\"]",
           "");
    expect("\"peer\": \"python/python\", \"array\": \"torch\", \"access\": \"device\", "
           "\"transport\": \"cuda_vmm\"",
           "a Python producer has none");
    expect("\"peer\": \"c/python\", \"access\": \"device\", \"transport\": \"cuda_ipc\"",
           "where array numpy does not reach");
    expect(ON_GPU "[\"managed\", \"direct\"]", "is not one that Python consumers have");
    expect(ON_GPU "\"mapped\", \"transport\": \"unix\", \"wait\": \"block\"", "has none in Python");
    expect(ON_GPU "\"mapped\", \"kernel\": [\"invert\", \"detector\"]", "is not there for array");
    expect(ON_GPU "\"mapped\", \"sync\": \"flag\"", "writes a word when it is done");
    expect(ON_GPU "\"mapped\", \"depth\": 2", "one frame at a time on the GPU");
    expect(ON_GPU "\"mapped\", \"register_per_frame\": \"on\"", "makes its arrays once");
    expect(ON_GPU "\"copy\", \"order\": \"event\"", "events of the C library");
}

static void what_is_only_for_python(void **state)
{
    (void)state;
    expect("\"peer\": [\"c/c\", \"python/c\"], \"read\": \"slice\"", "this consumer is in C");
    expect("\"peer\": [\"c/c\", \"python/c\"], \"array\": \"torch\"", "this consumer is in C");
    expect("\"peer\": [\"c/c\", \"python/c\"], \"kernel\": \"detector\"",
           "kernel detector is a Python function");
    expect("\"gc\": \"off\"", "both roles are in C");
}

/* An id says which peer, and nothing where that is as it always was. */
static void ids(void **state)
{
    (void)state;
    struct scenario *scenario = scenario_of("\"peer\": [\"c/c\", \"python/c\"]");
    assert_string_equal(scenario->cells[0].id, "shm+futex/frame=64x48x3");
    assert_string_equal(scenario->cells[1].id, "shm+futex/frame=64x48x3/peer=python/c");
    assert_false(cell_has_python(&scenario->cells[0]));
    assert_int_equal(scenario->cells[1].producer_language, LANGUAGE_PYTHON);
    assert_int_equal(scenario->cells[1].consumer_language, LANGUAGE_C);
    scenario_free(scenario);
}

/* ---- What the machine has ----------------------------------------------------------------------- */

static enum python_part asked_last;
static int asked_count;
static enum status asker(enum python_part part, struct err *err)
{
    asked_last = part;
    asked_count++;
    return part == PYTHON_ZMQ ? err_set(err, ST_UNAVAILABLE, "install it", "no zmq") : ST_OK;
}

static void the_machine_is_asked(void **state)
{
    (void)state;
    struct err err;
    struct scenario *scenario = scenario_of("\"peer\": [\"c/c\", \"c/python\"]");
    assert_int_equal(scenario_probe(scenario, &err), ST_OK); /* nobody to ask */
    assert_int_equal(scenario->cells[0].runnable, ST_OK);
    assert_int_equal(scenario->cells[1].runnable, ST_UNAVAILABLE);
    assert_string_not_equal(scenario->cells[1].reason, "");
    scenario_free(scenario);
    python_set_asker(asker);
    scenario = scenario_of("\"peer\": [\"c/c\", \"c/python\"]");
    assert_int_equal(scenario_probe(scenario, &err), ST_OK);
    assert_int_equal(scenario->cells[1].runnable, ST_OK);
    assert_int_equal(asked_count, 1);
    assert_int_equal(asked_last, PYTHON_ROLE);
    scenario_free(scenario);
    /* Transports of ZeroMQ need its module beside: where the program has them at all. */
    if (transport_find("zmq_ipc") && transport_find("zmq_ipc")->probe(NULL) == ST_OK) {
        scenario = scenario_of("\"peer\": \"c/python\", \"transport\": \"zmq_ipc\", "
                               "\"wait\": \"poll:100\"");
        assert_int_equal(scenario_probe(scenario, &err), ST_OK);
        assert_int_equal(scenario->cells[0].runnable, ST_UNAVAILABLE);
        assert_string_equal(scenario->cells[0].reason, "peer c/python: no zmq");
        assert_string_equal(scenario->cells[0].hint, "install it");
        scenario_free(scenario);
    }
    python_set_asker(NULL);
}

/* ---- The user's function ------------------------------------------------------------------------ */

static void a_detector_is_named(void **state)
{
    (void)state;
    struct err err;
    char file[] = "/tmp/handoff-detector-XXXXXX", named[64];
    const int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    struct scenario *scenario =
        scenario_of("\"peer\": \"c/python\", \"kernel\": [\"checksum\", \"detector\"]");
    static const char *const bad[] = {"",        ":",        "x.py",     "x.py:",          ":f",
                                      "x.py:1f", "x.py:a.b", "x.py:a b", "/nowhere/x.py:f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(scenario_set_detector(scenario, bad[i], &err), ST_INVALID);
        assert_non_null(strstr(err.hint, "my.py:detect"));
        assert_null(scenario->cells[1].detector);
    }
    snprintf(named, sizeof named, "%s:_f1", file);
    assert_int_equal(scenario_set_detector(scenario, named, &err), ST_OK);
    assert_null(scenario->cells[0].detector);
    assert_string_equal(scenario->cells[1].detector, named);
    assert_int_equal(scenario->cells[1].runnable, ST_OK);
    assert_int_equal(scenario_set_detector(scenario, NULL, &err), ST_OK);
    assert_null(scenario->cells[1].detector);
    assert_int_equal(scenario->cells[0].runnable, ST_OK);
    assert_int_equal(scenario->cells[1].runnable, ST_UNAVAILABLE);
    assert_non_null(strstr(scenario->cells[1].hint, "--detector"));
    scenario_free(scenario);
    scenario = scenario_of("\"peer\": \"c/python\", \"kernel\": \"checksum\"");
    assert_int_equal(scenario_set_detector(scenario, named, &err), ST_INVALID);
    assert_non_null(strstr(err.what, named));
    assert_null(scenario->detector);
    assert_int_equal(scenario_set_detector(scenario, NULL, &err), ST_OK);
    scenario_free(scenario);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_with_python),
        cmocka_unit_test(what_does_not),
        cmocka_unit_test(consumers_on_the_gpu),
        cmocka_unit_test(what_is_only_for_python),
        cmocka_unit_test(ids),
        cmocka_unit_test(the_machine_is_asked),
        cmocka_unit_test(a_detector_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
