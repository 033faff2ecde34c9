"""What Writer and Reader share: the memory behind the arrays, who may call, how to wait.

Lifetimes. A numpy array of a frame keeps its slot alive (its base), the slot keeps the handle, and
the handle frees the C endpoint, which unmaps the memory, when nothing refers to it any more: an
array stays readable after close(), and after the Writer or Reader is gone.
"""

import ctypes
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, List, NoReturn, Optional, Set, Tuple, Type

try:
    import numpy
except ImportError as problem:
    from ._errors import Unavailable

    raise Unavailable(
        "handoff needs numpy: %s" % problem, "pip install numpy, or apt-get install python3-numpy"
    ) from None

from . import _library
from ._errors import Invalid

# How long a wait in the C library lasts at most before Python looks for signals (Ctrl-C) and for a
# close() in another thread.
SLICE_NS = 100_000_000
# Timeouts from here on, 31 years, have no end.
LONGEST_S = 1e9

FrameShape = Tuple[int, int, int]
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[numpy.uint8]
else:
    Array = numpy.ndarray


class _Own:
    """The default of read(), frame() and write(): the timeout of the Reader or Writer."""

    def __repr__(self) -> str:
        return "<its own>"


OWN: Any = _Own()


class Handle(int):
    """The address of a C endpoint; frees it when nothing refers to it any more.

    An int without attributes, because the cyclic garbage collector does not know such objects: of
    those it knows, and is about to drop, it calls __del__ in any order, so that one could still
    read an array whose memory another has unmapped. This one's turn comes when the last array is
    gone.
    """

    __slots__ = ()
    free_name: ClassVar[str]
    close_name: ClassVar[str]
    pixels_name: ClassVar[str]
    read_only: ClassVar[bool]
    # Those of this process: a forked child has the numbers, but not what they stand for.
    alive: ClassVar[Set[int]] = set()

    def adopt(self) -> None:
        """Becomes responsible for the C endpoint."""
        self.alive.add(int(self))

    def close(self) -> None:
        """Closes the C endpoint; its memory stays mapped. Does nothing in a forked child."""
        if int(self) in self.alive:
            getattr(_library.load_quick(), self.close_name)(int(self))

    def view(self, slot: int, shape: FrameShape) -> Array:
        """An array over a slot's pixels, without a copy; keeps the memory mapped."""
        address: int = getattr(_library.load_quick(), self.pixels_name)(int(self), slot)
        return numpy.asarray(_Slot(self, address, shape, self.read_only))

    def __del__(self) -> None:
        number = int(self)
        if number in self.alive:
            self.alive.discard(number)
            getattr(_library.load_quick(), self.free_name)(number)


class Fork:
    """Counts how many forks this process is away from the one that imported the package."""

    count = 0


def _after_fork() -> None:
    Fork.count += 1
    Handle.alive.clear()


os.register_at_fork(after_in_child=_after_fork)


class _Slot:
    """A slot's pixels as numpy asks for them."""

    def __init__(self, handle: Handle, address: int, shape: FrameShape, read_only: bool) -> None:
        self.handle = handle
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": shape,
            "data": (address, read_only),
        }


def deadline(timeout: Optional[float]) -> int:
    """When a timeout in seconds, or None for never, ends: nanoseconds of CLOCK_MONOTONIC."""
    if timeout is None:
        return _library.FOREVER_NS
    try:
        # A timeout may be what is left of a longer one, and then be below 0.
        if timeout < LONGEST_S:
            return time.monotonic_ns() + int(max(timeout, 0) * 1e9)
        if timeout == timeout:
            return _library.FOREVER_NS
    except TypeError:
        pass
    raise Invalid("%r cannot be a timeout" % (timeout,), "seconds, or None to wait for ever")


def encoded(text: str, what: str) -> bytes:
    """As the C library takes it; what it would not see all of, or not at all, is Invalid."""
    if not isinstance(text, str) or "\0" in text:
        raise Invalid("%r cannot be the %s of a segment" % (text, what), "a string without NUL")
    return text.encode("utf-8", "replace")


class Endpoint:
    """One side of a segment: an owner, one thread at a time, closed once."""

    handle_type: ClassVar[Type[Handle]]

    def __init__(self, timeout: Optional[float]) -> None:
        deadline(timeout)
        self._timeout = timeout
        self._forks = Fork.count
        # Reentrant for a signal handler that calls close().
        self._lock = threading.RLock()
        self._closed = False
        self._error = _library.ErrorInfo()
        self._error_at = ctypes.addressof(self._error)
        self._info = _library.FrameInfo()
        self._info_at = ctypes.addressof(self._info)
        self._views: List[Array] = []
        # Changes when a frame is taken and when it is given back: a Frame knows its own.
        self._ticket = 0

    def _adopt(self, number: int, slots: int, shape: FrameShape) -> None:
        """Takes over a C endpoint, and makes the views of all of its slots."""
        self._handle = self.handle_type(number)
        self._handle.adopt()
        self._views = [self._handle.view(slot, shape) for slot in range(slots)]
        # Also at the interpreter's exit, where nobody closed it.
        self._finalizer = weakref.finalize(self, self._handle.close)

    def _enter(self) -> None:
        """Begins a call; _lock.release() ends it. Raises Invalid where the caller may not."""
        if self._forks != Fork.count:
            raise Invalid(
                "%r belongs to the process that made it, and this one was forked from it" % self,
                "make it after the fork, in the process that uses it",
            )
        if not self._lock.acquire(False):
            raise Invalid(
                "%r is in use by another thread" % self, "one thread at a time; close() may be any"
            )
        if self._closed:
            self._lock.release()
            raise Invalid("%r is closed" % self, "make another, or close it later")

    def _wait(self, quick: Any, slow: Any, deadline_ns: int) -> int:
        """Reserves or acquires: first without waiting, then in slices, the interpreter unlocked."""
        handle, info, error = self._handle, self._info_at, self._error_at
        status: int = quick(handle, 0, info, error)
        while status == _library.TIMEOUT:
            now = time.monotonic_ns()
            if now >= deadline_ns:
                break
            status = slow(handle, min(deadline_ns, now + SLICE_NS), info, error)
            if self._closed and status == _library.TIMEOUT:
                raise self._closed_in_wait()
        return status

    def _closed_in_wait(self) -> Invalid:
        return Invalid("%r was closed while it waited" % self, "another thread called close()")

    def _check(self, status: int) -> None:
        _library.check(status, self._error)

    def close(self) -> None:
        """Closes this side. Arrays stay readable; closing again does nothing.

        May be called by any thread: a call that waits in another one ends within 100 ms with
        Invalid. In a forked child it does nothing.
        """
        self._closed = True
        if self._forks == Fork.count:
            with self._lock:
                self._ticket += 1
                self._finalizer()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise Invalid(
            "%r cannot be sent to another process" % self,
            "send its name, and open it in the process that uses it",
        )
