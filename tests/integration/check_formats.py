"""check_formats.py: what --format json and markdown print: one object, or tables that are whole."""
import json
import re
import sys

import suite
from suite import TWO_BLOCKS, check


def tables(text):
    """The Markdown tables of a text: lists of rows of cells. All rows have as many as their head."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text + "\n", re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        check(re.match(r"\|(:?--:?\|)+$", block.splitlines()[1]), "no head:\n" + block)
        check(all(len(row) == len(rows[0]) for row in rows), "cells are missing:\n" + block)
        found.append([[cell.strip().replace("\\", "") for cell in row]
                      for row in rows[:1] + rows[2:]])
    return found


def test_run(t):  # beside others
    """The end of a run; the table stays away, and so does progress from standard output."""
    scenario = t.scenario([{"name": "a", "base": {"transport": "shm"}, "axes": {"wait": ["futex"]}},
                           {"name": "b", "base": {"transport": "shm", "wait": "block"}}])
    said = json.loads(t.run("run", scenario, "--out", t.file("out"), "--format", "json").stdout())
    check(said["result"] == t.file("out/result.json") and said["scenario"] == "test" and
          said["exit_status"] == 0 and not said["interrupted"], "%s" % said)
    check(said["cells"] == {"ok": 1, "failed": 0, "incomplete": 0, "not_run": 1}, "%s" % said)
    check([cell["status"] for cell in said["not_ok"]] == ["not_applicable"] and
          said["not_ok"][0]["reason"], "%s" % said["not_ok"])
    done = t.run("run", scenario, "--out", t.file("out"), "--resume", "--format", "markdown")
    check(done.stdout().startswith("## handoff: test\n") and "does not apply" in done.stdout() and len(tables(done.stdout())) == 1,
          done.stdout())


def test_dry_run(t):  # beside others
    scenario = t.scenario(TWO_BLOCKS)
    said = json.loads(t.run("run", scenario, "--dry-run", "--format", "json").stdout())
    ids = [cell["id"] for cell in said["cells"]]
    check(len(ids) == 4 and said["cells_runnable"] == 4 and said["launches"] == 8, "%s" % said)
    check(said["expected_ns"] == sum(cell["expected_ns"] for cell in said["cells"]), "%s" % said)
    table, = tables(t.run("run", scenario, "--dry-run", "--format", "markdown").stdout())
    check([row[0] for row in table] == ["cell"] + ids, "%s" % table)


def test_lists(t):  # beside others
    """Markdown says what JSON says; --json is --format json."""
    listed = json.loads(t.run("list", "--format", "json").stdout())
    check(listed == json.loads(t.run("list", "--json").stdout()), "--json is something else")
    found = tables(t.run("list", "--format", "markdown").stdout())
    check(len(found) == len(listed) == 5, "%d tables" % len(found))
    for table, entries in zip(found, listed.values()):
        check([row[0] for row in table[1:]] == [entry["name"] for entry in entries], "%s" % table)
    waits, = tables(t.run("list", "waits", "--format=markdown").stdout())
    check(waits == found[1], "%s" % waits)


def test_floor_and_probe(t):  # beside others, release only
    found = tables(t.run("floor", "--frame", "64x48x3", "--format", "markdown").stdout())
    table = t.run("floor", "--frame", "64x48x3").stdout()
    named = [row[0] for rows in found for row in rows[1:]]
    check(len(named) > 10 and all(name in table for name in named), "%s" % named)
    probed = json.loads(t.run("probe", "--format", "json").stdout())
    found = tables(t.run("probe", "--format", "markdown").stdout())
    check([row[0] for row in found[0][1:]] == [row["row"] for row in probed["rows"]], "%s" % found)
    check([row[0] for row in found[1][1:]] == [row["id"] for row in probed["claims"]], "%s" % found)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
