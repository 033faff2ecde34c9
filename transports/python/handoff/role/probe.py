"""What this Python has that a role needs, asked by the runner before it plans (python_probe.c)."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from typing import Any

from .control import Control
from .errors import RoleError

MODULES = {"numpy": "numpy", "pyzmq": "zmq", "cupy": "cupy", "torch": "torch"}
SLOW = ("cupy", "torch")


def answer(control: Control) -> None:
    """Sends one "probe" message: each module's version, or "" where it is not there."""
    said: dict[str, Any] = {"type": "probe", "python": platform.python_version(), "library": ""}
    for key, name in MODULES.items():
        said[key] = _version(name)
    if said["numpy"]:
        from . import _edge

        try:
            said["library"] = str(_edge.waiting()._name)
        except RoleError as problem:
            said["error"] = problem.what
    control.send(said)


def _version(name: str) -> str:
    """A module that is there but cannot be loaded is of no use; but to load those of a GPU takes
    seconds, which no other cell is to wait for."""
    if importlib.util.find_spec(name) is None:
        return ""
    if name in SLOW:
        return "installed"
    try:
        return str(getattr(importlib.import_module(name), "__version__", "?"))
    except Exception:
        return ""
