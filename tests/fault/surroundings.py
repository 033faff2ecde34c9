"""surroundings.py: what is around the roles fails: a load is killed, a real-time role hangs, the
runner is killed while it holds the idle latency and has loads. The launch ends with the reason, in
bounded time, and nothing is left: no process, and nobody holds the idle latency.
"""
import glob
import os
import tempfile
import time

import faults
import program
from faults import LIMIT_S, check, say

IDLE_LATENCY = "/dev/cpu_dma_latency"
SLACK_MS = 1000
# With real-time roles spinning on every CPU the runner has a twentieth of each second.
DEADLINE_S = 12.0


def scenario(folder, **base):
    cell = {"frame": "64x48x3", "transport": "shm", "wait": "futex", "pacing": "rate:100",
            "frames": 60, "warmup": 2, "launches": 1}  # more frames than the other cell
    cell.update(base)
    return program.write_json(os.path.join(folder, "s.json"), {
        "name": "surroundings", "blocks": [
            {"name": "dies", "base": cell},
            {"name": "lives", "base": {"frame": "64x48x3", "transport": "shm", "wait": "futex",
                                       "pacing": "rate:500", "frames": 10, "warmup": 1,
                                       "launches": 1}}]})


def available(path, **base):
    """Whether the machine lets us; else says why not."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        done = program.run([path, "run", scenario(folder, **base), "--dry-run"])
    if "2 of 2 cells can run here" in done.stdout():
        return True
    say("not tried: %s: %s" % (base, done.stdout()))
    return False


def holders():
    """The processes that hold the idle latency."""
    found = []
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == IDLE_LATENCY:
                found.append(int(link.split("/")[2]))
        except OSError:
            pass
    return found


def failed_launch(path, label, fault, action, limit_s, pattern, **base):
    """A fault in the first cell: its reason, in time; the second cell is well."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        out, once = os.path.join(folder, "out"), os.path.join(folder, "once")
        env = {"HANDOFF_FAULT": fault, "HANDOFF_FAULT_ONCE": once,
               "HANDOFF_FAULT_ACTION": action, "HANDOFF_FAULT_SLACK_MS": str(SLACK_MS)}
        run = program.Program([path, "run", "--no-floor", scenario(folder, **base), "--out", out], env=env)
        try:
            code = run.wait()
            run.check_nothing_left()
            run.check_clean()
            check(os.path.exists(once), "%s: the fault did not come" % label)
            with open(once) as file:
                began_ns = int(file.read().split()[0])
            told_ns, told = run.wait_for_line(r"^failed: \S+, launch \d+: (.*)$")
            told_s = (told_ns - began_ns) / 1e9
            check(pattern in told.group(1), "%s: not the reason: %r" % (label, told.group(1)))
            check(told_s < limit_s, "%s: told after %.2f s" % (label, told_s))
            dies, lives = sorted(program.read_json(os.path.join(out, "result.json"))["cells"],
                                 key=lambda cell: cell["block"])
            check(dies["status"] == "failed" and lives["status"] == "ok", "%s: %s, %s: %s" % (
                label, dies["status"], lives["status"], lives["reason"]))
            # 1 or 3, as for a role: a process of the measurement died.
            check(code in (1, 3), "%s: exit code %d" % (label, code))
        finally:
            program.kill_family(run.marker)
    say("%s: told after %.3f s: %s" % (label, told_s, told.group(1)))
    return told_s


def runner_killed(path, **base):
    """Everything is gone within the limit, the hold on the idle latency with it."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        run = program.Program([path, "run", "--no-floor", scenario(folder, frames=3000, **base), "--out",
                               os.path.join(folder, "out")])
        try:
            until = time.monotonic() + 20
            roles = []
            while sorted(set(roles)) != ["consumer", "guard", "load", "producer", "runner"]:
                check(time.monotonic() < until, "only %s started:\n%s" % (roles, run.stderr()))
                roles = [program.role_of(pid) for pid in program.family(run.marker)]
                # Either cell may come first; the short one has no loads.
                time.sleep(0.01)
            time.sleep(0.2)
            if base.get("idle_latency") == "held":
                check(run.pid in holders(), "the runner does not hold the idle latency")
            pids = program.family(run.marker)
            run.kill()
            run.process.wait()
            gone_s = program.wait_family_gone(run.marker, LIMIT_S)
            check(gone_s is not None, "still there after %.1f s: %s" % (
                LIMIT_S, [program.role_of(pid) for pid in program.family(run.marker)]))
            check(not set(pids) & set(holders()), "the idle latency is still held")
        finally:
            program.kill_family(run.marker)
    say("runner killed with %s: all gone after %.1f ms" % (base, gone_s * 1e3))
    return gone_s


def body():
    given = faults.arguments(__doc__)
    path = given.program
    trials = []
    for load in ("cpu", "membw"):
        trials.append((failed_launch, path, "a load is killed (%s)" % load, "load:working:20", "kill",
                       LIMIT_S, "the load on CPU "))
    # A load that hangs is not noticed until it should stop.
    hangs = (lambda: failed_launch(path, "a load hangs", "load:working:5", "stop", DEADLINE_S + 10,
                                   "did not stop in time", load="cpu"),)
    _, failures = faults.run_all([hangs] + [
        (lambda trial=trial, load=load: trial[0](*trial[1:], load=load),)
        for trial, load in zip(trials, ("cpu", "membw"))] * given.repeats, given.jobs)
    kinds = [{"load": "cpu"}]
    if available(path, idle_latency="held"):
        kinds.append({"load": "membw", "idle_latency": "held"})
    _, more = faults.run_all([(lambda kind=kind: runner_killed(path, **kind),)
                              for kind in kinds] * given.repeats, 1)
    failures += more
    spinning = {"scheduling": "fifo:90", "wait": "spin", "load": "cpu"}
    if available(path, **spinning):
        _, more = faults.run_all([(lambda role=role, point=point: failed_launch(
            path, "a spinning real-time %s hangs" % role, "%s:%s:30" % (role, point), "stop",
            DEADLINE_S, "deadline", **spinning),)
            for role, point in (("producer", "filled"), ("consumer", "acquired"))], 1)
        failures += more
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
