"""check_library_threads.py: a library's own threads run where axis library_threads says, seen in /proc
while a launch runs."""
import os
import time

import suite
from suite import Skip, check, program

# Long enough to look at it while it runs.
SLOW = {"wait": "block", "pacing": "rate:100", "frames": 30, "launches": 1, "kernel": "none"}


def threads_of(pid):
    """{name: CPUs} of each thread but the first, and the first one's CPUs; nothing of who is gone."""
    others = {}
    try:
        for tid in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/comm" % (pid, tid)) as file:
                name = "%s %s" % (file.read().strip(), tid)
            if int(tid) != pid:
                others[name] = os.sched_getaffinity(int(tid))
        return others, os.sched_getaffinity(pid)
    except OSError:
        return {}, set()


def roles_of(run):
    """Of both roles, once they have made their edge and are pinned; what there is after five seconds."""
    deadline = time.monotonic() + 5
    while True:
        roles = {program.role_of(pid): threads_of(pid) for pid in program.family(run.marker)}
        roles = {role: roles[role] for role in roles if role in ("producer", "consumer")}
        ready = [others and len(own) == 1 for others, own in roles.values()]
        if ready == [True, True] or time.monotonic() > deadline:
            return roles
        time.sleep(0.01)


def seen(t, transport, where):
    """What both roles' processes looked like in the middle of a launch, and the cell of the result."""
    out = t.file(where)
    scenario = t.scenario([{"name": "b", "base": dict(SLOW, transport=transport,
                                                      library_threads=where)}])
    planned = t.run("run", scenario, "--dry-run").stdout()
    if "1 of 1 cells can run here" not in planned:
        raise Skip(planned)
    run = t.start("run", scenario, "--out", out)
    try:
        run.wait_for_line(r"^launch 1/")
        roles = roles_of(run)
        code = run.wait()
    finally:
        program.kill_family(run.marker)
    cell, = t.result(out)["cells"]
    check(code == 0 and cell["status"] == "ok", "%s\n%s" % (cell["reason"], run.stderr()))
    check(sorted(roles) == ["consumer", "producer"], "roles seen: %s" % sorted(roles))
    return roles


def library_threads(t, transport):
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2 or program.EMULATOR:
        raise Skip("needs two CPUs, and threads that are nobody else's")
    for where in ("anywhere", "with_role"):
        for role, (others, own) in seen(t, transport, where).items():
            check(len(own) == 1, "the %s is not pinned: %s" % (role, own))
            check(others, "%s has no threads of its own in the %s" % (transport, role))
            wanted = everywhere if where == "anywhere" else own
            for name, cpus in others.items():
                check(cpus == wanted, "%s: the %s's thread %s may run on %s, not %s" %
                      (where, role, name, sorted(cpus), sorted(wanted)))


def test_zmq_ipc(t):
    """libzmq starts its threads inside create and attach."""
    library_threads(t, "zmq_ipc")


if __name__ == "__main__":
    suite.main(globals())
