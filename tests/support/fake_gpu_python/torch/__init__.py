"""A fake of PyTorch over the host's memory: what handoff calls of it, for tests without a GPU."""

import types

import fake_device
import numpy
from numpy import bitwise_and, float32, int32, int64, uint8  # noqa: F401

from .version import __version__  # noqa: F401


class Tensor(fake_device.Array):
    def data_ptr(self):
        return self.address

    def view(self, kind):
        if isinstance(kind, str):  # PyTorch has its own types and none of numpy's names for them
            raise TypeError("view() received an invalid combination of arguments - got (str)")
        return super().view(kind)

    def fill_(self, value):
        self.fill(value)
        return self

    def mul_(self, other):
        numpy.multiply(self, other, out=self)
        return self

    def add_(self, other):
        numpy.add(self, other, out=self)
        return self

    def copy_(self, other, non_blocking=False):
        fake_device.check_source(other.address, other.nbytes)
        self[...] = other
        return self

    def permute(self, *axes):
        return self.transpose(axes)

    def float(self):
        return self.astype("f4")

    def cpu(self):
        return self

    cuda = cpu

    def numpy(self):
        return self.view(numpy.ndarray)


class _Stream:
    def synchronize(self):
        pass

    def query(self):
        return True


def from_numpy(array):
    return array.view(Tensor)


def as_tensor(memory, device):
    return fake_device.at(memory, Tensor)


def empty(shape, dtype, device):
    return numpy.empty(shape, dtype).view(Tensor)


def full(shape, value, dtype, device):
    return numpy.full(shape, value, dtype).view(Tensor)


def sum(array, dim, keepdim, out):
    numpy.sum(array, axis=dim, keepdims=keepdim, out=out)


def take(array, index):
    return numpy.take(array, index).view(Tensor)


def lerp(one, other, weight):
    return one + (other - one) * weight


cuda = types.SimpleNamespace(is_available=lambda: True, init=lambda: None, current_stream=_Stream)
