"""What the fakes of CuPy and PyTorch share: "device" memory is the host's own, or the fake GPU's."""

import ctypes
import os

import numpy

_driver = ctypes.CDLL("libcuda.so.1")
_driver.fake_cuda_holds.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
try:
    _reach = ctypes.CDLL(os.environ["HANDOFF_FRAMES_LIBRARY"]).fake_device_reach
    _reach.restype, _reach.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]
except (KeyError, AttributeError):
    _reach = None  # not the library over the fake GPU: there is no memory but the host's


class Array(numpy.ndarray):
    """An array that says where it lies, as an array of the GPU would."""

    @property
    def address(self):
        return getattr(self, "claimed_address", self.__array_interface__["data"][0])


def at(memory, kind):
    """An array over what __cuda_array_interface__ describes."""
    told = memory.__cuda_array_interface__
    address, _ = told["data"]
    count = int(numpy.prod(told["shape"], dtype=int))
    dtype = numpy.dtype(told["typestr"])
    size = count * dtype.itemsize
    place = _reach(address, size) if _reach else None
    room = (ctypes.c_uint8 * size).from_address(place or address)
    found = numpy.frombuffer(room, dtype).reshape(told["shape"]).view(kind)
    # What libraries must not do: take a copy; or, where nothing shows it, read what once was there.
    wrong = os.environ.get("HANDOFF_FAKE_ARRAYS") if count > 1 else None
    if not wrong:
        if place:
            found.claimed_address = address
        return found
    copied = found.copy()
    if wrong == "stale":
        copied.claimed_address = address
    return copied


def check_source(address, size):
    """Of a copy from the host: memory is registered where the test says so."""
    wanted = os.environ.get("HANDOFF_FAKE_COPIES_FROM")
    found = "registered" if _driver.fake_cuda_holds(address, size) else "pageable"
    if wanted and found != wanted:
        raise RuntimeError("the fake GPU copies from %s memory, not %s" % (found, wanted))
