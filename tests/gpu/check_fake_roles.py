"""check_fake_roles.py: the whole program over the fake GPU (tests/support/fake_gpu.h): every transport,
access, fill, order, wait and sync of the GPU runs with whole frames and leaves nothing behind, and each
call of gpu.h and launch.h that a role makes is failed in turn: the launch fails with that reason, nobody
hangs, nothing is left."""
import collections
import concurrent.futures
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import suite  # noqa: E402
from suite import check, program, say  # noqa: E402

DEVICE = ("cuda_ipc", "cuda_vmm", "cuda_pool")
HOST = ("shm", "unix")
ACCESSES = ("mapped", "copy", "pageable", "managed", "direct")
# A machine where everything works, slow enough that what is not waited for is not there.
EVERYTHING = {"HANDOFF_FAKE_GPU_ATTRIBUTES": "pageable_memory_access=1",
              "HANDOFF_FAKE_GPU_DELAY_US": "150", "HANDOFF_FAKE_GPU_STRICT": "1"}
# Functions that cannot fail.
SAFE = {"gpu_close", "gpu_attribute_read", "gpu_device_free", "gpu_pinned_free", "gpu_unregister",
        "gpu_managed_free", "gpu_shared_pointer", "gpu_shared_destroy", "gpu_stream_close",
        "gpu_stream_native", "gpu_event_close", "launcher_close", "gpu_toolkit_version"}
# How often these are called depends on how fast things go.
BY_TIME = {"gpu_stream_poll", "gpu_event_poll", "launcher_enqueue_clock", "gpu_stream_synchronize"}
# Work that can go wrong after its call.
WORK = {"gpu_stream_copy", "gpu_stream_wait_value", "gpu_stream_write_value", "gpu_event_record",
        "gpu_stream_wait_event", "launcher_enqueue", "launcher_enqueue_resident"}
# What a failed launch may take: the pilotless launch itself, the wait for who is to blame, and the
# clean-up, on a busy machine under a sanitizer.
SECONDS_PER_CELL = 8
# Cells with one failing call: no more than these, since each is a launch.
CELLS_PER_CALL = 2


def cell(transport, access, wait="spin", **axes):
    chosen = {"transport": transport, "access": access, "wait": wait}
    chosen.update(axes)
    return chosen


def every_cell():
    """Every GPU transport, fill and order; every access on both host transports; every wait with what
    it can be combined with; then each other axis once or twice."""
    cells = [cell(transport, "device", fill=fill, order=order)
             for transport in DEVICE
             for fill, order in (("gpu", "host"), ("gpu", "event"), ("copy", "host"))]
    cells += [cell(transport, access, fill=fill) for transport in HOST for access in ACCESSES
              for fill in (("copy", "gpu") if transport == "shm" else ("copy",))]
    cells += [cell("shm", access, "gpu_stream", sync="flag") for access in ("mapped", "copy", "direct")]
    cells += [cell("shm", access, "gpu_kernel", sync="flag") for access in ("mapped", "direct")]
    cells += [cell(transport, "device", wait, sync="flag", fill="gpu")
              for transport in DEVICE for wait in ("gpu_stream", "gpu_kernel")]
    for sync in ("yield", "block", "event", "flag"):
        cells += [cell("shm", "mapped", "futex", sync=sync, fill="gpu"),
                  cell("cuda_vmm", "device", "futex", sync=sync, fill="gpu")]
    for kernel in ("none", "invert", "preprocess"):
        cells += [cell("shm", "copy", "futex", kernel=kernel),
                  cell("cuda_ipc", "device", kernel=kernel, fill="gpu", order="event")]
    cells += [cell("shm", access, register_per_frame="on") for access in ("mapped", "copy")]
    cells += [cell("shm", "mapped", depth=3, pacing="max", slots=6),
              cell("shm", "managed", depth=3, pacing="max", slots=6),
              cell("cuda_vmm", "device", depth=5, pacing="max", slots=6, fill="gpu", order="event"),
              cell("shm", "mapped", "gpu_stream", sync="flag", depth=3, pacing="max", slots=6),
              cell("shm", "mapped", policy="latest", slots=6),
              cell("shm", "copy", pacing="pingpong"),
              cell("cuda_ipc", "device", pacing="pingpong", fill="gpu")]
    return cells


def few_cells():
    """One of each way through the roles, for the calls that fail."""
    return [cell("cuda_ipc", "device", fill="gpu", order="event"),
            cell("cuda_vmm", "device", fill="copy"),
            cell("cuda_pool", "device", fill="gpu", sync="flag"),
            cell("shm", "mapped", fill="gpu", sync="event"),
            cell("shm", "copy", "futex", sync="block"),
            cell("unix", "pageable", "block", sync="yield"),
            cell("shm", "managed", depth=2, kernel="invert"),
            cell("unix", "direct", "block", kernel="preprocess"),
            cell("shm", "copy", register_per_frame="on"),
            cell("shm", "mapped", "gpu_stream", sync="flag"),
            cell("cuda_ipc", "device", "gpu_kernel", sync="flag", fill="gpu")]


def blocks(cells):
    return [{"name": "c%d" % i, "base": axes} for i, axes in enumerate(cells)]


def start(t, name, cells, code=None, seconds=120, **env):
    """Runs these cells, once each; the Program with its result's cells."""
    scenario = t.scenario(blocks(cells), name="%s.json" % name, frames=8, launches=1)
    out = t.file(name)
    began = time.monotonic()
    done = program.run([t.path, "run", "--no-floor", scenario, "--out", out], seconds=seconds,
                       env=dict(EVERYTHING, **env))
    done.seconds = time.monotonic() - began
    said = done.stderr()
    check(code is None or done.code == code, "%s: exit code %d instead of %s:\n%s" %
          (name, done.code, code, said))
    check("fake gpu:" not in said, "%s: the fake GPU complains:\n%s" % (name, said))
    done.cells = t.result(out)["cells"]
    check(len(done.cells) == len(cells), "%s: %d cells of %d" % (name, len(done.cells), len(cells)))
    return done


# A busy machine kept a role from it: then a launch fails, and rightly so.
BUSY = "the GPU's clock could only be read within"


def run_whole(t, name, cells, **env):
    """Runs them until no busy machine spoils one: all must go well. What env names for each try has
    "%d" in it."""
    for attempt in range(4):
        done = start(t, "%s.%d" % (name, attempt), cells, **{
            key: value.replace("%d", str(attempt)) for key, value in env.items()})
        if not any(BUSY in found["reason"] for found in done.cells):
            break
    for found in done.cells:
        check(found["status"] == "ok", "%s: %s: %s" % (found["id"], found["status"], found["reason"]))
    check(done.code == 0, "%s: exit code %d:\n%s" % (name, done.code, done.stderr()))
    return attempt


def measured(t, name, scenario, *options, **env):
    """The folder of a run of that scenario in which all went well: as run_whole."""
    for attempt in range(4):
        out = t.file("%s.%d" % (name, attempt))
        done = program.run([t.path, "run", scenario, "--out", out] + list(options), env={
            key: value.replace("%d", str(attempt)) for key, value in env.items()})
        if not any(BUSY in found["reason"] for found in t.result(out)["cells"]):
            break
    check(done.code == 0, "%s: exit code %d:\n%s" % (name, done.code, done.stderr()))
    return out


def side_by_side(jobs, at_once=2):
    """Calls them, some at a time; a Failure with those of all."""
    failures = []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for future in [pool.submit(*job) for job in jobs]:
            try:
                future.result()
            except suite.Failure as failure:
                failures.append(str(failure))
    check(not failures, "\n".join(failures))


def test_every_cell(t):  # beside others
    cells = every_cell()
    if suite.sanitized(t.path):
        cells = cells[::2]
    halves = [cells[0::2], cells[1::2]]
    side_by_side([(lambda part=part, i=i: run_whole(t, "part%d" % i, part),)
                  for i, part in enumerate(halves)])
    say("%d cells" % len(cells))


def test_other_machines(t):  # beside others
    """Attributes of a Jetson: managed memory changes hands, there are no legacy handles."""
    cells = [cell("shm", "managed"), cell("shm", "managed", fill="gpu"), cell("unix", "managed"),
             cell("shm", "managed", kernel="invert"), cell("shm", "managed", kernel="none"),
             cell("cuda_vmm", "device", fill="gpu")]
    run_whole(t, "turns", cells, HANDOFF_FAKE_GPU_ATTRIBUTES=
              "concurrent_managed_access=0,integrated=1,ipc_memory=0,dma_buf=0")


def test_cells_of_other_machines(t):  # beside others
    """What cannot run on such a machine is known before: it is unavailable, with the reason, and not a
    launch that fails."""
    cells = [cell("shm", "managed", depth=2, slots=4, pacing="max"), cell("shm", "managed"),
             cell("cuda_vmm", "device", sync="flag", fill="copy"),
             cell("cuda_vmm", "device", sync="flag", fill="gpu")]
    for attributes, missing in (("concurrent_managed_access=0", {0: "concurrent_managed_access is 0"}),
                                ("stream_memory_operations=0", {2: "sync flag: stream waits"})):
        done = start(t, attributes.partition("=")[0], cells, HANDOFF_FAKE_GPU_ATTRIBUTES=attributes)
        for i, found in enumerate(done.cells):
            told = "%s: %s: %s (%s)" % (found["id"], found["status"], found["reason"], found["hint"])
            wanted = missing.get(i)
            check(found["status"] == ("unavailable" if wanted else "ok") or BUSY in found["reason"], told)
            check(not wanted or wanted in found["reason"] and found["hint"].startswith("use "), told)


# Stands in for NVIDIA's program: a daemon with -f, else its client. The fake GPU is shared through it
# where it finds `control`.
MPS_CONTROL = """#!/bin/sh
pipe=$CUDA_MPS_PIPE_DIRECTORY
if [ "$1" = -f ]; then
  : > "$pipe/control"
  while ! [ -e "$pipe/quit" ]; do sleep 0.02; done
  exit 0
fi
[ -e "$pipe/control" ] || exit 1
read command rest
case $command in
get_default_active_thread_percentage) echo 100.0 ;;
quit) : > "$pipe/quit" ;;
esac
"""


def test_shared_through_mps(t):  # beside others
    """Roles join the guard's daemon where the cell says so, and else none, also not the user's."""
    users = t.file("users")
    for folder in (t.file("bin"), t.file("tmp"), users):
        os.mkdir(folder)
    with open(os.path.join(users, "control"), "w"):
        pass
    path = os.path.join(t.file("bin"), "nvidia-cuda-mps-control")
    with open(path, "w") as file:
        file.write(MPS_CONTROL)
    os.chmod(path, 0o755)
    cells = [cell("cuda_vmm", "device", fill="gpu", gpu_sharing="mps"), cell("shm", "mapped"),
             cell("shm", "mapped", fill="gpu", gpu_sharing="mps")]
    run_whole(t, "mps", cells, CUDA_MPS_PIPE_DIRECTORY=users, TMPDIR=t.file("tmp"),
              PATH=t.file("bin") + ":" + os.environ["PATH"])
    check(not os.listdir(t.file("tmp")), "the daemon left %s" % os.listdir(t.file("tmp")))


def test_consumer_ends_first(t):  # beside others
    """Device memory and events are no longer open when their maker, the producer, frees them."""
    scenario = t.scenario(blocks([cell(transport, "device", fill="gpu", order="event")
                                  for transport in DEVICE]), frames=8, launches=2)
    out = measured(t, "ends", scenario, "--no-floor",
                   **dict(EVERYTHING, HANDOFF_FAKE_GPU_COUNT=t.file("count.%d")))
    # Each process writes its lines when it closes the GPU.
    ends = []
    with open(t.file("count." + out.rpartition(".")[2])) as file:
        for line in file:
            role, pid = line.split()[:2]
            if role in ("producer", "consumer") and (role, pid) not in ends:
                ends.append((role, pid))
    check(len(ends) == 12, "%d roles ended" % len(ends))
    check([role for role, _ in ends] == ["consumer", "producer"] * 6, "roles ended as %s" % ends)


def calls_of(t, index, axes):
    """How often each role calls what."""
    count = t.file("count%d" % index)
    attempt = run_whole(t, "calls%d" % index, [axes], HANDOFF_FAKE_GPU_COUNT=count + ".%d")
    calls = collections.Counter()
    with open("%s.%d" % (count, attempt)) as file:
        for line in file:
            role, _, function, number = line.split()
            if role in ("producer", "consumer"):
                calls[role, function] += int(number)
    check(any(role == "consumer" for role, _ in calls), "nobody called the GPU: %s" % axes)
    return calls


def test_uploads_raise_flags(t):  # beside others
    """With sync flag the producer looks at a word for its uploads too, and no CUDA call waits."""
    waits = {sync: calls_of(t, i, cell("cuda_vmm", "device", fill="copy", sync=sync))
             for i, sync in enumerate(("flag", "spin"))}
    written = waits["flag"]["producer", "gpu_stream_write_value"]
    check(written == 8 + 2, "%d words were written for 10 frames" % written)
    spared = (waits["spin"]["producer", "gpu_stream_synchronize"] -
              waits["flag"]["producer", "gpu_stream_synchronize"])
    check(spared == 8 + 2, "%d calls less waited for uploads" % spared)


def faults(t, cells):
    """(role, function, n, how, cells) for each call to be failed."""
    calls = {}
    side_by_side([(lambda i=i, axes=axes: calls.__setitem__(i, calls_of(t, i, axes)),)
                  for i, axes in enumerate(cells)])
    keys = sorted({key for found in calls.values() for key in found})
    for number, key in enumerate(key for key in keys if key[1] not in SAFE):
        users = [i for i in calls if calls[i][key] > 0]
        # Each call meets other cells than the one before it.
        users = users[number % len(users):] + users[:number % len(users)]
        yield key + (1, "", users[:CELLS_PER_CALL])
        often = [i for i in users if calls[i][key] > 2]
        if often:
            yield key + (min(calls[i][key] for i in often) // 2 + 1, "", often[:CELLS_PER_CALL])
        if key[1] in WORK:
            yield key + (2, ":later", [i for i in users if calls[i][key] > 2][:2])


def fail_one(t, number, cells, role, function, n, how):
    spec = "%s:%s:%d%s" % (role, function, n, how)
    done = start(t, "fault%d" % number, cells, HANDOFF_FAKE_GPU_FAIL=spec)
    for found, axes in zip(done.cells, cells):
        told = "%s in %s: %s: %s" % (spec, axes, found["status"], found["reason"])
        missed = function in BY_TIME and n > 1 and found["status"] == "ok"
        check(missed or found["status"] == "failed" and (
            "injected" in found["reason"] or BUSY in found["reason"]), told)
    check(done.code == 1 or n > 1 and done.code == 0, "%s: exit code %d:\n%s" % (spec, done.code, done.stderr()))
    check(done.seconds < 2 + SECONDS_PER_CELL * len(cells), "%s: %.1f s" % (spec, done.seconds))


def test_every_call_fails(t):  # beside others
    cells = few_cells()
    jobs = []
    for role, function, n, how, users in faults(t, cells):
        if users:
            jobs.append((fail_one, t, len(jobs), [cells[i] for i in users], role, function, n, how))
    # Others each time: all of them take a while.
    step = 3 if suite.sanitized(t.path) else 2
    jobs = jobs[random.randrange(step)::step]
    check(len(jobs) >= 20, "only %d calls were found" % len(jobs))
    side_by_side(jobs, 4)  # most of a failed launch is waiting
    say("%d calls failed, in %d launches" % (len(jobs), sum(len(job[3]) for job in jobs)))


def test_broken_work_of_a_producer(t):  # beside others
    """With order event it waits for slots, not for its own work; that this broke is known soon all the
    same, and told: the consumer's stream waits for an event that will not come."""
    event = {"fill": "gpu", "order": "event"}
    cells = [cell("cuda_pool", "device", "futex", pacing="pingpong", **event),
             cell("cuda_vmm", "device", pacing="max", slots=1, **event)]
    side_by_side([(fail_one, t, i, [axes], "producer", "gpu_event_record", 2, ":later")
                  for i, axes in enumerate(cells)])


if __name__ == "__main__":
    suite.main(globals())
