"""The package `handoff` when the other process dies or comes back, and with hostile segments."""
import os
import signal
import struct
import time

import pytest

import handoff
from frames_peer import LONG_S, READER, WRITER, content, fresh_name, is_gone, segment, write
from test_frames import SHAPE, background, peer, seed  # noqa: F401 (fixtures)

# The library notices a death within 200 ms; the rest is for a slow machine.
SOON_S = 3


def took(began):
    return time.monotonic() - began


# ---- Death ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_writer_dies(how, seed, peer):
    name = fresh_name()
    writer = peer(WRITER, name, seed, 3, *SHAPE, "stay")
    with handoff.Reader(name, timeout=LONG_S) as reader:
        frames = iter(reader)
        first = next(frames).copy()
        assert writer.line() == "ready" and writer.line() == "written"
        writer.kill(how)
        # What was written before is still read.
        assert (first == content(seed, 0, SHAPE)).all()
        for index in (1, 2):
            kept = next(frames).array
            assert (kept == content(seed, index, SHAPE)).all()
        began = time.monotonic()
        with pytest.raises(handoff.PeerGone) as caught:
            next(frames)
        assert took(began) < SOON_S
        assert name in str(caught.value)
        with pytest.raises(handoff.PeerGone):
            reader.read()
        assert (kept == content(seed, 2, SHAPE)).all()


def test_the_writer_dies_while_the_reader_waits(seed, peer, background):
    name = fresh_name()
    writer = peer(WRITER, name, seed, 1, *SHAPE, "stay")
    with handoff.Reader(name, timeout=LONG_S) as reader:
        reader.read()
        began = []
        background(lambda: (time.sleep(0.2), began.append(time.monotonic()), writer.kill()))
        with pytest.raises(handoff.PeerGone):
            reader.read()
        assert took(began[0]) < SOON_S


def test_a_writer_that_closes_ends_the_loop(seed, peer):
    name = fresh_name()
    peer(WRITER, name, seed, 2, *SHAPE)
    with handoff.Reader(name, timeout=LONG_S) as reader:
        assert [frame.id for frame in reader] == [0, 1]
        assert list(reader) == []
        with pytest.raises(handoff.PeerGone):
            reader.read()


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_the_reader_goes_while_the_writer_waits(how, seed, peer):
    """Told once for each reader; then the writer waits for the next one."""
    name = fresh_name()
    with handoff.Writer(name, SHAPE, slots=2, timeout=LONG_S) as writer:
        count = 2 if how == "killed" else 1
        reader = peer(READER, name, seed, count, *(["stay"] if how == "killed" else []))
        write(writer, seed, count)
        assert [reader.line() for _ in range(count)] == ["%d whole" % i for i in range(count)]
        if how == "killed":
            reader.kill()
        else:
            reader.end()
        began = time.monotonic()
        with pytest.raises(handoff.PeerGone) as caught:
            write(writer, seed, 10, first=count)
        assert took(began) < SOON_S
        assert name in str(caught.value)
        with pytest.raises(handoff.Timeout):
            with writer.frame(timeout=0.05):
                pass
        following = peer(READER, name, seed, 3)
        write(writer, seed, 3, first=20)
        seen = [following.line().split() for _ in range(3)]
        # The numbers go on from where the first reader was, and nothing is missing.
        numbers = [int(number) for number, _ in seen]
        assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_a_latest_writer_is_never_stopped_by_its_reader(seed, peer):
    name = fresh_name()
    with handoff.Writer(name, SHAPE, policy="latest", timeout=0.5) as writer:
        write(writer, seed, 5)
        reader = peer(READER, name, seed, 10000)
        index = 5
        # It is there before it asks for frames, which only a writer that goes on writing hears.
        until = time.monotonic() + LONG_S
        while not (writer.has_reader and reader.has_spoken()) and time.monotonic() < until:
            write(writer, seed, 1, first=index)
            index += 1
        assert reader.line().endswith("whole")
        write(writer, seed, 20, first=index)
        reader.kill()
        write(writer, seed, 20, first=index + 20)
        assert not writer.has_reader


# ---- Coming back ---------------------------------------------------------------------------------

def test_the_writer_comes_back_while_the_reader_waits(seed, peer, background):
    name = fresh_name()
    first = peer(WRITER, name, seed, 2, *SHAPE, "stay")
    with handoff.Reader(name, timeout=LONG_S, reconnect=True) as reader:
        kept = reader.read().array
        reader.read()
        assert first.line() == "ready" and first.line() == "written"
        began = time.monotonic()
        background(lambda: (time.sleep(0.2), first.kill(), time.sleep(0.2),
                            peer(WRITER, name, seed + 1, 3, 20, 30, 1)))
        frame = reader.read()
        assert took(began) < LONG_S
        assert frame.id == 0 and reader.shape == (20, 30, 1)
        assert (frame.array == content(seed + 1, 0, (20, 30, 1))).all()
        assert reader.read().id == 1
        # The memory of the first is still there.
        assert (kept == content(seed, 0, SHAPE)).all()
        reader.read()
        assert is_gone(name)
        with pytest.raises(handoff.Timeout, match="no other came"):
            reader.read(timeout=0.3)


def test_a_loop_goes_on_over_a_restart(seed, peer):
    name = fresh_name()
    peer(WRITER, name, seed, 2, *SHAPE)
    seen = []
    with handoff.Reader(name, timeout=LONG_S, reconnect=True) as reader:
        for frame in reader:
            assert (frame.array == content(seed, frame.id, SHAPE)).all()
            seen.append(frame.id)
            if len(seen) == 2:
                peer(WRITER, name, seed, 2, *SHAPE)
            if len(seen) == 4:
                break
    assert seen == [0, 1, 0, 1]


def test_the_reader_comes_back_while_the_writer_waits(seed, peer):
    name = fresh_name()
    with handoff.Writer(name, SHAPE, slots=1, timeout=LONG_S, reconnect=True) as writer:
        first = peer(READER, name, seed, 1, "stay")
        write(writer, seed, 1)
        assert first.line() == "0 whole"
        first.kill()
        second = peer(READER, name, seed, 3)
        write(writer, seed, 3, first=1)
        assert [second.line() for _ in range(3)] == ["%d whole" % index for index in (1, 2, 3)]


def test_a_name_left_by_a_dead_writer_is_taken_over(seed, peer):
    name = fresh_name()
    first = peer(WRITER, name, seed, 1, *SHAPE)
    assert first.line() == "ready"
    first.kill()
    assert os.path.exists(segment(name))
    with pytest.raises(handoff.Absent) as caught:
        handoff.Reader(name, timeout=0.05)
    print(caught.value)
    with handoff.Writer(name, SHAPE, timeout=LONG_S) as writer:
        reader = peer(READER, name, seed, 1)
        write(writer, seed, 1)
        assert reader.line() == "0 whole"


# ---- Segments that are not what they must be -----------------------------------------------------

@pytest.fixture
def live(seed, peer):
    """A segment with a living writer, who waits for a reader; its name."""
    name = fresh_name()
    writer = peer(WRITER, name, seed, 1, *SHAPE)
    assert writer.line() == "ready"
    return name


@pytest.fixture
def held(seed, peer):
    """The same, but the writer has been stopped: it lives, and does not notice what is done."""
    name = fresh_name()
    writer = peer(WRITER, name, seed, 1, *SHAPE)
    assert writer.line() == "ready"
    writer.process.send_signal(signal.SIGSTOP)
    return name


def refused(name, error):
    with pytest.raises(error) as caught:
        handoff.Reader(name, timeout=0.3)
    assert type(caught.value) is error, caught.value
    assert name in caught.value.what and caught.value.hint
    print(caught.value)


def test_a_segment_of_another_size(held):
    size = os.stat(segment(held)).st_size
    for left in (size + 4096, size - 1, size - 4096, 8191, 4096, 100, 1, 0):
        os.truncate(segment(held), left)
        refused(held, handoff.Corrupt)


def test_a_wrong_layout(live, rng):
    """The description, each part of it made random."""
    with open(segment(live), "r+b") as file:
        was = file.read(64)
        for at in range(0, 64, 8):
            file.seek(at)
            now = struct.pack("<Q", rng.getrandbits(64) | 1 << 63)
            file.write(now)
            file.flush()
            if now != was[at:at + 8]:
                try:
                    handoff.Reader(live, timeout=0.05).close()
                except handoff.Error as problem:
                    assert isinstance(problem, (handoff.Corrupt, handoff.Timeout)), problem
                    print(at, problem)
            file.seek(at)
            file.write(was[at:at + 8])
            file.flush()
    handoff.Reader(live, timeout=LONG_S).close()


def test_a_file_that_is_no_segment(rng):
    name = fresh_name()
    with open(segment(name), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(bytes(bytearray(rng.getrandbits(8) for _ in range(20000))))
    try:
        with pytest.raises((handoff.Corrupt, handoff.Absent)):
            handoff.Reader(name, timeout=0.05)
    finally:
        os.unlink(segment(name))


def test_a_segment_open_to_others(held):
    for mode in (0o644, 0o660, 0o602):
        os.chmod(segment(held), mode)
        refused(held, handoff.Denied)


def test_another_users_segment(held):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(segment(held), 65534, 65534)
    refused(held, handoff.Denied)
    with pytest.raises(handoff.Denied):
        handoff.Writer(held, SHAPE)


def test_a_link_is_not_followed(held):
    name = fresh_name()
    os.symlink(segment(held), segment(name))
    try:
        with pytest.raises(handoff.Error) as caught:
            handoff.Reader(name, timeout=0.05)
        assert not isinstance(caught.value, handoff.Timeout)
    finally:
        os.unlink(segment(name))


def test_the_writer_is_told_of_a_name_that_is_no_segment():
    name = fresh_name()
    os.mkdir(segment(name))
    try:
        with pytest.raises(handoff.Error) as caught:
            handoff.Writer(name, SHAPE)
        print(caught.value)
    finally:
        os.rmdir(segment(name))
