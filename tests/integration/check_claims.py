"""check_claims.py: claims from the scenario to the report, and what --validity takes."""
import json
import os
import sys

import suite
from suite import Skip, check, program

EXPERIMENT = {"id": "known_delay", "title": "A known delay comes back", "expectation": "in, out",
              "columns": ["delay", "as expected"], "rows": [["1 µs", "yes"]], "finding": "found",
              "passed": True}
FILE = {"schema": "handoff-validity", "schema_version": 1, "tool": "handoff 0.0.1 (none)",
        "utc": "2026-11-21T10:00:00Z", "experiments": [EXPERIMENT]}


def page_of(folder):
    with open(os.path.join(folder, "index.html"), encoding="utf-8") as file:
        return file.read()


def test_scenario(t):  # release only
    """claims.json as it stands, one launch of each cell: nothing is decided by one."""
    out = t.file("out")
    done = t.run("run", os.path.join(t.scenarios, "claims.json"), "--launches", "1", "--out", out,
                 "--quiet", "--only", "block=shm-1us,shm-1us-message,busy-wait", floor=True)
    claims = [block["claim"] for block in t.result(out)["blocks"] if "claim" in block]
    image = [claim for claim in claims if claim["id"] == "shm-1us"][0]
    check(image["moved_bytes"] == 2 * 800 * 600 * 3, image)
    said = done.stdout()
    check("shm-1us-message not decided here: said 500 ns–1.5 µs (mean of latency), measured " in said, said)
    check("=> Of " in said, said)
    floor = t.result(out).get("floor", {}).get("memory") or [{}]
    if not all(size.get("read_cached_ns") for size in floor):
        raise Skip("no floor of memory here, so no arithmetic")
    check("shm-1us impossible by arithmetic" in said, said)
    t.run("report", out, "--out", t.file("page"))
    page = page_of(t.file("page"))
    for words in ("What is said, and what was measured", "1 launch is too few for an interval",
                  "2.88&#160;MB read and written in 1.23&#160;µs"):
        check(words in page, "no %s on the page" % words)
    check("May these figures be believed?" not in page, "validity without a file")


def test_validity(t):  # beside others
    """Named, beside the result, broken, and for several results."""
    out, page, named = t.file("out"), t.file("page"), t.file("v.json")
    t.run("run", t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "spin"}}]), "--out",
          out)
    program.write_json(named, FILE)
    t.run("report", out, "--out", page, "--validity", named)
    check("May these figures be believed?" in page_of(page) and "another build" in page_of(page),
          "not on the page, or its other version is not noted")
    with open(os.path.join(page, "report.md"), encoding="utf-8") as file:
        check("May these figures be believed?" in file.read(), "not in report.md")
    beside = program.write_json(os.path.join(out, "validity.json"),
                                dict(FILE, experiments=[dict(EXPERIMENT, passed=False)]))
    t.run("report", out, "--out", page)
    check("did not come out as expected: <a" in page_of(page), "no notice")
    with open(beside, "w") as file:
        json.dump(dict(FILE, experiments=7), file)
    said = t.run("report", out, "--out", page).stderr()
    check("experiments: must be a list" in said and "scripts/validity" in said, said)
    check("cannot be used" in page_of(page), "the page does not say so")
    said = t.run("report", out, "--out", page, "--validity", beside, code=2).stderr()
    check("experiments: must be a list" in said, said)
    said = t.run("report", out, "--out", page, "--validity", t.file("none"), code=4).stderr()
    check("none" in said, said)
    said = t.run("report", out, out, "--out", page, "--validity", named, code=2).stderr()
    check("beside each result" in said, said)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
