"""check_choose.py: `handoff choose` around functions that work, leak and fail, and the code it prints,
run as it is printed. The functions run on HANDOFF_ROLE_PYTHON."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import suite
from suite import check
from check_python import PYTHON, needs

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FRAMES = 5
# Ends its process when it has seen enough frames, each of one value all over. The camera's values begin
# again after 200, and where it waits for nobody that may fall among the frames seen.
DETECTOR = """
import sys
seen = []
def detect(frame):
    assert frame.shape == (48, 64, 3) and frame.dtype.name == "uint8", frame.shape
    assert frame.min() == frame.max(), "a torn frame"
    seen.append(int(frame[0, 0, 0]))
    if len(seen) == %d:
        steps = [(after - before) %% 200 for before, after in zip(seen, seen[1:])]
        assert max(steps) < 100 and sum(steps) > 0, seen
        print("seen")
        sys.stdout.flush()
        import os
        os._exit(0)
""" % FRAMES
CAMERA = """
import time
value = 0
def read_into(array):
    global value
    assert array.shape == (48, 64, 3)
    array[...] = value = (value + 1) % 200
    time.sleep(0.01)
"""


def write(t, name, text):
    with open(t.file(name), "w") as file:
        file.write(text)
    return t.file(name)


def choose(t, function, *options, code=0, **others):
    """`handoff choose` on small frames."""
    return t.run("choose", "--size", "64x48x3", "--rate", "250", "--consumer", function, *options,
                 code=code, **others)


def run_code(t, camera_code, detector_code, ready):
    """Both as printed, each in a process of its own."""
    environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "transports", "python"),
                       HANDOFF_FRAMES_LIBRARY=os.path.join(os.path.dirname(t.path),
                                                           "libhandoff_frames.so.1"))
    write(t, "camera_side.py", camera_code)
    write(t, "detector_side.py", detector_code)
    # A shell's background job ignores SIGINT, and so would what it starts.
    camera = subprocess.Popen([PYTHON, "camera_side.py"], cwd=t.folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        until = time.monotonic() + 20
        while not ready() and camera.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        detector = subprocess.run([PYTHON, "detector_side.py"], cwd=t.folder, env=environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    finally:
        camera.send_signal(signal.SIGINT)
        said = camera.communicate()[0]
    check(b"seen" in detector.stdout and detector.returncode == 0,
          "%s\nsaid: %s\nthe camera's side said: %s" % (detector_code, detector.stdout, said))


def listens(path):
    with open("/proc/net/unix") as file:
        return path in file.read()


def test_choice_and_code(t):  # release only
    """All ways run once; each of their programs runs as it is printed; the table and Markdown have
    the chosen one's."""
    needs("numpy", "zmq")
    write(t, "camera.py", CAMERA)
    my = write(t, "my.py", "import time\ndef detect(frame):\n    time.sleep(0.001)\n")
    answer = json.loads(choose(t, my + ":detect", "--producer", "python", "--launches", "1",
                               "--format", "json").stdout())
    check(0.9e6 < answer["alone_p50_ns"] < 1e9 and answer["deadline_ns"] == 4e6, answer)
    ways = {way["way"]: way for way in answer["ways"]}
    check(len(ways) >= 6 and answer["chosen"] in [way["id"] for way in answer["ways"]], answer)
    for way in ways.values():
        check(way["state"] in ("chosen", "unclear", "habit"), way)
        check(0 < way["age_p50_ns"]["value"] < way["latency_p50_ns"]["value"], way)
        check(way["frames"] >= 12 and 0 <= way["deadline_missed"] <= way["frames"], way)
        check(way["cpu_percent"]["value"] > 0 and way["detector_slowed"]["ratio"] > 0, way)
    check("too few for a verdict" in answer["verdict"], answer["verdict"])
    write(t, "my.py", DETECTOR)
    ready = {"shm": lambda: os.path.exists("/dev/shm/handoff.camera"),
             "unix": lambda: listens("/tmp/camera.sock"), "zmq_ipc": lambda: True,
             "zmq_tcp": lambda: True}
    tried = set()
    for name, way in ways.items():
        transport = name.split(" ")[0]
        if transport in tried or way["state"] == "habit":
            continue
        if transport == "zmq_tcp" and socket.socket().connect_ex(("127.0.0.1", 5555)) == 0:
            continue  # somebody else's
        tried.add(transport)
        run_code(t, way["camera_code"], way["detector_code"], ready[transport])
    check(tried >= {"shm", "unix", "zmq_ipc"}, tried)


def test_leak(t):  # release only
    """A function that keeps every frame is told so; the result is kept where it is asked for."""
    needs("numpy")
    my = write(t, "keeps it.py", "kept = []\ndef detect(frame):\n    kept.append(bytearray(300000))\n")
    done = choose(t, my + ":detect", "--launches", "2", "--seconds", "1", "--out", t.file("out"),
                  "--format", "markdown", "--deadline", "1ms", "--quiet")
    said = done.stdout()
    check(re.search(r"process grows by [23]\d\d kB with each frame", said), said)
    check("later than 1.00 ms" in said, said)
    check("In brackets: of age the range over launches (an interval needs 10), of the detector a 95 % "
          "interval." in said.replace("\\", ""), said)
    check("\nThe detector's process:\n\n```python\nimport " in said, said)
    check("keeps it.py\")[\"detect\"]" in said, said)
    check(done.stderr() == "", done.stderr())
    again = choose(t, my + ":detect", "--out", t.file("out"), code=2).stderr()
    check("already holds a run" in again and "resume" not in again, again)
    cells = t.result(t.file("out"))["cells"]
    check(any(cell["status"] == "ok" for cell in cells), cells)


def test_names_in_code(t):  # beside others, release only
    """A file or a function whose name means something else in the printed lines."""
    needs("numpy")
    for file, function, line in (("class.py", "frame", "detect = runpy.run_path("),
                                 ("boxes.py", "reader", "from boxes import reader as detect")):
        path = write(t, file, "def %s(image):\n    pass\n" % function)
        answer = json.loads(choose(t, "%s:%s" % (path, function), "--launches", "1", "--seconds", "1",
                                   "--format", "json", "--quiet").stdout())
        os.unlink(path)
        called = re.search(r"^(?:from .* )?(\w+)(?: = |$)", line.rstrip("(")).group(1)
        for way in answer["ways"]:
            code = way["detector_code"]
            check(way["state"] == "habit" or "\n%s" % line in code, code)
            check(way["state"] == "habit" or "        %s(" % called in code, code)
            compile(code, "printed", "exec")


def test_failures(t):  # beside others, release only
    """Every failure names its place and what would be right."""
    needs("numpy")
    bad = write(t, "bad.py", "count = 0\ndef detect(frame):\n    global count\n    count += 1\n"
                             "    if count > 3:\n        raise ValueError('no boxes')\n")
    # A folder of its own: others choose in /tmp meanwhile.
    scratch = {"TMPDIR": t.file("tmp")}
    os.mkdir(scratch["TMPDIR"])
    said = choose(t, bad + ":detect", code=4, env=scratch).stderr()
    check("bad.py:detect raised ValueError: no boxes" in said and "bad.py:6" in said, said)
    check("failed:" not in said, said)
    said = choose(t, bad + ":detec", code=4, env=scratch).stderr()
    check("has no detec" in said and "it has detect" in said, said)
    said = choose(t, bad + ":count", code=4, env=scratch).stderr()
    check("bad.py:count is no function" in said, said)
    check(not os.listdir(scratch["TMPDIR"]), os.listdir(scratch["TMPDIR"]))
    for arguments, words in (
            (("--size", "64x48", "--rate", "30", "--consumer", bad + ":detect"), "1920x1080x3"),
            (("--size", "64x48x9", "--rate", "30", "--consumer", bad + ":detect"), "channels 1 to 4"),
            (("--size", "64x48x3", "--rate", "0", "--consumer", bad + ":detect"), "--rate takes"),
            (("--size", "64x48x3", "--rate", "30", "--consumer", t.file("none.py") + ":f"),
             "none.py cannot be read"),
            (("--size", "64x48x3", "--rate", "30", "--consumer", bad), "my.py:detect"),
            (("--rate", "30", "--consumer", bad + ":detect"), "--size is missing"),
            (("--size", "64x48x3", "--rate", "30", "--consumer", bad + ":detect", "--cpu", "x"),
             "--cpu takes"),
            (("--size", "64x48x3", "--rate", "30", "--consumer", bad + ":detect", "--deadline",
              "x"), "--deadline takes")):
        said = t.run("choose", *arguments, code=2).stderr()
        check(words in said, said)


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
