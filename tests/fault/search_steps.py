"""search_steps.py: what ends a step of pacing search: a rate with no end in sight at its deadline is
one that missed and the search goes on; a role's death and a load that hangs are a failed launch.

The consumer hangs, or dies, at a frame that only the faster steps have.
"""
import os
import re
import tempfile
import time

import faults
import program
from faults import check, say

# Steps have 400 frames or a quarter of a second's, and 20 before them: from 2320 frames/s on they
# have this one.
FRAME = 600
SLOW_HZ = 2320.0
# A step's deadline is this, twice its schedule and the bound of two seconds; ten times this a role may
# take to be ready.
SLACK_MS = 500
SCENARIO = {"name": "search", "blocks": [{"name": "search", "launch_seconds": 0.25, "base": {
    "transport": "shm", "wait": "futex", "fill": "header", "kernel": "none", "launches": 1,
    "pacing": {"search": {"response_p99_us": 2000000, "from": 500, "to": 4000}}}}]}


def trial(path, action, code, point="consumer:acquired:%d" % FRAME, **base):
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        out = os.path.join(folder, "out")
        env = {"HANDOFF_FAULT": point, "HANDOFF_FAULT_ACTION": action,
               "HANDOFF_FAULT_SLACK_MS": str(SLACK_MS)}
        scenario = program.write_json(os.path.join(folder, "s.json"), dict(SCENARIO, base=base))
        run = program.Program([path, "run", "--no-floor", scenario, "--out", out], env=env)
        ended = run.wait()
        run.check_nothing_left()
        run.check_clean()
        check(ended == code, "exit code %d instead of %d:\n%s" % (ended, code, run.stderr()))
        return program.read_json(os.path.join(out, "result.json"))["cells"][0]


def hangs(path):
    cell = trial(path, "stop", 0)
    search = cell["launches"][0]["search"]
    steps = search["steps"]
    check(cell["status"] == "ok", "%s: %s" % (cell["status"], cell["reason"]))
    check(steps[1]["rate_hz"] == 4000 and not steps[1]["passed"] and
          steps[1]["p99_ns"] is None and "deadline" in steps[1]["reason"], "high end: %s" % steps)
    for step in steps:
        check(step["passed"] == (step["rate_hz"] < SLOW_HZ), "%s in %s" % (step, steps))
    check(SLOW_HZ / 1.05 < search["rate_hz"] < SLOW_HZ, "the answer: %s" % search)
    return "%d steps to %.0f frames/s" % (len(steps), search["rate_hz"])


def dies(path):
    cell = trial(path, "kill", 3)
    steps = cell["launches"][0]["search"]["steps"]
    check(cell["status"] == "failed" and
          cell["reason"].startswith("launch 1: at 4000 frames/s: the consumer "), cell["reason"])
    check([step["passed"] for step in steps] == [True, False], "%s" % steps)
    return cell["reason"]


def load_hangs(path):
    """No rate is too high for that: the launch failed, it did not miss."""
    cell = trial(path, "stop", 1, "load:working:100", load="cpu")
    check(cell["status"] == "failed" and
          re.match(r"launch 1: at 500 frames/s: the load .* did not stop in time", cell["reason"]),
          cell["reason"])
    return cell["reason"]


def role_hangs_early(path):
    """Nor for a role that never is ready."""
    cell = trial(path, "stop", 1, "consumer:prepared:0")
    check(cell["reason"] == "launch 1: at 500 frames/s: the consumer did not get ready in time",
          cell["reason"])
    return cell["reason"]


def body():
    given = faults.arguments(__doc__)
    begun = time.monotonic()
    # They wait for deadlines most of the time, and side by side.
    kinds = [(lambda kind=kind: "%s: %s" % (kind.__name__, kind(given.program)),)
             for kind in (hangs, dies, load_hangs, role_hangs_early)]
    results, failures = faults.run_all(kinds, given.jobs)
    for told in results:
        say(told)
    say("%.0f s" % (time.monotonic() - begun))
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
