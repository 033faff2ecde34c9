/* test_source_frames.c: what the source hands over: the content both roles know, tags, header; and
 * that bringing a frame into a cache state changes none of it and reaches every line of it.
 *
 * The module and base/cache.c are compiled into this program with the cache instructions replaced
 * by ones that also note the line, and with a processor whose abilities the test chooses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/frame.h"
#include "harness/run/source_frames.h"
#include "tests/support/random_input.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum flush { FLUSH_ORDERED, FLUSH_UNORDERED, FLUSHES };

static bool hides_clflushopt;
/* Lines flushed since flush_forget, by instruction, and which: counts per line behind
 * flush_base. */
static unsigned flush_counts[FLUSHES];
static const uint8_t *flush_base;
static uint8_t flush_lines[1 << 16];

static int fake_cpuid(unsigned leaf, unsigned sub, unsigned *a, unsigned *b, unsigned *c,
                      unsigned *d)
{
    int known = __get_cpuid_count(leaf, sub, a, b, c, d);
    if (leaf == 7 && hides_clflushopt)
        *b &= ~(unsigned)bit_CLFLUSHOPT;
    return known;
}

static void flush_note(const void *line, enum flush how)
{
    flush_counts[how]++;
    flush_lines[((const uint8_t *)line - flush_base) / 64]++;
}

static void flush_ordered(const void *line)
{
    flush_note(line, FLUSH_ORDERED);
    _mm_clflush(line);
}

__attribute__((target("clflushopt"))) static void flush_unordered(void *line)
{
    flush_note(line, FLUSH_UNORDERED);
    _mm_clflushopt(line);
}

#define __get_cpuid_count fake_cpuid
#define _mm_clflush flush_ordered
#define _mm_clflushopt flush_unordered
#endif

#include "harness/base/cache.c"
#include "harness/run/source_frames.c"

static struct geometry random_geometry(void)
{
    return (struct geometry){1 + (int32_t)random_below(300), 1 + (int32_t)random_below(200),
                             1 + (int32_t)random_below(4)};
}

/* The frame as frame.h defines it, made without the module. */
static void assert_whole(const struct source_frames *frames, uint64_t seed, int32_t id)
{
    size_t bytes = frames->payload_bytes;
    struct guarded expected = guarded_make(bytes);
    struct frame_header header;
    frame_source_fill(expected.bytes, bytes, seed, (uint32_t)id % CELL_SOURCE_FRAMES);
    frame_tags_write(expected.bytes, bytes, id);
    assert_memory_equal(source_frames_payload(frames, id), expected.bytes, bytes);
    frame_header_decode(source_frames_header(frames, id), &header);
    assert_int_equal(header.frame_id, id);
    assert_int_equal(header.width, frames->geometry.width);
    assert_int_equal(header.height, frames->geometry.height);
    assert_int_equal(header.channels, frames->geometry.channels);
    guarded_free(&expected);
}

static struct source_frames open_frames(struct geometry geometry, size_t bytes, uint64_t seed)
{
    struct source_frames frames = {0};
    struct err err = {0};
    if (source_frames_open(&frames, geometry, bytes, CELL_SOURCE_FRAMES, seed, &err) != ST_OK)
        fail_msg("%s", err.what);
#if defined(__x86_64__)
    flush_base = frames.bytes;
    memset(flush_counts, 0, sizeof flush_counts);
    memset(flush_lines, 0, sizeof flush_lines);
#endif
    return frames;
}

/* Where a transport keeps buffers lent, more of them rotate, and the pictures stay four. */
static void test_more_buffers_than_pictures(void **state)
{
    (void)state;
    struct source_frames frames = {0};
    struct err err = {0};
    const struct geometry geometry = random_geometry();
    const size_t bytes = geometry_payload_bytes(geometry);
    const uint32_t buffers = 3 * CELL_SOURCE_FRAMES;
    const uint64_t seed = random_u64();
    assert_int_equal(source_frames_open(&frames, geometry, bytes, buffers, seed, &err), ST_OK);
    for (int32_t id = 0; id < (int32_t)buffers; id++)
        source_frames_prepare(&frames, id, FRAME_STATE_AS_LEFT);
    for (int32_t id = 0; id < (int32_t)buffers; id++)
        assert_whole(&frames, seed, id);
    assert_ptr_equal(source_frames_header(&frames, (int32_t)buffers),
                     source_frames_header(&frames, 0));
    source_frames_close(&frames);
}

static void test_frames_are_whole_in_every_state(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct geometry geometry = random_geometry();
        uint64_t seed = random_u64();
        struct source_frames frames = open_frames(geometry, geometry_payload_bytes(geometry), seed);
        for (int i = 0; i < 12; i++) {
            /* Any order: each buffer holds what an older frame left there. */
            int32_t id = (int32_t)random_below(1000000);
            static const enum frame_state states[] = {FRAME_STATE_AS_LEFT, FRAME_STATE_CACHED,
                                                      FRAME_STATE_EVICTED};
#if defined(__x86_64__)
            hides_clflushopt = random_below(2);
#endif
            source_frames_prepare(&frames, id, states[i % 3]);
            assert_whole(&frames, seed, id);
        }
        source_frames_close(&frames);
    }
}

static void test_the_consumer_knows_every_byte(void **state)
{
    (void)state;
    struct geometry geometry = random_geometry();
    size_t bytes = geometry_payload_bytes(geometry);
    uint64_t seed = random_u64(), checksums[CELL_SOURCE_FRAMES];
    struct err err;
    struct source_frames frames = open_frames(geometry, bytes, seed);
    struct frame_tag_weights weights = frame_tag_weights_make(bytes);
    assert_int_equal(source_frames_checksums(geometry, bytes, seed, checksums, &err), ST_OK);
    for (int i = 0; i < 20; i++) {
        int32_t id = (int32_t)random_below(1000000);
        source_frames_prepare(&frames, id, FRAME_STATE_AS_LEFT);
        /* A payload too small for a tag has weights of zero. */
        assert_true(
            frame_checksum_reference(source_frames_payload(&frames, id), bytes) ==
            frame_checksum_expected(checksums[id % CELL_SOURCE_FRAMES], weights, frame_tag(id)));
    }
    source_frames_close(&frames);
}

static void test_a_frame_without_payload_has_its_header(void **state)
{
    (void)state;
    struct geometry geometry = random_geometry();
    struct source_frames frames = open_frames(geometry, 0, random_u64());
    struct frame_header header;
    source_frames_prepare(&frames, 7, FRAME_STATE_AS_LEFT);
    frame_header_decode(source_frames_header(&frames, 7), &header);
    assert_int_equal(header.frame_id, 7);
    source_frames_close(&frames);
}

#if defined(__x86_64__)
/* Evicts one frame: each line of its payload is flushed once, no other, all by `how`. */
static void assert_evicts(enum flush how)
{
    struct geometry geometry = random_geometry();
    size_t bytes = geometry_payload_bytes(geometry);
    uint64_t seed = random_u64();
    struct source_frames frames = open_frames(geometry, bytes, seed);
    int32_t id = (int32_t)random_below(1000);
    source_frames_prepare(&frames, id, FRAME_STATE_CACHED);
    source_frames_prepare(&frames, id, FRAME_STATE_AS_LEFT);
    assert_int_equal(flush_counts[FLUSH_ORDERED] + flush_counts[FLUSH_UNORDERED], 0);
    source_frames_prepare(&frames, id, FRAME_STATE_EVICTED);
    size_t first = (size_t)(source_frames_payload(&frames, id) - frames.bytes) / 64;
    size_t lines = (bytes + 63) / 64;
    assert_int_equal(flush_counts[how], lines);
    assert_int_equal(flush_counts[how == FLUSH_ORDERED ? FLUSH_UNORDERED : FLUSH_ORDERED], 0);
    for (size_t i = 0; i < sizeof flush_lines; i++)
        assert_int_equal(flush_lines[i], i >= first && i < first + lines);
    assert_whole(&frames, seed, id);
    source_frames_close(&frames);
}
#endif

static void test_eviction_reaches_every_line(void **state)
{
    (void)state;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    hides_clflushopt = true;
    for (int i = 0; i < 5; i++)
        assert_evicts(FLUSH_ORDERED);
    hides_clflushopt = false;
    if (!fake_cpuid(7, 0, &a, &b, &c, &d) || !(b & bit_CLFLUSHOPT)) {
        print_message("not tried: this processor has no clflushopt\n");
        return;
    }
    for (int i = 0; i < 5; i++)
        assert_evicts(FLUSH_UNORDERED);
#else
    print_message("not tried: instructions are only counted on x86-64\n");
#endif
}

/* Where a frame stays lent until it has been released, the next one to be prepared is in none of
 * the buffers that `slots` frames under way still lie in; everywhere the content repeats with the
 * same period, by which the consumer knows what to expect. */
static void a_lent_buffer_is_not_prepared_again(void **state)
{
    static const struct transport lends = {.flags =
                                               TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE};
    static const struct transport sends = {.flags = TRANSPORT_SENDS_SOURCE};
    for (uint32_t slots = 1; slots <= 64; slots++) {
        struct cell cell = {.transport = &lends, .slots = slots};
        const uint32_t buffers = cell_source_buffers(&cell);
        assert_true(buffers > slots);
        assert_int_equal(buffers % CELL_SOURCE_FRAMES, 0);
        assert_true(buffers <= slots + CELL_SOURCE_FRAMES);
        cell.transport = &sends;
        assert_int_equal(cell_source_buffers(&cell), CELL_SOURCE_FRAMES);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lent_buffer_is_not_prepared_again),
        cmocka_unit_test(test_more_buffers_than_pictures),
        cmocka_unit_test(test_frames_are_whole_in_every_state),
        cmocka_unit_test(test_the_consumer_knows_every_byte),
        cmocka_unit_test(test_a_frame_without_payload_has_its_header),
        cmocka_unit_test(test_eviction_reaches_every_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
