/* capability_rows_order.c: rows about a stream that waits for another process: for its event, and
 * for a word that its CPU writes. See capability_trial.h.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/capability_order.h"

/* ---- Events ---------------------------------------------------------------------------------- */

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

/* The gate: a kernel that this process lets end, so that what is enqueued behind it is certainly
 * not done before. It gives up by itself after a second. */
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
    enum status status = order_make(trial, 0, &memory, err);
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
    order_pause();
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

/* ---- Words for streams ----------------------------------------------------------------------- */

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
    order_pause();
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
    enum status status = order_make(trial, values_first, &memory, err);
    for (uint32_t i = 0; i < VALUES_ROUNDS && status == ST_OK; i++)
        status = values_ring(trial, &memory, i, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    /* Whatever happened, the stream must not wait for ever. */
    if (memory.words)
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
