/* hdr_codec.c: histograms as text: HdrHistogram V2, compressed, base64.
 *
 * Outer form, big-endian: u32 cookie, i32 length, zlib stream. Inside: a header of 40 bytes, then
 * the counts as ZigZag LEB128 of at most 9 bytes each (the ninth carries 8 bits), where -n stands
 * for n empty ones. What is decoded comes from files that anybody may have written.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "harness/measure/hdr.h"
#include "harness/measure/hdr_layout.h"

#define HDR_COOKIE_COMPRESSED 0x1c849314u
#define HDR_COOKIE_PAYLOAD 0x1c849313u
#define HDR_OUTER_BYTES 8
#define HDR_HEADER_BYTES 40
#define HDR_VARINT_BYTES_MAX 9
#define HDR_PAYLOAD_BYTES_MAX (HDR_HEADER_BYTES + (size_t)HDR_COUNTS * HDR_VARINT_BYTES_MAX)

static const char hdr_broken_hint[] = "the file is damaged, or was not written by handoff";

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void hdr_put_be(uint8_t *bytes, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static uint64_t hdr_get_be(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

static char *base64_encode(const uint8_t *bytes, size_t count)
{
    char *text = malloc((count + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    char *at = text;
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        *at++ = base64_digits[group >> 18];
        *at++ = base64_digits[group >> 12 & 63];
        *at++ = left > 1 ? base64_digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? base64_digits[group & 63] : '=';
    }
    *at = 0;
    return text;
}

/* The value of a digit, or -1. */
static int base64_value(char digit)
{
    const char *found = digit ? strchr(base64_digits, digit) : NULL;
    return found ? (int)(found - base64_digits) : -1;
}

static enum status base64_decode(const char *text, uint8_t **bytes, size_t *count, struct err *err)
{
    size_t length = strlen(text);
    if (length == 0 || length % 4 != 0)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: %zu characters are not base64, which comes in fours", length);
    size_t padding = text[length - 1] != '=' ? 0 : text[length - 2] != '=' ? 1 : 2;
    uint8_t *out = malloc(length / 4 * 3);
    if (!out)
        return err_set(err, ST_NO_MEMORY, NULL, "histogram: out of memory");
    for (size_t i = 0; i < length; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            bool is_padding = i + k >= length - padding;
            int value = is_padding ? 0 : base64_value(text[i + k]);
            if (value < 0) {
                free(out);
                return err_set(err, ST_CORRUPT, hdr_broken_hint,
                               "histogram: character %zu is not base64", i + k);
            }
            group = group << 6 | (uint32_t)value;
        }
        hdr_put_be(out + i / 4 * 3, group, 3);
    }
    *bytes = out;
    *count = length / 4 * 3 - padding;
    return ST_OK;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static size_t hdr_put_varint(uint8_t *bytes, int64_t value)
{
    uint64_t zigzag = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
    size_t used = 0;
    while (used < HDR_VARINT_BYTES_MAX - 1 && zigzag >= 0x80) {
        bytes[used++] = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    bytes[used++] = (uint8_t)zigzag;
    return used;
}

/* Bytes read, or 0 when they end too soon. */
static size_t hdr_get_varint(const uint8_t *bytes, size_t count, int64_t *value)
{
    uint64_t zigzag = 0;
    for (size_t i = 0; i < count && i < HDR_VARINT_BYTES_MAX; i++) {
        bool is_ninth = i == HDR_VARINT_BYTES_MAX - 1;
        zigzag |= (uint64_t)(is_ninth ? bytes[i] : bytes[i] & 0x7f) << (7 * i);
        if (is_ninth || bytes[i] < 0x80) {
            *value = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
            return i + 1;
        }
    }
    return 0;
}

static size_t hdr_put_counts(uint8_t *bytes, const struct hdr *hdr)
{
    /* An empty histogram has one count, a zero: what the original writes. */
    uint32_t end = hdr->index_end ? hdr->index_end : 1;
    size_t used = 0;
    for (uint32_t i = 0; i < end;) {
        uint32_t zeros = 0;
        while (i + zeros < end && hdr->counts[i + zeros] == 0)
            zeros++;
        if (zeros > 1) {
            used += hdr_put_varint(bytes + used, -(int64_t)zeros);
            i += zeros;
        } else {
            used += hdr_put_varint(bytes + used, (int64_t)hdr->counts[i]);
            i++;
        }
    }
    return used;
}

static enum status hdr_get_counts(const uint8_t *bytes, size_t count, struct hdr *hdr,
                                  struct err *err)
{
    uint64_t index = 0;
    for (size_t used = 0; used < count;) {
        int64_t value;
        size_t step = hdr_get_varint(bytes + used, count - used, &value);
        if (step == 0)
            return err_set(err, ST_CORRUPT, hdr_broken_hint,
                           "histogram: the last count is cut off");
        used += step;
        uint64_t zeros = value < 0 ? (uint64_t)0 - (uint64_t)value : 0;
        if (zeros > HDR_COUNTS - index || (value >= 0 && index >= HDR_COUNTS))
            return err_set(err, ST_CORRUPT, hdr_broken_hint,
                           "histogram: more counts than the %d it can have", HDR_COUNTS);
        if (value < 0) {
            index += zeros;
            continue;
        }
        if ((uint64_t)value > HDR_COUNT_MAX - hdr->total)
            return err_set(err, ST_CORRUPT, hdr_broken_hint,
                           "histogram: counts that no run can have reached");
        hdr->counts[index] = (uint64_t)value;
        hdr->total += (uint64_t)value;
        index++;
        if (value > 0)
            hdr->index_end = (uint32_t)index;
    }
    return ST_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static size_t hdr_put_payload(uint8_t *bytes, const struct hdr *hdr)
{
    size_t counts_bytes = hdr_put_counts(bytes + HDR_HEADER_BYTES, hdr);
    double ratio = 1.0;
    uint64_t ratio_bits;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    hdr_put_be(bytes, HDR_COOKIE_PAYLOAD, 4);
    hdr_put_be(bytes + 4, counts_bytes, 4);
    hdr_put_be(bytes + 8, 0, 4); /* normalizing index offset */
    hdr_put_be(bytes + 12, HDR_SIGNIFICANT_DIGITS, 4);
    hdr_put_be(bytes + 16, HDR_LOWEST_NS, 8);
    hdr_put_be(bytes + 24, HDR_HIGHEST_NS, 8);
    hdr_put_be(bytes + 32, ratio_bits, 8);
    return HDR_HEADER_BYTES + counts_bytes;
}

enum status hdr_encode(const struct hdr *hdr, char **text, struct err *err)
{
    enum status status = ST_NO_MEMORY;
    uint8_t *compressed = NULL;
    size_t room = HDR_HEADER_BYTES + ((size_t)hdr->index_end + 1) * HDR_VARINT_BYTES_MAX;
    uint8_t *payload = malloc(room);
    if (!payload)
        return err_set(err, ST_NO_MEMORY, NULL, "histogram: out of memory");
    size_t payload_bytes = hdr_put_payload(payload, hdr);
    uLongf compressed_bytes = compressBound((uLong)payload_bytes);
    compressed = malloc(HDR_OUTER_BYTES + compressed_bytes);
    if (!compressed)
        goto undo_payload;
    if (compress2(compressed + HDR_OUTER_BYTES, &compressed_bytes, payload, (uLong)payload_bytes,
                  Z_DEFAULT_COMPRESSION) != Z_OK)
        goto undo_compressed;
    hdr_put_be(compressed, HDR_COOKIE_COMPRESSED, 4);
    hdr_put_be(compressed + 4, compressed_bytes, 4);
    char *encoded = base64_encode(compressed, HDR_OUTER_BYTES + compressed_bytes);
    if (!encoded)
        goto undo_compressed;
    *text = encoded;
    status = ST_OK;
undo_compressed:
    free(compressed);
undo_payload:
    free(payload);
    return status == ST_OK ? ST_OK : err_set(err, status, NULL, "histogram: out of memory");
}

static enum status hdr_check_header(const uint8_t *payload, size_t bytes, struct err *err)
{
    if (bytes < HDR_HEADER_BYTES || hdr_get_be(payload, 4) != HDR_COOKIE_PAYLOAD)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: what was compressed is not an HdrHistogram V2");
    if (hdr_get_be(payload + 4, 4) != bytes - HDR_HEADER_BYTES)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: says it has %llu bytes of counts and has %zu",
                       (unsigned long long)hdr_get_be(payload + 4, 4), bytes - HDR_HEADER_BYTES);
    if (hdr_get_be(payload + 8, 4) != 0 || hdr_get_be(payload + 12, 4) != HDR_SIGNIFICANT_DIGITS ||
        hdr_get_be(payload + 16, 8) != HDR_LOWEST_NS ||
        hdr_get_be(payload + 24, 8) != HDR_HIGHEST_NS)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: its range or precision is not 1 ns to an hour with %d digits",
                       HDR_SIGNIFICANT_DIGITS);
    return ST_OK;
}

/* Inflates into `payload` of HDR_PAYLOAD_BYTES_MAX bytes; all input must be used up. */
static enum status hdr_inflate(const uint8_t *bytes, size_t count, uint8_t *payload,
                               size_t *payload_bytes, struct err *err)
{
    if (count < HDR_OUTER_BYTES || hdr_get_be(bytes, 4) != HDR_COOKIE_COMPRESSED)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: does not begin as a compressed HdrHistogram V2 does");
    if (hdr_get_be(bytes + 4, 4) != count - HDR_OUTER_BYTES)
        return err_set(err, ST_CORRUPT, hdr_broken_hint,
                       "histogram: says it is %llu bytes long and is %zu",
                       (unsigned long long)hdr_get_be(bytes + 4, 4), count - HDR_OUTER_BYTES);
    uLongf room = HDR_PAYLOAD_BYTES_MAX;
    uLong used = (uLong)(count - HDR_OUTER_BYTES);
    int result = uncompress2(payload, &room, bytes + HDR_OUTER_BYTES, &used);
    if (result != Z_OK || used != count - HDR_OUTER_BYTES)
        return err_set(err, ST_CORRUPT, hdr_broken_hint, "histogram: cannot be decompressed (%s)",
                       result == Z_OK ? "bytes are left over" : zError(result));
    *payload_bytes = room;
    return ST_OK;
}

enum status hdr_decode(const char *text, struct hdr **hdr, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    enum status status = base64_decode(text, &bytes, &count, err);
    if (status != ST_OK)
        return status;
    uint8_t *payload = malloc(HDR_PAYLOAD_BYTES_MAX);
    struct hdr *decoded = hdr_new();
    if (!payload || !decoded) {
        status = err_set(err, ST_NO_MEMORY, NULL, "histogram: out of memory");
        goto undo;
    }
    size_t payload_bytes = 0;
    status = hdr_inflate(bytes, count, payload, &payload_bytes, err);
    if (status == ST_OK)
        status = hdr_check_header(payload, payload_bytes, err);
    if (status == ST_OK)
        status = hdr_get_counts(payload + HDR_HEADER_BYTES, payload_bytes - HDR_HEADER_BYTES,
                                decoded, err);
    if (status == ST_OK) {
        *hdr = decoded;
        decoded = NULL;
    }
undo:
    hdr_free(decoded);
    free(payload);
    free(bytes);
    return status;
}
