"""campaign.py: what check-agreement and bench-self share: builds, launches, paired ratios.

Python 3.8 and its standard library. Launches are the unit of statistics, neighbours in time are
paired, and ratios are averaged as logarithms, as everywhere in handoff.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Two-sided 90 % points of Student's t for 1 to 30 degrees of freedom; beyond, the last one is used,
# which errs on the wide side.
T90 = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
       1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703,
       1.701, 1.699, 1.697]


class Failure(Exception):
    """What happened, and what to do about it; printed without a traceback."""

    def __init__(self, what, hint=""):
        super().__init__(what)
        self.hint = hint


def run(command, timeout_s=600):
    """The standard output of a command; Failure with its last words when it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, universal_newlines=True, timeout=timeout_s)
    except FileNotFoundError:
        raise Failure("%s is not installed" % command[0], "scripts/test installs what is needed")
    except subprocess.TimeoutExpired:
        raise Failure("%s took longer than %d s" % (" ".join(command), timeout_s))
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failure("%s failed (exit code %d)\n%s"
                      % (" ".join(command), done.returncode, "\n".join(words[-12:])))
    return done.stdout


def build(folder, targets):
    """Configures and builds `targets` in `folder`, optimised, and returns the folder's path."""
    folder = os.path.abspath(folder)
    print("building in %s" % folder, file=sys.stderr)
    run(["cmake", "-S", ROOT, "-B", folder, "-DHANDOFF_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release"])
    # `--target A B` needs CMake 3.15; one call for each would configure again and again.
    jobs = str(os.cpu_count() or 1)
    run(["cmake", "--build", folder, "--parallel", jobs, "--target"] + targets, 1800)
    return folder


def launch(program, axes, options=()):
    """One launch of one cell of `handoff run`, with more options if wanted; returns (cell, launch) of
    its result."""
    axes = dict(axes, launches=1)
    scenario = {"name": "campaign", "description": "One launch of one cell, for a comparison.",
                "blocks": [{"name": "cell", "description": "The cell.", "base": axes}]}
    with tempfile.TemporaryDirectory(prefix="handoff-campaign-") as folder:
        path = os.path.join(folder, "scenario.json")
        with open(path, "w") as file:
            json.dump(scenario, file)
        out = os.path.join(folder, "out")
        run([program, "run", path, "--out", out, "--quiet", "--no-floor"] + list(options))
        with open(os.path.join(out, "result.json")) as file:
            cell = json.load(file)["cells"][0]
    if cell["status"] != "ok":
        raise Failure("handoff: %s: %s: %s" % (cell["id"], cell["status"], cell["reason"]),
                      cell["hint"])
    return cell, cell["launches"][0]


def attempt(measure, tries=3):
    """measure(), tried again when it fails, since a busy machine may stop a process for
    long. Every failure is shown: nothing is dropped in silence."""
    for left in range(tries - 1, -1, -1):
        try:
            return measure()
        except Failure as failure:
            if left == 0:
                raise
            print("failed, trying again: %s" % failure, file=sys.stderr)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def paired_ratio(upper, lower):
    """(ratio, low, high): geometric mean of upper[i] / lower[i] with its 90 % interval; the limits
    are None for a single pair."""
    logs = [math.log(u / l) for u, l in zip(upper, lower)]
    count = len(logs)
    mean = sum(logs) / count
    if count < 2:
        return math.exp(mean), None, None
    deviation = math.sqrt(sum((x - mean) ** 2 for x in logs) / (count - 1))
    half = T90[min(count - 1, len(T90)) - 1] * deviation / math.sqrt(count)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def duration(ns):
    """1234567 -> '1.23 ms'."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            form = "%.3g %s" if ns < 1000 * size else "%.0f %s"
            return form % (ns / size, unit)
    return "%.3g ns" % ns


def main(body):
    """Runs body() with exit codes as the other scripts have them."""
    try:
        return body()
    except Failure as failure:
        print("error: %s" % failure, file=sys.stderr)
        if failure.hint:
            print("hint:  %s" % failure.hint, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
