"""check_completion.py: what the shells make of a command line when Tab is pressed: real shells on a
terminal of their own, with the scripts that handoff prints."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import suite
from suite import check

# Typed, and what the line is after Tab.
LINES = [
    ("handoff ru", "handoff run "),
    ("handoff run --cl", "handoff run --clock"),
    ("handoff run --clock m", "handoff run --clock monotonic "),
    ("handoff run --clock=m", "handoff run --clock=monotonic "),
    ("handoff run s.json --no-f", "handoff run s.json --no-floor "),
    ("handoff run --only pac", "handoff run --only pacing="),
    ("handoff run --only wait=spi", "handoff run --only wait=spin"),
    ("handoff run --only wait=spin,fut", "handoff run --only wait=spin,futex"),
    ("handoff run --only=transport=unix,memf", "handoff run --only=transport=unix,memfd"),
    ("handoff run --only wait=pol", "handoff run --only wait=poll:"),
    ("handoff run min", "handoff run mine.json "),
    ("handoff run nam", "handoff run named "),
    ("handoff run brou", "handoff run brought "),
    ("handoff run --out fold", "handoff run --out folder/"),
    ("handoff compare --by pac", "handoff compare --by pacing "),
    ("handoff compare --scenario brou", "handoff compare --scenario brought "),
    ("handoff list --format mark", "handoff list --format markdown "),
    ("handoff list ax", "handoff list axes "),
    ("handoff probe --only device,register_", "handoff probe --only device,register_shm"),
    ("handoff help inter", "handoff help intervals "),
    ("handoff help serv", "handoff help serve "),
    ("./handoff flo", "./handoff floor "),
    ("handoff nonsense --x", "handoff nonsense --x"),
]


class Shell:
    """An interactive shell on a terminal; Ctrl-X Ctrl-X prints its line as <<line>> and clears it."""

    def __init__(self, arguments, folder, path):
        environment = dict(os.environ, PATH=path + ":" + os.environ["PATH"], TERM="xterm", PS1="$ ",
                           HOME=folder, LC_ALL="C.UTF-8")
        leader, follower = pty.openpty()
        self.process = subprocess.Popen(arguments, stdin=follower, stdout=follower, stderr=follower,
                                        cwd=folder, env=environment, start_new_session=True)
        os.close(follower)
        self.leader = leader
        self.said = ""

    def type(self, keys):
        os.write(self.leader, keys.encode())

    def wait_for(self, pattern, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.said)
            if found:
                self.said = self.said[found.end():]
                return found.group(1)
            ready = select.select([self.leader], [], [], max(0, deadline - time.monotonic()))[0]
            check(ready, "the shell did not answer; it said: %r" % self.said)
            self.said += os.read(self.leader, 65536).decode(errors="replace")

    def completed(self, line):
        """The line after Tab."""
        self.type(line + "\t\x18\x18")
        return self.wait_for(r"<<([^\r\n]*)>>")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)


def prepare(t):
    """A folder to stand in, and one that has the program by its name."""
    for folder in ("here/folder", "here/scenarios", "share/handoff/scenarios"):
        os.makedirs(t.file(folder))
    for name in ("here/mine.json", "here/other.txt", "here/scenarios/named.json",
                 "share/handoff/scenarios/brought.json", "share/handoff/scenarios/schema.json"):
        open(t.file(name), "w").close()
    os.mkdir(t.file("bin"))
    os.symlink(os.path.abspath(t.path), t.file("bin/handoff"))
    return t.file("here"), t.file("bin")


def compare(shell, lines):
    wrong = []
    for line, expected in lines:
        after = shell.completed(line)
        # zsh puts the value behind "=", where bash leaves a blank.
        if after.rstrip(" =") != expected.rstrip(" ="):
            wrong.append("%r became %r, not %r" % (line, after, expected))
    check(not wrong, "\n".join(wrong))


def script_of(t, shell, path):
    with open(path, "w") as file:
        file.write(t.run("help", "completion-" + shell).stdout())
    return path


def test_bash(t):  # beside others, release only
    if not shutil.which("bash"):
        raise suite.Skip("there is no bash")
    here, path = prepare(t)
    script = script_of(t, "bash", t.file("handoff.bash"))
    shell = Shell(["bash", "--norc", "--noprofile", "-i"], here, path)
    try:
        shell.type("source %s; bind 'set enable-bracketed-paste off'; "
                   "bind -x '\"\\C-x\\C-x\": printf \"<<%%s>>\\n\" \"$READLINE_LINE\"; READLINE_LINE='; "
                   "echo rea''dy\r" % script)
        shell.wait_for("(ready)\r")
        compare(shell, LINES)
    finally:
        shell.close()


def candidates(t, script, line):
    done = subprocess.run(["bash", "-c", 'source "$0"; COMP_LINE=$1 COMP_POINT=${#1} '
                           '_handoff; printf "%s\\n" "${COMPREPLY[@]}"', script, line],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=t.folder, check=True)
    return done.stdout.decode().split()


def test_bash_offers(t):  # beside others
    """All there is to choose from, and no more."""
    if not shutil.which("bash"):
        raise suite.Skip("there is no bash")
    script = script_of(t, "bash", t.file("handoff.bash"))
    overview = re.findall(r"^  ([a-z]+)(?: |$)", t.run("help").stdout().split("Topics")[0], re.M)
    check(sorted(candidates(t, script, "handoff ")) == sorted(overview + ["--help", "--version"]),
          "commands: %s" % candidates(t, script, "handoff "))
    for command in overview:
        text = t.run(command, "--help").stdout()
        options = set(re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", text, re.M))
        offered = [word for word in candidates(t, script, "handoff %s -" % command)
                   if word.startswith("--")]
        check(set(offered) == options, "%s: %s, not %s" % (command, offered, options))
    check(candidates(t, script, "handoff run --only load=") == ["none", "cpu", "membw"], "load")
    check(candidates(t, script, "handoff run --quiet --lau") == ["--launches"],
          "a flag takes the word behind it for its value")


def test_zsh(t):  # beside others, release only
    zsh = shutil.which("zsh")
    if not zsh:
        raise suite.Skip("there is no zsh")
    here, path = prepare(t)
    os.mkdir(t.file("functions"))
    script_of(t, "zsh", t.file("functions/_handoff"))
    shell = Shell([zsh, "-f", "-i"], here, path)
    try:
        shell.type("fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D; "
                   "unsetopt zle_bracketed_paste; show() { print -r -- \"<<$BUFFER>>\"; BUFFER= }; zle -N show; "
                   "bindkey '^X^X' show; echo rea''dy\r" % t.file("functions"))
        shell.wait_for("(ready)\r")
        compare(shell, LINES)
    finally:
        shell.close()


def test_man(t):  # beside others
    """The manual page has every command and option, and nothing that a formatter stumbles over."""
    page = t.run("help", "man").stdout()
    with open(t.file("handoff.1"), "w") as file:
        file.write(page)
    for command in re.findall(r"^  ([a-z]+)(?: |$)", t.run("help").stdout().split("Topics")[0], re.M):
        check(".SS handoff %s\n" % command in page, "no " + command)
        for option in re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", t.run(command, "--help").stdout(), re.M):
            check("\\fB%s\\fR" % option.replace("-", "\\-") in page or
                  option == "--help",
                  "%s has no %s" % (command, option))
    tried = 0
    for tool in (["groff", "-man", "-ww", "-Tutf8", "-z"], ["man", "--warnings", "-l"],
                 ["mandoc", "-T", "lint", "-W", "error"]):
        if not shutil.which(tool[0]):
            continue
        tried += 1
        done = subprocess.run(tool + [t.file("handoff.1")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C.UTF-8"))
        check(not done.stderr and (tool[0] != "mandoc" or not done.stdout),
              "%s: %s" % (tool, done.stderr.decode() + done.stdout.decode()[:2000]))
    if tried == 0:
        raise suite.Skip("there is none of groff, man and mandoc; the words were looked at")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
