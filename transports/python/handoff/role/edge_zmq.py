"""Transports zmq_ipc and zmq_tcp in Python, by pyzmq: PUSH to PULL for frames, PUSH to PULL back
for credits; messages, addresses and passwords as in transports/zmq_link.c, zmq_open.c and
zmq_gate.c, which tell why.

What a program would write that wants no copies: send(copy=False), recv(copy=False). pyzmq copies
what it sends all the same up to 64 KiB; above that a thread of its own is told of each message that
was sent, which costs a wake-up. Waits: `spin` tries again and again (an exception each time),
`poll:<us>` sleeps between tries, `block` is zmq_poll, `native` the blocking receive.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import struct
import threading
import time
from typing import Any, Callable

import zmq

from .edge_unix import address_bytes, address_refuse, private_places
from .edges import HEADER_BYTES, Address, ConsumerEdge, Place, ProducerEdge
from .errors import RoleError
from .setup import Setup
from .waits import Idle, idle_of, timed_out

MAGICS = {"zmq_ipc": 0x637069716D7A6668, "zmq_tcp": 0x706374716D7A6668}
# The two connections, by their ZAP domains.
FRAMES, CREDITS = range(2)
DOMAINS = (b"frames", b"credits")
# struct zmq_link_address behind struct messages_address: two endpoints, the token in hexadecimal.
TAIL_FORMAT = "<128s128s65s7x"
TOKEN_BYTES = 32

GOODBYE = bytes(4)
CREDIT_BYTES = 4
SLOTS_MAX = 64
# libzmq's batch, and what of its first one is not payload of a large frame.
BATCH_BYTES = 8192
BATCH_OVERHEAD_BYTES = 2 + HEADER_BYTES + 9
# Up to here pyzmq copies what it is asked not to copy (zmq.COPY_THRESHOLD).
COPIED_MAX_BYTES = 65536
HANDSHAKE_BYTES = 1024
LINGER_MS = 1000
CONNECT_MS = 10000
RECONNECT_MS = 3600000
GOODBYE_TRIES = 500

EVENT_CONNECT_RETRIED = 0x0004
EVENT_DISCONNECTED = 0x0200
EVENT_HANDSHAKE_SUCCEEDED = 0x1000
EVENTS = EVENT_CONNECT_RETRIED | EVENT_DISCONNECTED | 0x0800 | EVENT_HANDSHAKE_SUCCEEDED
EVENTS |= 0x2000 | 0x4000  # a handshake that failed, by the protocol or by the password


def batched_bytes(payload_bytes: int) -> int:
    """Of a large frame, what passes through libzmq's batch."""
    first = BATCH_BYTES - BATCH_OVERHEAD_BYTES
    return payload_bytes if payload_bytes < first + BATCH_BYTES else first


def _failed(setup: Setup, doing: str, problem: zmq.ZMQError) -> RoleError:
    return RoleError("system", "transport %s: %s: %s" % (setup.transport, doing, problem))


class _Gate(threading.Thread):
    """Lets in one peer for each way that knows the token; ends when both are there."""

    def __init__(self, context: zmq.Context[Any], token: str) -> None:
        super().__init__(name="handoff-gate", daemon=True)
        self._token = token.encode()
        self._socket = context.socket(zmq.REP)
        self._socket.bind("inproc://zeromq.zap.01")
        self._admitted: set[bytes] = set()

    def run(self) -> None:
        """Answers libzmq's questions (RFC 27, ZAP)."""
        try:
            while len(self._admitted) < len(DOMAINS):
                parts = self._socket.recv_multipart()
                code = b"200" if self._admits(parts) else b"400"
                request = parts[1] if len(parts) > 1 else b""
                self._socket.send_multipart([b"1.0", request, code, b"", b"", b""])
        except zmq.ZMQError:
            pass  # the context ends
        self._socket.close(LINGER_MS)

    def _admits(self, parts: list[bytes]) -> bool:
        if len(parts) != 8 or parts[5] != b"PLAIN":
            return False
        if not hmac.compare_digest(parts[7], self._token):
            return False
        domain = parts[2]
        if domain not in DOMAINS or domain in self._admitted:
            return False
        self._admitted.add(domain)
        return True


class _Link:
    """A context and its two sockets."""

    def __init__(self, setup: Setup, producing: bool) -> None:
        self.setup = setup
        self.lingers = producing
        self.context: zmq.Context[Any] = zmq.Context()
        self.sockets: list[zmq.Socket[Any]] = []
        self.whole = HEADER_BYTES + setup.payload_bytes <= BATCH_BYTES
        self.copied = 0
        for way in (FRAMES, CREDITS):
            pushes = producing == (way == FRAMES)
            own = self.context.socket(zmq.PUSH if pushes else zmq.PULL)
            self.sockets.append(own)
            wanted = CREDIT_BYTES if way == CREDITS else setup.payload_bytes + HEADER_BYTES
            own.setsockopt(zmq.MAXMSGSIZE, max(wanted, HANDSHAKE_BYTES))
            if pushes:
                own.setsockopt(zmq.SNDHWM, 0)
                own.setsockopt(zmq.IMMEDIATE, 1)
            own.setsockopt(zmq.LINGER, 0)
            own.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)

    def close(self) -> None:
        """What was sent lingers for as long as somebody may still take it."""
        for own in self.sockets:
            own.close(LINGER_MS if self.lingers else 0)
        self.context.term()

    def idle_of(self, wait: str, own: zmq.Socket[Any]) -> Idle:
        """The wait on a socket; `native` is the caller's."""
        if wait != "block":
            return idle_of(wait, -1, 0)
        poll, now = own.poll, time.monotonic_ns

        def idle(deadline_ns: int) -> bool:
            left_ns = deadline_ns - now()
            if left_ns <= 0:
                return False
            poll(min(left_ns // 1000000 + 1, 1000000000))
            return True

        return idle


class _Receiver:
    """Takes messages off a socket, and waits for them: take() is None where there is none."""

    def __init__(self, link: _Link, way: int, wait: str) -> None:
        self._link = link
        self._socket = link.sockets[way]
        self._recv = self._socket.recv
        self._peeked: Any = None
        self.idle = self._native if wait == "native" else link.idle_of(wait, self._socket)

    def take(self) -> Any:
        """The next part, as a zmq.Frame over libzmq's own memory."""
        if self._peeked is not None:
            peeked, self._peeked = self._peeked, None
            return peeked
        try:
            return self._recv(zmq.NOBLOCK, False)
        except zmq.Again:
            return None
        except zmq.ZMQError as problem:
            raise _failed(self._link.setup, "receiving", problem) from None

    def _native(self, deadline_ns: int) -> bool:
        """The blocking receive; what it brings is kept for the next take()."""
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns <= 0:
            return False
        self._socket.setsockopt(zmq.RCVTIMEO, min(left_ns // 1000000 + 1, 1000000000))
        try:
            self._peeked = self._recv(0, False)
        except zmq.Again:
            return False
        except zmq.ZMQError as problem:
            raise _failed(self._link.setup, "receiving", problem) from None
        return True


class ZmqProducer(ProducerEdge):
    """Sends frames, takes credits."""

    sends_source = True
    borrows_source = True

    def __init__(self, setup: Setup, link: _Link) -> None:
        self._setup = setup
        self._link = link
        self._limit = setup.limit
        self._begun = self._ended = 0
        self._connected = self._gone = False
        self._credits = _Receiver(link, CREDITS, setup.producer_wait)
        self._send = link.sockets[FRAMES].send
        self._memory, self._places = private_places(setup.slots, setup)
        payload_bytes = setup.payload_bytes
        # Into the kernel, and what libzmq copies to its batch first; and pyzmq's own copy.
        self._copied_each = payload_bytes + batched_bytes(payload_bytes)
        if payload_bytes <= COPIED_MAX_BYTES:
            self._copied_each += payload_bytes
        else:
            # Its thread begins to run before the clock does.
            zmq.Frame(bytes(2 * COPIED_MAX_BYTES), track=False, copy=False)

    def reserve(self) -> int:
        """See edges.py."""
        while self._begun - self._ended >= self._limit:
            if not self._take_credit() and not self._credits.idle(self.deadline_ns):
                raise timed_out("free slot")
        return self._begun % self._setup.slots

    def place(self, slot: int) -> Place:
        """See edges.py."""
        return self._places[slot]

    def commit(self, place: Place) -> None:
        """See edges.py. A frame that fits in libzmq's batch goes as one part, a larger one as two:
        header and payload, of which the payload stays lent until it is released."""
        if self._link.whole:
            self._push(place.whole, zmq.NOBLOCK, True)
        else:
            self._push(place.header, zmq.NOBLOCK | zmq.SNDMORE, True)
            self._push(place.payload, zmq.NOBLOCK, False)
        self._connected = True
        self._link.copied += self._copied_each
        self._begun += 1

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return 0, self._link.copied

    def close(self) -> None:
        """See edges.py: says goodbye, and lets what was sent leave."""
        try:
            if not self._gone:
                self._send(GOODBYE, zmq.NOBLOCK)
        except zmq.ZMQError:
            pass
        self._link.close()

    def _push(self, data: Any, flags: int, copy: bool) -> None:
        while True:
            try:
                self._send(data, flags, copy, False)
                return
            except zmq.Again:
                self._await_peer()
            except zmq.ZMQError as problem:
                raise _failed(self._setup, "sending", problem) from None

    def _await_peer(self) -> None:
        """A PUSH without a high-water mark refuses only when it has no peer: none any more, or none
        yet."""
        events = self._link.sockets[FRAMES].getsockopt(zmq.EVENTS)
        if int(events) & zmq.POLLOUT:
            return
        if not self._connected and not self._take_credit():
            if time.monotonic_ns() > self.deadline_ns:
                raise timed_out("room to send")
            time.sleep(0.001)
            return
        raise self._peer_gone("the consumer's connection is gone")

    def _peer_gone(self, what: str) -> RoleError:
        self._gone = True
        self._link.lingers = False
        return RoleError("peer_gone", "transport %s: %s" % (self._setup.transport, what))

    def _take_credit(self) -> bool:
        """One credit message, if there is one."""
        message = self._credits.take()
        if message is None:
            return False
        data = message.bytes
        if len(data) != CREDIT_BYTES or message.more:
            what = "a credit message of %d bytes" % len(data)
            raise RoleError("corrupt", "transport %s: %s" % (self._setup.transport, what))
        credit = int.from_bytes(data, "little")
        if credit == 0:
            raise self._peer_gone("the consumer hung up after %d frames" % self._ended)
        self._ended += credit
        if self._ended > self._begun:
            what = "transport %s: credits for more frames than were sent" % self._setup.transport
            raise RoleError("corrupt", what)
        return True


class ZmqConsumer(ConsumerEdge):
    """Receives frames, gives credits."""

    def __init__(self, setup: Setup, link: _Link) -> None:
        self._setup = setup
        self._link = link
        self._frames = _Receiver(link, FRAMES, setup.wait)
        self._send = link.sockets[CREDITS].send
        self._one = (1).to_bytes(CREDIT_BYTES, "little")
        self._waiting_ns = self._seen_ns = self._taken = 0
        self._frame_id: Callable[..., tuple[int]] = struct.Struct("<i").unpack_from
        self._copied_each = setup.payload_bytes
        if not link.whole:
            self._copied_each += batched_bytes(setup.payload_bytes)

    def acquire(self) -> int:
        """See edges.py."""
        now, take, idle = time.monotonic_ns, self._frames.take, self._frames.idle
        waiting = seen = now()
        message = take()
        while message is None:
            if not idle(self.deadline_ns):
                raise timed_out("frame")
            # Where the try moves bytes there is no `handoff`: when it began matters more.
            seen = now()
            message = take()
        self._waiting_ns, self._seen_ns = waiting, seen
        self.header_buffer = header = message.buffer
        if self._link.whole:
            payload, self.offset = message, HEADER_BYTES
        else:
            payload, self.offset = take() if message.more else None, 0
        wanted = self._setup.payload_bytes
        if payload is None or len(payload) - self.offset != wanted or payload.more:
            raise self._garbage(message)
        if len(header) < HEADER_BYTES:
            raise self._garbage(message)
        self.buffer = payload.buffer
        self._link.copied += self._copied_each
        self._taken += 1
        return self._frame_id(header, 20)[0]

    def wait_stamps(self) -> tuple[int, int]:
        """See edges.py."""
        return self._waiting_ns, self._seen_ns

    def release(self) -> None:
        """See edges.py: libzmq's memory goes back, too."""
        self.buffer = self.header_buffer = None
        try:
            self._send(self._one, zmq.NOBLOCK)
        except zmq.Again:
            pass  # the producer has gone: acquire, or the runner, says so
        except zmq.ZMQError as problem:
            raise _failed(self._setup, "sending a credit", problem) from None

    def counters(self) -> tuple[int, int]:
        """See edges.py."""
        return 0, self._link.copied

    def close(self) -> None:
        """See edges.py."""
        self.buffer = self.header_buffer = None
        with contextlib.suppress(zmq.ZMQError):
            self._send(GOODBYE, zmq.NOBLOCK)
        self._link.lingers = True
        self._link.close()

    def _garbage(self, message: Any) -> RoleError:
        name = self._setup.transport
        if not message.more and message.bytes == GOODBYE:
            what = "the producer hung up after %d frames" % self._taken
            return RoleError("peer_gone", "transport %s: %s" % (name, what))
        what = "a message that is no frame, its first part of %d bytes" % len(message)
        return RoleError("corrupt", "transport %s: %s" % (name, what))


def create(setup: Setup) -> tuple[ProducerEdge, Address]:
    """See edges.py."""
    _check(setup)
    link = _Link(setup, True)
    token = os.urandom(TOKEN_BYTES).hex()
    try:
        _Gate(link.context, token).start()
        endpoints = [_bind(link, way) for way in (FRAMES, CREDITS)]
    except zmq.ZMQError as problem:
        raise _failed(setup, "listening", problem) from None
    tail = struct.pack(TAIL_FORMAT, endpoints[FRAMES], endpoints[CREDITS], token.encode())
    data = address_bytes(MAGICS[setup.transport], setup) + tail
    return ZmqProducer(setup, link), Address(data, [])


def _bind(link: _Link, way: int) -> bytes:
    """Listens on one way, for one peer of this user that knows the token."""
    own, ipc = link.sockets[way], link.setup.transport == "zmq_ipc"
    own.setsockopt(zmq.PLAIN_SERVER, 1)
    own.setsockopt(zmq.ZAP_DOMAIN, DOMAINS[way])
    if ipc:
        if hasattr(zmq, "IPC_FILTER_UID"):
            own.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
        name = "ipc://@handoff-" + os.urandom(16).hex()
        own.bind(name)
        return name.encode()
    own.bind("tcp://127.0.0.1:*")
    endpoint: bytes = own.getsockopt(zmq.LAST_ENDPOINT)  # type: ignore[assignment]
    return endpoint.rstrip(b"\0")


def attach(setup: Setup, address: Address) -> ConsumerEdge:
    """See edges.py. Waits until both connections stand, ten seconds at most."""
    _check(setup)
    head = address_bytes(MAGICS[setup.transport], setup)
    for fd in address.fds:
        os.close(fd)
    if (
        address.fds
        or len(address.data) != len(head) + struct.calcsize(TAIL_FORMAT)
        or not address.data.startswith(head)
    ):
        raise address_refuse(setup)
    *endpoints, token = struct.unpack(TAIL_FORMAT, address.data[len(head) :])
    link = _Link(setup, False)
    for way in (FRAMES, CREDITS):
        endpoint = endpoints[way].rstrip(b"\0").decode("ascii", "replace")
        _connect(link, way, endpoint, token.rstrip(b"\0"))
    return ZmqConsumer(setup, link)


def _connect(link: _Link, way: int, endpoint: str, token: bytes) -> None:
    """Connects one way and waits until the other side has let it in."""
    own, name = link.sockets[way], link.setup.transport
    own.setsockopt(zmq.PLAIN_USERNAME, b"handoff")
    own.setsockopt(zmq.PLAIN_PASSWORD, token)
    monitor = own.get_monitor_socket(EVENTS)
    try:
        own.connect(endpoint)
        if not monitor.poll(CONNECT_MS):
            raise RoleError(
                "system",
                "transport %s: %s did not answer within %d s"
                % (name, endpoint, CONNECT_MS // 1000),
                "is the producer stopped, or a firewall in between?",
            )
        event = struct.unpack_from("=H", monitor.recv_multipart()[0])[0]
    except zmq.ZMQError as problem:
        raise RoleError(
            "corrupt",
            "transport %s: cannot connect to %s: %s" % (name, endpoint, problem),
            "give it an address that the transport made",
        ) from None
    finally:
        own.disable_monitor()
        monitor.close(0)
    if event == EVENT_CONNECT_RETRIED:
        raise RoleError(
            "system",
            "transport %s: nobody listens on %s" % (name, endpoint),
            "is the producer still there?",
        )
    if event != EVENT_HANDSHAKE_SUCCEEDED:
        raise RoleError(
            "corrupt",
            "transport %s: %s did not let this consumer in" % (name, endpoint),
            "each address lets one consumer in, once",
        )


def _check(setup: Setup) -> None:
    if setup.policy != "block":
        raise RoleError(
            "not_applicable",
            "transport %s does not have policy latest" % setup.transport,
            "`handoff list transports` shows who has which",
        )
    if setup.slots > SLOTS_MAX:
        raise RoleError(
            "invalid",
            "transport %s has 1 to %d slots, not %d" % (setup.transport, SLOTS_MAX, setup.slots),
        )
