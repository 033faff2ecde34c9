"""Writer: frames for another process, written as numpy arrays, without a copy."""

import ctypes
import operator
from types import TracebackType
from typing import Any, ClassVar, Optional, Tuple, Type

import numpy

from . import _library
from ._endpoint import OWN, Array, Endpoint, FrameShape, Handle, deadline, encoded
from ._errors import Invalid

SLOTS_MOST = 1024


class _WriterHandle(Handle):
    __slots__ = ()
    close_name = "handoff_writer_close"
    free_name = "handoff_writer_free"
    pixels_name = "handoff_writer_pixels"
    read_only = False


class Slot:
    """A slot to fill, from the begin of its `with` to the end, which publishes it as a frame.

    When the body raises, nothing is published, and the next frame is filled into the same slot.

    timestamp_ns: when the picture was taken, in nanoseconds of CLOCK_MONOTONIC, the clock of
    time.monotonic_ns(); yours to set, and where you do not, the time of publishing. sequence: how
    many frames were published before it. id: the same, modulo 2**31.
    """

    __slots__ = ("_array", "_timeout", "_writer", "id", "sequence", "timestamp_ns")

    def __init__(self, writer: "Writer", timeout: Optional[float]) -> None:
        self._writer = writer
        self._timeout = timeout
        self._array: Optional[Array] = None
        self.timestamp_ns = 0
        self.sequence = self.id = -1

    @property
    def array(self) -> Array:
        """The pixels to fill: an array (height, width, channels) of uint8, no copy.

        What an earlier frame left is still in it. Once the frame is published the array is the
        reader's: asking for it raises Invalid, and writing into one that was kept would change the
        picture under the reader's eyes.
        """
        if self._array is None:
            raise Invalid(
                "the array of a frame outside its `with`", "`with writer.frame() as frame:`"
            )
        return self._array

    def __enter__(self) -> "Slot":
        if self._array is not None:
            raise self._writer._nested()
        try:
            self._array = self._writer._reserve(self)
            return self
        except BaseException:
            # Ctrl-C may come when the slot is reserved already, and then no `with` ends it.
            self._array = None
            self._writer._abandon(self)
            raise

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._array = None
        self._writer._finish(self.timestamp_ns, kind is None)


class Writer(Endpoint):
    """Writes frames under a name, for one other process to read.

        with handoff.Writer("camera", (720, 1280, 3)) as writer:
            while True:
                with writer.frame() as frame:
                    camera.read_into(frame.array)

    The segment is the file /dev/shm/handoff.NAME, of mode 0600; close(), or the end of the `with`,
    takes the name away. A name that a dead process left behind is taken over.

    A Writer is for one thread at a time (close() may be any), and for the process that made it: not
    for a forked child.

    name: letters, digits, '.', '_' and '-'; None: a random one, as `name` tells. shape: (height,
    width, channels) of uint8, at most 256 MiB. slots: how many frames the segment holds, 1 to 1024.
    policy: "every": the reader gets all frames, in order, and frame() waits while all slots are
    taken, or nobody reads; "latest" (at least 3 slots): the reader gets the newest, and frame()
    never waits. wait: how both sides wait for each other, one of handoff.waits(). timeout: how many
    seconds each wait may last; None: no limit. Ctrl-C ends a wait within 100 ms, and other threads
    run meanwhile. reconnect: when the reader is gone, wait for the next one, instead of raising
    PeerGone.

    Raises Busy (a living process has the name), Denied (another user's file has it), NoMemory (the
    slots do not fit into /dev/shm), Invalid (an argument), Unavailable (no C library).
    """

    handle_type: ClassVar[Type[Handle]] = _WriterHandle

    def __init__(
        self,
        name: Optional[str],
        shape: Tuple[int, int, int],
        slots: int = 4,
        policy: str = "every",
        wait: str = "futex",
        timeout: Optional[float] = None,
        reconnect: bool = False,
    ) -> None:
        super().__init__(timeout)
        options = _options(shape, slots, policy, wait)
        self._shape: FrameShape = (options.height, options.width, options.channels)
        self._policy = policy
        self._reconnect = reconnect
        self._filling: Optional[Slot] = None
        library, quick = _library.load(), _library.load_quick()
        self._reserve_slow = library.handoff_writer_reserve
        self._reserve_quick = quick.handoff_writer_reserve
        self._commit = quick.handoff_writer_commit
        number = ctypes.c_void_p()
        try:
            status = library.handoff_writer_create(
                None if name is None else encoded(name, "name"),
                ctypes.addressof(options),
                ctypes.addressof(number),
                self._error_at,
            )
            self._check(status)
            address, number.value = number.value, None
            self._adopt(address or 0, options.slots, self._shape)
        finally:
            # Ctrl-C came in between.
            library.handoff_writer_free(number)
        given: bytes = library.handoff_writer_name(self._handle)
        self._name = given.decode()

    def frame(self, timeout: Optional[float] = OWN) -> Slot:
        """The next slot to fill, for a `with`, which publishes it at its end.

        timeout: seconds; 0 does not wait, None has no limit; by default the Writer's. The `with`
        raises Timeout while all slots are taken or nobody reads, and PeerGone when the reader that
        was there has closed or died: once for each reader; the next frame is for the next one. Also
        Corrupt (another has written into the segment), and Invalid once closed, in a forked child,
        within another frame, and while another thread is in it.
        """
        return Slot(self, self._timeout if timeout is OWN else timeout)

    def write(self, array: Array, timeout: Optional[float] = OWN, timestamp_ns: int = 0) -> None:
        """Copies an array of the Writer's shape, uint8, into a frame and publishes it.

        Waits and raises as frame(); timestamp_ns as there.
        """
        given = numpy.asarray(array)
        if given.shape != self._shape or given.dtype != numpy.uint8:
            raise Invalid(
                "an array of shape %r and type %s for frames of shape %r and type uint8"
                % (given.shape, given.dtype, self._shape),
                _remedy(given),
            )
        with self.frame(timeout) as frame:
            frame.timestamp_ns = timestamp_ns
            frame.array[...] = given

    def _reserve(self, slot: Slot) -> Array:
        deadline_ns = deadline(slot._timeout)
        self._enter()
        try:
            if self._filling is not None:
                raise self._nested()
            status = self._wait(self._reserve_quick, self._reserve_slow, deadline_ns)
            while status == _library.PEER_GONE and self._reconnect:
                status = self._wait(self._reserve_quick, self._reserve_slow, deadline_ns)
            self._check(status)
            self._filling = slot
            slot.id, slot.sequence = self._info.id, self._info.sequence
            array: Array = self._views[self._info.slot]
            return array
        finally:
            self._lock.release()

    def _nested(self) -> Invalid:
        return Invalid("a frame within a frame of %r" % self, "end the `with` of the one before")

    def _abandon(self, slot: Slot) -> None:
        if self._filling is slot:
            self._filling = None

    def _finish(self, timestamp_ns: int, publish: bool) -> None:
        self._filling = None
        if not publish:
            return
        self._enter()
        try:
            try:
                self._info.timestamp_ns = timestamp_ns
            except TypeError:
                raise Invalid(
                    "%r cannot be the timestamp_ns of a frame" % (timestamp_ns,),
                    "an int, as time.monotonic_ns() gives",
                ) from None
            self._check(self._commit(self._handle, self._info_at, self._error_at))
        finally:
            self._lock.release()

    @property
    def name(self) -> str:
        """The name it writes under."""
        return self._name

    @property
    def shape(self) -> FrameShape:
        """(height, width, channels) of the frames."""
        return self._shape

    @property
    def slots(self) -> int:
        """How many frames the segment holds."""
        return len(self._views)

    @property
    def policy(self) -> str:
        """Which frames the reader gets: "every" or "latest"."""
        return self._policy

    @property
    def skipped(self) -> int:
        """How many frames policy "latest" has replaced before a reader took them."""
        self._enter()
        try:
            count: int = _library.load_quick().handoff_writer_skipped(self._handle)
            return count
        finally:
            self._lock.release()

    @property
    def has_reader(self) -> bool:
        """Whether a living process has it open for reading; asks the system."""
        self._enter()
        try:
            return bool(_library.load_quick().handoff_writer_has_reader(self._handle))
        finally:
            self._lock.release()

    def __enter__(self) -> "Writer":
        return self

    def __repr__(self) -> str:
        return "handoff.Writer(%r)" % getattr(self, "_name", None)


def _remedy(array: "numpy.ndarray[Any, Any]") -> str:
    """What to do with an array that is no frame of the Writer's."""
    if array.dtype == numpy.uint8:
        return "bring it into the shape of the frames, or make another Writer for it"
    if array.ndim != 3 or array.dtype.kind not in "iufc":
        return "convert it to uint8 first"
    height, width, channels = array.shape
    return "convert it to uint8 first; or make a Writer of shape %r, and fill %s" % (
        (height, width, channels * array.dtype.itemsize),
        "frame.array.view(numpy.%s)" % array.dtype.name,
    )


def _options(
    shape: Tuple[int, int, int], slots: int, policy: str, wait: str
) -> _library.WriterOptions:
    """What the C library asks of an argument is checked there; here, what would not reach it, and
    what it would not name as a Python program does."""
    try:
        given = tuple(shape)
        height, width, channels = (int(length) for length in given)
        whole = (height, width, channels) == given
    except (OverflowError, TypeError, ValueError):
        whole = False
    if not whole:
        raise Invalid(
            "%r cannot be the shape of frames" % (shape,),
            "(height, width, channels), whole numbers",
        )
    if not isinstance(policy, str) or policy not in _library.POLICIES:
        raise Invalid("no policy is called %r" % (policy,), '"every" or "latest"')
    least = 3 if policy == "latest" else 1
    try:
        slots = operator.index(slots)
        fits = least <= slots <= SLOTS_MOST
    except TypeError:
        fits = False
    if not fits:
        raise Invalid(
            "%r slots with policy %r" % (slots, policy), "%d to %d slots" % (least, SLOTS_MOST)
        )
    most = 2**31 - 1
    if not all(0 < length <= most for length in (height, width, channels)):
        raise Invalid(
            "a shape of %r" % (shape,), "(height, width, channels), each from 1 to %d" % most
        )
    return _library.WriterOptions(
        size=ctypes.sizeof(_library.WriterOptions),
        width=width,
        height=height,
        channels=channels,
        slots=slots,
        policy=_library.POLICIES[policy],
        wait=encoded(wait, "wait"),
    )
