"""The sending role: due, woke, ready, reserved, filled, committed, notified, as in producer.c.

The loop makes no system call but those of the pacer, the edge and its waits, and no object that the
garbage collector counts; ints of stamps come from CPython's free list and go back to it.
"""

from __future__ import annotations

from typing import Any

import numpy

from . import clock, source, usage
from .edges import ProducerEdge
from .errors import RoleError
from .setup import Setup
from .trace import Trace


class Producer:
    """The edge's producing side and what it sends."""

    def __init__(self, setup: Setup, edge: ProducerEdge) -> None:
        self._setup = setup
        self._edge = edge
        self._source = source.Source(setup, edge)
        self._offsets = source.schedule(setup) if setup.has_schedule else None

    def run(self, trace: Trace, start_ns: int, deadline_ns: int) -> dict[str, Any]:
        """From go to the last frame. A frame's steps: with fill `copy` and `header` it is whole in
        the source buffer (ready), a slot is waited for (reserved), the frame is brought to it
        (filled). `in_place`: the slot comes first, the source writes into it, and ready = filled.
        In ping-pong the wait for the last frame's return is the pacing and lies before ready."""
        setup, edge, frames = self._setup, self._edge, self._source
        edge.deadline_ns = deadline_ns
        total, warmup, payload_bytes = setup.total, setup.warmup, setup.payload_bytes
        places, places_count, prepare = frames.places, len(frames.places), frames.prepare
        offsets, pingpong = self._offsets, setup.pacing == "pingpong"
        in_place = setup.fill == "in_place"
        sends_source = edge.sends_source and not in_place
        reserve, place_of, commit, notify = edge.reserve, edge.place, edge.commit, edge.notify
        notifies, copyto = edge.notifies, numpy.copyto
        now, sleep_until, record = clock.now_ns, clock.sleeper(), trace.writer()
        resident = usage.Resident()
        due = notified = rss_begin = 0
        begin = usage.read()
        # Whatever the pacing, nothing is sent before the start, when the consumer waits already. At
        # a rate the pacer sees to that, so that the first frame is prepared before it falls due.
        if offsets is None:
            sleep_until(start_ns)
        frame_id = 0
        try:
            while frame_id < total:
                if frame_id == warmup:
                    rss_begin = resident.read()
                    begin = usage.read()
                place = places[frame_id % places_count]
                prepare(place, frame_id)
                if offsets is not None:
                    due = start_ns + offsets[frame_id]
                    sleep_until(due)
                elif pingpong:
                    reserve()
                woke = now()
                if not in_place:
                    ready = now()
                    place.timestamp[0] = ready
                slot = reserve()
                reserved = now()
                if not sends_source:
                    target = place_of(slot)
                    target.header[:] = place.header
                    if payload_bytes:
                        copyto(target.pixels, place.pixels)
                    place = target
                filled = now()
                if in_place:
                    ready = filled
                    place.timestamp[0] = ready
                commit(place)
                committed = now()
                # A descriptor's reader was woken by the commit itself: then there is no such stamp.
                if notifies:
                    notify()
                    notified = now()
                if not record(due, woke, ready, reserved, filled, committed, notified, frame_id, 0):
                    raise RoleError("corrupt", "the producer's trace is full")
                frame_id += 1
        except RoleError as problem:
            raise problem.context("producer, frame %d" % frame_id) from None
        report = usage.difference(begin, usage.read())
        rss_end = resident.read()
        resident.close()
        counts_fill = setup.fill == "copy" and not sends_source
        skipped, copied = edge.counters()
        return dict(
            report,
            skipped_frames=skipped,
            copied_bytes=copied,
            filled_bytes=total * payload_bytes if counts_fill else 0,
            frames=total,
            rss_begin_bytes=rss_begin,
            rss_end_bytes=rss_end,
        )
