#!/usr/bin/env python3
"""check_model.py: one model, checked to the last state, against what must be found in it.

    check_model.py FOLDER MODEL EXPECTED [NAME[=VALUE]…]      (ctest; the lines of cases.def)

Makes the verifier with spin, compiles and runs it in FOLDER, which is made and removed. EXPECTED is
a word of cases.def. A model that holds counts only if the search was complete (no state and no
depth left out, no states merged by hashing) and both roles can reach their end. Exit code 77 where
spin or a C compiler is missing.
"""
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEPTH = 20000  # four times the deepest search; a search that meets it fails
MEMORY_MIB = 2000
LTL = ("ends", "goes_round")

# What pan says about each kind of error: the assertion is told by its expression.
FINDINGS = [
    ("stuck", r"invalid end state"),
    ("goes_round", r"acceptance cycle"),
    ("held", r"assertion violated .*held_slot"),
    ("torn", r"assertion violated .*(bytes\[|half_early)"),
    ("lost", r"assertion violated .*(\((acquired|known)==committed\)|received\+skipped)"),
    ("stale", r"assertion violated .*\(number==committed\)"),
    ("corrupt", r"assertion violated .*(number!=known|slot!=mine|found)"),
]


def fail(message, output=""):
    print(output)
    print("FAILED: " + message)
    sys.exit(1)


def compiler():
    """The C compiler that the build uses, or any; None without one."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name.split()[0]):
            return name.split()
    return None


def call(command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    return done.returncode, done.stdout


def make_verifier(folder, model, options, ltl, cc):
    code, output = call(["spin", "-P" + " ".join(cc) + " -E -x c"] + options +
                        ["-a", os.path.join(HERE, model + ".pml")], folder)
    if code != 0 or not os.path.exists(os.path.join(folder, "pan.c")):
        fail("spin does not accept the model", output)
    # Not optimized: compiling would take longer than the search. NFAIR: fairness among 3 processes
    # and the claim.
    kind = ["-DNFAIR=3"] if ltl else ["-DSAFETY"]
    code, output = call(cc + ["-O0", "-w", "-DCOLLAPSE", "-DMEMLIM=%d" % MEMORY_MIB] + kind +
                        ["-o", "pan", "pan.c"], folder)
    if code != 0:
        fail("the verifier does not compile", output)


def finding(output):
    """What pan found: a word of cases.def; None for no error."""
    errors = re.search(r"errors: (\d+)", output)
    if not errors:
        fail("the search did not come to its end", output)
    if errors.group(1) == "0":
        return None
    first = re.search(r"^pan:\d+: (.*)", output, re.M)
    for kind, pattern in FINDINGS:
        if first and re.match(pattern, first.group(1)):
            return kind
    fail("an error that cases.def has no word for", output)


def check_complete(output):
    """Everything was visited, and the model is not empty talk."""
    for sign in ("max search depth too small", "Search not completed", "Bit statespace",
                 "hash-compact", "Hash-Compact", "out of memory", "truncated"):
        if sign in output:
            fail("the search was not complete: " + sign, output)
    if "Full statespace search for" not in output:
        fail("pan does not say that the search was full", output)
    for role in ("producer", "consumer"):
        part = re.search(r"unreached in proctype %s\n(.*?)\(\d+ of \d+ states\)" % role, output,
                         re.S)
        if not part or "-end-" in part.group(1):
            fail("no path leads the %s to its end" % role, output)


def trail(folder, model, options, cc):
    """How the error comes about, for the log; only where it was not expected."""
    return call(["spin", "-P" + " ".join(cc) + " -E -x c"] + options +
                ["-t", "-p", "-g", "-l", os.path.join(HERE, model + ".pml")], folder)[1]


def figures(output, seconds):
    states = re.search(r"(\d+) states, stored(?! \()", output) or re.search(r"(\d+) states, stored",
                                                                           output)
    depth = re.search(r"depth reached (\d+)", output)
    memory = re.search(r"([\d.]+)\s+total actual memory usage", output)
    return "%s states, depth %s, %s MB, %.1f s with the compiler" % (
        states.group(1) if states else "?", depth.group(1) if depth else "?",
        memory.group(1) if memory else "?", seconds)


def main():
    folder, model, expected = sys.argv[1:4]
    cc = compiler()
    if not shutil.which("spin") or not cc:
        print("no %s here: apt-get install %s" % (("spin", "spin") if cc else
                                                  ("C compiler", "build-essential")))
        sys.exit(77)
    ltl = expected in LTL
    options = ["-D" + option for option in sys.argv[4:] + (["PROGRESS"] if ltl else [])]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        began = time.monotonic()
        make_verifier(folder, model, options, ltl, cc)
        output = call(["./pan", "-m%d" % DEPTH] + (["-a", "-f"] if ltl else []), folder)[1]
        found = finding(output)
        wanted = None if expected in ("holds", "ends") else expected
        if found != wanted:
            fail("found %s, not %s" % (found, wanted),
                 output + (trail(folder, model, options, cc) if found else ""))
        if not found:
            check_complete(output)
        print("%s %s: %s (%s)" % (model, " ".join(sys.argv[4:]), expected,
                                  figures(output, time.monotonic() - began)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
