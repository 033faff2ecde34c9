"""The other process of a test of the package `handoff`, and the content both sides agree on.

    peer = Peer(code, argument, …)    code: Python, which has everything of this module
    peer.line()                       the next line it prints, without its end
"""
import os
import random
import select
import signal
import subprocess
import sys
import time

import numpy

import handoff

HERE = os.path.dirname(os.path.abspath(__file__))
LONG_S = 30.0  # for waits that should not be long, on a machine that may be slow


def content(seed, index, shape):
    """Frame `index` of a source: random, and another one for each frame."""
    state = numpy.random.RandomState((seed * 1000003 + index) % 2**32)
    return state.randint(0, 256, size=shape, dtype=numpy.uint8)


def fresh_name():
    return "test.%d.%d" % (os.getpid(), random.SystemRandom().getrandbits(40))


def segment(name):
    return "/dev/shm/handoff." + name


def write(writer, seed, count, first=0):
    """Writes `count` frames of the source, each made in the slot itself."""
    for index in range(first, first + count):
        with writer.frame() as frame:
            frame.array[...] = content(seed, index, writer.shape)


# A shell starts its background jobs with SIGINT ignored, and children inherit that: then no Ctrl-C would
# ever reach a peer.
PREFIX = """from frames_peer import *
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


class Peer:
    """A Python process of its own; ended by stop(), if it has not ended before."""

    def __init__(self, code, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREFIX + code]
            + [str(argument) for argument in arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join([HERE] + [p for p in sys.path if p])))

    def has_spoken(self):
        """Whether a first line, or the end, can be read without waiting."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def line(self):
        got = self.process.stdout.readline()
        if not got:
            self.process.wait(LONG_S)
            raise AssertionError("the peer ended: %s" % self.process.stderr.read())
        return got.rstrip("\n")

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(LONG_S)

    def end(self):
        """Waits until it ends by itself; what it has printed since."""
        out, err = self.process.communicate(timeout=LONG_S)
        assert self.process.returncode == 0, "exit code %d: %s" % (self.process.returncode, err)
        return out

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stderr.closed:
            print(self.process.communicate(timeout=LONG_S)[1])


# What a writer and a reader of `content` do, for peers: name seed count [height width channels].
WRITER = """
name, seed, count, shape = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:7]
with handoff.Writer(name, [int(n) for n in shape], timeout=LONG_S) as writer:
    print("ready", flush=True)
    write(writer, seed, count)
    print("written", flush=True)
    if sys.argv[7:] == ["stay"]:
        time.sleep(LONG_S)
"""
def is_gone(name):
    """Whether the segment's name is, soon: readers hear of the end a moment before it goes."""
    until = time.monotonic() + LONG_S
    while os.path.exists(segment(name)) and time.monotonic() < until:
        time.sleep(0.005)
    return not os.path.exists(segment(name))


READER = """
name, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with handoff.Reader(name, timeout=LONG_S) as reader:
    for _ in range(count):
        frame = reader.read()
        whole = (frame.array == content(seed, frame.id, reader.shape)).all()
        print(frame.id, "whole" if whole else "torn", flush=True)
    if sys.argv[4:] == ["stay"]:
        time.sleep(LONG_S)
"""
