"""The very first thing that runs: what Ctrl-C does, and what is spared, until a command is there."""

import gc
import signal
from importlib import import_module
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line.

    While modules load, Ctrl-C ends the process as it ends any other, at once and without a word: a module that is
    interrupted half loaded takes it for an error of its own. Nor is garbage collected, which would go through all that
    is loaded again and again: a tenth of what a short command takes.
    """
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import_module("pathserve.cli.main").main()
    raise SystemExit(0)


def listen() -> None:
    """From now on Ctrl-C is Python's KeyboardInterrupt again, so that what is under way is cleared.

    Garbage is collected again, too, but not looked for among what has been loaded.
    """
    gc.freeze()
    gc.enable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
