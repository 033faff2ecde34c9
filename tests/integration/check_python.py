"""check_python.py: roles in Python: every pair of peers, habits and kernels end to end, the user's own
function, what is missing, interrupt and resume. They run on HANDOFF_ROLE_PYTHON."""
import json
import os
import signal
import stat
import subprocess
import sys
import time

import suite
from suite import check

PYTHON = os.environ.get("HANDOFF_ROLE_PYTHON") or "python3"
SHM = {"transport": "shm", "wait": "futex"}


def needs(*modules):
    """Skips where this Python lacks a module; where it has them, cells must be able to run."""
    code = "import " + ", ".join(modules)
    if subprocess.run([PYTHON, "-c", code], stderr=subprocess.DEVNULL).returncode != 0:
        raise suite.Skip("%s has no %s" % (PYTHON, " and ".join(modules)))


def cells_of(t, blocks, *options, **base):
    """{id less what all share: cell}, of a run of one launch each."""
    out = t.file("out%d" % len(os.listdir(t.folder)))
    t.run("run", t.scenario(blocks, launches=1, **base), "--out", out, "--quiet", *options)
    result = t.result(out)
    suite.all_ok(result)
    for cell in result["cells"]:
        launch, = cell["launches"]
        counts = launch["integrity"]
        check(counts["checked"] + counts["skipped"] == counts["frames"] > 0 and
              not any(counts[name] for name in ("torn", "lost", "repeated", "reordered")),
              "%s: %s" % (cell["id"], counts))
    return {cell["id"]: cell for cell in result["cells"]}, result


def check_python_members(cell, run_clock):
    """Roles in Python say what they are, and what stamped the launch."""
    launch, = cell["launches"]
    roles = dict(zip(("producer", "consumer"), cell["axes"]["peer"].split("/")))
    said = launch.get("python", {})
    check(set(said) == {role for role in roles if roles[role] == "python"}, "%s" % said)
    for role in said.values():
        check(role["version"] and role["numpy"] and role["clock_cost_ns"] > 0 and
              role["rss_begin_bytes"] > 1e6 and role["rss_end_bytes"] > 1e6, "%s" % role)
    expected = "CLOCK_MONOTONIC" if said and run_clock != "CLOCK_MONOTONIC" else None
    check(launch.get("clock") == expected, "%s: %s" % (cell["id"], launch.get("clock")))


def test_peers(t):  # beside others, release only
    """Over shm: every pair, every habit with its copies, kernels that need the bytes; and no module of
    the current folder gets in the way."""
    needs("numpy")
    for name in ("numpy.py", "json.py", "socket.py"):
        with open(t.file(name), "w") as file:
            file.write("raise SystemExit('the current folder is searched for modules')\n")
    before = os.getcwd()
    os.chdir(t.folder)
    try:
        cells, result = cells_of(t, [
            {"name": "peers", "base": SHM,
             "axes": {"peer": ["c/c", "c/python", "python/c", "python/python"]}},
            {"name": "read", "base": dict(SHM, peer="c/python", fill="in_place"),
             "axes": {"read": ["view", "slice", "struct", "tobytes"]}},
            {"name": "kernel", "base": dict(SHM, peer="python/python", gc="off"),
             "cells": [{"kernel": "preprocess", "wait": "poll:100"},
                       {"kernel": "invert", "pacing": "pingpong"},
                       {"policy": "latest", "wait": "eventfd"}]}])
    finally:
        os.chdir(before)
    for cell in cells.values():
        check_python_members(cell, result["run"]["clock"]["name"])
        axes = cell["axes"]
        copies = (axes["fill"] == "copy") + (axes["read"] != "view")
        check(abs(cell["copies_per_frame"] - copies) < 1e-9,
              "%s: %s copies of a frame" % (cell["id"], cell["copies_per_frame"]))
        check(("access" in cell["intervals"]) == (axes["read"] != "view"),
              "%s: access: %s" % (cell["id"], cell["intervals"].get("access")))
    check(len(cells) == 11, "%s" % sorted(cells))


def test_sockets(t):  # beside others, release only
    """Python's own sockets and pyzmq, with C on the other side and without."""
    needs("numpy", "zmq")
    transports = [{"transport": "unix", "wait": "block"}, {"transport": "zmq_ipc", "wait": "block"}]
    cells, _ = cells_of(t, [{"name": "mixed", "axes": {"peer": ["c/python", "python/c"]},
                             "base": {}, "cells": transports}])
    check(len(cells) == 4, "%s" % sorted(cells))


def test_copies_of_a_large_frame(t):  # beside others, release only
    """A view of a 4K frame copies no byte of it, and memory stays as it was; a slice copies each."""
    needs("numpy")
    block = [{"name": "a", "base": dict(SHM, peer="c/python", kernel="none", fill="in_place"),
              "axes": {"read": ["view", "slice"]}}]
    cells, _ = cells_of(t, block, frame="3840x2160x3", frames=60, pacing="rate:60")
    for cell in cells.values():
        role = cell["launches"][0]["python"]["consumer"]
        check(cell["copies_per_frame"] == (cell["axes"]["read"] == "slice"), cell["copies_per_frame"])
        check(abs(role["rss_end_bytes"] - role["rss_begin_bytes"]) < 3840 * 2160, "%s" % role)


# A producer that changes a byte of one frame, or all of it, behind everybody's back: Python imports this
# as it starts.
TEARING = """
import handoff.role.edge_shm as edge
commit, count = edge.ShmProducer.commit, [0]
def tear(self, place):
    count[0] += 1
    if count[0] == 5:
        place.pixels[%s] ^= 0x5a
    commit(self, place)
edge.ShmProducer.commit = tear
"""


def test_torn(t):  # beside others, release only
    """A Python consumer finds a frame torn whose bytes are not those that were sent: each byte with the
    checksum, the tags with another kernel."""
    needs("numpy")
    for kernel, bytes_torn in (("checksum", "4711:4712"), ("none", ":")):
        with open(t.file("sitecustomize.py"), "w") as file:
            file.write(TEARING % bytes_torn)
        out = t.file(kernel)
        scenario = t.scenario([{"name": "a", "base": dict(SHM, peer="python/python", kernel=kernel)}],
                              launches=1)
        t.run("run", scenario, "--out", out, "--quiet", code=1,
              env={"PYTHONPATH": t.folder, "PYTHONDONTWRITEBYTECODE": "1"})
        cell, = t.result(out)["cells"]
        check("torn" in cell["reason"] and cell["launches"][0]["integrity"]["torn"] == 1,
              "%s: %s" % (kernel, cell["reason"]))


DETECTOR = """
import os
import subprocess
calls = []
def sees(frame):
    print("seen")
    assert not os.read(0, 1)
    assert frame.shape == (48, 64, 3) and frame.dtype == 'uint8' and not frame.flags.writeable
    return frame.mean()
def raises(frame):
    calls.append(frame.sum())
    if len(calls) > 5:
        raise ValueError("no such class")
def leaves(frame):
    os._exit(9)
def starts(frame):
    if not calls:
        calls.append(subprocess.Popen(["sleep", "60"]))
"""


def test_detector(t):  # beside others, release only
    """The user's function: called with the frame; what it raises is told, and that it ended the
    process; a run goes on with the same one only."""
    needs("numpy")
    with open(t.file("my.py"), "w") as file:
        file.write(DETECTOR)
    block = [{"name": "d", "base": dict(SHM, peer="c/python", kernel="detector")}]
    scenario = t.scenario(block, launches=1)
    run = t.run("run", scenario, "--out", t.file("sees"), "--quiet", "--format", "json", "--detector",
                t.file("my.py") + ":sees")
    check(json.loads(run.stdout())["cells"]["ok"] == 1 and "seen" in run.stderr(), run.stdout())
    launch = t.result(t.file("sees"))["cells"][0]["launches"][0]
    check(launch["python"]["consumer"]["detector"]["alone_p50_ns"] > 0, "%s" % launch["python"])
    for name, code, words in (
            ("raises", 1, "my.py:raises raised ValueError: no such class"),
            ("leaves", 3, "the consumer exited with status 9"),
            ("absent", 1, "absent")):
        out = t.file(name)
        run = t.run("run", scenario, "--out", out, "--detector", t.file("my.py") + ":" + name,
                    "--quiet", code=code)
        reason = t.result(out)["cells"][0]["reason"]
        check(words in reason and words in run.stderr() + run.stdout(), reason)
    t.run("run", scenario, "--out", t.file("starts"), "--quiet", "--detector",
          t.file("my.py") + ":starts")  # and nothing is left
    said = t.run("run", scenario, "--out", t.file("raises"), "--resume", "--detector",
                 t.file("my.py") + ":sees", code=2).stderr()
    check("its detector is another" in said, said)
    said = t.run("run", scenario, "--out", t.file("none"), "--quiet", code=77)
    check("no function was named" in t.result(t.file("none"))["cells"][0]["reason"], said.stdout())


def test_missing(t):  # beside others, release only
    """What Python there is not is said before anything runs, with what would help."""
    needs("numpy")
    scenario = t.scenario([{"name": "a", "base": SHM, "axes": {"peer": ["c/c", "c/python"]}}])
    bare = t.file("bare")
    with open(bare, "w") as file:
        file.write("#!/bin/sh\nexec '%s' -S \"$@\"\n" % PYTHON)
    os.chmod(bare, stat.S_IRWXU)
    empty = t.file("empty.so")
    open(empty, "w").close()
    for env, reason, hint in (
            ({"HANDOFF_ROLE_PYTHON": "", "PATH": t.folder}, "there is no python3 on PATH",
             "apt-get install python3"),
            ({"HANDOFF_ROLE_PYTHON": bare}, "has no numpy", "apt-get install python3-numpy"),
            ({"HANDOFF_ROLE_PYTHON": "/bin/false"},
             "/bin/false, asked what Python it is, exited with status 1", "names another"),
            ({"HANDOFF_FRAMES_LIBRARY": empty}, "cannot use the C library", ""),
            ({"HANDOFF_PYTHON_HOME": t.folder}, "there is no Python package handoff", "")):
        planned = t.run("run", scenario, "--dry-run", env=env).stdout()
        words = " ".join(planned.split())
        check("1 of 2 cells can run here" in planned and reason in words and hint in words, planned)
    said = t.run("run", scenario, "--dry-run", "--peer", "192.0.2.1").stdout()
    check("roles in Python are started on this host only" in said, said)


def test_interrupt_and_resume(t):  # beside others, release only
    """Ctrl-C among the frames of Python roles: what is complete is kept, and --resume goes on."""
    needs("numpy")
    out = t.file("out")
    scenario = t.scenario([{"name": "a", "base": dict(SHM, peer="python/python")}], launches=3,
                          pacing="rate:100", frames=60)
    run = t.start("run", scenario, "--out", out)
    until = time.monotonic() + 60
    while not t.launches(out) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.5)
    run.kill(signal.SIGINT)
    check(run.wait() == 130, "not interrupted: %s" % run.stderr())
    run.check_nothing_left()
    kept = t.launches(out)
    check(1 <= len(kept) < 3, "launches: %s" % sorted(kept))
    t.run("run", scenario, "--out", out, "--resume")
    result = t.result(out)
    suite.all_ok(result)
    check(len(result["cells"][0]["launches"]) == 3, json.dumps(result["cells"][0])[:500])
    after = t.launches(out)
    check(all(after[name] == kept[name] for name in kept), "a finished launch was run again")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
