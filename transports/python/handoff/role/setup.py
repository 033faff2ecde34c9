"""What the runner asks of this role: the axes of its cell as text, and its own part.

Only what a Python role can do passes; the rest is refused by name, although the runner does not ask
for it.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from .errors import RoleError

MISMATCH = "do both ends run the same version of handoff?"

# What a Python role has only one value of.
ONLY = {
    "frame_state": "as_left",
    "depth": "1",
    "order": "host",
    "register_per_frame": "off",
}
READS = ("view", "slice", "struct", "tobytes")
KERNELS = ("none", "checksum", "invert", "preprocess", "detector")
ARRAYS = ("numpy", "cupy", "torch")
# With arrays on the GPU.
GPU_ACCESSES = ("mapped", "copy", "pageable", "device")
GPU_KERNELS = ("none", "checksum", "preprocess")
SYNCS = ("spin", "yield", "block", "event")


class Setup:
    """A cell, as far as a role needs it."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        axes = message.get("axes")
        if not isinstance(axes, dict):
            raise RoleError("corrupt", 'control message: a setup without its "axes"', MISMATCH)
        self.axes: dict[str, Any] = axes
        for name, value in ONLY.items():
            if self.text(name, value) != value:
                raise RoleError(
                    "not_applicable",
                    "a Python role does not have %s %s" % (name, self.text(name, value)),
                    'leave %s at "%s" in cells with a Python role' % (name, value),
                )
        self.frames = whole(message, "frames", 1, 2**30)
        self.warmup = whole(message, "warmup", 0, 2**30)
        self.seed = whole(message, "seed", 0, 2**53)
        self.cpu = whole(message, "cpu", -1, 2**31 - 1)
        self.total = self.warmup + self.frames
        self.detector = str(message.get("detector") or "")
        self._check_clock(message.get("clock"))
        self._read_frame()
        self._read_choices()
        self._read_surroundings()

    def text(self, name: str, default: str) -> str:
        """An axis as a scenario writes it."""
        value = self.axes.get(name, default)
        return value if isinstance(value, str) else str(value)

    def one_of(self, name: str, default: str, known: tuple[str, ...]) -> str:
        """An axis that must be one of `known`."""
        value = self.text(name, default)
        if value not in known:
            raise RoleError(
                "not_applicable",
                "a Python role does not have %s %s" % (name, value),
                "it has " + ", ".join(known),
            )
        return value

    def _check_clock(self, clock: Any) -> None:
        name = clock.get("name") if isinstance(clock, dict) else clock
        if name not in ("CLOCK_MONOTONIC", "monotonic"):
            raise RoleError(
                "not_applicable",
                "a Python role stamps with CLOCK_MONOTONIC, not with %s" % name,
                "run it with --clock monotonic",
            )

    def _read_frame(self) -> None:
        frame = self.text("frame", "1920x1080x3")
        match = re.match(r"([1-9][0-9]{0,6})x([1-9][0-9]{0,6})x([1-9][0-9]{0,2})$", frame)
        if match is None:
            raise RoleError("corrupt", 'control message: a frame of "%s"' % frame, MISMATCH)
        self.width, self.height, self.channels = (int(part) for part in match.groups())
        fills: tuple[str, ...] = ("copy", "in_place", "header")
        if self.text("peer", "").startswith("c/"):  # whose GPU may have written the frame
            fills += ("gpu",)
        self.fill = self.one_of("fill", "copy", fills)
        pixels = self.width * self.height * self.channels
        self.payload_bytes = 0 if self.fill == "header" else pixels

    def _read_choices(self) -> None:
        self.transport = self.text("transport", "")
        self.wait = self.text("wait", "")
        producer_wait = self.text("producer_wait", "same")
        self.producer_wait = self.wait if producer_wait == "same" else producer_wait
        self.kernel = self.one_of("kernel", "checksum", KERNELS)
        self.read = self.one_of("read", "view", READS)
        self._read_gpu()
        self.gc_off = self.one_of("gc", "on", ("on", "off")) == "off"
        self.policy = self.one_of("policy", "block", ("block", "latest"))
        self.phase = self.one_of("phase", "fixed", ("fixed", "random"))
        self.pages = self.one_of("pages", "normal", ("normal", "thp", "hugetlb"))
        self.threads_with_role = self.text("library_threads", "anywhere") == "with_role"
        self.slots = whole({"slots": self.text("slots", "4")}, "slots", 1, 1024)
        self.pacing = self.text("pacing", "rate:30")
        self.has_schedule = self.pacing.startswith(("rate:", "poisson:", "search:"))
        if not self.has_schedule and self.pacing not in ("pingpong", "max"):
            raise RoleError("corrupt", 'control message: a pacing of "%s"' % self.pacing, MISMATCH)
        self.in_flight_max = 1 if self.pacing == "pingpong" else 0
        self.limit = min(self.slots, self.in_flight_max or self.slots)

    def _read_gpu(self) -> None:
        """Where a consumer's kernel runs, and how that one waits for it."""
        self.array = self.one_of("array", "numpy", ARRAYS)
        self.on_gpu = self.array != "numpy"
        self.access = self.one_of("access", "host", GPU_ACCESSES if self.on_gpu else ("host",))
        if self.on_gpu:
            self.one_of("kernel", "checksum", GPU_KERNELS)
            self.one_of("read", "view", ("view",))
            self.sync = self.one_of("sync", "spin", SYNCS)

    def _read_surroundings(self) -> None:
        scheduling = self.text("scheduling", "other")
        self.fifo_priority = 0
        if scheduling != "other":
            priority = {"priority": scheduling.rpartition("fifo:")[2]}
            self.fifo_priority = whole(priority, "priority", 1, 99)
        slack = self.text("timer_slack_ns", "as_found")
        self.timer_slack_ns: int | None = None
        if slack != "as_found":
            self.timer_slack_ns = whole({"timer_slack_ns": slack}, "timer_slack_ns", 1, 10**9)


def whole(message: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A whole number of a message, or of an axis."""
    value = message.get(name)
    if isinstance(value, str) and re.match(r"-?[0-9]{1,18}$", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RoleError(
            "corrupt", 'control message: "%s" is missing or out of range' % name, MISMATCH
        )
    return value
