/* python_probe.c: what the Python of this machine has that a role needs, asked once per run in a
 * process of its own. See python_role.h. */
#include <stdio.h>
#include <string.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/python_role.h"
#include "harness/scenario/python_asker.h"

/* Python and numpy from a cold disk. */
#define PYTHON_PROBE_NS 30000000000u

static struct {
    bool asked;
    struct err why[PYTHON_PARTS]; /* status ST_OK: it is there */
} python_known;

/* Every part for the same reason. */
static void python_refuse_all(const struct err *why)
{
    for (int i = 0; i < PYTHON_PARTS; i++) {
        python_known.why[i] = *why;
        python_known.why[i].status = ST_UNAVAILABLE;
    }
}

static void python_judge_module(const cJSON *answer, enum python_part part, const char *key,
                                const char *module, const char *package)
{
    struct err *why = &python_known.why[part];
    struct python_place place = {.program = ""};
    char hint[200];
    if (why->status != ST_OK || json_get_string(answer, key, "")[0])
        return;
    snprintf(hint, sizeof hint, "%s, or name a Python that has it in HANDOFF_ROLE_PYTHON", package);
    (void)python_place_find(&place, NULL); /* it was found when it was asked */
    err_set(why, ST_UNAVAILABLE, hint, "Python %.40s (%.200s) has no %s",
            json_get_string(answer, "python", ""), place.program, module);
}

static void python_judge(const cJSON *answer)
{
    const struct err fine = {.status = ST_OK};
    struct err broken;
    for (int i = 0; i < PYTHON_PARTS; i++)
        python_known.why[i] = fine;
    python_judge_module(answer, PYTHON_ROLE, "numpy", "numpy", "apt-get install python3-numpy");
    if (python_known.why[PYTHON_ROLE].status == ST_OK && !json_get_string(answer, "library", "")[0])
        err_set(&python_known.why[PYTHON_ROLE], ST_UNAVAILABLE, "install handoff anew",
                "Python cannot use the C library: %.300s", json_get_string(answer, "error", "?"));
    if (python_known.why[PYTHON_ROLE].status != ST_OK) {
        broken = python_known.why[PYTHON_ROLE];
        python_refuse_all(&broken);
        return;
    }
    python_judge_module(answer, PYTHON_ZMQ, "pyzmq", "pyzmq", "apt-get install python3-zmq");
    python_judge_module(answer, PYTHON_CUPY, "cupy", "CuPy", "pip install cupy-cuda12x");
    python_judge_module(answer, PYTHON_TORCH, "torch", "PyTorch", "pip install torch");
}

/* One message, or why there is none. */
static enum status python_hear(struct process *process, struct channel_message *message,
                               struct err *err)
{
    static const char hint[] =
        "is it a Python, and does it start by hand? HANDOFF_ROLE_PYTHON names another";
    char end[96];
    struct python_place place = {.program = ""};
    enum status status =
        channel_receive(process->control_fd, clock_now_ns() + PYTHON_PROBE_NS, message, err);
    if (status == ST_PEER_GONE || status == ST_TIMEOUT)
        (void)python_place_find(&place, NULL); /* it was found when it was started */
    if (status == ST_PEER_GONE) {
        process_end(process, PROCESS_GRACE_NS);
        return err_set(err, ST_UNAVAILABLE, hint, "%.200s, asked what Python it is, %s",
                       place.program, process_end_format(process, end, sizeof end));
    }
    if (status == ST_TIMEOUT)
        return err_set(err, ST_UNAVAILABLE, hint,
                       "%.200s, asked what Python it is, said nothing for %u s", place.program,
                       (unsigned)(PYTHON_PROBE_NS / 1000000000u));
    if (status == ST_OK && strcmp(json_get_string(message->json, "type", ""), "error") == 0)
        return err_set(err, ST_UNAVAILABLE, json_get_string(message->json, "hint", ""),
                       "Python cannot start a role: %.400s",
                       json_get_string(message->json, "what", "?"));
    return status;
}

static void python_ask(void)
{
    struct channel_message message = {0};
    struct process process = PROCESS_NONE;
    struct err err;
    enum status status = python_start(NULL, NULL, &process, &err);
    if (status == ST_OK)
        status = python_hear(&process, &message, &err);
    if (status == ST_OK)
        python_judge(message.json);
    else
        python_refuse_all(&err);
    process_end(&process, status == ST_OK ? PROCESS_GRACE_NS : 0);
    channel_message_clear(&message);
    python_known.asked = true;
}

static enum status python_answer(enum python_part part, struct err *err)
{
    if (!python_known.asked)
        python_ask();
    if (python_known.why[part].status != ST_OK && err)
        *err = python_known.why[part];
    return python_known.why[part].status;
}

void python_probe_install(void)
{
    python_set_asker(python_answer);
}
