"""The control socket: whole JSON messages with descriptors (harness/base/channel.h)."""

from __future__ import annotations

import array
import json
import os
import select
import socket
import time
from typing import Any, Dict, Sequence

from .errors import RoleError, system_error

MESSAGE_BYTES_MAX = 65536
FDS_MAX = 8
# How long a role waits for the runner's next word before it gives up.
SILENCE_S = 120.0

Message = Dict[str, Any]


class Control:
    """This role's end of the socket."""

    def __init__(self, fd: int) -> None:
        try:
            os.set_inheritable(fd, False)
            self._socket = socket.socket(fileno=fd)
            kind = self._socket.type
        except OSError as problem:
            raise RoleError(
                "invalid",
                "descriptor %d is no control socket: %s" % (fd, problem),
                "roles are started by `handoff run`",
            ) from None
        if kind != socket.SOCK_SEQPACKET:
            raise RoleError("invalid", "descriptor %d is no control socket" % fd)
        self._socket.setblocking(True)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """One message; the descriptors stay the caller's."""
        data = json.dumps(message).encode()
        if len(data) > MESSAGE_BYTES_MAX:
            raise RoleError("invalid", "a control message of %d bytes is too long" % len(data))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([data], rights, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            raise RoleError("peer_gone", "the other end of the control socket is closed") from None
        except OSError as problem:
            raise system_error(problem, "cannot send a control message") from None

    def receive(self, kind: str) -> tuple[Message, list[int]]:
        """The next message, which must be of type `kind`, and its descriptors, now the caller's."""
        try:
            message, fds = self._receive_any()
        except RoleError as problem:
            raise problem.context('waiting for "%s" from the runner' % kind) from None
        found = message.get("type")
        if found == kind:
            return message, fds
        for fd in fds:
            os.close(fd)
        raise RoleError(
            "corrupt",
            'the runner sent "%s" where "%s" was due' % (found, kind),
            "do both ends run the same version of handoff?",
        )

    def close(self) -> None:
        """Tells the runner that this role has cleaned up."""
        self._socket.close()

    def _receive_any(self) -> tuple[Message, list[int]]:
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        until = time.monotonic() + SILENCE_S
        while not waiting.poll(max(0, int(1000 * (until - time.monotonic())))):
            if time.monotonic() >= until:
                raise RoleError("timeout", "no control message came in time")
        room = socket.CMSG_SPACE(FDS_MAX * array.array("i").itemsize)
        try:
            data, rights, flags, _ = self._socket.recvmsg(
                MESSAGE_BYTES_MAX, room, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            data, rights, flags = b"", [], 0
        except OSError as problem:
            raise system_error(problem, "cannot receive a control message") from None
        fds = _descriptors(rights)
        problem_text = ""
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            problem_text = "a control message was cut short"
        elif data:
            try:
                message = json.loads(data.decode())
                if isinstance(message, dict):
                    return message, fds
            except ValueError:
                pass
            problem_text = "a control message is not a JSON object"
        for fd in fds:
            os.close(fd)
        if problem_text:
            raise RoleError("corrupt", problem_text)
        raise RoleError("peer_gone", "the other end of the control socket is closed")


def _descriptors(rights: Sequence[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)
