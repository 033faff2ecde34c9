"""One process of a measurement, written in Python: `handoff run` starts `python -m handoff.role`.

It does what the roles in C do (harness/run/producer.c, consumer.c), step by step and with stamps of
the same meaning, so that what differs is what Python costs.
"""
