"""The package `handoff` as a whole: it is as it says, well formed, and installs."""
import ctypes
import os
import re
import subprocess
import sys

import pytest

from frames_peer import fresh_name
from handoff import _library


@pytest.fixture
def folder(root):
    return os.path.join(root, "transports", "python")


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=200, **options)
    assert done.returncode == 0, "%s: exit code %d\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


# ---- The C library -------------------------------------------------------------------------------

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


# ---- Form ----------------------------------------------------------------------------------------

def test_mypy_strict(folder):
    said = run([sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "--strict", "handoff"],
               cwd=folder)
    assert "no issues found" in said


def test_ruff(folder):
    run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=folder)


# ---- Installing ----------------------------------------------------------------------------------

@pytest.fixture
def project(root, tmp_path):
    """A folder like the project's, and an environment in which `python3` is this one and pip
    installs, without network, into a place of its own."""
    for name in ("transports", "harness"):
        (tmp_path / name).symlink_to(os.path.join(root, name))
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text('#!/bin/sh\nexec "%s" "$@"\n' % sys.executable)
    python.chmod(0o755)
    environment = dict(os.environ, PYTHONPATH=str(tmp_path / "place"), PYTHONDONTWRITEBYTECODE="1",
                       PATH="%s:%s" % (tmp_path / "bin", os.environ["PATH"]),
                       PIP_TARGET=str(tmp_path / "place"), PIP_NO_DEPS="1", PIP_NO_INDEX="1",
                       PIP_NO_BUILD_ISOLATION="0", PIP_DISABLE_PIP_VERSION_CHECK="1",
                       CMAKE_BUILD_PARALLEL_LEVEL="2", CMAKE_BUILD_TYPE="Debug")
    environment.pop(_library.VARIABLE)

    def shell(commands):
        return run(["sh", "-e", "-c", commands], cwd=str(tmp_path), env=environment)
    shell.place = tmp_path / "place"
    shell.folder = tmp_path
    return shell


def blocks(folder, language):
    with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
        return re.findall(r"^```%s\n(.*?)^```" % language, file.read(), re.M | re.S)


def source_files(folder):
    return {os.path.join(place, name) for place, _, names in os.walk(folder) for name in names}


def test_the_readme_as_it_is_printed(folder, project):
    """pip, CMake, the C++ writer and the Python reader, each as printed, and what they print; only
    the name is another one: a second test on this machine may have the printed one just now."""
    name = fresh_name()

    def named(text):
        assert "camera0" in text
        return text.replace("camera0", name)
    install, together = blocks(folder, "sh")
    # The one on a GPU is run by tests/gpu/python_arrays.py.
    reader, writer, on_gpu = blocks(folder, "python")
    compile(on_gpu, "README.md", "exec")
    (printed,) = blocks(folder, "text")
    before = source_files(folder)
    project(install)
    assert source_files(folder) == before, "the installation leaves something in the source tree"
    (project.folder / "reader.py").write_text(named(reader))
    assert project(named(together)) == printed

    # What was installed is whole, and for every Python.
    wheel = next(project.place.glob("handoff-*.dist-info")) / "WHEEL"
    assert re.search(r"^Tag: py3-none-linux_", wheel.read_text(), re.M)
    assert (project.place / "handoff" / "py.typed").exists()
    said = project("python3 -c 'import handoff._library; print(handoff._library.path())'")
    assert said.strip() == str(project.place / "handoff" / _library.FILE_NAME)

    (project.folder / "writer.py").write_text(named(writer))
    (project.folder / "few.py").write_text(named(reader).replace("% 50", "% 33"))
    said = project("python3 writer.py & python3 few.py")
    assert said.splitlines() == ["frame %d: (1080, 1920, 3), brightness %d" % (n, n)
                                 for n in (0, 33, 66, 99)] + ["the camera has closed"]
