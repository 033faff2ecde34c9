#!/usr/bin/env python3
"""GPU arrays of the Python package, by CuPy and PyTorch, against numpy: kernels of the role and frames
of a Reader. Skipped (77) with the reason where a library or the GPU is missing.

    HANDOFF_FRAMES_LIBRARY=…/libhandoff_frames.so.1 PYTHONPATH=transports/python python_arrays.py cupy
"""

import ctypes
import mmap
import os
import re
import subprocess
import sys
import types

try:
    import numpy

    import handoff
    from handoff import _cuda, _device
    from handoff._errors import Error
    from handoff.role import gpu, kernels
except ImportError as problem:
    print("skipped: %s" % problem)
    sys.exit(77)

SHAPES = ((640, 480, 3), (333, 251, 4), (97, 61, 1), (1920, 1080, 3))


def pages(size):
    """Zeroed memory of whole pages, and its address."""
    room = mmap.mmap(-1, (size + 4095) // 4096 * 4096)
    return room, ctypes.addressof(ctypes.c_uint8.from_buffer(room))


def backend_of(name):
    if name == "cupy":
        from handoff.role import gpu_cupy as module
    else:
        from handoff.role import gpu_torch as module
    return module, module.Backend(_device.load(name), False)


def on_host(array):
    return array.get() if hasattr(array, "get") else array.cpu().numpy()


def check_shape(name, module, backend, make, shape, random):
    width, height, channels = shape
    size = width * height * channels
    room, address = pages(size)
    frame = numpy.frombuffer(room, numpy.uint8, size)
    frame[:] = random.integers(0, 256, size, numpy.uint8)
    registered = _cuda.Registration(room, address, size)
    array = make(_cuda.DeviceBytes(registered, registered.device_address, (size,)))
    assert (on_host(array) == frame).all(), "the array is not the frame"
    # Without a copy: what is written to the memory is in the array.
    frame[size // 2] ^= 0xFF
    assert (on_host(array) == frame).all(), "the array is a copy"

    def cell(kernel):
        return types.SimpleNamespace(
            width=width, height=height, channels=channels, payload_bytes=size, kernel=kernel
        )

    reports = gpu._Reports(make)
    checksum = module.kernel(backend, cell("checksum"), reports)
    expected = kernels.Checksum().run(frame)
    assert checksum.run(array) == expected, "checksum of %s" % (shape,)
    frame[3] ^= 1
    assert checksum.run(array) != expected, "a changed byte is not in the checksum"
    module.kernel(backend, cell("none"), reports).run(array)

    reference = kernels.Preprocess(width, height, channels)
    reference.run(frame)
    preprocess = module.kernel(backend, cell("preprocess"), reports)
    preprocess.run(array)
    off = float(abs(on_host(preprocess.output) - reference.output).max())
    assert off < 1e-5, "preprocess of %s is off by %g" % (shape, off)

    tag = 0xF123456789ABCDEF
    words = frame[: size // 8 * 8].view("<u8")
    words[:: kernels.TAG_STRIDE // 8] = tag
    assert not preprocess.torn(array, tag), "right tags are called wrong"
    words[(len(words) - 1) // 512 * 512] ^= 1 << 63
    assert preprocess.torn(array, tag), "a wrong tag is not seen"

    copied = backend.empty(size)
    backend.copy(copied, backend.host(address, size))
    backend.synchronize()
    assert (on_host(copied) == frame).all(), "the copy is not the frame"
    print("%s %dx%dx%d: fine, preprocess within %.1e" % ((name,) + shape + (off,)))


READER_SHAPE = (270, 480, 3)
READER_FRAMES = 12
WRITER = """
import sys, numpy, handoff
name, seed = sys.argv[1], int(sys.argv[2])
with handoff.Writer(name, %r, timeout=60) as writer:
    for index in range(%d):
        picture = numpy.random.default_rng(seed + index).integers(0, 256, %r, numpy.uint8)
        with writer.frame() as frame:
            frame.array[...] = picture
""" % (READER_SHAPE, READER_FRAMES, READER_SHAPE)


def fake(name):
    """A count of the fake driver; of a real one what is always right."""
    return getattr(_cuda.driver()._library, name, None) or Anything


class Anything(int):
    """What every comparison finds right."""

    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def __sub__(self, other):
        return self


def start_writer(name, seed):
    return subprocess.Popen([sys.executable, "-c", WRITER, name, str(seed)])


def picture(seed, index):
    return numpy.random.default_rng(seed + index).integers(0, 256, READER_SHAPE, numpy.uint8)


def check_readme(seed):
    """The example of transports/python/README.md, as it is printed but for the name."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "transports", "python", "README.md")) as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
    (block,) = (block for block in blocks if "device_array" in block)
    name, batches = "gpu-readme-%d" % os.getpid(), []
    writer = start_writer(name, seed)
    try:
        said = {"detect": lambda batch: batches.append(on_host(batch))}
        exec(compile(block.replace('"camera0"', repr(name)), "README.md", "exec"), said)
        assert writer.wait(60) == 0
    finally:
        writer.kill()
    assert len(batches) == READER_FRAMES, len(batches)
    for index, batch in enumerate(batches):
        expected = picture(seed, index).transpose(2, 0, 1)[None] / 255
        assert abs(batch - expected).max() < 1e-6, "frame %d" % index
    print("the example of the README: %d batches of %s" % (len(batches), batches[0].shape))


def check_reader(library, seed):
    """Frames that another process writes, by content, and no array made twice for a slot."""
    name = "gpu-arrays-%d" % os.getpid()
    writer = start_writer(name, seed)
    made, count, kept = {}, 0, None
    synchronized, regions = fake("fake_cuda_synchronized"), fake("fake_cuda_regions")
    before, regions_before = synchronized(), regions()
    try:
        with handoff.Reader(name, timeout=60) as reader:
            for frame in reader:
                array = frame.device_array(library)
                assert array is made.setdefault(frame.slot, array), "made anew for each frame"
                assert tuple(array.shape) == READER_SHAPE
                expected = picture(seed, frame.sequence)
                assert (on_host(array) == expected).all(), "frame %d" % frame.sequence
                assert synchronized() - before == count, "the GPU was not waited for"
                count, kept = count + 1, frame
            try:
                kept.device_array(library)
            except handoff.Invalid:
                pass
            else:
                raise AssertionError("a frame that was given back still has an array")
        assert writer.wait(60) == 0
    finally:
        writer.kill()
    assert count == READER_FRAMES and len(made) > 1, (count, made.keys())
    assert regions() - regions_before == len(made)
    on_host(made[0])  # the memory stays for as long as the array
    slots = len(made)
    del reader, frame, kept, array
    made.clear()
    assert regions() == regions_before, "memory is left registered"
    print("%s: %d frames of a Reader, %d arrays" % (library, count, slots))


def main():
    name = sys.argv[1]
    try:
        driver = _cuda.driver()
        driver.set_schedule("block")
        make = _device.maker(name)
    except Error as problem:
        print("skipped: %s" % problem.what)
        return 77
    module, backend = backend_of(name)
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed %d" % seed)
    random = numpy.random.default_rng(seed)
    for shape in SHAPES:
        check_shape(name, module, backend, make, shape, random)
    check_reader(name, seed)
    if name == "torch":
        check_readme(seed)
    assert driver.schedule() == "block", "%s changed how the context waits" % name
    return 0


if __name__ == "__main__":
    sys.exit(main())
