"""The Python role under a runner that is this test: every transport and wait, each with the C role as
the other side; what is torn is seen, what is garbage is refused, and every end is told."""
import os
import random
import select
import signal
import socket
import struct
import sys
import threading
import time

import pytest

if not os.environ.get("CI"):
    pytest.importorskip("numpy")
import numpy  # noqa: E402

from role_runner import (BAD_SHAPE, CHECKED, CONSUMER, CONSUMER_STAMPS, PRODUCER,  # noqa: E402
                         PRODUCER_STAMPS, TORN, Role, RoleFailed, Runner, Trace, setup_message)
from handoff.role.detector import Detector  # noqa: E402
from handoff.role.edges import address_from_message  # noqa: E402
from handoff.role.errors import RoleError  # noqa: E402
from handoff.role.setup import Setup  # noqa: E402
from handoff.role.waits import idle_of  # noqa: E402

try:
    import zmq  # noqa: F401
except ImportError:
    zmq = None
needs_zmq = pytest.mark.skipif(zmq is None and not os.environ.get("CI"), reason="no pyzmq")

WAITS = {"shm": ("spin", "poll:100", "futex", "eventfd"), "unix": ("spin", "poll:100", "block"),
         "zmq_ipc": ("spin", "poll:100", "block", "native"), "zmq_tcp": ("block", "native")}
PEERS = ("c/python", "python/c", "python/python")
# The first wait of each transport with every pair, the others with one pair, in turn.
CHOICES = [(transport, wait, peer) for transport, waits in WAITS.items()
           for place, wait in enumerate(waits)
           for peer in (PEERS if place == 0 else PEERS[place % 3:place % 3 + 1])]
FRAMES, WARMUP = 12, 3


@pytest.fixture(scope="module")
def runner(handoff):
    return Runner(handoff)


def some_frame(rng, least_bytes=1):
    """Of an awkward size, over and under libzmq's and the kernel's buffers."""
    frame = "%dx%dx%d" % (rng.randrange(1, 400), rng.randrange(1, 200), rng.choice([1, 3, 4]))
    return frame if payload_bytes(frame) >= least_bytes else some_frame(rng, least_bytes)


def payload_bytes(frame):
    width, height, channels = (int(part) for part in frame.split("x"))
    return width * height * channels


def assert_whole(outcome, total, peer, latest=False):
    """Every frame arrived, in order and whole; and stamps stand in the order of what they tell."""
    assert [record["id"] for record in outcome.producer] == list(range(total))
    ids = [record["id"] for record in outcome.consumer]
    assert ids == (sorted(set(ids)) if latest else list(range(total))) and ids[-1] == total - 1
    assert {record["flags"] for record in outcome.consumer} == {CHECKED}
    in_order(outcome.producer, [name for name in PRODUCER_STAMPS if name != "ready"])
    in_order(outcome.producer, ("woke", "ready", "filled"))
    in_order(outcome.consumer, CONSUMER_STAMPS)
    for record in outcome.consumer:
        assert record["done"] > outcome.producer[record["id"]]["ready"]
        assert record["acquired"] > outcome.producer[record["id"]]["filled"]
    for report, language in zip(outcome.reports, peer.split("/")):
        assert report["frames"] == (len(ids) if report is outcome.reports[CONSUMER] else total)
        assert report["wall_ns"] > 0 and report["user_ns"] + report["system_ns"] > 0
        if language == "python":
            assert 0 < report["clock_cost_ns"] < 100000
            assert report["python"]["version"] == sys.version.split()[0]
            assert report["rss_end_bytes"] > 0


def in_order(records, names):
    for record in records:
        taken = [record[name] for name in names if record[name]]
        assert taken == sorted(taken), record


@pytest.mark.parametrize("transport,wait,peer", CHOICES)
def test_pairs(runner, rng, transport, wait, peer):
    if transport.startswith("zmq") and zmq is None and not os.environ.get("CI"):
        pytest.skip("no pyzmq")
    frame = some_frame(rng)
    axes = {"transport": transport, "wait": wait, "frame": frame, "pacing": "rate:1000",
            "slots": str(rng.randrange(1, 6))}
    outcome = runner.launch(peer, axes, FRAMES, WARMUP, rng.getrandbits(50))
    assert_whole(outcome, FRAMES + WARMUP, peer)
    size = payload_bytes(frame) * (FRAMES + WARMUP)
    producer, consumer = outcome.reports
    assert consumer["filled_bytes"] == 0
    assert producer["filled_bytes"] == (size if transport == "shm" else 0)
    for report in outcome.reports:
        if transport == "shm":
            assert report["copied_bytes"] == 0
        elif transport == "unix":
            assert report["copied_bytes"] == size
        else:
            assert size <= report["copied_bytes"] <= 3 * size
    assert all(record["due"] for record in outcome.producer)
    # A descriptor's reader is woken by the commit itself.
    assert all(bool(record["notified"]) == (transport == "shm") for record in outcome.producer)


@pytest.mark.parametrize("axes", [
    {"pacing": "pingpong", "kernel": "none"}, {"pacing": "max", "kernel": "preprocess"},
    {"pacing": "poisson:2000", "fill": "in_place"}, {"fill": "header", "kernel": "none"},
    {"pacing": "rate:1000", "phase": "random", "kernel": "invert", "gc": "off"},
    {"pacing": "pingpong", "fill": "in_place", "slots": "1"},
], ids=lambda axes: "-".join(axes.values()))
@pytest.mark.parametrize("peer", ["c/python", "python/c"])
def test_choices(runner, rng, axes, peer):
    base = {"transport": rng.choice(["shm", "unix"] + ["zmq_ipc"] * (zmq is not None)),
            "frame": some_frame(rng), "pacing": "rate:1000"}
    base["wait"] = "futex" if base["transport"] == "shm" else "block"
    outcome = runner.launch(peer, dict(base, **axes), FRAMES, WARMUP, rng.getrandbits(50))
    print(base)
    assert_whole(outcome, FRAMES + WARMUP, peer)
    pacing = dict(base, **axes)["pacing"]
    assert all(bool(record["due"]) == (":" in pacing) for record in outcome.producer)
    if pacing == "pingpong" and axes.get("fill") != "in_place":
        for record, next_one in zip(outcome.consumer, outcome.producer[1:]):
            assert next_one["woke"] > record["done"]
    if axes.get("fill") == "in_place":
        assert all(record["ready"] == record["filled"] for record in outcome.producer)


def test_latest(runner, rng):
    """A consumer that is slower than the producer skips frames, and gets the last one."""
    axes = {"policy": "latest", "pacing": "rate:2000", "frame": "200x100x3", "wait": "futex",
            "kernel": "detector"}
    with_sleep = detector_file("def detect(image):\n    import time\n    time.sleep(0.004)\n")
    outcome = runner.launch("c/python", axes, 40, WARMUP, rng.getrandbits(50), detector=with_sleep)
    assert_whole(outcome, 40 + WARMUP, "c/python", latest=True)
    assert len(outcome.consumer) < 40
    outcome = runner.launch("python/c", dict(axes, kernel="checksum"), 40, WARMUP,
                            rng.getrandbits(50))
    assert_whole(outcome, 40 + WARMUP, "python/c", latest=True)


@pytest.mark.parametrize("read,transport", [
    ("view", "shm"), ("slice", "shm"), ("struct", "shm"), ("tobytes", "shm"), ("slice", "unix"),
    pytest.param("struct", "zmq_ipc", marks=needs_zmq)])
def test_habits(runner, rng, read, transport):
    """What copies says how many bytes; `view` copies none."""
    frame = some_frame(rng)
    axes = {"transport": transport, "wait": "poll:100", "frame": frame, "read": read,
            "pacing": "rate:1000", "kernel": rng.choice(["checksum", "none"])}
    outcome = runner.launch("c/python", axes, FRAMES, WARMUP, rng.getrandbits(50))
    assert_whole(outcome, FRAMES + WARMUP, "c/python")
    copies = 0 if read == "view" else 1
    filled = outcome.reports[CONSUMER]["filled_bytes"]
    assert filled == copies * (FRAMES + WARMUP) * payload_bytes(frame)


# ---- Torn frames ---------------------------------------------------------------------------------


class Middleman(threading.Thread):
    """Between producer and consumer of a UNIX edge: hands on what comes, and flips one bit."""

    def __init__(self, upstream_fd, place):
        super().__init__(daemon=True)
        self.upstream = socket.socket(fileno=os.dup(upstream_fd))
        self.mine, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.place = place
        self.stream = bytearray()

    def run(self):
        threading.Thread(target=self.back, daemon=True).start()
        seen = 0
        while True:
            try:
                data = bytearray(self.upstream.recv(65536))
            except ConnectionResetError:  # the producer had credits left to read
                data = bytearray()
            if not data:
                self.mine.shutdown(socket.SHUT_WR)
                return
            self.stream += data
            if seen <= self.place < seen + len(data):
                data[self.place - seen] ^= 1 << random.randrange(8)
            seen += len(data)
            self.mine.sendall(data)

    def back(self):
        try:
            while True:
                data = self.mine.recv(256)
                if not data:
                    return
                self.upstream.sendall(data)
        except OSError:
            pass


@pytest.mark.parametrize("kernel,peer", [("checksum", peer) for peer in PEERS] +
                         [("none", "c/python"), ("invert", "c/python")])
def test_torn(runner, rng, kernel, peer):
    """One bit of one frame: anywhere for a kernel that reads all, in the first tag for one that
    looks at samples."""
    frame = some_frame(rng, least_bytes=8)  # the size of a tag
    size = payload_bytes(frame)
    victim = rng.randrange(FRAMES + WARMUP)
    within = rng.randrange(size) if kernel == "checksum" else rng.randrange(8)
    middle = []

    def relay(message, fds):
        middle.append(Middleman(fds[0], victim * (24 + size) + 24 + within))
        middle[0].start()
        os.dup2(middle[0].theirs.fileno(), fds[0])
        middle[0].theirs.close()
        return message

    axes = {"transport": "unix", "wait": "block", "frame": frame, "kernel": kernel,
            "pacing": "rate:1000"}
    outcome = runner.launch(peer, axes, FRAMES, WARMUP, rng.getrandbits(50), relay=relay)
    torn = [record["id"] for record in outcome.consumer if record["flags"] & TORN]
    assert torn == [victim]
    # What travels as a frame's timestamp is when it was ready.
    for record in outcome.producer:
        header = struct.unpack_from("<qiiii", middle[0].stream, record["id"] * (24 + size))
        assert header[0] == record["ready"] and header[4] == record["id"]


def test_wrong_content_and_shape(runner, rng):
    """Frames of another source, and of another shape of as many bytes."""
    seed = rng.getrandbits(40)
    axes = {"transport": "unix", "wait": "block", "frame": "60x40x3", "pacing": "rate:1000"}
    outcome = runner.launch("c/python", axes, FRAMES, WARMUP, seed,
                            change=lambda index, setup: setup.update(seed=seed + index))
    assert {record["flags"] for record in outcome.consumer} == {CHECKED | TORN}

    def turn(index, setup):
        if index == CONSUMER:
            setup["axes"]["frame"] = "40x60x3"
    outcome = runner.launch("c/python", axes, FRAMES, WARMUP, seed, change=turn)
    assert {record["flags"] for record in outcome.consumer} == {CHECKED | BAD_SHAPE}


# ---- Garbage -------------------------------------------------------------------------------------


def without(setup, key):
    setup = dict(setup)
    del setup[key]
    return setup


def with_axes(setup, **axes):
    return dict(setup, axes=dict(setup["axes"], **axes))


GARBAGE = {
    "no axes": (lambda setup: without(setup, "axes"), "corrupt", "axes"),
    "axes of text": (lambda setup: dict(setup, axes="shm"), "corrupt", "axes"),
    "no frames": (lambda setup: without(setup, "frames"), "corrupt", "frames"),
    "a clock that is not ours": (lambda setup: dict(setup, clock={"name": "TSC"}),
                                 "not_applicable", "TSC"),
    "a frame of nothing": (lambda setup: with_axes(setup, frame="0x0x3"), "corrupt", "0x0x3"),
    "too many slots": (lambda setup: with_axes(setup, slots="5000"), "corrupt", "slots"),
    "no warm-up": (lambda setup: dict(setup, warmup=None), "corrupt", "warmup"),
    "half a seed": (lambda setup: dict(setup, seed=0.5), "corrupt", "seed"),
    "a CPU that is text": (lambda setup: dict(setup, cpu="0x1"), "corrupt", "cpu"),
    "an unknown pacing": (lambda setup: with_axes(setup, pacing="sometimes"), "corrupt",
                          "sometimes"),
    "an unknown read": (lambda setup: with_axes(setup, read="guess"), "not_applicable", "guess"),
    "an unknown fill": (lambda setup: with_axes(setup, fill="gpu"), "not_applicable", "gpu"),
    "axes of numbers": (lambda setup: with_axes(setup, kernel=["none"]), "not_applicable", "none"),
    "a priority of 100": (lambda setup: with_axes(setup, scheduling="fifo:100"), "corrupt",
                          "priority"),
    "an access it has not": (lambda setup: with_axes(setup, access="mapped"), "not_applicable",
                             "mapped"),
    "a frame state it has not": (lambda setup: with_axes(setup, frame_state="evicted"),
                                 "not_applicable", "evicted"),
}


@pytest.mark.parametrize("name", list(GARBAGE))
def test_garbage_choices(name):
    change, status, said = GARBAGE[name]
    with pytest.raises(RoleError) as failure:
        Setup(change(setup_message({"wait": "futex"}, FRAMES, WARMUP, 1)))
    assert failure.value.status == status and said in failure.value.what, failure.value.what


@pytest.mark.parametrize("change,status,said", [
    (lambda setup: b"\xff{", "corrupt", "JSON"),
    (lambda setup: b"[1]", "corrupt", "JSON"),
    (lambda setup: {"type": "go"}, "corrupt", "where \"setup\" was due"),
    (lambda setup: dict(setup, frames=2**29), "corrupt", "trace"),
    (lambda setup: dict(setup, cpu=60000), "system", "CPU 60000"),
    (lambda setup: with_axes(setup, transport="pigeon"), "not_applicable", "pigeon"),
    (lambda setup: with_axes(setup, wait="hope"), "invalid", "hope"),
    (lambda setup: with_axes(setup, transport="unix", wait="futex"), "not_applicable", "futex"),
    (lambda setup: with_axes(setup, transport="unix", wait="block", policy="latest"),
     "not_applicable", "latest"),
])
def test_garbage_setup(runner, change, status, said):
    message = change(setup_message({"wait": "futex"}, FRAMES, WARMUP, 1))
    failure = refused(runner, PRODUCER, message)
    assert failure.status == status and said in failure.what, failure


def refused(runner, index, *messages):
    """What a role says of messages, the first of which comes with a trace, before it ends."""
    role, trace = Role(index, "python", runner.program), Trace(FRAMES + WARMUP)
    try:
        role.send(messages[0], [trace.fd])
        for message in messages[1:]:
            role.send(*message)
        with pytest.raises(RoleFailed) as failure:
            role.receive("finished", 20)
        assert role.end() == 3
        return failure.value
    finally:
        role.kill()
        trace.close()


@pytest.mark.parametrize("transport", ["shm", "unix", pytest.param("zmq_ipc", marks=needs_zmq)])
def test_garbage_address(runner, rng, transport):
    wait = "spin" if transport == "shm" else "block"
    setup = setup_message({"transport": transport, "wait": wait}, FRAMES, WARMUP, 1)
    junk = bytes(rng.getrandbits(8) for _ in range(rng.choice([1, 32, 360])))
    address = {"type": "address", "bytes": junk.hex(), "wait_fds": [False, False]}
    with open("/dev/zero", "rb") as file:
        failure = refused(runner, CONSUMER, setup, (address, [file.fileno()]))
    assert failure.status == "corrupt" and "attaching to the %s edge" % transport in failure.what


@pytest.mark.parametrize("address", [
    {}, {"bytes": 5, "wait_fds": "x"}, {"bytes": "0g", "wait_fds": []},
    {"bytes": "00" * 5000, "wait_fds": []}, {"bytes": "", "wait_fds": [True, True]},
])
def test_garbage_address_message(address):
    with pytest.raises(RoleError) as failure:
        address_from_message(dict(address, type="address"), [])
    assert failure.value.status == "corrupt"
    assert "not the address of an edge" in failure.value.what


@pytest.mark.parametrize("go", [{"start_ns": "5"}, {"start_ns": "-1", "deadline_ns": "1"}])
def test_garbage_go(runner, go):
    role, trace = Role(PRODUCER, "python", runner.program), Trace(FRAMES + WARMUP)
    try:
        role.send(setup_message({}, FRAMES, WARMUP, 1), [trace.fd])
        for fd in role.receive("address")[1]:
            os.close(fd)
        role.receive("ready")
        role.send(dict(go, type="go"))
        with pytest.raises(RoleFailed) as failure:
            role.receive("finished")
        assert failure.value.status == "corrupt" and "times" in failure.value.what
    finally:
        role.kill()
        trace.close()


def test_garbage_trace(runner):
    for words in ((1, FRAMES + WARMUP), (0x63617274, 1), (0x63617274, 2**31)):
        trace = Trace(FRAMES + WARMUP)
        struct.pack_into("<II", trace.map, 0, *words)
        role = Role(CONSUMER, "python", runner.program)
        try:
            role.send(setup_message({}, FRAMES, WARMUP, 1), [trace.fd])
            with pytest.raises(RoleFailed) as failure:
                role.receive("ready")
            assert failure.value.status == "corrupt" and "trace" in failure.value.what
        finally:
            role.kill()
            trace.close()


def test_unsealed_trace(runner):
    """One that could be cut off under the role."""
    trace, role = Trace(FRAMES + WARMUP, sealed=False), Role(CONSUMER, "python", runner.program)
    try:
        role.send(setup_message({}, FRAMES, WARMUP, 1), [trace.fd])
        with pytest.raises(RoleFailed) as failure:
            role.receive("ready")
        assert failure.value.status == "corrupt" and "not sealed" in failure.value.what
    finally:
        role.kill()
        trace.close()


@needs_zmq
@pytest.mark.parametrize("peer", ["python/c", "c/python"])
def test_wrong_token(runner, rng, peer):
    """Who does not know the token is not let in, by either language."""
    def relay(message, fds):
        data = bytearray.fromhex(message["bytes"])
        at = 32 + 2 * 128 + rng.randrange(64)
        data[at] = ord(rng.choice([digit for digit in "0123456789abcdef" if ord(digit) != data[at]]))
        return dict(message, bytes=data.hex())
    with pytest.raises(RoleFailed) as failure:
        runner.launch(peer, {"transport": "zmq_tcp", "wait": "block"}, relay=relay)
    assert failure.value.index == CONSUMER and "did not let this consumer in" in failure.value.what


# ---- Ends ----------------------------------------------------------------------------------------


def test_deadline(runner, rng):
    """A consumer whose producer falls silent, and a producer whose frames nobody returns."""
    stopped = []

    def stop(index):
        def on_go(roles):
            roles[index].process.kill()
            stopped.append(time.monotonic())
        return on_go

    for index, peer in ((PRODUCER, "c/python"), (CONSUMER, "python/c")):
        with pytest.raises(RoleFailed) as failure:
            runner.launch(peer, {"wait": "futex", "pacing": "rate:100"}, 30, WARMUP, 1,
                          deadline_s=1, on_go=stop(index), report_of=1 - index)
        assert failure.value.status == "timeout" and failure.value.index == 1 - index
        assert "before the deadline of the launch" in failure.value.what
        assert time.monotonic() - stopped[-1] < 15


@pytest.mark.parametrize("peer", PEERS)
def test_dead_peer(runner, peer):
    """Where the kernel knows of it, the other role says so at once."""
    for index, language in enumerate(peer.split("/")):
        if language == "c" and peer != "python/python":
            with pytest.raises(RoleFailed) as failure:
                runner.launch(peer, {"transport": "unix", "wait": "block", "pacing": "rate:100"},
                              200, WARMUP, 1, report_of=1 - index,
                              on_go=lambda roles: roles[index].process.kill())
            assert failure.value.status == "peer_gone" and failure.value.index == 1 - index


def test_dead_runner(runner):
    """A role whose runner is gone does not stay."""
    role, trace = Role(PRODUCER, "python", runner.program), Trace(FRAMES + WARMUP)
    try:
        role.send(setup_message({}, FRAMES, WARMUP, 1), [trace.fd])
        for fd in role.receive("address")[1]:
            os.close(fd)
        role.receive("ready")
        assert role.end() == 3
    finally:
        role.kill()
        trace.close()


def test_probe(runner):
    """What the runner asks before it plans."""
    role = Role(PRODUCER, "python", runner.program, arguments=["--probe"])
    try:
        said, _ = role.receive("probe")
        assert said["python"] == sys.version.split()[0] and said["numpy"] == numpy.__version__
        assert said["library"] and "error" not in said
        assert role.end() == 0
    finally:
        role.kill()


@pytest.mark.parametrize("wait", ["spin", "poll:1000", "block"])
def test_waits_on_a_descriptor(wait):
    """They end when there is news, and at the deadline when there is none."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        idle = idle_of(wait, ours.fileno(), select.POLLIN)
        began = time.monotonic_ns()
        while idle(began + 30000000):
            assert time.monotonic_ns() < began + 5000000000
        assert time.monotonic_ns() >= began + 30000000
        theirs.send(b"x")
        began = time.monotonic_ns()
        assert idle(began + 20000000000) and time.monotonic_ns() < began + 5000000000


@needs_zmq
@pytest.mark.parametrize("wait", ["block", "native"])
def test_deadline_of_zmq(runner, wait):
    with pytest.raises(RoleFailed) as failure:
        runner.launch("c/python", {"transport": "zmq_ipc", "wait": wait, "pacing": "rate:100"}, 30,
                      WARMUP, 1, deadline_s=0.5, report_of=CONSUMER,
                      on_go=lambda roles: roles[PRODUCER].process.send_signal(signal.SIGSTOP))
    assert failure.value.status == "timeout"


# ---- Detectors -----------------------------------------------------------------------------------


DETECTORS = []


def detector_file(text, name="mine.py"):
    import tempfile
    folder = tempfile.TemporaryDirectory(prefix="handoff-test-")
    DETECTORS.append(folder)
    path = os.path.join(folder.name, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path + ":detect"


DETECTOR_AXES = {"kernel": "detector", "frame": "64x48x3", "pacing": "rate:500", "wait": "futex"}


def test_detector(runner, rng, capfd):
    """It gets a read-only array of the frame, as often as there are frames, and by itself before. What
    it prints is not among what the runner prints."""
    detector = detector_file(
        "import zlib, numpy, helper\n"
        "def detect(image):\n"
        "    assert image.shape == (48, 64, 3) and image.dtype == numpy.uint8\n"
        "    assert not image.flags.writeable\n"
        "    print('a user prints', flush=True)\n"
        "    with open(helper.PATH, 'a') as file:\n"
        "        file.write('%d\\n' % zlib.crc32(image.tobytes()))\n")
    folder = os.path.dirname(detector.rpartition(":")[0])
    with open(os.path.join(folder, "helper.py"), "w", encoding="utf-8") as file:
        file.write("PATH = %r\n" % os.path.join(folder, "sums"))
    outcome = runner.launch("c/python", DETECTOR_AXES, FRAMES, WARMUP, rng.getrandbits(50),
                            detector=detector)
    assert_whole(outcome, FRAMES + WARMUP, "c/python")
    printed = capfd.readouterr()
    assert "a user prints" not in printed.out and "a user prints" in printed.err
    told = outcome.reports[CONSUMER]["detector"]
    assert 1 <= told["alone_count"] <= 20 and told["alone_p50_ns"] > 0
    with open(os.path.join(folder, "sums"), encoding="utf-8") as file:
        sums = file.read().split()
    assert len(sums) == FRAMES + WARMUP + told["alone_count"] + 1
    assert len(set(sums[-FRAMES - WARMUP:])) == FRAMES + WARMUP, "each frame has its own bytes"


def test_detector_cannot_write():
    """Not even where the transport's memory could be written to."""
    detector = Detector(Setup(setup_message(
        DETECTOR_AXES, FRAMES, WARMUP, 1,
        detector=detector_file("def detect(image):\n    assert not image.flags.writeable\n"))))
    detector.run(numpy.zeros(48 * 64 * 3, numpy.uint8))


@pytest.mark.parametrize("text,said,hint", [
    ("def detect(image):\n    x = 1\n    raise ValueError('no boxes')\n",
     "mine.py:detect raised ValueError: no boxes", "mine.py:3"),
    ("def detect(image):\n    image[0] = 1\n", "mine.py:detect raised ValueError", "mine.py:2"),
    ("def detect(image):\n    exit(3)\n", "mine.py:detect raised SystemExit: 3", "mine.py:2"),
    ("def detect():\n    pass\n", "mine.py:detect raised TypeError", "mine.py"),
    ("def other(image):\n    pass\n", "has no detect", "it has other"),
    ("detect = 5\n", "mine.py:detect is no function but a int", "def detect(image):"),
    ("def detect(image:\n", "mine.py does not load: SyntaxError", "mine.py:1"),
    ("import nothing_of_the_kind\n", "mine.py does not load: ModuleNotFoundError", "mine.py:1"),
    ("raise SystemExit(7)\n", "mine.py does not load: SystemExit: 7", "mine.py:1"),
    ("def detect(image):\n    yield image.sum()\n", "mine.py:detect returns a generator", "list()"),
    ("async def detect(image):\n    pass\n", "mine.py:detect returns a coroutine", "not async"),
    ("async def detect(image):\n    yield 1\n", "returns an async generator", "not async"),
])
def test_detector_refused(text, said, hint):
    """Before anything is measured."""
    with pytest.raises(RoleError) as failure:
        Detector(Setup(setup_message(DETECTOR_AXES, FRAMES, WARMUP, 1, detector=detector_file(text))))
    assert said in failure.value.what and hint in failure.value.hint, failure.value.what


@pytest.mark.parametrize("text,said", [
    ("import time\ntime.sleep(0.5)\ndef detect(image):\n    pass\n",
     "mine.py has been loading for 0.1 s, at %s:2; after a minute the launch fails"),
    ("import time\ndef detect(image):\n    if not hasattr(detect, 'was'):\n"
     "        detect.was = time.sleep(0.5)\n",
     "the first call of mine.py:detect has lasted for 0.1 s, at %s:4; after a minute the launch fails"),
    ("def detect(image):\n    pass\n", "")])
def test_detector_that_keeps_waiting(text, said, capfd, monkeypatch):
    """Where it is, while there is still time; and nothing of one that is quick. No thread stays."""
    monkeypatch.setattr("handoff.role.detector.PATIENCE_S", 0.1)
    detector = detector_file(text)
    before = threading.active_count()
    Detector(Setup(setup_message(DETECTOR_AXES, FRAMES, WARMUP, 1, detector=detector)))
    assert threading.active_count() == before
    lines = capfd.readouterr().err.splitlines()
    assert lines == ([said % detector.rpartition(":")[0]] if said else [])


def test_detector_refusal_is_told(runner):
    failure = refused(runner, CONSUMER, setup_message(
        DETECTOR_AXES, FRAMES, WARMUP, 1, detector=detector_file("def detect(image):\n    no\n")))
    assert failure.status == "invalid" and "raised NameError" in failure.what
    assert "mine.py:2" in failure.hint


@pytest.mark.parametrize("detector,said", [("/nowhere/mine.py:detect", "there is no file"),
                                           ("", "no function"), ("mine.py", "no function"),
                                           (__file__[:-3] + ":detect", "there is no file")])
def test_detector_missing(detector, said):
    with pytest.raises(RoleError) as failure:
        Detector(Setup(setup_message(DETECTOR_AXES, FRAMES, WARMUP, 1, detector=detector)))
    assert said in failure.value.what


def test_detector_raises_late(runner, rng):
    """In the window: the launch ends with its words, and the producer is not left behind."""
    detector = detector_file("calls = 0\ndef detect(image):\n    global calls\n    calls += 1\n"
                             "    if calls > 25:\n        raise KeyError('late')\n")
    with pytest.raises(RoleFailed) as failure:
        runner.launch("c/python", DETECTOR_AXES, FRAMES, WARMUP, rng.getrandbits(50),
                      detector=detector, report_of=CONSUMER)
    assert "mine.py:detect raised KeyError: 'late'" in failure.value.what
    assert "mine.py:6" in failure.value.hint


def test_detector_begins_a_thread(runner, rng):
    """One that has no end: the role ends all the same, with what is due at its exit done."""
    detector = detector_file("import atexit, threading, time\n"
                             "atexit.register(lambda: open(__file__ + '.exit', 'w').close())\n"
                             "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
                             "def detect(image):\n    pass\n")
    runner.launch("c/python", DETECTOR_AXES, 5, 0, rng.getrandbits(50), detector=detector)
    assert os.path.exists(detector.rpartition(":")[0] + ".exit")


def test_detector_and_gc(runner, rng):
    """gc off: nothing is collected while frames are handed over."""
    for gc_axis in ("on", "off"):
        detector = detector_file("import gc, os\ndef detect(image):\n"
                                 "    with open(__file__ + '.gc', 'a') as file:\n"
                                 "        file.write('%d' % gc.isenabled())\n")
        runner.launch("c/python", dict(DETECTOR_AXES, gc=gc_axis), 5, 0, rng.getrandbits(50),
                      detector=detector)
        with open(detector.rpartition(":")[0] + ".gc", encoding="utf-8") as file:
            states = file.read()
        assert states[-5:] == ("11111" if gc_axis == "on" else "00000")
        assert states[:-5] == "1" * (len(states) - 5)
