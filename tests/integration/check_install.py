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


def commit_said(t, tree):
    """What a build of this tree says, and whether the header was written anew."""
    header = t.file("commit.h")
    before = os.stat(header).st_mtime_ns if os.path.exists(header) else None
    call("cmake", "-DSOURCE=" + tree, "-DOUTPUT=" + header,
         "-P", os.path.join(tree, "scripts/cmake/HandoffCommit.cmake"))
    (said,) = re.findall(r'^#define HANDOFF_COMMIT "(.*)"$', open(header).read(), re.M)
    return said, os.stat(header).st_mtime_ns != before


def test_commit(t):  # beside others, release only
    """Of a clone, of one with changes, of an archive, and of a copy within another repository."""
    for tool in ("git", "cmake"):
        if not shutil.which(tool):
            raise suite.Skip("there is no " + tool)
    sources = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    tree, names = t.file("a tree"), ("scripts/cmake/HandoffCommit.cmake",
                                     "scripts/cmake/archived_commit.txt", ".gitattributes")
    for name in names:
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
        shutil.copy(os.path.join(sources, name), os.path.join(tree, name))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        os.environ.pop(name, None)
    git = ["git", "-C", tree, "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    call(*git, "init", "-q")
    call(*git, "add", ".")
    call(*git, "commit", "-q", "-m", "first")
    commit = call(*git, "describe", "--always").strip()
    check(commit_said(t, tree) == (commit, True), commit)
    check(commit_said(t, tree) == (commit, False), "the same header was written again")
    call(*git, "archive", "-o", t.file("archive.tar"), "HEAD")
    with open(os.path.join(tree, names[0]), "a") as file:
        file.write("# changed\n")
    check(commit_said(t, tree) == (commit + "+", True), commit_said(t, tree)[0])
    call(*git, "commit", "-q", "-a", "-m", "second")
    newer = call(*git, "describe", "--always").strip()
    check(newer != commit and commit_said(t, tree) == (newer, True), "as before the second commit")
    # In a repository of other things: an archive knows its commit, a mere copy none.
    inner = os.path.join(tree, "inner")
    os.mkdir(inner)
    call("tar", "xf", t.file("archive.tar"), "-C", inner)
    check(commit_said(t, inner)[0] == commit, commit_said(t, inner)[0])
    shutil.copy(os.path.join(tree, names[1]), os.path.join(inner, names[1]))
    check(commit_said(t, inner)[0] == "", commit_said(t, inner)[0])


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
