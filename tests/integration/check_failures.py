"""check_failures.py: launches, pilots and runs that fail: each with its reason and exit status, and what
was measured beside and before them is kept."""
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid

import suite
from suite import TWO_BLOCKS, check, program, say


def kill_role(run, role):
    """Kills the first process of that role that is seen, with SIGKILL."""
    while True:
        check(run.process.poll() is None, "no %s was seen:\n%s" % (role, run.stderr()))
        for pid in program.family(run.marker):
            if program.role_of(pid) == role:
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.005)


def available_bytes():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable: +(\d+) kB", file.read()).group(1)) * 1024


def test_a_role_that_dies_in_the_pilot(t):  # beside others
    """Exit code 3, as for a launch; the other cell is measured. How it ended is known also to a runner
    whose own parent ignores the ends of its children, which an exec keeps."""
    for role, caught in (("producer", signal.SIG_DFL), ("consumer", signal.SIG_IGN)):
        out = t.file(role)
        slow = {"name": "slow", "base": {"transport": "shm", "wait": "futex", "warmup": "auto",
                                         "pacing": "rate:5"}}
        scenario = t.scenario([slow, TWO_BLOCKS[1]], launches=1)
        run = t.start("run", scenario, "--out", out,
                      preexec_fn=functools.partial(signal.signal, signal.SIGCHLD, caught))
        kill_role(run, role)
        code = run.wait()
        run.check_nothing_left()
        run.check_clean()
        check(code == 3, "%s: exit code %d:\n%s" % (role, code, run.stderr()))
        cells = t.result(out)["cells"]
        check(cells[0]["status"] == "failed" and "in the pilot: the %s was killed by signal 9" %
              role in cells[0]["reason"], "%s: %s" % (role, cells[0]["reason"]))
        check([cell["status"] for cell in cells[1:]] == ["ok", "ok"], "the others: %s" %
              [cell["reason"] for cell in cells[1:]])


# Starts what it is told, with one descriptor, and does nothing more: a runner without its wishes.
PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[2:], pass_fds=[int(sys.argv[1])]);" \
         "time.sleep(600)"


def test_a_role_asks_to_die_with_its_runner(t):  # beside others
    """By itself, since an exec with file capabilities (setcap) forgets what was asked for before it."""
    for role in ("producer", "consumer", "load"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        marker, fd = uuid.uuid4().hex, theirs.fileno()
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(fd)] + program.EMULATOR +
            [t.path, "--role", role, "--control-fd", str(fd)],
            pass_fds=[fd], env=dict(os.environ, **{program.MARKER: marker}))
        theirs.close()
        try:
            ours.settimeout(60)
            # It answers what makes no sense, and stays until it is told to go.
            ours.send(b'{"type": "setup"}')
            said = ours.recv(65536)
            check(b'"error"' in said, "the %s said %r" % (role, said))
            parent.kill()
            parent.wait()
            check(program.wait_family_gone(marker, 30) is not None,
                  "the %s outlives its parent as long as its socket is open" % role)
        finally:
            parent.kill()
            parent.wait()
            program.kill_family(marker)
            ours.close()


def test_a_ring_larger_than_memory(t):  # beside others
    """Too much memory is refused before it is taken, with the bytes, in that cell only."""
    height = int(1.5 * available_bytes() / (1024 * 4096 * 4))
    if not 1 <= height <= 8192:
        raise suite.Skip("no ring is larger than this machine's memory")
    large = {"name": "large", "base": {"transport": "shm", "wait": "futex", "slots": 1024,
                                       "frame": "4096x%dx4" % height, "launches": 1}}
    done = t.run("run", t.scenario([large, TWO_BLOCKS[0]]), "--out", t.file("out"), code=1)
    cells = t.result(t.file("out"))["cells"]
    told = re.search(r"(\d{10,}) bytes", cells[0]["reason"])
    say(cells[0]["reason"])
    check(cells[0]["status"] == "failed" and told and
          int(told.group(1)) >= 1024 * 4096 * height * 4 and cells[0]["hint"],
          "%s: %s: %s" % (cells[0]["status"], cells[0]["reason"], cells[0]["hint"]))
    check([cell["status"] for cell in cells[1:]] == ["ok", "ok"], "the others: %s" %
          [cell["reason"] for cell in cells[1:]])
    check("failed: " + cells[0]["id"] in done.stderr(), done.stderr())


def test_what_was_measured_is_kept(t):  # beside others
    """The runner's own failure, here a launch that it cannot write, ends the run; result.json has the
    launches before."""
    out = t.file("out")
    run = t.start("run", t.scenario(TWO_BLOCKS, launches=6, frames=60), "--out", out)
    run.wait_for_line(r"^launch ([5-9]|1\d)/24")
    # A folder where the file of one of the last launches is to be written before it is renamed.
    first = sorted(os.listdir(os.path.join(out, "launches")))[0]
    blocker = os.path.join(out, "launches", "%s.tmp.%d" % (
        re.sub(r"\d+\.json.*$", "0004.json", first), run.process.pid))
    os.mkdir(blocker)
    code = run.wait()
    run.check_nothing_left()
    run.check_clean()
    check(code == 4 and re.search(r"^error: .*0004\.json.*: Is a directory", run.stderr(), re.M),
          "exit code %d:\n%s" % (code, run.stderr()))
    os.rmdir(blocker)
    kept = t.launches(out)
    check(4 <= len(kept) < 24, "%d launches were kept" % len(kept))
    result = t.result(out)
    told = [launch for cell in result["cells"] for launch in cell["launches"]]
    check(len(told) == len(kept) and not result["run"]["complete"], "%d launches in the result, %d "
          "files; complete: %s" % (len(told), len(kept), result["run"]["complete"]))
    for cell in result["cells"]:
        check(cell["status"] == "incomplete" and cell["intervals"]["latency"]["count"] > 0,
              "%s: %s: %s" % (cell["id"], cell["status"], cell["reason"]))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
