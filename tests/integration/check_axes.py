"""check_axes.py: what a user sees of the axes: `handoff list`, --dry-run, baselines and claims."""
import os
import re
import subprocess
import sys

import suite
from suite import check

CLAIM = {"id": "claim-1", "says": "a hand-off takes 1.5 to 900 us", "where": "this test",
         "figure": "handoff.p50", "low_us": 1.5, "high_us": 900}
BLOCK = {"name": "waits", "cpu_baseline": True, "claim": CLAIM, "compare": "wait",
         "base": {"transport": "shm", "fill": "header", "kernel": "none"},
         "axes": {"wait": ["spin", "futex", "block"], "pacing": ["rate:500", "poisson:500", "max"]}}


def unprivileged():
    """As a user who may do nothing special; root gives up what he is."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_list(t):  # beside others
    """Every axis, wait and transport has its line; what is missing has a reason and a hint."""
    axes = t.run("list", "axes").stdout()
    for name in ("transport", "producer_wait", "phase", "scheduling", "timer_slack_ns",
                 "idle_latency", "clocks", "load", "sync", "order", "depth", "register_per_frame", "gpu_sharing",
                 "pages", "peer", "read", "gc", "array", "warmup"):
        check(re.search(r"^%s  +\S+  +(yes|in part)  +\w" % name, axes, re.M), "no " + name)
    check(axes.count("in part") == len(re.findall(r"^ +no \S", axes, re.M)), axes)
    waits = t.run("list", "waits").stdout()
    check(re.search(r"^poll:<us> +yes +yes +anything", waits, re.M), waits)
    check(len(re.findall(r"^\S+ +no  ", waits, re.M)) == waits.count("  no: "), waits)
    check("waits: spin, " in t.run("list", "transports").stdout(), "no waits of a transport")


def test_lists_fit_a_terminal(t):  # beside others
    """What is listed has at most 100 columns, but for an id, which is not cut."""
    said = t.run("list").stdout() + "\n" + t.run("help", "intervals").stdout() + "\n"
    path = t.scenario([dict(BLOCK, description="word " * 60)])
    planned = t.run("run", path, "--dry-run", floor=True).stdout()
    long = [line for line in (said + planned).splitlines() if len(line) > 100]
    check(all(" " not in line.strip() for line in long), "too wide:\n" + "\n".join(long))
    check("with the floor" in planned, planned)
    bare = t.run("run", path, "--dry-run").stdout()
    check("with the floor" not in bare, bare)


def test_list_without_privileges(t):  # beside others
    """Whoever may not use them is told why, and which command would change that."""
    try:
        done = t.run("list", "axes", preexec_fn=unprivileged)
    except (OSError, subprocess.SubprocessError) as error:
        raise suite.Skip("the program cannot be run by another user: %s" % error)
    said = done.stdout()
    check("no fifo: " not in said or "ulimit -r" in said or "cpu.rt_runtime_us" in said, said)
    check("no held: " not in said or "--device" in said or "chmod" in said, said)


def test_dry_run(t):  # beside others
    """Baselines are shown as such, go with their cells, and count in the time."""
    scenario = t.scenario([BLOCK])
    said = t.run("run", scenario, "--dry-run").stdout()
    check(said.count("baseline: 2 launches x 12 frames") == 2, said)
    check("8 of 11 cells can run here: 16 launches" in said, said)
    said = t.run("run", scenario, "--dry-run", "--only", "transport=shm",
                 "--only", "pacing=poisson:500").stdout()
    check(said.count("baseline: ") == 1 and "3 of 4 cells can run here" in said, said)
    said = t.run("run", scenario, "--dry-run", "--only", "pacing=max").stdout()
    check("baseline: " not in said, said)
    said = t.run("run", scenario, "--only", "transport=null", code=2).stderr()
    check('no cell of test has "null"' in said and "its cells have: shm" in said, said)


def test_run(t):  # beside others
    """Baselines run, and the claim is in the result as it was written."""
    out = t.file("out")
    t.run("run", t.scenario([BLOCK, {"name": "plain", "base": {
        "transport": "shm", "wait": "futex", "slots": 2}}]), "--out", out,
        "--only", "pacing=rate")
    result = t.result(out)
    claim = {"known": "", "low_ns": 1500, "high_ns": 900000}
    claim.update({key: CLAIM[key] for key in ("id", "says", "where", "figure")})
    check(result["blocks"][0]["claim"] == claim, result["blocks"][0])
    check("claim" not in result["blocks"][1], result["blocks"][1])
    baselines = [cell for cell in result["cells"] if cell["id"].endswith("/baseline=waits")]
    check(len(baselines) == 1 and baselines[0]["status"] == "ok", [
        (cell["id"], cell["status"], cell["reason"]) for cell in result["cells"]])
    check(baselines[0]["block"] == 0 and baselines[0]["axes"]["wait"] == "poll:50000",
          baselines[0]["axes"])


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
