"""python_roles.py: roles in Python that are killed, hang or never start: the other side ends, the launch
fails with who and how, nothing is left, and --resume makes up for it.

Such a role has no named points (fault.h): it is found among the processes, and met while it starts or
somewhere among its frames.
"""
import os
import random
import re
import signal
import stat
import struct
import tempfile
import time

import faults
import program
from faults import Failure, check, say

# From a death to its being told, on a machine whose CPUs others use, too.
TOLD_S = faults.LIMIT_S + 1.0
# Ten of these are what getting ready may take, one and five times 0.5 s what the frames may.
SLACK_MS = 500
FRAMES = 100
RATE = 200
# (peer, role, while it starts or among its frames, signal)
TRIALS = [
    ("c/python", "consumer", "frames", signal.SIGKILL),
    ("python/python", "producer", "frames", signal.SIGKILL),
    ("python/python", "consumer", "start", signal.SIGKILL),
    ("python/c", "producer", "start", signal.SIGKILL),
    ("c/python", "consumer", "frames", signal.SIGSTOP),
    ("python/c", "producer", "start", signal.SIGSTOP),
]


def scenario_of(folder, peer, kernel="checksum"):
    return program.write_json(os.path.join(folder, "s.json"), {"blocks": [{
        "name": "a", "base": {"transport": "shm", "wait": "futex", "frame": "64x48x3",
                              "frames": FRAMES, "warmup": 2, "launches": 2, "peer": peer,
                              "kernel": kernel,
                              "pacing": "rate:%d" % RATE}}]})


def wait_for_role(run, role):
    """The pid of the first process of that role."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for pid in program.family(run.marker):
            if program.role_of(pid) == role:
                return pid
        time.sleep(0.002)
    raise Failure("no %s; it said:\n%s" % (role, run.stderr()))


def frames_done(run):
    """The fewest frames that the traces of both roles show, which the runner holds."""
    counts = []
    folder = "/proc/%d/fd" % run.pid
    for name in os.listdir(folder):
        try:
            if os.readlink(os.path.join(folder, name)).startswith("/memfd:handoff-trace"):
                with open(os.path.join(folder, name), "rb") as file:
                    counts.append(struct.unpack("<III", file.read(12))[2])
        except OSError:
            continue
    return min(counts) if len(counts) == 2 else 0


def meet(run, role, when):
    """The pid of the role, which is on its way now."""
    pid = wait_for_role(run, role)
    until, enough = time.monotonic() + 30, random.randint(1, FRAMES // 2)
    while when == "frames" and frames_done(run) < enough:
        check(time.monotonic() < until, "no %d frames; it said:\n%s" % (enough, run.stderr()))
        time.sleep(0.01)
    return pid


def check_reason(told, role, when, number):
    said = told.group(2)
    if number == signal.SIGKILL:
        frames = re.search("the %s was killed by signal 9 .* after ([0-9]+) of its " % role, said)
        check(frames, "not who and how: %r" % said)
        check((int(frames.group(1)) > 0) == (when == "frames"), "not then: %r" % said)
    else:
        check("did not get ready in time" in said or "deadline" in said, "not why: %r" % said)


def trial(path, peer, role, when, number):
    name = "%s, %s gets signal %d in its %s" % (peer, role, number, when)
    env = {"HANDOFF_FAULT_SLACK_MS": str(SLACK_MS)}
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        scenario, out = scenario_of(folder, peer), os.path.join(folder, "out")
        run = program.Program([path, "run", "--no-floor", "--clock", "monotonic", scenario, "--out", out],
                              env=env)
        try:
            pid = meet(run, role, when)
            begun_ns = time.monotonic_ns()
            os.kill(pid, number)
            code = run.wait()
            run.check_nothing_left()
            told_ns, told = run.wait_for_line(r"^failed: (\S+), launch 1: (.*)$")
            told_s = (told_ns - begun_ns) / 1e9
            check_reason(told, role, when, number)
            check(number != signal.SIGKILL or told_s < TOLD_S, "told after %.3f s" % told_s)
            check(code == (3 if number == signal.SIGKILL else 1), "exit code %d" % code)
            cell, = program.read_json(os.path.join(out, "result.json"))["cells"]
            check(cell["status"] == "failed" and cell["launches_ok"] == 1,
                  "the other launch: %s" % cell["launches_ok"])
            again = program.run([path, "run", "--no-floor", "--clock", "monotonic", scenario, "--out", out,
                                 "--resume"])
            check(again.code == 0, "resume: %d: %s" % (again.code, again.stderr()))
        except (Failure, ProcessLookupError) as failure:
            raise Failure("%s: %s\n%s" % (name, failure, run.stderr()[-2000:]))
    say("%s: told after %.2f s: %s" % (name, told_s, told.group(2)))


def never_starts(path):
    """Python is there when the run is planned, and gone when roles are to start."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        python = os.path.join(folder, "python")
        with open(python, "w") as file:
            file.write("#!/bin/sh\ncase \"$*\" in *--probe*) exec \"%s\" \"$@\" ;; esac\nexit 5\n"
                       % os.environ.get("HANDOFF_ROLE_PYTHON", "python3"))
        os.chmod(python, stat.S_IRWXU)
        run = program.run([path, "run", "--no-floor", scenario_of(folder, "c/python"), "--out",
                           os.path.join(folder, "out")], env={"HANDOFF_ROLE_PYTHON": python})
        check(run.code == 3 and "the consumer exited with status 5" in run.stderr(), run.stderr())
    say("a Python that does not start: told")


STARTS = """
import subprocess
started = []
def starts(frame):
    if not started:
        started.append(subprocess.Popen(["sleep", "60"]))
"""


def runner_killed(path):
    """Nobody is left to end the roles, and what the user's function started, but guard and kernel."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        with open(os.path.join(folder, "my.py"), "w") as file:
            file.write(STARTS)
        run = program.Program([path, "run", "--no-floor",
                               scenario_of(folder, "python/python", "detector"), "--out",
                               os.path.join(folder, "out"), "--detector",
                               os.path.join(folder, "my.py") + ":starts"])
        meet(run, "consumer", "frames")
        run.kill(signal.SIGKILL)
        gone_s = program.wait_family_gone(run.marker, 10)
        program.kill_family(run.marker)
        run.wait()
        check(gone_s is not None and gone_s < TOLD_S, "the roles went on: %s s" % gone_s)
    say("the runner is killed: its roles are gone after %.2f s" % gone_s)


def available(path):
    with tempfile.TemporaryDirectory() as folder:
        dry = program.run([path, "run", "--dry-run", scenario_of(folder, "c/python")])
    return "1 of 1 cells can run here" in dry.stdout(), dry.stdout()


def body():
    given = faults.arguments(__doc__)
    can_run, why = available(given.program)
    if not can_run:
        say(why)
        say("there is no Python for roles")
        raise SystemExit(77)
    trials = [(trial, given.program) + chosen for chosen in TRIALS * max(1, given.repeats // 2)]
    _, failures = faults.run_all(trials + [(never_starts, given.program),
                                                   (runner_killed, given.program)], min(given.jobs, 3))
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
