"""The ctypes binding of transports/frames/handoff_edge.h: one side of an edge of the C library.

Calls through `waiting` let go of the interpreter lock until they return; calls through `quick`,
which never wait, keep it. Structs go by address: a pointer object for each would be made at every
call.
"""

from __future__ import annotations

import ctypes
from typing import Any

from .. import _library
from .errors import LIBRARY_STATUS, RoleError

VERSION = 1
ADDRESS_BYTES = 4096
FDS = 4
PAGES = {"normal": 0, "thp": 1, "hugetlb": 2}
# enum handoff_policy
POLICIES = {"block": 0, "latest": 1}


class EdgeConfig(ctypes.Structure):
    """struct handoff_edge_config"""

    _fields_ = (
        ("payload_bytes", ctypes.c_uint64),
        ("slots", ctypes.c_uint32),
        ("max_in_flight", ctypes.c_uint32),
        ("max_held", ctypes.c_uint32),
        ("policy", ctypes.c_int32),
        ("order", ctypes.c_int32),
        ("pages", ctypes.c_int32),
        ("transport", ctypes.c_char_p),
        ("wait", ctypes.c_char_p),
        ("producer_wait", ctypes.c_char_p),
    )


class EdgeAddress(ctypes.Structure):
    """struct handoff_edge_address"""

    _fields_ = (
        ("byte_count", ctypes.c_uint32),
        ("fd_count", ctypes.c_uint32),
        ("fds", ctypes.c_int32 * FDS),
        ("wait_fds", ctypes.c_int32 * 2),
        ("bytes", ctypes.c_uint8 * ADDRESS_BYTES),
    )


class EdgeFrame(ctypes.Structure):
    """struct handoff_edge_frame"""

    _fields_ = (
        ("header", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
        ("device_pixels", ctypes.c_void_p),
        ("pixel_bytes", ctypes.c_uint64),
        ("sequence", ctypes.c_uint64),
        ("slot", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


_INT = ctypes.c_int
_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64
_I32 = ctypes.c_int32
_TEXT = ctypes.c_char_p
_ADDRESS = ctypes.c_void_p

_FUNCTIONS: list[tuple[str, type | None, list[type]]] = [
    ("handoff_edge_version", _U32, []),
    ("handoff_edge_create", _INT, [_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_edge_attach", _INT, [_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_edge_memory", _ADDRESS, [_ADDRESS, _ADDRESS]),
    ("handoff_edge_segment_fd", _INT, [_ADDRESS]),
    ("handoff_edge_slot", _INT, [_ADDRESS, _U32, _ADDRESS]),
    ("handoff_edge_reserve", _INT, [_ADDRESS, _U64, _ADDRESS, _ADDRESS]),
    ("handoff_edge_commit", _INT, [_ADDRESS, _U64, _ADDRESS]),
    ("handoff_edge_acquire", _INT, [_ADDRESS, _U64, _ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_edge_release", _INT, [_ADDRESS, _U64, _ADDRESS]),
    ("handoff_edge_notify", None, [_ADDRESS]),
    ("handoff_edge_counters", None, [_ADDRESS, _ADDRESS, _ADDRESS]),
    ("handoff_edge_hang_up", None, [_ADDRESS]),
    ("handoff_edge_free", None, [_ADDRESS]),
    ("handoff_edge_gpu_open", _INT, [_I32, _ADDRESS]),
    ("handoff_source_fill", None, [_ADDRESS, _U64, _U64, _U32]),
    ("handoff_frame_tag", _U64, [_I32]),
    ("handoff_frame_tags_write", None, [_ADDRESS, _U64, _I32]),
    ("handoff_frame_tags_check", _INT, [_ADDRESS, _U64, _I32, _U32]),
    ("handoff_frame_checksum_tagged", _U64, [_U64, _U64, _I32]),
    ("handoff_frame_checksum", _U64, [_ADDRESS, _U64]),
    ("handoff_schedule", _INT, [_TEXT, _TEXT, _U32, _U64, _ADDRESS, _ADDRESS]),
]

_waiting: ctypes.CDLL | None = None
_quick: ctypes.PyDLL | None = None


def waiting() -> Any:
    """The library, for calls that may wait."""
    global _waiting
    if _waiting is None:
        try:
            library = ctypes.CDLL(_library.path())
        except OSError as problem:
            raise RoleError(
                "unavailable",
                "the C library of handoff does not load: %s" % problem,
                "set HANDOFF_FRAMES_LIBRARY to the library of this build",
            ) from None
        _describe(library)
        version = library.handoff_edge_version()
        if version != VERSION:
            raise RoleError(
                "unavailable",
                "the library's version for roles is %d; this role is for %d" % (version, VERSION),
                "set HANDOFF_FRAMES_LIBRARY to the library of this build",
            )
        _waiting = library
    return _waiting


def quick() -> Any:
    """The library, for calls that never wait."""
    global _quick
    if _quick is None:
        library = waiting()
        made = ctypes.PyDLL(library._name, handle=library._handle)
        _describe(made)
        _quick = made
    return _quick


def check(status: int, error: _library.ErrorInfo) -> None:
    """Raises what the library said of a call that failed."""
    if status == 0:
        return
    raise RoleError(
        LIBRARY_STATUS.get(status, "system"),
        error.what.decode("utf-8", "replace"),
        error.hint.decode("utf-8", "replace"),
    )


def gpu_open(sync: int) -> None:
    """The library's own door to the GPU, before an edge in device memory; `sync` as in gpu.h."""
    error = _library.ErrorInfo()
    check(waiting().handoff_edge_gpu_open(sync, ctypes.addressof(error)), error)


def _describe(library: ctypes.CDLL) -> None:
    for name, result, arguments in _FUNCTIONS:
        try:
            function = getattr(library, name)
        except AttributeError:
            raise RoleError(
                "unavailable",
                "the library has no %s" % name,
                "set HANDOFF_FRAMES_LIBRARY to the library of this build",
            ) from None
        function.restype, function.argtypes = result, arguments
