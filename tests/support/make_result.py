#!/usr/bin/env python3
"""Writes a plausible, seeded result.json for developing and testing the report.

It is no measurement: every figure is drawn from a generator, in the shape that results/README.md
defines, with histograms encoded by the Python package `hdrhistogram`. Usage:

    make_result.py [--seed N] [--launches N] [--frames N] OUT.json
"""
import argparse
import json
import math
import random
import statistics

from hdrh.histogram import HdrHistogram

T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26, 12: 2.20}
QUANTILES = (("p50", 50.0, 6), ("p90", 90.0, 36), ("p99", 99.0, 368), ("p999", 99.9, 3688))
STAGES = ("reserve", "fill", "transfer", "access", "kernel")


def histogram():
    return HdrHistogram(1, 3600000000000, 3)


def encode(hist):
    text = hist.encode()
    return text.decode() if isinstance(text, bytes) else text


def estimate(values, log=False):
    """Value with its interval, as measure/stats.c makes it."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    n = len(values)
    work = [math.log(max(v, 1e-9)) for v in values] if log else values
    mean = statistics.fmean(work)
    if n >= 10:
        half = T95.get(n, 2.2) * statistics.stdev(work) / math.sqrt(n)
        low, high, spread = mean - half, mean + half, "ci95"
    else:
        low, high, spread = min(work), max(work), "range"
    undo = math.exp if log else (lambda v: v)
    return {"value": undo(mean), "low": undo(low), "high": undo(high), "spread": spread,
            "launches": n}


def quantile_entry(values):
    made = estimate(values, log=True)
    if made is None:
        return {"value_ns": None, "low_ns": None, "high_ns": None, "spread": "none", "launches": 0}
    return {"value_ns": round(made["value"]), "low_ns": round(made["low"]),
            "high_ns": round(made["high"]), "spread": made["spread"], "launches": made["launches"]}


class Cell:
    """One cell: median stage costs in, a cell's JSON out."""

    def __init__(self, rng, block, axes, payload, stages, handoff, cpu, frames, launches,
                 response=0.0):
        self.rng, self.block, self.axes, self.payload = rng, block, axes, payload
        self.stages, self.handoff, self.cpu, self.response = stages, handoff, cpu, response
        self.frames, self.launch_count = frames, launches
        self.merged, self.per_launch = {}, []

    def draw(self, median, shift, spread=0.12):
        value = median * shift * self.rng.lognormvariate(0, spread)
        if self.rng.random() < 0.01:
            value += self.rng.expovariate(1 / 40000.0)
        return max(1, int(value))

    def launch(self, number, drift):
        samples = {}
        shift = drift * self.rng.lognormvariate(0, 0.02)
        for _ in range(self.frames):
            stages = {name: self.draw(self.stages[name], shift) for name in STAGES}
            latency = sum(stages.values())
            for name, value in stages.items():
                samples.setdefault(name, []).append(value)
            samples.setdefault("latency", []).append(latency)
            if self.handoff:
                samples.setdefault("handoff", []).append(self.draw(self.handoff, shift))
            if self.response:
                late = self.draw(self.response, shift)
                samples.setdefault("response", []).append(latency + late)
                samples.setdefault("pacing", []).append(late)
        intervals = {}
        for name, values in samples.items():
            hist = histogram()
            for value in values:
                hist.record_value(value)
                self.merged.setdefault(name, histogram()).record_value(value)
            entry = {"count": len(values), "infinite": 0, "min_ns": hist.get_min_value(),
                     "max_ns": hist.get_max_value(), "mean_ns": statistics.fmean(values)}
            for key, percentile, needed in QUANTILES:
                enough = len(values) >= needed
                entry[key + "_ns"] = hist.get_value_at_percentile(percentile) if enough else None
            entry["histogram"] = encode(hist)
            intervals[name] = entry
        if self.axes["pacing"].startswith("rate:"):
            period = 1e9 / float(self.axes["pacing"][5:])
        else:
            period = statistics.fmean(samples["latency"])
            if self.axes["pacing"] == "max":
                period *= 0.6
        window = int(self.frames * period)
        return {"launch": number, "order": number * 7 % 50, "status": "ok", "reason": "",
                "started_utc": "2026-11-20T10:00:00Z", "window_ns": window, "frames": self.frames,
                "infinite": 0, "first_frame_ns": int(samples["latency"][0] * 9), "steady": True,
                "backlog_frames": 0, "clamped": 0, "intervals": intervals}

    def make(self, drifts):
        launches = [self.launch(k, drifts[k]) for k in range(self.launch_count)]
        intervals = {}
        for name, hist in self.merged.items():
            intervals[name] = {
                "count": hist.get_total_count(), "infinite": 0, "min_ns": hist.get_min_value(),
                "max_ns": hist.get_max_value(), "mean_ns": hist.get_mean_value(),
                "quantiles": {
                    key: quantile_entry([l["intervals"][name][key + "_ns"] for l in launches])
                    for key, _, _ in QUANTILES},
                "histogram": encode(hist)}
        rates = [l["frames"] / l["window_ns"] * 1e9 for l in launches]
        total = self.frames * self.launch_count

        def percent(value):
            return estimate([value * self.rng.uniform(0.97, 1.03) for _ in launches])

        checked = total if self.axes["kernel"] == "checksum" else total // 16
        axes = self.axes
        return {
            "id": "%(transport)s+%(wait)s/frame=%(frame)s/pacing=%(pacing)s" % axes,
            "block": self.block, "axes": axes, "status": "ok", "reason": "", "hint": "",
            "payload_bytes": self.payload, "frames": self.frames, "warmup_frames": 20,
            "copies_per_frame": 1.0,
            "roles": [{"name": "producer", "cpu": 0}, {"name": "consumer", "cpu": 1}],
            "edges": [{"from": "producer", "to": "consumer", "transport": axes["transport"]}],
            "launches_ok": len(launches), "launches_failed": 0, "launches_planned": len(launches),
            "intervals": intervals, "backlog_frames": 0,
            "first_frame": {"latency_ns": [l["first_frame_ns"] for l in launches]},
            "throughput": {"frames_per_s": estimate(rates),
                           "payload_bytes_per_s": estimate([r * self.payload for r in rates])},
            "cpu": {"producer": {"percent": percent(self.cpu[0])},
                    "consumer": {"percent": percent(self.cpu[1])},
                    "system": {"percent": percent(sum(self.cpu) + 3)}},
            "page_faults": {"producer": 0, "consumer": 0},
            "integrity": {"frames": total, "checked": checked, "torn": 0, "lost": 0, "repeated": 0,
                          "reordered": 0, "skipped": 0,
                          "method": "checksum" if axes["kernel"] == "checksum" else "sampled_tags"},
            "flags": ["no_steady_state"] if self.rng.random() < 0.1 else [],
            "launches": launches}


def axes(transport, wait, kernel, frame, pacing):
    return {"transport": transport, "access": "host", "wait": wait, "kernel": kernel,
            "fill": "copy", "frame": frame, "pacing": pacing, "slots": 4, "policy": "block",
            "placement": "auto",
            "frame_state": "as_left"}


def size_of(frame):
    width, height, channels = (int(v) for v in frame.split("x"))
    return width * height * channels


def make_cells(rng, launches, frames):
    cells = []
    drifts = [rng.lognormvariate(0, 0.06) for _ in range(launches)]
    waits = {"spin": (330, 100), "pause": (410, 100), "poll:50": (31000, 9), "futex": (38000, 4.2),
             "block": (52000, 5.1)}
    for wait, (handoff, cpu) in waits.items():
        stages = {"reserve": 120, "fill": 900, "transfer": handoff + 60, "access": 30,
                  "kernel": 2100}
        cells.append(Cell(rng, 0, axes("shm", wait, "checksum", "64x64x3", "rate:500"), 12288,
                          stages, handoff, (3.1, cpu), frames, launches,
                          response=60000).make(drifts))
    for frame in ("1920x1080x3", "3840x2160x3"):
        size = size_of(frame)
        for pacing in ("rate:60", "pingpong", "max"):
            for transport in ("shm", "unix"):
                copy, kernel = size / 14.0, size / 30.0
                stages = {"reserve": 200, "fill": copy if transport == "shm" else 90,
                          "transfer": 42000 if transport == "shm" else size / 5.2, "access": 40,
                          "kernel": kernel}
                handoff = 39000 if transport == "shm" else 0
                cpu = (6.0, 5.0) if pacing.startswith("rate") else (60.0, 48.0)
                if transport == "unix":
                    cpu = tuple(v * 1.7 for v in cpu)
                count = max(40, frames // 8)
                late = 70000 if pacing.startswith("rate") else 0
                wait = "futex" if transport == "shm" else "block"
                cells.append(Cell(rng, 1, axes(transport, wait, "checksum", frame, pacing), size,
                                  stages, handoff, cpu, count, launches,
                                  response=late).make(drifts))
    cells.append(dict(cells[-1], id="tcp+block/frame=1920x1080x3", status="unavailable",
                      axes=axes("tcp", "block", "checksum", "1920x1080x3", "rate:60"),
                      reason="no loopback interface in this network namespace",
                      hint="run it outside the sandbox, or bring up lo", intervals={}, launches=[],
                      cpu={}, throughput={}, integrity={}, first_frame={}))
    return cells


def environment(rng):
    return {"cpu": {"model": "Neoverse-N1 (synthetic)", "online": 2,
                    "governor": ["performance"] * 2, "clusters": [[0, 1]]},
            "kernel": {"release": "6.1.0-18", "version": "#1 SMP synthetic"},
            "memory": {"total_bytes": 8316502016, "available_bytes": 6e9 + rng.randrange(10**9)},
            "load": {"one_minute": round(rng.uniform(0, 1), 2)}, "clocksource": "tsc"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("--frames", type=int, default=800)
    parser.add_argument("out")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    result = {
        "schema": "handoff-result", "schema_version": 1,
        "tool": {"version": "0.1.0", "commit": "abc1234",
                 "compiler": "gcc 12.2.0", "build_type": "Release"},
        "scenario": {"name": "quick", "path": "scenarios/quick.json",
                     "description": "Waits on small frames, transports on images. Synthetic data."},
        "run": {"started_utc": "2026-11-20T10:00:00Z", "ended_utc": "2026-11-20T10:01:48Z",
                "seed": args.seed, "complete": True, "interrupted": False, "wall_ns": 108000000000,
                "command": ["handoff", "run", "scenarios/quick.json"],
                "clock": {"name": "CLOCK_MONOTONIC", "read_ns": 21.0, "tick_ns": 1.0}},
        "environment": {"before": environment(rng), "after": environment(rng)},
        "warnings": ["2 CPUs: producer, consumer and the system share them",
                     "the frequency governor is not `performance` on CPU 1"],
        "blocks": [{"name": "waits", "description": "How a consumer waits for a small frame.",
                    "compare": "wait"},
                   {"name": "transports", "description": "How image-sized frames cross.",
                    "compare": "transport"}],
        "cells": make_cells(rng, args.launches, args.frames)}
    with open(args.out, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
