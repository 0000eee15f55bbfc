"""The process that opens scans: its program, and what it and its parent say to each other.

A room of its own, so that the program loads readers and the building of pyramids and nothing else: no database, no
catalog. :mod:`pathserve.ingest` starts it.
"""
