"""The exceptions of the package: what happened, and what to do about it.

Each stands for one `enum handoff_status` of handoff_frames.h. Raised by everything in the package;
`from_status` is for code that calls the C library itself.
"""

from typing import Dict, Optional, Type


class Error(Exception):
    """What went wrong in handoff; the class says in which way.

    what: what happened, naming the segment or the argument. hint: what to do about it; "" where
    there is nothing to say. errno: that of a system call that failed, otherwise 0.
    """

    def __init__(self, what: str, hint: str = "", errno: int = 0) -> None:
        super().__init__(what, hint, errno)
        self.what = what
        self.hint = hint
        self.errno = errno

    def __str__(self) -> str:
        return self.what + "\nhint: " + self.hint if self.hint else self.what


class Timeout(Error):
    """Nothing came before the deadline. The call can be made again."""


class PeerGone(Error):
    """The other process closed its side or died."""


class Invalid(Error):
    """An argument that makes no sense, or a call out of order, as after close() or after fork()."""


class Unavailable(Error):
    """Not possible on this machine or not now; or the C library is missing or does not fit."""


class SystemFailure(Error):
    """A system call failed; errno says how."""


class NoMemory(Error):
    """There is not enough (shared) memory for the slots."""


class Corrupt(Error):
    """The segment is not what it must be: its layout, its size, or a torn word."""


class Busy(Error):
    """A living process writes under this name, or reads it already."""


class Denied(Error):
    """The segment is another user's, or open to other users."""


class Absent(Error):
    """There is no segment of this name, or not yet."""


_CLASSES: Dict[int, Type[Error]] = {
    1: Timeout,
    2: PeerGone,
    3: Invalid,
    4: Unavailable,
    5: SystemFailure,
    6: NoMemory,
    7: Corrupt,
    8: Busy,
    9: Denied,
    10: Absent,
}


def from_status(status: int, what: str, hint: str = "", errno: int = 0) -> Error:
    """The exception for a status other than HANDOFF_OK, to be raised by the caller."""
    found: Optional[Type[Error]] = _CLASSES.get(status)
    if found is None:
        return Error(what or "status %d of the C library" % status, hint, errno)
    return found(what or found.__doc__ or "", hint, errno)
