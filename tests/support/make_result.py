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
                 response=0.0, jitter=0.12, drift=0.02):
        self.rng, self.block, self.axes, self.payload = rng, block, axes, payload
        self.stages, self.handoff, self.cpu, self.response = stages, handoff, cpu, response
        self.frames, self.launch_count = frames, launches
        self.jitter, self.drift, self.notify = jitter, drift, 0
        self.merged, self.per_launch = {}, []

    def draw(self, median, shift):
        value = median * shift * self.rng.lognormvariate(0, self.jitter)
        if self.rng.random() < 0.01:
            value += self.rng.expovariate(1 / 40000.0)
        return max(1, int(value))

    def launch(self, number, drift):
        samples = {}
        shift = drift * self.rng.lognormvariate(0, self.drift)
        for _ in range(self.frames):
            stages = {name: self.draw(self.stages[name], shift) for name in STAGES}
            latency = sum(stages.values())
            for name, value in stages.items():
                samples.setdefault(name, []).append(value)
            samples.setdefault("latency", []).append(latency)
            if self.handoff:
                samples.setdefault("handoff", []).append(self.draw(self.handoff, shift))
            if self.notify:
                samples.setdefault("notify", []).append(self.draw(self.notify, shift))
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
        if ":" in self.axes["pacing"] and self.axes["pacing"][:6] != "search":
            period = 1e9 / float(self.axes["pacing"].split(":")[1])
        else:
            period = statistics.fmean(samples["latency"])
            if self.axes["pacing"] == "max":
                period *= 0.6
        window = int(self.frames * period)
        usage = {"system": {"busy_ns": int(window * self.rng.uniform(0.97, 1.03) *
                                           (sum(self.cpu) + 3) / 100),
                            "steal_ns": 0, "wall_ns": window, "cpus": 2}}
        for name, percent in zip(("producer", "consumer"), self.cpu):
            usage[name] = {"user_ns": int(window * percent / 100 * self.rng.uniform(0.97, 1.03)),
                           "system_ns": 0, "wall_ns": window, "voluntary_switches": self.frames,
                           "involuntary_switches": 0, "minor_faults": 0, "major_faults": 0}
        return {"launch": number, "order": number * 7 % 50, "status": "ok", "reason": "",
                "started_utc": "2026-11-20T10:00:00Z", "window_ns": window, "frames": self.frames,
                "infinite": 0, "first_frame_ns": int(samples["latency"][0] * 9), "steady": True,
                "backlog_frames": 0, "clamped": 0, "usage": usage, "intervals": intervals}

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

        def percent(role):
            return estimate([100.0 * (use.get("busy_ns", 0) + use.get("user_ns", 0)) /
                             use["wall_ns"] for use in (l["usage"][role] for l in launches)])

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
            "cpu": {"producer": {"percent": percent("producer")},
                    "consumer": {"percent": percent("consumer")},
                    "system": {"percent": percent("system")}},
            "page_faults": {"producer": 0, "consumer": 0},
            "integrity": {"frames": total, "checked": checked, "torn": 0, "lost": 0, "repeated": 0,
                          "reordered": 0, "skipped": 0,
                          "method": "checksum" if axes["kernel"] == "checksum" else "sampled_tags"},
            "flags": ["no_steady_state"] if self.rng.random() < 0.1 else [],
            "launches": launches}


def axes(transport, wait, kernel, frame, pacing, **others):
    made = {"transport": transport, "access": "host", "wait": wait, "kernel": kernel,
            "fill": "copy", "frame": frame, "pacing": pacing, "slots": 4, "policy": "block",
            "placement": "auto",
            "frame_state": "as_left", "producer_wait": "same", "phase": "fixed",
            "scheduling": "other", "timer_slack_ns": "as_found", "idle_latency": "as_found",
            "clocks": "as_found",
            "load": "none"}
    made.update(others)
    return made


def size_of(frame):
    width, height, channels = (int(v) for v in frame.split("x"))
    return width * height * channels


# wait: handoff in ns, lateness at most, CPU of the producer and the consumer, what a wake costs
WAITS = {"spin": (160, 900, 100, 100, 0), "pause": (190, 950, 100, 100, 0),
         "yield": (250, 1400, 100, 100, 0), "poll:100": (98000, 76000, 3.0, 5.2, 0),
         "futex": (31000, 62000, 1.9, 1.6, 11800), "semaphore": (31500, 62500, 1.9, 1.7, 11900),
         "condvar": (34000, 66000, 2.4, 2.3, 13100), "eventfd": (31800, 64000, 2.2, 1.9, 12400),
         "adaptive:50": (31900, 63000, 2.7, 2.5, 11900), "block": (33000, 68000, 2.6, 2.2, 0)}


def net_of(cell, baseline):
    """System CPU of a cell's launches, each less that of the baseline's launch beside it."""
    def shares(of):
        return [100.0 * l["usage"]["system"]["busy_ns"] / l["usage"]["system"]["wall_ns"]
                for l in of["launches"]]
    net = [a - b for a, b in zip(shares(cell), shares(baseline))]
    cell["cpu"]["system_less_null"] = {"percent": estimate(net), "baseline": baseline["id"]}


def make_waits(rng, launches, block, pacing, scale=1.0, **others):
    """A comparison of waits with its baseline."""
    drifts = [rng.lognormvariate(0, 0.05) for _ in range(launches)]
    named = "".join("/%s=%s" % item for item in others.items())
    baseline = Cell(rng, block, axes("null", "poll:50000", "none", "1920x1080x3", pacing,
                                     fill="header", slots=1024, **others), 0,
                    dict.fromkeys(STAGES, 20), 0, (1.4, 0.1), 390, launches).make(drifts)
    baseline.update(baseline=True, id=baseline["id"] + "/fill=header" + named)
    cells = []
    for wait, (handoff, late, producer, consumer, notify) in WAITS.items():
        transport = "unix" if wait == "block" else "shm"
        if handoff > 1000:
            handoff, late = handoff * scale, late * scale
        stages = {"reserve": 60, "fill": 40, "transfer": handoff + 60, "access": 20, "kernel": 20}
        cell = Cell(rng, block, axes(transport, wait, "none", "1920x1080x3", pacing,
                                     fill="header", **others), 0, stages,
                    handoff if transport == "shm" else 0, (producer, consumer), 390, launches,
                    response=late, jitter=0.2 if handoff > 1000 else 0.5,
                    drift=0.06 if handoff > 1000 else 0.3)
        cell.notify = notify * scale
        cell = cell.make(drifts)
        cell["id"] += "/fill=header" + named
        cell["floor"] = {"handoff_ns": 141, "latency_ns": 141} if transport == "shm" else \
            {"handoff_ns": None, "latency_ns": 240}
        cell["switches"] = {
            role: {"voluntary_per_frame": 0.0 if share > 50 else 1.0 + (wait == "poll:100") * 45,
                   "involuntary_per_frame": 0.01}
            for role, share in (("producer", producer), ("consumer", consumer))}
        net_of(cell, baseline)
        cells.append(cell)
    cells.append(dict(cells[-1], id="shm+umwait/fill=header" + named, status="unavailable",
                      axes=axes("shm", "umwait", "none", "1920x1080x3", pacing, fill="header",
                                **others),
                      reason="this processor has no WAITPKG", hint="", intervals={}, launches=[],
                      cpu={}, throughput={}, integrity={}, first_frame={}))
    return cells + [baseline]


def make_searches(rng, launches, block):
    cells = []
    for wait, rate in (("spin", 4200), ("futex", 1900), ("poll:100", 1870)):
        stages = dict.fromkeys(STAGES, 90)
        cell = Cell(rng, block, axes("shm", wait, "none", "1920x1080x3", "search:500us:30-5000",
                                     fill="header"), 0, stages, 300, (40, 40), 390, launches,
                    response=60000).make([1.0] * launches)
        rates = [rate * rng.uniform(0.95, 1.05) for _ in range(launches)]
        for launch, found in zip(cell["launches"], rates):
            launch["frames_per_s"] = found
            launch["search"] = {"bound_ns": 500000, "rate_hz": found, "steps": []}
        cell["throughput"]["frames_per_s"] = estimate(rates)
        cells.append(cell)
    return cells


FLOOR = {"system_call_ns": 99.4,
         "clocks": [{"name": "TSC", "read_ns": 9.8, "tick_ns": 0.4},
                    {"name": "CLOCK_MONOTONIC", "read_ns": 21.1, "tick_ns": 1}],
         "pairs": [{"producer_cpu": 0, "consumer_cpu": 1,
                    "one_line": {"p50_ns": 221, "mean_ns": 133.2},
                    "two_lines": {"p50_ns": 283, "mean_ns": 276.4}},
                   {"producer_cpu": 0, "consumer_cpu": 0, "one_line": None, "two_lines": None}],
         "futex": {"wake_nobody_ns": 88, "wake_sleeper_ns": 12100, "one_way_ns": 31500},
         "nanosleep": [{"requested_ns": 1000, "p50_ns": 58000},
                       {"requested_ns": 100000, "p50_ns": 182000}],
         "timer_slack_ns": 50000,
         "memory": [{"bytes": 6220800, "copy_cached_ns": 388000, "copy_evicted_ns": 786000,
                     "read_cached_ns": 190000, "read_evicted_ns": None,
                     "read_written_elsewhere_ns": 196000}]}


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
    parser.add_argument("--waits", action="store_true",
                        help="waits with baselines, a floor and a search, as waits.json has them")
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
        "cells": [] if args.waits else make_cells(rng, args.launches, args.frames)}
    if args.waits:
        result["scenario"].update(name="waits", path="scenarios/waits.json",
                                  description="Every wait side by side. Synthetic data.")
        result["floor"] = FLOOR
        result["run"]["clock"] = {
            "name": "TSC", "read_ns": 9.8, "tick_ns": 0.4, "conversion_error_ppm": 0.8,
            "cpus_agree_ns": 31, "candidates": [
                {"name": "TSC", "usable": True, "reason": "", "read_ns": 9.8, "tick_ns": 0.4},
                {"name": "CLOCK_MONOTONIC", "usable": True, "reason": "", "read_ns": 21.1,
                 "tick_ns": 1}]}
        result["blocks"] = [
            {"name": "at-120", "description": "Every wait at 120 frames/s.", "compare": "wait"},
            {"name": "idle-states", "description": "The same with idle states held off.",
             "compare": "wait"},
            {"name": "highest-rate", "description": "How fast until frames are late?",
             "compare": "wait"}]
        result["cells"] = (make_waits(rng, args.launches, 0, "rate:120") +
                           make_waits(rng, args.launches, 1, "poisson:500") +
                           make_waits(rng, args.launches, 1, "poisson:500", 0.08,
                                      idle_latency="held") +
                           make_searches(rng, args.launches, 2))
    with open(args.out, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
