"""CLOCK_MONOTONIC, the clock of every cell with a Python role.

A stamp is `time.monotonic_ns()`, its result kept in a local variable: one call of a C function and
a new int of 32 bytes from CPython's own allocator, no lock, nothing for the garbage collector. On
x86-64 that is 60 to 80 ns, against some 20 ns of the same clock read in C. stamp_cost_ns() measures
it before the window, and the result carries it as clock_cost_ns. An interval between two stamps has
one such cost in it.
"""

from __future__ import annotations

import ctypes
import time
from typing import Callable

now_ns = time.monotonic_ns

_CLOCK_MONOTONIC = 1
_TIMER_ABSTIME = 1
_EINTR = 4


def stamp_cost_ns(pairs: int = 2000) -> int:
    """The median distance of two stamps taken one behind the other."""
    now = now_ns
    costs = []
    for _ in range(pairs):
        begin = now()
        end = now()
        costs.append(end - begin)
    costs.sort()
    return costs[len(costs) // 2]


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def sleeper() -> Callable[[int], None]:
    """sleep_until_ns(when): as harness/measure/clock.c does it, with one clock_nanosleep to an
    absolute time (time.sleep is relative, and before Python 3.11 select() in microseconds)."""
    library = ctypes.CDLL(None, use_errno=False)
    call = library.clock_nanosleep
    call.restype = ctypes.c_int
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    when = _Timespec()
    address = ctypes.addressof(when)
    now = now_ns

    def sleep_until_ns(when_ns: int) -> None:
        if now() >= when_ns:
            return
        when.seconds, when.nanoseconds = divmod(when_ns, 1000000000)
        while call(_CLOCK_MONOTONIC, _TIMER_ABSTIME, address, None) == _EINTR:
            pass

    return sleep_until_ns
