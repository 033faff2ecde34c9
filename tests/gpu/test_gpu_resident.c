/* test_gpu_resident.c: the kernel that stays: frame after frame at the ring of a bell in host
 * memory, and every way it ends. The test is the producer: it writes frames and rings. */
#include "tests/support/gpu_fixture.h"

#include "harness/base/source.h"
#include "kernels/launch.h"
#include "kernels/preprocess.h"
#include "tests/support/gpu_place.h"
#include "tests/support/random_input.h"

enum { SLOTS = 3, STUCK_SECONDS = 30, PATIENCE_SECONDS = 60 };
#define OUTPUT_BYTES \
    ((size_t)PREPROCESS_PLANES_MAX * PREPROCESS_SIZE * PREPROCESS_SIZE * sizeof(float))

static const struct geometry geometry = {333, 211, 3};
static const size_t payload_bytes = (size_t)333 * 211 * 3;

static struct gpu *gpu;
/* The kernel's, and one for copies meanwhile. */
static struct gpu_stream *stream, *copies;
static struct launcher *launcher;
static struct err err;

/* The GPU's end of the hand-off, in pinned memory; lines apart. */
struct words {
    struct launch_report reports[SLOTS];
    uint8_t *payloads[SLOTS];
    _Alignas(128) uint32_t stop;
    _Alignas(128) uint32_t ended;
    _Alignas(128) uint32_t ask;
    _Alignas(128) uint32_t answer; /* not behind now_ns: two stores */
    uint64_t now_ns;
};
static struct words *words, *device_words;
/* The doorbell, in registered memory as a transport's is. */
static struct place bell;
static struct place output;
/* Frames by slot, in device memory and in host memory; made before any kernel stays, since CUDA's
 * cudaFree waits for all kernels. */
static struct place frames[PLACE_KINDS][SLOTS];

static int device_open(void **state)
{
    void *host, *device;
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, gpu_stream_open(gpu, &copies, &err));
    gpu_assert_ok(&err, launcher_open(gpu, &launcher, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, sizeof *words, &host, &device, &err));
    words = host;
    device_words = device;
    bell = place_make(gpu, copies, PLACE_REGISTERED, sizeof(struct doorbell));
    output = place_make(gpu, copies, PLACE_DEVICE, OUTPUT_BYTES);
    for (enum place_kind kind = 0; kind < PLACE_KINDS; kind++)
        for (int slot = 0; slot < SLOTS; slot++)
            frames[kind][slot] = place_make(gpu, copies, kind, payload_bytes);
    return 0;
}

static int device_close(void **state)
{
    for (enum place_kind kind = 0; kind < PLACE_KINDS; kind++)
        for (int slot = 0; slot < SLOTS; slot++)
            place_free(&frames[kind][slot]);
    place_free(&output);
    place_free(&bell);
    gpu_pinned_free(gpu, words);
    launcher_close(launcher);
    gpu_stream_close(copies);
    gpu_stream_close(stream);
    gpu_close(gpu);
    return 0;
}

static uint64_t gpu_now_ns(void)
{
    words->ask = words->answer = 0;
    gpu_assert_ok(&err,
                  launcher_enqueue_clock(launcher, stream, &device_words->ask,
                                         &device_words->answer, &device_words->now_ns, 1, &err));
    __atomic_store_n(&words->ask, 1, __ATOMIC_RELEASE);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(words->answer, 1);
    return words->now_ns;
}

static void bell_set(uint32_t word)
{
    __atomic_store_n((uint32_t *)bell.host, word, __ATOMIC_RELEASE);
}

static void resident_begin(enum launch_kind kind, enum place_kind place, uint32_t count,
                           uint32_t first_word, uint64_t patience_ns)
{
    memset(words, 0, sizeof *words);
    for (int slot = 0; slot < SLOTS; slot++)
        words->payloads[slot] = frames[place][slot].device;
    const struct launch_resident resident = {
        .work = {.kind = kind,
                 .payload_bytes = payload_bytes,
                 .geometry = geometry,
                 .output = (float *)output.device},
        .payloads = device_words->payloads,
        .slots = SLOTS,
        .frames = count,
        .bell = (const uint32_t *)bell.device,
        .first_word = first_word,
        .reports = device_words->reports,
        .stop = &device_words->stop,
        .ended = &device_words->ended,
        .deadline_gpu_ns = gpu_now_ns() + patience_ns,
    };
    bell_set(first_word);
    gpu_assert_ok(&err, launcher_enqueue_resident(launcher, stream, &resident, &err));
}

static void resident_begin_patient(enum launch_kind kind, enum place_kind place, uint32_t count,
                                   uint32_t first_word)
{
    resident_begin(kind, place, count, first_word, PATIENCE_SECONDS * UINT64_C(1000000000));
}

/* A failed test must not leave a kernel behind that the next one waits for. */
static int resident_end(void **state)
{
    __atomic_store_n(&words->stop, 1, __ATOMIC_RELEASE);
    return gpu_stream_synchronize(stream, &err) == ST_OK ? 0 : -1;
}

static void word_await(const uint32_t *word, uint32_t value)
{
    uint64_t stuck_ns = gpu_fixture_now_ns() + STUCK_SECONDS * UINT64_C(1000000000);
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        if (gpu_fixture_now_ns() > stuck_ns) {
            uint32_t is = *word;
            __atomic_store_n(&words->stop, 1, __ATOMIC_RELEASE);
            (void)gpu_stream_synchronize(stream, &err);
            fail_msg("a word is %u, not %u: %s", is, value, err.what);
        }
}

static void end_await(enum launch_resident_end end)
{
    uint64_t stuck_ns = gpu_fixture_now_ns() + STUCK_SECONDS * UINT64_C(1000000000);
    while (__atomic_load_n(&words->ended, __ATOMIC_ACQUIRE) == LAUNCH_RUNNING &&
           gpu_fixture_now_ns() < stuck_ns) {
    }
    __atomic_store_n(&words->stop, 1, __ATOMIC_RELEASE);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(words->ended, end);
}

/* Writes frame n with a torn tag or without. */
static void frame_put(enum place_kind place, uint32_t n, uint8_t *bytes, bool torn)
{
    frame_source_fill(bytes, payload_bytes, random_u64(), 0);
    frame_tags_write(bytes, payload_bytes, (int32_t)n);
    if (torn)
        bytes[5] ^= 0x10; /* the first tag, which every kind that samples looks at */
    place_put(&frames[place][n % SLOTS], bytes);
}

/* The frame before ended at before_ns; returns when this one did. */
static uint64_t report_check(enum launch_kind kind, uint32_t n, const uint8_t *bytes, bool torn,
                             uint64_t before_ns)
{
    const struct launch_report *report = &words->reports[n % SLOTS];
    word_await(&report->done, n + 1);
    bool sums = kind == LAUNCH_CHECKSUM, looks = kind != LAUNCH_NOTHING && !sums;
    assert_true(report->value == (sums ? frame_checksum_reference(bytes, payload_bytes) : 0));
    assert_int_equal(report->torn_tags, looks && torn);
    uint64_t begin_ns, end_ns;
    launch_report_stamps(report, &begin_ns, &end_ns);
    assert_true(begin_ns >= before_ns && begin_ns > 0 && begin_ns <= end_ns);
    return end_ns;
}

/* ---- Frame by frame -------------------------------------------------------------------------- */

/* Each frame in a slot that held another one before: nothing of it may be left in a cache. */
static void frame_by_frame(enum launch_kind kind, enum place_kind place, uint32_t count)
{
    uint8_t *bytes = malloc(payload_bytes), *seen = malloc(payload_bytes);
    /* The word wraps around half-way, and its steps are even. */
    uint32_t first_word = 0u - count / 2 * DOORBELL_STEP;
    resident_begin_patient(kind, place, count, first_word);
    uint64_t before_ns = 0;
    for (uint32_t n = 0; n < count; n++) {
        bool torn = random_below(3) == 0;
        frame_put(place, n, bytes, torn);
        bell_set(first_word + (n + 1) * DOORBELL_STEP);
        before_ns = report_check(kind, n, bytes, torn, before_ns);
        if (kind == LAUNCH_INVERT) {
            place_get(&frames[place][n % SLOTS], seen);
            for (size_t i = 0; i < payload_bytes; i++)
                seen[i] = (uint8_t)~seen[i];
            assert_memory_equal(seen, bytes, payload_bytes);
        }
    }
    end_await(LAUNCH_FINISHED);
    free(bytes);
    free(seen);
}

static void every_kind_in_every_place(void **state)
{
    static const enum launch_kind kinds[] = {LAUNCH_NOTHING, LAUNCH_CHECKSUM, LAUNCH_INVERT,
                                             LAUNCH_CHECK, LAUNCH_PREPROCESS};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (enum place_kind place = 0; place < PLACE_KINDS; place++)
            frame_by_frame(kinds[k], place, 20);
}

/* The same output as one launch over the same frame gives. */
static void preprocess_equals_one_launch(void **state)
{
    uint8_t *bytes = malloc(payload_bytes), *resident = malloc(OUTPUT_BYTES),
            *once = malloc(OUTPUT_BYTES);
    memset(once, 0xff, OUTPUT_BYTES);
    place_put(&output, once);
    resident_begin_patient(LAUNCH_PREPROCESS, PLACE_DEVICE, 1, 0);
    frame_put(PLACE_DEVICE, 0, bytes, false);
    bell_set(DOORBELL_STEP);
    end_await(LAUNCH_FINISHED);
    place_get(&output, resident);
    place_put(&output, once);
    const struct launch_work work = {.kind = LAUNCH_PREPROCESS,
                                     .payload = frames[PLACE_DEVICE][0].device,
                                     .payload_bytes = payload_bytes,
                                     .geometry = geometry,
                                     .output = (float *)output.device};
    gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &work, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    place_get(&output, once);
    assert_memory_equal(resident, once, OUTPUT_BYTES);
    free(bytes);
    free(resident);
    free(once);
}

/* The producer is ahead by as many frames as there are slots. */
static void frames_ahead(void **state)
{
    enum { COUNT = 60 };
    static const enum launch_kind kinds[] = {LAUNCH_NOTHING, LAUNCH_CHECKSUM};
    uint8_t *bytes[SLOTS];
    for (int slot = 0; slot < SLOTS; slot++)
        bytes[slot] = malloc(payload_bytes);
    for (int k = 0; k < 2; k++) {
        resident_begin_patient(kinds[k], PLACE_DEVICE, COUNT, 0);
        for (uint32_t n = 0; n < COUNT; n += SLOTS) {
            for (uint32_t ahead = n; ahead < n + SLOTS; ahead++)
                frame_put(PLACE_DEVICE, ahead, bytes[ahead % SLOTS], false);
            bell_set((n + SLOTS) * DOORBELL_STEP);
            for (uint32_t ahead = n; ahead < n + SLOTS; ahead++)
                report_check(kinds[k], ahead, bytes[ahead % SLOTS], false, 0);
        }
        end_await(LAUNCH_FINISHED);
    }
    for (int slot = 0; slot < SLOTS; slot++)
        free(bytes[slot]);
}

/* ---- How it ends ----------------------------------------------------------------------------- */

static void every_end(enum launch_kind kind)
{
    /* Closed: the frames that are there come first. */
    resident_begin_patient(kind, PLACE_DEVICE, 100, 40);
    bell_set((40 + 2 * DOORBELL_STEP) | DOORBELL_CLOSED);
    end_await(LAUNCH_PEER_HUNG_UP);
    assert_int_equal(words->reports[0].done, 1);
    assert_int_equal(words->reports[1].done, 2);
    assert_int_equal(words->reports[2].done, 0);
    /* Stopped, with and without frames done. */
    for (uint32_t done = 0; done < 2; done++) {
        resident_begin_patient(kind, PLACE_DEVICE, 100, 0);
        bell_set(done * DOORBELL_STEP);
        if (done)
            word_await(&words->reports[0].done, 1);
        __atomic_store_n(&words->stop, 1, __ATOMIC_RELEASE);
        end_await(LAUNCH_STOPPED);
        assert_int_equal(words->reports[0].done, done);
    }
    /* At the deadline, and not before. */
    uint64_t begin_ns = gpu_fixture_now_ns();
    resident_begin(kind, PLACE_DEVICE, 100, 0, 100000000);
    bell_set(DOORBELL_STEP);
    end_await(LAUNCH_DEADLINE);
    assert_int_equal(words->reports[0].done, 1);
    assert_int_equal(words->reports[1].done, 0);
    uint64_t waited_ns = gpu_fixture_now_ns() - begin_ns;
    assert_true(waited_ns > 90000000 && waited_ns < UINT64_C(5000000000));
    /* No frames at all. */
    resident_begin_patient(kind, PLACE_DEVICE, 0, 0);
    end_await(LAUNCH_FINISHED);
}

static void it_ends_as_it_must(void **state)
{
    every_end(LAUNCH_NOTHING);
    every_end(LAUNCH_CHECKSUM);
}

static void what_cannot_stay_is_refused(void **state)
{
    const struct launch_resident good = {
        .work = {.kind = LAUNCH_CHECKSUM, .payload_bytes = payload_bytes},
        .payloads = device_words->payloads,
        .slots = SLOTS,
        .bell = (const uint32_t *)bell.device,
        .reports = device_words->reports,
        .stop = &device_words->stop,
        .ended = &device_words->ended,
    };
    struct launch_resident bad[5];
    for (size_t i = 0; i < 5; i++)
        bad[i] = good;
    bad[0].work.kind = LAUNCH_FILL;
    bad[1].slots = 0;
    bad[2].work.payload_bytes = 0;
    bad[3].bell = NULL;
    bad[4].work.kind = LAUNCH_KINDS;
    for (size_t i = 0; i < 5; i++) {
        memset(&err, 0, sizeof err);
        assert_int_equal(launcher_enqueue_resident(launcher, stream, &bad[i], &err), ST_INVALID);
        assert_true(err.what[0] != '\0');
    }
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_kind_in_every_place, resident_end),
        cmocka_unit_test_teardown(preprocess_equals_one_launch, resident_end),
        cmocka_unit_test_teardown(frames_ahead, resident_end),
        cmocka_unit_test_teardown(it_ends_as_it_must, resident_end),
        cmocka_unit_test(what_cannot_stay_is_refused),
    };
    return cmocka_run_group_tests(tests, device_open, device_close);
}
