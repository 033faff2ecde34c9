"""Transport unix in Python: a stream socket, sent from wherever the frame lies.

The wire and the address are those of transports/stream.h and unix.c, so that the other side may be
in C. What a program would write: send() of a buffer without a copy, recv_into() memory made
before. Waits as in C on a descriptor: `spin` tries again and again, `poll:<us>` sleeps between
tries, `block` sleeps in poll(). With `spin` each try that finds nothing costs an exception, over
1 us: Python's socket module says it in no other way.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import socket
import struct
import time
from typing import Callable

from .edges import HEADER_BYTES, PAGE_BYTES, Address, ConsumerEdge, Place, ProducerEdge
from .errors import RoleError, system_error
from .setup import Setup
from .waits import Idle, idle_of, timed_out

UNIX_MAGIC = 0x78696E7566666E68  # "hnffunix"
# struct messages_address: magic, payload bytes, first sequence, slots, max_in_flight
ADDRESS_FORMAT = "<QQQII"
# Look for credits at the latest after so many frames, also where there is room.
FRAMES_PER_LOOK = 64
SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_MAP_POPULATE = 0x8000


def address_bytes(magic: int, setup: Setup) -> bytes:
    """What the address of such an edge begins with: messages_address_of."""
    return struct.pack(
        ADDRESS_FORMAT, magic, setup.payload_bytes, 0, setup.slots, setup.in_flight_max
    )


def address_refuse(setup: Setup) -> RoleError:
    """An address that is not this edge's: messages_address_check."""
    return RoleError(
        "corrupt",
        "transport %s: the address is not one of an edge of frames of %d bytes with %d slots"
        % (setup.transport, setup.payload_bytes, setup.slots),
        "give both sides the same configuration",
    )


def private_places(count: int, setup: Setup) -> tuple[mmap.mmap, list[Place]]:
    """Private memory for frames whose header lies right before its payload; touched."""
    stride = PAGE_BYTES + (setup.payload_bytes + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_POPULATE
    try:
        memory = mmap.mmap(-1, stride * count, flags=flags)
    except OSError:
        raise RoleError("no_memory", "no memory for %d frames" % count, "smaller frames") from None
    base = ctypes.addressof(ctypes.c_uint8.from_buffer(memory)) + PAGE_BYTES
    places = [
        Place(base + stride * i - HEADER_BYTES, base + stride * i, setup.payload_bytes)
        for i in range(count)
    ]
    return memory, places


def _hung_up(peer: str, moved: int, setup: Setup) -> RoleError:
    whole = HEADER_BYTES + setup.payload_bytes
    return RoleError(
        "peer_gone", "the %s hung up after %d of %d bytes of a frame" % (peer, moved, whole)
    )


def _broken(problem: OSError, doing: str) -> RoleError:
    return system_error(problem, "transport unix: " + doing)


class UnixProducer(ProducerEdge):
    """Sends frames, takes credits."""

    sends_source = True

    def __init__(self, setup: Setup, own: socket.socket, other: socket.socket) -> None:
        self._setup = setup
        self._socket = own
        self._other = other
        self._limit = setup.limit
        self._frame_bytes = HEADER_BYTES + setup.payload_bytes
        self._begun = self._ended = self._since_look = self._copied = 0
        self._reserved = False
        self._credits = bytearray(256)
        self._memory, self._places = private_places(1, setup)
        self._wait_credit: Idle = idle_of(setup.producer_wait, own.fileno(), select.POLLIN)
        self._wait_room: Idle = idle_of(setup.producer_wait, own.fileno(), select.POLLOUT)

    def address_sent(self) -> None:
        """See edges.py: while this process has that end, too, no death of the consumer is seen."""
        self._other.close()

    def reserve(self) -> int:
        """See edges.py."""
        if self._reserved:
            return 0
        if self._since_look >= FRAMES_PER_LOOK:
            self._take_credits()
        while self._begun - self._ended >= self._limit:
            self._take_credits()
            if self._begun - self._ended >= self._limit and not self._wait_credit(self.deadline_ns):
                raise timed_out("free slot")
        self._reserved = True
        return 0

    def place(self, slot: int) -> Place:
        """See edges.py: the staging slot."""
        return self._places[0]

    def commit(self, place: Place) -> None:
        """See edges.py."""
        left = place.whole
        assert left is not None
        send, wait, whole_bytes, moved = self._socket.send, self._wait_room, self._frame_bytes, 0
        while True:
            try:
                moved += send(left, SEND_FLAGS)
            except (BlockingIOError, InterruptedError):
                pass
            except (BrokenPipeError, ConnectionResetError):
                raise _hung_up("consumer", moved, self._setup) from None
            except OSError as problem:
                raise _broken(problem, "sending a frame") from None
            if moved == whole_bytes:
                break
            # Sent short means that the buffer is full: trying again at once would be a wasted call.
            if not wait(self.deadline_ns):
                raise timed_out("room to send")
            left = place.whole[moved:]  # type: ignore[index]
        self._copied += self._setup.payload_bytes
        self._reserved = False
        self._begun += 1
        self._since_look += 1

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return 0, self._copied

    def close(self) -> None:
        """See edges.py: what was sent can still be read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def _take_credits(self) -> None:
        self._since_look = 0
        try:
            count = self._socket.recv_into(self._credits, 256, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            count = 0
        except OSError as problem:
            raise _broken(problem, "receiving credits") from None
        if count == 0:
            raise _hung_up("consumer", 0, self._setup)
        self._ended += sum(self._credits[:count])
        if self._ended > self._begun:
            raise RoleError("corrupt", "transport unix: credits for more frames than were sent")


class UnixConsumer(ConsumerEdge):
    """Receives frames, gives credits."""

    def __init__(self, setup: Setup, own: socket.socket) -> None:
        self._setup = setup
        self._socket = own
        self._frame_bytes = HEADER_BYTES + setup.payload_bytes
        self._memory, places = private_places(1, setup)
        whole = places[0].whole
        assert whole is not None
        self._whole: memoryview = whole
        self._copied = self._owed = self._waiting_ns = self._seen_ns = 0
        self._wait: Idle = idle_of(setup.wait, own.fileno(), select.POLLIN)
        self._frame_id: Callable[..., tuple[int]] = struct.Struct("<i").unpack_from
        self._credits = [bytes([count]) for count in range(256)]
        self.header_buffer = self._memory
        self.header_offset = PAGE_BYTES - HEADER_BYTES
        self.offset = PAGE_BYTES
        # An mmap, as `slice` wants it; read-only for a user's function.
        self.buffer = self._memory
        if setup.read == "view" and setup.kernel != "invert":
            self.buffer = memoryview(self._memory).toreadonly()

    def acquire(self) -> int:
        """See edges.py. A frame cut off in the middle is no frame: nobody ever sees the half."""
        now, receive, wait = time.monotonic_ns, self._socket.recv_into, self._wait
        left, whole_bytes, moved = self._whole, self._frame_bytes, 0
        waiting = seen = now()
        if self._owed:
            self._send_credits()
        while True:
            try:
                count = receive(left, 0, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                count = -1
            except ConnectionResetError:
                count = 0
            except OSError as problem:
                raise _broken(problem, "receiving a frame") from None
            if count == 0:
                raise _hung_up("producer", moved, self._setup)
            if count > 0:
                moved += count
                if moved == whole_bytes:
                    break
                left = self._whole[moved:]
            if not wait(self.deadline_ns):
                raise timed_out("frame")
            # Where the try moves bytes there is no `handoff`: when it began matters more.
            if moved == 0:
                seen = now()
        self._waiting_ns, self._seen_ns = waiting, seen
        self._copied += self._setup.payload_bytes
        return self._frame_id(self._memory, PAGE_BYTES - 4)[0]

    def wait_stamps(self) -> tuple[int, int]:
        """See edges.py."""
        return self._waiting_ns, self._seen_ns

    def release(self) -> None:
        """See edges.py."""
        self._owed += 1
        self._send_credits()

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return 0, self._copied

    def close(self) -> None:
        """See edges.py."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send_credits(self) -> None:
        """Now or, where the way back is full, with a later call: the producer has so many unread
        ones then that it cannot be waiting for more. acquire says so when the producer has gone."""
        try:
            while self._owed:
                count = min(self._owed, 255)
                self._socket.send(self._credits[count], SEND_FLAGS)
                self._owed -= count
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._owed = 0


def create(setup: Setup) -> tuple[ProducerEdge, Address]:
    """See edges.py."""
    _check(setup)
    try:
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as problem:
        hint = "raise the limit of open files (ulimit -n)"
        raise system_error(problem, "transport unix: no socket pair", hint) from None
    return UnixProducer(setup, own, other), Address(
        address_bytes(UNIX_MAGIC, setup), [other.fileno()]
    )


def attach(setup: Setup, address: Address) -> ConsumerEdge:
    """See edges.py."""
    _check(setup)
    if address.data != address_bytes(UNIX_MAGIC, setup) or len(address.fds) != 1:
        for fd in address.fds:
            os.close(fd)
        raise address_refuse(setup)
    own = socket.socket(fileno=address.fds[0])
    if own.family != socket.AF_UNIX or own.type != socket.SOCK_STREAM:
        raise RoleError(
            "corrupt",
            "transport unix: the address's descriptor is not a connected stream socket",
            "give it an address that transport unix made",
        )
    return UnixConsumer(setup, own)


def _check(setup: Setup) -> None:
    if setup.policy != "block":
        raise RoleError(
            "not_applicable",
            "transport %s does not have policy latest" % setup.transport,
            "`handoff list transports` shows who has which",
        )
