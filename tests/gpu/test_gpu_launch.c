/* test_gpu_launch.c: how GPU kernels are launched and report: frames back to back, frames that are
 * called off, stamps between two looks at the clock, what is refused. */
#include "tests/support/gpu_fixture.h"

#include "kernels/launch.h"
#include "kernels/launch_tuning.h"
#include "tests/support/gpu_place.h"
#include "tests/support/random_input.h"

#define UNTOUCHED UINT64_C(0x1234567890abcdef)
enum { FRAMES = 64, STUCK_SECONDS = 30, EXCHANGES = 20 };

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct err err;

/* What the GPU and the host tell each other, in pinned memory; lines apart. */
struct words {
    struct launch_report reports[FRAMES];
    _Alignas(128) uint32_t ask;
    _Alignas(128) uint64_t now_ns; /* in one store with the answer */
    uint32_t answer;
    uint32_t behind;
};
static struct words *words, *device_words;

static int device_open(void **state)
{
    void *host, *device;
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, launcher_open(gpu, &launcher, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, sizeof *words, &host, &device, &err));
    words = host;
    device_words = device;
    return 0;
}

static int device_close(void **state)
{
    gpu_pinned_free(gpu, words);
    launcher_close(launcher);
    gpu_stream_close(stream);
    gpu_close(gpu);
    return 0;
}

static void word_await(const uint32_t *word, uint32_t value)
{
    uint64_t stuck_ns = gpu_fixture_now_ns() + STUCK_SECONDS * UINT64_C(1000000000);
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        if (gpu_fixture_now_ns() > stuck_ns) {
            (void)gpu_stream_poll(stream, &err);
            fail_msg("a word is %u, not %u: %s", *word, value, err.what);
        }
}

static void enqueue(const struct launch_work *work)
{
    gpu_assert_ok(&err, launcher_enqueue(launcher, stream, work, &err));
}

static void drain(void)
{
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

/* ---- Frames back to back --------------------------------------------------------------------- */

/* Fill, checksum or invert in random order and sizes on one frame, without a look in between: each
 * report is its own, and nothing is left over from the frame before. Some report nothing. */
static void frames_in_a_row(void)
{
    enum { BYTES = 3000017 };
    struct place place = place_make(gpu, stream, PLACE_DEVICE, BYTES);
    uint8_t *bytes = malloc(BYTES);
    frame_source_fill(bytes, BYTES, random_u64(), 0);
    place_put(&place, bytes);
    uint64_t expected[FRAMES];
    bool silent[FRAMES];
    int32_t id = 0;
    memset(words, 0, sizeof *words);
    for (uint32_t i = 0; i < FRAMES; i++) {
        static const enum launch_kind kinds[] = {LAUNCH_FILL, LAUNCH_CHECKSUM, LAUNCH_INVERT,
                                                 LAUNCH_CHECK, LAUNCH_NOTHING};
        struct launch_work work = {
            .kind = kinds[random_below(5)],
            .payload = place.device,
            .payload_bytes = random_size(BYTES),
            .frame_id = (int32_t)i,
            .seed = random_u64(),
            .done_value = i + 1,
        };
        silent[i] = random_below(4) == 0;
        work.report = silent[i] ? NULL : &device_words->reports[i];
        enqueue(&work);
        expected[i] = 0;
        if (work.kind == LAUNCH_FILL) {
            frame_source_fill(bytes, work.payload_bytes, work.seed, 0);
            frame_tags_write(bytes, work.payload_bytes, work.frame_id);
        }
        for (size_t b = 0; work.kind == LAUNCH_INVERT && b < work.payload_bytes; b++)
            bytes[b] = (uint8_t)~bytes[b];
        if (work.kind == LAUNCH_CHECKSUM)
            expected[i] = frame_checksum_reference(bytes, work.payload_bytes);
        id = work.frame_id;
    }
    assert_int_equal(id, FRAMES - 1);
    uint64_t before_ns = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        if (silent[i])
            continue;
        word_await(&words->reports[i].done, i + 1);
        assert_true(words->reports[i].value == expected[i]);
        uint64_t begin_ns, end_ns;
        launch_report_stamps(&words->reports[i], &begin_ns, &end_ns);
        assert_true(begin_ns >= before_ns && end_ns >= begin_ns);
        before_ns = end_ns;
    }
    drain();
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_int_equal(words->reports[i].done, silent[i] ? 0 : i + 1);
    uint8_t *seen = malloc(BYTES);
    place_get(&place, seen);
    assert_memory_equal(seen, bytes, BYTES);
    free(seen);
    free(bytes);
    place_free(&place);
}

/* In every shape and variant that the benchmark compares. */
static void frames_back_to_back(void **state)
{
    static const uint32_t threads[] = {0, 256, 512, 1024};
    for (uint32_t variant = 0; variant < LAUNCH_VARIANTS; variant++) {
        launcher_tune(launcher, threads[variant % 4], variant % 3, variant);
        frames_in_a_row();
    }
    launcher_tune(launcher, 0, 0, 0);
    frames_in_a_row();
}

/* ---- Frames called off ----------------------------------------------------------------------- */

static void abandoned_frames_are_left_alone(void **state)
{
    enum { BYTES = 300001 };
    struct place place = place_make(gpu, stream, PLACE_DEVICE, BYTES);
    struct place word = place_make(gpu, stream, PLACE_DEVICE, sizeof(uint32_t));
    uint8_t *bytes = malloc(BYTES), *seen = malloc(BYTES);
    random_bytes(bytes, BYTES);
    place_put(&place, bytes);
    for (uint32_t round = 0; round < 12; round++) {
        static const enum launch_kind kinds[] = {LAUNCH_INVERT, LAUNCH_FILL, LAUNCH_CHECKSUM,
                                                 LAUNCH_NOTHING};
        uint32_t off = round % 3 != 2; /* off, off, on: nothing is left of those called off */
        struct launch_work work = {
            .kind = kinds[round / 3],
            .payload = place.device,
            .payload_bytes = BYTES,
            .report = device_words->reports,
            .done_value = round + 100,
            .abandon = (const uint32_t *)word.device,
        };
        uint32_t value = off ? 1 + (uint32_t)random_below(UINT32_MAX) : 0;
        place_put(&word, (const uint8_t *)&value);
        words->reports[0] = (struct launch_report){UNTOUCHED, 77, 0, UNTOUCHED, 77, 0};
        enqueue(&work);
        word_await(&words->reports[0].done, round + 100);
        drain();
        uint64_t begin_ns, end_ns;
        launch_report_stamps(&words->reports[0], &begin_ns, &end_ns);
        assert_int_equal(begin_ns == 0, off);
        if (off) {
            assert_true(words->reports[0].value == 0 && end_ns == 0);
            assert_int_equal(words->reports[0].torn_tags, 0);
        } else {
            for (size_t i = 0; work.kind == LAUNCH_INVERT && i < BYTES; i++)
                bytes[i] = (uint8_t)~bytes[i];
            if (work.kind == LAUNCH_FILL) {
                frame_source_fill(bytes, BYTES, 0, 0);
                frame_tags_write(bytes, BYTES, 0);
            }
            uint64_t sum =
                work.kind == LAUNCH_CHECKSUM ? frame_checksum_reference(bytes, BYTES) : 0;
            assert_true(words->reports[0].value == sum);
        }
        place_get(&place, seen);
        assert_memory_equal(seen, bytes, BYTES);
    }
    free(bytes);
    free(seen);
    place_free(&word);
    place_free(&place);
}

/* ---- The clock ------------------------------------------------------------------------------- */

static void clock_begin(uint32_t count)
{
    words->ask = words->answer = 0;
    words->now_ns = 0;
    gpu_assert_ok(&err, launcher_enqueue_clock(launcher, stream, &device_words->ask,
                                               &device_words->answer, &device_words->now_ns, count,
                                               &err));
}

static uint64_t clock_ask(uint32_t i)
{
    __atomic_store_n(&words->ask, i, __ATOMIC_RELEASE);
    word_await(&words->answer, i);
    return words->now_ns;
}

static void the_clock_answers_in_order(void **state)
{
    uint64_t gpu_before = 0, host_first = 0, gpu_first = 0, host_last = 0, gpu_last = 0;
    clock_begin(EXCHANGES);
    for (uint32_t i = 1; i <= EXCHANGES; i++) {
        uint64_t gpu_ns = clock_ask(i);
        assert_true(gpu_ns >= gpu_before);
        gpu_before = gpu_ns;
        if (i == 1) {
            host_first = gpu_fixture_now_ns();
            gpu_first = gpu_ns;
            usleep(20000);
        }
        host_last = gpu_fixture_now_ns();
        gpu_last = gpu_ns;
    }
    drain();
    /* Both count nanoseconds: within a fifth, however badly this machine is loaded. */
    double ratio = (double)(gpu_last - gpu_first) / (double)(host_last - host_first);
    if (!(ratio > 0.8 && ratio < 1.25))
        fail_msg("20 ms of the host are %.3f of that on the GPU", ratio);
}

/* A frame's stamps lie between two looks at the same clock. */
static void stamps_lie_between_two_looks(void **state)
{
    struct place place = place_make(gpu, stream, PLACE_DEVICE, 2000000);
    for (int round = 0; round < 5; round++) {
        clock_begin(1);
        uint64_t before_ns = clock_ask(1);
        drain();
        struct launch_work work = {
            .kind = round % 2 ? LAUNCH_NOTHING : LAUNCH_FILL,
            .payload = place.device,
            .payload_bytes = place.bytes,
            .report = device_words->reports,
            .done_value = (uint32_t)round + 1,
        };
        words->reports[0].done = 0;
        enqueue(&work);
        word_await(&words->reports[0].done, (uint32_t)round + 1);
        clock_begin(1);
        uint64_t after_ns = clock_ask(1);
        drain();
        uint64_t begin_ns, end_ns;
        launch_report_stamps(&words->reports[0], &begin_ns, &end_ns);
        assert_true(before_ns <= begin_ns && begin_ns <= end_ns && end_ns <= after_ns);
    }
    place_free(&place);
}

/* Without a question it gives up after a second, and the stream goes on. */
static void the_clock_gives_up(void **state)
{
    uint64_t begin_ns = gpu_fixture_now_ns();
    clock_begin(3);
    clock_ask(1);
    drain();
    uint64_t waited_ns = gpu_fixture_now_ns() - begin_ns;
    assert_true(waited_ns > UINT64_C(900000000) && waited_ns < UINT64_C(10000000000));
    assert_int_equal(words->answer, 1);
}

/* ---- Refused --------------------------------------------------------------------------------- */

static void what_no_kernel_can_be_is_refused(void **state)
{
    struct place place = place_make(gpu, stream, PLACE_DEVICE, 4096);
    const struct launch_work good = {
        .kind = LAUNCH_CHECKSUM, .payload = place.device, .payload_bytes = 4096};
    struct launch_work bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].payload_bytes = 0;
    bad[1].kind = LAUNCH_KINDS;
    bad[2].kind = LAUNCH_PREPROCESS; /* no geometry */
    bad[3].kind = LAUNCH_PREPROCESS; /* no output */
    bad[3].geometry = (struct geometry){64, 64, 1};
    bad[4].kind = LAUNCH_PREPROCESS; /* two channels */
    bad[4].geometry = (struct geometry){64, 32, 2};
    bad[4].output = (float *)place.device;
    bad[5].kind = LAUNCH_FILL;
    bad[5].payload_bytes = 0;
    bad[6].payload = NULL;
    bad[7].payload = place.device + 8; /* what a kernel loads at once is 16 bytes */
    bad[7].payload_bytes = 16;
    bad[8].payload_bytes = FRAME_PAYLOAD_MAX + 1;
    for (size_t i = 0; i < 9; i++) {
        memset(&err, 0, sizeof err);
        assert_int_equal(launcher_enqueue(launcher, stream, &bad[i], &err), ST_INVALID);
        assert_true(err.what[0] != '\0');
        /* A kind that looks at nothing takes it as it is. */
        struct launch_work nothing = bad[i];
        nothing.kind = LAUNCH_NOTHING;
        enqueue(&nothing);
    }
    enqueue(&good);
    drain();
    launcher_close(NULL);
    place_free(&place);
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_back_to_back),
        cmocka_unit_test(abandoned_frames_are_left_alone),
        cmocka_unit_test(the_clock_answers_in_order),
        cmocka_unit_test(stamps_lie_between_two_looks),
        cmocka_unit_test(the_clock_gives_up),
        cmocka_unit_test(what_no_kernel_can_be_is_refused),
    };
    return cmocka_run_group_tests(tests, device_open, device_close);
}
