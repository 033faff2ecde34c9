"""A runner for roles under test: starts two of them, each in C or in Python, and talks with them as
harness/run/session.c does. For test_role*.py."""
import array
import fcntl
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.join(ROOT, "transports", "python")
sys.path.insert(0, PACKAGE)
PRODUCER, CONSUMER = range(2)
NAMES = ("producer", "consumer")
TRACE_MAGIC, TRACE_ROOM = 0x63617274, 64
TORN, CHECKED, BAD_SHAPE = 1, 2, 4
PRODUCER_STAMPS = ("due", "woke", "ready", "reserved", "filled", "committed", "notified")
CONSUMER_STAMPS = ("waiting", "seen", "acquired", "accessed", "done", "released")
FILLS = ("copy", "in_place", "header", "gpu")
PACINGS = ("rate", "pingpong", "max", "poisson")
POLICIES = {"block": 1, "latest": 2}


def frames_library():
    """The C library under test."""
    return os.environ.get("HANDOFF_FRAMES_LIBRARY") or os.path.join(
        ROOT, "build", "libhandoff_frames.so.1")


class RoleFailed(Exception):
    """What a role said of itself."""

    def __init__(self, index, status, what, hint):
        super().__init__("%s: %s: %s (%s)" % (NAMES[index], status, what, hint))
        self.index, self.status, self.what, self.hint = index, status, what, hint


class Trace:
    """As harness/measure/trace.h."""

    def __init__(self, capacity, sealed=True):
        size = (64 + capacity * (64 + 32) + 4095) // 4096 * 4096
        self.fd = os.memfd_create("handoff-test-trace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        if sealed:
            fcntl.fcntl(self.fd, 1033, 1 | 2 | 4)  # F_ADD_SEALS: no other seal, shrinking or growing
        self.map = mmap.mmap(self.fd, size)
        struct.pack_into("<II", self.map, 0, TRACE_MAGIC, capacity)

    def records(self, names):
        count = struct.unpack_from("<I", self.map, 8)[0]
        records = []
        for i in range(count):
            values = struct.unpack_from("<7QiI", self.map, 64 + 64 * i)
            records.append(dict(zip(names, values), id=values[7], flags=values[8]))
        return records

    def close(self):
        self.map.close()
        os.close(self.fd)


def setup_message(axes, frames, warmup, seed, cpu=-1, detector=None):
    """A setup with the choices as numbers, for C, and as text, for Python."""
    all_axes = {"transport": "shm", "access": "host", "wait": "futex", "kernel": "checksum",
                "fill": "copy", "frame": "64x48x3", "pacing": "rate:500", "slots": "4",
                "policy": "block", "frame_state": "as_left", "producer_wait": "same",
                "phase": "fixed", "scheduling": "other", "timer_slack_ns": "as_found",
                "depth": "1", "pages": "normal", "library_threads": "anywhere", "read": "view",
                "gc": "on", "array": "numpy"}
    all_axes.update(axes)
    wait, _, wait_us = all_axes["wait"].partition(":")
    producer = all_axes["wait"] if all_axes["producer_wait"] == "same" else all_axes["producer_wait"]
    producer_wait, _, producer_wait_us = producer.partition(":")
    pacing, _, rate = all_axes["pacing"].partition(":")
    width, height, channels = (int(part) for part in all_axes["frame"].split("x"))
    message = {
        "type": "setup", "transport": all_axes["transport"], "access": all_axes["access"],
        "wait": wait, "wait_us": int(wait_us or 0), "producer_wait": producer_wait,
        "producer_wait_us": int(producer_wait_us or 0), "kernel": all_axes["kernel"],
        "fill": FILLS.index(all_axes["fill"]), "width": width, "height": height,
        "channels": channels, "pacing": PACINGS.index(pacing), "rate_hz": float(rate or 0),
        "slots": int(all_axes["slots"]), "policy": POLICIES[all_axes["policy"]], "frame_state": 0,
        "phase": 0, "fifo_priority": 0, "timer_slack_ns": 0, "sync": 0, "order": 0, "depth": 1,
        "register_per_frame": 0, "gpu_sharing": 0, "pages": 0, "library_threads": 0, "load": 0,
        "frames": frames, "warmup": warmup, "seed": seed, "cpu": cpu, "listens": 0,
        "clock": {"name": "CLOCK_MONOTONIC", "counter": "0", "ns": "0", "mult": "0"}, "axes": all_axes}
    if detector:
        message["detector"] = detector
    return message


class Role:
    """One process and its control socket."""

    def __init__(self, index, language, program, arguments=None):
        self.index = index
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 65536)
        start = [program] if language == "c" else [sys.executable, "-m", "handoff.role"]
        arguments = arguments or ["--role", NAMES[index]]
        changed = dict(os.environ, PYTHONPATH=PACKAGE,
                       HANDOFF_FRAMES_LIBRARY=frames_library())
        self.process = subprocess.Popen(
            start + arguments + ["--control-fd", str(theirs.fileno())], env=changed,
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()

    def send(self, message, fds=()):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def receive(self, kind, timeout_s=60):
        """A message and its descriptors; an error of the role is raised."""
        if not select.select([self.socket], [], [], timeout_s)[0]:
            raise AssertionError("no %s from the %s" % (kind, NAMES[self.index]))
        data, rights, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(8 * 4))
        fds = array.array("i")
        for _, _, right in rights:
            fds.frombytes(right)
        assert data, "the %s is gone instead of %s" % (NAMES[self.index], kind)
        message = json.loads(data.decode())
        if message.get("type") == "error" and kind != "error":
            raise RoleFailed(self.index, message["status"], message["what"], message["hint"])
        assert message.get("type") == kind, message
        return message, list(fds)

    def kill(self):
        """Whatever it does, it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()

    def end(self):
        """Hangs up and waits until it has ended by itself; its exit code."""
        self.socket.close()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the %s did not end" % NAMES[self.index])


class Outcome:
    """The reports and the traces of a launch."""

    def __init__(self, reports, traces):
        self.reports = reports
        self.producer = traces[PRODUCER].records(PRODUCER_STAMPS)
        self.consumer = traces[CONSUMER].records(CONSUMER_STAMPS)


class Runner:
    """launch() is one launch of a pair: "c/python" is a producer in C and a consumer in Python."""

    def __init__(self, program):
        self.program = program

    def launch(self, peer, axes, frames=20, warmup=3, seed=1, deadline_s=20, detector=None,
               change=None, relay=None, on_go=None, report_of=None):
        """change(index, setup) and relay(address, fds) are what a bad runner would do; on_go(roles)
        what befalls them; with report_of, only that role's report is waited for."""
        roles, traces, fds = [], [], []
        try:
            for index, language in enumerate(peer.split("/")):
                roles.append(Role(index, language, self.program))
                traces.append(Trace(warmup + frames + 64))
                setup = setup_message(axes, frames, warmup, seed, detector=detector)
                if change:
                    change(index, setup)
                roles[index].send(setup, [traces[index].fd])
            message, fds = roles[PRODUCER].receive("address")
            if relay:
                message = relay(message, fds)
            roles[CONSUMER].send(message, fds)
            while fds:  # a descriptor that stays here keeps a death from being seen
                os.close(fds.pop())
            for role in roles:
                role.receive("ready")
            start_ns = time.monotonic_ns() + 3000000
            go = {"type": "go", "start_ns": str(start_ns),
                  "deadline_ns": str(start_ns + int(deadline_s * 1e9))}
            for role in roles:
                role.send(go)
            if on_go:
                on_go(roles)
            if report_of is not None:
                roles[report_of].receive("finished")
                raise AssertionError("the %s did not fail" % NAMES[report_of])
            reports = [role.receive("finished")[0] for role in roles]
            for role in roles:
                role.send({"type": "exit"})
            codes = [role.end() for role in roles]
            assert codes == [0, 0], codes
            return Outcome(reports, traces)
        finally:
            for fd in fds:
                os.close(fd)
            for role in roles:
                role.kill()
            for trace in traces:
                trace.close()
