#!/usr/bin/env python3
"""`handoff doctor` from outside: what it prints in each format, its exit codes, and that a run keeps
the same findings in its result."""
import json

import suite
from suite import check, program

LEVELS = ["good", "unknown", "note", "warning", "unfit"]


def doctor(t, *arguments):
    """Fit or not is the machine's."""
    done = program.run([t.path, "doctor"] + list(arguments))
    check(done.code in (0, 1), "exit code %d: %s" % (done.code, done.stderr()))
    return done


def test_doctor_says_what_is_wrong_and_how_bad(t):  # release only
    """The three formats of one machine; the exit code follows the verdict."""
    done = doctor(t, "--format", "json")
    said = json.loads(done.stdout())
    check(said["schema"] == "handoff-doctor" and said["schema_version"] == 1, "another schema")
    worst = max((LEVELS.index(f["level"]) for f in said["findings"]), default=0)
    check(said["worst"] == LEVELS[worst], "worst is %s" % said["worst"])
    check(said["fit"] == (said["worst"] != "unfit"), "fit is %s" % said["fit"])
    check(done.code == (0 if said["fit"] else 1), "exit code %d" % done.code)
    check(said["verdict"].startswith("fit" if said["fit"] else "not fit: "), said["verdict"])
    rows = said["environment"]["gaps"]["cpus"]
    check(1 <= len(rows) <= 2 and all(r["window_ns"] >= 1e9 for r in rows), "gaps: %s" % rows)
    check(any(f["id"] == "gaps" and f["level"] != "unknown" for f in said["findings"]), "no gaps")

    table = doctor(t, "--no-gaps")
    lines = table.stdout().splitlines()
    check(lines[0].startswith(("fit", "not fit")), lines[0])
    check(max(map(len, lines)) <= 100, "too wide")
    levels = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in LEVELS]
    ranks = [LEVELS.index(level) for level in levels if level not in ("good", "unknown")]
    check(ranks == sorted(ranks, reverse=True), "not worst first: %s" % levels)
    check("not measured" in " ".join(table.stdout().split()), "gaps without having watched")

    markdown = doctor(t, "--no-gaps", "--format", "markdown").stdout()
    check(markdown.startswith("**") and "| level | found | effect | fix |" in markdown, markdown)


def test_doctor_refuses_what_it_cannot_do(t):  # beside others
    check("write it as" in t.run("doctor", "--cpus", "x", code=2).stderr(), "no hint")
    check("rising" in t.run("doctor", "--cpus", "1,0", code=2).stderr(), "out of order")
    check("CPU 60000" in t.run("doctor", "--cpus", "60000", code=77).stderr(), "no CPU named")
    check("options only" in t.run("doctor", "now", code=2).stderr(), "an operand")


def sentence(finding):
    """As a warning says it; a warning always has an effect."""
    return "%s: %s%s" % (finding["found"], finding["effect"],
                         finding["fix"] and "; fix: " + finding["fix"])


def test_a_run_keeps_its_findings(t):  # beside others
    """With the floor also the gaps; from `warning` on they are among the warnings."""
    path = t.scenario([{"name": "b", "axes": {"wait": ["spin"]}}], launches=1, transport="shm")
    out = t.file("out")
    said = t.run("run", path, "--out", out, "--quiet", "--format", "json", floor=True)
    result = t.result(out)
    fitness = result["fitness"]
    check(json.loads(said.stdout())["fitness"] == fitness["verdict"], "the run's own summary")
    check(("this machine was not fit" in said.stderr()) == (fitness["worst"] == "unfit"),
          said.stderr())
    check(result["environment"]["before"]["memory"]["cells_bytes"] == 4 * 64 * 48 * 3, "the need")
    rows = result["environment"]["before"]["gaps"]["cpus"]
    used = sorted({role["cpu"] for role in result["cells"][0]["roles"] if role["cpu"] is not None})
    check([row["cpu"] for row in rows] == used or not used, "%s instead of %s" % (rows, used))
    check(all(row["window_ns"] >= 2e8 for row in rows), "watched for %s" % rows)
    # The whole sentence: "0 % of CPU time in use" before is part of "60 % of CPU time in use" after.
    for finding in fitness["before"] + fitness["after"]:
        told = sentence(finding) in result["warnings"]
        check(told == (finding["level"] in ("warning", "unfit")), "%s is %stold: %s" %
              (finding, "" if told else "not ", result["warnings"]))


if __name__ == "__main__":
    suite.main(globals())
