"""Our histograms against the Python package hdrhistogram, to the last digit."""
import math

from hdrh.histogram import HdrHistogram

HIGHEST_NS = 3600000000000
ROUNDS = 16  # others each time: their package takes a tenth of a second for one


def empty():
    return HdrHistogram(1, HIGHEST_NS, 3)


def random_pairs(rng):
    """Values of one random range, with counts of one random size; sometimes none at all."""
    if rng.random() < 0.08:
        return []
    low = rng.choice([0, 1, 50, 2000, 10 ** 6])
    high = min(HIGHEST_NS, low + 10 ** rng.uniform(0, 12.6))
    most = 10 ** rng.uniform(0, rng.choice([0.1, 3, 9]))
    pairs = []
    for _ in range(int(10 ** rng.uniform(0, 3))):
        value = rng.uniform(low, high) if rng.random() < 0.5 else low + (high - low) ** rng.random()
        pairs.append((int(min(value, HIGHEST_NS)), int(rng.uniform(1, most + 1))))
    return pairs


def record_line(pairs):
    return "record " + " ".join("%d:%d" % pair for pair in pairs)


def recorded(pairs):
    histogram = empty()
    for value, count in pairs:
        assert histogram.record_value(value, count)
    return histogram


def assert_agree(answer, oracle):
    """`answer` is ours; `oracle` a histogram of theirs, of the same values."""
    assert answer["count"] == oracle.get_total_count()
    assert answer["min_ns"] == oracle.get_min_value()
    assert answer["max_ns"] == oracle.get_max_value()
    # JSON carries 15 digits of a fraction.
    assert math.isclose(answer["mean_ns"], oracle.get_mean_value(), rel_tol=1e-14)
    assert math.isclose(answer["stddev_ns"], oracle.get_stddev(), rel_tol=1e-12)
    pairs = list(zip(answer["quantiles"][0::2], answer["quantiles"][1::2]))
    assert len(pairs) == 15
    for q, value in pairs:
        assert value == oracle.get_value_at_percentile(q * 100), q


def same_counts(one, other):
    length = one.counts_len
    assert length == other.counts_len
    return all(one.get_count_at_index(i) == other.get_count_at_index(i) for i in range(length))


def test_they_decode_what_we_encode(ask, rng):
    batches = [random_pairs(rng) for _ in range(ROUNDS)] + [[], [(0, 1)], [(HIGHEST_NS, 1)]]
    batches.append([(rng.randrange(HIGHEST_NS), rng.randint(1, 9)) for _ in range(200)])
    for pairs, answer in zip(batches, ask([record_line(pairs) for pairs in batches])):
        assert answer["histogram"].startswith("HISTFAAA")
        decoded = HdrHistogram.decode(answer["histogram"])
        assert same_counts(decoded, recorded(pairs))
        assert_agree(answer, decoded)
        assert_agree(answer, recorded(pairs))


def test_merged_histograms_agree(ask, rng):
    for _ in range(6):
        batches = [random_pairs(rng) for _ in range(rng.randint(1, 6))]
        merged = ask([record_line(pairs) for pairs in batches] + ["merge"])[-1]
        oracle = empty()
        for pairs in batches:
            for value, count in pairs:
                oracle.record_value(value, count)
        assert same_counts(HdrHistogram.decode(merged["histogram"]), oracle)
        assert_agree(merged, oracle)


def test_an_empty_merge_agrees(ask):
    answer = ask(["record", "record", "merge"])[-1]
    assert answer["count"] == 0
    assert_agree(answer, empty())
    assert_agree(answer, HdrHistogram.decode(answer["histogram"]))


def test_we_decode_what_they_encode(ask, rng):
    oracles = [recorded(random_pairs(rng)) for _ in range(ROUNDS)] + [empty()]
    lines = ["decode " + oracle.encode().decode() for oracle in oracles]
    for oracle, answer in zip(oracles, ask(lines)):
        assert_agree(answer, oracle)


def test_hgrm_is_the_same_distribution(ask, rng):
    """Rows of the text form: levels rise to 1, values and counts are those of the histogram."""
    batches = [pairs for pairs in (random_pairs(rng) for _ in range(10)) if pairs]
    for answer in ask([record_line(pairs) for pairs in batches]):
        oracle = HdrHistogram.decode(answer["histogram"])
        lines = answer["hgrm"].splitlines()
        assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
        assert lines[1] == ""
        rows = [line.split() for line in lines[2:] if not line.startswith("#")]
        levels = [float(row[1]) for row in rows]
        assert levels[0] == 0.0 and levels[-1] == 1.0 and levels == sorted(levels)
        assert len(rows[-1]) == 3 and all(len(row) == 4 for row in rows[:-1])
        assert float(rows[-1][0]) == oracle.get_max_value()
        assert int(rows[-1][2]) == oracle.get_total_count()
        for row in rows:
            value, count = float(row[0]), int(row[2])
            assert value == oracle.get_highest_equivalent_value(int(value))
            assert count == sum_up_to(oracle, int(value))
            assert count >= float(row[1]) * oracle.get_total_count() - 1e-6 * oracle.get_total_count()
        assert "#[Max     = %12.3f, Total count    = %12d]" % (
            oracle.get_max_value(), oracle.get_total_count()) in lines
        assert "#[Buckets = %12d, SubBuckets     = %12d]" % (
            oracle.bucket_count, oracle.sub_bucket_count) in lines


def sum_up_to(oracle, value):
    if not hasattr(oracle, "running"):
        oracle.running, total = [], 0
        for index in range(oracle.counts_len):
            total += oracle.get_count_at_index(index)
            oracle.running.append(total)
    return oracle.running[oracle.get_counts_array_index(value)]
