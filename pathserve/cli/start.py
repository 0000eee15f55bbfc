"""The very first thing that runs: what Ctrl-C does until a command is there."""

import signal
from importlib import import_module
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line.

    While modules load, Ctrl-C ends the process as it ends any other, at once and without a word: a module that is
    interrupted half loaded takes it for an error of its own.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import_module("pathserve.cli.main").main()
    raise SystemExit(0)


def listen() -> None:
    """From now on Ctrl-C is Python's KeyboardInterrupt again, so that what is under way is cleared."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
