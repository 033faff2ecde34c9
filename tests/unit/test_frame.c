/* test_frame.c: the frame's bytes are what frame.h says, on any size and alignment.
 *
 * Constants marked "numpy" were computed apart from this code from the definitions in frame.h, as a
 * Python role would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/frame.h"
#include "tests/support/random_input.h"

enum { ROUNDS = 200, SIZE_MAX_BYTES = 1 << 20 };

/* Where tags stand, found the slow way. */
static bool is_tag_byte(size_t index, size_t payload_bytes)
{
    size_t block = index / FRAME_TAG_STRIDE * FRAME_TAG_STRIDE;
    return payload_bytes - block >= 8 && index - block < 8;
}

static size_t tags_in(size_t payload_bytes)
{
    size_t count = 0;
    for (size_t block = 0; block < payload_bytes; block += FRAME_TAG_STRIDE)
        count += payload_bytes - block >= 8;
    return count;
}

static void header_has_the_documented_bytes(void **state)
{
    /* struct.pack("<qiiii", -1234567890123456789, 3840, 2160, 3, -7) */
    static const uint8_t packed[FRAME_HEADER_BYTES] = {
        0xeb, 0x7e, 0x16, 0x82, 0x0b, 0xef, 0xdd, 0xee, 0x00, 0x0f, 0x00, 0x00,
        0x70, 0x08, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0xf9, 0xff, 0xff, 0xff};
    struct frame_header header = {-1234567890123456789, 3840, 2160, 3, -7};
    uint8_t bytes[FRAME_HEADER_BYTES];
    frame_header_encode(&header, bytes);
    assert_memory_equal(bytes, packed, sizeof packed);
}

static void header_survives_a_round_trip_at_any_alignment(void **state)
{
    uint8_t buffer[FRAME_HEADER_BYTES + 16];
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *bytes = buffer + random_below(16);
        struct frame_header in = {(int64_t)random_u64(), (int32_t)random_u64(),
                                  (int32_t)random_u64(), (int32_t)random_u64(),
                                  (int32_t)random_u64()};
        frame_header_encode(&in, bytes);
        struct frame_header out;
        frame_header_decode(bytes, &out);
        assert_memory_equal(&in, &out, sizeof in);
        assert_int_equal(frame_header_id(bytes), in.frame_id);

        in.timestamp_ns = (int64_t)random_u64();
        frame_header_set_timestamp(bytes, in.timestamp_ns);
        frame_header_decode(bytes, &out);
        assert_memory_equal(&in, &out, sizeof in);
    }
}

static void tags_of_frame_ids_are_fixed_and_differ(void **state)
{
    assert_true(frame_tag(0) == UINT64_C(0xd820b7e910b0f93f)); /* numpy */
    assert_true(frame_tag(1) == UINT64_C(0x106e11b2223f6961));
    assert_true(frame_tag(-1) == UINT64_C(0xab35d1ce46143757));
    assert_true(frame_tag(123456789) == UINT64_C(0x9e0d7adf740b9ea0));
    for (int round = 0; round < 100000; round++) {
        int32_t id = (int32_t)random_u64();
        int32_t other = (int32_t)random_u64();
        assert_true(frame_tag(id) != 0);
        assert_true(frame_tag(id) != ~frame_tag(id + (id < INT32_MAX)));
        assert_true(id == other || frame_tag(id) != frame_tag(other));
    }
}

static void tags_touch_nothing_but_their_places(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = random_size(5 * FRAME_TAG_STRIDE);
        struct guarded payload = guarded_make(size);
        uint8_t *before = malloc(size);
        random_bytes(before, size);
        memcpy(payload.bytes, before, size);
        int32_t id = (int32_t)random_u64();
        frame_tags_write(payload.bytes, size, id);
        uint64_t tag = frame_tag(id);
        for (size_t i = 0; i < size; i++) {
            uint8_t expected =
                is_tag_byte(i, size) ? (uint8_t)(tag >> 8 * (i % FRAME_TAG_STRIDE)) : before[i];
            assert_int_equal(payload.bytes[i], expected);
        }
        free(before);
        guarded_free(&payload);
    }
}

static void a_damaged_tag_is_always_seen(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = 8 + random_size(SIZE_MAX_BYTES);
        struct guarded payload = guarded_make(size);
        int32_t id = (int32_t)random_u64();
        bool inverted = random_below(2);
        frame_tags_write(payload.bytes, size, id);
        for (size_t i = 0; inverted && i < size; i++)
            payload.bytes[i] = (uint8_t)~payload.bytes[i];
        assert_true(frame_tags_check(payload.bytes, size, id, inverted));
        assert_false(frame_tags_check(payload.bytes, size, id + 1, inverted));
        assert_false(frame_tags_check(payload.bytes, size, id, !inverted));
        assert_false(frame_tags_check_sample(payload.bytes, size, id + 1, inverted, 1));

        size_t damaged = random_below(tags_in(size)) * FRAME_TAG_STRIDE + random_below(8);
        payload.bytes[damaged] ^= (uint8_t)(1u << random_below(8));
        assert_false(frame_tags_check(payload.bytes, size, id, inverted));
        guarded_free(&payload);
    }
}

static void payloads_too_small_for_a_tag_pass(void **state)
{
    for (size_t size = 0; size < 8; size++) {
        struct guarded payload = guarded_make(size);
        random_bytes(payload.bytes, size);
        uint8_t before[8] = {0};
        memcpy(before, payload.bytes, size);
        frame_tags_write(payload.bytes, size, 7);
        assert_memory_equal(before, payload.bytes, size);
        assert_true(frame_tags_check(payload.bytes, size, 7, false));
        assert_true(frame_tags_check_sample(payload.bytes, size, 7, false, 3));
        guarded_free(&payload);
    }
}

/* First and last in every frame; any other in some frame, and in no more than its share. */
static void sampling_sees_the_ends_always_and_the_rest_in_turn(void **state)
{
    enum { TAGS = 60, SAMPLES = 8, FRAMES = 2000 };
    size_t size = TAGS * FRAME_TAG_STRIDE - random_below(FRAME_TAG_STRIDE - 8);
    struct guarded payload = guarded_make(size);
    int32_t first_id = (int32_t)random_below(INT32_MAX - FRAMES);
    for (size_t tag = 0; tag < TAGS; tag++) {
        unsigned seen = 0;
        for (int32_t id = first_id; id < first_id + FRAMES; id++) {
            frame_tags_write(payload.bytes, size, id);
            assert_true(frame_tags_check_sample(payload.bytes, size, id, false, SAMPLES));
            payload.bytes[tag * FRAME_TAG_STRIDE] ^= 0x10;
            seen += !frame_tags_check_sample(payload.bytes, size, id, false, SAMPLES);
            if (id % 50 == 0)
                assert_false(frame_tags_check_sample(payload.bytes, size, id, false, TAGS));
        }
        double share = (double)(SAMPLES - 2) / (TAGS - 2) * FRAMES;
        if (tag == 0 || tag == TAGS - 1)
            assert_int_equal(seen, FRAMES);
        else
            assert_in_range(seen, (unsigned)(share * 0.6), (unsigned)(share * 1.4));
    }
    guarded_free(&payload);
}

/* The definition, one byte at a time. */
static uint64_t checksum_bytewise(const uint8_t *payload, size_t payload_bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < payload_bytes; i++)
        sum += ((uint64_t)payload[i] << 8 * (i % 4)) * (2 * (i / 4) + 1);
    return sum;
}

static void checksum_is_the_documented_one(void **state)
{
    uint8_t counting[13];
    for (size_t i = 0; i < sizeof counting; i++)
        counting[i] = (uint8_t)(i * 7 + 3);
    assert_true(frame_checksum_reference(counting, 13) == UINT64_C(0x24606c9e8)); /* numpy */
    uint8_t ones[4099];
    memset(ones, 0xff, sizeof ones);
    assert_true(frame_checksum_reference(ones, sizeof ones) == UINT64_C(0x10000800eff7ff));
    assert_true(frame_checksum_reference(NULL, 0) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = random_size(SIZE_MAX_BYTES);
        struct guarded payload = guarded_make(size);
        random_bytes(payload.bytes, size);
        assert_true(frame_checksum_reference(payload.bytes, size) ==
                    checksum_bytewise(payload.bytes, size));
        guarded_free(&payload);
    }
}

static void checksum_of_a_tagged_frame_is_foretold(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        /* The interesting sizes lie around the ends of blocks. */
        size_t size = round % 2 ? random_size(SIZE_MAX_BYTES)
                                : FRAME_TAG_STRIDE * (1 + random_below(40)) + random_below(20) - 10;
        struct guarded payload = guarded_make(size);
        frame_source_fill(payload.bytes, size, random_u64(), (uint32_t)random_u64());
        uint64_t untagged = frame_checksum_reference(payload.bytes, size);
        int32_t id = (int32_t)random_u64();
        frame_tags_write(payload.bytes, size, id);
        assert_true(frame_checksum_reference(payload.bytes, size) ==
                    frame_checksum_expected(untagged, frame_tag_weights_make(size), frame_tag(id)));
        guarded_free(&payload);
    }
}

static void source_content_is_the_documented_one(void **state)
{
    uint8_t bytes[10007];
    frame_source_fill(bytes, sizeof bytes, UINT64_C(0xdeadbeefcafef00d), 3);
    assert_true(frame_checksum_reference(bytes, sizeof bytes) == UINT64_C(0x30eb72e5ad25e5));
    static const uint8_t at_8[8] = {0x8b, 0x32, 0x31, 0xf9, 0x88, 0x84, 0xf1, 0x44}; /* numpy */
    assert_memory_equal(bytes + 8, at_8, sizeof at_8);
    static const uint8_t at_end[3] = {0x47, 0xd5, 0x2d};
    assert_memory_equal(bytes + sizeof bytes - 3, at_end, sizeof at_end);
    frame_source_fill(bytes, 8197, 42, 0);
    assert_true(frame_checksum_reference(bytes, 8197) == UINT64_C(0x203f4d8bf9edd4));
}

static void source_content_is_random_but_where_tags_go(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = random_size(SIZE_MAX_BYTES / 8);
        struct guarded payload = guarded_make(size);
        struct guarded other = guarded_make(size);
        uint64_t seed = random_u64();
        uint32_t index = (uint32_t)random_below(4);
        memset(payload.bytes, 0xa5, size);
        frame_source_fill(payload.bytes, size, seed, index);
        frame_source_fill(other.bytes, size, seed, index);
        assert_memory_equal(payload.bytes, other.bytes, size);
        size_t counts[256] = {0};
        for (size_t i = 0; i < size; i++) {
            if (is_tag_byte(i, size))
                assert_int_equal(payload.bytes[i], 0);
            else
                counts[payload.bytes[i]]++;
        }
        for (size_t i = 0; size > 50000 && i < 256; i++)
            assert_in_range(counts[i], size / 256 / 2, size / 256 * 2);
        if (size > 64) {
            frame_source_fill(other.bytes, size, seed, index + 1);
            assert_memory_not_equal(payload.bytes, other.bytes, size);
            frame_source_fill(other.bytes, size, seed + 1, index);
            assert_memory_not_equal(payload.bytes, other.bytes, size);
        }
        guarded_free(&other);
        guarded_free(&payload);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_has_the_documented_bytes),
        cmocka_unit_test(header_survives_a_round_trip_at_any_alignment),
        cmocka_unit_test(tags_of_frame_ids_are_fixed_and_differ),
        cmocka_unit_test(tags_touch_nothing_but_their_places),
        cmocka_unit_test(a_damaged_tag_is_always_seen),
        cmocka_unit_test(payloads_too_small_for_a_tag_pass),
        cmocka_unit_test(sampling_sees_the_ends_always_and_the_rest_in_turn),
        cmocka_unit_test(checksum_is_the_documented_one),
        cmocka_unit_test(checksum_of_a_tagged_frame_is_foretold),
        cmocka_unit_test(source_content_is_the_documented_one),
        cmocka_unit_test(source_content_is_random_but_where_tags_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
