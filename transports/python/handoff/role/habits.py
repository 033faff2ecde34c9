"""Axis read: how a Python program gets at the bytes of a frame that lies in a buffer.

view     numpy.frombuffer: an array over the buffer itself; no byte is copied
slice    buffer[a:b] of an mmap: a bytes object with all of them. (Of pyzmq's memory, whose slices
         are no copies, bytes(buffer[a:b]).)
struct   struct.unpack_from("<%ds"), as the folklore's example does: the same
tobytes  the view, and then its tobytes(): the same

What copies makes a new bytes object for each frame, whose memory is the allocator's affair.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Callable

import numpy

from .setup import Setup


class Habit:
    """get(buffer, offset) is the array of the frame's bytes; `copies` how often it copied each."""

    def __init__(self, setup: Setup) -> None:
        self.copies = 0 if setup.read == "view" else 1
        self.get = _GETTERS[setup.read](setup.payload_bytes)


def _view(size: int) -> Callable[[Any, int], Any]:
    frombuffer, uint8 = numpy.frombuffer, numpy.uint8

    def get(buffer: Any, offset: int) -> Any:
        return frombuffer(buffer, uint8, size, offset)

    return get


def _slice(size: int) -> Callable[[Any, int], Any]:
    frombuffer, uint8 = numpy.frombuffer, numpy.uint8

    def get(buffer: Any, offset: int) -> Any:
        return frombuffer(bytes(buffer[offset : offset + size]), uint8)

    return get


def _struct(size: int) -> Callable[[Any, int], Any]:
    frombuffer, uint8 = numpy.frombuffer, numpy.uint8
    unpack_from = Struct("<%ds" % size).unpack_from

    def get(buffer: Any, offset: int) -> Any:
        return frombuffer(unpack_from(buffer, offset)[0], uint8)

    return get


def _tobytes(size: int) -> Callable[[Any, int], Any]:
    frombuffer, uint8 = numpy.frombuffer, numpy.uint8

    def get(buffer: Any, offset: int) -> Any:
        return frombuffer(frombuffer(buffer, uint8, size, offset).tobytes(), uint8)

    return get


_GETTERS = {"view": _view, "slice": _slice, "struct": _struct, "tobytes": _tobytes}
