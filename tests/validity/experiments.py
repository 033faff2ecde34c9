"""experiments.py: is what handoff says true? Known truths go in, and must come out.

Each experiment_NAME(lab) is a ctest, validity.NAME; scripts/validity runs them all and writes
validity.json, which `handoff report` shows as a page. An experiment either judges (it fails when the
arithmetic is not met) or only tells a figure about the suite itself. Plain Python 3.8.
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

US, MS, S = 1e3, 1e6, 1e9

# Where a delay is injected (delayed.c), and the intervals it belongs to; in all others it must not be.
BELONGS = {
    "reserve": {"latency", "reserve", "response"},
    "publish": {"latency", "handoff", "transfer", "response"},
    "commit": set(),
    "acquire": {"latency", "transfer", "response"},
    "release": set(),
}
# Delay in ns, frames per second that leave it room, counted frames.
DELAYS = [(1 * US, 1000, 200), (10 * US, 1000, 200), (100 * US, 1000, 200), (1 * MS, 250, 50),
          (10 * MS, 25, 12)]
DELAY_LAUNCHES, DELAY_TRIES, DELAY_MORE_TRIES = 5, 5, 20
# A Python role takes longer to start, and its own work varies by microseconds.
PYTHON_DELAYS = [(100 * US, 500, 100), (1 * MS, 250, 50), (10 * MS, 25, 12)]
PYTHON_LAUNCHES, PYTHON_TRIES, PYTHON_MORE_TRIES, PYTHON_LEAST = 3, 3, 6, 5 * US
STAMP_PAIRS, REPEATS = 7, 10

STALL_NS, STALL_RATE, STALL_FRAMES, STALL_AT = 1 * S, 100, 600, 60
STALL_DROPS = int(STALL_NS / S * STALL_RATE) - 1


class Failure(Exception):
    pass


def duration(ns):
    if ns == "inf":
        return "never"
    if ns is None:
        return "not known"
    for unit, size in (("s", S), ("ms", MS), ("µs", US)):
        if abs(ns) >= size:
            return "%.4g %s" % (ns / size, unit)
    return "%.3g ns" % ns


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class Lab:
    """The programs, and one call to run a cell in them."""

    def __init__(self, options):
        self.programs = {"validity": options.validity, "unstamped": options.unstamped,
                         "program": options.program}

    def run(self, base, which="validity", environment=None, may_fail=False):
        """The cell of a scenario with that base, its launches among it."""
        for name, value in (("fill", "header"), ("kernel", "none"), ("warmup", 10)):
            base.setdefault(name, value)
        with tempfile.TemporaryDirectory(prefix="handoff-validity-") as folder:
            path, out = os.path.join(folder, "s.json"), os.path.join(folder, "out")
            with open(path, "w") as file:
                json.dump({"name": "validity", "blocks": [
                    {"name": "cell", "launch_seconds": 30, "base": base}]}, file)
            done = subprocess.run(
                [self.programs[which], "run", path, "--out", out, "--quiet"] + ["--no-floor"],
                env=dict({"HANDOFF_ENV_WATCH_MS": "20"}, **dict(os.environ, **(environment or {}))), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300)
            if done.returncode != 0 and not may_fail:
                raise Failure("%s %s failed (%d):\n%s" % (which, base, done.returncode, done.stderr))
            with open(os.path.join(out, "result.json")) as file:
                return json.load(file)["cells"][0]


    def lacks(self, base):
        """Why the real program cannot run such a cell here; "" when it can."""
        base = dict(base, fill="header", kernel="none", frames=1, warmup=0, launches=1)
        with tempfile.TemporaryDirectory(prefix="handoff-validity-") as folder:
            path, out = os.path.join(folder, "s.json"), os.path.join(folder, "out")
            with open(path, "w") as file:
                json.dump({"blocks": [{"name": "cell", "base": base}]}, file)
            subprocess.run([self.programs["program"], "run", path, "--out", out, "--quiet", "--no-floor"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=300)
            with open(os.path.join(out, "result.json")) as file:
                cell = json.load(file)["cells"][0]
            return cell["reason"] if cell["status"] == "unavailable" else ""


def medians(cell):
    """For each interval, the median of the quietest launch: others may have shared their CPUs."""
    found = {}
    for launch in cell["launches"]:
        for name, interval in launch["intervals"].items():
            found.setdefault(name, []).append(interval["p50_ns"])
    return {name: min(values) for name, values in found.items() if None not in values}


# ---- A known delay -------------------------------------------------------------------------------


class Subject:
    """Whose stamps are tried: the C roles', over transport delayed, or those of one role in Python."""

    def __init__(self, lab, base, places, which="validity", environment=None, launches=DELAY_LAUNCHES,
                 least=1 * US):
        self.lab, self.base, self.which, self.launches = lab, base, which, launches
        self.environment, self.least = environment or {}, least
        self.places = {place: BELONGS[place] for place in places}

    def run(self, rate, frames, place="reserve", delay_ns=0):
        """The medians with a delay there; one of nothing is none."""
        base = dict(self.base, wait="spin", pacing="rate:%d" % rate, frames=frames, launches=self.launches)
        environment = dict(self.environment, HANDOFF_DELAY="%s:%d" % (place, delay_ns))
        return medians(self.lab.run(base, which=self.which, environment=environment))

    def bound(self, delay_ns):
        return max(0.01 * delay_ns, self.least)


def delay_change(without, with_delay):
    """By how much each interval's median grew. The pacer's own lateness, tens of microseconds that
    come and go, is in `response` as well: it is taken out there, and `pacing` is left alone."""
    change = {name: with_delay[name] - without[name] for name in without if name in with_delay}
    change["response"] -= change.pop("pacing")
    return change


def delay_noise(subject, rate, frames, calm):
    """By how much each interval's median differs where nothing was delayed, in those `calm` runs and
    two more: then a delay in it cannot be told to a microsecond."""
    calm = calm + [subject.run(rate, frames) for _ in range(2)]
    changes = [delay_change(one, other) for one in calm for other in calm]
    return {name: max(abs(change.get(name, 0)) for change in changes) for name in changes[0]}


def delay_tries(subject, delay_ns, rate, frames, place, calm, tries):
    """By how much each interval is off with the delay in one place, in its best try: another process on
    these CPUs may spoil a try, each time another interval; what is wrong is off in all of them. And what
    is off, how often it was tried. `calm` collects what came without the delay."""
    belongs, off = BELONGS[place], {}
    for attempt in range(tries):
        if attempt > 0:
            calm.append(subject.run(rate, frames))
        change = delay_change(calm[-1], subject.run(rate, frames, place, delay_ns))
        for name, value in change.items():
            value -= delay_ns if name in belongs else 0
            off[name] = min(off.get(name, value), value, key=abs)
        bad = (belongs - set(change)) | {name for name in off if abs(off[name]) > subject.bound(delay_ns)}
        if not bad:
            break
    return off, bad, attempt + 1


def delay_row(delay_ns, place, off, wrong, noise, bad, bound):
    belongs = BELONGS[place]
    inside = max([abs(off[name]) for name in belongs if name in off], default=0)
    outside = max([abs(off[name]) for name in off if name not in belongs], default=0)
    verdict = "yes"
    if wrong:
        verdict = "no: " + ", ".join(sorted(wrong))
    elif bad:
        verdict = "too busy: " + ", ".join(
            "%s differs by %s without any delay" % (name, duration(noise[name]))
            if name in noise else "%s is not in every run" % name for name in sorted(bad))
    return [duration(delay_ns), place, ", ".join(sorted(belongs)) or "none",
            duration(inside) if belongs else "—", duration(outside), duration(bound), verdict]


def delay_judge(subject, delays, tries_max, more_tries, outcome):
    """Tries each delay in each place of the subject; adds rows, what is wrong and what cannot be judged
    to the outcome. Returns how many more tries are left."""
    for delay_ns, rate, frames in delays:
        bound = subject.bound(delay_ns)
        calm, found = [subject.run(rate, frames)], []
        for place in subject.places:
            tries = min(tries_max, 1 + more_tries)
            off, bad, tried = delay_tries(subject, delay_ns, rate, frames, place, calm, tries)
            more_tries -= tried - 1
            found.append((place, off, bad, tried))
        noise = delay_noise(subject, rate, frames, calm) if any(bad for _, _, bad, _ in found) else {}
        # Off in as many tries as there may be, and by more than these CPUs would explain.
        wrongs = [{name for name in bad if name not in off or tried == tries_max and
                   abs(off[name]) > bound + noise.get(name, 0)}
                  for _, off, bad, tried in found]
        if any(bad and not wrong for (_, _, bad, _), wrong in zip(found, wrongs)):
            # So busy that only this is believed: the very delay, where it does not belong or missing.
            wrongs = [{name for name in wrong if name not in off or
                       abs(abs(off[name]) - delay_ns) < 0.1 * delay_ns}
                      for (_, off, _, _), wrong in zip(found, wrongs)]
        for (place, off, bad, _), wrong in zip(found, wrongs):
            outcome["rows"].append(delay_row(delay_ns, place, off, wrong, noise, bad, bound))
            if wrong:
                outcome["told"].append("%s in %s: %s" % (duration(delay_ns), place, ", ".join(
                    "%s is off by %s" % (name, duration(off[name]) if name in off else "everything")
                    for name in sorted(wrong))))
            elif bad:
                outcome["unjudged"].append("%s in %s" % (duration(delay_ns), place))
    return more_tries


def delay_finding(outcome):
    """"rows", "finding" and "passed" of an experiment."""
    told, unjudged, rows = outcome["told"], outcome["unjudged"], outcome["rows"]
    return {
        "columns": ["delay", "made in", "belongs to", "largest error there", "largest change elsewhere",
                    "allowed", "as expected"],
        "rows": rows,
        "finding": "; ".join(told) or (
            "Cannot be judged here for %d of %d delays (%s): without any delay, medians move by more than is "
            "allowed. Is something else using these CPUs?" % (len(unjudged), len(rows), ", ".join(unjudged))
            if unjudged else
            "Each of %d delays came back where it belongs and nowhere else." % len(rows)),
        "passed": False if told else None if unjudged else True,
    }


def experiment_known_delay(lab):
    """A delay made in the transport by another clock's reading, in each of its verbs."""
    outcome = {"rows": [], "told": [], "unjudged": []}
    delay_judge(Subject(lab, {"transport": "delayed"}, BELONGS), DELAYS, DELAY_TRIES, DELAY_MORE_TRIES, outcome)
    return dict(delay_finding(outcome), **{
        "title": "A known delay comes back",
        "expectation": "A delay of known length, made inside a verb of the transport, shows in the median of "
                       "each interval it belongs to, within 1 %% or 1 µs, and in no other (the quietest of %d "
                       "launches with it, less the same without). What the pacer's own lateness changed by "
                       "in between, which is no transport's doing, is taken out of response, and the interval "
                       "pacing itself is not judged. Each delay is tried up to %d times, and each interval's "
                       "best try counts: another process may spoil one, a wrong interval would spoil all." %
                       (DELAY_LAUNCHES, DELAY_TRIES),
    })


def python_subjects(lab):
    """A Python role, each time with a C one: stamps of both languages make the intervals."""
    here = os.path.dirname(os.path.abspath(__file__))
    environment = {"PYTHONPATH": os.path.join(here, "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [Subject(lab, {"transport": "shm", "peer": peer}, places, "program", environment,
                    PYTHON_LAUNCHES, PYTHON_LEAST)
            for peer, places in (("python/c", ("reserve", "publish", "commit")),
                                 ("c/python", ("acquire", "release")))]


def experiment_known_delay_python(lab):
    """The same in a role in Python, where the delay is Python's, too."""
    outcome = {"rows": [], "told": [], "unjudged": []}
    about = {
        "title": "A known delay comes back from a role in Python",
        "expectation": "As above, within 1 %% or %s, with the delay made in Python, in the verbs of a Python role's "
                       "edge, while the other role is in C." % duration(PYTHON_LEAST),
    }
    more_tries = PYTHON_MORE_TRIES
    missing = lab.lacks({"transport": "shm", "wait": "spin", "peer": "python/c"})
    if missing:
        return dict(about, columns=["delay"], rows=[], passed=None,
                    finding="Cannot be judged here: " + missing)
    for subject in python_subjects(lab):
        more_tries = delay_judge(subject, PYTHON_DELAYS, PYTHON_TRIES, more_tries, outcome)
    return dict(delay_finding(outcome), **about)


# ---- A stalled consumer --------------------------------------------------------------------------


def stall_cell(policy):
    return {"transport": "delayed", "wait": "futex", "pacing": "rate:%d" % STALL_RATE, "policy": policy,
            "frames": STALL_FRAMES, "launches": 1, "slots": 4}


def stall_run(lab, policy):
    environment = {"HANDOFF_STALL": "acquire:%d:%d" % (STALL_NS, 10 + STALL_AT)}
    return lab.run(stall_cell(policy), environment=environment)["launches"][0]


def stall_predicted(q):
    """The response of the frames that fell due while nobody looked: one second less than their own
    distance from the beginning of the stall; all others next to nothing."""
    period_ns = S / STALL_RATE
    responses = sorted(max(STALL_NS - j * period_ns, 0) for j in range(STALL_FRAMES - STALL_AT))
    responses = [0] * STALL_AT + responses
    return responses[math.ceil(q * STALL_FRAMES) - 1]


def stall_rows(launch, names):
    return [[name] + [duration(launch["intervals"][name][key]) for key in ("p50_ns", "p90_ns", "p99_ns")]
            for name in names]


STALL_KEYS = (("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99))


def stall_block_wrong(launch):
    """What is not as arithmetic says. What a frame takes when nobody stalls, and the draining of the
    queue, come on top."""
    intervals = launch["intervals"]
    wrong = [key for key, q in STALL_KEYS if abs(intervals["response"][key] - stall_predicted(q)) >
             0.01 * stall_predicted(q) + 10 * MS]
    if intervals["latency"]["p90_ns"] >= 0.1 * stall_predicted(0.9):
        wrong.append("latency p90 was expected to hide the stall")
    return wrong


def experiment_stall_block(lab):
    """Nothing is lost, and everybody is late: response must say so, and latency must not hide it alone."""
    late_ns = 0  # what a frame may take here where nobody stalls: others have the CPUs
    for _ in range(3):
        launch = stall_run(lab, "block")
        wrong = stall_block_wrong(launch)
        if not wrong:
            break
        calm = lab.run(stall_cell("block"))["launches"][0]
        late_ns = max(late_ns, calm["intervals"]["response"]["p99_ns"])
    too_busy = bool(wrong) and late_ns > 5 * MS
    rows = [["predicted by arithmetic"] + [duration(stall_predicted(q)) for _, q in STALL_KEYS]]
    rows += [["response, from the intended time"] + stall_rows(launch, ["response"])[0][1:],
             ["latency, from when the producer got to it"] + stall_rows(launch, ["latency"])[0][1:]]
    finding = "Response shows what arithmetic predicts; latency alone, which waits along with the producer " \
              "(coordinated omission), has a p90 of %s." % rows[2][2]
    if wrong:
        finding = "Not as predicted: " + ", ".join(wrong)
    if too_busy:
        finding = "Cannot be judged here: this machine is so busy that a frame in a hundred takes %s without any " \
                  "stall. %s" % (duration(late_ns), finding)
    return {
        "title": "A consumer that stands still for a second: nothing dropped",
        "expectation": "At %d frames/s a stop of 1 s makes the response of 100 frames late, by 1 s, 0.99 s, … "
                       "0.01 s. A measurement that starts when the producer gets to a frame would see only "
                       "those few that were already on their way." % STALL_RATE,
        "columns": ["%d frames, policy block" % STALL_FRAMES, "p50", "p90", "p99"],
        "rows": rows,
        "finding": finding,
        "passed": None if too_busy else not wrong,
    }


def stall_latest_wrong(launch):
    """What is not as arithmetic says."""
    response, latency = launch["intervals"]["response"], launch["intervals"]["latency"]
    wrong = []
    # Frames of the warm-up have no response, and are none of those that the stall keeps off.
    if abs(response["infinite"] - STALL_DROPS) > 3:
        wrong.append("%d responses are infinite" % response["infinite"])
    if not 0 <= launch["integrity"]["skipped"] - response["infinite"] <= 10:
        wrong.append("%d frames were skipped" % launch["integrity"]["skipped"])
    if response["p90_ns"] != "inf" or response["p99_ns"] != "inf" or response["p50_ns"] == "inf":
        wrong.append("the quantiles do not have the dropped frames at their end")
    if latency["infinite"] or latency["count"] + response["infinite"] != STALL_FRAMES:
        wrong.append("%d frames arrived" % latency["count"])
    return wrong


def experiment_stall_latest(lab):
    """The frames that were replaced stay in the distribution, as never finished."""
    others = 0  # frames dropped where nobody stalls: this machine stops the consumer by itself
    for _ in range(3):
        launch = stall_run(lab, "latest")
        wrong = stall_latest_wrong(launch)
        if not wrong:
            break
        calm = lab.run(stall_cell("latest"))["launches"][0]
        others = max(others, calm["integrity"]["skipped"])
    response, latency = launch["intervals"]["response"], launch["intervals"]["latency"]
    finite = [latency[key] for key in ("p50_ns", "p90_ns", "p99_ns")]
    finding = "%d frames were dropped, and the response's p90 says so; among the frames that arrived it would " \
              "be %s." % (response["infinite"], duration(finite[1]))
    if wrong:
        finding = "Not as predicted: " + ", ".join(wrong)
    if wrong and others:
        finding = "Cannot be judged here: this machine is so busy that up to %d frames are dropped without any " \
                  "stall. %s" % (others, finding)
    return {
        "title": "A consumer that stands still for a second: only the newest frame counts",
        "expectation": "The same stop under policy latest drops some %d of %d frames. They have no response and "
                       "stay in the distribution: p90 and p99 are never. Percentiles of what arrived would look "
                       "as if nothing had happened." % (STALL_DROPS, STALL_FRAMES),
        "columns": ["%d frames, policy latest" % STALL_FRAMES, "dropped", "p50", "p90", "p99"],
        "rows": [["response, dropped frames as never", str(response["infinite"]),
                  duration(response["p50_ns"]), duration(response["p90_ns"]), duration(response["p99_ns"])],
                 ["only the frames that arrived", "not seen", *[duration(value) for value in finite]]],
        "finding": finding,
        "passed": None if wrong and others else not wrong,
    }


# ---- The suite about itself ----------------------------------------------------------------------


def spread(values):
    logs = [math.log(value) for value in values]
    mean = sum(logs) / len(logs)
    return math.exp(math.sqrt(sum((x - mean) ** 2 for x in logs) / (len(logs) - 1)))


def experiment_repeat(lab):
    """The same cell ten times over: tells, does not judge."""
    rows = []
    for wait in ("spin", "futex"):
        cell = lab.run({"transport": "shm", "wait": wait, "pacing": "rate:1000", "frames": 400,
                        "launches": REPEATS},
                       which="program")
        for key in ("p50_ns", "p99_ns"):
            values = [launch["intervals"]["response"][key] for launch in cell["launches"]]
            rows.append([wait, key[:3], duration(min(values)), duration(median(values)), duration(max(values)),
                         "× %.2f" % spread(values)])
    return {
        "title": "The same cell ten times over",
        "expectation": "What differs between launches of one cell is no property of a wait. A comparison must "
                       "be wider than this, or paired.",
        "columns": ["wait", "response", "smallest", "median", "largest", "standard deviation, as a factor"],
        "rows": rows,
        "finding": "; ".join("%s %s varies by a factor of %s (one standard deviation)" %
                             (row[0], row[1], row[5][2:]) for row in rows) + ".",
        "passed": None,
    }


def stamps_once(lab, which, base):
    cell = lab.run(dict(base), which=which, may_fail=which == "unstamped")
    usage = cell["launches"][0]["usage"]["consumer"]
    if usage["wall_ns"] == 0:
        raise Failure("%s: %s" % (which, cell["reason"]))
    return usage["wall_ns"] / base["frames"]


def experiment_cost_of_stamps(lab):
    """Throughput with stamps and without, side by side: tells, does not judge."""
    rows = []
    order = random.Random()
    for name, base in (
            ("null, as fast as it goes", {"transport": "null", "pacing": "max", "frames": 300000}),
            ("shm, one frame in flight", {"transport": "shm", "pacing": "pingpong", "frames": 100000}),
            ("shm, 640×480×3, checksum", {"transport": "shm", "pacing": "max", "frames": 3000,
                                          "fill": "copy", "kernel": "checksum", "frame": "640x480x3"})):
        base.update({"wait": "spin", "launches": 1, "warmup": 100})
        pairs = []
        for _ in range(STAMP_PAIRS):
            one = {}
            for which in order.sample(["program", "unstamped"], 2):
                one[which] = stamps_once(lab, which, base)
            pairs.append((one["program"], one["unstamped"]))
        # The median: one launch whose CPU was taken away for a while would move a mean by far.
        ratio = median([a / b for a, b in pairs])
        rows.append([name, duration(median([a for a, _ in pairs])), duration(median([b for _, b in pairs])),
                     "%.1f %%" % (100 * (ratio - 1))])
    return {
        "title": "What measuring costs",
        "expectation": "The same program built without stamps, in turn with this one.",
        "columns": ["cell", "per frame, with stamps", "without", "slower by"],
        "rows": rows,
        "finding": "Stamps cost %s per frame where nothing else happens, %s of the time of a 640×480×3 frame." % (
            duration_difference(rows[0]), rows[2][3]),
        "passed": None,
    }


def duration_difference(row):
    def ns(text):
        number, unit = text.split()
        return float(number) * {"ns": 1, "µs": US, "ms": MS, "s": S}[unit]
    return duration(ns(row[1]) - ns(row[2]))


# ---- All of them ---------------------------------------------------------------------------------


def show(experiment):
    widths = [max(len(str(row[i])) for row in [experiment["columns"]] + experiment["rows"])
              for i in range(len(experiment["columns"]))]
    print(experiment["title"])
    for row in [experiment["columns"]] + experiment["rows"]:
        print("  " + "  ".join(str(value).ljust(width) for value, width in zip(row, widths)).rstrip())
    print("  %s%s\n" % ({True: "passed: ", False: "FAILED: ", None: ""}[experiment["passed"]],
                        experiment["finding"]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--validity", required=True, help="handoff-validity")
    parser.add_argument("--unstamped", required=True, help="handoff-unstamped")
    parser.add_argument("--program", required=True, help="handoff")
    parser.add_argument("--out", help="write validity.json here")
    parser.add_argument("--quick", action="store_true", help="half the delays, and less of what tells and does not judge, as CTest does")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    known = {name[len("experiment_"):]: function for name, function in globals().items()
             if name.startswith("experiment_")}
    if os.cpu_count() < 2 or len(os.sched_getaffinity(0)) < 2:
        print("one CPU: two roles that spin cannot be measured to a microsecond on it")
        return 77
    if options.quick:
        global STAMP_PAIRS, REPEATS, STALL_FRAMES, PYTHON_LAUNCHES, PYTHON_MORE_TRIES
        del DELAYS[::2]
        PYTHON_DELAYS[:] = [(1 * MS, 250, 30)]
        PYTHON_LAUNCHES, PYTHON_MORE_TRIES = 2, 2
        STAMP_PAIRS, REPEATS, STALL_FRAMES = 1, 3, 500
    lab, done = Lab(options), []
    began = time.gmtime()
    for name in options.names or known:
        experiment = known[name](lab)
        experiment["id"] = name
        show(experiment)
        done.append(experiment)
    if options.out:
        version = subprocess.run([options.program, "--version"], stdout=subprocess.PIPE,
                                 universal_newlines=True).stdout.strip()
        text = json.dumps({"schema": "handoff-validity", "schema_version": 1, "tool": version,
                           "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", began), "experiments": done},
                          indent=1, ensure_ascii=False)
        temporary = options.out + ".part"
        with open(temporary, "w") as file:
            file.write(text + "\n")
        os.replace(temporary, options.out)
    if any(experiment["passed"] is False for experiment in done):
        return 1
    return 77 if all("Cannot be judged" in experiment["finding"] for experiment in done) else 0


try:
    sys.exit(main())
except Failure as failure:
    print("FAILED: %s" % failure)
    sys.exit(1)
