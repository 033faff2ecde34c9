"""roles_stopped.py: a role that hangs (SIGSTOP) is ended at the deadline, and a kernel without pidfds
still shows deaths at once, by the end of the control socket.
"""
import os
import random
import tempfile
import time

import faults
import program
import roles_killed
from faults import check, say

# The launch's deadline is this and five times its expected time (about 60 ms); the runner gives the
# roles up to a second more to say what they miss.
SLACK_MS = 1000
# More for a library whose threads compete for the CPUs with the roles of other trials that spin.
LIBRARY_SLACK_MS = 2500
OWN = ("null", "shm", "unix", "tcp", "pipe", "memfd")
DEADLINE_S = 8.0


def stopped(path, edge, role, point):
    name = "%s, %s hangs at %s" % (edge.name, role, point)
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        scenario = program.write_json(os.path.join(folder, "s.json"),
                                      roles_killed.scenario_of(edge))
        out, once = os.path.join(folder, "out"), os.path.join(folder, "stop")
        env = {"HANDOFF_FAULT": "%s:%s:%d" % (role, point, roles_killed.FRAME),
               "HANDOFF_FAULT_ONCE": once, "HANDOFF_FAULT_ACTION": "stop",
               "HANDOFF_FAULT_SLACK_MS": str(SLACK_MS if edge.transport in OWN
                                             else LIBRARY_SLACK_MS)}
        run = program.Program([path, "run", "--no-floor", scenario, "--out", out], env=env)
        try:
            code = run.wait()
            run.check_nothing_left()
            run.check_clean()
            check(code == 1, "exit code %d instead of 1:\n%s" % (code, run.stderr()))
            with open(once) as file:
                stopped_ns = int(file.read().split()[0])
            told_ns, told = run.wait_for_line(r"^failed: (\S+), launch \d+: (.*)$")
            told_s = (told_ns - stopped_ns) / 1e9
            check(told_s < DEADLINE_S, "told %.3f s after it hung" % told_s)
            check("deadline" in told.group(2), "not the reason: %r" % told.group(2))
            dies, lives = program.read_json(os.path.join(out, "result.json"))["cells"]
            check(dies["status"] == "failed" and dies["launches_ok"] == 1 and
                  lives["status"] == "ok", "the matrix did not go on: %s %r, %s %r" %
                  (dies["status"], dies["reason"], lives["status"], lives["reason"]))
        except faults.Failure as failure:
            raise faults.Failure("%s: %s" % (name, failure))
    say("%s: told after %.2f s: %s" % (name, told_s, told.group(2)))
    return told_s


def chosen(edges, repeats):
    """(edge, role, point): one wait that sleeps and one that does not, of each transport; each with a
    role, or with both in a campaign."""
    points = [("producer", "filled"), ("consumer", "acquired")]
    found = []
    for number, transport in enumerate(sorted({edge.transport for edge in edges})):
        for way, waits in enumerate((("spin",), ("futex", "block", "native"))):
            own = [edge for edge in edges if edge.transport == transport and edge.wait in waits]
            if repeats > 2:
                found += [(edge,) + point for edge in own for point in points]
            elif own:
                found.append((random.choice(own),) + points[(number + way) % 2])
    return found


def body():
    given = faults.arguments(__doc__)
    begun = time.monotonic()
    edges = [edge for edge in faults.edges(given.program, given.edges) if edge.policy == "block"]
    hangs = [(stopped, given.program) + choice for choice in chosen(edges, given.repeats)]
    _, failures = faults.run_all(hangs, given.jobs)
    wrapper = program.without("pidfd")
    if not wrapper:
        say("not tried: a kernel without pidfds (seccomp filters cannot be used here)")
        return len(failures) > 0
    points = [("producer", "committed"), ("consumer", "waiting")]
    old = [(roles_killed.trial, given.program, edge, role, point, wrapper)
           for edge, role, point in faults.spread(edges, points, 1)]
    results, more = faults.run_all(old, given.jobs)
    say("without pidfds:")
    if results:
        roles_killed.print_table(results)
    say("%.0f s, %d failures" % (time.monotonic() - begun, len(failures) + len(more)))
    return len(failures) + len(more) > 0


if __name__ == "__main__":
    faults.main(body)
