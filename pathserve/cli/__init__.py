"""The command line: each command parses, makes one call and prints."""

from pathserve.cli.start import main

__all__ = ["main"]
