"""check_run.py: whole runs: smoke, interrupt and resume, what a run refuses, its options."""
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time


import suite
from suite import TWO_BLOCKS, all_ok, check, program, say


def test_smoke(t):  # beside others
    """smoke.json from end to end: whole, quick, and everything said where it belongs."""
    out = t.file("out")
    done = t.run("run", t.smoke(), "--out", out, env={program.WATCH: ""})
    result = t.result(out)
    all_ok(result)
    check(result["run"]["complete"] and not result["run"]["interrupted"], "not complete")
    for cell in result["cells"]:
        bad = {key: cell["integrity"][key] for key in ("torn", "lost", "repeated", "reordered")}
        check(not any(bad.values()), "%s: %s" % (cell["id"], bad))
        check(cell["launches_ok"] == cell["launches_planned"] == len(cell["launches"]),
              "%s: launches are missing" % cell["id"])
        latency = cell["intervals"]["latency"]
        check(latency["count"] == cell["frames"] * cell["launches_ok"] and
              0 < latency["quantiles"]["p50"]["value_ns"] <= latency["max_ns"] and
              latency["histogram"].startswith("HISTFAAA"), "%s: its latency: %s" %
              (cell["id"], latency))
        faults = cell["page_faults"]
        say("page faults in the counted window: producer %d, consumer %d: %s" %
            (faults["producer"], faults["consumer"], cell["id"]))
    check(len(t.launches(out)) == sum(c["launches_planned"] for c in result["cells"]),
          "launch files are missing")
    check(result["environment"]["before"] and result["environment"]["after"], "no environment")
    check("p50" in done.stdout() and not re.search(r"^launch \d+/", done.stdout(), re.M),
          "not the table on stdout: " + done.stdout())
    check(re.search(r"^launch 1/\d+ .*cell \d+ of %d" % len(result["cells"]), done.stderr(), re.M),
          "no progress on stderr: " + done.stderr())
    check("\033" not in done.stdout() + done.stderr() and "\r" not in done.stderr(),
          "escapes in files")


def interrupted_run(t, out, send, **options):
    scenario = t.scenario(TWO_BLOCKS, launches=4, frames=60)
    run = t.start("run", scenario, "--out", out, "--seed", "5", **options)
    run.wait_for_line(r"^launch [3-9]/16")
    send(run)
    code = run.wait()
    run.check_nothing_left()
    run.check_clean()
    check(code == 130, "exit code %d instead of 130:\n%s" % (code, run.stderr()))
    check("failed" not in run.stderr(), "the interrupt counts as a failure:\n" + run.stderr())
    result = t.result(out)
    check(result["run"]["interrupted"] and not result["run"]["complete"], "not told in the result")
    check(any(cell["status"] == "incomplete" for cell in result["cells"]), "no cell is incomplete")
    kept = t.launches(out)
    check(2 <= len(kept) < 16, "%d launches were kept" % len(kept))
    check(sum(len(cell["launches"]) for cell in result["cells"]) == len(kept),
          "the result does not hold what is complete")
    return scenario, kept


def test_interrupt_and_resume(t):  # beside others
    """SIGINT writes what is complete; --resume runs what is missing and nothing else."""
    out = t.file("out")
    scenario, kept = interrupted_run(t, out, lambda run: run.kill(signal.SIGINT))
    t.run("run", scenario, "--out", out, "--resume")
    result, now = t.result(out), t.launches(out)
    all_ok(result)
    for name, was in kept.items():
        check(now[name] == was, "launch %s was repeated" % name)
    check(len(now) == 16, "%d launches instead of 16" % len(now))
    orders = sorted(launch["order"] for cell in result["cells"] for launch in cell["launches"])
    check(orders == list(range(16)), "orders: %s" % orders)
    check(result["run"]["complete"] and result["run"]["seed"] == 5, "run: %s" % result["run"])
    t.run("run", scenario, "--out", out, "--resume")
    check(t.launches(out) == now, "resuming a complete run ran something")


def test_interrupt_of_the_group(t):  # beside others
    """Ctrl-C and `timeout` signal the roles too: no launch may fail by it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        interrupted_run(t, t.file("out%d" % number),
                        lambda run, number=number: os.killpg(run.pid, number),
                        start_new_session=True)


def test_signals_to_roles(t):  # beside others
    """What a terminal or `timeout` sends is the runner's to decide: roles and guard do not die of it,
    not even while they start."""
    run = t.start("run", t.scenario(TWO_BLOCKS, launches=4, frames=60), "--out", t.file("out"))
    sent = 0
    while run.process.poll() is None:
        for pid in program.family(run.marker):
            if pid != run.pid and program.role_of(pid) not in ("", "runner"):
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    try:
                        os.kill(pid, number)
                        sent += 1
                    except OSError:
                        pass
        time.sleep(0.005)
    check(run.wait() == 0, "a role died of a signal:\n" + run.stderr())
    all_ok(t.result(t.file("out")))
    check(sent > 20, "only %d signals were sent" % sent)


def test_interrupt_in_the_pilot(t):  # beside others, release only
    """Nothing was measured yet: 130, and the folder can be used for another try."""
    blocks = [dict(block, launch_seconds=0.1) for block in TWO_BLOCKS]
    scenario, out = t.scenario(blocks, frames="auto", warmup="auto", launches=1), t.file("out")
    run = t.start("run", scenario, "--out", out)
    run.wait_for_line(r"^pilot 1/")
    run.kill(signal.SIGINT)
    code = run.wait()
    run.check_nothing_left()
    check(code == 130, "exit code %d:\n%s" % (code, run.stderr()))
    again = t.start("run", scenario, "--out", out, "--resume")
    code = again.wait()
    check(code != 0 and "nothing to resume" in again.stderr() and "hint:" in again.stderr(),
          "resuming nothing: %d\n%s" % (code, again.stderr()))
    t.run("run", scenario, "--out", out)
    all_ok(t.result(out))


def test_resume_of_another_scenario(t):  # beside others
    out = t.file("out")
    t.run("run", t.scenario(TWO_BLOCKS), "--out", out)
    before = t.launches(out)
    changed = [
        t.scenario(TWO_BLOCKS[:1], name="fewer.json"),
        t.scenario(TWO_BLOCKS, name="frames.json", frames=13),
        t.scenario(TWO_BLOCKS, name="launches.json", launches=3),
        t.scenario(TWO_BLOCKS, name="rate.json", pacing="rate:501"),
    ]
    for scenario in changed:
        done = t.run("run", scenario, "--out", out, "--resume", code=2)
        check("differs" in done.stderr() and "hint:" in done.stderr(), done.stderr())
    check(t.launches(out) == before, "a refused resume changed the folder")


def test_second_run_is_refused(t):  # beside others
    out, scenario = t.file("out"), t.scenario(TWO_BLOCKS[:1])
    t.run("run", scenario, "--out", out)
    before = t.launches(out)
    done = t.run("run", scenario, "--out", out, code=2)
    check("already holds a run" in done.stderr() and "--resume" in done.stderr(), done.stderr())
    check(t.launches(out) == before, "a refused run changed the folder")


def taken(folder):
    """Whether another process keeps the folder for itself."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def test_two_runs_in_one_folder(t):  # beside others, release only
    """A run keeps its folder for itself: a --resume meanwhile would measure beside it, and both would
    write the result."""
    out, scenario = t.file("out"), t.scenario(TWO_BLOCKS[:1], launches=80)
    run = t.start("run", scenario, "--out", out)
    run.wait_for_line(r"^launch 1/")
    check(taken(out), "the folder of a run under way can be taken")
    done = t.run("run", scenario, "--out", out, "--resume", code=2)
    check("a run is under way in " in done.stderr() and "hint:" in done.stderr(), done.stderr())
    run.kill(signal.SIGINT)
    check(run.wait() == 130, "it ended before the second one was refused:\n" + run.stderr())
    check(not taken(out), "the folder of a run that has ended is still taken")


def test_a_scenario_by_its_name(t):  # beside others, release only
    """Found in ./scenarios; where it is not, the nearest name is."""
    here = os.path.join(t.folder, "here")
    os.makedirs(os.path.join(here, "scenarios"))
    os.rename(t.scenario(TWO_BLOCKS[:1], launches=1),
              os.path.join(here, "scenarios", "garage.json"))
    done = t.run("run", "garage", "--dry-run", cwd=here)
    check("1 launch x 12 frames" in done.stdout(), done.stdout())
    os.mkdir(os.path.join(here, "garage"))
    done = t.run("run", "garage", "--dry-run", cwd=here)
    check("1 launch x 12 frames" in done.stdout(), "a folder of its name:\n" + done.stdout())
    done = t.run("run", "garag", "--dry-run", cwd=here, code=2)
    check('no scenario "garag"' in done.stderr() and 'did you mean "garage"?' in done.stderr(),
          done.stderr())


def test_bench_takes_what_run_takes(t):  # beside others, release only
    """scripts/bench: a scenario whose name a folder has, and options with a value of their own. It
    ends where --out is missing, before it builds."""
    os.mkdir(t.file("transports"))
    bench = os.path.join(os.path.dirname(os.path.abspath(t.scenarios)), "scripts", "bench")
    for options in ([], ["--clock", "monotonic"], ["--peer", "laptop", "--key-file", "key"]):
        done = subprocess.run([bench, "--no-install", "transports"] + options + ["--resume"],
                              cwd=t.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
        check(done.returncode == 2 and "--resume needs --out" in done.stdout,
              "%s: %d\n%s" % (options, done.returncode, done.stdout))


def orders(t, name, *options):
    out = t.file(name)
    t.run("run", t.scenario(TWO_BLOCKS, launches=3, frames=5), "--out", out, "--quiet", *options)
    result = t.result(out)
    all_ok(result)
    return result, [(cell["id"], launch["launch"], launch["order"]) for cell in result["cells"]
                    for launch in cell["launches"]]


def test_seed(t):  # beside others, release only
    """The seed decides the order; launches are interleaved in rounds."""
    _, first = orders(t, "a", "--seed", "7")
    result, second = orders(t, "b", "--seed", "7")
    _, other = orders(t, "c", "--seed", "8")
    check(first == second, "the same seed, another order")
    check(first != other, "another seed, the same order")
    check(result["run"]["seed"] == 7, "the seed is not in the result")
    for cell, launch, order in first:
        check(order // 4 == launch, "launch %d of %s ran as number %d" % (launch, cell, order))
    result, _ = orders(t, "d")
    again, _ = orders(t, "e")
    check(result["run"]["seed"] != again["run"]["seed"], "without --seed, the same seed twice")


def test_only_and_launches(t):  # beside others
    out, scenario = t.file("out"), t.scenario(TWO_BLOCKS)
    t.run("run", scenario, "--out", out, "--only", "wait=futex,block", "--only", "transport=shm",
          "--launches", "1")
    cells = t.result(out)["cells"]
    check([cell["id"].split("/")[0] for cell in cells] == ["shm+futex"], "cells: %s" %
          [cell["id"] for cell in cells])
    check(len(cells[0]["launches"]) == 1, "launches: %d" % len(cells[0]["launches"]))
    done = t.run("run", scenario, "--out", t.file("no"), "--only", "wait=pause", code=2)
    check("pause" in done.stderr() and "hint:" in done.stderr(), done.stderr())


def test_dry_run(t):  # beside others
    """Lists cells, reasons and time, and starts no process at all."""
    wrapper = program.without("fork")
    if not wrapper:
        raise suite.Skip("seccomp filters cannot be used here")
    blocks = TWO_BLOCKS + [{"name": "odd", "base": {"transport": "unix", "wait": "futex"}}]
    scenario = t.scenario(blocks)
    # The sanitizer starts a thread of its own to look for leaks.
    options = {"wrapper": wrapper, "env": {"ASAN_OPTIONS": "detect_leaks=0"}}
    done = t.run("run", scenario, "--out", t.file("out"), "--dry-run", **options)
    check(re.search(r"4 of 5 cells can run here: 8 launches, about ", done.stdout()) and
          re.search(r"unix\+futex\S*\s+not applicable: ", done.stdout()), done.stdout())
    one = t.run("run", scenario, "--only", "wait=spin", "--launches", "1", "--dry-run", **options)
    check("1 launch x 12 frames" in one.stdout() and "here: 1 launch, about" in one.stdout(),
          one.stdout())
    check(not os.path.exists(t.file("out")), "a dry run made its folder")
    failed = t.run("run", scenario, "--out", t.file("out"), code=4, **options)
    check(re.search(r"^error: cannot start a guard process.*\nhint: ", failed.stderr(), re.M),
          "no process can be started:\n" + failed.stderr())


def test_only_steps_that_exist_are_told(t):  # beside others
    """A socket wakes its reader by itself, and what lies in host memory needs no access."""
    out = t.file("out")
    t.run("run", t.scenario(TWO_BLOCKS), "--out", out)
    result = t.result(out)
    all_ok(result)
    for cell in result["cells"]:
        there = set(cell["intervals"])
        check("latency" in there and "access" not in there, "%s has %s" %
              (cell["id"], sorted(there)))
        check(("notify" in there) == cell["id"].startswith("shm+"), "%s has %s" %
              (cell["id"], sorted(there)))


def test_a_slow_rate_has_the_time_it_needs(t):  # beside quiet, release only
    """Whoever asks for 2 Hz and leaves the counts to handoff gets them, without a long pilot."""
    out = t.file("out")
    begun = time.monotonic()
    t.run("run", t.scenario(TWO_BLOCKS[:1], frames="auto", warmup="auto", launches=1,
                            pacing="rate:2"), "--only", "wait=futex", "--out", out)
    took = time.monotonic() - begun
    result = t.result(out)
    all_ok(result)
    cell, = result["cells"]
    say("2 Hz: %d frames after %d of warm-up, %.1f s" % (cell["frames"], cell["warmup_frames"], took))
    # The launch keeps to its schedule; the pilot before it has four frames at most, not twelve.
    launch_s = (cell["frames"] + cell["warmup_frames"]) / 2
    check(cell["frames"] >= 1 and took < launch_s + 4.5, "%.1f s for a launch of %.1f s" %
          (took, launch_s))


def test_a_frame_state_that_takes_too_long(t):  # beside others, release only
    """What would measure the tool is refused, in that cell only."""
    for state in ("evicted", "cached"):
        out = t.file(state)
        large = {"name": "large", "base": {
            "transport": "shm", "wait": "futex", "frame": "3840x2160x4", "frame_state": state,
            "pacing": "rate:20000", "frames": 60, "launches": 1}}
        small = {"name": "small", "base": {
            "transport": "shm", "wait": "futex", "frame": "16x16x1", "frame_state": state,
            "pacing": "rate:20", "launches": 1}}
        done = t.run("run", t.scenario([large, small]), "--out", out, code=1)
        large, small = t.result(out)["cells"]
        check(large["status"] == "failed" and "frame_state took longer than the period" in
              large["reason"] and "lower the rate" in large["hint"], "%s: %s: %s" %
              (large["id"], large["status"], large["reason"]))
        check(small["status"] == "ok", "%s: %s" % (small["id"], small["reason"]))
        check("failed: " + large["id"] in done.stderr(), done.stderr())


def test_two_at_once(t):  # beside others
    """Two runs side by side share the machine and nothing else."""
    runs = [(t.start("run", t.smoke(), "--out", t.file(name)), name) for name in ("a", "b")]
    for run, name in runs:
        code = run.wait()
        run.check_nothing_left()
        run.check_clean()
        check(code == 0, "exit code %d:\n%s" % (code, run.stderr()))
        all_ok(t.result(t.file(name)))


def test_lists_for_programs(t):  # beside others
    """`list --json` is whole and agrees with what people read."""
    listed = json.loads(t.run("list", "--json").stdout())
    check(set(listed) == {"transports", "waits", "access", "kernels", "axes"}, "lists: %s" % sorted(listed))
    shown = t.run("list").stdout()
    axes = listed.pop("axes")
    for kind, entries in listed.items():
        for entry in entries:
            check(entry["available"] == (entry["reason"] == ""), "%s: %s" % (entry["name"], entry))
            check(re.search(r"^%s\S*\s+%s" % (entry["name"], "yes" if entry["available"] else "no"), shown,
                            re.M), "list shows no %s" % entry["name"])
    waits = json.loads(t.run("list", "--json", "waits").stdout())["waits"]
    check([wait["name"] for wait in waits] == [wait["name"] for wait in listed["waits"]], "waits differ")
    check({wait["name"] for wait in waits if wait["takes_us"]} == {"poll", "adaptive"}, "which take a time")
    words = " ".join(shown.split())  # long lines are broken for people
    for axis in axes:
        check(re.search(r"^%s +%s +%s " % (axis["name"], re.escape(axis["default"] or "-"),
                                          "in part" if axis["lacks"] else "yes"), shown, re.M) and
              " ".join(axis["values"].split()) in words, "list shows another %s" % axis)
    check(len(axes) == len(re.findall(r"^ +values: ", shown, re.M)), "not all axes: %d" % len(axes))
    t.run("list", "--json", "nothing", code=2)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
