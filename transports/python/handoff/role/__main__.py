"""The life of a role around its hot path: setup, ready, go, finished, exit (harness/run/role.c).

    python -m handoff.role --role producer|consumer --control-fd FD

Errors go to the runner; what cannot be told is on standard error.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import os
import platform
import signal
import sys
import threading
from typing import Any

from . import surroundings
from .control import Control
from .errors import RoleError

EXIT_FAILED = 3


class Role:
    """One role, from its first message to its last."""

    def __init__(self, name: str, control: Control) -> None:
        self.name = name
        self.control = control
        self._edge: Any = None
        self._part: Any = None
        self._gpu: Any = None
        self._gc_was_on = False

    def work(self) -> int:
        """Everything between setup and exit; the process's exit code."""
        code = 0
        try:
            self._play()
        except RoleError as problem:
            code = EXIT_FAILED
            self._complain(problem)
        except MemoryError:
            code = EXIT_FAILED
            self._complain(RoleError("no_memory", "out of memory", "use smaller frames"))
        except Exception as problem:
            code = EXIT_FAILED
            self._complain(_unexpected(problem))
        # Nothing is torn down before the runner has both reports: the other side may still drain.
        with contextlib.suppress(RoleError):
            self.control.receive("exit")
        if self._gpu is not None:
            self._gpu.close()
        if self._edge is not None:
            self._edge.close()
        self.control.close()
        return code

    def _play(self) -> None:
        from . import clock
        from .setup import Setup
        from .trace import Trace

        message, fds = self.control.receive("setup")
        setup = Setup(message)
        if len(fds) != 1:
            raise RoleError("corrupt", "the setup came with %d descriptors, not one" % len(fds))
        trace = Trace(fds[0], setup.total)
        os.close(fds[0])
        around = surroundings.Surroundings(setup)
        # Kept until the edge is closed: a library may still send from the source's memory.
        self._part, extra = self._prepare(setup, around)
        around.verify()
        extra["clock_cost_ns"] = clock.stamp_cost_ns()
        if setup.gc_off:
            self._stop_gc()
        self.control.send({"type": "ready"})
        go, _ = self.control.receive("go")
        start_ns, deadline_ns = _time(go, "start_ns"), _time(go, "deadline_ns")
        report = self._part.run(trace, start_ns, deadline_ns)
        self._restore_gc()
        report.update(around.verify())
        self.control.send(dict(report, type="finished", **extra))

    def _prepare(self, setup: Any, around: surroundings.Surroundings) -> Any:
        """The edge, and this role's part on it; and what the report says besides."""
        from . import edges, kernels
        from .consumer import Consumer
        from .producer import Producer

        extra = _said_of_python(setup.transport)
        on_gpu = self.name == "consumer" and setup.on_gpu
        kernel = kernels.make(setup) if self.name == "consumer" and not on_gpu else None
        if kernel is not None and setup.kernel == "detector":
            extra["detector"] = kernel.report()  # type: ignore[attr-defined]
        # Threads that a library makes now are born where `library_threads` wants them.
        if not setup.threads_with_role:
            around.restore()
        if on_gpu:
            kernel = self._open_gpu(setup)
        try:
            if kernel is None:
                self._edge, address = edges.create(setup)
                self.control.send(*edges.address_to_message(address))
                self._edge.address_sent()
            else:
                told = edges.address_from_message(*self.control.receive("address"))
                self._edge = edges.attach(setup, told)
            if self._gpu is not None:
                self._gpu.attach(self._edge)
                extra.update(self._gpu.report)
                extra["python"].update(self._gpu.versions)
        except RoleError as problem:
            verb = "creating" if kernel is None else "attaching to"
            raise problem.context("%s the %s edge" % (verb, setup.transport)) from None
        finally:
            around.pin()
        edge: Any = self._edge  # mypy for Python 3.8 knows it only as either side's
        if kernel is None:
            return Producer(setup, edge), extra
        return Consumer(setup, edge, kernel, self._gpu), extra

    def _open_gpu(self, setup: Any) -> Any:
        """Before the edge, which may lie there; gives the kernel."""
        from .gpu import Gpu

        try:
            self._gpu = Gpu(setup)
        except RoleError as problem:
            raise problem.context("opening the GPU with %s" % setup.array) from None
        return self._gpu.kernel

    def _stop_gc(self) -> None:
        """Axis gc, off: nothing is collected in the window, and nothing of before is looked at."""
        self._gc_was_on = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()

    def _restore_gc(self) -> None:
        if self._gc_was_on:
            gc.unfreeze()
            gc.enable()

    def _complain(self, problem: RoleError) -> None:
        """Best effort: the runner may be gone."""
        message = {
            "type": "error",
            "status": problem.status,
            "what": problem.what[:600],
            "hint": problem.hint[:360],
        }
        try:
            self.control.send(message)
        except RoleError:
            print("error: " + problem.what, file=sys.stderr)


def _unexpected(problem: Exception) -> RoleError:
    """What should not happen; by its place, so that it can be repaired."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        where = "%s:%d" % (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    if isinstance(problem, ImportError):
        return RoleError(
            "unavailable",
            "%s has no %s" % (sys.executable, problem.name or problem),
            "apt-get install python3-numpy python3-zmq, or pip install numpy pyzmq",
        )
    what = getattr(problem, "what", None)
    if isinstance(what, str):  # an exception of the package
        return RoleError("unavailable", what, str(getattr(problem, "hint", "")))
    return RoleError("system", "%s: %s" % (type(problem).__name__, problem), "raised at " + where)


def _time(message: dict[str, Any], name: str) -> int:
    """A time, as text since it has 64 bits."""
    text = message.get(name)
    if not isinstance(text, str) or not text.isdigit() or not text.isascii() or int(text) >= 2**64:
        raise RoleError("corrupt", "control message: go without its times")
    return int(text)


def _said_of_python(transport: str) -> dict[str, Any]:
    import numpy

    versions = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "numpy": numpy.__version__,
    }
    if transport.startswith("zmq_"):
        import zmq

        versions["pyzmq"] = zmq.__version__
        versions["libzmq"] = zmq.zmq_version()
    gpu = {
        "gpu_used": 0,
        "gpu_context_ns": 0,
        "gpu_registration_ns": 0,
        "gpu_schedule": 0,
        "gpu_mps": -1,
    }
    return dict(gpu, python=versions)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="handoff.role", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--role", choices=("producer", "consumer"))
    what.add_argument("--probe", action="store_true", help="say what this Python has, and end")
    parser.add_argument("--control-fd", required=True, type=int)
    options = parser.parse_args(arguments)
    # A peer that is gone is an error to report, and the runner alone decides what Ctrl-C means.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    surroundings.die_with_runner()
    # What a user's function prints must not get into the runner's own output, which may be JSON.
    os.dup2(2, 1)
    try:
        control = Control(options.control_fd)
    except RoleError as problem:
        print("error: %s" % problem.what, file=sys.stderr)
        return 2
    if options.probe:
        from . import probe

        probe.answer(control)
        return 0
    return _leave(Role(options.role, control).work())


def _leave(code: int) -> int:
    """The exit code; does not come back where Python would wait for threads that the user's
    function has begun, which may have no end, while the runner gives this process ten seconds."""
    main_thread = threading.main_thread()
    if any(not thread.daemon and thread is not main_thread for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
