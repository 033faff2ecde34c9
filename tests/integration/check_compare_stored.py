"""check_compare_stored.py: `handoff compare RESULT RESULT...` on results that were measured, and on
what strangers make of them."""
import copy
import json
import random
import sys

import suite
from suite import check, program

HOSTILE = "<script>alert(1)</script>\n\x1b[31m`$(reboot)` | \"'" + "x" * 10000


def make(t, result, name, factor=1.0, launches=6, day=20, **environment):
    """The result with so many launches of each cell, `factor` times as long, of another day."""
    made = copy.deepcopy(result)
    made["run"]["started_utc"] = "2026-11-%02dT10:00:00Z" % day
    before = made["environment"]["before"]
    before.setdefault("cpu", {}).update(environment)
    for cell in made["cells"]:
        of = cell["launches"][0]
        cell["launches"] = []
        for number in range(launches):
            launch = copy.deepcopy(of)
            launch["launch"] = number
            interval = launch["intervals"]["latency"]
            interval["p50_ns"] = int(1e6 * factor * random.uniform(0.9999, 1.0001))
            cell["launches"].append(launch)
    return program.write_json(t.file(name), made)


def test_stored_results(t):  # beside others, release only
    """Slower is said as a trend, and fails only when told to; what the machines differ in comes
    first; every format holds it; more than two are told in order of time."""
    out = t.file("out")
    t.run("run", t.scenario(suite.TWO_BLOCKS[:1], launches=1), "--out", out)
    result = t.result(out)
    first = make(t, result, "a.json")
    second = make(t, result, "b.json", 1.2, day=21, smt_active=not
                  result["environment"]["before"].get("cpu", {}).get("smt_active", False))
    said = " ".join(t.run("compare", first, second).stdout().split())
    check("1.200× (1." in said and "slower in stored results" in said, said)
    check(said.index("SMT:") < said.index("latency p50"), said)
    check("regression" not in said and "2 slower, 0 faster" in said, said)
    t.run("compare", first, second, "--fail-on-slower", code=1)
    t.run("compare", second, first, "--fail-on-slower")
    t.run("compare", first, first, "--fail-on-slower")
    answer = json.loads(t.run("compare", first, second, "--format", "json").stdout())
    check(answer["slower"] and [d["what"] for d in answer["differences"]] == ["SMT"], answer)
    value = answer["cells"][0]["figures"][0]["values"][1]
    check(value["verdict"] == "slower" and 1.19 < value["ratio"] < 1.21, value)
    said = t.run("compare", first, second, "--format", "markdown").stdout()
    check(said.count("| slower in stored results |") == 2, said)
    course = [make(t, result, "%d.json" % day, 1 + 0.05 * day, day=day) for day in (3, 1, 4, 2)]
    said = " ".join(t.run("compare", *course).stdout().split())
    check("measured: 2, 4, 1, 3" in said, said)
    check("1.05 ms → 1.10 ms → 1.15 ms → 1.20 ms" in said, said)
    check("rises from each to the next of 4 results, by +4." in said, said)
    # The result itself: of one launch, which decides nothing.
    said = t.run("compare", out, out).stdout()
    check("2 without data enough to say" in " ".join(said.split()), said)


def test_strangers_and_what_cannot_be_compared(t):  # beside others
    """Hostile names are text; nothing in common is an answer of its own; what is no result is a
    usage error."""
    out = t.file("out")
    t.run("run", t.scenario(suite.TWO_BLOCKS[:1], launches=1), "--out", out)
    result = t.result(out)
    first = make(t, result, "a.json")
    hostile = copy.deepcopy(result)
    hostile["scenario"]["name"] = hostile["blocks"][0]["name"] = HOSTILE
    hostile["environment"]["before"]["cpu"]["model"] = HOSTILE
    hostile["tool"]["commit"] = HOSTILE
    hostile["cells"][1].update(id=HOSTILE, status="failed", reason=HOSTILE)
    second = program.write_json(t.file("hostile.json"), hostile)
    for results in ((first, second), (second, first), (first, second, second)):
        said = t.run("compare", *results).stdout()
        check("\x1b" not in said and "CPU model" in said, said[:3000])
        said = t.run("compare", *results, "--format", "markdown").stdout()
        check("\x1b" not in said and "<script" not in said, said[:3000])
        json.loads(t.run("compare", *results, "--format", "json").stdout())
    gone = copy.deepcopy(result)
    gone["cells"][1].update(status="not_applicable", launches_ok=0, reason="because")
    gone = program.write_json(t.file("gone.json"), gone)
    for words, wanted in (([first, gone], "new: does not apply: because"),
                          (["--by", "wait", gone], "does not apply: because")):
        said = " ".join(t.run("compare", *words, code=77 if "--by" in words else 0).stdout().split())
        check(wanted in said and "not_applicable" not in said, said)
    for cell in result["cells"]:
        cell["id"] += "/other=1"
    other = program.write_json(t.file("other.json"), result)
    said = " ".join(t.run("compare", first, other, code=77).stdout().split())
    check("nothing to compare" in said and "Only in base: shm+spin" in said, said)
    text = program.write_json(t.file("text.json"), {"schema": "handoff-result"})
    check("text.json" in t.run("compare", first, text, code=2).stderr(), "not named")
    t.run("compare", first, t.file("absent.json"), code=2)
    t.run("compare", *[first] * 65, code=2)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
