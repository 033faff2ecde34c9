/* test_gpu_stream.c: gpu.h's streams and events in one process: order, waiting for words and
 * writing them, marks.
 *
 * A stream wait has no deadline: every test that may fail before it has released one does so under
 * the alarm of gpu_fixture_begin.
 */
#include "tests/support/gpu_fixture.h"

#include "harness/base/shm.h"
#include "tests/support/random_input.h"

#define SIZE_BYTES ((size_t)1 << 20)

static struct gpu *gpu;
static struct gpu_stream *stream, *other;
static struct err err;
/* A page of pinned memory for words, 128 bytes apart, and where the GPU finds them. */
#define WORD_STEP 32
static uint32_t *words, *words_device;

static int open_gpu(void **state)
{
    memset(&err, 0, sizeof err);
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, gpu_stream_open(gpu, &other, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, 4096, (void **)&words, (void **)&words_device, &err));
    return 0;
}

static int close_gpu(void **state)
{
    gpu_stream_close(stream);
    gpu_stream_close(other);
    gpu_pinned_free(gpu, words);
    gpu_close(gpu);
    return 0;
}

static void word_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint32_t word_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Long enough for a stream that is not held back to have gone on. */
static void let_it_run(void)
{
    usleep(2000);
}

/* ---- Order ----------------------------------------------------------------------------------- */

static void test_order(void **state)
{
    uint8_t *sent = malloc(SIZE_BYTES), *seen = malloc(SIZE_BYTES);
    void *first = NULL, *second = NULL;
    random_bytes(sent, SIZE_BYTES);
    random_bytes(seen, SIZE_BYTES);
    gpu_assert_ok(&err, gpu_device_alloc(gpu, SIZE_BYTES, &first, &err));
    gpu_assert_ok(&err, gpu_device_alloc(gpu, SIZE_BYTES, &second, &err));
    gpu_assert_ok(&err, gpu_stream_copy(stream, first, sent, SIZE_BYTES, &err));
    gpu_assert_ok(&err, gpu_stream_copy(stream, second, first, SIZE_BYTES, &err));
    gpu_assert_ok(&err, gpu_stream_copy(stream, seen, second, SIZE_BYTES, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(gpu_stream_poll(stream, &err), ST_OK);
    assert_memory_equal(seen, sent, SIZE_BYTES);
    assert_non_null(gpu_stream_native(stream));
    gpu_device_free(gpu, first);
    gpu_device_free(gpu, second);
    free(sent);
    free(seen);
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* The wait holds the stream back until `word` is `passes`, however often it changes before. */
static void check_wait(uint32_t *word, void *device, uint32_t value, const uint32_t *holds,
                       size_t hold_count, uint32_t passes)
{
    word_store(word, holds[0]);
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, device, value, &err));
    for (size_t i = 0; i < hold_count; i++) {
        word_store(word, holds[i]);
        let_it_run();
        assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
    }
    word_store(word, passes);
    gpu_poll_until_done(&err, gpu_stream_poll(stream, &err));
}

static void test_wait_holds_and_passes(void **state)
{
    check_wait(words, words_device, 1, (const uint32_t[]){0}, 1, 1);
    check_wait(words, words_device, 8, (const uint32_t[]){2, 4, 7}, 3, 8);
    check_wait(words, words_device, 8, (const uint32_t[]){6}, 1, 200); /* beyond is there, too */
}

static void test_wait_across_the_wrap(void **state)
{
    check_wait(words, words_device, 2, (const uint32_t[]){0xfffffffe, 0, 1}, 3, 2);
    check_wait(words, words_device, 0, (const uint32_t[]){0xfffffffc, 0xffffffff}, 2, 0);
    check_wait(words, words_device, 0xffffffff, (const uint32_t[]){0xfffffff0}, 1, 4);
    check_wait(words, words_device, 0, (const uint32_t[]){0x80000000}, 1, 0x7fffffff);
}

static void test_wait_compares_like_a_doorbell(void **state)
{
    for (int i = 0; i < 100; i++) {
        uint32_t word = (uint32_t)random_u64();
        uint32_t value =
            random_below(2) ? (uint32_t)random_u64() : word + (uint32_t)random_below(9) - 4;
        word_store(words, word);
        gpu_assert_ok(&err, gpu_stream_wait_value(stream, words_device, value, &err));
        if ((int32_t)(word - value) < 0) {
            let_it_run();
            assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
            word_store(words, value);
        }
        gpu_poll_until_done(&err, gpu_stream_poll(stream, &err));
    }
}

static void test_wait_on_registered_memory(void **state)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    struct shm_map map = SHM_MAP_NONE;
    void *device = NULL;
    gpu_assert_ok(&err, shm_create("test-gpu", size, &map, &err));
    gpu_assert_ok(&err, gpu_register(gpu, map.bytes, size, &device, &err));
    uint32_t *word = (uint32_t *)map.bytes + WORD_STEP;
    uint32_t *word_device = (uint32_t *)device + WORD_STEP;
    check_wait(word, word_device, 0, (const uint32_t[]){0xfffffffe}, 1, 2);
    gpu_assert_ok(&err, gpu_stream_write_value(stream, word_device, 0xfffffff1, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(word_load(word), 0xfffffff1);
    gpu_unregister(gpu, map.bytes);
    shm_unmap(&map);
}

/* Under compute-sanitizer (HANDOFF_TEST_LEGAL) a copy and a stream's end may wait for every stream,
 * also for one that waits for a word: then neither ever ends. */
static void leave_out_under_sanitizer(void)
{
    if (!getenv("HANDOFF_TEST_LEGAL"))
        return;
    gpu_skip("it may never end under compute-sanitizer");
}

static void test_wait_on_device_memory(void **state)
{
    leave_out_under_sanitizer();
    void *word = NULL;
    uint32_t zero = 0, one = 1;
    gpu_assert_ok(&err, gpu_device_alloc(gpu, 256, &word, &err));
    gpu_assert_ok(&err, gpu_stream_copy(stream, word, &zero, sizeof zero, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err)); /* or it came after the one */
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, word, 1, &err));
    let_it_run();
    assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
    gpu_assert_ok(&err, gpu_stream_copy(other, word, &one, sizeof one, &err));
    gpu_poll_until_done(&err, gpu_stream_poll(stream, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(other, &err));
    gpu_device_free(gpu, word);
}

/* Once the host sees the written word, what was enqueued before it is whole. */
static void test_write_value_comes_last(void **state)
{
    uint8_t *sent = malloc(SIZE_BYTES), *seen = NULL;
    void *seen_device = NULL, *device = NULL;
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, SIZE_BYTES, (void **)&seen, &seen_device, &err));
    gpu_assert_ok(&err, gpu_device_alloc(gpu, SIZE_BYTES, &device, &err));
    const uint32_t values[] = {1, 0xffffffff, 0, 0x80000000, 7};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        random_bytes(sent, SIZE_BYTES);
        gpu_assert_ok(&err, gpu_stream_copy(stream, device, sent, SIZE_BYTES, &err));
        gpu_assert_ok(&err, gpu_stream_copy(stream, seen_device, device, SIZE_BYTES, &err));
        gpu_assert_ok(&err, gpu_stream_write_value(stream, words_device, values[i], &err));
        uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(10000000000);
        while (word_load(words) != values[i] && gpu_fixture_now_ns() < until_ns)
            ;
        assert_int_equal(word_load(words), values[i]);
        assert_memory_equal(seen, sent, SIZE_BYTES);
    }
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    gpu_device_free(gpu, device);
    gpu_pinned_free(gpu, seen);
    free(sent);
}

/* Work enqueued ahead, as with wait gpu_stream: wait, work, answer, many times over. */
static void test_work_enqueued_ahead(void **state)
{
    enum { FRAMES = 16 };
    uint32_t first = (uint32_t)random_u64() & ~1u;
    uint32_t *bell = words, *answer = words + WORD_STEP;
    word_store(bell, first);
    word_store(answer, first);
    for (uint32_t frame = 1; frame <= FRAMES; frame++) {
        gpu_assert_ok(&err, gpu_stream_wait_value(stream, words_device, first + 2 * frame, &err));
        gpu_assert_ok(&err, gpu_stream_write_value(stream, words_device + WORD_STEP,
                                                   first + 2 * frame, &err));
    }
    for (uint32_t frame = 1; frame <= FRAMES; frame++) {
        assert_int_equal(word_load(answer), first + 2 * (frame - 1));
        word_store(bell, first + 2 * frame);
        uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(10000000000);
        while (word_load(answer) != first + 2 * frame && gpu_fixture_now_ns() < until_ns)
            ;
        assert_int_equal(word_load(answer), first + 2 * frame);
    }
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

/* Closing does not wait. */
static void test_close_with_work_left(void **state)
{
    leave_out_under_sanitizer();
    struct gpu_stream *closed = NULL;
    gpu_assert_ok(&err, gpu_stream_open(gpu, &closed, &err));
    gpu_assert_ok(&err, gpu_stream_wait_value(closed, words_device, 1, &err));
    gpu_stream_close(closed);
    word_store(words, 1);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void test_event_never_recorded_is_done(void **state)
{
    struct gpu_event *event = NULL;
    gpu_assert_ok(&err, gpu_event_open(gpu, 0, &event, &err));
    assert_int_equal(gpu_event_poll(event, &err), ST_OK);
    gpu_assert_ok(&err, gpu_event_synchronize(event, &err));
    gpu_assert_ok(&err, gpu_stream_wait_event(stream, event, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    gpu_event_close(event);
}

static void test_event_holds_another_stream(void **state)
{
    for (unsigned flags = 0; flags <= (GPU_EVENT_BLOCKING | GPU_EVENT_INTERPROCESS); flags++) {
        struct gpu_event *event = NULL;
        uint32_t *answer = words + WORD_STEP;
        word_store(words, 0);
        word_store(answer, 0);
        gpu_assert_ok(&err, gpu_event_open(gpu, flags, &event, &err));
        gpu_assert_ok(&err, gpu_stream_wait_value(stream, words_device, 1, &err));
        gpu_assert_ok(&err, gpu_event_record(event, stream, &err));
        gpu_assert_ok(&err, gpu_stream_wait_event(other, event, &err));
        gpu_assert_ok(&err, gpu_stream_write_value(other, words_device + WORD_STEP, 5, &err));
        let_it_run();
        assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
        assert_int_equal(gpu_stream_poll(other, &err), ST_AGAIN);
        assert_int_equal(word_load(answer), 0);
        word_store(words, 1);
        gpu_assert_ok(&err, gpu_event_synchronize(event, &err));
        assert_int_equal(gpu_event_poll(event, &err), ST_OK);
        gpu_assert_ok(&err, gpu_stream_synchronize(other, &err));
        assert_int_equal(word_load(answer), 5);
        gpu_event_close(event);
    }
}

/* A wait is for the record that was there when it was enqueued. */
static void test_later_record_does_not_count(void **state)
{
    struct gpu_event *event = NULL;
    word_store(words, 0);
    gpu_assert_ok(&err, gpu_event_open(gpu, 0, &event, &err));
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, words_device, 1, &err));
    gpu_assert_ok(&err, gpu_event_record(event, stream, &err));
    gpu_assert_ok(&err, gpu_stream_wait_event(other, event, &err));
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, words_device, 2, &err));
    gpu_assert_ok(&err, gpu_event_record(event, stream, &err));
    word_store(words, 1);
    gpu_poll_until_done(&err, gpu_stream_poll(other, &err));
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    word_store(words, 2);
    gpu_assert_ok(&err, gpu_event_synchronize(event, &err));
    gpu_event_close(event);
}

#define WITH_GPU(test) cmocka_unit_test_setup_teardown(test, open_gpu, close_gpu)

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        WITH_GPU(test_order),
        WITH_GPU(test_wait_holds_and_passes),
        WITH_GPU(test_wait_across_the_wrap),
        WITH_GPU(test_wait_compares_like_a_doorbell),
        WITH_GPU(test_wait_on_registered_memory),
        WITH_GPU(test_wait_on_device_memory),
        WITH_GPU(test_write_value_comes_last),
        WITH_GPU(test_work_enqueued_ahead),
        WITH_GPU(test_close_with_work_left),
        WITH_GPU(test_event_never_recorded_is_done),
        WITH_GPU(test_event_holds_another_stream),
        WITH_GPU(test_later_record_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
