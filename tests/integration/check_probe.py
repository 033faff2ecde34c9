"""check_probe.py: `handoff probe` where there is no GPU, or no toolkit to use one: an answer, not a
failure. What it says with a GPU is tests/gpu's."""
import json
import sys

import suite
from suite import Skip, check


def found_without_gpu(t):
    found = json.loads(t.run("probe", "--json").stdout())
    if any(row["outcome"] == "works" for row in found["rows"]):
        raise Skip("there is a GPU")
    return found


def test_json(t):  # beside others
    found = found_without_gpu(t)
    check(found["schema"] == "handoff-probe" and len(found["rows"]) == 16 and
          found["gpu"] is None and found["attributes"] == [], found)
    reason = found["rows"][0]["reason"]
    check(reason and all(row["reason"] == reason for row in found["rows"]), found["rows"])
    check(all(claim["verdict"] == "not_tried" for claim in found["claims"]), found["claims"])
    if found["cuda_toolkit"] is None:
        check("built without the CUDA Toolkit" in reason and
              all(row["took_ns"] == 0 and row["outcome"] == "not_tried" for row in found["rows"]),
              found["rows"])


def test_table(t):  # beside others
    reason = found_without_gpu(t)["rows"][0]["reason"]
    done = t.run("probe")
    check("Nothing could be tried: " + reason[:30] in done.stdout() and "hint:" in done.stdout() and
          "not tried" in done.stdout(), done.stdout())
    check(max(map(len, done.stdout().splitlines())) <= 100, done.stdout())


def test_bad_usage(t):  # beside others
    for arguments, text in ((["--only", "vm"], "vmm"), (["--only"], "needs a value"),
                            (["--frobnicate"], "frobnicate"), (["vmm"], "--only")):
        done = t.run("probe", *arguments, code=2)
        check(text in done.stderr(), done.stderr())
    check("Usage: handoff probe" in t.run("probe", "--help").stdout(), "no help")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
