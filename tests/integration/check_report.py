"""check_report.py: `handoff report`: the page, the summary, several results, large ones."""
import json
import os
import subprocess
import sys

import suite
from suite import Skip, check, program

import page_check  # noqa: E402  (of tests/support, which suite has put in the path)
import page_widths  # noqa: E402

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def measured(t, name):
    """A small run's folder: two waits, two sizes of a frame, and cells that cannot run."""
    blocks = [{"name": "waits", "compare": "wait", "base": {"transport": "shm"},
               "axes": {"wait": ["yield", "futex", "native"], "frame": ["64x48x3", "128x96x3"]}}]
    out = t.file(name)
    t.run("run", t.scenario(blocks, name + ".json"), "--out", out)
    return out


def large(result, out, cells, blocks):
    subprocess.check_call([sys.executable, os.path.join(SUPPORT, "large_result.py"), "--cells",
                           str(cells), "--blocks", str(blocks), os.path.join(result, "result.json"),
                           out])


def test_pages(t):  # beside others
    """One result, and two side by side: well-formed, in no need of anything else; nothing temporary
    stays; the labels, what differs and the ratios are there."""
    first = measured(t, "first")
    second = t.file("second")
    os.mkdir(second)
    later = t.result(first)
    later["tool"]["commit"] = "later<b>"
    program.write_json(os.path.join(second, "result.json"), later)
    t.run("report", first)
    t.run("report", first, second, "--out", t.file("both"), "--label", "be<fore", "--label", "after")
    for folder in (first, t.file("both")):
        found = page_check.problems(os.path.join(folder, "index.html"))
        check(not found, "%s: %s" % (folder, "\n".join(found[:10])))
        left = [name for name in os.listdir(folder) + os.listdir(os.path.join(folder, "plots"))
                if ".tmp" in name]
        check(not left, "left behind: %s" % left)
    for name in os.listdir(os.path.join(first, "plots")):
        if "-timeline-" in name and name.endswith(".svg"):
            times = read(first, "plots", name).count("<text>response</text>")
            check(times == 1, "%s: its axis is named %d times, one over the other" % (name, times))
    page = read(first, "index.html")
    check("What else makes a difference" in page and "128×96×3 instead of 64×48×3" in page,
          "changes of an axis")
    check("Was the machine fit to measure on?" in page and "native" in page, "fitness, not run")
    both, summary = read(t.file("both"), "index.html"), read(t.file("both"), "report.md")
    for words in ("2 results side by side", "be&lt;fore", "later&lt;b&gt;", "1.000×"):
        check(words in both, "%s is not on the page" % words)
    check("| | be&lt;fore | after |" in summary and "later&lt;b&gt;" in summary, summary[:2000])
    said = t.run("report", first, second, "--label", "one", code=2).stderr()
    check("2 results are named, and 1 --label" in said, said)


def test_large(t):  # beside others, release only
    """140 cells × 10 launches in 20 blocks: the page stays within a third of what 500 cells may take,
    one of 14 such results within all of it, and the summary within what a job's may."""
    large(measured(t, "small"), t.file("large.json"), 140, 20)
    t.run("report", t.file("large.json"), "--out", t.file("out"))
    page, summary = (os.path.getsize(t.file("out/" + name)) for name in ("index.html", "report.md"))
    check(page < 5000000 / 3, "the page has %d bytes" % page)
    check(summary < 60000, "the summary has %d bytes" % summary)
    found = page_check.problems(t.file("out/index.html"))
    check(not found, "\n".join(found[:10]))
    check("on the page" in read(t.file("out"), "report.md"), "what is left out is not said")
    t.run("report", *[t.file("large.json")] * 14, "--out", t.file("many"),
          env=dict(os.environ, PATH=t.folder))  # without gnuplot
    page = os.path.getsize(t.file("many/index.html"))
    check(page < 5000000, "fourteen of them have %d bytes" % page)
    found = page_check.problems(t.file("many/index.html"))
    check(not found, "\n".join(found[:10]))
    check("a report of this result alone has them" in read(t.file("many"), "index.html"), "not said")


def test_screens(t):  # beside others, release only
    """The page is as wide as a phone and as a desktop, in both colours, whatever names are in it."""
    browser = page_widths.browser_find()
    if not browser:
        raise Skip("there is no Chromium")
    first = measured(t, "first")
    result = t.result(first)
    result["scenario"]["name"] = result["blocks"][0]["name"] = "endless" * 700
    for cell in result["cells"]:
        cell["axes"]["kernel"] = cell["reason"] = "endless" * 100
    long = program.write_json(t.file("long.json"), result)
    t.run("report", first, long, first, "--out", t.file("out"))
    colours = set()
    for scheme in page_widths.SCHEMES:
        found = page_widths.measure(browser, t.file("out/index.html"), [390, 1400], scheme, t.folder)
        check(found, "Chromium said nothing")
        for one in found:
            check(one["page"] <= one["width"], json.dumps(one))
            colours.add(one["background"])
    check(len(colours) == 2, "light and dark look the same: %s" % colours)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
