"""check_limits.py: bad usage, failures and machines that are short of something: every time an exit
code, a cause and a remedy, and what was measured is kept."""
import fcntl
import json
import os
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import termios

import suite
from suite import TWO_BLOCKS, all_ok, check, program, say

UNKNOWN = [
    ([], 2, "no command given"),
    (["rum"], 2, 'unknown command "rum"'),
    (["flor"], 2, 'did you mean "floor"'),
    (["run"], 2, "which scenario"),
    (["run", "a.json", "b.json"], 2, "one scenario at a time"),
    (["run", "--lunches", "3", "s.json"], 2, 'unknown option "--lunches"'),
    (["run", "s.json", "--launches"], 2, "--launches needs a value"),
    (["run", "s.json", "--launches", "0"], 2, "from 1 to 1000"),
    (["run", "s.json", "--launches", "-1"], 2, "from 1 to 1000"),
    (["run", "s.json", "--seed", "1x"], 2, '"1x"'),
    (["run", "s.json", "--only", "wait"], 2, "AXIS=VALUE"),
    (["run", "s.json", "--only", "=spin"], 2, "AXIS=VALUE"),
    (["run", "s.json", "--resume"], 2, "--out"),
    (["run", "/nowhere/s.json"], None, "/nowhere/s.json"),
    (["list", "wait"], 2, 'did you mean "waits"'),
    (["help", "interval"], 2, 'did you mean "intervals"'),
    (["help", "rum"], 2, 'did you mean "run"'),
    (["run", "--clock", "mono", "s.json"], 2, "--clock takes auto, monotonic or counter"),
    (["run", "--pe", "h", "s.json"], 2, "--peer, --peer-timeout"),
    (["--role", "producer"], 2, None),
    (["--role", "nobody", "--control-fd", "3"], 2, None),
]


def test_messages(t):  # beside others
    """Whatever is typed wrongly is named, with a hint."""
    for arguments, code, text in UNKNOWN:
        done = program.run([t.path] + arguments)
        told = "%s: %d\n%s" % (" ".join(arguments), done.code, done.stderr())
        check(done.code == code if code is not None else done.code in (1, 2), told)
        check(done.stdout() == "", "an error on stdout: " + done.stdout())
        if text:
            check(re.match(r"error: .*\nhint:  .", done.stderr()) and text in done.stderr(), told)
    bad = t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "spinn"}}])
    done = t.run("run", bad, code=2)
    check("blocks[0]" in done.stderr() and 'did you mean "spin"' in done.stderr(), done.stderr())


def test_help(t):  # beside others
    for arguments in (["--help"], ["help"], ["--version"], ["help", "intervals"], ["help", "run"],
                      ["run", "--help"], ["list", "--help"], ["floor", "--help"], ["report", "--help"],
                      ["export", "--help"], ["list"]):
        done = t.run(*arguments)
        check(done.stdout() and not done.stderr(), "%s: %s" % (arguments, done.stderr()))


def test_quiet(t):  # beside others
    done = t.run("run", t.scenario(TWO_BLOCKS[:1]), "--out", t.file("out"), "--quiet")
    check(re.match(r"(this machine was not fit: .*\n(  .*\n)*)?2 cells measured\nresult: \S+/result.json$",
                   done.stderr()),
          "quiet says: " + done.stderr())


def test_a_cell_that_fails(t):  # beside others
    """Exit code 1: one cell's ring is larger than a file may be; the others are measured."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (24 << 20, 24 << 20))
    scenario = t.scenario(TWO_BLOCKS[:1] + [{"name": "large", "base": {
        "transport": "shm", "wait": "spin", "frame": "3840x2160x3"}}])
    done = t.run("run", scenario, "--out", t.file("out"), code=1, preexec_fn=limit)
    small, other, large = t.result(t.file("out"))["cells"]
    check(small["status"] == other["status"] == "ok", "the small cells failed too")
    check(large["status"] == "failed" and "segment" in large["reason"] and large["hint"],
          "%s: %r %r" % (large["status"], large["reason"], large["hint"]))
    check("failed: " + large["id"] in done.stderr(), done.stderr())


def test_a_role_that_dies(t):  # beside others
    """Exit code 3: the real program's consumer is killed from outside."""
    scenario = t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "futex"}}],
                          frames=400, launches=2)
    run = t.start("run", scenario, "--out", t.file("out"))
    run.wait_for_line(r"^launch 1/")
    killed = []
    while not killed:
        check(run.process.poll() is None, "no consumer was seen")
        killed = [pid for pid in program.family(run.marker) if program.role_of(pid) == "consumer"]
    os.kill(killed[0], signal.SIGKILL)
    code = run.wait()
    run.check_nothing_left()
    check(code == 3, "exit code %d:\n%s" % (code, run.stderr()))
    cell = t.result(t.file("out"))["cells"][0]
    check(cell["status"] == "failed" and cell["launches_ok"] == 1 and
          "the consumer was killed by signal 9" in cell["reason"], "%s" % cell["reason"])


def test_full_disk(t):  # beside others
    """A disk that fills up: a clean error, complete files only, and --resume once there is room."""
    disk = t.file("disk")
    os.mkdir(disk)
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "none", disk],
        stderr=subprocess.DEVNULL).returncode == 0
    if not mounted:
        raise suite.Skip("a small tmpfs cannot be mounted here")
    try:
        scenario, out = t.scenario(TWO_BLOCKS, launches=8), os.path.join(disk, "out")
        done = t.run("run", scenario, "--out", out, code=4)
        check(re.search(r"^error: .*No space left.*\nhint:  is the disk full\?", done.stderr(),
                        re.M), done.stderr())
        kept = t.launches(out)
        check(0 < len(kept) < 32, "%d launches were kept" % len(kept))
        for name, (_, text) in kept.items():
            check(name.endswith(".json"), "half a file was left: " + name)
            check(json.loads(text)["row"]["status"] == "ok", name)
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        t.run("run", scenario, "--out", out, "--resume")
        all_ok(t.result(out))
        now = t.launches(out)
        check(all(now[name] == was for name, was in kept.items()), "launches were repeated")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_folder_that_cannot_be_made(t):  # beside others
    blocker = program.write_json(t.file("file"), {})
    done = t.run("run", t.scenario(TWO_BLOCKS), "--out", os.path.join(blocker, "out"), code=4)
    check(re.match(r"error: cannot make the folder .*\nhint:  choose another --out", done.stderr()),
          done.stderr())


def shell(t, redirections, *arguments, code):
    return program.run(["/bin/sh", "-c", 'exec "$0" "$@" ' + redirections, t.path] +
                       list(arguments))


def test_closed_and_full_output(t):  # beside others
    """Where the table cannot go, it is said, and the result is whole; a closed standard error does
    not let progress run into a socket."""
    scenario = t.scenario(TWO_BLOCKS)
    for name, redirections, code in (("out", ">&-", 4), ("full", "> /dev/full", 4),
                                     ("err", "2>&-", 0), ("both", ">&- 2>&-", 4),
                                     ("all", "<&- >&- 2>&-", 4)):
        out = t.file(name)
        done = shell(t, redirections, "run", "--no-floor", scenario, "--out", out, code=code)
        check(done.code == code, "%s: exit code %d:\n%s" % (redirections, done.code,
                                                             done.stderr()))
        all_ok(t.result(out))
        if name in ("out", "full"):
            check("error: cannot write the output" in done.stderr(), done.stderr())
    # No verdict is not "slower": a script must be able to tell.
    stored = t.file("err")
    for arguments in (["--version"], ["list"], ["--help"], ["compare", stored, stored],
                      ["advise", stored, "--p50", "1s"]):
        done = shell(t, "> /dev/full", *arguments, code=4)
        check(done.code == 4, "%s > /dev/full: exit code %d" % (arguments, done.code))


def on_terminal(t, scenario, out, **env):
    """What a terminal of 60 columns gets."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    environment = dict(os.environ, TERM="xterm")
    environment.pop("NO_COLOR", None)
    environment.update(env)
    process = subprocess.Popen([t.path, "run", "--no-floor", scenario, "--out", out], stdin=subprocess.DEVNULL,
                               stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux: the last follower was closed
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    check(process.wait(60) == 0, "on a terminal: %s" % said)
    return said.decode("utf-8", "replace")


def test_terminal_and_colour(t):  # beside others
    scenario = t.scenario(TWO_BLOCKS)
    colour = on_terminal(t, scenario, t.file("a"))
    check("\r\033[K" in colour and "\033[36m" in colour, "no progress line: %r" % colour)
    plain = on_terminal(t, scenario, t.file("b"), NO_COLOR="1")
    check("\r\033[K" in plain and not re.search(r"\033\[[0-9;]*m", plain),
          "colours in spite of NO_COLOR: %r" % plain)
    dumb = on_terminal(t, scenario, t.file("c"), TERM="dumb")
    check("\033[K" not in dumb and "launch 1/" in dumb, "a dumb terminal got: %r" % dumb)
    for line in re.findall(r"\r\033\[K(launch[^\r\n]*)", plain):
        check(len(line) < 60, "a line of %d columns wraps: %r" % (len(line), line))


def test_one_cpu(t):  # beside others
    """Everything works on one CPU, and the result says so."""
    cpu = min(os.sched_getaffinity(0))
    out = t.file("out")
    t.run("run", t.smoke(), "--out", out, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    result = t.result(out)
    all_ok(result)
    check(any("one CPU" in warning for warning in result["warnings"]), "warnings: %s" %
          result["warnings"])
    check(all(role["cpu"] == cpu for cell in result["cells"] for role in cell["roles"]),
          "roles on another CPU")


def test_unprivileged(t):  # beside others
    """A user without any rights, with files of the user's own."""
    if os.geteuid() != 0:
        raise suite.Skip("this test runs without rights already")
    nobody = 65534
    path = shutil.copy(t.path, t.file("handoff"))
    os.chmod(path, 0o755)
    scenario = t.scenario(TWO_BLOCKS)
    os.chmod(t.folder, 0o755)
    os.mkdir(t.file("home"))
    os.chown(t.file("home"), nobody, nobody)

    def become():
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)
    out = os.path.join(t.file("home"), "out")
    done = program.run([path, "run", "--no-floor", scenario, "--out", out], preexec_fn=become)
    check(done.code == 0, "exit code %d:\n%s" % (done.code, done.stderr()))
    all_ok(t.result(out))
    done = program.run([path, "run", "--no-floor", scenario, "--out", t.file("mine")], preexec_fn=become)
    check(done.code == 4 and "hint:" in done.stderr(), "another's folder: %s" % done.stderr())


def test_few_descriptors(t):  # beside others, release only
    """With any limit on open files the run works or says what is missing, and leaves nothing."""
    scenario = t.scenario(TWO_BLOCKS[:1], launches=1)
    codes = []
    for limit in list(range(4, 24)) + [32]:
        def lower(limit=limit):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        done = program.run([t.path, "run", "--no-floor", scenario, "--out", t.file("out%d" % limit)],
                           preexec_fn=lower)
        codes.append(done.code)
        check(done.code in (0, 1, 4) or done.code == 127, "ulimit -n %d: exit code %d:\n%s" %
              (limit, done.code, done.stderr()))
        check(done.code not in (1, 4) or re.search(r"^(error|failed): ", done.stderr(), re.M),
              "ulimit -n %d says nothing: %s" % (limit, done.stderr()))
    say("exit codes with 4 to 23 and 32 descriptors: %s" % codes)
    check(codes[-1] == 0 and {1, 4} & set(codes), "the limit changed nothing")


def test_too_little_for_one_launch(t):  # beside others
    """What one launch needs and does not get fails that launch; the others are measured."""
    if suite.sanitized(t.path):
        raise suite.Skip("the sanitizers need all the address space there is")
    base = {"transport": "null", "wait": "spin", "kernel": "none", "fill": "header",
            "launches": 1, "pacing": "max"}
    scenario = t.scenario([{"name": "large", "base": dict(base, frames=1000000)},
                           {"name": "small", "base": dict(base, frames=50, slots=2)}],
                          frames=12, launches=1, pacing="max")

    def lower():
        # Two traces of 64 MB do not fit, two small ones do.
        resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))
    done = program.run([t.path, "run", "--no-floor", scenario, "--out", t.file("out")], preexec_fn=lower)
    check(done.code == 1, "exit code %d instead of 1:\n%s" % (done.code, done.stderr()))
    large, small = t.result(t.file("out"))["cells"]
    check(large["status"] == "failed" and "memory" in large["reason"], "large: %s: %s" %
          (large["status"], large["reason"]))
    check(small["status"] == "ok", "small: %s: %s" % (small["status"], small["reason"]))
    say(large["reason"])


def test_roles_end_by_returning(t):  # beside others
    """Under the address sanitizer every process tells its statistics at exit, which it only does, as
    it only looks for leaks, when main returns: runner, guard and two roles."""
    if not suite.sanitized(t.path):
        raise suite.Skip("not built with the address sanitizer")
    run = program.Program([t.path, "run", "--no-floor", t.scenario(TWO_BLOCKS[:1], launches=1), "--only",
                           "wait=spin", "--out", t.file("out")],
                          env={"ASAN_OPTIONS": "atexit=1:detect_leaks=1"})
    check(run.wait() == 0, run.stderr())
    ends = run.stderr().count("AddressSanitizer exit stats")
    check(ends == 4, "%d of 4 processes ended by returning:\n%s" % (ends, run.stderr()))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
