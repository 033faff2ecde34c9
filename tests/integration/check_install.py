"""check_install.py: what `cmake --install` and the package put where, and that it runs from there."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

import suite
from suite import check

FILES = ["bin/handoff", "share/man/man1/handoff.1", "share/bash-completion/completions/handoff",
         "share/handoff/scenarios/quick.json", "share/handoff/scenarios/schema.json",
         "share/doc/handoff/README.md", "share/doc/handoff/LICENSE", "include/handoff_frames.h"]


def build_folder(t):
    folder = os.path.dirname(t.path)
    if not os.path.exists(os.path.join(folder, "CMakeCache.txt")):
        raise suite.Skip("the program does not lie in a build folder")
    return folder


def call(*arguments, **options):
    """Standard output; no other user's settings get in the way."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    check(done.returncode == 0, "%s: %d\n%s" % (" ".join(arguments), done.returncode,
                                                (done.stdout + done.stderr).decode()[-2000:]))
    return done.stdout.decode()


def look_at(t, root):
    """The files are there, and the program finds its scenario by name, far from the sources."""
    for name in FILES:
        path = os.path.join(root, name)
        check(os.path.isfile(path) and os.path.getsize(path) > 100, "no " + name)
    zsh = glob.glob(os.path.join(root, "share/zsh/*/_handoff"))
    check(len(zsh) == 1 and open(zsh[0]).readline() == "#compdef handoff\n", "zsh: %s" % zsh)
    program = os.path.join(root, "bin/handoff")
    check(call(program, "--version").strip() == t.run("--version").stdout(), "another version")
    elsewhere = t.file("elsewhere")
    os.mkdir(elsewhere)
    said = json.loads(call(program, "run", "smoke", "--only", "transport=shm", "--only", "wait=futex",
                           "--launches", "1", "--no-floor", "--quiet", "--format", "json",
                           cwd=elsewhere))
    check(said["cells"]["ok"] == 1 and said["exit_status"] == 0, "%s" % said)
    check(re.match(r"results/runs/\w+-smoke/result.json$", said["result"]), said["result"])
    result = json.load(open(os.path.join(elsewhere, said["result"])))
    check(result["cells"][0]["status"] == "ok", "%s" % result["cells"][0])
    look_at_python(t, root, program)


def look_at_python(t, root, program):
    """A role in Python runs from the installed package, with the installed library."""
    python = os.environ.get("HANDOFF_ROLE_PYTHON") or "python3"
    if subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode != 0:
        return
    mark = t.file("mark")
    with open(os.path.join(root, "share/handoff/python/handoff/role/__init__.py"), "a") as file:
        file.write("\nimport os\nopen(%r, 'w').write(os.environ['HANDOFF_FRAMES_LIBRARY'])\n" % mark)
    scenario = t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "futex",
                                                  "peer": "c/python", "launches": 1}}])
    call(program, "run", scenario, "--no-floor", "--quiet", "--out", t.file("python"))
    with open(mark) as file:
        library = os.path.realpath(file.read())
    check(library.startswith(os.path.realpath(root) + "/") and "/lib" in library, library)


def test_install(t):  # beside others, release only
    folder = build_folder(t)
    if not shutil.which("cmake"):
        raise suite.Skip("there is no cmake")
    call("cmake", "--install", folder, "--prefix", t.file("root"))
    look_at(t, t.file("root"))


def test_package(t):  # beside others, release only
    folder = build_folder(t)
    for tool in ("cpack", "file", "dpkg-deb", "dpkg-shlibdeps"):
        if not shutil.which(tool):
            raise suite.Skip("there is no " + tool)
    config = os.path.join(folder, "CPackConfig.cmake")
    if not os.path.exists(config):
        raise suite.Skip("only a release build makes a package")
    call("cpack", "--config", config, "-G", "DEB", "-B", t.file("made"), cwd=folder)
    packages = glob.glob(t.file("made/*.deb"))
    check(len(packages) == 1, "%s" % packages)
    version = t.run("--version").stdout().split()[1]
    about = call("dpkg-deb", "-I", packages[0])
    for line in ("Package: handoff", "Version: " + version, "Depends: .*libc6 .*libcjson1",
                 "Recommends: gnuplot", "Maintainer: .+@"):
        check(re.search(r"^ %s" % line, about, re.M), "no %s in\n%s" % (line, about))
    listed = call("dpkg-deb", "-c", packages[0])
    check(all(" ./usr/" in line for line in listed.splitlines()), listed)
    check(not re.search(r" (?!root/root)\w+/\w+ ", listed), "not root's:\n" + listed)
    call("dpkg", "-x", packages[0], t.file("root"))
    look_at(t, t.file("root/usr"))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
