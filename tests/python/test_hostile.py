"""What a stranger wrote comes out as text, wherever it comes out.

A scenario with hostile descriptions and claims in a folder with a hostile name is run for real. Then
its result is made worse: strings and names of it become hostile text, those that mean something to
the report are left in one copy and not in the other. Every command that reads results reads both,
and real parsers look at what came out: of HTML, of Markdown (GitHub's own renderer), of XML, of CSV,
of JSON. Commands in the text would leave a file behind.
"""
import copy
import csv
import html.parser
import io
import json
import os
import re
import subprocess
import xml.etree.ElementTree

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

# Each part would do something somewhere. CANARY is a path that no command may make.
PARTS = [
    "=cmd|' /C calc'!A0", "\"double\" 'single' `touch CANARY` $(touch CANARY)",
    "<script>alert(1)</script><x-hostile onclick=alert(1)></p></div></section>",
    "\" onmouseover=\"alert(1)\" x='", "<!-- ]]> --> <![CDATA[ &lt; &amp; &#60;script&#62;",
    "| a | b |", "[link](javascript:alert(1)) ![image](http://evil.example/x.png)",
    "<http://evil.example> http://evil.example/x www.evil.example me@evil.example @someone #1",
    "**bold** _it_ ~~gone~~ `code` $$x$$ \\# \\", "\n# heading\n\n- item\n\n---\n| x |\n|---|\n\n```\n",
    "\x1b[31m\x1b]0;title\x07\x9b2J\x85\r\x08\x7f", "\u202eesrever\u2066\u2028\u2029\u200b\ufffe\uffff",
    "{a_b^c} @{x} \\n %s%n%d {{body}} \\\"; system(\"touch CANARY\"); set output \"CANARY\"; #",
    "\t;,\v\f", "\U0001f4a5 \u4e2d\u6587 e\u0301",
]
# How text begins that a spreadsheet computes.
FORMULAS = ["=1+1,\"a\"", "+1+1", "-1+1", "@SUM(1)", "\t=1"]
# An axis' value, of which a report takes 63 bytes: names in pictures.
LABEL = "\" 1 2 `touch canary`\"'{/=40 x}^b@c\\n%%s<i>&%d"
# What may not reach a terminal, nor a line of text.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")
# Members that a report only follows when they are what it knows.
MEANING = {"status", "histogram", "spread", "compare", "figure", "started_utc", "ended_utc", "schema",
           "method", "transport", "from", "to", "verdict", "kind"}
FORMATS = ("hgrm", "hlog", "csv", "gbench", "gha", "gha-bigger", "bmf", "junit")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def hostile(place):
    """hostile(n): all parts in an order of their own, so that each begins with another."""
    canary = str(place / "canary")

    def text(number):
        parts = PARTS[number % len(PARTS):] + PARTS[:number % len(PARTS)]
        return "".join(parts).replace("CANARY", canary)
    return text


@pytest.fixture(scope="module")
def call(handoff, place):
    """Runs handoff: it may refuse, but not crash, and what it prints must be fit for a terminal."""
    def run(*arguments, codes=(0,)):
        done = subprocess.run([handoff] + [os.fsencode(argument) for argument in arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                              cwd=str(place))
        said = [part.decode("utf-8") for part in (done.stdout, done.stderr)]
        assert done.returncode in codes, (arguments, done.returncode, said[1])
        for part in said:
            found = CONTROLS.search(part)
            assert not found, (arguments, part[max(0, found.start() - 60):found.end() + 20])
        assert not (place / "canary").exists(), arguments
        return said[0]
    return run


@pytest.fixture(scope="module")
def measured(call, hostile, place):
    """A run of a scenario whose free texts are hostile, from a folder whose name is."""
    folder = place / "a\"b'c `touch canary` $(touch canary) <x-hostile> [l](u) \x1b[31m\n|="
    folder.mkdir()
    scenario = folder / "s;#&.json"
    # The scenario reader lets no control character and no text of 10 kB in; the rest it takes.
    def line(number):
        return re.sub("[\x00-\x1f\x7f-\x9f]", "", hostile(number))[:1900]

    def write(description):
        claim = {"id": "c1", "says": line(1), "where": line(2), "known": line(3),
                 "figure": "handoff.mean", "low_ns": 1, "high_ns": 2, "machine": "Jetson"}
        scenario.write_text(json.dumps({
            "name": "hostile", "description": description,
            "base": {"transport": "shm", "frame": "64x48x3", "pacing": "rate:500", "frames": 12,
                     "warmup": 2, "launches": 2},
            "blocks": [{"name": "b", "description": line(5), "claim": claim,
                        "axes": {"wait": ["spin", "futex", "block"]}}]}))
    for refused in (hostile(4), line(4) * 20):
        write(refused)
        call("run", scenario, "--dry-run", codes=(2,))
    write(line(4))
    for form in ("table", "markdown", "json"):
        call("run", scenario, "--dry-run", "--format", form)
    # Where the user's own folder is printed, it is as it was typed: no line break in this one.
    out = place / "o\"b'c `touch canary` $(touch canary) <x-hostile> [l](u) %s {{body}} |=;#&" / "out"
    call("run", scenario, "--no-floor", "--out", out)
    for form in ("json", "markdown"):
        assert_form(form, call("run", scenario, "--no-floor", "--out", out, "--resume", "--format",
                               form))
    return out


def made_hostile(value, hostile, spare, count, name=""):
    """A copy with hostile strings, and hostile names added to its objects."""
    if isinstance(value, dict):
        made = {key: made_hostile(item, hostile, spare, count,
                                  "axis" if name == "axes" and key != "transport" else key)
                for key, item in value.items()}
        if name in ("before", "after", "axes", "cpu", "kernel"):
            count[0] += 1
            made[hostile(count[0])] = hostile(count[0] + 1)
        return made
    if isinstance(value, list):
        return [made_hostile(item, hostile, spare, count, name) for item in value]
    if not isinstance(value, str) or name == "schema" or (spare and name in MEANING):
        return value
    count[0] += 1
    text = hostile(count[0])
    # Ids stay apart, and short enough for every format.
    if name == "id":
        return "%s%s#%d" % (FORMULAS[count[0] % len(FORMULAS)], text[:150], count[0])
    if name == "axis":
        return LABEL % count[0]
    return text * 10 if value == "10 kB" else text


@pytest.fixture(scope="module", params=["scenario", "result", "everything"])
def folder(request, measured, hostile, place):
    """The run as it is; with every string hostile that means nothing to a report; with every string."""
    if request.param == "scenario":
        return measured
    with open(str(measured / "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    result["cells"].append(dict(copy.deepcopy(result["cells"][0]), status="failed", reason="x",
                                hint="y", id="failed"))
    result["cells"].append(dict(copy.deepcopy(result["cells"][0]), status="unavailable", reason="x",
                                hint="y", id="unavailable", intervals={}, launches=[]))
    result["warnings"].append("a warning")
    result["scenario"]["description"] = "10 kB"
    made = made_hostile(result, hostile, request.param == "result", [0])
    folder = place / request.param
    folder.mkdir()
    with open(str(folder / "result.json"), "w", encoding="utf-8") as file:
        json.dump(made, file, ensure_ascii=request.param == "result")
    return folder


@pytest.fixture(scope="module")
def report(call, folder):
    call("report", folder, "--out", folder / "page")
    return folder / "page"


class Page(html.parser.HTMLParser):
    """Elements, attributes and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.links, self.text = set(), set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            self.attributes.add(name)
            if name in ("href", "src", "xlink:href", "action", "srcset"):
                self.links.append(value or "")

    def handle_data(self, data):
        self.text.append(data)


def assert_nothing_hostile(page, links):
    assert not page.tags & {"script", "x-hostile", "iframe", "object", "embed", "form", "base"}
    assert not [name for name in page.attributes if name.startswith("on") or "hostile" in name]
    for link in page.links:
        assert re.match(links, link), link


def test_page(report):
    text = (report / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert_nothing_hostile(page, r"#|data:image/png;base64,|plots/|https://github\.com/")
    said = "".join(page.text)
    assert "<x-hostile onclick=alert(1)>" in said, "the text itself is to be seen"
    assert not CONTROLS.search(text)


def assert_markdown(text):
    """As GitHub renders it: no element, link or picture that the text brought along."""
    assert not CONTROLS.search(text)
    page = Page(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))
    assert_nothing_hostile(page, r"index\.html|plots/")
    assert not page.tags & {"img", "del", "a"}
    return "".join(page.text)


def test_summary(report):
    assert "heading" in assert_markdown((report / "report.md").read_text(encoding="utf-8"))


def test_pictures(report, place):
    """gnuplot drew, and ran nothing; nor would it, if a script took data for a string of its own."""
    for name in os.listdir(str(report / "plots")):
        if name.endswith(".tsv"):
            text = (report / "plots" / name).read_text(encoding="utf-8")
            assert not re.search("[\"'`\\\\<>&@{}$]", text), text
    drawn = [name for name in os.listdir(str(report / "plots")) if name.endswith(".svg")]
    assert drawn or "everything" in str(report)
    for name in drawn:
        root = xml.etree.ElementTree.parse(str(report / "plots" / name)).getroot()
        assert not [element.tag for element in root.iter() if "hostile" in str(element.tag)]
    assert not (place / "canary").exists()


def test_csv(call, folder):
    with open(str(folder / "result.json"), encoding="utf-8") as file:
        launches = [launch for cell in json.load(file)["cells"] for launch in cell["launches"]]
    text = call("export", folder, "--to", "csv")
    rows = list(csv.reader(io.StringIO(text), strict=True))
    assert len(rows) == len(text.splitlines()) == 1 + sum(
        len(launch["intervals"]) for launch in launches)
    for row in rows:
        assert len(row) == 13
        assert not [field for field in row if re.match("[=+@\t\r]|-(?![0-9])", field)]


def test_junit(call, folder):
    with open(str(folder / "result.json"), encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    root = xml.etree.ElementTree.fromstring(call("export", folder, "--to", "junit").encode())
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "skipped",
        "error", "system-out", "system-err"}

    def visible(text):
        return re.sub(r"\s+", " ", CONTROLS.sub("\ufffd", text.replace("\t", " ")))
    assert [visible(case.get("name")) for case in root.iter("testcase")] == [
        visible(cell["id"].replace("\n", " ")) for cell in cells]


@pytest.mark.parametrize("to", [to for to in FORMATS if to not in ("csv", "junit")])
def test_other_exports(call, folder, to):
    """Lines are those of the format, and JSON holds text that a terminal can show."""
    interval = () if to == "gha-bigger" else ("--interval", "all")
    text = call("export", folder, "--to", to, *interval, codes=(0, 2, 4))
    if folder.name != "everything":
        assert text
    if to == "hgrm":
        for line in text.splitlines():
            assert re.match(r"# cell .* interval [a-z_]+$|#\[(Mean|Max|Buckets) |#.*infinite| *Value |"
                            r" *[0-9.]+ [0-9.]+ +[0-9]+( +[0-9.]+)?$|$", line), line
    elif to == "hlog":
        for line in text.splitlines():
            assert re.match(r'#\[|"StartTimestamp|Tag=[^, ]+,[0-9.]+,[0-9.]+,[0-9.]+,[A-Za-z0-9+/=]+$|'
                            r"#[0-9]+ frames of", line), line
    elif text:
        def check(value):
            if isinstance(value, dict):
                for key, item in value.items():
                    check(key)
                    check(item)
            elif isinstance(value, list):
                for item in value:
                    check(item)
            elif isinstance(value, str):
                assert not CONTROLS.search(value), value
        check(json.loads(text))


def test_junit_of_a_comparison(call, hostile, tmp_path):
    comparison = {"schema": "handoff-compare", "scenario": "", "conclusion": "", "conditions": "",
                  "base": {"version": "", "commit": ""}, "new": {},
                  "gates": [{"cell": "", "gate": "", "verdict": verdict, "reason": "", "ratio": 1.5}
                            for verdict in ("slower", "same", "what")],
                  "not_compared": [{"cell": "", "reason": "", "regression": True}]}
    made = made_hostile(comparison, hostile, True, [0])
    (tmp_path / "compare.json").write_text(json.dumps(made))
    root = xml.etree.ElementTree.fromstring(
        call("export", tmp_path, "--to", "junit", codes=(0,)).encode())
    assert [len(list(case)) for case in root.iter("testcase")] == [1, 0, 1, 1]
    assert "<x-hostile onclick=alert(1)>" in list(root.iter("failure"))[0].get("message")


def assert_form(form, text):
    if form == "markdown":
        assert_markdown(text)
    elif form == "json" and text:
        json.loads(text)


def test_answers(call, folder):
    """What commands say of results, as a table, as JSON and as Markdown."""
    known = (0, 1) if folder.name == "out" else (0, 1, 2, 77)
    for form in ("table", "json", "markdown"):
        assert_form(form, call("advise", folder, "--p99", "200us", "--format", form, codes=known))
        assert_form(form, call("compare", folder, folder, "--format", form, codes=known))
        assert_form(form, call("compare", folder, "--by", "wait", "--format", form,
                               codes=(0, 1, 2, 77)))


def test_several_results(call, folder):
    call("report", folder, folder, "--label", "\x1b[1m<x-hostile>", "--label", "b\n|", "--out",
         folder / "two")
    assert_nothing_hostile(Page((folder / "two" / "index.html").read_text(encoding="utf-8")),
                           r"#|data:image/png;base64,|plots/|https://github\.com/")
    assert_markdown((folder / "two" / "report.md").read_text(encoding="utf-8"))


def test_refusals(call, folder):
    """Errors quote what was given, and what is not UTF-8 at all."""
    call("export", folder, "--to", "csv", "--cell", "\x1b[31mno", codes=(2,))
    call("export", folder, "--to", "hgrm", "--out", str(folder / "parts") + "/", codes=(0, 2, 4))
    for name in (b"\xff\xc0\xaf\x1b[31m", "\u202e\x9b2J".encode()):
        for command in ("report", "advise", "compare"):
            call(command, os.fsdecode(name), codes=(2, 4))
