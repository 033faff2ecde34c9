/* capability_order.c: see capability_order.h. */
#include "harness/run/capability_order.h"

#include <sched.h>

#include "harness/measure/clock.h"

/* How long nothing must happen to be sure that somebody waits, and how long an answer may take. A
 * GPU that two contexts take turns on needs some milliseconds for a turn. */
#define ORDER_QUIET_NS 20000000u
#define ORDER_ANSWER_NS 3000000000u
#define ORDER_PATIENCE_NS 50000u

static void order_locate(struct order_memory *memory)
{
    if (!memory->map.bytes)
        return;
    memory->words = memory->map.bytes;
    memory->content = (uint8_t *)memory->map.bytes + ORDER_PAGE;
}

enum status order_register(struct capability_trial *trial, struct order_memory *memory,
                           struct err *err)
{
    void *device;
    trial_step(trial, "registering shared memory");
    enum status status =
        gpu_register(trial->gpu, memory->map.bytes, memory->map.size_bytes, &device, err);
    if (status != ST_OK)
        return err_context(err, "shared memory for it");
    memory->device_words = device;
    memory->device_content = (uint8_t *)device + ORDER_PAGE;
    return ST_OK;
}

enum status order_make(struct capability_trial *trial, uint32_t ask, struct order_memory *memory,
                       struct err *err)
{
    enum status status = shm_create("handoff-probe", ORDER_PAGE + TRIAL_ROOM, &memory->map, err);
    if (status != ST_OK)
        return status;
    order_locate(memory);
    word_store(&memory->words->ask, ask);
    return trial_tell(trial, "memory", NULL, memory->map.fd, err);
}

enum status order_get(struct capability_trial *trial, struct order_memory *memory, struct err *err)
{
    enum status status = trial_hear_memory(trial, ORDER_PAGE + TRIAL_ROOM, &memory->map, err);
    order_locate(memory);
    return status == ST_OK ? order_register(trial, memory, err) : status;
}

void order_close(struct capability_trial *trial, struct order_memory *memory)
{
    if (memory->device_words)
        gpu_unregister(trial->gpu, memory->map.bytes);
    shm_unmap(&memory->map);
}

/* Looks until the word is `value`. */
enum status word_await(const uint32_t *word, uint32_t value, const char *what, struct err *err)
{
    const uint64_t begin_ns = clock_now_ns();
    for (uint64_t took_ns; word_load(word) != value;) {
        took_ns = clock_now_ns() - begin_ns;
        /* On a machine with more to do than CPUs, somebody else may be who answers. */
        if (took_ns > ORDER_PATIENCE_NS)
            sched_yield();
        if (took_ns > ORDER_ANSWER_NS)
            return err_set(err, ST_TIMEOUT, NULL, "%s did not come within %u s", what,
                           ORDER_ANSWER_NS / 1000000000u);
    }
    return ST_OK;
}

void order_pause(void)
{
    clock_sleep_until_ns(clock_now_ns() + ORDER_QUIET_NS);
}
