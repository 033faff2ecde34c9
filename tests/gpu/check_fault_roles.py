"""check_fault_roles.py: a role on the (fake) GPU whose work does not end, since the other role stands
still: it says so, and frees nothing that the work may still use, which would wait for it for ever."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import suite  # noqa: E402
from suite import check, program  # noqa: E402


def test_fills_that_do_not_end(t):  # beside others, release only
    """All frames are committed, and the last one's fill waits on the GPU for a kernel of a consumer that
    was stopped right after it gave the slot back."""
    frames, warmup, slots = 8, 2, 2
    scenario = t.scenario([{"name": "a", "base": {
        "transport": "cuda_vmm", "access": "device", "fill": "gpu", "order": "event", "wait": "futex",
        "sync": "flag", "slots": slots}}], frames=frames, warmup=warmup, launches=1)
    out = t.file("out")
    done = program.run([t.path, "run", "--no-floor", scenario, "--out", out], seconds=60, env={
        "HANDOFF_FAULT": "consumer:enqueued:%d" % (frames + warmup - 1 - slots),
        "HANDOFF_FAULT_ACTION": "stop", "HANDOFF_FAULT_SLACK_MS": "500",
        "HANDOFF_FAKE_GPU_STRICT": "1", "HANDOFF_FAKE_GPU_DELAY_US": "3000"})
    said = done.stderr()
    check(done.code == 1, "exit code %d:\n%s" % (done.code, said))
    check("fake gpu:" not in said, "the fake GPU complains:\n%s" % said)
    found = t.result(out)["cells"][0]
    check(found["status"] == "failed" and "deadline" in found["reason"], str(found["reason"]))


if __name__ == "__main__":
    suite.main(globals())
