"""The stamps of this role, in memory that the runner reads between launches (measure/trace.h).

A frame's stamps are kept in local variables and written when its last one is taken, so that no
store lies inside an interval. What a record costs (below 1 us) lies between two frames.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from typing import Callable

from .errors import RoleError, system_error

MAGIC = 0x63617274  # "trac"
HEADER_BYTES = 64
RECORD_BYTES = 64
GPU_RECORD_BYTES = 32
# Linux; the module fcntl does not have them.
F_GET_SEALS = 1034
F_SEAL_SHRINK = 2

TORN = 1
CHECKED = 2
BAD_SHAPE = 4


class Trace:
    """The mapping of the descriptor that came with the setup, which stays the caller's."""

    def __init__(self, fd: int, total: int) -> None:
        try:
            size = os.fstat(fd).st_size
            if not fcntl.fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK:
                raise RoleError(
                    "corrupt",
                    "the trace is not sealed against shrinking",
                    "roles are started by `handoff run`",
                )
            if size < HEADER_BYTES + total * (RECORD_BYTES + GPU_RECORD_BYTES):
                raise RoleError(
                    "corrupt", "a trace of %d bytes has no room for %d frames" % (size, total)
                )
            self._map = mmap.mmap(fd, size)
        except (OSError, ValueError) as problem:
            if isinstance(problem, OSError):
                raise system_error(problem, "cannot map the trace") from None
            raise RoleError("corrupt", "cannot map the trace: %s" % problem) from None
        self._words = memoryview(self._map).cast("I")
        magic, self.capacity = self._words[0], self._words[1]
        room = HEADER_BYTES + self.capacity * (RECORD_BYTES + GPU_RECORD_BYTES)
        if magic != MAGIC or self.capacity < total or room > size:
            raise RoleError("corrupt", "the trace is not what it must be")
        # All pages, so that no fault is left for the hot path.
        pages = memoryview(self._map)[HEADER_BYTES:]
        pages[:] = bytes(len(pages))

    def writer(self) -> Callable[..., bool]:
        """record(stamp 0, … stamp 6, frame id, flags): False when the trace is full. Not one object
        that the garbage collector would count is made."""
        pack_into = struct.Struct("<7QiI").pack_into
        words, room, capacity = self._words, self._map, self.capacity
        offset = HEADER_BYTES
        count = 0

        def record(*values: int) -> bool:
            nonlocal offset, count
            if count == capacity:
                words[3] += 1
                return False
            pack_into(room, offset, *values)
            offset += RECORD_BYTES
            count += 1
            # In order for the runner, which reads after this role's message or its end.
            words[2] = count
            return True

        return record
