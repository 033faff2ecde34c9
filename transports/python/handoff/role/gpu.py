"""The GPU in a Python consumer: axes `array`, `access` and `sync` of a cell whose kernel is there.

What C does in run/consumer_gpu*.c and transports/access: memory is registered once, before the
clock starts, and each slot becomes an array once; per frame the array is looked up (`mapped`,
`device`) or copied to (`copy`, `pageable`), the kernel's work is enqueued, and the role waits for
it as `sync` says.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from typing import Any, Callable

import numpy

from .. import _cuda, _device
from .._errors import Error
from . import _edge, kernels
from .errors import RoleError
from .setup import Setup

# Accesses that read the frame where it lies.
IN_PLACE = ("mapped", "device")
# Those whose memory is registered.
REGISTERED = ("mapped", "copy")
# enum gpu_sync of gpu.h, of those that are a context's flag.
SCHEDULES = {"spin": 0, "yield": 1, "block": 2}
DEVICE_TRANSPORTS = ("cuda_ipc", "cuda_vmm", "cuda_pool")


class Gpu:
    """The GPU as this role has it: opened before its edge, given the edge's frames afterwards."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.copies = 0 if setup.access in IN_PLACE else 1
        schedule = setup.sync if setup.sync in _cuda.SCHEDULES else "spin"
        began = time.monotonic_ns()
        try:
            self._open_context(schedule)
            context_ns = time.monotonic_ns() - began
            # After the context, whose flags a library leaves as they are.
            self._library = _device.load(setup.array)
            self._make = _device.maker(setup.array)
            found = _cuda.driver().schedule()
        except Error as problem:
            raise RoleError("unavailable", problem.what, problem.hint) from None
        self._check_sharing()
        if found != schedule:
            raise RoleError(
                "unavailable",
                "the GPU's context waits with %s, not with %s" % (found, schedule),
                "something opened the GPU before this role did: look at sitecustomize.py",
            )
        self.report = {
            "gpu_used": 1,
            "gpu_context_ns": context_ns,
            "gpu_registration_ns": 0,
            "gpu_schedule": SCHEDULES[schedule],
            "gpu_mps": _cuda.driver().attribute(_cuda.ATTRIBUTE_MPS_ENABLED),
        }
        # Registered memory goes back when this is let go of.
        self._registration: Any = None
        self._views: list[Any] = []
        self._hosts: list[Any] = []
        self._reports = _Reports(self._make)
        self.kernel = self._make_kernel()

    def _check_sharing(self) -> None:
        """As role_gpu_check_sharing: by the driver's word, where it has one."""
        wanted = self._setup.text("gpu_sharing", "time_sliced") == "mps"
        found = _cuda.driver().attribute(_cuda.ATTRIBUTE_MPS_ENABLED)
        if found in (0, 1) and bool(found) != wanted:
            raise RoleError(
                "unavailable",
                "this process %s the GPU through MPS, and the cell %s"
                % ("shares" if found else "does not share", "does" if wanted else "is time-sliced"),
                "`handoff probe` says whether MPS works here",
            )

    def _open_context(self, schedule: str) -> None:
        """The device's primary one, which the C library has, too, where it works on the GPU."""
        driver = _cuda.driver()
        driver.set_schedule(schedule)
        if self._setup.transport in DEVICE_TRANSPORTS:
            _edge.gpu_open(SCHEDULES[schedule])
        driver.open()

    @property
    def versions(self) -> dict[str, str]:
        """For the result."""
        return {self._setup.array: str(self._library.__version__)}

    def _make_kernel(self) -> Any:
        if self._setup.array == "cupy":
            from . import gpu_cupy as backend
        else:
            from . import gpu_torch as backend  # type: ignore[no-redef]
        self._backend = backend.Backend(self._library, self._setup.sync == "event")
        return backend.kernel(self._backend, self._setup, self._reports)

    def attach(self, edge: Any) -> None:
        """Registers the edge's memory and makes the arrays; runs the work once for each of them, so
        that nothing is compiled or loaded later."""
        setup = self._setup
        if setup.access in REGISTERED:
            address, size = edge.memory
            began = time.monotonic_ns()
            try:
                self._registration = _cuda.Registration(edge, address, size)
            except Error as problem:
                raise RoleError(
                    "unavailable", "the transport's memory: " + problem.what, problem.hint
                ) from None
            self.report["gpu_registration_ns"] = time.monotonic_ns() - began
        for slot in range(setup.slots):
            self._add_slot(edge, slot)
        self._destination = None
        if setup.access not in IN_PLACE:
            self._destination = self._backend.empty(setup.payload_bytes)
        self.get = self._getter(edge)
        for slot in range(setup.slots):
            self.kernel.run(self._at(slot))

    def _add_slot(self, edge: Any, slot: int) -> None:
        setup, registration = self._setup, self._registration
        pixels, device_pixels = edge.slot_addresses(slot)
        shape = (setup.payload_bytes,)
        if setup.access == "device":
            memory = _cuda.DeviceBytes(edge, device_pixels, shape)
        elif registration is not None:
            offset = pixels - edge.memory[0]
            memory = _cuda.DeviceBytes(registration, registration.device_address + offset, shape)
        if setup.access in IN_PLACE:
            try:
                self._views.append(self._make(memory))
            except Error as problem:
                raise RoleError("unavailable", problem.what, problem.hint) from None
        else:
            self._hosts.append(self._backend.host(pixels, setup.payload_bytes))

    def _at(self, slot: int) -> Any:
        """The array of a slot, in the way of the access."""
        if self._destination is None:
            return self._views[slot]
        self._backend.copy(self._destination, self._hosts[slot])
        return self._destination

    def _getter(self, edge: Any) -> Callable[[Any, int], Any]:
        """get(buffer, offset) of habits.py; which frame it is the edge knows."""
        views, hosts, destination = self._views, self._hosts, self._destination
        if destination is None:
            return lambda _buffer, _offset: views[edge.lent_slot]
        copy = self._backend.copy

        def get(_buffer: Any, _offset: int) -> Any:
            copy(destination, hosts[edge.lent_slot])
            return destination

        return get

    def close(self) -> None:
        """Before the edge, whose memory it has registered and whose frames it has arrays of."""
        self._views.clear()
        self._hosts.clear()
        self._registration = None
        self.get = None  # type: ignore[assignment]
        _cuda.driver().synchronize()


class _Reports:
    """Words of the host that kernels write to, on a page of its own: `host` for Python to read."""

    def __init__(self, make: Callable[[_cuda.DeviceBytes], Any]) -> None:
        self._map = mmap.mmap(-1, _cuda.PAGE_BYTES)
        address = ctypes.addressof(ctypes.c_uint8.from_buffer(self._map))
        self._registration = _cuda.Registration(self._map, address, _cuda.PAGE_BYTES)
        self.host = numpy.frombuffer(self._map, numpy.uint64, 1)
        self._make = make

    def device(self, typestr: str) -> Any:
        """The word as an array of one element of the library."""
        where = self._registration.device_address
        return self._make(_cuda.DeviceBytes(self._registration, where, (1,), typestr))


def tables(setup: Setup) -> dict[str, Any]:
    """Of kernel preprocess (kernels/preprocess.h), for planes of (y, x): `index` of a byte of the
    frame for each of the four corners, and what their values are blended and normalized by."""
    size, planes = kernels.PREPROCESS_SIZE, 1 if setup.channels == 1 else 3
    top, bottom, row_fraction = kernels.taps(setup.height)
    left, right, column_fraction = kernels.taps(setup.width)
    corners = []
    for y, x in ((top, left), (top, right), (bottom, left), (bottom, right)):
        pixel = (y[:, None] * setup.width + x[None, :]) * setup.channels
        corners.append(pixel[None] + numpy.arange(planes)[:, None, None])
    normal = kernels.GREY if planes == 1 else kernels.RGB
    each = (planes, 1, 1)
    return {
        "index": numpy.stack(corners).astype(numpy.int64),
        "column_fraction": column_fraction.reshape(1, 1, size),
        "row_fraction": row_fraction.reshape(1, size, 1),
        "scale": numpy.array([1 / (255.0 * d) for _, d in normal], "f4").reshape(each),
        "offset": numpy.array([-mean / d for mean, d in normal], "f4").reshape(each),
    }


class Kernel:
    """As kernels.Kernel, on arrays of the GPU: run() returns when the work is done."""

    checksums = False
    inverts = False

    def __init__(self, backend: Any, setup: Setup, reports: Any) -> None:
        self.backend = backend
        self.setup = setup
        self.reports = reports

    def run(self, array: Any) -> int:
        """The work on one frame."""
        raise NotImplementedError

    def torn(self, array: Any, tag: int) -> bool:
        """Whether a tag of the frame is wrong, where the kernel read it; outside of intervals."""
        whole = array[: self.setup.payload_bytes // 8 * 8]
        if not len(whole):
            return False
        wrong: bool = self.backend.tags_differ(whole, tag)
        return wrong


def weights(count: int) -> Any:
    """Of the checksum's words (harness/base/frame.h)."""
    return 2 * numpy.arange(count, dtype=numpy.uint64) + 1


def tail_sum(tail: Any, first: int) -> int:
    """What the last, incomplete word adds: `tail` are its bytes, `first` its index."""
    word = int.from_bytes(bytes(tail), "little")
    return word * (2 * first + 1)
