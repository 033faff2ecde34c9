"""Kernel `detector`: the user's own function, "/abs/my.py:detect", on a read-only array of uint8 of
(height, width, channels).

Its file is loaded and its function called before the clock starts, so that what is wrong with it is
said at once, by file and line. What it returns is not looked at, but for what has not begun then: a
generator, or a coroutine, would be measured as no work.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
import traceback
import types
from typing import TYPE_CHECKING, Any, Callable

import numpy

from .errors import RoleError
from .kernels import Kernel
from .setup import Setup

if TYPE_CHECKING:
    import numpy.typing

    Pixels = numpy.typing.NDArray[numpy.uint8]

# The function alone: so many calls, but no longer than this.
ALONE_CALLS = 20
ALONE_NS = 1000000000
# The file and the first call may take long, as a model has to be loaded; the runner gives a role a
# minute to get ready. After this much it is said where they are.
PATIENCE_S = 10.0
# What a function may return before it has done anything.
_SYNC = "give a function that is not async, and has done its work when it returns"
_LATER: tuple[tuple[type, str, str], ...] = (
    (types.GeneratorType, "a generator", "go through it in the function, as with list()"),
    (types.CoroutineType, "a coroutine", _SYNC),
    (types.AsyncGeneratorType, "an async generator", _SYNC),
)


class _Patience:
    """While the user's code is at work before the launch: where it is, should it not come back
    soon. By a thread, which has ended when this is left."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what
        self._timer = threading.Timer(PATIENCE_S, self._tell, (threading.get_ident(),))
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def _tell(self, thread: int) -> None:
        at, frame = self._path, sys._current_frames().get(thread)
        while frame is not None:
            if frame.f_code.co_filename == self._path:
                at = "%s:%d" % (self._path, frame.f_lineno)
                break
            frame = frame.f_back
        print(
            "%s for %g s, at %s; after a minute the launch fails" % (self._what, PATIENCE_S, at),
            file=sys.stderr,
            flush=True,
        )


class Detector(Kernel):
    """The function, its name for errors, and how long it takes alone."""

    def __init__(self, setup: Setup) -> None:
        path, _, name = setup.detector.rpartition(":")
        if not path or not name:
            raise RoleError(
                "invalid",
                'kernel detector: "%s" is no function' % setup.detector,
                "write the file and the function: /path/to/my.py:detect",
            )
        if not setup.payload_bytes:
            raise RoleError(
                "not_applicable", "kernel detector: a frame without pixels", "use fill copy"
            )
        self._path = path
        self._name = "%s:%s" % (os.path.basename(path), name)
        self._shape = (setup.height, setup.width, setup.channels)
        self._function = self._load(path, name)
        self.alone_ns = self._time_alone(setup)

    def run(self, array: Pixels) -> int:
        """See Kernel."""
        picture = array.reshape(self._shape)
        picture.flags.writeable = False
        try:
            self._function(picture)
        except (Exception, SystemExit) as problem:
            raise self._raised(problem) from None
        return 0

    def report(self) -> dict[str, int]:
        """Of the calls without a transport: their number and their median."""
        ordered = sorted(self.alone_ns)
        middle = len(ordered) // 2
        median = (ordered[middle] + ordered[-1 - middle]) // 2
        return {
            "alone_p50_ns": median,
            "alone_count": len(ordered),
            "alone_min_ns": ordered[0],
            "alone_max_ns": ordered[-1],
        }

    def _load(self, path: str, name: str) -> Callable[[Any], Any]:
        if not os.path.isfile(path):
            raise RoleError(
                "invalid", "kernel detector: there is no file %s" % path, "give the path of yours"
            )
        stem = os.path.splitext(os.path.basename(path))[0]
        spec = importlib.util.spec_from_file_location(stem, path)
        if spec is None or spec.loader is None:
            raise RoleError(
                "invalid", "kernel detector: %s is no Python file" % path, "it must end in .py"
            )
        sys.path.insert(0, os.path.dirname(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(stem, module)
        try:
            with _Patience(path, "%s has been loading" % os.path.basename(path)):
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as problem:
            raise self._raised(problem, "%s does not load" % os.path.basename(path)) from None
        function = getattr(module, name, None)
        if function is None:
            known = sorted(key for key, value in vars(module).items() if _is_own(value, module))
            raise RoleError(
                "invalid",
                "kernel detector: %s has no %s" % (path, name),
                "it has " + ", ".join(known) if known else "define it: def %s(image):" % name,
            )
        if not callable(function):
            raise RoleError(
                "invalid",
                "kernel detector: %s is no function but a %s"
                % (self._name, type(function).__name__),
                "define it: def %s(image):" % name,
            )
        found: Callable[[Any], Any] = function
        return found

    def _time_alone(self, setup: Setup) -> list[int]:
        """Calls on a private frame of random content: how long they took. The first one, which may
        load a model, counts only where there is time for no second one."""
        picture = numpy.frombuffer(os.urandom(setup.payload_bytes), numpy.uint8)
        now, function = time.monotonic_ns, self._function
        given: list[Any] = []
        self._function = lambda image: given.append(function(image))
        with _Patience(self._path, "the first call of %s has lasted" % self._name):
            began = begin = now()
            self.run(picture)
            times = [now() - begin]
        self._function = function
        self._refuse_later_work(given.pop())
        while len(times) <= ALONE_CALLS and now() - began < ALONE_NS:
            begin = now()
            self.run(picture)
            times.append(now() - begin)
        return times[1:] or times

    def _refuse_later_work(self, given: Any) -> None:
        """What has not begun when the function returns."""
        for kind, name, remedy in _LATER:
            if isinstance(given, kind):
                close = getattr(given, "close", None)
                if close:
                    close()  # or Python warns of it
                raise RoleError(
                    "invalid",
                    "kernel detector: %s returns %s, whose work has not begun" % (self._name, name),
                    remedy,
                )

    def _raised(self, problem: BaseException, what: str = "") -> RoleError:
        frames = traceback.extract_tb(problem.__traceback__)
        own = [frame for frame in frames if frame.filename == self._path]
        place = own[-1] if own else None
        where = "%s:%d" % (self._path, place.lineno or 0) if place else self._path
        if isinstance(problem, SyntaxError) and problem.filename:
            where = "%s:%d" % (problem.filename, problem.lineno or 0)
        verb = what or "%s raised" % self._name
        text = str(problem)
        if len(text) > 300:
            text = text[:300] + "…"
        said = (
            "%s %s" % (verb, type(problem).__name__)
            if not what
            else ("%s: %s" % (what, type(problem).__name__))
        )
        return RoleError(
            "invalid",
            "%s: %s" % (said, text) if text else said,
            "%s: it must take an array of uint8 of (height, width, channels) without an exception"
            % where,
        )


def _is_own(value: Any, module: Any) -> bool:
    """A function that the file itself defines."""
    return callable(value) and getattr(value, "__module__", None) == module.__name__
