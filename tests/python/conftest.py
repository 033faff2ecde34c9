"""Where the programs under test are, and a seed that is printed."""
import json
import os
import random
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(variable, default):
    path = os.environ.get(variable) or os.path.join(ROOT, default)
    if not os.access(path, os.X_OK):
        pytest.fail("%s is not built; set %s" % (path, variable))
    return path


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def handoff():
    return program("HANDOFF_PROGRAM", "build/handoff")


@pytest.fixture
def rng():
    given = os.environ.get("HANDOFF_TEST_SEED")
    seed = int(given, 0) if given else random.SystemRandom().getrandbits(63)
    print("HANDOFF_TEST_SEED=%d repeats this run" % seed)
    return random.Random(seed)


@pytest.fixture(scope="session")
def ask():
    """ask(lines) -> one answer of hdr_tool per line."""
    tool = program("HANDOFF_HDR_TOOL", "build/tests/python/hdr_tool")

    def run(lines):
        done = subprocess.run([tool], input="\n".join(lines) + "\n", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=120)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(lines)
        return answers
    return run
