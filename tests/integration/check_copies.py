"""check_copies.py: the copies that a transport declares and counts are the ones that happen. strace tells
what the kernel moved for each role, its library's threads included; what a library copies in its own
memory it does not see, so that part may only be counted on top."""
import glob
import json
import re
import shutil
import subprocess

from suite import Skip, check, main, sanitized, say

FRAMES, WARMUP = 30, 3
WIDTH, HEIGHT = 800, 500
PAYLOAD_BYTES = WIDTH * HEIGHT
OUT = ("write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "splice", "vmsplice",
       "process_vm_writev")
IN = ("read", "readv", "pread64", "preadv", "recvfrom", "recvmsg", "process_vm_readv")
STARTS = ("clone", "clone3", "fork", "vfork", "execve")
# Headers, acknowledgements, what a library says on its own, and the runner's messages.
SLACK = 0.15
WAITS = {"shm": "futex", "iceoryx": "native", "dds": "native"}


def available(t, transport):
    listed = subprocess.run([t.path, "list", "--json", "transports"], stdout=subprocess.PIPE, check=True)
    rows = {row["name"]: row for row in json.loads(listed.stdout.decode())["transports"]}
    row = rows.get(transport, {"available": False, "reason": "no such transport"})
    if not row["available"]:
        say("not tried: %s: %s" % (transport, row["reason"]))
    return row["available"]


def traced(t, transport):
    """(copies_per_frame of the result, {role: payloads the kernel moved out of it and into it}), or
    None when it cannot run now."""
    scenario = t.scenario(
        [{"name": "b", "base": {"transport": transport, "wait": WAITS.get(transport, "block")}}],
        name=transport + ".json", frame="%dx%dx1" % (WIDTH, HEIGHT), pacing="pingpong",
        frames=FRAMES, warmup=WARMUP, launches=1)
    prefix, out = t.file("trace." + transport), t.file("out." + transport)
    done = subprocess.run(["strace", "-ff", "-s", "200", "-e", "trace=" + ",".join(OUT + IN + STARTS),
                           "-e", "signal=none", "-o", prefix, t.path, "run", scenario, "--out", out,
                           "--quiet", "--no-floor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    if b"ptrace" in done.stderr:
        raise Skip("strace may not trace here: " + done.stderr.decode().strip().splitlines()[0])
    if done.returncode == 77:  # since the list was made: another RouDi, say
        say("not tried: %s: %s" % (transport, t.result(out)["cells"][0]["reason"]))
        return None
    check(done.returncode == 0, "the traced run failed: " + done.stderr.decode())
    lines = {}
    for path in glob.glob(prefix + ".*"):
        with open(path, errors="replace") as file:
            lines[path[len(prefix) + 1:]] = file.read().splitlines()
    roles = {}
    for task, own in lines.items():
        role = re.search(r'"--role", "(producer|consumer)"', "\n".join(own[:20]))
        if role:
            roles[role.group(1)] = moved(lines, task)
    check(sorted(roles) == ["consumer", "producer"], "traces of both roles, not %s" % list(roles))
    cell = t.result(out)["cells"][0]
    check(cell["status"] == "ok", "%s: %s" % (transport, cell["reason"]))
    say("%s: %.2f copies a frame; the kernel moved %.2f out of and %.2f into the producer, %.2f and "
        "%.2f of the consumer" % ((transport, cell["copies_per_frame"]) + roles["producer"] +
                                  roles["consumer"]))
    return cell["copies_per_frame"], roles


def moved(lines, task):
    """Payloads a frame that this thread and those it started moved: out, in."""
    sums = {OUT: 0, IN: 0}
    for line in lines.get(task, []):
        call = re.match(r"(\w+)\(.* = (\d+)\b", line) or re.match(r"<... (\w+) resumed.* = (\d+)\b", line)
        if not call:
            continue
        name, returned = call.group(1), int(call.group(2))
        for names in sums:
            sums[names] += returned if name in names else 0
        if name in STARTS and returned:
            for names, more in zip((OUT, IN), moved(lines, call.group(2))):
                sums[names] += round(more * PAYLOAD_BYTES * (FRAMES + WARMUP))
    return tuple(sums[names] / (PAYLOAD_BYTES * (FRAMES + WARMUP)) for names in (OUT, IN))


def look(t, transports, per_side, counted):
    """`per_side` payloads a frame leave the producer and enter the consumer by the kernel, and none the
    other way; `counted` says which copies_per_frame are right."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    if sanitized(t.path):
        raise Skip("the sanitizers make calls of their own")
    tried = [transport for transport in transports if available(t, transport)]
    for transport in tried:
        found = traced(t, transport)
        if not found:
            continue
        copies, roles = found
        (sent, credits_in), (credits_out, received) = roles["producer"], roles["consumer"]
        for what, value, wanted in (("sent", sent, per_side), ("received", received, per_side),
                                    ("received by the producer", credits_in, 0),
                                    ("sent by the consumer", credits_out, 0)):
            check(wanted <= value + 0.001 and value < wanted + SLACK,
                  "%s: %.3f payloads a frame are %s, not %d" % (transport, value, what, wanted))
        check(counted(copies), "%s: %.2f copies a frame are counted" % (transport, copies))
    if not tried:
        raise Skip("none of them can run here")


def test_streams_copy_on_each_side(t):  # beside others, release only
    look(t, ("unix", "tcp", "pipe"), 1, lambda copies: copies == 2)


def test_libraries_copy_on_each_side_and_more(t):  # beside others, release only
    look(t, ("zmq_ipc", "zmq_tcp", "nng", "dds"), 1, lambda copies: copies >= 2)


def test_shared_memory_is_not_copied_by_the_kernel(t):  # release only
    # The copy into the slot is the fill's.
    look(t, ("shm", "memfd", "iceoryx"), 0, lambda copies: copies == 1)


if __name__ == "__main__":
    main(globals())
