"""How a role says why it cannot go on: a status as in harness/base/err.h, what, and what to do."""

from __future__ import annotations

import os

# enum handoff_status of handoff_frames.h, by the names that the runner knows (harness/base/err.c).
LIBRARY_STATUS: dict[int, str] = {
    1: "timeout",
    2: "peer_gone",
    3: "invalid",
    4: "unavailable",
    5: "system",
    6: "no_memory",
    7: "corrupt",
}


class RoleError(Exception):
    """Told to the runner as {"type": "error"}."""

    def __init__(self, status: str, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.hint = hint

    def context(self, text: str) -> RoleError:
        """Puts context in front, as err_context does."""
        self.what = "%s: %s" % (text, self.what)
        return self


def system_error(problem: OSError, what: str, hint: str = "") -> RoleError:
    """A system call that failed."""
    status = "no_memory" if problem.errno == 12 else "system"
    text = os.strerror(problem.errno) if problem.errno else str(problem)
    return RoleError(status, "%s: %s" % (what, text), hint)
