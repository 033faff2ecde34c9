"""The kernels on a consumer's GPU in CuPy."""

from __future__ import annotations

from typing import Any

import numpy

from . import kernels
from .gpu import Kernel, tables, tail_sum, weights
from .setup import Setup

_BLEND = """
const float top_left = pixels[index[i]], top_right = pixels[index[i + count]];
const float bottom_left = pixels[index[i + 2 * count]], bottom_right = pixels[index[i + 3 * count]];
const float top = top_left + (top_right - top_left) * column;
const float bottom = bottom_left + (bottom_right - bottom_left) * column;
value = (top + (bottom - top) * row) * scale + offset;
"""


class Backend:
    """What of CuPy the role needs."""

    def __init__(self, cupy: Any, polls: bool) -> None:
        self.cupy = cupy
        self._stream = cupy.cuda.get_current_stream()
        self.synchronize = self._poll if polls else self._stream.synchronize

    def _poll(self) -> None:
        stream = self._stream
        while not stream.done:
            pass

    def empty(self, size: int) -> Any:
        """Device memory."""
        return self.cupy.empty(size, self.cupy.uint8)

    def to_device(self, array: Any) -> Any:
        """A copy of a numpy array."""
        return self.cupy.asarray(array)

    def host(self, address: int, size: int) -> Any:
        """Memory of the host as copy() takes it."""
        return address

    def copy(self, to: Any, host: Any) -> None:
        """Enqueues the copy of a frame."""
        to.data.copy_from_host_async(host, to.nbytes, self._stream)

    def tags_differ(self, whole: Any, tag: int) -> bool:
        """Whether one of the 64-bit words at multiples of 4096 is not the tag."""
        tags = whole.view(self.cupy.uint64)[:: kernels.TAG_STRIDE // 8]
        return bool((tags != numpy.uint64(tag)).any())


class Touch(Kernel):
    """Kernel none: the least that can be enqueued."""

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        self._report = reports.device("<u8")
        self._count = 0

    def run(self, array: Any) -> int:
        """See gpu.Kernel."""
        self._count += 1
        self._report.fill(self._count)
        self.backend.synchronize()
        return 0


class Checksum(Kernel):
    """Two operations: the words times their weights, and the sum of that."""

    checksums = True

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        self._words = setup.payload_bytes // 4
        self._weights = backend.to_device(weights(self._words))
        self._wide = backend.cupy.empty(self._words, backend.cupy.uint64)
        self._report = reports.device("<u8").reshape(())

    def run(self, array: Any) -> int:
        """See gpu.Kernel."""
        cupy, wide, count = self.backend.cupy, self._wide, self._words
        words = array[: 4 * count].view(cupy.uint32)
        cupy.multiply(words, self._weights, out=wide)
        wide.sum(out=self._report)
        self.backend.synchronize()
        value = int(self.reports.host[0])
        if len(array) > 4 * count:
            value += tail_sum(array[4 * count :].get(), count)
        return value & kernels.MASK


class Preprocess(Kernel):
    """One kernel of our own: each output value from its four neighbours."""

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        cupy = backend.cupy
        table = tables(setup)
        self._index = backend.to_device(table["index"].reshape(-1).astype(numpy.int32))
        self._rest = [
            backend.to_device(table[name])
            for name in ("column_fraction", "row_fraction", "scale", "offset")
        ]
        self._count = table["index"][0].size
        self.output = cupy.empty(table["index"].shape[1:], cupy.float32)
        self._blend = cupy.ElementwiseKernel(
            "raw uint8 pixels, raw int32 index, int32 count, float32 column, float32 row, "
            "float32 scale, float32 offset",
            "float32 value",
            _BLEND,
            "handoff_preprocess",
        )

    def run(self, array: Any) -> int:
        """See gpu.Kernel; `output` holds the planes until the next frame."""
        self._blend(array, self._index, self._count, *self._rest, self.output)
        self.backend.synchronize()
        return 0


def kernel(backend: Backend, setup: Setup, reports: Any) -> Kernel:
    """The kernel of a cell."""
    makers = {"none": Touch, "checksum": Checksum, "preprocess": Preprocess}
    return makers[setup.kernel](backend, setup, reports)
