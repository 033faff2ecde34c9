"""The C library libhandoff_frames, described for ctypes: found, loaded, its version checked.

A mirror of transports/frames/handoff_frames.h; tests/python/test_frames_package.py compares the
two. The library is that of $HANDOFF_FRAMES_LIBRARY (a path), else the one beside this file, as
`pip install` puts it there, else what the system's loader knows. What one of these names and cannot
be loaded is an error; nothing is tried after it.

A call through load() lets go of the interpreter lock until it returns: for what may wait. A call
through load_quick() keeps it: for what never waits, where it would cost more to let go and take it
again than the call does, and beside a thread that computes at times a turn of that one (5 ms).
"""

import ctypes
import os
from typing import List, Optional, Tuple

from ._errors import Unavailable, from_status

ABI = 1
FILE_NAME = "libhandoff_frames.so.%d" % ABI
VARIABLE = "HANDOFF_FRAMES_LIBRARY"

OK = 0
TIMEOUT = 1
PEER_GONE = 2
INVALID = 3
ABSENT = 10
POLICIES = {"every": 0, "latest": 1}
# Handed to the library as a time that never comes.
FOREVER_NS = 2**64 - 1


class ErrorInfo(ctypes.Structure):
    """`struct handoff_error`."""

    _fields_ = [
        ("status", ctypes.c_int32),
        ("system_errno", ctypes.c_int32),
        ("what", ctypes.c_char * 640),
        ("hint", ctypes.c_char * 384),
    ]


class WriterOptions(ctypes.Structure):
    """`struct handoff_writer_options`."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("slots", ctypes.c_uint32),
        ("policy", ctypes.c_int32),
        ("wait", ctypes.c_char_p),
    ]


class FrameInfo(ctypes.Structure):
    """`struct handoff_frame`."""

    _fields_ = [
        ("header", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
        ("pixel_bytes", ctypes.c_uint64),
        ("timestamp_ns", ctypes.c_int64),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("id", ctypes.c_int32),
        ("slot", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("sequence", ctypes.c_uint64),
    ]


class Shape(ctypes.Structure):
    """`struct handoff_shape`."""

    _fields_ = [
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("slots", ctypes.c_uint32),
        ("policy", ctypes.c_int32),
        ("reserved", ctypes.c_uint32),
        ("pixel_bytes", ctypes.c_uint64),
    ]


# Endpoints and structs go by address: a pointer object for each would be made at every call.
_INT = ctypes.c_int
_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64
_TEXT = ctypes.c_char_p
_ADDRESS = ctypes.c_void_p

_FUNCTIONS: List[Tuple[str, Optional[type], List[type]]] = [
    ("handoff_abi", _U32, []),
    ("handoff_waits", _TEXT, []),
    ("handoff_writer_create", _INT, [_TEXT, _ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_writer_name", _TEXT, [_ADDRESS]),
    ("handoff_writer_reserve", _INT, [_ADDRESS, _U64, _ADDRESS, _ADDRESS]),
    ("handoff_writer_commit", _INT, [_ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_writer_skipped", _U64, [_ADDRESS]),
    ("handoff_writer_has_reader", _INT, [_ADDRESS]),
    ("handoff_writer_pixels", _ADDRESS, [_ADDRESS, _U32]),
    ("handoff_writer_close", None, [_ADDRESS]),
    ("handoff_writer_free", None, [_ADDRESS]),
    ("handoff_reader_open", _INT, [_TEXT, _U64, _ADDRESS, _ADDRESS]),
    ("handoff_reader_shape", None, [_ADDRESS, _ADDRESS]),
    ("handoff_reader_pixels", _ADDRESS, [_ADDRESS, _U32]),
    ("handoff_reader_acquire", _INT, [_ADDRESS, _U64, _ADDRESS, _ADDRESS]),
    ("handoff_reader_release", _INT, [_ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_reader_close", None, [_ADDRESS]),
    ("handoff_reader_free", None, [_ADDRESS]),
]

_loaded: Optional[ctypes.CDLL] = None
_quick: Optional[ctypes.PyDLL] = None


def load() -> ctypes.CDLL:
    """The library, loaded once. Calls of it let go of the interpreter lock.

    Raises Unavailable where there is none, where it does not load, or where its version is another.
    """
    global _loaded
    if _loaded is None:
        library = ctypes.CDLL(*_open())
        _describe(library)
        _loaded = library
    return _loaded


def load_quick() -> ctypes.PyDLL:
    """The same library; calls of it keep the interpreter lock, so they must never wait."""
    global _quick
    if _quick is None:
        loaded = load()
        quick = ctypes.PyDLL(loaded._name, handle=loaded._handle)
        _describe(quick)
        _quick = quick
    return _quick


def check(status: int, error: ErrorInfo) -> None:
    """Raises what a status other than OK stands for, with the words of `error`."""
    if status != OK:
        raise from_status(
            status,
            error.what.decode("utf-8", "replace"),
            error.hint.decode("utf-8", "replace"),
            error.system_errno,
        )


def waits() -> List[str]:
    """The names of the waits that the library has, for Writer's `wait`.

    In "poll:US" and "adaptive:US" a number of microseconds stands in place of US: "poll:100".
    Raises Unavailable (no C library).
    """
    names: bytes = load().handoff_waits()
    return names.decode().split()


def path() -> str:
    """Which file load() takes: a path, or a bare name for the system's loader to find."""
    given = os.environ.get(VARIABLE)
    if given:
        return given
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), FILE_NAME)
    return beside if os.path.exists(beside) else FILE_NAME


def _open() -> Tuple[str, int, int]:
    """Loads the file and returns the arguments that make a ctypes.CDLL of it.

    The version is asked before anything else: another version may lack every other function.
    """
    file = path()
    try:
        library = ctypes.CDLL(file)
        ask = library.handoff_abi
    except (OSError, AttributeError) as problem:
        raise Unavailable(
            "the C library of handoff does not load: %s" % problem,
            _load_hint(file),
        ) from None
    ask.restype, ask.argtypes = _U32, []
    abi: int = ask()
    if abi != ABI:
        raise Unavailable(
            "%s has version %d of its interface; this package is for version %d" % (file, abi, ABI),
            "install library and package from the same source: pip install transports/python",
        )
    return file, ctypes.DEFAULT_MODE, library._handle


def _load_hint(file: str) -> str:
    if os.environ.get(VARIABLE):
        return "%s must be the path of a %s" % (VARIABLE, FILE_NAME)
    if os.path.isabs(file):
        return "install the package again: pip install --force-reinstall transports/python"
    return "`pip install transports/python` builds it; or set %s to its path" % VARIABLE


def _describe(library: ctypes.CDLL) -> None:
    for name, result, arguments in _FUNCTIONS:
        try:
            function = getattr(library, name)
        except AttributeError:
            raise Unavailable(
                "the C library of handoff has no %s" % name,
                "install library and package from the same source: pip install transports/python",
            ) from None
        function.restype, function.argtypes = result, arguments
