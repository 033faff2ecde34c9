"""kills.py: SIGKILL of `run`, `report` and `compare` at random moments. Whatever is left behind is whole:
result files are absent or valid against results/schema.json, `--resume` completes a matrix with each
launch exactly once, a page or a picture is absent or as it would have been. And nobody outlives it.

A moment is a random time, or one of the program's own system calls that write, rename or remove a file
(strace stops it there): of a file that is written in place, only such a moment sees the half.

What it cannot show: that a file survives a power failure. A kill loses nothing that was written, so a
missing fsync looks like a present one.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
import xml.etree.ElementTree

import faults
import program
from faults import LIMIT_S, check, say

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CALLS = "write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir"
# On a busy machine the counter is not always to be had, and a run goes on with its own clock only.
CLOCK = "was begun on the clock"
LAUNCH_NAME = re.compile(r"[0-9a-f]{16}-\d{4}\.json$")
# Of a killed `compare` the two runs end by themselves: the launch that goes on, and their results.
GONE_S = {"compare": 5 * LIMIT_S}
TEMPORARY = re.compile(r"\.tmp(\.\d+)?$")
LAUNCHES = 3
# A chance that what goes on is killed, too.
AGAIN = 0.6

BASE = {"frame": "64x48x3", "launches": LAUNCHES, "pacing": "rate:2000"}
SCENARIO = {"name": "kills", "blocks": [
    {"name": "nothing", "base": dict(BASE, transport="null", wait="spin", fill="header", kernel="none",
                                     frames=40, warmup=2)},
    # Counts by a pilot, so that a kill may meet it.
    {"name": "waits", "compare": "wait", "launch_seconds": 0.02,
     "base": dict(BASE, transport="shm", frames="auto", warmup="auto"), "axes": {"wait": ["spin", "futex"]}}]}
CELLS = 3


class Whole:
    """What is whole, by the schema."""

    def __init__(self):
        import jsonschema
        with open(os.path.join(ROOT, "results", "schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        kind = jsonschema.Draft202012Validator
        self.result = kind(schema)
        self.parts = {name: kind(dict({"$defs": schema["$defs"]}, **{"$ref": "#/$defs/" + name}))
                      for name in ("launch", "floor")}
        self.known = set()  # what was looked at: most files are there after many kills

    @staticmethod
    def errors(validator, value, path):
        found = ["%s: %s" % ("/".join(map(str, error.path)), error.message[:200])
                 for error in validator.iter_errors(value)]
        check(not found, "%s is not valid: %s" % (path, "; ".join(found[:3])))

    def check_json(self, path):
        """It parses, and is valid where there is a schema for it."""
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if (name, text) in self.known:
            return
        try:
            value = json.loads(text)
        except ValueError as error:
            raise faults.Failure("%s is half a file (%d bytes): %s" % (path, len(text), error))
        if name == "result.json":
            self.errors(self.result, value, path)
        elif name == "floor.json":
            self.errors(self.parts["floor"], value["floor"], path)
        elif os.path.basename(os.path.dirname(path)) == "launches":
            self.errors(self.parts["launch"], value["row"], path)
        self.known.add((name, text))

    def check_run(self, out):
        """All files of a run's folder, finished or not; {name: text} of its launches."""
        launches = {}
        for folder, _, names in os.walk(out):
            for name in names:
                path = os.path.join(folder, name)
                if TEMPORARY.search(name):
                    continue
                check(name.endswith(".json"), "%s is left" % path)
                self.check_json(path)
                if os.path.basename(folder) == "launches":
                    check(LAUNCH_NAME.match(name), "%s is no launch's name" % path)
                    with open(path) as file:
                        launches[name] = file.read()
        return launches


def read(folder):
    """{relative path: bytes} of all files of a folder, without temporary ones."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if not TEMPORARY.search(name):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = file.read()
    return found


def name_of(pid):
    """For messages: the program, and its role if it is handoff."""
    try:
        with open("/proc/%d/comm" % pid) as file:
            return "%s (%s)" % (file.read().strip(), program.role_of(pid))
    except OSError:
        return "gone"


# ---- Killing ---------------------------------------------------------------------------------------


class Killer:
    """Starts the program and kills it at a random moment."""

    def __init__(self, path, rng, by_call):
        self.path, self.rng, self.by_call = path, rng, by_call
        self.seconds, self.calls = {}, {}
        self.slowest_s = {}
        self.kills = collections.Counter()

    def learn(self, kind, arguments):
        """How long it takes and how many calls it makes when nobody kills it."""
        with tempfile.NamedTemporaryFile(mode="r", prefix="handoff-fault-") as log:
            wrapper = ("strace", "-qq", "-y", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", log.name)
            begun = time.monotonic()
            done = program.run([self.path] + arguments, wrapper=wrapper if self.by_call else ())
            self.seconds[kind] = time.monotonic() - begun
            if "ptrace" in done.stderr():
                say("not tried: moments by system call (strace may not trace here)")
                self.by_call = False
            else:
                check(done.code == 0, "%s: exit code %d:\n%s" % (kind, done.code, done.stderr()))
            # Those of files, not of what it says. In a run that goes on with another they are others.
            counts, self.calls[kind] = collections.Counter(), []
            for line in log:
                name = line.split("(")[0]
                counts[name] += 1
                if os.path.dirname(log.name) + "/" in line:
                    self.calls[kind].append((name, counts[name]))

    def kill(self, kind, arguments):
        """What it was killed at, or None when it had ended before; nobody is left either way."""
        wrapper = ()
        if self.by_call and self.rng.random() < 0.6:
            name, number = self.rng.choice(self.calls[kind])
            moment = "%s number %d" % (name, number)
            wrapper = ("strace", "-qq", "-e", "trace=" + CALLS, "-e", "signal=none", "-e",
                       "inject=%s:signal=KILL:when=%d" % (name, number), "-o", os.devnull)
        at_s = self.rng.uniform(0, 1.05 * self.seconds[kind])
        run = program.Program([self.path] + arguments, wrapper=wrapper)
        try:
            if not wrapper:
                moment = "%.0f ms" % (1e3 * at_s)
                time.sleep(at_s)
                run.kill()
            code = run.wait(60)
            gone_s = program.wait_family_gone(run.marker, GONE_S.get(kind, LIMIT_S))
            check(gone_s is not None, "%s killed at %s: still there after %.1f s: %s" % (
                kind, moment, GONE_S.get(kind, LIMIT_S), [name_of(pid) for pid in program.family(run.marker)]))
        finally:
            program.kill_family(run.marker)
        run.check_clean()
        self.slowest_s[kind] = max(self.slowest_s.get(kind, 0), gone_s)
        if code == 0 or code == 2 and CLOCK in run.stderr():
            return None
        check(code == -9, "%s killed at %s: exit code %d:\n%s" % (kind, moment, code, run.stderr()))
        self.kills[kind] += 1
        return moment

    def finish(self, arguments):
        for _ in range(5):
            done = program.run([self.path] + arguments)
            if not (done.code == 2 and CLOCK in done.stderr()):
                break
        check(done.code == 0, "%s: exit code %d:\n%s" % (" ".join(arguments), done.code, done.stderr()))


# ---- run -------------------------------------------------------------------------------------------


def check_complete(whole, out, seed):
    """Each planned launch is there, once, and the result has it as its file does."""
    launches = whole.check_run(out)
    result = program.read_json(os.path.join(out, "result.json"))
    check(result["run"]["complete"] and not result["run"]["interrupted"] and
          result["run"]["seed"] == seed, "the run: %s" % result["run"])
    rows = []
    for cell in result["cells"]:
        check(cell["status"] == "ok", "%s: %s: %s" % (cell["id"], cell["status"], cell["reason"]))
        numbers = sorted(launch["launch"] for launch in cell["launches"])
        check(numbers == list(range(LAUNCHES)), "%s has the launches %s" % (cell["id"], numbers))
        rows += cell["launches"]
    orders = sorted(row["order"] for row in rows)
    check(len(result["cells"]) == CELLS and orders == list(range(CELLS * LAUNCHES)), "orders: %s" % orders)
    of_files = sorted((json.loads(text)["row"] for text in launches.values()), key=lambda row: row["order"])
    check([(row["order"], row["started_utc"], row["window_ns"]) for row in of_files] ==
          [(row["order"], row["started_utc"], row["window_ns"])
           for row in sorted(rows, key=lambda row: row["order"])], "the result has other launches than the files")


def kill_run(killer, whole, folder, name, limit):
    """A run, killed, resumed, killed again, at most `limit` times, and at last complete."""
    path, out = program.write_json(os.path.join(folder, "s.json"), SCENARIO), os.path.join(folder, name)
    seed = killer.rng.randrange(1 << 31)
    options = ["--quiet", "--clock", "monotonic"] + ([] if killer.rng.random() < 0.3 else ["--no-floor"])
    kept, moments = {}, []
    while len(moments) < limit:
        fresh = not os.path.exists(os.path.join(out, "plan.json"))
        arguments = ["run", path, "--out", out] + options
        arguments += ["--seed", str(seed)] if fresh else ["--resume"]
        moment = killer.kill("run", arguments)
        if moment:
            moments.append(moment)
        now = whole.check_run(out) if os.path.isdir(out) else {}
        check(all(now.get(launch) == text for launch, text in kept.items()),
              "%s: a launch was lost or repeated" % ", ".join(moments))
        kept = now
        if not moment or killer.rng.random() > AGAIN:
            break
    fresh = not os.path.exists(os.path.join(out, "plan.json"))
    killer.finish(["run", path, "--out", out] + options + (["--seed", str(seed)] if fresh else ["--resume"]))
    now = whole.check_run(out)
    check(all(now.get(launch) == text for launch, text in kept.items()),
          "killed at %s: --resume repeated a launch" % ", ".join(moments))
    check_complete(whole, out, seed)
    shutil.rmtree(out)


# ---- report ----------------------------------------------------------------------------------------


def check_page_file(name, data):
    """Whole by itself, where two reports are not the same to the byte."""
    if name.endswith(".html"):
        check(data.rstrip().endswith(b"</html>"), "%s is half a page (%d bytes)" % (name, len(data)))
    elif name.endswith(".svg"):
        try:
            xml.etree.ElementTree.fromstring(data)
        except xml.etree.ElementTree.ParseError as error:
            raise faults.Failure("%s is half a picture (%d bytes): %s" % (name, len(data), error))
    elif name.endswith(".png"):
        check(data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND", "%s is half a picture (%d bytes)" %
              (name, len(data)))
    else:
        check(data.endswith(b"\n"), "%s is half a file (%d bytes)" % (name, len(data)))


class Report:
    """Reports of one result, which stays as it is."""

    def __init__(self, killer, folder):
        self.result, self.out = os.path.join(folder, "reported"), os.path.join(folder, "page")
        path = program.write_json(os.path.join(folder, "r.json"), SCENARIO)
        killer.finish(["run", "--no-floor", path, "--out", self.result])
        self.before = read(self.result)
        killer.learn("report", self.arguments())
        pages = [read(self.out)]
        killer.finish(self.arguments())
        pages.append(read(self.out))
        self.usual = {name: data for name, data in pages[0].items() if pages[1].get(name) == data}
        check(set(pages[0]) == set(pages[1]) and "index.html" in pages[0], "pages: %s" % sorted(pages[0]))
        self.names = set(pages[0])

    def arguments(self):
        shutil.rmtree(self.out, ignore_errors=True)
        return ["report", self.result, "--out", self.out]

    def check_files(self, moment, complete):
        check(read(self.result) == self.before, "report killed at %s: the result is another" % moment)
        found = read(self.out)
        for name, data in found.items():
            check(name in self.names, "report killed at %s: %s is left" % (moment, name))
            try:
                check(data == self.usual.get(name, data), "%s is another file (%d bytes, not %d)" % (
                    name, len(data), len(self.usual.get(name, b""))))
                check_page_file(name, data)
            except faults.Failure as failure:
                raise faults.Failure("report killed at %s: %s" % (moment, failure))
        check(not complete or set(found) == self.names, "%s are missing" % sorted(self.names - set(found)))

    def kill(self, killer, _limit):
        moment = killer.kill("report", self.arguments())
        self.check_files(moment, moment is None)
        if killer.rng.random() < 0.2:  # into what the killed one left
            killer.finish(["report", self.result, "--out", self.out])
            self.check_files(moment, True)


# ---- compare ---------------------------------------------------------------------------------------


class Compare:
    """Comparisons of the program with itself, killed, resumed, killed again, and at last complete."""

    def __init__(self, killer, whole, folder):
        scenario = {"name": "kills", "gates": ["latency.p50"], "blocks": [
            {"name": "a", "base": dict(BASE, transport="shm", wait="futex", frames=40, warmup=2)}]}
        self.path, self.whole = killer.path, whole
        self.scenario = program.write_json(os.path.join(folder, "c.json"), scenario)
        self.out = os.path.join(folder, "compared")
        killer.learn("compare", self.arguments())

    def arguments(self):
        shutil.rmtree(self.out, ignore_errors=True)
        return ["compare", "--base", self.path, "--scenario", self.scenario, "--out", self.out, "--seed", "1"]

    def check_files(self):
        """{launch: text of both sides}; one that is no pair may be measured again."""
        base, new = (self.whole.check_run(os.path.join(self.out, side)) for side in ("base", "new"))
        launches = {name: text + new[name] for name, text in base.items() if name in new}
        if os.path.exists(os.path.join(self.out, "compare.json")):
            self.whole.check_json(os.path.join(self.out, "compare.json"))
        return launches

    def kill(self, killer, limit):
        kept, moments, moment, arguments = {}, [], None, self.arguments()
        while len(moments) < limit:
            moment = killer.kill("compare", arguments)
            moments.append(str(moment))
            now = self.check_files()
            check(all(now.get(launch) == text for launch, text in kept.items()),
                  "compare killed at %s: a launch was lost or repeated" % ", ".join(moments))
            kept = now
            if not moment or killer.rng.random() > AGAIN:
                break
            if len(moments) < limit:
                arguments = self.again(arguments)
        if moment and killer.rng.random() < 0.5:
            killer.finish(self.again(arguments))
            self.check_complete(kept, moments)

    def again(self, arguments):
        """Where nothing was planned yet there is nothing to go on with."""
        if not all(os.path.exists(os.path.join(self.out, side, "plan.json")) for side in ("base", "new")):
            return self.arguments()
        return arguments if arguments[-1] == "--resume" else arguments + ["--resume"]

    def check_complete(self, kept, moments):
        now = self.check_files()
        check(all(now.get(launch) == text for launch, text in kept.items()),
              "compare killed at %s: --resume repeated a launch" % ", ".join(moments))
        check("compare.json" in os.listdir(self.out), "no compare.json")
        for side in ("base", "new"):
            result = program.read_json(os.path.join(self.out, side, "result.json"))
            cell, = result["cells"]
            check(result["run"]["complete"] and cell["status"] == "ok" and
                  [launch["launch"] for launch in cell["launches"]] == list(range(LAUNCHES)),
                  "%s: %s %s" % (side, result["run"]["complete"], cell["reason"]))


# ---- All of them -----------------------------------------------------------------------------------


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="handoff")
    parser.add_argument("--count", type=int, default=6, help="kills in all (default 6)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kinds", default="run,report,compare", help="which of them")
    given = parser.parse_args()
    given.program = os.path.abspath(given.program)
    if given.seed is None:
        given.seed = int.from_bytes(os.urandom(4), "little")
    return given


class Run:
    """Runs: see kill_run."""

    def __init__(self, killer, whole, folder):
        path = program.write_json(os.path.join(folder, "l.json"), SCENARIO)
        self.whole, self.folder = whole, folder
        killer.learn("run", ["run", "--quiet", "--no-floor", path, "--out", os.path.join(folder, "learnt")])

    def kill(self, killer, limit):
        kill_run(killer, self.whole, self.folder, "out", limit)


def trials_of(kind, killer, whole, folder):
    if kind == "run":
        return Run(killer, whole, folder)
    return Report(killer, folder) if kind == "report" else Compare(killer, whole, folder)


def body():
    given = options()
    try:
        whole = Whole()
    except ImportError as missing:
        say("%s; scripts/test makes an environment that has it" % missing)
        sys.exit(77)
    say("seed %d" % given.seed)
    rng = random.Random(given.seed)
    killer = Killer(given.program, rng, shutil.which("strace") is not None)
    kinds = given.kinds.split(",")
    counts = [given.count // len(kinds) + (i < given.count % len(kinds)) for i in range(len(kinds))]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        for kind, count in zip(kinds, counts):
            trials = trials_of(kind, killer, whole, folder)
            while killer.kills[kind] < count:
                trials.kill(killer, count - killer.kills[kind])
            say("%-8s killed %3d times%s; all gone after at most %.0f ms; %.0f s" % (
                kind, killer.kills[kind], ", half of them at one of its %d calls of files" % len(killer.calls[kind])
                if killer.by_call else "", 1e3 * killer.slowest_s[kind], time.monotonic() - begun))
    return False


if __name__ == "__main__":
    faults.main(body)
