"""Video frames from one process to another through shared memory, without a copy.

handoff.Writer(name, shape) writes frames, handoff.Reader(name) reads them; README.md has both in
ten lines.
"""

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

__all__ = [
    "Absent",
    "Busy",
    "Corrupt",
    "Denied",
    "Error",
    "Invalid",
    "NoMemory",
    "PeerGone",
    "SystemFailure",
    "Timeout",
    "Unavailable",
]

# As users name them, in tracebacks, too.
for _name in __all__:
    globals()[_name].__module__ = __name__
