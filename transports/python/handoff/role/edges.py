"""Which edge a transport is, and what every edge gives the hot path.

The verbs wait by themselves (run/wait_loop.h in C). `deadline_ns` is set once, before the first
frame.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from .control import Message
from .errors import RoleError
from .setup import MISMATCH, Setup

if TYPE_CHECKING:
    import numpy.typing

    Pixels = numpy.typing.NDArray[numpy.uint8]

FOREVER_NS = 2**64 - 1
HEADER_BYTES = 24
HEADER_FORMAT = "<qiiii"
PAGE_BYTES = 4096
# Bytes of an address, and its descriptors, as the control socket carries them at most.
ADDRESS_BYTES_MAX = 4096


class Address(NamedTuple):
    """An edge's address: opaque bytes, the transport's descriptors, and the waits' by direction
    (handoff_edge.h; -1: none)."""

    data: bytes
    fds: list[int]
    wait_fds: tuple[int, int] = (-1, -1)


def address_to_message(address: Address) -> tuple[Message, list[int]]:
    """As role_address_to_json: first the transport's descriptors, then the waits'."""
    waits = [fd for fd in address.wait_fds if fd >= 0]
    message = {
        "type": "address",
        "bytes": address.data.hex(),
        "wait_fds": [fd >= 0 for fd in address.wait_fds],
    }
    return message, list(address.fds) + waits


def address_from_message(message: Message, fds: list[int]) -> Address:
    """The inverse; the descriptors become the address's."""
    waits = message.get("wait_fds")
    flags = [value is True for value in waits] if isinstance(waits, list) else []
    flags = ([*flags, False, False])[:2]
    data: bytes | None = None
    with contextlib.suppress(KeyError, ValueError, TypeError):
        data = bytes.fromhex(message["bytes"])
    left = list(fds)
    if data is None or len(data) > ADDRESS_BYTES_MAX or len(left) < sum(flags):
        raise RoleError("corrupt", "control message: not the address of an edge", MISMATCH)
    own = [left.pop(0) for _ in range(len(left) - sum(flags))]
    first, second = (left.pop(0) if flag else -1 for flag in flags)
    return Address(data, own, (first, second))


class Place:
    """Where a frame lies in this process's memory, seen in the ways that the hot path needs."""

    def __init__(self, header_address: int, pixels_address: int, payload_bytes: int) -> None:
        self.header = memory_at(header_address, HEADER_BYTES)
        self.timestamp = self.header.cast("q")
        self.pixels_address = pixels_address
        self.pixels: Any = None
        self.payload = memory_at(pixels_address, payload_bytes) if payload_bytes else None
        if self.payload is not None:
            self.pixels = numpy.frombuffer(self.payload, numpy.uint8)
        # Header and payload as one piece, where one lies right behind the other.
        self.whole: memoryview | None = None
        if header_address + HEADER_BYTES == pixels_address:
            self.whole = memory_at(header_address, HEADER_BYTES + payload_bytes)


def memory_at(address: int, size: int) -> memoryview:
    """The bytes at an address, which must stay mapped for as long as they are used."""
    return memoryview((ctypes.c_uint8 * size).from_address(address)).cast("B")


class ProducerEdge:
    """The producer's side."""

    # Commit takes the frame from wherever it lies; reserve lends no slot that must be filled.
    sends_source = False
    # The other role must be woken after a commit.
    notifies = False
    # Source buffers that must stay as they are until their frame has been released.
    borrows_source = False
    deadline_ns = FOREVER_NS

    def address_sent(self) -> None:
        """The runner has the address: lets go of what is the consumer's alone."""

    def reserve(self) -> int:
        """Waits for a free slot; which one. Again before a commit: the same."""
        raise NotImplementedError

    def place(self, slot: int) -> Place:
        """The slot that reserve named."""
        raise NotImplementedError

    def commit(self, place: Place) -> None:
        """Hands the frame over that lies there."""
        raise NotImplementedError

    def notify(self) -> None:
        """Wakes the consumer, where `notifies`."""

    def counters(self) -> tuple[int, int]:
        """Skipped frames, copied bytes."""
        return 0, 0

    def close(self) -> None:
        """Hangs up and frees."""


class ConsumerEdge:
    """The consumer's side. After acquire: where the frame lies."""

    # The other role must be woken after a release.
    notifies = False
    deadline_ns = FOREVER_NS
    # The payload of the acquired frame begins at `offset` of `buffer`; its header likewise.
    buffer: Any = None
    offset = 0
    header_buffer: Any = None
    header_offset = 0

    def acquire(self) -> int:
        """Waits for a frame; its id, read from its header."""
        raise NotImplementedError

    def wait_stamps(self) -> tuple[int, int]:
        """When the last acquire began to wait, and when its wait returned with news."""
        raise NotImplementedError

    def release(self) -> None:
        """Gives it back."""
        raise NotImplementedError

    def notify(self) -> None:
        """Wakes the producer, where `notifies`."""

    def counters(self) -> tuple[int, int]:
        """Skipped frames, copied bytes."""
        return 0, 0

    def close(self) -> None:
        """Hangs up and frees."""


# The module of each transport, imported only for its own cells: pyzmq need not be there for others.
MODULES: dict[str, str] = {
    "shm": "edge_shm",
    "cuda_ipc": "edge_shm",
    "cuda_vmm": "edge_shm",
    "cuda_pool": "edge_shm",
    "unix": "edge_unix",
    "zmq_ipc": "edge_zmq",
    "zmq_tcp": "edge_zmq",
}


def _module(setup: Setup) -> Any:
    name = MODULES.get(setup.transport)
    if name is None:
        raise RoleError(
            "not_applicable",
            "a Python role does not have transport %s" % setup.transport,
            "it has " + ", ".join(sorted(MODULES)),
        )
    return importlib.import_module("." + name, __package__)


def create(setup: Setup) -> tuple[ProducerEdge, Address]:
    """The producer's side and the address for the consumer, whose descriptors stay the edge's."""
    made: tuple[ProducerEdge, Address] = _module(setup).create(setup)
    return made


def attach(setup: Setup, address: Address) -> ConsumerEdge:
    """The consumer's side; takes over the address's descriptors."""
    made: ConsumerEdge = _module(setup).attach(setup, address)
    return made
