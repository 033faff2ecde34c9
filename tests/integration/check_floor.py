"""check_floor.py: `handoff floor`, and the floor in the result of a run."""
import json
import os
import sys

import suite
from suite import TWO_BLOCKS, Skip, all_ok, check, program

KEYS = {"system_call_ns", "clocks", "pairs", "futex", "nanosleep", "timer_slack_ns", "memory"}
MEMORY = {"bytes", "copy_cached_ns", "copy_evicted_ns", "read_cached_ns", "read_evicted_ns",
          "read_written_elsewhere_ns"}


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("needs two CPUs")
    return cpus[:2]


def number_or_null(value, what):
    check(value is None or (isinstance(value, (int, float)) and value > 0), "%s: %r" % (what, value))


def well_formed(floor, sizes):
    """The shape of results/schema.json, every figure positive or null (tests/python has the schema)."""
    check(set(floor) - {"gpu"} == KEYS, "members: %s" % sorted(floor))
    check([size["bytes"] for size in floor["memory"]] == sizes, "sizes: %s" % floor["memory"])
    for size in floor["memory"]:
        check(set(size) == MEMORY, "a size: %s" % size)
        for key, value in size.items():
            number_or_null(value, key)
    for pair in floor["pairs"]:
        for way in ("one_line", "two_lines"):
            check(set(pair[way]) == {"p50_ns", "mean_ns"}, "a pair: %s" % pair)
            for key, value in pair[way].items():
                number_or_null(value, key)
    for key, value in floor["futex"].items():
        number_or_null(value, key)
    for sleep in floor["nanosleep"]:
        check(sleep["p50_ns"] is None or sleep["p50_ns"] >= sleep["requested_ns"], "sleep: %s" % sleep)


def test_json(t):
    cpus = two_cpus()
    done = t.run("floor", "--json", "--cpus", "%d,%d" % (cpus[1], cpus[0]), "--frame", "64x48x3",
                 "--frame", "320x240x1")
    floor = json.loads(done.stdout())
    well_formed(floor, [64 * 48 * 3, 320 * 240])
    check([(pair["producer_cpu"], pair["consumer_cpu"]) for pair in floor["pairs"]] ==
          [(cpus[1], cpus[0])], "pairs: %s" % floor["pairs"])


def test_table(t):
    """Everything on standard output, with the frames that are usual."""
    done = t.run("floor")
    for text in ("system call", "reading CLOCK_MONOTONIC", "nanosleep of 100 us", "640x480x3",
                 "1920x1080x3", "3840x2160x3", "GB/s"):
        check(text in done.stdout(), "no %s in:\n%s" % (text, done.stdout()))
    check(max(map(len, done.stdout().splitlines())) <= 100, done.stdout())


def test_one_cpu(t):
    """What needs two CPUs is null, and said so; the rest is there."""
    cpu = two_cpus()[0]
    code = ("import os, sys; os.sched_setaffinity(0, {%d}); os.execv(sys.argv[1], sys.argv[1:])" %
            cpu)
    done = program.run([sys.executable, "-c", code, t.path, "floor", "--json", "--frame", "64x48x3"])
    check(done.code == 0, "exit code %d:\n%s" % (done.code, done.stderr()))
    floor = json.loads(done.stdout())
    well_formed(floor, [64 * 48 * 3])
    check(floor["pairs"] == [] and floor["futex"]["one_way_ns"] is None and
          floor["memory"][0]["read_written_elsewhere_ns"] is None and floor["system_call_ns"] > 0 and
          floor["memory"][0]["read_cached_ns"] > 0, "floor: %s" % floor)
    check("warning:" in done.stderr() and "CPU %d" % cpu in done.stderr(), done.stderr())


def test_bad_usage(t):  # beside others
    for arguments, code, text in (
            (["--cpus", "0"], 2, "two CPUs"), (["--cpus", "0,x"], 2, "two CPUs"),
            (["--cpus", "0,65000"], 77, "may not run on CPU 65000"),
            (["--frame", "640x480"], 2, "640x480"), (["--frame", "0x480x3"], 2, "0x480x3"),
            (["--frame", "8x8x1"] * 5, 2, "more than 4"), (["now"], 2, "options only"),
            (["--jason"], 2, "--jason")):
        done = t.run("floor", *arguments, code=code)
        check(text in done.stderr() and "hint:" in done.stderr() and not done.stdout(),
              "%s: %s" % (arguments, done.stderr()))


def test_floor_of_a_run(t):
    """Measured once, before the first launch; kept on disk; taken up again by --resume."""
    cpus = two_cpus()
    out = t.file("out")
    scenario = t.scenario(TWO_BLOCKS, launches=1, placement="cpus:%d,%d" % tuple(cpus))
    t.run("run", scenario, "--out", out, floor=True)
    result = t.result(out)
    all_ok(result)
    well_formed(result["floor"], [64 * 48 * 3])
    check([(pair["producer_cpu"], pair["consumer_cpu"]) for pair in result["floor"]["pairs"]] ==
          [tuple(cpus)], "pairs: %s" % result["floor"]["pairs"])
    two_lines = result["floor"]["pairs"][0]["two_lines"]["p50_ns"]
    for cell in result["cells"]:
        floor = cell["floor"]
        if two_lines is None:  # a busy machine
            check(floor["handoff_ns"] is None and result["warnings"], "a floor of nothing")
            continue
        check(abs(floor["handoff_ns"] - two_lines / 2) < 0.11 and
              (floor["latency_ns"] is None or floor["latency_ns"] > floor["handoff_ns"]),
              "%s: %s" % (cell["id"], floor))
    path = os.path.join(out, "floor.json")
    kept = program.read_json(path)
    check(kept["floor"] == result["floor"], "floor.json is another floor than the result's")
    written = os.stat(path).st_mtime_ns
    for name in os.listdir(os.path.join(out, "launches")):
        check(os.stat(os.path.join(out, "launches", name)).st_mtime_ns > written,
              "a launch came before the floor")
    t.run("run", scenario, "--out", out, "--resume", floor=True)
    check(t.result(out)["floor"] == result["floor"] and os.stat(path).st_mtime_ns == written,
          "--resume measured another floor")


def test_without_a_floor(t):  # beside others
    out = t.file("out")
    t.run("run", t.scenario(TWO_BLOCKS[:1], launches=1), "--out", out)
    result = t.result(out)
    check("floor" not in result and all("floor" not in cell for cell in result["cells"]) and
          not os.path.exists(os.path.join(out, "floor.json")), "a floor in spite of --no-floor")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
