"""check_clock.py: which clock a run is on, that it can be asked for, and what is said when it cannot
be had."""
import os
import sys

import suite
from suite import TWO_BLOCKS, Skip, all_ok, check


def run_on(t, which, out, *more):
    t.run("run", t.scenario(TWO_BLOCKS), "--out", out, "--clock", which, *more)
    result = t.result(out)
    all_ok(result)
    return result["run"]["clock"]


def candidates(clock):
    return {candidate["name"]: candidate for candidate in clock["candidates"]}


def counter_of(clock):
    """The counter's candidate; Skip where there is none to be used."""
    counter = [c for name, c in candidates(clock).items() if name != "CLOCK_MONOTONIC"]
    check(len(counter) == 1, "candidates: %s" % clock)
    if not counter[0]["usable"]:
        raise Skip("no counter here: %s: %s" % (counter[0]["name"], counter[0]["reason"]))
    return counter[0]


def test_auto(t):
    """The one taken is right and by its figures the cheapest; what was not taken is told, too."""
    clock = run_on(t, "auto", t.file("out"))
    seen = candidates(clock)
    check(seen["CLOCK_MONOTONIC"]["usable"], "CLOCK_MONOTONIC is always right: %s" % clock)
    for candidate in seen.values():
        check(candidate["usable"] == (candidate["reason"] == "") ==
              (candidate["read_ns"] is not None), "a candidate: %s" % candidate)
    taken = seen[clock["name"]]
    check(taken["usable"] and (taken["read_ns"], taken["tick_ns"]) ==
          (clock["read_ns"], clock["tick_ns"]), "taken: %s" % clock)
    counter = counter_of(clock)
    cheaper = counter["read_ns"] <= 0.95 * seen["CLOCK_MONOTONIC"]["read_ns"]
    check((clock["name"] == counter["name"]) == cheaper, "not the cheapest: %s" % clock)
    figures = (clock["conversion_error_ppm"], clock["cpus_agree_ns"])
    check(all((figure is not None) == cheaper for figure in figures), "its errors: %s" % clock)


def test_monotonic(t):  # beside others
    """Asked for, nothing else is looked at."""
    clock = run_on(t, "monotonic", t.file("out"))
    check(clock["name"] == "CLOCK_MONOTONIC" and list(candidates(clock)) == ["CLOCK_MONOTONIC"] and
          clock["conversion_error_ppm"] is None and clock["cpus_agree_ns"] is None,
          "the clock: %s" % clock)


def test_counter(t):
    """Asked for, it is taken or refused with the reason; a run goes on with its own clock only."""
    out, scenario = t.file("out"), t.scenario(TWO_BLOCKS)
    done = t.start("run", scenario, "--out", out, "--clock", "counter")
    code = done.wait()
    if code == 77:
        said = done.stderr()
        check("--clock counter: " in said and "hint:" in said, said)
        check(not os.path.exists(os.path.join(out, "result.json")), "a result without a clock")
        raise Skip(said.splitlines()[0])
    check(code == 0, "exit code %d: %s" % (code, done.stderr()))
    result = t.result(out)
    all_ok(result)
    clock = result["run"]["clock"]
    check(clock["name"] != "CLOCK_MONOTONIC" and 0 < clock["conversion_error_ppm"] <= 50 and
          0 <= clock["cpus_agree_ns"] <= 4000, "the clock: %s" % clock)
    launches = os.path.join(out, "launches")
    for name in sorted(os.listdir(launches))[:3]:
        os.unlink(os.path.join(launches, name))
    done = t.run("run", scenario, "--out", out, "--clock", "monotonic", "--resume", code=2)
    check("begun on the clock %s, and this would go on with CLOCK_MONOTONIC" % clock["name"] in
          done.stderr() and "--clock counter" in done.stderr(), done.stderr())
    again = run_on(t, "auto", out, "--resume")
    check(again["name"] == clock["name"], "resumed on %s" % again["name"])


def test_resumed_on_its_own(t):  # beside others
    """Whatever would be taken by itself."""
    out = t.file("out")
    run_on(t, "monotonic", out)
    check(run_on(t, "auto", out, "--resume")["name"] == "CLOCK_MONOTONIC", "resumed on another clock")


def test_unknown(t):  # beside others
    done = t.run("run", t.smoke(), "--out", t.file("out"), "--clock", "sundial", code=2)
    check("auto, monotonic or counter, not \"sundial\"" in done.stderr(), done.stderr())


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
