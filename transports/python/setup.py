"""Builds libhandoff_frames with CMake, from ../frames, and puts it beside the package.

What is installed is whole: nothing of the source tree is needed afterwards. With `pip install -e`,
the library lies in the source tree beside the package.
"""

import os
import shutil
import subprocess
import tempfile

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES = os.path.join(os.path.dirname(HERE), "frames")
LIBRARY = "libhandoff_frames.so.1"


def build_library(folder):
    """Builds the C library into `folder`."""
    if not os.path.exists(os.path.join(FRAMES, "CMakeLists.txt")):
        raise SystemExit(
            "error: %s is not there: this folder was copied away from the sources of handoff\n"
            "hint:  pip before 21.3 does that: pip install --upgrade pip" % FRAMES
        )
    cmake = shutil.which("cmake")
    if not cmake:
        raise SystemExit(
            "error: building the C library of handoff needs CMake and a C compiler\n"
            "hint:  apt-get install cmake gcc make"
        )
    with tempfile.TemporaryDirectory() as build:
        kind = os.environ.get("CMAKE_BUILD_TYPE", "Release")
        run([cmake, "-S", FRAMES, "-B", build, "-DCMAKE_BUILD_TYPE=" + kind])
        run([cmake, "--build", build, "--parallel", str(os.cpu_count() or 1)])
        os.makedirs(folder, exist_ok=True)
        # A new file: a process may have the old one mapped.
        fresh = os.path.join(folder, LIBRARY + ".new")
        shutil.copyfile(os.path.join(build, LIBRARY), fresh)
        os.replace(fresh, os.path.join(folder, LIBRARY))


def run(command):
    """Runs it; its output is part of pip's, which shows it when something fails."""
    code = subprocess.call(command)
    if code:
        raise SystemExit("error: `%s` failed (exit code %d)" % (" ".join(command), code))


class BuildWithLibrary(build_py):
    """The package's files, and the library beside them."""

    def run(self):
        """Builds both."""
        super().run()
        editable = getattr(self, "editable_mode", False)
        build_library(os.path.join(HERE if editable else self.build_lib, "handoff"))


class PlatformWheel(bdist_wheel):
    """A wheel for this platform and any Python 3: the library knows nothing of Python."""

    def get_tag(self):
        """The wheel's tag."""
        return ("py3", "none", super().get_tag()[2])


class PlatformDistribution(Distribution):
    """Says that there is something in it that depends on the platform."""

    def has_ext_modules(self):
        """The library counts as one."""
        return True


# What setuptools makes on the way does not stay in the source tree.
scratch = tempfile.TemporaryDirectory()
setup(
    options={"build": {"build_base": scratch.name}, "egg_info": {"egg_base": scratch.name}},
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
)
