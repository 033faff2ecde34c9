"""check_fake_floor.py: the GPU's part of `handoff floor` and of a run's floor, over the fake GPU. What
becomes of children that fail or hang is test_gpu_floor.c's."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import suite  # noqa: E402
from suite import all_ok, check, program  # noqa: E402

from check_fake_roles import measured  # noqa: E402

LATENCIES = ("launch", "launch_word", "flag", "stream_values", "turn")
STREAMS = ("device_copy", "mapped_read", "host_copy", "fill_invert")
CPU_KEYS = {"system_call_ns", "clocks", "pairs", "futex", "nanosleep", "timer_slack_ns", "memory"}


def whole(gpu, sizes):
    """Every figure is there: results/schema.json, and nothing is null."""
    check(set(gpu) == set(LATENCIES) | {"device", "switch_ns", "memory"}, "members: %s" % sorted(gpu))
    check(gpu["device"] and gpu["switch_ns"] >= 0, "device: %s" % gpu)
    check([size["bytes"] for size in gpu["memory"]] == sizes, "sizes: %s" % gpu["memory"])
    figures = [(name, gpu[name]) for name in LATENCIES]
    for size in gpu["memory"]:
        check(set(size) == set(STREAMS) | {"bytes"}, "a size: %s" % size)
        figures += [(name, size[name]) for name in STREAMS]
    for name, figure in figures:
        check(set(figure) == {"p50_ns", "count"} and figure["p50_ns"] > 0 and figure["count"] >= 3,
              "%s: %s" % (name, figure))


def two_cpus(t):
    if len(os.sched_getaffinity(0)) < 2:
        raise suite.Skip("needs two CPUs")
    return "%d,%d" % tuple(sorted(os.sched_getaffinity(0))[:2])


def test_json(t):  # beside others
    done = t.run("floor", "--json", "--cpus", two_cpus(t), "--frame", "64x48x3", "--frame", "1x1x1",
                 env={"HANDOFF_FAKE_GPU_STRICT": "1"})
    floor = json.loads(done.stdout())
    check(set(floor) == CPU_KEYS | {"gpu"}, "members: %s" % sorted(floor))
    whole(floor["gpu"], [64 * 48 * 3, 1])
    check("GPU" not in done.stderr(), done.stderr())


def test_table(t):  # beside others
    done = t.run("floor", "--cpus", two_cpus(t), "--frame", "320x240x3")
    for text in ("GPU: fake GPU", "an empty kernel, launch to synchronized", "resident kernel",
                 "waiting stream", "a turn of two processes", "320x240x3, 230 kB, on the GPU",
                 "copy within device memory", "checksum of registered memory",
                 "copy from registered memory", "fill, then invert"):
        check(text in done.stdout(), "no %s in:\n%s" % (text, done.stdout()))
    check(max(map(len, done.stdout().splitlines())) <= 100, done.stdout())


def test_no_device(t):  # beside others
    """Absent, and why; the rest is there, and it is no reason to warn."""
    for arguments in (["--json"], []):
        done = t.run("floor", "--frame", "64x48x3", *arguments,
                     env={"HANDOFF_FAKE_GPU_ATTRIBUTES": "device=0"})
        check("GPU" not in done.stderr(), done.stderr())
        if arguments:
            check(set(json.loads(done.stdout())) == CPU_KEYS, done.stdout())
        else:
            last = [line for line in done.stdout().splitlines() if line.startswith("GPU: ")]
            check(len(last) == 1 and len(last[0]) > len("GPU: "), done.stdout())


def test_killed_child(t):  # beside others
    """The floors of the CPU stay, and a warning says what became of the GPU's."""
    running = t.start("floor", "--json", "--frame", "64x48x3")
    until = time.monotonic() + 30
    victims = []
    while not victims and time.monotonic() < until:
        victims = [pid for pid in program.family(running.marker)
                   if program.role_of(pid) == "gpu-floor"]
    check(victims, "no child of role gpu-floor came: %s" % running.stderr())
    os.kill(victims[0], 9)
    check(running.wait() == 0, running.stderr())
    running.check_nothing_left()
    floor = json.loads(running.stdout())
    check(CPU_KEYS <= set(floor) and floor["system_call_ns"] > 0, "floor: %s" % floor)
    check("warning: floor of the GPU: the gpu-floor process was killed by signal 9" in
          running.stderr(), running.stderr())


def test_floor_of_a_run(t):  # beside others
    """Where a cell uses the GPU, its floor is in the result and in floor.json, and not elsewhere."""
    cpus = two_cpus(t)
    block = {"base": {"transport": "shm", "wait": "spin", "kernel": "checksum",
                      "placement": "cpus:" + cpus}}
    for access, has_gpu in (("mapped", True), ("host", False)):
        scenario = t.scenario([dict(block, name="a", axes={"access": [access]})], launches=1)
        out = measured(t, access, scenario, HANDOFF_FAKE_GPU_STRICT="1")
        result = t.result(out)
        all_ok(result)
        check(("gpu" in result["floor"]) == has_gpu, "floor: %s" % result["floor"])
        if not has_gpu:
            continue
        whole(result["floor"]["gpu"], [64 * 48 * 3])
        kept = program.read_json(os.path.join(out, "floor.json"))
        check(kept["floor"] == result["floor"], "floor.json is another floor than the result's")
        floor = result["cells"][0]["floor"]
        if floor["latency_ns"] is not None:  # a busy machine has none between its CPUs
            check(floor["latency_ns"] > max(floor["handoff_ns"],
                                            result["floor"]["gpu"]["launch"]["p50_ns"]),
                  "floor of a cell: %s" % floor)


def test_failed_floor_of_a_run(t):  # beside others
    """A run goes on without it, and says so in its warnings."""
    scenario = t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "spin",
                                                  "kernel": "checksum", "access": "mapped"}}],
                          launches=1)
    out = measured(t, "out", scenario, HANDOFF_FAKE_GPU_FAIL="gpu-floor:gpu_open:1")
    result = t.result(out)
    all_ok(result)
    check("gpu" not in result["floor"] and
          any("no floor of the GPU" in text for text in result["warnings"]),
          "warnings: %s" % result["warnings"])


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
