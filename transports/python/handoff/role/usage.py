"""What the counted window cost the processor, as harness/measure/usage.c; and resident memory."""

from __future__ import annotations

import mmap
import os
import resource
import time

NAMES = (
    "user_ns",
    "system_ns",
    "wall_ns",
    "voluntary_switches",
    "involuntary_switches",
    "minor_faults",
    "major_faults",
)


def read() -> list[int]:
    """A reading of this process, by NAMES. The process clock gives the sum of user and system to
    the nanosecond; getrusage how it divides."""
    raw = resource.getrusage(resource.RUSAGE_SELF)
    total_ns = time.process_time_ns()
    system_ns = min(int(raw.ru_stime * 1e6) * 1000, total_ns)
    return [
        total_ns - system_ns,
        system_ns,
        time.monotonic_ns(),
        raw.ru_nvcsw,
        raw.ru_nivcsw,
        raw.ru_minflt,
        raw.ru_majflt,
    ]


def difference(begin: list[int], end: list[int]) -> dict[str, int]:
    """end - begin by name; what ran backwards, as the kernel's split may, is 0."""
    steps = [max(0, last - first) for first, last in zip(begin, end)]
    total_ns = max(0, end[0] + end[1] - begin[0] - begin[1])
    steps[1] = min(steps[1], total_ns)
    steps[0] = total_ns - steps[1]
    return dict(zip(NAMES, steps))


class Resident:
    """The resident memory of this process, shared pages among it."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        """In bytes."""
        return int(os.pread(self._fd, 256, 0).split()[1]) * mmap.PAGESIZE

    def close(self) -> None:
        """Lets go of /proc."""
        os.close(self._fd)
