"""Reader: frames that another process writes, as numpy arrays, without a copy."""

import contextlib
import ctypes
import time
from typing import Any, ClassVar, Iterator, Optional, Type

from . import _library
from ._device import DeviceSlots
from ._endpoint import (
    OWN,
    SLICE_NS,
    Array,
    Endpoint,
    Fork,
    FrameShape,
    Handle,
    deadline,
    encoded,
)
from ._errors import Absent, Invalid, PeerGone, Timeout, Unavailable

_POLICY_NAMES = {number: name for name, number in _library.POLICIES.items()}


class _ReaderHandle(Handle):
    __slots__ = ()
    close_name = "handoff_reader_close"
    free_name = "handoff_reader_free"
    pixels_name = "handoff_reader_pixels"
    read_only = True


class Frame:
    """A frame on loan from a Reader: until release(), the end of its `with`, or the next read.

    timestamp_ns: when it was taken, as the writer says; nanoseconds of CLOCK_MONOTONIC, the clock
    of time.monotonic_ns(). id: counts the writer's frames from 0, modulo 2**31. sequence: the same
    count without the modulo; gaps are frames that policy "latest" skipped. slot: which of the
    slots it lies in, for what is prepared once per slot.
    """

    __slots__ = ("_array", "_reader", "_ticket", "id", "sequence", "slot", "timestamp_ns")

    def __init__(self, reader: "Reader", info: _library.FrameInfo) -> None:
        self._reader = reader
        self._ticket = reader._ticket
        self.timestamp_ns: int = info.timestamp_ns
        self.id: int = info.id
        self.sequence: int = info.sequence
        self.slot: int = info.slot
        self._array: Array = reader._views[self.slot]

    @property
    def array(self) -> Array:
        """The pixels: a read-only array (height, width, channels) of uint8, no copy.

        The array may be kept: its memory stays. But once the frame is given back, the writer may
        put another picture there at any time; copy() is for what must stay. Asking for the array
        then raises Invalid.
        """
        self._still_held()
        return self._array

    def device_array(self, library: str) -> Any:
        """The pixels on the GPU, as an array of "cupy" or a tensor of "torch": no copy.

        What works on it reads the segment itself, over the bus or, where CPU and GPU share their
        memory (a Jetson), in place. The first call for a slot registers its memory, which takes
        milliseconds; after that it is looked up. Do not write to it. Giving the frame back waits
        until the GPU has done all that this process gave it, since the writer may then put another
        picture there. array.copy() or tensor.clone() keeps the picture.

        Raises Unavailable without the library, an NVIDIA driver or a GPU.
        """
        self._still_held()
        return self._reader._on_device(library, self.slot)

    def _still_held(self) -> None:
        if self._ticket != self._reader._ticket:
            raise Invalid(
                "frame %d was given back: its array is asked for too late" % self.sequence,
                "frame.copy() before the next read keeps the picture",
            )

    @property
    def age(self) -> float:
        """Seconds since timestamp_ns."""
        return (time.monotonic_ns() - self.timestamp_ns) * 1e-9

    def copy(self) -> Array:
        """The pixels as an array of your own, writable, that nobody changes."""
        copied: Array = self.array.copy()
        return copied

    def release(self) -> None:
        """Gives the frame back, so that the writer can use its slot. Does nothing when it was."""
        self._reader._release(self._ticket)

    def __enter__(self) -> "Frame":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return "<handoff.Frame %d of %r>" % (self.sequence, self._reader.name)


class Reader(Endpoint):
    """Reads the frames that another process writes under a name.

        with handoff.Reader("camera", timeout=5) as reader:
            for frame in reader:
                detect(frame.array)

    Opening waits until a writer has the name, and has taken note of this reader. The first frame is
    the next one written. One process reads a segment at a time.

    A frame is on loan: one at a time, and each read gives the one before it back. A Reader is for
    one thread at a time (close() may be any), and for the process that opened it: not for a forked
    child.

    name: as the Writer's. timeout: how many seconds each wait may last, opening and reading; None:
    no limit. Ctrl-C ends a wait within 100 ms, and other threads run meanwhile; a frame that came
    in just then is given back unread, and the next read() gives the one after it. reconnect: when
    the writer is gone, wait for the next one of this name, instead of the end.

    Raises Absent (no writer came in time), Timeout (one is there but takes no notice), Busy
    (another process reads it), Denied (it is another user's, or open to others), Corrupt (it is no
    segment of handoff, or was cut), Unavailable (no C library).
    """

    handle_type: ClassVar[Type[Handle]] = _ReaderHandle

    def __init__(self, name: str, timeout: Optional[float] = None, reconnect: bool = False) -> None:
        super().__init__(timeout)
        self._name = name
        self._reconnect = reconnect
        library, quick = _library.load(), _library.load_quick()
        self._library = library
        self._acquire_slow = library.handoff_reader_acquire
        self._acquire = quick.handoff_reader_acquire
        self._give_back = quick.handoff_reader_release
        self._held = False
        self._connected = False
        self._device: Optional[DeviceSlots] = None
        # The frame that is held was asked for on the GPU.
        self._gpu_reads = False
        self._open(deadline(timeout))

    def _open(self, deadline_ns: int) -> None:
        library, name = self._library, encoded(self._name, "name")
        number, status = ctypes.c_void_p(), _library.TIMEOUT
        try:
            while status in (_library.ABSENT, _library.TIMEOUT):
                slice_end_ns = min(deadline_ns, time.monotonic_ns() + SLICE_NS)
                status = library.handoff_reader_open(
                    name, slice_end_ns, ctypes.addressof(number), self._error_at
                )
                if slice_end_ns == deadline_ns:
                    break
                if self._closed:
                    raise self._closed_in_wait()
            self._check(status)
            shape = _library.Shape()
            library.handoff_reader_shape(number, ctypes.addressof(shape))
            self._shape: FrameShape = (shape.height, shape.width, shape.channels)
            self._policy = _POLICY_NAMES.get(shape.policy, str(shape.policy))
            address, number.value = number.value, None
            self._adopt(address or 0, shape.slots, self._shape)
            # Arrays of an earlier writer's slots keep their memory themselves.
            self._device = None
            self._connected = True
        finally:
            # Ctrl-C came in between.
            library.handoff_reader_free(number)

    def _reopen(self, deadline_ns: int) -> None:
        """Waits for the next writer of the name."""
        self._connected = False
        self._finalizer()
        try:
            self._open(deadline_ns)
        except Absent as absent:
            raise Timeout(
                "the writer is gone, and no other came: " + absent.what, absent.hint
            ) from None

    def read(self, timeout: Optional[float] = OWN) -> Frame:
        """The next frame, or with policy "latest" the newest; gives the one before it back.

        timeout: seconds; 0 does not wait, None has no limit; by default the Reader's. Raises
        Timeout, and PeerGone once the writer has closed or died and all of its frames were read;
        with `reconnect`, that is a wait for the next writer instead. Also Corrupt (another has
        written into the segment), and Invalid once closed, in a forked child, and while another
        thread is in it.
        """
        deadline_ns = deadline(self._timeout if timeout is OWN else timeout)
        self._enter()
        try:
            self._ticket += 1
            if self._held:
                self._let_go()
            while True:
                if not self._connected:
                    self._reopen(deadline_ns)
                # Before it is so: Ctrl-C may come when the library has lent the frame already.
                self._held = True
                status = self._wait(self._acquire, self._acquire_slow, deadline_ns)
                if status == _library.OK:
                    return Frame(self, self._info)
                self._held = False
                if status != _library.PEER_GONE or not self._reconnect:
                    self._check(status)
                self._connected = False
        finally:
            self._lock.release()

    def _on_device(self, library: str, slot: int) -> Any:
        if self._device is None:
            self._device = DeviceSlots(self._handle, self._views)
        made = self._device.array(library, slot)
        self._gpu_reads = True
        return made

    def _await_gpu(self) -> None:
        if self._gpu_reads and self._device is not None:
            self._gpu_reads = False
            self._device.synchronize()

    def close(self) -> None:
        """As Endpoint.close(), once the GPU has done what it was given."""
        # CUDA's state does not survive a fork.
        if self._forks == Fork.count:
            with contextlib.suppress(Unavailable):
                self._await_gpu()
        super().close()

    def _let_go(self) -> None:
        self._await_gpu()
        # Of a frame that is not held, or not any more, the library thinks nothing.
        self._give_back(self._handle, self._info_at, self._error_at)
        self._held = False

    def _release(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        self._enter()
        try:
            self._ticket += 1
            self._let_go()
        finally:
            self._lock.release()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """As read(), but a writer that has closed ends the loop; one that died raises PeerGone."""
        try:
            return self.read()
        except PeerGone as gone:
            if gone.errno == 0:
                raise StopIteration from None
            raise

    @property
    def name(self) -> str:
        """The name it was opened by."""
        return self._name

    @property
    def shape(self) -> FrameShape:
        """(height, width, channels) of the frames; may change when it reconnects."""
        return self._shape

    @property
    def slots(self) -> int:
        """How many frames the segment holds."""
        return len(self._views)

    @property
    def policy(self) -> str:
        """Which frames come, as the writer chose: "every" or "latest"."""
        return self._policy

    def __enter__(self) -> "Reader":
        return self

    def __repr__(self) -> str:
        return "handoff.Reader(%r)" % self._name
