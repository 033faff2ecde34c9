"""peers.py: both sides of a measurement across two hosts, and a stranger's idea of the protocol, for
check_peer.py and check_two_hosts.py. The handshake is written here anew, from its description in
harness/run/peer_wire.h, so that the two programs do not only agree with themselves."""
import base64
import hashlib
import hmac
import os
import re
import signal
import socket
import struct
import subprocess
import time

import program
from program import check

MARK, VERSION = b"handoff\n", 1
DESCRIBE, LAUNCH, GOODBYE = range(3)
BYTES_MAX = 262144


def make_key(path, text=None):
    """A key file as the help says to make one; its text."""
    text = text or base64.b64encode(os.urandom(32)).decode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, text.encode() + b"\n")
    os.close(fd)
    return text


class Serve:
    """`handoff serve` while the tests go on; where: the words in front of it (nsenter …)."""

    def __init__(self, t, key_file, *options, where=(), listen="127.0.0.1:0", env=None):
        self.process = program.Program(
            [t.path, "serve", "--listen", listen, "--key-file", key_file] + list(options),
            wrapper=where, env=env)
        _, found = self.process.wait_for_line(r"^serving on (\S+), port (\d+)")
        self.port = int(found.group(2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.process.poll() is None:
            program.kill_family(self.process.marker)
        self.process.wait()

    def said(self):
        return self.process.stderr()

    def roles(self):
        """Which processes it has, by role."""
        return {program.role_of(pid): pid for pid in program.family(self.process.marker)}

    def wait_for_role(self, role, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid = self.roles().get(role)
            if pid:
                return pid
            time.sleep(0.005)
        raise program.Failure("no %s at the serving side; it said:\n%s" % (role, self.said()))

    def wait_until_alone(self, seconds):
        """Seconds until nothing but itself is left of its family."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if set(self.roles()) <= {"runner"}:
                return time.monotonic() - begun
            time.sleep(0.01)
        raise program.Failure("after %.1f s the serving side still has %s" % (seconds, self.roles()))

    def end(self):
        """Its orderly end; nothing may be left."""
        self.process.kill(signal.SIGTERM)
        code = self.process.wait(20)
        self.process.check_nothing_left()
        self.process.check_clean()
        check(code == 0, "serve ended with %d:\n%s" % (code, self.said()))


# ---- the protocol -------------------------------------------------------------------------------------

def connect(port, host="127.0.0.1", source=None):
    made = socket.create_connection((host, port), timeout=10, source_address=source and (source, 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def receive(sock, count):
    """So many bytes, or fewer when the other side closes."""
    got = b""
    while len(got) < count:
        try:
            more = sock.recv(count - len(got))
        except ConnectionError:
            more = b""
        if not more:
            break
        got += more
    return got


def hello(nonce, version=VERSION):
    return MARK + struct.pack("<I", version) + nonce


class Stranger:
    """A client that knows a key, or does not, and speaks the protocol by hand."""

    def __init__(self, port, key_text, source=None):
        self.key = hmac.new(key_text.encode(), b"handoff peer key\0", hashlib.sha256).digest()
        self.sock = connect(port, source=source)
        self.nonce = os.urandom(32)
        self.sent = 0

    def code(self, label, extra=b""):
        covered = label.ljust(16, b"\0") + struct.pack("<I", VERSION) + self.nonce + self.other
        return hmac.new(self.key, covered + extra.ljust(17, b"\0"), hashlib.sha256).digest()

    def greet(self):
        self.sock.sendall(hello(self.nonce))
        got = receive(self.sock, 44)
        check(got[:12] == MARK + struct.pack("<I", VERSION), "not its hello: %r" % got)
        self.other = got[12:]

    def proof(self, purpose=LAUNCH, run=b"r" * 16):
        what = bytes([purpose]) + run
        return what + self.code(b"client's proof", what)

    def answer(self):
        """0: welcome; 1: busy; None: nothing came."""
        got = receive(self.sock, 33)
        if not got:
            return None
        check(got[1:] == self.code(b"server's answer", got[:1]), "the server's answer proves nothing")
        return got[0]

    def come_in(self, **what):
        self.greet()
        self.sock.sendall(self.proof(**what))
        return self.answer()

    def message(self, kind, text):
        """As it goes over the wire, with the next number."""
        body = struct.pack("<I", 1 + len(text)) + kind + text
        key = self.code(b"key to server")
        mac = hmac.new(key, struct.pack("<Q", self.sent) + body, hashlib.sha256).digest()
        self.sent += 1
        return body + mac

    def heard(self, seconds=10):
        """All that still comes until the other side closes; None when it does not."""
        self.sock.settimeout(seconds)
        got = b""
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return got
                got += more
        except ConnectionError:
            return got
        except socket.timeout:
            return None


def secret_is_nowhere(secret, folder, *texts):
    """Neither in files nor in what was said."""
    for text in texts:
        check(secret not in text, "the key was told:\n" + text)
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                check(secret.encode() not in file.read(), "the key is in %s" % name)


def available(t):
    """Why two hosts cannot be measured with this build, or None."""
    done = subprocess.run(program.EMULATOR + [t.path, "serve", "--listen", "127.0.0.1:0"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={k: v for k, v in os.environ.items() if k != "HANDOFF_KEY"})
    return re.sub(r"\n.*", "", done.stderr.decode()) if done.returncode == 77 else None
