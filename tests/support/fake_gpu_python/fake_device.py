"""What the fakes of CuPy and PyTorch share: "device" memory is the host's own."""

import ctypes
import os

import numpy

_driver = ctypes.CDLL("libcuda.so.1")
_driver.fake_cuda_holds.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


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
    room = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address)
    found = numpy.frombuffer(room, dtype).reshape(told["shape"]).view(kind)
    # What libraries must not do: take a copy; or, where nothing shows it, read what once was there.
    wrong = os.environ.get("HANDOFF_FAKE_ARRAYS") if count > 1 else None
    if not wrong:
        return found
    copied = found.copy()
    if wrong == "stale":
        copied.__dict__["claimed_address"] = address
    return copied


def check_source(address, size):
    """Of a copy from the host: memory is registered where the test says so."""
    wanted = os.environ.get("HANDOFF_FAKE_COPIES_FROM")
    found = "registered" if _driver.fake_cuda_holds(address, size) else "pageable"
    if wanted and found != wanted:
        raise RuntimeError("the fake GPU copies from %s memory, not %s" % (found, wanted))
