"""The package `handoff` of transports/python: Writer and Reader, mostly within this process."""
import datetime
import gc
import glob
import os
import pickle
import re
import signal
import threading
import time

import numpy
import pytest

import handoff
from frames_peer import LONG_S, READER, WRITER, Peer, content, fresh_name, is_gone, segment, write

SHAPE = (48, 64, 3)


@pytest.fixture
def seed(rng):
    return rng.getrandbits(31)


@pytest.fixture
def peer():
    """peer(code, …) -> Peer, ended with the test."""
    peers = []

    def start(code, *arguments):
        peers.append(Peer(code, *arguments))
        return peers[-1]
    yield start
    for started in peers:
        started.stop()
    # A killed writer leaves its segment to the next one of the name.
    for left in glob.glob(segment("test.%d.*" % os.getpid())):
        os.unlink(left)


@pytest.fixture
def background():
    """background(function, …): in a thread, whose exception is the test's."""
    threads, problems = [], []

    def run(function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as problem:
                problems.append(problem)
        threads.append(threading.Thread(target=guarded))
        threads[-1].start()
        return threads[-1]
    yield run
    for thread in threads:
        thread.join(LONG_S)
        assert not thread.is_alive()
    assert not problems, problems


@pytest.fixture
def pair(background):
    """pair(shape, …) -> a Writer and a Reader of its segment, both in this process."""
    opened = []

    def make(shape=SHAPE, timeout=LONG_S, **options):
        writer = handoff.Writer(fresh_name(), shape, timeout=timeout, **options)
        opened.append(writer)
        # The reader is let in while the writer waits in frame(), or comes by there.
        found = []
        begin = background(lambda: found.append(handoff.Reader(writer.name, timeout=timeout)))
        while begin.is_alive():
            try:
                with writer.frame(timeout=0.01):
                    if writer.policy == "every":
                        raise KeyError
            except (handoff.Timeout, KeyError):
                pass
            begin.join(0.001)
        opened.append(found[0])
        return writer, found[0]
    yield make
    for endpoint in opened:
        endpoint.close()


# ---- Frames --------------------------------------------------------------------------------------

def test_every_frame_arrives_whole_and_in_order(rng, seed, peer):
    shape = (rng.randint(1, 90), rng.randint(1, 90), rng.randint(1, 4))
    name = fresh_name()
    peer(WRITER, name, seed, 300, *shape)
    began_ns = time.monotonic_ns()
    with handoff.Reader(name, timeout=LONG_S) as reader:
        assert (reader.shape, reader.slots, reader.policy) == (shape, 4, "every")
        last_ns = began_ns
        for expected, frame in enumerate(reader):
            assert frame.id == frame.sequence == expected
            assert (frame.array == content(seed, expected, shape)).all()
            assert last_ns <= frame.timestamp_ns <= time.monotonic_ns()
            assert 0 <= frame.age < LONG_S
            last_ns = frame.timestamp_ns
        assert expected == 299
    assert is_gone(name)


def test_latest_skips_but_never_touches_what_is_held(seed, peer):
    name = fresh_name()
    peer("""
name, seed = sys.argv[1], int(sys.argv[2])
with handoff.Writer(name, (48, 64, 3), policy="latest") as writer:
    while True:
        with writer.frame() as frame:
            frame.array[...] = content(seed, frame.sequence, writer.shape)
""", name, seed)
    skipped, last = 0, -1
    with handoff.Reader(name, timeout=LONG_S) as reader:
        assert reader.policy == "latest"
        for _ in range(20):
            frame = reader.read()
            time.sleep(0.005)
            assert (frame.array == content(seed, frame.sequence, SHAPE)).all()
            assert frame.sequence > last
            skipped += frame.sequence - last - 1
            last = frame.sequence
    assert skipped > 0


def test_latest_writer_counts_what_it_replaced(pair):
    writer, reader = pair(policy="latest")
    before = writer.skipped
    for _ in range(10):
        with writer.frame() as frame:
            last = frame.sequence
    assert reader.read().sequence == last
    assert writer.skipped - before in (9, 10)  # 10: where one was there for the reader already


@pytest.mark.parametrize("wait", [wait.replace("US", "50") for wait in handoff.waits()])
def test_every_wait_hands_over(wait, seed, background, pair):
    try:
        writer, reader = pair(wait=wait)
    except handoff.Unavailable as unavailable:
        pytest.skip(str(unavailable))
    background(write, writer, seed, 20)
    for index in range(20):
        assert (reader.read().array == content(seed, index, SHAPE)).all()


# ---- Arrays --------------------------------------------------------------------------------------

def test_a_readers_array_is_a_view_of_its_slot_and_read_only(seed, background, pair):
    writer, reader = pair(slots=2)
    background(write, writer, seed, 6)
    arrays = [reader.read().array for _ in range(6)]
    # Made once for each slot, not for each frame.
    assert len({id(array) for array in arrays}) == 2
    for array in arrays:
        assert array.shape == SHAPE and array.dtype == numpy.uint8 and array.flags.c_contiguous
        with pytest.raises(ValueError):
            array[0, 0, 0] = 1
        with pytest.raises(ValueError):
            array.setflags(write=True)
        with pytest.raises(ValueError):
            array[::2, 3:][0, 0, 0] = 1


def test_an_array_asked_for_after_the_frame_was_given_back(seed, background, pair):
    writer, reader = pair()
    background(write, writer, seed, 3)
    with reader.read() as frame:
        mine = frame.copy()
    with pytest.raises(handoff.Invalid, match="given back"):
        frame.array
    frame = reader.read()
    kept = frame.array
    reader.read()
    with pytest.raises(handoff.Invalid):
        frame.array
    frame.release()  # of a frame long gone: nothing
    assert kept.sum() >= 0
    assert (mine == content(seed, 0, SHAPE)).all()
    mine[...] = 0


def test_memory_stays_until_the_last_array_is_gone(seed, background, pair):
    writer, reader = pair(shape=(100, 100, 3))
    name = writer.name
    background(write, writer, seed, 1).join()
    row = reader.read().array[5]
    row_was = row.copy()

    def mapped():
        with open("/proc/self/maps") as maps:
            return name in maps.read()
    reader.close()
    assert (row == row_was).all()
    assert mapped()
    with pytest.raises(handoff.Invalid, match="closed\nhint: "):
        reader.read()


def test_arrays_outlive_their_reader_and_crash_nothing(seed, peer):
    """In a process of its own: a crash is seen as its exit code."""
    name = fresh_name()
    peer(WRITER, name, seed, 3, *SHAPE)
    child = peer("""
import gc
name, seed = sys.argv[1], int(sys.argv[2])

class Ring:
    # Part of a cycle that the collector finds, and reads the array while it is collected.
    def __init__(self, array):
        self.array, self.me = array, self
    def __del__(self):
        print(int(self.array.sum()), flush=True)

def mapped():
    return name in open("/proc/self/maps").read()

reader = handoff.Reader(name, timeout=LONG_S)
array = reader.read().array
total = int(array.sum())
frame = reader.read()
ring = Ring(reader.read().array)
whole = int(ring.array.sum())
part = array[10:20, ::2]
del reader, frame, array
gc.collect()
assert mapped()
assert (part == content(seed, 0, (48, 64, 3))[10:20, ::2]).all()
del part, ring
gc.collect()
print(whole)
assert not mapped()
""", name, seed)
    seen = child.end().split()
    assert len(seen) == 2 and seen[0] == seen[1]


# ---- Writer --------------------------------------------------------------------------------------

def test_a_body_that_raises_publishes_nothing(seed, pair):
    writer, reader = pair()
    with pytest.raises(ZeroDivisionError):
        with writer.frame() as frame:
            frame.array[...] = 7
            1 / 0
    with pytest.raises(handoff.Timeout):
        reader.read(timeout=0)
    write(writer, seed, 1)
    frame = reader.read()
    assert frame.sequence == 0
    assert (frame.array == content(seed, 0, SHAPE)).all()


def test_the_writers_frame(seed, pair):
    writer, reader = pair()
    outside = writer.frame()
    with pytest.raises(handoff.Invalid):
        outside.array
    with writer.frame() as frame:
        frame.timestamp_ns = 123456789
        frame.array[...] = content(seed, 0, SHAPE)
        with pytest.raises(handoff.Invalid, match="within"):
            with writer.frame():
                pass
    with pytest.raises(handoff.Invalid):
        frame.array
    got = reader.read()
    assert got.timestamp_ns == 123456789
    assert (got.array == content(seed, 0, SHAPE)).all()
    writer.write(content(seed, 1, SHAPE)[:, ::-1], timestamp_ns=5)
    got = reader.read()
    assert got.timestamp_ns == 5
    assert (got.array == content(seed, 1, SHAPE)[:, ::-1]).all()
    for wrong in (numpy.zeros((48, 64), numpy.uint8), numpy.zeros(SHAPE), [[1]]):
        with pytest.raises(handoff.Invalid, match="shape.*uint8\nhint: "):
            writer.write(wrong)
    with pytest.raises(handoff.Invalid, match="bring it into the shape of"):
        writer.write(numpy.zeros((48, 64), numpy.uint8))
    for wrong in (1.5, "now"):
        with pytest.raises(handoff.Invalid, match="timestamp_ns.*\n.*monotonic_ns"):
            writer.write(content(seed, 2, SHAPE), timestamp_ns=wrong)
    assert writer.has_reader
    reader.close()
    assert not writer.has_reader


def test_frames_of_another_type(rng, pair):
    """As the refusal of an array of float32 says, and the README."""
    picture = numpy.random.RandomState(rng.getrandbits(32)).rand(9, 7, 3).astype(numpy.float32)
    with handoff.Writer(None, (9, 7, 3)) as writer:
        with pytest.raises(handoff.Invalid) as caught:
            writer.write(picture)
    said = re.search(r"a Writer of shape (\(.*?\)), and fill (frame\.\S+)$", caught.value.hint)
    writer, reader = pair(shape=eval(said.group(1)))
    with writer.frame() as frame:
        eval(said.group(2))[...] = picture
    got = reader.read().array.view(numpy.float32)
    assert got.shape == picture.shape and (got == picture).all() and not got.flags.writeable


@pytest.mark.parametrize("arguments", [
    dict(name="a/b"), dict(name="a\0b"), dict(name=b"a"), dict(wait=None), dict(name=""),
    dict(name="x" * 101), dict(shape=(0, 4, 3)),
    dict(shape=(4, 4)), dict(shape="abc"), dict(shape=(2**40, 4, 3)), dict(slots=0),
    dict(slots=1025), dict(slots=2, policy="latest"), dict(policy="newest"), dict(wait="spinn"),
    dict(wait="poll"), dict(timeout=float("nan")), dict(timeout="5"), dict(shape=(4.5, 4, 3)),
    dict(shape="123"), dict(shape=(float("inf"), 4, 3)), dict(slots="4"), dict(slots=4.5),
    dict(policy=["every"]), dict(timeout=datetime.timedelta(1))])
def test_wrong_arguments(arguments):
    given = dict(name=fresh_name(), shape=SHAPE)
    given.update(arguments)
    with pytest.raises(handoff.Invalid) as caught:
        handoff.Writer(**given)
    assert caught.value.what and "\n" not in caught.value.what and caught.value.hint
    assert "cell" not in str(caught.value) and "transport" not in str(caught.value)
    print(caught.value)
    if "name" in arguments:
        with pytest.raises(handoff.Invalid):
            handoff.Reader(arguments["name"], timeout=0)


def test_a_random_name(pair):
    writers = [handoff.Writer(None, SHAPE) for _ in range(2)]
    assert writers[0].name != writers[1].name
    for writer in writers:
        assert os.stat(segment(writer.name)).st_mode & 0o777 == 0o600
        writer.close()
        assert not os.path.exists(segment(writer.name))
        writer.close()


def test_too_large_for_the_memory_there_is():
    space = os.statvfs("/dev/shm")
    slots = space.f_blocks * space.f_frsize // (8000 * 8000 * 4) + 1
    if slots > 1024:
        pytest.skip("/dev/shm holds the largest segment there can be")
    with pytest.raises(handoff.NoMemory) as caught:
        handoff.Writer(fresh_name(), (8000, 8000, 4), slots=slots)
    assert caught.value.hint
    print(caught.value)


# ---- Waiting -------------------------------------------------------------------------------------

@pytest.mark.parametrize("wait", ["futex", "poll:100"])
def test_timeouts_are_kept(wait, pair):
    writer, reader = pair(wait=wait, slots=1)
    for timeout in (0, -1, 0.03, 0.25):
        began = time.monotonic()
        with pytest.raises(handoff.Timeout):
            reader.read(timeout=timeout)
        took = time.monotonic() - began
        assert max(timeout, 0) <= took < max(timeout, 0) + 2
    writer.write(numpy.zeros(SHAPE, numpy.uint8))
    began = time.monotonic()
    with pytest.raises(handoff.Timeout):
        writer.write(numpy.zeros(SHAPE, numpy.uint8), timeout=0.15)
    assert 0.15 <= time.monotonic() - began < 2.15
    reader.read(timeout=float("inf"))
    with pytest.raises(handoff.Invalid):
        reader.read(timeout=float("nan"))


def test_nobody_reads_and_nobody_writes():
    began = time.monotonic()
    with pytest.raises(handoff.Absent) as caught:
        handoff.Reader("nobody.writes.this", timeout=0.15)
    assert 0.15 <= time.monotonic() - began < 2.15
    assert "nobody.writes.this" in caught.value.what and caught.value.hint
    with handoff.Writer(fresh_name(), SHAPE, timeout=0.15) as writer:
        began = time.monotonic()
        with pytest.raises(handoff.Timeout):
            with writer.frame():
                pass
        assert 0.15 <= time.monotonic() - began < 2.15


@pytest.mark.parametrize("wait", ["futex", "spin"])
def test_other_threads_run_while_it_waits(wait, monkeypatch, background, pair):
    _, reader = pair(wait=wait)
    monkeypatch.setattr("handoff._endpoint.SLICE_NS", 10**9)
    running, counts = [True], [0]

    def count():
        while running:
            counts[0] += 1

    def counted(wait_for_it):
        before = counts[0]
        wait_for_it()
        return counts[0] - before

    def read():
        with pytest.raises(handoff.Timeout):
            reader.read(timeout=0.3)
    background(count)
    # Were the lock kept, the other thread had its 5 ms of turn before and behind, and no more. With
    # `spin` the two threads may have to share a processor. A busy machine may have no time for either:
    # then once more.
    try:
        for _ in range(8):
            idle = counted(lambda: time.sleep(0.3))
            waiting = counted(read)
            if waiting > idle * 0.15:
                break
    finally:
        running.clear()
    assert waiting > idle * 0.15


@pytest.mark.parametrize("code", [
    "handoff.Reader(name)", "reader.read()", "writer.frame().__enter__()"])
def test_ctrl_c_ends_a_wait(code, peer):
    child = peer("""
import threading
name = sys.argv[1]
if "reader.read" in sys.argv[2]:
    writer = handoff.Writer(name, (4, 4, 3))
    threading.Thread(target=write, args=(writer, 1, 3), daemon=True).start()
    reader = handoff.Reader(name, timeout=LONG_S)
    for _ in range(3):
        reader.read()
elif "writer.frame" in sys.argv[2]:
    writer = handoff.Writer(name, (4, 4, 3), wait="spin")
try:
    print("waits", flush=True)
    eval(sys.argv[2])
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
""", fresh_name(), code)
    assert child.line() == "waits"
    time.sleep(0.15)
    sent = time.monotonic()
    child.process.send_signal(signal.SIGINT)
    assert float(child.line()) - sent < 2


def interrupting(call, when):
    """A call of the C library, with Ctrl-C when it has given something, or before it was made."""
    def interrupted(*arguments):
        if when == "before":
            raise KeyboardInterrupt
        if call(*arguments) == 0:
            raise KeyboardInterrupt
        return 1  # HANDOFF_TIMEOUT
    return interrupted


@pytest.mark.parametrize("name, when", [
    ("_acquire", "after"), ("_acquire_slow", "after"), ("_give_back", "before"),
    ("_give_back", "after")])
def test_a_reader_goes_on_after_ctrl_c(name, when, monkeypatch, seed, pair):
    """With a frame every 33 ms Ctrl-C nearly always comes with one in a wait's hands."""
    writer, reader = pair(slots=6)
    write(writer, seed, 6)
    last = reader.read().sequence
    with monkeypatch.context() as patch:
        if name == "_acquire_slow":
            patch.setattr(reader, "_acquire", lambda *_: 1)
        patch.setattr(reader, name, interrupting(getattr(reader, name), when))
        with pytest.raises(KeyboardInterrupt):
            reader.read()
    frame = reader.read()
    assert last < frame.sequence <= last + 2
    for expected in range(frame.sequence, 6):
        assert frame.sequence == expected
        assert (frame.array == content(seed, expected, SHAPE)).all()
        frame = reader.read() if expected < 5 else None


@pytest.mark.parametrize("name", ["_reserve_quick", "_reserve_slow", "lock"])
def test_a_writer_goes_on_after_ctrl_c(name, monkeypatch, seed, pair):
    writer, reader = pair()

    class Lock:
        """The last call before frame()'s `with` begins."""

        def __init__(self, lock):
            self.lock, self.acquire = lock, lock.acquire

        def release(self):
            self.lock.release()
            raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        if name == "lock":
            patch.setattr(writer, "_lock", Lock(writer._lock))
        else:
            if name == "_reserve_slow":
                patch.setattr(writer, "_reserve_quick", lambda *_: 1)
            patch.setattr(writer, name, interrupting(getattr(writer, name), "after"))
        with pytest.raises(KeyboardInterrupt):
            with writer.frame():
                pass
    write(writer, seed, 1)
    frame = reader.read()
    assert frame.sequence == 0 and (frame.array == content(seed, 0, SHAPE)).all()


def test_a_reader_that_asks_again_and_again(monkeypatch, background):
    """Opening is sliced, to look for Ctrl-C: a slice that ends while the writer answers costs no
    frame, and does not make the writer believe that a reader has gone."""
    monkeypatch.setattr("handoff._reader.SLICE_NS", 50000)
    for _ in range(60):
        with handoff.Writer(fresh_name(), (4, 4, 3), timeout=LONG_S) as writer:
            first = []

            def read(name=writer.name, first=first):
                with handoff.Reader(name, timeout=LONG_S) as reader:
                    first.append(reader.read().sequence)
            thread = background(read)
            while True:
                try:
                    with writer.frame(timeout=0.001):
                        pass
                    break
                except handoff.Timeout:
                    pass
            thread.join()
            assert first == [0]


def test_close_in_another_thread_ends_the_wait(background, pair):
    _, reader = pair()
    background(lambda: (time.sleep(0.1), reader.close()))
    with pytest.raises(handoff.Invalid, match="closed"):
        reader.read()
    assert reader.closed


def test_one_thread_at_a_time(seed, background, pair):
    writer, reader = pair()
    seen = []

    def other():
        """Asks until it meets this thread in read(), which it then lets go on."""
        until = time.monotonic() + LONG_S / 2
        while not seen and time.monotonic() < until:
            try:
                reader.read(timeout=0)
            except handoff.Timeout:
                time.sleep(0.01)
            except handoff.Error as problem:
                seen.append(problem)
        write(writer, seed, 1)
    thread = background(other)
    frame = None
    while frame is None:
        try:
            frame = reader.read()
        except handoff.Invalid as problem:  # the other one was in it
            assert "another thread" in problem.what
    thread.join()
    assert isinstance(seen[0], handoff.Invalid) and "another thread" in seen[0].what
    assert (frame.array == content(seed, 0, SHAPE)).all()


# ---- Processes -----------------------------------------------------------------------------------

def test_a_forked_child_is_told(seed, background, pair):
    writer, reader = pair()
    background(write, writer, seed, 1).join()
    frame = reader.read()
    outcome_read, outcome_write = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens here, pytest must not go on twice.
        said = []
        for call in (lambda: reader.read(timeout=0), lambda: writer.frame().__enter__(),
                     lambda: writer.has_reader, frame.release):
            try:
                call()
                said.append("nothing")
            except handoff.Invalid as problem:
                said.append("forked" if "forked" in problem.what else problem.what)
            except BaseException as problem:
                said.append(repr(problem))
        reader.close()
        writer.close()
        del frame, reader, writer
        gc.collect()
        os.write(outcome_write, "\n".join(said).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(outcome_write)
    with os.fdopen(outcome_read) as said:
        assert said.read().split("\n") == ["forked"] * 4
    # And this process has lost nothing by it.
    assert (frame.array == content(seed, 0, SHAPE)).all()
    write(writer, seed, 1, first=1)
    assert (reader.read().array == content(seed, 1, SHAPE)).all()
    for endpoint in (writer, reader):
        with pytest.raises(handoff.Invalid, match="another process"):
            pickle.dumps(endpoint)


def test_a_forked_child_does_not_wait_for_the_gpu(pair):
    """Its close() would call CUDA, which knows nothing of this process."""
    _, reader = pair()
    asked = []

    class Device:
        def synchronize(self):
            asked.append(os.getpid())
    reader._device, reader._gpu_reads = Device(), True
    child = os.fork()
    if child == 0:
        reader.close()
        os._exit(len(asked))
    assert os.waitpid(child, 0)[1] == 0
    reader.close()
    assert asked == [os.getpid()]


def test_a_name_goes_with_its_process(peer):
    """Also when nobody called close(), and a thread still holds the Writer."""
    name = fresh_name()
    child = peer("""
import threading
there = threading.Event()

def hold():
    writer = handoff.Writer(sys.argv[1], (4, 4, 3))
    there.set()
    time.sleep(LONG_S)
threading.Thread(target=hold, daemon=True).start()
there.wait()
print(os.path.exists(segment(sys.argv[1])))
""", name)
    assert child.end() == "True\n"
    assert not os.path.exists(segment(name))


def test_a_second_reader_and_a_second_writer(seed, peer):
    name = fresh_name()
    reader_process = peer(READER, name, seed, 1, "stay")
    with handoff.Writer(name, SHAPE, timeout=LONG_S) as writer:
        write(writer, seed, 1)
        assert reader_process.line() == "0 whole"
        with pytest.raises(handoff.Busy) as caught:
            handoff.Reader(name, timeout=0.5)
        assert name in caught.value.what and caught.value.hint
        with pytest.raises(handoff.Busy):
            handoff.Writer(name, SHAPE)
        second = peer("""
try:
    handoff.Writer(sys.argv[1], (4, 4, 3))
except handoff.Busy:
    print("busy")
""", name)
        assert second.end() == "busy\n"
        write(writer, seed, 1, first=1)  # and the first two are not disturbed


def test_errors_can_be_sent_to_another_process():
    problem = pickle.loads(pickle.dumps(handoff.Absent("what", "hint", 2)))
    assert isinstance(problem, handoff.Absent)
    assert (problem.what, problem.hint, problem.errno) == ("what", "hint", 2)
    assert str(problem) == "what\nhint: hint"
