"""program.py: starting handoff from tests, and seeing everything it leaves behind.

Used by the drivers in tests/fault and tests/integration. Plain Python 3.8, nothing to install.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid

# Every process of a run inherits this variable with a value of the run's own, so that processes can
# be told apart from those of other runs on the same machine, whoever their parent is by now.
MARKER = "HANDOFF_TEST_MARKER"
# Runs a program on a kernel that lacks something.
WITHOUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "without.py")
# handoff watches the machine before and after a run; hundreds of runs need not, but for those that say
# env={WATCH: ""}.
WATCH = "HANDOFF_ENV_WATCH_MS"
os.environ.setdefault(WATCH, "20")
# What runs a program for another architecture; handoff starts its roles behind it, too.
EMULATOR = os.environ.get("HANDOFF_EMULATOR", "").split()
# How often the runner's descriptors are looked at.
SAMPLE_S = 0.01
# What a sanitizer prints, in whichever process.
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:")


class Failure(Exception):
    """A check that did not hold."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def family(marker):
    """The pids of all living processes that carry the marker. A zombie has no environment."""
    wanted = ("%s=%s" % (MARKER, marker)).encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def role_of(pid):
    """"producer", "consumer", "guard" or "runner"; "" when it is gone."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return ""
    return words[words.index(b"--role") + 1].decode() if b"--role" in words else "runner"


def kill_family(marker):
    """For clean-up after a failed check only."""
    for pid in family(marker):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def wait_family_gone(marker, seconds):
    """Seconds until no process carries the marker, or None when some still do after `seconds`."""
    begun = time.monotonic()
    while True:
        if not family(marker):
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(0.002)


def shared_names():
    try:
        return set(os.listdir("/dev/shm"))
    except OSError:
        return set()


def orphaned_names(before):
    """Names in /dev/shm that were not there before and that no living process has open or mapped, now
    and half a second later: those of other programs on the machine do not count, nor what one of them
    is about to open or to remove, nor segments that tests of libhandoff_frames name and leave on purpose
    (handoff.test…), maybe beside this one."""
    first = unowned_names(shared_names() - before)
    if not first:
        return first
    time.sleep(0.5)
    return first & unowned_names(shared_names() - before)


def unowned_names(names):
    new = {name for name in names if not name.startswith("handoff.test")}
    for pid in [name for name in os.listdir("/proc") if name.isdigit()] if new else []:
        try:
            with open("/proc/%s/maps" % pid) as file:
                text = file.read()
            links = [os.readlink("/proc/%s/fd/%s" % (pid, fd))
                     for fd in os.listdir("/proc/%s/fd" % pid)]
        except OSError:
            continue
        text += "\n".join(links)
        new = {name for name in new if "/dev/shm/" + name not in text}
    return {name for name in new if os.path.exists("/dev/shm/" + name)}


def descriptors(pid):
    """What a process has open, as a sorted tuple of kinds: "socket", "memfd:…", a path."""
    kinds = []
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            except OSError:
                continue
            kinds.append(re.sub(r":\[\d+\]$", "", link))
    except OSError:
        return None
    return tuple(sorted(kinds))


class Program:
    """One process of handoff with its output, each line with the time it came (CLOCK_MONOTONIC)."""

    def __init__(self, command, env=None, sample=False, wrapper=(), **options):
        self.marker = uuid.uuid4().hex
        self.began_ns = time.monotonic_ns()
        environment = dict(os.environ)
        environment.update(env or {})
        environment[MARKER] = self.marker
        self.process = subprocess.Popen(
            list(wrapper) + EMULATOR + list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, **options)
        self.pid = self.process.pid
        self.out = []  # (time in ns, line)
        self.err = []
        self.samples = []  # (time in ns, descriptors)
        self.readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err))]
        if sample:
            self.readers.append(threading.Thread(target=self._sample))
        for reader in self.readers:
            reader.daemon = True
            reader.start()

    @staticmethod
    def _read(pipe, lines):
        for line in pipe:
            lines.append((time.monotonic_ns(), line.decode("utf-8", "replace").rstrip("\n")))
        pipe.close()

    def _sample(self):
        while self.process.poll() is None:
            kinds = descriptors(self.pid)
            if kinds:
                self.samples.append((time.monotonic_ns(), kinds))
            time.sleep(SAMPLE_S)

    def wait(self, seconds=120):
        """The exit status, once everything it printed has been read."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_family(self.marker)
            raise Failure("still running after %d s; it said:\n%s" % (seconds, self.stderr()))
        for reader in self.readers:
            reader.join(10)
        return code

    def stdout(self):
        return "\n".join(line for _, line in self.out)

    def stderr(self):
        return "\n".join(line for _, line in self.err)

    def wait_for_line(self, pattern, seconds=60):
        """The time (ns) and match of the first line on stderr that matches."""
        until = time.monotonic() + seconds
        while True:
            for when, line in list(self.err):
                found = re.search(pattern, line)
                if found:
                    return when, found
            if time.monotonic() > until or (
                    self.process.poll() is not None and not self.readers[1].is_alive()):
                raise Failure("never said %r; it said:\n%s" % (pattern, self.stderr()))
            time.sleep(0.002)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)

    def check_nothing_left(self):
        left = ["%d (%s)" % (pid, role_of(pid)) for pid in family(self.marker)]
        if left:
            kill_family(self.marker)
        check(not left, "processes were left behind: " + ", ".join(left))

    def check_clean(self):
        """No sanitizer complained, in this process or in any of its children."""
        found = SANITIZER.search(self.stderr())
        check(not found, "a sanitizer complained:\n" + self.stderr())


def run(command, seconds=120, **options):
    """Runs to the end; the Program, with `code`."""
    program = Program(command, **options)
    program.code = program.wait(seconds)
    program.check_nothing_left()
    program.check_clean()
    return program


def without(*lacks):
    """The wrapper for a kernel that lacks something, or () where that cannot be done here."""
    wrapper = (sys.executable, WITHOUT, ",".join(lacks), "--")
    works = subprocess.run(wrapper + ("/bin/true",), stderr=subprocess.DEVNULL).returncode == 0
    return wrapper if works else ()


def read_json(path):
    with open(path) as file:
        return json.load(file)


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
    return path


def reap_orphans():
    """Makes this process the parent of orphans, so that they do not stay as zombies where process 1
    does not reap; False where that cannot be done."""
    import ctypes
    return ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
