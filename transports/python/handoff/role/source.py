"""The frames of the source: random content that both roles know, tags and headers of each frame.

As harness/run/source_frames.c: the producer rotates through buffers, whose content is that of four
pictures; the bytes come from the library, so that both roles have the same.
"""

from __future__ import annotations

import ctypes
import mmap
from array import array
from struct import Struct

from .. import _library
from . import _edge
from .edges import HEADER_BYTES, HEADER_FORMAT, PAGE_BYTES, Place, ProducerEdge
from .errors import RoleError
from .setup import Setup

# Different pictures: frame `id` has picture id modulo this (CELL_SOURCE_FRAMES).
PICTURES = 4
_MAP_POPULATE = 0x8000


class Source:
    """The buffers, each a Place whose header lies right before its payload."""

    def __init__(self, setup: Setup, edge: ProducerEdge) -> None:
        needed = setup.slots + 1 if edge.borrows_source else PICTURES
        count = (needed + PICTURES - 1) // PICTURES * PICTURES
        pages = (setup.payload_bytes + PAGE_BYTES - 1) // PAGE_BYTES
        stride = PAGE_BYTES + pages * PAGE_BYTES
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_POPULATE
        try:
            self._memory = mmap.mmap(-1, stride * count, flags=flags)
        except OSError:
            raise RoleError(
                "no_memory", "no memory for %d source frames" % count, "use smaller frames"
            ) from None
        base = ctypes.addressof(ctypes.c_uint8.from_buffer(self._memory))
        self.places: list[Place] = []
        library = _edge.quick()
        for index in range(count):
            pixels = base + stride * index + PAGE_BYTES
            self.places.append(Place(pixels - HEADER_BYTES, pixels, setup.payload_bytes))
            if setup.payload_bytes:
                library.handoff_source_fill(
                    pixels, setup.payload_bytes, setup.seed, index % PICTURES
                )
        self._payload_bytes = setup.payload_bytes
        self._shape = (setup.width, setup.height, setup.channels)
        self._pack_into = Struct(HEADER_FORMAT).pack_into
        self._tags_write = library.handoff_frame_tags_write

    def prepare(self, place: Place, frame_id: int) -> None:
        """Makes a buffer that frame: its header, and its tags."""
        width, height, channels = self._shape
        self._pack_into(place.header, 0, 0, width, height, channels, frame_id)
        if self._payload_bytes:
            self._tags_write(place.pixels_address, self._payload_bytes, frame_id)


def checksums(setup: Setup) -> list[int]:
    """Of the four pictures, without tags."""
    library = _edge.quick()
    room = mmap.mmap(-1, setup.payload_bytes)
    held = ctypes.c_uint8.from_buffer(room)
    address = ctypes.addressof(held)
    sums = []
    for index in range(PICTURES):
        library.handoff_source_fill(address, setup.payload_bytes, setup.seed, index)
        sums.append(int(library.handoff_frame_checksum(address, setup.payload_bytes)))
    del held
    room.close()
    return sums


def schedule(setup: Setup) -> array[int]:
    """When each frame falls due, in ns from the start."""
    offsets = array("Q", bytes(8 * setup.total))
    error = _library.ErrorInfo()
    address, _ = offsets.buffer_info()
    status = _edge.quick().handoff_schedule(
        setup.pacing.encode(),
        setup.phase.encode(),
        setup.total,
        setup.seed,
        address,
        ctypes.addressof(error),
    )
    _edge.check(status, error)
    return offsets
