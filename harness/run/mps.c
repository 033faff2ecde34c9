/* mps.c: see mps.h. The guard's side is mps_daemon.c. */
#include "harness/run/mps.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/guard.h"
#include "harness/run/mps_daemon.h"
#include "harness/run/mps_program.h"

/* The guard answers within what starting may take it, and before that stopping, by the last means,
 * what was there; beyond that it hangs. */
#define MPS_ANSWER_NS \
    (MPS_DAEMON_READY_NS + 2 * (MPS_DAEMON_STOP_NS + 3 * MPS_KILLED_NS) + 10000000000u)

static enum status mps_ask(struct guard *guard, const char *word, struct channel_message *answer,
                           struct err *err)
{
    cJSON *question = cJSON_CreateObject();
    json_add_string(question, "type", word);
    return guard_ask(guard, question, MPS_ANSWER_NS, answer, err);
}

enum status mps_start(struct guard *guard, struct err *err)
{
    if (!guard->running)
        return err_set(err, ST_UNAVAILABLE, "use gpu_sharing time_sliced",
                       "gpu_sharing mps: there is no guard process to run a daemon");
    struct channel_message answer = {0};
    guard->mps.running = false;
    enum status status = mps_ask(guard, "mps_start", &answer, err);
    if (status != ST_OK)
        return status;
    const char *pipe = json_get_string(answer.json, "pipe_directory", "");
    if (pipe[0] && strlen(pipe) < sizeof guard->mps.pipe_directory) {
        strcpy(guard->mps.pipe_directory, pipe);
        guard->mps.running = true;
    } else {
        status = err_set(err, ST_UNAVAILABLE, json_get_string(answer.json, "hint", ""),
                         "gpu_sharing mps: %s",
                         json_get_string(answer.json, "what", "the guard gave no reason"));
    }
    channel_message_clear(&answer);
    return status;
}

void mps_stop(struct guard *guard)
{
    struct channel_message answer = {0};
    struct err ignored;
    if (!guard->running || !guard->mps.running)
        return;
    guard->mps.running = false;
    if (mps_ask(guard, "mps_stop", &answer, &ignored) == ST_OK)
        channel_message_clear(&answer);
    else /* it has ended, and the daemon is ending with it */
        mps_daemon_stand_in(guard->mps.pipe_directory);
}

const char *mps_environment(const struct guard *guard, bool shared, char *text, int size)
{
    snprintf(text, (size_t)size, MPS_PIPE_VARIABLE "=%s",
             shared && guard->mps.running ? guard->mps.pipe_directory : MPS_NO_PIPE_DIRECTORY);
    return text;
}
