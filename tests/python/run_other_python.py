"""Runs pytest for ctest with another Python: `run_other_python.py oldest|newest FILE…`.

The oldest and the newest from 3.8 on that this machine has: those of $HANDOFF_TEST_PYTHONS
(paths, separated by colons), on PATH, and what pyenv and uv have installed. numpy and pytest for it
are fetched once, beside the build. Exit code 77, which ctest shows as skipped, where there is no
such Python, or, outside of CI, no network.
"""
import glob
import os
import subprocess
import sys

OLDEST = (3, 8)
NEED = ["numpy", "pytest"]
# pip, asked for another version, still judges by its own what only some versions need.
NEED_BEFORE_3_11 = ["exceptiongroup", "tomli", "typing_extensions"]


def version_of(python):
    """(3, 8), or None for what is no Python that can run the tests."""
    try:
        said = subprocess.run([python, "-c", "import ctypes, sys; print(*sys.version_info[:2])"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
        return tuple(int(part) for part in said.stdout.split()) if said.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def candidates():
    found = [path for path in os.environ.get("HANDOFF_TEST_PYTHONS", "").split(":") if path]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        # A shim is a script that looks for pyenv's, which come below.
        if os.path.basename(folder) != "shims":
            found += glob.glob(os.path.join(folder, "python3.[0-9]*[0-9]"))
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    found += glob.glob(os.path.join(pyenv, "versions", "3.*", "bin", "python"))
    found += glob.glob(os.path.expanduser("~/.local/share/uv/python/*/bin/python3.[0-9]*[0-9]"))
    return sorted(set(found))


def choose(which):
    """(version, path), or None: it must be another than the one of all other tests."""
    versions = [(version_of(path), path) for path in candidates()]
    fit = [(version, path) for version, path in versions if version and version >= OLDEST]
    own = sys.version_info[:2]
    if which == "oldest":
        return min([pair for pair in fit if pair[0] < own], default=None)
    return max([pair for pair in fit if pair[0] > own], default=None)


def packages(version, folder):
    """Fetches what the tests need for that version; this Python's pip does it."""
    stamp = os.path.join(folder, "complete")
    if not os.path.exists(stamp):
        subprocess.check_call([
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-compile", "--upgrade", "--target", folder, "--only-binary=:all:",
            "--python-version", "%d.%d" % version] + NEED
            + (NEED_BEFORE_3_11 if version < (3, 11) else []))
        with open(stamp, "w"):
            pass
    return folder


def main():
    which, files = sys.argv[1], sys.argv[2:]
    chosen = choose(which)
    if chosen is None:
        print("no Python from %d.%d on that is %s than %d.%d" % (
            OLDEST + ({"oldest": "older", "newest": "newer"}[which],) + sys.version_info[:2]))
        return 77
    version, python = chosen
    print("Python %d.%d: %s" % (version + (python,)))
    try:
        folder = packages(version, os.path.abspath("python%d.%d" % version))
    except subprocess.CalledProcessError:
        print("numpy and pytest for it could not be fetched")
        return 1 if os.environ.get("CI") else 77
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], folder])
    return subprocess.call([python, "-m", "pytest", "-q", "-p", "no:cacheprovider"] + files,
                           env=environment)


if __name__ == "__main__":
    sys.exit(main())
