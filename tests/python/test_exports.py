"""Every format of `handoff export`, read by somebody else's reader.

csv: the csv module. hgrm: gnuplot, for which the format was made. hlog: hdrhistogram's log reader.
gbench: conbench's reader (benchadapt), and Google Benchmark's own compare.py where it is installed
(Debian, Ubuntu: libbenchmark-tools, python3-scipy). gha, bmf: the formats' schemas. junit:
junitparser and the standard library's XML parser.
"""
import copy
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import jsonschema
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

LAUNCHES = 10

# https://bencher.dev/bmf.json, with names and measures as long as Bencher takes them.
BMF = {
    "type": "object", "minProperties": 1,
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object", "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z0-9_-]+$", "maxLength": 64},
        "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": False,
            "properties": {"value": {"type": "number"}, "lower_value": {"type": "number"},
                           "upper_value": {"type": "number"}}}}}
# What github-action-benchmark checks of customSmallerIsBetter and customBiggerIsBetter; it refuses
# an empty array.
GHA = {
    "type": "array", "minItems": 1,
    "items": {"type": "object", "required": ["name", "unit", "value"], "additionalProperties": False,
              "properties": {"name": {"type": "string", "minLength": 1}, "unit": {"type": "string"},
                             "value": {"type": "number"}, "range": {"type": "string"},
                             "extra": {"type": "string"}}}}


@pytest.fixture(scope="module")
def folder(handoff, tmp_path_factory):
    """A real result of two cells and of one that has no meaning; then one that failed, one that is
    incomplete and one that is unavailable are made of the second."""
    folder = tmp_path_factory.mktemp("exports")
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps({
        "name": "exports", "base": {"frame": "64x48x3", "pacing": "pingpong", "frames": 40,
                                    "warmup": 4, "launches": LAUNCHES},
        "blocks": [{"name": "ring", "base": {"transport": "shm"}, "axes": {"wait": ["spin", "block"]}},
                   {"name": "socket", "base": {"transport": "unix", "wait": "block"}, "axes": {}}]}))
    done = subprocess.run([handoff, "run", str(scenario), "--no-floor", "--out", str(folder / "out"),
                           "--quiet"], stderr=subprocess.PIPE, universal_newlines=True, timeout=100)
    assert done.returncode == 0, done.stderr
    with open(str(folder / "out" / "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    socket = next(cell for cell in result["cells"] if cell["id"].startswith("unix"))
    for status in ("failed", "incomplete", "unavailable"):
        other = copy.deepcopy(socket)
        other.update(id=socket["id"] + "/" + status, status=status, reason="for a test: " + status,
                     hint="nothing")
        if status == "failed":
            other["launches"][3].update(status="failed", reason="torn, says the test")
        if status == "unavailable":
            other.update(launches=[], intervals={}, throughput={})
        result["cells"].append(other)
    with open(str(folder / "out" / "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)
    return folder


@pytest.fixture(scope="module")
def result(folder):
    with open(str(folder / "out" / "result.json"), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def export(handoff, folder):
    def run(to, *more, code=0):
        done = subprocess.run([handoff, "export", str(folder / "out"), "--to", to] + list(more),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout
    return run


def with_latency(result):
    return [cell for cell in result["cells"] if "latency" in cell["intervals"]]


def launches_ok(cell):
    return [launch for launch in cell["launches"] if launch["status"] == "ok"]


def strict_json(text):
    """JSON without a name twice in one object."""
    def pairs(items):
        assert len(dict(items)) == len(items), [name for name, _ in items]
        return dict(items)
    return json.loads(text, object_pairs_hook=pairs)


def test_csv(export, result):
    rows = list(csv.DictReader(io.StringIO(export("csv")), strict=True))
    assert len(rows) == sum(len(launch["intervals"]) for cell in result["cells"]
                            for launch in cell["launches"])
    cells = {cell["id"]: cell for cell in result["cells"]}
    for row in rows:
        launch = cells[row["cell"]]["launches"][int(row["launch"])]
        assert row["status"] == launch["status"]
        assert int(row["max_ns"]) == launch["intervals"][row["interval"]]["max_ns"]


def test_hgrm(export, result, tmp_path):
    """gnuplot reads as many rows as there are, up to the largest value."""
    if not shutil.which("gnuplot"):
        pytest.skip("gnuplot is not installed")
    cell = with_latency(result)[0]
    path = tmp_path / "one.hgrm"
    text = export("hgrm", "--cell", cell["id"])
    path.write_text(text)
    done = subprocess.run(["gnuplot", "-e", "stats '%s' using 1:3 skip 1 nooutput; "
                           "print STATS_records, STATS_max_x, STATS_max_y" % path], timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    rows = [line for line in text.splitlines()[2:] if not line.startswith("#")]
    assert [float(word) for word in done.stdout.split()] == [
        len(rows), cell["intervals"]["latency"]["max_ns"], cell["intervals"]["latency"]["count"]]


def test_hlog(export, result, tmp_path):
    """The log's histograms are the launches', tagged, in the order of their time."""
    path = tmp_path / "all.hlog"
    path.write_text(export("hlog", "--interval", "all"))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3600000000000, 3))
    read, times = {}, []
    while True:
        histogram = reader.get_next_interval_histogram()
        if not histogram:
            break
        times.append(histogram.get_start_time_stamp())
        read.setdefault(histogram.get_tag(), []).append(histogram)
    reader.close()
    assert times == sorted(times) and min(times) >= 1e12
    expected = 0
    for cell in result["cells"]:
        for name in cell["intervals"]:
            found = read[cell["id"] + ("" if name == "latency" else "/interval=" + name)]
            rows = sorted((launch for launch in launches_ok(cell) if name in launch["intervals"]),
                          key=lambda launch: launch["order"])
            expected += len(rows)
            assert len(found) == len(rows)
            for histogram, launch in zip(found, rows):
                figures = launch["intervals"][name]
                assert histogram.get_total_count() == figures["count"]
                assert histogram.get_max_value() == figures["max_ns"]
                assert abs(histogram.get_end_time_stamp() - histogram.get_start_time_stamp() -
                           launch["window_ns"] / 1e6) < 0.01
    assert len(times) == expected and expected > 5 * LAUNCHES


def test_gbench(export, result, tmp_path):
    """A repetition per launch that went well: its median, and the CPU time of a frame."""
    adapters = pytest.importorskip("benchadapt.adapters")
    path = tmp_path / "gbench.json"
    path.write_text(export("gbench"))
    adapter = adapters.GoogleBenchmarkAdapter(command=["true"], result_file=path)
    context, groups = adapter._parse_gbench_json(strict_json(path.read_text()))
    read = {case.name: case for group in groups.values() for case in group["cases"]}
    assert context["json_schema_version"] == 1
    assert set(read) == {cell["id"] for cell in with_latency(result)}
    for cell in with_latency(result):
        rows, stats = launches_ok(cell), read[cell["id"]]
        assert stats.times == [launch["intervals"]["latency"]["p50_ns"] for launch in rows]
        assert stats.time_unit == stats.unit == "ns" and stats.less_is_better
        for value, launch in zip(stats.values, rows):
            spent = sum(launch["usage"][role][kind] for role in ("producer", "consumer")
                        for kind in ("user_ns", "system_ns"))
            assert abs(value - spent / launch["frames"]) <= 1e-6 * value
    rows = json.loads(path.read_text())["benchmarks"]
    assert sum(row["run_type"] == "aggregate" for row in rows) == 3 * len(with_latency(result))


@pytest.mark.parametrize("governors,expected", [(["performance", "powersave"], True),
                                               (["performance"], False), ([], None)])
def test_gbench_tells_scaling(handoff, result, tmp_path, governors, expected):
    """As Google Benchmark does, which says nothing where it does not know."""
    other = copy.deepcopy(result)
    other["environment"]["before"]["cpu"]["frequency"] = [{"governor": name} for name in governors]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(other))
    said = subprocess.run([handoff, "export", str(path), "--to", "gbench"], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
    assert json.loads(said)["context"].get("cpu_scaling_enabled") is expected


def compare_py():
    """compare.py and a Python that has what it needs; None without."""
    script = os.environ.get("HANDOFF_GBENCH_COMPARE", "/usr/share/benchmark/compare.py")
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(script) and os.path.exists(python) and subprocess.run(
                [python, "-c", "import scipy.stats"], stderr=subprocess.DEVNULL).returncode == 0:
            return [python, script]
    return None


def test_gbench_by_its_own_compare(export, tmp_path):
    """The U test sees that everything takes 1.5 times as long, and that CPU time is the same."""
    command = compare_py()
    if not command:
        pytest.skip("Google Benchmark's compare.py or scipy is not installed")
    base, other = tmp_path / "base.json", tmp_path / "other.json"
    base.write_text(export("gbench"))
    changed = json.loads(base.read_text())
    for row in changed["benchmarks"]:
        row["real_time"] *= 1.5
    other.write_text(json.dumps(changed))
    done = subprocess.run(command + ["--no-color", "benchmarks", str(base), str(other)], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    tests = re.findall(r"^(\S+)_pvalue +([\d.]+) +([\d.]+)", done.stdout, re.M)
    assert tests, done.stdout
    for name, real, cpu in tests:
        assert float(cpu) > 0.9, (name, done.stdout)
    assert "+0.5000" in done.stdout


def test_gha(export, result):
    smaller, bigger = strict_json(export("gha")), strict_json(export("gha-bigger"))
    for array in (smaller, bigger):
        jsonschema.validate(array, GHA)
        names = [entry["name"] for entry in array]
        assert len(set(names)) == len(names)
    figures = {cell["id"] + " latency p50": cell["intervals"]["latency"]["quantiles"]["p50"]
               for cell in with_latency(result)}
    assert {entry["name"]: entry["value"] for entry in smaller} == {
        name: figure["value_ns"] for name, figure in figures.items()}
    for entry in smaller:
        figure = figures[entry["name"]]
        assert entry["unit"] == "ns"
        if entry["name"].startswith("shm+spin"):
            assert entry["range"] == "%d to %d" % (figure["low_ns"], figure["high_ns"])
            assert "95 %% interval over %d launches" % LAUNCHES in entry["extra"]
    rates = {cell["id"] + " throughput": cell["throughput"]["frames_per_s"]["value"]
             for cell in with_latency(result)}
    assert {entry["name"]: entry["value"] for entry in bigger} == pytest.approx(rates)


def test_bmf(export, result):
    read = strict_json(export("bmf"))
    jsonschema.validate(read, BMF)
    assert set(read) == {cell["id"] for cell in with_latency(result)}
    for cell in with_latency(result):
        figure = cell["intervals"]["latency"]["quantiles"]["p50"]
        assert figure["spread"] == "ci95"
        assert read[cell["id"]]["latency"] == {"value": figure["value_ns"],
                                               "lower_value": figure["low_ns"],
                                               "upper_value": figure["high_ns"]}
        assert "latency-p99" not in read[cell["id"]], "40 frames have no p99"
    assert "response" not in read[cell["id"]] and "kernel" in strict_json(
        export("bmf", "--interval", "all"))[cell["id"]]


def test_bmf_has_no_bounds_of_a_range(handoff, result, tmp_path):
    """The range of a few launches is not an interval."""
    few = copy.deepcopy(result)
    for cell in with_latency(few):
        cell["intervals"]["latency"]["quantiles"]["p50"]["spread"] = "range"
        cell["throughput"]["frames_per_s"]["spread"] = "range"
    path = tmp_path / "few.json"
    path.write_text(json.dumps(few))
    done = subprocess.run([handoff, "export", str(path), "--to", "bmf"], stdout=subprocess.PIPE,
                          check=True, timeout=60)
    for measures in json.loads(done.stdout).values():
        assert all(set(measure) == {"value"} for measure in measures.values())


def test_no_trend_of_a_queue(handoff, result, tmp_path):
    """At pacing max latency is how long the queue is: no figure of which smaller is better."""
    paced = copy.deepcopy(result)
    cell = next(iter(with_latency(paced)))
    paced["cells"] = [cell]
    path = tmp_path / "result.json"

    def exported(pacing, to):
        cell["axes"]["pacing"] = pacing
        path.write_text(json.dumps(paced))
        return subprocess.run([handoff, "export", str(path), "--to", to], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)

    assert len(strict_json(exported("pingpong", "gha").stdout)) == 1
    done = exported("max", "gha")
    assert done.returncode == 2 and "gha-bigger" in done.stderr
    assert len(strict_json(exported("max", "gha-bigger").stdout)) == 1
    assert "latency" in strict_json(exported("pingpong", "bmf").stdout)[cell["id"]]
    measures = strict_json(exported("max", "bmf").stdout)[cell["id"]]
    assert "latency" not in measures and "throughput" in measures


def test_junit(export, result, tmp_path):
    junitparser = pytest.importorskip("junitparser")
    path = tmp_path / "junit.xml"
    path.write_text(export("junit"))
    kinds = {"failed": [junitparser.Failure], "incomplete": [junitparser.Error], "ok": [],
             "unavailable": [junitparser.Skipped], "not_applicable": [junitparser.Skipped]}
    cells, seen = {cell["id"]: cell for cell in result["cells"]}, set()
    for suite in junitparser.JUnitXml.fromfile(str(path)):
        counts = [0, 0, 0]
        for case in suite:
            cell = cells[case.name]
            seen.add(case.name)
            assert [type(found) for found in case.result] == kinds[cell["status"]]
            for found in case.result:
                assert found.message == cell["reason"]
            counts[0] += cell["status"] == "failed"
            counts[1] += cell["status"] == "incomplete"
            counts[2] += cell["status"] in ("unavailable", "not_applicable")
            if cell["status"] == "failed":
                assert "launch 3: torn, says the test" in case.result[0].text
        assert [suite.failures, suite.errors, suite.skipped] == counts
        assert suite.tests == len(list(suite))
    assert seen == set(cells)
    assert {cell["status"] for cell in result["cells"]} == set(kinds)
    assert xml.etree.ElementTree.parse(str(path)).getroot().tag == "testsuites"


def test_junit_of_a_comparison(handoff, tmp_path):
    """Slower gates and cells that only fail now are failures; what is undecided neither passed nor
    failed. The comparison is a real one, of the program with itself; its verdicts are not."""
    junitparser = pytest.importorskip("junitparser")
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({
        "name": "gates", "gates": ["latency.p50", "latency.mean", "frames_per_s", "latency.p90"],
        "base": {"transport": "shm", "wait": "futex", "frame": "64x1x1", "pacing": "pingpong", "frames": 40,
                 "warmup": 2, "launches": 5}, "blocks": [{"name": "b", "axes": {}}]}))
    out = tmp_path / "out"
    done = subprocess.run([handoff, "compare", "--base", handoff, "--scenario", str(scenario), "--out",
                           str(out), "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    comparison = json.loads((out / "compare.json").read_text())
    verdicts = ["slower", "faster", "same", "not enough data"]
    assert len(comparison["gates"]) == len(verdicts)
    for gate, verdict in zip(comparison["gates"], verdicts):
        gate["verdict"] = verdict
    comparison["gates"][3]["pairs"] = 1
    comparison["not_compared"] = [
        {"cell": "shm+a", "reason": "base failed too", "regression": False},
        {"cell": "shm+b", "reason": "failed where base ran", "regression": True}]
    (out / "compare.json").write_text(json.dumps(comparison))
    for given in (out, out / "compare.json"):
        done = subprocess.run([handoff, "export", str(given), "--to", "junit"], check=True,
                              stdout=subprocess.PIPE, universal_newlines=True, timeout=60)
        path = tmp_path / "junit.xml"
        path.write_text(done.stdout)
        suite, = junitparser.JUnitXml.fromfile(str(path))
        found = [(case.classname, case.name, [type(result).__name__ for result in case.result])
                 for case in suite]
        cell = comparison["gates"][0]["cell"]
        assert found == [(cell, gate["gate"], kinds) for gate, kinds in zip(
            comparison["gates"], (["Failure"], [], [], ["Skipped"]))] + [
                ("shm+a", "compared", ["Skipped"]), ("shm+b", "compared", ["Failure"])]
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 2, 0, 2)
        ratio = "new/base %.3f (90 %% interval" % comparison["gates"][0]["ratio"]
        assert ratio in list(suite)[0].result[0].message
        assert ", 5 pairs" in list(suite)[0].result[0].message
        assert "1 pair" in list(suite)[3].result[0].message
        assert "1 pairs" not in list(suite)[3].result[0].message
    for to in ("csv", "gbench"):
        assert subprocess.run([handoff, "export", str(out), "--to", to],
                              stderr=subprocess.DEVNULL).returncode == 2


def test_output_is_whole_or_not_at_all(handoff, export, folder, result, tmp_path):
    """A file appears by renaming; an export that fails leaves what was there."""
    path = tmp_path / "out.hlog"
    path.write_text("before")
    broken = copy.deepcopy(result)
    with_latency(broken)[-1]["launches"][-1]["intervals"]["latency"]["histogram"] = "HISTFAAAA!"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    done = subprocess.run([handoff, "export", str(tmp_path / "broken.json"), "--to", "hlog", "--out",
                           str(path)], stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    assert done.returncode == 4 and "histogram" in done.stderr
    assert path.read_text() == "before"
    inode = os.stat(str(path)).st_ino
    assert export("hlog", "--out", str(path)) == ""
    assert path.read_text() == export("hlog", "--out", "-")
    assert os.stat(str(path)).st_ino != inode
    assert sorted(os.listdir(str(tmp_path))) == ["broken.json", "out.hlog"]
    export("hlog", "--out", str(tmp_path), code=2)
    export("junit", "--interval", "latency", code=2)
