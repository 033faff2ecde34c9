"""A real run's result: valid against the schema, and every printed figure borne out by its histogram."""
import copy
import json
import math
import os
import re
import subprocess
import sys

import jsonschema
import pytest
from hdrh.histogram import HdrHistogram

# Members that are not always there, or that older results lack, at any place they have.
OPTIONAL = ("deadline", "floor", "conversion_error_ppm", "cpus_agree_ns", "candidates", "scheduling",
            "claim", "baseline", "search", "system_less_null", "producer_wait", "phase",
            "timer_slack_ns", "idle_latency", "load", "sync", "order", "depth", "register_per_frame",
            "gpu_sharing", "pages", "machine", "moved_bytes", "gpu", "peer", "python", "clock", "detector",
            "library_threads", "peer", "read", "gc", "array", "timeline", "unfinished", "fitness", "clocks",
            "idle_latency_held", "cpu", "copies")
QUANTILES = (("p50", 50.0, 6), ("p90", 90.0, 36), ("p99", 99.0, 368), ("p999", 99.9, 3688))


@pytest.fixture(scope="session")
def schema(root):
    with open(os.path.join(root, "results", "schema.json"), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def run_folder(root, handoff, tmp_path_factory):
    scenario = os.path.join(root, "scenarios", "smoke.json")
    folder = tmp_path_factory.mktemp("smoke") / "out"
    done = subprocess.run([handoff, "run", scenario, "--out", str(folder), "--quiet"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=200)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def result(run_folder):
    with open(str(run_folder / "result.json"), encoding="utf-8") as file:
        return json.load(file)


def errors(schema, instance):
    validator = jsonschema.Draft202012Validator(schema)
    return ["%s: %s" % ("/".join(map(str, e.path)), e.message) for e in validator.iter_errors(instance)]


def test_the_result_is_valid(schema, result):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert errors(schema, result) == []
    assert "floor" in result
    assert result["run"]["complete"] and any(cell["status"] == "ok" for cell in result["cells"])


def test_a_result_of_two_hosts_is_valid(schema, root, handoff, tmp_path):
    """Both sides on this host: a round trip, and a rate at which one-way times may be withheld."""
    scenario, key = tmp_path / "s.json", tmp_path / "key"
    scenario.write_text(json.dumps({"name": "two", "base": {
        "transport": "tcp", "wait": "block", "frame": "64x1x1", "frames": 14, "warmup": 2,
        "launches": 1}, "blocks": [{"name": "b", "axes": {"pacing": ["pingpong", "rate:200"]}}]}))
    key.write_text("a key for a test, and for nothing else")
    key.chmod(0o600)
    serve = subprocess.Popen([handoff, "serve", "--listen", "127.0.0.1:0", "--key-file", str(key),
                              "--once"], stderr=subprocess.PIPE, universal_newlines=True)
    said = serve.stderr.readline()
    if "libcrypto" in said:
        pytest.skip(said)
    port = re.search(r"port (\d+)", said).group(1)
    done = subprocess.run([handoff, "run", str(scenario), "--out", str(tmp_path / "out"), "--quiet",
                           "--peer", "127.0.0.1:" + port, "--key-file", str(key)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=60)
    serve.communicate(timeout=20)
    assert done.returncode == 0 and serve.returncode == 0, done.stderr
    with open(str(tmp_path / "out" / "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    assert errors(schema, result) == []
    assert result["peer"] and all(launch["peer"]["before"] and launch["peer"]["after"]
                                  for cell in result["cells"] for launch in cell["launches"])
    # What the clocks cannot tell has no timeline either.
    assert all(("timeline" in launch) == (name in launch["intervals"])
               for cell in result["cells"] for launch in cell["launches"]
               for name in ["response" if "rate" in cell["axes"]["pacing"] else "latency"])


def test_a_result_of_python_roles_is_valid(schema, handoff, tmp_path):
    """This interpreter has numpy; a build with a sanitizer has no library for it."""
    scenario = tmp_path / "s.json"
    (tmp_path / "my.py").write_text("def detect(frame):\n    return int(frame[0, 0, 0])\n")
    scenario.write_text(json.dumps({"name": "python", "base": {
        "transport": "shm", "wait": "futex", "frame": "64x48x3", "frames": 14, "warmup": 2,
        "launches": 1, "pacing": "rate:500"}, "blocks": [
            {"name": "b", "axes": {"peer": ["c/c", "python/c"]}},
            {"name": "d", "base": {"peer": "c/python", "kernel": "detector"}}]}))
    done = subprocess.run([handoff, "run", str(scenario), "--out", str(tmp_path / "out"), "--quiet",
                           "--no-floor", "--detector", str(tmp_path / "my.py") + ":detect"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, HANDOFF_ROLE_PYTHON=sys.executable), timeout=60)
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / "out" / "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    assert errors(schema, result) == []
    cells = {cell["axes"]["peer"]: cell for cell in result["cells"]}
    if cells["python/c"]["status"] == "unavailable":
        pytest.skip(cells["python/c"]["reason"])
    roles = [sorted(cells[peer]["launches"][0].get("python", {}))
             for peer in ("c/c", "python/c", "c/python")]
    assert roles == [[], ["producer"], ["consumer"]]
    assert "detector" in cells["c/python"]["launches"][0]["python"]["consumer"]


def places(value, path=()):
    """Every object within, as the keys that lead to it."""
    if isinstance(value, dict):
        yield path
    items = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, path + (key,))


def kind_of(path):
    """Places of one kind have one schema: the items of a list, the intervals and their quantiles."""
    return tuple("*" if isinstance(key, int) or before in ("intervals", "quantiles") else key
                 for before, key in zip(("",) + path, path))


def test_the_schema_would_notice(schema, result, rng):
    """Any member taken out, added or of another type makes it invalid; all of them, since a draw
    would miss one for months and then fail on somebody else's change."""
    small = copy.deepcopy(result)
    small["environment"] = {"before": {}, "after": {}}
    small["cells"] = [max(small["cells"], key=lambda cell: len(cell["intervals"]))]
    small["cells"][0]["launches"] = small["cells"][0]["launches"][:1]
    # Members of these are free: the environment, and which intervals a cell has.
    found = {}
    for path in places(small):
        if path[:1] != ("environment",) and path[-1:] != ("intervals",):
            found.setdefault(kind_of(path), []).append(path)
    assert len(found) > 30
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(small)
    missed = []
    for path in (rng.choice(same) for same in found.values()):
        place = small
        for key in path:
            place = place[key]
        for key, value in sorted(place.items()):
            place[key] = {"surprise": value}
            if validator.is_valid(small):
                missed.append((path, key, "of another type"))
            if key not in OPTIONAL:
                del place[key]
                if validator.is_valid(small):
                    missed.append((path, key, "taken out"))
            place[key] = value
        place["surprise"] = 1
        if validator.is_valid(small):
            missed.append((path, "surprise", "added"))
        del place["surprise"]
    assert missed == []
    assert validator.is_valid(small)


def test_the_floor_is_valid(schema, handoff):
    done = subprocess.run([handoff, "floor", "--json", "--frame", "320x240x3"], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    floor = dict(schema, **{"$ref": "#/$defs/floor"})
    for key in ("type", "properties", "required", "additionalProperties"):
        floor.pop(key)
    assert errors(floor, json.loads(done.stdout)) == []


def expected(histogram, count_infinite, percent, frames_min):
    """What a launch must print: the value, None or "inf"."""
    count = histogram.get_total_count()
    total = count + count_infinite
    if total < frames_min:
        return None
    rank = max(1, int(percent * total / 100 + 0.5))
    if rank > count:
        return "inf"
    running = 0
    for index in range(histogram.counts_len):
        running += histogram.get_count_at_index(index)
        if running >= rank:
            return histogram.get_highest_equivalent_value(histogram.get_value_from_index(index))
    raise AssertionError("rank beyond the histogram")


def assert_moments(interval, histogram):
    assert interval["count"] == histogram.get_total_count()
    assert interval["min_ns"] == histogram.get_min_value()
    assert interval["max_ns"] == histogram.get_max_value()
    assert math.isclose(interval["mean_ns"], histogram.get_mean_value(), rel_tol=1e-14)


def assert_estimate(estimate, values, is_shown):
    # Only if every launch has one: those that happen to have frames enough are a selection.
    values = values if is_shown and None not in values else []
    assert estimate["launches"] == len(values)
    if not values:
        assert estimate["spread"] == "none" and estimate["value_ns"] is None
    elif "inf" in values:
        assert estimate["value_ns"] == estimate["high_ns"] == "inf"
    else:
        mean = math.exp(sum(math.log(max(value, 1)) for value in values) / len(values))
        assert abs(estimate["value_ns"] - mean) <= 0.5 + 1e-9 * mean
        assert estimate["spread"] == ("ci95" if len(values) >= 10 else "range")
        if estimate["spread"] == "range":
            assert (estimate["low_ns"], estimate["high_ns"]) == (min(values), max(values))


def test_every_figure_is_that_of_its_histogram(result):
    checked = 0
    for cell in result["cells"]:
        rows = [row for row in cell["launches"] if row["status"] == "ok"]
        frames = sum(row["frames"] for row in rows)
        for name, interval in cell["intervals"].items():
            # The few frames that were waited for do not speak for many that were not.
            is_shown = name != "handoff" or 2 * cell["backlog_frames"] <= frames
            merged = HdrHistogram(1, 3600000000000, 3)
            printed = {key: [] for key, _, _ in QUANTILES}
            for row in rows:
                row = row["intervals"].get(name)
                if not row:
                    for values in printed.values():
                        values.append(None)
                    continue
                histogram = HdrHistogram.decode(row["histogram"])
                assert_moments(row, histogram)
                merged.add(histogram)
                for key, percent, frames_min in QUANTILES:
                    value = expected(histogram, row["infinite"], percent, frames_min)
                    assert row[key + "_ns"] == value, (cell["id"], name, key)
                    printed[key].append(value)
                    checked += value is not None
            assert_moments(interval, HdrHistogram.decode(interval["histogram"]))
            assert interval["count"] == merged.get_total_count()
            assert interval["max_ns"] == merged.get_max_value()
            for key, values in printed.items():
                assert_estimate(interval["quantiles"][key], values, is_shown)
    assert checked > 10


def test_timelines_are_those_of_their_histograms(result):
    """What a launch was like over its time has the frames of its histogram, and its extremes."""
    seen = 0
    for cell in result["cells"]:
        for launch in cell["launches"]:
            timeline = launch.get("timeline")
            interval = launch["intervals"].get(timeline["interval"]) if timeline else None
            assert (timeline is not None) == (launch["frames"] + launch["infinite"] >= 12)
            if not timeline:
                continue
            histogram = HdrHistogram.decode(interval["histogram"])
            counts = timeline["frames"]
            assert sum(counts) == interval["count"] == histogram.get_total_count()
            assert len(counts) == len(timeline["p50_ns"]) == len(timeline["max_ns"]) <= 60
            largest = max(value for value in timeline["max_ns"] if value is not None)
            assert histogram.get_highest_equivalent_value(largest) == interval["max_ns"]
            p50, p90 = (expected(histogram, 0, percent, 1) for percent in (50.0, 90.0))
            limit = p50 + max(p50, 10 * (p90 - p50), 1000)
            assert timeline["hiccup_above_ns"] == limit
            above = sum(histogram.get_count_at_index(index)
                        for index in range(histogram.counts_len)
                        if histogram.get_value_from_index(index) > limit)
            beside = histogram.get_count_at_index(histogram._counts_index_for(limit))
            assert above <= timeline["hiccup_frames"] <= above + beside
            hiccups = timeline["hiccups"]
            assert len(hiccups) == min(8, timeline["hiccup_count"])
            assert sum(frames for _, _, frames in hiccups) <= timeline["hiccup_frames"]
            assert hiccups == sorted(hiccups) and all(value > limit for _, value, _ in hiccups)
            if hiccups:
                assert max(value for _, value, _ in hiccups) == largest
            seen += 1
    assert seen > 2


def test_export_agrees_with_the_result(handoff, run_folder, result):
    csv = subprocess.run([handoff, "export", str(run_folder), "--to", "csv"], check=True,
                         stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
    lines = csv.splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","))) for line in lines[1:]]
    cells = {cell["id"]: cell for cell in result["cells"]}
    assert len(rows) == sum(len(launch["intervals"]) for cell in result["cells"]
                            for launch in cell["launches"])
    for row in rows:
        launch = cells[row["cell"]]["launches"][int(row["launch"])]
        interval = launch["intervals"][row["interval"]]
        for key in ("count", "infinite", "min_ns", "max_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns"):
            value = interval[key]
            assert row[key] == ("" if value is None else str(value)), (row, key)
    cell = next(cell for cell in result["cells"] if cell["status"] == "ok")
    hgrm = subprocess.run([handoff, "export", str(run_folder), "--to", "hgrm", "--cell", cell["id"]],
                          check=True, stdout=subprocess.PIPE, universal_newlines=True,
                          timeout=60).stdout.splitlines()
    assert hgrm[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    last = [line.split() for line in hgrm[2:] if not line.startswith("#")][-1]
    assert float(last[0]) == cell["intervals"]["latency"]["max_ns"]
    assert int(last[2]) == cell["intervals"]["latency"]["count"]
