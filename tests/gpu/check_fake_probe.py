"""check_fake_probe.py: `handoff probe` over the fake GPU: every row, on machines of several kinds, with
every call failing in turn, and nothing left behind. What the runner makes of sides that die or hang
is tests/unit/test_capability.c's."""
import json
import os
import re
import stat
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import suite  # noqa: E402
from suite import check, program  # noqa: E402

from check_fake_roles import measured  # noqa: E402

ROWS = ["device", "register_shm", "unregistered_shm", "unregistered_malloc", "managed_copy",
        "managed_pointer", "ipc_memory", "ipc_event", "vmm", "vmm_no_access", "pool",
        "dmabuf_device", "dmabuf_host", "stream_values", "resident_flag", "mps"]
# Of the fake without settings, with no MPS on PATH.
FAIL = {"unregistered_shm", "unregistered_malloc", "managed_pointer", "vmm_no_access"}
NO_MPS = {"PATH": "/nonexistent"}

# As much of nvidia-cuda-mps-control as the guard talks to.
MPS_SCRIPT = """#!/bin/sh
pipe=$CUDA_MPS_PIPE_DIRECTORY
if [ "$1" = -f ]; then
  echo $$ > "$pipe/control"
  while ! [ -e "$pipe/quit" ]; do sleep 0.02; done
  exit 0
fi
[ -e "$pipe/control" ] || exit 1
read command rest
case $command in
get_default_active_thread_percentage) echo 100.0;;
quit) : > "$pipe/quit";;
*) exit 1;;
esac
"""


def probe(t, *arguments, **settings):
    """The JSON object, after a run that leaves nothing and takes no longer than its deadlines."""
    env = dict(NO_MPS, HANDOFF_FAKE_GPU_STRICT="1")
    env.update(settings)
    done = t.run("probe", "--json", *arguments, env=env, seconds=40)
    return json.loads(done.stdout())


def outcomes(found):
    return {row["row"]: row["outcome"] for row in found["rows"]}


def expected(**different):
    wanted = {row: "does_not" if row in FAIL else "works" for row in ROWS}
    wanted["mps"] = "not_tried"
    wanted.update(different)
    return wanted


def same(found, wanted):
    got = outcomes(found)
    check(got == wanted, "\n".join("%s: %s instead of %s" % (row, got[row], wanted[row])
                                   for row in ROWS if got.get(row) != wanted[row]))


def well_formed(found):
    for row in found["rows"]:
        works = row["outcome"] == "works"
        check(bool(row["seen"]) == works and bool(row["reason"]) != works, "a row: %s" % row)


def by_name(items, key):
    return {item[key]: item for item in items}


def test_every_row(t):  # beside others
    found = probe(t)
    same(found, expected())
    well_formed(found)
    rows = by_name(found["rows"], "row")
    check("2003001 bytes" in rows["vmm"]["seen"], rows["vmm"]["seen"])
    check("illegal memory access" in rows["unregistered_malloc"]["reason"], rows)
    check("signal 11" in rows["managed_pointer"]["reason"] and
          "illegal memory access" in rows["managed_pointer"]["reason"], rows["managed_pointer"])
    check("nvidia-cuda-mps-control" in rows["mps"]["reason"], rows["mps"])
    check(found["gpu"]["name"] and found["gpu"]["multiprocessors"] == 8 and
          "attributes" not in found["gpu"], "gpu: %s" % found["gpu"])
    attributes = by_name(found["attributes"], "name")
    check(attributes["stream_memory_operations_v1"]["value"] == 0 and
          "stream_values" in attributes["stream_memory_operations_v1"]["misleads"], attributes)
    check(attributes["ipc_event"]["misleads"] == "", attributes["ipc_event"])
    claims = by_name(found["claims"], "id")
    check({claim: claims[claim]["verdict"] for claim in claims} ==
          {"register": "another_machine", "unregistered": "holds", "malloc": "holds",
           "managed": "holds", "legacy-ipc": "another_machine", "vmm": "another_machine",
           "dmabuf-egl": "not_tried", "nvmm": "not_tried"}, "claims: %s" % claims)


def test_other_machines(t):  # beside others
    """As on a Jetson, on one with HMM, and on one whose attributes are of another opinion."""
    found = probe(t, HANDOFF_FAKE_GPU_ATTRIBUTES="integrated=1,ipc_memory=0,"
                                                 "concurrent_managed_access=0")
    same(found, expected(ipc_memory="does_not"))
    check("ipc_memory" in by_name(found["attributes"], "name")["ipc_event"]["misleads"], found)
    found = probe(t, HANDOFF_FAKE_GPU_ATTRIBUTES="pageable_memory_access=1")
    same(found, expected(unregistered_shm="works", unregistered_malloc="works"))
    found = probe(t, HANDOFF_FAKE_GPU_ATTRIBUTES="posix_descriptor_handles=0,dma_buf=0,"
                                                 "stream_memory_operations=0,mps=unknown")
    same(found, expected(vmm="does_not", vmm_no_access="not_tried", dmabuf_device="does_not",
                         dmabuf_host="does_not", stream_values="does_not"))
    check(by_name(found["attributes"], "name")["mps"]["value"] is None, found["attributes"])
    found = probe(t, HANDOFF_FAKE_GPU_ATTRIBUTES="managed_memory=0")
    same(found, expected(managed_copy="does_not", managed_pointer="not_tried"))
    check("managed_copy, of which it leaves something out, does not work here" in
          by_name(found["rows"], "row")["managed_pointer"]["reason"] and
          by_name(found["claims"], "id")["managed"]["verdict"] == "not_tried", found)


def test_no_device(t):  # beside others
    """Nothing but `device` is started, all give its reason, and that is an answer: exit 0."""
    found = probe(t, HANDOFF_FAKE_GPU_ATTRIBUTES="device=0")
    same(found, {row: "does_not" if row == "device" else "not_tried" for row in ROWS})
    reason = found["rows"][0]["reason"]
    check(all(row["reason"] == reason for row in found["rows"]) and found["gpu"] is None, found)
    check(all(row["took_ns"] == 0 for row in found["rows"][1:]), found)
    done = t.run("probe", env=dict(NO_MPS, HANDOFF_FAKE_GPU_ATTRIBUTES="device=0"))
    check("Nothing could be tried: " + reason[:40] in done.stdout(), done.stdout())


def test_little_memory(t):  # beside others
    """For two contexts, and rows are tried several at a time: those that got none are tried alone. One
    that gets none then, either, is not tried; that is no answer to a claim."""
    found = probe(t, HANDOFF_FAKE_GPU_CONTEXTS="2:1000:" + t.file("contexts"))
    same(found, expected())
    check(os.path.getsize(t.file("contexts")) > 25, "there was memory for all of them")
    found = probe(t, HANDOFF_FAKE_GPU_CONTEXTS="2:2:" + t.file("few"))
    same(found, dict({row: "not_tried" for row in ROWS}, device="works", mps="not_tried"))
    row = by_name(found["rows"], "row")["unregistered_malloc"]
    check("no context for it: the fake GPU has no memory" in row["reason"] and
          "free memory" in row["hint"], row)
    claims = by_name(found["claims"], "id")
    check(claims["malloc"]["verdict"] == "not_tried", claims)


def test_table(t):  # beside others
    done = t.run("probe", env=NO_MPS)
    check(max(map(len, done.stdout().splitlines())) <= 100, done.stdout())
    for text in ROWS + ["does not", "misleads: no, but stream_values works here", "instead:",
                        "legacy-ipc"]:
        check(text in done.stdout(), "no %s in:\n%s" % (text, done.stdout()))


def test_only(t):  # beside others
    found = probe(t, "--only", "pool,vmm_no_access", "--only", "ipc_event")
    check(outcomes(found) == {"device": "works", "ipc_event": "works", "vmm_no_access": "does_not",
                              "pool": "works"} and "claims" not in found, found)
    done = t.run("probe", "--only", "ipc_memry", code=2)
    check('did you mean "ipc_memory"' in done.stderr(), done.stderr())
    for arguments in (["--only"], ["--only", ""], ["vmm"], ["--ony", "vmm"]):
        t.run("probe", *arguments, code=2)


def test_asked_by_a_scenario(t):  # beside others
    """`list` says what a cell needs by the same answers: the reason, and what to use instead."""
    env = dict(NO_MPS, HANDOFF_FAKE_GPU_ATTRIBUTES="host_register=0,ipc_memory=0")
    transports = json.loads(t.run("list", "--json", "transports", env=env).stdout())["transports"]
    entry = by_name(transports, "name").get("cuda_ipc")
    if not entry:
        raise suite.Skip("there is no transport cuda_ipc")
    check(not entry["available"] and "legacy memory handle" in entry["reason"] and
          "cuda_vmm" in entry["hint"], "cuda_ipc: %s" % entry)


def test_environment(t):  # beside others
    """A result with GPU cells says what the GPU is, before and after; one without asks nobody."""
    for access, asked in (("mapped", True), ("host", False)):
        scenario = t.scenario([{"name": "a", "base": {"transport": "shm", "wait": "futex"},
                                "axes": {"access": [access]}}], access + ".json", launches=1)
        count = t.file(access + ".calls")
        out = measured(t, access, scenario, "--quiet", "--no-floor",
                       **dict(NO_MPS, HANDOFF_FAKE_GPU_COUNT=count, HANDOFF_FAKE_GPU_STRICT="1"))
        environment = t.result(out)["environment"]
        for side in ("before", "after"):
            gpu = environment[side].get("gpu", {})
            check(("name" in gpu) == asked and "attributes" not in gpu, "%s: %s" % (side, gpu))
        called = open(count).read() if os.path.exists(count) else ""
        check(("capability" in called) == asked, "%s: called %s" % (access, called))


def test_mps(t):  # beside others
    """Under a daemon of its own, which is gone afterwards; a context that does not join is told."""
    path = t.file("nvidia-cuda-mps-control")
    with open(path, "w") as file:
        file.write(MPS_SCRIPT)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    env = {"PATH": t.folder + ":" + os.environ["PATH"], "TMPDIR": t.folder}
    found = probe(t, "--only", "mps", HANDOFF_FAKE_GPU_ATTRIBUTES="mps=1", **env)
    check(outcomes(found)["mps"] == "works", "mps: %s" % found["rows"])
    found = probe(t, "--only", "mps", HANDOFF_FAKE_GPU_ATTRIBUTES="mps=0", **env)
    row = by_name(found["rows"], "row")["mps"]
    check(row["outcome"] == "does_not" and "did not join" in row["reason"], row)
    check(os.listdir(t.folder) == ["nvidia-cuda-mps-control"], os.listdir(t.folder))


# Which rows a call is for, by the start of its name; for others register_shm shows as much as any.
USED_BY = (("gpu_shared", "vmm"), ("gpu_event", "ipc_event"), ("gpu_stream_wait_event", "ipc_event"),
           ("gpu_dmabuf", "dmabuf_host"), ("gpu_managed", "managed_copy"),
           ("gpu_stream_managed", "managed_copy"), ("gpu_stream_poll", "ipc_event"),
           ("gpu_stream_wait_value", "stream_values"), ("gpu_stream_write", "stream_values"),
           ("launcher_enqueue_clock", "resident_flag"))


def test_each_call_fails(t):  # beside others
    """A failure of any call is a row that does not work, said in the call's own words."""
    count = t.file("calls")
    probe(t, HANDOFF_FAKE_GPU_COUNT=count)
    with open(count) as file:
        called = sorted({line.split()[2] for line in file if line.startswith("capability ")})
    check(len(called) > 25 and "gpu_register" in called, "called: %s" % called)
    failures, harmless = [], []

    def work(functions):
        for function in functions:
            try:
                row = next((row for start, row in USED_BY if function.startswith(start)),
                           "register_shm")
                found = probe(t, "--only", row,
                              HANDOFF_FAKE_GPU_FAIL="capability:%s:1" % function)
                well_formed(found)
                got = outcomes(found)
                check(set(got.values()) == {"works"} or function + ": injected failure" in
                      by_name(found["rows"], "row")["device"]["reason"] +
                      by_name(found["rows"], "row")[row]["reason"], "nobody says so: %s" % found)
                if all(outcome == "works" for outcome in got.values()):
                    harmless.append(function)
            except Exception as failure:
                failures.append("%s: %s" % (function, failure))

    threads = [threading.Thread(target=work, args=(called[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, "\n".join(failures))
    # Those that cannot fail, or are only called to describe the GPU.
    check(all(re.search("_(free|close|destroy|unregister|native|pointer|read|info)$", function)
              for function in harmless), "nobody minds: %s" % harmless)


def test_killed(t):  # beside others
    """Its processes die with it."""
    started = t.start("probe", env=dict(NO_MPS, HANDOFF_FAKE_GPU_DELAY_US="30000"))
    roles = []
    while started.process.poll() is None and len(roles) < 2:
        roles = [pid for pid in program.family(started.marker)
                 if program.role_of(pid) == "capability"]
    check(roles, "no process was ever seen")
    started.kill()
    started.wait()
    check(program.wait_family_gone(started.marker, 3) is not None, "processes outlive it")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
