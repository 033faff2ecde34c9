/* capability_rows_order.c: rows about who waits for whom: an event of another process, a word in
 * shared memory for a stream and for a resident kernel, and two processes on the GPU at once. See
 * capability_trial.h.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/source.h"
#include "harness/measure/clock.h"
#include "harness/run/capability_trial.h"

/* Words that both sides touch, each on its own line, in front of the content. */
struct order_words {
    _Alignas(SHARED_LINE_BYTES) uint32_t ask;
    _Alignas(SHARED_LINE_BYTES) uint32_t answer;
    _Alignas(SHARED_LINE_BYTES) uint32_t relay;
    _Alignas(SHARED_LINE_BYTES) uint64_t now_ns[2];
};
#define ORDER_PAGE ((size_t)65536) /* a whole page on any machine: memory is registered in those */
_Static_assert(sizeof(struct order_words) <= ORDER_PAGE, "the content begins on the next page");

/* How long nothing must happen to be sure that somebody waits, and how long an answer may take. A
 * GPU that two contexts take turns on needs some milliseconds for a turn. */
#define ORDER_QUIET_NS 20000000u
#define ORDER_ANSWER_NS 3000000000u
#define ORDER_PATIENCE_NS 50000u

/* Shared memory of both sides, registered by this one. */
struct order_memory {
    struct shm_map map;
    struct order_words *words; /* for the CPU */
    uint8_t *content;
    struct order_words *device_words; /* for kernels; NULL unless registered */
    uint8_t *device_content;
};
#define ORDER_MEMORY_NONE ((struct order_memory){.map = SHM_MAP_NONE})

static void order_locate(struct order_memory *memory)
{
    if (!memory->map.bytes)
        return;
    memory->words = memory->map.bytes;
    memory->content = (uint8_t *)memory->map.bytes + ORDER_PAGE;
}

static enum status order_register(struct capability_trial *trial, struct order_memory *memory,
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

static enum status order_make(struct capability_trial *trial, struct order_memory *memory,
                              struct err *err)
{
    enum status status = trial_tell_memory(trial, ORDER_PAGE + TRIAL_ROOM, &memory->map, err);
    order_locate(memory);
    return status;
}

static enum status order_get(struct capability_trial *trial, struct order_memory *memory,
                             struct err *err)
{
    enum status status = trial_hear_memory(trial, ORDER_PAGE + TRIAL_ROOM, &memory->map, err);
    order_locate(memory);
    return status == ST_OK ? order_register(trial, memory, err) : status;
}

static void order_close(struct capability_trial *trial, struct order_memory *memory)
{
    if (memory->device_words)
        gpu_unregister(trial->gpu, memory->map.bytes);
    shm_unmap(&memory->map);
}

static void word_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint32_t word_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Looks until the word is `value`. */
static enum status word_await(const uint32_t *word, uint32_t value, const char *what,
                              struct err *err)
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

static void order_pause(uint64_t ns)
{
    clock_sleep_until_ns(clock_now_ns() + ns);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static cJSON *event_to_json(const uint8_t handle[GPU_EVENT_HANDLE_BYTES])
{
    char text[2 * GPU_EVENT_HANDLE_BYTES + 1];
    for (size_t i = 0; i < GPU_EVENT_HANDLE_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", handle[i]);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "handle", text);
    return json;
}

static enum status event_from_json(const cJSON *json, uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                                   struct err *err)
{
    const char *text = json_get_string(json, "handle", "");
    for (size_t i = 0; i < GPU_EVENT_HANDLE_BYTES; i++) {
        unsigned byte;
        if (strlen(text) != 2 * GPU_EVENT_HANDLE_BYTES || sscanf(text + 2 * i, "%2x", &byte) != 1)
            return err_set(err, ST_CORRUPT, NULL, "an event handle of %zu digits", strlen(text));
        handle[i] = (uint8_t)byte;
    }
    return ST_OK;
}

/* The gate: a kernel that this process lets end, so that what is enqueued behind it is certainly not
 * done before. It gives up by itself after a second. */
static enum status gate_close(struct capability_trial *trial, struct order_memory *memory,
                              struct err *err)
{
    struct order_words *words = memory->device_words;
    word_store(&memory->words->ask, 0);
    return launcher_enqueue_clock(trial->launcher, trial->stream, &words->ask, &words->answer,
                                  &words->now_ns[0], 1, err);
}

/* Behind the gate: the content, and the event. The other side must not read before both. */
static enum status event_round(struct capability_trial *trial, struct order_memory *memory,
                               struct gpu_event *event, struct err *err)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    enum status status = gpu_event_export(event, handle, err);
    if (status == ST_OK)
        status = trial_tell(trial, "event", event_to_json(handle), -1, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "imported", err);
    if (status != ST_OK)
        return status;
    memset(memory->content, 0x5a, TRIAL_BYTES);
    status = gate_close(trial, memory, err);
    if (status == ST_OK)
        status = trial_enqueue(trial, LAUNCH_FILL, memory->device_content, 0, err);
    if (status == ST_OK)
        status = gpu_event_record(event, trial->stream, err);
    if (status == ST_OK)
        status = trial_tell(trial, "recorded", NULL, -1, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "waiting", err);
    word_store(&memory->words->ask, 1);
    if (status == ST_OK)
        status = trial_synchronize(trial, err);
    return status == ST_OK ? trial_hear_only(trial, "done", err) : status;
}

enum status row_event_maker(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    struct gpu_event *event = NULL;
    enum status status = order_make(trial, &memory, err);
    if (status == ST_OK)
        status = order_register(trial, &memory, err);
    if (status == ST_OK)
        status = gpu_event_open(trial->gpu, GPU_EVENT_INTERPROCESS, &event, err);
    if (status == ST_OK)
        status = event_round(trial, &memory, event, err);
    gpu_event_close(event);
    order_close(trial, &memory);
    return status;
}

/* Enqueues a wait for the event and a kernel behind it, and sees that it does not run yet. */
static enum status event_wait(struct capability_trial *trial, struct order_memory *memory,
                              struct gpu_event *event, struct err *err)
{
    enum status status = trial_hear_only(trial, "recorded", err);
    if (status == ST_OK)
        status = gpu_stream_wait_event(trial->stream, event, err);
    if (status == ST_OK)
        status = trial_enqueue(trial, LAUNCH_CHECKSUM, memory->device_content, 0, err);
    if (status != ST_OK)
        return status;
    order_pause(ORDER_QUIET_NS);
    status = gpu_stream_poll(trial->stream, err);
    if (status == ST_OK)
        return err_set(err, ST_CORRUPT, NULL,
                       "the stream did not wait for the other process's event");
    if (status != ST_AGAIN)
        return status;
    trial_step(trial, "waiting for the other process's event");
    status = trial_tell(trial, "waiting", NULL, -1, err);
    if (status == ST_OK)
        status = trial_synchronize(trial, err);
    if (status == ST_OK)
        status = trial_checksum_check(trial, 0, err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a stream waited for an event that the other process had recorded "
                       "behind unfinished work, and then read all %zu bytes of that work",
                       TRIAL_BYTES);
    return status;
}

enum status row_event_user(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    struct gpu_event *event = NULL;
    struct channel_message message = {0};
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    enum status status = order_get(trial, &memory, err);
    if (status == ST_OK)
        status = trial_hear(trial, "event", &message, err);
    if (status == ST_OK)
        status = event_from_json(message.json, handle, err);
    trial_step(trial, "importing the event");
    if (status == ST_OK)
        status = gpu_event_import(trial->gpu, handle, &event, err);
    if (status == ST_OK)
        status = trial_tell(trial, "imported", NULL, -1, err);
    if (status == ST_OK)
        status = event_wait(trial, &memory, event, err);
    gpu_event_close(event);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    channel_message_clear(&message);
    order_close(trial, &memory);
    return status;
}

/* ---- Words for streams --------------------------------------------------------------------------- */

/* Twice, the second time beyond the largest 32-bit number. */
#define VALUES_ROUNDS 2
static const uint32_t values_first = UINT32_C(0xfffffff0);
static const uint32_t values_awaited[VALUES_ROUNDS] = {UINT32_C(0xfffffff8), 8};

/* Sees that the stream waits, writes content and then the word, and looks for the stream's. */
static enum status values_ring(struct capability_trial *trial, struct order_memory *memory,
                               uint32_t i, struct err *err)
{
    enum status status = trial_hear_only(trial, "waiting", err);
    if (status != ST_OK)
        return status;
    order_pause(ORDER_QUIET_NS);
    if (word_load(&memory->words->answer) != i)
        return err_set(err, ST_CORRUPT, NULL,
                       "the stream did not wait for the word (round %u of %d)", i + 1,
                       VALUES_ROUNDS);
    trial_content(trial, i, memory->content);
    word_store(&memory->words->ask, values_awaited[i]);
    return word_await(&memory->words->answer, i + 1, "the stream's written word", err);
}

/* Without a GPU. */
enum status row_values_maker(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    enum status status = shm_create("handoff-probe", ORDER_PAGE + TRIAL_ROOM, &memory.map, err);
    if (status != ST_OK)
        return status;
    order_locate(&memory);
    word_store(&memory.words->ask, values_first);
    status = trial_tell(trial, "memory", NULL, memory.map.fd, err);
    for (uint32_t i = 0; i < VALUES_ROUNDS && status == ST_OK; i++)
        status = values_ring(trial, &memory, i, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    /* Whatever happened, the stream must not wait for ever. */
    word_store(&memory.words->ask, values_awaited[VALUES_ROUNDS - 1]);
    shm_unmap(&memory.map);
    return status;
}

/* Enqueued ahead: wait, read, answer. */
static enum status values_round(struct capability_trial *trial, struct order_memory *memory,
                                uint32_t i, struct err *err)
{
    struct order_words *words = memory->device_words;
    enum status status = gpu_stream_wait_value(trial->stream, &words->ask, values_awaited[i], err);
    if (status == ST_OK)
        status = trial_enqueue(trial, LAUNCH_CHECKSUM, memory->device_content, i, err);
    if (status == ST_OK)
        status = gpu_stream_write_value(trial->stream, &words->answer, i + 1, err);
    if (status == ST_OK)
        status = trial_tell(trial, "waiting", NULL, -1, err);
    trial_step(trial, "a stream that waits for the word");
    if (status == ST_OK)
        status = trial_synchronize(trial, err);
    if (status == ST_OK)
        status = trial_checksum_check(trial, i, err);
    return status;
}

enum status row_values_user(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    enum status status = order_get(trial, &memory, err);
    for (uint32_t i = 0; i < VALUES_ROUNDS && status == ST_OK; i++)
        status = values_round(trial, &memory, i, err);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a stream waited for a word of the other process's CPU, read the %zu "
                       "bytes written before it and wrote a word back, also beyond 2^32",
                       TRIAL_BYTES);
    else if (memory.words) /* nothing may wait for ever, least of all our own stream */
        word_store(&memory.words->ask, values_awaited[VALUES_ROUNDS - 1]);
    order_close(trial, &memory);
    return status;
}

/* ---- Words for a resident kernel ----------------------------------------------------------------- */

#define FLAG_ROUNDS 300

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Asks and waits for the answer, FLAG_ROUNDS times: the median in nanoseconds. */
static enum status flag_exchange(struct order_words *words, const uint64_t *gpu_now_ns,
                                 uint64_t *median_ns, struct err *err)
{
    uint64_t *took_ns = calloc(FLAG_ROUNDS, sizeof *took_ns);
    uint64_t gpu_before_ns = 0;
    enum status status = ST_OK;
    if (!took_ns)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for an exchange");
    for (uint32_t i = 1; i <= FLAG_ROUNDS && status == ST_OK; i++) {
        const uint64_t begin_ns = clock_now_ns();
        word_store(&words->ask, i);
        status = word_await(&words->answer, i, "the resident kernel's answer", err);
        took_ns[i - 1] = clock_now_ns() - begin_ns;
        const uint64_t now_ns = *(const volatile uint64_t *)gpu_now_ns;
        if (status == ST_OK && now_ns < gpu_before_ns)
            status = err_set(err, ST_CORRUPT, NULL, "the GPU's clock ran backwards");
        gpu_before_ns = now_ns;
    }
    qsort(took_ns, FLAG_ROUNDS, sizeof *took_ns, compare_u64);
    *median_ns = took_ns[FLAG_ROUNDS / 2];
    free(took_ns);
    return status;
}

/* Without a GPU. */
enum status row_flag_maker(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    uint64_t median_ns;
    enum status status = order_make(trial, &memory, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "resident", err);
    if (status == ST_OK)
        status = flag_exchange(memory.words, &memory.words->now_ns[0], &median_ns, err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a kernel that stayed answered the other process's CPU %d times, in "
                       "%.1f us there and back (median)",
                       FLAG_ROUNDS, (double)median_ns / 1e3);
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    shm_unmap(&memory.map);
    return status;
}

enum status row_flag_user(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    enum status status = order_get(trial, &memory, err);
    struct order_words *words = memory.device_words;
    if (status == ST_OK)
        status = launcher_enqueue_clock(trial->launcher, trial->stream, &words->ask, &words->answer,
                                        &words->now_ns[0], FLAG_ROUNDS, err);
    if (status == ST_OK)
        status = trial_tell(trial, "resident", NULL, -1, err);
    trial_step(trial, "a kernel that stays and looks at the word");
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    order_close(trial, &memory);
    return status;
}

/* ---- Two processes on the GPU at once -------------------------------------------------------------- */

/* Contexts that take turns need a millisecond or more for a word through both kernels, and those
 * under MPS microseconds. Only judged by where the driver does not know the attribute. */
#define MPS_TOGETHER_NS 500000u

/* The maker asks the user's kernel, whose answer is what the maker's own kernel waits for: a word
 * goes from this CPU through both processes' kernels, which therefore both stay on the GPU. */
static enum status mps_relay(struct capability_trial *trial, struct order_memory *memory,
                             uint64_t *median_ns, struct err *err)
{
    struct order_words *words = memory->device_words;
    enum status status =
        launcher_enqueue_clock(trial->launcher, trial->stream, &words->relay, &words->answer,
                               &words->now_ns[0], FLAG_ROUNDS, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "resident", err);
    if (status == ST_OK)
        status = flag_exchange(memory->words, &memory->words->now_ns[0], median_ns, err);
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    return status == ST_OK ? trial_hear_only(trial, "done", err) : status;
}

static enum status mps_maker(struct capability_trial *trial, int under_mps, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    uint64_t median_ns = 0;
    enum status status = order_make(trial, &memory, err);
    if (status == ST_OK)
        status = order_register(trial, &memory, err);
    if (status == ST_OK)
        status = mps_relay(trial, &memory, &median_ns, err);
    if (status == ST_OK && under_mps != 1 && median_ns > MPS_TOGETHER_NS)
        status = err_set(err, ST_SYSTEM, NULL,
                         "a word through a kernel of each process took %.2f ms (median): their "
                         "contexts still take turns",
                         (double)median_ns / 1e6);
    if (status == ST_OK)
        trial_verified(trial,
                       "%sa word went through a resident kernel of each process %d times, in "
                       "%.1f us there and back (median)",
                       under_mps == 1 ? "both contexts say that they are under MPS; " : "",
                       FLAG_ROUNDS, (double)median_ns / 1e3);
    order_close(trial, &memory);
    return status;
}

static enum status mps_user(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    enum status status = order_get(trial, &memory, err);
    struct order_words *words = memory.device_words;
    if (status == ST_OK)
        status = launcher_enqueue_clock(trial->launcher, trial->stream, &words->ask, &words->relay,
                                        &words->now_ns[1], FLAG_ROUNDS, err);
    if (status == ST_OK)
        status = trial_tell(trial, "resident", NULL, -1, err);
    trial_step(trial, "a kernel that stays while the other process's does");
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    order_close(trial, &memory);
    return status;
}

/* Both sides: the runner has started a daemon and pointed them to it. */
static enum status row_mps(struct capability_trial *trial, bool maker, struct err *err)
{
    const int under_mps = gpu_attribute_read(trial->gpu, GPU_ATTRIBUTE_mps);
    if (under_mps == 0)
        return err_set(err, ST_UNAVAILABLE, NULL,
                       "the daemon runs, but the context did not join it (attribute mps is 0)");
    return maker ? mps_maker(trial, under_mps, err) : mps_user(trial, err);
}

enum status row_mps_maker(struct capability_trial *trial, struct err *err)
{
    return row_mps(trial, true, err);
}

enum status row_mps_user(struct capability_trial *trial, struct err *err)
{
    return row_mps(trial, false, err);
}
