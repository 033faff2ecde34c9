"""check_compare.py: `handoff compare --base` and `--by`, with real launches: the pairs stand next to each
other, a slower build fails, and whatever happens to one of the three processes, results stay whole."""
import json
import os
import signal
import subprocess
import sys
import time

import suite
from suite import Skip, check, program

ONE = [{"name": "one", "base": {"transport": "shm", "wait": "futex", "pacing": "pingpong"}}]
TWO = [{"name": "two", "base": {"transport": "shm", "pacing": "pingpong"},
        "axes": {"wait": ["futex", "poll:100"]}}]


def results(out):
    return [program.read_json(os.path.join(out, side, "result.json")) for side in ("base", "new")]


def check_logs(out):
    """What the two printed is in their logs: no sanitizer may have complained there."""
    for side in ("base", "new"):
        with open(os.path.join(out, side + ".log")) as file:
            text = file.read()
        check(not program.SANITIZER.search(text), text)


def in_time(t, out):
    """(side, launch file) of both sides, in the order they were written."""
    files = []
    for side in ("base", "new"):
        folder = os.path.join(out, side, "launches")
        for name in os.listdir(folder):
            files.append((os.stat(os.path.join(folder, name)).st_mtime_ns, side, name))
    return [(side, name) for _, side, name in sorted(files)]


def wrapper(t, name, text):
    """A program that is another one with something around it."""
    if program.EMULATOR:
        raise Skip("an emulator runs no scripts")
    path = t.file(name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def test_two_builds(t):  # beside others
    """Of the same program, with too few pairs for an alarm, which may be a false one. The launches of a
    pair are neighbours in time, in random order; --resume runs a pair again of which one launch is
    missing, and no other."""
    out, scenario = t.file("out"), t.scenario(TWO, launches=4)
    command = ["compare", "--base", os.path.dirname(t.path), "--scenario", scenario, "--out", out,
               "--seed", "7"]
    if os.path.basename(t.path) != "handoff":
        command[2] = t.path
    done = t.run(*command, "--format", "json")
    answer = json.loads(done.stdout())
    check(answer == program.read_json(os.path.join(out, "compare.json")), "compare.json differs")
    check([row["pairs"] for row in answer["gates"]] == [4, 4], answer)
    check(answer["counts"]["regressions"] == 0 and answer["kind"] == "builds", answer)
    check(all(row["gate"] == "latency.p50" and row["verdict"] == "not enough data" and
              row["reason"] == "4 pairs of launches: a verdict needs 5"
              for row in answer["gates"]), answer)
    base, new = results(out)
    for result in (base, new):
        suite.all_ok(result)
        check(result["run"]["complete"] and result["run"]["seed"] == 7, result["run"])
    order = in_time(t, out)
    pairs = [order[i:i + 2] for i in range(0, len(order), 2)]
    check(len(pairs) == 8, order)
    for one, other in pairs:
        check(one[1] == other[1] and {one[0], other[0]} == {"base", "new"}, order)
    check({one[0] for one, _ in pairs} == {"base", "new"}, "one side is always first: %s" % order)
    check_logs(out)
    check("already holds" in t.run(*command, code=2).stderr(), "a second run in the same folder")
    lost = pairs[3][0][1]
    # The launch that is left is replaced first, whichever side it is on.
    for kept, gone in (("base", "new"), ("new", "base")):
        os.unlink(os.path.join(out, gone, "launches", lost))
        before = {side: t.launches(os.path.join(out, side)) for side in ("base", "new")}
        t.run(*command, "--resume")
        for side in ("base", "new"):
            now = t.launches(os.path.join(out, side))
            changed = [name for name in now if now[name] != before[side].get(name)]
            check(changed == [lost], "%s: %s instead of %s" % (side, changed, lost))
        order = in_time(t, out)
        check(order.index((kept, lost)) < order.index((gone, lost)), "%s came last" % kept)


def test_no_result(t):  # beside others
    """A side that ends without its result, in a comparison that goes on: the old one is not taken for
    it."""
    out, scenario = t.file("out"), t.scenario(ONE, launches=1)
    command = ["compare", "--base", t.path, "--scenario", scenario, "--out", out]
    t.run(*command)
    mute = wrapper(t, "mute", "echo ready 1 1; echo cell 0 1 %s; cat > /dev/null\n" %
                   results(out)[0]["cells"][0]["id"])
    said = t.run(*command, "--new", mute, "--resume", code=3).stderr()
    check("new (%s) ended without a result" % mute in said and "hint:" in said, said)
    t.run(*command, "--resume")
    check(all(result["run"]["complete"] for result in results(out)), "results")


def test_a_slower_build(t):  # beside others, release only
    """A delay of a known length on the new side is a regression, and the gate is named; so is a cell that
    fails there alone."""
    validity = os.environ.get("HANDOFF_VALIDITY", "")
    t.path = validity if os.path.exists(validity) else t.path
    if t.path != validity:
        raise Skip("handoff-validity was not built")
    delayed = [dict(ONE[0], base=dict(ONE[0]["base"], transport="delayed"))]
    slow = wrapper(t, "slow", 'HANDOFF_DELAY=acquire:3000000 exec "%s" "$@"\n' % validity)
    scenario, out = t.scenario(delayed, launches=5), t.file("out")
    done = t.run("compare", "--base", validity, "--new", slow, "--scenario", scenario, "--out", out,
                 "--quiet", code=1)
    said = " ".join(done.stdout().split())
    check("New is slower in 1 of 1 gate: latency.p50 of delayed+futex/frame=64x48x3" in said, said)
    check("clock" in said and "governor" in said and "load none" in said, said)
    row = program.read_json(os.path.join(out, "compare.json"))["gates"][0]
    check(row["new"] - row["base"] > 2.9e6 and row["p_slower_holm"] < 0.05, row)
    done = t.run("compare", "--base", slow, "--new", validity, "--scenario", scenario, "--out",
                 t.file("faster"), "--format", "markdown")
    check("faster" in done.stdout() and "| latency" in done.stdout(), done.stdout())
    broken = wrapper(t, "broken", 'HANDOFF_DELAY=nonsense exec "%s" "$@"\n' % validity)
    done = t.run("compare", "--base", validity, "--new", broken, "--scenario", scenario, "--out",
                 t.file("broken-out"), code=1)
    check("A cell ran on base and not on new" in " ".join(done.stdout().split()), done.stdout())
    base, new = results(t.file("broken-out"))
    check([len(cell["launches"]) for cell in base["cells"] + new["cells"]] == [1, 1],
          "launches went on after the first failed")


def test_gates_of_the_scenario(t):  # beside others
    """As declared; those without a figure say why, and a cell that cannot run is named."""
    blocks = ONE + [{"name": "max", "base": {"transport": "shm", "wait": "futex", "pacing": "max"}},
                    {"name": "no", "base": {"transport": "shm", "wait": "futex", "placement":
                                            "cpus:0,4095"}}]
    path = t.scenario(blocks, launches=1)
    scenario = program.read_json(path)
    scenario["gates"] = ["latency.p99", "frames_per_s"]
    program.write_json(path, scenario)
    done = t.run("compare", "--base", t.path, "--scenario", path, "--out", t.file("out"),
                 "--format", "json")
    answer = json.loads(done.stdout())
    check([(row["gate"], row["verdict"]) for row in answer["gates"]] == [
        ("latency.p99", "not enough data"), ("frames_per_s", "not enough data")] * 2, answer)
    why = [row["reason"] for row in answer["gates"]]
    check("368 frames" in why[0] and "a verdict needs 5" in why[1] and "queue depth" in why[2], why)
    check(len(answer["not_compared"]) == 1 and not answer["not_compared"][0]["regression"] and
          "cannot run on both" in answer["not_compared"][0]["reason"], answer["not_compared"])


def test_orders(t):  # beside others
    """A run in steps does what it is told, says on standard output nothing but answers, and keeps what it
    has when an order cannot be."""
    out, scenario = t.file("out"), t.scenario(ONE)
    command = program.EMULATOR + [t.path, "run", scenario, "--out", out, "--steps", "--no-floor"]
    for order, hint in (("launch 1 0", "there is no launch 0 of cell 1"),
                        ("launch 0 2", "there is no launch 2 of cell 0"),
                        ("lunch 0 1", 'not an order: "lunch 0 1"')):
        resume = ["--resume"] if os.path.exists(out) else []
        done = subprocess.run(command + resume, input=("launch 0 1\n%s\n" % order).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        said = done.stdout.decode().splitlines()
        check(said == ["ready 1 2", "cell 0 2 shm+futex/frame=64x48x3/pacing=pingpong", "ok"], said)
        check(done.returncode == 2 and hint in done.stderr.decode(), done.stderr.decode())
        check([launch["launch"] for launch in t.result(out)["cells"][0]["launches"]] == [1], "result")


def test_no_partner(t):  # beside others
    """What is no handoff, or does not know --steps, is named with what it did."""
    scenario = t.scenario(ONE)
    command = ["compare", "--scenario", scenario, "--out", t.file("out")]
    said = t.run(*command, "--base", t.file("nothing"), code=2).stderr()
    check("No such file" in said and "hint:" in said, said)
    said = t.run(*command, "--base", scenario, code=2).stderr()
    check("is no program" in said, said)
    old = wrapper(t, "old", 'echo "error: run: unknown option \\"--steps\\"" >&2; exit 2\n')
    said = t.run(*command, "--base", old, code=2).stderr()
    check("base (%s) does not take part: it exited with status 2: run: unknown option \"--steps\"" %
          old in said, said)
    chatty = wrapper(t, "chatty", "echo hello there\nsleep 60\n")
    begun = time.monotonic()
    said = t.run(*command, "--base", t.path, "--new", chatty, code=2).stderr()
    check('new (%s) does not take part: it said "hello there"' % chatty in said, said)
    babbling = wrapper(t, "babbling", "echo ready 1 2\necho cell 0 2 %s\nexec yes no answer\n" %
                       "shm+futex/frame=64x48x3/pacing=pingpong")
    said = t.run("compare", "--scenario", scenario, "--out", t.file("babbling-out"), "--base", t.path,
                 "--new", babbling, code=2).stderr()
    check('new (%s) does not take part: it said "no answer"' % babbling in said, said)
    check(time.monotonic() - begun < 16, "it took %.1f s" % (time.monotonic() - begun))


def runs_of(compare, side):
    """The pids of the run of that side."""
    found = []
    for pid in program.family(compare.marker):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if "--steps" in words and words[words.index("--out") + 1].endswith("/" + side):
            found.append(pid)
    return found


def begun(t, name, launches=4):
    """A comparison in the middle of its launches."""
    out, scenario = t.file(name), t.scenario(TWO, launches=launches, frames=40)
    command = ["compare", "--base", t.path, "--scenario", scenario, "--out", out]
    compare = t.start(*command)
    compare.wait_for_line(r"^pair [2-9]/")
    return compare, command, out


def check_whole(out, launches):
    """Resumed, every launch is there once and both results are complete."""
    for result in results(out):
        suite.all_ok(result)
        check(result["run"]["complete"], result["run"])
        check([[launch["launch"] for launch in cell["launches"]] for cell in result["cells"]] ==
              [list(range(launches))] * 2, "launches")
    check_logs(out)


def test_a_build_that_dies(t):  # beside others
    """A clear error; what the other measured is whole, and --resume goes on."""
    compare, command, out = begun(t, "out")
    for pid in runs_of(compare, "base"):
        os.kill(pid, signal.SIGKILL)
    code = compare.wait()
    check(program.wait_family_gone(compare.marker, 10) is not None, "processes are left")
    compare.check_clean()
    check(code == 3 and "base (" in compare.stderr() and "was killed by signal 9" in
          compare.stderr() and "--resume" in compare.stderr(), "%d: %s" % (code, compare.stderr()))
    new = program.read_json(os.path.join(out, "new", "result.json"))
    check(not new["run"]["complete"] and sum(len(cell["launches"]) for cell in new["cells"]) > 0,
          new["run"])
    t.run(*command, "--resume")
    check_whole(out, 4)


def test_compare_is_stopped_or_killed(t):  # beside others, release only
    """SIGINT: both results and the comparison of what there is. SIGKILL: the two end by themselves, with
    their results whole."""
    for number in (signal.SIGINT, signal.SIGKILL):
        compare, command, out = begun(t, "out%d" % number)
        compare.kill(number)
        code = compare.wait()
        if number == signal.SIGINT:
            compare.check_clean()
            check(code == 130 and "Interrupted" in compare.stdout(), "%d: %s\n%s" % (
                code, compare.stdout(), compare.stderr()))
        check(program.wait_family_gone(compare.marker, 10) is not None, "processes are left")
        for result in results(out):
            check(not result["run"]["complete"], result["run"])
        t.run(*command, "--resume")
        check_whole(out, 4)


def test_ci_compare_exit_codes(t):  # beside others, release only
    """1 is a regression and nothing else: what fails on the way to a verdict is 4."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/ci-compare")
    if program.EMULATOR:
        raise Skip("an emulator runs no scripts")
    with open(t.file("file"), "w"):
        pass
    os.mkdir(t.file("build"))
    for code, out, expected in ((0, "out", 0), (1, "out", 1), (4, "out", 4), (77, "out", 77),
                                (0, "file/out", 4)):
        wrapper(t, "build/handoff", "exit %d\n" % code)
        done = program.run(["bash", script, "--base-build", t.file("build"), "--new-build",
                            t.file("build"), "--out", t.file(out)])
        check(done.code == expected, "%d, %s: exit code %d: %s" % (code, out, done.code,
                                                                   done.stderr()))
    done = program.run(["bash", script, "--base", "nowhere", "--new-build", t.file("build")])
    check(done.code == 2 and "no such commit here: nowhere" in done.stderr(), done.stderr())


def test_by_wait(t):  # beside others, release only
    """The values of an axis within one run, made now or stored."""
    out, scenario = t.file("out"), t.scenario(TWO, launches=5)
    done = t.start("compare", "--by", "wait", "--scenario", scenario, "--out", out)
    code = done.wait()
    check(code in (0, 1) and "base: wait futex" in done.stdout(), "%d: %s%s" % (
        code, done.stdout(), done.stderr()))
    answer = program.read_json(os.path.join(out, "compare.json"))
    check(answer["axis"] == "wait" and len(answer["gates"]) == 1 and
          answer["gates"][0]["cell"].startswith("shm+poll:100"), answer)
    stored = t.start("compare", "--by", "wait", "--against", "poll:100", out, "--format", "json",
                     "--out", t.file("new/folder"))
    other = json.loads(stored.stdout()) if stored.wait() in (0, 1) else None
    check(other == program.read_json(t.file("new/folder/compare.json")), stored.stderr())
    check(other and other["gates"][0]["cell"].startswith("shm+futex"), stored.stderr())
    ratios = [row["gates"][0]["ratio"] for row in (answer, other)]
    check(abs(ratios[0] * ratios[1] - 1) < 1e-6, ratios)
    for words, wanted in ((["--by", "wiat", out], 'did you mean "wait"'),
                          (["--by", "transport", out], "no block has several values of transport"),
                          (["--by", "wait", "--against", "block", out], "wait=block"),
                          (["--by", "wait"], "one scenario or one result"),
                          (["--by", "wait", t.file("absent")], "cannot be opened"),
                          ([out, out, "--out", t.file("lost")], "writes nothing"),
                          (["--by", "wait", "--base", t.path, out], "two comparisons"),
                          (["--base", t.path], "needs a scenario")):
        said = t.run("compare", *words, code=2).stderr()
        check(wanted in said and "hint:" in said, said)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
