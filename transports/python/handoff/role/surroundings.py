"""What this process is given besides its code: a CPU, a scheduling class, a timer slack.

As harness/run/surroundings.c and placement.c: set by request, read back before the first frame and
after the last, nothing falls back.
"""

from __future__ import annotations

import ctypes
import os

from .errors import RoleError, system_error
from .setup import Setup

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
_PR_GET_TIMERSLACK = 30
_SIGKILL = 9
_CHANGED = "does something else on this machine change processes?"


def _prctl(option: int, value: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl.argtypes = [ctypes.c_int, *4 * [ctypes.c_ulong]]
    result: int = library.prctl(option, value, 0, 0, 0)
    return result


def die_with_runner() -> None:
    """Whatever happens to the runner, this process does not outlive it."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


class Surroundings:
    """The CPUs the process had, and what it is to have."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._allowed: set[int] = os.sched_getaffinity(0)
        self.pin()
        self._apply_timer_slack()
        self._apply_class()

    def pin(self) -> None:
        """Onto the role's CPU; also after restore()."""
        if self._setup.cpu < 0:
            return
        try:
            os.sched_setaffinity(0, {self._setup.cpu})
        except OSError as problem:
            raise system_error(
                problem,
                "cannot pin to CPU %d" % self._setup.cpu,
                "choose CPUs this process may use",
            ) from None

    def restore(self) -> None:
        """Back to all CPUs, for threads of a library that are born now."""
        if self._setup.cpu >= 0:
            os.sched_setaffinity(0, self._allowed)

    def _apply_timer_slack(self) -> None:
        slack_ns = self._setup.timer_slack_ns
        if slack_ns is None:
            return
        if self._setup.fifo_priority:
            raise RoleError(
                "unavailable",
                "a real-time process has no timer slack: the kernel takes it for 0",
                "leave timer_slack_ns out with scheduling fifo",
            )
        if _prctl(_PR_SET_TIMERSLACK, slack_ns) != 0:
            raise RoleError(
                "unavailable", "the timer slack cannot be set", "use timer_slack_ns as_found"
            )

    def _apply_class(self) -> None:
        priority = self._setup.fifo_priority
        policy = os.SCHED_FIFO if priority else os.SCHED_OTHER
        if not priority and os.sched_getscheduler(0) == policy:
            return
        if priority:
            _check_throttling()
        try:
            os.sched_setscheduler(0, policy, os.sched_param(priority))
        except OSError as problem:
            name = "fifo:%d" % priority if priority else "other"
            raise RoleError(
                "unavailable",
                "scheduling class %s cannot be set: %s" % (name, os.strerror(problem.errno or 0)),
                "`handoff doctor` says what would make it possible; or use scheduling other",
            ) from None

    def verify(self) -> dict[str, int]:
        """What the process has, as the report tells it."""
        policy = os.sched_getscheduler(0) & ~0x40000000  # SCHED_RESET_ON_FORK
        if policy not in (os.SCHED_OTHER, os.SCHED_FIFO):
            raise RoleError(
                "unavailable",
                "this process has scheduling class %d, neither other nor fifo" % policy,
                "start handoff with `chrt --other 0 handoff …`",
            )
        fifo = policy == os.SCHED_FIFO
        priority = os.sched_getparam(0).sched_priority if fifo else 0
        if priority != self._setup.fifo_priority:
            raise RoleError(
                "unavailable",
                "the FIFO priority is %d instead of %d" % (priority, self._setup.fifo_priority),
                _CHANGED,
            )
        slack_ns = 0 if fifo else _prctl(_PR_GET_TIMERSLACK, 0)
        if self._setup.timer_slack_ns not in (None, slack_ns):
            raise RoleError(
                "unavailable",
                "the timer slack is %d ns instead of %s" % (slack_ns, self._setup.timer_slack_ns),
                _CHANGED,
            )
        cpus = os.sched_getaffinity(0)
        cpu = next(iter(cpus)) if len(cpus) == 1 else -1
        if self._setup.cpu >= 0 and cpu != self._setup.cpu:
            raise RoleError(
                "unavailable", "this process is not pinned to CPU %d" % self._setup.cpu, _CHANGED
            )
        return {"fifo_priority": priority, "timer_slack_ns": slack_ns, "pinned_cpu": cpu}


def _check_throttling() -> None:
    """A real-time process that spins must not be able to take the machine away."""
    try:
        with open("/proc/sys/kernel/sched_rt_runtime_us", encoding="ascii") as file:
            unlimited = file.read().strip() == "-1"
    except OSError:
        return
    if unlimited:
        raise RoleError(
            "unavailable",
            "the kernel does not throttle real-time processes: one that spins takes the machine",
            "sysctl kernel.sched_rt_runtime_us=950000",
        )
