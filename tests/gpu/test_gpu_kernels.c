/* test_gpu_kernels.c: every GPU kernel computes what its CPU form does, on random frames of awkward
 * sizes in device memory and in registered host memory, and reports it as launch.h says. */
#include "tests/support/gpu_fixture.h"

#include <math.h>

#include "kernels/kernel.h"
#include "kernels/launch.h"
#include "kernels/preprocess.h"
#include "tests/support/gpu_place.h"
#include "tests/support/random_input.h"

#define OUTPUT_FLOATS ((size_t)PREPROCESS_PLANES_MAX * PREPROCESS_SIZE * PREPROCESS_SIZE)
#define UNTOUCHED UINT64_C(0x1234567890abcdef)
enum { REPORTS = 64, STUCK_SECONDS = 30 };

static const size_t sizes[] = {
    1,    7,    8,    9,    15,   16,    17,     4095,          4096,           4097,
    4103, 4104, 4111, 4112, 8192, 12289, 100001, 640 * 480 * 3, 1919 * 1079 * 3};
enum { SIZES = sizeof sizes / sizeof sizes[0] };
/* More than the blocks take in one turn, and the last tag begins in what no vector takes. */
static const size_t size_4k = (size_t)3840 * 2160 * 4 + 9;

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct launch_report *reports, *device_reports;
static struct err err;

static int device_open(void **state)
{
    void *host, *device;
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, launcher_open(gpu, &launcher, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, REPORTS * sizeof *reports, &host, &device, &err));
    reports = host;
    device_reports = device;
    return 0;
}

static int device_close(void **state)
{
    gpu_pinned_free(gpu, reports);
    launcher_close(launcher);
    gpu_stream_close(stream);
    gpu_close(gpu);
    return 0;
}

static struct launch_work work_of(enum launch_kind kind, const struct place *place)
{
    return (struct launch_work){
        .kind = kind,
        .payload = place->device,
        .payload_bytes = place->bytes,
        .geometry = {(int32_t)place->bytes, 1, 1},
        .frame_id = (int32_t)random_u64(),
        .seed = random_u64(),
        .source_index = (uint32_t)random_below(16),
        .report = device_reports,
        .done_value = 1 + (uint32_t)random_below(UINT32_MAX),
    };
}

static void reports_clear(void)
{
    for (size_t i = 0; i < REPORTS; i++)
        reports[i] = (struct launch_report){UNTOUCHED, 77, 0, UNTOUCHED, 77, 0};
}

/* Waits for the word, not for the stream: what the report says must be whole by then. */
static struct launch_report report_await(size_t index, uint32_t done_value)
{
    uint64_t stuck_ns = gpu_fixture_now_ns() + STUCK_SECONDS * UINT64_C(1000000000);
    while (__atomic_load_n(&reports[index].done, __ATOMIC_ACQUIRE) != done_value)
        if (gpu_fixture_now_ns() > stuck_ns) {
            (void)gpu_stream_poll(stream, &err);
            fail_msg("no report %zu with %u: %s", index, done_value, err.what);
        }
    return reports[index];
}

static struct launch_report run(const struct launch_work *work)
{
    reports_clear();
    gpu_assert_ok(&err, launcher_enqueue(launcher, stream, work, &err));
    struct launch_report report = report_await(0, work->done_value);
    uint64_t begin_ns, end_ns;
    launch_report_stamps(&reports[0], &begin_ns, &end_ns);
    assert_true(begin_ns > 0 && begin_ns <= end_ns && end_ns - begin_ns < 60000000000u);
    assert_true(begin_ns != UNTOUCHED);
    /* Also on the stream, so that copies see what was written. */
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    return report;
}

static uint8_t *bytes_random(size_t count)
{
    uint8_t *bytes = malloc(count);
    assert_non_null(bytes);
    frame_source_fill(bytes, count, random_u64(), 0); /* faster than byte by byte */
    return bytes;
}

static size_t tags_of(size_t bytes)
{
    return bytes < 8 ? 0 : (bytes - 8) / FRAME_TAG_STRIDE + 1;
}

/* Each size in each place; 4K in device memory. */
static void everywhere(void (*check)(struct place *place))
{
    for (enum place_kind kind = 0; kind < PLACE_KINDS; kind++)
        for (size_t i = 0; i < SIZES; i++) {
            struct place place = place_make(gpu, stream, kind, sizes[i]);
            check(&place);
            place_free(&place);
        }
    struct place place = place_make(gpu, stream, PLACE_DEVICE, size_4k);
    check(&place);
    place_free(&place);
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

static void check_nothing(struct place *place)
{
    struct launch_work work = work_of(LAUNCH_NOTHING, place);
    struct launch_report report = run(&work);
    assert_true(report.value == 0);
    assert_int_equal(report.torn_tags, 0);
    work.payload = NULL;
    work.payload_bytes = 0;
    run(&work);
}

static void check_checksum(struct place *place)
{
    uint8_t *bytes = bytes_random(place->bytes);
    struct launch_work work = work_of(LAUNCH_CHECKSUM, place);
    for (int round = 0; round < 2; round++) { /* the second time with one bit changed */
        place_put(place, bytes);
        struct launch_report report = run(&work);
        assert_true(report.value == frame_checksum_reference(bytes, place->bytes));
        assert_int_equal(report.torn_tags, 0);
        bytes[random_below(place->bytes)] ^= (uint8_t)(1u << random_below(8));
    }
    free(bytes);
}

static void check_invert(struct place *place)
{
    uint8_t *bytes = bytes_random(place->bytes), *seen = malloc(place->bytes);
    struct launch_work work = work_of(LAUNCH_INVERT, place);
    size_t tags = tags_of(place->bytes);
    frame_tags_write(bytes, place->bytes, work.frame_id);
    uint32_t torn = 0;
    for (int round = 0; round < 3; round++) { /* whole; then some torn; then all */
        for (size_t tag = 0; tag < tags && round > 0; tag++) {
            uint8_t *at = bytes + tag * FRAME_TAG_STRIDE;
            uint64_t wanted = frame_tag(work.frame_id), is;
            memcpy(&is, at, sizeof is);
            if (is == wanted && (round == 2 || random_below(3) == 0 || tag == tags - 1)) {
                at[random_below(8)] ^= (uint8_t)(1u << random_below(8));
                torn++;
            }
        }
        place_put(place, bytes);
        struct launch_report report = run(&work);
        assert_int_equal(report.torn_tags, torn);
        assert_true(report.value == 0);
        place_get(place, seen);
        for (size_t i = 0; i < place->bytes; i++)
            seen[i] = (uint8_t)~seen[i];
        assert_memory_equal(seen, bytes, place->bytes);
    }
    assert_int_equal(torn, tags);
    free(bytes);
    free(seen);
}

static void check_fill(struct place *place)
{
    uint8_t *wanted = bytes_random(place->bytes), *seen = malloc(place->bytes);
    place_put(place, wanted);
    struct launch_work work = work_of(LAUNCH_FILL, place);
    struct launch_report report = run(&work);
    assert_int_equal(report.torn_tags, 0);
    assert_true(report.value == 0);
    frame_source_fill(wanted, place->bytes, work.seed, work.source_index);
    frame_tags_write(wanted, place->bytes, work.frame_id);
    place_get(place, seen);
    assert_memory_equal(seen, wanted, place->bytes);
    free(wanted);
    free(seen);
}

/* It finds a torn tag exactly when the CPU's sample of as many does. */
static void check_check(struct place *place)
{
    uint8_t *bytes = bytes_random(place->bytes);
    struct launch_work work = work_of(LAUNCH_CHECK, place);
    size_t tags = tags_of(place->bytes);
    for (int round = 0; round < 4; round++) {
        frame_tags_write(bytes, place->bytes, work.frame_id);
        size_t broken = round == 1 ? 0 : round == 2 ? tags - 1 : random_below(tags ? tags : 1);
        if (round > 0 && tags > 0)
            bytes[broken * FRAME_TAG_STRIDE + random_below(8)] ^= 0x40;
        place_put(place, bytes);
        bool whole =
            frame_tags_check_sample(bytes, place->bytes, work.frame_id, false, LAUNCH_CHECK_TAGS);
        assert_int_equal(run(&work).torn_tags, whole ? 0 : 1);
        work.frame_id += 12345;
    }
    frame_tags_write(bytes, place->bytes, work.frame_id + 1);
    place_put(place, bytes);
    size_t looked_at = tags < LAUNCH_CHECK_TAGS ? tags : LAUNCH_CHECK_TAGS;
    assert_int_equal(run(&work).torn_tags, looked_at);
    free(bytes);
}

static void nothing(void **state)
{
    everywhere(check_nothing);
}

static void checksum_is_the_references(void **state)
{
    everywhere(check_checksum);
}

static void invert_looks_and_inverts(void **state)
{
    everywhere(check_invert);
}

static void fill_is_the_sources(void **state)
{
    everywhere(check_fill);
}

static void check_looks_where_the_cpu_does(void **state)
{
    everywhere(check_check);
}

/* ---- preprocess ------------------------------------------------------------------------------ */

static double input_at(const uint8_t *bytes, struct geometry g, int y, int x, int plane)
{
    y = y < g.height ? y : g.height - 1;
    x = x < g.width ? x : g.width - 1;
    return bytes[((size_t)y * (size_t)g.width + (size_t)x) * (size_t)g.channels + (size_t)plane];
}

static double position_of(int index, int size)
{
    double position = (index + 0.5) * size / PREPROCESS_SIZE - 0.5;
    return position < 0 ? 0 : position > size - 1 ? size - 1 : position;
}

/* preprocess.h's formula in double precision. */
static double preprocess_at(const uint8_t *bytes, struct geometry g, int plane, int y, int x)
{
    double row = position_of(y, g.height), column = position_of(x, g.width);
    int top = (int)row, left = (int)column;
    double above = input_at(bytes, g, top, left, plane);
    above += (input_at(bytes, g, top, left + 1, plane) - above) * (column - left);
    double below = input_at(bytes, g, top + 1, left, plane);
    below += (input_at(bytes, g, top + 1, left + 1, plane) - below) * (column - left);
    struct preprocess_normal normal =
        g.channels == 1 ? preprocess_normal_grey : preprocess_normal_rgb[plane];
    return ((above + (below - above) * (row - top)) / 255 - normal.mean) / normal.deviation;
}

static void preprocess_compare(const uint8_t *bytes, struct geometry g, const float *output)
{
    int planes = g.channels == 1 ? 1 : PREPROCESS_PLANES_MAX;
    for (int plane = 0; plane < planes; plane++)
        for (int y = 0; y < PREPROCESS_SIZE; y++)
            for (int x = 0; x < PREPROCESS_SIZE; x++) {
                double wanted = preprocess_at(bytes, g, plane, y, x);
                double seen = output[(plane * PREPROCESS_SIZE + y) * PREPROCESS_SIZE + x];
                if (!(fabs(wanted - seen) <= PREPROCESS_TOLERANCE))
                    fail_msg("%dx%dx%d: plane %d, row %d, column %d is %.9g, not %.9g", g.width,
                             g.height, g.channels, plane, y, x, seen, wanted);
            }
}

static void check_preprocess(enum place_kind kind, struct geometry geometry, struct place *output)
{
    struct place place = place_make(gpu, stream, kind, geometry_payload_bytes(geometry));
    uint8_t *bytes = bytes_random(place.bytes);
    float *seen = malloc(output->bytes);
    struct launch_work work = work_of(LAUNCH_PREPROCESS, &place);
    work.geometry = geometry;
    work.output = (float *)output->device;
    frame_tags_write(bytes, place.bytes, work.frame_id);
    place_put(&place, bytes);
    memset(seen, 0xff, output->bytes); /* not a number */
    place_put(output, (uint8_t *)seen);
    assert_int_equal(run(&work).torn_tags, 0);
    place_get(output, (uint8_t *)seen);
    preprocess_compare(bytes, geometry, seen);
    if (tags_of(place.bytes) > 0) { /* the last tag is always looked at */
        bytes[(tags_of(place.bytes) - 1) * FRAME_TAG_STRIDE] ^= 1;
        place_put(&place, bytes);
        assert_int_equal(run(&work).torn_tags, 1);
    }
    free(seen);
    free(bytes);
    place_free(&place);
}

static void preprocess_is_within_its_tolerance(void **state)
{
    static const struct geometry geometries[] = {
        {1, 1, 1},     {1, 1, 3},     {1, 1, 4},       {2, 3, 3},     {5, 2, 1},      {1, 300, 3},
        {224, 224, 3}, {640, 480, 3}, {1919, 1079, 3}, {333, 777, 4}, {1023, 511, 1}, {225, 223, 4},
    };
    struct place output = place_make(gpu, stream, PLACE_DEVICE, OUTPUT_FLOATS * sizeof(float));
    for (size_t i = 0; i < sizeof geometries / sizeof geometries[0]; i++)
        check_preprocess(i % 3 ? PLACE_DEVICE : PLACE_REGISTERED, geometries[i], &output);
    for (int i = 0; i < 4; i++) {
        const int channels[] = {1, 3, 4};
        struct geometry any = {1 + (int)random_below(700), 1 + (int)random_below(700),
                               channels[random_below(3)]};
        check_preprocess((enum place_kind)random_below(PLACE_KINDS), any, &output);
    }
    place_free(&output);
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(checksum_is_the_references),
        cmocka_unit_test(invert_looks_and_inverts),
        cmocka_unit_test(fill_is_the_sources),
        cmocka_unit_test(check_looks_where_the_cpu_does),
        cmocka_unit_test(preprocess_is_within_its_tolerance),
    };
    return cmocka_run_group_tests(tests, device_open, device_close);
}
