"""How a role waits on a descriptor: the strategies of harness/wait that Python can do itself.

An idle function waits until there may be news: idle(deadline_ns) is False when the deadline passed.
An early return is no error, the caller tries again. A word in shared memory is the C library's.
"""

from __future__ import annotations

import re
import select
import time
from typing import Callable

from .errors import RoleError

Idle = Callable[[int], bool]


def idle_of(wait: str, fd: int, events: int) -> Idle:
    """The wait by its name in a scenario, on the descriptor."""
    if wait == "spin":
        return _spin
    if wait == "block":
        return _block(fd, events)
    match = re.match(r"poll:([0-9]{1,7})$", wait)
    if match and 1 <= int(match.group(1)) <= 1000000:
        return _poll(int(match.group(1)))
    raise RoleError(
        "not_applicable",
        "a Python role cannot wait on a descriptor with %s" % wait,
        "it has spin, poll:<us> and block there",
    )


def timed_out(awaited: str) -> RoleError:
    """As wait_loop_idle_failed says it."""
    return RoleError(
        "timeout",
        "no %s came before the deadline of the launch" % awaited,
        "is the machine overloaded, or the other role stuck?",
    )


def _spin(deadline_ns: int) -> bool:
    return time.monotonic_ns() <= deadline_ns


def _poll(period_us: int) -> Idle:
    period_s = period_us * 1e-6
    now, sleep = time.monotonic_ns, time.sleep

    def idle(deadline_ns: int) -> bool:
        left_ns = deadline_ns - now()
        if left_ns <= 0:
            return False
        sleep(min(period_s, left_ns * 1e-9))
        return True

    return idle


def _block(fd: int, events: int) -> Idle:
    waiting = select.poll()
    waiting.register(fd, events)
    poll, now = waiting.poll, time.monotonic_ns

    def idle(deadline_ns: int) -> bool:
        left_ns = deadline_ns - now()
        if left_ns <= 0:
            return False
        # poll() takes whole milliseconds; rounded up, so that it is not called over and over.
        poll(min(left_ns // 1000000 + 1, 1000000000))
        return True

    return idle
