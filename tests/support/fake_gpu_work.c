/* fake_gpu_work.c: what gpu.h puts on streams: copies, managed memory that changes hands, waits for
 * words and writes of them.
 */
#include <string.h>

#include "tests/support/fake_gpu.h"

struct copy {
    void *to;
    const void *from;
    size_t size_bytes;
};

/* A word is copied whole, and others may look at it meanwhile. */
static void bytes_copy(void *to, const void *from, size_t size_bytes)
{
    const uint32_t *word = from;
    if (size_bytes == sizeof *word && ((uintptr_t)to | (uintptr_t)from) % sizeof *word == 0)
        __atomic_store_n((uint32_t *)to, __atomic_load_n(word, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
    else
        memcpy(to, from, size_bytes);
}

static void copy_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct copy *copy = arguments;
    const char *why;
    if (!go)
        return;
    void *to = fake_translate(copy->to, copy->size_bytes, FAKE_USE_COPY, &why);
    const void *from =
        to ? fake_translate(copy->from, copy->size_bytes, FAKE_USE_COPY, &why) : NULL;
    if (from)
        bytes_copy(to, from, copy->size_bytes);
    else
        fake_break("a copy of %zu bytes from %p to %p: %s", copy->size_bytes, copy->from, copy->to,
                   why);
}

enum status gpu_stream_copy(struct gpu_stream *stream, void *to, const void *from,
                            size_t size_bytes, struct err *err)
{
    STREAM_ENTER(stream, err);
    const struct copy copy = {to, from, size_bytes};
    fake_enqueue(stream, copy_run, &copy, sizeof copy);
    return ST_OK;
}

static void managed_to_host_run(struct gpu_stream *stream, void *arguments, bool go)
{
    if (go)
        fake_managed_turn(*(void **)arguments, NULL);
}

static enum status managed_check(void *memory, struct err *err)
{
    if (fake_managed_begins(memory))
        return ST_OK;
    return err_set(err, ST_SYSTEM, "hand over whole allocations of gpu_managed_alloc",
                   "cudaStreamAttachMemAsync(%p): invalid argument", memory);
}

enum status gpu_stream_managed_to_gpu(struct gpu_stream *stream, void *memory, struct err *err)
{
    STREAM_ENTER(stream, err);
    enum status status = managed_check(memory, err);
    if (status == ST_OK)
        fake_managed_turn(memory, stream);
    return status;
}

enum status gpu_stream_managed_to_host(struct gpu_stream *stream, void *memory, struct err *err)
{
    STREAM_ENTER(stream, err);
    enum status status = managed_check(memory, err);
    if (status == ST_OK)
        fake_enqueue(stream, managed_to_host_run, &memory, sizeof memory);
    return status;
}

struct value {
    uint32_t *word;
    uint32_t value;
};

static void wait_value_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct value *value = arguments;
    unsigned turns = 0;
    while ((int32_t)(__atomic_load_n(value->word, __ATOMIC_ACQUIRE) - value->value) < 0 &&
           !fake_called_off(stream))
        fake_relax(&turns);
}

static void write_value_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct value *value = arguments;
    if (go)
        __atomic_store_n(value->word, value->value, __ATOMIC_RELEASE);
}

/* The driver looks at the address when the call is made. */
static enum status value_enqueue(struct gpu_stream *stream, fake_run run, void *word,
                                 uint32_t number, const char *function, struct err *err)
{
    const char *why = "not a multiple of 4";
    uint32_t *real = (uintptr_t)word % sizeof(uint32_t) != 0
                         ? NULL
                         : fake_translate(word, sizeof(uint32_t), FAKE_USE_WORD, &why);
    if (!real)
        return err_set(err, ST_SYSTEM, "give the device's address of registered memory",
                       "%s(%p): invalid argument: %s", function, word, why);
    if (fake_setting("stream_memory_operations", 1) != 1)
        return err_set(err, ST_UNAVAILABLE, "use a wait on the CPU", "%s: not supported", function);
    const struct value value = {real, number};
    fake_enqueue(stream, run, &value, sizeof value);
    return ST_OK;
}

enum status gpu_stream_wait_value(struct gpu_stream *stream, void *word, uint32_t value,
                                  struct err *err)
{
    STREAM_ENTER(stream, err);
    return value_enqueue(stream, wait_value_run, word, value, __func__, err);
}

enum status gpu_stream_write_value(struct gpu_stream *stream, void *word, uint32_t value,
                                   struct err *err)
{
    STREAM_ENTER(stream, err);
    return value_enqueue(stream, write_value_run, word, value, __func__, err);
}
