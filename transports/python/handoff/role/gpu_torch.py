"""The kernels on a consumer's GPU in PyTorch, as its operations make them."""

from __future__ import annotations

from typing import Any

import numpy

from . import kernels
from .gpu import Kernel, tables, tail_sum, weights
from .setup import Setup

WORD_MASK = 2**32 - 1
SIGN = 2**63


class Backend:
    """What of PyTorch the role needs."""

    def __init__(self, torch: Any, polls: bool) -> None:
        self.torch = torch
        torch.cuda.init()
        self._stream = torch.cuda.current_stream()
        self.synchronize = self._poll if polls else self._stream.synchronize

    def _poll(self) -> None:
        query = self._stream.query
        while not query():
            pass

    def empty(self, size: int) -> Any:
        """Device memory."""
        return self.torch.empty(size, dtype=self.torch.uint8, device="cuda")

    def to_device(self, array: Any) -> Any:
        """A copy of a numpy array."""
        return self.torch.from_numpy(array).cuda()

    def host(self, address: int, size: int) -> Any:
        """Memory of the host as copy() takes it."""
        return self.torch.from_numpy(numpy_at(address, size))

    def copy(self, to: Any, host: Any) -> None:
        """Enqueues the copy of a frame."""
        to.copy_(host, non_blocking=True)

    def tags_differ(self, whole: Any, tag: int) -> bool:
        """Whether one of the 64-bit words at multiples of 4096 is not the tag."""
        tags = whole.view(self.torch.int64)[:: kernels.TAG_STRIDE // 8]
        return bool((tags != (tag if tag < SIGN else tag - 2 * SIGN)).any().item())


class Touch(Kernel):
    """Kernel none: the least that can be enqueued."""

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        self._report = reports.device("<i8")
        self._count = 0

    def run(self, array: Any) -> int:
        """See gpu.Kernel."""
        self._count += 1
        self._report.fill_(self._count)
        self.backend.synchronize()
        return 0


class Checksum(Kernel):
    """Three operations: the words as 64 bits, times their weights, and the sum of that."""

    checksums = True

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        torch = backend.torch
        self._words = setup.payload_bytes // 4
        self._weights = backend.to_device(weights(self._words).view(numpy.int64))
        # As an array, not as a number, which would have to fit in 32 bits.
        self._mask = torch.full((1,), WORD_MASK, dtype=torch.int64, device="cuda")
        self._wide = torch.empty(self._words, dtype=torch.int64, device="cuda")
        self._report = reports.device("<i8")

    def run(self, array: Any) -> int:
        """See gpu.Kernel."""
        torch, wide, count = self.backend.torch, self._wide, self._words
        words = array[: 4 * count].view(torch.int32)
        torch.bitwise_and(words, self._mask, out=wide)
        wide.mul_(self._weights)
        torch.sum(wide, 0, keepdim=True, out=self._report)
        self.backend.synchronize()
        value = int(self.reports.host[0])
        if len(array) > 4 * count:
            value += tail_sum(array[4 * count :].cpu().numpy(), count)
        return value & kernels.MASK


class Preprocess(Kernel):
    """The four neighbours of every output value in one take, then three blends."""

    def __init__(self, backend: Backend, setup: Setup, reports: Any) -> None:
        super().__init__(backend, setup, reports)
        table = tables(setup)
        self._index = backend.to_device(table["index"])
        self._column = backend.to_device(table["column_fraction"])
        self._row = backend.to_device(table["row_fraction"])
        self._scale = backend.to_device(table["scale"])
        self._offset = backend.to_device(table["offset"])
        self.output: Any = None

    def run(self, array: Any) -> int:
        """See gpu.Kernel; `output` holds the planes until the next frame."""
        torch = self.backend.torch
        corners = torch.take(array, self._index).float()
        top = torch.lerp(corners[0], corners[1], self._column)
        bottom = torch.lerp(corners[2], corners[3], self._column)
        self.output = torch.lerp(top, bottom, self._row).mul_(self._scale).add_(self._offset)
        self.backend.synchronize()
        return 0


def numpy_at(address: int, size: int) -> Any:
    """An array over memory of the host, which stays mapped for as long as the edge."""
    from .edges import memory_at

    return numpy.frombuffer(memory_at(address, size), numpy.uint8)


def kernel(backend: Backend, setup: Setup, reports: Any) -> Kernel:
    """The kernel of a cell."""
    makers = {"none": Touch, "checksum": Checksum, "preprocess": Preprocess}
    return makers[setup.kernel](backend, setup, reports)
