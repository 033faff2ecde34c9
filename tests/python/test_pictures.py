"""The data of percentile curves, computed a second time from the values themselves."""
import json
import math
import os
import subprocess

from hdrh.histogram import HdrHistogram

FRAMES = {"spin": (400, 900, 1200), "futex": (900, 800, 60)}


def encoded(values):
    hist = HdrHistogram(1, 3600000000000, 3)
    for value in values:
        hist.record_value(value)
    text = hist.encode()
    return text.decode() if isinstance(text, bytes) else text


def interval_of(values):
    return {"count": len(values), "infinite": 0, "min_ns": min(values), "max_ns": max(values),
            "histogram": encoded(values)}


def cell_of(wait, launches):
    merged = sorted(value for values in launches for value in values)
    middle = merged[len(merged) // 2]
    cell = {"id": "shm+" + wait, "block": 0, "status": "ok", "payload_bytes": 12288,
            "axes": {"transport": "shm", "wait": wait, "frame": "64x64x3", "pacing": "pingpong"},
            "intervals": {"latency": interval_of(merged)},
            "launches": [{"launch": k, "status": "ok", "frames": len(values),
                          "intervals": {"latency": interval_of(values)}}
                         for k, values in enumerate(launches)]}
    cell["intervals"]["latency"]["quantiles"] = {
        "p50": {"value_ns": middle, "low_ns": middle, "high_ns": middle, "spread": "range",
                "launches": len(launches)}}
    return cell


def quantile(ordered, x):
    """The sample of that rank, at the quantile 1 - 1/x, as HdrHistogram defines it."""
    return ordered[max(1, math.floor((1 - 1 / x) * len(ordered) + 0.5)) - 1]


def is_close(printed, values, x):
    """Within the histogram's resolution; a rank may fall on either of two neighbours."""
    near = [quantile(values, x * factor) for factor in (1 - 1e-5, 1, 1 + 1e-5)]
    return any(abs(printed - value) <= 1 + value / 999 for value in near)


def test_curves_and_bands_are_those_of_the_values(handoff, rng, tmp_path):
    drawn = {wait: [sorted(max(1, int(rng.lognormvariate(math.log(30000) + 0.2 * k, 0.7)))
                           for _ in range(count)) for k, count in enumerate(counts)]
             for wait, counts in FRAMES.items()}
    result = {"schema": "handoff-result", "schema_version": 1, "scenario": {"name": "drawn"},
              "blocks": [{"name": "waits", "compare": "wait"}],
              "cells": [cell_of(wait, launches) for wait, launches in drawn.items()]}
    (tmp_path / "result.json").write_text(json.dumps(result))
    # Data needs no gnuplot, and its absence is a warning.
    done = subprocess.run([handoff, "report", str(tmp_path)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=60,
                          env=dict(os.environ, PATH=str(tmp_path)))
    assert done.returncode == 0 and "gnuplot is not installed" in done.stderr, done.stderr
    curves = (tmp_path / "plots" / "1-percentiles-1.tsv").read_text().split("\n\n\n")
    assert len(curves) == 2
    for curve in curves:
        heading, *rows = curve.strip().splitlines()
        launches = drawn[heading.split("\t")[1]]
        merged = sorted(value for values in launches for value in values)
        fewest, banded, rows = min(map(len, launches)), 0, [row.split("\t") for row in rows]
        for x, y, low, high in rows:
            x = float(x)
            assert is_close(int(y), merged, x), (x, y)
            has_band = (1 - 1 / x) ** fewest <= 0.025
            assert (low != "?") == has_band, (x, fewest)
            if has_band:
                banded += 1
                assert any(is_close(int(low), values, x) for values in launches)
                assert int(low) <= min(quantile(v, x * 1.00001) for v in launches) * 1.002 + 1
                assert int(high) >= max(quantile(v, x * 0.99999) for v in launches) * 0.998 - 1
                assert any(is_close(int(high), values, x) for values in launches)
        assert float(rows[-1][0]) == len(merged)  # the curve ends where its samples do
        assert 20 < banded < len(rows)
