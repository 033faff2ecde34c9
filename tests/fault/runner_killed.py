"""runner_killed.py: the runner is killed at random times: roles and guard are gone within a second.

Two nets catch them: the kernel's PR_SET_PDEATHSIG, and the guard with its pidfds. Each is tried with
the other taken away by a seccomp filter; with both taken away, roles must be seen to survive, or this
test could not fail.
"""
import collections
import os
import random
import tempfile
import time

import faults
import program
from faults import LIMIT_S, check, say


def long_scenario():
    """Launches of half a minute: killed in the middle of one, roles that nobody ends go on."""
    return {"name": "long", "base": {"frame": "64x48x3", "launches": 1, "warmup": 2},
            "blocks": [{"name": "a", "base": {"transport": "shm", "wait": "spin",
                                              "pacing": "rate:100", "frames": 3000}}]}


def short_scenario(edges):
    """Launches of a few milliseconds: most of the time is setup and teardown."""
    return {"name": "short", "base": {"frame": "640x480x3", "launches": 20, "frames": 5,
                                      "warmup": 1, "pacing": "max"},
            "blocks": [{"name": "b%d" % index, "base": edge.base()}
                       for index, edge in enumerate(edges)]}


def start(path, folder, scenario, lacks):
    wrapper = program.without(*lacks.split(",")) if lacks else ()
    file = program.write_json(os.path.join(folder, "s.json"), scenario)
    return program.Program([path, "run", "--no-floor", file, "--out",
                            os.path.join(folder, "out")],
                           wrapper=wrapper)


def kill_and_watch(run):
    """Seconds from the kill until nothing is left; None after more than the limit."""
    killed = time.monotonic()
    run.kill()
    run.process.wait()
    gone = program.wait_family_gone(run.marker, LIMIT_S) is not None
    return time.monotonic() - killed if gone else None


def trial(path, label, scenario, lacks, earliest_s, latest_s):
    """(label, roles alive at the kill, seconds until all were gone)"""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        run = start(path, folder, scenario, lacks)
        try:
            run.wait_for_line(r"^launch 1/")
            time.sleep(random.uniform(earliest_s, latest_s))
            alive = sorted(filter(None, (program.role_of(pid) for pid in program.family(run.marker))))
            check("runner" in alive, "%s: it was over before it was killed:\n%s" %
                  (label, run.stderr()))
            gone_s = kill_and_watch(run)
            check(gone_s is not None, "%s: still there after %.1f s: %s; at the kill: %s" % (
                label, LIMIT_S, [program.role_of(pid) for pid in program.family(run.marker)],
                alive))
        finally:
            program.kill_family(run.marker)
    return label, "producer" in alive or "consumer" in alive, gone_s


def edge_trial(path, label, edge):
    """The same with an edge that takes turns (faults.in_turn)."""
    return trial(path, label, short_scenario([edge]), "", 0.0, 0.8)


def early_trial(path, scenario):
    """Killed at any moment of the first half second, in which the runner starts up."""
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        run = start(path, folder, scenario, "")
        try:
            time.sleep(random.uniform(0, 0.5))
            gone_s = kill_and_watch(run)
            check(gone_s is not None, "starting: still there after %.1f s" % LIMIT_S)
        finally:
            program.kill_family(run.marker)
    return "starting", False, gone_s


def survivors(path):
    """Without both nets, the roles of a killed runner go on: the test sees what it looks for."""
    try:
        trial(path, "no net", long_scenario(), "pidfd,pdeathsig", 0.5, 0.6)
    except faults.Failure as failure:
        check("still there" in str(failure), str(failure))
        say("without both nets, as it must be: %s" % failure)
        return
    raise faults.Failure("roles ended with the runner although nothing ends them: this test is blind")


def body():
    given = faults.arguments(__doc__)
    count = 6 * given.repeats
    edges = [edge for edge in faults.edges(given.program, given.edges) if edge.policy == "block"]
    short = short_scenario([edge for edge in edges if not edge.alone])
    trials = [(early_trial, given.program, short)] * count
    trials += [(trial, given.program, "short launches", short, "", 0.0, 0.8)] * count
    for transport in sorted({edge.transport for edge in edges if edge.alone}):
        own = [edge for edge in edges if edge.transport == transport]
        trials += [(edge_trial, given.program, "launches of " + transport, random.choice(own))
                   for _ in range(given.repeats)]
    trials += [(trial, given.program, "long launch", long_scenario(), "", 0.0, 0.5)] * count
    if program.without("pidfd"):
        survivors(given.program)
        for label, lacks in (("only the kernel's signal", "pidfd"),
                             ("only the guard", "pdeathsig")):
            trials += [(trial, given.program, label, long_scenario(), lacks, 0.2, 0.5)] * count
    else:
        say("not tried: each net alone (seccomp filters cannot be used here)")
    results, failures = faults.run_all(trials, given.jobs)
    rows = collections.OrderedDict()
    for label, roles, gone_s in sorted(results):
        row = rows.setdefault(label, [0, 0, 0.0])
        rows[label] = [row[0] + 1, row[1] + roles, max(row[2], gone_s)]
    for label, (runs, with_roles, slowest_s) in rows.items():
        say("%-26s killed %3d times, %3d times with roles; all gone after at most %6.1f ms (limit "
            "%d ms)" % (label, runs, with_roles, slowest_s * 1e3, LIMIT_S * 1e3))
    check(sum(row[1] for row in rows.values()) >= count, "too few kills met a role")
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
