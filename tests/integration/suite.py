"""suite.py: what the drivers of this folder share. A driver is a file check_*.py with functions
test_NAME(t); `check_X.py --program HANDOFF --scenarios DIR [NAME…]` runs them, all without a name."""
import argparse
import os
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
from program import Failure, check, say  # noqa: E402,F401


class Skip(Exception):
    """Cannot be tried here, and why."""


class Trial:
    """A test's folder and the program."""

    def __init__(self, path, scenarios, folder):
        self.path, self.scenarios, self.folder = path, scenarios, folder

    def file(self, name):
        return os.path.join(self.folder, name)

    def smoke(self):
        return os.path.join(self.scenarios, "smoke.json")

    def scenario(self, blocks, name="s.json", **base):
        """A scenario of small, quick cells."""
        complete = {"frame": "64x48x3", "frames": 12, "warmup": 2, "launches": 2,
                    "pacing": "rate:500"}
        complete.update(base)
        return program.write_json(self.file(name), {"name": "test", "base": complete,
                                                    "blocks": blocks})

    @staticmethod
    def quick(arguments, floor):
        if arguments[:1] == ("run",) and not floor:
            return ["run", "--no-floor"] + list(arguments[1:])
        return list(arguments)

    def run(self, *arguments, code=0, floor=False, **options):
        """`handoff ARGUMENT…` to its end, which must be the expected one. A run measures no floor,
        which would take longer than its cells, unless `floor` asks for it."""
        done = program.run([self.path] + self.quick(arguments, floor), **options)
        check(done.code == code, "%s: exit code %d instead of %d; it said:\n%s" %
              (" ".join(arguments), done.code, code, done.stderr()))
        return done

    def start(self, *arguments, **options):
        return program.Program([self.path] + self.quick(arguments, False), **options)

    def result(self, out):
        return program.read_json(os.path.join(out, "result.json"))

    def launches(self, out):
        """Path and (mtime, content) of each launch file. Of a run that goes on: one that just gets its
        name is looked for once more."""
        folder = os.path.join(out, "launches")
        while True:
            found = {}
            try:
                for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                    path = os.path.join(folder, name)
                    with open(path) as file:
                        found[name] = (os.stat(path).st_mtime_ns, file.read())
                return found
            except FileNotFoundError:
                continue


TWO_BLOCKS = [
    {"name": "ring", "base": {"transport": "shm"}, "axes": {"wait": ["spin", "futex"]}},
    {"name": "socket", "base": {"transport": "unix"}, "axes": {"wait": ["poll:100", "block"]}},
]


def all_ok(result):
    for cell in result["cells"]:
        check(cell["status"] == "ok", "%s: %s: %s" % (cell["id"], cell["status"], cell["reason"]))


def sanitized(path):
    with open(path, "rb") as file:
        return b"__asan_init" in file.read()


def main(functions):
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--scenarios", required=True)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    tests = {name[5:]: function for name, function in functions.items()
             if name.startswith("test_")}
    failed = skipped = 0
    program.reap_orphans()
    before = program.shared_names()
    for name in given.names or tests:
        with tempfile.TemporaryDirectory(prefix="handoff-test-") as folder:
            try:
                tests[name](Trial(os.path.abspath(given.program), given.scenarios, folder))
                left = program.orphaned_names(before)
                check(not left, "left in /dev/shm: %s" % sorted(left))
                say("ok       %s" % name)
            except Skip as reason:
                skipped += 1
                say("skipped  %s: %s" % (name, reason))
            except Failure as failure:
                failed += 1
                say("FAILED   %s: %s" % (name, failure))
            except Exception:
                failed += 1
                say("FAILED   %s: %s" % (name, traceback.format_exc()))
    sys.exit(1 if failed else 77 if skipped and skipped == len(given.names) else 0)
