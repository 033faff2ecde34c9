"""check_gpu_script.py: scripts/gpu in a tree of its own, where what it starts is false: whatever a step does,
the summary and the exit code say so, and nothing that did not run is fine."""
import os
import shutil
import signal
import subprocess
import sys
import time

import suite
from suite import check

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Beside each other on PATH. FAKE_<NAME>, of a command or of what handoff is asked for, is run first.
COMMANDS = {
    "cmake": "exit 0",
    "nvcc": "echo 'Cuda compilation tools, release 12.6, V12.6.85'",
    "nvidia-smi": "echo '550.54.15, NVIDIA Example'",
    "ctest": "echo '1/2 Test #1: gpu.a ....   Passed    0.10 sec'\n"
             "echo ' 2/2 Test #2: gpu.b ....***Skipped   0.10 sec'\n"
             "echo '100% tests passed, 0 tests failed out of 2'; eval \"$FAKE_CTEST\"",
    "compute-sanitizer": "eval \"$FAKE_SANITIZER\"; echo '========= ERROR SUMMARY: 0 errors'",
}
HANDOFF = """#!/bin/sh
case "$1 $2" in
"--version ") echo 'handoff 0.1.0';;
"probe --json") eval "$FAKE_PROBE_JSON"; echo '{}';;
"probe "*) eval "$FAKE_PROBE"; echo 'device works';;
"floor "*) eval "$FAKE_FLOOR";;
"run "*) eval "$FAKE_RUN"; echo '{}' > "$4/result.json";;
"report "*) echo reported > "$4/report.md";;
esac
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def tree(t, *left_out):
    """A source tree with the script and a program that is built, and the commands it needs."""
    root = t.file("tree")
    for name in ("gpu", "lib.sh"):
        os.makedirs(os.path.join(root, "scripts"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, "scripts", name), os.path.join(root, "scripts", name))
    write(os.path.join(root, "scenarios", "a.json"), "{}")
    write(os.path.join(root, "build-gpu", "handoff"), HANDOFF)
    for name in ("tests/gpu/real_test_gpu_a", "tests/support/bench_gpu_a"):
        if name not in left_out:
            write(os.path.join(root, "build-gpu", name), "#!/bin/sh\n")
    for name, text in COMMANDS.items():
        if name not in left_out:
            write(os.path.join(root, "commands", name), "#!/bin/sh\n%s\n" % text)
    return root


def start(root, *arguments, **settings):
    env = dict(os.environ, PATH=os.path.join(root, "commands") + ":/usr/bin:/bin", **settings)
    return subprocess.Popen([os.path.join(root, "scripts", "gpu")] + list(arguments), env=env,
                            cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, universal_newlines=True,
                            start_new_session=True)


def summary(root):
    """What became of each step."""
    with open(os.path.join(root, "results", "runs", "gpu", "summary.txt")) as file:
        return {line[:36].strip(): line[36:].strip() for line in file if not line.startswith(" ")}


def expect(root, code, wanted, *arguments, **settings):
    """The exit code, and how the line of each wanted step begins."""
    process = start(root, *arguments, **settings)
    said, _ = process.communicate(timeout=60)
    check(process.returncode == code, "%d instead of %d:\n%s" % (process.returncode, code, said))
    steps = summary(root) if code != 2 else {}
    for name, words in wanted.items():
        check(steps.get(name, "no line").startswith(words), "%s: %s\n%s" % (name, steps, said))
    return said


def test_all_is_well(t):  # beside others, release only
    """Also where no part of a test skipped itself: to find nothing ends nothing."""
    expect(tree(t), 0, {"tests": "ok", "probe": "ok", "probe-json": "ok", "floor": "ok",
                        "scenario-a": "ok", "report-a": "ok", "bench_gpu_a": "ok",
                        "memcheck-gpu_a": "ok"},
           "--tests", "--probe", "--floor", "--scenario", "a", "--bench", "--memcheck")


def test_skipped_is_not_fine(t):  # beside others, release only
    root = tree(t)
    skipped = "echo 'The following tests did not run:'; echo '  2 - gpu.b (Skipped)'"
    expect(root, 77, {"floor": "not available here"}, "--floor", FAKE_FLOOR="exit 77")
    write(os.path.join(root, "build-gpu", "Testing", "Temporary", "LastTest.log"),
          "skipped: one_part: it cannot\n[  SKIPPED ] 1 test(s), listed below:\n")
    said = expect(root, 77, {"tests": "1 of 2 skipped"}, "--tests", FAKE_CTEST=skipped)
    check("2 - gpu.b (Skipped)" in said and "    skipped: one_part: it cannot" in said and
          "listed below" not in said, said)
    write(os.path.join(root, "tests", "fault", "gpu_roles_killed.py"),
          "print('not tried: cuda_ipc, mps: there is no daemon')")
    said = expect(root, 77, {"kill": "ok"}, "--kill")
    check("    not tried: cuda_ipc, mps: there is no daemon" in said, said)
    expect(root, 77, {"memcheck-gpu_a": "not available here"}, "--memcheck",
           FAKE_SANITIZER="exit 77")


def test_missing_is_not_fine(t):  # beside others, release only
    root = tree(t, "compute-sanitizer", "tests/support/bench_gpu_a")
    expect(root, 1, {"racecheck": "not run: there is no compute-sanitizer"}, "--racecheck")
    expect(root, 1, {"bench": "not run", "probe": "ok"}, "--bench", "--probe")
    expect(root, 1, {"scenario-nothing": "not run"}, "--scenario", "nothing")
    write(os.path.join(root, "commands", "compute-sanitizer"), "#!/bin/sh\n")
    expect(root, 1, {"memcheck-gpu_a": "FAILED with 9"}, "--memcheck")
    expect(root, 1, {"memcheck": "not run: there is no test program"}, "--memcheck", "--test", "zzz")


def test_failures(t):  # beside others, release only
    """Each is told; after a refused run no report is made of the one before."""
    root = tree(t)
    report = os.path.join(root, "results", "runs", "gpu", "a", "report.md")
    expect(root, 1, {"probe": "ok", "probe-json": "FAILED with 4", "scenario-a": "FAILED with 1",
                     "report-a": "ok"}, "--probe", "--scenario", "a", FAKE_PROBE_JSON="exit 4",
           FAKE_RUN="echo '{}' > $4/result.json; exit 1")
    os.unlink(report)
    expect(root, 1, {"scenario-a": "FAILED with 2"}, "--scenario", "a", FAKE_RUN="exit 2")
    check(not os.path.exists(report), "a report of another run")
    expect(root, 1, {"kill": "FAILED"}, "--kill") # its program is not there
    expect(root, 1, {"floor": "ended after 1 s"}, "--floor", "--limit", "1",
           FAKE_FLOOR="trap 'exit 130' INT; while :; do sleep 0.1; done")
    expect(root, 1, {"tests": "FAILED with 8"}, "--tests", FAKE_CTEST="exit 8")
    for arguments in (["--jobs", "0"], ["--limit", "5s"], ["--repeats", ""], ["--jobs"], ["--tset"]):
        expect(root, 2, {}, *arguments)


def test_interrupted(t):  # beside others, release only
    """Ctrl-C reaches the shell alone; the steps get it too and may end in order, and it ends."""
    for part, setting in (("--floor", "FAKE_FLOOR"), ("--memcheck", "FAKE_SANITIZER")):
        root, began, ended = tree(t), t.file("began"), t.file("ended")
        process = start(root, part, "--probe", "--racecheck", **{
            setting: "trap 'echo > %s; exit 130' INT; echo > %s; while :; do sleep 0.1; done" %
            (ended, began)})
        deadline = time.monotonic() + 20
        while not os.path.exists(began) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
        check(process.returncode == 130 and os.path.exists(ended), "%s: %d\n%s" %
              (part, process.returncode, said))
        check("interrupted: what follows did not ru" in summary(root), said)
        for path in (began, ended):
            os.unlink(path)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
