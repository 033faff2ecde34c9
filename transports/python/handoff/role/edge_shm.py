"""Transport shm, by the C library: its verbs, its waits, with the interpreter lock let go of.

What a frame costs here on top of C: about four calls through ctypes, some 0.4 us each.
"""

from __future__ import annotations

import ctypes
import mmap
from struct import Struct
from typing import Any

from .. import _library
from . import _edge
from .edges import Address, ConsumerEdge, Place, ProducerEdge, memory_at
from .errors import RoleError
from .setup import Setup

_MAP_POPULATE = 0x8000


def _config(setup: Setup) -> _edge.EdgeConfig:
    return _edge.EdgeConfig(
        payload_bytes=setup.payload_bytes,
        slots=setup.slots,
        max_in_flight=setup.in_flight_max,
        max_held=1,
        policy=_edge.POLICIES[setup.policy],
        order=0,
        pages=_edge.PAGES[setup.pages],
        transport=setup.transport.encode(),
        wait=setup.wait.encode(),
        producer_wait=setup.producer_wait.encode(),
    )


class _Common:
    """One side of an edge of the library: its handle, and the structs that calls write into."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._waiting = _edge.waiting()
        self._quick = _edge.quick()
        self._error = _library.ErrorInfo()
        self._error_address = ctypes.addressof(self._error)
        self._frame = _edge.EdgeFrame()
        self._frame_address = ctypes.addressof(self._frame)
        self._handle = 0

    def _open(self, function: Any, address: _edge.EdgeAddress) -> None:
        handle = ctypes.c_void_p()
        config = _config(self._setup)
        arguments: list[Any] = [ctypes.addressof(config)]
        ends = [ctypes.addressof(address), ctypes.addressof(handle)]
        # create(config, edge, address), but attach(config, address, edge)
        arguments += ends if function is self._waiting.handoff_edge_attach else ends[::-1]
        status = function(*arguments, self._error_address)
        _edge.check(status, self._error)
        self._handle = handle.value or 0

    def _slot(self, slot: int) -> _edge.EdgeFrame:
        """Where a slot lies, whatever is in it."""
        status = self._quick.handoff_edge_slot(self._handle, slot, self._frame_address)
        if status:
            raise RoleError("system", "transport %s: no slot %d" % (self._setup.transport, slot))
        return self._frame

    def _counters(self) -> tuple[int, int]:
        skipped, copied = ctypes.c_uint64(), ctypes.c_uint64()
        self._quick.handoff_edge_counters(
            self._handle, ctypes.addressof(skipped), ctypes.addressof(copied)
        )
        return skipped.value, copied.value

    def _close(self) -> None:
        if self._handle:
            self._waiting.handoff_edge_hang_up(self._handle)
            self._waiting.handoff_edge_free(self._handle)
            self._handle = 0

    def _failed(self, status: int) -> None:
        _edge.check(status, self._error)


class ShmProducer(_Common, ProducerEdge):
    """Frames are written into slots that both sides map."""

    notifies = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._address = _edge.EdgeAddress()
        self._open(self._waiting.handoff_edge_create, self._address)
        self._places = [
            Place(lent.header, lent.pixels or 0, setup.payload_bytes)
            for lent in map(self._slot, range(setup.slots))
        ]
        self._reserve = self._waiting.handoff_edge_reserve
        self._commit = self._quick.handoff_edge_commit
        self._notify = self._quick.handoff_edge_notify

    def address(self) -> Address:
        """What the consumer needs."""
        made = self._address
        return Address(
            bytes(made.bytes[: made.byte_count]),
            list(made.fds[: made.fd_count]),
            (made.wait_fds[0], made.wait_fds[1]),
        )

    def reserve(self) -> int:
        """See edges.py."""
        status = self._reserve(
            self._handle, self.deadline_ns, self._frame_address, self._error_address
        )
        if status:
            self._failed(status)
        slot: int = self._frame.slot
        return slot

    def place(self, slot: int) -> Place:
        """See edges.py."""
        return self._places[slot]

    def commit(self, place: Place) -> None:
        """See edges.py."""
        status = self._commit(self._handle, self.deadline_ns, self._error_address)
        if status:
            self._failed(status)

    def notify(self) -> None:
        """See edges.py."""
        self._notify(self._handle)

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return self._counters()

    def close(self) -> None:
        """See edges.py."""
        self._close()


class ShmConsumer(_Common, ConsumerEdge):
    """Frames are read where the producer wrote them."""

    def __init__(self, setup: Setup, address: Address) -> None:
        super().__init__(setup)
        given = _edge.EdgeAddress()
        given.byte_count = len(address.data)
        given.fd_count = len(address.fds)
        given.wait_fds[:] = address.wait_fds
        given.fds[: len(address.fds)] = address.fds
        given.bytes[: len(address.data)] = address.data
        self._open(self._waiting.handoff_edge_attach, given)
        # With policy latest the producer never waits for a slot: there is nobody to tell.
        self.notifies = setup.policy != "latest"
        self._acquire = self._waiting.handoff_edge_acquire
        self._release = self._quick.handoff_edge_release
        self._notify = self._quick.handoff_edge_notify
        self._stamps = (ctypes.c_uint64 * 2)()
        self._stamps_address = ctypes.addressof(self._stamps)
        self._frame_id = Struct("<i").unpack_from
        # Which slot the acquired frame lies in.
        self.lent_slot = 0
        self._map_memory(setup)

    def slot_addresses(self, slot: int) -> tuple[int, int]:
        """Where a slot's pixels are for the CPU and for the GPU; 0: nowhere."""
        lent = self._slot(slot)
        return lent.pixels or 0, lent.device_pixels or 0

    def _map_memory(self, setup: Setup) -> None:
        """`view` and `tobytes` read the library's own mapping. `slice` and `struct` are what
        programs do with an mmap of their own: a second mapping of the same memory."""
        size = ctypes.c_uint64()
        base: int = self._waiting.handoff_edge_memory(self._handle, ctypes.addressof(size))
        self.memory = (base, size.value)
        self._header_offsets, self._offsets = [], []
        for slot in range(setup.slots):
            lent = self._slot(slot)
            self._header_offsets.append(lent.header - base)
            self._offsets.append((lent.pixels or base) - base)
        self.header_buffer = memory_at(base, size.value)
        self.buffer = self.header_buffer
        if setup.kernel != "invert":
            self.buffer = self.buffer.toreadonly()
        if setup.read in ("view", "tobytes") or not setup.payload_bytes:
            return
        fd = self._waiting.handoff_edge_segment_fd(self._handle)
        if fd < 0:
            raise RoleError(
                "not_applicable",
                "transport %s has no segment that Python could map" % setup.transport,
                "use read view",
            )
        with open(fd, "rb") as file:
            flags = mmap.MAP_SHARED | _MAP_POPULATE
            self.buffer = mmap.mmap(file.fileno(), size.value, flags=flags, prot=mmap.PROT_READ)

    def acquire(self) -> int:
        """See edges.py."""
        status = self._acquire(
            self._handle,
            self.deadline_ns,
            self._frame_address,
            self._stamps_address,
            self._error_address,
        )
        if status:
            self._failed(status)
        slot = self.lent_slot = self._frame.slot
        self.offset = self._offsets[slot]
        self.header_offset = header_offset = self._header_offsets[slot]
        frame_id: int = self._frame_id(self.header_buffer, header_offset + 20)[0]
        return frame_id

    def wait_stamps(self) -> tuple[int, int]:
        """See edges.py."""
        stamps = self._stamps
        return stamps[0], stamps[1]

    def release(self) -> None:
        """See edges.py."""
        status = self._release(self._handle, self.deadline_ns, self._error_address)
        if status:
            self._failed(status)

    def notify(self) -> None:
        """See edges.py."""
        self._notify(self._handle)

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return self._counters()

    def close(self) -> None:
        """See edges.py."""
        self._close()


def create(setup: Setup) -> tuple[ProducerEdge, Address]:
    """See edges.py."""
    edge = ShmProducer(setup)
    return edge, edge.address()


def attach(setup: Setup, address: Address) -> ConsumerEdge:
    """See edges.py."""
    return ShmConsumer(setup, address)
