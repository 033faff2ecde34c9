/* test_hdr.c: histograms against plain definitions, and against hostile text.
 *
 * That other implementations read what we write is tested in tests/python.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "harness/measure/hdr.h"
#include "tests/support/random_input.h"

/* ---- A histogram as its definition says it, with a sorted array ------------------------------ */

enum { SAMPLES_MAX = 6000 };

static int compare_values(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* How far a value must be shifted to fit into 2048 sub-buckets. */
static unsigned plain_shift(int64_t value)
{
    unsigned shift = 0;
    while (value >> shift >= 2048)
        shift++;
    return shift;
}

static int64_t plain_low(int64_t value)
{
    unsigned shift = plain_shift(value);
    return value >> shift << shift;
}

static int64_t plain_high(int64_t value)
{
    unsigned shift = plain_shift(value);
    return plain_low(value) + ((int64_t)1 << shift) - 1;
}

static int64_t plain_quantile(const int64_t *sorted, size_t count, double percent)
{
    size_t rank = (size_t)(percent * (double)count / 100.0 + 0.5);
    if (rank < 1)
        rank = 1;
    return percent > 0.0 ? plain_high(sorted[rank - 1]) : plain_low(sorted[rank - 1]);
}

/* All magnitudes are as likely, so that every bucket is met. */
static int64_t random_value(void)
{
    int64_t value = (int64_t)(random_u64() >> (22 + random_below(42)));
    return value > HDR_HIGHEST_NS ? HDR_HIGHEST_NS : value;
}

static size_t fill_random(struct hdr *hdr, int64_t *values, size_t room)
{
    size_t count = random_size(room);
    for (size_t i = 0; i < count; i++) {
        values[i] = random_value();
        hdr_record(hdr, values[i]);
    }
    return count;
}

static void assert_same(const struct hdr *a, const struct hdr *b)
{
    size_t at_a = 0;
    size_t at_b = 0;
    struct hdr_bin bin_a;
    struct hdr_bin bin_b;
    assert_int_equal(hdr_count(a), hdr_count(b));
    assert_int_equal(hdr_max_ns(a), hdr_max_ns(b));
    assert_int_equal(hdr_min_ns(a), hdr_min_ns(b));
    for (;;) {
        int more = hdr_next_bin(a, &at_a, &bin_a);
        assert_int_equal(more, hdr_next_bin(b, &at_b, &bin_b));
        if (!more)
            return;
        assert_int_equal(bin_a.low_ns, bin_b.low_ns);
        assert_int_equal(bin_a.high_ns, bin_b.high_ns);
        assert_int_equal(bin_a.count, bin_b.count);
    }
}

/* ---- Figures --------------------------------------------------------------------------------- */

static void test_quantiles_match_sorted_values(void **state)
{
    static const double percents[] = {0.0, 0.01, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0};
    int64_t *values = calloc(SAMPLES_MAX, sizeof *values);
    struct hdr *hdr = hdr_new();
    for (int round = 0; round < 200; round++) {
        hdr_reset(hdr);
        size_t count = fill_random(hdr, values, SAMPLES_MAX);
        qsort(values, count, sizeof *values, compare_values);
        assert_int_equal(hdr_count(hdr), count);
        assert_int_equal(hdr_min_ns(hdr), plain_low(values[0]));
        assert_int_equal(hdr_max_ns(hdr), plain_high(values[count - 1]));
        for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++)
            assert_int_equal(hdr_quantile_ns(hdr, percents[i] / 100.0),
                             plain_quantile(values, count, percents[i]));
        assert_int_equal(hdr_quantile_ns(hdr, 1.5), hdr_max_ns(hdr));
    }
    hdr_free(hdr);
    free(values);
}

static void test_values_are_kept_to_three_digits(void **state)
{
    for (int round = 0; round < 500; round++) {
        struct hdr *hdr = hdr_new();
        int64_t value = random_value();
        hdr_record(hdr, value);
        int64_t low = hdr_min_ns(hdr);
        int64_t high = hdr_max_ns(hdr);
        assert_true(low <= value && value <= high);
        assert_true(value < 2048 ? low == high : (double)(high - low) < (double)value / 1000.0);
        hdr_free(hdr);
    }
}

static void test_mean_and_deviation(void **state)
{
    struct hdr *hdr = hdr_new();
    assert_true(hdr_mean_ns(hdr) == 0.0 && hdr_stddev_ns(hdr) == 0.0);
    /* Below 2048 every value is exact. */
    for (int i = 0; i < 8; i++)
        hdr_record(hdr, (const int64_t[]){2, 4, 4, 4, 5, 5, 7, 9}[i]);
    assert_true(hdr_mean_ns(hdr) == 5.0);
    assert_true(hdr_stddev_ns(hdr) == 2.0);
    hdr_reset(hdr);
    /* Above it, the middle of the cell stands for the value: 5000 lies in 5000 to 5003. */
    hdr_record_count(hdr, 5000, 3);
    assert_true(hdr_mean_ns(hdr) == 5002.0);
    /* Sums beyond 64 bits. */
    hdr_record_count(hdr, HDR_HIGHEST_NS, (uint64_t)1 << 40);
    assert_true(hdr_mean_ns(hdr) > 3.59e12 && hdr_mean_ns(hdr) < 3.61e12);
    hdr_free(hdr);
}

static void test_out_of_range_values(void **state)
{
    struct hdr *hdr = hdr_new();
    hdr_record(hdr, -1);
    hdr_record(hdr, INT64_MIN);
    assert_int_equal(hdr_max_ns(hdr), 0);
    assert_int_equal(hdr_clamped(hdr), 0);
    hdr_record(hdr, HDR_HIGHEST_NS);
    assert_int_equal(hdr_clamped(hdr), 0);
    hdr_record(hdr, HDR_HIGHEST_NS + 1);
    hdr_record_count(hdr, INT64_MAX, 4);
    assert_int_equal(hdr_clamped(hdr), 5);
    assert_int_equal(hdr_count(hdr), 8);
    assert_int_equal(hdr_max_ns(hdr), plain_high(HDR_HIGHEST_NS));
    hdr_record_count(hdr, 7, 0);
    assert_int_equal(hdr_count(hdr), 8);
    hdr_free(hdr);
}

static void test_infinite_samples_stay_in_the_distribution(void **state)
{
    struct hdr *hdr = hdr_new();
    assert_int_equal(hdr_quantile_with_infinite_ns(hdr, 0, 0.5), 0);
    assert_int_equal(hdr_quantile_with_infinite_ns(hdr, 1, 0.5), INT64_MAX);
    for (int i = 1; i <= 98; i++)
        hdr_record(hdr, i);
    /* 100 samples, the last two infinite. */
    assert_int_equal(hdr_quantile_with_infinite_ns(hdr, 2, 0.5), 50);
    assert_int_equal(hdr_quantile_with_infinite_ns(hdr, 2, 0.98), 98);
    assert_int_equal(hdr_quantile_with_infinite_ns(hdr, 2, 0.99), INT64_MAX);
    assert_int_equal(hdr_quantile_ns(hdr, 0.99), 97);
    hdr_free(hdr);
}

static void test_merge_is_recording_both(void **state)
{
    int64_t *values = calloc(SAMPLES_MAX, sizeof *values);
    for (int round = 0; round < 50; round++) {
        struct hdr *a = hdr_new();
        struct hdr *b = hdr_new();
        struct hdr *both = hdr_new();
        size_t count = fill_random(a, values, SAMPLES_MAX);
        for (size_t i = 0; i < count; i++)
            hdr_record(both, values[i]);
        /* Every tenth round merges an empty one. */
        count = round % 10 ? fill_random(b, values, SAMPLES_MAX) : 0;
        for (size_t i = 0; i < count; i++)
            hdr_record(both, values[i]);
        if (round % 2)
            hdr_merge(a, b);
        else
            hdr_merge(b, a);
        assert_same(round % 2 ? a : b, both);
        hdr_free(a);
        hdr_free(b);
        hdr_free(both);
    }
    free(values);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void assert_survives_text(const struct hdr *hdr)
{
    struct err err = {0};
    char *text = NULL;
    struct hdr *back = NULL;
    assert_int_equal(hdr_encode(hdr, &text, &err), ST_OK);
    assert_memory_equal(text, "HISTFAAA", 8);
    assert_int_equal(hdr_decode(text, &back, &err), ST_OK);
    assert_same(hdr, back);
    hdr_free(back);
    free(text);
}

static void test_text_round_trip(void **state)
{
    int64_t *values = calloc(SAMPLES_MAX, sizeof *values);
    struct hdr *hdr = hdr_new();
    assert_survives_text(hdr);
    hdr_record(hdr, 0);
    assert_survives_text(hdr);
    hdr_record(hdr, HDR_HIGHEST_NS);
    assert_survives_text(hdr);
    for (int round = 0; round < 60; round++) {
        hdr_reset(hdr);
        fill_random(hdr, values, SAMPLES_MAX);
        /* Counts that need from one to nine bytes. */
        for (int i = 0; i < 12; i++)
            hdr_record_count(hdr, random_value(), random_u64() >> (16 + random_below(48)));
        assert_survives_text(hdr);
    }
    hdr_free(hdr);
    free(values);
}

static char *to_base64(const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = calloc(count / 3 * 4 + 8, 1);
    size_t used = 0;
    for (size_t i = 0; i < count; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < count ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            text[used++] = i + k > count ? '=' : digits[group >> (18 - 6 * k) & 63];
    }
    return text;
}

static void put_be(uint8_t *bytes, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

/* A histogram's text with the given bytes where the counts go, everything else being right. */
static char *text_of_counts(const uint8_t *counts, size_t count)
{
    uint8_t *payload = calloc(40 + count, 1);
    put_be(payload, 0x1c849313, 4);
    put_be(payload + 4, count, 4);
    put_be(payload + 12, 3, 4);
    put_be(payload + 16, 1, 8);
    put_be(payload + 24, 3600000000000, 8);
    put_be(payload + 32, 0x3ff0000000000000, 8);
    memcpy(payload + 40, counts, count);
    uLongf bytes = compressBound((uLong)(40 + count));
    uint8_t *outer = malloc(8 + bytes);
    assert_int_equal(compress(outer + 8, &bytes, payload, (uLong)(40 + count)), Z_OK);
    put_be(outer, 0x1c849314, 4);
    put_be(outer + 4, bytes, 4);
    char *text = to_base64(outer, 8 + bytes);
    free(outer);
    free(payload);
    return text;
}

/* Decodes counts given as bytes; NULL unless it succeeds. */
static struct hdr *decode_counts(const uint8_t *counts, size_t count, struct err *err)
{
    struct hdr *hdr = NULL;
    char *text = text_of_counts(counts, count);
    enum status status = hdr_decode(text, &hdr, err);
    assert_true(status == ST_OK ? hdr != NULL : status == ST_CORRUPT && hdr == NULL);
    free(text);
    return hdr;
}

static void test_counts_by_hand(void **state)
{
    struct err err = {0};
    /* -3 (three empty), 5, -1 (one empty, which some write), 1. */
    struct hdr *hdr = decode_counts((const uint8_t[]){5, 10, 1, 2}, 4, &err);
    assert_non_null(hdr);
    assert_int_equal(hdr_count(hdr), 6);
    assert_int_equal(hdr_min_ns(hdr), 3);
    assert_int_equal(hdr_max_ns(hdr), 5);
    hdr_free(hdr);
    /* No counts at all. */
    hdr = decode_counts((const uint8_t[]){0}, 0, &err);
    assert_non_null(hdr);
    assert_int_equal(hdr_count(hdr), 0);
    hdr_free(hdr);
}

static void test_bad_counts_are_refused(void **state)
{
    static const struct {
        size_t count;
        uint8_t bytes[24];
        const char *cause;
    } bad[] = {
        {1, {0x80}, "cut off"},
        {8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "cut off"},
        /* INT64_MIN, a run as long as the whole 64 bits. */
        {9, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "more counts"},
        /* INT64_MAX samples. */
        {9, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "no run"},
        /* 33,792 empty ones, which is all there are, and one more. */
        {4, {0xff, 0x8f, 0x04, 0x02}, "more counts"},
        {4, {0xff, 0x8f, 0x04, 0x01}, "more counts"},
        {3, {0x81, 0x90, 0x04}, "more counts"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_null(decode_counts(bad[i].bytes, bad[i].count, &err));
        assert_non_null(strstr(err.what, bad[i].cause));
        assert_true(err.hint[0] != 0);
    }
    struct err err = {0};
    struct hdr *full = decode_counts((const uint8_t[]){0xff, 0x8f, 0x04}, 3, &err);
    assert_non_null(full);
    hdr_free(full);
}

static void test_hostile_counts_never_crash(void **state)
{
    uint8_t counts[4096];
    size_t accepted = 0;
    for (int round = 0; round < 3000; round++) {
        size_t count = random_size(round % 100 ? 64 : sizeof counts);
        random_bytes(counts, count);
        /* Half the rounds end their numbers early, so that some are accepted. */
        for (size_t i = 0; round % 2 && i < count; i++)
            counts[i] &= i % 3 == 2 || i + 1 == count ? 0x7f : 0xff;
        struct err err = {0};
        struct hdr *hdr = decode_counts(counts, count, &err);
        if (hdr)
            assert_survives_text(hdr);
        accepted += hdr != NULL;
        hdr_free(hdr);
    }
    assert_true(accepted > 0 && accepted < 3000);
}

static void assert_refused(const char *text)
{
    struct err err = {0};
    struct hdr *hdr = NULL;
    enum status status = hdr_decode(text, &hdr, &err);
    if (status == ST_OK)
        print_error("accepted: %s\n", text);
    assert_int_equal(status, ST_CORRUPT);
    assert_null(hdr);
    assert_true(err.what[0] != 0);
}

static void test_broken_text_is_refused(void **state)
{
    struct hdr *hdr = hdr_new();
    char *text = NULL;
    int64_t values[300];
    fill_random(hdr, values, 300);
    assert_int_equal(hdr_encode(hdr, &text, NULL), ST_OK);
    size_t length = strlen(text);
    static const char *const plain[] = {"",
                                        "=",
                                        "====",
                                        "HIST",
                                        "HISTFAAA",
                                        "HISTFAAAAAA=",
                                        "HISTFAAAAAAA====",
                                        "not base64!!",
                                        "\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        assert_refused(plain[i]);
    for (size_t cut = 0; cut < length; cut++) {
        char *shorter = strndup(text, cut);
        assert_refused(shorter);
        free(shorter);
    }
    /* Each character replaced by another one: zlib's own checksum catches those inside; what is not
     * part of any byte (the last bits of the padding) may pass, and then means the same. */
    for (size_t i = 0; i < length; i++) {
        struct hdr *back = NULL;
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        if (hdr_decode(text, &back, NULL) == ST_OK)
            assert_same(hdr, back);
        hdr_free(back);
        text[i] = kept;
    }
    free(text);
    hdr_free(hdr);
}

static void test_lengths_and_bombs_are_refused(void **state)
{
    /* 16 MB of zeros compress to 16 kB. */
    size_t bomb_bytes = (size_t)16 << 20;
    uint8_t *bomb = calloc(bomb_bytes, 1);
    char *text = text_of_counts(bomb, bomb_bytes);
    assert_refused(text);
    free(text);
    free(bomb);
    /* Bytes behind the end of the compressed stream, with the length set to include them. */
    uint8_t payload[41] = {0x1c, 0x84, 0x93, 0x13};
    uint8_t outer[256] = {0x1c, 0x84, 0x93, 0x14};
    put_be(payload + 4, 1, 4);
    put_be(payload + 12, 3, 4);
    put_be(payload + 16, 1, 8);
    put_be(payload + 24, 3600000000000, 8);
    uLongf bytes = sizeof outer - 8;
    assert_int_equal(compress(outer + 8, &bytes, payload, sizeof payload), Z_OK);
    put_be(outer + 4, bytes + 2, 4);
    text = to_base64(outer, 8 + bytes + 2);
    assert_refused(text);
    free(text);
    /* Without them it is right; with another precision it is not. */
    put_be(outer + 4, bytes, 4);
    text = to_base64(outer, 8 + bytes);
    struct hdr *hdr = NULL;
    assert_int_equal(hdr_decode(text, &hdr, NULL), ST_OK);
    hdr_free(hdr);
    free(text);
    payload[15] = 2;
    bytes = sizeof outer - 8;
    assert_int_equal(compress(outer + 8, &bytes, payload, sizeof payload), Z_OK);
    put_be(outer + 4, bytes, 4);
    text = to_base64(outer, 8 + bytes);
    assert_refused(text);
    free(text);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_match_sorted_values),
        cmocka_unit_test(test_values_are_kept_to_three_digits),
        cmocka_unit_test(test_mean_and_deviation),
        cmocka_unit_test(test_out_of_range_values),
        cmocka_unit_test(test_infinite_samples_stay_in_the_distribution),
        cmocka_unit_test(test_merge_is_recording_both),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_counts_by_hand),
        cmocka_unit_test(test_bad_counts_are_refused),
        cmocka_unit_test(test_hostile_counts_never_crash),
        cmocka_unit_test(test_broken_text_is_refused),
        cmocka_unit_test(test_lengths_and_bombs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
