"""Delays of known length in the verbs of Python's shm edge, for experiments.py: what delayed.c is for
the C roles. Every interpreter with this folder on PYTHONPATH imports this as it starts.

HANDOFF_DELAY="<place>:<ns>" in every frame, with the places of delayed.c. The delay is made by looking
at the system's clock through a call of its own, and by no means of the role's.
"""
import os
import time


def wait(ns):
    until_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + ns
    while time.clock_gettime_ns(time.CLOCK_MONOTONIC) < until_ns:
        pass


def around(kind, name, before_ns, after_ns):
    """Makes kind.name wait before its work or after it."""
    inner = getattr(kind, name)

    def delayed(self, *arguments):
        if before_ns:
            wait(before_ns)
        result = inner(self, *arguments)
        if after_ns:
            wait(after_ns)
        return result

    setattr(kind, name, delayed)


def install(place, ns):
    from handoff.role import edge_shm
    producer, consumer = edge_shm.ShmProducer, edge_shm.ShmConsumer
    around(producer, "reserve", 0, ns if place == "reserve" else 0)
    around(producer, "commit", ns if place == "publish" else 0, ns if place == "commit" else 0)
    around(consumer, "acquire", 0, ns if place == "acquire" else 0)
    around(consumer, "release", 0, ns if place == "release" else 0)


# Without a delay as well: what the wrapper itself takes is no part of it.
if os.environ.get("HANDOFF_DELAY"):
    where, length = os.environ["HANDOFF_DELAY"].split(":")
    install(where, int(length))
