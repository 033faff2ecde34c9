/* roudi.c: see roudi.h. The guard's side is roudi_daemon.c. */
#include "harness/run/roudi.h"

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/run/guard.h"
#include "harness/run/roudi_daemon.h"

/* The guard answers within what starting may take it, and before that ending what was there; beyond
 * that it hangs. */
#define ROUDI_ANSWER_NS (ROUDI_DAEMON_READY_NS + 20000000000u)

enum status roudi_start(struct guard *guard, size_t payload_bytes, uint32_t slots, struct err *err)
{
    if (!guard->running)
        return err_set(err, ST_UNAVAILABLE, "leave transport iceoryx out",
                       "transport iceoryx: there is no guard process to run a RouDi");
    struct channel_message answer = {0};
    cJSON *question = cJSON_CreateObject();
    json_add_string(question, "type", "roudi_start");
    json_add_u64(question, "payload_bytes", payload_bytes);
    json_add_u64(question, "slots", slots);
    guard->roudi.running = false;
    enum status status = guard_ask(guard, question, ROUDI_ANSWER_NS, &answer, err);
    if (status != ST_OK)
        return status;
    const char *what = json_get_string(answer.json, "what", "");
    guard->roudi.running = what[0] == '\0';
    if (what[0])
        status = err_set(err, ST_UNAVAILABLE, json_get_string(answer.json, "hint", ""),
                         "transport iceoryx: %s", what);
    channel_message_clear(&answer);
    return status;
}

void roudi_stop(struct guard *guard)
{
    struct channel_message answer = {0};
    struct err ignored;
    if (!guard->running || !guard->roudi.running)
        return;
    cJSON *question = cJSON_CreateObject();
    json_add_string(question, "type", "roudi_stop");
    guard->roudi.running = false;
    /* A guard that does not answer has ended, and RouDi with it, or ends when we hang up. */
    if (guard_ask(guard, question, ROUDI_ANSWER_NS, &answer, &ignored) == ST_OK)
        channel_message_clear(&answer);
}
