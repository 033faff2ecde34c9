"""The package `handoff` as a thing: what it says about itself is true, it installs, it is well formed."""
import ctypes
import os
import re
import subprocess
import sys

import pytest

from handoff import _library


@pytest.fixture
def folder(root):
    return os.path.join(root, "transports", "python")


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=200, **options)
    assert done.returncode == 0, "%s: exit code %d\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


# ---- The C library ---------------------------------------------------------------------------------

STRUCTS = {"handoff_error": _library.ErrorInfo, "handoff_writer_options": _library.WriterOptions,
           "handoff_frame": _library.FrameInfo, "handoff_shape": _library.Shape}


def test_the_description_for_ctypes_is_that_of_the_header(root, tmp_path):
    """Every member where a C compiler has it, every status and constant with its number."""
    header = os.path.join(root, "transports", "frames", "handoff_frames.h")
    lines = []
    for name, mirror in STRUCTS.items():
        lines.append('printf("%s %%zu\\n", sizeof(struct %s));' % (name, name))
        lines += ['printf("%s.%s %%zu %%zu\\n", offsetof(struct %s, %s), '
                  'sizeof ((struct %s *)0)->%s);' % (name, field[0], name, field[0], name, field[0])
                  for field in mirror._fields_]
    program = tmp_path / "layout.c"
    program.write_text("#include <stdio.h>\n#include \"%s\"\nint main(void) {\n%s\nreturn 0; }\n"
                       % (header, "\n".join(lines)))
    run(["cc", "-o", str(tmp_path / "layout"), str(program)])
    seen = run([str(tmp_path / "layout")]).splitlines()
    mine = []
    for name, mirror in STRUCTS.items():
        mine.append("%s %d" % (name, ctypes.sizeof(mirror)))
        for field in mirror._fields_:
            member = getattr(mirror, field[0])
            mine.append("%s.%s %d %d" % (name, field[0], member.offset, member.size))
    assert seen == mine
    with open(header, encoding="utf-8") as file:
        text = file.read()
    from handoff import _errors
    numbers = {name: int(number) for name, number
               in re.findall(r"HANDOFF_([A-Z_]+) = (\d+)", text)}
    words = {"SYSTEM": "SystemFailure"}
    for name, number in numbers.items():
        if name in ("OK", "EVERY", "LATEST"):
            continue
        kind = words.get(name, "".join(part.title() for part in name.split("_")))
        assert type(_errors.from_status(number, "what")).__name__ == kind
    assert _library.POLICIES == {"every": numbers["EVERY"], "latest": numbers["LATEST"]}
    assert _library.ABI == int(re.search(r"#define HANDOFF_ABI (\d+)", text).group(1))
    declared = set(re.findall(r"\b(handoff_[a-z_]+)\(", text.split("#ifndef", 1)[1]))
    assert declared == {function[0] for function in _library._FUNCTIONS}


def loading(variable, tmp_path):
    """What a process says whose library is `variable`, with the package beside no library."""
    code = "import handoff._library\ntry: handoff._library.load()\n" \
           "except handoff.Unavailable as problem: print(problem)"
    link = tmp_path / "handoff"
    if not link.exists():
        link.mkdir()
        for file in os.listdir(os.path.dirname(_library.__file__)):
            if file.endswith(".py"):
                (link / file).symlink_to(os.path.join(os.path.dirname(_library.__file__), file))
    environment = dict(os.environ, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    environment.pop(_library.VARIABLE, None)
    if variable:
        environment[_library.VARIABLE] = str(variable)
    return run([sys.executable, "-c", code], env=environment)


def test_a_library_that_is_not_there_or_not_ours(tmp_path):
    assert "HANDOFF_FRAMES_LIBRARY" in loading(tmp_path / "nowhere.so", tmp_path)
    assert "pip install transports/python" in loading(None, tmp_path)
    source = tmp_path / "other.c"
    source.write_text("unsigned handoff_abi(void) { return 7; }\n")
    run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "other.so"), str(source)])
    said = loading(tmp_path / "other.so", tmp_path)
    assert "version 7" in said and "version %d" % _library.ABI in said and "hint: " in said
    source.write_text("unsigned handoff_abi(void) { return %d; }\n" % _library.ABI)
    run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "less.so"), str(source)])
    assert "has no handoff_" in loading(tmp_path / "less.so", tmp_path)


def test_errors_need_no_numpy(tmp_path):
    """A program without numpy can import the package, and is told when it uses it."""
    code = """
import sys
sys.modules["numpy"] = None
import handoff
try: handoff.Reader
except handoff.Unavailable as problem: print(problem)
"""
    said = run([sys.executable, "-c", code])
    assert "needs numpy" in said and "pip install numpy" in said


# ---- Form ------------------------------------------------------------------------------------------

def test_mypy_strict(folder, tmp_path):
    said = run([sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--strict", "handoff"],
               cwd=folder)
    assert "no issues found" in said


def test_ruff(folder):
    run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=folder)


# ---- Installing ------------------------------------------------------------------------------------

def test_pip_install(folder, tmp_path):
    """From the folder, without network, into a place of its own; what is there afterwards is whole."""
    place = tmp_path / "place"
    before = sorted(os.listdir(folder)) + sorted(os.listdir(os.path.join(folder, "handoff")))
    run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--no-build-isolation", "--disable-pip-version-check", "--target", str(place), folder])
    after = sorted(os.listdir(folder)) + sorted(os.listdir(os.path.join(folder, "handoff")))
    assert before == after, "it leaves something in the source tree"
    wheel = next(place.glob("handoff-*.dist-info")) / "WHEEL"
    assert re.search(r"^Tag: py3-none-linux_", wheel.read_text(), re.M)
    assert (place / "handoff" / "py.typed").exists()
    environment = dict(os.environ, PYTHONPATH=str(place))
    environment.pop(_library.VARIABLE)
    said = run([sys.executable, "-c", """
import handoff, handoff._library
handoff.Writer(None, (4, 4, 3)).close()
print(handoff._library.path())
"""], env=environment, cwd=str(tmp_path))
    assert said.strip() == str(place / "handoff" / _library.FILE_NAME)
