"""What Python copies of a 4K frame: nothing in a view, everything in a slice.

10,000 frames of 3840x2160x3. Every frame's memory is looked up: bytes of an array inside the
segment were not copied, bytes anywhere else were. And this process must not grow. The same for an
mmap of the segment that is sliced, as tutorials have it.
"""
import mmap
import os
import tracemalloc

import numpy

import handoff
from frames_peer import LONG_S, fresh_name, segment
from test_frames import peer, seed  # noqa: F401 (fixtures)

SHAPE = (2160, 3840, 3)
FRAME_BYTES = 2160 * 3840 * 3
FRAMES = 10000
# Two places, so that it fits where /dev/shm has 64 MB, as in containers.
SOURCE = """
name, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with handoff.Writer(name, (2160, 3840, 3), slots=2, timeout=LONG_S) as writer:
    first = content(seed, 0, (2160, 3840, 3)).reshape(-1)
    for index in range(count):
        with writer.frame() as frame:
            flat = frame.array.reshape(-1)
            if index < 2:
                flat[...] = first
            # Where, and what: both differ from frame to frame.
            flat[index * 7919 % flat.size] = (index * 31 + 1) % 256
"""


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def ranges_of(name):
    """Where the segment is mapped in this process."""
    found = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            if line.rstrip("\n").endswith("/handoff." + name):
                begin, end = line.split()[0].split("-")
                found.append((int(begin, 16), int(end, 16)))
    assert found, "the segment is not mapped"
    return found


def copied_bytes(array, ranges):
    begin = array.__array_interface__["data"][0]
    inside = any(low <= begin and begin + array.nbytes <= high for low, high in ranges)
    return 0 if inside else array.nbytes


def test_a_view_copies_nothing_of_10000_frames(seed, peer):
    name = fresh_name()
    peer(SOURCE, name, seed, FRAMES)
    copied, wrong = 0, 0
    with handoff.Reader(name, timeout=LONG_S) as reader:
        ranges = ranges_of(name)
        for frame in reader:
            index = frame.id
            flat = frame.array.reshape(-1)
            wrong += int(flat[index * 7919 % FRAME_BYTES]) != (index * 31 + 1) % 256
            copied += copied_bytes(flat, ranges)
            if index == 10:
                flat.max()  # every page is there now
                resident_begin = resident_bytes()
                tracemalloc.start()
        resident_end = resident_bytes()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert index == FRAMES - 1 and wrong == 0
    assert copied == 0
    assert abs(resident_end - resident_begin) < 4 << 20
    # numpy reports its memory to tracemalloc: not even one frame was ever allocated.
    assert peak < FRAME_BYTES // 10


def test_a_slice_copies_every_frame(seed, peer):
    name = fresh_name()
    frames = 20
    peer(SOURCE, name, seed, frames)
    copied = 0
    with handoff.Reader(name, timeout=LONG_S) as reader:
        ranges = ranges_of(name)
        with open(segment(name), "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ranges += ranges_of(name)
        size = len(memory)
        tracemalloc.start()
        for frame in reader:
            # The pixels lie within the segment; where does not matter for what a slice costs.
            sliced = numpy.frombuffer(memory[size - FRAME_BYTES:size], numpy.uint8)
            copied += copied_bytes(sliced, ranges)
            assert copied_bytes(frame.array, ranges) == 0
            kept = frame.copy()
            assert copied_bytes(kept, ranges) == FRAME_BYTES
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert copied == frames * FRAME_BYTES
    assert peak >= FRAME_BYTES
    del sliced
    memory.close()
