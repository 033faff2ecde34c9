"""check_covering.py: the pairwise choice of transports.json, by the script that made it."""
import json
import os
import random
import subprocess
import sys

import suite
from suite import check, program

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "covering")


def covering(t, *arguments):
    done = subprocess.run([sys.executable, SCRIPT, "--handoff", t.path, "--check"] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_every_pair_occurs(t):  # beside others
    """Another seed than the one it was made with looks for pairs elsewhere."""
    seed = str(random.randrange(1000000))
    code, said = covering(t, "--seed", seed)
    check(code == 0, "--seed %s: %s" % (seed, said))


def test_a_cell_less_is_noticed(t):  # beside others
    """Each cell is there for a pair of its own: without one, something is missing."""
    with open(os.path.join(t.scenarios, "transports.json"), encoding="utf-8") as file:
        scenario = json.load(file)
    block = next(block for block in scenario["blocks"] if block["name"] == "pairs")
    gone = block["cells"].pop(random.randrange(len(block["cells"])))
    path = program.write_json(t.file("less.json"), scenario)
    code, said = covering(t, "--scenario", path)
    check(code == 1 and "missing: " in said, "%s: %s" % (gone, said))


if __name__ == "__main__":
    suite.main(dict(vars(sys.modules["__main__"])))
