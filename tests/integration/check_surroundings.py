"""check_surroundings.py: what a cell asks of its surroundings is there while it runs, seen from
outside, and stands in the result as the roles and loads found it."""
import glob
import json
import os
import signal
import struct
import subprocess
import sys
import time

import suite
from suite import Skip, all_ok, check, program, say

IDLE_LATENCY = "/dev/cpu_dma_latency"
# Long enough to look at it while it runs.
SLOW = {"transport": "shm", "wait": "futex", "pacing": "rate:100", "frames": 60, "launches": 1}


def measured(t, *blocks, **base):
    """The cells of a scenario in which everything can be had."""
    out = t.file("out%d" % len(os.listdir(t.folder)))
    t.run("run", t.scenario(list(blocks), **base), "--out", out)
    result = t.result(out)
    for cell in result["cells"]:
        if cell["status"] == "unavailable":
            raise Skip("%s: %s" % (cell["id"], cell["reason"]))
    all_ok(result)
    return result["cells"]


def had(cell, what):
    """What both roles of every launch had."""
    return [launch["usage"][role][what] for launch in cell["launches"]
            for role in ("producer", "consumer")]


def seen_while_running(t, base):
    """{role: [facts of one of its processes]} about the middle of a launch, and the result's cell."""
    out = t.file("seen%d" % len(os.listdir(t.folder)))
    scenario = t.scenario([{"name": "b", "base": dict(SLOW, **base)}])
    planned = t.run("run", scenario, "--dry-run")
    if "1 of 1 cells can run here" not in planned.stdout():
        raise Skip(planned.stdout())
    run = t.start("run", scenario, "--out", out)
    looks = []
    try:
        run.wait_for_line(r"^launch 1/")
        while run.process.poll() is None:
            now = processes_of(run)
            if {"producer", "consumer"} <= set(now):
                looks.append((now, idle_latency_us()))
            time.sleep(0.03)
        code = run.wait()
    finally:
        program.kill_family(run.marker)
    cell, = t.result(out)["cells"]
    check(code == 0 and cell["status"] == "ok", "%s\n%s" % (cell["reason"], run.stderr()))
    check(looks, "both roles were never seen at once")
    # The first ones are from before all was as wished, the last ones from when roles end.
    counts = [sum(map(len, now.values())) for now, _ in looks]
    usual = max(counts, key=lambda count: (counts.count(count), count))
    looks = [look for look, count in zip(looks, counts) if count == usual]
    seen, held_us = looks[len(looks) // 2]
    return seen, cell, held_us


def processes_of(run):
    """{role: [facts of one of its processes]}; nothing of it when one ended meanwhile."""
    seen = {}
    try:
        for pid in program.family(run.marker):
            seen.setdefault(program.role_of(pid), []).append(facts_of(pid))
    except OSError:
        return {}
    return seen


def facts_of(pid):
    facts = {"pid": pid, "cpus": os.sched_getaffinity(pid)}
    facts["class"] = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo:%d" % os.sched_getparam(
        pid).sched_priority}.get(os.sched_getscheduler(pid), "?")
    with open("/proc/%d/stat" % pid) as file:
        facts["nice"] = int(file.read().rsplit(")", 1)[1].split()[16])
    try:
        with open("/proc/%d/timerslack_ns" % pid) as file:
            facts["slack"] = int(file.read())
    except OSError:
        facts["slack"] = None
    return facts


def idle_latency_us():
    try:
        with open(IDLE_LATENCY, "rb") as file:
            return struct.unpack("i", file.read(4))[0]
    except OSError:
        return None


def test_every_placement(t):  # beside quiet, release only
    """What the result says, what the kernel says, and what the word means are one."""
    allowed = sorted(os.sched_getaffinity(0))
    explicit = "cpus:%d,%d" % (allowed[-1], allowed[0])
    for placement in ("auto", "same_cpu", "same_cluster", "cross_cluster", explicit, "none"):
        try:
            seen, cell, _ = seen_while_running(t, {"placement": placement})
        except Skip as reason:
            check(placement in ("same_cluster", "cross_cluster") and (
                placement == "cross_cluster" or len(allowed) == 1), str(reason))
            say("%s: %s" % (placement, reason))
            continue
        cpus = [role["cpu"] for role in cell["roles"]]
        check(had(cell, "cpu") == (cpus if len(allowed) > 1 else [allowed[0]] * 2),
              "%s: %s in the result, %s had" % (placement, cpus, had(cell, "cpu")))
        for role, cpu in zip(("producer", "consumer"), cpus):
            now = seen[role][0]["cpus"]
            check(now == (set(allowed) if cpu is None else {cpu}), "%s: the %s is pinned to %s, not %s"
                  % (placement, role, now, cpu))
        check(seen["runner"][0]["cpus"] == set(allowed), "the runner is pinned")
        check({"same_cpu": cpus[0] == cpus[1], "none": cpus == [None, None],
               explicit: cpus == [allowed[-1], allowed[0]]}.get(
                   placement, cpus[0] != cpus[1] or len(allowed) == 1),
              "%s is %s" % (placement, cpus))
        check(all(key + "_per_frame" in cell["switches"][role] for key in (
            "voluntary", "involuntary") for role in ("producer", "consumer")), "no switches per frame")


def test_scheduling(t):
    seen, cell, _ = seen_while_running(t, {"scheduling": "fifo:41", "load": "cpu"})
    check(had(cell, "scheduling") == ["fifo:41"] * 2, "had: %s" % had(cell, "scheduling"))
    check([seen[role][0]["class"] for role in ("producer", "consumer", "runner", "guard")] ==
          ["fifo:41", "fifo:41", "other", "other"], "seen: %s" % seen)
    check([load["class"] for load in seen["load"]] == ["other"] * len(seen["load"]), "a load's class")
    cell, = measured(t, {"name": "plain", "base": {"transport": "shm", "wait": "futex"}})
    check(had(cell, "scheduling") == ["other"] * 4, "had: %s" % had(cell, "scheduling"))


def test_timer_slack(t):  # release only
    """The axis reaches the kernel, and poll's sleep shows it where the machine keeps still."""
    cells = measured(t, {"name": "b", "base": {"transport": "shm", "wait": "poll:100"},
                         "axes": {"timer_slack_ns": ["as_found", 1, 3000000]}})
    found, short, long = [had(cell, "timer_slack_ns") for cell in cells]
    if found[0] is None:
        raise Skip("this kernel does not tell of timer slack")
    check(short == [1] * 4 and long == [3000000] * 4 and len(set(found)) == 1,
          "had: %s, %s, %s" % (found, short, long))
    seen, _, _ = seen_while_running(t, {"timer_slack_ns": 777})
    told = {facts["slack"] for role in ("producer", "consumer") for facts in seen[role]}
    check(told in ({777}, {None}), "the kernel says %s" % told)


def test_idle_latency(t):
    before_us = idle_latency_us()
    if before_us is None:
        raise Skip("%s cannot be read" % IDLE_LATENCY)
    seen, cell, held_us = seen_while_running(t, {"idle_latency": "held"})
    check(held_us == 0, "%s us while it ran" % held_us)
    check([launch["idle_latency_held"] for launch in cell["launches"]] == [True], "not recorded")
    cell, = measured(t, {"name": "plain", "base": {"transport": "shm", "wait": "futex"}})
    check(not any(launch["idle_latency_held"] for launch in cell["launches"]), "held without a wish")


def test_idle_latency_is_released_between_launches(t):  # release only
    """One cell holds it, its neighbour has the machine as found."""
    if idle_latency_us() in (None, 0):
        raise Skip("%s cannot be read, or somebody else holds it" % IDLE_LATENCY)
    out = t.file("out")
    run = t.start("run", t.scenario([{"name": "b", "base": dict(SLOW, frames=20, launches=3),
                                      "axes": {"idle_latency": ["held", "as_found"]}}]), "--out", out)
    holding = set()
    while run.process.poll() is None:
        kinds = program.descriptors(run.pid) or ()
        holding.add(kinds.count(IDLE_LATENCY))
        for pid in program.family(run.marker):
            if program.role_of(pid) in ("producer", "consumer", "load"):
                check(IDLE_LATENCY not in (program.descriptors(pid) or ()), "a role holds it")
        time.sleep(0.02)
    check(run.wait() == 0, run.stderr())
    check(holding == {0, 1}, "the runner held it %s times at once" % sorted(holding))
    held = {cell["axes"].get("idle_latency", "as_found"): {
        launch["idle_latency_held"] for launch in cell["launches"]} for cell in t.result(out)["cells"]}
    check(held == {"held": {True}, "as_found": {False}}, "recorded: %s" % held)


def test_load(t):  # release only
    """On the CPUs of the roles, ordinary, in no role's CPU time, gone afterwards."""
    for kind, figure in (("cpu", "rounds_per_s"), ("membw", "bytes_per_s")):
        for placement in ("auto", "same_cpu", "none"):
            seen, cell, _ = seen_while_running(t, {"load": kind, "placement": placement})
            cpus = sorted({role["cpu"] for role in cell["roles"] if role["cpu"] is not None})
            launch, = cell["launches"]
            loads = launch["load"]
            check([load["cpu"] for load in loads] == (cpus or [None, None]) and
                  all(load["kind"] == kind and load[figure] > 0 for load in loads),
                  "%s: %s" % (cell["id"], loads))
            everywhere = os.sched_getaffinity(0)
            check(sorted(map(sorted, (load["cpus"] for load in seen["load"]))) ==
                  ([[cpu] for cpu in cpus] or [sorted(everywhere)] * 2),
                  "%s: the loads run on %s" % (cell["id"], seen["load"]))
            check(all(load["nice"] == seen["runner"][0]["nice"] for load in seen["load"]), "nice")
            usage = launch["usage"]
            spent = [usage[role]["user_ns"] + usage[role]["system_ns"]
                     for role in ("producer", "consumer")]
            took = sum(load["cpu_percent"] for load in loads)
            check(all(ns < usage["system"]["wall_ns"] / 4 for ns in spent) and took > 5,
                  "%s: roles took %s ns, the loads %d %%" % (cell["id"], spent, took))
            say("%s: loads took %.0f %%, roles %s %%" % (cell["id"], took, [
                round(100 * ns / usage["system"]["wall_ns"], 1) for ns in spent]))
    cell, = measured(t, {"name": "plain", "base": {"transport": "shm", "wait": "futex"}})
    check(all("load" not in launch for launch in cell["launches"]), "a load without a wish")


def test_spinning_real_time_roles_leave_the_runner_its_turn(t):  # release only
    """Two of them on all CPUs of the machine: the run ends, and in time."""
    begun = time.monotonic()
    cell, = measured(t, {"name": "b", "base": {
        "transport": "shm", "wait": "spin", "scheduling": "fifo:99", "pacing": "rate:50",
        "frames": 60, "warmup": 1, "launches": 1, "load": "cpu"}})
    took_s = time.monotonic() - begun
    check(had(cell, "scheduling") == ["fifo:99"] * 2 and took_s < 30, "%.1f s" % took_s)
    say("61 frames at 50 Hz took %.1f s" % took_s)


def test_locked_clocks(t):
    """Had and written back where the machine lets us; else unavailable with a remedy. The cell as
    found runs either way."""
    policies = glob.glob("/sys/devices/system/cpu/cpufreq/policy*")

    def ranges():
        return [[open(os.path.join(path, name)).read() for name in
                 ("scaling_governor", "scaling_min_freq", "scaling_max_freq")] for path in policies]
    before, out = ranges(), t.file("out")
    t.run("run", t.scenario([{"name": "b", "base": {"transport": "shm", "wait": "futex"},
                              "axes": {"clocks": ["as_found", "locked"]}}], launches=1),
          "--out", out)
    found, locked = t.result(out)["cells"]
    check(found["status"] == "ok" and "clocks" not in found["id"], found["reason"])
    check(all(("clocks" in launch) == bool(policies) for launch in found["launches"]), "recorded")
    check(locked["id"].endswith("/clocks=locked"), locked["id"])
    if locked["status"] == "ok":
        rows = [row for launch in locked["launches"] for row in launch["clocks"]["policies"]]
        check(rows and all(row["governor"] == "performance" and row["min_khz"] == row["max_khz"]
                           for row in rows), rows)
    else:
        check(locked["status"] == "unavailable" and locked["hint"], locked["reason"])
        check("cpufreq" in locked["reason"] or "governor" in locked["reason"], locked["reason"])
    check(ranges() == before, "the machine's clocks were left changed")


# Another machine's folder of CPUs, for the program alone.
ELSEWHERE = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /sys/devices/system/cpu && exec "$@"']


def test_a_killed_run_gives_the_clocks_back(t):  # beside others
    """On a folder that looks like cpufreq: set while a locked launch runs, as found in between and
    after SIGKILL."""
    folder = t.file("cpu")
    policy = os.path.join(folder, "cpufreq", "policy0")
    os.makedirs(policy)
    if subprocess.run(ELSEWHERE + [folder, "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        raise Skip("another folder cannot be mounted over that of the CPUs")
    found = {"affected_cpus": " ".join(map(str, sorted(os.sched_getaffinity(0)))),
             "scaling_available_governors": "schedutil performance", "scaling_governor": "schedutil",
             "scaling_min_freq": "800000", "scaling_max_freq": "3600000",
             "scaling_cur_freq": "1200000", "../boost": "1"}
    for name, value in found.items():
        with open(os.path.join(policy, name), "w") as file:
            file.write(value + "\n")

    def now(*names):
        return [open(os.path.join(policy, name)).read().strip() for name in names]
    names = ("scaling_governor", "scaling_min_freq", "../boost")
    scenario = t.scenario([{"name": "b", "base": {"transport": "shm", "wait": "futex"},
                            "axes": {"clocks": ["as_found", "locked"]}}], launches=1, frames=30)
    command = [t.path, "run", scenario, "--no-floor", "--out"]
    run = program.Program(command + [t.file("out")], wrapper=ELSEWHERE + [folder])
    check(run.wait() == 0, run.stderr())
    had = {cell["axes"]["clocks"]: cell["launches"][0]["clocks"] for cell in t.result(
        t.file("out"))["cells"]}
    check(not had["as_found"]["locked"] and had["as_found"]["policies"][0]["min_khz"] == 800000 and
          had["locked"]["locked"] and had["locked"]["policies"][0]["min_khz"] == 3600000, had)
    check(now(*names) == ["schedutil", "800000", "1"], "after the run: %s" % now(*names))

    # Long enough to be seen.
    run = program.Program(command + [t.file("killed"), "--only", "clocks=locked", "--launches", "20"],
                          wrapper=ELSEWHERE + [folder])
    until = time.monotonic() + 20
    while now(*names) != ["performance", "3600000", "0"]:
        check(time.monotonic() < until, "never locked: %s" % now(*names))
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.check_nothing_left()
    check(now(*names) == ["schedutil", "800000", "1"], "after SIGKILL: %s" % now(*names))


def test_without_privileges(t):
    """Another user: unavailable with a remedy, and the rest of the scenario runs."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(t.folder, 0o777)
    scenario = t.scenario([{"name": "b", "base": {"transport": "shm", "wait": "futex"},
                            "axes": {"idle_latency": ["as_found", "held"],
                                     "scheduling": ["other", "fifo:50"]}}])

    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if subprocess.run([t.path, "--version"], preexec_fn=become_nobody, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("another user may not run the program where it lies")
    out = t.file("out")
    t.run("run", scenario, "--out", out, preexec_fn=become_nobody)
    with open(os.path.join(out, "result.json")) as file:
        cells = json.load(file)["cells"]
    said = {(cell["axes"].get("idle_latency", "as_found"), cell["axes"].get("scheduling", "other")):
            cell for cell in cells}
    for (latency, scheduling), cell in said.items():
        plain = latency == "as_found" and scheduling == "other"
        may = plain or (latency == "held" and scheduling == "other" and
                        os.stat(IDLE_LATENCY).st_mode & 0o006 == 0o006)
        check(cell["status"] == ("ok" if may else "unavailable") and (may or cell["hint"]),
              "%s: %s: %s" % (cell["id"], cell["status"], cell["reason"]))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
