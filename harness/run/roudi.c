/* roudi.c: see roudi.h. The guard's side is roudi_daemon.c. */
#include "harness/run/roudi.h"

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/guard.h"
#include "harness/run/roudi_daemon.h"

/* The guard answers within what starting may take it, and before that ending what was there; beyond
 * that it hangs. */
#define ROUDI_ANSWER_NS (ROUDI_DAEMON_READY_NS + 20000000000u)
/* From the guard's death to RouDi's, of the SIGTERM that comes with it; it takes a tenth of a
 * second. */
#define ROUDI_GONE_NS 5000000000u
#define ROUDI_LOOK_NS 5000000u

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

/* A guard that does not answer has ended, and RouDi is ending with it: until then none can be
 * started, and what it and its clients leave is ours to remove. */
static void roudi_stand_in(void)
{
    const uint64_t until_ns = clock_now_ns() + ROUDI_GONE_NS;
    while (!roudi_has_gone() && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + ROUDI_LOOK_NS);
    roudi_leftovers_remove();
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
    if (guard_ask(guard, question, ROUDI_ANSWER_NS, &answer, &ignored) == ST_OK)
        channel_message_clear(&answer);
    else
        roudi_stand_in();
}
