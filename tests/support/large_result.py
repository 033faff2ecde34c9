#!/usr/bin/env python3
"""Makes a large result.json out of a measured one, for the size and the speed of its report.

It is no measurement: the cells of RESULT that ran are repeated under other names, with their times
scaled at random (seeded), until there are as many as asked for. Histograms stay as they are, so that
reading and decoding cost what they do in a real result. Usage:

    large_result.py [--cells 500] [--blocks 5] [--launches 10] [--seed 1] RESULT.json OUT.json
"""
import argparse
import copy
import json
import random

TRANSPORTS = ["shm", "memfd", "unix", "unix_seqpacket", "tcp", "pipe", "zmq_ipc", "zmq_tcp", "nng",
              "mqueue"]
WAITS = ["spin", "pause", "yield", "poll:50", "poll:100", "futex", "semaphore", "condvar", "eventfd",
         "adaptive:50"]
FRAMES = ["320x240x3", "640x480x3", "1280x720x3", "1920x1080x3", "3840x2160x3"]


def scale(quantiles, factor):
    """Times of an interval, in place."""
    for name, value in quantiles.items():
        if isinstance(value, dict) and name != "histogram":
            scale(value, factor)
        elif name.endswith("_ns") and isinstance(value, (int, float)):
            quantiles[name] = max(1, round(value * factor))


def clone(rng, cell, block, axes, launches):
    made = copy.deepcopy(cell)
    made["block"] = block
    made["axes"].update(axes)
    made["id"] = "%s+%s/%s" % (made["axes"]["transport"], made["axes"]["wait"], "/".join(
        "%s=%s" % (name, value) for name, value in axes.items() if name not in ("transport", "wait")))
    factor = rng.lognormvariate(0, 0.5)
    for interval in made["intervals"].values():
        scale(interval["quantiles"], factor)
    first = made["launches"]
    made["launches"] = []
    for number in range(launches):
        launch = copy.deepcopy(first[number % len(first)])
        launch["launch"] = number
        own = factor * rng.lognormvariate(0, 0.03)
        for interval in launch["intervals"].values():
            scale(interval, own)
        made["launches"].append(launch)
    for name in ("launches_ok", "launches_planned"):
        made[name] = launches
    return made


def axes_of(index, compare):
    """Ten values of the compared axis, then frames, rates and slots."""
    names = TRANSPORTS if compare == "transport" else WAITS
    rest = index // len(names)
    return {compare: names[index % len(names)], "frame": FRAMES[rest % len(FRAMES)],
            "pacing": "rate:%d" % (30 * (1 + rest // len(FRAMES) % 20)),
            "slots": 4 + rest // (20 * len(FRAMES))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("result")
    parser.add_argument("out")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with open(args.result) as file:
        result = json.load(file)
    sources = [cell for cell in result["cells"]
               if cell["status"] == "ok" and not cell.get("baseline") and "response" in
               cell["intervals"]]
    result["scenario"]["name"] = "large"
    result["blocks"], result["cells"] = [], []
    for block in range(args.blocks):
        compare = "transport" if block % 2 else "wait"
        result["blocks"].append({"name": "block-%d" % (block + 1), "compare": compare,
                                 "description": "Cells repeated from another result."})
        count = args.cells // args.blocks + (block < args.cells % args.blocks)
        for index in range(count):
            result["cells"].append(clone(rng, rng.choice(sources), block,
                                         axes_of(index, compare), args.launches))
    with open(args.out, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
