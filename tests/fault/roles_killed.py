"""roles_killed.py: either role is killed at each named point of a frame's journey, with every wait, on
its transports in turn: the death is reported with its reason within a second, the matrix goes on, and
nothing is left behind. The same before the first frame and after the last one.

Each trial is a run of its own with two cells. In the first cell the role dies in the first launch that
gets to frame FRAME; its second launch and the other cell, which has fewer frames, must be measured.
"""
import collections
import os
import re
import tempfile

import faults
import program
from faults import LIMIT_S, POINTS, check, say

FRAME = 9
FRAMES, WARMUP = 12, 2
RUNNERS_OWN = {"anon_inode:[signalfd]", "anon_inode:[pidfd]", "socket"}


def scenario_of(edge):
    count = {"launches": 2, "frames": FRAMES, "warmup": WARMUP}
    return {
        "name": "death",
        "base": {"frame": "64x48x3", "pacing": "rate:1000"},
        "blocks": [
            {"name": "dies", "base": dict(edge.base(), **count)},
            {"name": "lives", "base": dict(edge.base(), launches=2, frames=FRAME - 4, warmup=1,
                                           placement="none")},
        ],
    }


# Points outside of the journey (harness/run/role.c), and what is told of a death there.
OUTSIDE = {"prepared": r"after 0 of its \d+ frames", "ending": "after its last frame"}


def check_reason(reason, role, point):
    if point in OUTSIDE:
        wanted = r"the %s was killed by signal 9 \(Killed\) %s$" % (role, OUTSIDE[point])
        check(re.match(wanted, reason), "not the reason of a killed %s: %r" % (role, reason))
        return FRAME
    found = re.match(r"the (\w+) was killed by signal 9 \(Killed\) after (\d+) of its (\d+) frames",
                     reason)
    check(found, "not the reason of a killed %s: %r" % (role, reason))
    check(found.group(1) == role, "the wrong role is blamed: %r" % reason)
    check(int(found.group(2)) <= FRAME and int(found.group(3)) == FRAMES + WARMUP,
          "wrong numbers of frames: %r" % reason)
    return int(found.group(2))


def check_result(result, said, edge, role, point):
    dies, lives = result["cells"]
    if point in OUTSIDE and dies["status"] == "ok":
        dies, lives = lives, dies  # both cells get to these points
    check(dies["status"] == "failed" and re.sub(r"^launch \d+: ", "", dies["reason"]) == said,
          "the cell is not failed with the reason told: %s %r" % (dies["status"], dies["reason"]))
    check((dies["launches_failed"], dies["launches_ok"]) == (1, 1),
          "%d launches failed and %d went on" % (dies["launches_failed"], dies["launches_ok"]))
    check(lives["status"] == "ok" and lives["launches_ok"] == 2,
          "the other cell: %s %r" % (lives["status"], lives["reason"]))
    frames = check_reason(said, role, point)
    # With policy latest a frame can be replaced before the consumer sees it; on the GPU frames are
    # recorded when they are done.
    check(frames == FRAME or not edge.exact,
          "%s died at frame %d, but %d frames are told" % (role, FRAME, frames))


def file_delay_s(folder, died_realtime_ns):
    """From the death to the launch file that tells of it."""
    for name in os.listdir(os.path.join(folder, "launches")):
        path = os.path.join(folder, "launches", name)
        if program.read_json(path)["row"]["status"] == "failed":
            return (os.stat(path).st_mtime_ns - died_realtime_ns) / 1e9
    raise faults.Failure("no launch file tells of the death")


def check_descriptors(run, told_ns):
    """Between and after launches the runner has open what it needs itself, and nothing of a launch:
    its signalfd, and the guard's socket and pidfd."""
    later = [kinds for when, kinds in run.samples if when > told_ns]
    check(later, "no time to look at the runner's descriptors")
    quiet = [[kind for kind in kinds if kind.startswith(("anon_inode", "socket"))]
             for kinds in later if not any("memfd" in kind for kind in kinds)]
    check(quiet, "segments stay open in the runner: %s" % (later[-1],))
    usual = collections.Counter(map(tuple, quiet)).most_common(1)[0][0]
    check(set(usual) <= RUNNERS_OWN and len(usual) == len(set(usual)),
          "descriptors stay open in the runner: %s" % (usual,))


def trial(path, edge, role, point, wrapper=()):
    name = "%s, %s dies at %s" % (edge.name, role, point)
    with tempfile.TemporaryDirectory(prefix="handoff-fault-") as folder:
        scenario = program.write_json(os.path.join(folder, "s.json"), scenario_of(edge))
        out, once = os.path.join(folder, "out"), os.path.join(folder, "death")
        env = {"HANDOFF_FAULT": "%s:%s:%d" % (role, point, 0 if point in OUTSIDE else FRAME),
               "HANDOFF_FAULT_ONCE": once}
        run = program.Program([path, "run", "--no-floor", scenario, "--out", out], env=env,
                              sample=True, wrapper=wrapper)
        try:
            code = run.wait()
            run.check_nothing_left()
            run.check_clean()
            if not os.path.exists(once) and not edge.exact:
                return edge.name, role, None, None  # replaced before anybody saw it, or no such point
            check(code == 3, "exit code %d instead of 3:\n%s" % (code, run.stderr()))
            check(os.path.exists(once), "nobody died:\n" + run.stderr())
            with open(once) as file:
                died_ns, died_realtime_ns, _ = [int(word) for word in file.read().split()]
            told_ns, told = run.wait_for_line(r"^failed: (\S+), launch \d+: (.*)$")
            told_s = (told_ns - died_ns) / 1e9
            written_s = file_delay_s(out, died_realtime_ns)
            check(told_s < LIMIT_S, "told %.3f s after the death" % told_s)
            check(written_s < LIMIT_S, "written %.3f s after the death" % written_s)
            check_result(program.read_json(os.path.join(out, "result.json")), told.group(2), edge,
                         role, point)
            check_descriptors(run, told_ns)
        except faults.Failure as failure:
            raise faults.Failure("%s: %s" % (name, failure))
    return edge.name, role, told_s, written_s


def print_table(results):
    rows = collections.OrderedDict()
    for edge, role, told_s, written_s in sorted(results, key=lambda row: row[:2]):
        row = rows.setdefault((edge, role), [0, 0.0, 0.0])
        if told_s is None:
            continue
        row[0] += 1
        row[1] = max(row[1], told_s)
        row[2] = max(row[2], written_s)
    say("%-24s %-9s %6s  %s" % ("edge", "role", "deaths", "slowest: told, written after"))
    for (edge, role), (count, told_s, written_s) in rows.items():
        say("%-24s %-9s %6d  %7.1f ms %7.1f ms" % (edge, role, count, told_s * 1e3,
                                                   written_s * 1e3))
    return sum(row[0] for row in rows.values()), max(max(row[1:]) for row in rows.values())


def body():
    given = faults.arguments(__doc__)
    outside = [(role, point) for role in ("producer", "consumer") for point in OUTSIDE]
    trials = [(trial, given.program, edge, role, point) for edge, role, point in
              faults.spread(faults.edges(given.program, given.edges), POINTS + outside, given.repeats)]
    results, failures = faults.run_all(trials, given.jobs)
    if results:
        count, slowest_s = print_table(results)
        say("%d deaths of %d trials; the slowest was known after %.1f ms (limit %d ms); %d failures"
            % (count, len(trials), slowest_s * 1e3, LIMIT_S * 1e3, len(failures)))
        check(count >= len(trials) * 3 // 4, "too few deaths: frames were replaced too often")
    return len(failures) > 0


if __name__ == "__main__":
    faults.main(body)
