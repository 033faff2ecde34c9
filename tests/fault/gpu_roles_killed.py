"""gpu_roles_killed.py: either role is killed in the middle of its GPU work, on every transport in
device memory and with every wait on the GPU: each death is known within a second, the other role ends,
the matrix goes on, no process is left, and the device's memory is back where it was.

A trial is one run whose first cell dies in each of its launches, at frame FRAME; a second cell, which
has fewer frames, must be measured in between. Where no device shows, exit code 77. Under MPS few runs
at a time: each has a server of its own, and every death a new one.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

import faults
import program
import roles_killed
from faults import LIMIT_S, check, say
from roles_killed import FRAME, FRAMES, WARMUP

DEVICE = {"access": "device", "fill": "gpu", "kernel": "invert", "frame": "1920x1080x3"}
HOST = {"access": "mapped", "kernel": "checksum", "frame": "1920x1080x3"}
# What a process's context takes of the device may come back a moment after the process has gone.
SETTLE_S = 5.0
MEMORY_SLACK_MIB = 64
MPS_JOBS = 3


class GpuEdge(faults.Edge):
    def __init__(self, transport, wait, payload, name):
        super().__init__(transport, wait, "block")
        self.payload, self.name, self.exact = payload, name, False


def gpu_edges():
    event = dict(DEVICE, order="event", depth=2)
    flag = {"sync": "flag"}
    return [
        GpuEdge("cuda_ipc", "spin", DEVICE, "cuda_ipc"),
        GpuEdge("cuda_vmm", "spin", DEVICE, "cuda_vmm"),
        GpuEdge("cuda_pool", "spin", DEVICE, "cuda_pool"),
        GpuEdge("cuda_ipc", "futex", event, "cuda_ipc, order event"),
        GpuEdge("shm", "gpu_stream", dict(HOST, **flag), "shm+gpu_stream"),
        GpuEdge("cuda_vmm", "gpu_stream", dict(DEVICE, **flag), "cuda_vmm+gpu_stream"),
        GpuEdge("shm", "gpu_kernel", dict(HOST, **flag), "shm+gpu_kernel"),
        GpuEdge("cuda_vmm", "gpu_kernel", dict(DEVICE, **flag), "cuda_vmm+gpu_kernel"),
        GpuEdge("shm", "futex", HOST, "shm, mapped"),
    ]


def mps_edges():
    mps = dict(DEVICE, gpu_sharing="mps")
    return [GpuEdge("cuda_ipc", "spin", mps, "cuda_ipc, mps"),
            GpuEdge("cuda_vmm", "spin", dict(mps, order="event", depth=2), "cuda_vmm, event, mps")]


def why_not(said):
    """The reason, of what a dry run says of its only cell; its last line where it gives none."""
    words = " ".join(said.split())
    reason = re.search(r"((?:unavailable|not applicable): .*?)(?: hint: | \d+ of \d+ cells can run)", words)
    return reason.group(1) if reason else said.strip().splitlines()[-1].strip()


def usable(path, edges):
    found = []
    for edge in edges:
        payload = dict(edge.payload)
        try:
            faults.payload_of(path, edge, [payload])
            found.append(edge)
        except faults.Failure as failure:
            say("not tried: %s: %s" % (edge.name, why_not(str(failure))))
        edge.payload = payload
    return found


def device_memory_mib():
    """Memory in use on the first device, by nvidia-smi; None where it does not say."""
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
        return int(said.stdout.decode().split()[0])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


def check_memory(before):
    """Waits for the device's memory to come back."""
    if before is None:
        say("device memory: not looked at, nvidia-smi does not tell")
        return
    until = time.monotonic() + SETTLE_S
    after = device_memory_mib()
    while (after is None or after > before + MEMORY_SLACK_MIB) and time.monotonic() < until:
        time.sleep(0.2)
        after = device_memory_mib()
    check(after is not None, "nvidia-smi, which told the device's memory before, tells it no more")
    say("device memory in use: %d MiB before, %d MiB after" % (before, after))
    check(after <= before + MEMORY_SLACK_MIB, "device memory stays taken: %d MiB before, %d after"
          % (before, after))


def points_of(edge):
    """Where the role has just given the GPU something to do, and just before or after the other gets
    to know. A resident kernel is enqueued once, before the first frame."""
    begun = "enqueued" if edge.payload.get("fill") == "gpu" else "filled"
    taken = "waiting" if edge.wait == "gpu_kernel" else "enqueued"
    return [("producer", begun), ("producer", "committed"), ("consumer", taken), ("consumer", "done")]


def scenario_of(edge, deaths):
    count = {"frames": FRAMES, "warmup": WARMUP}
    return {
        "name": "deaths",
        "base": dict({"frame": "1920x1080x3", "pacing": "rate:1000"}, **edge.base()),
        "blocks": [
            {"name": "dies", "base": dict(count, launches=deaths)},
            {"name": "lives", "base": {"launches": 2, "frames": FRAME - 4, "warmup": 1,
                                       "placement": "none"}},
        ],
    }


def died_at(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return sorted(int(line.split()[0]) for line in file)


def check_cells(result, deaths):
    dies, lives = result["cells"]
    check((dies["status"], dies["launches_failed"], dies["launches_ok"]) == ("failed", deaths, 0),
          "of %d launches that died, %d are told to have failed and %d not"
          % (deaths, dies["launches_failed"], dies["launches_ok"]))
    check(lives["status"] == "ok" and lives["launches_ok"] == 2,
          "the other cell: %s %r" % (lives["status"], lives["reason"]))


# A busy machine kept a role from the fake GPU's clock: then a launch fails, and rightly so.
BUSY = "the GPU's clock could only be read within"


def trial(path, edge, role, point, deaths):
    """As try_once, and again where a busy machine spoiled it."""
    for tries_left in (3, 2, 1):
        tried = try_once(path, edge, role, point, deaths, tries_left)
        if tried:
            return tried
    return try_once(path, edge, role, point, deaths, 0)


def try_once(path, edge, role, point, deaths, tries_left):
    """The name of the edge, the role, its deaths, and the slowest of them to be told (seconds); None
    where a busy machine spoiled the run and there are tries left."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        scenario = program.write_json(os.path.join(folder, "s.json"), scenario_of(edge, deaths))
        out, log = os.path.join(folder, "out"), os.path.join(folder, "deaths")
        run = program.Program([path, "run", "--no-floor", scenario, "--out", out], env={
            "HANDOFF_FAULT": "%s:%s:%d" % (role, point, FRAME), "HANDOFF_FAULT_LOG": log})
        try:
            code = run.wait(60 + 10 * deaths)
            run.check_nothing_left()
            run.check_clean()
            if BUSY in run.stderr() and tries_left > 0:
                return None
            died_ns = died_at(log)
            check(len(died_ns) == deaths, "%d of %d launches got to that point" % (len(died_ns), deaths))
            check(code == 3, "exit code %d instead of 3:\n%s" % (code, run.stderr()))
            told = [(when, found) for when, found in
                    ((when, re.match(r"failed: \S+, launch \d+: (.*)$", line)) for when, line in run.err)
                    if found]
            check(len(told) == deaths, "%d deaths are told:\n%s" % (len(told), run.stderr()))
            for _, found in told:
                roles_killed.check_reason(found.group(1), role, point)
            slowest_s = max((when - died) / 1e9 for (when, _), died in zip(told, died_ns))
            check(slowest_s < LIMIT_S, "told %.3f s after the death" % slowest_s)
            check_cells(program.read_json(os.path.join(out, "result.json")), deaths)
        except faults.Failure as failure:
            raise faults.Failure("%s, %s dies at %s: %s" % (edge.name, role, point, failure))
    say("%s, %s at %s: %d deaths, the slowest told after %.1f ms"
        % (edge.name, role, point, deaths, slowest_s * 1e3))
    return edge.name, role, deaths, slowest_s


def run_edges(given, edges, jobs):
    trials = [(trial, given.program, edge, role, point, given.repeats)
              for edge in edges for role, point in points_of(edge)]
    return faults.run_all(trials, jobs) if trials else ([], [])


def print_table(results):
    rows = {}
    for name, role, deaths, slowest_s in sorted(results):
        count, slowest = rows.get((name, role), (0, 0.0))
        rows[name, role] = count + deaths, max(slowest, slowest_s)
    say("%-24s %-9s %6s  %s" % ("edge", "role", "deaths", "slowest: told after"))
    for (name, role), (count, slowest_s) in rows.items():
        say("%-24s %-9s %6d  %7.1f ms" % (name, role, count, slowest_s * 1e3))
    return sum(count for count, _ in rows.values()), max(slowest for _, slowest in rows.values())


def body():
    given = faults.arguments(__doc__)
    shared, grouped = [usable(given.program, [edge for edge in edges if re.search(given.edges, edge.name)])
                       for edges in (gpu_edges(), mps_edges())]
    if not shared and not grouped:
        say("no edge on a GPU can run here")
        sys.exit(77)
    before = device_memory_mib()
    results, failures = run_edges(given, shared, given.jobs)
    more, failed = run_edges(given, grouped, min(MPS_JOBS, given.jobs))
    results += more
    failures += failed
    if results:
        count, slowest_s = print_table(results)
        say("%d deaths; the slowest was known after %.1f ms (limit %d ms); %d failures"
            % (count, slowest_s * 1e3, faults.LIMIT_S * 1e3, len(failures)))
    check_memory(before)
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
