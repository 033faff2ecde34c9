"""The schema of scenarios, which editors complete and check by, beside the reader itself."""
import copy
import glob
import json
import os
import subprocess

import jsonschema
import pytest

SUPPORT = os.path.join("tests", "support", "corpus", "scenarios")
# What no editor should let pass; the rest of the corpus is partly for the reader alone.
REFUSED = ["wait_empty", "transport_case", "axes_list", "claim_two_units", "gates_nine",
           "cells_exclude", "slots_text", "unknown_wait", "frame_zero", "poll_zero", "pacing_negative", "scheduling_zero"]


@pytest.fixture(scope="module")
def schema(root):
    with open(os.path.join(root, "scenarios", "schema.json")) as file:
        return json.load(file)


@pytest.fixture(scope="module")
def validator(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def read(path):
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        return json.load(file)


def complaints(validator, scenario):
    return ["%s: %s" % ("/".join(map(str, error.path)), error.message[:300])
            for error in validator.iter_errors(scenario)]


def test_it_is_the_program_s(schema, handoff):
    """Nobody edits it: it is made from the axes, the gates and the keys that the reader knows."""
    printed = subprocess.run([handoff, "help", "scenario-schema"], check=True,
                             stdout=subprocess.PIPE).stdout
    assert json.loads(printed.decode()) == schema, \
        "make it anew: build/handoff help scenario-schema > scenarios/schema.json"


def test_every_key_has_its_schema(schema):
    for keys in (schema["properties"], schema["definitions"]["block"]["properties"],
                 schema["definitions"]["claim"]["properties"]):
        for key, of_key in keys.items():
            assert isinstance(of_key, dict), "schema.c has no fragment for \"%s\"" % key
    for name, of_axis in schema["definitions"].items():
        assert not name.startswith("axis_") or of_axis["anyOf"], name + " takes nothing"


def test_scenarios_are_valid(validator, root):
    ours = [path for path in glob.glob(os.path.join(root, "scenarios", "*.json"))
            if not path.endswith("schema.json")]
    others = glob.glob(os.path.join(root, SUPPORT, "good", "*")) + \
        glob.glob(os.path.join(root, "tests", "fuzz", "corpus", "*"))
    assert len(ours) > 9 and len(others) > 6
    for path in ours + others:
        scenario = read(path)
        assert complaints(validator, scenario) == [], path
        assert scenario.get("$schema", "./schema.json") == "./schema.json", path


def test_mistakes_are_not(validator, root):
    refused, passed = [], []
    for path in sorted(glob.glob(os.path.join(root, SUPPORT, "bad", "*.json"))):
        try:
            scenario = read(path)
        except (ValueError, RecursionError):
            continue  # no JSON: an editor says so without a schema
        name = os.path.basename(path)[:-5]
        (passed if validator.is_valid(scenario) else refused).append(name)
    assert not set(REFUSED) & set(passed), passed
    assert len(refused) > 3 * len(passed) > 0, passed


VALUES = ["spin", "poll:100", "poll:007", "poll:0", "poll:", "adaptive:50", "futex", "same", "shm",
          "unix", "host", "mapped", "none", "checksum", "copy", "gpu", "64x48x3", "064x048x03",
          "64x48x5", "0x1x1", "rate:30", "rate:1e3", "rate:+30", "rate:.5", "rate:", "poisson:60",
          "pingpong", "max", "search:500us:30-5000", "search:500us:5000-30", "block", "latest",
          "auto", "same_cpu", "cpus:0,1", "cpus:0:1", "cpus:0", "as_left", "cached", "fixed",
          "random", "other", "fifo:1", "fifo:099", "fifo:0", "as_found", "held", "cpu", "yield",
          "event", "off", "on", "mps", "normal", "thp", "anywhere", "with_role", "locked", "", "Spin",
          0, 1, 2.0, 4, 64, 65, 1000, 1001, 1.5, -1, 1e6, True, None, [], {}, [1, 2], ["spin"],
          {"rate": 30}, {"poisson": 0.05}, {"rate": "30"}, {"search": {"response_p99_us": 500}},
          {"search": {"from": 30}}, {"width": 4, "height": 2, "channels": 1},
          {"width": 4, "height": 2}]


def any_value(rng, axis, definitions):
    """Mostly one that the schema names."""
    named = [value for kind in definitions["axis_" + axis]["anyOf"] for value in
             kind.get("enum", []) + [kind[key] for key in ("minimum", "maximum") if key in kind]]
    return copy.deepcopy(rng.choice(named if named and rng.random() < 0.7 else VALUES))


def any_scenario(rng, definitions):
    """One block of which most values are likely and some are not."""
    axes = definitions["axis"]["enum"]
    defaults = {"transport": "shm", "wait": "spin"}
    block = {"name": "b", "base": dict(defaults)}
    for _ in range(rng.randint(1, 2)):
        axis = rng.choice(axes)
        value = any_value(rng, axis, definitions)
        if rng.random() < 0.5:
            block["base"][axis] = value
        else:
            block["base"].pop(axis, None)
            block.setdefault("axes", {})[axis] = rng.choice(
                [value, [value], [value, any_value(rng, axis, definitions)]])
    key, value = rng.choice([("cpu_baseline", True), ("cpu_baseline", 1), ("launch_seconds", 0.5),
                             ("launch_seconds", 1e9), ("compare", "wait"), ("compare", "speed"),
                             ("description", "Zeile"), ("description", "a\tb"), ("cells", [{}]),
                             ("exclude", [{"wait": "spin"}]), ("nothing", 0)])
    if rng.random() < 0.3:
        block[key] = value
    scenario = {"name": rng.choice(["s", "a-b.c", "-a", "ä"]) if rng.random() < 0.2 else "s",
                "blocks": [block]}
    if rng.random() < 0.2:
        scenario["gates"] = rng.sample(["latency.p50", "frames_per_s", "latency.p98",
                                        "cpu_percent.system"], rng.randint(0, 2))
    if rng.random() < 0.2:
        scenario["$schema"] = rng.choice(["./schema.json", "", 7])
    return scenario


def test_what_the_reader_takes_the_schema_takes(validator, schema, handoff, rng, tmp_path):
    counts = {(taken, valid): 0 for taken in (True, False) for valid in (True, False)}
    for index in range(50):
        scenario = any_scenario(rng, schema["definitions"])
        path = str(tmp_path / ("%d.json" % index))
        with open(path, "w") as file:
            json.dump(scenario, file)
        done = subprocess.run([handoff, "run", path, "--dry-run", "--no-floor"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode in (0, 2), done.stderr
        taken, wrong = done.returncode == 0, complaints(validator, scenario)
        counts[taken, not wrong] += 1
        assert not (taken and wrong), "%s\n%s" % (json.dumps(scenario), wrong)
    assert counts[True, True] > 2 and counts[False, False] > 5, counts
