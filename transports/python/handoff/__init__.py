"""Video frames from one process to another through shared memory, without a copy.

handoff.Writer(name, shape) writes frames, handoff.Reader(name) reads them; README.md has both in
ten lines.
"""

from typing import TYPE_CHECKING, Any, List

from ._errors import (
    Absent,
    Busy,
    Corrupt,
    Denied,
    Error,
    Invalid,
    NoMemory,
    PeerGone,
    SystemFailure,
    Timeout,
    Unavailable,
)
from ._library import waits

if TYPE_CHECKING:
    from ._reader import Frame, Reader
    from ._writer import Slot, Writer

__all__ = [
    "Absent",
    "Busy",
    "Corrupt",
    "Denied",
    "Error",
    "Frame",
    "Invalid",
    "NoMemory",
    "PeerGone",
    "Reader",
    "Slot",
    "SystemFailure",
    "Timeout",
    "Unavailable",
    "Writer",
    "waits",
]

# What needs numpy, and where it is. Only imported when it is used, so that a program without numpy
# can still import the package and be told by an exception.
_LATER = {"Frame": "_reader", "Reader": "_reader", "Slot": "_writer", "Writer": "_writer"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    import importlib

    found = getattr(importlib.import_module("." + _LATER[name], __name__), name)
    found.__module__ = __name__
    globals()[name] = found
    return found


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__))


# As users name them, in tracebacks, too.
for _error in (Absent, Busy, Corrupt, Denied, Error, Invalid, NoMemory, PeerGone):
    _error.__module__ = __name__
for _error in (SystemFailure, Timeout, Unavailable):
    _error.__module__ = __name__
