"""check_rates.py: rates as people have them: no frame before its time whatever the schedule, header
only at 10 kHz, and the search for the highest rate that keeps a bound."""
import json
import os

import suite
from suite import all_ok, check

HEADER = {"transport": "shm", "wait": "futex", "fill": "header", "kernel": "none"}


def test_schedules(t):  # beside others, release only
    """Frames come at their rate and, since a negative `pacing` fails a launch, never early."""
    scenario = t.scenario([{"name": "a", "base": HEADER, "axes": {
        "pacing": ["rate:2000", "poisson:2000", "rate:10000"], "phase": ["fixed", "random"]},
        "exclude": [{"pacing": "poisson:2000", "phase": "random"}]}], frames=1500, launches=2)
    t.run("run", scenario, "--out", t.file("out"))
    result = t.result(t.file("out"))
    all_ok(result)
    for cell in result["cells"]:
        pacing = cell["intervals"]["pacing"]
        check(pacing["count"] == 3000, "%s: %d pacings" % (cell["id"], pacing["count"]))
        check(cell["deadline"]["deadline_ns"] ==
              int(1e9 / float(cell["axes"]["pacing"].split(":")[1])), str(cell["deadline"]))
        for launch in cell["launches"]:
            check(launch["frames"] == 1500 and launch["integrity"]["lost"] == 0, str(launch))


def test_a_search_ends(t):  # release only
    """A bound that anything keeps, one that nothing keeps, and one in a wide range."""
    paced = [{"search": {"response_p99_us": 60000000, "from": 1000, "to": 1500}},
             {"search": {"response_p99_us": 1, "from": 1000, "to": 5000}},
             {"search": {"response_p99_us": 50000, "from": 800, "to": 1000000}}]
    scenario = t.scenario([{"name": "a", "base": HEADER, "launch_seconds": 0.1,
                            "axes": {"pacing": paced}}], frames="auto", warmup="auto", launches=1)
    t.run("run", scenario, "--out", t.file("out"), code=1)
    easy, hopeless, wide = t.result(t.file("out"))["cells"]
    search = easy["launches"][0]["search"]
    check(easy["status"] == "ok" and search["at_least"] and search["rate_hz"] == 1500,
          json.dumps(search))
    check([step["rate_hz"] for step in search["steps"]] == [1000, 1500], json.dumps(search))
    rate = easy["throughput"]["frames_per_s"]["value"]
    check(rate <= 1500.01, "the answer is %r frames/s" % rate)
    check(easy["deadline"]["deadline_ns"] == 60000000000, str(easy["deadline"]))

    search = hopeless["launches"][0]["search"]
    check(hopeless["status"] == "failed" and hopeless["hint"] and
          "at the lowest rate, 1000 frames/s: the p99 of response is" in hopeless["reason"],
          hopeless["reason"])
    check(len(search["steps"]) == 1 and search["rate_hz"] == 0 and
          not search["steps"][0]["passed"] and search["steps"][0]["p99_ns"] > 1000,
          json.dumps(search))

    if wide["status"] == "failed":  # on a machine that is too busy for the lowest rate
        check("at the lowest rate" in wide["reason"], wide["reason"])
        return
    search = wide["launches"][0]["search"]
    passed = [step["rate_hz"] for step in search["steps"] if step["passed"]]
    missed = [step["rate_hz"] for step in search["steps"] if not step["passed"]]
    check(search["rate_hz"] == max(passed) and (search["at_least"] or (
        min(missed) > max(passed) and min(missed) < 1.05 * max(passed))), json.dumps(search))
    check(wide["throughput"]["frames_per_s"]["value"] <= 1.0001 * search["rate_hz"],
          "not the answer: %r" % wide["throughput"])
    check(wide["intervals"]["response"]["quantiles"]["p99"]["value_ns"] <= 50000000,
          "the figures are of another rate")


def test_a_search_goes_on(t):  # beside others, release only
    """--resume keeps a whole search and repeats one whose file does not add up."""
    scenario = t.scenario([{"name": "a", "base": HEADER, "launch_seconds": 0.1, "axes": {"pacing": [
        {"search": {"response_p99_us": 60000000, "from": 1000, "to": 1500}}]}}],
        frames="auto", warmup="auto", launches=3)
    out = t.file("out")
    t.run("run", scenario, "--out", out)
    before = t.launches(out)
    names = sorted(before)
    for name, change in ((names[0], {"rate_hz": 1499}), (names[1], {"bound_ns": 1000})):
        path = os.path.join(out, "launches", name)
        with open(path) as file:
            launch = json.load(file)
        launch["row"]["search"].update(change)
        with open(path, "w") as file:
            json.dump(launch, file)
    t.run("run", scenario, "--out", out, "--resume")
    all_ok(t.result(out))
    after = t.launches(out)
    check(after[names[2]] == before[names[2]], "a whole search was repeated")
    for name in names[:2]:
        check(json.loads(after[name][1])["row"]["search"]["rate_hz"] == 1500, after[name][1])


if __name__ == "__main__":
    suite.main(globals())
