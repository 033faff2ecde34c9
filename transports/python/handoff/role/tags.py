"""The integrity tags of a frame, looked at in samples as frame_tags_check_sample does in C.

In Python and not by a call of the library, because no array tells its address cheaply: asking for
__array_interface__ makes a dozen objects for each frame.
"""

from __future__ import annotations

from typing import Any

from . import _edge

MASK = 2**64 - 1
STRIDE_WORDS = 4096 // 8
GOLDEN = 0x9E3779B97F4A7C15
SAMPLES = 8


class Tags:
    """Of frames of one size; `inverted`: as the kernel `invert` leaves them."""

    def __init__(self, payload_bytes: int, inverted: bool) -> None:
        self._count = (payload_bytes - 8) // 4096 + 1 if payload_bytes >= 8 else 0
        self._whole_bytes = payload_bytes // 8 * 8
        self._flip = MASK if inverted else 0
        self._tag = _edge.quick().handoff_frame_tag

    def right(self, array: Any, frame_id: int) -> bool:
        """Whether the first tag, the last, and one of each stratum between are the frame's."""
        count = self._count
        if not count:
            return True
        words = array[: self._whole_bytes].view("<u8")
        tag: int = self._tag(frame_id)
        wanted = tag ^ self._flip
        if count <= SAMPLES:
            return bool((words[::STRIDE_WORDS][:count] == wanted).all())
        if words[0] != wanted or words[(count - 1) * STRIDE_WORDS] != wanted:
            return False
        strata, between, random = SAMPLES - 2, count - 2, tag
        for i in range(strata):
            random = _mix((random + GOLDEN) & MASK)
            begin, end = between * i // strata, between * (i + 1) // strata
            if words[(1 + begin + random % (end - begin)) * STRIDE_WORDS] != wanted:
                return False
        return True


def _mix(value: int) -> int:
    """SplitMix64's finalizer: frame_mix64."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)
