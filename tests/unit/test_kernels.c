/* test_kernels.c: the CPU kernels compute what they say, on random frames of awkward sizes.
 *
 * Payloads end at an unreadable page, so that a kernel that looks one byte too far is a fault.
 */
#include <endian.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/checksum.h"
#include "kernels/kernel.h"
#include "kernels/pending.h"
#include "kernels/preprocess.h"
#include "tests/support/random_input.h"

enum { ROUNDS = 300, SIZE_MAX_BYTES = 3 << 20 };

static struct kernel_state *opened(const struct kernel *kernel, struct geometry geometry,
                                   size_t payload_bytes)
{
    struct kernel_config config = {geometry, payload_bytes};
    struct kernel_state *state = NULL;
    struct err err = {0};
    if (kernel->open(&config, &state, &err) != ST_OK)
        fail_msg("%s: %s", kernel->name, err.what);
    return state;
}

static struct geometry row_of(size_t bytes)
{
    return (struct geometry){(int32_t)bytes, 1, 1};
}

static struct frame frame_of(struct guarded payload, size_t bytes)
{
    return (struct frame){.payload = payload.bytes, .payload_bytes = bytes};
}

/* ---- What all kernels have in common --------------------------------------------------------- */

static void every_result_is_reported_once_in_order(void **unused)
{
    struct geometry geometry = {33, 17, 3};
    size_t bytes = geometry_payload_bytes(geometry);
    for (size_t k = 0; k < kernel_registry_count; k++) {
        const struct kernel *kernel = kernel_registry[k];
        struct err err = {0};
        if (kernel->probe(&err) != ST_OK)
            continue;
        struct kernel_state *state = opened(kernel, geometry, bytes);
        struct kernel_result result = {.value = 12345};
        assert_int_equal(kernel->poll_done(state, &result), ST_AGAIN);
        assert_int_equal(result.value, 12345);
        for (int round = 0; round < 20; round++) {
            uint64_t expected[16];
            size_t count = 1 + random_below(16);
            for (size_t i = 0; i < count; i++) {
                struct guarded payload = guarded_make(bytes);
                random_bytes(payload.bytes, bytes);
                struct frame frame = frame_of(payload, bytes);
                expected[i] = kernel->flags & KERNEL_CHECKSUM
                                  ? frame_checksum_reference(payload.bytes, bytes)
                                  : 0;
                assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
                guarded_free(&payload);
            }
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(kernel->poll_done(state, &result), ST_OK);
                assert_true(result.value == expected[i]);
            }
            assert_int_equal(kernel->poll_done(state, &result), ST_AGAIN);
        }
        kernel->close(state);
        kernel->close(NULL);
    }
}

/* A consumer that always has frames in flight never empties the queue of results. */
static void a_pipeline_that_never_drains_goes_on(void **unused)
{
    enum { BYTES = 40 };
    const struct kernel *kernel = kernel_find("checksum");
    struct kernel_state *state = opened(kernel, row_of(BYTES), BYTES);
    struct guarded payload = guarded_make(BYTES);
    random_bytes(payload.bytes, BYTES);
    struct frame frame = frame_of(payload, BYTES);
    uint64_t depth = 1 + random_below(KERNEL_PENDING_MAX);
    for (uint32_t i = 0; i < 3 * KERNEL_PENDING_MAX + depth; i++) {
        uint32_t word = htole32(i);
        memcpy(payload.bytes, &word, sizeof word); /* the first word's weight is 1 */
        assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
        if (i + 1 < depth)
            continue;
        struct kernel_result result;
        assert_int_equal(kernel->poll_done(state, &result), ST_OK);
        uint64_t oldest = i + 1 - depth;
        assert_true(result.value == frame_checksum_reference(payload.bytes, BYTES) - i + oldest);
    }
    kernel->close(state);
    guarded_free(&payload);
}

static void a_frame_without_room_for_its_result_is_left_alone(void **unused)
{
    enum { BYTES = 100 };
    struct guarded payload = guarded_make(BYTES);
    random_bytes(payload.bytes, BYTES);
    struct frame frame = frame_of(payload, BYTES);
    const struct kernel *kernel = kernel_find("invert");
    struct kernel_state *state = opened(kernel, row_of(BYTES), BYTES);
    for (unsigned i = 0; i < KERNEL_PENDING_MAX; i++)
        assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
    uint8_t before[BYTES];
    memcpy(before, payload.bytes, BYTES);
    assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_AGAIN);
    assert_memory_equal(before, payload.bytes, BYTES);
    struct kernel_result result;
    for (unsigned i = 0; i < KERNEL_PENDING_MAX; i++)
        assert_int_equal(kernel->poll_done(state, &result), ST_OK);
    assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
    kernel->close(state);
    guarded_free(&payload);
}

static void kernels_that_read_refuse_frames_without_payload(void **unused)
{
    for (size_t k = 0; k < kernel_registry_count; k++) {
        const struct kernel *kernel = kernel_registry[k];
        struct err err = {0};
        if (!(kernel->flags & KERNEL_READS_PAYLOAD) || kernel->probe(&err) != ST_OK)
            continue;
        struct kernel_config config = {{64, 48, 3}, 0};
        struct kernel_state *state = NULL;
        assert_int_equal(kernel->open(&config, &state, &err), ST_INVALID);
        assert_null(state);
        assert_non_null(strstr(err.what, kernel->name));
        assert_true(err.hint[0] != '\0');
    }
}

/* ---- checksum -------------------------------------------------------------------------------- */

static void every_pass_equals_the_reference(void **unused)
{
    struct checksum_pass passes[CHECKSUM_PASSES_MAX];
    size_t count = checksum_passes(passes);
    assert_in_range(count, 1, CHECKSUM_PASSES_MAX);
    for (size_t i = 0; i < count; i++)
        printf("checksum pass: %s\n", passes[i].name);
    for (int round = 0; round < ROUNDS + 600; round++) {
        size_t size = round < 600 ? (size_t)round : random_size(SIZE_MAX_BYTES);
        struct guarded payload = guarded_make(size);
        if (round % 7 == 0)
            memset(payload.bytes, 0xff, size); /* the largest sums */
        else
            frame_source_fill(payload.bytes, size, random_u64(), 0);
        uint64_t expected = frame_checksum_reference(payload.bytes, size);
        for (size_t i = 0; i < count; i++)
            assert_true(passes[i].function(payload.bytes, size) == expected);
        guarded_free(&payload);
    }
}

/* What the definition is for: one wrong bit, two words in each other's place, a lost word. */
static void every_pass_sees_damage(void **unused)
{
    struct checksum_pass passes[CHECKSUM_PASSES_MAX];
    size_t count = checksum_passes(passes);
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = 8 + random_size(SIZE_MAX_BYTES / 16);
        struct guarded payload = guarded_make(size);
        random_bytes(payload.bytes, size);
        uint64_t whole = frame_checksum_reference(payload.bytes, size);
        size_t bit = random_below(8 * size);
        payload.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        for (size_t i = 0; i < count; i++)
            assert_true(passes[i].function(payload.bytes, size) != whole);
        payload.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);

        uint32_t first, other;
        size_t at = 4 * (1 + random_below(size / 4 - 1));
        memcpy(&first, payload.bytes, 4);
        memcpy(&other, payload.bytes + at, 4);
        memcpy(payload.bytes, &other, 4);
        memcpy(payload.bytes + at, &first, 4);
        for (size_t i = 0; i < count; i++)
            assert_true((passes[i].function(payload.bytes, size) != whole) == (first != other));
        guarded_free(&payload);
    }
}

/* ---- invert ---------------------------------------------------------------------------------- */

static void inverting_complements_and_twice_is_identity(void **unused)
{
    const struct kernel *kernel = kernel_find("invert");
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = random_size(SIZE_MAX_BYTES / 4);
        struct guarded payload = guarded_make(size);
        uint8_t *before = malloc(size);
        int32_t id = (int32_t)random_u64();
        frame_source_fill(payload.bytes, size, random_u64(), 1);
        frame_tags_write(payload.bytes, size, id);
        memcpy(before, payload.bytes, size);
        struct frame frame = frame_of(payload, size);
        struct kernel_state *state = opened(kernel, row_of(size), size);

        assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(payload.bytes[i], before[i] ^ 0xff);
        assert_true(frame_tags_check(payload.bytes, size, id, true));
        assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
        assert_memory_equal(payload.bytes, before, size);

        kernel->close(state);
        free(before);
        guarded_free(&payload);
    }
}

/* ---- preprocess ------------------------------------------------------------------------------ */

static double clamped(double value, double high)
{
    return value < 0 ? 0 : value > high ? high : value;
}

/* preprocess.h's definition in double precision, one output value at a time. */
static double preprocess_reference(const uint8_t *payload, struct geometry geometry, unsigned plane,
                                   unsigned y, unsigned x)
{
    double across = clamped((x + 0.5) * geometry.width / 224.0 - 0.5, geometry.width - 1);
    double down = clamped((y + 0.5) * geometry.height / 224.0 - 0.5, geometry.height - 1);
    double value = 0;
    for (int32_t row = (int32_t)down; row <= (int32_t)down + 1 && row < geometry.height; row++)
        for (int32_t column = (int32_t)across;
             column <= (int32_t)across + 1 && column < geometry.width; column++) {
            size_t pixel = (size_t)row * (size_t)geometry.width + (size_t)column;
            value += (1 - fabs(down - row)) * (1 - fabs(across - column)) *
                     payload[pixel * (size_t)geometry.channels + plane];
        }
    static const double means[] = {0.485, 0.456, 0.406};
    static const double deviations[] = {0.229, 0.224, 0.225};
    double mean = geometry.channels == 1 ? 0.449 : means[plane];
    double deviation = geometry.channels == 1 ? 0.226 : deviations[plane];
    return (value / 255.0 - mean) / deviation;
}

static void preprocess_check(struct geometry geometry)
{
    const struct kernel *kernel = kernel_find("preprocess");
    size_t size = geometry_payload_bytes(geometry);
    struct guarded payload = guarded_make(size);
    frame_source_fill(payload.bytes, size, random_u64(), 2);
    frame_tags_write(payload.bytes, size, (int32_t)random_u64());
    struct kernel_state *state = opened(kernel, geometry, size);
    struct frame frame = frame_of(payload, size);
    assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
    unsigned planes = 0;
    const float *output = preprocess_output(state, &planes);
    assert_int_equal(planes, geometry.channels == 1 ? 1 : 3);
    for (unsigned plane = 0; plane < planes; plane++)
        for (unsigned y = 0; y < 224; y++)
            for (unsigned x = 0; x < 224; x++) {
                double expected = preprocess_reference(payload.bytes, geometry, plane, y, x);
                double got = output[(plane * 224 + y) * 224 + x];
                if (!(fabs(got - expected) <= PREPROCESS_TOLERANCE))
                    fail_msg("%dx%dx%d plane %u row %u column %u: %.9g, expected %.9g",
                             (int)geometry.width, (int)geometry.height, (int)geometry.channels,
                             plane, y, x, got, expected);
            }
    kernel->close(state);
    guarded_free(&payload);
}

static void preprocess_agrees_with_double_precision(void **unused)
{
    static const int32_t channels[] = {1, 3, 4};
    static const struct geometry chosen[] = {
        {1, 1, 1},     {1, 1, 3},     {2, 1, 4},     {1, 777, 3},    {8192, 2, 3},
        {224, 224, 3}, {224, 224, 1}, {225, 223, 4}, {1920, 108, 3},
    };
    for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++)
        preprocess_check(chosen[i]);
    for (int round = 0; round < 60; round++)
        preprocess_check((struct geometry){
            .width = (int32_t)random_size(1500),
            .height = (int32_t)random_size(900),
            .channels = channels[random_below(3)],
        });
}

static void preprocess_of_the_same_size_only_normalizes(void **unused)
{
    const struct kernel *kernel = kernel_find("preprocess");
    struct geometry geometry = {224, 224, 3};
    size_t size = geometry_payload_bytes(geometry);
    struct guarded payload = guarded_make(size);
    random_bytes(payload.bytes, size);
    struct kernel_state *state = opened(kernel, geometry, size);
    struct frame frame = frame_of(payload, size);
    assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_OK);
    unsigned planes;
    const float *output = preprocess_output(state, &planes);
    for (size_t i = 0; i < 224 * 224; i++) {
        double red = (payload.bytes[3 * i] / 255.0 - 0.485) / 0.229;
        double blue = (payload.bytes[3 * i + 2] / 255.0 - 0.406) / 0.225;
        assert_true(fabs(output[i] - red) <= PREPROCESS_TOLERANCE);
        assert_true(fabs(output[i + 2 * 224 * 224] - blue) <= PREPROCESS_TOLERANCE);
    }
    kernel->close(state);
    guarded_free(&payload);
}

static void preprocess_refuses_what_is_no_image(void **unused)
{
    const struct kernel *kernel = kernel_find("preprocess");
    static const struct kernel_config bad[] = {
        {{640, 480, 2}, 640 * 480 * 2},
        {{640, 480, 5}, 640 * 480 * 5},
        {{0, 480, 3}, 0},
        {{-4, -4, 3}, 48},
        {{640, 480, 3}, 640 * 480 * 4},
        {{640, 480, 0}, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kernel_state *state = NULL;
        struct err err = {0};
        assert_int_equal(kernel->open(&bad[i], &state, &err), ST_INVALID);
        assert_null(state);
        assert_non_null(strstr(err.what, "preprocess"));
    }
    struct geometry geometry = {20, 10, 3};
    struct kernel_state *state = opened(kernel, geometry, 600);
    struct guarded payload = guarded_make(599);
    struct frame frame = frame_of(payload, 599);
    assert_int_equal(kernel->enqueue(state, &frame, NULL), ST_INVALID);
    struct kernel_result result;
    assert_int_equal(kernel->poll_done(state, &result), ST_AGAIN);
    kernel->close(state);
    guarded_free(&payload);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_is_reported_once_in_order),
        cmocka_unit_test(a_pipeline_that_never_drains_goes_on),
        cmocka_unit_test(a_frame_without_room_for_its_result_is_left_alone),
        cmocka_unit_test(kernels_that_read_refuse_frames_without_payload),
        cmocka_unit_test(every_pass_equals_the_reference),
        cmocka_unit_test(every_pass_sees_damage),
        cmocka_unit_test(inverting_complements_and_twice_is_identity),
        cmocka_unit_test(preprocess_agrees_with_double_precision),
        cmocka_unit_test(preprocess_of_the_same_size_only_normalizes),
        cmocka_unit_test(preprocess_refuses_what_is_no_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
