"""The receiving role: waiting, seen, acquired, accessed, done, released (harness/run/consumer.c).

`accessed` is taken when the habit (habits.py) has produced the array that the kernel reads. The
integrity of each frame is checked between done and released, outside of every interval by which
transports are compared. About the loop see producer.py.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Callable, cast

from . import _edge, clock, habits, source, tags, usage
from .edges import HEADER_FORMAT, ConsumerEdge
from .errors import RoleError
from .kernels import Kernel
from .setup import Setup
from .trace import BAD_SHAPE, CHECKED, TORN, Trace

# How long before the first frame may come the consumer begins to wait for it.
LEAD_NS = 500000


class Consumer:
    """The edge's receiving side and what is done with frames."""

    def __init__(self, setup: Setup, edge: ConsumerEdge, kernel: Kernel, gpu: Any = None) -> None:
        self._setup = setup
        self._edge = edge
        self._kernel = kernel
        # On the GPU its array comes in another way (gpu.py).
        self._habit = gpu if gpu is not None else habits.Habit(setup)
        self._check = _checker(setup, edge, kernel)

    def run(self, trace: Trace, start_ns: int, deadline_ns: int) -> dict[str, Any]:
        """From go to the last frame, which always arrives: nothing newer can replace it."""
        setup, edge = self._setup, self._edge
        edge.deadline_ns = deadline_ns
        last_id, warmup, has_payload = setup.total - 1, setup.warmup, setup.payload_bytes > 0
        acquire, release, notify = edge.acquire, edge.release, edge.notify
        wait_stamps, notifies = edge.wait_stamps, edge.notifies
        get, kernel, check = self._habit.get, self._kernel.run, self._check
        now, record = clock.now_ns, trace.writer()
        # When the bytes are where the GPU reads them the CPU does not know, as in C.
        on_cpu = not setup.on_gpu
        resident = usage.Resident()
        begin = usage.read()
        counting = False
        frames = rss_begin = value = 0
        frame_id = -1
        array: Any = None
        # Both roles were told to go at slightly different times; what lies before is in no figure.
        clock.sleeper()(start_ns - LEAD_NS)
        try:
            while frame_id != last_id:
                if not counting and frame_id + 1 >= warmup:
                    rss_begin = resident.read()
                    begin = usage.read()
                    counting = True
                # The header comes over from the producer in here, before the stamp: it is part of
                # getting the frame, not of the kernel.
                frame_id = acquire()
                acquired = accessed = now()
                if has_payload:
                    array = get(edge.buffer, edge.offset)
                    accessed = now() if on_cpu else 0
                    value = kernel(array)
                done = now()
                flags = check(array, frame_id, value)
                array = None
                release()
                released = now()
                if notifies:
                    notify()
                waiting, seen = wait_stamps()
                if not record(
                    waiting, seen, acquired, accessed, done, released, 0, frame_id, flags
                ):
                    raise RoleError(
                        "corrupt",
                        "the consumer got more frames than were sent",
                        "the transport repeats frames",
                    )
                frames += 1
        except RoleError as problem:
            raise problem.context("consumer, after frame %d" % frame_id) from None
        report = usage.difference(begin, usage.read())
        rss_end = resident.read()
        resident.close()
        skipped, copied = edge.counters()
        return dict(
            report,
            skipped_frames=skipped,
            copied_bytes=copied,
            filled_bytes=frames * setup.payload_bytes * self._habit.copies,
            frames=frames,
            rss_begin_bytes=rss_begin,
            rss_end_bytes=rss_end,
        )


def _checker(setup: Setup, edge: ConsumerEdge, kernel: Kernel) -> Callable[[Any, int, int], int]:
    """What is found out about one frame's bytes: consumer_check. check(array, frame_id, value)"""
    shape = (setup.width, setup.height, setup.channels)
    header = Struct(HEADER_FORMAT).unpack_from
    payload_bytes = setup.payload_bytes
    torn = _torn(setup, kernel) if payload_bytes else None

    def check(array: Any, frame_id: int, value: int) -> int:
        flags = CHECKED
        if header(edge.header_buffer, edge.header_offset)[1:4] != shape:
            flags |= BAD_SHAPE
        if torn is not None and torn(array, frame_id, value):
            flags |= TORN
        return flags

    return check


def _torn(setup: Setup, kernel: Kernel) -> Callable[[Any, int, int], bool]:
    library = _edge.quick()
    payload_bytes = setup.payload_bytes
    if kernel.checksums:
        untagged = source.checksums(setup)
        tagged = library.handoff_frame_checksum_tagged

        def wrong_sum(array: Any, frame_id: int, value: int) -> bool:
            expected: int = tagged(untagged[frame_id % source.PICTURES], payload_bytes, frame_id)
            return value != expected

        return wrong_sum
    if setup.on_gpu:
        # Every tag in one piece of work on the GPU: to read a single one costs as much.
        tag, on_device = library.handoff_frame_tag, cast(Any, kernel)

        def wrong_on_device(array: Any, frame_id: int, value: int) -> bool:
            torn: bool = on_device.torn(array, tag(frame_id))
            return torn

        return wrong_on_device
    tags_right = tags.Tags(payload_bytes, kernel.inverts).right

    def wrong_tags(array: Any, frame_id: int, value: int) -> bool:
        return not tags_right(array, frame_id)

    return wrong_tags
