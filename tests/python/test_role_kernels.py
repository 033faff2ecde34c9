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
from handoff.role.tags import Tags  # noqa: E402


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


@pytest.mark.parametrize("inverted", [False, True])
def test_tags(library, rng, inverted):
    """The same tags are looked at as in C: what one of the two finds wrong, the other does."""
    library.handoff_frame_tags_check.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int32,
                                                 ctypes.c_uint32]
    library.handoff_frame_tags_write.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int32]
    seen = 0
    for size in [7, 8, 4103, 4104, 8 * 4096, 9 * 4096] + [rng.randrange(1, 400000)] * 30:
        frame_id = rng.randrange(2**31)
        array = random_bytes(rng, size).copy()
        library.handoff_frame_tags_write(array.ctypes.data, size, frame_id)
        tags = Tags(size, inverted)
        flip = 255 if inverted else 0
        assert tags.right(array ^ flip, frame_id)
        assert size < 8 or not tags.right(array ^ flip, frame_id ^ 1)
        array[rng.randrange((size + 4095) // 4096) * 4096] ^= 1
        whole = library.handoff_frame_tags_check(array.ctypes.data, size, frame_id, 8)
        assert tags.right(array ^ flip, frame_id) == bool(whole), size
        seen += not whole
    assert seen


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
