/* frame.c: the header's bytes, the source's content and the integrity marks of a frame.
 *
 * Called by both roles around every frame (header, tags) and before the clock starts (source fill,
 * expected checksums), and by the tests as the plain reference. See frame.h for the definitions;
 * what is defined bit by bit (tag, source content; frame_mix.h) has no state, so that CUDA and
 * numpy can compute any word of it on their own.
 */
#include "harness/base/frame.h"

#include <endian.h>
#include <string.h>

#include "harness/base/frame_mix.h"

#define BLOCK_WORDS (FRAME_TAG_STRIDE / sizeof(uint64_t))

static inline void store_le32(uint8_t *bytes, int32_t value)
{
    uint32_t encoded = htole32((uint32_t)value);
    memcpy(bytes, &encoded, sizeof encoded);
}

static inline void store_le64(uint8_t *bytes, uint64_t value)
{
    uint64_t encoded = htole64(value);
    memcpy(bytes, &encoded, sizeof encoded);
}

static inline int32_t load_le32(const uint8_t *bytes)
{
    uint32_t encoded;
    memcpy(&encoded, bytes, sizeof encoded);
    return (int32_t)le32toh(encoded);
}

static inline uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t encoded;
    memcpy(&encoded, bytes, sizeof encoded);
    return le64toh(encoded);
}

/* ---- Header ---------------------------------------------------------------------------------- */

void frame_header_encode(const struct frame_header *header, uint8_t *bytes)
{
    store_le64(bytes, (uint64_t)header->timestamp_ns);
    store_le32(bytes + 8, header->width);
    store_le32(bytes + 12, header->height);
    store_le32(bytes + 16, header->channels);
    store_le32(bytes + 20, header->frame_id);
}

void frame_header_decode(const uint8_t *bytes, struct frame_header *header)
{
    *header = (struct frame_header){
        .timestamp_ns = (int64_t)load_le64(bytes),
        .width = load_le32(bytes + 8),
        .height = load_le32(bytes + 12),
        .channels = load_le32(bytes + 16),
        .frame_id = load_le32(bytes + 20),
    };
}

int32_t frame_header_id(const uint8_t *bytes)
{
    return load_le32(bytes + 20);
}

void frame_header_set_timestamp(uint8_t *bytes, int64_t timestamp_ns)
{
    store_le64(bytes, (uint64_t)timestamp_ns);
}

/* ---- Tags ------------------------------------------------------------------------------------ */

uint64_t frame_tag(int32_t frame_id)
{
    return frame_mix_tag(frame_id);
}

void frame_tags_write(uint8_t *payload, size_t payload_bytes, int32_t frame_id)
{
    uint64_t tag = frame_tag(frame_id);
    size_t count = frame_mix_tag_count(payload_bytes);
    for (size_t i = 0; i < count; i++)
        store_le64(payload + i * FRAME_TAG_STRIDE, tag);
}

static inline bool tag_matches(const uint8_t *payload, size_t index, uint64_t tag)
{
    return load_le64(payload + index * FRAME_TAG_STRIDE) == tag;
}

bool frame_tags_check(const uint8_t *payload, size_t payload_bytes, int32_t frame_id, bool inverted)
{
    uint64_t tag = inverted ? ~frame_tag(frame_id) : frame_tag(frame_id);
    size_t count = frame_mix_tag_count(payload_bytes);
    for (size_t i = 0; i < count; i++)
        if (!tag_matches(payload, i, tag))
            return false;
    return true;
}

bool frame_tags_check_sample(const uint8_t *payload, size_t payload_bytes, int32_t frame_id,
                             bool inverted, unsigned samples)
{
    size_t count = frame_mix_tag_count(payload_bytes);
    if (samples >= count)
        return frame_tags_check(payload, payload_bytes, frame_id, inverted);
    uint64_t tag = inverted ? ~frame_tag(frame_id) : frame_tag(frame_id);
    if (samples >= 1 && !tag_matches(payload, 0, tag))
        return false;
    if (samples >= 2 && !tag_matches(payload, count - 1, tag))
        return false;
    size_t strata = samples > 2 ? samples - 2 : 0;
    uint64_t random = frame_tag(frame_id);
    for (size_t i = 0; i < strata; i++) {
        random = frame_mix_sample_next(random);
        if (!tag_matches(payload, frame_mix_sample_tag(count, strata, i, random), tag))
            return false;
    }
    return true;
}

struct frame_tag_weights frame_tag_weights_make(size_t payload_bytes)
{
    /* Tag i is the words 1024 i and 1024 i + 1, whose weights are 2048 i + 1 and 2048 i + 3. */
    uint64_t count = frame_mix_tag_count(payload_bytes);
    uint64_t words_step = 2 * (FRAME_TAG_STRIDE / sizeof(uint32_t));
    uint64_t low_weight = count ? words_step * (count * (count - 1) / 2) + count : 0;
    return (struct frame_tag_weights){
        .low_weight = low_weight,
        .high_weight = low_weight + 2 * count,
    };
}

/* ---- Content --------------------------------------------------------------------------------- */

uint64_t frame_checksum_reference(const uint8_t *payload, size_t payload_bytes)
{
    uint64_t sum = 0;
    size_t words = payload_bytes / sizeof(uint32_t);
    for (size_t i = 0; i < words; i++)
        sum += (uint32_t)load_le32(payload + i * sizeof(uint32_t)) * (2 * (uint64_t)i + 1);
    size_t left = payload_bytes % sizeof(uint32_t);
    if (left > 0) {
        uint8_t last[sizeof(uint32_t)] = {0};
        memcpy(last, payload + words * sizeof(uint32_t), left);
        sum += (uint32_t)load_le32(last) * (2 * (uint64_t)words + 1);
    }
    return sum;
}

void frame_source_fill(uint8_t *payload, size_t payload_bytes, uint64_t seed, uint32_t index)
{
    uint64_t key = frame_mix_content_key(seed, index);
    size_t words = payload_bytes / sizeof(uint64_t);
    size_t i = 0;
    while (i < words) {
        size_t block_end = i + BLOCK_WORDS < words ? i + BLOCK_WORDS : words;
        store_le64(payload + i * sizeof(uint64_t), 0);
        for (i++; i < block_end; i++)
            store_le64(payload + i * sizeof(uint64_t), frame_mix_content_word(key, i));
    }
    size_t left = payload_bytes % sizeof(uint64_t);
    if (left > 0) {
        uint8_t last[sizeof(uint64_t)];
        store_le64(last, frame_mix_content_word(key, words));
        memcpy(payload + words * sizeof(uint64_t), last, left);
    }
}
