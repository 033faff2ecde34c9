"""check_fleet.py: scripts/fleet over ssh, to hosts that are network namespaces with an sshd each."""
import os
import shutil
import subprocess
import sys
import time

import suite
from suite import check, say

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HOSTS = 3


def needed():
    """What is missing here, or ""."""
    for tool, package in (("parallel", "parallel"), ("ip", "iproute2"), ("nsenter", "util-linux"),
                          ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"),
                          ("/usr/sbin/sshd", "openssh-server")):
        if not shutil.which(tool):
            return "%s is not installed (%s)" % (tool, package)
    return "" if os.geteuid() == 0 else "namespaces with a server in each need root"


def command(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    if done.returncode != 0:
        raise suite.Skip("%s: %s" % (" ".join(words), done.stdout.strip()))


class Hosts:
    """Namespaces 10.98.X.2, each with an sshd that lets one key in, joined to this one by a cable each;
    X is of this process, so that two tests do not meet."""

    def __init__(self, t, count):
        self.t, self.count, self.servers = t, count, []
        self.tag = "hf%d" % (os.getpid() % 100000)
        self.net = os.getpid() % 60 * 4

    def address(self, index):
        return "10.98.%d.2" % (self.net + index)

    def name(self, index):
        return "board%d" % (index + 1)

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        t = self.t
        for key in ("host", "user"):
            command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", t.file(key))
        config = ["Host *", "  IdentityFile %s" % t.file("user"), "  IdentitiesOnly yes",
                  "  StrictHostKeyChecking no", "  UserKnownHostsFile /dev/null", "  LogLevel ERROR",
                  "  User root"]
        if not os.path.isdir("/run/sshd"):
            os.mkdir("/run/sshd")
        for i in range(self.count):
            namespace, here, there = ("%s%s%d" % (self.tag, what, i) for what in "nab")
            command("ip", "netns", "add", namespace)
            command("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns",
                    namespace)
            command("ip", "addr", "add", "10.98.%d.1/24" % (self.net + i), "dev", here)
            command("ip", "link", "set", here, "up")
            # nsenter, since `ip -n` would mount as well, which not every root allows.
            within = ["nsenter", "--net=/run/netns/" + namespace]
            command(*within, "ip", "addr", "add", self.address(i) + "/24", "dev", there)
            command(*within, "ip", "link", "set", there, "up")
            command(*within, "ip", "link", "set", "lo", "up")
            self.servers.append(subprocess.Popen(
                within + ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null",
                          "-h", t.file("host"), "-o", "AuthorizedKeysFile=" + t.file("user.pub"),
                          "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PermitRootLogin=yes",
                          "-o", "PidFile=none"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=open(t.file("sshd%d.log" % i), "w")))
            config[:0] = ["Host " + self.name(i), "  HostName " + self.address(i)]
        config[:0] = ["Host nobody", "  HostName " + self.address(0), "  Port 9"]
        with open(t.file("ssh.conf"), "w") as file:
            file.write("\n".join(config) + "\n")
        self.wait()

    def wait(self):
        for i in range(self.count):
            for _ in range(100):
                if subprocess.run(["ssh", "-F", self.t.file("ssh.conf"), self.name(i), "true"],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.05)
            else:
                with open(self.t.file("sshd%d.log" % i)) as file:
                    raise suite.Skip("no sshd in a namespace: " + file.read())

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
            server.wait()
        for i in range(self.count):
            subprocess.run(["ip", "netns", "del", "%sn%d" % (self.tag, i)], stderr=subprocess.DEVNULL)


def fleet(t, *words):
    environment = dict(os.environ, PATH=os.path.dirname(t.path) + ":" + os.environ["PATH"])
    done = subprocess.run([os.path.join(ROOT, "scripts", "fleet")] + list(words), env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    return done.returncode, done.stdout, done.stderr


def on_a_board():
    return {name for name in os.listdir("/tmp") if name.startswith("handoff-fleet-")}


def test_boards(t):  # beside others, release only
    """Each board's result comes back and one page has them all; a board that cannot be reached is named
    with what it said, and the others are not lost; nothing stays on the boards."""
    missing = needed()
    if missing:
        raise suite.Skip(missing)
    scenario = t.scenario(suite.TWO_BLOCKS[:1], name="a scenario $(touch owned).json", launches=1)
    before = on_a_board()
    with Hosts(t, HOSTS) as hosts:
        names = [hosts.name(i) for i in range(HOSTS)]
        ssh = ["--ssh", "-F", "--ssh", t.file("ssh.conf")]
        code, said, complained = fleet(t, "--hosts", ",".join(names), "--handoff", t.path, "--out",
                                       t.file("out"), *ssh, scenario, "--", "--no-floor", "--quiet")
        check(code == 0, "exit code %d: %s%s" % (code, said, complained))
        for name in names:
            check(t.result(t.file("out/" + name))["run"]["complete"], name)
            check("2 cells measured" in [line for line in said.splitlines() if name in line][0], said)
        with open(t.file("out/index.html")) as file:
            page = file.read()
        check(all(name in page for name in names), "the page does not name every board")
        check(os.path.getsize(t.file("out/report.md")) > 0, "no summary")

        code, said, complained = fleet(t, "--hosts", "nobody," + names[1], "--send", t.path,
                                       "--out", t.file("some"), *ssh, scenario, "--", "--no-floor")
        check(code == 1, "exit code %d: %s%s" % (code, said, complained))
        check(t.result(t.file("some/" + names[1]))["run"]["complete"], said)
        check("nobody" in said and "no result: " in said and "1 of 2 boards" in complained,
              said + complained)
        left = on_a_board() - before
        check(not left, "left on a board: %s" % left)
    check(not os.path.exists("owned") and not os.path.exists(os.path.join(ROOT, "owned")), "executed")
    say("%d boards" % HOSTS)


def test_usage(t):  # beside others
    """What is asked wrongly is said before any board is asked."""
    os.makedirs(t.file("earlier/board1"))
    with open(t.file("earlier/board1/result.json"), "w") as file:
        file.write("{}")
    earlier = ["--hosts", "board1", "--out", t.file("earlier"), t.smoke()]
    for words, expected in ((earlier, "already holds results"),
                            (["s.json"], "no such scenario"), ([], "which scenario"),
                            (["--hosts", "a", "--slurm", "2", t.smoke()], "two ways"),
                            ([t.smoke()], "which boards"), (["--frob"], "unknown option"),
                            (["--hosts", "a,-oProxyCommand=x", t.smoke()], "not a host")):
        code, _, complained = fleet(t, *words)
        missing = "parallel is not installed" in complained
        check(code == 2 and expected in complained or missing, "%s: %d: %s" % (words, code, complained))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
