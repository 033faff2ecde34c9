"""network.py: two hosts on one machine (relay.c), for check_two_hosts.py."""
import os
import shutil
import subprocess

HERE, THERE = "10.99.0.1", "10.99.0.2"


class Unavailable(Exception):
    """No two hosts here, and why."""


class Network:
    """Both namespaces and the relay between them. `here` and `there` are the words that run a program in
    one of them; the other's clock is ahead by clock_s seconds, or by 0 where that cannot be had."""

    def __init__(self, clock_s=0):
        path = os.environ.get("HANDOFF_RELAY")
        if not path or not os.path.exists(path):
            raise Unavailable("HANDOFF_RELAY does not say where the relay is")
        if not shutil.which("nsenter"):
            raise Unavailable("nsenter (util-linux) is not installed")
        self.relay = subprocess.Popen([path, str(clock_s)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      universal_newlines=True, bufsize=1)
        words = self.relay.stdout.readline().split()
        if not words or words[0] != "ready":
            raise Unavailable("two networks cannot be made here: " + self.relay.stderr.read().strip())
        user = () if os.geteuid() == 0 else \
            ("--user=/proc/%d/ns/user" % self.relay.pid, "--preserve-credentials")
        self.here = ("nsenter", "--net=" + words[1]) + user
        self.there = ("nsenter", "--net=" + words[2]) + user
        self.clock_ns = 0
        enters_time = words[3] != "-" and subprocess.run(
            self.there + ("--time=" + words[3], "true"), stderr=subprocess.DEVNULL).returncode == 0
        if enters_time:
            self.there += ("--time=" + words[3],)
            self.clock_ns = clock_s * 1000000000

    def tell(self, command):
        self.relay.stdin.write(command + "\n")
        answer = self.relay.stdout.readline().strip()
        if answer != "ok":
            raise Unavailable("the relay does not understand %r: %r" % (command, answer))

    def delay(self, there_ms, back_ms):
        self.tell("delay %d %d" % (there_ms * 1000, back_ms * 1000))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.relay.stdin.close()
        self.relay.wait(10)
        self.relay.stdout.close()
        self.relay.stderr.close()
