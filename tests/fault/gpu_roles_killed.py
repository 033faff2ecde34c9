"""gpu_roles_killed.py: either role is killed in the middle of its GPU work, on every transport in
device memory and with every wait on the GPU: the death is known within a second, the other role ends,
the matrix goes on, no process is left, and the device's memory is back where it was.

Trials are those of roles_killed.py. Where no device shows, exit code 77. Under MPS one run at a time:
an MPS server that loses a client may take its other clients along.
"""
import subprocess
import sys
import time

import faults
import roles_killed
from faults import check, say

DEVICE = {"access": "device", "fill": "gpu", "kernel": "invert", "frame": "1920x1080x3"}
HOST = {"access": "mapped", "kernel": "checksum", "frame": "1920x1080x3"}
POINTS = [("producer", "enqueued"), ("consumer", "enqueued"), ("producer", "committed"),
          ("consumer", "done")]
# What a process's context takes of the device may come back a moment after the process has gone.
SETTLE_S = 5.0
MEMORY_SLACK_MIB = 64


class GpuEdge(faults.Edge):
    def __init__(self, transport, wait, payload, name):
        super().__init__(transport, wait, "block")
        self.payload, self.name, self.exact = payload, name, False
        self.children = 1  # the runner asks about the GPU through a process of its own, also afterwards


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


def usable(path, edges):
    found = []
    for edge in edges:
        payload = dict(edge.payload)
        try:
            faults.payload_of(path, edge, [payload])
            found.append(edge)
        except faults.Failure as failure:
            reason = [line for line in str(failure).splitlines() if line.strip()]
            say("not tried: %s: %s" % (edge.name, " ".join(reason[-1].split())))
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
    while after > before + MEMORY_SLACK_MIB and time.monotonic() < until:
        time.sleep(0.2)
        after = device_memory_mib()
    say("device memory in use: %d MiB before, %d MiB after" % (before, after))
    check(after <= before + MEMORY_SLACK_MIB, "device memory stays taken: %d MiB before, %d after"
          % (before, after))


def run_edges(given, edges, jobs):
    trials = [(roles_killed.trial, given.program, edge, role, point)
              for _ in range(given.repeats) for edge in edges for role, point in POINTS]
    return faults.run_all(trials, jobs) if trials else ([], [])


def body():
    given = faults.arguments(__doc__)
    shared, grouped = usable(given.program, gpu_edges()), usable(given.program, mps_edges())
    if not shared and not grouped:
        say("no edge on a GPU can run here")
        sys.exit(77)
    before = device_memory_mib()
    results, failures = run_edges(given, shared, given.jobs)
    more, failed = run_edges(given, grouped, 1)
    results += more
    failures += failed
    if results:
        count, slowest_s = roles_killed.print_table(results)
        say("%d deaths; the slowest was known after %.1f ms (limit %d ms); %d failures"
            % (count, slowest_s * 1e3, faults.LIMIT_S * 1e3, len(failures)))
        check(count >= len(results) // 2, "too few deaths: the points were not met")
    check_memory(before)
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
