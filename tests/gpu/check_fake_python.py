"""check_fake_python.py: Python consumers whose arrays lie on the GPU, end to end over fakes: of the GPU
in the C roles, and of the CUDA driver, CuPy and PyTorch (tests/support/fake_gpu_python) in the Python
one, which work on the host's memory."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import suite  # noqa: E402
from suite import check  # noqa: E402

FAKES = os.path.join(HERE, "..", "support", "fake_gpu_python")
PYTHON = os.environ.get("HANDOFF_ROLE_PYTHON") or "python3"
BASE = {"transport": "shm", "wait": "futex", "peer": "c/python", "pacing": "pingpong"}
BOTH = ["cupy", "torch"]


def environment(**more):
    """Where the fakes are found; skips where there is no library for Python, or no numpy."""
    driver = os.environ.get("HANDOFF_FAKE_CUDA")
    if not driver:
        raise suite.Skip("this build has no shared library")
    if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode != 0:
        raise suite.Skip("%s has no numpy" % PYTHON)
    return dict({"PYTHONPATH": FAKES, "LD_LIBRARY_PATH": driver}, **more)


def run(t, name, blocks, code=0, **more):
    out = t.file(name)
    t.run("run", t.scenario(blocks, name=name + ".json", launches=1), "--out", out, "--quiet",
          code=code, env=environment(**more))
    return t.result(out)["cells"]


def check_cell(cell):
    """Every frame by its content, and copies as they were made."""
    launch, = cell["launches"]
    counts, axes = launch["integrity"], cell["axes"]
    check(counts["checked"] == counts["frames"] == 14 and counts["torn"] == counts["lost"] == 0,
          "%s: %s" % (cell["id"], counts))
    copies = (axes["fill"] == "copy") + (axes["access"] in ("copy", "pageable"))
    check(abs(cell["copies_per_frame"] - copies) < 1e-9,
          "%s: %s copies" % (cell["id"], cell["copies_per_frame"]))
    gpu = launch["gpu"]["consumer"]
    sync = axes["sync"] if axes["sync"] != "event" else "spin"
    check(gpu["schedule"] == sync and gpu["context_ns"] > 0, "%s: %s" % (cell["id"], gpu))
    check((gpu["registration_ns"] > 0) == (axes["access"] in ("mapped", "copy")), str(gpu))
    check(launch["python"]["consumer"][axes["array"]].endswith("fake"), str(launch["python"]))
    intervals = launch["intervals"]
    check(intervals["enqueue_to_done"]["p50_ns"] <= intervals["latency"]["p50_ns"], str(intervals))
    check(not {"kernel", "access"} & set(intervals), "stamps that nobody took: %s" % set(intervals))


def test_arrays(t):  # beside others, release only
    """Each library with each access and kernel."""
    cells = run(t, "registered", [
        {"name": "access", "base": BASE, "axes": {"array": BOTH, "access": ["mapped", "copy"]}},
        {"name": "kernels", "base": dict(BASE, access="mapped", sync="block"),
         "cells": [{"array": "cupy", "kernel": "preprocess"}, {"array": "torch", "kernel": "none"}]},
        {"name": "event", "base": dict(BASE, access="mapped", sync="event", frame="61x33x1"),
         "cells": [{"array": "torch"}]},
        {"name": "device", "base": dict(BASE, access="device"),
         "cells": [{"array": "cupy", "transport": "cuda_ipc", "fill": "gpu"},
                   {"array": "torch", "transport": "cuda_vmm", "kernel": "preprocess"}]},
        ], HANDOFF_FAKE_COPIES_FROM="registered")
    cells += run(t, "pageable", [{"name": "pageable", "base": dict(BASE, access="pageable"),
                                  "cells": [{"array": "torch"}]}],
                 HANDOFF_FAKE_COPIES_FROM="pageable")
    check(len(cells) == 10, "%d cells" % len(cells))
    suite.all_ok({"cells": cells})
    for cell in cells:
        check_cell(cell)


def test_what_goes_wrong(t):  # beside others, release only
    """No GPU, a library that copies, kernels that read something else: never a wrong figure."""
    block = [{"name": "b", "base": dict(BASE, access="mapped"), "axes": {"array": BOTH}}]
    for name, more, words in (
            ("none", {"HANDOFF_FAKE_CUDA_DEVICES": "0"}, "the NVIDIA driver shows no GPU"),
            ("copies", {"HANDOFF_FAKE_ARRAYS": "copy"}, "copied the frame instead of taking it"),
            ("stale", {"HANDOFF_FAKE_ARRAYS": "stale"}, "torn")):
        for cell in run(t, name, block, code=1, **more):
            check(cell["status"] == "failed" and words in cell["reason"],
                  "%s: %s: %s" % (name, cell["status"], cell["reason"]))


if __name__ == "__main__":
    suite.main(globals())
