"""check_advise.py: `handoff advise` on a result that was really measured."""
import json
import sys

import suite
from suite import check


def test_a_real_result(t):
    """Two launches are not enough to be sure; what is asked in vain is an error that says what there
    is; a bound that nothing can keep is missed by everything."""
    out = t.file("out")
    t.run("run", t.scenario(suite.TWO_BLOCKS[:1]), "--out", out)
    done = t.run("advise", out, "--p50", "1h", code=2)
    check("200us" in done.stderr(), done.stderr())
    answer = json.loads(t.run("advise", out, "--p50", "30s", "--rate", "500", "--format", "json",
                              code=1).stdout())
    cells = answer["cases"][0]["cells"]
    check([one["state"] for one in cells] == ["reached"] * 2, answer)
    check(all("range of p50 is of 2 launches" in one["lacks"] for one in cells), answer)
    check(cells[0]["cpu_percent"]["value"] <= cells[1]["cpu_percent"]["value"], answer)
    said = " ".join(t.run("advise", out, "--p50", "1ns", code=1).stdout().split())
    check("none is shown to keep p50 of response ≤ 1 ns" in said, said)
    check("The nearest miss is shm + " in said, said)
    said = t.run("advise", out, "--p50", "1s", "--rate", "60", code=2).stderr()
    check("500 frames/s" in said, said)
    check("no bound" in t.run("advise", out, code=2).stderr(), "bounds")


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
