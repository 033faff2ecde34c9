"""The work on a frame, in numpy: the kernels of kernels/*.c, with the same results.

They go over the frame in blocks that fit in a cache, so that nothing of a frame's size is made
beside it. tests/python/test_role_kernels.py compares each with the C one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy

from .errors import RoleError
from .setup import Setup

if TYPE_CHECKING:
    import numpy.typing

    Pixels = numpy.typing.NDArray[numpy.uint8]

MASK = 2**64 - 1
# 64 rows of 1024 words of 32 bits: 256 KiB.
ROW_WORDS = 1024
BLOCK_ROWS = 64
TAG_STRIDE = 4096
PREPROCESS_SIZE = 224
RGB = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
GREY = ((0.449, 0.226),)


class Kernel:
    """What a kernel is: run(array of the payload's bytes) gives its value, 0 where it has none."""

    # The value is the checksum of every byte.
    checksums = False
    # Afterwards every byte is its complement.
    inverts = False

    def run(self, array: Pixels) -> int:
        """The work on one frame."""
        return 0


class Checksum(Kernel):
    """The sum of w[i] * (2 i + 1) over the 32-bit words, modulo 2^64 (harness/base/frame.h).

    With i = r * ROW_WORDS + c it is the sum of columns times (2 c + 1) and of rows times
    2 * ROW_WORDS * r: additions over the frame, multiplications only of their results.
    """

    checksums = True

    def __init__(self) -> None:
        self._column_weights = 2 * numpy.arange(ROW_WORDS, dtype=numpy.uint64) + 1
        self._rows = numpy.arange(BLOCK_ROWS, dtype=numpy.uint64)
        self._column_sums = numpy.zeros(ROW_WORDS, numpy.uint64)
        self._row_sums = numpy.zeros(BLOCK_ROWS, numpy.uint64)
        self._tail = numpy.zeros(ROW_WORDS * 4, numpy.uint8)

    def run(self, array: Pixels) -> int:
        """See Kernel."""
        row_bytes = ROW_WORDS * 4
        rows = array.size // row_bytes
        words = array[: rows * row_bytes].view("<u4").reshape(rows, ROW_WORDS)
        total = 0
        for first in range(0, rows, BLOCK_ROWS):
            total += self._block(words[first : first + BLOCK_ROWS], first)
        left = array.size - rows * row_bytes
        if left:
            tail = self._tail
            tail.fill(0)
            tail[:left] = array[rows * row_bytes :]
            total += self._block(tail.view("<u4").reshape(1, ROW_WORDS), rows)
        return total & MASK

    def _block(self, words: Any, first_row: int) -> int:
        count = len(words)
        columns, rows = self._column_sums, self._row_sums[:count]
        words.sum(axis=0, dtype=numpy.uint64, out=columns)
        words.sum(axis=1, dtype=numpy.uint64, out=rows)
        weighted = int(numpy.dot(columns, self._column_weights))
        rows_weighted = int(numpy.dot(rows, self._rows[:count])) + first_row * int(rows.sum())
        return weighted + 2 * ROW_WORDS * rows_weighted


class Invert(Kernel):
    """The complement of every byte, in place."""

    inverts = True

    def run(self, array: Pixels) -> int:
        """See Kernel."""
        numpy.invert(array, out=array)
        return 0


class Preprocess(Kernel):
    """Bilinear resize to 224 x 224, normalized, planes of float (kernels/preprocess.h)."""

    def __init__(self, width: int, height: int, channels: int) -> None:
        if channels not in (1, 3, 4):
            raise RoleError(
                "invalid",
                "kernel preprocess: %d channels are not an image it knows" % channels,
                "use frames of 1, 3 or 4 channels, or another kernel",
            )
        size = PREPROCESS_SIZE
        top, bottom, self._row_fraction = taps(height)
        left, right, self._column_fraction = taps(width)
        self._shape = (width * height, channels)
        pairs = ((top, left), (top, right), (bottom, left), (bottom, right))
        self._indices = [(y[:, None] * width + x[None, :]).astype(numpy.intp) for y, x in pairs]
        self._row_fraction = self._row_fraction.reshape(size, 1, 1)
        self._column_fraction = self._column_fraction.reshape(1, size, 1)
        normal = GREY if channels == 1 else RGB
        planes = len(normal)
        self._scale = numpy.array([1 / (255.0 * deviation) for _, deviation in normal], "f4")
        self._offset = numpy.array([-mean / deviation for mean, deviation in normal], "f4")
        self._picked = numpy.zeros((size, size, channels), numpy.uint8)
        self._corners = [numpy.zeros((size, size, planes), "f4") for _ in pairs]
        self.output = numpy.zeros((planes, size, size), "f4")

    def run(self, array: Pixels) -> int:
        """See Kernel; `output` holds the planes until the next frame."""
        pixels = array.reshape(self._shape)
        planes = self.output.shape[0]
        picked = self._picked
        for index, corner in zip(self._indices, self._corners):
            numpy.take(pixels, index, axis=0, out=picked, mode="clip")
            corner[...] = picked[:, :, :planes]
        top_left, top_right, bottom_left, bottom_right = self._corners
        top = _blend(top_left, top_right, self._column_fraction)
        bottom = _blend(bottom_left, bottom_right, self._column_fraction)
        value = _blend(top, bottom, self._row_fraction)
        value *= self._scale
        value += self._offset
        self.output[...] = value.transpose(2, 0, 1)
        return 0


def taps(size: int) -> tuple[Any, Any, Any]:
    """The two neighbours of each output coordinate, and the weight of the second."""
    position = (numpy.arange(PREPROCESS_SIZE) + 0.5) * size / PREPROCESS_SIZE - 0.5
    position = position.clip(0, size - 1)
    first = position.astype(numpy.int64)
    second = numpy.minimum(first + 1, size - 1)
    return first, second, (position - first).astype("f4")


def _blend(one: Any, other: Any, weight: Any) -> Any:
    """one + (other - one) * weight, into `other`."""
    other -= one
    other *= weight
    other += one
    return other


def make(setup: Setup) -> Kernel:
    """The kernel of a cell; the user's own is detector.py's."""
    if setup.kernel == "detector":
        from .detector import Detector

        return Detector(setup)
    if setup.kernel != "none" and not setup.payload_bytes:
        raise RoleError(
            "invalid",
            "kernel %s: a frame without a payload" % setup.kernel,
            "use kernel none, or a fill that moves the whole payload",
        )
    if setup.kernel == "invert" and setup.read != "view":
        raise RoleError(
            "not_applicable",
            "kernel invert works in place, and read %s gives it a copy" % setup.read,
            "use read view",
        )
    makers: dict[str, Callable[[], Kernel]] = {
        "none": Kernel,
        "checksum": Checksum,
        "invert": Invert,
        "preprocess": lambda: Preprocess(setup.width, setup.height, setup.channels),
    }
    return makers[setup.kernel]()
