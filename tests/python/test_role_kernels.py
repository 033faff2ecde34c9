"""The kernels of the Python role against those in C, on random frames of awkward sizes; and that they
make nothing of a frame's size beside it."""
import ctypes
import os
import subprocess
import tracemalloc

import pytest

numpy = pytest.importorskip("numpy")

from role_runner import ROOT, frames_library  # noqa: E402

from handoff.role import kernels  # noqa: E402
from handoff.role.errors import RoleError  # noqa: E402


@pytest.fixture(scope="module")
def library():
    return ctypes.CDLL(frames_library())


def checksum_in_c(library, array):
    function = library.handoff_frame_checksum
    function.restype, function.argtypes = ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_uint64]
    return function(array.ctypes.data, array.size)


def random_bytes(rng, size):
    return numpy.frombuffer(rng.getrandbits(8 * size).to_bytes(size, "little"), numpy.uint8)


# Around a word, a row of the kernel and a block of it.
SIZES = [1, 3, 4, 5, 8, 4095, 4096, 4097, 262143, 262144, 262145, 300001]


def test_checksum(library, rng):
    kernel = kernels.Checksum()
    for size in SIZES + [rng.randrange(1, 1000000) for _ in range(5)]:
        array = random_bytes(rng, size)
        assert kernel.run(array) == checksum_in_c(library, array), size
    # The largest sums there can be, and memory at an odd address.
    array = numpy.full(1000003, 255, numpy.uint8)
    assert kernel.run(array) == checksum_in_c(library, array)
    assert kernel.run(array[1:]) == checksum_in_c(library, array[1:])


def test_checksum_sees_every_byte(rng):
    kernel = kernels.Checksum()
    array = random_bytes(rng, 270003).copy()
    whole = kernel.run(array)
    for place in [0, array.size - 1] + [rng.randrange(array.size) for _ in range(20)]:
        array[place] ^= 1 << rng.randrange(8)
        assert kernel.run(array) != whole, place
        array = array.copy()
        whole = kernel.run(array)


def test_invert(rng):
    for size in SIZES:
        array = random_bytes(rng, size).copy()
        before = array.copy()
        assert kernels.Invert().run(array) == 0
        assert (array == 255 - before).all()


def test_inverted_tags(rng):
    tag = rng.getrandbits(64)
    array = random_bytes(rng, 3 * 4096 + 100).copy()
    for at in range(0, array.size, 4096):
        array[at:at + 8] = numpy.frombuffer((tag ^ (2**64 - 1)).to_bytes(8, "little"), numpy.uint8)
    kernel = kernels.Invert()
    assert kernel.inverted_tags_right(array, tag)
    array[rng.randrange(4) * 4096 + rng.randrange(8)] ^= 1
    assert not kernel.inverted_tags_right(array, tag)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_preprocess(channels, rng):
    tool = os.environ.get("HANDOFF_PREPROCESS_TOOL") or os.path.join(
        ROOT, "build", "tests", "python", "preprocess_tool")
    sizes = [(1, 1), (223, 225), (rng.randrange(1, 700), rng.randrange(1, 500))]
    for width, height in sizes:
        array = random_bytes(rng, width * height * channels)
        kernel = kernels.Preprocess(width, height, channels)
        kernel.run(array)
        done = subprocess.run([tool, str(width), str(height), str(channels)],
                              input=array.tobytes(), stdout=subprocess.PIPE, check=True)
        expected = numpy.frombuffer(done.stdout, numpy.float32).reshape(kernel.output.shape)
        # Either is within 1e-5 of the definition.
        assert abs(kernel.output - expected).max() < 2e-5, (width, height)


def test_preprocess_refuses():
    with pytest.raises(RoleError) as failure:
        kernels.Preprocess(64, 48, 2)
    assert "2 channels" in failure.value.what


@pytest.mark.parametrize("name", ["checksum", "invert", "preprocess"])
def test_no_temporaries_of_a_frame(name, rng):
    width, height = 1920, 1080
    array = numpy.zeros(width * height * 3, numpy.uint8)
    kernel = {"checksum": kernels.Checksum, "invert": kernels.Invert,
              "preprocess": lambda: kernels.Preprocess(width, height, 3)}[name]()
    kernel.run(array)
    tracemalloc.start()
    kernel.run(array)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < array.size / 8, peak
