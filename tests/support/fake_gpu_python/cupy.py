"""A fake of CuPy over the host's memory: what handoff calls of it, for tests without a GPU."""

import ctypes
import sys
import types

import fake_device
import numpy
from numpy import float32, multiply, uint8, uint32, uint64  # noqa: F401

__version__ = "13.0.fake"


class _Pointer:
    def __init__(self, array):
        self._array = array
        self.ptr = array.address

    def copy_from_host_async(self, host, size, stream):
        fake_device.check_source(host, size)
        ctypes.memmove(self.ptr, host, size)


class ndarray(fake_device.Array):
    @property
    def data(self):
        return _Pointer(self)

    def get(self):
        return numpy.array(self)


class _Stream:
    done = True

    def synchronize(self):
        pass


class ElementwiseKernel:
    """Of the one kernel that handoff has."""

    def __init__(self, inputs, outputs, code, name):
        assert name == "handoff_preprocess", name

    def __call__(self, pixels, index, count, column, row, scale, offset, value):
        corners = numpy.take(pixels, index).astype("f4").reshape((4,) + value.shape)
        assert value.size == count, (value.size, count)
        top = corners[0] + (corners[1] - corners[0]) * column
        bottom = corners[2] + (corners[3] - corners[2]) * column
        value[...] = (top + (bottom - top) * row) * scale + offset


def asarray(array):
    if hasattr(array, "__cuda_array_interface__"):
        return fake_device.at(array, ndarray)
    return numpy.array(array).view(ndarray)


def empty(shape, dtype):
    return numpy.empty(shape, dtype).view(ndarray)


cuda = types.SimpleNamespace(is_available=lambda: True, get_current_stream=_Stream)
sys.modules["cupy.cuda"] = cuda
