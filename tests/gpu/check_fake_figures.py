"""check_fake_figures.py: what a result says of cells on the GPU: which intervals there are and which
must not be, how they contain each other, what was copied, and what the roles tell of their GPU; over
the fake GPU, whose clock is years ahead and drifts."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import suite  # noqa: E402
from suite import check, program, say  # noqa: E402

from check_fake_roles import BUSY  # noqa: E402

FRAMES = 20
ENVIRONMENT = {"HANDOFF_FAKE_GPU_ATTRIBUTES": "pageable_memory_access=1", "HANDOFF_FAKE_GPU_STRICT": "1",
               "HANDOFF_FAKE_GPU_DELAY_US": "40"}


def cell(transport, access, wait="spin", **axes):
    return dict({"transport": transport, "access": access, "wait": wait, "fill": "copy"}, **axes)


# Each with the payload copies of one frame: the fill's, the transport's (send and receive) and the
# access's.
CELLS = [
    (cell("shm", "mapped"), 1),
    (cell("shm", "direct", kernel="invert"), 1),
    (cell("shm", "copy", kernel="none"), 2),
    (cell("shm", "pageable", sync="block", kernel="preprocess"), 2),
    (cell("shm", "managed", sync="yield"), 2),
    (cell("shm", "mapped", fill="gpu", sync="event"), 0),
    (cell("shm", "host", fill="gpu"), 0),
    (cell("shm", "mapped", register_per_frame="on", fill="in_place"), 0),
    (cell("shm", "copy", slots=6, depth=3, pacing="max", sync="event"), 2),
    (cell("shm", "mapped", policy="latest", slots=6), 1),
    (cell("unix", "mapped"), 2),
    (cell("unix", "copy", "block", sync="flag"), 3),
    (cell("shm", "mapped", "gpu_stream", sync="flag"), 1),
    (cell("shm", "copy", "gpu_stream", sync="flag"), 2),
    (cell("shm", "mapped", "gpu_kernel", sync="flag", fill="gpu"), 0),
    (cell("cuda_ipc", "device", fill="gpu"), 0),
    (cell("cuda_vmm", "device", kernel="none"), 1),
    (cell("cuda_vmm", "device", fill="gpu", order="event", slots=6, depth=5, pacing="max", sync="event"), 0),
    (cell("cuda_pool", "device", fill="gpu", order="event", kernel="none", slots=2, pacing="max"), 0),
    (cell("cuda_ipc", "device", fill="gpu", order="event", pacing="pingpong"), 0),
    (cell("cuda_vmm", "device", "gpu_stream", fill="gpu", sync="flag", kernel="none"), 0),
    (cell("cuda_ipc", "device", "gpu_kernel", fill="gpu", sync="flag", kernel="none"), 0),
]


def wanted_intervals(axes):
    """What the definitions (`handoff help intervals`) say of this cell."""
    on_gpu = axes["access"] != "host"
    cpu_waits = axes["wait"] not in ("gpu_stream", "gpu_kernel")
    order_host = axes.get("order", "host") == "host"
    copies = axes["access"] in ("copy", "pageable", "managed")
    wanted = {"latency", "kernel"}
    if axes.get("pacing") is None:
        wanted |= {"response", "pacing"}
    if axes.get("pacing") == "pingpong" and order_host:
        wanted |= {"round_trip"}
    if order_host:
        wanted |= {"fill"}
    if axes["fill"] == "copy":
        wanted |= {"reserve"}
    if cpu_waits and order_host:
        wanted |= {"transfer"}
    if cpu_waits and on_gpu:
        wanted |= {"enqueue_to_done"}
    if cpu_waits and (copies or axes.get("register_per_frame") == "on"):
        wanted |= {"access"}
    if axes.get("policy") == "latest":
        wanted |= {"age"}
    if axes["transport"] != "unix" and cpu_waits:
        wanted |= {"notify"}
    if axes["transport"] == "unix" or not cpu_waits or not order_host:
        return wanted, {"handoff"}
    return wanted, set()


def check_intervals(found, axes):
    wanted, never = wanted_intervals(axes)
    told = "%s: " % found["id"]
    intervals = found["launches"][0]["intervals"]
    there = set(intervals)
    check(there - {"handoff"} == wanted, told + "intervals %s instead of %s" % (sorted(there), sorted(wanted)))
    check(not there & never, told + "has %s" % sorted(there & never))
    frames = found["launches"][0]["frames"]
    check(frames == FRAMES or axes.get("policy") == "latest", told + "%d frames" % frames)
    for name in wanted - {"reserve", "fill", "notify", "pacing", "response", "round_trip"}:
        check(intervals[name]["count"] == frames, told + "%d of %s" % (intervals[name]["count"], name))
    # The kernel lies within what the CPU saw of it, and that within the latency. On a busy machine
    # there may be no p50: the two clocks are not known well enough.
    pairs = [("kernel", "enqueue_to_done", gpu_error_ns(found))] if "enqueue_to_done" in wanted else []
    if pairs and axes.get("order") != "event":
        pairs.append(("enqueue_to_done", "latency", 0))
    p50 = {name: interval["p50_ns"] for name, interval in intervals.items()}
    known = [pair for pair in pairs if p50[pair[0]] is not None and p50[pair[1]] is not None]
    for part, whole, error_ns in known:
        check(p50[part] <= p50[whole] + error_ns, told + str(intervals))
    if axes["access"] != "host" and p50["kernel"] is not None:
        check(p50["kernel"] < 2000000000, told + "kernel of %r ns" % p50["kernel"])
    return len(known), len(pairs)


def gpu_error_ns(found):
    return (found["launches"][0]["gpu"].get("consumer") or {}).get("clock_error_ns") or 0


def check_gpu(found, axes):
    """What the roles say of their GPU."""
    told = "%s: " % found["id"]
    gpu = found["launches"][0]["gpu"]
    uses = set()
    if axes["fill"] == "gpu" or axes["transport"].startswith("cuda_"):
        uses.add("producer")
    if axes["access"] != "host":
        uses.add("consumer")
    check(set(gpu) == uses, told + "GPU of %s instead of %s" % (sorted(gpu), sorted(uses)))
    for role, said in gpu.items():
        sync = axes.get("sync", "spin")
        check(said["schedule"] == (sync if sync in ("yield", "block") else "spin"), told + str(said))
        check(said["mps"] is False and said["context_ns"] > 0, told + str(said))
        stamps = role == "consumer" or axes["fill"] == "gpu"
        check((said["clock_error_ns"] is None) != stamps, told + str(said))
        check(not stamps or 0 < said["clock_error_ns"] <= 1000000, told + str(said))
    registers = axes["access"] in ("mapped", "copy") and axes.get("register_per_frame") != "on"
    if "consumer" in uses:
        registers = registers or axes["wait"].startswith("gpu_")
        check((gpu["consumer"]["registration_ns"] > 0) == registers, told + str(gpu))
    if "producer" in uses:
        registers = not axes["transport"].startswith("cuda_") or axes["fill"] == "copy"
        check((gpu["producer"]["registration_ns"] > 0) == registers, told + str(gpu))


def measured(t):
    """The cells; again, where a busy machine kept a role from its GPU's clock."""
    blocks = [{"name": "c%d" % i, "base": axes} for i, (axes, _) in enumerate(CELLS)]
    scenario = t.scenario(blocks, frames=FRAMES, launches=1)
    for attempt in range(4):
        out = t.file("out%d" % attempt)
        done = program.run([t.path, "run", "--no-floor", scenario, "--out", out], env=ENVIRONMENT)
        cells = t.result(out)["cells"]
        if not any(BUSY in found["reason"] for found in cells):
            break
    check(done.code == 0, "exit code %d:\n%s" % (done.code, done.stderr()))
    check(len(cells) == len(CELLS), "%d cells" % len(cells))
    return cells


def test_figures(t):  # beside others, release only
    compared = []
    cells = measured(t)
    for found, (axes, copies) in zip(cells, CELLS):
        check(found["status"] == "ok", "%s: %s" % (found["id"], found["reason"]))
        integrity = found["launches"][0]["integrity"]
        check(integrity["torn"] == integrity["lost"] == 0 and integrity["checked"] >= 1,
              "%s: %s" % (found["id"], integrity))
        check_gpu(found, axes)
        compared.append(check_intervals(found, axes))
        check(abs(found["copies_per_frame"] - copies) < 1e-6,
              "%s: %r copies per frame instead of %d" % (found["id"], found["copies_per_frame"], copies))
    known, pairs = map(sum, zip(*compared))
    check(known > pairs // 2, "of %d pairs of intervals only %d can be compared" % (pairs, known))
    say("%d cells, %d of %d pairs of intervals" % (len(cells), known, pairs))


def test_cells_without_a_gpu(t):  # beside others
    """They say nothing of one."""
    scenario = t.scenario([{"name": "a", "base": {"transport": "shm", "access": "host", "wait": "futex"}}],
                          launches=1)
    t.run("run", scenario, "--out", t.file("out"), env=ENVIRONMENT)
    launch = t.result(t.file("out"))["cells"][0]["launches"][0]
    check("gpu" not in launch and "enqueue_to_done" not in launch["intervals"], str(launch))


if __name__ == "__main__":
    suite.main(globals())
