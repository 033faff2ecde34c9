"""check_peer.py: `handoff serve` and `handoff run --peer` on one host: what they measure, whom they let
in, and what happens when one of them is gone. Between two networks: check_two_hosts.py."""
import os
import signal
import time

import suite
from suite import check, program, say

import peers

TCP = [{"name": "tcp", "base": {"transport": "tcp", "wait": "block"}}]
# Long enough to do something to it: some seconds of frames.
LONG = {"pacing": "rate:50", "frames": 200, "warmup": 2, "frame": "64x1x1"}


def begin(t):
    reason = peers.available(t)
    if reason:
        raise suite.Skip(reason)
    return peers.make_key(t.file("key"))


def peer(t, serve, *options):
    return ("--peer", "127.0.0.1:%d" % serve.port, "--key-file", t.file("key")) + options


def test_a_run_across(t):
    """Cells of both pacings, a cell that cannot cross, and everything that is said of the other host."""
    secret, out = begin(t), t.file("out")
    blocks = [{"name": "tcp", "base": {"transport": "tcp", "wait": "block", "frame": "1280x720x3"},
               "cells": [{"pacing": "pingpong"}, {"pacing": "rate:60"}]},
              {"name": "shm", "base": {"transport": "shm", "wait": "futex"}}]
    with peers.Serve(t, t.file("key"), "--once") as serve:
        run = t.run("run", t.scenario(blocks, frames=20), "--out", out, *peer(t, serve))
        check(serve.process.wait(20) == 0, "serve --once: " + serve.said())
        serve.process.check_nothing_left()
        serve.process.check_clean()
    result = t.result(out)
    ping, rate, shm = result["cells"]
    suite.all_ok({"cells": [ping, rate]})
    check(shm["status"] == "not_applicable" and "does not reach another host" in shm["reason"] and
          "tcp" in shm["hint"], "shm: %s" % shm["reason"])
    check(ping["intervals"]["round_trip"]["count"] == 2 * 19, "round trips: %s" % ping["intervals"])
    for cell in (ping, rate):
        check(cell["intervals"]["kernel"]["count"] == 40, "the kernel of %s" % cell["id"])
        for launch in cell["launches"]:
            told = launch["peer"]
            say("clocks of one host: apart by %d, then %d ns, known to %d ns" %
                (told["before"]["offset_ns"], told["after"]["offset_ns"], told["uncertainty_ns"]))
            for reading in (told["before"], told["after"]):
                check(abs(reading["offset_ns"]) <= reading["uncertainty_ns"], "offset: %s" % reading)
            agrees = told["uncertainty_ns"] <= 0.05 * launch["intervals"].get(
                "latency", {"p50_ns": 0})["p50_ns"]
            check(agrees != any(one["interval"] == "latency" for one in told["withheld"]),
                  "told or withheld: %s" % told)
    other = result["peer"]
    check(other["host"] == "127.0.0.1" and other["version"] == result["tool"]["version"] and
          other["environment"]["cpu"] and "floor" not in result, "the other host: %s" % other)
    # It is judged as this host is; here it is this host, looked at a moment later.
    judged = other["fitness"]
    loud = [finding for finding in judged["before"] if finding["level"] in ("warning", "unfit")]
    warned = [text for text in result["warnings"] if text.startswith("on 127.0.0.1: ")]
    check(len(warned) == len(loud) and all(finding["found"] in text for finding, text in
                                           zip(loud, warned)), "%s of %s" % (warned, loud))
    check(len(judged["before"]) > 5, "what was looked at there: %s" % judged["before"])
    unfit = "127.0.0.1 was not fit: "
    check((unfit in run.stderr()) == (judged["worst"] == "unfit"), "%s: %s" % (judged["worst"],
                                                                              run.stderr()))
    check("a run begins" in serve.said() and "the run is over" in serve.said(), serve.said())
    peers.secret_is_nowhere(secret, out, run.stderr(), run.stdout(), serve.said())


def test_keys(t):  # beside others
    """What is no key, and where one may be; a dry run needs none."""
    begin(t)
    scenario = t.scenario(TCP)
    run = ("run", scenario, "--out", t.file("out"), "--peer", "127.0.0.1:9")
    peers.make_key(t.file("short"), "0123456789abcde")
    peers.make_key(t.file("open"))
    os.chmod(t.file("open"), 0o640)
    os.mkfifo(t.file("fifo"), 0o600)
    clean = {"HANDOFF_KEY": ""}
    for command in (("serve", "--listen", "127.0.0.1:0"), run):
        for given, words in (((), "needs a key"), (("--key-file", t.file("short")), "15 bytes"),
                             (("--key-file", t.file("open")), "others than its owner"),
                             (("--key-file", t.file("fifo")), "is no file"),
                             (("--key-file", t.file("none")), "cannot read")):
            done = t.run(*command, *given, code=2, env=clean)
            check(words in done.stderr() and "hint:" in done.stderr(), done.stderr())
        done = t.run(*command, "--key", "0123456789abcdef", code=2)
        check("--key" in done.stderr(), done.stderr())
    done = t.run("run", scenario, "--key-file", t.file("key"), code=2)
    check("--peer" in done.stderr(), done.stderr())
    done = t.run(*run, "--clock", "counter", "--key-file", t.file("key"), code=2)
    check("CLOCK_MONOTONIC" in done.stderr(), done.stderr())
    done = t.run(*run, "--dry-run")
    check("1 of 1 cells can run" in done.stdout(), done.stdout())
    check("HANDOFF_KEY" in t.run("serve", "--help").stdout() and
          "HANDOFF_KEY" in t.run("run", "--help").stdout(), "the help does not say where a key may be")
    done = t.run(*run, "--key-file", t.file("key"), code=4)
    check("cannot connect" in done.stderr() and "handoff serve" in done.stderr(), done.stderr())


def disturb(serve, secret):
    """All that strangers may try; each must get nothing. Some take as long as a handshake may: the
    timeout, which is 2 s here."""
    silent = [peers.connect(serve.port) for _ in range(12)]
    held = peers.connect(serve.port)
    held.sendall(peers.hello(b"n" * 32)[:20])
    # Not a hello; a hello of another version, which is told ours; and a hello that never goes on.
    for garbage in (b"GET / HTTP/1.0\r\n\r\n" + b"x" * 44, os.urandom(44), os.urandom(100000)):
        sock = peers.connect(serve.port)
        try:
            sock.sendall(garbage)
        except ConnectionError:
            pass
        check(peers.receive(sock, 1) == b"", "garbage got an answer")
    sock = peers.connect(serve.port)
    sock.sendall(peers.hello(b"n" * 32, version=99))
    got = peers.receive(sock, 1000)
    check(len(got) == 44 and got.startswith(peers.MARK), "another version got %r" % got)
    # A wrong key, and a right one's proof that is old, or the server's own.
    for key in ("x" * 40, ""):
        stranger = peers.Stranger(serve.port, key)
        check(stranger.come_in() is None, "a wrong key got an answer")
    first = peers.Stranger(serve.port, secret)
    first.greet()
    old = first.proof()
    second = peers.Stranger(serve.port, secret)
    second.nonce = first.nonce
    second.greet()
    second.sock.sendall(old)
    check(second.answer() is None, "an old proof got an answer")
    check(peers.Stranger(serve.port, secret).come_in(run=b"q" * 16) == 1, "it is not busy")
    for sock in silent + [held]:
        sock.settimeout(5)
        check(peers.receive(sock, 1) == b"", "silence got an answer")


def test_strangers_get_nothing(t):  # beside others
    """Wrong keys, old proofs, garbage, silence: nothing but a closed connection, a line at most, and the
    measurement that is going on goes on."""
    secret = begin(t)
    scenario, out = t.scenario(TCP, launches=1, **LONG), t.file("out")
    with peers.Serve(t, t.file("key"), "--peer-timeout", "2") as serve:
        run = t.start("run", scenario, "--out", out, *peer(t, serve))
        serve.wait_for_role("consumer")
        disturb(serve, secret)
        check(run.process.poll() is None or run.wait() == 0, "the run was disturbed: " + run.stderr())
        check(run.wait() == 0, "the run failed:\n" + run.stderr())
        suite.all_ok(t.result(out))
        said = serve.said()
        check("refused" in said and said.count("\n") < 14, "it said too much, or nothing:\n" + said)
        # And a whole run with another key.
        peers.make_key(t.file("other"))
        done = t.run("run", scenario, "--out", t.file("no"), "--peer", "127.0.0.1:%d" % serve.port,
                     "--key-file", t.file("other"), code=4)
        check("closed the connection" in done.stderr() and "same key" in done.stderr(), done.stderr())
        serve.end()


def test_a_crowd_at_the_door(t):
    """Whoever calls without end turns himself out: the other host, whose proof takes the time of a round
    trip, is let in."""
    secret = begin(t)
    with peers.Serve(t, t.file("key")) as serve:
        other = peers.Stranger(serve.port, secret, source="127.0.0.2")
        crowd = [peers.connect(serve.port) for _ in range(40)]
        other.greet()
        crowd += [peers.connect(serve.port) for _ in range(80)]
        other.sock.sendall(other.proof(purpose=peers.GOODBYE))
        check(other.answer() == 0, "the crowd kept the other host out:\n" + serve.said())
        # A newcomer from elsewhere finds a place as well.
        check(peers.Stranger(serve.port, secret, source="127.0.0.3").come_in(purpose=peers.GOODBYE) == 0,
              "the crowd keeps everybody out:\n" + serve.said())
        for sock in crowd:
            sock.close()
        serve.end()


def test_who_knows_the_key_and_talks_nonsense(t):  # beside others
    """Lengths and codes that cannot be, from one who came in: the connection ends, the server does
    not."""
    secret = begin(t)
    with peers.Serve(t, t.file("key")) as serve:
        def stranger():
            made = peers.Stranger(serve.port, secret)
            check(made.come_in(run=b"r" * 16) == 0, "it is not let in")
            return made

        for length in (0, peers.BYTES_MAX + 2, 0xffffffff):
            made = stranger()
            made.sock.sendall(length.to_bytes(4, "little") + b"J" + b"{}")
            check(made.heard() is not None, "a length of %d does not end the connection" % length)
        made = stranger()
        changed = bytearray(made.message(b"J", b'{"type":"launch"}'))
        changed[12] ^= 1
        made.sock.sendall(changed)
        check(made.heard() is not None, "a changed message does not end the connection")
        made = stranger()
        made.message(b"J", b"{}")  # its number is missing
        made.sock.sendall(made.message(b"J", b'{"type":"launch"}'))
        check(made.heard() is not None, "a missing message does not end the connection")
        for text in (b"[]", b"{", b'{"type":"launch"}', b'{"type":"launch","setup":{"frames":-1}}'):
            made = stranger()
            made.sock.sendall(made.message(b"J", text))
            got = made.heard()
            check(got and b'"error"' in got, "%r: %r" % (text, got))
        serve.wait_until_alone(5)
        # It still serves.
        made = peers.Stranger(serve.port, secret)
        check(made.come_in(purpose=peers.GOODBYE, run=b"r" * 16) == 0, "it is not let out")
        t.run("run", t.scenario(TCP, launches=1), "--out", t.file("out"), *peer(t, serve))
        serve.end()


def no_child_has_the_key(secret, run, serve):
    pids = [pid for side in (run, serve.process) for pid in program.family(side.marker)]
    check(len(pids) >= 6, "only %d processes" % len(pids))
    for pid in pids:
        role = program.role_of(pid)
        for name in ("environ", "cmdline"):
            try:
                with open("/proc/%d/%s" % (pid, name), "rb") as file:
                    shown = secret.encode() in file.read()
            except OSError:
                continue
            # What a process was started with is what its user has anyway.
            check(not shown or (name == "environ" and pid == run.pid),
                  "the key is in the %s of the %s" % (name, role))


def test_one_run_at_a_time(t):  # beside others
    """The second hears that it is busy; the goodbye of the first, which has its key from the
    environment and gives it to no child, makes room at once."""
    secret = begin(t)
    scenario = t.scenario(TCP, launches=1, **LONG)
    with peers.Serve(t, t.file("key")) as serve:
        first = t.start("run", scenario, "--out", t.file("first"), "--peer",
                        "127.0.0.1:%d" % serve.port, env={"HANDOFF_KEY": secret})
        serve.wait_for_role("consumer")
        no_child_has_the_key(secret, first, serve)
        done = t.run("run", scenario, "--out", t.file("second"), *peer(t, serve), code=77)
        check("busy with another run" in done.stderr(), done.stderr())
        first.kill(signal.SIGINT)
        check(first.wait() == 130, first.stderr())
        serve.wait_until_alone(5)
        t.run("run", t.scenario(TCP, launches=1), "--out", t.file("third"), *peer(t, serve))
        serve.end()


def killed(t, serve, role, out):
    """A run during whose second launch one process at the serving side is killed; how long it then
    took, and its launches."""
    # Some have come then, and the launch is not over, though either may be late on a busy machine.
    frames, until_s = (120, 1.2) if suite.sanitized(t.path) else (70, 0.7)
    scenario = t.scenario(TCP, launches=2, pacing="rate:50", frames=frames, frame="64x1x1")
    run = t.start("run", scenario, "--out", out, *peer(t, serve, "--peer-timeout", "2"))
    run.wait_for_line(r"^launch 2/2")
    serve.wait_for_role("consumer")
    time.sleep(until_s)
    # Only now: the process of the first launch's connection may have been there still.
    os.kill(serve.wait_for_role(role), signal.SIGKILL)
    begun = time.monotonic()
    code = run.wait(60)
    took = time.monotonic() - begun
    run.check_nothing_left()
    run.check_clean()
    launches = t.result(out)["cells"][0]["launches"]
    say("%s killed: %.2f s, exit code %d: %s" % (role, took, code, launches[1]["reason"]))
    check(code in (1, 3), "exit code %d:\n%s" % (code, run.stderr()))
    check(took < 3, "it took %.1f s" % took)
    check(launches[0]["status"] == "ok" and launches[1]["status"] == "failed",
          "launches: %s" % [launch["status"] for launch in launches])
    check(launches[0]["intervals"]["kernel"]["count"] == frames, "the first launch: %s" % launches[0])
    check(launches[1]["integrity"]["frames"] > 0, "what was sent is not counted")
    return launches[1]["reason"]


def test_deaths_at_the_serving_side(t):  # beside quiet, release only
    """The consumer, the process of the connection, and all of it: told within the deadline, what was
    measured stays, and the next run finds it ready."""
    begin(t)
    with peers.Serve(t, t.file("key")) as serve:
        reason = killed(t, serve, "consumer", t.file("a"))
        check("the consumer was killed by signal 9" in reason and "127.0.0.1" in reason, reason)
        serve.wait_until_alone(5)
        reason = killed(t, serve, "serving", t.file("b"))
        check("the connection to 127.0.0.1 was lost" in reason, reason)
        serve.wait_until_alone(5)
        killed(t, serve, "runner", t.file("d"))
        check(program.wait_family_gone(serve.process.marker, 5) is not None,
              "left behind: %s" % serve.roles())


def test_the_running_side_is_gone(t):  # beside others
    """Killed or ended: the consumer there ends, and the next run is let in."""
    begin(t)
    scenario = t.scenario(TCP, launches=1, **LONG)
    with peers.Serve(t, t.file("key"), "--peer-timeout", "1") as serve:
        for number, victim in ((signal.SIGSTOP, "peer"), (signal.SIGKILL, "runner")):
            run = t.start("run", scenario, "--out", t.file("out%d%s" % (number, victim)),
                          *peer(t, serve))
            serve.wait_for_role("consumer")
            pid = {program.role_of(pid): pid for pid in program.family(run.marker)}[victim]
            os.kill(pid, number)
            say("%s, signal %d: alone after %.2f s" % (victim, number, serve.wait_until_alone(4)))
            run.kill(signal.SIGINT)  # it says goodbye, if it still can
            run.wait()
            check(program.wait_family_gone(run.marker, 10) is not None, "left behind")
        serve.end()
        check("its consumer was ended" in serve.said(), serve.said())


def test_once_ends_without_a_goodbye(t):  # beside others
    """A run that is killed says none; whoever waits for the end of serve --once must not wait for ever."""
    begin(t)
    with peers.Serve(t, t.file("key"), "--once", "--peer-timeout", "1") as serve:
        run = t.start("run", t.scenario(TCP, launches=1, **LONG), "--out", t.file("out"),
                      *peer(t, serve))
        serve.wait_for_role("consumer")
        run.kill(signal.SIGKILL)
        run.wait()
        check(serve.process.wait(10) == 0, "serve --once: " + serve.said())
        check("without a goodbye" in serve.said(), serve.said())
        serve.process.check_nothing_left()


def test_too_few_descriptors_end_it(t):  # beside others
    """It cannot wait on more descriptors than it may have: it says so, and does not try again for ever."""
    begin(t)
    command = 'ulimit -n 12; exec "$@"'
    process = program.Program([t.path, "serve", "--listen", "127.0.0.1:0", "--key-file", t.file("key")],
                              wrapper=("bash", "-c", command, "bash"))
    check(process.wait(10) == 4, process.stderr())
    check("ulimit -n" in process.stderr(), process.stderr())
    process.check_nothing_left()


def test_serve_is_ended_in_the_middle(t):  # beside others
    begin(t)
    scenario, out = t.scenario(TCP, launches=1, **LONG), t.file("out")
    with peers.Serve(t, t.file("key")) as serve:
        run = t.start("run", scenario, "--out", out, *peer(t, serve))
        serve.wait_for_role("consumer")
        serve.end()
        check(run.wait(20) == 1, run.stderr())
        reason = t.result(out)["cells"][0]["reason"]
        check("`handoff serve` was ended" in reason, reason)


if __name__ == "__main__":
    suite.main(globals())
