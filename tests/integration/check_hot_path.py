"""check_hot_path.py: between "go" and "finished" a role makes no system call that its pacing, transport
and wait do not need. strace tells; a call more per frame would be part of every figure."""
import collections
import glob
import re
import shutil
import subprocess

from suite import Skip, check, main, sanitized, say

FRAMES = 300
# usage_self, at the beginning and the end of the counted window; and surroundings_verify after the
# last frame.
READINGS = {"getrusage": 2, "clock_gettime": 2, "sched_getscheduler": 1, "sched_getparam": 1,
            "prctl": 1, "sched_getaffinity": 1}
# Before the first frame both roles sleep until the launch starts, if that is not yet past.
START = collections.Counter({"clock_nanosleep": 1})


def traced(t, wait, transport, pacing):
    """The calls of both roles between go and finished, counted by name."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    if sanitized(t.path):
        raise Skip("the sanitizers make calls of their own")
    scenario = t.scenario([{"name": "b", "base": {"transport": transport, "wait": wait}}],
                          pacing=pacing, frames=FRAMES, warmup=10, launches=1)
    prefix = t.file("trace")
    done = subprocess.run(["strace", "-ff", "-s", "200", "-o", prefix, t.path, "run", scenario,
                           "--out", t.file("out"), "--quiet", "--no-floor"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)
    if b"ptrace" in done.stderr:
        raise Skip("strace may not trace here: " + done.stderr.decode().strip().splitlines()[0])
    check(done.returncode == 0, "the traced run failed: " + done.stderr.decode())
    roles = {}
    for path in glob.glob(prefix + ".*"):
        with open(path, errors="replace") as file:
            lines = file.read().splitlines()
        role = re.search(r'"--role", "(producer|consumer)"', "\n".join(lines[:20]))
        if role:
            roles[role.group(1)] = between(lines)
    check(sorted(roles) == ["consumer", "producer"], "traces of both roles, not %s" % list(roles))
    for name, calls in sorted(roles.items()):
        say("%s+%s %s, %s: %s" % (transport, wait, pacing, name, dict(calls)))
        for reading, count in READINGS.items():
            check(calls.pop(reading, 0) <= count, "%s: more than %d %s" % (name, count, reading))
    return {name: calls - START for name, calls in roles.items()}


def between(lines):
    begin = next(i for i, line in enumerate(lines) if '\\"type\\":\\"go\\"' in line)
    end = next(i for i, line in enumerate(lines) if '\\"type\\":\\"finished\\"' in line)
    return collections.Counter(line.split("(")[0] for line in lines[begin + 1:end]
                               if re.match(r"[a-z_0-9]+\(", line))


def only(calls, role, allowed):
    for name, count in calls[role].items():
        check(name in allowed, "%s makes %d calls of %s; allowed: %s" %
              (role, count, name, ", ".join(allowed) or "none"))
        check(count <= allowed[name], "%s makes %d calls of %s, more than %d" %
              (role, count, name, allowed[name]))


def test_a_spinning_ring_makes_no_call(t):  # release only
    calls = traced(t, "spin", "shm", "pingpong")
    only(calls, "producer", {})
    only(calls, "consumer", {})


def test_a_paced_ring_only_sleeps(t):  # release only
    calls = traced(t, "spin", "shm", "rate:500")
    only(calls, "producer", {"clock_nanosleep": FRAMES + 10})
    only(calls, "consumer", {})


def test_a_late_pacer_does_not_sleep(t):  # release only
    # Under strace no role keeps this rate: nearly every frame is late, and a call for it would make
    # it later.
    calls = traced(t, "spin", "shm", "rate:1000000")
    only(calls, "producer", {"clock_nanosleep": FRAMES / 10})


def test_a_sleeping_ring_only_wakes_and_sleeps(t):  # release only
    calls = traced(t, "futex", "shm", "rate:500")
    # A wake per frame; the consumer's sleep may be interrupted by a wake that came early.
    only(calls, "producer", {"clock_nanosleep": FRAMES + 10, "futex": FRAMES + 10})
    only(calls, "consumer", {"futex": 2 * (FRAMES + 10)})


def test_a_socket_sends_and_receives(t):  # release only
    calls = traced(t, "block", "unix", "rate:500")
    per_frame = FRAMES + 10
    # Small frames go in one piece: one call to send, one to look for returned credits.
    only(calls, "producer", {"clock_nanosleep": per_frame, "sendmsg": per_frame,
                             "recvfrom": 2 * per_frame, "ppoll": per_frame})
    only(calls, "consumer", {"recvmsg": 4 * per_frame, "recvfrom": 4 * per_frame,
                             "ppoll": 3 * per_frame, "sendto": per_frame, "sendmsg": per_frame})


if __name__ == "__main__":
    main(globals())
