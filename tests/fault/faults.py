"""faults.py: what the drivers of this folder share: which edges there are, scenarios, arguments."""
import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
from program import Failure, check, say  # noqa: E402,F401

# The claim: from a death to its being known.
LIMIT_S = 1.0
# The named points of harness/run/producer.c and consumer.c on a frame's journey.
POINTS = [("producer", point) for point in ("woke", "ready", "reserved", "filled", "committed")] + \
         [("consumer", point) for point in ("waiting", "acquired", "done", "checked", "released")]


class Edge:
    """A transport with one of its waits and policies."""

    def __init__(self, transport, wait, policy):
        self.transport, self.wait, self.policy = transport, wait, policy
        self.payload = {}
        self.exact = policy == "block"  # the frame at which a role dies is the frame told
        # A machine has one RouDi: runs with it take turns.
        self.alone = transport == "iceoryx"
        self.name = "%s+%s%s" % (transport, wait, "" if policy == "block" else "/" + policy)

    def base(self):
        base = {"transport": self.transport, "wait": self.wait, "policy": self.policy}
        base.update(self.payload)
        return base


def usable_waits(path):
    """The waits on a CPU that this machine has, as `handoff list` spells them."""
    listed = subprocess.run([path, "list", "waits"], stdout=subprocess.PIPE, check=True)
    rows = [line.split() for line in listed.stdout.decode().splitlines()[1:] if line[:1] != " "]
    for name in [words[0] for words in rows if words[1] != "yes"]:
        say("not tried: wait %s cannot run here" % name)
    return {words[0] for words in rows if words[1] == "yes" and not words[0].startswith("gpu_")}


def listed_transports(path):
    """(name, "yes" or "no", policies, waits) of each transport, as `handoff list` spells them."""
    listed = subprocess.run([path, "list", "transports"], stdout=subprocess.PIPE, check=True)
    found = []
    key = ""
    for line in listed.stdout.decode().splitlines()[1:]:
        if line[:1] not in ("", " "):
            found.append(re.split(r"\s{2,}", line)[:3] + [""])
            key = ""
        elif re.match(r" {16}\S", line):  # "waits: …", "no: …"; deeper lines go on with it
            key, _, rest = line.strip().partition(": ")
            line = rest
        if key == "waits" and found:
            found[-1][3] += " " + line.strip()
    return [(name, available, re.split(r",\s*", policies), re.split(r",\s*", waits.strip()))
            for name, available, policies, waits in found]


def edges(path, pattern=""):
    """Every transport in host memory that can run here with every wait on a CPU and policy it has, by
    `handoff list`; only those whose name matches."""
    found = []
    usable = usable_waits(path)
    for transport, available, policies, waits in listed_transports(path):
        if transport.startswith("cuda_"):
            continue  # gpu_roles_killed.py
        if available != "yes":
            say("not tried: %s cannot run here" % transport)
            continue
        found += [Edge(transport, wait.replace("<us>", "100"), policy)
                  for policy in policies for wait in waits if wait in usable]
    found = [edge for edge in found if re.search(pattern, edge.name)]
    check(len(found) > 0, "`handoff list transports` names nothing that could be tried")
    for edge in found:
        edge.payload = payload_of(path, edge)
    return found


def spread(edges_found, points, repeats):
    """(edge, role, point) so that each wait meets each point `repeats` times, on one of its edges (a
    transport with a policy) after the other: what a death does to a wait hardly hangs on the
    transport, and all of them together would take hours. With as many repeats as edges each edge of
    each wait meets each point."""
    of_wait = {}
    for edge in edges_found:
        of_wait.setdefault(edge.wait, []).append(edge)
    return [(own[(i + j + repeat) % len(own)], role, point)
            for i, own in enumerate(of_wait.values()) for j, (role, point) in enumerate(points)
            for repeat in range(repeats)]


PAYLOADS = ({}, {"fill": "header", "kernel": "none"})


def payload_of(path, edge, payloads=PAYLOADS):
    """The first fill and kernel that the transport takes: null carries no payload."""
    for payload in payloads:
        with tempfile.TemporaryDirectory() as folder:
            scenario = os.path.join(folder, "probe.json")
            edge.payload = payload
            program.write_json(scenario, {"blocks": [{"name": "probe", "base": dict(
                {"frame": "64x48x3", "pacing": "rate:1000", "slots": 4}, **edge.base())}]})
            said = subprocess.run([path, "run", scenario, "--dry-run"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        if b"1 of 1 cells can run here" in said.stdout:
            return payload
    raise Failure("%s: no cell can run:\n%s" % (edge.name, said.stdout.decode()))


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", required=True, help="handoff-faults")
    parser.add_argument("--repeats", type=int, default=2, help="times each death is tried with each wait")
    parser.add_argument("--jobs", type=int, default=6, help="runs side by side")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--edges", default="", help="only edges whose name matches this pattern")
    parsed = parser.parse_args()
    parsed.program = os.path.abspath(parsed.program)
    if parsed.seed is None:
        parsed.seed = int(time.time())
    random.seed(parsed.seed)
    say("seed %d" % parsed.seed)
    return parsed


def takes_turns(trial):
    return any(isinstance(arg, Edge) and arg.alone for arg in trial)


def run_all(trials, jobs):
    """Calls every trial (a function and its arguments); (results, failures). Those that need the
    machine's only one of something run one after the other, beside the rest."""
    results, failures = [], []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool, \
            concurrent.futures.ThreadPoolExecutor(1) as turns:
        futures = {(turns if takes_turns(trial) else pool).submit(*trial): trial for trial in trials}
        for future in concurrent.futures.as_completed(futures):
            try:
                results.append(future.result())
            except Failure as failure:
                failures.append(str(failure))
                say("FAILED: %s" % failure)
    return results, failures


# The folders of daemons that the guard owns.
DAEMON_NAMES = re.compile(r"handoff-(mps|roudi)-")


def daemon_folders():
    return {name for name in os.listdir(tempfile.gettempdir()) if DAEMON_NAMES.match(name)}


def check_names(before):
    left = program.orphaned_names(before[0])
    check(not left, "left in /dev/shm: " + ", ".join(sorted(left)))
    left = daemon_folders() - before[1]
    check(not left, "left in %s: %s" % (tempfile.gettempdir(), ", ".join(sorted(left))))


def main(body):
    """Runs a driver; its exit status."""
    program.reap_orphans()
    before = program.shared_names(), daemon_folders()
    try:
        failed = body()
        check_names(before)
    except Failure as failure:
        say("FAILED: %s" % failure)
        failed = True
    sys.exit(1 if failed else 0)
